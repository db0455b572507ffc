//! What is wrong with this server? Each step with its time and replies, the verdict, the likely cause
//! and what to do about it. No mail is left with the server unless `--data` gives one.
//!
//! ```sh
//! cargo run --example probe -- --server mx.example.org --from a@example.net --to b@example.org
//! cargo run --example probe --features dns -- --domain example.org --to b@example.org
//! cargo run --example probe -- --server mail.example.org:587 --tls starttls --user alice --output json
//! cargo run --example probe -- --server mx.example.org --output html >report.html
//! cargo run --example probe -- --server mx.example.org --output nagios -w 2 -c 10 --certificate 14,7
//! ```

mod common;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Parser, ValueEnum};
use ehlo::{Connector, ForwardPath, NagiosLimits, Probe, ReversePath, Security, Stage, Timeouts};

use common::{Access, USAGE, arguments, fail, is_usage};

/// Test a mail server stage by stage.
///
/// Without `--tls` it is reached as relays reach it: on port 25, with STARTTLS where it is offered,
/// whatever the certificate; with `--user` as a client submits, on port 587 with verified TLS.
#[derive(Parser)]
#[command(after_help = "\
Exit status: 0 nothing failed, 2 something did, 64 bad arguments. With `--output nagios`, as plug-ins
have it: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.

With feature `dns` --domain asks for MX; without it the host of the domain's own name is tried.")]
struct Arguments {
    /// Test the hosts of this domain, in their order, until one answers; a password goes to none that
    /// MX names: name that one with --server
    #[arg(long, value_name = "DOMAIN", conflicts_with = "server",
          value_parser = NonEmptyStringValueParser::new())]
    domain: Option<String>,
    /// Test this server, or this URL [default: an embedded one]
    #[arg(long, short, value_name = "HOST[:PORT]", value_parser = NonEmptyStringValueParser::new())]
    server: Option<String>,
    /// The sender in MAIL; '' is the null path [default: the null path]
    #[arg(long, short, value_name = "MAILBOX")]
    from: Option<ReversePath>,
    /// A recipient to ask for in RCPT; may be repeated
    #[arg(long, short, value_name = "MAILBOX")]
    to: Vec<ForwardPath>,
    /// Send this file as a mail to the recipients that are accepted
    #[arg(long, short, value_name = "FILE")]
    data: Option<PathBuf>,
    /// The last step to take: resolve, connect, handshake, greeting, ehlo, starttls, auth, mail,
    /// rcpt, data, content or end_of_data [default: rcpt, with --data end_of_data]
    #[arg(long, short, alias = "quit", value_name = "STAGE", value_parser = stage)]
    quit_after: Option<Stage>,
    /// A server that is known to be up, to connect to where the tested one is silent: it tells whose
    /// silence it is; may be repeated
    #[arg(long, value_name = "HOST[:PORT]")]
    reference: Vec<String>,
    /// What to print
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Output,
    /// With `--output nagios`: a probe that takes longer is a warning
    #[arg(long, short, value_name = "SECONDS", value_parser = seconds, requires = "critical")]
    warning: Option<Duration>,
    /// With `--output nagios`: a probe that takes longer is critical
    #[arg(long, short, value_name = "SECONDS", value_parser = seconds, requires = "warning")]
    critical: Option<Duration>,
    /// With `--output nagios`: a certificate with fewer days left is a warning, or critical
    #[arg(long, value_name = "DAYS,DAYS", value_parser = two)]
    certificate: Option<(u32, u32)>,
    #[command(flatten)]
    access: Access,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A table, in colours on a terminal
    Text,
    /// One object
    Json,
    /// The line and the status of a monitoring plug-in
    Nagios,
    /// A page with the conversation as a diagram
    Html,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run(arguments()).await.unwrap_or_else(|status| status)
}

async fn run(arguments: Arguments) -> Result<ExitCode, ExitCode> {
    let server = arguments.domain.as_deref().or(arguments.server.as_deref());
    // The embedded server lives as long as this.
    let (connector, _, _server) = arguments.access.reach(server).await?;
    let probe = probe(&arguments, connector).map_err(|why| fail(USAGE, why))?;
    let report = probe.run().await;
    let is_plugin = arguments.output == Output::Nagios;
    if let Some(error) = report.error().filter(|error| is_usage(error) && !is_plugin) {
        return Err(fail(USAGE, error));
    }
    match arguments.output {
        Output::Text if has_colours() => print!("{}", report.in_colour()),
        Output::Text => print!("{report}"),
        Output::Json => match serde_json::to_string_pretty(&report) {
            Ok(json) => println!("{json}"),
            Err(_) => unreachable!("a report has nothing that JSON has not"),
        },
        Output::Html => print!("{}", report.to_html()),
        Output::Nagios => {
            let nagios = report.to_nagios(&limits(&arguments));
            println!("{nagios}");
            return Ok(ExitCode::from(nagios.status().exit_code()));
        }
    }
    Ok(if report.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(NOT_OK) })
}

fn probe(arguments: &Arguments, mut connector: Connector) -> Result<Probe, String> {
    let access = &arguments.access;
    let is_plain = arguments.server.as_deref().is_some_and(|server| !common::is_url(server));
    if access.tls.is_none() && access.user.is_none() && (is_plain || arguments.domain.is_some()) {
        connector = connector.security(Security::Opportunistic);
    }
    if access.timeout.is_none() {
        connector = connector.timeouts(Timeouts::probe());
    }
    #[cfg(feature = "dns")]
    if arguments.domain.is_some() {
        let resolver = ehlo::DnsResolver::of_the_system().map_err(|why| why.to_string())?;
        connector = connector.resolver(resolver);
    }
    let mut probe = Probe::with(connector).references(arguments.reference.iter().cloned());
    if arguments.domain.is_some() {
        probe = probe.by_mx();
    }
    if let Some(sender) = &arguments.from {
        probe = probe.sender(sender.clone());
    }
    for recipient in &arguments.to {
        probe = probe.recipient(recipient.clone());
    }
    if let Some(file) = &arguments.data {
        let content = std::fs::read(file);
        probe = probe.content(content.map_err(|why| format!("{}: {why}", file.display()))?);
    }
    Ok(match arguments.quit_after {
        Some(stage) => probe.stop_after(stage),
        None => probe,
    })
}

fn limits(arguments: &Arguments) -> NagiosLimits {
    let mut limits = NagiosLimits::new();
    if let (Some(warning), Some(critical)) = (arguments.warning, arguments.critical) {
        limits = limits.duration(warning, critical);
    }
    if let Some((warning, critical)) = arguments.certificate {
        limits = limits.certificate_days(warning, critical);
    }
    limits
}

/// Colours are for people, and not for all of them: <https://no-color.org>.
fn has_colours() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !unwanted
}

/// A stage by its name, in any case, with `-` or `_`; or by the one that swaks has for it.
fn stage(name: &str) -> Result<Stage, String> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let name = match name.as_str() {
        "banner" => "greeting",
        "helo" | "first_helo" | "first_ehlo" => "ehlo",
        "tls" => "handshake",
        "from" => "mail",
        "to" => "rcpt",
        name => name,
    };
    let known = Stage::ALL.iter().copied().find(|stage| stage.name() == name);
    known.ok_or_else(|| {
        let names: Vec<_> = Stage::ALL.iter().map(|stage| stage.name()).collect();
        format!("a stage is one of {}", names.join(", "))
    })
}

/// Such as `2` or `0.5`.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "not a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|why| why.to_string())
}

/// Something failed.
const NOT_OK: u8 = 2;

/// Two numbers with a comma between them.
fn two(text: &str) -> Result<(u32, u32), String> {
    let (warning, critical) = text.split_once(',').ok_or("two numbers of days, as in 14,7")?;
    let days = |text: &str| text.parse().map_err(|_| format!("\"{text}\" is no number of days"));
    Ok((days(warning)?, days(critical)?))
}
