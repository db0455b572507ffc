//! Mails in a row: a stream of mails in, a delivery for each out, in order. How one mail is sent is
//! not here.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::client::Client;
use super::content::Content;
use super::conversation::Conversation;
use super::driver::{Arrival, Beside, Driver};
use super::watch::Watch;
use crate::error::{Error, ErrorKind};
use crate::protocol::{Delivery, Envelope, Phase, Stage};
use crate::wire::Param;

/// Mails on their way at most, where the client runs ahead: enough to fill a round trip, and few
/// enough that little is in doubt when the connection breaks.
const MOST: usize = 16;

/// A mail to be sent: who is to have it, and its content. Both are handed over or lent.
///
/// ```
/// use ehlo::{Envelope, Mail};
///
/// let envelope = Envelope::new("alice@example.org", ["bob@example.net"])?;
/// let content = "Subject: hello\r\n\r\nhello\r\n".to_owned();
/// let lent = Mail::new(&envelope, &content); // what is kept can be sent again
/// assert_eq!(lent.envelope(), &envelope);
/// let given: Mail<'static> = Mail::new(envelope.clone(), content.clone());
/// # let _ = given;
/// # Ok::<(), ehlo::InvalidEnvelope>(())
/// ```
#[derive(Debug)]
pub struct Mail<'a> {
    envelope: Cow<'a, Envelope>,
    content: Content<'a>,
}

impl<'a> Mail<'a> {
    /// A mail with content in memory, or from a [`Source`](super::Source).
    #[must_use]
    pub fn new(envelope: impl Into<Cow<'a, Envelope>>, content: impl Into<Content<'a>>) -> Self {
        Self { envelope: envelope.into(), content: content.into() }
    }

    /// Who is to have it.
    #[must_use]
    pub const fn envelope(&self) -> &Envelope {
        match &self.envelope {
            Cow::Borrowed(envelope) => envelope,
            Cow::Owned(envelope) => envelope,
        }
    }
}

/// What became of a mail of a batch.
#[derive(Debug)]
#[must_use = "recipients may have been refused, which is no error"]
#[non_exhaustive]
pub struct Sent {
    /// For each recipient.
    pub delivery: Delivery,
    /// Why it is *not sent* or *unknown* for some.
    pub error: Option<Error>,
}

/// Mails in a row over one connection, from [`Client::send_each`]: each gives its delivery, in the
/// order in which they went in.
///
/// Dropped, the client goes on as after any call that was dropped: what was on its way is read
/// off, and [`Client::take_delivery`] has what became of it, of a mail that waited for the one
/// before (it is *not sent*), and of whatever else was not fetched.
#[must_use = "nothing is sent until `next` is called"]
pub struct Deliveries<'a> {
    client: &'a mut Client,
    mails: Option<Mails<'a>>,
    /// A mail that was fetched and waits for the one before.
    fetched: Option<Mail<'a>>,
    /// The parameters of the mail before: those of the next take their place.
    params: Vec<Param>,
    /// How many mails have gone into the row, and how many have come out of it: between them are
    /// those that are on their way, and those that are `early`.
    begun: usize,
    told: usize,
    /// In order, each with its place in the row: of which all was known before their turn came.
    early: VecDeque<(usize, Sent)>,
    state: State,
    /// QUIT is said after the last mail.
    quits: bool,
}

/// Gives the next when it is there. A function, as a stream of `Mail<'m>` is none of `Mail<'a>`.
type Mails<'a> = Box<dyn FnMut(&mut Context<'_>) -> Poll<Option<Mail<'a>>> + Send + 'a>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// What the client has in flight is of earlier calls.
    New,
    /// Between two mails.
    Calm,
    /// A mail is being sent; or it was, in a call that was dropped.
    Sending,
}

impl Client {
    /// Sends mails in a row, and gives the delivery of each.
    ///
    /// A mail's failure does not touch the next. A mail is taken from the stream when the one
    /// before has been written, so that a slow server holds the stream back; its deliveries wait to
    /// be fetched. Memory does not grow with their number. When the session ends, with 421 or
    /// otherwise, or the server takes no more mails over this connection, what is left of the
    /// stream comes back *not sent*, each with the reason.
    ///
    /// Where [running ahead](super::Connector::run_ahead) was chosen and the server offers
    /// PIPELINING, the next mail goes out before the one before is answered, with at most 16 on
    /// their way. Over LMTP each waits for the one before.
    ///
    /// ```
    /// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (stream, server) = tokio::io::duplex(4096);
    /// # let _server = ehlo::testing::Server::new().serve(server)?;
    /// # let connector = ehlo::Connector::new("mx").security(ehlo::Security::None);
    /// # let mut client = connector.connect_over(stream).await?;
    /// use ehlo::{Envelope, Mail};
    ///
    /// let mails = ["bob", "eve"].map(|name| {
    ///     let envelope = Envelope::new("alice@example.org", [format!("{name}@example.net")])?;
    ///     Ok::<_, ehlo::InvalidEnvelope>(Mail::new(envelope, "Subject: hello\r\n\r\nhello\r\n"))
    /// });
    /// let mails = mails.into_iter().collect::<Result<Vec<_>, _>>()?;
    /// let mut deliveries = client.send_all(mails); // `send_each` takes a `Stream`
    /// while let Some(sent) = deliveries.next().await {
    ///     assert!(sent.delivery.is_complete(), "{:?}", sent.error);
    /// }
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_each<'a, 'm: 'a>(
        &'a mut self,
        mails: impl Stream<Item = Mail<'m>> + Send + 'a,
    ) -> Deliveries<'a> {
        let mut mails = Box::pin(mails);
        Deliveries::new(self, Box::new(move |cx| mails.as_mut().poll_next(cx)))
    }

    /// Sends the mails of an iterator in a row; see [`send_each`](Self::send_each).
    pub fn send_all<'a, 'm: 'a>(
        &'a mut self,
        mails: impl IntoIterator<Item = Mail<'m>, IntoIter: Send + 'a>,
    ) -> Deliveries<'a> {
        let mut mails = mails.into_iter();
        Deliveries::new(self, Box::new(move |_| Poll::Ready(mails.next())))
    }
}

impl Sent {
    /// Nothing more will be known of it. `error` is why, for the first of whom something is in doubt.
    fn concluded(driver: &mut Driver, delivery: Delivery, error: &mut Option<Error>) -> Self {
        let is_over = driver.session.phase() == Phase::Closed;
        let in_doubt = is_over && !delivery.is_decided();
        let error = in_doubt.then(|| error.take().unwrap_or_else(|| driver.closed()));
        let error = error.map(|error| error.about(&delivery));
        Self { delivery, error }
    }
}

impl<'a> Deliveries<'a> {
    fn new(client: &'a mut Client, mails: Mails<'a>) -> Self {
        Self {
            client,
            mails: Some(mails),
            fetched: None,
            params: Vec::new(),
            begun: 0,
            told: 0,
            early: VecDeque::new(),
            state: State::New,
            quits: false,
        }
    }

    /// Says QUIT after the last mail; over SMTP, and where the server offers PIPELINING, without
    /// waiting for what becomes of it. What becomes of QUIT is no error.
    pub const fn then_quit(mut self) -> Self {
        self.quits = true;
        self
    }

    /// What became of the next mail; `None` after the last.
    ///
    /// The call may be dropped at any await, and made again: no mail is forgotten.
    pub async fn next(&mut self) -> Option<Sent> {
        if self.state != State::Calm {
            self.take_up().await;
        }
        loop {
            if let Some(sent) = self.known() {
                return Some(sent);
            }
            if self.client.conversation.phase() == Phase::Closed {
                let left = self.not_sent().await;
                if left.is_none() && self.quits {
                    // What became of the mails does not depend on how the session ends.
                    let _ = self.client.leave().await;
                }
                return left;
            }
            // Where something was said meanwhile, more may be known.
            if self.fetched.is_none() && self.mails.is_some() && !self.fetch().await {
                continue;
            }
            if self.fetched.is_some()
                && self.client.is_unintroduced()
                && let Err(error) = self.client.reintroduce(Stage::Mail).await
                && let Some(mail) = self.fetched.take()
            {
                let delivery = Delivery::not_sent(&mail.envelope);
                return Some(Sent { delivery, error: Some(error) });
            }
            match self.fetched {
                Some(_) if self.may_send() => self.send().await,
                _ if self.awaits_replies() => self.hear().await,
                _ => {
                    if self.quits {
                        let _ = self.client.leave().await;
                    }
                    return None;
                }
            }
        }
    }

    /// What a call that was dropped has left in the middle of a mail is read off.
    async fn take_up(&mut self) {
        let settled = self.client.settle(Stage::Mail).await;
        if self.state == State::Sending {
            let count = self.on_their_way();
            let mut error = settled.err();
            for delivery in self.client.outbox.take_newest_kept(count) {
                let driver = &mut self.client.conversation.driver;
                let sent = Sent::concluded(driver, delivery, &mut error);
                self.put_by(sent);
            }
        }
        self.state = State::Calm;
    }

    /// How many are in the row.
    const fn len(&self) -> usize {
        self.begun - self.told
    }

    fn on_their_way(&self) -> usize {
        self.len() - self.early.len()
    }

    /// The first in the row, where all is known of it.
    fn known(&mut self) -> Option<Sent> {
        let Client { conversation: Conversation { driver, .. }, outbox, .. } = &mut *self.client;
        let known = match self.early.front() {
            Some((place, _)) if *place == self.told => self.early.pop_front().map(|(_, sent)| sent),
            _ if outbox.is_oldest_answered(&driver.session) => self.oldest(&mut None),
            _ => return None,
        };
        self.told += 1;
        known
    }

    /// What became of the oldest on its way: nothing more will be known of it. `error` is why, for
    /// the first of whom something is in doubt.
    fn oldest(&mut self, error: &mut Option<Error>) -> Option<Sent> {
        let Client { conversation: Conversation { driver, .. }, outbox, .. } = &mut *self.client;
        let delivery = outbox.conclude_oldest(&driver.session)?;
        Some(Sent::concluded(driver, delivery, error))
    }

    /// The same, and it is put by.
    fn conclude(&mut self, error: &mut Option<Error>) {
        if let Some(sent) = self.oldest(error) {
            self.put_by(sent);
        }
    }

    /// What became of the oldest on its way waits for its turn, among those known early.
    fn put_by(&mut self, sent: Sent) {
        let taken = self.early.iter().zip(self.told..);
        let before = taken.take_while(|((place, _), nth)| place == nth).count();
        self.early.insert(before, (self.told + before, sent));
    }

    /// The session is over: nothing more will be known of any.
    fn ended(&mut self, error: Error) {
        let mut error = Some(error);
        while self.client.outbox.len() > 0 {
            self.conclude(&mut error);
        }
    }

    /// Waits for the next mail, and hears what is said meanwhile. Whether it is known if there is
    /// one: else something was said.
    async fn fetch(&mut self) -> bool {
        let Some(mails) = &mut self.mails else { return true };
        let Client { conversation: Conversation { driver, .. }, outbox, .. } = &mut *self.client;
        let fetched = &mut self.fetched;
        match driver.beside(false, |cx| mails(cx).map(|mail| *fetched = mail)).await {
            Ok(Beside::Other(())) => {
                if self.fetched.is_none() {
                    self.mails = None;
                    if self.quits {
                        self.client.quit_ahead();
                    }
                }
                return true;
            }
            Ok(Beside::Event(event)) => match driver.check_reset() {
                Ok(()) => outbox.note(&driver.session, event),
                Err(error) => self.ended(error),
            },
            Err(error) => self.ended(error),
        }
        false
    }

    /// Hears what is said of those that are on their way.
    async fn hear(&mut self) {
        let Client { conversation: Conversation { driver, .. }, outbox, .. } = &mut *self.client;
        match driver.next().await {
            Ok(Arrival::Event(event)) => match driver.check_reset() {
                Ok(()) => outbox.note(&driver.session, event),
                Err(error) => self.ended(error),
            },
            Ok(_) => {}
            Err(error) => self.ended(error),
        }
    }

    /// Whether the mail that was fetched may go out behind those that are on their way.
    fn may_send(&self) -> bool {
        let most = if self.client.runs_ahead() { MOST } else { 1 };
        self.len() < most && self.client.conversation.driver.session.has_room()
    }

    /// Whether something will be said that has to be heard before anything else is done.
    fn awaits_replies(&self) -> bool {
        let in_flight = self.client.conversation.driver.session.in_flight() > 0;
        self.client.outbox.len() > 0 || (in_flight && self.fetched.is_some())
    }

    /// The mail that was fetched goes on its way.
    async fn send(&mut self) {
        let Some(Mail { envelope, content }) = self.fetched.take() else { return };
        self.client.conversation.driver.begin_next();
        let place = self.begun;
        self.begun += 1;
        let not_sent = |error| {
            let delivery = Delivery::not_sent(&envelope);
            (place, Sent { delivery, error: Some(error) })
        };
        let params = std::mem::take(&mut self.params);
        let mut job = match self.client.prepare_in(params, &envelope, content) {
            Ok(job) => job,
            Err(error) => return self.early.push_back(not_sent(error)),
        };
        if let Err(error) = self.client.start(&job) {
            return self.early.push_back(not_sent(error));
        }
        job.is_followed = self.client.runs_ahead();
        self.state = State::Sending;
        let Client { conversation: Conversation { driver, .. }, outbox, .. } = &mut *self.client;
        let sent = job.transmit(driver, outbox, &mut Watch::nobody()).await;
        self.state = State::Calm;
        self.params = job.params;
        let Err(error) = sent else { return };
        let is_over = driver.session.phase() == Phase::Closed;
        let is_own = matches!(
            error.kind(),
            ErrorKind::Source(_) | ErrorKind::Content(_) | ErrorKind::Misuse(_)
        );
        if is_over && !is_own {
            self.ended(error);
        } else if is_over {
            // Those before it did not fail by what this one has failed by.
            while self.client.outbox.len() > 1 {
                self.conclude(&mut None);
            }
            self.conclude(&mut Some(error));
        } else if let Some(delivery) = outbox.conclude_newest(&driver.session) {
            self.early.push_back((place, Sent { delivery, error: Some(error) }));
        }
    }

    /// The session is over: what is left comes back.
    async fn not_sent(&mut self) -> Option<Sent> {
        let mail = match (self.fetched.take(), &mut self.mails) {
            (None, Some(mails)) => poll_fn(|cx| mails(cx)).await,
            (mail, _) => mail,
        };
        let Some(Mail { envelope, .. }) = mail else {
            self.mails = None;
            return None;
        };
        let driver = &self.client.conversation.driver;
        let error = Some(driver.error(Stage::Mail, ErrorKind::Closed(None)));
        Some(Sent { delivery: Delivery::not_sent(&envelope), error })
    }
}

/// What nobody has fetched waits with the client, as that of any call that was dropped.
impl Drop for Deliveries<'_> {
    fn drop(&mut self) {
        self.client.conversation.driver.session.rest();
        self.client.outbox.rest();
        for (_, sent) in self.early.drain(..) {
            self.client.outbox.keep(sent.delivery);
        }
        if let Some(mail) = self.fetched.take() {
            self.client.outbox.keep(Delivery::not_sent(&mail.envelope));
        }
    }
}

impl fmt::Debug for Deliveries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliveries")
            .field("client", &self.client)
            .field("on_their_way", &self.on_their_way())
            .finish_non_exhaustive()
    }
}
