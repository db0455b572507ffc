//! What holds for the session whatever comes: octets and calls in any order, any split, any
//! partial write.

use std::io::IoSlice;

use ehlo::{Command, Phase, Protection, Session, SessionConfig, Step};
use proptest::prelude::*;
use proptest::sample::select;
use sans_io::any_calls::{Call, LINES, PRELUDES, REPLIES, Setup, listen, play};

fn call() -> impl Strategy<Value = Call> {
    let raw = proptest::collection::vec(b' '..b'~', 1..20);
    prop_oneof![
        12 => (0..LINES.len()).prop_map(Call::Send),
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

/// What a server says: mostly replies, whole or cut, sometimes anything.
fn said() -> impl Strategy<Value = Vec<u8>> {
    let replies = proptest::collection::vec(select(REPLIES), 1..4);
    prop_oneof![
        8 => replies.prop_map(|replies| replies.concat().into_bytes()),
        1 => proptest::collection::vec(any::<u8>(), 0..40),
        1 => Just(vec![b'2'; 300]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

    /// No call and no octet makes it panic, grow without bound, or say what must not be said.
    #[test]
    fn t13_t15_c_077_c_078_c_087_any_calls_in_any_order(
        calls in proptest::collection::vec(call(), 1..60),
        lmtp: bool,
        run_ahead: bool,
        prelude in 0..PRELUDES.len(),
    ) {
        play(Setup { lmtp, run_ahead, prelude }, calls);
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
