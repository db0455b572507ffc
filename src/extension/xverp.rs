//! XVERP (Postfix): an envelope sender for each recipient, so that what bounces says who it was.
//!
//! ```abnf
//! param = "XVERP" [ "=" delimiter delimiter ]
//! ```

use super::{Extension, MailParam};
use crate::wire::{InvalidValue, Param};

/// The server writes the recipient into the sender's mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Xverp;

impl Extension for Xverp {
    const KEYWORD: &'static str = "XVERP";
    const MAIL_PARAMS: &'static [&'static str] = &["XVERP"];
    /// By count.
    const MAIL_OCTETS: usize = " XVERP=++".len();

    fn parse(_params: &str) -> Option<Self> {
        Some(Self)
    }
}

impl MailParam {
    /// `XVERP`, with the delimiters that are set at the server: usually `+` and `=`, which makes
    /// `list@example.org` into `list+bob=example.net@example.org`.
    #[must_use]
    pub const fn xverp() -> Self {
        Self(Param::flag("XVERP"))
    }

    /// `XVERP=`, with these delimiters: what stands before the recipient, and what in place of its
    /// `@`. Postfix takes `-` and `+`; its `=` cannot stand in the value of a parameter.
    ///
    /// # Errors
    ///
    /// Where one of them is neither `-` nor `+`.
    pub fn xverp_with(before: char, at: char) -> Result<Self, InvalidValue> {
        let value = String::from_iter([before, at]);
        if !matches!((before, at), ('-' | '+', '-' | '+')) {
            let reason = "each of them is `-` or `+`";
            return Err(InvalidValue::new("VERP delimiters", value, reason));
        }
        Param::with_value("XVERP", &value).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::capabilities::tests::offered;
    use super::*;
    use crate::wire::Verb;

    #[test]
    fn is_said_with_or_without_delimiters() {
        assert_eq!(MailParam::xverp().to_string(), "XVERP");
        assert_eq!(MailParam::xverp_with('-', '+').unwrap().to_string(), "XVERP=-+");
        for (before, at) in [('+', '='), (' ', '+'), ('+', '\r'), ('a', 'b')] {
            let error = MailParam::xverp_with(before, at).unwrap_err();
            assert_eq!(error.reason(), "each of them is `-` or `+`");
        }
        assert_eq!(
            MailParam::xverp_with('+', '=').unwrap_err().to_string(),
            "VERP delimiters \"+=\": each of them is `-` or `+`"
        );
    }

    #[test]
    fn is_offered() {
        assert_eq!(offered(&["XVERP"]).get::<Xverp>(), Some(Xverp));
        assert_eq!(offered(&["XVERP"]).line_limit(Verb::Mail), 512 + 9);
    }
}
