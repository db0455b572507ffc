//! XOAUTH2, of Google and Microsoft, which has no RFC; a refusal is answered by an empty line.
//!
//! ```text
//! message = "user=" user ^A "auth=Bearer " token ^A ^A
//! ```

use super::bearer::Bearer;
use super::{AuthFault, Credentials};

const NAME: &str = "XOAUTH2";

pub(super) fn new(credentials: &Credentials) -> Result<Bearer, AuthFault> {
    let fault = |what| Err(AuthFault::Credentials { mechanism: NAME, what });
    let user = credentials.user.as_str();
    if !credentials.authorize_as.is_empty() {
        return fault("an identity to act as");
    }
    if user.is_empty() {
        return fault("an empty user name");
    }
    if user.chars().any(char::is_control) {
        return fault("a control character in a name");
    }
    Bearer::new(NAME, &format!("user={user}\x01"), credentials, b"")
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::super::Mechanism as _;
    use super::*;

    #[test]
    fn says_name_and_token() {
        let token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg";
        let credentials = Credentials::token("someuser@example.com", token);
        let message = new(&credentials).unwrap().initial().unwrap();
        assert_eq!(
            STANDARD.encode(message.expose()),
            "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQm\
             hkSFJoZG1semRHRXVZMjl0Q2cBAQ=="
        );
    }

    #[test]
    fn c_151_answers_a_refusal_with_an_empty_line() {
        let mut mechanism = new(&Credentials::token("tim", "x")).unwrap();
        assert_eq!(mechanism.respond(b"{}").unwrap().expose(), b"");
    }

    #[test]
    fn refuses_what_it_cannot_carry() {
        let fault = |credentials: &Credentials| {
            new(credentials).err().map(|fault| fault.to_string()).unwrap_or_default()
        };
        let token = |user: &str| Credentials::token(user, "x");
        assert_eq!(fault(&token("")), "XOAUTH2 cannot carry an empty user name");
        let control = "XOAUTH2 cannot carry a control character in a name";
        assert_eq!(fault(&token("a\x01auth=Bearer y")), control);
        let other = "XOAUTH2 cannot carry an identity to act as";
        assert_eq!(fault(&token("a").authorize_as("b")), other);
    }
}
