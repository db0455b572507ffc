//! A directory of messages, sent in a row over one connection: to whom is in their headers.
//!
//! ```sh
//! cargo run --example bulk -- --server mail.example.org --user alice --run-ahead outbox/
//! ```

mod common;
#[path = "common/report.rs"]
mod report;

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;
use std::task::{Context, Poll};

use clap::Parser;
use ehlo::testing::Server;
use ehlo::{Client, Envelope, Mail, ReversePath, Sent, Source, Transfer};
use futures_core::Stream;
use indicatif::ProgressBar;
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

use common::{Access, USAGE, arguments, fail, failed};
use report::{Row, STATUS, bar, status, totals};

/// Send every message of a directory, to whom its header names.
#[derive(Parser)]
#[command(after_help = STATUS)]
struct Arguments {
    /// The server [default: an embedded one, which knows alice]
    #[arg(long, value_name = "HOST[:PORT]")]
    server: Option<String>,
    /// Who sends them [default: the Sender or From of each]
    #[arg(long, value_name = "MAILBOX")]
    from: Option<ReversePath>,
    /// Send the next before the last is answered: saves round trips, and not every server bears it
    #[arg(long)]
    run_ahead: bool,
    /// Send content with BDAT, not DATA
    #[arg(long)]
    bdat: bool,
    #[command(flatten)]
    access: Access,
    /// Where the messages are, in files that end in .eml [default: some that are made up]
    directory: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(arguments()).await {
        Ok(status) => ExitCode::from(status),
        Err(status) => status,
    }
}

async fn run(arguments: Arguments) -> Result<u8, ExitCode> {
    let messages = match &arguments.directory {
        Some(directory) => messages(directory)
            .map_err(|why| fail(USAGE, format!("{}: {why}", directory.display())))?,
        None => MADE_UP.map(Message::MadeUp).into(),
    };
    let embedded = Server::new().refuse("full@example.test", "452 4.2.2 the mailbox is full");
    let server = arguments.server.as_deref();
    // The embedded server lives as long as this.
    let (mut connector, _, _server) = arguments.access.reach_or(server, embedded).await?;
    if arguments.run_ahead {
        connector = connector.run_ahead();
    }
    if arguments.bdat {
        connector = connector.transfer(Transfer::Bdat);
    }
    let mut client = connector.connect().await.map_err(|error| failed(&error))?;
    let bar = bar(messages.len() as u64, MANY, "{wide_bar} {pos} of {len}, {eta} left");
    let summary = send(&mut client, messages, arguments.from, &bar).await;
    bar.finish_and_clear();
    summary.print();
    Ok(status(&summary.recipients, summary.failures > 0))
}

/// Reads messages and sends them, at the same time and in order.
async fn send(
    client: &mut Client,
    messages: Vec<Message>,
    from: Option<ReversePath>,
    bar: &ProgressBar,
) -> Summary {
    // Each name goes ahead of its mail; a mail waits until there is room for it.
    let (names, mut read) = mpsc::unbounded_channel();
    let (mails, ready) = mpsc::channel(1);
    tokio::spawn(async move {
        for message in messages {
            let read = message.read(from.as_ref()).await;
            let (mail, fault) =
                read.map_or_else(|why| (None, Some(why)), |mail| (Some(mail), None));
            let named = names.send((message.name(), fault));
            if let Some(mail) = mail {
                // Whoever sends takes all of them, even where the session ends.
                let _ = mails.send(mail).await;
            }
            if named.is_err() {
                return;
            }
        }
    });
    let mut summary = Summary::default();
    let mut deliveries = client.send_each(Ready(ready)).then_quit();
    loop {
        let sent = deliveries.next().await;
        // Those before it could not be read.
        while let Some((name, fault)) = read.recv().await {
            bar.inc(1);
            match (fault, &sent) {
                (Some(fault), _) => summary.fail(&name, &fault),
                (None, Some(sent)) => {
                    summary.add(&name, sent);
                    break;
                }
                (None, None) => {}
            }
        }
        if sent.is_none() {
            return summary;
        }
    }
}

/// The mails of a channel: what `tokio_stream::wrappers::ReceiverStream` is.
struct Ready(mpsc::Receiver<Mail<'static>>);

impl Stream for Ready {
    type Item = Mail<'static>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}

enum Message {
    File(PathBuf),
    MadeUp((&'static str, &'static str)),
}

impl Message {
    fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::MadeUp((name, _)) => (*name).to_owned(),
        }
    }

    /// Reads it, to whom it goes, and if it is short the rest of it. A longer one is read while it
    /// is sent.
    async fn read(&self, from: Option<&ReversePath>) -> io::Result<Mail<'static>> {
        let path = match self {
            Self::File(path) => path,
            Self::MadeUp((_, octets)) => {
                return Ok(Mail::new(envelope(from, octets.as_bytes())?, *octets));
            }
        };
        let mut file = File::open(path).await?;
        let mut head = Vec::new();
        (&mut file).take(SHORT).read_to_end(&mut head).await?;
        let envelope = envelope(from, &head)?;
        if (head.len() as u64) < SHORT {
            return Ok(Mail::new(envelope, head));
        }
        if !head.windows(3).any(|end| end.starts_with(b"\n\n") || end == b"\n\r\n") {
            return Err(io::Error::other("the header section is too long"));
        }
        Ok(Mail::new(envelope, Source::new(io::Cursor::new(head).chain(file))))
    }
}

/// Fewer messages are worth no bar.
const MANY: u64 = 20;

/// Octets of a message that are read at once. The header section has to be among them; and of
/// content that is in memory the client knows what it needs of the server, and that it may run
/// ahead.
const SHORT: u64 = 64 * 1024;

fn envelope(from: Option<&ReversePath>, head: &[u8]) -> io::Result<Envelope> {
    let envelope = match from {
        Some(from) => Envelope::from_message_as(from.clone(), head),
        None => Envelope::from_message(head),
    };
    envelope.map_err(io::Error::other)
}

/// The messages of a directory, by their names.
fn messages(directory: &Path) -> io::Result<Vec<Message>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        paths.push(entry?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
    paths.sort();
    Ok(paths.into_iter().map(Message::File).collect())
}

const MADE_UP: [(&str, &str); 4] = [
    ("one", "From: alice@example.test\nTo: bob@example.test\nSubject: one\n\nHello, Bob.\n"),
    ("two", "From: alice@example.test\nTo: full@example.test, eve@example.test\n\nHello, both.\n"),
    ("three", "From: alice@example.test\nCc: nobody-here@example.test\n\nHello?\n"),
    ("four", "From: alice@example.test\nTo: Carol <carol@example.test>\n\nHello, Carol.\n"),
];

/// What became of all of them.
#[derive(Default)]
struct Summary {
    mails: usize,
    recipients: Vec<Row>,
    /// Messages that could not be read, or mails that were cut short.
    failures: usize,
}

impl Summary {
    /// Says why, where somebody does not have it.
    fn add(&mut self, name: &str, sent: &Sent) {
        self.mails += 1;
        let rows = sent.delivery.recipients().map(Row::from);
        for row in rows {
            if row.outcome != "accepted" {
                println!("{name}: {}: {}", row.mailbox, row.words);
            }
            self.recipients.push(row);
        }
        if let Some(error) = &sent.error {
            self.fail(name, error);
        }
    }

    fn fail(&mut self, name: &str, why: &dyn Display) {
        self.failures += 1;
        eprintln!("error: {name}: {why}");
    }

    fn print(&self) {
        let to = self.recipients.len();
        println!("{} mails to {to} recipients: {}", self.mails, totals(&self.recipients));
    }
}
