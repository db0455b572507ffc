//! Replies: found in a stream, bounded, read on demand. Order is not known here; what a reply
//! answers is said by the caller.
//!
//! | file | what it holds |
//! |---|---|
//! | `frame` | where a reply ends and what is wrong with its lines |
//! | `buffer` | [`ReplyBuffer`]: octets from a stream in, replies out |
//! | `borrowed` | [`ReplyRef`]: a reply that is lent by a buffer |
//! | `owned` | [`Reply`]: its copy, and replies of one's own |
//! | `words` | the lines of a reply to EHLO: keywords, and what follows them |
//! | `error` | [`ReplyError`]: what makes octets no reply |
//! | `tests`, `dialects`, `threats` | the checklist; what real servers say; what attacks a client |

mod borrowed;
mod buffer;
mod error;
mod frame;
mod owned;
mod words;

#[cfg(test)]
mod dialects;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod threats;

pub use borrowed::{Lines, ReplyRef, WireLines};
pub use buffer::ReplyBuffer;
pub use error::{Foreign, ReplyError, ReplyFault};
pub use owned::Reply;
pub(crate) use words::{WordLines, Words, rest_behind};

/// What a reply answers, where that decides how it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReplyKind {
    /// Nothing: it greets. Its lines may have codes of different classes, of which the last
    /// counts, and no enhanced code is looked for.
    Greeting,
    /// EHLO, HELO or LHLO. No enhanced code is looked for, and lines without a code are accepted
    /// under [`Strictness::Lenient`](super::Strictness::Lenient).
    Hello,
    /// AUTH, or a response in its dialogue: a success other than 235 is
    /// [noted](super::Quirk::OddAuthSuccess).
    Auth,
    /// Any other command. The default.
    #[default]
    Other,
}
