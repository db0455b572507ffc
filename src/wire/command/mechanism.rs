//! The name of a SASL mechanism. What the mechanisms do is in `auth`.

use std::fmt;
use std::str::FromStr;

use crate::wire::InvalidValue;
use crate::wire::invalid::{EMPTY, try_from_text};

/// The name of a SASL mechanism: 1 to 20 letters, digits, hyphens and underscores, held in upper
/// case (RFC 4422 §3.1).
///
/// ```
/// let name: ehlo::MechanismName = "Scram-Sha-256".parse()?;
/// assert_eq!(name.as_str(), "SCRAM-SHA-256");
/// # Ok::<(), ehlo::InvalidValue>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MechanismName(Box<str>);

impl MechanismName {
    /// The name, in upper case.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MechanismName {
    type Err = InvalidValue;

    /// ```text
    /// sasl-mech = 1*20( ALPHA / DIGIT / "-" / "_" )
    /// ```
    fn from_str(name: &str) -> Result<Self, InvalidValue> {
        let lawful = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
        let reason = if name.is_empty() {
            EMPTY
        } else if !name.bytes().all(lawful) {
            "a mechanism may hold letters, digits, hyphens and underscores only"
        } else if name.len() > MAX_LEN {
            "a mechanism is longer than 20 octets"
        } else {
            return Ok(Self(name.to_ascii_uppercase().into()));
        };
        Err(InvalidValue::new("mechanism", name, reason))
    }
}

impl fmt::Display for MechanismName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

try_from_text!(MechanismName);

/// RFC 4422 §3.1.
const MAX_LEN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_held_in_upper_case() {
        for (name, held) in
            [("plain", "PLAIN"), ("X_9-a", "X_9-A"), (&*"A".repeat(20), "AAAAAAAAAAAAAAAAAAAA")]
        {
            assert_eq!(MechanismName::try_from(name).unwrap().to_string(), held);
        }
    }

    #[test]
    fn refuses_with_these_words() {
        let set = "a mechanism may hold letters, digits, hyphens and underscores only";
        let long = "a mechanism is longer than 20 octets";
        for (name, reason) in [
            ("", "it is empty"),
            ("PLAIN ", set),
            ("PLAIN\r", set),
            ("\u{10a}", set),
            (&*"A".repeat(21), long),
        ] {
            let error = name.parse::<MechanismName>().unwrap_err();
            assert_eq!((error.what(), error.reason()), ("mechanism", reason));
        }
        assert_eq!(
            "A=B".parse::<MechanismName>().unwrap_err().to_string(),
            format!(r#"mechanism "A=B": {set}"#)
        );
    }
}
