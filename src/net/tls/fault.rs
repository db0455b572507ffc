//! Why there is no TLS, or why a certificate was not believed: what a handshake ended with, and
//! what rustls or the system said of it. The words stand in `reason`.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::Error;

use super::{TlsReason, TlsVersion};
use crate::Escaped;

/// A TLS handshake that failed, or a certificate that would have made it fail.
///
/// `Display` explains; [`source`](StdError::source) is the error of rustls or of the system behind
/// it, where there is one.
#[derive(Clone, Debug)]
pub struct TlsFault {
    reason: TlsReason,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl TlsFault {
    /// What went wrong, for programs.
    #[must_use]
    pub const fn reason(&self) -> &TlsReason {
        &self.reason
    }

    /// Explains what a handshake ended with. `heard` are the first octets that the server sent, and
    /// `minimum` is the oldest version that is allowed here.
    pub(super) fn of_handshake(
        error: io::Error,
        heard: &[u8],
        minimum: Option<TlsVersion>,
    ) -> Self {
        if heard.first().is_some_and(|octet| !is_record_type(*octet)) {
            let reason = TlsReason::NotTls { heard: first_line(heard).to_vec() };
            return Self::new(reason, error);
        }
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(tls) => match TlsReason::of(tls) {
                TlsReason::NoCommonVersion { .. } => {
                    let chosen = old_version(heard);
                    Self::new(TlsReason::NoCommonVersion { chosen, minimum }, tls.clone())
                }
                _ => Self::from(tls.clone()),
            },
            None if is_closing(error.kind()) => Self::new(TlsReason::Closed, error),
            None => Self::new(TlsReason::Io, error),
        }
    }

    /// Explains why nothing more could be read after the handshake: an alert, or a refusal in
    /// clear. `heard` are the first octets of the last read. None where it was something else.
    pub(crate) fn of_reading(error: &io::Error, heard: &[u8]) -> Option<Self> {
        match error.get_ref()?.downcast_ref()? {
            alert @ Error::AlertReceived(_) => Some(Self::from(Error::clone(alert))),
            broken @ Error::InvalidMessage(_) if is_refusal(heard) => {
                let reason = TlsReason::LeftTls { heard: first_line(heard).to_vec() };
                Some(Self::new(reason, broken.clone()))
            }
            _ => None,
        }
    }

    /// The stream was given up by an earlier handshake.
    pub(crate) const fn closed() -> Self {
        Self { reason: TlsReason::Closed, source: None }
    }

    pub(crate) fn already_secured() -> Self {
        Self::from(Error::General("TLS is spoken already".to_owned()))
    }

    /// The handshake was given up after so long.
    pub(crate) const fn timed_out(after: Duration) -> Self {
        Self { reason: TlsReason::TimedOut { after }, source: None }
    }

    pub(super) fn no_roots(error: Error) -> Self {
        Self::new(TlsReason::NoRoots, error)
    }

    fn new(reason: TlsReason, source: impl StdError + Send + Sync + 'static) -> Self {
        Self { reason, source: Some(Arc::new(source)) }
    }
}

impl From<Error> for TlsFault {
    fn from(error: Error) -> Self {
        Self::new(TlsReason::of(&error), error)
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)?;
        match (&self.reason, &self.source) {
            (TlsReason::Certificate | TlsReason::Io | TlsReason::Other, Some(source)) => {
                let said = source.to_string();
                write!(f, ": {}", Escaped::new(said.as_bytes()))
            }
            _ => Ok(()),
        }
    }
}

impl StdError for TlsFault {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Equal if they say the same.
impl PartialEq for TlsFault {
    fn eq(&self, other: &Self) -> bool {
        self.reason == other.reason && self.to_string() == other.to_string()
    }
}

impl Eq for TlsFault {}

/// The five content types of a TLS record (RFC 8446 §5.1, RFC 6520).
const fn is_record_type(octet: u8) -> bool {
    matches!(octet, 20..=24)
}

/// Whether it is how a refusal begins (RFC 5321 §4.2).
pub(super) const fn is_refusal(heard: &[u8]) -> bool {
    matches!(heard, [b'4' | b'5', b'0'..=b'9', b'0'..=b'9', b' ' | b'-' | b'\r' | b'\n', ..])
}

/// The version in a ServerHello, which is the first message of a server (RFC 5246 §7.4.1.3): where
/// it is 1.3, its field says 1.2. None for anything else.
fn old_version(heard: &[u8]) -> Option<&'static str> {
    match heard {
        [22, _, _, _, _, 2, _, _, _, 3, minor, ..] => match minor {
            0 => Some("SSL 3.0"),
            1 => Some("TLS 1.0"),
            2 => Some("TLS 1.1"),
            3 => Some("TLS 1.2"),
            _ => None,
        },
        _ => None,
    }
}

fn first_line(heard: &[u8]) -> &[u8] {
    let end = memchr::memchr2(b'\r', b'\n', heard).unwrap_or(heard.len());
    heard.get(..end).unwrap_or(heard)
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

#[cfg(test)]
mod tests {
    use super::*;

    use std::time::Duration;

    use tokio_rustls::rustls::pki_types::UnixTime;
    use tokio_rustls::rustls::{AlertDescription, CertificateError, InvalidMessage, OtherError};

    #[track_caller]
    fn says(error: impl Into<Error>, words: &str) {
        assert_eq!(TlsFault::from(error.into()).to_string(), words);
    }

    /// The verifiers of some platforms tell no details; these cannot be had by a handshake here.
    #[test]
    fn words_without_details() {
        says(CertificateError::Expired, "the server's certificate has expired");
        says(CertificateError::NotValidYet, "the server's certificate is not valid yet");
        says(CertificateError::NotValidForName, "the server's certificate is for another name");
        says(CertificateError::Revoked, "the server's certificate has been revoked by its issuer");
        says(
            CertificateError::BadEncoding,
            "the server's certificate was not accepted: invalid peer certificate: BadEncoding",
        );
        says(Error::NoCertificatesPresented, "the TLS handshake failed: peer sent no certificates");
        assert_eq!(
            TlsFault::no_roots(Error::General(String::new())).to_string(),
            "this system has no trusted root certificates: install them (the package is often \
             called ca-certificates) or give some"
        );
    }

    #[test]
    fn what_others_say_is_shown_escaped() {
        let hostile = OtherError(Arc::new(io::Error::other("\u{1b}[2J")));
        let words = TlsFault::from(Error::Other(hostile)).to_string();
        assert!(!words.contains('\u{1b}'), "{words}");
        says(
            CertificateError::NotValidForNameContext {
                expected: "mx.example".try_into().unwrap(),
                presented: vec![
                    "DnsName(\"a\u{1b}b\")".to_owned(),
                    "DirectoryName".to_owned(),
                    "IpAddress(192.0.2.1)".to_owned(),
                    "IpAddress(0::1)".to_owned(),
                ],
            },
            r"the server's certificate is not for mx.example but for a\x1bb, 192.0.2.1, ::1",
        );
    }

    #[test]
    fn a_broken_connection_is_not_a_closed_one() {
        let broken = io::Error::new(io::ErrorKind::HostUnreachable, "no route");
        let fault = TlsFault::of_handshake(broken, b"", None);
        assert_eq!(*fault.reason(), TlsReason::Io);
        assert_eq!(fault.to_string(), "the connection broke during the TLS handshake: no route");
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let fault = TlsFault::of_handshake(reset, b"\x16\x03", None);
        assert_eq!(*fault.reason(), TlsReason::Closed);
        assert!(fault.source().unwrap().is::<io::Error>());
    }

    #[test]
    fn last_words_in_clear_are_told_where_they_refuse() {
        let read = |error: Error, heard: &[u8]| {
            TlsFault::of_reading(&io::Error::new(io::ErrorKind::InvalidData, error), heard)
        };
        let broken = || Error::InvalidMessage(InvalidMessage::InvalidContentType);
        let fault = read(broken(), b"554-Too many \x1b[2Jerrors\r\n554 bye\r\n").unwrap();
        let heard = b"554-Too many \x1b[2Jerrors".to_vec();
        assert_eq!(*fault.reason(), TlsReason::LeftTls { heard });
        assert_eq!(
            fault.to_string(),
            r#"the server left TLS and said in clear "554-Too many \x1b[2Jerrors""#
        );
        for heard in [&b"250 ok\r\n"[..], b"5544 no", b"55", b"\x17\x03\x03", b""] {
            assert_eq!(read(broken(), heard), None, "{heard:?}");
        }
        assert_eq!(read(Error::DecryptError, b"554 no\r\n"), None, "those were records");
        let alert = Error::AlertReceived(AlertDescription::InternalError);
        let told = read(alert, b"554 no\r\n").unwrap().to_string();
        assert_eq!(told, "the server ended TLS: internal error");
        assert_eq!(TlsFault::of_reading(&io::Error::other("broken"), b"554 no"), None);
    }

    #[test]
    fn every_time_can_be_shown() {
        let error = CertificateError::ExpiredContext {
            time: UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX)),
            not_after: UnixTime::since_unix_epoch(Duration::ZERO),
        };
        assert!(!TlsFault::from(Error::from(error)).to_string().is_empty());
    }
}
