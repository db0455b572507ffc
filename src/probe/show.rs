//! A report for people: a table of the stages, and below it the verdict, the likely cause and what to
//! do. Nothing is found out here, and nothing of a stranger's is printed unescaped.

use std::fmt;
use std::time::Duration;

use super::report::{QuirkReport, Report, StageOutcome, StageReport, Verdict};
use crate::extension::{Capabilities, Keyword};
use crate::net::{InClear, MailHosts};
use crate::protocol::Stage;
use crate::wire::{Escaped, Reply};

/// For a page, a log, a terminal without colours.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown { report: self, colours: &NONE }.fmt(f)
    }
}

impl Report {
    /// The report for a terminal that knows ANSI colours: what failed is red, what was not tried is
    /// grey. Whether there is such a terminal is for the caller to find out.
    ///
    /// ```
    /// # fn print(report: &ehlo::Report) {
    /// use std::io::IsTerminal;
    ///
    /// match std::io::stdout().is_terminal() {
    ///     true => print!("{}", report.in_colour()),
    ///     false => print!("{report}"),
    /// }
    /// # }
    /// ```
    #[must_use]
    pub const fn in_colour(&self) -> impl fmt::Display + '_ {
        Shown { report: self, colours: &ANSI }
    }
}

impl fmt::Display for Verdict {
    /// `ok`, or `failed at RCPT TO`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::Failed(stage) => write!(f, "failed at {stage}"),
        }
    }
}

/// `a bare LF as line end (RFC 5321 §2.3.8) at EHLO: "250 mx\x0a"`.
impl fmt::Display for QuirkReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line.strip_suffix(b"\r\n").unwrap_or(&self.line);
        let Self { words, rule, stage, .. } = self;
        write!(f, "{words} ({rule}) at {stage}: \"{}\"", Escaped::new(line))
    }
}

struct Shown<'a> {
    report: &'a Report,
    colours: &'static Colours,
}

/// What is written before each kind of words, and after all.
struct Colours {
    good: &'static str,
    bad: &'static str,
    faint: &'static str,
    end: &'static str,
}

const NONE: Colours = Colours { good: "", bad: "", faint: "", end: "" };
const ANSI: Colours =
    Colours { good: "\x1b[32m", bad: "\x1b[1;31m", faint: "\x1b[2m", end: "\x1b[0m" };

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { report, colours } = self;
        writeln!(f, "probe of {}", Escaped::new(report.server.as_bytes()))?;
        if let Some(hosts) = &report.mail_hosts {
            writeln!(f, "MX: {}", hosts_found(hosts))?;
        }
        writeln!(f, "\n   start    took  stage            outcome")?;
        let mut host = report.host();
        if report.stages.iter().any(|step| step.host != host) {
            host = "";
        }
        for step in &report.stages {
            if step.host != host {
                host = &step.host;
                writeln!(f, "{}", Escaped::new(host.as_bytes()))?;
            }
            self.row(f, step)?;
        }
        for (at, note) in self.notes().iter().enumerate() {
            let gap = if at == 0 { "\n" } else { "" };
            writeln!(f, "{gap}{note}")?;
        }
        let colour = if report.is_ok() { colours.good } else { colours.bad };
        let seconds = Seconds(report.duration);
        writeln!(f, "\nverdict: {colour}{}{} after {seconds} s", report.verdict, colours.end)?;
        if let Some(diagnosis) = &report.diagnosis {
            writeln!(f, "likely cause: {}", diagnosis.cause())?;
            writeln!(f, "what to do: {}", diagnosis.advice())?;
        }
        Ok(())
    }
}

impl Shown<'_> {
    fn row(&self, f: &mut fmt::Formatter<'_>, step: &StageReport) -> fmt::Result {
        let (mark, word, colour) = match step.outcome {
            StageOutcome::Passed => (' ', "ok", self.colours.good),
            StageOutcome::Failed => ('!', "FAILED", self.colours.bad),
            StageOutcome::Skipped(_) => (' ', "skipped", self.colours.faint),
            StageOutcome::NotReached => (' ', "not reached", self.colours.faint),
        };
        let mut details = details(step).into_iter();
        let first = details.next().unwrap_or_default();
        let stage = step.stage.to_string();
        let end = self.colours.end;
        match step.outcome {
            StageOutcome::NotReached => write!(f, "{mark}{:17}{stage:<16} ", "")?,
            _ => {
                let (start, took) = (Seconds(step.start), Seconds(step.duration));
                write!(f, "{mark} {start:>6} {took:>7}  {stage:<16} ")?;
            }
        }
        let pad = if first.is_empty() { 0 } else { 8_usize.saturating_sub(word.len()) };
        writeln!(f, "{colour}{word}{end}{:pad$}{first}", "")?;
        details.try_for_each(|line| writeln!(f, "{:43}{line}", ""))
    }

    /// What there is to say beside the steps, a line each.
    fn notes(&self) -> Vec<String> {
        let report = self.report;
        let offers = [("in clear", &report.before_tls), ("over TLS", &report.after_tls)];
        let offers = offers.into_iter().filter_map(|(title, offered)| {
            Some(format!("offered {title}: {}", keywords(offered.as_ref()?)))
        });
        let in_clear = report.in_clear.as_ref().map(why_in_clear);
        let quirks = report.quirks.iter().map(|quirk| format!("quirk: {quirk}"));
        offers.chain(in_clear).chain(quirks).collect()
    }
}

/// What came of the search for the hosts of a domain.
pub(super) fn hosts_found(hosts: &MailHosts) -> String {
    match hosts {
        MailHosts::Mx(hosts) => {
            let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
            hosts.join(", ")
        }
        MailHosts::Implicit => "none, so that the host of that name takes its mail".to_owned(),
        MailHosts::Null => "null, the domain takes no mail (RFC 7505)".to_owned(),
        MailHosts::NotAsked => {
            "not asked, the resolver cannot; the host of that name is tried".to_owned()
        }
    }
}

/// Why there is no TLS.
pub(super) fn why_in_clear(why: &InClear) -> String {
    match why {
        InClear::NotOffered => "in clear: STARTTLS is not offered".to_owned(),
        InClear::Refused(reply) => format!("in clear: STARTTLS was refused: {reply}"),
        #[cfg(feature = "tls")]
        InClear::HandshakeFailed(fault) => format!("in clear: the handshake failed: {fault}"),
    }
}

fn keywords(offered: &Capabilities) -> String {
    let line = |keyword: Keyword<'_>| {
        let gap = if keyword.params().is_empty() { "" } else { " " };
        let line = format!("{}{gap}{}", keyword.name(), keyword.params());
        Escaped::new(line.as_bytes()).to_string()
    };
    let lines: Vec<_> = offered.keywords().map(line).collect();
    if lines.is_empty() { "nothing".to_owned() } else { lines.join(", ") }
}

/// What there is to say of a step, a line each.
pub(super) fn details(step: &StageReport) -> Vec<String> {
    if let StageOutcome::Skipped(why) = step.outcome {
        let address = step.address.map(|address| format!("{address}: "));
        return vec![format!("{}{}", address.unwrap_or_default(), why.words())];
    }
    let mut lines = Vec::new();
    if !step.addresses.is_empty() {
        let found: Vec<_> = step.addresses.iter().map(|one| one.ip().to_string()).collect();
        lines.push(found.join(", "));
    }
    if let Some(address) = step.address {
        lines.push(match &step.fault {
            Some(fault) => format!("{address}: {fault}"),
            None => address.to_string(),
        });
        return lines;
    }
    #[cfg(feature = "tls")]
    lines.extend(step.tls.as_ref().map(ToString::to_string));
    if let (StageOutcome::Passed, Some(reply)) = (step.outcome, step.replies.last()) {
        // Whom it was about; what else was said stands in the transcript.
        let said = step.said.as_ref().filter(|_| is_of_mailbox(step.stage));
        let said = said.map_or_else(String::new, |said| format!("{said}: "));
        lines.push(format!("{said}{}", first_line(reply)));
        return lines;
    }
    lines.extend(step.said.clone());
    for reply in &step.replies {
        lines.extend(format!("{reply:#}").lines().map(str::to_owned));
    }
    lines.extend(step.fault.clone());
    lines
}

const fn is_of_mailbox(stage: Stage) -> bool {
    matches!(stage, Stage::Mail | Stage::Rcpt)
}

/// The first line of a reply, and how many come after it.
pub(super) fn first_line(reply: &Reply) -> String {
    let line = Escaped::new(reply.wire_lines().next().unwrap_or_default()).to_string();
    match reply.line_count() {
        0 | 1 => line,
        count => format!("{line} (+{} lines)", count - 1),
    }
}

/// Seconds with three digits after the point.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.3}", self.0.as_secs_f64()))
    }
}
