//! The examples against a real server: what a user sees, and what the server's log says of it.

use crate::programs::{Ran, run, run_as};
use crate::support::{arrived, var};
use crate::{Test, tests};

pub(crate) const TESTS: &[Test] = &tests! { "Postfix":
    "example quickstart" => quickstart,
    "example send --json" => send,
    "example send --json, wrong password" => send_with_wrong_password,
    "example conversation" => conversation,
};

/// How each of them is told about the server.
fn access() -> String {
    format!("--tls starttls --ca {} --user alice", var("EHLO_POSTFIX_CA"))
}

fn server() -> String {
    format!("{}:{}", var("EHLO_POSTFIX_HOST"), var("EHLO_POSTFIX_PORT"))
}

/// The final reply that a program printed names a mail that Postfix's log shows delivered.
async fn is_delivered(ran: &Ran) {
    let queued = ran.out.find("250 2.0.0 Ok: queued as ").expect(&ran.out);
    let reply = ran.out[queued..].lines().next().unwrap_or_default();
    let reply: ehlo::Reply = reply.parse().unwrap();
    arrived(&reply, &["bob@example.test"]).await;
}

async fn quickstart() {
    let people = "--from alice@example.test --to bob@example.test --to nobody-here@example.test";
    let ran = run("quickstart", &format!("{} {} {people}", server(), access()), "").await;
    assert_eq!(ran.status, 0, "{} {}", ran.out, ran.err);
    for line in
        ["-- TLS\n", "C: AUTH SCRAM-SHA-512 <secret>\nS: 334 ", "S: 235 ", "C: QUIT\nS: 221 "]
    {
        assert!(ran.out.contains(line), "{}", ran.out);
    }
    assert!(ran.out.contains("<nobody-here@example.test>: refused: 550 5.1.1 "), "{}", ran.out);
    is_delivered(&ran).await;
}

async fn send() {
    let people = "--from alice@example.test --to bob@example.test --to nobody-here@example.test";
    let arguments = format!("--server {} {} {people} --json", server(), access());
    let ran = run("send", &arguments, "Subject: x\n\n.hello\n").await;
    assert_eq!(ran.status, 1, "{} {}", ran.out, ran.err);
    let json = ran.json();
    let [bob, nobody] = [0, 1].map(|n| &json["recipients"][n]);
    assert_eq!((&bob["outcome"], &bob["code"]), (&"accepted".into(), &250.into()));
    assert_eq!((&nobody["outcome"], &nobody["code"]), (&"refused".into(), &550.into()));
    assert_eq!((&nobody["enhanced"], &nobody["stage"]), (&"5.1.1".into(), &"rcpt".into()));
    assert!(json["error"].is_null());
    let text = bob["text"].as_str().unwrap_or_default();
    let reply: ehlo::Reply = format!("250 2.0.0 {text}").parse().unwrap();
    arrived(&reply, &["bob@example.test"]).await;
}

async fn send_with_wrong_password() {
    let people = "--from alice@example.test --to bob@example.test";
    let arguments = format!("--server {} {} {people} --json", server(), access());
    let ran = run_as("wrong", "send", &arguments, "x\n").await;
    assert_eq!(ran.status, 3, "{} {}", ran.out, ran.err);
    let json = ran.json();
    assert_eq!(json["error"]["stage"], "auth");
    assert_eq!((&json["error"]["kind"], &json["error"]["code"]), (&"refused".into(), &535.into()));
    assert_eq!(json["recipients"][0]["outcome"], "not_sent");
}

async fn conversation() {
    let script = "EHLO\nSTARTTLS\nEHLO\nAUTH\nMAIL FROM:<alice@example.test>\n\
        RCPT TO:<bob@example.test>\nRCPT TO:<nobody-here@example.test>\nDATA\n\
        Subject: x\n\nhello\n.\nQUIT\n";
    let ran = run("conversation", &format!("{} {}", server(), access()), script).await;
    assert_eq!(ran.status, 0, "{} {}", ran.out, ran.err);
    assert!(ran.out.contains("550 5.1.1 "), "{}", ran.out);
    is_delivered(&ran).await;
}
