//! The session against a model of the order that was written from the documents alone (RFC 5321
//! §4.1.4, RFC 2920 §3.1, RFC 3207, RFC 4954, Postfix on XCLIENT), by hand and in the plainest way. It shares nothing
//! with the table that the session obeys.

#[path = "model/at_random.rs"]
mod at_random;
#[path = "model/exhaustively.rs"]
mod exhaustively;

use std::collections::VecDeque;
use std::io::IoSlice;

use ehlo::{Command, Phase, Protection, Session, SessionConfig, Step};
use proptest::prelude::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Conn,
    Unid,
    Refused,
    Ready,
    Env0,
    EnvN,
    Data,
    Eod,
    Chunk,
    Dirty,
    TlsH,
    Sasl,
    Dead,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Say {
    Ehlo,
    Helo,
    StartTls,
    Auth,
    Response,
    Cancel,
    Mail,
    Rcpt,
    Data,
    Dot,
    Bdat,
    BdatLast,
    Rset,
    Noop,
    Help,
    Vrfy,
    Expn,
    Etrn,
    Atrn,
    Xclient,
    Xforward,
    Burl,
    BurlLast,
    Quit,
}

use At::*;

const COMMANDS: &[(Say, &str)] = &[
    (Say::Ehlo, "EHLO c.example"),
    (Say::Helo, "HELO c.example"),
    (Say::StartTls, "STARTTLS"),
    (Say::Auth, "AUTH LOGIN"),
    (Say::Mail, "MAIL FROM:<a@example.org>"),
    (Say::Rcpt, "RCPT TO:<b@example.org>"),
    (Say::Data, "DATA"),
    (Say::Bdat, "BDAT 1"),
    (Say::BdatLast, "BDAT 1 LAST"),
    (Say::Rset, "RSET"),
    (Say::Noop, "NOOP"),
    (Say::Help, "HELP"),
    (Say::Vrfy, "VRFY b"),
    (Say::Expn, "EXPN b"),
    (Say::Etrn, "ETRN example.org"),
    (Say::Atrn, "ATRN"),
    (Say::Xclient, "XCLIENT NAME=a"),
    (Say::Xforward, "XFORWARD NAME=a"),
    (Say::Burl, "BURL imap:a"),
    (Say::BurlLast, "BURL imap:a LAST"),
    (Say::Quit, "QUIT"),
];

struct Model {
    at: At,
    queue: VecDeque<Say>,
    esmtp: bool,
    tls: bool,
    authenticated: bool,
    /// The dot of a DATA that nobody is to have.
    lone_dot: bool,
}

impl Model {
    const fn new() -> Self {
        Self {
            at: Conn,
            queue: VecDeque::new(),
            esmtp: false,
            tls: false,
            authenticated: false,
            lone_dot: false,
        }
    }

    /// Rows and columns as in the document: is the command lawful in this state?
    fn legal(&self, at: At, say: Say) -> bool {
        let row = match say {
            Say::Ehlo | Say::Helo => "UNID READY ENV0 ENVN CHUNK DIRTY",
            Say::StartTls if self.tls || !self.esmtp => "",
            Say::Auth if self.authenticated || !self.esmtp => "",
            Say::StartTls | Say::Auth => "READY",
            Say::Mail => "READY",
            Say::Rcpt => "ENV0 ENVN",
            Say::Data => "ENVN",
            Say::Etrn | Say::Atrn | Say::Xclient | Say::Xforward if !self.esmtp => "",
            Say::Etrn | Say::Atrn | Say::Xclient | Say::Xforward => "READY",
            Say::Bdat | Say::BdatLast | Say::Burl | Say::BurlLast if !self.esmtp => "",
            Say::Bdat | Say::BdatLast | Say::Burl | Say::BurlLast => "ENVN CHUNK",
            Say::Rset => "UNID READY ENV0 ENVN CHUNK DIRTY",
            Say::Noop | Say::Help | Say::Vrfy | Say::Expn => "UNID READY ENV0 ENVN",
            Say::Quit => "UNID REFUSED READY ENV0 ENVN CHUNK DIRTY",
            Say::Response | Say::Cancel | Say::Dot => unreachable!("not a command"),
        };
        let name = format!("{at:?}").to_uppercase();
        row.split(' ').any(|state| state == name)
    }

    /// RFC 2920 §3.1, RFC 3030 §4.2: what may stand inside a group.
    fn may_be_inside(say: Say) -> bool {
        matches!(say, Say::Rset | Say::Mail | Say::Rcpt | Say::Dot | Say::Bdat | Say::BdatLast)
    }

    /// Where it would be if all that is in flight succeeded.
    fn ahead(&self) -> At {
        let optimist = |at, say: &Say| match say {
            Say::Dot if self.lone_dot => Dirty,
            Say::Response | Say::Cancel | Say::Dot => Ready,
            // RSET goes before the next MAIL, whatever the answer will be (RFC 3030 §2).
            Say::BdatLast | Say::BurlLast if self.legal(at, *say) => Dirty,
            // What a refusal before it has made unlawful leads nowhere.
            say if !self.legal(at, *say) => at,
            say => Self::accepted(at, *say),
        };
        self.queue.iter().fold(self.at, optimist)
    }

    fn accepted(at: At, say: Say) -> At {
        match (at, say) {
            (_, Say::Ehlo | Say::Helo) => Ready,
            (_, Say::StartTls) => TlsH,
            (_, Say::Auth | Say::Response | Say::Cancel) => Ready,
            (_, Say::Mail) => Env0,
            (_, Say::Rcpt) => EnvN,
            (_, Say::Data) => Data,
            (_, Say::Dot | Say::BdatLast | Say::BurlLast) => Ready,
            (_, Say::Bdat | Say::Burl) => Chunk,
            (_, Say::Xclient) => Unid,
            (_, Say::Atrn) => Dead,
            (at, Say::Etrn | Say::Xforward) => at,
            (Unid, Say::Rset) => Unid,
            (_, Say::Rset) => Ready,
            (at, Say::Noop | Say::Help | Say::Vrfy | Say::Expn) => at,
            (_, Say::Quit) => Dead,
        }
    }

    /// A reply to the oldest of what is in flight.
    fn hear(&mut self, code: u16) {
        if self.at == Conn {
            self.at = match code {
                220 => Unid,
                421 => Dead,
                _ => Refused,
            };
            return;
        }
        let Some(say) = self.queue.pop_front() else {
            self.at = Dead;
            return;
        };
        let at = self.at;
        self.at = match (say, code / 100) {
            _ if code == 421 => Dead,
            (Say::Quit, _) => Dead,
            (Say::StartTls, 2) => {
                if code == 220 {
                    TlsH
                } else {
                    Dead
                }
            }
            (Say::Auth | Say::Response, 3) => {
                if code == 334 {
                    Sasl
                } else {
                    Dead
                }
            }
            (Say::Auth, 2) => {
                self.authenticated = true;
                at
            }
            (Say::Response, 2) => {
                self.authenticated = true;
                Ready
            }
            (Say::Cancel, 2 | 3) => Dead,
            (Say::Data, 3) => match at {
                EnvN => Data,
                Env0 => {
                    self.lone_dot = true;
                    self.queue.push_back(Say::Dot);
                    Eod
                }
                _ => Dead,
            },
            (Say::Data, 2) => Dead,
            (_, 3) => Dead,
            (Say::Rcpt, 2) if !matches!(at, Env0 | EnvN) => Dead,
            // Behind a chunk that was refused the content has a hole.
            (Say::Bdat | Say::BdatLast | Say::Burl | Say::BurlLast, 2)
                if !matches!(at, EnvN | Chunk) =>
            {
                Dead
            }
            (Say::Dot, _) if std::mem::take(&mut self.lone_dot) => Dirty,
            // The replies of this test offer extensions with 250 alone.
            (Say::Ehlo, 2) => {
                self.esmtp = code == 250;
                Ready
            }
            (Say::Helo, 2) => {
                self.esmtp = false;
                Ready
            }
            (Say::Xclient, 2) => {
                (self.esmtp, self.authenticated) = (false, false);
                Unid
            }
            (say, 2) => Self::accepted(at, say),
            // refused
            (Say::Data, _) if matches!(at, Env0 | EnvN) => Dirty,
            (Say::Bdat | Say::BdatLast | Say::Burl | Say::BurlLast, _)
                if matches!(at, Env0 | EnvN | Chunk | Dirty) =>
            {
                Dirty
            }
            (Say::Dot, _) => Ready,
            // AUTH says nothing of a transaction that failed before it in the same group.
            (Say::Auth, _) => at,
            (Say::Response | Say::Cancel, _) => Ready,
            (Say::Rset, _) => Dead,
            _ => at,
        };
        if self.at == Dead {
            self.queue.clear();
        }
    }

    fn phase(at: At) -> Phase {
        match at {
            Conn => Phase::Greeting,
            Unid => Phase::Hello,
            Refused => Phase::Refused,
            Ready => Phase::Ready,
            Env0 => Phase::Envelope,
            EnvN => Phase::Recipients,
            Data => Phase::Content,
            Eod => Phase::EndOfData,
            Chunk => Phase::Chunks,
            Dirty => Phase::Spoiled,
            TlsH => Phase::Handshake,
            Sasl => Phase::Auth,
            Dead => Phase::Closed,
        }
    }
}

/// Writes all there is.
fn write(session: &mut Session, mut content: &[u8]) {
    while let Step::Write(_) = listen(session) {
        let mut slices = [IoSlice::new(b""); 8];
        let used = session.gather(content, &mut slices).unwrap();
        let octets = slices[..used].iter().map(|slice| slice.len()).sum();
        content = &content[session.wrote(octets)..];
    }
}

fn listen(session: &mut Session) -> Step {
    loop {
        match session.poll() {
            Ok(Step::Event(_)) | Err(_) => {}
            Ok(step) => return step,
        }
    }
}

fn agree(
    session: &Session,
    model: &Model,
    Setup { pipelining, run_ahead }: Setup,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(session.phase(), Model::phase(model.at));
    prop_assert_eq!(session.in_flight(), model.queue.len() + usize::from(model.at == Conn));
    let ahead = model.ahead();
    if model.at != Conn && !model.queue.contains(&Say::Dot) {
        prop_assert_eq!(session.ahead(), Model::phase(ahead));
    }
    let open = model
        .queue
        .back()
        .is_none_or(|say| pipelining && model.esmtp && Model::may_be_inside(*say));
    for (say, line) in COMMANDS {
        let lawful = model.at != Conn && open && model.legal(ahead, *say)
            // A chunk cannot wait for a go-ahead: a recipient has to be known.
            && (run_ahead && matches!(say, Say::Bdat | Say::BdatLast)
                || !matches!(say, Say::Bdat | Say::BdatLast | Say::Burl | Say::BurlLast)
                || model.legal(model.at, *say) && !model.queue.contains(&Say::Mail));
        let command = Command::parse(line.as_bytes()).unwrap();
        let allowed = session.allows(command.verb());
        prop_assert_eq!(allowed.is_ok(), lawful, "{} at {:?}: {:?}", line, model.at, allowed);
    }
    Ok(())
}

#[derive(Debug, Clone, Copy)]
struct Setup {
    pipelining: bool,
    run_ahead: bool,
}

/// A session and the model of it, side by side.
struct Pair {
    setup: Setup,
    session: Session,
    model: Model,
}

/// What can be done to both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    /// The command of this number in [`COMMANDS`].
    Say(usize),
    Respond,
    Cancel,
    /// The content and its end.
    Content,
    Tls,
    Hear(u16),
}

impl Pair {
    fn new(setup: Setup) -> Self {
        let config = SessionConfig::default().allow_cleartext();
        let config = if setup.run_ahead { config.run_ahead() } else { config };
        Self { setup, session: Session::new(config), model: Model::new() }
    }

    fn act(&mut self, act: Act) {
        let Self { session, model, setup } = self;
        match act {
            Act::Say(n) => {
                let (say, line) = COMMANDS[n];
                session.send(&Command::parse(line.as_bytes()).unwrap()).unwrap();
                model.queue.push_back(say);
                write(session, b"x");
            }
            Act::Respond | Act::Cancel => {
                let is_given_up = act == Act::Cancel;
                let sent = if is_given_up { session.cancel_auth() } else { session.respond(b"x") };
                sent.unwrap();
                model.queue.push_back(if is_given_up { Say::Cancel } else { Say::Response });
                write(session, b"");
            }
            Act::Content => {
                session.content(2).unwrap();
                session.finish().unwrap();
                write(session, b"\r\n");
                model.at = Eod;
                model.queue.push_back(Say::Dot);
            }
            Act::Tls => {
                session.tls_started(Protection::Verified);
                (model.at, model.esmtp, model.tls, model.authenticated) =
                    (Unid, false, true, false);
            }
            Act::Hear(code) => {
                let greets = matches!(model.queue.front(), Some(Say::Ehlo)) && code == 250;
                let offer = if setup.pipelining { "250-PIPELINING\r\n" } else { "" };
                let reply = match greets {
                    true => format!(
                        "250-mx\r\n{offer}250-CHUNKING\r\n250-AUTH LOGIN\r\n250-ETRN\r\n250-ATRN\r\n\
                         250-XCLIENT NAME\r\n250-XFORWARD NAME\r\n250-BURL imap\r\n250 STARTTLS\r\n"
                    ),
                    false => format!("{code} x\r\n"),
                };
                session.receive(reply.as_bytes());
                model.hear(code);
                listen(session);
                // The lone dot.
                write(session, b"");
            }
        }
    }

    fn agrees(&self) -> Result<(), TestCaseError> {
        agree(&self.session, &self.model, self.setup)
    }
}
