//! Which certificate a server has to have: pins, by SHA-256 of the certificate or of its public
//! key. The provider of TLS does the hashing.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio_rustls::rustls::SupportedCipherSuite;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::crypto::hash::{Hash, HashAlgorithm};
use tokio_rustls::rustls::pki_types::CertificateDer;

/// The SHA-256 of a server's certificate, or of the public key in it: which server it has to be.
///
/// It reads and writes what other tools do: `sha256//` and Base64 for a public key (as curl's
/// `--pinnedpubkey` takes it; the hash is that of the SubjectPublicKeyInfo in DER), and 32 octets
/// in hexadecimal, colons between them or not, for a certificate (as `openssl x509 -fingerprint
/// -sha256` prints it, whose `sha256 Fingerprint=` may stay). A renewed certificate often keeps its
/// key, and so its pin by key.
///
/// ```
/// use ehlo::Pin;
///
/// let key: Pin = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".parse()?;
/// assert!(key.is_public_key());
/// let text = "E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:\
///             27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55";
/// assert_eq!(text.parse::<Pin>()?.to_string(), text);
/// # Ok::<(), ehlo::InvalidPin>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pin {
    is_public_key: bool,
    sha256: [u8; 32],
}

impl Pin {
    /// Of the whole certificate in DER: its fingerprint.
    #[must_use]
    pub const fn certificate(sha256: [u8; 32]) -> Self {
        Self { is_public_key: false, sha256 }
    }

    /// Of the public key: the SubjectPublicKeyInfo in DER (RFC 5280 §4.1).
    #[must_use]
    pub const fn public_key(sha256: [u8; 32]) -> Self {
        Self { is_public_key: true, sha256 }
    }

    /// Whether it is of the public key, and not of the whole certificate.
    #[must_use]
    pub const fn is_public_key(&self) -> bool {
        self.is_public_key
    }

    /// The hash.
    #[must_use]
    pub const fn sha256(&self) -> [u8; 32] {
        self.sha256
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_public_key {
            return write!(f, "{PUBLIC_KEY}{}", STANDARD.encode(self.sha256));
        }
        for (at, octet) in self.sha256.iter().enumerate() {
            let colon = if at == 0 { "" } else { ":" };
            write!(f, "{colon}{octet:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

impl FromStr for Pin {
    type Err = InvalidPin;

    fn from_str(text: &str) -> Result<Self, InvalidPin> {
        let invalid = InvalidPin(());
        if let Some(base64) = text.strip_prefix(PUBLIC_KEY) {
            let hash = STANDARD.decode(base64).map_err(|_| invalid)?;
            return hash.try_into().map(Self::public_key).map_err(|_| invalid);
        }
        let hexadecimal = match text.split_at_checked(FINGERPRINT.len()) {
            Some((start, rest)) if start.eq_ignore_ascii_case(FINGERPRINT) => rest,
            _ => text,
        };
        fingerprint(hexadecimal).map(Self::certificate).ok_or(invalid)
    }
}

/// 64 hexadecimal digits, with a colon between every two octets or between none.
fn fingerprint(text: &str) -> Option<[u8; 32]> {
    let text = text.as_bytes();
    let step = match text.len() {
        64 => 2,
        95 => 3,
        _ => return None,
    };
    let mut hash = [0; 32];
    for (octet, digits) in hash.iter_mut().zip(text.chunks(step)) {
        let (digits, colon) = digits.split_at_checked(2)?;
        if !matches!(colon, b"" | b":") || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        *octet = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(hash)
}

/// The text is no [`Pin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a pin is sha256// and the Base64 of a public key's SHA-256, or a certificate's SHA-256 \
     fingerprint: 32 octets in hexadecimal"
)]
pub struct InvalidPin(());

/// SHA-256 of whatever provider serves the handshake.
#[derive(Clone, Copy)]
pub(super) struct Sha256(&'static dyn Hash);

impl Sha256 {
    /// None where the provider, which a caller may have made, has no cipher suite with SHA-256.
    pub(super) fn of(provider: &CryptoProvider) -> Option<Self> {
        let mut hashes = provider.cipher_suites.iter().map(|suite| match suite {
            SupportedCipherSuite::Tls12(suite) => suite.common.hash_provider,
            SupportedCipherSuite::Tls13(suite) => suite.common.hash_provider,
        });
        hashes.find(|hash| hash.algorithm() == HashAlgorithm::SHA256).map(Self)
    }

    pub(super) fn certificate(self, der: &[u8]) -> Option<Pin> {
        self.hash(der).map(Pin::certificate)
    }

    /// None where the certificate cannot be read.
    pub(super) fn public_key(self, certificate: &CertificateDer<'_>) -> Option<Pin> {
        let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
        self.hash(&certificate.subject_public_key_info()).map(Pin::public_key)
    }

    fn hash(self, octets: &[u8]) -> Option<[u8; 32]> {
        self.0.hash(octets).as_ref().try_into().ok()
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sha256")
    }
}

const PUBLIC_KEY: &str = "sha256//";

const FINGERPRINT: &str = "sha256 Fingerprint=";

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_written_is_read(hash: [u8; 32]) {
            for pin in [Pin::certificate(hash), Pin::public_key(hash)] {
                prop_assert_eq!(pin.to_string().parse(), Ok(pin));
                prop_assert_eq!(pin.sha256(), hash);
            }
            let written = Pin::certificate(hash).to_string();
            for text in [
                written.replace(':', ""),
                written.to_lowercase(),
                format!("SHA256 Fingerprint={written}"),
                format!("sha256 Fingerprint={written}"),
            ] {
                prop_assert_eq!(text.parse(), Ok(Pin::certificate(hash)));
            }
        }

        #[test]
        fn nothing_makes_it_panic(text in "(sha256//)?[0-9A-Fa-f:é+]{0,100}") {
            let _ = text.parse::<Pin>();
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        let hash = "00".repeat(32);
        for text in [
            "",
            "sha256//",
            "sha256//AAAA",
            "sha1//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            &hash[2..],
            &format!("{hash}00"),
            &format!("+1{}", &hash[2..]),
            &format!("{}0-", "00:".repeat(31)),
            &"00-".repeat(32)[..95],
            &format!("{}:", "00:".repeat(31)),
        ] {
            assert_eq!(
                text.parse::<Pin>().unwrap_err().to_string(),
                "a pin is sha256// and the Base64 of a public key's SHA-256, or a certificate's \
                 SHA-256 fingerprint: 32 octets in hexadecimal",
                "{text}"
            );
        }
    }
}
