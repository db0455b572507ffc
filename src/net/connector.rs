//! How to reach a server and speak with it: the settings. The steps that follow from them are in
//! `reach`, those of TLS in `connector/tls`.

#[cfg(feature = "tls")]
mod tls;

use std::borrow::Cow;
use std::net::IpAddr;
#[cfg(unix)]
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(feature = "tls")]
pub use self::tls::DangerousConnector;
use super::common::Common;
use super::dial::Dialer;
use super::policy::Transfer;
#[cfg(feature = "proxy")]
use super::proxy::{Proxy, ProxyHeader};
use super::resolve::ip_literal;
#[cfg(feature = "tls")]
use super::tls::{TlsFault, TlsOptions};
use super::{Resolve, Security, SystemResolver, Timeouts};
use crate::auth::Credentials;
use crate::protocol::{Misuse, Protocol, SessionConfig};
use crate::wire::{
    ClientName, Domain, InvalidValue, Limits, LineEndings, Reply, Secret, Strictness,
};

/// How to reach a server, and how to speak with it.
///
/// By default STARTTLS on port 587 with a certificate that the platform trusts, the limits of
/// RFC 5321, and no transcript. Nothing weaker is used unless it is asked for by name.
///
/// ```
/// # async fn example() -> Result<(), ehlo::Error> {
/// use ehlo::{Connector, Security};
///
/// let client = Connector::new("mail.example.org")
///     .security(Security::Implicit) // port 465
///     .credentials("alice", "wonderland")
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Connector {
    pub(super) common: Arc<Common>,
    #[cfg(unix)]
    pub(super) socket: Option<PathBuf>,
    pub(super) port: Option<u16>,
    pub(super) protocol: Protocol,
    pub(super) security: Security,
    pub(super) client_name: Option<ClientName>,
    pub(super) helo: HeloPolicy,
    pub(super) credentials: Option<Credentials>,
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) sources: Vec<IpAddr>,
    pub(super) dialer: Option<Dialer>,
    #[cfg(feature = "proxy")]
    pub(super) proxy: Option<Proxy>,
    #[cfg(feature = "proxy")]
    pub(super) proxy_header: Option<ProxyHeader>,
    #[cfg(feature = "tls")]
    pub(super) tls: TlsOptions,
    #[cfg(feature = "tls")]
    pub(super) tls_name: Option<String>,
    #[cfg(feature = "tls")]
    pub(super) retry_in_clear: bool,
    pub(super) invalid: Option<Misuse>,
    /// The host is another than was asked for: MX names it.
    pub(super) is_named_by_mx: bool,
}

/// When HELO is said in place of EHLO. It offers no extension, so that it is never said where TLS
/// or AUTH is asked for, nor over LMTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum HeloPolicy {
    /// Where the server says that it does not know EHLO: 500 or 502 (RFC 5321 §3.2).
    #[default]
    WhereUnknown,
    /// Where the server refuses EHLO with any 5yz, or closes on it: then over a new connection.
    WhereRefused,
    /// At once.
    Always,
}

/// Why an opportunistic connection stayed in clear.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InClear {
    /// The server does not offer STARTTLS. Somebody on the way may have taken the offer out.
    NotOffered,
    /// The server refused STARTTLS with this reply.
    Refused(Reply),
    /// The handshake failed, and [`Connector::retry_in_clear`] was set.
    #[cfg(feature = "tls")]
    HandshakeFailed(TlsFault),
}

impl Connector {
    /// For a server by its name or address, with or without a port: `mail.example.org`,
    /// `mail.example.org:2525`, `192.0.2.1:25`, `[2001:db8::1]:25`.
    ///
    /// What is none of these is told by [`connect`](Self::connect), and so is every other setting
    /// that cannot be used. A URL is [parsed](#impl-FromStr-for-Connector) instead.
    ///
    /// The addresses of a name are tried as RFC 8305 has it: IPv6 first, then by turns, the next
    /// one when one has failed or been silent for 250 ms; 32 of them at most. An error names every
    /// attempt.
    ///
    /// A name that is not ASCII is converted to A-labels with feature `idna`, and cannot be used
    /// without it. An IPv6 address may have a zone (RFC 4007 §11): `[fe80::1%eth0]:25`.
    pub fn new(server: impl Into<String>) -> Self {
        let server = server.into();
        let (host, port, invalid) = match split_port(&server) {
            Ok((host, port)) => (host, port, None),
            // A URL may have a password in it.
            Err(misuse) if is_url(&server) => (String::new(), None, Some(misuse)),
            Err(misuse) => (server, None, Some(misuse)),
        };
        let session = SessionConfig::default().tls_required(Security::default().requires_tls());
        let common = Common { host, session: Arc::new(session), ..Common::default() };
        Self {
            common: Arc::new(common),
            #[cfg(unix)]
            socket: None,
            port,
            protocol: Protocol::Smtp,
            security: Security::default(),
            client_name: None,
            helo: HeloPolicy::default(),
            credentials: None,
            resolver: Arc::new(SystemResolver),
            sources: Vec::new(),
            dialer: None,
            #[cfg(feature = "proxy")]
            proxy: None,
            #[cfg(feature = "proxy")]
            proxy_header: None,
            #[cfg(feature = "tls")]
            tls: TlsOptions::default(),
            #[cfg(feature = "tls")]
            tls_name: None,
            #[cfg(feature = "tls")]
            retry_in_clear: false,
            invalid,
            is_named_by_mx: false,
        }
    }

    /// For a server that listens on a Unix socket at this path, as servers of LMTP do. No name is
    /// looked up, and errors name the server by the path.
    ///
    /// The connection is in clear, since nobody is on the way; TLS that is chosen with
    /// [`security`](Self::security) needs a [`tls_name`](Self::tls_name). Who listens there is not
    /// known for that, and so AUTH sends a secret only with
    /// [`allow_cleartext`](Self::allow_cleartext), as over any other connection in clear.
    ///
    /// ```
    /// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
    /// use ehlo::{Connector, Envelope};
    ///
    /// # let path = std::env::temp_dir().join(format!("ehlo-doc-{}", std::process::id()));
    /// # let server = ehlo::testing::Server::new().lmtp().start_unix(&path).await?;
    /// let mut client = Connector::unix(&path).lmtp().connect().await?;
    /// let envelope = Envelope::new("alice@example.org", ["bob@example.net"])?;
    /// assert!(client.send(&envelope, "Subject: hello\r\n\r\n").await?.is_complete());
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(unix)]
    pub fn unix(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let host = path.to_string_lossy().into_owned();
        let connector = Self::new("").security(Security::None);
        Self { socket: Some(path.to_owned()), ..connector.with_common(|common| common.host = host) }
    }

    /// The port. By default 465 for [`Security::Implicit`], 587 for [`Security::StartTls`], 25 for
    /// the others. LMTP has none, and is never spoken on port 25 (RFC 2033 §5).
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// How the connection is protected; [`Security::StartTls`] by default, over a Unix socket
    /// [`Security::None`].
    #[must_use]
    pub fn security(mut self, security: Security) -> Self {
        self.security = security;
        let connector = self.with_session(|session| session.tls_required(security.requires_tls()));
        #[cfg(feature = "tls")]
        let connector = connector.with_tls(|_| {});
        connector
    }

    /// Speaks LMTP (RFC 2033): LHLO, and one final reply for each recipient.
    #[must_use]
    pub fn lmtp(mut self) -> Self {
        self.protocol = Protocol::Lmtp;
        self.with_session(|session| session.protocol(Protocol::Lmtp))
    }

    /// Authenticates after connecting, by the strongest mechanism that the server offers and a
    /// password fits. Without credentials, which is the default, AUTH is not said.
    #[must_use]
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<Secret>) -> Self {
        self.credentials = Some(Credentials::new(user, password));
        self
    }

    /// Authenticates as [`credentials`](Self::credentials) says, with credentials that were made
    /// before: a token, those that act as another, those that allow some mechanisms alone.
    #[must_use]
    pub fn authenticate(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// The name to give in EHLO. By default the address literal of the local end, such as
    /// `[192.0.2.1]`; `[127.0.0.1]` over a stream that is not TCP. The host's own name is never
    /// taken: it is often wrong, and always somebody's business.
    #[must_use]
    pub fn client_name<N>(mut self, name: N) -> Self
    where
        N: TryInto<ClientName, Error: Into<InvalidValue>>,
    {
        match name.try_into() {
            Ok(name) => self.client_name = Some(name),
            Err(invalid) => self.invalid = Some(Misuse::Value(invalid.into())),
        }
        self
    }

    /// When HELO is said in place of EHLO; [`HeloPolicy::WhereUnknown`] by default.
    #[must_use]
    pub const fn helo(mut self, policy: HeloPolicy) -> Self {
        self.helo = policy;
        self
    }

    /// Looks up names with this; with the system's resolver by default.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolve + 'static) -> Self {
        self.resolver = Arc::new(resolver);
        self
    }

    /// Connects from this local address; with several, from the first that is of the server
    /// address's family. Server addresses of another family are not tried then.
    #[must_use]
    pub fn source_address(mut self, address: IpAddr) -> Self {
        self.sources.push(address);
        self
    }

    /// Reaches the server through this proxy, which looks up its name. Other settings mean the
    /// same: TLS goes through to the server, [`source_address`](Self::source_address) is where the
    /// proxy is reached from, and [`Timeouts::connect`] covers what is said to it. A proxy has no
    /// part in a stream that is given, and leads to no Unix socket.
    ///
    /// In EHLO this end is `[127.0.0.1]` unless it has a [`client_name`](Self::client_name): its
    /// own address is the proxy's affair alone.
    #[cfg(feature = "proxy")]
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Sends this PROXY header first, before TLS and the greeting, over any connection and any
    /// stream that is given. For a server behind a balancer, which expects it; none by default.
    #[cfg(feature = "proxy")]
    #[must_use]
    pub const fn proxy_header(mut self, header: ProxyHeader) -> Self {
        self.proxy_header = Some(header);
        self
    }

    /// How long each stage may take; the limits of RFC 5321 §4.5.3.2 by default.
    #[must_use]
    pub fn timeouts(self, timeouts: Timeouts) -> Self {
        self.with_common(|common| common.timeouts = timeouts)
    }

    /// How much of what real servers do wrong is accepted; [`Strictness::Tolerant`] by default.
    #[must_use]
    pub fn strictness(self, strictness: Strictness) -> Self {
        self.with_session(|session| session.strictness(strictness))
    }

    /// Bounds for what the server may send; [`Limits`] has the defaults.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        self.with_session(|session| session.limits(limits))
    }

    /// What is done with line ends that are not CRLF; [`LineEndings::Normalize`] by default.
    #[must_use]
    pub fn line_endings(self, line_endings: LineEndings) -> Self {
        self.with_session(|session| session.line_endings(line_endings))
            .with_common(|common| common.policy.line_endings = line_endings)
    }

    /// How content is sent: over DATA or BDAT; [`Transfer::Auto`] by default.
    #[must_use]
    pub fn transfer(self, transfer: Transfer) -> Self {
        self.with_common(|common| common.policy.transfer = transfer)
    }

    /// Sends more than what is safe with every server before it is answered, where the server
    /// offers PIPELINING. Not by default.
    ///
    /// Of mails in a row ([`Client::send_each`](super::Client::send_each)) the next goes out
    /// before the reply to the end of the one before, so that a mail costs one round trip; where
    /// the server offers CHUNKING, content of up to 64 KiB goes out with BDAT before its recipients
    /// are answered, so that it costs none of its own.
    ///
    /// All content goes over BDAT then; a [`Source`](super::Source) goes out before its recipients
    /// are answered only where its size is declared. Over LMTP nothing runs ahead: a server that has
    /// one reply for all recipients would seem to accept some with its replies to the next mail.
    ///
    /// What is risked: some servers end the connection over it although they offer PIPELINING
    /// (Dovecot 2.3's submission proxy does over DATA, without a reply). The mails that were on
    /// their way are then *unknown* where their last octet had been written, and *not sent* where
    /// not. Content is sent in vain where every recipient is refused. And over BDAT an RSET and the
    /// next mail go out together: a server that refuses a last chunk, keeps its transaction
    /// open, and refuses RSET too, would take that mail under the sender of the one before.
    #[must_use]
    pub fn run_ahead(self) -> Self {
        self.with_session(SessionConfig::run_ahead)
            .with_common(|common| common.policy.run_ahead = true)
    }

    /// Refuses content with lines of more than 998 octets, which a server need not take (RFC 5321
    /// §4.5.3.1.6): content in memory before MAIL, that of a [`Source`](super::Source) on its way.
    /// Not what a [`Body`](super::Body) writes, nor binary content. By default they are sent.
    #[must_use]
    pub fn refuse_long_lines(self) -> Self {
        self.with_common(|common| common.policy.refuse_long_lines = true)
    }

    /// Keeps a transcript of at most so many octets, secrets masked. None by default.
    #[must_use]
    pub fn transcript(self, octets: usize) -> Self {
        self.with_session(|session| session.transcript(octets))
    }

    /// Reads another EHLO keyword as AUTH too: Exchange offers with `X-EXPS`, on ports for its own
    /// kind, what others offer with AUTH.
    #[must_use]
    pub fn auth_keyword(self, keyword: impl Into<Box<str>>) -> Self {
        self.with_session(|session| session.auth_keyword(keyword))
    }

    /// Lets AUTH send a secret in clear, or to a server whose certificate was not verified.
    /// Anybody on the way can read it then.
    #[must_use]
    pub fn allow_cleartext(self) -> Self {
        self.with_session(SessionConfig::allow_cleartext)
    }

    /// Changes what connections have in common. Clones that were made before keep theirs, and so
    /// does every connection.
    pub(super) fn with_common(mut self, change: impl FnOnce(&mut Common)) -> Self {
        change(Arc::make_mut(&mut self.common));
        self
    }

    fn with_session(self, change: impl FnOnce(SessionConfig) -> SessionConfig) -> Self {
        self.with_common(|common| common.change_session(change))
    }
}

/// The host and the port of `host`, `host:port`, `[v6]` or `[v6]:port`; the host in ASCII, as DNS,
/// certificates and proxies know it.
pub(super) fn split_port(server: &str) -> Result<(String, Option<u16>), Misuse> {
    if is_url(server) {
        // Not shown: it may have a password in it.
        let words = "a server is host, host:port or [IPv6]:port; a URL is to be parsed";
        return Err(Misuse::Setting(words.to_owned()));
    }
    let is_bare_v6 = !server.starts_with('[') && ip_literal(server).is_some_and(|ip| ip.is_ipv6());
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if !is_bare_v6 && !server.ends_with(']') => (host, Some(port)),
        _ => (server, None),
    };
    let bad = || {
        let shown = crate::wire::Escaped::new(server.as_bytes());
        Misuse::Setting(format!("\"{shown}\" is not a server: host, host:port or [IPv6]:port"))
    };
    let port = port.map(|port| port.parse().map_err(|_| bad())).transpose()?;
    if host.bytes().any(|octet| octet.is_ascii_control() || octet == b' ')
        || (host.is_empty() && port.is_some())
    {
        return Err(bad());
    }
    Ok((in_ascii(host)?.into_owned(), port))
}

/// A host's name in A-labels (RFC 5890 §2.3.2.1) where it is not ASCII.
///
/// # Errors
/// It cannot be one; without feature `idna`, none can.
pub(super) fn in_ascii(host: &str) -> Result<Cow<'_, str>, InvalidValue> {
    if host.is_ascii() {
        return Ok(Cow::Borrowed(host));
    }
    let name: Domain = host.strip_suffix('.').unwrap_or(host).parse()?;
    Ok(Cow::Owned(name.as_str().to_owned()))
}

/// Whether this is a URL, or enough of one to hold a password.
fn is_url(server: &str) -> bool {
    server.contains("://") || server.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t11_a_url_that_was_not_parsed_is_not_shown() {
        for server in ["smtps://alice:w0nder@mx.example", "alice:w0nder@mx.example:25"] {
            let connector = Connector::new(server);
            let words = connector.invalid.as_ref().map(ToString::to_string).unwrap_or_default();
            assert_eq!(words, "a server is host, host:port or [IPv6]:port; a URL is to be parsed");
            let shown = format!("{connector:?} {connector}");
            assert!(!shown.contains("w0nder"), "{shown}");
        }
    }

    #[test]
    fn a_server_may_have_a_port() {
        for (server, host, port) in [
            ("mail.example.org", "mail.example.org", None),
            ("mail.example.org:2525", "mail.example.org", Some(2525)),
            ("192.0.2.1:25", "192.0.2.1", Some(25)),
            ("[2001:db8::1]:25", "[2001:db8::1]", Some(25)),
            ("[2001:db8::1]", "[2001:db8::1]", None),
            ("2001:db8::1", "2001:db8::1", None),
            ("fe80::1%eth0", "fe80::1%eth0", None),
            ("[fe80::1%eth0]", "[fe80::1%eth0]", None),
            ("[fe80::1%eth0]:25", "[fe80::1%eth0]", Some(25)),
        ] {
            assert_eq!(split_port(server).unwrap(), (host.to_owned(), port), "{server}");
        }
    }

    #[test]
    fn a_host_that_is_not_ascii_becomes_a_labels_or_is_told() {
        for (server, host, name) in [
            ("bücher.example:25", "xn--bcher-kva.example", "bücher.example"),
            ("Bücher.example.", "xn--bcher-kva.example", "Bücher.example"),
        ] {
            let told = split_port(server).map(|(host, _)| host).map_err(|fault| fault.to_string());
            match cfg!(feature = "idna") {
                true => assert_eq!(told, Ok(host.to_owned())),
                false => assert_eq!(
                    told,
                    Err(format!(
                        "domain \"{name}\": a domain that is not ASCII needs the feature `idna`"
                    ))
                ),
            }
        }
        assert!(Connector::new("ü..example").invalid.is_some());
    }

    #[test]
    fn t3_what_is_not_a_server_is_said_to_be_none() {
        for server in ["mail:smtp", "mail:65536", "a b", "mail\r\n:25", ":25", "mail:"] {
            let shown = crate::wire::Escaped::new(server.as_bytes());
            let words = format!("\"{shown}\" is not a server: host, host:port or [IPv6]:port");
            assert_eq!(split_port(server).unwrap_err().to_string(), words);
        }
    }
}
