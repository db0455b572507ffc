//! The client over streams in memory and on loopback, with a server that says what a list tells
//! it to: what real servers do too rarely to be caught at it.

#![cfg(feature = "net")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use ehlo::{Client, Connector, Envelope, ErrorKind, Retry, Security, Stage};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
    ReadBuf,
};

const GREETING: &[(&str, &str)] = &[("", "220 mx.example.test\r\n")];
const PLAIN: (&str, &str) = ("EHLO", "250 mx.example.test\r\n");
const PIPELINING: (&str, &str) = ("EHLO", "250-mx.example.test\r\n250 PIPELINING\r\n");
const MAIL: (&str, &str) = ("MAIL FROM:", "250 sender\r\n");
const RCPT: (&str, &str) = ("RCPT TO:", "250 recipient\r\n");
const DATA: (&str, &str) = ("DATA", "354 go\r\n");
const RSET: (&str, &str) = ("RSET", "250 reset\r\n");
const END: (&str, &str) = (".", "250 taken\r\n");
const QUIT: (&str, &str) = ("QUIT", "221 bye\r\n");

/// Reads up to a line that begins so, and answers it; at the end of the list it closes. Lines of
/// content are read over. Octets that came before a line was answered are a pipelined group.
async fn serve<S>(stream: S, script: Vec<(&'static str, &'static str)>) -> Vec<String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // One octet, so that what it holds back from the client is no more than the stream does.
    let mut stream = BufReader::with_capacity(1, stream);
    let mut heard = Vec::new();
    for (expected, reply) in GREETING.iter().copied().chain(script) {
        while !expected.is_empty() {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return heard;
            }
            heard.push(line.trim_end().to_owned());
            if line.starts_with(expected) {
                break;
            }
        }
        if stream.write_all(reply.as_bytes()).await.is_err() {
            return heard;
        }
    }
    heard
}

type Server = tokio::task::JoinHandle<Vec<String>>;

async fn connect(script: &[(&'static str, &'static str)]) -> (Client, Server) {
    let (near, far) = tokio::io::duplex(1024);
    let server = tokio::spawn(serve(far, script.to_vec()));
    let connector = Connector::new("mx.example.test").security(Security::None).transcript(4096);
    let client = connector.connect_over(near).await.unwrap();
    (client, server)
}

fn envelope(recipients: &[&str]) -> Envelope {
    Envelope::new("alice@example.test", recipients.iter().copied()).unwrap()
}

const BOB: &str = "bob@example.test";
const EVE: &str = "eve@example.test";

fn outcomes(delivery: &ehlo::Delivery) -> Vec<String> {
    let recipients = delivery.recipients();
    recipients.map(|one| one.outcome().to_string()).collect()
}

#[tokio::test]
async fn a_transaction_behind_one_that_was_given_up_resets_first() {
    for hello in [PLAIN, PIPELINING] {
        let script = [hello, MAIL, RSET, MAIL, RCPT, DATA, END, QUIT];
        let (mut client, server) = connect(&script).await;
        let _given_up = client.mail("alice@example.test").await.unwrap();
        let mut mail = client.mail("carol@example.test").await.unwrap();
        mail.rcpt(BOB).await.unwrap();
        let delivery = mail.data().await.unwrap().finish_with(b"hello").await.unwrap();
        assert_eq!(outcomes(&delivery), ["accepted: 250 taken"]);
        client.quit().await.unwrap();
        let heard = server.await.unwrap();
        assert_eq!(heard[2..4], ["RSET", "MAIL FROM:<carol@example.test>"]);
    }
}

#[tokio::test]
async fn a_refused_rset_ends_the_session_and_says_so() {
    for hello in [PLAIN, PIPELINING] {
        let script = [hello, MAIL, ("RSET", "500 what?\r\n"), MAIL];
        for by_stages in [false, true] {
            let (mut client, _server) = connect(&script).await;
            let _given_up = client.mail("alice@example.test").await.unwrap();
            let error = if by_stages {
                client.mail("carol@example.test").await.unwrap_err()
            } else {
                client.send(&envelope(&[BOB]), "hello").await.unwrap_err()
            };
            assert_eq!(error.stage(), Stage::Rset);
            assert_eq!(error.to_string(), "mx.example.test said: 500 what? (in reply to RSET)");
        }
    }
}

/// RFC 5321 §3.8, T18: a server that has waited too long says so when it pleases.
#[tokio::test]
async fn a_421_that_came_while_nothing_was_said_is_the_reason() {
    for hello in [PLAIN, PIPELINING] {
        let (near, mut far) = tokio::io::duplex(1024);
        let server = tokio::spawn(async move {
            serve(&mut far, vec![hello]).await;
            far
        });
        let connector = Connector::new("mx.example.test").security(Security::None);
        let mut client = connector.connect_over(near).await.unwrap();
        let mut far = server.await.unwrap();
        far.write_all(b"421 4.4.2 too long idle\r\n").await.unwrap();
        let error = client.send(&envelope(&[BOB, EVE]), "hello").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "mx.example.test ended the session at MAIL FROM: 421 4.4.2 too long idle"
        );
        assert_eq!(error.reply().unwrap().code().number(), 421);
        let delivery = client.take_delivery().await.unwrap();
        assert_eq!(outcomes(&delivery), ["not sent", "not sent"]);
        // It stays the reason.
        let error = client.mail("alice@example.test").await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Closed(Some(_))), "{error}");
    }
}

#[tokio::test]
async fn a_421_that_answers_a_recipient_leaves_the_others_unsent() {
    for hello in [PLAIN, PIPELINING] {
        let script = [hello, MAIL, RCPT, ("RCPT", "421 4.3.2 going down\r\n")];
        let (mut client, _server) = connect(&script).await;
        let recipients = [BOB, EVE, "carol@example.test"];
        let error = client.send(&envelope(&recipients), "hello").await.unwrap_err();
        assert!(error.to_string().ends_with("RCPT TO: 421 4.3.2 going down"), "{error}");
        let delivery = client.take_delivery().await.unwrap();
        assert_eq!(
            outcomes(&delivery),
            ["not sent", "refused: 421 4.3.2 going down (in reply to RCPT TO)", "not sent"]
        );
    }
}

/// Drops a call at its first await, where its commands have been written.
async fn dropped_at_once<F: Future>(call: F) {
    let mut call = std::pin::pin!(call);
    std::future::poll_fn(|cx| {
        assert!(call.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

/// What a dropped call was told counts for the next one.
#[tokio::test]
async fn a_421_that_answers_a_dropped_call_is_the_reason() {
    let (mut client, _server) = connect(&[PLAIN, ("MAIL", "421 4.3.2 going down\r\n")]).await;
    let to_bob = envelope(&[BOB]);
    dropped_at_once(client.send(&to_bob, "hello")).await;
    let error = client.send(&to_bob, "hello").await.unwrap_err();
    assert!(error.to_string().ends_with(": 421 4.3.2 going down"), "{error}");
}

#[tokio::test]
async fn a_421_within_the_content_is_the_reason() {
    let script = [PLAIN, MAIL, RCPT, ("DATA", "354 go\r\n421 4.3.2 going down\r\n")];
    let (mut client, _server) = connect(&script).await;
    let error = client.send(&envelope(&[BOB]), "hello").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "mx.example.test ended the session at content: 421 4.3.2 going down"
    );
    let (mut client, _server) = connect(&script).await;
    let mut mail = client.mail("alice@example.test").await.unwrap();
    mail.rcpt(BOB).await.unwrap();
    let mut body = mail.data().await.unwrap();
    let mut written = Ok(());
    for _ in 0..10 {
        tokio::task::yield_now().await;
        written = body.write(b"hello\r\n").await;
        if written.is_err() {
            break;
        }
    }
    let error = written.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Closed(Some(_))), "{error:?}");
}

/// Its buffers are smaller than what either side has to say, and the server reads nothing while a
/// reply of its own is not taken.
#[tokio::test(start_paused = true)]
async fn c_096_a_thousand_recipients_do_not_deadlock() {
    let (near, far) = tokio::io::duplex(64);
    let mut script = vec![PIPELINING, MAIL];
    script.extend(std::iter::repeat_n(RCPT, 1000));
    script.extend([DATA, END, QUIT]);
    let server = tokio::spawn(serve(far, script));
    let connector = Connector::new("mx.example.test").security(Security::None);
    let mut client = connector.connect_over(near).await.unwrap();
    let recipients: Vec<String> = (0..1000).map(|n| format!("r{n}@example.test")).collect();
    let envelope = Envelope::new("", recipients.iter().map(String::as_str)).unwrap();
    let delivery = client.send(&envelope, "hello\r\n".repeat(1000)).await.unwrap();
    assert!(delivery.is_complete());
    client.quit().await.unwrap();
    server.await.unwrap();
}

/// A link that breaks when content is written, on which a last reply has come just before.
struct Breaking {
    inner: tokio::io::DuplexStream,
    is_broken: bool,
    last: &'static [u8],
    /// The runtime has not seen yet that it has come, and will tell nobody when it does.
    is_unseen: bool,
}

impl AsyncRead for Breaking {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_broken && std::mem::take(&mut self.is_unseen) {
            return Poll::Pending;
        }
        if self.is_broken {
            buf.put_slice(std::mem::take(&mut self.last));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Breaking {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.is_broken |= buf.starts_with(b"hello");
        if self.is_broken {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// A server that refuses in the middle of the content and closes at once resets the connection:
/// what it said before is worth more than how the stream broke.
#[tokio::test]
async fn an_early_refusal_is_heard_although_the_connection_breaks() {
    let cases = [
        (&b"552 5.3.4 too much\r\n"[..], Ok("refused: 552 5.3.4 too much (in reply to content)")),
        (
            b"421 4.3.2 going down\r\n",
            Err("mx.example.test ended the session at content: 421 4.3.2 going down"),
        ),
        (b"", Err("mx.example.test closed the connection at content")),
    ];
    let cases = cases.into_iter().flat_map(|case| [(case, false), (case, true)]);
    for ((last, expected), is_unseen) in cases {
        let (near, far) = tokio::io::duplex(1024);
        let link = Breaking { inner: near, is_broken: false, last, is_unseen };
        // It stays there: this is no end of the input.
        tokio::spawn(serve(far, vec![PLAIN, MAIL, RCPT, DATA, END]));
        let connector = Connector::new("mx.example.test").security(Security::None);
        let mut client = connector.connect_over(link).await.unwrap();
        let sent = client.send(&envelope(&[BOB]), "hello").await;
        match expected {
            Ok(outcome) => assert_eq!(outcomes(&sent.unwrap()), [outcome]),
            Err(words) => {
                assert_eq!(sent.unwrap_err().to_string(), words);
                let delivery = client.take_delivery().await.unwrap();
                assert_eq!(outcomes(&delivery), ["not sent"]);
            }
        }
    }
}

/// What became of the mail before is in doubt, and nothing else.
#[tokio::test]
async fn a_mail_behind_one_that_nobody_answers_for_is_known_to_be_unsent() {
    let script = [PLAIN, MAIL, RCPT, DATA];
    let (near, far) = tokio::io::duplex(1024);
    let server = tokio::spawn(async move {
        let mut far = far;
        serve(&mut far, script.to_vec()).await;
        let mut content = [0; 10];
        far.read_exact(&mut content).await.unwrap();
        far
    });
    let connector = Connector::new("mx.example.test").security(Security::None);
    let mut client = connector.connect_over(near).await.unwrap();
    let to_bob = envelope(&[BOB]);
    {
        let mut call = std::pin::pin!(client.send(&to_bob, "hello"));
        tokio::select! {
            biased;
            _ = &mut call => panic!("nobody answers"),
            far = server => drop(far.unwrap()),
        }
    }
    let error = client.send(&to_bob, "again").await.unwrap_err();
    assert_eq!(error.to_string(), "mx.example.test closed the connection at MAIL FROM");
    assert_eq!(error.retry(), Retry::Later);
    let delivery = client.take_delivery().await.unwrap();
    assert_eq!(outcomes(&delivery), ["unknown: no answer came after the mail was sent"]);
}

/// A server that is left within DATA need not wait until the client is dropped.
#[tokio::test]
async fn a_session_that_is_given_up_hangs_up_at_once() {
    let (near, mut far) = tokio::io::duplex(4096);
    let connector = Connector::new("mx.example.test").security(Security::None);
    let served = tokio::spawn(async move {
        serve(&mut far, vec![PLAIN, MAIL, RCPT, DATA]).await;
        let mut rest = Vec::new();
        far.read_to_end(&mut rest).await.map(|_| rest)
    });
    let mut client = connector.connect_over(near).await.unwrap();
    let mut mail = client.mail("alice@example.test").await.unwrap();
    mail.rcpt(BOB).await.unwrap();
    drop(mail.data().await.unwrap());
    client.send(&envelope(&[BOB]), "hello").await.unwrap_err();
    assert_eq!(served.await.unwrap().unwrap(), b"");
    drop(client);
}
