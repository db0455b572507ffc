//! Names of hosts. Address literals and what may stand in a name's place are in `host`; finding a
//! host is no business of this folder.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use super::InvalidValue;
use super::invalid::{EMPTY, try_from_text};

/// A domain name in ASCII: labels of letters, digits and hyphens, at most 255 octets.
///
/// Compared without regard to case, kept as it was written. With the feature `idna` a name that is
/// not ASCII becomes A-labels (`bücher.example` is `xn--bcher-kva.example`), without it it is
/// refused.
///
/// ```
/// let domain: ehlo::Domain = "Mail.example.org".parse()?;
/// assert_eq!(domain, "mail.EXAMPLE.org".parse()?);
/// assert!("mail_1.example.org".parse::<ehlo::Domain>().is_err());
/// # Ok::<(), ehlo::InvalidValue>(())
/// ```
#[derive(Clone, Debug)]
pub struct Domain(Box<str>);

impl Domain {
    /// The name, ASCII, in the case in which it was written.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Domain {
    type Err = InvalidValue;

    fn from_str(name: &str) -> Result<Self, InvalidValue> {
        let refuse = |reason| InvalidValue::new("domain", name, reason);
        let ascii = to_ascii(name).map_err(refuse)?;
        match fault(&ascii) {
            None => Ok(Self(ascii.into())),
            Some(reason) => Err(refuse(reason)),
        }
    }
}

impl PartialEq for Domain {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Domain {}

impl Hash for Domain {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_ignoring_case(&self.0, state);
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

try_from_text!(Domain);

/// The hash that goes with `eq_ignore_ascii_case`.
pub(super) fn hash_ignoring_case(text: &str, state: &mut impl Hasher) {
    for octet in text.bytes() {
        state.write_u8(octet.to_ascii_lowercase());
    }
    state.write_u8(0xff);
}

/// What keeps a name from being a domain.
///
/// ```text
/// Domain     = sub-domain *( "." sub-domain )
/// sub-domain = Let-dig [ Ldh-str ]
/// Let-dig    = ALPHA / DIGIT
/// Ldh-str    = *( ALPHA / DIGIT / "-" ) Let-dig
/// ```
///
/// RFC 5321 §4.1.2; the sizes are those of §4.5.3.1.2 and RFC 1035 §2.3.4.
fn fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some(EMPTY);
    }
    if name.len() > MAX_DOMAIN {
        return Some(TOO_LONG);
    }
    name.split('.').find_map(|label| {
        if label.is_empty() {
            Some("a label of the domain is empty")
        } else if !label.bytes().all(is_ldh) {
            Some("a label of the domain may hold letters, digits and hyphens only")
        } else if label.starts_with('-') || label.ends_with('-') {
            Some("a label of the domain must not start or end with a hyphen")
        } else if label.len() > MAX_LABEL {
            Some("a label of the domain is longer than 63 octets")
        } else {
            None
        }
    })
}

pub(super) const fn is_ldh(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet == b'-'
}

#[cfg(feature = "idna")]
fn to_ascii(name: &str) -> Result<Cow<'_, str>, &'static str> {
    use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

    if name.is_ascii() {
        return Ok(Cow::Borrowed(name));
    }
    // No shorter in A-labels than in characters of at most four octets: this bounds the work.
    if name.len() > 4 * MAX_DOMAIN {
        return Err(TOO_LONG);
    }
    // Nothing ASCII is denied here and no length looked at: all of the result is checked
    // afterwards. The hyphens are not what they were by then.
    let (deny, hyphens) = (AsciiDenyList::EMPTY, Hyphens::CheckFirstLast);
    Uts46::new()
        .to_ascii(name.as_bytes(), deny, hyphens, DnsLength::Ignore)
        .map_err(|_| "the domain cannot be converted to A-labels")
}

#[cfg(not(feature = "idna"))]
fn to_ascii(name: &str) -> Result<Cow<'_, str>, &'static str> {
    match name.is_ascii() {
        true => Ok(Cow::Borrowed(name)),
        false => Err("a domain that is not ASCII needs the feature `idna`"),
    }
}

/// RFC 5321 §4.5.3.1.2. (DNS itself bears 253.)
const MAX_DOMAIN: usize = 255;
const MAX_LABEL: usize = 63;
const TOO_LONG: &str = "the domain is longer than 255 octets";

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher as _, RandomState};

    use super::*;

    #[test]
    fn takes_names_and_keeps_their_spelling() {
        let label = "a".repeat(63);
        let longest = [&label[..], &label, &label, &label].join(".");
        assert_eq!(longest.len(), 255);
        for name in ["a", "localhost", "MX-1.Example.org", "1.2", "xn--bcher-kva.example", &longest]
        {
            assert_eq!(name.parse::<Domain>().unwrap().as_str(), name);
            assert_eq!(name.parse::<Domain>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn ignores_case_when_compared_and_hashed() {
        let set = std::collections::HashSet::from(["Example.ORG".parse::<Domain>().unwrap()]);
        assert!(set.contains(&"eXample.org".parse().unwrap()));
        assert!(!set.contains(&"example.com".parse().unwrap()));
        let [org, com] = ["example.org", "example.com"].map(|name| name.parse::<Domain>().unwrap());
        assert_ne!(org, com);
        let hasher = RandomState::new();
        assert_ne!(hasher.hash_one(org), hasher.hash_one(com));
    }

    #[test]
    fn c_043_c_044_refuses_with_these_words() {
        let long = "a.".repeat(127) + "aa";
        let label = "a".repeat(64);
        let ldh = "a label of the domain may hold letters, digits and hyphens only";
        let hyphen = "a label of the domain must not start or end with a hyphen";
        let cases = [
            ("", "it is empty"),
            (".", "a label of the domain is empty"),
            ("example.org.", "a label of the domain is empty"),
            ("a..b", "a label of the domain is empty"),
            ("a_b.org", ldh),
            ("a b", ldh),
            ("a\r\nb", ldh),
            ("a@b", ldh),
            ("[127.0.0.1]", ldh),
            ("-a.org", hyphen),
            ("a-.org", hyphen),
            (&label, "a label of the domain is longer than 63 octets"),
            (&long, "the domain is longer than 255 octets"),
        ];
        for (name, reason) in cases {
            let error = name.parse::<Domain>().unwrap_err();
            assert_eq!((error.what(), error.reason()), ("domain", reason), "{name}");
        }
        assert_eq!(
            "a_b".parse::<Domain>().unwrap_err().to_string(),
            format!(r#"domain "a_b": {ldh}"#)
        );
    }

    #[cfg(not(feature = "idna"))]
    #[test]
    fn names_the_feature_that_would_convert() {
        for name in ["bücher.example", "\u{760d}.example", "a\u{10a}b.example"] {
            assert_eq!(
                name.parse::<Domain>().unwrap_err().to_string(),
                format!(r#"domain "{name}": a domain that is not ASCII needs the feature `idna`"#)
            );
        }
    }

    #[cfg(feature = "idna")]
    #[test]
    fn converts_to_a_labels() {
        let cases = [
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.Example", "xn--bcher-kva.example"),
            ("bücher\u{3002}example", "xn--bcher-kva.example"),
        ];
        for (name, ascii) in cases {
            assert_eq!(name.parse::<Domain>().unwrap().as_str(), ascii);
        }
        // T4: what narrows to CR or LF is a letter, and goes out as ASCII.
        for name in ["\u{760d}.example", "a\u{10a}b.example"] {
            let domain = name.parse::<Domain>().unwrap();
            assert!(domain.as_str().starts_with("xn--"), "{domain}");
            assert!(domain.as_str().bytes().all(|octet| octet.is_ascii_graphic()));
        }
    }

    #[cfg(feature = "idna")]
    #[test]
    fn conversion_opens_no_way_around_the_grammar() {
        let cases = [
            // A full-width at sign and full-width brackets map to the ASCII ones.
            "a\u{ff20}ü",
            "\u{ff3b}ü\u{ff3d}",
            "ü b",
            "ü\rb",
            "ü_b",
            "-ü",
            "ü..b",
            "ü.",
            "\u{ad}",
        ];
        for name in cases {
            assert!(name.parse::<Domain>().is_err(), "{name:?}");
        }
        assert_eq!("ü".repeat(600).parse::<Domain>().unwrap_err().reason(), TOO_LONG);
    }
}
