//! PIPELINING (RFC 2920): several commands in one write. Which ones is a matter of the table of
//! the protocol.

use super::Extension;

/// The server takes commands in groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pipelining;

impl Extension for Pipelining {
    const KEYWORD: &'static str = "PIPELINING";

    fn parse(_params: &str) -> Option<Self> {
        Some(Self)
    }
}
