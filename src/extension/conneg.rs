//! CONNEG (RFC 4141): asks what kinds of content a recipient can use. The answer is the text of
//! the further lines of a positive reply to RCPT.

use super::{Extension, RcptParam};
use crate::wire::Param;

/// The server says what kinds of content a recipient can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conneg;

impl Extension for Conneg {
    const KEYWORD: &'static str = "CONNEG";
    const RCPT_PARAMS: &'static [&'static str] = &["CONNEG"];
    /// RFC 4141 states none: by count.
    const RCPT_OCTETS: usize = " CONNEG".len();

    fn parse(_params: &str) -> Option<Self> {
        Some(Self)
    }
}

impl RcptParam {
    /// `CONNEG`: the reply is to say what this recipient can use.
    #[must_use]
    pub const fn conneg() -> Self {
        Self(Param::flag("CONNEG"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::capabilities::tests::offered;
    use super::*;
    use crate::wire::Verb;

    #[test]
    fn is_offered_and_said() {
        let offered = offered(&["conneg"]);
        assert_eq!(offered.get::<Conneg>(), Some(Conneg));
        assert_eq!(RcptParam::conneg().to_string(), "CONNEG");
        assert_eq!(offered.line_limit(Verb::Rcpt), 512 + 7);
        assert_eq!(offered.line_limit(Verb::Mail), 512);
    }
}
