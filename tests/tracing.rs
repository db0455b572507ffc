//! What a subscriber of `tracing` is told: a span for each session, an event for each reply, and no secret.
#![cfg(all(feature = "tracing", feature = "testing"))]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::fmt::{Debug, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ehlo::testing::{Script, Server};
use ehlo::{Connector, Envelope, Security};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Keeps all it is told, as lines.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<AtomicU64>,
    lines: Arc<Mutex<Vec<String>>>,
}

/// The fields of a span or an event, as `name=value` with a blank behind each.
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, "{}={value:?} ", field.name());
    }
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("ehlo")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let id = 1 + self.spans.fetch_add(1, Ordering::Relaxed);
        let mut fields = Fields(String::new());
        attributes.record(&mut fields);
        let metadata = attributes.metadata();
        let line = format!("{id} {} {} {}", metadata.level(), metadata.name(), fields.0);
        self.lines.lock().unwrap().push(line.trim_end().to_owned());
        Id::from_u64(id)
    }

    fn event(&self, event: &Event<'_>) {
        let parent = event.parent().map_or(0, Id::into_u64);
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        let level = *event.metadata().level();
        assert_eq!(level, Level::DEBUG);
        let line = format!("{parent} {level} {}", fields.0);
        self.lines.lock().unwrap().push(line.trim_end().to_owned());
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

const SCRIPT: &str = r"
S: 220 mx ESMTP
C: EHLO [127.0.0.1]
S: 250-mx
S: 250 AUTH PLAIN
C: AUTH PLAIN <secret>
S: 235 2.7.0 in
C: MAIL FROM:<a@example.org>
S: 250 2.1.0 sender
C: RCPT TO:<b@example.org>
S: 550 5.1.1 \x1b[2J nobody
C: QUIT
S: 221 bye
";

#[tokio::test]
async fn t11_t16_a_span_for_each_session_and_an_event_for_each_reply() {
    let collector = Collector::default();
    let guard = tracing::subscriber::set_default(collector.clone());
    let mut expected = Vec::new();
    for session in 1..=2 {
        let (near, far) = tokio::io::duplex(65_536);
        let script: Script = SCRIPT.parse().unwrap();
        let server = Server::script(script).serve(far).unwrap();
        let mut client = Connector::new("mx.example.org")
            .security(Security::None)
            .credentials("alice", "wonderland")
            .allow_cleartext()
            .connect_over(near)
            .await
            .unwrap();
        let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
        assert_eq!(client.send(&envelope, "hello").await.unwrap().accepted_count(), 0);
        client.quit().await.unwrap();
        server.finish().await.unwrap();
        expected.push(format!("{session} INFO smtp peer=mx.example.org"));
        for reply in [
            "220 mx ESMTP",
            "250-mx 250 AUTH PLAIN",
            "235 2.7.0 in",
            "250 2.1.0 sender",
            r"550 5.1.1 \x1b[2J nobody",
            "221 bye",
        ] {
            expected.push(format!("{session} DEBUG reply={reply}"));
        }
    }
    drop(guard);

    let lines = collector.lines.lock().unwrap();
    let told: Vec<String> = lines
        .iter()
        .map(|line| match (line.find("message="), line.find("reply=")) {
            // Which event of the session it was is for people.
            (Some(before), Some(reply)) => format!("{}{}", &line[..before], &line[reply..]),
            _ => line.clone(),
        })
        .collect();
    assert_eq!(told, expected);
    let all = lines.concat();
    for secret in ["wonderland", "d29uZGVybGFuZ", "dvbmRlcmxhbm", "3b25kZXJsYW5k"] {
        assert!(!all.contains(secret), "{all}");
    }
}

/// Passwords could be tried on it.
#[tokio::test]
async fn t11_what_a_server_proves_itself_by_is_in_no_event() {
    let collector = Collector::default();
    let guard = tracing::subscriber::set_default(collector.clone());
    let script = "S: 220 mx\nC: EHLO [127.0.0.1]\nS: 250-mx\nS: 250 AUTH SCRAM-SHA-256\n\
                  C: AUTH SCRAM-SHA-256 <secret>\nS: 235 2.7.0 dj02cnJpVFJCaQ==\nC: QUIT\nS: 221 bye\n";
    let (near, far) = tokio::io::duplex(65_536);
    let _server = Server::script(script.parse().unwrap()).serve(far).unwrap();
    let connector = Connector::new("mx.example.org").security(Security::None).allow_cleartext();
    connector.credentials("alice", "wonderland").connect_over(near).await.unwrap_err();
    drop(guard);
    let all = collector.lines.lock().unwrap().join("\n");
    assert!(all.contains("reply=235 <secret>") && !all.contains("dj0"), "{all}");
}
