//! The hashes of SCRAM, and what is made of a password with them (RFC 5802 §3). All that comes of
//! one is wiped when dropped.

use hmac::digest::array::{Array, ArraySize};
use hmac::digest::{Digest, FixedOutput as _};
use hmac::{EagerHash, Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use zeroize::Zeroize as _;

use crate::wire::Secret;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

/// What a password comes down to, with a salt and a number of iterations.
pub(crate) struct Keys {
    hash: Hash,
    client: Secret,
    server: Secret,
}

impl Hash {
    /// The hash of `SCRAM-SHA-256-PLUS` and its like.
    pub(crate) fn of(mechanism: &str) -> Option<Self> {
        match mechanism.strip_suffix("-PLUS").unwrap_or(mechanism) {
            "SCRAM-SHA-1" => Some(Self::Sha1),
            "SCRAM-SHA-256" => Some(Self::Sha256),
            "SCRAM-SHA-512" => Some(Self::Sha512),
            _ => None,
        }
    }

    pub(crate) fn keys(self, password: &[u8], salt: &[u8], iterations: u32) -> Keys {
        let salted = match self {
            Self::Sha1 => pbkdf2::<Sha1>(password, salt, iterations),
            Self::Sha256 => pbkdf2::<Sha256>(password, salt, iterations),
            Self::Sha512 => pbkdf2::<Sha512>(password, salt, iterations),
        };
        let key = |name: &[u8]| self.hmac(salted.expose(), name);
        Keys { hash: self, client: key(b"Client Key"), server: key(b"Server Key") }
    }

    fn digest(self, octets: &[u8]) -> Secret {
        match self {
            Self::Sha1 => digest::<Sha1>(octets),
            Self::Sha256 => digest::<Sha256>(octets),
            Self::Sha512 => digest::<Sha512>(octets),
        }
    }

    fn hmac(self, key: &[u8], octets: &[u8]) -> Secret {
        match self {
            Self::Sha1 => hmac::<Sha1>(key, octets),
            Self::Sha256 => hmac::<Sha256>(key, octets),
            Self::Sha512 => hmac::<Sha512>(key, octets),
        }
    }
}

impl Keys {
    /// What shows that the client knows the password: good for this dialogue alone.
    pub(crate) fn proof(&self, dialogue: &[u8]) -> Secret {
        let stored = self.hash.digest(self.client.expose());
        let signature = self.hash.hmac(stored.expose(), dialogue);
        let pairs = self.client.expose().iter().zip(signature.expose());
        Secret::from(pairs.map(|(key, signed)| key ^ signed).collect::<Vec<_>>())
    }

    /// What shows that the server knows it too.
    pub(crate) fn signature(&self, dialogue: &[u8]) -> Secret {
        self.hash.hmac(self.server.expose(), dialogue)
    }
}

pub(crate) fn hmac<D: EagerHash>(key: &[u8], octets: &[u8]) -> Secret {
    let mut mac = Hmac::<D>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(octets);
    secret(mac.finalize_fixed())
}

fn digest<D: Digest>(octets: &[u8]) -> Secret {
    secret(D::digest(octets))
}

fn pbkdf2<D: EagerHash + Digest>(password: &[u8], salt: &[u8], iterations: u32) -> Secret {
    let mut salted = vec![0; <D as Digest>::output_size()];
    pbkdf2::pbkdf2_hmac::<D>(password, salt, iterations, &mut salted);
    salted.into()
}

fn secret<Size: ArraySize>(mut output: Array<u8, Size>) -> Secret {
    let secret = Secret::from(output.as_slice());
    output.as_mut_slice().zeroize();
    secret
}
