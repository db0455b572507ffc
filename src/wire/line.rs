//! Lines out of a stream of octets: the read buffer, the search for line ends, and the limits
//! that hold before a line end is there. What a line says is not looked at here.

use std::mem;
use std::ops::Range;

use bytes::BytesMut;

use super::octets::len_before;

/// How much of a reply is taken from a server before it is given up.
///
/// | limit | default | never under | why |
/// |---|---|---|---|
/// | [`line`](Self::line) | 8,192 octets | 512 | RFC 5321 §4.5.3.1.5 has 512; servers write longer ones |
/// | [`challenge_line`](Self::challenge_line) | 65,536 octets | 12,294 | RFC 4954 §4 has 12,288 of base64, to which come code, space and CRLF |
/// | [`lines`](Self::lines) | 256 | 1 | the longest EHLO replies have some 30 lines |
/// | [`reply`](Self::reply) | 262,144 octets | 512 | help texts and policy banners stay far below |
///
/// What is over 4,294,967,295 counts as that.
///
/// ```
/// let limits = ehlo::Limits::default().with_lines(64);
/// assert_eq!((limits.line(), limits.lines()), (8192, 64));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    // In 32 bits: every connection has them, most of the time idle.
    line: u32,
    challenge_line: u32,
    lines: u32,
    reply: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { line: 8 * 1024, challenge_line: 64 * 1024, lines: 256, reply: 256 * 1024 }
    }
}

impl Limits {
    /// The octets that one line may have, its end included.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line as usize
    }

    /// The octets that a line may have which begins with `334` and carries a challenge.
    #[must_use]
    pub const fn challenge_line(&self) -> usize {
        self.challenge_line as usize
    }

    /// The lines that one reply may have; blank ones do not count.
    #[must_use]
    pub const fn lines(&self) -> usize {
        self.lines as usize
    }

    /// The octets that one reply may have, all line ends included.
    #[must_use]
    pub const fn reply(&self) -> usize {
        self.reply as usize
    }

    /// Sets the octets of a line. What is under 512 counts as 512.
    #[must_use]
    pub fn with_line(self, octets: usize) -> Self {
        let line = bound(octets, MIN_LINE);
        Self { line, ..self }
    }

    /// Sets the octets of a line that carries a challenge. What is under 12,294 counts as 12,294.
    #[must_use]
    pub fn with_challenge_line(self, octets: usize) -> Self {
        let challenge_line = bound(octets, MIN_CHALLENGE_LINE);
        Self { challenge_line, ..self }
    }

    /// Sets the lines of a reply. None counts as one.
    #[must_use]
    pub fn with_lines(self, lines: usize) -> Self {
        let lines = bound(lines, 1);
        Self { lines, ..self }
    }

    /// Sets the octets of a reply. What is under 512 counts as 512.
    #[must_use]
    pub fn with_reply(self, octets: usize) -> Self {
        let reply = bound(octets, MIN_LINE);
        Self { reply, ..self }
    }
}

fn bound(limit: usize, least: u32) -> u32 {
    u32::try_from(limit).unwrap_or(u32::MAX).max(least)
}

/// A growing buffer that octets are read into and lines are taken out of.
///
/// The search for a line end goes on where it stopped, so the work is linear however small the
/// reads are, and a line that is too long is an error before its end has come.
///
/// ```
/// let mut buffer = ehlo::LineBuffer::new();
/// buffer.extend(b"NOOP\r\nQU");
/// let line = buffer.next_line(512)?.unwrap();
/// assert_eq!(&buffer.pending()[line.clone()], b"NOOP\r\n");
/// buffer.consume(line.end);
/// assert_eq!(buffer.next_line(512)?, None);
/// assert_eq!(buffer.pending(), b"QU");
/// # Ok::<(), ehlo::LineTooLong>(())
/// ```
#[derive(Debug, Default)]
pub struct LineBuffer {
    octets: BytesMut,
    finder: LineFinder,
}

impl LineBuffer {
    /// An empty buffer. Nothing is allocated before octets come.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The buffer to read into: append to it, and leave what it holds as it is. At least 4 KiB
    /// of spare capacity are there.
    pub fn space(&mut self) -> &mut BytesMut {
        self.make_room(READ);
        &mut self.octets
    }

    /// Appends a copy of these octets.
    #[inline]
    pub fn extend(&mut self, octets: &[u8]) {
        self.make_room(octets.len());
        self.octets.extend_from_slice(octets);
    }

    /// Gives back the room of a buffer in which nothing is pending.
    #[cfg(feature = "net")]
    pub(crate) fn rest(&mut self) {
        if self.pending().is_empty() {
            *self = Self::new();
        }
    }

    /// What has come and is not consumed.
    #[must_use]
    #[inline]
    pub fn pending(&self) -> &[u8] {
        self.octets.get(self.finder.start..).unwrap_or_default()
    }

    /// Where in [`pending`](Self::pending) the next line stands, its end included; `None` until
    /// its end has come. Each line is given once.
    ///
    /// # Errors
    ///
    /// The line has, or is going to have, more than `limit` octets, its end included.
    pub fn next_line(&mut self, limit: usize) -> Result<Option<Range<usize>>, LineTooLong> {
        let LineFinder { start, line, .. } = self.finder;
        let found = self.finder.next(&self.octets, limit, usize::MAX)?;
        Ok(found.map(|_| line - start..self.finder.line - start))
    }

    /// Drops this many pending octets, or all if there are fewer.
    #[inline]
    pub fn consume(&mut self, octets: usize) {
        let end = self.finder.start + octets.min(self.pending().len());
        self.finder.skip_to(end);
        self.empty_at_end();
    }

    /// Drops the lines that were given.
    #[inline]
    pub(super) fn consume_given(&mut self) {
        self.finder.start = self.finder.line;
        self.empty_at_end();
    }

    /// Begins anew where nothing is pending.
    #[inline]
    fn empty_at_end(&mut self) {
        if self.finder.start < self.octets.len() {
            return;
        }
        self.finder.shift();
        if self.octets.capacity() > KEEP {
            self.octets = BytesMut::new();
        } else {
            self.octets.clear();
        }
    }

    /// All octets, consumed ones before those that are pending, and the search through them.
    #[inline]
    pub(super) fn split(&mut self) -> (&[u8], &mut LineFinder) {
        (&self.octets, &mut self.finder)
    }

    /// The lines that were given and are not consumed.
    #[inline]
    pub(super) fn given(&self) -> Option<&[u8]> {
        self.octets.get(..self.finder.line)?.get(self.finder.start..)
    }

    /// The lines that were not given yet, for overwriting: line ends have to stay.
    pub(super) fn not_given(&mut self) -> &mut [u8] {
        self.octets.get_mut(self.finder.line..).unwrap_or_default()
    }

    #[inline]
    fn make_room(&mut self, octets: usize) {
        if self.octets.capacity() - self.octets.len() < octets {
            self.grow(octets);
        }
    }

    #[cold]
    fn grow(&mut self, octets: usize) {
        let pending = self.pending().len();
        // What is moved was paid for by what was consumed: each octet moves once on average.
        if self.finder.start >= pending {
            self.octets.copy_within(self.finder.start.., 0);
            self.octets.truncate(pending);
            self.finder.shift();
        }
        self.octets.reserve(octets);
    }
}

/// Where in a slice the search for line ends has come to. The slice may grow between calls.
#[derive(Clone, Debug, Default)]
pub(super) struct LineFinder {
    /// The first octet that is not consumed. Moving an index is cheaper than moving octets.
    start: usize,
    /// Where the next line begins.
    line: usize,
    /// No LF is in `line..searched`.
    searched: usize,
    /// An octet that is no plain one is there.
    odd: bool,
    /// How many octets were searched in all: a test holds it against the octets that came.
    #[cfg(test)]
    work: usize,
}

/// A line that was found.
pub(super) struct Found<'a> {
    /// Its end included.
    pub(super) raw: &'a [u8],
    /// It ends in CRLF, and has nothing else that is below 16 or above 127.
    pub(super) is_plain: bool,
}

impl LineFinder {
    /// The next line, if it has no more octets than `limit`, and no more than `all` with those that
    /// are not consumed. Behind an error nothing has changed, and other limits may be tried.
    #[inline(always)]
    pub(super) fn next<'a>(
        &mut self,
        octets: &'a [u8],
        limit: usize,
        all: usize,
    ) -> Result<Option<Found<'a>>, LineTooLong> {
        let Some(fresh) = octets.get(self.searched..) else {
            return Ok(None);
        };
        // Most lines have no odd octet but the two at their end: one look finds both.
        let plain = plain_len(fresh);
        let found = match fresh.get(plain..) {
            Some([b'\r', b'\n', ..]) => Some(plain + 2),
            // Where replies come octet by octet, that is what most looks find.
            Some([]) => None,
            _ => self.odd_end(fresh, plain),
        };
        #[cfg(test)]
        {
            self.work += found.unwrap_or(fresh.len());
        }
        let Some(found) = found else {
            // The line has one octet more than there are.
            self.check(octets.len() + 1, limit, all)?;
            // What follows a CR decides what it is.
            let held = matches!(fresh.get(plain..), Some([b'\r']));
            self.searched = octets.len() - usize::from(held);
            return Ok(None);
        };
        let end = self.searched + found;
        self.check(end, limit, all)?;
        let Some(raw) = octets.get(..end).and_then(|lines| lines.get(self.line..)) else {
            return Ok(None);
        };
        self.line = end;
        self.searched = end;
        let is_plain = !mem::take(&mut self.odd);
        Ok(Some(Found { raw, is_plain }))
    }

    /// Whether the line may end there.
    #[inline(always)]
    fn check(&self, end: usize, limit: usize, all: usize) -> Result<(), LineTooLong> {
        match end - self.line > limit || end - self.start > all {
            true => Err(LineTooLong { limit }),
            false => Ok(()),
        }
    }

    /// Where the line ends whose first octet that is no plain one is there.
    #[cold]
    fn odd_end(&mut self, fresh: &[u8], plain: usize) -> Option<usize> {
        let rest = fresh.get(plain..).unwrap_or_default();
        self.odd |= !matches!(rest, [] | [b'\r']);
        memchr::memchr(b'\n', rest).map(|at| plain + at + 1)
    }

    /// Whether nothing has come since the last search, which found nothing.
    pub(super) const fn has_searched(&self, octets: &[u8]) -> bool {
        self.searched == octets.len()
    }

    /// Where the next line begins.
    pub(super) const fn line(&self) -> usize {
        self.line
    }

    /// How many octets the lines have that were given and are not consumed.
    pub(super) const fn given(&self) -> usize {
        self.line - self.start
    }

    /// What stands before there is consumed: the next line begins there, or behind it.
    #[inline]
    fn skip_to(&mut self, start: usize) {
        self.start = start;
        self.line = self.line.max(start);
        self.searched = self.searched.max(start);
    }

    /// What is consumed is gone from the slice.
    #[inline]
    const fn shift(&mut self) {
        self.line -= self.start;
        self.searched -= self.start;
        self.start = 0;
    }
}

/// How many octets the first line has, its end included, or all if there is no end; and whether it
/// is plain, as in [`Found`].
#[inline]
pub(super) fn first_line(octets: &[u8]) -> (usize, bool) {
    let plain = plain_len(octets);
    match octets.get(plain..) {
        Some([b'\r', b'\n', ..]) => (plain + 2, true),
        rest => {
            let end = rest.and_then(|rest| memchr::memchr(b'\n', rest));
            (end.map_or(octets.len(), |at| plain + at + 1), false)
        }
    }
}

/// How many octets there are before the first that is below 16 or above 127.
#[inline]
fn plain_len(octets: &[u8]) -> usize {
    len_before(octets, 16, 0x80)
}

/// A line has more octets than were allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line of more than {limit} octets")]
pub struct LineTooLong {
    limit: usize,
}

impl LineTooLong {
    /// The octets that were allowed, the line's end included.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }
}

/// The text and code of a reply line, as every server must be able to take it.
const MIN_LINE: u32 = 512;
/// `334`, SP, 12,288 octets of base64, CRLF.
const MIN_CHALLENGE_LINE: u32 = 12_288 + 6;
/// What a read has room for, at least: more than one segment of an Ethernet.
const READ: usize = 4 * 1024;
/// An empty buffer larger than this is given back: it held some giant of a reply.
const KEEP: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_each_line_once_and_resumes() {
        let mut buffer = LineBuffer::new();
        buffer.extend(b"a\r\nbc\n");
        assert_eq!(buffer.next_line(9), Ok(Some(0..3)));
        assert_eq!(buffer.next_line(9), Ok(Some(3..6)));
        assert_eq!(buffer.next_line(9), Ok(None));
        buffer.extend(b"d");
        assert_eq!(buffer.next_line(9), Ok(None));
        buffer.consume(3);
        assert_eq!(buffer.pending(), b"bc\nd");
        buffer.extend(b"\n");
        assert_eq!(buffer.next_line(9), Ok(Some(3..5)));
        buffer.consume(99);
        assert_eq!(buffer.pending(), b"");
        buffer.extend(b"e\n");
        assert_eq!(buffer.next_line(9), Ok(Some(0..2)));
    }

    #[test]
    fn the_limit_is_each_lines_own() {
        let mut buffer = LineBuffer::new();
        buffer.extend(b"a\r\nabc\r\nb\r\nabcd\r\n");
        let lines = [5; 3].map(|limit| buffer.next_line(limit));
        assert_eq!(lines, [Ok(Some(0..3)), Ok(Some(3..8)), Ok(Some(8..11))]);
        assert_eq!(buffer.next_line(5), Err(LineTooLong { limit: 5 }));
        assert_eq!(buffer.next_line(6), Ok(Some(11..17)));
    }

    #[test]
    fn consuming_past_the_lines_given_begins_a_line_there() {
        let mut buffer = LineBuffer::new();
        buffer.extend(b"abc\ndef\n");
        buffer.consume(2);
        assert_eq!(buffer.next_line(9), Ok(Some(0..2)));

        let mut behind = LineBuffer::new();
        behind.extend(b"abc\ndef\n");
        behind.consume(5);
        assert_eq!(behind.next_line(9), Ok(Some(0..3)));
        behind.consume(3);
        behind.extend(b"g\n");
        assert_eq!(behind.next_line(9), Ok(Some(0..2)));
    }

    /// What was consumed is left out where the buffer grows: the search goes on at the same octet.
    #[test]
    fn t14_the_search_goes_on_where_octets_are_moved() {
        let mut buffer = LineBuffer::new();
        buffer.extend(b"a line\r\nabc");
        assert_eq!(buffer.next_line(9), Ok(Some(0..8)));
        buffer.consume(8);
        assert_eq!(buffer.next_line(9), Ok(None));
        buffer.extend(&[b'x'; 8192]);
        assert_eq!(buffer.finder.start, 0);
        buffer.extend(b"\r\n");
        assert_eq!(buffer.next_line(usize::MAX), Ok(Some(0..8197)));
        assert_eq!(buffer.finder.work, 8 + 8197);
    }

    /// However it has come; and alike whether it is looked for or split off.
    #[test]
    fn a_line_is_plain_that_has_nothing_odd_before_its_crlf() {
        for (line, is_plain) in [
            (&b"250-mx.example\r\n"[..], true),
            (b"\r\n", true),
            (b"250 ok\n", false),
            (b"250 ok\r\r\n", false),
            (b"250 a\rb\r\n", false),
            (b"250 a\tb\r\n", false),
            (b"250 gr\xfcn\r\n", false),
            (b"250 \0\r\n", false),
        ] {
            assert_eq!(first_line(line), (line.len(), is_plain));
            for step in [1, 3, line.len()] {
                // Behind an odd one, which tells nothing of it.
                let mut buffer = LineBuffer::new();
                buffer.extend(b"\0\n");
                buffer.next_line(9).unwrap();
                let mut found = None;
                for piece in line.chunks(step) {
                    buffer.extend(piece);
                    let (pending, finder) = buffer.split();
                    let is_plain = |found: Found<'_>| found.is_plain;
                    found = found.or_else(|| finder.next(pending, 99, 99).unwrap().map(is_plain));
                }
                assert_eq!(found, Some(is_plain), "{line:?}");
            }
        }
    }

    #[test]
    fn t13_a_line_is_too_long_before_its_end_has_come() {
        let mut buffer = LineBuffer::new();
        buffer.extend(b"123");
        assert_eq!(buffer.next_line(4), Ok(None));
        buffer.extend(b"4");
        let error = buffer.next_line(4).unwrap_err();
        assert_eq!(error.to_string(), "line of more than 4 octets");
        assert_eq!(error.limit(), 4);

        let mut fits = LineBuffer::new();
        fits.extend(b"123\n1234\n");
        assert_eq!(fits.next_line(4), Ok(Some(0..4)));
        assert_eq!(fits.next_line(4), Err(LineTooLong { limit: 4 }));
    }

    #[test]
    fn t14_no_octet_is_searched_twice() {
        let megabyte = 1 << 20;
        // A plain one and an odd one.
        for octet in [b'x', 0] {
            let mut buffer = LineBuffer::new();
            for _ in 0..megabyte {
                buffer.extend(&[octet]);
                assert_eq!(buffer.next_line(usize::MAX), Ok(None));
            }
            buffer.extend(b"\n");
            assert_eq!(buffer.next_line(usize::MAX), Ok(Some(0..megabyte + 1)));
            assert_eq!(buffer.finder.work, megabyte + 1);
        }
    }

    #[test]
    fn t13_memory_stays_flat_and_a_large_buffer_is_given_back() {
        let mut buffer = LineBuffer::new();
        for _ in 0..10_000 {
            // One octet stays behind, so the buffer is never empty.
            buffer.extend(b"0123456789");
            buffer.consume(buffer.pending().len() - 1);
        }
        assert_eq!(buffer.pending(), b"9");
        assert!(buffer.octets.capacity() < 256, "{}", buffer.octets.capacity());

        buffer.extend(&[0; 2 * KEEP]);
        assert!(buffer.octets.capacity() > KEEP);
        buffer.consume(usize::MAX);
        assert_eq!(buffer.octets.capacity(), 0);
        buffer.extend(&[0; KEEP]);
        buffer.consume(usize::MAX);
        assert_eq!(buffer.octets.capacity(), KEEP, "one that is not larger is kept");
    }

    #[test]
    fn there_is_always_room_to_read() {
        let mut buffer = LineBuffer::new();
        for _ in 0..100 {
            let space = buffer.space();
            assert!(space.capacity() - space.len() >= 4096);
            space.extend_from_slice(&[b'x'; 100]);
        }
        assert_eq!(buffer.pending().len(), 10_000);
    }

    #[test]
    fn limits_have_floors() {
        let limits = Limits::default();
        assert_eq!(limits.challenge_line(), 65_536);
        assert_eq!(limits.reply(), 262_144);
        let least = limits.with_line(0).with_challenge_line(0);
        let least = least.with_lines(0).with_reply(0);
        assert_eq!(least.line(), 512);
        assert_eq!(least.challenge_line(), 12_294);
        assert_eq!(least.lines(), 1);
        assert_eq!(least.reply(), 512);
        assert_eq!(limits.with_line(600).line(), 600);
        assert_eq!(limits.with_challenge_line(20_000).challenge_line(), 20_000);
        assert_eq!(limits.with_lines(7).lines(), 7);
        assert_eq!(limits.with_reply(700).reply(), 700);
    }

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn limits_have_a_ceiling() {
        let (limits, over) = (Limits::default(), 1 << 32);
        let most = limits.with_line(over).with_challenge_line(over);
        let most = most.with_lines(over).with_reply(over);
        let all = [most.line(), most.challenge_line(), most.lines(), most.reply()];
        assert_eq!(all, [over - 1; 4]);
    }
}
