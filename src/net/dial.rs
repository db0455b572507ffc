//! Connections that the caller makes, in place of those to an address or a path. What is said over
//! them is the same as over any other.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::Connector;
use super::stream::Stream;
use crate::error::ErrorKind;

impl Connector {
    /// Connects by this and not by TCP: each connection, and there may be several to one call, is a
    /// stream that it makes. For tunnels, and for tests in memory.
    ///
    /// The server's name is neither resolved nor dialled; it stands in errors and reports, and the
    /// certificate has to be for it. The time for connecting is [`Timeouts::connect`]. A source
    /// address or a proxy beside it is a [`Misuse`](crate::Misuse).
    ///
    /// ```
    /// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = ehlo::testing::Server::new().start().await?;
    /// # let tunnel = server.addr();
    /// use ehlo::{Connector, Security};
    /// use tokio::net::TcpStream;
    ///
    /// let connector = Connector::new("mx.example.org")
    ///     .security(Security::None)
    ///     .dialer(move || TcpStream::connect(tunnel));
    /// connector.connect().await?.quit().await?;
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// [`Timeouts::connect`]: crate::Timeouts::connect
    #[must_use]
    pub fn dialer<D, F, S>(mut self, dial: D) -> Self
    where
        D: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = io::Result<S>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let dial = move || -> Dialling {
            let stream = dial();
            Box::pin(async move { stream.await.map(Stream::given) })
        };
        self.dialer = Some(Dialer(Arc::new(dial)));
        self
    }
}

/// Who makes connections.
#[derive(Clone)]
pub(super) struct Dialer(Arc<dyn Fn() -> Dialling + Send + Sync>);

type Dialling = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

impl Dialer {
    pub(super) async fn dial(&self, limit: Duration) -> Result<Stream, ErrorKind> {
        match timeout(limit, (self.0)()).await {
            Ok(stream) => stream.map_err(ErrorKind::Io),
            Err(_) => Err(ErrorKind::Timeout(limit)),
        }
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").finish_non_exhaustive()
    }
}
