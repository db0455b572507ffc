//! LOGIN, which has no RFC (draft-murchison-sasl-login expired): the server asks twice, for the
//! name and for the password. What it asks with differs from server to server (`Username:`,
//! `User Name\0`, nothing at all), so that only the position counts.

use super::{AuthFault, Credentials, Mechanism};
use crate::wire::Secret;

const NAME: &str = "LOGIN";

pub(super) struct Login {
    user: Secret,
    password: Secret,
    step: Step,
}

enum Step {
    User,
    /// Asked for the name with this prompt.
    Password(Box<[u8]>),
    Done,
}

impl Login {
    pub(super) fn new(credentials: &Credentials) -> Result<Self, AuthFault> {
        if !credentials.authorize_as.is_empty() {
            let what = "an identity to act as";
            return Err(AuthFault::Credentials { mechanism: NAME, what });
        }
        let user = Secret::from(credentials.user.as_str());
        Ok(Self { user, password: credentials.password(), step: Step::User })
    }
}

impl Mechanism for Login {
    fn name(&self) -> &'static str {
        NAME
    }

    fn respond(&mut self, challenge: &[u8]) -> Result<Secret, AuthFault> {
        match std::mem::replace(&mut self.step, Step::Done) {
            Step::User => {
                self.step = Step::Password(challenge.into());
                Ok(self.user.clone())
            }
            // A server that asks for the name again would be told the password in its place.
            Step::Password(first) if challenge.is_empty() || *first != *challenge => {
                Ok(self.password.clone())
            }
            Step::Password(_) | Step::Done => Err(AuthFault::Unanswerable {
                mechanism: NAME.to_owned(),
                challenge: challenge.into(),
            }),
        }
    }

    fn ignores_challenges(&self) -> bool {
        true
    }

    fn wants_proof(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Login {
        Login::new(&Credentials::new("tim", "tanstaaf")).unwrap()
    }

    #[test]
    fn dialect_56_the_position_counts_whatever_the_prompt_says() {
        for (first, second) in
            [("Username:", "Password:"), ("User Name\0", "Password\0"), ("", ""), ("x", "")]
        {
            let mut login = login();
            assert_eq!(login.initial(), None);
            assert_eq!(login.respond(first.as_bytes()).unwrap().expose(), b"tim");
            assert_eq!(login.respond(second.as_bytes()).unwrap().expose(), b"tanstaaf");
            let fault = login.respond(b"again").unwrap_err();
            assert_eq!(fault.to_string(), "LOGIN has no answer to the challenge \"again\"");
        }
    }

    #[test]
    fn dialect_56_a_repeated_prompt_never_gets_the_password() {
        let mut login = login();
        login.respond(b"Username:").unwrap();
        let fault = login.respond(b"Username:").unwrap_err();
        assert_eq!(fault.to_string(), "LOGIN has no answer to the challenge \"Username:\"");
    }

    #[test]
    fn cannot_act_as_another() {
        let fault = Login::new(&Credentials::new("a", "b").authorize_as("c")).err().unwrap();
        assert_eq!(fault.to_string(), "LOGIN cannot carry an identity to act as");
    }
}
