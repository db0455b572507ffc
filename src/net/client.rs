//! Mails over a conversation: sent whole, or stage by stage. What becomes of a mail is kept here
//! even where the call that sent it was dropped.

use std::collections::VecDeque;
use std::fmt;

use super::conversation::Conversation;
use super::driver::Arrival;
use super::transaction::Transaction;
use crate::error::{Error, ErrorKind};
use crate::extension::{BodyType, EightBitMime, Extension, MailParam, Size, SmtpUtf8};
use crate::protocol::{Delivery, Dispatch, Due, Envelope, Misuse, Phase, Stage};
use crate::wire::{Command, LineEndings, Param, Retry, ReversePath, Scan};

/// Outcomes that wait at most: whoever never takes them does not want them.
const KEPT: usize = 256;

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
/// and anything behind the end of the content:
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
    pub(super) line_endings: LineEndings,
    /// The mail on its way. It outlives the call that sent it.
    pub(super) dispatch: Option<Dispatch>,
    /// Whether somebody waits for its outcome, or did: not for a transaction that was given up.
    pub(super) wanted: bool,
    /// What became of mails whose call was dropped, or failed.
    deliveries: VecDeque<Delivery>,
}

impl Client {
    pub(super) const fn new(conversation: Conversation, line_endings: LineEndings) -> Self {
        Self {
            conversation,
            line_endings,
            dispatch: None,
            wanted: false,
            deliveries: VecDeque::new(),
        }
    }

    /// Sends a mail and says what became of it, for each recipient.
    ///
    /// MAIL, every RCPT and DATA go out together where the server offers PIPELINING. SIZE, BODY
    /// and SMTPUTF8 are chosen from the content and the addresses, unless the envelope gives them.
    ///
    /// # Errors
    /// Nothing was sent, because the server does not offer what the mail needs or the content
    /// cannot be sent; or the session ended before all was known. What is known then is kept for
    /// [`take_delivery`](Self::take_delivery). Refusals are no errors.
    pub async fn send(
        &mut self,
        envelope: &Envelope,
        content: impl AsRef<[u8]> + Send,
    ) -> Result<Delivery, Error> {
        self.send_with_progress(envelope, content, |_| ()).await
    }

    /// Sends a mail as [`send`](Self::send) does, and tells how many octets of the content the stream
    /// has taken so far, whenever it takes no more for a while and at the end.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub async fn send_with_progress(
        &mut self,
        envelope: &Envelope,
        content: impl AsRef<[u8]> + Send,
        progress: impl FnMut(u64) + Send,
    ) -> Result<Delivery, Error> {
        self.settle(Stage::Mail).await?;
        let content = content.as_ref();
        let scan = Scan::of(content);
        let params = self.params(envelope, content, &scan)?;
        let driver = &self.conversation.driver;
        let checked = driver.session.check_mail(envelope, &params);
        checked.map_err(|misuse| driver.error(Stage::Mail, misuse))?;
        self.clear_way()?;
        self.dispatch = Some(Dispatch::new(envelope.recipients()));
        self.wanted = true;
        let sent = self.carry_out(envelope, &params, content, &scan, progress).await;
        self.concluded(sent)
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
    /// The server refuses the sender or does not offer a parameter, the address cannot be said here,
    /// or the session is over.
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

    /// What became of a mail whose call was dropped or failed, the oldest first: each is kept
    /// until it is taken, or 256 more have come. Waits for the replies that are still awaited.
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
        self.deliveries.pop_front()
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
        if session.phase() == Phase::Content || session.promised() > 0 {
            session.close();
        }
        self.conversation
    }

    /// A call begins, with this stage: what belongs to one that was dropped is read off.
    async fn settle(&mut self, stage: Stage) -> Result<(), Error> {
        let Self { conversation, dispatch, .. } = self;
        let settled = conversation
            .driver
            .settle(stage, |session, event| {
                if let Some(dispatch) = dispatch {
                    dispatch.note(session, event);
                }
            })
            .await;
        self.conclude();
        // Where the mail before is in doubt, this one is not.
        settled.map_err(|error| match error.retry() {
            Retry::Unknown => self.conversation.driver.error(stage, ErrorKind::Closed(None)),
            _ => error,
        })
    }

    /// Nothing more will be known of the mail on its way.
    pub(super) fn conclude(&mut self) {
        let delivery = self.outcome();
        self.deliveries.extend(delivery);
        if self.deliveries.len() > KEPT {
            self.deliveries.pop_front();
        }
    }

    /// The same where the call is still there: what it has come to is its own. Where the server has
    /// decided for every recipient, the promise is kept whatever became of the session.
    pub(super) fn concluded(&mut self, ended: Result<(), Error>) -> Result<Delivery, Error> {
        let is_decided = self.dispatch.as_ref().is_some_and(Dispatch::is_decided);
        match ended.or_else(|error| if is_decided { Ok(()) } else { Err(error) }) {
            Ok(()) => self.outcome().ok_or_else(|| self.conversation.driver.closed()),
            Err(error) => {
                self.conclude();
                Err(error)
            }
        }
    }

    fn outcome(&mut self) -> Option<Delivery> {
        let dispatch = self.dispatch.take().filter(|_| self.wanted)?;
        Some(dispatch.into_delivery(&self.conversation.driver.session))
    }

    /// Ends a transaction that an earlier mail left open. The RSET goes out with what follows it
    /// where it can.
    fn clear_way(&mut self) -> Result<(), Error> {
        let driver = &mut self.conversation.driver;
        if !matches!(driver.session.phase(), Phase::Ready | Phase::Hello) {
            let sent = driver.session.send(&Command::rset());
            sent.map_err(|misuse| driver.error(Stage::Rset, misuse))?;
        }
        Ok(())
    }

    async fn carry_out(
        &mut self,
        envelope: &Envelope,
        params: &[Param],
        content: &[u8],
        scan: &Scan,
        mut progress: impl FnMut(u64) + Send,
    ) -> Result<(), Error> {
        let mut told = 0;
        let mut tell = |left: usize| {
            let taken = content.len().saturating_sub(left) as u64;
            if taken != told {
                told = taken;
                progress(taken);
            }
        };
        let Self { conversation: Conversation { driver, .. }, dispatch, .. } = self;
        let Some(dispatch) = dispatch else {
            return Ok(());
        };
        let mut rest = content;
        loop {
            let due = dispatch
                .advance(&mut driver.session, envelope, params)
                .map_err(|misuse| driver.error(Stage::Mail, misuse))?;
            match due {
                Due::Nothing if dispatch.is_decided() => return Ok(()),
                Due::Nothing => return Err(driver.closed()),
                Due::Content => {
                    driver.enter(Stage::Content);
                    driver.session.scanned(scan);
                    driver
                        .session
                        .content(content.len())
                        .and_then(|()| dispatch.finish(&mut driver.session))
                        .map_err(|misuse| driver.error(Stage::Content, misuse))?;
                }
                Due::Reply => {
                    if let Arrival::Event(event) =
                        driver.carry_telling(&mut rest, &mut tell).await?
                    {
                        driver.check_reset()?;
                        dispatch.note(&driver.session, event);
                        if event == crate::protocol::Event::ContentRefused {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }

    /// The parameters of MAIL: those given, and those that the content needs.
    fn params(
        &self,
        envelope: &Envelope,
        content: &[u8],
        scan: &Scan,
    ) -> Result<Vec<Param>, Error> {
        let driver = &self.conversation.driver;
        let offered = self.conversation.capabilities();
        let mut params = envelope.params().to_vec();
        let given = |keyword| envelope.params().iter().find(|param| param.is(keyword));
        let fail = |kind: ErrorKind| driver.error(Stage::Mail, kind);

        let body = given("BODY").and_then(BodyType::of);
        if body == Some(BodyType::BinaryMime) {
            return Err(fail(Misuse::BinaryOverData.into()));
        }
        let eight_bit = match body {
            Some(body) => body == BodyType::EightBitMime,
            None => scan.eight_bit().is_some(),
        };
        // Over DATA nothing goes out as it is: what would fail within it is refused before MAIL.
        let line_endings = match self.line_endings {
            LineEndings::Raw => LineEndings::Reject,
            text => text,
        };
        scan.check(line_endings, eight_bit).map_err(|fault| fail(fault.into()))?;
        if let (Some(offset), None) = (scan.eight_bit(), body) {
            if !offered.has(EightBitMime::KEYWORD) {
                return Err(fail(ErrorKind::Unsupported {
                    keyword: EightBitMime::KEYWORD.to_owned(),
                    needs: format!("content with octets above 127 (the first at {offset})"),
                }));
            }
            params.push(MailParam::body(BodyType::EightBitMime).into());
        }
        let needs_utf8 = match envelope.beyond_ascii() {
            Some(address) => Some(format!("the address {address}")),
            None => has_utf8_header(content, scan).then(|| "a header field in UTF-8".to_owned()),
        };
        if let Some(needs) = needs_utf8.filter(|_| given(SmtpUtf8::KEYWORD).is_none()) {
            if !offered.has(SmtpUtf8::KEYWORD) {
                let keyword = SmtpUtf8::KEYWORD.to_owned();
                return Err(fail(ErrorKind::Unsupported { keyword, needs }));
            }
            params.push(MailParam::smtputf8().into());
        }
        if let Some(size) = offered.get::<Size>() {
            let octets = scan.normalized_len(line_endings);
            if let Some(limit) = size.limit().filter(|limit| octets > *limit) {
                return Err(fail(ErrorKind::TooLarge { octets, limit }));
            }
            if given(Size::KEYWORD).is_none() {
                params.push(MailParam::size(octets).into());
            }
        }
        Ok(params)
    }
}

/// Whether the header section is UTF-8 beyond ASCII (RFC 6532). Octets above 127 that are not
/// UTF-8 are broken mail from before it, which 8BITMIME carries.
fn has_utf8_header(content: &[u8], scan: &Scan) -> bool {
    let Some(first) = scan.eight_bit().and_then(|offset| usize::try_from(offset).ok()) else {
        return false;
    };
    if content.starts_with(b"\r\n") || content.starts_with(b"\n") {
        return false;
    }
    let end = [&b"\n\r\n"[..], b"\n\n"]
        .iter()
        .filter_map(|blank| memchr::memmem::find(content, blank))
        .min()
        .unwrap_or(content.len());
    first < end && content.get(..end).is_some_and(|header| std::str::from_utf8(header).is_ok())
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
            let progress = |octets| told.push(octets);
            client.send_with_progress(&envelope, &content, progress).await
        };
        let (delivery, ()) = tokio::join!(sent, served);
        assert!(delivery.unwrap().is_complete());
        assert_eq!(told.last(), Some(&9000));
        assert!(told.len() > 4, "the stream holds 1024 octets: {told:?}");
        assert!(told.is_sorted_by(|one, next| one < next), "{told:?}");
    }
}
