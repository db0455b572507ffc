//! Hands a mail to an LMTP server, over a Unix socket or TCP, and prints each recipient's outcome
//! as it comes. Without a server it is an embedded one, on a Unix socket.
//!
//! ```sh
//! cargo run --example lmtp
//! cargo run --example lmtp -- --unix /run/dovecot/lmtp --to alice@example.org message.eml
//! ```

mod common;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use ehlo::testing::{Running, Server};
use ehlo::{
    Connector, Delivery, Envelope, Error, ForwardPath, Outcome, Progress, ReversePath, Security,
};

use common::{FAILED, USAGE, arguments, fail, failed};

/// Hand a mail to an LMTP server, and print each recipient's outcome as it comes.
#[derive(Parser)]
#[command(after_help = "\
Exit status: 0 all recipients accepted, 1 some, 2 none, 3 the session failed, 64 bad arguments.")]
struct Arguments {
    /// The server's Unix socket [default: an embedded server's]
    #[arg(long, value_name = "PATH", conflicts_with = "tcp")]
    unix: Option<PathBuf>,
    /// The server's name or address; the port is never 25
    #[arg(long, value_name = "HOST:PORT")]
    tcp: Option<String>,
    /// implicit, starttls, opportunistic or none [default: none]
    #[arg(long, value_name = "MODE", requires = "tcp")]
    tls: Option<Security>,
    /// Who sends; '' is the null path of notifications
    #[arg(long, value_name = "MAILBOX", default_value = "alice@example.test")]
    from: ReversePath,
    /// A recipient; may be repeated
    #[arg(long, value_name = "MAILBOX", default_values =
          ["bob@example.test", "carol@example.test", "nobody-here@example.test"])]
    to: Vec<ForwardPath>,
    /// Print on standard error what was said
    #[arg(long)]
    transcript: bool,
    /// The message [default: a short one]
    file: Option<PathBuf>,
}

const MESSAGE: &str = "\
From: Alice <alice@example.test>
Subject: Hello

One mail, and an outcome for each recipient.
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run(arguments()).await.unwrap_or_else(|status| status)
}

async fn run(arguments: Arguments) -> Result<ExitCode, ExitCode> {
    let content = match &arguments.file {
        None => MESSAGE.into(),
        Some(file) => {
            std::fs::read(file).map_err(|why| fail(USAGE, format!("{}: {why}", file.display())))?
        }
    };
    // The embedded server lives as long as this.
    let (connector, _server) = reach(&arguments).await?;
    let connector = connector.lmtp().transcript(1 << 18);
    let envelope =
        Envelope::new(arguments.from, arguments.to).map_err(|invalid| fail(USAGE, invalid))?;
    let (accepted, transcript) = deliver(&connector, &envelope, &content).await;
    if arguments.transcript {
        eprint!("{transcript}");
    }
    Ok(match accepted.map_err(|error| failed(&error))? {
        0 => ExitCode::from(2),
        accepted if accepted < envelope.recipients().len() => ExitCode::from(1),
        _ => ExitCode::SUCCESS,
    })
}

/// How many recipients have the mail, and what was said.
async fn deliver(
    connector: &Connector,
    envelope: &Envelope,
    content: &[u8],
) -> (Result<usize, Error>, String) {
    let mut client = match connector.connect().await {
        Ok(client) => client,
        Err(error) => {
            let said = error.transcript().map(ToString::to_string);
            return (Err(error), said.unwrap_or_default());
        }
    };
    // Whoever has the mail has it, whatever becomes of the others.
    let watch = |progress: Progress<'_>| {
        if let Progress::Decided(_, recipient) = progress {
            println!("{}: {}", recipient.mailbox(), recipient.outcome());
        }
    };
    let sent = client.send_watched(envelope, content, watch).await;
    if sent.is_err() {
        // For these the server has not decided.
        let delivery = client.take_delivery().await;
        for recipient in delivery.iter().flat_map(Delivery::recipients) {
            let outcome = recipient.outcome();
            if matches!(outcome, Outcome::NotSent | Outcome::Unknown) {
                println!("{}: {outcome}", recipient.mailbox());
            }
        }
    }
    let _ = client.quit().await;
    let said = client.conversation().transcript().map(ToString::to_string);
    (sent.map(|delivery| delivery.accepted_count()), said.unwrap_or_default())
}

async fn reach(arguments: &Arguments) -> Result<(Connector, Option<Running>), ExitCode> {
    if let Some(server) = &arguments.tcp {
        let security = arguments.tls.unwrap_or(Security::None);
        return Ok((Connector::new(server).security(security), None));
    }
    over_unix(arguments).await
}

#[cfg(unix)]
async fn over_unix(arguments: &Arguments) -> Result<(Connector, Option<Running>), ExitCode> {
    if let Some(path) = &arguments.unix {
        return Ok((Connector::unix(path), None));
    }
    let path = std::env::temp_dir().join(format!("ehlo-lmtp-{}.sock", std::process::id()));
    let server = Server::new()
        .lmtp()
        .refuse("nobody-here@example.test", "550 5.1.1 nobody here has that name")
        .refuse_at_end("carol@example.test", "452 4.2.2 the mailbox is full");
    let server = server.start_unix(&path).await.map_err(|why| fail(FAILED, why))?;
    Ok((Connector::unix(&path), Some(server)))
}

#[cfg(not(unix))]
async fn over_unix(_: &Arguments) -> Result<(Connector, Option<Running>), ExitCode> {
    Err(fail(USAGE, "there are no Unix sockets here: give --tcp"))
}
