//! AUTH over a conversation: which mechanism, and which after it. What a mechanism says is its own;
//! how it is said, the exchange's.

use std::borrow::Cow;

use super::Conversation;
use crate::auth::{AuthFault, Credentials, Mechanism, Offer, Provider, TokenRefusal};
use crate::error::{Error, ErrorKind};
use crate::extension::Auth;
use crate::protocol::{Event, Exchange, Misuse, Phase, Protection, Stage};
use crate::wire::{Reply, Secret, Severity, Verb, leak};

impl Conversation {
    /// Authenticates by the strongest mechanism that the server offers and the credentials fit and
    /// allow. After a refusal the next may be tried: see [`Credentials::try_others`]; of another
    /// token, see [`Credentials::token_from`].
    ///
    /// # Errors
    /// The server refuses, offers nothing usable, has not proved what the mechanism wants proved,
    /// or the secret would be exposed; see
    /// [`Connector::allow_cleartext`](super::Connector::allow_cleartext).
    pub async fn authenticate(&mut self, credentials: &Credentials) -> Result<Reply, Error> {
        leak::search_debug(credentials);
        leak::search_debug(self);
        self.settle(Stage::Auth).await?;
        let Some(mut offer) = self.auth_offer() else {
            let (keyword, needs) = ("AUTH".to_owned(), "authentication".to_owned());
            let error = self.driver.error(Stage::Auth, ErrorKind::Unsupported { keyword, needs });
            return Err(match self.driver.session.protection() {
                Protection::None => error.suggesting("in clear; it may offer it inside TLS"),
                _ => error,
            });
        };
        // Before a token is asked for that could not be said.
        if let Err(misuse) = self.allows(Verb::Auth) {
            return Err(self.driver.error(Stage::Auth, misuse));
        }
        let mut credentials = Cow::Borrowed(credentials);
        let mut provider = credentials.provider().cloned();
        if let Some(provider) = &provider {
            let any = credentials.with_any_token().choose(&offer);
            any.map_err(|fault| self.driver.error(Stage::Auth, fault))?;
            let token = self.ask_for_token(provider, None).await?;
            credentials = Cow::Owned(credentials.with_token(token));
        }
        let mut refused = None;
        loop {
            let mechanism = match credentials.choose(&offer) {
                Ok(mechanism) => mechanism,
                Err(fault) => {
                    let none = || self.driver.error(Stage::Auth, fault);
                    return Err(refused.unwrap_or_else(none));
                }
            };
            let name = mechanism.name().to_owned();
            // All of them belong to one call, with one time for it.
            self.driver.enter(Stage::Auth);
            let error = match self.converse(mechanism).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            // Asked once more, and never again.
            if let Some(provider) = provider.take_if(|_| is_of_the_token(&error)) {
                let refusal = Some(refusal_in(&error));
                let token = self.ask_for_token(&provider, refusal).await;
                let token = token.map_err(|no_other| no_other.after(error.reply().cloned()))?;
                credentials = Cow::Owned(credentials.with_token(token));
            } else if is_followed(&name, &error, &credentials) {
                offer = offer.without(name);
                refused = Some(error);
            } else {
                return Err(error);
            }
        }
    }

    /// Whether AUTH has succeeded, on both sides.
    #[must_use]
    pub const fn is_authenticated(&self) -> bool {
        self.driver.session.is_authenticated()
    }

    /// What the server offers for AUTH, and what is known of the channel: what
    /// [`authenticate`](Self::authenticate) chooses from. `None` where AUTH is not offered here.
    ///
    /// [`Credentials::explain`] says what would become of each mechanism:
    ///
    /// ```
    /// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
    /// use ehlo::{Command, Conversation, Credentials};
    ///
    /// # let (stream, server) = tokio::io::duplex(4096);
    /// # let server = ehlo::testing::Server::new().allow_cleartext().serve(server)?;
    /// let mut smtp = Conversation::open(stream).await?;
    /// smtp.say(&Command::ehlo("client.example.org")?).await?;
    /// let offer = smtp.auth_offer().ok_or("no AUTH")?;
    /// for candidate in Credentials::new("alice", "wonderland").explain(&offer) {
    ///     println!("{candidate}"); // PLAIN: only over verified TLS
    /// #   assert!(!candidate.is_chosen());
    /// }
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn auth_offer(&self) -> Option<Offer> {
        let auth = self.capabilities().get::<Auth>()?;
        let mut offer = Offer::new(auth.mechanisms());
        if let Some(port) = self.driver.port.filter(|_| !self.peer().is_empty()) {
            offer = offer.server(self.peer(), port);
        }
        if self.protects_secrets().is_err() {
            offer = offer.exposed();
        }
        #[cfg(feature = "tls")]
        if let Some(binding) = self.driver.channel_binding() {
            offer = offer.channel_binding(binding);
        }
        Some(offer)
    }

    /// Whoever is asked may take what is left of the whole call, where that has a limit.
    async fn ask_for_token(
        &mut self,
        provider: &Provider,
        refused: Option<TokenRefusal>,
    ) -> Result<Secret, Error> {
        let asked = self.driver.within_call(provider.ask(refused)).await;
        let token = asked.unwrap_or_else(|limit| {
            Err(AuthFault::NoToken(format!("none came within the {limit:?} for the whole call")))
        });
        token.map_err(|fault| self.driver.error(Stage::Auth, fault))
    }

    /// AUTH has succeeded. Where there is a security layer now, EHLO is next.
    async fn welcomed(&mut self) -> Result<Reply, Error> {
        let reply = self.reply()?;
        if self.phase() == Phase::Hello {
            self.hello_again().await.map_err(|error| error.after([reply.clone()]))?;
        }
        Ok(reply)
    }

    /// Whether AUTH may be said over this channel: no secret goes where others can read it.
    fn protects_secrets(&self) -> Result<(), Misuse> {
        match self.allows(Verb::Auth) {
            Err(misuse @ (Misuse::SecretExposed(_) | Misuse::TlsRequired(_))) => Err(misuse),
            _ => Ok(()),
        }
    }

    /// Authenticates by this mechanism, which may be one of the caller's own, whether the server
    /// names it or not.
    ///
    /// # Errors
    /// The server refuses, the mechanism cannot answer it, or the secret would be exposed.
    pub async fn authenticate_with(
        &mut self,
        mechanism: Box<dyn Mechanism>,
    ) -> Result<Reply, Error> {
        self.settle(Stage::Auth).await?;
        self.converse(mechanism).await
    }

    async fn converse(&mut self, mechanism: Box<dyn Mechanism>) -> Result<Reply, Error> {
        let driver = &mut self.driver;
        let mut exchange = Exchange::begin(&mut driver.session, mechanism)
            .map_err(|misuse| driver.error(Stage::Auth, misuse))?;
        leak::search_debug(&exchange);
        loop {
            let ticket = exchange.ticket();
            match driver.ask(|_| Ok(ticket)).await? {
                Event::Challenge(_) => exchange
                    .challenged(&mut driver.session)
                    .map_err(|misuse| driver.error(Stage::Auth, misuse))?,
                _ => {
                    let auth = format!("AUTH {}", exchange.mechanism());
                    return match exchange.end(&mut driver.session) {
                        Some(fault) => Err(driver.error(Stage::Auth, fault)),
                        None if driver.session.is_authenticated() => self.welcomed().await,
                        None if driver.session.answered().starts_with(b"AUTH") => {
                            Err(driver.refused(Stage::Auth))
                        }
                        // What was refused is the mechanism, not the last thing it said.
                        None => Err(driver.refused(Stage::Auth).answering(auth.as_bytes())),
                    };
                }
            }
        }
    }
}

/// Whether another token may do: the server said so in the dialogue, which some end with 501 or
/// the like, or it said no more than 535.
fn is_of_the_token(error: &Error) -> bool {
    let Some(reply) = error.reply() else { return false };
    let refusal = refusal_in(error);
    match refusal.status() {
        Some(_) => reply.severity() == Severity::Permanent && refusal.is_of_the_token(),
        None => reply.code().number() == 535,
    }
}

/// What was said of the token, which may be nothing.
fn refusal_in(error: &Error) -> TokenRefusal {
    match error.kind() {
        ErrorKind::Auth(AuthFault::Token { refusal, .. }) => refusal.clone(),
        _ => TokenRefusal::new(b""),
    }
}

/// Whether another mechanism may be tried after this error of that one.
fn is_followed(mechanism: &str, error: &Error, credentials: &Credentials) -> bool {
    if let ErrorKind::Auth(fault) = error.kind()
        && fault.tells_of_another_channel()
    {
        return false;
    }
    let code = error.reply().map(|reply| reply.code().number());
    code.is_some_and(|code| credentials.goes_on_after(mechanism, code))
}
