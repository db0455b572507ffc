//! ORCPT: the address that a recipient was first given, in xtext or, where it is not ASCII, by
//! RFC 6533.
//!
//! ```abnf
//! orcpt         = addr-type ";" ( xtext / utf-8-addr )    ; the latter for the type "utf-8"
//! addr-type     = 1*CHAR                                  ; an atom of RFC 822, without "="
//! utf-8-addr    = 1*( QCHAR / UTF8-non-ascii / escape )
//! escape        = "\x{" 2*6HEXDIG "}"
//! QCHAR         = %x21-2A / %x2C-3C / %x3E-5B / %x5D-7E   ; printable but "+", "=" and "\"
//! ```

use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;

use super::{UNPRINTABLE, is_printable};
use crate::wire::{CONTROL, EMPTY, ForwardPath, InvalidValue, xtext};

/// The address that a recipient was first given, whatever it has become since: reports name it.
/// At most 500 octets on the wire, its type included (RFC 3461 §4.2).
///
/// ```
/// use ehlo::{OriginalRecipient, RcptParam};
///
/// let original = OriginalRecipient::of(&"a+b@example.org".parse()?)?;
/// assert_eq!(RcptParam::orcpt(&original).to_string(), "ORCPT=rfc822;a+2Bb@example.org");
/// let original = OriginalRecipient::of(&"jürgen@example.org".parse()?)?;
/// assert_eq!(original.to_string(), r"utf-8;j\x{FC}rgen@example.org");
/// assert_eq!(original.address(), "jürgen@example.org");
/// # Ok::<(), ehlo::InvalidValue>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OriginalRecipient {
    wire: Box<str>,
    /// Where the `;` after the type stands.
    at: usize,
}

impl OriginalRecipient {
    pub(super) const MAX: usize = 500;

    /// The address of this recipient, which a mail is given at its submission. What is not ASCII
    /// is escaped, so that it can be said to every server that offers DSN.
    ///
    /// # Errors
    ///
    /// Where it has more than 500 octets once it is escaped.
    pub fn of(recipient: &ForwardPath) -> Result<Self, InvalidValue> {
        match recipient.is_ascii() {
            true => Self::new("rfc822", &xtext::encode(recipient.as_str())),
            false => Self::new(UTF_8, &escape(recipient.as_str(), char::is_ascii)),
        }
        .map_err(|error| error.within(WHAT, recipient.as_str()))
    }

    /// The same with what is not ASCII as it is: shorter, and for servers that offer SMTPUTF8, in
    /// mails that are sent with it.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of).
    pub fn of_in_utf8(recipient: &ForwardPath) -> Result<Self, InvalidValue> {
        match recipient.is_ascii() {
            true => Self::of(recipient),
            false => Self::new(UTF_8, &escape(recipient.as_str(), |_| true))
                .map_err(|error| error.within(WHAT, recipient.as_str())),
        }
    }

    /// As it goes over the wire: the type, `;` and the address, escaped.
    #[must_use]
    pub const fn as_wire(&self) -> &str {
        &self.wire
    }

    /// The type of the address: `rfc822`, `utf-8` or another that is registered.
    #[must_use]
    pub fn address_type(&self) -> &str {
        self.wire.get(..self.at).unwrap_or_default()
    }

    /// The address without escapes.
    #[must_use]
    pub fn address(&self) -> String {
        let encoded = self.wire.get(self.at + 1..).unwrap_or_default();
        decode(self.address_type(), encoded).unwrap_or_default()
    }

    /// Whether it can be sent to a server that does not offer SMTPUTF8.
    #[must_use]
    pub const fn is_ascii(&self) -> bool {
        self.wire.is_ascii()
    }

    fn new(address_type: &str, encoded: &str) -> Result<Self, InvalidValue> {
        let wire = format!("{address_type};{encoded}");
        let refuse = |reason| Err(InvalidValue::new(WHAT, &wire, reason));
        if address_type.is_empty() || !address_type.bytes().all(is_atom_octet) {
            return refuse("an address type and `;` must stand at its start");
        }
        if encoded.is_empty() {
            return refuse(EMPTY);
        }
        if wire.len() > Self::MAX {
            return refuse("it is longer than 500 octets with its escapes");
        }
        match decode(address_type, encoded) {
            Ok(_) => Ok(Self { wire: wire.into(), at: address_type.len() }),
            Err(reason) => refuse(reason),
        }
    }
}

impl FromStr for OriginalRecipient {
    type Err = InvalidValue;

    /// Reads the form of the wire, and keeps it to the letter: whoever relays a mail passes it on
    /// so (RFC 3461 §5.2.1).
    fn from_str(wire: &str) -> Result<Self, InvalidValue> {
        let (address_type, encoded) = wire.split_once(';').unwrap_or(("", wire));
        Self::new(address_type, encoded).map_err(|error| error.within(WHAT, wire))
    }
}

impl fmt::Display for OriginalRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.wire)
    }
}

/// The address after its escapes, or what is wrong with them.
fn decode(address_type: &str, encoded: &str) -> Result<String, &'static str> {
    if address_type.eq_ignore_ascii_case(UTF_8) {
        return unescape(encoded);
    }
    let octets = xtext::decode(encoded).map_err(|error| error.reason())?;
    match String::from_utf8(octets) {
        Ok(address) if address.bytes().all(is_printable) => Ok(address),
        _ => Err(UNPRINTABLE),
    }
}

/// Escapes what RFC 6533 §3 has escaped, and what is not to be left as it is.
fn escape(address: &str, stays: impl Fn(&char) -> bool) -> String {
    let mut escaped = String::with_capacity(address.len());
    for c in address.chars() {
        if stays(&c) && is_plain(c) {
            escaped.push(c);
        } else {
            // Writing to a string does not fail.
            let _ = write!(escaped, "\\x{{{:02X}}}", u32::from(c));
        }
    }
    escaped
}

fn unescape(escaped: &str) -> Result<String, &'static str> {
    let mut address = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some(c) = rest.chars().next() {
        let (c, behind) = match rest.strip_prefix("\\x{") {
            Some(escape) => escape
                .split_once('}')
                .and_then(|(digits, behind)| Some((escaped_char(digits)?, behind)))
                .ok_or("an escape must be like \\x{20AC}, of a character and as short as can be")?,
            None if is_plain(c) => (c, rest.get(c.len_utf8()..).unwrap_or_default()),
            None => return Err("a `+`, `=`, `\\` or space in it must be escaped like \\x{2B}"),
        };
        if c.is_control() {
            return Err(CONTROL);
        }
        address.push(c);
        rest = behind;
    }
    Ok(address)
}

fn escaped_char(digits: &str) -> Option<char> {
    let is_shortest = digits.len() == 2 || (3..=6).contains(&digits.len()) && !digits.starts_with('0');
    let is_hex = digits.bytes().all(|octet| octet.is_ascii_hexdigit());
    let value = u32::from_str_radix(digits, 16).ok().filter(|_| is_shortest && is_hex)?;
    char::from_u32(value)
}

/// QCHAR, or not ASCII.
const fn is_plain(c: char) -> bool {
    match c.is_ascii() {
        true => c.is_ascii_graphic() && !matches!(c, '+' | '=' | '\\'),
        false => !matches!(c, '\u{80}'..='\u{9f}'),
    }
}

fn is_atom_octet(octet: u8) -> bool {
    octet.is_ascii_graphic() && !b"()<>@,;:\\\".[]=".contains(&octet)
}

const WHAT: &str = "original recipient";
const UTF_8: &str = "utf-8";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::RcptParam;
    use super::*;
    use crate::wire::{Param, arbitrary};

    fn of(recipient: &str) -> OriginalRecipient {
        OriginalRecipient::of(&recipient.parse().unwrap()).unwrap()
    }

    #[test]
    fn c_056_what_is_not_ascii_is_escaped_unless_it_is_asked_for() {
        for (recipient, everywhere, in_utf8) in [
            ("joe@example.org", "rfc822;joe@example.org", "rfc822;joe@example.org"),
            ("a+b=c@example.org", "rfc822;a+2Bb+3Dc@example.org", "rfc822;a+2Bb+3Dc@example.org"),
            ("postmaster", "rfc822;Postmaster", "rfc822;Postmaster"),
            (
                "jürgen+x@example.org",
                r"utf-8;j\x{FC}rgen\x{2B}x@example.org",
                r"utf-8;jürgen\x{2B}x@example.org",
            ),
            (
                "\"€ 😀=\\\\\"@example.org",
                r#"utf-8;"\x{20AC}\x{20}\x{1F600}\x{3D}\x{5C}\x{5C}"@example.org"#,
                r#"utf-8;"€\x{20}😀\x{3D}\x{5C}\x{5C}"@example.org"#,
            ),
        ] {
            let path: ForwardPath = recipient.parse().unwrap();
            let original = of(recipient);
            assert_eq!(original.as_wire(), everywhere);
            assert!(original.is_ascii());
            assert_eq!(original.address(), path.as_str());
            let original = OriginalRecipient::of_in_utf8(&path).unwrap();
            assert_eq!(original.as_wire(), in_utf8);
            assert_eq!(original.is_ascii(), path.is_ascii());
            assert_eq!(original.address(), path.as_str());
        }
    }

    #[test]
    fn is_relayed_to_the_letter() {
        for (wire, address_type, address) in [
            ("RFC822;Joe+2bX@Example.ORG", "RFC822", "Joe+X@Example.ORG"),
            ("x400;/C=US/".replace('=', "+3D").as_str(), "x400", "/C=US/"),
            ("rfc822;a;b", "rfc822", "a;b"),
            ("UTF-8;j\\x{fc}rgen", "UTF-8", "jürgen"),
            ("utf-8;jürgen@example.org", "utf-8", "jürgen@example.org"),
            ("utf-8;\\x{20}\\x{E9}\\x{10FFFD}", "utf-8", " é\u{10fffd}"),
            ("utf-8;joe@example.org", "utf-8", "joe@example.org"),
        ] {
            let original: OriginalRecipient = wire.parse().unwrap();
            assert_eq!((original.as_wire(), &*original.to_string()), (wire, wire));
            assert_eq!((original.address_type(), &*original.address()), (address_type, address));
            let param = Param::from(RcptParam::orcpt(&original));
            assert_eq!(param, format!("ORCPT={wire}").parse().unwrap());
        }
    }

    #[test]
    fn c_054_keeps_to_its_length() {
        let longest = format!("rfc822;{}", "x".repeat(493));
        assert_eq!(longest.parse::<OriginalRecipient>().unwrap().as_wire().len(), 500);
        let words = "it is longer than 500 octets with its escapes";
        assert_eq!((longest + "x").parse::<OriginalRecipient>().unwrap_err().reason(), words);
        let literal = format!("{}@[x:{}]", "+".repeat(64), "+".repeat(180));
        let error = OriginalRecipient::of(&literal.parse().unwrap()).unwrap_err();
        assert_eq!((error.what(), error.reason()), ("original recipient", words));
        assert!(error.value().starts_with("+++"));
    }

    #[test]
    fn refuses_with_these_words() {
        let address_type = "an address type and `;` must stand at its start";
        let escape = "an escape must be like \\x{20AC}, of a character and as short as can be";
        let plain = "a `+`, `=`, `\\` or space in it must be escaped like \\x{2B}";
        for (wire, reason) in [
            ("", address_type),
            ("joe@example.org", address_type),
            (";joe", address_type),
            ("rfc 822;joe", address_type),
            ("rfc=822;joe", address_type),
            ("é;joe", address_type),
            ("rfc822;", EMPTY),
            ("rfc822;a+0Ab", UNPRINTABLE),
            ("rfc822;a+C3+A9", UNPRINTABLE),
            ("rfc822;a+", "a `+` must be followed by two hexadecimal digits"),
            ("rfc822;jürgen", "only printable ASCII other than `=` may stand in it"),
            ("utf-8;", EMPTY),
            ("utf-8;a+b", plain),
            ("utf-8;a=b", plain),
            ("utf-8;a b", plain),
            ("utf-8;a\r\nb", plain),
            ("utf-8;a\\b", plain),
            ("utf-8;\u{85}", plain),
            ("utf-8;\\x{0A}", CONTROL),
            ("utf-8;\\x{85}", CONTROL),
            ("utf-8;\\x{}", escape),
            ("utf-8;\\x{A}", escape),
            ("utf-8;\\x{02B}", escape),
            ("utf-8;\\x{+41}", escape),
            ("utf-8;\\x{D800}", escape),
            ("utf-8;\\x{110000}", escape),
            ("utf-8;\\x{0000041}", escape),
            ("utf-8;\\x{41", escape),
        ] {
            let error = wire.parse::<OriginalRecipient>().unwrap_err();
            assert_eq!((error.what(), error.reason()), ("original recipient", reason), "{wire:?}");
        }
        assert_eq!(
            "joe".parse::<OriginalRecipient>().unwrap_err().to_string(),
            format!(r#"original recipient "joe": {address_type}"#)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn c_056_every_recipient_is_read_back(path in arbitrary::forward_path()) {
            for (original, ascii) in [
                (OriginalRecipient::of(&path), true),
                (OriginalRecipient::of_in_utf8(&path), path.is_ascii()),
            ] {
                let Ok(original) = original else { continue };
                prop_assert_eq!(original.is_ascii(), ascii);
                prop_assert_eq!(original.address(), path.as_str());
                prop_assert_eq!(&original.as_wire().parse::<OriginalRecipient>().unwrap(), &original);
                let param = Param::from(RcptParam::orcpt(&original));
                prop_assert_eq!(param.is_ascii(), ascii);
                prop_assert_eq!(&param.to_string().parse::<Param>().unwrap(), &param);
            }
        }

        #[test]
        fn nothing_makes_it_panic(wire in "(utf-8|rfc822);[\\\\x{}0-9A-F+=é\\PC]{0,20}") {
            if let Ok(original) = wire.parse::<OriginalRecipient>() {
                prop_assert!(!original.address().is_empty());
                prop_assert!(!original.address().contains(char::is_control));
            }
        }
    }
}
