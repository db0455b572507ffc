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
#[path = "interop/limits.rs"]
mod limits;
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
use std::thread;
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
    run: Box<dyn Fn() -> Running + Send>,
}

impl Row {
    fn new<T>(
        server: &'static str,
        capability: impl Into<String>,
        test: impl Fn() -> T + Send + 'static,
    ) -> Self
    where
        T: Future<Output = ()> + 'static,
    {
        Self { server, capability: capability.into(), run: Box::new(move || Box::pin(test())) }
    }

    /// As it is shown, and searched for.
    fn name(&self) -> String {
        format!("{:<15} {}", self.server, self.capability)
    }

    /// The server whose it is: a row of `Exim+Dovecot` is one of Exim's.
    fn owner(&self) -> &'static str {
        self.server.split('+').next().unwrap_or(self.server)
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
        ("LIMITS", table(limits::TESTS)),
        ("in a row", table(in_a_row::TESTS)),
        ("sizes", table(sizes::TESTS)),
        ("sources", table(sources::TESTS)),
        ("questions", table(questions::TESTS)),
        ("by hand", by_hand::rows()),
        ("probe", probe::rows()),
        ("pairs", pairs::rows()),
    ];
    let rows =
        areas.into_iter().flat_map(|(area, rows)| rows.into_iter().map(move |row| (area, row)));
    let is_wanted = |row: &Row| filter.is_none_or(|filter| row.name().contains(filter.as_str()));
    let rows: Vec<_> = rows.filter(|(_, row)| is_wanted(row)).collect();
    let results = results(rows);
    println!("{results}");
    if results.count(Result::Failed) > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn table(tests: &[Test]) -> Vec<Row> {
    tests.iter().map(Row::from).collect()
}

/// Those of one group one behind the other, the groups side by side: much of the time is spent in
/// waiting for what a server puts off. At last what looks at the memory of the whole process.
fn results(rows: Vec<(&'static str, Row)>) -> Results {
    let rows = rows.into_iter().enumerate();
    let (alone, rows): (Vec<_>, Vec<_>) = rows.partition(|(_, (area, _))| *area == "sources");
    let mut groups: Vec<Vec<_>> = GROUPS.iter().map(|_| Vec::new()).collect();
    for one in rows {
        let group = GROUPS.iter().position(|group| group.contains(&one.1.1.owner()));
        groups[group.expect("each server is in a group")].push(one);
    }
    let mut done = thread::scope(|scope| {
        let groups = groups.into_iter().zip(GROUPS).map(|(rows, servers)| {
            // So that what panics there says whose row it was.
            let group = thread::Builder::new().name(servers.join(", "));
            group.spawn_scoped(scope, || try_all(rows)).expect("a thread")
        });
        let groups: Vec<_> = groups.collect();
        let done = groups.into_iter().flat_map(|group| group.join().expect("no row ends it"));
        done.collect::<Vec<_>>()
    });
    done.extend(try_all(alone));
    done.sort_by_key(|(number, ..)| *number);
    let mut results = Results::default();
    for (_, area, row, result) in done {
        results.add(area, row, result);
    }
    results
}

/// Tries each, and says at once what it came to.
fn try_all(rows: Vec<(usize, (&str, Row))>) -> Vec<(usize, &str, Row, Result)> {
    let tried = rows.into_iter().map(|(number, (area, row))| {
        let began = Instant::now();
        let result = match row.is_up() {
            true if catch_unwind(AssertUnwindSafe(|| run(&row))).is_ok() => Result::Ok,
            true => Result::Failed,
            false => Result::Missing,
        };
        println!("{:<80} {result:>7} {:>6} ms", row.name(), began.elapsed().as_millis());
        (number, area, row, result)
    });
    tried.collect()
}

/// Servers that have nothing to do with those of other groups: nobody else logs in there while a
/// row counts who does, and those of the first pass mails on to one another.
const GROUPS: [&[&str]; 6] = [
    &["Postfix", "Dovecot"],
    &["Exim", "Exim-next"],
    &["smtp-sink"],
    &["OpenSMTPD"],
    &["aiosmtpd"],
    &["smtp-server"],
];

fn run(row: &Row) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(async {
            tokio::time::timeout(LONGEST, (row.run)()).await.expect("the test hangs");
        });
}

/// A test that takes longer hangs: all are on loopback, but the machine may be busy with others.
const LONGEST: Duration = Duration::from_secs(300);
