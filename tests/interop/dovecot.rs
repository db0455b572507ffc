//! Dovecot: LMTP, with an answer for each recipient, and the submission proxy, which passes on to
//! Postfix what it takes.

use ehlo::{Command, Connector, Envelope, ErrorKind, Outcome, Retry, Stage, Transfer};

use crate::every::to_bob;
use crate::held::held_for;
use crate::support::{
    as_alice, checked, clear, implicit, kept_as, mail, outcomes, quit, starttls, var,
};
use crate::{Test, tests};

pub(crate) const TESTS: &[Test] = &tests!["Dovecot":
    "LMTP: taken, unknown, full: each its own reply" => lmtp_each,
    "LMTP over a Unix socket" => lmtp_over_unix,
    "LMTP: one recipient named twice" => lmtp_twice,
    "LMTP over STARTTLS" => lmtp_starttls,
    "LMTP without SIZE; 555 to the parameter" => lmtp_without_size,
    "LMTP: content as it is" => lmtp_contents,
    "submission: AUTH with a wrong password" => wrong_password,
    "submission: MAIL before AUTH" => mail_before_auth,
    "submission: 235, then 421: its relay is down" => stranded,
    ; "Dovecot+Postfix":
    "submission: STARTTLS; AUTH; passed on" => submission,
    "submission: TLS from the start" => submission_implicit,
    "submission: AUTH XOAUTH2 by hand, right and wrong" => xoauth2,
    "submission: too large: closed without a reply" => too_large,
    "submission: a bare AUTH in EHLO after AUTH" => ehlo_after_auth,
];

/// The folder of what this recipient has.
pub(crate) fn inbox(recipient: &str) -> String {
    format!("{}/{recipient}/new", var("EHLO_DOVECOT_MAIL"))
}

pub(crate) fn lmtp() -> Connector {
    clear("EHLO_DOVECOT", "LMTP_PORT").lmtp()
}

async fn lmtp_each() {
    let mut client = lmtp().connect().await.unwrap();
    let recipients =
        ["bob", "nobody-here", "full", "eve"].map(|local| format!("{local}@example.test"));
    let envelope =
        Envelope::new("alice@example.test", recipients.each_ref().map(String::as_str)).unwrap();
    for _ in 0..2 {
        let content = mail("hello\r\n");
        let delivery = client.send(&envelope, &content).await.unwrap();
        assert_eq!(
            outcomes(&delivery),
            [
                "accepted: 250",
                "refused: 550 5.1.1 <nobody-here@example.test> User doesn't exist: \
                 nobody-here@example.test (in reply to RCPT TO)",
                "refused: 552 5.2.2 <full@example.test> Quota exceeded (mailbox for user is \
                 full) (in reply to end of data)",
                "accepted: 250",
            ]
        );
        // Each has an answer of its own, and there is none for all.
        assert_eq!(delivery.end(), None);
        for recipient in ["bob", "eve"] {
            kept_as(&inbox(recipient), &content, &content).await;
        }
        assert!(!holds(&inbox("full")));
    }
    quit(client).await;
}

pub(crate) fn holds(folder: &str) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

async fn lmtp_over_unix() {
    let connector = Connector::unix(var("EHLO_DOVECOT_LMTP_SOCKET")).transcript(1 << 20).lmtp();
    for transfer in [Transfer::Data, Transfer::Bdat] {
        let mut client = connector.clone().transfer(transfer).connect().await.unwrap();
        let three = ["bob@example.test", "full@example.test", "eve@example.test"];
        let envelope = Envelope::new("alice@example.test", three).unwrap();
        let content = mail("hello\r\n");
        let delivery = client.send(&envelope, &content).await.unwrap();
        let shown = outcomes(&delivery);
        assert_eq!((&*shown[0], &*shown[2]), ("accepted: 250", "accepted: 250"));
        assert!(shown[1].starts_with("refused: 552 5.2.2 <full@example.test> "), "{}", shown[1]);
        for recipient in ["bob", "eve"] {
            kept_as(&inbox(recipient), &content, &content).await;
        }
        quit(client).await;
    }
}

async fn lmtp_twice() {
    let mut client = lmtp().connect().await.unwrap();
    let twice = ["bob@example.test", "eve@example.test", "bob@example.test"];
    let envelope = Envelope::new("alice@example.test", twice).unwrap();
    // It answers for each: a reply that is not read would be taken for the next mail's.
    for _ in 0..2 {
        let delivery = client.send(&envelope, mail("hello\r\n")).await.unwrap();
        for (recipient, name) in delivery.recipients().zip(["bob", "eve", "bob"]) {
            let Outcome::Accepted(reply) = recipient.outcome() else { panic!("{delivery:?}") };
            let text = reply.to_string();
            assert!(text.starts_with(&format!("250 2.0.0 <{name}@example.test> ")), "{text}");
        }
    }
    quit(client).await;
}

async fn lmtp_starttls() {
    let mut client = starttls("EHLO_DOVECOT", "LMTP_PORT").lmtp().connect().await.unwrap();
    assert!(client.conversation().tls().expect("TLS").is_verified());
    let content = mail("hello\r\n");
    let delivery = client.send(&to_bob(), &content).await.unwrap();
    assert_eq!(outcomes(&delivery), ["accepted: 250"]);
    kept_as(&inbox("bob"), &content, &content).await;
    quit(client).await;
}

async fn lmtp_without_size() {
    let mut client = lmtp().connect().await.unwrap();
    assert!(!client.conversation().capabilities().has("SIZE"));
    let delivery = client.send(&to_bob(), mail("hello\r\n")).await.unwrap();
    assert_eq!(outcomes(&delivery), ["accepted: 250"]);
    let transcript = client.conversation().transcript().unwrap().to_string();
    assert!(!transcript.contains("SIZE"), "{transcript}");
    let mut smtp = client.into_conversation();
    let raw = Command::raw("MAIL FROM:<alice@example.test> SIZE=9").unwrap();
    let reply = smtp.say(&raw).await.unwrap();
    assert_eq!(reply.to_string(), "555 5.5.4 Unsupported parameters");
    smtp.quit().await.unwrap();
}

async fn lmtp_contents() {
    let mut client = lmtp().connect().await.unwrap();
    let bodies = [
        ("", ""),
        (".\r\n..\r\n.leading\r\nin .it\r\n.", ".\n..\n.leading\nin .it\n.\n"),
        ("\n.\nLF only\n.\n\nlast", "\n.\nLF only\n.\n\nlast\n"),
        ("Grüße\r\n", "Grüße\n"),
        (&".\n".repeat(5_000), &".\n".repeat(5_000)),
    ];
    for (body, arrives) in bodies {
        let content = mail(body);
        let delivery = client.send(&to_bob(), &content).await.unwrap();
        assert_eq!(outcomes(&delivery), ["accepted: 250"], "{body:?}");
        let header = &content[..content.len() - body.len()];
        kept_as(&inbox("bob"), &content, &format!("{header}{arrives}")).await;
    }
    quit(client).await;
}

async fn submission() {
    let mut client = as_alice(starttls("EHLO_DOVECOT", "PORT")).connect().await.unwrap();
    let recipients = ["bob@example.test", "nobody-here@example.test", "carol@elsewhere.test"];
    let envelope = Envelope::new("alice@example.test", recipients).unwrap();
    let content = mail("hello\r\n");
    let delivery = client.send(&envelope, &content).await.unwrap();
    // What Postfix says of a recipient is passed on.
    assert_eq!(
        outcomes(&delivery),
        [
            "accepted: 250",
            "refused: 550 5.1.1 <nobody-here@example.test> <nobody-here@example.test>: Recipient \
             address rejected: User unknown in local recipient table (in reply to RCPT TO)",
            "accepted: 250",
        ]
    );
    let taken = ["bob@example.test", "carol@elsewhere.test"];
    held_for(delivery.end().unwrap(), &taken, &content);
    quit(client).await;
}

async fn submission_implicit() {
    let mut client = as_alice(implicit("EHLO_DOVECOT", "TLS_PORT")).connect().await.unwrap();
    for _ in 0..2 {
        let content = mail("hello\r\n");
        let delivery = client.send(&to_bob(), &content).await.unwrap();
        held_for(delivery.end().unwrap(), &["bob@example.test"], &content);
    }
    quit(client).await;
}

async fn wrong_password() {
    let connector = starttls("EHLO_DOVECOT", "PORT")
        .authenticate(crate::support::plain(crate::support::USER, "wrong"));
    let error = connector.connect().await.unwrap_err();
    assert_eq!(error.stage(), Stage::Auth);
    assert_eq!(
        checked(error).to_string(),
        "127.0.0.1 said: 535 5.7.8 Authentication failed. (in reply to AUTH PLAIN <secret>)"
    );
}

async fn xoauth2() {
    let token = var("EHLO_DOVECOT_TOKEN");
    let mut smtp =
        implicit("EHLO_DOVECOT", "TLS_PORT").connect().await.unwrap().into_conversation();
    let initial = |token: &str| format!("user=alice\x01auth=Bearer {token}\x01\x01");
    // What is wrong stands in a challenge, which wants an empty response.
    let wrong = initial(&token[..token.len() - 1]);
    let auth = Command::auth("XOAUTH2", Some(wrong.as_bytes().into())).unwrap();
    assert_eq!(smtp.say(&auth).await.unwrap().code().number(), 334);
    let reply = smtp.respond(b"").await.unwrap();
    assert_eq!(reply.to_string(), "535 5.7.8 Authentication failed.");
    let right = initial(&token);
    let auth = Command::auth("XOAUTH2", Some(right.as_bytes().into())).unwrap();
    assert_eq!(smtp.say(&auth).await.unwrap().to_string(), "235 2.7.0 Logged in.");
    let transcript = smtp.transcript().unwrap().to_string();
    assert_eq!(transcript.matches("C: AUTH XOAUTH2 <secret>\n").count(), 2, "{transcript}");
    smtp.quit().await.unwrap();
}

async fn too_large() {
    let mut client = as_alice(implicit("EHLO_DOVECOT", "TLS_PORT")).connect().await.unwrap();
    let mut transaction = client.mail("alice@example.test").await.unwrap();
    transaction.rcpt("bob@example.test").await.unwrap();
    let mut data = transaction.data().await.unwrap();
    let content = mail(&("x".repeat(78) + "\r\n").repeat(11 * 1024 * 1024 / 80));
    let mut blocks = content.as_bytes().chunks(1 << 16);
    let error = loop {
        let Some(block) = blocks.next() else { break data.finish().await.unwrap_err() };
        if let Err(error) = data.write(block).await {
            break error;
        }
    };
    assert!(matches!(error.kind(), ErrorKind::Closed(None)), "{error:?}");
    // How far the content gets before it hangs up is chance. Once all of it is away, nobody can
    // tell that it was not taken.
    let (stage, outcome) = match error.stage() {
        Stage::EndOfData => ("end of data", "unknown: no answer came after the mail was sent"),
        _ => ("content", "not sent"),
    };
    assert_eq!(checked(error).to_string(), format!("127.0.0.1 closed the connection at {stage}"));
    let delivery = client.take_delivery().await.expect("what is known");
    assert_eq!(outcomes(&delivery), [outcome]);
}

async fn mail_before_auth() {
    let mut client = clear("EHLO_DOVECOT", "PORT").connect().await.unwrap();
    let delivery = client.send(&to_bob(), mail("hello\r\n")).await.unwrap();
    let expected = "refused: 530 5.7.0 Authentication required. (in reply to MAIL FROM)";
    assert_eq!(outcomes(&delivery), [expected]);
    quit(client).await;
}

async fn ehlo_after_auth() {
    let client = as_alice(implicit("EHLO_DOVECOT", "TLS_PORT")).connect().await.unwrap();
    let mut smtp = client.into_conversation();
    let reply = smtp.say(&Command::ehlo("client.example.test").unwrap()).await.unwrap();
    assert!(reply.lines().any(|line| line == b"AUTH"), "{reply}");
    assert!(smtp.capabilities().has("AUTH"));
    let auth = smtp.capabilities().get::<ehlo::Auth>();
    assert!(auth.is_none_or(|auth| auth.mechanisms().next().is_none()));
    smtp.quit().await.unwrap();
}

async fn stranded() {
    let connector = implicit("EHLO_DOVECOT", "TLS_PORT")
        .authenticate(crate::support::plain("stranded", "wonderland"));
    let mut client = connector.connect().await.unwrap();
    let last = "421 4.4.0 mail.example.test Failed to connect to relay server (connect)";
    match client.send(&to_bob(), mail("hello\r\n")).await {
        Ok(delivery) => {
            let outcome = delivery.recipients().next().unwrap().outcome();
            assert_eq!(outcome.to_string(), format!("refused: {last} (in reply to MAIL FROM)"));
            assert_eq!(outcome.retry(), Retry::Later);
        }
        // It came before MAIL was written.
        Err(error) => {
            let ErrorKind::Closed(Some(reply)) = error.kind() else { panic!("{error:?}") };
            assert_eq!(reply.to_string(), last);
            assert_eq!(error.retry(), Retry::Later);
        }
    }
    let error = client.send(&to_bob(), mail("hello\r\n")).await.unwrap_err();
    assert_eq!(
        checked(error).to_string(),
        format!("127.0.0.1 ended the session at MAIL FROM: {last}")
    );
}
