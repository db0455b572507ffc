//! The probe, the relay test and the audit against real servers: the verdict where all is well, and
//! the diagnosis where something is not.

use ehlo::{
    Audit, AuditCheck, CheckOutcome, Connector, Credentials, Probe, RelayTest, RelayVerdict,
    Report, Stage, StageOutcome, Verdict,
};

use crate::Row;
use crate::support::{PASSWORD, USER, clear, plain, shows_no_secret, starttls};

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, server) in SERVERS {
        let of = |what: &str| format!("probe: {what}");
        rows.push(Row::new(name, of("all is well"), move || all_is_well(server)));
        rows.push(Row::new(name, of("wrong password"), move || wrong_password(server)));
        rows.push(Row::new(name, of("relay test"), move || no_relay(server)));
        rows.push(Row::new(name, of("audit"), move || audited(server)));
    }
    for (name, server) in SERVERS {
        rows.push(Row::new(name, "probe: unknown recipient", move || unknown_recipient(server)));
    }
    for (options, port, expected) in SINK {
        let what = format!("probe: {options}");
        rows.push(Row::new("smtp-sink", what, move || sink(port, expected)));
    }
    rows.push(Row::new("Postfix", "probe: the pause of postscreen", postscreen));
    rows.push(Row::new("Postfix", "probe: every recipient refused", refused));
    rows
}

/// Those that take mails for `example.test`, with STARTTLS and AUTH.
const SERVERS: [(&str, &str); 6] = [
    ("Postfix", "EHLO_POSTFIX"),
    ("Exim", "EHLO_EXIM"),
    ("OpenSMTPD", "EHLO_OPENSMTPD"),
    ("aiosmtpd", "EHLO_AIOSMTPD"),
    ("smtp-server", "EHLO_SMTP_SERVER"),
    ("Dovecot", "EHLO_DOVECOT"),
];

/// Of smtp-sink: its options, its port, and what is diagnosed.
const SINK: [(&str, &str, &str); 8] = [
    ("-f connect", "F_CONNECT_PORT", "greeting client_refused"),
    ("-r connect", "R_CONNECT_PORT", "greeting server_busy"),
    ("-f mail", "F_MAIL_PORT", "mail command_refused"),
    ("-f rcpt", "F_RCPT_PORT", "rcpt command_refused"),
    ("-r rcpt", "R_RCPT_PORT", "rcpt temporary_refusal"),
    ("-q rcpt", "DROP_RCPT_PORT", "rcpt closed_midway"),
    ("-Q rcpt", "BYE_RCPT_PORT", "rcpt session_ended"),
    ("-r ehlo", "R_EHLO_PORT", "ehlo server_busy"),
];

fn probe(connector: Connector, to: &str) -> Probe {
    Probe::with(connector).sender("alice@example.test").recipient(to)
}

/// The stage and the kind of what was diagnosed.
#[track_caller]
fn told(report: &Report) -> String {
    shows_no_secret(&format!("{report} {report:?}"));
    let Verdict::Failed(stage) = report.verdict() else { panic!("{report}") };
    let diagnosis = report.diagnosis().expect("a diagnosis of what failed");
    format!("{} {}", stage.name(), diagnosis.kind().name())
}

async fn all_is_well(server: &'static str) {
    let connector = starttls(server, "PORT").authenticate(plain(USER, PASSWORD));
    let report = probe(connector, "bob@example.test").run().await;
    assert!(report.is_ok(), "{report}");
    shows_no_secret(&format!("{report} {report:?}"));
    let stages: Vec<_> = report.stages().iter().map(|one| one.stage().name()).collect();
    let expected = "resolve connect greeting ehlo starttls handshake ehlo auth mail rcpt rset quit";
    assert_eq!(stages.join(" "), expected, "{report}");
    let is_fine = |outcome| matches!(outcome, StageOutcome::Passed | StageOutcome::Skipped(_));
    assert!(report.stages().iter().all(|one| is_fine(one.outcome())), "{report}");
    assert!(report.tls().expect("TLS").is_verified());
    assert!(!report.is_mail_left());
    assert_eq!(report.conformance().count(), 0, "{report}");
}

async fn wrong_password(server: &'static str) {
    let wrong = Credentials::new(USER, "looking-glass").mechanisms(["PLAIN"]);
    let report = probe(starttls(server, "PORT").authenticate(wrong), "bob@example.test");
    assert_eq!(told(&report.run().await), "auth wrong_credentials");
}

async fn unknown_recipient(server: &'static str) {
    // Dovecot's submission asks for AUTH before all else; its LMTP knows who there is.
    let connector = match server {
        "EHLO_DOVECOT" => clear(server, "LMTP_PORT").lmtp(),
        _ => starttls(server, "PORT"),
    };
    let report = probe(connector, "nobody-here@example.test").run().await;
    assert_eq!(told(&report), "rcpt unknown_recipient", "{report}");
}

/// Those at the server's own domain are mailboxes like others to servers that know nobody by name;
/// whatever names another domain outright is refused by all.
async fn no_relay(server: &'static str) {
    let test = RelayTest::with(starttls(server, "PORT"));
    let report = test.local("example.test").foreign("carol@elsewhere.test").run().await;
    let accepted: Vec<_> = report.accepted().map(|one| one.form().name()).collect();
    let (expected, verdict) = match server {
        // 20 errors are the most that it bears: the last form was not tried.
        "EHLO_POSTFIX" => (&[][..], RelayVerdict::Unclear),
        // It ends the connection before all are tried: too many commands that bring no mail, it seems.
        "EHLO_EXIM" => (&["percent_at_local", "quoted_at_local"][..], ACCEPTED),
        "EHLO_AIOSMTPD" => {
            (&["percent_at_local", "quoted_at_local", "bang_at_local"][..], ACCEPTED)
        }
        "EHLO_DOVECOT" => (&[][..], RelayVerdict::Refused),
        _ => (&["percent_at_local", "bang_at_local"][..], ACCEPTED),
    };
    assert_eq!((accepted.as_slice(), report.verdict()), (expected, verdict), "{report}");
    assert!(report.accepted().all(|one| one.form().may_be_local()), "{report}");
    let stopped = report.attempts().iter().filter(|one| one.reply().is_none()).count();
    assert_eq!(stopped > 0, matches!(server, "EHLO_POSTFIX" | "EHLO_EXIM"), "{report}");
    // What is left is for another connection.
    let left = report.attempts().iter().filter(|one| one.reply().is_none());
    let left: Vec<_> = left.map(|one| one.form()).collect();
    if let Some(first) = left.first() {
        let report = RelayTest::with(starttls(server, "PORT")).forms(left.clone()).run().await;
        assert!(report.attempt(*first).is_some_and(|one| one.reply().is_some()), "{report}");
    }
}

const ACCEPTED: RelayVerdict = RelayVerdict::AcceptedAtRcpt;

/// All take a bare LF for the end of a command; Exim says who has a mailbox.
async fn audited(server: &'static str) {
    let report = Audit::with(starttls(server, "PORT")).run().await;
    let found: Vec<_> = report.findings().map(|finding| finding.check()).collect();
    let expected = match server {
        "EHLO_EXIM" => &[AuditCheck::Vrfy, AuditCheck::BareLf][..],
        _ => &[AuditCheck::BareLf][..],
    };
    assert_eq!(found, expected, "{report}");
    let check = |check| report.check(check).expect("it was made").outcome();
    assert_eq!(check(AuditCheck::Replies), CheckOutcome::Passed, "{report}");
    assert_eq!(check(AuditCheck::StartTlsInjection), CheckOutcome::Passed, "{report}");
    let pipelining = match server {
        "EHLO_OPENSMTPD" | "EHLO_AIOSMTPD" => CheckOutcome::Skipped,
        _ => CheckOutcome::Passed,
    };
    assert_eq!(check(AuditCheck::Pipelining), pipelining, "{report}");
}

async fn postscreen() {
    let connector = clear("EHLO_POSTFIX", "SCREEN_PORT");
    let report = Probe::with(connector).run().await;
    assert!(report.is_ok(), "{report}");
    let greeting = report.stage(Stage::Greeting).expect("it was heard");
    assert!(greeting.duration() >= std::time::Duration::from_millis(1500), "{report}");
}

async fn refused() {
    let report = probe(clear("EHLO_POSTFIX", "REFUSE_PORT"), "bob@example.test").run().await;
    let told = told(&report);
    assert!(told.starts_with("rcpt "), "{told}");
    let reply = report.stage(Stage::Rcpt).expect("it was asked for").replies()[0].to_string();
    let words = "554 5.7.1 <bob@example.test>: Recipient address rejected: Access denied";
    assert_eq!(reply, words, "{report}");
}

async fn sink(port: &'static str, expected: &'static str) {
    let report = probe(clear("EHLO_SMTP_SINK", port), "bob@example.test").run().await;
    assert_eq!(told(&report), expected, "{report}");
}
