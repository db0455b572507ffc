//! smtp-sink, which keeps content octet by octet, speaks LMTP, and leaves when it should not.

use std::time::Duration;

use ehlo::{Client, Envelope, ErrorKind, Outcome, Retry, Stage};

use crate::support::{checked, clear, dump_folder, mail, outcomes};
use crate::{Test, tests};

pub(crate) const TESTS: &[Test] = &tests!["smtp-sink":
    "EHLO with an empty last line" => empty_last_line,
    "content octet by octet" => content_octets,
    "LMTP with two recipients" => lmtp,
    "every recipient refused" => refused,
    "5 MiB through a window of 1 KiB" => small_window,
    "550 in the middle of 20 MiB, which it does not read" => aborted,
    "HELO where EHLO is refused, and a greeting of stars" => old,
    "8 bits to one that does not offer 8BITMIME" => eight_bits,
    "closed without a reply to the final dot" => dropped,
];

async fn connected(port: &str) -> Client {
    clear("EHLO_SMTP_SINK", port).connect().await.expect("connected")
}

fn to_bob() -> Envelope {
    Envelope::new("alice@example.test", ["bob@example.test"]).unwrap()
}

async fn empty_last_line() {
    let mut client = connected("PORT").await;
    let transcript = client.conversation().transcript().unwrap().to_string();
    let capabilities = client.conversation().capabilities();
    assert!(capabilities.has("PIPELINING") && capabilities.has("8BITMIME"));
    assert!(transcript.ends_with("S: 250 \n"), "{transcript}");
    client.quit().await.unwrap();
}

/// The file in which the mail with this subject is kept.
async fn kept(subject: &str) -> Vec<u8> {
    for _ in 0..100 {
        for entry in std::fs::read_dir(dump_folder()).expect("the folder of the dumps") {
            let octets = std::fs::read(entry.unwrap().path()).unwrap();
            if memchr::memmem::find(&octets, subject.as_bytes()).is_some()
                && octets.ends_with(b"\n\n")
            {
                return octets;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("smtp-sink has not kept {subject}");
}

async fn content_octets() {
    let mut client = connected("DUMP_PORT").await;
    let long = "long ".repeat(400);
    let dots = ".\n".repeat(5_000);
    for (body, arrives) in [
        ("plain\r\n", "plain\n"),
        ("", ""),
        ("no end", "no end\n"),
        (".\r\n..\r\n.leading\r\nin .it\r\n.", ".\n..\n.leading\nin .it\n.\n"),
        ("\n.\nLF only\n.\n\nlast", "\n.\nLF only\n.\n\nlast\n"),
        ("one CR\rand another\r", "one CR\nand another\n"),
        ("\r\n\r\n.\r\n\r\n", "\n\n.\n\n"),
        ("Grüße\r\n", "Grüße\n"),
        (&long, &(long.clone() + "\n")),
        (&dots, &dots),
    ] {
        let content = mail(body);
        let delivery = client.send(&to_bob(), &content).await.unwrap();
        assert_eq!(outcomes(&delivery), ["accepted: 250"]);
        let header = &content[..content.len() - body.len()].replace("\r\n", "\n");
        let subject = header.lines().find(|line| line.starts_with("Subject: ")).unwrap();
        let file = kept(&format!("{subject}\n")).await;
        let begin = memchr::memmem::find(&file, b"\nFrom: ").unwrap() + 1;
        let expected = format!("{header}{arrives}\n");
        assert_eq!(String::from_utf8_lossy(&file[begin..]), expected, "{body:?}");
        assert!(file.starts_with(b"X-Client-Addr: "), "{}", file.escape_ascii());
    }
    client.quit().await.unwrap();
}

async fn lmtp() {
    let connector = clear("EHLO_SMTP_SINK", "LMTP_PORT").lmtp();
    let mut client = connector.connect().await.unwrap();
    let two = ["bob@example.test", "eve@example.test"];
    let envelope = Envelope::new("alice@example.test", two).unwrap();
    for _ in 0..2 {
        let delivery = client.send(&envelope, mail("hello\r\n")).await.unwrap();
        assert_eq!(outcomes(&delivery), ["accepted: 250", "accepted: 250"]);
        assert!(delivery.is_complete());
        // Each has an answer of its own, and there is none for all.
        assert_eq!(delivery.end(), None);
    }
    let transcript = client.conversation().transcript().unwrap().to_string();
    assert!(transcript.contains("C: LHLO client.example.test\n"), "{transcript}");
    client.quit().await.unwrap();
}

async fn refused() {
    let mut client = connected("F_RCPT_PORT").await;
    for _ in 0..2 {
        let delivery = client.send(&to_bob(), mail("hello\r\n")).await.unwrap();
        assert_eq!(
            outcomes(&delivery),
            ["refused: 500 5.3.0 Error: command failed (in reply to RCPT TO)"]
        );
    }
    client.quit().await.unwrap();
}

async fn dropped() {
    let mut client = connected("DROP_END_PORT").await;
    let error = client.send(&to_bob(), mail("hello\r\n")).await.unwrap_err();
    assert_eq!(error.stage(), Stage::EndOfData);
    assert!(matches!(error.kind(), ErrorKind::Closed(None)));
    assert_eq!(error.retry(), Retry::Unknown);
    assert_eq!(checked(error).to_string(), "127.0.0.1 closed the connection at end of data");
    let delivery = client.take_delivery().await.expect("what is known");
    assert_eq!(delivery.data().unwrap().code().number(), 354);
    let outcome = delivery.recipients().next().unwrap().outcome();
    assert_eq!(outcome, Outcome::Unknown);
    assert_eq!(outcome.retry(), Retry::Unknown);
    // It is handed out once.
    assert_eq!(client.take_delivery().await, None);
    let error = client.quit().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Closed(None)), "{error}");
}

fn lines(mib: usize) -> String {
    mail(&"0123456789\r\n".repeat(mib * 1024 * 1024 / 12))
}

async fn small_window() {
    let mut client = connected("WINDOW_PORT").await;
    let delivery = client.send(&to_bob(), lines(5)).await.unwrap();
    assert_eq!(outcomes(&delivery), ["accepted: 250"]);
    client.quit().await.unwrap();
}

/// The refusal is heard while the content is written, and outranks the end of the connection.
async fn aborted() {
    let mut client = connected("ABORT_PORT").await;
    let delivery = client.send(&to_bob(), lines(20)).await.unwrap();
    assert_eq!(outcomes(&delivery), ["refused: 550 This violates SMTP (in reply to content)"]);
    let error = client.send(&to_bob(), mail("hello\r\n")).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Later);
    let words = checked(error).to_string();
    assert!(
        words.ends_with("closed the connection at MAIL FROM")
            || words.ends_with("closed on this side at MAIL FROM"),
        "{words}"
    );
}

async fn old() {
    for (port, greeting) in [
        ("F_EHLO_PORT", "220 sink.example.test ESMTP"),
        ("NO_EHLO_PORT", "220 sink.example.test"),
        ("PIX_PORT", "220 ********"),
    ] {
        let mut client = connected(port).await;
        assert_eq!(client.conversation().greeting().to_string(), greeting);
        let transcript = client.conversation().transcript().unwrap().to_string();
        assert!(transcript.contains("\nC: HELO client.example.test\nS: 250 "), "{transcript}");
        let delivery = client.send(&to_bob(), mail("hello\r\n")).await.unwrap();
        assert_eq!(outcomes(&delivery), ["accepted: 250"]);
        client.quit().await.unwrap();
    }
}

async fn eight_bits() {
    let mut client = connected("NO_8BITMIME_PORT").await;
    let content = mail("Grüße\r\n");
    let error = client.send(&to_bob(), &content).await.unwrap_err();
    let at = content.find('ü').unwrap();
    assert_eq!(
        checked(error).to_string(),
        format!(
            "127.0.0.1 does not offer 8BITMIME, which content with octets above 127 (the first at \
             {at}) needs"
        )
    );
    // It is not begun, and the next one goes.
    let delivery = client.send(&to_bob(), mail("hello\r\n")).await.unwrap();
    assert_eq!(outcomes(&delivery), ["accepted: 250"]);
    let transcript = client.conversation().transcript().unwrap().to_string();
    assert_eq!(transcript.matches("C: MAIL ").count(), 1, "{transcript}");
    client.quit().await.unwrap();
}
