//! Mails over a conversation: sent whole, or stage by stage. What becomes of a mail is kept here
//! even where the call that sent it was dropped.

use std::fmt;

use super::content::Content;
use super::conversation::Conversation;
use super::driver::Arrival;
use super::outbox::Outbox;
use super::transaction::Transaction;
use super::transmit::Job;
use super::watch::{Progress, Watch};
use crate::error::{Error, ErrorKind};
use crate::extension::{BodyType, EightBitMime, Extension, MailParam, SmtpUtf8};
use crate::protocol::{Delivery, Envelope, Phase, Protocol, Stage};
use crate::wire::{Command, Param, Retry, ReversePath, Verb};

/// A client that is connected and introduced, and authenticated where it was told to.
///
/// Any call may be dropped at any await. The next call first reads off what belongs to the dropped
/// one, and goes on; or it says that the session is over, where going on could deliver half a mail.
/// The outcome of a mail whose call was dropped is kept for
/// [`take_delivery`](Self::take_delivery).
///
/// ```
/// # async fn example(message: &[u8]) -> Result<(), ehlo::Error> {
/// use ehlo::{Connector, Envelope};
///
/// let mut client = Connector::new("mail.example.org")
///     .credentials("alice", "wonderland")
///     .connect()
///     .await?;
/// let envelope = Envelope::new("alice@example.org", ["bob@example.net", "eve@example.net"])?;
/// let delivery = client.send(&envelope, message).await?;
/// for recipient in delivery.recipients() {
///     println!("{}: {}", recipient.mailbox(), recipient.outcome());
/// }
/// client.quit().await?;
/// # Ok(())
/// # }
/// ```
///
/// The order of the stages is the compiler's business. RCPT before MAIL:
///
/// ```compile_fail
/// # async fn example(mut client: ehlo::Client) -> Result<(), ehlo::Error> {
/// client.rcpt("bob@example.net").await?;
/// # Ok(())
/// # }
/// ```
///
/// MAIL inside MAIL:
///
/// ```compile_fail
/// # async fn example(mut client: ehlo::Client) -> Result<(), ehlo::Error> {
/// let mut one = client.mail("alice@example.org").await?;
/// let mut two = client.mail("alice@example.org").await?;
/// one.rcpt("bob@example.net").await?;
/// # Ok(())
/// # }
/// ```
///
/// RCPT after DATA:
///
/// ```compile_fail
/// # async fn example(mut client: ehlo::Client) -> Result<(), ehlo::Error> {
/// let mut mail = client.mail("alice@example.org").await?;
/// mail.rcpt("bob@example.net").await?;
/// let body = mail.data().await?;
/// mail.rcpt("eve@example.net").await?;
/// # Ok(())
/// # }
/// ```
///
/// and anything after the end of the content:
///
/// ```compile_fail
/// # async fn example(mut client: ehlo::Client) -> Result<(), ehlo::Error> {
/// let mut mail = client.mail("alice@example.org").await?;
/// mail.rcpt("bob@example.net").await?;
/// let mut body = mail.data().await?;
/// body.finish().await?;
/// body.write(b"more").await?;
/// # Ok(())
/// # }
/// ```
///
/// In their order they compile:
///
/// ```
/// # async fn example(mut client: ehlo::Client) -> Result<(), ehlo::Error> {
/// let mut mail = client.mail("alice@example.org").await?;
/// let reply = mail.rcpt("bob@example.net").await?;
/// println!("{reply}");
/// let mut body = mail.data().await?;
/// body.write(b"Subject: hello\r\n\r\n").await?;
/// let delivery = body.finish_with(b"hello\r\n").await?;
/// # Ok(())
/// # }
/// ```
pub struct Client {
    pub(super) conversation: Conversation,
    pub(super) outbox: Outbox,
}

impl Client {
    pub(super) fn new(mut conversation: Conversation) -> Self {
        conversation.driver.session.rest();
        Self { conversation, outbox: Outbox::default() }
    }

    /// Sends a mail and says what became of it, for each recipient.
    ///
    /// MAIL, every RCPT and DATA go out together where the server offers PIPELINING. SIZE, BODY
    /// and SMTPUTF8 are chosen from the content and the addresses, unless the envelope gives them.
    /// Recipients beyond what the server takes in one mail by its LIMITS (RFC 9422) are *not sent*:
    /// send to them again, or [split](Envelope::split) the envelope before.
    ///
    /// # Errors
    /// Nothing was sent, because the server does not offer what the mail needs, takes no more mails
    /// over this connection, or the content cannot be sent; or the session ended before all was
    /// known, or the [`Source`](super::Source) failed. What is known then is kept for
    /// [`take_delivery`](Self::take_delivery). Refusals of this mail are no errors; that of the
    /// RSET which ends an older one is, and of an EHLO that was still due after XCLIENT.
    pub async fn send<'c>(
        &mut self,
        envelope: &Envelope,
        content: impl Into<Content<'c>> + Send,
    ) -> Result<Delivery, Error> {
        self.settle(Stage::Mail).await?;
        let job = self.prepare(envelope, content.into())?;
        self.carry_out(job, Watch::nobody()).await
    }

    /// Sends a mail as [`send`](Self::send) does, and tells meanwhile what becomes known of it:
    /// each recipient's replies as they come, which matters most over LMTP (RFC 2033 §4.2), and how
    /// many octets of the content the stream has taken, whenever it takes no more for a while and
    /// at the end.
    ///
    /// ```
    /// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (stream, server) = tokio::io::duplex(4096);
    /// # let server = ehlo::testing::Server::new()
    /// #     .lmtp()
    /// #     .refuse_at_end("eve@example.net", "452 4.2.2 mailbox full")
    /// #     .serve(server)?;
    /// # let connector = ehlo::Connector::new("mx").security(ehlo::Security::None).lmtp();
    /// # let mut client = connector.connect_over(stream).await?;
    /// use ehlo::{Envelope, Progress};
    ///
    /// let envelope = Envelope::new("alice@example.org", ["bob@example.net", "eve@example.net"])?;
    /// let mut decided = Vec::new();
    /// let watch = |progress: Progress<'_>| {
    ///     if let Progress::Decided(n, recipient) = progress {
    ///         decided.push((n, recipient.outcome().to_string()));
    ///     }
    /// };
    /// client.send_watched(&envelope, "Subject: hello\r\n\r\n", watch).await?;
    /// assert_eq!(decided, [
    ///     (0, "accepted: 250 2.0.0 mail accepted".to_owned()),
    ///     (1, "refused: 452 4.2.2 mailbox full (in reply to end of data)".to_owned()),
    /// ]);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub async fn send_watched<'c>(
        &mut self,
        envelope: &Envelope,
        content: impl Into<Content<'c>> + Send,
        mut watch: impl FnMut(Progress<'_>) + Send,
    ) -> Result<Delivery, Error> {
        self.settle(Stage::Mail).await?;
        let job = self.prepare(envelope, content.into())?;
        self.carry_out(job, Watch::new(Some(&mut watch))).await
    }

    /// Sends the last mail, and says QUIT after it: over SMTP, and where the server offers
    /// PIPELINING, without waiting for what becomes of the mail.
    ///
    /// # Errors
    /// As for [`send`](Self::send); QUIT is not said then. What becomes of QUIT is no error.
    pub async fn send_last<'c>(
        &mut self,
        envelope: &Envelope,
        content: impl Into<Content<'c>> + Send,
    ) -> Result<Delivery, Error> {
        self.settle(Stage::Mail).await?;
        let mut job = self.prepare(envelope, content.into())?;
        job.is_followed = self.may_follow();
        self.start(&job)?;
        let Self { conversation: Conversation { driver, .. }, outbox, .. } = self;
        let mut watch = Watch::nobody();
        let sent = job.transmit(driver, outbox, &mut watch).await;
        if sent.is_ok() {
            self.quit_ahead();
        }
        let ended = self.await_end(sent, watch).await;
        if ended.is_ok() {
            // What became of the mail does not depend on how the session ends.
            let _ = self.leave().await;
        }
        self.concluded(ended)
    }

    /// Begins a mail that is sent stage by stage: `MAIL FROM`, with `BODY=8BITMIME` where the
    /// server offers it and `SMTPUTF8` where the sender needs it.
    ///
    /// # Errors
    /// The server refuses the sender, the address cannot be said here, or the session is over.
    pub async fn mail<S>(&mut self, sender: S) -> Result<Transaction<'_>, Error>
    where
        S: TryInto<ReversePath, Error: Into<crate::wire::InvalidValue>> + Send,
    {
        self.mail_with(sender, []).await
    }

    /// Begins a mail as [`mail`](Self::mail) does, with parameters of MAIL.
    ///
    /// # Errors
    /// The server refuses the sender or does not offer a parameter, the address cannot be said
    /// here, or the session is over.
    pub async fn mail_with<S>(
        &mut self,
        sender: S,
        params: impl IntoIterator<Item = MailParam> + Send,
    ) -> Result<Transaction<'_>, Error>
    where
        S: TryInto<ReversePath, Error: Into<crate::wire::InvalidValue>> + Send,
    {
        let driver = &mut self.conversation.driver;
        driver.begin(Stage::Mail);
        let sender = sender.try_into().map_err(|invalid| driver.invalid(Stage::Mail, invalid))?;
        let mut params: Vec<Param> = params.into_iter().map(Into::into).collect();
        self.settle(Stage::Mail).await?;
        let offered = self.conversation.capabilities();
        let given = |params: &[Param], keyword| params.iter().any(|param| param.is(keyword));
        if offered.has(EightBitMime::KEYWORD) && !given(&params, "BODY") {
            params.push(MailParam::body(BodyType::EightBitMime).into());
        }
        if !sender.is_ascii() && !given(&params, SmtpUtf8::KEYWORD) {
            params.push(MailParam::smtputf8().into());
        }
        self.clear_way()?;
        let driver = &mut self.conversation.driver;
        // Without PIPELINING nothing may follow the RSET before its reply.
        while !driver.session.has_room() {
            driver.next().await?;
            driver.check_reset()?;
        }
        Transaction::begin(self, sender, params).await
    }

    /// What became of a mail whose call was dropped or failed, in the order in which it became
    /// known: each is kept until it is taken, or 256 more have come. Waits for the replies that are
    /// still awaited.
    ///
    /// ```
    /// # async fn example(client: &mut ehlo::Client, mail: ehlo::Envelope) {
    /// let patience = std::time::Duration::from_secs(5);
    /// let sent = tokio::time::timeout(patience, client.send(&mail, "Subject: hello\r\n\r\n")).await;
    /// if sent.is_err() {
    ///     // the call was dropped, the mail was not
    ///     let delivery = client.take_delivery().await;
    ///     println!("{delivery:?}");
    /// }
    /// # }
    /// ```
    pub async fn take_delivery(&mut self) -> Option<Delivery> {
        // A session that is over has nothing to add; what is known is known.
        let _ = self.settle(Stage::EndOfData).await;
        self.outbox.take_kept()
    }

    /// Says QUIT, waits for its reply, and closes. What became of mails before does not depend
    /// on it. What is left is to look at the transcript and to take a delivery: any other call says
    /// that the session is over.
    ///
    /// # Errors
    /// The session was over before, or there was no reply to QUIT: it is over all the same.
    pub async fn quit(&mut self) -> Result<(), Error> {
        self.settle(Stage::Quit).await?;
        self.conversation.driver.quit().await.map_or(Ok(()), Err)
    }

    /// The conversation, to look at: what the server offers, the transcript, TLS.
    #[must_use]
    pub const fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// Goes on command by command. The session is over where a mail was left within its content.
    #[must_use]
    pub fn into_conversation(mut self) -> Conversation {
        let session = &mut self.conversation.driver.session;
        // What was begun of a mail is unknown to whoever speaks by hand: it cannot be ended.
        if matches!(session.ahead(), Phase::Content | Phase::Chunks) || session.promised() > 0 {
            session.close();
        }
        self.conversation
    }

    /// A call begins, with this stage: what belongs to one that was dropped is read off.
    pub(super) async fn settle(&mut self, stage: Stage) -> Result<(), Error> {
        let Self { conversation: Conversation { driver, .. }, outbox, .. } = self;
        let settled = driver.settle(stage, |session, event| outbox.note(session, event)).await;
        outbox.conclude(&driver.session);
        // Where the mail before is in doubt, this one is not.
        settled.map_err(|error| match error.retry() {
            Retry::Unknown => driver.error(stage, ErrorKind::Closed(None)),
            _ => error,
        })?;
        if self.is_unintroduced() {
            self.reintroduce(stage).await?;
        }
        Ok(())
    }

    /// Sends a mail, and waits for what becomes of it.
    async fn carry_out(
        &mut self,
        mut job: Job<'_>,
        mut watch: Watch<'_>,
    ) -> Result<Delivery, Error> {
        self.start(&job)?;
        let Self { conversation: Conversation { driver, .. }, outbox, .. } = self;
        let sent = job.transmit(driver, outbox, &mut watch).await;
        let ended = self.await_end(sent, watch).await;
        self.concluded(ended)
    }

    /// A mail goes on its way; nothing of it has been sent.
    pub(super) fn start(&mut self, job: &Job<'_>) -> Result<(), Error> {
        self.clear_way()?;
        self.outbox.begin(job.dispatch());
        Ok(())
    }

    /// Waits for what becomes of the one mail on its way. It stays in the outbox, for a call that
    /// is dropped after this.
    async fn await_end(&mut self, sent: Result<(), Error>, watch: Watch<'_>) -> Result<(), Error> {
        match sent {
            Ok(()) => self.hear_oldest(watch).await,
            Err(error) => Err(error),
        }
    }

    /// Hears what is said until the oldest mail has every reply that it awaits.
    async fn hear_oldest(&mut self, mut watch: Watch<'_>) -> Result<(), Error> {
        let Self { conversation: Conversation { driver, .. }, outbox, .. } = self;
        while !outbox.is_oldest_answered(&driver.session) {
            if let Arrival::Event(event) = driver.next().await? {
                driver.check_reset()?;
                watch.note(outbox, &driver.session, event);
            }
        }
        match driver.session.phase() {
            Phase::Closed if !outbox.is_oldest_decided() => Err(driver.closed()),
            // Recipients beyond the server's limits were not asked for.
            _ => Ok(()),
        }
    }

    /// The call is still there: what its one mail has come to is its own. Where the server has
    /// decided for every recipient, the promise is kept whatever became of the session.
    pub(super) fn concluded(&mut self, ended: Result<(), Error>) -> Result<Delivery, Error> {
        let Self { conversation: Conversation { driver, .. }, outbox, .. } = self;
        if ended.is_ok() {
            driver.session.rest();
        }
        match ended {
            Err(error) if !outbox.is_oldest_decided() => {
                outbox.conclude(&driver.session);
                Err(match outbox.newest_kept() {
                    Some(delivery) => error.about(delivery),
                    None => error,
                })
            }
            _ => {
                let delivery = outbox.conclude_oldest(&driver.session);
                outbox.rest();
                delivery.ok_or_else(|| driver.closed())
            }
        }
    }

    /// The mail stage by stage is over: what is known of it is kept.
    pub(super) fn keep(&mut self) {
        self.outbox.want();
        self.outbox.conclude(&self.conversation.driver.session);
    }

    /// Ends a transaction that an earlier mail left open, or may. The RSET goes out with what
    /// follows it where it can.
    pub(super) fn clear_way(&mut self) -> Result<(), Error> {
        let driver = &mut self.conversation.driver;
        if !matches!(driver.session.ahead(), Phase::Ready | Phase::Hello) {
            let sent = driver.session.send(&Command::rset());
            sent.map_err(|misuse| driver.error(Stage::Rset, misuse))?;
        }
        Ok(())
    }

    /// Says QUIT after what is on its way, where that may be.
    pub(super) fn quit_ahead(&mut self) {
        let session = &mut self.conversation.driver.session;
        if session.allows(Verb::Quit).is_ok() {
            // It is lawful, and has no argument.
            let _ = session.send(&Command::quit());
        }
    }

    /// Leaves in good order, whether QUIT is on its way or not.
    pub(super) async fn leave(&mut self) -> Result<(), Error> {
        let driver = &mut self.conversation.driver;
        while driver.session.in_flight() > 0 {
            driver.next().await?;
        }
        if driver.session.phase() == Phase::Closed {
            driver.shut_down().await;
            return Ok(());
        }
        driver.quit().await.map_or(Ok(()), Err)
    }

    /// Whether mails go out before those before them are answered.
    pub(super) fn runs_ahead(&self) -> bool {
        self.policy().run_ahead && self.may_follow()
    }

    /// Whether anything may go out before the mail before it is answered.
    fn may_follow(&self) -> bool {
        let session = &self.conversation.driver.session;
        session.is_pipelining() && session.protocol() == Protocol::Smtp
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("peer", &self.conversation.peer())
            .field("phase", &self.conversation.phase())
            .finish_non_exhaustive()
    }
}

const _: () = {
    const fn assert<T: Send>() {}
    assert::<Client>();
};

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::net::{Connector, Security};

    #[tokio::test]
    async fn progress_is_told_up_to_the_last_octet() {
        let (stream, mut server) = tokio::io::duplex(1024);
        let served = async move {
            let mut heard = vec![0; 16 * 1024];
            let say = b"220 mx\r\n250 mx\r\n250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n";
            for reply in say.split_inclusive(|octet| *octet == b'\n') {
                server.write_all(reply).await.unwrap();
                let mut end = &b"\r\n"[..];
                if reply.starts_with(b"354") {
                    end = b"\r\n.\r\n";
                }
                let mut had = 0;
                while !heard[..had].ends_with(end) {
                    match server.read(&mut heard[had..]).await.unwrap() {
                        0 => return,
                        octets => had += octets,
                    }
                }
            }
        };
        let content = b"0123456\r\n".repeat(1000);
        let mut told = Vec::new();
        let sent = async {
            let connector = Connector::new("mx").security(Security::None);
            let mut client = connector.connect_over(stream).await?;
            let envelope = Envelope::new("alice@example.org", ["bob@example.org"])?;
            let watch = |progress: Progress<'_>| {
                if let Progress::Octets(octets) = progress {
                    told.push(octets);
                }
            };
            client.send_watched(&envelope, &content, watch).await
        };
        let (delivery, ()) = tokio::join!(sent, served);
        assert!(delivery.unwrap().is_complete());
        assert_eq!(told.last(), Some(&9000));
        assert!(told.len() > 4, "the stream holds 1024 octets: {told:?}");
        assert!(told.is_sorted_by(|one, next| one < next), "{told:?}");
    }
}
