//! A mail over a blocking socket: the session and std, no runtime. It speaks in clear; any stream
//! that reads and writes will do in the socket's place, one of TLS too.

use std::io::{self, Read};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;

use ehlo::{
    Command, Dispatch, Due, Envelope, Error, ErrorKind, Event, Session, SessionConfig, Stage, Step,
};

/// How long one read or write may take: the longest of RFC 5321 §4.5.3.2.
const PATIENCE: Duration = Duration::from_secs(600);

/// A conversation over a socket that blocks.
///
/// While it writes it does not read, and a server whose replies nobody reads may stop reading: both
/// would wait, up to the deadline. In flight are 512 commands and 32 KiB at most, the replies to
/// which fit into what systems hold for a socket unless they are long. To be safe from that takes a
/// socket that does not block, and to read whenever it can be read, as `ehlo::Client` does.
struct Smtp {
    session: Session,
    stream: TcpStream,
}

impl Smtp {
    /// Connects, hears the greeting, and says EHLO.
    fn connect(server: &str) -> Result<Self, Error> {
        let connected = TcpStream::connect(server).and_then(|stream| {
            stream.set_nodelay(true)?; // a flight is one write
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok((stream.local_addr()?.ip(), stream))
        });
        let (name, stream) = connected.map_err(at(Stage::Connect))?;
        let mut smtp = Self { session: Session::new(SessionConfig::default()), stream };
        smtp.hear()?;
        smtp.say(&Command::ehlo(name)?)?;
        Ok(smtp)
    }

    /// Says a command and hears its reply; a refusal is an error.
    fn say(&mut self, command: &Command<'_>) -> Result<(), Error> {
        self.session.send(command).map_err(at(Stage::of(command.verb())))?;
        self.hear()
    }

    fn hear(&mut self) -> Result<(), Error> {
        self.next(&mut &b""[..])?;
        let stage = self.session.answered_stage();
        match self.session.reply().filter(|reply| reply.is_negative()) {
            Some(reply) => Err(Error::new(stage, ErrorKind::Refused(reply.to_reply()))),
            None => Ok(()),
        }
    }

    /// Sends a mail. Where the conversation fails, the dispatch knows what is known all the same.
    fn send(
        &mut self,
        dispatch: &mut Dispatch,
        envelope: &Envelope,
        mut content: &[u8],
    ) -> Result<(), Error> {
        let params = self.session.params_for(envelope, content).map_err(at(Stage::Mail))?;
        loop {
            let due = dispatch.advance(&mut self.session, envelope, &params);
            match due.map_err(at(Stage::Mail))? {
                Due::Nothing => return Ok(()),
                Due::Reply => {
                    let event = self.next(&mut content)?;
                    dispatch.note(&self.session, event);
                }
                Due::Content => {
                    let ended = dispatch.content(&mut self.session, content.len());
                    ended.map_err(at(Stage::Content))?;
                }
            }
        }
    }

    /// The loop: does what the session asks for until something is said.
    fn next(&mut self, content: &mut &[u8]) -> Result<Event, Error> {
        let Self { session, stream } = self;
        let (mut stage, mut broken) = (session.answered_stage(), None);
        loop {
            let step = session.poll().map_err(at(stage))?;
            if let Step::Write(due) | Step::Read(due) = step {
                stage = due;
            }
            let done = match step {
                Step::Event(event) => return Ok(event),
                Step::Write(_) => session.write_to(stream, content),
                Step::Read(_) => session.read_from(stream),
                _ => return Err(Error::new(stage, broken.unwrap_or(ErrorKind::Closed(None)))),
            };
            if let Err(why) = done {
                broken.get_or_insert(match why.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                        ErrorKind::Timeout(PATIENCE)
                    }
                    _ => why.into(),
                });
                // A server that refuses may close at once: what it said before can be read still.
                let read_on = stream.set_read_timeout(Some(Duration::from_secs(1)));
                if read_on.and_then(|()| session.read_from(stream)).is_err() {
                    session.end_of_input();
                }
            }
        }
    }
}

/// Makes an error of what went wrong there.
fn at<K: Into<ErrorKind>>(stage: Stage) -> impl FnOnce(K) -> Error {
    move |kind| Error::new(stage, kind)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, from, to @ ..] = &*arguments else {
        eprintln!("usage: blocking HOST:PORT FROM TO... <MESSAGE");
        return ExitCode::from(64);
    };
    match run(server, from, to) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(if matches!(error.kind(), ErrorKind::Misuse(_)) { 64 } else { 3 })
        }
    }
}

fn run(server: &str, from: &str, to: &[String]) -> Result<u8, Error> {
    let envelope = Envelope::new(from, to.iter().map(String::as_str))?;
    let mut content = Vec::new();
    io::stdin().read_to_end(&mut content).map_err(at(Stage::Content))?;
    let mut smtp = Smtp::connect(server)?;
    let mut dispatch = Dispatch::of(&envelope);
    let sent = smtp.send(&mut dispatch, &envelope, &content);
    let delivery = dispatch.into_delivery(&smtp.session);
    for recipient in delivery.recipients() {
        println!("{}: {}", recipient.mailbox(), recipient.outcome());
    }
    sent?;
    // The mail is delivered or not, whatever becomes of the farewell.
    let _ = smtp.say(&Command::quit());
    Ok(u8::from(!delivery.is_complete()))
}
