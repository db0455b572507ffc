//! What makes octets no reply, in words. Nothing is decided here.

use std::fmt;

use crate::wire::{Code, Escaped, Quirk};

/// Octets that are no reply: the rule they break, and the line that breaks it.
///
/// ```
/// use ehlo::{Reply, ReplyFault};
///
/// let error = "550x no".parse::<Reply>().unwrap_err();
/// assert_eq!(error.fault(), ReplyFault::BadSeparator);
/// assert_eq!(error.to_string(), r#"neither space nor hyphen behind the code: "550x no""#);
/// ```
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: \"{}\"{}", .0.fault, Escaped::new(&.0.line), if .0.cut { "…" } else { "" })]
pub struct ReplyError(Box<Inner>);

/// In a box: a result that can be this error goes through registers.
#[derive(Clone, PartialEq, Eq)]
struct Inner {
    fault: ReplyFault,
    line: Box<[u8]>,
    cut: bool,
}

impl ReplyError {
    /// The rule that was broken.
    #[must_use]
    pub const fn fault(&self) -> ReplyFault {
        self.0.fault
    }

    /// The line that broke it, without its end: its first 200 octets if it has more, and what had
    /// to come of it if its end was not awaited.
    #[must_use]
    pub const fn line(&self) -> &[u8] {
        &self.0.line
    }

    /// `line` has come whole.
    #[cold]
    pub(super) fn of_line(fault: ReplyFault, line: &[u8]) -> Self {
        Self::new(fault, line, line.len() > SHOWN)
    }

    /// `octets` are the beginning of a line of which more has come, or is to come.
    #[cold]
    pub(super) fn of_beginning(fault: ReplyFault, octets: &[u8]) -> Self {
        Self::new(fault, octets, true)
    }

    fn new(fault: ReplyFault, octets: &[u8], cut: bool) -> Self {
        let line = octets.get(..SHOWN).unwrap_or(octets).into();
        Self(Box::new(Inner { fault, line, cut }))
    }
}

impl fmt::Debug for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyError")
            .field("fault", &self.0.fault)
            .field("line", &Escaped::new(&self.0.line))
            .finish()
    }
}

/// The rule that octets break which are no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyFault {
    /// A line does not begin with exactly three digits.
    #[error("not a reply line")]
    NotACode,
    /// The code is under 200 or over 599.
    #[error("reply code outside 200 to 599")]
    BadCode,
    /// Neither a space nor a hyphen nor the end of the line follows the code.
    #[error("neither space nor hyphen behind the code")]
    BadSeparator,
    /// Lines of one reply have codes of different classes, and it is no greeting.
    #[error("reply begins with {first} and goes on with another class")]
    CodesDisagree {
        /// The code of the line before.
        first: Code,
    },
    /// A line has more octets than [`Limits`](crate::Limits) allow.
    #[error("reply line of more than {limit} octets")]
    LineTooLong {
        /// The octets allowed, the line's end included.
        limit: usize,
    },
    /// A reply has more lines than [`Limits`](crate::Limits) allow. Shown is the last one allowed.
    #[error("reply of more than {limit} lines")]
    TooManyLines {
        /// The lines allowed.
        limit: usize,
    },
    /// A reply has more octets than [`Limits`](crate::Limits) allow. Shown is the line that is
    /// too much.
    #[error("reply of more than {limit} octets")]
    ReplyTooLong {
        /// The octets allowed, all line ends included.
        limit: usize,
    },
    /// The peer speaks another protocol.
    #[error("not SMTP but {0}")]
    NotSmtp(Foreign),
    /// A quirk, under [`Strictness::Strict`](crate::Strictness::Strict).
    #[error("{0}, which strict parsing refuses")]
    Quirk(Quirk),
    /// The octets end before the reply does. Only where a whole reply is parsed from a string.
    #[error("reply without a last line")]
    Unfinished,
    /// Octets follow the reply. Only where a whole reply is parsed from a string.
    #[error("more than one reply")]
    Trailing,
    /// The text of a reply of one's own has a control character other than the tab.
    #[error("control character in the text of a reply")]
    Control,
}

/// What a peer speaks that does not speak SMTP. Shown with what to look at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Foreign {
    /// TLS from the first octet on.
    #[error("TLS (a port for implicit TLS?)")]
    Tls,
    /// HTTP.
    #[error("HTTP (the right port?)")]
    Http,
    /// SSH.
    #[error("SSH (the right port?)")]
    Ssh,
    /// IMAP.
    #[error("IMAP (the right port?)")]
    Imap,
    /// POP3.
    #[error("POP3 (the right port?)")]
    Pop3,
}

/// How much of a line an error keeps: enough to recognise it, too little to fill a log.
const SHOWN: usize = 200;
