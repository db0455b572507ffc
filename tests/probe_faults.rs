//! Faults of servers, each put into a script, and the diagnosis that a probe makes of it: whole runs,
//! where `tests/diagnosis.rs` has the replies alone.
#![cfg(all(feature = "probe", feature = "testing"))]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::time::Duration;

use ehlo::testing::{Running, Server};
use ehlo::{
    Confidence, Connector, Credentials, Pin, Probe, Report, RootCertificates, Security, Timeouts,
    TlsVersion, Verb, Verdict,
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::CertificateDer;

/// The conversation so far, in front of each fault.
const OPEN: &str = "S: 220 mx.example.net\nC: EHLO c.example\n";
const READY: &str = "S: 220 mx.example.net\nC: EHLO c.example\nS: 250 mx.example.net\n";
const SECURE: &str = "S: 220 mx.example.net\nC: EHLO c.example\nS: 250-mx.example.net\n\
                      S: 250 STARTTLS\nC: STARTTLS\n";
const MAIL: &str = "C: MAIL FROM:<alice@example.org>\n";
const RCPT: &str = "C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\n";
const DATA: &str = "C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\n\
                    S: 250 ok\nC: DATA\n";
const END: &str = "C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\n\
                   S: 250 ok\nC: DATA\nS: 354 go\nC: <content 25>\nC: .\n";

/// What goes before, the fault, and the stage and kind of the diagnosis.
const FAULTS: &[(&[&str], &str, &str)] = &[
    (&[], "-- close", "greeting closed_before_greeting"),
    (&[], "-- reset", "greeting closed_before_greeting"),
    (&[], "-- stall", "greeting silent_port"),
    (&[], "S! 220-half\\x0d\\x0a\n-- stall", "greeting silence"),
    (&[], "S! HTTP/1.1 400 Bad Request\\x0d\\x0a\n-- close", "greeting not_smtp"),
    (&[], "S! SSH-2.0-OpenSSH_9.2p1\\x0d\\x0a\n-- close", "greeting not_smtp"),
    (&[], "S! \\x15\\x03\\x01\\x00\\x02\\x02\\x28\n-- close", "greeting implicit_tls_expected"),
    (&[], "S! +OK POP3 ready\\x0d\\x0a\n-- close", "greeting not_smtp"),
    (&[], "S! * OK IMAP4rev1 ready\\x0d\\x0a\n-- close", "greeting not_smtp"),
    (&[], "S: 421 4.3.2 Service shutting down\n-- close", "greeting server_busy"),
    (
        &[],
        "S: 421 4.7.0 mx.example.net Error: too many connections from 192.0.2.1\n-- close",
        "greeting too_many_connections",
    ),
    (&[], "S: 521 mx.example.net does not accept mail", "greeting no_mail_service"),
    (
        &[],
        "S: 521 5.7.1 Service unavailable; client [192.0.2.1] blocked using zen.spamhaus.org",
        "greeting listed",
    ),
    (&[], "S: 250 hello\n-- close", "greeting protocol_violation"),
    (
        &[OPEN],
        "S: 504 5.5.2 <c.example>: Helo command rejected: need fully-qualified hostname",
        "ehlo client_name_refused",
    ),
    (&[OPEN], "S: 550 5.7.1 Fix reverse DNS for 192.0.2.1", "ehlo no_reverse_dns"),
    (&[OPEN], "-- close", "ehlo closed_midway"),
    (&[SECURE], "S: 454 4.7.0 TLS not available due to local problem", "starttls starttls_refused"),
    (&[SECURE], "S: 220 go\n-- close", "handshake tls_closed"),
    (&[SECURE], "S: 220 go\nS: 250 what is this?\n-- close", "starttls protocol_violation"),
    (
        &[SECURE],
        "S: 220 go\n-- wait 100\nS: 500 what is this?\n-- close",
        "handshake tls_not_spoken",
    ),
    (&[SECURE], "S: 220 go\n-- stall", "handshake tls_timed_out"),
    (&[SECURE], "S: 220 go\n-- TLS\n-- close", "handshake certificate_untrusted"),
    (&[READY, MAIL], "S: 530 5.7.0 Authentication required", "mail authentication_required"),
    (
        &[READY, MAIL],
        "S: 450 4.1.8 <alice@example.org>: Sender address rejected: Domain not found",
        "mail sender_domain_unknown",
    ),
    (&[READY, MAIL], "S: 452 4.3.1 Insufficient system storage", "mail storage_full"),
    (&[READY, MAIL], "S: 354 go on\n-- close", "mail protocol_violation"),
    (&[READY, RCPT], "S: 554 5.7.1 <bob@example.net>: Relay access denied", "rcpt relay_denied"),
    (
        &[READY, RCPT],
        "S: 550 5.1.1 <bob@example.net>: Recipient address rejected: User unknown",
        "rcpt unknown_recipient",
    ),
    (
        &[READY, RCPT],
        "S: 450 4.2.0 <bob@example.net>: Recipient address rejected: Greylisted, try again in 300 \
         seconds",
        "rcpt greylisted",
    ),
    (&[READY, RCPT], "S: 452 4.2.2 The recipient's inbox is full", "rcpt mailbox_full"),
    (&[READY, RCPT], "-- stall", "rcpt silence"),
    (&[READY, RCPT], "-- close", "rcpt closed_midway"),
    (&[READY, DATA], "S: 451 4.3.0 queue file write error", "data server_trouble"),
    (
        &[READY, END],
        "S: 552 5.3.4 Message size exceeds fixed limit",
        "end_of_data message_too_large",
    ),
    (
        &[READY, END],
        "S: 554 5.7.1 Message rejected as spam by Content Filtering.",
        "end_of_data spam_refused",
    ),
    (&[READY, END], "S: 550 5.7.1 virus Eicar-Test-Signature found", "end_of_data virus_found"),
    (
        &[READY, END],
        "S: 550-5.7.26 Unauthenticated email from example.org is not accepted due to\n\
         S: 550 5.7.26 domain's DMARC policy.",
        "end_of_data dmarc_failed",
    ),
    (&[READY, END], "-- close", "end_of_data closed_midway"),
];

#[tokio::test]
async fn what_was_put_in_is_what_is_diagnosed() {
    let mut wrong = Vec::new();
    for (before, fault, expected) in FAULTS {
        let is_secure = before.contains(&SECURE);
        let is_over = ["-- close", "-- reset", "-- stall"].iter().any(|end| fault.ends_with(end));
        let farewell = match before.contains(&RCPT) {
            _ if is_over => "",
            true => "\nC: RSET\nS: 250 ok\nC: QUIT\nS: 221 bye",
            false => "\nC: QUIT\nS: 221 bye",
        };
        let script = format!("{}{fault}{farewell}", before.concat());
        let server = Server::script(script.parse().unwrap()).start().await.unwrap();
        let connector = Connector::new("127.0.0.1")
            .port(server.port())
            .client_name("c.example")
            .timeouts(Timeouts::all(Duration::from_millis(400)))
            .security(if is_secure { Security::StartTls } else { Security::None });
        let probe = Probe::with(connector).sender("alice@example.org").recipient("bob@example.net");
        let report = probe.content("Subject: probe\r\n\r\nhello\r\n").run().await;
        let Verdict::Failed(stage) = report.verdict() else { panic!("{script}: {report}") };
        let diagnosis = report.diagnosis().unwrap();
        let told = format!("{} {}", stage.name(), diagnosis.kind().name());
        if told != *expected {
            wrong.push(format!("{expected}, but: {told}\n{script}\n{report}"));
        }
        assert!(!diagnosis.cause().is_empty() && !diagnosis.advice().is_empty(), "{report}");
        assert!(!report.is_mail_left() && server.mails().is_empty());
    }
    assert!(FAULTS.len() >= 30);
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The stage and the kind of what was diagnosed.
#[track_caller]
fn told(report: &Report) -> String {
    let Verdict::Failed(stage) = report.verdict() else { panic!("{report}") };
    let diagnosis = report.diagnosis().unwrap();
    assert!(!diagnosis.cause().is_empty() && !diagnosis.advice().is_empty(), "{report}");
    format!("{} {}", stage.name(), diagnosis.kind().name())
}

fn authority(name: &str) -> (Issuer<'static, KeyPair>, RootCertificates) {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    (Issuer::new(params, key), RootCertificates::from_pem(pem.as_bytes()).unwrap())
}

fn acceptor(certificate: CertificateDer<'static>, key: &KeyPair) -> TlsAcceptor {
    let key = key.serialize_der().try_into().unwrap();
    let provider = std::sync::Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(std::sync::Arc::new(config))
}

/// Shows this certificate to whoever comes, and says nothing that matters after it.
async fn shows(certificate: CertificateDer<'static>, key: &KeyPair) -> (u16, impl Drop) {
    let acceptor = acceptor(certificate, key);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = acceptor.accept(stream).await;
        }
    });
    (port, tasks)
}

/// What is wrong with a certificate, who has signed it, and the kind of the diagnosis.
type CertificateFault = (fn(&mut CertificateParams), Signer, &'static str);

#[derive(Clone, Copy)]
enum Signer {
    Trusted,
    Stranger,
    Itself,
}

const CERTIFICATES: &[CertificateFault] = &[
    (|one| one.not_after = date_time_ymd(2020, 3, 1), Signer::Trusted, "certificate_expired"),
    (
        |one| one.not_before = date_time_ymd(2400, 3, 1),
        Signer::Trusted,
        "certificate_not_yet_valid",
    ),
    (|one| one.subject_alt_names.clear(), Signer::Trusted, "certificate_wrong_name"),
    (|_| {}, Signer::Stranger, "certificate_untrusted"),
    (|_| {}, Signer::Itself, "certificate_self_signed"),
    (
        |one| one.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
        Signer::Itself,
        "certificate_is_authority",
    ),
];

#[tokio::test]
async fn each_fault_of_a_certificate_is_diagnosed_by_its_name() {
    let (trusted, roots) = authority("an authority");
    let (stranger, _) = authority("a stranger");
    for (fault, signer, expected) in CERTIFICATES {
        let mut params = CertificateParams::new(["mx.example.net".to_owned()]).unwrap();
        params.not_after = date_time_ymd(2500, 1, 1);
        fault(&mut params);
        let key = KeyPair::generate().unwrap();
        let made = match signer {
            Signer::Trusted => params.signed_by(&key, &trusted),
            Signer::Stranger => params.signed_by(&key, &stranger),
            Signer::Itself => params.self_signed(&key),
        };
        let (port, _server) = shows(made.unwrap().der().clone(), &key).await;
        let connector = Connector::new("127.0.0.1")
            .port(port)
            .security(Security::Implicit)
            .tls_name("mx.example.net")
            .timeouts(Timeouts::all(Duration::from_secs(10)))
            .roots(roots.clone());
        let report = Probe::with(connector).run().await;
        assert_eq!(told(&report), format!("handshake {expected}"), "{report}");
    }
}

/// As Exim says them; and whoever is in between may, so that it is no more than likely.
#[tokio::test]
async fn last_words_in_clear_amid_tls_are_diagnosed() {
    let (trusted, roots) = authority("an authority");
    let params = CertificateParams::new(["mx.example.net".to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &trusted).unwrap();
    let acceptor = acceptor(certificate.der().clone(), &key);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connector = Connector::new(listener.local_addr().unwrap().to_string())
        .security(Security::Implicit)
        .tls_name("mx.example.net")
        .timeouts(Timeouts::all(Duration::from_secs(10)))
        .roots(roots);
    let served = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await.unwrap();
        for said in ["220 mx\r\n", "250 mx\r\n"] {
            stream.write_all(said.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            assert!(stream.read(&mut [0; 512]).await.unwrap() > 0);
        }
        let (in_clear, _) = stream.get_mut();
        in_clear.write_all(b"554 Too many nonmail commands\r\n").await.unwrap();
    };
    let probe = Probe::with(connector).sender("a@example.org");
    let (report, ()) = tokio::join!(probe.run(), served);
    assert_eq!(told(&report), "mail too_many_errors", "{report}");
    let diagnosis = report.diagnosis().unwrap();
    assert_eq!(diagnosis.confidence(), Confidence::Likely);
    assert!(diagnosis.cause().contains("\"554 Too many nonmail commands\""), "{diagnosis}");
    let words = "failed at MAIL FROM: the server left TLS and said in clear \"554 Too many nonmail \
                 commands\"";
    assert!(report.error().unwrap().to_string().ends_with(words), "{report}");
}

/// With a certificate that is good.
#[tokio::test]
async fn what_is_asked_of_tls_and_not_there_is_diagnosed() {
    let server = Server::new().maximum_tls(TlsVersion::Tls12).start().await.unwrap();
    let connector = secure(&server).minimum_tls(TlsVersion::Tls13);
    let report = Probe::with(connector).run().await;
    assert_eq!(told(&report), "handshake tls_version_mismatch", "{report}");
    let advice = "Switch TLS 1.3 on at the server, or allow TLS 1.2 here if that is what it has.";
    assert_eq!(report.diagnosis().unwrap().advice(), advice);

    let server = Server::new().start().await.unwrap();
    let report = Probe::with(secure(&server).pin(Pin::public_key([7; 32]))).run().await;
    assert_eq!(told(&report), "handshake certificate_not_pinned", "{report}");

    let server = Server::new().withhold("STARTTLS").start().await.unwrap();
    let report = Probe::with(secure(&server)).run().await;
    assert_eq!(told(&report), "starttls starttls_missing", "{report}");

    // Each speaks what the other does not expect.
    let report = Probe::with(secure(&server).security(Security::Implicit)).run().await;
    assert_eq!(told(&report), "handshake starttls_expected", "{report}");
}

fn secure(server: &Running) -> Connector {
    let roots = RootCertificates::from_pem(server.ca_pem().as_bytes()).unwrap();
    Connector::new("127.0.0.1")
        .port(server.port())
        .timeouts(Timeouts::all(Duration::from_secs(10)))
        .security(Security::StartTls)
        .roots(roots)
}

/// What a server says to AUTH, and what is made of it.
const AUTH: &[(&str, &str)] = &[
    ("535 5.7.8 Error: authentication failed: authentication failure", "wrong_credentials"),
    ("454 4.7.0 Temporary authentication failure", "auth_unavailable"),
    ("525 5.7.13 Account disabled", "account_locked"),
    (
        "534-5.7.9 Application-specific password required. For more information, go to\n\
         534 5.7.9  https://support.google.com/mail/?p=InvalidSecondFactor x - gsmtp",
        "app_password_required",
    ),
    ("535 5.7.139 Authentication unsuccessful, basic authentication is disabled.", "auth_disabled"),
    ("454 4.7.0 Too many login attempts, please try again later", "auth_throttled"),
    ("432 4.7.12 A password transition is needed", "password_expired"),
];

#[tokio::test]
async fn what_fails_at_auth_is_diagnosed() {
    for (reply, expected) in AUTH {
        let server = Server::new().user("alice", "wonderland").reply_to(Verb::Auth, reply);
        let server = server.start().await.unwrap();
        let credentials = Credentials::new("alice", "wonderland").mechanisms(["PLAIN"]);
        let report = Probe::with(secure(&server).authenticate(credentials)).run().await;
        assert_eq!(told(&report), format!("auth {expected}"), "{report}");
    }
    let server = Server::new().user("alice", "wonderland").start().await.unwrap();
    let report = Probe::with(secure(&server).credentials("alice", "looking-glass")).run().await;
    assert_eq!(told(&report), "auth wrong_credentials", "{report}");

    let credentials = Credentials::new("alice", "wonderland").mechanisms(["CRAM-MD5"]);
    let report = Probe::with(secure(&server).authenticate(credentials)).run().await;
    assert_eq!(told(&report), "auth mechanism_missing", "{report}");

    let server = Server::new().withhold("AUTH").start().await.unwrap();
    let report = Probe::with(secure(&server).credentials("alice", "wonderland")).run().await;
    assert_eq!(told(&report), "auth auth_not_offered", "{report}");

    // In clear it is offered only over TLS.
    let server = Server::new().start().await.unwrap();
    let connector = secure(&server).security(Security::None).allow_cleartext();
    let report = Probe::with(connector.credentials("alice", "wonderland")).run().await;
    assert_eq!(told(&report), "auth auth_needs_tls", "{report}");
}
