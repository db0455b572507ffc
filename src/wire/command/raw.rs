//! Commands that are said as they are. Only testers build them, but they can break no line either.

use std::borrow::Cow;
use std::fmt;

use crate::wire::invalid::{CONTROL, EMPTY};
use crate::wire::secret::MASK;
use crate::wire::{Escaped, InvalidValue, Verb};

/// A line without its end: at least one octet, none of them a control.
///
/// Octets above 127 are taken, UTF-8 or not. What follows the word AUTH is never shown.
///
/// ```
/// let raw = ehlo::Raw::new(&b"AUTH PLAIN AGpvZQBzZWNyZXQ="[..])?;
/// assert_eq!(raw.to_string(), "AUTH <secret>");
/// # Ok::<(), ehlo::InvalidValue>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Raw<'a>(Cow<'a, [u8]>);

impl<'a> Raw<'a> {
    /// A line without its end.
    ///
    /// # Errors
    ///
    /// Where it is empty or holds a control octet.
    pub fn new(line: impl Into<Cow<'a, [u8]>>) -> Result<Self, InvalidValue> {
        let raw = Self(line.into());
        let reason = if raw.0.is_empty() {
            EMPTY
        } else if raw.0.iter().any(u8::is_ascii_control) {
            CONTROL
        } else {
            return Ok(raw);
        };
        Err(match raw.shown() {
            Shown::All(line) => InvalidValue::new("command", line, reason),
            Shown::Word(word) => {
                let masked = [word, b" ", MASK.as_bytes()].concat();
                InvalidValue::new("command", masked, reason)
            }
        })
    }

    /// The line as it is sent.
    #[must_use]
    pub fn as_octets(&self) -> &[u8] {
        &self.0
    }

    /// The verb that its first word is. Spaces before it are passed over, as some servers do.
    #[must_use]
    pub fn verb(&self) -> Verb {
        let line = self.0.trim_ascii_start();
        let word = line.split(|&octet| octet == b' ').next().unwrap_or_default();
        Verb::from_word(word).unwrap_or(Verb::Other)
    }

    pub(super) fn into_owned(self) -> Raw<'static> {
        Raw(Cow::Owned(self.0.into_owned()))
    }

    /// Masks by the first four letters and not by the verb: `AUTH=PLAIN …` hides as well.
    fn shown(&self) -> Shown<'_> {
        let line = self.0.trim_ascii_start();
        match line.split_at_checked(AUTH.len()) {
            Some((word, rest)) if word.eq_ignore_ascii_case(AUTH) && !rest.is_empty() => {
                Shown::Word(word)
            }
            _ => Shown::All(&self.0),
        }
    }
}

/// What may be seen of a raw line.
enum Shown<'a> {
    All(&'a [u8]),
    Word(&'a [u8]),
}

impl fmt::Display for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shown() {
            Shown::All(line) => Escaped::new(line).fmt(f),
            Shown::Word(word) => write!(f, "{} {MASK}", Escaped::new(word)),
        }
    }
}

impl fmt::Debug for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw(\"{self}\")")
    }
}

const AUTH: &[u8] = b"AUTH";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_shows_what_follows_auth() {
        for line in ["AUTH PLAIN c2VjcmV0", "auth c2VjcmV0", "  Auth  c2VjcmV0", "AUTH=c2VjcmV0"] {
            let raw = Raw::new(line.as_bytes()).unwrap();
            for shown in [raw.to_string(), format!("{raw:?}"), format!("{raw:#?}")] {
                assert!(shown.contains(MASK) && !shown.contains("c2VjcmV0"), "{shown}");
            }
            let error = Raw::new(format!("{line}\r").into_bytes()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("c2VjcmV0"), "{error:?}");
        }
        assert_eq!(Raw::new(&b"AUTH"[..]).unwrap().to_string(), "AUTH");
        assert_eq!(Raw::new(&b"XAUTH a"[..]).unwrap().to_string(), "XAUTH a");
    }

    #[test]
    fn is_known_by_its_first_word() {
        for (line, verb) in [
            ("DATA", Verb::Data),
            ("data now", Verb::Data),
            ("  Mail from:<>", Verb::Mail),
            ("SEND FROM:<>", Verb::Other),
            (" ", Verb::Other),
        ] {
            assert_eq!(Raw::new(line.as_bytes()).unwrap().verb(), verb, "{line}");
        }
    }

    #[test]
    fn refuses_with_these_words() {
        let refusal = |line: &[u8]| Raw::new(line.to_vec()).unwrap_err().to_string();
        assert_eq!(refusal(b""), r#"command "": it is empty"#);
        assert_eq!(
            refusal(b"NOOP\r\nQUIT"),
            r#"command "NOOP\x0d\x0aQUIT": a control character cannot be sent"#
        );
        assert_eq!(
            refusal(b"AUTH secret\n"),
            r#"command "AUTH <secret>": a control character cannot be sent"#
        );
        assert!(Raw::new(&b"NOOP \xff\x80"[..]).is_ok());
    }
}
