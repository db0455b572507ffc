//! What a server does wrong, or otherwise than most: the builder of that. How content in chunks
//! goes wrong is done in `chunks`.

use super::server::Server;
use crate::Reply;

/// What happens at a chunk.
#[derive(Clone)]
pub(super) enum ChunkFault {
    /// It is answered so.
    Reply(Reply),
    /// The same, before its octets are read.
    ReplyBefore(Reply),
    /// The connection is closed without a reply.
    Close,
    /// Nothing is said any more.
    Stall,
}

/// Faults of real servers. Chunks are counted in each transaction, from 1; what was said last of a
/// chunk holds.
impl Server {
    /// Answers the `number`th BDAT of every transaction with this reply, when its octets have been
    /// read. After a refusal they are thrown away, and every BDAT is refused until RSET (RFC 3030
    /// §2).
    ///
    /// ```
    /// use ehlo::testing::Server;
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    ///
    /// # async fn test() -> std::io::Result<()> {
    /// let (mut client, server) = duplex(4096);
    /// let _server = Server::new().reply_at_chunk(2, "452 4.3.1 disk full").serve(server)?;
    /// client.write_all(b"EHLO c.example\r\n").await?;
    /// # let mut hello = Vec::new();
    /// # while !hello.ends_with(b"STARTTLS\r\n") {
    /// #     hello.push(client.read_u8().await?);
    /// # }
    /// client.write_all(b"MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\n").await?;
    /// client.write_all(b"BDAT 1\r\naBDAT 1\r\nbBDAT 1 LAST\r\ncQUIT\r\n").await?;
    /// let mut replies = String::new();
    /// client.read_to_string(&mut replies).await?;
    /// let chunks = "250 2.0.0 chunk taken\r\n452 4.3.1 disk full\r\n503 5.5.1 RSET first\r\n";
    /// assert!(replies.contains(chunks));
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn reply_at_chunk(mut self, number: u32, reply: &str) -> Self {
        match self.reply(reply) {
            Some(reply) => self.at_chunk(number, ChunkFault::Reply(reply)),
            None => self,
        }
    }

    /// The same, said before the octets of the chunk are read: as soon as its command has come.
    ///
    /// ```
    /// use ehlo::testing::Server;
    ///
    /// let server = Server::new().reply_before_chunk(1, "552 5.3.4 more than I can hold");
    /// ```
    pub fn reply_before_chunk(mut self, number: u32, reply: &str) -> Self {
        match self.reply(reply) {
            Some(reply) => self.at_chunk(number, ChunkFault::ReplyBefore(reply)),
            None => self,
        }
    }

    /// Reads the octets of the `number`th chunk of a transaction, and closes the connection without
    /// a reply to it.
    ///
    /// ```
    /// use ehlo::testing::Server;
    ///
    /// let server = Server::new().close_at_chunk(1); // the first answer is never heard
    /// ```
    pub fn close_at_chunk(self, number: u32) -> Self {
        self.at_chunk(number, ChunkFault::Close)
    }

    /// Reads the octets of the `number`th chunk of a transaction and whatever comes after them,
    /// and says nothing any more.
    ///
    /// ```
    /// use ehlo::testing::Server;
    ///
    /// let server = Server::new().stall_at_chunk(2); // the client has to give up by itself
    /// ```
    pub fn stall_at_chunk(self, number: u32) -> Self {
        self.at_chunk(number, ChunkFault::Stall)
    }

    /// Takes every mail, by DATA or by BDAT, and closes the connection instead of saying so: the
    /// client cannot know that it was taken.
    ///
    /// ```
    /// use ehlo::testing::Server;
    /// use ehlo::{Connector, Envelope, Outcome, Security};
    ///
    /// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = Server::new().close_at_end().start().await?;
    /// let connector = Connector::new("localhost").port(server.port()).security(Security::None);
    /// let mut client = connector.connect().await?;
    /// let envelope = Envelope::new("alice@example.org", ["bob@example.net"])?;
    /// assert!(client.send(&envelope, b"Subject: hello\r\n\r\n").await.is_err());
    /// let delivery = client.take_delivery().await.expect("what is known of it");
    /// assert!(delivery.recipients().all(|one| one.outcome() == Outcome::Unknown));
    /// assert_eq!(server.mails().len(), 1); // it is there all the same
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close_at_end(mut self) -> Self {
        self.closes_at_end = true;
        self
    }

    /// Takes the octets of a refused chunk for commands, as Exim 4.96 did.
    ///
    /// ```
    /// use ehlo::testing::Server;
    ///
    /// let server = Server::new().runs_refused_chunks().reply_at_chunk(1, "552 5.3.4 too big");
    /// ```
    pub fn runs_refused_chunks(mut self) -> Self {
        self.runs_refused_chunks = true;
        self
    }

    /// Keeps the transaction open where the last chunk was refused: a MAIL after it is nested and
    /// refused, and what a client says after that, RCPT and BDAT, goes into the *old* transaction,
    /// with its sender, its recipients and the chunks that were accepted. Against such a server RFC
    /// 3030 §2 has a client say RSET. By default all but RSET is refused then.
    ///
    /// ```
    /// use ehlo::testing::Server;
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    ///
    /// # async fn test() -> std::io::Result<()> {
    /// let (mut client, stream) = duplex(4096);
    /// let server = Server::new().keeps_refused_mail().reply_at_chunk(1, "451 4.3.0 later");
    /// let server = server.serve(stream)?;
    /// client.write_all(b"EHLO c.example\r\n").await?;
    /// # let mut hello = Vec::new();
    /// # while !hello.ends_with(b"STARTTLS\r\n") {
    /// #     hello.push(client.read_u8().await?);
    /// # }
    /// client.write_all(b"MAIL FROM:<a@c>\r\nRCPT TO:<a@d>\r\nBDAT 5 LAST\r\nfirst").await?;
    /// // A client that says no RSET:
    /// client.write_all(b"MAIL FROM:<b@c>\r\nRCPT TO:<b@d>\r\nBDAT 6 LAST\r\nsecond").await?;
    /// let mails = server.received(1).await?;
    /// assert_eq!(mails[0].sender().as_str(), "a@c");
    /// assert_eq!((mails[0].recipients().len(), mails[0].content()), (2, &b"second"[..]));
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn keeps_refused_mail(mut self) -> Self {
        self.keeps_refused_mail = true;
        self
    }

    /// Closes the connection without a reply where anything stands after the end of a mail's
    /// content before that is answered, as the submission proxy of Dovecot 2.3 does. RFC 2920 §3.1
    /// lets a client say there what it likes, and by default it is answered. The mail itself is
    /// taken all the same, so that it comes twice from a client that only knows that it was not
    /// answered.
    ///
    /// ```
    /// use ehlo::testing::Server;
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    ///
    /// # async fn test() -> std::io::Result<()> {
    /// let (mut client, stream) = duplex(4096);
    /// let server = Server::new().closes_on_run_ahead().serve(stream)?;
    /// client.write_all(b"EHLO c.example\r\n").await?;
    /// # let mut hello = Vec::new();
    /// # while !hello.ends_with(b"STARTTLS\r\n") {
    /// #     hello.push(client.read_u8().await?);
    /// # }
    /// client.write_all(b"MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\n").await?;
    /// client.write_all(b"BDAT 0 LAST\r\nMAIL FROM:<>\r\n").await?;
    /// let mut replies = String::new();
    /// client.read_to_string(&mut replies).await?;
    /// assert!(replies.ends_with("250 2.1.5 recipient ok\r\n"));
    /// assert_eq!(server.mails().len(), 1);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn closes_on_run_ahead(mut self) -> Self {
        self.closes_on_run_ahead = true;
        self
    }

    /// Takes a lone LF for the end of a command, as many servers do. By default such a line is
    /// answered with 500: CRLF alone ends one (RFC 5321 §2.3.8).
    ///
    /// ```
    /// use ehlo::testing::Server;
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    ///
    /// # async fn test() -> std::io::Result<()> {
    /// let (mut client, server) = duplex(4096);
    /// let _server = Server::new().takes_bare_lf().serve(server)?;
    /// client.write_all(b"QUIT\n").await?;
    /// let mut replies = String::new();
    /// client.read_to_string(&mut replies).await?;
    /// assert!(replies.ends_with("\r\n221 2.0.0 bye\r\n"));
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn takes_bare_lf(mut self) -> Self {
        self.takes_bare_lf = true;
        self
    }

    /// Takes these octets, too, for the end of the content of a mail, wherever they stand in it: the
    /// hole of SMTP smuggling. May be said more than once. By default `<CRLF>.<CRLF>` alone ends a
    /// mail (RFC 5321 §4.1.1.4).
    ///
    /// ```
    /// use ehlo::testing::Server;
    ///
    /// let server = Server::new().ends_content_at(b"\n.\r\n"); // for tests of scanners
    /// ```
    pub fn ends_content_at(mut self, octets: impl AsRef<[u8]>) -> Self {
        self.other_ends.push(octets.as_ref().into());
        self
    }

    /// Throws away what has come behind a command before it answers that, and so never answers
    /// what was pipelined, although it offers PIPELINING (RFC 2920 §3.2 forbids it).
    ///
    /// ```
    /// use ehlo::testing::Server;
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    ///
    /// # async fn test() -> std::io::Result<()> {
    /// let (mut client, server) = duplex(4096);
    /// let _server = Server::new().greeting("220 mx").loses_pipelined().serve(server)?;
    /// client.write_all(b"RSET\r\nRSET\r\nRSET\r\n").await?;
    /// client.read_exact(&mut [0; 22]).await?; // the greeting, and one reply
    /// client.write_all(b"QUIT\r\n").await?;
    /// let mut rest = String::new();
    /// client.read_to_string(&mut rest).await?;
    /// assert_eq!(rest, "221 2.0.0 bye\r\n");
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn loses_pipelined(mut self) -> Self {
        self.loses_pipelined = true;
        self
    }

    /// Keeps what has come in clear behind STARTTLS, and runs it when TLS is on, as if it had come
    /// over TLS: the hole of CVE-2011-0411. Whoever is between the two can put commands into the
    /// session of a client that trusts it. By default what stands there is forgotten (RFC 3207
    /// §4.2), and STARTTLS with something behind it is refused.
    ///
    /// ```
    /// use ehlo::testing::Server;
    ///
    /// let server = Server::new().runs_injected_commands(); // for tests of scanners
    /// ```
    pub fn runs_injected_commands(mut self) -> Self {
        self.runs_injected = true;
        self
    }

    fn at_chunk(mut self, number: u32, fault: ChunkFault) -> Self {
        if number == 0 {
            self.fault.get_or_insert_with(|| "chunk 0: they are counted from 1".to_owned());
        }
        self.chunk_faults.retain(|(other, _)| *other != number);
        self.chunk_faults.push((number, fault));
        self
    }
}
