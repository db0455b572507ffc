//! Every call of a client dropped at every poll of it: a reply never shifts, half a mail is never
//! taken, nothing hangs, and what became of the mail is known or kept. How many polls a call takes is
//! counted, so that a new await is met without anyone's doing; a new call is missed by name.
#![cfg(feature = "net")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

#[path = "support/model.rs"]
mod model;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use ehlo::{
    Client, Command, Connector, Conversation, Credentials, Delivery, Envelope, ForwardPath, Mail,
    MailParam, Outcome, ReversePath, Security, Source, Transfer, XclientAttribute, XclientName,
    XforwardAttribute, XforwardName,
};
use model::ModelStream;

/// Calls of a client, each as it is made first on a new connection. The name before the dot is that
/// of the type.
const CALLS: [&str; 27] = [
    "Client.send",
    "Client.send, from a source",
    "Client.send_watched",
    "Client.send_last",
    "Client.mail",
    "Client.mail_with",
    "Client.take_delivery",
    "Client.quit",
    "Client.vrfy",
    "Client.expn",
    "Client.help",
    "Client.noop",
    "Client.etrn",
    "Client.xclient",
    "Client.xforward",
    "Transaction.rcpt",
    "Transaction.rcpt_with",
    "Transaction.data",
    "Transaction.reset",
    "Body.write",
    "Body.finish",
    "Body.finish_with",
    "Deliveries.next",
    "Deliveries.next, then all",
    "Deliveries.next, then dropped",
    "Deliveries.next, once more, then dropped",
    "Deliveries.next, then_quit",
];

/// Calls of a conversation.
const WORDS: [&str; 15] = [
    "Conversation.say",
    "Conversation.say_all",
    "Conversation.respond",
    "Conversation.cancel_auth",
    "Conversation.content",
    "Conversation.chunk",
    "Conversation.authenticate",
    "Conversation.authenticate_with",
    "Conversation.vrfy",
    "Conversation.expn",
    "Conversation.help",
    "Conversation.noop",
    "Conversation.etrn",
    "Conversation.xclient",
    "Conversation.quit",
];

/// A way to send.
#[derive(Debug, Clone, Copy)]
struct Way {
    pipelining: bool,
    bdat: bool,
    ahead: bool,
    lmtp: bool,
}

const WAYS: [Way; 7] = [
    Way { pipelining: false, bdat: false, ahead: false, lmtp: false },
    Way { pipelining: true, bdat: false, ahead: true, lmtp: false },
    Way { pipelining: false, bdat: true, ahead: false, lmtp: false },
    Way { pipelining: true, bdat: true, ahead: false, lmtp: false },
    Way { pipelining: true, bdat: true, ahead: true, lmtp: false },
    Way { pipelining: true, bdat: false, ahead: false, lmtp: true },
    Way { pipelining: true, bdat: true, ahead: true, lmtp: true },
];

/// How often a future may be polled, and whether it was dropped then.
struct Polls {
    left: usize,
    used: usize,
    dropped: bool,
}

impl Polls {
    const fn new(left: usize) -> Self {
        Self { left, used: 0, dropped: false }
    }

    /// Polls so often at most, and drops it then. Nothing is polled any more behind that.
    async fn of<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let came = std::future::poll_fn(|cx| {
            if self.left == 0 || self.dropped {
                self.dropped = true;
                return Poll::Ready(None);
            }
            self.left -= 1;
            self.used += 1;
            future.as_mut().poll(cx).map(Some)
        });
        came.await
    }
}

/// What has to come to an end by itself.
async fn ends<F: Future>(what: &str, future: F) -> F::Output {
    let mut polls = Polls::new(20_000);
    polls.of(future).await.unwrap_or_else(|| panic!("{what}: it hangs"))
}

fn content(id: usize) -> Vec<u8> {
    let mut content = format!("id-{id}\r\n").into_bytes();
    for n in 0..40 {
        content.extend(format!(".line {n}\r\n").bytes());
    }
    content
}

fn envelope(id: usize) -> Envelope {
    let recipients = [format!("bob-{id}@example.org"), format!("eve-{id}@example.org")];
    Envelope::new(format!("alice-{id}@example.org").as_str(), recipients.iter().map(|r| &**r))
        .unwrap()
}

async fn connect(way: Way, seed: u64) -> (Client, ModelStream) {
    let mut stream = ModelStream::new(seed, way.pipelining);
    let transfer = if way.bdat { Transfer::Bdat } else { Transfer::Data };
    let mut connector = Connector::new("").security(Security::None).transfer(transfer);
    if way.lmtp {
        stream = stream.lmtp();
        connector = connector.lmtp();
    }
    if way.ahead {
        connector = connector.run_ahead();
    }
    (connector.connect_over(stream.clone()).await.unwrap(), stream)
}

/// What is claimed of a mail, against what the server has.
fn check(delivery: &Delivery, stream: &ModelStream) -> usize {
    let first = delivery.recipients().next().unwrap().mailbox().to_string();
    let id: usize = first.split(['-', '@']).nth(1).unwrap().parse().unwrap();
    let is_it = |mail: &&model::Taken| mail.content.starts_with(format!("id-{id}\r\n").as_bytes());
    let taken = stream.taken();
    let mail = taken.iter().find(is_it);
    for recipient in delivery.recipients() {
        let path = recipient.mailbox().to_string();
        let name = path.trim_matches(['<', '>']);
        let has = mail.is_some_and(|mail| mail.recipients.iter().any(|r| r == name));
        match recipient.outcome() {
            Outcome::Accepted(reply) => {
                assert!(has, "{path} was said to have mail {id}");
                assert_eq!(reply.text(), format!("taken id-{id}"));
            }
            Outcome::Refused(refusal) => panic!("nothing is refused: {}", refusal.reply()),
            Outcome::NotSent => assert!(!has, "{path} was said not to be sent mail {id}"),
            _ => {}
        }
    }
    id
}

/// Makes the call, and drops it at its last poll. Deliveries that came are handed over.
async fn make(
    call: &str,
    client: &mut Client,
    way: Way,
    polls: &mut Polls,
    came: &mut Vec<Delivery>,
) {
    let body = content(1);
    let whole = envelope(1);
    match call {
        "Client.send" => {
            came.extend(polls.of(client.send(&whole, &body)).await.map(Result::unwrap))
        }
        "Client.send_watched" => {
            let sent = polls.of(client.send_watched(&whole, &body, |_| ())).await;
            came.extend(sent.map(Result::unwrap));
        }
        "Client.send, from a source" => {
            let source = Source::new(&*body).final_size(body.len() as u64);
            came.extend(polls.of(client.send(&whole, source)).await.map(Result::unwrap));
        }
        "Client.send_last" => {
            came.extend(polls.of(client.send_last(&whole, &body)).await.map(Result::unwrap));
        }
        "Client.mail" => {
            polls.of(client.mail("alice-1@example.org")).await.map(Result::unwrap);
        }
        "Client.mail_with" => {
            let params = [MailParam::body(ehlo::BodyType::EightBitMime)];
            polls.of(client.mail_with("alice-1@example.org", params)).await.map(Result::unwrap);
        }
        "Client.take_delivery" => {
            // Behind a mail that was dropped half way.
            let mut some = Polls::new(12);
            let sent = some.of(client.send(&whole, &body)).await;
            came.extend(sent.map(Result::unwrap));
            came.extend(polls.of(client.take_delivery()).await.flatten());
        }
        "Client.quit" => {
            polls.of(client.quit()).await.map(Result::unwrap);
        }
        "Client.vrfy" => drop(polls.of(client.vrfy("bob")).await.map(Result::unwrap)),
        "Client.expn" => drop(polls.of(client.expn("staff")).await.map(Result::unwrap)),
        "Client.help" => drop(polls.of(client.help(None)).await.map(Result::unwrap)),
        "Client.noop" => drop(polls.of(client.noop()).await.map(Result::unwrap)),
        "Client.etrn" => drop(polls.of(client.etrn("example.org")).await.map(Result::unwrap)),
        "Client.xclient" => {
            let name = XclientAttribute::new(XclientName::Name, "client.example.org").unwrap();
            polls.of(client.xclient(&[name])).await.map(Result::unwrap);
        }
        "Client.xforward" => {
            let name = XforwardAttribute::new(XforwardName::Name, "client.example.org").unwrap();
            polls.of(client.xforward(&[name])).await.map(Result::unwrap);
        }
        _ if call.starts_with("Deliveries") => row(call, client, way, polls, came).await,
        _ => stages(call, client, way, polls, came).await,
    }
}

async fn stages(
    call: &str,
    client: &mut Client,
    way: Way,
    polls: &mut Polls,
    came: &mut Vec<Delivery>,
) {
    let _ = way;
    let body = content(1);
    let mut mail = client.mail("alice-1@example.org").await.unwrap();
    match call {
        "Transaction.rcpt" => {
            if let Some(reply) = polls.of(mail.rcpt("bob-1@example.org")).await {
                assert_eq!(reply.unwrap().text(), "rcpt bob-1@example.org");
            }
            return;
        }
        "Transaction.rcpt_with" => {
            if let Some(reply) = polls.of(mail.rcpt_with("bob-1@example.org", [])).await {
                assert_eq!(reply.unwrap().text(), "rcpt bob-1@example.org");
            }
            return;
        }
        "Transaction.reset" => {
            polls.of(mail.reset()).await.map(Result::unwrap);
            return;
        }
        _ => {}
    }
    for name in ["bob-1@example.org", "eve-1@example.org"] {
        assert_eq!(mail.rcpt(name).await.unwrap().text(), format!("rcpt {name}"));
    }
    if call == "Transaction.data" {
        let _ = polls.of(mail.data()).await.map(Result::unwrap);
        return;
    }
    let mut data = mail.data().await.unwrap();
    match call {
        "Body.write" => {
            polls.of(data.write(&body)).await.map(Result::unwrap);
        }
        "Body.finish" => {
            data.write(&body).await.unwrap();
            came.extend(polls.of(data.finish()).await.map(Result::unwrap));
        }
        "Body.finish_with" => {
            came.extend(polls.of(data.finish_with(&body)).await.map(Result::unwrap));
        }
        _ => panic!("{call} is not made here"),
    }
}

/// Mails in a row.
async fn row(
    call: &str,
    client: &mut Client,
    way: Way,
    polls: &mut Polls,
    came: &mut Vec<Delivery>,
) {
    let mails = (1..=3).map(|id| Mail::new(envelope(id), content(id)));
    let mut deliveries = client.send_all(mails);
    if call.ends_with("then_quit") {
        deliveries = deliveries.then_quit();
    }
    while let Some(Some(sent)) = polls.of(deliveries.next()).await {
        came.push(sent.delivery);
        if call == "Deliveries.next" {
            return;
        }
    }
    if call.contains("once more") {
        came.extend(ends(call, deliveries.next()).await.map(|sent| sent.delivery));
    }
    if call.ends_with("dropped") || call == "Deliveries.next" {
        return;
    }
    // None is forgotten, and each comes in its place.
    while let Some(sent) = ends(call, deliveries.next()).await {
        came.push(sent.delivery);
    }
    let ids: Vec<_> = came
        .iter()
        .map(|delivery| delivery.recipients().next().unwrap().mailbox().to_string())
        .collect();
    let all = [1, 2, 3].map(|id| format!("<bob-{id}@example.org>"));
    assert_eq!(ids, all, "{call} {way:?}");
}

/// Plays one call dropped at this poll; whether it was.
async fn play(call: &str, way: Way, seed: u64, poll: usize) -> bool {
    let what = format!("{call} {way:?} at poll {poll}");
    let (mut client, stream) = connect(way, seed).await;
    let mut polls = Polls::new(poll);
    let mut came = Vec::new();
    make(call, &mut client, way, &mut polls, &mut came).await;
    let mut known = BTreeSet::new();
    while let Some(delivery) = ends(&what, client.take_delivery()).await {
        came.push(delivery);
    }
    for delivery in &came {
        assert!(known.insert(check(delivery, &stream)), "{what}: told twice");
    }
    for mail in stream.taken() {
        let id = (1..4).find(|id| mail.content == content(*id));
        let id = id.unwrap_or_else(|| panic!("{what}: half a mail: {mail:?}"));
        assert_eq!(mail.sender, format!("alice-{id}@example.org"), "{what}");
        assert!(known.contains(&id), "{what}: mail {id} is lost");
    }
    // Stage by stage a mail is one when its end is asked for.
    let is_whole = call.contains(".send") || call.starts_with("Deliveries");
    for sender in stream.begun().iter().filter(|_| is_whole) {
        let id: usize = sender.split(['-', '@']).nth(1).unwrap().parse().unwrap();
        assert!(known.contains(&id), "{what}: mail {id} was begun, and is lost");
    }
    match ends(&what, client.send(&envelope(9), content(9))).await {
        Ok(delivery) => {
            assert!(delivery.is_complete(), "{what}: {delivery:?}");
            assert_eq!(check(&delivery, &stream), 9);
        }
        Err(error) => assert_eq!(error.kind().name(), "closed", "{what}: {error}"),
    }
    assert_eq!(stream.faults(), [""; 0], "{what}");
    polls.dropped
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn every_call_may_be_dropped_at_every_await() {
    runtime().block_on(async {
        for call in CALLS {
            for way in WAYS {
                for seed in [3, 77] {
                    let mut poll = 0;
                    while play(call, way, seed, poll).await {
                        poll += 1;
                        assert!(poll < 5000, "{call} {way:?} has no end");
                    }
                    assert!(poll > 0 || call == "Client.take_delivery", "{call} waits for nothing");
                }
            }
        }
    });
}

async fn prepare(smtp: &mut Conversation, verbs: &[&str]) {
    let sender: ReversePath = "alice-1@example.org".parse().unwrap();
    let bob: ForwardPath = "bob-1@example.org".parse().unwrap();
    for verb in verbs {
        let command = match *verb {
            "MAIL" => Command::mail(&sender),
            "RCPT" => Command::rcpt(&bob),
            "DATA" => Command::data(),
            _ => Command::raw("AUTH LOGIN").unwrap(),
        };
        smtp.say(&command).await.unwrap();
    }
}

/// The same for what is said by hand; whether it was dropped.
async fn play_word(word: &str, pipelining: bool, poll: usize) -> bool {
    let what = format!("{word} at poll {poll}");
    let stream = ModelStream::new(5, pipelining);
    let connector = Connector::new("").security(Security::None).allow_cleartext();
    let mut smtp = connector.open_over(stream.clone()).await.unwrap();
    smtp.say(&Command::ehlo("client.example.org").unwrap()).await.unwrap();
    let mut polls = Polls::new(poll);
    let body = content(1);
    let credentials = Credentials::new("alice", "wonderland");
    match word {
        "Conversation.say" => {
            let noop = Command::raw("NOOP first").unwrap();
            if let Some(reply) = polls.of(smtp.say(&noop)).await {
                assert_eq!(reply.unwrap().text(), "NOOP first");
            }
        }
        "Conversation.say_all" => {
            let bob: ForwardPath = "bob-1@example.org".parse().unwrap();
            let sender: ReversePath = "alice-1@example.org".parse().unwrap();
            let group = [Command::mail(&sender), Command::rcpt(&bob), Command::rset()];
            if let Some(replies) = polls.of(smtp.say_all(group)).await {
                assert_eq!(replies.unwrap()[1].text(), "rcpt bob-1@example.org");
            }
        }
        "Conversation.respond" => {
            prepare(&mut smtp, &["AUTH"]).await;
            polls.of(smtp.respond(b"x")).await.map(Result::unwrap);
        }
        "Conversation.cancel_auth" => {
            prepare(&mut smtp, &["AUTH"]).await;
            polls.of(smtp.cancel_auth()).await.map(Result::unwrap);
        }
        "Conversation.content" => {
            prepare(&mut smtp, &["MAIL", "RCPT", "DATA"]).await;
            polls.of(smtp.content(&body)).await.map(Result::unwrap);
        }
        "Conversation.chunk" => {
            prepare(&mut smtp, &["MAIL", "RCPT"]).await;
            polls.of(smtp.chunk(&body, true)).await.map(Result::unwrap);
        }
        // The model's dialogue has one step, and LOGIN two: it is refused, and waited for all the same.
        "Conversation.authenticate" | "Conversation.authenticate_with" => {
            let _ = polls.of(smtp.authenticate(&credentials)).await;
        }
        "Conversation.vrfy" => drop(polls.of(smtp.vrfy("bob")).await.map(Result::unwrap)),
        "Conversation.expn" => drop(polls.of(smtp.expn("staff")).await.map(Result::unwrap)),
        "Conversation.help" => drop(polls.of(smtp.help(None)).await.map(Result::unwrap)),
        "Conversation.noop" => drop(polls.of(smtp.noop()).await.map(Result::unwrap)),
        "Conversation.etrn" => drop(polls.of(smtp.etrn("example.org")).await.map(Result::unwrap)),
        "Conversation.xclient" => {
            let name = XclientAttribute::new(XclientName::Name, "client.example.org").unwrap();
            polls.of(smtp.xclient(&[name])).await.map(Result::unwrap);
        }
        "Conversation.quit" => {
            polls.of(smtp.quit()).await.map(Result::unwrap);
        }
        _ => panic!("{word} is not said here"),
    }
    let noop = Command::raw("NOOP second").unwrap();
    match ends(&what, smtp.say(&noop)).await {
        Ok(reply) => assert_eq!(reply.text(), "NOOP second", "{what}"),
        Err(error) => {
            let is_lawful = matches!(error.kind().name(), "closed" | "misuse");
            assert!(is_lawful, "{what}: {error}");
        }
    }
    for mail in stream.taken() {
        assert_eq!(mail.content, body, "{what}: half a mail");
    }
    assert_eq!(stream.faults(), [""; 0], "{what}");
    polls.dropped
}

#[test]
fn every_word_may_be_dropped_at_every_await() {
    runtime().block_on(async {
        for word in WORDS {
            for pipelining in [false, true] {
                let mut poll = 0;
                while play_word(word, pipelining, poll).await {
                    poll += 1;
                    assert!(poll < 5000, "{word} has no end");
                }
                assert!(poll > 0, "{word} waits for nothing");
            }
        }
    });
}

/// A call that is missing here is told by its name.
#[test]
fn every_call_that_can_wait_is_in_the_list() {
    let listed: BTreeSet<&str> = CALLS.iter().chain(&WORDS).map(|call| &call[..]).collect();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/net");
    let mut missing = Vec::new();
    let mut found = 0;
    for file in ["client.rs", "transaction.rs", "batch.rs", "conversation.rs", "query.rs"] {
        let source = std::fs::read_to_string(folder.join(file)).unwrap();
        let mut of = String::new();
        for line in source.lines() {
            if let Some(rest) = line.strip_prefix("impl") {
                let rest = rest.trim_start_matches(|c| c != ' ').trim_start();
                of = rest.chars().take_while(char::is_ascii_alphabetic).collect();
            }
            let Some(name) = line.trim_start().strip_prefix("pub async fn ") else { continue };
            let name: String =
                name.chars().take_while(|c| c.is_ascii_alphabetic() || *c == '_').collect();
            let call = format!("{of}.{name}");
            found += 1;
            // Opening is the connector's: nothing is left of it where it is dropped.
            if !listed.contains(&*call) && name != "open" {
                missing.push(call);
            }
        }
    }
    assert!(missing.is_empty(), "add to the list: {missing:?}");
    assert!(found > 20, "{found}");
}
