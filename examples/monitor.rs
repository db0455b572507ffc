//! Watches mail servers: a line for each change, a status page, numbers for Prometheus, and a mail to
//! an administrator. Without a file it watches embedded servers for a few seconds.
//!
//! ```sh
//! cargo run --example monitor
//! cargo run --example monitor -- servers.toml
//! ```
//!
//! The file:
//!
//! ```toml
//! interval = 60                     # seconds, as all times
//! failures = 3                      # in a row before anything is believed
//! slow_after = 5.0
//! listen = "127.0.0.1:8025"         # the page at /, numbers at /metrics
//!
//! [mail]                            # where changes are mailed to
//! server = "smtps://alice:wonderland@mail.example.org"
//! from = "monitor@example.org"
//! to = ["postmaster@example.org"]
//!
//! [[server]]
//! server = "mx1.example.org"        # HOST[:PORT]
//! recipients = ["postmaster@example.org"]
//!
//! [[server]]
//! name = "submission"
//! server = "mail.example.org:465"
//! tls = "implicit"
//! ```

mod common;
#[path = "common/page.rs"]
mod page;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Parser;
use ehlo::testing::{Running, Script, Server};
use ehlo::{
    Connector, Envelope, Error, Monitor, MonitorEvent, Probe, RootCertificates, Security, Timeouts,
};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use common::{FAILED, USAGE, arguments, fail, is_url};
use page::Page;

/// Watch mail servers, and tell what changes.
#[derive(Parser)]
#[command(after_help = "\
Exit status: 0 the time is over, 3 the page cannot be shown there, 64 bad arguments or file.")]
struct Arguments {
    /// What to watch, in TOML [default: embedded servers, for five seconds]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// End after so many seconds
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    interval: Option<f64>,
    retry_after: Option<f64>,
    failures: Option<u32>,
    slow_after: Option<f64>,
    #[serde(default = "anywhere")]
    listen: String,
    mail: Option<Administrator>,
    #[serde(rename = "server")]
    servers: Vec<Watch>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Administrator {
    server: String,
    from: String,
    to: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Watch {
    name: Option<String>,
    server: String,
    tls: Option<String>,
    sender: Option<String>,
    #[serde(default)]
    recipients: Vec<String>,
}

/// What is to be done, with all that was asked for made valid.
struct Plan {
    monitor: Monitor,
    listen: String,
    mail: Option<(Connector, Envelope)>,
    /// They live as long as this.
    _embedded: Vec<Running>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = arguments::<Arguments>();
    let planned = match &arguments.file {
        Some(file) => read(file).and_then(plan),
        None => embedded().await,
    };
    let plan = match planned {
        Ok(plan) => plan,
        Err(why) => return fail(USAGE, why),
    };
    let seconds = arguments.seconds.or_else(|| arguments.file.is_none().then_some(5));
    match watch(plan, seconds).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(FAILED, why),
    }
}

/// Watches until the time is over.
async fn watch(plan: Plan, seconds: Option<u64>) -> Result<(), String> {
    let Plan { mut monitor, listen, mail, _embedded } = plan;
    let numbers = PrometheusBuilder::new().install_recorder().map_err(|why| why.to_string())?;
    let listener = TcpListener::bind(&listen).await.map_err(|why| format!("{listen}: {why}"))?;
    let address = listener.local_addr().map_err(|why| why.to_string())?;
    println!("http://{address}/ shows them, http://{address}/metrics has their numbers");
    let page = Page::default();
    let shown = tokio::spawn(page::serve(listener, page.clone(), numbers));
    let (changes, mailed) = mpsc::channel(MAILS);
    let mailing = tokio::spawn(mail_each(mail, mailed));

    let end = tokio::time::sleep(seconds.map_or(Duration::MAX, Duration::from_secs));
    tokio::pin!(end);
    let mut refresh = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            // Dropped when another branch is ready: nothing is lost by it.
            Some(event) = monitor.next() => {
                println!("{} {event}", humantime::format_rfc3339_seconds(SystemTime::now()));
                // Whoever watches does not wait for whoever mails.
                if changes.try_send(event).is_err() {
                    eprintln!("error: it is not mailed, too many mails wait");
                }
            }
            _ = refresh.tick() => page.show(&monitor),
            () = &mut end => break,
        }
    }
    drop(changes);
    // What was found is mailed before the end.
    let _ = mailing.await;
    shown.abort();
    Ok(())
}

/// Mails each change, or nothing where there is no administrator.
async fn mail_each(mail: Option<(Connector, Envelope)>, mut changes: mpsc::Receiver<MonitorEvent>) {
    while let Some(event) = changes.recv().await {
        if let Some((connector, envelope)) = &mail
            && let Err(error) = send(connector, envelope, &event).await
        {
            eprintln!("error: {event}: not mailed: {error}");
        }
    }
}

/// The server that it is submitted to adds Date and Message-ID (RFC 6409 §8).
async fn send(
    connector: &Connector,
    envelope: &Envelope,
    event: &MonitorEvent,
) -> Result<(), Error> {
    let to: Vec<_> = envelope.recipients().iter().map(|to| to.as_str()).collect();
    let (from, to) = (envelope.sender(), to.join(", "));
    // A header has room for one line of ASCII.
    let is_plain = |c: char| c.is_ascii_graphic() || c == ' ';
    let plain = |c| if is_plain(c) { c } else { '?' };
    let subject: String = event.to_string().chars().map(plain).take(200).collect();
    let report = event.report();
    let message = format!(
        "From: {from}\nTo: {to}\nSubject: {subject}\nMIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n\
         {event}\n\n{report}"
    );
    let mut client = connector.connect().await?;
    let sent = client.send(envelope, message).await;
    // What becomes of the farewell is no news.
    let _ = client.quit().await;
    for recipient in sent?.recipients().filter(|to| !to.outcome().is_accepted()) {
        eprintln!("error: {event}: not mailed: {}: {}", recipient.mailbox(), recipient.outcome());
    }
    Ok(())
}

fn read(file: &Path) -> Result<Config, String> {
    let failed = |why: &dyn ToString| format!("{}: {}", file.display(), why.to_string());
    let text = std::fs::read_to_string(file).map_err(|why| failed(&why))?;
    toml::from_str(&text).map_err(|why| failed(&why))
}

fn plan(config: Config) -> Result<Plan, String> {
    let mut monitor = Monitor::new();
    let seconds = |value| Duration::try_from_secs_f64(value).map_err(|why| why.to_string());
    if let Some(interval) = config.interval {
        monitor = monitor.interval(seconds(interval)?);
    }
    if let Some(wait) = config.retry_after {
        monitor = monitor.retry_after(seconds(wait)?);
    }
    if let Some(failures) = config.failures {
        monitor = monitor.failures(failures);
    }
    if let Some(limit) = config.slow_after {
        monitor = monitor.slow_after(seconds(limit)?);
    }
    for server in config.servers {
        let name = server.name.clone().unwrap_or_else(|| server.server.clone());
        let probe = probe(server).map_err(|why| format!("{name}: {why}"))?;
        monitor.watch(name, probe);
    }
    let mail = config.mail.map(administrator).transpose()?;
    Ok(Plan { monitor, listen: config.listen, mail, _embedded: Vec::new() })
}

fn probe(server: Watch) -> Result<Probe, String> {
    let mut connector = Connector::new(server.server).timeouts(Timeouts::probe());
    connector = connector.client_name("monitor.example.test");
    let tls = server.tls.map(|tls| tls.parse().map_err(|why| format!("tls: {why}"))).transpose()?;
    connector = connector.security(tls.unwrap_or(Security::Opportunistic));
    let mut probe = Probe::with(connector);
    if let Some(sender) = &server.sender {
        probe = probe.sender(sender.as_str());
    }
    for recipient in &server.recipients {
        probe = probe.recipient(recipient.as_str());
    }
    Ok(probe)
}

fn administrator(mail: Administrator) -> Result<(Connector, Envelope), String> {
    let connector = match is_url(&mail.server) {
        true => mail.server.parse().map_err(|why: ehlo::InvalidUrl| why.to_string())?,
        false => Connector::new(mail.server),
    };
    let envelope = Envelope::new(mail.from.as_str(), mail.to.iter().map(String::as_str));
    Ok((connector, envelope.map_err(|why| why.to_string())?))
}

/// One server that is well, one that is busy, one that is slow, and one for the mails.
async fn embedded() -> Result<Plan, String> {
    let failed = |why: io::Error| why.to_string();
    let busy = Server::new().greeting("421 4.3.2 busy, come back later");
    let slow: Script = SLOW.parse().map_err(|why| format!("{why}"))?;
    let mut running = Vec::new();
    for server in [Server::new(), busy, Server::script(slow), Server::new()] {
        running.push(server.start().await.map_err(failed)?);
    }
    let servers = running.iter().zip(["well", "busy", "slow"]).map(|(server, name)| Watch {
        name: Some(name.to_owned()),
        server: server.addr().to_string(),
        tls: Some("none".to_owned()),
        sender: None,
        recipients: vec!["bob@example.test".to_owned()],
    });
    let config = Config {
        interval: Some(1.0),
        retry_after: Some(0.2),
        failures: Some(2),
        slow_after: Some(0.5),
        listen: anywhere(),
        mail: None,
        servers: servers.collect(),
    };
    let mut plan = plan(config)?;
    if let Some(server) = running.last() {
        let roots = RootCertificates::from_pem(server.ca_pem().as_bytes());
        let connector = Connector::new("localhost").port(server.port());
        let connector = connector.roots(roots.map_err(|why| why.to_string())?);
        let envelope = Envelope::new("monitor@example.test", ["admin@example.test"]);
        plan.mail = Some((connector, envelope.map_err(|why| why.to_string())?));
    }
    plan._embedded = running;
    Ok(plan)
}

fn anywhere() -> String {
    "127.0.0.1:0".to_owned()
}

/// Changes that wait to be mailed, at most.
const MAILS: usize = 64;

const SLOW: &str = "
    -- wait 700
    S: 220 mx
    C: EHLO monitor.example.test
    S: 250 mx
    C: MAIL FROM:<>
    S: 250 ok
    C: RCPT TO:<bob@example.test>
    S: 250 ok
    C: RSET
    S: 250 ok
    C: QUIT
    S: 221 bye
";
