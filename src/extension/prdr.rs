//! PRDR (Exim): a reply for each recipient after the content, as in LMTP. Only the offer is read:
//! there is no constructor for the parameter, since the session does not know its 353.

use super::Extension;

/// The server would answer the content for each recipient. This crate never asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Prdr;

impl Extension for Prdr {
    const KEYWORD: &'static str = "PRDR";

    fn parse(_params: &str) -> Option<Self> {
        Some(Self)
    }
}
