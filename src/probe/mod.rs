//! The probe: at which step does a server fail, why, and what to do about it. It looks on while the
//! steps of `net` are taken, and takes none of its own but those of a mail.
//!
//! | file | what it holds |
//! |---|---|
//! | `settings` | what is probed, and how far |
//! | `run` | the steps: the hosts of a domain, the way to one, a mail |
//! | `plan` | which steps there are to take |
//! | `references` | whose silence it is, where a server is silent |
//! | `record` | what is noted of each step while it is taken |
//! | `lines` | the line and the rule of each quirk |
//! | `report` | what has been found |
//! | `show` | the same for people |
//! | `html/` | the same as a page with a diagram |
//! | `nagios` | the same as the line of a monitoring plug-in |
//! | `json` | the same for machines (feature `serde`) |
//! | `relay/` | whether a server relays for strangers |
//! | `audit/` | what a server does wrong where it is tempted |
//! | `monitor/` | many servers, time and again: what has changed |
//! | `diagnosis/` | from what has been found to the likely cause, and what to do |

mod audit;
mod diagnosis;
mod html;
#[cfg(feature = "serde")]
mod json;
mod lines;
mod monitor;
mod nagios;
mod plan;
mod record;
mod references;
mod relay;
mod report;
mod run;
mod settings;
mod show;

pub use audit::{
    Audit, AuditCheck, AuditFinding, AuditReport, AuditSeverity, CheckOutcome, CheckReport,
};
pub use diagnosis::{Confidence, Diagnosis, DiagnosisKind, FilteredBy};
pub use monitor::{Change, Degradation, Health, Monitor, MonitorEvent, Watched};
pub use nagios::{Nagios, NagiosLimits, NagiosStatus};
pub use relay::{RelayAttempt, RelayForm, RelayOutcome, RelayReport, RelayTest, RelayVerdict};
pub use report::{QuirkReport, Report, Skipped, StageOutcome, StageReport, Verdict};
pub use settings::Probe;
