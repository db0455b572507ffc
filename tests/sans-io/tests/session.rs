//! What a script cannot say: calls that no conversation has, and what the session keeps.

use std::io::IoSlice;

use ehlo::{
    Command, ContentFault, Delivery, Dispatch, Due, Envelope, Event, Phase, Protection,
    ReversePath, Session, SessionConfig, Stage, Step,
};

/// Writes all there is; says what it was.
fn written(session: &mut Session, content: &mut &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    while let Ok(Step::Write(_)) = session.poll() {
        let mut slices = [IoSlice::new(b""); 8];
        let used = session.gather(content, &mut slices).unwrap();
        let octets: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.to_vec()).collect();
        let consumed = session.wrote(octets.len());
        *content = &content[consumed..];
        wire.extend(octets);
    }
    wire
}

/// The server says this; the events it makes.
fn hear(session: &mut Session, octets: &[u8]) -> Vec<Event> {
    session.receive(octets);
    let mut events = Vec::new();
    while let Ok(Step::Event(event)) = session.poll() {
        events.push(event);
    }
    events
}

fn say(session: &mut Session, line: &[u8]) -> Vec<u8> {
    let command = Command::parse(line).or_else(|_| Command::raw(line)).unwrap();
    session.send(&command).unwrap();
    written(session, &mut &b""[..])
}

/// A session that has introduced itself to a server which offers these.
fn introduced(config: SessionConfig, keywords: &[&str]) -> Session {
    let mut session = Session::new(config);
    hear(&mut session, b"220 mx\r\n");
    say(&mut session, b"EHLO c.example");
    let mut reply = "250-mx\r\n".to_owned();
    for keyword in keywords {
        reply += &format!("250-{keyword}\r\n");
    }
    hear(&mut session, (reply + "250 HELP\r\n").as_bytes());
    assert_eq!(session.phase(), Phase::Ready);
    session
}

#[test]
fn t5_c_122_octets_between_the_220_and_the_handshake_are_never_read_as_if_through_tls() {
    let mut session = introduced(SessionConfig::default(), &["STARTTLS"]);
    say(&mut session, b"STARTTLS");
    hear(&mut session, b"220 go\r\n");
    assert_eq!(session.poll(), Ok(Step::StartTls));
    session.receive(b"250 inj");
    session.tls_started(Protection::Verified);
    assert_eq!(session.protection(), Protection::None);
    let violation = session.poll().unwrap_err().to_string();
    assert_eq!(violation, r#"octets in clear behind the reply to STARTTLS: "250 inj""#);
    assert_eq!(session.poll(), Ok(Step::Closed));
}

#[test]
fn t7_tls_that_starts_out_of_time_protects_nothing() {
    let mut session = introduced(SessionConfig::default(), &["AUTH PLAIN"]);
    session.tls_started(Protection::Verified);
    assert_eq!(session.protection(), Protection::None);
    assert!(session.send(&Command::auth("PLAIN", None).unwrap()).is_err());

    // A greeting in clear is not one that came through TLS.
    let mut session = Session::new(SessionConfig::default());
    session.receive(b"220 m");
    session.tls_started(Protection::Verified);
    assert_eq!(session.protection(), Protection::None);

    let mut session = Session::new(SessionConfig::default());
    session.tls_started(Protection::Verified);
    assert_eq!(session.poll(), Ok(Step::Read(Stage::Greeting)));
    assert_eq!(session.protection(), Protection::Verified);
}

/// A mail to one recipient, up to the go-ahead; the dispatch knows of all of it.
fn up_to_content(session: &mut Session) -> Dispatch {
    let recipient = "b@example.org".parse().unwrap();
    let mut dispatch = Dispatch::new(&[]);
    dispatch.mail(session, &ReversePath::Null, &[]).unwrap();
    dispatch.rcpt(session, &recipient, &[]).unwrap();
    dispatch.data(session).unwrap();
    written(session, &mut &b""[..]);
    note(session, &mut dispatch, b"250 ok\r\n250 ok\r\n354 go\r\n");
    assert_eq!(session.phase(), Phase::Content);
    dispatch
}

fn note(session: &mut Session, dispatch: &mut Dispatch, octets: &[u8]) {
    session.receive(octets);
    while let Ok(Step::Event(event)) = session.poll() {
        dispatch.note(session, event);
    }
}

fn outcome(delivery: &Delivery) -> String {
    delivery.recipients().next().unwrap().outcome().to_string()
}

#[test]
fn t18_c_105_a_next_mail_in_flight_does_not_hide_that_this_one_was_sent() {
    let mut session = introduced(SessionConfig::default(), &["PIPELINING"]);
    let mut dispatch = up_to_content(&mut session);
    session.content(2).unwrap();
    dispatch.finish(&mut session).unwrap();
    assert_eq!(written(&mut session, &mut &b"\r\n"[..]), b"\r\n.\r\n");
    for line in ["MAIL FROM:<>", "RCPT TO:<c@example.org>", "DATA"] {
        say(&mut session, line.as_bytes());
    }
    session.end_of_input();
    assert_eq!(session.poll(), Ok(Step::Closed));
    let delivery = dispatch.into_delivery(&session);
    assert_eq!(outcome(&delivery), "unknown: no answer came after the mail was sent");
}

#[test]
fn c_095_c_108_replies_behind_a_mail_do_not_change_its_outcome() {
    let mut session = introduced(SessionConfig::default(), &["PIPELINING"]);
    let mut dispatch = up_to_content(&mut session);
    dispatch.finish(&mut session).unwrap();
    written(&mut session, &mut &b""[..]);
    say(&mut session, b"MAIL FROM:<>");
    note(&mut session, &mut dispatch, b"250 queued\r\n550 not you\r\n");
    say(&mut session, b"QUIT");
    note(&mut session, &mut dispatch, b"500 what\r\n");
    let delivery = dispatch.into_delivery(&session);
    assert_eq!(outcome(&delivery), "accepted: 250 queued");
}

#[test]
fn c_103_a_server_that_goes_away_is_no_misuse_of_the_dispatch() {
    let envelope = Envelope::new("a@example.org", ["b@example.org", "c@example.org"]).unwrap();
    let mut session = introduced(SessionConfig::default(), &[]);
    let mut dispatch = Dispatch::new(envelope.recipients());
    for reply in [&b"250 ok\r\n"[..], b"421 bye\r\n"] {
        let due = dispatch.advance(&mut session, &envelope, &[]);
        assert_eq!(due, Ok(Due::Reply));
        written(&mut session, &mut &b""[..]);
        note(&mut session, &mut dispatch, reply);
    }
    assert_eq!(dispatch.advance(&mut session, &envelope, &[]), Ok(Due::Nothing));
    let delivery = dispatch.into_delivery(&session);
    let outcomes: Vec<_> = delivery.recipients().map(|r| r.outcome().to_string()).collect();
    assert_eq!(outcomes, ["refused: 421 bye (in reply to RCPT TO)", "not sent"]);
}

#[test]
fn t11_raw_auth_lines_are_masked_wherever_they_are_shown() {
    let config = || SessionConfig::default().allow_cleartext().transcript(4096);
    for (line, shown) in [
        ("AUTH c2VjcmV0", "AUTH <secret>"),
        ("auth PLAIN c2VjcmV0", "auth <secret>"),
        ("  AUTH PLAIN c2VjcmV0", "AUTH <secret>"),
        ("AUTH=c2VjcmV0", "AUTH <secret>"),
    ] {
        let mut session = introduced(config(), &["AUTH PLAIN"]);
        let ticket = session.send(&Command::raw(line).unwrap()).unwrap();
        assert!(!format!("{session:?}").contains("c2VjcmV0"));
        let wire = written(&mut session, &mut &b""[..]);
        assert_eq!(wire, format!("{line}\r\n").into_bytes());
        assert_eq!(hear(&mut session, b"535 no\r\n"), [Event::Reply(ticket)]);
        assert_eq!(session.answered(), shown.as_bytes());
        let transcript = session.transcript().unwrap().to_string();
        assert!(transcript.contains(&format!("C: {shown}\n")), "{transcript}");
        assert!(!format!("{transcript}{session:?}").contains("c2VjcmV0"));
    }
}

/// RFC 4954 §4: a response is a line of its own, and padded base64 without a break in it.
#[test]
fn c_064_c_065_a_response_is_one_line() {
    for (response, line) in [
        (&b""[..], String::new()),
        (b"a", "YQ==".to_owned()),
        (b"ab", "YWI=".to_owned()),
        (&[0xff; 9000], "/".repeat(12_000)),
    ] {
        let config = SessionConfig::default().allow_cleartext();
        let mut session = introduced(config, &["AUTH EXTERNAL"]);
        let auth = Command::auth("EXTERNAL", None).unwrap();
        session.send(&auth).unwrap();
        written(&mut session, &mut &b""[..]);
        hear(&mut session, b"334 \r\n");
        session.respond(response).unwrap();
        let wire = written(&mut session, &mut &b""[..]);
        assert_eq!(String::from_utf8(wire).unwrap(), line + "\r\n");
    }
}

#[test]
fn t13_what_comes_behind_the_end_takes_no_memory() {
    let mut session = Session::new(SessionConfig::default());
    hear(&mut session, b"421 bye\r\n");
    for _ in 0..1000 {
        hear(&mut session, &[b'x'; 4096]);
    }
    assert!(session.unfinished().len() < 64);
}

#[test]
fn a_raw_mail_declares_what_it_says() {
    let mut session = introduced(SessionConfig::default(), &["8BITMIME", "PIPELINING"]);
    let raw = Command::raw("MAIL FROM:<> BODY=8BITMIME").unwrap();
    session.send(&raw).unwrap();
    for line in ["RCPT TO:<b@example.org>", "DATA"] {
        say(&mut session, line.as_bytes());
    }
    hear(&mut session, b"250 ok\r\n250 ok\r\n354 go\r\n");
    session.content(1).unwrap();
    session.finish().unwrap();
    assert_eq!(written(&mut session, &mut &b"\xe9"[..]), b"\xe9\r\n.\r\n");
}

/// What is left of the content is for the caller to know.
#[test]
fn a_dispatch_leaves_mails_that_may_go_on_alone() {
    let mut session = introduced(SessionConfig::default(), &["CHECKPOINT", "PIPELINING"]);
    let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
    let params = ["TRANSID=<1@c.example>".parse().unwrap()];
    let mut dispatch = Dispatch::new(envelope.recipients());
    let misuse = dispatch.advance(&mut session, &envelope, &params).unwrap_err();
    assert_eq!(
        misuse.to_string(),
        "parameter \"TRANSID=<1@c.example>\": a mail that may go on is sent command by command"
    );
    assert_eq!(session.in_flight(), 0);
}

/// A tester's line is followed like one that was built.
#[test]
fn c_116_raw_lines_of_extensions_lead_where_they_should() {
    let mut session = introduced(SessionConfig::default(), &["BURL", "CHECKPOINT", "XCLIENT NAME"]);
    let mut raw = |line: &str, reply: &[u8]| {
        session.send(&Command::raw(line).unwrap()).unwrap();
        written(&mut session, &mut &b""[..]);
        hear(&mut session, reply);
        session.phase()
    };
    assert_eq!(raw("mail from:<a@b> transid=<1@c>", b"355 5\r\n"), Phase::Recipients);
    assert_eq!(raw("burl imap:x", b"250 ok\r\n"), Phase::Chunks);
    assert_eq!(raw("burl imap:x last", b"250 ok\r\n"), Phase::Ready);
    assert_eq!(raw("xclient name=a no such thing", b"220 mx\r\n"), Phase::Hello);
    assert_eq!(session.capabilities().keywords().count(), 0);
}

/// Chunks of one mail are read as one text; those behind what the server fetched begin another.
#[test]
fn c_063_a_chunk_behind_a_burl_is_looked_at_anew() {
    let mut session = introduced(SessionConfig::default(), &["CHUNKING", "BURL", "8BITMIME"]);
    let mut begin = |body: &[u8]| {
        for line in [body, b"RCPT TO:<b@example.org>"] {
            say(&mut session, line);
            hear(&mut session, b"250 ok\r\n");
        }
        say(&mut session, b"BURL imap:x");
        hear(&mut session, b"250 ok\r\n");
        session.send(&Command::bdat(4, true)).unwrap();
        let wire = written(&mut session, &mut &b"\xfc\r\n."[..]);
        hear(&mut session, b"250 ok\r\n");
        wire
    };
    assert!(begin(b"MAIL FROM:<a@example.org> BODY=8BITMIME").ends_with(b"LAST\r\n\xfc\r\n."));
    assert!(begin(b"MAIL FROM:<a@example.org> BODY=8BITMIME").ends_with(b"LAST\r\n\xfc\r\n."));
}

/// At the end of what is lent it may be half of a line end; at that of the last chunk it is not.
#[test]
fn t1_a_cr_is_found_to_be_alone_where_the_last_chunk_ends() {
    let lend = |parts: &[&[u8]]| {
        let mut session = introduced(SessionConfig::default(), &["CHUNKING"]);
        for line in [&b"MAIL FROM:<a@example.org>"[..], b"RCPT TO:<b@example.org>"] {
            say(&mut session, line);
            hear(&mut session, b"250 ok\r\n");
        }
        let octets: usize = parts.iter().map(|part| part.len()).sum();
        session.send(&Command::bdat(octets as u64, true)).unwrap();
        for part in parts {
            let mut slices = [IoSlice::new(b""); 8];
            let used = session.gather(part, &mut slices)?;
            let octets = slices[..used].iter().map(|slice| slice.len()).sum();
            session.wrote(octets);
        }
        Ok(session.promised())
    };
    assert_eq!(lend(&[b"a\r"]), Err(ContentFault::BareCr { offset: 1 }));
    assert_eq!(lend(&[b"a\r", b"\n"]), Ok(0));
}
