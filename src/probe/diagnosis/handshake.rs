//! From a failed TLS handshake to its cause; each fault of a certificate has a kind of its own.

use super::{Confidence, DiagnosisKind as Kind, escaped, shown};
use crate::net::TlsReason;

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
        TlsReason::NoCommonVersion { chosen } => Kind::TlsVersionMismatch { chosen: *chosen },
        TlsReason::NotTls { heard } if is_greeting(heard) => Kind::StartTlsExpected,
        TlsReason::NotTls { heard } => Kind::TlsNotSpoken { heard: shown(heard) },
        TlsReason::Alert { name } => Kind::TlsAlert { alert: escaped(name) },
        TlsReason::Closed => Kind::TlsClosed,
        TlsReason::TimedOut { after } => Kind::TlsTimedOut { after: *after },
        TlsReason::NoRoots => Kind::NoTrustedRoots,
        TlsReason::Io | TlsReason::Other => return (Kind::TlsFailed, Confidence::Likely),
    };
    (kind, Confidence::Certain)
}

fn text(raw: &Option<String>) -> Option<String> {
    raw.as_deref().map(escaped)
}

/// What opens a session, or refuses one, in clear.
fn is_greeting(heard: &[u8]) -> bool {
    [&b"220"[..], b"421", b"521", b"554"].iter().any(|code| heard.starts_with(code))
}
