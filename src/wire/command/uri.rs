//! Where BURL has a server fetch content from. Only what keeps a URI whole in a command line is
//! looked at: what it points to is for the server to know.

use std::fmt;
use std::str::FromStr;

use crate::wire::InvalidValue;
use crate::wire::invalid::{EMPTY, into_cow, try_from_text};

/// A URI with a scheme and without a fragment (RFC 3986 §4.3), compared octet by octet.
///
/// One that bears its own authorisation (`;urlauth=submit+joe:internal:91354a…`, RFC 4467) can be
/// used by that user alone, and is shown like any other.
///
/// ```
/// let uri: ehlo::AbsoluteUri = "imap://joe@imap.example.org/drafts/;uid=20".parse()?;
/// assert_eq!(uri.scheme(), "imap");
/// # Ok::<(), ehlo::InvalidValue>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AbsoluteUri(Box<str>);

impl AbsoluteUri {
    /// The URI as it is written.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first colon, in the case in which it was written.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }
}

impl FromStr for AbsoluteUri {
    type Err = InvalidValue;

    /// ```text
    /// absolute-URI = scheme ":" hier-part [ "?" query ]
    /// scheme       = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
    /// ```
    ///
    /// Behind the scheme stand unreserved and reserved characters but `#`, and `%` with two
    /// hexadecimals, in any order.
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let refuse = |reason| Err(InvalidValue::new("URI", text, reason));
        if text.is_empty() {
            return refuse(EMPTY);
        }
        let Some((scheme, rest)) = text.split_once(':') else {
            return refuse("it has no scheme");
        };
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            || !scheme.bytes().all(is_of_scheme)
        {
            return refuse("a scheme is a letter, and then letters, digits, `+`, `-` and `.`");
        }
        if rest.is_empty() {
            return refuse("nothing follows its scheme");
        }
        let is_escaped = |escape: &str| {
            let digits = escape.as_bytes().get(..2).unwrap_or_default();
            digits.len() == 2 && digits.iter().all(u8::is_ascii_hexdigit)
        };
        if !rest.split('%').skip(1).all(is_escaped) {
            return refuse("a `%` must be followed by two hexadecimal digits");
        }
        if !rest.bytes().all(is_of_uri) {
            return refuse("it holds a character that must be escaped");
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for AbsoluteUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

try_from_text!(AbsoluteUri);
into_cow!(AbsoluteUri);

const fn is_of_scheme(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'-' | b'.')
}

const fn is_of_uri(octet: u8) -> bool {
    octet.is_ascii_graphic()
        && !matches!(octet, b'"' | b'#' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_kept_as_it_was_written() {
        for (text, scheme) in [
            ("imap://x", "imap"),
            ("IMAP://joe;auth=*@[::1]:143/a%20b/;uid=1/;section=1.2?q", "IMAP"),
            ("cid:a@b", "cid"),
            ("a+b-c.1:/", "a+b-c.1"),
        ] {
            let uri = AbsoluteUri::try_from(text).unwrap();
            assert_eq!((uri.as_str(), uri.scheme(), &*uri.to_string()), (text, scheme, text));
        }
    }

    #[test]
    fn refuses_with_these_words() {
        let scheme = "a scheme is a letter, and then letters, digits, `+`, `-` and `.`";
        let percent = "a `%` must be followed by two hexadecimal digits";
        let escaped = "it holds a character that must be escaped";
        for (text, reason) in [
            ("", EMPTY),
            ("imap", "it has no scheme"),
            ("//imap.example.org", "it has no scheme"),
            (":x", scheme),
            ("1a:x", scheme),
            ("a b:x", scheme),
            ("imap:", "nothing follows its scheme"),
            ("imap:%", percent),
            ("imap:a%2", percent),
            ("imap:a%2g", percent),
            ("imap:a%%20", percent),
            ("imap:a b", escaped),
            ("imap:a#b", escaped),
            ("imap:a\r\nQUIT", escaped),
            ("imap:ü", escaped),
        ] {
            let error = text.parse::<AbsoluteUri>().unwrap_err();
            assert_eq!((error.what(), error.reason()), ("URI", reason), "{text:?}");
        }
        assert_eq!(
            "imap:a b".parse::<AbsoluteUri>().unwrap_err().to_string(),
            format!("URI \"imap:a b\": {escaped}")
        );
    }
}
