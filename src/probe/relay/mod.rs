//! The relay test: does a server pass on mail of strangers to strangers? It asks, form by form, and
//! leaves no mail behind unless it is given one.
//!
//! | file | what it holds |
//! |---|---|
//! | `forms` | the ways to write an address that open relays have fallen for |
//! | `run` | one transaction for each |
//! | `report` | what became of each |
//! | `show` | the same for people |
//! | `json` | the same for machines (feature `serde`) |

mod forms;
#[cfg(feature = "serde")]
mod json;
mod report;
mod run;
mod show;

use crate::net::{Connector, Security, Timeouts};
use crate::protocol::Misuse;
use crate::wire::{Domain, InvalidValue, Mailbox};

pub use self::forms::RelayForm;
pub use self::report::{RelayAttempt, RelayOutcome, RelayReport, RelayVerdict};

/// A test whether a server relays for everybody: the classic forms of addresses, from `<>` to
/// source routes, each in a transaction of its own that ends with RSET.
///
/// That a server accepts a recipient does not make it a relay yet: it may know the path as one of
/// its own mailboxes, or bounce the mail later. [`RelayVerdict::AcceptedAtRcpt`] says no more than
/// what was seen; for [`RelayVerdict::Relayed`] a mail has to be sent
/// ([`content`](Self::content)), to arrive at the foreign mailbox, and to be
/// [confirmed](RelayReport::confirm). Test servers that are your own, or whose owner knows of it.
///
/// ```
/// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = ehlo::testing::Server::new().start().await?;
/// # let address = server.addr().to_string();
/// use ehlo::{Connector, RelayForm, RelayTest, RelayVerdict, Security};
///
/// // RelayTest::new("mx.example.org") tests a server as relays use it, on port 25
/// let connector = Connector::new(address).security(Security::None);
/// let report = RelayTest::with(connector)
///     .local("example.org") // whose mail it takes
///     .foreign("carol@example.net") // whose mail is none of its business
///     .run()
///     .await;
/// println!("{report}");
/// // the server for tests takes every path that can be read as one
/// assert_eq!(report.verdict(), RelayVerdict::AcceptedAtRcpt);
/// assert!(report.attempt(RelayForm::ForeignToForeign).is_some_and(|one| one.is_accepted()));
/// # assert!(server.mails().is_empty());
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RelayTest {
    connector: Connector,
    local: Option<Domain>,
    foreign: Option<Mailbox>,
    forms: Vec<RelayForm>,
    content: Option<Vec<u8>>,
    invalid: Option<Misuse>,
}

impl RelayTest {
    /// For a host, by its name or address, with or without a port: on port 25, with STARTTLS where
    /// it is offered, whatever the certificate ([`Security::Opportunistic`]), and the short waits of
    /// [`Timeouts::probe`]. Without feature `tls` it is all in clear.
    pub fn new(server: impl Into<String>) -> Self {
        let security = if cfg!(feature = "tls") { Security::Opportunistic } else { Security::None };
        let connector = Connector::new(server).security(security);
        Self::with(connector.timeouts(Timeouts::probe()))
    }

    /// For the server that this connector reaches, with all its settings but one: its credentials
    /// are not used, since whoever is known may relay.
    #[must_use]
    pub fn with(connector: Connector) -> Self {
        let forms = RelayForm::ALL.to_vec();
        Self { connector, local: None, foreign: None, forms, content: None, invalid: None }
    }

    /// A domain whose mail the server takes. By default the name with which it greets.
    #[must_use]
    pub fn local<D>(mut self, domain: D) -> Self
    where
        D: TryInto<Domain, Error: Into<InvalidValue>>,
    {
        match domain.try_into() {
            Ok(domain) => self.local = Some(domain),
            Err(invalid) => self.invalid = Some(Misuse::Value(invalid.into())),
        }
        self
    }

    /// A mailbox at a domain with which the server has nothing to do: the tester's own, where mails
    /// are to be sent. By default `relay-test@example.net`, where nobody is.
    #[must_use]
    pub fn foreign<M>(mut self, mailbox: M) -> Self
    where
        M: TryInto<Mailbox, Error: Into<InvalidValue>>,
    {
        match mailbox.try_into() {
            Ok(mailbox) => self.foreign = Some(mailbox),
            Err(invalid) => self.invalid = Some(Misuse::Value(invalid.into())),
        }
        self
    }

    /// The forms to try, in this order. By default [`RelayForm::ALL`].
    ///
    /// Servers bear only so many errors in a session (Postfix 20), or commands that bring no mail
    /// (Exim 10, and RSET counts): what was [not tried](RelayOutcome::NotTried) then can be tried over
    /// another connection.
    ///
    /// ```
    /// # async fn rest(test: ehlo::RelayTest, report: ehlo::RelayReport) {
    /// use ehlo::RelayOutcome;
    ///
    /// let left = report.attempts().iter().filter(|one| one.outcome() == RelayOutcome::NotTried);
    /// let rest = test.forms(left.map(|one| one.form())).run().await;
    /// # }
    /// ```
    #[must_use]
    pub fn forms(mut self, forms: impl IntoIterator<Item = RelayForm>) -> Self {
        self.forms = forms.into_iter().collect();
        self
    }

    /// Sends this mail wherever a recipient is accepted, with a line on top, `X-Relay-Test:` and
    /// the [name](RelayForm::name) of the form, by which it is known where it arrives. Without this
    /// call no mail is sent.
    #[must_use]
    pub fn content(mut self, content: impl Into<Vec<u8>>) -> Self {
        self.content = Some(content.into());
        self
    }

    /// Asks for each form, and says what became of it. It stops where the server says 421 or the
    /// session ends in another way, and does not come back: what is left then was not tried. It
    /// takes no longer than the connector's [`Timeouts`] let it; a limit for the whole is over all
    /// forms.
    pub async fn run(&self) -> RelayReport {
        run::run(self).await
    }
}
