//! What the examples share: the flags that say how to reach a server, and the exit statuses.

#![allow(dead_code, reason = "each example uses a part")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser};
use ehlo::{ClientName, Connector, RootCertificates, Security, Timeouts};

/// The session failed.
pub(crate) const FAILED: u8 = 3;
/// Bad arguments: `EX_USAGE` of sysexits.h.
pub(crate) const USAGE: u8 = 64;

/// Enough for what a person reads; what is longer is left out in the middle.
const TRANSCRIPT: usize = 256 * 1024;

/// How to reach a server.
#[derive(Args)]
pub(crate) struct Access {
    /// implicit, starttls, opportunistic or none
    #[arg(long, value_name = "MODE", default_value_t)]
    tls: Security,
    /// Trust the certificate authorities in this PEM file, and not the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Authenticate as this user; the password is taken from EHLO_PASSWORD
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Let AUTH send the password in clear, or to a server that is not verified
    #[arg(long)]
    allow_cleartext: bool,
    /// The name to give in EHLO [default: the address of this end, such as [192.0.2.1]]
    #[arg(long, value_name = "NAME")]
    helo: Option<ClientName>,
    /// How long to wait at each step [default: the limits of RFC 5321, some minutes]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    timeout: Option<u32>,
}

impl Access {
    /// A connector to `server`, without credentials.
    pub(crate) fn connector(&self, server: &str) -> Result<Connector, String> {
        let mut connector = Connector::new(server)
            .security(self.tls)
            .transcript(TRANSCRIPT);
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
    pub(crate) fn credentials(&self) -> Result<Option<(String, String)>, String> {
        let Some(user) = self.user.clone() else {
            return Ok(None);
        };
        match std::env::var("EHLO_PASSWORD") {
            Ok(password) => Ok(Some((user, password))),
            Err(_) => Err("--user needs the password in EHLO_PASSWORD".to_owned()),
        }
    }
}

/// The arguments, or the exit status where there is nothing more to do.
pub(crate) fn arguments<A: Parser>() -> Result<A, ExitCode> {
    A::try_parse().map_err(|error| {
        // Where even that cannot be printed, the exit status has to do.
        let _ = error.print();
        if error.use_stderr() {
            ExitCode::from(USAGE)
        } else {
            ExitCode::SUCCESS
        }
    })
}

/// Says what is wrong, and gives back the exit status.
pub(crate) fn fail(status: u8, why: impl std::fmt::Display) -> ExitCode {
    eprintln!("error: {why}");
    ExitCode::from(status)
}
