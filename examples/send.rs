//! Sends a message from a file or standard input, to any recipients through any server.
//!
//! ```sh
//! cargo run --example send -- --server mail.example.org --user alice \
//!     --from alice@example.org --to bob@example.net --to eve@example.net message.eml
//! ```

mod common;

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use ehlo::{
    Connector, Delivery, Envelope, Error, ForwardPath, Outcome, Progress, Recipient, Reply,
    ReversePath, Stage, Transcript,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use common::{Access, FAILED, USAGE, arguments, fail};

/// Send a message from a file or standard input, to any recipients through any server.
#[derive(Parser)]
#[command(after_help = "\
Exit status: 0 all recipients accepted, 1 some, 2 none, 3 the session failed,
4 the server may have the mail and did not say so (4 wins over 3), 64 bad arguments.")]
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
        recipients: delivery.recipients().map(row).collect(),
        error: error.as_ref().map(failure),
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
    ExitCode::from(status(&report))
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
    let bar = progress_bar(content.len());
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

/// A bar for what takes a while, where somebody looks.
fn progress_bar(octets: usize) -> ProgressBar {
    const LARGE: usize = 1 << 20;
    if octets <= LARGE || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {bytes} of {total_bytes}, {eta} left");
    ProgressBar::new(octets as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    server: &'a str,
    elapsed_ms: u128,
    recipients: Vec<Row>,
    error: Option<Failure>,
}

#[derive(Serialize)]
struct Row {
    mailbox: String,
    outcome: &'static str,
    #[serde(flatten)]
    reply: Said,
    /// What the reply answered.
    stage: Option<&'static str>,
    #[serde(skip)]
    words: String,
}

#[derive(Serialize)]
struct Failure {
    stage: &'static str,
    kind: &'static str,
    message: String,
    #[serde(flatten)]
    reply: Said,
}

/// A reply in parts; all of them null where there was none.
#[derive(Serialize)]
struct Said {
    code: Option<u16>,
    enhanced: Option<String>,
    text: Option<String>,
}

impl From<Option<&Reply>> for Said {
    fn from(reply: Option<&Reply>) -> Self {
        Self {
            code: reply.map(|reply| reply.code().number()),
            enhanced: reply.and_then(Reply::enhanced).map(|code| code.to_string()),
            text: reply.map(|reply| reply.text().into_owned()),
        }
    }
}

fn row(recipient: Recipient<'_>) -> Row {
    let outcome = recipient.outcome();
    let (name, reply, stage) = match outcome {
        Outcome::Accepted(reply) => ("accepted", Some(reply), Some(Stage::EndOfData)),
        Outcome::Refused(refusal) => ("refused", Some(refusal.reply()), Some(refusal.stage())),
        Outcome::NotSent => ("not_sent", None, None),
        _ => ("unknown", None, Some(Stage::EndOfData)),
    };
    Row {
        mailbox: recipient.mailbox().as_str().to_owned(),
        outcome: name,
        reply: reply.into(),
        stage: stage.map(Stage::name),
        words: outcome.to_string(),
    }
}

fn failure(error: &Error) -> Failure {
    Failure {
        stage: error.stage().name(),
        kind: error.kind().name(),
        message: error.to_string(),
        reply: error.reply().into(),
    }
}

fn status(report: &Report<'_>) -> u8 {
    let rows = &report.recipients;
    let count = |outcome| rows.iter().filter(|row| row.outcome == outcome).count();
    match count("accepted") {
        _ if count("unknown") > 0 => 4,
        _ if report.error.is_some() || count("not_sent") > 0 => FAILED,
        0 => 2,
        accepted if accepted < rows.len() => 1,
        _ => 0,
    }
}
