//! What a probe has found: data alone. How it is shown stands in `show` and `json`, and how it came
//! about in `record`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Diagnosis;
use crate::error::Error;
use crate::extension::Capabilities;
#[cfg(feature = "tls")]
use crate::net::TlsInfo;
use crate::net::{InClear, MailHosts};
use crate::protocol::{Stage, Transcript};
use crate::wire::{Quirk, Reply};

/// What a [`Probe`](super::Probe) has found. It is there whatever has failed.
///
/// `Display` is for people: a table of the stages with their times and replies, and below it the
/// verdict, the likely cause and what to do. [`in_colour`](Self::in_colour) is the same for a
/// terminal. [`to_html`](Self::to_html) is a page with the conversation as a diagram, and
/// [`to_nagios`](Self::to_nagios) the line of a plug-in. With feature `serde` it serializes; the
/// schema stands at `Serialize` below.
///
/// ```
/// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
/// use ehlo::testing::Server;
/// use ehlo::{Connector, Probe, Security, Stage, StageOutcome, Verdict};
///
/// let server = Server::new().greeting("421 4.3.2 busy, come back later").start().await?;
/// let connector = Connector::new(server.addr().to_string()).security(Security::None);
/// let report = Probe::with(connector).run().await;
///
/// assert_eq!(report.verdict(), Verdict::Failed(Stage::Greeting));
/// let greeting = report.stage(Stage::Greeting).expect("it was tried");
/// assert_eq!(greeting.outcome(), StageOutcome::Failed);
/// assert_eq!(greeting.replies()[0].to_string(), "421 4.3.2 busy, come back later");
/// if let Some(diagnosis) = report.diagnosis() {
///     println!("{}\n{}", diagnosis.cause(), diagnosis.advice());
/// }
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Report {
    pub(super) server: String,
    pub(super) mail_hosts: Option<MailHosts>,
    pub(super) host: String,
    pub(super) began: SystemTime,
    pub(super) duration: Duration,
    pub(super) stages: Vec<StageReport>,
    pub(super) verdict: Verdict,
    pub(super) error: Option<Arc<Error>>,
    pub(super) diagnosis: Option<Diagnosis>,
    pub(super) before_tls: Option<Capabilities>,
    pub(super) after_tls: Option<Capabilities>,
    pub(super) in_clear: Option<InClear>,
    pub(super) quirks: Vec<QuirkReport>,
    pub(super) transcript: Option<Transcript>,
}

impl Report {
    /// Whether the server does what was asked of it, or at which stage it failed.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Whether nothing failed.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        matches!(self.verdict, Verdict::Ok)
    }

    /// The likely cause and what to do about it; none where nothing failed.
    #[must_use]
    pub const fn diagnosis(&self) -> Option<&Diagnosis> {
        self.diagnosis.as_ref()
    }

    /// Each step in the order in which it began, and after them those that were not reached. A
    /// stage may be there several times: an attempt for each address, EHLO before and after TLS,
    /// HELO after a refused EHLO, RCPT for each recipient, all of it for each host. What was not
    /// asked for is not there.
    #[must_use]
    pub fn stages(&self) -> &[StageReport] {
        &self.stages
    }

    /// The last step of a stage.
    #[must_use]
    pub fn stage(&self, stage: Stage) -> Option<&StageReport> {
        self.stages.iter().rfind(|one| one.stage == stage)
    }

    /// What failed, where it was an error and no refusal of a recipient or of a mail.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        self.error.as_deref()
    }

    /// The server or the domain, as the probe was told.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The host that the verdict is about; of a domain, the last one tried.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The hosts of the domain, where the probe looked for them: what was found, or that the
    /// resolver could not be asked.
    #[must_use]
    pub const fn mail_hosts(&self) -> Option<&MailHosts> {
        self.mail_hosts.as_ref()
    }

    /// The address that was connected to; none through a proxy or over a Unix socket.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        let connected =
            |one: &&StageReport| one.stage == Stage::Connect && one.outcome == StageOutcome::Passed;
        self.stages.iter().rev().find(connected)?.address
    }

    /// When the probe began.
    #[must_use]
    pub const fn began(&self) -> SystemTime {
        self.began
    }

    /// How long it took in all.
    #[must_use]
    pub const fn duration(&self) -> Duration {
        self.duration
    }

    /// What the server offers in clear, by its last accepted EHLO there. With TLS from the start
    /// there is nothing in clear.
    #[must_use]
    pub const fn capabilities_before_tls(&self) -> Option<&Capabilities> {
        self.before_tls.as_ref()
    }

    /// What the server offers over TLS.
    #[must_use]
    pub const fn capabilities_after_tls(&self) -> Option<&Capabilities> {
        self.after_tls.as_ref()
    }

    /// What the handshake has shown; none in clear.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.stages.iter().rev().find_map(StageReport::tls)
    }

    /// Why an opportunistic connection stayed in clear.
    #[must_use]
    pub const fn in_clear(&self) -> Option<&InClear> {
        self.in_clear.as_ref()
    }

    /// What the server said that it should not have said, in order.
    #[must_use]
    pub fn quirks(&self) -> &[QuirkReport] {
        &self.quirks
    }

    /// The rules that the server broke on the way, each with the line that broke it: quirks without
    /// mere [notes](Quirk::is_note), and what ended the session. Nothing was done to look for them.
    ///
    /// ```
    /// # fn print(report: &ehlo::Report) {
    /// for broken in report.conformance() {
    ///     println!("{}: {broken}", broken.rule());
    /// }
    /// # }
    /// ```
    pub fn conformance(&self) -> impl Iterator<Item = &QuirkReport> {
        self.quirks.iter().filter(|report| !report.quirk.is_some_and(Quirk::is_note))
    }

    /// What was said with the [`host`](Self::host), secrets masked; none where nobody was reached.
    #[must_use]
    pub const fn transcript(&self) -> Option<&Transcript> {
        self.transcript.as_ref()
    }

    /// Whether the server has said that it took a mail. It never does unless the probe was given
    /// [`content`](super::Probe::content); where the connection broke at the end of it, nobody knows.
    #[must_use]
    pub fn is_mail_left(&self) -> bool {
        let taken = |one: &StageReport| {
            one.stage == Stage::EndOfData && one.outcome == StageOutcome::Passed
        };
        self.stages.iter().any(taken)
    }
}

/// Whether a server does what was asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// It does. What became of RSET and QUIT is not looked at.
    Ok,
    /// It failed at this stage, the first that did where others failed after it.
    Failed(Stage),
}

/// One step of a probe.
#[derive(Clone, Debug)]
pub struct StageReport {
    pub(super) stage: Stage,
    pub(super) outcome: StageOutcome,
    pub(super) host: String,
    pub(super) said: Option<String>,
    pub(super) start: Duration,
    pub(super) duration: Duration,
    pub(super) replies: Vec<Reply>,
    /// Of each reply.
    pub(super) heard: Vec<Heard>,
    pub(super) fault: Option<String>,
    pub(super) address: Option<SocketAddr>,
    pub(super) addresses: Vec<SocketAddr>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<TlsInfo>,
}

/// When a reply came, and what it answered.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    /// Counted from the beginning of the probe.
    pub(super) at: Duration,
    /// The line that it answers, escaped and with secrets masked.
    pub(super) said: Option<String>,
}

impl StageReport {
    /// Which step it was.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// What became of it.
    #[must_use]
    pub const fn outcome(&self) -> StageOutcome {
        self.outcome
    }

    /// The host that it was taken with.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The line that the last reply answers, secrets masked; none where nothing was answered, and
    /// for the greeting and the end of the content, which answer no line.
    #[must_use]
    pub fn said(&self) -> Option<&str> {
        self.said.as_deref()
    }

    /// When it began, counted from the beginning of the probe.
    #[must_use]
    pub const fn start(&self) -> Duration {
        self.start
    }

    /// How long it took.
    #[must_use]
    pub const fn duration(&self) -> Duration {
        self.duration
    }

    /// What the server said, in order; over AUTH there may be several.
    #[must_use]
    pub fn replies(&self) -> &[Reply] {
        &self.replies
    }

    /// Why it failed, in words, where no reply says it.
    #[must_use]
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// The address that was tried, at [`Stage::Connect`].
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The addresses that were found, at [`Stage::Resolve`], in the order to try them.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What the handshake has shown, at [`Stage::Handshake`].
    #[cfg(feature = "tls")]
    #[must_use]
    pub const fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_ref()
    }
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StageOutcome {
    /// It was done.
    Passed,
    /// It was tried in vain. That need not be the end: another address, HELO or another mechanism
    /// may have done.
    Failed,
    /// There was no need or no way to try it.
    Skipped(Skipped),
    /// Something before it failed.
    NotReached,
}

impl StageOutcome {
    /// The outcome in `snake_case`, for machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped(_) => "skipped",
            Self::NotReached => "not_reached",
        }
    }
}

/// Why a step was not tried, or not to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Skipped {
    /// The server is given by its address: there is no name to look up.
    IsAddress,
    /// Another address has answered first.
    AnotherWasFaster,
    /// STARTTLS is not offered, and clear will do.
    NotOffered,
    /// The handshake had failed, and clear will do.
    StaysInClear,
    /// No content was given that could be sent.
    NoContent,
}

impl Skipped {
    /// The reason in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::IsAddress => "the server is given by its address",
            Self::AnotherWasFaster => "another address was faster",
            Self::NotOffered => "not offered, and not required",
            Self::StaysInClear => "left out after a failed handshake",
            Self::NoContent => "no content was given",
        }
    }
}

/// Something that a server should not have said, and was let pass or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuirkReport {
    pub(super) stage: Stage,
    pub(super) quirk: Option<Quirk>,
    pub(super) words: String,
    pub(super) rule: &'static str,
    pub(super) line: Box<[u8]>,
}

impl QuirkReport {
    /// Where it was said.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// The quirk that was let pass; none where the server broke the protocol, which is the end.
    #[must_use]
    pub const fn quirk(&self) -> Option<Quirk> {
        self.quirk
    }

    /// What it was, in words.
    #[must_use]
    pub fn words(&self) -> &str {
        &self.words
    }

    /// The rule that it breaks, as `RFC 5321 §2.3.8`.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        self.rule
    }

    /// The line that broke it, as it came, with its end.
    #[must_use]
    pub const fn line(&self) -> &[u8] {
        &self.line
    }
}
