//! CHUNKING (RFC 3030): content in counted chunks, with BDAT. When a chunk may be sent is a matter
//! of the table of the protocol.

use super::Extension;

/// The server takes content in chunks, by BDAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chunking;

impl Extension for Chunking {
    const KEYWORD: &'static str = "CHUNKING";

    fn parse(_params: &str) -> Option<Self> {
        Some(Self)
    }
}
