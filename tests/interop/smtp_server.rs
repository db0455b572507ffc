//! nodemailer's smtp-server, which names each recipient once.

use std::time::Duration;

use ehlo::{Envelope, ErrorKind, MailParam, Retry, Stage, Timeouts, XclientAttribute, XclientName};

use crate::every::{self, Server, to_bob};
use crate::support::{checked, clear, kept, kept_as, mail, outcomes, quit, starttls, var};
use crate::{Test, tests};

pub(crate) const TESTS: &[Test] = &tests!["smtp-server":
    "STARTTLS, verified; AUTH PLAIN; relaying" => every::starttls_and_auth::<SmtpServer>,
    "TLS from the start; AUTH" => every::implicit_tls::<SmtpServer>,
    "AUTH with a wrong password" => every::wrong_password::<SmtpServer>,
    "refused: unknown, refused, relaying" => every::refused_recipients::<SmtpServer>,
    "content as it is: dots, LF, CR, 8 bits, none" => every::contents::<SmtpServer>,
    "content larger than SIZE" => every::too_large::<SmtpServer>,
    "100 recipients" => every::many_recipients::<SmtpServer>,
    "addresses beyond ASCII" => smtputf8,
    "REQUIRETLS, in TLS" => require_tls,
    "XCLIENT, and the greeting after it" => xclient,
    "LMTP with 2 recipients, 1 full" => lmtp,
    "LMTP: 1 final reply for 1 named twice => 1 unknown" => lmtp_twice,
];

/// Its words.
pub(crate) struct SmtpServer;

impl Server for SmtpServer {
    const PREFIX: &str = "EHLO_SMTP_SERVER";
    const REFUSED: [&str; 3] =
        ["550 5.1.1 No such user", "550 5.1.1 Not for you", "554 5.6.0 Relay access denied"];
    const WRONG_PASSWORD: &str = "535 5.7.8 Authentication failed";
    const SIZE: Option<&str> =
        Some("552 5.3.4 Error: message exceeds fixed maximum message size 10485760");
    const TOO_LARGE: &str = "552 5.2.2 Message exceeds fixed maximum message size";
}

async fn smtputf8() {
    let mut client = clear(SmtpServer::PREFIX, "PORT").connect().await.unwrap();
    let envelope = Envelope::new("jürgen@example.test", ["bob@example.test", "zoë@example.test"]);
    let content = mail("Grüße\r\n");
    let delivery = client.send(&envelope.unwrap(), &content).await.unwrap();
    assert_eq!(outcomes(&delivery), ["accepted: 250", "accepted: 250"]);
    let file = String::from_utf8(kept(&var("EHLO_SMTP_SERVER_MAIL"), &content).await).unwrap();
    let top = "X-Sender: jürgen@example.test\nX-Recipient: bob@example.test\n\
               X-Recipient: zoë@example.test\nFrom: ";
    assert!(file.contains(top), "{file}");
    let log = std::fs::read_to_string(var("EHLO_SMTP_SERVER_LOG")).unwrap();
    let said = log.lines().find(|line| line.starts_with("mail jürgen@example.test ")).unwrap();
    assert!(said.contains(r#"{"BODY":"8BITMIME","SMTPUTF8":true,"SIZE":""#), "{said}");
    quit(client).await;
}

async fn require_tls() {
    let mut client = starttls(SmtpServer::PREFIX, "PORT").connect().await.unwrap();
    let envelope = to_bob().param(MailParam::require_tls());
    let content = mail("hello\r\n");
    let delivery = client.send(&envelope, &content).await.unwrap();
    assert_eq!(outcomes(&delivery), ["accepted: 250"]);
    kept_as(&var("EHLO_SMTP_SERVER_MAIL"), &content, &content).await;
    let transcript = client.conversation().transcript().unwrap().to_string();
    assert!(transcript.contains(" REQUIRETLS"), "{transcript}");
    quit(client).await;
}

async fn xclient() {
    let mut client = clear(SmtpServer::PREFIX, "PORT").connect().await.unwrap();
    let attributes = [
        XclientAttribute::new(XclientName::Name, "spike.example.test").unwrap(),
        XclientAttribute::new(XclientName::Addr, "198.51.100.7").unwrap(),
    ];
    client.xclient(&attributes).await.unwrap();
    let content = mail("hello\r\n");
    let delivery = client.send(&to_bob(), &content).await.unwrap();
    assert_eq!(outcomes(&delivery), ["accepted: 250"]);
    let transcript = client.conversation().transcript().unwrap().to_string();
    assert_eq!(transcript.matches("C: EHLO client.example.test\n").count(), 2, "{transcript}");
    let file = String::from_utf8(kept(&var("EHLO_SMTP_SERVER_MAIL"), &content).await).unwrap();
    assert!(file.starts_with("X-Client: 198.51.100.7 spike.example.test\n"), "{file}");
    quit(client).await;
}

async fn lmtp() {
    let mut client = clear(SmtpServer::PREFIX, "LMTP_PORT").lmtp().connect().await.unwrap();
    let two = ["bob@example.test", "full@example.test"];
    let envelope = Envelope::new("alice@example.test", two).unwrap();
    for _ in 0..2 {
        let content = mail("hello\r\n");
        let delivery = client.send(&envelope, &content).await.unwrap();
        assert_eq!(
            outcomes(&delivery),
            ["accepted: 250", "refused: 552 5.2.2 Mailbox full (in reply to end of data)"]
        );
        assert_eq!(delivery.end(), None);
        kept_as(&var("EHLO_SMTP_SERVER_MAIL"), &content, &content).await;
    }
    quit(client).await;
}

async fn lmtp_twice() {
    let wait = Duration::from_millis(500);
    let connector = clear(SmtpServer::PREFIX, "LMTP_PORT")
        .timeouts(Timeouts::default().with_end_of_data(wait))
        .lmtp();
    let mut client = connector.connect().await.unwrap();
    let twice = ["bob@example.test", "bob@example.test"];
    let envelope = Envelope::new("alice@example.test", twice).unwrap();
    let error = client.send(&envelope, mail("hello\r\n")).await.unwrap_err();
    assert_eq!((error.stage(), error.retry()), (Stage::EndOfData, Retry::Unknown));
    assert!(matches!(error.kind(), ErrorKind::Timeout(_)), "{error}");
    assert_eq!(checked(error).to_string(), "no reply from 127.0.0.1 to end of data within 500ms");
    let delivery = client.take_delivery().await.expect("what is known");
    assert_eq!(
        outcomes(&delivery),
        ["accepted: 250", "unknown: no answer came after the mail was sent"]
    );
}
