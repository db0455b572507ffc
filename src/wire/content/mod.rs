//! The octets of a mail on their way out: what is wrong with them, and what must be put between
//! them before a server may see them. Nothing here knows of commands, replies or sockets, and
//! nothing here looks into header fields.
//!
//! | file | what it holds |
//! |---|---|
//! | `scan` | one look over content, before MAIL: what is in it, and how long it will be |
//! | `stuff` | content as slices and what stands between them: line endings, dots, the end |
//! | `seen` | one look at a block: whether there is anything to stop at, but not where |
//! | `model` | what both must come to, for the tests and the fuzzer |

#[cfg(test)]
mod model;
mod scan;
mod seen;
mod stuff;
#[cfg(test)]
mod tests;

pub(crate) use scan::Verbatim;
pub use scan::{Scan, Scanner};
pub use stuff::{Piece, Stuffer};

/// What is done about a CR or an LF that is not half of a CRLF.
///
/// Some servers take such an octet for a line end and some do not, and two that disagree can be
/// made to see two mails where one was sent (RFC 5321 §2.3.8 forbids sending them). A NUL is
/// refused under every policy but [`Raw`](Self::Raw): there are servers that drop it, and what
/// remains may be the end of the mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LineEndings {
    /// Each becomes a CRLF, so CR CR LF becomes two. The default.
    #[default]
    Normalize,
    /// Each is an error.
    Reject,
    /// Each becomes a space.
    Replace,
    /// Everything is sent as it is, with nothing put in and nothing after. Only lawful over BDAT
    /// with `BODY=BINARYMIME`.
    Raw,
}

/// What cannot be sent, and where it stands.
///
/// ```
/// use ehlo::{ContentFault, LineEndings, Scan};
///
/// let fault = Scan::of(b"a\nb\r\n").check(LineEndings::Reject, true);
/// assert_eq!(fault, Err(ContentFault::BareLf { offset: 1 }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ContentFault {
    /// A CR that no LF follows, under [`LineEndings::Reject`].
    #[error("content has a CR without an LF at offset {offset}")]
    BareCr {
        /// Octets of content before it.
        offset: u64,
    },
    /// An LF that no CR precedes, under [`LineEndings::Reject`].
    #[error("content has an LF without a CR at offset {offset}")]
    BareLf {
        /// Octets of content before it.
        offset: u64,
    },
    /// A NUL, under any policy but [`LineEndings::Raw`].
    #[error("content has a NUL at offset {offset}")]
    Nul {
        /// Octets of content before it.
        offset: u64,
    },
    /// An octet above 127 for a server that was not promised any (RFC 6152 §3).
    #[error("content has an octet above 127 at offset {offset}, and 8BITMIME is not in use")]
    EightBit {
        /// Octets of content before it.
        offset: u64,
    },
    /// A line of more than [`Scan::LINE_LIMIT`] octets, for those who refuse such lines.
    #[error("content has a line of more than 998 octets at offset {offset}")]
    LongLine {
        /// Octets of content before the line.
        offset: u64,
    },
}

impl ContentFault {
    /// Octets of content before the one, or the line, at fault, counted over all chunks.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        match *self {
            Self::BareCr { offset }
            | Self::BareLf { offset }
            | Self::Nul { offset }
            | Self::EightBit { offset }
            | Self::LongLine { offset } => offset,
        }
    }
}

const NUL: u8 = 0;
const LF: u8 = b'\n';
const CR: u8 = b'\r';
const EIGHTH_BIT: u8 = 0x80;
