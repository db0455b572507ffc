//! Large mails, and many of them.

use ehlo::Connector;

use crate::aiosmtpd::Aiosmtpd;
use crate::every::{Server, folder, to_bob};
use crate::exim::Exim;
use crate::opensmtpd::OpenSmtpd;
use crate::smtp_server::SmtpServer;
use crate::support::{
    arrived, as_alice, clear, implicit, kept_as, mail, outcomes, postfix, quit, starttls, var,
};
use crate::{Test, tests};

pub(crate) const TESTS: &[Test] = &tests!["Postfix":
    "9 MiB" => postfix_9,
    "50 MiB" => postfix_50,
    "content larger than SIZE, refused there" => postfix_refuses,
    ; "smtp-sink":
    "50 MiB, no SIZE offered" => sink_50,
    ; "Exim":
    "9 MiB in TLS" => nine_in_tls::<Exim>,
    "50 MiB" => fifty::<Exim>,
    ; "OpenSMTPD":
    "9 MiB in TLS" => nine_in_tls::<OpenSmtpd>,
    ; "Dovecot":
    "LMTP: 9 MiB" => lmtp_9,
    "LMTP: 50 MiB" => lmtp_50,
    "submission: 9 MiB" => submission_9,
    ; "aiosmtpd":
    "9 MiB in TLS" => nine_in_tls::<Aiosmtpd>,
    "50 MiB" => fifty::<Aiosmtpd>,
    ; "smtp-server":
    "9 MiB in TLS" => nine_in_tls::<SmtpServer>,
    "50 MiB" => fifty::<SmtpServer>,
];

/// A mail of about so many MiB.
fn large(mib: usize) -> String {
    let line = "0123456789".repeat(7) + "\r\n";
    mail(&line.repeat(mib * 1024 * 1024 / line.len()))
}

/// Sends it, and looks whether it is kept octet by octet.
async fn send_and_compare(connector: Connector, folder: &str, content: &str) {
    let mut client = connector.connect().await.expect("connected");
    let delivery = client.send(&to_bob(), content).await.unwrap();
    assert_eq!(outcomes(&delivery), ["accepted: 250"]);
    kept_as(folder, content, content).await;
    quit(client).await;
}

async fn nine_in_tls<S: Server>() {
    send_and_compare(implicit(S::PREFIX, "TLS_PORT"), &folder::<S>(), &large(9)).await;
}

async fn fifty<S: Server>() {
    send_and_compare(clear(S::PREFIX, "LARGE_PORT"), &folder::<S>(), &large(50)).await;
}

async fn lmtp(mib: usize) {
    let inbox = format!("{}/bob/new", var("EHLO_DOVECOT_MAIL"));
    send_and_compare(clear("EHLO_DOVECOT", "LMTP_PORT").lmtp(), &inbox, &large(mib)).await;
}

async fn lmtp_9() {
    lmtp(9).await;
}

async fn lmtp_50() {
    lmtp(50).await;
}

/// Sends it where Postfix takes it in the end, and compares the size that it logs with that of a
/// mail of one line, which stands in the queue in the same way.
async fn send_to_postfix(connector: Connector, content: &str) {
    let mut client = connector.connect().await.expect("connected");
    let delivery = client.send(&to_bob(), content).await.unwrap();
    assert_eq!(outcomes(&delivery), ["accepted: 250"]);
    let size = arrived(delivery.end().unwrap(), &["bob@example.test"]).await;
    // Two octets of a record's own take the place of CR and LF; the rest is the header on top.
    let on_top = size.checked_sub(content.len()).expect("nothing is missing");
    assert!(on_top < 1024, "{on_top} octets more than were sent");
    quit(client).await;
}

async fn postfix_9() {
    send_to_postfix(postfix(), &large(9)).await;
}

async fn postfix_50() {
    send_to_postfix(starttls("EHLO_POSTFIX", "LARGE_PORT"), &large(50)).await;
}

async fn submission_9() {
    send_to_postfix(as_alice(starttls("EHLO_DOVECOT", "PORT")), &large(9)).await;
}

async fn sink_50() {
    let mut client = clear("EHLO_SMTP_SINK", "PORT").connect().await.unwrap();
    assert!(!client.conversation().capabilities().has("SIZE"));
    let delivery = client.send(&to_bob(), large(50)).await.unwrap();
    assert_eq!(outcomes(&delivery), ["accepted: 250"]);
    quit(client).await;
}

/// Stage by stage the size is not announced.
async fn postfix_refuses() {
    let mut client = postfix().connect().await.unwrap();
    let mut transaction = client.mail("alice@example.test").await.unwrap();
    transaction.rcpt("bob@example.test").await.unwrap();
    let mut data = transaction.data().await.unwrap();
    for block in large(11).as_bytes().chunks(1 << 16) {
        data.write(block).await.unwrap();
    }
    let delivery = data.finish().await.unwrap();
    assert_eq!(
        outcomes(&delivery),
        ["refused: 552 5.3.4 Error: message file too big (in reply to end of data)"]
    );
    quit(client).await;
}
