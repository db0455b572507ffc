//! A whole conversation: TLS, AUTH, a mail to two recipients of which one is refused, and what was
//! said. Without arguments the server is an embedded one.
//!
//! ```sh
//! cargo run --example quickstart
//! ```

mod common;

use std::process::ExitCode;

use clap::Parser;
use ehlo::{Connector, Envelope, Error, ForwardPath, ReversePath, RootCertificates};

use common::{Access, FAILED, USAGE, arguments, fail};

/// Hold a whole conversation with a server, and show it: TLS, AUTH, a mail to two recipients.
#[derive(Parser)]
#[command(after_help = "\
Exit status: 0 the conversation was held, whatever became of the mail; 3 it failed; 64 bad arguments.")]
struct Arguments {
    /// The server [default: an embedded one, which knows alice]
    #[arg(value_name = "HOST[:PORT]")]
    server: Option<String>,
    /// Who sends the mail
    #[arg(long, value_name = "MAILBOX", default_value = "alice@example.test")]
    from: ReversePath,
    /// Who is to have it; may be repeated
    #[arg(long, value_name = "MAILBOX",
          default_values = ["bob@example.test", "nobody-here@example.test"])]
    to: Vec<ForwardPath>,
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
    let arguments: Arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(status) => return status,
    };
    let envelope = match Envelope::new(arguments.from, arguments.to) {
        Ok(envelope) => envelope,
        Err(invalid) => return fail(USAGE, invalid),
    };
    // The embedded server lives as long as this.
    let (connector, _server) = match arguments.access.reach(arguments.server.as_deref()).await {
        Ok(reached) => reached,
        Err(why) => return fail(USAGE, why),
    };
    match converse(&connector, &envelope).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(transcript) = error.transcript() {
                print!("{transcript}");
            }
            common::failed(&error)
        }
    }
}

/// All that it takes to send a mail.
async fn converse(connector: &Connector, envelope: &Envelope) -> Result<(), Error> {
    let mut client = connector.connect().await?;
    let delivery = client.send(envelope, MESSAGE).await?;
    if let Some(transcript) = client.conversation().transcript() {
        println!("{transcript}");
    }
    for recipient in delivery.recipients() {
        println!("{}: {}", recipient.mailbox(), recipient.outcome());
    }
    client.quit().await
}
