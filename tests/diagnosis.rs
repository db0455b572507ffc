//! From what real servers say to its likely cause: the table of `tests/data/diagnoses.tsv`, and what holds for any
//! reply.

#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::collections::BTreeSet;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ehlo::testing::Server;
use ehlo::{
    Code, Confidence, Connector, Diagnosis, DiagnosisKind, Envelope, Reply, ReplyKind, ReplyRef,
    RootCertificates, Security, Stage, Strictness,
};
use proptest::prelude::*;

struct Row {
    stage: Stage,
    expected: String,
    text: &'static str,
}

impl Row {
    fn reply(&self) -> Reply {
        self.text.replace("\\n", "\n").parse().unwrap()
    }
}

fn rows() -> Vec<Row> {
    include_str!("data/diagnoses.tsv")
        .lines()
        .skip(1)
        .map(|line| {
            let [stage, kind, confidence, fields, text, _from] =
                line.split('\t').collect::<Vec<_>>()[..]
            else {
                panic!("{line}");
            };
            Row { stage: stage_of(stage), expected: format!("{kind} {confidence} {fields}"), text }
        })
        .collect()
}

fn stage_of(name: &str) -> Stage {
    *Stage::ALL.iter().find(|stage| stage.name() == name).unwrap()
}

/// The kind, the confidence, and of the fields what the text has for them.
fn summary(diagnosis: &Diagnosis) -> String {
    use DiagnosisKind as Kind;
    let mut fields = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        fields.extend(value.map(|value| format!("{name}={value}")));
    };
    match diagnosis.kind() {
        Kind::Listed { list, link, .. } => {
            add("list", list.clone());
            add("link", link.clone());
        }
        Kind::RateLimited { retry_after, link, .. } => {
            add("after", retry_after.map(|after| after.as_secs().to_string()));
            add("link", link.clone());
        }
        Kind::Greylisted { retry_after, .. }
        | Kind::AuthThrottled { retry_after, .. }
        | Kind::TooManyConnections { retry_after, .. }
        | Kind::TemporaryRefusal { retry_after, .. } => {
            add("after", retry_after.map(|after| after.as_secs().to_string()));
        }
        Kind::MessageTooLarge { limit, .. } => add("limit", limit.map(|limit| limit.to_string())),
        Kind::NotSmtp { protocol, .. } => add("protocol", protocol.map(str::to_owned)),
        Kind::ClientRefused { link, .. }
        | Kind::NoReverseDns { link, .. }
        | Kind::AppPasswordRequired { link, .. }
        | Kind::AuthDisabled { link, .. }
        | Kind::SpfFailed { link, .. }
        | Kind::DkimFailed { link, .. }
        | Kind::DmarcFailed { link, .. }
        | Kind::SenderUnauthenticated { link, .. }
        | Kind::PolicyRefusal { link, .. }
        | Kind::SpamRefused { link, .. }
        | Kind::AttachmentRefused { link, .. }
        | Kind::ContentRefused { link, .. } => add("link", link.clone()),
        _ => {}
    }
    let fields = if fields.is_empty() { "-".to_owned() } else { fields.join(";") };
    format!("{} {} {fields}", diagnosis.kind().name(), diagnosis.confidence())
}

#[test]
fn dialect_33_dialect_60_dialect_62_what_servers_say_leads_to_its_cause() {
    let rows = rows();
    assert!(rows.len() >= 120);
    let wrong: Vec<_> = rows
        .iter()
        .filter_map(|row| {
            let found = summary(&Diagnosis::of_refusal(row.stage, &row.reply()));
            let told = format!(
                "{}: {}\n  expected {}\n  found    {found}",
                row.stage, row.text, row.expected
            );
            (found != row.expected).then_some(told)
        })
        .collect();
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_case_that_a_reply_can_lead_to_is_in_the_table() {
    let kinds: BTreeSet<_> = rows()
        .iter()
        .map(|row| row.expected.split(' ').next().unwrap_or_default().to_owned())
        .collect();
    for kind in ["greylisted", "listed", "relay_denied", "no_reverse_dns", "spf_failed", "not_smtp"]
    {
        assert!(kinds.contains(kind), "{kind}");
    }
    assert!(kinds.len() > 60, "{kinds:?}");
}

/// Rows whose words say one thing and whose status another: no status outranks what was written for the case.
#[test]
fn dialect_63_words_that_contradict_a_status_make_a_guess() {
    let of = |text: &str| Diagnosis::of_refusal(Stage::Rcpt, &text.parse().unwrap());
    let found = of("550 5.1.1 Relay not permitted");
    assert_eq!((found.kind().name(), found.confidence()), ("relay_denied", Confidence::Guess));
    let found = of("550 5.1.1 no");
    assert_eq!(
        (found.kind().name(), found.confidence()),
        ("unknown_recipient", Confidence::Certain)
    );
    // Of another class than the reply, the status says nothing.
    let found = of("450 5.1.1 no");
    assert_eq!((found.kind().name(), found.confidence()), ("temporary_refusal", Confidence::Guess));
}

#[test]
fn addresses_hosts_and_links_are_not_taken_for_words() {
    for text in [
        "550 5.1.1 <spam@greylist.example>: no",
        "550 5.1.1 spamhaus.relay-denied@quota-exceeded.example no",
        "550 5.1.1 no https://example.net/greylisted/dmarc",
        "550 5.1.1 <blocked.using.rbl.example>: no",
    ] {
        let found = Diagnosis::of_refusal(Stage::Rcpt, &text.parse().unwrap());
        assert_eq!(found.kind().name(), "unknown_recipient", "{text}");
    }
}

#[test]
fn two_sentences_for_an_administrator() {
    let reply =
        "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; \
                 https://www.spamhaus.org/query/ip/192.0.2.1"
            .parse()
            .unwrap();
    let found = Diagnosis::of_refusal(Stage::Rcpt, &reply);
    assert_eq!(
        found.to_string(),
        "This client or sender is on a block list, Spamhaus (reply: \"554 5.7.1 Service unavailable; Client host \
         [192.0.2.1] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.1\"). Find out why it \
         was listed, put an end to that, and ask the list to take it off; the server explains at \
         https://www.spamhaus.org/query/ip/192.0.2.1"
    );
}

#[test]
fn t16_hostile_texts_come_out_escaped_and_cut() {
    let long = vec![b'a'; 8000];
    for text in [
        &b"\x1b[2J\x1b]0;owned\x07 blocked using \x1b[31m"[..],
        b"<script>alert(1)</script> listed at <img src=x>",
        b"gr\xfc\xdfe \xff\xfe \xc3",
        "\u{202e}evil\u{200b} https://a.example/\u{202e}x".as_bytes(),
        b"try again in \x00 300 seconds \x9b",
        b"\\x1b \\ \"",
        &long,
    ] {
        for code in ["421", "450", "550", "554"] {
            for stage in Stage::ALL {
                let found = Diagnosis::of_refusal(*stage, &reply_of(code, text));
                assert_is_safe(&found);
            }
        }
    }
}

/// As large as a reply can be by default, and full of what is looked for.
#[test]
fn t14_large_replies_are_read_in_part() {
    for words in [
        "http://",
        "try again ",
        "greylist 5 ",
        "listed in ",
        "limit 1 ",
        "< @ ",
        "blocked using ",
        "00:00:01 ",
    ] {
        let mut octets = Vec::new();
        for _ in 0..255 {
            octets.extend_from_slice(b"550-");
            octets.extend(words.bytes().cycle().take(200));
            octets.extend_from_slice(b"\r\n");
        }
        octets.extend_from_slice(b"550 end\r\n");
        let (reply, _) =
            ReplyRef::parse(&octets, ReplyKind::Other, Strictness::Tolerant).unwrap().unwrap();
        assert_is_safe(&Diagnosis::of_refusal(Stage::Rcpt, &reply.to_reply()));
    }
}

/// Recorded replies of real servers, whatever they are, lead to something that can be said.
#[test]
fn recorded_refusals_have_a_cause_that_says_more_than_no() {
    let (mut refusals, mut unexplained) = (0, Vec::new());
    for (stage, reply) in recorded() {
        let found = Diagnosis::of_refusal(stage, &reply);
        assert_is_safe(&found);
        refusals += 1;
        if matches!(
            found.kind(),
            DiagnosisKind::TemporaryRefusal { .. } | DiagnosisKind::PermanentRefusal { .. }
        ) {
            unexplained.push(reply.to_string());
        }
    }
    assert!(refusals > 40, "{refusals}");
    assert_eq!(unexplained, Vec::<String>::new());
}

proptest! {
    #[test]
    fn any_reply_has_a_diagnosis(
        code in 200u16..600,
        stage in prop::sample::select(Stage::ALL.to_vec()),
        text in "[^\r\n]{0,300}",
        octets in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let code = Code::new(code).unwrap().to_string();
        assert_is_safe(&Diagnosis::of_refusal(stage, &reply_of(&code, text.as_bytes())));
        assert_is_safe(&Diagnosis::of_refusal(stage, &reply_of(&code, &octets)));
    }

    /// Words alone, in any order, with what surrounds them in replies.
    #[test]
    fn any_words_have_a_diagnosis(
        code in prop::sample::select(vec!["421", "450", "451", "452", "500", "530", "535", "550", "552", "554"]),
        stage in prop::sample::select(Stage::ALL.to_vec()),
        words in prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..12),
    ) {
        assert_is_safe(&Diagnosis::of_refusal(stage, &reply_of(code, words.join(" ").as_bytes())));
    }
}

/// What replies are made of.
const WORDS: [&str; 20] = [
    "4.7.1",
    "5.7.1",
    "5.1.1",
    "<a@b.example>:",
    "greylisted",
    "try",
    "again",
    "in",
    "300",
    "seconds",
    "blocked",
    "using",
    "zen.spamhaus.org",
    "https://a.example/x",
    "relay",
    "access",
    "denied",
    "limit",
    "10485760",
    "spam",
];

/// A reply of this code and text; line ends and NUL in the text are left out.
fn reply_of(code: &str, text: &[u8]) -> Reply {
    let mut octets = format!("{code} ").into_bytes();
    octets.extend(text.iter().filter(|octet| !matches!(octet, b'\r' | b'\n')));
    octets.extend_from_slice(b"\r\n");
    let parsed = ReplyRef::parse(&octets, ReplyKind::Other, Strictness::Tolerant);
    parsed.unwrap().unwrap().0.to_reply()
}

/// Two sentences that a terminal can bear, not longer than one reads.
#[track_caller]
fn assert_is_safe(found: &Diagnosis) {
    for text in [found.cause(), found.advice(), format!("{:?}", found.kind())] {
        assert!(!text.is_empty() && text.chars().count() < 4000, "{text}");
        assert!(
            !text.chars().any(|c| c.is_control() || matches!(c, '\u{200b}' | '\u{202e}')),
            "{text}"
        );
    }
}

/// Faults as they come of a server: the certificate's, the login's, the recipient's.
#[tokio::test]
async fn errors_of_a_real_conversation_are_diagnosed() {
    let server = Server::new()
        .user("alice", "wonderland")
        .refuse("nobody@example.test", "550 5.1.1 no such user")
        .start()
        .await
        .unwrap();
    let roots = || RootCertificates::from_pem(server.ca_pem().as_bytes()).unwrap();
    let connector = || Connector::new("localhost").port(server.port());
    let diagnose = async |connector: Connector| {
        let found = Diagnosis::of(&connector.connect().await.unwrap_err());
        (found.kind().clone(), found.confidence())
    };

    let (kind, confidence) =
        diagnose(connector().roots(roots()).tls_name("other.example.test")).await;
    let DiagnosisKind::CertificateWrongName { expected, presented, .. } = kind else {
        panic!("{kind:?}")
    };
    assert_eq!(
        (expected.as_deref(), confidence),
        (Some("other.example.test"), Confidence::Certain)
    );
    assert!(presented.iter().any(|name| name == "localhost"), "{presented:?}");

    let (kind, _) = diagnose(connector().roots(roots()).security(Security::Implicit)).await;
    assert_eq!(kind, DiagnosisKind::StartTlsExpected);

    let url = format!("smtp://alice:looking-glass@localhost:{}", server.port());
    let login: Connector = url.parse().unwrap();
    assert_eq!(
        diagnose(login.roots(roots())).await,
        (DiagnosisKind::WrongCredentials, Confidence::Certain)
    );

    let envelope = Envelope::new("alice@example.test", ["nobody@example.test"]).unwrap();
    let send = async |connector: Connector| {
        let mut client = connector.connect().await.unwrap();
        match client.send(&envelope, b"Subject: x\r\n\r\n").await {
            Err(error) => Diagnosis::of(&error).kind().clone(),
            Ok(delivery) => {
                let reply = delivery.recipients().next().and_then(|one| one.outcome().reply());
                Diagnosis::of_refusal(Stage::Rcpt, reply.unwrap()).kind().clone()
            }
        }
    };
    let stranger = send(connector().roots(roots())).await;
    assert_eq!(stranger, DiagnosisKind::AuthenticationRequired);
    let url = format!("smtp://alice:wonderland@localhost:{}", server.port());
    let login: Connector = url.parse().unwrap();
    assert_eq!(send(login.roots(roots())).await, DiagnosisKind::UnknownRecipient);
}

#[derive(serde::Deserialize)]
struct Record {
    stage: String,
    sent: String,
    reply_base64: String,
}

/// Each recorded refusal that is one reply to one command, with the stage of that command.
fn recorded() -> Vec<(Stage, Reply)> {
    let mut found = Vec::new();
    for line in include_str!("data/replies.jsonl").lines() {
        let record: Record = serde_json::from_str(line).unwrap();
        let octets = BASE64_STANDARD.decode(&record.reply_base64).unwrap();
        let last = record.sent.lines().last().unwrap_or_default();
        let verb = last.split([' ', ':']).next().unwrap_or_default();
        let stage = match verb {
            _ if record.stage.ends_with(".end") => Stage::EndOfData,
            "EHLO" | "HELO" | "LHLO" => Stage::Ehlo,
            "STARTTLS" => Stage::StartTls,
            "AUTH" => Stage::Auth,
            "MAIL" => Stage::Mail,
            "RCPT" => Stage::Rcpt,
            "DATA" => Stage::Data,
            _ => continue,
        };
        let parsed = ReplyRef::parse(&octets, ReplyKind::Other, Strictness::Tolerant);
        let Ok(Some((reply, used))) = parsed else { continue };
        if used == octets.len() && reply.is_negative() {
            found.push((stage, reply.to_reply()));
        }
    }
    found
}
