//! A certificate that a server has shown: its octets and their hashes. What is written in it is
//! read by `details`.

use std::fmt;

use tokio_rustls::rustls::pki_types::CertificateDer;

use super::Pin;
use super::pin::Sha256;

/// A certificate that a server has shown, whether it is believed or not.
///
/// With the feature `x509` its `details` say whose it is, by whom, and for how long.
#[derive(Clone)]
pub struct PeerCertificate {
    der: CertificateDer<'static>,
    sha256: Option<Sha256>,
}

impl PeerCertificate {
    pub(super) fn new(der: &CertificateDer<'_>, sha256: Option<Sha256>) -> Self {
        Self { der: der.clone().into_owned(), sha256 }
    }

    /// The whole certificate in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The SHA-256 of the certificate; none where a given `ClientConfig` has no SHA-256.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Pin> {
        self.sha256?.certificate(&self.der)
    }

    /// The SHA-256 of its public key; none where the certificate cannot be read, too.
    #[must_use]
    pub fn public_key(&self) -> Option<Pin> {
        self.sha256?.public_key(&self.der)
    }

    /// What is written in it; none where it cannot be read.
    #[cfg(feature = "x509")]
    #[must_use]
    pub fn details(&self) -> Option<super::CertificateDetails> {
        super::CertificateDetails::read(&self.der)
    }

    /// Whether this pin is one of it.
    pub(super) fn has(&self, pin: &Pin) -> bool {
        let own = if pin.is_public_key() { self.public_key() } else { self.fingerprint() };
        own.as_ref() == Some(pin)
    }
}

impl fmt::Debug for PeerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PeerCertificate").field(&self.fingerprint()).finish()
    }
}
