//! OAUTHBEARER (RFC 7628); a refusal is answered by a lone `^A`.
//!
//! ```text
//! message = "n," [ "a=" saslname ] "," ^A *( key "=" value ^A ) "auth=Bearer " token ^A ^A
//! ```

use super::bearer::Bearer;
use super::{AuthFault, Credentials, Offer, saslname};

const NAME: &str = "OAUTHBEARER";

pub(super) fn new(credentials: &Credentials, offer: &Offer) -> Result<Bearer, AuthFault> {
    // The token tells who the user is; the name is said as the one to act as.
    let identity = match credentials.authorize_as.as_str() {
        "" => credentials.user.as_str(),
        other => other,
    };
    if identity.chars().any(char::is_control) {
        let what = "a control character in a name";
        return Err(AuthFault::Credentials { mechanism: NAME, what });
    }
    let mut head = match identity {
        "" => "n,,\x01".to_owned(),
        identity => format!("n,a={},\x01", saslname(identity)),
    };
    let is_plain =
        |host: &str| !host.is_empty() && host.bytes().all(|octet| octet.is_ascii_graphic());
    if let Some((host, port)) = offer.server.as_ref().filter(|(host, _)| is_plain(host)) {
        head.push_str(&format!("host={host}\x01port={port}\x01"));
    }
    Bearer::new(NAME, &head, credentials, b"\x01")
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::super::Mechanism as _;
    use super::*;

    fn message(credentials: &Credentials, offer: &Offer) -> String {
        let message = new(credentials, offer).unwrap().initial().unwrap();
        String::from_utf8(message.expose().to_vec()).unwrap()
    }

    #[test]
    fn says_name_server_and_token() {
        let token = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";
        let credentials = Credentials::token("user@example.com", token);
        let offer = Offer::default().server("server.example.com", 587);
        assert_eq!(
            STANDARD.encode(message(&credentials, &offer)),
            "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9NTg3AWF1dGg9QmVhcm\
             VyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
        );
    }

    #[test]
    fn says_no_more_than_is_known() {
        let none = Offer::default();
        assert_eq!(message(&Credentials::token("", "x"), &none), "n,,\x01auth=Bearer x\x01\x01");
        let odd = Credentials::token("tim", "x").authorize_as("a=b,c");
        let said = message(&odd, &none.server("no host", 25));
        assert_eq!(said, "n,a=a=3Db=2Cc,\x01auth=Bearer x\x01\x01");
    }

    #[test]
    fn c_151_answers_a_refusal_with_a_lone_control_a() {
        let mut mechanism = new(&Credentials::token("tim", "x"), &Offer::default()).unwrap();
        assert_eq!(mechanism.respond(b"{}").unwrap().expose(), b"\x01");
    }

    #[test]
    fn refuses_what_it_cannot_carry() {
        let fault = new(&Credentials::token("a\x01b", "x"), &Offer::default()).err();
        let words = "OAUTHBEARER cannot carry a control character in a name";
        assert_eq!(fault.map(|fault| fault.to_string()).as_deref(), Some(words));
    }
}
