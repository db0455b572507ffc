//! What XCLIENT and XFORWARD say of a client (Postfix's XCLIENT_README and XFORWARD_README): names
//! with values in xtext. Two kinds, so that one cannot be said by the other command.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::wire::invalid::{CONTROL, EMPTY, try_from_text};
use crate::wire::{InvalidValue, Sink, xtext};

/// The value of an attribute of XCLIENT or XFORWARD: one character or more, no control.
///
/// Addresses and ports become one by `From`; an IPv6 address is written `IPV6:2001:db8::1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AttributeValue {
    text: Box<str>,
    xtext: Box<str>,
}

impl AttributeValue {
    /// `[UNAVAILABLE]`: there is none, and there will be none.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::of(UNAVAILABLE)
    }

    /// `[TEMPUNAVAIL]`: it could not be found out now.
    #[must_use]
    pub fn temporarily_unavailable() -> Self {
        Self::of(TEMPORARILY_UNAVAILABLE)
    }

    /// The value, before xtext.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it stands for a value that is not known, now or at all.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        [UNAVAILABLE, TEMPORARILY_UNAVAILABLE]
            .iter()
            .any(|special| self.text.eq_ignore_ascii_case(special))
    }

    /// The address, where it is one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self.text.split_at_checked(IPV6.len()) {
            Some((tag, address)) if tag.eq_ignore_ascii_case(IPV6) => {
                address.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
            }
            _ => self.text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        }
    }

    /// The text must not be empty or hold a control.
    fn of(text: &str) -> Self {
        Self { text: text.into(), xtext: xtext::encode(text).into() }
    }
}

impl FromStr for AttributeValue {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let reason = if text.is_empty() {
            EMPTY
        } else if text.contains(char::is_control) {
            CONTROL
        } else {
            return Ok(Self::of(text));
        };
        Err(InvalidValue::new("attribute value", text, reason))
    }
}

impl From<IpAddr> for AttributeValue {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of(&address.to_string()),
            IpAddr::V6(address) => Self::of(&format!("{IPV6}{address}")),
        }
    }
}

impl From<u16> for AttributeValue {
    fn from(port: u16) -> Self {
        Self::of(&port.to_string())
    }
}

impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

try_from_text!(AttributeValue);

/// What a value has to be, whatever its command.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Address,
    Port,
    /// One of these words.
    Word(&'static [&'static str], &'static str),
}

impl Kind {
    const PROTO: Self = Self::Word(&["SMTP", "ESMTP"], "it must be SMTP or ESMTP");
    const SOURCE: Self = Self::Word(&["LOCAL", "REMOTE"], "it must be LOCAL or REMOTE");

    fn fault(self, value: &AttributeValue) -> Option<&'static str> {
        let (fits, reason) = match self {
            _ if value.is_unavailable() => return None,
            Self::Text => return None,
            Self::Address => (
                value.address().is_some(),
                "it must be an IPv4 address, or `IPV6:` and one of IPv6",
            ),
            Self::Port => {
                let is_number = value.text.bytes().all(|octet| octet.is_ascii_digit());
                (is_number && value.text.parse::<u16>().is_ok(), "it must be a port")
            }
            Self::Word(words, reason) => {
                (words.iter().any(|word| value.text.eq_ignore_ascii_case(word)), reason)
            }
        };
        (!fits).then_some(reason)
    }
}

/// The names and the attribute of one command.
macro_rules! attributes {
    (
        $command:literal, $(#[$of_name:meta])* $names:ident, $(#[$of_attribute:meta])* $attribute:ident,
        $($(#[$doc:meta])* $name:ident = $word:literal : $kind:expr,)+
    ) => {
        $(#[$of_name])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $names {
            $($(#[$doc])* $name,)+
        }

        impl $names {
            /// Every name.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The name in upper case.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }

            const fn kind(self) -> Kind {
                match self {
                    $(Self::$name => $kind,)+
                }
            }
        }

        impl FromStr for $names {
            type Err = InvalidValue;

            /// In any case.
            fn from_str(word: &str) -> Result<Self, InvalidValue> {
                let is_it = |name: &Self| name.as_str().eq_ignore_ascii_case(word);
                let name = Self::ALL.iter().copied().find(is_it);
                let reason = concat!("it is no attribute of ", $command);
                name.ok_or_else(|| InvalidValue::new("attribute", word, reason))
            }
        }

        impl fmt::Display for $names {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        $(#[$of_attribute])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $attribute {
            name: $names,
            value: AttributeValue,
        }

        impl $attribute {
            /// An attribute: text is written in xtext, an address and a port as they should be.
            ///
            /// # Errors
            ///
            /// Where the text is empty or holds a control, and where the name needs an address, a
            /// port or one of two words and the value is neither that nor unavailable.
            pub fn new<V>(name: $names, value: V) -> Result<Self, InvalidValue>
            where
                V: TryInto<AttributeValue, Error: Into<InvalidValue>>,
            {
                let value = value.try_into().map_err(Into::into)?;
                match name.kind().fault(&value) {
                    None => Ok(Self { name, value }),
                    Some(reason) => {
                        let whole = format!("{name}={value}");
                        Err(InvalidValue::new("attribute", whole, reason))
                    }
                }
            }

            /// The name.
            #[must_use]
            pub const fn name(&self) -> $names {
                self.name
            }

            /// The value.
            #[must_use]
            pub const fn value(&self) -> &AttributeValue {
                &self.value
            }

            pub(super) fn write_to<S: Sink>(&self, sink: S) -> S {
                let sink = sink.put(b" ").put(self.name.as_str().as_bytes());
                sink.put(b"=").put(self.value.xtext.as_bytes())
            }

            /// What keeps these from being said by one command: there has to be one, and each name
            /// once.
            pub(super) fn fault(attributes: &[Self]) -> Option<InvalidValue> {
                if attributes.is_empty() {
                    return Some(InvalidValue::new("command", $command, "it has no attribute"));
                }
                let repeated = attributes.iter().enumerate().find(|(count, attribute)| {
                    let mut earlier = attributes.iter().take(*count);
                    earlier.any(|other| other.name == attribute.name)
                });
                let reason = "its name is given twice in one command";
                repeated.map(|(_, it)| InvalidValue::new("attribute", it.to_string(), reason))
            }
        }

        impl FromStr for $attribute {
            type Err = InvalidValue;

            /// ```text
            /// attribute = name "=" xtext
            /// ```
            fn from_str(text: &str) -> Result<Self, InvalidValue> {
                let within = |error: InvalidValue| error.within("attribute", text);
                let Some((name, value)) = text.split_once('=') else {
                    let reason = "it has no `=` and no value";
                    return Err(InvalidValue::new("attribute", text, reason));
                };
                let name = name.parse().map_err(within)?;
                let value = String::from_utf8(xtext::decode(value).map_err(within)?);
                let Ok(value) = value else {
                    let reason = "its value is not UTF-8";
                    return Err(InvalidValue::new("attribute", text, reason));
                };
                Self::new(name, value).map_err(within)
            }
        }

        /// As it goes over the wire.
        impl fmt::Display for $attribute {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}={}", self.name, self.value.xtext)
            }
        }

        try_from_text!($attribute);
    };
}

attributes! {
    "XCLIENT",
    /// What XCLIENT can say of a client. Which of it a server takes is in its offer, [`Xclient`].
    ///
    /// [`Xclient`]: crate::Xclient
    XclientName,
    /// What XCLIENT says of a client: a name and a value.
    ///
    /// ```
    /// use std::net::IpAddr;
    ///
    /// use ehlo::{AttributeValue, Command, XclientAttribute, XclientName};
    ///
    /// let address = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]);
    /// let command = Command::xclient(vec![
    ///     XclientAttribute::new(XclientName::Addr, address)?,
    ///     XclientAttribute::new(XclientName::Name, AttributeValue::unavailable())?,
    ///     XclientAttribute::new(XclientName::Login, "joe+a")?,
    /// ])?;
    /// assert_eq!(
    ///     command.to_string(),
    ///     "XCLIENT ADDR=IPV6:2001:db8::1 NAME=[UNAVAILABLE] LOGIN=joe+2Ba"
    /// );
    /// # Ok::<(), ehlo::InvalidValue>(())
    /// ```
    XclientAttribute,
    /// The client's host name, as its address was looked up.
    Name = "NAME": Kind::Text,
    /// The client's address.
    Addr = "ADDR": Kind::Address,
    /// The client's port.
    Port = "PORT": Kind::Port,
    /// `SMTP` or `ESMTP`: whether the client said HELO or EHLO.
    Proto = "PROTO": Kind::PROTO,
    /// What the client calls itself in HELO or EHLO.
    Helo = "HELO": Kind::Text,
    /// As whom the client authenticated.
    Login = "LOGIN": Kind::Text,
    /// The address that the client connected to.
    DestAddr = "DESTADDR": Kind::Address,
    /// The port that the client connected to.
    DestPort = "DESTPORT": Kind::Port,
}

attributes! {
    "XFORWARD",
    /// What XFORWARD can say of where a mail came from. Which of it a server takes is in its offer,
    /// [`Xforward`].
    ///
    /// [`Xforward`]: crate::Xforward
    XforwardName,
    /// What XFORWARD says of where a mail came from: a name and a value.
    ///
    /// ```
    /// use ehlo::{Command, XforwardAttribute, XforwardName};
    ///
    /// let ident = XforwardAttribute::new(XforwardName::Ident, "3F4A1")?;
    /// assert_eq!(Command::xforward(vec![ident])?.to_string(), "XFORWARD IDENT=3F4A1");
    /// assert!(XforwardAttribute::new(XforwardName::Source, "ELSEWHERE").is_err());
    /// # Ok::<(), ehlo::InvalidValue>(())
    /// ```
    XforwardAttribute,
    /// The client's host name.
    Name = "NAME": Kind::Text,
    /// The client's address.
    Addr = "ADDR": Kind::Address,
    /// The client's port.
    Port = "PORT": Kind::Port,
    /// `SMTP` or `ESMTP`.
    Proto = "PROTO": Kind::PROTO,
    /// What the client calls itself in HELO or EHLO.
    Helo = "HELO": Kind::Text,
    /// The mail's name in the queue of the host before.
    Ident = "IDENT": Kind::Text,
    /// `LOCAL` or `REMOTE`: on which side of the filter it arose.
    Source = "SOURCE": Kind::SOURCE,
}

const UNAVAILABLE: &str = "[UNAVAILABLE]";
const TEMPORARILY_UNAVAILABLE: &str = "[TEMPUNAVAIL]";
const IPV6: &str = "IPV6:";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, reason: &str) {
        let error = text.parse::<XclientAttribute>().unwrap_err();
        assert_eq!((error.what(), error.reason()), ("attribute", reason), "{text:?}");
    }

    #[test]
    fn every_name_is_known_by_its_word_in_any_case() {
        for &name in XclientName::ALL {
            assert_eq!(name.to_string().to_lowercase().parse(), Ok(name));
        }
        for &name in XforwardName::ALL {
            assert_eq!(name.to_string().to_lowercase().parse(), Ok(name));
        }
        assert_eq!(
            "IDENT".parse::<XclientName>().unwrap_err().to_string(),
            "attribute \"IDENT\": it is no attribute of XCLIENT"
        );
        assert_eq!(
            "LOGIN".parse::<XforwardName>().unwrap_err().to_string(),
            "attribute \"LOGIN\": it is no attribute of XFORWARD"
        );
    }

    #[test]
    fn values_are_written_in_xtext() {
        let written = |name, value: &str| XclientAttribute::new(name, value).unwrap().to_string();
        assert_eq!(written(XclientName::Helo, "a b+c=d"), "HELO=a+20b+2Bc+3Dd");
        assert_eq!(written(XclientName::Login, "ü"), "LOGIN=+C3+BC");
        assert_eq!(written(XclientName::Name, "[TEMPUNAVAIL]"), "NAME=[TEMPUNAVAIL]");
        let read: XclientAttribute = "login=+C3+BC".parse().unwrap();
        assert_eq!((read.name(), read.value().as_str()), (XclientName::Login, "ü"));
        assert_eq!(read.value().to_string(), "ü");
    }

    #[test]
    fn addresses_and_ports_are_written_as_they_should_be() {
        let value = |value: IpAddr| XclientAttribute::new(XclientName::DestAddr, value).unwrap();
        let v4 = IpAddr::from([192, 0, 2, 1]);
        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        assert_eq!(value(v4).to_string(), "DESTADDR=192.0.2.1");
        assert_eq!(value(v6).to_string(), "DESTADDR=IPV6:2001:db8::1");
        assert_eq!(value(v6).value().address(), Some(v6));
        assert_eq!(value(v4).value().address(), Some(v4));
        let read: XforwardAttribute = "ADDR=ipv6:2001:DB8::1".parse().unwrap();
        assert_eq!(read.value().address(), Some(v6));
        let port = XforwardAttribute::new(XforwardName::Port, 65_535_u16).unwrap();
        assert_eq!(port.to_string(), "PORT=65535");
        assert_eq!(port.value().address(), None);
    }

    #[test]
    fn what_is_not_known_goes_with_any_name() {
        for value in [AttributeValue::unavailable(), AttributeValue::temporarily_unavailable()] {
            assert!(value.is_unavailable());
            for &name in XclientName::ALL {
                assert!(XclientAttribute::new(name, value.clone()).is_ok());
            }
        }
        assert!(!AttributeValue::from(25_u16).is_unavailable());
    }

    #[test]
    fn refuses_with_these_words() {
        let address = "it must be an IPv4 address, or `IPV6:` and one of IPv6";
        refused("ADDR", "it has no `=` and no value");
        refused("X=1", "it is no attribute of XCLIENT");
        refused("NAME=", "it is empty");
        refused("NAME=a+0D+0AQUIT", "a control character cannot be sent");
        refused("NAME=+FF", "its value is not UTF-8");
        refused("NAME=a+2", "a `+` must be followed by two hexadecimal digits");
        refused("NAME=a b", "only printable ASCII other than `=` may stand in it");
        for wrong in ["x", "2001:db8::1", "[192.0.2.1]", "IPV6:192.0.2.1", "IPV6:", "192.0.2.256"] {
            refused(&format!("ADDR={wrong}"), address);
        }
        for wrong in ["65536", "+2B25", "-1", "smtp"] {
            refused(&format!("PORT={wrong}"), "it must be a port");
        }
        refused("PROTO=LMTP", "it must be SMTP or ESMTP");
        assert_eq!(
            "SOURCE=x".parse::<XforwardAttribute>().unwrap_err().to_string(),
            "attribute \"SOURCE=x\": it must be LOCAL or REMOTE"
        );
        assert_eq!(
            XclientAttribute::new(XclientName::Name, "a\r\nQUIT").unwrap_err().to_string(),
            r#"attribute value "a\x0d\x0aQUIT": a control character cannot be sent"#
        );
    }
}
