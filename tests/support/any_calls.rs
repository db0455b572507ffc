//! Any octets and any calls on a session, in any order, and what must hold all the same. Where the
//! calls come from is not said here: the property tests draw them, the fuzzer reads them.

use std::collections::BTreeMap;
use std::io::IoSlice;

use ehlo::{
    Command, Event, Limits, Phase, Protection, Protocol, Session, SessionConfig, Step, Ticket, Verb,
};

/// Stands in content alone, so that content is known when it is seen.
pub const CONTENT: u8 = b'~';

/// Commands in flight at most (`MOST_COMMANDS` in `flight.rs`).
const IN_FLIGHT: usize = 512;

/// A reply at most, in octets.
const REPLY: usize = 1024;

/// Content lent for one write at most, in octets.
const LENT: usize = 800;

#[derive(Debug, Clone)]
pub enum Call {
    /// The line of this number in [`LINES`].
    Send(usize),
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

pub const LINES: &[&str] = &[
    "EHLO c.example",
    "HELO c.example",
    "LHLO c.example",
    "STARTTLS",
    "AUTH PLAIN AGE=",
    "AUTH LOGIN",
    "MAIL FROM:<>",
    "MAIL FROM:<a@example.org> SIZE=7",
    "MAIL FROM:<a@example.org> BODY=BINARYMIME",
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
    "BDAT 700",
    "BDAT 0 LAST",
    "BDAT 3 LAST",
    "XCLIENT NAME=a",
];

/// How a conversation begins, so that random calls come deep into one.
pub const PRELUDES: &[&[(char, &str)]] = &[
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
    &[
        ('S', "220 mx"),
        ('C', "EHLO c.example"),
        ('S', "250-mx\r\n250-PIPELINING\r\n250-BINARYMIME\r\n250 CHUNKING"),
        ('C', "MAIL FROM:<>"),
        ('C', "RCPT TO:<b@example.org>"),
    ],
    &[
        ('S', "220 mx"),
        ('C', "LHLO c.example"),
        ('S', "250-mx\r\n250-PIPELINING\r\n250 CHUNKING"),
        ('C', "MAIL FROM:<>"),
        ('C', "RCPT TO:<b@example.org>"),
        ('C', "RCPT TO:<c@example.org>"),
        ('S', "250 ok\r\n250 ok\r\n250 ok"),
    ],
];

/// What servers say.
pub const REPLIES: &[&str] = &[
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
    "250-mx\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250 XCLIENT NAME\r\n",
];

/// How the session is set up.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    pub lmtp: bool,
    pub run_ahead: bool,
    /// Which of [`PRELUDES`].
    pub prelude: usize,
}

/// Plays the prelude and the calls.
///
/// # Panics
/// Something does not hold.
pub fn play(setup: Setup, calls: impl IntoIterator<Item = Call>) {
    let limits = Limits::default().with_line(512).with_reply(REPLY).with_lines(8);
    let protocol = if setup.lmtp { Protocol::Lmtp } else { Protocol::Smtp };
    let config = SessionConfig::default()
        .protocol(protocol)
        .limits(limits)
        .allow_cleartext()
        .transcript(300);
    let config = if setup.run_ahead { config.run_ahead() } else { config };
    let mut watch = Watch { session: Session::new(config), setup, seen: Seen::default() };
    for (mark, line) in PRELUDES[setup.prelude % PRELUDES.len()] {
        match *mark {
            'C' => watch.send(&Command::parse(line.as_bytes()).unwrap()),
            _ => watch.call(Call::Receive(format!("{line}\r\n").into_bytes())),
        }
        watch.call(Call::Write { lent: 0, slices: 4, octets: 900 });
    }
    calls.into_iter().for_each(|call| watch.call(call));
}

struct Watch {
    session: Session,
    setup: Setup,
    seen: Seen,
}

/// What the calls and the events say, kept by hand.
#[derive(Default)]
struct Seen {
    wire: Vec<u8>,
    greeted: bool,
    /// Octets written when a greeting refused the session.
    refused_at: Option<usize>,
    /// What each ticket stands for.
    sent: BTreeMap<Ticket, Sent>,
    /// Recipients of the transaction that the replies show.
    accepted: usize,
    /// Of all transactions.
    ever_accepted: usize,
    /// Content that may be on the wire.
    lawful: usize,
    content: usize,
    /// A go-ahead came, and the content has not been ended.
    go_ahead: bool,
    is_over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Command(Verb),
    /// The end of the content.
    End,
}

impl Watch {
    fn call(&mut self, call: Call) {
        let session = &mut self.session;
        let before = (session.phase(), session.in_flight(), session.promised());
        let is_used = match call {
            Call::Send(line) => {
                return self.send(&Command::parse(LINES[line % LINES.len()].as_bytes()).unwrap());
            }
            Call::Raw(line) => match Command::raw(line) {
                Ok(command) => return self.send(&command),
                Err(_) => true,
            },
            Call::Respond(octets) => session.respond(&octets).is_ok(),
            Call::CancelAuth => session.cancel_auth().is_ok(),
            Call::Content(octets) => {
                let is_used = session.content(octets).is_ok();
                assert_eq!(is_used, self.seen.go_ahead && !self.seen.is_over, "content");
                self.seen.lawful += if is_used { octets } else { 0 };
                is_used
            }
            Call::Finish => {
                let end = session.finish();
                assert_eq!(end.is_ok(), self.seen.go_ahead && !self.seen.is_over, "end of content");
                self.seen.go_ahead = false;
                if let Ok(end) = end {
                    self.seen.sent.insert(end, Sent::End);
                }
                end.is_ok()
            }
            Call::Write { lent, slices, octets } => {
                self.write(lent, slices, octets);
                true
            }
            Call::Receive(octets) => {
                session.receive(&octets);
                true
            }
            Call::EndOfInput => {
                session.end_of_input();
                true
            }
            Call::TlsStarted(protection) => {
                session.tls_started(protection);
                true
            }
            Call::Close => {
                session.close();
                true
            }
        };
        self.after(before, is_used);
    }

    fn send(&mut self, command: &Command<'_>) {
        let session = &mut self.session;
        let before = (session.phase(), session.in_flight(), session.promised());
        let sent = session.send(command);
        if let Ok(ticket) = sent {
            self.seen.sent.insert(ticket, Sent::Command(command.verb()));
            if let Command::Bdat { size, .. } = command {
                let is_known = self.seen.accepted > 0 || (self.setup.run_ahead && !self.setup.lmtp);
                assert!(is_known, "BDAT before an accepted recipient");
                self.seen.lawful += usize::try_from(*size).unwrap();
            }
        }
        self.after(before, sent.is_ok());
    }

    fn write(&mut self, lent: usize, slices: usize, octets: usize) {
        let promised = self.session.promised();
        let content = [CONTENT; LENT];
        let lent = &content[..lent.min(promised).min(LENT)];
        let mut room = [IoSlice::new(b""); 8];
        let used = self.session.gather(lent, &mut room[..slices.min(8)]).unwrap();
        let mut laid_out: Vec<u8> = room[..used].iter().flat_map(|s| s.to_vec()).collect();
        laid_out.truncate(octets);
        let consumed = self.session.wrote(laid_out.len());
        assert_eq!(self.session.promised() + consumed, promised);
        assert!(laid_out.is_empty() || !self.seen.is_over, "said after the end");
        self.seen.content += laid_out.iter().filter(|octet| **octet == CONTENT).count();
        self.seen.wire.extend(laid_out);
    }

    /// What holds behind each call.
    fn after(&mut self, before: (Phase, usize, usize), is_used: bool) {
        let session = &self.session;
        if !is_used {
            assert_eq!((session.phase(), session.in_flight(), session.promised()), before);
        }
        // Over LMTP the end of the content draws a reply for each accepted recipient.
        let most = IN_FLIGHT + self.seen.ever_accepted;
        assert!(session.in_flight() <= most, "{} in flight", session.in_flight());
        let step = self.listen();
        let Self { session, seen, .. } = self;
        assert!(seen.greeted || seen.wire.is_empty(), "said before the greeting");
        if let Some(at) = seen.refused_at {
            assert!(b"QUIT\r\n".starts_with(&seen.wire[at..]), "said after a refusal");
        }
        assert!(seen.content <= seen.lawful, "content before the go-ahead");
        if step == Step::Closed {
            let mut room = [IoSlice::new(b""); 8];
            assert_eq!(session.gather(&[CONTENT; LENT], &mut room).unwrap(), 0);
            assert_eq!(session.in_flight(), 0);
            seen.is_over = true;
        } else {
            assert!(!seen.is_over, "{step:?} after the end");
            assert!(session.unfinished().len() <= REPLY);
        }
        // An escape takes at most four characters for an octet.
        assert!(session.transcript().unwrap().to_string().len() < 300 * 8);
    }

    fn listen(&mut self) -> Step {
        let seen = &mut self.seen;
        listen(&mut self.session, |session, event| seen.hear(session, event))
    }
}

impl Seen {
    fn hear(&mut self, session: &Session, event: Event) {
        let code = session.reply().unwrap().code().number();
        let is_positive = code / 100 == 2;
        assert!(!self.is_over, "{code} was heard after the end");
        match event {
            Event::Greeting => {
                self.greeted = true;
                self.refused_at = (code != 220).then_some(self.wire.len());
            }
            Event::GoAhead(data) => {
                assert_eq!(self.sent.remove(&data), Some(Sent::Command(Verb::Data)));
                assert!(code / 100 == 3 && self.accepted > 0, "a go-ahead by {code}");
                self.go_ahead = true;
            }
            Event::Reply(ticket) => match self.sent.remove(&ticket) {
                Some(Sent::Command(Verb::Rcpt)) if is_positive => {
                    self.accepted += 1;
                    self.ever_accepted += 1;
                }
                Some(Sent::Command(Verb::Mail | Verb::Rset | Verb::Ehlo | Verb::Helo))
                    if is_positive =>
                {
                    self.accepted = 0;
                }
                Some(Sent::Command(Verb::Lhlo | Verb::Xclient)) if is_positive => self.accepted = 0,
                Some(Sent::End) => self.accepted = 0,
                _ => {}
            },
            Event::Closing | Event::ContentRefused => {
                assert_eq!(session.phase(), Phase::Closed);
            }
            _ => {}
        }
        if code == 421 {
            assert_eq!(session.phase(), Phase::Closed, "421 ends a session");
        }
    }
}

/// Takes the events; how many there may be is bounded by the octets that came.
pub fn listen(session: &mut Session, mut heard: impl FnMut(&Session, Event)) -> Step {
    for _ in 0..10_000 {
        match session.poll() {
            Ok(Step::Event(event)) => heard(session, event),
            Ok(step) => return step,
            Err(violation) => {
                assert!(!violation.to_string().is_empty());
                assert_eq!(session.phase(), Phase::Closed, "{violation}");
            }
        }
    }
    panic!("poll never ends");
}
