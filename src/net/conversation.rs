//! What one types into telnet: any lawful command, every reply in the caller's hands. Whole
//! mails, and what becomes of them, are the client's.

use std::fmt;

use super::connector::InClear;
use super::driver::{Arrival, Driver};
#[cfg(feature = "tls")]
use super::tls::TlsInfo;
use crate::error::Error;
use crate::extension::Capabilities;
use crate::protocol::{Misuse, Phase, Session, Stage, Transcript};
use crate::wire::{ClientName, Command, Reply, Verb};

/// A conversation with a server, command by command.
///
/// A negative reply is data here. Errors are what leaves no reply: a command out of order, a
/// server that breaks the protocol, a link that breaks, a deadline.
///
/// Any call may be dropped at any await: nothing is lost by it. The next call first reads the
/// replies that belong to the dropped one, or says that the session is over.
///
/// ```
/// # async fn example(stream: tokio::net::TcpStream) -> Result<(), ehlo::Error> {
/// use ehlo::{Command, Conversation};
///
/// let mut smtp = Conversation::open(stream).await?; // reads the greeting
/// let reply = smtp.say(&Command::ehlo("client.example.org")?).await?;
/// println!("{reply:#}"); // 2yz or 5yz: both are replies
/// smtp.quit().await?;
/// # Ok(())
/// # }
/// ```
pub struct Conversation {
    pub(super) driver: Driver,
    pub(super) greeting: Reply,
    pub(super) client_name: ClientName,
    pub(super) in_clear: Option<Box<InClear>>,
}

impl Conversation {
    /// Opens a conversation in clear over any stream, and reads the greeting. A
    /// [`Connector`](super::Connector) opens one with TLS and settings.
    ///
    /// # Errors
    /// The greeting is not 220 (QUIT has been said then), or none came.
    pub async fn open<S>(stream: S) -> Result<Self, Error>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        super::Connector::new("").security(super::Security::None).open_over(stream).await
    }

    /// The greeting with which the server opened the session.
    #[must_use]
    pub const fn greeting(&self) -> &Reply {
        &self.greeting
    }

    /// Says a command and waits for its reply. Behind a 220 to STARTTLS the handshake is run
    /// before this returns; after 354 [`content`](Self::content) is next, after 334
    /// [`respond`](Self::respond).
    ///
    /// # Errors
    /// There is no reply: the command may not be said here (nothing was sent), or the session is
    /// over.
    pub async fn say(&mut self, command: &Command<'_>) -> Result<Reply, Error> {
        let verb = command.verb();
        self.settle(Stage::of(verb)).await?;
        self.can_say(verb).map_err(|misuse| self.driver.misuse(misuse))?;
        self.driver.ask(|session| session.send(command)).await?;
        let reply = self.reply()?;
        if self.driver.session.phase() == Phase::Handshake {
            self.secure().await?;
        }
        Ok(reply)
    }

    /// Says commands in order, and hears a reply for each. Where the server offers PIPELINING, as
    /// many are on their way as may be (RFC 2920 §3.1); otherwise one at a time.
    ///
    /// A refusal is a reply and stops nothing. What was sent ahead in the belief that MAIL would be
    /// accepted is refused by the server then; where it was not sent yet, it may not be said any
    /// more, which is an error.
    ///
    /// ```
    /// # async fn example(mut smtp: ehlo::Conversation) -> Result<(), Box<dyn std::error::Error>> {
    /// use ehlo::{Command, ForwardPath, ReversePath};
    ///
    /// let (sender, bob): (ReversePath, ForwardPath) =
    ///     ("alice@example.org".parse()?, "bob@example.org".parse()?);
    /// let group = [Command::mail(&sender), Command::rcpt(&bob), Command::rset()];
    /// for reply in smtp.say_all(group).await? {
    ///     println!("{reply}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Some command has no reply: it may not be said although all before it were answered (it was
    /// not sent, and nothing after it), or the session is over. The replies that came are in
    /// [`Error::earlier`], from the first command's on.
    pub async fn say_all<'c>(
        &mut self,
        commands: impl IntoIterator<Item = Command<'c>, IntoIter: Send>,
    ) -> Result<Vec<Reply>, Error> {
        let mut replies = Vec::new();
        match self.say_each(commands.into_iter(), &mut replies).await {
            Ok(()) => Ok(replies),
            Err(error) => Err(error.after(replies)),
        }
    }

    /// Answers a 334; the octets are base64-encoded on their way.
    ///
    /// # Errors
    /// There is no reply, as for [`say`](Self::say).
    pub async fn respond(&mut self, response: &[u8]) -> Result<Reply, Error> {
        self.driver.begin(Stage::Auth);
        self.driver.ask(|session| session.respond(response)).await?;
        self.reply()
    }

    /// Gives up an AUTH dialogue with `*`.
    ///
    /// # Errors
    /// There is no reply, as for [`say`](Self::say).
    pub async fn cancel_auth(&mut self) -> Result<Reply, Error> {
        self.driver.begin(Stage::Auth);
        self.driver.ask(Session::cancel_auth).await?;
        self.reply()
    }

    /// Sends a whole content after a 354, and waits for the final reply: one over SMTP, one for
    /// each accepted recipient over LMTP (fewer where the server ends the session with 421 midway).
    /// Line ends are made right and dots stuffed.
    ///
    /// ```
    /// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
    /// use ehlo::{Command, Conversation, ForwardPath, ReversePath};
    ///
    /// # let (stream, server) = tokio::io::duplex(4096);
    /// # let _server = ehlo::testing::Server::new().serve(server)?;
    /// let mut smtp = Conversation::open(stream).await?;
    /// smtp.say(&Command::ehlo("client.example.org")?).await?;
    /// smtp.say(&Command::mail("alice@example.org".parse::<ReversePath>()?)).await?;
    /// smtp.say(&Command::rcpt("bob@example.net".parse::<ForwardPath>()?)).await?;
    /// smtp.say(&Command::data()).await?; // 354
    /// let replies = smtp.content(b"Subject: hello\r\n\r\nhello\r\n").await?;
    /// assert!(replies[0].is_completed());
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// There is no reply, as for [`say`](Self::say), or the content cannot be sent. The session
    /// is over then: DATA has no other way out. Replies that came before stand in
    /// [`Error::earlier`].
    pub async fn content(&mut self, content: &[u8]) -> Result<Vec<Reply>, Error> {
        self.driver.begin(Stage::Content);
        let session = &mut self.driver.session;
        let begun = session.content(content.len()).and_then(|()| session.finish());
        begun.map_err(|misuse| self.driver.misuse(misuse))?;
        self.hear_all(content).await
    }

    /// Sends a chunk of the content with BDAT, as it is, and waits for its reply; over LMTP the
    /// last chunk has one for each accepted recipient. Behind a refused chunk RSET is due (RFC 3030
    /// §2).
    ///
    /// Unless MAIL said `BODY=BINARYMIME`, the chunks are text: every line ends in CRLF, of which
    /// the last may lack.
    ///
    /// ```
    /// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
    /// use ehlo::{Command, Conversation, ForwardPath, ReversePath};
    ///
    /// # let (stream, server) = tokio::io::duplex(4096);
    /// # let script = "S: 220 mx\nC: EHLO c.example\nS: 250-mx\nS: 250 CHUNKING\n\
    /// #     C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\nS: 250 ok\n\
    /// #     C: BDAT 18\nC: <content 18>\nS: 250 ok\nC: BDAT 7 LAST\nC: <content 7>\nS: 250 ok\n";
    /// # let _server = ehlo::testing::Server::script(script.parse()?).serve(server)?;
    /// let mut smtp = Conversation::open(stream).await?;
    /// smtp.say(&Command::ehlo("c.example")?).await?;
    /// smtp.say(&Command::mail("alice@example.org".parse::<ReversePath>()?)).await?;
    /// smtp.say(&Command::rcpt("bob@example.net".parse::<ForwardPath>()?)).await?;
    /// smtp.chunk(b"Subject: hello\r\n\r\n", false).await?;
    /// let replies = smtp.chunk(b"hello\r\n", true).await?;
    /// assert!(replies[0].is_completed());
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// There is no reply, as for [`say`](Self::say), or the chunk cannot be sent: the session is
    /// over then. Replies that came before stand in [`Error::earlier`].
    pub async fn chunk(&mut self, content: &[u8], last: bool) -> Result<Vec<Reply>, Error> {
        self.settle(Stage::Content).await?;
        let chunk = Command::bdat(content.len() as u64, last);
        let sent = self.driver.session.send(&chunk);
        sent.map_err(|misuse| self.driver.misuse(misuse))?;
        self.hear_all(content).await
    }

    /// Says QUIT, waits for its reply, and closes. What became of mails before does not depend
    /// on it. What is left is to look at the transcript: any other call says that the session is
    /// over.
    ///
    /// # Errors
    /// The session was over before, or there was no reply to QUIT: it is over all the same.
    pub async fn quit(&mut self) -> Result<(), Error> {
        self.settle(Stage::Quit).await?;
        self.driver.quit().await.map_or(Ok(()), Err)
    }

    /// Whether a verb may be said now.
    ///
    /// # Errors
    /// Why it may not.
    pub fn allows(&self, verb: Verb) -> Result<(), Misuse> {
        self.driver.session.allows(verb)
    }

    /// What the server offers, by its last accepted EHLO.
    #[must_use]
    pub const fn capabilities(&self) -> &Capabilities {
        self.driver.session.capabilities()
    }

    /// Where the session stands.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.driver.session.phase()
    }

    /// The name that this client gives itself in EHLO.
    #[must_use]
    pub const fn client_name(&self) -> &ClientName {
        &self.client_name
    }

    /// What was said, where a transcript was asked for.
    #[must_use]
    pub fn transcript(&self) -> Option<&Transcript> {
        self.driver.session.transcript()
    }

    /// What the TLS handshake has shown; `None` in clear.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.driver.tls_info()
    }

    /// Why an opportunistic connection stayed in clear.
    #[must_use]
    pub fn in_clear(&self) -> Option<&InClear> {
        self.in_clear.as_deref()
    }

    /// The server, by the name or address it was reached by.
    #[must_use]
    pub fn peer(&self) -> &str {
        self.driver.peer()
    }

    /// Says a command where nothing is in flight, and hears its reply.
    pub(super) async fn hear_of(&mut self, command: &Command<'_>) -> Result<Reply, Error> {
        self.driver.ask(|session| session.send(command)).await?;
        self.reply()
    }

    async fn say_each<'c>(
        &mut self,
        commands: impl Iterator<Item = Command<'c>> + Send,
        replies: &mut Vec<Reply>,
    ) -> Result<(), Error> {
        let mut sent = 0;
        for command in commands {
            let verb = command.verb();
            let stage = Stage::of(verb);
            if sent == 0 {
                self.settle(stage).await?;
            }
            // What may not be said yet may be said when something before it was answered.
            while let Err(misuse) =
                self.can_say(verb).and_then(|()| self.driver.session.send(&command))
            {
                if replies.len() < sent {
                    self.hear(replies).await?;
                } else if self.driver.session.in_flight() > 0 {
                    // The lone dot behind a DATA that nobody is to have.
                    self.driver.settle(stage, |_, _| ()).await?;
                } else {
                    self.driver.check_reset()?;
                    return Err(self.driver.error(stage, misuse));
                }
            }
            sent += 1;
        }
        while replies.len() < sent {
            self.hear(replies).await?;
        }
        Ok(())
    }

    /// Hears the reply to the first command of a group that has none.
    async fn hear(&mut self, replies: &mut Vec<Reply>) -> Result<(), Error> {
        self.driver.check_reset()?;
        let Arrival::Event(_) = self.driver.next().await? else {
            return Err(self.driver.closed());
        };
        replies.push(self.reply()?);
        if self.driver.session.phase() == Phase::Handshake {
            self.secure().await?;
        }
        Ok(())
    }

    /// Sends content that was promised, and hears every reply that is due.
    async fn hear_all(&mut self, content: &[u8]) -> Result<Vec<Reply>, Error> {
        let mut replies = Vec::new();
        let mut rest = content;
        // Not until nothing is left to hear: what comes behind the last reply is the next call's.
        while self.driver.session.in_flight() > 0 {
            match self.driver.carry(&mut rest).await {
                Ok(_) => replies.push(self.reply()?),
                Err(error) => return Err(error.after(replies)),
            }
        }
        Ok(replies)
    }

    /// What this type asks of a command beside what the session does.
    fn can_say(&self, verb: Verb) -> Result<(), Misuse> {
        let missing = match verb {
            Verb::StartTls if !self.can_secure() => "TLS is not set up on this connection",
            Verb::Bdat => "BDAT is said with its chunk: `chunk` sends both",
            _ => return Ok(()),
        };
        Err(Misuse::Setting(missing.to_owned()))
    }

    /// A call begins: what belongs to one that was dropped is read off. An AUTH dialogue and
    /// content belong to the caller who speaks command by command, and are left to him.
    pub(super) async fn settle(&mut self, stage: Stage) -> Result<(), Error> {
        match self.driver.session.phase() {
            Phase::Auth | Phase::Content if self.driver.session.in_flight() == 0 => {
                self.driver.begin(stage);
                Ok(())
            }
            _ => self.driver.settle(stage, |_, _| ()).await,
        }
    }

    /// The reply that the session lends.
    pub(super) fn reply(&mut self) -> Result<Reply, Error> {
        match self.driver.session.reply() {
            Some(reply) => Ok(reply.to_reply()),
            None => Err(self.driver.closed()),
        }
    }

    #[cfg(feature = "tls")]
    fn can_secure(&self) -> bool {
        self.driver.common.tls.get().is_some()
    }

    #[cfg(not(feature = "tls"))]
    const fn can_secure(&self) -> bool {
        false
    }

    async fn secure(&mut self) -> Result<(), Error> {
        self.driver.secure().await
    }
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation")
            .field("peer", &self.peer())
            .field("phase", &self.phase())
            .finish_non_exhaustive()
    }
}

const _: () = {
    const fn assert<T: Send>() {}
    assert::<Conversation>();
};

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn bdat_is_not_said_without_its_chunk() {
        let (stream, mut server) = tokio::io::duplex(1024);
        let served = async move {
            for reply in ["220 mx\r\n", "250-mx\r\n250 CHUNKING\r\n", "250 ok\r\n", "250 ok\r\n"] {
                server.write_all(reply.as_bytes()).await.unwrap();
                while server.read_u8().await.unwrap_or(b'\n') != b'\n' {}
            }
        };
        let spoken = async {
            let mut smtp = Conversation::open(stream).await.unwrap();
            smtp.say(&Command::ehlo("c.example").unwrap()).await.unwrap();
            for line in ["MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>"] {
                let command = Command::parse(line.as_bytes()).unwrap();
                smtp.say(&command).await.unwrap();
            }
            let refused = smtp.say(&Command::bdat(5, true)).await.unwrap_err();
            assert_eq!(refused.to_string(), "BDAT is said with its chunk: `chunk` sends both");
            assert_eq!(smtp.phase(), Phase::Recipients);
        };
        tokio::join!(spoken, served);
    }
}
