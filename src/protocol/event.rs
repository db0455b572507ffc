//! What a session says to its driver: what has to happen next, and what was said.

use std::num::NonZeroU64;

#[cfg(doc)]
use super::Session;
use super::Stage;

/// Names one command; the event that answers it carries the same ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(NonZeroU64);

impl Ticket {
    pub(super) const GREETING: Self = Self(NonZeroU64::MIN);

    /// The ticket so many after this one: over LMTP, [`Session::finish`] draws one for each
    /// accepted recipient, in order.
    #[must_use]
    pub const fn plus(self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }

    /// How many tickets after that one this is.
    pub(super) fn since(self, first: Self) -> Option<usize> {
        self.0.get().checked_sub(first.0.get()).and_then(|n| usize::try_from(n).ok())
    }
}

/// Something the server said. Its reply is lent by [`Session::reply`] until the next poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The greeting; only 220 opens the session.
    Greeting,
    /// The reply to a command, to the end of the content, or to an AUTH response.
    Reply(Ticket),
    /// A 334: [`Session::respond`] or [`Session::cancel_auth`] is next.
    Challenge(Ticket),
    /// A 3yz to DATA with at least one accepted recipient: [`Session::content`] and
    /// [`Session::finish`] are next. There is no way back but closing the connection.
    GoAhead(Ticket),
    /// A refusal that came before the content had ended: nothing more is sent, the mail was not
    /// taken, and the session is over.
    ContentRefused,
    /// A 421 that answers nothing the caller sent: the session is over.
    Closing,
}

/// What has to happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Something was said.
    Event(Event),
    /// There are octets to write ([`Session::gather`]); the stage says whose deadline runs.
    /// Whatever can be read should be read meanwhile.
    Write(Stage),
    /// Octets have to be read; the stage says whose deadline runs.
    Read(Stage),
    /// The TLS handshake is next, then [`Session::tls_started`].
    StartTls,
    /// Nothing is in flight: the next command is the caller's.
    Idle,
    /// The session is over.
    Closed,
}
