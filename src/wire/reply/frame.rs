//! Where a reply ends and what is wrong with its lines. Each line is judged as soon as its end is
//! there, whatever is to follow; the same octets give the same result however they are split.

use super::{Foreign, ReplyError, ReplyFault, ReplyKind, ReplyRef};
use crate::wire::line::LineFinder;
use crate::wire::{Code, Limits, Quirk, Quirks, Strictness};

/// Finds the end of one reply after the other.
#[derive(Debug, Default)]
pub(super) struct Framer {
    limits: Limits,
    strictness: Strictness,
    frame: Frame,
}

impl Framer {
    pub(super) fn new(limits: Limits, strictness: Strictness) -> Self {
        Self { limits, strictness, frame: Frame::default() }
    }

    /// Takes note of the lines that `octets`, which begin with the reply, have beyond what was
    /// seen before. True: the last one is there.
    pub(super) fn next(
        &mut self,
        octets: &[u8],
        finder: &mut LineFinder,
        kind: ReplyKind,
    ) -> Result<bool, ReplyError> {
        self.frame.kind = kind;
        // A TLS record may well have no LF: its beginning has to do.
        if kind == ReplyKind::Greeting && matches!(octets, [0x15 | 0x16, 0x03, ..]) {
            let fault = ReplyFault::NotSmtp(Foreign::Tls);
            return Err(ReplyError::of_beginning(fault, octets.get(..2).unwrap_or(octets)));
        }
        loop {
            let begin = finder.line();
            let is_challenge = matches!(octets.get(begin..), Some([b'3', b'3', b'4', ..]));
            match finder.next(octets, self.line_limit(is_challenge)) {
                Ok(Some(found)) => {
                    let line = octets.get(found.range).unwrap_or_default();
                    if self.accept(line, found.is_plain)? {
                        return Ok(true);
                    }
                }
                Ok(None) => return Ok(false),
                Err(_) => return Err(self.too_long(octets, begin, is_challenge)),
            }
        }
    }

    /// Forgets the reply that was framed; the next one begins.
    pub(super) fn restart(&mut self) {
        self.frame = Frame::default();
    }

    pub(super) const fn frame(&self) -> &Frame {
        &self.frame
    }

    pub(super) const fn strictness(&self) -> Strictness {
        self.strictness
    }

    /// The octets that the line at hand may have.
    fn line_limit(&self, is_challenge: bool) -> usize {
        let limit = if is_challenge { self.limits.challenge_line() } else { self.limits.line() };
        limit.min(self.limits.reply().saturating_sub(self.frame.octets))
    }

    /// What it means that it has more.
    #[cold]
    fn too_long(&self, octets: &[u8], begin: usize, is_challenge: bool) -> ReplyError {
        let most = self.line_limit(is_challenge);
        let left = self.limits.reply().saturating_sub(self.frame.octets);
        let line = if is_challenge { self.limits.challenge_line() } else { self.limits.line() };
        let fault = match line <= left {
            true => ReplyFault::LineTooLong { limit: line },
            false => ReplyFault::ReplyTooLong { limit: self.limits.reply() },
        };
        // No more than was sure to be there when the limit was met.
        let rest = octets.get(begin..).unwrap_or_default();
        ReplyError::of_beginning(fault, rest.get(..most).unwrap_or(rest))
    }

    /// True: the line is the reply's last.
    fn accept(&mut self, raw: &[u8], is_plain: bool) -> Result<bool, ReplyError> {
        let (line, quirks) = match raw {
            [line @ .., _, _] if is_plain => (line, Quirks::NONE),
            raw => {
                let (line, end) = split_line_end(raw);
                (line, end | odd_octets(line))
            }
        };
        self.judge(raw.len(), line, quirks).map_err(|fault| ReplyError::of_line(fault, line))
    }

    fn judge(&mut self, len: usize, line: &[u8], odd: Quirks) -> Result<bool, ReplyFault> {
        let frame = &mut self.frame;
        let mut quirks = odd;
        let mut is_last = false;
        if line.is_empty() {
            // One blank line before a reply is a slip, two are not SMTP.
            if frame.lines == 0 && frame.quirks.contains(Quirk::BlankLine) {
                return Err(ReplyFault::NotACode);
            }
            quirks.insert(Quirk::BlankLine);
        } else {
            if len > LINE {
                quirks.insert(Quirk::LongLine);
            }
            match head(line) {
                Ok(head) => {
                    quirks |= frame.take_code(head, line)?;
                    is_last = head.is_last;
                }
                Err(ReplyFault::NotACode) if frame.may_lack_code(self.strictness) => {
                    quirks.insert(Quirk::MissingCode);
                }
                Err(fault) => return Err(frame.foreign(line).unwrap_or(fault)),
            }
            frame.lines += 1;
        }
        if self.strictness == Strictness::Strict
            && let Some(quirk) = quirks.refused()
        {
            return Err(ReplyFault::Quirk(quirk));
        }
        frame.quirks |= quirks;
        frame.octets += len;
        let limit = self.limits.lines();
        if frame.lines >= limit && !is_last {
            return Err(ReplyFault::TooManyLines { limit });
        }
        Ok(is_last)
    }
}

/// What is known of a reply so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frame {
    /// The octets of the lines that were seen.
    pub(super) octets: usize,
    pub(super) lines: usize,
    pub(super) quirks: Quirks,
    kind: ReplyKind,
    /// The code of the last line that had one.
    code: Option<Code>,
}

impl Frame {
    /// The reply, if `octets` begin with it and a line with a code was seen.
    pub(super) fn reply<'a>(&self, octets: &'a [u8]) -> Option<ReplyRef<'a>> {
        let octets = octets.get(..self.octets)?;
        Some(ReplyRef::framed(octets, self.code?, self.kind, self.quirks, self.lines))
    }

    fn take_code(&mut self, head: Head, line: &[u8]) -> Result<Quirks, ReplyFault> {
        let mut quirks = head.quirks;
        if self.code != Some(head.code) {
            if let Some(first) = self.code {
                let agree = head.code.severity() == first.severity();
                if !agree && self.kind != ReplyKind::Greeting {
                    return Err(ReplyFault::CodesDisagree { first });
                }
                quirks.insert(Quirk::MixedCodes);
            }
            if !head.code.is_known() {
                quirks.insert(Quirk::UnknownCode);
                // What is known is in the grammar.
                if !head.code.is_in_grammar() {
                    quirks.insert(Quirk::OddCode);
                }
            }
            self.code = Some(head.code);
        }
        if self.kind == ReplyKind::Greeting && is_overwritten(text_of(line)) {
            quirks.insert(Quirk::PixFixup);
        }
        Ok(quirks)
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

/// A line without its end, and what was odd about the end.
pub(super) fn split_line_end(raw: &[u8]) -> (&[u8], Quirks) {
    match raw {
        [line @ .., b'\r', b'\n'] if line.last() != Some(&b'\r') => (line, Quirks::NONE),
        [line @ .., b'\r', b'\n'] => (trim_cr(line), Quirks::from(Quirk::CrCrLf)),
        [line @ .., b'\n'] => (line, Quirks::from(Quirk::BareLf)),
        line => (line, Quirks::NONE),
    }
}

/// The text after code and separator; the whole line if it has no code.
pub(super) fn text_of(line: &[u8]) -> &[u8] {
    match line {
        [a, b, c, rest @ ..] if [a, b, c].into_iter().all(u8::is_ascii_digit) => match rest {
            [] => rest,
            [b' ' | b'-' | b'\t', text @ ..] => text,
            _ => line,
        },
        _ => line,
    }
}

/// What stands before the text of a line.
#[derive(Clone, Copy)]
struct Head {
    code: Code,
    is_last: bool,
    quirks: Quirks,
}

/// ```text
/// Reply-line = Reply-code [ SP / "-" [ textstring ] ] CRLF
/// Reply-code = %x32-35 %x30-35 %x30-39
/// ```
///
/// (RFC 5321 §4.2, in other words.) Beyond that grammar a tab is read as SP, and the second digit
/// goes up to 9.
#[inline]
fn head(line: &[u8]) -> Result<Head, ReplyFault> {
    let [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] = line else {
        return Err(ReplyFault::NotACode);
    };
    let (is_last, quirks) = match rest.first() {
        None | Some(b' ') => (true, Quirks::NONE),
        Some(b'-') => (false, Quirks::NONE),
        Some(b'\t') => (true, Quirks::from(Quirk::TabSeparator)),
        Some(b'0'..=b'9') => return Err(ReplyFault::NotACode),
        Some(_) => return Err(ReplyFault::BadSeparator),
    };
    let number =
        [a, b, c].into_iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0'));
    let code = Code::new(number).ok_or(ReplyFault::BadCode)?;
    Ok(Head { code, is_last, quirks })
}

fn trim_cr(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|octet| *octet != b'\r');
    end.and_then(|end| line.get(..=end)).unwrap_or_default()
}

/// NUL, CR and what is not ASCII.
#[cold]
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
fn is_overwritten(text: &[u8]) -> bool {
    let stars = text.iter().filter(|octet| **octet == b'*').count();
    stars >= PIX_STARS && text.iter().all(|octet| b"*20 ".contains(octet))
}

/// RFC 5321 §4.5.3.1.5, the line's end included.
const LINE: usize = 512;
/// No banner consists of so many asterisks by itself.
const PIX_STARS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

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
