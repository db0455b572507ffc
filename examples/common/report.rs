//! What became of mails, for people and for machines: what `send`, `many_recipients` and `bulk`
//! print of it, the bar before that, and the exit status that says it in a number.

#![allow(dead_code, reason = "each example uses a part")]

use std::io::IsTerminal;

use ehlo::{Error, Outcome, Recipient, Reply, Retry, Stage};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::common::FAILED;

/// A recipient.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) mailbox: String,
    pub(crate) outcome: &'static str,
    #[serde(flatten)]
    pub(crate) reply: Said,
    /// What the reply answered.
    pub(crate) stage: Option<&'static str>,
    #[serde(skip)]
    pub(crate) retry: Retry,
    #[serde(skip)]
    pub(crate) words: String,
}

/// Why the session failed.
#[derive(Serialize)]
pub(crate) struct Failure {
    stage: &'static str,
    kind: &'static str,
    pub(crate) message: String,
    #[serde(flatten)]
    reply: Said,
}

/// A reply in parts; all of them null where there was none.
#[derive(Serialize)]
pub(crate) struct Said {
    pub(crate) code: Option<u16>,
    pub(crate) enhanced: Option<String>,
    pub(crate) text: Option<String>,
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

impl From<Recipient<'_>> for Row {
    fn from(recipient: Recipient<'_>) -> Self {
        let outcome = recipient.outcome();
        let (name, reply, stage) = match outcome {
            Outcome::Accepted(reply) => ("accepted", Some(reply), Some(Stage::EndOfData)),
            Outcome::Refused(refusal) => ("refused", Some(refusal.reply()), Some(refusal.stage())),
            Outcome::NotSent => ("not_sent", None, None),
            _ => ("unknown", None, Some(Stage::EndOfData)),
        };
        Self {
            mailbox: recipient.mailbox().as_str().to_owned(),
            outcome: name,
            reply: reply.into(),
            stage: stage.map(Stage::name),
            retry: outcome.retry(),
            words: outcome.to_string(),
        }
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self {
            stage: error.stage().name(),
            kind: error.kind().name(),
            message: error.to_string(),
            reply: error.reply().into(),
        }
    }
}

/// How many recipients came to this.
fn count(rows: &[Row], outcome: &str) -> usize {
    rows.iter().filter(|row| row.outcome == outcome).count()
}

/// How many came to what, in words.
pub(crate) fn totals(rows: &[Row]) -> String {
    let outcomes = ["accepted", "refused", "not_sent", "unknown"];
    let of = |outcome: &str| format!("{} {}", count(rows, outcome), outcome.replace('_', " "));
    outcomes.map(of).join(", ")
}

/// What `STATUS` says.
pub(crate) fn status(rows: &[Row], has_failed: bool) -> u8 {
    match count(rows, "accepted") {
        _ if count(rows, "unknown") > 0 => 4,
        _ if has_failed || count(rows, "not_sent") > 0 => FAILED,
        0 => 2,
        accepted if accepted < rows.len() => 1,
        _ => 0,
    }
}

/// For `--help`.
pub(crate) const STATUS: &str = "\
Exit status: 0 all recipients accepted, 1 some, 2 none, 3 the session failed,
4 the server may have the mail and did not say so (4 wins over 3), 64 bad arguments.";

/// A bar for what takes a while, where somebody looks.
pub(crate) fn bar(length: u64, worth_it: u64, template: &str) -> ProgressBar {
    if length <= worth_it || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template);
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
