//! What is wrong with a server's TLS, for programs, and in words that whoever runs the server or
//! the client can act on.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

use super::utc::Utc;
use super::verify::Told;
use super::{Pin, TlsVersion};
use crate::Escaped;

/// What is wrong, of a [`TlsFault`](super::TlsFault). Times are seconds since 1970-01-01 00:00 UTC.
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
        /// The oldest that is allowed here; none where a whole configuration was given.
        minimum: Option<TlsVersion>,
    },
    /// The server sent something else than TLS.
    #[non_exhaustive]
    NotTls {
        /// The start of what it sent, at most one line: raw, from a stranger.
        heard: Vec<u8>,
    },
    /// The server ended TLS with this alert, in the handshake or after it, named as in RFC 8446
    /// §6.2 but for spaces.
    #[non_exhaustive]
    Alert {
        /// Such as `handshake failure`.
        name: String,
    },
    /// The server stopped speaking TLS after the handshake, and said in clear why: so do servers
    /// that have had enough. Anybody on the way could have said it.
    #[non_exhaustive]
    LeftTls {
        /// The start of what it said, a refusal, at most one line: raw.
        heard: Vec<u8>,
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
    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(error) => Self::of_certificate(error),
            Error::AlertReceived(AlertDescription::ProtocolVersion)
            | Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled,
            ) => Self::NoCommonVersion { chosen: None, minimum: None },
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
                write!(f, "the server ended TLS: {name}")?;
                f.write_str(match name.as_str() {
                    "handshake failure" => " (often: no cipher suite in common)",
                    "certificate required" => " (it wants a client certificate)",
                    "no application protocol" => {
                        " (it speaks none of the ALPN protocols asked for)"
                    }
                    "unrecognised name" => " (it does not go by the name it was asked for)",
                    // A server speaks of the client's certificate.
                    "unknown ca" => " (it does not trust the issuer of this client's certificate)",
                    "bad certificate"
                    | "unsupported certificate"
                    | "certificate revoked"
                    | "certificate expired"
                    | "certificate unknown" => " (of this client)",
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
            Self::NoCommonVersion { chosen, minimum } => {
                match chosen {
                    None => f.write_str("the server speaks no version of TLS that is allowed here"),
                    Some(chosen) => {
                        write!(f, "the server chose {chosen}, which is not allowed here")
                    }
                }?;
                f.write_str(match minimum {
                    None => "",
                    Some(TlsVersion::Tls12) => " (1.2 and 1.3 are)",
                    Some(TlsVersion::Tls13) => " (1.3 alone is)",
                })
            }
            Self::LeftTls { heard } => {
                write!(f, "the server left TLS and said in clear \"{}\"", Escaped::new(heard))
            }
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

/// `HandshakeFailure` as `handshake failure`, `UnknownPSKIdentity` as `unknown psk identity`.
fn spaced(camel: &str) -> String {
    let mut words = String::with_capacity(camel.len() + 4);
    let mut chars = camel.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        let begins =
            before.is_ascii_lowercase() || chars.peek().is_some_and(char::is_ascii_lowercase);
        if c.is_ascii_uppercase() && begins && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
        before = c;
    }
    words
}

/// As many names as fit on a screen's line or two; certificates of hosters list hundreds.
const NAMES_SHOWN: usize = 8;
