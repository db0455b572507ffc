//! Octets from a stream in, whole replies out. It knows of no command: the caller says what the
//! next reply answers.

use bytes::BytesMut;

use super::frame::{Framer, Search};
use super::{ReplyError, ReplyKind, ReplyRef, WireLines};
use crate::wire::{Limits, LineBuffer, Strictness, mask_quoted};

/// Reads replies from a stream, however it is cut into pieces.
///
/// ```
/// use ehlo::{Limits, ReplyBuffer, ReplyKind, Strictness};
///
/// let mut buffer = ReplyBuffer::new(Limits::default(), Strictness::Tolerant);
/// buffer.extend(b"250-mx.example\r\n250 SI");
/// assert!(!buffer.next(ReplyKind::Hello)?);
/// buffer.extend(b"ZE\r\n");
/// assert!(buffer.next(ReplyKind::Hello)?);
/// assert_eq!(buffer.reply().unwrap().line_count(), 2);
/// buffer.consume();
/// assert!(buffer.pending().is_empty());
/// # Ok::<(), ehlo::ReplyError>(())
/// ```
#[derive(Debug, Default)]
pub struct ReplyBuffer {
    lines: LineBuffer,
    framer: Framer,
    /// Why the search has failed.
    failed: Option<ReplyError>,
}

impl ReplyBuffer {
    /// An empty buffer.
    #[must_use]
    pub fn new(limits: Limits, strictness: Strictness) -> Self {
        Self { framer: Framer::new(limits, strictness), ..Self::default() }
    }

    /// The buffer to read into: append to it, and leave what it holds as it is. At least 4 KiB
    /// of spare capacity are there.
    pub fn space(&mut self) -> &mut BytesMut {
        self.lines.space()
    }

    /// Appends a copy of these octets.
    #[inline]
    pub fn extend(&mut self, octets: &[u8]) {
        self.lines.extend(octets);
    }

    /// All that has come and is not consumed, a framed reply included.
    #[must_use]
    #[inline]
    pub fn pending(&self) -> &[u8] {
        self.lines.pending()
    }

    /// Looks for the end of the next reply. True: [`reply`](Self::reply) lends it, until
    /// [`consume`](Self::consume). Only what came since the last call is looked at.
    ///
    /// # Errors
    ///
    /// What came cannot become a reply. The same error is given from then on.
    #[inline]
    pub fn next(&mut self, kind: ReplyKind) -> Result<bool, ReplyError> {
        match self.framer.search {
            Search::Goes => {}
            Search::Framed => return Ok(true),
            Search::Failed => return self.fail_again(),
        }
        let (octets, finder) = self.lines.split();
        if finder.has_searched(octets) {
            return Ok(false);
        }
        if let Err(error) = self.framer.next(octets, finder, kind) {
            self.fail(&error);
            return Err(error);
        }
        Ok(matches!(self.framer.search, Search::Framed))
    }

    #[cold]
    fn fail(&mut self, error: &ReplyError) {
        self.framer.search = Search::Failed;
        self.failed = Some(error.clone());
    }

    #[cold]
    fn fail_again(&self) -> Result<bool, ReplyError> {
        self.failed.clone().map_or(Ok(false), Err)
    }

    /// The reply that [`next`](Self::next) found.
    #[must_use]
    #[inline]
    pub fn reply(&self) -> Option<ReplyRef<'_>> {
        self.framer.reply(self.lines.given()?)
    }

    /// Drops the reply that [`next`](Self::next) found; without one nothing happens.
    #[inline]
    pub fn consume(&mut self) {
        if let Search::Framed = self.framer.search {
            self.lines.consume_given();
            self.framer.restart();
        }
    }

    /// Overwrites what a server quotes of a secret in lines that have come and were not looked at:
    /// to be called before [`next`](Self::next). Where no more comes, in the piece of a line, too.
    /// Challenges are what a mechanism needs, and stay.
    pub(crate) fn mask_quoted(&mut self, secret: &[u8], is_ended: bool) {
        for line in self.lines.not_given().split_inclusive_mut(|octet| *octet == b'\n') {
            if (is_ended || line.ends_with(b"\n")) && !line.starts_with(b"3") {
                mask_quoted(line, secret);
            }
        }
    }

    /// Gives back the room of what was consumed.
    #[cfg(feature = "net")]
    pub(crate) fn rest(&mut self) {
        if self.pending().is_empty() {
            self.lines.rest();
        }
    }

    /// Drops all octets and any error, as is due when TLS starts.
    pub fn clear(&mut self) {
        self.lines = LineBuffer::new();
        self.framer.restart();
        self.failed = None;
    }

    /// The lines that have come of a reply whose last line has not, as they came.
    #[must_use]
    pub fn partial_lines(&self) -> WireLines<'_> {
        WireLines::new(match self.framer.search {
            Search::Framed => &[],
            Search::Goes | Search::Failed => self.lines.given().unwrap_or_default(),
        })
    }

    /// The octets after the last line end: a line that has not come to its end.
    #[must_use]
    pub fn fragment(&self) -> &[u8] {
        let pending = self.pending();
        let begin = memchr::memrchr(b'\n', pending).map_or(0, |at| at + 1);
        pending.get(begin..).unwrap_or_default()
    }

    /// How far replies may depart from the grammar.
    #[must_use]
    pub const fn strictness(&self) -> Strictness {
        self.framer.strictness()
    }
}
