//! Thousands of sessions at once with servers that misbehave at random: none outlasts its deadline,
//! none panics, and what is said of each recipient is what the server did. Time is not real.
//!
//! `EHLO_HOSTILE_SESSIONS` says how many (5,000), `EHLO_HOSTILE_SEED` which; what fails names its
//! own seed.
#![cfg(feature = "net")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

#[path = "support/wayward.rs"]
#[expect(unreachable_pub, reason = "made for the fuzzer too")]
mod wayward;

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ehlo::{
    Client, Connector, Delivery, Envelope, Error, Mail, Outcome, Security, Timeouts, Transfer,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, timeout};
use wayward::{Handed, Link, Offer, Seen, Wayward};

/// How long a call may take.
const WHOLE: Duration = Duration::from_secs(300);

/// How many sessions are open at once.
const AT_ONCE: usize = 5000;

/// Numbers from a seed (SplitMix64).
#[derive(Debug, Clone)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as usize % bound
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }
}

type Server = Wayward<Box<dyn FnMut(usize) -> usize + Send>>;

/// How the server's end of the stream takes and gives octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    Quick,
    Pieces,
    /// One octet, then a pause.
    Drips,
    /// Reads a few octets, then pauses.
    ReadsSlowly,
    /// Reads nothing at all behind the greeting of the client.
    NeverReads,
}

/// The client's end.
struct Near {
    server: Arc<Mutex<Server>>,
    dice: Dice,
    pace: Pace,
    pause: Option<Pin<Box<Sleep>>>,
    reader: Option<Waker>,
    written: usize,
}

impl Near {
    /// Whether a pause is over; one begins where none is.
    fn paused(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let seconds = 1 + self.dice.below(20) as u64;
        let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(Duration::from_secs(seconds))));
        std::task::ready!(pause.as_mut().poll(cx));
        self.pause = None;
        Poll::Ready(())
    }

    fn dawdles(&mut self, cx: &Context<'_>) -> bool {
        let dawdles = self.pace == Pace::Pieces && self.dice.one_in(3);
        if dawdles {
            cx.waker().wake_by_ref();
        }
        dawdles
    }
}

impl AsyncRead for Near {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.dawdles(cx) {
            return Poll::Pending;
        }
        let server = Arc::clone(&self.server);
        let (there, link) = {
            let server = server.lock().unwrap();
            (server.said().len(), server.link())
        };
        match (there, link) {
            (0, Link::Open | Link::Silent) => {
                self.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            (0, Link::Reset) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            (0, Link::Closed | Link::HalfClosed) => return Poll::Ready(Ok(())),
            _ => {}
        }
        let most = match self.pace {
            Pace::Drips => {
                std::task::ready!(self.paused(cx));
                1
            }
            Pace::Pieces => 1 + self.dice.below(40),
            _ => usize::MAX,
        };
        let mut server = server.lock().unwrap();
        let octets = most.min(buf.remaining()).min(server.said().len());
        buf.put_slice(&server.said()[..octets]);
        server.told(octets);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Near {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.dawdles(cx) {
            return Poll::Pending;
        }
        let most = match self.pace {
            Pace::NeverReads if self.written > 100 => return Poll::Pending,
            Pace::ReadsSlowly => {
                std::task::ready!(self.paused(cx));
                1 + self.dice.below(300)
            }
            Pace::Pieces => 1 + self.dice.below(200),
            _ => usize::MAX,
        };
        let server = Arc::clone(&self.server);
        let mut server = server.lock().unwrap();
        match server.link() {
            Link::Closed => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            Link::Reset => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            _ => {}
        }
        let taken = most.min(octets.len());
        server.hear(&octets[..taken]);
        self.written += taken;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// One session, and what its seed makes of it.
struct Played {
    dice: Dice,
    offer: Offer,
    is_bdat: bool,
    server: Arc<Mutex<Server>>,
    /// How often each outcome came.
    tally: Tally,
}

type Tally = BTreeMap<&'static str, usize>;

async fn play(seed: u64) -> Result<Tally, String> {
    let mut dice = Dice(seed);
    let offer =
        Offer { lmtp: dice.one_in(3), pipelining: !dice.one_in(3), chunking: !dice.one_in(4) };
    let is_bdat = dice.one_in(2);
    // Some do everything right for long, some nothing.
    let temper = [1, 8, 30, 120][dice.below(4)];
    let mut choices = Dice(dice.below(usize::MAX) as u64);
    let server: Server = Wayward::new(
        offer,
        Box::new(move |bound| if choices.one_in(temper) { choices.below(bound) } else { 0 }),
    );
    let server = Arc::new(Mutex::new(server));
    let paces = [
        Pace::Quick,
        Pace::Quick,
        Pace::Pieces,
        Pace::Pieces,
        Pace::Pieces,
        Pace::Drips,
        Pace::ReadsSlowly,
        Pace::NeverReads,
    ];
    let near = Near {
        server: Arc::clone(&server),
        pace: paces[dice.below(paces.len())],
        dice: dice.clone(),
        pause: None,
        reader: None,
        written: 0,
    };
    let transfer = if is_bdat { Transfer::Bdat } else { Transfer::Data };
    let timeouts = Timeouts::all(Duration::from_secs(60)).with_whole(Some(WHOLE));
    let mut connector =
        Connector::new("").security(Security::None).transfer(transfer).timeouts(timeouts);
    if offer.lmtp {
        connector = connector.lmtp();
    }
    if dice.one_in(2) {
        connector = connector.run_ahead();
    }
    let mut played = Played { dice, offer, is_bdat, server, tally: Tally::new() };
    match in_time("connect", connector.connect_over(near)).await? {
        Ok(mut client) => played.mails(&mut client).await?,
        Err(error) => played.note_error("connect", &error)?,
    }
    Ok(played.tally)
}

impl Played {
    async fn mails(&mut self, client: &mut Client) -> Result<(), String> {
        if self.dice.one_in(3) {
            self.in_a_row(client).await?;
        } else {
            for id in 0..1 + self.dice.below(3) {
                self.one(client, id).await?;
            }
        }
        if self.dice.one_in(2)
            && let Err(error) = in_time("quit", client.quit()).await?
        {
            self.note_error("quit", &error)?;
        }
        Ok(())
    }

    async fn one(&mut self, client: &mut Client, id: usize) -> Result<(), String> {
        let (envelope, content) = (envelope(id), self.content(id));
        let call = client.send(&envelope, content.clone());
        let sent = if self.dice.one_in(6) {
            // Given up by its caller.
            let patience = Duration::from_millis(self.dice.below(90_000) as u64);
            timeout(patience, in_time("send", call)).await.ok().transpose()?
        } else {
            Some(in_time("send", call).await?)
        };
        let delivery = match sent {
            Some(Ok(delivery)) => Some(delivery),
            Some(Err(error)) => {
                self.note_error("send", &error)?;
                let delivery = in_time("take", client.take_delivery()).await?;
                Some(delivery.unwrap_or_else(|| Delivery::not_sent(&envelope)))
            }
            None => in_time("take", client.take_delivery()).await?,
        };
        delivery.map_or(Ok(()), |delivery| self.check(id, &content, &delivery))
    }

    async fn in_a_row(&mut self, client: &mut Client) -> Result<(), String> {
        let count = 1 + self.dice.below(4);
        let contents: Vec<_> = (0..count).map(|id| self.content(id)).collect();
        let mails: Vec<_> = contents
            .iter()
            .enumerate()
            .map(|(id, content)| Mail::new(envelope(id), content.clone()))
            .collect();
        let mut deliveries = client.send_all(mails);
        for (id, content) in contents.iter().enumerate() {
            let sent = in_time_of(count as u32, "next", deliveries.next()).await?;
            let sent = sent.ok_or_else(|| format!("mail {id} of {count} has no outcome"))?;
            if let Some(error) = &sent.error {
                self.note_error("row", error)?;
            }
            self.check(id, content, &sent.delivery)?;
        }
        Ok(())
    }

    fn content(&mut self, id: usize) -> Vec<u8> {
        let mut content = format!("id-{id}\r\n").into_bytes();
        // What would be run as commands, were it taken for some.
        let line = ["text\r\n", ".\r\n", "MAIL FROM:<m@example.test>\r\n"][self.dice.below(3)];
        content.extend(line.repeat(1 + self.dice.below(300)).bytes());
        content
    }

    fn note_error(&mut self, call: &str, error: &Error) -> Result<(), String> {
        let words = error.to_string();
        if words.is_empty() || words.contains(char::is_control) {
            return Err(format!("{call}: {words:?}"));
        }
        *self.tally.entry("errors").or_default() += 1;
        Ok(())
    }

    fn check(&mut self, id: usize, content: &[u8], delivery: &Delivery) -> Result<(), String> {
        let recipients = recipients(id);
        let outcomes: Vec<Outcome<'_>> = delivery.recipients().map(|one| one.outcome()).collect();
        if outcomes.len() != recipients.len() {
            return Err(format!("mail {id} has {} outcomes", outcomes.len()));
        }
        for outcome in &outcomes {
            let name = match outcome {
                Outcome::Accepted(_) => "accepted",
                Outcome::Refused(_) => "refused",
                Outcome::NotSent => "not sent",
                _ => "unknown",
            };
            *self.tally.entry(name).or_default() += 1;
        }
        let handed = Handed {
            sender: &sender(id),
            content,
            outcomes: recipients.iter().map(|one| &**one).zip(&outcomes).collect(),
        };
        let server = self.server.lock().unwrap();
        let Seen { strays, .. } = &server.seen;
        *self.tally.entry("strays").or_default() += strays.len();
        server.seen.check(self.offer, !self.is_bdat, &handed)
    }
}

/// No call outlasts its deadline.
async fn in_time<T>(call: &str, future: impl Future<Output = T>) -> Result<T, String> {
    in_time_of(1, call, future).await
}

/// In a row each mail has the time of a call, and one may be waited for while others are sent.
async fn in_time_of<T>(
    mails: u32,
    call: &str,
    future: impl Future<Output = T>,
) -> Result<T, String> {
    let limit = mails * WHOLE + Duration::from_secs(1);
    let began = Instant::now();
    // Were nothing to end it, time would go on to here.
    let done = timeout(10 * limit, future).await;
    let took = began.elapsed();
    match done {
        Ok(done) if took <= limit => Ok(done),
        _ => Err(format!("{call} took {took:?}")),
    }
}

fn sender(id: usize) -> String {
    format!("alice-{id}@example.test")
}

fn recipients(id: usize) -> [String; 3] {
    ["bob", "eve", "joe"].map(|name| format!("{name}-{id}@example.test"))
}

fn envelope(id: usize) -> Envelope {
    Envelope::new(&*sender(id), recipients(id).iter().map(|one| &**one)).unwrap()
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

#[tokio::test(start_paused = true)]
async fn t13_t17_t18_t21_servers_that_misbehave_at_random() {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = variable("EHLO_HOSTILE_SEED").unwrap_or_else(now);
    let sessions = variable("EHLO_HOSTILE_SESSIONS").unwrap_or(5000);
    println!("EHLO_HOSTILE_SEED={seed} EHLO_HOSTILE_SESSIONS={sessions}");
    let mut tally = Tally::new();
    let mut left = (0..sessions).map(|n| seed.wrapping_add(n));
    loop {
        let batch: Vec<_> =
            left.by_ref().take(AT_ONCE).map(|seed| (seed, tokio::spawn(play(seed)))).collect();
        if batch.is_empty() {
            break;
        }
        for (seed, session) in batch {
            let again = format!("EHLO_HOSTILE_SEED={seed} EHLO_HOSTILE_SESSIONS=1");
            match session.await {
                Ok(Ok(came)) => came.into_iter().for_each(|(name, count)| {
                    *tally.entry(name).or_default() += count;
                }),
                Ok(Err(wrong)) => panic!("{again}\n{wrong}"),
                Err(panicked) => panic!("{again}\n{panicked}"),
            }
        }
    }
    println!("{tally:?}");
    // What never came is not tested.
    if sessions >= 1000 {
        for outcome in ["accepted", "refused", "not sent", "unknown", "errors", "strays"] {
            assert!(tally.get(outcome).is_some_and(|count| *count > 20), "{outcome}: {tally:?}");
        }
    }
}
