//! MTRK (RFC 3885): lets whoever knows a secret ask later what became of a mail.
//!
//! ```abnf
//! param = "MTRK=" certifier [ ":" timeout ]
//! certifier = 27base64-char                   ; of 20 octets; "=" cannot stand in a value
//! timeout = 1*9DIGIT                          ; seconds
//! ```

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::{Extension, MailParam};
use crate::wire::{InvalidValue, Param};

/// The server keeps what became of a mail for who tracks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mtrk;

impl Extension for Mtrk {
    const KEYWORD: &'static str = "MTRK";
    const MAIL_PARAMS: &'static [&'static str] = &["MTRK"];
    const MAIL_OCTETS: usize = 40;

    fn parse(_params: &str) -> Option<Self> {
        Some(Self)
    }

    /// A mail without an ENVID cannot be asked about.
    fn refuses(&self, _param: &Param, all: &[Param]) -> Option<String> {
        let has_id = all.iter().any(|param| param.is("ENVID"));
        (!has_id).then(|| "it needs an ENVID beside it".to_owned())
    }
}

impl MailParam {
    /// `MTRK=`: the certifier, which is the SHA-1 digest of a secret of 128 to 1024 bits, and for
    /// how long the mail is to be trackable, in whole seconds; without it the server decides.
    ///
    /// It needs an `ENVID` beside it, `local@host`, which is never used again; and it goes to one
    /// recipient only (RFC 3885).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let param = ehlo::MailParam::mtrk([7; 20], Some(Duration::from_secs(86_400)))?;
    /// assert_eq!(param.to_string(), "MTRK=BwcHBwcHBwcHBwcHBwcHBwcHBwc:86400");
    /// # Ok::<(), ehlo::InvalidValue>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where the timeout is less than a second or has more than 9 digits.
    pub fn mtrk(certifier: [u8; 20], timeout: Option<Duration>) -> Result<Self, InvalidValue> {
        let mut value = STANDARD_NO_PAD.encode(certifier);
        if let Some(seconds) = timeout.map(|timeout| timeout.as_secs()) {
            if !(1..=MOST_SECONDS).contains(&seconds) {
                let reason = "it must be 1 to 999999999 seconds";
                return Err(InvalidValue::new("tracking timeout", seconds.to_string(), reason));
            }
            value += &format!(":{seconds}");
        }
        // 27 characters never read as a number of 64 bits.
        Param::with_value("MTRK", &value).map(Self)
    }
}

/// Nine digits: about 31 years.
const MOST_SECONDS: u64 = 999_999_999;

#[cfg(test)]
mod tests {
    use super::super::capabilities::tests::offered;
    use super::*;
    use crate::wire::Verb;

    #[test]
    fn writes_27_characters_and_a_timeout() {
        let written = |certifier, timeout: Option<u64>| {
            MailParam::mtrk(certifier, timeout.map(Duration::from_secs)).unwrap().to_string()
        };
        assert_eq!(written([0; 20], None), format!("MTRK={}", "A".repeat(27)));
        assert_eq!(written([0xff; 20], Some(1)), format!("MTRK={}8:1", "/".repeat(26)));
        let longest = written([0; 20], Some(999_999_999));
        assert!(longest.len() < Mtrk::MAIL_OCTETS + "MTRK".len());
        assert_eq!(longest.rsplit_once(':').map(|(_, timeout)| timeout), Some("999999999"));
    }

    #[test]
    fn refuses_timeouts_that_cannot_be_written() {
        for millis in [0, 999, 1_000_000_000_000] {
            let error = MailParam::mtrk([0; 20], Some(Duration::from_millis(millis))).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("tracking timeout \"{}\": it must be 1 to 999999999 seconds", millis / 1000)
            );
        }
    }

    #[test]
    fn needs_an_envid_beside_it() {
        let mtrk = || Param::from(MailParam::mtrk([0; 20], None).unwrap());
        let envid = || Param::with_value("envid", "1@example.org").unwrap();
        assert_eq!(Mtrk.refuses(&mtrk(), &[mtrk(), envid()]), None);
        assert_eq!(
            Mtrk.refuses(&mtrk(), &[mtrk()]),
            Some("it needs an ENVID beside it".to_owned())
        );
    }

    #[test]
    fn is_offered() {
        assert_eq!(offered(&["MTRK"]).get::<Mtrk>(), Some(Mtrk));
        assert_eq!(offered(&["MTRK"]).line_limit(Verb::Mail), 512 + 40);
    }
}
