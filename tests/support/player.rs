//! Plays a script on a `Session`, in pieces of any size, and holds what it concludes against what
//! the script says.

use std::collections::VecDeque;
use std::io::IoSlice;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ehlo::{
    Command, Event, Misuse, Phase, Protection, Protocol, Secret, Session, SessionConfig, Step,
    Ticket, Violation,
};

use crate::script::{Claim, Does, SECRET, Script, content_octets, says, taken_by};

/// In what pieces octets come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pieces {
    /// All that the server says at once, and all that the client says.
    Whole,
    /// Each line of the script by itself.
    Lines,
    /// Octet by octet, both ways.
    Octets,
}

/// Plays a script; says what was heard, one line an event.
pub fn play(script: &Script, pieces: Pieces) -> Vec<String> {
    let mut player = Player::new(script, pieces);
    let mut at = 0;
    while let Some(line) = script.lines.get(at) {
        player.number = line.number;
        match &line.does {
            Does::Server(octets) => {
                let goes_on = at > 0 && matches!(script.lines[at - 1].does, Does::Server(_));
                if !goes_on {
                    player.expect_silence();
                }
                let mut octets = octets.clone();
                while pieces == Pieces::Whole
                    && let Some(Does::Server(more)) = script.lines.get(at + 1).map(|l| &l.does)
                {
                    octets.extend_from_slice(more);
                    at += 1;
                }
                player.hear(&octets);
            }
            Does::Client(_) => {
                let group: Vec<_> = script.lines[at..]
                    .iter()
                    .map_while(|line| match &line.does {
                        Does::Client(said) => Some(said.as_str()),
                        _ => None,
                    })
                    .collect();
                at += group.len() - 1;
                player.say_all(&group);
            }
            Does::Tls { verified } => player.start_tls(*verified),
            Does::Close => {
                player.expect_silence();
                player.session.end_of_input();
                player.listen();
            }
            Does::Claim(claim) => player.check(claim),
        }
        at += 1;
    }
    player.end()
}

struct Player<'a> {
    script: &'a Script,
    pieces: Pieces,
    number: usize,
    session: Session,
    awaited: VecDeque<Ticket>,
    last_ticket: Option<Ticket>,
    content: Vec<u8>,
    heard: Vec<String>,
    event: &'static str,
    reply: String,
    violation: Option<String>,
}

impl<'a> Player<'a> {
    fn new(script: &'a Script, pieces: Pieces) -> Self {
        let setup = script.setup;
        let mut config = SessionConfig::default().transcript(1 << 20).strictness(setup.strictness);
        if setup.lmtp {
            config = config.protocol(Protocol::Lmtp);
        }
        if setup.require_tls {
            config = config.require_tls();
        }
        if setup.run_ahead {
            config = config.run_ahead();
        }
        if setup.allow_cleartext {
            config = config.allow_cleartext();
        }
        Self {
            script,
            pieces,
            number: 0,
            session: Session::new(config),
            awaited: VecDeque::new(),
            last_ticket: None,
            content: Vec::new(),
            heard: Vec::new(),
            event: "",
            reply: String::new(),
            violation: None,
        }
    }

    fn fail(&self, what: impl std::fmt::Display) -> ! {
        let Self { script, number, pieces, .. } = self;
        let heard = self.heard.join("\n  ");
        panic!("{}.smtp:{number} ({pieces:?}): {what}\nheard:\n  {heard}", script.name);
    }

    /// Takes all events; says what comes next.
    fn listen(&mut self) -> Step {
        loop {
            match self.session.poll() {
                Ok(Step::Event(event)) => self.note(event),
                Ok(step) => return step,
                Err(violation) => {
                    // How much of it has come depends on the pieces, and so does whether the 220
                    // was heard before.
                    if let Violation::BehindStartTls(_) = violation {
                        self.heard.retain(|line| !line.contains("answers STARTTLS"));
                        self.heard.push("violation: behind STARTTLS".to_owned());
                    } else {
                        self.heard.push(format!("violation: {violation}"));
                    }
                    self.violation = Some(violation.to_string());
                }
            }
        }
    }

    fn note(&mut self, event: Event) {
        let reply = self.session.reply().map(|reply| reply.to_string());
        self.reply = reply.unwrap_or_else(|| self.fail("an event without a reply"));
        let (name, ticket) = match event {
            Event::Greeting => ("greeting", None),
            Event::Reply(ticket) => ("reply", Some(ticket)),
            Event::Challenge(ticket) => ("challenge", Some(ticket)),
            Event::GoAhead(ticket) => ("go-ahead", Some(ticket)),
            Event::ContentRefused => ("content-refused", None),
            Event::Closing => ("closing", None),
            other => self.fail(format!("an unknown event: {other:?}")),
        };
        self.event = name;
        if let Some(ticket) = ticket {
            // Over LMTP the tickets of one content follow each other.
            let follows = self.last_ticket.map(|last| last.plus(1)) == Some(ticket);
            match self.awaited.front() {
                Some(front) if *front == ticket => drop(self.awaited.pop_front()),
                _ if follows && self.session.protocol() == Protocol::Lmtp => {}
                _ => self.fail(format!("{event:?}, but {:?} are awaited", self.awaited)),
            }
            self.last_ticket = Some(ticket);
        }
        let answered = String::from_utf8_lossy(self.session.answered()).into_owned();
        let heard = format!("{name} answers {answered}: {}", self.reply);
        self.heard.push(heard);
    }

    fn hear(&mut self, octets: &[u8]) {
        let size = match self.pieces {
            Pieces::Octets => 1,
            Pieces::Whole | Pieces::Lines => octets.len().max(1),
        };
        for piece in octets.chunks(size) {
            self.session.receive(piece);
            self.listen();
        }
    }

    /// The client has nothing to say that the script does not have.
    fn expect_silence(&mut self) {
        let wire = self.written();
        if !wire.is_empty() {
            self.fail(format!("it also says {:?}", ehlo::Escaped::new(&wire)));
        }
    }

    fn say_all(&mut self, group: &[&str]) {
        let mut wire = Vec::new();
        for line in group {
            let is_own_dot = *line == "." && self.session.phase() != Phase::Content;
            if !is_own_dot && let Err(misuse) = self.say(line) {
                self.fail(format!("{line}: {misuse}"));
            }
            // What follows content has to wait until it is laid out.
            let ends = *line == "." || content_octets(line).is_some();
            if ends || self.pieces == Pieces::Lines {
                wire.extend(self.written());
            }
        }
        wire.extend(self.written());
        let mut rest = &wire[..];
        for line in group {
            match taken_by(line, rest) {
                Some(octets) => rest = &rest[octets..],
                None => self.fail(format!("{line}: it says {:?}", ehlo::Escaped::new(rest))),
            }
        }
        if !rest.is_empty() {
            self.fail(format!("it also says {:?}", ehlo::Escaped::new(rest)));
        }
    }

    fn say(&mut self, line: &str) -> Result<(), Misuse> {
        let ticket = if let Some(octets) = content_octets(line) {
            // That of a chunk was promised by BDAT.
            if self.session.promised() == 0 || self.session.phase() == Phase::Content {
                self.session.content(octets)?;
            }
            let mut content = vec![b'x'; octets];
            if let Some(end) = octets.checked_sub(2) {
                content[end..].copy_from_slice(b"\r\n");
            }
            self.content.extend(content);
            return Ok(());
        } else if line == "." {
            self.session.finish()?
        } else if line == "*" {
            self.session.cancel_auth()?
        } else if line == SECRET {
            self.session.respond(b"hush")?
        } else if let Some(mechanism) =
            line.strip_prefix("AUTH ").and_then(|rest| rest.strip_suffix(" <secret>"))
        {
            let command = Command::auth(mechanism, Some(Secret::from("hush")));
            self.session.send(&command.unwrap())?
        } else {
            let octets = ehlo::unescape(line).unwrap_or_else(|| self.fail("a bad escape"));
            match Command::parse(&octets) {
                Ok(command) => self.session.send(&command)?,
                Err(_) if self.session.phase() == Phase::Auth => {
                    let response = STANDARD.decode(octets).unwrap_or_else(|e| self.fail(e));
                    self.session.respond(&response)?
                }
                Err(_) => self.session.send(&Command::raw(octets).unwrap())?,
            }
        };
        self.awaited.push_back(ticket);
        Ok(())
    }

    /// Writes all there is to write.
    fn written(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        for _ in 0..1_000_000 {
            if !matches!(self.listen(), Step::Write(_)) {
                return wire;
            }
            let mut slices = [IoSlice::new(b""); 8];
            let room = if self.pieces == Pieces::Octets { 1 } else { 8 };
            let used = match self.session.gather(&self.content, &mut slices[..room]) {
                Ok(used) => used,
                Err(fault) => self.fail(fault),
            };
            let mut octets: Vec<u8> =
                slices[..used].iter().flat_map(|slice| slice.to_vec()).collect();
            if self.pieces == Pieces::Octets {
                octets.truncate(1);
            }
            let consumed = self.session.wrote(octets.len());
            // A chunk waits for the rest of its octets.
            if octets.is_empty() && consumed == 0 && self.content.is_empty() {
                return wire;
            }
            self.content.drain(..consumed);
            wire.extend(octets);
        }
        self.fail("it never ends to write")
    }

    fn start_tls(&mut self, verified: bool) {
        let before_greeting = self.session.phase() == Phase::Greeting;
        let step = self.listen();
        if !before_greeting && step != Step::StartTls {
            self.fail(format!("not the time for TLS: {step:?}"));
        }
        self.session.tls_started(if verified {
            Protection::Verified
        } else {
            Protection::Unverified
        });
    }

    fn check(&mut self, claim: &Claim) {
        self.listen();
        let session = &self.session;
        let phase = |phase: Phase| format!("{phase:?}");
        let (says_so, is) = match claim {
            Claim::Event(name) => (name == self.event, self.event.to_owned()),
            Claim::Reply(words) => (says(words, &self.reply), self.reply.clone()),
            Claim::Phase(name) => (*name == phase(session.phase()), phase(session.phase())),
            Claim::Ahead(name) => (*name == phase(session.ahead()), phase(session.ahead())),
            Claim::Offers(keyword) => {
                let offered = session.capabilities();
                (offered.has(keyword), offered.to_string())
            }
            Claim::DoesNotOffer(keyword) => {
                let offered = session.capabilities();
                (!offered.has(keyword), offered.to_string())
            }
            Claim::Authenticated => (session.is_authenticated(), String::new()),
            Claim::NotAuthenticated => (!session.is_authenticated(), String::new()),
            Claim::Unfinished(octets) => {
                let unfinished = ehlo::Escaped::new(session.unfinished()).to_string();
                (*octets == unfinished, unfinished)
            }
            Claim::Closed => {
                let step = self.listen();
                (step == Step::Closed, format!("{step:?}"))
            }
            Claim::Violation(words) => match self.violation.take() {
                Some(violation) => (says(words, &violation), violation),
                None => (false, "none".to_owned()),
            },
            Claim::Misuse { line, words } => {
                let before = format!("{:?}", self.session);
                match self.say(line) {
                    Ok(()) => (false, "it is said".to_owned()),
                    Err(misuse) => {
                        if format!("{:?}", self.session) != before {
                            self.fail("a misuse has changed the session");
                        }
                        (misuse.to_string() == *words, misuse.to_string())
                    }
                }
            }
        };
        if !says_so {
            self.fail(format!("{claim:?}, but: {is}"));
        }
    }

    fn end(mut self) -> Vec<String> {
        self.expect_silence();
        if let Some(violation) = &self.violation {
            self.fail(format!("a violation that the script does not have: {violation}"));
        }
        let broken = self.heard.iter().any(|line| line.starts_with("violation"));
        let transcript = self.session.transcript().unwrap().to_string();
        if !broken && transcript != self.script.as_transcript() {
            self.fail(format!("the transcript is not the script:\n{transcript}"));
        }
        self.heard
    }
}
