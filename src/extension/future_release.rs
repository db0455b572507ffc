//! FUTURERELEASE (RFC 4865): mails that the server holds back for a while. It is for submission.
//!
//! ```abnf
//! future-release-offer = "FUTURERELEASE" SP interval SP date
//! hold-param           = "HOLDFOR=" interval / "HOLDUNTIL=" date
//! interval             = %x31-39 *8DIGIT                ; seconds
//! date                 = <date-time of RFC 3339, in UTC, with "Z">
//! ```

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use super::deliver_by::ByTime;
use super::{Extension, MailParam};
use crate::wire::{Date, InvalidValue, Param};

/// The server holds mails back, up to these maxima.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FutureRelease {
    max_seconds: u32,
    max_date: Date,
}

impl FutureRelease {
    /// The longest hold in seconds, 1 to 999,999,999.
    #[must_use]
    pub const fn max_seconds(&self) -> u32 {
        self.max_seconds
    }

    /// The latest date until which a mail is held.
    #[must_use]
    pub fn max_date(&self) -> SystemTime {
        self.max_date.time()
    }

    /// Whether a hold that begins now is within both maxima. A session, which has no clock, holds
    /// seconds against seconds and dates against dates alone.
    #[must_use]
    pub fn covers(&self, hold: Hold, now: SystemTime) -> bool {
        let (length, end) = match hold.0 {
            Kind::Seconds(seconds) => {
                let length = Duration::from_secs(seconds.into());
                (length, now.checked_add(length))
            }
            // A date that has passed holds nothing back.
            Kind::Until(date) => {
                (date.time().duration_since(now).unwrap_or_default(), Some(date.time()))
            }
        };
        length <= Duration::from_secs(self.max_seconds.into())
            && end.is_some_and(|end| end <= self.max_date())
    }

    fn refuses_hold(&self, hold: Hold) -> Option<String> {
        match hold.0 {
            Kind::Seconds(seconds) if seconds > self.max_seconds => {
                Some(format!("{} seconds are its maximum", self.max_seconds))
            }
            Kind::Until(date) if date > self.max_date => {
                Some(format!("{} is its latest date", self.max_date))
            }
            _ => None,
        }
    }
}

impl Extension for FutureRelease {
    const KEYWORD: &'static str = "FUTURERELEASE";
    const MAIL_PARAMS: &'static [&'static str] = &["HOLDFOR", "HOLDUNTIL"];
    const MAIL_OCTETS: usize = 34;

    fn parse(params: &str) -> Option<Self> {
        let mut words = params.split([' ', '\t']).filter(|word| !word.is_empty());
        let (seconds, date) = (words.next()?, words.next()?);
        let offer = Self { max_seconds: read_seconds(seconds)?, max_date: date.parse().ok()? };
        words.next().is_none().then_some(offer)
    }

    /// RFC 4865 §4.1 and §4.2: one of the two parameters, within its maximum; and a mail is not to
    /// be there before it is let go.
    fn refuses(&self, param: &Param, all: &[Param]) -> Option<String> {
        if all.iter().any(|other| is_hold(other) && !other.is(param.keyword())) {
            return Some("HOLDFOR and HOLDUNTIL exclude each other".into());
        }
        match Hold::of(param) {
            Err(error) => Some(error.reason().to_owned()),
            Ok(hold) => self.refuses_hold(hold).or_else(|| {
                let by = all.iter().find(|other| other.is("BY"))?;
                hold.outlasts(by).then(|| format!("{by} ends before the mail is let go"))
            }),
        }
    }
}

/// For how long, or until when, a server is to hold a mail back.
///
/// ```
/// use ehlo::{Hold, MailParam};
///
/// let param = MailParam::hold(Hold::for_seconds(3600)?);
/// assert_eq!(param.to_string(), "HOLDFOR=3600");
/// let new_year = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_798_761_600);
/// let param = MailParam::hold(Hold::until(new_year)?);
/// assert_eq!(param.to_string(), "HOLDUNTIL=2027-01-01T00:00:00Z");
/// # Ok::<(), ehlo::InvalidValue>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hold(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Seconds(u32),
    Until(Date),
}

impl Hold {
    /// For so many seconds from when the server takes the mail: 1 to 999,999,999.
    ///
    /// # Errors
    ///
    /// Where there are fewer or more.
    pub fn for_seconds(seconds: u32) -> Result<Self, InvalidValue> {
        match seconds {
            1..=MAX_SECONDS => Ok(Self(Kind::Seconds(seconds))),
            _ => Err(InvalidValue::new(HOLD, seconds.to_string(), OUT_OF_RANGE)),
        }
    }

    /// Until a date; what is left of a second is cut off.
    ///
    /// # Errors
    ///
    /// Where it is before 1970 or after 9999.
    pub fn until(date: SystemTime) -> Result<Self, InvalidValue> {
        Date::new(date).map(|date| Self(Kind::Until(date)))
    }

    /// The hold that a parameter asks for, however it was built.
    fn of(param: &Param) -> Result<Self, InvalidValue> {
        let value = param.value().unwrap_or_default();
        match param.is(FOR) {
            true => match read_seconds(value) {
                Some(seconds) => Self::for_seconds(seconds),
                None => Err(InvalidValue::new(HOLD, value, OUT_OF_RANGE)),
            },
            false => Date::from_str(value).map(|date| Self(Kind::Until(date))),
        }
    }

    /// Whether the time by which to deliver is over when the hold is. Without a clock that can be
    /// said of seconds alone.
    fn outlasts(self, by: &Param) -> bool {
        match (self.0, super::read::<ByTime>(by)) {
            (Kind::Seconds(held), Ok(by)) => i64::from(by.seconds()) <= held.into(),
            _ => false,
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Seconds(seconds) => write!(f, "{FOR}={seconds}"),
            Kind::Until(date) => write!(f, "{UNTIL}={date}"),
        }
    }
}

impl MailParam {
    /// `HOLDFOR=` or `HOLDUNTIL=`: how long to hold the mail back. It is not for reports, which
    /// have no sender (RFC 4865 §4).
    #[must_use]
    pub fn hold(hold: Hold) -> Self {
        Self(match hold.0 {
            Kind::Seconds(seconds) => Param::number(FOR, seconds.into()),
            Kind::Until(date) => Param::text(UNTIL, date.to_string()),
        })
    }
}

fn is_hold(param: &Param) -> bool {
    param.is(FOR) || param.is(UNTIL)
}

/// ```abnf
/// interval = %x31-39 *8DIGIT
/// ```
fn read_seconds(digits: &str) -> Option<u32> {
    let is_lawful = digits.bytes().all(|octet| octet.is_ascii_digit())
        && !digits.starts_with('0')
        && digits.len() <= MAX_DIGITS;
    digits.parse().ok().filter(|_| is_lawful)
}

const HOLD: &str = "hold";
const FOR: &str = "HOLDFOR";
const UNTIL: &str = "HOLDUNTIL";
const OUT_OF_RANGE: &str = "it must be 1 to 999999999 seconds";
/// Nine digits (RFC 4865 §4).
const MAX_SECONDS: u32 = 999_999_999;
const MAX_DIGITS: usize = 9;

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::super::capabilities::tests::offered;
    use super::*;

    /// An hour, until the first second of 2027.
    const OFFER: &str = "FUTURERELEASE 3600 2027-01-01T00:00:00Z";
    const NEW_YEAR: u64 = 1_798_761_600;

    fn offer() -> FutureRelease {
        offered(&[OFFER]).get().unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[track_caller]
    fn refused(params: &[&str]) -> Option<String> {
        let all: Vec<Param> = params.iter().map(|param| param.parse().unwrap()).collect();
        offer().refuses(&all[0], &all)
    }

    #[test]
    fn c_026_both_maxima_or_none() {
        assert_eq!(offer().max_seconds(), 3600);
        assert_eq!(offer().max_date(), at(NEW_YEAR));
        let fraction = "futurerelease  999999999 2027-01-01T00:00:00.5Z";
        assert!(offered(&[fraction]).get::<FutureRelease>().is_some());
        for line in [
            "FUTURERELEASE",
            "FUTURERELEASE 3600",
            "FUTURERELEASE 0 2027-01-01T00:00:00Z",
            "FUTURERELEASE +1 2027-01-01T00:00:00Z",
            "FUTURERELEASE 1000000000 2027-01-01T00:00:00Z",
            "FUTURERELEASE 2027-01-01T00:00:00Z 3600",
            "FUTURERELEASE 3600 2027-01-01T00:00:00+02:00",
            "FUTURERELEASE 3600 2027-01-01",
            "FUTURERELEASE 3600 2027-01-01T00:00:00Z more",
        ] {
            let offered = offered(&[line, "SIZE"]);
            assert_eq!(offered.get::<FutureRelease>(), None, "{line}");
            assert!(offered.has("FUTURERELEASE") && offered.has("SIZE"));
        }
    }

    #[test]
    fn c_061_a_hold_is_within_both_maxima() {
        let covers = |hold: Hold, now| offer().covers(hold, at(now));
        let seconds = |seconds| Hold::for_seconds(seconds).unwrap();
        let until = |date| Hold::until(at(date)).unwrap();
        assert!(covers(seconds(3600), NEW_YEAR - 3600));
        assert!(!covers(seconds(3600), NEW_YEAR - 3599));
        assert!(!covers(seconds(3601), NEW_YEAR - 9999));
        assert!(covers(until(NEW_YEAR), NEW_YEAR - 3600));
        assert!(!covers(until(NEW_YEAR), NEW_YEAR - 3601));
        assert!(!covers(until(NEW_YEAR + 1), NEW_YEAR - 1));
        assert!(covers(until(NEW_YEAR - 1), NEW_YEAR));
    }

    #[test]
    fn c_061_what_was_not_offered_is_refused() {
        for (params, reason) in [
            (&["HOLDFOR=3601"][..], "3600 seconds are its maximum"),
            (&["HOLDUNTIL=2027-01-01T00:00:01Z"], "2027-01-01T00:00:00Z is its latest date"),
            (&["HOLDFOR=0"], "it must be 1 to 999999999 seconds"),
            (&["HOLDFOR=007"], "it must be 1 to 999999999 seconds"),
            (&["HOLDFOR"], "it must be 1 to 999999999 seconds"),
            (&["HOLDUNTIL=soon"], "it must be like 2026-01-02T03:04:05Z, in UTC"),
            (
                &["HOLDFOR=1", "holduntil=2026-12-01T00:00:00Z"],
                "HOLDFOR and HOLDUNTIL exclude each other",
            ),
            (
                &["HOLDUNTIL=2026-12-01T00:00:00Z", "HOLDFOR=1"],
                "HOLDFOR and HOLDUNTIL exclude each other",
            ),
            (&["HOLDFOR=60", "BY=60;R"], "BY=60;R ends before the mail is let go"),
        ] {
            assert_eq!(refused(params).as_deref(), Some(reason), "{params:?}");
        }
        for params in [
            &["holdfor=3600", "SIZE=1"][..],
            &["HOLDUNTIL=2027-01-01T00:00:00Z"],
            &["HOLDFOR=60", "BY=61;R"],
        ] {
            assert_eq!(refused(params), None, "{params:?}");
        }
    }

    #[test]
    fn c_061_seconds_keep_to_their_range() {
        for seconds in [0, 1_000_000_000, u32::MAX] {
            assert_eq!(
                Hold::for_seconds(seconds).unwrap_err().to_string(),
                format!(r#"hold "{seconds}": it must be 1 to 999999999 seconds"#)
            );
        }
        assert!(Hold::until(UNIX_EPOCH - Duration::from_secs(1)).is_err());
    }

    #[test]
    fn is_written_as_the_parameter_says_it() {
        let until = Hold::until(at(NEW_YEAR) + Duration::from_millis(999)).unwrap();
        for (hold, text) in [
            (Hold::for_seconds(1).unwrap(), "HOLDFOR=1"),
            (Hold::for_seconds(999_999_999).unwrap(), "HOLDFOR=999999999"),
            (until, "HOLDUNTIL=2027-01-01T00:00:00Z"),
        ] {
            assert_eq!(hold.to_string(), text);
            let param = Param::from(MailParam::hold(hold));
            assert_eq!(param, text.parse().unwrap());
            assert_eq!(Hold::of(&param).unwrap(), hold);
        }
    }
}
