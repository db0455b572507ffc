//! No secret in any text: transcripts, Debug, errors and the server's log, after success and
//! failure of each mechanism (T11). Every other test looks for secrets, too, without a word: what
//! is shown to do that stands in `src/wire/leak.rs`, and that it does, at the end of this file.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ehlo::testing::Server;
use ehlo::{Connector, Credentials, Security};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

const PASSWORD: &str = "w0nder-land/Q+?";

/// A stream that keeps what was written to it.
struct Overheard(DuplexStream, Arc<Mutex<Vec<u8>>>);

impl AsyncRead for Overheard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Overheard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.0).poll_write(cx, octets);
        if let Poll::Ready(Ok(length)) = &written {
            self.1.lock().unwrap().extend(&octets[..*length]);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// What must not stand in any text: the password, its base64 at all three alignments, and the
/// secret part of each AUTH line that was sent.
fn needles(written: &[u8]) -> Vec<String> {
    let mut needles = vec![PASSWORD.to_owned()];
    for padding in 0..3_usize {
        let padded = [vec![b'x'; padding], PASSWORD.as_bytes().to_vec()].concat();
        let text = STANDARD.encode(padded);
        // The characters at both ends depend on the neighbours.
        let inner = &text[padding.div_ceil(3) * 4..text.len() - 4];
        needles.push(inner.to_owned());
    }
    let text = String::from_utf8_lossy(written).into_owned();
    let mut in_dialogue = false;
    for line in text.lines() {
        let mut words = line.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("AUTH"), Some(_), initial) => {
                in_dialogue = true;
                needles.extend(initial.map(str::to_owned));
            }
            (Some("EHLO" | "QUIT" | "NOOP"), ..) => in_dialogue = false,
            _ if in_dialogue && !matches!(line, "" | "*") => needles.push(line.to_owned()),
            _ => {}
        }
    }
    needles
}

fn leak<'a>(texts: &'a [String], needles: &[String]) -> Option<&'a str> {
    let leaks = |text: &&String| needles.iter().any(|needle| text.contains(needle));
    texts.iter().find(leaks).map(String::as_str)
}

/// Everything that a program may print, after AUTH by this mechanism with this password.
async fn texts(mechanism: &str, password: &str) -> (Vec<String>, Vec<String>) {
    let (near, far) = tokio::io::duplex(4096);
    let server = Server::new()
        .user("alice", PASSWORD)
        .allow_cleartext()
        .withhold("AUTH")
        .offer(&format!("AUTH {mechanism}"))
        .serve(far)
        .unwrap();
    let written = Arc::new(Mutex::new(Vec::new()));
    let connector = Connector::new("mx.example.org")
        .security(Security::None)
        .allow_cleartext()
        .transcript(65_536);
    let credentials = match mechanism {
        "XOAUTH2" | "OAUTHBEARER" => Credentials::token("alice", password),
        _ => Credentials::new("alice", password).mechanisms([mechanism]),
    };
    let mut texts = vec![
        format!("{connector:?}"),
        format!("{:?}", connector.clone().authenticate(credentials.clone())),
        format!("{credentials:?}"),
    ];
    let stream = Overheard(near, Arc::clone(&written));
    let mut smtp = connector.open_over(stream).await.unwrap();
    let hello = ehlo::Command::ehlo("client.example.org").unwrap();
    smtp.say(&hello).await.unwrap();
    let result = smtp.authenticate(&credentials).await;
    assert_eq!(result.is_ok(), password == PASSWORD, "{mechanism}");
    match result {
        Ok(reply) => texts.push(format!("{reply} {reply:?}")),
        Err(error) => texts.push(format!("{error} {error:?} {error:#?}")),
    }
    texts.push(smtp.transcript().unwrap().to_string());
    texts.push(format!("{:?} {smtp:?}", smtp.transcript()));
    texts.extend(server.log());
    texts.push(format!("{server:?}"));
    let written = written.lock().unwrap().clone();
    let needles = needles(&written);
    assert!(needles.len() > 4, "the AUTH lines were not overheard");
    (texts, needles)
}

#[tokio::test]
async fn t11_c_154_no_text_holds_a_secret() {
    for mechanism in [
        "PLAIN",
        "LOGIN",
        "CRAM-MD5",
        "XOAUTH2",
        "OAUTHBEARER",
        "SCRAM-SHA-1",
        "SCRAM-SHA-256",
        "SCRAM-SHA-512",
    ] {
        let (all, needles) = texts(mechanism, PASSWORD).await;
        assert_eq!(leak(&all, &needles), None, "{mechanism}");
        let (all, needles) = texts(mechanism, "not-the-w0nder-land/Q+?-at-all").await;
        assert_eq!(leak(&all, &needles), None, "{mechanism}, refused");
    }
}

#[tokio::test]
async fn t11_a_planted_leak_is_found() {
    let (all, needles) = texts("PLAIN", PASSWORD).await;
    for plain in ["", "x", "xx"] {
        let base64 = STANDARD.encode(format!("{plain}{PASSWORD}"));
        for planted in [format!("a {PASSWORD} b"), format!("line: {base64}")] {
            let with_leak = [all.clone(), vec![planted.clone()]].concat();
            assert_eq!(leak(&with_leak, &needles), Some(&*planted));
        }
    }
}

#[test]
fn t11_commands_never_show_a_secret() {
    let initial = ehlo::Secret::from(PASSWORD);
    let typed = ehlo::Command::auth("PLAIN", Some(initial.clone())).unwrap();
    let line = format!("AUTH PLAIN {}", STANDARD.encode(PASSWORD));
    let raw = ehlo::Command::raw(&line).unwrap();
    let texts: Vec<_> =
        [&typed, &raw].iter().map(|command| format!("{command} {command:?}")).collect();
    assert_eq!(leak(&texts, &needles(line.as_bytes())), None);
    assert_eq!(format!("{initial:?}"), "<secret>");
}

/// That every test would notice: leaks are planted behind each door, and nobody looks.
mod watched {
    use ehlo::testing::Running;
    use ehlo::{AuthFault, Client, Command, Conversation, Error, Mechanism, Secret};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Logged in as alice, and nothing is done with what was shown on the way.
    async fn logged_in(server: Server, transcript: usize) -> (Result<Client, Error>, Running) {
        let (near, far) = tokio::io::duplex(4096);
        let server = server.serve(far).unwrap();
        let connector = Connector::new("mx.example.org")
            .security(Security::None)
            .allow_cleartext()
            .transcript(transcript)
            .credentials("alice", PASSWORD);
        (connector.connect_over(near).await, server)
    }

    fn scripted(reply: &str) -> Server {
        let script = format!(
            "S: 220 mx\nC: EHLO [127.0.0.1]\nS: 250-mx\nS: 250 AUTH PLAIN\n\
             C: AUTH PLAIN <secret>\nS: {reply}\n"
        );
        Server::script(script.parse().unwrap())
    }

    fn honest() -> Server {
        Server::new().allow_cleartext()
    }

    #[tokio::test]
    async fn t11_what_hides_its_secrets_does_not_disturb() {
        logged_in(honest(), 4096).await.0.unwrap();
        assert!(logged_in(scripted("535 no"), 4096).await.0.is_err());
    }

    #[tokio::test]
    #[should_panic(expected = "a secret is shown: ")]
    async fn t11_an_error_that_shows_a_secret_is_found() {
        let _ = logged_in(scripted(&format!("535 who has {PASSWORD}?")), 0).await;
    }

    #[tokio::test]
    #[should_panic(expected = "a secret is shown: ")]
    async fn t11_a_fault_of_a_mechanism_that_shows_one_is_found() {
        struct Talkative;

        impl Mechanism for Talkative {
            fn name(&self) -> &'static str {
                "LOGIN"
            }

            fn respond(&mut self, _: &[u8]) -> Result<Secret, AuthFault> {
                let mechanism = "LOGIN".to_owned();
                Err(AuthFault::Unanswerable { mechanism, challenge: PASSWORD.as_bytes().into() })
            }
        }

        let (client, _server) = logged_in(honest(), 0).await;
        drop(client);
        let (near, far) = tokio::io::duplex(4096);
        let _server = honest().serve(far).unwrap();
        let connector = Connector::new("mx").security(Security::None).allow_cleartext();
        let mut smtp = connector.open_over(near).await.unwrap();
        smtp.say(&Command::ehlo("c.example").unwrap()).await.unwrap();
        let _ = smtp.authenticate_with(Box::new(Talkative)).await;
    }

    /// With no transcript: the line is there for errors all the same.
    #[tokio::test]
    #[should_panic(expected = "a secret is shown: NOOP ")]
    async fn t11_a_line_that_shows_one_is_found() {
        let (client, _server) = logged_in(honest(), 0).await;
        let mut smtp: Conversation = client.unwrap().into_conversation();
        let noop = format!("NOOP {}", STANDARD.encode(format!("\0alice\0{PASSWORD}")));
        let _ = smtp.say(&Command::raw(&noop).unwrap()).await;
    }

    #[tokio::test]
    #[should_panic(expected = "a secret is shown: 235 ")]
    async fn t11_a_transcript_that_shows_one_is_found() {
        let _ = logged_in(scripted(&format!("235 {PASSWORD} it is")), 4096).await;
    }

    #[tokio::test]
    #[should_panic(expected = "a secret is shown: ")]
    async fn t11_a_connector_that_shows_one_is_found() {
        let credentials = Credentials::new(format!("not {PASSWORD}"), PASSWORD);
        let (near, _far) = tokio::io::duplex(4096);
        let _ = Connector::new("mx").authenticate(credentials).connect_over(near).await;
    }

    /// The server's own log is written in a task that nobody waits for.
    #[tokio::test]
    #[should_panic(expected = "a secret is shown: NOOP ")]
    async fn t11_a_servers_log_that_shows_one_is_found() {
        let (mut near, far) = tokio::io::duplex(4096);
        let _server = Server::new().user("alice", PASSWORD).serve(far).unwrap();
        near.write_all(format!("NOOP {PASSWORD}\r\n").as_bytes()).await.unwrap();
        let _ = near.read_to_end(&mut Vec::new()).await;
    }
}
