//! How octets from a stranger are shown: in errors, transcripts and logs. Nothing that is shown
//! goes around it, and nothing is decided by it.

use std::fmt::{self, Write as _};

/// Octets as text that a terminal or a log can bear: controls, broken UTF-8 and characters that
/// reorder or hide text are escaped, and [`unescape`] gives the octets back.
///
/// ```
/// let banner = ehlo::Escaped::new(b"mx \x1b[2J ready\xff");
/// assert_eq!(banner.to_string(), r"mx \x1b[2J ready\xff");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Escaped<'a>(&'a [u8]);

impl<'a> Escaped<'a> {
    /// Wraps octets for showing.
    #[must_use]
    pub const fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\\' => f.write_str("\\\\")?,
                    c if c.is_ascii_control() => write!(f, "\\x{:02x}", c as u32)?,
                    c if is_unsafe_to_show(c) => write!(f, "\\u{{{:04x}}}", c as u32)?,
                    c => f.write_char(c)?,
                }
            }
            for octet in chunk.invalid() {
                write!(f, "\\x{octet:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// The octets after escaped text, or `None` where an escape is malformed.
///
/// ```
/// assert_eq!(ehlo::unescape(r"a\x0d\x0ab\\"), Some(b"a\r\nb\\".to_vec()));
/// assert_eq!(ehlo::unescape(r"\q"), None);
/// ```
#[must_use]
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        octets.extend_from_slice(rest.get(..at)?.as_bytes());
        let escape = rest.get(at + 1..)?;
        rest = if let Some(rest) = escape.strip_prefix('\\') {
            octets.push(b'\\');
            rest
        } else if let Some(hex) = escape.strip_prefix('x') {
            octets.push(u8::try_from(hexadecimal(hex.get(..2)?)?).ok()?);
            hex.get(2..)?
        } else {
            let (hex, rest) = escape.strip_prefix("u{")?.split_once('}')?;
            let c = char::from_u32(hexadecimal(hex)?)?;
            octets.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            rest
        };
    }
    octets.extend_from_slice(rest.as_bytes());
    Some(octets)
}

/// A number of hexadecimal digits alone: `from_str_radix` would take a sign as well.
fn hexadecimal(digits: &str) -> Option<u32> {
    let all = digits.bytes().all(|octet| octet.is_ascii_hexdigit());
    all.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

/// C1 controls, and what reorders or hides the text around it.
const fn is_unsafe_to_show(c: char) -> bool {
    matches!(
        c,
        '\u{80}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_a_terminal_can_bear() {
        let cases: [(&[u8], &str); 6] = [
            (b"250 ok", "250 ok"),
            (b"a\\b", r"a\\b"),
            (b"\x00\t\r\n\x7f", r"\x00\x09\x0d\x0a\x7f"),
            ("grün".as_bytes(), "grün"),
            (b"gr\xfcn", r"gr\xfcn"),
            ("a\u{202e}b\u{9b}".as_bytes(), r"a\u{202e}b\u{009b}"),
        ];
        for (octets, shown) in cases {
            assert_eq!(Escaped::new(octets).to_string(), shown);
        }
    }

    #[test]
    fn refuses_malformed_escapes() {
        for text in [r"\", r"\x", r"\x1", r"\xg1", r"\x+1", r"\u{110000}", r"\u12", r"\n"] {
            assert_eq!(unescape(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_shown_can_be_read_back(octets: Vec<u8>) {
            let shown = Escaped::new(&octets).to_string();
            proptest::prop_assert!(!shown.chars().any(char::is_control));
            proptest::prop_assert_eq!(unescape(&shown), Some(octets));
        }
    }
}
