//! Futures dropped at any poll of the stream: the client stays usable or is closed, a reply never
//! shifts, half a mail or an empty one is never delivered, and an outcome is never wrong.
#![cfg(feature = "net")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

#[path = "support/model.rs"]
mod model;

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use ehlo::{Client, Command, Connector, Conversation, Delivery, Envelope, Outcome, Security};
use model::ModelStream;
use proptest::prelude::*;

/// One call, or a few, and after how many polls the last of them is dropped.
#[derive(Debug, Clone)]
enum Call {
    /// `Client::send`, with so many recipients, of which some are refused.
    Send { recipients: usize, refused: usize, octets: usize, refused_sender: bool },
    /// Stage by stage, going so far: 0 MAIL, 1 RCPT, 2 RCPT again, 3 DATA, 4 a chunk, 5 the end.
    Stages { until: usize, octets: usize },
    /// `Client::take_delivery`.
    Take,
}

fn calls() -> impl Strategy<Value = Vec<(Call, usize)>> {
    let send = (1..4_usize, 0..3_usize, 0..3000_usize, prop::bool::weighted(0.1)).prop_map(
        |(recipients, refused, octets, refused_sender)| Call::Send {
            recipients,
            refused,
            octets,
            refused_sender,
        },
    );
    let stages =
        (0..6_usize, 0..3000_usize).prop_map(|(until, octets)| Call::Stages { until, octets });
    let call = prop_oneof![4 => send, 4 => stages, 1 => Just(Call::Take)];
    prop::collection::vec((call, prop_oneof![1..60_usize, Just(usize::MAX)]), 1..8)
}

/// Polls a future at most so many times, and drops it then.
async fn dropped_after<F: Future>(polls: &mut usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        if *polls == 0 {
            return Poll::Ready(None);
        }
        *polls -= 1;
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

/// A content that names itself in its first line, with dots where they matter.
fn content(id: usize, octets: usize) -> Vec<u8> {
    let mut content = format!("id-{id}\r\n").into_bytes();
    while content.len() < octets {
        content.extend(format!(".line {}\r\n", content.len()).bytes());
    }
    content
}

fn sender(id: usize, refused: bool) -> String {
    format!("{}-{id}@example.org", if refused { "refused" } else { "sender" })
}

/// What a delivery claims, against what the server has.
fn check(id: usize, delivery: &Delivery, stream: &ModelStream) {
    let mail = stream
        .taken()
        .into_iter()
        .find(|mail| mail.content.starts_with(format!("id-{id}\r\n").as_bytes()));
    for recipient in delivery.recipients() {
        let path = recipient.mailbox().to_string();
        let name = path.trim_matches(['<', '>']);
        let has = mail.as_ref().is_some_and(|mail| mail.recipients.iter().any(|r| r == name));
        match recipient.outcome() {
            Outcome::Accepted(reply) => {
                assert!(has, "{path} was said to have mail {id}");
                assert_eq!(reply.text(), format!("taken id-{id}"));
            }
            Outcome::Refused(refusal) => {
                assert!(!has, "{path} was said to be refused mail {id}");
                let text = refusal.reply().text().into_owned();
                assert!(
                    text.contains(name) || text == "mail refused" || text.starts_with("no "),
                    "{text}"
                );
            }
            Outcome::NotSent => assert!(!has, "{path} was said not to be sent mail {id}"),
            _ => {}
        }
    }
}

async fn stages(
    client: &mut Client,
    id: usize,
    until: usize,
    body: &[u8],
) -> Result<Option<Delivery>, ehlo::Error> {
    let mut mail = client.mail(sender(id, false).as_str()).await?;
    for n in 0..until.min(2) {
        let name = format!("bob-{id}-{n}@example.org");
        let reply = mail.rcpt(name.as_str()).await?;
        assert_eq!(reply.text(), format!("rcpt {name}"), "a reply has shifted");
    }
    if until < 3 {
        return Ok(None);
    }
    let mut data = mail.data().await?;
    if until < 4 {
        return Ok(None);
    }
    let (first, last) = body.split_at(body.len() / 2);
    data.write(first).await?;
    if until < 5 {
        return Ok(None);
    }
    data.finish_with(last).await.map(Some)
}

async fn play(seed: u64, pipelining: bool, calls: Vec<(Call, usize)>) {
    let stream = ModelStream::new(seed, pipelining);
    let connector = Connector::new("model").security(Security::None);
    let mut client = connector.connect_over(stream.clone()).await.unwrap();
    // The mails that may be waiting for `take_delivery`.
    let mut pending = None;
    let mut whole = Vec::new();
    for (id, (call, mut polls)) in calls.into_iter().enumerate() {
        match call {
            Call::Send { recipients, refused, octets, refused_sender } => {
                let names = (0..recipients).map(|n| {
                    let kind = if n < refused { "refused" } else { "bob" };
                    format!("{kind}-{id}-{n}@example.org")
                });
                let names: Vec<_> = names.collect();
                let from = sender(id, refused_sender);
                let envelope =
                    Envelope::new(from.as_str(), names.iter().map(String::as_str)).unwrap();
                whole.push(content(id, octets));
                let sent =
                    dropped_after(&mut polls, client.send(&envelope, content(id, octets))).await;
                match sent {
                    Some(Ok(delivery)) => check(id, &delivery, &stream),
                    Some(Err(_)) | None => pending = Some(id),
                }
            }
            Call::Stages { until, octets } => {
                let body = content(id, octets);
                if until == 5 {
                    whole.push(body.clone());
                }
                match dropped_after(&mut polls, stages(&mut client, id, until, &body)).await {
                    Some(Ok(Some(delivery))) => check(id, &delivery, &stream),
                    Some(Ok(None)) => {}
                    Some(Err(_)) | None if until == 5 => pending = Some(id),
                    Some(Err(_)) | None => {}
                }
            }
            Call::Take => {
                if let Some(Some(delivery)) =
                    dropped_after(&mut polls, client.take_delivery()).await
                {
                    // The outcome is that of the last call that was dropped or failed: its mail
                    // names itself by its recipients.
                    let first = delivery.recipients().next().map(|r| r.mailbox().to_string());
                    if let Some(of) = first.and_then(|path| path.split('-').nth(1)?.parse().ok()) {
                        check(of, &delivery, &stream);
                    }
                }
            }
        }
    }
    let last = usize::MAX;
    let envelope =
        Envelope::new(sender(last, false).as_str(), [format!("bob-{last}-0@example.org").as_str()])
            .unwrap();
    whole.push(content(last, 10));
    match client.send(&envelope, content(last, 10)).await {
        Ok(delivery) => {
            assert!(delivery.is_complete());
            check(last, &delivery, &stream);
        }
        Err(error) => assert_eq!(error.kind().name(), "closed", "{error}"),
    }
    assert_eq!(stream.faults(), [""; 0]);
    for mail in stream.taken() {
        assert!(
            whole.contains(&mail.content),
            "half a mail: {:?}",
            String::from_utf8_lossy(&mail.content)
        );
        assert!(!mail.recipients.is_empty());
    }
    let _ = pending;
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn a_dropped_call_never_harms_the_next(seed: u64, pipelining: bool, calls in calls()) {
        runtime().block_on(play(seed, pipelining, calls));
    }

    #[test]
    fn c_145_a_dropped_word_never_harms_the_next(
        seed: u64,
        words in prop::collection::vec((0..6_usize, prop_oneof![0..12_usize, Just(usize::MAX)]), 1..20),
    ) {
        runtime().block_on(async {
            let stream = ModelStream::new(seed, false);
            let mut smtp = Conversation::open(stream.clone()).await.unwrap();
            smtp.say(&Command::ehlo("client.example.org").unwrap()).await.unwrap();
            let credentials = ehlo::Credentials::new("alice", "wonderland");
            for (n, (word, mut polls)) in words.into_iter().enumerate() {
                let noop = Command::raw(format!("NOOP {n}")).unwrap();
                match word {
                    0 => {
                        let authenticate = smtp.authenticate(&credentials);
                        let _ = dropped_after(&mut polls, authenticate).await;
                    }
                    1 => {
                        let login = Command::raw("AUTH LOGIN").unwrap();
                        let _ = dropped_after(&mut polls, smtp.say(&login)).await;
                        let _ = dropped_after(&mut polls, smtp.cancel_auth()).await;
                    }
                    _ => {
                        match dropped_after(&mut polls, smtp.say(&noop)).await {
                            Some(Ok(reply)) => assert_eq!(reply.text(), format!("NOOP {n}")),
                            Some(Err(error)) => {
                                assert!(error.to_string().contains("AUTH dialogue"), "{error}");
                                smtp.cancel_auth().await.unwrap();
                            }
                            None => {}
                        }
                    }
                }
            }
            assert_eq!(stream.faults(), [""; 0]);
        });
    }
}
