//! The state machine: commands go in and octets come out, octets go in and events come out. It
//! has no socket and no clock. The order it enforces stands in `rules` alone.

mod answer;
mod check;
mod limits;
mod octets;
mod state;
mod stream;

use std::sync::Arc;

use bytes::BytesMut;

pub(crate) use self::check::Declared;
use self::check::{act_of, carried, declared, is_secret, masked};
use self::limits::Quota;
use super::config::{Protection, Protocol, SessionConfig};
use super::event::{Step, Ticket};
use super::fault::{Misuse, Violation};
use super::flight::{Chunk, Flight};
use super::output::Output;
use super::rules::{Act, Phase};
use super::{Stage, Transcript};
use crate::extension::Capabilities;
use crate::wire::{
    Command, ForwardPath, Param, Reply, ReplyBuffer, ReplyKind, ReplyRef, Secret, Sink, Verb,
    base64_len, leak,
};

/// A conversation with a server, over bytes.
///
/// A driver polls it and does what the [`Step`] says; the rest of a program sends commands and
/// reads events. Commands are checked against where the session will be when everything in flight
/// has succeeded, so that a group of them can be sent in one write where the server offers
/// PIPELINING. A command that is refused with [`Misuse`] has changed nothing.
///
/// ```
/// use ehlo::{Command, Event, Session, SessionConfig, Stage, Step};
///
/// let mut session = Session::new(SessionConfig::default());
/// assert_eq!(session.poll()?, Step::Read(Stage::Greeting));
/// session.receive(b"220 mx.example.org ESMTP\r\n");
/// assert_eq!(session.poll()?, Step::Event(Event::Greeting));
///
/// let ehlo = session.send(&Command::ehlo("client.example.org")?)?;
/// let Step::Write(_) = session.poll()? else { unreachable!() };
/// let mut slices = [std::io::IoSlice::new(b"")];
/// let used = session.gather(b"", &mut slices)?;
/// assert_eq!(&*slices[0], b"EHLO client.example.org\r\n");
/// # assert_eq!(used, 1);
/// session.wrote(25);
///
/// session.receive(b"250 mx.example.org\r\n");
/// assert_eq!(session.poll()?, Step::Event(Event::Reply(ehlo)));
/// assert_eq!(session.reply().map(|reply| reply.to_string()), Some("250 mx.example.org".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Session {
    config: Arc<SessionConfig>,
    input: ReplyBuffer,
    /// Octets of whole replies taken from the input so far.
    taken: u64,
    /// The peer will send nothing more.
    input_ended: bool,
    /// A stream that was written to may hold octets back.
    unflushed: bool,
    output: Output,
    flight: Flight,
    here: Phase,
    /// The stage of what was answered last.
    answered_stage: Stage,
    next_ticket: Ticket,
    capabilities: Capabilities,
    protection: Protection,
    authenticated: bool,
    /// That AUTH has succeeded is for an exchange to say: the server, too, has something to prove.
    unproved: bool,
    /// What the server takes of mails and recipients.
    quota: Quota,
    /// What the last MAIL that was sent declares.
    declared: Declared,
    /// Recipients of the open transaction.
    accepted: u32,
    /// Over LMTP: a recipient of the last chunk was refused.
    last_chunk_refused: bool,
    transcript: Option<Box<Transcript>>,
    /// What AUTH or a response has said, until it is answered: some servers quote what they do not
    /// know. In a box: it is there for a moment alone.
    said: Option<Box<Secret>>,
    /// What stands for the reply that is lent where that is not to be shown as it is.
    masked: Option<Box<Reply>>,
    /// In the crate's own tests.
    _watch: leak::Watch,
}

impl Session {
    /// A session that waits for the greeting.
    #[must_use]
    pub fn new(config: SessionConfig) -> Self {
        Self::sharing(Arc::new(config))
    }

    /// The same, with what is told to others, too.
    pub(crate) fn sharing(config: Arc<SessionConfig>) -> Self {
        Self {
            input: ReplyBuffer::new(config.limits, config.strictness),
            taken: 0,
            input_ended: false,
            unflushed: false,
            output: Output::default(),
            flight: Flight::new(),
            here: Phase::Greeting,
            answered_stage: Stage::Greeting,
            next_ticket: Ticket::GREETING.plus(1),
            capabilities: Capabilities::default(),
            protection: Protection::None,
            authenticated: false,
            unproved: false,
            quota: Quota::default(),
            declared: Declared::default(),
            accepted: 0,
            last_chunk_refused: false,
            transcript: (config.transcript > 0)
                .then(|| Box::new(Transcript::new(config.transcript))),
            said: None,
            masked: None,
            _watch: leak::Watch,
            config,
        }
    }

    /// What has to happen next. The reply of the event before is given back.
    ///
    /// # Errors
    /// The server broke the protocol: the session is over, and from now on polls say
    /// [`Step::Closed`].
    pub fn poll(&mut self) -> Result<Step, Violation> {
        loop {
            self.give_back();
            match self.here {
                Phase::Closed => return Ok(Step::Closed),
                Phase::Handshake => match self.input.pending() {
                    b"" if self.input_ended => break,
                    b"" => return Ok(Step::StartTls),
                    behind => {
                        let violation = Violation::BehindStartTls(behind.into());
                        return Err(self.break_off(violation));
                    }
                },
                _ => {}
            }
            if let Some(said) = &self.said {
                self.input.mask_quoted(said.expose(), self.input_ended);
            }
            match self.input.next(self.kind()) {
                Ok(false) => break,
                Ok(true) => match self.take_reply() {
                    Ok(Some(event)) => return Ok(Step::Event(event)),
                    Ok(None) => {}
                    Err(violation) => return Err(self.break_off(violation)),
                },
                Err(fault) => return Err(self.break_off(fault.into())),
            }
        }
        if self.input_ended {
            self.record_cut_content();
            if let Some(transcript) = &mut self.transcript {
                transcript.server(self.input.pending());
                transcript.between("close");
            }
            self.close();
            return Ok(Step::Closed);
        }
        let stage = self.stage();
        if self.output.is_pending() || self.unflushed {
            return Ok(Step::Write(stage));
        }
        Ok(if self.flight.is_empty() { Step::Idle } else { Step::Read(stage) })
    }

    /// The reply of the event that the last poll returned.
    #[must_use]
    #[inline]
    pub fn reply(&self) -> Option<ReplyRef<'_>> {
        self.input.reply()
    }

    /// The line that the last event answers, without its CRLF and with secrets masked; empty for
    /// the greeting, the end of the content, and over LMTP all but the first reply to the last chunk.
    #[must_use]
    pub fn answered(&self) -> &[u8] {
        let line = self.flight.answered();
        line.strip_suffix(b"\r\n").unwrap_or(line)
    }

    /// Sends a command: it is checked, written into the output, and awaited.
    ///
    /// # Errors
    /// The command is not lawful where the session will be when everything in flight has
    /// succeeded, needs what the server does not offer, or does not fit. Nothing has changed.
    pub fn send(&mut self, command: &Command<'_>) -> Result<Ticket, Misuse> {
        let verb = command.verb();
        let allowed = self.allows(verb).and_then(|()| self.check(command));
        allowed.inspect_err(leak::search_shown)?;
        Ok(match command {
            Command::Bdat { size, last } => self.send_chunk(command, *size, *last),
            secret if is_secret(secret) => self.send_secret(secret),
            command => {
                match verb {
                    Verb::Mail => self.declared = declared(command),
                    // What the server fetches is not seen here: octets behind it are looked at anew.
                    Verb::Burl => self.output.begin_chunks(),
                    _ => {}
                }
                self.put(verb, act_of(verb, command), command)
            }
        })
    }

    /// Sends MAIL of a dispatch, for which there is room: no server has a part of the mail. What it
    /// declares is known where its parameters and its line were seen to be taken.
    ///
    /// # Errors
    /// As of [`send`](Self::send), but for the room. Nothing has changed.
    #[inline(always)]
    pub(super) fn send_mail(
        &mut self,
        mail: &Command<'_>,
        known: Option<Declared>,
    ) -> Result<Ticket, Misuse> {
        let ticket = self.send_in_room(mail, known.is_some())?;
        self.declared = known.unwrap_or_else(|| declared(mail));
        Ok(ticket)
    }

    /// Sends a command of a dispatch, for which there is room. Where it was seen that the server
    /// takes its parameters and its line, these are not looked at again.
    ///
    /// # Errors
    /// As of [`send`](Self::send), but for the room. Nothing has changed.
    #[inline(always)]
    pub(super) fn send_in_room(
        &mut self,
        command: &Command<'_>,
        is_checked: bool,
    ) -> Result<Ticket, Misuse> {
        let verb = command.verb();
        self.is_in_order(verb)?;
        self.is_open_to(verb)?;
        self.check_unless(is_checked, command)?;
        Ok(self.put(verb, Act::Command(verb), command))
    }

    /// Sends RCPT to one recipient after the other as long as there is room, as there is for the
    /// first, and hands each to `sent` with its ticket. Where one is lawful, so is the next: the
    /// order is asked once.
    ///
    /// # Errors
    /// RCPT is not lawful, or one of them cannot be sent. Those before it have been.
    #[inline(always)]
    pub(super) fn send_rcpts<'a>(
        &mut self,
        recipients: impl Iterator<Item = (&'a ForwardPath, &'a [Param])>,
        are_checked: bool,
        mut sent: impl FnMut(&'a ForwardPath, Ticket),
    ) -> Result<(), Misuse> {
        self.is_in_order(Verb::Rcpt)?;
        let pipelining = self.is_pipelining();
        for (recipient, params) in recipients {
            Command::refuse_repeated(params)?;
            self.is_open_to(Verb::Rcpt)?;
            let command = Command::rcpt_lent(recipient, params);
            self.check_unless(are_checked, &command)?;
            sent(recipient, self.put(Verb::Rcpt, Act::Command(Verb::Rcpt), &command));
            if !pipelining || self.flight.is_full() {
                break;
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn check_unless(&self, is_checked: bool, command: &Command<'_>) -> Result<(), Misuse> {
        if is_checked { self.quota.check(command) } else { self.check(command) }
    }

    /// A command without a secret is written into the output, and awaited.
    #[inline(always)]
    fn put(&mut self, verb: Verb, act: Act, command: &Command<'_>) -> Ticket {
        let ticket = self.draw(1);
        let (line, end) = self.output.own(|own| command.encode(own));
        self.flight.push(ticket, act, line, end);
        self.quota.sent(verb, command);
        ticket
    }

    /// The same for one with a secret.
    fn send_secret(&mut self, command: &Command<'_>) -> Ticket {
        let ticket = self.draw(1);
        let (line, end) = self.output.secret(|own| command.encode(own));
        leak::keep_line(line);
        self.said = carried(line).map(Box::new);
        leak::search_shown(command);
        let verb = command.verb();
        self.flight.push(ticket, Act::Command(verb), &masked(command), end);
        if verb == Verb::Auth {
            self.unproved = false;
        }
        ticket
    }

    /// The chunk belongs to its command: its octets are promised, and the reply comes after both.
    fn send_chunk(&mut self, command: &Command<'_>, octets: u64, last: bool) -> Ticket {
        let act = if last { Act::LastChunk } else { Act::Command(Verb::Bdat) };
        let is_first = self.ahead() != Phase::Chunks;
        let replies = match self.config.protocol {
            Protocol::Lmtp if last => self.accepted.into(),
            _ => 1,
        };
        let ticket = self.draw(replies);
        let (line, end) = self.output.own(|own| command.encode(own));
        let chunk = Chunk { act, line, octets };
        self.flight.push_chunk(&chunk, (0..replies).map(|n| ticket.plus(n)), end);
        let octets = usize::try_from(octets).unwrap_or(usize::MAX);
        self.output.begin_chunk(octets, last, is_first, self.declared.text());
        self.last_chunk_refused = false;
        ticket
    }

    /// Answers a challenge; the octets are base64-encoded here and wiped once written.
    ///
    /// # Errors
    /// The server does not wait for a response.
    pub fn respond(&mut self, response: &[u8]) -> Result<Ticket, Misuse> {
        self.respond_with(Act::Response, |own| put_response(own, response), b"<secret>\r\n")
    }

    /// Gives up an AUTH dialogue with `*`; the server answers with a refusal (RFC 4954 §4), and
    /// anything else is a violation: a 334 would go on for ever, a 235 is not believed.
    ///
    /// # Errors
    /// The server does not wait for a response.
    pub fn cancel_auth(&mut self) -> Result<Ticket, Misuse> {
        let line = |own: &mut BytesMut| own.extend_from_slice(b"*\r\n");
        self.respond_with(Act::Cancel, line, b"*\r\n")
    }

    fn respond_with(
        &mut self,
        act: Act,
        line: impl FnOnce(&mut BytesMut),
        shown: &[u8],
    ) -> Result<Ticket, Misuse> {
        if self.here != Phase::Auth || !self.flight.is_empty() {
            return Err(self.not_awaited("a response", "after a 334"));
        }
        let ticket = self.draw(1);
        let (line, end) = self.output.secret(line);
        leak::keep_line(line);
        let said = (act == Act::Response).then(|| Secret::from(line.trim_ascii_end()));
        self.said = said.map(Box::new);
        self.flight.push(ticket, act, shown, end);
        leak::search_debug(self);
        Ok(ticket)
    }

    /// Promises so many octets of content after those promised before. They are to be lent to
    /// [`gather`](Self::gather) until [`wrote`](Self::wrote) has consumed them.
    ///
    /// # Errors
    /// The server has not said go ahead.
    pub const fn content(&mut self, octets: usize) -> Result<(), Misuse> {
        if !matches!(self.here, Phase::Content) {
            return Err(self.not_awaited("content", "after the go-ahead to DATA"));
        }
        self.output.promise(octets);
        Ok(())
    }

    /// Ends the content after what was promised. Over LMTP the ticket is that of the first
    /// accepted recipient's reply; the others follow it in order.
    ///
    /// # Errors
    /// The server has not said go ahead, or the content has been ended before.
    pub fn finish(&mut self) -> Result<Ticket, Misuse> {
        if self.here != Phase::Content {
            return Err(self.not_awaited("the end of the content", "after the go-ahead to DATA"));
        }
        let replies = match self.config.protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => self.accepted.into(),
        };
        let first = self.draw(replies);
        for n in 0..replies {
            self.flight.push_end(first.plus(n), false);
        }
        self.here = Phase::EndOfData;
        self.output.end();
        Ok(first)
    }

    /// The handshake is done, after [`Step::StartTls`] or before anything was received.
    ///
    /// All that the server said in clear is forgotten (RFC 3207 §4.2). At any other time nothing is
    /// believed and nothing changes; octets in clear after the 220 are a violation at the next
    /// poll.
    pub fn tls_started(&mut self, protection: Protection) {
        self.give_back();
        let is_time = matches!(self.here, Phase::Greeting | Phase::Handshake);
        if !is_time || !self.input.pending().is_empty() {
            return;
        }
        self.protection = protection;
        if let Some(transcript) = &mut self.transcript {
            transcript.between("TLS");
        }
        if self.here == Phase::Handshake {
            self.input = ReplyBuffer::new(self.config.limits, self.config.strictness);
            self.forget_offer();
            self.authenticated = false;
            self.go(Phase::Hello);
        }
    }

    /// Ends the session on this side; what is not written is forgotten.
    pub fn close(&mut self) {
        self.said = None;
        self.here = Phase::Closed;
        self.output.clear();
        self.flight.clear();
    }

    const fn not_awaited(&self, what: &'static str, when: &'static str) -> Misuse {
        match self.here {
            Phase::Closed => Misuse::Closed,
            phase => Misuse::NotAwaited { what, when, phase },
        }
    }

    /// What is drawn next.
    pub(super) const fn next_ticket(&self) -> Ticket {
        self.next_ticket
    }

    #[inline]
    fn draw(&mut self, tickets: u64) -> Ticket {
        let next = self.next_ticket.plus(tickets);
        std::mem::replace(&mut self.next_ticket, next)
    }

    /// What kind of reply is due.
    #[inline]
    fn kind(&self) -> ReplyKind {
        self.flight.front().map_or(ReplyKind::Other, |front| front.rule.kind)
    }

    #[inline]
    fn stage(&self) -> Stage {
        match self.flight.front() {
            _ if self.here == Phase::Content => Stage::Content,
            Some(front) if front.is_content() && !front.is_written() => Stage::Content,
            Some(awaited) => awaited.rule.stage,
            None => Stage::Query,
        }
    }

    #[inline]
    fn give_back(&mut self) {
        self.input.consume();
        self.masked = None;
    }

    /// The content ends before its end: takes note of what was sent of it.
    fn record_cut_content(&mut self) {
        let Some(transcript) = &mut self.transcript else { return };
        match self.flight.begun_chunk(self.output.written()) {
            Some(line) => transcript.client(line),
            None if self.here == Phase::Content => {}
            None if self
                .flight
                .front()
                .is_some_and(|front| front.act == Act::EndOfData && !front.is_written()) => {}
            None => return,
        }
        transcript.content(self.output.content_written());
    }

    /// Whether a reply that answers nothing comes before the end of the content that is being
    /// sent.
    fn is_in_content(&self) -> bool {
        self.here == Phase::Content
            || self.flight.front().is_some_and(|front| front.is_content() && !front.is_written())
    }

    fn break_off(&mut self, violation: Violation) -> Violation {
        if self.reply().is_none() {
            self.record_cut_content();
            if let Some(transcript) = &mut self.transcript {
                transcript.server(self.input.pending());
            }
            if !self.flight.is_empty() {
                self.answered_stage = self.stage();
            }
        }
        self.close();
        violation
    }
}

/// A buffer that grows leaves what it held behind: it grows before the secret comes.
fn put_response(out: &mut BytesMut, response: &[u8]) {
    out.with_room(|| base64_len(response) + 2).put_base64(response).put(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t11_the_buffer_does_not_grow_while_it_takes_a_response() {
        for octets in [0, 1, 190, 9000] {
            let mut out = BytesMut::new();
            put_response(&mut out, &vec![0xff; octets]);
            // A buffer of less than eight octets is not made.
            assert_eq!(out.capacity(), out.len().max(8), "{octets}");
        }
    }
}
