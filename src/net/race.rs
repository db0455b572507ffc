//! Happy Eyeballs (RFC 8305): in which order the addresses of a name are tried, and when the next
//! is tried beside one that is silent. How an address is connected is the caller's affair.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Timeout, sleep_until, timeout};

use super::connect::{ConnectAttempt, ConnectFailure, ConnectFault};
use super::observe::Observer;

/// How long one address may be silent before the next is tried beside it (RFC 8305 §5).
pub(super) const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// How many addresses of a name are tried. RFC 5321 §5.1 lets a client bound them, and wants two at
/// least; the biggest providers have some twenty for a name. An answer of DNS has room for thousands,
/// at each of which whoever wrote it would have this machine knock.
const MOST: usize = 32;

/// The addresses of a name in the order to try them: IPv6 first, then the families by turns (RFC
/// 8305 §4), so that a family that is broken costs one delay. Within a family the resolver's order,
/// which is that of RFC 6724, stays; each address is there once, and there are [`MOST`] at most.
pub(super) fn interleave(found: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let (mut v6, mut v4) = (Vec::new(), Vec::new());
    for address in found {
        let family = if address.is_ipv6() { &mut v6 } else { &mut v4 };
        if family.len() < MOST && !family.contains(&address) {
            family.push(address);
        }
    }
    let (mut v6, mut v4) = (v6.into_iter(), v4.into_iter());
    let mut order = Vec::new();
    loop {
        let turn = [v6.next(), v4.next()];
        if turn == [None, None] {
            order.truncate(MOST);
            return order;
        }
        order.extend(turn.into_iter().flatten());
    }
}

/// Makes an attempt at each of `addresses`, in their order, and gives what the first success has
/// made and when that attempt began. The next one begins when the one before fails, or
/// [`ATTEMPT_DELAY`] after it began; each has `limit`. Those that still go on when one has
/// succeeded are dropped. The observer is told of each when it ends.
///
/// # Errors
/// None succeeded: every attempt, in the order begun.
pub(super) async fn race<T, F>(
    addresses: &[SocketAddr],
    limit: Duration,
    observer: &Observer,
    attempt: impl Fn(SocketAddr) -> F,
) -> Result<(T, Instant), ConnectFault>
where
    F: Future<Output = Result<T, ConnectFailure>>,
{
    let mut waiting = addresses.iter();
    let mut running: Vec<Runner<F>> = Vec::new();
    let mut failed: Vec<(usize, ConnectAttempt)> = Vec::new();
    while let Some(&address) = waiting.next() {
        let began = Instant::now();
        let place = failed.len() + running.len();
        let attempt = Box::pin(timeout(limit, attempt(address)));
        running.push(Runner { place, address, began, attempt });
        let more = !waiting.as_slice().is_empty();
        if let Some(won) = step(&mut running, &mut failed, limit, more, observer).await {
            return Ok(won);
        }
    }
    while !running.is_empty() {
        if let Some(won) = step(&mut running, &mut failed, limit, false, observer).await {
            return Ok(won);
        }
    }
    failed.sort_by_key(|(place, _)| *place);
    Err(ConnectFault::new(failed.into_iter().map(|(_, attempt)| attempt).collect()))
}

/// An attempt that goes on.
struct Runner<F> {
    /// The how many-th it is.
    place: usize,
    address: SocketAddr,
    began: Instant,
    attempt: Pin<Box<Timeout<F>>>,
}

/// Waits until an attempt has succeeded, which is given; or until it is time for the next: one has
/// failed, or with `more` waiting the delay is over.
async fn step<T, F>(
    running: &mut Vec<Runner<F>>,
    failed: &mut Vec<(usize, ConnectAttempt)>,
    limit: Duration,
    more: bool,
    observer: &Observer,
) -> Option<(T, Instant)>
where
    F: Future<Output = Result<T, ConnectFailure>>,
{
    let delay = sleep_until(Instant::now() + ATTEMPT_DELAY);
    tokio::pin!(delay);
    poll_fn(|context| {
        let mut at = 0;
        let mut has_failed = false;
        while let Some(runner) = running.get_mut(at) {
            let failure = match runner.attempt.as_mut().poll(context) {
                Poll::Pending => {
                    at += 1;
                    continue;
                }
                Poll::Ready(Ok(Ok(made))) => {
                    let won = running.remove(at);
                    observer.tried(won.address, won.began, None);
                    for lost in running.drain(..) {
                        observer.outrun(lost.address, lost.began);
                    }
                    return Poll::Ready(Some((made, won.began)));
                }
                Poll::Ready(Ok(Err(failure))) => failure,
                Poll::Ready(Err(_)) => ConnectFailure::TimedOut(limit),
            };
            let Runner { place, address, began, .. } = running.remove(at);
            observer.tried(address, began, Some(&failure));
            failed.push((place, ConnectAttempt::tcp(address, failure)));
            has_failed = true;
        }
        if has_failed || (more && delay.as_mut().poll(context).is_ready()) {
            return Poll::Ready(None);
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::cell::RefCell;
    use std::future::pending;
    use std::io;

    use proptest::prelude::*;
    use tokio::time::sleep;

    const LIMIT: Duration = Duration::from_secs(30);

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| address(text)).collect()
    }

    /// What becomes of an attempt.
    #[derive(Clone, Copy)]
    enum Fate {
        /// Silence: a black hole.
        Silent,
        /// A connection, after so many milliseconds.
        Opens(u64),
        /// A refusal, after so many milliseconds.
        Fails(u64),
    }

    /// What an attempt leaves behind when it is dropped.
    struct Line<'a>(SocketAddr, &'a RefCell<Vec<SocketAddr>>);

    impl Drop for Line<'_> {
        fn drop(&mut self) {
            self.1.borrow_mut().push(self.0);
        }
    }

    /// A race against a network that is none.
    #[derive(Default)]
    struct Course {
        fates: Vec<Fate>,
        /// When each began, in milliseconds.
        began: RefCell<Vec<u128>>,
        /// Those whose attempt is no more.
        dropped: RefCell<Vec<SocketAddr>>,
    }

    impl Course {
        fn new(fates: &[Fate]) -> Self {
            Self { fates: fates.to_vec(), ..Self::default() }
        }

        fn addresses(&self) -> Vec<SocketAddr> {
            let host = |at| address(&format!("192.0.2.{at}:25"));
            (1..=self.fates.len()).map(host).collect()
        }

        /// The last octet of the winner's address, and when it had begun.
        async fn run(&self, limit: Duration) -> Result<(u8, u128), ConnectFault> {
            let start = Instant::now();
            let attempt = async |address: SocketAddr| {
                self.began.borrow_mut().push(start.elapsed().as_millis());
                let _line = Line(address, &self.dropped);
                let SocketAddr::V4(v4) = address else { unreachable!("all are IPv4") };
                let [.., host] = v4.ip().octets();
                match self.fates[usize::from(host) - 1] {
                    Fate::Silent => pending().await,
                    Fate::Opens(after) => sleep(Duration::from_millis(after)).await,
                    Fate::Fails(after) => {
                        sleep(Duration::from_millis(after)).await;
                        return Err(io::Error::other(format!("no {host}")).into());
                    }
                }
                Ok(host)
            };
            let (host, began) =
                race(&self.addresses(), limit, &Observer::default(), attempt).await?;
            Ok((host, (began - start).as_millis()))
        }
    }

    #[test]
    fn families_take_turns_and_ipv6_begins() {
        let found = ["192.0.2.1:25", "192.0.2.2:25", "[2001:db8::1]:25", "192.0.2.1:25"];
        let order = ["[2001:db8::1]:25", "192.0.2.1:25", "192.0.2.2:25"];
        assert_eq!(interleave(addresses(&found)), addresses(&order));
        let found = ["[2001:db8::2]:25", "[2001:db8::1]:25", "[2001:db8::3]:25", "192.0.2.1:25"];
        let order = ["[2001:db8::2]:25", "192.0.2.1:25", "[2001:db8::1]:25", "[2001:db8::3]:25"];
        assert_eq!(interleave(addresses(&found)), addresses(&order));
        assert_eq!(interleave([]), []);
    }

    /// A family that is there at all has its turn, however many the other has.
    #[test]
    fn t13_no_answer_makes_for_more_than_so_many_attempts() {
        let many = || (0..4000_u16).map(|n| address(&format!("[2001:db8::{n:x}]:25")));
        let one = address("192.0.2.1:25");
        let order = interleave(many());
        assert_eq!(order, many().take(MOST).collect::<Vec<_>>());
        let order = interleave(many().chain([one]));
        assert_eq!((order.len(), order[1]), (32, one));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn each_address_is_tried_once_and_each_family_in_its_order(
            hosts in proptest::collection::vec((any::<bool>(), 1..6_u8), 0..12)
        ) {
            let of = |(is_v6, host): (bool, u8)| match is_v6 {
                true => address(&format!("[2001:db8::{host}]:25")),
                false => address(&format!("192.0.2.{host}:25")),
            };
            let found: Vec<_> = hosts.into_iter().map(of).collect();
            let order = interleave(found.clone());
            for is_v6 in [true, false] {
                let mut of_family: Vec<SocketAddr> = Vec::new();
                for one in found.iter().filter(|one| one.is_ipv6() == is_v6) {
                    if !of_family.contains(one) {
                        of_family.push(*one);
                    }
                }
                let tried: Vec<_> =
                    order.iter().copied().filter(|one| one.is_ipv6() == is_v6).collect();
                prop_assert_eq!(tried, of_family);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn c_161_a_silent_address_holds_the_others_up_for_a_quarter_of_a_second() {
        let course = Course::new(&[Fate::Silent, Fate::Silent, Fate::Opens(20), Fate::Silent]);
        let start = Instant::now();
        assert_eq!(course.run(LIMIT).await.unwrap(), (3, 500));
        assert_eq!(start.elapsed().as_millis(), 520);
        assert_eq!(*course.began.borrow(), [0, 250, 500]);
        // The losers are dropped, and the one that was not needed never began.
        let mut dropped = course.dropped.take();
        dropped.sort();
        assert_eq!(dropped, course.addresses()[..3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_not_waited_behind() {
        let course = Course::new(&[Fate::Fails(3), Fate::Fails(0), Fate::Opens(0)]);
        assert_eq!(course.run(LIMIT).await.unwrap(), (3, 3));
        assert_eq!(*course.began.borrow(), [0, 3, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_slow_may_still_win() {
        let course = Course::new(&[Fate::Opens(700), Fate::Fails(100), Fate::Silent]);
        assert_eq!(course.run(LIMIT).await.unwrap(), (1, 0));
        assert_eq!(*course.began.borrow(), [0, 250, 350]);
    }

    #[tokio::test(start_paused = true)]
    async fn every_failure_is_kept_in_the_order_begun() {
        let course = Course::new(&[Fate::Silent, Fate::Fails(400), Fate::Fails(10)]);
        let start = Instant::now();
        let fault = course.run(Duration::from_secs(2)).await.unwrap_err();
        assert_eq!(
            fault.to_string(),
            "no connection: 192.0.2.1:25: no answer within 2s; 192.0.2.2:25: no 2; \
             192.0.2.3:25: no 3"
        );
        assert!(fault.timed_out());
        // Nothing is waited for but the attempts themselves.
        assert_eq!(start.elapsed().as_millis(), 2000);
    }

    #[tokio::test(start_paused = true)]
    async fn each_has_its_own_time() {
        let course = Course::new(&[Fate::Silent, Fate::Opens(900)]);
        assert_eq!(course.run(Duration::from_secs(1)).await.unwrap(), (2, 250));
        let course = Course::new(&[Fate::Silent, Fate::Silent]);
        let start = Instant::now();
        course.run(Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(start.elapsed().as_millis(), 1250);
    }

    #[tokio::test]
    async fn without_an_address_there_is_no_attempt() {
        let fault = Course::new(&[]).run(LIMIT).await.unwrap_err();
        assert_eq!(fault.to_string(), "no connection");
    }
}
