//! What a monitor tells, and its words. When it is told is decided in `server`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use humantime::format_duration;

use crate::probe::{Diagnosis, Report};
use crate::wire::Escaped;

/// Something has changed with a server.
///
/// `Display` is a line for a log, with nothing of a stranger's unescaped:
/// `mx1: down, failed at greeting: …`.
#[derive(Clone, Debug)]
pub struct MonitorEvent {
    pub(super) server: Arc<str>,
    pub(super) change: Change,
    pub(super) report: Arc<Report>,
}

impl MonitorEvent {
    /// The server, by the name that it is watched by.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// What has changed.
    #[must_use]
    pub const fn change(&self) -> &Change {
        &self.change
    }

    /// The report of the probe that settled it.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }
}

/// What has changed with a server. How often it must have been seen is said at
/// [`Monitor::failures`](super::Monitor::failures).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// It does what is asked of it: it is the first that is known of it, or it is degraded no
    /// longer.
    Up,
    /// It does what is asked of it, and this is to be said against it. Told anew when something is
    /// added, or taken away and something is left.
    Degraded(Vec<Degradation>),
    /// It fails; the diagnosis is that of the last probe.
    Down(Option<Diagnosis>),
    /// It does again what is asked of it. Where something else is to be said against it,
    /// [`Degraded`](Self::Degraded) follows at once.
    #[non_exhaustive]
    Recovered {
        /// From the beginning of the first probe that failed to the beginning of the first that
        /// did not.
        downtime: Duration,
    },
}

/// What is to be said against a server that does what is asked of it, by the last probe that did
/// not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Degradation {
    /// It takes long.
    #[non_exhaustive]
    Slow {
        /// How long the probe took.
        took: Duration,
        /// How long it may take.
        limit: Duration,
    },
    /// Its certificate expires soon, or has expired; with feature `x509`.
    #[non_exhaustive]
    CertificateExpires {
        /// The end of its validity, in seconds since 1970-01-01 00:00 UTC.
        not_after: u64,
        /// How long that is after the probe began; nothing where it is over.
        left: Duration,
    },
}

/// How a server is, as far as is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Health {
    /// Too little has been seen of it.
    Unknown,
    /// It does what is asked of it.
    Up,
    /// So it does, and something is to be said against it.
    Degraded,
    /// It fails.
    Down,
}

impl Health {
    /// The health in `snake_case`, for machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for MonitorEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", Escaped::new(self.server.as_bytes()))?;
        match &self.change {
            Change::Down(diagnosis) => {
                write!(f, "down, {}", self.report.verdict())?;
                match diagnosis {
                    Some(diagnosis) => write!(f, ": {}", diagnosis.cause()),
                    None => Ok(()),
                }
            }
            change => change.fmt(f),
        }
    }
}

/// `up`, `degraded: …`, `down`, `recovered after 1m 30s`.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up => f.write_str("up"),
            Self::Down(_) => f.write_str("down"),
            Self::Recovered { downtime } => write!(f, "recovered after {}", words(*downtime)),
            Self::Degraded(why) => {
                f.write_str("degraded")?;
                for (at, why) in why.iter().enumerate() {
                    write!(f, "{} {why}", if at == 0 { ':' } else { ',' })?;
                }
                Ok(())
            }
        }
    }
}

/// `slow (2s, more than 1s)`, `the certificate expires in 6 days`.
impl fmt::Display for Degradation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slow { took, limit } => {
                write!(f, "slow ({}, more than {})", words(*took), words(*limit))
            }
            Self::CertificateExpires { left, .. } if left.is_zero() => {
                f.write_str("the certificate has expired")
            }
            Self::CertificateExpires { left, .. } => match left.as_secs() / DAY {
                0 => f.write_str("the certificate expires within a day"),
                1 => f.write_str("the certificate expires in a day"),
                days => write!(f, "the certificate expires in {days} days"),
            },
        }
    }
}

/// To the millisecond.
fn words(time: Duration) -> impl fmt::Display {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    format_duration(Duration::from_millis(millis))
}

const DAY: u64 = 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn says(change: &Change, words: &str) {
        assert_eq!(change.to_string(), words);
    }

    #[test]
    fn changes_have_words() {
        let millis = Duration::from_millis;
        let expires = |left| Degradation::CertificateExpires {
            not_after: 0,
            left: Duration::from_secs(left),
        };
        let slow = Degradation::Slow { took: millis(2500) + millis(1) / 3, limit: millis(1000) };
        says(&Change::Up, "up");
        says(&Change::Down(None), "down");
        says(&Change::Recovered { downtime: millis(90_250) }, "recovered after 1m 30s 250ms");
        says(&Change::Degraded(vec![slow.clone()]), "degraded: slow (2s 500ms, more than 1s)");
        for (left, words) in [
            (0, "has expired"),
            (1, "expires within a day"),
            (DAY, "expires in a day"),
            (3 * DAY - 1, "expires in 2 days"),
        ] {
            let words = format!("degraded: the certificate {words}");
            says(&Change::Degraded(vec![expires(left)]), &words);
        }
        let both = "degraded: slow (2s 500ms, more than 1s), the certificate has expired";
        says(&Change::Degraded(vec![slow, expires(0)]), both);
    }
}
