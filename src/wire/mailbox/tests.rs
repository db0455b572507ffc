//! The grammar of a mailbox, row by row.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use proptest::prelude::*;

use super::*;
use crate::wire::{Domain, arbitrary};

#[track_caller]
fn refused(text: &str, reason: &str) {
    let error = text.parse::<Mailbox>().unwrap_err();
    assert_eq!((error.what(), error.reason()), ("mailbox", reason), "{text:?}");
}

/// The case stays, the quoting shrinks.
#[test]
fn c_039_c_040_writes_the_least_quoting() {
    let cases = [
        ("joe@example.org", "joe@example.org"),
        ("Joe.Smith@Example.ORG", "Joe.Smith@Example.ORG"),
        (r#""joe"@example.org"#, "joe@example.org"),
        (r#""j\oe"@example.org"#, "joe@example.org"),
        (r#""j.o.e"@example.org"#, "j.o.e@example.org"),
        (r#""j oe"@example.org"#, r#""j oe"@example.org"#),
        (r#""j\ oe"@example.org"#, r#""j oe"@example.org"#),
        (r#"".joe"@example.org"#, r#"".joe"@example.org"#),
        (r#""j..oe"@example.org"#, r#""j..oe"@example.org"#),
        (r#""j\"o\\e"@example.org"#, r#""j\"o\\e"@example.org"#),
        (r#""a@b>"@example.org"#, r#""a@b>"@example.org"#),
        ("!#$%&'*+-/=?^_`{|}~@x", "!#$%&'*+-/=?^_`{|}~@x"),
        ("a@[127.0.0.1]", "a@[127.0.0.1]"),
        ("a@[ipv6:0:0:0:0:0:0:0:1]", "a@[IPv6:::1]"),
        ("jürgen@example.org", "jürgen@example.org"),
        (r#""jürgen"@example.org"#, "jürgen@example.org"),
        ("\u{760d}\u{10a}@example.org", "\u{760d}\u{10a}@example.org"),
    ];
    for (text, wire) in cases {
        let mailbox = Mailbox::try_from(text).unwrap();
        assert_eq!(mailbox.as_str(), wire);
        assert_eq!(mailbox.to_string(), wire);
        assert_eq!(format!("{}@{}", mailbox.local_part(), mailbox.domain()), wire);
        assert_eq!(mailbox.is_ascii(), wire.is_ascii());
    }
}

#[test]
fn refuses_with_these_words() {
    let special = "a special character must be quoted in a local part";
    let dot = "a dot must stand between two atoms, or be quoted";
    refused("", "it is empty");
    refused("a b@x", "a space must be quoted in a local part");
    refused(" a@x", "a space must be quoted in a local part");
    refused("joe", "it has no `@` and no domain");
    refused("@x", "nothing stands before the `@`");
    refused(r#"""@x"#, "nothing stands before the `@`");
    refused("joe@", "nothing stands behind the `@`");
    refused(".joe@x", dot);
    refused("joe.@x", dot);
    refused("j..oe@x", dot);
    refused("j(o)e@x", special);
    refused("<joe@x>", special);
    refused("joe>@x", special);
    refused(r#"j"o"e@x"#, special);
    refused(r#""joe@x"#, "the quoted local part does not end");
    refused(r#""joe\"@x"#, "the quoted local part does not end");
    refused(r#""j"oe@x"#, "only `@` may follow a quoted local part");
    refused(r#""joe""#, "it has no `@` and no domain");
    refused("a\r\n@x", "a control character cannot be sent");
    refused("\"a\0\"@x", "a control character cannot be sent");
    refused("a\u{85}@x", "a control character cannot be sent");
    refused("a@b@c", "a label of the domain may hold letters, digits and hyphens only");
    refused("a@b_c", "a label of the domain may hold letters, digits and hyphens only");
    refused("a@b.", "a label of the domain is empty");
    refused("a@x>", "a label of the domain may hold letters, digits and hyphens only");
    refused("a@[127.0.0.1", "an address literal stands in brackets");
    assert_eq!(
        "a b@example.org".parse::<Mailbox>().unwrap_err().to_string(),
        r#"mailbox "a b@example.org": a space must be quoted in a local part"#
    );
}

/// Sizes are those of the wire form.
#[test]
fn c_044_bounds_both_parts_and_the_whole() {
    let long = "the local part is longer than 64 octets";
    let local = "a".repeat(64);
    assert!(format!("{local}@x").parse::<Mailbox>().is_ok());
    refused(&format!("{local}a@x"), long);
    refused(&format!("\" {}\"@x", "a".repeat(62)), long);
    assert!(LocalPart::new(&format!(" {}", "a".repeat(61))).is_ok());
    assert!(LocalPart::new(&format!(" {}", "\"".repeat(31))).is_err());
    assert!(LocalPart::new(&"ü".repeat(33)).is_err());

    let domain = |len: usize| {
        let end = "b".repeat(2 - len % 2);
        "a.".repeat((len - end.len()) / 2) + &end
    };
    let fits = format!("{local}@{}", domain(189));
    assert_eq!(fits.len(), 254);
    assert!(fits.parse::<Mailbox>().is_ok());
    refused(&format!("{local}a@{}", domain(189)), "the local part is longer than 64 octets");
    refused(&format!("{local}@{}", domain(190)), "the mailbox is longer than 254 octets");
}

#[test]
fn equal_where_it_is_one_mailbox() {
    let mailbox = |text: &str| text.parse::<Mailbox>().unwrap();
    let same = [
        ("joe@example.org", "joe@EXAMPLE.org"),
        (r#""joe"@x"#, "joe@x"),
        ("Postmaster@x", "POSTMASTER@X"),
    ];
    for (one, other) in same {
        assert_eq!(mailbox(one), mailbox(other));
        assert!(HashSet::from([mailbox(one)]).contains(&mailbox(other)), "{one}");
    }
    for (one, other) in [("joe@x", "Joe@x"), ("joe@x", "joe@y"), ("postmaster@x", "p@x")] {
        assert_ne!(mailbox(one), mailbox(other));
        let hasher = RandomState::new();
        assert_ne!(hasher.hash_one(mailbox(one)), hasher.hash_one(mailbox(other)), "{one}");
    }
}

#[test]
fn a_local_part_is_quoted_and_unquoted() {
    for (value, wire) in [
        ("joe", "joe"),
        ("j.oe", "j.oe"),
        ("j oe", r#""j oe""#),
        (r#"j"o\e"#, r#""j\"o\\e""#),
        ("joe.", r#""joe.""#),
        ("\"", r#""\"""#),
    ] {
        let local_part = LocalPart::new(value).unwrap();
        assert_eq!((local_part.as_wire(), &*local_part.value()), (wire, value));
    }
    assert_eq!(
        LocalPart::new("a\nb").unwrap_err().to_string(),
        r#"local part "a\x0ab": a control character cannot be sent"#
    );
    assert_eq!(LocalPart::new("").unwrap_err().to_string(), r#"local part "": it is empty"#);
}

proptest! {
    #[test]
    fn any_value_comes_back(value in arbitrary::local_value(), host in arbitrary::host()) {
        let local_part = LocalPart::new(&value).unwrap();
        prop_assert_eq!(&*local_part.value(), &*value);
        let mailbox = Mailbox::new(&local_part, host).unwrap();
        let parsed = mailbox.as_str().parse::<Mailbox>().unwrap();
        prop_assert_eq!(parsed.as_str(), mailbox.as_str());
        prop_assert_eq!(parsed.local_part(), local_part.as_wire());
    }

    #[test]
    fn what_is_parsed_is_clean(text in "\\PC{0,6}[ -~]{0,8}@[ -~]{0,12}|[\\x00-\\x7f]{0,12}") {
        if let Ok(mailbox) = text.parse::<Mailbox>() {
            prop_assert!(!mailbox.as_str().contains(char::is_control));
            prop_assert!(mailbox.domain().is_ascii());
            prop_assert_eq!(mailbox.as_str().parse::<Mailbox>().unwrap(), mailbox);
        }
    }

    #[test]
    fn any_spelling_of_a_domain_is_equal(domain in arbitrary::domain()) {
        let upper = domain.as_str().to_ascii_uppercase().parse::<Domain>().unwrap();
        let local_part = LocalPart::new("joe").unwrap();
        let mailbox = Mailbox::new(&local_part, domain).unwrap();
        prop_assert_eq!(mailbox, Mailbox::new(&local_part, upper).unwrap());
    }
}
