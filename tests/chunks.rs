//! Content over BDAT, as a client sends it to a server that takes it apart: whole mails, sources, and
//! chunk by chunk.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::time::Duration;

use ehlo::testing::{Running, Server};
use ehlo::{
    BodyType, Client, Connector, Envelope, LineEndings, MailParam, Security, Source, Stage,
    Transfer,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

fn connector() -> Connector {
    Connector::new("mx").security(Security::None).transfer(Transfer::Bdat)
}

async fn client(connector: Connector, server: Server) -> (Client, Running) {
    let (near, far) = duplex(64 * 1024);
    let server = server.serve(far).unwrap();
    (connector.connect_over(near).await.unwrap(), server)
}

fn envelope() -> Envelope {
    Envelope::new("alice@example.org", ["bob@example.net"]).unwrap()
}

fn with_body(body: BodyType) -> Envelope {
    envelope().param(MailParam::body(body))
}

#[tokio::test]
async fn c_063_c_076_text_goes_as_it_is_with_its_line_ends_made_right() {
    let (mut client, server) = client(connector(), Server::new()).await;
    let big = "0123456789abcde\r\n".repeat(20_000);
    for (content, kept, chunks) in [
        (".dot\r\n..dots\r\n.\r\n", ".dot\r\n..dots\r\n.\r\n", &[17][..]),
        ("bare\n.lf\n", "bare\r\n.lf\r\n", &[11]),
        ("no end", "no end\r\n", &[8]),
        ("", "", &[0]),
        (&big, &big, &[131_072, 131_072, 77_856]),
    ] {
        assert!(client.send(&envelope(), content).await.unwrap().is_complete());
        let mails = server.mails();
        let mail = mails.last().unwrap();
        assert_eq!(str::from_utf8(mail.content()).unwrap(), kept);
        assert_eq!(mail.chunks().unwrap(), chunks);
    }
}

#[tokio::test]
async fn c_058_c_102_binary_content_goes_over_bdat_by_itself() {
    let server = Server::new().offer("BINARYMIME");
    let content = b"Subject: x\r\n\r\n\0\r\n.\r\n\r \xff\n";
    let connector = connector().transfer(Transfer::Auto);
    let (mut client, server) = client(connector.clone(), server).await;
    let binary = with_body(BodyType::BinaryMime);
    assert!(client.send(&binary, content).await.unwrap().is_complete());
    assert!(client.send(&binary, Source::new(&content[..])).await.unwrap().is_complete());
    for mail in server.mails() {
        assert_eq!(mail.content(), content);
        assert_eq!(mail.chunks(), Some(&[content.len() as u64][..]));
    }
    // Text goes over DATA to the same server.
    assert!(client.send(&envelope(), "hello\r\n").await.unwrap().is_complete());
    assert_eq!(server.mails().last().unwrap().chunks(), None);

    let mut client = self::client(connector, Server::new()).await.0;
    let words = "mx does not offer BINARYMIME, which BODY=BINARYMIME needs";
    assert_eq!(client.send(&binary, content).await.unwrap_err().to_string(), words);
    let raw = self::connector().line_endings(LineEndings::Raw).transfer(Transfer::Data);
    let server = Server::new().offer("BINARYMIME");
    let mut client = self::client(raw, server).await.0;
    let words = "DATA cannot carry BODY=BINARYMIME content: BDAT can";
    assert_eq!(client.send(&envelope(), content).await.unwrap_err().to_string(), words);
}

#[tokio::test]
async fn bdat_that_was_chosen_is_not_replaced() {
    let (mut client, _server) = client(connector(), Server::new().withhold("CHUNKING")).await;
    let error = client.send(&envelope(), "hello").await.unwrap_err();
    assert_eq!(error.to_string(), "mx does not offer CHUNKING, which BDAT needs");
}

#[tokio::test]
async fn a_source_is_sent_in_chunks() {
    let (mut client, server) = client(connector(), Server::new()).await;
    let content = "line\n".repeat(60_000);
    let source = Source::new(content.as_bytes()).size(300_000);
    assert!(client.send(&envelope(), source).await.unwrap().is_complete());
    let mails = server.mails();
    let mail = mails.last().unwrap();
    assert_eq!(mail.content().len(), 360_000);
    assert!(mail.chunks().unwrap().len() > 1);
    assert!(!server.log().iter().any(|line| line.contains("SIZE=")), "it is before the line ends");
}

#[tokio::test]
async fn c_091_c_100_behind_a_refused_chunk_the_client_goes_on() {
    for (server, chunk) in [
        (Server::new().reply_at_chunk(1, "452 4.3.1 no room"), "first"),
        (Server::new().reply_at_chunk(2, "452 4.3.1 no room"), "second"),
    ] {
        let (mut client, server) = client(connector(), server).await;
        let content = "0123456789abcde\r\n".repeat(20_000);
        let delivery = client.send(&envelope(), &content).await.unwrap();
        let outcome = delivery.recipients().next().unwrap().outcome().to_string();
        assert!(outcome.starts_with("refused: 452 4.3.1 no room"), "{chunk}: {outcome}");
        assert!(server.mails().is_empty(), "{chunk}");
        // RSET goes first: the next mail is its own.
        let _ = client.send(&envelope(), "short\r\n").await.unwrap();
        let log = server.log().concat();
        let said = |what: &str| log.matches(what).count();
        assert_eq!(
            (said("C: MAIL"), said("C: RSET\nS: 250 2.0.0 ok\nC: MAIL")),
            (2, 1),
            "{chunk}: {log}"
        );
    }
}

/// Exim refuses a chunk, reads on behind it as if commands came, and ends the session over those.
#[tokio::test]
async fn c_100_the_first_refusal_is_the_reason() {
    let (near, mut far) = duplex(1024);
    let served = tokio::spawn(async move {
        let mut heard = [0; 4096];
        far.write_all(b"220 mx\r\n").await.unwrap();
        let _ = far.read(&mut heard).await.unwrap();
        far.write_all(b"250-mx\r\n250-CHUNKING\r\n250 PIPELINING\r\n").await.unwrap();
        let _ = far.read(&mut heard).await.unwrap();
        far.write_all(b"250 ok\r\n250 ok\r\n").await.unwrap();
        let mut chunk = vec![0; "BDAT 131072\r\n".len() + 131_072];
        far.read_exact(&mut chunk).await.unwrap();
        // The next one has begun.
        let _ = far.read(&mut heard).await.unwrap();
        far.write_all(b"552 too large\r\n554 synchronization error\r\n").await.unwrap();
    });
    let mut client = connector().connect_over(near).await.unwrap();
    let content = "0123456789abcde\r\n".repeat(20_000);
    let delivery = client.send(&envelope(), &content).await.unwrap();
    let outcome = delivery.recipients().next().unwrap().outcome().to_string();
    assert!(outcome.starts_with("refused: 552 too large (in reply to "), "{outcome}");
    served.await.unwrap();
}

#[tokio::test]
async fn stage_by_stage_each_write_is_a_chunk() {
    let (mut client, server) = client(connector(), Server::new()).await;
    let mut mail = client.mail("alice@example.org").await.unwrap();
    mail.rcpt("bob@example.net").await.unwrap();
    let mut body = mail.bdat().unwrap();
    for chunk in ["Subject: x\n", "", "\n.dot\r", "\nend"] {
        body.write(chunk.as_bytes()).await.unwrap();
    }
    assert!(body.finish_with(b" of it").await.unwrap().is_complete());
    let mails = server.mails();
    assert_eq!(mails[0].content(), b"Subject: x\r\n\r\n.dot\r\nend of it\r\n");
    assert_eq!(mails[0].chunks().unwrap(), [10, 8, 5, 8]);
}

/// Whoever said how long a chunk is has to send so much: then there is a way on.
#[tokio::test]
async fn c_091_a_chunk_that_is_refused_midway_is_written_whole() {
    let (near, mut far) = duplex(1024);
    let served = tokio::spawn(async move {
        let mut heard = [0; 4096];
        far.write_all(b"220 mx\r\n").await.unwrap();
        let _ = far.read(&mut heard).await.unwrap();
        far.write_all(b"250-mx\r\n250-CHUNKING\r\n250 PIPELINING\r\n").await.unwrap();
        for _ in ["MAIL", "RCPT"] {
            let _ = far.read(&mut heard).await.unwrap();
            far.write_all(b"250 ok\r\n").await.unwrap();
        }
        let mut chunk = [0; "BDAT 10\r\n0123456789".len()];
        far.read_exact(&mut chunk).await.unwrap();
        // The next one has begun when the first is answered.
        let mut chunk = [0; "BDAT 8192\r\n".len() + 8192];
        far.read_exact(&mut chunk[..20]).await.unwrap();
        far.write_all(b"552 too large\r\n").await.unwrap();
        far.read_exact(&mut chunk[20..]).await.unwrap();
        far.write_all(b"503 RSET first\r\n").await.unwrap();
        let octets = far.read(&mut heard).await.unwrap();
        far.write_all(b"250 ok\r\n250 ok\r\n550 who\r\n").await.unwrap();
        heard[..octets].to_vec()
    });
    let mut client = connector().connect_over(near).await.unwrap();
    let mut mail = client.mail("alice@example.org").await.unwrap();
    mail.rcpt("bob@example.net").await.unwrap();
    let mut body = mail.bdat().unwrap();
    body.write(b"0123456789").await.unwrap();
    let error = body.write("0123456789abcd\r\n".repeat(512).as_bytes()).await.unwrap_err();
    assert_eq!(error.to_string(), "mx said: 552 too large (in reply to BDAT 10)");
    drop(body);
    let delivery = client.send(&envelope(), "next\r\n").await.unwrap();
    assert_eq!(delivery.accepted_count(), 0);
    assert!(served.await.unwrap().starts_with(b"RSET\r\nMAIL FROM:"));
}

/// Over LMTP each waits for the one before, since the last has to know how many replies it draws.
#[tokio::test]
async fn over_lmtp_each_write_is_a_chunk_too() {
    let (mut client, server) = client(connector().lmtp(), Server::new().lmtp()).await;
    let mut mail = client.mail("alice@example.org").await.unwrap();
    mail.rcpt("bob@example.net").await.unwrap();
    mail.rcpt("eve@example.net").await.unwrap();
    let mut body = mail.bdat().unwrap();
    for chunk in ["one\r\n", "two\r\n", "three\r\n"] {
        body.write(chunk.as_bytes()).await.unwrap();
    }
    assert!(body.finish().await.unwrap().is_complete());
    assert_eq!(server.mails()[0].chunks().unwrap(), [5, 5, 7, 0]);
}

#[tokio::test]
async fn chunks_that_are_dropped_leave_a_way_on() {
    let (mut client, server) = client(connector(), Server::new()).await;
    let mut mail = client.mail("alice@example.org").await.unwrap();
    mail.rcpt("bob@example.net").await.unwrap();
    let mut body = mail.bdat().unwrap();
    body.write(b"half a mail\r\n").await.unwrap();
    drop(body);
    assert!(client.send(&envelope(), "whole\r\n").await.unwrap().is_complete());
    assert_eq!(server.mails().len(), 1);
    assert_eq!(server.mails()[0].content(), b"whole\r\n");
}

#[tokio::test]
async fn without_a_recipient_there_are_no_chunks() {
    let server = Server::new().refuse("nobody@example.net", "550 5.1.1 who");
    let (mut client, _server) = client(connector(), server).await;
    let mut mail = client.mail("alice@example.org").await.unwrap();
    mail.rcpt("nobody@example.net").await.unwrap();
    let error = mail.bdat().unwrap_err();
    assert_eq!(error.to_string(), "BDAT is lawful after RCPT, and the session is after MAIL");
    assert_eq!(error.stage(), Stage::Content);
}

#[tokio::test]
async fn c_072_c_074_what_is_no_text_is_found_before_its_chunk() {
    let strict = connector().line_endings(LineEndings::Reject);
    let (mut client, server) = client(strict, Server::new()).await;
    let mut mail =
        client.mail_with("alice@example.org", [MailParam::body(BodyType::SevenBit)]).await.unwrap();
    mail.rcpt("bob@example.net").await.unwrap();
    let mut body = mail.bdat().unwrap();
    body.write(b"fine\r\n").await.unwrap();
    let error = body.write("gr\u{fc}n\r\n".as_bytes()).await.unwrap_err();
    let words = "the content cannot be sent: content has an octet above 127 at offset 8";
    assert!(error.to_string().starts_with(words), "{error}");
    drop(body);
    assert!(client.send(&envelope(), "whole\r\n").await.unwrap().is_complete());
    assert_eq!(server.mails().len(), 1);
}

/// What is written before the server says anything behind its EHLO.
async fn unanswered(content: &str) -> String {
    let (near, mut far) = duplex(128 * 1024);
    let content = content.to_owned();
    let connector = connector().run_ahead();
    let sending = tokio::spawn(async move {
        let mut client = connector.connect_over(near).await.unwrap();
        client.send(&envelope(), content).await
    });
    let mut heard = vec![0; 128 * 1024];
    far.write_all(b"220 mx\r\n").await.unwrap();
    let _ = far.read(&mut heard).await.unwrap();
    far.write_all(b"250-mx\r\n250-CHUNKING\r\n250 PIPELINING\r\n").await.unwrap();
    let mut length = 0;
    while let Ok(octets) =
        tokio::time::timeout(Duration::from_secs(1), far.read(&mut heard[length..])).await
    {
        length += octets.unwrap();
    }
    sending.abort();
    String::from_utf8_lossy(&heard[..length]).into_owned()
}

#[tokio::test(start_paused = true)]
async fn running_ahead_content_waits_for_nothing_up_to_its_limit() {
    let group = "MAIL FROM:<alice@example.org>\r\nRCPT TO:<bob@example.net>\r\n";
    assert_eq!(unanswered("short\r\n").await, format!("{group}BDAT 7 LAST\r\nshort\r\n"));
    assert_eq!(unanswered(&"0123456789abcde\r\n".repeat(4_000)).await, group);
}

#[tokio::test]
async fn c_075_long_lines_are_sent_and_told_or_refused() {
    let long = format!("Subject: x\r\n\r\n{}\r\nend\r\n", "x".repeat(999));
    for transfer in [Transfer::Data, Transfer::Bdat] {
        let connector = connector().transfer(transfer);
        let (mut client, _server) = client(connector.clone(), Server::new()).await;
        assert_eq!(client.send(&envelope(), &long).await.unwrap().long_lines(), 1);
        assert_eq!(client.send(&envelope(), "short\r\n").await.unwrap().long_lines(), 0);

        let (mut client, server) = self::client(connector.refuse_long_lines(), Server::new()).await;
        let words =
            "the content cannot be sent: content has a line of more than 998 octets at offset 14";
        let error = client.send(&envelope(), &long).await.unwrap_err();
        assert_eq!(error.to_string(), words);
        let source = Source::new(long.as_bytes());
        let error = client.send(&envelope(), source).await.unwrap_err();
        assert_eq!(error.to_string(), words);
        let delivery = client.take_delivery().await.unwrap();
        assert_eq!(delivery.recipients().next().unwrap().outcome(), ehlo::Outcome::NotSent);
        assert!(server.mails().is_empty());
    }
}
