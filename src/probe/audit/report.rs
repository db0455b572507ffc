//! What an audit has found: data alone.

use crate::probe::Report;

/// What an [`Audit`](super::Audit) has found. It is there whatever has failed.
///
/// `Display` is for people; with feature `serde` it serializes, and the schema stands at
/// `Serialize` below.
#[derive(Clone, Debug)]
pub struct AuditReport {
    pub(super) report: Report,
    pub(super) checks: Vec<CheckReport>,
}

impl AuditReport {
    /// Every check, in the order in which they were made.
    #[must_use]
    pub fn checks(&self) -> &[CheckReport] {
        &self.checks
    }

    /// What came of one check.
    #[must_use]
    pub fn check(&self, check: AuditCheck) -> Option<&CheckReport> {
        self.checks.iter().find(|one| one.check == check)
    }

    /// What was found, check by check.
    pub fn findings(&self) -> impl Iterator<Item = &AuditFinding> {
        self.checks.iter().flat_map(|one| &one.findings)
    }

    /// The worst of what was found.
    #[must_use]
    pub fn worst(&self) -> Option<AuditSeverity> {
        self.findings().map(|finding| finding.severity).max()
    }

    /// The probe that came first: whether the server could be reached at all, what it offers, and
    /// what was said.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }
}

/// Something that an audit looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuditCheck {
    /// The syntax of the greeting and of the replies to EHLO, as a probe notes it.
    Replies,
    /// Whether a lone LF ends a command: RSET is said so.
    BareLf,
    /// Whether a reply comes to each of several commands in one write, where PIPELINING is offered.
    Pipelining,
    /// Whether a command in clear, in one write with STARTTLS, is run when TLS is on.
    StartTlsInjection,
    /// Whether a mail ends at `<CRLF>.<CRLF>` alone, and at nothing like it (SMTP smuggling). Made
    /// only where mail [may be sent](super::Audit::mail_to).
    EndOfData,
    /// Whether VRFY says who has a mailbox.
    Vrfy,
    /// Whether EXPN says who is on a list.
    Expn,
}

impl AuditCheck {
    /// All of them, in the order in which they are made.
    pub const ALL: &'static [Self] = &[
        Self::Replies,
        Self::Vrfy,
        Self::Expn,
        Self::BareLf,
        Self::Pipelining,
        Self::StartTlsInjection,
        Self::EndOfData,
    ];

    /// The check in `snake_case`, for machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Replies => "replies",
            Self::BareLf => "bare_lf",
            Self::Pipelining => "pipelining",
            Self::StartTlsInjection => "starttls_injection",
            Self::EndOfData => "end_of_data",
            Self::Vrfy => "vrfy",
            Self::Expn => "expn",
        }
    }

    /// The rule that is checked, in a sentence.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Replies => "a reply keeps to the grammar",
            Self::BareLf => "nothing but CRLF ends a line",
            Self::Pipelining => {
                "whoever offers PIPELINING loses nothing of what has come, and answers all of it"
            }
            Self::StartTlsInjection => {
                "what a client has said before TLS is forgotten when TLS is on"
            }
            Self::EndOfData => "nothing but a dot on a line between two CRLF ends a mail",
            Self::Vrfy => "VRFY need not say who has a mailbox: 252 is an answer, too",
            Self::Expn => "EXPN need not say who is on a list",
        }
    }

    /// Where that rule stands, as `RFC 5321 §2.3.8`; a [finding](AuditFinding::section) of
    /// [`Replies`](Self::Replies) has a section of its own.
    #[must_use]
    pub const fn section(self) -> &'static str {
        match self {
            Self::Replies => "RFC 5321 §4.2",
            Self::BareLf => "RFC 5321 §2.3.8",
            Self::Pipelining => "RFC 2920 §3.2",
            Self::StartTlsInjection => "RFC 3207 §4.2",
            Self::EndOfData => "RFC 5321 §4.1.1.4",
            Self::Vrfy | Self::Expn => "RFC 5321 §7.3",
        }
    }
}

/// A check, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    pub(super) check: AuditCheck,
    pub(super) outcome: CheckOutcome,
    pub(super) words: Option<String>,
    pub(super) findings: Vec<AuditFinding>,
}

impl CheckReport {
    /// Which check it was.
    #[must_use]
    pub const fn check(&self) -> AuditCheck {
        self.check
    }

    /// What came of it.
    #[must_use]
    pub const fn outcome(&self) -> CheckOutcome {
        self.outcome
    }

    /// Why it was skipped or failed, in words.
    #[must_use]
    pub fn words(&self) -> Option<&str> {
        self.words.as_deref()
    }

    /// What it has found: only [`Replies`](AuditCheck::Replies) and
    /// [`EndOfData`](AuditCheck::EndOfData) find more than one thing.
    #[must_use]
    pub fn findings(&self) -> &[AuditFinding] {
        &self.findings
    }

    pub(super) const fn passed(check: AuditCheck) -> Self {
        Self { check, outcome: CheckOutcome::Passed, words: None, findings: Vec::new() }
    }

    pub(super) fn skipped(check: AuditCheck, why: &str) -> Self {
        let words = Some(why.to_owned());
        Self { words, outcome: CheckOutcome::Skipped, ..Self::passed(check) }
    }

    pub(super) fn failed(check: AuditCheck, why: impl ToString) -> Self {
        let words = Some(why.to_string());
        Self { words, outcome: CheckOutcome::Failed, ..Self::passed(check) }
    }

    pub(super) fn found(finding: AuditFinding) -> Self {
        let check = finding.check;
        Self { outcome: CheckOutcome::Found, findings: vec![finding], ..Self::passed(check) }
    }
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CheckOutcome {
    /// The server did as it should.
    Passed,
    /// It did not.
    Found,
    /// There was nothing to check: what it takes is not offered or not allowed, or the server was not
    /// reached.
    Skipped,
    /// The check could not be made to its end, so that it says nothing.
    Failed,
}

impl CheckOutcome {
    /// The outcome in `snake_case`, for machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Found => "found",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// Something that a server does, and should not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditFinding {
    pub(super) check: AuditCheck,
    pub(super) severity: AuditSeverity,
    pub(super) words: String,
    pub(super) section: &'static str,
    pub(super) line: Box<[u8]>,
}

impl AuditFinding {
    /// The check that has found it.
    #[must_use]
    pub const fn check(&self) -> AuditCheck {
        self.check
    }

    /// How bad it is.
    #[must_use]
    pub const fn severity(&self) -> AuditSeverity {
        self.severity
    }

    /// What the server did, in words.
    #[must_use]
    pub fn words(&self) -> &str {
        &self.words
    }

    /// The rule that it breaks, in a sentence.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        self.check.rule()
    }

    /// Where the rule stands, as `RFC 5321 §2.3.8`.
    #[must_use]
    pub const fn section(&self) -> &'static str {
        self.section
    }

    /// The server's line that broke it, as it came, with its end.
    #[must_use]
    pub const fn line(&self) -> &[u8] {
        &self.line
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum AuditSeverity {
    /// It is lawful, but more than strangers need be told.
    Note,
    /// It breaks a rule; mails may suffer from it.
    Violation,
    /// It can be used against the server's clients or users.
    Vulnerability,
}

impl AuditSeverity {
    /// The severity in lower case, for machines and people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Violation => "violation",
            Self::Vulnerability => "vulnerability",
        }
    }
}
