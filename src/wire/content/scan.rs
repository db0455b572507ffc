//! One look over content before it is sent: what MAIL has to announce, and what a server would
//! refuse. It decides nothing: the policy does, in `check` and in the stuffer.

use super::seen::Seen;
use super::{CR, ContentFault, EIGHTH_BIT, LF, LineEndings, NUL};

/// What is in a mail's content, as found by one pass over it.
///
/// ```
/// use ehlo::{LineEndings, Scan};
///
/// let scan = Scan::of(b"Subject: hello\n\n.signature");
/// assert_eq!(scan.octets(), 26);
/// assert_eq!(scan.bare_lf(), Some(14));
/// assert!(scan.has_dots());
/// assert_eq!(scan.normalized_len(LineEndings::Normalize), 30);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    octets: u64,
    /// CRs and LFs that are not half of a CRLF.
    strays: u64,
    bare_cr: Option<u64>,
    bare_lf: Option<u64>,
    nul: Option<u64>,
    eight_bit: Option<u64>,
    long_lines: u64,
    long_line: Option<u64>,
    dots: bool,
    ending: Ending,
}

/// What content ends with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Ending {
    /// Nothing: there is none.
    #[default]
    Empty,
    Crlf,
    Stray,
    Text,
}

/// What has to be known of content that DATA sends as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verbatim {
    /// It ends in CRLF, or there is none.
    pub(crate) is_whole: bool,
    /// There are octets above 127.
    pub(crate) is_eight_bit: bool,
}

impl Scan {
    /// The longest line in octets, without its CRLF, that every server must take (RFC 5321
    /// §4.5.3.1.6).
    pub const LINE_LIMIT: u64 = 998;

    /// Scans content that is in memory as a whole; see [`Scanner`] for chunks.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        let mut scanner = Scanner::new();
        scanner.update(content);
        scanner.end();
        scanner.found
    }

    /// How many octets the content has, as it is.
    #[must_use]
    pub const fn octets(&self) -> u64 {
        self.octets
    }

    /// The offset of the first CR that no LF follows.
    #[must_use]
    pub const fn bare_cr(&self) -> Option<u64> {
        self.bare_cr
    }

    /// The offset of the first LF that no CR precedes.
    #[must_use]
    pub const fn bare_lf(&self) -> Option<u64> {
        self.bare_lf
    }

    /// The offset of the first NUL.
    #[must_use]
    pub const fn nul(&self) -> Option<u64> {
        self.nul
    }

    /// The offset of the first octet above 127.
    #[must_use]
    pub const fn eight_bit(&self) -> Option<u64> {
        self.eight_bit
    }

    /// How many lines are longer than [`LINE_LIMIT`](Self::LINE_LIMIT). A bare CR or LF ends a
    /// line here, as it does under [`LineEndings::Normalize`]; a stuffed dot does not count.
    #[must_use]
    pub const fn long_lines(&self) -> u64 {
        self.long_lines
    }

    /// The offset at which the first of the [`long_lines`](Self::long_lines) begins.
    #[must_use]
    pub const fn long_line(&self) -> Option<u64> {
        self.long_line
    }

    /// Whether any line begins with a dot; a bare CR or LF ends a line here.
    #[must_use]
    pub const fn has_dots(&self) -> bool {
        self.dots
    }

    /// Whether the last two octets are CR LF.
    #[must_use]
    pub const fn ends_with_crlf(&self) -> bool {
        matches!(self.ending, Ending::Crlf)
    }

    /// Whether DATA may send the content as it is, with nothing between its octets: all that may
    /// lack is the CRLF at its end. Octets above 127 and long lines do not count.
    #[must_use]
    pub const fn is_verbatim(&self) -> bool {
        self.strays == 0 && self.nul.is_none() && !self.dots
    }

    /// How DATA may send the content as it is, where it may.
    pub(crate) const fn verbatim(&self) -> Option<Verbatim> {
        if !self.is_verbatim() {
            return None;
        }
        let is_whole = matches!(self.ending, Ending::Empty | Ending::Crlf);
        Some(Verbatim { is_whole, is_eight_bit: self.eight_bit.is_some() })
    }

    /// The octets a server gets to keep, which is what SIZE counts.
    ///
    /// That is after the policy, with the CRLF that may lack at the end, without stuffed dots and
    /// without the last line (RFC 1870 §5). Where the policy refuses the content, the number says
    /// nothing.
    #[must_use]
    pub const fn normalized_len(&self, policy: LineEndings) -> u64 {
        let (inserted, ended) = match policy {
            LineEndings::Raw => (0, true),
            LineEndings::Normalize => (self.strays, !matches!(self.ending, Ending::Text)),
            LineEndings::Reject | LineEndings::Replace => {
                (0, matches!(self.ending, Ending::Empty | Ending::Crlf))
            }
        };
        self.octets + inserted + if ended { 0 } else { 2 }
    }

    /// Whether content may be sent under a policy, to a server that takes octets above 127 or
    /// does not. A [`Stuffer`](crate::Stuffer) of the same policy comes to the same result.
    ///
    /// # Errors
    ///
    /// What stands first in the content and may not be sent.
    #[inline]
    pub fn check(&self, policy: LineEndings, eight_bit: bool) -> Result<(), ContentFault> {
        match self.strays == 0 && self.nul.is_none() && self.eight_bit.is_none() {
            true => Ok(()),
            false => self.first_fault(policy, eight_bit).map_or(Ok(()), Err),
        }
    }

    /// What stands first and may not be sent, if anything.
    fn first_fault(&self, policy: LineEndings, eight_bit: bool) -> Option<ContentFault> {
        let strays = policy == LineEndings::Reject;
        let nul = policy != LineEndings::Raw;
        let faults = [
            (self.bare_cr.filter(|_| strays)).map(|offset| ContentFault::BareCr { offset }),
            (self.bare_lf.filter(|_| strays)).map(|offset| ContentFault::BareLf { offset }),
            (self.nul.filter(|_| nul)).map(|offset| ContentFault::Nul { offset }),
            (self.eight_bit.filter(|_| !eight_bit)).map(|offset| ContentFault::EightBit { offset }),
        ];
        faults.into_iter().flatten().min_by_key(ContentFault::offset)
    }
}

/// Scans content that comes in chunks, of any size and cut anywhere.
///
/// ```
/// let mut scanner = ehlo::Scanner::new();
/// scanner.update(b"cut between CR\r");
/// scanner.update(b"\nand LF\r\n");
/// assert_eq!(scanner.finish(), ehlo::Scan::of(b"cut between CR\r\nand LF\r\n"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    found: Scan,
    /// The last two octets, NULs standing for those before the content.
    last: [u8; 2],
    /// The offset at which the current line begins. While a CR may still become a CRLF, that is
    /// the line it ends.
    line: u64,
}

impl Scanner {
    /// A scanner at the start of a mail.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of the next chunk.
    pub fn update(&mut self, content: &[u8]) {
        let Some(&first) = content.first() else {
            return;
        };
        self.step(first);
        // From here on the first octet of `rest` is behind us: it is half of the next pair.
        let mut rest = content;
        while rest.len() > 1 {
            let (block, _) = rest.split_at(rest.len().min(BLOCK + 1));
            self.take(block);
            rest = rest.get(block.len() - 1..).unwrap_or_default();
        }
    }

    /// What was found in what has come; a CR at its end may still become a CRLF.
    pub(crate) const fn so_far(&self) -> Scan {
        self.found
    }

    /// What was found, the content being complete.
    #[must_use]
    pub fn finish(mut self) -> Scan {
        self.end();
        self.found
    }

    /// Nothing follows.
    fn end(&mut self) {
        let end = self.found.octets;
        self.found.ending = match self.last {
            _ if end == 0 => Ending::Empty,
            [CR, LF] => Ending::Crlf,
            [_, LF] => Ending::Stray,
            [_, CR] => {
                self.bare_cr(end - 1);
                Ending::Stray
            }
            _ => {
                self.end_line(end, end);
                Ending::Text
            }
        };
    }

    /// Takes a block after its first octet, which was taken before.
    fn take(&mut self, block: &[u8]) {
        let (_, octets) = block.split_at(1);
        let seen = Seen::of(block);
        if self.has_news(seen, block) {
            if octets.len() <= FEW {
                return octets.iter().for_each(|&octet| self.step(octet));
            }
            let middle = block.len() / 2;
            self.take(block.get(..=middle).unwrap_or_default());
            return self.take(block.get(middle..).unwrap_or_default());
        }
        if seen.stray {
            self.found.strays += strays(block);
        }
        self.found.dots |= seen.dot;
        self.take_lines(block);
        if let Some(last) = block.last_chunk() {
            self.last = *last;
        }
        self.found.octets += octets.len() as u64;
    }

    /// Takes note of where lines end in a block without bare CRs, after its first octet.
    fn take_lines(&mut self, block: &[u8]) {
        let (_, octets) = block.split_at(1);
        let start = self.found.octets;
        if self.are_short(octets) {
            // Most content ends with a line.
            let begun = match octets {
                [.., LF] => Some(octets.len()),
                _ => memchr::memrchr(LF, octets).map(|last| last + 1),
            };
            self.line = begun.map_or(self.line, |begun| start + begun as u64);
            return;
        }
        for lf in memchr::memchr_iter(LF, octets) {
            let cr = u64::from(block.get(lf) == Some(&CR));
            let lf = start + lf as u64;
            self.end_line(lf - cr, lf + 1);
        }
    }

    /// Whether no line is too long that ends in these octets, as far as can be seen without looking
    /// for where each of them ends: there is an LF near to every place where one is due.
    fn are_short(&self, octets: &[u8]) -> bool {
        let begun = usize::try_from(self.found.octets - self.line);
        let Some(due) = begun.ok().and_then(|begun| APART.checked_sub(begun)) else {
            return false;
        };
        // It has no branch, so that it becomes vector instructions.
        let has_lf = |near: &[u8; NEAR]| near.iter().fold(false, |any, octet| any | (*octet == LF));
        let rest = octets.get(due..).unwrap_or_default();
        rest.chunks(APART).all(|chunk| chunk.first_chunk().is_none_or(has_lf))
    }

    /// Whether there is something in a block of which the offset is wanted, or which ends a line and
    /// is no LF.
    fn has_news(&self, seen: Seen, block: &[u8]) -> bool {
        (seen.stray && (self.found.bare_lf.is_none() || has_bare_cr(block)))
            || (seen.nul && self.found.nul.is_none())
            || (seen.eight_bit && self.found.eight_bit.is_none())
    }

    /// Takes one octet.
    fn step(&mut self, octet: u8) {
        let offset = self.found.octets;
        let [_, before] = self.last;
        self.last = [before, octet];
        self.found.octets += 1;
        match (before, octet) {
            (CR, LF) => return self.end_line(offset - 1, offset + 1),
            (CR, _) => self.bare_cr(offset - 1),
            _ => {}
        }
        match octet {
            LF => {
                self.found.strays += 1;
                self.found.bare_lf.get_or_insert(offset);
                self.end_line(offset, offset + 1);
            }
            NUL => {
                self.found.nul.get_or_insert(offset);
            }
            EIGHTH_BIT.. => {
                self.found.eight_bit.get_or_insert(offset);
            }
            b'.' => self.found.dots |= offset == self.line,
            _ => {}
        }
    }

    fn bare_cr(&mut self, offset: u64) {
        self.found.strays += 1;
        self.found.bare_cr.get_or_insert(offset);
        self.end_line(offset, offset + 1);
    }

    fn end_line(&mut self, end: u64, next: u64) {
        if end - self.line > Scan::LINE_LIMIT {
            self.found.long_lines += 1;
            self.found.long_line.get_or_insert(self.line);
        }
        self.line = next;
    }
}

/// How many halves of a CRLF are in a block.
fn strays(block: &[u8]) -> u64 {
    pairs(block).map(|(a, b)| u16::from((a == CR) ^ (b == LF))).sum::<u16>().into()
}

fn has_bare_cr(block: &[u8]) -> bool {
    pairs(block).fold(false, |any, (a, b)| any | ((a == CR) & (b != LF)))
}

fn pairs(block: &[u8]) -> impl Iterator<Item = (u8, u8)> {
    let (_, octets) = block.split_at(1);
    block.iter().copied().zip(octets.iter().copied())
}

/// Octets in a block: so few that they are in the nearest cache when they are looked at again. One is
/// looked at apart from the others, which are a multiple of 64.
const BLOCK: usize = 64 * 64 + 1;

/// Octets in which the end of a line is looked for: most lines are shorter.
const NEAR: usize = 128;

/// From one place where an LF is due to the next, so that no two LFs near to them are further apart
/// than the longest line and its end.
const APART: usize = Scan::LINE_LIMIT as usize + 1 - NEAR;

// Else there would be no place to look at between two.
const _: () = assert!(NEAR <= APART);

/// Octets that are taken one by one where there is news in them.
const FEW: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    /// Only then is it taken octet by octet.
    #[test]
    fn a_block_has_news_where_an_offset_is_wanted_that_is_not_known() {
        let nothing = Scanner::new();
        let mut everything = Scanner::new();
        everything.update(b"\n\0\xff");
        for (block, news) in [
            (&b"a.b\r\n"[..], [false, false]),
            (b"\r\n.", [false, false]),
            (b"a\n.", [true, false]),
            (b"a\0", [true, false]),
            (b"a\0\0", [true, false]),
            (b"a\xff", [true, false]),
            // It ends a line, which nothing but looking at each octet tells.
            (b"a\rb", [true, true]),
            (b"a\rb\rc", [true, true]),
        ] {
            let has_news = |scanner: &Scanner| scanner.has_news(Seen::of(block), block);
            let found = [&nothing, &everything].map(has_news);
            assert_eq!(found, news, "{}", crate::Escaped::new(block));
        }
    }
}
