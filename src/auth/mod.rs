//! SASL mechanisms: one file each. What a mechanism says is decided here; how it goes over the
//! wire, and when, is the exchange's (`protocol`).
//!
//! | file | what it holds |
//! |---|---|
//! | `plain` | PLAIN (RFC 4616) |
//! | `login` | LOGIN, which has no RFC |

mod login;
mod plain;

use std::fmt;

use thiserror::Error;

use self::login::Login;
use self::plain::Plain;
use crate::wire::{Escaped, Secret};

/// A user name and a password, never shown.
///
/// ```
/// let credentials = ehlo::Credentials::new("alice", "wonderland");
/// assert_eq!(format!("{credentials:?}"), r#"Credentials { user: "alice", .. }"#);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: String,
    password: Secret,
    authorize_as: String,
}

impl Credentials {
    /// The name and password to authenticate with.
    pub fn new(user: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self { user: user.into(), password: password.into(), authorize_as: String::new() }
    }

    /// The identity to act as, where it is another than the user's own.
    #[must_use]
    pub fn authorize_as(mut self, identity: impl Into<String>) -> Self {
        self.authorize_as = identity.into();
        self
    }

    /// The strongest of the offered mechanisms that these credentials can be used with: PLAIN,
    /// then LOGIN.
    ///
    /// # Errors
    /// None of them can be used: because none is known, or the credentials fit none.
    pub fn choose<'a>(
        &self,
        offered: impl IntoIterator<Item = &'a str>,
    ) -> Result<Box<dyn Mechanism>, AuthFault> {
        let offered: Vec<_> = offered.into_iter().collect();
        let has = |name: &str| offered.iter().any(|offered| offered.eq_ignore_ascii_case(name));
        let mut fault = None;
        for (_, mechanism) in MECHANISMS.iter().filter(|(name, _)| has(name)) {
            match mechanism(self) {
                Ok(mechanism) => return Ok(mechanism),
                Err(unfit) => fault = fault.or(Some(unfit)),
            }
        }
        let none = || offered.iter().map(|offered| (*offered).to_owned()).collect();
        Err(fault.unwrap_or_else(|| AuthFault::NoMechanism { offered: none() }))
    }

    /// The user name.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The client's side of a SASL dialogue. The octets are raw: base64 is the
/// [`Exchange`](crate::Exchange)'s, which carries any mechanism over a session.
///
/// ```
/// use ehlo::{AuthFault, Exchange, Mechanism, Secret, Session, SessionConfig};
/// # use std::io::IoSlice;
///
/// /// EXTERNAL (RFC 4422 appendix A): who the client is, its certificate has told already.
/// struct External;
///
/// impl Mechanism for External {
///     fn name(&self) -> &str {
///         "EXTERNAL"
///     }
///
///     fn initial(&mut self) -> Option<Secret> {
///         Some(Secret::from("")) // to act as nobody else
///     }
///
///     fn respond(&mut self, challenge: &[u8]) -> Result<Secret, AuthFault> {
///         let mechanism = self.name().to_owned();
///         Err(AuthFault::Unanswerable { mechanism, challenge: challenge.into() })
///     }
/// }
///
/// # let mut session = Session::new(SessionConfig::default().allow_cleartext());
/// # session.receive(b"220 mx.example.net\r\n");
/// # session.poll()?;
/// # session.send(&ehlo::Command::ehlo("client.example.org")?)?;
/// # session.poll()?;
/// # session.gather(b"", &mut [IoSlice::new(b"")])?;
/// # session.wrote(25);
/// # session.receive(b"250-mx.example.net\r\n250 AUTH LOGIN EXTERNAL\r\n");
/// # session.poll()?;
/// let exchange = Exchange::begin(&mut session, Box::new(External))?;
/// session.poll()?;
/// let mut slices = [IoSlice::new(b"")];
/// session.gather(b"", &mut slices)?;
/// assert_eq!(&*slices[0], b"AUTH EXTERNAL =\r\n");
/// # session.wrote(17);
/// # session.receive(b"235 2.7.0 welcome\r\n");
/// # session.poll()?;
/// # assert!(session.is_authenticated() && exchange.into_fault().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Mechanism: Send {
    /// The registered name (RFC 4422 §3.1): 1 to 20 letters, digits, hyphens and underscores.
    fn name(&self) -> &str;

    /// What the client says first, for a mechanism in which it does; asked for once. It goes with AUTH,
    /// or where that line has no room for it, in answer to the server's first challenge.
    fn initial(&mut self) -> Option<Secret> {
        None
    }

    /// Answers a challenge.
    ///
    /// # Errors
    /// The challenge cannot be answered: the exchange is given up.
    fn respond(&mut self, challenge: &[u8]) -> Result<Secret, AuthFault>;

    /// Whether challenges count by their position alone, so that one which is not base64 does no
    /// harm. False by default.
    fn ignores_challenges(&self) -> bool {
        false
    }
}

/// Why authentication failed on this side. A refusal by the server is a reply, and not here.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AuthFault {
    /// The server offers no mechanism that can be used.
    #[error("the server offers no mechanism that can be used (it offers {})", list(.offered))]
    NoMechanism {
        /// What it offers.
        offered: Vec<String>,
    },
    /// The credentials cannot be carried by the mechanism.
    #[error("{mechanism} cannot carry {what}")]
    Credentials {
        /// The mechanism.
        mechanism: &'static str,
        /// What it cannot carry.
        what: &'static str,
    },
    /// A challenge is not base64, or has more than one line.
    #[error("the challenge is not base64: \"{}\"", Escaped::new(.0))]
    NotBase64(Box<[u8]>),
    /// A challenge came that the mechanism has no answer to.
    #[error("{mechanism} has no answer to the challenge \"{}\"", Escaped::new(.challenge))]
    Unanswerable {
        /// The mechanism.
        mechanism: String,
        /// The challenge, decoded.
        challenge: Box<[u8]>,
    },
    /// The dialogue does not end.
    #[error("the dialogue did not end after {0} challenges")]
    Endless(usize),
}

/// Makes a mechanism of credentials that fit it.
type Make = fn(&Credentials) -> Result<Box<dyn Mechanism>, AuthFault>;

/// The mechanisms by their names, the strongest first.
const MECHANISMS: [(&str, Make); 2] = [
    (plain::NAME, |credentials| Ok(Box::new(Plain::new(credentials)?))),
    (login::NAME, |credentials| Ok(Box::new(Login::new(credentials)?))),
];

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    Escaped::new(names.join(", ").as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(offered: &[&str]) -> Result<String, String> {
        let credentials = Credentials::new("tim", "tanstaaftanstaaf");
        credentials
            .choose(offered.iter().copied())
            .map(|mechanism| mechanism.name().to_owned())
            .map_err(|fault| fault.to_string())
    }

    #[test]
    fn takes_the_strongest_that_is_offered() {
        assert_eq!(chosen(&["LOGIN", "PLAIN"]), Ok("PLAIN".into()));
        assert_eq!(chosen(&["CRAM-MD5", "login"]), Ok("LOGIN".into()));
    }

    #[test]
    fn passes_over_what_cannot_carry_the_credentials() {
        let offered = ["PLAIN", "LOGIN"];
        let nul = Credentials::new("tim", "a\0b");
        assert_eq!(nul.choose(offered).map(|chosen| chosen.name().to_owned()).unwrap(), "LOGIN");
        let words = nul.choose(["PLAIN"]).err().map(|fault| fault.to_string());
        assert_eq!(words.as_deref(), Some("PLAIN cannot carry a NUL in a name or password"));
    }

    #[test]
    fn says_what_is_offered_where_none_can_be_used() {
        let nothing = "the server offers no mechanism that can be used (it offers none)";
        assert_eq!(chosen(&[]), Err(nothing.into()));
        let others = "the server offers no mechanism that can be used (it offers NTLM, PLAIN-X)";
        assert_eq!(chosen(&["NTLM", "PLAIN-X"]), Err(others.into()));
    }

    #[test]
    fn t11_credentials_are_never_shown() {
        let credentials = Credentials::new("tim", "tanstaaf").authorize_as("root");
        assert!(!format!("{credentials:?}").contains("tanstaaf"));
    }
}
