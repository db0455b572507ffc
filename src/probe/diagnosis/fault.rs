//! From an error to its cause, with all else that is known.

use std::io;

#[cfg(feature = "tls")]
use super::handshake;
use super::{
    Confidence, Diagnosis, DiagnosisKind as Kind, Evidence, Told, escaped, reach, shown, violation,
};
use crate::auth::AuthFault;
use crate::error::{Error, ErrorKind};
use crate::extension::{Auth, Extension, StartTls};
use crate::net::Security;
#[cfg(feature = "tls")]
use crate::net::TlsReason;
use crate::protocol::{Misuse, Stage};
use crate::wire::Reply;

/// What an error says.
pub(super) fn of(error: &Error, evidence: &Evidence<'_>) -> Diagnosis {
    let stage = error.stage();
    match error.kind() {
        ErrorKind::Refused(reply) | ErrorKind::Closed(Some(reply)) => {
            Diagnosis::of_reply(stage, reply)
        }
        ErrorKind::Closed(None) if error.is_ours() => {
            certain(Kind::CallerMistake, Told::Fault(error.to_string()))
        }
        ErrorKind::Closed(None) => match last_refusal(error) {
            Some(reply) => Diagnosis::of_reply(stage, reply).at_most(Confidence::Likely),
            None => of_end(error, evidence, Told::Nothing),
        },
        ErrorKind::Io(fault) => {
            #[cfg(feature = "tls")]
            if let Some(reply) = handshake::last_words(fault) {
                return Diagnosis::of_reply(stage, &reply).at_most(Confidence::Likely);
            }
            match last_refusal(error) {
                Some(reply) => Diagnosis::of_reply(stage, reply).at_most(Confidence::Likely),
                None => of_end(error, evidence, Told::Fault(escaped(&fault.to_string()))),
            }
        }
        ErrorKind::Timeout(after) => of_timeout(error, *after, evidence),
        ErrorKind::Violation(fault) => {
            let (kind, confidence) = violation::of(stage, fault, evidence.port);
            let told = match (&kind, fault) {
                (Kind::NotSmtp { .. }, crate::protocol::Violation::Reply(error)) => {
                    Told::Reply(shown(error.line()))
                }
                _ => Told::Nothing,
            };
            Diagnosis { kind, confidence, told }
        }
        ErrorKind::Resolve(fault) => {
            let (kind, confidence) = reach::of_name(fault, evidence);
            let told = reach::told(&kind, &fault.to_string());
            Diagnosis { kind, confidence, told }
        }
        ErrorKind::Connect(fault) => {
            let (kind, confidence) = reach::of_attempts(fault, evidence);
            let told = reach::told(&kind, &fault.to_string());
            Diagnosis { kind, confidence, told }
        }
        #[cfg(feature = "proxy")]
        ErrorKind::Proxy(fault) => certain(Kind::ProxyFailed, Told::Fault(fault.to_string())),
        #[cfg(feature = "tls")]
        ErrorKind::Tls(fault) => {
            let (kind, confidence) = handshake::of(fault.reason());
            let told = match (&kind, fault.reason()) {
                (Kind::StartTlsExpected, TlsReason::NotTls { heard }) => Told::Reply(shown(heard)),
                _ => Told::Fault(fault.to_string()),
            };
            Diagnosis { kind, confidence, told }
        }
        ErrorKind::Auth(fault) => of_auth(fault, evidence),
        ErrorKind::Unsupported { keyword, .. } => of_unsupported(keyword, evidence),
        ErrorKind::TooLarge { limit, .. } => {
            certain(Kind::MessageTooLarge { limit: Some(*limit) }, Told::Nothing)
        }
        ErrorKind::LimitReached { limit, most } => {
            certain(Kind::LimitReached { limit, most: *most }, Told::Nothing)
        }
        ErrorKind::Content(fault) => {
            certain(Kind::ContentUnsendable, Told::Fault(fault.to_string()))
        }
        ErrorKind::Source(fault) => {
            certain(Kind::ContentUnsendable, Told::Fault(escaped(&fault.to_string())))
        }
        ErrorKind::Misuse(Misuse::SecretExposed(_)) => certain(Kind::AuthNeedsTls, Told::Nothing),
        ErrorKind::Misuse(fault) => certain(Kind::CallerMistake, Told::Fault(fault.to_string())),
    }
}

const fn certain(kind: Kind, told: Told) -> Diagnosis {
    Diagnosis { kind, confidence: Confidence::Certain, told }
}

/// A server that refuses and then closes is told by its refusal.
fn last_refusal(error: &Error) -> Option<&Reply> {
    error.earlier().iter().rev().find(|reply| reply.is_negative())
}

/// The connection is over, and the server has not said why.
fn of_end(error: &Error, evidence: &Evidence<'_>, told: Told) -> Diagnosis {
    let stage = error.stage();
    let is_closed = match error.kind() {
        ErrorKind::Io(fault) => is_closing(fault.kind()),
        _ => true,
    };
    match stage {
        Stage::Greeting if is_closed && error.unfinished().is_empty() => {
            match expects_tls(evidence) {
                Some(port) => likely(Kind::ImplicitTlsExpected { port: Some(port) }),
                None => certain(Kind::ClosedBeforeGreeting, Told::Nothing),
            }
        }
        Stage::Handshake if is_closed => certain(Kind::TlsClosed, told),
        Stage::Handshake => certain(Kind::TlsFailed, told),
        _ if matches!(error.kind(), ErrorKind::Closed(_)) => {
            certain(Kind::ClosedMidway { stage }, unfinished(error))
        }
        _ => certain(Kind::ConnectionBroken { stage }, told),
    }
}

fn of_timeout(error: &Error, after: std::time::Duration, evidence: &Evidence<'_>) -> Diagnosis {
    let stage = error.stage();
    match stage {
        Stage::Resolve => {
            certain(Kind::LookupFailed { host: escaped(error.peer()) }, Told::Nothing)
        }
        Stage::Connect => {
            let (kind, confidence) = reach::of_silence(evidence);
            Diagnosis { kind, confidence, told: Told::Nothing }
        }
        Stage::Handshake => {
            let told = Told::Fault(format!("the TLS handshake was not done within {after:?}"));
            certain(Kind::TlsTimedOut { after }, told)
        }
        Stage::Greeting if error.unfinished().is_empty() => match expects_tls(evidence) {
            Some(port) => likely(Kind::ImplicitTlsExpected { port: Some(port) }),
            None => certain(Kind::SilentPort { after }, Told::Nothing),
        },
        stage => certain(Kind::Silence { stage, after }, unfinished(error)),
    }
}

/// What had come of the reply that was waited for.
fn unfinished(error: &Error) -> Told {
    match error.unfinished() {
        [] => Told::Nothing,
        octets => Told::Fault(format!("a reply began with \"{}\"", shown(octets))),
    }
}

const fn likely(kind: Kind) -> Diagnosis {
    Diagnosis { kind, confidence: Confidence::Likely, told: Told::Nothing }
}

/// The port, where it is the one for TLS from the start (RFC 8314 §7.3) and was spoken to in clear.
fn expects_tls(evidence: &Evidence<'_>) -> Option<u16> {
    let in_clear = evidence.security.is_some_and(|security| security != Security::Implicit);
    evidence.port.filter(|port| *port == 465 && in_clear)
}

fn of_unsupported(keyword: &str, evidence: &Evidence<'_>) -> Diagnosis {
    if keyword.eq_ignore_ascii_case(StartTls::KEYWORD) {
        certain(Kind::StartTlsMissing, Told::Nothing)
    } else if keyword.eq_ignore_ascii_case(Auth::KEYWORD) {
        without_auth(evidence)
    } else {
        certain(Kind::Unsupported { keyword: escaped(keyword) }, Told::Nothing)
    }
}

/// AUTH is often offered over TLS alone (RFC 4954 §4): then STARTTLS is offered, and was not used.
fn without_auth(evidence: &Evidence<'_>) -> Diagnosis {
    let offers_tls = evidence.offered_in_clear.is_some_and(|offer| offer.has(StartTls::KEYWORD));
    match (offers_tls, evidence.in_tls) {
        (true, Some(false)) => likely(Kind::AuthNeedsTls),
        _ => certain(Kind::AuthNotOffered, Told::Nothing),
    }
}

fn of_auth(fault: &AuthFault, evidence: &Evidence<'_>) -> Diagnosis {
    let words = || Told::Fault(fault.to_string());
    match fault {
        AuthFault::NoMechanism { offered, .. } if offered.is_empty() => without_auth(evidence),
        AuthFault::NoMechanism { offered, .. } => {
            let offered = offered.iter().map(|name| escaped(name)).collect();
            certain(Kind::MechanismMissing { offered }, words())
        }
        AuthFault::Token { reply, .. } => {
            certain(Kind::TokenRefused, Told::Reply(shown(reply.octets())))
        }
        AuthFault::NoToken(_) => certain(Kind::TokenRefused, words()),
        AuthFault::Server { error, .. } if is_of_credentials(error) => {
            certain(Kind::WrongCredentials, words())
        }
        AuthFault::Floor(_) | AuthFault::Credentials { .. } | AuthFault::NoRandomness { .. } => {
            certain(Kind::CallerMistake, words())
        }
        _ => certain(Kind::AuthFailed, words()),
    }
}

/// RFC 5802 §7.
fn is_of_credentials(error: &[u8]) -> bool {
    matches!(error, b"invalid-proof" | b"unknown-user" | b"invalid-username-encoding")
}

const fn is_closing(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}
