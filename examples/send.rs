//! Sends a message from a file or standard input, to any recipients through any server.
//!
//! ```sh
//! cargo run --example send -- --server mail.example.org --user alice \
//!     --from alice@example.org --to bob@example.net --to eve@example.net message.eml
//! ```

mod common;
#[path = "common/report.rs"]
mod report;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use ehlo::{Connector, Delivery, Envelope, Error, ForwardPath, Progress, ReversePath, Transcript};
use serde::Serialize;

use common::{Access, FAILED, USAGE, arguments, fail};
use report::{Failure, Row, STATUS, bar, status};

/// Send a message from a file or standard input, to any recipients through any server.
#[derive(Parser)]
#[command(after_help = STATUS)]
struct Arguments {
    /// Where to send it; without a port 465 for implicit TLS, 587 for starttls, else 25. Or a URL,
    /// such as smtps://mail.example.org or lmtp+unix:///run/lmtp
    #[arg(long, value_name = "HOST:PORT")]
    server: String,
    /// Who sends it; '' is the null path of notifications
    #[arg(long, value_name = "MAILBOX")]
    from: ReversePath,
    /// Who is to have it; may be repeated
    #[arg(long, value_name = "MAILBOX", required = true)]
    to: Vec<ForwardPath>,
    #[command(flatten)]
    access: Access,
    /// Speak LMTP, which needs a port
    #[arg(long)]
    lmtp: bool,
    /// Print on standard error what was said
    #[arg(long)]
    transcript: bool,
    /// Print the outcome as one JSON object
    #[arg(long)]
    json: bool,
    /// The message [default: standard input]
    file: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Arguments = arguments();
    let (connector, envelope, content) = match prepare(&arguments).await {
        Ok(prepared) => prepared,
        Err(status) => return status,
    };
    let began = Instant::now();
    let transcript = |transcript: Option<&Transcript>| {
        if let Some(transcript) = transcript.filter(|_| arguments.transcript) {
            eprint!("{transcript}");
        }
    };
    let (delivery, error) = send(&connector, &envelope, &content, transcript).await;
    if let Some(error) = error.as_ref().filter(|error| common::is_usage(error)) {
        return fail(USAGE, error);
    }
    // A URL may have a password in it.
    let url = common::is_url(&arguments.server).then(|| connector.to_string());
    let report = Report {
        server: url.as_deref().unwrap_or(&arguments.server),
        elapsed_ms: began.elapsed().as_millis(),
        recipients: delivery.recipients().map(Row::from).collect(),
        error: error.as_ref().map(Failure::from),
    };
    if arguments.json {
        match serde_json::to_string(&report) {
            Ok(json) => println!("{json}"),
            Err(why) => return fail(FAILED, why),
        }
    } else {
        for row in &report.recipients {
            println!("{}: {}", row.mailbox, row.words);
        }
        if let Some(error) = &report.error {
            eprintln!("error: {}", error.message);
        }
    }
    ExitCode::from(status(&report.recipients, report.error.is_some()))
}

/// All that can be wrong with the arguments is found before a server is bothered.
async fn prepare(arguments: &Arguments) -> Result<(Connector, Envelope, Vec<u8>), ExitCode> {
    let (mut connector, ..) = arguments.access.reach(Some(&arguments.server)).await?;
    if arguments.lmtp {
        connector = connector.lmtp();
    }
    let envelope = Envelope::new(arguments.from.clone(), arguments.to.clone());
    let envelope = envelope.map_err(|invalid| fail(USAGE, invalid))?;
    let mut content = Vec::new();
    let (read, source) = match &arguments.file {
        Some(file) => (std::fs::read(file).map(|read| content = read), file.as_path()),
        None => {
            let read = std::io::stdin().read_to_end(&mut content);
            (read.map(drop), Path::new("standard input"))
        }
    };
    read.map_err(|why| fail(USAGE, format!("{}: {why}", source.display())))?;
    Ok((connector, envelope, content))
}

/// One mail over one connection. Where the session fails, something may be known all the same.
async fn send(
    connector: &Connector,
    envelope: &Envelope,
    content: &[u8],
    transcript: impl Fn(Option<&Transcript>),
) -> (Delivery, Option<Error>) {
    let mut client = match connector.connect().await {
        Ok(client) => client,
        Err(error) => {
            transcript(error.transcript());
            return (Delivery::not_sent(envelope), Some(error));
        }
    };
    let template = "{wide_bar} {bytes} of {total_bytes}, {eta} left";
    let bar = bar(content.len() as u64, LARGE, template);
    let watch = |progress: Progress<'_>| {
        if let Progress::Octets(octets) = progress {
            bar.set_position(octets);
        }
    };
    let sent = client.send_watched(envelope, content, watch).await;
    bar.finish_and_clear();
    let known = match sent {
        Ok(delivery) => (delivery, None),
        Err(error) => {
            let known = client.take_delivery().await;
            (known.unwrap_or_else(|| Delivery::not_sent(envelope)), Some(error))
        }
    };
    // The mail is delivered or not, whatever becomes of the farewell.
    let _ = client.quit().await;
    transcript(client.conversation().transcript());
    known
}

/// Fewer octets are worth no bar.
const LARGE: u64 = 1 << 20;

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    server: &'a str,
    elapsed_ms: u128,
    recipients: Vec<Row>,
    error: Option<Failure>,
}
