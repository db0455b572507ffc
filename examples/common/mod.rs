//! What the examples share: the flags that say how to reach a server, and the exit statuses.

#![allow(dead_code, reason = "each example uses a part")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser};
use ehlo::testing::{Running, Server};
use ehlo::{
    ClientName, Connector, Error, ErrorKind, ForwardPath, InvalidUrl, ReversePath,
    RootCertificates, Security, Stage, Timeouts,
};

/// The session failed.
pub(crate) const FAILED: u8 = 3;
/// Bad arguments: `EX_USAGE` of sysexits.h.
pub(crate) const USAGE: u8 = 64;

/// Enough for what a person reads; what is longer is left out in the middle.
const TRANSCRIPT: usize = 256 * 1024;

/// Who writes to whom, in examples of which that is not the point.
#[derive(Args)]
pub(crate) struct Addresses {
    /// Who sends; '' is the null path of notifications
    #[arg(long, value_name = "MAILBOX", default_value = "alice@example.test")]
    pub(crate) from: ReversePath,
    /// A recipient; may be repeated
    #[arg(long, value_name = "MAILBOX",
          default_values = ["bob@example.test", "nobody-here@example.test"])]
    pub(crate) to: Vec<ForwardPath>,
}

/// The last is an embedded server, where there is one.
pub(crate) type Reached = (Connector, Option<(String, String)>, Option<Running>);

/// How to reach a server.
#[derive(Args)]
pub(crate) struct Access {
    /// implicit, starttls, opportunistic or none [default: what the URL says, else starttls; of what
    /// tests servers that strangers write to, opportunistic]
    #[arg(long, value_name = "MODE")]
    pub(crate) tls: Option<Security>,
    /// Trust the certificate authorities in this PEM file, and not the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Authenticate as this user; the password is taken from EHLO_PASSWORD
    #[arg(long, alias = "auth-user", value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Let AUTH send the password in clear, or to a server that is not verified
    #[arg(long)]
    allow_cleartext: bool,
    /// The name to give in EHLO [default: the address of this end, such as [192.0.2.1]]
    #[arg(long, alias = "ehlo", value_name = "NAME")]
    helo: Option<ClientName>,
    /// How long to wait at each step [default: the limits of RFC 5321, some minutes; of what tests
    /// servers, half a minute at most]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) timeout: Option<u32>,
}

impl Access {
    /// A connector to this server, and the credentials, which it has too; without a server, to an
    /// embedded one that knows alice and runs until it is dropped.
    pub(crate) async fn reach(&self, server: Option<&str>) -> Result<Reached, ExitCode> {
        self.reach_or(server, Server::new()).await
    }

    /// The same with an embedded server of one's own.
    pub(crate) async fn reach_or(
        &self,
        server: Option<&str>,
        embedded: Server,
    ) -> Result<Reached, ExitCode> {
        self.prepare(server, embedded).await.map_err(|why| fail(USAGE, why))
    }

    async fn prepare(&self, server: Option<&str>, other: Server) -> Result<Reached, String> {
        let mut credentials = self.credentials()?;
        let (mut connector, embedded) = match server {
            Some(server) => (self.connector(server)?, None),
            None => {
                let tls = self.tls.unwrap_or_default();
                let server = embedded(other, tls).await.map_err(|why| why.to_string())?;
                credentials.get_or_insert_with(|| ("alice".to_owned(), "wonderland".to_owned()));
                let roots = RootCertificates::from_pem(server.ca_pem().as_bytes());
                let connector = self
                    .connector(&server.addr().to_string())?
                    .roots(roots.map_err(|why| why.to_string())?)
                    .tls_name("mx.example.test");
                (connector, Some(server))
            }
        };
        if let Some((user, password)) = credentials.clone() {
            connector = connector.credentials(user, password);
        }
        Ok((connector, credentials, embedded))
    }

    /// Whether no TLS is wanted at all.
    pub(crate) fn stays_in_clear(&self) -> bool {
        self.tls == Some(Security::None)
    }

    fn connector(&self, server: &str) -> Result<Connector, String> {
        let mut connector = match is_url(server) {
            true => server.parse().map_err(|why: InvalidUrl| why.to_string())?,
            false => Connector::new(server),
        };
        connector = connector.transcript(TRANSCRIPT);
        if let Some(tls) = self.tls {
            connector = connector.security(tls);
        }
        if let Some(file) = &self.ca {
            let failed = |why: &dyn ToString| format!("{}: {}", file.display(), why.to_string());
            let pem = std::fs::read(file).map_err(|why| failed(&why))?;
            let roots = RootCertificates::from_pem(&pem).map_err(|why| failed(&why))?;
            connector = connector.roots(roots);
        }
        if let Some(name) = &self.helo {
            connector = connector.client_name(name.clone());
        }
        if let Some(seconds) = self.timeout {
            connector = connector.timeouts(Timeouts::all(Duration::from_secs(seconds.into())));
        }
        if self.allow_cleartext {
            connector = connector.allow_cleartext();
        }
        Ok(connector)
    }

    /// The user given, and the password from the environment: among the arguments of a process
    /// anybody on the machine could see it.
    fn credentials(&self) -> Result<Option<(String, String)>, String> {
        let Some(user) = self.user.clone() else {
            return Ok(None);
        };
        match std::env::var("EHLO_PASSWORD") {
            Ok(password) => Ok(Some((user, password))),
            Err(_) => Err("--user needs the password in EHLO_PASSWORD".to_owned()),
        }
    }
}

/// A server may be a URL, such as `smtps://mail.example.org` or `lmtp+unix:///run/lmtp`.
pub(crate) fn is_url(server: &str) -> bool {
    server.contains("://")
}

/// The server to speak with where none is given.
async fn embedded(server: Server, tls: Security) -> std::io::Result<Running> {
    let server = server
        .user("alice", "wonderland")
        .refuse("nobody-here@example.test", "550 5.1.1 nobody here has that name");
    let server = match tls {
        Security::Implicit => server.implicit_tls(),
        Security::None => server.allow_cleartext(),
        _ => server,
    };
    server.start().await
}

/// The arguments. Where they are bad, or help is all that is wanted, the program ends here.
pub(crate) fn arguments<A: Parser>() -> A {
    A::try_parse().unwrap_or_else(|error| {
        // Where even that cannot be printed, the exit status has to do.
        let _ = error.print();
        std::process::exit(if error.use_stderr() { USAGE.into() } else { 0 })
    })
}

/// Says what is wrong, and gives back the exit status.
pub(crate) fn fail(status: u8, why: impl std::fmt::Display) -> ExitCode {
    eprintln!("error: {why}");
    ExitCode::from(status)
}

/// The same for an error of the session. One that struck before anything was done, such as a server
/// that is none, is an error of the arguments.
pub(crate) fn failed(error: &Error) -> ExitCode {
    fail(if is_usage(error) { USAGE } else { FAILED }, error)
}

pub(crate) fn is_usage(error: &Error) -> bool {
    error.stage() == Stage::Connect && matches!(error.kind(), ErrorKind::Misuse(_))
}
