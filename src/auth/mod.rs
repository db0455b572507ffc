//! SASL mechanisms: one file each. What a mechanism says is decided here; how it goes over the
//! wire, and when, is the exchange's (`protocol`).
//!
//! | file | what it holds |
//! |---|---|
//! | `credentials` | who a client is, and how it proves that |
//! | `choice` | which mechanism is used |
//! | `candidate` | what becomes of each that is offered, in words |
//! | `binding` | what ties a dialogue to its TLS channel |
//! | `fault` | why it failed, in words |
//! | `plain` | PLAIN (RFC 4616) |
//! | `login` | LOGIN, which has no RFC |
//! | `external` | EXTERNAL (RFC 4422) |
//! | `anonymous` | ANONYMOUS (RFC 4505) |
//! | `bearer` | what the two that carry a token have in common |
//! | `provider` | tokens that are asked for when they are needed: feature `net` |
//! | `oauthbearer` | OAUTHBEARER (RFC 7628) |
//! | `xoauth2` | XOAUTH2, which has no RFC |
//! | `cram_md5` | CRAM-MD5 (RFC 2195): feature `scram` |
//! | `scram` | SCRAM (RFC 5802, RFC 7677): feature `scram` |

mod anonymous;
mod bearer;
mod binding;
mod candidate;
mod choice;
#[cfg(feature = "scram")]
pub(crate) mod cram_md5;
mod credentials;
mod external;
mod fault;
mod login;
mod oauthbearer;
mod plain;
#[cfg(feature = "net")]
mod provider;
#[cfg(feature = "scram")]
pub(crate) mod scram;
mod xoauth2;

use crate::wire::{Reply, Secret};

pub use bearer::TokenRefusal;
pub use binding::ChannelBinding;
pub use candidate::{Candidate, Unused};
pub use choice::Offer;
pub use credentials::Credentials;
pub use fault::AuthFault;
#[cfg(feature = "net")]
pub(crate) use provider::Provider;

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
/// # assert!(exchange.end(&mut session).is_none() && session.is_authenticated());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Mechanism: Send {
    /// The registered name (RFC 4422 §3.1): 1 to 20 letters, digits, hyphens and underscores.
    fn name(&self) -> &str;

    /// What the client says first, for a mechanism in which it does; asked for once. It goes with
    /// AUTH, or where that line has no room for it, in answer to the server's first challenge.
    fn initial(&mut self) -> Option<Secret> {
        None
    }

    /// Answers a challenge.
    ///
    /// # Errors
    /// The challenge cannot be answered: the exchange is given up.
    fn respond(&mut self, challenge: &[u8]) -> Result<Secret, AuthFault>;

    /// The server says that the dialogue has succeeded, with this text after the code. A mechanism
    /// in which the server has something to prove, too, holds it to that here.
    ///
    /// # Errors
    /// It has not proved it: nothing that it says is to be believed.
    fn succeeded(&mut self, _text: &[u8]) -> Result<(), AuthFault> {
        Ok(())
    }

    /// Whether the server has something to prove, which [`succeeded`](Self::succeeded) looks at.
    /// True by default: a success counts once it has been looked at. Where there is nothing to look
    /// at it counts when it comes, even if the call that waited for it was dropped.
    fn wants_proof(&self) -> bool {
        true
    }

    /// The server has refused. What it said of that before, in the mechanism's own way, is told
    /// here; otherwise the reply says all there is.
    fn refused(&mut self, _reply: &Reply) -> Option<AuthFault> {
        None
    }

    /// Whether challenges count by their position alone, so that one which is not base64 does no
    /// harm. False by default.
    fn ignores_challenges(&self) -> bool {
        false
    }

    /// Whether success puts a security layer over the stream (RFC 4422 §3.7), as some mechanisms of
    /// GSSAPI do: the session then forgets what the server offered, and EHLO is said again (RFC
    /// 4954 §4). False by default.
    ///
    /// The layer itself is the stream's: it has to be one that the mechanism can switch over, in
    /// [`succeeded`](Self::succeeded).
    fn has_layer(&self) -> bool {
        false
    }
}

/// ```text
/// saslname = 1*( safe-char / "=2C" / "=3D" )
/// ```
///
/// RFC 5801 §4: a name where commas part and `=` escapes.
fn saslname(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}
