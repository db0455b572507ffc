//! SASLprep (RFC 4013): one spelling for names and passwords that look alike. The tables are
//! Unicode's of version 3.2; what has come since is let through, as in a query (RFC 3454 §7).

use stringprep::tables;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// The text prepared; none where it has what may not be in it.
pub(super) fn saslprep(text: &str) -> Option<Zeroizing<String>> {
    // A string that grows would leave what it held behind.
    let room = if text.is_ascii() { text.len() } else { text.len() * WIDEST };
    let mut prepared = Zeroizing::new(String::with_capacity(room));
    let spaced = text.chars().map(|c| if tables::non_ascii_space_character(c) { ' ' } else { c });
    prepared.extend(spaced.filter(|c| !tables::commonly_mapped_to_nothing(*c)).nfkc());
    let is_good = !prepared.chars().any(is_prohibited) && is_of_one_direction(&prepared);
    is_good.then_some(prepared)
}

/// RFC 4013 §2.3.
fn is_prohibited(c: char) -> bool {
    tables::non_ascii_space_character(c)
        || tables::ascii_control_character(c)
        || tables::non_ascii_control_character(c)
        || tables::private_use(c)
        || tables::non_character_code_point(c)
        || tables::inappropriate_for_plain_text(c)
        || tables::inappropriate_for_canonical_representation(c)
        || tables::change_display_properties_or_deprecated(c)
        || tables::tagging_character(c)
}

/// RFC 3454 §6: text written from right to left begins and ends so, and has nothing of the other
/// direction in it.
fn is_of_one_direction(text: &str) -> bool {
    if !text.contains(tables::bidi_r_or_al) {
        return true;
    }
    let ends = text.starts_with(tables::bidi_r_or_al) && text.ends_with(tables::bidi_r_or_al);
    ends && !text.contains(tables::bidi_l)
}

/// How many octets one octet of UTF-8 becomes at most under NFKC (U+FDFA: 3 become 33).
const WIDEST: usize = 11;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prepares_as_in_rfc_4013() {
        for (text, prepared) in [
            ("I\u{ad}X", Some("IX")),
            ("user", Some("user")),
            ("USER", Some("USER")),
            ("\u{aa}", Some("a")),
            ("\u{2168}", Some("IX")),
            ("\u{7}", None),
            ("\u{627}1", None),
            ("\u{627}1\u{628}", Some("\u{627}1\u{628}")),
            ("\u{627}a\u{628}", None),
            ("a\u{a0}b\u{3000}c", Some("a b c")),
            ("", Some("")),
            ("\u{e000}", None),
            ("a\0", None),
            ("\u{fdfa}", Some("صلى الله عليه وسلم")),
        ] {
            let found = saslprep(text);
            assert_eq!(found.as_ref().map(|text| text.as_str()), prepared, "{text:?}");
        }
    }

    /// RFC 4013 §2.3, but for what was mapped before and what no text of Rust can hold.
    #[test]
    fn each_table_of_what_is_prohibited_counts() {
        let tables = [
            ('\u{7f}', "C.2.1: ASCII control"),
            ('\u{85}', "C.2.2: other control"),
            ('\u{f8ff}', "C.3: private use"),
            ('\u{fdd0}', "C.4: no character"),
            ('\u{fffd}', "C.6: not for plain text"),
            ('\u{2ff0}', "C.7: not canonical"),
            ('\u{200e}', "C.8: changes the display"),
            ('\u{e0041}', "C.9: tags"),
        ];
        for (c, table) in tables {
            assert!(saslprep(&format!("a{c}b")).is_none(), "{table}");
        }
    }

    /// A string that grows leaves what it held behind, and that is not wiped.
    #[test]
    fn t11_a_password_is_prepared_in_the_room_it_was_given() {
        for text in ["tanstaaf", "\u{fdfa}", "\u{fdfa}\u{fdfa}", "p\u{e9}"] {
            let prepared = saslprep(text).unwrap();
            let room = if text.is_ascii() { text.len() } else { text.len() * WIDEST };
            assert_eq!(prepared.capacity(), room, "{text:?}");
        }
    }

    #[test]
    fn what_is_newer_than_the_tables_is_let_through() {
        assert_eq!(saslprep("p\u{1f511}w").unwrap().as_str(), "p\u{1f511}w");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn visible_ascii_is_its_own_preparation(text in "[ -~]*") {
            let prepared = saslprep(&text);
            prop_assert_eq!(prepared.as_ref().map(|text| text.as_str()), Some(&*text));
        }

        #[test]
        fn never_needs_more_room_than_it_had(text in "\\PC{0,16}") {
            if let Some(prepared) = saslprep(&text) {
                prop_assert!(prepared.len() <= text.len() * WIDEST);
            }
        }
    }
}
