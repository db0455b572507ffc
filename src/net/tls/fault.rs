//! Why there is no TLS, or why a certificate was not believed, in words that whoever runs the
//! server or the client can act on. What rustls said is kept behind them.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

use super::Pin;
use super::utc::Utc;
use super::verify::Told;
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
            Some(tls) => match (TlsReason::of(tls), old_version(heard)) {
                (TlsReason::NoCommonVersion { .. }, chosen @ Some(_)) => {
                    Self::new(TlsReason::NoCommonVersion { chosen }, tls.clone())
                }
                _ => Self::from(tls.clone()),
            },
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

/// What is wrong, of a [`TlsFault`]. Times are seconds since 1970-01-01 00:00 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsReason {
    /// The certificate was valid until `not_after`; the clock here says `now`.
    #[non_exhaustive]
    Expired {
        /// Whose it is, where it is not the server's own but one in between; told with the feature
        /// `x509`.
        subject: Option<String>,
        /// The end of its validity, where the verifier tells.
        not_after: Option<u64>,
        /// When it was checked, by this machine's clock.
        now: Option<u64>,
    },
    /// The certificate becomes valid at `not_before`; the clock here says `now`.
    #[non_exhaustive]
    NotYetValid {
        /// Whose it is, where it is not the server's own but one in between; told with the feature
        /// `x509`.
        subject: Option<String>,
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
    #[non_exhaustive]
    UnknownIssuer {
        /// Who signed the last certificate of those that the server sent: raw, from a stranger.
        /// Told with the feature `x509`.
        issuer: Option<String>,
    },
    /// The certificate vouches for itself, and is not trusted.
    SelfSigned,
    /// The certificate is one of an authority, used as if it were a server's.
    IsAuthority,
    /// The certificate was withdrawn by its issuer.
    Revoked,
    /// A revocation list that was given is out of date.
    #[non_exhaustive]
    StaleRevocationList {
        /// By when its issuer promised another, where the verifier tells.
        next_update: Option<u64>,
        /// When it was looked at, by this machine's clock.
        now: Option<u64>,
    },
    /// The certificate has none of the pins that were given.
    #[non_exhaustive]
    NotPinned {
        /// The SHA-256 of the certificate.
        fingerprint: Option<Pin>,
        /// The SHA-256 of its public key.
        public_key: Option<Pin>,
    },
    /// The certificate was not accepted for another reason, which the source tells.
    Certificate,
    /// No version of TLS that both sides allow.
    #[non_exhaustive]
    NoCommonVersion {
        /// The one that the server chose, such as `TLS 1.0`, where it did.
        chosen: Option<&'static str>,
    },
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
    /// The handshake was not done in time.
    #[non_exhaustive]
    TimedOut {
        /// How long it was waited for.
        after: Duration,
    },
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
            ) => Self::NoCommonVersion { chosen: None },
            Error::AlertReceived(alert) => Self::Alert { name: spaced(&format!("{alert:?}")) },
            _ => Self::Other,
        }
    }

    pub(super) fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::ExpiredContext { time, not_after } => Self::Expired {
                subject: None,
                not_after: Some(not_after.as_secs()),
                now: Some(time.as_secs()),
            },
            CertificateError::Expired => {
                Self::Expired { subject: None, not_after: None, now: None }
            }
            CertificateError::NotValidYetContext { time, not_before } => Self::NotYetValid {
                subject: None,
                not_before: Some(not_before.as_secs()),
                now: Some(time.as_secs()),
            },
            CertificateError::NotValidYet => {
                Self::NotYetValid { subject: None, not_before: None, now: None }
            }
            CertificateError::NotValidForNameContext { expected, presented } => Self::WrongName {
                expected: Some(expected.to_str().into_owned()),
                presented: presented.iter().filter_map(|name| bare(name)).collect(),
            },
            CertificateError::NotValidForName => {
                Self::WrongName { expected: None, presented: Vec::new() }
            }
            CertificateError::UnknownIssuer => Self::UnknownIssuer { issuer: None },
            CertificateError::Revoked => Self::Revoked,
            CertificateError::ExpiredRevocationListContext { time, next_update } => {
                Self::StaleRevocationList {
                    next_update: Some(next_update.as_secs()),
                    now: Some(time.as_secs()),
                }
            }
            CertificateError::ExpiredRevocationList => {
                Self::StaleRevocationList { next_update: None, now: None }
            }
            CertificateError::Other(other) => {
                if let Some(told) = other.0.downcast_ref::<Told>() {
                    return told.reason.clone();
                }
                match other.0.downcast_ref() {
                    Some(webpki::Error::CaUsedAsEndEntity) => Self::IsAuthority,
                    _ => Self::Certificate,
                }
            }
            _ => Self::Certificate,
        }
    }
}

impl fmt::Display for TlsReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired { subject, not_after, now } => {
                whose(f, subject.as_deref())?;
                f.write_str(" has expired")?;
                if let Some(not_after) = not_after {
                    write!(f, ": it was valid until {}", Utc(*not_after))?;
                }
                clock(f, *now)
            }
            Self::NotYetValid { subject, not_before, now } => {
                whose(f, subject.as_deref())?;
                f.write_str(" is not valid yet")?;
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
                    "no application protocol" => {
                        " (it speaks none of the ALPN protocols asked for)"
                    }
                    "unrecognised name" => " (it does not go by the name it was asked for)",
                    _ => "",
                })
            }
            Self::UnknownIssuer { issuer } => {
                f.write_str("the issuer of the server's certificate")?;
                if let Some(issuer) = issuer {
                    write!(f, ", \"{}\",", Escaped::new(issuer.as_bytes()))?;
                }
                f.write_str(
                    " is not trusted here: its root certificate is missing here, or the server \
                     does not send the intermediate ones",
                )
            }
            Self::SelfSigned => f.write_str(
                "the server's certificate is self-signed and is not among the trusted roots",
            ),
            Self::IsAuthority => f.write_str(
                "the server's certificate is one of a certificate authority (CA:TRUE), as \
                 self-signed ones often are: it cannot stand for a server, even when trusted",
            ),
            Self::Revoked => f.write_str("the server's certificate has been revoked by its issuer"),
            Self::StaleRevocationList { next_update, now } => {
                f.write_str("the revocation list for the server's certificate is out of date")?;
                if let Some(next_update) = next_update {
                    write!(f, ": another was due by {}", Utc(*next_update))?;
                }
                clock(f, *now)
            }
            Self::NotPinned { fingerprint, public_key } => {
                f.write_str("the server's certificate is none of those that are pinned")?;
                if let Some(fingerprint) = fingerprint {
                    write!(f, ": its fingerprint is {fingerprint}")?;
                }
                match public_key {
                    Some(public_key) => write!(f, ", its public key is {public_key}"),
                    None => Ok(()),
                }
            }
            Self::Certificate => f.write_str("the server's certificate was not accepted"),
            Self::NoCommonVersion { chosen: None } => f.write_str(
                "the server speaks no version of TLS that is allowed here (1.2 and 1.3 by default)",
            ),
            Self::NoCommonVersion { chosen: Some(chosen) } => write!(
                f,
                "the server chose {chosen}, which is not allowed here (1.2 and 1.3 are, by default)"
            ),
            Self::TimedOut { after } => {
                write!(f, "the TLS handshake was not done within {after:?}")
            }
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

fn whose(f: &mut fmt::Formatter<'_>, subject: Option<&str>) -> fmt::Result {
    match subject {
        Some(subject) => {
            let subject = Escaped::new(subject.as_bytes());
            write!(f, "a certificate between the server's and its root, \"{subject}\",")
        }
        None => f.write_str("the server's certificate"),
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
    let ip = || {
        let ip = listed.strip_prefix("IpAddress(")?.strip_suffix(')')?;
        // It shortens IPv6 addresses in a way of its own.
        Some(ip.parse::<IpAddr>().map_or_else(|_| ip.to_owned(), |ip| ip.to_string()))
    };
    dns.map(str::to_owned).or_else(ip)
}

/// The five content types of a TLS record (RFC 8446 §5.1, RFC 6520).
const fn is_record_type(octet: u8) -> bool {
    matches!(octet, 20..=24)
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

/// As many names as fit on a screen's line or two; certificates of hosters list hundreds.
const NAMES_SHOWN: usize = 8;

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
                    "IpAddress(0::1)".to_owned(),
                ],
            },
            r"the server's certificate is not for mx.example but for a\x1bb, 192.0.2.1, ::1",
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
    fn every_time_can_be_shown() {
        let error = CertificateError::ExpiredContext {
            time: UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX)),
            not_after: UnixTime::since_unix_epoch(Duration::ZERO),
        };
        assert!(!TlsFault::from(Error::from(error)).to_string().is_empty());
    }
}
