//! The state machine: commands go in and octets come out, octets go in and events come out. It
//! has no socket and no clock. The order it enforces stands in `rules` alone.

use std::io::IoSlice;

use bytes::BytesMut;

use super::fault::{Misuse, Violation};
use super::flight::Flight;
use super::output::Output;
use super::rules::{Act, Expects, Phase, rule};
use super::{Stage, Transcript};
use crate::extension::{self, BodyType, Capabilities, Extension, SmtpUtf8};
use crate::wire::{
    Command, ContentFault, Limits, LineEndings, ReplyBuffer, ReplyKind, ReplyRef, Scan, Severity,
    Sink, Strictness, Verb,
};

/// SMTP, or LMTP: the same conversation, with LHLO and one final reply per recipient (RFC 2033).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Protocol {
    /// SMTP (RFC 5321).
    #[default]
    Smtp,
    /// LMTP (RFC 2033).
    Lmtp,
}

/// How far the channel can be trusted with a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Protection {
    /// In clear.
    #[default]
    None,
    /// TLS to a server whose certificate was not verified.
    Unverified,
    /// TLS to a server whose certificate was verified for its name.
    Verified,
}

/// What a session is told before it begins.
///
/// ```
/// use ehlo::{Protocol, Session, SessionConfig};
///
/// let session = Session::new(SessionConfig::default().protocol(Protocol::Lmtp).transcript(65_536));
/// ```
#[derive(Debug, Clone, Default)]
pub struct SessionConfig {
    protocol: Protocol,
    strictness: Strictness,
    limits: Limits,
    line_endings: LineEndings,
    transcript: usize,
    require_tls: bool,
    allow_cleartext: bool,
}

impl SessionConfig {
    /// SMTP (default) or LMTP.
    #[must_use]
    pub const fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// How much of what real servers do wrong is accepted; [`Strictness::Tolerant`] by default.
    #[must_use]
    pub const fn strictness(mut self, strictness: Strictness) -> Self {
        self.strictness = strictness;
        self
    }

    /// Bounds for what a server may send.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What is done with line ends that are not CRLF; [`LineEndings::Normalize`] by default.
    /// [`LineEndings::Raw`] is for BDAT alone and is read as [`LineEndings::Reject`] over DATA.
    #[must_use]
    pub const fn line_endings(mut self, line_endings: LineEndings) -> Self {
        self.line_endings = line_endings;
        self
    }

    /// Keeps a transcript of at most so many octets; 0 (default) keeps none.
    #[must_use]
    pub const fn transcript(mut self, octets: usize) -> Self {
        self.transcript = octets;
        self
    }

    /// Refuses MAIL and AUTH in clear.
    #[must_use]
    pub const fn require_tls(mut self) -> Self {
        self.require_tls = true;
        self
    }

    /// Lets AUTH send a secret in clear or to a server whose certificate was not verified.
    #[must_use]
    pub const fn allow_cleartext(mut self) -> Self {
        self.allow_cleartext = true;
        self
    }
}

/// Names one command; the event that answers it carries the same ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

impl Ticket {
    pub(super) const GREETING: Self = Self(0);

    /// The ticket so many behind this one: over LMTP, [`Session::finish`] draws one for each
    /// accepted recipient, in order.
    #[must_use]
    pub const fn plus(self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }

    /// How many tickets behind that one this is.
    pub(super) fn since(self, first: Self) -> Option<usize> {
        self.0
            .checked_sub(first.0)
            .and_then(|n| usize::try_from(n).ok())
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
    config: SessionConfig,
    input: ReplyBuffer,
    /// Octets of whole replies taken from the input so far.
    taken: u64,
    /// A reply is lent until the next poll.
    lent: bool,
    /// The peer will send nothing more.
    input_ended: bool,
    output: Output,
    flight: Flight,
    here: Phase,
    /// The line that the last event answers.
    answered: Vec<u8>,
    next_ticket: u64,
    capabilities: Capabilities,
    protection: Protection,
    authenticated: bool,
    /// What the last MAIL that was sent declares.
    declared: Declared,
    /// Recipients of the open transaction.
    accepted: u64,
    /// The last octet of the last content's terminator has been written.
    content_written: bool,
    transcript: Option<Transcript>,
}

/// What MAIL declares about what follows it.
#[derive(Debug, Clone, Copy, Default)]
struct Declared {
    utf8: bool,
    eight_bit: bool,
    binary: bool,
}

impl Session {
    /// A session that waits for the greeting.
    #[must_use]
    pub fn new(config: SessionConfig) -> Self {
        Self {
            input: ReplyBuffer::new(config.limits, config.strictness),
            taken: 0,
            lent: false,
            input_ended: false,
            output: Output::default(),
            flight: Flight::new(),
            here: Phase::Greeting,
            answered: Vec::new(),
            next_ticket: 1,
            capabilities: Capabilities::default(),
            protection: Protection::None,
            authenticated: false,
            declared: Declared::default(),
            accepted: 0,
            content_written: false,
            transcript: (config.transcript > 0).then(|| Transcript::new(config.transcript)),
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
            match self.input.next(self.kind()) {
                Ok(false) => break,
                Ok(true) => {
                    self.lent = true;
                    match self.take_reply() {
                        Ok(Some(event)) => return Ok(Step::Event(event)),
                        Ok(None) => {}
                        Err(violation) => return Err(self.break_off(violation)),
                    }
                }
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
        if self.output.is_pending() {
            return Ok(Step::Write(stage));
        }
        Ok(if self.flight.is_empty() {
            Step::Idle
        } else {
            Step::Read(stage)
        })
    }

    /// The reply of the event that the last poll returned.
    #[must_use]
    pub fn reply(&self) -> Option<ReplyRef<'_>> {
        self.input.reply().filter(|_| self.lent)
    }

    /// The line that the last event answers, without its CRLF and with secrets masked; empty for
    /// the greeting and the end of the content.
    #[must_use]
    pub fn answered(&self) -> &[u8] {
        self.answered
            .strip_suffix(b"\r\n")
            .unwrap_or(&self.answered)
    }

    /// Sends a command: it is checked, written into the output, and awaited.
    ///
    /// # Errors
    /// The command is not lawful where the session will be when everything in flight has
    /// succeeded, needs what the server does not offer, or does not fit. Nothing has changed.
    pub fn send(&mut self, command: &Command<'_>) -> Result<Ticket, Misuse> {
        let verb = command.verb();
        self.allows(verb)?;
        self.check(command)?;
        let ticket = self.draw(1);
        let secret = is_secret(command);
        let (line, end) = if secret {
            self.output.secret(|own| command.encode(own))
        } else {
            self.output.own(|own| command.encode(own))
        };
        match command {
            Command::Bdat { size, last } => {
                let act = if *last {
                    Act::LastChunk
                } else {
                    Act::Command(verb)
                };
                // The chunk belongs to its command: the reply comes behind both.
                self.flight
                    .push(ticket, act, line, end.saturating_add(*size));
                self.output
                    .begin_chunk(usize::try_from(*size).unwrap_or(usize::MAX));
            }
            _ if secret => self
                .flight
                .push(ticket, Act::Command(verb), &masked(command), end),
            _ => self.flight.push(ticket, Act::Command(verb), line, end),
        }
        if verb == Verb::Mail {
            self.declared = declared(command);
        }
        Ok(ticket)
    }

    /// Answers a challenge; the octets are base64-encoded here and wiped once written.
    ///
    /// # Errors
    /// The server does not wait for a response.
    pub fn respond(&mut self, response: &[u8]) -> Result<Ticket, Misuse> {
        let line = |own: &mut BytesMut| {
            // A buffer that grows leaves what it held behind: it grows before the secret comes.
            own.reserve(response.len().div_ceil(3) * 4 + 2);
            own.put_base64(response);
        };
        self.respond_with(Act::Response, line, b"<secret>\r\n")
    }

    /// Gives up an AUTH dialogue with `*`; the server answers with a refusal (RFC 4954 §4), and
    /// anything else is a violation: a 334 would go on for ever, a 235 is not believed.
    ///
    /// # Errors
    /// The server does not wait for a response.
    pub fn cancel_auth(&mut self) -> Result<Ticket, Misuse> {
        let line = |own: &mut BytesMut| own.extend_from_slice(b"*");
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
        let (_, end) = self.output.secret(|own| {
            line(own);
            own.extend_from_slice(b"\r\n");
        });
        self.flight.push(ticket, act, shown, end);
        Ok(ticket)
    }

    /// Promises so many octets of content behind those promised before. They are to be lent to
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

    /// Ends the content behind what was promised. Over LMTP the ticket is that of the first
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
            Protocol::Lmtp => self.accepted,
        };
        let first = self.draw(replies);
        for n in 0..replies {
            self.flight.push_end(first.plus(n), false);
        }
        self.here = Phase::EndOfData;
        self.output.end();
        Ok(first)
    }

    /// Lays out what is to be written next as slices for one vectored write, and says how many
    /// are used. `content` is what was promised and has not been consumed, from its first octet.
    ///
    /// # Errors
    /// The content has an octet that cannot be sent. The session is over, and the mail was not
    /// sent: there is no other way out of DATA.
    pub fn gather<'a>(
        &'a mut self,
        content: &'a [u8],
        slices: &mut [IoSlice<'a>],
    ) -> Result<usize, ContentFault> {
        match self.output.plan(content, slices.len()) {
            Ok(Some(end)) => self.flight.end_laid_out(end),
            Ok(None) => {}
            Err(fault) => {
                self.close();
                return Err(fault);
            }
        }
        Ok(self.output.slices(content, slices))
    }

    /// Takes note that so many octets of what was gathered have been written; says how many of
    /// the caller's content are done with.
    pub fn wrote(&mut self, octets: usize) -> usize {
        let consumed = self.output.wrote(octets);
        // A reply that is lent counts once: it is taken, and not consumed yet.
        let lent = self.reply().map_or(0, |reply| reply.octets().len());
        let received = self.taken + (self.input.pending().len() - lent) as u64;
        let (transcript, content) = (&mut self.transcript, self.output.content_octets());
        let mut ended = false;
        self.flight
            .note_written(self.output.written(), received, |line| {
                let Some(transcript) = transcript else { return };
                // The end of the content has no line of its own, and over LMTP several replies.
                if !line.is_empty() {
                    transcript.client(line);
                } else if !std::mem::replace(&mut ended, true) {
                    transcript.content(content);
                    transcript.client(b".");
                }
            });
        let end = self
            .flight
            .front()
            .filter(|front| front.act == Act::EndOfData);
        self.content_written |= end.is_some_and(|end| end.is_written() && !end.orphan);
        consumed
    }

    /// The read buffer: read into its spare capacity. What was read is looked at by the next
    /// poll.
    pub fn space(&mut self) -> &mut BytesMut {
        self.input.space()
    }

    /// The same by copy.
    pub fn receive(&mut self, octets: &[u8]) {
        // Nobody will look at what comes behind the end.
        if self.here != Phase::Closed {
            self.input.extend(octets);
        }
    }

    /// The peer has closed its side. Whole replies that are buffered still surface.
    pub const fn end_of_input(&mut self) {
        self.input_ended = true;
    }

    /// The handshake is done, after [`Step::StartTls`] or before anything was received. All that
    /// the server said in clear is forgotten (RFC 3207 §4.2). At any other time nothing is
    /// believed and nothing changes; octets in clear behind the 220 are a violation at the next
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
            self.lent = false;
            self.capabilities = Capabilities::default();
            self.authenticated = false;
            self.go(Phase::Hello);
        }
    }

    /// Ends the session on this side; what is not written is forgotten.
    pub fn close(&mut self) {
        self.here = Phase::Closed;
        self.output.clear();
        self.flight.clear();
    }

    /// Whether a verb may be sent now.
    ///
    /// # Errors
    /// Why it may not.
    pub fn allows(&self, verb: Verb) -> Result<(), Misuse> {
        let rule = rule(Act::Command(verb));
        let ahead = self.ahead();
        if self.here == Phase::Closed {
            return Err(Misuse::Closed);
        }
        if self.here == Phase::Greeting {
            return Err(Misuse::OutOfOrder {
                verb,
                when: rule.when,
                phase: self.here,
            });
        }
        if (verb == Verb::Lhlo) != (self.config.protocol == Protocol::Lmtp)
            && matches!(verb, Verb::Ehlo | Verb::Helo | Verb::Lhlo)
        {
            return Err(Misuse::WrongProtocol(verb));
        }
        if !rule.from.contains(ahead) {
            return Err(Misuse::OutOfOrder {
                verb,
                when: rule.when,
                phase: ahead,
            });
        }
        if self.output.is_content_open() {
            return Err(Misuse::ContentPending(self.output.promised()));
        }
        if !self.flight.has_room(self.is_pipelining()) {
            return Err(Misuse::NoRoom(verb, self.flight.len()));
        }
        match verb {
            Verb::StartTls if self.protection != Protection::None => Err(Misuse::Again(verb)),
            Verb::Auth if self.authenticated => Err(Misuse::Again(verb)),
            Verb::Auth | Verb::Mail
                if self.config.require_tls && self.protection == Protection::None =>
            {
                Err(Misuse::TlsRequired(verb))
            }
            Verb::Data if self.declared.binary => Err(Misuse::BinaryOverData),
            // A refused chunk is run as commands by some servers: none goes out before a
            // recipient is known to be accepted.
            Verb::Bdat
                if !rule.from.contains(self.here)
                    || self.flight.holds(Act::Command(Verb::Mail)) =>
            {
                Err(Misuse::NoRoom(verb, self.flight.len()))
            }
            _ => match rule.keyword {
                Some(keyword) if !self.capabilities.has(keyword) => Err(Misuse::Unsupported {
                    keyword: keyword.to_owned(),
                    needs: verb.to_string(),
                }),
                _ if verb == Verb::Auth => self.may_expose_secret(),
                _ => Ok(()),
            },
        }
    }

    /// Whether one more command can be sent before a reply is read.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.flight.has_room(self.is_pipelining()) && !self.output.is_content_open()
    }

    /// How many replies are awaited.
    #[must_use]
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
    pub fn ahead(&self) -> Phase {
        if self.flight.is_empty() {
            self.here
        } else {
            self.flight.ahead()
        }
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

    /// Whether AUTH has succeeded.
    #[must_use]
    pub const fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// SMTP or LMTP.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.config.protocol
    }

    /// Octets of content that were promised and are not written.
    #[must_use]
    pub const fn promised(&self) -> usize {
        self.output.promised()
    }

    /// Whether the last octet of the last content's terminator has been written: from then on a
    /// mail without a reply may have been taken.
    #[must_use]
    pub const fn is_content_written(&self) -> bool {
        self.content_written
    }

    /// The transcript, where one is kept.
    #[must_use]
    pub const fn transcript(&self) -> Option<&Transcript> {
        self.transcript.as_ref()
    }

    /// What has come of a reply that is not whole yet: its lines, and the octets of the last.
    #[must_use]
    pub fn unfinished(&self) -> &[u8] {
        if self.lent { b"" } else { self.input.pending() }
    }

    /// What the content of the open transaction is, by the scan that chose its parameters: it
    /// need not be looked at again where nothing has to change.
    pub(crate) fn scanned(&mut self, scan: &Scan) {
        let fits = scan.eight_bit().is_none() || self.declared.eight_bit;
        if self.here == Phase::Content && self.output.promised() == 0 && fits {
            self.output.scanned(scan);
        }
    }

    fn is_pipelining(&self) -> bool {
        self.capabilities.is_pipelining()
    }

    fn may_expose_secret(&self) -> Result<(), Misuse> {
        match self.protection {
            Protection::Verified => Ok(()),
            _ if self.config.allow_cleartext => Ok(()),
            Protection::Unverified => Err(Misuse::SecretExposed("to an unverified server")),
            Protection::None => Err(Misuse::SecretExposed("in clear")),
        }
    }

    /// What is wrong with a command beside its place in the order.
    fn check(&self, command: &Command<'_>) -> Result<(), Misuse> {
        let verb = command.verb();
        for param in command.params() {
            let keyword = extension::needed_by(verb, param);
            if let Some(keyword) = keyword
                .iter()
                .find(|keyword| !self.capabilities.has(keyword))
            {
                return Err(Misuse::Unsupported {
                    keyword: (*keyword).to_owned(),
                    needs: param.to_string(),
                });
            }
        }
        if let Command::Raw(_) = command {
            if verb == Verb::Bdat {
                return Err(self.not_awaited("a raw BDAT", "never: its octets are not counted"));
            }
            return Ok(());
        }
        let utf8 = match verb {
            Verb::Mail => declared(command).utf8,
            Verb::Rcpt => self.declared.utf8,
            _ => self.capabilities.has(SmtpUtf8::KEYWORD),
        };
        if !utf8 && !command.is_ascii() {
            return Err(Misuse::NeedsSmtpUtf8(command_argument(command)));
        }
        let (length, limit) = (command.encoded_len(), self.capabilities.line_limit(verb));
        if length > limit {
            return Err(Misuse::LineTooLong {
                verb,
                length,
                limit,
            });
        }
        Ok(())
    }

    const fn not_awaited(&self, what: &'static str, when: &'static str) -> Misuse {
        match self.here {
            Phase::Closed => Misuse::Closed,
            phase => Misuse::NotAwaited { what, when, phase },
        }
    }

    fn draw(&mut self, tickets: u64) -> Ticket {
        let first = Ticket(self.next_ticket);
        self.next_ticket = self.next_ticket.saturating_add(tickets);
        first
    }

    /// What kind of reply is due: it decides how the reply is read, never what it means.
    fn kind(&self) -> ReplyKind {
        match self.flight.front().map(|awaited| awaited.act) {
            Some(Act::Connect) => ReplyKind::Greeting,
            Some(Act::Command(Verb::Ehlo | Verb::Helo | Verb::Lhlo)) => ReplyKind::Hello,
            _ => ReplyKind::Other,
        }
    }

    fn stage(&self) -> Stage {
        match self.flight.front() {
            _ if self.here == Phase::Content => Stage::Content,
            Some(end) if end.act == Act::EndOfData && !end.is_written() => Stage::Content,
            Some(awaited) => rule(awaited.act).stage,
            None => Stage::Query,
        }
    }

    fn give_back(&mut self) {
        if std::mem::take(&mut self.lent) {
            self.input.consume();
        }
    }

    /// The content ends before its end: takes note of what was sent of it.
    fn record_cut_content(&mut self) {
        let is_open = match self.here {
            Phase::Content => true,
            Phase::EndOfData => self.flight.front().is_some_and(|end| !end.is_written()),
            _ => false,
        };
        if let Some(transcript) = self.transcript.as_mut().filter(|_| is_open) {
            transcript.content(self.output.content_written());
        }
    }

    fn break_off(&mut self, violation: Violation) -> Violation {
        if let Some(transcript) = self.transcript.as_mut().filter(|_| !self.lent) {
            transcript.server(self.input.pending());
        }
        self.close();
        violation
    }

    /// A whole reply is there: finds what it answers and moves the session.
    fn take_reply(&mut self) -> Result<Option<Event>, Violation> {
        self.record_cut_content();
        let Some(reply) = self.input.reply() else {
            return Ok(None);
        };
        if let Some(transcript) = &mut self.transcript {
            transcript.server(reply.octets());
        }
        let start = self.taken;
        self.taken += reply.octets().len() as u64;
        let code = reply.code().number();
        let answers = self
            .flight
            .front()
            .is_some_and(|front| front.is_answered_from(start));
        let Some(awaited) = answers
            .then(|| self.flight.pop(&mut self.answered))
            .flatten()
        else {
            return self.unawaited().map(Some);
        };

        let event = match awaited.act {
            Act::Connect => Event::Greeting,
            // Nobody asked for what it answers.
            _ if awaited.orphan => Event::Closing,
            _ => Event::Reply(awaited.ticket),
        };
        if code == 421 {
            self.close();
            return Ok(Some(event));
        }
        let rule = rule(awaited.act);
        let severity = reply.severity();
        let verdict = match (rule.expects, severity) {
            (Expects::Anything, _) => Verdict::Success,
            (Expects::Greeting | Expects::Tls, Severity::Completed) if code == 220 => {
                Verdict::Success
            }
            (Expects::Greeting, _) => Verdict::Refusal,
            (_, Severity::Transient | Severity::Permanent) => Verdict::Refusal,
            (Expects::Completed | Expects::Challenge, Severity::Completed)
            | (Expects::GoAhead, Severity::Intermediate) => Verdict::Success,
            (Expects::Challenge, Severity::Intermediate) if code == 334 => Verdict::Challenge,
            _ => {
                return Err(Violation::WrongClass {
                    stage: rule.stage,
                    reply: reply.to_reply(),
                });
            }
        };
        let lawful = rule.from.contains(self.here);
        let open = matches!(self.here, Phase::Envelope | Phase::Recipients);
        match verdict {
            Verdict::Challenge => {
                self.go(Phase::Auth);
                return Ok(Some(Event::Challenge(awaited.ticket)));
            }
            Verdict::Refusal => {
                // Behind a refused MAIL everything is refused, and nothing is open.
                if lawful || (open && awaited.act == Act::Command(Verb::Data)) {
                    self.go(rule.refusal.from(self.here));
                } else {
                    self.go(self.here);
                }
            }
            Verdict::Success => {
                let needs_transaction = matches!(
                    awaited.act,
                    Act::Command(Verb::Rcpt | Verb::Data | Verb::Bdat) | Act::LastChunk
                );
                // DATA has an answer to that: the lone dot.
                let has_answer = open && awaited.act == Act::Command(Verb::Data);
                if needs_transaction && !lawful && !has_answer {
                    let (stage, reply) = (rule.stage, reply.to_reply());
                    return Err(Violation::NoTransaction { stage, reply });
                }
                let next = rule.success.from(self.here);
                return self.succeeded(awaited.act, awaited.ticket, awaited.orphan, next);
            }
        }
        if awaited.orphan {
            return Ok(self.lone_dot_answered());
        }
        self.still_awaiting_ends();
        Ok(Some(event))
    }

    /// What a positive reply changes beside the phase.
    fn succeeded(
        &mut self,
        act: Act,
        ticket: Ticket,
        orphan: bool,
        next: Phase,
    ) -> Result<Option<Event>, Violation> {
        self.go(next);
        match act {
            Act::Connect => return Ok(Some(Event::Greeting)),
            Act::Command(Verb::Ehlo | Verb::Lhlo) => {
                if let Some(reply) = self.input.reply() {
                    self.capabilities = Capabilities::parse(reply);
                }
            }
            Act::Command(Verb::Helo) => {
                if let Some(reply) = self.input.reply() {
                    self.capabilities = Capabilities::of_helo(reply);
                }
            }
            Act::Command(Verb::Auth) | Act::Response => self.authenticated = true,
            // Counted from the reply to MAIL on: MAIL may be sent while those of an older
            // transaction are still being answered.
            Act::Command(Verb::Mail) => self.accepted = 0,
            Act::Command(Verb::Rcpt) => self.accepted += 1,
            Act::Command(Verb::StartTls) => {
                let reply = self.input.reply().map_or(0, |reply| reply.octets().len());
                let behind = self.input.pending().get(reply..).unwrap_or_default();
                if !behind.is_empty() {
                    return Err(Violation::BehindStartTls(behind.into()));
                }
            }
            Act::Command(Verb::Data) => return Ok(Some(self.go_ahead(ticket))),
            Act::EndOfData if orphan => return Ok(self.lone_dot_answered()),
            Act::EndOfData => self.still_awaiting_ends(),
            _ => {}
        }
        Ok(Some(Event::Reply(ticket)))
    }

    /// The server waits for the content.
    fn go_ahead(&mut self, data: Ticket) -> Event {
        // Not before: when DATA was sent, the end of the content before may have been unanswered.
        self.content_written = false;
        if self.accepted > 0 {
            let line_endings = match self.config.line_endings {
                LineEndings::Raw => LineEndings::Reject,
                text => text,
            };
            self.output
                .begin_stuffed(line_endings, self.declared.eight_bit);
            return Event::GoAhead(data);
        }
        // RFC 2920 §3.1: the server should have refused. A lone dot takes it back to commands
        // without giving it any content.
        self.output.begin_stuffed(LineEndings::Reject, false);
        self.output.end();
        let dot = self.draw(1);
        self.here = Phase::EndOfData;
        self.flight.push_end(dot, true);
        Event::Reply(data)
    }

    /// The verdict on a mail without recipients means nothing; over LMTP nobody can say whom it
    /// answers (RFC 2033 §4.2).
    fn lone_dot_answered(&mut self) -> Option<Event> {
        match self.config.protocol {
            Protocol::Smtp => self.go(Phase::Spoiled),
            Protocol::Lmtp => self.close(),
        }
        None
    }

    /// Over LMTP the content is answered once for each recipient.
    fn still_awaiting_ends(&mut self) {
        if self
            .flight
            .front()
            .is_some_and(|next| next.act == Act::EndOfData)
        {
            self.go(Phase::EndOfData);
        }
    }

    /// A reply that answers nothing that was sent.
    fn unawaited(&mut self) -> Result<Event, Violation> {
        let Some(reply) = self.input.reply() else {
            return Ok(Event::Closing);
        };
        let in_content = match self.here {
            Phase::Content => true,
            Phase::EndOfData => !self.is_content_written(),
            _ => false,
        };
        let event = match reply.severity() {
            _ if reply.code().number() == 421 => Event::Closing,
            Severity::Transient | Severity::Permanent if in_content => Event::ContentRefused,
            _ if in_content => return Err(Violation::BeforeEnd(reply.to_reply())),
            _ => return Err(Violation::Unexpected(reply.to_reply())),
        };
        self.close();
        Ok(event)
    }

    fn go(&mut self, here: Phase) {
        self.here = here;
        if matches!(here, Phase::Closed) {
            self.close();
        } else {
            self.flight.start_from(here);
        }
    }
}

enum Verdict {
    Success,
    Refusal,
    Challenge,
}

/// What MAIL declares about what follows it. A raw one that cannot be read declares nothing.
fn declared(mail: &Command<'_>) -> Declared {
    let mut declared = Declared::default();
    let read;
    let params = match mail {
        Command::Raw(raw) => {
            read = Command::parse(raw.as_octets());
            read.as_ref().map_or(&[][..], Command::params)
        }
        mail => mail.params(),
    };
    for param in params {
        declared.utf8 |= param.is(SmtpUtf8::KEYWORD);
        match BodyType::of(param) {
            Some(BodyType::EightBitMime) => declared.eight_bit = true,
            Some(BodyType::BinaryMime) => {
                declared.eight_bit = true;
                declared.binary = true;
            }
            Some(BodyType::SevenBit) | None => {}
        }
    }
    declared
}

/// Whether a line is not to be shown as it is. A raw one is judged by its first letters: `AUTH=`
/// and the like may hold a secret too.
fn is_secret(command: &Command<'_>) -> bool {
    match command {
        Command::Raw(raw) => {
            let line = raw.as_octets().trim_ascii_start();
            let word = line.get(..4).unwrap_or_default();
            word.eq_ignore_ascii_case(b"AUTH")
        }
        command => command.verb() == Verb::Auth,
    }
}

/// An AUTH line as it may be shown.
fn masked(command: &Command<'_>) -> Vec<u8> {
    format!("{command}\r\n").into_bytes()
}

fn command_argument(command: &Command<'_>) -> String {
    let mut line = BytesMut::new();
    command.encode(&mut line);
    let line = line.strip_suffix(b"\r\n").unwrap_or(&line);
    format!("\"{}\"", crate::wire::Escaped::new(line))
}
