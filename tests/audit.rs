//! The audit against a server for tests that does one thing wrong at a time: that and nothing else is
//! found, with the line that shows it.
#![cfg(all(feature = "probe", feature = "testing"))]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::time::Duration;

use ehlo::testing::{Running, Server};
use ehlo::{
    Audit, AuditCheck, AuditReport, AuditSeverity, CheckOutcome, Connector, Security, Timeouts,
    Verb,
};

fn connector(server: &Running) -> Connector {
    Connector::new(server.addr().to_string())
        .client_name("c.example")
        .security(Security::Opportunistic)
        .timeouts(Timeouts::all(Duration::from_secs(5)))
}

/// No mail may be sent, so that none is.
async fn audit(server: Server) -> AuditReport {
    let server = server.start().await.unwrap();
    let report = Audit::with(connector(&server)).run().await;
    assert!(server.mails().is_empty());
    report
}

/// That this check has found what has these words and this line, and no other has found anything.
#[track_caller]
fn found(report: &AuditReport, check: AuditCheck, words: &str, line: &str) -> AuditSeverity {
    let found: Vec<_> = report.findings().collect();
    let [finding] = found.as_slice() else { panic!("{report}") };
    assert_eq!((finding.check(), finding.words()), (check, words), "{report}");
    assert_eq!(String::from_utf8_lossy(finding.line()), line);
    for one in report.checks() {
        let expected = match one.check() {
            found if found == check => CheckOutcome::Found,
            AuditCheck::EndOfData => CheckOutcome::Skipped,
            _ => CheckOutcome::Passed,
        };
        assert_eq!(one.outcome(), expected, "{report}");
    }
    assert_eq!(report.worst(), Some(finding.severity()));
    finding.severity()
}

#[tokio::test]
async fn t6_a_strict_server_passes_every_check() {
    let server = Server::new().start().await.unwrap();
    let report = Audit::with(connector(&server)).mail_to("bob@example.test").run().await;
    assert_eq!(report.findings().count(), 0, "{report}");
    let checks: Vec<_> = report.checks().iter().map(|one| one.check()).collect();
    assert_eq!(checks, AuditCheck::ALL);
    assert!(report.checks().iter().all(|one| one.outcome() == CheckOutcome::Passed), "{report}");
    assert_eq!(report.worst(), None);
    assert!(report.report().is_ok());
    assert!(report.to_string().ends_with("\nfound: nothing\n"), "{report}");
}

#[tokio::test]
async fn t6_commands_that_slip_in_front_of_tls_are_found() {
    let report = audit(Server::new().runs_injected_commands()).await;
    let words = "a command in clear behind STARTTLS was run when TLS was on";
    let severity = found(&report, AuditCheck::StartTlsInjection, words, "250 2.0.0 ok\r\n");
    assert_eq!(severity, AuditSeverity::Vulnerability);
    let line = "    vulnerability: a command in clear behind STARTTLS was run when TLS was on; what a \
                client has said before TLS is forgotten when TLS is on (RFC 3207 §4.2): \
                \"250 2.0.0 ok\"\n";
    assert!(report.to_string().contains(line), "{report}");
}

/// A strict server takes the one mail whole, whatever stands in it.
#[tokio::test]
async fn t1_a_mail_that_ends_where_it_should_is_one_mail() {
    for server in [Server::new(), Server::new().withhold("PIPELINING")] {
        let server = server.start().await.unwrap();
        let report = Audit::with(connector(&server)).mail_to("bob@example.test").run().await;
        let check = report.check(AuditCheck::EndOfData).unwrap();
        assert_eq!((check.outcome(), check.words()), (CheckOutcome::Passed, None), "{report}");
        let mails = server.mails();
        let [mail] = mails.as_slice() else { panic!("{}", mails.len()) };
        assert_eq!(mail.sender().to_string(), "<>");
        assert_eq!(mail.recipients()[0].to_string(), "<bob@example.test>");
        assert!(mail.is_tls(), "TLS was offered");
        let content = String::from_utf8_lossy(mail.content()).into_owned();
        assert_eq!(content.matches("It goes on.").count(), 11);
        assert!(content.ends_with("RSET\r\n"), "{content}");
    }
}

#[tokio::test]
async fn t1_each_false_end_of_a_mail_is_found_by_its_octets() {
    // Who takes one sequence takes what has it inside.
    for (octets, names) in [
        (&b"\n.\n"[..], &["<LF>.<LF>", "<CR><LF>.<LF>"][..]),
        (b"\n.\r\n", &["<LF>.<CR><LF>"]),
        (b"\r.\r", &["<CR>.<CR>", "<CR>.<CR><LF>"]),
        (b"\r\n\0.\r\n", &["<CR><LF><NUL>.<CR><LF>"]),
    ] {
        for withheld in ["HELP", "PIPELINING"] {
            let server = Server::new().ends_content_at(octets).withhold(withheld);
            let server = server.start().await.unwrap();
            let audit = Audit::with(connector(&server).security(Security::None));
            let report = audit.mail_to("bob@example.test").run().await;
            let words = |name| format!("a mail was taken to end at {name}");
            let expected: Vec<_> = names.iter().map(words).collect();
            let found: Vec<_> = report.findings().map(|one| one.words().to_owned()).collect();
            assert_eq!(found, expected, "{report}");
            for finding in report.findings() {
                let told = (finding.check(), finding.section(), finding.severity());
                let severity = AuditSeverity::Vulnerability;
                assert_eq!(told, (AuditCheck::EndOfData, "RFC 5321 §4.1.1.4", severity));
            }
            // With all of them, and with each alone.
            assert_eq!(server.mails().len(), 12);
        }
    }
}

/// Postfix answers the first line that is no command with a farewell.
#[tokio::test]
async fn t1_a_false_end_is_found_though_the_session_ends_at_once() {
    let server = Server::new().ends_content_at(b"\n.\n").reply_to(Verb::Other, "221 2.7.0 bye");
    let server = server.start().await.unwrap();
    let audit = Audit::with(connector(&server).security(Security::None));
    let report = audit.mail_to("bob@example.test").run().await;
    let check = report.check(AuditCheck::EndOfData).unwrap();
    assert_eq!(check.outcome(), CheckOutcome::Found, "{report}");
}

/// Whether a mail is refused, and how a session ends, says nothing of where the mail ended.
#[tokio::test]
async fn t1_other_oddities_are_no_false_end() {
    let upset = Server::new().reply_at_end("554 5.6.0 bare line ends");
    let rude = Server::new().reply_to(Verb::Quit, "500 5.5.2 what?");
    for server in [upset, rude] {
        let server = server.start().await.unwrap();
        // It waits in vain for a farewell.
        let connector = connector(&server).timeouts(Timeouts::all(Duration::from_secs(2)));
        let report = Audit::with(connector).mail_to("bob@example.test").run().await;
        let check = report.check(AuditCheck::EndOfData).unwrap();
        assert_eq!(check.outcome(), CheckOutcome::Passed, "{report}");
    }
    // No mail, no answer.
    let server = Server::new().refuse("bob@example.test", "550 5.1.1 no bob");
    let server = server.start().await.unwrap();
    for (to, words) in [
        ("bob@example.test", "the server said 550 5.1.1 no bob"),
        ("bob", "mailbox \"bob\": it has no `@` and no domain"),
    ] {
        let report = Audit::with(connector(&server)).mail_to(to).run().await;
        let check = report.check(AuditCheck::EndOfData).unwrap();
        assert_eq!((check.outcome(), check.words()), (CheckOutcome::Failed, Some(words)));
    }
    let gone = Server::new().reply_to(Verb::Rset, "421 4.3.2 shutting down").start().await.unwrap();
    let report = Audit::with(connector(&gone)).mail_to("bob@example.test").run().await;
    let check = report.check(AuditCheck::EndOfData).unwrap();
    let words = "the server said 421 4.3.2 shutting down";
    assert_eq!((check.outcome(), check.words()), (CheckOutcome::Failed, Some(words)));

    let report = Audit::with(connector(&server)).run().await;
    let check = report.check(AuditCheck::EndOfData).unwrap();
    let words = "no mailbox was named to send mail to";
    assert_eq!((check.outcome(), check.words()), (CheckOutcome::Skipped, Some(words)));
}

/// The injected command is in the same write as STARTTLS, and nothing of the connection is used
/// again.
#[tokio::test]
async fn t6_the_injection_has_a_connection_of_its_own() {
    let server = Server::new().runs_injected_commands().start().await.unwrap();
    Audit::with(connector(&server)).run().await;
    let logs = server.log();
    let injected: Vec<_> = logs.iter().filter(|log| log.contains("C: NOOP")).collect();
    let [log] = injected.as_slice() else { panic!("{logs:?}") };
    let expected = "C: STARTTLS\nS: 220 2.0.0 go ahead\n-- TLS\nC: NOOP\nS: 250 2.0.0 ok\n\
                    C: QUIT\nS: 221 2.0.0 bye\n";
    assert!(log.ends_with(expected), "{log}");
}

#[tokio::test]
async fn a_bare_lf_that_is_taken_is_found() {
    let words = "RSET with a lone LF behind it was taken for a command";
    let report = audit(Server::new().takes_bare_lf()).await;
    let severity = found(&report, AuditCheck::BareLf, words, "250 2.0.0 ok\r\n");
    assert_eq!(severity, AuditSeverity::Violation);
    // And where nothing may be written ahead.
    let report = audit(Server::new().takes_bare_lf().withhold("PIPELINING")).await;
    let check = report.check(AuditCheck::BareLf).unwrap();
    assert_eq!((check.outcome(), check.findings()[0].words()), (CheckOutcome::Found, words));
    let check = report.check(AuditCheck::Pipelining).unwrap();
    let told = (check.outcome(), check.words());
    assert_eq!(told, (CheckOutcome::Skipped, Some("PIPELINING is not offered")));
    let report = audit(Server::new().withhold("PIPELINING")).await;
    assert_eq!(report.check(AuditCheck::BareLf).unwrap().outcome(), CheckOutcome::Passed);
}

#[tokio::test]
async fn commands_that_are_lost_are_counted() {
    let server = Server::new().loses_pipelined().start().await.unwrap();
    let report = Audit::with(connector(&server).security(Security::None)).run().await;
    let check = report.check(AuditCheck::Pipelining).unwrap();
    let [finding] = check.findings() else { panic!("{report}") };
    assert_eq!(finding.words(), "8 commands in one write had 1 replies");
    let told = (finding.severity(), finding.section(), finding.line());
    assert_eq!(told, (AuditSeverity::Violation, "RFC 2920 §3.2", &b"250 2.0.0 ok\r\n"[..]));
}

#[tokio::test]
async fn names_that_are_given_away_are_notes() {
    let known = "Joe <postmaster@example.test>";
    let report = audit(Server::new().known("postmaster", known)).await;
    let line = "250 2.1.5 Joe <postmaster@example.test>\r\n";
    let words = "VRFY postmaster was answered for a stranger";
    assert_eq!(found(&report, AuditCheck::Vrfy, words, line), AuditSeverity::Note);

    let server = Server::new().list("staff", ["<joe@example.test>", "<ann@example.test>"]);
    let server = server.start().await.unwrap();
    let report = Audit::with(connector(&server)).list("staff").run().await;
    let words = "EXPN staff was answered for a stranger";
    let line = "250-2.1.5 <joe@example.test>\r\n";
    assert_eq!(found(&report, AuditCheck::Expn, words, line), AuditSeverity::Note);
}

/// What the probe notes on its way is a part of it.
#[tokio::test]
async fn wrong_syntax_of_ehlo_is_found_with_its_line() {
    let hello = "C: EHLO c.example\nS! 250-mx.example.net\\x0d\\x0a\nS! 250 SIZE 1000\\x0a\n";
    let script = format!("S: 220 mx.example.net\n{hello}-- close");
    let server = Server::script(script.parse().unwrap()).start().await.unwrap();
    let connector = connector(&server).security(Security::None);
    let report = Audit::with(connector).run().await;
    let check = report.check(AuditCheck::Replies).unwrap();
    let [finding] = check.findings() else { panic!("{report}") };
    assert_eq!(finding.words(), "a bare LF as line end at EHLO");
    let told = (finding.section(), finding.line());
    assert_eq!(told, ("RFC 5321 §2.3.8", &b"250 SIZE 1000\n"[..]));
    // The rest could not be made, and says so.
    let check = report.check(AuditCheck::Vrfy).unwrap();
    assert_eq!(check.outcome(), CheckOutcome::Failed, "{report}");
}

#[tokio::test]
async fn what_cannot_be_checked_is_no_success() {
    let server = Server::new().greeting("554 5.3.2 no mail").start().await.unwrap();
    let report = Audit::with(connector(&server)).run().await;
    let outcomes: Vec<_> = report.checks().iter().map(|one| one.outcome()).collect();
    assert_eq!(outcomes[0], CheckOutcome::Failed);
    assert!(outcomes[1..].iter().all(|one| *one == CheckOutcome::Skipped), "{report}");
    let end = "\nfound: nothing, since nothing could be checked\n";
    assert!(report.to_string().ends_with(end), "{report}");

    let server = Server::new().withhold("STARTTLS").start().await.unwrap();
    let report = Audit::with(connector(&server)).mailbox("a\r\nb").run().await;
    let words = |check| report.check(check).unwrap().words().unwrap_or_default().to_owned();
    assert_eq!(words(AuditCheck::StartTlsInjection), "STARTTLS is not offered");
    assert_eq!(words(AuditCheck::Vrfy), r#"text "a\x0d\x0ab": a control character cannot be sent"#);

    let server = Server::new().implicit_tls().start().await.unwrap();
    let connector = connector(&server).security(Security::Implicit);
    let report = Audit::with(connector.dangerous().accept_any_certificate()).run().await;
    let check = report.check(AuditCheck::StartTlsInjection).unwrap();
    let told = (check.outcome(), check.words());
    assert_eq!(told, (CheckOutcome::Skipped, Some("TLS is there from the start")));
    assert_eq!(report.check(AuditCheck::Pipelining).unwrap().outcome(), CheckOutcome::Passed);
}

/// A refusal of STARTTLS with something behind it is as it should be.
#[tokio::test]
async fn t6_starttls_that_is_refused_is_safe() {
    let server = Server::new().reply_to(Verb::StartTls, "454 4.7.0 no TLS now");
    let report = audit(server.runs_injected_commands()).await;
    let check = report.check(AuditCheck::StartTlsInjection).unwrap();
    assert_eq!(check.outcome(), CheckOutcome::Passed);
}

/// A handshake that fails tells nothing of a server with which none was ever done.
#[tokio::test]
async fn t6_a_failed_handshake_is_no_proof_by_itself() {
    // Each connection up to STARTTLS, and then no TLS.
    let script = "S: 220 mx.example.net\nC: EHLO c.example\nS: 250-mx.example.net\n\
                  S: 250 STARTTLS\nC: STARTTLS\nC: NOOP\nS: 220 go\n-- close";
    let server = Server::script(script.parse().unwrap()).start().await.unwrap();
    let connector = connector(&server).security(Security::None);
    let report = Audit::with(connector).run().await;
    let check = report.check(AuditCheck::StartTlsInjection).unwrap();
    assert_eq!(check.outcome(), CheckOutcome::Failed, "{report}");
    assert!(check.words().unwrap().contains("handshake"), "{report}");
}

/// What is answered in clear behind the 220 came from no TLS at all.
#[tokio::test]
async fn t6_a_command_that_is_answered_in_front_of_tls_is_found() {
    let script = "S: 220 mx.example.net\nC: EHLO c.example\nS: 250-mx.example.net\n\
                  S: 250 STARTTLS\nC: STARTTLS\nC: NOOP\nS! 220 go\\x0d\\x0a250 injected\\x0d\\x0a\n\
                  -- close";
    let server = Server::script(script.parse().unwrap()).start().await.unwrap();
    let connector = connector(&server).security(Security::None);
    let report = Audit::with(connector).run().await;
    let check = report.check(AuditCheck::StartTlsInjection).unwrap();
    let [finding] = check.findings() else { panic!("{report}") };
    assert_eq!(finding.line(), b"250 injected\r\n");
    assert_eq!(finding.severity(), AuditSeverity::Vulnerability);
}
