//! Why there is no TLS, or why a certificate was not believed, in words that whoever runs the
//! server or the client can act on. What rustls said is kept behind them.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

use super::verify::SelfSigned;
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

    /// Explains what a handshake ended with. `heard` are the first octets that the server sent.
    pub(super) fn of_handshake(error: io::Error, heard: &[u8]) -> Self {
        if heard.first().is_some_and(|octet| !is_record_type(*octet)) {
            let reason = TlsReason::NotTls { heard: first_line(heard).to_vec() };
            return Self::new(reason, error);
        }
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(tls) => Self::from(tls.clone()),
            None if is_closing(error.kind()) => Self::new(TlsReason::Closed, error),
            None => Self::new(TlsReason::Io, error),
        }
    }

    /// The stream was given up by an earlier handshake.
    pub(crate) const fn closed() -> Self {
        Self { reason: TlsReason::Closed, source: None }
    }

    pub(crate) fn already_secured() -> Self {
        Self::from(Error::General("TLS is spoken already".to_owned()))
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

/// What is wrong, of a [`TlsFault`]. Times are seconds since 1970-01-01 00:00 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsReason {
    /// The certificate was valid until `not_after`; the clock here says `now`.
    #[non_exhaustive]
    Expired {
        /// The end of its validity, where the verifier tells.
        not_after: Option<u64>,
        /// When it was checked, by this machine's clock.
        now: Option<u64>,
    },
    /// The certificate becomes valid at `not_before`; the clock here says `now`.
    #[non_exhaustive]
    NotYetValid {
        /// The start of its validity, where the verifier tells.
        not_before: Option<u64>,
        /// When it was checked, by this machine's clock.
        now: Option<u64>,
    },
    /// The certificate is somebody else's.
    #[non_exhaustive]
    WrongName {
        /// The name that was asked for, where the verifier tells.
        expected: Option<String>,
        /// Names and addresses that the certificate has: raw, from a stranger.
        presented: Vec<String>,
    },
    /// No trusted authority vouches for the certificate.
    UnknownIssuer,
    /// The certificate vouches for itself, and is not trusted.
    SelfSigned,
    /// The certificate is one of an authority, used as if it were a server's.
    IsAuthority,
    /// The certificate was withdrawn by its issuer.
    Revoked,
    /// The certificate was not accepted for another reason, which the source tells.
    Certificate,
    /// No version of TLS that both sides allow.
    NoCommonVersion,
    /// The server sent something else than TLS.
    #[non_exhaustive]
    NotTls {
        /// The start of what it sent, at most one line: raw, from a stranger.
        heard: Vec<u8>,
    },
    /// The server ended the handshake with this alert, named as in RFC 8446 §6.2 but for spaces.
    #[non_exhaustive]
    Alert {
        /// Such as `handshake failure`.
        name: String,
    },
    /// The connection was closed during the handshake.
    Closed,
    /// The connection broke during the handshake, which the source tells.
    Io,
    /// This system has no trusted root certificates.
    NoRoots,
    /// Anything else, which the source tells.
    Other,
}

impl TlsReason {
    fn of(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(error) => Self::of_certificate(error),
            Error::AlertReceived(AlertDescription::ProtocolVersion)
            | Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled,
            ) => Self::NoCommonVersion,
            Error::AlertReceived(alert) => Self::Alert { name: spaced(&format!("{alert:?}")) },
            _ => Self::Other,
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::ExpiredContext { time, not_after } => {
                Self::Expired { not_after: Some(not_after.as_secs()), now: Some(time.as_secs()) }
            }
            CertificateError::Expired => Self::Expired { not_after: None, now: None },
            CertificateError::NotValidYetContext { time, not_before } => Self::NotYetValid {
                not_before: Some(not_before.as_secs()),
                now: Some(time.as_secs()),
            },
            CertificateError::NotValidYet => Self::NotYetValid { not_before: None, now: None },
            CertificateError::NotValidForNameContext { expected, presented } => Self::WrongName {
                expected: Some(expected.to_str().into_owned()),
                presented: presented.iter().filter_map(|name| bare(name)).collect(),
            },
            CertificateError::NotValidForName => {
                Self::WrongName { expected: None, presented: Vec::new() }
            }
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::Revoked => Self::Revoked,
            CertificateError::Other(other) if other.0.is::<SelfSigned>() => Self::SelfSigned,
            CertificateError::Other(other) => match other.0.downcast_ref() {
                Some(webpki::Error::CaUsedAsEndEntity) => Self::IsAuthority,
                _ => Self::Certificate,
            },
            _ => Self::Certificate,
        }
    }
}

impl fmt::Display for TlsReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired { not_after, now } => {
                f.write_str("the server's certificate has expired")?;
                if let Some(not_after) = not_after {
                    write!(f, ": it was valid until {}", Utc(*not_after))?;
                }
                clock(f, *now)
            }
            Self::NotYetValid { not_before, now } => {
                f.write_str("the server's certificate is not valid yet")?;
                if let Some(not_before) = not_before {
                    write!(f, ": it will be from {}", Utc(*not_before))?;
                }
                clock(f, *now)
            }
            Self::WrongName { expected, presented } => {
                wrong_name(f, expected.as_deref(), presented)
            }
            Self::NotTls { heard } => {
                write!(
                    f,
                    "the server did not answer with TLS: it sent \"{}\"",
                    Escaped::new(heard)
                )?;
                f.write_str(what_it_may_be(heard))
            }
            Self::Alert { name } => {
                write!(f, "the server ended the TLS handshake: {name}")?;
                f.write_str(match name.as_str() {
                    "handshake failure" => " (often: no cipher suite in common)",
                    "certificate required" => " (it wants a client certificate)",
                    "unrecognised name" => " (it does not go by the name it was asked for)",
                    _ => "",
                })
            }
            Self::UnknownIssuer => f.write_str(
                "the issuer of the server's certificate is not trusted here: its root certificate \
                 is missing here, or the server does not send the intermediate ones",
            ),
            Self::SelfSigned => f.write_str(
                "the server's certificate is self-signed and is not among the trusted roots",
            ),
            Self::IsAuthority => f.write_str(
                "the server's certificate is one of a certificate authority (CA:TRUE), as \
                 self-signed ones often are: it cannot stand for a server, even when trusted",
            ),
            Self::Revoked => f.write_str("the server's certificate has been revoked by its issuer"),
            Self::Certificate => f.write_str("the server's certificate was not accepted"),
            Self::NoCommonVersion => f.write_str(
                "the server speaks no version of TLS that is allowed here (1.2 and 1.3 by default)",
            ),
            Self::Closed => {
                f.write_str("the server closed the connection during the TLS handshake")
            }
            Self::Io => f.write_str("the connection broke during the TLS handshake"),
            Self::NoRoots => f.write_str(
                "this system has no trusted root certificates: install them (the package is often \
                 called ca-certificates) or give some",
            ),
            Self::Other => f.write_str("the TLS handshake failed"),
        }
    }
}

/// Both ends of a dispute over time are shown: as often it is the client's clock that is wrong.
fn clock(f: &mut fmt::Formatter<'_>, now: Option<u64>) -> fmt::Result {
    match now {
        Some(now) => write!(f, " (the clock here says {})", Utc(now)),
        None => Ok(()),
    }
}

fn wrong_name(
    f: &mut fmt::Formatter<'_>,
    expected: Option<&str>,
    presented: &[String],
) -> fmt::Result {
    let Some(expected) = expected else {
        return f.write_str("the server's certificate is for another name");
    };
    let expected = Escaped::new(expected.as_bytes());
    if presented.is_empty() {
        return write!(
            f,
            "the server's certificate is not for {expected}: it has no name at all (a common \
             name does not count)"
        );
    }
    write!(f, "the server's certificate is not for {expected} but for ")?;
    for (at, name) in presented.iter().take(NAMES_SHOWN).enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        write!(f, "{comma}{}", Escaped::new(name.as_bytes()))?;
    }
    match presented.len().saturating_sub(NAMES_SHOWN) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}

/// A name as webpki lists it, `DnsName("mx.example")` or `IpAddress(192.0.2.1)`, without the
/// listing's dress; none for kinds that are not a server's name.
fn bare(listed: &str) -> Option<String> {
    let dns = listed.strip_prefix("DnsName(\"").and_then(|rest| rest.strip_suffix("\")"));
    let ip = || listed.strip_prefix("IpAddress(")?.strip_suffix(')');
    dns.or_else(ip).map(str::to_owned)
}

/// The five content types of a TLS record (RFC 8446 §5.1, RFC 6520).
const fn is_record_type(octet: u8) -> bool {
    matches!(octet, 20..=24)
}

fn first_line(heard: &[u8]) -> &[u8] {
    let end = memchr::memchr2(b'\r', b'\n', heard).unwrap_or(heard.len());
    heard.get(..end).unwrap_or(heard)
}

fn what_it_may_be(heard: &[u8]) -> &'static str {
    if heard.starts_with(b"220") || heard.starts_with(b"554") || heard.starts_with(b"421") {
        ", a greeting of SMTP in clear; TLS may be had there by STARTTLS"
    } else if heard.starts_with(b"HTTP/") {
        ", as an HTTP server does"
    } else if heard.starts_with(b"SSH-") {
        ", as an SSH server does"
    } else if heard.starts_with(b"* OK") {
        ", as an IMAP server does"
    } else if heard.starts_with(b"+OK") {
        ", as a POP3 server does"
    } else {
        ""
    }
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

/// `HandshakeFailure` as `handshake failure`.
fn spaced(camel: &str) -> String {
    let mut words = String::with_capacity(camel.len() + 4);
    for c in camel.chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

/// Seconds since 1970 as `2026-01-31 12:00 UTC`.
struct Utc(u64);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0 / DAY);
        let minutes = self.0 % DAY / 60;
        let (hour, minute) = (minutes / 60, minutes % 60);
        write!(f, "{year}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
    }
}

/// Days since 1970-01-01 in the Gregorian calendar. Years are counted from March, so that the leap
/// day comes last, and in cycles of 400 years, which all have as many days.
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days.saturating_add(DAYS_FROM_YEAR_0_TO_1970);
    let (cycle, day) = (days / DAYS_IN_CYCLE, days % DAYS_IN_CYCLE);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day + 2) / 153;
    let day = day - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year + 400 * cycle + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// As many names as fit on a screen's line or two; certificates of hosters list hundreds.
const NAMES_SHOWN: usize = 8;

const DAY: u64 = 24 * 60 * 60;

/// From 0000-03-01 to 1970-01-01.
const DAYS_FROM_YEAR_0_TO_1970: u64 = 719_468;

const DAYS_IN_CYCLE: u64 = 146_097;

#[cfg(test)]
mod tests {
    use super::*;

    use std::time::Duration;

    use tokio_rustls::rustls::OtherError;
    use tokio_rustls::rustls::pki_types::UnixTime;

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
                ],
            },
            r"the server's certificate is not for mx.example but for a\x1bb, 192.0.2.1",
        );
    }

    #[test]
    fn a_broken_connection_is_not_a_closed_one() {
        let broken = io::Error::new(io::ErrorKind::HostUnreachable, "no route");
        let fault = TlsFault::of_handshake(broken, b"");
        assert_eq!(*fault.reason(), TlsReason::Io);
        assert_eq!(fault.to_string(), "the connection broke during the TLS handshake: no route");
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let fault = TlsFault::of_handshake(reset, b"\x16\x03");
        assert_eq!(*fault.reason(), TlsReason::Closed);
        assert!(fault.source().unwrap().is::<io::Error>());
    }

    #[test]
    fn times_far_and_near() {
        for (seconds, shown) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
            (253_402_300_799, "9999-12-31 23:59 UTC"),
        ] {
            assert_eq!(Utc(seconds).to_string(), shown);
        }
        // Whatever number stands there, it can be shown.
        assert!(Utc(u64::MAX).to_string().ends_with(" UTC"));
        let error = CertificateError::ExpiredContext {
            time: UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX)),
            not_after: UnixTime::since_unix_epoch(Duration::ZERO),
        };
        assert!(!TlsFault::from(Error::from(error)).to_string().is_empty());
    }
}
