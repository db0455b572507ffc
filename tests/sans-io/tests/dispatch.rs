//! A mail to any recipients, against a server that decides beforehand what becomes of each.

use std::io::IoSlice;

use ehlo::{Dispatch, Due, Envelope, Outcome, Protocol, Session, SessionConfig, Stage, Step};
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

/// Says what became of each recipient, and what the server was given as content.
fn send(decided: &Decided) -> (Vec<String>, Vec<Vec<u8>>) {
    let protocol = if decided.lmtp { Protocol::Lmtp } else { Protocol::Smtp };
    let mut session = Session::new(SessionConfig::default().protocol(protocol));
    session.receive(b"220 mx\r\n");
    session.poll().unwrap();
    let hello = if decided.lmtp { "LHLO c.example" } else { "EHLO c.example" };
    session.send(&ehlo::Command::parse(hello.as_bytes()).unwrap()).unwrap();
    session.wrote(hello.len() + 2);
    session.receive(if decided.pipelining {
        b"250-mx\r\n250 PIPELINING\r\n"
    } else {
        b"250 mx\r\n"
    });
    session.poll().unwrap();

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
