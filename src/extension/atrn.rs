//! ATRN (RFC 2645): a client without a fixed address becomes the server for its own mail. The
//! command is in `wire`; after it the conversation is no longer that of a client.

use super::Extension;

/// The server takes ATRN, once the client has authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Atrn;

impl Extension for Atrn {
    const KEYWORD: &'static str = "ATRN";

    fn parse(_params: &str) -> Option<Self> {
        Some(Self)
    }
}
