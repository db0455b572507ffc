//! What becomes of a mechanism that a server offers, in words and as data. What is decided, and in
//! which order, is `choice`'s.

use std::fmt;

use thiserror::Error;

use super::AuthFault;
use crate::wire::Escaped;

/// A mechanism that a server offers: the one that is used, or why it is not. Of
/// [`Credentials::explain`](super::Credentials::explain).
///
/// `Display` reads `PLAIN: comes after SCRAM-SHA-256`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    name: String,
    unused: Option<Unused>,
}

impl Candidate {
    pub(super) fn new(name: impl Into<String>, unused: Option<Unused>) -> Self {
        Self { name: name.into(), unused }
    }

    /// Its registered name; of one that is not known here, what the server wrote, which is a
    /// stranger's: it is to be shown [`Escaped`], as `Display` does.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether this is the one that [`Credentials::choose`](super::Credentials::choose) makes.
    #[must_use]
    pub const fn is_chosen(&self) -> bool {
        self.unused.is_none()
    }

    /// Why it is not the one.
    #[must_use]
    pub const fn unused(&self) -> Option<&Unused> {
        self.unused.as_ref()
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Escaped::new(self.name.as_bytes());
        match &self.unused {
            Some(why) => write!(f, "{name}: {why}"),
            None => write!(f, "{name}: chosen"),
        }
    }
}

/// Why a mechanism that a server offers is not the one that is used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Unused {
    /// It could be used, and this one is tried before it.
    #[error("comes after {0}")]
    After(String),
    /// It takes a name and a password: [`Credentials::new`](super::Credentials::new).
    #[error("only with a password")]
    NeedsPassword,
    /// It takes an access token: [`Credentials::token`](super::Credentials::token).
    #[error("only with a token")]
    NeedsToken,
    /// It takes what the channel has shown: [`Credentials::external`](super::Credentials::external).
    #[error("only by a client certificate or the like")]
    NeedsExternal,
    /// It is for those who do not say who they are:
    /// [`Credentials::anonymous`](super::Credentials::anonymous).
    #[error("only for nobody")]
    NeedsNobody,
    /// Others were named with [`Credentials::mechanisms`](super::Credentials::mechanisms).
    #[error("not asked for")]
    NotNamed,
    /// It is weak, and used only where [`Credentials::mechanisms`](super::Credentials::mechanisms)
    /// names it.
    #[error("only by name")]
    OnlyByName,
    /// It is weaker than this floor of [`Credentials::at_least`](super::Credentials::at_least).
    #[error("weaker than {}", Escaped::new(.0.as_bytes()))]
    BelowFloor(String),
    /// The server has refused it before: [`Offer::without`](super::Offer::without).
    #[error("refused before")]
    Refused,
    /// It binds to the TLS channel, and nothing is known to bind it by.
    #[error("only with a channel binding")]
    NoChannelBinding,
    /// The channel is in clear, or the server was not verified:
    /// [`Offer::exposed`](super::Offer::exposed).
    #[error("only over verified TLS")]
    Exposed,
    /// The feature `scram` is not compiled in.
    #[error("only with the feature `scram`")]
    NoFeature,
    /// The name, the password or the token has something in it that cannot be said in it.
    #[error("{}", unfit(.0))]
    Unfit(AuthFault),
    /// It is known, and this crate never uses it, such as NTLM.
    #[error("never used")]
    Never,
    /// Its name is not known here. A [`Mechanism`](super::Mechanism) of one's own may do.
    #[error("not known here")]
    Unknown,
}

/// The mechanism stands before it.
fn unfit(fault: &AuthFault) -> String {
    match fault {
        AuthFault::Credentials { what, .. } => format!("cannot carry {what}"),
        AuthFault::NoRandomness { .. } => "needs random octets, and the system gives none".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let rows = [
            (Unused::After("PLAIN".to_owned()), "comes after PLAIN"),
            (Unused::NeedsPassword, "only with a password"),
            (Unused::NeedsToken, "only with a token"),
            (Unused::NeedsExternal, "only by a client certificate or the like"),
            (Unused::NeedsNobody, "only for nobody"),
            (Unused::NotNamed, "not asked for"),
            (Unused::OnlyByName, "only by name"),
            (Unused::BelowFloor("a\x1b".to_owned()), r"weaker than a\x1b"),
            (Unused::Refused, "refused before"),
            (Unused::NoChannelBinding, "only with a channel binding"),
            (Unused::Exposed, "only over verified TLS"),
            (Unused::NoFeature, "only with the feature `scram`"),
            (
                Unused::Unfit(AuthFault::Credentials { mechanism: "PLAIN", what: "a NUL" }),
                "cannot carry a NUL",
            ),
            (
                Unused::Unfit(AuthFault::NoRandomness { mechanism: "SCRAM-SHA-1" }),
                "needs random octets, and the system gives none",
            ),
            (Unused::Never, "never used"),
            (Unused::Unknown, "not known here"),
        ];
        for (why, words) in rows {
            assert_eq!(why.to_string(), words);
            let candidate = Candidate::new("X", Some(why.clone()));
            assert_eq!(candidate.to_string(), format!("X: {words}"));
            assert!(!candidate.is_chosen());
            assert_eq!(candidate.unused(), Some(&why));
        }
        let chosen = Candidate::new("PLAIN", None);
        assert_eq!(chosen.to_string(), "PLAIN: chosen");
        assert!(chosen.is_chosen());
    }

    #[test]
    fn t16_a_name_from_a_stranger_is_escaped() {
        let odd = Candidate::new("X-\u{1b}[2J", Some(Unused::Unknown));
        assert_eq!(odd.to_string(), r"X-\x1b[2J: not known here");
        assert_eq!(odd.name(), "X-\u{1b}[2J");
    }
}
