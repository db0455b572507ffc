//! Free text as the argument of a command. Text that a server sends belongs to the reply.

use std::fmt;
use std::str::FromStr;

use super::InvalidValue;
use super::invalid::{CONTROL, EMPTY, into_cow, try_from_text};

/// What follows VRFY, EXPN, HELP or NOOP: one character or more, no control, no space at an end.
///
/// RFC 5321 §4.1.2 has `String = Atom / Quoted-string` here, in which an address would have to be
/// quoted for its `@`; the deployed servers take the bare form, so both can be built.
/// Where it [is not ASCII](Self::is_ascii), the server has to offer SMTPUTF8, and the text of VRFY
/// or EXPN has to end with ` SMTPUTF8` (RFC 6531 §3.7.4.2).
///
/// ```
/// let text: ehlo::Text = "postmaster@example.org".parse()?;
/// assert_eq!(text.as_str(), "postmaster@example.org");
/// # Ok::<(), ehlo::InvalidValue>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Text(Box<str>);

impl Text {
    /// The text as it goes over the wire.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }

    /// The same for VRFY or EXPN with `SMTPUTF8` after it, unless it stands there: the text is not
    /// ASCII, or the reply need not be (RFC 6531 §3.7.4.2).
    ///
    /// ```
    /// let text: ehlo::Text = "jürgen".parse()?;
    /// assert_eq!(text.with_smtputf8().as_str(), "jürgen SMTPUTF8");
    /// # Ok::<(), ehlo::InvalidValue>(())
    /// ```
    #[must_use]
    pub fn with_smtputf8(self) -> Self {
        match self.0.rsplit_once(' ') {
            Some((_, last)) if last.eq_ignore_ascii_case(SMTPUTF8) => self,
            _ => Self(format!("{} {SMTPUTF8}", self.0).into()),
        }
    }

    /// Whether it can be sent to a server that does not offer SMTPUTF8.
    #[must_use]
    pub const fn is_ascii(&self) -> bool {
        self.0.is_ascii()
    }
}

impl FromStr for Text {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let reason = if text.is_empty() {
            EMPTY
        } else if text.contains(char::is_control) {
            CONTROL
        } else if text.starts_with(' ') || text.ends_with(' ') {
            "a space must not stand at an end of it"
        } else {
            return Ok(Self(text.into()));
        };
        Err(InvalidValue::new("text", text, reason))
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

try_from_text!(Text);
into_cow!(Text);

const SMTPUTF8: &str = "SMTPUTF8";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_one_line_of_text() {
        for text in ["x", "a b", "\"a\\\"b\"@example.org", "grün", "\u{760d}"] {
            let parsed = Text::try_from(text).unwrap();
            assert_eq!(parsed.as_str(), text);
            assert_eq!(parsed.to_string(), text);
            assert_eq!(parsed.is_ascii(), text.is_ascii());
        }
    }

    #[test]
    fn asks_for_utf8_once() {
        for (text, asking) in [
            ("a b", "a b SMTPUTF8"),
            ("a smtpUTF8", "a smtpUTF8"),
            ("SMTPUTF8", "SMTPUTF8 SMTPUTF8"),
            ("xSMTPUTF8", "xSMTPUTF8 SMTPUTF8"),
        ] {
            assert_eq!(Text::try_from(text).unwrap().with_smtputf8().as_str(), asking);
        }
    }

    #[test]
    fn refuses_with_these_words() {
        let cases = [
            ("", r#"text "": it is empty"#),
            ("a\r\nQUIT", r#"text "a\x0d\x0aQUIT": a control character cannot be sent"#),
            ("a\u{85}b", r#"text "a\u{0085}b": a control character cannot be sent"#),
            (" a", r#"text " a": a space must not stand at an end of it"#),
            ("a ", r#"text "a ": a space must not stand at an end of it"#),
        ];
        for (text, words) in cases {
            assert_eq!(text.parse::<Text>().unwrap_err().to_string(), words);
        }
    }
}
