//! Parameters of MAIL and RCPT, as Postfix and Exim understood them: what stands in the queue, and
//! who hears of the delivery. And what a relay says of whom it speaks for.

use ehlo::{Command, Reply};

use crate::support::{arrived, clear, logged, mail, queue_id, quit, send_one, var};
use crate::{Test, tests};

pub(crate) const TESTS: &[Test] = &tests!["Postfix":
    "DSN: parameters in its queue" => dsn_in_queue,
    "DSN: NOTIFY=SUCCESS is heard of, NEVER is not" => dsn_notified,
    "XCLIENT, and the greeting behind it" => xclient,
    ; "Exim":
    "DSN: parameters, and NOTIFY=SUCCESS heard of" => dsn_exim,
];

const THREE: [&str; 3] = ["bob@example.test", "carol@example.test", "eve@example.test"];

/// Sends a mail to three, of which the sender is to hear in three ways; gives the reply that
/// answers for it.
async fn with_dsn(server: &str, port: &str) -> Reply {
    let mut smtp = clear(server, port).connect().await.unwrap().into_conversation();
    assert!(smtp.capabilities().has("DSN"));
    for line in [
        "MAIL FROM:<alice@example.test> RET=HDRS ENVID=QQ+2B314+3D159",
        "RCPT TO:<bob@example.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;bobby+2Bold@example.test",
        "RCPT TO:<carol@example.test>",
        "RCPT TO:<eve@example.test> NOTIFY=NEVER",
    ] {
        let reply = smtp.say(&Command::raw(line).unwrap()).await.unwrap();
        assert_eq!(reply.code().number(), 250, "{line}");
    }
    smtp.say(&Command::data()).await.unwrap();
    let replies = smtp.content(mail("hello\r\n").as_bytes()).await.unwrap();
    smtp.quit().await.unwrap();
    replies.into_iter().next().unwrap()
}

/// The records of a held mail, each shown as its type and its octets. In the file that is a type, a
/// length of seven bits an octet, and so many octets (Postfix's `rec_type.h`).
fn held(id: &str) -> Vec<String> {
    let file = std::fs::read(format!("{}/{id}", var("EHLO_POSTFIX_HOLD_DIR"))).expect("held");
    let mut octets = file.iter().copied();
    let mut records = Vec::new();
    while let Some(kind) = octets.next() {
        let (mut len, mut shift) = (0, 0);
        for octet in octets.by_ref() {
            len |= usize::from(octet & 0x7f) << shift;
            shift += 7;
            if octet & 0x80 == 0 {
                break;
            }
        }
        let record: Vec<u8> = octets.by_ref().take(len).collect();
        records.push(format!("{} {}", char::from(kind), String::from_utf8_lossy(&record)));
    }
    records
}

async fn dsn_in_queue() {
    let reply = with_dsn("EHLO_POSTFIX", "HOLD_PORT").await;
    let records = held(&queue_id(&reply));
    let words = ["A envelope_id=", "A ret_flags=", "A notify_flags=", "A dsn_orig_rcpt=", "R "];
    let of_dsn = records.iter().filter(|record| words.iter().any(|word| record.starts_with(word)));
    // Flags as in Postfix's `dsn_mask.h`: RET=FULL 1, HDRS 2; NOTIFY=NEVER 1, SUCCESS 2, FAILURE 4,
    // DELAY 8.
    assert!(
        of_dsn.eq([
            "A envelope_id=QQ+314=159",
            "A ret_flags=2",
            "A notify_flags=10",
            "A dsn_orig_rcpt=rfc822;bobby+old@example.test",
            "R bob@example.test",
            "A dsn_orig_rcpt=rfc822;carol@example.test",
            "R carol@example.test",
            "A notify_flags=1",
            "A dsn_orig_rcpt=rfc822;eve@example.test",
            "R eve@example.test",
        ]),
        "{records:#?}"
    );
}

async fn dsn_notified() {
    let reply = with_dsn("EHLO_POSTFIX", "PORT").await;
    arrived(&reply, &THREE).await;
    let mut client = clear("EHLO_POSTFIX", "PORT").connect().await.unwrap();
    let quiet = send_one(&mut client, mail("hello\r\n").as_bytes()).await;
    arrived(&quiet, &["bob@example.test"]).await;
    quit(client).await;
    let log = std::fs::read_to_string(var("EHLO_POSTFIX_LOG")).unwrap();
    let notified = |id: String| log.contains(&format!("{id}: sender delivery status notification"));
    assert!(notified(queue_id(&reply)));
    assert!(!notified(queue_id(&quiet)));
}

async fn xclient() {
    let mut smtp = clear("EHLO_POSTFIX", "PORT").open().await.unwrap();
    let ehlo = Command::ehlo("client.example.test").unwrap();
    smtp.say(&ehlo).await.unwrap();
    assert!(smtp.capabilities().has("XCLIENT") && smtp.capabilities().has("XFORWARD"));
    let raw = Command::raw("XFORWARD NAME=spike.example.test ADDR=198.51.100.7").unwrap();
    assert_eq!(smtp.say(&raw).await.unwrap().to_string(), "250 2.0.0 Ok");
    let raw = Command::raw("XCLIENT NAME=spike.example.test ADDR=198.51.100.7").unwrap();
    let reply = smtp.say(&raw).await.unwrap();
    assert_eq!(reply.to_string(), "220 mail.example.test ESMTP Postfix");
    assert_eq!(smtp.say(&ehlo).await.unwrap().code().number(), 250);
    smtp.quit().await.unwrap();
    logged("EHLO_POSTFIX", &["disconnect from spike.example.test[198.51.100.7]"]).await;
}

/// By what name Exim took it.
fn exim_id(reply: &Reply) -> String {
    let text = reply.text().into_owned();
    text.strip_prefix("OK id=").expect(&text).to_owned()
}

async fn dsn_exim() {
    let id = exim_id(&with_dsn("EHLO_EXIM", "PORT").await);
    let mut client = clear("EHLO_EXIM", "PORT").connect().await.unwrap();
    let quiet = exim_id(&send_one(&mut client, mail("hello\r\n").as_bytes()).await);
    quit(client).await;
    let log =
        logged("EHLO_EXIM", &[&format!("{id} Completed"), &format!("{quiet} Completed")]).await;
    for said in [
        " RET=HDRS ENVID=QQ+2B314+3D159",
        "said RCPT TO:<bob@example.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;bobby+2Bold@example.test",
        "said RCPT TO:<eve@example.test> NOTIFY=NEVER",
    ] {
        assert!(log.lines().any(|line| line.ends_with(said)), "{said}");
    }
    // The mail that tells the sender names the one that it tells of.
    assert!(log.contains(&format!(" <= <> R={id} ")));
    assert!(!log.contains(&format!(" <= <> R={quiet} ")));
}
