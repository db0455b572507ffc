//! What a reply means to the session: what it answers, where it leads, and when it breaks the
//! protocol.

use super::Session;
use super::limits::Quota;
use crate::extension::Capabilities;
use crate::protocol::Stage;
use crate::protocol::config::Protocol;
use crate::protocol::event::{Event, Ticket};
use crate::protocol::fault::Violation;
use crate::protocol::rules::{Act, Expects, Goto, Phase};
use crate::wire::{LineEndings, MASK, Reply, ReplyRef, Severity, Verb};

impl Session {
    /// A whole reply is there: finds what it answers and moves the session.
    #[inline]
    pub(super) fn take_reply(&mut self) -> Result<Option<Event>, Violation> {
        let start = self.taken;
        let answers = self.flight.front().is_some_and(|front| front.is_answered_from(start));
        if !answers {
            self.record_cut_content();
        }
        let Some(reply) = self.input.reply() else {
            return Ok(None);
        };
        let answered = self.flight.front().filter(|_| answers);
        let is_auth = answered.is_some_and(|awaited| awaited.rule.stage == Stage::Auth);
        self.masked = if is_auth { masked(reply) } else { None };
        if let Some(transcript) = &mut self.transcript {
            let shown = self.masked.as_deref().map_or(reply, Reply::as_ref);
            transcript.server(shown.octets());
        }
        self.taken += reply.octets().len() as u64;
        let code = reply.code().number();
        let Some((awaited, is_more_due)) = answers.then(|| self.flight.pop()).flatten() else {
            return self.unawaited().map(Some);
        };
        if is_auth {
            self.said = None;
        }
        let rule = awaited.rule;
        self.answered_stage = rule.stage;

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
        let severity = reply.severity();
        let mut verdict = match (rule.expects, severity) {
            (Expects::Anything, _) => Verdict::Success,
            (Expects::Greeting | Expects::Tls, Severity::Completed) if code == 220 => {
                Verdict::Success
            }
            (Expects::Greeting, _) => Verdict::Refusal,
            (_, Severity::Transient | Severity::Permanent) => Verdict::Refusal,
            // Over LMTP nobody knows how many recipients the server has.
            (Expects::Resumable, Severity::Intermediate)
                if code == 355 && self.config.protocol == Protocol::Smtp =>
            {
                Verdict::Resumed
            }
            (Expects::Completed | Expects::Challenge | Expects::Resumable, Severity::Completed)
            | (Expects::GoAhead, Severity::Intermediate) => Verdict::Success,
            (Expects::Challenge, Severity::Intermediate) if code == 334 => Verdict::Challenge,
            _ => {
                return Err(Violation::WrongClass { stage: rule.stage, reply: reply.to_reply() });
            }
        };
        // Over LMTP the content is answered once for each recipient; the last answer moves.
        let is_last_chunk = awaited.act == Act::LastChunk && self.config.protocol == Protocol::Lmtp;
        self.last_chunk_refused |= is_last_chunk && verdict == Verdict::Refusal;
        if is_more_due {
            self.go(self.here);
            return Ok(Some(event));
        }
        if is_last_chunk && self.last_chunk_refused {
            verdict = Verdict::Refusal;
        }
        let lawful = rule.from.contains(self.here);
        match verdict {
            Verdict::Challenge => {
                self.go(Phase::Auth);
                return Ok(Some(Event::Challenge(awaited.ticket)));
            }
            Verdict::Resumed => {
                self.go(Phase::Recipients);
                // The server has them from before, at least one.
                self.accepted = 1;
            }
            Verdict::Refusal => {
                // Behind a refused MAIL everything is refused, and nothing is open.
                let spoils = || self.is_open() && rule.refusal == Goto::To(Phase::Spoiled);
                let leads = lawful || spoils();
                self.go(if leads { rule.refusal.from(self.here) } else { self.here });
            }
            Verdict::Success => {
                if !lawful && let Some(refused) = self.missing(awaited.act) {
                    let (stage, reply) = (rule.stage, reply.to_reply());
                    return Err(Violation::NoTransaction { stage, refused, reply });
                }
                let next = rule.success.from(self.here);
                return Ok(self.succeeded(awaited.act, awaited.ticket, awaited.orphan, next));
            }
        }
        if awaited.orphan {
            return Ok(self.lone_dot_answered());
        }
        Ok(Some(event))
    }

    /// Whether a transaction has begun, and no content of it was refused.
    const fn is_open(&self) -> bool {
        matches!(self.here, Phase::Envelope | Phase::Recipients)
    }

    /// What was refused, so that there is no transaction for an act that needs one.
    #[cold]
    fn missing(&self, act: Act) -> Option<&'static str> {
        let needs_transaction = match act {
            // It has an answer to that: the lone dot.
            Act::Command(Verb::Data) => !self.is_open(),
            Act::Command(Verb::Rcpt | Verb::Bdat | Verb::Burl) | Act::LastChunk | Act::LastUri => {
                true
            }
            _ => false,
        };
        needs_transaction.then_some(match self.here {
            Phase::Envelope => "recipients that were all refused",
            Phase::Spoiled => "a refused chunk",
            _ => "a refused MAIL",
        })
    }

    /// What a positive reply changes beside the phase.
    #[inline]
    fn succeeded(&mut self, act: Act, ticket: Ticket, orphan: bool, next: Phase) -> Option<Event> {
        self.go(next);
        match act {
            Act::Connect => return Some(Event::Greeting),
            Act::Command(Verb::Ehlo | Verb::Lhlo) => {
                if let Some(reply) = self.input.reply() {
                    let also = self.config.auth_keyword.as_deref();
                    self.capabilities = Capabilities::parse(reply).with_auth_keyword(also);
                    self.quota.offered(&self.capabilities);
                }
            }
            Act::Command(Verb::Helo) => {
                if let Some(reply) = self.input.reply() {
                    self.capabilities = Capabilities::of_helo(reply);
                    self.quota.offered(&self.capabilities);
                }
            }
            Act::Command(Verb::Auth) | Act::Response => self.authenticated = true,
            // Counted from the reply to MAIL on: MAIL may be sent while those of an older
            // transaction are still being answered.
            Act::Command(Verb::Mail) | Act::Resumable => self.accepted = 0,
            Act::Command(Verb::Rcpt) => self.accepted = self.accepted.saturating_add(1),
            // As behind a new greeting: the client is another now.
            Act::Command(Verb::Xclient) => {
                self.capabilities = Capabilities::default();
                self.quota = Quota::default();
                self.authenticated = false;
            }
            Act::Command(Verb::StartTls) => {
                let reply = self.input.reply().map_or(0, |reply| reply.octets().len());
                // `poll` goes on, and finds the violation before anybody has heard a go-ahead.
                if self.input.pending().len() > reply {
                    return None;
                }
            }
            Act::Command(Verb::Data) => return Some(self.go_ahead(ticket)),
            Act::EndOfData if orphan => return self.lone_dot_answered(),
            _ => {}
        }
        Some(Event::Reply(ticket))
    }

    /// The server waits for the content.
    fn go_ahead(&mut self, data: Ticket) -> Event {
        if self.accepted > 0 {
            let line_endings = match self.config.line_endings {
                LineEndings::Raw => LineEndings::Reject,
                text => text,
            };
            self.output.begin_stuffed(line_endings, self.declared.eight_bit);
            return Event::GoAhead(data);
        }
        // The server should have refused. Over LMTP nobody could say whether a reply to the lone dot
        // is due, and whom it would answer (RFC 2033 §4.2).
        if self.config.protocol == Protocol::Lmtp {
            self.close();
            return Event::Reply(data);
        }
        // RFC 2920 §3.1: it takes the server back to commands without giving it any content.
        self.output.begin_stuffed(LineEndings::Reject, false);
        self.output.end();
        let dot = self.draw(1);
        self.here = Phase::EndOfData;
        self.flight.push_end(dot, true);
        Event::Reply(data)
    }

    /// The verdict on a mail without recipients means nothing.
    fn lone_dot_answered(&mut self) -> Option<Event> {
        self.go(Phase::Spoiled);
        None
    }

    /// A reply that answers nothing that was sent.
    fn unawaited(&mut self) -> Result<Event, Violation> {
        self.flight.forget_answered();
        let Some(reply) = self.input.reply() else {
            return Ok(Event::Closing);
        };
        let in_content = self.is_in_content();
        let event = match reply.severity() {
            _ if reply.code().number() == 421 => Event::Closing,
            Severity::Transient | Severity::Permanent if in_content => Event::ContentRefused,
            _ if in_content => return Err(Violation::BeforeEnd(reply.to_reply())),
            _ => return Err(Violation::Unexpected(reply.to_reply())),
        };
        self.close();
        Ok(event)
    }

    #[inline]
    pub(super) fn go(&mut self, here: Phase) {
        self.here = here;
        if matches!(here, Phase::Closed) {
            self.close();
        } else {
            self.flight.start_from(here);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Success,
    Refusal,
    Challenge,
    /// The server has a part of the mail and all of its recipients.
    Resumed,
}

/// What stands for a reply with the server's signature of SCRAM (`v=`): with that and the message
/// before it passwords can be tried without asking anybody.
fn masked(reply: ReplyRef<'_>) -> Option<Box<Reply>> {
    // `v=` and one octet of ASCII in base64; a 235 may have its code of RFC 3463 before that.
    let is_signature = |word: &[u8]| word.starts_with(b"dj0") || word.starts_with(b"dj1");
    let mut words = reply.lines().flat_map(|line| line.split(u8::is_ascii_whitespace));
    let shown = words.any(is_signature).then(|| Reply::from_lines(reply.code(), [MASK]));
    shown?.ok().map(Box::new)
}
