//! RRVS (RFC 7293): a mail for the owner that an address has had since a date, and for no later
//! one.
//!
//! ```abnf
//! rrvs-param = "RRVS=" date [ ";" ( "C" / "R" ) ]
//! date       = <date-time of RFC 3339, without a fraction of a second>
//! ```

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use super::{Extension, RcptParam};
use crate::wire::{Date, InvalidValue, Param};

/// The server looks whether an address has changed hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rrvs;

impl Extension for Rrvs {
    const KEYWORD: &'static str = "RRVS";
    const RCPT_PARAMS: &'static [&'static str] = &["RRVS"];
    const RCPT_OCTETS: usize = 33;

    fn parse(_params: &str) -> Option<Self> {
        Some(Self)
    }
}

/// Since when the owner of an address must have been the same. A server on the way that cannot
/// tell sends the mail back, unless [told to go on](Self::or_continue).
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
///
/// use ehlo::{RcptParam, ValidSince};
///
/// let since = ValidSince::new(UNIX_EPOCH + Duration::from_secs(1_767_323_045))?;
/// assert_eq!(RcptParam::rrvs(since).to_string(), "RRVS=2026-01-02T03:04:05Z;R");
/// assert_eq!(since.or_continue().to_string(), "2026-01-02T03:04:05Z;C");
/// # Ok::<(), ehlo::InvalidValue>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ValidSince {
    date: Date,
    goes_on: bool,
}

impl ValidSince {
    /// Since a date; what is left of a second is cut off.
    ///
    /// # Errors
    ///
    /// Where it is before 1970 or after 9999.
    pub fn new(date: SystemTime) -> Result<Self, InvalidValue> {
        Ok(Self { date: Date::new(date)?, goes_on: false })
    }

    /// The same, and the mail is passed on even to a server that does not offer RRVS.
    #[must_use]
    pub const fn or_continue(self) -> Self {
        Self { goes_on: true, ..self }
    }
}

impl FromStr for ValidSince {
    type Err = InvalidValue;

    /// As it stands in a parameter; without a letter after the date the mail goes back (RFC 7293
    /// §3.1).
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let (date, action) = text.split_once(';').unwrap_or((text, "R"));
        let goes_on = action.eq_ignore_ascii_case("C");
        if !goes_on && !action.eq_ignore_ascii_case("R") {
            let reason = "C or R must stand behind the date";
            return Err(InvalidValue::new("date with an action", text, reason));
        }
        Ok(Self { date: date.parse()?, goes_on })
    }
}

impl fmt::Display for ValidSince {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = if self.goes_on { 'C' } else { 'R' };
        write!(f, "{};{action}", self.date)
    }
}

impl RcptParam {
    /// `RRVS=`: since when the owner of the address must have been the same.
    #[must_use]
    pub fn rrvs(since: ValidSince) -> Self {
        Self(Param::text("RRVS", since.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::super::capabilities::tests::offered;
    use super::*;
    use crate::wire::Verb;

    #[test]
    fn c_062_dates_have_no_fractions() {
        let date = UNIX_EPOCH + Duration::from_millis(1_767_323_045_678);
        let since = ValidSince::new(date).unwrap();
        for (since, text) in [
            (since, "RRVS=2026-01-02T03:04:05Z;R"),
            (since.or_continue(), "RRVS=2026-01-02T03:04:05Z;C"),
        ] {
            let param = RcptParam::rrvs(since);
            assert_eq!(param.to_string(), text);
            assert_eq!(Param::from(param), text.parse().unwrap());
            assert_eq!(since.to_string().parse(), Ok(since));
        }
        assert_eq!("2026-01-02T03:04:05Z".parse(), Ok(since));
        let error = "2026-01-02T03:04:05Z;X".parse::<ValidSince>().unwrap_err();
        assert_eq!(error.reason(), "C or R must stand behind the date");
        let error = ValidSince::new(UNIX_EPOCH - Duration::from_secs(1)).unwrap_err();
        assert_eq!(error.reason(), "it must lie in the years from 1970 to 9999");
    }

    #[test]
    fn adds_to_the_line_of_a_recipient() {
        let offered = offered(&["RRVS"]);
        assert_eq!(offered.get::<Rrvs>(), Some(Rrvs));
        assert_eq!(offered.line_limit(Verb::Rcpt), 512 + 33);
    }
}
