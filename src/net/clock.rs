//! The deadlines of a conversation: absolute, from the moment a stage begins to be waited for, and
//! one for a whole call where it is asked for. What is waited for is the driver's business.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::Timeouts;
use crate::protocol::Stage;

/// The deadline that runs. How long stages and calls may take it is told where that matters: all
/// connections of a connector share one copy.
pub(super) struct Clock {
    sleep: Option<Pin<Box<Sleep>>>,
    /// The stage that is waited for. It outlives its wait, for errors.
    stage: Stage,
    is_running: bool,
    /// The deadline is the end of the whole call.
    is_of_call: bool,
    /// Several things said are one call: none of them begins it anew.
    is_held: bool,
    deadline: Instant,
    /// When the call did; none before it has, and for one of several that is not waited for yet.
    began: Option<Instant>,
}

impl Clock {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            sleep: None,
            stage: Stage::Greeting,
            is_running: false,
            is_of_call: false,
            is_held: false,
            deadline: now,
            began: None,
        }
    }

    /// A call begins, with this stage.
    pub(super) fn begin(&mut self, stage: Stage) {
        self.enter(stage);
        if !self.is_held {
            self.began = Some(Instant::now());
        }
    }

    /// All that begins until [`release`](Self::release) belongs to a call that began then.
    pub(super) const fn hold(&mut self, began: Instant) {
        self.began = Some(began);
        self.is_held = true;
    }

    pub(super) const fn release(&mut self) {
        self.is_held = false;
    }

    /// The next of several things that one call does begins: it has the time of a whole call, from
    /// when it first has to be waited for, and from now where something is waited for already.
    pub(super) fn renew(&mut self) {
        self.began = self.is_running.then(Instant::now);
    }

    /// The call has come to this stage, which is not waited for yet.
    pub(super) const fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.stop();
    }

    /// The stage is what is waited for; where it was before, its deadline stays.
    #[inline]
    pub(super) fn wait_for(&mut self, stage: Stage) {
        if self.stage != stage {
            self.enter(stage);
        }
    }

    /// The wait begins.
    fn start(&mut self, timeouts: &Timeouts) {
        self.is_running = true;
        let now = Instant::now();
        // A limit beyond what a clock can say is none.
        self.deadline = now.checked_add(timeouts.of(self.stage)).unwrap_or(now + NEVER);
        self.began.get_or_insert(now);
        let end = self.end(timeouts).filter(|end| *end < self.deadline);
        self.is_of_call = end.is_some();
        self.deadline = end.unwrap_or(self.deadline);
    }

    /// The wait is over.
    pub(super) const fn stop(&mut self) {
        self.is_running = false;
    }

    /// Octets were written: content has a deadline for each block (RFC 5321 §4.5.3.2.5).
    pub(super) fn progress(&mut self) {
        if self.stage == Stage::Content {
            self.stop();
        }
    }

    /// How much of this limit the whole call leaves.
    #[cfg(feature = "tls")]
    pub(super) fn limit(&self, limit: Duration, timeouts: &Timeouts) -> Duration {
        match self.end(timeouts) {
            Some(end) => limit.min(end.saturating_duration_since(Instant::now())),
            None => limit,
        }
    }

    pub(super) const fn stage(&self) -> Stage {
        self.stage
    }

    /// How long the deadline that runs allows.
    pub(super) fn allowed(&self, timeouts: &Timeouts) -> Duration {
        let whole = timeouts.whole().filter(|_| self.is_of_call);
        whole.unwrap_or_else(|| timeouts.of(self.stage))
    }

    /// How long the call has been going on.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.as_ref().map_or(Duration::ZERO, Instant::elapsed)
    }

    /// Ready at the end of the whole call, where it has one, whatever is waited for.
    pub(super) fn poll_whole(&mut self, cx: &mut Context<'_>, timeouts: &Timeouts) -> Poll<()> {
        self.began.get_or_insert_with(Instant::now);
        let Some(end) = self.end(timeouts) else {
            return Poll::Pending;
        };
        self.stop();
        (self.deadline, self.is_of_call) = (end, true);
        self.poll_deadline(cx)
    }

    /// Ready at the deadline of the stage, which runs from the first time that it has to be waited
    /// for: most of what a server says is there already, and to ask for the time costs more.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, timeouts: &Timeouts) -> Poll<()> {
        if !self.is_running {
            self.start(timeouts);
        }
        self.poll_deadline(cx)
    }

    /// The timer is set back only for a deadline that comes before what it is set to; where it goes
    /// off too early it is set again. Deadlines move on with every reply, and setting the timer
    /// each time costs more than the reply does.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if deadline < sleep.deadline() {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    /// The end of the whole call, where it has one.
    fn end(&self, timeouts: &Timeouts) -> Option<Instant> {
        let limit = timeouts.whole()?;
        self.began.unwrap_or_else(Instant::now).checked_add(limit)
    }
}

/// Longer than any conversation.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{sleep, timeout};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How long it is to the deadline, by waiting for it.
    async fn waited(clock: &mut Clock, timeouts: &Timeouts) -> Duration {
        let began = Instant::now();
        poll_fn(|cx| clock.poll(cx, timeouts)).await;
        began.elapsed()
    }

    /// It is waited for so long, and in vain.
    async fn wait(clock: &mut Clock, timeouts: &Timeouts, time: Duration) {
        assert!(timeout(time, waited(clock, timeouts)).await.is_err());
    }

    /// The timer is still set to the later one.
    #[tokio::test(start_paused = true)]
    async fn c_109_a_deadline_may_come_before_the_one_that_was_waited_for() {
        let timeouts = Timeouts::all(300 * SECOND).with_data(120 * SECOND);
        let mut clock = Clock::new();
        clock.wait_for(Stage::Mail);
        wait(&mut clock, &timeouts, SECOND).await;
        for (stage, seconds) in [(Stage::Data, 120), (Stage::EndOfData, 300)] {
            clock.wait_for(stage);
            assert_eq!(waited(&mut clock, &timeouts).await, seconds * SECOND, "{stage}");
        }
    }

    /// RFC 5321 §4.5.3.2.5.
    #[tokio::test(start_paused = true)]
    async fn c_109_content_has_a_deadline_for_each_block_and_nothing_else_has() {
        let timeouts = Timeouts::all(180 * SECOND);
        for (stage, seconds) in [(Stage::Content, 180), (Stage::Mail, 80)] {
            let mut clock = Clock::new();
            clock.wait_for(stage);
            wait(&mut clock, &timeouts, 100 * SECOND).await;
            clock.progress();
            clock.wait_for(stage);
            assert_eq!(waited(&mut clock, &timeouts).await, seconds * SECOND, "{stage}");
        }
    }

    /// However long ago the call came to the stage.
    #[tokio::test(start_paused = true)]
    async fn a_deadline_runs_from_when_it_has_to_be_waited_for() {
        let timeouts = Timeouts::all(180 * SECOND);
        let mut clock = Clock::new();
        clock.wait_for(Stage::Mail);
        sleep(100 * SECOND).await;
        clock.wait_for(Stage::Mail);
        assert_eq!(waited(&mut clock, &timeouts).await, 180 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn the_stage_is_named_where_the_call_ends_no_earlier() {
        let timeouts = Timeouts::all(4 * SECOND).with_whole(Some(10 * SECOND));
        let mut clock = Clock::new();
        clock.begin(Stage::Mail);
        for (seconds, allowed) in [(6, 4), (1, 10)] {
            sleep(seconds * SECOND).await;
            clock.stop();
            clock.wait_for(Stage::Mail);
            wait(&mut clock, &timeouts, Duration::ZERO).await;
            assert_eq!(clock.allowed(&timeouts), allowed * SECOND);
        }
        assert_eq!(waited(&mut clock, &timeouts).await, 3 * SECOND);
    }

    /// It has the time of a whole call, and what is waited for keeps its deadline.
    #[tokio::test(start_paused = true)]
    async fn what_begins_while_something_is_waited_for_begins_then() {
        let timeouts = Timeouts::all(100 * SECOND).with_whole(Some(150 * SECOND));
        for (waited_before, ends_after, allowed) in [(false, 100, 100), (true, 90, 100)] {
            let mut clock = Clock::new();
            clock.begin(Stage::EndOfData);
            if waited_before {
                wait(&mut clock, &timeouts, 10 * SECOND).await;
            }
            clock.renew();
            assert_eq!(clock.elapsed(), Duration::ZERO);
            assert_eq!(waited(&mut clock, &timeouts).await, ends_after * SECOND);
            assert_eq!(clock.elapsed(), ends_after * SECOND, "{waited_before}");
            assert_eq!(clock.allowed(&timeouts), allowed * SECOND);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_beyond_what_a_clock_can_say_is_none() {
        let endless = Timeouts::all(Duration::MAX).with_whole(Some(Duration::MAX));
        let mut clock = Clock::new();
        clock.wait_for(Stage::Mail);
        wait(&mut clock, &endless, 2 * 365 * 24 * 3600 * SECOND).await;
    }
}
