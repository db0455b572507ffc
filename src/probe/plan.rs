//! Which steps a probe takes with a host where nothing fails, and so which ones a failure has kept
//! from being taken. The steps are taken in `run`.

use super::Probe;
use crate::net::{Connector, Security};
use crate::protocol::Stage;

/// The last stage to take, as [`Probe::stop_after`] has it.
pub(super) fn last_stage(probe: &Probe) -> Stage {
    let by_default = if probe.content.is_some() { Stage::EndOfData } else { Stage::Rcpt };
    match probe.stop_after.unwrap_or(by_default) {
        Stage::Handshake if secures_later(&probe.connector) => Stage::StartTls,
        stage => stage.min(Stage::EndOfData),
    }
}

/// Whether TLS comes by STARTTLS.
pub(super) fn secures_later(connector: &Connector) -> bool {
    matches!(connector.chosen_security(), Security::StartTls | Security::Opportunistic)
}

/// Whether there is somebody to ask for.
pub(super) fn has_mail(probe: &Probe) -> bool {
    probe.sender.is_some() || !probe.recipients.is_empty()
}

/// The steps with one host up to this one, where nothing fails.
pub(super) fn plan(probe: &Probe, last: Stage, stays_in_clear: bool) -> Vec<Stage> {
    let connector = &probe.connector;
    let is_secured_later = secures_later(connector);
    let mut plan = Vec::new();
    if connector.is_direct() {
        plan.push(Stage::Resolve);
    }
    plan.push(Stage::Connect);
    if connector.chosen_security() == Security::Implicit {
        plan.push(Stage::Handshake);
    }
    plan.extend([Stage::Greeting, Stage::Ehlo]);
    if is_secured_later && !stays_in_clear && last >= Stage::StartTls {
        plan.extend([Stage::StartTls, Stage::Handshake]);
        if last > Stage::StartTls {
            plan.push(Stage::Ehlo);
        }
    }
    if connector.has_credentials() {
        plan.push(Stage::Auth);
    }
    if has_mail(probe) {
        plan.push(Stage::Mail);
        plan.extend(probe.recipients.iter().map(|_| Stage::Rcpt));
        plan.push(Stage::Data);
        if probe.content.is_some() {
            plan.extend([Stage::Content, Stage::EndOfData]);
        }
    }
    // The order of stages has the handshake first, where it is on connect.
    plan.retain(|stage| *stage <= last || (is_secured_later && *stage == Stage::Handshake));
    plan
}

/// What a plan has after the stage that failed, and was not taken after it either.
pub(super) fn not_reached(
    plan: &[Stage],
    failed: Stage,
    is_secured: bool,
    mut taken: Vec<Stage>,
) -> Vec<Stage> {
    // Where EHLO was to be said twice, it failed the first time unless TLS was there.
    let at = match is_secured {
        true => plan.iter().rposition(|stage| *stage == failed),
        false => plan.iter().position(|stage| *stage == failed),
    };
    let mut missing = Vec::new();
    for stage in at.and_then(|at| plan.get(at + 1..)).unwrap_or_default() {
        match taken.iter().position(|one| one == stage) {
            Some(at) => drop(taken.swap_remove(at)),
            None => missing.push(*stage),
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: [Stage; 3] = [Stage::Mail, Stage::Rcpt, Stage::Rcpt];

    fn probe(security: Security) -> Probe {
        let connector = Connector::new("mx.example").security(security);
        Probe::with(connector).recipient("bob@example.net").recipient("eve@example.net")
    }

    fn planned(probe: &Probe) -> Vec<Stage> {
        plan(probe, last_stage(probe), false)
    }

    #[test]
    fn what_is_asked_for_is_planned_and_no_more() {
        let begin = [Stage::Resolve, Stage::Connect, Stage::Greeting, Stage::Ehlo];
        assert_eq!(planned(&probe(Security::None)), [&begin[..], &MAIL].concat());
        let secured = [&begin[..], &[Stage::StartTls, Stage::Handshake]].concat();
        let of = |stage| planned(&probe(Security::StartTls).stop_after(stage));
        assert_eq!(of(Stage::Rcpt), [&secured[..], &[Stage::Ehlo], &MAIL].concat());
        assert_eq!(of(Stage::StartTls), secured);
        assert_eq!(of(Stage::Handshake), secured);
        assert_eq!(of(Stage::Auth), [&secured[..], &[Stage::Ehlo]].concat());
        assert_eq!(of(Stage::Ehlo), begin);
        assert_eq!(of(Stage::Resolve), begin[..1]);
        let implicit = planned(&probe(Security::Implicit).stop_after(Stage::Greeting));
        let begin = [Stage::Resolve, Stage::Connect, Stage::Handshake, Stage::Greeting];
        assert_eq!(implicit, begin);
    }

    #[test]
    fn what_was_taken_after_a_failure_was_reached() {
        let plan = planned(&probe(Security::None).content("x"));
        let rest = [Stage::Data, Stage::Content, Stage::EndOfData];
        let missing = |taken: &[Stage]| not_reached(&plan, Stage::Rcpt, false, taken.to_vec());
        assert_eq!(missing(&[]), [&[Stage::Rcpt], &rest[..]].concat());
        assert_eq!(missing(&[Stage::Rcpt]), rest);
        assert_eq!(missing(&[Stage::Rcpt, Stage::Data]), rest[1..]);
        assert_eq!(not_reached(&plan, Stage::Query, false, vec![]), []);
    }

    #[test]
    fn ehlo_fails_before_or_after_tls() {
        let plan = planned(&probe(Security::StartTls).stop_after(Stage::Auth));
        let missing = |is_secured| not_reached(&plan, Stage::Ehlo, is_secured, vec![]);
        assert_eq!(missing(true), []);
        assert_eq!(missing(false), [Stage::StartTls, Stage::Handshake, Stage::Ehlo]);
    }
}
