//! Times and lines as a page has them: as short as they can be read.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A time with no more digits than it deserves: `0.31 ms`, `42 ms`, `3.21 s`, `300 s`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Took(pub(super) Duration);

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        let millis = seconds * 1e3;
        // A bound is where the digits before it would round up to one more.
        match self.0 {
            Duration::ZERO => f.write_str("0 ms"),
            _ if millis < 0.995 => write!(f, "{millis:.2} ms"),
            _ if millis < 9.95 => write!(f, "{millis:.1} ms"),
            _ if millis < 999.5 => write!(f, "{millis:.0} ms"),
            _ if seconds < 9.995 => write!(f, "{seconds:.2} s"),
            _ if seconds < 99.95 => write!(f, "{seconds:.1} s"),
            _ => write!(f, "{seconds:.0} s"),
        }
    }
}

/// `2026-01-31 12:00:00 UTC`, for the years from 1970 to 9999.
#[derive(Clone, Copy, Debug)]
pub(super) struct Utc(pub(super) SystemTime);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let time = UNIX_EPOCH + Duration::from_secs(seconds.min(LAST_SECOND));
        let time = humantime::format_rfc3339_seconds(time).to_string();
        write!(f, "{} UTC", time.trim_end_matches('Z').replace('T', " "))
    }
}

/// As much of a line as is this wide. A letter beyond those of Europe takes the room of two.
pub(super) fn shortened(line: &str, width: usize) -> String {
    let wide = |c: char| if c < '\u{1100}' { 1 } else { 2 };
    if line.chars().map(wide).sum::<usize>() <= width {
        return line.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let fits = |c: &char| {
        let rest = left.checked_sub(wide(*c));
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    let mut short: String = line.chars().take_while(fits).collect();
    short.push('…');
    short
}

/// 9999-12-31 23:59:59.
const LAST_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_digits_that_they_deserve() {
        for (nanos, shown) in [
            (0, "0 ms"),
            (4_000, "0.00 ms"),
            (310_000, "0.31 ms"),
            (994_000, "0.99 ms"),
            (996_000, "1.0 ms"),
            (9_940_000, "9.9 ms"),
            (9_960_000, "10 ms"),
            (42_400_000, "42 ms"),
            (999_600_000, "1.00 s"),
            (3_210_000_000, "3.21 s"),
            (30_000_000_000, "30.0 s"),
            (299_600_000_000, "300 s"),
        ] {
            assert_eq!(Took(Duration::from_nanos(nanos)).to_string(), shown);
        }
    }

    #[test]
    fn every_clock_has_a_date() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(Utc(at(1_769_860_800)).to_string(), "2026-01-31 12:00:00 UTC");
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(Utc(before).to_string(), "1970-01-01 00:00:00 UTC");
        assert_eq!(Utc(at(LAST_SECOND + 1)).to_string(), "9999-12-31 23:59:59 UTC");
    }

    #[test]
    fn a_line_is_cut_where_it_is_too_wide() {
        for (line, width, short) in [
            ("250 ok", 6, "250 ok"),
            ("250 ok", 5, "250 …"),
            ("grün", 4, "grün"),
            ("邮件", 4, "邮件"),
            ("邮件", 3, "邮…"),
            ("邮件", 2, "…"),
            ("ab", 0, "…"),
        ] {
            assert_eq!(shortened(line, width), short, "{line} {width}");
        }
    }
}
