//! Reaching a server through a proxy, and telling a server behind a balancer who is calling. What a
//! proxy says is read within caps, what is said to it holds no control octet, and a password goes
//! into what is written and nowhere else.
//!
//! | file | what it holds |
//! |---|---|
//! | `socks5` | the dialogue of SOCKS5 (RFC 1928), with user and password (RFC 1929) |
//! | `http` | HTTP CONNECT (RFC 9110 §9.3.6), with Basic authentication (RFC 7617) |
//! | `target` | the server that a proxy is asked for |
//! | `header` | the PROXY header, versions 1 and 2 |
//! | `fault` | why a proxy did not connect, in words |

mod fault;
mod header;
mod http;
mod socks5;
mod target;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::Resolve;
use super::Timeouts;
use super::connect::connect;
use super::connector::split_port;
use super::observe::Observer;
use super::resolve::resolve;
use super::url::{InvalidUrl, Url};
use crate::protocol::Misuse;
use crate::wire::{Escaped, Secret, leak};

pub use fault::{ProxyFault, ProxyReason, ProxyStep};
pub use header::ProxyHeader;
pub(super) use target::Target;

/// A proxy to reach servers through: SOCKS5 or HTTP CONNECT. It looks up the server's name; no
/// query for it leaves this machine.
///
/// TLS goes through it to the server, which has to prove its name as over any other connection;
/// what is said in clear the proxy can read, what is said to the proxy itself anybody on the way to
/// it.
///
/// ```
/// use ehlo::{Connector, Proxy};
///
/// let proxy = Proxy::socks5("proxy.example.org").credentials("alice", "wonderland");
/// assert_eq!(proxy.to_string(), "socks5://proxy.example.org:1080");
/// let connector = Connector::new("mail.example.org").proxy(proxy);
///
/// let proxy: Proxy = "http://alice:wonder%20land@proxy.example.org:3128".parse()?;
/// assert_eq!(proxy.to_string(), "http://proxy.example.org:3128");
/// # Ok::<(), ehlo::InvalidUrl>(())
/// ```
#[derive(Debug, Clone)]
pub struct Proxy {
    kind: Kind,
    host: String,
    port: Option<u16>,
    login: Option<Login>,
    invalid: Option<Misuse>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Socks5,
    Http,
}

#[derive(Debug, Clone)]
struct Login {
    user: String,
    password: Secret,
}

impl Proxy {
    /// A SOCKS5 proxy (RFC 1928) by its name or address; without a port, 1080.
    ///
    /// What cannot be a proxy is told by [`Connector::connect`](super::Connector::connect), and so
    /// are credentials that it cannot be told.
    pub fn socks5(proxy: impl Into<String>) -> Self {
        Self::new(Kind::Socks5, &proxy.into())
    }

    /// An HTTP proxy that knows CONNECT (RFC 9110 §9.3.6), by its name or address and its port:
    /// there is none that all such proxies use.
    ///
    /// What cannot be a proxy is told by [`Connector::connect`](super::Connector::connect), and so
    /// are credentials that it cannot be told.
    pub fn http(proxy: impl Into<String>) -> Self {
        Self::new(Kind::Http, &proxy.into())
    }

    fn new(kind: Kind, proxy: &str) -> Self {
        let (host, port, invalid) = match split_port(proxy) {
            Ok((host, port)) => (host, port, None),
            Err(misuse) => (String::new(), None, Some(misuse)),
        };
        Self { kind, host, port: port.or_else(|| kind.default_port()), login: None, invalid }
    }

    /// Logs in at the proxy, which gets both in clear: SOCKS5 takes 1 to 255 octets of each, HTTP a
    /// user name without a colon.
    #[must_use]
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<Secret>) -> Self {
        let login = Login { user: user.into(), password: password.into() };
        leak::keep(login.password.expose());
        self.login = Some(login);
        self
    }

    /// Whether it can be used, which is to be known before anything is looked up.
    pub(super) fn check(&self) -> Result<u16, Misuse> {
        if let Some(misuse) = &self.invalid {
            return Err(misuse.clone());
        }
        if let Some(login) = &self.login {
            let words = match self.kind {
                Kind::Socks5 => socks5::objection(login),
                Kind::Http => http::objection(login),
            };
            if let Some(words) = words {
                return Err(Misuse::Setting(words.to_owned()));
            }
        }
        let words = "an HTTP proxy has no port of its own: give one";
        self.port.ok_or_else(|| Misuse::Setting(words.to_owned()))
    }

    /// A connection to `target` through the proxy, which [`check`](Self::check) has found to be at
    /// `port`. `sources` are for the connection to the proxy; the limit for connecting covers the
    /// dialogue with it.
    pub(super) async fn dial(
        &self,
        port: u16,
        target: &Target,
        resolver: &dyn Resolve,
        sources: &[IpAddr],
        timeouts: &Timeouts,
    ) -> Result<TcpStream, ProxyFault> {
        let addresses = resolve(resolver, &self.host, port, timeouts.resolve())
            .await
            .map_err(|why| self.fault(target, ProxyStep::Resolve, ProxyReason::Resolve(why)))?;
        let limit = timeouts.connect();
        let (mut stream, began) =
            connect(&addresses, sources, limit, &Observer::default())
                .await
                .map_err(|why| self.fault(target, ProxyStep::Connect, ProxyReason::Connect(why)))?;
        self.converse(&mut stream, target, began, limit).await?;
        Ok(stream)
    }

    /// Has the dialogue with the proxy, which ends within `limit` of when connecting to it began.
    async fn converse<S>(
        &self,
        stream: &mut S,
        target: &Target,
        began: Instant,
        limit: Duration,
    ) -> Result<(), ProxyFault>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut step = ProxyStep::Request;
        let dialogue = self.ask(stream, &mut step, target);
        let reason = match timeout(limit.saturating_sub(began.elapsed()), dialogue).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(reason)) => reason,
            Err(_) => ProxyReason::TimedOut(limit),
        };
        Err(self.fault(target, step, reason))
    }

    fn fault(&self, target: &Target, step: ProxyStep, reason: ProxyReason) -> ProxyFault {
        ProxyFault::new(self.to_string(), target.to_string(), step, reason)
    }

    /// Asks the proxy at the other end of `stream` for `target`, and keeps in `step` how far that
    /// went.
    async fn ask<S>(
        &self,
        stream: &mut S,
        step: &mut ProxyStep,
        target: &Target,
    ) -> Result<(), ProxyReason>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let login = self.login.as_ref();
        match self.kind {
            Kind::Socks5 => socks5::ask(stream, step, login, target).await,
            Kind::Http => http::ask(stream, step, login, target).await,
        }
    }
}

impl Kind {
    const fn scheme(self) -> &'static str {
        match self {
            Self::Socks5 => "socks5",
            Self::Http => "http",
        }
    }

    const fn default_port(self) -> Option<u16> {
        match self {
            Self::Socks5 => Some(1080), // RFC 1928 §3
            Self::Http => None,
        }
    }
}

/// Shows it as a URL without its credentials.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.kind.scheme(), Escaped::new(self.host.as_bytes()))?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Reads `socks5://[user:password@]host[:port]` and `http://[user:password@]host:port`, user and
/// password percent-encoded. `socks5h` is the same as `socks5`: the proxy looks up the name.
impl FromStr for Proxy {
    type Err = InvalidUrl;

    fn from_str(url: &str) -> Result<Self, InvalidUrl> {
        let url = Url::parse(url, &["socks5", "socks5h", "http"])?;
        let kind = if url.scheme() == "http" { Kind::Http } else { Kind::Socks5 };
        let (server, login) = url.into_server()?;
        let proxy = Self::new(kind, server);
        Ok(match login {
            Some((user, password)) => proxy.credentials(user, password),
            None => proxy,
        })
    }
}

impl TryFrom<&str> for Proxy {
    type Error = InvalidUrl;

    fn try_from(url: &str) -> Result<Self, InvalidUrl> {
        url.parse()
    }
}

/// All of it in one write, so that it is one segment where it fits.
async fn write(stream: &mut (impl AsyncWrite + Unpin), octets: &[u8]) -> Result<(), ProxyReason> {
    stream.write_all(octets).await?;
    Ok(stream.flush().await?)
}

/// Exactly so many octets: what follows may be the server's greeting.
async fn read<const N: usize>(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<[u8; N], ProxyReason> {
    let mut octets = [0; N];
    stream.read_exact(&mut octets).await?;
    Ok(octets)
}

#[cfg(test)]
mod tests;
