//! Real servers: what the crate says to them, what they say to it, and what arrives there. How
//! the servers are had stands in `tests/interop/README.md`; each test is a row of the table that
//! is printed. Without `EHLO_INTEROP=1` there is one line, and nothing is tested.

#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

#[path = "interop/aiosmtpd.rs"]
mod aiosmtpd;
#[path = "interop/chunks.rs"]
mod chunks;
#[path = "interop/dovecot.rs"]
mod dovecot;
#[path = "interop/every.rs"]
mod every;
#[path = "interop/exim.rs"]
mod exim;
#[path = "interop/held.rs"]
mod held;
#[path = "interop/in_a_row.rs"]
mod in_a_row;
#[path = "interop/mails.rs"]
mod mails;
#[path = "interop/opensmtpd.rs"]
mod opensmtpd;
#[path = "interop/parameters.rs"]
mod parameters;
#[path = "support/programs.rs"]
mod programs;
#[path = "interop/questions.rs"]
mod questions;
#[path = "interop/security.rs"]
mod security;
#[path = "interop/sink.rs"]
mod sink;
#[path = "interop/sizes.rs"]
mod sizes;
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

/// A test of one capability with one server.
struct Test {
    server: &'static str,
    capability: &'static str,
    run: fn() -> Pin<Box<dyn Future<Output = ()>>>,
}

impl Test {
    /// Whether the server was started: its variables are set.
    fn is_up(&self) -> bool {
        let server = self.server.to_uppercase().replace('-', "_");
        std::env::var_os(format!("EHLO_{server}_HOST")).is_some()
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
    let tests = [
        security::TESTS,
        mails::TESTS,
        parameters::TESTS,
        usage::TESTS,
        sink::TESTS,
        exim::TESTS,
        opensmtpd::TESTS,
        dovecot::TESTS,
        aiosmtpd::TESTS,
        chunks::TESTS,
        in_a_row::TESTS,
        sizes::TESTS,
        sources::TESTS,
        questions::TESTS,
    ];
    let (mut passed, mut failed, mut missing) = (0, 0, 0);
    for test in tests.into_iter().flatten() {
        let name = format!("{:<10} {}", test.server, test.capability);
        if filter.is_some_and(|filter| !name.contains(filter.as_str())) {
            continue;
        }
        if !test.is_up() {
            missing += 1;
            println!("{name:<70} missing");
            continue;
        }
        let began = Instant::now();
        let is_ok = catch_unwind(AssertUnwindSafe(|| run(test))).is_ok();
        passed += usize::from(is_ok);
        failed += usize::from(!is_ok);
        let result = if is_ok { "ok" } else { "FAILED" };
        println!("{name:<70} {result:>7} {:>6} ms", began.elapsed().as_millis());
    }
    println!("interop: {passed} passed, {failed} failed, {missing} missing");
    if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn run(test: &Test) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(async {
            tokio::time::timeout(LONGEST, (test.run)()).await.expect("the test hangs");
        });
}

/// A test that takes longer hangs: all are on loopback.
const LONGEST: Duration = Duration::from_secs(60);
