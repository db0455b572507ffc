//! Large mails: of 10 MiB to each server in each way in which it takes content, and of 50 MiB. What
//! is kept is compared octet by octet.

use ehlo::{Connector, Transfer};

use crate::aiosmtpd::Aiosmtpd;
use crate::dovecot::inbox;
use crate::every::{Server, folder, to_bob};
use crate::exim::Exim;
use crate::held::held_for;
use crate::opensmtpd::OpenSmtpd;
use crate::smtp_server::SmtpServer;
use crate::support::{
    PASSWORD, clear, dump_folder, implicit, kept, kept_as, mail, outcomes, plain, postfix, quit,
    same, starttls,
};
use crate::{Test, tests};

pub(crate) const TESTS: &[Test] = &tests!["Postfix":
    "10 MiB in TLS, DATA" => postfix_data,
    "10 MiB in TLS, BDAT" => postfix_bdat,
    "50 MiB" => postfix_50,
    "content larger than SIZE, refused there" => postfix_refuses,
    ; "smtp-sink":
    "10 MiB" => sink_10,
    "50 MiB, no SIZE offered" => sink_50,
    ; "Exim":
    "10 MiB in TLS, DATA" => ten_in_tls::<Exim>,
    "10 MiB in TLS, BDAT" => ten_in_tls_chunked::<Exim>,
    "50 MiB" => fifty::<Exim>,
    ; "OpenSMTPD":
    "10 MiB in TLS" => ten_in_tls::<OpenSmtpd>,
    ; "Dovecot":
    "LMTP: 10 MiB, DATA" => lmtp_data,
    "LMTP: 10 MiB, BDAT" => lmtp_bdat,
    "LMTP: 50 MiB" => lmtp_50,
    ; "Dovecot+Postfix":
    "submission: 10 MiB, DATA" => submission_data,
    "submission: 10 MiB, BDAT" => submission_bdat,
    ; "aiosmtpd":
    "10 MiB in TLS" => ten_in_tls::<Aiosmtpd>,
    "LMTP: 10 MiB" => ten_over_lmtp::<Aiosmtpd>,
    "50 MiB" => fifty::<Aiosmtpd>,
    ; "smtp-server":
    "10 MiB in TLS" => ten_in_tls::<SmtpServer>,
    "LMTP: 10 MiB" => ten_over_lmtp::<SmtpServer>,
    "50 MiB" => fifty::<SmtpServer>,
];

/// A mail of so many MiB, to the octet: as large as a limit of that size lets it be. Its lines are as
/// long as lines may be (RFC 5321 §4.5.3.1.6): some servers take each in hand.
fn large(mib: usize) -> String {
    let mut content = mail("");
    let line = "y".repeat(998) + "\r\n";
    let mut left = mib * 1024 * 1024 - content.len();
    content.push_str(&line.repeat(left / line.len() - 1));
    left = mib * 1024 * 1024 - content.len();
    // More than one line is left, and less than two.
    for half in [left / 2, left - left / 2] {
        content.push_str(&"x".repeat(half - 2));
        content.push_str("\r\n");
    }
    content
}

/// Sends it, and looks whether it is kept octet by octet.
async fn send_and_compare(connector: Connector, folder: &str, content: &str) {
    let mut client = connector.connect().await.expect("connected");
    let delivery = client.send(&to_bob(), content).await.unwrap();
    assert_eq!(outcomes(&delivery), ["accepted: 250"]);
    kept_as(folder, content, content).await;
    quit(client).await;
}

async fn ten_in_tls<S: Server>() {
    let connector = implicit(S::PREFIX, "TLS_PORT").transfer(Transfer::Data);
    send_and_compare(connector, &folder::<S>(), &large(10)).await;
}

async fn ten_in_tls_chunked<S: Server>() {
    let connector = implicit(S::PREFIX, "TLS_PORT").transfer(Transfer::Bdat);
    send_and_compare(connector, &folder::<S>(), &large(10)).await;
}

async fn ten_over_lmtp<S: Server>() {
    let connector = clear(S::PREFIX, "LMTP_PORT").lmtp();
    send_and_compare(connector, &folder::<S>(), &large(10)).await;
}

async fn fifty<S: Server>() {
    send_and_compare(clear(S::PREFIX, "LARGE_PORT"), &folder::<S>(), &large(50)).await;
}

async fn lmtp(transfer: Transfer, mib: usize) {
    let connector = clear("EHLO_DOVECOT", "LMTP_PORT").lmtp().transfer(transfer);
    send_and_compare(connector, &inbox("bob"), &large(mib)).await;
}

async fn lmtp_data() {
    lmtp(Transfer::Data, 10).await;
}

async fn lmtp_bdat() {
    lmtp(Transfer::Bdat, 10).await;
}

async fn lmtp_50() {
    lmtp(Transfer::Data, 50).await;
}

/// Sends it to where Postfix holds it in the end, and compares that.
async fn send_to_postfix(connector: Connector, transfer: Transfer, content: &str) {
    let mut client = connector.transfer(transfer).connect().await.expect("connected");
    let delivery = client.send(&to_bob(), content).await.unwrap();
    assert_eq!(outcomes(&delivery), ["accepted: 250"]);
    held_for(delivery.end().unwrap(), &["bob@example.test"], content);
    quit(client).await;
}

async fn postfix_data() {
    send_to_postfix(large_postfix(), Transfer::Data, &large(10)).await;
}

async fn postfix_bdat() {
    send_to_postfix(large_postfix(), Transfer::Bdat, &large(10)).await;
}

async fn postfix_50() {
    send_to_postfix(large_postfix(), Transfer::Data, &large(50)).await;
}

/// Its own header counts, too: what is as large as a limit it does not take.
fn large_postfix() -> Connector {
    starttls("EHLO_POSTFIX", "LARGE_PORT")
}

async fn submission_data() {
    send_to_postfix(submission(), Transfer::Data, &large(10)).await;
}

async fn submission_bdat() {
    send_to_postfix(submission(), Transfer::Bdat, &large(10)).await;
}

/// Of this user Dovecot takes as much as it says, since what is behind it takes more.
fn submission() -> Connector {
    starttls("EHLO_DOVECOT", "PORT").authenticate(plain("large", PASSWORD))
}

async fn sink_10() {
    let mut client = clear("EHLO_SMTP_SINK", "DUMP_PORT").connect().await.unwrap();
    let content = large(10);
    let delivery = client.send(&to_bob(), &content).await.unwrap();
    assert_eq!(outcomes(&delivery), ["accepted: 250"]);
    // It is one process: once it has answered this, it is done with the file.
    quit(client).await;
    let file = kept(&dump_folder().to_string_lossy(), &content).await;
    let begin = memchr::memmem::find(&file, b"\nFrom: ").expect("the first header field") + 1;
    // An empty line ends each of its mails.
    same(&String::from_utf8_lossy(&file[begin..]), &(content + "\n"));
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
