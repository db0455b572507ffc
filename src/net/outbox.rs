//! Mails on their way, and what became of those whose call was dropped or failed. They live with
//! the client, not with the call: a dropped call loses nothing.

use std::collections::VecDeque;

use crate::protocol::{Delivery, Dispatch, Event, Session, Ticket};

/// Outcomes that wait at most: whoever never takes them does not want them.
const KEPT: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// On their way, the oldest first. They are few, and each reply asks whose it is.
    mails: Vec<Dispatch>,
    /// Nobody waits for the outcome: the one mail is that of a transaction, stage by stage, which
    /// has not come to its end.
    unwanted: bool,
    /// What became of mails whose call was dropped, or failed.
    #[expect(clippy::box_collection, reason = "few clients have any, and many are idle")]
    kept: Option<Box<VecDeque<Delivery>>>,
}

impl Outbox {
    /// A mail goes on its way.
    pub(super) fn begin(&mut self, mail: Dispatch) {
        self.mails.push(mail);
        self.unwanted = false;
    }

    /// The same for a mail of which nobody wants to know before it has come to its end. No other is
    /// on its way.
    pub(super) fn begin_unwanted(&mut self, mail: Dispatch) {
        self.begin(mail);
        self.unwanted = true;
    }

    /// The mail that was begun last.
    #[inline]
    pub(super) fn newest(&mut self) -> Option<&mut Dispatch> {
        self.mails.last_mut()
    }

    /// How many are on their way.
    pub(super) fn len(&self) -> usize {
        self.mails.len()
    }

    /// From now on somebody waits for the outcome.
    pub(super) const fn want(&mut self) {
        self.unwanted = false;
    }

    /// Something was said: to one of them, whose it is by its ticket, or to all.
    #[inline]
    pub(super) fn note(&mut self, session: &Session, event: Event) {
        if let Event::Reply(ticket) | Event::GoAhead(ticket) = event {
            let nth = self.whose(ticket);
            if let Some(mail) = self.mails.get_mut(nth) {
                mail.note(session, event);
            }
        } else {
            self.note_all(session, event);
        }
    }

    #[cold]
    fn note_all(&mut self, session: &Session, event: Event) {
        for mail in &mut self.mails {
            mail.note(session, event);
        }
    }

    /// The place of the mail that a ticket belongs to: the last one that began before it. Replies
    /// come in order: nearly always it is the oldest.
    #[inline]
    fn whose(&self, ticket: Ticket) -> usize {
        let begun = |mail: &Dispatch| mail.first().is_some_and(|first| first <= ticket);
        self.mails.iter().skip(1).take_while(|mail| begun(mail)).count()
    }

    /// Whether every command of the oldest has its reply; the others' come after.
    #[inline]
    pub(super) fn is_oldest_answered(&self, session: &Session) -> bool {
        self.mails.first().is_some_and(|mail| mail.is_answered(session))
    }

    /// Whether the server has decided for every recipient of the oldest.
    pub(super) fn is_oldest_decided(&self) -> bool {
        self.mails.first().is_some_and(|mail| mail.is_decided())
    }

    /// What became of the oldest, of which nothing more will be known.
    pub(super) fn conclude_oldest(&mut self, session: &Session) -> Option<Delivery> {
        if self.mails.is_empty() {
            return None;
        }
        let oldest = self.mails.remove(0).into_delivery(session);
        (!self.unwanted).then_some(oldest)
    }

    /// The same for the newest.
    pub(super) fn conclude_newest(&mut self, session: &Session) -> Option<Delivery> {
        let newest = self.mails.pop()?.into_delivery(session);
        (!self.unwanted).then_some(newest)
    }

    /// Nothing more will be known of any: keeps what is.
    pub(super) fn conclude(&mut self, session: &Session) {
        let mails = std::mem::take(&mut self.mails);
        if !self.unwanted {
            mails.into_iter().for_each(|mail| self.keep(mail.into_delivery(session)));
        }
    }

    /// Keeps what became of a mail of which nobody was told.
    pub(super) fn keep(&mut self, delivery: Delivery) {
        let kept = self.kept.get_or_insert_default();
        kept.push_back(delivery);
        let too_many = kept.len().saturating_sub(KEPT);
        kept.drain(..too_many);
    }

    /// Forgets the mail that was begun last.
    pub(super) fn forget_newest(&mut self) {
        self.mails.pop();
        self.rest();
    }

    /// Nothing may come for hours: room for mails is given back.
    pub(super) fn rest(&mut self) {
        if self.mails.is_empty() {
            self.mails = Vec::new();
        }
    }

    /// What was kept last.
    pub(super) fn newest_kept(&self) -> Option<&Delivery> {
        self.kept.as_ref()?.back()
    }

    /// So many of those that were kept last.
    pub(super) fn take_newest_kept(&mut self, most: usize) -> VecDeque<Delivery> {
        let Some(kept) = &mut self.kept else { return VecDeque::new() };
        let newest = kept.split_off(kept.len().saturating_sub(most));
        self.kept.take_if(|kept| kept.is_empty());
        newest
    }

    /// What was kept, the oldest first.
    pub(super) fn take_kept(&mut self) -> Option<Delivery> {
        let oldest = self.kept.as_mut()?.pop_front();
        self.kept.take_if(|kept| kept.is_empty());
        oldest
    }
}
