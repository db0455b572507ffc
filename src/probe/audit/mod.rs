//! The audit: what a server does wrong where a client tempts it. Where a probe only notes what comes
//! its way, an audit goes and looks, on connections of its own.
//!
//! | file | what it holds |
//! |---|---|
//! | `run` | the checks in their order, and those that a session can make |
//! | `aside` | those that no session has a door for |
//! | `end` | the one that sends mails, where it may |
//! | `report` | what was found |
//! | `show` | the same for people |
//! | `json` | the same for machines (feature `serde`) |

mod aside;
mod end;
#[cfg(feature = "serde")]
mod json;
mod report;
mod run;
mod show;

use crate::net::{Connector, Security, Timeouts};
use crate::wire::{InvalidValue, Mailbox, Text};

pub use self::report::{
    AuditCheck, AuditFinding, AuditReport, AuditSeverity, CheckOutcome, CheckReport,
};

/// A test of how strict a server is: it is given what it should not take, and asked what it should
/// not tell.
///
/// Beside what a [`Probe`](super::Probe) notes on its way ([`Report::conformance`]), it looks for
/// line ends that are none, lost commands, commands that slip in front of TLS, and names that are
/// given away: [`AuditCheck`] has them all. No mail is begun that could be delivered, unless a
/// mailbox is [named](Self::mail_to) for it, no secret is said, and every connection is closed after
/// its check. Some of the checks break the rules of SMTP
/// on purpose: test servers that are your own, or whose owner knows of it.
///
/// [`Report::conformance`]: super::Report::conformance
///
/// ```
/// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
/// # use ehlo::testing::Server;
/// # let server = Server::new().takes_bare_lf().start().await?;
/// # let address = server.addr().to_string();
/// use ehlo::{Audit, AuditCheck, AuditSeverity, Connector, Security};
///
/// // Audit::new("mx.example.org") looks at a server as relays use it, on port 25
/// let connector = Connector::new(address).security(Security::Opportunistic);
/// let report = Audit::with(connector).run().await;
/// println!("{report}");
/// let finding = report.findings().next().expect("this one takes a bare LF");
/// assert_eq!((finding.check(), finding.section()), (AuditCheck::BareLf, "RFC 5321 §2.3.8"));
/// assert_eq!(finding.severity(), AuditSeverity::Violation);
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Audit {
    connector: Connector,
    mailbox: Result<Text, InvalidValue>,
    list: Result<Text, InvalidValue>,
    mail_to: Option<Result<Mailbox, InvalidValue>>,
}

impl Audit {
    /// For a host, by its name or address, with or without a port: on port 25, with STARTTLS where
    /// it is offered, whatever the certificate ([`Security::Opportunistic`]), and the short waits of
    /// [`Timeouts::probe`]. Without feature `tls` it is all in clear.
    pub fn new(server: impl Into<String>) -> Self {
        let security = if cfg!(feature = "tls") { Security::Opportunistic } else { Security::None };
        let connector = Connector::new(server).security(security);
        Self::with(connector.timeouts(Timeouts::probe()))
    }

    /// For the server that this connector reaches, with all its settings but one: its credentials
    /// are not used. A limit for the whole is one for each connection.
    #[must_use]
    pub fn with(connector: Connector) -> Self {
        let postmaster = || Text::try_from("postmaster");
        Self { connector, mailbox: postmaster(), list: postmaster(), mail_to: None }
    }

    /// Whom VRFY is asked for. Default: `postmaster`, whom every server knows (RFC 5321 §4.5.1).
    #[must_use]
    pub fn mailbox<T>(mut self, mailbox: T) -> Self
    where
        T: TryInto<Text, Error: Into<InvalidValue>>,
    {
        self.mailbox = mailbox.try_into().map_err(Into::into);
        self
    }

    /// What EXPN is asked for. Default: `postmaster`.
    #[must_use]
    pub fn list<T>(mut self, list: T) -> Self
    where
        T: TryInto<Text, Error: Into<InvalidValue>>,
    {
        self.list = list.try_into().map_err(Into::into);
        self
    }

    /// Lets mails be sent to this mailbox of the server's, to see what it takes for their end
    /// ([`AuditCheck::EndOfData`]): one of a few lines, and where something other than
    /// `<CRLF>.<CRLF>` has ended it, one more for each sequence that may have been it, eleven at
    /// most. They come from the null path, so that nobody is told of what becomes of them. By
    /// default there is no such mailbox, no mail is sent, and the check is skipped.
    ///
    /// ```
    /// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
    /// # use ehlo::testing::Server;
    /// # use ehlo::{Connector, Security};
    /// # let server = Server::new().ends_content_at(b"\n.\n").start().await?;
    /// # let connector = Connector::new(server.addr().to_string()).security(Security::None);
    /// use ehlo::{Audit, AuditSeverity};
    ///
    /// let report = Audit::with(connector).mail_to("postmaster@example.org").run().await;
    /// let finding = report.findings().next().expect("mails can be smuggled in");
    /// assert_eq!(finding.words(), "a mail was taken to end at <LF>.<LF>");
    /// assert_eq!(finding.severity(), AuditSeverity::Vulnerability);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn mail_to<T>(mut self, mailbox: T) -> Self
    where
        T: TryInto<Mailbox, Error: Into<InvalidValue>>,
    {
        self.mail_to = Some(mailbox.try_into().map_err(Into::into));
        self
    }

    /// Makes all checks, one after the other, and says what came of each.
    pub async fn run(&self) -> AuditReport {
        run::run(self).await
    }
}
