//! Envelopes of messages, and the words in which a header is refused.

use proptest::prelude::*;

use super::*;
use crate::wire::arbitrary;

/// The recipients of a message with this address list in To.
#[track_caller]
fn to(list: &str) -> Vec<String> {
    let message = format!("To: {list}\r\n\r\nCc: in the body\r\n");
    shown(&Envelope::from_message_as("", message.as_bytes()).unwrap())
}

fn shown(envelope: &Envelope) -> Vec<String> {
    envelope.recipients().iter().map(ToString::to_string).collect()
}

#[track_caller]
fn assert_refused(message: impl AsRef<[u8]>, words: &str) {
    let error = Envelope::from_message(message.as_ref()).unwrap_err();
    assert_eq!(error.to_string(), words);
}

#[test]
fn every_address_of_to_cc_and_bcc_is_a_recipient_once() {
    let draft =
        b"Subject: To: x@x\r\nCC : c@x, b@X\r\nTo: a@x\r\nto: b@x\r\nBcc: d@x, a@x\r\n\r\nTo: e@x";
    let envelope = Envelope::from_draft("s@x", draft).unwrap();
    assert_eq!(shown(&envelope), ["<c@x>", "<b@X>", "<a@x>", "<d@x>"]);
    assert_eq!(envelope.sender().to_string(), "<s@x>");
}

#[test]
fn names_comments_and_routes_are_passed_over() {
    assert_eq!(
        to("Joe Q. Public <joe@x>, (a (nested\\) one)) eve@x (Eve)"),
        ["<joe@x>", "<eve@x>"]
    );
    assert_eq!(to(r#""Public, \"Joe\" <no@x>" <joe@x>"#), ["<joe@x>"]);
    assert_eq!(to("=?utf-8?Q?J=C3=B6?= =?x?B?eA==?= <joe@x>, Jö <j@x>"), ["<joe@x>", "<j@x>"]);
    assert_eq!(to("<@a,@b.c:joe@x>, <,@a,,@[1.2.3.4]:eve@x>"), ["<joe@x>", "<eve@x>"]);
    assert_eq!(to("\"\" <joe@x>,, ,(nobody), <eve@x>,"), ["<joe@x>", "<eve@x>"]);
}

#[test]
fn octets_of_a_name_need_not_be_utf_8() {
    let message = b"To: J\xf6 <j@x>, \"\xff\" (\xfe) <k@x>\n\nbody \xff\n";
    assert_eq!(shown(&Envelope::from_message_as("", message).unwrap()), ["<j@x>", "<k@x>"]);
    assert_refused(
        b"From: a@x\nTo: j\xf6@x\n",
        r#"To cannot be read at offset 14: mailbox "j\xf6@x": it is not UTF-8"#,
    );
}

#[test]
fn groups_are_their_members() {
    assert_eq!(to("All of them: joe@x, Eve <eve@x>;, last@x"), ["<joe@x>", "<eve@x>", "<last@x>"]);
    assert_eq!(to("none:;, \"a\": ; (c), b: c@x;"), ["<c@x>"]);
    assert_refused(
        "From: a@x\nTo: undisclosed-recipients:;\n\n",
        "the message has no address in To, Cc or Bcc",
    );
}

#[test]
fn local_parts_and_domains_take_every_form() {
    assert_eq!(to(r#""joe"@x, "a b"@x, "a\"b"@x"#), ["<joe@x>", r#"<"a b"@x>"#, r#"<"a\"b"@x>"#]);
    assert_eq!(to("a . \"b\" (c) . c @ (d) x . y"), ["<a.b.c@x.y>"]);
    assert_eq!(
        to("a@[192.0.2.1], <b@[ IPv6:2001:db8::1 ]>"),
        ["<a@[192.0.2.1]>", "<b@[IPv6:2001:db8::1]>"]
    );
    assert_eq!(to("jürgen@x, \"é è\"@x"), ["<jürgen@x>", r#"<"é è"@x>"#]);
    assert_eq!(to("a+b=c/d'e@x-1.y"), ["<a+b=c/d'e@x-1.y>"]);
}

#[test]
fn lines_are_unfolded_whatever_ends_them() {
    let lf = b"From: a@x\nTo: Joe\n <joe@x>,\n\t\"long\n  name\" <eve@x>\n \n\nCc: no@x\n";
    let crlf = String::from_utf8_lossy(lf).replace('\n', "\r\n");
    for message in [&lf[..], crlf.as_bytes()] {
        assert_eq!(shown(&Envelope::from_message(message).unwrap()), ["<joe@x>", "<eve@x>"]);
    }
    assert_eq!(to("\"a\r\n b\"@x"), [r#"<"a b"@x>"#]);
    // the header alone, with no line end
    let bare = Envelope::from_message(b"From: a@x\r\nTo: b@x").unwrap();
    assert_eq!(shown(&bare), ["<b@x>"]);
}

#[test]
fn the_sender_is_sender_or_else_from() {
    let sender = |header: &str| {
        let message = format!("To: t@x\r\n{header}\r\n");
        Envelope::from_message(message.as_bytes()).map(|envelope| envelope.sender().to_string())
    };
    assert_eq!(sender("From: A <a@x>").unwrap(), "<a@x>");
    assert_eq!(sender("From: a@x, b@x\r\nSender: b@x").unwrap(), "<b@x>");
    assert_eq!(sender("From: all: a@x;").unwrap(), "<a@x>");
    for (header, words) in [
        ("From: a@x, b@x", "the message has 2 addresses in From: the sender must be given"),
        ("Sender: a@x, b@x", "the message has 2 addresses in Sender: the sender must be given"),
        ("Subject: x", "the message has no address in From: the sender must be given"),
        (
            "From: a@x\r\nSender: x:;",
            "the message has no address in Sender: the sender must be given",
        ),
    ] {
        assert_eq!(sender(header).unwrap_err().to_string(), words);
        // Who gives one does not need theirs, readable or not.
        let message = format!("To: t@x\r\n{header} <\r\n");
        let envelope = Envelope::from_message_as("me@x", message.as_bytes()).unwrap();
        assert_eq!(envelope.sender().to_string(), "<me@x>");
    }
}

#[test]
fn the_first_group_of_resent_fields_counts() {
    let original = "From: a@x\r\nTo: old@x\r\nCc: old@x\r\n\r\n";
    let resent = |fields: &str| Envelope::from_message(format!("{fields}{original}").as_bytes());
    let envelope =
        resent("Received: x\r\nResent-From: r@x\r\nRESENT-TO: b@x\r\nResent-Cc: c@x\r\n");
    let envelope = envelope.unwrap();
    assert_eq!(envelope.sender().to_string(), "<r@x>");
    assert_eq!(shown(&envelope), ["<b@x>", "<c@x>"]);

    // an older group behind a field that is none, or behind nothing
    for between in ["Received: x\r\n", ""] {
        let newer =
            "Resent-Date: 2\r\nResent-From: r@x\r\nResent-Sender: s@x\r\nResent-To: b@x\r\n";
        let older = "Resent-Date: 1\r\nResent-From: no@x\r\nResent-To: no@x\r\nResent-Cc: no@x\r\n";
        let envelope = resent(&format!("Resent-X: 3\r\nX: y\r\n{newer}{between}{older}")).unwrap();
        assert_eq!(envelope.sender().to_string(), "<s@x>");
        assert_eq!(shown(&envelope), ["<b@x>"]);
    }

    // never again to those of before
    let error = resent("Resent-Date: 1\r\nResent-From: r@x\r\n").unwrap_err();
    let words = "the message has no address in Resent-To, Resent-Cc or Resent-Bcc";
    assert_eq!(error.to_string(), words);
}

#[test]
fn a_bcc_that_everybody_would_see_is_refused() {
    let words = "everybody who gets the message would see its Bcc (at offset 24)";
    assert_refused("From: a@x\r\nTo: b@x\r\nbcc: c@x\r\n\r\n", words);
    for empty in ["Bcc:", "Bcc: (none)", "Bcc: nobody:;"] {
        let message = format!("From: a@x\r\nTo: b@x\r\n{empty}\r\n\r\nBcc: c@x");
        assert_eq!(shown(&Envelope::from_message(message.as_bytes()).unwrap()), ["<b@x>"]);
    }
    // those of the times before count no more, and would be seen all the same
    let again = "Resent-From: a@x\r\nResent-To: b@x\r\nFrom: a@x\r\n";
    let words = |field, offset| {
        format!("everybody who gets the message would see its {field} (at offset {offset})")
    };
    assert_refused(format!("{again}Bcc: c@x\r\n"), &words("Bcc", 49));
    assert_refused(format!("{again}Resent-Bcc: c@x\r\n"), &words("Resent-Bcc", 56));
    let as_given = Envelope::from_message_as("a@x", b"Bcc: c@x\n");
    assert!(matches!(as_given, Err(InvalidEnvelope::Bcc { field: "Bcc", offset: 4 })));
}

#[test]
fn refuses_with_these_words() {
    let line = |words: &str, offset| format!("the header section has {words} at offset {offset}");
    assert_refused("From a@x Sat\r\nTo: b@x", &line("a line that is no field", 0));
    assert_refused("To: b@x\r\nb: c\r\n b@x\r\n: x", &line("a line that is no field", 21));
    assert_refused(" To: b@x", &line("a line that is no field", 0));
    assert_refused("To: b@x,\rBcc: c@x\r\n\r\n", &line("a CR without an LF", 8));
    assert_refused("To: b@x\r\r\n", &line("a CR without an LF", 7));
    assert_refused("From: a@x\r\nTo: b@x,\r\n c\rd@x\r\n", &line("a CR without an LF", 23));

    let cases = [
        ("joe", "To cannot be read at offset 7: `@` and a domain is missing at its end"),
        ("joe, b@x", "To cannot be read at offset 7: `@` and a domain is missing before \", b@x\""),
        (
            "joe smith@x",
            "To cannot be read at offset 13: `<` behind a name is missing before \"@x\"",
        ),
        ("<joe@x", "To cannot be read at offset 10: `>` is missing at its end"),
        ("a@x b@x", "To cannot be read at offset 8: `,` is missing before \"b@x\""),
        ("g: a@x b@x;", "To cannot be read at offset 11: `,` or `;` is missing before \"b@x;\""),
        ("g: a@x", "To cannot be read at offset 10: `;` behind a group is missing at its end"),
        (
            "g: h: a@x;;",
            "To cannot be read at offset 8: `@` and a domain is missing before \": a@x;;\"",
        ),
        ("a@", "To cannot be read at offset 6: a domain is missing at its end"),
        ("a@x.", "To cannot be read at offset 8: a domain is missing at its end"),
        ("@x", "To cannot be read at offset 4: an address is missing before \"@x\""),
        (r"\a@x", r#"To cannot be read at offset 4: an address is missing before "\\a@x""#),
        ("<>", "To cannot be read at offset 5: an address is missing before \">\""),
        ("<a.@x>", "To cannot be read at offset 5: an address is missing before \"a.@x>\""),
        (
            "<@a b@x>",
            "To cannot be read at offset 8: `:` behind a route is missing before \"b@x>\"",
        ),
        ("\"a", "To cannot be read at offset 6: `\"` is missing at its end"),
        ("a@[1", "To cannot be read at offset 8: `]` is missing at its end"),
        ("a@x (b (c)", "To cannot be read at offset 14: `)` is missing at its end"),
        (";", "To cannot be read at offset 4: an address is missing before \";\""),
        ("a@x;", "To cannot be read at offset 7: `,` is missing before \";\""),
        (
            "a\u{1}@x",
            "To cannot be read at offset 5: `@` and a domain is missing before \"\\x01@x\"",
        ),
        (
            "Joe <a@b_c>",
            "To cannot be read at offset 9: mailbox \"a@b_c\": a label of the domain may hold letters, digits and hyphens only",
        ),
        ("<\"\"@x>", "To cannot be read at offset 5: mailbox \"@x\": it is empty"),
    ];
    for (list, words) in cases {
        let message = format!("To: {list}\r\n\r\n");
        let error = Envelope::from_message_as("", message.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), words, "{list}");
    }
    let long = format!("From: a@x\nTo: a@x {}\r\n", "é".repeat(100));
    let words = "To cannot be read at offset 18: `,` is missing before";
    assert_refused(long, &format!("{words} \"{}\"", "é".repeat(20)));
}

#[test]
fn depth_and_length_are_no_matter() {
    let deep = 1 << 20;
    let comments = format!("{}{} a@x", "(".repeat(deep), ")".repeat(deep));
    assert_eq!(to(&comments), ["<a@x>"]);
    assert_eq!(to(&format!("{}b@x", "a@x,".repeat(100_000))), ["<a@x>", "<b@x>"]);
    let open = format!("From: a@x\nTo: {}", "(".repeat(deep));
    let words = format!("To cannot be read at offset {}: `)` is missing at its end", open.len());
    assert_refused(open, &words);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_mailbox_is_read_as_it_was_written(
        mailboxes in prop::collection::vec(arbitrary::mailbox(), 1..5),
        name in r#"([A-Za-z0-9.]{1,9} |"([ -!#-\[\]-~]|\\["\\]){0,9}" ?|\([a-z<,@]{0,9}\))?"#,
    ) {
        let list: Vec<_> = mailboxes.iter().map(|mailbox| format!("{name}<{mailbox}>")).collect();
        let message = format!("To: {}\r\n\r\n", list.join(",\r\n "));
        let envelope = Envelope::from_message_as("", message.as_bytes()).unwrap();
        let mut once: Vec<Mailbox> = Vec::new();
        for mailbox in mailboxes {
            if !once.contains(&mailbox) {
                once.push(mailbox);
            }
        }
        let read: Vec<_> = envelope.recipients().iter().filter_map(ForwardPath::mailbox).collect();
        prop_assert_eq!(read, once.iter().collect::<Vec<_>>());
    }

    #[test]
    fn nothing_makes_it_panic(octets: Vec<u8>, list in r#"([a-z@<>,:;."()\\\[\]\r\n =?]|é){0,40}"#) {
        let _ = Envelope::from_message(&octets);
        let fields = [b"From:", &octets[..], b"\nTo:", list.as_bytes(), b"\nResent-Bcc:", list.as_bytes()];
        if let Err(error) = Envelope::from_message(&fields.concat()) {
            prop_assert!(error.to_string().len() < 1200, "{error}");
        }
        let _ = Envelope::from_draft("", &[b"To: ", list.as_bytes()].concat());
    }
}
