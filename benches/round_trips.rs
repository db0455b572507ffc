//! What mails cost over a line on which everything takes its time: the flights of the client, the
//! time, and the bound, a round trip for each flight. That there are no more flights than here is
//! pinned by `tests/flights.rs`.

#![allow(clippy::unwrap_used, reason = "the server says what it should")]

#[path = "../tests/support/delay.rs"]
mod delay;

use std::time::Duration;

use delay::delayed;
use ehlo::testing::Server;
use ehlo::{Connector, Envelope, Mail, Security, Transfer};
use tokio::runtime::Builder;
use tokio::time::Instant;

/// The timer is exact to a millisecond, and always late: two of them a round trip.
const ROUND_TRIP: Duration = Duration::from_millis(20);

const MAILS: [usize; 2] = [1, 100];

const CONTENT: &str = "Subject: hello\r\n\r\nHello!\r\n";

fn main() {
    // `cargo test --benches` asks for nothing but that it runs.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!("round trip {ROUND_TRIP:?}, two recipients, content of {} octets\n", CONTENT.len());
    println!("| pipelining | content | runs ahead | mails | flights | bound, ms | time, ms |");
    println!("|---|---|---|---:|---:|---:|---:|");
    for pipelining in [true, false] {
        for transfer in [Transfer::Data, Transfer::Bdat] {
            // Where nothing may be in flight there is nothing to run ahead of.
            for ahead in [false, true].into_iter().filter(|ahead| pipelining || !ahead) {
                for mails in MAILS {
                    let line = Line { pipelining, transfer, ahead };
                    println!("{}", line.row(mails));
                }
            }
        }
    }
}

struct Line {
    pipelining: bool,
    transfer: Transfer,
    ahead: bool,
}

impl Line {
    fn row(&self, mails: usize) -> String {
        // The flights by a clock that stands still while anybody is at work: they are the same in
        // every run. The time by the clock of the wall.
        let mut clock = Builder::new_current_thread();
        let (flights, _) =
            clock.enable_all().start_paused(true).build().unwrap().block_on(self.sent(mails));
        let (_, time) = clock.start_paused(false).build().unwrap().block_on(self.sent(mails));
        let bound = ROUND_TRIP * u32::try_from(flights).unwrap();
        let word = |yes| if yes { "yes" } else { "no" };
        format!(
            "| {} | {:?} | {} | {mails} | {flights} | {} | {:.1} |",
            word(self.pipelining),
            self.transfer,
            word(self.ahead),
            bound.as_millis(),
            time.as_secs_f64() * 1e3,
        )
    }

    /// So many mails in a row, from the reply to EHLO to the last delivery.
    async fn sent(&self, mails: usize) -> (usize, Duration) {
        let mut server = Server::new();
        if !self.pipelining {
            server = server.withhold("PIPELINING");
        }
        let (stream, far, flights) = delayed(ROUND_TRIP / 2);
        let _server = server.serve(far).unwrap();
        let mut connector = Connector::new("mx.example.test").security(Security::None);
        connector = connector.transfer(self.transfer);
        if self.ahead {
            connector = connector.run_ahead();
        }
        let mut client = connector.connect_over(stream).await.unwrap();
        let envelope = Envelope::new("a@example.org", ["b@example.test", "c@example.test"]);
        let envelope = envelope.unwrap();
        let row = (0..mails).map(|_| Mail::new(&envelope, CONTENT));
        let (before, began) = (flights.count(), Instant::now());
        let mut deliveries = client.send_all(row);
        while let Some(sent) = deliveries.next().await {
            assert!(sent.delivery.is_complete(), "{:?}", sent.error);
        }
        drop(deliveries);
        (flights.count() - before, began.elapsed())
    }
}
