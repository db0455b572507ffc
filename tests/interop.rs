//! Real servers: what the crate says to them, what they say to it, and what arrives there. How
//! the servers are had stands in `tests/interop/README.md`; each test is a row of the table that
//! is printed. Without `EHLO_INTEROP=1` there is one line, and nothing is tested.

#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

#[path = "interop/aiosmtpd.rs"]
mod aiosmtpd;
#[path = "interop/by_hand.rs"]
mod by_hand;
#[path = "interop/chunks.rs"]
mod chunks;
#[path = "interop/dovecot.rs"]
mod dovecot;
#[path = "interop/every.rs"]
mod every;
#[path = "interop/exim.rs"]
mod exim;
#[path = "interop/faults.rs"]
mod faults;
#[path = "interop/held.rs"]
mod held;
#[path = "interop/in_a_row.rs"]
mod in_a_row;
#[path = "interop/mails.rs"]
mod mails;
#[path = "interop/mechanisms.rs"]
mod mechanisms;
#[path = "interop/opensmtpd.rs"]
mod opensmtpd;
#[path = "interop/pairs.rs"]
mod pairs;
#[path = "interop/parameters.rs"]
mod parameters;
#[path = "interop/passwords.rs"]
mod passwords;
#[path = "interop/probe.rs"]
mod probe;
#[path = "support/programs.rs"]
mod programs;
#[path = "interop/questions.rs"]
mod questions;
#[path = "interop/results.rs"]
mod results;
#[path = "interop/security.rs"]
mod security;
#[path = "interop/sink.rs"]
mod sink;
#[path = "interop/sizes.rs"]
mod sizes;
#[path = "interop/smtp_server.rs"]
mod smtp_server;
#[path = "interop/sources.rs"]
mod sources;
#[path = "interop/support.rs"]
mod support;
#[path = "interop/usage.rs"]
mod usage;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use results::{Result, Results};

/// A test of one capability with one server, or with one that needs another: `Exim+Dovecot`.
struct Test {
    server: &'static str,
    capability: &'static str,
    run: fn() -> Running,
}

type Running = Pin<Box<dyn Future<Output = ()>>>;

/// The same, where the capability is one of many that are tried alike.
struct Row {
    server: &'static str,
    capability: String,
    run: Box<dyn Fn() -> Running>,
}

impl Row {
    fn new<T>(
        server: &'static str,
        capability: impl Into<String>,
        test: impl Fn() -> T + 'static,
    ) -> Self
    where
        T: Future<Output = ()> + 'static,
    {
        Self { server, capability: capability.into(), run: Box::new(move || Box::pin(test())) }
    }

    /// Whether each server was started: its variables are set.
    fn is_up(&self) -> bool {
        self.server.split('+').all(|server| {
            let server = server.to_uppercase().replace('-', "_");
            std::env::var_os(format!("EHLO_{server}_HOST")).is_some()
        })
    }
}

impl From<&Test> for Row {
    fn from(test: &Test) -> Self {
        let Test { server, capability, run } = *test;
        Self { server, capability: capability.to_owned(), run: Box::new(run) }
    }
}

/// A table of tests: what is tried, and the function that tries it; a `;` between servers.
macro_rules! tests {
    ($($server:literal: $($capability:literal => $test:path,)+);+) => {
        [$($(crate::Test {
            server: $server,
            capability: $capability,
            run: || Box::pin($test()),
        }),+),+]
    };
}
pub(crate) use tests;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--list") {
        return ExitCode::SUCCESS;
    }
    if std::env::var_os("EHLO_INTEROP").is_none_or(|set| set != "1") {
        println!("interop: not run: EHLO_INTEROP=1 is not set (see tests/interop/README.md)");
        return ExitCode::SUCCESS;
    }
    let filter = words.iter().find(|word| !word.starts_with('-'));
    let areas = [
        ("security", table(security::TESTS)),
        ("mechanisms", mechanisms::rows()),
        ("passwords", passwords::rows()),
        ("mails", table(mails::TESTS)),
        ("parameters", table(parameters::TESTS)),
        ("examples", table(usage::TESTS)),
        ("faults", faults::rows()),
        (
            "its own ways",
            [
                sink::TESTS,
                exim::TESTS,
                opensmtpd::TESTS,
                dovecot::TESTS,
                aiosmtpd::TESTS,
                smtp_server::TESTS,
            ]
            .map(table)
            .into_iter()
            .flatten()
            .collect(),
        ),
        ("BDAT", table(chunks::TESTS)),
        ("in a row", table(in_a_row::TESTS)),
        ("sizes", table(sizes::TESTS)),
        ("sources", table(sources::TESTS)),
        ("questions", table(questions::TESTS)),
        ("by hand", by_hand::rows()),
        ("probe", probe::rows()),
        ("pairs", pairs::rows()),
    ];
    let mut results = Results::default();
    for (area, rows) in areas {
        for row in rows {
            let name = format!("{:<15} {}", row.server, row.capability);
            if filter.is_some_and(|filter| !name.contains(filter.as_str())) {
                continue;
            }
            let began = Instant::now();
            let result = match row.is_up() {
                true if catch_unwind(AssertUnwindSafe(|| run(&row))).is_ok() => Result::Ok,
                true => Result::Failed,
                false => Result::Missing,
            };
            println!("{name:<80} {result:>7} {:>6} ms", began.elapsed().as_millis());
            results.add(area, row, result);
        }
    }
    println!("{results}");
    if results.count(Result::Failed) > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn table(tests: &[Test]) -> Vec<Row> {
    tests.iter().map(Row::from).collect()
}

fn run(row: &Row) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(async {
            tokio::time::timeout(LONGEST, (row.run)()).await.expect("the test hangs");
        });
}

/// A test that takes longer hangs: all are on loopback.
const LONGEST: Duration = Duration::from_secs(60);
