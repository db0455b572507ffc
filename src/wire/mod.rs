//! Bytes to values and back: parsers and encoders, with no state over time.
//!
//! | file | what it holds |
//! |---|---|
//! | `code` | the three digits of a reply |
//! | `enhanced` | enhanced status codes and their registry |
//! | `escape` | how octets from a stranger are shown |
//! | `line` | the read buffer, line ends, limits |
//! | `quirk` | what servers say that they should not, by name |
//! | `reply` | replies: framed, borrowed, owned |

mod code;
mod enhanced;
mod escape;
mod line;
mod quirk;
mod reply;

pub use code::{Code, Retry, Severity};
pub use enhanced::{EnhancedCode, InvalidEnhancedCode, Status};
pub use escape::{Escaped, unescape};
pub use line::{Limits, LineBuffer, LineTooLong};
pub use quirk::{Quirk, Quirks, Strictness};
pub use reply::{
    Foreign, Lines, Reply, ReplyBuffer, ReplyError, ReplyFault, ReplyKind, ReplyRef, WireLines,
};
