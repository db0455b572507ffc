//! Bytes to values and back: parsers and encoders, with no state over time.
//!
//! | file | what it holds |
//! |---|---|
//! | `code` | the three digits of a reply |
//! | `command` | commands: their constructors, octets and parser |
//! | `content` | a mail's octets: line endings, dot-stuffing, what is wrong with them |
//! | `date` | dates, as RFC 3339 writes them |
//! | `domain` | domain names |
//! | `enhanced` | enhanced status codes and their registry |
//! | `escape` | how octets from a stranger are shown |
//! | `host` | address literals, hosts and the client's own name |
//! | `invalid` | what is wrong with a value that was refused |
//! | `kept` | octets that are kept for long, in place where they are few |
//! | `leak` | whether a secret is shown, in the crate's own tests |
//! | `line` | the read buffer, line ends, limits |
//! | `lookup` | what the replies to VRFY, EXPN and ETRN say |
//! | `mailbox` | mailboxes and their local parts |
//! | `octets` | the first octet of a kind, eight at a time |
//! | `param` | parameters of MAIL and RCPT |
//! | `path` | the paths of MAIL and RCPT |
//! | `quirk` | what servers say that they should not, by name |
//! | `reply` | replies: framed, borrowed, owned |
//! | `secret` | octets that are never shown |
//! | `sink` | where encoders write: a buffer, or a counter |
//! | `text` | text as an argument |
//! | `verb` | the verbs of commands |
//! | `xtext` | any octets as the value of a parameter |

#[cfg(test)]
pub(crate) mod arbitrary;
mod code;
mod command;
mod content;
mod date;
mod domain;
mod enhanced;
mod escape;
mod host;
mod invalid;
mod kept;
pub(crate) mod leak;
mod line;
mod lookup;
mod mailbox;
mod octets;
mod param;
mod path;
mod quirk;
mod reply;
mod secret;
mod sink;
mod text;
mod verb;
pub(crate) mod xtext;

pub use code::{Code, Retry, Severity};
pub use command::{
    AbsoluteUri, AttributeValue, Command, CommandError, EtrnNode, MechanismName, QueueName, Raw,
    XclientAttribute, XclientName, XforwardAttribute, XforwardName,
};
pub(crate) use content::Verbatim;
pub use content::{ContentFault, LineEndings, Piece, Scan, Scanner, Stuffer};
pub(crate) use date::Date;
pub use domain::Domain;
pub use enhanced::{EnhancedCode, InvalidEnhancedCode, Status};
pub use escape::{Escaped, unescape};
pub use host::{AddressLiteral, ClientName, GeneralLiteral, Host};
pub use invalid::InvalidValue;
pub(crate) use invalid::{CONTROL, EMPTY, into_cow};
pub use line::{Limits, LineBuffer, LineTooLong};
pub use lookup::{Answer, Expansion, Listed, QueueRun, Verification};
pub use mailbox::{LocalPart, Mailbox};
pub(crate) use octets::first_octets;
pub use param::Param;
pub use path::{ForwardPath, ReversePath};
pub use quirk::{Quirk, Quirks, Strictness};
pub use reply::{
    Foreign, Lines, Reply, ReplyBuffer, ReplyError, ReplyFault, ReplyKind, ReplyRef, WireLines,
};
pub(crate) use reply::{WordLines, Words, rest_behind};
pub use secret::Secret;
pub(crate) use secret::{MASK, mask_quoted};
pub(crate) use sink::{Sink, base64_len};
pub use text::Text;
pub use verb::Verb;
