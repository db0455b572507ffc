//! Exim, which refuses in several lines, and keeps what it takes.

use ehlo::{Command, Envelope};

use crate::every::{self, Server};
use crate::support::{clear, kept_as, logged, mail, outcomes, quit, var};
use crate::{Test, tests};

pub(crate) const TESTS: &[Test] = &tests!["Exim":
    "STARTTLS, verified; AUTH PLAIN; relaying" => every::starttls_and_auth::<Exim>,
    "TLS from the start; AUTH" => every::implicit_tls::<Exim>,
    "AUTH with a wrong password" => every::wrong_password::<Exim>,
    "refused: unknown, in three lines, relaying" => every::refused_recipients::<Exim>,
    "content as it is: dots, LF, CR, 8 bits, none" => every::contents::<Exim>,
    "content larger than SIZE" => every::too_large::<Exim>,
    "100 recipients" => every::many_recipients::<Exim>,
    "503- in lines when nobody is left" => nobody_left,
    "addresses beyond ASCII" => smtputf8,
];

/// Its words.
pub(crate) struct Exim;

impl Server for Exim {
    const PREFIX: &str = "EHLO_EXIM";
    const REFUSED: [&str; 3] = [
        "550 5.1.1 No such user",
        "550-5.7.1 Not for you 550-Not now 550 Not ever",
        "550 5.7.1 Relay access denied",
    ];
    const WRONG_PASSWORD: &str = "535 Incorrect authentication data";
    const SIZE: Option<&str> = Some("552 Message size exceeds maximum permitted");
    const TOO_LARGE: &str = "552 Message size exceeds maximum permitted";
}

async fn nobody_left() {
    let mut smtp = clear("EHLO_EXIM", "PORT").connect().await.unwrap().into_conversation();
    let sender = "alice@example.test".parse().unwrap();
    let recipient = "refused@example.test".parse().unwrap();
    let (mail, rcpt, data) = (Command::mail(&sender), Command::rcpt(&recipient), Command::data());
    let replies = smtp.say_all([mail, rcpt, data]).await.unwrap();
    let shown: Vec<String> = replies.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "250 OK",
            "550-5.7.1 Not for you 550-Not now 550 Not ever",
            "503-All RCPT commands were rejected with this error: 503-5.7.1 Not for you 503-Not \
             now 503-Not ever 503 Valid RCPT command must precede DATA",
        ]
    );
    smtp.quit().await.unwrap();
}

async fn smtputf8() {
    let mut client = clear("EHLO_EXIM", "PORT").connect().await.unwrap();
    let envelope = Envelope::new("jürgen@example.test", ["bob@example.test", "zoë@example.test"]);
    let content = mail("hello\r\n");
    let delivery = client.send(&envelope.unwrap(), &content).await.unwrap();
    assert_eq!(outcomes(&delivery), ["accepted: 250", "accepted: 250"]);
    kept_as(&var("EHLO_EXIM_MAIL"), &content, &content).await;
    let log = logged("EHLO_EXIM", &[" for bob@example.test zoë@example.test"]).await;
    let said = "said MAIL FROM:<jürgen@example.test> ";
    assert!(log.lines().any(|line| line.contains(said) && line.contains(" SMTPUTF8")));
    quit(client).await;
}
