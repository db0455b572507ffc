//! Lists of certificates that their issuers have withdrawn (RFC 5280 §5), read from what a caller
//! has. Fetching them is the caller's.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::CertificateRevocationListDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

/// Lists of revoked certificates, to be looked at beside the roots that are given
/// ([`Connector::roots`](crate::Connector::roots)). Never empty.
///
/// A list counts for the certificates of its issuer, intermediate ones too, and until it is to be
/// updated: after that it is an error. A certificate of which no list tells counts as not revoked.
#[derive(Clone)]
pub struct RevocationLists(pub(super) Arc<[CertificateRevocationListDer<'static>]>);

impl RevocationLists {
    /// From the text of a PEM file with one or more lists (`X509 CRL`); whatever else stands in it
    /// is passed over.
    ///
    /// # Errors
    ///
    /// When there is no list in it, or one that cannot be read.
    pub fn from_pem(pem: &[u8]) -> Result<Self, InvalidRevocationLists> {
        let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(pem).collect();
        Self::from_lists(lists.map_err(|_| InvalidRevocationLists::Pem)?)
    }

    /// From one or more lists in DER, which is how authorities publish them.
    ///
    /// # Errors
    ///
    /// When there is none, or one that cannot be read.
    pub fn from_der<'a>(
        lists: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, InvalidRevocationLists> {
        let owned = |der: &[u8]| CertificateRevocationListDer::from(der.to_vec());
        Self::from_lists(lists.into_iter().map(owned).collect())
    }

    fn from_lists(
        lists: Vec<CertificateRevocationListDer<'static>>,
    ) -> Result<Self, InvalidRevocationLists> {
        for (at, list) in lists.iter().enumerate() {
            webpki::OwnedCertRevocationList::from_der(list)
                .map_err(|_| InvalidRevocationLists::List { number: at + 1 })?;
        }
        if lists.is_empty() {
            return Err(InvalidRevocationLists::Empty);
        }
        Ok(Self(lists.into()))
    }
}

impl fmt::Debug for RevocationLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RevocationLists({})", self.0.len())
    }
}

/// Revocation lists that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRevocationLists {
    /// There is no list.
    #[error("no revocation list found")]
    Empty,
    /// The text is not PEM.
    #[error("not a PEM file, or cut off")]
    Pem,
    /// A list cannot be read.
    #[error("revocation list {number} cannot be read")]
    #[non_exhaustive]
    List {
        /// Which one, counted from 1.
        number: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_list_is_refused_in_words() {
        for (pem, words) in [
            ("", "no revocation list found"),
            ("-----BEGIN X509 CRL-----\nAAAA\n", "not a PEM file, or cut off"),
            (
                "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
                "revocation list 1 cannot be read",
            ),
        ] {
            assert_eq!(RevocationLists::from_pem(pem.as_bytes()).unwrap_err().to_string(), words);
        }
        assert_eq!(RevocationLists::from_der([]).unwrap_err(), InvalidRevocationLists::Empty);
    }
}
