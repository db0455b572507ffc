//! The commands that extensions bring: their octets, and what is no such command.

use super::*;
use crate::wire::{AttributeValue, XclientAttribute, XclientName};

#[test]
fn every_command_of_an_extension_has_its_octets() {
    let domains = ["example.org", "example.net"].map(|name| name.parse::<Domain>().unwrap());
    let uri = "imap://joe@imap.example.org/drafts/;uid=20";
    let xclient = [
        XclientAttribute::new(XclientName::Port, 25_u16).unwrap(),
        XclientAttribute::new(XclientName::Name, AttributeValue::temporarily_unavailable())
            .unwrap(),
        XclientAttribute::new(XclientName::Helo, "a b").unwrap(),
    ];
    let xforward = ["SOURCE=LOCAL", "ADDR=IPV6:::1"].map(|text| text.parse().unwrap());
    let cases = [
        (Command::etrn("mail.example.org").unwrap(), "ETRN mail.example.org".to_owned()),
        (Command::etrn("@example.org").unwrap(), "ETRN @example.org".to_owned()),
        (Command::etrn("#dialup").unwrap(), "ETRN #dialup".to_owned()),
        (Command::atrn(&[]), "ATRN".to_owned()),
        (Command::atrn(&domains[..1]), "ATRN example.org".to_owned()),
        (Command::atrn(&domains[..]), "ATRN example.org,example.net".to_owned()),
        (Command::burl(uri, false).unwrap(), format!("BURL {uri}")),
        (Command::burl(uri, true).unwrap(), format!("BURL {uri} LAST")),
        (
            Command::xclient(&xclient[..]).unwrap(),
            "XCLIENT PORT=25 NAME=[TEMPUNAVAIL] HELO=a+20b".to_owned(),
        ),
        (
            Command::xforward(&xforward[..]).unwrap(),
            "XFORWARD SOURCE=LOCAL ADDR=IPV6:::1".to_owned(),
        ),
    ];
    for (command, line) in cases {
        assert_eq!(encoded(&command), format!("{line}\r\n"));
        assert_eq!(command.to_string(), line);
        let verb = Verb::from_word(line.split(' ').next().unwrap().as_bytes());
        assert_eq!(Some(command.verb()), verb);
        assert!(command.is_ascii());
        assert_eq!(command.clone().into_owned(), command);
        assert_eq!(parsed(&line), command);
    }
}

#[test]
fn reads_what_may_vary() {
    for (line, written) in [
        ("etrn Example.ORG ", "ETRN Example.ORG"),
        ("atrn", "ATRN"),
        ("burl imap:x last", "BURL imap:x LAST"),
        ("xclient name=+41 Addr=ipv6:::1", "XCLIENT NAME=A ADDR=ipv6:::1"),
        ("XFORWARD proto=esmtp", "XFORWARD PROTO=esmtp"),
    ] {
        assert_eq!(encoded(&parsed(line)), format!("{written}\r\n"));
    }
}

#[test]
fn refuses_with_these_words() {
    let label = "a label of the domain may hold letters, digits and hyphens only";
    let burl = "BURL: a URI must follow, and then nothing or `LAST`";
    refused("ETRN", "ETRN: its argument is missing");
    refused(
        "ETRN #a b",
        "ETRN: node \"#a b\": a queue may hold printable ASCII without spaces only",
    );
    refused("ATRN a, b", &format!("ATRN: domain \" b\": {label}"));
    refused("ATRN a,", "ATRN: domain \"\": it is empty");
    refused("BURL", "BURL: its argument is missing");
    refused("BURL imap:x FIRST", burl);
    refused("BURL imap:x LAST LAST", burl);
    refused("BURL LAST", "BURL: URI \"LAST\": it has no scheme");
    refused("XCLIENT", "XCLIENT: its argument is missing");
    refused("XCLIENT NAME", "XCLIENT: attribute \"NAME\": it has no `=` and no value");
    refused("XCLIENT NAME=a  PORT=1", "XCLIENT: attribute \"\": it has no `=` and no value");
    refused(
        "XCLIENT NAME=a name=b",
        "XCLIENT: attribute \"NAME=b\": its name is given twice in one command",
    );
    refused("XFORWARD LOGIN=a", "XFORWARD: attribute \"LOGIN=a\": it is no attribute of XFORWARD");
    assert_eq!(
        Command::xclient(&[]).unwrap_err().to_string(),
        "command \"XCLIENT\": it has no attribute"
    );
    assert_eq!(
        Command::xforward(&[]).unwrap_err().to_string(),
        "command \"XFORWARD\": it has no attribute"
    );
    assert_eq!(
        Command::etrn("a\r\nQUIT").unwrap_err().to_string(),
        format!("node \"a\\x0d\\x0aQUIT\": {label}")
    );
}
