//! DSN (RFC 3461): what reports about a mail are wanted, and what they are to name it by. The
//! address that a recipient was first given is in `dsn/original_recipient`.
//!
//! ```abnf
//! ret-param    = "RET=" ( "FULL" / "HDRS" )
//! envid-param  = "ENVID=" xtext                                 ; at most 100 characters
//! notify-param = "NOTIFY=" ( "NEVER" / event *( "," event ) )
//! event        = "SUCCESS" / "FAILURE" / "DELAY"
//! orcpt-param  = "ORCPT=" addr-type ";" xtext                   ; at most 500 characters
//! ```

mod original_recipient;

use std::fmt;
use std::ops::{BitOr, BitOrAssign};
use std::str::FromStr;

pub use self::original_recipient::OriginalRecipient;
use super::{Extension, MailParam, RcptParam};
use crate::wire::{EMPTY, InvalidValue, Param, xtext};

/// The server reports on mails as it is asked to.
///
/// To a server that does not offer it the parameters cannot be said: whoever relays a mail leaves
/// them out then, and reports itself that it was relayed where success was asked for (RFC 3461
/// §5.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dsn;

impl Extension for Dsn {
    const KEYWORD: &'static str = "DSN";
    const MAIL_PARAMS: &'static [&'static str] = &["RET", "ENVID"];
    const RCPT_PARAMS: &'static [&'static str] = &["NOTIFY", "ORCPT"];
    const MAIL_OCTETS: usize = " RET=FULL".len() + " ENVID=".len() + EnvelopeId::MAX;
    const RCPT_OCTETS: usize =
        " NOTIFY=SUCCESS,FAILURE,DELAY".len() + " ORCPT=".len() + OriginalRecipient::MAX;

    fn parse(_params: &str) -> Option<Self> {
        Some(Self)
    }
}

/// How much of a mail a report of its failure sends back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReturnContent {
    /// The whole mail.
    Full,
    /// Its header alone.
    Headers,
}

impl ReturnContent {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Headers => "HDRS",
        }
    }
}

impl FromStr for ReturnContent {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        [Self::Full, Self::Headers]
            .into_iter()
            .find(|content| content.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| InvalidValue::new("content to return", text, "it must be FULL or HDRS"))
    }
}

impl fmt::Display for ReturnContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the sender knows a mail by: it stands in every report about it. At most 100 characters,
/// as they are escaped on the wire (RFC 3461 §4.4).
///
/// ```
/// use ehlo::{EnvelopeId, MailParam};
///
/// let id = EnvelopeId::new("order 7+1")?;
/// assert_eq!(MailParam::envid(&id).to_string(), "ENVID=order+207+2B1");
/// let received: EnvelopeId = "order+207+2b1".parse()?; // to be relayed as it came
/// assert_eq!((received.as_wire(), &*received.value()), ("order+207+2b1", "order 7+1"));
/// # Ok::<(), ehlo::InvalidValue>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EnvelopeId {
    wire: Box<str>,
}

impl EnvelopeId {
    const MAX: usize = 100;

    /// An identifier of its bare text, which is escaped where it needs to be.
    ///
    /// # Errors
    ///
    /// Where it is empty, holds anything but printable ASCII and spaces, or has more than 100
    /// characters once it is escaped.
    pub fn new(text: &str) -> Result<Self, InvalidValue> {
        xtext::encode(text).parse().map_err(|error: InvalidValue| error.within(ENVELOPE_ID, text))
    }

    /// As it goes over the wire, escaped.
    #[must_use]
    pub const fn as_wire(&self) -> &str {
        &self.wire
    }

    /// The bare text.
    #[must_use]
    pub fn value(&self) -> String {
        let decoded = xtext::decode(&self.wire).unwrap_or_default();
        String::from_utf8(decoded).unwrap_or_default()
    }
}

impl FromStr for EnvelopeId {
    type Err = InvalidValue;

    /// Reads the form of the wire, and keeps it to the letter.
    fn from_str(wire: &str) -> Result<Self, InvalidValue> {
        let refuse = |reason| InvalidValue::new(ENVELOPE_ID, wire, reason);
        if wire.is_empty() {
            return Err(refuse(EMPTY));
        }
        if wire.len() > Self::MAX {
            return Err(refuse("it is longer than 100 characters with its escapes"));
        }
        let decoded = xtext::decode(wire).map_err(|error| error.within(ENVELOPE_ID, wire))?;
        match decoded.into_iter().all(is_printable) {
            true => Ok(Self { wire: wire.into() }),
            false => Err(refuse(UNPRINTABLE)),
        }
    }
}

impl fmt::Display for EnvelopeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.wire)
    }
}

/// Of what the sender is told about a recipient: a set, and [`NEVER`](Self::NEVER) is the empty
/// one. Where nothing is said, a server reports failures, and delays as it likes (RFC 3461 §4.1).
///
/// ```
/// use ehlo::{Notify, RcptParam};
///
/// let param = RcptParam::notify(Notify::SUCCESS | Notify::FAILURE);
/// assert_eq!(param.to_string(), "NOTIFY=SUCCESS,FAILURE");
/// assert_eq!(RcptParam::notify(Notify::NEVER).to_string(), "NOTIFY=NEVER");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Notify {
    /// An index of `WORDS`.
    events: usize,
}

impl Notify {
    /// Of nothing.
    pub const NEVER: Self = Self { events: 0 };
    /// When it was delivered.
    pub const SUCCESS: Self = Self { events: 1 };
    /// When it cannot be delivered.
    pub const FAILURE: Self = Self { events: 2 };
    /// When its delivery takes long.
    pub const DELAY: Self = Self { events: 4 };

    /// Whether all of these are in it.
    #[must_use]
    pub const fn contains(self, events: Self) -> bool {
        self.events & events.events == events.events
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_never(self) -> bool {
        self.events == 0
    }

    fn as_str(self) -> &'static str {
        Self::WORDS.get(self.events).copied().unwrap_or_default()
    }

    /// Every set there is.
    const WORDS: [&'static str; 8] = [
        "NEVER",
        "SUCCESS",
        "FAILURE",
        "SUCCESS,FAILURE",
        "DELAY",
        "SUCCESS,DELAY",
        "FAILURE,DELAY",
        "SUCCESS,FAILURE,DELAY",
    ];
}

impl BitOr for Notify {
    type Output = Self;

    /// What is in the one or the other.
    fn bitor(self, other: Self) -> Self {
        Self { events: self.events | other.events }
    }
}

impl BitOrAssign for Notify {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

impl FromStr for Notify {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        if text.eq_ignore_ascii_case("NEVER") {
            return Ok(Self::NEVER);
        }
        text.split(',').try_fold(Self::NEVER, |events, word| {
            let event = match &*word.to_ascii_uppercase() {
                "SUCCESS" => Self::SUCCESS,
                "FAILURE" => Self::FAILURE,
                "DELAY" => Self::DELAY,
                "NEVER" => return Err(InvalidValue::new(NOTIFY, text, "NEVER stands alone")),
                _ => {
                    let reason = "it must be NEVER, or some of SUCCESS, FAILURE and DELAY";
                    return Err(InvalidValue::new(NOTIFY, text, reason));
                }
            };
            Ok(events | event)
        })
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl MailParam {
    /// `RET=`: how much of the mail a report of its failure sends back.
    #[must_use]
    pub const fn ret(content: ReturnContent) -> Self {
        Self(Param::fixed("RET", content.as_str()))
    }

    /// `ENVID=`: what reports name the mail by.
    #[must_use]
    pub fn envid(id: &EnvelopeId) -> Self {
        Self(Param::text("ENVID", id.as_wire()))
    }
}

impl RcptParam {
    /// `NOTIFY=`: of what the sender is told about this recipient.
    #[must_use]
    pub fn notify(events: Notify) -> Self {
        Self(Param::fixed("NOTIFY", events.as_str()))
    }

    /// `ORCPT=`: the address that this recipient was first given.
    #[must_use]
    pub fn orcpt(recipient: &OriginalRecipient) -> Self {
        Self(Param::text("ORCPT", recipient.as_wire()))
    }
}

/// The characters that RFC 3461 §4.2 and §4.4 let stand after the escapes.
const fn is_printable(octet: u8) -> bool {
    octet.is_ascii_graphic() || octet == b' '
}

const ENVELOPE_ID: &str = "envelope identifier";
const NOTIFY: &str = "events to notify of";
const UNPRINTABLE: &str = "only printable ASCII and spaces may stand in it";

#[cfg(test)]
mod tests {
    use super::super::capabilities::tests::offered;
    use super::*;
    use crate::wire::Verb;

    #[test]
    fn c_048_its_parameters_fit_the_line_that_it_makes_longer() {
        let offered = offered(&["DSN"]);
        assert_eq!(offered.get::<Dsn>(), Some(Dsn));
        assert_eq!(offered.line_limit(Verb::Mail), 512 + 107 + 9);
        assert_eq!(offered.line_limit(Verb::Rcpt), 512 + 507 + 29);
    }

    #[test]
    fn content_is_returned_whole_or_not() {
        for (content, text) in
            [(ReturnContent::Full, "RET=FULL"), (ReturnContent::Headers, "RET=HDRS")]
        {
            assert_eq!(Param::from(MailParam::ret(content)), text.parse().unwrap());
            assert_eq!(content.to_string().to_lowercase().parse(), Ok(content));
        }
    }

    #[test]
    fn c_054_an_envelope_identifier_keeps_to_its_length() {
        let longest = "x".repeat(100);
        assert_eq!(EnvelopeId::new(&longest).unwrap().to_string(), longest);
        let words = "it is longer than 100 characters with its escapes";
        for text in ["x".repeat(101), "+".repeat(34)] {
            assert_eq!(
                EnvelopeId::new(&text).unwrap_err().to_string(),
                format!(r#"envelope identifier "{text}": {words}"#)
            );
        }
        assert_eq!(EnvelopeId::new("").unwrap_err().reason(), "it is empty");
        let printable = "only printable ASCII and spaces may stand in it";
        for text in ["a\tb", "a\r\n", "\x7f", "é"] {
            assert_eq!(EnvelopeId::new(text).unwrap_err().reason(), printable, "{text}");
        }
        assert_eq!("a+0D".parse::<EnvelopeId>().unwrap_err().reason(), printable);
    }

    #[test]
    fn an_envelope_identifier_is_relayed_to_the_letter() {
        for (wire, value) in [("a+2bB+3D", "a+B="), ("QQ314159", "QQ314159"), ("+41", "A")] {
            let id: EnvelopeId = wire.parse().unwrap();
            assert_eq!((id.as_wire(), &*id.value(), &*id.to_string()), (wire, value, wire));
            let param = Param::from(MailParam::envid(&id));
            assert_eq!(param, format!("ENVID={wire}").parse().unwrap());
        }
        assert_eq!(
            "a b".parse::<EnvelopeId>().unwrap_err().to_string(),
            r#"envelope identifier "a b": only printable ASCII other than `=` may stand in it"#
        );
        // A number is one value, however the parameter was built.
        let id = EnvelopeId::new("7").unwrap();
        assert_eq!(Param::from(MailParam::envid(&id)), "ENVID=7".parse().unwrap());
    }

    #[test]
    fn c_055_never_stands_alone() {
        for events in 0..8 {
            let notify = Notify { events };
            let text = notify.to_string();
            assert_eq!(text.contains("NEVER"), text == "NEVER");
            assert_eq!(notify.is_never(), text == "NEVER");
            for (event, word) in [
                (Notify::SUCCESS, "SUCCESS"),
                (Notify::FAILURE, "FAILURE"),
                (Notify::DELAY, "DELAY"),
            ] {
                assert_eq!(notify.contains(event), text.contains(word));
            }
            assert_eq!(text.parse::<Notify>().unwrap(), notify);
            assert_eq!(text.to_lowercase().parse::<Notify>().unwrap(), notify);
            let param = Param::from(RcptParam::notify(notify));
            assert_eq!(param, format!("NOTIFY={text}").parse().unwrap());
            let mut gathered = Notify::NEVER;
            gathered |= notify;
            assert_eq!(gathered, notify);
        }
        for text in ["NEVER,SUCCESS", "DELAY,never", "NEVER,NEVER"] {
            let error = text.parse::<Notify>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(r#"events to notify of "{text}": NEVER stands alone"#)
            );
        }
        for text in ["", "SUCCESS,", ",", "SUCCESS DELAY", "ALWAYS"] {
            let reason = "it must be NEVER, or some of SUCCESS, FAILURE and DELAY";
            assert_eq!(text.parse::<Notify>().unwrap_err().reason(), reason, "{text}");
        }
        assert_eq!(
            "delay,SUCCESS,delay".parse::<Notify>().unwrap(),
            Notify::SUCCESS | Notify::DELAY
        );
    }
}
