//! Does this server relay for everybody, and what else does it take that it should not? Every form of
//! an address that open relays have fallen for, and with `--audit` the checks of how strict it is.
//! No mail is sent unless `--data` or `--mail-to` asks for it. Test servers that are your own.
//!
//! ```sh
//! cargo run --example relay_test -- --server mx.example.org --local example.org --to me@example.net
//! cargo run --example relay_test -- --server mx.example.org --audit --output json
//! ```

mod common;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::{Parser, ValueEnum};
use ehlo::testing::Server;
use ehlo::{
    Audit, AuditReport, AuditSeverity, Connector, Domain, Mailbox, RelayReport, RelayTest,
    RelayVerdict, Security, Timeouts, Verb,
};

use common::{Access, USAGE, arguments, fail, is_usage};

/// Test whether a mail server relays for strangers.
///
/// It is reached as relays reach it: on port 25, with STARTTLS where it is offered, whatever the
/// certificate.
#[derive(Parser)]
#[command(after_help = "\
Exit status: 0 every form was refused, 1 that is not clear, 2 one was accepted, or the audit has found
a violation; 64 bad arguments.")]
struct Arguments {
    /// Test this server, or this URL [default: an embedded one]
    #[arg(long, short, value_name = "HOST[:PORT]", value_parser = NonEmptyStringValueParser::new())]
    server: Option<String>,
    /// A domain whose mail the server takes [default: the name with which it greets]
    #[arg(long, short, value_name = "DOMAIN")]
    local: Option<Domain>,
    /// A mailbox with which the server has nothing to do [default: relay-test@example.net]
    #[arg(long, short, value_name = "MAILBOX")]
    to: Option<Mailbox>,
    /// Send this file as a mail wherever a recipient is accepted: what arrives was relayed, and a
    /// line `X-Relay-Test:` on top names the form
    #[arg(long, short, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Make the checks of how strict the server is, too
    #[arg(long)]
    audit: bool,
    /// With `--audit`: a mailbox of the server's own, to send mail to: it shows what is taken for the
    /// end of one (SMTP smuggling)
    #[arg(long, value_name = "MAILBOX", requires = "audit")]
    mail_to: Option<Mailbox>,
    /// What to print
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Output,
    #[command(flatten)]
    access: Access,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Tables
    Text,
    /// One object, `relay` and `audit` in it
    Json,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run(arguments()).await.unwrap_or_else(|status| status)
}

async fn run(arguments: Arguments) -> Result<ExitCode, ExitCode> {
    let access = &arguments.access;
    let embedded = Server::new().reply_to(Verb::Rcpt, "554 5.7.1 relay access denied");
    // The embedded server lives as long as this. It knows alice, and nobody else may speak.
    let (mut connector, _, _server) = match &arguments.server {
        Some(server) => access.reach(Some(server)).await?,
        None => {
            let server = embedded.start().await.map_err(|why| fail(USAGE, why))?;
            let connector = Connector::new(server.addr().to_string());
            (connector, None, Some(server))
        }
    };
    let is_url = arguments.server.as_deref().is_some_and(common::is_url);
    if access.tls.is_none() && !is_url {
        connector = connector.security(Security::Opportunistic);
    }
    if access.timeout.is_none() {
        connector = connector.timeouts(Timeouts::probe());
    }
    let test = test(&arguments, connector.clone()).map_err(|why| fail(USAGE, why))?;
    let relay = test.run().await;
    if let Some(error) = relay.error().filter(|error| is_usage(error)) {
        return Err(fail(USAGE, error));
    }
    let audit = match arguments.audit {
        true => {
            let audit = Audit::with(connector);
            let audit = match &arguments.mail_to {
                Some(mailbox) => audit.mail_to(mailbox.clone()),
                None => audit,
            };
            Some(audit.run().await)
        }
        false => None,
    };
    print(&relay, audit.as_ref(), arguments.output);
    let worst = audit.as_ref().and_then(AuditReport::worst);
    Ok(ExitCode::from(match relay.verdict() {
        _ if worst >= Some(AuditSeverity::Violation) => FOUND,
        RelayVerdict::Refused => 0,
        RelayVerdict::Unclear => UNCLEAR,
        _ => FOUND,
    }))
}

fn test(arguments: &Arguments, connector: Connector) -> Result<RelayTest, String> {
    let mut test = RelayTest::with(connector);
    if let Some(local) = &arguments.local {
        test = test.local(local.clone());
    }
    if let Some(to) = &arguments.to {
        test = test.foreign(to.clone());
    }
    if let Some(file) = &arguments.data {
        let content = std::fs::read(file);
        test = test.content(content.map_err(|why| format!("{}: {why}", file.display()))?);
    }
    Ok(test)
}

fn print(relay: &RelayReport, audit: Option<&AuditReport>, output: Output) {
    match (output, audit) {
        (Output::Text, None) => print!("{relay}"),
        (Output::Text, Some(audit)) => print!("{relay}\n{audit}"),
        (Output::Json, _) => {
            let json = serde_json::json!({ "relay": relay, "audit": audit });
            println!("{json:#}");
        }
    }
}

/// Nothing was accepted, but not everything was refused for good.
const UNCLEAR: u8 = 1;
/// Something was accepted that should not be.
const FOUND: u8 = 2;
