//! xtext (RFC 3461 §4): any octets as printable ASCII that may stand in the value of a parameter.
//! Which parameters are written so is known to the extensions.
//!
//! ```abnf
//! xtext   = *( xchar / hexchar )
//! xchar   = %x21-2A / %x2C-3C / %x3E-7E   ; printable, neither "+" nor "="
//! hexchar = "+" 2( DIGIT / "A"-"F" )
//! ```

use super::InvalidValue;

/// Writes the octets of the text, in UTF-8 where it is not ASCII; hexadecimals in upper case.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        if is_xchar(octet) {
            encoded.push(char::from(octet));
        } else {
            encoded.push('+');
            encoded.extend([hex_digit(octet >> 4), hex_digit(octet & 0xf)]);
        }
    }
    encoded
}

/// Reads the octets back. Hexadecimals in lower case are tolerated; nothing else is.
///
/// # Errors
///
/// Where a `+` is not followed by two hexadecimals, and where a space, a `=`, a control or
/// anything that is not ASCII stands in the text.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, InvalidValue> {
    let refuse = |reason| InvalidValue::new("xtext", text, reason);
    let mut decoded = Vec::with_capacity(text.len());
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        decoded.push(match octet {
            b'+' => match (octets.next().and_then(hex_value), octets.next().and_then(hex_value)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(refuse("a `+` must be followed by two hexadecimal digits")),
            },
            octet if is_xchar(octet) => octet,
            _ => return Err(refuse("only printable ASCII other than `=` may stand in it")),
        });
    }
    Ok(decoded)
}

const fn is_xchar(octet: u8) -> bool {
    octet.is_ascii_graphic() && !matches!(octet, b'+' | b'=')
}

fn hex_digit(value: u8) -> char {
    char::from_digit(value.into(), 16).unwrap_or('0').to_ascii_uppercase()
}

fn hex_value(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::Param;

    #[test]
    fn c_052_escapes_in_upper_case() {
        for (text, encoded) in [
            ("", ""),
            ("joe@example.org", "joe@example.org"),
            ("a+b=c d", "a+2Bb+3Dc+20d"),
            ("e=mc2@example.com", "e+3Dmc2@example.com"),
            ("!*,<>~", "!*,<>~"),
            ("\0\r\n\x7f", "+00+0D+0A+7F"),
            ("ü", "+C3+BC"),
        ] {
            assert_eq!(encode(text), encoded);
            assert_eq!(decode(encoded).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn c_053_tolerates_lower_case_and_nothing_else() {
        assert_eq!(decode("+c3+Bc+2b").unwrap(), "ü+".as_bytes());
        let hexadecimals = "a `+` must be followed by two hexadecimal digits";
        let printable = "only printable ASCII other than `=` may stand in it";
        for (text, reason) in [
            ("+", hexadecimals),
            ("a+4", hexadecimals),
            ("+4G", hexadecimals),
            ("++41", hexadecimals),
            ("+ 1", hexadecimals),
            ("a=b", printable),
            ("a b", printable),
            ("a\r\n", printable),
            ("\x7f", printable),
            ("ü", printable),
        ] {
            let error = decode(text).unwrap_err();
            assert_eq!((error.what(), error.reason()), ("xtext", reason), "{text:?}");
        }
        assert_eq!(
            decode("a\n").unwrap_err().to_string(),
            r#"xtext "a\x0a": only printable ASCII other than `=` may stand in it"#
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn c_052_c_053_is_read_back_and_fits_a_parameter(text in "[\\PC\\x00-\\x20+=]{1,30}") {
            let encoded = encode(&text);
            prop_assert!(Param::with_value("X", &encoded).is_ok_and(|param| param.is_ascii()));
            prop_assert_eq!(decode(&encoded).unwrap(), text.as_bytes());
        }

        #[test]
        fn c_053_nothing_makes_it_panic(text in "[+=0-9a-gA-G \\PC]{0,20}") {
            if let Ok(decoded) = decode(&text) {
                prop_assert!(decoded.len() <= text.len());
            }
        }
    }
}
