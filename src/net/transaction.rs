//! A mail stage by stage: the order of MAIL, RCPT, DATA and the content, by what borrows what. No
//! rule is written here; each method is one thing said.

use std::fmt;

use bytes::BytesMut;

use super::client::Client;
use super::conversation::Conversation;
use super::driver::{Arrival, Driver};
use super::outbox::Outbox;
use crate::error::{Error, ErrorKind};
use crate::extension::RcptParam;
use crate::protocol::{Delivery, Dispatch, Event, Misuse, Phase, Session, Stage, Ticket};
use crate::wire::{
    Command, ContentFault, ForwardPath, InvalidValue, LineEndings, Param, Reply, ReversePath,
    Stuffer, Verb,
};

/// A mail whose sender the server has accepted.
///
/// Dropped, it ends: the next mail says RSET first. A transaction in which a call was dropped
/// midway can only end, since nobody knows who its recipients are.
///
/// ```
/// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
/// # let (stream, server) = tokio::io::duplex(4096);
/// # let _server = ehlo::testing::Server::new()
/// #     .refuse("nobody@example.net", "550 5.1.1 no such user")
/// #     .serve(server)?;
/// # let connector = ehlo::Connector::new("mx").security(ehlo::Security::None);
/// # let mut client = connector.connect_over(stream).await?;
/// let mut mail = client.mail("alice@example.org").await?;
/// let reply = mail.rcpt("nobody@example.net").await?;
/// assert!(reply.is_negative()); // and no error
/// mail.reset().await?; // nobody is to have it
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropped, it ends without a mail"]
pub struct Transaction<'a> {
    client: &'a mut Client,
    /// A call is under way, or was dropped.
    busy: bool,
}

impl<'a> Transaction<'a> {
    pub(super) async fn begin(
        client: &'a mut Client,
        sender: ReversePath,
        params: Vec<Param>,
    ) -> Result<Self, Error> {
        client.outbox.begin_unwanted(Dispatch::new(&[]));
        let mut mail = Self { client, busy: false };
        mail.driver().enter(Stage::Mail);
        let reply = mail
            .ask(|dispatch, session| dispatch.mail(session, &sender, &params))
            .await
            .and_then(|_| mail.positive(Stage::Mail));
        match reply {
            Ok(()) => Ok(mail),
            Err(error) => {
                mail.client.outbox.forget_newest();
                Err(error)
            }
        }
    }

    /// Names a recipient. A refusal is a reply: other recipients may have the mail.
    ///
    /// # Errors
    /// There is no reply: the address cannot be said here, or the session is over.
    pub async fn rcpt<R>(&mut self, recipient: R) -> Result<Reply, Error>
    where
        R: TryInto<ForwardPath, Error: Into<InvalidValue>> + Send,
    {
        self.rcpt_with(recipient, []).await
    }

    /// Names a recipient as [`rcpt`](Self::rcpt) does, with parameters of RCPT.
    ///
    /// # Errors
    /// There is no reply: the address or a parameter cannot be said here, or the session is over.
    pub async fn rcpt_with<R>(
        &mut self,
        recipient: R,
        params: impl IntoIterator<Item = RcptParam> + Send,
    ) -> Result<Reply, Error>
    where
        R: TryInto<ForwardPath, Error: Into<InvalidValue>> + Send,
    {
        let driver = self.driver();
        driver.begin(Stage::Rcpt);
        let recipient =
            recipient.try_into().map_err(|invalid| driver.invalid(Stage::Rcpt, invalid))?;
        let params: Vec<Param> = params.into_iter().map(Into::into).collect();
        self.ask(|dispatch, session| dispatch.rcpt(session, &recipient, &params)).await?;
        match self.driver().session.reply() {
            Some(reply) => Ok(reply.to_reply()),
            None => Err(self.driver().closed()),
        }
    }

    /// Asks to send the content.
    ///
    /// # Errors
    /// The server refuses (what became of each recipient is kept for
    /// [`Client::take_delivery`]), no recipient was accepted, or the session is over.
    pub async fn data(mut self) -> Result<Body<'a>, Error> {
        self.driver().begin(Stage::Data);
        let event = self.ask(Dispatch::data).await?;
        match event {
            Event::GoAhead(_) => Ok(Body { client: self.client, way: Way::Data, busy: false }),
            _ => {
                let refused = self.driver().refused(Stage::Data);
                self.client.keep();
                Err(refused)
            }
        }
    }

    /// Sends the content with BDAT (RFC 3030): each write is a chunk, and waits for no reply where
    /// the server offers PIPELINING. Nothing is said by this call.
    ///
    /// Text is made right as for DATA, but for dots; after `BODY=BINARYMIME` the content goes as it
    /// is.
    ///
    /// # Errors
    /// The server does not offer CHUNKING, or no recipient was accepted.
    pub fn bdat(mut self) -> Result<Body<'a>, Error> {
        let busy = self.busy;
        let driver = self.driver();
        driver.begin(Stage::Content);
        if busy {
            return Err(driver.misuse(interrupted()));
        }
        driver.session.allows(Verb::Bdat).map_err(|misuse| driver.misuse(misuse))?;
        let text = driver.session.text_of_chunks();
        let line_endings = match self.client.policy().line_endings {
            LineEndings::Raw => LineEndings::Reject,
            text => text,
        };
        let stuffer = text.map(|eight_bit| Stuffer::new(line_endings, eight_bit).without_dots());
        Ok(Body { client: self.client, way: Way::Bdat(stuffer), busy: false })
    }

    /// Ends the transaction without a mail: RSET.
    ///
    /// # Errors
    /// The session is over.
    pub async fn reset(mut self) -> Result<(), Error> {
        self.driver().settle(Stage::Rset, |_, _| ()).await?;
        self.client.outbox.forget_newest();
        self.driver().ask(|session| session.send(&Command::rset())).await?;
        match self.driver().session.phase() {
            Phase::Closed => Err(self.driver().refused(Stage::Rset)),
            _ => Ok(()),
        }
    }

    /// The conversation, to look at.
    #[must_use]
    pub const fn conversation(&self) -> &Conversation {
        &self.client.conversation
    }

    async fn ask(
        &mut self,
        send: impl FnOnce(&mut Dispatch, &mut Session) -> Result<Ticket, Misuse> + Send,
    ) -> Result<Event, Error> {
        let Client { conversation: Conversation { driver, .. }, outbox, .. } = &mut *self.client;
        if std::mem::replace(&mut self.busy, true) {
            return Err(driver.misuse(interrupted()));
        }
        let Some(dispatch) = outbox.newest() else {
            return Err(driver.misuse(interrupted()));
        };
        let sent = driver.ask(|session| send(dispatch, session)).await;
        // A misuse has changed nothing; whatever else failed has ended the session.
        self.busy = false;
        let event = sent?;
        dispatch.note(&driver.session, event);
        Ok(event)
    }

    fn positive(&mut self, stage: Stage) -> Result<(), Error> {
        match self.driver().session.reply() {
            Some(reply) if !reply.is_negative() => Ok(()),
            _ => Err(self.driver().refused(stage)),
        }
    }

    const fn driver(&mut self) -> &mut Driver {
        &mut self.client.conversation.driver
    }
}

/// The content of a mail, after DATA or in chunks of BDAT.
///
/// There is no way back from DATA: dropped before [`finish`](Self::finish), the session is ended by
/// the next call. Between chunks of BDAT there is: the next mail says RSET first. In neither case
/// is the mail delivered.
///
/// ```
/// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
/// # let (stream, server) = tokio::io::duplex(4096);
/// # let _server = ehlo::testing::Server::new()
/// #     .refuse("nobody@example.net", "550 5.1.1 no such user")
/// #     .serve(server)?;
/// # let connector = ehlo::Connector::new("mx").security(ehlo::Security::None);
/// # let mut client = connector.connect_over(stream).await?;
/// let mut mail = client.mail("alice@example.org").await?;
/// mail.rcpt("bob@example.net").await?;
/// let mut body = mail.data().await?;
/// for chunk in ["Subject: hello\n", "\nhello", " there\n"] {
///     body.write(chunk.as_bytes()).await?;
/// }
/// assert!(body.finish().await?.is_complete());
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropped before `finish`, the mail is not delivered"]
pub struct Body<'a> {
    client: &'a mut Client,
    way: Way,
    busy: bool,
}

/// How the content goes.
enum Way {
    Data,
    /// What makes text of it, unless it is binary.
    Bdat(Option<Stuffer>),
}

impl Body<'_> {
    /// Writes a chunk of the content, whole. Line ends are made right and dots stuffed where they
    /// have to be, however the content is cut.
    ///
    /// # Errors
    /// The chunk has octets that cannot be sent, the server refused early, or the session is over.
    /// The mail is not delivered; what became of each recipient is kept for
    /// [`Client::take_delivery`].
    pub async fn write(&mut self, chunk: &[u8]) -> Result<(), Error> {
        self.begin()?;
        let taken = self.take(chunk).await;
        match &taken {
            Ok(()) => self.busy = false,
            Err(_) => self.client.keep(),
        }
        taken
    }

    async fn take(&mut self, chunk: &[u8]) -> Result<(), Error> {
        let mut text = BytesMut::new();
        let chunk = self.way.made_right(chunk, false, &mut text);
        let Client { conversation: Conversation { driver, .. }, outbox, .. } = &mut *self.client;
        let chunk = chunk.map_err(|fault| driver.error(Stage::Content, fault))?;
        if let Way::Data = self.way {
            let promised = driver.session.content(chunk.len());
            promised.map_err(|misuse| driver.error(Stage::Content, misuse))?;
        } else if !chunk.is_empty() {
            offer(driver, outbox, chunk.len(), false).await?;
        }
        let mut rest = chunk;
        let mut written = Ok(());
        // A chunk that is refused midway is written whole all the same: behind it there is a way
        // on.
        while !rest.is_empty() {
            match driver.write(&mut rest, &mut |_| ()).await {
                Ok(Arrival::Event(event)) => {
                    outbox.note(&driver.session, event);
                    written = written.and_then(|()| refused_meanwhile(driver));
                }
                Ok(_) => {}
                Err(error) => return written.and(Err(error)),
            }
        }
        written
    }

    /// Ends the content, and says what became of the mail.
    ///
    /// # Errors
    /// The session ended before that was known, or what was written does not end as text has to.
    /// What is known is kept for [`Client::take_delivery`].
    pub async fn finish(self) -> Result<Delivery, Error> {
        self.finish_with(b"").await
    }

    /// Writes the last chunk and ends the content, in one write where it fits.
    ///
    /// # Errors
    /// The session ended before it was known what became of the mail, or the content cannot be sent.
    /// What is known is kept for [`Client::take_delivery`].
    pub async fn finish_with(mut self, chunk: &[u8]) -> Result<Delivery, Error> {
        self.begin()?;
        self.client.outbox.want();
        let ended = self.end(chunk).await;
        self.client.concluded(ended)
    }

    async fn end(&mut self, chunk: &[u8]) -> Result<(), Error> {
        let mut text = BytesMut::new();
        let chunk = self.way.made_right(chunk, true, &mut text);
        let Client { conversation: Conversation { driver, .. }, outbox, .. } = &mut *self.client;
        let chunk = chunk.map_err(|fault| driver.error(Stage::Content, fault))?;
        if let Way::Data = self.way {
            let Some(dispatch) = outbox.newest() else {
                return Err(driver.misuse(interrupted()));
            };
            driver
                .session
                .content(chunk.len())
                .and_then(|()| dispatch.finish(&mut driver.session))
                .map_err(|misuse| driver.error(Stage::Content, misuse))?;
        } else {
            offer(driver, outbox, chunk.len(), true).await?;
        }
        let mut rest = chunk;
        while driver.session.in_flight() > 0 {
            if let Arrival::Event(event) = driver.carry(&mut rest).await? {
                outbox.note(&driver.session, event);
            }
        }
        // Over LMTP the server may end the session between two of its answers.
        match outbox.is_oldest_decided() {
            true => Ok(()),
            false => Err(driver.closed()),
        }
    }

    /// A chunk that was dropped midway cannot be taken up again: nobody knows where it stopped.
    fn begin(&mut self) -> Result<(), Error> {
        let driver = &mut self.client.conversation.driver;
        if std::mem::replace(&mut self.busy, true) {
            driver.session.close();
            return Err(driver.error(Stage::Content, ErrorKind::Closed(None)));
        }
        driver.begin(Stage::Content);
        Ok(())
    }
}

impl Way {
    /// The chunk as it goes out: as it is after DATA, where the session makes it right.
    fn made_right<'a>(
        &mut self,
        chunk: &'a [u8],
        last: bool,
        text: &'a mut BytesMut,
    ) -> Result<&'a [u8], ContentFault> {
        let Self::Bdat(Some(stuffer)) = self else {
            return Ok(chunk);
        };
        stuffer.stuff_into(chunk, text)?;
        if last {
            text.extend_from_slice(stuffer.finish()?);
        }
        Ok(text)
    }
}

/// Says BDAT as soon as there is room for it.
async fn offer(
    driver: &mut Driver,
    outbox: &mut Outbox,
    octets: usize,
    last: bool,
) -> Result<(), Error> {
    // Over LMTP a chunk waits for the one before, whatever else there would be room for.
    let has_room =
        |session: &Session| !matches!(session.allows(Verb::Bdat), Err(Misuse::NoRoom(..)));
    while driver.session.in_flight() > 0 && !has_room(&driver.session) {
        if let Arrival::Event(event) = driver.next().await? {
            outbox.note(&driver.session, event);
            refused_meanwhile(driver)?;
        }
    }
    let Some(dispatch) = outbox.newest() else {
        return Err(driver.misuse(interrupted()));
    };
    let sent = dispatch.chunk(&mut driver.session, octets as u64, last);
    sent.map(|_| ()).map_err(|misuse| driver.error(Stage::Content, misuse))
}

/// The reply that was just heard refuses the content, or ends the session.
fn refused_meanwhile(driver: &Driver) -> Result<(), Error> {
    match driver.session.reply() {
        Some(reply) if reply.severity().is_negative() => Err(driver.refused(Stage::Content)),
        _ => Ok(()),
    }
}

fn interrupted() -> Misuse {
    Misuse::Setting("a call of this transaction was dropped midway: it can only end".to_owned())
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("client", &self.client).finish_non_exhaustive()
    }
}

impl fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("client", &self.client).finish_non_exhaustive()
    }
}
