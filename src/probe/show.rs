//! A report for people: a table of the stages, and below it the verdict, the likely cause and what to
//! do. Nothing is found out here, and nothing of a stranger's is printed unescaped.

use std::fmt;
use std::time::Duration;

use super::report::{QuirkReport, Report, StageOutcome, StageReport, Verdict};
use crate::net::{InClear, MailHosts};
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

/// What is written before each kind of words, and behind all.
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
        self.hosts(f)?;
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
        self.offers(f)?;
        for quirk in &report.quirks {
            writeln!(f, "quirk: {quirk}")?;
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
    fn hosts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.report.mail_hosts {
            None => Ok(()),
            Some(MailHosts::Mx(hosts)) => {
                f.write_str("MX")?;
                for (at, host) in hosts.iter().enumerate() {
                    write!(f, "{} {host}", if at == 0 { ":" } else { "," })?;
                }
                writeln!(f)
            }
            Some(MailHosts::Implicit) => {
                writeln!(f, "MX: none, so that the host of that name takes its mail")
            }
            Some(MailHosts::Null) => writeln!(f, "MX: null, the domain takes no mail (RFC 7505)"),
            Some(MailHosts::NotAsked) => {
                writeln!(f, "MX: not asked, the resolver cannot; the host of that name is tried")
            }
        }
    }

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
            StageOutcome::NotReached => write!(f, "{mark}                  {stage:<16}")?,
            _ => {
                let (start, took) = (Seconds(step.start), Seconds(step.duration));
                write!(f, "{mark} {start:>6} {took:>7}  {stage:<16} ")?;
            }
        }
        let pad = if first.is_empty() { 0 } else { 8_usize.saturating_sub(word.len()) };
        writeln!(f, "{colour}{word}{end}{:pad$}{first}", "")?;
        details.try_for_each(|line| writeln!(f, "{:42}{line}", ""))
    }

    fn offers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report;
        for (title, offered) in [("in clear", &report.before_tls), ("over TLS", &report.after_tls)]
        {
            let Some(offered) = offered else { continue };
            write!(f, "\noffered {title}:")?;
            for (at, keyword) in offered.keywords().enumerate() {
                let name = Escaped::new(keyword.name().as_bytes());
                write!(f, "{} {name}", if at == 0 { "" } else { "," })?;
                if !keyword.params().is_empty() {
                    write!(f, " {}", Escaped::new(keyword.params().as_bytes()))?;
                }
            }
        }
        writeln!(f)?;
        match &report.in_clear {
            None => Ok(()),
            Some(InClear::NotOffered) => writeln!(f, "in clear: STARTTLS is not offered"),
            Some(InClear::Refused(reply)) => writeln!(f, "in clear: STARTTLS was refused: {reply}"),
            #[cfg(feature = "tls")]
            Some(InClear::HandshakeFailed(fault)) => {
                writeln!(f, "in clear: the handshake failed: {fault}")
            }
        }
    }
}

/// What there is to say of a step, a line each.
fn details(step: &StageReport) -> Vec<String> {
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
    let is_good = step.outcome == StageOutcome::Passed;
    lines.extend(step.said.clone());
    for reply in &step.replies {
        match is_good {
            true => lines.push(first_line(reply)),
            false => lines.extend(format!("{reply:#}").lines().map(str::to_owned)),
        }
    }
    lines.extend(step.fault.clone());
    lines
}

/// The first line of a reply, and how many come behind it.
fn first_line(reply: &Reply) -> String {
    let line = Escaped::new(reply.wire_lines().next().unwrap_or_default()).to_string();
    match reply.line_count() {
        0 | 1 => line,
        count => format!("{line} (+{} lines)", count - 1),
    }
}

/// Seconds with three digits behind the point.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.3}", self.0.as_secs_f64()))
    }
}
