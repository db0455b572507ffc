//! LIMITS (RFC 9422), of which Exim 4.98 offers two: what it holds a client to is never asked of it,
//! and what a client is told that does ask.

use ehlo::{Client, Envelope, ErrorKind, Mail, Retry, ServerLimits, Transfer};

use crate::by_hand::Wire;
use crate::every::to_bob;
use crate::support::{
    checked, clear, kept_as, logged, mail, outcomes, quit, send_one, starttls, var,
};
use crate::{Test, tests};

pub(crate) const TESTS: &[Test] = &tests!["Exim-next":
    "LIMITS: offered, in clear and in TLS" => offered,
    "LIMITS: RCPTMAX by hand: 452 to one more" => recipients_by_hand,
    "LIMITS: RCPTMAX: what is beyond is not sent" => recipients,
    "LIMITS: RCPTMAX: as many mails as it takes" => recipients_in_parts,
    "LIMITS: MAILMAX by hand: 421 to one more" => mails_by_hand,
    "LIMITS: MAILMAX: one more is not begun" => mails,
    "LIMITS: MAILMAX: in a row, the rest comes back" => mails_in_a_row,
];

/// What its `up` has it offer.
const MAILS: u32 = 4;
const RECIPIENTS: u32 = 3;

async fn connected() -> Client {
    clear("EHLO_EXIM_NEXT", "PORT").connect().await.expect("connected")
}

/// To so many.
fn to(count: usize) -> Envelope {
    let recipients: Vec<String> = (0..count).map(|n| format!("r{n}@example.test")).collect();
    Envelope::new("alice@example.test", recipients.iter().map(String::as_str)).expect("valid")
}

async fn offered() {
    for connector in [clear, starttls].map(|way| way("EHLO_EXIM_NEXT", "PORT")) {
        let client = connector.connect().await.unwrap();
        let limits = client.conversation().capabilities().get::<ServerLimits>().expect("offered");
        assert_eq!(limits.mail_max(), Some(MAILS));
        assert_eq!(limits.rcpt_max(), Some(RECIPIENTS));
        assert_eq!(limits.rcpt_domain_max(), None);
        let transcript = client.conversation().transcript().unwrap().to_string();
        assert!(transcript.contains("\nS: 250-LIMITS MAILMAX=4 RCPTMAX=3\n"), "{transcript}");
        quit(client).await;
    }
}

async fn recipients_by_hand() {
    let mut wire = Wire::greeted("EXIM_NEXT_PORT").await;
    wire.say("EHLO client.example.test").await;
    wire.say("MAIL FROM:<alice@example.test>").await;
    for n in 0..RECIPIENTS {
        assert_eq!(wire.say(&format!("RCPT TO:<r{n}@example.test>")).await, "250 Accepted");
    }
    assert_eq!(wire.say("RCPT TO:<r3@example.test>").await, "452 too many recipients");
}

async fn recipients() {
    for transfer in [Transfer::Data, Transfer::Bdat] {
        let connector = clear("EHLO_EXIM_NEXT", "PORT").transfer(transfer);
        let mut client = connector.connect().await.unwrap();
        let content = mail("hello\r\n");
        let delivery = client.send(&to(5), &content).await.unwrap();
        let taken = "accepted: 250";
        assert_eq!(outcomes(&delivery), [taken, taken, taken, "not sent", "not sent"]);
        assert!(delivery.recipients().skip(3).all(|one| one.outcome().retry() == Retry::Later));
        let transcript = client.conversation().transcript().unwrap().to_string();
        assert_eq!(transcript.matches("\nC: RCPT ").count(), 3, "{transcript}");
        kept_as(&var("EHLO_EXIM_NEXT_MAIL"), &content, &content).await;
        quit(client).await;
    }
}

/// What was not sent goes with the next mail, as the documentation of `send` has it.
async fn recipients_in_parts() {
    let mut client = connected().await;
    for part in to(7).split(RECIPIENTS as usize) {
        let content = mail("hello\r\n");
        let delivery = client.send(&part, &content).await.unwrap();
        assert!(delivery.is_complete(), "{delivery:?}");
        kept_as(&var("EHLO_EXIM_NEXT_MAIL"), &content, &content).await;
        // Who has it stands behind its name.
        let text = delivery.end().unwrap().text().into_owned();
        let id = text.strip_prefix("OK id=").expect(&text);
        let names = part.recipients().iter().map(|one| one.mailbox().unwrap().to_string());
        let names: Vec<String> = names.collect();
        let log = logged("EHLO_EXIM_NEXT", &[&format!("{id} <= alice@")]).await;
        let said = log.lines().find(|line| line.contains(&format!("{id} <= alice@"))).unwrap();
        assert!(said.ends_with(&format!(" for {}", names.join(" "))), "{said}");
    }
    quit(client).await;
}

async fn mails_by_hand() {
    let mut wire = Wire::greeted("EXIM_NEXT_PORT").await;
    wire.say("EHLO client.example.test").await;
    for _ in 0..MAILS {
        assert_eq!(wire.say("MAIL FROM:<alice@example.test>").await, "250 OK");
        assert_eq!(wire.say("RSET").await, "250 Reset OK");
    }
    let last = wire.say("MAIL FROM:<alice@example.test>").await;
    assert_eq!(last, "421 too many messages in this connection");
}

async fn mails() {
    let mut client = connected().await;
    // Those that come to nothing count as well.
    let elsewhere = Envelope::new("alice@example.test", ["x@elsewhere.test"]).unwrap();
    let delivery = client.send(&elsewhere, mail("hello\r\n")).await.unwrap();
    let refused = "refused: 550 5.7.1 Relay access denied (in reply to RCPT TO)";
    assert_eq!(outcomes(&delivery), [refused]);
    for _ in 1..MAILS {
        let content = mail("hello\r\n");
        send_one(&mut client, content.as_bytes()).await;
        kept_as(&var("EHLO_EXIM_NEXT_MAIL"), &content, &content).await;
    }
    let error = client.send(&to_bob(), mail("one more\r\n")).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::LimitReached { limit: "MAILMAX", most: MAILS }));
    assert_eq!(error.retry(), Retry::Later);
    assert_eq!(checked(error).to_string(), "127.0.0.1 takes no more: it offered MAILMAX=4");
    let transcript = client.conversation().transcript().unwrap().to_string();
    assert_eq!(transcript.matches("\nC: MAIL ").count(), 4, "{transcript}");
    // Nothing was said that it would have hung up on.
    quit(client).await;
}

async fn mails_in_a_row() {
    for runs_ahead in [false, true] {
        let mut left: Vec<String> = (0..6).map(|n| mail(&format!("mail {n}\r\n"))).collect();
        let all = left.clone();
        for expected in [4, 2] {
            let connector = clear("EHLO_EXIM_NEXT", "PORT");
            let connector = if runs_ahead { connector.run_ahead() } else { connector };
            let mut client = connector.connect().await.unwrap();
            let mails = left.clone().into_iter().map(|content| Mail::new(to_bob(), content));
            let mut deliveries = client.send_all(mails).then_quit();
            let mut said = Vec::new();
            while let Some(sent) = deliveries.next().await {
                let why = sent.error.map(|error| checked(error).to_string());
                said.push((outcomes(&sent.delivery).concat(), why.unwrap_or_default()));
            }
            let (taken, rest) = said.split_at(expected);
            assert!(taken.iter().all(|one| one == &("accepted: 250".to_owned(), String::new())));
            let words = "127.0.0.1 takes no more: it offered MAILMAX=4";
            assert!(rest.iter().all(|one| one == &("not sent".to_owned(), words.to_owned())));
            left.drain(..expected);
            assert_eq!(left.len(), rest.len(), "{said:?}");
        }
        for content in all {
            kept_as(&var("EHLO_EXIM_NEXT_MAIL"), &content, &content).await;
        }
    }
}
