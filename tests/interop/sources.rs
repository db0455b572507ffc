//! Content that is read while it is sent: 50 MiB of it, of which little is in memory.

use ehlo::{Client, Connector, Envelope, Source, Transfer};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::aiosmtpd::Aiosmtpd;
use crate::dovecot::{holds, inbox, lmtp};
use crate::every::{Server, folder, to_bob};
use crate::exim::Exim;
use crate::held::held_for;
use crate::smtp_server::SmtpServer;
use crate::support::{clear, kept_as, mail, outcomes, quit, starttls};
use crate::{Test, tests};

pub(crate) const TESTS: &[Test] = &tests!["Postfix":
    "50 MiB from a source, DATA" => postfix_data,
    "50 MiB from a source, BDAT" => postfix_bdat,
    ; "smtp-sink":
    "50 MiB from a source" => sink,
    ; "Exim":
    "50 MiB from a source, DATA" => data::<Exim>,
    "50 MiB from a source, BDAT" => bdat::<Exim>,
    ; "Dovecot":
    "LMTP: 50 MiB from a source to 4, 1 full; DATA" => lmtp_data,
    "LMTP: 50 MiB from a source to 4, 1 full; BDAT" => lmtp_bdat,
    ; "aiosmtpd":
    "50 MiB from a source" => data::<Aiosmtpd>,
    ; "smtp-server":
    "50 MiB from a source" => data::<SmtpServer>,
];

/// Of a mail, whose body is this line so many times. Of short ones there would be too many for servers that
/// take each in hand.
const LINE: &str = concat!(
    "0123456789012345678901234567890123456789012345678901234567890123456789",
    "0123456789012345678901234567890123456789012345678901234567890123456789",
    "0123456789012345678901234567890123456789012345678901234567890123456789",
    "0123456789012345678901234567890123456789012345678901234567890123456789",
    "0123456789012345678901234567890123456789012345678901234567890123456789",
    "0123456789012345678901234567890123456789012345678901234567890123456789",
    "0123456789012345678901234567890123456789012345678901234567890123456789",
    "0123456789012345678901234567890123456789012345678901234567890123456789",
    "\r\n"
);
const LINES: usize = 50 * 1024 * 1024 / LINE.len();

/// A source of such a mail, which is nowhere as a whole.
fn source(header: &str) -> impl AsyncRead + Send {
    let block = LINE.repeat(1000).into_bytes();
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        let mut left = LINE.len() * LINES;
        while left > 0 {
            let part = block.len().min(left);
            // It ends where nobody reads any more.
            if tokio::io::AsyncWriteExt::write_all(&mut far, &block[..part]).await.is_err() {
                return;
            }
            left -= part;
        }
    });
    std::io::Cursor::new(header.to_owned().into_bytes()).chain(near)
}

/// Sends it to these, and sees that memory does not grow with it; gives what was sent, and who is
/// to have it.
async fn send(client: &mut Client, envelope: &Envelope) -> (String, ehlo::Delivery) {
    let header = mail("");
    let source = Source::new(source(&header));
    let before = forget_peak();
    let delivery = client.send(envelope, source).await.unwrap();
    let grown = memory("VmHWM:").saturating_sub(before);
    assert!(grown < 4 * 1024, "{grown} KiB were taken");
    (header + &LINE.repeat(LINES), delivery)
}

/// So much memory this process has, in KiB, and has had at most from now on (Linux's `proc(5)`).
fn forget_peak() -> usize {
    std::fs::write("/proc/self/clear_refs", "5").expect("the peak is forgotten");
    memory("VmRSS:")
}

fn memory(what: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("this process");
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    number.and_then(|number| number.parse().ok()).expect("a number")
}

async fn postfix(transfer: Transfer) {
    let connector = starttls("EHLO_POSTFIX", "LARGE_PORT").transfer(transfer);
    let mut client = connector.connect().await.unwrap();
    let (content, delivery) = send(&mut client, &to_bob()).await;
    assert_eq!(outcomes(&delivery), ["accepted: 250"]);
    held_for(delivery.end().unwrap(), &["bob@example.test"], &content);
    quit(client).await;
}

async fn postfix_data() {
    postfix(Transfer::Data).await;
}

async fn postfix_bdat() {
    postfix(Transfer::Bdat).await;
}

async fn sink() {
    let mut client = clear("EHLO_SMTP_SINK", "PORT").connect().await.unwrap();
    let (_, delivery) = send(&mut client, &to_bob()).await;
    assert_eq!(outcomes(&delivery), ["accepted: 250"]);
    quit(client).await;
}

async fn send_and_compare(connector: Connector, folder: &str) {
    let mut client = connector.connect().await.unwrap();
    let (content, delivery) = send(&mut client, &to_bob()).await;
    assert_eq!(outcomes(&delivery), ["accepted: 250"]);
    kept_as(folder, &content, &content).await;
    quit(client).await;
}

async fn data<S: Server>() {
    send_and_compare(clear(S::PREFIX, "LARGE_PORT"), &folder::<S>()).await;
}

async fn bdat<S: Server>() {
    let connector = clear(S::PREFIX, "LARGE_PORT").transfer(Transfer::Bdat);
    send_and_compare(connector, &folder::<S>()).await;
}

/// Each of those that were accepted has a reply of its own at the end, and one of them refuses
/// there.
async fn lmtp_each(transfer: Transfer) {
    let mut client = lmtp().transfer(transfer).connect().await.unwrap();
    let recipients =
        ["bob", "nobody-here", "full", "eve"].map(|local| format!("{local}@example.test"));
    let envelope = Envelope::new("alice@example.test", recipients).unwrap();
    let (content, delivery) = send(&mut client, &envelope).await;
    assert_eq!(
        outcomes(&delivery),
        [
            "accepted: 250",
            "refused: 550 5.1.1 <nobody-here@example.test> User doesn't exist: \
             nobody-here@example.test (in reply to RCPT TO)",
            "refused: 552 5.2.2 <full@example.test> Quota exceeded (mailbox for user is full) (in \
             reply to end of data)",
            "accepted: 250",
        ]
    );
    for recipient in ["bob", "eve"] {
        kept_as(&inbox(recipient), &content, &content).await;
    }
    assert!(!holds(&inbox("full")));
    quit(client).await;
}

async fn lmtp_data() {
    lmtp_each(Transfer::Data).await;
}

async fn lmtp_bdat() {
    lmtp_each(Transfer::Bdat).await;
}
