//! Watches mail servers: a line for each change, a status page, numbers for Prometheus, and a mail to
//! an administrator. Without a file it watches embedded servers until each has told of itself.
//!
//! ```sh
//! cargo run --example monitor
//! cargo run --example monitor -- servers.toml
//! cargo run --example monitor --features dns -- servers.toml
//! ```
//!
//! The file; all but a server is optional:
//!
//! ```toml
//! interval = 60                     # seconds, as all times
//! retry_after = 5                   # before what may have changed is looked at again
//! failures = 3                      # in a row before anything is believed
//! slow_after = 5.0
//! listen = "127.0.0.1:8025"         # the page at /, numbers at /metrics [default: any free port]
//! helo = "monitor.example.org"      # the name to give in EHLO [default: the address of this end]
//! ca = "ca.pem"                     # trust these authorities, and not the system's
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
//! domain = "example.org"            # its hosts, by MX with feature `dns`, until one answers
//!
//! [[server]]
//! name = "submission"
//! server = "mail.example.org:465"
//! tls = "implicit"                  # starttls, opportunistic (the default) or none
//! ```

mod common;
#[path = "common/page.rs"]
mod page;
#[path = "common/servers.rs"]
mod servers;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Parser;
use ehlo::testing::{Running, Script, Server};
use ehlo::{Connector, Envelope, Error, MonitorEvent, RootCertificates};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use common::{FAILED, USAGE, arguments, fail};
use page::Page;
use servers::{Config, Plan, Watch};

/// Watch mail servers, and tell what changes.
#[derive(Parser)]
#[command(after_help = "\
Exit status: 0 it came to the end that was asked for, 3 the page cannot be shown there, 64 bad
arguments or file.")]
struct Arguments {
    /// What to watch, in TOML [default: embedded servers, until each has told of itself]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// End after so many changes
    #[arg(long, value_name = "COUNT")]
    changes: Option<usize>,
    /// End after so many seconds
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = arguments::<Arguments>();
    let planned = match &arguments.file {
        Some(file) => Config::read(file).and_then(Config::plan),
        None => embedded().await,
    };
    let plan = match planned {
        Ok(plan) => plan,
        Err(why) => return fail(USAGE, why),
    };
    let changes = arguments.changes.or_else(|| arguments.file.is_none().then_some(CHANGES));
    match watch(plan, changes, arguments.seconds).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(FAILED, why),
    }
}

/// Watches until there were so many changes, or the time is over.
async fn watch(plan: Plan, changes: Option<usize>, seconds: Option<u64>) -> Result<(), String> {
    let Plan { mut monitor, listen, mail, embedded } = plan;
    let numbers = PrometheusBuilder::new().install_recorder().map_err(|why| why.to_string())?;
    let listener = TcpListener::bind(&listen).await.map_err(|why| format!("{listen}: {why}"))?;
    let address = listener.local_addr().map_err(|why| why.to_string())?;
    println!("http://{address}/ shows them, http://{address}/metrics has their numbers");
    let page = Page::default();
    let shown = tokio::spawn(page::serve(listener, page.clone(), numbers));
    let (to_mail, mailed) = mpsc::channel(MAILS);
    let mailing = tokio::spawn(mail_each(mail, mailed));

    let end = tokio::time::sleep(seconds.map_or(Duration::MAX, Duration::from_secs));
    tokio::pin!(end);
    let mut refresh = tokio::time::interval(Duration::from_secs(1));
    let mut seen = 0;
    while changes.is_none_or(|most| seen < most) {
        tokio::select! {
            // Dropped when another branch is ready: nothing is lost by it.
            Some(event) = monitor.next() => {
                println!("{} {event}", humantime::format_rfc3339_seconds(SystemTime::now()));
                seen += 1;
                // Whoever watches does not wait for whoever mails.
                if to_mail.try_send(event).is_err() {
                    eprintln!("error: it is not mailed, too many mails wait");
                }
                page.show(&monitor);
            }
            _ = refresh.tick() => page.show(&monitor),
            () = &mut end => break,
        }
    }
    drop(to_mail);
    // What was found is mailed before the end.
    let _ = mailing.await;
    shown.abort();
    if let Some(server) = embedded.last() {
        println!("admin@example.test has {} mails", server.mails().len());
    }
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

/// One server that is well, one that is busy, one that is slow, and one for the mails.
async fn embedded() -> Result<Plan, String> {
    let failed = |why: io::Error| why.to_string();
    let busy = Server::new().greeting("421 4.3.2 busy, come back later");
    let slow: Script = SLOW.parse().map_err(|why| format!("{why}"))?;
    let mut running = Vec::new();
    for server in [Server::new(), busy, Server::script(slow), Server::new()] {
        running.push(server.start().await.map_err(failed)?);
    }
    let watch = |(server, name): (&Running, &str)| Watch {
        name: Some(name.to_owned()),
        server: Some(server.addr().to_string()),
        tls: Some("none".to_owned()),
        recipients: vec!["bob@example.test".to_owned()],
        ..Watch::default()
    };
    let config = Config {
        interval: Some(1.0),
        retry_after: Some(0.2),
        failures: Some(2),
        slow_after: Some(1.0),
        helo: Some("monitor.example.test".to_owned()),
        servers: running.iter().zip(WATCHED).map(watch).collect(),
        ..Config::default()
    };
    let mut plan = config.plan()?;
    if let Some(server) = running.last() {
        let roots = RootCertificates::from_pem(server.ca_pem().as_bytes());
        let connector = Connector::new("localhost").port(server.port());
        let connector = connector.roots(roots.map_err(|why| why.to_string())?);
        let envelope = Envelope::new("monitor@example.test", ["admin@example.test"]);
        plan.mail = Some((connector, envelope.map_err(|why| why.to_string())?));
    }
    plan.embedded = running;
    Ok(plan)
}

/// Changes that wait to be mailed, at most.
const MAILS: usize = 64;

/// The embedded servers.
const WATCHED: [&str; 3] = ["well", "busy", "slow"];

/// What is to be told of them: one is up, one is down, and one is up and then found to be slow.
const CHANGES: usize = 4;

const SLOW: &str = "
    -- wait 1500
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
