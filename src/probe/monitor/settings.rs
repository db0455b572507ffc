//! How often servers are probed, how many at once, and what counts for how much: the settings of a
//! [`Monitor`]. What is probed is a probe's affair, and its deadlines too.

use std::time::Duration;

use super::Monitor;
use super::damping::Patience;
use super::random::Random;

/// What holds for all servers of a monitor.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) interval: Duration,
    jitter: Option<Duration>,
    retry_after: Duration,
    pub(super) patience: Patience,
    pub(super) at_once: usize,
    pub(super) slow_after: Option<Duration>,
    #[cfg(feature = "x509")]
    pub(super) expires_within: Option<Duration>,
}

impl Settings {
    /// From the beginning of one probe to that of the next.
    pub(super) fn wait(&self, is_in_doubt: bool, random: &mut Random) -> Duration {
        match is_in_doubt {
            true => self.retry_after.min(self.interval),
            false => {
                let jitter = self.jitter.unwrap_or(self.interval / 10);
                self.interval.saturating_add(random.up_to(jitter)).min(FOREVER)
            }
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60),
            jitter: None,
            retry_after: Duration::from_secs(10),
            patience: Patience { on: 3, off: 1 },
            at_once: AT_ONCE,
            slow_after: None,
            #[cfg(feature = "x509")]
            expires_within: Some(14 * DAY),
        }
    }
}

impl Monitor {
    /// From the beginning of one probe of a server to the beginning of its next: 60 seconds unless
    /// it is told otherwise, and a millisecond at least. A probe that takes longer is followed by
    /// the next at once.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.settings.interval = interval.clamp(SHORTEST, FOREVER);
        self
    }

    /// The interval is longer by something between nothing and this, each time, so that servers are
    /// not probed in step. By default a tenth of the interval.
    pub const fn jitter(mut self, jitter: Duration) -> Self {
        self.settings.jitter = Some(jitter);
        self
    }

    /// Jitter is made of this number, the same each time; by default it is another one each time.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.random = Random::seeded(seed);
        self
    }

    /// Nothing bad is believed before so many probes in a row have said it: that a server is down,
    /// is slow, has a certificate that expires. By default 3, and 1 at least.
    pub fn failures(mut self, in_a_row: u32) -> Self {
        self.settings.patience.on = in_a_row.max(1);
        self
    }

    /// Nor anything good, by default 1, and 1 at least.
    pub fn successes(mut self, in_a_row: u32) -> Self {
        self.settings.patience.off = in_a_row.max(1);
        self
    }

    /// What takes the place of the interval while a probe has contradicted what is believed, and
    /// the next ones are to tell: 10 seconds unless it is told otherwise, a millisecond at least,
    /// and never longer than the interval. It has no jitter.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.settings.retry_after = wait.max(SHORTEST);
        self
    }

    /// So many probes at once at most; those that are due beyond wait for their turn. By default
    /// 256, and 1 at least. Each takes a socket, and two while it tries the next address.
    pub fn at_once(mut self, probes: usize) -> Self {
        self.settings.at_once = probes.max(1);
        self
    }

    /// A probe that takes longer than this and does not fail makes a server degraded. By default
    /// none is too long; a probe ends in any case by its own
    /// [timeouts](crate::Timeouts).
    pub const fn slow_after(mut self, limit: Duration) -> Self {
        self.settings.slow_after = Some(limit);
        self
    }

    /// A certificate with less time left than this makes a server degraded: 14 days unless it is
    /// told otherwise, `None` for no such time. Only the server's own is looked at: old roots and
    /// cross-signed authorities that expire in a chain do no harm.
    #[cfg(feature = "x509")]
    pub const fn expires_within(mut self, left: Option<Duration>) -> Self {
        self.settings.expires_within = left;
        self
    }
}

/// Sockets that a process may have by default, 1,024 on most systems, leave room for four times as
/// many; and a thousand servers that are silent for ten seconds each take forty.
const AT_ONCE: usize = 256;

/// Timers have no shorter time, and to wait for no time is to do nothing else.
const SHORTEST: Duration = Duration::from_millis(1);

/// A clock can be asked for this much more, and nobody lives to see it.
const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

#[cfg(feature = "x509")]
const DAY: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_the_interval_and_some_jitter_or_shorter_in_doubt() {
        let minute = Duration::from_secs(60);
        let mut random = Random::seeded(1);
        let settings = Settings::default();
        let waits: Vec<_> = (0..100).map(|_| settings.wait(false, &mut random)).collect();
        assert!(waits.iter().all(|wait| (minute..=minute * 11 / 10).contains(wait)), "{waits:?}");
        assert!(waits.iter().any(|wait| *wait > minute * 21 / 20), "{waits:?}");
        assert_eq!(settings.wait(true, &mut random), Duration::from_secs(10));

        let settings = Monitor::new().interval(minute / 20).jitter(Duration::ZERO).settings;
        assert_eq!(settings.wait(false, &mut random), minute / 20);
        assert_eq!(settings.wait(true, &mut random), minute / 20);
    }

    #[test]
    fn what_makes_no_sense_is_the_nearest_that_does() {
        let monitor = Monitor::new().failures(0).successes(0).at_once(0);
        let settings = monitor.interval(Duration::ZERO).retry_after(Duration::ZERO).settings;
        assert_eq!((settings.patience.on, settings.patience.off, settings.at_once), (1, 1, 1));
        assert_eq!(settings.wait(false, &mut Random::new()), SHORTEST);
        assert_eq!(settings.wait(true, &mut Random::new()), SHORTEST);

        let settings = Monitor::new().interval(Duration::MAX).jitter(Duration::MAX).settings;
        assert_eq!(settings.wait(false, &mut Random::new()), FOREVER);
    }
}
