//! OpenSMTPD, which does without PIPELINING.

use ehlo::{Command, Verb};

use crate::every::{self, Server};
use crate::support::{as_alice, clear, starttls};
use crate::{Test, tests};

pub(crate) const TESTS: &[Test] = &tests!["OpenSMTPD":
    "STARTTLS, verified; AUTH PLAIN; relaying" => every::starttls_and_auth::<OpenSmtpd>,
    "TLS from the start; AUTH" => every::implicit_tls::<OpenSmtpd>,
    "AUTH with a wrong password" => every::wrong_password::<OpenSmtpd>,
    "refused: unknown, refused, relaying" => every::refused_recipients::<OpenSmtpd>,
    "content as it is: dots, LF, CR, 8 bits, none" => every::contents::<OpenSmtpd>,
    "content larger than SIZE, unseen at MAIL" => every::too_large::<OpenSmtpd>,
    "100 recipients" => every::many_recipients::<OpenSmtpd>,
    "one command at a time" => no_pipelining,
    "503 to EHLO after AUTH" => ehlo_after_auth,
];

/// Its words.
pub(crate) struct OpenSmtpd;

impl Server for OpenSmtpd {
    const PREFIX: &str = "EHLO_OPENSMTPD";
    const REFUSED: [&str; 3] = [
        "550 Invalid recipient: <nobody-here@example.test>",
        "550 Invalid recipient: <refused@example.test>",
        "550 Invalid recipient: <carol@elsewhere.test>",
    ];
    const WRONG_PASSWORD: &str = "535 Authentication failed";
    // It offers SIZE, and does not look at it.
    const SIZE: Option<&str> = None;
    const TOO_LARGE: &str =
        "554 5.3.4 Message too big for system: Transaction failed, message too big";
}

async fn no_pipelining() {
    let client = clear("EHLO_OPENSMTPD", "PORT").connect().await.unwrap();
    assert!(!client.conversation().capabilities().has("PIPELINING"));
    // What is said in one call waits for each reply all the same: it would hang up.
    let mut smtp = client.into_conversation();
    let replies = smtp.say_all([Command::noop(), Command::noop(), Command::rset()]).await.unwrap();
    assert!(replies.iter().all(|reply| reply.code().number() == 250), "{replies:?}");
    assert!(smtp.allows(Verb::Mail).is_ok());
    smtp.quit().await.unwrap();
}

async fn ehlo_after_auth() {
    let client = as_alice(starttls("EHLO_OPENSMTPD", "PORT")).connect().await.unwrap();
    let mut smtp = client.into_conversation();
    let reply = smtp.say(&Command::ehlo("client.example.test").unwrap()).await.unwrap();
    assert_eq!(reply.to_string(), "503 5.5.1 Invalid command: Already identified");
    // The session is where it was, and so is what it knows of the server.
    assert!(smtp.capabilities().has("8BITMIME"));
    let sender = "alice@example.test".parse().unwrap();
    assert_eq!(smtp.say(&Command::mail(&sender)).await.unwrap().code().number(), 250);
    smtp.quit().await.unwrap();
}
