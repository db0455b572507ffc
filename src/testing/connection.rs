//! A connection from the server's side: octets in and out, the switch to TLS, and the log of what
//! was said. What to say is decided by those who hold it.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::rustls::ProtocolVersion;

use super::pace::Pace;
use super::running::Log;
use super::tls::Identity;
use crate::LineBuffer;

/// What a stream has to be to be served. Every type that can be, is.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub(super) struct Connection {
    /// `None` only while a handshake runs, and after one that failed.
    stream: Option<Box<dyn Io>>,
    input: LineBuffer,
    output: BytesMut,
    tls: bool,
    /// What the channel is bound by, over TLS 1.3 (RFC 9266).
    exported: Option<[u8; 32]>,
    /// What it is bound by over any TLS (RFC 5929 §4).
    end_point: Option<[u8; 32]>,
    /// The client has shown a certificate, which was found good.
    has_certificate: bool,
    pace: Pace,
    /// Octets that have come since they were counted.
    counted: Option<u64>,
    log: Log,
}

/// What came when a line was waited for.
pub(super) enum Heard {
    /// A line with its end.
    Line(Vec<u8>),
    TooLong,
    /// The client is gone; what it left behind is pending.
    End,
}

impl Connection {
    pub(super) fn new(stream: Box<dyn Io>, pace: Pace, log: Log) -> Self {
        Self {
            stream: Some(stream),
            input: LineBuffer::new(),
            output: BytesMut::new(),
            tls: false,
            exported: None,
            end_point: None,
            has_certificate: false,
            pace,
            counted: None,
            log,
        }
    }

    pub(super) const fn is_tls(&self) -> bool {
        self.tls
    }

    /// What the channel is bound by, of this name.
    pub(super) fn binding(&self, name: &str) -> Option<&[u8]> {
        let octets = match name {
            "tls-exporter" => &self.exported,
            "tls-server-end-point" => &self.end_point,
            _ => &None,
        };
        octets.as_ref().map(<[u8; 32]>::as_slice)
    }

    pub(super) const fn has_certificate(&self) -> bool {
        self.has_certificate
    }

    pub(super) const fn log(&self) -> &Log {
        &self.log
    }

    /// What has come and was not taken.
    pub(super) fn pending(&self) -> &[u8] {
        self.input.pending()
    }

    pub(super) fn consume(&mut self, octets: usize) {
        self.input.consume(octets);
    }

    /// Takes these octets for what has come.
    pub(super) fn hear(&mut self, octets: &[u8]) {
        self.input.extend(octets);
    }

    /// Waits for a line, its end included, of at most `limit` octets.
    pub(super) async fn line(&mut self, limit: usize) -> io::Result<Heard> {
        if self.pace == Pace::OneByOne {
            self.flush().await?;
        }
        loop {
            match self.input.next_line(limit) {
                Ok(Some(range)) => {
                    let line = self.pending().get(range.clone()).unwrap_or_default();
                    let line = line.to_vec();
                    self.consume(range.end);
                    return Ok(Heard::Line(line));
                }
                Ok(None) => {}
                Err(_) => return Ok(Heard::TooLong),
            }
            if !self.fill().await? {
                return Ok(Heard::End);
            }
        }
    }

    /// Reads what comes next, once all is written that is to be; `false` at the end of the stream.
    pub(super) async fn fill(&mut self) -> io::Result<bool> {
        let holds = match self.pace {
            Pace::Prompt | Pace::OneByOne => false,
            Pace::WhenIdle => {
                if let Some(read) = at_once(self.read()).await {
                    return read;
                }
                false
            }
            Pace::After(octets) => self.counted.is_some_and(|counted| counted < octets),
        };
        if !holds {
            self.flush().await?;
        }
        self.read().await
    }

    async fn read(&mut self) -> io::Result<bool> {
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let read = stream.read_buf(self.input.space()).await?;
        if let Some(counted) = &mut self.counted {
            *counted += read as u64;
        }
        Ok(read > 0)
    }

    /// Counts from here on, and with this command of so many octets, what comes; once only.
    pub(super) fn count(&mut self, command: usize) {
        let there = command + self.pending().len();
        self.counted.get_or_insert(there as u64);
    }

    /// Whether the client has said more than was asked of it.
    pub(super) async fn is_ahead(&mut self) -> io::Result<bool> {
        if self.pending().is_empty() {
            // What was said in the same breath may still be on its way.
            let _ = tokio::time::timeout(BREATH, self.fill()).await;
        }
        Ok(!self.pending().is_empty())
    }

    /// Reads and forgets until the client goes.
    pub(super) async fn listen(&mut self) -> io::Result<()> {
        loop {
            self.consume(usize::MAX);
            if !self.fill().await? {
                return Ok(());
            }
        }
    }

    /// Puts octets after those that wait to be written.
    pub(super) fn put(&mut self, octets: &[u8]) {
        self.output.extend_from_slice(octets);
    }

    /// Writes all that waits.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        while self.output.has_remaining() {
            stream.write_buf(&mut self.output).await?;
        }
        stream.flush().await
    }

    /// The server's side of a handshake. What the client has said before it counts for nothing
    /// (RFC 3207 §4.2).
    pub(super) async fn start_tls(&mut self, identity: &Identity) -> io::Result<()> {
        self.flush().await?;
        let stream = self.stream.take().ok_or(io::ErrorKind::NotConnected)?;
        self.input = LineBuffer::new();
        let stream = identity.acceptor.accept(stream).await;
        let stream = stream.inspect_err(|error| self.log.note(error))?;
        let tls = stream.get_ref().1;
        if tls.protocol_version() == Some(ProtocolVersion::TLSv1_3) {
            let exported = tls.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", None);
            self.exported = exported.ok();
        }
        self.end_point = Some(identity.end_point);
        self.has_certificate = tls.peer_certificates().is_some();
        self.stream = Some(Box::new(stream));
        self.tls = true;
        self.log.between("TLS");
        Ok(())
    }

    /// Ends as [`shutdown`](Self::shutdown) does, and listens until the client has heard it: TCP
    /// drops what was said to a client that still speaks to a closed socket.
    pub(super) async fn end(&mut self) -> io::Result<()> {
        self.shutdown().await?;
        let rest = async {
            while self.fill().await.unwrap_or_default() {
                self.consume(usize::MAX);
            }
        };
        let _ = tokio::time::timeout(LINGER, rest).await;
        Ok(())
    }

    /// Writes what waits and says goodbye as TLS and TCP have it.
    pub(super) async fn shutdown(&mut self) -> io::Result<()> {
        self.flush().await?;
        match &mut self.stream {
            Some(stream) => stream.shutdown().await,
            None => Ok(()),
        }
    }
}

/// What the future gives without waiting, if it does.
async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// How long what was said together may take to come together.
const BREATH: Duration = Duration::from_millis(20);
/// How long a client may take to hear the last reply.
const LINGER: Duration = Duration::from_secs(1);
