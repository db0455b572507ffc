//! Why a proxy did not connect: which proxy, at which step, and what it said. The words stand here.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::Escaped;
use crate::net::{ConnectFault, ResolveFault};

/// A proxy has not connected to the server.
#[derive(Debug)]
pub struct ProxyFault {
    proxy: String,
    target: String,
    step: ProxyStep,
    reason: ProxyReason,
}

impl ProxyFault {
    pub(super) const fn new(
        proxy: String,
        target: String,
        step: ProxyStep,
        reason: ProxyReason,
    ) -> Self {
        Self { proxy, target, step, reason }
    }

    /// The proxy as a URL, without credentials.
    #[must_use]
    pub fn proxy(&self) -> &str {
        &self.proxy
    }

    /// How far it went.
    #[must_use]
    pub const fn step(&self) -> ProxyStep {
        self.step
    }

    /// What went wrong.
    #[must_use]
    pub const fn reason(&self) -> &ProxyReason {
        &self.reason
    }
}

impl fmt::Display for ProxyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { proxy, target, step, reason } = self;
        match step {
            ProxyStep::Resolve | ProxyStep::Connect => {
                write!(f, "the proxy {proxy} cannot be reached: {reason}")
            }
            ProxyStep::Method | ProxyStep::Login => {
                write!(f, "the proxy {proxy} did not let this client in: {reason}")
            }
            ProxyStep::Request => {
                write!(f, "the proxy {proxy} did not connect to {target}: {reason}")
            }
        }
    }
}

impl std::error::Error for ProxyFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.reason {
            ProxyReason::Resolve(fault) => Some(fault),
            ProxyReason::Connect(fault) => Some(fault),
            ProxyReason::Io(fault) => Some(fault),
            _ => None,
        }
    }
}

/// A step on the way through a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProxyStep {
    /// Finding the proxy's addresses.
    Resolve,
    /// Reaching one of them.
    Connect,
    /// Agreeing with a SOCKS5 proxy whether there is to be a login.
    Method,
    /// Logging in.
    Login,
    /// Asking for the server.
    Request,
}

/// What went wrong with a proxy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyReason {
    /// It has no address.
    #[error("{0}")]
    Resolve(ResolveFault),
    /// None of its addresses can be reached.
    #[error("{0}")]
    Connect(ConnectFault),
    /// A SOCKS5 proxy takes neither of the logins that it was offered: none, or by password where
    /// there are credentials.
    #[error("it wants another login than it was offered")]
    NoMethod,
    /// A SOCKS5 proxy refused user and password with this status (RFC 1929 §2).
    #[error("it refused user and password ({0})")]
    LoginRefused(u8),
    /// A SOCKS5 proxy refused with this reply (RFC 1928 §6).
    #[error("it said {0}, {meaning}", meaning = reply_meaning(*.0))]
    Reply(u8),
    /// An HTTP proxy refused with this status.
    #[error("it said \"{}\"", Escaped::new(.line))]
    Status {
        /// The status code.
        code: u16,
        /// The status line, of which 200 octets are kept.
        line: Box<[u8]>,
    },
    /// What it said is not what such a proxy says.
    #[error("it does not speak {protocol}: it said \"{}\"", Escaped::new(.said))]
    Foreign {
        /// What it was taken to speak: `SOCKS5` or `HTTP`.
        protocol: &'static str,
        /// The octets at fault.
        said: Box<[u8]>,
    },
    /// The header of its reply has more octets than these.
    #[error("its reply has a header of more than {0} octets")]
    TooLong(usize),
    /// It closed the connection.
    #[error("it closed the connection")]
    Closed,
    /// It was not done within the time for connecting.
    #[error("it was not done within {0:?}")]
    TimedOut(Duration),
    /// The connection to it failed.
    #[error("the connection to it failed: {0}")]
    Io(#[source] io::Error),
}

impl From<io::Error> for ProxyReason {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

/// RFC 1928 §6.
const fn reply_meaning(reply: u8) -> &'static str {
    match reply {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "CONNECT is not supported",
        8 => "this type of address is not supported",
        _ => "which has no meaning in RFC 1928",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(step: ProxyStep, reason: ProxyReason) -> String {
        let proxy = "socks5://p:1080".to_owned();
        ProxyFault::new(proxy, "mx:25".to_owned(), step, reason).to_string()
    }

    #[test]
    fn t16_words() {
        let said = |octets: &[u8]| octets.into();
        for (step, reason, expected) in [
            (
                ProxyStep::Connect,
                ProxyReason::Connect(ConnectFault::new(Vec::new())),
                "cannot be reached: no connection",
            ),
            (
                ProxyStep::Method,
                ProxyReason::NoMethod,
                "did not let this client in: it wants another login than it was offered",
            ),
            (
                ProxyStep::Login,
                ProxyReason::LoginRefused(1),
                "did not let this client in: it refused user and password (1)",
            ),
            (
                ProxyStep::Request,
                ProxyReason::Reply(5),
                "did not connect to mx:25: it said 5, connection refused",
            ),
            (
                ProxyStep::Request,
                ProxyReason::Reply(9),
                "did not connect to mx:25: it said 9, which has no meaning in RFC 1928",
            ),
            (
                ProxyStep::Request,
                ProxyReason::Status { code: 403, line: said(b"HTTP/1.1 403 no\x1b[2J") },
                r#"did not connect to mx:25: it said "HTTP/1.1 403 no\x1b[2J""#,
            ),
            (
                ProxyStep::Request,
                ProxyReason::Foreign { protocol: "HTTP", said: said(b"220 \xff") },
                r#"did not connect to mx:25: it does not speak HTTP: it said "220 \xff""#,
            ),
            (
                ProxyStep::Request,
                ProxyReason::TooLong(8192),
                "did not connect to mx:25: its reply has a header of more than 8192 octets",
            ),
            (
                ProxyStep::Request,
                ProxyReason::Closed,
                "did not connect to mx:25: it closed the connection",
            ),
            (
                ProxyStep::Request,
                ProxyReason::TimedOut(Duration::from_secs(3)),
                "did not connect to mx:25: it was not done within 3s",
            ),
            (
                ProxyStep::Request,
                ProxyReason::from(io::Error::other("broken")),
                "did not connect to mx:25: the connection to it failed: broken",
            ),
        ] {
            assert_eq!(words(step, reason), format!("the proxy socks5://p:1080 {expected}"));
        }
    }
}
