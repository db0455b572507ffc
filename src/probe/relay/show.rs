//! A relay test for people: a table of the forms, and the verdict. Nothing of a stranger's is
//! printed unescaped.

use std::fmt;

use super::{RelayAttempt, RelayOutcome, RelayReport, RelayVerdict};
use crate::wire::Escaped;

/// For a page, a log, a terminal. What was accepted is marked with `!`.
impl fmt::Display for RelayReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, local, foreign, attempts, error } = self;
        writeln!(f, "relay test of {}", Escaped::new(server.as_bytes()))?;
        // Where nothing was said a table of it is of no use.
        if attempts.iter().any(|attempt| attempt.outcome != RelayOutcome::NotTried) {
            writeln!(f, "for {foreign}, the server's own domain being {local}\n")?;
            writeln!(f, "  form                     outcome    said and answered")?;
            attempts.iter().try_for_each(|attempt| writeln!(f, "{attempt}"))?;
        }
        if let Some(error) = error {
            writeln!(f, "\nstopped: {error}")?;
        }
        let accepted = self.accepted().count();
        write!(f, "\nverdict: {}", self.verdict())?;
        match accepted {
            0 => writeln!(f),
            _ => writeln!(f, " ({accepted} of {} forms)", attempts.len()),
        }
    }
}

/// A row of the table.
impl fmt::Display for RelayAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.is_accepted() { '!' } else { ' ' };
        let (name, outcome) = (self.form.name(), self.outcome.to_string());
        let Self { sender, recipient, .. } = self;
        write!(f, "{mark} {name:<24} {outcome:<10} MAIL FROM:{sender} RCPT TO:{recipient}")?;
        match (&self.reply, self.stage) {
            (Some(reply), Some(stage)) => write!(f, ": {reply} (in reply to {stage})"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for RelayOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "refused",
            Self::Deferred => "put off",
            Self::Accepted => "ACCEPTED",
            Self::Taken => "TAKEN",
            Self::Relayed => "RELAYED",
            Self::NotTried => "not tried",
        })
    }
}

impl fmt::Display for RelayVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "no relay, every form was refused",
            Self::Unclear => "unclear, nothing was accepted but not all was answered for good",
            Self::AcceptedAtRcpt => "accepted at RCPT, which does not say that it is relayed",
            Self::Relayed => "an open relay",
        })
    }
}
