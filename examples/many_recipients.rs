//! One mail to many recipients, as many at a time as the server takes, and what became of it for
//! each of them.
//!
//! ```sh
//! cargo run --example many_recipients -- --notify FAILURE,DELAY bob@example.test full@example.test
//! ```

mod common;
#[path = "common/report.rs"]
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use ehlo::testing::Server;
use ehlo::{
    Capabilities, Client, Delivery, Envelope, EnvelopeId, Error, ForwardPath, InvalidEnvelope,
    MailParam, Notify, OriginalRecipient, RcptParam, Retry, ReturnContent, ReversePath,
    ServerLimits,
};
use serde::Serialize;

use common::{Access, FAILED, USAGE, arguments, fail, failed};
use report::{Failure, Row, STATUS, status, totals};

/// Send one mail to many recipients, as many at a time as the server takes.
#[derive(Parser)]
#[command(after_help = STATUS)]
struct Arguments {
    /// The server [default: an embedded one, which takes three recipients at a time]
    #[arg(long, value_name = "HOST[:PORT]")]
    server: Option<String>,
    /// Who sends it; '' is the null path of notifications
    #[arg(long, value_name = "MAILBOX", default_value = "alice@example.test")]
    from: ReversePath,
    /// More recipients, one a line; `#` begins a comment
    #[arg(long, value_name = "FILE")]
    recipients: Option<PathBuf>,
    /// The message [default: a short one]
    #[arg(long, value_name = "FILE")]
    message: Option<PathBuf>,
    /// Recipients of one transaction at most [default: what the server says, or 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    group: Option<u32>,
    #[command(flatten)]
    reports: Reports,
    #[command(flatten)]
    access: Access,
    /// Print the outcome as one JSON object
    #[arg(long)]
    json: bool,
    /// Who is to have it [default: some who can and some who cannot]
    to: Vec<ForwardPath>,
}

/// What the server is to report (DSN, RFC 3461).
#[derive(clap::Args)]
struct Reports {
    /// Report NEVER, or some of SUCCESS,FAILURE,DELAY
    #[arg(long, value_name = "EVENTS")]
    notify: Option<Notify>,
    /// Send back the headers alone, and not the whole mail
    #[arg(long)]
    headers: bool,
    /// What reports are to name the mail by
    #[arg(long, value_name = "TEXT", value_parser = EnvelopeId::new)]
    envid: Option<EnvelopeId>,
    /// Tell each recipient's address in the report, wherever the mail is forwarded
    #[arg(long)]
    orcpt: bool,
}

const MESSAGE: &str = "\
From: Alice <alice@example.test>
To: many of us:;
Subject: To whom it may concern

This is a whole mail.
";

const RECIPIENTS: [&str; 5] = [
    "bob@example.test",
    "nobody-here@example.test",
    "carol@example.test",
    "full@example.test",
    "dave@example.test",
];

/// RFC 5321 §4.5.3.1.8: every server takes so many.
const AT_LEAST: usize = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&arguments()).await {
        Ok(status) => ExitCode::from(status),
        Err(status) => status,
    }
}

async fn run(arguments: &Arguments) -> Result<u8, ExitCode> {
    let content = match &arguments.message {
        Some(file) => std::fs::read(file).map_err(|why| unreadable(file, &why))?,
        None => MESSAGE.into(),
    };
    let envelope = arguments.envelope(&arguments.recipients()?);
    let envelope = envelope.map_err(|invalid| fail(USAGE, invalid))?;
    let embedded = Server::new()
        .refuse("full@example.test", "452 4.2.2 the mailbox is full")
        .offer("DSN")
        .offer("LIMITS RCPTMAX=3");
    // The embedded server lives as long as this.
    let server = arguments.server.as_deref();
    let (connector, _, _server) = arguments.access.reach_or(server, embedded).await?;
    let mut client = connector.connect().await.map_err(|error| failed(&error))?;
    let group = match arguments.group {
        Some(most) => most as usize,
        None => taken_by(client.conversation().capabilities()),
    };
    let (deliveries, error) = send(&mut client, &envelope, &content, group).await;
    // The mail is delivered or not, whatever becomes of the farewell.
    let _ = client.quit().await;
    let report = Report {
        transactions: deliveries.len(),
        recipients: deliveries.iter().flat_map(Delivery::recipients).map(Row::from).collect(),
        error: error.as_ref().map(Failure::from),
    };
    match arguments.json {
        true => println!("{}", serde_json::to_string(&report).map_err(|why| fail(FAILED, why))?),
        false => report.print(),
    }
    Ok(status(&report.recipients, error.is_some()))
}

/// The mail, to so many at a time. When the session ends, who is left is *not sent*.
async fn send(
    client: &mut Client,
    envelope: &Envelope,
    content: &[u8],
    group: usize,
) -> (Vec<Delivery>, Option<Error>) {
    let (mut deliveries, mut failure) = (Vec::new(), None);
    for part in envelope.split(group) {
        let delivery = match client.send(&part, content).await {
            Ok(delivery) => delivery,
            Err(error) => {
                failure.get_or_insert(error);
                client.take_delivery().await.unwrap_or_else(|| Delivery::not_sent(&part))
            }
        };
        deliveries.push(delivery);
    }
    (deliveries, failure)
}

/// How many recipients the server says that it takes in one transaction.
fn taken_by(offered: &Capabilities) -> usize {
    let limits = offered.get::<ServerLimits>();
    let most = limits.and_then(|limits| limits.rcpt_max());
    most.and_then(|most| usize::try_from(most).ok()).unwrap_or(AT_LEAST)
}

impl Arguments {
    /// Those of the command line, and those of the file.
    fn recipients(&self) -> Result<Vec<ForwardPath>, ExitCode> {
        let mut all = self.to.clone();
        if let Some(file) = &self.recipients {
            let lines = std::fs::read_to_string(file).map_err(|why| unreadable(file, &why))?;
            for (n, line) in lines.lines().enumerate() {
                let mailbox = line.split('#').next().unwrap_or_default().trim();
                if !mailbox.is_empty() {
                    let at = |why| fail(USAGE, format!("{}:{}: {why}", file.display(), n + 1));
                    all.push(mailbox.parse().map_err(|invalid: ehlo::InvalidValue| at(invalid))?);
                }
            }
        } else if all.is_empty() {
            all.extend(RECIPIENTS.iter().filter_map(|mailbox| mailbox.parse().ok()));
        }
        Ok(all)
    }

    fn envelope(&self, to: &[ForwardPath]) -> Result<Envelope, InvalidEnvelope> {
        let Reports { notify, headers, envid, orcpt } = &self.reports;
        let own = |mailbox: &ForwardPath| -> Result<Option<RcptParam>, InvalidEnvelope> {
            let original = orcpt.then(|| OriginalRecipient::of(mailbox)).transpose()?;
            Ok(original.as_ref().map(RcptParam::orcpt))
        };
        let (first, others) = to.split_first().ok_or(InvalidEnvelope::NoRecipient)?;
        let mut envelope = Envelope::new(self.from.clone(), [first.clone()])?
            .replace_params(first.clone(), own(first)?)?;
        for mailbox in others {
            envelope = envelope.recipient(mailbox.clone(), own(mailbox)?)?;
        }
        if let Some(events) = notify {
            envelope = envelope.rcpt_param(RcptParam::notify(*events));
        }
        if *headers {
            envelope = envelope.param(MailParam::ret(ReturnContent::Headers));
        }
        if let Some(id) = envid {
            envelope = envelope.param(MailParam::envid(id));
        }
        Ok(envelope)
    }
}

fn unreadable(file: &Path, why: &std::io::Error) -> ExitCode {
    fail(USAGE, format!("{}: {why}", file.display()))
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    transactions: usize,
    recipients: Vec<Row>,
    error: Option<Failure>,
}

impl Report {
    /// A table, and what it comes to.
    fn print(&self) {
        let widths = self.recipients.iter().map(|row| row.mailbox.chars().count());
        let width = widths.max().unwrap_or_default();
        println!("{:width$}  OUTCOME   AGAIN  REPLY", "RECIPIENT");
        for row in &self.recipients {
            let again = if row.retry == Retry::Later { "later" } else { "" };
            let why = row.words.split_once(": ").map_or("", |(_, why)| why);
            let line = format!("{:width$}  {:8}  {again:5}  {why}", row.mailbox, row.outcome);
            println!("{}", line.trim_end());
        }
        println!("{}, in {} transactions", totals(&self.recipients), self.transactions);
        if let Some(error) = &self.error {
            eprintln!("error: {}", error.message);
        }
    }
}
