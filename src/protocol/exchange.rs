//! An AUTH dialogue (RFC 4954 §4): a mechanism's octets over a session. What the octets are is the
//! mechanism's.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Misuse, Session, Ticket};
use crate::auth::{AuthFault, Mechanism};
use crate::wire::{Command, Secret, leak};

/// Challenges answered at most. The longest mechanism in use takes three.
const MOST_CHALLENGES: usize = 8;

/// An AUTH dialogue that has begun.
///
/// Each [`Event::Challenge`](crate::Event::Challenge) is given to
/// [`challenged`](Self::challenged); any other reply to its ticket ends it, and is given to
/// [`end`](Self::end).
///
/// ```
/// use std::io::IoSlice;
///
/// use ehlo::{Credentials, Event, Exchange, Offer, Session, SessionConfig, Step};
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
/// // a stream: what was written to it, and what can be read from it
/// let mut written = Vec::new();
/// let mut replies =
///     ["334 VXNlcm5hbWU6\r\n", "334 UGFzc3dvcmQ6\r\n", "235 2.7.0 welcome\r\n"].into_iter();
///
/// let mechanism = Credentials::new("alice", "wonderland").choose(&Offer::new(["LOGIN"]))?;
/// let mut exchange = Exchange::begin(&mut session, mechanism)?;
/// loop {
///     match session.poll()? {
///         Step::Event(Event::Challenge(_)) => exchange.challenged(&mut session)?,
///         Step::Event(_) => break,
///         Step::Write(_) => {
///             let mut slices = [IoSlice::new(b"")];
///             session.gather(b"", &mut slices)?;
///             written.extend_from_slice(&slices[0]);
///             let octets = slices[0].len();
///             session.wrote(octets);
///         }
///         _ => session.receive(replies.next().unwrap_or_default().as_bytes()),
///     }
/// }
/// assert_eq!(exchange.end(&mut session), None);
/// assert!(session.is_authenticated());
/// assert_eq!(written, b"AUTH LOGIN\r\nYWxpY2U=\r\nd29uZGVybGFuZA==\r\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Exchange {
    mechanism: Box<dyn Mechanism>,
    /// What the client says first, where the AUTH line had no room for it.
    deferred: Option<Secret>,
    ticket: Ticket,
    challenges: usize,
    fault: Option<AuthFault>,
}

impl Exchange {
    /// Sends AUTH, with the initial response where the line has room for it (RFC 4954 §4).
    ///
    /// # Errors
    /// AUTH cannot be sent here; nothing has changed.
    pub fn begin(session: &mut Session, mut mechanism: Box<dyn Mechanism>) -> Result<Self, Misuse> {
        let initial = mechanism.initial();
        let command = Command::auth(mechanism.name(), initial.clone())?;
        let (ticket, deferred) = match session.send(&command) {
            Err(Misuse::LineTooLong { .. }) => {
                let bare = Command::auth(mechanism.name(), None)?;
                (session.send(&bare)?, initial)
            }
            sent => (sent?, None),
        };
        session.believe_success(!mechanism.wants_proof() && !mechanism.has_layer());
        Ok(Self { mechanism, deferred, ticket, challenges: 0, fault: None })
    }

    /// The name of the mechanism.
    #[cfg(feature = "net")]
    pub(crate) fn mechanism(&self) -> &str {
        self.mechanism.name()
    }

    /// The ticket whose reply comes next.
    #[must_use]
    pub const fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Answers the challenge that the session's last event brought, or gives up with `*` where it
    /// cannot be answered.
    ///
    /// # Errors
    /// The server does not wait for a response.
    pub fn challenged(&mut self, session: &mut Session) -> Result<(), Misuse> {
        self.ticket = match self.response(session) {
            Ok(response) => session.respond(response.expose())?,
            Err(fault) => {
                leak::search_shown(&fault);
                self.fault = Some(fault);
                session.cancel_auth()?
            }
        };
        Ok(())
    }

    /// The last event ended the dialogue. Where it failed, this is why, as far as the reply alone
    /// does not say it: it was given up on this side, the server said more in the dialogue, or it
    /// says that the client is welcome, and has not proved what the mechanism wants proved. In that
    /// case the session is not authenticated, and what is left to say is QUIT.
    pub fn end(mut self, session: &mut Session) -> Option<AuthFault> {
        if self.fault.is_some() {
            return self.fault;
        }
        let reply = session.reply();
        if !session.is_welcome() {
            let fault = self.mechanism.refused(&reply?.to_reply());
            return fault.inspect(leak::search_shown);
        }
        let text = reply.map(|reply| reply.lines().collect::<Vec<_>>().join(&b' '));
        let proved = self.mechanism.succeeded(&text.unwrap_or_default());
        session.believe_success(proved.is_ok());
        if proved.is_ok() && self.mechanism.has_layer() {
            session.start_over();
        }
        proved.err()
    }

    fn response(&mut self, session: &Session) -> Result<Secret, AuthFault> {
        self.challenges += 1;
        if self.challenges > MOST_CHALLENGES {
            return Err(AuthFault::Endless(MOST_CHALLENGES));
        }
        let mut lines = session.reply().into_iter().flat_map(|reply| reply.lines());
        let line = lines.next().unwrap_or_default().trim_ascii();
        let challenge = match STANDARD.decode(line) {
            Ok(challenge) if lines.next().is_none() => challenge,
            _ if self.mechanism.ignores_challenges() => line.to_vec(),
            _ => return Err(AuthFault::NotBase64(line.into())),
        };
        match self.deferred.take() {
            Some(initial) => Ok(initial),
            None => self.mechanism.respond(&challenge),
        }
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("mechanism", &self.mechanism.name())
            .field("challenges", &self.challenges)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}
