//! ETRN (RFC 1985): a client has the server start sending what it holds for a host. The command is
//! in `wire`.

use super::Extension;

/// The server takes ETRN. The mail comes over a connection of the server's own.
///
/// No parameters; on port 587 it must not be offered (RFC 6409).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Etrn;

impl Extension for Etrn {
    const KEYWORD: &'static str = "ETRN";

    fn parse(_params: &str) -> Option<Self> {
        Some(Self)
    }
}
