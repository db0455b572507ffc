//! Parameters of MAIL and RCPT, as Postfix and Exim understood them: what stands in the queue, and
//! who hears of the delivery. And what a relay says of whom it speaks for.

use ehlo::{
    Command, Conversation, Dsn, Envelope, EnvelopeId, InvalidValue, MailParam, Notify,
    OriginalRecipient, RcptParam, Reply, ReturnContent, Xclient, XclientAttribute, XclientName,
    Xforward, XforwardAttribute, XforwardName,
};

use crate::support::{arrived, clear, logged, mail, queue_id, quit, send_one, var};
use crate::{Test, held, tests};

pub(crate) const TESTS: &[Test] = &tests!["Postfix":
    "DSN: parameters in its queue" => dsn_in_queue,
    "DSN: ORCPT of an address beyond ASCII" => orcpt_in_queue,
    "DSN: NOTIFY=SUCCESS is heard of, NEVER is not" => dsn_notified,
    "XCLIENT, and the greeting behind it" => xclient,
    "XCLIENT by a client, which greets anew" => xclient_of_client,
    "XFORWARD, for one mail" => xforward,
    ; "Exim":
    "DSN: parameters, and NOTIFY=SUCCESS heard of" => dsn_exim,
    "DSN: ORCPT of an address beyond ASCII" => orcpt_exim,
];

const THREE: [&str; 3] = ["bob@example.test", "carol@example.test", "eve@example.test"];

/// Sends a mail to three, of which the sender is to hear in three ways; gives the reply that
/// answers for it.
async fn with_dsn(server: &str, port: &str) -> Reply {
    let mut client = clear(server, port).connect().await.unwrap();
    assert!(client.conversation().capabilities().get::<Dsn>().is_some());
    let notify = |events| [RcptParam::notify(events)];
    let before = OriginalRecipient::of(&"bobby+old@example.test".parse().unwrap()).unwrap();
    let envelope = Envelope::new("alice@example.test", THREE)
        .and_then(|envelope| {
            let to_bob = notify(Notify::SUCCESS | Notify::DELAY).into_iter();
            envelope.replace_params(THREE[0], to_bob.chain([RcptParam::orcpt(&before)]))
        })
        .and_then(|envelope| envelope.replace_params(THREE[2], notify(Notify::NEVER)))
        .unwrap()
        .param(MailParam::ret(ReturnContent::Headers))
        .param(MailParam::envid(&EnvelopeId::new("QQ+314=159").unwrap()));
    let delivery = client.send(&envelope, mail("hello\r\n")).await.unwrap();
    assert!(delivery.is_complete(), "{delivery:?}");
    quit(client).await;
    delivery.end().unwrap().clone()
}

async fn dsn_in_queue() {
    let reply = with_dsn("EHLO_POSTFIX", "HOLD_PORT").await;
    let records = held::records(&reply);
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

/// A mail to an address beyond ASCII, said to have been meant for another one.
async fn to_another(server: &str, port: &str, before: &OriginalRecipient) -> Reply {
    let mut client = clear(server, port).connect().await.unwrap();
    let envelope = Envelope::new("alice@example.test", ["zoë@example.test"]).unwrap();
    let envelope = envelope.rcpt_param(RcptParam::orcpt(before));
    let delivery = client.send(&envelope, mail("hello\r\n")).await.unwrap();
    assert!(delivery.is_complete(), "{delivery:?}");
    quit(client).await;
    delivery.end().unwrap().clone()
}

/// Of an address beyond ASCII, in the two forms of RFC 6533.
fn original_recipients() -> [OriginalRecipient; 2] {
    let before = "jürgen@example.test".parse().unwrap();
    [OriginalRecipient::of(&before).unwrap(), OriginalRecipient::of_in_utf8(&before).unwrap()]
}

async fn orcpt_in_queue() {
    for before in original_recipients() {
        let reply = to_another("EHLO_POSTFIX", "HOLD_PORT", &before).await;
        let records = held::records(&reply);
        // It keeps either form as "jürgen", which is what both of them say.
        let kept = "A dsn_orig_rcpt=utf-8;jürgen@example.test".to_owned();
        assert!(records.contains(&kept), "{records:#?}");
    }
}

async fn orcpt_exim() {
    for (before, said) in original_recipients().iter().zip([
        "said RCPT TO:<zoë@example.test> ORCPT=utf-8;j\\x{FC}rgen@example.test\n",
        "said RCPT TO:<zoë@example.test> ORCPT=utf-8;jürgen@example.test\n",
    ]) {
        to_another("EHLO_EXIM", "PORT", before).await;
        logged("EHLO_EXIM", &[said]).await;
    }
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

/// Of whom it speaks: a name and an address.
fn spike<A, N: Copy>(
    make: fn(N, &'static str) -> Result<A, InvalidValue>,
    [name, address]: [N; 2],
) -> Vec<A> {
    let both = [make(name, "spike.example.test"), make(address, "198.51.100.7")];
    both.into_iter().collect::<Result<_, _>>().unwrap()
}

async fn xclient() {
    let mut smtp = clear("EHLO_POSTFIX", "PORT").open().await.unwrap();
    let ehlo = Command::ehlo("client.example.test").unwrap();
    smtp.say(&ehlo).await.unwrap();
    let offered = smtp.capabilities().get::<Xclient>().expect("offered");
    assert!(["NAME", "ADDR"].iter().all(|name| offered.attributes().any(|one| one == *name)));
    let attributes = spike(XclientAttribute::new, [XclientName::Name, XclientName::Addr]);
    let reply = smtp.say(&Command::xclient(attributes).unwrap()).await.unwrap();
    assert_eq!(reply.to_string(), "220 mail.example.test ESMTP Postfix");
    // The server has begun anew, and knows of nobody.
    let sender = "alice@example.test".parse().unwrap();
    let error = smtp.say(&Command::mail(&sender)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "MAIL is lawful after EHLO and outside a transaction, and the session is before EHLO"
    );
    assert_eq!(smtp.say(&ehlo).await.unwrap().code().number(), 250);
    let id = send_by_hand(&mut smtp).await;
    smtp.quit().await.unwrap();
    let client = format!("{id}: client=spike.example.test[198.51.100.7]");
    logged("EHLO_POSTFIX", &[&client, "disconnect from spike.example.test[198.51.100.7]"]).await;
}

/// The client says EHLO again by itself.
async fn xclient_of_client() {
    let mut client = clear("EHLO_POSTFIX", "PORT").connect().await.unwrap();
    let attributes = spike(XclientAttribute::new, [XclientName::Name, XclientName::Addr]);
    client.xclient(&attributes).await.unwrap();
    let reply = send_one(&mut client, mail("hello\r\n").as_bytes()).await;
    let transcript = client.conversation().transcript().unwrap().to_string();
    assert_eq!(transcript.matches("C: EHLO client.example.test\n").count(), 2, "{transcript}");
    quit(client).await;
    let client = format!("{}: client=spike.example.test[198.51.100.7]", queue_id(&reply));
    logged("EHLO_POSTFIX", &[&client]).await;
}

/// It holds for one mail.
async fn xforward() {
    let mut smtp = clear("EHLO_POSTFIX", "PORT").connect().await.unwrap().into_conversation();
    assert!(smtp.capabilities().get::<Xforward>().is_some());
    let attributes = spike(XforwardAttribute::new, [XforwardName::Name, XforwardName::Addr]);
    let reply = smtp.say(&Command::xforward(attributes).unwrap()).await.unwrap();
    assert_eq!(reply.to_string(), "250 2.0.0 Ok");
    let id = send_by_hand(&mut smtp).await;
    let next = send_by_hand(&mut smtp).await;
    smtp.quit().await.unwrap();
    let of = |id: &str| format!("{id}: client=localhost[127.0.0.1], orig_client=");
    let whose = format!("{}spike.example.test[198.51.100.7]", of(&id));
    let log = logged("EHLO_POSTFIX", &[&whose, &format!("{next}: client=")]).await;
    assert!(!log.contains(&of(&next)));
}

/// Sends a mail command by command; gives its queue id.
async fn send_by_hand(smtp: &mut Conversation) -> String {
    let sender = "alice@example.test".parse().unwrap();
    let recipient = "bob@example.test".parse().unwrap();
    let group = [Command::mail(&sender), Command::rcpt(&recipient), Command::data()];
    let replies = smtp.say_all(group).await.unwrap();
    assert_eq!(replies[2].code().number(), 354, "{replies:?}");
    let replies = smtp.content(mail("hello\r\n").as_bytes()).await.unwrap();
    queue_id(&replies[0])
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
        "said MAIL FROM:<alice@example.test> RET=HDRS ENVID=QQ+2B314+3D159 SIZE=",
        "said RCPT TO:<bob@example.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;bobby+2Bold@example.test\n",
        "said RCPT TO:<eve@example.test> NOTIFY=NEVER\n",
    ] {
        assert!(log.contains(said), "{said}");
    }
    // The mail that tells the sender names the one that it tells of.
    assert!(log.contains(&format!(" <= <> R={id} ")));
    assert!(!log.contains(&format!(" <= <> R={quiet} ")));
}
