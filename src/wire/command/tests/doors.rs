//! What must not come into a command, tried at every constructor and every argument.

use super::*;
use crate::wire::{Domain, Host, LocalPart, Mailbox};

/// A door through which text of the caller reaches a command.
type Door = fn(&str) -> Option<Command<'static>>;

/// Every constructor and every argument, each given text that is lawful around the place where
/// the octet under test is put.
const DOORS: [(&str, Door); 24] = [
    ("ehlo", |x| Command::ehlo(x).ok()),
    ("ehlo literal", |x| Command::ehlo(&*format!("[x:{x}]")).ok()),
    ("helo", |x| Command::helo(x).ok()),
    ("lhlo", |x| Command::lhlo(x).ok()),
    ("mail, a bare local part", |x| mail(&format!("{x}@example.org"))),
    ("mail, a quoted local part", |x| mail(&format!("\"{x}\"@example.org"))),
    ("mail, a quoted pair", |x| mail(&format!("\"\\{x}\"@example.org"))),
    ("mail, a path", |x| mail(&format!("<{x}@example.org>"))),
    ("mail, a source route", |x| mail(&format!("<@{x}:a@example.org>"))),
    ("mail, a domain", |x| mail(&format!("a@{x}"))),
    ("mail, a literal", |x| mail(&format!("a@[x:{x}]"))),
    ("mail, a tag", |x| mail(&format!("a@[{x}:x]"))),
    ("mail, parts", |x| {
        let host = "example.org".parse::<Domain>().ok()?;
        let mailbox = Mailbox::new(&LocalPart::new(x).ok()?, host).ok()?;
        Some(Command::mail(ReversePath::from(mailbox)))
    }),
    ("mail, a host", |x| {
        let mailbox = Mailbox::new(&LocalPart::new("a").ok()?, x.parse::<Host>().ok()?).ok()?;
        Some(Command::mail(ReversePath::from(&mailbox)))
    }),
    ("rcpt", |x| rcpt(&format!("{x}@example.org"), None)),
    ("rcpt, a domain", |x| rcpt(&format!("<a@{x}>"), None)),
    ("a keyword", |x| rcpt("a@b", Param::new(x).ok())),
    ("a keyword with a value", |x| rcpt("a@b", Param::with_value(x, "1").ok())),
    ("a value", |x| rcpt("a@b", Param::with_value("X", x).ok())),
    ("vrfy", |x| Command::vrfy(x).ok()),
    ("expn", |x| Command::expn(x).ok()),
    ("noop and help", |x| Some(Command::Noop(Some(Text::try_from(x).ok()?.into())))),
    ("auth", |x| Command::auth(x, None).ok()),
    ("raw", |x| Command::raw(x).ok()),
];

fn mail(path: &str) -> Option<Command<'static>> {
    Some(Command::mail(ReversePath::try_from(path).ok()?))
}

fn rcpt(path: &str, param: Option<Param>) -> Option<Command<'static>> {
    let command = Command::rcpt(ForwardPath::try_from(path).ok()?);
    // A door that tests a parameter passes it; one that tests the path passes none.
    match (path, param) {
        ("a@b", None) => None,
        (_, param) => command.with_params(Vec::from_iter(param)).ok(),
    }
}

fn around(text: &str) -> [String; 4] {
    [text.into(), format!("{text}a"), format!("a{text}"), format!("a{text}a")]
}

#[test]
fn t3_c_041_no_control_octet_enters_by_any_door() {
    for (name, door) in DOORS {
        assert!(door("a").is_some(), "{name} is shut");
        for control in (0..0x20).chain([0x7f]).chain(0x80..0xa0).filter_map(char::from_u32) {
            // Raw commands are octets, of which those of a C1 control are none.
            if name == "raw" && !control.is_ascii() {
                continue;
            }
            for text in around(&control.to_string()) {
                assert_eq!(door(&text), None, "{name}: {text:?}");
            }
        }
        for text in ["a\r\nQUIT", "a\nQUIT", "a\rQUIT", "a>\r\nRCPT TO:<b@c>\r\n"] {
            assert_eq!(door(text), None, "{name}: {text:?}");
        }
    }
}

/// What a narrowing cast would turn into CR or LF stays itself or is refused.
#[test]
fn t4_nothing_is_narrowed() {
    const BEAR_UTF8: [&str; 10] = [
        "mail, a bare local part",
        "mail, a quoted local part",
        "mail, a path",
        "mail, parts",
        "rcpt",
        "a value",
        "vrfy",
        "expn",
        "noop and help",
        "raw",
    ];
    let idna = ["mail, a domain", "mail, a host", "rcpt, a domain"];
    for (name, door) in DOORS {
        for c in ["\u{760d}", "\u{10a}", "\u{d0d}", "\u{ff0d}\u{e00a}"] {
            for text in around(c) {
                // The backslash of the pair stands before ASCII only.
                let pair = name == "mail, a quoted pair" && text.starts_with('a');
                let bears = pair || BEAR_UTF8.contains(&name);
                let Some(command) = door(&text) else {
                    assert!(!bears, "{name} refuses {text:?}");
                    continue;
                };
                let line = encoded(&command);
                assert_eq!(line.find(['\r', '\n']), Some(line.len() - 2), "{line:?}");
                if cfg!(feature = "idna") && idna.contains(&name) {
                    assert!(command.is_ascii() && line.is_ascii(), "{name}: {line}");
                } else {
                    assert!(bears, "{name} takes {text:?}");
                    assert!(!command.is_ascii() && line.contains(&text), "{name}: {line}");
                }
            }
        }
    }
}

/// No `>` outside quotes, or the path of one server would end before that of another.
#[test]
fn t3_a_path_ends_at_one_place() {
    for (name, door) in DOORS {
        if let Some(command @ (Command::Mail { .. } | Command::Rcpt { .. })) = door("a>b") {
            let line = encoded(&command);
            let unquoted: String = line.split('"').step_by(2).collect();
            let value = usize::from(name == "a value");
            assert_eq!(unquoted.matches('>').count(), 1 + value, "{name}: {line}");
        }
    }
}
