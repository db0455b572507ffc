//! From all that may be known to a cause; and the words of each. What replies say is in
//! `tests/data/diagnoses.tsv`, the sentences in `tests/data/diagnosis-words.tsv`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio_rustls::rustls::{CertificateError, Error as RustlsError, InvalidMessage};

use super::Confidence::{Certain, Guess, Likely};
use super::*;
use crate::auth::AuthFault;
use crate::error::ErrorKind;
use crate::extension::Capabilities;
use crate::net::{ConnectFailure, Connector, Security, TlsFault, TlsReason, TlsVersion};
use crate::protocol::{Misuse, Violation};
use crate::wire::{ContentFault, ReplyBuffer, ReplyError, ReplyKind, ReplyRef, Strictness};

const AFTER: Duration = Duration::from_secs(30);

/// The name of each case's kind, its confidence, and what was found.
type Case = (&'static str, Confidence, Diagnosis);

#[test]
fn what_is_known_leads_to_its_cause() {
    for (name, confidence, found) in cases() {
        assert_eq!((found.kind().name(), found.confidence()), (name, confidence), "{found}");
    }
}

#[test]
fn every_kind_is_found_by_some_case_or_reply() {
    let found: BTreeSet<_> = samples().into_keys().collect();
    let named = include_str!("name.rs").lines().filter_map(|line| {
        line.split_once("=> \"").and_then(|(_, rest)| rest.split_once('"')).map(|(name, _)| name)
    });
    let named: BTreeSet<_> = named.map(str::to_owned).collect();
    assert!(named.len() > 100);
    assert_eq!(named.difference(&found).collect::<Vec<_>>(), Vec::<&String>::new());
}

/// With `EHLO_WRITE_TABLES` set the file is written instead.
#[test]
fn the_words_of_every_kind() {
    let mut table = "kind\tcause\tadvice\n".to_owned();
    for (name, found) in samples() {
        writeln!(table, "{name}\t{}\t{}", found.cause(), found.advice()).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/diagnosis-words.tsv");
    if std::env::var_os("EHLO_WRITE_TABLES").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    for (came, kept) in table.lines().zip(kept.lines()) {
        assert_eq!(came, kept);
    }
    assert_eq!(table.lines().count(), kept.lines().count());
}

/// A sentence begins with a capital, and ends with a stop or a link.
#[test]
fn causes_and_advice_are_sentences() {
    for (name, found) in samples() {
        for sentence in [found.cause(), found.advice()] {
            assert!(sentence.starts_with(|c: char| c.is_ascii_uppercase()), "{name}: {sentence}");
            let ends = sentence.ends_with('.') || sentence.contains("explains at http");
            assert!(ends && !sentence.ends_with(".."), "{name}: {sentence}");
            let ours = sentence.split(" (reply").next().unwrap_or_default();
            assert!(!ours.contains("  "), "{name}: {sentence}");
        }
        assert_eq!(found.to_string(), format!("{} {}", found.cause(), found.advice()));
    }
}

#[test]
fn words_of_confidence() {
    assert_eq!([Certain, Likely, Guess].map(|one| one.to_string()), ["certain", "likely", "guess"]);
    assert!(Certain < Likely && Likely < Guess);
}

#[test]
fn a_quote_is_cut_between_characters() {
    let long = format!("550 {}", "é".repeat(400));
    let quote = shown(long.as_bytes());
    assert!(quote.ends_with("é…"), "{quote}");
    assert_eq!(quote.chars().count(), 4 + 148 + 1);
    assert_eq!(shown(b"550-a \r\n550 b\r\n"), "550-a 550 b");
    assert_eq!(shown(b"550 \x1b[2J\xff\r\n"), r"550 \x1b[2J\xff");
    assert_eq!(shown(b""), "");
}

/// The addresses that a machine without IPv6 cannot reach say nothing of the server.
#[test]
fn attempts_are_weighed() {
    let kind = |failures: &[(&str, ConnectFailure)]| {
        let (kind, confidence) = of_failures(failures, &evidence());
        (kind.name(), confidence)
    };
    let io = |kind: io::ErrorKind| ConnectFailure::Io(kind.into());
    let refused = || io(io::ErrorKind::ConnectionRefused);
    let unreachable = || io(io::ErrorKind::NetworkUnreachable);
    let silent = || ConnectFailure::TimedOut(AFTER);
    assert_eq!(kind(&[(V6, unreachable()), (V4, refused())]), ("connection_refused", Certain));
    assert_eq!(kind(&[(V6, silent()), (V4, refused())]), ("connection_refused", Likely));
    assert_eq!(kind(&[(V6, unreachable()), (V4, silent())]), ("port_filtered", Certain));
    assert_eq!(kind(&[(V4, io(io::ErrorKind::TimedOut))]), ("port_filtered", Certain));
    assert_eq!(
        kind(&[(V6, ConnectFailure::NoSource), (V4, unreachable())]),
        ("network_unreachable", Certain)
    );
    assert_eq!(kind(&[]), ("connect_failed", Certain));
}

#[test]
fn who_filters_a_port_is_told_by_reference_hosts() {
    let by = |references| {
        let evidence = Evidence { references, ..evidence() };
        let (kind, confidence) = of_failures(&[(V4, ConnectFailure::TimedOut(AFTER))], &evidence);
        match kind {
            DiagnosisKind::PortFiltered { by, addresses } if addresses == [V4.parse().unwrap()] => {
                (by, confidence)
            }
            kind => panic!("{kind:?}"),
        }
    };
    assert_eq!(by(Some(ReferencesOutcome::AllTimedOut)), (FilteredBy::ThisNetwork, Likely));
    assert_eq!(by(Some(ReferencesOutcome::SomeAnswered)), (FilteredBy::Server, Likely));
    assert_eq!(by(None), (FilteredBy::Unknown, Certain));
}

/// Where this network blocks the port, the domain's hosts are not to blame.
#[test]
fn a_blocked_port_outranks_unreachable_hosts() {
    let hosts = ["mx1.example".to_owned(), "mx2.example".to_owned()];
    let silent = &[(V4, ConnectFailure::TimedOut(AFTER))];
    let mx = MxLookup::Hosts(&hosts);
    let (kind, _) = of_failures(silent, &Evidence { mx, ..evidence() });
    assert_eq!(
        kind,
        DiagnosisKind::HostsUnreachable { domain: "example.net".to_owned(), hosts: hosts.to_vec() }
    );
    let references = Some(ReferencesOutcome::AllTimedOut);
    let (kind, _) = of_failures(silent, &Evidence { mx, references, ..evidence() });
    assert_eq!(kind.name(), "port_filtered");
    let mx = MxLookup::Hosts(&hosts[..1]);
    let (kind, _) = of_failures(silent, &Evidence { mx, ..evidence() });
    assert_eq!(kind.name(), "port_filtered");
}

#[test]
fn dialect_37_dialect_38_silence_and_closing_before_the_greeting() {
    let on = |port, security, kind: fn() -> ErrorKind| {
        let error = error(Stage::Greeting, kind());
        let evidence =
            Evidence { port: Some(port), security: Some(security), ..Evidence::of_error(&error) };
        let found = Diagnosis::of_evidence(&evidence);
        (found.kind().name(), found.confidence())
    };
    let silence: fn() -> _ = || ErrorKind::Timeout(AFTER);
    let closed: fn() -> _ = || ErrorKind::Closed(None);
    assert_eq!(on(465, Security::None, silence), ("implicit_tls_expected", Likely));
    assert_eq!(on(465, Security::StartTls, closed), ("implicit_tls_expected", Likely));
    assert_eq!(on(465, Security::Implicit, silence), ("silent_port", Certain));
    assert_eq!(on(25, Security::None, silence), ("silent_port", Certain));
    assert_eq!(on(587, Security::StartTls, closed), ("closed_before_greeting", Certain));
}

/// What stands in the way of words is not the wire, but what was said before.
#[test]
fn an_earlier_refusal_outranks_a_later_end() {
    let refusal: Reply = "550 5.7.25 no PTR record".parse().unwrap();
    for kind in [ErrorKind::Closed(None), ErrorKind::Io(io::ErrorKind::ConnectionReset.into())] {
        let error = Error::new(Stage::Ehlo, kind).after([refusal.clone()]);
        let found = Diagnosis::of(&error);
        assert_eq!((found.kind().name(), found.confidence()), ("no_reverse_dns", Likely));
        assert!(found.cause().contains("550 5.7.25 no PTR record"), "{}", found.cause());
    }
    let accepted: Reply = "250 ok".parse().unwrap();
    let error = Error::new(Stage::Rcpt, ErrorKind::Closed(None)).after([accepted]);
    assert_eq!(Diagnosis::of(&error).kind().name(), "closed_midway");
}

#[test]
fn auth_without_tls_is_told_from_no_auth_at_all() {
    let offer: Reply = "250-mx.example\n250 STARTTLS".parse().unwrap();
    let octets = offer.octets();
    let parsed = ReplyRef::parse(octets, ReplyKind::Hello, Strictness::Tolerant);
    let offer = Capabilities::parse(parsed.unwrap().unwrap().0);
    let error =
        error(Stage::Auth, AuthFault::NoMechanism { offered: Vec::new(), why: String::new() });
    let name = |in_tls| {
        let known =
            Evidence { offered_in_clear: Some(&offer), in_tls, ..Evidence::of_error(&error) };
        Diagnosis::of_evidence(&known).kind().name()
    };
    assert_eq!(name(Some(false)), "auth_needs_tls");
    assert_eq!(name(Some(true)), "auth_not_offered");
    assert_eq!(name(None), "auth_not_offered");
}

#[test]
fn resolvers_are_understood_in_their_own_words() {
    let name = |words: &str, mx| {
        let words = format!(
            "mx.example could not be resolved: failed to lookup address information: {words}"
        );
        let known = Evidence { mx, ..evidence() };
        let (kind, confidence) = reach::of_name_in_words("mx.example", &words, false, &known);
        (kind.name(), confidence)
    };
    let asked = MxLookup::NotAsked;
    assert_eq!(name("Name or service not known", asked), ("host_unknown", Likely));
    assert_eq!(name("Name does not resolve", asked), ("host_unknown", Likely));
    assert_eq!(
        name("nodename nor servname provided, or not known", asked),
        ("host_unknown", Likely)
    );
    assert_eq!(
        name("Name or service not known", MxLookup::NoSuchDomain),
        ("host_unknown", Certain)
    );
    assert_eq!(name("Name or service not known", MxLookup::None), ("no_address", Certain));
    assert_eq!(name("No address associated with hostname", asked), ("no_address", Certain));
    assert_eq!(name("Temporary failure in name resolution", asked), ("lookup_failed", Likely));
}

/// Resolvers that can tell do so without words of a system.
#[test]
fn resolvers_that_know_are_believed() {
    let name = |words: &str, mx| {
        let known = Evidence { mx, ..evidence() };
        let (kind, confidence) = reach::of_name_in_words("mx.example", words, false, &known);
        (kind.name(), confidence)
    };
    let asked = MxLookup::NotAsked;
    assert_eq!(name("mx.example does not exist", asked), ("host_unknown", Certain));
    assert_eq!(name("mx.example does not exist", MxLookup::None), ("no_address", Certain));
    assert_eq!(name("mx.example has no address", asked), ("no_address", Certain));
    assert_eq!(
        name("mx.example could not be resolved: does not answer", asked),
        ("lookup_failed", Likely)
    );
}

/// A name may hold the very words that are looked for.
#[test]
fn the_words_of_a_name_are_not_the_resolvers() {
    let host = "Name does not resolve";
    let words = format!("{host} could not be resolved: broken");
    let (kind, _) = reach::of_name_in_words(host, &words, false, &evidence());
    assert_eq!(kind.name(), "lookup_failed");
}

#[test]
fn each_rule_that_a_server_breaks_is_named_with_the_line() {
    let of_line = |octets: &[u8], stage: Stage| {
        let found = Diagnosis::of(&error(stage, Violation::from(reply_error(octets))));
        (found.kind().name(), found.cause())
    };
    for (octets, cause) in [
        (
            &b"hello\r\n"[..],
            r#"The server broke the rule that a line of a reply begins with three digits (RFC 5321 §4.2): it sent "hello"."#,
        ),
        (
            b"650 x\r\n",
            r#"The server broke the rule that a reply code is from 200 to 599 (RFC 5321 §4.2.1): it sent "650 x"."#,
        ),
        (
            b"250x\r\n",
            r#"The server broke the rule that a space or a hyphen stands after the code (RFC 5321 §4.2): it sent "250x"."#,
        ),
        (
            b"250-a\r\n550 \x1b\r\n",
            r#"The server broke the rule that all lines of a reply have the same code (RFC 5321 §4.2.1): it sent "550 \x1b"."#,
        ),
    ] {
        assert_eq!(of_line(octets, Stage::Rcpt), ("protocol_violation", cause.to_owned()));
    }
    for (octets, name) in [
        (&b"HTTP/1.1 400 Bad Request\r\n"[..], "not_smtp"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not_smtp"),
        (b"* OK IMAP4 ready\r\n", "not_smtp"),
        (b"+OK POP3 ready\r\n", "not_smtp"),
        (b"hello\r\n", "not_smtp"),
        (b"\x15\x03\x01\x00\x02\x02\x16", "implicit_tls_expected"),
    ] {
        assert_eq!(of_line(octets, Stage::Greeting).0, name);
    }
    let found =
        Diagnosis::of(&error(Stage::Greeting, Violation::from(reply_error(b"SSH-2.0-x\x1b\r\n"))));
    assert_eq!(found.cause(), r#"The port speaks SSH and not SMTP (reply: "SSH-2.0-x\x1b")."#);
}

#[test]
fn t16_nothing_of_a_stranger_is_shown_raw() {
    let hostile = "\u{1b}[2J\u{202e}\r\n<script>";
    let reason = TlsReason::WrongName {
        expected: Some(hostile.to_owned()),
        presented: vec![hostile.to_owned()],
    };
    let offered = vec![hostile.to_owned()];
    let mechanism = AuthFault::NoMechanism { offered, why: String::new() };
    let hosts = [hostile.to_owned(), hostile.to_owned()];
    let known = Evidence { host: hostile, mx: MxLookup::Hosts(&hosts), ..evidence() };
    let (unreachable, _) = of_failures(&[], &known);
    for found in [
        tls(reason),
        tls(TlsReason::UnknownIssuer { issuer: Some(hostile.to_owned()) }),
        tls(TlsReason::NotTls { heard: hostile.as_bytes().to_vec() }),
        Diagnosis::of(&error(Stage::Auth, mechanism)),
        Diagnosis::of(&error(Stage::Auth, AuthFault::NoToken(hostile.to_owned()))),
        Diagnosis::of(&error(Stage::Content, ErrorKind::Source(io::Error::other(hostile)))),
        Diagnosis::of(&error(Stage::Rcpt, ErrorKind::Io(io::Error::other(hostile)))),
        Diagnosis { kind: unreachable, confidence: Certain, told: Told::Nothing },
        lookup(hostile, MxLookup::Null),
    ] {
        let words = format!("{found} {:?}", found.kind());
        assert!(!words.chars().any(|c| c.is_control() || c == '\u{202e}'), "{words}");
    }
}

/// Which side has to change.
#[test]
fn a_mismatch_of_versions_is_advised_by_what_each_side_allows() {
    let advice = |chosen, minimum| tls(TlsReason::NoCommonVersion { chosen, minimum }).advice();
    let (old, new) = (Some(TlsVersion::Tls12), Some(TlsVersion::Tls13));
    for (chosen, minimum, words) in [
        (
            None,
            new,
            "Switch TLS 1.3 on at the server, or allow TLS 1.2 here if that is what it has.",
        ),
        (Some("TLS 1.2"), new, "Allow TLS 1.2 here, or switch TLS 1.3 on at the server."),
        (None, old, NEVER_ALLOWED),
        (Some("TLS 1.0"), old, NEVER_ALLOWED),
        (Some("TLS 1.1"), None, NEVER_ALLOWED),
        (
            None,
            None,
            "Switch TLS 1.2 or 1.3 on at the server, and check which of them are allowed here.",
        ),
    ] {
        assert_eq!(advice(chosen, minimum), words);
    }
}

const NEVER_ALLOWED: &str = "Switch TLS 1.2 or 1.3 on at the server: what is older is not safe, \
                             and never allowed here.";

/// Exim says so in clear, amid TLS.
#[test]
fn last_words_in_clear_are_the_cause() {
    let broken = |heard: &[u8]| {
        let fault = TlsFault::of_reading(
            &io::Error::other(RustlsError::InvalidMessage(InvalidMessage::InvalidContentType)),
            heard,
        );
        of(Stage::Rset, ErrorKind::Io(io::Error::new(io::ErrorKind::InvalidData, fault.unwrap())))
    };
    let found = broken(b"554 Too many nonmail commands\r\n");
    assert_eq!((found.kind().name(), found.confidence()), ("too_many_errors", Likely));
    assert_eq!(
        found.cause(),
        "The server has counted too many errors of this client (reply: \"554 Too many nonmail \
         commands\")."
    );
    // Of several lines the first is heard; and whoever is in between may have said it.
    let found = broken(b"421-4.3.2 shutting down\r\n421 4.3.2 now\r\n");
    assert_eq!((found.kind().name(), found.confidence()), ("server_busy", Likely));
    assert_eq!(broken(b"550\r\n").kind().name(), "permanent_refusal");
}

/// There are errors without words.
#[test]
fn a_cause_is_never_empty() {
    let without = || io::Error::other("");
    for (found, cause) in [
        (of(Stage::Rcpt, ErrorKind::Io(without())), "The connection broke at RCPT TO."),
        (of(Stage::Handshake, ErrorKind::Io(without())), "TLS could not be set up."),
        (of(Stage::Content, ErrorKind::Source(without())), "The content cannot be sent."),
        (
            of(Stage::Handshake, TlsFault::from(RustlsError::General(String::new()))),
            "The TLS handshake failed: unexpected error.",
        ),
    ] {
        assert_eq!(found.cause(), cause);
    }
}

#[tokio::test]
async fn a_real_port_where_nothing_listens() {
    let address = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let connector = Connector::new("127.0.0.1").port(address.port()).security(Security::None);
    let found = Diagnosis::of(&connector.connect().await.unwrap_err());
    assert_eq!(*found.kind(), DiagnosisKind::ConnectionRefused { addresses: vec![address] });
    assert_eq!(found.cause(), format!("Nothing listens at {address}: the connection was refused."));
}

/// A label of more than 63 octets cannot be asked for: no resolver needs the network for that.
#[tokio::test]
async fn a_real_name_that_cannot_be_one() {
    let name = "a".repeat(64) + ".example";
    let error = Connector::new(&*name).security(Security::None).connect().await.unwrap_err();
    let found = Diagnosis::of(&error);
    let host = match found.kind() {
        DiagnosisKind::HostUnknown { host } | DiagnosisKind::LookupFailed { host } => host,
        other => panic!("{other:?}"),
    };
    assert_eq!(*host, name);
}

#[cfg(feature = "proxy")]
#[tokio::test]
async fn a_real_proxy_that_is_not_there() {
    let port =
        tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let proxy = crate::net::Proxy::socks5(format!("127.0.0.1:{port}"));
    let error = Connector::new("mx.example").proxy(proxy).connect().await.unwrap_err();
    assert_eq!(*Diagnosis::of(&error).kind(), DiagnosisKind::ProxyFailed);
}

/// One diagnosis of each kind: of the cases, then of the replies; the first of each.
fn samples() -> BTreeMap<String, Diagnosis> {
    let of_replies =
        include_str!("../../../tests/data/diagnoses.tsv").lines().skip(1).map(|line| {
            let mut columns = line.split('\t');
            let stage = columns.next().unwrap();
            let stage = *Stage::ALL.iter().find(|one| one.name() == stage).unwrap();
            let reply = columns.nth(3).unwrap().replace("\\n", "\n").parse().unwrap();
            Diagnosis::of_refusal(stage, &reply)
        });
    let mut samples = BTreeMap::new();
    for found in cases().into_iter().map(|(_, _, found)| found).chain(of_replies) {
        samples.entry(found.kind().name().to_owned()).or_insert(found);
    }
    samples
}

fn cases() -> Vec<Case> {
    let mut cases = of_reaching();
    cases.extend(of_tls());
    cases.extend(of_the_conversation());
    cases
}

fn of_reaching() -> Vec<Case> {
    let hosts = ["mx1.example.net".to_owned(), "mx2.example.net".to_owned()];
    let io = |kind: io::ErrorKind| ConnectFailure::Io(kind.into());
    let failed = |failure: ConnectFailure| {
        let words = format!("no connection: {V4}: {failure}");
        let (kind, confidence) = of_failures(&[(V4, failure)], &evidence());
        Diagnosis { told: reach::told(&kind, &words), kind, confidence }
    };
    let with_hosts = Evidence { mx: MxLookup::Hosts(&hosts), ..evidence() };
    let (kind, confidence) = of_failures(&[(V4, ConnectFailure::TimedOut(AFTER))], &with_hosts);
    let unreachable = Diagnosis { kind, confidence, told: Told::Nothing };
    let proxy =
        Told::Fault("the proxy socks5://p:1080 cannot be reached: no connection".to_owned());
    let proxy = Diagnosis { kind: DiagnosisKind::ProxyFailed, confidence: Certain, told: proxy };
    vec![
        ("host_unknown", Certain, lookup("example.net", MxLookup::NoSuchDomain)),
        ("no_address", Certain, lookup("example.net", MxLookup::None)),
        ("no_address", Certain, lookup("example.net", MxLookup::NotAsked)),
        ("hosts_unreachable", Certain, lookup("example.net", MxLookup::Hosts(&hosts))),
        ("null_mx", Certain, lookup("example.net", MxLookup::Null)),
        ("lookup_failed", Certain, lookup("example.net", MxLookup::Failed)),
        ("lookup_failed", Certain, of(Stage::Resolve, ErrorKind::Timeout(AFTER))),
        ("hosts_unreachable", Certain, unreachable),
        ("connection_refused", Certain, failed(io(io::ErrorKind::ConnectionRefused))),
        ("port_filtered", Certain, failed(ConnectFailure::TimedOut(AFTER))),
        ("port_filtered", Likely, failed(io(io::ErrorKind::PermissionDenied))),
        ("port_filtered", Certain, of(Stage::Connect, ErrorKind::Timeout(AFTER))),
        ("network_unreachable", Certain, failed(io(io::ErrorKind::HostUnreachable))),
        ("connect_failed", Certain, failed(io(io::ErrorKind::NotFound))),
        ("source_address_unusable", Certain, failed(ConnectFailure::NoSource)),
        ("proxy_failed", Certain, proxy),
        ("closed_before_greeting", Certain, of(Stage::Greeting, ErrorKind::Closed(None))),
        (
            "closed_before_greeting",
            Certain,
            of(Stage::Greeting, ErrorKind::Io(io::ErrorKind::ConnectionReset.into())),
        ),
        ("silent_port", Certain, of(Stage::Greeting, ErrorKind::Timeout(AFTER))),
        (
            "implicit_tls_expected",
            Certain,
            of(Stage::Greeting, Violation::from(reply_error(b"\x15\x03\x01\x00\x02\x02\x16"))),
        ),
        (
            "not_smtp",
            Certain,
            of(Stage::Greeting, Violation::from(reply_error(b"HTTP/1.1 400 Bad Request\r\n"))),
        ),
        ("not_smtp", Likely, of(Stage::Greeting, Violation::from(reply_error(b"hello\r\n")))),
    ]
}

fn of_tls() -> Vec<Case> {
    let (not_after, now) = (Some(1_700_000_000), Some(1_800_000_000));
    let subject = || None;
    let name = || Some("mx.example.net".to_owned());
    let unknown = || TlsFault::from(RustlsError::from(CertificateError::UnknownIssuer));
    vec![
        ("starttls_missing", Certain, unsupported("STARTTLS")),
        ("starttls_expected", Certain, tls(TlsReason::NotTls { heard: b"220 mx ESMTP".to_vec() })),
        ("tls_not_spoken", Certain, tls(TlsReason::NotTls { heard: b"HTTP/1.1 400".to_vec() })),
        (
            "certificate_expired",
            Certain,
            tls(TlsReason::Expired { subject: subject(), not_after, now }),
        ),
        (
            "certificate_not_yet_valid",
            Certain,
            tls(TlsReason::NotYetValid { subject: subject(), not_before: now, now: not_after }),
        ),
        (
            "certificate_wrong_name",
            Certain,
            tls(TlsReason::WrongName {
                expected: name(),
                presented: vec!["other.example".to_owned()],
            }),
        ),
        ("certificate_untrusted", Certain, of(Stage::Handshake, ErrorKind::Tls(unknown()))),
        ("certificate_self_signed", Certain, tls(TlsReason::SelfSigned)),
        ("certificate_is_authority", Certain, tls(TlsReason::IsAuthority)),
        ("certificate_revoked", Certain, tls(TlsReason::Revoked)),
        (
            "revocation_list_stale",
            Certain,
            tls(TlsReason::StaleRevocationList { next_update: not_after, now }),
        ),
        (
            "certificate_not_pinned",
            Certain,
            tls(TlsReason::NotPinned { fingerprint: None, public_key: None }),
        ),
        ("certificate_refused", Certain, tls(TlsReason::Certificate)),
        (
            "tls_version_mismatch",
            Certain,
            tls(TlsReason::NoCommonVersion {
                chosen: Some("TLS 1.0"),
                minimum: Some(TlsVersion::Tls12),
            }),
        ),
        ("tls_alert", Certain, tls(TlsReason::Alert { name: "handshake failure".to_owned() })),
        ("tls_closed", Certain, tls(TlsReason::Closed)),
        ("tls_closed", Certain, of(Stage::Handshake, ErrorKind::Closed(None))),
        ("tls_timed_out", Certain, of(Stage::Handshake, ErrorKind::Timeout(AFTER))),
        ("tls_timed_out", Certain, tls(TlsReason::TimedOut { after: AFTER })),
        ("no_trusted_roots", Certain, tls(TlsReason::NoRoots)),
        ("tls_failed", Likely, tls(TlsReason::Other)),
    ]
}

fn of_the_conversation() -> Vec<Case> {
    let offered = vec!["NTLM".to_owned(), "GSSAPI".to_owned()];
    let reply = |text: &str| text.parse::<Reply>().unwrap();
    let server = |error: &[u8]| AuthFault::Server {
        mechanism: "SCRAM-SHA-256",
        error: error.into(),
        reply: Box::new(reply("535 5.7.8 no")),
    };
    let broken = || ErrorKind::Io(io::ErrorKind::ConnectionReset.into());
    let wrong = Violation::WrongClass { stage: Stage::Data, reply: reply("250 ok") };
    let unasked = Violation::Unexpected(reply("250 ok"));
    let hole = Violation::NoTransaction {
        stage: Stage::Rcpt,
        refused: "a refused MAIL",
        reply: reply("250 ok"),
    };
    let busy = reply("421 4.3.2 shutting down");
    let wrong_password = reply("535 5.7.8 no");
    vec![
        ("auth_not_offered", Certain, unsupported("AUTH")),
        ("auth_needs_tls", Certain, of(Stage::Auth, Misuse::SecretExposed("in clear"))),
        (
            "mechanism_missing",
            Certain,
            of(Stage::Auth, AuthFault::NoMechanism { offered, why: "NTLM: never used".to_owned() }),
        ),
        ("wrong_credentials", Certain, of(Stage::Auth, ErrorKind::Refused(wrong_password))),
        ("wrong_credentials", Certain, of(Stage::Auth, server(b"invalid-proof"))),
        ("auth_failed", Certain, of(Stage::Auth, server(b"other-error"))),
        ("auth_failed", Certain, of(Stage::Auth, AuthFault::Unproved { mechanism: "SCRAM-SHA-1" })),
        ("token_refused", Certain, of(Stage::Auth, AuthFault::NoToken("no network".to_owned()))),
        ("caller_mistake", Certain, of(Stage::Auth, AuthFault::Floor("FOO".to_owned()))),
        ("server_busy", Certain, of(Stage::Rcpt, ErrorKind::Closed(Some(busy)))),
        ("closed_midway", Certain, of(Stage::Rcpt, ErrorKind::Closed(None))),
        ("closed_midway", Certain, of(Stage::EndOfData, ErrorKind::Closed(None))),
        ("connection_broken", Certain, of(Stage::Mail, broken())),
        ("connection_broken", Certain, of(Stage::EndOfData, broken())),
        ("silence", Certain, of(Stage::Data, ErrorKind::Timeout(AFTER))),
        ("protocol_violation", Certain, of(Stage::Data, wrong)),
        ("protocol_violation", Certain, of(Stage::Mail, unasked)),
        ("protocol_violation", Certain, of(Stage::Rcpt, hole)),
        ("protocol_violation", Certain, of(Stage::Content, Violation::BeforeEnd(reply("250 ok")))),
        (
            "protocol_violation",
            Certain,
            of(Stage::StartTls, Violation::BehindStartTls(b"250 x\r\n"[..].into())),
        ),
        ("unsupported", Certain, unsupported("SMTPUTF8")),
        (
            "limit_reached",
            Certain,
            of(Stage::Rcpt, ErrorKind::LimitReached { limit: "RCPTMAX", most: 10 }),
        ),
        (
            "message_too_large",
            Certain,
            of(Stage::Mail, ErrorKind::TooLarge { octets: 2, limit: 1 }),
        ),
        ("content_unsendable", Certain, of(Stage::Content, ContentFault::LongLine { offset: 3 })),
        (
            "content_unsendable",
            Certain,
            of(Stage::Content, ErrorKind::Source(io::Error::other("broken"))),
        ),
        ("caller_mistake", Certain, of(Stage::Mail, Misuse::Setting("no".to_owned()))),
        (
            "caller_mistake",
            Certain,
            Diagnosis::of(&error(Stage::Mail, ErrorKind::Closed(None)).closed_by_us()),
        ),
    ]
}

fn evidence() -> Evidence<'static> {
    Evidence { host: "example.net", ..Evidence::of(Finding::Lookup) }
}

fn lookup(host: &str, mx: MxLookup<'_>) -> Diagnosis {
    Diagnosis::of_evidence(&Evidence { host, mx, ..Evidence::of(Finding::Lookup) })
}

fn error(stage: Stage, kind: impl Into<ErrorKind>) -> Error {
    Error::new(stage, kind).with_peer("mx.example.net", Duration::ZERO)
}

fn of(stage: Stage, kind: impl Into<ErrorKind>) -> Diagnosis {
    Diagnosis::of(&error(stage, kind))
}

fn unsupported(keyword: &str) -> Diagnosis {
    of(Stage::Mail, ErrorKind::Unsupported { keyword: keyword.to_owned(), needs: "it".to_owned() })
}

fn tls(reason: TlsReason) -> Diagnosis {
    let (kind, confidence) = handshake::of(&reason);
    let told = match reason {
        TlsReason::NotTls { heard } if kind == DiagnosisKind::StartTlsExpected => {
            Told::Reply(shown(&heard))
        }
        reason => Told::Fault(reason.to_string()),
    };
    Diagnosis { kind, confidence, told }
}

fn of_failures(
    failures: &[(&str, ConnectFailure)],
    evidence: &Evidence<'_>,
) -> (DiagnosisKind, Confidence) {
    let failures = failures
        .iter()
        .map(|(address, failure)| (Some(address.parse::<SocketAddr>().unwrap()), failure));
    reach::of_failures(failures, evidence)
}

/// What makes these octets no reply, as a greeting or as any other.
fn reply_error(octets: &[u8]) -> ReplyError {
    let mut buffer = ReplyBuffer::default();
    buffer.extend(octets);
    let kind = if octets.starts_with(b"250") { ReplyKind::Other } else { ReplyKind::Greeting };
    buffer.next(kind).unwrap_err()
}

const V4: &str = "192.0.2.1:25";
const V6: &str = "[2001:db8::1]:25";
