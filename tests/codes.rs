//! Codes that no RFC has, or has for something else, in the words of those who say them: Courier's
//! MTA for the most part. Their first digit decides (RFC 5321 §4.2.1), at each stage.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use ehlo::testing::{Running, Server};
use ehlo::{
    Client, Connector, Credentials, Envelope, Error, ErrorKind, Retry, RootCertificates, Security,
    Stage, Verb,
};

/// Said of a recipient or of a mail, the latter at MAIL or at the end of the content.
const SAID: [(&str, Retry); 8] = [
    ("430 Service temporarily unavailable.", Retry::Later),
    ("432 Mail filters temporarily unavailable.", Retry::Later),
    ("513 Relaying denied.", Retry::Never),
    ("523 Message length (20971520 bytes) exceeds administrative limit(10485760).", Retry::Never),
    ("534 SIZE=Message too big.", Retry::Never),
    ("534 Message header size exceeds policy limit.", Retry::Never),
    ("540 5.7.1 <bob@example.net>: recipient address rejected: Blocked", Retry::Never),
    ("546 Routing loop detected -- too many Received: headers.", Retry::Never),
];

const HELLO: &str = "Subject: hello\r\n\r\nhello\r\n";

async fn connected(server: Server) -> (Client, Running) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let running = server.serve(far).unwrap();
    let connector = Connector::new("mx").security(Security::None);
    (connector.connect_over(near).await.unwrap(), running)
}

fn to(recipients: &[&str]) -> Envelope {
    Envelope::new("alice@example.org", recipients.iter().copied()).unwrap()
}

/// What a mail to bob and eve comes to, each with what is to be done about it.
async fn outcomes(client: &mut Client) -> [(String, Retry); 2] {
    let two = to(&["bob@example.net", "eve@example.net"]);
    let delivery = client.send(&two, HELLO).await.unwrap();
    let outcomes: Vec<_> = delivery
        .recipients()
        .map(|one| (one.outcome().to_string(), one.outcome().retry()))
        .collect();
    outcomes.try_into().unwrap()
}

fn refused(reply: &str, stage: &str, retry: Retry) -> (String, Retry) {
    (format!("refused: {reply} (in reply to {stage})"), retry)
}

#[tokio::test]
async fn c_012_dialect_26_dialect_27_at_rcpt_the_other_has_his_mail() {
    for (reply, retry) in SAID {
        let server = Server::new().refuse("bob@example.net", reply);
        let (mut client, running) = connected(server).await;
        let [bob, eve] = outcomes(&mut client).await;
        assert_eq!(bob, refused(reply, "RCPT TO", retry));
        assert!(eve.0.starts_with("accepted: 250"), "{eve:?}");
        assert_eq!(running.mails().len(), 1);
        client.quit().await.unwrap();
    }
}

#[tokio::test]
async fn c_012_dialect_26_at_mail_and_at_the_end_nobody_has_it() {
    for (reply, retry) in SAID {
        for (server, stage) in [
            (Server::new().reply_to(Verb::Mail, reply), "MAIL FROM"),
            (Server::new().reply_to(Verb::Data, reply), "DATA"),
            (Server::new().reply_at_end(reply), "end of data"),
        ] {
            let (mut client, running) = connected(server).await;
            let expected = refused(reply, stage, retry);
            assert_eq!(outcomes(&mut client).await, [expected.clone(), expected.clone()]);
            // The session goes on, and says the same of the next.
            assert_eq!(outcomes(&mut client).await, [expected.clone(), expected]);
            assert_eq!(running.mails().len(), 0);
            client.quit().await.unwrap();
        }
    }
}

/// Courier's to STARTTLS where it has no certificate.
#[tokio::test]
async fn c_012_dialect_48_540_to_starttls() {
    const WORDS: &str = "540 TLS not available.";
    let server = || Server::new().reply_to(Verb::StartTls, WORDS);
    let connect = async |security| {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let running = server().serve(far).unwrap();
        let connector = Connector::new("localhost").security(security);
        (connector.connect_over(near).await, running)
    };
    let (client, _running) = connect(Security::StartTls).await;
    let error = client.unwrap_err();
    assert_eq!((error.stage(), error.retry()), (Stage::StartTls, Retry::Never));
    assert_eq!(error.to_string(), format!("localhost said: {WORDS} (in reply to STARTTLS)"));
    // Where TLS is only welcome, the mail goes without.
    let (client, running) = connect(Security::Opportunistic).await;
    let mut client = client.unwrap();
    assert!(client.conversation().in_clear().is_some());
    assert!(client.send(&to(&["bob@example.net"]), HELLO).await.unwrap().is_complete());
    assert_eq!(running.mails().len(), 1);
}

async fn auth_refused(reply: &str) -> Error {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let server = Server::new().user("alice", "wonderland").reply_to(Verb::Auth, reply);
    let running = server.implicit_tls().serve(far).unwrap();
    let roots = RootCertificates::from_pem(running.ca_pem().as_bytes()).unwrap();
    let connector = Connector::new("localhost").security(Security::Implicit).roots(roots);
    let credentials = Credentials::new("alice", "wonderland").mechanisms(["PLAIN"]);
    connector.authenticate(credentials).connect_over(near).await.unwrap_err()
}

/// 534 is Gmail's for who needs a password for this program alone, 523 RFC 5248's; there is none of
/// Courier's for AUTH.
#[tokio::test]
async fn c_012_dialect_26_at_auth() {
    for (reply, retry) in [
        ("430 Service temporarily unavailable.", Retry::Later),
        ("523 5.7.10 Encryption Needed", Retry::Never),
        ("534 5.7.9 Application-specific password required. x - gsmtp", Retry::Never),
        ("546 Routing loop detected -- too many Received: headers.", Retry::Never),
    ] {
        let error = auth_refused(reply).await;
        assert_eq!((error.stage(), error.retry()), (Stage::Auth, retry), "{error}");
        assert!(matches!(error.kind(), ErrorKind::Refused(_)), "{error:?}");
        let words = format!("localhost said: {reply} (in reply to AUTH PLAIN <secret>)");
        assert_eq!(error.to_string(), words);
    }
}
