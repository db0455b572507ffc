//! LIMITS (RFC 9422) as a client keeps to them: what is beyond is *not sent*, and never asked for.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use ehlo::testing::{Running, Server};
use ehlo::{Client, Connector, Envelope, ErrorKind, Mail, Retry, Security};
use tokio::io::duplex;

async fn client(offer: &str) -> (Client, Running) {
    let (near, far) = duplex(64 * 1024);
    let server = Server::new().offer(offer).serve(far).unwrap();
    let connector = Connector::new("mx").security(Security::None);
    (connector.connect_over(near).await.unwrap(), server)
}

fn envelope(recipients: &[&str]) -> Envelope {
    Envelope::new("alice@example.org", recipients.iter().copied()).unwrap()
}

fn outcomes(delivery: &ehlo::Delivery) -> Vec<String> {
    let word = |outcome: String| outcome.split(':').next().unwrap().to_owned();
    delivery.recipients().map(|one| word(one.outcome().to_string())).collect()
}

const HELLO: &str = "Subject: hello\r\n\r\nhello\r\n";

#[tokio::test]
async fn c_110_recipients_beyond_rcptmax_are_not_sent() {
    let (mut client, server) = client("LIMITS RCPTMAX=2").await;
    let all = envelope(&["a@example.net", "b@example.net", "c@example.net"]);
    let delivery = client.send(&all, HELLO).await.unwrap();
    assert_eq!(outcomes(&delivery), ["accepted", "accepted", "not sent"]);
    let left = delivery.recipients().nth(2).unwrap();
    assert_eq!(left.outcome().retry(), Retry::Later);

    // and what is left goes with the next mail, over the same connection
    let mut parts = all.split(2);
    assert_eq!(parts.next().unwrap().recipients().len(), 2);
    let rest = parts.next().unwrap();
    assert!(client.send(&rest, HELLO).await.unwrap().is_complete());
    assert_eq!(server.mails().len(), 2);
}

#[tokio::test]
async fn c_110_no_mail_goes_out_beyond_mailmax() {
    let (mut client, _server) = client("LIMITS MAILMAX=1").await;
    let bob = envelope(&["bob@example.net"]);
    assert!(client.send(&bob, HELLO).await.unwrap().is_complete());
    let error = client.send(&bob, HELLO).await.unwrap_err();
    assert_eq!(error.to_string(), "mx takes no more: it offered MAILMAX=1");
    assert_eq!((error.retry(), error.kind().name()), (Retry::Later, "limit_reached"));
    let error = client.mail("alice@example.org").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::LimitReached { limit: "MAILMAX", most: 1 }));
    assert!(client.take_delivery().await.is_none());
    client.quit().await.unwrap();
}

#[tokio::test]
async fn c_110_mails_in_a_row_come_back_beyond_mailmax() {
    let (mut client, server) = client("LIMITS MAILMAX=2").await;
    let mails = (0..4).map(|_| Mail::new(envelope(&["bob@example.net"]), HELLO));
    let mut deliveries = client.send_all(mails).then_quit();
    let mut told = Vec::new();
    while let Some(sent) = deliveries.next().await {
        let why = sent.error.map(|error| error.to_string()).unwrap_or_default();
        told.push((outcomes(&sent.delivery).concat(), why));
    }
    let done = ("accepted".to_owned(), String::new());
    let left = ("not sent".to_owned(), "mx takes no more: it offered MAILMAX=2".to_owned());
    assert_eq!(told, [done.clone(), done, left.clone(), left]);
    assert_eq!(server.mails().len(), 2);
}

#[tokio::test]
async fn c_110_another_domain_waits_for_another_session() {
    let (mut client, _server) = client("LIMITS RCPTDOMAINMAX=1").await;
    let two = envelope(&["a@example.net", "b@EXAMPLE.net", "c@example.com"]);
    let delivery = client.send(&two, HELLO).await.unwrap();
    assert_eq!(outcomes(&delivery), ["accepted", "accepted", "not sent"]);
    let error = client.send(&envelope(&["c@example.com"]), HELLO).await.unwrap_err();
    assert_eq!(error.to_string(), "mx takes no more: it offered RCPTDOMAINMAX=1");
}
