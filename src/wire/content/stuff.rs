//! Dot-stuffing (RFC 5321 §4.5.2) together with the policy for line endings: one state machine,
//! because a dot is at a line start or not by what the policy made of the octet before it. It
//! never copies content and never looks back at octets it was given before.

use bytes::BytesMut;

use crate::wire::octets::long_len_before;

use super::seen::Seen;
use super::{CR, ContentFault, EIGHTH_BIT, LF, LineEndings, NUL};

/// Makes content fit to be sent after DATA: it says which runs of the caller's octets go out as
/// they are, and what stands between them.
///
/// Content may come in chunks of any size, cut anywhere.
///
/// ```
/// use ehlo::{LineEndings, Stuffer};
///
/// let mut wire = bytes::BytesMut::new();
/// let mut stuffer = Stuffer::new(LineEndings::Normalize, true);
/// stuffer.stuff_into(b"Subject: dots\n\r", &mut wire)?;
/// stuffer.stuff_into(b"\n.hidden", &mut wire)?;
/// wire.extend_from_slice(stuffer.finish()?);
/// assert_eq!(&wire[..], b"Subject: dots\r\n\r\n..hidden\r\n.\r\n");
/// # Ok::<(), ehlo::ContentFault>(())
/// ```
#[derive(Clone, Debug)]
pub struct Stuffer {
    policy: LineEndings,
    /// [`EIGHTH_BIT`] where it is a fault, else no bit at all.
    forbidden: u8,
    /// The state at the start of a line: it says whether there are dots to double, and a line with
    /// one to end the content.
    start: State,
    state: State,
    /// Octets of content behind us, a held one included.
    offset: u64,
}

/// A part of content, in the order in which it is written: `before`, then `verbatim` octets of the
/// content, then nothing of the next `skip`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Piece {
    /// What stands before the verbatim octets; at most three octets.
    pub before: &'static [u8],
    /// How many octets of the content are sent as they are.
    pub verbatim: usize,
    /// How many octets of the content after those are not sent: 0 or 1.
    pub skip: usize,
}

/// What the content so far ends with.
///
/// A CR or LF that is alone, or may be, is held: it is skipped, and what goes out in its place is
/// settled by the octet after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A line starts, and where it does so with a dot, that is doubled.
    DotStart,
    /// A line starts, and dots stay as they are.
    LineStart,
    InLine,
    HeldCr,
    HeldLf,
}

impl Stuffer {
    /// A stuffer at the start of a mail. Without `eight_bit` the first octet above 127 is a fault;
    /// give it where `BODY=8BITMIME` or `BODY=BINARYMIME` was sent with MAIL.
    #[must_use]
    pub const fn new(policy: LineEndings, eight_bit: bool) -> Self {
        let start = match policy {
            LineEndings::Raw => State::LineStart,
            _ => State::DotStart,
        };
        let forbidden = if eight_bit { 0 } else { EIGHTH_BIT };
        Self { policy, forbidden, start, state: start, offset: 0 }
    }

    /// The same for content that goes over BDAT: line ends are made right, and no dot is put
    /// anywhere (RFC 3030 §2).
    ///
    /// ```
    /// use ehlo::{LineEndings, Stuffer};
    ///
    /// let mut wire = bytes::BytesMut::new();
    /// let mut stuffer = Stuffer::new(LineEndings::Normalize, true).without_dots();
    /// stuffer.stuff_into(b".dot\n.dot", &mut wire)?;
    /// wire.extend_from_slice(stuffer.finish()?);
    /// assert_eq!(&wire[..], b".dot\r\n.dot\r\n");
    /// # Ok::<(), ehlo::ContentFault>(())
    /// ```
    #[must_use]
    pub const fn without_dots(mut self) -> Self {
        self.start = State::LineStart;
        if let State::DotStart = self.state {
            self.state = self.start;
        }
        self
    }

    /// The next part of the content, of which `content` is what earlier parts have left over,
    /// or as much of it as is at hand. The part counts as written.
    ///
    /// Every part takes at least one octet unless `content` is empty, and ends at the end of
    /// `content` or where something has to be put in, left out or refused.
    ///
    /// # Errors
    ///
    /// What may not be sent, when all before it has been handed out. The stuffer is as before the
    /// call, and the same content has the same fault again.
    #[inline(always)]
    pub fn next(&mut self, content: &[u8]) -> Result<Piece, ContentFault> {
        // Nothing takes more pieces for its size than lines of a lone dot: no call is made for them.
        if content.first_chunk() == Some(b".\r\n.") && self.state == State::DotStart {
            self.offset += 3;
            return Ok(Piece { before: b".", verbatim: 3, skip: 0 });
        }
        self.next_of_any(content)
    }

    #[inline]
    fn next_of_any(&mut self, content: &[u8]) -> Result<Piece, ContentFault> {
        let Some(&first) = content.first() else {
            return Ok(Piece::default());
        };
        if self.policy == LineEndings::Raw {
            return self.next_raw(content);
        }
        let before: &[u8] = match self.state {
            State::DotStart if first == b'.' => b".",
            State::DotStart | State::LineStart | State::InLine => b"",
            State::HeldCr if first == LF => {
                self.state = self.start;
                self.offset += 1;
                return Ok(Piece { before: b"\r\n", verbatim: 0, skip: 1 });
            }
            State::HeldCr | State::HeldLf => self.release(first)?,
        };
        let (verbatim, skip, state) = run(content, self.forbidden, self.start);
        if verbatim + skip == 0 {
            return Err(self.fault(first));
        }
        self.state = state;
        self.offset += (verbatim + skip) as u64;
        Ok(Piece { before, verbatim, skip })
    }

    /// Appends a whole chunk to `out` as it is to be sent.
    ///
    /// # Errors
    ///
    /// What may not be sent; all before it is in `out`.
    pub fn stuff_into(&mut self, content: &[u8], out: &mut BytesMut) -> Result<(), ContentFault> {
        let mut rest = content;
        while !rest.is_empty() {
            let piece = self.next(rest)?;
            let (verbatim, behind) = rest.split_at(piece.verbatim);
            match *piece.before {
                [] => {}
                [octet] => out.extend_from_slice(&[octet]),
                [octet, next] => out.extend_from_slice(&[octet, next]),
                _ => out.extend_from_slice(piece.before),
            }
            match rest.first_chunk::<FEW>() {
                Some(few) if verbatim.len() <= FEW => {
                    out.extend_from_slice(few);
                    out.truncate(out.len() - FEW + verbatim.len());
                }
                _ => out.extend_from_slice(verbatim),
            }
            rest = behind.get(piece.skip..).unwrap_or_default();
        }
        Ok(())
    }

    /// What ends the content: the line end it lacks, and the line with the lone dot (RFC 5321
    /// §4.1.1.4). Nothing under [`LineEndings::Raw`]. The stuffer is then at the start of the next
    /// mail.
    ///
    /// # Errors
    ///
    /// Under [`LineEndings::Reject`], a bare CR or LF as the last octet.
    pub fn finish(&mut self) -> Result<&'static [u8], ContentFault> {
        let end: &[u8] = match (self.policy, self.state) {
            (LineEndings::Raw, _) => b"",
            (_, State::DotStart | State::LineStart) => b".\r\n",
            (_, State::InLine) | (LineEndings::Normalize, _) => b"\r\n.\r\n",
            (LineEndings::Replace, _) => b" \r\n.\r\n",
            (LineEndings::Reject, _) => return Err(self.held_fault()),
        };
        self.state = self.start;
        self.offset = 0;
        let line_end = end.strip_suffix(b".\r\n").unwrap_or(end);
        Ok(if self.start == State::DotStart { end } else { line_end })
    }

    /// What goes out in place of a stray that was held, and the dot `first` may need after it.
    #[inline(always)]
    fn release(&self, first: u8) -> Result<&'static [u8], ContentFault> {
        match self.policy {
            LineEndings::Normalize if first == b'.' && self.start == State::DotStart => {
                Ok(b"\r\n.")
            }
            LineEndings::Normalize => Ok(b"\r\n"),
            LineEndings::Replace => Ok(b" "),
            _ => Err(self.held_fault()),
        }
    }

    fn next_raw(&mut self, content: &[u8]) -> Result<Piece, ContentFault> {
        let forbidden = |octet: &u8| octet & self.forbidden != 0;
        let verbatim = match content.iter().position(forbidden) {
            Some(0) => return Err(self.fault(EIGHTH_BIT)),
            Some(at) => at,
            None => content.len(),
        };
        self.offset += verbatim as u64;
        Ok(Piece { verbatim, ..Piece::default() })
    }

    /// That of an octet no run may hold.
    #[cold]
    fn fault(&self, octet: u8) -> ContentFault {
        let offset = self.offset;
        match octet {
            NUL => ContentFault::Nul { offset },
            _ => ContentFault::EightBit { offset },
        }
    }

    /// That of the octet which is held.
    #[cold]
    fn held_fault(&self) -> ContentFault {
        let offset = self.offset.saturating_sub(1);
        match self.state {
            State::HeldCr => ContentFault::BareCr { offset },
            _ => ContentFault::BareLf { offset },
        }
    }
}

/// How far content goes out as it is, how much after that is held, and what state that leaves, which
/// is this one at the start of a line.
/// The first octet needs no dot before it; it may be a fault, and then that is nothing.
#[inline]
fn run(content: &[u8], forbidden: u8, start: State) -> (usize, usize, State) {
    let at = plain_len(content, forbidden);
    match content.get(at..) {
        Some([CR, LF, b'.', ..]) => (at + 2, 0, start),
        Some([LF, ..]) => (at, 1, State::HeldLf),
        _ => run_on(content, at, forbidden, start),
    }
}

/// As `run`, for runs that do not end with their first line; `at` octets of that are plain. This
/// is apart from `run` because mails with short runs have many of them.
///
/// Lines are short, so it begins line by line. Once it has come some way it looks ahead in whole
/// blocks: that is cheaper, but says only that there is something to stop at.
#[inline(never)]
fn run_on(content: &[u8], mut at: usize, forbidden: u8, start: State) -> (usize, usize, State) {
    let mut look_ahead = LOOK_AHEAD.start;
    loop {
        match content.get(at..).unwrap_or_default() {
            [CR, LF, b'.', ..] => return (at + 2, 0, start),
            [CR, LF, ..] => at += 2,
            [CR, ..] => return (at, 1, State::HeldCr),
            [LF, ..] => return (at, 1, State::HeldLf),
            &[octet, ..] if octet != NUL && octet & forbidden == 0 => at += 1,
            // The end of the content, or a fault.
            _ if at > 0 && content.get(at - 1) == Some(&LF) => return (at, 0, start),
            _ => return (at, 0, State::InLine),
        }
        if at >= look_ahead {
            at = skip_quiet(content, at, forbidden);
            look_ahead = usize::MAX;
        }
        at += plain_len(content.get(at..).unwrap_or_default(), forbidden);
    }
}

/// How many octets there are before the first that is at most CR or has a forbidden bit: all that
/// a run stops at is among those, and little else.
///
/// A search for CR, LF and NUL would cost more to set up than it saves in a line of text.
#[inline]
fn plain_len(content: &[u8], forbidden: u8) -> usize {
    long_len_before(content, CR + 1, forbidden)
}

/// Goes on by blocks in which there is nothing to stop at, and back to the last line end if they
/// end with it, as a dot may follow. At least one octet is after `at`. It never looks further
/// ahead than it has come, so that content full of stops costs no more than twice what it has to.
#[inline(never)]
fn skip_quiet(content: &[u8], at: usize, forbidden: u8) -> usize {
    let mut end = at;
    while end < content.len() {
        let next = content.len().min(end + end.min(LOOK_AHEAD.end));
        match content.get(end - 1..next) {
            Some(block) if Seen::of(block).is_quiet(forbidden) => end = next,
            _ => break,
        }
    }
    match content.get(at..end) {
        Some([.., CR]) => end - 1,
        Some([.., CR, LF]) => end - 2,
        _ => end,
    }
}

/// How many octets are looked at at once: none before so many are behind us, and never more than
/// fit in the nearest cache. One is looked at apart from the others, which are a multiple of 64.
const LOOK_AHEAD: std::ops::Range<usize> = 256..513;

/// As many octets are copied where there are no more of them, and what is too much is dropped: that
/// costs less than a call.
const FEW: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_as_far_ahead_as_it_has_come_but_no_more_than_513_octets() {
        let mut content = [b'x'; 3000];
        assert_eq!(skip_quiet(&content, 256, EIGHTH_BIT), 3000);
        for (stop, end) in [(2999, 2563), (1600, 1537), (1100, 1024), (600, 512), (300, 256)] {
            content[stop] = NUL;
            assert_eq!(skip_quiet(&content, 256, EIGHTH_BIT), end, "a NUL at {stop}");
        }
    }
}
