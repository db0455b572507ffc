//! What holds for the session whatever comes: octets and calls in any order, any split, any
//! partial write.

use std::io::IoSlice;

use ehlo::{Command, Event, Limits, Phase, Protection, Protocol, Session, SessionConfig, Step};
use proptest::prelude::*;
use proptest::sample::select;

/// Stands in content alone, so that content is known when it is seen.
const CONTENT: u8 = b'~';

#[derive(Debug, Clone)]
enum Call {
    Send(&'static str),
    Raw(Vec<u8>),
    Respond(Vec<u8>),
    CancelAuth,
    Content(usize),
    Finish,
    /// Lends so much of what was promised for so many slices, and writes so many octets.
    Write {
        lent: usize,
        slices: usize,
        octets: usize,
    },
    Receive(Vec<u8>),
    EndOfInput,
    TlsStarted(Protection),
    Close,
}

fn call() -> impl Strategy<Value = Call> {
    let lines = vec![
        "EHLO c.example",
        "HELO c.example",
        "LHLO c.example",
        "STARTTLS",
        "AUTH PLAIN AGE=",
        "AUTH LOGIN",
        "MAIL FROM:<>",
        "MAIL FROM:<a@example.org> SIZE=7",
        "RCPT TO:<b@example.org>",
        "RCPT TO:<Postmaster>",
        "DATA",
        "RSET",
        "NOOP",
        "HELP",
        "VRFY b",
        "EXPN b",
        "QUIT",
        "BDAT 5",
        "BDAT 0 LAST",
    ];
    let raw = proptest::collection::vec(b' '..b'~', 1..20);
    prop_oneof![
        12 => select(lines).prop_map(Call::Send),
        1 => raw.prop_map(Call::Raw),
        2 => proptest::collection::vec(any::<u8>(), 0..8).prop_map(Call::Respond),
        1 => Just(Call::CancelAuth),
        3 => (0..700usize).prop_map(Call::Content),
        3 => Just(Call::Finish),
        12 => (0..800usize, 0..5usize, 0..900usize)
            .prop_map(|(lent, slices, octets)| Call::Write { lent, slices, octets }),
        12 => said().prop_map(Call::Receive),
        1 => Just(Call::EndOfInput),
        2 => select(vec![Protection::None, Protection::Unverified, Protection::Verified])
            .prop_map(Call::TlsStarted),
        1 => Just(Call::Close),
    ]
    .boxed()
}

/// How a conversation begins, so that random calls come deep into one.
const PRELUDES: &[&[(char, &str)]] = &[
    &[],
    &[('S', "554 no")],
    &[('S', "220 mx")],
    &[
        ('S', "220 mx"),
        ('C', "EHLO c.example"),
        ('S', "250-mx\r\n250-AUTH PLAIN\r\n250 PIPELINING"),
    ],
    &[
        ('S', "220 mx"),
        ('C', "EHLO c.example"),
        ('S', "250-mx\r\n250 PIPELINING"),
        ('C', "MAIL FROM:<>"),
        ('C', "RCPT TO:<b@example.org>"),
        ('C', "RCPT TO:<c@example.org>"),
        ('C', "DATA"),
    ],
    &[
        ('S', "220 mx"),
        ('C', "LHLO c.example"),
        ('S', "250-mx\r\n250 PIPELINING"),
        ('C', "MAIL FROM:<>"),
        ('C', "RCPT TO:<b@example.org>"),
        ('C', "RCPT TO:<c@example.org>"),
        ('C', "DATA"),
        ('S', "250 ok\r\n250 ok\r\n250 ok\r\n354 go"),
    ],
    &[
        ('S', "220 mx"),
        ('C', "EHLO c.example"),
        ('S', "250 mx"),
        ('C', "MAIL FROM:<>"),
        ('S', "250 ok"),
        ('C', "RCPT TO:<b@example.org>"),
        ('S', "250 ok"),
        ('C', "DATA"),
        ('S', "354 go"),
    ],
    &[
        ('S', "220 mx"),
        ('C', "EHLO c.example"),
        ('S', "250-mx\r\n250 AUTH LOGIN"),
        ('C', "AUTH LOGIN"),
        ('S', "334 "),
    ],
];

/// What a server says: mostly replies, whole or cut, sometimes anything.
fn said() -> impl Strategy<Value = Vec<u8>> {
    let replies = vec![
        "220 mx\r\n",
        "250 ok\r\n",
        "354 go\r\n",
        "334 \r\n",
        "235 ok\r\n",
        "550 no\r\n",
        "421 bye\r\n",
        "451 later\r\n",
        "250-a\r\n250 b\r\n",
        "\r\n",
        "250-",
        "2",
        "554 no\n",
        "250-mx\r\n250-PIPELINING\r\n250-AUTH PLAIN LOGIN\r\n250-SIZE\r\n250 STARTTLS\r\n",
    ];
    let replies = proptest::collection::vec(select(replies), 1..4);
    prop_oneof![
        8 => replies.prop_map(|replies| replies.concat().into_bytes()),
        1 => proptest::collection::vec(any::<u8>(), 0..40),
        1 => Just(vec![b'2'; 300]),
    ]
}

/// Takes the events; how many there may be is bounded by the octets that came.
fn listen(session: &mut Session, mut heard: impl FnMut(&Session, Event)) -> Step {
    for _ in 0..10_000 {
        match session.poll() {
            Ok(Step::Event(event)) => heard(session, event),
            Ok(step) => return step,
            Err(violation) => assert!(!violation.to_string().is_empty()),
        }
    }
    panic!("poll never ends");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

    /// No call and no octet makes it panic, grow without bound, or say what must not be said.
    #[test]
    fn t13_t15_c_077_c_078_c_087_any_calls_in_any_order(
        calls in proptest::collection::vec(call(), 1..60),
        lmtp: bool,
        prelude in select(PRELUDES),
    ) {
        let limits = Limits::default().with_line(512).with_reply(1024).with_lines(8);
        let protocol = if lmtp { Protocol::Lmtp } else { Protocol::Smtp };
        let config = SessionConfig::default()
            .protocol(protocol).limits(limits).allow_cleartext().transcript(300);
        let mut session = Session::new(config);
        let content = vec![CONTENT; 800];
        let mut wire = Vec::new();
        let (mut greeted, mut refused_at, mut go_ahead) = (false, None, false);
        let write = Call::Write { lent: 0, slices: 4, octets: 900 };
        let prelude: Vec<_> = prelude
            .iter()
            .map(|(mark, line)| match *mark {
                'C' => Call::Send(line),
                _ => Call::Receive(format!("{line}\r\n").into_bytes()),
            })
            .flat_map(|call| [call, write.clone()])
            .collect();
        for call in prelude.iter().chain(&calls) {
            let before = (session.phase(), session.in_flight(), session.promised());
            let mut misused = false;
            match call {
                Call::Send(line) => {
                    let command = Command::parse(line.as_bytes()).unwrap();
                    misused = session.send(&command).is_err();
                }
                Call::Raw(line) => misused = session.send(&Command::raw(line).unwrap()).is_err(),
                Call::Respond(octets) => misused = session.respond(octets).is_err(),
                Call::CancelAuth => misused = session.cancel_auth().is_err(),
                Call::Content(octets) => misused = session.content(*octets).is_err(),
                Call::Finish => misused = session.finish().is_err(),
                Call::Write { lent, slices, octets } => {
                    let lent = &content[..(*lent).min(session.promised())];
                    let mut room = [IoSlice::new(b""); 8];
                    let used = session.gather(lent, &mut room[..*slices]).unwrap();
                    let mut laid_out: Vec<u8> = room[..used].iter().flat_map(|s| s.to_vec()).collect();
                    laid_out.truncate(*octets);
                    let consumed = session.wrote(laid_out.len());
                    prop_assert_eq!(session.promised() + consumed, before.2);
                    wire.extend(laid_out);
                }
                Call::Receive(octets) => session.receive(octets),
                Call::EndOfInput => session.end_of_input(),
                Call::TlsStarted(protection) => session.tls_started(*protection),
                Call::Close => session.close(),
            }
            if misused {
                prop_assert_eq!((session.phase(), session.in_flight(), session.promised()), before);
            }
            let step = listen(&mut session, |session, event| match event {
                Event::Greeting => {
                    greeted = true;
                    if session.reply().unwrap().code().number() != 220 {
                        refused_at = Some(wire.len());
                    }
                }
                Event::GoAhead(_) => go_ahead = true,
                _ => {}
            });
            prop_assert!(greeted || wire.is_empty(), "said before the greeting");
            if let Some(at) = refused_at {
                prop_assert!(b"QUIT\r\n".starts_with(&wire[at..]), "said after a refusal");
            }
            prop_assert!(go_ahead || !wire.contains(&CONTENT), "content before the go-ahead");
            if step == Step::Closed {
                let mut room = [IoSlice::new(b""); 8];
                prop_assert_eq!(session.gather(&content, &mut room).unwrap(), 0);
                prop_assert_eq!(session.in_flight(), 0);
            } else {
                prop_assert!(session.unfinished().len() <= 1024);
            }
            // An escape takes at most four characters for an octet.
            prop_assert!(session.transcript().unwrap().to_string().len() < 300 * 8);
        }
    }

    /// Where the server's octets are cut makes no difference.
    #[test]
    fn t17_any_split_gives_the_same_events(
        rounds in proptest::collection::vec(said(), 1..12),
        cuts in proptest::collection::vec(1..9usize, 1..20),
    ) {
        prop_assert_eq!(heard(&rounds, &[usize::MAX]), heard(&rounds, &cuts));
    }
}

/// What a client hears that does the next lawful thing whenever the server has spoken.
fn heard(rounds: &[Vec<u8>], cuts: &[usize]) -> Vec<String> {
    let mut session = Session::new(SessionConfig::default().allow_cleartext());
    let mut heard = Vec::new();
    let mut cuts = cuts.iter().cycle();
    for said in rounds {
        let mut rest = &said[..];
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            session.receive(piece);
            rest = behind;
            loop {
                match session.poll() {
                    Ok(Step::Event(event)) => {
                        let reply = session.reply().unwrap().to_string();
                        heard.push(format!("{event:?} {:?} {reply}", session.phase()));
                    }
                    Ok(_) => break,
                    Err(violation) => heard.push(violation.to_string()),
                }
            }
        }
        heard.push(format!("{:?} {:?}", session.phase(), session.capabilities()));
        speak(&mut session);
    }
    heard
}

fn speak(session: &mut Session) {
    let mut content: &[u8] = b"";
    match session.phase() {
        Phase::Content => {
            session.content(2).unwrap();
            session.finish().unwrap();
            content = b"x\n";
        }
        Phase::Auth => drop(session.respond(b"x")),
        phase => {
            let lines: &[&str] = match phase {
                Phase::Hello => &["EHLO c.example"],
                Phase::Ready if !session.is_authenticated() => &["AUTH LOGIN", "MAIL FROM:<>"],
                Phase::Spoiled => &["RSET"],
                _ => {
                    &["MAIL FROM:<>", "RCPT TO:<b@example.org>", "RCPT TO:<c@example.org>", "DATA"]
                }
            };
            for line in lines {
                let _ = session.send(&Command::parse(line.as_bytes()).unwrap());
            }
        }
    }
    while let Ok(Step::Write(_)) = session.poll() {
        let mut slices = [IoSlice::new(b""); 8];
        let used = session.gather(content, &mut slices).unwrap();
        let octets = slices[..used].iter().map(|slice| slice.len()).sum();
        content = &content[session.wrote(octets)..];
    }
}

/// What content becomes on the wire, told in the plainest way: lines that end in CRLF, a dot more
/// where one begins with a dot, and the lone dot.
fn plainly_stuffed(content: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(content.to_vec()).unwrap();
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut wire = String::new();
    for line in text.split_inclusive('\n') {
        if line.starts_with('.') {
            wire.push('.');
        }
        wire.push_str(line.trim_end_matches('\n'));
        wire.push_str("\r\n");
    }
    (wire + ".\r\n").into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) })]

    /// Content goes out whole and in order, however it is handed over, laid out and written.
    #[test]
    fn t1_t2_c_068_c_069_c_070_c_071_c_072_c_073_content_is_what_it_would_be_in_one_piece(
        chunks in proptest::collection::vec("[a.\r\n]{0,9}|[b.]{400,1300}\r?\n?", 0..8),
        writes in proptest::collection::vec((1..6usize, 0..700usize), 1..20),
        late_end: bool,
    ) {
        let mut session = Session::new(SessionConfig::default());
        for (said, heard) in [
            ("", "220 mx\r\n"), ("EHLO c.example", "250-mx\r\n250 PIPELINING\r\n"),
            ("MAIL FROM:<>", "250 ok\r\n"), ("RCPT TO:<b@example.org>", "250 ok\r\n"),
            ("DATA", "354 go\r\n"),
        ] {
            if !said.is_empty() {
                session.send(&Command::parse(said.as_bytes()).unwrap()).unwrap();
                session.wrote(said.len() + 2);
            }
            session.receive(heard.as_bytes());
            listen(&mut session, |_, _| ());
        }
        prop_assert_eq!(session.phase(), Phase::Content);

        let mut writes = writes.iter().cycle();
        let mut wire = Vec::new();
        let last = chunks.len().saturating_sub(1);
        let mut end = None;
        for (n, chunk) in chunks.iter().enumerate() {
            session.content(chunk.len()).unwrap();
            if n == last && !late_end {
                end = Some(session.finish().unwrap());
            }
            write_all(&mut session, chunk.as_bytes(), &mut writes, &mut wire);
        }
        if late_end || chunks.is_empty() {
            let unsent = session.finish().unwrap();
            prop_assert!(!session.is_written(unsent));
            end = Some(unsent);
            write_all(&mut session, b"", &mut writes, &mut wire);
        }
        prop_assert!(session.is_written(end.unwrap()));
        prop_assert_eq!(session.promised(), 0);
        let wire = String::from_utf8(wire).unwrap();
        prop_assert_eq!(wire, String::from_utf8(plainly_stuffed(chunks.concat().as_bytes())).unwrap());
    }
}

fn write_all<'a>(
    session: &mut Session,
    mut content: &[u8],
    writes: &mut impl Iterator<Item = &'a (usize, usize)>,
    wire: &mut Vec<u8>,
) {
    while let Ok(Step::Write(_)) = session.poll() {
        let (slices, octets) = writes.next().unwrap();
        let mut room = [IoSlice::new(b""); 8];
        let used = session.gather(content, &mut room[..*slices]).unwrap();
        let mut laid_out: Vec<u8> = room[..used].iter().flat_map(|s| s.to_vec()).collect();
        // All of it where a write takes none, so that it ends.
        if *octets > 0 {
            laid_out.truncate(*octets);
        }
        content = &content[session.wrote(laid_out.len())..];
        wire.extend(laid_out);
    }
    assert!(content.is_empty());
}
