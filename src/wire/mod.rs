//! Bytes to values and back: parsers and encoders, with no state over time.
//!
//! | file | what it holds |
//! |---|---|
//! | `content` | a mail's octets: line endings, dot-stuffing, what is wrong with them |
//! | `escape` | how octets from a stranger are shown |

mod content;
mod escape;

pub use content::{ContentFault, LineEndings, Piece, Scan, Scanner, Stuffer};
pub use escape::{Escaped, unescape};
