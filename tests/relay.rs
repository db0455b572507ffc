//! The relay test against the server for tests: each form as it is said and answered, what makes the
//! verdict, and where it stops.
#![cfg(all(feature = "probe", feature = "testing"))]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::time::Duration;

use ehlo::testing::{Running, Server};
use ehlo::{
    Connector, Diagnosis, ErrorKind, RelayForm, RelayOutcome, RelayReport, RelayTest, RelayVerdict,
    RootCertificates, Security, Stage, Timeouts, Verb,
};

fn connector(server: &Running) -> Connector {
    Connector::new(server.addr().to_string())
        .client_name("c.example")
        .security(Security::None)
        .timeouts(Timeouts::all(Duration::from_secs(5)))
}

fn test(server: &Running) -> RelayTest {
    RelayTest::with(connector(server)).local("example.org").foreign("carol@example.net")
}

fn outcomes(report: &RelayReport) -> Vec<RelayOutcome> {
    report.attempts().iter().map(|one| one.outcome()).collect()
}

#[tokio::test]
async fn every_form_is_a_transaction_that_ends_with_rset() {
    let refusal = "554 5.7.1 Relay access denied";
    let server = Server::new().reply_to(Verb::Rcpt, refusal).start().await.unwrap();
    let report = test(&server).run().await;
    assert_eq!(report.verdict(), RelayVerdict::Refused);
    assert!(report.error().is_none(), "{report}");
    let log = server.log().concat();
    let mut expected = String::new();
    for attempt in report.attempts() {
        assert_eq!(attempt.outcome(), RelayOutcome::Refused, "{attempt}");
        expected += &format!("C: MAIL FROM:{}\n", attempt.sender());
        if attempt.stage() == Some(Stage::Rcpt) {
            expected += &format!("C: RCPT TO:{}\n", attempt.recipient());
            assert_eq!(attempt.reply().unwrap().to_string(), refusal);
        }
        expected += "C: RSET\n";
    }
    let said = log.lines().filter(|line| line.starts_with("C: "));
    let said: Vec<_> = said.map(|line| format!("{line}\n")).collect();
    assert_eq!(said.concat(), format!("C: EHLO c.example\n{expected}C: QUIT\n"));
    // The sender without a domain is no path, so that this server does not hear of the recipient.
    let forms = report.attempts().iter().map(|one| one.form());
    assert_eq!(forms.collect::<Vec<_>>(), RelayForm::ALL);
    let attempt = report.attempt(RelayForm::SenderWithoutDomain).unwrap();
    assert_eq!(attempt.stage(), Some(Stage::Mail));
    assert_eq!(server.log().len(), 1, "one connection");
}

/// The server for tests reads paths as RFC 5321 has them: some forms are none.
#[tokio::test]
async fn accepted_is_not_relayed() {
    let server = Server::new().start().await.unwrap();
    let mut report = test(&server).run().await;
    assert_eq!(report.verdict(), RelayVerdict::AcceptedAtRcpt);
    for (form, outcome) in [
        (RelayForm::ForeignToForeign, RelayOutcome::Accepted),
        (RelayForm::PercentAtLiteral, RelayOutcome::Accepted),
        (RelayForm::SourceRoute, RelayOutcome::Accepted),
        (RelayForm::Quoted, RelayOutcome::Refused),
        (RelayForm::TwiceAtLocal, RelayOutcome::Refused),
        (RelayForm::Bang, RelayOutcome::Refused),
    ] {
        assert_eq!(report.attempt(form).unwrap().outcome(), outcome, "{form:?}\n{report}");
    }
    assert!(report.accepted().all(|one| one.stage() == Some(Stage::Rcpt)));
    assert!(server.mails().is_empty());
    // There is no mail that could have arrived.
    assert!(!report.confirm(RelayForm::ForeignToForeign));
    assert_eq!(report.verdict(), RelayVerdict::AcceptedAtRcpt);
}

#[tokio::test]
async fn relayed_is_what_the_caller_has_seen_arrive() {
    let server = Server::new().start().await.unwrap();
    let mut report = test(&server).content("Subject: relay test\r\n\r\nhello\r\n").run().await;
    assert_eq!(report.verdict(), RelayVerdict::AcceptedAtRcpt, "nobody has seen it arrive");
    let mails = server.received(report.accepted().count()).await.unwrap();
    let first = String::from_utf8(mails[0].content().to_vec()).unwrap();
    assert_eq!(first, "X-Relay-Test: null_sender\r\nSubject: relay test\r\n\r\nhello\r\n");
    assert_eq!(report.attempt(RelayForm::NullSender).unwrap().outcome(), RelayOutcome::Taken);
    assert!(!report.confirm(RelayForm::Bang), "that one was refused");
    assert!(report.confirm(RelayForm::NullSender));
    assert!(report.confirm(RelayForm::NullSender), "and again");
    assert_eq!(report.verdict(), RelayVerdict::Relayed);
    assert!(report.to_string().contains("\nverdict: an open relay ("), "{report}");
}

#[tokio::test]
async fn a_mail_that_is_refused_leaves_the_recipient_accepted() {
    let server = Server::new().reply_at_end("554 5.7.1 not from you").start().await.unwrap();
    let mut report = test(&server).content("\r\nhello\r\n").run().await;
    let attempt = report.attempt(RelayForm::NullSender).unwrap().clone();
    let found = (attempt.outcome(), attempt.stage());
    assert_eq!(found, (RelayOutcome::Accepted, Some(Stage::EndOfData)));
    assert_eq!(attempt.reply().unwrap().to_string(), "554 5.7.1 not from you");
    assert!(!report.confirm(RelayForm::NullSender));
    assert!(server.mails().is_empty());
}

/// And it does not come back.
#[tokio::test]
async fn it_stops_where_the_server_says_421() {
    let server = Server::script(
        "S: 220 mx.example.org\nC: EHLO c.example\nS: 250 mx.example.org\n\
         C: MAIL FROM:<>\nS: 250 ok\nC: RCPT TO:<carol@example.net>\nS: 554 no\nC: RSET\nS: 250 ok\n\
         C: MAIL FROM:<relay-test@example.net>\nS: 250 ok\nC: RCPT TO:<carol@example.net>\n\
         S: 421 4.7.0 too many errors\n-- close"
            .parse()
            .unwrap(),
    );
    let server = server.start().await.unwrap();
    let report = test(&server).run().await;
    let expected = [RelayOutcome::Refused, RelayOutcome::Deferred, RelayOutcome::NotTried];
    assert_eq!(outcomes(&report)[..3], expected);
    assert!(outcomes(&report)[3..].iter().all(|one| *one == RelayOutcome::NotTried));
    assert_eq!(report.verdict(), RelayVerdict::Unclear);
    assert!(report.error().is_none(), "{report}");
    assert_eq!(server.log().len(), 1);
    server.finish().await.unwrap();
}

/// Exim counts RSET among the commands that bring no mail, and bears ten of them.
#[tokio::test]
async fn it_stops_where_rset_is_refused_and_says_why() {
    let server = Server::script(
        "S: 220 mx.example.org\nC: EHLO c.example\nS: 250 mx.example.org\n\
         C: MAIL FROM:<>\nS: 250 ok\nC: RCPT TO:<carol@example.net>\nS: 554 no\n\
         C: RSET\nS: 554 Too many nonmail commands\n-- close"
            .parse()
            .unwrap(),
    );
    let server = server.start().await.unwrap();
    let report = test(&server).run().await;
    assert_eq!(outcomes(&report)[..2], [RelayOutcome::Refused, RelayOutcome::NotTried]);
    assert_eq!(report.verdict(), RelayVerdict::Unclear);
    let error = report.error().unwrap();
    let found = Diagnosis::of(error);
    assert_eq!((error.stage(), found.kind().name()), (Stage::Rset, "too_many_errors"));
    let words = "\nstopped: 127.0.0.1 said: 554 Too many nonmail commands (in reply to RSET)\n";
    assert!(report.to_string().contains(words), "{report}");
    server.finish().await.unwrap();
}

#[tokio::test]
async fn what_breaks_midway_is_told_with_what_was_found() {
    let server = Server::script(
        "S: 220 mx.example.org\nC: EHLO c.example\nS: 250 mx.example.org\n\
         C: MAIL FROM:<>\nS: 250 ok\nC: RCPT TO:<carol@example.net>\nS: 250 ok\nC: RSET\n-- close"
            .parse()
            .unwrap(),
    );
    let server = server.start().await.unwrap();
    let report = test(&server).run().await;
    assert_eq!(report.verdict(), RelayVerdict::AcceptedAtRcpt);
    assert_eq!(outcomes(&report)[..2], [RelayOutcome::Accepted, RelayOutcome::NotTried]);
    let error = report.error().unwrap();
    assert!(matches!(error.kind(), ErrorKind::Closed(_)), "{error:?}");
    assert!(report.to_string().contains("\nstopped: 127.0.0.1 closed the connection"), "{report}");
}

#[tokio::test]
async fn a_report_is_there_whatever_fails() {
    let server = Server::new().greeting("554 5.3.2 no").start().await.unwrap();
    let report = test(&server).run().await;
    assert_eq!(report.verdict(), RelayVerdict::Unclear);
    assert_eq!(report.error().unwrap().stage(), Stage::Greeting);
    assert!(outcomes(&report).iter().all(|one| *one == RelayOutcome::NotTried));

    let report = RelayTest::new("mx.invalid").foreign("nobody").run().await;
    assert_eq!((report.verdict(), report.attempts().len()), (RelayVerdict::Unclear, 0));
    let words = r#"mailbox "nobody": it has no `@` and no domain"#;
    assert_eq!(report.error().unwrap().to_string(), words);
}

/// Whoever is known may relay, and that is nothing to be found out.
#[tokio::test]
async fn t10_credentials_are_not_used() {
    let server = Server::new().user("alice", "wonderland").start().await.unwrap();
    let roots = RootCertificates::from_pem(server.ca_pem().as_bytes()).unwrap();
    let connector = connector(&server).security(Security::StartTls).roots(roots);
    let report = RelayTest::with(connector.credentials("alice", "wonderland")).run().await;
    assert_eq!(report.verdict(), RelayVerdict::Refused);
    assert!(report.attempts().iter().all(|one| one.stage() == Some(Stage::Mail)), "{report}");
    assert!(!server.log().concat().contains("C: AUTH"), "nothing was said to be somebody");
    assert_eq!(report.local(), "mx.example.test", "the name of the greeting");
}

#[tokio::test]
async fn the_table_has_a_row_for_each_form() {
    let server = Server::new().reply_to(Verb::Rcpt, "554 5.7.1 no \x1b").start().await;
    assert!(server.is_err(), "a reply with a control is none");
    let server = Server::new().reply_to(Verb::Rcpt, "450 4.7.1 later").start().await.unwrap();
    let report = test(&server).run().await;
    let table = report.to_string();
    let row = "  foreign_to_foreign       put off    MAIL FROM:<relay-test@example.net> \
               RCPT TO:<carol@example.net>: 450 4.7.1 later (in reply to RCPT TO)\n";
    assert!(table.contains(row), "{table}");
    let end = "\nverdict: unclear, nothing was accepted but not all was answered for good\n";
    assert!(table.ends_with(end), "{table}");
    assert_eq!(table.matches(" MAIL FROM:").count(), RelayForm::ALL.len());
}

#[tokio::test]
async fn the_forms_can_be_chosen() {
    let server = Server::new().start().await.unwrap();
    let forms = [RelayForm::SourceRoute, RelayForm::NullSender];
    let report = test(&server).forms(forms).run().await;
    let tried: Vec<_> = report.attempts().iter().map(|one| one.form()).collect();
    assert_eq!(tried, forms);
    assert_eq!(server.log()[0].matches("C: RSET").count(), 2);
}
