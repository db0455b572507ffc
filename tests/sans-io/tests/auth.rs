//! AUTH dialogues that a script cannot have: the mechanism's side of them.

use ehlo::{
    AuthFault, Command, Credentials, Event, Exchange, Mechanism, Offer, Phase, Quirk, Reply,
    Secret, Session, SessionConfig, Step, Verb,
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

/// A server that has to prove something.
struct Doubtful;

impl Mechanism for Doubtful {
    fn name(&self) -> &str {
        "X-PATIENT"
    }

    fn respond(&mut self, challenge: &[u8]) -> Result<Secret, AuthFault> {
        Ok(Secret::from(challenge))
    }

    fn succeeded(&mut self, text: &[u8]) -> Result<(), AuthFault> {
        match text {
            b"2.7.0 proved" => Ok(()),
            text => Err(AuthFault::NotBase64(text.into())),
        }
    }

    fn refused(&mut self, reply: &Reply) -> Option<AuthFault> {
        Some(AuthFault::NotBase64(reply.octets().into()))
    }
}

fn ended(reply: &str) -> (Session, Option<AuthFault>) {
    let mut session = introduced();
    let exchange = Exchange::begin(&mut session, Box::new(Doubtful)).unwrap();
    written(&mut session);
    session.receive(reply.as_bytes());
    session.poll().unwrap();
    assert!(!session.is_authenticated(), "before the mechanism has said so");
    let fault = exchange.end(&mut session);
    (session, fault)
}

#[test]
fn c_147_a_success_counts_only_when_the_mechanism_has_seen_the_servers_part() {
    let (session, fault) = ended("235 2.7.0 proved\r\n");
    assert_eq!(fault, None);
    assert!(session.is_authenticated());

    let (mut session, fault) = ended("235 2.7.0 welcome\r\n");
    assert_eq!(fault, Some(AuthFault::NotBase64((*b"2.7.0 welcome").into())));
    assert!(!session.is_authenticated());
    // It may be another server than it seems: nothing more is said to it.
    for verb in Verb::ALL.iter().filter(|verb| **verb != Verb::Quit) {
        let words = session.allows(*verb).unwrap_err().to_string();
        let to = "to a server that has not proved itself in AUTH: only QUIT is left";
        assert_eq!(words, format!("{verb} {to}"));
    }
    session.send(&Command::quit()).unwrap();
}

#[test]
fn dialect_59_a_refusal_may_be_told_by_the_mechanism() {
    let (session, fault) = ended("535 no\r\n");
    assert_eq!(fault, Some(AuthFault::NotBase64((*b"535 no\r\n").into())));
    assert!(!session.is_authenticated());
}

#[test]
fn dialect_58_another_2yz_than_235_is_a_success_and_noted() {
    let mut session = introduced();
    let (exchange, _) = begin(&mut session, None);
    session.receive(b"254 Authentication OK\r\n");
    session.poll().unwrap();
    assert!(session.reply().unwrap().quirks().contains(Quirk::OddAuthSuccess));
    assert_eq!(exchange.end(&mut session), None);
    assert!(session.is_authenticated());
    assert!(session.capabilities().has("AUTH"), "there is no layer that would begin anew");
    assert_eq!(session.phase(), Phase::Ready);
}

/// A layer over the stream (RFC 4422 §3.7), and nothing that the server would have to prove.
struct Layered;

impl Mechanism for Layered {
    fn name(&self) -> &str {
        "X-PATIENT"
    }

    fn respond(&mut self, challenge: &[u8]) -> Result<Secret, AuthFault> {
        Ok(Secret::from(challenge))
    }

    fn wants_proof(&self) -> bool {
        false
    }

    fn has_layer(&self) -> bool {
        true
    }
}

#[test]
fn a_success_with_a_layer_counts_once_the_layer_is_there() {
    let mut session = introduced();
    let exchange = Exchange::begin(&mut session, Box::new(Layered)).unwrap();
    written(&mut session);
    session.receive(b"235 welcome\r\n");
    session.poll().unwrap();
    assert!(!session.is_authenticated());
    assert_eq!(exchange.end(&mut session), None);
    assert_eq!((session.is_authenticated(), session.phase()), (true, Phase::Hello));
    assert!(!session.capabilities().has("AUTH"), "what was offered without it is forgotten");
}

/// So that a call may be dropped behind its last response.
#[test]
fn where_the_server_has_nothing_to_prove_its_word_counts_at_once() {
    let (password, token) =
        (Credentials::new("tim", "wonderland"), Credentials::token("tim", "ya29"));
    let challenges = ["334 VXNlcm5hbWU6\r\n", "334 UGFzc3dvcmQ6\r\n"];
    for (name, credentials, challenges) in [
        ("PLAIN", &password, &[][..]),
        ("LOGIN", &password, &challenges[..]),
        ("EXTERNAL", &Credentials::external(), &[]),
        ("ANONYMOUS", &Credentials::anonymous("tim"), &[]),
        ("OAUTHBEARER", &token, &[]),
        ("XOAUTH2", &token, &[]),
    ] {
        let mut session = introduced();
        let offer = Offer::new([name]).server("mx.example", 587);
        let mut exchange =
            Exchange::begin(&mut session, credentials.choose(&offer).unwrap()).unwrap();
        written(&mut session);
        for challenge in challenges {
            challenged(&mut session, &mut exchange, challenge);
        }
        session.receive(b"235 welcome\r\n");
        session.poll().unwrap();
        assert!(session.is_authenticated(), "{name}");
    }
}

/// Everything that goes over the wire, and what came of it.
fn played(credentials: &Credentials, mechanism: &str, replies: &[&str]) -> (String, String) {
    let mut session = introduced();
    let mechanism = credentials.choose(&Offer::new([mechanism]).server("mx.example", 587)).unwrap();
    let mut exchange = Exchange::begin(&mut session, mechanism).unwrap();
    let mut wire = written(&mut session);
    for reply in replies {
        session.receive(reply.as_bytes());
        match session.poll().unwrap() {
            Step::Event(Event::Challenge(_)) => {
                exchange.challenged(&mut session).unwrap();
                wire += &written(&mut session);
            }
            Step::Event(_) => break,
            step => panic!("{step:?}"),
        }
    }
    let end = match exchange.end(&mut session) {
        Some(fault) => fault.to_string(),
        None => format!("authenticated: {}", session.is_authenticated()),
    };
    (wire, end)
}

#[test]
fn external_and_anonymous_say_one_thing() {
    let done = "authenticated: true".to_owned();
    let (wire, end) = played(&Credentials::external(), "EXTERNAL", &["235 ok\r\n"]);
    assert_eq!((&*wire, &end), ("AUTH EXTERNAL =\r\n", &done));
    let sirhc = Credentials::anonymous("sirhc");
    let (wire, end) = played(&sirhc, "ANONYMOUS", &["235 ok\r\n"]);
    assert_eq!((&*wire, &end), ("AUTH ANONYMOUS c2lyaGM=\r\n", &done));
}

#[test]
fn dialect_56_login_goes_by_position_where_the_prompts_are_no_base64() {
    let tim = Credentials::new("tim", "wonderland");
    let replies = ["334 Username:\r\n", "334 Password:\r\n", "235 ok\r\n"];
    let (wire, end) = played(&tim, "LOGIN", &replies);
    assert_eq!(wire, "AUTH LOGIN\r\ndGlt\r\nd29uZGVybGFuZA==\r\n");
    assert_eq!(end, "authenticated: true");
}

/// The challenge of RFC 7628 §4.2.
const REFUSED: &str = "334 eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIG1hYyIsInNjb3BlIjoiaHR0cHM6Ly9tYWlsLmdvb2dsZS5jb20vIn0K\r\n";

#[test]
fn c_151_dialect_59_a_refused_token_is_answered_and_told() {
    let words = |mechanism| {
        format!(
            "{mechanism}: the token was refused (status 401, schemes bearer mac, scope \
             https://mail.google.com/); the server said: 535 5.7.8 no"
        )
    };
    let replies = [REFUSED, "535 5.7.8 no\r\n"];
    let token = Credentials::token("tim", "ya29");
    let (wire, end) = played(&token, "XOAUTH2", &replies);
    assert_eq!(wire, "AUTH XOAUTH2 dXNlcj10aW0BYXV0aD1CZWFyZXIgeWEyOQEB\r\n\r\n");
    assert_eq!(end, words("XOAUTH2"));
    let (wire, end) = played(&token, "OAUTHBEARER", &replies);
    assert!(wire.ends_with("\r\nAQ==\r\n"), "{wire}");
    assert_eq!(end, words("OAUTHBEARER"));
}

#[test]
fn t12_c_151_a_server_that_goes_on_refusing_is_left() {
    let token = Credentials::token("tim", "ya29");
    let replies = [REFUSED, "334 e30=\r\n", "501 5.7.0 cancelled\r\n"];
    let (wire, end) = played(&token, "XOAUTH2", &replies);
    assert!(wire.ends_with("\r\n\r\n*\r\n"), "{wire}");
    assert_eq!(end, "XOAUTH2 has no answer to the challenge \"{}\"");
}

#[test]
fn c_144_a_long_token_waits_to_be_asked_for() {
    let token = Credentials::token("tim", "x".repeat(1500));
    let (wire, end) = played(&token, "XOAUTH2", &["334 \r\n", REFUSED, "535 no\r\n"]);
    assert!(wire.starts_with("AUTH XOAUTH2\r\ndXNlcj10aW0BYXV0aD1CZWFyZXIgeHh4"), "{wire}");
    assert!(wire.ends_with("=\r\n\r\n") || wire.ends_with("\r\n\r\n"), "{wire}");
    assert!(end.starts_with("XOAUTH2: the token was refused (status 401"), "{end}");
}

/// Without the feature SCRAM is not there, and it is said what would bring it.
#[test]
fn what_scram_needs_is_said() {
    let password = Credentials::new("tim", "tanstaaf");
    let chosen = |offered: &[&str]| {
        let chosen = password.choose(&Offer::new(offered.iter().copied()));
        chosen.map(|mechanism| mechanism.name().to_owned()).map_err(|fault| fault.to_string())
    };
    assert_eq!(chosen(&["SCRAM-SHA-256", "PLAIN"]), Ok("PLAIN".to_owned()));
    let words = "the server offers no mechanism that can be used (it offers SCRAM-SHA-256, CRAM-MD5, \
                 NTLM); SCRAM-SHA-256, CRAM-MD5: only with the feature `scram`; NTLM: never used";
    assert_eq!(chosen(&["SCRAM-SHA-256", "CRAM-MD5", "NTLM"]), Err(words.to_owned()));
}
