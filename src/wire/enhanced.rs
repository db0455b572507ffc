//! Enhanced status codes (RFC 3463) and the registry of their meanings. Which replies may carry
//! one is decided by `reply`, not here.

use std::{fmt, str::FromStr};

use nom::{
    IResult, Parser as _,
    branch::alt,
    bytes::complete::take_while_m_n,
    character::complete::{char, one_of},
    combinator::{eof, map_opt, opt, verify},
};

use super::Escaped;

/// An enhanced status code, such as `5.1.1`.
///
/// ```
/// use ehlo::{EnhancedCode, Status};
///
/// let code: EnhancedCode = "5.1.1".parse()?;
/// assert_eq!(code.status(), Status::NO_SUCH_MAILBOX);
/// assert_eq!(code.meaning(), "no such mailbox");
/// # Ok::<(), ehlo::InvalidEnhancedCode>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnhancedCode {
    class: u8,
    status: Status,
}

impl EnhancedCode {
    /// The code of these numbers. `None` if the class is not 2, 4 or 5, or the subject or the
    /// detail is over 999.
    #[must_use]
    pub const fn new(class: u8, subject: u16, detail: u16) -> Option<Self> {
        match (class, subject, detail) {
            (2 | 4 | 5, 0..=999, 0..=999) => Some(Self { class, status: Status(subject, detail) }),
            _ => None,
        }
    }

    /// The code that the text of a reply line begins with, and how many octets it takes there,
    /// the space after it included.
    ///
    /// ```text
    /// status-code = ( "2" / "4" / "5" ) "." 1*3DIGIT "." 1*3DIGIT
    /// ```
    ///
    /// A number has no leading zero, and a space or the end of the text follows (RFC 2034 §4).
    /// Beyond that grammar `#5.1.1`, `(#5.7.1)` and `5.7.1:` are read too, as servers write them.
    #[must_use]
    pub fn parse_prefix(text: &[u8]) -> Option<(Self, usize)> {
        // Most lines begin with a letter: they need no parser.
        if !matches!(text.first()?, b'2' | b'4' | b'5' | b'#' | b'(') {
            return None;
        }
        let (rest, code) = prefix(text).ok()?;
        Some((code, text.len() - rest.len()))
    }

    /// The class: 2 for success, 4 for a failure that may pass, 5 for one that will not.
    #[must_use]
    pub const fn class(self) -> u8 {
        self.class
    }

    /// The subject, from 0 to 999: what the code is about.
    #[must_use]
    pub const fn subject(self) -> u16 {
        self.status.0
    }

    /// The detail, from 0 to 999.
    #[must_use]
    pub const fn detail(self) -> u16 {
        self.status.1
    }

    /// Subject and detail, which the registry names whatever the class.
    #[must_use]
    pub const fn status(self) -> Status {
        self.status
    }

    /// What the code means, in a few words. A detail that the registry does not have means what
    /// its subject means, a subject that it does not have what its class means (RFC 3463 §2).
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        let of_class = match self.class {
            2 => "success",
            4 => "a failure that may pass",
            _ => "a lasting failure",
        };
        match (self.status.meaning(), Status(self.status.0, 0).meaning()) {
            // What the registry has for it says less than the class.
            _ if matches!(self.status, Status::UNDEFINED) => of_class,
            (Some(meaning), _) | (None, Some(meaning)) => meaning,
            (None, None) => of_class,
        }
    }
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.status.0, self.status.1)
    }
}

impl fmt::Debug for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnhancedCode({self})")
    }
}

impl FromStr for EnhancedCode {
    type Err = InvalidEnhancedCode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (status_code, eof).parse(text.as_bytes()) {
            Ok((_, (code, _))) => Ok(code),
            Err(_) => Err(InvalidEnhancedCode(text.into())),
        }
    }
}

/// A text that is no enhanced status code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("enhanced status code \"{}\": not of the form 5.1.1", Escaped::new(.0.as_bytes()))]
pub struct InvalidEnhancedCode(Box<str>);

fn prefix(input: &[u8]) -> IResult<&[u8], EnhancedCode> {
    let (input, open) = opt(char('(')).parse(input)?;
    let (input, _) = opt(char('#')).parse(input)?;
    let (input, code) = status_code(input)?;
    let (input, _) = match open {
        Some(_) => opt(char(')')).parse(input)?,
        None => (input, None),
    };
    let (input, _) = opt(char(':')).parse(input)?;
    let (input, _) = alt((one_of(" \t").map(drop), eof.map(drop))).parse(input)?;
    Ok((input, code))
}

fn status_code(input: &[u8]) -> IResult<&[u8], EnhancedCode> {
    let fields = (number, char('.'), number, char('.'), number);
    map_opt(fields, |(class, _, subject, _, detail)| {
        EnhancedCode::new(u8::try_from(class).ok()?, subject, detail)
    })
    .parse(input)
}

fn number(input: &[u8]) -> IResult<&[u8], u16> {
    let digits = take_while_m_n(1, 3, |octet: u8| octet.is_ascii_digit());
    verify(digits, |digits: &[u8]| digits.len() == 1 || digits.first() != Some(&b'0'))
        .map(|digits: &[u8]| {
            let value = |number, digit: &u8| number * 10 + u16::from(digit - b'0');
            digits.iter().fold(0, value)
        })
        .parse(input)
}

/// Subject and detail of an [`EnhancedCode`]: what the registry gives a name, in any class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(u16, u16);

/// Names and meanings from one list, so that neither can be forgotten.
macro_rules! registry {
    ($($name:ident = ($subject:literal, $detail:literal): $meaning:literal,)*) => {
        impl Status {
            $(
                #[doc = concat!("X.", $subject, ".", $detail, ": ", $meaning, ".")]
                pub const $name: Self = Self($subject, $detail);
            )*

            /// What the registry says of exactly this pair.
            const fn meaning(self) -> Option<&'static str> {
                match (self.0, self.1) {
                    $(($subject, $detail) => Some($meaning),)*
                    _ => None,
                }
            }

            /// The registry, in ascending order.
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

registry! {
    UNDEFINED = (0, 0): "only the class is known",
    ADDRESS = (1, 0): "a matter of an address",
    NO_SUCH_MAILBOX = (1, 1): "no such mailbox",
    BAD_DESTINATION = (1, 2): "no such destination host",
    BAD_RECIPIENT_SYNTAX = (1, 3): "recipient's address malformed",
    AMBIGUOUS_RECIPIENT = (1, 4): "recipient ambiguous",
    RECIPIENT_VALID = (1, 5): "recipient valid",
    MAILBOX_MOVED = (1, 6): "mailbox moved, no forwarding address",
    BAD_SENDER_SYNTAX = (1, 7): "sender's address malformed",
    BAD_SENDER = (1, 8): "sender's host does not exist",
    RELAYED_WITHOUT_REPORT = (1, 9): "relayed to a system that sends no reports",
    RECIPIENT_NULL_MX = (1, 10): "recipient's domain accepts no mail",
    MAILBOX = (2, 0): "a matter of a mailbox",
    MAILBOX_DISABLED = (2, 1): "mailbox disabled",
    MAILBOX_FULL = (2, 2): "mailbox full",
    OVER_MAILBOX_LIMIT = (2, 3): "message over the mailbox's limit",
    LIST_EXPANSION = (2, 4): "mailing list cannot be expanded",
    SYSTEM = (3, 0): "a matter of the mail system",
    SYSTEM_FULL = (3, 1): "mail system full",
    NOT_ACCEPTING = (3, 2): "system accepts no mail",
    UNABLE = (3, 3): "feature not available",
    OVER_SYSTEM_LIMIT = (3, 4): "message over the system's limit",
    MISCONFIGURED = (3, 5): "system configured wrongly",
    PRIORITY_CHANGED = (3, 6): "requested priority changed",
    NETWORK = (4, 0): "a matter of network or routing",
    HOST_SILENT = (4, 1): "host does not answer",
    BAD_CONNECTION = (4, 2): "connection broke",
    DIRECTORY_FAILED = (4, 3): "directory server failed",
    NO_ROUTE = (4, 4): "no route",
    CONGESTED = (4, 5): "system congested",
    ROUTING_LOOP = (4, 6): "routing loop",
    EXPIRED = (4, 7): "time for delivery expired",
    PROTOCOL = (5, 0): "a matter of the protocol",
    BAD_COMMAND = (5, 1): "command out of order, or unknown",
    BAD_SYNTAX = (5, 2): "malformed command",
    TOO_MANY_RECIPIENTS = (5, 3): "too many recipients",
    BAD_ARGUMENTS = (5, 4): "bad arguments",
    WRONG_VERSION = (5, 5): "another version of the protocol",
    AUTH_LINE_TOO_LONG = (5, 6): "line of the authentication too long",
    CONTENT = (6, 0): "a matter of the content",
    MEDIA_UNSUPPORTED = (6, 1): "media type not supported",
    CONVERSION_PROHIBITED = (6, 2): "conversion needed but prohibited",
    CONVERSION_UNSUPPORTED = (6, 3): "conversion needed but not supported",
    CONVERTED_WITH_LOSS = (6, 4): "converted with loss",
    CONVERSION_FAILED = (6, 5): "conversion failed",
    CONTENT_NOT_FETCHED = (6, 6): "content could not be fetched",
    NON_ASCII_ADDRESS = (6, 7): "non-ASCII address not permitted",
    UTF8_REPLY_NEEDED = (6, 8): "UTF-8 reply needed but not permitted",
    UTF8_NOT_TRANSFERABLE = (6, 9): "UTF-8 header cannot be passed on",
    UTF8_REPLY_NEEDED_TOO = (6, 10): "UTF-8 reply needed but not permitted",
    POLICY = (7, 0): "a matter of security or policy",
    NOT_AUTHORISED = (7, 1): "refused by policy",
    LIST_POSTING_FORBIDDEN = (7, 2): "not allowed to post to the list",
    SECURE_CONVERSION_IMPOSSIBLE = (7, 3): "secure conversion not possible",
    SECURITY_UNSUPPORTED = (7, 4): "security feature not supported",
    CRYPTOGRAPHIC_FAILURE = (7, 5): "cryptographic failure",
    ALGORITHM_UNSUPPORTED = (7, 6): "algorithm not supported",
    INTEGRITY_FAILURE = (7, 7): "message was altered",
    BAD_CREDENTIALS = (7, 8): "credentials refused",
    MECHANISM_TOO_WEAK = (7, 9): "mechanism too weak",
    ENCRYPTION_NEEDED = (7, 10): "encryption needed",
    ENCRYPTION_REQUIRED = (7, 11): "encryption required for the mechanism",
    PASSWORD_TRANSITION = (7, 12): "password transition needed",
    ACCOUNT_DISABLED = (7, 13): "account disabled",
    TRUST_REQUIRED = (7, 14): "trust relationship required",
    PRIORITY_TOO_LOW = (7, 15): "priority too low",
    TOO_BIG_FOR_PRIORITY = (7, 16): "message too large for its priority",
    MAILBOX_OWNER_CHANGED = (7, 17): "mailbox has another owner now",
    DOMAIN_OWNER_CHANGED = (7, 18): "domain has another owner now",
    OWNER_TEST_IMPOSSIBLE = (7, 19): "owner cannot be compared",
    NO_PASSING_DKIM = (7, 20): "no valid DKIM signature",
    NO_ACCEPTABLE_DKIM = (7, 21): "no acceptable DKIM signature",
    NO_AUTHOR_DKIM = (7, 22): "no DKIM signature of the author's domain",
    SPF_FAILED = (7, 23): "SPF check failed",
    SPF_ERROR = (7, 24): "SPF check not possible",
    REVERSE_DNS_FAILED = (7, 25): "reverse DNS check failed",
    AUTHENTICATION_CHECKS_FAILED = (7, 26): "several authentication checks failed",
    SENDER_NULL_MX = (7, 27): "sender's domain accepts no mail",
    MAIL_FLOOD = (7, 28): "mail flood",
    ARC_FAILED = (7, 29): "ARC check failed",
    REQUIRETLS_NEEDED = (7, 30): "REQUIRETLS needed but not available",
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn assert_prefix(text: &str, code: &str, rest: &str) {
        let (found, used) = EnhancedCode::parse_prefix(text.as_bytes()).expect(text);
        assert_eq!((found.to_string().as_str(), &text[used..]), (code, rest));
    }

    #[test]
    fn c_027_a_text_that_begins_with_a_code_is_split() {
        assert_prefix("2.1.5 ok", "2.1.5", "ok");
        assert_prefix("4.7.1", "4.7.1", "");
        assert_prefix("5.999.0 ", "5.999.0", "");
        assert_prefix("5.0.0  two", "5.0.0", " two");
        for text in [
            "",
            "5",
            "5.",
            "5.1",
            "5.1.",
            "5.1.1x",
            "3.1.1 x",
            "1.1.1",
            "55.1.1",
            "5,1,1",
            "5.1.1.1 x",
            "5.01.1 x",
            "5.1.00 x",
            "05.1.1",
            "ok 5.1.1",
            " 5.1.1 x",
            "5. 1.1",
            "5.-1.1",
            "5.1.1\r",
        ] {
            assert_eq!(EnhancedCode::parse_prefix(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn dialect_63_codes_in_odd_dress() {
        assert_prefix("#5.1.1 none", "5.1.1", "none");
        assert_prefix("(#5.7.1) no", "5.7.1", "no");
        assert_prefix("(5.7.1) no", "5.7.1", "no");
        assert_prefix("5.7.1: no", "5.7.1", "no");
        assert_prefix("(#5.7.1): no", "5.7.1", "no");
        assert_prefix("5.1.64 x", "5.1.64", "x");
        assert_prefix("5.1.10 x", "5.1.10", "x");
        assert_prefix("5.7.1\tx", "5.7.1", "x");
        for text in ["2.1000.0 x", "2.0.1000", "##5.1.1", "#(5.1.1)", "5.7.1) x", "(", "#"] {
            assert_eq!(EnhancedCode::parse_prefix(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn c_030_an_unknown_detail_means_its_subject_and_an_unknown_subject_its_class() {
        let meaning = |text: &str| text.parse::<EnhancedCode>().unwrap().meaning();
        assert_eq!(meaning("5.1.10"), "recipient's domain accepts no mail");
        assert_eq!(meaning("5.1.64"), "a matter of an address");
        assert_eq!(meaning("4.7.999"), "a matter of security or policy");
        assert_eq!(meaning("2.0.0"), "success");
        assert_eq!(meaning("2.8.1"), "success");
        assert_eq!(meaning("4.8.1"), "a failure that may pass");
        assert_eq!(meaning("5.999.999"), "a lasting failure");
    }

    #[test]
    fn the_registry_is_in_order_and_has_each_pair_once() {
        assert!(Status::ALL.is_sorted_by(|a, b| a < b));
        assert_eq!(Status::ALL.len(), 81);
        assert!(Status::ALL.iter().all(|status| status.meaning().is_some()));
    }

    #[test]
    fn from_str_takes_nothing_but_the_code() {
        for text in ["", "5.1.1 ", "#5.1.1", "5.1.1:", "3.0.0", "5.1000.1", "5.1"] {
            assert!(text.parse::<EnhancedCode>().is_err(), "{text}");
        }
        let error = "5.x\n".parse::<EnhancedCode>().unwrap_err();
        assert_eq!(error.to_string(), r#"enhanced status code "5.x\x0a": not of the form 5.1.1"#);
        assert_eq!(EnhancedCode::new(3, 0, 0), None);
        assert_eq!(EnhancedCode::new(5, 1000, 0), None);
        assert_eq!(EnhancedCode::new(5, 0, 1000), None);
        let code = EnhancedCode::new(5, 7, 26).unwrap();
        assert_eq!((code.class(), code.subject(), code.detail()), (5, 7, 26));
        assert_eq!(format!("{code:?}"), "EnhancedCode(5.7.26)");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(class in prop::sample::select(vec![2u8, 4, 5]), subject in 0u16..1000, detail in 0u16..1000) {
            let code = EnhancedCode::new(class, subject, detail).unwrap();
            prop_assert_eq!(code.to_string().parse(), Ok(code));
            let text = format!("{code} text");
            prop_assert_eq!(EnhancedCode::parse_prefix(text.as_bytes()), Some((code, text.len() - 4)));
        }
    }
}
