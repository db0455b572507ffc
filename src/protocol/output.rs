//! What is to be written, in order: the session's own octets and the caller's content, of which
//! no copy is made where it can go out as it is. Whether it may be sent is decided elsewhere.

use std::fmt;
use std::io::IoSlice;

use bytes::{Buf, BytesMut};
use zeroize::Zeroize;

use super::queue::Queue;
use crate::wire::{ContentFault, LineEndings, Scanner, Stuffer};

/// Pieces of content shorter than this are copied: many tiny slices cost more than they save.
const SMALL: usize = 512;

/// The session's own octets are laid out up to about this many at a time.
const MOST_OWN: usize = 32 * 1024;

/// What comes next in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    /// Octets of the session.
    Own(usize),
    /// Octets of the caller's content, as they are.
    Caller(usize),
    /// Octets of the caller's content that are not written (they were copied, or replaced).
    Skip(usize),
}

/// How the caller's octets become those of the stream.
#[derive(Debug)]
enum Form {
    /// Dot-stuffed, line ends made right.
    Stuffed(Stuffer),
    /// A scan has shown that nothing has to change. A last line without its end gets one.
    Verbatim { is_whole: bool },
    /// BDAT: octet by octet as given, with no terminator. Text, which may be 8-bit or not, is looked
    /// at on its way.
    Chunk { last: bool, text: Option<bool> },
}

#[derive(Default)]
pub(super) struct Output {
    own: BytesMut,
    runs: Queue<Run>,
    /// Octets of the session behind all runs: where commands alone are written, there are no runs.
    behind: usize,
    /// Whether `own` holds a secret, and is to be wiped after what was written.
    secret: bool,
    /// Octets of the stream written so far.
    written: u64,
    /// Octets of the stream laid out so far.
    laid_out: u64,
    form: Option<Form>,
    /// What was seen so far in the chunks of a mail that is text.
    chunks: Option<Box<Scanner>>,
    /// Octets of the caller that were promised and are not written.
    promised: usize,
    /// How many of them are laid out.
    planned: usize,
    /// The terminator is to follow what was promised.
    ending: bool,
    /// Octets of the stream that were content.
    content: u64,
    /// Octet of the stream at which it began.
    content_from: u64,
}

impl Output {
    /// Octets of the session that are to be written.
    #[cfg(feature = "net")]
    pub(super) fn own_octets(&self) -> usize {
        self.own.len()
    }

    /// Gives back the room of what was written.
    #[cfg(feature = "net")]
    pub(super) fn rest(&mut self) {
        if self.own.is_empty() {
            self.own = BytesMut::new();
        }
        self.runs.rest();
    }

    /// Whether there is anything to write.
    #[inline]
    pub(super) fn is_pending(&self) -> bool {
        !self.own.is_empty() || self.promised > 0 || self.ending
    }

    pub(super) const fn promised(&self) -> usize {
        self.promised
    }

    /// Whether nothing more can be laid out before the caller's content is.
    #[inline]
    pub(super) const fn is_content_open(&self) -> bool {
        self.promised > 0 || self.ending
    }

    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    /// Octets of the stream that the content took, without its terminator.
    pub(super) const fn content_octets(&self) -> u64 {
        self.content
    }

    /// How many of them have been written.
    pub(super) fn content_written(&self) -> u64 {
        let written = self.written.saturating_sub(self.content_from);
        written.min(self.content)
    }

    /// Appends octets of the session; says where they end in the stream.
    ///
    /// Always inlined: to save registers and to hand back what was appended was a third of it.
    #[inline(always)]
    pub(super) fn own(&mut self, octets: impl FnOnce(&mut BytesMut)) -> (&[u8], u64) {
        let before = self.own.len();
        octets(&mut self.own);
        self.appended(before);
        (self.own.get(before..).unwrap_or_default(), self.laid_out)
    }

    /// The same for octets that are to be wiped once they are written.
    pub(super) fn secret(&mut self, octets: impl FnOnce(&mut BytesMut)) -> (&[u8], u64) {
        self.secret = true;
        self.own(octets)
    }

    /// Content begins: what is promised from now on is dot-stuffed.
    pub(super) fn begin_stuffed(&mut self, line_endings: LineEndings, eight_bit: bool) {
        self.begin(Form::Stuffed(Stuffer::new(line_endings, eight_bit)));
    }

    /// The content that has begun goes out as it is.
    pub(super) fn begin_verbatim(&mut self, is_whole: bool) {
        self.begin(Form::Verbatim { is_whole });
    }

    /// The octets of the chunks to come have nothing to do with those before.
    pub(super) fn begin_chunks(&mut self) {
        self.chunks = None;
    }

    /// A chunk begins: what is promised goes out as it is. The octets of a mail's chunks belong
    /// together; `text` says whether they have to be text, and whether it may be 8-bit.
    pub(super) fn begin_chunk(
        &mut self,
        octets: usize,
        last: bool,
        first: bool,
        text: Option<bool>,
    ) {
        if first {
            self.begin_chunks();
        }
        self.begin(Form::Chunk { last, text });
        self.promised = octets;
    }

    /// The chunk that has begun was looked at before.
    #[cfg(feature = "net")]
    pub(super) const fn chunk_scanned(&mut self) {
        if let Some(Form::Chunk { text, .. }) = &mut self.form {
            *text = None;
        }
    }

    fn begin(&mut self, form: Form) {
        self.form = Some(form);
        self.content = 0;
        self.content_from = self.laid_out;
    }

    /// The caller has this many more octets.
    pub(super) const fn promise(&mut self, octets: usize) {
        self.promised = self.promised.saturating_add(octets);
    }

    /// The terminator follows what was promised.
    pub(super) const fn end(&mut self) {
        self.ending = true;
    }

    /// Forgets what is not written.
    pub(super) fn clear(&mut self) {
        self.wipe(self.own.len());
        self.own.clear();
        self.runs.clear();
        self.behind = 0;
        self.form = None;
        self.promised = 0;
        self.planned = 0;
        self.ending = false;
    }

    /// Lays out what comes next. `content` is what was promised and has not been consumed.
    /// Says where the terminator ends, when it has just been laid out.
    pub(super) fn plan(
        &mut self,
        content: &[u8],
        slices: usize,
    ) -> Result<Option<u64>, ContentFault> {
        let content = content.get(..self.promised).unwrap_or(content);
        while self.runs.len() < slices && self.own.len() < MOST_OWN {
            let Some(rest) = content.get(self.planned..).filter(|rest| !rest.is_empty()) else {
                break;
            };
            let Some(form) = &mut self.form else { break };
            let (before, verbatim, skip) = match form {
                Form::Chunk { last, text: Some(eight_bit) } => {
                    let whole = *last && content.len() == self.promised;
                    look_at(rest, whole, *eight_bit, &mut self.chunks)?;
                    (&b""[..], rest.len(), 0)
                }
                Form::Verbatim { .. } | Form::Chunk { .. } => (&b""[..], rest.len(), 0),
                Form::Stuffed(stuffer) => {
                    let piece = stuffer.next(rest)?;
                    (piece.before, piece.verbatim, piece.skip)
                }
            };
            self.lay_out(rest, before, verbatim, skip);
        }
        let end = self.finish_laid_out()?;
        self.put_behind();
        Ok(end)
    }

    /// The terminator, where it is due and all before it is laid out.
    fn finish_laid_out(&mut self) -> Result<Option<u64>, ContentFault> {
        if !self.ending || self.planned < self.promised {
            return Ok(None);
        }
        self.ending = false;
        let terminator: &[u8] = match &mut self.form {
            Some(Form::Stuffed(stuffer)) => stuffer.finish()?,
            Some(Form::Verbatim { is_whole: true }) => b".\r\n",
            Some(Form::Verbatim { is_whole: false }) => b"\r\n.\r\n",
            Some(Form::Chunk { .. }) | None => b"",
        };
        self.form = None;
        self.content += terminator.len().saturating_sub(b".\r\n".len()) as u64;
        let (_, end) = self.own(|own| own.extend_from_slice(terminator));
        Ok(Some(end))
    }

    /// Takes a copy of all that was promised, which `content` begins with, and nothing of it is
    /// laid out: what follows can go out in the same write. Says where the terminator ends, if it
    /// follows.
    #[cfg(feature = "net")]
    pub(super) fn copy_in(&mut self, content: &[u8]) -> Result<Option<u64>, ContentFault> {
        let content = content.get(..self.promised).unwrap_or(content);
        let before = self.own.len();
        // What follows is not to move it.
        self.own.reserve(content.len() + SMALL);
        match &mut self.form {
            Some(Form::Stuffed(stuffer)) => stuffer.stuff_into(content, &mut self.own)?,
            Some(Form::Chunk { last, text: Some(eight_bit) }) => {
                look_at(content, *last, *eight_bit, &mut self.chunks)?;
                self.own.extend_from_slice(content);
            }
            _ => self.own.extend_from_slice(content),
        }
        self.content += self.appended(before) as u64;
        self.promised = 0;
        self.finish_laid_out()
    }

    fn lay_out(&mut self, rest: &[u8], before: &[u8], verbatim: usize, skip: usize) {
        let begin = self.own.len();
        self.own.extend_from_slice(before);
        let small = rest.get(..verbatim).filter(|_| verbatim < SMALL);
        self.own.extend_from_slice(small.unwrap_or_default());
        self.appended(begin);
        self.put_behind();
        match small {
            Some(_) => self.push_skip(verbatim),
            None => {
                self.runs.push(Run::Caller(verbatim));
                self.laid_out += verbatim as u64;
            }
        }
        self.push_skip(skip);
        self.planned += verbatim + skip;
        self.content += (before.len() + verbatim) as u64;
    }

    /// Octets of the session were appended to what was that long; says how many.
    #[inline]
    fn appended(&mut self, before: usize) -> usize {
        let octets = self.own.len() - before;
        self.behind += octets;
        self.laid_out += octets as u64;
        octets
    }

    /// What is behind all runs is put among them: content comes behind it.
    fn put_behind(&mut self) {
        let octets = std::mem::take(&mut self.behind);
        if octets == 0 {
            return;
        }
        // What is skipped leaves no trace in the stream: the session's octets on both sides of
        // it are one run.
        match &mut *self.runs {
            [.., Run::Own(length)] | [.., Run::Own(length), Run::Skip(_)] => *length += octets,
            _ => self.runs.push(Run::Own(octets)),
        }
    }

    fn push_skip(&mut self, octets: usize) {
        match self.runs.last_mut() {
            _ if octets == 0 => {}
            Some(Run::Skip(length)) => *length += octets,
            _ => self.runs.push(Run::Skip(octets)),
        }
    }

    /// Fills slices with what comes next, for one vectored write; says how many.
    pub(super) fn slices<'a>(&'a self, content: &'a [u8], slices: &mut [IoSlice<'a>]) -> usize {
        let (mut own, mut caller) = (&self.own[..], content);
        let mut used = 0;
        // The session's octets from where the last slice begins, if it is of them.
        let mut last_own = None;
        for run in self.runs.iter() {
            let Some(slice) = slices.get_mut(used) else {
                return used;
            };
            let (from, length) = match run {
                Run::Own(length) => {
                    last_own = Some(own);
                    (&mut own, *length)
                }
                Run::Caller(length) => {
                    last_own = None;
                    (&mut caller, *length)
                }
                Run::Skip(length) => {
                    caller = caller.get(*length..).unwrap_or_default();
                    continue;
                }
            };
            // The caller lends less than was promised: nothing behind it can be laid out.
            let Some((piece, rest)) = from.split_at_checked(length) else {
                return used;
            };
            *from = rest;
            *slice = IoSlice::new(piece);
            used += 1;
        }
        // What the runs leave is behind them, and goes with the last where that is the session's.
        let (nth, octets) = match last_own {
            Some(octets) => (used - 1, octets),
            None => (used, own),
        };
        match slices.get_mut(nth) {
            Some(slice) if !octets.is_empty() => {
                *slice = IoSlice::new(octets);
                nth + 1
            }
            _ => used,
        }
    }

    /// So many octets have been written; says how many of the caller's are done with.
    pub(super) fn wrote(&mut self, octets: usize) -> usize {
        let mut left = octets;
        let mut consumed = 0;
        while let Some(run) = self.runs.first_mut() {
            match run {
                Run::Skip(length) => {
                    consumed += *length;
                    self.runs.skip(1);
                }
                Run::Own(length) | Run::Caller(length) => {
                    let done = left.min(*length);
                    if done == 0 {
                        break;
                    }
                    *length -= done;
                    left -= done;
                    let (own, is_done) = (matches!(run, Run::Own(_)), run_is_empty(run));
                    if is_done {
                        self.runs.skip(1);
                    }
                    if own {
                        self.drop_own(done);
                    } else {
                        consumed += done;
                    }
                }
            }
        }
        if self.runs.is_empty() {
            let done = left.min(self.behind);
            self.behind -= done;
            left -= done;
            self.drop_own(done);
        }
        self.secret &= !self.own.is_empty();
        self.written += (octets - left) as u64;
        self.planned = self.planned.saturating_sub(consumed);
        self.promised = self.promised.saturating_sub(consumed);
        consumed
    }

    /// So many octets of the session have been written. Mostly they are all that there are, and the
    /// next come to where they were.
    fn drop_own(&mut self, octets: usize) {
        self.wipe(octets);
        match octets == self.own.len() {
            true => self.own.clear(),
            false => self.own.advance(octets),
        }
    }

    /// Wipes the octets that have just been written, where a secret may be among them.
    fn wipe(&mut self, octets: usize) {
        if let Some(written) = self.own.get_mut(..octets).filter(|_| self.secret) {
            written.zeroize();
        }
    }
}

/// Looks at the next octets of a mail's chunks: whether they may be sent as text is what DATA would
/// say of them under [`LineEndings::Reject`], but that the last line end may lack.
fn look_at(
    octets: &[u8],
    is_end: bool,
    eight_bit: bool,
    seen: &mut Option<Box<Scanner>>,
) -> Result<(), ContentFault> {
    let scanner = seen.get_or_insert_default();
    scanner.update(octets);
    let scan = if is_end { scanner.as_ref().clone().finish() } else { scanner.so_far() };
    scan.check(LineEndings::Reject, eight_bit)
}

/// A session that is dropped before it has written a secret leaves none behind.
impl Drop for Output {
    fn drop(&mut self) {
        self.wipe(self.own.len());
    }
}

/// Without the octets: a secret may be among them.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("own", &self.own.len())
            .field("runs", &self.runs)
            .field("behind", &self.behind)
            .field("secret", &self.secret)
            .field("written", &self.written)
            .field("laid_out", &self.laid_out)
            .field("form", &self.form)
            .field("promised", &self.promised)
            .field("planned", &self.planned)
            .field("ending", &self.ending)
            .finish_non_exhaustive()
    }
}

const fn run_is_empty(run: &Run) -> bool {
    matches!(run, Run::Own(0) | Run::Caller(0))
}

#[cfg(test)]
mod tests;
