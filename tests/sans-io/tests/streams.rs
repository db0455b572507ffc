//! A session over streams of std: those that take what they like, break off, and are interrupted.

use std::io::{self, IoSlice, Read, Write};

use ehlo::{
    Command, ContentFault, Dispatch, Due, Envelope, Error, ErrorKind, LineEndings, Phase, Session,
    SessionConfig, Stage, Step,
};
use proptest::prelude::*;

/// A writer that takes so many octets at a time, and is interrupted before each.
struct Slow {
    most: usize,
    taken: Vec<u8>,
    flushed: usize,
    is_interrupted: bool,
}

impl Slow {
    fn new(most: usize) -> Self {
        Self { most, taken: Vec::new(), flushed: 0, is_interrupted: false }
    }

    fn interrupt(&mut self) -> io::Result<()> {
        self.is_interrupted = !self.is_interrupted;
        if self.is_interrupted { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    }
}

impl Write for Slow {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(octets)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.interrupt()?;
        let octets: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        let taken = octets.len().min(self.most);
        self.taken.extend_from_slice(&octets[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.interrupt()?;
        self.flushed = self.taken.len();
        Ok(())
    }
}

impl Read for Slow {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        self.interrupt()?;
        octets[..3].copy_from_slice(b"220");
        Ok(3)
    }
}

/// A session that is introduced to a server that offers this.
fn introduced(config: SessionConfig, offer: &str) -> Session {
    let mut session = Session::new(config);
    session.read_from(&mut &b"220 mx\r\n"[..]).unwrap();
    assert!(matches!(session.poll(), Ok(Step::Event(_))));
    session.send(&Command::ehlo("c.example").unwrap()).unwrap();
    session.write_to(&mut Vec::new(), &mut &b""[..]).unwrap();
    let offer = offer.replace(' ', "\r\n250-");
    session.receive(format!("250-mx\r\n250-{offer}\r\n250 HELP\r\n").as_bytes());
    assert!(matches!(session.poll(), Ok(Step::Event(_))));
    session
}

fn envelope() -> Envelope {
    Envelope::new("a@example.org", ["b@example.org"]).unwrap()
}

const MAIL: &str = "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n";

/// What the stream has taken when the mail is accepted.
fn sent(dispatch: Dispatch, offer: &str, most: usize, mut content: &[u8]) -> String {
    let mut session = introduced(SessionConfig::default(), offer);
    let mut stream = Slow::new(most);
    let replies = ["250 ok\r\n250 ok\r\n", "354 go\r\n", "250 queued\r\n"];
    let bdat = ["250 ok\r\n250 ok\r\n", "250 queued\r\n"];
    let mut replies = if offer.contains("CHUNKING") { &bdat[..] } else { &replies }.iter();
    let mut dispatch = dispatch;
    let envelope = envelope();
    loop {
        match dispatch.advance(&mut session, &envelope, &[]).unwrap() {
            Due::Nothing => break,
            Due::Content => drop(dispatch.content(&mut session, content.len()).unwrap()),
            Due::Reply => match session.poll().unwrap() {
                Step::Event(event) => dispatch.note(&session, event),
                Step::Write(_) => session.write_to(&mut stream, &mut content).unwrap(),
                Step::Read(_) => {
                    assert_eq!(stream.flushed, stream.taken.len());
                    session.read_from(&mut replies.next().unwrap().as_bytes()).unwrap();
                }
                step => panic!("{step:?}"),
            },
        }
    }
    assert!(dispatch.into_delivery(&session).is_complete());
    String::from_utf8(stream.taken).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_mail_is_the_same_in_whatever_pieces_it_is_taken(
        most in 1..80usize,
        content in "(\\.?[a-z]{0,9}(\n|\r\n)){0,9}",
    ) {
        let lines = content.replace("\r\n", "\n").replace('\n', "\r\n");
        let stuffed = format!("\r\n{lines}").replace("\r\n.", "\r\n..");
        let data = sent(Dispatch::new(envelope().recipients()), "PIPELINING", most, content.as_bytes());
        prop_assert_eq!(data, format!("{MAIL}DATA\r\n{}.\r\n", &stuffed[2..]));

        let dispatch = Dispatch::new(envelope().recipients()).over_bdat();
        let bdat = sent(dispatch, "PIPELINING CHUNKING", most, lines.as_bytes());
        prop_assert_eq!(bdat, format!("{MAIL}BDAT {} LAST\r\n{lines}", lines.len()));
    }
}

#[test]
fn content_that_is_promised_in_parts_is_written_before_more_of_it_is_due() {
    let mut session = introduced(SessionConfig::default(), "PIPELINING");
    let mut dispatch = Dispatch::new(envelope().recipients());
    let mut parts = [&b"one\r\n"[..], b".two\r\n"].into_iter();
    let (mut written, mut part) = (Vec::new(), &b""[..]);
    let mut replies = ["250 ok\r\n250 ok\r\n354 go\r\n", "250 queued\r\n"].into_iter();
    loop {
        match dispatch.advance(&mut session, &envelope(), &[]).unwrap() {
            Due::Nothing => break,
            Due::Content => match parts.next() {
                Some(next) => {
                    assert_eq!(part, b"");
                    part = next;
                    session.content(part.len()).unwrap();
                }
                None => drop(dispatch.finish(&mut session).unwrap()),
            },
            Due::Reply => match session.poll().unwrap() {
                Step::Event(event) => dispatch.note(&session, event),
                Step::Write(_) => session.write_to(&mut written, &mut part).unwrap(),
                _ => session.receive(replies.next().unwrap().as_bytes()),
            },
        }
    }
    assert!(dispatch.into_delivery(&session).is_complete());
    assert_eq!(written, format!("{MAIL}DATA\r\none\r\n..two\r\n.\r\n").as_bytes());
}

#[test]
fn a_stream_that_takes_nothing_is_broken() {
    let mut session = introduced(SessionConfig::default(), "HELP");
    session.send(&Command::noop()).unwrap();
    let why = session.write_to(&mut Slow::new(0), &mut &b""[..]).unwrap_err();
    assert_eq!(why.kind(), io::ErrorKind::WriteZero);
    // Nothing is lost where another takes over.
    let mut written = Vec::new();
    session.write_to(&mut written, &mut &b""[..]).unwrap();
    assert_eq!(written, b"NOOP\r\n");
}

/// A stream that takes nothing before it is asked again.
struct Full {
    taken: Vec<u8>,
    is_ready: bool,
}

impl Write for Full {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if std::mem::replace(&mut self.is_ready, true) {
            self.taken.write(octets)
        } else {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stream_that_does_not_block_is_written_to_when_it_takes_more() {
    let mut session = introduced(SessionConfig::default(), "HELP");
    session.send(&Command::noop()).unwrap();
    let mut stream = Full { taken: Vec::new(), is_ready: false };
    let why = session.write_to(&mut stream, &mut &b""[..]).unwrap_err();
    assert_eq!((why.kind(), &stream.taken[..]), (io::ErrorKind::WouldBlock, &b""[..]));
    session.write_to(&mut stream, &mut &b""[..]).unwrap();
    assert_eq!(stream.taken, b"NOOP\r\n");
}

#[test]
fn a_stream_that_ends_ends_the_session() {
    let mut session = introduced(SessionConfig::default(), "HELP");
    assert_eq!(session.poll(), Ok(Step::Idle));
    session.read_from(&mut io::empty()).unwrap();
    assert_eq!(session.poll(), Ok(Step::Closed));
}

#[test]
fn a_read_that_is_interrupted_is_made_again() {
    let mut session = Session::new(SessionConfig::default());
    session.read_from(&mut Slow::new(0)).unwrap();
    assert_eq!(session.unfinished(), b"220");
}

#[test]
fn content_that_cannot_be_sent_ends_the_session_and_says_why() {
    let config = SessionConfig::default().line_endings(LineEndings::Reject);
    let mut session = introduced(config, "PIPELINING");
    let mut dispatch = Dispatch::new(envelope().recipients());
    dispatch.advance(&mut session, &envelope(), &[]).unwrap();
    session.write_to(&mut Vec::new(), &mut &b""[..]).unwrap();
    session.receive(b"250 ok\r\n250 ok\r\n354 go\r\n");
    while let Ok(Step::Event(event)) = session.poll() {
        dispatch.note(&session, event);
    }
    let mut content = &b"a\nb\r\n"[..];
    dispatch.content(&mut session, content.len()).unwrap();
    let why = session.write_to(&mut Vec::new(), &mut content).unwrap_err();
    assert_eq!(why.kind(), io::ErrorKind::InvalidData);
    assert_eq!(session.phase(), Phase::Closed);
    let error = Error::new(Stage::Content, why);
    assert!(matches!(error.kind(), ErrorKind::Content(ContentFault::BareLf { .. })), "{error:?}");

    let broken = io::Error::from(io::ErrorKind::BrokenPipe);
    let error = Error::new(Stage::Rcpt, broken);
    assert!(matches!(error.kind(), ErrorKind::Io(_)));
    assert_eq!(error.to_string(), "the connection to the server failed at RCPT TO: broken pipe");
}

#[test]
fn what_a_mail_needs_follows_the_sessions_policy() {
    let params = |line_endings, content: &str| {
        let config = SessionConfig::default().line_endings(line_endings);
        let session = introduced(config, "SIZE 8BITMIME");
        let params = session.params_for(&envelope(), content.as_bytes());
        params.map(|params| params.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let normal = params(LineEndings::Normalize, "\nü\n").unwrap();
    assert_eq!(normal, ["BODY=8BITMIME", "SIZE=6"]);
    let refused = params(LineEndings::Reject, "\nü\n").unwrap_err();
    assert!(refused.to_string().starts_with("the content cannot be sent: "), "{refused}");
}
