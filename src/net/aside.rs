//! A line to a server with no session on it: for an audit, which says what the session has no door
//! for. Nothing secret is ever said here, and nothing of it goes back into a conversation.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};

use super::connector::Connector;
use super::reach::leave;
use super::stream::Stream;
#[cfg(feature = "tls")]
use super::tls::TlsFault;
use crate::error::Error;
use crate::wire::{ClientName, Limits, Reply, ReplyBuffer, ReplyKind, Strictness};

/// A connection on which octets are written and replies read, in any order. It is closed with this.
pub(crate) struct Aside {
    stream: Stream,
    buffer: ReplyBuffer,
    #[cfg(feature = "tls")]
    common: Arc<super::common::Common>,
    client_name: ClientName,
}

impl Connector {
    /// Connects, with TLS where it comes first, and says nothing.
    pub(crate) async fn aside(&self) -> Result<Aside, Error> {
        let began = Instant::now();
        let port = self.checked_port(began)?;
        let stream = self.in_time(began, self.stream_to(port, began)).await?;
        let client_name = self.client_name.clone().unwrap_or_else(|| {
            ClientName::from(stream.local_ip().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)))
        });
        let mut driver = self.drive(stream, began).await?;
        if let Err(error) = self.protect(&mut driver).await {
            return Err(leave(driver, error).await);
        }
        Ok(Aside {
            stream: driver.stream,
            buffer: ReplyBuffer::new(Limits::default(), Strictness::Lenient),
            #[cfg(feature = "tls")]
            common: driver.common,
            client_name,
        })
    }
}

impl Aside {
    /// The name for EHLO.
    pub(crate) const fn client_name(&self) -> &ClientName {
        &self.client_name
    }

    /// Writes these octets as they are, in one write where the stream takes them so.
    pub(crate) async fn write(&mut self, octets: &[u8], limit: Duration) -> io::Result<()> {
        let written = async {
            self.stream.write_all(octets).await?;
            self.stream.flush().await
        };
        timeout(limit, written).await.map_err(io::Error::from)?
    }

    /// Waits for a reply; [`TimedOut`](io::ErrorKind::TimedOut) where none comes in time,
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) where the server closes.
    pub(crate) async fn reply(&mut self, kind: ReplyKind, limit: Duration) -> io::Result<Reply> {
        timeout(limit, self.next(kind)).await.map_err(io::Error::from)?
    }

    /// What has come beyond the replies that were read.
    #[cfg(feature = "tls")]
    pub(crate) fn pending(&self) -> &[u8] {
        self.buffer.pending()
    }

    /// Runs the handshake. What came in clear before it is forgotten.
    ///
    /// # Errors
    /// It could not be tried to its end: why. That it was, and failed, is no error here.
    #[cfg(feature = "tls")]
    pub(crate) async fn start_tls(
        &mut self,
        limit: Duration,
    ) -> Result<Result<(), TlsFault>, String> {
        let Some(prepared) = self.common.tls.get() else {
            return Err("TLS is not set up".to_owned());
        };
        let setup = prepared.setup().map_err(|invalid| invalid.to_string())?;
        self.buffer.clear();
        let handshake = timeout(limit, self.stream.start_tls(&setup)).await;
        handshake.map(|made| made.map(drop)).map_err(|_| "the handshake took too long".to_owned())
    }

    async fn next(&mut self, kind: ReplyKind) -> io::Result<Reply> {
        loop {
            let found = self.buffer.next(kind);
            if found.map_err(|fault| io::Error::new(io::ErrorKind::InvalidData, fault))?
                && let Some(reply) = self.buffer.reply()
            {
                let reply = reply.to_reply();
                self.buffer.consume();
                return Ok(reply);
            }
            if self.stream.read_buf(self.buffer.space()).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Security;
    use tokio::net::TcpListener;

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn octets_go_out_as_they_are_and_replies_come_in() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connector = Connector::new(listener.local_addr().unwrap().to_string());
        let connector = connector.security(Security::None).client_name("c.example");
        let served = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"220 mx\r\n250 one\n25").await.unwrap();
            let mut heard = [0; 7];
            stream.read_exact(&mut heard).await.unwrap();
            assert_eq!(&heard, b"a\nb\r\nc\n");
            stream.write_all(b"1 two\r\nno reply\r\n").await.unwrap();
        };
        let said = async {
            let mut aside = connector.aside().await.unwrap();
            assert_eq!(aside.client_name().as_str(), "c.example");
            let mut heard = Vec::new();
            heard.push(aside.reply(ReplyKind::Greeting, LIMIT).await.unwrap());
            heard.push(aside.reply(ReplyKind::Other, LIMIT).await.unwrap());
            let none = aside.reply(ReplyKind::Other, Duration::from_millis(30)).await;
            assert_eq!(none.unwrap_err().kind(), io::ErrorKind::TimedOut);
            aside.write(b"a\nb\r\nc\n", LIMIT).await.unwrap();
            heard.push(aside.reply(ReplyKind::Other, LIMIT).await.unwrap());
            let codes: Vec<_> = heard.iter().map(|reply| reply.code().number()).collect();
            assert_eq!(codes, [220, 250, 251]);
            let none = aside.reply(ReplyKind::Other, LIMIT).await;
            assert_eq!(none.unwrap_err().kind(), io::ErrorKind::InvalidData);
        };
        tokio::join!(served, said);
    }
}
