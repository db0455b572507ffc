//! The exact words of everything that can go wrong in a conversation.

use ehlo::{Misuse, Param, Phase, Reply, ReplyKind, ReplyRef, Stage, Strictness, Verb, Violation};

fn reply() -> Reply {
    let octets = b"550-5.7.1 not\r\n550 5.7.1 \x1b[2J you\r\n";
    let parsed = ReplyRef::parse(octets, ReplyKind::Other, Strictness::Tolerant);
    parsed.unwrap().unwrap().0.to_reply()
}

#[test]
fn t16_every_violation_has_these_words() {
    let not_a_reply = ReplyRef::parse(b"what\x1b\r\n", ReplyKind::Other, Strictness::Tolerant);
    for (violation, words) in [
        (Violation::Reply(not_a_reply.unwrap_err()), r#"not a reply line: "what\x1b""#),
        (
            Violation::Unexpected(reply()),
            r"a reply came that answers no command: 550-5.7.1 not 550 5.7.1 \x1b[2J you",
        ),
        (
            Violation::WrongClass { stage: Stage::Data, reply: reply() },
            r"DATA cannot be answered with 550-5.7.1 not 550 5.7.1 \x1b[2J you",
        ),
        (
            Violation::NoTransaction {
                stage: Stage::Rcpt,
                refused: "a refused MAIL",
                reply: reply(),
            },
            r"RCPT TO was accepted behind a refused MAIL: 550-5.7.1 not 550 5.7.1 \x1b[2J you",
        ),
        (
            Violation::BeforeEnd(reply()),
            r"a positive reply came before the content had ended: 550-5.7.1 not 550 5.7.1 \x1b[2J you",
        ),
        (
            Violation::BehindStartTls(b"250 x\r\n\x1b"[..].into()),
            r#"octets in clear behind the reply to STARTTLS: "250 x\x0d\x0a\x1b""#,
        ),
    ] {
        assert_eq!(violation.to_string(), words);
    }
}

#[test]
fn every_misuse_has_these_words() {
    let invalid = Param::new("not a keyword").unwrap_err();
    let invalid_words = invalid.to_string();
    for (misuse, words) in [
        (
            Misuse::OutOfOrder { verb: Verb::Data, when: "after RCPT", phase: Phase::Envelope },
            "DATA is lawful after RCPT, and the session is after MAIL",
        ),
        (
            Misuse::NotAwaited {
                what: "content",
                when: "after the go-ahead to DATA",
                phase: Phase::Ready,
            },
            "content is lawful after the go-ahead to DATA, and the session is outside a transaction",
        ),
        (Misuse::NoRoom(Verb::Mail, 1), "MAIL has to wait for a reply (1 in flight)"),
        (
            Misuse::Unsupported { keyword: "8BITMIME".into(), needs: "BODY=8BITMIME".into() },
            "the server does not offer 8BITMIME, which BODY=8BITMIME needs",
        ),
        (
            Misuse::NotCovered {
                param: "HOLDFOR=7200".into(),
                reason: "3600 seconds are its maximum".into(),
            },
            "HOLDFOR=7200 cannot be asked of this server: 3600 seconds are its maximum",
        ),
        (
            Misuse::RequireTls("the channel is in clear"),
            "REQUIRETLS needs verified TLS, and the channel is in clear",
        ),
        (
            Misuse::NeedsSmtpUtf8(r#""MAIL FROM:<é@example.org>""#.into()),
            r#""MAIL FROM:<é@example.org>" is not ASCII, which needs SMTPUTF8"#,
        ),
        (
            Misuse::LineTooLong { verb: Verb::Rcpt, length: 600, limit: 512 },
            "a RCPT line of 600 octets: the server takes 512",
        ),
        (
            Misuse::WrongProtocol(Verb::Lhlo),
            "LHLO does not belong to this protocol: SMTP greets with EHLO, LMTP with LHLO",
        ),
        (Misuse::TlsRequired(Verb::Auth), "AUTH in clear, where TLS is required"),
        (
            Misuse::SecretExposed("in clear"),
            "AUTH would send a secret in clear: only allow_cleartext lets it",
        ),
        (Misuse::Again(Verb::StartTls), "STARTTLS once more: it succeeded before"),
        (Misuse::BinaryOverData, "DATA cannot carry BODY=BINARYMIME content: BDAT can"),
        (
            Misuse::ContentPending(7),
            "7 octets of content are promised and have not been handed over",
        ),
        (Misuse::Closed, "the session is over"),
        (Misuse::Value(invalid), invalid_words.as_str()),
        (Misuse::Setting("no such thing".into()), "no such thing"),
    ] {
        assert_eq!(misuse.to_string(), words);
    }
}

#[test]
fn every_phase_has_these_words() {
    for (phase, words) in [
        (Phase::Greeting, "before the greeting"),
        (Phase::Hello, "before EHLO"),
        (Phase::Refused, "after a greeting that refused the session"),
        (Phase::Ready, "outside a transaction"),
        (Phase::Envelope, "after MAIL"),
        (Phase::Recipients, "after RCPT"),
        (Phase::Content, "inside the content"),
        (Phase::EndOfData, "behind the end of the content"),
        (Phase::Chunks, "between chunks"),
        (Phase::Spoiled, "after a failed transaction that RSET has not ended"),
        (Phase::Auth, "inside an AUTH dialogue"),
        (Phase::Handshake, "before the TLS handshake"),
        (Phase::Closed, "after the end of the session"),
    ] {
        assert_eq!(phase.to_string(), words);
        // Each has its place in the drawing.
        assert!(Phase::diagram().contains(&format!("{phase:?} -->")), "{phase:?}");
    }
}

#[test]
fn every_stage_has_these_words() {
    let words = [
        ("resolve", "name resolution"),
        ("connect", "connect"),
        ("handshake", "TLS handshake"),
        ("greeting", "greeting"),
        ("ehlo", "EHLO"),
        ("starttls", "STARTTLS"),
        ("auth", "AUTH"),
        ("mail", "MAIL FROM"),
        ("rcpt", "RCPT TO"),
        ("data", "DATA"),
        ("content", "content"),
        ("end_of_data", "end of data"),
        ("rset", "RSET"),
        ("query", "query"),
        ("quit", "QUIT"),
    ];
    let all = Stage::ALL.iter().map(|stage| (stage.name(), stage.to_string()));
    assert!(all.eq(words.map(|(name, words)| (name, words.to_owned()))));
}

#[test]
fn the_diagram_begins_and_ends() {
    let diagram = Phase::diagram();
    println!("{diagram}");
    assert!(diagram.starts_with(
        "stateDiagram-v2\n    [*] --> Greeting\n    Greeting --> Hello: greeting 220\n"
    ));
    assert!(diagram.ends_with("    Closed --> [*]\n"));
    assert!(diagram.contains("    Auth --> Ready: response, * 4yz/5yz\n"));
    // What leaves the phase as it is, or cannot be answered so, is not drawn.
    for line in diagram.lines() {
        let (from, to) = line.split_once(" --> ").unwrap_or((line, ""));
        assert_ne!(Some(from.trim()), to.split(':').next(), "{line}");
        assert_eq!(line, line.trim_end());
    }
    let mut lines: Vec<_> = diagram.lines().collect();
    let all = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), all, "a line stands twice");
}
