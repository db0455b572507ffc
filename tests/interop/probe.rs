//! The probe, the relay test and the audit against real servers: the verdict where all is well, and
//! the diagnosis where something is not.

use ehlo::{
    Audit, AuditCheck, AuditSeverity, CheckOutcome, Connector, Credentials, Diagnosis, ErrorKind,
    Probe, RelayForm, RelayOutcome, RelayTest, RelayVerdict, Report, Stage, StageOutcome, Verdict,
};

use crate::Row;
use crate::support::{PASSWORD, USER, arrived, clear, plain, shows_no_secret, starttls};

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, server) in SERVERS {
        let of = |what: &str| format!("probe: {what}");
        // Dovecot's submission takes a mail as far as the server behind it does.
        let whole = if name == "Dovecot" { "Dovecot+Postfix" } else { name };
        rows.push(Row::new(whole, of("all is well"), move || all_is_well(server)));
        rows.push(Row::new(name, of("wrong password"), move || wrong_password(server)));
        rows.push(Row::new(name, of("relay test"), move || no_relay(server)));
        rows.push(Row::new(name, of("audit"), move || audited(server)));
        rows.push(Row::new(name, of("what ends a mail"), move || end_of_data(server)));
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
    rows.push(Row::new("Postfix", "probe: an open relay", open_relay));
    rows.push(Row::new("Postfix", "probe: a closed relay", closed_relay));
    rows.push(Row::new("Postfix", "probe: what ends a mail, bare LF forbidden", not_smuggled));
    rows.push(Row::new("Exim", "probe: last words, in clear and amid TLS", last_words));
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
        // It bears ten commands that bring no mail, and RSET is one: `last_words`.
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

/// With `mynetworks` of all loopback. Nothing leaves it: what it accepts it discards.
async fn open_relay() {
    let test = RelayTest::with(clear("EHLO_POSTFIX", "OPEN_PORT"));
    let report = test.local("example.test").foreign("carol@elsewhere.test").run().await;
    assert_eq!(report.verdict(), RelayVerdict::AcceptedAtRcpt, "{report}");
    assert!(report.error().is_none(), "{report}");
    for form in [
        RelayForm::NullSender,
        RelayForm::ForeignToForeign,
        RelayForm::LocalToForeign,
        RelayForm::WithoutBrackets,
        RelayForm::SourceRoute,
        RelayForm::SourceRouteByLiteral,
    ] {
        let attempt = report.attempt(form).expect("it was planned");
        assert_eq!(attempt.outcome(), RelayOutcome::Accepted, "{form:?}\n{report}");
        assert_eq!(attempt.stage(), Some(Stage::Rcpt));
    }
    assert!(report.attempts().iter().all(|one| one.reply().is_some()), "{report}");
    // Whether a mail to it leaves the server, nobody has seen: until somebody does.
    let content = crate::support::mail("does it arrive?\r\n");
    let test = RelayTest::with(clear("EHLO_POSTFIX", "OPEN_PORT")).local("example.test");
    let test = test.foreign("carol@elsewhere.test").forms([RelayForm::ForeignToForeign]);
    let mut report = test.content(content).run().await;
    assert_eq!(report.verdict(), RelayVerdict::AcceptedAtRcpt, "{report}");
    let attempt = report.attempt(RelayForm::ForeignToForeign).expect("it was planned");
    assert_eq!(attempt.outcome(), RelayOutcome::Taken, "{report}");
    arrived(attempt.reply().expect("the one to the end"), &["carol@elsewhere.test"]).await;
    assert!(report.confirm(RelayForm::ForeignToForeign));
    assert_eq!(report.verdict(), RelayVerdict::Relayed);
}

async fn closed_relay() {
    let test = RelayTest::with(clear("EHLO_POSTFIX", "CLOSED_PORT"));
    let report = test.local("example.test").foreign("carol@elsewhere.test").run().await;
    assert_eq!(report.verdict(), RelayVerdict::Refused, "{report}");
    assert!(report.error().is_none(), "{report}");
    assert!(report.attempts().iter().all(|one| one.outcome() == RelayOutcome::Refused), "{report}");
}

/// It bears ten commands that bring no mail, counts RSET among them, and says so amid TLS in clear.
async fn last_words() {
    const WORDS: &str = "554 Too many nonmail commands";
    for connector in [clear("EHLO_EXIM", "PORT"), starttls("EHLO_EXIM", "PORT")] {
        let test = RelayTest::with(connector).local("example.test");
        let report = test.foreign("carol@elsewhere.test").run().await;
        let error = report.error().expect("it has had enough");
        assert_eq!(error.stage(), Stage::Rset, "{report}");
        assert!(error.to_string().contains(WORDS), "{report}");
        let found = Diagnosis::of(error);
        assert_eq!(found.kind().name(), "too_many_errors", "{report}");
        assert!(found.cause().contains(WORDS), "{found}");
        let is_in_clear = matches!(error.kind(), ErrorKind::Refused(_));
        let says_so = report.to_string().contains("the server left TLS and said in clear");
        assert_ne!(is_in_clear, says_so, "{report}");
    }
}

/// What each takes for the end of a mail, beside what it should. Dovecot's LMTP leaves that to the
/// server before it; Postfix 3.7 is open to smuggling until it is told not to be.
async fn end_of_data(server: &'static str) {
    // Dovecot's submission asks for AUTH before all else.
    let connector = match server {
        "EHLO_DOVECOT" => clear(server, "LMTP_PORT").lmtp(),
        _ => starttls(server, "PORT"),
    };
    let bare_lf = ["<LF>.<LF>", "<LF>.<CR><LF>", "<CR><LF>.<LF>"];
    let two_cr = ["<CR><LF>.<CR><CR><LF>", "<CR><CR><LF>.<CR><CR><LF>"];
    match server {
        "EHLO_POSTFIX" => ends(connector, &[&bare_lf[..], &two_cr].concat()).await,
        "EHLO_DOVECOT" => ends(connector, &bare_lf).await,
        _ => ends(connector, &[]).await,
    }
}

/// Told not to be.
async fn not_smuggled() {
    ends(clear("EHLO_POSTFIX", "CLOSED_PORT"), &[]).await;
}

async fn ends(connector: Connector, expected: &[&str]) {
    let report = Audit::with(connector).mail_to("bob@example.test").run().await;
    let check = report.check(AuditCheck::EndOfData).expect("it was made");
    let words = check.findings().iter().map(|finding| finding.words());
    let found: Vec<_> =
        words.map(|words| words.trim_start_matches("a mail was taken to end at ")).collect();
    assert_eq!(found, expected, "{report}");
    let passed = check.outcome() == CheckOutcome::Passed;
    assert_eq!(passed, expected.is_empty(), "{report}");
    assert!(check.findings().iter().all(|one| one.severity() == AuditSeverity::Vulnerability));
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
    assert_eq!(told(&report), "rcpt policy_refusal", "{report}");
    let reply = report.stage(Stage::Rcpt).expect("it was asked for").replies()[0].to_string();
    let words = "554 5.7.1 <bob@example.test>: Recipient address rejected: Access denied";
    assert_eq!(reply, words, "{report}");
}

async fn sink(port: &'static str, expected: &'static str) {
    let report = probe(clear("EHLO_SMTP_SINK", port), "bob@example.test").run().await;
    assert_eq!(told(&report), expected, "{report}");
}
