//! 8BITMIME (RFC 6152): text with octets above 127, declared with BODY.
//!
//! ```abnf
//! body-param = "BODY=" ( "7BIT" / "8BITMIME" / "BINARYMIME" )   ; the last by RFC 3030
//! ```

use std::fmt;
use std::str::FromStr;

use super::{Extension, MailParam};
use crate::wire::{InvalidValue, Param};

/// The server takes text with octets above 127.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EightBitMime;

impl Extension for EightBitMime {
    const KEYWORD: &'static str = "8BITMIME";
    const MAIL_PARAMS: &'static [&'static str] = &["BODY"];
    const MAIL_OCTETS: usize = " BODY=8BITMIME".len();

    fn parse(_params: &str) -> Option<Self> {
        Some(Self)
    }
}

/// What the octets of a content are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BodyType {
    /// Lines of octets up to 127.
    SevenBit,
    /// Lines of any octets but NUL.
    EightBitMime,
    /// Any octets; over BDAT alone, and needs BINARYMIME and CHUNKING (RFC 3030).
    BinaryMime,
}

impl BodyType {
    const ALL: [Self; 3] = [Self::SevenBit, Self::EightBitMime, Self::BinaryMime];

    const fn value(self) -> &'static str {
        match self {
            Self::SevenBit => "7BIT",
            Self::EightBitMime => "8BITMIME",
            Self::BinaryMime => "BINARYMIME",
        }
    }

    /// The type that a BODY parameter declares.
    #[inline]
    pub(crate) fn of(param: &Param) -> Option<Self> {
        if !param.is("BODY") {
            return None;
        }
        param.value()?.parse().ok()
    }
}

impl FromStr for BodyType {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let reason = "it must be 7BIT, 8BITMIME or BINARYMIME";
        Self::ALL
            .into_iter()
            .find(|body| body.value().eq_ignore_ascii_case(text))
            .ok_or_else(|| InvalidValue::new("body type", text, reason))
    }
}

impl fmt::Display for BodyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.value())
    }
}

impl MailParam {
    /// `BODY=`: what the octets of the content are.
    #[must_use]
    pub const fn body(body: BodyType) -> Self {
        Self(Param::fixed("BODY", body.value()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declares_what_the_octets_are() {
        for (body, text) in [
            (BodyType::SevenBit, "BODY=7BIT"),
            (BodyType::EightBitMime, "BODY=8BITMIME"),
            (BodyType::BinaryMime, "BODY=BINARYMIME"),
        ] {
            let param = MailParam::body(body);
            assert_eq!(param.to_string(), text);
            assert_eq!(BodyType::of(&param.into()), Some(body));
            assert_eq!(body.to_string().to_lowercase().parse(), Ok(body));
        }
        let error = "9BIT".parse::<BodyType>().unwrap_err();
        assert_eq!(error.reason(), "it must be 7BIT, 8BITMIME or BINARYMIME");
        let other = Param::with_value("BODY", "9BIT").unwrap();
        assert_eq!(BodyType::of(&other), None);
        assert_eq!(BodyType::of(&MailParam::size(7).into()), None);
    }

    #[test]
    fn adds_its_parameter_to_the_line() {
        assert_eq!(EightBitMime::MAIL_OCTETS, 14);
    }
}
