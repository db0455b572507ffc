//! A stream that remembers the first octets read from it, and changes nothing: when a server
//! answers a handshake with something else than TLS, that is what tells what it is. Behind the
//! handshake it remembers what is a refusal in clear: some servers say their last words so.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::fault::is_refusal;
use crate::net::stream::Plain;

/// A plain stream under TLS.
#[derive(Debug)]
pub(crate) struct Overheard {
    plain: Plain,
    /// In a box, which is not there behind the handshake: connections are idle for hours.
    #[expect(clippy::box_collection, reason = "a pointer where there is nothing")]
    heard: Option<Box<Vec<u8>>>,
}

impl Overheard {
    pub(super) fn new(plain: Plain) -> Self {
        Self { plain, heard: Some(Box::default()) }
    }

    pub(crate) const fn plain(&self) -> &Plain {
        &self.plain
    }

    /// The first octets of all, or once it was [understood](Self::understood), of what begins like
    /// a refusal.
    pub(crate) fn heard(&self) -> &[u8] {
        self.heard.as_deref().map_or(b"", Vec::as_slice)
    }

    /// What was read so far was TLS.
    pub(crate) fn understood(&mut self) {
        self.heard = None;
    }
}

impl AsyncRead for Overheard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let outcome = Pin::new(&mut self.plain).poll_read(cx, buf);
        let new = buf.filled().get(before..).unwrap_or_default();
        if is_refusal(new) {
            self.heard.get_or_insert_default();
        }
        if let Some(heard) = &mut self.heard {
            let room = KEPT.saturating_sub(heard.len()).min(new.len());
            heard.extend_from_slice(new.get(..room).unwrap_or_default());
        }
        outcome
    }
}

impl AsyncWrite for Overheard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.plain).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.plain).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.plain.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.plain).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.plain).poll_shutdown(cx)
    }
}

/// A line of a terminal: enough to recognise a greeting.
const KEPT: usize = 80;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn behind_the_handshake_refusals_alone_are_heard() {
        let (near, mut far) = duplex(1024);
        let mut stream = Overheard::new(Plain::Given(Box::new(near)));
        let mut hear = async |octets: &[u8], is_understood| {
            far.write_all(octets).await.unwrap();
            stream.read_exact(&mut vec![0; octets.len()]).await.unwrap();
            let heard = stream.heard().to_vec();
            if is_understood {
                stream.understood();
            }
            heard
        };
        let long = [b'x'; 200];
        assert_eq!(hear(b"220 mx\r\n", false).await, b"220 mx\r\n");
        assert_eq!(hear(&long, true).await, [&b"220 mx\r\n"[..], &long[..KEPT - 8]].concat());
        for record in [&b"\x17\x03\x03"[..], b"220 ok\r\n", b"42", &long] {
            assert_eq!(hear(record, true).await, b"");
        }
        assert_eq!(hear(b"421 4.7.0 too many\r\n", true).await, b"421 4.7.0 too many\r\n");
        assert_eq!(hear(b"\x17\x03\x03", true).await, b"");
        assert!(stream.heard.is_none(), "room is taken for refusals alone");
    }
}
