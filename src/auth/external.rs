//! EXTERNAL (RFC 4422 appendix A): who the client is, the channel has shown already, mostly by the
//! client's certificate. All that is said is as whom it wants to act, which may be nobody else.

use super::{AuthFault, Credentials, Mechanism};
use crate::wire::Secret;

const NAME: &str = "EXTERNAL";

pub(super) struct External {
    identity: Option<Secret>,
}

impl External {
    pub(super) fn new(credentials: &Credentials) -> Result<Self, AuthFault> {
        let identity = credentials.authorize_as.as_str();
        if identity.contains('\0') {
            let what = "a NUL in an identity to act as";
            return Err(AuthFault::Credentials { mechanism: NAME, what });
        }
        Ok(Self { identity: Some(Secret::from(identity)) })
    }
}

impl Mechanism for External {
    fn name(&self) -> &'static str {
        NAME
    }

    fn initial(&mut self) -> Option<Secret> {
        self.identity.take()
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

    #[test]
    fn says_as_whom_it_acts() {
        let said = |credentials: &Credentials| {
            External::new(credentials).map(|mut external| external.initial().unwrap())
        };
        assert_eq!(said(&Credentials::external()).unwrap().expose(), b"");
        let other = Credentials::external().authorize_as("bob");
        assert_eq!(said(&other).unwrap().expose(), b"bob");
        let words = said(&Credentials::external().authorize_as("a\0b")).unwrap_err().to_string();
        assert_eq!(words, "EXTERNAL cannot carry a NUL in an identity to act as");
    }

    #[test]
    fn has_no_second_message() {
        let fault = External::new(&Credentials::external()).unwrap().respond(b"?").unwrap_err();
        assert_eq!(fault.to_string(), "EXTERNAL has no answer to the challenge \"?\"");
    }
}
