//! DELIVERBY (RFC 2852): by when a mail has to be there, and what becomes of it if it is not.
//!
//! ```abnf
//! deliver-by-offer = "DELIVERBY" [ SP [ 1*9DIGIT ] *( "," token ) ]
//! by-param         = "BY=" by-time ";" by-mode [ "T" ]
//! by-time          = [ "-" / "+" ] 1*9DIGIT               ; seconds from now
//! by-mode          = "N" / "R"
//! ```

use std::fmt;
use std::str::FromStr;

use super::{Extension, MailParam};
use crate::wire::{InvalidValue, Param};

/// The server takes times by which to deliver, and may say which is the shortest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliverBy {
    minimum: Option<u32>,
}

impl DeliverBy {
    /// The fewest seconds that the server takes for a mail that is to be returned in time.
    #[must_use]
    pub const fn minimum(&self) -> Option<u32> {
        self.minimum
    }

    /// Whether the time is not below the minimum, which holds for mails to be returned alone
    /// (RFC 2852 §4).
    #[must_use]
    pub fn covers(&self, by: ByTime) -> bool {
        !by.is_return() || self.minimum.is_none_or(|least| i64::from(by.seconds()) >= least.into())
    }
}

impl Extension for DeliverBy {
    const KEYWORD: &'static str = "DELIVERBY";
    const MAIL_PARAMS: &'static [&'static str] = &["BY"];
    const MAIL_OCTETS: usize = 17;

    /// Tokens after the minimum are for extensions of the extension, and ignored.
    fn parse(params: &str) -> Option<Self> {
        let minimum = params.split(',').next().unwrap_or_default();
        match minimum {
            "" => Some(Self { minimum: None }),
            _ => Some(Self { minimum: Some(seconds(minimum)?) }),
        }
    }

    fn refuses(&self, param: &Param, _all: &[Param]) -> Option<String> {
        match super::read::<ByTime>(param) {
            Err(reason) => Some(reason),
            Ok(by) if self.covers(by) => None,
            Ok(_) => Some(format!("{} seconds are its minimum", self.minimum?)),
        }
    }
}

/// A time by which to deliver, in seconds from when it is sent to the server, and what to do when
/// it has passed.
///
/// Whoever keeps a mail before sending it takes the time that has passed meanwhile off.
///
/// ```
/// use ehlo::{ByTime, MailParam};
///
/// let param = MailParam::by(ByTime::or_return(120)?);
/// assert_eq!(param.to_string(), "BY=120;R");
/// let param = MailParam::by(ByTime::or_notify(-3600)?.with_trace());
/// assert_eq!(param.to_string(), "BY=-3600;NT");
/// # Ok::<(), ehlo::InvalidValue>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ByTime {
    seconds: i32,
    is_return: bool,
    is_traced: bool,
}

impl ByTime {
    /// Deliver within so many seconds, or send the mail back: 1 to 999,999,999.
    ///
    /// # Errors
    ///
    /// Where the seconds are 0 or over 999,999,999.
    pub fn or_return(seconds: u32) -> Result<Self, InvalidValue> {
        let by = seconds.try_into().ok().map(|seconds| (seconds, true));
        Self::checked(by).map_err(|reason| InvalidValue::new(TIME, seconds.to_string(), reason))
    }

    /// Deliver within so many seconds, or tell the sender and go on: -999,999,999 to 999,999,999.
    /// What is below 1 has passed, which a mail on its way may have.
    ///
    /// # Errors
    ///
    /// Where there are more than 999,999,999 seconds on either side of 0.
    pub fn or_notify(seconds: i32) -> Result<Self, InvalidValue> {
        Self::checked(Some((seconds, false)))
            .map_err(|reason| InvalidValue::new(TIME, seconds.to_string(), reason))
    }

    /// The same, and the sender is told of each server on the way.
    #[must_use]
    pub const fn with_trace(self) -> Self {
        Self { is_traced: true, ..self }
    }

    /// The seconds that are left; below 1 where the time has passed.
    #[must_use]
    pub const fn seconds(self) -> i32 {
        self.seconds
    }

    /// Whether the mail is sent back when the time has passed.
    #[must_use]
    pub const fn is_return(self) -> bool {
        self.is_return
    }

    /// Whether the sender is told of each server on the way.
    #[must_use]
    pub const fn is_traced(self) -> bool {
        self.is_traced
    }

    fn checked(by: Option<(i32, bool)>) -> Result<Self, &'static str> {
        match by {
            Some((..=0, true)) => Err("a mail to be returned needs at least 1 second"),
            Some((seconds @ MIN_SECONDS..=MAX_SECONDS, is_return)) => {
                Ok(Self { seconds, is_return, is_traced: false })
            }
            _ => Err("999,999,999 seconds are the most"),
        }
    }
}

impl FromStr for ByTime {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let refuse = |reason| InvalidValue::new(TIME, text, reason);
        let (by, is_traced) = read(text).ok_or_else(|| {
            refuse("it must be up to nine digits, `;`, `N` or `R`, and `T` for a trace")
        })?;
        let by = Self::checked(Some(by)).map_err(refuse)?;
        Ok(Self { is_traced, ..by })
    }
}

/// Seconds, whether to return, whether to trace.
fn read(text: &str) -> Option<((i32, bool), bool)> {
    let (time, mode) = text.split_once(';')?;
    let (sign, digits) = match time.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, time.strip_prefix('+').unwrap_or(time)),
    };
    let seconds = sign * i32::try_from(seconds(digits)?).ok()?;
    let (is_return, is_traced) = match mode.to_ascii_uppercase().as_str() {
        "N" => (false, false),
        "NT" => (false, true),
        "R" => (true, false),
        "RT" => (true, true),
        _ => return None,
    };
    Some(((seconds, is_return), is_traced))
}

/// ```abnf
/// seconds = 1*9DIGIT
/// ```
fn seconds(digits: &str) -> Option<u32> {
    let is_lawful =
        digits.len() <= MAX_DIGITS && digits.bytes().all(|octet| octet.is_ascii_digit());
    digits.parse().ok().filter(|_| is_lawful)
}

impl fmt::Display for ByTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.is_return { 'R' } else { 'N' };
        let trace = if self.is_traced { "T" } else { "" };
        write!(f, "{};{mode}{trace}", self.seconds)
    }
}

impl MailParam {
    /// `BY=`: by when to deliver, and what to do otherwise.
    #[must_use]
    pub fn by(by: ByTime) -> Self {
        Self(Param::text("BY", by.to_string()))
    }
}

const TIME: &str = "time to deliver by";
/// Nine digits (RFC 2852 §4).
const MAX_SECONDS: i32 = 999_999_999;
const MIN_SECONDS: i32 = -MAX_SECONDS;
const MAX_DIGITS: usize = 9;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::capabilities::tests::offered;
    use super::*;

    #[track_caller]
    fn refused(by: Result<ByTime, InvalidValue>) -> String {
        by.unwrap_err().to_string()
    }

    #[test]
    fn c_059_a_mail_to_be_returned_needs_a_time_above_zero() {
        let words = "a mail to be returned needs at least 1 second";
        assert_eq!(refused(ByTime::or_return(0)), format!(r#"time to deliver by "0": {words}"#));
        for text in ["0;R", "-1;R", "+0;rt"] {
            assert_eq!(
                refused(text.parse()),
                format!(r#"time to deliver by "{text}": {words}"#)
            );
        }
        assert_eq!(ByTime::or_return(1).unwrap().to_string(), "1;R");
        assert_eq!(ByTime::or_notify(0).unwrap().to_string(), "0;N");
        assert_eq!(ByTime::or_return(60).unwrap().with_trace().to_string(), "60;RT");
        assert_eq!(ByTime::or_notify(-999_999_999).unwrap().seconds(), -999_999_999);
        for by in [
            ByTime::or_return(1_000_000_000),
            ByTime::or_return(u32::MAX),
            ByTime::or_notify(1_000_000_000),
            ByTime::or_notify(-1_000_000_000),
            ByTime::or_notify(i32::MIN),
        ] {
            assert_eq!(by.unwrap_err().reason(), "999,999,999 seconds are the most");
        }
    }

    #[test]
    fn c_059_a_mail_to_be_returned_keeps_to_the_minimum() {
        let offer = offered(&["DELIVERBY 60"]).get::<DeliverBy>().unwrap();
        assert!(!offer.covers(ByTime::or_return(59).unwrap()));
        assert!(offer.covers(ByTime::or_return(60).unwrap()));
        assert!(offer.covers(ByTime::or_notify(-5).unwrap()));
        let open = offered(&["DELIVERBY"]).get::<DeliverBy>().unwrap();
        assert!(open.covers(ByTime::or_return(1).unwrap()));
    }

    #[test]
    fn c_026_a_malformed_minimum_disables_the_extension() {
        let minimum = |line: &str| offered(&[line]).get::<DeliverBy>().map(|offer| offer.minimum());
        assert_eq!(minimum("DELIVERBY"), Some(None));
        assert_eq!(minimum("DELIVERBY 0"), Some(Some(0)));
        assert_eq!(minimum("deliverby 999999999"), Some(Some(999_999_999)));
        assert_eq!(minimum("DELIVERBY ,X"), Some(None));
        assert_eq!(minimum("DELIVERBY 120,X,Y=2"), Some(Some(120)));
        for line in ["DELIVERBY 1000000000", "DELIVERBY -1", "DELIVERBY +1", "DELIVERBY 1 2"] {
            assert_eq!(minimum(line), None, "{line}");
        }
    }

    #[test]
    fn is_read_without_case() {
        for (text, written) in [
            ("120;R", "120;R"),
            ("+120;r", "120;R"),
            ("-3600;nT", "-3600;NT"),
            ("000000001;Rt", "1;RT"),
            ("-0;N", "0;N"),
        ] {
            assert_eq!(text.parse::<ByTime>().unwrap().to_string(), written);
        }
        for text in ["", "1", "1;", "1;T", "1;X", "1;RN", ";R", "-;N", "1000000000;N", "--1;N"] {
            assert_eq!(
                refused(text.parse()),
                format!(
                    r#"time to deliver by "{text}": it must be up to nine digits, `;`, `N` or `R`, and `T` for a trace"#
                )
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn is_read_back(seconds in MIN_SECONDS..=MAX_SECONDS, mode in "[NR]T?") {
            let text = format!("{seconds};{mode}");
            if let Ok(by) = text.parse::<ByTime>() {
                prop_assert_eq!(by.to_string(), text.clone());
                prop_assert_eq!(by.is_traced(), mode.ends_with('T'));
                let param = Param::from(MailParam::by(by));
                prop_assert!(param.to_string().len() < DeliverBy::MAIL_OCTETS);
                prop_assert_eq!(param, Param::with_value("BY", &text).unwrap());
            } else {
                prop_assert!(seconds <= 0 && mode.starts_with('R'));
            }
        }
    }
}
