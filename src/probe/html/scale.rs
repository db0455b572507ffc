//! How high on the page a time is. Most waits are drawn to one scale; those that are shorter than a
//! line of text take a line, and those that would fill the page are cut, which is marked.

use std::time::Duration;

/// How much time a line stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scale {
    line: Duration,
}

/// The way down from one event to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Gap {
    /// To scale, or as much room as the words need.
    Drawn(f64),
    /// Cut.
    Cut(f64),
}

impl Scale {
    /// The scale for these waits: the longest that is not far beyond the others is [`TALLEST`].
    pub(super) fn of(waits: impl IntoIterator<Item = Duration>) -> Self {
        let mut waits: Vec<_> = waits.into_iter().filter(|wait| !wait.is_zero()).collect();
        waits.sort_unstable();
        let median = waits.get(waits.len() / 2).copied().unwrap_or_default();
        let usual = median.saturating_mul(FAR_BEYOND);
        let longest = waits.into_iter().rfind(|wait| *wait <= usual).unwrap_or_default();
        Self { line: round(longest / TALLEST) }
    }

    /// What a line of [`LINE`] stands for.
    pub(super) const fn line(self) -> Duration {
        self.line
    }

    /// The waits that are cut are longer than this.
    pub(super) const fn longest(self) -> Duration {
        self.line.saturating_mul(TALLEST)
    }

    /// How far down it is after this wait, where words need so much room.
    pub(super) fn gap(self, wait: Duration, room: f64) -> Gap {
        if wait > self.longest() {
            return Gap::Cut(CUT);
        }
        let lines = wait.as_secs_f64() / self.line.as_secs_f64();
        Gap::Drawn((lines * LINE).max(room))
    }
}

impl Gap {
    pub(super) const fn height(self) -> f64 {
        match self {
            Self::Drawn(height) | Self::Cut(height) => height,
        }
    }
}

/// Up to 1, 2 or 5 times a power of ten, from a microsecond on.
fn round(time: Duration) -> Duration {
    let mut unit = Duration::from_micros(1);
    loop {
        for times in [1, 2, 5] {
            if let Some(round) = unit.checked_mul(times).filter(|round| *round >= time) {
                return round;
            }
        }
        match unit.checked_mul(10) {
            Some(next) => unit = next,
            None => return time,
        }
    }
}

/// The height of a line with an arrow below it.
pub(super) const LINE: f64 = 30.0;

/// The lines of the longest wait that is drawn to scale.
const TALLEST: u32 = 5;

/// The height of one that is cut: room for the mark and its words.
const CUT: f64 = 66.0;

/// A wait this many times the median is none to choose the scale by.
const FAR_BEYOND: u32 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(waits: &[u64]) -> Scale {
        Scale::of(waits.iter().map(|ms| Duration::from_millis(*ms)))
    }

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_longest_usual_wait_is_the_measure() {
        for (waits, line) in [
            (&[20, 25, 30, 100][..], 20),
            (&[20, 25, 30, 101], 50),
            (&[20, 25, 30, 100, 5_000], 20),
            (&[5_000], 1_000),
            (&[0, 0, 0, 10], 2),
        ] {
            assert_eq!(scale(waits).line(), ms(line), "{waits:?}");
        }
        // Where there is no time at all, any scale does.
        assert_eq!(scale(&[]).line(), Duration::from_micros(1));
        assert_eq!(scale(&[0]).gap(Duration::ZERO, 24.0), Gap::Drawn(24.0));
        let endless = Scale::of([Duration::MAX]);
        assert!(endless.line() >= Duration::MAX / 6, "{endless:?}");
    }

    #[test]
    fn waits_are_to_scale_between_a_line_and_the_tallest() {
        let scale = scale(&[20, 25, 30, 100, 5_000]);
        assert_eq!(scale.gap(ms(10), LINE), Gap::Drawn(LINE));
        assert_eq!(scale.gap(ms(10), 0.0), Gap::Drawn(15.0));
        assert_eq!(scale.gap(ms(40), LINE), Gap::Drawn(60.0));
        assert_eq!(scale.gap(ms(80), LINE), Gap::Drawn(120.0));
        assert_eq!(scale.longest(), ms(100));
        assert_eq!(scale.gap(ms(100), LINE), Gap::Drawn(150.0));
        assert_eq!(scale.gap(ms(101), LINE), Gap::Cut(CUT));
    }
}
