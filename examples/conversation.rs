//! An SMTP console: the telnet test, with TLS, AUTH and the order of the protocol. On a terminal it
//! completes verbs and remembers lines; else it plays a script from standard input.
//!
//! ```sh
//! cargo run --example conversation -- mail.example.org
//! printf 'EHLO\nVRFY bob\n' | cargo run --example conversation -- --tls none mail.example.org
//! ```

mod common;
#[path = "common/console.rs"]
mod console;

use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::Parser;
use ehlo::{
    Command, Conversation, Credentials, Error, ForwardPath, InvalidValue, Phase, Reply,
    ReversePath, Verb,
};

use common::{Access, Addresses, FAILED, arguments, fail, failed};
use console::{HELP, Input, lawful, show, words};

/// Hold a conversation with a server by hand, or play a script from standard input.
///
/// What is no lawful command is sent as it is, if the order of the protocol allows it. EHLO, MAIL,
/// RCPT and AUTH without arguments take theirs from the flags.
#[derive(Parser)]
#[command(after_help = HELP)]
struct Arguments {
    /// The server, or its URL [default: an embedded one, which knows alice]
    #[arg(value_name = "HOST[:PORT]")]
    server: Option<String>,
    #[command(flatten)]
    addresses: Addresses,
    #[command(flatten)]
    access: Access,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(arguments()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(status) => status,
    }
}

async fn run(arguments: Arguments) -> Result<(), ExitCode> {
    // The embedded server lives as long as this.
    let (connector, credentials, _server) =
        arguments.access.reach(arguments.server.as_deref()).await?;
    let mut console = Console {
        smtp: connector.open().await.map_err(|error| failed(&error))?,
        input: Input::new().map_err(|why| fail(FAILED, why))?,
        credentials: credentials.map(|(user, password)| Credentials::new(user, password)),
        from: arguments.addresses.from,
        to: arguments.addresses.to,
        has_quit: false,
    };
    show(console.smtp.greeting());
    console.run().await.map_err(|why| fail(FAILED, why))
}

struct Console {
    smtp: Conversation,
    input: Input,
    credentials: Option<Credentials>,
    from: ReversePath,
    /// The next first.
    to: Vec<ForwardPath>,
    has_quit: bool,
}

/// Why the session is over, in words for the user.
type Outcome = Result<(), String>;

impl Console {
    /// Line by line, to QUIT or the end of the input.
    async fn run(&mut self) -> Outcome {
        while self.smtp.phase() != Phase::Closed {
            let phase = self.smtp.phase();
            let Some(line) = self.input.line(phase, lawful(&self.smtp))? else {
                return self.leave().await;
            };
            match line.as_slice() {
                b":quit" => return self.leave().await,
                [b':' | b'?', ..] => self.local(&line).await?,
                _ if phase == Phase::Auth => self.respond(&line).await?,
                [] => {}
                line if line.eq_ignore_ascii_case(b"AUTH") && self.credentials.is_some() => {
                    self.authenticate().await?;
                }
                line => match self.command(line) {
                    Ok(command) => self.say(&command).await?,
                    Err(why) => println!("   not sent: {why}"),
                },
            }
        }
        match self.has_quit {
            true => Ok(()),
            false => Err("the server has ended the session".to_owned()),
        }
    }

    /// What a line means.
    fn command(&mut self, line: &[u8]) -> Result<Command<'static>, InvalidValue> {
        let name = self.smtp.client_name().clone();
        match Verb::from_word(line) {
            Some(Verb::Ehlo) => return Command::ehlo(name),
            Some(Verb::Helo) => return Command::helo(name),
            Some(Verb::Lhlo) => return Command::lhlo(name),
            Some(Verb::Mail) => return Ok(Command::mail(self.from.clone())),
            Some(Verb::Rcpt) => {
                self.to.rotate_left(1);
                let next = self.to.last().cloned().unwrap_or(ForwardPath::Postmaster);
                return Ok(Command::rcpt(next));
            }
            _ => {}
        }
        Command::parse(line).or_else(|why| {
            let raw = Command::raw(line)?;
            if self.smtp.allows(raw.verb()).is_ok() {
                println!("   sent as it is, though: {why}");
            }
            Ok(raw)
        })
    }

    /// Says a command, and goes on as its reply asks.
    async fn say(&mut self, command: &Command<'_>) -> Outcome {
        self.input.echo(command);
        let said = self.smtp.say(command).await;
        self.take(said)?;
        match (self.smtp.phase(), command.verb()) {
            (Phase::Content, _) => self.content().await?,
            (Phase::Closed, verb) => self.has_quit = verb == Verb::Quit,
            (Phase::Hello, Verb::StartTls) => {
                if let Some(tls) = self.smtp.tls() {
                    println!("   {tls}; say EHLO again, for what is offered now");
                }
            }
            _ => {}
        }
        Ok(())
    }

    async fn authenticate(&mut self) -> Outcome {
        if let Some(credentials) = &self.credentials {
            let user = credentials.user();
            println!("   as {user}, by the strongest mechanism there is");
            let said = self.smtp.authenticate(credentials).await;
            self.take(said)?;
        }
        Ok(())
    }

    /// Answers a challenge.
    async fn respond(&mut self, line: &[u8]) -> Outcome {
        let said = match (line, BASE64.decode(line)) {
            (b"*", _) => {
                self.input.echo("*");
                self.smtp.cancel_auth().await
            }
            (_, Ok(response)) => {
                self.input.echo("<secret>");
                self.smtp.respond(&response).await
            }
            (_, Err(_)) => {
                println!("   not sent: an answer is base64, and * gives up");
                return Ok(());
            }
        };
        self.take(said)
    }

    /// Sends the lines up to a lone dot.
    async fn content(&mut self) -> Outcome {
        let mut content = Vec::new();
        loop {
            match self.input.line(Phase::Content, [])? {
                Some(line) if line == b"." => break,
                Some(line) => content.extend([&line, &b"\r\n"[..]].concat()),
                None => return Err("no dot ended the content: the mail was not sent".to_owned()),
            }
        }
        self.input.echo(format_args!("<content {}>", content.len()));
        match self.smtp.content(&content).await {
            Ok(replies) => replies.iter().for_each(show),
            Err(error) => return Err(error.to_string()),
        }
        Ok(())
    }

    /// What is for the console and not for the server.
    async fn local(&mut self, line: &[u8]) -> Outcome {
        match line {
            b"?" => {
                println!("   lawful: {}", words(lawful(&self.smtp)));
                for why in Verb::ALL.iter().map(|verb| self.smtp.allows(*verb).err()) {
                    why.into_iter().for_each(|why| println!("   {why}"));
                }
            }
            b":capabilities" => {
                for keyword in self.smtp.capabilities().keywords() {
                    println!("   {keyword}");
                }
            }
            b":transcript" => {
                if let Some(transcript) = self.smtp.transcript() {
                    print!("{transcript}");
                }
            }
            [b':', b'r', b'a', b'w', b' ', raw @ ..] => match Command::raw(raw) {
                Ok(command) => return self.say(&command).await,
                Err(why) => println!("   not sent: {why}"),
            },
            _ => println!("{HELP}"),
        }
        Ok(())
    }

    /// QUIT, behind what has to come before it.
    async fn leave(&mut self) -> Outcome {
        if self.smtp.phase() == Phase::Auth {
            let said = self.smtp.cancel_auth().await;
            self.take(said)?;
        }
        self.say(&Command::quit()).await
    }

    /// Shows a reply, or why there is none; an error is one that ends the session.
    fn take(&self, said: Result<Reply, Error>) -> Outcome {
        match said {
            Ok(reply) => show(&reply),
            Err(error) if self.smtp.phase() == Phase::Closed => return Err(error.to_string()),
            Err(error) => match error.reply() {
                Some(refusal) => show(refusal),
                None => {
                    println!("   not sent: {error}");
                    println!("   lawful: {}", words(lawful(&self.smtp)));
                }
            },
        }
        Ok(())
    }
}
