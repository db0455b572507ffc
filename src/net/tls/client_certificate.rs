//! What a client shows of itself where a server asks: its certificate, and the key to it.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{Error, InconsistentKeys};
use zeroize::Zeroize as _;

use super::options::InvalidTlsOptions;

/// A client's certificate and its key, shown to servers that ask for one. What AUTH EXTERNAL
/// relies on.
///
/// `Debug` shows no key, and what is kept of it here is wiped in the end.
///
/// ```
/// # #[cfg(feature = "testing")] {
/// use ehlo::ClientCertificate;
///
/// let made = rcgen::generate_simple_self_signed(["client.example".to_owned()]).unwrap();
/// let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
/// let certificate = ClientCertificate::from_pem(chain.as_bytes(), key.as_bytes())?;
/// let connector = ehlo::Connector::new("mx.example").client_certificate(certificate);
/// # }
/// # Ok::<(), ehlo::InvalidClientCertificate>(())
/// ```
#[derive(Clone)]
pub struct ClientCertificate(Arc<Pair>);

struct Pair {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl ClientCertificate {
    /// From PEM: the certificate followed by the intermediate ones, and the key in PKCS #8, PKCS #1
    /// or SEC 1, not encrypted. Both may be the same text; whatever else stands in it is passed
    /// over. Whether the key belongs to the certificate is told by
    /// [`connect`](crate::Connector::connect).
    ///
    /// # Errors
    ///
    /// When there is no certificate, or no key that can be read.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, InvalidClientCertificate> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.map_err(|_| InvalidClientCertificate::Pem)?;
        if chain.is_empty() {
            return Err(InvalidClientCertificate::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
            let is_encrypted = memchr::memmem::find(key, b"ENCRYPTED").is_some();
            if is_encrypted {
                InvalidClientCertificate::EncryptedKey
            } else {
                InvalidClientCertificate::NoKey
            }
        })?;
        Ok(Self(Arc::new(Pair { chain, key })))
    }

    /// # Errors
    ///
    /// When the provider cannot use the key, or it is not the certificate's.
    pub(super) fn resolver(
        &self,
        provider: &CryptoProvider,
    ) -> Result<Arc<SingleCertAndKey>, InvalidTlsOptions> {
        let invalid = InvalidTlsOptions::ClientCertificate;
        let key = provider.key_provider.load_private_key(self.0.key.clone_key());
        let key = key.map_err(|_| invalid("the key is of a kind that cannot be used"))?;
        let certified = CertifiedKey::new(self.0.chain.clone(), key);
        match certified.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(_)) => {
                return Err(invalid("the key is not the certificate's"));
            }
            Err(_) => return Err(invalid("the certificate cannot be read")),
        }
        Ok(Arc::new(SingleCertAndKey::from(certified)))
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificate(..)")
    }
}

/// A client's certificate or key that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidClientCertificate {
    /// There is no certificate.
    #[error("no certificate found")]
    NoCertificate,
    /// The text of the certificates is not PEM.
    #[error("not a PEM file, or cut off")]
    Pem,
    /// There is no private key.
    #[error("no private key found")]
    NoKey,
    /// The private key is encrypted.
    #[error("the private key is encrypted: give it without its passphrase")]
    EncryptedKey,
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

    use super::*;

    #[test]
    fn what_is_no_certificate_with_a_key_is_refused_in_words() {
        let made = rcgen::generate_simple_self_signed(["c.example".to_owned()]).unwrap();
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let encrypted = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
        for (chain, key, words) in [
            ("", key.as_str(), "no certificate found"),
            (&key, &key, "no certificate found"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n", &key, "not a PEM file, or cut off"),
            (&chain, "", "no private key found"),
            (&chain, &chain, "no private key found"),
            (&chain, &encrypted, "the private key is encrypted: give it without its passphrase"),
        ] {
            let fault = ClientCertificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap_err();
            assert_eq!(fault.to_string(), words);
        }
        let both = format!("{key}{chain}");
        let read = ClientCertificate::from_pem(both.as_bytes(), both.as_bytes()).unwrap();
        assert_eq!(format!("{read:?}"), "ClientCertificate(..)");
    }

    #[test]
    fn a_key_that_does_not_fit_is_told() {
        let made = |name: &str| rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let (one, two) = (made("one.example"), made("two.example"));
        let provider = super::super::options::provider(None).unwrap();
        let words = |chain: &str, key: &str| {
            let read = ClientCertificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
            read.resolver(&provider).map(|_| ()).map_err(|fault| fault.to_string())
        };
        let key = one.signing_key.serialize_pem();
        assert_eq!(words(&one.cert.pem(), &key), Ok(()));
        assert_eq!(
            words(&two.cert.pem(), &key).unwrap_err(),
            "the client certificate cannot be used: the key is not the certificate's"
        );
        let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(
            words(nonsense, &key).unwrap_err(),
            "the client certificate cannot be used: the certificate cannot be read"
        );
        let nonsense = nonsense.replace("CERTIFICATE", "PRIVATE KEY");
        assert_eq!(
            words(&one.cert.pem(), &nonsense).unwrap_err(),
            "the client certificate cannot be used: the key is of a kind that cannot be used"
        );
    }
}
