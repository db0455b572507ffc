//! What is probed, and how far: the settings of a [`Probe`]. How the server is reached is a
//! connector's affair, and the steps are in `run`.

use super::{Report, run};
use crate::net::{Connector, Security, Timeouts};
use crate::protocol::{Misuse, Stage};
use crate::wire::{ForwardPath, InvalidValue, ReversePath};

/// A test of a server, stage by stage: at which step does it fail, and why?
///
/// It takes the same steps as [`Connector::connect`] and then those of a mail, up to RCPT unless it
/// is told otherwise, and ends with RSET and QUIT: nothing is left behind with the server. What it
/// finds is a [`Report`], which is there whatever fails.
///
/// ```
/// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = ehlo::testing::Server::new().refuse("bob@example.net", "550 5.1.1 no bob here");
/// # let server = server.start().await?;
/// # let address = server.addr().to_string();
/// use ehlo::{Connector, Probe, Security, Stage, Verdict};
///
/// // Probe::new("mx.example.net") tests a server as relays use it, on port 25
/// let connector = Connector::new(address).security(Security::None);
/// let report = Probe::with(connector)
///     .sender("alice@example.org")
///     .recipient("bob@example.net")
///     .run()
///     .await;
/// println!("{report}");
/// assert_eq!(report.verdict(), Verdict::Failed(Stage::Rcpt));
/// # assert!(server.mails().is_empty());
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Probe {
    pub(super) connector: Connector,
    /// The server is a domain, whose hosts are looked for.
    pub(super) is_domain: bool,
    pub(super) sender: Option<ReversePath>,
    pub(super) recipients: Vec<ForwardPath>,
    pub(super) content: Option<Vec<u8>>,
    pub(super) stop_after: Option<Stage>,
    pub(super) references: Vec<String>,
    pub(super) invalid: Option<Misuse>,
}

impl Probe {
    /// For a host that takes mail from strangers, by its name or address, with or without a port,
    /// as for [`Connector::new`]: on port 25, with STARTTLS where it is offered, whatever the
    /// certificate ([`Security::Opportunistic`]), and the short waits of [`Timeouts::probe`].
    /// Without feature `tls` it is all in clear.
    pub fn new(server: impl Into<String>) -> Self {
        let security = if cfg!(feature = "tls") { Security::Opportunistic } else { Security::None };
        let connector = Connector::new(server).security(security);
        Self::with(connector.timeouts(Timeouts::probe()))
    }

    /// For a domain: its hosts are looked for by MX, and each is tried as [`new`](Self::new) has
    /// it until one answers. MX needs a [resolver](Connector::resolver) that can ask; the system's
    /// cannot, so that with it the host of the domain's own name is tried, and the report says so.
    pub fn domain(domain: impl Into<String>) -> Self {
        Self::new(domain).by_mx()
    }

    /// For the server that this connector reaches, with all its settings: security, credentials,
    /// the client's name, timeouts and the limit for the whole, proxies, resolver. A transcript is
    /// kept in any case.
    ///
    /// [`Timeouts::probe`] are waits for probes; a connector has those for delivery until it is told
    /// otherwise.
    #[must_use]
    pub const fn with(connector: Connector) -> Self {
        Self {
            connector,
            is_domain: false,
            sender: None,
            recipients: Vec::new(),
            content: None,
            stop_after: None,
            references: Vec::new(),
            invalid: None,
        }
    }

    /// Takes the connector's server for a domain, whose hosts are looked for by MX.
    ///
    /// Credentials do not go to a host that MX names, unless that is the domain itself: whoever forges
    /// an answer of DNS would get them. With [`Connector::tls_name`] or a [`Connector::pin`], which say
    /// who it has to be, they do over TLS that is verified; otherwise the probe fails at
    /// [`Stage::Auth`] and says so. Without feature `tls` they never do.
    #[must_use]
    pub const fn by_mx(mut self) -> Self {
        self.is_domain = true;
        self
    }

    /// The sender in MAIL. Without one it is the null path `<>`, as of a notification; without
    /// recipients either, MAIL is not said.
    #[must_use]
    pub fn sender<S>(mut self, sender: S) -> Self
    where
        S: TryInto<ReversePath, Error: Into<InvalidValue>>,
    {
        match sender.try_into() {
            Ok(sender) => self.sender = Some(sender),
            Err(invalid) => self.invalid = Some(Misuse::Value(invalid.into())),
        }
        self
    }

    /// A recipient to ask for in RCPT, after those given before. All are asked for, whatever the
    /// reply to one of them.
    #[must_use]
    pub fn recipient<R>(mut self, recipient: R) -> Self
    where
        R: TryInto<ForwardPath, Error: Into<InvalidValue>>,
    {
        match recipient.try_into() {
            Ok(recipient) => self.recipients.push(recipient),
            Err(invalid) => self.invalid = Some(Misuse::Value(invalid.into())),
        }
        self
    }

    /// Sends this mail to the recipients that are accepted: they will find it in their mailboxes.
    /// Without this call no probe leaves a mail behind.
    #[must_use]
    pub fn content(mut self, content: impl Into<Vec<u8>>) -> Self {
        self.content = Some(content.into());
        self
    }

    /// The last stage to take; RSET and QUIT follow where they can be said. By default
    /// [`Stage::Rcpt`], and with [`content`](Self::content) [`Stage::EndOfData`].
    ///
    /// [`Stage::StartTls`] and [`Stage::Handshake`] stop after the handshake, before EHLO is said
    /// again. [`Stage::Data`] and [`Stage::Content`] stop where nothing but an end of the connection
    /// keeps the server from taking a mail: it is closed without QUIT. The other stages after the
    /// end of data mean that one.
    #[must_use]
    pub const fn stop_after(mut self, stage: Stage) -> Self {
        self.stop_after = Some(stage);
        self
    }

    /// Servers to connect to, as `host:port`, where the server's own address stays silent: if they
    /// are silent too, it is this network that lets nobody out, as many do on port 25. Nothing is
    /// said to them. With none given, which is the default, the diagnosis cannot tell.
    ///
    /// Without a port it is the one that was tried at the server.
    #[must_use]
    pub fn references<S: Into<String>>(mut self, servers: impl IntoIterator<Item = S>) -> Self {
        self.references = servers.into_iter().map(Into::into).collect();
        self
    }

    /// Takes the steps, and says what became of them. It takes no longer than the connector's
    /// [`Timeouts`] let it; a limit for the whole is over all hosts and steps, references excepted.
    /// Dropped midway, it leaves the server with a broken connection and no mail.
    pub async fn run(&self) -> Report {
        run::run(self).await
    }
}
