//! The three digits of a reply and what they alone say. What a code means to one command at one
//! stage is not known here.

use std::fmt;
use std::num::NonZero;

/// A reply code, from 200 to 599.
///
/// Codes that nobody has registered are values too: a client has to act on their first digit
/// (RFC 5321 §4.2), so all that matters of them is known.
///
/// ```
/// use ehlo::{Code, Severity};
///
/// let code = Code::new(550).unwrap();
/// assert_eq!(code, Code::MAILBOX_UNAVAILABLE);
/// assert_eq!(code.severity(), Severity::Permanent);
/// assert_eq!(Code::new(650), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(NonZero<u16>);

impl Code {
    /// The code of this number; `None` outside 200 to 599.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        match NonZero::new(number) {
            Some(code) if matches!(number, 200..=599) => Some(Self(code)),
            _ => None,
        }
    }

    /// The number, from 200 to 599.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0.get()
    }

    /// What the first digit says.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self.number() {
            ..300 => Severity::Completed,
            300..400 => Severity::Intermediate,
            400..500 => Severity::Transient,
            500.. => Severity::Permanent,
        }
    }

    /// Whether some specification gives this very number a meaning.
    #[must_use]
    pub const fn is_known(self) -> bool {
        self.meaning().is_some()
    }

    /// When the same request may be tried again, by this code alone.
    ///
    /// A negative code is either [`Later`](Retry::Later) or [`Never`](Retry::Never); after any
    /// other there is nothing to try again, so it is `Never` as well.
    #[must_use]
    pub const fn retry(self) -> Retry {
        match self.severity() {
            Severity::Transient => Retry::Later,
            Severity::Completed | Severity::Intermediate | Severity::Permanent => Retry::Never,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({})", self.0)
    }
}

/// What the first digit of a reply code says (RFC 5321 §4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// 2yz: done.
    Completed,
    /// 3yz: accepted so far, the rest is awaited.
    Intermediate,
    /// 4yz: not done; the same request may succeed later.
    Transient,
    /// 5yz: not done, and asking again will not help.
    Permanent,
}

impl Severity {
    /// Whether the request was not done: 4yz or 5yz.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        matches!(self, Self::Transient | Self::Permanent)
    }
}

/// When it makes sense to try again what did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Retry {
    /// Later, with the same host.
    Later,
    /// At once, with the next host of the domain.
    NextHost,
    /// Not at all: the same request will fail again, or nothing failed.
    Never,
    /// It cannot be known: trying again may deliver twice.
    Unknown,
}

impl fmt::Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Later => "later",
            Self::NextHost => "at the next host",
            Self::Never => "never",
            Self::Unknown => "unknown",
        })
    }
}

/// Names and meanings from one list, so that neither can be forgotten.
macro_rules! codes {
    ($($name:ident = $number:literal: $meaning:literal,)*) => {
        impl Code {
            $(
                #[doc = concat!(stringify!($number), ": ", $meaning, ".")]
                pub const $name: Self = match Self::new($number) {
                    Some(code) => code,
                    None => panic!("no code"),
                };
            )*

            /// What the code means, in a few words; `None` for a code without a registered meaning.
            #[must_use]
            pub const fn meaning(self) -> Option<&'static str> {
                match self.number() {
                    $($number => Some($meaning),)*
                    _ => None,
                }
            }

            /// Every code with a meaning of its own, in ascending order.
            #[cfg(test)]
            const KNOWN: &[Self] = &[$(Self::$name),*];
        }
    };
}

codes! {
    SYSTEM_STATUS = 211: "system status",
    HELP = 214: "help text",
    READY = 220: "service ready",
    CLOSING = 221: "closing the connection",
    AUTHENTICATED = 235: "authenticated",
    OK = 250: "done",
    WILL_FORWARD = 251: "not local, will forward",
    CANNOT_VERIFY = 252: "cannot verify, will try to deliver",
    PENDING_STARTED = 253: "pending messages started",
    CHALLENGE = 334: "challenge of an authentication",
    RESULTS_FOLLOW = 353: "results for each recipient follow",
    START_MAIL = 354: "send the content",
    RESUME_AT = 355: "resume the content at an offset",
    SHUTTING_DOWN = 421: "service shutting down",
    PASSWORD_EXPIRED = 422: "password transition needed",
    PASSWORD_TRANSITION = 432: "password transition needed",
    MAILBOX_BUSY = 450: "mailbox not available now",
    LOCAL_ERROR = 451: "local error",
    INSUFFICIENT_STORAGE = 452: "out of storage, or too many recipients",
    NO_MAIL = 453: "no mail for this client",
    TEMPORARILY_UNAVAILABLE = 454: "TLS or authentication not available now",
    CANNOT_HONOUR_PARAMETERS = 455: "parameters cannot be honoured now",
    CANNOT_QUEUE = 458: "cannot queue messages",
    NODE_NOT_ALLOWED = 459: "node not allowed",
    UNKNOWN_COMMAND = 500: "unknown command, or line too long",
    BAD_ARGUMENTS = 501: "arguments not understood",
    NOT_IMPLEMENTED = 502: "command not implemented",
    BAD_SEQUENCE = 503: "command out of order",
    PARAMETER_NOT_IMPLEMENTED = 504: "parameter not implemented",
    NO_MAIL_SERVICE = 521: "host never accepts mail",
    ENCRYPTION_NEEDED = 523: "encryption needed",
    ENCRYPTION_REQUIRED = 524: "encryption required for the mechanism",
    ACCOUNT_DISABLED = 525: "account disabled",
    AUTHENTICATION_REQUIRED = 530: "authentication or TLS required first",
    POLICY_REFUSAL = 533: "refused by policy",
    MECHANISM_TOO_WEAK = 534: "mechanism too weak",
    BAD_CREDENTIALS = 535: "credentials refused",
    MECHANISM_NEEDS_ENCRYPTION = 538: "mechanism needs encryption",
    MAILBOX_UNAVAILABLE = 550: "mailbox not available",
    NOT_LOCAL = 551: "not local, another path is named",
    STORAGE_EXCEEDED = 552: "too large, or over quota",
    BAD_MAILBOX_NAME = 553: "mailbox name not allowed",
    FAILED = 554: "failed, or no mail service here",
    UNKNOWN_PARAMETERS = 555: "parameters not known",
    DOMAIN_ACCEPTS_NO_MAIL = 556: "domain accepts no mail",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_012_the_first_digit_of_any_code_decides() {
        for (number, severity, retry) in [
            (200, Severity::Completed, Retry::Never),
            (299, Severity::Completed, Retry::Never),
            (354, Severity::Intermediate, Retry::Never),
            (399, Severity::Intermediate, Retry::Never),
            (421, Severity::Transient, Retry::Later),
            (499, Severity::Transient, Retry::Later),
            (500, Severity::Permanent, Retry::Never),
            (599, Severity::Permanent, Retry::Never),
        ] {
            let code = Code::new(number).unwrap();
            assert_eq!(code.severity(), severity, "{code}");
            assert_eq!(code.retry(), retry, "{code}");
            assert_eq!(code.severity().is_negative(), number >= 400, "{code}");
        }
    }

    #[test]
    fn c_013_a_code_is_from_200_to_599() {
        for number in [0, 1, 99, 100, 199, 600, 999, u16::MAX] {
            assert_eq!(Code::new(number), None);
        }
        for number in 200..=599 {
            assert_eq!(Code::new(number).map(Code::number), Some(number));
        }
    }

    #[test]
    fn each_known_code_stands_once_and_in_order() {
        assert!(Code::KNOWN.is_sorted_by(|a, b| a < b));
        assert_eq!(Code::KNOWN.len(), 45);
        for code in Code::KNOWN {
            assert_eq!(Code::new(code.number()), Some(*code));
            assert!(code.is_known() && code.meaning().is_some_and(|words| !words.is_empty()));
            // So that none is flagged as odd.
            assert!(code.number() / 10 % 10 <= 5);
        }
        assert!(!Code::new(259).unwrap().is_known());
        assert_eq!(Code::new(259).unwrap().meaning(), None);
        assert_eq!(Code::SHUTTING_DOWN.meaning(), Some("service shutting down"));
    }

    #[test]
    fn words() {
        assert_eq!(Code::OK.to_string(), "250");
        assert_eq!(format!("{:?}", Code::OK), "Code(250)");
        let words =
            [Retry::Later, Retry::NextHost, Retry::Never, Retry::Unknown].map(|r| r.to_string());
        assert_eq!(words, ["later", "at the next host", "never", "unknown"]);
    }
}
