//! Every command: its octets, its way back, and what cannot be built into it.

mod doors;
mod extended;

use proptest::prelude::*;

use super::*;
use crate::wire::arbitrary;

fn encoded(command: &Command<'_>) -> String {
    let mut out = BytesMut::from("before ");
    command.encode(&mut out);
    assert_eq!(out.len(), "before ".len() + command.encoded_len());
    String::from_utf8(out.to_vec()).unwrap().strip_prefix("before ").unwrap().to_owned()
}

fn parsed(line: &str) -> Command<'static> {
    Command::parse(line.as_bytes()).unwrap()
}

#[track_caller]
fn refused(line: impl AsRef<[u8]>, words: &str) {
    let error = Command::parse(line.as_ref()).unwrap_err();
    assert_eq!(error.to_string(), words);
}

#[test]
fn c_034_c_035_c_036_c_064_c_067_every_command_has_its_octets() {
    let size = [Param::number("SIZE", 1000), Param::flag("SMTPUTF8")];
    let notify = [Param::fixed("NOTIFY", "NEVER")];
    let sender = "Joe@Example.org".parse::<ReversePath>().unwrap();
    let recipient = "\"a b\"@[192.0.2.1]".parse::<ForwardPath>().unwrap();
    let text = || Text::try_from("joe@example.org").unwrap();
    let cases = [
        (Command::ehlo("client.example").unwrap(), "EHLO client.example"),
        (Command::ehlo("[IPv6:::1]").unwrap(), "EHLO [IPv6:::1]"),
        (Command::helo("client.example").unwrap(), "HELO client.example"),
        (Command::lhlo("client.example").unwrap(), "LHLO client.example"),
        (Command::mail(&ReversePath::Null), "MAIL FROM:<>"),
        (Command::mail(&sender), "MAIL FROM:<Joe@Example.org>"),
        (
            Command::mail(&sender).with_params(&size).unwrap(),
            "MAIL FROM:<Joe@Example.org> SIZE=1000 SMTPUTF8",
        ),
        (Command::rcpt(&ForwardPath::Postmaster), "RCPT TO:<Postmaster>"),
        (
            Command::rcpt(&recipient).with_params(&notify).unwrap(),
            "RCPT TO:<\"a b\"@[192.0.2.1]> NOTIFY=NEVER",
        ),
        (Command::data(), "DATA"),
        (Command::bdat(0, true), "BDAT 0 LAST"),
        (Command::bdat(u64::MAX, false), "BDAT 18446744073709551615"),
        (Command::rset(), "RSET"),
        (Command::vrfy(text()).unwrap(), "VRFY joe@example.org"),
        (Command::expn("staff").unwrap(), "EXPN staff"),
        (Command::help(), "HELP"),
        (Command::Help(Some(text().into())), "HELP joe@example.org"),
        (Command::noop(), "NOOP"),
        (Command::Noop(Some(text().into())), "NOOP joe@example.org"),
        (Command::quit(), "QUIT"),
        (Command::start_tls(), "STARTTLS"),
        (Command::auth("login", None).unwrap(), "AUTH LOGIN"),
        (Command::auth("EXTERNAL", Some("".into())).unwrap(), "AUTH EXTERNAL ="),
        (
            Command::auth("PLAIN", Some("\0test\x001234".into())).unwrap(),
            "AUTH PLAIN AHRlc3QAMTIzNA==",
        ),
        (Command::raw("mail from: <x>").unwrap(), "mail from: <x>"),
    ];
    for (command, line) in cases {
        assert_eq!(encoded(&command), format!("{line}\r\n"));
        let is_raw = matches!(command, Command::Raw(_));
        let verb = Verb::from_word(line.split(' ').next().unwrap().as_bytes());
        assert_eq!(Some(command.verb()), verb);
        let copy = command.clone().into_owned();
        assert_eq!(copy, command);
        if !is_raw {
            assert_eq!(parsed(line), command);
        }
    }
}

#[test]
fn c_065_a_long_response_is_one_line_of_base64() {
    let secret = Secret::from(vec![b'x'; 3000]);
    let line = encoded(&Command::auth("XOAUTH2", Some(secret.clone())).unwrap());
    assert_eq!(line.len(), "AUTH XOAUTH2 \r\n".len() + 4000);
    let Command::Auth { initial, .. } = parsed(line.trim_end()) else {
        panic!("{line}");
    };
    assert_eq!(initial, Some(secret));
}

#[test]
fn writes_no_secret_into_a_buffer_that_is_too_small() {
    let auth = Command::auth("PLAIN", Some(vec![7; 500].into())).unwrap();
    let raw = Command::raw([b"AUTH=PLAIN ", &[b'x'; 500][..]].concat()).unwrap();
    for command in [auth, raw] {
        // A buffer that grew in steps, and left copies behind, would be larger than needed now.
        let mut out = BytesMut::new();
        command.encode(&mut out);
        assert_eq!(out.capacity(), command.encoded_len());
        let mut ready = BytesMut::with_capacity(command.encoded_len());
        let place = ready.as_ptr();
        command.encode(&mut ready);
        assert_eq!(ready.as_ptr(), place);
    }
}

#[test]
fn reads_what_the_rfc_lets_vary() {
    let cases = [
        ("ehlo client.example \t ", "EHLO client.example"),
        ("Mail From:<\"joe\"@x>", "MAIL FROM:<joe@x>"),
        ("MAIL FROM:<@a,@b:joe@x> size=5 BODY=7BIT", "MAIL FROM:<joe@x> size=5 BODY=7BIT"),
        ("rcpt to:<POSTMASTER>", "RCPT TO:<Postmaster>"),
        ("RCPT TO:<\"a>b\"@x> NOTIFY=NEVER ", "RCPT TO:<\"a>b\"@x> NOTIFY=NEVER"),
        ("bdat 007 last", "BDAT 7 LAST"),
        ("data ", "DATA"),
        ("help mail", "HELP mail"),
        ("auth plain =", "AUTH PLAIN ="),
    ];
    for (line, written) in cases {
        assert_eq!(encoded(&parsed(line)), format!("{written}\r\n"));
    }
}

#[test]
fn c_067_refuses_lines_with_these_words() {
    refused("", r#"command "": not a verb"#);
    refused("TURN", r#"command "TURN": not a verb"#);
    refused(" NOOP", r#"command "": not a verb"#);
    refused("NOOP\r\n", r#"command "NOOP\x0d\x0a": not a verb"#);
    refused("AUTH\tx", r#"command "AUTH\x09x": not a verb"#);
    refused("x".repeat(30), &format!(r#"command "{}": not a verb"#, "x".repeat(20)));
    refused("EHLO", "EHLO: its argument is missing");
    refused(
        "EHLO a b",
        "EHLO: client name \"a b\": a label of the domain may hold letters, digits and hyphens only",
    );
    refused("DATA now", "DATA: it takes no argument");
    refused("RSET 1", "RSET: it takes no argument");
    refused("QUIT QUIT", "QUIT: it takes no argument");
    refused("STARTTLS x", "STARTTLS: it takes no argument");
    refused("VRFY", "VRFY: its argument is missing");
    refused(b"VRFY \xff", "VRFY: the argument is not UTF-8");
    refused("VRFY  x", "VRFY: text \" x\": a space must not stand at an end of it");
    refused("NOOP a\0", r#"NOOP: text "a\x00": a control character cannot be sent"#);
    refused("BDAT", "BDAT: its argument is missing");
    for line in ["BDAT x", "BDAT -1", "BDAT 1 FIRST", "BDAT 1  LAST", "BDAT 18446744073709551616"] {
        refused(line, "BDAT: a size in octets must follow, and then nothing or `LAST`");
    }
}

#[test]
fn c_066_what_is_obsolete_does_not_exist() {
    for word in ["SEND", "SOML", "SAML", "TURN"] {
        assert_eq!(Verb::from_word(word.as_bytes()), None);
        refused(word, &format!(r#"command "{word}": not a verb"#));
        refused(
            format!("{word} FROM:<joe@example.org>"),
            &format!(r#"command "{word}": not a verb"#),
        );
        assert!(!Verb::ALL.iter().any(|verb| verb.as_str() == word));
    }
}

/// As a server reads it.
#[test]
fn c_035_refuses_paths_with_these_words() {
    let colon = "no space may stand around the colon";
    let missing = "`FROM:` and a path in brackets must follow";
    refused("MAIL", "MAIL: its argument is missing");
    for line in
        ["MAIL x", "MAIL TO:<a@b>", "MAIL FROM", "MAIL FROM:", "MAIL FROM:a@b", "MAIL FROM<a@b>"]
    {
        refused(line, &format!("MAIL: {missing}"));
    }
    refused("RCPT FROM:<a@b>", "RCPT: `TO:` and a path in brackets must follow");
    for line in ["MAIL FROM: <a@b>", "MAIL FROM :<a@b>", "MAIL FROM : <a@b>"] {
        refused(line, &format!("MAIL: {colon}"));
    }
    refused("MAIL FROM:<a@b", "MAIL: the path has no `>`");
    refused("MAIL FROM:<a@b>>", "MAIL: a space must follow the path");
    refused("MAIL FROM:<a@b>SIZE=1", "MAIL: a space must follow the path");
    refused("MAIL FROM:<a@b>  SIZE=1", r#"MAIL: parameter "": it has no keyword"#);
    refused("MAIL FROM:<a@b> SIZE=", r#"MAIL: parameter "SIZE=": its value is empty"#);
    refused(
        "MAIL FROM:<a@b> SIZE=1 size=2",
        r#"MAIL: parameter "size=2": its keyword is given twice in one command"#,
    );
    refused("RCPT TO:<>", r#"RCPT: path "<>": it is empty"#);
    refused("RCPT TO:<joe>", r#"RCPT: mailbox "joe": it has no `@` and no domain"#);
    refused("RCPT TO:<a b@x>", r#"RCPT: mailbox "a b@x": a space must be quoted in a local part"#);
}

#[test]
fn refuses_auth_without_showing_it() {
    let base64 = "AUTH: the initial response is neither `=` nor base64";
    refused("AUTH", "AUTH: its argument is missing");
    // Illegal letters, no padding, too much of it, inner padding, bits that are left over.
    for initial in
        ["c2Vj*g==", "c2VjcmV0c", "c2VjcmV0==", "c2==cmV0", "YR==", "==", " YQ==", "YQ== x"]
    {
        refused(format!("AUTH PLAIN {initial}"), base64);
    }
    for line in ["AUTH c2VjcmV0=", "AUTH  c2VjcmV0", "AUTH c2VjcmV0c2VjcmV0c2VjcmV0"] {
        let error = Command::parse(line.as_bytes()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("c2VjcmV0"), "{error:?}");
    }
}

#[test]
fn never_shows_what_follows_auth() {
    let secret = Secret::from("wonderland");
    let command = Command::auth("PLAIN", Some(secret)).unwrap();
    assert_eq!(command.to_string(), "AUTH PLAIN <secret>");
    assert_eq!(
        format!("{command:?}"),
        r#"Auth { mechanism: MechanismName("PLAIN"), initial: Some(<secret>) }"#
    );
    assert_eq!(Command::auth("LOGIN", None).unwrap().to_string(), "AUTH LOGIN");
    let raw = Command::raw("AUTH PLAIN d29uZGVybGFuZA==").unwrap();
    assert_eq!(raw.to_string(), "AUTH <secret>");
    assert_eq!(format!("{raw:?}"), r#"Raw(Raw("AUTH <secret>"))"#);
    assert_eq!(Command::raw("NOOP \u{9b}").unwrap().to_string(), r"NOOP \u{009b}");
}

#[test]
fn c_050_takes_each_keyword_once_and_only_where_there_are_parameters() {
    let twice = vec![Param::number("SIZE", 1), Param::flag("X"), Param::flag("size")];
    let mail = Command::mail(&ReversePath::Null);
    assert_eq!(
        mail.with_params(twice).unwrap_err().to_string(),
        r#"parameter "size": its keyword is given twice in one command"#
    );
    let once = [Param::flag("X")];
    assert_eq!(
        Command::data().with_params(&once).unwrap_err().to_string(),
        r#"command "DATA": only MAIL and RCPT have parameters"#
    );
    let rcpt = Command::rcpt(&ForwardPath::Postmaster).with_params(&once).unwrap();
    assert_eq!(rcpt.params(), once);
    assert_eq!(Command::quit().params(), []);
}

/// Whatever bears non-ASCII says so.
#[test]
fn c_042_knows_whether_it_needs_smtputf8() {
    for (line, ascii) in [
        ("MAIL FROM:<u@x>", true),
        ("MAIL FROM:<ü@x>", false),
        ("MAIL FROM:<u@x> A=ü", false),
        ("RCPT TO:<ü@x>", false),
        ("VRFY ü", false),
        ("EXPN ü", false),
        ("HELP ü", false),
        ("NOOP ü", false),
        ("NOOP", true),
        ("RCPT TO:<u@x> SIZE=1 A=u", true),
    ] {
        assert_eq!(parsed(line).is_ascii(), ascii, "{line}");
    }
    assert!(!Command::raw("NOOP ü").unwrap().is_ascii());
    assert!(Command::raw("NOOP u").unwrap().is_ascii());
}

proptest! {
    #[test]
    fn c_034_what_is_written_is_read_back(command in arbitrary::command()) {
        let line = encoded(&command);
        prop_assert_eq!(line.find(['\r', '\n']), Some(line.len() - 2));
        prop_assert!(!line.trim_end_matches("\r\n").contains(|c: char| c.is_ascii_control()));
        prop_assert!(!line.ends_with(" \r\n"));
        prop_assert_eq!(line.is_ascii(), command.is_ascii());
        let read = parsed(line.trim_end_matches("\r\n"));
        prop_assert_eq!(&read, &command);
        // Equality passes over case: the octets do not.
        prop_assert_eq!(encoded(&read), line);
    }

    #[test]
    fn any_line_is_read_or_refused(
        start in "(MAIL FROM:<?|RCPT TO:<?|AUTH |BDAT |NOOP |EHLO |ETRN [@#]?|ATRN |BURL a:|XCLIENT NAME=)?",
        rest in prop_oneof![
            "[ -~]{0,30}",
            "[a-c@.\"\\\\<>:= ]{0,20}".prop_map(String::from),
            "(?s).{0,20}",
        ],
        end in proptest::collection::vec(any::<u8>(), 0..4),
    ) {
        let line = [start.as_bytes(), rest.as_bytes(), &end].concat();
        match Command::parse(&line) {
            Ok(command) => {
                let written = encoded(&command);
                prop_assert_eq!(parsed(written.trim_end_matches("\r\n")), command);
            }
            Err(error) => {
                let words = error.to_string();
                prop_assert!(!words.contains(char::is_control), "{words}");
            }
        }
    }

    #[test]
    fn a_raw_command_is_sent_as_it_is(
        line in proptest::collection::vec(prop_oneof![0x20..=0x7e_u8, 0x80..=0xff_u8], 1..40),
    ) {
        let mut out = BytesMut::new();
        Command::raw(&line).unwrap().encode(&mut out);
        prop_assert_eq!(&out[..], [&line[..], b"\r\n"].concat());
    }
}
