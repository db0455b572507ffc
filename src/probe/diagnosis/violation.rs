//! From a broken protocol to the rule that was broken, in words and with its section, and the line
//! that broke it.

use super::{Confidence, DiagnosisKind as Kind, shown};
use crate::protocol::{Stage, Violation};
use crate::wire::{Foreign, Reply, ReplyError, ReplyFault};

/// What a violation at this stage says.
pub(super) fn of(stage: Stage, violation: &Violation, port: Option<u16>) -> (Kind, Confidence) {
    let (rule, line) = match violation {
        Violation::Reply(error) => return of_reply(stage, error, port),
        Violation::Unexpected(reply) => {
            ("a reply answers a command that was sent before it (RFC 5321 §2.1)", reply.octets())
        }
        Violation::WrongClass { reply, .. } => {
            ("each command has its own replies (RFC 5321 §4.3.2)", reply.octets())
        }
        Violation::NoTransaction { reply, .. } => (
            "nothing is accepted after a command that was refused (RFC 5321 §4.1.4)",
            reply.octets(),
        ),
        Violation::BeforeEnd(reply) => {
            ("a mail is accepted after its end alone (RFC 5321 §4.1.1.4)", reply.octets())
        }
        Violation::BehindStartTls(octets) => {
            ("nothing follows the reply to STARTTLS in clear (RFC 3207 §4)", &**octets)
        }
    };
    (Kind::ProtocolViolation { rule, line: shown(line) }, Confidence::Certain)
}

/// A server that opens with another success than 220.
pub(super) fn of_greeting(reply: &Reply) -> Kind {
    let rule = "a session is opened with 220 (RFC 5321 §3.1)";
    Kind::ProtocolViolation { rule, line: shown(reply.octets()) }
}

fn of_reply(stage: Stage, error: &ReplyError, port: Option<u16>) -> (Kind, Confidence) {
    let rule = match error.fault() {
        ReplyFault::NotSmtp(Foreign::Tls) => {
            return (Kind::ImplicitTlsExpected { port }, Confidence::Certain);
        }
        ReplyFault::NotSmtp(foreign) => {
            return (Kind::NotSmtp { protocol: Some(name(foreign)) }, Confidence::Certain);
        }
        ReplyFault::NotACode | ReplyFault::BadCode | ReplyFault::BadSeparator
            if stage == Stage::Greeting =>
        {
            return (Kind::NotSmtp { protocol: None }, Confidence::Likely);
        }
        ReplyFault::NotACode => "a line of a reply begins with three digits (RFC 5321 §4.2)",
        ReplyFault::BadCode => "a reply code is from 200 to 599 (RFC 5321 §4.2.1)",
        ReplyFault::BadSeparator => "a space or a hyphen stands after the code (RFC 5321 §4.2)",
        ReplyFault::CodesDisagree { .. } => {
            "all lines of a reply have the same code (RFC 5321 §4.2.1)"
        }
        ReplyFault::LineTooLong { .. } => {
            "a reply line has 512 octets at most (RFC 5321 §4.5.3.1.5)"
        }
        ReplyFault::TooManyLines { .. } | ReplyFault::ReplyTooLong { .. } => {
            "a reply has an end (RFC 5321 §4.2)"
        }
        _ => "a reply is written as the grammar has it (RFC 5321 §4.2)",
    };
    (Kind::ProtocolViolation { rule, line: shown(error.line()) }, Confidence::Certain)
}

const fn name(foreign: Foreign) -> &'static str {
    match foreign {
        Foreign::Tls => "TLS",
        Foreign::Http => "HTTP",
        Foreign::Ssh => "SSH",
        Foreign::Imap => "IMAP",
        Foreign::Pop3 => "POP3",
    }
}
