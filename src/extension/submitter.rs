//! SUBMITTER (RFC 4405): who is responsible for a mail now. An experiment that few servers still
//! offer.
//!
//! ```abnf
//! param = "SUBMITTER=" xtext                  ; of a Mailbox
//! ```

use super::{Extension, MailParam};
use crate::wire::{InvalidValue, Mailbox, Param, xtext};

/// The server takes the one who is responsible for a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Submitter;

impl Extension for Submitter {
    const KEYWORD: &'static str = "SUBMITTER";
    const MAIL_PARAMS: &'static [&'static str] = &["SUBMITTER"];
    /// RFC 4405 states none: by count, with the longest mailbox of RFC 5321 §4.5.3.1.3.
    const MAIL_OCTETS: usize = " SUBMITTER=".len() + 254;

    fn parse(_params: &str) -> Option<Self> {
        Some(Self)
    }
}

impl MailParam {
    /// `SUBMITTER=`: who is responsible for sending the mail on.
    ///
    /// ```
    /// let param = ehlo::MailParam::submitter(&"joe+list@example.org".parse()?)?;
    /// assert_eq!(param.to_string(), "SUBMITTER=joe+2Blist@example.org");
    /// # Ok::<(), ehlo::InvalidValue>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where the mailbox is not ASCII: RFC 4405 has no form for it.
    pub fn submitter(mailbox: &Mailbox) -> Result<Self, InvalidValue> {
        if !mailbox.is_ascii() {
            let reason = "a submitter must be ASCII";
            return Err(InvalidValue::new("mailbox", mailbox.as_str(), reason));
        }
        Param::with_value("SUBMITTER", &xtext::encode(mailbox.as_str())).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::capabilities::tests::offered;
    use super::*;
    use crate::wire::Verb;

    fn said(mailbox: &str) -> String {
        MailParam::submitter(&mailbox.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn is_written_in_xtext() {
        assert_eq!(said("joe@example.org"), "SUBMITTER=joe@example.org");
        assert_eq!(said("a+b=c@example.org"), "SUBMITTER=a+2Bb+3Dc@example.org");
        assert_eq!(said("\"a b\"@example.org"), "SUBMITTER=\"a+20b\"@example.org");
    }

    #[test]
    fn must_be_ascii() {
        let error = MailParam::submitter(&"ü@example.org".parse().unwrap()).unwrap_err();
        assert_eq!(error.reason(), "a submitter must be ASCII");
    }

    #[test]
    fn is_offered() {
        assert_eq!(offered(&["SUBMITTER"]).get::<Submitter>(), Some(Submitter));
        assert_eq!(offered(&["SUBMITTER"]).line_limit(Verb::Mail), 512 + 11 + 254);
    }
}
