//! What is told of a mail while it is on its way: to whoever watches, in a closure of his. How it
//! is sent is not here.

use std::collections::VecDeque;

use super::outbox::Outbox;
use crate::protocol::{Event, Recipient, Session};

/// What has just become known of a mail on its way; from
/// [`Client::send_watched`](super::Client::send_watched).
///
/// Recipients are numbered from 0, in the order of the envelope.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// The stream has taken so many octets of the content so far.
    Octets(u64),
    /// This recipient's RCPT was answered: [`Recipient::rcpt`] has the reply. Told once for each.
    Answered(usize, Recipient<'a>),
    /// The server has decided: for this recipient the outcome is *accepted* or *refused*, and stays
    /// so. Told at most once for each, as soon as the reply is there that decides: over LMTP each
    /// recipient has one of its own. What is *not sent* or *unknown* in the end, the delivery says.
    Decided(usize, Recipient<'a>),
}

/// Who watches a mail, and what was told so far.
pub(super) struct Watch<'a> {
    tell: Option<&'a mut (dyn FnMut(Progress<'_>) + Send)>,
    octets: u64,
    /// Recipients whose RCPT was answered: RCPT is answered in order.
    answered: usize,
    /// Recipients from the first on that were decided.
    decided: usize,
    /// Others that were, in order: RCPT refuses one and leaves those before it undecided.
    ahead: VecDeque<usize>,
}

impl<'a> Watch<'a> {
    pub(super) const fn new(tell: Option<&'a mut (dyn FnMut(Progress<'_>) + Send)>) -> Self {
        Self { tell, octets: 0, answered: 0, decided: 0, ahead: VecDeque::new() }
    }

    pub(super) const fn nobody() -> Self {
        Self::new(None)
    }

    /// The stream has taken so many octets.
    pub(super) fn taken(&mut self, octets: u64) {
        if octets != self.octets {
            self.octets = octets;
            if let Some(tell) = &mut self.tell {
                tell(Progress::Octets(octets));
            }
        }
    }

    pub(super) const fn octets(&self) -> u64 {
        self.octets
    }

    /// Something was said: the outbox takes note, and what it means for the newest mail is told.
    #[inline]
    pub(super) fn note(&mut self, outbox: &mut Outbox, session: &Session, event: Event) {
        outbox.note(session, event);
        if self.tell.is_some() {
            self.look(outbox);
        }
    }

    fn look(&mut self, outbox: &mut Outbox) {
        let Self { tell: Some(tell), answered, decided, ahead, .. } = self else { return };
        let Some(delivery) = outbox.newest().map(|newest| newest.delivery()) else { return };
        while let Some(recipient) = delivery.recipient(*answered).filter(|one| one.rcpt().is_some())
        {
            tell(Progress::Answered(*answered, recipient));
            if *answered >= *decided && recipient.outcome().is_decided() {
                tell(Progress::Decided(*answered, recipient));
                ahead.push_back(*answered);
            }
            *answered += 1;
        }
        // The other replies decide for all that are left, or for the first of them.
        while let Some(recipient) = delivery.recipient(*decided) {
            if ahead.front() == Some(decided) {
                ahead.pop_front();
            } else if recipient.outcome().is_decided() {
                tell(Progress::Decided(*decided, recipient));
            } else {
                break;
            }
            *decided += 1;
        }
    }
}
