//! The delayed streams of the tests themselves: what they do to octets, and what they count.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

#[path = "support/delay.rs"]
mod delay;

use std::time::Duration;

use delay::delayed;
use ehlo::testing::Server;
use ehlo::{Connector, Envelope, Security};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

const DELAY: Duration = Duration::from_millis(100);

#[tokio::test(start_paused = true)]
async fn octets_arrive_after_the_delay_and_in_order() {
    let (mut client, mut server, _) = delayed(DELAY);
    let start = Instant::now();
    client.write_all(b"ab").await.unwrap();
    tokio::time::sleep(DELAY / 2).await;
    client.write_all(b"cd").await.unwrap();
    let mut heard = [0; 3];
    assert_eq!(server.read(&mut heard).await.unwrap(), 2);
    assert_eq!((start.elapsed(), &heard[..2]), (DELAY, &b"ab"[..]));
    assert_eq!(server.read(&mut heard[..1]).await.unwrap(), 1);
    assert_eq!((start.elapsed(), heard[0]), (DELAY * 3 / 2, b'c'));
    assert_eq!(server.read(&mut heard).await.unwrap(), 1);
    assert_eq!((start.elapsed(), heard[0]), (DELAY * 3 / 2, b'd'));
    assert!(timeout(DELAY * 100, server.read(&mut heard)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_end_takes_its_time_too() {
    for shuts_down in [false, true] {
        let (mut client, mut server, _) = delayed(DELAY);
        client.write_all(b"a").await.unwrap();
        if shuts_down {
            client.shutdown().await.unwrap();
            assert!(client.write_all(b"b").await.is_err());
        } else {
            drop(client);
        }
        let start = Instant::now();
        let mut heard = Vec::new();
        server.read_to_end(&mut heard).await.unwrap();
        assert_eq!((start.elapsed(), &heard[..]), (DELAY, &b"a"[..]));
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_flight_is_what_was_said_after_a_wait() {
    let (mut client, mut server, flights) = delayed(DELAY);
    assert_eq!(flights.count(), 0);
    server.write_all(b"12").await.unwrap();
    for _ in 0..2 {
        client.write_all(b"x").await.unwrap();
    }
    assert_eq!(flights.count(), 1);
    // Waited for, and yet nothing was said.
    let mut heard = [0];
    client.read_exact(&mut heard).await.unwrap();
    assert_eq!(flights.count(), 1);
    client.write_all(b"x").await.unwrap();
    assert_eq!(flights.count(), 2);
    // Heard, and not waited for.
    client.read_exact(&mut heard).await.unwrap();
    client.write_all(b"x").await.unwrap();
    assert_eq!(flights.count(), 2);
    // Waited for in vain.
    assert!(timeout(DELAY, client.read(&mut heard)).await.is_err());
    client.write_all(b"x").await.unwrap();
    assert_eq!(flights.count(), 2);
    // The server's words are no flights, and what it waits for neither.
    server.read_exact(&mut heard).await.unwrap();
    server.write_all(b"3").await.unwrap();
    assert_eq!(flights.count(), 2);
}

/// Flights, and as many delays as two for each: what the client says last is answered too.
async fn sent(server: Server) -> usize {
    let (client, far, flights) = delayed(DELAY);
    let _running = server.serve(far).unwrap();
    let start = Instant::now();
    let connector = Connector::new("mx.example.test").security(Security::None);
    let mut client = connector.connect_over(client).await.unwrap();
    let envelope = Envelope::new("a@example.org", ["b@example.test", "c@example.test"]).unwrap();
    assert_eq!(client.send(&envelope, "x\r\n").await.unwrap().accepted_count(), 2);
    // The greeting comes without being asked for.
    let trips = 2 * u32::try_from(flights.count()).unwrap() + 1;
    assert_eq!(start.elapsed().as_millis(), (DELAY * trips).as_millis());
    flights.count()
}

#[tokio::test(start_paused = true)]
async fn the_round_trips_of_a_mail_are_counted() {
    // EHLO; MAIL, RCPT and DATA; the content.
    assert_eq!(sent(Server::new().withhold("CHUNKING")).await, 3);
    // EHLO, MAIL, RCPT, RCPT, DATA, the content.
    let server = Server::new().withhold("CHUNKING").withhold("PIPELINING");
    assert_eq!(sent(server).await, 6);
}
