//! A mail to any recipients, against a server that decides beforehand what becomes of each; and
//! mails that are sent command by command.

use std::io::IoSlice;

use ehlo::{
    Command, Delivery, Dispatch, Due, Envelope, ForwardPath, Outcome, Protocol, Retry, ReversePath,
    Session, SessionConfig, Stage, Step,
};
use proptest::prelude::*;
use proptest::sample::select;

/// What the server will say.
#[derive(Debug, Clone)]
struct Decided {
    lmtp: bool,
    pipelining: bool,
    mail: u16,
    /// To RCPT, and over LMTP to the content.
    rcpts: Vec<(u16, u16)>,
    data: u16,
    end: u16,
    /// To DATA where nobody was accepted.
    nobody: u16,
    /// The connection ends behind so many replies.
    replies: usize,
}

fn decided() -> impl Strategy<Value = Decided> {
    let rcpt = (select(vec![250, 250, 251, 450, 550]), select(vec![250, 250, 452, 552]));
    let rcpts = proptest::collection::vec(rcpt, 1..7);
    let mail = select(vec![250, 250, 250, 250, 550]);
    let data = select(vec![354, 354, 354, 451]);
    let end = select(vec![250, 250, 554]);
    let nobody = select(vec![354, 503]);
    let replies = prop_oneof![Just(usize::MAX), 0..14usize];
    (any::<bool>(), any::<bool>(), mail, rcpts, data, end, nobody, replies).prop_map(
        |(lmtp, pipelining, mail, rcpts, data, end, nobody, replies)| Decided {
            lmtp,
            pipelining,
            mail,
            rcpts,
            data,
            end,
            nobody,
            replies,
        },
    )
}

/// The server: it reads lines and content, and knows nothing but what was decided.
struct Server<'a> {
    decided: &'a Decided,
    unread: Vec<u8>,
    accepted: Vec<usize>,
    asked: usize,
    in_content: bool,
    replies: usize,
    contents: Vec<Vec<u8>>,
    quiet: bool,
}

impl Server<'_> {
    fn hear(&mut self, octets: &[u8]) -> Vec<u8> {
        self.unread.extend_from_slice(octets);
        let mut said = Vec::new();
        loop {
            let end: &[u8] = match self.in_content {
                true if !self.unread.starts_with(b".\r\n") => b"\r\n.\r\n",
                true => b".\r\n",
                false => b"\r\n",
            };
            let Some(at) = self.unread.windows(end.len()).position(|w| w == end) else {
                return said;
            };
            let line: Vec<u8> = self.unread.drain(..at + end.len()).collect();
            for code in self.answer(&line) {
                if self.replies == self.decided.replies {
                    self.quiet = true;
                    return said;
                }
                self.replies += 1;
                said.extend_from_slice(format!("{code} x\r\n").as_bytes());
            }
        }
    }

    fn answer(&mut self, line: &[u8]) -> Vec<u16> {
        let Decided { lmtp, mail, rcpts, data, end, nobody, .. } = self.decided;
        if std::mem::take(&mut self.in_content) {
            self.contents.push(line.to_vec());
            return match (lmtp, self.accepted.is_empty()) {
                (true, false) => self.accepted.iter().map(|n| rcpts[*n].1).collect(),
                (_, nobody) => vec![if nobody { 554 } else { *end }],
            };
        }
        let refused = *mail != 250;
        vec![match &line[..4] {
            b"MAIL" => *mail,
            b"RCPT" => {
                let n = self.asked;
                self.asked += 1;
                let code = if refused { 503 } else { rcpts[n].0 };
                if code < 300 {
                    self.accepted.push(n);
                }
                code
            }
            b"DATA" => {
                let code = match (refused, self.accepted.is_empty()) {
                    (true, _) => 503,
                    (_, true) => *nobody,
                    _ => *data,
                };
                self.in_content = code == 354;
                code
            }
            other => panic!("{other:?}"),
        }]
    }
}

const CONTENT: &[u8] = b"Subject: x\r\n\r\nbody\r\n";

/// A session that may send mails, to a server that offers these.
fn introduced(protocol: Protocol, keywords: &[&str]) -> Session {
    let mut session = Session::new(SessionConfig::default().protocol(protocol));
    session.receive(b"220 mx\r\n");
    session.poll().unwrap();
    let hello = if protocol == Protocol::Lmtp { "LHLO c.example" } else { "EHLO c.example" };
    session.send(&Command::parse(hello.as_bytes()).unwrap()).unwrap();
    session.wrote(hello.len() + 2);
    let lines = keywords.iter().map(|keyword| format!("250-{keyword}\r\n"));
    let reply = format!("250-mx\r\n{}250 X-LAST\r\n", lines.collect::<String>());
    session.receive(reply.as_bytes());
    session.poll().unwrap();
    session
}

/// Says what became of each recipient, and what the server was given as content.
fn send(decided: &Decided) -> (Vec<String>, Vec<Vec<u8>>) {
    let protocol = if decided.lmtp { Protocol::Lmtp } else { Protocol::Smtp };
    let keywords: &[&str] = if decided.pipelining { &["PIPELINING"] } else { &[] };
    let mut session = introduced(protocol, keywords);

    let recipients = (0..decided.rcpts.len()).map(|n| format!("r{n}@example.org"));
    let envelope = Envelope::new("a@example.org", recipients).unwrap();
    let mut dispatch = Dispatch::new(envelope.recipients());
    let mut server = Server {
        decided,
        unread: Vec::new(),
        accepted: Vec::new(),
        asked: 0,
        in_content: false,
        replies: 0,
        contents: Vec::new(),
        quiet: false,
    };
    let mut content: &[u8] = b"";
    for _ in 0..1000 {
        match dispatch.advance(&mut session, &envelope, &[]).unwrap() {
            Due::Nothing => {
                let delivery = dispatch.into_delivery(&session);
                let outcomes = delivery.recipients().map(|one| match one.outcome() {
                    Outcome::Accepted(reply) => format!("accepted {}", reply.code()),
                    Outcome::Refused(refusal) => {
                        format!("refused {} {:?}", refusal.reply().code(), refusal.stage())
                    }
                    Outcome::NotSent => "not sent".to_owned(),
                    Outcome::Unknown => "unknown".to_owned(),
                    _ => unreachable!(),
                });
                return (outcomes.collect(), server.contents);
            }
            Due::Content => {
                content = CONTENT;
                session.content(content.len()).unwrap();
                dispatch.finish(&mut session).unwrap();
            }
            Due::Reply => match session.poll().unwrap() {
                Step::Event(event) => dispatch.note(&session, event),
                Step::Write(_) => {
                    let mut slices = [IoSlice::new(b""); 8];
                    let used = session.gather(content, &mut slices).unwrap();
                    let wire: Vec<u8> = slices[..used].iter().flat_map(|s| s.to_vec()).collect();
                    content = &content[session.wrote(wire.len())..];
                    session.receive(&server.hear(&wire));
                    if server.quiet {
                        session.end_of_input();
                    }
                }
                // The answer to a lone dot is nobody's.
                Step::Closed | Step::Idle => {}
                step => panic!("{step:?}"),
            },
        }
    }
    panic!("it never ends: {decided:?}");
}

/// The same, from what was decided alone.
fn expected(decided: &Decided) -> Vec<String> {
    let Decided { lmtp, pipelining, mail, rcpts, data, end, replies, .. } = decided;
    let refused = |code: u16, stage: Stage| format!("refused {code} {stage:?}");
    let mut left = *replies;
    let mut heard = || {
        let is_heard = left > 0;
        left = left.saturating_sub(1);
        is_heard
    };
    if !heard() {
        return vec!["not sent".to_owned(); rcpts.len()];
    }
    if *mail != 250 {
        return vec![refused(*mail, Stage::Mail); rcpts.len()];
    }
    let rcpts_heard: Vec<bool> = rcpts.iter().map(|_| heard()).collect();
    let anybody = rcpts.iter().any(|(code, _)| *code < 300);
    // Without pipelining nobody asks for the content where nobody was accepted.
    let data_heard = (anybody || *pipelining) && heard();
    let goes = anybody && *data == 354 && data_heard;
    let mut smtp_end = None;
    rcpts
        .iter()
        .zip(rcpts_heard)
        .map(|((code, own_end), rcpt_heard)| {
            if !rcpt_heard {
                return "not sent".to_owned();
            }
            if *code > 300 {
                return refused(*code, Stage::Rcpt);
            }
            if !goes {
                return if data_heard {
                    refused(*data, Stage::Data)
                } else {
                    "not sent".to_owned()
                };
            }
            let (end, end_heard) = match lmtp {
                true => (own_end, heard()),
                false => (end, *smtp_end.get_or_insert_with(&mut heard)),
            };
            match end_heard {
                false => "unknown".to_owned(),
                true if *end == 250 => "accepted 250".to_owned(),
                true => refused(*end, Stage::EndOfData),
            }
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

    #[test]
    fn c_092_c_097_c_098_c_118_c_120_t17_t18_each_recipient_gets_what_the_server_decided(decided in decided()) {
        let (outcomes, contents) = send(&decided);
        prop_assert_eq!(&outcomes, &expected(&decided));
        let whole = [CONTENT, b".\r\n"].concat();
        let anybody = decided.mail == 250 && decided.rcpts.iter().any(|(code, _)| *code < 300);
        match contents.as_slice() {
            [] => {}
            [content] if anybody => prop_assert_eq!(content, &whole),
            [dot] => prop_assert_eq!(dot, b".\r\n"),
            more => prop_assert!(false, "{} contents", more.len()),
        }
        let reached = outcomes.iter().any(|outcome| {
            outcome.starts_with("accepted") || outcome == "unknown" || outcome.contains("EndOfData")
        });
        prop_assert_eq!(reached, anybody && contents == [whole]);
    }
}

fn paths<const N: usize>(mailboxes: [&str; N]) -> [ForwardPath; N] {
    mailboxes.map(|mailbox| mailbox.parse().unwrap())
}

/// Sends MAIL, and RCPT for each of these.
fn begin(session: &mut Session, dispatch: &mut Dispatch, mailboxes: &[&str]) {
    dispatch.mail(session, &ReversePath::Null, &[]).unwrap();
    for mailbox in mailboxes {
        dispatch.rcpt(session, &mailbox.parse().unwrap(), &[]).unwrap();
    }
}

/// All that was sent goes out, as far as its content is there.
fn write(session: &mut Session, mut content: &[u8]) {
    while matches!(session.poll(), Ok(Step::Write(_))) {
        session.write_to(&mut Vec::new(), &mut content).unwrap();
        if session.promised() > 0 && content.is_empty() {
            break;
        }
    }
}

/// The server says this, and these take note of it.
fn hear(session: &mut Session, dispatches: &mut [&mut Dispatch], said: &str) {
    session.receive(said.as_bytes());
    while let Step::Event(event) = session.poll().unwrap() {
        for dispatch in dispatches.iter_mut() {
            dispatch.note(session, event);
        }
    }
}

fn outcomes(delivery: &Delivery) -> Vec<String> {
    let outcome = |one: ehlo::Recipient<'_>| format!("{} {}", one.mailbox(), one.outcome());
    delivery.recipients().map(outcome).collect()
}

#[test]
fn whoever_is_named_out_of_turn_has_the_reply_to_that() {
    let mut session = introduced(Protocol::Smtp, &["PIPELINING"]);
    let mut dispatch = Dispatch::new(&paths(["b@x", "c@x", "d@x"]));
    begin(&mut session, &mut dispatch, &["b@x", "d@x", "e@x", "c@x"]);
    write(&mut session, b"");
    hear(&mut session, &mut [&mut dispatch], "250 a\r\n250 b\r\n550 d\r\n251 e\r\n450 c\r\n");
    let delivery = dispatch.into_delivery(&session);
    let said =
        delivery.recipients().map(|one| format!("{} {}", one.mailbox(), one.rcpt().unwrap()));
    assert_eq!(
        said.collect::<Vec<_>>(),
        ["<b@x> 250 b", "<d@x> 550 d", "<e@x> 251 e", "<c@x> 450 c"]
    );
}

#[test]
fn t17_t18_what_nobody_noted_is_not_taken_from_another_reply() {
    let mut session = introduced(Protocol::Smtp, &["PIPELINING"]);
    let mut dispatch = Dispatch::new(&[]);
    begin(&mut session, &mut dispatch, &["b@x", "c@x"]);
    dispatch.data(&mut session).unwrap();
    write(&mut session, b"");
    hear(&mut session, &mut [&mut dispatch], "250 ok\r\n");
    hear(&mut session, &mut [], "250 b\r\n");
    hear(&mut session, &mut [&mut dispatch], "550 c\r\n354 go\r\n");
    dispatch.content(&mut session, CONTENT.len()).unwrap();
    write(&mut session, CONTENT);
    session.send(&Command::noop()).unwrap();
    write(&mut session, b"");
    hear(&mut session, &mut [], "250 queued\r\n");
    hear(&mut session, &mut [&mut dispatch], "250 still here\r\n");
    let delivery = dispatch.into_delivery(&session);
    assert_eq!(delivery.end(), None);
    let expected = [
        "<b@x> unknown: no answer came after the mail was sent",
        "<c@x> refused: 550 c (in reply to RCPT TO)",
    ];
    assert_eq!(outcomes(&delivery), expected);
}

#[test]
fn c_099_552_means_too_many_only_where_somebody_was_accepted_before() {
    let mut session = introduced(Protocol::Smtp, &["PIPELINING"]);
    let mut dispatch = Dispatch::new(&[]);
    begin(&mut session, &mut dispatch, &["b@x", "c@x", "d@x"]);
    write(&mut session, b"");
    hear(&mut session, &mut [&mut dispatch], "250 a\r\n552 b\r\n250 c\r\n552 d\r\n");
    let retry = |n| dispatch.delivery().recipient(n).unwrap().outcome().retry();
    assert_eq!([retry(0), retry(2)], [Retry::Never, Retry::Later]);
    assert!(dispatch.delivery().recipient(3).is_none());
}

#[test]
fn c_118_over_lmtp_a_mail_is_answered_when_each_accepted_recipient_is() {
    let mut session = introduced(Protocol::Lmtp, &["PIPELINING"]);
    let mut dispatch = Dispatch::new(&paths(["b@x", "c@x", "d@x"]));
    assert!(dispatch.is_answered(&session), "nothing was sent");
    begin(&mut session, &mut dispatch, &["b@x", "c@x", "d@x"]);
    dispatch.data(&mut session).unwrap();
    write(&mut session, b"");
    hear(&mut session, &mut [&mut dispatch], "250 a\r\n250 b\r\n550 c\r\n250 d\r\n");
    assert!(!dispatch.is_answered(&session), "DATA is not");
    hear(&mut session, &mut [&mut dispatch], "354 go\r\n");
    assert!(dispatch.is_answered(&session) && !dispatch.is_ended());

    dispatch.content(&mut session, CONTENT.len()).unwrap();
    assert!(dispatch.is_ended() && !dispatch.is_answered(&session));
    write(&mut session, CONTENT);
    hear(&mut session, &mut [&mut dispatch], "250 b\r\n");
    assert!(!dispatch.is_answered(&session) && !dispatch.is_decided());
    hear(&mut session, &mut [&mut dispatch], "452 d\r\n");
    session.send(&Command::noop()).unwrap();
    assert!(dispatch.is_answered(&session) && dispatch.is_decided(), "what is behind it is not");
    let expected = [
        "<b@x> accepted: 250 b",
        "<c@x> refused: 550 c (in reply to RCPT TO)",
        "<d@x> refused: 452 d (in reply to end of data)",
    ];
    assert_eq!(outcomes(&dispatch.into_delivery(&session)), expected);
}

#[test]
fn a_refused_chunk_is_the_reason_and_an_accepted_one_decides_nothing() {
    let cases = [
        ("250 1\r\n552 5.3.4 too big\r\n503 no\r\n", "552 5.3.4 too big (in reply to content)"),
        ("250 1\r\n250 2\r\n554 no\r\n", "554 no (in reply to end of data)"),
    ];
    for (said, why) in cases {
        let mut session = introduced(Protocol::Smtp, &["PIPELINING", "CHUNKING"]);
        let mut dispatch = Dispatch::new(&[]).over_bdat();
        begin(&mut session, &mut dispatch, &["b@x", "c@x"]);
        write(&mut session, b"");
        hear(&mut session, &mut [&mut dispatch], "250 a\r\n250 b\r\n");
        assert!(!dispatch.is_content_due(&session), "a recipient is not answered");
        hear(&mut session, &mut [&mut dispatch], "450 c\r\n");
        assert!(dispatch.is_content_due(&session));
        for (line, last) in [(b"one\r\n", false), (b"two\r\n", false), (b"six\r\n", true)] {
            dispatch.chunk(&mut session, 5, last).unwrap();
            write(&mut session, line);
        }
        hear(&mut session, &mut [&mut dispatch], said);
        assert!(dispatch.is_answered(&session) && dispatch.is_decided());
        let delivery = dispatch.into_delivery(&session);
        let greylisted = "<c@x> refused: 450 c (in reply to RCPT TO)";
        assert_eq!(outcomes(&delivery), [&format!("<b@x> refused: {why}"), greylisted]);
    }
}

#[test]
fn c_100_behind_a_refused_chunk_the_first_refusal_stays_the_reason() {
    let mut session = introduced(Protocol::Smtp, &["PIPELINING", "CHUNKING"]);
    let mut dispatch = Dispatch::new(&[]).over_bdat();
    begin(&mut session, &mut dispatch, &["b@x"]);
    write(&mut session, b"");
    hear(&mut session, &mut [&mut dispatch], "250 a\r\n250 b\r\n");
    dispatch.chunk(&mut session, 5, false).unwrap();
    write(&mut session, b"one\r\n");
    dispatch.chunk(&mut session, 100, true).unwrap();
    write(&mut session, b"half");
    hear(&mut session, &mut [&mut dispatch], "552 5.3.4 too big\r\n503 no\r\n");
    let delivery = dispatch.into_delivery(&session);
    assert_eq!(outcomes(&delivery), ["<b@x> refused: 552 5.3.4 too big (in reply to content)"]);
}

#[test]
fn a_refusal_inside_the_content_is_of_the_mail_that_is_being_sent() {
    let mut session = introduced(Protocol::Lmtp, &["PIPELINING"]);
    let mut before = Dispatch::new(&[]);
    let mut dispatch = Dispatch::new(&[]).with_long_lines(2);
    begin(&mut session, &mut before, &["b@x"]);
    before.data(&mut session).unwrap();
    write(&mut session, b"");
    hear(&mut session, &mut [&mut before], "250 a\r\n250 b\r\n354 go\r\n");
    before.content(&mut session, CONTENT.len()).unwrap();
    write(&mut session, CONTENT);
    hear(&mut session, &mut [&mut before], "250 queued\r\n");
    begin(&mut session, &mut dispatch, &["c@x"]);
    dispatch.data(&mut session).unwrap();
    write(&mut session, b"");
    let both = &mut [&mut before, &mut dispatch];
    hear(&mut session, both, "250 a\r\n250 c\r\n354 go on\r\n");

    assert!(dispatch.is_content_due(&session));
    assert!(!Dispatch::new(&[]).is_content_due(&session), "another mail's is");
    session.content(100).unwrap();
    assert!(!dispatch.is_content_due(&session), "what was promised comes first");
    write(&mut session, CONTENT);
    hear(&mut session, &mut [&mut before, &mut dispatch], "552 5.3.4 too big\r\n");
    assert!(!dispatch.is_content_due(&session));
    let before = before.into_delivery(&session);
    assert_eq!(before.data().unwrap().to_string(), "354 go");
    assert_eq!((before.end(), before.long_lines()), (None, 0));
    assert_eq!(outcomes(&before), ["<b@x> accepted: 250 queued"]);
    let delivery = dispatch.into_delivery(&session);
    assert_eq!(delivery.data().unwrap().to_string(), "354 go on");
    assert_eq!(delivery.end().unwrap().to_string(), "552 5.3.4 too big");
    assert_eq!(delivery.long_lines(), 2);
    assert_eq!(outcomes(&delivery), ["<c@x> refused: 552 5.3.4 too big (in reply to content)"]);
}
