//! What a reply means to the session: what it answers, where it leads, and when it breaks the
//! protocol.

use super::Session;
use super::limits::Quota;
use crate::extension::Capabilities;
use crate::protocol::Stage;
use crate::protocol::config::Protocol;
use crate::protocol::event::{Event, Ticket};
use crate::protocol::fault::Violation;
use crate::protocol::flight::Awaited;
use crate::protocol::rules::{Act, Expects, Goto, Phase};
use crate::wire::{Code, LineEndings, MASK, Reply, ReplyRef, Severity, Verb};

impl Session {
    /// A whole reply is there: finds what it answers and moves the session.
    #[inline]
    pub(super) fn take_reply(&mut self) -> Result<Option<Event>, Violation> {
        let Some(reply) = self.input.reply() else {
            return Ok(None);
        };
        let (start, code) = (self.taken, reply.code());
        self.taken += reply.octets().len() as u64;
        let Some(awaited) = self.flight.pop_answered(start) else {
            return self.unawaited().map(Some);
        };
        let rule = awaited.rule;
        self.answered_stage = rule.stage;
        if rule.stage == Stage::Auth {
            self.masked = self.input.reply().and_then(masked);
            self.said = None;
        }
        self.record_reply();

        if code.number() == 421 {
            self.close();
            return Ok(Some(event_of(&awaited)));
        }
        let Some(mut verdict) = verdict(rule.expects, code, self.config.protocol) else {
            return self.broken(|reply| Violation::WrongClass { stage: rule.stage, reply });
        };
        // Over LMTP the content is answered once for each recipient; the last answer moves.
        if awaited.act == Act::LastChunk && self.config.protocol == Protocol::Lmtp {
            self.last_chunk_refused |= verdict == Verdict::Refusal;
            if self.last_chunk_refused {
                verdict = Verdict::Refusal;
            }
        }
        if awaited.is_more_due {
            self.go(self.here);
            return Ok(Some(event_of(&awaited)));
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
                    let stage = rule.stage;
                    return self.broken(|reply| Violation::NoTransaction { stage, refused, reply });
                }
                self.go(rule.success.from(self.here));
                if let Act::Command(verb) = awaited.act {
                    return Ok(self.command_succeeded(verb, awaited.ticket));
                }
                match awaited.act {
                    Act::Response => self.authenticated = true,
                    Act::Resumable => self.accepted = 0,
                    _ => {}
                }
            }
        }
        if awaited.orphan {
            return Ok(self.lone_dot_answered());
        }
        Ok(Some(event_of(&awaited)))
    }

    /// The reply breaks the protocol.
    #[cold]
    fn broken(&self, how: impl FnOnce(Reply) -> Violation) -> Result<Option<Event>, Violation> {
        self.input.reply().map_or(Ok(None), |reply| Err(how(reply.to_reply())))
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

    /// What a positive reply to a command changes beside the phase.
    #[inline(always)]
    fn command_succeeded(&mut self, verb: Verb, ticket: Ticket) -> Option<Event> {
        match verb {
            Verb::Ehlo | Verb::Lhlo | Verb::Helo => self.introduced(verb),
            Verb::Auth => self.authenticated = true,
            // Counted from the reply to MAIL on: MAIL may be sent while those of an older
            // transaction are still being answered.
            Verb::Mail => self.accepted = 0,
            Verb::Rcpt => self.accepted = self.accepted.saturating_add(1),
            // As behind a new greeting: the client is another now.
            Verb::Xclient => {
                self.forget_offer();
                self.authenticated = false;
            }
            Verb::StartTls => {
                let reply = self.input.reply().map_or(0, |reply| reply.octets().len());
                // `poll` goes on, and finds the violation before anybody has heard a go-ahead.
                if self.input.pending().len() > reply {
                    return None;
                }
            }
            Verb::Data => return Some(self.go_ahead(ticket)),
            _ => {}
        }
        Some(Event::Reply(ticket))
    }

    /// The server has said what it offers.
    #[cold]
    fn introduced(&mut self, verb: Verb) {
        let Some(reply) = self.input.reply() else { return };
        self.capabilities = match verb {
            Verb::Helo => Capabilities::of_helo(reply),
            _ => {
                let also = self.config.auth_keyword.as_deref();
                Capabilities::parse(reply).with_auth_keyword(also)
            }
        };
        self.quota.offered(&self.capabilities);
    }

    /// It is not known any more.
    #[cold]
    pub(super) fn forget_offer(&mut self) {
        self.capabilities = Capabilities::default();
        self.quota = Quota::default();
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
    #[cold]
    fn unawaited(&mut self) -> Result<Event, Violation> {
        self.record_cut_content();
        self.record_reply();
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

    /// The reply goes into the transcript.
    #[inline]
    fn record_reply(&mut self) {
        let Some(transcript) = &mut self.transcript else { return };
        let masked = self.masked.as_deref().map(Reply::as_ref);
        if let Some(shown) = masked.or_else(|| self.input.reply()) {
            transcript.server(shown.octets());
        }
    }

    #[inline(always)]
    pub(super) fn go(&mut self, here: Phase) {
        self.here = here;
        if matches!(here, Phase::Closed) {
            self.close();
        } else {
            self.flight.start_from(here);
        }
    }
}

/// What a reply to that is to whoever looks on.
fn event_of(awaited: &Awaited) -> Event {
    match awaited.act {
        Act::Connect => Event::Greeting,
        // Nobody asked for what it answers.
        _ if awaited.orphan => Event::Closing,
        _ => Event::Reply(awaited.ticket),
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

/// What a reply is where one of these is expected; `None` where it breaks the protocol.
#[inline]
fn verdict(expects: Expects, code: Code, protocol: Protocol) -> Option<Verdict> {
    use Expects as E;
    match code.severity() {
        _ if expects == E::Anything => Some(Verdict::Success),
        Severity::Transient | Severity::Permanent => Some(Verdict::Refusal),
        Severity::Completed => match expects {
            E::Completed | E::Challenge | E::Resumable => Some(Verdict::Success),
            E::Greeting | E::Tls if code.number() == 220 => Some(Verdict::Success),
            E::Greeting => Some(Verdict::Refusal),
            _ => None,
        },
        Severity::Intermediate => match (expects, code.number()) {
            (E::GoAhead, _) => Some(Verdict::Success),
            (E::Challenge, 334) => Some(Verdict::Challenge),
            // Over LMTP nobody knows how many recipients the server has.
            (E::Resumable, 355) if protocol == Protocol::Smtp => Some(Verdict::Resumed),
            (E::Greeting, _) => Some(Verdict::Refusal),
            _ => None,
        },
    }
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
