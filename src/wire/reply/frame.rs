//! Where a reply ends and what is wrong with its lines. Each line is judged as soon as its end is
//! there, whatever is to follow; the same octets give the same result however they are split.

use super::borrowed::Facts;
use super::{Foreign, ReplyError, ReplyFault, ReplyKind, ReplyRef};
use crate::wire::line::{Found, LineFinder, first_line};
use crate::wire::{Code, Limits, Quirk, Quirks, Strictness};

/// Finds the end of one reply after the other.
#[derive(Debug, Default)]
pub(super) struct Framer {
    limits: Limits,
    strictness: Strictness,
    frame: Frame,
    /// The last line of the last reply: most of them begin alike.
    ended: Ended,
    pub(super) search: Search,
}

impl Framer {
    pub(super) fn new(limits: Limits, strictness: Strictness) -> Self {
        Self { limits, strictness, ..Self::default() }
    }

    /// Takes note of the lines that `octets` have beyond what was seen before, up to the last one
    /// of the reply.
    #[inline]
    pub(super) fn next(
        &mut self,
        octets: &[u8],
        finder: &mut LineFinder,
        kind: ReplyKind,
    ) -> Result<(), ReplyError> {
        self.frame.kind = kind;
        if kind == ReplyKind::Greeting {
            self.refuse_tls(octets, finder)?;
        }
        let mut limit = self.limits.line();
        loop {
            match finder.next(octets, limit, self.limits.reply()) {
                Ok(Some(Found { raw, is_plain })) => {
                    limit = self.limits.line();
                    match self.look(raw, is_plain) {
                        Line::Last => {
                            self.end();
                            return Ok(());
                        }
                        Line::Inner => self.go_on(raw)?,
                        Line::Odd => {
                            self.accept(raw, is_plain)?;
                            if let Search::Framed = self.search {
                                return Ok(());
                            }
                        }
                    }
                }
                Ok(None) => return Ok(()),
                Err(_) => limit = self.raised(limit, octets, finder)?,
            }
        }
    }

    /// Forgets the reply that was framed; the next one begins.
    pub(super) fn restart(&mut self) {
        self.frame = Frame::default();
        self.search = Search::Goes;
    }

    /// The reply that these octets are, once its last line was seen.
    #[inline]
    pub(super) fn reply<'a>(&self, octets: &'a [u8]) -> Option<ReplyRef<'a>> {
        let Frame { quirks, lines, kind, .. } = self.frame;
        let code = self.ended.code;
        match self.search {
            Search::Framed => Some(ReplyRef::framed(octets, Facts { quirks, lines, code, kind })),
            Search::Goes | Search::Failed => None,
        }
    }

    pub(super) const fn strictness(&self) -> Strictness {
        self.strictness
    }

    /// A TLS record may well have no LF: its beginning has to do.
    #[cold]
    fn refuse_tls(&self, octets: &[u8], finder: &LineFinder) -> Result<(), ReplyError> {
        let fault = ReplyFault::NotSmtp(Foreign::Tls);
        match octets.get(finder.line()..) {
            Some([a @ (0x15 | 0x16), b @ 0x03, ..]) if finder.given() == 0 => {
                Err(ReplyError::of_beginning(fault, &[*a, *b]))
            }
            _ => Ok(()),
        }
    }

    /// A line is too long, unless it is a challenge: those may be longer.
    #[cold]
    fn raised(
        &self,
        limit: usize,
        octets: &[u8],
        finder: &LineFinder,
    ) -> Result<usize, ReplyError> {
        let rest = octets.get(finder.line()..).unwrap_or_default();
        let line = match rest {
            [b'3', b'3', b'4', ..] => self.limits.challenge_line(),
            _ => self.limits.line(),
        };
        if limit < line {
            return Ok(line);
        }
        let all = self.limits.reply();
        let most = line.min(all.saturating_sub(finder.given()));
        let fault = match most == line {
            true => ReplyFault::LineTooLong { limit: line },
            false => ReplyFault::ReplyTooLong { limit: all },
        };
        // No more than was sure to be there when the limit was met.
        Err(ReplyError::of_beginning(fault, rest.get(..most).unwrap_or(rest)))
    }

    /// Sees what most lines are: nothing is odd about them, and their code is that of the line
    /// before.
    #[inline(always)]
    fn look(&mut self, raw: &[u8], is_plain: bool) -> Line {
        let frame = &mut self.frame;
        let begin = match raw.first_chunk() {
            Some(begin) if is_plain && raw.len() <= LINE => begin,
            _ => return Line::Odd,
        };
        // Most of those before the last even begin alike, and most of the last ones of replies.
        if *begin == frame.begin {
            return Line::Inner;
        }
        let head = match self.ended {
            Ended { begin: before, code } if before == *begin => Some((code, true)),
            _ => head_of(begin),
        };
        match head {
            _ if frame.kind == ReplyKind::Greeting => Line::Odd,
            Some((code, _)) if frame.code.is_some_and(|before| before != code) => Line::Odd,
            Some((code, true)) => {
                self.ended = Ended { begin: *begin, code };
                Line::Last
            }
            Some((code, false)) => {
                frame.code = Some(code);
                frame.begin = *begin;
                Line::Inner
            }
            None => Line::Odd,
        }
    }

    /// Looks at all that a line may have.
    #[cold]
    fn accept(&mut self, raw: &[u8], is_plain: bool) -> Result<(), ReplyError> {
        let (line, mut quirks) = match raw {
            [line @ .., _, _] if is_plain => (line, Quirks::NONE),
            raw => odd_line(raw),
        };
        self.frame.begin = NO_BEGIN;
        let (Some(code), Some(is_last)) = (code_of(line), is_last(line)) else {
            return self.accept_without_code(raw, line, quirks);
        };
        quirks |= odd_head(raw) | self.frame.change_code(code, raw)?;
        if self.frame.kind == ReplyKind::Greeting && is_overwritten(text_of(line)) {
            quirks.insert(Quirk::PixFixup);
        }
        self.tolerate(quirks, raw)?;
        match is_last {
            true => {
                self.ended = Ended { begin: NO_BEGIN, code };
                self.end();
            }
            false => self.go_on(raw)?,
        }
        Ok(())
    }

    /// The rest of it where the line does not begin with a code and a separator.
    fn accept_without_code(
        &mut self,
        raw: &[u8],
        line: &[u8],
        odd: Quirks,
    ) -> Result<(), ReplyError> {
        let frame = &self.frame;
        let fault = head_fault(line);
        // One blank line before a reply is a slip, two are not SMTP.
        let is_slip = frame.lines > 0 || !frame.quirks.contains(Quirk::BlankLine);
        if line.is_empty() && is_slip {
            return self.tolerate(odd | Quirk::BlankLine, raw);
        }
        if fault != ReplyFault::NotACode || !frame.may_lack_code(self.strictness) {
            let fault = frame.foreign(line).unwrap_or(fault);
            return Err(of_line(fault, raw));
        }
        let mut quirks = odd | Quirk::MissingCode;
        if raw.len() > LINE {
            quirks.insert(Quirk::LongLine);
        }
        self.tolerate(quirks, raw)?;
        self.go_on(raw)
    }

    /// The last line of the reply was seen.
    #[inline(always)]
    fn end(&mut self) {
        self.frame.lines += 1;
        self.search = Search::Framed;
    }

    /// Another line was.
    #[inline(always)]
    fn go_on(&mut self, raw: &[u8]) -> Result<(), ReplyError> {
        self.frame.lines += 1;
        let limit = self.limits.lines();
        match self.frame.lines as usize >= limit {
            true => Err(of_line(ReplyFault::TooManyLines { limit }, raw)),
            false => Ok(()),
        }
    }

    fn tolerate(&mut self, quirks: Quirks, raw: &[u8]) -> Result<(), ReplyError> {
        if self.strictness == Strictness::Strict
            && let Some(quirk) = quirks.refused()
        {
            return Err(of_line(ReplyFault::Quirk(quirk), raw));
        }
        self.frame.quirks |= quirks;
        Ok(())
    }
}

/// What a line is at first sight.
enum Line {
    /// The last of the reply.
    Last,
    /// One before the last.
    Inner,
    /// All of it has to be looked at.
    Odd,
}

/// How far the search for the next reply has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Search {
    #[default]
    Goes,
    /// The last line of the reply has been seen.
    Framed,
    /// Behind what is no reply nothing can be found again.
    Failed,
}

/// The last line of a reply.
#[derive(Clone, Copy, Debug)]
struct Ended {
    /// How it began, where nothing was odd about it.
    begin: [u8; 4],
    code: Code,
}

impl Default for Ended {
    fn default() -> Self {
        Self { begin: NO_BEGIN, code: Code::OK }
    }
}

/// What is known of a reply so far.
#[derive(Clone, Copy, Debug)]
struct Frame {
    quirks: Quirks,
    lines: u32,
    kind: ReplyKind,
    /// The code of the line before, of those that had one.
    code: Option<Code>,
    /// How a line begins that has this code too, is not the last, and has nothing to be looked at
    /// in it: nothing odd before its text, which is not that of a greeting.
    begin: [u8; 4],
}

impl Default for Frame {
    fn default() -> Self {
        Self {
            quirks: Quirks::NONE,
            lines: 0,
            kind: ReplyKind::default(),
            code: None,
            begin: NO_BEGIN,
        }
    }
}

impl Frame {
    /// The code of a line, and what is odd about it behind the one before.
    fn change_code(&mut self, code: Code, raw: &[u8]) -> Result<Quirks, ReplyError> {
        let first = match self.code.replace(code) {
            Some(first) if first != code => first,
            _ => return Ok(Quirks::NONE),
        };
        if code.severity() != first.severity() && self.kind != ReplyKind::Greeting {
            return Err(of_line(ReplyFault::CodesDisagree { first }, raw));
        }
        // That of the last line is looked at when it is asked for.
        let unknown = if first.is_known() { Quirks::NONE } else { Quirk::UnknownCode.into() };
        Ok(unknown | Quirk::MixedCodes)
    }

    fn may_lack_code(&self, strictness: Strictness) -> bool {
        strictness == Strictness::Lenient && self.kind == ReplyKind::Hello && self.lines > 0
    }

    /// What else speaks first, and how it begins.
    fn foreign(&self, line: &[u8]) -> Option<ReplyFault> {
        if self.kind != ReplyKind::Greeting || self.lines > 0 {
            return None;
        }
        let known: [(&[u8], Foreign); 4] = [
            (b"HTTP/", Foreign::Http),
            (b"SSH-", Foreign::Ssh),
            (b"* OK", Foreign::Imap),
            (b"+OK", Foreign::Pop3),
        ];
        let found = known.iter().find(|(beginning, _)| line.starts_with(beginning));
        found.map(|(_, foreign)| ReplyFault::NotSmtp(*foreign))
    }
}

/// A line that has come whole breaks a rule.
#[cold]
fn of_line(fault: ReplyFault, raw: &[u8]) -> ReplyError {
    ReplyError::of_line(fault, split_line_end(raw).0)
}

/// A line without its end, and what was odd about the end.
#[inline]
fn split_line_end(raw: &[u8]) -> (&[u8], Quirks) {
    match raw {
        [line @ .., b'\r', b'\n'] if line.last() != Some(&b'\r') => (line, Quirks::NONE),
        [line @ .., b'\r', b'\n'] => (trim_cr(line), Quirks::from(Quirk::CrCrLf)),
        [line @ .., b'\n'] => (line, Quirks::from(Quirk::BareLf)),
        line => (line, Quirks::NONE),
    }
}

/// The first line without its end, and what follows it.
#[inline]
pub(super) fn split_first_line(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, is_plain) = first_line(octets);
    let (raw, behind) = octets.split_at_checked(length)?;
    match raw {
        [line @ .., _, _] if is_plain => Some((line, behind)),
        raw => Some((split_line_end(raw).0, behind)),
    }
}

/// The text after code and separator; the whole line if it has no code. The line's end may be
/// there or not.
#[inline]
pub(super) fn text_of(line: &[u8]) -> &[u8] {
    match line {
        [a, b, c, rest @ ..] if [a, b, c].into_iter().all(u8::is_ascii_digit) => match rest {
            [b' ' | b'-' | b'\t', text @ ..] => text,
            [] | [b'\r' | b'\n', ..] => rest,
            _ => line,
        },
        _ => line,
    }
}

/// ```text
/// Reply-line = Reply-code [ SP / "-" [ textstring ] ] CRLF
/// Reply-code = %x32-35 %x30-35 %x30-39
/// ```
///
/// (RFC 5321 §4.2, in other words.) The code, and whether the line is the last.
#[inline(always)]
fn head_of(begin: &[u8; 4]) -> Option<(Code, bool)> {
    match begin {
        [a, b @ b'0'..=b'5', c @ b'0'..=b'9', separator @ (b' ' | b'-')] => {
            Some((code([*a, *b, *c])?, *separator == b' '))
        }
        _ => None,
    }
}

/// Beyond the grammar the second digit goes up to 9.
fn code_of(line: &[u8]) -> Option<Code> {
    match line {
        [a, b @ b'0'..=b'9', c @ b'0'..=b'9', ..] => code([*a, *b, *c]),
        _ => None,
    }
}

#[inline(always)]
fn code(digits: [u8; 3]) -> Option<Code> {
    let value = |digit: u8| u16::from(digit.wrapping_sub(b'0'));
    Code::new(digits.into_iter().fold(0, |number, digit| number * 10 + value(digit)))
}

/// What follows the code of a line says whether it is the last; `None` where nothing lawful does.
/// Beyond the grammar a tab is read as SP.
fn is_last(line: &[u8]) -> Option<bool> {
    match line.get(3) {
        None | Some(b' ' | b'\t') => Some(true),
        Some(b'-') => Some(false),
        Some(_) => None,
    }
}

/// What is odd about a line that has a code, beside its end and its octets.
fn odd_head(raw: &[u8]) -> Quirks {
    let mut quirks = Quirks::NONE;
    if raw.len() > LINE {
        quirks.insert(Quirk::LongLine);
    }
    if raw.get(1).is_some_and(|second| *second > b'5') {
        quirks.insert(Quirk::OddCode);
    }
    if raw.get(3) == Some(&b'\t') {
        quirks.insert(Quirk::TabSeparator);
    }
    quirks
}

/// What is wrong with a line that has none.
#[cold]
fn head_fault(line: &[u8]) -> ReplyFault {
    match line {
        [a, b, c, rest @ ..] if [a, b, c].into_iter().all(u8::is_ascii_digit) => {
            match rest.first() {
                Some(b'0'..=b'9') => ReplyFault::NotACode,
                None | Some(b' ' | b'-' | b'\t') => ReplyFault::BadCode,
                Some(_) => ReplyFault::BadSeparator,
            }
        }
        _ => ReplyFault::NotACode,
    }
}

fn trim_cr(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|octet| *octet != b'\r');
    end.and_then(|end| line.get(..=end)).unwrap_or_default()
}

/// A line that is no plain one, without its end, and what is odd about it.
fn odd_line(raw: &[u8]) -> (&[u8], Quirks) {
    let (line, end) = split_line_end(raw);
    (line, end | odd_octets(line))
}

/// NUL, CR and what is not ASCII.
fn odd_octets(line: &[u8]) -> Quirks {
    let mut quirks = Quirks::NONE;
    if line.contains(&b'\r') {
        quirks.insert(Quirk::BareCr);
    }
    if line.contains(&0) {
        quirks.insert(Quirk::Nul);
    }
    if !line.is_ascii() {
        quirks.insert(Quirk::NonAscii);
    }
    quirks
}

/// A Cisco PIX with "fixup protocol smtp" leaves nothing of a greeting but `2`, `0` and spaces.
#[cold]
fn is_overwritten(text: &[u8]) -> bool {
    let stars = text.iter().filter(|octet| **octet == b'*').count();
    stars >= PIX_STARS && text.iter().all(|octet| b"*20 ".contains(octet))
}

/// There is no LF in a line.
const NO_BEGIN: [u8; 4] = *b"\n\n\n\n";
/// RFC 5321 §4.5.3.1.5, the line's end included.
const LINE: usize = 512;
/// No banner consists of so many asterisks by itself.
const PIX_STARS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever stands between two lines that begin alike.
    #[test]
    fn the_code_named_is_that_of_the_line_before() {
        let octets = b"250-a\r\n261-b\r\n250-c\r\n550 d\r\n";
        let error = ReplyRef::parse(octets, ReplyKind::Other, Strictness::Tolerant).unwrap_err();
        assert_eq!(error.fault(), ReplyFault::CodesDisagree { first: Code::OK });
    }

    /// A line that begins like the one before is not read again: what is odd behind that is seen all
    /// the same, and the next reply begins anew.
    #[test]
    fn lines_that_begin_alike_are_judged_each() {
        let long = format!("250-a\r\n250-{}\r\n250 b\r\n", "x".repeat(507));
        for (octets, quirks) in [
            ("250-a\r\n250-b\r\n250 c\r\n", ""),
            ("250-a\r\n250-b\0\r\n250 c\r\n", "Nul"),
            ("250-a\r\n250-b\n250 c\r\n", "BareLf"),
            ("250-a\r\n\r\n250-b\r\n250 c\r\n", "BlankLine"),
            ("250-a\r\n251-b\r\n250-c\r\n250 d\r\n", "MixedCodes"),
            ("260-a\r\n260-b\r\n260 c\r\n", "OddCode, UnknownCode"),
            ("250\ta\r\n", "TabSeparator"),
            (&long, "LongLine"),
        ] {
            let twice = octets.repeat(2);
            let mut buffer = super::super::ReplyBuffer::default();
            buffer.extend(twice.as_bytes());
            for _ in 0..2 {
                assert!(buffer.next(ReplyKind::Other).unwrap(), "{octets:?}");
                let reply = buffer.reply().unwrap();
                assert_eq!(
                    (reply.octets(), &*reply.quirks().to_string()),
                    (octets.as_bytes(), quirks)
                );
                buffer.consume();
            }
        }
        let greeting = b"220-a\r\n220-***2***\r\n220 b\r\n";
        let parsed = ReplyRef::parse(greeting, ReplyKind::Greeting, Strictness::Tolerant);
        assert_eq!(parsed.unwrap().unwrap().0.quirks().to_string(), "PixFixup");
        let none = ReplyRef::parse(b"\0\0\0\0a\r\n", ReplyKind::Other, Strictness::Tolerant);
        assert_eq!(none.unwrap_err().fault(), ReplyFault::NotACode);
    }

    /// So it is where the last line of a reply begins like that of the reply before.
    #[test]
    fn replies_that_end_alike_are_judged_each() {
        let mut buffer = super::super::ReplyBuffer::default();
        buffer.extend(b"250 a\r\n250 b\0\r\n250 c\r\n251-d\r\n250 e\r\n550-f\r\n250 g\r\n");
        for quirks in ["", "Nul", "", "MixedCodes"] {
            assert!(buffer.next(ReplyKind::Other).unwrap());
            let reply = buffer.reply().unwrap();
            assert_eq!((reply.code(), &*reply.quirks().to_string()), (Code::OK, quirks));
            buffer.consume();
        }
        let fault = buffer.next(ReplyKind::Other).unwrap_err().fault();
        assert!(matches!(fault, ReplyFault::CodesDisagree { first } if first.number() == 550));
    }

    #[test]
    fn tls_speaks_first_or_not_at_all() {
        let parse = |octets| ReplyRef::parse(octets, ReplyKind::Greeting, Strictness::Tolerant);
        let tls = parse(b"\x16\x03\x01").unwrap_err();
        assert_eq!(tls.fault(), ReplyFault::NotSmtp(Foreign::Tls));
        assert_eq!(parse(b"220-mx\r\n\x16\x03\x01"), Ok(None));

        let mut buffer = super::super::ReplyBuffer::default();
        buffer.extend(b"220 mx\r\n\x15\x03\x01");
        assert_eq!(buffer.next(ReplyKind::Greeting), Ok(true));
        buffer.consume();
        let alert = buffer.next(ReplyKind::Greeting).unwrap_err();
        assert_eq!(alert.fault(), ReplyFault::NotSmtp(Foreign::Tls));
    }

    /// Lines are looked at in words of eight octets: an odd one counts wherever it stands.
    #[test]
    fn odd_octets_are_found_in_every_place() {
        for len in 1..40 {
            let mut line = vec![b'a'; len];
            assert_eq!(odd_octets(&line), Quirks::NONE);
            for at in 0..len {
                for (octet, expected) in [
                    (0, Quirks::from(Quirk::Nul)),
                    (b'\r', Quirks::from(Quirk::BareCr)),
                    (0x80, Quirks::from(Quirk::NonAscii)),
                    (0xff, Quirks::from(Quirk::NonAscii)),
                    (b'\t', Quirks::NONE),
                    (0x7f, Quirks::NONE),
                ] {
                    line[at] = octet;
                    assert_eq!(odd_octets(&line), expected, "{octet} at {at} of {len}");
                }
                line[at] = b'a';
            }
        }
    }
}
