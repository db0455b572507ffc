//! What a transcript says of conversations that no script has, since they break off.

use std::io::IoSlice;

use ehlo::{Command, Phase, Secret, Session, SessionConfig, Step};
use sans_io::stream::written;

fn hear(session: &mut Session, octets: &[u8]) {
    session.receive(octets);
    while let Ok(Step::Event(_)) = session.poll() {}
}

fn say(session: &mut Session, line: &str, reply: &[u8]) {
    session.send(&Command::parse(line.as_bytes()).unwrap()).unwrap();
    written(session, b"");
    hear(session, reply);
}

/// A session with a transcript that has introduced itself to a server which offers this.
fn introduced(keyword: &str) -> Session {
    let config = SessionConfig::default().allow_cleartext().transcript(4096);
    let mut session = Session::new(config);
    hear(&mut session, b"220 mx\r\n");
    say(&mut session, "EHLO c.example", format!("250-mx\r\n250 {keyword}\r\n").as_bytes());
    session
}

/// The same, up to the go-ahead.
fn up_to_content() -> Session {
    let mut session = introduced("HELP");
    say(&mut session, "MAIL FROM:<>", b"250 ok\r\n");
    say(&mut session, "RCPT TO:<b@example.org>", b"250 ok\r\n");
    say(&mut session, "DATA", b"354 go\r\n");
    session
}

/// What the transcript has behind this line.
fn behind(line: &str, session: &Session) -> String {
    let transcript = session.transcript().unwrap().to_string();
    let (_, behind) = transcript.split_once(&format!("{line}\n")).unwrap();
    behind.to_owned()
}

#[test]
fn t5_c_122_octets_behind_starttls_are_shown_and_no_go_ahead_is_heard() {
    let mut session = introduced("STARTTLS");
    say(&mut session, "STARTTLS", b"");
    session.receive(b"220 go\r\n250 inj");
    let violation = session.poll().unwrap_err().to_string();
    assert_eq!(violation, r#"octets in clear behind the reply to STARTTLS: "250 inj""#);
    assert_eq!(session.poll(), Ok(Step::Closed));
    assert_eq!(behind("C: STARTTLS", &session), "S: 220 go\nS! 250 inj\n");
}

/// What is shown behind the go-ahead, where ten of a hundred octets are written.
fn cut(is_ended: bool, end: impl Fn(&mut Session)) -> String {
    let mut session = up_to_content();
    session.content(100).unwrap();
    if is_ended {
        session.finish().unwrap();
    }
    session.gather(&[b'x'; 100], &mut [IoSlice::new(b""); 8]).unwrap();
    session.wrote(10);
    end(&mut session);
    assert_eq!(session.phase(), Phase::Closed);
    behind("S: 354 go", &session)
}

#[test]
fn t18_how_much_of_a_mail_was_sent_is_shown() {
    for is_ended in [false, true] {
        let closed = cut(is_ended, |session| {
            session.end_of_input();
            assert_eq!(session.poll(), Ok(Step::Closed));
        });
        assert_eq!(closed, "C: <content 10>\n-- close\n");
        for said in ["552 too much", "250 ok", "what"] {
            let shown = cut(is_ended, |session| hear(session, format!("{said}\r\n").as_bytes()));
            assert_eq!(shown, format!("C: <content 10>\nS: {said}\n"));
        }
    }
}

#[test]
fn behind_a_whole_mail_none_is_cut() {
    let mut session = up_to_content();
    session.content(2).unwrap();
    session.finish().unwrap();
    written(&mut session, b"\r\n");
    hear(&mut session, b"250 queued\r\n");
    session.send(&Command::quit()).unwrap();
    session.end_of_input();
    assert_eq!(session.poll(), Ok(Step::Closed));
    let shown = behind("S: 354 go", &session);
    assert_eq!(shown, "C: <content 2>\nC: .\nS: 250 queued\n-- close\n");
}

/// Some servers say what it is that they do not know.
#[test]
fn t11_what_a_server_quotes_of_a_secret_is_overwritten() {
    let mut session = introduced("AUTH PLAIN ANONYMOUS LOGIN");
    let auth = Command::auth("PLAIN", Some(Secret::from("\0alice\0wonderland"))).unwrap();
    session.send(&auth).unwrap();
    let line = String::from_utf8(written(&mut session, b"")).unwrap();
    let said = line.strip_prefix("AUTH PLAIN ").unwrap().trim_end();
    hear(&mut session, format!("501 {said} unknown\r\n").as_bytes());
    let stars = "*".repeat(said.len());
    assert_eq!(behind("C: AUTH PLAIN <secret>", &session), format!("S: 501 {stars} unknown\n"));

    // The name of a mechanism is none.
    say(&mut session, "AUTH ANONYMOUS aHVzaA==", b"504 ANONYMOUS is unknown\r\n");
    assert_eq!(behind("C: AUTH ANONYMOUS <secret>", &session), "S: 504 ANONYMOUS is unknown\n");

    say(&mut session, "AUTH LOGIN", b"334 VXNlcm5hbWU6\r\n");
    session.respond(b"wonderland").unwrap();
    written(&mut session, b"");
    hear(&mut session, b"501 d29uZGVybGFuZA== unknown\r\n");
    assert_eq!(behind("C: <secret>", &session), "S: 501 **************** unknown\n");
}
