//! The content of a mail: in memory, or read from a stream while it is sent, a piece at a time.

use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::wire::{ContentFault, LineEndings, Scanner, Stuffer};

/// Octets that are read before they are sent: one chunk of BDAT, or one piece after DATA.
pub(super) const PIECE: usize = 128 * 1024;

/// The content of a mail: octets in memory, lent or handed over, or a [`Source`].
///
/// ```
/// use ehlo::{Content, Source};
///
/// let lent = Content::from("Subject: hello\r\n\r\n"); // or any `&T` where `T: AsRef<[u8]>`
/// let owned = Content::from(vec![b'x'; 100]);
/// let read = Content::from(Source::new(tokio::io::empty()));
/// # let _ = (lent, owned, read);
/// ```
#[derive(Debug)]
pub struct Content<'a>(pub(super) Kind<'a>);

#[derive(Debug)]
pub(super) enum Kind<'a> {
    Octets(Octets<'a>),
    Source(Source<'a>),
}

/// Octets in memory.
#[derive(Debug)]
pub(super) enum Octets<'a> {
    Lent(&'a [u8]),
    Owned(Bytes),
}

impl Octets<'_> {
    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Lent(octets) => octets,
            Self::Owned(octets) => octets,
        }
    }

    /// Drops the first so many.
    pub(super) fn advance(&mut self, octets: usize) {
        match self {
            Self::Lent(left) => *left = left.get(octets..).unwrap_or_default(),
            Self::Owned(left) => left.advance(octets.min(left.len())),
        }
    }
}

impl<'a> Octets<'a> {
    /// The same, as a reader.
    pub(super) fn reader(self) -> Reader<'a> {
        match self {
            Self::Lent(octets) => Box::pin(octets),
            Self::Owned(octets) => Box::pin(io::Cursor::new(octets)),
        }
    }
}

impl<'a, T: AsRef<[u8]> + ?Sized> From<&'a T> for Content<'a> {
    fn from(octets: &'a T) -> Self {
        Self(Kind::Octets(Octets::Lent(octets.as_ref())))
    }
}

impl From<Bytes> for Content<'_> {
    fn from(octets: Bytes) -> Self {
        Self(Kind::Octets(Octets::Owned(octets)))
    }
}

impl From<Vec<u8>> for Content<'_> {
    fn from(octets: Vec<u8>) -> Self {
        Bytes::from(octets).into()
    }
}

impl From<String> for Content<'_> {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl<'a> From<Source<'a>> for Content<'a> {
    fn from(source: Source<'a>) -> Self {
        Self(Kind::Source(source))
    }
}

/// What content is read from.
pub(super) type Reader<'a> = Pin<Box<dyn AsyncRead + Send + 'a>>;

/// Content that is read while it is sent: a file, a pipe, the body of a request. However long it
/// is, less than 1 MiB of it is in memory.
///
/// Nothing of it can be looked at before MAIL goes out. What it is may be declared: its size here,
/// and in the envelope that it is 7-bit or binary ([`MailParam::body`](crate::MailParam::body);
/// else it is 8-bit where the server offers 8BITMIME, and 7-bit where not). A mail is never
/// delivered in part: an octet that breaks the declaration, a reader that fails, or that has less
/// or more than was declared, ends the mail before its end; over DATA, where there is no other way,
/// with the connection.
///
/// ```
/// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
/// # let (stream, server) = tokio::io::duplex(4096);
/// # let _server = ehlo::testing::Server::new().serve(server)?;
/// # let connector = ehlo::Connector::new("mx").security(ehlo::Security::None);
/// # let mut client = connector.connect_over(stream).await?;
/// use ehlo::{Envelope, Source};
///
/// let message = &b"Subject: hello\r\n\r\nhello\r\n"[..]; // or a `tokio::fs::File`
/// let envelope = Envelope::new("alice@example.org", ["bob@example.net"])?;
/// let delivery = client.send(&envelope, Source::new(message)).await?;
/// assert!(delivery.is_complete());
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Source<'a> {
    pub(super) reader: Reader<'a>,
    pub(super) size: Option<u64>,
    pub(super) size_is_final: bool,
}

impl<'a> Source<'a> {
    /// Content from any reader, of unknown size.
    #[must_use]
    pub fn new(reader: impl AsyncRead + Send + 'a) -> Self {
        Self { reader: Box::pin(reader), size: None, size_is_final: false }
    }

    /// Declares how many octets the reader has. `SIZE=` goes out only where line ends are not
    /// changed on the way ([`LineEndings::Reject`], [`LineEndings::Raw`]), since it counts what the
    /// server gets to keep; a mail that is larger than the server takes is then refused before
    /// MAIL.
    #[must_use]
    pub const fn size(mut self, octets: u64) -> Self {
        self.size = Some(octets);
        self
    }

    /// Declares the size of content whose line ends are right, and whose last line ends: `SIZE=`
    /// goes out whatever is done with line ends.
    #[must_use]
    pub const fn final_size(mut self, octets: u64) -> Self {
        self.size = Some(octets);
        self.size_is_final = true;
        self
    }
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("size", &self.size)
            .field("size_is_final", &self.size_is_final)
            .finish_non_exhaustive()
    }
}

/// A reader, and what was read of it and is not sent yet.
pub(super) struct Pieces<'a> {
    reader: Reader<'a>,
    /// As it was read, where it has to be made fit for BDAT.
    raw: BytesMut,
    /// As it is to be sent.
    ready: BytesMut,
    /// Makes line ends right for BDAT; the session does it for DATA.
    stuffer: Option<Stuffer>,
    /// Looks for lines that are too long, where those are refused.
    scanner: Option<Scanner>,
    /// Octets that the reader still has to have, where that was declared.
    due: Option<u64>,
    is_at_end: bool,
}

/// Why there is no next piece.
pub(super) enum SourceFault {
    /// The reader failed.
    Read(io::Error),
    /// What it has cannot be sent.
    Content(ContentFault),
}

impl<'a> Pieces<'a> {
    /// Pieces for DATA, or of binary content: as they are read.
    pub(super) fn as_read(reader: Reader<'a>) -> Self {
        let (raw, ready) = (BytesMut::new(), BytesMut::with_capacity(PIECE));
        Self { reader, raw, ready, stuffer: None, scanner: None, due: None, is_at_end: false }
    }

    /// Pieces for BDAT: text with its line ends made right.
    pub(super) fn as_text(reader: Reader<'a>, line_endings: LineEndings, eight_bit: bool) -> Self {
        let stuffer = Stuffer::new(line_endings, eight_bit).without_dots();
        Self { stuffer: Some(stuffer), ..Self::as_read(reader) }
    }

    /// The same, and lines of more than 998 octets are refused.
    pub(super) fn refusing_long_lines(mut self) -> Self {
        self.scanner = Some(Scanner::new());
        self
    }

    /// The reader has so many octets, it is said.
    pub(super) const fn declared(mut self, octets: Option<u64>) -> Self {
        self.due = octets;
        self
    }

    /// What is read and not sent yet.
    pub(super) fn ready(&self) -> &[u8] {
        &self.ready
    }

    /// So many octets of it are sent.
    pub(super) fn sent(&mut self, octets: usize) {
        self.ready.advance(octets);
    }

    /// Whether nothing follows what is ready.
    pub(super) const fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// Reads until a piece is whole or the content ends. Where the reader has nothing at hand, what
    /// has come is a piece if it is `eager`.
    pub(super) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        eager: bool,
    ) -> Poll<Result<(), SourceFault>> {
        while self.ready.len() < PIECE && !self.is_at_end {
            let into = if self.stuffer.is_some() { &mut self.raw } else { &mut self.ready };
            into.reserve(PIECE.saturating_sub(into.len()).max(1));
            let before = into.len();
            let read = pin!(self.reader.read_buf(into)).poll(cx);
            match read {
                Poll::Ready(Ok(octets)) => {
                    self.is_at_end = octets == 0;
                    if let Some(scanner) = &mut self.scanner {
                        scanner.update(into.get(before..).unwrap_or_default());
                    }
                    self.count(octets as u64).map_err(SourceFault::Read)?;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(SourceFault::Read(error))),
                Poll::Pending if eager && !self.ready.is_empty() => break,
                Poll::Pending => return Poll::Pending,
            }
            self.check_lines().map_err(SourceFault::Content)?;
            self.make_text().map_err(SourceFault::Content)?;
        }
        Poll::Ready(Ok(()))
    }

    fn check_lines(&self) -> Result<(), ContentFault> {
        let Some(scanner) = &self.scanner else {
            return Ok(());
        };
        let scan = if self.is_at_end { scanner.clone().finish() } else { scanner.so_far() };
        scan.long_line().map_or(Ok(()), |offset| Err(ContentFault::LongLine { offset }))
    }

    /// A file that was cut short meanwhile is half a mail.
    fn count(&mut self, octets: u64) -> io::Result<()> {
        let Some(due) = self.due else { return Ok(()) };
        match due.checked_sub(octets) {
            Some(left) if left > 0 && self.is_at_end => {
                let words = format!("it ends {left} octets before the size that was declared");
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, words))
            }
            Some(left) => {
                self.due = Some(left);
                Ok(())
            }
            None => {
                let words = "it has more octets than were declared";
                Err(io::Error::new(io::ErrorKind::InvalidData, words))
            }
        }
    }

    fn make_text(&mut self) -> Result<(), ContentFault> {
        let Some(stuffer) = &mut self.stuffer else {
            return Ok(());
        };
        stuffer.stuff_into(&self.raw, &mut self.ready)?;
        self.raw.clear();
        if self.is_at_end {
            self.ready.extend_from_slice(stuffer.finish()?);
        }
        Ok(())
    }
}
