//! One server that is watched: what its last reports say of it, and what of that is to be told. When
//! it is probed is decided in `watch`.

use std::sync::Arc;
use std::time::Duration;
#[cfg(feature = "x509")]
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::damping::Damped;
use super::event::{Change, Degradation, Health};
use super::settings::Settings;
use crate::probe::{Diagnosis, Probe, Report};

/// A server, and what is believed of it.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: Arc<str>,
    pub(super) probe: Arc<Probe>,
    pub(super) turn: Turn,
    pub(super) report: Option<Arc<Report>>,
    belief: Belief,
}

/// Whose turn it is.
#[derive(Debug)]
pub(super) enum Turn {
    /// It is probed then.
    Due(Instant),
    /// It is being probed.
    Running(AbortHandle),
    /// Nobody's.
    Paused,
}

impl Server {
    pub(super) fn new(name: Arc<str>, probe: Probe) -> Self {
        let (probe, belief) = (Arc::new(probe), Belief::new());
        Self { name, probe, turn: Turn::Paused, report: None, belief }
    }

    /// It is to be probed then: what is to be noted of it.
    pub(super) fn due(&mut self, at: Instant) -> (Instant, Arc<str>) {
        self.turn = Turn::Due(at);
        (at, Arc::clone(&self.name))
    }

    /// Takes note of the report of a probe that began then, and says what changes by it.
    pub(super) fn judge(
        &mut self,
        began: Instant,
        report: &Arc<Report>,
        settings: &Settings,
    ) -> Vec<Change> {
        self.report = Some(Arc::clone(report));
        let seen = match report.is_ok() {
            false => Err(report.diagnosis()),
            true => Ok(Complaints {
                slow: is_slow(report.duration(), settings),
                expires: expires(report, settings),
            }),
        };
        self.belief.note(began, seen, settings)
    }

    /// Whether the next probe is to tell whether the last one was right.
    pub(super) const fn is_in_doubt(&self) -> bool {
        self.belief.is_in_doubt()
    }

    /// What comes is not in a row with what came.
    pub(super) const fn forget_row(&mut self) {
        self.belief.forget_row();
    }

    pub(super) const fn health(&self) -> Health {
        self.belief.health()
    }
}

/// A server as a monitor knows it, from [`Monitor::servers`](super::Monitor::servers).
#[derive(Clone, Copy, Debug)]
pub struct Watched<'a>(pub(super) &'a Server);

impl<'a> Watched<'a> {
    /// The name that it is watched by.
    #[must_use]
    pub fn name(&self) -> &'a str {
        &self.0.name
    }

    /// How it is, as far as is believed.
    #[must_use]
    pub const fn health(&self) -> Health {
        self.0.health()
    }

    /// What is to be said against it, where it is [degraded](Health::Degraded).
    #[must_use]
    pub fn degradations(&self) -> Vec<Degradation> {
        match self.health() {
            Health::Degraded => self.0.belief.degradations(),
            _ => Vec::new(),
        }
    }

    /// Whether it is not probed for now.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        matches!(self.0.turn, Turn::Paused)
    }

    /// The report of the last probe, which need not agree with what is believed.
    #[must_use]
    pub fn report(&self) -> Option<&'a Report> {
        self.0.report.as_deref()
    }
}

/// What is to be said against a server by one probe that did not fail.
#[derive(Debug, Default)]
struct Complaints {
    slow: Option<Degradation>,
    expires: Option<Degradation>,
}

/// What is believed of a server.
#[derive(Debug)]
struct Belief {
    down: Damped,
    slow: Damped,
    expires: Damped,
    /// The beginning of the first probe of those that failed or did not, up to the last.
    row: Option<(bool, Instant)>,
    /// The beginning of the first probe that failed, where it is down.
    since: Option<Instant>,
    /// By the last probe that did not fail.
    complaints: Complaints,
}

impl Belief {
    const fn new() -> Self {
        Self {
            down: Damped::unknown(),
            slow: Damped::off(),
            expires: Damped::off(),
            row: None,
            since: None,
            complaints: Complaints { slow: None, expires: None },
        }
    }

    const fn health(&self) -> Health {
        match (self.down.believed(), self.slow.believed(), self.expires.believed()) {
            (None, ..) => Health::Unknown,
            (Some(true), ..) => Health::Down,
            (Some(false), Some(true), _) | (Some(false), _, Some(true)) => Health::Degraded,
            (Some(false), ..) => Health::Up,
        }
    }

    fn degradations(&self) -> Vec<Degradation> {
        let kinds = [(self.slow, &self.complaints.slow), (self.expires, &self.complaints.expires)];
        let believed = kinds.into_iter().filter(|(damped, _)| damped.believed() == Some(true));
        believed.filter_map(|(_, complaint)| complaint.clone()).collect()
    }

    const fn is_in_doubt(&self) -> bool {
        match self.row {
            // A probe that fails says nothing of the rest: that waits until there is one that can.
            Some((true, _)) => self.down.is_in_doubt(),
            _ => self.down.is_in_doubt() || self.slow.is_in_doubt() || self.expires.is_in_doubt(),
        }
    }

    const fn forget_row(&mut self) {
        self.down.forget();
        self.slow.forget();
        self.expires.forget();
        self.row = None;
    }

    /// A probe that began then has failed, or has this to say against the server.
    fn note(
        &mut self,
        began: Instant,
        seen: Result<Complaints, Option<&Diagnosis>>,
        settings: &Settings,
    ) -> Vec<Change> {
        let patience = settings.patience;
        let row = match self.row {
            Some((failed, row)) if failed == seen.is_err() => row,
            _ => began,
        };
        self.row = Some((seen.is_err(), row));
        let was = self.health();
        let complaints = match seen {
            // A probe that fails says nothing of the rest.
            Err(diagnosis) => {
                if !self.down.note(true, patience) {
                    return Vec::new();
                }
                self.since = Some(row);
                return vec![Change::Down(diagnosis.cloned())];
            }
            Ok(complaints) => complaints,
        };
        let mut turned = self.down.note(false, patience);
        turned |= self.slow.note(complaints.slow.is_some(), patience);
        turned |= self.expires.note(complaints.expires.is_some(), patience);
        // What is believed is shown as it was last, until it is believed no longer.
        self.complaints.slow = complaints.slow.or_else(|| self.complaints.slow.take());
        self.complaints.expires = complaints.expires.or_else(|| self.complaints.expires.take());
        let now = self.health();
        let is_known = matches!(now, Health::Up | Health::Degraded);
        if !turned || !is_known {
            return Vec::new();
        }
        let mut changes = Vec::new();
        if was == Health::Down {
            let downtime = self.since.take().map_or(Duration::ZERO, |since| row - since);
            changes.push(Change::Recovered { downtime });
        }
        match now {
            Health::Degraded => changes.push(Change::Degraded(self.degradations())),
            _ if was == Health::Down => {}
            _ => changes.push(Change::Up),
        }
        changes
    }
}

fn is_slow(took: Duration, settings: &Settings) -> Option<Degradation> {
    let limit = settings.slow_after?;
    (took > limit).then_some(Degradation::Slow { took, limit })
}

#[cfg(feature = "x509")]
fn expires(report: &Report, settings: &Settings) -> Option<Degradation> {
    let not_after = not_after(report)?;
    let began = seconds(report.began());
    let left = Duration::from_secs(not_after.saturating_sub(began));
    (left < settings.expires_within?).then_some(Degradation::CertificateExpires { not_after, left })
}

#[cfg(not(feature = "x509"))]
const fn expires(_: &Report, _: &Settings) -> Option<Degradation> {
    None
}

/// The end of the validity of the server's own certificate, which comes first (RFC 8446 §4.4.2).
#[cfg(feature = "x509")]
pub(super) fn not_after(report: &Report) -> Option<u64> {
    Some(report.tls()?.chain().first()?.details()?.not_after())
}

/// Since 1970; nothing before it.
#[cfg(feature = "x509")]
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::monitor::Monitor;

    /// Ten seconds lie between one probe and the next, each of which fails `x`, is fine `.`, is
    /// slow `s`, has an old certificate `e`, or both `b`. Below each is what changes by it.
    #[track_caller]
    fn tells(failures: u32, successes: u32, probes: &str, changes: &[(usize, &str)]) {
        let settings = Monitor::new().failures(failures).successes(successes).settings;
        let mut belief = Belief::new();
        let mut at = Instant::now();
        let mut told = Vec::new();
        for (nth, probe) in probes.chars().enumerate() {
            let slow = || Degradation::Slow { took: Duration::MAX, limit: Duration::ZERO };
            let expires = Degradation::CertificateExpires { not_after: 0, left: Duration::ZERO };
            let seen = match probe {
                'x' => Err(None),
                _ => Ok(Complaints {
                    slow: "sb".contains(probe).then(slow),
                    expires: "eb".contains(probe).then_some(expires),
                }),
            };
            let changes = belief.note(at, seen, &settings);
            told.extend(changes.iter().map(|change| (nth, short(change))));
            at += Duration::from_secs(10);
        }
        let told: Vec<_> = told.iter().map(|(nth, words)| (*nth, words.as_str())).collect();
        assert_eq!(told, changes, "{probes}");
    }

    fn short(change: &Change) -> String {
        let Change::Degraded(why) = change else { return change.to_string() };
        let name = |why: &Degradation| match why {
            Degradation::Slow { .. } => "slow",
            Degradation::CertificateExpires { .. } => "expires",
        };
        why.iter().map(name).collect::<Vec<_>>().join("+")
    }

    #[test]
    fn what_is_seen_in_a_row_is_told_once() {
        tells(3, 1, ".....", &[(0, "up")]);
        tells(3, 1, "xxxxx", &[(2, "down")]);
        tells(3, 1, ".xx.xx..", &[(0, "up")]);
        tells(3, 2, ".x..xx.xx", &[(3, "up")]);
        tells(1, 1, ".x.x", &[(0, "up"), (1, "down"), (2, "recovered after 10s"), (3, "down")]);
    }

    #[test]
    fn a_downtime_is_from_the_first_that_failed_to_the_first_that_did_not() {
        tells(3, 1, ".xxxx..", &[(0, "up"), (3, "down"), (5, "recovered after 40s")]);
        tells(3, 2, "xxx.x.x..", &[(2, "down"), (8, "recovered after 1m 10s")]);
        // The failure before the first good one was not the beginning.
        tells(2, 1, "x.xx.", &[(1, "up"), (3, "down"), (4, "recovered after 20s")]);
    }

    #[test]
    fn what_is_to_be_said_beside_is_damped_too() {
        tells(2, 1, "sss.", &[(0, "up"), (1, "slow"), (3, "up")]);
        tells(2, 1, "s.s.s", &[(0, "up")]);
        tells(2, 2, "..ss.s..", &[(1, "up"), (3, "slow"), (7, "up")]);
        tells(2, 1, ".bbee.", &[(0, "up"), (2, "slow+expires"), (3, "expires"), (5, "up")]);
        tells(2, 1, ".eebb", &[(0, "up"), (2, "expires"), (4, "slow+expires")]);
        tells(1, 1, "e", &[(0, "expires")]);
    }

    #[test]
    fn a_failure_says_nothing_of_the_rest() {
        // Slow twice in a row, of those that could be.
        tells(2, 1, ".sxs", &[(0, "up"), (3, "slow")]);
        tells(
            2,
            1,
            ".ssxxs.",
            &[
                (0, "up"),
                (2, "slow"),
                (4, "down"),
                (5, "recovered after 20s"),
                (5, "slow"),
                (6, "up"),
            ],
        );
        // What was slow before is not now, and not told anew.
        tells(2, 1, ".ssxx..", &[(0, "up"), (2, "slow"), (4, "down"), (5, "recovered after 20s")]);
        // It is found slow while it is down, and believed to be down.
        tells(2, 3, "xxssss", &[(1, "down"), (4, "recovered after 20s"), (4, "slow")]);
    }

    #[test]
    fn what_is_believed_to_be_down_is_in_no_doubt_for_having_been_slow() {
        let settings = Monitor::new().failures(2).settings;
        let mut belief = Belief::new();
        let slow = Some(Degradation::Slow { took: Duration::MAX, limit: Duration::ZERO });
        let slow = Ok(Complaints { slow, expires: None });
        for (seen, in_doubt) in [(slow, true), (Err(None), true), (Err(None), false)] {
            belief.note(Instant::now(), seen, &settings);
            assert_eq!(belief.is_in_doubt(), in_doubt);
        }
        belief.note(Instant::now(), Ok(Complaints::default()), &settings);
        assert!(!belief.is_in_doubt(), "it is not slow");
    }

    #[test]
    fn probes_beside_a_break_are_not_in_a_row() {
        let settings = Monitor::new().failures(2).settings;
        let mut belief = Belief::new();
        let began = Instant::now();
        assert!(belief.note(began, Err(None), &settings).is_empty());
        assert!(belief.is_in_doubt());
        belief.forget_row();
        assert!(!belief.is_in_doubt());
        assert!(belief.note(began, Err(None), &settings).is_empty());
        assert_eq!(belief.note(began, Err(None), &settings), [Change::Down(None)]);
        assert_eq!(belief.health(), Health::Down);
    }
}
