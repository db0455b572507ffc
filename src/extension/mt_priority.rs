//! MT-PRIORITY (RFC 6710): how urgent a mail is to the servers that pass it on.
//!
//! ```abnf
//! priority-offer = "MT-PRIORITY" [ SP 1*20( ALPHA / DIGIT / "-" / "_" / "." ) ]
//! priority-param = "MT-PRIORITY=" ( "0" / [ "-" ] %x31-39 )
//! ```

use std::fmt;
use std::str::FromStr;

use super::{Extension, MailParam};
use crate::wire::{InvalidValue, Param};

/// The server takes priorities, and may say by what policy it means them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MtPriority {
    policy: Option<Box<str>>,
}

impl MtPriority {
    /// The policy that tells which priorities differ and by how much: `MIXER`, `STANAG4406`,
    /// `NSEP` are registered.
    #[must_use]
    pub fn policy(&self) -> Option<&str> {
        self.policy.as_deref()
    }
}

impl Extension for MtPriority {
    const KEYWORD: &'static str = "MT-PRIORITY";
    const MAIL_PARAMS: &'static [&'static str] = &["MT-PRIORITY"];
    const MAIL_OCTETS: usize = 15;

    fn parse(params: &str) -> Option<Self> {
        if params.is_empty() {
            return Some(Self { policy: None });
        }
        let in_policy =
            |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
        let is_policy = params.len() <= MAX_POLICY && params.bytes().all(in_policy);
        is_policy.then(|| Self { policy: Some(params.into()) })
    }

    fn refuses(&self, param: &Param, _all: &[Param]) -> Option<String> {
        super::read::<Priority>(param).err()
    }
}

/// How urgent a mail is: -9 to 9, and 0 where nothing is said.
///
/// ```
/// use ehlo::{MailParam, Priority};
///
/// let urgent = MailParam::mt_priority(Priority::new(6)?);
/// assert_eq!(urgent.to_string(), "MT-PRIORITY=6");
/// # Ok::<(), ehlo::InvalidValue>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Priority(i8);

impl Priority {
    /// A priority.
    ///
    /// # Errors
    ///
    /// Where it is under -9 or over 9.
    pub fn new(value: i8) -> Result<Self, InvalidValue> {
        match value {
            -9..=9 => Ok(Self(value)),
            _ => Err(InvalidValue::new(PRIORITY, value.to_string(), OUT_OF_RANGE)),
        }
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> i8 {
        self.0
    }
}

impl FromStr for Priority {
    type Err = InvalidValue;

    /// Neither `+` nor leading zeros are lawful (RFC 6710 §7).
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let value = match text.as_bytes() {
            [digit @ b'0'..=b'9'] => digit.cast_signed() - ZERO,
            [b'-', digit @ b'1'..=b'9'] => ZERO - digit.cast_signed(),
            _ => return Err(InvalidValue::new(PRIORITY, text, OUT_OF_RANGE)),
        };
        Ok(Self(value))
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl MailParam {
    /// `MT-PRIORITY=`: how urgent the mail is. A server may lower or raise it, and says so in its
    /// reply (RFC 6710 §4.1).
    #[must_use]
    pub fn mt_priority(priority: Priority) -> Self {
        Self(Param::text("MT-PRIORITY", priority.to_string()))
    }
}

const PRIORITY: &str = "priority";
const OUT_OF_RANGE: &str = "it must be a number from -9 to 9";
/// Characters of the name of a policy (RFC 6710 §3).
const MAX_POLICY: usize = 20;
const ZERO: i8 = b'0'.cast_signed();

#[cfg(test)]
mod tests {
    use super::super::capabilities::tests::offered;
    use super::*;

    #[test]
    fn c_060_is_written_plainly_and_read_back() {
        for value in -9..=9 {
            let priority = Priority::new(value).unwrap();
            let text = value.to_string();
            assert_eq!((priority.value(), priority.to_string()), (value, text.clone()));
            assert_eq!(text.parse::<Priority>().unwrap(), priority);
            let param = MailParam::mt_priority(priority);
            assert_eq!(Param::from(param), Param::with_value("MT-PRIORITY", &text).unwrap());
        }
        assert_eq!(Priority::default().value(), 0);
    }

    #[test]
    fn c_060_keeps_to_its_range() {
        for text in ["", "-", "+1", "01", "-0", "-09", "10", "-10", "00", "x", "1 "] {
            let error = text.parse::<Priority>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(r#"priority "{text}": it must be a number from -9 to 9"#)
            );
        }
        for value in [-128, -10, 10, 127] {
            assert_eq!(Priority::new(value).unwrap_err().reason(), OUT_OF_RANGE);
        }
    }

    #[test]
    fn c_026_a_malformed_policy_disables_the_extension() {
        let policy = |line: &str| {
            let offer = offered(&[line]).get::<MtPriority>()?;
            Some(offer.policy().map(str::to_owned))
        };
        assert_eq!(policy("MT-PRIORITY"), Some(None));
        assert_eq!(policy("mt-priority STANAG4406"), Some(Some("STANAG4406".into())));
        assert_eq!(policy("MT-PRIORITY a-B_c.1"), Some(Some("a-B_c.1".into())));
        assert_eq!(policy("MT-PRIORITY MIXER NSEP"), None);
        assert_eq!(policy("MT-PRIORITY abcdefghijklmnopqrst"), Some(Some("abcdefghijklmnopqrst".into())));
        assert_eq!(policy("MT-PRIORITY abcdefghijklmnopqrstu"), None);
    }

    #[test]
    fn c_060_a_parameter_built_by_hand_keeps_to_its_range_too() {
        let offer = offered(&["MT-PRIORITY"]).get::<MtPriority>().unwrap();
        let refused = |value| {
            let param = Param::with_value("MT-PRIORITY", value).unwrap();
            offer.refuses(&param, &[])
        };
        assert_eq!((refused("-9"), refused("10")), (None, Some(OUT_OF_RANGE.to_owned())));
    }
}
