//! What a session can be asked: where it stands, what is on its way, what is offered.

use super::Session;
use crate::extension::Capabilities;
use crate::protocol::config::{Protection, Protocol};
use crate::protocol::event::Ticket;
use crate::protocol::flight::Awaited;
use crate::protocol::rules::{Act, Phase};
use crate::protocol::{Stage, Transcript};
use crate::wire::Verbatim;
#[cfg(any(feature = "probe", feature = "tracing"))]
use crate::wire::{Reply, ReplyRef};

impl Session {
    /// Whether one more command can be sent before a reply is read.
    #[must_use]
    #[inline]
    pub fn has_room(&self) -> bool {
        self.may_follow() && !self.output.is_content_open()
    }

    /// Whether the flight has room for one more command. Over LMTP none follows the end of a mail
    /// before its replies: where a server has one for all recipients, those to what follows would
    /// be taken for the others'.
    #[inline]
    pub(super) fn may_follow(&self) -> bool {
        let is_end = |back: &Awaited| matches!(back.act, Act::EndOfData | Act::LastChunk);
        let is_open =
            self.config.protocol == Protocol::Lmtp && self.flight.back().is_some_and(is_end);
        !is_open && self.flight.has_room(self.is_pipelining())
    }

    /// How many replies are awaited.
    #[must_use]
    #[inline]
    pub fn in_flight(&self) -> usize {
        self.flight.len()
    }

    /// Where replies have brought the session.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.here
    }

    /// Where the session will be when everything in flight has succeeded.
    #[must_use]
    #[inline]
    pub fn ahead(&self) -> Phase {
        if self.flight.is_empty() { self.here } else { self.flight.ahead() }
    }

    /// What the server offers, by its last accepted EHLO; empty before it and after HELO.
    #[must_use]
    pub const fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// How far the channel can be trusted.
    #[must_use]
    pub const fn protection(&self) -> Protection {
        self.protection
    }

    /// Whether AUTH has succeeded. Where the server has something to prove, too, this is so once
    /// [`Exchange::end`](crate::Exchange::end) has looked at that.
    #[must_use]
    pub const fn is_authenticated(&self) -> bool {
        self.authenticated && !self.unproved
    }

    /// Whether AUTH has succeeded by the server's word.
    pub(in crate::protocol) const fn is_welcome(&self) -> bool {
        self.authenticated
    }

    /// A success of AUTH is not to be believed before an exchange has said so, or it is from now
    /// on.
    pub(in crate::protocol) const fn believe_success(&mut self, believed: bool) {
        self.unproved = !believed;
    }

    /// There is a security layer from here on: what was offered without it is forgotten (RFC 4954
    /// §4).
    pub(in crate::protocol) fn start_over(&mut self) {
        // It may have been ended since AUTH was answered.
        if self.here == Phase::Closed {
            return;
        }
        self.forget_offer();
        self.go(Phase::Hello);
    }

    /// SMTP or LMTP.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.config.protocol
    }

    /// Octets of content that were promised and are not written.
    #[must_use]
    pub const fn promised(&self) -> usize {
        self.output.promised()
    }

    /// Whether the last octet of what a ticket was drawn for has been written: from then on the
    /// server may have acted on it, and a mail that was ended so may have been taken.
    #[must_use]
    #[inline]
    pub fn is_written(&self, ticket: Ticket) -> bool {
        ticket <= self.flight.last_written()
    }

    /// Whether nothing up to that ticket is awaited any more. Of a session that is over nothing is.
    #[must_use]
    #[inline]
    pub fn is_answered(&self, ticket: Ticket) -> bool {
        self.flight.front().is_none_or(|front| ticket < front.ticket)
    }

    /// The transcript, where one is kept.
    #[must_use]
    pub fn transcript(&self) -> Option<&Transcript> {
        self.transcript.as_deref()
    }

    /// What has come of a reply that is not whole yet: its lines, and the octets of the last.
    #[must_use]
    pub fn unfinished(&self) -> &[u8] {
        if self.reply().is_some() { b"" } else { self.input.pending() }
    }

    /// The stage that the last reply belongs to: that of what it answers, or where it answers
    /// nothing, of what was answered before it.
    #[must_use]
    pub const fn answered_stage(&self) -> Stage {
        self.answered_stage
    }

    /// The reply of the last event as it may be shown to whoever looks on.
    #[cfg(any(feature = "probe", feature = "tracing"))]
    pub(crate) fn shown(&self) -> Option<ReplyRef<'_>> {
        let reply = self.reply()?;
        Some(self.masked.as_deref().map_or(reply, Reply::as_ref))
    }

    /// Whether content has begun and its end is not written: to leave it there would cut a mail.
    /// The session's own lone dot is none.
    pub(crate) fn is_half_sent(&self) -> bool {
        match self.here {
            Phase::Content => true,
            Phase::EndOfData => {
                self.flight.front().is_some_and(|end| !end.is_written() && !end.orphan)
            }
            _ => self.output.promised() > 0,
        }
    }

    /// Whether there is anything to write.
    #[cfg(feature = "net")]
    pub(crate) fn is_writing(&self) -> bool {
        self.output.is_pending()
    }

    /// Whether chunks have to be text, and then whether it may be 8-bit.
    #[cfg(feature = "net")]
    pub(crate) fn text_of_chunks(&self) -> Option<bool> {
        self.declared.text()
    }

    /// What the chunk that was just sent holds was looked at before.
    #[cfg(feature = "net")]
    pub(crate) const fn chunk_scanned(&mut self) {
        self.output.chunk_scanned();
    }

    /// Whether the peer has closed its side.
    pub(crate) const fn is_input_ended(&self) -> bool {
        self.input_ended
    }

    /// The content of the open transaction may go out as it is, by the scan that chose its
    /// parameters: it need not be looked at again.
    pub(crate) fn send_verbatim(&mut self, verbatim: Verbatim) {
        let fits = !verbatim.is_eight_bit || self.declared.eight_bit;
        if self.here == Phase::Content && self.output.promised() == 0 && fits {
            self.output.begin_verbatim(verbatim.is_whole);
        }
    }

    /// Whether commands may be sent in groups.
    #[inline]
    pub(crate) fn is_pipelining(&self) -> bool {
        self.capabilities.is_pipelining()
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use super::*;
    use crate::protocol::{SessionConfig, Step};
    use crate::wire::{Command, ContentFault, Scan, Verb};

    fn hear(session: &mut Session, octets: &str) {
        session.receive(octets.as_bytes());
        while let Ok(Step::Event(_)) = session.poll() {}
    }

    fn send(session: &mut Session, line: &str) {
        session.send(&Command::parse(line.as_bytes()).unwrap()).unwrap();
    }

    /// Writes so many octets at most.
    fn write(session: &mut Session, content: &[u8], most: usize) -> Result<Vec<u8>, ContentFault> {
        let mut slices = [IoSlice::new(b""); 8];
        let used = session.gather(content, &mut slices)?;
        let mut octets: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.to_vec()).collect();
        octets.truncate(most);
        session.wrote(octets.len());
        Ok(octets)
    }

    /// A session that has said these lines, of which each was answered so, behind an EHLO that was
    /// answered with this offer.
    fn behind(offer: &str, said: &[(&str, &str)]) -> Session {
        let mut session = Session::new(SessionConfig::default());
        hear(&mut session, "220 mx\r\n");
        let offer = format!("250-mx\r\n250 {offer}\r\n");
        for (line, reply) in [("EHLO c.example", offer.as_str())].iter().chain(said) {
            send(&mut session, line);
            write(&mut session, b"", usize::MAX).unwrap();
            hear(&mut session, reply);
        }
        session
    }

    const MAIL: (&str, &str) = ("MAIL FROM:<>", "250 ok\r\n");
    const RCPT: (&str, &str) = ("RCPT TO:<b@example.org>", "250 ok\r\n");
    const DATA: (&str, &str) = ("DATA", "354 go\r\n");

    #[test]
    fn a_mail_is_half_sent_from_the_go_ahead_to_its_last_octet() {
        let mut session = behind("HELP", &[MAIL, RCPT]);
        assert!(!session.is_half_sent());
        send(&mut session, "DATA");
        write(&mut session, b"", usize::MAX).unwrap();
        assert!(!session.is_half_sent());
        hear(&mut session, "354 go\r\n");
        assert!(session.is_half_sent());
        session.finish().unwrap();
        write(&mut session, b"", 2).unwrap();
        assert!(session.is_half_sent());
        write(&mut session, b"", 1).unwrap();
        assert!(!session.is_half_sent());

        let mut session = behind("CHUNKING", &[MAIL, RCPT]);
        send(&mut session, "BDAT 2");
        assert!(session.is_half_sent());
        write(&mut session, b"", usize::MAX).unwrap();
        write(&mut session, b"xy", 1).unwrap();
        assert!(session.is_half_sent());
        write(&mut session, b"xy", 1).unwrap();
        assert!(!session.is_half_sent());
    }

    /// RFC 2920 §3.1: nobody is to have what it ends.
    #[test]
    fn c_097_behind_a_go_ahead_without_recipients_no_mail_is_half_sent() {
        let mut session = behind("PIPELINING", &[MAIL]);
        send(&mut session, RCPT.0);
        send(&mut session, "DATA");
        write(&mut session, b"", usize::MAX).unwrap();
        hear(&mut session, "550 no\r\n354 go\r\n");
        assert_eq!(session.phase(), Phase::EndOfData);
        assert!(!session.is_half_sent());
        assert_eq!(write(&mut session, b"", usize::MAX).unwrap(), b".\r\n");
        assert!(!session.is_half_sent());
    }

    /// What was lent is another content than that of the scan: that shows what is looked at.
    #[test]
    fn a_scan_spares_the_look_at_the_content_of_the_open_transaction_alone() {
        let verbatim = |content| Scan::of(content).verbatim().unwrap();
        let (clean, eight_bit) = (verbatim(b"a\r\n"), verbatim(b"\xe9\r\n"));
        let mut session = behind("8BITMIME", &[MAIL, RCPT, DATA]);
        session.send_verbatim(clean);
        session.content(4).unwrap();
        assert_eq!(write(&mut session, b".b\r\n", 9).unwrap(), b".b\r\n");

        // Not where some of it is on its way,
        let mut session = behind("8BITMIME", &[MAIL, RCPT, DATA]);
        session.content(4).unwrap();
        session.send_verbatim(clean);
        assert_eq!(write(&mut session, b".b\r\n", 9).unwrap(), b"..b\r\n");
        // nor where its end is,
        session.finish().unwrap();
        session.send_verbatim(verbatim(b"a"));
        assert_eq!(write(&mut session, b"", 9).unwrap(), b".\r\n");
        // nor where MAIL has declared something else.
        let mut session = behind("8BITMIME", &[MAIL, RCPT, DATA]);
        session.send_verbatim(eight_bit);
        session.content(3).unwrap();
        let fault = write(&mut session, b"\xe9\r\n", 9).unwrap_err();
        assert_eq!(fault, ContentFault::EightBit { offset: 0 });

        let mail = ("MAIL FROM:<> BODY=8BITMIME", "250 ok\r\n");
        let mut session = behind("8BITMIME", &[mail, RCPT, DATA]);
        session.send_verbatim(eight_bit);
        session.content(4).unwrap();
        assert_eq!(write(&mut session, b".\xe9\r\n", 9).unwrap(), b".\xe9\r\n");
    }

    #[test]
    fn behind_a_security_layer_nothing_is_known_of_the_server() {
        let mut session = behind("LIMITS MAILMAX=1", &[MAIL, ("RSET", "250 ok\r\n")]);
        assert!(session.allows(Verb::Mail).is_err());
        session.start_over();
        assert_eq!(session.phase(), Phase::Hello);
        assert_eq!(session.capabilities().keywords().count(), 0);
        send(&mut session, "EHLO c.example");
        write(&mut session, b"", usize::MAX).unwrap();
        hear(&mut session, "250-mx\r\n250 LIMITS MAILMAX=1\r\n");
        assert_eq!(session.allows(Verb::Mail), Ok(()));
        session.close();
        session.start_over();
        assert_eq!(session.phase(), Phase::Closed);
    }

    #[test]
    fn the_end_of_what_is_read_is_known_before_the_session_is_over() {
        let mut session = behind("HELP", &[]);
        assert!(!session.is_input_ended());
        session.end_of_input();
        assert!(session.is_input_ended());
        assert_eq!(session.phase(), Phase::Ready);
    }
}
