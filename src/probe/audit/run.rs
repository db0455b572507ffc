//! The checks in their order, and those that a session can make: what the probe notes, VRFY, EXPN.

use super::Audit;
use super::aside;
use super::end;
use super::report::{
    AuditCheck, AuditFinding, AuditReport, AuditSeverity, CheckOutcome, CheckReport,
};
use crate::net::{Connector, Conversation};
use crate::probe::{Probe, QuirkReport, Report};
use crate::protocol::Stage;
use crate::wire::{Command, Reply, Verb};

pub(super) async fn run(audit: &Audit) -> AuditReport {
    let connector = audit.connector.clone().anonymous();
    let report = Probe::with(connector.clone()).stop_after(Stage::Auth).run().await;
    let mut checks = vec![replies(&report)];
    if !was_heard(&report) {
        let skipped = |check: &AuditCheck| CheckReport::skipped(*check, "the server was not heard");
        checks.extend(AuditCheck::ALL.iter().skip(checks.len()).map(skipped));
        return AuditReport { report, checks };
    }
    checks.extend(lookups(audit, &connector).await);
    checks.push(aside::bare_lf(&connector).await);
    checks.push(aside::pipelining(&connector).await);
    checks.push(aside::injection(&connector, speaks_tls(&report)).await);
    checks.push(match &audit.mail_to {
        None => CheckReport::skipped(AuditCheck::EndOfData, "no mailbox was named to send mail to"),
        Some(Err(invalid)) => CheckReport::failed(AuditCheck::EndOfData, invalid),
        Some(Ok(to)) => end::of_data(&connector, to).await,
    });
    AuditReport { report, checks }
}

/// Whether it has said who it is: without that, nothing more can be learnt.
fn was_heard(report: &Report) -> bool {
    report.capabilities_before_tls().or_else(|| report.capabilities_after_tls()).is_some()
}

#[cfg(feature = "tls")]
fn speaks_tls(report: &Report) -> bool {
    report.tls().is_some()
}

#[cfg(not(feature = "tls"))]
const fn speaks_tls(_: &Report) -> bool {
    false
}

fn replies(report: &Report) -> CheckReport {
    let finding = |broken: &QuirkReport| AuditFinding {
        check: AuditCheck::Replies,
        severity: AuditSeverity::Violation,
        words: format!("{} at {}", broken.words(), broken.stage()),
        section: broken.rule(),
        line: broken.line().into(),
    };
    let findings: Vec<_> = report.conformance().map(finding).collect();
    let outcome = match (findings.is_empty(), was_heard(report)) {
        (false, _) => CheckOutcome::Found,
        (true, true) => CheckOutcome::Passed,
        (true, false) => return CheckReport::failed(AuditCheck::Replies, why(report)),
    };
    CheckReport { outcome, findings, ..CheckReport::passed(AuditCheck::Replies) }
}

/// Why the server was not heard.
fn why(report: &Report) -> String {
    report.error().map_or_else(|| report.verdict().to_string(), ToString::to_string)
}

/// VRFY and EXPN, over one session.
async fn lookups(audit: &Audit, connector: &Connector) -> [CheckReport; 2] {
    let asked = [
        (AuditCheck::Vrfy, audit.mailbox.clone().and_then(Command::vrfy)),
        (AuditCheck::Expn, audit.list.clone().and_then(Command::expn)),
    ];
    let mut smtp = connector.converse(Stage::Auth).await;
    let mut checks = Vec::new();
    for (check, command) in asked {
        checks.push(match (&mut smtp, command) {
            (Ok(smtp), Ok(command)) => lookup(check, smtp, &command).await,
            (_, Err(invalid)) => CheckReport::failed(check, invalid),
            (Err(error), _) => CheckReport::failed(check, error),
        });
    }
    if let Ok(smtp) = &mut smtp
        && smtp.allows(Verb::Quit).is_ok()
    {
        // What QUIT is answered with changes nothing.
        let _ = smtp.quit().await;
    }
    let [expn, vrfy] = [checks.pop(), checks.pop()];
    [
        vrfy.unwrap_or_else(|| CheckReport::passed(AuditCheck::Vrfy)),
        expn.unwrap_or_else(|| CheckReport::passed(AuditCheck::Expn)),
    ]
}

async fn lookup(check: AuditCheck, smtp: &mut Conversation, command: &Command<'_>) -> CheckReport {
    match smtp.say(command).await {
        Ok(reply) if tells(&reply) => CheckReport::found(AuditFinding {
            check,
            severity: AuditSeverity::Note,
            words: format!("{command} was answered for a stranger"),
            section: check.section(),
            line: first_line(&reply),
        }),
        Ok(_) => CheckReport::passed(check),
        Err(error) => CheckReport::failed(check, error),
    }
}

/// 252 tells nothing, and neither does a refusal that all get.
fn tells(reply: &Reply) -> bool {
    matches!(reply.code().number(), 250 | 251)
}

/// With its end.
pub(super) fn first_line(reply: &Reply) -> Box<[u8]> {
    reply.octets().split_inclusive(|octet| *octet == b'\n').next().unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_by_250_and_251_alone() {
        for (reply, told) in [
            ("250 Joe <joe@example.org>", true),
            ("251 <joe@example.net>", true),
            ("252 send some mail", false),
            ("502 no", false),
            ("550 nobody", false),
            ("553 ambiguous", false),
        ] {
            assert_eq!(tells(&reply.parse().unwrap()), told, "{reply}");
        }
        let reply = "250-a\n250 b".parse().unwrap();
        assert_eq!(&*first_line(&reply), b"250-a\r\n");
    }
}
