//! Over Unix sockets: LMTP and SMTP, TLS where it is chosen, secrets, and the words of what fails.
#![cfg(all(unix, feature = "testing"))]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::path::PathBuf;
use std::time::Duration;

use ehlo::testing::{Running, Server};
use ehlo::{Connector, Envelope, Error, RootCertificates, Security, Stage, Timeouts, TlsInfo};

/// A path of the test's own.
fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ehlo-unix-{}-{name}", std::process::id()))
}

async fn start(server: Server, name: &str) -> (Running, PathBuf) {
    let path = path(name);
    (server.start_unix(&path).await.unwrap(), path)
}

fn mail() -> Envelope {
    Envelope::new("alice@example.org", ["bob@example.net", "eve@example.net"]).unwrap()
}

async fn fails(connector: Connector, stage: Stage, words: &str) -> Error {
    let error = connector.connect().await.unwrap_err();
    assert_eq!((error.to_string().as_str(), error.stage()), (words, stage));
    error
}

#[tokio::test]
async fn c_117_c_118_lmtp_says_lhlo_and_hears_of_each_recipient() {
    let server = Server::new().lmtp().refuse_at_end("eve@example.net", "452 4.2.2 full");
    let (server, path) = start(server, "lmtp").await;
    let mut client = Connector::unix(&path).lmtp().connect().await.unwrap();
    assert_eq!(client.conversation().peer(), path.to_str().unwrap());
    let delivery = client.send(&mail(), "Subject: hi\r\n\r\n").await.unwrap();
    let outcomes: Vec<_> = delivery.recipients().map(|one| one.outcome().to_string()).collect();
    assert_eq!(
        outcomes,
        ["accepted: 250 2.0.0 mail accepted", "refused: 452 4.2.2 full (in reply to end of data)"]
    );
    client.quit().await.unwrap();
    assert!(server.log()[0].contains("\nC: LHLO [127.0.0.1]\n"), "{}", server.log()[0]);
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn smtp_goes_the_same_way_under_a_name_of_its_own() {
    let (server, path) = start(Server::new(), "smtp").await;
    let connector = Connector::unix(&path).client_name("me.example");
    let mut client = connector.connect().await.unwrap();
    assert!(client.send(&mail(), "x").await.unwrap().is_complete());
    assert_eq!(server.mails()[0].client().as_str(), "me.example");
    assert!(!server.mails()[0].is_tls());
}

#[tokio::test]
async fn t10_a_secret_goes_out_in_clear_by_name_only() {
    let server = Server::new().user("alice", "wonderland").allow_cleartext();
    let (server, path) = start(server, "auth").await;
    let connector = Connector::unix(&path).credentials("alice", "wonderland");
    let exposed = "AUTH would send a secret in clear: only allow_cleartext lets it";
    fails(connector.clone(), Stage::Auth, exposed).await;
    assert!(!server.log()[0].contains("C: AUTH"), "{}", server.log()[0]);
    let mut client = connector.allow_cleartext().connect().await.unwrap();
    assert!(client.send(&mail(), "x").await.unwrap().is_complete());
    assert_eq!(server.mails()[0].user(), Some("alice"));
}

#[tokio::test]
async fn tls_that_is_chosen_is_verified_for_the_name_that_is_given() {
    for (security, server) in
        [(Security::StartTls, Server::new()), (Security::Implicit, Server::new().implicit_tls())]
    {
        let (server, path) = start(server, &security.to_string()).await;
        let roots = RootCertificates::from_pem(server.ca_pem().as_bytes()).unwrap();
        let connector = Connector::unix(&path).security(security).roots(roots);
        let words = "TLS needs the name that the certificate is for: give it with tls_name";
        fails(connector.clone(), Stage::Handshake, words).await;

        let client = connector.tls_name("mx.example.test").connect().await.unwrap();
        assert!(client.conversation().tls().is_some_and(TlsInfo::is_verified));
    }
}

#[tokio::test]
async fn what_cannot_be_reached_is_named_by_its_path() {
    let nowhere = PathBuf::from("/nonexistent/lmtp\u{7}");
    fails(
        Connector::unix(&nowhere),
        Stage::Connect,
        r"no connection: /nonexistent/lmtp\x07: No such file or directory (os error 2)",
    )
    .await;
    let path = path("closed");
    drop(tokio::net::UnixListener::bind(&path).unwrap());
    let shown = path.to_str().unwrap();
    let error = Connector::unix(&path).connect().await.unwrap_err();
    let words = format!("no connection: {shown}: Connection refused");
    assert!(error.to_string().starts_with(&words), "{error}");
    assert_eq!(error.peer(), shown);
    std::fs::remove_file(&path).unwrap();

    let (_server, path) = start(Server::new().greeting("554 not\u{e4} here"), "greeting").await;
    let words = format!("{} said: 554 notä here (as its greeting)", path.display());
    fails(Connector::unix(&path), Stage::Greeting, &words).await;
}

#[tokio::test]
async fn c_109_silence_ends_at_the_deadline() {
    let path = path("silent");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let timeouts = Timeouts::all(Duration::from_millis(50));
    let error = Connector::unix(&path).timeouts(timeouts).connect().await.unwrap_err();
    let words = format!("no greeting from {} within 50ms", path.display());
    assert!(error.to_string().starts_with(&words), "{error}");
    drop(listener);
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn settings_that_make_no_sense_are_said_to_make_none() {
    let words = "a Unix socket has neither a port nor a source address";
    let unix = || Connector::unix("/run/lmtp");
    fails(unix().port(24), Stage::Connect, words).await;
    fails(unix().source_address([127, 0, 0, 1].into()), Stage::Connect, words).await;

    let lmtp = || Connector::new("127.0.0.1").lmtp();
    fails(lmtp(), Stage::Connect, "LMTP has no port of its own: give one").await;
    let never = "LMTP is never spoken on port 25 (RFC 2033 §5): give another";
    fails(lmtp().port(25), Stage::Connect, never).await;
    fails(Connector::new("127.0.0.1:25").lmtp(), Stage::Connect, never).await;
}
