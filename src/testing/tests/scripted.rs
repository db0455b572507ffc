//! Scripts: what is played, and what is said of a client that does not keep to one.

use std::sync::Mutex;

use super::*;

async fn played(script: &str, client_says: &str) -> Result<(), ScriptError> {
    let (running, client) = in_memory(Server::script(script.parse().unwrap()));
    let pem = running.ca_pem().to_owned();
    let client = talk(client, &pem, client_says).await;
    let result = running.finish().await;
    drop(client);
    result
}

#[track_caller]
fn fails(result: Result<(), ScriptError>, words: &str) {
    assert_eq!(result.unwrap_err().to_string(), words);
}

/// The script has it word by word, and what is shown of it has not; or the client says it where
/// the script has something else.
#[tokio::test]
async fn t11_what_auth_carries_is_shown_nowhere() {
    let script = "
        S: 220 mx
        C: AUTH PLAIN AGFsaWNlAGIwYg==
        S: 334 VXNlcm5hbWU6
        C: YWxpY2U=
        S: 535 no
        C: *
        S: 500 no
    ";
    let (server, client) = in_memory(Server::script(script.parse().unwrap()));
    drop(talk(client, server.ca_pem(), script).await);
    let log = "S: 220 mx\nC: AUTH PLAIN <secret>\nS: 334 VXNlcm5hbWU6\nC: <secret>\nS: 535 no\n\
               C: *\nS: 500 no\n";
    assert_eq!(server.log(), [log]);
    for (said, words) in [
        ("auth PLAIN YjBi\r\n", "script line 2: expected `C: QUIT`, came `C: auth PLAIN <secret>`"),
        (
            "AUTH PLAIN YjBi\n",
            "script line 2: expected `C: QUIT`, came `C: AUTH PLAIN <secret>`, \
                               without a CR before its end",
        ),
        (
            "AUTH PLAIN YjBi",
            "script line 2: expected `C: QUIT`, came the end of the connection after \
                             \"AUTH PLAIN <secret>\"",
        ),
        (
            "QUIT\r\nAUTH PLAIN YjBi\r\n",
            "script line 2: expected the end, came `C: AUTH PLAIN <secret>`",
        ),
    ] {
        let script = "S: 220 mx\nC: QUIT\n";
        let (server, mut client) = in_memory(Server::script(script.parse().unwrap()));
        client.write_all(said.as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(server.finish().await.unwrap_err().to_string(), words);
    }
}

#[tokio::test]
async fn a_log_is_a_script_that_can_be_played() {
    let script = format!(
        "{HELLO}{SECURE}
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: Ym9i
        S: 334 UGFzc3dvcmQ6
        C: YnVpbGRlcg==
        S: 235 2.7.0 welcome
        C: MAIL FROM:<>
        C: RCPT TO:<a@b>
        C: DATA
        S: 250 2.1.0 sender ok
        S: 250 2.1.5 recipient ok
        S: 354 end the content with a dot on a line of its own
        C: ..x
        C: .
        S: 250 2.0.0 mail accepted
        C: QUIT
        S: 221 2.0.0 bye
        -- close"
    );
    let log = converse(Server::new(), &script).await.log().concat();
    assert!(log.contains("C: <secret>\n") && log.contains("C: <content 5>\nC: .\n"), "{log}");
    let replay = Server::script(log.parse().unwrap());
    let running = converse(replay, &script).await;
    let (again, result) = (running.log().concat(), running.finish().await);
    assert_eq!(result, Ok(()));
    assert_eq!(again, log);
}

/// The transcript of a session of this crate, printed with its own hand.
#[tokio::test]
async fn a_transcript_can_be_played() {
    use crate::{Command, Session, SessionConfig, Step};

    let mut session = Session::new(SessionConfig::default().transcript(65_536));
    session.receive(b"220-mx\r\n220 \xffready\x1b\r\n");
    session.poll().unwrap();
    session.send(&Command::ehlo("c.example").unwrap()).unwrap();
    let mut octets = Vec::new();
    while let Step::Write(_) = session.poll().unwrap() {
        let mut slices = [std::io::IoSlice::new(&[])];
        let count = session.gather(&[], &mut slices).unwrap();
        slices[..count].iter().for_each(|slice| octets.extend_from_slice(slice));
        let written = octets.len();
        session.wrote(written);
    }
    session.receive(b"250 mx\n");
    session.poll().unwrap();
    let transcript = session.transcript().unwrap().to_string();
    let client = "S: 220-mx\nS: 220 \\xffready\\x1b\nC: EHLO c.example\nS! 250 mx\\x0a";
    assert_eq!(octets, b"EHLO c.example\r\n");
    assert_eq!(played(&transcript, client).await, Ok(()));
}

#[tokio::test]
async fn says_where_a_client_left_the_script() {
    let hears = "S: 220 mx\n\nC: EHLO c.example";
    let cases = [
        ("S: 220 mx\nC: HELO c.example", "`C: HELO c.example`"),
        ("S: 220 mx\nC: EHLO c.example\\x0a", "`C: EHLO c.example`, without a CR before its end"),
    ];
    for (client, came) in cases {
        let words = format!("script line 3: expected `C: EHLO c.example`, came {came}");
        fails(played(hears, client).await, &words);
    }
    for (said, came) in
        [("", "the end of the connection"), ("EHL", "the end of the connection after \"EHL\"")]
    {
        let (running, mut client) = in_memory(Server::script(hears.parse().unwrap()));
        client.write_all(said.as_bytes()).await.unwrap();
        drop(client);
        let words = format!("script line 3: expected `C: EHLO c.example`, came {came}");
        // The greeting may find nobody: then that is what is told.
        let error = running.finish().await.unwrap_err();
        assert!(error.to_string() == words || error.line() == 1, "{error}");
    }
    let early = "C: STARTTLS\nC: EHLO evil.example\nS: 220 go";
    let words = "script line 3: expected `-- TLS`, came \"EHLO evil.example\\x0d\\x0a\" in clear";
    fails(played("C: STARTTLS\nS: 220 go\n-- TLS", early).await, words);
    let words = "script line 1: expected the end, came `C: QUIT`";
    fails(played("S: 220 mx", "S: 220 mx\nC: QUIT").await, words);
    let (running, mut client) = in_memory(Server::script("C: <content 7>".parse().unwrap()));
    client.write_all(b"five!").await.unwrap();
    drop(client);
    let words =
        "script line 1: expected `C: <content 7>`, came the end of the connection, 2 octets early";
    fails(running.finish().await, words);
    let long = format!("C: {}", "x".repeat(128 * 1024));
    let words = "script line 1: expected `C: x`, came a line of more than 131072 octets";
    let (running, mut client) = in_memory(Server::script("C: x".parse().unwrap()));
    let _ = client.write_all(long.as_bytes()).await;
    fails(running.finish().await, words);
}

#[tokio::test(start_paused = true)]
async fn does_not_wait_for_ever() {
    let (running, _client) = in_memory(Server::script("-- wait 60000\nC: QUIT".parse().unwrap()));
    fails(running.finish().await, "script line 2: expected `C: QUIT`, came nothing within 5 s");
    let script: Script = "# nobody\nS: 220 mx".parse().unwrap();
    let running = Server::script(script).start().await.unwrap();
    fails(running.finish().await, "script line 2: expected `S: 220 mx`, came no client");
    let (running, mut client) = in_memory(Server::script("-- stall".parse().unwrap()));
    client.write_all(b"EHLO?\r\n").await.unwrap();
    assert_eq!(running.finish().await, Ok(()));
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn writes_in_pieces() {
    for (split, pieces) in [(1, 5), (2, 3), (100, 1)] {
        let script = format!("-- split {split}\nS! 12345\n-- stall");
        let (client, stream) = duplex(4096);
        let (stream, log) = Recorder::new(stream);
        let _running = Server::script(script.parse().unwrap()).serve(stream).unwrap();
        talk(client, "", "S! 12345").await;
        assert_eq!(log.lock().unwrap().len(), pieces, "split {split}");
    }
}

#[tokio::test]
async fn floods_until_it_is_enough() {
    for (octets, unit) in [(100_000, "250-x"), (3, "250-x"), (20_001, "250-long line")] {
        let script = format!("-- flood {octets}\nS: {unit}\nS: 250 end");
        let (running, mut client) = in_memory(Server::script(script.parse().unwrap()));
        let mut came = Vec::new();
        client.read_to_end(&mut came).await.unwrap();
        let line = format!("{unit}\r\n");
        let flood = came.strip_suffix(b"250 end\r\n").unwrap();
        assert_eq!(flood.len(), octets);
        assert!(flood.chunks(line.len()).all(|piece| line.as_bytes().starts_with(piece)));
        assert_eq!(running.log()[0], format!("-- flood {octets}\nS: {unit}\nS: 250 end\n"));
        assert_eq!(running.finish().await, Ok(()));
    }
    // Whoever flees does well.
    let (running, mut client) =
        in_memory(Server::script("-- flood 1000000\nS: x\nC: y".parse().unwrap()));
    client.read_exact(&mut [0; 100]).await.unwrap();
    drop(client);
    assert_eq!(running.finish().await, Ok(()));
}

/// Notes each write.
pub(super) struct Recorder {
    stream: DuplexStream,
    log: Arc<Mutex<Vec<usize>>>,
}

impl Recorder {
    /// And the octets of each write.
    pub(super) fn new(stream: DuplexStream) -> (Self, Arc<Mutex<Vec<usize>>>) {
        let log = Arc::default();
        (Self { stream, log: Arc::clone(&log) }, log)
    }
}

mod recorder {
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::Recorder;

    impl AsyncRead for Recorder {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for Recorder {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.log.lock().unwrap().push(buf.len());
            Pin::new(&mut self.stream).poll_write(cx, buf)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_shutdown(cx)
        }
    }
}
