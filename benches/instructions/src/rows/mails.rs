//! Whole mails: over a session alone, and over a client of tokio whose server is a few lines that
//! cost next to nothing, in memory: system calls are not among the instructions of a program.

use std::cell::RefCell;
use std::hint::black_box;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use ehlo::{
    Client, Command, Connector, Dispatch, Due, Envelope, Event, Mail, Security, Session,
    SessionConfig, Step,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Runtime;

use super::{Row, Run};

const GREETING: &[u8] = b"220 mx.example.org ESMTP\r\n";
const HELLO: &[u8] = b"250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 10485760\r\n\
    250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SMTPUTF8\r\n";
const OK: &[u8; 14] = b"250 2.1.5 Ok\r\n";
const GO_AHEAD: &[u8] = b"354 End data with <CR><LF>.<CR><LF>\r\n";
const QUEUED: &[u8] = b"250 2.0.0 Ok: queued as 4dDq8C2Rz1z4V\r\n";

/// Mails in one run, where each has one recipient.
const MAILS: u64 = 100;

/// Recipients of one mail, where there are many.
const RECIPIENTS: u64 = 1000;

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("mail of 2 KiB over a session", ("mail", MAILS), || by_session(1, MAILS)),
        Row::new("mail to 1,000 over a session", ("recipient", RECIPIENTS), || {
            by_session(RECIPIENTS, 1)
        }),
        Row::new("mail of 2 KiB by a client", ("mail", MAILS), || by_client(1, MAILS, false)),
        Row::new("mail of 2 KiB by a client that runs ahead", ("mail", MAILS), || {
            by_client(1, MAILS, true)
        })
        .most(9000.0),
        Row::new("mail to 1,000 by a client", ("recipient", RECIPIENTS), || {
            by_client(RECIPIENTS, 1, false)
        })
        .most(800.0),
    ]
}

fn envelope(recipients: u64) -> Envelope {
    let recipients: Vec<_> = (0..recipients).map(|n| format!("r{n}@example.org")).collect();
    Envelope::new("alice@example.net", recipients.iter().map(String::as_str)).expect("paths")
}

fn content() -> Vec<u8> {
    "The quick brown fox jumps over the lazy dog, once more\r\n".repeat(37).into()
}

/// The commands of each mail in one group, all that is there written at once.
fn by_session(recipients: u64, mails: u64) -> Run {
    let (envelope, content) = (envelope(recipients), content());
    let mut session = Session::new(SessionConfig::default());
    session.receive(GREETING);
    assert_eq!(session.poll(), Ok(Step::Event(Event::Greeting)));
    session.send(&Command::ehlo("client.example.net").expect("a name")).expect("in order");
    write(&mut session, &mut &b""[..]);
    session.receive(HELLO);
    assert!(matches!(session.poll(), Ok(Step::Event(_))));
    Box::new(move || {
        for _ in 0..mails {
            transact(&mut session, &envelope, &content);
        }
    })
}

fn transact(session: &mut Session, envelope: &Envelope, content: &[u8]) {
    let mut rest = content;
    let mut dispatch = Dispatch::of(envelope);
    let mut answered = 0;
    loop {
        match dispatch.advance(session, envelope, &[]).expect("in order") {
            Due::Nothing => break,
            Due::Content => {
                dispatch.content(session, content.len()).expect("in order");
            }
            Due::Reply => {}
        }
        match session.poll().expect("replies") {
            Step::Event(event) => dispatch.note(session, event),
            Step::Write(_) => write(session, &mut rest),
            Step::Read(_) => {
                for _ in 0..session.in_flight() {
                    session.receive(match answered - envelope.recipients().len() as i64 {
                        ..=0 => OK,
                        1 => GO_AHEAD,
                        _ => QUEUED,
                    });
                    answered += 1;
                }
            }
            step => unreachable!("{step:?}"),
        }
    }
    assert!(black_box(dispatch.into_delivery(session)).is_complete());
}

fn write(session: &mut Session, rest: &mut &[u8]) {
    let mut slices = [IoSlice::new(b""); 64];
    let used = session.gather(rest, &mut slices).expect("content without a fault");
    let octets = slices[..used].iter().map(|slice| black_box(slice).len()).sum();
    let consumed = session.wrote(octets);
    *rest = &rest[consumed..];
}

fn by_client(recipients: u64, mails: u64, ahead: bool) -> Run {
    let envelope = envelope(recipients);
    let content: &'static [u8] = content().leak();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    let mut connector = Connector::new("mx.example.org").security(Security::None);
    if ahead {
        connector = connector.run_ahead();
    }
    let client = at_once(&runtime, connector.connect_over(Server::new()));
    let client: Rc<RefCell<Client>> = Rc::new(RefCell::new(client.expect("a server")));
    Box::new(move || {
        let mut client = client.borrow_mut();
        at_once(&runtime, async {
            let row = (0..mails).map(|_| Mail::new(&envelope, content));
            let mut deliveries = client.send_all(row.collect::<Vec<_>>());
            let mut count = 0;
            while let Some(sent) = deliveries.next().await {
                assert!(sent.delivery.is_complete(), "{:?}", sent.error);
                count += 1;
            }
            assert_eq!(count, mails);
        });
    })
}

/// What a future comes to that is asked again at once where it would wait: that a runtime wakes it is
/// not among what is counted.
fn at_once<T>(runtime: &Runtime, future: impl Future<Output = T>) -> T {
    let _clock = runtime.enter();
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut cx) {
            return done;
        }
    }
}

/// Takes whatever is written, and answers it whole. It looks at the end of a write alone, line by
/// line from the last one.
struct Server {
    said: Vec<u8>,
    in_content: bool,
}

impl Server {
    fn new() -> Self {
        Self { said: GREETING.to_vec(), in_content: false }
    }

    fn hear(&mut self, slices: &[IoSlice<'_>]) {
        let last: &[u8] = slices.last().map_or(b"", |slice| slice);
        if last.starts_with(b"EHLO") {
            return self.said.extend_from_slice(HELLO);
        }
        if std::mem::take(&mut self.in_content) {
            self.said.extend_from_slice(QUEUED);
        }
        self.in_content = last.ends_with(b"DATA\r\n");
        for _ in 0..commands(last) - usize::from(self.in_content) {
            self.said.extend_from_slice(OK);
        }
        if self.in_content {
            self.said.extend_from_slice(GO_AHEAD);
        }
    }
}

/// How many commands a write ends with: behind the end of the content, where there is one.
fn commands(mut written: &[u8]) -> usize {
    let mut count = 0;
    while let Some(body) = written.strip_suffix(b"\r\n") {
        let begin = memchr::memrchr(b'\n', body).map_or(0, |at| at + 1);
        if body[begin..] == *b"." {
            break;
        }
        written = &body[..begin];
        count += 1;
    }
    count
}

impl AsyncWrite for Server {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.hear(&[IoSlice::new(octets)]);
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.hear(slices);
        Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Server {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.said.is_empty() {
            // It wakes nobody: `at_once` asks again.
            return Poll::Pending;
        }
        let count = self.said.len().min(into.remaining());
        into.put_slice(&self.said[..count]);
        self.said.drain(..count);
        Poll::Ready(Ok(()))
    }
}
