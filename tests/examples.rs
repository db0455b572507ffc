//! The examples as a user runs them: what they print, and their exit statuses.

#![allow(clippy::unwrap_used, reason = "a test may fail in any line")]

#[path = "support/programs.rs"]
mod programs;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use ehlo::Verb;
use ehlo::testing::{Running, Script, Server};
use serde_json::{Value, json};

use programs::{Ran, run, run_as};

/// What `--ca` takes; gone with the test.
struct CaFile(PathBuf);

impl CaFile {
    fn of(server: &Running) -> Self {
        let name = format!("ehlo-{}-{}.pem", std::process::id(), server.port());
        let file = Self(std::env::temp_dir().join(name));
        std::fs::write(&file.0, server.ca_pem()).unwrap();
        file
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for CaFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Files for an example to read; gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("ehlo-{}-{n}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let folder = Self(folder);
        for (name, text) in files {
            std::fs::write(folder.0.join(name), text).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn server() -> (Running, CaFile) {
    let server = Server::new()
        .user("alice", "wonderland")
        .refuse("eve@example.test", "550 5.1.1 no eve")
        .refuse("mallory@example.test", "550-5.7.1 not\n550 5.7.1 you")
        .start()
        .await
        .unwrap();
    let ca = CaFile::of(&server);
    (server, ca)
}

/// A server that plays a script, in clear.
async fn scripted(script: &str) -> Running {
    let script: Script = script.parse().unwrap();
    Server::script(script).start().await.unwrap()
}

/// A port where nobody listens.
fn dead_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

const MAIL: &str = "Subject: hi\n\n.hello\n";
const TRANSACTION: &str = "
    S: 220 mx
    C: EHLO c.example
    S: 250 mx
    C: MAIL FROM:<alice@example.test>
    S: 250 ok
    C: RCPT TO:<bob@example.test>
    S: 250 ok
    C: DATA
    S: 354 go
    C: <content 24>
    C: .
";

mod quickstart {
    use super::*;

    #[tokio::test]
    async fn without_arguments_it_shows_a_conversation_and_each_outcome() {
        let ran = run("quickstart", "", "").await;
        assert_eq!((ran.status, ran.err.as_str()), (0, ""));
        for line in [
            "C: STARTTLS",
            "-- TLS",
            "C: AUTH PLAIN <secret>",
            "C: RCPT TO:<bob@example.test>",
            "<bob@example.test>: accepted: 250 2.0.0 mail accepted",
            "<nobody-here@example.test>: refused: 550 5.1.1 nobody here has that name (in reply to RCPT TO)",
        ] {
            assert!(ran.out.lines().any(|said| said == line), "{line}: {}", ran.out);
        }
        let pipelined = "SIZE=162\nC: RCPT TO:<bob@example.test>\nC: RCPT TO:<nobody-here@example.test>\nC: DATA\n";
        assert!(ran.out.contains(pipelined), "{}", ran.out);
    }

    #[tokio::test]
    async fn it_sends_through_another_server() {
        let (server, ca) = server().await;
        let arguments = format!(
            "localhost:{} --ca {} --user alice --helo me.example --from '' --to bob@example.test",
            server.port(),
            ca.path()
        );
        let ran = run("quickstart", &arguments, "").await;
        assert_eq!((ran.status, ran.err.as_str()), (0, ""));
        let mails = server.mails();
        let [mail] = mails.as_slice() else {
            panic!("{mails:?}");
        };
        assert_eq!(mail.sender().to_string(), "<>");
        assert_eq!(mail.client().as_str(), "me.example");
        assert_eq!(mail.user(), Some("alice"));
        assert!(mail.is_tls());
    }

    #[tokio::test]
    async fn it_fails_in_words() {
        let ran = run_as("wrong", "quickstart", "--user alice", "").await;
        assert_eq!(ran.status, 3);
        assert!(ran.err.starts_with("error: 127.0.0.1 said: 535 "), "{}", ran.err);
        assert!(ran.out.contains("\nC: AUTH PLAIN <secret>\nS: 535 "), "{}", ran.out);

        let ran = run("quickstart", &format!("127.0.0.1:{}", dead_port()), "").await;
        assert_eq!(ran.status, 3);
        assert!(ran.err.starts_with("error: no connection: 127.0.0.1:"), "{}", ran.err);

        for arguments in ["a:b:c", "--from alice", "--tls maybe", "--nope", "--ca /nonexistent"] {
            assert_eq!(run("quickstart", arguments, "").await.status, 64, "{arguments}");
        }
        assert_eq!(run("quickstart", "--help", "").await.status, 0);
    }
}

mod send {
    use super::*;

    #[tokio::test]
    async fn t11_a_url_is_a_server_and_its_password_stays_out() {
        let (server, ca) = server().await;
        let at = format!("localhost:{}", server.port());
        let arguments = format!(
            "--server smtp://alice:wonderland@{at} --ca {} --from '' --to bob@example.test --json",
            ca.path()
        );
        let ran = run("send", &arguments, MAIL).await;
        assert_eq!((ran.status, ran.err.as_str()), (0, ""));
        assert_eq!(ran.json()["server"], format!("smtp://alice@{at}"));
        assert_eq!(server.mails()[0].user(), Some("alice"));
        assert!(!ran.out.contains("wonderland"), "{}", ran.out);

        let arguments = "--server smtp://mx?tls=none --from '' --to bob@example.test";
        let ran = run("send", arguments, MAIL).await;
        let words = "error: the URL has a query, and there is nothing that it could mean\n";
        assert_eq!((ran.status, ran.err.as_str()), (64, words));
    }

    #[tokio::test]
    async fn all_accepted_is_0() {
        let (server, ca) = server().await;
        let arguments = format!(
            "--server localhost:{} --ca {} --user alice --from '' --to bob@example.test --json",
            server.port(),
            ca.path()
        );
        let ran = run("send", &arguments, MAIL).await;
        assert_eq!((ran.status, ran.err.as_str()), (0, ""));
        let mut report = ran.json();
        assert!(report["elapsed_ms"].is_u64());
        report["elapsed_ms"] = json!(0);
        assert_eq!(
            report,
            json!({
                "server": format!("localhost:{}", server.port()),
                "elapsed_ms": 0,
                "recipients": [{
                    "mailbox": "bob@example.test",
                    "outcome": "accepted",
                    "code": 250,
                    "enhanced": "2.0.0",
                    "text": "mail accepted",
                    "stage": "end_of_data",
                }],
                "error": null,
            })
        );
        assert_eq!(server.mails()[0].content(), b"Subject: hi\r\n\r\n.hello\r\n");
    }

    #[tokio::test]
    async fn some_accepted_is_1_and_none_is_2() {
        let (server, ca) = server().await;
        let access = format!(
            "--server localhost:{} --ca {} --user alice --from alice@example.test",
            server.port(),
            ca.path()
        );
        let both = format!("{access} --to eve@example.test --to bob@example.test");
        let ran = run("send", &both, MAIL).await;
        assert_eq!(ran.status, 1);
        assert_eq!(
            ran.out,
            "eve@example.test: refused: 550 5.1.1 no eve (in reply to RCPT TO)\n\
             bob@example.test: accepted: 250 2.0.0 mail accepted\n"
        );
        let none = format!("{access} --to eve@example.test --to mallory@example.test --json");
        let ran = run("send", &none, MAIL).await;
        assert_eq!(ran.status, 2);
        let report = ran.json();
        assert_eq!(report["error"], Value::Null);
        assert_eq!(
            report["recipients"][1],
            json!({
                "mailbox": "mallory@example.test",
                "outcome": "refused",
                "code": 550,
                "enhanced": "5.7.1",
                "text": "not\nyou",
                "stage": "rcpt",
            })
        );
    }

    /// Where, of what kind; and no recipient has the mail.
    #[track_caller]
    fn assert_failed(ran: &Ran, stage: &str, kind: &str) -> Value {
        assert_eq!(ran.status, 3, "{} {}", ran.out, ran.err);
        let report = ran.json();
        let unsent = json!({
            "mailbox": "bob@example.test",
            "outcome": "not_sent",
            "code": null,
            "enhanced": null,
            "text": null,
            "stage": null,
        });
        assert_eq!(report["recipients"], json!([unsent]));
        let error = &report["error"];
        assert_eq!((&error["stage"], &error["kind"]), (&json!(stage), &json!(kind)), "{error}");
        error.clone()
    }

    const TO_BOB: &str = "--from alice@example.test --to bob@example.test --json";

    #[tokio::test]
    async fn a_session_that_fails_is_3() {
        let (server, ca) = server().await;
        let (port, ca) = (server.port(), ca.path());
        let dead = format!("--server localhost:{} {TO_BOB}", dead_port());
        let error = assert_failed(&run("send", &dead, MAIL).await, "connect", "connect");
        assert_eq!(error["code"], Value::Null);

        let nowhere = format!("--server no-such-host.invalid:25 {TO_BOB}");
        assert_failed(&run("send", &nowhere, MAIL).await, "resolve", "resolve");

        let (_other, other_ca) = super::server().await;
        let other_ca = other_ca.path();
        let distrusted = format!("--server localhost:{port} --ca {other_ca} {TO_BOB}");
        assert_failed(&run("send", &distrusted, MAIL).await, "handshake", "tls");

        let wrong =
            format!("--server localhost:{port} --ca {ca} --user alice {TO_BOB} --transcript");
        let ran = run_as("wrong", "send", &wrong, MAIL).await;
        let error = assert_failed(&ran, "auth", "refused");
        assert_eq!((&error["code"], &error["enhanced"]), (&json!(535), &json!("5.7.8")));
        assert!(ran.err.contains("\nC: AUTH PLAIN <secret>\nS: 535 5.7.8 "), "{}", ran.err);

        let in_clear = format!("--server localhost:{port} --tls none --user alice {TO_BOB}");
        assert_failed(&run("send", &in_clear, MAIL).await, "auth", "unsupported");

        let implicit = format!("--server localhost:{port} --tls implicit --ca {ca} {TO_BOB}");
        assert_failed(&run("send", &implicit, MAIL).await, "handshake", "tls");
        assert!(server.mails().is_empty());
    }

    #[tokio::test]
    async fn servers_that_are_none_are_3() {
        let http = scripted("S: HTTP/1.1 400 Bad Request\n-- close").await;
        let arguments = format!("--server 127.0.0.1:{} {TO_BOB}", http.port());
        let ran = run("send", &arguments, MAIL).await;
        let error = assert_failed(&ran, "greeting", "violation");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("HTTP"), "{message}");

        let silent = scripted("-- stall").await;
        let arguments = format!("--server 127.0.0.1:{} --timeout 1 {TO_BOB}", silent.port());
        assert_failed(&run("send", &arguments, MAIL).await, "greeting", "timeout");
    }

    #[tokio::test]
    async fn a_mail_without_an_answer_is_4() {
        let server = scripted(&format!("{TRANSACTION} -- close")).await;
        let arguments =
            format!("--server 127.0.0.1:{} --tls none --helo c.example {TO_BOB}", server.port());
        let ran = run("send", &arguments, MAIL).await;
        assert_eq!(ran.status, 4, "{}", ran.err);
        let report = ran.json();
        assert_eq!(report["recipients"][0]["outcome"], "unknown");
        assert_eq!(report["recipients"][0]["stage"], "end_of_data");
        assert_eq!(report["error"]["stage"], "end_of_data");
        assert_eq!(report["error"]["kind"], "closed");
        server.finish().await.unwrap();
    }

    #[tokio::test]
    async fn over_lmtp_each_recipient_has_an_answer() {
        let server = Server::new()
            .lmtp()
            .refuse_at_end("eve@example.test", "452 4.2.2 eve is full")
            .start()
            .await
            .unwrap();
        let arguments = format!(
            "--server 127.0.0.1:{} --lmtp --tls none {TO_BOB} --to eve@example.test",
            server.port()
        );
        let ran = run("send", &arguments, MAIL).await;
        assert_eq!(ran.status, 1);
        let report = ran.json();
        assert_eq!(report["recipients"][0]["outcome"], "accepted");
        assert_eq!(report["recipients"][1]["outcome"], "refused");
        assert_eq!(report["recipients"][1]["stage"], "end_of_data");
    }

    #[tokio::test]
    async fn a_large_mail_arrives_without_a_bar_where_nobody_looks() {
        let server = Server::new().start().await.unwrap();
        let arguments = format!("--server 127.0.0.1:{} --tls none {TO_BOB}", server.port());
        let mail = "0123456789\r\n".repeat(200_000);
        let ran = run("send", &arguments, mail.clone()).await;
        assert_eq!((ran.status, ran.err.as_str()), (0, ""));
        assert_eq!(server.mails()[0].content(), mail.as_bytes());
    }

    #[tokio::test]
    async fn bad_arguments_are_64() {
        for (arguments, words) in [
            ("", "--server <HOST:PORT>"),
            ("--nope", "unexpected argument"),
            ("--server a --from b@c.test", "--to <MAILBOX>"),
            ("--server a --from b --to c@d.test", "mailbox \"b\": it has no `@`"),
            ("--server a --from b@c.test --to ''", "--to <MAILBOX>"),
            ("--server a --from b@c.test --to d@e.test --tls ssl", "security is one of"),
            ("--server a --from b@c.test --to d@e.test --timeout 0", "--timeout <SECONDS>"),
            ("--server a --from b@c.test --to d@e.test --helo ü", "--helo <NAME>"),
            ("--server a --from b@c.test --to d@e.test --ca /nonexistent", "/nonexistent: "),
            ("--server a --from b@c.test --to d@e.test /nonexistent", "/nonexistent: "),
            ("--server a --from b@c.test --to d@e.test --lmtp", "LMTP has no port"),
            ("--server a:b --from b@c.test --to d@e.test --json", "\"a:b\" is not a server"),
        ] {
            let ran = run("send", arguments, "").await;
            assert_eq!(ran.status, 64, "{arguments}: {}", ran.err);
            assert!(ran.err.contains(words), "{arguments}: {}", ran.err);
            assert_eq!(ran.out, "", "{arguments}");
        }
        let ran = run("send", "--help", "").await;
        assert_eq!((ran.status, ran.err.as_str()), (0, ""));
        assert!(ran.out.contains("Exit status: "), "{}", ran.out);
    }
}

mod tls {
    use super::*;

    #[tokio::test]
    async fn the_report_of_a_verified_server() {
        for arguments in ["", "--tls implicit"] {
            let ran = run("tls", arguments, "").await;
            assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{}", ran.out);
            let start = "\
version:       TLS 1.3
cipher suite:  TLS_AES_256_GCM_SHA384
key exchange:  X25519
verified:      by the given roots
certificate 1: ";
            let rest = ran.out.strip_prefix(start).unwrap_or_else(|| panic!("{}", ran.out));
            let told = "CN=mx.example.test, issued by CN=ehlo testing authority, valid from ";
            assert!(rest.starts_with(told), "{rest}");
            assert!(rest.contains("\n  public key: sha256//"), "{rest}");
        }
    }

    #[tokio::test]
    async fn a_pin_is_told_and_asked_for() {
        let (server, ca) = server().await;
        let reach = format!("127.0.0.1:{} --json", server.port());
        let with_ca = format!("{reach} --ca {}", ca.path());
        let ran = run("tls", &with_ca, "").await;
        let report = ran.json();
        assert_eq!((ran.status, &report["verified"]), (0, &json!(true)));
        assert_eq!(report["verified_by"], "the given roots");
        assert_eq!(report["pin"], Value::Null);
        let key = report["chain"][0]["public_key"].as_str().unwrap();
        let fingerprint = report["chain"][0]["fingerprint"].as_str().unwrap();
        let names = json!(["mx.example.test", "localhost", "127.0.0.1", "::1"]);
        assert_eq!(report["chain"][0]["names"], names);
        for pin in [key, fingerprint] {
            let ran = run("tls", &format!("{with_ca} --pin {pin}"), "").await;
            assert_eq!((ran.status, &ran.json()["pin"]), (0, &json!(pin)));
            let alone = format!("{reach} --pin {pin} --pins-alone --name other.example");
            let ran = run("tls", &alone, "").await;
            assert_eq!((ran.status, &ran.json()["verified_by"]), (0, &json!("a pin alone")));
        }
        let other = "00".repeat(32);
        let ran = run("tls", &format!("{with_ca} --pin {other}"), "").await;
        let report = ran.json();
        assert_eq!((ran.status, &report["verified"]), (2, &json!(false)));
        let words = format!(
            "the server's certificate is none of those that are pinned: its fingerprint is \
             {fingerprint}, its public key is {key}"
        );
        assert_eq!(report["fault"], words);
    }

    #[tokio::test]
    async fn what_is_not_verified_is_looked_at_all_the_same() {
        let (server, ca) = server().await;
        let arguments =
            format!("127.0.0.1:{} --ca {} --name mail.example", server.port(), ca.path());
        let ran = run("tls", &arguments, "").await;
        assert_eq!((ran.status, ran.err.as_str()), (2, ""));
        assert!(ran.out.contains("\nverified:      no\ncertificate 1: "), "{}", ran.out);
        let words = "\nnot verified: the server's certificate is not for mail.example but for \
                     mx.example.test, localhost, 127.0.0.1, ::1\n";
        assert!(ran.out.ends_with(words), "{}", ran.out);
    }

    #[tokio::test]
    async fn without_tls_it_fails_in_words() {
        let server =
            scripted("S: 220 mx\nC: EHLO [127.0.0.1]\nS: 250 mx\nC: QUIT\nS: 221 bye\n-- close\n")
                .await;
        let reach = format!("127.0.0.1:{}", server.port());
        let ran = run("tls", &reach, "").await;
        assert_eq!((ran.status, ran.out.as_str()), (3, ""));
        assert_eq!(ran.err, "error: 127.0.0.1 does not offer STARTTLS, which required TLS needs\n");
        let ran = run("tls", &format!("{reach} --tls implicit"), "").await;
        assert_eq!(ran.status, 3);
        assert_eq!(
            ran.err,
            "error: the TLS handshake with 127.0.0.1 failed: the server did not answer with TLS: \
             it sent \"220 mx\", a greeting of SMTP in clear; TLS may be had there by STARTTLS\n"
        );
        for arguments in [
            "--pin x",
            "--pins-alone",
            "--pin PIN --pins-alone --ca /nonexistent",
            "--tls none",
            "--ca /nonexistent",
            "a:b:c",
        ] {
            assert_eq!(run("tls", arguments, "").await.status, 64, "{arguments}");
        }
        assert_eq!(run("tls", "--help", "").await.status, 0);
    }
}

mod auth {
    use super::*;

    #[tokio::test]
    async fn it_tells_what_is_offered_and_logs_in() {
        let ran = run("auth", "", "").await;
        assert_eq!((ran.status, ran.err.as_str()), (0, ""));
        assert_eq!(
            ran.out,
            "\
in clear:
  EXTERNAL: only by a client certificate or the like
  XOAUTH2: only with a token
  SCRAM-SHA-256-PLUS: only over verified TLS
  SCRAM-SHA-256: only over verified TLS
  SCRAM-SHA-1: only over verified TLS
  PLAIN: only over verified TLS
  LOGIN: only over verified TLS
  CRAM-MD5: only by name
  NTLM: never used
over TLS 1.3, TLS_AES_256_GCM_SHA384, verified:
  SCRAM-SHA-256-PLUS: chosen
  SCRAM-SHA-256: comes after SCRAM-SHA-256-PLUS
  SCRAM-SHA-1: comes after SCRAM-SHA-256-PLUS
  PLAIN: comes after SCRAM-SHA-256-PLUS
  LOGIN: comes after SCRAM-SHA-256-PLUS
  EXTERNAL: only by a client certificate or the like
  XOAUTH2: only with a token
  CRAM-MD5: only by name
  NTLM: never used
alice is logged in: 235 2.7.0 welcome
"
        );
        let ran = run("auth", "--tls implicit --look --at-least SCRAM-SHA-256", "").await;
        assert_eq!((ran.status, ran.err.as_str()), (0, ""));
        assert!(ran.out.starts_with("over TLS 1.3, "), "{}", ran.out);
        assert!(ran.out.contains("\n  PLAIN: weaker than SCRAM-SHA-256\n"), "{}", ran.out);
        assert!(!ran.out.contains("logged in"), "{}", ran.out);
    }

    #[tokio::test]
    async fn it_logs_in_to_another_server() {
        let (server, ca) = server().await;
        let reach = format!("127.0.0.1:{} --ca {} --json", server.port(), ca.path());
        let ran = run("auth", &format!("{reach} --user alice --mechanism login"), "").await;
        assert_eq!((ran.status, ran.err.as_str()), (0, ""));
        let report = ran.json();
        assert_eq!(report["logged_in"], true);
        assert_eq!(report["reply"], "235 2.7.0 welcome");
        assert_eq!(report["error"], Value::Null);
        assert_eq!(report["offers"][0], json!({ "tls": null, "mechanisms": null }));
        assert_eq!(
            report["offers"][1]["mechanisms"],
            json!([
                { "name": "LOGIN", "chosen": true, "why_not": null },
                { "name": "PLAIN", "chosen": false, "why_not": "not asked for" },
            ])
        );
        // Without a user there is nobody to log in.
        let ran = run("auth", &reach, "").await;
        assert_eq!((ran.status, &ran.json()["logged_in"]), (0, &json!(false)));
        let takes = json!({ "name": "PLAIN", "chosen": false, "why_not": "only with a password" });
        assert_eq!(ran.json()["offers"][1]["mechanisms"][0], takes);
    }

    #[tokio::test]
    async fn a_certificate_is_a_credential() {
        let made = rcgen::generate_simple_self_signed(["client.example".to_owned()]).unwrap();
        let pem = format!("{}{}", made.cert.pem(), made.signing_key.serialize_pem());
        let files = Folder::with(&[("client.pem", &pem)]);
        let server = Server::new().mechanisms(["EXTERNAL", "PLAIN"]).client_authority(&pem);
        let server = server.start().await.unwrap();
        let ca = CaFile::of(&server);
        let reach = format!("127.0.0.1:{} --ca {}", server.port(), ca.path());
        let certificate = files.path("client.pem");
        let ran = run("auth", &format!("{reach} --certificate {certificate}"), "").await;
        assert_eq!((ran.status, ran.err.as_str()), (0, ""));
        let told = "  EXTERNAL: chosen\n  PLAIN: only with a password\n\
                    the client is logged in: 235 2.7.0 welcome\n";
        assert!(ran.out.ends_with(told), "{}", ran.out);
    }

    #[tokio::test]
    async fn who_is_not_logged_in_is_2() {
        let (server, ca) = server().await;
        let reach = format!("127.0.0.1:{} --ca {} --json --user alice", server.port(), ca.path());
        let ran = run_as("wrong", "auth", &reach, "").await;
        assert_eq!((ran.status, &ran.json()["error"]["code"]), (2, &json!(535)));
        assert_eq!(ran.json()["logged_in"], false);
        // The fault of a token is told, and that of an offer.
        for (flags, kind) in [("--token", "auth"), ("--at-least SCRAM-SHA-1", "auth")] {
            let ran = run("auth", &format!("{reach} {flags}"), "").await;
            assert_eq!((ran.status, &ran.json()["error"]["kind"]), (2, &json!(kind)), "{flags}");
        }
        let ran = run("auth", "--tls none", "").await;
        assert_eq!(ran.status, 2);
        assert_eq!(
            ran.err,
            "error: AUTH would send a secret in clear: only allow_cleartext lets it\n"
        );
        let none = "S: 220 mx\nC: EHLO [127.0.0.1]\nS: 250 mx\nC: QUIT\nS: 221 bye\n-- close\n";
        let none = scripted(none).await;
        let reach = format!("127.0.0.1:{} --user alice", none.port());
        let ran = run("auth", &reach, "").await;
        assert_eq!((ran.status, ran.out.as_str()), (2, "in clear:\n  no AUTH\n"));
        let words = "error: 127.0.0.1 does not offer AUTH, which authentication needs (in clear; it \
                     may offer it inside TLS)\n";
        assert_eq!(ran.err, words);
    }

    /// Behind a refusal no offer is to be expected, and that there is none is not the news.
    #[tokio::test]
    async fn a_refusal_on_the_way_to_auth_is_told_and_is_3() {
        let begin = "S: 220 mx\nC: EHLO [127.0.0.1]\n";
        let end = "C: QUIT\nS: 221 bye\n-- close\n";
        let no_tls = "S: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 454 4.7.0 TLS not available\n";
        for (says, out, words) in [
            (
                no_tls,
                "in clear:\n  no AUTH\n",
                "454 4.7.0 TLS not available (in reply to STARTTLS)",
            ),
            ("S: 550 5.7.1 you are blocked\n", "", "550 5.7.1 you are blocked (in reply to EHLO)"),
        ] {
            for user in ["", " --user alice"] {
                let server = scripted(&format!("{begin}{says}{end}")).await;
                let ran = run("auth", &format!("127.0.0.1:{}{user}", server.port()), "").await;
                let err = format!("error: the server said: {words}\n");
                assert_eq!((ran.status, ran.out.as_str(), ran.err), (3, out, err), "{user}");
                assert!(server.log().concat().contains("C: QUIT\n"), "{:?}", server.log());
            }
        }
    }

    #[tokio::test]
    async fn a_session_that_fails_is_3_and_bad_arguments_are_64() {
        let ran = run("auth", &format!("localhost:{}", dead_port()), "").await;
        assert_eq!((ran.status, ran.out.as_str()), (3, ""));
        let (server, _) = server().await;
        let distrusted = run("auth", &format!("127.0.0.1:{}", server.port()), "").await;
        assert_eq!(distrusted.status, 3);
        assert_eq!(distrusted.out, "in clear:\n  no AUTH\n");
        for arguments in [
            "a:b:c",
            "--token",
            "--certificate /nonexistent",
            "--certificate x --user y",
            "smtps://alice:wonderland@127.0.0.1",
        ] {
            let ran = run("auth", arguments, "").await;
            assert_eq!((ran.status, ran.out.as_str()), (64, ""), "{arguments}: {}", ran.err);
            assert!(!ran.err.contains("wonderland"), "{}", ran.err);
        }
        assert_eq!(run("auth", "--help", "").await.status, 0);
    }
}

mod lmtp {
    use super::*;

    const REFUSED: &str = "<nobody-here@example.test>: refused: 550 5.1.1 nobody here has that name (in reply to RCPT TO)\n";
    const ACCEPTED: &str = "<bob@example.test>: accepted: 250 2.0.0 mail accepted\n";
    const FULL: &str =
        "<carol@example.test>: refused: 452 4.2.2 the mailbox is full (in reply to end of data)\n";

    #[cfg(unix)]
    #[tokio::test]
    async fn each_outcome_is_printed_as_it_comes() {
        let ran = run("lmtp", "", "").await;
        assert_eq!((ran.status, ran.err.as_str()), (1, ""));
        assert_eq!(ran.out, format!("{REFUSED}{ACCEPTED}{FULL}"));

        let ran = run("lmtp", "--to bob@example.test --transcript", "").await;
        assert_eq!((ran.status, ran.out.as_str()), (0, ACCEPTED));
        assert!(ran.err.contains("\nC: LHLO [127.0.0.1]\n"), "{}", ran.err);
        assert_eq!(run("lmtp", "--to carol@example.test", "").await.status, 2);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn it_reaches_another_unix_socket() {
        let path = std::env::temp_dir().join(format!("ehlo-lmtp-test-{}", std::process::id()));
        let path = path.to_str().unwrap();
        let ran = run("lmtp", &format!("--unix {path}"), "").await;
        assert_eq!((ran.status, ran.out.as_str()), (3, ""));
        let words = format!("error: no connection: {path}: No such file or directory");
        assert!(ran.err.starts_with(&words), "{}", ran.err);

        let server = Server::new().lmtp().start_unix(path).await.unwrap();
        let ran = run("lmtp", &format!("--unix {path} --to bob@example.test"), "").await;
        assert_eq!((ran.status, ran.out.as_str()), (0, ACCEPTED));
        assert_eq!(server.mails().len(), 1);
    }

    #[tokio::test]
    async fn over_tcp_an_early_close_leaves_the_outcomes_that_came() {
        let server = scripted(
            "S: 220 mx\nC: LHLO [127.0.0.1]\nS: 250-mx\nS: 250 PIPELINING\n\
             C: MAIL FROM:<alice@example.test>\nC: RCPT TO:<bob@example.test>\n\
             C: RCPT TO:<carol@example.test>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\n\
             S: 354 go\nC: <content 98>\nC: .\nS: 250 2.0.0 mail accepted\n-- close\n",
        )
        .await;
        let to = "--to bob@example.test --to carol@example.test";
        let ran = run("lmtp", &format!("--tcp {} {to}", server.addr()), "").await;
        let unknown = "<carol@example.test>: unknown: no answer came after the mail was sent\n";
        assert_eq!((ran.status, ran.out), (3, format!("{ACCEPTED}{unknown}")));
        server.finish().await.unwrap();
    }

    #[tokio::test]
    async fn bad_arguments_are_said() {
        for arguments in [
            "--tcp localhost",
            "--tcp localhost:25",
            "--unix /a --tcp b:24",
            "--to bob",
            "--tls none",
            "/nonexistent/message.eml",
        ] {
            assert_eq!(run("lmtp", arguments, "").await.status, 64, "{arguments}");
        }
        assert_eq!(run("lmtp", "--help", "").await.status, 0);
    }
}

mod conversation {
    use super::*;

    #[tokio::test]
    async fn a_script_is_played_to_its_end() {
        let script = "\
MAIL FROM:<a@b.test>
ehlo
STARTTLS
EHLO me.example
AUTH LOGIN
nonsense!
YWxpY2U=
d29uZGVybGFuZA==
MAIL
RCPT
RCPT
XYZZY
DATA
Subject: hi

.dot
.
";
        let ran = run("conversation", "", script).await;
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{}", ran.out);
        let mut rest = ran.out.as_str();
        for words in [
            "S: 220 ",
            "   not sent: MAIL is lawful after EHLO and outside a transaction, and the session is before EHLO\n",
            "   lawful: EHLO HELO ",
            "> EHLO [127.0.0.1]\n",
            "   TLS 1.3, ",
            "> EHLO me.example\n",
            "it asks \"Username:\"",
            "   not sent: an answer is base64",
            "> <secret>\n",
            "S: 235 2.7.0 ",
            "> MAIL FROM:<alice@example.test>\n",
            "> RCPT TO:<bob@example.test>\n",
            "> RCPT TO:<nobody-here@example.test>\n",
            "   550: mailbox not available; 5.1.1: no such mailbox\n",
            "   sent as it is, though: command \"XYZZY\": not a verb\n",
            "S: 500 ",
            "S: 354 ",
            "> <content 21>\n",
            "S: 250 2.0.0 mail accepted\n",
            "> QUIT\n",
            "   221: closing the connection",
        ] {
            let Some(at) = rest.find(words) else {
                panic!("no {words:?} in what is left: {rest}");
            };
            rest = &rest[at + words.len()..];
        }
        assert!(!ran.out.contains("d29uZGVy"), "{}", ran.out);
    }

    #[tokio::test]
    async fn what_a_console_knows_beside_smtp() {
        let script = "EHLO\nSTARTTLS\nEHLO\n?\n:capabilities\nAUTH\nNOOP a\x07b\n:raw NOOP x\n:transcript\n:quit\nNOOP\n";
        let ran = run("conversation", "", script).await;
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{}", ran.out);
        for words in [
            "   RCPT is lawful after MAIL and before the content, and the session is outside a transaction\n",
            "   SIZE 10485760\n",
            "   as alice, by the strongest mechanism there is\nS: 235 ",
            "   not sent: command \"NOOP a\\x07b\": a control character cannot be sent\n",
            "C: AUTH PLAIN <secret>\nS: 235 ",
            "C: NOOP x\nS: 250 2.0.0 ok\n> QUIT\n",
        ] {
            assert!(ran.out.contains(words), "{words}: {}", ran.out);
        }
        assert!(
            ran.out.ends_with("S: 221 2.0.0 bye\n   221: closing the connection; 2.0.0: success\n")
        );
    }

    #[tokio::test]
    async fn a_mail_goes_to_another_server() {
        let (server, ca) = server().await;
        let arguments = format!(
            "localhost:{} --ca {} --user alice --from '' --to bob@example.test",
            server.port(),
            ca.path()
        );
        let script =
            "EHLO\r\nSTARTTLS\r\nEHLO\r\nAUTH\r\nMAIL\r\nRCPT\r\nDATA\r\n..\r\n.\r\nQUIT\r\n";
        let ran = run("conversation", &arguments, script).await;
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{}", ran.out);
        let mails = server.mails();
        assert_eq!(mails[0].content(), b"..\r\n");
        assert_eq!(mails[0].sender().to_string(), "<>");
    }

    #[tokio::test]
    async fn a_session_that_fails_is_3() {
        let dead = format!("127.0.0.1:{}", dead_port());
        assert_eq!(run("conversation", &dead, "").await.status, 3);

        let leaving = scripted("S: 220 mx\nC: NOOP\nS: 421 4.3.2 leaving\n-- close").await;
        let arguments = format!("127.0.0.1:{} --tls none", leaving.port());
        let ran = run("conversation", &arguments, "NOOP\nNOOP\n").await;
        assert_eq!(ran.status, 3);
        assert!(ran.out.contains("S: 421 4.3.2 leaving\n"), "{}", ran.out);
        assert_eq!(ran.err, "error: the server has ended the session\n");

        let gone = scripted("S: 220 mx\nC: NOOP\n-- close").await;
        let arguments = format!("127.0.0.1:{} --tls none", gone.port());
        let ran = run("conversation", &arguments, "NOOP\n").await;
        assert_eq!(ran.status, 3);
        assert_eq!(ran.err, "error: 127.0.0.1 closed the connection at query\n");

        let script = "EHLO\nMAIL\nRCPT\nDATA\nhalf a mail";
        let ran = run("conversation", "--tls none --user alice --allow-cleartext", "").await;
        assert_eq!(ran.status, 0);
        let script = script.replace("MAIL", "AUTH\nMAIL");
        let ran = run("conversation", "--tls none --allow-cleartext", script).await;
        assert_eq!(ran.status, 3);
        assert_eq!(ran.err, "error: no dot ended the content: the mail was not sent\n");
    }

    #[tokio::test]
    async fn a_dialogue_that_is_left_open_is_given_up() {
        let ran = run("conversation", "", "EHLO\nSTARTTLS\nEHLO\nAUTH LOGIN\n").await;
        assert_eq!((ran.status, ran.err.as_str()), (0, ""));
        assert!(ran.out.contains("S: 501 5.7.0 authentication cancelled\n"), "{}", ran.out);
    }

    #[tokio::test]
    async fn bad_arguments_are_64() {
        for arguments in ["a:b:c", "--to bob", "--nope", "--ca /nonexistent", "one two"] {
            assert_eq!(run("conversation", arguments, "").await.status, 64, "{arguments}");
        }
        assert_eq!(run("conversation", "--help", "").await.status, 0);
    }
}

mod many_recipients {
    use super::*;

    #[tokio::test]
    async fn without_arguments_it_shows_a_table() {
        let ran = run("many_recipients", "", "").await;
        assert_eq!((ran.status, ran.err.as_str()), (1, ""));
        assert_eq!(
            ran.out,
            "\
RECIPIENT                 OUTCOME   AGAIN  REPLY
bob@example.test          accepted         250 2.0.0 mail accepted
nobody-here@example.test  refused          550 5.1.1 nobody here has that name (in reply to RCPT TO)
carol@example.test        accepted         250 2.0.0 mail accepted
full@example.test         refused   later  452 4.2.2 the mailbox is full (in reply to RCPT TO)
dave@example.test         accepted         250 2.0.0 mail accepted
3 accepted, 2 refused, 0 not sent, 0 unknown, in 2 transactions
"
        );
    }

    #[tokio::test]
    async fn recipients_come_from_a_file_and_go_in_groups_with_their_parameters() {
        let server = Server::new().offer("DSN").max_recipients(3).start().await.unwrap();
        let folder = Folder::with(&[
            ("to", "# all of us\nb@example.test\n\nc@example.test # and more\nd@example.test\n"),
            ("message", "Subject: hi\n\nhello\n"),
        ]);
        let arguments = format!(
            "--server 127.0.0.1:{} --tls none --from '' --recipients {} --message {} --group 2 \
             --notify failure,delay --headers --envid 7+1 --orcpt --json a@example.test",
            server.port(),
            folder.path("to"),
            folder.path("message")
        );
        let ran = run("many_recipients", &arguments, "").await;
        assert_eq!((ran.status, ran.err.as_str()), (0, ""));
        let report = ran.json();
        assert_eq!((&report["transactions"], &report["error"]), (&json!(2), &Value::Null));
        assert_eq!(report["recipients"].as_array().unwrap().len(), 4);
        assert_eq!(report["recipients"][3]["mailbox"], "d@example.test");
        assert_eq!(report["recipients"][3]["outcome"], "accepted");

        let mails = server.mails();
        let to = mails.iter().map(|mail| mail.recipients().len()).collect::<Vec<_>>();
        assert_eq!(to, [2, 2]);
        assert_eq!(mails[1].content(), b"Subject: hi\r\n\r\nhello\r\n");
        let log = server.log().join("\n");
        for said in [
            "MAIL FROM:<> RET=HDRS ENVID=7+2B1 SIZE=",
            "RCPT TO:<a@example.test> ORCPT=rfc822;a@example.test NOTIFY=FAILURE,DELAY",
            "RCPT TO:<d@example.test> ORCPT=rfc822;d@example.test NOTIFY=FAILURE,DELAY",
        ] {
            assert!(log.contains(said), "{said}: {log}");
        }
    }

    #[tokio::test]
    async fn a_session_that_fails_is_3_and_says_who_is_left() {
        let server = Server::new().reply_to(Verb::Mail, "421 4.3.2 leaving").start().await;
        let server = server.unwrap();
        let arguments = format!(
            "--server 127.0.0.1:{} --tls none --group 1 a@example.test b@example.test",
            server.port()
        );
        let ran = run("many_recipients", &arguments, "").await;
        assert_eq!(ran.status, 3);
        assert!(ran.out.contains("b@example.test  not_sent  later\n"), "{}", ran.out);
        assert!(ran.err.contains("421 4.3.2 leaving"), "{}", ran.err);

        let dead = format!("--server 127.0.0.1:{}", dead_port());
        assert_eq!(run("many_recipients", &dead, "").await.status, 3);
    }

    #[tokio::test]
    async fn bad_arguments_are_64() {
        let folder = Folder::with(&[("to", "a@example.test\n\nbob\n"), ("empty", "# nobody\n")]);
        let (to, empty) = (folder.path("to"), folder.path("empty"));
        let (bad, none) = (format!("--recipients {to}"), format!("--recipients {empty}"));
        let bad_line = format!("{to}:3: mailbox \"bob\": it has no `@`");
        for (arguments, words) in [
            ("bob", "'[TO]...'"),
            ("--group 0", "--group <N>"),
            ("--notify NEVER,DELAY", "NEVER stands alone"),
            ("--envid ''", "--envid <TEXT>"),
            ("--message /nonexistent", "/nonexistent: "),
            (&bad, &bad_line),
            (&none, "an envelope needs a recipient"),
            ("--server a:b", "\"a:b\" is not a server"),
        ] {
            let ran = run("many_recipients", arguments, "").await;
            assert_eq!(ran.status, 64, "{arguments}: {}", ran.err);
            assert!(ran.err.contains(words), "{arguments}: {}", ran.err);
            assert_eq!(ran.out, "", "{arguments}");
        }
        assert_eq!(run("many_recipients", "--help", "").await.status, 0);
    }
}

mod bulk {
    use super::*;

    #[tokio::test]
    async fn without_arguments_it_sends_some_that_are_made_up() {
        for arguments in ["", "--run-ahead", "--bdat", "--run-ahead --bdat"] {
            let ran = run("bulk", arguments, "").await;
            assert_eq!((ran.status, ran.err.as_str()), (1, ""), "{arguments}");
            assert_eq!(
                ran.out,
                "\
two: full@example.test: refused: 452 4.2.2 the mailbox is full (in reply to RCPT TO)
three: nobody-here@example.test: refused: 550 5.1.1 nobody here has that name (in reply to RCPT TO)
4 mails to 5 recipients: 3 accepted, 2 refused, 0 not sent, 0 unknown
",
                "{arguments}"
            );
        }
    }

    #[tokio::test]
    async fn a_directory_is_sent_in_order_long_ones_and_all() {
        let long = format!("From: a@x.test\nTo: b@x.test\n\n{}", "0123456789\n".repeat(50_000));
        let endless = format!("From: a@x.test\nTo: {}\n\nx\n", "b@x.test,\n ".repeat(10_000));
        let short = "From: a@x.test\nTo: b@x.test, c@x.test\n\nhello\n";
        let folder = Folder::with(&[
            ("1.eml", short),
            ("2.eml", "From: a@x.test\n\nto nobody\n"),
            ("3.eml", &long),
            ("4.eml", &endless),
            ("5.eml", short),
            ("notes.txt", short),
        ]);
        for how in ["", "--run-ahead", "--bdat --run-ahead --from z@x.test"] {
            let server = Server::new().start().await.unwrap();
            let arguments = format!(
                "--server 127.0.0.1:{} --tls none {how} {}",
                server.port(),
                folder.path("")
            );
            let ran = run("bulk", &arguments, "").await;
            assert_eq!(ran.status, 3, "{how}: {}", ran.err);
            let sent = "3 mails to 5 recipients: 5 accepted, 0 refused, 0 not sent, 0 unknown\n";
            assert_eq!(ran.out, sent, "{how}");
            let errors: Vec<&str> = ran.err.lines().collect();
            let [nobody, endless] = errors.as_slice() else {
                panic!("{how}: {}", ran.err);
            };
            assert!(
                nobody.ends_with("2.eml: the message has no address in To, Cc or Bcc"),
                "{nobody}"
            );
            assert!(endless.contains("4.eml: "), "{endless}");
            let mails = server.mails();
            assert_eq!(mails.len(), 3);
            assert_eq!(mails[0].recipients().len(), 2);
            assert_eq!(mails[1].content(), long.replace('\n', "\r\n").as_bytes());
            let sender = if how.contains("--from") { "<z@x.test>" } else { "<a@x.test>" };
            assert_eq!(mails[2].sender().to_string(), sender);
            assert_eq!(mails[1].chunks().is_some(), how.contains("--bdat") || how == "--run-ahead");
        }
    }

    #[tokio::test]
    async fn what_is_left_when_the_session_ends_is_not_sent() {
        let server = Server::new().reply_at_end("421 4.3.2 leaving").start().await.unwrap();
        let arguments = format!("--server 127.0.0.1:{} --tls none", server.port());
        let ran = run("bulk", &arguments, "").await;
        assert_eq!(ran.status, 3, "{}", ran.err);
        assert!(ran.out.contains("four: carol@example.test: not sent\n"), "{}", ran.out);
        assert!(ran.err.contains("error: four: 127.0.0.1 ended the session"), "{}", ran.err);
    }

    #[tokio::test]
    async fn bad_arguments_are_64() {
        for arguments in ["/nonexistent", "--from a", "--nope", "--server a:b", "one two"] {
            let ran = run("bulk", arguments, "").await;
            assert_eq!((ran.status, ran.out.as_str()), (64, ""), "{arguments}: {}", ran.err);
        }
        assert_eq!(run("bulk", "--help", "").await.status, 0);
    }
}

mod monitor {
    use super::*;

    /// The lines of changes without their times.
    fn changes(out: &str) -> Vec<&str> {
        out.lines().skip(1).map(|line| line.split_once(' ').unwrap().1).collect()
    }

    #[tokio::test]
    async fn without_arguments_it_watches_some_of_its_own_until_each_has_told_of_itself() {
        let ran = run("monitor", "", "").await;
        assert_eq!((ran.status, ran.err.as_str()), (0, ""));
        assert!(ran.out.starts_with("http://127.0.0.1:"), "{}", ran.out);
        let changes = changes(&ran.out);
        let is = |begin: &str| changes.iter().any(|line| line.starts_with(begin));
        assert!(is("well: up"), "{changes:?}");
        assert!(
            is("busy: down, failed at greeting: The server is busy or in maintenance"),
            "{changes:?}"
        );
        assert!(is("slow: up") && is("slow: degraded: slow ("), "{changes:?}");
        assert!(ran.out.ends_with("\nadmin@example.test has 4 mails\n"), "{}", ran.out);
    }

    /// It ends when the third change has come: the test makes that, once it has seen the page.
    #[tokio::test]
    async fn a_file_says_what_is_watched_and_each_change_is_mailed() {
        let hostile = Server::new().greeting("554 <script>alert('x')</script> & \"you\"");
        let hostile = hostile.start().await.unwrap();
        let (good, mail) = (Server::new().start().await, Server::new().start().await);
        let (good, mail, port) = (good.unwrap(), mail.unwrap(), dead_port());
        let file = format!(
            "interval = 0.2
             retry_after = 0.05
             listen = '127.0.0.1:{port}'
             helo = 'monitor.example.test'
             ca = 'CA'
             [mail]
             server = 'smtp://localhost:{}'
             from = 'monitor@example.test'
             to = ['admin@example.test']
             [[server]]
             name = '<b>mx</b>'
             server = '{}'
             tls = 'none'
             sender = 'alice@example.test'
             recipients = ['bob@example.test']
             [[server]]
             name = 'good'
             server = '{}'",
            mail.port(),
            hostile.addr(),
            good.addr(),
        );
        let folder = Folder::with(&[("ca.pem", mail.ca_pem())]);
        let file = file.replace("CA", &folder.path("ca.pem"));
        let files = Folder::with(&[("servers.toml", &file)]);
        let arguments = format!("{} --changes 3", files.path("servers.toml"));
        let visits = async {
            loop {
                let page = visit(port, "/").await.unwrap_or_default();
                if page.contains("<td>down<td>") && page.contains("<td>up<td>") {
                    let numbers = visit(port, "/metrics").await.unwrap();
                    drop(good);
                    return (page, numbers);
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        let (ran, (page, numbers)) = tokio::join!(run("monitor", &arguments, ""), visits);
        assert_eq!((ran.status, ran.err.as_str()), (0, ""));
        let mut changes = changes(&ran.out);
        assert_eq!(changes.len(), 3, "{changes:?}");
        assert!(changes[2].starts_with("good: down, failed at connect: "), "{changes:?}");
        changes[..2].sort_unstable();
        assert!(changes[0].starts_with("<b>mx</b>: down, failed at greeting: "), "{changes:?}");
        assert_eq!(changes[1], "good: up");

        assert!(page.contains("<td>&lt;b&gt;mx&lt;/b&gt;<td>down<td>"), "{page}");
        let banner = "554 &lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;you&quot;";
        assert!(page.contains(banner), "{page}");
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
        let failed = r#"ehlo_probes_total{server="<b>mx</b>",verdict="failed"} "#;
        assert!(numbers.contains(failed), "{numbers}");

        // Each has come to the administrator, over TLS, with the line and the report.
        let mut mails: Vec<_> = mail.mails();
        assert_eq!(mails.len(), 3);
        mails.sort_by_key(|mail| mail.content().len());
        for mail in &mails {
            assert!(mail.is_tls());
            assert_eq!(mail.sender().to_string(), "<monitor@example.test>");
            assert_eq!(mail.recipients()[0].to_string(), "<admin@example.test>");
        }
        let texts: Vec<_> =
            mails.iter().map(|mail| String::from_utf8_lossy(mail.content())).collect();
        for change in changes {
            let subject: String = change.chars().take(200).collect();
            let text = texts.iter().find(|text| text.contains(&format!("Subject: {subject}\r\n")));
            let text = text.unwrap_or_else(|| panic!("{subject}: {texts:?}"));
            assert!(text.contains(&format!("\r\n\r\n{change}\r\n\r\nprobe of ")), "{text}");
        }
    }

    /// Nobody reads of it, and nothing stops for it.
    #[tokio::test]
    async fn a_mail_that_cannot_be_sent_is_told() {
        let (server, mail) = (Server::new().start().await, Server::new().start().await);
        let (server, mail) = (server.unwrap(), mail.unwrap());
        let file = format!(
            "retry_after = 0.05
             [mail]
             server = 'smtp://{}'
             from = 'monitor@example.test'
             to = ['admin@example.test']
             [[server]]
             server = '{}'",
            mail.addr(),
            server.addr(),
        );
        let folder = Folder::with(&[("servers.toml", &file)]);
        let arguments = format!("{} --changes 1", folder.path("servers.toml"));
        let ran = run("monitor", &arguments, "").await;
        assert_eq!(ran.status, 0, "{}", ran.err);
        // STARTTLS is what a mail needs, with a certificate that is believed.
        let words = format!("error: {}: up: not mailed: ", server.addr());
        assert!(ran.err.starts_with(&words), "{}", ran.err);
        assert!(mail.mails().is_empty());
    }

    /// The resolver of the system knows no MX; the host of that name is asked.
    #[cfg(not(feature = "dns"))]
    #[tokio::test]
    async fn a_domain_is_watched_by_its_hosts() {
        let server = Server::new().start().await.unwrap();
        let file = format!(
            "retry_after = 0.05\n[[server]]\ndomain = 'localhost:{}'\ntls = 'none'",
            server.port()
        );
        let folder = Folder::with(&[("servers.toml", &file)]);
        let arguments = format!("{} --changes 1", folder.path("servers.toml"));
        let ran = run("monitor", &arguments, "").await;
        assert_eq!((ran.status, ran.err.as_str()), (0, ""));
        assert_eq!(changes(&ran.out), [format!("localhost:{}: up", server.port())]);
    }

    /// None where nobody answers yet.
    async fn visit(port: u16, path: &str) -> Option<String> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        Some(answer)
    }

    #[tokio::test]
    async fn bad_arguments_and_files_are_64() {
        let server = "[[server]]\nserver = 'mx'\n";
        let folder = Folder::with(&[
            ("keys", &format!("wait = 1\n{server}")),
            ("time", &format!("interval = -1.0\n{server}")),
            ("tls", "[[server]]\nserver = 'mx'\ntls = 'maybe'\n"),
            ("mail", &format!("mail = {{ server = 'mx', from = 'a', to = [] }}\n{server}")),
            ("none", ""),
            ("both", "[[server]]\nserver = 'mx'\ndomain = 'example.org'\n"),
            ("neither", "[[server]]\nname = 'mx'\n"),
            ("helo", &format!("helo = 'a b'\n{server}")),
            ("ca", &format!("ca = '/nonexistent/ca.pem'\n{server}")),
        ]);
        for (name, words) in [
            ("keys", "unknown field `wait`"),
            ("time", "negative"),
            ("tls", "mx: tls: "),
            ("mail", "mailbox \"a\""),
            ("none", "missing field `server`"),
            ("both", "mx: either a `server` or a `domain` is wanted"),
            ("neither", "mx: either a `server` or a `domain` is wanted"),
            ("helo", "helo: "),
            ("ca", "/nonexistent/ca.pem: "),
            ("nowhere", "nowhere: "),
        ] {
            let ran = run("monitor", &folder.path(name), "").await;
            assert_eq!((ran.status, ran.out.as_str()), (64, ""), "{name}: {}", ran.err);
            assert!(ran.err.contains(words), "{name}: {}", ran.err);
        }
        assert_eq!(run("monitor", "--nope", "").await.status, 64);
        assert_eq!(run("monitor", "--help", "").await.status, 0);
    }

    #[tokio::test]
    async fn a_page_that_cannot_be_shown_is_3() {
        let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let at = taken.local_addr().unwrap();
        let file = format!("listen = '{at}'\n[[server]]\nserver = 'mx'\n");
        let folder = Folder::with(&[("servers.toml", &file)]);
        let ran = run("monitor", &folder.path("servers.toml"), "").await;
        assert_eq!((ran.status, ran.out.as_str()), (3, ""));
        assert!(ran.err.starts_with(&format!("error: {at}: ")), "{}", ran.err);
    }
}

mod blocking {
    use super::*;

    #[tokio::test]
    async fn it_sends_a_mail_without_a_runtime() {
        for withheld in ["HELP", "PIPELINING"] {
            let server = Server::new().refuse("eve@x.test", "550 5.1.1 no eve").withhold(withheld);
            let server = server.start().await.unwrap();
            let server_at = server.addr();
            let ran = run("blocking", &format!("{server_at} a@x.test b@x.test"), MAIL).await;
            assert_eq!((ran.status, ran.err.as_str()), (0, ""));
            assert_eq!(ran.out, "<b@x.test>: accepted: 250 2.0.0 mail accepted\n");
            let ran = run("blocking", &format!("{server_at} '' eve@x.test b@x.test"), MAIL).await;
            assert_eq!((ran.status, ran.err.as_str()), (1, ""));
            let eve = "<eve@x.test>: refused: 550 5.1.1 no eve (in reply to RCPT TO)\n";
            assert_eq!(ran.out, format!("{eve}<b@x.test>: accepted: 250 2.0.0 mail accepted\n"));
            let mails = server.received(2).await.unwrap();
            assert_eq!(mails[1].content(), b"Subject: hi\r\n\r\n.hello\r\n");
            assert_eq!(mails[1].sender().to_string(), "<>");
        }
    }

    #[tokio::test]
    async fn nobody_waits_for_ever_with_a_thousand_recipients_and_much_content() {
        let server = Server::new().start().await.unwrap();
        let to = (0..1000).map(|n| format!(" r{n}@x.test")).collect::<String>();
        let mail = "0123456789\r\n".repeat(400_000);
        let ran = run("blocking", &format!("{} a@x.test{to}", server.addr()), mail.clone()).await;
        assert_eq!((ran.status, ran.err.as_str()), (0, ""));
        assert_eq!(ran.out.lines().count(), 1000);
        assert_eq!(server.mails()[0].content(), mail.as_bytes());
    }

    #[tokio::test]
    async fn it_fails_in_words_that_name_the_stage() {
        let dead = format!("127.0.0.1:{} a@x.test b@x.test", dead_port());
        let ran = run("blocking", &dead, MAIL).await;
        assert_eq!(ran.status, 3);
        assert!(
            ran.err.starts_with("error: the connection to the server failed at connect"),
            "{}",
            ran.err
        );

        for (script, words) in [
            (
                "S: 554 not you\nC: QUIT\nS: 221 bye",
                "the server said: 554 not you (as its greeting)",
            ),
            (
                "S: 220 mx\nC: EHLO [127.0.0.1]\n-- close",
                "the server closed the connection at EHLO",
            ),
            (
                "S: 220 mx\nC: EHLO [127.0.0.1]\nS: 421 gone\n-- close",
                "the server said: 421 gone (in reply to EHLO)",
            ),
            ("S: HTTP/1.1 400 Bad Request", "the server broke the protocol at greeting"),
        ] {
            let server = scripted(script).await;
            let ran = run("blocking", &format!("{} a@x.test b@x.test", server.addr()), MAIL).await;
            assert_eq!((ran.status, ran.out.as_str()), (3, ""), "{script}");
            assert!(ran.err.starts_with(&format!("error: {words}")), "{script}: {}", ran.err);
        }
    }

    #[tokio::test]
    async fn what_is_known_when_the_session_fails_is_said() {
        let script = TRANSACTION.replace("c.example", "[127.0.0.1]");
        let server = scripted(&format!("{script} -- close")).await;
        let arguments = format!("{} alice@example.test bob@example.test", server.addr());
        let ran = run("blocking", &arguments, MAIL).await;
        assert_eq!(ran.status, 3, "{}", ran.err);
        let unknown = "<bob@example.test>: unknown: no answer came after the mail was sent\n";
        assert_eq!(ran.out, unknown);
        assert_eq!(ran.err, "error: the server closed the connection at end of data\n");
    }

    #[tokio::test]
    async fn bad_arguments_are_64() {
        for arguments in ["", "--help", "127.0.0.1:25", "127.0.0.1:25 a@x.test"] {
            let ran = run("blocking", arguments, "").await;
            assert_eq!((ran.status, ran.out.as_str()), (64, ""), "{arguments}: {}", ran.err);
        }
    }
}

mod probe {
    use super::*;

    #[tokio::test]
    async fn a_good_server_is_a_table_and_status_0() {
        let (server, ca) = server().await;
        let arguments = format!(
            "--server {} --tls starttls --ca {} --user alice --from alice@example.test \
             --to bob@example.test",
            server.addr(),
            ca.path()
        );
        let ran = run("probe", &arguments, "").await;
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{}", ran.out);
        for part in
            ["AUTH             ok", "RCPT TO:<bob@example.test>: 250 ", "\nverdict: ok after "]
        {
            assert!(ran.out.contains(part), "{part}: {}", ran.out);
        }
        assert!(server.mails().is_empty());
    }

    #[tokio::test]
    async fn what_fails_is_status_2_and_told_to_machines() {
        let (server, _ca) = server().await;
        let arguments = format!("-s {} -t eve@example.test -o json", server.addr());
        let ran = run("probe", &arguments, "").await;
        assert_eq!(ran.status, 2, "{}{}", ran.out, ran.err);
        let json = ran.json();
        // Nobody may send without a password.
        assert_eq!((&json["verdict"], &json["failed_stage"]), (&json!("failed"), &json!("mail")));
        assert_eq!(json["tls"]["verified"], false);
        let ran =
            run("probe", &format!("--server 127.0.0.1:{} --timeout 5", dead_port()), "").await;
        assert_eq!(ran.status, 2);
        assert!(ran.out.contains("verdict: failed at connect"), "{}", ran.out);
    }

    /// As a monitor runs it.
    #[tokio::test]
    async fn as_a_plug_in_it_is_one_line_and_a_status() {
        let (server, ca) = server().await;
        let arguments = format!(
            "--server {} --tls starttls --ca {} --output nagios -w 300 -c 600",
            server.addr(),
            ca.path()
        );
        let ran = run("probe", &format!("{arguments} --certificate 14,7"), "").await;
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{}", ran.out);
        let line = format!("SMTP OK - {} answered in ", server.addr());
        assert!(ran.out.starts_with(&line) && ran.out.lines().count() == 1, "{}", ran.out);
        let warned = run("probe", &arguments.replace("-w 300", "-w 0"), "").await;
        assert_eq!(warned.status, 1, "{}", warned.out);
        let failed = run("probe", &format!("{arguments} --to eve@example.test"), "").await;
        assert_eq!(failed.status, 2, "{}", failed.out);
        assert!(failed.out.starts_with("SMTP CRITICAL - "), "{}", failed.out);
        // No certificate is shown in clear.
        let clear = arguments.replace("--tls starttls", "--tls none");
        let clear = run("probe", &format!("{clear} --certificate 14,7"), "").await;
        assert_eq!(clear.status, 3, "{}", clear.out);
        assert!(clear.out.starts_with("SMTP UNKNOWN - "), "{}", clear.out);
    }

    #[tokio::test]
    async fn a_page_is_whole_and_has_the_status_of_the_verdict() {
        let ran = run("probe", "--to bob@example.test --output html", "").await;
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{}", ran.out);
        assert!(ran.out.starts_with("<!DOCTYPE html>") && ran.out.ends_with("</html>\n"));
        assert!(ran.out.contains("RCPT TO:&lt;bob@example.test&gt;: 250 2.1.5"), "{}", ran.out);
        let arguments = format!("--server 127.0.0.1:{} --timeout 5 -o html", dead_port());
        let ran = run("probe", &arguments, "").await;
        assert_eq!(ran.status, 2);
        assert!(ran.out.contains("failed at connect</p>"), "{}", ran.out);
    }

    #[tokio::test]
    async fn a_mail_is_left_where_a_file_is_given() {
        let (server, ca) = server().await;
        let folder = Folder::with(&[("mail", MAIL)]);
        let arguments = format!(
            "--server {} --tls starttls --ca {} --user alice --to bob@example.test --data {}",
            server.addr(),
            ca.path(),
            folder.path("mail")
        );
        let stopped = run("probe", &format!("{arguments} --quit-after DATA"), "").await;
        assert_eq!((stopped.status, server.mails().len()), (0, 0), "{}", stopped.out);
        let ran = run("probe", &arguments, "").await;
        assert_eq!((ran.status, server.mails().len()), (0, 1), "{}", ran.out);
    }

    #[tokio::test]
    async fn without_a_server_it_brings_its_own() {
        let ran = run("probe", "--to bob@example.test --quit-after rcpt", "").await;
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{}", ran.out);
        assert!(ran.out.contains("TLS handshake    ok      TLS 1.3"), "{}", ran.out);
    }

    #[tokio::test]
    async fn names_of_swaks_are_understood() {
        let server = Server::new().start().await.unwrap();
        for (stage, steps) in [("BANNER", 0), ("FIRST-EHLO", 1), ("tls", 1), ("MAIL", 3)] {
            let arguments = format!(
                "-s {} --ehlo c.example.test -f a@x.test -t b@x.test --quit {stage} -o json",
                server.addr()
            );
            let ran = run("probe", &arguments, "").await;
            assert_eq!((ran.status, ran.err.as_str()), (0, ""));
            let json = ran.json();
            let said = json["transcript"].as_str().unwrap();
            let steps_seen = ["EHLO c.example.test\n", "-- TLS\nC: EHLO ", "MAIL FROM:<a@x.test>"];
            let seen = steps_seen.iter().filter(|step| said.contains(**step)).count();
            assert_eq!(seen, steps, "{stage}: {said}");
        }
    }

    #[tokio::test]
    async fn bad_arguments_are_64() {
        for arguments in [
            "--domain a.test --server b.test",
            "--quit-after lunch",
            "--output picture",
            "--to nobody",
            "--data /nonexistent/mail",
            "--server a.test:smtp",
            "--output nagios --warning 2",
            "--output nagios -w soon -c 10",
            "--output nagios --certificate 14",
        ] {
            let ran = run("probe", arguments, "").await;
            assert_eq!((ran.status, ran.out.as_str()), (64, ""), "{arguments}: {}", ran.err);
        }
    }
}

mod relay_test {
    use super::*;

    #[tokio::test]
    async fn a_server_that_refuses_every_form_is_status_0() {
        let ran = run("relay_test", "", "").await;
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{}", ran.out);
        let row = "  local_to_foreign         refused    MAIL FROM:<postmaster@mx.example.test> \
                   RCPT TO:<relay-test@example.net>: 554 5.7.1 relay access denied";
        assert!(ran.out.contains(row), "{}", ran.out);
        assert!(ran.out.ends_with("\nverdict: no relay, every form was refused\n"), "{}", ran.out);
    }

    #[tokio::test]
    async fn what_is_accepted_is_status_2_and_told_to_machines() {
        let server = Server::new().start().await.unwrap();
        let folder = Folder::with(&[("mail", MAIL)]);
        let arguments = format!(
            "-s {} --local example.org --to carol@example.net --data {} --audit -o json",
            server.addr(),
            folder.path("mail")
        );
        let ran = run("relay_test", &arguments, "").await;
        assert_eq!((ran.status, ran.err.as_str()), (2, ""), "{}", ran.out);
        let json = ran.json();
        assert_eq!(json["relay"]["verdict"], "accepted_at_rcpt");
        assert_eq!(json["relay"]["attempts"][1]["outcome"], "taken");
        assert_eq!(json["audit"]["worst"], json!(null));
        assert!(server.mails()[0].content().starts_with(b"X-Relay-Test: null_sender\r\n"));
    }

    #[tokio::test]
    async fn what_the_audit_finds_is_status_2() {
        let server = Server::new().takes_bare_lf().reply_to(Verb::Rcpt, "554 5.7.1 no");
        let server = server.start().await.unwrap();
        let ran = run("relay_test", &format!("-s {} --audit", server.addr()), "").await;
        assert_eq!(ran.status, 2, "{}{}", ran.out, ran.err);
        assert!(ran.out.contains("! bare LF                FOUND"), "{}", ran.out);

        let server = Server::new().ends_content_at(b"\n.\n").refuse("carol@x.test", "550 no carol");
        let server = server.start().await.unwrap();
        let arguments = format!("-s {} --audit --mail-to bob@x.test", server.addr());
        let ran = run("relay_test", &arguments, "").await;
        assert_eq!(ran.status, 2, "{}{}", ran.out, ran.err);
        let found = "vulnerability: a mail was taken to end at <LF>.<LF>; ";
        assert!(ran.out.contains(found), "{}", ran.out);
    }

    #[tokio::test]
    async fn who_is_not_there_is_status_1_and_bad_arguments_are_64() {
        let arguments = format!("--server 127.0.0.1:{} --timeout 5", dead_port());
        let ran = run("relay_test", &arguments, "").await;
        assert_eq!(ran.status, 1, "{}{}", ran.out, ran.err);
        assert!(!ran.out.contains("not tried"), "{}", ran.out);
        for arguments in [
            "--to nobody",
            "--server ''",
            "--mail-to bob@x.test",
            "--local a..b",
            "--data /nonexistent/mail",
            "-o picture",
        ] {
            let ran = run("relay_test", arguments, "").await;
            assert_eq!((ran.status, ran.out.as_str()), (64, ""), "{arguments}: {}", ran.err);
        }
    }
}

#[test]
fn each_can_be_read_in_one_sitting() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for example in std::fs::read_dir(examples).unwrap().map(|entry| entry.unwrap().path()) {
        if example.is_dir() {
            continue;
        }
        let lines = std::fs::read_to_string(&example).unwrap().lines().count();
        let most = match example.file_stem().and_then(|name| name.to_str()) {
            Some("blocking") => 150,
            Some("monitor") => 350,
            _ => 250,
        };
        assert!(lines < most, "{}: {lines} lines", example.display());
    }
}
