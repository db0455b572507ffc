//! aiosmtpd, which answers LMTP's final dot once for all.

use std::time::Duration;

use ehlo::{Command, Envelope, ErrorKind, Retry, Stage, Timeouts};

use crate::every::{self, Server, to_bob};
use crate::support::{
    PASSWORD, USER, checked, clear, kept, kept_as, mail, outcomes, quit, shows_no_secret, starttls,
    var,
};
use crate::{Test, tests};

pub(crate) const TESTS: &[Test] = &tests!["aiosmtpd":
    "STARTTLS, verified; AUTH PLAIN; relaying" => every::starttls_and_auth::<Aiosmtpd>,
    "TLS from the start; AUTH" => every::implicit_tls::<Aiosmtpd>,
    "AUTH with a wrong password" => every::wrong_password::<Aiosmtpd>,
    "AUTH LOGIN by hand: its prompts end in NUL" => login_by_hand,
    "refused: unknown, refused, relaying" => every::refused_recipients::<Aiosmtpd>,
    "content as it is: dots, LF, CR, 8 bits, none" => every::contents::<Aiosmtpd>,
    "content larger than SIZE" => every::too_large::<Aiosmtpd>,
    "100 recipients" => every::many_recipients::<Aiosmtpd>,
    "addresses beyond ASCII" => smtputf8,
    "LMTP with one recipient" => lmtp,
    "LMTP: 1 final reply for 2 recipients => 1 unknown" => lmtp_one_reply,
];

/// Its words.
pub(crate) struct Aiosmtpd;

impl Server for Aiosmtpd {
    const PREFIX: &str = "EHLO_AIOSMTPD";
    const REFUSED: [&str; 3] =
        ["550 5.1.1 No such user", "550 5.7.1 Not for you", "554 5.7.1 Relay access denied"];
    const WRONG_PASSWORD: &str = "535 5.7.8 Authentication credentials invalid";
    const SIZE: Option<&str> = Some("552 Error: message size exceeds fixed maximum message size");
    const TOO_LARGE: &str = "552 Error: Too much mail data";
}

async fn login_by_hand() {
    let mut smtp = starttls(Aiosmtpd::PREFIX, "PORT").connect().await.unwrap().into_conversation();
    let login = Command::auth("LOGIN", None).unwrap();
    assert_eq!(smtp.say(&login).await.unwrap().text(), "VXNlciBOYW1lAA==");
    assert_eq!(smtp.respond(USER.as_bytes()).await.unwrap().text(), "UGFzc3dvcmQA");
    let reply = smtp.respond(PASSWORD.as_bytes()).await.unwrap();
    assert_eq!(reply.to_string(), "235 2.7.0 Authentication successful");
    shows_no_secret(&smtp.transcript().unwrap().to_string());
    smtp.quit().await.unwrap();
}

async fn smtputf8() {
    let mut client = clear("EHLO_AIOSMTPD", "PORT").connect().await.unwrap();
    let envelope = Envelope::new("jürgen@example.test", ["bob@example.test", "zoë@example.test"]);
    let content = mail("hello\r\n");
    let delivery = client.send(&envelope.unwrap(), &content).await.unwrap();
    assert_eq!(outcomes(&delivery), ["accepted: 250", "accepted: 250"]);
    let file = String::from_utf8(kept(&var("EHLO_AIOSMTPD_MAIL"), &content).await).unwrap();
    let top = "X-Sender: jürgen@example.test\nX-Recipient: bob@example.test\n\
               X-Recipient: zoë@example.test\nFrom: ";
    assert!(file.starts_with(top), "{file}");
    quit(client).await;
}

async fn lmtp() {
    let connector = clear("EHLO_AIOSMTPD", "LMTP_PORT").lmtp();
    let mut client = connector.connect().await.unwrap();
    let content = mail("hello\r\n");
    let delivery = client.send(&to_bob(), &content).await.unwrap();
    assert_eq!(outcomes(&delivery), ["accepted: 250"]);
    kept_as(&var("EHLO_AIOSMTPD_MAIL"), &content, &content).await;
    quit(client).await;
}

async fn lmtp_one_reply() {
    let wait = Duration::from_millis(500);
    let connector = clear("EHLO_AIOSMTPD", "LMTP_PORT")
        .timeouts(Timeouts::default().with_end_of_data(wait))
        .lmtp();
    let mut client = connector.connect().await.unwrap();
    let two = ["bob@example.test", "eve@example.test"];
    let envelope = Envelope::new("alice@example.test", two).unwrap();
    let error = client.send(&envelope, mail("hello\r\n")).await.unwrap_err();
    assert_eq!(error.stage(), Stage::EndOfData);
    assert!(matches!(error.kind(), ErrorKind::Timeout(_)), "{error}");
    assert_eq!(error.retry(), Retry::Unknown);
    assert_eq!(checked(error).to_string(), "no reply from 127.0.0.1 to end of data within 500ms");
    // The first has its answer, by LMTP's order; of the other nothing is known.
    let delivery = client.take_delivery().await.expect("what is known");
    assert_eq!(
        outcomes(&delivery),
        ["accepted: 250", "unknown: no answer came after the mail was sent"]
    );
}
