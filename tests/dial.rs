//! Connections that the caller makes: what is said over them, and the words where there is none.
#![cfg(all(feature = "probe", feature = "testing"))]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ehlo::testing::{Script, Server};
use ehlo::{Connector, HeloPolicy, Probe, Report, Security, Stage, StageOutcome, Timeouts};
use tokio::io::DuplexStream;

const LIMIT: Duration = Duration::from_secs(5);

/// In clear, to nobody yet.
fn connector() -> Connector {
    Connector::new("mx.example").security(Security::None).timeouts(Timeouts::all(LIMIT))
}

/// A stream to a server that is served until it is played.
fn served(server: Server) -> io::Result<DuplexStream> {
    let (near, far) = tokio::io::duplex(4096);
    tokio::spawn(server.serve(far)?.finish());
    Ok(near)
}

fn script(lines: &str) -> Server {
    Server::script(lines.parse::<Script>().unwrap())
}

#[tokio::test(start_paused = true)]
async fn each_connection_is_asked_for() {
    let dials = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&dials);
    let connector = connector().helo(HeloPolicy::WhereRefused).dialer(move || {
        let greeting = "S: 220 mx\nC: EHLO c.example\n-- close";
        let second = "S: 220 mx\nC: HELO c.example\nS: 250 mx\nC: QUIT\nS: 221 bye";
        let first = count.fetch_add(1, Ordering::Relaxed) == 0;
        async move { served(script(if first { greeting } else { second })) }
    });
    let mut client = connector.client_name("c.example").connect().await.unwrap();
    client.quit().await.unwrap();
    assert_eq!(dials.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn where_there_is_none_the_words_say_so() {
    let refusing =
        connector().dialer(async || Err::<DuplexStream, _>(io::Error::other("the tunnel is shut")));
    let error = refusing.connect().await.unwrap_err();
    let words = "the connection to mx.example failed at connect: the tunnel is shut";
    assert_eq!((error.stage(), error.to_string().as_str()), (Stage::Connect, words));

    let silent = connector().dialer(std::future::pending::<io::Result<DuplexStream>>);
    let error = silent.connect().await.unwrap_err();
    let words = "mx.example: the connect was not done within 5s";
    assert_eq!((error.stage(), error.to_string().as_str()), (Stage::Connect, words));
}

#[tokio::test(start_paused = true)]
async fn what_it_cannot_take_is_a_misuse() {
    let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let both = connector().dialer(async || served(Server::new())).source_address(source);
    let error = both.connect().await.unwrap_err();
    assert!(error.to_string().contains("a dialer takes neither a source address nor a proxy"));

    let by_mx = Probe::with(connector().dialer(async || served(Server::new()))).by_mx();
    let report = by_mx.run().await;
    let words = report.error().unwrap().to_string();
    assert!(
        words.contains("MX leads to no proxy, no dialer, no Unix socket and no LMTP"),
        "{words}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_probe_resolves_nothing_and_has_the_failure() {
    let steps = |report: &Report| -> Vec<_> {
        report.stages().iter().map(|step| (step.stage(), step.outcome())).take(2).collect()
    };
    let greeting = async || served(script("S: 220 mx\n-- close"));
    let report = Probe::with(connector().dialer(greeting)).run().await;
    let passed = |stage| (stage, StageOutcome::Passed);
    assert_eq!(steps(&report), [passed(Stage::Connect), passed(Stage::Greeting)], "{report}");
    assert_eq!(report.address(), None);

    let silent = connector().dialer(std::future::pending::<io::Result<DuplexStream>>);
    let report = Probe::with(silent).run().await;
    let failed = (Stage::Connect, StageOutcome::Failed);
    let never = (Stage::Greeting, StageOutcome::NotReached);
    assert_eq!(steps(&report), [failed, never], "{report}");
    assert_eq!(report.duration(), LIMIT);
}
