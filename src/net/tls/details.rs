//! What is written in a certificate: names, issuer, validity (feature `x509`). Nothing here decides
//! whether it is to be believed.

use std::fmt;
use std::net::IpAddr;

use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::TlsReason;
use super::utc::Utc;
use crate::Escaped;

/// What is written in a certificate. All of it is raw, and from a stranger unless the certificate
/// was verified; `Display` escapes it.
///
/// `Display` reads `CN=mx.example, issued by CN=an authority, valid from 2020-01-01 00:00 UTC to
/// 2030-01-01 00:00 UTC, for mx.example`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateDetails {
    subject: String,
    issuer: String,
    serial: String,
    names: Vec<String>,
    not_before: u64,
    not_after: u64,
}

impl CertificateDetails {
    /// None where the octets are no certificate, or one of the version 1 that lives on in printers.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let certificate = certificate.tbs_certificate();
        let validity = certificate.validity();
        let names = match certificate.get_extension::<SubjectAltName>() {
            Ok(Some((_, names))) => names.0.iter().filter_map(name).collect(),
            _ => Vec::new(),
        };
        Some(Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            serial: certificate.serial_number().to_string(),
            names,
            not_before: validity.not_before.to_unix_duration().as_secs(),
            not_after: validity.not_after.to_unix_duration().as_secs(),
        })
    }

    /// Whose it is, as RFC 4514 writes it: `CN=mx.example,O=Example`. Often empty. The names that
    /// count for a server are [`names`](Self::names) alone (RFC 9525 §2).
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Who has signed it, written likewise.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Its serial number: octets in hexadecimal, with colons between them.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The host names and addresses that it is for.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// From when it is valid, in seconds since 1970-01-01 00:00 UTC.
    #[must_use]
    pub const fn not_before(&self) -> u64 {
        self.not_before
    }

    /// Until when it is valid, in seconds since 1970-01-01 00:00 UTC.
    #[must_use]
    pub const fn not_after(&self) -> u64 {
        self.not_after
    }
}

impl fmt::Display for CertificateDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = if self.subject.is_empty() { "(no subject)" } else { &self.subject };
        write!(
            f,
            "{}, issued by {}, valid from {} to {}",
            Escaped::new(subject.as_bytes()),
            Escaped::new(self.issuer.as_bytes()),
            Utc(self.not_before),
            Utc(self.not_after),
        )?;
        for (at, name) in self.names.iter().enumerate() {
            let before = if at == 0 { ", for " } else { ", " };
            write!(f, "{before}{}", Escaped::new(name.as_bytes()))?;
        }
        Ok(())
    }
}

/// A server's name; none for the other kinds.
fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(octets) => {
            let octets = octets.as_bytes();
            let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
            let ip = v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from));
            ip.ok().map(|ip| ip.to_string())
        }
        _ => None,
    }
}

/// Adds to a reason what the certificates say and the verifier did not: who issued them, which one
/// it is, and what verifiers of some platforms keep to themselves. None where there is nothing.
pub(super) fn explain(
    reason: &TlsReason,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Option<TlsReason> {
    let own = CertificateDetails::read(end_entity)?;
    let others = || intermediates.iter().filter_map(|der| CertificateDetails::read(der));
    let subject = |other: CertificateDetails| Some(other.subject);
    Some(match reason.clone() {
        TlsReason::UnknownIssuer { issuer: None } => {
            TlsReason::UnknownIssuer { issuer: Some(last_issuer(own, others().collect())) }
        }
        TlsReason::Expired { subject: None, not_after: Some(not_after), now }
            if own.not_after != not_after =>
        {
            let subject = others().find(|other| other.not_after == not_after).and_then(subject)?;
            TlsReason::Expired { subject: Some(subject), not_after: Some(not_after), now }
        }
        TlsReason::Expired { subject: None, not_after: None, now } => {
            TlsReason::Expired { subject: None, not_after: Some(own.not_after), now }
        }
        TlsReason::NotYetValid { subject: None, not_before: Some(not_before), now }
            if own.not_before != not_before =>
        {
            let subject =
                others().find(|other| other.not_before == not_before).and_then(subject)?;
            TlsReason::NotYetValid { subject: Some(subject), not_before: Some(not_before), now }
        }
        TlsReason::NotYetValid { subject: None, not_before: None, now } => {
            TlsReason::NotYetValid { subject: None, not_before: Some(own.not_before), now }
        }
        TlsReason::WrongName { expected, presented } if presented.is_empty() => {
            if own.names.is_empty() {
                return None;
            }
            TlsReason::WrongName { expected, presented: own.names }
        }
        _ => return None,
    })
}

/// The issuer at the end of what the server sent, in whatever order: the one that is missed.
fn last_issuer(own: CertificateDetails, mut others: Vec<CertificateDetails>) -> String {
    let mut issuer = own.issuer;
    while let Some(at) = others.iter().position(|other| other.subject == issuer) {
        issuer = others.swap_remove(at).issuer;
    }
    issuer
}
