//! The order of a conversation: a session over bytes, with no socket, no clock and no runtime.
//!
//! | file | what it holds |
//! |---|---|
//! | `rules` | THE TABLE: which verb is lawful when, and where its reply leads |
//! | `session` | the state machine: commands in, octets out; octets in, events out |
//! | `session/check` | whether a command may be sent now |
//! | `session/answer` | what a reply means |
//! | `session/limits` | what the server takes of mails and recipients, and has had |
//! | `session/octets` | octets out and in |
//! | `session/state` | what a session can be asked |
//! | `session/stream` | octets to and from a stream of the standard library |
//! | `config` | what a session is told before it begins |
//! | `event` | what it says to its driver |
//! | `flight` | what has been sent and not answered, and where it leads |
//! | `output` | what is to be written: the session's octets and the caller's, in order |
//! | `one_or_many` | a list that mostly has one element, which is in place |
//! | `queue` | what waits in line, in one slice |
//! | `fault` | what goes wrong: `Violation` (the server's), `Misuse` (the caller's) |
//! | `exchange` | an AUTH dialogue |
//! | `envelope` | sender, recipients and their parameters |
//! | `envelope/message` | the envelope that a message's own header asks for |
//! | `envelope/addresses` | the address list of a header field |
//! | `needs` | what a mail asks of a server, by its content and its addresses |
//! | `dispatch` | a mail on its way: the next command, and whose reply came |
//! | `delivery` | what became of a mail, for each recipient |
//! | `transcript` | what was said, masked by position |
//! | `stage` | the steps of a conversation, for errors and deadlines |

mod config;
mod delivery;
mod dispatch;
mod envelope;
mod event;
mod exchange;
mod fault;
mod flight;
mod needs;
mod one_or_many;
mod output;
mod queue;
mod rules;
mod session;
mod stage;
mod transcript;

pub use config::{Protection, Protocol, SessionConfig};
pub use delivery::{Delivery, Outcome, Recipient, Refusal};
pub use dispatch::{Dispatch, Due};
pub use envelope::{Envelope, InvalidEnvelope};
pub use event::{Event, Step, Ticket};
pub use exchange::Exchange;
pub use fault::{Misuse, Violation};
pub use needs::{Needs, Unmet};
pub use rules::Phase;
pub(crate) use session::Declared;
pub use session::Session;
pub use stage::Stage;
pub use transcript::Transcript;
