//! What a probe has found, as numbers, through the `metrics` facade. Names and units follow what
//! Prometheus recommends, and are documented at `Monitor`.

use std::sync::Arc;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use super::event::Health;
use crate::probe::{Report, StageOutcome, Verdict};

/// Says once what each is.
pub(super) fn describe() {
    describe_counter!(PROBES, Unit::Count, "Probes that have ended.");
    describe_counter!(FAILURES, Unit::Count, "Probes that failed, by stage and likely cause.");
    describe_histogram!(DURATION, Unit::Seconds, "How long a probe took.");
    describe_histogram!(STAGE_DURATION, Unit::Seconds, "How long a step of a probe took.");
    describe_gauge!(UP, "Whether the server does what is asked of it.");
    describe_gauge!(DEGRADED, "Whether it does so, slowly or with a certificate that expires.");
    #[cfg(feature = "x509")]
    describe_gauge!(EXPIRY, Unit::Seconds, "When its certificate expires, since 1970.");
}

/// A probe has ended, and that is what is believed of the server now.
pub(super) fn note(server: &Arc<str>, report: &Report, health: Health) {
    let verdict = if report.is_ok() { "ok" } else { "failed" };
    counter!(PROBES, "server" => Arc::clone(server), "verdict" => verdict).increment(1);
    if let Verdict::Failed(stage) = report.verdict() {
        let diagnosis = report.diagnosis().map_or("", |diagnosis| diagnosis.kind().name());
        let server = Arc::clone(server);
        counter!(FAILURES, "server" => server, "stage" => stage.name(), "diagnosis" => diagnosis)
            .increment(1);
    }
    histogram!(DURATION, "server" => Arc::clone(server)).record(report.duration());
    for step in report.stages() {
        if matches!(step.outcome(), StageOutcome::Passed | StageOutcome::Failed) {
            let (server, stage) = (Arc::clone(server), step.stage().name());
            histogram!(STAGE_DURATION, "server" => server, "stage" => stage)
                .record(step.duration());
        }
    }
    if health != Health::Unknown {
        let is = |so: bool| if so { 1.0 } else { 0.0 };
        gauge!(UP, "server" => Arc::clone(server)).set(is(health != Health::Down));
        gauge!(DEGRADED, "server" => Arc::clone(server)).set(is(health == Health::Degraded));
    }
    #[cfg(feature = "x509")]
    if let Some(not_after) = super::server::not_after(report) {
        // Exact for the next 285 million years.
        gauge!(EXPIRY, "server" => Arc::clone(server)).set(not_after as f64);
    }
}

const PROBES: &str = "ehlo_probes_total";
const FAILURES: &str = "ehlo_probe_failures_total";
const DURATION: &str = "ehlo_probe_duration_seconds";
const STAGE_DURATION: &str = "ehlo_probe_stage_duration_seconds";
const UP: &str = "ehlo_probe_up";
const DEGRADED: &str = "ehlo_probe_degraded";
#[cfg(feature = "x509")]
const EXPIRY: &str = "ehlo_probe_certificate_expiry_timestamp_seconds";
