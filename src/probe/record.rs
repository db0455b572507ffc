//! What is noted of each step while it is taken: when it began and ended, what was said, and what
//! came of it. Nothing here does anything with a server.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::lines::{quirks_of, violation_of};
use super::report::{Heard, QuirkReport, Skipped, StageOutcome, StageReport};
use crate::error::{Error, ErrorKind};
use crate::extension::Capabilities;
#[cfg(feature = "tls")]
use crate::net::TlsInfo;
use crate::net::{ConnectFailure, Observe, ip_literal};
use crate::protocol::{Session, Stage};
use crate::wire::{Escaped, Reply};

/// The notes of one probe.
#[derive(Debug)]
pub(super) struct Record {
    began: Instant,
    notes: Mutex<Notes>,
}

/// What was noted.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// The host whose turn it is.
    host: String,
    pub(super) steps: Vec<StageReport>,
    /// The step that goes on.
    open: Option<StageReport>,
    /// Attempts at addresses were noted for the step that goes on: they stand for it.
    is_split: bool,
    is_secured: bool,
    pub(super) before_tls: Option<Capabilities>,
    pub(super) after_tls: Option<Capabilities>,
    pub(super) quirks: Vec<QuirkReport>,
}

impl Record {
    pub(super) fn new(began: Instant) -> Self {
        Self { began, notes: Mutex::default() }
    }

    /// What comes belongs to this host.
    pub(super) fn turn_to(&self, host: &str) {
        let mut notes = self.notes();
        notes.close(self.now(), StageOutcome::Passed);
        host.clone_into(&mut notes.host);
        notes.is_secured = false;
        (notes.before_tls, notes.after_tls) = (None, None);
    }

    /// This stage was left out after the last step of that one.
    pub(super) fn skip_after(&self, last: Stage, stage: Stage, why: Skipped) {
        let mut notes = self.notes();
        let at = notes.steps.iter().rposition(|step| step.stage == last).map_or(0, |at| at + 1);
        let start = match at.checked_sub(1).and_then(|before| notes.steps.get(before)) {
            Some(before) => before.start + before.duration,
            None => Duration::ZERO,
        };
        let mut step = notes.step(stage, start);
        step.outcome = StageOutcome::Skipped(why);
        notes.steps.insert(at, step);
    }

    /// These stages were not reached.
    pub(super) fn never_reached(&self, stages: impl IntoIterator<Item = Stage>) {
        let mut notes = self.notes();
        notes.close(self.now(), StageOutcome::Passed);
        for stage in stages {
            let mut step = notes.step(stage, self.now());
            step.outcome = StageOutcome::NotReached;
            notes.steps.push(step);
        }
    }

    /// The step that goes on is done with.
    pub(super) fn done(&self) {
        self.notes().close(self.now(), StageOutcome::Passed);
    }

    /// Whether TLS is on with the host whose turn it is.
    pub(super) fn is_secured(&self) -> bool {
        self.notes().is_secured
    }

    /// The stages of the steps after the first that failed at this one, with the host whose turn it
    /// is.
    pub(super) fn taken(&self, failed: Stage) -> Vec<Stage> {
        let notes = self.notes();
        let its = notes.steps.iter().filter(|step| step.host == notes.host);
        let after =
            its.skip_while(|step| (step.stage, step.outcome) != (failed, StageOutcome::Failed));
        after.skip(1).map(|step| step.stage).collect()
    }

    /// All that was noted, the steps in the order in which they began.
    pub(super) fn take(&self) -> Notes {
        let mut notes = self.notes();
        // Whoever leaves a step open has not heard what he waited for: QUIT may end so.
        if let Some(open) = &mut notes.open {
            open.fault = Some("no reply came".to_owned());
        }
        notes.close(self.now(), StageOutcome::Failed);
        let mut notes = std::mem::take(&mut *notes);
        notes.steps.sort_by_key(|step| step.start);
        notes
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Notes are whole whatever becomes of who writes them.
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An attempt at an address that has ended.
    fn attempt(
        &self,
        address: SocketAddr,
        began: Instant,
        outcome: StageOutcome,
        fault: Option<String>,
    ) {
        let mut notes = self.notes();
        let start = began.saturating_duration_since(self.began);
        let mut step = notes.step(Stage::Connect, start);
        step.duration = began.elapsed();
        (step.outcome, step.fault, step.address) = (outcome, fault, Some(address));
        notes.steps.push(step);
        notes.is_split = true;
    }
}

impl Notes {
    fn step(&self, stage: Stage, start: Duration) -> StageReport {
        StageReport {
            stage,
            outcome: StageOutcome::Passed,
            host: self.host.clone(),
            said: None,
            start,
            duration: Duration::ZERO,
            replies: Vec::new(),
            heard: Vec::new(),
            fault: None,
            address: None,
            addresses: Vec::new(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// The step that goes on has come to its end, if there is one.
    fn close(&mut self, now: Duration, outcome: StageOutcome) {
        let Some(mut step) = self.open.take() else { return };
        if std::mem::take(&mut self.is_split) && step.stage == Stage::Connect {
            return;
        }
        step.duration = now.saturating_sub(step.start);
        step.outcome = outcome;
        self.steps.push(step);
    }

    /// A reply, and the line that it answers.
    fn hear(&mut self, now: Duration, stage: Stage, reply: Reply, said: &[u8]) {
        let mut step = match self.open.take() {
            Some(open) => open,
            None => self.step(stage, now),
        };
        let goes_on = step.stage == Stage::Auth && reply.is_intermediate();
        let is_good = match step.stage {
            Stage::Greeting => reply.code().number() == 220,
            _ => !reply.is_negative(),
        };
        let said = (!said.is_empty()).then(|| Escaped::new(said).to_string());
        if step.said.is_none() {
            step.said.clone_from(&said);
        }
        step.replies.push(reply);
        step.heard.push(Heard { at: now, said });
        self.open = Some(step);
        if !goes_on {
            self.close(now, if is_good { StageOutcome::Passed } else { StageOutcome::Failed });
        }
    }

    /// The step that an error is about, where it has ended: its last reply is the error's, or a
    /// success of AUTH is not believed.
    fn ended(&mut self, error: &Error) -> Option<&mut StageReport> {
        let last = self.steps.last_mut().filter(|last| last.stage == error.stage())?;
        let is_its_reply = error.reply().is_some() && last.replies.last() == error.reply();
        let is_unproved = matches!(error.kind(), ErrorKind::Auth(_)) && !last.replies.is_empty();
        let is_no_connection =
            matches!(error.kind(), ErrorKind::Connect(_)) && last.address.is_some();
        (is_its_reply || is_unproved || is_no_connection).then_some(last)
    }
}

impl Observe for Record {
    fn begins(&self, stage: Stage) {
        let (mut notes, now) = (self.notes(), self.now());
        if notes.open.as_ref().is_some_and(|open| open.stage == stage) {
            return;
        }
        notes.close(now, StageOutcome::Passed);
        notes.open = Some(notes.step(stage, now));
    }

    fn resolved(&self, addresses: &[SocketAddr]) {
        let mut notes = self.notes();
        let is_literal = addresses.len() == 1 && ip_literal(&notes.host).is_some();
        let outcome = match is_literal {
            true => StageOutcome::Skipped(Skipped::IsAddress),
            false => StageOutcome::Passed,
        };
        if let Some(open) = &mut notes.open {
            open.addresses = addresses.to_vec();
        }
        notes.close(self.now(), outcome);
    }

    fn tried(&self, address: SocketAddr, began: Instant, failure: Option<&ConnectFailure>) {
        let outcome = failure.map_or(StageOutcome::Passed, |_| StageOutcome::Failed);
        self.attempt(address, began, outcome, failure.map(ToString::to_string));
    }

    fn outrun(&self, address: SocketAddr, began: Instant) {
        let outcome = StageOutcome::Skipped(Skipped::AnotherWasFaster);
        self.attempt(address, began, outcome, None);
    }

    #[cfg(feature = "tls")]
    fn secured(&self, info: &TlsInfo) {
        let mut notes = self.notes();
        if let Some(open) = &mut notes.open {
            open.tls = Some(info.clone());
        }
        notes.is_secured = true;
        notes.close(self.now(), StageOutcome::Passed);
    }

    fn heard(&self, session: &Session) {
        let Some(reply) = session.shown().map(|reply| reply.to_reply()) else { return };
        let mut notes = self.notes();
        let stage = session.answered_stage();
        let mut quirks = reply.quirks();
        if stage == Stage::Ehlo && reply.is_completed() {
            let offered = session.capabilities().clone();
            quirks |= offered.quirks();
            let place = match notes.is_secured {
                true => &mut notes.after_tls,
                false => &mut notes.before_tls,
            };
            *place = Some(offered);
        }
        notes.quirks.extend(quirks_of(stage, quirks, &reply));
        notes.hear(self.now(), stage, reply, session.answered());
    }

    fn failed(&self, error: &Error) {
        let (mut notes, now) = (self.notes(), self.now());
        notes.quirks.extend(violation_of(error));
        let refused = matches!(error.kind(), ErrorKind::Refused(_));
        let words = (!refused).then(|| error.to_string());
        // What was split into attempts ends with them, unless something else cut it short.
        if notes.open.is_some() && notes.is_split && matches!(error.kind(), ErrorKind::Connect(_)) {
            notes.close(now, StageOutcome::Failed);
            return;
        }
        notes.is_split = false;
        if notes.open.is_none()
            && let Some(ended) = notes.ended(error)
        {
            ended.outcome = StageOutcome::Failed;
            ended.fault = words;
            return;
        }
        if notes.open.is_none() {
            notes.open = Some(notes.step(error.stage(), now));
        }
        if let Some(open) = &mut notes.open {
            open.fault = words;
            let last = open.replies.last();
            if let Some(reply) = error.reply().filter(|reply| last != Some(reply)).cloned() {
                open.replies.push(reply);
                open.heard.push(Heard { at: now, said: None });
            }
        }
        notes.close(now, StageOutcome::Failed);
    }
}
