//! One parameter of MAIL or RCPT. Which parameters there are, and what they need of the server,
//! is known to the extensions.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use super::InvalidValue;
use super::domain::{hash_ignoring_case, is_ldh};
use super::invalid::try_from_text;
use super::mailbox::is_utf8_non_ascii;
use super::sink::Sink;

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
#[derive(Clone, Debug)]
pub struct Param {
    keyword: Cow<'static, str>,
    value: Option<Value>,
}

/// A number is never kept as text where it could be kept as a number: so equality is derived.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Value {
    Number(u64),
    Text(Cow<'static, str>),
}

impl Param {
    /// A parameter without a value.
    ///
    /// # Errors
    ///
    /// Where the keyword is not one letter or digit, and then letters, digits and hyphens.
    pub fn new(keyword: &str) -> Result<Self, InvalidValue> {
        match keyword_fault(keyword) {
            None => Ok(Self { keyword: Cow::Owned(keyword.into()), value: None }),
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
            None => Ok(Self { keyword: Cow::Owned(keyword.into()), value: Some(Value::of(value)) }),
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
        &self.keyword
    }

    /// The value, if there is one; allocates for a number only.
    #[must_use]
    pub fn value(&self) -> Option<Cow<'_, str>> {
        match self.value.as_ref()? {
            Value::Number(number) => Some(Cow::Owned(number.to_string())),
            Value::Text(text) => Some(Cow::Borrowed(text)),
        }
    }

    /// Whether there is a value: it is never empty.
    #[must_use]
    pub const fn has_value(&self) -> bool {
        self.value.is_some()
    }

    /// Whether it can be sent to a server that does not offer SMTPUTF8.
    #[must_use]
    #[inline]
    pub fn is_ascii(&self) -> bool {
        match &self.value {
            Some(Value::Text(text)) => text.is_ascii(),
            Some(Value::Number(_)) | None => true,
        }
    }

    /// Whether the keyword is this one, in any case.
    #[must_use]
    #[inline]
    pub fn is(&self, keyword: &str) -> bool {
        self.keyword.eq_ignore_ascii_case(keyword)
    }

    #[inline]
    pub(super) fn write_to(&self, sink: &mut impl Sink) {
        sink.put(self.keyword.as_bytes());
        match &self.value {
            None => {}
            Some(Value::Number(number)) => {
                sink.put(b"=");
                sink.put_number(*number);
            }
            Some(Value::Text(text)) => {
                sink.put(b"=");
                sink.put(text.as_bytes());
            }
        }
    }
}

/// Parameters of words that stand in the source, and of values that were checked before.
impl Param {
    pub(crate) const fn flag(keyword: &'static str) -> Self {
        Self { keyword: Cow::Borrowed(keyword), value: None }
    }

    pub(crate) const fn number(keyword: &'static str, number: u64) -> Self {
        Self { keyword: Cow::Borrowed(keyword), value: Some(Value::Number(number)) }
    }

    /// The value must not be a number: equality would not know it as one.
    pub(crate) const fn fixed(keyword: &'static str, value: &'static str) -> Self {
        Self { keyword: Cow::Borrowed(keyword), value: Some(Value::Text(Cow::Borrowed(value))) }
    }

    /// The value must be one that [`with_value`](Self::with_value) takes.
    pub(crate) fn text(keyword: &'static str, value: String) -> Self {
        debug_assert_eq!(value_fault(&value), None, "{value}");
        Self { keyword: Cow::Borrowed(keyword), value: Some(Value::of(value)) }
    }
}

impl Value {
    fn of(text: impl Into<String> + AsRef<str>) -> Self {
        let value = text.as_ref();
        let is_canonical = value.bytes().all(|octet| octet.is_ascii_digit())
            && (value == "0" || !value.starts_with('0'));
        match value.parse() {
            Ok(number) if is_canonical => Self::Number(number),
            _ => Self::Text(Cow::Owned(text.into())),
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
        self.is(&other.keyword) && self.value == other.value
    }
}

impl Eq for Param {}

impl Hash for Param {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_ignoring_case(&self.keyword, state);
        self.value.hash(state);
    }
}

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.keyword)?;
        match &self.value {
            None => Ok(()),
            Some(Value::Number(number)) => write!(f, "={number}"),
            Some(Value::Text(text)) => write!(f, "={text}"),
        }
    }
}

try_from_text!(Param);

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

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher as _;

    use bytes::BytesMut;

    use super::*;
    use crate::wire::sink::Counter;

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
        ] {
            let param = Param::try_from(text).unwrap();
            let (mut out, mut counter) = (BytesMut::new(), Counter(0));
            param.write_to(&mut out);
            param.write_to(&mut counter);
            assert_eq!(out, text);
            assert_eq!(counter.0, text.len());
            assert_eq!(param.to_string(), text);
            assert_eq!(param.is_ascii(), text.is_ascii());
            let (keyword, value) = match text.split_once('=') {
                Some((keyword, value)) => (keyword, Some(value)),
                None => (text, None),
            };
            assert_eq!((param.keyword(), param.value().as_deref()), (keyword, value));
            assert_eq!(param.has_value(), value.is_some());
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
