//! What became of each form of a relay test: data alone.

use super::RelayForm;
use crate::error::Error;
use crate::protocol::Stage;
use crate::wire::Reply;

/// What a [`RelayTest`](super::RelayTest) has found. It is there whatever has failed.
///
/// `Display` is for people: a table of the forms, and below it the verdict. With feature `serde` it
/// serializes; the schema stands at `Serialize` below.
#[derive(Clone, Debug)]
pub struct RelayReport {
    pub(super) server: String,
    pub(super) local: String,
    pub(super) foreign: String,
    pub(super) attempts: Vec<RelayAttempt>,
    pub(super) error: Option<std::sync::Arc<Error>>,
}

impl RelayReport {
    /// What all forms together say of the server.
    #[must_use]
    pub fn verdict(&self) -> RelayVerdict {
        let any = |outcome| self.attempts.iter().any(|one| one.outcome == outcome);
        if any(RelayOutcome::Relayed) {
            RelayVerdict::Relayed
        } else if self.accepted().next().is_some() {
            RelayVerdict::AcceptedAtRcpt
        } else if !self.attempts.is_empty()
            && self.attempts.iter().all(|one| one.outcome == RelayOutcome::Refused)
        {
            RelayVerdict::Refused
        } else {
            RelayVerdict::Unclear
        }
    }

    /// Every form that was to be tried, in order. Those that need the server's address are
    /// left out where it is not known: through a proxy, and over a Unix socket.
    #[must_use]
    pub fn attempts(&self) -> &[RelayAttempt] {
        &self.attempts
    }

    /// What became of one form.
    #[must_use]
    pub fn attempt(&self, form: RelayForm) -> Option<&RelayAttempt> {
        self.attempts.iter().find(|one| one.form == form)
    }

    /// The forms whose recipient was accepted.
    pub fn accepted(&self) -> impl Iterator<Item = &RelayAttempt> {
        self.attempts.iter().filter(|one| one.is_accepted())
    }

    /// The mail of this form has arrived at the foreign mailbox: the server has relayed it. False
    /// where it took none, and nothing changes then.
    ///
    /// ```
    /// # fn look(mut report: ehlo::RelayReport, arrived: &str) {
    /// use ehlo::{RelayForm, RelayVerdict};
    ///
    /// // what stands behind `X-Relay-Test:` in a mail that has arrived
    /// if let Some(form) = RelayForm::ALL.iter().find(|form| form.name() == arrived)
    ///     && report.confirm(*form)
    /// {
    ///     assert_eq!(report.verdict(), RelayVerdict::Relayed);
    /// }
    /// # }
    /// ```
    pub fn confirm(&mut self, form: RelayForm) -> bool {
        let taken = |one: &&mut RelayAttempt| {
            one.form == form && matches!(one.outcome, RelayOutcome::Taken | RelayOutcome::Relayed)
        };
        match self.attempts.iter_mut().find(taken) {
            Some(one) => one.outcome = RelayOutcome::Relayed,
            None => return false,
        }
        true
    }

    /// Why it came to an end before all forms were tried, unless the server said 421 in reply to one
    /// of them: that stands there. A server that has had enough refuses RSET; Exim after ten forms
    /// (over TLS it says so in clear: `TlsReason::LeftTls`).
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        self.error.as_deref()
    }

    /// The server, as the test was told.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The domain that was taken for one of the server's own; empty where nobody has named one.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The mailbox that was asked for.
    #[must_use]
    pub fn foreign(&self) -> &str {
        &self.foreign
    }
}

/// Whether a server relays for strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RelayVerdict {
    /// Every form was refused for good.
    Refused,
    /// None was accepted, but some were put off or not tried.
    Unclear,
    /// At least one recipient was accepted. Whether a mail to it leaves the server, nobody has seen.
    AcceptedAtRcpt,
    /// At least one mail has arrived at the foreign mailbox, as the caller has
    /// [confirmed](RelayReport::confirm): it is an open relay.
    Relayed,
}

impl RelayVerdict {
    /// The verdict in `snake_case`, for machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unclear => "unclear",
            Self::AcceptedAtRcpt => "accepted_at_rcpt",
            Self::Relayed => "relayed",
        }
    }
}

/// One form, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayAttempt {
    pub(super) form: RelayForm,
    pub(super) sender: String,
    pub(super) recipient: String,
    pub(super) outcome: RelayOutcome,
    pub(super) stage: Option<Stage>,
    pub(super) reply: Option<Reply>,
}

impl RelayAttempt {
    /// Which form it was.
    #[must_use]
    pub const fn form(&self) -> RelayForm {
        self.form
    }

    /// What was said behind `MAIL FROM:`.
    #[must_use]
    pub fn sender(&self) -> &str {
        &self.sender
    }

    /// What was said behind `RCPT TO:`.
    #[must_use]
    pub fn recipient(&self) -> &str {
        &self.recipient
    }

    /// What became of it.
    #[must_use]
    pub const fn outcome(&self) -> RelayOutcome {
        self.outcome
    }

    /// Whether the recipient was accepted, whatever came after that.
    #[must_use]
    pub const fn is_accepted(&self) -> bool {
        matches!(self.outcome, RelayOutcome::Accepted | RelayOutcome::Taken | RelayOutcome::Relayed)
    }

    /// What [`reply`](Self::reply) answers; none where it was not tried.
    #[must_use]
    pub const fn stage(&self) -> Option<Stage> {
        self.stage
    }

    /// The reply that made the outcome; none where it was not tried.
    #[must_use]
    pub const fn reply(&self) -> Option<&Reply> {
        self.reply.as_ref()
    }
}

/// What became of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RelayOutcome {
    /// The sender or the recipient was refused for good.
    Refused,
    /// One of them was refused for now, or with the end of the session (421).
    Deferred,
    /// The recipient was accepted. No mail was sent, or the mail was refused: the reply says which.
    Accepted,
    /// The mail was taken, too. What the server does with it is not known.
    Taken,
    /// And it has arrived, as the caller has confirmed.
    Relayed,
    /// The session had ended before.
    NotTried,
}

impl RelayOutcome {
    /// The outcome in `snake_case`, for machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Deferred => "deferred",
            Self::Accepted => "accepted",
            Self::Taken => "taken",
            Self::Relayed => "relayed",
            Self::NotTried => "not_tried",
        }
    }
}
