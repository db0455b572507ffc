//! A pair of streams between which everything takes its time, and a count of the client's flights:
//! round trips are pinned by what was waited for, and no test measures time. Nothing here knows the
//! protocol.
//!
//! Both ends take whatever is written; what is written arrives after the delay, in order, and so
//! does the end of a stream. With the clock of tokio paused no time passes in earnest.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// The client's end, the server's end, and the count.
pub(crate) fn delayed(delay: Duration) -> (Delayed, Delayed, Flights) {
    let (up, down) = (Pipe::new(delay), Pipe::new(delay));
    let flights = Flights::default();
    let client = Delayed::new(down.clone(), up.clone(), Some(flights.clone()));
    (client, Delayed::new(up, down, None), flights)
}

/// How often the client began to speak: at first, and each time when it had heard the server since it
/// spoke last, later than that. What it hears while it speaks begins nothing.
#[derive(Clone, Default)]
pub(crate) struct Flights(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    count: usize,
    spoke: Option<Instant>,
    has_heard: bool,
    looked_in_vain: usize,
}

impl Flights {
    /// So many so far.
    pub(crate) fn count(&self) -> usize {
        self.state().count
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// How often it looked for what was said, and there was nothing.
    #[allow(dead_code, reason = "not all who include this file ask for it")]
    pub(crate) fn looked_in_vain(&self) -> usize {
        self.state().looked_in_vain
    }

    fn find_nothing(&self) {
        self.state().looked_in_vain += 1;
    }

    fn hear(&self) {
        let mut state = self.state();
        state.has_heard |= state.spoke.is_some_and(|spoke| spoke < Instant::now());
    }

    fn speak(&self) {
        let mut state = self.state();
        if state.has_heard || state.count == 0 {
            state.count += 1;
        }
        (state.spoke, state.has_heard) = (Some(Instant::now()), false);
    }
}

/// One end.
pub(crate) struct Delayed {
    hears: Pipe,
    says: Pipe,
    alarm: Option<Pin<Box<Sleep>>>,
    flights: Option<Flights>,
}

impl Delayed {
    fn new(hears: Pipe, says: Pipe, flights: Option<Flights>) -> Self {
        Self { hears, says, alarm: None, flights }
    }

    /// When the next octets, or the end, are here.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let due = {
            let mut flow = self.hears.flow();
            match flow.pieces.front() {
                Some((due, _)) => *due,
                None => {
                    flow.waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
        };
        if due > Instant::now() {
            let alarm = self.alarm.insert(Box::pin(sleep_until(due)));
            ready!(alarm.as_mut().poll(cx));
        }
        self.alarm = None;
        Poll::Ready(())
    }
}

impl AsyncRead for Delayed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let due = self.poll_due(cx);
        let flights = self.flights.clone().unwrap_or_default();
        if due.is_pending() {
            flights.find_nothing();
            return Poll::Pending;
        }
        flights.hear();
        let mut flow = self.hears.flow();
        if let Some((_, piece)) = flow.pieces.front_mut() {
            // An empty piece is the end, and stays.
            let octets = piece.len().min(buf.remaining());
            buf.put_slice(&piece[..octets]);
            piece.drain(..octets);
            if octets > 0 && piece.is_empty() {
                flow.pieces.pop_front();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Delayed {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.says.put(buf) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if let (Some(flights), false) = (&self.flights, buf.is_empty()) {
            flights.speak();
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.says.end();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Delayed {
    fn drop(&mut self) {
        self.says.end();
    }
}

/// One direction.
#[derive(Clone)]
struct Pipe {
    delay: Duration,
    flow: Arc<Mutex<Flow>>,
}

#[derive(Default)]
struct Flow {
    /// When each piece is there.
    pieces: VecDeque<(Instant, Vec<u8>)>,
    ended: bool,
    waker: Option<Waker>,
}

impl Pipe {
    fn new(delay: Duration) -> Self {
        Self { delay, flow: Arc::default() }
    }

    fn flow(&self) -> MutexGuard<'_, Flow> {
        self.flow.lock().unwrap()
    }

    /// Whether it can be said.
    fn put(&self, octets: &[u8]) -> bool {
        let mut flow = self.flow();
        if flow.ended {
            return false;
        }
        if !octets.is_empty() {
            self.push(&mut flow, octets);
        }
        true
    }

    fn end(&self) {
        let mut flow = self.flow();
        if !flow.ended {
            flow.ended = true;
            self.push(&mut flow, b"");
        }
    }

    fn push(&self, flow: &mut Flow, octets: &[u8]) {
        flow.pieces.push_back((Instant::now() + self.delay, octets.to_vec()));
        if let Some(waker) = flow.waker.take() {
            waker.wake();
        }
    }
}
