//! NO-SOLICITING (RFC 3865): which classes of solicitation a server does not want, and which a
//! mail belongs to.
//!
//! ```abnf
//! offer = "NO-SOLICITING" [ SP classes ]
//! param = "SOLICIT=" classes
//! classes = word *( "," word )                ; at most 1000 characters
//! word = ALPHA *( "." / "-" / "_" / ":" / ALPHA / DIGIT )
//! ```

use super::{Extension, MailParam};
use crate::wire::{InvalidValue, Param};

/// The server wants mails to say that they solicit, and may name classes that it refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSoliciting {
    classes: Box<str>,
}

impl NoSoliciting {
    /// The classes that the server refuses from everyone, as they were spelled; none where it
    /// depends on the recipient.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.classes.split(',').filter(|class| !class.is_empty())
    }
}

impl Extension for NoSoliciting {
    const KEYWORD: &'static str = "NO-SOLICITING";
    const MAIL_PARAMS: &'static [&'static str] = &["SOLICIT"];
    const MAIL_OCTETS: usize = 1007;

    fn parse(params: &str) -> Option<Self> {
        let is_lawful = params.is_empty() || fault(params).is_none();
        is_lawful.then(|| Self { classes: params.into() })
    }
}

impl MailParam {
    /// `SOLICIT=`: the classes that the mail belongs to, the same as in its field `Solicitation`.
    ///
    /// ```
    /// let param = ehlo::MailParam::solicit(["org.example:ADV", "net.example:ADLT"])?;
    /// assert_eq!(param.to_string(), "SOLICIT=org.example:ADV,net.example:ADLT");
    /// # Ok::<(), ehlo::InvalidValue>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where there is none, one is not a letter and then letters, digits, `.`, `-`, `_` and `:`,
    /// or all of them with the commas take more than 1000 octets (RFC 3865).
    pub fn solicit<'a>(classes: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidValue> {
        let classes = classes.into_iter().collect::<Vec<_>>().join(",");
        match fault(&classes) {
            None => Param::with_value("SOLICIT", &classes).map(Self),
            Some(reason) => Err(InvalidValue::new("solicitation classes", classes, reason)),
        }
    }
}

fn fault(classes: &str) -> Option<&'static str> {
    let lawful =
        |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_' | b':');
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic()) && word.bytes().all(lawful)
    };
    if classes.len() > MOST_OCTETS {
        Some("they take more than 1000 octets")
    } else if classes.split(',').all(is_word) {
        None
    } else {
        Some("a class is a letter, and then letters, digits, `.`, `-`, `_` and `:`")
    }
}

/// RFC 3865.
const MOST_OCTETS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::super::capabilities::tests::offered;
    use super::*;
    use crate::wire::Verb;

    #[test]
    fn classes_are_a_list_or_nothing() {
        let classes = |line: &str| {
            let offer = offered(&[line]).get::<NoSoliciting>()?;
            Some(offer.classes().map(str::to_owned).collect::<Vec<_>>())
        };
        assert_eq!(classes("NO-SOLICITING"), Some(vec![]));
        assert_eq!(
            classes("no-soliciting net.example:ADV,org.example:A_1-b"),
            Some(vec!["net.example:ADV".to_owned(), "org.example:A_1-b".to_owned()])
        );
        assert_eq!(classes("NOSOLICITING"), None);
    }

    #[test]
    fn c_026_a_malformed_list_makes_the_offer_unusable_and_no_other() {
        for line in ["NO-SOLICITING 1a", "NO-SOLICITING a,,b", "NO-SOLICITING a b"] {
            let offered = offered(&[line, "SMTPUTF8"]);
            assert_eq!(offered.get::<NoSoliciting>(), None, "{line}");
            assert!(offered.has("NO-SOLICITING"));
            assert!(offered.get::<super::super::SmtpUtf8>().is_some());
        }
    }

    #[test]
    fn says_the_classes_of_a_mail_within_its_length() {
        let long = ["a".repeat(499), "b".repeat(500)];
        let longest = MailParam::solicit(long.iter().map(String::as_str)).unwrap();
        assert_eq!(longest.to_string().len(), "SOLICIT=".len() + 1000);
        let refusal = |classes: &[&str]| {
            MailParam::solicit(classes.iter().copied()).unwrap_err().reason()
        };
        assert_eq!(refusal(&[&long[0], &long[1], "c"]), "they take more than 1000 octets");
        let word = "a class is a letter, and then letters, digits, `.`, `-`, `_` and `:`";
        for classes in [&[][..], &[""], &["a", ""], &["a b"], &["1"], &["a\r\n"], &["a=b"], &["ä"]] {
            assert_eq!(refusal(classes), word, "{classes:?}");
        }
        assert_eq!(
            MailParam::solicit(["a b"]).unwrap_err().to_string(),
            format!("solicitation classes \"a b\": {word}")
        );
    }

    #[test]
    fn adds_to_the_line() {
        assert_eq!(offered(&["NO-SOLICITING"]).line_limit(Verb::Mail), 512 + 1007);
    }
}
