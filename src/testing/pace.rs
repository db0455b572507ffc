//! When replies go out: the builder of that, and the rule. The octets are moved by `connection`.

use super::server::Server;

/// When the replies that wait are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pace {
    /// When all that has come was answered, and before more is read.
    #[default]
    Prompt,
    /// Before the next command is looked at, even if it has come.
    OneByOne,
    /// When there is nothing to read.
    WhenIdle,
    /// When so many octets have come since the first MAIL, and at the end.
    After(u64),
}

/// When it answers. A server answers at its own pace, and a client that says much at a time has to
/// listen while it speaks: else both wait for each other (RFC 2920 §3.1). The last of these that
/// was said holds; by default the server answers all that has come before it reads more.
impl Server {
    /// Takes no command before its reply to the one before is written: a client that does not read
    /// is not read from either, as soon as the replies fill what lies between them.
    ///
    /// ```
    /// use ehlo::testing::Server;
    /// use tokio::io::duplex;
    ///
    /// let server = Server::new().replies_one_by_one();
    /// let (client, stream) = duplex(64); // two replies at most lie between them
    /// ```
    pub fn replies_one_by_one(mut self) -> Self {
        self.pace = Pace::OneByOne;
        self
    }

    /// Keeps its replies until there is nothing to read, however much there is before, and reads
    /// nothing more until they are taken.
    ///
    /// ```
    /// use ehlo::testing::Server;
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    ///
    /// # async fn test() -> std::io::Result<()> {
    /// let (mut client, stream) = duplex(64 * 1024);
    /// let _server = Server::new().replies_when_idle().serve(stream)?;
    /// client.write_all(b"EHLO c.example\r\n").await?;
    /// # let mut hello = Vec::new();
    /// # while !hello.ends_with(b"STARTTLS\r\n") {
    /// #     hello.push(client.read_u8().await?);
    /// # }
    /// client.write_all(b"MAIL FROM:<>\r\n").await?;
    /// client.write_all("RCPT TO:<b@example.test>\r\n".repeat(500).as_bytes()).await?;
    /// client.write_all(b"QUIT\r\n").await?;
    /// let mut replies = String::new();
    /// client.read_to_string(&mut replies).await?;
    /// assert_eq!(replies.matches("recipient ok").count(), 500);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn replies_when_idle(mut self) -> Self {
        self.pace = Pace::WhenIdle;
        self
    }

    /// From the first MAIL on says nothing until so many octets have come, that command counted;
    /// then answers them all, and the rest as usual. Fewer octets are never answered, unless the
    /// session ends.
    ///
    /// ```
    /// use ehlo::testing::Server;
    ///
    /// let group = "MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n";
    /// // A client that waits for a reply before all of it is said waits for ever.
    /// let server = Server::new().replies_after(group.len() as u64);
    /// ```
    pub fn replies_after(mut self, octets: u64) -> Self {
        self.pace = Pace::After(octets);
        self
    }
}
