//! A reply as it was received, lent by the buffer it came into. Its lines and codes are found in
//! the octets when they are asked for; nothing is copied.

use std::{borrow::Cow, fmt};

use super::{Reply, ReplyError, ReplyKind, frame};
use crate::wire::line::LineFinder;
use crate::wire::{
    Code, EnhancedCode, Escaped, Limits, Quirk, Quirks, Retry, Severity, Strictness,
};

/// A reply that borrows the octets it was received in.
///
/// Shown, it is one line: its lines as they came, joined by a space, with all that could harm a
/// terminal or a log escaped. `{:#}` puts each of them on a row of its own.
///
/// ```
/// use ehlo::{ReplyKind, ReplyRef, Strictness};
///
/// let octets = b"550-5.1.1 no such user\r\n550 5.1.1 try the directory\r\n250 next";
/// let parsed = ReplyRef::parse(octets, ReplyKind::Other, Strictness::Strict)?;
/// let (reply, used) = parsed.unwrap();
/// assert_eq!(reply.code().number(), 550);
/// assert_eq!(reply.enhanced().unwrap().to_string(), "5.1.1");
/// assert_eq!(reply.text(), "no such user\ntry the directory");
/// assert_eq!(&octets[used..], b"250 next");
/// assert_eq!(reply.to_string(), "550-5.1.1 no such user 550 5.1.1 try the directory");
/// # Ok::<(), ehlo::ReplyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ReplyRef<'a> {
    facts: Facts,
    octets: &'a [u8],
}

/// What was found in the octets of a reply when its end was.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) quirks: Quirks,
    pub(super) lines: u32,
    pub(super) code: Code,
    pub(super) kind: ReplyKind,
}

impl<'a> ReplyRef<'a> {
    /// The reply that `octets` begin with, and how many of them it takes; `None` if its last line
    /// has not come. The default [`Limits`] hold.
    ///
    /// # Errors
    ///
    /// A line that has come cannot be part of a reply.
    pub fn parse(
        octets: &'a [u8],
        kind: ReplyKind,
        strictness: Strictness,
    ) -> Result<Option<(Self, usize)>, ReplyError> {
        let mut framer = frame::Framer::new(Limits::default(), strictness);
        let mut finder = LineFinder::default();
        framer.next(octets, &mut finder, kind)?;
        let used = finder.line();
        let reply = octets.get(..used).and_then(|octets| framer.reply(octets));
        Ok(reply.map(|reply| (reply, used)))
    }

    /// The code of the last line, which is that of all lines unless
    /// [`MixedCodes`](Quirk::MixedCodes) is flagged.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.facts.code
    }

    /// What the first digit of the code says.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        self.facts.code.severity()
    }

    /// Whether the code is 2yz.
    #[must_use]
    pub const fn is_completed(&self) -> bool {
        matches!(self.severity(), Severity::Completed)
    }

    /// Whether the code is 3yz.
    #[must_use]
    pub const fn is_intermediate(&self) -> bool {
        matches!(self.severity(), Severity::Intermediate)
    }

    /// Whether the code is 4yz or 5yz.
    #[must_use]
    pub const fn is_negative(&self) -> bool {
        self.severity().is_negative()
    }

    /// When the same request may be tried again, by the code alone: where an enhanced code is of
    /// another class, the code is trusted.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        self.facts.code.retry()
    }

    /// The text of each line: what follows code and separator, an enhanced code included. Blank
    /// lines are skipped.
    #[must_use]
    pub const fn lines(&self) -> Lines<'a> {
        Lines(self.wire_lines())
    }

    /// How many lines there are, at least 1; blank lines are not counted.
    #[must_use]
    pub const fn line_count(&self) -> usize {
        self.facts.lines as usize
    }

    /// Each line as it came, without its end. Blank lines are skipped.
    #[must_use]
    pub const fn wire_lines(&self) -> WireLines<'a> {
        WireLines::new(self.octets)
    }

    /// The text of all lines, without enhanced codes, joined by LF. What is not UTF-8 becomes
    /// U+FFFD; controls stay, so show the reply itself rather than this.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        let mut lines = self.texts();
        let first = String::from_utf8_lossy(lines.next().unwrap_or_default());
        if self.facts.lines == 1 {
            return first;
        }
        let mut text = first.into_owned();
        for line in lines {
            text.push('\n');
            text.push_str(&String::from_utf8_lossy(line));
        }
        Cow::Owned(text)
    }

    /// The enhanced code of the first line that has one. `None` for greetings, replies to EHLO
    /// and 3yz replies, whose text is not read for one (RFC 2034 §4).
    #[must_use]
    pub fn enhanced(&self) -> Option<EnhancedCode> {
        if !self.may_be_enhanced() {
            return None;
        }
        let mut codes = self.lines().filter_map(EnhancedCode::parse_prefix);
        codes.next().map(|(code, _)| code)
    }

    /// What the server should not have said, but was let pass.
    #[must_use]
    pub fn quirks(&self) -> Quirks {
        let mut quirks = self.facts.quirks;
        if !self.facts.code.is_known() {
            quirks.insert(Quirk::UnknownCode);
        }
        let class = self.facts.code.number() / 100;
        let clashes = |enhanced: EnhancedCode| u16::from(enhanced.class()) != class;
        if self.may_be_enhanced() && self.enhanced().is_some_and(clashes) {
            quirks.insert(Quirk::EnhancedClash);
        }
        if self.facts.kind == ReplyKind::Auth
            && self.is_completed()
            && self.facts.code.number() != 235
        {
            quirks.insert(Quirk::OddAuthSuccess);
        }
        quirks
    }

    /// What the reply answers, as its reader said.
    #[must_use]
    pub const fn kind(&self) -> ReplyKind {
        self.facts.kind
    }

    /// The reply as it was received: all lines with their ends, and blank lines before and among
    /// them.
    #[must_use]
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// A copy that owns its octets.
    #[must_use]
    #[inline]
    pub fn to_reply(&self) -> Reply {
        Reply::copy(*self)
    }

    pub(super) const fn framed(octets: &'a [u8], facts: Facts) -> Self {
        Self { octets, facts }
    }

    pub(super) const fn facts(&self) -> Facts {
        self.facts
    }

    /// The text of each line, without enhanced codes.
    pub(in crate::wire) fn texts(&self) -> impl Iterator<Item = &'a [u8]> {
        let reply = *self;
        self.lines().map(move |line| reply.without_enhanced(line))
    }

    fn may_be_enhanced(&self) -> bool {
        matches!(self.facts.kind, ReplyKind::Auth | ReplyKind::Other) && !self.is_intermediate()
    }

    fn without_enhanced(&self, text: &'a [u8]) -> &'a [u8] {
        if !self.may_be_enhanced() {
            return text;
        }
        let used = EnhancedCode::parse_prefix(text).map_or(0, |(_, used)| used);
        text.get(used..).unwrap_or_default()
    }
}

impl fmt::Display for ReplyRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if f.alternate() { "\n" } else { " " };
        for (index, line) in self.wire_lines().enumerate() {
            if index > 0 {
                f.write_str(separator)?;
            }
            fmt::Display::fmt(&Escaped::new(line), f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for ReplyRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyRef")
            .field("kind", &self.facts.kind)
            .field("octets", &Escaped::new(self.octets))
            .field("quirks", &self.quirks())
            .finish()
    }
}

/// The texts of a reply's lines, without code and separator; from [`ReplyRef::lines`].
#[derive(Clone, Debug)]
pub struct Lines<'a>(WireLines<'a>);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.0.next().map(frame::text_of)
    }
}

/// The lines of a reply as they came, without their ends; from [`ReplyRef::wire_lines`].
#[derive(Clone, Debug)]
pub struct WireLines<'a> {
    /// From where the next one begins.
    rest: &'a [u8],
}

impl<'a> WireLines<'a> {
    pub(super) const fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }
}

impl<'a> Iterator for WireLines<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let (line, behind) = frame::split_first_line(self.rest)?;
            self.rest = behind;
            if !line.is_empty() {
                return Some(line);
            }
        }
        None
    }
}
