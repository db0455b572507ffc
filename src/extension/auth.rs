//! AUTH (RFC 4954): the SASL mechanisms that a server offers, and who a mail comes from. The
//! mechanisms themselves are in the folder `auth`.
//!
//! ```abnf
//! auth-offer = "AUTH" *( SP mechanism )
//! auth-param = "AUTH=" ( xtext / "<>" )   ; xtext of a mailbox, §5
//! ```

use super::{Extension, MailParam};
use crate::wire::{Mailbox, Param, xtext};

/// The server takes AUTH, by one of these mechanisms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    mechanisms: Vec<Box<str>>,
}

impl Auth {
    /// The mechanisms, as they were spelled, in the order of the offer and each once.
    pub fn mechanisms(&self) -> impl Iterator<Item = &str> {
        self.mechanisms.iter().map(AsRef::as_ref)
    }

    /// Whether a mechanism is offered. Whole names are compared, without case.
    #[must_use]
    pub fn has(&self, mechanism: &str) -> bool {
        self.mechanisms().any(|offered| offered.eq_ignore_ascii_case(mechanism))
    }
}

impl Extension for Auth {
    const KEYWORD: &'static str = "AUTH";
    const MAIL_PARAMS: &'static [&'static str] = &["AUTH"];
    const MAIL_OCTETS: usize = 500;

    fn parse(params: &str) -> Option<Self> {
        let mut auth = Self { mechanisms: Vec::new() };
        for mechanism in params.split([' ', '\t']).filter(|word| !word.is_empty()) {
            auth.add(mechanism);
        }
        Some(auth)
    }

    /// Servers repeat the keyword with other mechanisms, and spell it `AUTH=` too: all count.
    fn join(self, mut earlier: Self) -> Self {
        self.mechanisms().for_each(|mechanism| earlier.add(mechanism));
        earlier
    }
}

impl Auth {
    fn add(&mut self, mechanism: &str) {
        if !self.has(mechanism) {
            self.mechanisms.push(mechanism.into());
        }
    }
}

impl MailParam {
    /// `AUTH=`: who submitted the mail, as the one who sends it now vouches for (RFC 4954 §5).
    ///
    /// It may be said before and without AUTH. An address that is not ASCII is escaped as its
    /// UTF-8, and so needs no SMTPUTF8.
    ///
    /// ```
    /// let param = ehlo::MailParam::auth(&"e=mc2@example.com".parse()?);
    /// assert_eq!(param.to_string(), "AUTH=e+3Dmc2@example.com");
    /// # Ok::<(), ehlo::InvalidValue>(())
    /// ```
    #[must_use]
    pub fn auth(submitter: &Mailbox) -> Self {
        Self(Param::text("AUTH", xtext::encode(submitter.as_str())))
    }

    /// `AUTH=<>`: who submitted the mail is not known, or not to be trusted.
    #[must_use]
    pub const fn auth_unknown() -> Self {
        Self(Param::fixed("AUTH", "<>"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::capabilities::tests::offered;
    use super::*;

    #[track_caller]
    fn assert_offers(lines: &[&str], mechanisms: &[&str]) {
        let auth = offered(lines).get::<Auth>().unwrap();
        assert_eq!(auth.mechanisms().collect::<Vec<_>>(), mechanisms);
    }

    #[test]
    fn dialect_40_c_022_the_old_spelling_is_joined_in() {
        assert_offers(&["AUTH=LOGIN PLAIN"], &["LOGIN", "PLAIN"]);
        assert_offers(&["AUTH PLAIN LOGIN", "AUTH=PLAIN LOGIN"], &["PLAIN", "LOGIN"]);
        assert_offers(&["AUTH=LOGIN", "AUTH PLAIN"], &["LOGIN", "PLAIN"]);
        let spelled: Vec<_> =
            offered(&["AUTH=LOGIN PLAIN"]).keywords().map(|keyword| keyword.to_string()).collect();
        assert_eq!(spelled, ["AUTH=LOGIN PLAIN", "X-LAST"]);
    }

    #[test]
    fn dialect_41_private_spellings_stay_apart_unless_they_are_asked_for() {
        let offered = offered(&["X-EXPS GSSAPI NTLM LOGIN", "X-EXPS=LOGIN"]);
        assert_eq!(offered.get::<Auth>(), None);
        assert!(offered.has("X-EXPS") && offered.has("X-EXPS=LOGIN"));
        let auth = offered.with_auth_keyword(Some("x-exps")).get::<Auth>().unwrap();
        assert_eq!(auth.mechanisms().collect::<Vec<_>>(), ["GSSAPI", "NTLM", "LOGIN"]);
    }

    #[test]
    fn dialect_42_repeated_lines_are_joined() {
        assert_offers(&["AUTH LOGIN", "AUTH login CRAM-MD5"], &["LOGIN", "CRAM-MD5"]);
    }

    #[test]
    fn dialect_43_an_empty_list_offers_no_mechanism() {
        assert_offers(&["AUTH"], &[]);
        assert_offers(&["AUTH="], &[]);
    }

    #[test]
    fn dialect_44_whole_names_are_compared() {
        let auth = offered(&["AUTH PLAIN-CLIENTTOKEN CRAM_MD5 LOGIN1"]).get::<Auth>().unwrap();
        assert!(!auth.has("PLAIN") && !auth.has("LOGIN") && !auth.has("CRAM-MD5"));
        assert!(auth.has("plain-clienttoken") && auth.has("CRAM_MD5"));
    }

    #[test]
    fn who_submitted_is_xtext_or_unknown() {
        for (mailbox, text) in [
            ("joe@example.org", "AUTH=joe@example.org"),
            ("e=mc2+x@example.com", "AUTH=e+3Dmc2+2Bx@example.com"),
            ("\"a b\"@example.org", "AUTH=\"a+20b\"@example.org"),
            ("jürgen@example.org", "AUTH=j+C3+BCrgen@example.org"),
        ] {
            let param = MailParam::auth(&mailbox.parse().unwrap());
            assert_eq!(param.to_string(), text);
            assert_eq!(Param::from(param), text.parse().unwrap());
        }
        assert_eq!(Param::from(MailParam::auth_unknown()), "AUTH=<>".parse().unwrap());
    }
}
