//! The octets' way to a server, whatever it is made of. No knowledge of SMTP: what the octets say
//! and how long they may take is decided above.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::IpAddr;
#[cfg(feature = "proxy")]
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

#[cfg(feature = "tls")]
use super::tls::{TlsFault, TlsSetup, TlsStream, Trust};

/// What a stream given by the caller has to be. Every type that can be, is.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection to a server.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(Plain),
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream>),
    /// Closed on this side: the session is over, or a handshake failed or was dropped midway, and
    /// what is on the line is neither text nor TLS. It reads as closed and takes nothing more.
    Gone,
}

impl Stream {
    /// Any stream; the caller's, or one in memory.
    pub(crate) fn given(stream: impl Io + 'static) -> Self {
        Self::Plain(Plain::Given(Box::new(stream)))
    }

    /// Runs the TLS handshake on this stream, for STARTTLS or before the greeting.
    ///
    /// A future dropped midway leaves a stream that is closed; so does a failure, since after it
    /// nothing may be said in clear (RFC 3207 §4).
    #[cfg(feature = "tls")]
    pub(crate) async fn start_tls(&mut self, setup: &TlsSetup) -> Result<Trust, TlsFault> {
        match std::mem::replace(self, Self::Gone) {
            Self::Plain(plain) => {
                let (stream, trust) = setup.handshake(plain).await?;
                *self = Self::Tls(Box::new(stream));
                Ok(trust)
            }
            Self::Gone => Err(TlsFault::closed()),
            secured @ Self::Tls(_) => {
                *self = secured;
                Err(TlsFault::already_secured())
            }
        }
    }

    /// The address of the local end; none for a stream that was given, and a closed one.
    pub(crate) fn local_ip(&self) -> Option<IpAddr> {
        match self {
            Self::Plain(plain) => plain.local_ip(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.get_ref().0.plain().local_ip(),
            Self::Gone => None,
        }
    }

    /// The addresses of this end and of the other; none but for TCP.
    #[cfg(feature = "proxy")]
    pub(crate) fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        match self {
            Self::Plain(Plain::Tcp(stream)) => {
                stream.local_addr().ok().zip(stream.peer_addr().ok())
            }
            _ => None,
        }
    }

    fn io(self: Pin<&mut Self>) -> io::Result<Pin<&mut dyn Io>> {
        match self.get_mut() {
            Self::Plain(plain) => Ok(Pin::new(plain)),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Ok(Pin::new(stream.as_mut())),
            Self::Gone => Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "the connection was closed on this side",
            )),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(plain) => Pin::new(plain).poll_read(cx, buf),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => {
                let outcome = Pin::new(stream.as_mut()).poll_read(cx, buf);
                if let Poll::Ready(Ok(())) = outcome {
                    stream.get_mut().0.understood();
                }
                outcome.map(|outcome| closed_is_closed(outcome, stream.get_ref().0.heard()))
            }
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}

/// An end without close_notify reads like any other end: replies say themselves where they end, so
/// an attacker who cuts the connection gains nothing, and many servers close so after QUIT.
///
/// An alert is explained: over TLS 1.3 a server that does not like the client's certificate, or
/// misses it, says so when the handshake is done on this side. So are last words in clear, as Exim
/// has them for a client with too many commands.
#[cfg(feature = "tls")]
fn closed_is_closed(outcome: io::Result<()>, heard: &[u8]) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
        Err(error) => Err(match TlsFault::of_reading(&error, heard) {
            Some(fault) => io::Error::new(error.kind(), fault),
            None => error,
        }),
        outcome => outcome,
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.io()?.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io()?.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(plain) => plain.is_write_vectored(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.is_write_vectored(),
            Self::Gone => false,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io()?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.io() {
            Ok(io) => io.poll_shutdown(cx),
            Err(_) => Poll::Ready(Ok(())),
        }
    }
}

/// A connection without TLS, or what lies under it.
pub(crate) enum Plain {
    Tcp(TcpStream),
    Given(Box<dyn Io>),
}

impl Plain {
    fn local_ip(&self) -> Option<IpAddr> {
        match self {
            // A socket for both families shows IPv4 addresses as IPv6.
            Self::Tcp(stream) => Some(stream.local_addr().ok()?.ip().to_canonical()),
            Self::Given(_) => None,
        }
    }

    fn io(self: Pin<&mut Self>) -> Pin<&mut dyn Io> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream),
            Self::Given(stream) => Pin::new(stream.as_mut()),
        }
    }
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(stream) => stream.fmt(f),
            Self::Given(_) => f.write_str("Given"),
        }
    }
}

impl AsyncRead for Plain {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.io().poll_read(cx, buf)
    }
}

impl AsyncWrite for Plain {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.io().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Given(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::net::TcpListener;

    /// What one end writes in slices, the other reads, both ways, until the end.
    async fn converse(mut stream: Stream, mut peer: impl Io) {
        let slices = [IoSlice::new(b"EHLO "), IoSlice::new(b"me\r\n")];
        let wrote = stream.write_vectored(&slices).await.unwrap();
        let all = if stream.is_write_vectored() { 9 } else { 5 };
        assert_eq!(wrote, all);
        stream.flush().await.unwrap();
        let mut heard = vec![0; wrote];
        peer.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, b"EHLO me\r\n"[..wrote]);

        peer.write_all(b"250 ok\r\n").await.unwrap();
        peer.shutdown().await.unwrap();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await.unwrap();
        assert_eq!(said, b"250 ok\r\n");

        stream.shutdown().await.unwrap();
        assert_eq!(peer.read(&mut [0; 8]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_tcp_stream() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await;
        let (peer, _) = listener.accept().await.unwrap();
        let stream = Stream::Plain(Plain::Tcp(client.unwrap()));
        assert_eq!(stream.local_ip(), Some("127.0.0.1".parse().unwrap()));
        assert!(stream.is_write_vectored());
        converse(stream, peer).await;
    }

    #[tokio::test]
    async fn a_given_stream() {
        let (client, peer) = duplex(64);
        let stream = Stream::given(client);
        assert_eq!(stream.local_ip(), None);
        assert_eq!(format!("{stream:?}"), "Plain(Given)");
        converse(stream, peer).await;
    }

    #[tokio::test]
    async fn what_is_gone_reads_as_closed() {
        let mut stream = Stream::Gone;
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
        for error in
            [stream.write(b"QUIT\r\n").await.unwrap_err(), stream.flush().await.unwrap_err()]
        {
            assert_eq!(error.kind(), io::ErrorKind::NotConnected);
            assert_eq!(error.to_string(), "the connection was closed on this side");
        }
        stream.shutdown().await.unwrap();
        assert_eq!(stream.local_ip(), None);
        assert!(!stream.is_write_vectored());
    }
}
