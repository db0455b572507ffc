//! AUTH dialogues that a script cannot have: the mechanism's side of them.

use ehlo::{
    AuthFault, Command, Event, Exchange, Mechanism, Phase, Secret, Session, SessionConfig, Step,
};

/// Answers every challenge, and never comes to an end by itself.
struct Patient {
    initial: Option<&'static str>,
}

impl Mechanism for Patient {
    fn name(&self) -> &str {
        "X-PATIENT"
    }

    fn initial(&mut self) -> Option<Secret> {
        self.initial.map(Secret::from)
    }

    fn respond(&mut self, challenge: &[u8]) -> Result<Secret, AuthFault> {
        Ok(Secret::from(challenge))
    }
}

fn introduced() -> Session {
    let mut session = Session::new(SessionConfig::default().allow_cleartext());
    session.receive(b"220 mx\r\n");
    session.poll().unwrap();
    let ehlo = Command::parse(b"EHLO c.example").unwrap();
    session.send(&ehlo).unwrap();
    written(&mut session);
    session.receive(b"250-mx\r\n250 AUTH X-PATIENT\r\n");
    session.poll().unwrap();
    session
}

fn written(session: &mut Session) -> String {
    let mut slices = [std::io::IoSlice::new(b"")];
    let used = session.gather(b"", &mut slices).unwrap();
    let wire = slices[..used].iter().flat_map(|slice| slice.to_vec()).collect::<Vec<_>>();
    session.wrote(wire.len());
    String::from_utf8(wire).unwrap()
}

fn begin(session: &mut Session, initial: Option<&'static str>) -> (Exchange, String) {
    let exchange = Exchange::begin(session, Box::new(Patient { initial })).unwrap();
    let wire = written(session);
    (exchange, wire)
}

/// The server says this challenge; what the client says to it.
fn challenged(session: &mut Session, exchange: &mut Exchange, reply: &str) -> String {
    session.receive(reply.as_bytes());
    let challenge = Event::Challenge(exchange.ticket());
    assert_eq!(session.poll(), Ok(Step::Event(challenge)));
    exchange.challenged(session).unwrap();
    written(session)
}

#[test]
fn t12_c_145_a_dialogue_without_end_is_given_up_once() {
    let mut session = introduced();
    let (mut exchange, wire) = begin(&mut session, None);
    assert_eq!(wire, "AUTH X-PATIENT\r\n");
    for _ in 0..8 {
        assert_eq!(challenged(&mut session, &mut exchange, "334 eA==\r\n"), "eA==\r\n");
    }
    assert_eq!(challenged(&mut session, &mut exchange, "334 eA==\r\n"), "*\r\n");
    assert_eq!(exchange.end(&mut session), Some(AuthFault::Endless(8)));
    session.receive(b"334 eA==\r\n");
    assert!(session.poll().is_err());
    assert_eq!(session.phase(), Phase::Closed);
}

#[test]
fn t12_c_145_dialect_57_what_is_not_base64_is_answered_with_a_star() {
    for reply in ["334 eA=\r\n", "334 what?\r\n", "334-eA==\r\n334 eA==\r\n"] {
        let mut session = introduced();
        let (mut exchange, _) = begin(&mut session, None);
        assert_eq!(challenged(&mut session, &mut exchange, reply), "*\r\n", "{reply}");
        session.receive(b"501 5.7.0 cancelled\r\n");
        let end = Event::Reply(exchange.ticket());
        assert_eq!(session.poll(), Ok(Step::Event(end)));
        assert_eq!(session.phase(), Phase::Ready);
        assert!(matches!(exchange.end(&mut session), Some(AuthFault::NotBase64(_))));
    }
}

#[test]
fn t12_c_064_empty_challenges_and_responses_are_lawful() {
    let mut session = introduced();
    let (mut exchange, wire) = begin(&mut session, Some(""));
    assert_eq!(wire, "AUTH X-PATIENT =\r\n");
    for reply in ["334 \r\n", "334\r\n"] {
        assert_eq!(challenged(&mut session, &mut exchange, reply), "\r\n");
    }
}

#[test]
fn c_144_an_initial_response_that_does_not_fit_waits_for_the_first_challenge() {
    let long: &str = Box::leak("x".repeat(400).into_boxed_str());
    let mut session = introduced();
    let (mut exchange, wire) = begin(&mut session, Some(long));
    assert_eq!(wire, "AUTH X-PATIENT\r\n");
    let response = challenged(&mut session, &mut exchange, "334 \r\n");
    assert_eq!(response.len(), 400_usize.div_ceil(3) * 4 + 2);
}
