//! A whole conversation: TLS, AUTH, a mail to two recipients of which one is refused, and what was
//! said. Without arguments the server is an embedded one.
//!
//! ```sh
//! cargo run --example quickstart
//! ```

mod common;

use std::process::ExitCode;

use clap::Parser;
use ehlo::{Connector, Envelope, Error};

use common::{Access, Addresses, USAGE, arguments, fail, failed};

/// Hold a whole conversation with a server, and show it: TLS, AUTH, a mail to two recipients.
#[derive(Parser)]
#[command(after_help = "\
Exit status: 0 the conversation was held, whatever became of the mail; 3 it failed; 64 bad arguments.")]
struct Arguments {
    /// The server [default: an embedded one, which knows alice]
    #[arg(value_name = "HOST[:PORT]")]
    server: Option<String>,
    #[command(flatten)]
    addresses: Addresses,
    #[command(flatten)]
    access: Access,
}

const MESSAGE: &str = "\
From: Alice <alice@example.test>
To: Bob <bob@example.test>
Subject: Hello

This is a whole mail.
. A dot at the start of a line is nothing special to you.
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(arguments()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(status) => status,
    }
}

async fn run(arguments: Arguments) -> Result<(), ExitCode> {
    let envelope = Envelope::new(arguments.addresses.from, arguments.addresses.to);
    let envelope = envelope.map_err(|invalid| fail(USAGE, invalid))?;
    // The embedded server lives as long as this.
    let (connector, _, _server) = arguments.access.reach(arguments.server.as_deref()).await?;
    converse(&connector, &envelope).await.map_err(|error| {
        if let Some(transcript) = error.transcript() {
            println!("{transcript}");
        }
        failed(&error)
    })
}

/// All that it takes to send a mail.
async fn converse(connector: &Connector, envelope: &Envelope) -> Result<(), Error> {
    let mut client = connector.connect().await?;
    let sent = client.send(envelope, MESSAGE).await;
    let ended = client.quit().await;
    if let Some(transcript) = client.conversation().transcript() {
        println!("{transcript}");
    }
    let delivery = sent?;
    for recipient in delivery.recipients() {
        println!("{}: {}", recipient.mailbox(), recipient.outcome());
    }
    ended
}
