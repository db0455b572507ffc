//! The steps of a relay test: a way to the server without credentials, and for each form MAIL, RCPT
//! and RSET, all of it raw, since most forms are no paths that a command could be built of.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::forms::Names;
use super::{RelayAttempt, RelayForm, RelayOutcome, RelayReport, RelayTest};
use crate::error::{Error, ErrorKind};
#[cfg(feature = "tls")]
use crate::net::TlsInfo;
use crate::net::{ConnectFailure, Conversation, Observe, Observer, ip_literal};
use crate::protocol::{Phase, Session, Stage};
use crate::wire::{Command, Domain, Mailbox, Reply, Verb};

pub(super) async fn run(test: &RelayTest) -> RelayReport {
    let mut report = RelayReport {
        server: test.connector.shown(),
        local: test.local.as_ref().map_or_else(String::new, ToString::to_string),
        foreign: String::new(),
        attempts: Vec::new(),
        error: None,
    };
    if let Err(error) = all(test, &mut report).await {
        report.error = Some(Arc::new(error));
    }
    report
}

async fn all(test: &RelayTest, report: &mut RelayReport) -> Result<(), Error> {
    if let Some(misuse) = test.invalid.clone() {
        return Err(Error::new(Stage::Mail, misuse));
    }
    let foreign = match &test.foreign {
        Some(foreign) => foreign.clone(),
        None => FOREIGN.parse::<Mailbox>()?,
    };
    foreign.as_str().clone_into(&mut report.foreign);
    let began = Instant::now();
    let seen = Arc::new(Address::default());
    let observer = Observer::new(Arc::clone(&seen) as Arc<_>);
    let connector = test.connector.clone().anonymous().observed(observer);
    let connected = connector.converse(Stage::Auth).await;
    if let (Ok(smtp), None) = (&connected, &test.local) {
        report.local = greeted_by(smtp.greeting());
    }
    let address = seen.get().or_else(|| ip_literal(connector.host()));
    let names = Names { local: &report.local, foreign: &foreign, address };
    report.attempts = planned(&test.forms, &names);
    let mut smtp = connected?;
    for attempt in &mut report.attempts {
        if smtp.phase() == Phase::Closed {
            return Ok(());
        }
        let refused = one(&mut smtp, attempt, test.content.as_deref()).await?;
        if let Some(reply) = refused {
            let error = Error::new(Stage::Rset, ErrorKind::Refused(reply));
            return Err(error.with_peer(connector.host(), began.elapsed()));
        }
    }
    if smtp.allows(Verb::Quit).is_ok() {
        // What QUIT is answered with changes nothing.
        let _ = smtp.quit().await;
    }
    Ok(())
}

/// Each of these forms, not tried yet.
fn planned(forms: &[RelayForm], names: &Names<'_>) -> Vec<RelayAttempt> {
    let attempt = |form: &RelayForm| {
        let (sender, recipient) = form.paths(names)?;
        Some(RelayAttempt {
            form: *form,
            sender,
            recipient,
            outcome: RelayOutcome::NotTried,
            stage: None,
            reply: None,
        })
    };
    forms.iter().filter_map(attempt).collect()
}

/// A transaction up to where it fails, and RSET; gives the reply where that is refused, which ends
/// the session.
async fn one(
    smtp: &mut Conversation,
    attempt: &mut RelayAttempt,
    content: Option<&[u8]>,
) -> Result<Option<Reply>, Error> {
    let mail = format!("MAIL FROM:{}", attempt.sender);
    let rcpt = format!("RCPT TO:{}", attempt.recipient);
    for (stage, line) in [(Stage::Mail, mail), (Stage::Rcpt, rcpt)] {
        let reply = smtp.say(&Command::raw(&line)?).await?;
        let is_refused = reply.is_negative();
        attempt.note(stage, reply);
        if is_refused {
            return reset(smtp).await;
        }
    }
    if let Some(content) = content {
        let reply = smtp.say(&Command::data()).await?;
        let goes_on = reply.is_intermediate();
        attempt.note(Stage::Data, reply);
        if goes_on {
            let mark = format!("X-Relay-Test: {}\r\n", attempt.form.name());
            let replies = smtp.content(&[mark.as_bytes(), content].concat()).await?;
            for reply in replies {
                attempt.note(Stage::EndOfData, reply);
            }
        }
    }
    reset(smtp).await
}

impl RelayAttempt {
    fn note(&mut self, stage: Stage, reply: Reply) {
        let is_over = reply.is_negative();
        self.outcome = match stage {
            Stage::Mail | Stage::Rcpt if is_over && reply.code().number() >= 500 => {
                RelayOutcome::Refused
            }
            Stage::Mail | Stage::Rcpt if is_over => RelayOutcome::Deferred,
            // It says nothing of the recipient.
            Stage::Mail => self.outcome,
            Stage::EndOfData if !is_over => RelayOutcome::Taken,
            _ => RelayOutcome::Accepted,
        };
        self.stage = Some(stage);
        self.reply = Some(reply);
    }
}

/// The reply, where it is a refusal.
async fn reset(smtp: &mut Conversation) -> Result<Option<Reply>, Error> {
    match smtp.allows(Verb::Rset) {
        Ok(()) => {
            let reply = smtp.say(&Command::rset()).await?;
            Ok(Some(reply).filter(Reply::is_negative))
        }
        Err(_) => Ok(None),
    }
}

/// The name with which the server greets, where it is one (RFC 5321 §4.2).
fn greeted_by(greeting: &Reply) -> String {
    let text = greeting.text();
    let word = text.split([' ', '\n']).next().unwrap_or_default();
    word.parse::<Domain>().map_or_else(|_| "localhost".to_owned(), |name| name.to_string())
}

/// The address that was connected to.
#[derive(Debug, Default)]
struct Address(Mutex<Option<IpAddr>>);

impl Address {
    fn get(&self) -> Option<IpAddr> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observe for Address {
    fn begins(&self, _: Stage) {}

    fn resolved(&self, _: &[SocketAddr]) {}

    fn tried(&self, address: SocketAddr, _: Instant, failure: Option<&ConnectFailure>) {
        if failure.is_none() {
            let ip = address.ip().to_canonical();
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(ip);
        }
    }

    fn outrun(&self, _: SocketAddr, _: Instant) {}

    #[cfg(feature = "tls")]
    fn secured(&self, _: &TlsInfo) {}

    fn heard(&self, _: &Session) {}

    fn failed(&self, _: &Error) {}
}

/// RFC 2606 §3 keeps the domain free for such ends.
const FOREIGN: &str = "relay-test@example.net";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_names_the_server_or_nobody() {
        for (greeting, name) in [
            ("220 mx.example.org ESMTP", "mx.example.org"),
            ("220 mx.example.org", "mx.example.org"),
            ("220-mx.example.org\n220 ready", "mx.example.org"),
            ("220 *****", "localhost"),
            ("220", "localhost"),
        ] {
            let greeting: Reply = greeting.parse().unwrap();
            assert_eq!(greeted_by(&greeting), name);
        }
    }

    #[test]
    fn a_reply_makes_the_outcome_of_its_stage() {
        let of = |stage, reply: &str| {
            let foreign = FOREIGN.parse().unwrap();
            let names = Names { local: "example.org", foreign: &foreign, address: None };
            let mut attempt = planned(RelayForm::ALL, &names).swap_remove(0);
            attempt.note(stage, reply.parse().unwrap());
            assert_eq!((attempt.stage, attempt.reply.is_some()), (Some(stage), true));
            attempt.outcome
        };
        assert_eq!(of(Stage::Mail, "250 ok"), RelayOutcome::NotTried);
        assert_eq!(of(Stage::Mail, "550 no"), RelayOutcome::Refused);
        assert_eq!(of(Stage::Mail, "450 later"), RelayOutcome::Deferred);
        assert_eq!(of(Stage::Rcpt, "250 ok"), RelayOutcome::Accepted);
        assert_eq!(of(Stage::Rcpt, "554 no"), RelayOutcome::Refused);
        assert_eq!(of(Stage::Rcpt, "421 bye"), RelayOutcome::Deferred);
        assert_eq!(of(Stage::Data, "354 go"), RelayOutcome::Accepted);
        assert_eq!(of(Stage::Data, "554 no"), RelayOutcome::Accepted);
        assert_eq!(of(Stage::EndOfData, "554 no"), RelayOutcome::Accepted);
        assert_eq!(of(Stage::EndOfData, "250 ok"), RelayOutcome::Taken);
    }
}
