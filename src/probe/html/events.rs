//! What happened when: the steps of a report as single events in the order of time, each of which is
//! drawn as one line. How they are drawn is the business of `diagram`.

use std::time::Duration;

use crate::probe::report::{Report, Skipped, StageOutcome, StageReport, Verdict};
use crate::probe::show::first_line;
use crate::protocol::Stage;
use crate::wire::{Escaped, Severity};

/// Something that is drawn at a time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    /// Counted from the beginning of the probe.
    pub(super) at: Duration,
    /// The step that it is of, by its place in the report.
    pub(super) step: usize,
    pub(super) what: What,
    /// The line, as short as it was said.
    pub(super) text: String,
    /// All that there is to tell of it.
    pub(super) full: Vec<String>,
}

/// Who does what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The turn of another host.
    Turn,
    /// Something begins that is seen at its end alone.
    Begins,
    /// Nobody else is asked over the connection.
    Alone,
    Says,
    Hears(Severity),
    Connects,
    Connected,
    Secured,
    /// The step ends with no reply that says why.
    Fails,
    /// It was given up, which is no fault.
    Leaves,
}

/// All events, and the step that the verdict is about.
pub(super) fn events(report: &Report) -> (Vec<Event>, Option<usize>) {
    let is_of_many = report.stages.iter().any(|step| step.host != report.host);
    let mut events = Vec::new();
    let mut host = None;
    for (at, step) in report.stages.iter().enumerate() {
        if matches!(step.outcome, StageOutcome::NotReached) {
            continue;
        }
        if is_of_many && host != Some(&step.host) {
            host = Some(&step.host);
            let text = Escaped::new(step.host.as_bytes()).to_string();
            events.push(Event::new(at, step.start, What::Turn, text));
        }
        of_step(at, step, &mut events);
    }
    events.sort_by_key(|event| event.at);
    (events, culprit(report))
}

/// The stages that were not reached, each once.
pub(super) fn not_reached(report: &Report) -> Vec<Stage> {
    let steps = report.stages.iter();
    let missing = steps.filter(|step| step.outcome == StageOutcome::NotReached);
    let mut stages: Vec<_> = missing.map(|step| step.stage).collect();
    stages.dedup();
    stages
}

/// The first that failed at the stage of the verdict with the host of the verdict; for no host has
/// it been anything but the last attempt at an address.
fn culprit(report: &Report) -> Option<usize> {
    let Verdict::Failed(stage) = report.verdict else { return None };
    let is_it = |step: &StageReport| {
        step.stage == stage && step.host == report.host && step.outcome == StageOutcome::Failed
    };
    match stage {
        Stage::Connect => report.stages.iter().rposition(is_it),
        _ => report.stages.iter().position(is_it),
    }
}

fn of_step(at: usize, step: &StageReport, events: &mut Vec<Event>) {
    let end = step.start + step.duration;
    let event = |when, what, text: String| Event::new(at, when, what, text);
    let fault = || step.fault.clone().unwrap_or_else(|| "no reply came".to_owned());
    let is_failed = step.outcome == StageOutcome::Failed;
    match (step.stage, step.outcome) {
        (Stage::Connect, outcome) => {
            let address = step.address.map(|address| format!(" {address}")).unwrap_or_default();
            if outcome != StageOutcome::Skipped(Skipped::AnotherWasFaster) || !address.is_empty() {
                events.push(event(step.start, What::Connects, format!("connect{address}")));
            }
            events.push(match outcome {
                StageOutcome::Failed => event(end, What::Fails, fault()),
                StageOutcome::Skipped(why) => event(end, What::Leaves, why.words().to_owned()),
                _ => event(end, What::Connected, "connected".to_owned()),
            });
        }
        // There was nothing to do, and so nothing to see.
        (_, StageOutcome::Skipped(_)) => {}
        (Stage::Resolve, _) => {
            events.push(event(step.start, What::Begins, String::new()));
            let found: Vec<_> = step.addresses.iter().map(|one| one.ip().to_string()).collect();
            events.push(match is_failed {
                true => event(end, What::Fails, fault()),
                false => event(end, What::Alone, format!("name resolution: {}", found.join(", "))),
            });
        }
        (Stage::Handshake, _) => {
            events.push(event(step.start, What::Begins, String::new()));
            events.push(match is_failed {
                true => event(end, What::Fails, fault()),
                false => event(end, What::Secured, secured(step)),
            });
        }
        _ => conversation(at, step, events),
    }
}

/// A step in which something is said.
fn conversation(at: usize, step: &StageReport, events: &mut Vec<Event>) {
    let end = step.start + step.duration;
    let mut since = step.start;
    // The greeting comes by itself.
    let opening = match step.stage {
        Stage::Greeting => None,
        Stage::EndOfData => Some(".".to_owned()),
        stage => Some(stage.to_string()),
    };
    match (&opening, step.heard.first().and_then(|heard| heard.said.as_ref())) {
        (_, Some(_)) => {}
        (Some(opening), None) => events.push(Event::new(at, since, What::Says, opening.clone())),
        (None, None) => events.push(Event::new(at, since, What::Begins, String::new())),
    }
    for (reply, heard) in step.replies.iter().zip(&step.heard) {
        if let Some(said) = &heard.said {
            events.push(Event::new(at, since, What::Says, said.clone()));
        }
        let text = first_line(reply);
        let mut event = Event::new(at, heard.at, What::Hears(reply.severity()), text);
        event.full = format!("{reply:#}").lines().map(str::to_owned).collect();
        events.push(event);
        since = heard.at;
    }
    if step.outcome == StageOutcome::Failed
        && let Some(fault) = &step.fault
    {
        events.push(Event::new(at, end, What::Fails, fault.clone()));
    }
}

#[cfg(feature = "tls")]
fn secured(step: &StageReport) -> String {
    step.tls.as_ref().map_or_else(|| "TLS".to_owned(), ToString::to_string)
}

#[cfg(not(feature = "tls"))]
fn secured(_step: &StageReport) -> String {
    "TLS".to_owned()
}

impl Event {
    fn new(step: usize, at: Duration, what: What, text: String) -> Self {
        Self { at, step, what, full: vec![text.clone()], text }
    }
}
