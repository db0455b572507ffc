//! Times as people read them. Certificates may name any, which the dates of the protocol cannot.

use std::fmt;

/// Seconds since 1970 as `2026-01-31 12:00 UTC`.
pub(super) struct Utc(pub(super) u64);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0 / DAY);
        let minutes = self.0 % DAY / 60;
        let (hour, minute) = (minutes / 60, minutes % 60);
        write!(f, "{year}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
    }
}

/// Days since 1970-01-01 in the Gregorian calendar. Years are counted from March, so that the leap
/// day comes last, and in cycles of 400 years, which all have as many days.
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days.saturating_add(DAYS_FROM_YEAR_0_TO_1970);
    let (cycle, day) = (days / DAYS_IN_CYCLE, days % DAYS_IN_CYCLE);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day + 2) / 153;
    let day = day - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year + 400 * cycle + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

const DAY: u64 = 24 * 60 * 60;

/// From 0000-03-01 to 1970-01-01.
const DAYS_FROM_YEAR_0_TO_1970: u64 = 719_468;

const DAYS_IN_CYCLE: u64 = 146_097;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_far_and_near() {
        for (seconds, shown) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
            (253_402_300_799, "9999-12-31 23:59 UTC"),
        ] {
            assert_eq!(Utc(seconds).to_string(), shown);
        }
        // Whatever number stands there, it can be shown.
        assert!(Utc(u64::MAX).to_string().ends_with(" UTC"));
    }
}
