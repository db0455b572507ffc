//! The server as something that runs: sockets, certificates, its end.

use std::io::ErrorKind;

use tokio::net::TcpStream;

use super::*;
use crate::{RootCertificates, Verb};

async fn connected(running: &Running) -> TcpStream {
    TcpStream::connect(running.addr()).await.unwrap()
}

#[test]
fn can_be_shared_and_moved() {
    fn is<T: Send + Sync + 'static>() {}
    is::<Server>();
    is::<Running>();
    is::<Received>();
    is::<ScriptError>();
}

#[tokio::test]
async fn serves_many_at_once_and_stops_when_dropped() {
    let running = Server::new().user("alice", "secret").start().await.unwrap();
    assert!(running.addr().ip().is_loopback());
    assert_eq!(running.port(), running.addr().port());
    let shown = format!("{running:?}");
    assert!(shown.contains("mx.example.test") && !shown.contains("secret"), "{shown}");
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(connected(&running).await);
    }
    for client in clients.iter_mut().rev() {
        let mut greeting = [0; 33];
        client.read_exact(&mut greeting).await.unwrap();
        assert_eq!(greeting, *b"220 mx.example.test ESMTP ready\r\n");
    }
    assert_eq!(running.log().len(), 3);
    let addr = running.addr();
    drop(running);
    for client in &mut clients {
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    }
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn its_certificate_is_good_for_its_names() {
    let server = Server::script("-- TLS".parse().unwrap()).name("mail.example");
    let running = server.start().await.unwrap();
    RootCertificates::from_pem(running.ca_pem().as_bytes()).unwrap();
    for name in ["mail.example", "localhost", "127.0.0.1", "::1"] {
        let client = connected(&running).await;
        let mut client = secured(Box::new(client), running.ca_pem(), name).await;
        // The end is said as TLS has it.
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    }
    assert_eq!(running.finish().await, Ok(()));
}

#[tokio::test]
async fn closes_and_resets() {
    let cases = [("-- close", None), ("-- reset", Some(ErrorKind::ConnectionReset))];
    for (end, kind) in cases {
        let script = format!("S: 220 mx\n{end}");
        let running = Server::script(script.parse().unwrap()).start().await.unwrap();
        let mut client = connected(&running).await;
        let mut came = Vec::new();
        let result = client.read_to_end(&mut came).await;
        assert_eq!(result.err().map(|error| error.kind()), kind, "{end}");
        assert_eq!(running.finish().await, Ok(()));
    }
    // TLS says no farewell either.
    let running = Server::script("-- TLS\n-- close".parse().unwrap()).start().await.unwrap();
    let client = Box::new(connected(&running).await);
    let mut client = secured(client, running.ca_pem(), "localhost").await;
    let error = client.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn refuses_with_these_words() {
    let cases = [
        (Server::new().name("a b"), "domain \"a b\": "),
        (Server::new().refuse("x", "550 no"), "mailbox \"x\": "),
        (Server::new().refuse("x@y", "250 yes"), "reply \"250 yes\": not a refusal"),
        (Server::new().refuse_at_end("x@y", "no"), "not a reply line"),
        (Server::new().reply_to(Verb::Mail, ""), ""),
        (Server::new().greeting("220 a\u{7}"), ""),
        (Server::new().offer(""), "extension \"\": not a line of an EHLO reply"),
        (
            Server::new().offer("A\nB").name("a b"),
            "extension \"A\\nB\": not a line of an EHLO reply",
        ),
    ];
    for (server, words) in cases {
        let error = server.clone().start().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().starts_with(words), "{error}");
        let (_, stream) = duplex(16);
        assert_eq!(server.serve(stream).unwrap_err().to_string(), error.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn mails_are_waited_for() {
    let (running, _client) = in_memory(Server::new());
    assert_eq!(running.port(), 0);
    assert_eq!(running.received(0).await.unwrap(), []);
    let error = running.received(2).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(error.to_string(), "0 of 2 mails came within 5 s");
    assert_eq!(running.finish().await, Ok(()));
}

#[tokio::test]
async fn a_refused_client_hears_why() {
    // What it has still said must not make TCP drop the reply.
    let server = Server::new().reply_to(Verb::Mail, "421 4.3.2 enough");
    let running = server.start().await.unwrap();
    let client = talk(connected(&running).await, "", HELLO).await;
    let more = "C: MAIL FROM:<>\nC: RCPT TO:<a@b>\nC: DATA\nS: 421 4.3.2 enough";
    let mut client = talk(client, "", more).await;
    client.write_all(&[b'x'; 100_000]).await.unwrap();
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_failed_handshake_is_noted() {
    let (running, mut client) = in_memory(Server::new().implicit_tls());
    client.write_all(b"EHLO c.example\r\n").await.unwrap();
    client.read_to_end(&mut Vec::new()).await.unwrap();
    let log = running.log().concat();
    assert!(log.starts_with("# TLS: "), "{log}");
    assert!(log.parse::<Script>().is_ok());
}

/// A folder of its own, which is gone with it.
#[cfg(unix)]
struct Folder(std::path::PathBuf);

#[cfg(unix)]
impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ehlo-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

#[cfg(unix)]
impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn listens_at_a_path_and_leaves_nothing_there() {
    use tokio::net::UnixStream;

    let folder = Folder::new("listens");
    let path = folder.0.join("lmtp");
    let running = Server::new().lmtp().start_unix(&path).await.unwrap();
    assert_eq!((running.path(), running.port()), (Some(&*path), 0));
    for _ in 0..2 {
        let client = UnixStream::connect(&path).await.unwrap();
        let script = "S: 220 mx.example.test LMTP ready\nC: QUIT\nS: 221 bye\n-- close";
        talk(client, "", &script.replace("221 bye", "221 2.0.0 bye")).await;
    }
    let error = Server::new().start_unix(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    UnixStream::connect(&path).await.unwrap();
    drop(running);
    assert!(!path.exists());
    let script = Server::script("S: 220 mx\n-- close".parse().unwrap());
    let running = script.start_unix(&path).await.unwrap();
    talk(UnixStream::connect(&path).await.unwrap(), "", "S: 220 mx\n-- close").await;
    assert_eq!(running.finish().await, Ok(()));
    assert!(!path.exists());
    let (running, _client) = in_memory(Server::new());
    assert_eq!(running.path(), None);
}

#[cfg(unix)]
#[tokio::test]
async fn leaves_the_file_of_another() {
    let folder = Folder::new("leaves");
    let path = folder.0.join("smtp");
    let running = Server::new().start_unix(&path).await.unwrap();
    // Both exist at one time, so that they cannot share an inode.
    let other = folder.0.join("other");
    std::fs::write(&other, "mine").unwrap();
    std::fs::rename(&other, &path).unwrap();
    drop(running);
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    let error = Server::new().start_unix(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
}
