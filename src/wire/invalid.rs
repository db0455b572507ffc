//! The one error of all values of this folder: what was refused, as it was given, and why. Errors
//! about what a peer sends do not belong here.

use std::convert::Infallible;

use super::Escaped;

/// A value that was refused: it cannot be built, so it cannot be sent.
///
/// One line: the thing, the value (escaped, at most its first 200 octets), the reason.
///
/// ```
/// let error = "a b@example.org".parse::<ehlo::Mailbox>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     r#"mailbox "a b@example.org": a space must be quoted in a local part"#
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} \"{value}\": {reason}")]
pub struct InvalidValue {
    what: &'static str,
    value: Box<str>,
    reason: &'static str,
}

impl InvalidValue {
    pub(crate) fn new(what: &'static str, value: impl AsRef<[u8]>, reason: &'static str) -> Self {
        let value = value.as_ref();
        let shown = match value.get(..SHOWN) {
            Some(head) if value.len() > SHOWN => format!("{}…", Escaped::new(head)),
            _ => Escaped::new(value).to_string(),
        };
        Self { what, value: shown.into(), reason }
    }

    /// The same reason, told of the greater value that this one is a part of.
    pub(crate) fn within(self, what: &'static str, value: impl AsRef<[u8]>) -> Self {
        Self::new(what, value, self.reason)
    }

    /// What it was meant to be: `mailbox`, `domain`, `parameter` …
    #[must_use]
    pub const fn what(&self) -> &'static str {
        self.what
    }

    /// The refused value, escaped for showing and cut after 200 octets.
    #[must_use]
    pub const fn value(&self) -> &str {
        &self.value
    }

    /// Why it was refused.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        self.reason
    }
}

/// So that a ready value goes wherever one that can fail goes.
impl From<Infallible> for InvalidValue {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// `TryFrom` for text, borrowed and owned, by way of `FromStr`.
macro_rules! try_from_text {
    ($($name:ty),+) => {$(
        impl TryFrom<&str> for $name {
            type Error = $crate::InvalidValue;

            fn try_from(text: &str) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::InvalidValue;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
    )+};
}
pub(crate) use try_from_text;

/// `Into<Cow>` for a value, borrowed and owned, so that a command takes either.
macro_rules! into_cow {
    ($($name:ident),+) => {$(
        impl<'a> From<&'a $name> for std::borrow::Cow<'a, $name> {
            fn from(value: &'a $name) -> Self {
                Self::Borrowed(value)
            }
        }

        impl From<$name> for std::borrow::Cow<'_, $name> {
            fn from(value: $name) -> Self {
                Self::Owned(value)
            }
        }
    )+};
}
pub(crate) use into_cow;

pub(crate) const EMPTY: &str = "it is empty";
pub(crate) const CONTROL: &str = "a control character cannot be sent";

/// Octets of a refused value that are shown: longer ones would flood a log.
const SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_and_why_on_one_line() {
        let error = InvalidValue::new("text", "a\r\nb", CONTROL);
        assert_eq!(error.to_string(), r#"text "a\x0d\x0ab": a control character cannot be sent"#);
        assert_eq!((error.what(), error.value(), error.reason()), ("text", r"a\x0d\x0ab", CONTROL));
        assert_eq!(
            error.within("command", "c").to_string(),
            r#"command "c": a control character cannot be sent"#
        );
    }

    #[test]
    fn cuts_what_would_flood_a_log() {
        for (len, end) in [(200, "x"), (201, "…"), (1 << 20, "…")] {
            let error = InvalidValue::new("text", "x".repeat(len), EMPTY);
            assert_eq!(error.value().chars().filter(|&c| c == 'x').count(), 200);
            assert!(error.value().ends_with(end), "{len}");
        }
    }
}
