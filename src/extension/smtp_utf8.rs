//! SMTPUTF8 (RFC 6531): addresses and header fields that are not ASCII.

use super::{Extension, MailParam};
use crate::wire::Param;

/// The server takes addresses and header fields in UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SmtpUtf8;

impl Extension for SmtpUtf8 {
    const KEYWORD: &'static str = "SMTPUTF8";
    const MAIL_PARAMS: &'static [&'static str] = &["SMTPUTF8"];
    const MAIL_OCTETS: usize = 10;

    /// The keyword has no parameters; those that it is given are ignored (RFC 6531 §3.1).
    fn parse(_params: &str) -> Option<Self> {
        Some(Self)
    }
}

impl MailParam {
    /// `SMTPUTF8`: an address or a header field of this mail is not ASCII.
    #[must_use]
    pub const fn smtputf8() -> Self {
        Self(Param::flag("SMTPUTF8"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::capabilities::tests::offered;
    use super::*;

    #[test]
    fn c_024_parameters_of_the_keyword_are_ignored() {
        assert_eq!(offered(&["SMTPUTF8 foo=bar baz"]).get::<SmtpUtf8>(), Some(SmtpUtf8));
        assert_eq!(MailParam::smtputf8().to_string(), "SMTPUTF8");
    }
}
