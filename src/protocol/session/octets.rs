//! Octets out and in: what is to be written, and what was read. What they mean is decided
//! elsewhere.

use std::io::IoSlice;

use bytes::BytesMut;

use super::Session;
use crate::protocol::rules::{Act, Phase};
use crate::wire::ContentFault;

impl Session {
    /// Makes room for a mail to so many: MAIL, an RCPT for each, and DATA.
    #[inline]
    pub(in crate::protocol) fn make_room_for(&mut self, recipients: usize) {
        if self.is_pipelining() {
            self.flight.make_room(recipients + 2);
        }
    }

    /// Lays out what is to be written next as slices for one vectored write, and says how many
    /// are used. `content` is what was promised and has not been consumed, from its first octet.
    ///
    /// None may be used although there is something to write: a lone CR at the end of what is lent
    /// goes out later, in another form. `wrote(0)` then says that it is done with.
    ///
    /// # Errors
    /// The content has an octet that cannot be sent. The session is over, and the mail was not
    /// sent: there is no other way out of DATA.
    pub fn gather<'a>(
        &'a mut self,
        content: &'a [u8],
        slices: &mut [IoSlice<'a>],
    ) -> Result<usize, ContentFault> {
        if self.output.is_content_open() {
            let planned = self.output.plan(content, slices.len());
            self.laid_out(planned)?;
        }
        Ok(self.output.slices(content, slices))
    }

    fn laid_out(&mut self, end: Result<Option<u64>, ContentFault>) -> Result<(), ContentFault> {
        match end {
            Ok(Some(end)) => self.flight.end_laid_out(end),
            Ok(None) => {}
            Err(fault) => {
                self.close();
                return Err(fault);
            }
        }
        Ok(())
    }

    /// Takes a copy of the content that was promised: what is sent next goes out in the same write.
    #[cfg(feature = "net")]
    pub(crate) fn copy_in(&mut self, content: &[u8]) -> Result<(), ContentFault> {
        let copied = self.output.copy_in(content);
        self.laid_out(copied)
    }

    /// Octets that are to be written, of the caller's those that were copied.
    #[cfg(feature = "net")]
    pub(crate) fn to_write(&self) -> usize {
        self.output.own_octets()
    }

    /// Takes note that so many octets of what was gathered have been written; says how many of
    /// the caller's content are done with.
    pub fn wrote(&mut self, octets: usize) -> usize {
        let consumed = self.output.wrote(octets);
        // A reply that is lent counts once: it is taken, and not consumed yet.
        let lent = self.reply().map_or(0, |reply| reply.octets().len());
        let received = self.taken + (self.input.pending().len() - lent) as u64;
        let written = self.flight.note_written(self.output.written(), received);
        self.show_written(written);
        consumed
    }

    /// The transcript has what was written when it is: so many commands.
    fn show_written(&mut self, commands: usize) {
        let Some(transcript) = &mut self.transcript else { return };
        let mut ended = false;
        for (awaited, line) in self.flight.newly_written(commands) {
            if !line.is_empty() {
                transcript.client(line);
                transcript.content(awaited.content);
            // The end of the content has no line of its own, and over LMTP several replies.
            } else if awaited.act == Act::EndOfData && !std::mem::replace(&mut ended, true) {
                transcript.content(self.output.content_octets());
                transcript.client(b".");
            }
        }
    }

    /// The read buffer: read into its spare capacity. What was read is looked at by the next
    /// poll.
    pub fn space(&mut self) -> &mut BytesMut {
        self.input.space()
    }

    /// Takes a copy of octets that were read elsewhere than into [`space`](Self::space).
    pub fn receive(&mut self, octets: &[u8]) {
        // Nobody will look at what comes behind the end.
        if self.here != Phase::Closed {
            self.input.extend(octets);
        }
    }

    /// Nothing may be said for hours: where nothing is in flight, all room is given back that the
    /// next command takes anew. The reply that was lent is done with.
    #[cfg(feature = "net")]
    pub(crate) fn rest(&mut self) {
        if self.in_flight() > 0 || self.output.is_pending() {
            return;
        }
        self.give_back();
        self.output.rest();
        self.flight.rest();
        self.input.rest();
    }

    /// The peer has closed its side. Whole replies that are buffered still surface.
    pub const fn end_of_input(&mut self) {
        self.input_ended = true;
    }
}
