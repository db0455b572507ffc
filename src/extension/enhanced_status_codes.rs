//! ENHANCEDSTATUSCODES (RFC 2034): replies begin with a second, finer code. It is looked for
//! whether it is offered or not.

use super::Extension;

/// The server promises an enhanced status code on its replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnhancedStatusCodes;

impl Extension for EnhancedStatusCodes {
    const KEYWORD: &'static str = "ENHANCEDSTATUSCODES";

    fn parse(_params: &str) -> Option<Self> {
        Some(Self)
    }
}
