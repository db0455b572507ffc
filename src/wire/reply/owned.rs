//! A reply that owns its octets: the copy of a received one, or one that a server writes.

use std::{borrow::Cow, fmt, str::FromStr};

use super::borrowed::Facts;
use super::{Lines, ReplyError, ReplyFault, ReplyKind, ReplyRef, WireLines};
use crate::wire::kept::Kept;
use crate::wire::{Code, EnhancedCode, Quirks, Retry, Severity, Strictness};

/// A reply of its own. Nothing is allocated for a short one.
///
/// It reads and shows like the [`ReplyRef`] it is a copy of. A server, or a test, builds one from
/// text; then [`octets`](Self::octets) is what to write.
///
/// ```
/// use ehlo::{Code, Reply};
///
/// let reply = Reply::from_lines(Code::OK, ["mx.example", "SIZE 1000"])?;
/// assert_eq!(reply.octets(), b"250-mx.example\r\n250 SIZE 1000\r\n");
///
/// let refusal: Reply = "550 5.1.1 no such user".parse()?;
/// assert!(refusal.is_negative());
/// # Ok::<(), ehlo::ReplyError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    octets: Kept<SHORT>,
    facts: Facts,
}

impl Reply {
    /// A reply of these lines of text, all with this code. Without a line, or with an empty one,
    /// the code stands alone.
    ///
    /// # Errors
    ///
    /// A text has a control character other than the tab, or the whole exceeds the default
    /// [`Limits`](crate::Limits).
    pub fn from_lines<L>(code: Code, lines: L) -> Result<Self, ReplyError>
    where
        L: IntoIterator<Item: AsRef<str>>,
    {
        let mut octets = Vec::new();
        let mut lines = lines.into_iter().peekable();
        loop {
            let line = lines.next();
            let text = line.as_ref().map_or("", AsRef::as_ref);
            if text.contains(|c: char| c.is_ascii_control() && c != '\t') {
                return Err(ReplyError::of_line(ReplyFault::Control, text.as_bytes()));
            }
            octets.extend_from_slice(code.to_string().as_bytes());
            let is_last = lines.peek().is_none();
            match (is_last, text) {
                (false, _) => octets.push(b'-'),
                (true, "") => {}
                (true, _) => octets.push(b' '),
            }
            octets.extend_from_slice(text.as_bytes());
            octets.extend_from_slice(b"\r\n");
            if is_last {
                return Self::whole(&octets, Strictness::Tolerant);
            }
        }
    }

    /// The same reply, borrowed.
    #[must_use]
    #[inline]
    pub const fn as_ref(&self) -> ReplyRef<'_> {
        ReplyRef::framed(self.octets.octets(), self.facts)
    }

    /// The code of the last line; see [`ReplyRef::code`].
    #[must_use]
    pub const fn code(&self) -> Code {
        self.facts.code
    }

    /// What the first digit of the code says; see [`ReplyRef::severity`].
    #[must_use]
    pub const fn severity(&self) -> Severity {
        self.facts.code.severity()
    }

    /// Whether the code is 2yz; see [`ReplyRef::is_completed`].
    #[must_use]
    pub const fn is_completed(&self) -> bool {
        self.as_ref().is_completed()
    }

    /// Whether the code is 3yz; see [`ReplyRef::is_intermediate`].
    #[must_use]
    pub const fn is_intermediate(&self) -> bool {
        self.as_ref().is_intermediate()
    }

    /// Whether the code is 4yz or 5yz; see [`ReplyRef::is_negative`].
    #[must_use]
    pub const fn is_negative(&self) -> bool {
        self.severity().is_negative()
    }

    /// When the same request may be tried again; see [`ReplyRef::retry`].
    #[must_use]
    pub const fn retry(&self) -> Retry {
        self.facts.code.retry()
    }

    /// The text of each line; see [`ReplyRef::lines`].
    #[must_use]
    pub const fn lines(&self) -> Lines<'_> {
        self.as_ref().lines()
    }

    /// How many lines there are, at least 1; see [`ReplyRef::line_count`].
    #[must_use]
    pub const fn line_count(&self) -> usize {
        self.facts.lines as usize
    }

    /// Each line as it came, without its end; see [`ReplyRef::wire_lines`].
    #[must_use]
    pub const fn wire_lines(&self) -> WireLines<'_> {
        self.as_ref().wire_lines()
    }

    /// The text of all lines, joined by LF; see [`ReplyRef::text`].
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        self.as_ref().text()
    }

    /// The enhanced code of the first line that has one; see [`ReplyRef::enhanced`].
    #[must_use]
    pub fn enhanced(&self) -> Option<EnhancedCode> {
        self.as_ref().enhanced()
    }

    /// What the server should not have said, but was let pass; see [`ReplyRef::quirks`].
    #[must_use]
    pub fn quirks(&self) -> Quirks {
        self.as_ref().quirks()
    }

    /// What the reply answers; see [`ReplyRef::kind`].
    #[must_use]
    pub const fn kind(&self) -> ReplyKind {
        self.facts.kind
    }

    /// The reply as it goes over the wire, line ends included; see [`ReplyRef::octets`].
    #[must_use]
    #[inline]
    pub const fn octets(&self) -> &[u8] {
        self.octets.octets()
    }

    #[inline]
    pub(super) fn copy(reply: ReplyRef<'_>) -> Self {
        Self { octets: Kept::of([reply.octets()]), facts: reply.facts() }
    }

    /// The one reply that these octets are.
    fn whole(octets: &[u8], strictness: Strictness) -> Result<Self, ReplyError> {
        let of_last = |fault| {
            let line = WireLines::new(octets).last();
            ReplyError::of_line(fault, line.unwrap_or_default())
        };
        match ReplyRef::parse(octets, ReplyKind::Other, strictness)? {
            Some((reply, used)) if used == octets.len() => Ok(reply.to_reply()),
            Some(_) => Err(of_last(ReplyFault::Trailing)),
            None => Err(of_last(ReplyFault::Unfinished)),
        }
    }
}

/// Octets of a reply that is kept in place: nearly all that are positive have no more.
const SHORT: usize = 46;

/// Reads a reply as people write one: lines joined by LF or CRLF, the end of the last one left
/// out or not. Each has its code, and [`Strictness::Strict`] holds.
impl FromStr for Reply {
    type Err = ReplyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut octets = Vec::with_capacity(text.len() + 2);
        for line in text.lines() {
            if line.contains(|c: char| c.is_ascii_control() && c != '\t') {
                return Err(ReplyError::of_line(ReplyFault::Control, line.as_bytes()));
            }
            octets.extend_from_slice(line.as_bytes());
            octets.extend_from_slice(b"\r\n");
        }
        Self::whole(&octets, Strictness::Strict)
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_ref(), f)
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_ref(), f)
    }
}

impl From<ReplyRef<'_>> for Reply {
    fn from(reply: ReplyRef<'_>) -> Self {
        Self::copy(reply)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_lines_writes_what_the_grammar_has() {
        let octets = |lines: &[&str]| Reply::from_lines(Code::OK, lines).unwrap().octets().to_vec();
        assert_eq!(octets(&[]), b"250\r\n");
        assert_eq!(octets(&[""]), b"250\r\n");
        assert_eq!(octets(&["a"]), b"250 a\r\n");
        assert_eq!(octets(&["", "a\tb", ""]), b"250-\r\n250-a\tb\r\n250\r\n");
    }

    #[test]
    fn from_lines_refuses_what_would_not_stay_in_its_line() {
        for control in ["\r", "\n", "\0", "\x1b", "\x7f"] {
            let error = Reply::from_lines(Code::OK, ["fine", control]).unwrap_err();
            assert_eq!(error.fault(), ReplyFault::Control, "{control:?}");
        }
        let error = Reply::from_lines(Code::OK, ["a\r\n250 b"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"control character in the text of a reply: "a\x0d\x0a250 b""#
        );
        let error = Reply::from_lines(Code::OK, ["x"; 257]).unwrap_err();
        assert_eq!(error.fault(), ReplyFault::TooManyLines { limit: 256 });
        let error = Reply::from_lines(Code::OK, ["x".repeat(8192)]).unwrap_err();
        assert_eq!(error.fault(), ReplyFault::LineTooLong { limit: 8192 });
    }

    #[test]
    fn from_str_reads_one_whole_reply() {
        let reply: Reply = "550-5.1.1 no\n550 5.1.1 user".parse().unwrap();
        assert_eq!(reply.octets(), b"550-5.1.1 no\r\n550 5.1.1 user\r\n");
        assert_eq!("550-5.1.1 no\r\n550 5.1.1 user\r\n".parse(), Ok(reply.clone()));
        assert_eq!(format!("{reply:#}").parse(), Ok(reply.clone()));
        assert_eq!(Reply::from(reply.as_ref()), reply);
        assert_eq!(reply.kind(), ReplyKind::Other);
        assert_eq!(reply.wire_lines().count(), 2);
    }

    #[test]
    fn from_str_refuses_all_else() {
        for (text, words) in [
            ("", r#"reply without a last line: """#),
            ("250-a", r#"reply without a last line: "250-a""#),
            ("250 a\n250 b", r#"more than one reply: "250 b""#),
            ("250 a\n\n", r#"more than one reply: "250 a""#),
            ("250\ta", r#"a tab behind the code, which strict parsing refuses: "250\x09a""#),
            ("250 a\rb", r#"control character in the text of a reply: "250 a\x0db""#),
            ("no", r#"not a reply line: "no""#),
        ] {
            assert_eq!(text.parse::<Reply>().unwrap_err().to_string(), words);
        }
    }

    #[test]
    fn a_copy_has_exactly_the_octets_it_needs_and_reads_the_same() {
        let octets = b"250-2.0.0 a\n\n251 b\r\nmore";
        let parsed = ReplyRef::parse(octets, ReplyKind::Other, Strictness::Tolerant);
        let (lent, used) = parsed.unwrap().unwrap();
        let copy = lent.to_reply();
        assert_eq!(copy.octets(), &octets[..used]);
        assert_eq!(copy.as_ref(), lent);
        assert_eq!(copy.quirks().to_string(), "BareLf, BlankLine, MixedCodes");
        assert_eq!(copy.enhanced(), lent.enhanced());
        assert_eq!(
            format!("{copy:?}"),
            r#"ReplyRef { kind: Other, octets: "250-2.0.0 a\x0a\x0a251 b\x0d\x0a", quirks: Quirks(BareLf, BlankLine, MixedCodes) }"#
        );
    }
}
