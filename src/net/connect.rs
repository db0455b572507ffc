//! From a host's addresses to a TCP connection: every one is tried, and why each failed is kept; and
//! to a Unix socket. What is spoken over the connection is no concern of this file.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
#[cfg(unix)]
use std::path::{Path, PathBuf};
use std::time::Duration;

#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

use super::observe::Observer;
use super::race::race;
use crate::Escaped;

/// A connection to one of `addresses`, tried in their order and beside each other as [`race`] has
/// it, each within `limit`; and when the attempt began that made it. `TCP_NODELAY` is set: a flight
/// of commands is one write, and no reply comes until it is sent.
///
/// With `sources` not empty the local end is the first of them that is of the address's family;
/// an address of another family is not tried, because a caller who names a source does not want
/// to be seen from elsewhere.
///
/// # Errors
///
/// When no address could be connected: every attempt, in order.
pub(crate) async fn connect(
    addresses: &[SocketAddr],
    sources: &[IpAddr],
    limit: Duration,
    observer: &Observer,
) -> Result<(TcpStream, Instant), ConnectFault> {
    race(addresses, limit, observer, |address| attempt(address, sources)).await
}

/// A connection to the Unix socket at `path`, within `limit`.
///
/// # Errors
///
/// When it could not be connected: the one attempt.
#[cfg(unix)]
pub(crate) async fn connect_unix(path: &Path, limit: Duration) -> Result<UnixStream, ConnectFault> {
    let failure = match timeout(limit, attempt_unix(path)).await {
        Ok(Ok(stream)) => return Ok(stream),
        Ok(Err(error)) => ConnectFailure::Io(error),
        Err(_) => ConnectFailure::TimedOut(limit),
    };
    let place = Place::Unix(path.to_owned());
    Err(ConnectFault { attempts: vec![ConnectAttempt { place, failure }] })
}

/// Linux says at once where the listener's queue is full, which TCP waits for.
#[cfg(unix)]
async fn attempt_unix(path: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tokio::time::sleep(AGAIN).await;
            }
            connected => return connected,
        }
    }
}

async fn attempt(address: SocketAddr, sources: &[IpAddr]) -> Result<TcpStream, ConnectFailure> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if !sources.is_empty() {
        let source = sources
            .iter()
            .find(|source| source.is_ipv4() == address.is_ipv4())
            .ok_or(ConnectFailure::NoSource)?;
        socket
            .bind(SocketAddr::new(*source, 0))
            .map_err(|error| ConnectFailure::Source(*source, error))?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// No address of a server could be connected.
#[derive(Debug)]
pub struct ConnectFault {
    attempts: Vec<ConnectAttempt>,
}

impl ConnectFault {
    pub(super) const fn new(attempts: Vec<ConnectAttempt>) -> Self {
        Self { attempts }
    }

    /// Every attempt, in the order begun; empty when there was no address to try.
    #[must_use]
    pub fn attempts(&self) -> &[ConnectAttempt] {
        &self.attempts
    }

    /// Whether some attempt ran into its time limit.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        let mut failures = self.attempts.iter().map(|attempt| &attempt.failure);
        failures.any(|failure| matches!(failure, ConnectFailure::TimedOut(_)))
    }
}

impl fmt::Display for ConnectFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no connection")?;
        for (at, attempt) in self.attempts.iter().enumerate() {
            f.write_str(if at == 0 { ": " } else { "; " })?;
            attempt.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConnectFault {
    /// What the system said at the last attempt.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.attempts.last()?.failure)
    }
}

/// One address or path, and why it could not be connected.
#[derive(Debug)]
pub struct ConnectAttempt {
    place: Place,
    failure: ConnectFailure,
}

impl ConnectAttempt {
    pub(super) const fn tcp(address: SocketAddr, failure: ConnectFailure) -> Self {
        Self { place: Place::Tcp(address), failure }
    }

    /// The address that was tried; none for a Unix socket.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        match self.place {
            Place::Tcp(address) => Some(address),
            #[cfg(unix)]
            Place::Unix(_) => None,
        }
    }

    /// The path of the Unix socket that was tried; none for an address.
    #[cfg(unix)]
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::Tcp(_) => None,
            Place::Unix(path) => Some(path),
        }
    }

    /// Why there was no connection.
    #[must_use]
    pub const fn failure(&self) -> &ConnectFailure {
        &self.failure
    }
}

impl fmt::Display for ConnectAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp(address) => write!(f, "{address}: {}", self.failure),
            #[cfg(unix)]
            Place::Unix(path) => {
                let path = Escaped::new(path.as_os_str().as_encoded_bytes());
                write!(f, "{path}: {}", self.failure)
            }
        }
    }
}

#[derive(Debug)]
enum Place {
    Tcp(SocketAddr),
    #[cfg(unix)]
    Unix(PathBuf),
}

/// Why an address could not be connected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectFailure {
    /// The system refused, or the peer did.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Nothing answered within this time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// None of the source addresses is of the address's family.
    #[error("no source address of this family was given")]
    NoSource,
    /// The source address could not be used.
    #[error("cannot connect from {0}: {1}")]
    Source(IpAddr, #[source] io::Error),
}

/// Between two attempts at a listener whose queue is full.
#[cfg(unix)]
const AGAIN: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    use std::error::Error as _;
    use tokio::net::TcpListener;

    const LONG: Duration = Duration::from_secs(20);

    /// A loopback address where nobody listens.
    async fn closed_port() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    }

    #[tokio::test]
    async fn c_161_goes_on_to_the_address_that_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let (stream, _) =
            connect(&[closed_port().await, open], &[], LONG, &Observer::default()).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        assert!(stream.nodelay().unwrap());
    }

    #[tokio::test]
    async fn keeps_the_failure_of_every_address() {
        let (one, two) = (closed_port().await, closed_port().await);
        let fault = connect(&[one, two], &[], LONG, &Observer::default()).await.unwrap_err();
        let refused = io::Error::from_raw_os_error(REFUSED);
        assert_eq!(fault.to_string(), format!("no connection: {one}: {refused}; {two}: {refused}"));
        assert_eq!(fault.attempts().len(), 2);
        assert_eq!(fault.attempts()[1].address(), Some(two));
        assert_eq!(fault.source().unwrap().to_string(), refused.to_string());
        assert!(!fault.timed_out());
    }

    #[tokio::test]
    async fn no_address_is_no_connection() {
        let fault = connect(&[], &[], LONG, &Observer::default()).await.unwrap_err();
        assert_eq!(fault.to_string(), "no connection");
        assert!(fault.source().is_none());
    }

    #[tokio::test]
    async fn the_source_address_is_of_the_address_family() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let sources = ["::1".parse().unwrap(), "127.0.0.2".parse().unwrap()];
        if cfg!(target_os = "linux") {
            let (stream, _) = connect(&[open], &sources, LONG, &Observer::default()).await.unwrap();
            assert_eq!(stream.local_addr().unwrap().ip(), sources[1]);
        }

        let fault = connect(&[open], &sources[..1], LONG, &Observer::default()).await.unwrap_err();
        assert_eq!(
            fault.to_string(),
            format!("no connection: {open}: no source address of this family was given")
        );
        // TEST-NET-1 is nobody's address, so nothing can be bound to it.
        let nobody = "192.0.2.1".parse().unwrap();
        let fault = connect(&[open], &[nobody], LONG, &Observer::default()).await.unwrap_err();
        let words = fault.to_string();
        assert!(
            words.starts_with(&format!("no connection: {open}: cannot connect from 192.0.2.1: ")),
            "{words}"
        );
        assert!(fault.source().is_some());
    }

    /// Linux drops a SYN when the queue of a listener that never accepts is full.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn each_address_has_its_own_time() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let deaf = socket.listen(0).unwrap();
        let deaf = (deaf.local_addr().unwrap(), deaf);
        let limit = Duration::from_millis(100);
        let mut queued = Vec::new();
        while let Ok((stream, _)) = connect(&[deaf.0], &[], limit, &Observer::default()).await {
            queued.push(stream);
            assert!(queued.len() < 100, "the queue has no end");
        }

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        assert!(connect(&[deaf.0, open], &[], limit, &Observer::default()).await.is_ok());

        let fault = connect(&[deaf.0], &[], limit, &Observer::default()).await.unwrap_err();
        assert_eq!(fault.to_string(), format!("no connection: {}: no answer within 100ms", deaf.0));
        assert!(fault.timed_out());
    }

    /// A path of the test's own, which is gone with it.
    #[cfg(unix)]
    struct Socket(PathBuf);

    #[cfg(unix)]
    impl Socket {
        fn at(name: &str) -> Self {
            let folder = std::env::temp_dir();
            Self(folder.join(format!("ehlo-connect-{}-{name}", std::process::id())))
        }
    }

    #[cfg(unix)]
    impl Drop for Socket {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_unix_socket_fails_in_the_systems_words() {
        let gone = Socket::at("gone");
        let closed = Socket::at("closed");
        drop(tokio::net::UnixListener::bind(&closed.0).unwrap());
        let control = Path::new("/nonexistent/\u{1b}[2J");
        for (path, kind) in [
            (&*gone.0, io::ErrorKind::NotFound),
            (&*closed.0, io::ErrorKind::ConnectionRefused),
            (control, io::ErrorKind::NotFound),
        ] {
            let fault = connect_unix(path, LONG).await.unwrap_err();
            let error = io::Error::from_raw_os_error(match kind {
                io::ErrorKind::NotFound => 2,
                _ => REFUSED,
            });
            assert_eq!(error.kind(), kind);
            let shown = Escaped::new(path.as_os_str().as_encoded_bytes());
            assert_eq!(fault.to_string(), format!("no connection: {shown}: {error}"));
            let attempt = &fault.attempts()[0];
            assert_eq!((attempt.address(), attempt.path()), (None, Some(path)));
            assert_eq!(fault.source().unwrap().to_string(), error.to_string());
        }
        let long = "x".repeat(300);
        let fault = connect_unix(Path::new(&long), LONG).await.unwrap_err();
        assert!(fault.to_string().starts_with(&format!("no connection: {long}: ")), "{fault}");
    }

    /// Where TCP would be silent, Linux says at once that the queue is full.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_busy_unix_socket_is_waited_for() {
        let socket = Socket::at("busy");
        let listener = tokio::net::UnixSocket::new_stream().unwrap();
        listener.bind(&socket.0).unwrap();
        let listener = listener.listen(0).unwrap();
        let limit = Duration::from_millis(100);
        let mut queued = Vec::new();
        let fault = loop {
            match connect_unix(&socket.0, limit).await {
                Ok(stream) => queued.push(stream),
                Err(fault) => break fault,
            }
            assert!(queued.len() < 100, "the queue has no end");
        };
        let path = socket.0.display();
        assert_eq!(fault.to_string(), format!("no connection: {path}: no answer within 100ms"));
        assert!(fault.timed_out());

        let (connected, accepted) = tokio::join!(connect_unix(&socket.0, LONG), listener.accept());
        assert!(connected.is_ok() && accepted.is_ok());
    }

    const REFUSED: i32 = if cfg!(target_os = "linux") {
        111
    } else if cfg!(windows) {
        10061
    } else {
        61
    };
}
