//! Whose silence it is: servers that are known to be up are connected to, and nothing is said to them.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::Poll;

use super::Probe;
use super::diagnosis::ReferencesOutcome;
use crate::error::{Error, ErrorKind};
use crate::net::ConnectFailure;
use crate::protocol::Stage;

/// What the probe's references say of the silence that this error is about. None where it is about
/// something else, or where they tell nothing.
pub(super) async fn ask(probe: &Probe, error: &Error) -> Option<ReferencesOutcome> {
    let is_silence = match error.kind() {
        ErrorKind::Connect(fault) => fault.timed_out(),
        ErrorKind::Timeout(_) => error.stage() == Stage::Connect,
        _ => false,
    };
    if !is_silence {
        return None;
    }
    outcome_of(probe.references.iter().map(|server| {
        let connector = probe.connector.clone().at_server(server).without_limit();
        async move { connector.touch(Stage::Connect).await }
    }))
    .await
}

/// Whether any of these servers has answered, be it by refusing. None where that is not known: no
/// connection was lost to silence either.
async fn outcome_of(
    asked: impl Iterator<Item = impl Future<Output = Result<(), Error>> + Send>,
) -> Option<ReferencesOutcome> {
    let mut asked: Vec<Pin<Box<_>>> = asked.map(Box::pin).collect();
    let mut is_silent = false;
    poll_fn(|context| {
        let mut at = 0;
        while let Some(one) = asked.get_mut(at) {
            match one.as_mut().poll(context) {
                Poll::Pending => at += 1,
                Poll::Ready(end) => {
                    if has_answered(&end) {
                        return Poll::Ready(Some(ReferencesOutcome::SomeAnswered));
                    }
                    is_silent |= was_silent(&end);
                    drop(asked.swap_remove(at));
                }
            }
        }
        match asked.is_empty() {
            true => Poll::Ready(is_silent.then_some(ReferencesOutcome::AllTimedOut)),
            false => Poll::Pending,
        }
    })
    .await
}

/// Whether there is somebody at that address.
fn has_answered(end: &Result<(), Error>) -> bool {
    let Err(error) = end else { return true };
    let ErrorKind::Connect(fault) = error.kind() else { return false };
    let by = |failure: &ConnectFailure| match failure {
        ConnectFailure::Io(error) => error.kind() == io::ErrorKind::ConnectionRefused,
        _ => false,
    };
    fault.attempts().iter().any(|attempt| by(attempt.failure()))
}

fn was_silent(end: &Result<(), Error>) -> bool {
    let kind = end.as_ref().err().map(Error::kind);
    matches!(kind, Some(ErrorKind::Connect(fault)) if fault.timed_out())
}
