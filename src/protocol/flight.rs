//! What has been sent and is not answered yet, in order, and where the session will be when all
//! of it succeeds. Replies are matched here by counting alone (RFC 2920 §3.1).

use super::event::Ticket;
use super::queue::Queue;
use super::rules::{Act, Phase, Rule, rule};
use crate::wire::leak;

/// Commands in flight at most, where the server offers PIPELINING. Replies are read while
/// commands wait to be written, so no buffer can deadlock; the bound is for memory alone, and
/// more than this many recipients a round trip saves nothing worth having.
pub(super) const MOST_COMMANDS: usize = 512;

/// Octets of commands in flight at most: what one write to a socket usually takes at once.
pub(super) const MOST_OCTETS: usize = 32 * 1024;

/// Octets of most RCPT without parameters.
const USUAL_LINE: usize = 40;

/// Octets of the lines of some mails. Where one runs ahead of another they are never all answered,
/// and what is there is moved to the front each time that the room is used up.
const LEAST_LINES: usize = 512;

/// The end of the content is not laid out yet: where its terminator ends is not known.
const NOT_LAID_OUT: u64 = u64::MAX;

/// It is not wholly written: no reply answers it, however late it begins.
const NOT_WRITTEN: u64 = u64::MAX;

/// A reply that is due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Awaited {
    pub(super) ticket: Ticket,
    pub(super) act: Act,
    /// Its row of the table.
    pub(super) rule: &'static Rule,
    /// Where it and all before it are taken to lead.
    leads_to: Phase,
    /// Nobody asked for it: the lone dot after a DATA without recipients.
    pub(super) orphan: bool,
    /// Another answer to the same content is due behind its own: over LMTP there is one for each
    /// recipient.
    pub(super) is_more_due: bool,
    /// Length of the line as errors and the transcript show it.
    shown: usize,
    /// Octets of content that follow its line: those of a chunk.
    pub(super) content: u64,
    /// Octet of the stream after its last one.
    ends_at: u64,
    /// How many octets had been received when its last octet was written: a reply that began
    /// before that cannot answer it.
    floor: u64,
}

impl Awaited {
    /// Whether a reply that began at this octet of the input can answer it.
    #[inline]
    pub(super) const fn is_answered_from(&self, start: u64) -> bool {
        start >= self.floor
    }

    #[inline]
    pub(super) const fn is_written(&self) -> bool {
        self.floor != NOT_WRITTEN
    }

    /// Whether content belongs to it.
    #[inline]
    pub(super) fn is_content(&self) -> bool {
        self.content > 0 || self.act == Act::EndOfData
    }
}

/// A chunk as it is sent: its line, and so many octets after it.
pub(super) struct Chunk<'a> {
    pub(super) act: Act,
    pub(super) line: &'a [u8],
    pub(super) octets: u64,
}

#[derive(Debug)]
pub(super) struct Flight {
    awaited: Queue<Awaited>,
    /// The line of what was answered last, then those of what is awaited, secrets masked.
    shown: Queue<u8>,
    /// Length of the first of them.
    answered: usize,
    /// How many of them, from the front, are wholly written.
    written: usize,
    /// The last of all that have ever been.
    last_written: Ticket,
    /// Where the session is before the first of them is answered, as far as it was foreseen.
    base: Phase,
    /// Where all of them lead from there.
    ahead: Phase,
}

impl Flight {
    pub(super) fn new() -> Self {
        let mut flight = Self {
            awaited: Queue::default(),
            shown: Queue::default(),
            answered: 0,
            written: 0,
            last_written: Ticket::GREETING,
            base: Phase::Greeting,
            ahead: Phase::Hello,
        };
        flight.push(Ticket::GREETING, Act::Connect, b"", 0);
        flight.note_written(0, 0);
        flight
    }

    /// Many commands are to come: room for them is made at once, as much as the queues come to at
    /// most where as many are in flight as may be.
    #[inline]
    pub(super) fn make_room(&mut self, commands: usize) {
        let commands = commands.min(2 * MOST_COMMANDS);
        self.awaited.make_room(commands);
        self.shown.make_room((commands * USUAL_LINE).max(LEAST_LINES));
    }

    /// Gives back all room, where nothing is in flight.
    #[cfg(feature = "net")]
    pub(super) fn rest(&mut self) {
        self.awaited.rest();
        if self.awaited.is_empty() {
            self.forget_answered();
            self.shown.rest();
        }
    }

    /// The line of what was answered last.
    #[inline]
    pub(super) fn answered(&self) -> &[u8] {
        self.shown.get(..self.answered).unwrap_or_default()
    }

    /// Nothing of this side is meant by what was said last.
    #[inline]
    pub(super) fn forget_answered(&mut self) {
        self.shown.skip(self.answered);
        self.answered = 0;
    }

    /// Where the session will be when everything in flight has succeeded.
    #[inline]
    pub(super) const fn ahead(&self) -> Phase {
        self.ahead
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.awaited.len()
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.awaited.is_empty()
    }

    #[inline]
    pub(super) fn front(&self) -> Option<&Awaited> {
        self.awaited.first()
    }

    #[inline]
    pub(super) fn back(&self) -> Option<&Awaited> {
        self.awaited.last()
    }

    /// The last command that is wholly written.
    pub(super) const fn last_written(&self) -> Ticket {
        self.last_written
    }

    /// The line of a chunk of which a part is written: what has no octets behind its line ends with
    /// it, and is not begun before it is written.
    pub(super) fn begun_chunk(&self, up_to: u64) -> Option<&[u8]> {
        let at = self.lines_len(self.written);
        let chunk = self.awaited.get(self.written)?;
        let line_written = chunk.ends_at.saturating_sub(chunk.content) <= up_to;
        self.shown.get(at..at + chunk.shown).filter(|_| line_written)
    }

    pub(super) fn holds(&self, act: Act) -> bool {
        self.awaited.iter().any(|awaited| awaited.act == act)
    }

    /// Whether one more command fits after what is in flight.
    #[inline]
    pub(super) fn has_room(&self, pipelining: bool) -> bool {
        let Some(back) = self.awaited.last() else {
            return true;
        };
        pipelining && !back.rule.last && !self.is_full()
    }

    /// Whether as many commands are in flight as may be.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.awaited.len() >= MOST_COMMANDS || self.shown.len() - self.answered >= MOST_OCTETS
    }

    /// Takes note of what was sent: its line as it may be shown, and where it ends in the stream.
    #[inline(always)]
    pub(super) fn push(&mut self, ticket: Ticket, act: Act, shown: &[u8], ends_at: u64) {
        leak::search(shown);
        self.shown.extend(shown);
        let rule = rule(act);
        self.ahead = ahead_of(self.ahead, rule);
        self.awaited.push(Awaited {
            ticket,
            act,
            rule,
            leads_to: self.ahead,
            orphan: false,
            is_more_due: false,
            shown: shown.len(),
            content: 0,
            ends_at,
            floor: NOT_WRITTEN,
        });
    }

    /// A chunk, whose octets follow its line, and the replies that it draws: over LMTP the last one
    /// draws several.
    pub(super) fn push_chunk(
        &mut self,
        chunk: &Chunk<'_>,
        tickets: impl IntoIterator<Item = Ticket>,
        line_ends_at: u64,
    ) {
        let ends_at = line_ends_at.saturating_add(chunk.octets);
        for (n, ticket) in tickets.into_iter().enumerate() {
            self.note_more_due(n > 0);
            self.push(ticket, chunk.act, if n == 0 { chunk.line } else { b"" }, ends_at);
            if let Some(first) = self.awaited.last_mut().filter(|_| n == 0) {
                first.content = chunk.octets;
            }
        }
    }

    /// The end of the content, whose place in the stream is known only when it is laid out.
    pub(super) fn push_end(&mut self, ticket: Ticket, orphan: bool) {
        self.note_more_due(self.back().is_some_and(|back| back.act == Act::EndOfData));
        self.push(ticket, Act::EndOfData, b"", NOT_LAID_OUT);
        self.base = Phase::EndOfData;
        // Behind a lone dot an RSET is due, whatever its answer.
        self.ahead = if orphan { Phase::Spoiled } else { Phase::Ready };
        if let Some(end) = self.awaited.last_mut() {
            end.orphan = orphan;
            end.leads_to = self.ahead;
        }
    }

    /// Where what comes next answers the same content as the last, that is not its last answer.
    fn note_more_due(&mut self, is_same: bool) {
        if let Some(last) = self.awaited.last_mut().filter(|_| is_same) {
            last.is_more_due = true;
        }
    }

    /// The terminator has been laid out and ends there.
    pub(super) fn end_laid_out(&mut self, ends_at: u64) {
        for awaited in self.awaited.iter_mut().rev() {
            if awaited.ends_at != NOT_LAID_OUT {
                break;
            }
            awaited.ends_at = ends_at;
        }
    }

    /// The stream has been written up to there, and that much has been received: says how many
    /// commands are wholly written now and were not before.
    pub(super) fn note_written(&mut self, up_to: u64, received: u64) -> usize {
        let before = self.written;
        let rest = self.awaited.get_mut(before..).unwrap_or_default();
        for awaited in rest.iter_mut().take_while(|awaited| awaited.ends_at <= up_to) {
            awaited.floor = received;
            self.last_written = awaited.ticket;
            self.written += 1;
        }
        self.written - before
    }

    /// So many commands, of those that are wholly written the last, each with its line.
    pub(super) fn newly_written(&self, count: usize) -> impl Iterator<Item = (&Awaited, &[u8])> {
        let before = self.written.saturating_sub(count);
        let mut at = self.lines_len(before);
        self.awaited.iter().skip(before).take(count).map(move |awaited| {
            let line = self.shown.get(at..at + awaited.shown).unwrap_or_default();
            at += awaited.shown;
            (awaited, line)
        })
    }

    /// Length of the lines of the first so many, that of what was answered last with them.
    fn lines_len(&self, count: usize) -> usize {
        let lines = self.awaited.iter().take(count).map(|awaited| awaited.shown);
        self.answered + lines.sum::<usize>()
    }

    /// Takes the front out, if a reply that began at this octet of the input answers it.
    #[inline]
    pub(super) fn pop_answered(&mut self, start: u64) -> Option<Awaited> {
        let front = self.awaited.pop_if(|front| front.is_answered_from(start))?;
        self.written = self.written.saturating_sub(1);
        // Content leads on with its last answer.
        if !front.is_more_due {
            self.base = front.leads_to;
        }
        self.forget_answered();
        self.answered = front.shown;
        Some(front)
    }

    /// A reply moved the session: what is left in flight starts from there.
    #[inline]
    pub(super) fn start_from(&mut self, here: Phase) {
        // As foreseen: nothing changes, and a thousand recipients stay linear.
        if here == self.base {
            return;
        }
        self.base = here;
        self.ahead = self.awaited.iter_mut().fold(here, |phase, awaited| {
            awaited.leads_to = ahead_of(phase, awaited.rule);
            awaited.leads_to
        });
    }

    pub(super) fn clear(&mut self) {
        self.awaited.clear();
        self.shown.truncate(self.answered);
        self.written = 0;
        self.ahead = Phase::Closed;
    }
}

/// Where an act is taken to lead; one that is not lawful there changes nothing.
const fn ahead_of(phase: Phase, rule: &Rule) -> Phase {
    if rule.from.contains(phase) { rule.foreseen.from(phase) } else { phase }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Verb;

    #[test]
    fn t13_a_flight_is_bounded_in_commands_and_in_octets() {
        let most = |octets| {
            let mut flight = Flight::new();
            flight.pop_answered(0);
            while flight.has_room(true) {
                flight.push(Ticket::GREETING, Act::Command(Verb::Rcpt), &vec![b'x'; octets], 0);
            }
            flight.len()
        };
        assert_eq!([64, 65, 1024].map(most), [512, 505, 32]);
    }
}
