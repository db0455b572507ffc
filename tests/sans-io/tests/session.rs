//! What a script cannot say: calls that no conversation has, and what the session keeps.

use std::io::IoSlice;

use ehlo::{Command, Event, Phase, Protection, Session, SessionConfig, Step, Stage};

/// Writes all there is; says what it was.
fn written(session: &mut Session, content: &mut &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    while let Ok(Step::Write(_)) = session.poll() {
        let mut slices = [IoSlice::new(b""); 8];
        let used = session.gather(content, &mut slices).unwrap();
        let octets: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.to_vec()).collect();
        let consumed = session.wrote(octets.len());
        *content = &content[consumed..];
        wire.extend(octets);
    }
    wire
}

/// The server says this; the events it makes.
fn hear(session: &mut Session, octets: &[u8]) -> Vec<Event> {
    session.receive(octets);
    let mut events = Vec::new();
    while let Ok(Step::Event(event)) = session.poll() {
        events.push(event);
    }
    events
}

fn say(session: &mut Session, line: &[u8]) -> Vec<u8> {
    let command = Command::parse(line).or_else(|_| Command::raw(line)).unwrap();
    session.send(&command).unwrap();
    written(session, &mut &b""[..])
}

/// A session that has introduced itself to a server which offers these.
fn introduced(config: SessionConfig, keywords: &[&str]) -> Session {
    let mut session = Session::new(config);
    hear(&mut session, b"220 mx\r\n");
    say(&mut session, b"EHLO c.example");
    let mut reply = "250-mx\r\n".to_owned();
    for keyword in keywords {
        reply += &format!("250-{keyword}\r\n");
    }
    hear(&mut session, (reply + "250 HELP\r\n").as_bytes());
    assert_eq!(session.phase(), Phase::Ready);
    session
}

#[test]
fn t5_c_122_octets_between_the_220_and_the_handshake_are_never_read_as_if_through_tls() {
    let mut session = introduced(SessionConfig::default(), &["STARTTLS"]);
    say(&mut session, b"STARTTLS");
    hear(&mut session, b"220 go\r\n");
    assert_eq!(session.poll(), Ok(Step::StartTls));
    session.receive(b"250 inj");
    session.tls_started(Protection::Verified);
    assert_eq!(session.protection(), Protection::None);
    let violation = session.poll().unwrap_err().to_string();
    assert_eq!(violation, r#"octets in clear behind the reply to STARTTLS: "250 inj""#);
    assert_eq!(session.poll(), Ok(Step::Closed));
}

#[test]
fn t7_tls_that_starts_out_of_time_protects_nothing() {
    let mut session = introduced(SessionConfig::default(), &["AUTH PLAIN"]);
    session.tls_started(Protection::Verified);
    assert_eq!(session.protection(), Protection::None);
    assert!(session.send(&Command::auth("PLAIN", None).unwrap()).is_err());

    // A greeting in clear is not one that came through TLS.
    let mut session = Session::new(SessionConfig::default());
    session.receive(b"220 m");
    session.tls_started(Protection::Verified);
    assert_eq!(session.protection(), Protection::None);

    let mut session = Session::new(SessionConfig::default());
    session.tls_started(Protection::Verified);
    assert_eq!(session.poll(), Ok(Step::Read(Stage::Greeting)));
    assert_eq!(session.protection(), Protection::Verified);
}
