//! Mails to Postfix, and its log of what arrived.

use ehlo::{Command, Envelope, ErrorKind, Outcome, Quirk, Reply, Retry, Stage};

use crate::support::{
    arrived, as_alice, checked, clear, mail, outcomes, postfix, queue_id, quit, send_one,
};
use crate::{Test, tests};

pub(crate) const TESTS: &[Test] = &tests!["Postfix":
    "recipients: taken, unknown, refused, later" => some_refused,
    "recipients: codes that no RFC has" => unknown_codes,
    "all recipients refused, then another mail" => all_refused,
    "a port that refuses every recipient" => refuse_port,
    "relaying without AUTH" => relay_denied,
    "1,001 recipients, pipelined" => too_many_recipients,
    "421 after too many errors" => too_many_errors,
    "content larger than SIZE" => too_large,
    "content as it is: dots, LF, long lines, 8 bits, none" => contents,
    "5 MiB" => large,
    "ten mails on one connection" => ten_mails,
    "an address beyond ASCII" => smtputf8,
    "the null sender" => null_sender,
    "stage by stage, in small chunks" => stage_by_stage,
    "a transaction given up, then another" => given_up,
    "a body given up" => body_given_up,
    "calls dropped at any await" => dropped_calls,
    "VRFY with raw octets" => vrfy,
    "commands out of order" => out_of_order,
];

async fn some_refused() {
    let mut client = postfix().connect().await.expect("connected");
    let recipients = ["bob", "nobody-here", "refused", "later", "eve"]
        .map(|local| format!("{local}@example.test"));
    let envelope = Envelope::new("alice@example.test", recipients.each_ref().map(String::as_str));
    let delivery = client.send(&envelope.unwrap(), mail("hello\r\n")).await.unwrap();
    assert_eq!(
        outcomes(&delivery),
        [
            "accepted: 250",
            "refused: 550 5.1.1 <nobody-here@example.test>: Recipient address rejected: User \
             unknown in local recipient table (in reply to RCPT TO)",
            "refused: 550 5.7.1 <refused@example.test>: Recipient address rejected: Not for you \
             (in reply to RCPT TO)",
            "refused: 450 4.7.1 <later@example.test>: Recipient address rejected: Come back later \
             (in reply to RCPT TO)",
            "accepted: 250",
        ]
    );
    let retries = delivery.recipients().map(|one| one.outcome().retry());
    let expected = [Retry::Never, Retry::Never, Retry::Never, Retry::Later, Retry::Never];
    assert!(retries.eq(expected));
    arrived(delivery.end().unwrap(), &["bob@example.test", "eve@example.test"]).await;
    quit(client).await;
}

/// The first digit decides, and who else is there has his mail.
async fn unknown_codes() {
    let mut client = postfix().connect().await.expect("connected");
    let codes = [430, 513, 523, 534, 540, 546];
    let recipients: Vec<String> =
        codes.iter().map(|code| format!("code-{code}@example.test")).collect();
    let recipients = recipients.iter().map(String::as_str).chain(["bob@example.test"]);
    let envelope = Envelope::new("alice@example.test", recipients).unwrap();
    let delivery = client.send(&envelope, mail("hello\r\n")).await.unwrap();
    for (recipient, code) in delivery.recipients().zip(codes) {
        let expected = if code == 430 { Retry::Later } else { Retry::Never };
        assert_eq!(recipient.outcome().retry(), expected, "{recipient:?}");
        assert_eq!(
            recipient.outcome().to_string(),
            format!(
                "refused: {code} {}.7.1 <code-{code}@example.test>: Recipient address rejected: \
                 Not in any RFC (in reply to RCPT TO)",
                code / 100
            )
        );
    }
    assert_eq!(delivery.accepted_count(), 1);
    arrived(delivery.end().unwrap(), &["bob@example.test"]).await;
    quit(client).await;
}

async fn all_refused() {
    let mut client = postfix().connect().await.expect("connected");
    let recipients = ["nobody-here@example.test", "later@example.test"];
    let envelope = Envelope::new("alice@example.test", recipients).unwrap();
    for _ in 0..2 {
        let delivery = client.send(&envelope, mail("hello\r\n")).await.unwrap();
        assert_eq!(delivery.accepted_count(), 0);
        let codes = delivery.recipients().map(|one| match one.outcome() {
            Outcome::Refused(refusal) => (refusal.stage(), refusal.reply().code().number()),
            outcome => panic!("{outcome}"),
        });
        assert!(codes.eq([(Stage::Rcpt, 550), (Stage::Rcpt, 450)]));
        assert_eq!(delivery.end(), None);
    }
    let reply = send_one(&mut client, mail("hello\r\n").as_bytes()).await;
    arrived(&reply, &["bob@example.test"]).await;
    quit(client).await;
}

async fn refuse_port() {
    let mut client = clear("EHLO_POSTFIX", "REFUSE_PORT").connect().await.unwrap();
    let envelope = to("bob@example.test");
    let delivery = client.send(&envelope, mail("hello\r\n")).await.unwrap();
    assert_eq!(
        outcomes(&delivery),
        ["refused: 554 5.7.1 <bob@example.test>: Recipient address rejected: Access denied (in \
          reply to RCPT TO)"]
    );
    quit(client).await;
}

async fn relay_denied() {
    let mut client = postfix().connect().await.unwrap();
    let envelope = to("carol@elsewhere.test");
    let delivery = client.send(&envelope, mail("hello\r\n")).await.unwrap();
    assert_eq!(
        outcomes(&delivery),
        ["refused: 554 5.7.1 <carol@elsewhere.test>: Relay access denied (in reply to RCPT TO)"]
    );
    quit(client).await;
}

async fn too_many_recipients() {
    let mut client = postfix().connect().await.unwrap();
    let recipients: Vec<String> = (0..1001).map(|n| format!("r{n}@example.test")).collect();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let envelope = Envelope::new("alice@example.test", recipients.clone()).unwrap();
    let delivery = client.send(&envelope, mail("hello\r\n")).await.unwrap();
    assert_eq!(delivery.accepted_count(), 1000);
    assert_eq!(
        outcomes(&delivery)[1000],
        "refused: 452 4.5.3 Error: too many recipients (in reply to RCPT TO)"
    );
    arrived(delivery.end().unwrap(), &recipients[..1000]).await;
    quit(client).await;
}

fn to(recipient: &str) -> Envelope {
    Envelope::new("alice@example.test", [recipient]).expect("valid")
}

async fn too_many_errors() {
    let mut client = postfix().connect().await.unwrap();
    let recipients = (0..40).map(|n| format!("nobody-here-{n}@example.test"));
    let recipients: Vec<String> =
        std::iter::once("bob@example.test".to_owned()).chain(recipients).collect();
    let envelope = Envelope::new("alice@example.test", recipients.iter().map(String::as_str));
    let sent = client.send(&envelope.unwrap(), mail("hello\r\n")).await;
    let said = "421 4.7.0 mail.example.test Error: too many errors";
    assert_eq!(
        sent.unwrap_err().to_string(),
        format!("127.0.0.1 ended the session at RCPT TO: {said}")
    );
    let shown = outcomes(&client.take_delivery().await.unwrap());
    assert_eq!(shown.first().unwrap(), "not sent");
    assert!(shown[1..20].iter().all(|one| one.starts_with("refused: 550 5.1.1 ")));
    let at = shown.iter().position(|one| one.contains(said)).expect("the last word");
    assert_eq!(shown[at], format!("refused: {said} (in reply to RCPT TO)"));
    // What came behind was never answered, and can be sent again.
    assert!(shown[at + 1..].iter().all(|one| one == "not sent"));
    let error = client.send(&to("bob@example.test"), mail("")).await.unwrap_err();
    assert_eq!(error.to_string(), format!("127.0.0.1 ended the session at MAIL FROM: {said}"));
}

async fn too_large() {
    let mut client = postfix().connect().await.unwrap();
    let envelope = to("bob@example.test");
    let content = mail(&("x".repeat(78) + "\r\n").repeat(10_485_760 / 80 + 1));
    let error = client.send(&envelope, &content).await.unwrap_err();
    let ErrorKind::TooLarge { octets, limit } = error.kind() else { panic!("{error}") };
    assert_eq!((*octets, *limit), (content.len() as u64, 10_485_760));
    assert_eq!(
        checked(error).to_string(),
        format!("the content has {} octets, and 127.0.0.1 takes 10485760", content.len())
    );
    let transcript = client.conversation().transcript().unwrap().to_string();
    assert!(!transcript.contains("MAIL"), "{transcript}");
    let reply = send_one(&mut client, mail("hello\r\n").as_bytes()).await;
    arrived(&reply, &["bob@example.test"]).await;

    let mut smtp = client.into_conversation();
    let raw = Command::raw("MAIL FROM:<alice@example.test> SIZE=10485761").unwrap();
    let reply = smtp.say(&raw).await.unwrap();
    assert_eq!(reply.to_string(), "552 5.3.4 Message size exceeds fixed limit");
    smtp.quit().await.unwrap();
}

/// The size that Postfix logs for such a mail, without the header that it puts on top. It counts
/// its queue file: for each line, of up to 2,048 octets, a type and a length of 7 bits an octet.
fn in_queue(content: &str) -> usize {
    let text = content.replace("\r\n", "\n").replace('\r', "\n");
    let lines = text.strip_suffix('\n').unwrap_or(&text).split('\n');
    let record = |len: usize| 1 + if len < 128 { 1 } else { 2 } + len;
    let records = |line: &str| line.len() / 2048 * record(2048) + record(line.len() % 2048);
    lines.map(records).sum()
}

/// How large that header is, without the queue id in it: the same for all mails of one session.
async fn on_top(reply: &Reply, content: &str) -> usize {
    let size = arrived(reply, &["bob@example.test"]).await;
    let header = size.checked_sub(in_queue(content) + queue_id(reply).len());
    header.expect("no mail is smaller than what was sent")
}

async fn contents() {
    let mut client = postfix().connect().await.unwrap();
    let mut top = None;
    let bodies: [&str; 10] = [
        "plain\r\n",
        "",
        ".\r\n..\r\n.leading\r\nin .the middle.\r\n.",
        "\n.\nLF only\n.\n\nlast without",
        "one CR\rand another\r",
        "\r\n\r\n.\r\n\r\n",
        "Grüße aus Köln\r\n",
        &"long ".repeat(400),
        &("x".repeat(998) + "\r\n"),
        &".\n".repeat(5_000),
    ];
    for body in bodies {
        let content = mail(body);
        let reply = send_one(&mut client, content.as_bytes()).await;
        let header = on_top(&reply, &content).await;
        assert_eq!(*top.get_or_insert(header), header, "{body:?}");
    }
    let transcript = client.conversation().transcript().unwrap().to_string();
    assert_eq!(transcript.matches(" BODY=8BITMIME").count(), 1);
    quit(client).await;
}

async fn large() {
    let line = "0123456789".repeat(7) + "\r\n";
    for connector in [postfix(), clear("EHLO_POSTFIX", "PORT")] {
        let mut client = connector.connect().await.unwrap();
        let small = mail("small\r\n");
        let reply = send_one(&mut client, small.as_bytes()).await;
        let header = on_top(&reply, &small).await;
        let content = mail(&line.repeat(5 * 1024 * 1024 / line.len()));
        let reply = send_one(&mut client, content.as_bytes()).await;
        assert_eq!(on_top(&reply, &content).await, header);
        quit(client).await;
    }
}

async fn ten_mails() {
    let mut client = as_alice(postfix()).connect().await.unwrap();
    let mut ids = Vec::new();
    for n in 0..10 {
        let recipient = format!("r{n}@example.test");
        let envelope = to(&recipient);
        let delivery = client.send(&envelope, mail("hello\r\n")).await.unwrap();
        let reply = delivery.end().unwrap();
        arrived(reply, &[&recipient]).await;
        ids.push(queue_id(reply));
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 10);
    // Nothing was left open that would have needed it.
    let transcript = client.conversation().transcript().unwrap().to_string();
    assert!(!transcript.contains("RSET"), "{transcript}");
    quit(client).await;
}

async fn smtputf8() {
    let mut client = postfix().connect().await.unwrap();
    let envelope = Envelope::new("jürgen@example.test", ["bob@example.test", "zoë@example.test"]);
    let content = mail("hello\r\n").replace("Subject: ", "Subject: Grüße ");
    let delivery = client.send(&envelope.unwrap(), content).await.unwrap();
    assert_eq!(outcomes(&delivery), ["accepted: 250", "accepted: 250"]);
    arrived(delivery.end().unwrap(), &["bob@example.test", "zoë@example.test"]).await;
    let transcript = client.conversation().transcript().unwrap().to_string();
    assert!(transcript.contains(" SMTPUTF8"), "{transcript}");
    quit(client).await;
}

async fn null_sender() {
    let mut client = postfix().connect().await.unwrap();
    let envelope = Envelope::new("", ["bob@example.test"]).unwrap();
    let delivery = client.send(&envelope, mail("hello\r\n")).await.unwrap();
    let reply = delivery.end().unwrap();
    arrived(reply, &["bob@example.test"]).await;
    let log = std::fs::read_to_string(crate::support::var("EHLO_POSTFIX_LOG")).unwrap();
    assert!(log.contains(&format!("{}: from=<>, ", queue_id(reply))));
    quit(client).await;
}

async fn stage_by_stage() {
    let mut client = postfix().connect().await.unwrap();
    let plain = mail("hello\r\n");
    let reply = send_one(&mut client, plain.as_bytes()).await;
    let header = on_top(&reply, &plain).await;
    let content = mail(".\r\n..\r\nGrüße\nüber\rviele\r\n.");
    for size in [1, 2, 7, 64, content.len()] {
        let mut transaction = client.mail("alice@example.test").await.unwrap();
        let reply = transaction.rcpt("nobody-here@example.test").await.unwrap();
        assert_eq!(reply.code().number(), 550);
        let reply = transaction.rcpt("bob@example.test").await.unwrap();
        assert_eq!(reply.to_string(), "250 2.1.5 Ok");
        let mut data = transaction.data().await.unwrap();
        let mut chunks = content.as_bytes().chunks(size);
        let last = chunks.next_back().unwrap();
        for chunk in chunks {
            data.write(chunk).await.unwrap();
        }
        let delivery = data.finish_with(last).await.unwrap();
        assert_eq!(delivery.accepted_count(), 1);
        let reply = delivery.end().unwrap();
        assert_eq!(on_top(reply, &content).await, header, "chunks of {size}");
    }
    quit(client).await;
}

/// Nothing is done to a transaction or a body but that it is used no more.
async fn given_up() {
    let mut client = postfix().connect().await.unwrap();
    let mut transaction = client.mail("alice@example.test").await.unwrap();
    transaction.rcpt("eve@example.test").await.unwrap();
    let mut transaction = client.mail("alice@example.test").await.unwrap();
    transaction.rcpt("eve@example.test").await.unwrap();
    transaction.reset().await.unwrap();
    let transaction = client.mail("alice@example.test").await.unwrap();
    let error = transaction.data().await.unwrap_err();
    assert_eq!(error.to_string(), "DATA is lawful after RCPT, and the session is after MAIL");
    // Nobody of the ones before has this mail.
    let reply = send_one(&mut client, mail("hello\r\n").as_bytes()).await;
    arrived(&reply, &["bob@example.test"]).await;
    quit(client).await;
}

async fn body_given_up() {
    let mut client = postfix().connect().await.unwrap();
    let mut transaction = client.mail("alice@example.test").await.unwrap();
    transaction.rcpt("bob@example.test").await.unwrap();
    let mut body = transaction.data().await.unwrap();
    body.write(mail("half a").as_bytes()).await.unwrap();
    let envelope = to("bob@example.test");
    let error = client.send(&envelope, mail("")).await.unwrap_err();
    assert_eq!(error.to_string(), "the connection to 127.0.0.1 was closed on this side at content");
    assert_eq!(client.take_delivery().await, None);
}

/// A future that is dropped after so many polls.
async fn polled<F: Future>(times: usize, future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let mut polls = 0;
    std::future::poll_fn(|cx| {
        polls += 1;
        if polls > times {
            return std::task::Poll::Ready(None);
        }
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

/// Each mail goes to a recipient of its own: whoever is told that it was taken has it, and nobody
/// else's mail.
async fn dropped_calls() {
    let (mut ended, mut taken) = (0, 0);
    let mut client = postfix().connect().await.unwrap();
    for times in (0..12).chain(0..12) {
        let recipient = format!("dropped{times}@example.test");
        let envelope = to(&recipient);
        let content = mail(&"line\r\n".repeat(20_000));
        let done = polled(times, client.send(&envelope, content)).await;
        let delivery = match done {
            Some(delivery) => Some(delivery.unwrap()),
            None => client.take_delivery().await,
        };
        if let Some(Outcome::Accepted(reply)) = delivery
            .as_ref()
            .and_then(|delivery| delivery.recipients().next())
            .map(|recipient| recipient.outcome())
        {
            arrived(reply, &[&recipient]).await;
            taken += 1;
        }
        // Usable, or it says that it is over.
        let envelope = to("bob@example.test");
        match client.send(&envelope, mail("next\r\n")).await {
            Ok(delivery) => {
                arrived(delivery.end().unwrap(), &["bob@example.test"]).await;
            }
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Closed(None)), "{error}");
                client = postfix().connect().await.unwrap();
                ended += 1;
            }
        }
    }
    assert!(ended > 0, "no call was dropped within the content");
    assert!(taken > 0, "no call was dropped behind the content");
}

async fn vrfy() {
    let mut smtp = postfix().connect().await.unwrap().into_conversation();
    let reply = smtp.say(&Command::vrfy("bob@example.test").unwrap()).await.unwrap();
    assert_eq!(reply.to_string(), "252 2.0.0 bob@example.test");
    // What it is asked for in raw octets it answers in raw octets.
    for text in ["jürgen@example.test", "jürgen@example.test SMTPUTF8"] {
        let raw = Command::raw(format!("VRFY {text}")).unwrap();
        let reply = smtp.say(&raw).await.unwrap();
        assert_eq!(reply.octets(), "252 2.0.0 jürgen@example.test\r\n".as_bytes());
        assert!(reply.quirks().contains(Quirk::NonAscii), "{reply}");
    }
    let raw = Command::raw(&b"VRFY gr\xfc\xdfe"[..]).unwrap();
    let reply = smtp.say(&raw).await.unwrap();
    assert_eq!(reply.to_string(), "500 5.5.2 Error: bad UTF-8 syntax");
    smtp.quit().await.unwrap();
}

async fn out_of_order() {
    let mut smtp = clear("EHLO_POSTFIX", "PORT").open().await.unwrap();
    let sender = "alice@example.test".parse().unwrap();
    let error = smtp.say(&Command::mail(&sender)).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Misuse(_)));
    assert_eq!(
        error.to_string(),
        "MAIL is lawful after EHLO and outside a transaction, and the session is before EHLO"
    );
    let reply = smtp.say(&Command::helo("client.example.test").unwrap()).await.unwrap();
    assert_eq!(reply.to_string(), "250 mail.example.test");
    assert_eq!(smtp.say(&Command::mail(&sender)).await.unwrap().code().number(), 250);
    let reply = smtp.say(&Command::raw("FROBNICATE").unwrap()).await.unwrap();
    assert_eq!(reply.code().number(), 500);
    assert_eq!(smtp.say(&Command::rset()).await.unwrap().code().number(), 250);
    smtp.quit().await.unwrap();
}
