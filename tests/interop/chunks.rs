//! Content over BDAT, to whoever offers CHUNKING: what arrives is what arrives over DATA.

use ehlo::{
    BodyType, Client, Command, Connector, Delivery, Envelope, ErrorKind, MailParam, Retry, Source,
    Transfer,
};

use crate::dovecot::{holds, inbox, lmtp};
use crate::every::{Server, bodies, to_bob};
use crate::exim::Exim;
use crate::held::{held_as, held_for};
use crate::support::{as_alice, checked, clear, implicit, kept_as, mail, outcomes, quit, var};
use crate::{Test, tests};

pub(crate) const TESTS: &[Test] = &tests!["Postfix":
    "BDAT: content as it is, in 1 chunk and in 3" => whole::<Postfix>,
    "BDAT: stage by stage, in small chunks" => stage_by_stage::<Postfix>,
    "BDAT: chunk by chunk, by hand" => by_hand::<Postfix>,
    "BDAT: a source" => source::<Postfix>,
    "BDAT: given up between chunks, then another" => given_up::<Postfix>,
    "BDAT: no recipient is left" => nobody_left::<Postfix>,
    "BDAT: binary content, which it does not take" => binary::<Postfix>,
    "BDAT: content larger than SIZE, refused there" => too_large::<Postfix>,
    ; "Exim":
    "BDAT: content as it is, in 1 chunk and in 3" => whole::<Exim>,
    "BDAT: stage by stage, in small chunks" => stage_by_stage::<Exim>,
    "BDAT: chunk by chunk, by hand" => by_hand::<Exim>,
    "BDAT: a source" => source::<Exim>,
    "BDAT: given up between chunks, then another" => given_up::<Exim>,
    "BDAT: no recipient is left" => nobody_left::<Exim>,
    "BDAT: binary content, which it does not take" => binary::<Exim>,
    "BDAT: content larger than SIZE, refused there" => too_large::<Exim>,
    ; "Dovecot":
    "LMTP, BDAT: content as it is, in 1 chunk and in 3" => whole::<Lmtp>,
    "LMTP, BDAT: stage by stage, in small chunks" => stage_by_stage::<Lmtp>,
    "LMTP, BDAT: chunk by chunk, by hand" => by_hand::<Lmtp>,
    "LMTP, BDAT: a source" => source::<Lmtp>,
    "LMTP, BDAT: given up between chunks, then another" => given_up::<Lmtp>,
    "LMTP, BDAT: no recipient is left" => nobody_left::<Lmtp>,
    "LMTP, BDAT: binary content, which it does not take" => binary::<Lmtp>,
    "LMTP, BDAT: taken, unknown, full: each its own" => lmtp_each,
    ; "Dovecot+Postfix":
    "submission, BDAT: content, in 1 chunk and in 3" => whole::<Submission>,
    "submission, BDAT: a source" => source::<Submission>,
    "submission, BDAT: content larger than SIZE" => too_large::<Submission>,
    ; "OpenSMTPD":
    "BDAT, which it does not offer" => not_offered,
];

/// A server that offers CHUNKING.
trait Chunks {
    /// What it says to a chunk that makes the mail too large, and whether the session goes on.
    const TOO_LARGE: (&str, bool);

    /// How it is reached.
    fn connector() -> Connector;

    /// That the mail of this delivery arrived.
    async fn took(delivery: &Delivery, content: &str, arrives: &str);
}

struct Postfix;

impl Chunks for Postfix {
    const TOO_LARGE: (&str, bool) = ("552 5.3.4 Chunk exceeds message size limit", true);

    fn connector() -> Connector {
        clear("EHLO_POSTFIX", "HOLD_PORT")
    }

    async fn took(delivery: &Delivery, _: &str, arrives: &str) {
        held_as(delivery.end().unwrap(), arrives);
    }
}

impl Chunks for Exim {
    const TOO_LARGE: (&str, bool) = ("552 Message size exceeds maximum permitted", false);

    fn connector() -> Connector {
        clear(Self::PREFIX, "PORT")
    }

    async fn took(_: &Delivery, content: &str, arrives: &str) {
        kept_as(&var("EHLO_EXIM_MAIL"), content, arrives).await;
    }
}

struct Lmtp;

impl Chunks for Lmtp {
    // It has no limit.
    const TOO_LARGE: (&str, bool) = ("", true);

    fn connector() -> Connector {
        lmtp()
    }

    async fn took(_: &Delivery, content: &str, arrives: &str) {
        kept_as(&inbox("bob"), content, arrives).await;
    }
}

struct Submission;

impl Chunks for Submission {
    const TOO_LARGE: (&str, bool) = ("552 5.2.3 Message size exceeds administrative limit", true);

    fn connector() -> Connector {
        as_alice(implicit("EHLO_DOVECOT", "TLS_PORT"))
    }

    /// It is passed on to where it is held.
    async fn took(delivery: &Delivery, _: &str, arrives: &str) {
        held_for(delivery.end().unwrap(), &["bob@example.test"], arrives);
    }
}

async fn connected<S: Chunks>() -> Client {
    let client = S::connector().transfer(Transfer::Bdat).connect().await.expect("connected");
    assert!(client.conversation().capabilities().has("CHUNKING"));
    client
}

/// A client over BDAT never says DATA.
async fn quit_without_data(client: Client) {
    let transcript = client.conversation().transcript().unwrap().to_string();
    assert!(!transcript.contains("C: DATA"), "{transcript}");
    quit(client).await;
}

async fn whole<S: Chunks>() {
    let mut client = connected::<S>().await;
    let long = "0123456789".repeat(7) + "\r\n";
    let in_three = (long.repeat(300 * 1024 / long.len()), long.repeat(300 * 1024 / long.len()));
    for (body, arrives) in bodies().into_iter().chain([in_three]) {
        let content = mail(&body);
        let delivery = client.send(&to_bob(), &content).await.unwrap();
        assert_eq!(outcomes(&delivery), ["accepted: 250"], "{body:?}");
        let header = &content[..content.len() - body.len()];
        S::took(&delivery, &content, &format!("{header}{arrives}")).await;
    }
    let transcript = client.conversation().transcript().unwrap().to_string();
    assert_eq!(transcript.matches("C: BDAT 131072\n").count(), 2, "{transcript}");
    assert_eq!(transcript.matches(" LAST\n").count(), bodies().len() + 1);
    assert_eq!(transcript.matches(" BODY=8BITMIME").count(), 1);
    quit_without_data(client).await;
}

async fn stage_by_stage<S: Chunks>() {
    let mut client = connected::<S>().await;
    let body = ".\r\n..\r\nGrüße\nüber\rviele\r\n.";
    for size in [1, 2, 7, 64, 1000] {
        let content = mail(body);
        let mut transaction = client.mail("alice@example.test").await.unwrap();
        let reply = transaction.rcpt("nobody-here@example.test").await.unwrap();
        assert_eq!(reply.code().number(), 550);
        transaction.rcpt("bob@example.test").await.unwrap();
        let mut chunks = transaction.bdat().unwrap();
        for chunk in content.as_bytes().chunks(size) {
            chunks.write(chunk).await.unwrap();
        }
        let delivery = chunks.finish().await.unwrap();
        assert_eq!(delivery.accepted_count(), 1, "{delivery:?}");
        let header = &content[..content.len() - body.len()];
        let arrives = format!("{header}.\n..\nGrüße\nüber\nviele\n.\n");
        S::took(&delivery, &content, &arrives).await;
    }
    quit_without_data(client).await;
}

async fn by_hand<S: Chunks>() {
    let mut smtp = connected::<S>().await.into_conversation();
    let sender = "alice@example.test".parse().unwrap();
    let recipient = "bob@example.test".parse().unwrap();
    let group = [Command::mail(&sender), Command::rcpt(&recipient)];
    smtp.say_all(group).await.unwrap();
    let content = mail("one\r\n.\r\ntwo\r\n");
    let chunks: Vec<&[u8]> = content.as_bytes().chunks(64).collect();
    for chunk in &chunks {
        let replies = smtp.chunk(chunk, false).await.unwrap();
        assert!(matches!(&*replies, [one] if one.code().number() == 250), "{replies:?}");
    }
    // The end may come with nothing in it.
    let replies = smtp.chunk(b"", true).await.unwrap();
    assert!(matches!(&*replies, [one] if one.code().number() == 250), "{replies:?}");
    // There are no rests for the next command to trip over.
    assert_eq!(smtp.say(&Command::noop()).await.unwrap().code().number(), 250);
    smtp.quit().await.unwrap();
}

async fn source<S: Chunks>() {
    let mut client = connected::<S>().await;
    let body = "Grüße, ohne CR\n".repeat(40_000);
    for _ in 0..2 {
        let content = mail(&body);
        let source = Source::new(content.as_bytes());
        let delivery = client.send(&to_bob(), source).await.unwrap();
        assert_eq!(outcomes(&delivery), ["accepted: 250"]);
        S::took(&delivery, &content, &content).await;
    }
    let transcript = client.conversation().transcript().unwrap().to_string();
    assert_eq!(transcript.matches(" BODY=8BITMIME\n").count(), 2, "{transcript}");
    assert!(transcript.matches("C: BDAT ").count() > 2 * 4, "{transcript}");
    quit_without_data(client).await;
}

async fn given_up<S: Chunks>() {
    let mut client = connected::<S>().await;
    for _ in 0..2 {
        let mut transaction = client.mail("alice@example.test").await.unwrap();
        transaction.rcpt("eve@example.test").await.unwrap();
        let mut chunks = transaction.bdat().unwrap();
        chunks.write(mail("half a").as_bytes()).await.unwrap();
        // There is a way back between chunks.
        let content = mail("hello\r\n");
        let delivery = client.send(&to_bob(), &content).await.unwrap();
        assert_eq!(outcomes(&delivery), ["accepted: 250"]);
        S::took(&delivery, &content, &content).await;
    }
    let transcript = client.conversation().transcript().unwrap().to_string();
    assert_eq!(transcript.matches("C: RSET\n").count(), 2, "{transcript}");
    quit_without_data(client).await;
}

async fn nobody_left<S: Chunks>() {
    let mut client = connected::<S>().await;
    let envelope = Envelope::new("alice@example.test", ["nobody-here@example.test"]).unwrap();
    let delivery = client.send(&envelope, mail("hello\r\n")).await.unwrap();
    assert!(outcomes(&delivery)[0].starts_with("refused: 550 "), "{delivery:?}");
    let transcript = client.conversation().transcript().unwrap().to_string();
    assert!(!transcript.contains("BDAT"), "{transcript}");
    let content = mail("hello\r\n");
    let delivery = client.send(&to_bob(), &content).await.unwrap();
    S::took(&delivery, &content, &content).await;
    quit_without_data(client).await;
}

async fn binary<S: Chunks>() {
    let mut client = connected::<S>().await;
    let envelope = to_bob().param(MailParam::body(BodyType::BinaryMime));
    let error = client.send(&envelope, b"\0\r\n\r").await.unwrap_err();
    let ErrorKind::Unsupported { keyword, .. } = error.kind() else { panic!("{error:?}") };
    assert_eq!(keyword, "BINARYMIME");
    let content = mail("hello\r\n");
    let delivery = client.send(&to_bob(), &content).await.unwrap();
    S::took(&delivery, &content, &content).await;
    quit_without_data(client).await;
}

async fn not_offered() {
    let connector = clear("EHLO_OPENSMTPD", "PORT").transfer(Transfer::Bdat);
    let mut client = connector.connect().await.unwrap();
    let error = client.send(&to_bob(), mail("hello\r\n")).await.unwrap_err();
    let words = "127.0.0.1 does not offer CHUNKING, which BDAT needs";
    assert_eq!(checked(error).to_string(), words);
    let transcript = client.conversation().transcript().unwrap().to_string();
    assert!(!transcript.contains("C: MAIL"), "{transcript}");
    quit(client).await;
}

/// Stage by stage nothing is known of the size, and the server has to say it.
async fn too_large<S: Chunks>() {
    let (refusal, goes_on) = S::TOO_LARGE;
    let mut client = connected::<S>().await;
    let content = mail(&("x".repeat(998) + "\r\n").repeat(11 * 1024 * 1024 / 1000));
    let mut transaction = client.mail("alice@example.test").await.unwrap();
    transaction.rcpt("bob@example.test").await.unwrap();
    let mut body = transaction.bdat().unwrap();
    let mut blocks = content.as_bytes().chunks(1 << 17);
    // Whether all of it was written by then is chance.
    let delivery = loop {
        let Some(block) = blocks.next() else { break body.finish().await.unwrap() };
        if let Err(error) = body.write(block).await {
            assert!(matches!(error.kind(), ErrorKind::Refused(_)), "{error:?}");
            checked(error);
            break client.take_delivery().await.expect("what is known");
        }
    };
    let shown = outcomes(&delivery);
    let expected =
        ["content", "end of data"].map(|stage| format!("refused: {refusal} (in reply to {stage})"));
    assert!(expected.contains(&shown[0]), "{shown:?}");
    let next = mail("hello\r\n");
    match client.send(&to_bob(), &next).await {
        // Behind a refused chunk RSET comes first.
        Ok(delivery) if goes_on => {
            assert_eq!(outcomes(&delivery), ["accepted: 250"]);
            S::took(&delivery, &next, &next).await;
            let transcript = client.conversation().transcript().unwrap().to_string();
            assert_eq!(transcript.matches("C: RSET\n").count(), 1, "{transcript}");
            quit_without_data(client).await;
        }
        // It took the rest of the content for commands, and is gone.
        Err(error) if !goes_on => {
            assert!(matches!(error.kind(), ErrorKind::Closed(None)), "{error}");
            assert_eq!(checked(error).retry(), Retry::Later);
            assert_eq!(client.take_delivery().await, None);
        }
        other => panic!("{other:?}"),
    }
}

async fn lmtp_each() {
    let mut client = connected::<Lmtp>().await;
    let recipients =
        ["bob", "nobody-here", "full", "eve"].map(|local| format!("{local}@example.test"));
    let envelope = Envelope::new("alice@example.test", recipients).unwrap();
    for _ in 0..2 {
        let content = mail("hello\r\n");
        let delivery = client.send(&envelope, &content).await.unwrap();
        let shown = outcomes(&delivery);
        assert_eq!((&*shown[0], &*shown[3]), ("accepted: 250", "accepted: 250"));
        assert!(shown[1].starts_with("refused: 550 5.1.1 "), "{}", shown[1]);
        assert_eq!(
            shown[2],
            "refused: 552 5.2.2 <full@example.test> Quota exceeded (mailbox for user is full) (in \
             reply to end of data)"
        );
        assert_eq!(delivery.end(), None);
        for recipient in ["bob", "eve"] {
            kept_as(&inbox(recipient), &content, &content).await;
        }
        assert!(!holds(&inbox("full")));
    }
    quit_without_data(client).await;
}
