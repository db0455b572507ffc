//! Octets that must not be seen. Masking what is shown around them (transcripts, commands) is done
//! where that is shown.

use std::fmt;

use zeroize::Zeroizing;

/// A password, a token or a SASL message: never printed, wiped when dropped.
///
/// ```
/// let secret = ehlo::Secret::from("wonderland");
/// assert_eq!(format!("{secret:?}"), "<secret>");
/// assert_eq!(secret.expose(), b"wonderland");
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// The octets. A copy made of them is not wiped.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Secret {
    fn from(octets: Vec<u8>) -> Self {
        Self(Zeroizing::new(octets))
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl From<&[u8]> for Secret {
    fn from(octets: &[u8]) -> Self {
        Self::from(octets.to_vec())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes())
    }
}

/// Looks at every octet, so that the time tells nothing but the length.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        let pairs = self.0.iter().zip(other.0.iter());
        let differences = pairs.fold(0, |sum, (ours, theirs)| sum | (ours ^ theirs));
        self.0.len() == other.0.len() && std::hint::black_box(differences) == 0
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Overwrites what a text quotes of a secret that was said as base64: all of it, or of one that was
/// cut to fit, as much as stands there. The text keeps its length.
pub(crate) fn mask_quoted(text: &mut [u8], secret: &[u8]) {
    let finder = memchr::memmem::Finder::new(secret);
    // Base64 comes by fours; a lone `=` says that there is nothing.
    while let Some(at) = finder.find(text).filter(|_| secret.len() >= 4) {
        text.iter_mut().skip(at).take(secret.len()).for_each(|octet| *octet = b'*');
    }
    let is_base64 = |octet: &u8| octet.is_ascii_alphanumeric() || b"+/=".contains(octet);
    for run in text.split_mut(|octet| !is_base64(octet)) {
        if run.len() >= LEAST_QUOTED && memchr::memmem::find(secret, run).is_some() {
            run.fill(b'*');
        }
    }
}

/// What is shorter stands in a secret by chance.
const LEAST_QUOTED: usize = 8;

/// What stands for a secret wherever one would be shown; it does not tell the length.
pub(crate) const MASK: &str = "<secret>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_prints() {
        let secret = Secret::from("wonderland");
        assert_eq!(format!("{secret:?} {secret:#?}"), "<secret> <secret>");
        assert_eq!(format!("{:?}", Some(secret)), "Some(<secret>)");
    }

    #[test]
    fn t11_what_is_quoted_is_overwritten_and_nothing_else() {
        let masked = |text: &str| {
            let mut octets = text.as_bytes().to_vec();
            mask_quoted(&mut octets, b"AGFsaWNlAHdvbmRlcmxhbmQ=");
            String::from_utf8(octets).unwrap()
        };
        let stars = "*".repeat(24);
        for (before, behind) in [("\"AUTH PLAIN ", "\""), ("x=", "x"), ("", "")] {
            let text = format!("{before}AGFsaWNlAHdvbmRlcmxhbmQ={behind}");
            assert_eq!(masked(&text), format!("{before}{stars}{behind}"));
        }
        // As Sendmail cuts what is long.
        assert_eq!(
            masked("\"AUTH PLAIN AGFsaWNl...bGFuZD0=\""),
            "\"AUTH PLAIN ********...bGFuZD0=\""
        );
        assert_eq!(masked("AGFsaWNlAHdv...mxhbmQ= unknown"), "************...mxhbmQ= unknown");
        for harmless in ["", "AGFsaWN", "Command unrecognized", "AGFsaWNlAHdvX"] {
            assert_eq!(masked(harmless), harmless);
        }
        let mut equals = *b"500 a = b";
        mask_quoted(&mut equals, b"=");
        assert_eq!(&equals, b"500 a = b");
    }

    #[test]
    fn is_compared_by_all_its_octets() {
        let secret = Secret::from("abc");
        assert_eq!(secret, Secret::from(b"abc".as_slice()));
        assert_eq!(secret, Secret::from(String::from("abc")));
        for other in ["", "ab", "abcd", "xbc", "abx", "bac"] {
            assert_ne!(secret, Secret::from(other), "{other}");
        }
    }
}
