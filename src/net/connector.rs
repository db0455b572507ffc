//! From a host's name to a conversation or a client: the settings, and the steps that lead there.
//! How octets are carried is the driver's; what is lawful, the session's.

use std::net::{IpAddr, Ipv4Addr};
#[cfg(feature = "tls")]
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
#[cfg(feature = "tls")]
use tokio_rustls::rustls::ClientConfig;

use super::connect::{connect, resolve};
use super::driver::{Arrival, Driver};
use super::stream::{Plain, Stream};
use super::{Client, Conversation, Security, Timeouts};
#[cfg(feature = "tls")]
use super::{
    Crypto, RootCertificates,
    secure::Secured,
    tls::{Anchor, Check, TlsOptions, TlsSetup, server_name},
};
use crate::auth::Credentials;
use crate::error::{Error, ErrorKind};
use crate::extension::{Extension, StartTls};
use crate::protocol::{Event, Misuse, Phase, Protocol, Session, SessionConfig, Stage};
use crate::wire::{
    ClientName, Command, InvalidValue, Limits, LineEndings, Reply, Secret, Strictness,
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
    host: String,
    port: Option<u16>,
    protocol: Protocol,
    security: Security,
    client_name: Option<ClientName>,
    credentials: Option<Credentials>,
    sources: Vec<IpAddr>,
    timeouts: Timeouts,
    session: SessionConfig,
    line_endings: LineEndings,
    #[cfg(feature = "tls")]
    tls: TlsOptions,
    #[cfg(feature = "tls")]
    tls_name: Option<String>,
    invalid: Option<Misuse>,
}

/// Why an opportunistic connection stayed in clear.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InClear {
    /// The server does not offer STARTTLS. Somebody on the way may have taken the offer out.
    NotOffered,
    /// The server refused STARTTLS with this reply.
    Refused(Reply),
}

impl Connector {
    /// For a server by its name or address, with or without a port: `mail.example.org`,
    /// `mail.example.org:2525`, `192.0.2.1:25`, `[2001:db8::1]:25`.
    pub fn new(server: impl Into<String>) -> Self {
        let server = server.into();
        let (host, port, invalid) = match split_port(&server) {
            Ok((host, port)) => (host.to_owned(), port, None),
            Err(misuse) => (server, None, Some(misuse)),
        };
        Self {
            host,
            port,
            protocol: Protocol::Smtp,
            security: Security::default(),
            client_name: None,
            credentials: None,
            sources: Vec::new(),
            timeouts: Timeouts::default(),
            session: SessionConfig::default(),
            line_endings: LineEndings::default(),
            #[cfg(feature = "tls")]
            tls: TlsOptions::default(),
            #[cfg(feature = "tls")]
            tls_name: None,
            invalid,
        }
    }

    /// The port. By default 465 for [`Security::Implicit`], 587 for [`Security::StartTls`], 25 for
    /// the others; LMTP has none.
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// How the connection is protected; [`Security::StartTls`] by default.
    #[must_use]
    pub const fn security(mut self, security: Security) -> Self {
        self.security = security;
        self
    }

    /// Speaks LMTP (RFC 2033): LHLO, and one final reply for each recipient.
    #[must_use]
    pub const fn lmtp(mut self) -> Self {
        self.protocol = Protocol::Lmtp;
        self
    }

    /// Authenticates after connecting, by the strongest mechanism that the server offers.
    #[must_use]
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<Secret>) -> Self {
        self.credentials = Some(Credentials::new(user, password));
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

    /// Connects from this local address; with several, from the first that is of the server
    /// address's family. Server addresses of another family are not tried then.
    #[must_use]
    pub fn source_address(mut self, address: IpAddr) -> Self {
        self.sources.push(address);
        self
    }

    /// How long each stage may take; the limits of RFC 5321 §4.5.3.2 by default.
    #[must_use]
    pub const fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// How much of what real servers do wrong is accepted; [`Strictness::Tolerant`] by default.
    #[must_use]
    pub fn strictness(mut self, strictness: Strictness) -> Self {
        self.session = self.session.strictness(strictness);
        self
    }

    /// Bounds for what the server may send.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.session = self.session.limits(limits);
        self
    }

    /// What is done with line ends that are not CRLF; [`LineEndings::Normalize`] by default.
    #[must_use]
    pub fn line_endings(mut self, line_endings: LineEndings) -> Self {
        self.session = self.session.line_endings(line_endings);
        self.line_endings = line_endings;
        self
    }

    /// Keeps a transcript of at most so many octets, secrets masked. None by default.
    #[must_use]
    pub fn transcript(mut self, octets: usize) -> Self {
        self.session = self.session.transcript(octets);
        self
    }

    /// Lets AUTH send a secret in clear, or to a server whose certificate was not verified.
    /// Anybody on the way can read it then.
    #[must_use]
    pub fn allow_cleartext(mut self) -> Self {
        self.session = self.session.allow_cleartext();
        self
    }

    /// Trusts these certificate authorities, and not the platform's.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn roots(mut self, roots: RootCertificates) -> Self {
        self.tls.anchor = Anchor::Roots(roots);
        self
    }

    /// Takes a whole rustls configuration: its roots, verifier, provider and versions count.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn client_config(mut self, config: Arc<ClientConfig>) -> Self {
        self.tls.anchor = Anchor::Config(config);
        self
    }

    /// The crypto provider; by default aws-lc-rs where it is compiled in, else ring.
    #[cfg(feature = "tls")]
    #[must_use]
    pub const fn crypto(mut self, crypto: Crypto) -> Self {
        self.tls.crypto = Some(crypto);
        self
    }

    /// The name to send in the handshake and to check the certificate for, where it is another
    /// than the host's. A stream that is given needs it unless the connector has a host.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls_name(mut self, name: impl Into<String>) -> Self {
        self.tls_name = Some(name.into());
        self
    }

    /// Settings that give up what TLS is for.
    #[cfg(feature = "tls")]
    #[must_use]
    pub const fn dangerous(self) -> DangerousConnector {
        DangerousConnector { connector: self }
    }

    /// Connects, over TLS as [`security`](Self::security) says, says EHLO, and authenticates where
    /// [`credentials`](Self::credentials) are given. Every address of the name is tried.
    ///
    /// # Errors
    /// A step failed: the error names its stage. Behind the greeting, QUIT has been said.
    pub async fn connect(&self) -> Result<Client, Error> {
        self.introduce(self.open().await?).await
    }

    /// The same over a stream that is given: any `AsyncRead + AsyncWrite`.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    pub async fn connect_over<S>(&self, stream: S) -> Result<Client, Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.introduce(self.open_over(stream).await?).await
    }

    /// Connects and reads the greeting, for who goes on command by command. With
    /// [`Security::Implicit`] TLS is on; with [`Security::StartTls`] MAIL and AUTH are refused
    /// until STARTTLS has been said.
    ///
    /// # Errors
    /// A step failed: the error names its stage.
    pub async fn open(&self) -> Result<Conversation, Error> {
        let began = Instant::now();
        let failed =
            |stage, kind: ErrorKind| Error::new(stage, kind).with_peer(&self.host, began.elapsed());
        if let Some(misuse) = self.misuse() {
            return Err(failed(Stage::Connect, misuse.into()));
        }
        let default = self.security.default_port();
        let port = match (self.port, self.protocol) {
            (Some(port), _) => port,
            (None, Protocol::Smtp) => default,
            (None, Protocol::Lmtp) => {
                let misuse = Misuse::Setting("LMTP has no port of its own: give one".to_owned());
                return Err(failed(Stage::Connect, misuse.into()));
            }
        };
        let addresses = resolve(&self.host, port, self.timeouts.resolve())
            .await
            .map_err(|fault| failed(Stage::Resolve, ErrorKind::Resolve(fault)))?;
        let stream = connect(&addresses, &self.sources, self.timeouts.connect())
            .await
            .map_err(|fault| failed(Stage::Connect, ErrorKind::Connect(fault)))?;
        self.greet(Stream::Plain(Plain::Tcp(stream)), began).await
    }

    /// The same over a stream that is given: any `AsyncRead + AsyncWrite`.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub async fn open_over<S>(&self, stream: S) -> Result<Conversation, Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        if let Some(misuse) = self.misuse() {
            return Err(Error::new(Stage::Connect, misuse));
        }
        self.greet(Stream::given(stream), Instant::now()).await
    }

    /// TLS where it comes first, and the greeting.
    async fn greet(&self, stream: Stream, began: Instant) -> Result<Conversation, Error> {
        let mut config = self.session.clone().protocol(self.protocol);
        if self.security.requires_tls() {
            config = config.require_tls();
        }
        let client_name = self.client_name.clone().unwrap_or_else(|| {
            let local = stream.local_ip();
            ClientName::from(local.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)))
        });
        let peer = self.host.clone();
        let mut driver = Driver::new(Session::new(config), stream, self.timeouts, peer);
        driver.begin(Stage::Greeting);
        driver.began(began);
        match self.greeting(&mut driver).await {
            Ok(greeting) => Ok(Conversation {
                driver,
                greeting,
                client_name,
                in_clear: None,
            }),
            Err(error) => Err(leave(driver, error).await),
        }
    }

    async fn greeting(&self, driver: &mut Driver) -> Result<Reply, Error> {
        self.set_up_tls(driver)?;
        if self.security == Security::Implicit {
            driver.secure().await?;
        }
        let arrival = driver.next().await?;
        let greeting = driver.session.reply().map(|reply| reply.to_reply());
        let (Arrival::Event(Event::Greeting), Some(greeting)) = (arrival, greeting) else {
            return Err(driver.closed());
        };
        if driver.session.phase() != Phase::Hello {
            return Err(driver.refused(Stage::Greeting));
        }
        Ok(greeting)
    }

    /// EHLO, STARTTLS, AUTH.
    async fn introduce(&self, mut smtp: Conversation) -> Result<Client, Error> {
        match self.make_ready(&mut smtp).await {
            Ok(()) => Ok(Client::new(smtp, self.line_endings)),
            Err(error) => Err(leave(smtp.driver, error).await),
        }
    }

    async fn make_ready(&self, smtp: &mut Conversation) -> Result<(), Error> {
        self.hello(smtp).await?;
        if matches!(self.security, Security::StartTls | Security::Opportunistic) {
            self.start_tls(smtp).await?;
        }
        if let Some(credentials) = &self.credentials {
            smtp.authenticate(credentials).await?;
        }
        Ok(())
    }

    async fn hello(&self, smtp: &mut Conversation) -> Result<(), Error> {
        let name = smtp.client_name.clone();
        let first = match self.protocol {
            Protocol::Smtp => Command::ehlo(name.clone())?,
            Protocol::Lmtp => Command::lhlo(name.clone())?,
        };
        let refusal = smtp.say(&first).await?;
        if !refusal.is_negative() {
            return Ok(());
        }
        let error = smtp.driver.refused(Stage::Ehlo);
        // RFC 5321 §3.2, for hosts from before ESMTP. They have no extension, so that whoever
        // needs one is better served by the refusal.
        let is_unknown = matches!(refusal.code().number(), 500 | 502);
        let needs_more = self.security.requires_tls() || self.credentials.is_some();
        if !is_unknown || needs_more || self.protocol == Protocol::Lmtp {
            return Err(error);
        }
        let reply = smtp.say(&Command::helo(name)?).await?;
        if reply.is_negative() {
            return Err(smtp.driver.refused(Stage::Ehlo).after([refusal]));
        }
        Ok(())
    }

    async fn start_tls(&self, smtp: &mut Conversation) -> Result<(), Error> {
        let required = self.security.requires_tls();
        if !smtp.capabilities().has(StartTls::KEYWORD) {
            if required {
                let (keyword, needs) = (StartTls::KEYWORD.to_owned(), "required TLS".to_owned());
                let kind = ErrorKind::Unsupported { keyword, needs };
                return Err(smtp.driver.error(Stage::StartTls, kind));
            }
            smtp.in_clear = Some(InClear::NotOffered);
            return Ok(());
        }
        let reply = smtp.say(&Command::start_tls()).await?;
        if reply.is_negative() {
            if required {
                return Err(smtp.driver.refused(Stage::StartTls));
            }
            smtp.in_clear = Some(InClear::Refused(reply));
            return Ok(());
        }
        self.hello(smtp).await
    }

    fn misuse(&self) -> Option<Misuse> {
        self.invalid.clone()
    }

    #[cfg(feature = "tls")]
    fn set_up_tls(&self, driver: &mut Driver) -> Result<(), Error> {
        let name = self.tls_name.as_deref().unwrap_or(&self.host);
        if self.security == Security::None && name.is_empty() {
            return Ok(());
        }
        let check = match self.security {
            Security::Opportunistic => Check::Recorded,
            _ => Check::Required,
        };
        let made = server_name(name)
            .and_then(|name| Ok(Secured::new(TlsSetup::new(&self.tls, check)?, name)));
        match made {
            Ok(secured) => driver.tls = Some(secured),
            // In clear nobody asked for TLS: whoever says STARTTLS later is told then.
            Err(_) if self.security == Security::None => {}
            Err(invalid) => {
                let misuse = Misuse::Setting(invalid.to_string());
                return Err(driver.error(Stage::Handshake, misuse));
            }
        }
        Ok(())
    }

    #[cfg(not(feature = "tls"))]
    fn set_up_tls(&self, driver: &mut Driver) -> Result<(), Error> {
        if self.security == Security::None {
            return Ok(());
        }
        let misuse = Misuse::Setting("TLS is not compiled in: enable feature tls".to_owned());
        Err(driver.error(Stage::Handshake, misuse))
    }
}

/// A [`Connector`] about to be told to trust what it should not.
#[cfg(feature = "tls")]
#[derive(Debug)]
pub struct DangerousConnector {
    connector: Connector,
}

#[cfg(feature = "tls")]
impl DangerousConnector {
    /// Takes any certificate: anybody on the way can pose as the server. A secret is sent over
    /// such a connection only with [`Connector::allow_cleartext`].
    #[must_use]
    pub fn accept_any_certificate(mut self) -> Connector {
        self.connector.tls.anchor = Anchor::Anything;
        self.connector
    }
}

/// Leaves a session that cannot be used, in good order where that is still possible.
async fn leave(mut driver: Driver, error: Error) -> Error {
    if driver.session.allows(crate::wire::Verb::Quit).is_ok() {
        // What QUIT is answered with changes nothing.
        let _ = driver.quit().await;
    }
    error.with_transcript(driver.session.transcript().cloned())
}

/// The host and the port of `host`, `host:port`, `[v6]` or `[v6]:port`.
fn split_port(server: &str) -> Result<(&str, Option<u16>), Misuse> {
    let is_bare_v6 = server.parse::<std::net::Ipv6Addr>().is_ok();
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if !is_bare_v6 && !server.ends_with(']') => (host, Some(port)),
        _ => (server, None),
    };
    let bad = || {
        let shown = crate::wire::Escaped::new(server.as_bytes());
        Misuse::Setting(format!(
            "\"{shown}\" is not a server: host, host:port or [IPv6]:port"
        ))
    };
    let port = port
        .map(|port| port.parse().map_err(|_| bad()))
        .transpose()?;
    if host
        .bytes()
        .any(|octet| octet.is_ascii_control() || octet == b' ')
        || (host.is_empty() && port.is_some())
    {
        return Err(bad());
    }
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_error_of_connecting_has_the_transcript() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};

        let (stream, mut server) = tokio::io::duplex(1024);
        let served = async move {
            server.write_all(b"554 not you\r\n").await.unwrap();
            server.read_exact(&mut [0; 6]).await.unwrap();
            server.write_all(b"221 bye\r\n").await.unwrap();
        };
        let connector = Connector::new("mx").security(Security::None);
        let connector = connector.transcript(4096);
        let (connected, ()) = tokio::join!(connector.connect_over(stream), served);
        let error = connected.unwrap_err();
        assert_eq!(
            error.transcript().map(ToString::to_string).as_deref(),
            Some("S: 554 not you\nC: QUIT\nS: 221 bye\n")
        );
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
        ] {
            assert_eq!(split_port(server).unwrap(), (host, port), "{server}");
        }
    }

    #[test]
    fn t3_what_is_not_a_server_is_said_to_be_none() {
        for server in [
            "mail:smtp",
            "mail:65536",
            "a b",
            "mail\r\n:25",
            ":25",
            "mail:",
        ] {
            let shown = crate::wire::Escaped::new(server.as_bytes());
            let words = format!("\"{shown}\" is not a server: host, host:port or [IPv6]:port");
            assert_eq!(split_port(server).unwrap_err().to_string(), words);
        }
    }
}
