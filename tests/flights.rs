//! How often the client has to wait for the server: flights are counted, and no time is measured.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

#[path = "support/delay.rs"]
mod delay;

use std::time::Duration;

use delay::{Flights, delayed};
use ehlo::testing::{Running, Server};
use ehlo::{Client, Connector, Envelope, Mail, Security, Source, Transfer};

const DELAY: Duration = Duration::from_millis(10);

/// Mails that `Connector::run_ahead` lets be on their way.
const WINDOW: usize = 16;

const CONTENT: &str = "Subject: hello\r\n\r\nHello!\r\n";

/// A client that is introduced, and what it costs from here on.
struct Link {
    client: Client,
    flights: Flights,
    before: usize,
    server: Running,
}

impl Link {
    async fn new(server: Server, connector: &Connector) -> Self {
        let (stream, far, flights) = delayed(DELAY);
        let server = server.serve(far).unwrap();
        let client = connector.connect_over(stream).await.unwrap();
        Self { client, before: flights.count(), flights, server }
    }

    fn flights(&self) -> usize {
        self.flights.count() - self.before
    }

    /// So many mails one after the other, each with a call of its own.
    async fn one_by_one(mut self, mails: usize) -> usize {
        for _ in 0..mails {
            assert!(self.client.send(&envelope(), CONTENT).await.unwrap().is_complete());
        }
        self.flights()
    }

    /// So many mails in a row.
    async fn in_a_row(self, mails: usize) -> usize {
        self.row((0..mails).map(|_| Mail::new(envelope(), CONTENT))).await
    }

    async fn row(mut self, mails: impl ExactSizeIterator<Item = Mail<'static>> + Send) -> usize {
        let count = mails.len();
        let mut deliveries = self.client.send_all(mails);
        for _ in 0..count {
            let sent = deliveries.next().await.unwrap();
            assert!(sent.delivery.is_complete(), "{:?}", sent.error);
        }
        assert!(deliveries.next().await.is_none());
        drop(deliveries);
        self.flights()
    }
}

fn envelope() -> Envelope {
    Envelope::new("a@example.org", ["b@example.test", "c@example.test"]).unwrap()
}

fn connector() -> Connector {
    Connector::new("mx.example.test").security(Security::None)
}

/// A mail over DATA is `MAIL RCPT RCPT DATA`, and the content; over BDAT the chunk takes the place
/// of the content.
#[tokio::test(start_paused = true)]
async fn with_pipelining_a_mail_alone_is_two_flights() {
    for transfer in [Transfer::Data, Transfer::Bdat] {
        let connector = connector().transfer(transfer);
        for mails in [1, 3] {
            let link = Link::new(Server::new(), &connector).await;
            assert_eq!(link.one_by_one(mails).await, 2 * mails, "{transfer:?}");
            let link = Link::new(Server::new(), &connector).await;
            assert_eq!(link.in_a_row(mails).await, 2 * mails, "{transfer:?}");
        }
    }
}

/// The commands of a mail go out behind the content of the one before.
#[tokio::test(start_paused = true)]
async fn running_ahead_over_data_a_mail_in_a_row_is_one_flight() {
    let connector = connector().transfer(Transfer::Data).run_ahead();
    for mails in [1, 2, 100] {
        let link = Link::new(Server::new(), &connector).await;
        assert_eq!(link.in_a_row(mails).await, mails + 1);
    }
    // Alone it has nothing to go out behind.
    let link = Link::new(Server::new(), &connector).await;
    assert_eq!(link.one_by_one(3).await, 6);
}

/// A mail is one write, and waits for the oldest alone, where the window is full.
#[tokio::test(start_paused = true)]
async fn running_ahead_over_bdat_a_mail_in_a_row_is_no_flight_of_its_own() {
    for connector in [connector().run_ahead(), connector().run_ahead().transfer(Transfer::Bdat)] {
        for (mails, flights) in
            [(1, 1), (WINDOW, 1), (WINDOW + 1, 2), (100, 100_usize.div_ceil(WINDOW))]
        {
            let link = Link::new(Server::new(), &connector).await;
            assert_eq!(link.in_a_row(mails).await, flights, "{mails}");
        }
        let link = Link::new(Server::new(), &connector).await;
        assert_eq!(link.one_by_one(3).await, 3);
    }
}

/// Content of more than 64 KiB waits for the recipients, and they go out behind the mail before.
#[tokio::test(start_paused = true)]
async fn running_ahead_over_bdat_long_content_is_one_flight_as_over_data() {
    let long = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n".repeat(4096);
    for transfer in [Transfer::Data, Transfer::Bdat] {
        let connector = connector().run_ahead().transfer(transfer);
        let link = Link::new(Server::new(), &connector).await;
        let row = (0..10).map(|_| Mail::new(envelope(), long.clone()));
        assert_eq!(link.row(row).await, 11, "{transfer:?}");
    }
}

/// Of a source it is known whether it is short where its size is final.
#[tokio::test(start_paused = true)]
async fn running_ahead_a_source_is_no_flight_of_its_own_where_its_size_is_final() {
    let connector = connector().run_ahead();
    let source = || Source::new(CONTENT.as_bytes());
    let link = Link::new(Server::new(), &connector).await;
    assert_eq!(link.row((0..8).map(|_| Mail::new(envelope(), source()))).await, 9);
    let sized = || source().final_size(CONTENT.len() as u64);
    let link = Link::new(Server::new(), &connector).await;
    assert_eq!(link.row((0..8).map(|_| Mail::new(envelope(), sized()))).await, 1);
}

/// Pieces of content wait for nothing.
#[tokio::test(start_paused = true)]
async fn a_source_of_many_pieces_is_two_flights() {
    let long = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n".repeat(8192);
    for transfer in [Transfer::Data, Transfer::Bdat] {
        let mut link = Link::new(Server::new(), &connector().transfer(transfer)).await;
        let source = Source::new(long.as_bytes());
        let delivery = link.client.send(&envelope(), source).await.unwrap();
        assert!(delivery.is_complete(), "{transfer:?}");
        assert_eq!(link.flights(), 2, "{transfer:?}");
        assert!(link.server.mails()[0].content() == long.as_bytes(), "{transfer:?}");
    }
}

/// `MAIL`, `RCPT`, `RCPT`, then `DATA` and the content, or the chunk: nothing is gained by running
/// ahead.
#[tokio::test(start_paused = true)]
async fn without_pipelining_every_command_is_a_flight() {
    for (transfer, flights) in [(Transfer::Data, 5), (Transfer::Bdat, 4)] {
        let connector = connector().transfer(transfer);
        for connector in [connector.clone(), connector.run_ahead()] {
            let server = || Server::new().withhold("PIPELINING");
            let link = Link::new(server(), &connector).await;
            assert_eq!(link.one_by_one(3).await, 3 * flights, "{transfer:?}");
            let link = Link::new(server(), &connector).await;
            assert_eq!(link.in_a_row(3).await, 3 * flights, "{transfer:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn quit_rides_on_the_last_mail() {
    for (offers, of_quit) in [("HELP", 0), ("PIPELINING", 1)] {
        let server = || Server::new().withhold(offers);
        let mut link = Link::new(server(), &connector()).await;
        assert!(link.client.send(&envelope(), CONTENT).await.unwrap().is_complete());
        let mail = link.flights();
        link.client.quit().await.unwrap();
        assert_eq!(link.flights(), mail + 1);

        let mut link = Link::new(server(), &connector()).await;
        assert!(link.client.send_last(&envelope(), CONTENT).await.unwrap().is_complete());
        assert_eq!(link.flights(), mail + of_quit);

        for connector in [connector(), connector().run_ahead()] {
            let link = Link::new(server(), &connector).await;
            let row = link.in_a_row(3).await;
            let mut link = Link::new(server(), &connector).await;
            let mails = [(); 3].map(|()| Mail::new(envelope(), CONTENT));
            let mut deliveries = link.client.send_all(mails).then_quit();
            while let Some(sent) = deliveries.next().await {
                assert!(sent.delivery.is_complete(), "{:?}", sent.error);
            }
            drop(deliveries);
            assert_eq!(link.flights(), row + of_quit);
        }
    }
}

/// What has nothing to be read wakes whoever asked when it has: it is asked before each write, not
/// again behind it, and then when it wakes (this one does so where something is on its way, too).
#[tokio::test(start_paused = true)]
async fn a_stream_is_asked_once_for_what_is_waited_for() {
    let connector = connector().run_ahead().transfer(Transfer::Data);
    let mut link = Link::new(Server::new(), &connector).await;
    let before = link.flights.looked_in_vain();
    let mut deliveries = link.client.send_all((0..10).map(|_| Mail::new(envelope(), CONTENT)));
    while let Some(sent) = deliveries.next().await {
        assert!(sent.delivery.is_complete(), "{:?}", sent.error);
    }
    drop(deliveries);
    let flights = link.flights();
    assert_eq!((flights, link.flights.looked_in_vain() - before), (11, 2 * flights));
}

/// A mail that is refused to all costs those behind it no flight.
#[tokio::test(start_paused = true)]
async fn a_refused_mail_in_the_row_does_not_stop_it() {
    let server = || Server::new().refuse("nobody@example.test", "550 5.1.1 nobody");
    let refused = || Envelope::new("a@example.org", ["nobody@example.test"]).unwrap();
    for (connector, calm, flights) in [
        (connector(), 6, 5),
        (connector().run_ahead().transfer(Transfer::Data), 4, 4),
        (connector().run_ahead(), 1, 1),
    ] {
        let link = Link::new(server(), &connector).await;
        assert_eq!(link.in_a_row(3).await, calm);
        let mut link = Link::new(server(), &connector).await;
        let mails = [envelope(), refused(), envelope()].map(|to| Mail::new(to, CONTENT));
        let mut deliveries = link.client.send_all(mails);
        let mut accepted = Vec::new();
        while let Some(sent) = deliveries.next().await {
            accepted.push(sent.delivery.accepted_count());
        }
        drop(deliveries);
        assert_eq!(accepted, [2, 0, 2]);
        assert_eq!(link.flights(), flights);
    }
}
