//! Mails over LMTP: each recipient's outcome as it comes, what an early close leaves, and mails that
//! nobody is to have, over DATA and over BDAT. How a mail is watched over SMTP stands beside it.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::time::Duration;

use ehlo::testing::{Running, Script, Server};
use ehlo::{Client, Connector, Delivery, Envelope, Mail, Progress, Retry, Security, Transfer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

const CONTENT: &str = "Subject: hi\r\n\r\n";

fn connector() -> Connector {
    Connector::new("mx").security(Security::None).lmtp()
}

async fn introduced(connector: Connector, hello: &str, script: &str) -> (Client, Running) {
    let script = format!("S: 220 mx\n{hello}{script}");
    let script: Script = script.parse().unwrap();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let server = Server::script(script).serve(far).unwrap();
    (connector.connect_over(near).await.unwrap(), server)
}

/// How the content goes: the connector, and the script from the last RCPT to the replies to its end.
fn ways() -> [(Connector, String); 2] {
    let data = "C: DATA\nR\nS: 354 go\nC: <content 15>\nC: .\n";
    let bdat = "R\nC: BDAT 15 LAST\nC: <content 15>\n";
    [(connector(), data.to_owned()), (connector().transfer(Transfer::Bdat), bdat.to_owned())]
}

const HELLO: &str = "C: LHLO [127.0.0.1]\nS: 250-mx\nS: 250-PIPELINING\nS: 250 CHUNKING\n";

/// The commands of a mail to `to`, its way, with the replies to its envelope where they belong.
fn mail(to: &[&str], way: &str, replies: &str) -> String {
    let rcpts: String = to.iter().map(|to| format!("C: RCPT TO:<{to}@example.org>\n")).collect();
    format!("C: MAIL FROM:<a@example.org>\n{rcpts}{}", way.replace("R\n", replies))
}

fn to(recipients: &[&str]) -> Envelope {
    let recipients = recipients.iter().map(|name| format!("{name}@example.org"));
    Envelope::new("a@example.org", recipients).unwrap()
}

fn outcomes(delivery: &Delivery) -> Vec<String> {
    delivery.recipients().map(|recipient| recipient.outcome().to_string()).collect()
}

/// What was told, a line each.
fn line(progress: Progress<'_>) -> String {
    match progress {
        Progress::Octets(octets) => format!("octets {octets}"),
        Progress::Answered(n, recipient) => format!("{n} rcpt {}", recipient.rcpt().unwrap()),
        Progress::Decided(n, recipient) => format!("{n} {}", recipient.outcome()),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn c_118_each_outcome_is_told_when_it_comes_and_the_delivery_says_the_same() {
    for (connector, way) in ways() {
        let replies = "S: 250 ok\nS: 250 ok\nS: 550 no\nS: 250 ok\n";
        let script = mail(&["b", "c", "d"], &way, replies);
        let script = format!("{script}S: 250 stored\nS: 452 full\n");
        let (mut client, server) = introduced(connector, HELLO, &script).await;
        let mut told = Vec::new();
        let watch = |progress: Progress<'_>| told.push(line(progress));
        let delivery = client.send_watched(&to(&["b", "c", "d"]), CONTENT, watch).await.unwrap();
        assert_eq!(
            told,
            [
                "0 rcpt 250 ok",
                "1 rcpt 550 no",
                "1 refused: 550 no (in reply to RCPT TO)",
                "2 rcpt 250 ok",
                "octets 15",
                "0 accepted: 250 stored",
                "2 refused: 452 full (in reply to end of data)",
            ],
            "{way}"
        );
        let decided = [told[5].as_str(), told[2].as_str(), told[6].as_str()];
        assert_eq!(outcomes(&delivery), decided.map(|line| line[2..].to_owned()));
        drop(client);
        server.finish().await.unwrap();
    }
}

/// The second reply is not said before the first has been told.
#[tokio::test]
async fn c_118_nothing_waits_for_the_replies_behind_it() {
    let (near, mut far) = tokio::io::duplex(4096);
    let (tell, mut told) = mpsc::unbounded_channel();
    let served = async move {
        for (reply, until) in [
            ("220 mx\r\n", "\r\n"),
            ("250-mx\r\n250 PIPELINING\r\n", "DATA\r\n"),
            ("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n", "\r\n.\r\n"),
        ] {
            far.write_all(reply.as_bytes()).await.unwrap();
            let mut heard = Vec::new();
            while !heard.ends_with(until.as_bytes()) {
                heard.push(far.read_u8().await.unwrap());
            }
        }
        for (n, reply) in ["250 first\r\n", "250 second\r\n"].iter().enumerate() {
            far.write_all(reply.as_bytes()).await.unwrap();
            assert_eq!(told.recv().await, Some(n));
        }
        far
    };
    let sent = async {
        let mut client = connector().connect_over(near).await?;
        let watch = |progress: Progress<'_>| {
            if let Progress::Decided(n, _) = progress {
                tell.send(n).unwrap();
            }
        };
        client.send_watched(&to(&["b", "c"]), CONTENT, watch).await
    };
    let both = async { tokio::join!(sent, served) };
    let (delivery, _far) = tokio::time::timeout(Duration::from_secs(10), both).await.unwrap();
    assert!(delivery.unwrap().is_complete());
}

#[tokio::test]
async fn c_120_an_early_close_keeps_what_was_said() {
    for (connector, way) in ways() {
        let replies = "S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 ok\n";
        let script = mail(&["b", "c", "d"], &way, replies);
        let script = format!("{script}S: 250 stored\nS: 550 no\n-- close\n");
        let (mut client, _server) = introduced(connector, HELLO, &script).await;
        let mut told = Vec::new();
        let watch = |progress: Progress<'_>| told.push(line(progress));
        let sent = client.send_watched(&to(&["b", "c", "d"]), CONTENT, watch).await;
        let error = sent.unwrap_err();
        assert_eq!(error.kind().name(), "closed", "{error}");
        let decided = ["0 accepted: 250 stored", "1 refused: 550 no (in reply to end of data)"];
        assert_eq!(told[4..], decided, "{way}");
        let delivery = client.take_delivery().await.unwrap();
        assert_eq!(
            outcomes(&delivery),
            [&decided[0][2..], &decided[1][2..], "unknown: no answer came after the mail was sent"]
        );
        let retries: Vec<_> = delivery.recipients().map(|one| one.outcome().retry()).collect();
        assert_eq!(retries, [Retry::Never, Retry::Never, Retry::Unknown]);
        assert!(client.take_delivery().await.is_none());
    }
}

#[tokio::test]
async fn c_119_without_a_recipient_no_last_chunk_is_sent() {
    let [_, (connector, way)] = ways();
    let nobody = mail(&["b", "c"], "", "") + "S: 250 ok\nS: 550 no\nS: 550 no\nC: RSET\n";
    let then = mail(&["d"], &way, "S: 250 reset\nS: 250 ok\nS: 250 ok\n");
    let script = format!("{nobody}{then}S: 250 stored\n");
    let (mut client, server) = introduced(connector, HELLO, &script).await;
    let delivery = client.send(&to(&["b", "c"]), CONTENT).await.unwrap();
    assert_eq!(outcomes(&delivery), ["refused: 550 no (in reply to RCPT TO)"; 2]);
    assert!(client.send(&to(&["d"]), CONTENT).await.unwrap().is_complete());
    drop(client);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn over_smtp_one_reply_decides_for_all_that_are_left() {
    let smtp = || Connector::new("mx").security(Security::None);
    let hello = "C: EHLO [127.0.0.1]\nS: 250-mx\nS: 250 PIPELINING\n";
    let [(_, way), _] = ways();
    let send = async |script: String| {
        let (mut client, _server) = introduced(smtp(), hello, &script).await;
        let mut told = Vec::new();
        let watch = |progress: Progress<'_>| told.push(line(progress));
        let _ = client.send_watched(&to(&["b", "c", "d"]), CONTENT, watch).await.unwrap();
        told
    };
    let script = mail(&["b", "c", "d"], &way, "S: 250 ok\nS: 550 no\nS: 251 ok\nS: 250 ok\n");
    assert_eq!(
        send(format!("{script}S: 250 queued\n")).await,
        [
            "0 rcpt 550 no",
            "0 refused: 550 no (in reply to RCPT TO)",
            "1 rcpt 251 ok",
            "2 rcpt 250 ok",
            "octets 15",
            "1 accepted: 250 queued",
            "2 accepted: 250 queued",
        ]
    );

    let refused =
        "S: 550 you\nS: 503 mail first\nS: 503 mail first\nS: 503 mail first\nS: 503 no\n";
    let script = mail(&["b", "c", "d"], "C: DATA\n", "") + refused;
    let (who, first) = ("refused: 550 you (in reply to MAIL FROM)", "rcpt 503 mail first");
    assert_eq!(
        send(script).await,
        [
            format!("0 {who}"),
            format!("1 {who}"),
            format!("2 {who}"),
            format!("0 {first}"),
            format!("1 {first}"),
            format!("2 {first}"),
        ]
    );
}

/// A server that has one reply for all: what it says to the next mail, or to QUIT, would be taken
/// for its word on the others.
#[tokio::test]
async fn t18_nothing_goes_out_behind_a_mail_before_all_its_replies() {
    let hello = "C: LHLO [127.0.0.1]\nS: 250-mx\nS: 250 PIPELINING\n";
    let data = "C: DATA\nR\nS: 354 go\nC: <content 15>\nC: .\n";
    let script = mail(&["b", "c"], data, "S: 250 ok\nS: 250 ok\nS: 250 ok\n");
    let script = format!("{script}S: 552 5.3.4 too big\n-- close\n");
    let refused = "refused: 552 5.3.4 too big (in reply to end of data)";
    let unknown = "unknown: no answer came after the mail was sent";

    let (mut client, server) = introduced(connector().run_ahead(), hello, &script).await;
    let mails = [Mail::new(to(&["b", "c"]), CONTENT), Mail::new(to(&["d"]), CONTENT)];
    let mut sent = client.send_all(mails).then_quit();
    assert_eq!(outcomes(&sent.next().await.unwrap().delivery), [refused, unknown]);
    assert_eq!(outcomes(&sent.next().await.unwrap().delivery), ["not sent"]);
    assert!(sent.next().await.is_none());
    drop(sent);
    server.finish().await.unwrap();

    let (mut client, server) = introduced(connector(), hello, &script).await;
    client.send_last(&to(&["b", "c"]), CONTENT).await.unwrap_err();
    let delivery = client.take_delivery().await.unwrap();
    assert_eq!(outcomes(&delivery), [refused, unknown]);
    server.finish().await.unwrap();
}
