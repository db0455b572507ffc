//! Content in chunks (RFC 3030): what goes between them, and what they may hold.

use std::io::IoSlice;

use ehlo::{Command, ContentFault, Event, Misuse, Session, SessionConfig, Step};
use sans_io::stream::written;

fn hear(session: &mut Session, reply: &str) {
    session.receive(reply.as_bytes());
    assert!(matches!(session.poll(), Ok(Step::Event(Event::Greeting | Event::Reply(_)))));
}

/// Says a line, which is answered so.
fn say(session: &mut Session, line: &str, reply: &str) {
    session.send(&Command::parse(line.as_bytes()).unwrap()).unwrap();
    written(session, b"");
    hear(session, reply);
}

/// A transaction with parameters of MAIL begins and has a recipient.
fn begin(session: &mut Session, params: &str) {
    say(session, &format!("MAIL FROM:<>{params}"), "250 ok\r\n");
    say(session, "RCPT TO:<b@example.org>", "250 ok\r\n");
}

/// A session with a server that takes chunks, inside a transaction.
fn up_to_chunks(params: &str) -> Session {
    let mut session = Session::new(SessionConfig::default());
    hear(&mut session, "220 mx\r\n");
    let offer = "250-PIPELINING\r\n250-8BITMIME\r\n250-BINARYMIME\r\n250-BURL\r\n250 CHUNKING\r\n";
    say(&mut session, "EHLO c.example", &format!("250-mx\r\n{offer}"));
    begin(&mut session, params);
    session
}

/// Sends a chunk, which is accepted.
fn chunk(session: &mut Session, octets: &[u8], last: bool) -> Result<(), ContentFault> {
    session.send(&Command::bdat(octets.len() as u64, last)).unwrap();
    session.gather(octets, &mut [IoSlice::new(b""); 8])?;
    assert!(written(session, octets).ends_with(octets));
    hear(session, "250 ok\r\n");
    Ok(())
}

/// What the server fetches is not seen here: what stands behind it is another text, as the next
/// mail is.
#[test]
fn c_063_a_line_end_may_be_cut_between_chunks_of_one_text() {
    let mut session = up_to_chunks("");
    assert_eq!(chunk(&mut session, b"a\r", false), Ok(()));
    assert_eq!(chunk(&mut session, b"\nb\r", false), Ok(()));
    say(&mut session, "BURL imap:x", "250 ok\r\n");
    assert_eq!(chunk(&mut session, b"c\r", false), Ok(()));
    say(&mut session, "RSET", "250 ok\r\n");
    begin(&mut session, "");
    assert_eq!(chunk(&mut session, b"d\r", false), Ok(()));
    assert_eq!(chunk(&mut session, b"e", false), Err(ContentFault::BareCr { offset: 1 }));
}

/// RFC 3030 §2, §3.
#[test]
fn c_063_chunks_hold_what_mail_declares() {
    let send = |params: &str, octets: &[u8]| chunk(&mut up_to_chunks(params), octets, true);
    assert_eq!(send("", b"\xe9"), Err(ContentFault::EightBit { offset: 0 }));
    assert_eq!(send(" BODY=8BITMIME", b"\xe9"), Ok(()));
    assert_eq!(send(" BODY=8BITMIME", b"a\0"), Err(ContentFault::Nul { offset: 1 }));
    assert_eq!(send(" BODY=BINARYMIME", b"\xe9\0\n\r"), Ok(()));
}

/// At the end of what is lent it may be half of a line end; at that of the last chunk it is not.
#[test]
fn t1_a_cr_is_found_to_be_alone_where_the_last_chunk_ends() {
    let lend = |parts: &[&[u8]]| {
        let mut session = up_to_chunks("");
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

#[test]
fn c_063_nothing_goes_between_a_chunk_and_its_octets() {
    let mut session = up_to_chunks("");
    session.send(&Command::bdat(2, false)).unwrap();
    assert!(!session.has_room());
    assert_eq!(session.send(&Command::bdat(0, true)), Err(Misuse::ContentPending(2)));
    assert_eq!(written(&mut session, b"\r\n"), b"BDAT 2\r\n\r\n");
    assert!(session.has_room());
    session.send(&Command::bdat(0, true)).unwrap();
}
