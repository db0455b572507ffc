//! The steps of a probe: the hosts of a domain, the way to one of them, a mail up to where it is to
//! stop, and a farewell. How each step is taken is the business of `net`.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;

use super::diagnosis::{Evidence, Finding, MxLookup, ReferencesOutcome};
use super::plan::{has_mail, last_stage, not_reached, plan, secures_later};
use super::record::Record;
use super::{Diagnosis, Probe, Report, Skipped, Verdict, references};
use crate::error::{Error, ErrorKind};
use crate::extension::{Extension, MailParam, Size};
use crate::net::{
    Client, Connector, Conversation, InClear, MailHosts, Observe as _, Observer, Transaction,
    ip_literal,
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
    let references = match &run.failure {
        Some(Failure::Error(error)) => references::ask(probe, error).await,
        _ => None,
    };
    run.report(references)
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
                true => self.connector.clone().at_mail_host(&host).with_time_left(self.began),
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
        let mut client = Connector::in_one_call(smtp);
        if self.stop >= Stage::Mail
            && has_mail(self.probe)
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
        self.record.skip_after(Stage::Ehlo, Stage::StartTls, why);
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
            // 421 is the end, whatever it answers.
            if mail.conversation().phase() == Phase::Closed {
                return Ok(());
            }
        }
        if self.stop < Stage::Data || !is_accepted {
            self.reset(mail).await;
            return Ok(());
        }
        if self.stop > Stage::Data && content.is_none() {
            self.record.skip_after(Stage::Rcpt, Stage::Data, Skipped::NoContent);
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
        if let Err(error) = mail.reset().await {
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

    fn refuse(&mut self, stage: Stage, reply: Reply) {
        self.failure.get_or_insert(Failure::Refusal(stage, reply));
    }

    /// A step that could not be taken, which nobody has noted yet.
    fn fail(&mut self, error: Error) {
        self.record.failed(&error);
        self.failure.get_or_insert_with(|| Failure::Error(Arc::new(error)));
    }

    fn report(mut self, references: Option<ReferencesOutcome>) -> Report {
        let verdict = self.verdict();
        if let Verdict::Failed(stage) = verdict {
            let plan = plan(self.probe, self.stop, self.in_clear.is_some());
            let taken = self.record.taken(stage);
            let missing = not_reached(&plan, stage, self.record.is_secured(), taken);
            self.record.never_reached(missing);
        }
        let is_secured = self.record.is_secured();
        let notes = self.record.take();
        let failure = self.failure.take();
        let hosts: Vec<String> = match &self.mail_hosts {
            Some(MailHosts::Mx(hosts)) => hosts.iter().map(|mx| mx.host().to_owned()).collect(),
            _ => Vec::new(),
        };
        let evidence = |finding| Evidence {
            host: self.probe.connector.host(),
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

    fn verdict(&self) -> Verdict {
        match &self.failure {
            None => Verdict::Ok,
            Some(Failure::Error(error)) => Verdict::Failed(error.stage()),
            Some(Failure::Refusal(stage, _)) => Verdict::Failed(*stage),
            Some(Failure::NullMx) => Verdict::Failed(Stage::Resolve),
        }
    }
}
