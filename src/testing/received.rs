//! A mail as the server took it.

use bytes::Bytes;

use crate::{ClientName, Escaped, ForwardPath, Param, Protocol, ReversePath};

/// A mail that the server has accepted, with all that was said about it.
#[derive(Clone, PartialEq, Eq)]
pub struct Received {
    pub(super) sender: ReversePath,
    pub(super) params: Vec<Param>,
    pub(super) recipients: Vec<ForwardPath>,
    pub(super) recipient_params: Vec<Vec<Param>>,
    pub(super) content: Bytes,
    pub(super) bare_line_ends: usize,
    pub(super) chunks: Option<Vec<u64>>,
    pub(super) client: ClientName,
    pub(super) user: Option<String>,
    pub(super) tls: bool,
    pub(super) protocol: Protocol,
}

impl Received {
    /// Who sent it, as MAIL said.
    #[must_use]
    pub const fn sender(&self) -> &ReversePath {
        &self.sender
    }

    /// The parameters of MAIL, in order.
    #[must_use]
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// The recipients for whom it was accepted, in order.
    #[must_use]
    pub fn recipients(&self) -> &[ForwardPath] {
        &self.recipients
    }

    /// The parameters of each RCPT, in the order of [`recipients`](Self::recipients).
    #[must_use]
    pub fn recipient_params(&self) -> &[Vec<Param>] {
        &self.recipient_params
    }

    /// The content, octet by octet: of DATA as it was before it was dot-stuffed, its last CRLF
    /// included; of BDAT as it came.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// The octets of each chunk, in order, the empty ones too; `None` where the content came by
    /// DATA.
    ///
    /// ```
    /// use ehlo::testing::Server;
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    ///
    /// # async fn test() -> std::io::Result<()> {
    /// let (mut client, stream) = duplex(4096);
    /// let server = Server::new().serve(stream)?;
    /// client.write_all(b"EHLO c.example\r\n").await?;
    /// # let mut hello = Vec::new();
    /// # while !hello.ends_with(b"STARTTLS\r\n") {
    /// #     hello.push(client.read_u8().await?);
    /// # }
    /// client.write_all(b"MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\n").await?;
    /// client.write_all(b"BDAT 3\r\n.\r\nBDAT 0 LAST\r\n").await?;
    /// let mails = server.received(1).await?;
    /// assert_eq!((mails[0].content(), mails[0].chunks()), (&b".\r\n"[..], Some(&[3, 0][..])));
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn chunks(&self) -> Option<&[u64]> {
        self.chunks.as_deref()
    }

    /// How many CR and LF of the content stand alone. A client that sends any breaks RFC 5321
    /// §2.3.8, unless the content is declared as binary.
    #[must_use]
    pub const fn bare_line_ends(&self) -> usize {
        self.bare_line_ends
    }

    /// The name by which the client called itself.
    #[must_use]
    pub const fn client(&self) -> &ClientName {
        &self.client
    }

    /// Who has authenticated, if anybody.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Whether it came through TLS.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        self.tls
    }

    /// Over which protocol it came.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }
}

impl std::fmt::Debug for Received {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Received")
            .field("sender", &self.sender)
            .field("params", &self.params)
            .field("recipients", &self.recipients)
            .field("recipient_params", &self.recipient_params)
            .field("content", &Escaped::new(&self.content))
            .field("bare_line_ends", &self.bare_line_ends)
            .field("chunks", &self.chunks)
            .field("client", &self.client)
            .field("user", &self.user)
            .field("tls", &self.tls)
            .field("protocol", &self.protocol)
            .finish()
    }
}
