//! The monitor: a thousand servers in memory on a paused clock, whose faults are known beforehand, so
//! that what must be told, and when, can be worked out by other means.
#![cfg(all(feature = "metrics", feature = "testing", feature = "x509"))]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ehlo::testing::Server;
use ehlo::{
    Change, Connector, Degradation, Health, Monitor, MonitorEvent, Probe, Security, Timeouts,
};
use futures_core::Stream;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::runtime::Handle;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

const INTERVAL: Duration = Duration::from_secs(60);
const RETRY: Duration = Duration::from_secs(10);
const SLOW: Duration = Duration::from_secs(3);

/// What a server does with one probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// It takes three seconds to greet.
    Slow,
    Busy,
    Closes,
    RefusesBob,
    /// It says nothing for longer than anybody waits.
    Stalls,
}

impl Fault {
    const ALL: [Self; 5] = [Self::None, Self::Slow, Self::Busy, Self::Closes, Self::RefusesBob];

    /// Does it. A server of three lines: those of the crate make a certificate for each connection.
    async fn play(self, far: DuplexStream) {
        let mut far = BufReader::new(far);
        match self {
            Self::None | Self::RefusesBob => {}
            Self::Slow => sleep(SLOW).await,
            Self::Closes => return,
            Self::Busy => return far.write_all(b"421 4.3.2 busy\r\n").await.unwrap(),
            Self::Stalls => return drop(far.read_u8().await),
        }
        let mut line = String::from("greeting");
        while !line.is_empty() {
            let reply: &[u8] = match line.get(..4) {
                Some("gree") => b"220 mx\r\n",
                Some("RCPT") if self == Self::RefusesBob => b"550 5.1.1 no bob\r\n",
                Some("QUIT") => b"221 bye\r\n",
                _ => b"250 ok\r\n",
            };
            // A client that has gone is what some of the tests are about.
            if far.write_all(reply).await.is_err() {
                return;
            }
            line.clear();
            if far.read_line(&mut line).await.is_err() {
                return;
            }
        }
    }

    const fn stage(self) -> Option<&'static str> {
        match self {
            Self::None | Self::Slow => None,
            Self::Busy | Self::Closes | Self::Stalls => Some("greeting"),
            Self::RefusesBob => Some("RCPT TO"),
        }
    }

    const fn takes(self) -> Duration {
        match self {
            Self::Slow => SLOW,
            _ => Duration::ZERO,
        }
    }
}

/// How often servers were connected to, and how many at once.
#[derive(Debug, Default)]
struct Dials {
    count: AtomicUsize,
    open: AtomicUsize,
    most: AtomicUsize,
}

impl Dials {
    fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

/// A probe of a server in memory that does this with each probe in turn, and the last for ever.
fn scripted(faults: &[Fault], dials: &Arc<Dials>) -> Probe {
    let (faults, dials) = (faults.to_owned(), Arc::clone(dials));
    let nth = AtomicUsize::new(0);
    let connector = connector().dialer(move || {
        let nth = nth.fetch_add(1, Ordering::Relaxed).min(faults.len() - 1);
        let (fault, dials) = (faults[nth], Arc::clone(&dials));
        async move {
            let (near, far) = tokio::io::duplex(1024);
            dials.count.fetch_add(1, Ordering::Relaxed);
            let open = dials.open.fetch_add(1, Ordering::Relaxed) + 1;
            dials.most.fetch_max(open, Ordering::Relaxed);
            tokio::spawn(async move {
                fault.play(far).await;
                dials.open.fetch_sub(1, Ordering::Relaxed);
            });
            Ok(near)
        }
    });
    Probe::with(connector).recipient("bob@example.test")
}

/// All are clones of one, so that the platform's roots are read once.
fn connector() -> Connector {
    static CONNECTOR: LazyLock<Connector> = LazyLock::new(|| {
        let connector = Connector::new("mx.example").security(Security::None);
        connector.client_name("c.example").timeouts(Timeouts::probe())
    });
    CONNECTOR.clone()
}

fn probe(faults: &[Fault]) -> Probe {
    scripted(faults, &Arc::default())
}

/// In step, so that times can be worked out.
fn in_step() -> Monitor {
    let monitor = Monitor::new().interval(INTERVAL).jitter(Duration::ZERO).retry_after(RETRY);
    monitor.failures(3).slow_after(Duration::from_secs(1)).at_once(usize::MAX)
}

/// What was told, and when.
type Told = (Duration, String, String);

fn told(began: Instant, event: &MonitorEvent) -> Told {
    let words = match event.change() {
        Change::Down(_) => format!("down, {}", event.report().verdict()),
        change => change.to_string(),
    };
    (began.elapsed(), event.server().to_owned(), words)
}

/// All that is told up to then.
async fn listen(monitor: &mut Monitor, began: Instant, until: Duration) -> Vec<Told> {
    let mut heard = Vec::new();
    let end = began + until;
    while let Ok(event) = tokio::time::timeout_at(end, monitor.next()).await {
        heard.push(told(began, &event.unwrap()));
    }
    heard
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Lets what was broken off come to its end, in no time.
async fn settle() {
    for _ in 0..10 {
        yield_now().await;
    }
}

mod oracle {
    use super::*;

    /// What is believed of something that was said so often: what was said the last time that so
    /// many in a row were of one mind.
    pub(super) fn believed(
        said: &[bool],
        on: usize,
        off: usize,
        at_first: Option<bool>,
    ) -> Option<bool> {
        let of_one_mind = |end: &usize| {
            let all = |many: usize, what| {
                *end >= many && said[end - many..*end].iter().all(|it| *it == what)
            };
            all(on, true) || all(off, false)
        };
        match (1..=said.len()).rev().find(of_one_mind) {
            Some(end) => Some(said[end - 1]),
            None => at_first,
        }
    }

    /// What is told of one server up to then.
    pub(super) fn tells(
        faults: &[Fault],
        on: usize,
        off: usize,
        until: Duration,
    ) -> Vec<(Duration, String)> {
        let (mut fails, mut slow) = (Vec::new(), Vec::new());
        let mut begins: Vec<Duration> = Vec::new();
        let mut told = Vec::new();
        let mut down_since = Duration::ZERO;
        let (mut was_down, mut was_slow) = (None, Some(false));
        let mut at = Duration::ZERO;
        for fault in faults {
            let end = at + fault.takes();
            if end > until {
                return told;
            }
            begins.push(at);
            fails.push(fault.stage().is_some());
            if fault.stage().is_none() {
                slow.push(*fault == Fault::Slow);
            }
            let is_down = believed(&fails, on, off, None);
            let is_slow = believed(&slow, on, off, Some(false));
            let last = *fails.last().unwrap();
            let row = fails.iter().rev().take_while(|it| **it == last).count();
            let row_began = begins[begins.len() - row];
            let mut tell = |words: String| told.push((end, words));
            let slowness = "degraded: slow (3s, more than 1s)";
            match (was_down, is_down) {
                (None | Some(false), Some(true)) => {
                    down_since = row_began;
                    tell(format!("down, failed at {}", fault.stage().unwrap()));
                }
                (Some(true), Some(false)) => {
                    let downtime = humantime::format_duration(row_began - down_since);
                    tell(format!("recovered after {downtime}"));
                    if is_slow == Some(true) {
                        tell(slowness.to_owned());
                    }
                }
                (_, Some(false)) if was_down != is_down || was_slow != is_slow => {
                    tell(if is_slow == Some(true) { slowness } else { "up" }.to_owned());
                }
                _ => {}
            }
            let in_doubt = is_down != Some(last) || (!last && is_slow != slow.last().copied());
            (was_down, was_slow) = (is_down, is_slow);
            at = end.max(at + if in_doubt { RETRY } else { INTERVAL });
        }
        panic!("the schedule is too short: {at:?}")
    }
}

/// Faults that stay as they are so many times of ten, the same each time.
fn schedule(server: usize, length: usize, stays: usize) -> Vec<Fault> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64.wrapping_mul(server as u64 + 1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize
    };
    let mut fault = Fault::None;
    let mut faults = Vec::new();
    for _ in 0..length {
        match next() % 10 {
            roll if roll < stays => {}
            roll if roll < stays + 2 => fault = Fault::None,
            _ => fault = Fault::ALL[next() % Fault::ALL.len()],
        }
        faults.push(fault);
    }
    faults
}

#[tokio::test(start_paused = true)]
async fn of_a_thousand_servers_exactly_what_was_injected_is_told() {
    const SERVERS: usize = 1000;
    let until = Duration::from_secs(515);
    let dials = Arc::default();
    let mut monitor = in_step();
    let mut expected = Vec::new();
    for server in 0..SERVERS {
        let (name, faults) = (format!("mx{server:03}"), schedule(server, 50, 6));
        let tells = oracle::tells(&faults, 3, 1, until);
        expected.extend(tells.into_iter().map(|(at, words)| (at, name.clone(), words)));
        monitor.watch(name, scripted(&faults, &dials));
    }
    let before = tasks();
    let mut heard = listen(&mut monitor, Instant::now(), until).await;
    // Those of one server stay in order.
    heard.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    expected.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    if heard != expected {
        let at = heard.iter().zip(&expected).take_while(|(a, b)| a == b).count();
        panic!("at {at}: {:?}, not {:?}", heard.get(at), expected.get(at));
    }
    for words in ["up", "degraded", "down, failed at greeting", "down, failed at RCPT", "recovered"]
    {
        let count = heard.iter().filter(|(.., told)| told.starts_with(words)).count();
        assert!(count > 50, "{words}: {count}");
    }
    assert!(dials.count() > 10_000, "{} probes", dials.count());
    assert_eq!(tasks(), before, "between two rounds nothing runs");
}

#[tokio::test(start_paused = true)]
async fn flapping_is_damped_and_a_downtime_is_exact() {
    use Fault::{Busy, None, RefusesBob};
    let faults = [None, Busy, Busy, None, Busy, RefusesBob, RefusesBob, Busy, None, None];
    let mut monitor = in_step();
    monitor.watch("mx", probe(&faults));
    let heard = listen(&mut monitor, Instant::now(), Duration::from_secs(400)).await;
    // Probed at 0, 60, 70, 80 (good), 140, 150, 160 (down), 220, 280 (good) seconds.
    let heard: Vec<_> = heard.iter().map(|(at, _, words)| (at.as_secs(), words.as_str())).collect();
    let expected = [(0, "up"), (160, "down, failed at RCPT TO"), (280, "recovered after 2m 20s")];
    assert_eq!(heard, expected);
}

#[tokio::test(start_paused = true)]
async fn more_successes_may_be_asked_for() {
    let until = Duration::from_secs(1995);
    for (failures, successes) in [(1, 1), (1, 4), (2, 3), (5, 2)] {
        let mut count = 0;
        for server in 0..8 {
            let faults = schedule(server, 200, 5);
            let mut monitor = in_step().failures(failures).successes(successes);
            monitor.watch("mx", probe(&faults));
            let heard = listen(&mut monitor, Instant::now(), until).await;
            let heard: Vec<_> = heard.into_iter().map(|(at, _, words)| (at, words)).collect();
            let expected = oracle::tells(&faults, failures as usize, successes as usize, until);
            assert_eq!(heard, expected, "{failures}, {successes}, server {server}");
            count += heard.len();
        }
        assert!(count > 16, "{failures}, {successes}: {count}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_next_loses_nothing() {
    let until = Duration::from_secs(900);
    let watching = || {
        let mut monitor = in_step();
        for server in 0..20 {
            monitor.watch(format!("mx{server}"), probe(&schedule(server, 100, 6)));
        }
        monitor
    };
    let undisturbed = listen(&mut watching(), Instant::now(), until).await;
    assert!(undisturbed.len() > 40, "{}", undisturbed.len());

    let (mut monitor, began, mut heard) = (watching(), Instant::now(), Vec::new());
    while began.elapsed() < until {
        // Polled once, and dropped.
        let polled = {
            let mut next = std::pin::pin!(monitor.next());
            poll_fn(|cx| std::task::Poll::Ready(next.as_mut().poll(cx))).await
        };
        match polled {
            std::task::Poll::Ready(event) => heard.push(told(began, &event.unwrap())),
            std::task::Poll::Pending => sleep(Duration::from_millis(100)).await,
        }
    }
    let by_name = |told: &Vec<Told>| {
        let mut told: Vec<_> =
            told.iter().map(|(_, name, words)| (name.clone(), words.clone())).collect();
        told.sort_by(|a, b| a.0.cmp(&b.0));
        told
    };
    assert_eq!(by_name(&heard), by_name(&undisturbed));
}

#[tokio::test(start_paused = true)]
async fn probes_wait_for_whoever_reads() {
    let dials = Arc::new(Dials::default());
    let mut monitor = in_step().at_once(8);
    for server in 0..100 {
        monitor.watch(format!("mx{server}"), scripted(&[Fault::None], &dials));
    }
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(dials.count(), 0, "nothing was asked for");

    let first = monitor.next().await.unwrap();
    assert!(matches!(first.change(), Change::Up), "{first}");
    sleep(Duration::from_secs(3600)).await;
    let begun = dials.count();
    assert!((1..=9).contains(&begun), "{begun}");
    assert_eq!(tasks(), 0, "they have ended, and no other has begun");

    let mut names = vec![first.server().to_owned()];
    for _ in 1..100 {
        names.push(monitor.next().await.unwrap().server().to_owned());
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 100);
    assert_eq!(dials.most.load(Ordering::Relaxed), 8);
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_the_reader_is_not_the_slowness_of_a_server() {
    let mut monitor = in_step().failures(1).slow_after(Duration::from_secs(4));
    monitor.watch("mx", probe(&[Fault::Slow]));
    assert!(timeout(Duration::from_millis(1), monitor.next()).await.is_err());
    sleep(Duration::from_secs(50)).await;
    let event = monitor.next().await.unwrap();
    assert_eq!((event.change(), event.report().duration()), (&Change::Up, SLOW));
}

#[tokio::test(start_paused = true)]
async fn nobody_watched_is_nothing_to_wait_for() {
    let mut monitor = in_step();
    assert!(monitor.next().await.is_none());
    monitor.watch("mx", probe(&[Fault::None]));
    let mut stream = Pin::new(&mut monitor);
    let event = poll_fn(|cx| stream.as_mut().poll_next(cx)).await.unwrap();
    assert_eq!(event.to_string(), "mx: up");
    assert!(monitor.pause("mx"));
    assert!(monitor.next().await.is_none());
    assert!(monitor.resume("mx"));
    assert!(timeout(INTERVAL * 10, monitor.next()).await.is_err(), "it is up as before");
    assert!(monitor.unwatch("mx"));
    assert!(monitor.next().await.is_none());
    assert!(!monitor.pause("mx") && !monitor.resume("mx") && !monitor.unwatch("mx"));
}

#[tokio::test(start_paused = true)]
async fn what_is_paused_is_broken_off_and_probed_at_once_when_it_is_resumed() {
    let dials = Arc::new(Dials::default());
    let mut monitor = in_step();
    let faults = [Fault::None, Fault::Busy, Fault::Stalls, Fault::Busy, Fault::Busy, Fault::Busy];
    monitor.watch("mx", scripted(&faults, &dials));
    assert_eq!(monitor.next().await.unwrap().to_string(), "mx: up");

    // Busy, and stalling at the retry.
    assert!(timeout(INTERVAL + RETRY * 2, monitor.next()).await.is_err());
    assert_eq!((dials.count(), monitor.server("mx").unwrap().is_paused()), (3, false));
    assert!(tasks() > 0);
    monitor.pause("mx");
    let mx = monitor.server("mx").unwrap();
    assert_eq!((mx.is_paused(), mx.health()), (true, Health::Up));
    let paused = Instant::now();
    assert!(monitor.next().await.is_none());
    settle().await;
    assert_eq!((paused.elapsed(), tasks()), (Duration::ZERO, 0));

    // Three in a row, of which the one before the pause is none.
    let resumed = Instant::now();
    assert!(monitor.resume("mx") && monitor.resume("mx"));
    let event = monitor.next().await.unwrap();
    assert!(matches!(event.change(), Change::Down(_)), "{event}");
    assert_eq!((resumed.elapsed(), dials.count()), (RETRY * 2, 6));
}

#[tokio::test(start_paused = true)]
async fn another_server_of_that_name_begins_anew() {
    let mut monitor = in_step();
    monitor.watch("mx", probe(&[Fault::Stalls]));
    assert!(timeout(RETRY, monitor.next()).await.is_err());
    monitor.watch("mx", probe(&[Fault::None]));
    assert_eq!(monitor.server("mx").unwrap().health(), Health::Unknown);
    assert_eq!(monitor.next().await.unwrap().to_string(), "mx: up");
    let names: Vec<_> = monitor.servers().map(|mx| (mx.name(), mx.health())).collect();
    assert_eq!(names, [("mx", Health::Up)]);
    assert!(monitor.server("mx").unwrap().report().unwrap().is_ok());
    assert!(monitor.server("my").is_none());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_a_monitor_that_is_dropped() {
    let dials = Arc::new(Dials::default());
    let mut monitor = in_step().at_once(50);
    for server in 0..100 {
        monitor.watch(format!("mx{server}"), scripted(&[Fault::Stalls], &dials));
    }
    assert!(timeout(Duration::from_secs(1), monitor.next()).await.is_err());
    assert_eq!(dials.count(), 50);
    assert!(tasks() >= 50);
    drop(monitor);
    settle().await;
    assert_eq!((tasks(), dials.count()), (0, 50));
}

#[tokio::test(start_paused = true)]
async fn a_seed_makes_the_same_jitter() {
    let times = async |seed| {
        let faults = [Fault::Busy, Fault::None].repeat(20);
        let mut monitor = in_step().failures(1).jitter(INTERVAL).seed(seed);
        monitor.watch("mx", probe(&faults));
        let told = listen(&mut monitor, Instant::now(), INTERVAL * 20).await;
        told.into_iter().map(|(at, ..)| at).collect::<Vec<_>>()
    };
    let (one, same, other) = (times(1).await, times(1).await, times(2).await);
    assert_eq!(one, same);
    assert_ne!(one, other);
    let waits: Vec<_> = one.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.iter().all(|wait| (INTERVAL..=INTERVAL * 2).contains(wait)), "{waits:?}");
    assert!(waits.len() >= 9, "{waits:?}");
}

/// To a server in memory that is well-behaved, over TLS.
fn well_behaved() -> Probe {
    let connector = connector().security(Security::Opportunistic).dialer(async || {
        let (near, far) = tokio::io::duplex(4096);
        tokio::spawn(async {
            let server = Server::new().serve(far);
            sleep(Duration::from_secs(30)).await;
            drop(server);
        });
        Ok(near)
    });
    Probe::with(connector)
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_expires_is_told() {
    let ages = Duration::from_secs(3000 * 365 * 24 * 3600);
    let mut monitor = in_step().expires_within(Some(ages));
    monitor.watch("mx", well_behaved());
    assert_eq!(monitor.next().await.unwrap().change(), &Change::Up);
    let event = monitor.next().await.unwrap();
    let Change::Degraded(why) = event.change() else { panic!("{event}") };
    let [Degradation::CertificateExpires { not_after, left, .. }] = why.as_slice() else {
        panic!("{why:?}")
    };
    let certificate = event.report().tls().unwrap().chain()[0].details().unwrap();
    assert_eq!(*not_after, certificate.not_after());
    let began = event.report().began().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(left.as_secs(), not_after - began.as_secs());
    let days = left.as_secs() / 24 / 3600;
    assert_eq!(event.to_string(), format!("mx: degraded: the certificate expires in {days} days"));
    let mx = monitor.server("mx").unwrap();
    assert_eq!((mx.health(), mx.degradations().as_slice()), (Health::Degraded, why.as_slice()));

    for never in [None, Some(Duration::from_secs(1))] {
        let mut monitor = in_step().expires_within(never);
        monitor.watch("mx", well_behaved());
        assert_eq!(monitor.next().await.unwrap().change(), &Change::Up);
        assert!(timeout(INTERVAL * 5, monitor.next()).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn t3_names_are_shown_escaped() {
    let mut monitor = in_step().failures(1);
    monitor.watch("mx\r\n\x1b[31m", probe(&[Fault::RefusesBob]));
    let event = monitor.next().await.unwrap();
    let words = r"mx\x0d\x0a\x1b[31m: down, failed at RCPT TO";
    assert!(event.to_string().starts_with(words), "{event}");
    assert!(!event.to_string().contains(char::is_control), "{event}");
}

/// How many it is in a minute is printed.
#[tokio::test]
async fn over_tcp_a_thousand_servers_are_probed_by_one_thread() {
    let server = Server::new().start().await.unwrap();
    let mut monitor = Monitor::new().at_once(32);
    let connector = Connector::new(server.addr().to_string()).security(Security::None);
    let probe = Probe::with(connector).recipient("bob@example.test");
    for name in 0..1000 {
        monitor.watch(format!("mx{name}"), probe.clone());
    }
    let began = Instant::now();
    for _ in 0..1000 {
        let event = monitor.next().await.unwrap();
        assert_eq!(event.change(), &Change::Up, "{event}");
    }
    let minute = 60.0 / began.elapsed().as_secs_f64();
    println!("{:.0} probes a minute", 1000.0 * minute);
}

/// The numbers of some probes, as Prometheus reads them.
#[test]
fn numbers_go_through_the_facade() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().start_paused(true).build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let mut monitor = in_step().failures(2);
            monitor.watch("good", well_behaved());
            monitor.watch("bad", probe(&[Fault::Slow, Fault::RefusesBob]));
            listen(&mut monitor, Instant::now(), Duration::from_secs(75)).await;
        });
    });
    let rendered = handle.render();
    let lines: Vec<_> = rendered.lines().collect();
    for line in [
        "# HELP ehlo_probes_total Probes that have ended.",
        "# TYPE ehlo_probes_total counter",
        r#"ehlo_probes_total{server="good",verdict="ok"} 2"#,
        r#"ehlo_probes_total{server="bad",verdict="ok"} 1"#,
        r#"ehlo_probes_total{server="bad",verdict="failed"} 2"#,
        r#"ehlo_probe_duration_seconds_count{server="bad"} 3"#,
        r#"ehlo_probe_duration_seconds_sum{server="bad"} 3"#,
        r#"ehlo_probe_stage_duration_seconds_count{server="good",stage="handshake"} 2"#,
        r#"ehlo_probe_stage_duration_seconds_count{server="good",stage="ehlo"} 4"#,
        r#"ehlo_probe_stage_duration_seconds_count{server="bad",stage="rcpt"} 3"#,
        r#"ehlo_probe_stage_duration_seconds_sum{server="bad",stage="greeting"} 3"#,
        r#"ehlo_probe_up{server="good"} 1"#,
        r#"ehlo_probe_up{server="bad"} 0"#,
        r#"ehlo_probe_degraded{server="good"} 0"#,
        "# TYPE ehlo_probe_certificate_expiry_timestamp_seconds gauge",
    ] {
        assert!(lines.contains(&line), "{line}\n{rendered}");
    }
    let failures = r#"ehlo_probe_failures_total{server="bad",stage="rcpt",diagnosis=""#;
    assert!(
        lines.iter().any(|line| line.starts_with(failures) && line.ends_with("} 2")),
        "{rendered}"
    );
}
