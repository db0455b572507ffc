//! Mails in a row over one connection, running ahead or not: what each of them came to, and what
//! arrived of them.

use std::collections::HashMap;
use std::time::Duration;

use ehlo::{Connector, Envelope, ErrorKind, Mail, Outcome, Sent, Transfer};

use crate::aiosmtpd::Aiosmtpd;
use crate::dovecot::{inbox, lmtp};
use crate::every::{Server, folder, to_bob};
use crate::exim::Exim;
use crate::opensmtpd::OpenSmtpd;
use crate::smtp_server::SmtpServer;
use crate::support::{
    as_alice, clear, dump_folder, implicit, kept_as, mail, outcomes, postfix, queue_id, var,
};
use crate::{Test, held, tests};

pub(crate) const TESTS: &[Test] = &tests!["Postfix":
    "1,000 mails in a row, DATA" => thousand_data,
    "1,000 mails in a row, BDAT" => thousand_bdat,
    "100 mails in a row, DATA, running ahead" => hundred_data_ahead,
    "1,000 mails in a row, BDAT, running ahead" => thousand_bdat_ahead,
    "in a row: refused, not sendable, taken; ahead" => some_fail,
    "the last mail, and QUIT behind it" => last_postfix,
    ; "smtp-sink":
    "100 mails in a row" => hundred_sink,
    "100 mails in a row, running ahead" => hundred_sink_ahead,
    ; "Exim":
    "100 mails in a row" => hundred::<Exim>,
    "100 mails in a row, running ahead, DATA" => hundred_ahead_data::<Exim>,
    "100 mails in a row, running ahead, BDAT" => hundred_ahead::<Exim>,
    "the last mail, and QUIT behind it" => last::<Exim>,
    ; "OpenSMTPD":
    "100 mails in a row" => hundred::<OpenSmtpd>,
    "100 mails in a row, running ahead, no PIPELINING" => hundred_ahead::<OpenSmtpd>,
    "the last mail, and QUIT behind it" => last::<OpenSmtpd>,
    ; "Dovecot":
    "LMTP: 100 mails in a row" => hundred_lmtp,
    "LMTP: 100 mails in a row, running ahead" => hundred_lmtp_ahead,
    "LMTP: the last mail, and QUIT after its reply" => last_lmtp,
    ; "Dovecot+Postfix":
    "submission: 100 mails in a row" => hundred_submission,
    "submission: running ahead: closed, nothing lost" => submission_ahead,
    "submission: the last mail, and QUIT behind it" => last_submission,
    ; "aiosmtpd":
    "100 mails in a row" => hundred::<Aiosmtpd>,
    "100 mails in a row, running ahead, no PIPELINING" => hundred_ahead::<Aiosmtpd>,
    "the last mail, and QUIT behind it" => last::<Aiosmtpd>,
    ; "smtp-server":
    "100 mails in a row" => hundred::<SmtpServer>,
    "100 mails in a row, running ahead" => hundred_ahead::<SmtpServer>,
    "the last mail, and QUIT behind it" => last::<SmtpServer>,
];

/// Sends so many in a row, and QUIT behind them; gives what is said of each, its content beside.
async fn in_a_row(connector: Connector, count: usize) -> (Vec<String>, Vec<Sent>) {
    let mut client = connector.connect().await.expect("connected");
    let contents: Vec<String> = (0..count).map(|n| mail(&format!("mail {n}\r\n"))).collect();
    let mails = contents.clone().into_iter().map(|content| Mail::new(to_bob(), content));
    let mut deliveries = client.send_all(mails).then_quit();
    let mut sent = Vec::new();
    while let Some(one) = deliveries.next().await {
        sent.push(one);
    }
    drop(deliveries);
    assert_eq!(sent.len(), count);
    let error = client.quit().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Closed(_)), "{error}");
    (contents, sent)
}

#[track_caller]
fn are_all_accepted(sent: &[Sent]) {
    for Sent { delivery, error, .. } in sent {
        assert!(error.is_none(), "{error:?}");
        assert_eq!(outcomes(delivery), ["accepted: 250"]);
    }
}

/// How often each mail is among those of a folder, by its subject.
fn times_kept(folder: &str, contents: &[String], text: fn(&[u8]) -> String) -> Vec<usize> {
    let subject = |line: &&str| line.starts_with("Subject: ");
    let mut times: HashMap<String, usize> = HashMap::new();
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let entry = entry.unwrap();
        if entry.metadata().unwrap().len() < 4096 {
            let text = text(&std::fs::read(entry.path()).unwrap_or_default());
            let subject = text.lines().find(subject).unwrap_or_default();
            *times.entry(subject.to_owned()).or_default() += 1;
        }
    }
    let of = |content: &String| {
        let subject = content.lines().find(subject).unwrap();
        times.get(subject).copied().unwrap_or_default()
    };
    contents.iter().map(of).collect()
}

/// Waits until each mail is in this folder once.
async fn kept_each(folder: &str, contents: &[String]) {
    for _ in 0..200 {
        let times = times_kept(folder, contents, |file| String::from_utf8_lossy(file).into_owned());
        assert!(times.iter().all(|times| *times <= 1), "{times:?}");
        if times.iter().all(|times| *times == 1) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{folder} does not have each of {} mails", contents.len());
}

/// How often Postfix holds each mail.
fn held(contents: &[String]) -> Vec<usize> {
    times_kept(&var("EHLO_POSTFIX_HOLD_DIR"), contents, held::content)
}

/// How often Postfix's log shows each mail delivered, by its message id.
fn delivered(contents: &[String]) -> Vec<usize> {
    let log = std::fs::read(var("EHLO_POSTFIX_LOG")).unwrap();
    let log = String::from_utf8_lossy(&log).into_owned();
    let mut queued = HashMap::new();
    let mut times: HashMap<&str, usize> = HashMap::new();
    for line in log.lines() {
        let id = line.split(": ").nth(1).unwrap_or_default();
        if let Some((_, message_id)) = line.split_once(" message-id=") {
            queued.insert(id, message_id);
        } else if line.contains(" to=<bob@example.test>, ") && line.contains(" status=sent ") {
            *times.entry(queued.get(id).copied().unwrap_or_default()).or_default() += 1;
        }
    }
    let of = |content: &String| {
        let field = content.lines().find_map(|line| line.strip_prefix("Message-ID: "));
        times.get(field.unwrap()).copied().unwrap_or_default()
    };
    contents.iter().map(of).collect()
}

/// Waits until Postfix's log shows each mail delivered once.
async fn delivered_each(contents: &[String]) {
    for _ in 0..200 {
        let times = delivered(contents);
        assert!(times.iter().all(|times| *times <= 1), "{times:?}");
        if times.iter().all(|times| *times == 1) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("Postfix's log does not show each of {} mails delivered once", contents.len());
}

async fn many(connector: Connector, count: usize) {
    let (contents, sent) = in_a_row(connector, count).await;
    are_all_accepted(&sent);
    let mut ids: Vec<_> = sent.iter().map(|sent| queue_id(sent.delivery.end().unwrap())).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
    delivered_each(&contents).await;
}

async fn thousand_data() {
    many(postfix().transfer(Transfer::Data), 1000).await;
}

async fn thousand_bdat() {
    many(postfix().transfer(Transfer::Bdat), 1000).await;
}

/// Not as many: each takes 40 ms. The end of a mail and the MAIL behind it come in two segments, so
/// that Postfix answers in two; it holds the second back until the first is acknowledged (Nagle),
/// and there is nothing to send that would carry the acknowledgement.
async fn hundred_data_ahead() {
    many(postfix().transfer(Transfer::Data).run_ahead(), 100).await;
}

async fn thousand_bdat_ahead() {
    many(postfix().transfer(Transfer::Bdat).run_ahead(), 1000).await;
}

/// One that fails does not touch the next, by whatever it fails.
async fn some_fail() {
    for connector in [postfix(), postfix().transfer(Transfer::Data)] {
        let mut client = connector.run_ahead().connect().await.unwrap();
        let to = |recipient: &str| Envelope::new("alice@example.test", [recipient]).unwrap();
        let hello = || mail("hello\r\n");
        let mails = [
            Mail::new(to_bob(), hello()),
            Mail::new(to("nobody-here@example.test"), hello()),
            Mail::new(to_bob(), hello()),
            // Larger than SIZE: it is not begun.
            Mail::new(to_bob(), mail(&"line\r\n".repeat(2_000_000))),
            Mail::new(to("later@example.test"), hello()),
            Mail::new(to_bob(), hello()),
        ];
        let mut deliveries = client.send_all(mails);
        let mut shown = Vec::new();
        while let Some(Sent { delivery, error, .. }) = deliveries.next().await {
            let outcome = outcomes(&delivery).concat();
            shown.push(match error {
                None => outcome.chars().take(18).collect(),
                Some(error) => format!("{outcome}: {error}").replace(char::is_numeric, "n"),
            });
        }
        drop(deliveries);
        assert_eq!(
            shown,
            [
                "accepted: 250",
                "refused: 550 5.1.1",
                "accepted: 250",
                "not sent: the content has nnnnnnnn octets, and nnn.n.n.n takes nnnnnnnn",
                "refused: 450 4.7.1",
                "accepted: 250",
            ]
        );
        client.quit().await.unwrap();
    }
}

async fn hundred_kept(connector: Connector, folder: &str) {
    let (contents, sent) = in_a_row(connector, 100).await;
    are_all_accepted(&sent);
    kept_each(folder, &contents).await;
}

async fn hundred<S: Server>() {
    hundred_kept(clear(S::PREFIX, "PORT"), &folder::<S>()).await;
}

async fn hundred_ahead<S: Server>() {
    hundred_kept(clear(S::PREFIX, "PORT").run_ahead(), &folder::<S>()).await;
}

async fn hundred_ahead_data<S: Server>() {
    let connector = clear(S::PREFIX, "PORT").run_ahead().transfer(Transfer::Data);
    hundred_kept(connector, &folder::<S>()).await;
}

async fn hundred_sink() {
    let folder = dump_folder();
    hundred_kept(clear("EHLO_SMTP_SINK", "DUMP_PORT"), &folder.to_string_lossy()).await;
}

async fn hundred_sink_ahead() {
    let folder = dump_folder();
    let connector = clear("EHLO_SMTP_SINK", "DUMP_PORT").run_ahead();
    hundred_kept(connector, &folder.to_string_lossy()).await;
}

async fn hundred_lmtp() {
    hundred_kept(lmtp(), &inbox("bob")).await;
}

async fn hundred_lmtp_ahead() {
    hundred_kept(lmtp().run_ahead(), &inbox("bob")).await;
}

fn submission() -> Connector {
    as_alice(implicit("EHLO_DOVECOT", "TLS_PORT"))
}

async fn hundred_submission() {
    let (contents, sent) = in_a_row(submission(), 100).await;
    are_all_accepted(&sent);
    assert_eq!(held(&contents), [1; 100]);
}

/// It closes without a reply on a MAIL behind a final dot that it has not answered yet; behind BDAT
/// it goes on. Either way, what is said of each mail agrees with what is there.
async fn submission_ahead() {
    for transfer in [Transfer::Data, Transfer::Bdat] {
        let (contents, sent) = in_a_row(submission().transfer(transfer).run_ahead(), 100).await;
        // Time for what should not arrive.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let times = held(&contents);
        for (Sent { delivery, error, .. }, times) in sent.iter().zip(&times) {
            let outcome = delivery.recipients().next().unwrap().outcome();
            match outcome {
                Outcome::Accepted(_) => assert_eq!((*times, error.is_none()), (1, true)),
                Outcome::NotSent => assert_eq!((*times, error.is_some()), (0, true)),
                Outcome::Unknown => assert!(*times <= 1 && error.is_some()),
                _ => panic!("{outcome}"),
            }
        }
        if transfer == Transfer::Data {
            let Sent { delivery, error, .. } = &sent[99];
            assert_eq!(outcomes(delivery), ["not sent"]);
            let words = error.as_ref().map(ToString::to_string).unwrap_or_default();
            assert!(words.starts_with("127.0.0.1 closed the connection at "), "{words}");
            let first = sent[0].delivery.recipients().next().unwrap().outcome();
            assert!(matches!(first, Outcome::Accepted(_) | Outcome::Unknown), "{first}");
        }
    }
}

/// QUIT rides behind the mail, where that may be (never over LMTP); it is answered, and the mail
/// kept, all the same.
async fn send_last(connector: Connector) -> String {
    let mut client = connector.connect().await.expect("connected");
    let is_pipelining = client.conversation().capabilities().has("PIPELINING");
    let content = mail("the last\r\n");
    let delivery = client.send_last(&to_bob(), &content).await.unwrap();
    assert_eq!(outcomes(&delivery), ["accepted: 250"]);
    let transcript = client.conversation().transcript().unwrap().to_string();
    let rides = is_pipelining && !transcript.contains("C: LHLO");
    let (_, behind) = transcript.split_once("C: <content ").expect("a content");
    let lines: Vec<&str> = behind.lines().skip(1).collect();
    let at = |word: &str| lines.iter().position(|line| line.starts_with(word)).expect(behind);
    let (quit, end, bye) = (at("C: QUIT"), at("S: 250 "), at("S: 221 "));
    assert_eq!(quit < end, rides, "{behind}");
    assert!(end < bye && quit < bye, "{behind}");
    content
}

async fn last<S: Server>() {
    let content = send_last(clear(S::PREFIX, "PORT")).await;
    kept_as(&folder::<S>(), &content, &content).await;
}

async fn last_lmtp() {
    let content = send_last(lmtp()).await;
    kept_as(&inbox("bob"), &content, &content).await;
}

async fn last_postfix() {
    for transfer in [Transfer::Data, Transfer::Bdat] {
        let content = send_last(postfix().transfer(transfer)).await;
        delivered_each(&[content]).await;
    }
}

async fn last_submission() {
    let content = send_last(submission()).await;
    assert_eq!(held(&[content]), [1]);
}
