//! A report as the line of a monitoring plug-in: what Nagios, Icinga and their kin read. Only what has
//! been found is told here, against the limits of the caller.

use std::fmt;
use std::time::Duration;

use super::report::{Report, StageOutcome, Verdict};
use crate::error::ErrorKind;
use crate::protocol::Stage;
use crate::wire::Escaped;

impl Report {
    /// The report as a plug-in tells it: a status, and one line with performance data for each
    /// stage that was tried.
    ///
    /// What failed is critical, whatever the limits; a probe that could not be taken for a mistake in
    /// its settings is unknown. Of several things the worst is told.
    ///
    /// ```
    /// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
    /// # use ehlo::testing::Server;
    /// # use ehlo::{Connector, Probe, Security};
    /// use std::time::Duration;
    /// use ehlo::{NagiosLimits, NagiosStatus};
    ///
    /// # let server = Server::new().start().await?;
    /// # let connector = Connector::new(server.addr().to_string()).security(Security::None);
    /// # let report = Probe::with(connector).run().await;
    /// let limits = NagiosLimits::new().duration(Duration::from_secs(30), Duration::from_secs(60));
    /// let nagios = report.to_nagios(&limits);
    /// assert_eq!(nagios.status(), NagiosStatus::Ok);
    /// // SMTP OK - mx.example.org answered in 0.420 s | time=0.420s;30;60;0 connect=0.010s;;;0 …
    /// println!("{nagios}");
    /// let exit_code = std::process::ExitCode::from(nagios.status().exit_code());
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn to_nagios(&self, limits: &NagiosLimits) -> Nagios {
        let mut finding = self.verdict_found();
        finding.worsen(self.slowness_found(limits));
        #[cfg(feature = "x509")]
        finding.worsen(self.expiry_found(limits));
        let Finding { status, words } = finding;
        let words = words.unwrap_or_else(|| format!("answered in {}", Seconds(self.duration)));
        let server = Escaped::new(self.server.as_bytes());
        let told = one_line(&format!("{server} {words}"));
        Nagios { status, line: format!("SMTP {status} - {told} |{}", self.performance(limits)) }
    }

    fn verdict_found(&self) -> Finding {
        let Verdict::Failed(stage) = self.verdict else {
            return Finding { status: NagiosStatus::Ok, words: None };
        };
        let is_misuse = self.error().is_some_and(|why| matches!(why.kind(), ErrorKind::Misuse(_)));
        let status = if is_misuse { NagiosStatus::Unknown } else { NagiosStatus::Critical };
        let cause = match &self.diagnosis {
            Some(diagnosis) => format!(": {}", diagnosis.cause()),
            None => String::new(),
        };
        let words = format!("failed at {stage} after {}{cause}", Seconds(self.duration));
        Finding { status, words: Some(words) }
    }

    fn slowness_found(&self, limits: &NagiosLimits) -> Finding {
        let beyond = |limit: Option<Duration>| limit.filter(|limit| self.duration > *limit);
        let (status, limit) = match (beyond(limits.critical), beyond(limits.warning)) {
            (Some(limit), _) => (NagiosStatus::Critical, limit),
            (None, Some(limit)) => (NagiosStatus::Warning, limit),
            (None, None) => return Finding { status: NagiosStatus::Ok, words: None },
        };
        let (took, limit) = (Seconds(self.duration), Seconds(limit));
        Finding { status, words: Some(format!("answered in {took}, more than {limit}")) }
    }

    #[cfg(feature = "x509")]
    fn expiry_found(&self, limits: &NagiosLimits) -> Finding {
        let Some((warning, critical)) = limits.certificate_days else {
            return Finding { status: NagiosStatus::Ok, words: None };
        };
        let Some(days) = self.certificate_days() else {
            let words = "has shown no certificate that can be read".to_owned();
            return Finding { status: NagiosStatus::Unknown, words: Some(words) };
        };
        let status = match days {
            days if days < i64::from(critical) => NagiosStatus::Critical,
            days if days < i64::from(warning) => NagiosStatus::Warning,
            _ => NagiosStatus::Ok,
        };
        let words = match days {
            ..0 => format!("has a certificate that expired {} days ago", -days),
            0.. => format!("has a certificate that expires in {days} days"),
        };
        Finding { status, words: (status != NagiosStatus::Ok).then_some(words) }
    }

    /// Whole days from the probe until the server's own certificate expires; less than 0 after it.
    #[cfg(feature = "x509")]
    fn certificate_days(&self) -> Option<i64> {
        let details = self.tls()?.chain().first()?.details()?;
        let now = self.began.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
        let left = i64::try_from(details.not_after()).ok()?.checked_sub_unsigned(now)?;
        Some(left.div_euclid(24 * 60 * 60))
    }

    /// `'label'=value;warning;critical;minimum` for each number, each behind a space.
    fn performance(&self, limits: &NagiosLimits) -> String {
        let limit = |limit: Option<Duration>| {
            limit.map_or_else(String::new, |limit| limit.as_secs_f64().to_string())
        };
        let (warning, critical) = (limit(limits.warning), limit(limits.critical));
        let mut data = format!(" time={};{warning};{critical};0", Short(self.duration));
        for stage in Stage::ALL {
            if let Some(took) = self.time_at(*stage) {
                data.push_str(&format!(" {}={};;;0", stage.name(), Short(took)));
            }
        }
        #[cfg(feature = "x509")]
        if let Some(days) = self.certificate_days() {
            // As ranges: an alert below, and not above.
            let (warning, critical) = match limits.certificate_days {
                Some((warning, critical)) => (format!("{warning}:"), format!("{critical}:")),
                None => (String::new(), String::new()),
            };
            data.push_str(&format!(" certificate_days={days};{warning};{critical}"));
        }
        data
    }

    /// The time that went into a stage; none where it was not tried. Attempts at addresses run side
    /// by side: what they share counts once.
    fn time_at(&self, stage: Stage) -> Option<Duration> {
        let is_tried = |outcome| matches!(outcome, StageOutcome::Passed | StageOutcome::Failed);
        let steps = self.stages.iter().filter(|one| one.stage == stage && is_tried(one.outcome));
        let mut sum = None;
        let mut counted = Duration::ZERO;
        for step in steps {
            let end = step.start + step.duration;
            let more = end.saturating_sub(step.start.max(counted));
            sum = Some(sum.unwrap_or(Duration::ZERO) + more);
            counted = counted.max(end);
        }
        sum
    }
}

/// From where on a plug-in warns. Without limits only what fails is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NagiosLimits {
    warning: Option<Duration>,
    critical: Option<Duration>,
    #[cfg(feature = "x509")]
    certificate_days: Option<(u32, u32)>,
}

impl NagiosLimits {
    /// No limits.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            warning: None,
            critical: None,
            #[cfg(feature = "x509")]
            certificate_days: None,
        }
    }

    /// A probe that took longer than this in all is a warning, or critical. By default neither.
    #[must_use]
    pub const fn duration(mut self, warning: Duration, critical: Duration) -> Self {
        (self.warning, self.critical) = (Some(warning), Some(critical));
        self
    }

    /// The server's own certificate with fewer days left than this is a warning, or critical; none
    /// at all, as in clear, is unknown. By default none is looked at.
    #[cfg(feature = "x509")]
    #[must_use]
    pub const fn certificate_days(mut self, warning: u32, critical: u32) -> Self {
        self.certificate_days = Some((warning, critical));
        self
    }
}

/// What a plug-in says: a status, and a line.
///
/// `Display` is the line, without an end. It is one line whatever a server has said: control
/// octets, the `|` before performance data, and `<` and `>`, since there are monitors that show it
/// on a page as it is, stand as `\x7c` and the like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nagios {
    status: NagiosStatus,
    line: String,
}

impl Nagios {
    /// How the server is.
    #[must_use]
    pub const fn status(&self) -> NagiosStatus {
        self.status
    }
}

impl fmt::Display for Nagios {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

/// The status of a service. `Ord` has the worst last, as plug-ins that sum up others have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::exhaustive_enums, reason = "plug-ins have four statuses, and no more")]
pub enum NagiosStatus {
    /// Nothing failed, and all is within the limits.
    Ok,
    /// It cannot be told.
    Unknown,
    /// Beyond the first limit.
    Warning,
    /// Something failed, or is beyond the second limit.
    Critical,
}

impl NagiosStatus {
    /// The exit code of a plug-in: 0 for OK, 1 for WARNING, 2 for CRITICAL, 3 for UNKNOWN.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }
}

impl fmt::Display for NagiosStatus {
    /// `OK`, `WARNING`, `CRITICAL` or `UNKNOWN`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "OK",
            Self::Unknown => "UNKNOWN",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
        })
    }
}

/// A status, and why it is so.
struct Finding {
    status: NagiosStatus,
    words: Option<String>,
}

impl Finding {
    /// Of two equally bad the first is told.
    fn worsen(&mut self, other: Self) {
        if other.status > self.status {
            *self = other;
        }
    }
}

/// Text that has been escaped, such that a monitor takes it for text: no more of it than monitors
/// keep, and nothing that they give a meaning to.
fn one_line(shown: &str) -> String {
    let mut line = String::with_capacity(shown.len());
    for c in shown.chars().take(LONGEST) {
        match c {
            '|' | '<' | '>' => line.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() => {
                line.push_str(&Escaped::new(c.to_string().as_bytes()).to_string())
            }
            c => line.push(c),
        }
    }
    if shown.chars().nth(LONGEST).is_some() {
        line.push('…');
    }
    line
}

/// `0.420 s`.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s", self.0.as_secs_f64())
    }
}

/// `0.420s`.
struct Short(Duration);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}s", self.0.as_secs_f64())
    }
}

/// Characters before the performance data. Nagios reads 4 KiB in all, NRPE 2 handed on 1 KiB, of
/// which the numbers take some 400 octets.
const LONGEST: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line() {
        for (shown, line) in [
            ("250 ok", "250 ok"),
            ("a|b", "a\\x7cb"),
            ("a\nb\r\tc\u{85}", "a\\x0ab\\x0d\\x09c\\u{0085}"),
            ("<b>&amp;", "\\x3cb\\x3e&amp;"),
            ("\\x1b", "\\x1b"),
        ] {
            assert_eq!(one_line(shown), line);
        }
        assert_eq!(one_line(&"ä".repeat(500)), "ä".repeat(500));
        assert_eq!(one_line(&"ä".repeat(501)), format!("{}…", "ä".repeat(500)));
    }

    #[test]
    fn the_worst_is_told() {
        let finding = |status, words: &str| Finding { status, words: Some(words.to_owned()) };
        let mut told = finding(NagiosStatus::Warning, "slow");
        told.worsen(finding(NagiosStatus::Unknown, "unknown"));
        told.worsen(finding(NagiosStatus::Warning, "later"));
        assert_eq!(told.words.as_deref(), Some("slow"));
        told.worsen(finding(NagiosStatus::Critical, "down"));
        assert_eq!((told.status, told.words.as_deref()), (NagiosStatus::Critical, Some("down")));
    }
}
