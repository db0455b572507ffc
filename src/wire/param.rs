//! One parameter of MAIL or RCPT. Which parameters there are, and what they need of the server,
//! is known to the extensions.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use super::InvalidValue;
use super::domain::{hash_ignoring_case, is_ldh};
use super::invalid::try_from_text;
use super::kept::{Few, Kept};
use super::mailbox::is_utf8_non_ascii;

/// An ESMTP parameter: a keyword, and for most a value.
///
/// Keywords are equal without regard to case; values only octet by octet.
///
/// ```
/// use ehlo::Param;
///
/// assert_eq!("SIZE=1000".parse::<Param>()?, Param::with_value("size", "1000")?);
/// assert_eq!(Param::new("SMTPUTF8")?.to_string(), "SMTPUTF8");
/// # Ok::<(), ehlo::InvalidValue>(())
/// ```
#[derive(Clone)]
pub struct Param {
    /// As it stands in a command, with the space before it: it is said as one piece.
    argument: Kept<SHORT>,
    /// Octets of the keyword.
    keyword: usize,
}

impl Param {
    /// A parameter without a value.
    ///
    /// # Errors
    ///
    /// Where the keyword is not one letter or digit, and then letters, digits and hyphens.
    pub fn new(keyword: &str) -> Result<Self, InvalidValue> {
        match keyword_fault(keyword) {
            None => Ok(Self::of(keyword, "", "")),
            Some(reason) => Err(InvalidValue::new("parameter", keyword, reason)),
        }
    }

    /// A parameter with a value.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); and where the value is empty, or holds a space, a `=` or a control.
    /// Other text is taken, but then [is not ASCII](Self::is_ascii).
    pub fn with_value(keyword: &str, value: &str) -> Result<Self, InvalidValue> {
        match keyword_fault(keyword).or_else(|| value_fault(value)) {
            None => Ok(Self::of(keyword, "=", value)),
            Some(reason) => {
                let whole = format!("{keyword}={value}");
                Err(InvalidValue::new("parameter", whole, reason))
            }
        }
    }

    /// The keyword, in the case in which it was written.
    #[must_use]
    #[inline]
    pub fn keyword(&self) -> &str {
        text_of(self.parts().0)
    }

    /// The value, if there is one.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        let (_, value) = self.parts();
        value.split_first().map(|(_, value)| text_of(value))
    }

    /// Whether there is a value: it is never empty.
    #[must_use]
    pub fn has_value(&self) -> bool {
        !self.parts().1.is_empty()
    }

    /// Whether it can be sent to a server that does not offer SMTPUTF8.
    #[must_use]
    #[inline]
    pub fn is_ascii(&self) -> bool {
        self.argument().is_ascii()
    }

    /// Whether the keyword is this one, in any case.
    #[must_use]
    #[inline]
    pub fn is(&self, keyword: &str) -> bool {
        self.keyword == keyword.len() && self.parts().0.eq_ignore_ascii_case(keyword.as_bytes())
    }

    /// As it stands in a command, with the space before it.
    #[inline]
    pub(super) fn argument(&self) -> &[u8] {
        self.argument.octets()
    }

    /// The keyword, and what follows it: the value with the `=` before it, or nothing.
    fn parts(&self) -> (&[u8], &[u8]) {
        let text = self.argument().get(1..).unwrap_or_default();
        text.split_at_checked(self.keyword).unwrap_or_default()
    }

    /// Of a keyword and what follows it, which are lawful.
    fn of(keyword: &str, equals: &str, value: &str) -> Self {
        let pieces = [" ", keyword, equals, value].map(str::as_bytes);
        Self { argument: Kept::of(pieces), keyword: keyword.len() }
    }
}

/// Parameters of words that stand in the source, and of values that were checked before. Always
/// inlined where a number is put: how long the word is, is known where it is compiled.
impl Param {
    pub(crate) const fn flag(keyword: &'static str) -> Self {
        Self::known(keyword, b"", b"")
    }

    #[inline(always)]
    pub(crate) const fn number(keyword: &'static str, number: u64) -> Self {
        let mut digits = [0; MAX_DIGITS];
        let (mut before, mut rest): (&mut [u8], _) = (&mut digits, number);
        while let [others @ .., digit] = before {
            // Always below 10, so the cast loses nothing.
            *digit = b'0' + (rest % 10) as u8;
            (before, rest) = (others, rest / 10);
            if rest == 0 {
                break;
            }
        }
        let unused = before.len();
        let (_, digits) = digits.split_at(unused);
        Self::known(keyword, b"=", digits)
    }

    pub(crate) const fn fixed(keyword: &'static str, value: &'static str) -> Self {
        Self::known(keyword, b"=", value.as_bytes())
    }

    /// The value must be one that [`with_value`](Self::with_value) takes.
    pub(crate) fn text(keyword: &'static str, value: impl AsRef<str>) -> Self {
        let value = value.as_ref();
        debug_assert_eq!(value_fault(value), None, "{value}");
        Self::of(keyword, "=", value)
    }

    #[inline(always)]
    const fn known(keyword: &'static str, equals: &[u8], value: &[u8]) -> Self {
        match Few::of(&[b" ", keyword.as_bytes(), equals, value]) {
            Some(few) => Self { argument: Kept::Few(few), keyword: keyword.len() },
            None => panic!("what stands in the source is short"),
        }
    }
}

impl FromStr for Param {
    type Err = InvalidValue;

    /// ```text
    /// esmtp-param = esmtp-keyword [ "=" esmtp-value ]
    /// ```
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text.split_once('=') {
            None => Self::new(text),
            Some((keyword, value)) => Self::with_value(keyword, value),
        }
    }
}

impl PartialEq for Param {
    fn eq(&self, other: &Self) -> bool {
        let ((keyword, value), (other, other_value)) = (self.parts(), other.parts());
        keyword.eq_ignore_ascii_case(other) && value == other_value
    }
}

impl Eq for Param {}

impl Hash for Param {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_ignoring_case(self.keyword(), state);
        self.value().hash(state);
    }
}

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(text_of(self.argument().trim_ascii_start()))
    }
}

impl fmt::Debug for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Param").field(&self.to_string()).finish()
    }
}

try_from_text!(Param);

/// It was text, and was cut where a piece of it ended.
fn text_of(octets: &[u8]) -> &str {
    str::from_utf8(octets).unwrap_or_default()
}

/// ```text
/// esmtp-keyword = ( ALPHA / DIGIT ) *( ALPHA / DIGIT / "-" )
/// ```
fn keyword_fault(keyword: &str) -> Option<&'static str> {
    if keyword.is_empty() {
        Some("it has no keyword")
    } else if keyword.starts_with('-') || !keyword.bytes().all(is_ldh) {
        Some("a keyword may hold letters, digits and, but not at its start, hyphens only")
    } else {
        None
    }
}

/// ```text
/// esmtp-value = 1*( %d33-60 / %d62-126 / UTF8-non-ascii )
/// ```
///
/// RFC 5321 §4.1.2, RFC 6531 §3.3.
fn value_fault(value: &str) -> Option<&'static str> {
    let lawful = |c| matches!(c, '!'..='<' | '>'..='~') || is_utf8_non_ascii(c);
    if value.is_empty() {
        Some("its value is empty")
    } else if value.chars().all(lawful) {
        None
    } else {
        Some("a value must not hold a space, a `=` or a control character")
    }
}

/// Octets of an argument that is kept in place: those of every parameter with a number or a word of
/// the source, and as many as cost no room beside a `Box`.
const SHORT: usize = 38;
/// Digits of the greatest `u64`.
const MAX_DIGITS: usize = 20;

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher as _;

    use super::*;

    #[test]
    fn is_written_as_it_was_read() {
        for text in [
            "SMTPUTF8",
            "SIZE=0",
            "size=12345",
            "SIZE=18446744073709551615",
            "SIZE=18446744073709551616",
            "X=007",
            "X=+7",
            "BODY=8BITMIME",
            "ORCPT=rfc822;a+2Bb@example.org",
            "AUTH=<>",
            "X-1=jürgen",
            // The longest one that is kept in place, and the first that is not.
            "ORCPT=rfc822;bob.bobson@mail.example",
            "ORCPT=rfc822;bob.bobson@mail.examples",
            "X-OF-A-KEYWORD-THAT-IS-LONGER-THAN-MOST",
            "ENVID=of.an.envelope.that.came.a.long.way@mail.example.org",
        ] {
            let param = Param::try_from(text).unwrap();
            assert_eq!(param.argument(), format!(" {text}").as_bytes());
            assert_eq!(param.to_string(), text);
            assert_eq!(param.is_ascii(), text.is_ascii());
            let (keyword, value) = match text.split_once('=') {
                Some((keyword, value)) => (keyword, Some(value)),
                None => (text, None),
            };
            assert_eq!((param.keyword(), param.value()), (keyword, value));
            assert_eq!(param.has_value(), value.is_some());
        }
    }

    /// Nothing is allocated for them, whatever the number.
    #[test]
    fn those_of_the_source_are_kept_in_place() {
        for param in [
            Param::number("MT-PRIORITY", u64::MAX),
            Param::fixed("NOTIFY", "SUCCESS,FAILURE,DELAY"),
            Param::flag("REQUIRETLS"),
        ] {
            assert!(param.argument.is_in_place(), "{param}");
        }
    }

    #[test]
    fn is_equal_however_it_was_built() {
        let parsed = |text: &str| text.parse::<Param>().unwrap();
        assert_eq!(parsed("smtputf8"), Param::flag("SMTPUTF8"));
        assert_eq!(parsed("SIZE=5"), Param::number("SIZE", 5));
        assert_eq!(parsed("body=7BIT"), Param::fixed("BODY", "7BIT"));
        assert_eq!(parsed("RET=HDRS"), Param::with_value("RET", "HDRS").unwrap());
        assert_ne!(parsed("SIZE=05"), Param::number("SIZE", 5));
        assert_ne!(parsed("BODY=7bit"), Param::fixed("BODY", "7BIT"));
        assert_ne!(parsed("SIZE"), Param::number("SIZE", 5));
        assert_ne!(parsed("SIZ"), parsed("SIZE"));
        assert_eq!(format!("{:?}", Param::number("SIZE", 5)), r#"Param("SIZE=5")"#);
        assert!(parsed("Size=1").is("SIZE") && !parsed("Size=1").is("BODY"));
        let set = std::collections::HashSet::from([parsed("size=5")]);
        assert!(set.contains(&Param::number("SIZE", 5)));
        let hash = |text: &str| set.hasher().hash_one(parsed(text));
        assert_ne!(hash("SIZE=5"), hash("SIZE=6"));
        assert_ne!(hash("SIZE=5"), hash("BODY=5"));
    }

    /// RFC 5321 §4.1.2: `esmtp-value = 1*(%d33-60 / %d62-126)`.
    #[test]
    fn c_051_a_value_keeps_to_its_octets() {
        for octet in 0..=127_u8 {
            let is_lawful = matches!(octet, 33..=60 | 62..=126);
            for value in [char::from(octet).to_string(), format!("a{}a", char::from(octet))] {
                let param = Param::with_value("X", &value);
                assert_eq!(param.is_ok(), is_lawful, "{value:?}");
                assert_eq!(format!("X={value}").parse::<Param>(), param);
            }
        }
    }

    #[test]
    fn c_051_refuses_with_these_words() {
        let keyword = "a keyword may hold letters, digits and, but not at its start, hyphens only";
        let value = "a value must not hold a space, a `=` or a control character";
        let cases = [
            ("", "it has no keyword"),
            ("=5", "it has no keyword"),
            ("SIZE=", "its value is empty"),
            ("-A", keyword),
            ("A_B=1", keyword),
            ("A B", keyword),
            ("A\r", keyword),
            ("\u{10a}", keyword),
            ("A=B=C", value),
            ("A=B C", value),
            ("A=B\r\nQUIT", value),
            ("A=\u{7f}", value),
            ("A=\u{85}", value),
        ];
        for (text, reason) in cases {
            let error = text.parse::<Param>().unwrap_err();
            assert_eq!((error.what(), error.reason()), ("parameter", reason), "{text:?}");
        }
        assert_eq!(
            Param::with_value("SIZE", "").unwrap_err().to_string(),
            r#"parameter "SIZE=": its value is empty"#
        );
        // What is cut differently by the parser is refused by the constructors as well.
        assert!(Param::new("A=B").is_err());
        assert!(Param::with_value("A=B", "C").is_err());
    }
}
