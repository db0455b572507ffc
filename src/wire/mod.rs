//! Bytes to values and back: parsers and encoders, with no state over time.
//!
//! | file | what it holds |
//! |---|---|
//! | `escape` | how octets from a stranger are shown |

mod escape;

pub use escape::{Escaped, unescape};
