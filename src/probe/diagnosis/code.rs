//! What the three digits of a refusal say at the stage where they came, and how sure that is.

use super::{Confidence, DiagnosisKind as Kind};
use crate::protocol::Stage;
use crate::wire::{Code, Severity};

/// The cause by code and stage alone.
pub(super) const fn kind(stage: Stage, code: Code) -> (Kind, Confidence) {
    use Confidence::{Certain, Guess, Likely};
    let is_temporary = matches!(code.severity(), Severity::Transient);
    match (stage, code.number()) {
        // 421 comes at any time and ends the session (RFC 5321 §3.8).
        (Stage::Greeting | Stage::Ehlo, 421) => (Kind::ServerBusy { code }, Likely),
        (Stage::Quit, 421) => (temporary(stage, code), Guess),
        (_, 421) => (Kind::SessionEnded { stage }, Likely),
        // RFC 7504 §3.
        (Stage::Greeting, 521) => (Kind::NoMailService, Certain),
        (Stage::Greeting, _) if is_temporary => (Kind::ServerBusy { code }, Likely),
        (Stage::Greeting, _) => (Kind::ClientRefused { code, link: None }, Likely),
        (Stage::Ehlo, 500 | 502) => (Kind::EhloUnsupported, Likely),
        (Stage::Ehlo, 501 | 504) => (Kind::ClientNameRefused { code }, Likely),
        (Stage::Ehlo, 503) => (Kind::CommandRefused { stage, code }, Likely),
        (Stage::Ehlo, _) if is_temporary => (Kind::ServerBusy { code }, Guess),
        (Stage::Ehlo, _) => (Kind::ClientNameRefused { code }, Guess),
        (Stage::StartTls, _) => (Kind::StartTlsRefused { code }, Certain),
        // RFC 4954 §6 and RFC 5248.
        (_, 523 | 524 | 538) => (Kind::TlsRequired, Certain),
        (Stage::Auth, 422 | 432) => (Kind::PasswordExpired, Certain),
        (Stage::Auth, 454) => (Kind::AuthUnavailable, Likely),
        (Stage::Auth, 504 | 534) => (Kind::MechanismRefused, Likely),
        (Stage::Auth, 525) => (Kind::AccountLocked, Certain),
        (Stage::Auth, 530) => (Kind::TlsRequired, Likely),
        (Stage::Auth, 535) => (Kind::WrongCredentials, Likely),
        (Stage::Auth, 500 | 502 | 503) => (Kind::AuthNotOffered, Guess),
        (Stage::Auth, 501) => (Kind::AuthFailed, Guess),
        (Stage::Auth, _) if is_temporary => (Kind::AuthUnavailable, Guess),
        (Stage::Auth, _) => (Kind::WrongCredentials, Guess),
        (Stage::Mail | Stage::Rcpt | Stage::Data | Stage::EndOfData, 530) => {
            (Kind::AuthenticationRequired, Likely)
        }
        (_, 500 | 502 | 503) => (Kind::CommandRefused { stage, code }, Likely),
        (_, 504 | 555) => (Kind::ParameterRefused { code }, Likely),
        (Stage::Mail | Stage::Rcpt, 501) => (Kind::AddressMalformed, Guess),
        (_, 501) => (Kind::CommandRefused { stage, code }, Guess),
        (_, 452) => (Kind::StorageFull, Guess),
        (_, 455) => (Kind::ParameterRefused { code }, Guess),
        (Stage::Mail, 552) => (Kind::MessageTooLarge { limit: None }, Likely),
        (Stage::Mail, 550 | 553) => (Kind::SenderRefused { code }, Likely),
        (Stage::Mail, 551 | 554) => (Kind::SenderRefused { code }, Guess),
        (Stage::Rcpt, 550 | 553) => (Kind::UnknownRecipient, Guess),
        (Stage::Rcpt, 551) => (Kind::RelayDenied, Guess),
        (Stage::Rcpt, 552) => (Kind::MailboxFull, Guess),
        (Stage::Rcpt, 554) => (Kind::PolicyRefusal { code, link: None }, Guess),
        // No recipient was accepted (RFC 5321 §3.3).
        (Stage::Data, 554) => (Kind::CommandRefused { stage, code }, Guess),
        // RFC 7505 §4.2.
        (Stage::Rcpt, 556) => (Kind::RecipientNullMx, Certain),
        (Stage::Data | Stage::Content | Stage::EndOfData, 552) => {
            (Kind::MessageTooLarge { limit: None }, Likely)
        }
        (Stage::Data | Stage::Content | Stage::EndOfData, 451) => {
            (Kind::ServerTrouble { code }, Guess)
        }
        (Stage::Content | Stage::EndOfData, _) if !is_temporary => {
            (Kind::ContentRefused { code, link: None }, Guess)
        }
        _ if is_temporary => (temporary(stage, code), Guess),
        _ => (Kind::PermanentRefusal { stage, code }, Guess),
    }
}

const fn temporary(stage: Stage, code: Code) -> Kind {
    Kind::TemporaryRefusal { stage, code, retry_after: None }
}
