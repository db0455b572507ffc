//! PLAIN (RFC 4616): one message with everything in it, for channels that are safe by themselves.
//!
//! ```abnf
//! message = [ authzid ] NUL authcid NUL passwd
//! ```

use super::{AuthFault, Credentials, Mechanism};
use crate::wire::Secret;

const NAME: &str = "PLAIN";

pub(super) struct Plain {
    message: Option<Secret>,
}

impl Plain {
    pub(super) fn new(credentials: &Credentials) -> Result<Self, AuthFault> {
        let fault = |what| AuthFault::Credentials { mechanism: NAME, what };
        let Credentials { user, authorize_as, .. } = credentials;
        let password = credentials.password();
        let parts = [authorize_as.as_bytes(), user.as_bytes(), password.expose()];
        if parts.iter().any(|part| part.contains(&0)) {
            return Err(fault("a NUL in a name or password"));
        }
        if user.is_empty() {
            return Err(fault("an empty user name"));
        }
        Ok(Self { message: Some(Secret::from(parts.join(&0))) })
    }
}

impl Mechanism for Plain {
    fn name(&self) -> &'static str {
        NAME
    }

    fn initial(&mut self) -> Option<Secret> {
        self.message.take()
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

    fn message(credentials: &Credentials) -> Vec<u8> {
        Plain::new(credentials).unwrap().initial().unwrap().expose().to_vec()
    }

    #[test]
    fn says_everything_in_one_message() {
        assert_eq!(message(&Credentials::new("test", "1234")), b"\0test\x001234");
        let other = Credentials::new("test", "1234").authorize_as("root");
        assert_eq!(message(&other), b"root\0test\x001234");
    }

    #[test]
    fn refuses_what_it_cannot_carry() {
        let fault = |user: &str, password: &str| {
            Plain::new(&Credentials::new(user, password)).err().map(|fault| fault.to_string())
        };
        let nul = Some("PLAIN cannot carry a NUL in a name or password".to_owned());
        assert_eq!(fault("a\0b", "c"), nul);
        assert_eq!(fault("a", "b\0c"), nul);
        assert_eq!(fault("", "c"), Some("PLAIN cannot carry an empty user name".to_owned()));
        assert_eq!(fault("a", ""), None);
    }

    #[test]
    fn has_no_second_message() {
        let mut plain = Plain::new(&Credentials::new("tim", "x")).unwrap();
        plain.initial();
        assert_eq!(plain.initial(), None);
        let fault = plain.respond(b"more?").unwrap_err();
        assert_eq!(fault.to_string(), "PLAIN has no answer to the challenge \"more?\"");
    }
}
