//! Pages of reports that no server has to be asked for: hostile text in every place, and times.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use roxmltree::{Document, Node, ParsingOptions};

use crate::error::{Error, ErrorKind};
use crate::extension::Capabilities;
use crate::probe::Diagnosis;
use crate::probe::report::{
    Heard, QuirkReport, Report, Skipped, StageOutcome, StageReport, Verdict,
};
use crate::protocol::Stage;
use crate::wire::{Escaped, Quirk, Reply, ReplyKind, ReplyRef, Strictness};

fn reply(octets: &[u8]) -> Reply {
    ReplyRef::parse(octets, ReplyKind::Other, Strictness::Lenient).unwrap().unwrap().0.to_reply()
}

/// A step that took from one millisecond to the other.
fn step(stage: Stage, outcome: StageOutcome, from: u64, to: u64) -> StageReport {
    StageReport {
        stage,
        outcome,
        host: "mx.example.org".to_owned(),
        said: None,
        start: Duration::from_millis(from),
        duration: Duration::from_millis(to - from),
        replies: Vec::new(),
        heard: Vec::new(),
        fault: None,
        address: None,
        addresses: Vec::new(),
        #[cfg(feature = "tls")]
        tls: None,
    }
}

fn answered(mut step: StageReport, said: Option<&[u8]>, octets: &[u8]) -> StageReport {
    let said = said.map(|said| Escaped::new(said).to_string());
    step.said.clone_from(&said);
    step.replies.push(reply(octets));
    step.heard.push(Heard { at: step.start + step.duration, said });
    step
}

fn report(stages: Vec<StageReport>, verdict: Verdict) -> Report {
    let ends = stages.iter().map(|step| step.start + step.duration);
    Report {
        server: "mx.example.org".to_owned(),
        mail_hosts: None,
        host: "mx.example.org".to_owned(),
        began: SystemTime::UNIX_EPOCH,
        duration: ends.max().unwrap_or_default(),
        stages,
        verdict,
        error: None,
        diagnosis: None,
        before_tls: None,
        after_tls: None,
        in_clear: None,
        quirks: Vec::new(),
        transcript: None,
    }
}

/// The same words in each place where words of strangers stand.
fn report_of(words: &[u8]) -> Report {
    let refusal = [b"554 ", words, b"\r\n"].concat();
    let text = String::from_utf8_lossy(words).into_owned();
    let mut fails = step(Stage::Connect, StageOutcome::Failed, 0, 10);
    fails.fault = Some(Escaped::new(words).to_string());
    let stages = vec![
        fails,
        answered(step(Stage::Greeting, StageOutcome::Passed, 10, 20), None, &refusal),
        answered(step(Stage::Mail, StageOutcome::Failed, 20, 50), Some(words), &refusal),
    ];
    let mut report = report(stages, Verdict::Failed(Stage::Mail));
    report.diagnosis = Some(Diagnosis::of_refusal(Stage::Mail, &reply(&refusal)));
    report.server.clone_from(&text);
    report.host.clone_from(&text);
    let hello = [b"250-mx\r\n250 X", words, b" 1\r\n"].concat();
    let hello = ReplyRef::parse(&hello, ReplyKind::Hello, Strictness::Lenient).unwrap().unwrap().0;
    report.before_tls = Some(Capabilities::parse(hello));
    report.quirks.push(QuirkReport {
        stage: Stage::Mail,
        quirk: Some(Quirk::BareLf),
        words: Escaped::new(words).to_string(),
        rule: "RFC 5321 §2.3.8",
        line: words.into(),
    });
    report
}

fn parse(page: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(page, options).unwrap_or_else(|why| panic!("{why}\n{page}"))
}

/// Each element with the names of its attributes: all of a page that is not text.
fn skeleton(page: &str) -> Vec<(String, Vec<String>)> {
    let elements = parse(page);
    let elements = elements.descendants().filter(Node::is_element);
    let attributes = |node: Node<'_, '_>| -> Vec<String> {
        node.attributes().map(|one| one.name().to_owned()).collect()
    };
    elements.map(|node| (node.tag_name().name().to_owned(), attributes(node))).collect()
}

fn with_class<'a>(page: &'a Document<'a>, class: &str) -> Vec<Node<'a, 'a>> {
    let has = |node: &Node<'_, '_>| {
        node.attribute("class").is_some_and(|all| all.split(' ').any(|one| one == class))
    };
    page.descendants().filter(has).collect()
}

fn text(node: Node<'_, '_>) -> String {
    node.descendants().filter_map(|one| one.is_text().then(|| one.text())?).collect()
}

/// The words of the lines of the diagram, from top to bottom, and how far down each stands.
fn drawn(page: &Document<'_>) -> Vec<(String, f64)> {
    let events = with_class(page, "event").into_iter();
    let shown = |event: Node<'_, '_>| {
        let line = event.children().find(|one| {
            one.has_tag_name("text") && !matches!(one.attribute("class"), Some("time" | "took"))
        })?;
        Some((text(line), line.attribute("y")?.parse().ok()?))
    };
    events.filter_map(shown).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// T16: whatever a server says, the page has the elements that it has for harmless words.
    #[test]
    fn t16_no_words_add_an_element(
        words in prop_oneof![
            prop::collection::vec(any::<u8>().prop_filter("no line end", |o| !b"\r\n".contains(o)), 1..80),
            "[<>&'\"/=a-z \u{202e}\u{1b}-]{1,60}".prop_map(String::into_bytes),
        ],
    ) {
        let (page, harmless) = (report_of(&words).to_html(), report_of(b"harmless").to_html());
        // A keyword that is none is no line of the table, and a long sentence no more elements.
        let without_offers = |page: &str| {
            let all = skeleton(page);
            let cells = |name: &str| matches!(name, "td" | "th" | "tr" | "b" | "span" | "table" | "thead" | "tbody" | "p");
            all.into_iter().filter(|(name, _)| !cells(name)).collect::<Vec<_>>()
        };
        prop_assert_eq!(without_offers(&page), without_offers(&harmless));
        prop_assert!(!page.contains(|c: char| c.is_control() && c != '\n'));
    }
}

#[test]
fn t16_hostile_words_are_text_wherever_they_stand() {
    let words = "<script>alert(1)</script></svg></title>\"'\x1b[2J\u{202e}&lt;";
    let shown = "<script>alert(1)</script></svg></title>\"'\\x1b[2J\\u{202e}&lt;";
    let page = report_of(words.as_bytes()).to_html();
    let page = parse(&page);
    for name in ["script", "a", "img", "iframe", "link", "object", "form"] {
        assert!(!page.descendants().any(|node| node.has_tag_name(name)), "{name}");
    }
    let whole = text(page.root_element());
    // Title, h1, host; the diagram's fault, two replies and command, each with a title; steps;
    // the cause; the quirk and its line.
    assert!(whole.matches(shown).count() >= 12, "{whole}");
    let said = with_class(&page, "said").into_iter().map(text).collect::<Vec<_>>();
    assert_eq!(said, [shown, &format!("554 {shown}"), &format!("{shown}554 {shown}")]);
}

#[test]
fn every_attribute_is_known_and_none_loads_or_runs() {
    let known = [
        "lang",
        "charset",
        "http-equiv",
        "content",
        "name",
        "class",
        "id",
        "viewBox",
        "d",
        "cx",
        "cy",
        "r",
        "x",
        "y",
        "width",
        "height",
        "rx",
        "role",
        "scope",
        "tabindex",
        "aria-hidden",
        "aria-labelledby",
        "preserveAspectRatio",
        "colspan",
    ];
    for (element, attributes) in skeleton(&report_of(b"words").to_html()) {
        for attribute in attributes {
            assert!(known.contains(&&*attribute), "{element} {attribute}");
        }
    }
    let page = report_of(b"words").to_html();
    assert!(page.contains(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\"/>"
    ));
    for outside in ["url(", "@import", "://", "javascript:"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn every_name_that_is_pointed_to_is_there() {
    let page = report_of(b"words").to_html();
    let page = parse(&page);
    let ids: Vec<_> = page.descendants().filter_map(|node| node.attribute("id")).collect();
    let mut pointed = 0;
    for names in page.descendants().filter_map(|node| node.attribute("aria-labelledby")) {
        for name in names.split(' ') {
            assert_eq!(ids.iter().filter(|id| **id == name).count(), 1, "{name}");
            pointed += 1;
        }
    }
    assert!(pointed >= 7, "{pointed}");
}

#[test]
fn the_diagram_has_each_event_in_the_order_of_time() {
    let mut races = step(Stage::Connect, StageOutcome::Passed, 30, 60);
    races.address = Some("192.0.2.2:25".parse().unwrap());
    let mut gives_up =
        step(Stage::Connect, StageOutcome::Skipped(Skipped::AnotherWasFaster), 20, 60);
    gives_up.address = Some("192.0.2.1:25".parse().unwrap());
    let mut auth = answered(
        step(Stage::Auth, StageOutcome::Passed, 100, 140),
        Some(b"AUTH LOGIN"),
        b"334 VXNlcg==\r\n",
    );
    auth.heard[0].at = Duration::from_millis(120);
    auth = answered(auth, Some(b"<secret>"), b"235 ok\r\n");
    let mut silent = step(Stage::Mail, StageOutcome::Failed, 140, 30_140);
    silent.fault = Some("no reply within 30 s".to_owned());
    let stages = vec![
        gives_up,
        races,
        answered(step(Stage::Greeting, StageOutcome::Passed, 60, 100), None, b"220-a\r\n220 b\r\n"),
        auth,
        silent,
        step(Stage::Rcpt, StageOutcome::NotReached, 30_140, 30_140),
    ];
    let page = report(stages, Verdict::Failed(Stage::Mail)).to_html();
    let page = parse(&page);
    let drawn = drawn(&page);
    let words: Vec<_> = drawn.iter().map(|(words, _)| &**words).collect();
    assert_eq!(
        words,
        [
            "connect 192.0.2.1:25",
            "connect 192.0.2.2:25",
            "another address was faster",
            "connected",
            "220-a (+1 lines)",
            "AUTH LOGIN",
            "334 VXNlcg==",
            "<secret>",
            "235 ok",
            "MAIL FROM",
            "no reply within 30 s",
        ]
    );
    assert!(drawn.windows(2).all(|two| two[0].1 < two[1].1), "{drawn:?}");
    // What failed is marked by words and by a shape, and so is what was not drawn to scale.
    let culprits = with_class(&page, "culprit");
    assert_eq!(culprits.len(), 1);
    assert!(text(culprits[0]).contains("no reply within 30 s"));
    assert_eq!(with_class(&page, "cross").len(), 1);
    assert_eq!(with_class(&page, "flag").into_iter().map(text).collect::<Vec<_>>(), ["✕ failed"]);
    let silences: Vec<_> = with_class(&page, "silence").into_iter().map(text).collect();
    assert_eq!(silences, ["silence of 30.0 s"]);
    let legend = page.descendants().find(|node| node.has_tag_name("figcaption")).unwrap();
    let legend = text(legend);
    assert!(legend.contains("A silence of more than 50 ms is cut"), "{legend}");
    assert!(legend.ends_with("Not reached: RCPT TO."), "{legend}");
    let titles: Vec<_> = with_class(&page, "event")
        .into_iter()
        .map(|one| text(one.first_element_child().unwrap()))
        .collect();
    assert!(titles.contains(&"220-a\n220 b".to_owned()), "{titles:?}");
}

/// Twice the time is twice the way, where there is room for the words.
#[test]
fn waits_are_drawn_to_scale() {
    let at = |stage, from, to| {
        answered(step(stage, StageOutcome::Passed, from, to), Some(b"X"), b"250 ok\r\n")
    };
    let stages = vec![at(Stage::Ehlo, 0, 40), at(Stage::Mail, 40, 120), at(Stage::Rcpt, 120, 130)];
    let page = report(stages, Verdict::Ok).to_html();
    let page = parse(&page);
    let y: Vec<_> = drawn(&page).into_iter().map(|(_, y)| y).collect();
    // A line is 20 ms: 60, 120, and a line for what is shorter than its words.
    let ways: Vec<_> = y.windows(2).map(|two| two[1] - two[0]).collect();
    assert_eq!(ways, [60.0, 30.0, 120.0, 30.0, 30.0]);
    let took: Vec<_> = with_class(&page, "took").into_iter().map(text).collect();
    assert_eq!(took, ["40 ms", "80 ms", "10 ms"]);
    assert!(text(page.root_element()).contains("20 ms at this scale"));
    assert!(with_class(&page, "silence").is_empty() && with_class(&page, "culprit").is_empty());
}

#[test]
fn hosts_are_told_apart() {
    let mut first = step(Stage::Connect, StageOutcome::Failed, 0, 10);
    first.host = "mx1.example.org".to_owned();
    first.fault = Some("connection refused".to_owned());
    let second = step(Stage::Connect, StageOutcome::Failed, 10, 20);
    let page = report(vec![first, second], Verdict::Failed(Stage::Connect)).to_html();
    let page = parse(&page);
    let words: Vec<_> = drawn(&page).into_iter().map(|(words, _)| words).collect();
    assert_eq!(
        words,
        [
            "mx1.example.org",
            "connect",
            "connection refused",
            "mx.example.org",
            "connect",
            "no reply came"
        ]
    );
    let culprit = with_class(&page, "culprit");
    assert!(text(culprit[0]).contains("no reply came"));
}

#[test]
fn a_probe_that_did_not_begin_has_a_page() {
    let mut report = report(Vec::new(), Verdict::Failed(Stage::Mail));
    let error = Error::new(Stage::Mail, ErrorKind::Closed(None));
    report.diagnosis = Some(Diagnosis::of(&error));
    let page = report.to_html();
    let words = text(parse(&page).root_element());
    for part in ["failed at MAIL FROM", "Nobody was asked anything.", "It did not come to EHLO."] {
        assert!(words.contains(part), "{part}: {words}");
    }
}
