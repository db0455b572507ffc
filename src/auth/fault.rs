//! Why authentication failed, in words that whoever runs the client or the server can act on.

use thiserror::Error;

use super::TokenRefusal;
use crate::wire::{Escaped, Reply, Retry};

/// Why authentication failed, where a refusal by the server alone does not say it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AuthFault {
    /// The server offers no mechanism that can be used.
    #[error("the server offers no mechanism that can be used (it offers {}){}", list(.offered), behind(.why))]
    NoMechanism {
        /// What it offers.
        offered: Vec<String>,
        /// Why those that are known are not used, where that is not plain: `NTLM: never used`.
        why: String,
    },
    /// The floor that was set is no mechanism of this crate.
    #[error("the weakest mechanism allowed is none that is known: \"{}\"", Escaped::new(.0.as_bytes()))]
    Floor(String),
    /// The credentials cannot be carried by the mechanism.
    #[error("{mechanism} cannot carry {what}")]
    Credentials {
        /// The mechanism.
        mechanism: &'static str,
        /// What it cannot carry.
        what: &'static str,
    },
    /// The system gives no random octets, which the mechanism needs.
    #[error("{mechanism} needs random octets, and the system gives none")]
    NoRandomness {
        /// The mechanism.
        mechanism: &'static str,
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
    /// The server's message is not what the mechanism has in its place. The message is not shown:
    /// what it holds helps to guess a password.
    #[error("{mechanism}: the server's message {what}")]
    Message {
        /// The mechanism.
        mechanism: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The server asks for more or for less work than is allowed: less gives the password to
    /// whoever overhears the dialogue, more is a way to keep a client busy.
    #[error(
        "{mechanism}: the server asks for {asked} iterations, and {least} to {most} are allowed"
    )]
    Iterations {
        /// The mechanism.
        mechanism: &'static str,
        /// How many it asks for.
        asked: u64,
        /// The least allowed.
        least: u32,
        /// The most allowed.
        most: u32,
    },
    /// The server gave up the dialogue, and said why in the mechanism's own words.
    #[error("{mechanism}: the server gave up: \"{}\", and said: {reply}", Escaped::new(.error))]
    Server {
        /// The mechanism.
        mechanism: &'static str,
        /// Such as `channel-bindings-dont-match` (RFC 5802 §7).
        error: Box<[u8]>,
        /// What the dialogue ended with.
        reply: Box<Reply>,
    },
    /// The server says that the client is welcome, and has not proved that it knows the password:
    /// it may be another server than it seems.
    #[error("{mechanism}: the server has not proved that it knows the password")]
    Unproved {
        /// The mechanism.
        mechanism: &'static str,
    },
    /// There is no token: whoever was asked for it says why.
    #[error("no token was to be had: {}", Escaped::new(.0.as_bytes()))]
    NoToken(String),
    /// The server refused the token.
    #[error("{mechanism}: the token was refused{refusal}; the server said: {reply}")]
    Token {
        /// The mechanism.
        mechanism: &'static str,
        /// What it said of the token.
        refusal: TokenRefusal,
        /// What the dialogue ended with.
        reply: Box<Reply>,
    },
}

impl AuthFault {
    /// The server's refusal, where there was one.
    #[must_use]
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Token { reply, .. } | Self::Server { reply, .. } => Some(reply),
            _ => None,
        }
    }

    /// Whether the server sees another channel, or another offer, than the client: somebody may stand
    /// between them, and is to have nothing more.
    #[cfg(feature = "net")]
    pub(crate) fn tells_of_another_channel(&self) -> bool {
        let Self::Server { error, .. } = self else { return false };
        matches!(&**error, b"channel-bindings-dont-match" | b"server-does-support-channel-binding")
    }

    /// Whether, and where, trying again may help.
    pub(crate) fn retry(&self) -> Retry {
        match self {
            // Not the server's, and not for ever.
            Self::NoToken(_) | Self::NoRandomness { .. } => Retry::Later,
            // RFC 5802 §7: the server's own trouble, whatever it ends the dialogue with.
            Self::Server { error, .. } if matches!(&**error, b"no-resources" | b"other-error") => {
                Retry::Later
            }
            // Another host may be set up in another way, or be the one that this one seems to be.
            Self::NoMechanism { .. }
            | Self::Unproved { .. }
            | Self::NotBase64(_)
            | Self::Endless(_)
            | Self::Message { .. } => Retry::NextHost,
            _ => self.reply().map_or(Retry::Never, Reply::retry),
        }
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    Escaped::new(names.join(", ").as_bytes()).to_string()
}

fn behind(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!("; {why}") }
}
