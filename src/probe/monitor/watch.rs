//! The loop of a monitor: what is due is probed, what has ended is judged, and what has changed is
//! told. What a report makes of a server is decided in `server`.
//!
//! Each probe is a task, in a `JoinSet` that ends them with the monitor. Were they driven by whoever
//! calls `next`, their deadlines would run while he does something else, and he would read his own
//! pauses as the slowness of servers. It costs an allocation a probe, and lets a runtime with several
//! threads use them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, Sleep, sleep_until};

use super::event::MonitorEvent;
#[cfg(feature = "metrics")]
use super::numbers;
use super::random::Random;
use super::server::{Server, Turn, Watched};
use super::settings::Settings;
use crate::probe::{Probe, Report};

/// Watches servers: probes each of them time and again, and tells what changes.
///
/// ```
/// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
/// # use ehlo::testing::Server;
/// # let good = Server::new().start().await?;
/// # let bad = Server::new().greeting("421 4.3.2 busy").start().await?;
/// # let probe = |server: &ehlo::testing::Running| {
/// #     Probe::with(ehlo::Connector::new(server.addr().to_string()).security(ehlo::Security::None))
/// # };
/// # let (good, bad) = (probe(&good), probe(&bad));
/// use std::time::Duration;
///
/// use ehlo::{Change, Monitor, Probe};
///
/// let mut monitor = Monitor::new()
///     .interval(Duration::from_secs(60))
///     .retry_after(Duration::from_millis(1))
///     .failures(2);
/// monitor.watch("good", good); // such as Probe::new("mx.example.org")
/// monitor.watch("bad", bad);
///
/// while let Some(event) = monitor.next().await {
///     println!("{event}");
///     if let Change::Down(_) = event.change() {
///         assert_eq!(event.server(), "bad");
///         print!("{}", event.report());
///         break;
///     }
/// }
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What is told, and when
///
/// A probe is retried before anything is believed: see [`failures`](Self::failures). Until then
/// nothing is told of a server, and what was believed of it goes on to be.
///
/// # Who waits for whom
///
/// Probes begin in [`next`](Self::next), [so many](Self::at_once) at once at most. When nobody
/// calls it, those that run come to their end, no other begins, and nothing is lost: there is a
/// place for the report of each. Memory is bounded by the number of servers, of each of which the
/// last report is kept (some KiB as a rule, transcript included), and of probes at once. Where the
/// platform's roots are trusted each server's connector has a copy of them, some hundred KiB, made
/// at its first probe; [`Connector::roots`](crate::Connector::roots) are shared by all that are
/// given the same.
///
/// Time is that of tokio's clock, but for the dates of certificates.
///
/// # Maintenance
///
/// [`watch`](Self::watch), [`unwatch`](Self::unwatch), [`pause`](Self::pause) and
/// [`resume`](Self::resume) may be called between two calls of `next`; and since `next` may be
/// dropped, at any time:
///
/// ```
/// # async fn test(mut monitor: ehlo::Monitor, mut windows: tokio::sync::mpsc::Receiver<(String, bool)>) {
/// loop {
///     tokio::select! {
///         Some((server, is_open)) = windows.recv() => {
///             if is_open { monitor.pause(&server) } else { monitor.resume(&server) };
///         }
///         Some(event) = monitor.next() => println!("{event}"),
///         else => break,
///     }
/// }
/// # }
/// ```
///
/// # Numbers
///
/// With feature `metrics` each probe is noted through the facade of that name, whatever recorder the
/// program installs. Times are seconds; `server` is the name that a server is watched by.
///
/// | name | kind | labels | what it is |
/// |---|---|---|---|
/// | `ehlo_probes_total` | counter | `server`, `verdict` (`ok`, `failed`) | probes that have ended |
/// | `ehlo_probe_failures_total` | counter | `server`, `stage`, `diagnosis` | those that failed, by the [stage](crate::Stage::name) and the [likely cause](crate::DiagnosisKind::name) |
/// | `ehlo_probe_duration_seconds` | histogram | `server` | how long a probe took |
/// | `ehlo_probe_stage_duration_seconds` | histogram | `server`, `stage` | how long each step took that was tried, failed or not |
/// | `ehlo_probe_up` | gauge | `server` | 1 up or degraded, 0 down, as it is believed; not there while it is unknown |
/// | `ehlo_probe_degraded` | gauge | `server` | 1 degraded, else 0; not there while it is unknown |
/// | `ehlo_probe_certificate_expiry_timestamp_seconds` | gauge | `server` | the end of the validity of its certificate, since 1970; with feature `x509` |
///
/// The numbers of a server stay with the recorder when it is watched no longer.
#[must_use = "nothing is probed until `next` is called"]
pub struct Monitor {
    pub(super) settings: Settings,
    pub(super) random: Random,
    servers: BTreeMap<Arc<str>, Server>,
    /// Those whose turn is `Due`, by when it is.
    due: BTreeSet<(Instant, Arc<str>)>,
    running: JoinSet<Done>,
    /// What was found and not told yet: that of one report at most.
    events: VecDeque<MonitorEvent>,
    alarm: Option<Pin<Box<Sleep>>>,
    #[cfg(feature = "metrics")]
    is_described: bool,
}

/// A probe that has ended.
struct Done {
    server: Arc<str>,
    began: Instant,
    report: Report,
}

impl Monitor {
    /// Watches nobody yet.
    pub fn new() -> Self {
        Self {
            settings: Settings::default(),
            random: Random::new(),
            servers: BTreeMap::new(),
            due: BTreeSet::new(),
            running: JoinSet::new(),
            events: VecDeque::new(),
            alarm: None,
            #[cfg(feature = "metrics")]
            is_described: false,
        }
    }

    /// Watches a server, from now on, by a name of the caller's choice, which is also a label of
    /// its numbers. Of another one by that name nothing is left.
    pub fn watch(&mut self, name: impl Into<Arc<str>>, probe: Probe) {
        let name = name.into();
        self.unwatch(&name);
        self.servers.insert(Arc::clone(&name), Server::new(Arc::clone(&name), probe));
        self.resume(&name);
    }

    /// Watches it no longer: a probe that runs is broken off, and nothing more is told. Whether
    /// there was one of that name.
    pub fn unwatch(&mut self, name: &str) -> bool {
        self.pause(name);
        self.events.retain(|event| event.server() != name);
        self.servers.remove(name).is_some()
    }

    /// Does not probe it until it is [resumed](Self::resume). A probe that runs is broken off. What
    /// is believed of the server goes on to be believed, and a downtime goes on. Whether there is
    /// one of that name.
    pub fn pause(&mut self, name: &str) -> bool {
        let Some(server) = self.servers.get_mut(name) else { return false };
        match std::mem::replace(&mut server.turn, Turn::Paused) {
            Turn::Due(at) => drop(self.due.remove(&(at, Arc::clone(&server.name)))),
            Turn::Running(probe) => probe.abort(),
            Turn::Paused => {}
        }
        server.forget_row();
        true
    }

    /// Probes it again, from now on; nothing changes where it is not paused. Whether there is one
    /// of that name.
    pub fn resume(&mut self, name: &str) -> bool {
        let Some(server) = self.servers.get_mut(name) else { return false };
        if matches!(server.turn, Turn::Paused) {
            self.due.insert(server.due(Instant::now()));
        }
        true
    }

    /// All that are watched, in the order of their names.
    pub fn servers(&self) -> impl ExactSizeIterator<Item = Watched<'_>> {
        self.servers.values().map(Watched)
    }

    /// The one that is watched by this name.
    #[must_use]
    pub fn server(&self, name: &str) -> Option<Watched<'_>> {
        self.servers.get(name).map(Watched)
    }

    /// What has changed; `None` where no server is watched that is not paused, so that nothing ever
    /// will.
    ///
    /// The call may be dropped at any await, and made again: nothing is forgotten.
    ///
    /// # Panics
    /// Outside of a runtime of tokio; and where a probe does, as a resolver of the caller's may.
    pub async fn next(&mut self) -> Option<MonitorEvent> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<MonitorEvent>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(Some(event));
            }
            self.begin_due();
            match self.running.poll_join_next_with_id(cx) {
                Poll::Ready(Some(ended)) => {
                    self.end(ended);
                    continue;
                }
                Poll::Ready(None) if self.due.is_empty() => return Poll::Ready(None),
                Poll::Ready(None) | Poll::Pending => {}
            }
            match self.due.first() {
                Some((at, _)) if self.has_room() => ready!(set(&mut self.alarm, *at).poll(cx)),
                // The end of a probe wakes.
                _ => return Poll::Pending,
            }
        }
    }

    fn has_room(&self) -> bool {
        self.running.len() < self.settings.at_once
    }

    fn begin_due(&mut self) {
        let now = Instant::now();
        while self.has_room()
            && self.due.first().is_some_and(|(at, _)| *at <= now)
            && let Some((_, name)) = self.due.pop_first()
            && let Some(server) = self.servers.get_mut(&name)
        {
            let probe = Arc::clone(&server.probe);
            let probing = async move {
                let began = Instant::now();
                let report = probe.run().await;
                Done { server: name, began, report }
            };
            server.turn = Turn::Running(self.running.spawn(probing));
        }
    }

    fn end(&mut self, ended: Result<(Id, Done), JoinError>) {
        let (id, Done { server: name, began, report }) = match ended {
            Ok(ended) => ended,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // Broken off: by the caller, or with the runtime.
                Err(_) => return,
            },
        };
        let Some(server) = self.servers.get_mut(&name) else { return };
        // It may have ended just before it was broken off.
        if !matches!(&server.turn, Turn::Running(probe) if probe.id() == id) {
            return;
        }
        let report = Arc::new(report);
        let changes = server.judge(began, &report, &self.settings);
        #[cfg(feature = "metrics")]
        {
            if !std::mem::replace(&mut self.is_described, true) {
                numbers::describe();
            }
            numbers::note(&name, &report, server.health());
        }
        let wait = self.settings.wait(server.is_in_doubt(), &mut self.random);
        self.due.insert(server.due(began + wait));
        let event = |change| {
            let (server, report) = (Arc::clone(&name), Arc::clone(&report));
            MonitorEvent { server, change, report }
        };
        self.events.extend(changes.into_iter().map(event));
    }
}

/// Without an end, but where [`next`](Monitor::next) gives `None`; behind that it may go on.
impl Stream for Monitor {
    type Item = MonitorEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<MonitorEvent>> {
        self.poll_event(cx)
    }
}

impl Default for Monitor {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor")
            .field("settings", &self.settings)
            .field("servers", &self.servers.len())
            .field("running", &self.running.len())
            .finish_non_exhaustive()
    }
}

/// Sets the alarm to this time.
fn set(alarm: &mut Option<Pin<Box<Sleep>>>, at: Instant) -> Pin<&mut Sleep> {
    let mut alarm = alarm.get_or_insert_with(|| Box::pin(sleep_until(at))).as_mut();
    if alarm.deadline() != at {
        alarm.as_mut().reset(at);
    }
    alarm
}
