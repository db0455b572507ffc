//! `local-part@domain`: the quoting, the sizes and what makes two of them equal. What stands
//! around a mailbox in MAIL and RCPT is in `path`; header addresses are not of this crate.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use nom::branch::alt;
use nom::bytes::complete::take_while1;
use nom::character::complete::{char, satisfy};
use nom::combinator::recognize;
use nom::multi::many0_count;
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

use super::domain::hash_ignoring_case;
use super::invalid::{CONTROL, EMPTY, try_from_text};
use super::{Host, InvalidValue};

/// The part of a mailbox left of the `@`, quoted only where it has to be; at most 64 octets in the
/// form of the wire.
///
/// ```
/// let name = ehlo::LocalPart::new("John Doe")?;
/// assert_eq!((name.as_wire(), &*name.value()), (r#""John Doe""#, "John Doe"));
/// # Ok::<(), ehlo::InvalidValue>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LocalPart(Box<str>);

impl LocalPart {
    /// A local part of its bare value, without quotes: they are put around where it needs them.
    ///
    /// # Errors
    ///
    /// Where it is empty, holds a control character, or is longer than 64 octets with its quotes.
    pub fn new(value: &str) -> Result<Self, InvalidValue> {
        let refuse = |reason| Err(InvalidValue::new("local part", value, reason));
        if value.is_empty() {
            return refuse(EMPTY);
        }
        if value.contains(char::is_control) {
            return refuse(CONTROL);
        }
        let wire = match dot_string(value) {
            Ok(("", _)) => Cow::Borrowed(value),
            _ => Cow::Owned(quote(value)),
        };
        if wire.len() > MAX_LOCAL_PART {
            return refuse("the local part is longer than 64 octets");
        }
        Ok(Self(wire.into()))
    }

    /// As it goes over the wire, in quotes where it needs them.
    #[must_use]
    pub const fn as_wire(&self) -> &str {
        &self.0
    }

    /// The bare value, without quotes.
    #[must_use]
    pub fn value(&self) -> Cow<'_, str> {
        match self.0.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(content) => Cow::Owned(unquote(content)),
            None => Cow::Borrowed(&self.0),
        }
    }
}

/// An address of the envelope: `local-part@domain`, at most 254 octets.
///
/// Two spellings of one mailbox are equal: the quoting is reduced to what is needed, the domain is
/// compared without regard to case, and so is the local part `postmaster` alone (RFC 5321 §4.5.1).
/// The case is kept as it was written (§2.4).
///
/// ```
/// let mailbox: ehlo::Mailbox = r#""joe"@Example.org"#.parse()?;
/// assert_eq!(mailbox.as_str(), "joe@Example.org");
/// assert_eq!(mailbox, "joe@example.org".parse()?);
/// assert_ne!(mailbox, "Joe@example.org".parse()?);
/// # Ok::<(), ehlo::InvalidValue>(())
/// ```
#[derive(Clone)]
pub struct Mailbox {
    /// In the brackets of a command: it is said as one piece. Shared: a mail and its delivery name
    /// the same mailboxes, by the thousand.
    path: Arc<str>,
    /// Where the `@` between the parts stands; a quoted local part may hold others.
    at: u8,
    /// Seen once: whoever sends to thousands asks for each of them, and more than once.
    is_ascii: bool,
}

impl Mailbox {
    /// A mailbox of its parts.
    ///
    /// # Errors
    ///
    /// Where it is longer than 254 octets: with its brackets it would exceed the 256 of a path
    /// (RFC 5321 §4.5.3.1.3).
    pub fn new(local_part: &LocalPart, host: impl Into<Host>) -> Result<Self, InvalidValue> {
        let path = format!("<{}@{}>", local_part.as_wire(), host.into());
        // Of 64 octets at most, and the bracket.
        let at = u8::try_from(1 + local_part.as_wire().len()).unwrap_or(u8::MAX);
        let mailbox = Self { is_ascii: path.is_ascii(), path: path.into(), at };
        if mailbox.as_str().len() > MAX_MAILBOX {
            let reason = "the mailbox is longer than 254 octets";
            return Err(InvalidValue::new("mailbox", mailbox.as_str(), reason));
        }
        Ok(mailbox)
    }

    /// The part left of the `@` as it goes over the wire, in quotes where it needs them.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.path.get(1..self.at.into()).unwrap_or_default()
    }

    /// The part right of the `@`: a domain, or an address literal in its brackets.
    #[must_use]
    pub fn domain(&self) -> &str {
        let behind = self.path.get(usize::from(self.at) + 1..).unwrap_or_default();
        behind.strip_suffix('>').unwrap_or_default()
    }

    /// The whole, as it goes over the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.path.get(1..self.path.len() - 1).unwrap_or_default()
    }

    /// The same in the brackets of a command.
    #[inline]
    pub(super) fn in_brackets(&self) -> &str {
        &self.path
    }

    /// Whether it can be sent to a server that does not offer SMTPUTF8.
    #[must_use]
    pub const fn is_ascii(&self) -> bool {
        self.is_ascii
    }

    fn is_postmaster(&self) -> bool {
        self.local_part().eq_ignore_ascii_case("postmaster")
    }
}

impl FromStr for Mailbox {
    type Err = InvalidValue;

    /// ```text
    /// Mailbox = Local-part "@" ( Domain / address-literal )
    /// ```
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let refuse = |reason| InvalidValue::new("mailbox", text, reason);
        let within = |error: InvalidValue| error.within("mailbox", text);
        let Ok((rest, value)) = local_part(text) else {
            return Err(refuse(why_no_local_part(text)));
        };
        let Some(host) = rest.strip_prefix('@') else {
            return Err(refuse(why_no_at(text, rest)));
        };
        let host = host.parse::<Host>().map_err(|error| match host {
            "" => refuse("nothing stands behind the `@`"),
            _ => within(error),
        })?;
        let local_part = LocalPart::new(&value).map_err(|error| match &*value {
            "" => refuse("nothing stands before the `@`"),
            _ => within(error),
        })?;
        Self::new(&local_part, host).map_err(within)
    }
}

impl PartialEq for Mailbox {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        // Most that are compared and equal are one.
        Arc::ptr_eq(&self.path, &other.path) || self.is_spelled_as(other)
    }
}

impl Eq for Mailbox {}

impl Mailbox {
    /// Whether both are spellings of one mailbox.
    fn is_spelled_as(&self, other: &Self) -> bool {
        self.domain().eq_ignore_ascii_case(other.domain())
            && (self.local_part() == other.local_part()
                || self.is_postmaster() && other.is_postmaster())
    }
}

impl Hash for Mailbox {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.is_postmaster() {
            true => "postmaster".hash(state),
            false => self.local_part().hash(state),
        }
        hash_ignoring_case(self.domain(), state);
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mailbox").field(&self.as_str()).finish()
    }
}

try_from_text!(Mailbox);

/// ```text
/// Local-part = Dot-string / Quoted-string
/// ```
///
/// Gives the bare value.
fn local_part(input: &str) -> IResult<&str, Cow<'_, str>> {
    alt((quoted_string.map(|content| Cow::Owned(unquote(content))), dot_string.map(Cow::Borrowed)))
        .parse(input)
}

/// ```text
/// Dot-string = Atom *( "." Atom )
/// Atom       = 1*atext
/// ```
fn dot_string(input: &str) -> IResult<&str, &str> {
    let atom = || take_while1(is_atext);
    recognize((atom(), many0_count(preceded(char('.'), atom())))).parse(input)
}

/// ```text
/// Quoted-string   = DQUOTE *QcontentSMTP DQUOTE
/// QcontentSMTP    = qtextSMTP / quoted-pairSMTP
/// quoted-pairSMTP = %d92 %d32-126
/// ```
///
/// Gives what stands between the quotes.
pub(super) fn quoted_string(input: &str) -> IResult<&str, &str> {
    let quoted_pair = preceded(char('\\'), satisfy(|c| matches!(c, ' '..='~')));
    let content = alt((take_while1(is_qtext), recognize(quoted_pair)));
    delimited(char('"'), recognize(many0_count(content)), char('"')).parse(input)
}

/// `atext` of RFC 5322 §3.2.3, with the `UTF8-non-ascii` of RFC 6531 §3.3.
const fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(
            c,
            '!' | '#'
                | '$'
                | '%'
                | '&'
                | '\''
                | '*'
                | '+'
                | '-'
                | '/'
                | '='
                | '?'
                | '^'
                | '_'
                | '`'
                | '{'
                | '|'
                | '}'
                | '~'
        )
        || is_utf8_non_ascii(c)
}

/// ```text
/// qtextSMTP = %d32-33 / %d35-91 / %d93-126 / UTF8-non-ascii
/// ```
const fn is_qtext(c: char) -> bool {
    matches!(c, ' '..='~') && !matches!(c, '"' | '\\') || is_utf8_non_ascii(c)
}

/// RFC 6531 §3.3, without the C1 controls, which no name needs.
pub(super) const fn is_utf8_non_ascii(c: char) -> bool {
    c > '\u{9f}'
}

/// RFC 5321 §4.1.2 wants the least quoting: only `"` and `\` are escaped.
fn quote(value: &str) -> String {
    let mut wire = String::with_capacity(value.len() + 2);
    wire.push('"');
    for c in value.chars() {
        if matches!(c, '"' | '\\') {
            wire.push('\\');
        }
        wire.push(c);
    }
    wire.push('"');
    wire
}

pub(super) fn unquote(content: &str) -> String {
    let mut value = String::with_capacity(content.len());
    let mut chars = content.chars();
    while let Some(c) = chars.next() {
        let escaped = (c == '\\').then(|| chars.next()).flatten();
        value.push(escaped.unwrap_or(c));
    }
    value
}

/// The reason for one who has to correct the address; the grammar has already refused it.
fn why_no_local_part(text: &str) -> &'static str {
    match text.chars().next() {
        None => EMPTY,
        Some('@') => "nothing stands before the `@`",
        Some('"') if text.contains(char::is_control) => CONTROL,
        Some('"') => "the quoted local part does not end",
        Some(c) => why_not_atext(c),
    }
}

fn why_no_at(text: &str, rest: &str) -> &'static str {
    match rest.chars().next() {
        None => "it has no `@` and no domain",
        Some(_) if text.starts_with('"') => "only `@` may follow a quoted local part",
        Some(c) => why_not_atext(c),
    }
}

fn why_not_atext(c: char) -> &'static str {
    match c {
        ' ' => "a space must be quoted in a local part",
        '.' => "a dot must stand between two atoms, or be quoted",
        c if c.is_control() => CONTROL,
        _ => "a special character must be quoted in a local part",
    }
}

/// RFC 5321 §4.5.3.1.1, quotes counted.
const MAX_LOCAL_PART: usize = 64;
/// RFC 5321 §4.5.3.1.3: 256 for a path, less its brackets.
const MAX_MAILBOX: usize = 254;

#[cfg(test)]
mod tests;
