//! A security layer that a mechanism of one's own puts over the stream (RFC 4422 §3.7): the session
//! begins anew inside it (RFC 4954 §4).
#![cfg(feature = "net")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use ehlo::{
    AuthFault, Command, Connector, Error, Mechanism, MechanismName, Secret, Security, Size, Stage,
};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf};

/// Turns every octet over, once it is switched on: what GSSAPI would encrypt.
struct Layered<S> {
    stream: S,
    is_on: Arc<AtomicBool>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Layered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if self.is_on.load(Ordering::SeqCst) {
            buf.filled_mut().iter_mut().skip(before).for_each(|octet| *octet = !*octet);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Layered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let turned: Vec<u8> = match self.is_on.load(Ordering::SeqCst) {
            true => octets.iter().map(|octet| !octet).collect(),
            false => octets.to_vec(),
        };
        Pin::new(&mut self.stream).poll_write(cx, &turned)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A mechanism whose success switches the layer on.
struct Turning(Arc<AtomicBool>);

impl Mechanism for Turning {
    fn name(&self) -> &'static str {
        "TURNING"
    }

    fn initial(&mut self) -> Option<Secret> {
        Some(Secret::from("turn"))
    }

    fn respond(&mut self, challenge: &[u8]) -> Result<Secret, AuthFault> {
        let mechanism = self.name().to_owned();
        Err(AuthFault::Unanswerable { mechanism, challenge: challenge.into() })
    }

    fn succeeded(&mut self, _: &[u8]) -> Result<(), AuthFault> {
        self.0.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn has_layer(&self) -> bool {
        true
    }
}

/// Reads each line and gives the reply to it; from the one after AUTH on, through the layer.
async fn serve(stream: tokio::io::DuplexStream, after: [&'static str; 2]) -> Vec<String> {
    let is_on = Arc::new(AtomicBool::new(false));
    let mut stream = BufReader::new(Layered { stream, is_on: Arc::clone(&is_on) });
    let mut heard = Vec::new();
    stream.write_all(b"220 mx\r\n").await.unwrap();
    let replies = ["250-mx\r\n250-SIZE 1000\r\n250 AUTH TURNING\r\n", "235 2.7.0 welcome\r\n"];
    for (turn, reply) in replies.into_iter().chain(after).enumerate() {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap() == 0 {
            break;
        }
        heard.push(line.trim_end().to_owned());
        stream.write_all(reply.as_bytes()).await.unwrap();
        is_on.store(turn > 0, Ordering::SeqCst);
    }
    heard
}

/// AUTH up to its end, over a connection in clear.
async fn authenticated(
    after: [&'static str; 2],
) -> (Result<ehlo::Reply, Error>, ehlo::Conversation, tokio::task::JoinHandle<Vec<String>>) {
    let (near, far) = tokio::io::duplex(4096);
    let server = tokio::spawn(serve(far, after));
    let is_on = Arc::new(AtomicBool::new(false));
    let stream = Layered { stream: near, is_on: Arc::clone(&is_on) };
    let connector = Connector::new("mx").security(Security::None).allow_cleartext();
    let mut smtp = connector.open_over(stream).await.unwrap();
    smtp.say(&Command::ehlo("c.example").unwrap()).await.unwrap();
    assert_eq!(smtp.capabilities().get::<Size>().and_then(|size| size.limit()), Some(1000));
    let reply = smtp.authenticate_with(Box::new(Turning(is_on))).await;
    (reply, smtp, server)
}

#[tokio::test]
async fn c_153_a_security_layer_starts_over_with_ehlo() {
    let after = ["250-mx\r\n250 SIZE 2000\r\n", "221 2.0.0 bye\r\n"];
    let (reply, mut smtp, server) = authenticated(after).await;
    assert_eq!(reply.unwrap().to_string(), "235 2.7.0 welcome");
    assert!(smtp.is_authenticated());
    assert_eq!(smtp.capabilities().get::<Size>().and_then(|size| size.limit()), Some(2000));
    // AUTH once more is not lawful, and would not be offered.
    let again = Command::auth("TURNING".parse::<MechanismName>().unwrap(), None).unwrap();
    assert!(smtp.say(&again).await.is_err());
    smtp.quit().await.unwrap();
    assert_eq!(
        server.await.unwrap(),
        ["EHLO c.example", "AUTH TURNING dHVybg==", "EHLO [127.0.0.1]", "QUIT"]
    );
}

/// What was offered outside the layer counts for nothing, whatever becomes of EHLO inside.
#[tokio::test]
async fn c_153_ehlo_refused_inside_a_layer_leaves_nothing_of_the_old_offer() {
    let (reply, smtp, server) = authenticated(["502 5.5.1 no\r\n", "221 2.0.0 bye\r\n"]).await;
    let error = reply.unwrap_err();
    assert_eq!(error.stage(), Stage::Ehlo);
    assert_eq!(error.earlier().len(), 1);
    assert!(smtp.capabilities().get::<Size>().is_none());
    drop(smtp);
    assert_eq!(server.await.unwrap().last().unwrap(), "EHLO [127.0.0.1]");
}
