//! The steps from a name to a conversation or a client: connect, TLS, greeting, EHLO, STARTTLS,
//! AUTH. How octets are carried is the driver's; what is lawful, the session's.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "proxy")]
use tokio::io::AsyncWriteExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};

use super::connect::connect;
#[cfg(unix)]
use super::connect::connect_unix;
use super::connector::{Connector, HeloPolicy, InClear};
use super::driver::{Arrival, Driver};
#[cfg(feature = "proxy")]
use super::proxy::Target;
use super::resolve::resolve;
#[cfg(feature = "tls")]
use super::secure::Prepared;
use super::stream::{Plain, Stream};
#[cfg(feature = "tls")]
use super::tls::{Check, TlsFault, TlsInfo};
use super::{Client, Conversation, Security};
use crate::error::{Error, ErrorKind};
use crate::extension::{Extension, StartTls};
use crate::protocol::{Event, Misuse, Phase, Protocol, Stage};
use crate::wire::{ClientName, Command, Escaped, Reply, Severity, Verb, leak};

impl Connector {
    /// Connects, over TLS as [`security`](Self::security) says, says EHLO, and authenticates where
    /// [`credentials`](Self::credentials) are given. Every address of the name is tried.
    ///
    /// # Errors
    /// A step failed: the error names its stage. Behind the greeting, QUIT has been said.
    pub async fn connect(&self) -> Result<Client, Error> {
        Ok(self.client(self.converse(Stage::Auth).await?))
    }

    /// The steps of [`connect`](Self::connect) up to this one, which is not before the greeting.
    /// What is said later belongs to the same call, until its end is told.
    pub(crate) async fn converse(&self, until: Stage) -> Result<Conversation, Error> {
        let began = Instant::now();
        let error = match self.introduce(self.reach(began).await?, until).await {
            Ok(smtp) => return Ok(smtp),
            Err(error) => error,
        };
        // Another connection is a part of the same call.
        if self.time_left(began).is_zero() {
            return Err(error);
        }
        #[cfg(feature = "tls")]
        if let Some(fault) = self.left_to_clear(&error) {
            let mut smtp = self.reach(began).await?;
            smtp.in_clear = Some(Box::new(InClear::HandshakeFailed(fault)));
            return self.introduce(smtp, until).await;
        }
        let closed_on_ehlo =
            error.stage() == Stage::Ehlo && matches!(error.kind(), ErrorKind::Closed(None));
        if self.helo != HeloPolicy::WhereRefused || !closed_on_ehlo || !self.helo_will_do() {
            return Err(error);
        }
        let with_helo = self.clone().helo(HeloPolicy::Always);
        with_helo.introduce(with_helo.reach(began).await?, until).await
    }

    /// Why the handshake failed, where that is to lead to a connection in clear.
    #[cfg(feature = "tls")]
    fn left_to_clear(&self, error: &Error) -> Option<TlsFault> {
        let allowed = self.retry_in_clear && self.security == Security::Opportunistic;
        match error.kind() {
            _ if !allowed || error.stage() != Stage::Handshake => None,
            ErrorKind::Tls(fault) => Some(fault.clone()),
            ErrorKind::Timeout(after) => Some(TlsFault::timed_out(*after)),
            _ => None,
        }
    }

    /// Does all that [`connect`](Self::connect) does over a stream that is given: any `AsyncRead +
    /// AsyncWrite`.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    pub async fn connect_over<S>(&self, stream: S) -> Result<Client, Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let smtp = self.introduce(self.reach_over(stream).await?, Stage::Auth).await?;
        Ok(self.client(smtp))
    }

    /// Connects and reads the greeting, for a caller who goes on command by command.
    ///
    /// Neither EHLO nor AUTH is said: [`helo`](Self::helo) and [`credentials`](Self::credentials)
    /// play no part. With [`Security::Implicit`] TLS is on; with [`Security::StartTls`] MAIL and
    /// AUTH are [`Misuse::TlsRequired`] until STARTTLS has been said.
    ///
    /// ```
    /// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
    /// use ehlo::{Command, Connector, RootCertificates, TlsInfo};
    ///
    /// # let server = ehlo::testing::Server::new().start().await?;
    /// # let (port, ca) = (server.port(), server.ca_pem().as_bytes());
    /// let roots = RootCertificates::from_pem(ca)?;
    /// let mut smtp = Connector::new("localhost").port(port).roots(roots).open().await?;
    /// smtp.say(&Command::ehlo("client.example.org")?).await?;
    /// smtp.say(&Command::start_tls()).await?; // and the handshake
    /// assert!(smtp.tls().is_some_and(TlsInfo::is_verified));
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A step failed: the error names its stage.
    pub async fn open(&self) -> Result<Conversation, Error> {
        self.reach(Instant::now()).await.map(for_the_caller)
    }

    /// A connection, for a call that began then.
    async fn reach(&self, began: Instant) -> Result<Conversation, Error> {
        leak::search_shown(self);
        let port = self.checked_port(began)?;
        let stream = self.in_time(began, self.stream_to(port, began)).await?;
        self.greet(stream, began).await
    }

    /// What can be known to be wrong before anything is done, and the port.
    pub(super) fn checked_port(&self, began: Instant) -> Result<Option<u16>, Error> {
        let checked = self.invalid.clone().map_or(Ok(()), Err).and_then(|()| self.tcp_port());
        checked.map_err(|misuse| self.failed(began, Stage::Connect, misuse.into()))
    }

    /// Takes a step before there is a session, within the time of the whole call.
    pub(super) async fn in_time<T>(
        &self,
        began: Instant,
        step: impl Future<Output = Result<T, (Stage, ErrorKind)>>,
    ) -> Result<T, Error> {
        let left = self.time_left(began);
        match timeout(left, step).await {
            Ok(Ok(made)) => Ok(made),
            Ok(Err((stage, kind))) => Err(self.failed(began, stage, kind)),
            Err(_) => {
                let whole = self.common.timeouts.whole().unwrap_or(left);
                Err(self.failed(began, Stage::Connect, ErrorKind::Timeout(whole)))
            }
        }
    }

    /// How much of its time a call has left that began then.
    fn time_left(&self, began: Instant) -> Duration {
        let whole = self.common.timeouts.whole();
        whole.map_or(Duration::MAX, |whole| whole.saturating_sub(began.elapsed()))
    }

    pub(super) fn failed(&self, began: Instant, stage: Stage, kind: ErrorKind) -> Error {
        let error = Error::new(stage, kind).with_peer(&self.common.host, began.elapsed());
        self.common.observer.failed(&error);
        error
    }

    /// The port to connect to; a Unix socket has none.
    pub(super) fn tcp_port(&self) -> Result<Option<u16>, Misuse> {
        let misuse = |words: &str| Err(Misuse::Setting(words.to_owned()));
        #[cfg(unix)]
        if self.socket.is_some() {
            return match self.port.is_some() || !self.sources.is_empty() {
                true => misuse("a Unix socket has neither a port nor a source address"),
                false => Ok(None),
            };
        }
        if self.dialer.is_some() {
            return match self.is_dialled_alone() {
                true if self.protocol == Protocol::Lmtp => Ok(self.port),
                true => Ok(self.port.or_else(|| Some(self.security.default_port()))),
                false => misuse("a dialer takes neither a source address nor a proxy"),
            };
        }
        match (self.port, self.protocol) {
            (None, Protocol::Lmtp) => misuse("LMTP has no port of its own: give one"),
            (Some(25), Protocol::Lmtp) => {
                misuse("LMTP is never spoken on port 25 (RFC 2033 §5): give another")
            }
            (Some(port), _) => Ok(Some(port)),
            (None, Protocol::Smtp) => Ok(Some(self.security.default_port())),
        }
    }

    /// Whether nothing else is to make connections than the dialer.
    fn is_dialled_alone(&self) -> bool {
        #[cfg(feature = "proxy")]
        if self.proxy.is_some() {
            return false;
        }
        self.sources.is_empty()
    }

    /// The way to the server: by the caller's dialer, through a proxy, to a Unix socket, or to one of
    /// its addresses.
    pub(super) async fn stream_to(
        &self,
        port: Option<u16>,
        began: Instant,
    ) -> Result<Stream, (Stage, ErrorKind)> {
        let limit = self.common.timeouts.connect();
        let unreachable = |fault| (Stage::Connect, ErrorKind::Connect(fault));
        if let Some(dialer) = &self.dialer {
            self.common.observer.begins(Stage::Connect);
            return dialer.dial(limit).await.map_err(|kind| (Stage::Connect, kind));
        }
        #[cfg(feature = "proxy")]
        if let Some(stream) = self.stream_through_proxy(port).await {
            return stream.map_err(|kind| (Stage::Connect, kind));
        }
        #[cfg(unix)]
        if let Some(path) = &self.socket {
            self.common.observer.begins(Stage::Connect);
            return connect_unix(path, limit).await.map(Stream::given).map_err(unreachable);
        }
        let addresses = self.addresses(port.unwrap_or_default(), began).await?;
        self.common.observer.begins(Stage::Connect);
        let connected = connect(&addresses, &self.sources, limit, &self.common.observer).await;
        let (stream, _) = connected.map_err(unreachable)?;
        Ok(Stream::Plain(Plain::Tcp(stream)))
    }

    pub(super) async fn addresses(
        &self,
        port: u16,
        began: Instant,
    ) -> Result<Vec<SocketAddr>, (Stage, ErrorKind)> {
        self.common.observer.begins(Stage::Resolve);
        let patience = self.common.timeouts.resolve().min(self.time_left(began));
        let addresses = resolve(&*self.resolver, &self.common.host, port, patience)
            .await
            .map_err(|fault| (Stage::Resolve, ErrorKind::Resolve(fault)))?;
        self.common.observer.resolved(&addresses);
        Ok(addresses)
    }

    /// None where there is no proxy.
    #[cfg(feature = "proxy")]
    async fn stream_through_proxy(&self, port: Option<u16>) -> Option<Result<Stream, ErrorKind>> {
        let proxy = self.proxy.as_ref()?;
        let Some(port) = port else {
            let words = "a Unix socket is not reached through a proxy".to_owned();
            return Some(Err(Misuse::Setting(words).into()));
        };
        self.common.observer.begins(Stage::Connect);
        let checked = proxy.check().and_then(|at| Ok((at, Target::new(&self.common.host, port)?)));
        let dialled = match checked {
            Ok((at, target)) => {
                proxy.dial(at, &target, &*self.resolver, &self.sources, &self.common.timeouts).await
            }
            Err(misuse) => return Some(Err(misuse.into())),
        };
        // Given: the ends of the connection to the proxy are nothing to tell the server.
        Some(dialled.map(Stream::given).map_err(ErrorKind::Proxy))
    }

    /// Says who is calling, where that is to be said.
    #[cfg(feature = "proxy")]
    async fn announce(&self, stream: &mut Stream, began: Instant) -> Result<(), ErrorKind> {
        let Some(header) = &self.proxy_header else { return Ok(()) };
        let octets = header.encode(stream.ends());
        let written = async {
            stream.write_all(&octets).await?;
            stream.flush().await
        };
        let limit = self.common.timeouts.of(Stage::Connect).min(self.time_left(began));
        match timeout(limit, written).await {
            Ok(written) => written.map_err(ErrorKind::Io),
            Err(_) => Err(ErrorKind::Timeout(limit)),
        }
    }

    /// Does all that [`open`](Self::open) does over a stream that is given: any `AsyncRead +
    /// AsyncWrite`.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub async fn open_over<S>(&self, stream: S) -> Result<Conversation, Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.reach_over(stream).await.map(for_the_caller)
    }

    async fn reach_over<S>(&self, stream: S) -> Result<Conversation, Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        leak::search_shown(self);
        if let Some(misuse) = self.invalid.clone() {
            return Err(Error::new(Stage::Connect, misuse));
        }
        self.greet(Stream::given(stream), Instant::now()).await
    }

    /// TLS where it comes first, and the greeting.
    async fn greet(&self, stream: Stream, began: Instant) -> Result<Conversation, Error> {
        let client_name = self.client_name.clone().unwrap_or_else(|| {
            let local = stream.local_ip();
            ClientName::from(local.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)))
        });
        let mut driver = self.drive(stream, began).await?;
        // Whom the caller asked for, over a stream that is given too.
        driver.port = self.tcp_port().ok().flatten();
        match self.greeting(&mut driver).await {
            Ok(greeting) => Ok(Conversation { driver, greeting, client_name, in_clear: None }),
            Err(error) => Err(leave(driver, error).await),
        }
    }

    /// A session over this stream, before anything was said.
    pub(super) async fn drive(
        &self,
        #[cfg_attr(not(feature = "proxy"), expect(unused_mut, reason = "nothing goes first"))]
        mut stream: Stream,
        began: Instant,
    ) -> Result<Driver, Error> {
        #[cfg(feature = "proxy")]
        if let Err(kind) = self.announce(&mut stream, began).await {
            return Err(self.failed(began, Stage::Connect, kind));
        }
        let mut driver = Driver::new(stream, Arc::clone(&self.common));
        driver.begin_introduction(began);
        Ok(driver)
    }

    /// TLS, where it comes first.
    pub(super) async fn protect(&self, driver: &mut Driver) -> Result<(), Error> {
        self.set_up_tls(driver)?;
        if self.security == Security::Implicit {
            driver.secure().await?;
        }
        Ok(())
    }

    async fn greeting(&self, driver: &mut Driver) -> Result<Reply, Error> {
        self.protect(driver).await?;
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

    /// EHLO, STARTTLS, AUTH; none that comes behind the last one wanted.
    async fn introduce(&self, mut smtp: Conversation, until: Stage) -> Result<Conversation, Error> {
        match self.make_ready(&mut smtp, until).await {
            Ok(()) => Ok(smtp),
            Err(error) => Err(leave(smtp.driver, error).await),
        }
    }

    async fn make_ready(&self, smtp: &mut Conversation, until: Stage) -> Result<(), Error> {
        if until >= Stage::Ehlo {
            self.hello(smtp).await?;
        }
        let may_secure = matches!(self.security, Security::StartTls | Security::Opportunistic);
        if until >= Stage::StartTls && may_secure {
            self.start_tls(smtp).await?;
            if smtp.phase() == Phase::Hello && until > Stage::StartTls {
                self.hello(smtp).await?;
            }
        }
        match &self.credentials {
            Some(credentials) if until >= Stage::Auth => {
                self.check_named(smtp).map_err(|misuse| smtp.driver.error(Stage::Auth, misuse))?;
                smtp.authenticate(credentials).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Answers of DNS can be forged, and whoever forges one has a good certificate for the name that
    /// he puts there. A secret goes where the caller has said to whom: by the server's name, or by a
    /// name for the certificate or a pin that it was verified by.
    fn check_named(
        &self,
        #[cfg_attr(not(feature = "tls"), expect(unused_variables, reason = "it is in clear"))]
        smtp: &Conversation,
    ) -> Result<(), Misuse> {
        if !self.is_named_by_mx {
            return Ok(());
        }
        #[cfg(feature = "tls")]
        let is_known = (self.tls_name.is_some() || !self.tls.pins.is_empty())
            && smtp.tls().is_some_and(TlsInfo::is_verified);
        #[cfg(not(feature = "tls"))]
        let is_known = false;
        if is_known {
            return Ok(());
        }
        Err(Misuse::Setting(format!(
            "credentials go to a server that is named, not to one that MX names: name {} as the \
             server, or set tls_name or a pin",
            Escaped::new(self.common.host.as_bytes())
        )))
    }

    fn client(&self, smtp: Conversation) -> Client {
        Client::new(for_the_caller(smtp))
    }

    async fn hello(&self, smtp: &mut Conversation) -> Result<(), Error> {
        let name = smtp.client_name.clone();
        let first = match (self.protocol, self.helo) {
            (Protocol::Lmtp, _) => Command::lhlo(name.clone())?,
            (Protocol::Smtp, HeloPolicy::Always) if self.helo_will_do() => {
                Command::helo(name.clone())?
            }
            (Protocol::Smtp, _) => Command::ehlo(name.clone())?,
        };
        let refusal = smtp.say(&first).await?;
        if !refusal.is_negative() {
            return Ok(());
        }
        let error = smtp.driver.refused(Stage::Ehlo);
        let fall_back = match self.helo {
            HeloPolicy::WhereUnknown => matches!(refusal.code().number(), 500 | 502),
            HeloPolicy::WhereRefused => refusal.severity() == Severity::Permanent,
            HeloPolicy::Always => false,
        };
        if !fall_back || !self.helo_will_do() {
            return Err(error);
        }
        let reply = smtp.say(&Command::helo(name)?).await?;
        if reply.is_negative() {
            return Err(smtp.driver.refused(Stage::Ehlo).after([refusal]));
        }
        Ok(())
    }

    /// Hosts from before ESMTP have no extension: whoever needs one is better served by their
    /// refusal of EHLO.
    fn helo_will_do(&self) -> bool {
        !self.security.requires_tls()
            && self.credentials.is_none()
            && self.protocol == Protocol::Smtp
    }

    async fn start_tls(&self, smtp: &mut Conversation) -> Result<(), Error> {
        if smtp.in_clear.is_some() {
            return Ok(());
        }
        let required = self.security.requires_tls();
        if !smtp.capabilities().has(StartTls::KEYWORD) {
            if required {
                let (keyword, needs) = (StartTls::KEYWORD.to_owned(), "required TLS".to_owned());
                let kind = ErrorKind::Unsupported { keyword, needs };
                return Err(smtp.driver.error(Stage::StartTls, kind));
            }
            smtp.in_clear = Some(Box::new(InClear::NotOffered));
            return Ok(());
        }
        let reply = smtp.say(&Command::start_tls()).await?;
        if reply.is_negative() {
            // 421 is the end, and no refusal to go on in clear from.
            if required || smtp.phase() == Phase::Closed {
                return Err(smtp.driver.refused(Stage::StartTls));
            }
            smtp.in_clear = Some(Box::new(InClear::Refused(reply)));
        }
        Ok(())
    }

    #[cfg(feature = "tls")]
    fn set_up_tls(&self, driver: &mut Driver) -> Result<(), Error> {
        let name = self.tls_name.as_deref().unwrap_or_else(|| self.host_name());
        if name.is_empty() {
            if self.security == Security::None {
                return Ok(());
            }
            let words = "TLS needs the name that the certificate is for: give it with tls_name";
            return Err(driver.error(Stage::Handshake, Misuse::Setting(words.to_owned())));
        }
        let check = match self.security {
            Security::Opportunistic => Check::Recorded,
            _ => Check::Required,
        };
        if self.common.tls.get().is_some() {
            return Ok(());
        }
        match Prepared::new(&self.tls, check, name) {
            Ok(prepared) => {
                self.common.tls.get_or_init(|| prepared);
                Ok(())
            }
            // In clear nobody asked for TLS: whoever says STARTTLS later is told then.
            Err(_) if self.security == Security::None => Ok(()),
            Err(invalid) => {
                let misuse = Misuse::Setting(invalid.to_string());
                Err(driver.error(Stage::Handshake, misuse))
            }
        }
    }

    /// The host's name or address; empty where there is none.
    #[cfg(feature = "tls")]
    fn host_name(&self) -> &str {
        #[cfg(unix)]
        if self.socket.is_some() {
            return "";
        }
        &self.common.host
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

/// A conversation that is opened: what is said from now on are calls of their own.
const fn for_the_caller(mut smtp: Conversation) -> Conversation {
    smtp.driver.end_introduction();
    smtp
}

/// Leaves a session that cannot be used, in good order where that is still possible.
pub(super) async fn leave(mut driver: Driver, error: Error) -> Error {
    driver.common.observer.failed(&error);
    if driver.session.allows(Verb::Quit).is_ok() {
        // What QUIT is answered with changes nothing.
        let _ = driver.quit().await;
    }
    error.with_transcript(driver.session.transcript().cloned())
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
}
