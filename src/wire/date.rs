//! Dates as RFC 3339 writes them, in UTC and to the second, from 1970 to 9999. `humantime` does the
//! arithmetic; it takes more than this grammar and panics before 1970, so both are looked at
//! here.
//!
//! ```abnf
//! date = 4DIGIT "-" 2DIGIT "-" 2DIGIT "T" 2DIGIT ":" 2DIGIT ":" 2DIGIT [ "." 1*DIGIT ] "Z"
//! ```

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::InvalidValue;

/// A date that can be written, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Date {
    /// Since 1970.
    seconds: u64,
}

impl Date {
    /// A date of a time; what is left of a second is cut off.
    ///
    /// # Errors
    ///
    /// Where it is before 1970 or after 9999.
    pub(crate) fn new(time: SystemTime) -> Result<Self, InvalidValue> {
        match time.duration_since(UNIX_EPOCH) {
            Ok(since) if since.as_secs() < END => Ok(Self { seconds: since.as_secs() }),
            _ => {
                let reason = "it must lie in the years from 1970 to 9999";
                Err(InvalidValue::new("date", format!("{time:?}"), reason))
            }
        }
    }

    /// The time at which its second begins.
    pub(crate) fn time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.seconds)
    }
}

impl FromStr for Date {
    type Err = InvalidValue;

    /// Letters may be in lower case, and fractions of a second are cut off. An offset other than
    /// `Z` is refused.
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let refuse =
            || InvalidValue::new("date", text, "it must be like 2026-01-02T03:04:05Z, in UTC");
        let upper = text.to_ascii_uppercase();
        let seconds = upper.get(..SECONDS).ok_or_else(refuse)?;
        match upper.get(SECONDS..).and_then(|rest| rest.strip_suffix('Z')) {
            Some("") => {}
            Some(rest) if rest.strip_prefix('.').is_some_and(is_number) => {}
            _ => return Err(refuse()),
        }
        let time = humantime::parse_rfc3339(&format!("{seconds}Z")).map_err(|_| refuse())?;
        Self::new(time)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_seconds(self.time()).fmt(f)
    }
}

fn is_number(digits: &str) -> bool {
    !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit())
}

/// The first second of the year 10000, which four digits do not hold.
const END: u64 = 253_402_300_800;
/// The characters ahead of the fraction.
const SECONDS: usize = "2026-01-02T03:04:05".len();

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after_epoch(millis: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(millis)
    }

    #[test]
    fn reads_utc_to_the_second() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2026-01-02T03:04:05Z", 1_767_323_045),
            ("2026-01-02t03:04:05z", 1_767_323_045),
            ("2026-01-02T03:04:05.999Z", 1_767_323_045),
            ("2016-12-31T23:59:60Z", 1_483_228_799), // a leap second
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(text.parse::<Date>().unwrap().seconds, seconds, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_date() {
        for text in [
            "",
            "Z",
            "2026-01-02",
            "2026-01-02T03:04:05",
            "2026-01-02 03:04:05Z",
            "2026-02-30T03:04:05Z",
            "2026-13-01T03:04:05Z",
            "2026-01-02T24:04:05Z",
            "1969-12-31T23:59:59Z",
            "2026-01-02T03:04:05+00:00",
            "2026-01-02T03:04:05+02:00",
            "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04:05.x9Z",
            "2026-01-02T03:04:05.5+9999Z", // humantime takes it
            "2026-01-02T03:04:0éZ",
            "+026-01-02T03:04:05Z",
        ] {
            let error = text.parse::<Date>().unwrap_err();
            assert_eq!(error.reason(), "it must be like 2026-01-02T03:04:05Z, in UTC", "{text}");
        }
        assert_eq!(
            "soon".parse::<Date>().unwrap_err().to_string(),
            r#"date "soon": it must be like 2026-01-02T03:04:05Z, in UTC"#
        );
    }

    #[test]
    fn c_062_writes_no_fractions_and_nothing_it_could_not_read() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_767_323_045_999, "2026-01-02T03:04:05Z"),
            (END * 1000 - 1, "9999-12-31T23:59:59Z"),
        ] {
            let date = Date::new(after_epoch(millis)).unwrap();
            assert_eq!(date.to_string(), text);
            assert_eq!(date.time(), after_epoch(millis / 1000 * 1000));
        }
        for time in [UNIX_EPOCH - Duration::from_nanos(1), after_epoch(END * 1000)] {
            let error = Date::new(time).unwrap_err();
            assert_eq!(error.what(), "date");
            assert_eq!(error.reason(), "it must lie in the years from 1970 to 9999");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn is_read_back(seconds in 0..END) {
            let date = Date::new(after_epoch(seconds * 1000)).unwrap();
            prop_assert_eq!(date.to_string().len(), 20);
            prop_assert_eq!(date.to_string().parse::<Date>().unwrap(), date);
        }

        #[test]
        fn nothing_makes_it_panic(
            text in "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.0-9Z+é]{0,12}",
        ) {
            if let Ok(date) = text.parse::<Date>() {
                prop_assert!(text.starts_with(&date.to_string()[..17]));
            }
        }
    }
}
