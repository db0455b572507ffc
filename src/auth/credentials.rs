//! Who a client is, and how it can prove that. Which mechanism does is decided in `choice`.

#[cfg(feature = "net")]
use std::error::Error as StdError;
use std::fmt;
#[cfg(feature = "scram")]
use std::ops::RangeInclusive;

#[cfg(feature = "net")]
use super::TokenRefusal;
#[cfg(feature = "net")]
use super::provider::Provider;
use crate::wire::{Secret, leak};

/// Who a client is and how it proves that, never shown; and which mechanisms may be used for it.
///
/// ```
/// let credentials = ehlo::Credentials::new("alice", "wonderland");
/// assert_eq!(format!("{credentials:?}"), r#"Credentials { user: "alice", .. }"#);
///
/// // nothing that gives the password away to the server
/// let _proud = ehlo::Credentials::new("alice", "wonderland").at_least("SCRAM-SHA-1");
/// // CRAM-MD5 is not used unless it is named
/// let _old = ehlo::Credentials::new("alice", "wonderland").mechanisms(["CRAM-MD5"]);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub(super) user: String,
    pub(super) proof: Proof,
    pub(super) authorize_as: String,
    /// These alone, in this order.
    pub(super) order: Option<Vec<String>>,
    pub(super) floor: Option<String>,
    pub(super) try_others: bool,
    #[cfg(feature = "scram")]
    pub(super) iterations: RangeInclusive<u32>,
}

/// What shows that a user is who it says.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Proof {
    Password(Secret),
    Token(Secret),
    /// A token that is still to be asked for.
    #[cfg(feature = "net")]
    Provider(Provider),
    /// What the channel has shown already, such as a client certificate.
    External,
    /// None.
    Anonymous,
}

impl Proof {
    fn keep(&self) {
        if let Self::Password(secret) | Self::Token(secret) = self {
            leak::keep(secret.expose());
        }
    }
}

impl Credentials {
    /// The name and password to authenticate with.
    pub fn new(user: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self::of(user.into(), Proof::Password(password.into()))
    }

    /// The name, and an access token of OAuth 2.0 (RFC 6750): for OAUTHBEARER and XOAUTH2.
    pub fn token(user: impl Into<String>, token: impl Into<Secret>) -> Self {
        Self::of(user.into(), Proof::Token(token.into()))
    }

    /// The name, and whom to ask for an access token when AUTH is said: a closure that gives a
    /// future.
    ///
    /// It is asked with `None` first, where a token that is kept will do; and once more with what
    /// the server said of that one, where the server refused it for itself (expired, unknown) and
    /// not for what it is good for: then a new one is wanted. It has what is left of the time for
    /// the whole call (`Timeouts::with_whole`), and without such a limit all the time it takes.
    ///
    /// ```
    /// let credentials = ehlo::Credentials::token_from("alice", |refused| async move {
    ///     let token = if refused.is_none() { "kept" } else { "new" };
    ///     Ok::<_, std::io::Error>(ehlo::Secret::from(token))
    /// });
    /// let connector = ehlo::Connector::new("mail.example.org").authenticate(credentials);
    /// ```
    #[cfg(feature = "net")]
    pub fn token_from<F, T, E>(user: impl Into<String>, provide: F) -> Self
    where
        F: Fn(Option<TokenRefusal>) -> T + Send + Sync + 'static,
        T: Future<Output = Result<Secret, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        Self::of(user.into(), Proof::Provider(Provider::new(provide)))
    }

    /// Who the client is, the channel has shown: mostly its certificate. For EXTERNAL.
    #[must_use]
    pub fn external() -> Self {
        Self::of(String::new(), Proof::External)
    }

    /// Nobody in particular. The trace, which may be empty, is an address or a word of at most 255
    /// characters by which whoever runs the server may find the sender. For ANONYMOUS.
    pub fn anonymous(trace: impl Into<String>) -> Self {
        Self::of(trace.into(), Proof::Anonymous)
    }

    fn of(user: String, proof: Proof) -> Self {
        proof.keep();
        Self {
            user,
            proof,
            authorize_as: String::new(),
            order: None,
            floor: None,
            try_others: false,
            #[cfg(feature = "scram")]
            iterations: super::scram::ITERATIONS,
        }
    }

    /// The identity to act as, where it is another than the user's own.
    #[must_use]
    pub fn authorize_as(mut self, identity: impl Into<String>) -> Self {
        self.authorize_as = identity.into();
        self
    }

    /// These mechanisms alone, the first of them that is offered. By default all that fit, but for
    /// CRAM-MD5, which has to be named here; the strongest first.
    ///
    /// A `-PLUS` is a mechanism of its own.
    #[must_use]
    pub fn mechanisms(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.order = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// No mechanism weaker than this one. From the strongest: EXTERNAL, OAUTHBEARER, XOAUTH2;
    /// SCRAM-SHA-512-PLUS, -256-PLUS, SCRAM-SHA-1-PLUS, the same without -PLUS; PLAIN, LOGIN,
    /// CRAM-MD5, ANONYMOUS.
    #[must_use]
    pub fn at_least(mut self, name: impl Into<String>) -> Self {
        self.floor = Some(name.into());
        self
    }

    /// Lets the next mechanism be tried after one was refused. By default only one that the server
    /// does not take after all (504) is passed over: a wrong password (535) stays wrong, and a
    /// weaker mechanism shows it to more people. Behind a `-PLUS` nothing else is tried by default:
    /// its 504 may come from a relay that wants to hear what is not bound to the channel. And never
    /// is anything tried where the server says that it sees another channel or another offer.
    #[must_use]
    pub const fn try_others(mut self) -> Self {
        self.try_others = true;
        self
    }

    /// How many iterations of its hash SCRAM does at the server's asking. Default: 4096 (RFC 5802
    /// §5.1) to 600000, which take some tenths of a second during which the thread does nothing
    /// else.
    #[cfg(feature = "scram")]
    #[must_use]
    pub const fn iterations(mut self, allowed: RangeInclusive<u32>) -> Self {
        self.iterations = allowed;
        self
    }

    /// The user name.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    #[cfg(feature = "net")]
    pub(crate) const fn provider(&self) -> Option<&Provider> {
        match &self.proof {
            Proof::Provider(provider) => Some(provider),
            _ => None,
        }
    }

    /// The same with this token.
    #[cfg(feature = "net")]
    pub(crate) fn with_token(&self, token: Secret) -> Self {
        let proof = Proof::Token(token);
        proof.keep();
        Self { proof, ..self.clone() }
    }

    /// The same with a token that stands for the one that is still to be asked for.
    #[cfg(feature = "net")]
    pub(crate) fn with_any_token(&self) -> Self {
        self.with_token("to-be-asked-for".into())
    }

    /// Whether another mechanism may be tried after a refusal of this one with this code.
    #[cfg(feature = "net")]
    pub(crate) fn goes_on_after(&self, mechanism: &str, code: u16) -> bool {
        match self.try_others {
            true => code / 100 == 5,
            false => code == 504 && !mechanism.ends_with("-PLUS"),
        }
    }

    /// The password; empty where there is none, which the choice has seen to before.
    pub(super) fn password(&self) -> Secret {
        match &self.proof {
            Proof::Password(password) => password.clone(),
            _ => Secret::from(""),
        }
    }

    /// The token; empty where there is none.
    pub(super) fn bearer(&self) -> Secret {
        match &self.proof {
            Proof::Token(token) => token.clone(),
            _ => Secret::from(""),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t11_credentials_are_never_shown() {
        let credentials = Credentials::new("tim", "tanstaaf").authorize_as("root");
        assert!(!format!("{credentials:?}").contains("tanstaaf"));
        assert!(!format!("{:#?}", Credentials::token("tim", "ya29")).contains("ya29"));
        assert_eq!(credentials.user(), "tim");
    }

    /// In a thread of its own, which has a watch of its own.
    #[cfg(feature = "_leaks")]
    #[test]
    fn t11_passwords_and_tokens_are_watched_from_here_on() {
        for of in
            [|secret| Credentials::new("tim", secret), |secret| Credentials::token("tim", secret)]
        {
            let show = move || {
                let _credentials = of("tanstaaftanstaaf");
                leak::search("tanstaaftanstaaf");
            };
            let panic = std::thread::spawn(show).join().unwrap_err();
            let words = panic.downcast_ref::<String>().map(String::as_str);
            assert_eq!(words, Some("a secret is shown: tanstaaftanstaaf"));
        }
    }
}
