//! A stream that remembers the first octets read from it, and changes nothing: when a server
//! answers a handshake with something else than TLS, that is what tells what it is. Behind the
//! handshake it is the first octets of each read: some servers say their last words in clear.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::stream::Plain;

/// A plain stream under TLS.
#[derive(Debug)]
pub(crate) struct Overheard {
    plain: Plain,
    heard: Vec<u8>,
    is_secured: bool,
}

impl Overheard {
    pub(super) const fn new(plain: Plain) -> Self {
        Self { plain, heard: Vec::new(), is_secured: false }
    }

    pub(crate) const fn plain(&self) -> &Plain {
        &self.plain
    }

    /// The first octets of all, or once it [is secured](Self::secured), of the last read.
    pub(crate) fn heard(&self) -> &[u8] {
        &self.heard
    }

    /// The handshake is done.
    pub(super) fn secured(&mut self) {
        self.is_secured = true;
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
        if self.is_secured && !new.is_empty() {
            self.heard.clear();
        }
        let room = KEPT.saturating_sub(self.heard.len()).min(new.len());
        self.heard.extend_from_slice(new.get(..room).unwrap_or_default());
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
