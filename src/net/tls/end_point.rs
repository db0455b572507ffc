//! `tls-server-end-point` (RFC 5929 §4.1): the hash of a certificate, by the hash of its own
//! signature. Of the certificate no more is read than which one that is.
//!
//! ```text
//! Certificate ::= SEQUENCE { tbsCertificate SEQUENCE, signatureAlgorithm SEQUENCE { OID … }, … }
//! ```

use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::auth::ChannelBinding;

/// None where the signature has no hash of its own (Ed25519), or one that is not known here.
pub(super) fn end_point(certificate: &[u8]) -> Option<ChannelBinding> {
    let (_, certificate_body, _) = element(certificate)?;
    let (_, _, behind_tbs) = element(certificate_body)?;
    let (SEQUENCE, algorithm, _) = element(behind_tbs)? else { return None };
    let (OBJECT_IDENTIFIER, identifier, _) = element(algorithm)? else { return None };
    let hash = match identifier {
        // What is broken counts as SHA-256.
        MD5_RSA | SHA1_RSA | SHA1_ECDSA | SHA256_RSA | SHA256_ECDSA => {
            Sha256::digest(certificate).to_vec()
        }
        SHA384_RSA | SHA384_ECDSA => Sha384::digest(certificate).to_vec(),
        SHA512_RSA | SHA512_ECDSA => Sha512::digest(certificate).to_vec(),
        _ => return None,
    };
    Some(ChannelBinding::tls_server_end_point(hash))
}

/// The first element of DER: its tag, what it holds, and what is after it.
fn element(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = octets.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        // No certificate is as long as three octets can say.
        0x81..=0x83 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)), rest)
        }
        _ => return None,
    };
    let (body, behind) = rest.split_at_checked(length)?;
    Some((*tag, body, behind))
}

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;

// 1.2.840.113549.1.1 (RFC 8017) and 1.2.840.10045.4 (RFC 5758).
const MD5_RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04";
const SHA1_RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05";
const SHA256_RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b";
const SHA384_RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c";
const SHA512_RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d";
const SHA1_ECDSA: &[u8] = b"\x2a\x86\x48\xce\x3d\x04\x01";
const SHA256_ECDSA: &[u8] = b"\x2a\x86\x48\xce\x3d\x04\x03\x02";
const SHA384_ECDSA: &[u8] = b"\x2a\x86\x48\xce\x3d\x04\x03\x03";
const SHA512_ECDSA: &[u8] = b"\x2a\x86\x48\xce\x3d\x04\x03\x04";

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests {
    use rcgen::{
        CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
        PKCS_RSA_SHA256, PKCS_RSA_SHA384, PKCS_RSA_SHA512, SignatureAlgorithm,
    };

    use super::*;

    fn certificate(algorithm: &'static SignatureAlgorithm) -> Vec<u8> {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let params = CertificateParams::new(["mx.example".to_owned()]).unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn c_148_the_hash_is_that_of_the_certificates_signature() {
        let hash_of = |algorithm| {
            let certificate = certificate(algorithm);
            let binding = end_point(&certificate).unwrap();
            assert_eq!(binding.name(), "tls-server-end-point");
            (binding.octets().to_vec(), certificate)
        };
        for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_RSA_SHA256] {
            let (hash, certificate) = hash_of(algorithm);
            assert_eq!(hash, Sha256::digest(certificate).to_vec());
        }
        for algorithm in [&PKCS_ECDSA_P384_SHA384, &PKCS_RSA_SHA384] {
            let (hash, certificate) = hash_of(algorithm);
            assert_eq!(hash, Sha384::digest(certificate).to_vec());
        }
        let (hash, certificate) = hash_of(&PKCS_RSA_SHA512);
        assert_eq!(hash, Sha512::digest(certificate).to_vec());
    }

    #[test]
    fn c_148_what_has_no_hash_of_its_own_binds_nothing() {
        assert_eq!(end_point(&certificate(&PKCS_ED25519)), None);
    }

    #[test]
    fn what_is_cut_short_binds_nothing() {
        let certificate = certificate(&PKCS_ECDSA_P256_SHA256);
        for length in 0..certificate.len() {
            assert_eq!(end_point(&certificate[..length]), None, "{length}");
        }
        for odd in [&b"\x30\x80\x00"[..], b"\x30\x84\x00\x00\x00\x01\x00", b"\x30\x00"] {
            assert_eq!(end_point(odd), None, "{odd:?}");
        }
    }
}
