//! CONPERM (RFC 4141): the sender permits that the content is converted on its way.

use super::{Extension, MailParam};
use crate::wire::Param;

/// The server converts content that a sender lets it convert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conperm;

impl Extension for Conperm {
    const KEYWORD: &'static str = "CONPERM";
    const MAIL_PARAMS: &'static [&'static str] = &["CONPERM"];
    /// RFC 4141 states none: by count.
    const MAIL_OCTETS: usize = " CONPERM".len();

    fn parse(_params: &str) -> Option<Self> {
        Some(Self)
    }
}

impl MailParam {
    /// `CONPERM`: the content may be converted, as its `Content-Convert` fields say.
    #[must_use]
    pub const fn conperm() -> Self {
        Self(Param::flag("CONPERM"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Conneg;
    use super::super::capabilities::tests::offered;
    use super::*;
    use crate::wire::Verb;

    #[test]
    fn is_offered_and_said_apart_from_conneg() {
        let offered = offered(&["CONPERM"]);
        assert_eq!((offered.get::<Conperm>(), offered.get::<Conneg>()), (Some(Conperm), None));
        assert_eq!(MailParam::conperm().to_string(), "CONPERM");
        assert_eq!(offered.line_limit(Verb::Mail), 512 + 8);
        assert_eq!(offered.line_limit(Verb::Rcpt), 512);
    }
}
