//! What a script cannot say: calls that no conversation has, and what the session keeps.

use std::io::IoSlice;

use ehlo::{
    AuthFault, Command, Delivery, Dispatch, Due, Envelope, Event, Exchange, Mechanism, Misuse,
    Notify, Phase, Protection, RcptParam, ReversePath, Secret, Session, SessionConfig, Stage, Step,
    Verb,
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
fn c_095_of_two_mails_in_flight_each_has_its_own_outcome() {
    let config = SessionConfig::default().run_ahead();
    let mut session = introduced(config, &["PIPELINING", "CHUNKING"]);
    let recipient = "b@example.org".parse().unwrap();
    let send = |session: &mut Session| {
        let mut dispatch = Dispatch::new(&[]);
        dispatch.mail(session, &ReversePath::Null, &[]).unwrap();
        dispatch.rcpt(session, &recipient, &[]).unwrap();
        dispatch.chunk(session, 2, true).unwrap();
        written(session, &mut &b"\r\n"[..]);
        dispatch
    };
    let mut mails = vec![send(&mut session)];
    say(&mut session, b"RSET");
    mails.push(send(&mut session));
    session.receive(b"250 ok\r\n250 ok\r\n550 no\r\n");
    session.receive(b"250 ok\r\n250 ok\r\n250 ok\r\n250 queued\r\n");
    while let Ok(Step::Event(event)) = session.poll() {
        mails.iter_mut().for_each(|mail| mail.note(&session, event));
    }
    let outcomes = mails.into_iter().map(|mail| outcome(&mail.into_delivery(&session)));
    let expected = ["refused: 550 no (in reply to end of data)", "accepted: 250 queued"];
    assert!(outcomes.eq(expected));
}

/// It is wrong anywhere; the order may be right later.
#[test]
fn what_is_wrong_with_a_command_is_told_before_its_place() {
    let mut session = Session::new(SessionConfig::default());
    let mut dispatch = Dispatch::new(&[]);
    let resumable = ["TRANSID=<1@c.example>".parse().unwrap()];
    let twice = ["NOTIFY=NEVER", "NOTIFY=NEVER"].map(|param| param.parse().unwrap());
    let sender = "a@example.org".parse().unwrap();
    let recipient = "b@example.org".parse().unwrap();
    let misuses = [
        dispatch.mail(&mut session, &sender, &resumable),
        dispatch.mail(&mut session, &sender, &twice),
        dispatch.rcpt(&mut session, &recipient, &twice),
    ];
    for misuse in misuses {
        assert!(matches!(misuse, Err(Misuse::Value(_))), "{misuse:?}");
    }
}

#[test]
fn c_103_a_server_that_goes_away_is_no_misuse_of_the_dispatch() {
    let envelope = Envelope::new("a@example.org", ["b@example.org", "c@example.org"]).unwrap();
    let mut session = introduced(SessionConfig::default(), &[]);
    let mut dispatch = Dispatch::of(&envelope);
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
    let mut dispatch = Dispatch::of(&envelope);
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

/// What the next step is, and when all of that is written, the one behind it.
fn steps(session: &mut Session, mut content: &[u8]) -> (Step, Step) {
    let step = session.poll().unwrap();
    written(session, &mut content);
    (step, session.poll().unwrap())
}

/// Content has a deadline of its own, until its last octet is written.
#[test]
fn c_109_each_step_names_the_stage_whose_deadline_runs() {
    use Step::{Read, Write};

    let mut session = introduced(SessionConfig::default(), &["CHUNKING"]);
    for (line, stage) in [("MAIL FROM:<>", Stage::Mail), ("RCPT TO:<b@example.org>", Stage::Rcpt)] {
        session.send(&Command::parse(line.as_bytes()).unwrap()).unwrap();
        assert_eq!(steps(&mut session, b""), (Write(stage), Read(stage)));
        hear(&mut session, b"250 ok\r\n");
    }
    session.send(&Command::bdat(2, false)).unwrap();
    assert_eq!(steps(&mut session, b"\r\n"), (Write(Stage::Content), Read(Stage::Content)));
    hear(&mut session, b"250 ok\r\n");
    session.send(&Command::bdat(2, true)).unwrap();
    assert_eq!(steps(&mut session, b"\r\n"), (Write(Stage::Content), Read(Stage::EndOfData)));
    hear(&mut session, b"250 queued\r\n");

    let mut session = introduced(SessionConfig::default(), &["PIPELINING"]);
    up_to_content(&mut session);
    session.content(2).unwrap();
    assert_eq!(steps(&mut session, b"\r\n"), (Write(Stage::Content), Step::Idle));
    session.finish().unwrap();
    assert_eq!(steps(&mut session, b""), (Write(Stage::Content), Read(Stage::EndOfData)));
}

/// A server need not be asked for more at once than it and this side can hold.
#[test]
fn t13_a_flight_ends_at_512_commands_or_32_kib() {
    let longest = format!("RCPT TO:<{}@{}.example>", "b".repeat(64), "c".repeat(43));
    assert_eq!(longest.len() + 2, 128);
    let mail = format!("MAIL FROM:<{}@{}.example>", "a".repeat(62), "c".repeat(43));
    assert_eq!(mail.len() + 2, 128);
    for (mail, rcpt, most) in
        [("MAIL FROM:<>", "RCPT TO:<b@example.org>", 512), (&mail, &longest, 32 * 1024 / 128)]
    {
        let mut session = introduced(SessionConfig::default(), &["PIPELINING"]);
        session.send(&Command::parse(mail.as_bytes()).unwrap()).unwrap();
        let rcpt = Command::parse(rcpt.as_bytes()).unwrap();
        for _ in 1..most {
            assert!(session.has_room());
            session.send(&rcpt).unwrap();
        }
        assert!(!session.has_room());
        assert_eq!(session.send(&rcpt), Err(Misuse::NoRoom(Verb::Rcpt, most)));
        written(&mut session, &mut &b""[..]);
        hear(&mut session, b"250 ok\r\n");
        session.send(&rcpt).unwrap();
    }
}

/// A reply that has begun, or come and not been looked at, when the next command is written.
#[test]
fn t8_c_092_a_group_may_grow_while_replies_come() {
    let mut session = introduced(SessionConfig::default(), &["PIPELINING"]);
    let mail = session.send(&Command::parse(b"MAIL FROM:<>").unwrap()).unwrap();
    assert!(!session.is_written(mail));
    written(&mut session, &mut &b""[..]);
    assert!(session.is_written(mail) && !session.is_answered(mail));
    session.receive(b"25");
    let rcpt = session.send(&Command::parse(b"RCPT TO:<b@example.org>").unwrap()).unwrap();
    written(&mut session, &mut &b""[..]);
    session.receive(b"0 ok\r\n250 ok\r\n");
    assert_eq!(session.poll(), Ok(Step::Event(Event::Reply(mail))));
    assert!(session.is_answered(mail) && !session.is_answered(rcpt));
    assert_eq!(session.poll(), Ok(Step::Event(Event::Reply(rcpt))));
    assert!(session.is_answered(rcpt));
}

#[test]
fn t8_c_106_a_reply_to_what_is_not_written_answers_nothing() {
    let mut session = introduced(SessionConfig::default(), &[]);
    session.send(&Command::parse(b"MAIL FROM:<>").unwrap()).unwrap();
    session.receive(b"550 no\r\n");
    let violation = session.poll().unwrap_err().to_string();
    assert_eq!(violation, "a reply came that answers no command: 550 no");

    // It began in the content, and ends when that is out: it says nothing of the mail.
    let mut session = introduced(SessionConfig::default(), &["PIPELINING"]);
    let mut dispatch = up_to_content(&mut session);
    dispatch.finish(&mut session).unwrap();
    session.receive(b"55");
    written(&mut session, &mut &b""[..]);
    session.receive(b"4 no\r\n");
    let violation = session.poll().unwrap_err().to_string();
    assert_eq!(violation, "a reply came that answers no command: 554 no");
    let outcome = outcome(&dispatch.into_delivery(&session));
    assert_eq!(outcome, "unknown: no answer came after the mail was sent");
}

#[test]
fn what_is_no_reply_belongs_to_the_stage_of_what_was_awaited() {
    let mut session = introduced(SessionConfig::default(), &[]);
    assert!(session.poll().is_ok());
    session.receive(b"what\r\n");
    assert!(session.poll().is_err());
    assert_eq!(session.answered_stage(), Stage::Ehlo);

    let mut session = introduced(SessionConfig::default(), &[]);
    say(&mut session, b"MAIL FROM:<>");
    session.receive(b"what\r\n");
    assert!(session.poll().is_err());
    assert_eq!(session.answered_stage(), Stage::Mail);
}

/// Exchange offers NTLM so.
#[test]
fn another_keyword_may_stand_for_auth() {
    let config = SessionConfig::default().allow_cleartext();
    let keyword = config.clone().auth_keyword("X-EXPS");
    assert_eq!(introduced(keyword, &["X-EXPS LOGIN"]).allows(Verb::Auth), Ok(()));
    let misuse = introduced(config, &["X-EXPS LOGIN"]).allows(Verb::Auth).unwrap_err();
    assert_eq!(misuse.to_string(), "the server does not offer AUTH, which AUTH needs");
}

#[test]
fn a_mail_can_be_checked_before_the_first_of_its_commands_is_sent() {
    let session = introduced(SessionConfig::default(), &["SIZE 1000", "LIMITS RCPTDOMAINMAX=1"]);
    let envelope = |to: &[&str]| Envelope::new("a@example.org", to.iter().copied()).unwrap();
    let check = |envelope: &Envelope, params: &[&str]| {
        let params: Vec<_> = params.iter().map(|param| param.parse().unwrap()).collect();
        session.check_mail(envelope, &params).map_err(|misuse| misuse.to_string())
    };
    let two = envelope(&["b@example.org", "c@example.org"]);
    assert_eq!(check(&two, &["SIZE=1000"]), Ok(()));
    for (envelope, params, words) in [
        (
            two.clone(),
            "BODY=8BITMIME",
            "the server does not offer 8BITMIME, which BODY=8BITMIME needs",
        ),
        (
            two.rcpt_param(RcptParam::notify(Notify::NEVER)),
            "SIZE=1",
            "the server does not offer DSN, which NOTIFY=NEVER needs",
        ),
        (
            envelope(&["b@example.org", "é@example.org"]),
            "SIZE=1",
            r#""RCPT TO:<é@example.org>" is not ASCII, which needs SMTPUTF8"#,
        ),
    ] {
        assert_eq!(check(&envelope, &[params]), Err(words.to_owned()));
    }
    assert_eq!(session.in_flight(), 0);

    // How many recipients go in one transaction is for whoever sends them.
    let mut session = session;
    for line in [&b"MAIL FROM:<>"[..], b"RCPT TO:<b@example.org>", b"RSET"] {
        say(&mut session, line);
        hear(&mut session, b"250 ok\r\n");
    }
    let check = |to: &[&str]| session.check_mail(&envelope(to), &[]);
    assert_eq!(check(&["d@example.org", "e@example.net"]), Ok(()));
    let limit = Misuse::LimitReached { limit: "RCPTDOMAINMAX", most: 1 };
    assert_eq!(check(&["e@example.net", "d@example.org"]), Err(limit));
}

#[test]
fn a_line_may_be_longer_by_what_is_offered() {
    let mut session = introduced(SessionConfig::default(), &["SIZE", "XLONG"]);
    let mut mail = |octets: usize| {
        let line = format!("MAIL FROM:<> XLONG={}", "a".repeat(octets - 21));
        session.send(&Command::parse(line.as_bytes()).unwrap())
    };
    let too_long = Misuse::LineTooLong { verb: Verb::Mail, length: 539, limit: 538 };
    assert_eq!(mail(539), Err(too_long));
    assert!(mail(538).is_ok());
}

/// A mechanism in which the server has something to prove.
#[derive(Debug)]
struct Proving;

impl Mechanism for Proving {
    fn name(&self) -> &str {
        "XPROOF"
    }

    fn respond(&mut self, _: &[u8]) -> Result<Secret, AuthFault> {
        Ok(Secret::from(""))
    }
}

#[test]
fn what_one_mechanism_wants_proved_is_not_asked_of_the_next() {
    let config = SessionConfig::default().allow_cleartext();
    let mut session = introduced(config, &["AUTH XPROOF LOGIN"]);
    let exchange = Exchange::begin(&mut session, Box::new(Proving)).unwrap();
    written(&mut session, &mut &b""[..]);
    hear(&mut session, b"535 no\r\n");
    assert_eq!(exchange.end(&mut session), None);
    say(&mut session, b"AUTH LOGIN");
    hear(&mut session, b"235 ok\r\n");
    assert!(session.is_authenticated());
}

#[test]
fn what_is_read_into_the_sessions_own_buffer_is_heard() {
    let mut session = Session::new(SessionConfig::default());
    session.space().extend_from_slice(b"220 m");
    assert_eq!(session.poll(), Ok(Step::Read(Stage::Greeting)));
    session.space().extend_from_slice(b"x\r\n");
    assert_eq!(session.poll(), Ok(Step::Event(Event::Greeting)));
}
