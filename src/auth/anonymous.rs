//! ANONYMOUS (RFC 4505): nobody in particular, with a trace by which the sender may be found.

use super::{AuthFault, Credentials, Mechanism};
use crate::wire::Secret;

const NAME: &str = "ANONYMOUS";

/// Characters of a trace (RFC 4505 §2).
const LONGEST_TRACE: usize = 255;

pub(super) struct Anonymous {
    trace: Option<Secret>,
}

impl Anonymous {
    pub(super) fn new(credentials: &Credentials) -> Result<Self, AuthFault> {
        let fault = |what| Err(AuthFault::Credentials { mechanism: NAME, what });
        let trace = credentials.user.as_str();
        if !credentials.authorize_as.is_empty() {
            return fault("an identity to act as");
        }
        if trace.chars().any(char::is_control) {
            return fault("a control character in a trace");
        }
        if trace.chars().count() > LONGEST_TRACE {
            return fault("a trace of more than 255 characters");
        }
        Ok(Self { trace: Some(Secret::from(trace)) })
    }
}

impl Mechanism for Anonymous {
    fn name(&self) -> &'static str {
        NAME
    }

    fn initial(&mut self) -> Option<Secret> {
        self.trace.take()
    }

    fn respond(&mut self, challenge: &[u8]) -> Result<Secret, AuthFault> {
        Err(AuthFault::Unanswerable { mechanism: NAME.to_owned(), challenge: challenge.into() })
    }

    fn wants_proof(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(credentials: &Credentials) -> Result<Secret, String> {
        let made = Anonymous::new(credentials).map_err(|fault| fault.to_string());
        made.map(|mut anonymous| anonymous.initial().unwrap())
    }

    #[test]
    fn says_its_trace() {
        assert_eq!(said(&Credentials::anonymous("sirhc")).unwrap().expose(), b"sirhc");
        assert_eq!(said(&Credentials::anonymous("")).unwrap().expose(), b"");
        let longest = "é".repeat(255);
        assert_eq!(said(&Credentials::anonymous(&longest)).unwrap().expose(), longest.as_bytes());
    }

    #[test]
    fn refuses_what_it_cannot_carry() {
        let words = |what: &str| Err(format!("ANONYMOUS cannot carry {what}"));
        let long = Credentials::anonymous("é".repeat(256));
        assert_eq!(said(&long), words("a trace of more than 255 characters"));
        let control = Credentials::anonymous("a\nb");
        assert_eq!(said(&control), words("a control character in a trace"));
        let other = Credentials::anonymous("a").authorize_as("b");
        assert_eq!(said(&other), words("an identity to act as"));
    }

    #[test]
    fn has_no_second_message() {
        let anonymous = Anonymous::new(&Credentials::anonymous(""));
        let fault = anonymous.unwrap().respond(b"?").unwrap_err();
        assert_eq!(fault.to_string(), "ANONYMOUS has no answer to the challenge \"?\"");
    }
}
