//! What may be asked of a server beside sending mails (VRFY, EXPN, HELP, NOOP, ETRN), and on whose
//! behalf one speaks (XCLIENT, XFORWARD). What the replies say is read in `wire`.

use super::client::Client;
use super::conversation::Conversation;
use super::driver::Driver;
use crate::error::Error;
use crate::extension::{Extension, SmtpUtf8};
use crate::protocol::{Phase, Protocol, Stage};
use crate::wire::{
    Answer, Command, EtrnNode, Expansion, InvalidValue, QueueRun, Reply, Text, Verification,
    XclientAttribute, XforwardAttribute,
};

/// Queries. A refusal is an answer like others; most servers refuse VRFY and EXPN, or say 252.
///
/// ```
/// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
/// # let (stream, server) = tokio::io::duplex(4096);
/// # let _server = ehlo::testing::Server::new()
/// #     .known("joe", "Joe Smith <joe@example.org>")
/// #     .serve(server)?;
/// use ehlo::{Command, Conversation, Verification};
///
/// let mut smtp = Conversation::open(stream).await?;
/// smtp.say(&Command::ehlo("client.example.org")?).await?;
/// let answer = smtp.vrfy("joe").await?;
/// println!("{answer}"); // the reply
/// match answer.meaning() {
///     Verification::Known(listed) => assert_eq!(listed[0].name(), Some("Joe Smith")),
///     other => panic!("{other:?}"),
/// }
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl Conversation {
    /// Asks who a user is: VRFY. Where the text is not ASCII and the server offers SMTPUTF8,
    /// `SMTPUTF8` is put after it (RFC 6531 §3.7.4.2).
    ///
    /// # Errors
    /// There is no reply: the text cannot be said here, or the session is over.
    pub async fn vrfy<T>(&mut self, text: T) -> Result<Answer<Verification>, Error>
    where
        T: TryInto<Text, Error: Into<InvalidValue>> + Send,
    {
        let text = argument(&mut self.driver, text)?;
        self.settle(Stage::Query).await?;
        self.lookup(Command::Vrfy, text).await.map(Answer::from)
    }

    /// Asks who is on a list: EXPN. A text that is not ASCII is treated as by [`vrfy`](Self::vrfy).
    ///
    /// # Errors
    /// There is no reply: the text cannot be said here, or the session is over.
    pub async fn expn<T>(&mut self, text: T) -> Result<Answer<Expansion>, Error>
    where
        T: TryInto<Text, Error: Into<InvalidValue>> + Send,
    {
        let text = argument(&mut self.driver, text)?;
        self.settle(Stage::Query).await?;
        self.lookup(Command::Expn, text).await.map(Answer::from)
    }

    /// Asks for help, on a topic such as a verb or in general: HELP. The [`text`](Reply::text) of
    /// the reply, 211 or 214, is the help.
    ///
    /// # Errors
    /// There is no reply: the topic cannot be said here, or the session is over.
    pub async fn help(&mut self, topic: Option<&str>) -> Result<Reply, Error> {
        let topic: Option<Text> =
            topic.map(|topic| argument(&mut self.driver, topic)).transpose()?;
        self.settle(Stage::Query).await?;
        self.hear_of(&Command::Help(topic.map(Into::into))).await
    }

    /// Asks for nothing but a reply: NOOP.
    ///
    /// # Errors
    /// There is no reply: the session is over, or within a dialogue or content.
    pub async fn noop(&mut self) -> Result<Reply, Error> {
        self.settle(Stage::Query).await?;
        self.hear_of(&Command::noop()).await
    }

    /// Asks for the mail that the server holds for a host, `@domain` or `#queue`: ETRN (RFC 1985).
    /// It comes over connections of the server's own.
    ///
    /// # Errors
    /// There is no reply: the server does not offer ETRN, a transaction is open, the node cannot be
    /// said, or the session is over.
    pub async fn etrn<N>(&mut self, node: N) -> Result<Answer<QueueRun>, Error>
    where
        N: TryInto<EtrnNode, Error: Into<InvalidValue>> + Send,
    {
        let node = argument(&mut self.driver, node)?;
        self.settle(Stage::Query).await?;
        self.hear_of(&Command::Etrn(node.into())).await.map(Answer::from)
    }

    /// Says on whose behalf this client speaks: XCLIENT (Postfix). After a 220 the server begins
    /// anew: EHLO is said again (over LMTP LHLO), by the [client's name](Self::client_name), and
    /// what the server offers and who is authenticated are no more what they were. The reply to
    /// XCLIENT is the [greeting](Self::greeting) from then on.
    ///
    /// # Errors
    /// There is no reply: the server does not offer XCLIENT, a transaction is open, the attributes
    /// cannot be said in one command, or the session is over. Or EHLO was refused.
    pub async fn xclient(&mut self, attributes: &[XclientAttribute]) -> Result<Reply, Error> {
        let xclient = said(&mut self.driver, Command::xclient(attributes))?;
        self.settle(Stage::Query).await?;
        self.speak_for(&xclient).await
    }

    async fn lookup(
        &mut self,
        command: impl FnOnce(std::borrow::Cow<'static, Text>) -> Command<'static> + Send,
        text: Text,
    ) -> Result<Reply, Error> {
        let asks = !text.is_ascii() && self.capabilities().has(SmtpUtf8::KEYWORD);
        let text = if asks { text.with_smtputf8() } else { text };
        self.hear_of(&command(text.into())).await
    }

    async fn speak_for(&mut self, xclient: &Command<'_>) -> Result<Reply, Error> {
        let reply = self.hear_of(xclient).await?;
        if reply.is_completed() {
            self.greeting = reply.clone();
            self.hello_again().await.map_err(|error| error.after([reply.clone()]))?;
        }
        Ok(reply)
    }

    /// EHLO, or LHLO, by the client's name, where the session begins anew.
    pub(super) async fn hello_again(&mut self) -> Result<(), Error> {
        let name = self.client_name.clone().into();
        let hello = match self.driver.session.protocol() {
            Protocol::Smtp => Command::Ehlo(name),
            Protocol::Lmtp => Command::Lhlo(name),
        };
        self.driver.enter(Stage::Ehlo);
        match self.hear_of(&hello).await?.is_negative() {
            true => Err(self.driver.refused(Stage::Ehlo)),
            false => Ok(()),
        }
    }
}

/// Queries, between mails.
///
/// ```
/// # async fn example(mut client: ehlo::Client) -> Result<(), ehlo::Error> {
/// use ehlo::{XclientAttribute, XclientName};
///
/// // Postfix takes it from hosts that it trusts
/// client.xclient(&[XclientAttribute::new(XclientName::Addr, "192.0.2.1")?]).await?;
/// # Ok(())
/// # }
/// ```
impl Client {
    /// Asks who a user is; see [`Conversation::vrfy`].
    ///
    /// # Errors
    /// As for [`Conversation::vrfy`].
    pub async fn vrfy<T>(&mut self, text: T) -> Result<Answer<Verification>, Error>
    where
        T: TryInto<Text, Error: Into<InvalidValue>> + Send,
    {
        let text = argument(&mut self.conversation.driver, text)?;
        self.settle_calm().await?;
        self.conversation.lookup(Command::Vrfy, text).await.map(Answer::from)
    }

    /// Asks who is on a list; see [`Conversation::expn`].
    ///
    /// # Errors
    /// As for [`Conversation::expn`].
    pub async fn expn<T>(&mut self, text: T) -> Result<Answer<Expansion>, Error>
    where
        T: TryInto<Text, Error: Into<InvalidValue>> + Send,
    {
        let text = argument(&mut self.conversation.driver, text)?;
        self.settle_calm().await?;
        self.conversation.lookup(Command::Expn, text).await.map(Answer::from)
    }

    /// Asks for help; see [`Conversation::help`].
    ///
    /// # Errors
    /// As for [`Conversation::help`].
    pub async fn help(&mut self, topic: Option<&str>) -> Result<Reply, Error> {
        let driver = &mut self.conversation.driver;
        let topic: Option<Text> = topic.map(|topic| argument(driver, topic)).transpose()?;
        self.settle_calm().await?;
        self.conversation.hear_of(&Command::Help(topic.map(Into::into))).await
    }

    /// Asks for nothing but a reply: whether the connection still stands, before it is used again.
    ///
    /// # Errors
    /// The session is over.
    pub async fn noop(&mut self) -> Result<Reply, Error> {
        self.settle_calm().await?;
        self.conversation.hear_of(&Command::noop()).await
    }

    /// Asks for the mail that the server holds; see [`Conversation::etrn`]. A transaction that was
    /// given up is ended first.
    ///
    /// # Errors
    /// There is no reply: the server does not offer ETRN, the node cannot be said, or the session
    /// is over.
    pub async fn etrn<N>(&mut self, node: N) -> Result<Answer<QueueRun>, Error>
    where
        N: TryInto<EtrnNode, Error: Into<InvalidValue>> + Send,
    {
        let node = argument(&mut self.conversation.driver, node)?;
        self.settle_outside().await?;
        self.conversation.hear_of(&Command::Etrn(node.into())).await.map(Answer::from)
    }

    /// Says on whose behalf the mails from now on are sent, and greets anew; see
    /// [`Conversation::xclient`]. A client that was authenticated is no more.
    ///
    /// # Errors
    /// The server refuses, which is no answer here: the mails would go out in another's name. Or
    /// it does not offer XCLIENT, the attributes cannot be said in one command, or the session is
    /// over.
    pub async fn xclient(&mut self, attributes: &[XclientAttribute]) -> Result<(), Error> {
        let xclient = said(&mut self.conversation.driver, Command::xclient(attributes))?;
        self.settle_outside().await?;
        let reply = self.conversation.speak_for(&xclient).await?;
        self.accepted(&reply)
    }

    /// Says where the next mail came from, for the server's log alone: XFORWARD (Postfix). It holds
    /// for one mail.
    ///
    /// # Errors
    /// The server refuses or does not offer it, the attributes cannot be said in one command, or
    /// the session is over.
    pub async fn xforward(&mut self, attributes: &[XforwardAttribute]) -> Result<(), Error> {
        let xforward = said(&mut self.conversation.driver, Command::xforward(attributes))?;
        self.settle_outside().await?;
        let reply = self.conversation.hear_of(&xforward).await?;
        self.accepted(&reply)
    }

    /// Whether a call was dropped between XCLIENT and the EHLO after it, or that was refused.
    pub(super) fn is_unintroduced(&self) -> bool {
        self.conversation.phase() == Phase::Hello
    }

    /// That EHLO is said now.
    pub(super) async fn reintroduce(&mut self, stage: Stage) -> Result<(), Error> {
        self.conversation.hello_again().await?;
        self.conversation.driver.enter(stage);
        Ok(())
    }

    /// A call begins with what may stand in a transaction, unless that has failed.
    async fn settle_calm(&mut self) -> Result<(), Error> {
        self.settle(Stage::Query).await?;
        match self.conversation.phase() {
            Phase::Chunks | Phase::Spoiled => self.settle_outside().await,
            _ => Ok(()),
        }
    }

    /// A call begins with what must not stand inside a transaction.
    async fn settle_outside(&mut self) -> Result<(), Error> {
        self.settle(Stage::Query).await?;
        self.clear_way()?;
        let driver = &mut self.conversation.driver;
        while driver.session.in_flight() > 0 {
            driver.next().await?;
            driver.check_reset()?;
        }
        driver.enter(Stage::Query);
        Ok(())
    }

    fn accepted(&self, reply: &Reply) -> Result<(), Error> {
        match reply.is_negative() {
            true => Err(self.conversation.driver.refused(Stage::Query)),
            false => Ok(()),
        }
    }
}

/// A call begins with what it was given.
fn argument<V, T>(driver: &mut Driver, value: V) -> Result<T, Error>
where
    V: TryInto<T, Error: Into<InvalidValue>>,
{
    said(driver, value.try_into())
}

fn said<T>(driver: &mut Driver, value: Result<T, impl Into<InvalidValue>>) -> Result<T, Error> {
    driver.begin(Stage::Query);
    value.map_err(|invalid| driver.invalid(Stage::Query, invalid))
}
