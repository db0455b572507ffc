//! An audit for people: a line a check, and below it what was found. Nothing of a stranger's is
//! printed unescaped.

use std::fmt;

use super::CheckOutcome;
use super::report::{AuditCheck, AuditFinding, AuditReport, AuditSeverity, CheckReport};
use crate::wire::Escaped;

/// For a page, a log, a terminal.
impl fmt::Display for AuditReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "audit of {}\n", Escaped::new(self.report.server().as_bytes()))?;
        self.checks.iter().try_for_each(|check| writeln!(f, "{check}"))?;
        match self.worst() {
            None if self.checks.iter().all(|check| check.outcome() != CheckOutcome::Passed) => {
                writeln!(f, "\nfound: nothing, since nothing could be checked")
            }
            None => writeln!(f, "\nfound: nothing"),
            Some(worst) => {
                writeln!(f, "\nfound: {}, at worst a {worst}", self.findings().count())
            }
        }
    }
}

/// A line, and one more for each finding.
impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mark, word) = match self.outcome {
            CheckOutcome::Passed => (' ', "ok"),
            CheckOutcome::Found => ('!', "FOUND"),
            CheckOutcome::Skipped => (' ', "skipped"),
            CheckOutcome::Failed => ('?', "failed"),
        };
        write!(f, "{mark} {:<22} {word}", self.check.to_string())?;
        if let Some(words) = &self.words {
            let pad = 8_usize.saturating_sub(word.len());
            write!(f, "{:pad$}{}", "", Escaped::new(words.as_bytes()))?;
        }
        self.findings.iter().try_for_each(|finding| write!(f, "\n    {finding}"))
    }
}

/// `violation: it said so at EHLO; nothing but CRLF ends a line (RFC 5321 §2.3.8): "250 ok"`.
impl fmt::Display for AuditFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line.strip_suffix(b"\r\n").unwrap_or(&self.line);
        let Self { severity, words, section, .. } = self;
        let (rule, line) = (self.rule(), Escaped::new(line));
        write!(f, "{severity}: {words}; {rule} ({section}): \"{line}\"")
    }
}

impl fmt::Display for AuditCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Replies => "syntax of replies",
            Self::BareLf => "bare LF",
            Self::Pipelining => "pipelining",
            Self::StartTlsInjection => "STARTTLS injection",
            Self::EndOfData => "end of a mail",
            Self::Vrfy => "VRFY",
            Self::Expn => "EXPN",
        })
    }
}

impl fmt::Display for AuditSeverity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
