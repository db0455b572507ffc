//! A mail on its way: which command goes next, and which reply belongs to whom. It survives the
//! call that began it, so that an outcome is known even where nobody waits for it any more.

use std::iter;
use std::sync::Arc;

use super::delivery::Rcpt;
use super::{Declared, Delivery, Envelope, Event, Misuse, Phase, Protocol, Session, Ticket};
use crate::wire::{Command, ForwardPath, InvalidValue, Param, Reply, ReplyRef, ReversePath, Verb};

/// As a constant: which verb it has, and so which row of the table, is known where it is compiled.
static DATA: Command<'static> = Command::data();

/// A mail on its way over a [`Session`]: it sends the commands of an envelope as there is room,
/// matches their replies, and says what became of the mail.
///
/// ```
/// use ehlo::{Command, Dispatch, Due, Envelope, Session, SessionConfig, Step};
///
/// # let mut session = Session::new(SessionConfig::default());
/// # session.receive(b"220 mx.example.net\r\n");
/// # session.poll()?;
/// # session.send(&Command::ehlo("client.example.org")?)?;
/// # session.poll()?;
/// # session.write_to(&mut Vec::new(), &mut &b""[..])?;
/// # session.receive(b"250-mx.example.net\r\n250 PIPELINING\r\n");
/// # session.poll()?;
/// // a stream: what was written to it, and what can be read from it
/// let mut written = Vec::new();
/// let mut replies = [
///     &b"250 ok\r\n250 ok\r\n550 5.1.1 no such user\r\n354 go ahead\r\n"[..],
///     b"250 2.0.0 queued\r\n",
/// ]
/// .into_iter();
///
/// let envelope = Envelope::new("alice@example.org", ["bob@example.net", "nobody@example.net"])?;
/// let mut content = &b"Subject: hello\r\n\r\nhello\r\n"[..];
/// let mut dispatch = Dispatch::of(&envelope);
/// let delivery = loop {
///     match dispatch.advance(&mut session, &envelope, &[])? {
///         Due::Nothing => break dispatch.into_delivery(&session),
///         Due::Content => {
///             dispatch.content(&mut session, content.len())?;
///         }
///         Due::Reply => match session.poll()? {
///             Step::Event(event) => dispatch.note(&session, event),
///             Step::Write(_) => session.write_to(&mut written, &mut content)?,
///             Step::Read(_) => session.read_from(&mut replies.next().unwrap_or_default())?,
///             _ => session.end_of_input(),
///         },
///     }
/// };
/// let outcomes: Vec<_> = delivery.recipients().map(|one| one.outcome().to_string()).collect();
/// assert_eq!(outcomes, [
///     "accepted: 250 2.0.0 queued",
///     "refused: 550 5.1.1 no such user (in reply to RCPT TO)",
/// ]);
/// # assert!(written.ends_with(b"hello\r\n.\r\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Dispatch {
    delivery: Delivery,
    mail: Option<Ticket>,
    /// Of the last RCPT so far.
    rcpt: Option<Ticket>,
    data: Option<Ticket>,
    /// Of the first and the last chunk so far.
    chunks: Option<(Ticket, Ticket)>,
    /// Of the end of the content; over LMTP, of the first accepted recipient's.
    end: Option<Ticket>,
    go_ahead: bool,
    /// For how many of the recipients RCPT was sent, from the first.
    named: usize,
    /// How many of them are answered.
    answered: usize,
    /// Over LMTP: so many of them, from the first, need no more reply to the content.
    ended: usize,
    accepted: usize,
    /// The server takes no more recipients: the rest are not asked for.
    is_full: bool,
    /// That the server takes its commands was seen before the first of them, and what MAIL declares.
    checked: Option<Declared>,
    way: Way,
}

/// How the content goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Way {
    #[default]
    Data,
    Bdat {
        /// Before the recipients are answered.
        ahead: bool,
    },
}

/// What a [`Dispatch`] waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a fourth would have to break every caller")]
pub enum Due {
    /// A reply, room for the next command, or that what was promised is written: the session says
    /// which.
    Reply,
    /// The content.
    Content,
    /// Nothing: the outcome is known.
    Nothing,
}

impl Dispatch {
    /// A mail to these recipients, of which nothing has been sent.
    #[must_use]
    pub fn new(recipients: &[ForwardPath]) -> Self {
        Self::to(Arc::new(recipients.to_vec()))
    }

    /// A mail to the recipients of an envelope, of which nothing has been sent. Their list is
    /// shared, and not copied.
    #[must_use]
    pub fn of(envelope: &Envelope) -> Self {
        Self::to(envelope.shared_recipients())
    }

    fn to(recipients: Arc<Vec<ForwardPath>>) -> Self {
        Self {
            delivery: Delivery::to(recipients),
            mail: None,
            rcpt: None,
            data: None,
            chunks: None,
            end: None,
            go_ahead: false,
            named: 0,
            answered: 0,
            ended: 0,
            accepted: 0,
            is_full: false,
            checked: None,
            way: Way::Data,
        }
    }

    /// Notes how many lines of the content a server need not take (see
    /// [`Needs::long_lines`](super::Needs::long_lines)): the delivery tells it.
    #[must_use]
    pub const fn with_long_lines(mut self, lines: u64) -> Self {
        self.delivery.long_lines = lines;
        self
    }

    /// Sends the content over BDAT in place of DATA, cut into [chunks](Self::chunk), the first of
    /// which waits until every recipient is answered.
    #[must_use]
    pub const fn over_bdat(mut self) -> Self {
        self.way = Way::Bdat { ahead: false };
        self
    }

    /// Sends the content over BDAT, and the first chunk waits for nothing where the session
    /// [runs ahead](super::SessionConfig::run_ahead).
    #[must_use]
    pub const fn running_ahead(mut self) -> Self {
        self.way = Way::Bdat { ahead: true };
        self
    }

    /// Every command of the mail has passed [`Session::check_prepared`], and the parameters of MAIL,
    /// which declare this, [`refuse_resumable`](Self::refuse_resumable).
    #[cfg(feature = "net")]
    pub(crate) const fn checked(mut self, declared: Declared) -> Self {
        self.checked = Some(declared);
        self
    }

    /// Sends as many commands of the envelope as there is room for, MAIL with these parameters.
    /// Recipients beyond what the server takes by its LIMITS (RFC 9422) are not asked for: they are
    /// *not sent*.
    ///
    /// # Errors
    /// A command cannot be sent. Those before it have been.
    pub fn advance(
        &mut self,
        session: &mut Session,
        envelope: &Envelope,
        params: &[Param],
    ) -> Result<Due, Misuse> {
        // That the server ended the session is no misuse: what is known is all that will be.
        if session.phase() == Phase::Closed {
            return Ok(Due::Nothing);
        }
        if self.mail.is_none() {
            if !session.has_room() {
                return Ok(Due::Reply);
            }
            if self.checked.is_none() {
                Self::check_params(params)?;
            }
            self.put_mail(session, envelope.sender(), params)?;
        }
        let is_refused = self.is_mail_refused();
        let recipients = envelope.recipients();
        if self.named < recipients.len() && !is_refused && !self.is_full {
            if !session.has_room() {
                return Ok(Due::Reply);
            }
            let rest = recipients.iter().enumerate().skip(self.named);
            let rest = rest.map(|(n, recipient)| (recipient, envelope.recipient_params(n)));
            match self.name(session, rest) {
                Err(Misuse::LimitReached { .. }) => self.is_full = true,
                named => named?,
            }
            if self.named < recipients.len() && !self.is_full {
                return Ok(Due::Reply);
            }
        }
        if self.way == Way::Data && self.data.is_none() && !is_refused {
            if !session.has_room() {
                return Ok(Due::Reply);
            }
            // Where every reply is in and nobody was accepted, there is nothing to send.
            if session.ahead() == Phase::Recipients {
                self.put_data(session)?;
            }
        }
        Ok(match session.in_flight() {
            _ if self.is_content_due(session) => Due::Content,
            // What was promised has to be written first: more of it may follow.
            0 if session.promised() == 0 => Due::Nothing,
            _ => Due::Reply,
        })
    }

    /// Sends MAIL.
    ///
    /// # Errors
    /// It cannot be sent, or has a TRANSID: where a server goes on with a mail, it must not have
    /// all of the content once more. Nothing has changed.
    pub fn mail(
        &mut self,
        session: &mut Session,
        sender: &ReversePath,
        params: &[Param],
    ) -> Result<Ticket, Misuse> {
        Self::check_params(params)?;
        session.allows(Verb::Mail)?;
        self.put_mail(session, sender, params)
    }

    /// Whether MAIL of a dispatch may have these parameters.
    fn check_params(params: &[Param]) -> Result<(), InvalidValue> {
        Self::refuse_resumable(params)?;
        Command::refuse_repeated(params)
    }

    /// A server that goes on with a mail must not have all of its content once more.
    pub(crate) fn refuse_resumable(params: &[Param]) -> Result<(), InvalidValue> {
        match params.iter().find(|param| param.is("TRANSID")) {
            None => Ok(()),
            Some(resumable) => {
                let reason = "a mail that may go on is sent command by command";
                Err(InvalidValue::new("parameter", resumable.to_string(), reason))
            }
        }
    }

    fn put_mail(
        &mut self,
        session: &mut Session,
        sender: &ReversePath,
        params: &[Param],
    ) -> Result<Ticket, Misuse> {
        let command = Command::mail_lent(sender, params);
        let ticket = session.send_mail(&command, self.checked)?;
        session.make_room_for(self.delivery.recipients.len());
        self.mail = Some(ticket);
        Ok(ticket)
    }

    /// Sends RCPT for one more recipient: the next of those that are expected, another of them,
    /// or one besides.
    ///
    /// # Errors
    /// It cannot be sent; nothing has changed.
    pub fn rcpt(
        &mut self,
        session: &mut Session,
        recipient: &ForwardPath,
        params: &[Param],
    ) -> Result<Ticket, Misuse> {
        Command::refuse_repeated(params)?;
        session.allows(Verb::Rcpt)?;
        let ticket = session.next_ticket();
        self.name(session, iter::once((recipient, params)))?;
        Ok(ticket)
    }

    /// Sends RCPT for the recipients that come next, as long as there is room.
    #[inline(always)]
    fn name<'a>(
        &mut self,
        session: &mut Session,
        recipients: impl Iterator<Item = (&'a ForwardPath, &'a [Param])>,
    ) -> Result<(), Misuse> {
        session.send_rcpts(recipients, self.checked.is_some(), |recipient, ticket| {
            let n = self.named;
            // Replies are matched by place: whoever is named out of turn takes the next one.
            if !self.delivery.is_next(recipient, n) {
                self.delivery.move_up(recipient, n);
            }
            if let Some(addressee) = self.delivery.recipients.get_mut(n) {
                addressee.rcpt = Rcpt::Sent(ticket);
            }
            self.named = n + 1;
            self.rcpt = Some(ticket);
        })
    }

    /// Sends DATA.
    ///
    /// # Errors
    /// It cannot be sent; nothing has changed.
    pub fn data(&mut self, session: &mut Session) -> Result<Ticket, Misuse> {
        session.allows(Verb::Data)?;
        self.put_data(session)
    }

    fn put_data(&mut self, session: &mut Session) -> Result<Ticket, Misuse> {
        let ticket = session.send_in_room(&DATA, self.checked.is_some())?;
        self.data = Some(ticket);
        Ok(ticket)
    }

    /// Sends a chunk of the content with BDAT; its octets are to be lent to
    /// [`Session::gather`].
    ///
    /// # Errors
    /// It cannot be sent; nothing has changed.
    pub fn chunk(
        &mut self,
        session: &mut Session,
        octets: u64,
        last: bool,
    ) -> Result<Ticket, Misuse> {
        let ticket = session.send(&Command::bdat(octets, last))?;
        if last {
            self.end = Some(ticket);
        } else {
            let (first, _) = self.chunks.unwrap_or((ticket, ticket));
            self.chunks = Some((first, ticket));
        }
        Ok(ticket)
    }

    /// Sends all of the content, over DATA or BDAT: so many octets, which are to be lent to
    /// [`Session::gather`], and its end.
    ///
    /// # Errors
    /// The content is not awaited; nothing has changed.
    pub fn content(&mut self, session: &mut Session, octets: usize) -> Result<Ticket, Misuse> {
        match self.way {
            Way::Data => {
                session.content(octets)?;
                self.finish(session)
            }
            Way::Bdat { .. } => self.chunk(session, octets as u64, true),
        }
    }

    /// Ends the content after what was promised.
    ///
    /// # Errors
    /// The content is not awaited; nothing has changed.
    pub fn finish(&mut self, session: &mut Session) -> Result<Ticket, Misuse> {
        let ticket = session.finish()?;
        self.end = Some(ticket);
        Ok(ticket)
    }

    /// Whether more of the content can be sent now: it has not been ended, and what was promised of
    /// it is written.
    #[must_use]
    pub fn is_content_due(&self, session: &Session) -> bool {
        let goes_on = match self.way {
            Way::Data => self.go_ahead && session.phase() == Phase::Content,
            Way::Bdat { ahead } => {
                let is_answered = |last| session.is_answered(last);
                let may_begin = ahead || self.rcpt.is_some_and(is_answered);
                may_begin && !self.is_mail_refused() && session.allows(Verb::Bdat).is_ok()
            }
        };
        goes_on && self.end.is_none() && session.promised() == 0
    }

    /// Whether the end of the content has been sent: all that is left is to wait.
    #[must_use]
    #[inline]
    pub const fn is_ended(&self) -> bool {
        self.end.is_some()
    }

    /// Whether every command that was sent has its reply.
    #[must_use]
    pub fn is_answered(&self, session: &Session) -> bool {
        let ends = match session.protocol() {
            Protocol::Smtp => 1,
            Protocol::Lmtp => self.accepted.max(1) as u64,
        };
        let last = match self.end {
            Some(end) => Some(end.plus(ends - 1)),
            None => {
                let before_content = self.mail.max(self.rcpt).max(self.data);
                before_content.max(self.chunks.map(|(_, last)| last))
            }
        };
        last.is_none_or(|last| session.is_answered(last))
    }

    /// The ticket of MAIL, once it has been sent: those of the mail's other commands are behind it.
    #[cfg(feature = "net")]
    #[inline]
    pub(crate) const fn first(&self) -> Option<Ticket> {
        self.mail
    }

    /// Takes note of an event of the session.
    pub fn note(&mut self, session: &Session, event: Event) {
        let Some(reply) = session.reply() else { return };
        let place = if let Event::Reply(ticket) = event {
            self.answered(session, ticket, reply)
        } else {
            self.told(event)
        };
        if let Some(place) = place {
            keep(place, reply);
        }
    }

    /// Takes note of what is not the last reply to a command: where it belongs, if anywhere.
    fn told(&mut self, event: Event) -> Option<&mut Option<Reply>> {
        let Delivery { replies, written, .. } = &mut self.delivery;
        match event {
            Event::GoAhead(ticket) if self.data == Some(ticket) => {
                self.go_ahead = true;
                Some(&mut replies.data)
            }
            // That of a mail behind this one, where its own end is answered; and behind a refused
            // chunk everything is refused: the first refusal is the reason.
            Event::ContentRefused if !*written && replies.end.is_none() => Some(&mut replies.end),
            _ => None,
        }
    }

    /// Takes note of a reply to a command. One that is for all recipients goes to the place that is
    /// given.
    #[inline]
    fn answered(
        &mut self,
        session: &Session,
        ticket: Ticket,
        reply: ReplyRef<'_>,
    ) -> Option<&mut Option<Reply>> {
        let delivery = &mut self.delivery;
        if self.mail == Some(ticket) {
            return Some(&mut delivery.replies.mail);
        }
        if self.data == Some(ticket) {
            return Some(&mut delivery.replies.data);
        }
        // Replies come in order: the first that is awaited is meant, or its reply was not noted.
        while let Some(addressee) = delivery.recipients.get_mut(self.answered)
            && let Rcpt::Sent(sent) = addressee.rcpt
            && sent <= ticket
        {
            self.answered += 1;
            if sent == ticket {
                let said = delivery.replies.keep(reply);
                addressee.rcpt = if reply.is_negative() {
                    Rcpt::Refused { said, follows_accepted: self.accepted > 0 }
                } else {
                    self.accepted += 1;
                    Rcpt::Accepted(said)
                };
                return None;
            }
        }
        if self.chunks.is_some_and(|(first, last)| (first..=last).contains(&ticket)) {
            let is_reason = reply.is_negative() && delivery.replies.end.is_none();
            delivery.is_cut |= is_reason;
            return is_reason.then_some(&mut delivery.replies.end);
        }
        let n = ticket.since(self.end?)?;
        match session.protocol() {
            Protocol::Smtp if n > 0 => None, // of what was sent behind this mail
            Protocol::Smtp => {
                delivery.written = true;
                delivery.replies.end.is_none().then_some(&mut delivery.replies.end)
            }
            Protocol::Lmtp => {
                let n = delivery.next_accepted(self.ended)?;
                let said = delivery.replies.keep(reply);
                if let Some(addressee) = delivery.recipients.get_mut(n) {
                    addressee.end = Some(said);
                }
                self.ended = n + 1;
                delivery.written = true;
                None
            }
        }
    }

    /// What is known so far; who is not decided yet reads as *not sent*.
    pub const fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// Whether the server has decided for every recipient.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        self.delivery.is_decided()
    }

    /// What became of the mail, when nothing more will come. Recipients that were never asked for
    /// are *not sent*.
    pub fn into_delivery(self, session: &Session) -> Delivery {
        let Self { mut delivery, end, .. } = self;
        delivery.written |= end.is_some_and(|end| session.is_written(end));
        delivery
    }

    #[inline]
    fn is_mail_refused(&self) -> bool {
        self.delivery.mail().is_some_and(Reply::is_negative)
    }
}

/// Apart, as nearly all that is said is said again of a recipient, and not kept.
#[inline(never)]
fn keep(place: &mut Option<Reply>, reply: ReplyRef<'_>) {
    *place = Some(reply.to_reply());
}
