//! From a reply to its cause: which of its status, its code and its words decides, and how sure
//! that is.
//!
//! The status comes first, where it names a cause. Words may say more than it does; where they say
//! something else they win all the same, since a status is often a template's and a phrase is what
//! somebody wrote for this very case, and the diagnosis is a guess. Where there is no such status
//! the words decide, and last the three digits at their stage.

use super::facts::{Facts, text_of};
use super::phrases::When;
use super::{Confidence, DiagnosisKind as Kind, code, status, violation, wording};
use crate::protocol::Stage;
use crate::wire::{Code, EnhancedCode, Reply};

/// What a reply at this stage says.
pub(super) fn of(stage: Stage, reply: &Reply) -> (Kind, Confidence) {
    if !reply.is_negative() {
        return match stage {
            Stage::Greeting => (violation::of_greeting(reply), Confidence::Certain),
            _ => (Kind::NotARefusal { code: reply.code() }, Confidence::Certain),
        };
    }
    let text = text_of(reply);
    // The host comes first in what opens or ends a session (RFC 5321 §4.2).
    let names_host = stage == Stage::Greeting || reply.code() == Code::SHUTTING_DOWN;
    let text = if names_host { without_host(&text) } else { &text };
    let (mut kind, confidence) = decide(stage, reply, text);
    fill(&mut kind, stage, reply.code(), Facts::of(text));
    (kind, confidence)
}

/// The text without its first word, where that can be a host's name.
fn without_host(text: &str) -> &str {
    match text.split_once(' ') {
        Some((first, rest)) if first.contains('.') && !first.ends_with('.') => rest,
        _ => text,
    }
}

fn decide(stage: Stage, reply: &Reply, text: &str) -> (Kind, Confidence) {
    let (by_code, sureness) = code::kind(stage, reply.code());
    // Whatever it says: STARTTLS was refused.
    if matches!(by_code, Kind::StartTlsRefused { .. }) {
        return (by_code, sureness);
    }
    let enhanced = enhanced(reply);
    let by_status = enhanced.and_then(|enhanced| status::kind(enhanced, stage));
    let by_words = wording::find(text, stage, reply.severity(), enhanced);
    match (by_status, by_words) {
        (Some(said), None) => (said, Confidence::Certain),
        (Some(said), Some(row)) if row.when.is_weak() || wording::is_same(&said, &row.kind) => {
            (said, Confidence::Certain)
        }
        (Some(said), Some(row)) if status::is_refined(&said, &row.kind) => {
            (row.kind.clone(), Confidence::Likely)
        }
        (Some(_), Some(row)) => (row.kind.clone(), Confidence::Guess),
        (None, Some(row)) if wording::is_same(&by_code, &row.kind) => {
            (by_code, sureness.min(Confidence::Likely))
        }
        (None, Some(row)) if row.when.is_weak() && sureness != Confidence::Guess => {
            (by_code, sureness)
        }
        (None, Some(row)) if row.when == When::PutOff => (row.kind.clone(), Confidence::Guess),
        (None, Some(row)) => (row.kind.clone(), Confidence::Likely),
        (None, None) => (by_code, sureness),
    }
}

/// The first enhanced code at the head of a line. Greetings and replies to EHLO have none by right
/// (RFC 2034 §4), and refuse with one as often as not.
fn enhanced(reply: &Reply) -> Option<EnhancedCode> {
    let class = reply.code().number() / 100;
    let mut codes = reply.as_ref().lines().filter_map(EnhancedCode::parse_prefix);
    // Of another class it says nothing that could be trusted.
    codes.next().map(|(code, _)| code).filter(|code| u16::from(code.class()) == class)
}

/// Puts into the kind what the reply and its text have for it.
fn fill(kind: &mut Kind, at: Stage, said: Code, facts: Facts) {
    match kind {
        Kind::ServerBusy { code }
        | Kind::ClientNameRefused { code }
        | Kind::StartTlsRefused { code }
        | Kind::SenderRefused { code }
        | Kind::ServerTrouble { code }
        | Kind::ParameterRefused { code } => *code = said,
        Kind::CommandRefused { stage, code } | Kind::PermanentRefusal { stage, code } => {
            (*stage, *code) = (at, said);
        }
        Kind::TemporaryRefusal { stage, code, retry_after } => {
            (*stage, *code, *retry_after) = (at, said, facts.retry_after);
        }
        Kind::ClientRefused { code, link }
        | Kind::PolicyRefusal { code, link }
        | Kind::ContentRefused { code, link } => (*code, *link) = (said, facts.link),
        Kind::TooManyConnections { retry_after }
        | Kind::AuthThrottled { retry_after }
        | Kind::Greylisted { retry_after } => *retry_after = facts.retry_after,
        Kind::RateLimited { retry_after, link } => {
            (*retry_after, *link) = (facts.retry_after, facts.link);
        }
        Kind::Listed { list, link } => (*list, *link) = (facts.list, facts.link),
        Kind::MessageTooLarge { limit } => *limit = facts.limit,
        Kind::NoReverseDns { link }
        | Kind::AppPasswordRequired { link }
        | Kind::AuthDisabled { link }
        | Kind::SpfFailed { link }
        | Kind::DkimFailed { link }
        | Kind::DmarcFailed { link }
        | Kind::SenderUnauthenticated { link }
        | Kind::SpamRefused { link }
        | Kind::AttachmentRefused { link } => *link = facts.link,
        _ => {}
    }
}
