//! CRAM-MD5 (RFC 2195): the password goes with the server's challenge into a hash. It hides the
//! password from who listens, proves nothing of the server, and a dictionary does the rest: it is
//! used only by name.
//!
//! ```text
//! response = user SP 32( lower-case hexadecimal digit )
//! ```

use std::fmt::Write as _;

use md5::Md5;
use zeroize::Zeroizing;

use super::scram::hmac;
use super::{AuthFault, Credentials, Mechanism};
use crate::wire::Secret;

const NAME: &str = "CRAM-MD5";

pub(super) struct CramMd5 {
    user: String,
    password: Option<Secret>,
}

impl CramMd5 {
    pub(super) fn new(credentials: &Credentials) -> Result<Self, AuthFault> {
        let fault = |what| Err(AuthFault::Credentials { mechanism: NAME, what });
        if !credentials.authorize_as.is_empty() {
            return fault("an identity to act as");
        }
        if credentials.user.is_empty() {
            return fault("an empty user name");
        }
        Ok(Self { user: credentials.user.clone(), password: Some(credentials.password()) })
    }
}

impl Mechanism for CramMd5 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn respond(&mut self, challenge: &[u8]) -> Result<Secret, AuthFault> {
        // An empty challenge would have the same answer every time: good to be said again.
        let Some(password) = self.password.take().filter(|_| !challenge.is_empty()) else {
            let mechanism = NAME.to_owned();
            return Err(AuthFault::Unanswerable { mechanism, challenge: challenge.into() });
        };
        Ok(Secret::from(response(&self.user, &password, challenge).as_bytes()))
    }

    fn wants_proof(&self) -> bool {
        false
    }
}

/// What answers a challenge.
pub(crate) fn response(user: &str, password: &Secret, challenge: &[u8]) -> Zeroizing<String> {
    let digest = hmac::<Md5>(password.expose(), challenge);
    let mut response = Zeroizing::new(String::with_capacity(user.len() + 33));
    response.push_str(user);
    response.push(' ');
    for octet in digest.expose() {
        // Writing to a string does not fail.
        let _ = write!(response, "{octet:02x}");
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tim() -> CramMd5 {
        CramMd5::new(&Credentials::new("tim", "tanstaaftanstaaf")).unwrap()
    }

    #[test]
    fn answers_as_in_rfc_2195() {
        let mut tim = tim();
        assert_eq!((tim.initial(), tim.wants_proof()), (None, false));
        let response = tim.respond(b"<1896.697170952@postoffice.reston.mci.net>").unwrap();
        assert_eq!(response.expose(), b"tim b913a602c7eda7a495b4e6e7334d3890");
        let fault = tim.respond(b"<again>").unwrap_err();
        assert_eq!(fault.to_string(), "CRAM-MD5 has no answer to the challenge \"<again>\"");
    }

    #[test]
    fn t12_an_empty_challenge_has_no_answer() {
        let fault = tim().respond(b"").unwrap_err();
        assert_eq!(fault.to_string(), "CRAM-MD5 has no answer to the challenge \"\"");
    }

    #[test]
    fn a_long_password_is_hashed_first() {
        // RFC 2202 §2, case 6.
        let key = Secret::from(vec![0xaa; 80]);
        let message = b"Test Using Larger Than Block-Size Key - Hash Key First";
        let said = response("tim", &key, message);
        assert_eq!(said.as_str(), "tim 6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd");
    }

    #[test]
    fn refuses_what_it_cannot_carry() {
        let fault = |credentials: &Credentials| {
            CramMd5::new(credentials).err().map(|fault| fault.to_string()).unwrap_or_default()
        };
        let other = Credentials::new("a", "b").authorize_as("c");
        assert_eq!(fault(&other), "CRAM-MD5 cannot carry an identity to act as");
        assert_eq!(fault(&Credentials::new("", "b")), "CRAM-MD5 cannot carry an empty user name");
    }
}
