//! Which mechanisms of AUTH a server offers, before TLS and inside it; which one would be used, and
//! why none of the others; and then it logs in. Without a server it is an embedded one.
//!
//! ```sh
//! cargo run --example auth
//! EHLO_PASSWORD=… cargo run --example auth -- mail.example.org:587 --user alice
//! ```

mod common;
#[path = "common/report.rs"]
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use ehlo::testing::Server;
use ehlo::{
    Candidate, ClientCertificate, Command, Connector, Conversation, Credentials, Error, ErrorKind,
    Reply, Stage, Verb,
};
use serde_json::{Value, json};

use common::{Access, FAILED, USAGE, arguments, fail};
use report::Failure;

/// Print which mechanisms of AUTH a server offers and which one would be used, and log in.
///
/// The strongest that fits is used. Without a user nobody logs in: what is offered is printed, and
/// what each mechanism takes.
#[derive(Parser)]
#[command(after_help = "\
Exit status: 0 logged in, or there is no user; 2 not logged in, 3 the session failed, 64 bad arguments.")]
struct Arguments {
    /// The server, or its URL (without a user) [default: an embedded one that knows alice]
    #[arg(value_name = "HOST[:PORT]")]
    server: Option<String>,
    #[command(flatten)]
    access: Access,
    /// EHLO_PASSWORD is an access token of OAuth 2.0
    #[arg(long, requires = "user")]
    token: bool,
    /// Log in with this certificate and its key, both in one PEM file, by EXTERNAL
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user", "token"])]
    certificate: Option<PathBuf>,
    /// Use this mechanism alone; of several, the first that is offered
    #[arg(long, value_name = "NAME")]
    mechanism: Vec<String>,
    /// Use none that is weaker than this one
    #[arg(long, value_name = "NAME")]
    at_least: Option<String>,
    /// Try the next mechanism where one is refused
    #[arg(long)]
    try_others: bool,
    /// Print what is offered, and do not log in
    #[arg(long)]
    look: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run(arguments()).await.unwrap_or_else(|status| status)
}

async fn run(arguments: Arguments) -> Result<ExitCode, ExitCode> {
    let server = arguments.server.as_deref();
    if server.is_some_and(|server| common::is_url(server) && server.contains('@')) {
        return Err(fail(USAGE, "the user goes into --user, and the password into EHLO_PASSWORD"));
    }
    // The embedded server lives as long as this.
    let (connector, known, _server) = arguments.access.reach_or(server, embedded()).await?;
    let credentials = arguments.credentials(known);
    let connector = arguments.certified(connector).map_err(|why| fail(USAGE, why))?;

    let mut report = Report::default();
    let ended = converse(&connector, credentials.as_ref(), &arguments, &mut report).await;
    match ended {
        Ok(reply) => report.reply = reply,
        Err(error) if common::is_usage(&error) => return Err(common::failed(&error)),
        Err(error) => report.error = Some(error),
    }
    match arguments.json {
        true => println!("{:#}", report.json()),
        false => report.print(credentials.as_ref()),
    }
    Ok(ExitCode::from(report.status()))
}

/// EHLO, STARTTLS where it is offered, EHLO again, AUTH.
async fn converse(
    connector: &Connector,
    credentials: Option<&Credentials>,
    arguments: &Arguments,
    report: &mut Report,
) -> Result<Option<Reply>, Error> {
    let mut smtp = connector.open().await?;
    let ended = log_in(&mut smtp, credentials, arguments, report).await;
    // What QUIT is answered with changes nothing.
    let _ = smtp.quit().await;
    ended
}

async fn log_in(
    smtp: &mut Conversation,
    credentials: Option<&Credentials>,
    arguments: &Arguments,
    report: &mut Report,
) -> Result<Option<Reply>, Error> {
    let client = credentials.cloned().unwrap_or_else(|| Credentials::anonymous(""));
    report.looks.push(hello(smtp, &client).await?);
    if !arguments.access.stays_in_clear() && smtp.allows(Verb::StartTls).is_ok() {
        say(smtp, Stage::StartTls, Command::start_tls()).await?;
        report.looks.push(hello(smtp, &client).await?);
    }
    match credentials.filter(|_| !arguments.look) {
        Some(credentials) => smtp.authenticate(credentials).await.map(Some),
        None => Ok(None),
    }
}

async fn hello(smtp: &mut Conversation, client: &Credentials) -> Result<Look, Error> {
    let name = smtp.client_name().clone();
    let is_lmtp = smtp.allows(Verb::Lhlo).is_ok();
    let hello = if is_lmtp { Command::lhlo(name)? } else { Command::ehlo(name)? };
    say(smtp, Stage::Ehlo, hello).await?;
    Ok(Look::of(smtp, client))
}

/// A refusal is an error here: that nothing is offered behind one says nothing of the server.
async fn say(smtp: &mut Conversation, at: Stage, command: Command<'_>) -> Result<(), Error> {
    let reply = Some(smtp.say(&command).await?).filter(Reply::is_negative);
    reply.map_or(Ok(()), |reply| Err(Error::new(at, ErrorKind::Refused(reply))))
}

impl Arguments {
    /// Who is to log in; nobody where that is not said.
    fn credentials(&self, known: Option<(String, String)>) -> Option<Credentials> {
        let mut credentials = match known {
            _ if self.certificate.is_some() => Credentials::external(),
            Some((user, token)) if self.token => Credentials::token(user, token),
            Some((user, password)) => Credentials::new(user, password),
            None => return None,
        };
        if !self.mechanism.is_empty() {
            credentials = credentials.mechanisms(&self.mechanism);
        }
        if let Some(name) = &self.at_least {
            credentials = credentials.at_least(name);
        }
        Some(if self.try_others { credentials.try_others() } else { credentials })
    }

    fn certified(&self, connector: Connector) -> Result<Connector, String> {
        let Some(file) = &self.certificate else { return Ok(connector) };
        let told = |why: &dyn ToString| format!("{}: {}", file.display(), why.to_string());
        let pem = std::fs::read(file).map_err(|why| told(&why))?;
        let certificate = ClientCertificate::from_pem(&pem, &pem).map_err(|why| told(&why))?;
        Ok(connector.client_certificate(certificate))
    }
}

/// One that offers something to be said about each.
fn embedded() -> Server {
    let mechanisms = "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-256-PLUS XOAUTH2 \
                      EXTERNAL NTLM";
    Server::new().allow_cleartext().mechanisms(mechanisms.split(' '))
}

/// What was offered over one channel.
struct Look {
    /// None in clear.
    tls: Option<String>,
    /// None where AUTH was not offered at all.
    candidates: Option<Vec<Candidate>>,
}

impl Look {
    fn of(smtp: &Conversation, credentials: &Credentials) -> Self {
        Self {
            tls: smtp.tls().map(ToString::to_string),
            candidates: smtp.auth_offer().map(|offer| credentials.explain(&offer)),
        }
    }

    fn print(&self) {
        let channel = self.tls.as_ref().map(|tls| format!("over {tls}"));
        println!("{}:", channel.as_deref().unwrap_or("in clear"));
        match self.candidates.as_deref() {
            None => println!("  no AUTH"),
            Some([]) => println!("  AUTH, and no mechanism"),
            Some(all) => all.iter().for_each(|candidate| println!("  {candidate}")),
        }
    }

    fn json(&self) -> Value {
        let told = |candidate: &Candidate| {
            json!({
                "name": candidate.name(),
                "chosen": candidate.is_chosen(),
                "why_not": candidate.unused().map(ToString::to_string),
            })
        };
        let told = self.candidates.as_ref().map(|all| all.iter().map(told).collect::<Vec<_>>());
        json!({ "tls": self.tls, "mechanisms": told })
    }
}

/// What there is to tell.
#[derive(Default)]
struct Report {
    looks: Vec<Look>,
    reply: Option<Reply>,
    error: Option<Error>,
}

impl Report {
    fn print(&self, credentials: Option<&Credentials>) {
        self.looks.iter().for_each(Look::print);
        if let Some(reply) = &self.reply {
            let user = credentials.map(Credentials::user).filter(|user| !user.is_empty());
            println!("{} is logged in: {reply}", user.unwrap_or("the client"));
        }
        if let Some(error) = &self.error {
            eprintln!("error: {error}");
        }
    }

    fn json(&self) -> Value {
        json!({
            "offers": self.looks.iter().map(Look::json).collect::<Vec<_>>(),
            "logged_in": self.reply.is_some(),
            "reply": self.reply.as_ref().map(ToString::to_string),
            "error": self.error.as_ref().map(Failure::from),
        })
    }

    fn status(&self) -> u8 {
        use ErrorKind as E;
        let Some(error) = &self.error else { return 0 };
        let is_auth = error.stage() == Stage::Auth;
        match error.kind() {
            E::Auth(_) | E::Refused(_) | E::Unsupported { .. } | E::Misuse(_) if is_auth => 2,
            _ => FAILED,
        }
    }
}
