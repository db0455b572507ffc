//! THE LOOP: it polls a session, and does what the session says on a stream, within a deadline.
//! All that outlives a dropped call is here or below; no order is written here.

#[cfg(feature = "tls")]
use std::cell::OnceCell;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::clock::Clock;
use super::common::Common;
use super::stream::Stream;
#[cfg(feature = "tls")]
use super::tls::TlsInfo;
use crate::error::{Error, ErrorKind};
use crate::protocol::{Event, Misuse, Phase, Session, Stage, Step, Ticket, Violation};
use crate::wire::{InvalidValue, Reply};

/// How often a stream that takes nothing more is looked at for what was said before. Once is enough
/// unless another thread is at the sockets at that moment.
const LOOKS: usize = 16;

/// Slices for one vectored write: a flight of commands takes one, content a few more.
const SLICES: usize = 64;

/// Octets of one read: the replies to a whole flight, unless they are long.
const READ: usize = 4 * 1024;

/// A session, the stream it goes over, and the clock.
pub(crate) struct Driver {
    pub(crate) session: Session,
    pub(crate) stream: Stream,
    pub(super) common: Arc<Common>,
    /// The server's port, as it was asked for; none where the server was not asked for by name.
    pub(super) port: Option<u16>,
    clock: Clock,
    /// Octets were written that a TLS stream may still hold.
    flush_due: bool,
    /// In a box: most connections are idle, and have none.
    failure: Option<Box<Failure>>,
    #[cfg(feature = "tls")]
    pub(super) tls_info: OnceCell<Box<TlsInfo>>,
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

/// How a connection comes to its end.
#[derive(Default)]
struct Failure {
    /// The stream failed; whole replies that came before are still read.
    broken: Option<io::Error>,
    /// How the stream failed that takes nothing more, and how often it will still be looked at.
    unwritable: Option<(io::Error, usize)>,
    /// The 421 with which the server ended the session: why whatever is tried later fails.
    farewell: Option<Reply>,
}

/// Where the session is when there is nothing to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Something was said.
    Event(Event),
    /// Nothing is in flight.
    Idle,
    /// All that was to be written is, and replies are awaited.
    Written,
    /// The handshake is next.
    StartTls,
}

/// What came first of two.
pub(crate) enum Beside<T> {
    /// Something was said.
    Event(Event),
    /// The other.
    Other(T),
}

/// What octets are carried for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Something was said.
    Said,
    /// The same, or all is written.
    Written,
}

impl Driver {
    /// A session over this stream, before anything was said.
    pub(super) fn new(stream: Stream, common: Arc<Common>) -> Self {
        Self {
            #[cfg(feature = "tracing")]
            span: tracing::info_span!("smtp", peer = %common.host),
            session: Session::sharing(Arc::clone(&common.session)),
            stream,
            common,
            port: None,
            clock: Clock::new(),
            flush_due: false,
            failure: None,
            #[cfg(feature = "tls")]
            tls_info: OnceCell::new(),
        }
    }

    /// The server's name, or the address it was reached by.
    pub(crate) fn peer(&self) -> &str {
        &self.common.host
    }

    /// A call begins, with this stage: its time runs from now.
    pub(crate) fn begin(&mut self, stage: Stage) {
        self.clock.begin(stage);
    }

    /// The call has come to this stage: what is heard from now on belongs to it.
    #[inline]
    pub(crate) const fn enter(&mut self, stage: Stage) {
        self.clock.enter(stage);
    }

    /// What is said from now on belongs to one call, which began before this driver was made.
    pub(crate) fn begin_introduction(&mut self, began: Instant) {
        self.clock.begin(Stage::Greeting);
        self.clock.hold(began);
    }

    /// That call has come to its end.
    pub(crate) const fn end_introduction(&mut self) {
        self.clock.release();
    }

    /// A call begins, with this stage: what is in flight belongs to one that was dropped, and is
    /// read off. Each event of it is handed to `note`.
    ///
    /// # Errors
    /// The session is over; it is ended here where going on could deliver half a mail, or one
    /// that nobody asked for any more.
    pub(crate) async fn settle(
        &mut self,
        stage: Stage,
        mut note: impl FnMut(&Session, Event) + Send,
    ) -> Result<(), Error> {
        self.begin(stage);
        loop {
            if self.session.is_half_sent() {
                return Err(self.give_up(Stage::Content));
            }
            match self.next().await? {
                Arrival::Idle => return Ok(()),
                Arrival::Written => {}
                Arrival::StartTls => self.secure().await?,
                // A lone dot would deliver an empty mail.
                Arrival::Event(event @ Event::GoAhead(_)) => {
                    note(&self.session, event);
                    return Err(self.give_up(Stage::Data));
                }
                Arrival::Event(Event::Challenge(_)) => {
                    self.session.cancel_auth().map_err(|misuse| self.misuse(misuse))?;
                }
                Arrival::Event(event) => note(&self.session, event),
            }
        }
    }

    /// Sends one thing and waits for what answers it; the session lends the reply.
    pub(crate) async fn ask(
        &mut self,
        send: impl FnOnce(&mut Session) -> Result<Ticket, Misuse> + Send,
    ) -> Result<Event, Error> {
        let asked = send(&mut self.session).map_err(|misuse| self.misuse(misuse))?;
        loop {
            if let Arrival::Event(event) = self.next().await? {
                match event {
                    Event::Reply(ticket) | Event::GoAhead(ticket) | Event::Challenge(ticket)
                        if ticket != asked =>
                    {
                        self.check_reset()?;
                    }
                    event => return Ok(event),
                }
            } else {
                // The session lost what was asked: it cannot, but a hang would be worse.
                return Err(self.closed());
            }
        }
    }

    /// Carries octets until something was said or nothing is in flight.
    pub(crate) fn next(&mut self) -> impl Future<Output = Result<Arrival, Error>> + Send {
        poll_fn(|cx| self.poll(cx, &mut &b""[..], Until::Said))
    }

    /// The same, with content that was promised; what is consumed of it is cut off.
    pub(crate) fn carry(
        &mut self,
        content: &mut &[u8],
    ) -> impl Future<Output = Result<Arrival, Error>> + Send {
        poll_fn(|cx| self.poll(cx, content, Until::Said))
    }

    /// Carries octets until all are written, or something was said; how much of the content is
    /// left is told whenever the stream takes no more.
    pub(crate) fn write(
        &mut self,
        content: &mut &[u8],
        tell: &mut (impl FnMut(usize) + Send),
    ) -> impl Future<Output = Result<Arrival, Error>> + Send {
        poll_fn(|cx| {
            let arrival = self.poll(cx, content, Until::Written);
            tell(content.len());
            arrival
        })
    }

    /// The next mail of a call begins: its time runs from when it is first waited for.
    pub(crate) fn begin_next(&mut self) {
        self.clock.renew();
    }

    /// Waits for something that is not the session's, and listens meanwhile: what is said before it
    /// is there comes first. Only where a mail is `under_way` the time of the call counts.
    pub(crate) fn beside<T>(
        &mut self,
        under_way: bool,
        mut other: impl FnMut(&mut Context<'_>) -> Poll<T> + Send,
    ) -> impl Future<Output = Result<Beside<T>, Error>> + Send {
        poll_fn(move |cx| match other(cx) {
            Poll::Ready(other) => Poll::Ready(Ok(Beside::Other(other))),
            Poll::Pending => self.listen(cx, under_way).map_ok(Beside::Event),
        })
    }

    /// Listens while something else is waited for, whether anything is in flight or not.
    fn listen(&mut self, cx: &mut Context<'_>, under_way: bool) -> Poll<Result<Event, Error>> {
        loop {
            match ready!(self.poll(cx, &mut &b""[..], Until::Said)) {
                Ok(Arrival::Event(event)) => return Poll::Ready(Ok(event)),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            // Nothing is in flight, and the server may end the session at any time.
            if self.flushed(cx) && self.poll_read(cx).is_pending() {
                if under_way {
                    ready!(self.clock.poll_whole(cx, &self.common.timeouts));
                    return Poll::Ready(Err(self.timed_out(self.clock.stage())));
                }
                return Poll::Pending;
            }
        }
    }

    /// Waits for something that is not the session's, at most until the end of the whole call,
    /// where it has one: the error is how long the call may take.
    pub(crate) async fn within_call<T>(
        &mut self,
        other: impl Future<Output = T>,
    ) -> Result<T, Duration> {
        let mut other = pin!(other);
        poll_fn(|cx| {
            if let Poll::Ready(other) = other.as_mut().poll(cx) {
                return Poll::Ready(Ok(other));
            }
            ready!(self.clock.poll_whole(cx, &self.common.timeouts));
            Poll::Ready(Err(self.clock.allowed(&self.common.timeouts)))
        })
        .await
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        content: &mut &[u8],
        until: Until,
    ) -> Poll<Result<Arrival, Error>> {
        // A stream that had nothing to be read before a write wakes the task when it has: it is not
        // asked again behind that.
        let mut will_wake = false;
        loop {
            let stage = match self.session.poll() {
                Ok(Step::Event(event)) => {
                    return Poll::Ready(self.said(event).map(Arrival::Event));
                }
                Ok(Step::Idle) => return Poll::Ready(Ok(Arrival::Idle)),
                Ok(Step::StartTls) => return Poll::Ready(Ok(Arrival::StartTls)),
                Ok(Step::Closed) => return Poll::Ready(Err(self.closed())),
                Err(violation) => return Poll::Ready(Err(self.violated(violation))),
                Ok(Step::Write(stage)) => {
                    self.await_stage(stage);
                    // What was said before a command cannot answer it: read it first.
                    if self.poll_read(cx).is_ready() {
                        continue;
                    }
                    will_wake = true;
                    let written = match self.is_unwritable() {
                        true => self.poll_last_words(cx).map(Ok),
                        false => self.poll_write(cx, content),
                    };
                    match written {
                        Poll::Ready(Ok(()))
                            if until == Until::Said || self.session.is_writing() =>
                        {
                            continue;
                        }
                        Poll::Ready(Ok(())) => return Poll::Ready(Ok(Arrival::Written)),
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                        Poll::Pending => stage,
                    }
                }
                Ok(Step::Read(_)) if until == Until::Written => {
                    return Poll::Ready(Ok(Arrival::Written));
                }
                Ok(Step::Read(stage)) => {
                    self.await_stage(stage);
                    if !self.flushed(cx) || (!will_wake && self.poll_read(cx).is_ready()) {
                        continue;
                    }
                    stage
                }
            };
            ready!(self.clock.poll(cx, &self.common.timeouts));
            return Poll::Ready(Err(self.timed_out(stage)));
        }
    }

    /// What else was said, where the whole of it is there: nothing is waited for.
    #[inline]
    pub(crate) fn at_hand(&mut self) -> Result<Option<Event>, Error> {
        match self.session.poll() {
            Ok(Step::Event(event)) => self.said(event).map(Some),
            Ok(_) => Ok(None),
            Err(violation) => Err(self.violated(violation)),
        }
    }

    /// Something was said; the session lends the reply.
    #[inline(always)]
    fn said(&mut self, event: Event) -> Result<Event, Error> {
        match event {
            Event::Closing | Event::ContentRefused => self.clock.stop(),
            _ => self.enter(self.session.answered_stage()),
        }
        self.trace(event);
        self.common.observer.heard(&self.session);
        if self.session.phase() == Phase::Closed {
            self.keep_farewell();
        }
        match event {
            Event::Closing => Err(self.closed()),
            event => Ok(event),
        }
    }

    /// Whatever a 421 answers, the session is over behind it.
    fn keep_farewell(&mut self) {
        let reply = self.session.reply();
        if let Some(reply) = reply.filter(|reply| reply.code().number() == 421) {
            self.failure.get_or_insert_default().farewell = Some(reply.to_reply());
        }
    }

    /// The server broke the protocol.
    fn violated(&mut self, violation: Violation) -> Error {
        self.hang_up();
        let stage = violation.stage().unwrap_or_else(|| self.session.answered_stage());
        // One reply too many names the stage that had its own before. What is in doubt is what was
        // waited for.
        self.error(stage, violation).awaiting(Some(self.clock.stage()))
    }

    /// The stage is what is waited for.
    #[inline]
    fn await_stage(&mut self, stage: Stage) {
        self.common.observer.begins(stage);
        self.clock.wait_for(stage);
    }

    /// Hands over what a TLS stream may still hold; whether the stream still stands.
    fn flushed(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.flush_due {
            return true;
        }
        let Poll::Ready(flushed) = Pin::new(&mut self.stream).poll_flush(cx) else {
            return true;
        };
        self.flush_due = false;
        flushed.map_err(|error| self.broke(error)).is_ok()
    }

    /// Reads once; ready where the session has something new to look at.
    ///
    /// Off the stack: a session that read for itself would hold on to room for the next read for as
    /// long as it is idle, which is most of the time. Replies are short, so that a copy costs less.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut octets = [const { MaybeUninit::uninit() }; READ];
        let mut octets = ReadBuf::uninit(&mut octets);
        match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut octets)) {
            Ok(()) if octets.filled().is_empty() => self.session.end_of_input(),
            Ok(()) => self.session.receive(octets.filled()),
            Err(error) => self.broke(error),
        }
        Poll::Ready(())
    }

    /// Writes once.
    fn poll_write(&mut self, cx: &mut Context<'_>, content: &mut &[u8]) -> Poll<Result<(), Error>> {
        // A flight without content is one slice, and room for many has to be made.
        let mut one = [IoSlice::new(b"")];
        let mut many;
        let slices: &mut [IoSlice<'_>] = match self.session.promised() {
            0 => &mut one,
            _ => {
                many = [IoSlice::new(b""); SLICES];
                &mut many
            }
        };
        let used = match self.session.gather(content, slices) {
            Ok(used) => used,
            Err(fault) => {
                self.hang_up();
                return Poll::Ready(Err(self.error(Stage::Content, fault)));
            }
        };
        let slices = slices.get(..used).unwrap_or_default();
        let written = match slices {
            // A flight is one slice nearly always, and `send` costs less than `writev` does.
            [only] => Pin::new(&mut self.stream).poll_write(cx, only),
            slices => Pin::new(&mut self.stream).poll_write_vectored(cx, slices),
        };
        match ready!(written) {
            // A stream that takes nothing will never take the rest.
            Ok(0) if used > 0 => self.broke(io::ErrorKind::WriteZero.into()),
            Ok(octets) => {
                self.flush_due = true;
                self.clock.progress();
                let consumed = self.session.wrote(octets);
                *content = content.get(consumed..).unwrap_or_default();
            }
            // A server that refuses often closes at once: what it said before is worth more than
            // how the stream broke, and can still be read.
            Err(error) => {
                self.failure.get_or_insert_default().unwritable = Some((error, LOOKS));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn is_unwritable(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.unwritable.is_some())
    }

    /// Nothing can be written any more and nothing is there to be read. That it is not there may be
    /// for want of looking: a runtime learns what has come when it turns to its sockets, which it
    /// has not done for as long as writing never had to wait.
    fn poll_last_words(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let unwritable = self.failure.as_mut().and_then(|failure| match &mut failure.unwritable {
            Some((_, looks @ 1..)) => {
                *looks -= 1;
                None
            }
            unwritable => unwritable.take(),
        });
        let Some((error, _)) = unwritable else {
            // Pending, and woken once the runtime has looked.
            return pin!(tokio::task::yield_now()).poll(cx);
        };
        self.broke(error);
        Poll::Ready(())
    }

    /// The stream failed; whole replies that came before still count.
    fn broke(&mut self, error: io::Error) {
        self.failure.get_or_insert_default().broken.get_or_insert(error);
        self.session.end_of_input();
    }

    /// The session is over: nothing is said or heard any more, and the other side need not wait.
    pub(crate) fn hang_up(&mut self) {
        self.session.close();
        // What the handshake has shown may be asked for later, and goes with the stream.
        #[cfg(feature = "tls")]
        let _ = self.tls_info();
        self.stream = Stream::Gone;
    }

    /// Ends the session from this side.
    pub(crate) fn give_up(&mut self, stage: Stage) -> Error {
        self.hang_up();
        self.error(stage, ErrorKind::Closed(None))
    }

    /// The session is over, by the server or by the network.
    pub(crate) fn closed(&mut self) -> Error {
        let stage = self.clock.stage();
        let unfinished = self.session.unfinished().to_vec();
        let broken = self.failure.as_mut().and_then(|failure| failure.broken.take());
        let kind = match (broken, self.farewell()) {
            (Some(error), None) if !is_close(&error) => ErrorKind::Io(error),
            _ => ErrorKind::Closed(None),
        };
        self.hang_up();
        self.error(stage, kind).with_unfinished(&unfinished)
    }

    fn timed_out(&mut self, stage: Stage) -> Error {
        let unfinished = self.session.unfinished().to_vec();
        let kind = ErrorKind::Timeout(self.clock.allowed(&self.common.timeouts));
        self.hang_up();
        self.error(stage, kind).with_unfinished(&unfinished)
    }

    fn farewell(&self) -> Option<&Reply> {
        self.failure.as_ref()?.farewell.as_ref()
    }

    pub(crate) fn misuse(&self, misuse: Misuse) -> Error {
        self.error(self.clock.stage(), misuse)
    }

    /// What was to be said cannot be.
    pub(crate) fn invalid(&self, stage: Stage, invalid: impl Into<InvalidValue>) -> Error {
        self.error(stage, Misuse::Value(invalid.into()))
    }

    /// The reply of the last event, as what makes the call fail.
    pub(crate) fn refused(&self, stage: Stage) -> Error {
        match self.session.reply() {
            Some(reply) => self
                .error(stage, ErrorKind::Refused(reply.to_reply()))
                .answering(self.session.answered()),
            None => self.error(stage, ErrorKind::Closed(None)),
        }
    }

    pub(crate) fn error(&self, stage: Stage, kind: impl Into<ErrorKind>) -> Error {
        let kind = match kind.into() {
            ErrorKind::Closed(None) => ErrorKind::Closed(self.farewell().cloned()),
            kind => kind,
        };
        let is_ours = matches!(kind, ErrorKind::Closed(None)) && !self.session.is_input_ended();
        let error = Error::new(stage, kind).with_peer(self.peer(), self.clock.elapsed());
        if is_ours { error.closed_by_us() } else { error }
    }

    /// Behind a refused RSET the transaction that it was to end is open still: the session is
    /// over, and that is why.
    pub(crate) fn check_reset(&self) -> Result<(), Error> {
        let is_refused =
            self.session.phase() == Phase::Closed && self.session.answered() == b"RSET";
        if is_refused {
            return Err(self.refused(Stage::Rset));
        }
        Ok(())
    }

    /// There is no TLS to go over to.
    #[cfg(not(feature = "tls"))]
    pub(crate) async fn secure(&mut self) -> Result<(), Error> {
        self.session.close();
        Err(self.misuse(Misuse::Setting("TLS is not compiled in: enable feature tls".to_owned())))
    }

    /// How long something that is not the session's may take from now on.
    #[cfg(feature = "tls")]
    pub(crate) fn limit(&self, stage: Stage) -> Duration {
        self.clock.limit(self.common.timeouts.of(stage), &self.common.timeouts)
    }

    /// Ends a session in good order: QUIT where it can be said, whatever it is answered with.
    pub(crate) async fn quit(&mut self) -> Option<Error> {
        let error = self.ask(|session| session.send(&crate::wire::Command::quit())).await.err();
        self.shut_down().await;
        error
    }

    /// Closes after the reply to QUIT, or where it will not come.
    pub(crate) async fn shut_down(&mut self) {
        let shutdown = poll_fn(|cx| Pin::new(&mut self.stream).poll_shutdown(cx));
        // Best effort: the mail's fate is known, and a peer that does not close costs its own.
        let _ = tokio::time::timeout(self.common.timeouts.quit(), shutdown).await;
        self.hang_up();
    }

    #[cfg(feature = "tracing")]
    fn trace(&self, event: Event) {
        if let Some(reply) = self.session.shown() {
            tracing::debug!(parent: &self.span, ?event, reply = %reply, "reply");
        }
    }

    #[cfg(not(feature = "tracing"))]
    #[expect(clippy::unused_self, reason = "the same call with the feature")]
    const fn trace(&self, _event: Event) {}
}

/// The ways in which a peer that has closed shows up.
fn is_close(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
            | io::ErrorKind::UnexpectedEof
    )
}
