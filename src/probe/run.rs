//! The steps of a probe: the hosts of a domain, the way to one of them, a mail up to where it is to
//! stop, and a farewell. How each step is taken is the business of `net`.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::SystemTime;

use tokio::time::Instant;

use super::diagnosis::{Evidence, Finding, MxLookup, ReferencesOutcome};
use super::record::Record;
use super::{Diagnosis, Probe, Report, Skipped, Verdict};
use crate::error::{Error, ErrorKind};
use crate::extension::{Extension, MailParam, Size};
use crate::net::{
    Client, ConnectFailure, Connector, Conversation, InClear, MailHosts, Observe as _, Observer,
    Security, Transaction, ip_literal,
};
use crate::protocol::{Delivery, Outcome, Phase, Stage, Transcript};
use crate::wire::{Reply, ReversePath, Verb};

/// Octets of the transcript, where the connector has no wish of its own: a long session of a person.
const TRANSCRIPT: usize = 64 * 1024;

pub(super) async fn run(probe: &Probe) -> Report {
    let began = Instant::now();
    let record = Arc::new(Record::new(began));
    let observer = Observer::new(Arc::clone(&record) as Arc<_>);
    let connector = probe.connector.clone().observed(observer).with_transcript(TRANSCRIPT);
    let mut run = Run {
        probe,
        host: connector.host().to_owned(),
        connector,
        stop: last_stage(probe),
        began,
        wall: SystemTime::now(),
        record,
        mail_hosts: None,
        failure: None,
        in_clear: None,
        transcript: None,
    };
    run.all().await;
    let references = run.ask_references().await;
    run.report(references)
}

/// The last stage to take, as [`Probe::stop_after`] has it.
fn last_stage(probe: &Probe) -> Stage {
    let has_content = probe.content.is_some();
    let by_default = if has_content { Stage::EndOfData } else { Stage::Rcpt };
    match probe.stop_after.unwrap_or(by_default) {
        Stage::Handshake if secures_later(&probe.connector) => Stage::StartTls,
        stage => stage.min(Stage::EndOfData),
    }
}

/// Whether TLS comes by STARTTLS.
fn secures_later(connector: &Connector) -> bool {
    matches!(connector.chosen_security(), Security::StartTls | Security::Opportunistic)
}

/// A probe that is being run.
struct Run<'a> {
    probe: &'a Probe,
    connector: Connector,
    stop: Stage,
    began: Instant,
    wall: SystemTime,
    record: Arc<Record>,
    /// The one whose turn it is.
    host: String,
    mail_hosts: Option<MailHosts>,
    failure: Option<Failure>,
    in_clear: Option<InClear>,
    transcript: Option<Transcript>,
}

/// What makes the verdict: the first thing that failed and was not made good.
enum Failure {
    Error(Arc<Error>),
    /// Of a recipient, or of the mail.
    Refusal(Stage, Reply),
    /// The domain takes no mail.
    NullMx,
}

impl Run<'_> {
    async fn all(&mut self) {
        self.record.turn_to(&self.host);
        if let Some(misuse) = self.probe.invalid.clone() {
            return self.fail(Error::new(Stage::Mail, misuse));
        }
        let hosts = match self.hosts().await {
            Ok(hosts) => hosts,
            Err(failure) => return self.failure = Some(failure),
        };
        for host in hosts {
            // One that failed before was not the last.
            self.failure = None;
            self.record.turn_to(&host);
            let connector = match self.probe.is_domain {
                true => self.connector.clone().at_host(&host).with_time_left(self.began),
                false => self.connector.clone(),
            };
            self.host = host;
            let Err(error) = self.visit(connector).await else { return };
            self.transcript = error.transcript().cloned();
            let has_answered = error.stage() > Stage::Greeting
                || (error.stage() == Stage::Handshake && secures_later(&self.connector));
            self.failure = Some(Failure::Error(Arc::new(error)));
            if has_answered {
                return;
            }
        }
    }

    /// The hosts to try, in order.
    async fn hosts(&mut self) -> Result<Vec<String>, Failure> {
        let itself = vec![self.host.clone()];
        if !self.probe.is_domain || ip_literal(&self.host).is_some() {
            return Ok(itself);
        }
        let found = self.connector.mail_hosts().await;
        let found = found.map_err(|error| Failure::Error(Arc::new(error)))?;
        let hosts = match &found {
            MailHosts::Mx(hosts) => Ok(hosts.iter().map(|mx| mx.host().to_owned()).collect()),
            MailHosts::Null => Err(Failure::NullMx),
            MailHosts::Implicit | MailHosts::NotAsked => Ok(itself),
        };
        self.mail_hosts = Some(found);
        hosts
    }

    /// All steps with one host. An error is of those up to AUTH, and was noted.
    async fn visit(&mut self, connector: Connector) -> Result<(), Error> {
        if self.stop < Stage::Greeting {
            connector.touch(self.stop).await?;
            self.record.done();
            return Ok(());
        }
        let smtp = connector.converse(self.stop).await?;
        self.note_clear(&smtp);
        let mut client = connector.in_one_call(smtp);
        if self.stop >= Stage::Mail
            && self.has_mail()
            && let Err(error) = self.mail(&mut client).await
        {
            self.fail(error);
        }
        // Amid content nothing but the end of the connection keeps the server from taking a mail.
        let mut smtp = client.into_conversation();
        if smtp.allows(Verb::Quit).is_ok()
            && let Err(error) = smtp.quit().await
        {
            self.record.failed(&error);
        }
        self.transcript = smtp.transcript().cloned();
        Ok(())
    }

    /// Why there is no TLS, where there need not be.
    fn note_clear(&mut self, smtp: &Conversation) {
        self.in_clear = smtp.in_clear().cloned();
        let why = match self.in_clear {
            Some(InClear::NotOffered) => Skipped::NotOffered,
            #[cfg(feature = "tls")]
            Some(InClear::HandshakeFailed(_)) => Skipped::StaysInClear,
            Some(InClear::Refused(_)) | None => return,
        };
        self.record.skip_behind(Stage::Ehlo, Stage::StartTls, why);
    }

    /// The steps of a mail, up to where it is to stop.
    async fn mail(&mut self, client: &mut Client) -> Result<(), Error> {
        let content = self.probe.content.as_deref();
        let sender = self.probe.sender.clone().unwrap_or(ReversePath::Null);
        let offers_size = client.conversation().capabilities().has(Size::KEYWORD);
        let size = content.filter(|_| offers_size).map(|content| content.len() as u64);
        let mut mail = client.mail_with(sender, size.map(MailParam::size)).await?;
        if self.stop == Stage::Mail {
            self.reset(mail).await;
            return Ok(());
        }
        let mut is_accepted = false;
        for recipient in &self.probe.recipients {
            let reply = mail.rcpt(recipient.clone()).await?;
            match reply.is_negative() {
                true => self.refuse(Stage::Rcpt, reply),
                false => is_accepted = true,
            }
        }
        if self.stop < Stage::Data || !is_accepted {
            self.reset(mail).await;
            return Ok(());
        }
        if self.stop > Stage::Data && content.is_none() {
            self.record.skip_behind(Stage::Rcpt, Stage::Data, Skipped::NoContent);
            self.reset(mail).await;
            return Ok(());
        }
        let mut body = mail.data().await?;
        let content = content.unwrap_or_default();
        match self.stop {
            Stage::Data => {}
            Stage::Content => {
                body.write(content).await?;
                self.record.done();
            }
            _ => self.look_at(&body.finish_with(content).await?),
        }
        Ok(())
    }

    /// Ends the mail. What becomes of that is noted, and makes no verdict.
    async fn reset(&self, mail: Transaction<'_>) {
        // A recipient may have been answered with 421.
        if mail.conversation().phase() != Phase::Closed
            && let Err(error) = mail.reset().await
        {
            self.record.failed(&error);
        }
    }

    /// What became of the mail: a refusal of a recipient was noted before.
    fn look_at(&mut self, delivery: &Delivery) {
        for recipient in delivery.recipients() {
            if let Outcome::Refused(refusal) = recipient.outcome()
                && refusal.stage() > Stage::Rcpt
            {
                self.refuse(refusal.stage(), refusal.reply().clone());
            }
        }
    }

    fn has_mail(&self) -> bool {
        self.probe.sender.is_some() || !self.probe.recipients.is_empty()
    }

    fn refuse(&mut self, stage: Stage, reply: Reply) {
        self.failure.get_or_insert(Failure::Refusal(stage, reply));
    }

    /// A step that could not be taken, which nobody has noted yet.
    fn fail(&mut self, error: Error) {
        self.record.failed(&error);
        self.failure.get_or_insert(Failure::Error(Arc::new(error)));
    }

    /// Where the server's addresses are silent: whether others are, too.
    async fn ask_references(&self) -> Option<ReferencesOutcome> {
        let Some(Failure::Error(error)) = &self.failure else { return None };
        let is_silent = match error.kind() {
            ErrorKind::Connect(fault) => fault.timed_out(),
            ErrorKind::Timeout(_) => error.stage() == Stage::Connect,
            _ => false,
        };
        if !is_silent || self.probe.references.is_empty() {
            return None;
        }
        let nobody = self.connector.clone().observed(Observer::default());
        let asked = self.probe.references.iter().map(|server| {
            let connector = nobody.clone().at_server(server).without_limit();
            async move { connector.touch(Stage::Connect).await }
        });
        outcome_of(asked).await
    }

    fn report(mut self, references: Option<ReferencesOutcome>) -> Report {
        let verdict = self.verdict();
        if let Verdict::Failed(stage) = verdict {
            self.record.never_reached(self.not_reached(stage));
        }
        let notes = self.record.take();
        let failure = self.failure.take();
        let is_secured = notes.after_tls.is_some();
        let hosts: Vec<String> = match &self.mail_hosts {
            Some(MailHosts::Mx(hosts)) => hosts.iter().map(|mx| mx.host().to_owned()).collect(),
            _ => Vec::new(),
        };
        let evidence = |finding| Evidence {
            host: match finding {
                Finding::Lookup => self.probe.connector.host(),
                _ => &self.host,
            },
            port: self.connector.dialled_port(),
            security: Some(self.connector.chosen_security()),
            mx: match &self.mail_hosts {
                Some(MailHosts::Mx(_)) => MxLookup::Hosts(&hosts),
                Some(MailHosts::Implicit) => MxLookup::None,
                Some(MailHosts::Null) => MxLookup::Null,
                Some(MailHosts::NotAsked) => MxLookup::NotAsked,
                None => self.failed_lookup(failure.as_ref()),
            },
            references,
            offered_in_clear: notes.before_tls.as_ref(),
            in_tls: Some(is_secured),
            ..Evidence::of(finding)
        };
        let diagnosis = failure.as_ref().map(|failure| {
            Diagnosis::of_evidence(&evidence(match failure {
                Failure::Error(error) => Finding::Error(error),
                Failure::Refusal(stage, reply) => Finding::Refusal(*stage, reply),
                Failure::NullMx => Finding::Lookup,
            }))
        });
        Report {
            server: self.probe.connector.shown(),
            mail_hosts: self.mail_hosts,
            host: self.host,
            began: self.wall,
            duration: self.began.elapsed(),
            stages: notes.steps,
            verdict,
            error: failure.and_then(|failure| match failure {
                Failure::Error(error) => Some(error),
                Failure::Refusal(..) | Failure::NullMx => None,
            }),
            diagnosis,
            before_tls: notes.before_tls,
            after_tls: notes.after_tls,
            in_clear: self.in_clear,
            quirks: notes.quirks,
            transcript: self.transcript,
        }
    }

    /// What became of a lookup that gave no hosts, if there was one.
    fn failed_lookup(&self, failure: Option<&Failure>) -> MxLookup<'static> {
        let Some(Failure::Error(error)) = failure else { return MxLookup::NotAsked };
        match error.kind() {
            _ if !self.probe.is_domain => MxLookup::NotAsked,
            ErrorKind::Resolve(fault) if fault.is_no_such_name() => MxLookup::NoSuchDomain,
            ErrorKind::Resolve(_) => MxLookup::Failed,
            _ => MxLookup::NotAsked,
        }
    }

    /// The steps that were to be taken behind this stage, and were not.
    fn not_reached(&self, failed: Stage) -> Vec<Stage> {
        let plan = self.plan();
        let counts = |stage| stage == failed;
        // Where EHLO was said twice, it failed the first time unless TLS was there.
        let at = match self.record.is_secured() {
            true => plan.iter().rposition(|stage| counts(*stage)),
            false => plan.iter().position(|stage| counts(*stage)),
        };
        let behind = at.map_or(&[][..], |at| plan.get(at + 1..).unwrap_or_default());
        let mut taken = self.record.taken(failed);
        let mut missing = Vec::new();
        for stage in behind {
            match taken.iter().position(|one| one == stage) {
                Some(at) => drop(taken.swap_remove(at)),
                None => missing.push(*stage),
            }
        }
        missing
    }

    /// The steps with one host, where nothing fails.
    fn plan(&self) -> Vec<Stage> {
        let mut plan = Vec::new();
        if self.connector.is_direct() {
            plan.push(Stage::Resolve);
        }
        plan.push(Stage::Connect);
        if self.connector.chosen_security() == Security::Implicit {
            plan.push(Stage::Handshake);
        }
        plan.extend([Stage::Greeting, Stage::Ehlo]);
        if secures_later(&self.connector) && self.in_clear.is_none() && self.stop > Stage::Ehlo {
            plan.extend([Stage::StartTls, Stage::Handshake]);
            if self.stop > Stage::StartTls {
                plan.push(Stage::Ehlo);
            }
        }
        if self.connector.has_credentials() {
            plan.push(Stage::Auth);
        }
        if self.has_mail() {
            plan.push(Stage::Mail);
            plan.extend(self.probe.recipients.iter().map(|_| Stage::Rcpt));
            plan.push(Stage::Data);
            if self.probe.content.is_some() {
                plan.extend([Stage::Content, Stage::EndOfData]);
            }
        }
        // TLS that comes by STARTTLS was looked at above, by when it comes.
        let is_later = |stage: &Stage| *stage == Stage::Handshake && secures_later(&self.connector);
        plan.retain(|stage| *stage <= self.stop || is_later(stage));
        plan
    }

    fn verdict(&self) -> Verdict {
        match &self.failure {
            None => Verdict::Ok,
            Some(Failure::Error(error)) => Verdict::Failed(error.stage()),
            Some(Failure::Refusal(stage, _)) => Verdict::Failed(*stage),
            Some(Failure::NullMx) => Verdict::Failed(Stage::Resolve),
        }
    }
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
