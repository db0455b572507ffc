//! The probe: every stage passed and failed against the scripted server, what the report says of it,
//! and what the server sees.
#![cfg(all(feature = "probe", feature = "testing"))]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use ehlo::testing::{Running, Server};
use ehlo::{
    Confidence, Connector, DiagnosisKind, FilteredBy, HeloPolicy, InClear, MailHosts, MxHost,
    Probe, Quirk, Report, Resolve, ResolveFault, Resolving, Retry, RootCertificates, Security,
    Skipped, Stage, StageOutcome, StageReport, Timeouts, TlsInfo, Verb, Verdict,
};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

const NAME: &str = "mx.example.test";
const CONTENT: &str = "Subject: probe\r\n\r\nhello\r\n";
const LIMIT: Duration = Duration::from_millis(300);

/// Names for tests: the server's own, and domains with MX.
#[derive(Debug, Clone, Default)]
struct Names {
    hosts: HashMap<&'static str, &'static str>,
    mx: HashMap<&'static str, Vec<(u16, &'static str)>>,
    /// Nothing can be found out.
    is_broken: bool,
}

impl Names {
    fn new() -> Self {
        Self::default().host(NAME, "127.0.0.1")
    }

    fn host(mut self, name: &'static str, address: &'static str) -> Self {
        self.hosts.insert(name, address);
        self
    }

    fn mx(mut self, domain: &'static str, records: &[(u16, &'static str)]) -> Self {
        self.mx.insert(domain, records.to_vec());
        self
    }
}

impl Resolve for Names {
    fn addresses<'a>(&'a self, host: &'a str) -> Resolving<'a, Vec<IpAddr>> {
        Box::pin(async move {
            match self.hosts.get(host) {
                Some(address) => Ok(vec![address.parse().unwrap()]),
                None => Err(ResolveFault::no_such_name(host)),
            }
        })
    }

    fn mail_hosts<'a>(&'a self, domain: &'a str) -> Resolving<'a, MailHosts> {
        Box::pin(async move {
            if self.is_broken {
                return Err(ResolveFault::failed(domain, std::io::Error::other("SERVFAIL")));
            }
            let Some(records) = self.mx.get(domain) else {
                return Err(ResolveFault::no_such_name(domain));
            };
            Ok(MailHosts::of(
                records.iter().map(|(preference, host)| MxHost::new(*preference, *host)),
            ))
        })
    }
}

/// In clear, to the server's name.
fn to(server: &Running) -> Connector {
    at(server.port())
}

fn at(port: u16) -> Connector {
    Connector::new(NAME)
        .port(port)
        .resolver(Names::new())
        .security(Security::None)
        .client_name("c.example")
}

/// The same over TLS.
fn securely(server: &Running, security: Security) -> Connector {
    let roots = RootCertificates::from_pem(server.ca_pem().as_bytes()).unwrap();
    to(server).security(security).roots(roots)
}

async fn scripted(script: &str) -> Running {
    Server::script(script.parse().unwrap()).start().await.unwrap()
}

/// A port of 127.0.0.1 where nobody listens.
async fn dead_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

/// Every step by its name: `!` failed, `~` was skipped, `?` was not reached.
fn steps(report: &Report) -> String {
    let step = |step: &StageReport| {
        let mark = match step.outcome() {
            StageOutcome::Passed => "",
            StageOutcome::Failed => "!",
            StageOutcome::Skipped(_) => "~",
            StageOutcome::NotReached => "?",
            other => panic!("{other:?}"),
        };
        format!("{mark}{}", step.stage().name())
    };
    report.stages().iter().map(step).collect::<Vec<_>>().join(" ")
}

/// A mail from alice to bob, as far as RCPT.
fn alice_to_bob(connector: Connector) -> Probe {
    Probe::with(connector).sender("alice@example.org").recipient("bob@example.net")
}

#[track_caller]
fn failed(report: &Report, stage: Stage, expected: &str) {
    assert_eq!(steps(report), expected, "{report}");
    assert_eq!(report.verdict(), Verdict::Failed(stage), "{report}");
    assert!(report.diagnosis().is_some(), "{report}");
    assert!(!report.is_mail_left());
}

fn kind(report: &Report) -> &'static str {
    report.diagnosis().unwrap().kind().name()
}

#[tokio::test]
async fn a_good_server_passes_and_is_left_without_a_mail() {
    let server = Server::new().start().await.unwrap();
    let report = alice_to_bob(to(&server)).recipient("eve@example.net").run().await;
    assert_eq!(report.verdict(), Verdict::Ok, "{report}");
    assert_eq!(steps(&report), "resolve connect greeting ehlo mail rcpt rcpt rset quit");
    assert!(report.diagnosis().is_none() && report.error().is_none() && report.is_ok());
    assert!(server.mails().is_empty());
    let log = server.log().concat();
    assert!(log.contains("C: RCPT TO:<eve@example.net>") && !log.contains("C: DATA"), "{log}");
    assert!(log.contains("C: RSET") && log.contains("C: QUIT"), "{log}");

    assert_eq!(report.server(), format!("{NAME}:{}", server.port()));
    assert_eq!(report.host(), NAME);
    assert_eq!(report.address(), Some(server.addr()));
    assert_eq!(report.stage(Stage::Resolve).unwrap().addresses(), [server.addr()]);
    let recipients: Vec<_> = report
        .stages()
        .iter()
        .filter(|one| one.stage() == Stage::Rcpt)
        .map(|one| one.said())
        .collect();
    assert_eq!(recipients, [Some("RCPT TO:<bob@example.net>"), Some("RCPT TO:<eve@example.net>")]);
    assert!(report.stages().is_sorted_by_key(StageReport::start));
    assert!(report.capabilities_before_tls().is_some_and(|offered| offered.has("PIPELINING")));
    assert!(report.capabilities_after_tls().is_none() && report.tls().is_none());
    assert!(report.mail_hosts().is_none() && report.quirks().is_empty());
    let transcript = report.transcript().unwrap().to_string();
    assert!(transcript.ends_with("C: QUIT\nS: 221 2.0.0 bye\n"), "{transcript}");
}

#[tokio::test]
async fn starttls_and_auth_are_steps_of_their_own() {
    let server = Server::new().user("alice", "wonderland").start().await.unwrap();
    let connector = securely(&server, Security::StartTls).credentials("alice", "wonderland");
    let report = alice_to_bob(connector).run().await;
    assert_eq!(
        steps(&report),
        "resolve connect greeting ehlo starttls handshake ehlo auth mail rcpt rset quit",
        "{report}"
    );
    assert!(report.is_ok() && report.tls().is_some_and(TlsInfo::is_verified));
    let (before, after) =
        (report.capabilities_before_tls().unwrap(), report.capabilities_after_tls().unwrap());
    assert!(before.has("STARTTLS") && !before.has("AUTH"));
    assert!(!after.has("STARTTLS") && after.has("AUTH"));
    assert_eq!(report.stage(Stage::Auth).unwrap().said(), Some("AUTH PLAIN <secret>"));
    assert!(!format!("{report:?}{report}").contains("wonderland"));
}

#[tokio::test]
async fn tls_comes_first_where_it_is_implicit() {
    let server = Server::new().implicit_tls().start().await.unwrap();
    let report = alice_to_bob(securely(&server, Security::Implicit)).run().await;
    assert_eq!(steps(&report), "resolve connect handshake greeting ehlo mail rcpt rset quit");
    assert!(report.is_ok() && report.capabilities_before_tls().is_none(), "{report}");
    assert!(report.capabilities_after_tls().is_some());
}

#[tokio::test]
async fn content_is_delivered_only_where_it_was_given() {
    let server = Server::new().start().await.unwrap();
    let probe = alice_to_bob(to(&server));
    let report = probe.clone().content(CONTENT).run().await;
    assert_eq!(
        steps(&report),
        "resolve connect greeting ehlo mail rcpt data content end_of_data quit",
        "{report}"
    );
    assert!(report.is_ok() && report.is_mail_left());
    assert_eq!(server.mails()[0].content(), CONTENT.as_bytes());
    assert!(server.log().concat().contains("SIZE=25"));

    let report = probe.stop_after(Stage::EndOfData).run().await;
    assert_eq!(steps(&report), "resolve connect greeting ehlo mail rcpt ~data rset quit");
    assert!(report.is_ok() && !report.is_mail_left());
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn it_stops_where_it_is_told_to() {
    let server = Server::new().user("alice", "wonderland").start().await.unwrap();
    let connector = securely(&server, Security::StartTls).credentials("alice", "wonderland");
    let probe = alice_to_bob(connector).content(CONTENT);
    let secured = "resolve connect greeting ehlo starttls handshake";
    let ready = format!("{secured} ehlo auth");
    for (stage, expected) in [
        (Stage::Resolve, "resolve".to_owned()),
        (Stage::Connect, "resolve connect".to_owned()),
        (Stage::Greeting, "resolve connect greeting quit".to_owned()),
        (Stage::Ehlo, "resolve connect greeting ehlo quit".to_owned()),
        (Stage::StartTls, format!("{secured} quit")),
        (Stage::Handshake, format!("{secured} quit")),
        (Stage::Auth, format!("{ready} quit")),
        (Stage::Mail, format!("{ready} mail rset quit")),
        (Stage::Rcpt, format!("{ready} mail rcpt rset quit")),
        (Stage::Data, format!("{ready} mail rcpt data")),
        (Stage::Content, format!("{ready} mail rcpt data content")),
    ] {
        let report = probe.clone().stop_after(stage).run().await;
        assert_eq!(steps(&report), expected, "{stage}: {report}");
        assert!(report.is_ok(), "{stage}: {report}");
        assert!(server.mails().is_empty(), "{stage}");
    }
    for stage in [Stage::EndOfData, Stage::Rset, Stage::Quit] {
        let report = probe.clone().stop_after(stage).run().await;
        assert_eq!(steps(&report), format!("{ready} mail rcpt data content end_of_data quit"));
    }
    assert_eq!(server.mails().len(), 3);
}

#[tokio::test]
async fn it_stops_before_a_greeting_over_implicit_tls() {
    let server = Server::new().implicit_tls().start().await.unwrap();
    let probe = Probe::with(securely(&server, Security::Implicit));
    let report = probe.stop_after(Stage::Handshake).run().await;
    assert_eq!(steps(&report), "resolve connect handshake");
    assert!(report.tls().is_some_and(TlsInfo::is_verified));
    // A certificate that nobody vouches for is told here, too.
    let stranger = to(&server).security(Security::Implicit);
    let report = Probe::with(stranger).stop_after(Stage::Handshake).run().await;
    failed(&report, Stage::Handshake, "resolve connect !handshake");
}

#[tokio::test]
async fn without_a_mail_to_ask_for_none_is_asked_for() {
    let server = Server::new().start().await.unwrap();
    let report = Probe::with(to(&server)).run().await;
    assert_eq!(steps(&report), "resolve connect greeting ehlo quit");
    let report = Probe::with(to(&server)).recipient("bob@example.net").run().await;
    assert_eq!(report.stage(Stage::Mail).unwrap().said(), Some("MAIL FROM:<> BODY=8BITMIME"));
    let report = Probe::with(to(&server)).sender("alice@example.org").run().await;
    assert_eq!(steps(&report), "resolve connect greeting ehlo mail rset quit");
    assert!(report.is_ok());
}

#[tokio::test]
async fn nobody_listens() {
    let report = alice_to_bob(at(dead_port().await)).run().await;
    failed(&report, Stage::Connect, "resolve !connect ?greeting ?ehlo ?mail ?rcpt");
    let connect = report.stage(Stage::Connect).unwrap();
    assert_eq!(connect.address().unwrap().ip(), IpAddr::from([127, 0, 0, 1]));
    assert!(connect.fault().unwrap().contains("refused"), "{report}");
    assert!(report.transcript().is_none() && report.address().is_none());
}

#[tokio::test]
async fn the_name_does_not_exist() {
    let connector = Connector::new("nowhere.example").resolver(Names::new());
    let report = alice_to_bob(connector).run().await;
    let rest = "?connect ?greeting ?ehlo ?starttls ?handshake ?ehlo ?mail ?rcpt";
    failed(&report, Stage::Resolve, &format!("!resolve {rest}"));
    let resolve = report.stage(Stage::Resolve).unwrap();
    assert_eq!(resolve.fault(), Some("nowhere.example does not exist"));
    let diagnosis = report.diagnosis().unwrap();
    assert_eq!((kind(&report), diagnosis.confidence()), ("host_unknown", Confidence::Certain));
}

/// What a server says or does not say before EHLO, and what the report says of it.
#[tokio::test]
async fn it_fails_at_the_greeting() {
    for (script, quit, fault) in [
        ("-- stall", "", "no greeting from mx.example.test within 300ms"),
        ("-- close", "", "mx.example.test closed the connection at greeting"),
        ("S: 421 busy\n-- close", "", ""),
        ("S: 554 no mail here\nC: QUIT\nS: 221 bye", "quit ", ""),
        ("S: 521 no mail here\nC: QUIT\nS: 221 bye", "quit ", ""),
        (
            "S! HTTP/1.1 400 Bad Request\\x0d\\x0a\n-- stall",
            "",
            "mx.example.test broke the protocol",
        ),
        ("S! SSH-2.0-OpenSSH_9.2\\x0d\\x0a\n-- stall", "", "mx.example.test broke the protocol"),
        ("S! 220-half a greeting\\x0d\\x0a\n-- stall", "", "no greeting from mx.example.test"),
    ] {
        let server = scripted(script).await;
        let connector = to(&server).timeouts(Timeouts::all(LIMIT));
        let report = alice_to_bob(connector).run().await;
        let expected = format!("resolve connect !greeting {quit}?ehlo ?mail ?rcpt");
        failed(&report, Stage::Greeting, &expected);
        let told = report.stage(Stage::Greeting).unwrap();
        assert!(told.fault().unwrap_or_default().starts_with(fault), "{report}");
        assert_eq!(told.fault().is_none(), script.starts_with("S: "), "{script}: {report}");
        assert_eq!(told.replies().len(), usize::from(script.starts_with("S: ")), "{report}");
        assert!(report.transcript().is_some(), "{script}");
    }
}

#[tokio::test]
async fn it_fails_at_ehlo_and_tells_of_helo() {
    let refused =
        "S: 220 mx\nC: EHLO c.example\nS: 550 5.7.1 no name like that\nC: QUIT\nS: 221 bye";
    let report = alice_to_bob(to(&scripted(refused).await)).run().await;
    failed(&report, Stage::Ehlo, "resolve connect greeting !ehlo quit ?mail ?rcpt");

    let old = "S: 220 mx\nC: EHLO c.example\nS: 502 what\nC: HELO c.example\n";
    let both = format!("{old}S: 501 no\nC: QUIT\nS: 221 bye");
    let report = alice_to_bob(to(&scripted(&both).await)).run().await;
    failed(&report, Stage::Ehlo, "resolve connect greeting !ehlo !ehlo quit ?mail ?rcpt");

    let helo = format!("{old}S: 250 mx\nC: QUIT\nS: 221 bye");
    let report = Probe::with(to(&scripted(&helo).await)).run().await;
    assert_eq!(steps(&report), "resolve connect greeting !ehlo ehlo quit");
    assert!(report.is_ok(), "{report}");
    assert_eq!(report.stage(Stage::Ehlo).unwrap().said(), Some("HELO c.example"));

    let closing = "S: 220 mx\nC: EHLO c.example\n-- close";
    let server = scripted(closing).await;
    let report = Probe::with(to(&server).helo(HeloPolicy::WhereRefused)).run().await;
    let twice = "resolve connect greeting !ehlo resolve connect greeting !ehlo";
    assert_eq!(steps(&report), twice, "{report}");
}

#[tokio::test]
async fn it_fails_at_starttls_and_at_the_handshake() {
    let rest = "?ehlo ?auth ?mail ?rcpt";
    let server = Server::new().withhold("STARTTLS").start().await.unwrap();
    let connector =
        |server: &Running| securely(server, Security::StartTls).credentials("alice", "wonderland");
    let report = alice_to_bob(connector(&server)).run().await;
    let expected = format!("resolve connect greeting ehlo !starttls quit ?handshake {rest}");
    failed(&report, Stage::StartTls, &expected);
    let fault = report.stage(Stage::StartTls).unwrap().fault();
    assert_eq!(fault, Some("mx.example.test does not offer STARTTLS, which required TLS needs"));

    let server = Server::new().reply_to(Verb::StartTls, "454 4.7.0 not now").start().await.unwrap();
    let report = alice_to_bob(connector(&server)).run().await;
    failed(&report, Stage::StartTls, &expected);

    let server = Server::new().start().await.unwrap();
    let unknown = to(&server).security(Security::StartTls).credentials("alice", "wonderland");
    let report = alice_to_bob(unknown).run().await;
    let expected = format!("resolve connect greeting ehlo starttls !handshake {rest}");
    failed(&report, Stage::Handshake, &expected);
    assert!(report.tls().is_none() && report.capabilities_after_tls().is_none());

    let script = "S: 220 mx\nC: EHLO c.example\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\n\
                  S! 220 go\\x0d\\x0a250 injected\\x0d\\x0a\n-- stall";
    let report = alice_to_bob(connector(&scripted(script).await)).run().await;
    let expected = format!("resolve connect greeting ehlo !starttls ?handshake {rest}");
    failed(&report, Stage::StartTls, &expected);
    let [quirk] = report.quirks() else { panic!("{report}") };
    assert_eq!((quirk.rule(), quirk.line()), ("RFC 3207 §4", &b"250 injected\r\n"[..]));
    assert_eq!((quirk.quirk(), quirk.stage()), (None, Stage::StartTls));
}

#[tokio::test]
async fn clear_will_do_where_tls_is_opportunistic() {
    let server = Server::new().withhold("STARTTLS").start().await.unwrap();
    let connector = to(&server).security(Security::Opportunistic);
    let report = alice_to_bob(connector).run().await;
    assert_eq!(steps(&report), "resolve connect greeting ehlo ~starttls mail rcpt rset quit");
    assert!(report.is_ok() && report.in_clear() == Some(&InClear::NotOffered));

    let script = "S: 220 mx\nC: EHLO c.example\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\n\
                  S: 220 go\n-- close";
    let server = scripted(script).await;
    let connector = to(&server).security(Security::Opportunistic).retry_in_clear();
    let report = Probe::with(connector).run().await;
    assert_eq!(
        steps(&report),
        "resolve connect greeting ehlo starttls !handshake resolve connect greeting ehlo \
         ~starttls !quit",
        "{report}"
    );
    assert!(matches!(report.in_clear(), Some(InClear::HandshakeFailed(_))));
}

/// Passwords could be tried on a report that shows it.
#[tokio::test]
async fn t11_what_a_server_proves_itself_by_is_not_reported() {
    let server = Server::new().user("alice", "wonderland").mechanisms(["SCRAM-SHA-256"]);
    let server = server.start().await.unwrap();
    let connector = securely(&server, Security::StartTls).credentials("alice", "wonderland");
    let report = alice_to_bob(connector).run().await;
    let replies: Vec<_> =
        report.stage(Stage::Auth).unwrap().replies().iter().map(ToString::to_string).collect();
    assert!(replies[0].starts_with("334 cj"), "{replies:?}");
    assert_eq!(replies[1..], ["334 <secret>", "235 2.7.0 welcome"]);
}

#[tokio::test]
async fn it_fails_at_auth() {
    let server = Server::new().user("alice", "wonderland").start().await.unwrap();
    let connector = securely(&server, Security::StartTls);
    let report = alice_to_bob(connector.clone().credentials("alice", "looking-glass")).run().await;
    let secured = "resolve connect greeting ehlo starttls handshake ehlo";
    failed(&report, Stage::Auth, &format!("{secured} !auth quit ?mail ?rcpt"));
    assert!(!format!("{report:?}{report}").contains("looking-glass"));

    let server = Server::new().withhold("AUTH").start().await.unwrap();
    let connector = securely(&server, Security::StartTls).credentials("alice", "wonderland");
    let report = alice_to_bob(connector).run().await;
    failed(&report, Stage::Auth, &format!("{secured} !auth quit ?mail ?rcpt"));
    let fault = report.stage(Stage::Auth).unwrap().fault();
    assert_eq!(fault, Some("mx.example.test does not offer AUTH, which authentication needs"));
}

#[tokio::test]
async fn it_fails_at_the_mail() {
    let ready = "resolve connect greeting ehlo";
    for (server, stage, expected) in [
        (
            Server::new().reply_to(Verb::Mail, "550 5.7.1 no mail from you"),
            Stage::Mail,
            "!mail quit ?rcpt ?rcpt ?data ?content ?end_of_data",
        ),
        (
            Server::new().reply_to(Verb::Rcpt, "550 5.7.1 relaying denied"),
            Stage::Rcpt,
            "mail !rcpt !rcpt rset quit ?data ?content ?end_of_data",
        ),
        (
            Server::new().reply_to(Verb::Data, "451 4.3.2 not now"),
            Stage::Data,
            "mail rcpt rcpt !data quit ?content ?end_of_data",
        ),
        (
            Server::new().reply_at_end("554 5.7.1 spam"),
            Stage::EndOfData,
            "mail rcpt rcpt data content !end_of_data quit",
        ),
    ] {
        let server = server.start().await.unwrap();
        let probe = alice_to_bob(to(&server)).recipient("eve@example.net").content(CONTENT);
        let report = probe.run().await;
        failed(&report, stage, &format!("{ready} {expected}"));
        assert!(server.mails().is_empty());
    }
}

#[tokio::test]
async fn a_refused_recipient_is_the_verdict_and_keeps_no_other_from_its_mail() {
    let server = Server::new().refuse("bob@example.net", "550 5.1.1 no bob here");
    let server = server.start().await.unwrap();
    let probe = alice_to_bob(to(&server)).recipient("eve@example.net").content(CONTENT);
    let report = probe.run().await;
    assert_eq!(
        steps(&report),
        "resolve connect greeting ehlo mail !rcpt rcpt data content end_of_data quit"
    );
    assert_eq!(report.verdict(), Verdict::Failed(Stage::Rcpt));
    assert!(report.is_mail_left() && server.mails().len() == 1);
    assert!(report.error().is_none() && report.diagnosis().is_some());
}

#[tokio::test]
async fn a_server_may_go_at_any_time() {
    let begin = "S: 220 mx\nC: EHLO c.example\nS: 250 mx\n";
    let mail = format!("{begin}C: MAIL FROM:<alice@example.org>\n");
    let rcpt = format!("{mail}S: 250 ok\nC: RCPT TO:<bob@example.net>\n");
    let data = format!("{rcpt}S: 250 ok\nC: DATA\n");
    let content = format!("{data}S: 354 go\nC: <content 25>\nC: .\n");
    for (script, stage, expected) in [
        (&mail, Stage::Mail, "!mail ?rcpt ?data ?content ?end_of_data"),
        (&rcpt, Stage::Rcpt, "mail !rcpt ?data ?content ?end_of_data"),
        (&data, Stage::Data, "mail rcpt !data ?content ?end_of_data"),
        (&content, Stage::EndOfData, "mail rcpt data content !end_of_data"),
    ] {
        for (end, words) in [
            ("-- close", format!("mx.example.test closed the connection at {stage}")),
            ("S: 421 4.3.2 shutting down\n-- close", String::new()),
        ] {
            let server = scripted(&format!("{script}{end}")).await;
            let report = alice_to_bob(to(&server)).content(CONTENT).run().await;
            failed(&report, stage, &format!("resolve connect greeting ehlo {expected}"));
            let told = report.stage(stage).unwrap();
            assert!(told.fault().unwrap_or_default().starts_with(&words), "{end}: {report}");
            assert_eq!(told.replies().len(), usize::from(words.is_empty()), "{report}");
        }
    }
}

/// Nothing more is said, whoever else was to be asked for.
#[tokio::test]
async fn a_recipient_that_ends_the_session_is_the_last() {
    let script = "S: 220 mx\nC: EHLO c.example\nS: 250 mx\nC: MAIL FROM:<alice@example.org>\n\
                  S: 250 ok\nC: RCPT TO:<bob@example.net>\nS: 421 4.7.0 too many errors\n-- close";
    let server = scripted(script).await;
    let report = alice_to_bob(to(&server)).recipient("eve@example.net").run().await;
    failed(&report, Stage::Rcpt, "resolve connect greeting ehlo mail !rcpt ?rcpt");
}

#[tokio::test]
async fn what_breaks_the_protocol_is_told_with_its_rule() {
    let script = "S: 220 mx\nC: EHLO c.example\nS: 250 mx\nC: MAIL FROM:<alice@example.org>\n\
                  S: 354 go on\n-- stall";
    let report = alice_to_bob(to(&scripted(script).await)).run().await;
    failed(&report, Stage::Mail, "resolve connect greeting ehlo !mail ?rcpt");
    let [quirk] = report.quirks() else { panic!("{report}") };
    assert!(report.conformance().eq([quirk]));
    assert_eq!(
        quirk.to_string(),
        "MAIL FROM cannot be answered with 354 go on (RFC 5321 §4.3.2) at MAIL FROM: \"354 go on\""
    );
}

#[tokio::test]
async fn quirks_are_told_with_their_lines() {
    let script = "S! 220-mx\\x0a220 ready\\x0d\\x0a\nC: EHLO c.example\n\
                  S: 250-mx\nS: 250 SIZE many\nC: QUIT\nS: 221 bye";
    let report = Probe::with(to(&scripted(script).await)).run().await;
    assert!(report.is_ok(), "{report}");
    let told: Vec<_> = report.quirks().iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "a bare LF as line end (RFC 5321 §2.3.8) at greeting: \"220-mx\\x0a\"",
            "a SIZE that is no number (RFC 1870 §3) at EHLO: \"250 SIZE many\"",
        ]
    );
    // A SIZE that is no number breaks nothing for a client.
    let broken: Vec<_> = report.conformance().map(|one| one.quirk()).collect();
    assert_eq!(broken, [Some(Quirk::BareLf)]);
}

#[tokio::test]
async fn one_limit_holds_for_all_steps() {
    let slow = "S: 220 mx\nC: EHLO c.example\nS: 250 mx\nC: MAIL FROM:<alice@example.org>\n\
                -- wait 200\nS: 250 ok\nC: RCPT TO:<bob@example.net>\n-- stall";
    let server = scripted(slow).await;
    let timeouts = Timeouts::all(Duration::from_secs(60)).with_whole(Some(5 * LIMIT));
    let began = std::time::Instant::now();
    let report = alice_to_bob(to(&server).timeouts(timeouts)).run().await;
    assert!(began.elapsed() < Duration::from_secs(20), "{report}");
    failed(&report, Stage::Rcpt, "resolve connect greeting ehlo mail !rcpt");
    let fault = report.stage(Stage::Rcpt).unwrap().fault();
    assert_eq!(fault, Some("no reply from mx.example.test to RCPT TO within 1.5s"));
}

#[tokio::test]
async fn what_was_asked_for_cannot_be_asked() {
    let server = Server::new().withhold("SMTPUTF8").start().await.unwrap();
    let report = Probe::with(to(&server)).recipient("björn@example.net").run().await;
    failed(&report, Stage::Rcpt, "resolve connect greeting ehlo mail !rcpt quit");

    let report = Probe::with(to(&server)).recipient("no address").run().await;
    assert_eq!(report.verdict(), Verdict::Failed(Stage::Mail), "{report}");
    assert_eq!(server.log().len(), 1, "nobody was connected to");

    let report = Probe::new("what is this?").run().await;
    assert_eq!(report.verdict(), Verdict::Failed(Stage::Connect), "{report}");
}

mod domains {
    use super::*;

    fn of(names: Names, port: u16) -> Probe {
        let connector = Connector::new("example.org").port(port).resolver(names);
        let connector = connector.security(Security::None).client_name("c.example");
        alice_to_bob(connector).by_mx()
    }

    #[tokio::test]
    async fn hosts_are_tried_in_their_order_until_one_answers() {
        let server = Server::new().start().await.unwrap();
        let names = Names::new()
            .mx(
                "example.org",
                &[(20, NAME), (30, "last.example"), (10, "dead.example"), (5, "gone.example")],
            )
            .host("dead.example", "127.0.0.2");
        let report = of(names, server.port()).run().await;
        assert_eq!(
            steps(&report),
            "resolve !resolve resolve !connect resolve connect greeting ehlo mail rcpt rset quit",
            "{report}"
        );
        assert!(report.is_ok() && report.diagnosis().is_none());
        assert_eq!((report.host(), report.address()), (NAME, Some(server.addr())));
        let hosts: Vec<_> = report.stages().iter().take(5).map(StageReport::host).collect();
        assert_eq!(hosts, ["example.org", "gone.example", "dead.example", "dead.example", NAME]);
        let Some(MailHosts::Mx(found)) = report.mail_hosts() else { panic!("{report}") };
        assert_eq!(found.len(), 4);
    }

    #[tokio::test]
    async fn a_host_that_turns_everybody_away_is_not_the_last() {
        let server = Server::new().greeting("554 5.3.2 not here").start().await.unwrap();
        let names = Names::new().mx("example.org", &[(10, NAME), (20, "dead.example")]);
        let names = names.host("dead.example", "127.0.0.2");
        let report = of(names, server.port()).run().await;
        failed(
            &report,
            Stage::Connect,
            "resolve resolve connect !greeting quit resolve !connect ?greeting ?ehlo ?mail ?rcpt",
        );
        assert_eq!(report.host(), "dead.example");
    }

    #[tokio::test]
    async fn what_is_refused_later_is_an_answer() {
        let server = Server::new().reply_to(Verb::Mail, "550 5.7.1 no").start().await.unwrap();
        let names = Names::new().mx("example.org", &[(10, NAME), (20, NAME)]);
        let report = of(names, server.port()).run().await;
        failed(&report, Stage::Mail, "resolve resolve connect greeting ehlo !mail quit ?rcpt");
        assert_eq!(server.log().len(), 1);
    }

    /// Whoever answers at the domain's own address is not asked.
    #[tokio::test]
    async fn c_156_c_157_the_domain_itself_is_no_host_beside_mx() {
        let server = Server::new().start().await.unwrap();
        let rest = "?connect ?greeting ?ehlo ?mail ?rcpt";
        for (records, steps) in [
            (&[(10, "gone.example")][..], format!("resolve !resolve {rest}")),
            // At once: no address is looked for.
            (&[(0, ".")], format!("resolve {rest}")),
        ] {
            let names = Names::new().mx("example.org", records).host("example.org", "127.0.0.1");
            let report = of(names, server.port()).run().await;
            failed(&report, Stage::Resolve, &steps);
        }
        assert!(server.log().is_empty());
    }

    #[tokio::test]
    async fn c_158_no_such_domain_is_for_good_and_a_failed_lookup_is_not() {
        let retry = async |names: Names| {
            let report = of(names, 25).run().await;
            assert_eq!(report.verdict(), Verdict::Failed(Stage::Resolve), "{report}");
            (kind(&report), report.error().unwrap().retry())
        };
        assert_eq!(retry(Names::new()).await, ("host_unknown", Retry::Never));
        let broken = Names { is_broken: true, ..Names::new() };
        assert_eq!(retry(broken).await, ("lookup_failed", Retry::Later));
        let host = Names::new().mx("example.org", &[(10, "gone.example")]);
        assert_eq!(retry(host).await, ("host_unknown", Retry::Later), "it may come");
    }

    #[tokio::test]
    async fn a_domain_may_have_no_hosts() {
        let rest = "?connect ?greeting ?ehlo ?mail ?rcpt";
        let null = Names::new().mx("example.org", &[(0, ".")]);
        let report = of(null, 25).run().await;
        failed(&report, Stage::Resolve, &format!("resolve {rest}"));
        assert_eq!(report.mail_hosts(), Some(&MailHosts::Null));
        assert_eq!(kind(&report), "null_mx");

        let report = of(Names::new(), 25).run().await;
        failed(&report, Stage::Resolve, &format!("!resolve {rest}"));
        assert_eq!((report.mail_hosts(), kind(&report)), (None, "host_unknown"));

        let neither = Names::new().mx("example.org", &[]);
        let report = of(neither, 25).run().await;
        failed(&report, Stage::Resolve, &format!("resolve !resolve {rest}"));
        assert_eq!(report.mail_hosts(), Some(&MailHosts::Implicit));

        let gone = Names::new().mx("example.org", &[(10, "a.example"), (20, "b.example")]);
        let report = of(gone.host("b.example", "127.0.0.2"), dead_port().await).run().await;
        assert_eq!(report.verdict(), Verdict::Failed(Stage::Connect), "{report}");
        let kind = report.diagnosis().unwrap().kind();
        let DiagnosisKind::HostsUnreachable { domain, hosts, .. } = kind else {
            panic!("{report}");
        };
        assert_eq!((&**domain, hosts.join(" ")), ("example.org", "a.example b.example".to_owned()));
    }

    #[tokio::test]
    async fn without_mx_the_domain_is_the_host() {
        let server = Server::new().start().await.unwrap();
        let names = Names::new().mx("example.org", &[]).host("example.org", "127.0.0.1");
        let report = of(names, server.port()).run().await;
        assert!(report.is_ok(), "{report}");
        assert_eq!(report.mail_hosts(), Some(&MailHosts::Implicit));
        // The system's resolver cannot ask.
        let connector = Connector::new("localhost").port(server.port()).security(Security::None);
        let report = Probe::with(connector).by_mx().run().await;
        assert!(report.is_ok(), "{report}");
        assert_eq!(report.mail_hosts(), Some(&MailHosts::NotAsked));
        assert!(report.to_string().contains("MX: not asked"), "{report}");
        // An address has no MX.
        let report = Probe::with(to(&server).port(server.port())).by_mx().run().await;
        assert_eq!(report.verdict(), Verdict::Failed(Stage::Resolve));
        let literal = Connector::new(server.addr().to_string()).security(Security::None);
        let report = Probe::with(literal).by_mx().run().await;
        assert_eq!(steps(&report), "~resolve connect greeting ehlo quit");
        assert_eq!(report.mail_hosts(), None);
    }

    /// Whoever forges an answer has a good certificate for the name that he puts there.
    #[tokio::test]
    async fn t10_no_credentials_go_to_a_host_that_mx_names() {
        let server = Server::new().user("alice", "wonderland").allow_cleartext();
        let server = server.start().await.unwrap();
        let roots = RootCertificates::from_pem(server.ca_pem().as_bytes()).unwrap();
        let loud = "MX.EXAMPLE.TEST";
        let names = Names::new().host(loud, "127.0.0.1").mx(NAME, &[(10, loud)]);
        let names = names.mx("example.org", &[(10, NAME)]);
        let connector = Connector::new("example.org").port(server.port()).resolver(names.clone());
        let connector = connector.roots(roots.clone()).credentials("alice", "wonderland");
        let by_mx = |connector: &Connector| Probe::with(connector.clone()).by_mx();
        let report = by_mx(&connector).run().await;
        failed(
            &report,
            Stage::Auth,
            "resolve resolve connect greeting ehlo starttls handshake ehlo !auth quit",
        );
        assert_eq!(
            report.error().unwrap().to_string(),
            "credentials go to a server that is named, not to one that MX names: name \
             mx.example.test as the server, or set tls_name or a pin"
        );
        assert_eq!(kind(&report), "caller_mistake");
        // Nor where a secret may go to anybody on the way: that is not yet to whom DNS says.
        let exposed = connector.clone().allow_cleartext();
        let in_clear = exposed.clone().security(Security::None).tls_name(NAME);
        for connector in [exposed, in_clear] {
            let report = by_mx(&connector).run().await;
            assert_eq!(report.verdict(), Verdict::Failed(Stage::Auth), "{report}");
        }
        assert!(!server.log().concat().contains("C: AUTH"), "{:?}", server.log());
        // All before it is tested as ever.
        let report = by_mx(&connector).stop_after(Stage::StartTls).run().await;
        assert!(report.is_ok(), "{report}");

        let pin = pin_of(&server).await;
        let itself = Connector::new(NAME).port(server.port()).resolver(names).roots(roots);
        for known in [
            connector.clone().tls_name(NAME),
            connector.pin(pin),
            itself.credentials("alice", "wonderland"),
        ] {
            let report = by_mx(&known).run().await;
            assert!(report.is_ok() && report.stage(Stage::Auth).is_some(), "{report}");
        }
    }

    async fn pin_of(server: &Running) -> ehlo::Pin {
        let client = securely(server, Security::StartTls).connect().await.unwrap();
        client.conversation().tls().unwrap().chain()[0].public_key().unwrap()
    }

    #[tokio::test]
    async fn each_host_is_checked_by_its_own_name() {
        let server = Server::new().start().await.unwrap();
        let names = Names::new().mx("example.org", &[(10, "other.example"), (20, NAME)]);
        let names = names.host("other.example", "127.0.0.1");
        let roots = RootCertificates::from_pem(server.ca_pem().as_bytes()).unwrap();
        let connector = Connector::new("example.org").port(server.port()).resolver(names);
        let connector = connector.security(Security::StartTls).roots(roots);
        let report = Probe::with(connector).by_mx().run().await;
        failed(
            &report,
            Stage::Handshake,
            "resolve resolve connect greeting ehlo starttls !handshake ?ehlo",
        );
        assert_eq!(report.host(), "other.example");
    }
}

/// A listener whose queue is full: on Linux its address stays silent.
#[cfg(target_os = "linux")]
struct Deaf(u16, Vec<TcpStream>, #[allow(dead_code, reason = "it listens")] TcpListener);

#[cfg(target_os = "linux")]
impl Deaf {
    async fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        while let Ok(stream) = tokio::time::timeout(LIMIT, TcpStream::connect(address)).await {
            queued.push(stream.unwrap());
            assert!(queued.len() < 100, "the queue has no end");
        }
        Self(address.port(), queued, listener)
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn others_tell_whose_silence_it_is() {
    let deaf = Deaf::new().await;
    assert!(!deaf.1.is_empty());
    let server = Server::new().start().await.unwrap();
    let up = server.addr().to_string();
    let dead = format!("127.0.0.1:{}", dead_port().await);
    let silent = format!("127.0.0.1:{}", deaf.0);
    let probe = Probe::with(at(deaf.0).timeouts(Timeouts::all(LIMIT)));
    let mut kinds = Vec::new();
    for references in [vec![], vec![silent.clone()], vec![silent.clone(), dead], vec![up]] {
        let report = probe.clone().references(references).run().await;
        failed(&report, Stage::Connect, "resolve !connect ?greeting ?ehlo");
        let connect = report.stage(Stage::Connect).unwrap();
        assert_eq!(connect.fault(), Some("no answer within 300ms"));
        let DiagnosisKind::PortFiltered { by, .. } = report.diagnosis().unwrap().kind() else {
            panic!("{report}");
        };
        kinds.push(*by);
    }
    let server_itself = FilteredBy::Server;
    assert_eq!(kinds, [FilteredBy::Unknown, FilteredBy::ThisNetwork, server_itself, server_itself]);
    assert!(server.log().concat().is_empty(), "nothing was said to it");
}

#[tokio::test]
async fn a_probe_is_a_future_of_any_thread() {
    fn assert<T: Send>(value: T) -> T {
        value
    }
    let server = Server::new().start().await.unwrap();
    let probe = alice_to_bob(to(&server));
    let report = assert(tokio::spawn(async move { probe.run().await }).await.unwrap());
    assert!(report.is_ok());
}

/// Over LMTP every recipient has a reply to the content, and a socket has no name to look up.
#[cfg(unix)]
#[tokio::test]
async fn lmtp_over_a_socket_answers_for_each_recipient() {
    let path = std::env::temp_dir().join(format!("ehlo-probe-{}", std::process::id()));
    let server = Server::new().lmtp().refuse_at_end("eve@example.net", "452 4.2.2 mailbox full");
    let server = server.start_unix(&path).await.unwrap();
    let probe = alice_to_bob(Connector::unix(&path).lmtp()).recipient("eve@example.net");
    let report = probe.clone().content(CONTENT).run().await;
    assert_eq!(
        steps(&report),
        "connect greeting ehlo mail rcpt rcpt data content end_of_data !end_of_data quit",
        "{report}"
    );
    assert_eq!(report.verdict(), Verdict::Failed(Stage::EndOfData));
    assert!(report.is_mail_left() && report.address().is_none());
    assert_eq!(server.mails().len(), 1);

    let report = probe.clone().stop_after(Stage::Connect).run().await;
    assert_eq!(steps(&report), "connect", "{report}");
    let report = probe.by_mx().run().await;
    assert_eq!(report.verdict(), Verdict::Failed(Stage::Resolve), "{report}");
}

/// Whatever the name is, this machine by two of its addresses.
#[derive(Debug)]
struct Both([u8; 2]);

impl Resolve for Both {
    fn addresses<'a>(&'a self, _host: &'a str) -> Resolving<'a, Vec<IpAddr>> {
        Box::pin(async { Ok(self.0.map(|last| IpAddr::from([127, 0, 0, last])).to_vec()) })
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_address_that_was_outrun_is_a_step_too() {
    let deaf = Deaf::new().await;
    let _open = TcpListener::bind(("127.0.0.2", deaf.0)).await.unwrap();
    let probe = Probe::with(at(deaf.0).resolver(Both([1, 2]))).stop_after(Stage::Connect);
    let report = probe.run().await;
    assert_eq!(steps(&report), "resolve ~connect connect", "{report}");
    let outrun = &report.stages()[1];
    assert_eq!(outrun.outcome(), StageOutcome::Skipped(Skipped::AnotherWasFaster));
    assert!(outrun.duration() >= Duration::from_millis(250), "{report}");
    assert_eq!(report.address().unwrap().ip(), IpAddr::from([127, 0, 0, 2]));
}

#[tokio::test]
async fn every_address_is_a_step() {
    let server = Server::new().start().await.unwrap();
    let report = Probe::with(to(&server).resolver(Both([2, 1]))).run().await;
    assert!(report.is_ok() && report.address() == Some(server.addr()), "{report}");
    if cfg!(target_os = "linux") {
        assert_eq!(steps(&report), "resolve !connect connect greeting ehlo quit");
        let first = &report.stages()[1];
        assert_eq!(first.address().unwrap().ip(), IpAddr::from([127, 0, 0, 2]));
    }
}

/// RSET and QUIT are no part of what was asked.
#[tokio::test]
async fn a_bad_farewell_is_no_verdict() {
    for (verb, expected) in [(Verb::Rset, "mail rcpt !rset"), (Verb::Quit, "mail rcpt rset !quit")]
    {
        let server = Server::new().reply_to(verb, "421 4.3.2 no more").start().await.unwrap();
        let report = alice_to_bob(to(&server)).run().await;
        assert_eq!(steps(&report), format!("resolve connect greeting ehlo {expected}"), "{report}");
        assert!(report.is_ok());
    }
}
