//! A transcript of a real session is a script: played by a server, the same client says the same
//! again.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use ehlo::testing::{Script, Server};
use ehlo::{Client, Connector, Envelope, RootCertificates, Security};

async fn mails(mut client: Client) -> String {
    let one = Envelope::new("a@example.org", ["b@example.org", "nobody@example.org"]).unwrap();
    let sent = client.send(&one, "Subject: one\n\n.dot\n").await;
    assert!(sent.unwrap().accepted_count() > 0);
    let mut mail = client.mail("a@example.org").await.unwrap();
    mail.rcpt("c@example.org").await.unwrap();
    let body = mail.data().await.unwrap();
    assert!(body.finish_with(b"").await.unwrap().is_complete());
    client.conversation().transcript().unwrap().to_string()
}

fn connector() -> Connector {
    Connector::new("mx.example.test").credentials("alice", "wonderland").transcript(65_536)
}

#[tokio::test]
async fn a_session_in_clear_with_auth_replays() {
    let connector = connector().security(Security::None).allow_cleartext();
    let (near, far) = tokio::io::duplex(4096);
    let server = Server::new()
        .user("alice", "wonderland")
        .allow_cleartext()
        .refuse("nobody@example.org", "550 5.1.1 no such user");
    let server = server.serve(far).unwrap();
    let first = mails(connector.connect_over(near).await.unwrap()).await;
    drop(server);

    let script: Script = first.parse().unwrap();
    let (near, far) = tokio::io::duplex(4096);
    let server = Server::script(script).serve(far).unwrap();
    let second = mails(connector.connect_over(near).await.unwrap()).await;
    server.finish().await.unwrap();
    assert_eq!(first, second);
    assert!(first.contains("C: AUTH PLAIN <secret>\n"), "{first}");
    assert!(first.contains("C: <content 23>\nC: .\n"), "{first}");
}

#[tokio::test]
async fn a_session_over_tls_replays() {
    let server = Server::new().user("alice", "wonderland").start().await.unwrap();
    let roots = RootCertificates::from_pem(server.ca_pem().as_bytes()).unwrap();
    let over = |port, roots| Connector::new("127.0.0.1").port(port).roots(roots);
    let over =
        |port, roots| over(port, roots).credentials("alice", "wonderland").transcript(65_536);
    let first = mails(over(server.port(), roots).connect().await.unwrap()).await;

    let script: Script = first.parse().unwrap();
    let server = Server::script(script).start().await.unwrap();
    let roots = RootCertificates::from_pem(server.ca_pem().as_bytes()).unwrap();
    let second = mails(over(server.port(), roots).connect().await.unwrap()).await;
    server.finish().await.unwrap();
    assert_eq!(first, second);
    assert!(first.contains("-- TLS\n"));
}
