//! Bytes to values and back: parsers and encoders, with no state over time.
//!
//! | file | what it holds |
//! |---|---|
//! | `arbitrary` | generators of these values for property tests |
//! | `command` | what a client says, its encoder and its parser |
//! | `domain` | names of hosts |
//! | `escape` | how octets from a stranger are shown |
//! | `host` | address literals, what stands right of an `@`, the name of a client |
//! | `invalid` | the error of a value that was refused |
//! | `mailbox` | `local-part@domain` and its quoting |
//! | `param` | one parameter of MAIL or RCPT |
//! | `path` | sender and recipient, as MAIL and RCPT say them |
//! | `secret` | octets that must not be seen |
//! | `sink` | where encoders write |
//! | `text` | free text as an argument |
//! | `verb` | the first words of commands |

#[cfg(test)]
pub(crate) mod arbitrary;
mod command;
mod domain;
mod escape;
mod host;
mod invalid;
mod mailbox;
mod param;
mod path;
mod secret;
mod sink;
mod text;
mod verb;

pub use command::{Command, CommandError, MechanismName, Raw};
pub use domain::Domain;
pub use escape::{Escaped, unescape};
pub use host::{AddressLiteral, ClientName, GeneralLiteral, Host};
pub use invalid::InvalidValue;
pub use mailbox::{LocalPart, Mailbox};
pub use param::Param;
pub use path::{ForwardPath, ReversePath};
pub use secret::Secret;
pub use text::Text;
pub use verb::Verb;
