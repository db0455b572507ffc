//! From a failed TLS handshake to its cause; each fault of a certificate has a kind of its own.

use super::{Confidence, DiagnosisKind as Kind, escaped, shown};
use crate::net::{TlsFault, TlsReason, TlsVersion};
use crate::wire::Reply;

/// What a handshake failed of.
pub(super) fn of(reason: &TlsReason) -> (Kind, Confidence) {
    let kind = match reason {
        TlsReason::Expired { subject, not_after, .. } => {
            Kind::CertificateExpired { subject: text(subject), not_after: *not_after }
        }
        TlsReason::NotYetValid { subject, not_before, .. } => {
            Kind::CertificateNotYetValid { subject: text(subject), not_before: *not_before }
        }
        TlsReason::WrongName { expected, presented } => Kind::CertificateWrongName {
            expected: text(expected),
            presented: presented.iter().map(|name| escaped(name)).collect(),
        },
        TlsReason::UnknownIssuer { issuer } => Kind::CertificateUntrusted { issuer: text(issuer) },
        TlsReason::SelfSigned => Kind::CertificateSelfSigned,
        TlsReason::IsAuthority => Kind::CertificateIsAuthority,
        TlsReason::Revoked => Kind::CertificateRevoked,
        TlsReason::StaleRevocationList { next_update, .. } => {
            Kind::RevocationListStale { next_update: *next_update }
        }
        TlsReason::NotPinned { .. } => Kind::CertificateNotPinned,
        TlsReason::Certificate => Kind::CertificateRefused,
        TlsReason::NoCommonVersion { chosen, minimum } => {
            Kind::TlsVersionMismatch { chosen: *chosen, minimum: minimum.map(version) }
        }
        TlsReason::NotTls { heard } if is_greeting(heard) => Kind::StartTlsExpected,
        TlsReason::NotTls { heard } => Kind::TlsNotSpoken { heard: shown(heard) },
        TlsReason::Alert { name } => Kind::TlsAlert { alert: escaped(name) },
        TlsReason::Closed => Kind::TlsClosed,
        TlsReason::TimedOut { after } => Kind::TlsTimedOut { after: *after },
        TlsReason::NoRoots => Kind::NoTrustedRoots,
        // It is no fault of a handshake.
        TlsReason::LeftTls { .. } | TlsReason::Io | TlsReason::Other => {
            return (Kind::TlsFailed, Confidence::Likely);
        }
    };
    (kind, Confidence::Certain)
}

/// The refusal with which a server left TLS, as far as one line of it was heard.
pub(super) fn last_words(error: &std::io::Error) -> Option<Reply> {
    let TlsReason::LeftTls { heard } = error.get_ref()?.downcast_ref::<TlsFault>()?.reason() else {
        return None;
    };
    let text = String::from_utf8_lossy(heard);
    let (code, words) = text.split_at_checked(3)?;
    // More lines may have followed.
    format!("{code} {}", words.get(1..).unwrap_or_default()).parse().ok()
}

const fn version(version: TlsVersion) -> &'static str {
    match version {
        TlsVersion::Tls12 => "TLS 1.2",
        TlsVersion::Tls13 => "TLS 1.3",
    }
}

fn text(raw: &Option<String>) -> Option<String> {
    raw.as_deref().map(escaped)
}

/// What opens a session, or refuses one, in clear.
fn is_greeting(heard: &[u8]) -> bool {
    [&b"220"[..], b"421", b"521", b"554"].iter().any(|code| heard.starts_with(code))
}
