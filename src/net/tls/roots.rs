//! Certificates of authorities, read from what a caller has: PEM, DER, or a store of rustls.

use std::sync::Arc;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

/// Root certificates to trust in place of the platform's. Never empty.
///
/// ```
/// # #[cfg(feature = "testing")] {
/// let ca = rcgen::generate_simple_self_signed(["mx.example".to_owned()]).unwrap();
/// let roots = ehlo::RootCertificates::from_pem(ca.cert.pem().as_bytes())?;
/// # }
/// assert!(ehlo::RootCertificates::from_pem(b"no certificate").is_err());
/// # Ok::<(), ehlo::InvalidRoots>(())
/// ```
#[derive(Clone, Debug)]
pub struct RootCertificates(pub(super) Arc<RootCertStore>);

impl RootCertificates {
    /// From the text of a PEM file with one or more certificates; whatever else stands in it is
    /// passed over.
    ///
    /// # Errors
    ///
    /// When there is no certificate in it, or one that cannot be read.
    pub fn from_pem(pem: &[u8]) -> Result<Self, InvalidRoots> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let certificates = certificates.map_err(|_| InvalidRoots::Pem)?;
        Self::from_certificates(certificates)
    }

    /// From one or more certificates in DER.
    ///
    /// # Errors
    ///
    /// When there is none, or one that cannot be read.
    pub fn from_der<'a>(
        certificates: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, InvalidRoots> {
        let owned = |der: &[u8]| CertificateDer::from(der.to_vec());
        Self::from_certificates(certificates.into_iter().map(owned))
    }

    fn from_certificates(
        certificates: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Result<Self, InvalidRoots> {
        let mut store = RootCertStore::empty();
        for (at, certificate) in certificates.into_iter().enumerate() {
            store.add(certificate).map_err(|_| InvalidRoots::Certificate { number: at + 1 })?;
        }
        Self::try_from(store)
    }
}

impl TryFrom<RootCertStore> for RootCertificates {
    type Error = InvalidRoots;

    fn try_from(store: RootCertStore) -> Result<Self, InvalidRoots> {
        if store.is_empty() {
            return Err(InvalidRoots::Empty);
        }
        Ok(Self(Arc::new(store)))
    }
}

/// Root certificates that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRoots {
    /// There is no certificate.
    #[error("no certificate found")]
    Empty,
    /// The text is not PEM.
    #[error("not a PEM file, or cut off")]
    Pem,
    /// A certificate cannot be read.
    #[error("certificate {number} cannot be read")]
    #[non_exhaustive]
    Certificate {
        /// Which one, counted from 1.
        number: usize,
    },
}
