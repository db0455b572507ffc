//! A well-behaved server's side of a session: what it answers to each command, and what it lets
//! no client do. It is written from the RFCs alone and shares no code with the client's session,
//! so that neither can hide a fault of the other.

use std::{io, mem};

use super::chunks::Chunks;
use super::connection::{Connection, Heard};
use super::content::RSET_FIRST;
use super::limits::Used;
use super::server::Server;
use super::tls::Identity;
use crate::{
    ClientName, Code, Command, CommandError, ForwardPath, Param, Protocol, Raw, Reply, ReversePath,
    Verb,
};

pub(super) struct Peer<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) server: &'a Server,
    identity: &'a Identity,
    /// The greeting was no refusal.
    welcome: bool,
    /// Something stood after the end of content, or of a chunk, before that was answered.
    pub(super) ran_ahead: bool,
    pub(super) used: Used,
    pub(super) hello: Option<Hello>,
    pub(super) user: Option<String>,
    pub(super) mail: Option<Mail>,
}

/// What began the session.
pub(super) struct Hello {
    pub(super) client: ClientName,
    /// EHLO or LHLO, and not HELO.
    pub(super) extended: bool,
}

/// A transaction.
pub(super) struct Mail {
    pub(super) sender: ReversePath,
    pub(super) params: Vec<Param>,
    pub(super) recipients: Vec<ForwardPath>,
    pub(super) recipient_params: Vec<Vec<Param>>,
    pub(super) chunks: Chunks,
    /// Nothing but RSET helps.
    pub(super) failed: bool,
}

/// What happens after a reply.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Command,
    Close,
}

/// A reply that is not made yet: code, enhanced code and text.
pub(super) type Words = (u16, &'static str, &'static str);

impl<'a> Peer<'a> {
    pub(super) fn new(
        connection: &'a mut Connection,
        server: &'a Server,
        identity: &'a Identity,
    ) -> Self {
        Self {
            connection,
            server,
            identity,
            welcome: true,
            ran_ahead: false,
            used: Used::default(),
            hello: None,
            user: None,
            mail: None,
        }
    }

    /// The whole session.
    pub(super) async fn run(mut self) -> io::Result<()> {
        if self.server.implicit_tls {
            self.connection.start_tls(self.identity).await?;
        }
        let mut next = self.greet();
        while next == Next::Command {
            next = match self.connection.line(LONGEST_LINE).await? {
                Heard::Line(line) => self.line(&line).await?,
                // Where the next command begins is nowhere to be seen.
                Heard::TooLong => {
                    self.say((500, "5.5.2", "line too long"));
                    Next::Close
                }
                Heard::End => Next::Close,
            };
        }
        self.connection.end().await
    }

    pub(super) fn greet(&mut self) -> Next {
        if let Some(greeting) = &self.server.greeting {
            self.welcome = !greeting.is_negative();
            return self.give(greeting);
        }
        let protocol = match self.server.protocol {
            Protocol::Lmtp => "LMTP",
            Protocol::Smtp => "ESMTP",
        };
        self.say_lines(220, [format!("{} {protocol} ready", self.server.name)])
    }

    async fn line(&mut self, line: &[u8]) -> io::Result<Next> {
        if self.server.loses_pipelined {
            self.connection.consume(usize::MAX);
        }
        let bare = line.strip_suffix(b"\n").filter(|_| self.server.takes_bare_lf);
        let Some(text) = line.strip_suffix(b"\r\n").or(bare) else {
            self.connection.log().client(line);
            return Ok(self.say((500, "5.5.2", "a line must end with CRLF")));
        };
        let parsed = Command::parse(text);
        self.connection.log().client(&masked(text, &parsed));
        let verb = Raw::new(text).map_or(Verb::Other, |raw| raw.verb());
        if verb == Verb::Mail {
            self.connection.count(line.len());
        }
        if verb != Verb::Auth && line.len() > LONGEST_COMMAND {
            return Ok(self.say((500, "5.5.2", "line too long")));
        }
        if let (Ok(Command::Bdat { size, last }), true) = (&parsed, self.offers("CHUNKING")) {
            return self.chunk(*size, *last).await;
        }
        if let Some(fault) = self.misplaced(verb) {
            return Ok(self.say(fault));
        }
        if let Some(words) = self.beyond_limits(verb) {
            return Ok(self.say(words));
        }
        let reply = self.server.replies.iter().find(|(of, _)| *of == verb);
        let reply = reply.map(|(_, reply)| reply);
        if let Some(refusal) = reply.filter(|reply| reply.is_negative()) {
            return Ok(self.give(refusal));
        }
        if let Some(next) = self.relayed(text, reply) {
            return Ok(next);
        }
        match parsed {
            Ok(command) => self.command(command, reply).await,
            Err(CommandError::UnknownVerb { .. }) => Ok(self.say(UNKNOWN)),
            Err(error) => Ok(self.say_text(501, "5.5.4", &error.to_string())),
        }
    }

    /// What is wrong with a command in this place, whatever its argument is.
    pub(super) fn misplaced(&mut self, verb: Verb) -> Option<Words> {
        // RFC 2920 §3.1: these are the last of a group, since what follows depends on the reply.
        let is_last = matches!(
            verb,
            Verb::Ehlo
                | Verb::Helo
                | Verb::Lhlo
                | Verb::Data
                | Verb::Vrfy
                | Verb::Expn
                | Verb::Noop
                | Verb::StartTls
                | Verb::Auth
        );
        let pipelining = self.offers("PIPELINING") && self.is_extended();
        let followed = !self.connection.pending().is_empty();
        let is_ahead = mem::take(&mut self.ran_ahead);
        match verb {
            Verb::Quit => None,
            _ if !self.welcome => Some((503, "5.5.1", "no service here")),
            _ if is_ahead && !pipelining => Some(WAIT),
            // Its chunk follows it.
            Verb::Bdat if self.offers("CHUNKING") => None,
            _ if followed && !pipelining => Some(WAIT),
            Verb::StartTls if self.server.runs_injected => None,
            _ if followed && is_last => Some((503, "5.5.0", "nothing may follow before the reply")),
            _ => None,
        }
    }

    /// `reply` stands in the place of the usual one, where the command succeeds.
    async fn command(&mut self, command: Command<'_>, reply: Option<&Reply>) -> io::Result<Next> {
        let words = match command {
            Command::Ehlo(_) | Command::Lhlo(_) if command.verb() != self.server.hello() => {
                return Ok(self.say(UNKNOWN));
            }
            Command::Helo(_) if self.server.protocol == Protocol::Lmtp => {
                return Ok(self.say(UNKNOWN));
            }
            Command::Ehlo(name) | Command::Lhlo(name) => {
                self.begin(name.into_owned(), true);
                return Ok(match reply {
                    Some(reply) => self.give(reply),
                    None => self.say_extensions(),
                });
            }
            Command::Helo(name) => {
                self.begin(name.into_owned(), false);
                return Ok(match reply {
                    Some(reply) => self.give(reply),
                    None => self.say_lines(250, [&self.server.name]),
                });
            }
            Command::Mail { .. } => self.mail(&command),
            Command::Rcpt { .. } => return Ok(self.rcpt(&command, reply)),
            Command::Data => match self.data() {
                None => return self.content(reply).await,
                Some(fault) => Err(fault),
            },
            Command::Rset => {
                self.mail = None;
                Ok((250, "2.0.0", "ok"))
            }
            Command::Noop(_) => Ok((250, "2.0.0", "ok")),
            Command::Vrfy(asked) => {
                return Ok(match reply {
                    Some(reply) => self.give(reply),
                    None => self.verify(asked.as_str()),
                });
            }
            Command::Expn(asked) => {
                return Ok(match reply {
                    Some(reply) => self.give(reply),
                    None => self.expand(asked.as_str()),
                });
            }
            Command::Help(_) => Ok((214, "2.0.0", "this is a server for tests")),
            Command::Quit => {
                self.answer(reply, (221, "2.0.0", "bye"));
                return Ok(Next::Close);
            }
            Command::StartTls => match self.start_tls() {
                None => return self.handshake(reply).await,
                Some(fault) => Err(fault),
            },
            Command::Auth { mechanism, initial } => {
                return self.auth(mechanism.as_str(), initial, reply).await;
            }
            _ => Err((502, "5.5.1", "command not implemented")),
        };
        Ok(match (words, reply) {
            (Ok(_), Some(reply)) => self.give(reply),
            (Ok(words) | Err(words), _) => self.say(words),
        })
    }

    fn begin(&mut self, client: ClientName, extended: bool) {
        self.mail = None;
        self.hello = Some(Hello { client, extended });
    }

    fn say_extensions(&mut self) -> Next {
        let lines = self.server.extensions(self.connection.is_tls());
        let name = [self.server.name.to_string()];
        self.say_lines(250, name.into_iter().chain(lines))
    }

    fn mail(&mut self, command: &Command<'_>) -> Result<Words, Words> {
        let Command::Mail { sender, params } = command else {
            return Err(UNKNOWN);
        };
        if self.hello.is_none() {
            return Err(HELLO_FIRST);
        }
        match &self.mail {
            Some(mail) if mail.failed => return Err(RSET_FIRST),
            Some(_) => return Err((503, "5.5.1", "a transaction has begun")),
            None => {}
        }
        if self.user.is_none() && !self.server.users.is_empty() {
            return Err((530, "5.7.0", "authentication required"));
        }
        self.check_params(command)?;
        let of = |keyword| params.iter().find(|param| param.is(keyword));
        let size = of("SIZE").map(|size| size.value().and_then(|size| size.parse::<u64>().ok()));
        match size {
            Some(None) => return Err((501, "5.5.4", "SIZE needs a number")),
            Some(Some(size)) if size > self.server.max_size => return Err(TOO_BIG),
            _ => {}
        }
        if of("SMTPUTF8").is_some_and(Param::has_value) {
            return Err((501, "5.5.4", "SMTPUTF8 takes no value"));
        }
        let body = of("BODY").map(|body| body.value().unwrap_or_default().to_ascii_uppercase());
        if body.is_some_and(|body| !matches!(&*body, "7BIT" | "8BITMIME" | "BINARYMIME")) {
            return Err((501, "5.5.4", "BODY knows no such value"));
        }
        if !sender.is_ascii() && of("SMTPUTF8").is_none() {
            return Err((550, "5.6.7", "SMTPUTF8 needed"));
        }
        self.mail = Some(Mail {
            sender: sender.clone().into_owned(),
            params: params.to_vec(),
            recipients: Vec::new(),
            recipient_params: Vec::new(),
            chunks: Chunks::default(),
            failed: false,
        });
        Ok((250, "2.1.0", "sender ok"))
    }

    fn rcpt(&mut self, command: &Command<'_>, reply: Option<&Reply>) -> Next {
        let Command::Rcpt { recipient, params } = command else {
            return self.say(UNKNOWN);
        };
        let server = self.server;
        let refused = server.refused.iter().find(|(path, _)| path == &**recipient);
        let checked = self.check_params(command);
        let is_beyond = self.mail.is_some() && self.beyond_domains(recipient);
        let Some(mail) = &mut self.mail else {
            return self.say((503, "5.5.1", "MAIL first"));
        };
        let utf8 = mail.params.iter().any(|param| param.is("SMTPUTF8"));
        let words = match checked {
            _ if mail.failed => RSET_FIRST,
            _ if mail.chunks.begun => (503, "5.5.1", "the content has begun"),
            Err(words) => words,
            Ok(()) if !recipient.is_ascii() && !utf8 => (553, "5.6.7", "SMTPUTF8 needed"),
            Ok(()) if is_beyond => (452, "4.5.3", "too many domains"),
            Ok(()) if mail.recipients.len() >= server.max_recipients => {
                (452, "4.5.3", "too many recipients")
            }
            Ok(()) => {
                if let Some((_, refusal)) = refused {
                    return self.give(refusal);
                }
                mail.recipients.push(recipient.clone().into_owned());
                mail.recipient_params.push(params.to_vec());
                return self.answer(reply, (250, "2.1.5", "recipient ok"));
            }
        };
        self.say(words)
    }

    fn check_params(&self, command: &Command<'_>) -> Result<(), Words> {
        let (extended, tls) = (self.is_extended(), self.connection.is_tls());
        match self.server.unknown_param(command, extended, tls) {
            None => Ok(()),
            Some(_) => Err((555, "5.5.4", "a parameter is not known here")),
        }
    }

    fn start_tls(&self) -> Option<Words> {
        if self.connection.is_tls() {
            Some((503, "5.5.1", "TLS is spoken already"))
        } else if !self.offers("STARTTLS") {
            Some((502, "5.5.1", "command not implemented"))
        } else if self.hello.is_none() {
            Some(HELLO_FIRST)
        } else {
            None
        }
    }

    /// The session begins anew.
    pub(super) fn forget(&mut self) {
        self.hello = None;
        self.user = None;
        self.mail = None;
    }

    /// Both sides forget what was said before it (RFC 3207 §4.2).
    async fn handshake(&mut self, reply: Option<&Reply>) -> io::Result<Next> {
        self.answer(reply, (220, "2.0.0", "go ahead"));
        self.forget();
        let said = match self.server.runs_injected {
            true => self.connection.pending().to_vec(),
            false => Vec::new(),
        };
        self.connection.start_tls(self.identity).await?;
        self.connection.hear(&said);
        Ok(Next::Command)
    }
}

/// Answers.
impl Peer<'_> {
    /// The reply in the place of the usual one, or the usual one.
    pub(super) fn answer(&mut self, reply: Option<&Reply>, usual: Words) -> Next {
        match reply {
            Some(reply) => self.give(reply),
            None => self.say(usual),
        }
    }

    pub(super) fn say(&mut self, (code, enhanced, text): Words) -> Next {
        self.say_text(code, enhanced, text)
    }

    fn say_text(&mut self, code: u16, enhanced: &str, text: &str) -> Next {
        // What a client has said may come back in it, and a reply is ASCII.
        let text = text.replace(|c: char| !c.is_ascii(), "?");
        if enhanced.is_empty() || !self.offers("ENHANCEDSTATUSCODES") {
            return self.say_lines(code, [text]);
        }
        self.say_lines(code, [format!("{enhanced} {text}")])
    }

    /// As they are, in ASCII or not.
    pub(super) fn say_each(
        &mut self,
        code: u16,
        enhanced: &str,
        lines: impl IntoIterator<Item = String>,
    ) -> Next {
        let prefix = match self.offers("ENHANCEDSTATUSCODES") {
            true => format!("{enhanced} "),
            false => String::new(),
        };
        self.say_lines(code, lines.into_iter().map(|line| format!("{prefix}{line}")))
    }

    fn say_lines(&mut self, code: u16, lines: impl IntoIterator<Item: AsRef<str>>) -> Next {
        let reply = Code::new(code).map(|code| Reply::from_lines(code, lines));
        match reply {
            Some(Ok(reply)) => self.give(&reply),
            // Only an EHLO reply of hundreds of lines exceeds what a reply may have.
            Some(Err(_)) | None => Next::Close,
        }
    }

    pub(super) fn give(&mut self, reply: &Reply) -> Next {
        self.connection.log().server(reply.octets());
        self.connection.put(reply.octets());
        match reply.code() == Code::SHUTTING_DOWN {
            true => Next::Close,
            false => Next::Command,
        }
    }

    pub(super) fn offers(&self, keyword: &str) -> bool {
        self.server.offers(keyword, self.connection.is_tls())
    }

    pub(super) const fn has_hello(&self) -> bool {
        self.hello.is_some()
    }

    fn is_extended(&self) -> bool {
        self.hello.as_ref().is_some_and(|hello| hello.extended)
    }

    pub(super) const fn is_in_mail(&self) -> bool {
        self.mail.is_some()
    }

    pub(super) fn may_authenticate(&self) -> bool {
        self.is_extended() && self.offers("AUTH")
    }
}

/// The line as it may be shown.
fn masked(line: &[u8], parsed: &Result<Command<'_>, CommandError>) -> Vec<u8> {
    let begins_with_auth = line.trim_ascii_start().get(..4);
    match (parsed, begins_with_auth) {
        (Ok(Command::Auth { mechanism, initial }), _) => {
            let secret = if initial.is_some() { " <secret>" } else { "" };
            format!("AUTH {mechanism}{secret}").into_bytes()
        }
        (_, Some(word)) if word.eq_ignore_ascii_case(b"AUTH") => b"AUTH <secret>".to_vec(),
        _ => line.to_vec(),
    }
}

const UNKNOWN: Words = (500, "5.5.1", "command unknown");
pub(super) const HELLO_FIRST: Words = (503, "5.5.1", "say hello first");
const WAIT: Words = (503, "5.5.0", "commands must wait for replies here");
pub(super) const TOO_BIG: Words = (552, "5.3.4", "the mail is too big");
/// Octets of a command with its CRLF. RFC 5321 §4.5.3.1.4 has 512, and extensions add to it.
const LONGEST_COMMAND: usize = 2048;
/// Octets of a line of AUTH: RFC 4954 §4 has 12,288 of base64.
pub(super) const LONGEST_LINE: usize = 12_288 + 2;
