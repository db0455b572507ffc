//! What servers say to what this crate does not say, so that what it is built upon is known to hold:
//! over a socket, line by line.

use std::time::Duration;

use ehlo::{Command, Conversation, ErrorKind, Verb};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::support::{as_alice, clear, implicit, mail, shows_no_secret, starttls, var};
use crate::{Row, Test, tests};

pub(crate) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = TESTS.iter().map(Row::from).collect();
    for (server, port, words) in BEFORE_EHLO {
        rows.push(Row::new(server, "AUTH before EHLO", move || auth_before_ehlo(port, words)));
    }
    for (server, port, words) in NOBODY {
        rows.push(Row::new(
            server,
            format!("DATA for nobody, {}", port.to_lowercase()),
            move || nobody(port, words),
        ));
    }
    rows
}

const TESTS: &[Test] = &tests!["Postfix":
    "postscreen: an early talker has no whole greeting" => early_at_postscreen,
    "521 and a close after BDAT of no number" => bdat_of_no_number,
    "421 after 20 commands that it does not know" => unknown_commands,
    "535 to a mechanism that it does not have" => unknown_mechanism,
    ; "Exim":
    "BDAT: 250- with a blank, then 250" => bdat_in_two_lines,
    "PRDR: 353, one for each, and one for all" => prdr,
    "BDAT too large: 552, then its octets are commands" => chunk_too_large,
    "503 to AUTH in clear before EHLO" => auth_at_exim,
    ; "OpenSMTPD":
    "500 and a close when two commands come at once" => two_at_once,
    ; "Dovecot":
    "LMTP: a reply of 659 octets in one line" => long_line,
    ; "Dovecot+Postfix":
    "submission: 552 to a SIZE that is too large" => size_too_large,
    "submission: BURL with an address after AUTH" => burl_after_auth,
    ; "aiosmtpd":
    "504 to a mechanism in lower case" => lower_case,
    ; "smtp-server":
    "421 to an early talker" => early_at_smtp_server,
    "421 to an early talker of LMTP" => early_at_smtp_server_lmtp,
];

/// A socket, and nothing that knows of SMTP.
pub(crate) struct Wire(BufReader<TcpStream>);

impl Wire {
    /// To the port of this variable, such as `POSTFIX_PORT`.
    pub(crate) async fn to(port: &str) -> Self {
        let port: u16 = var(&format!("EHLO_{port}")).parse().unwrap();
        Self(BufReader::new(TcpStream::connect(("127.0.0.1", port)).await.unwrap()))
    }

    /// The same, the greeting read.
    pub(crate) async fn greeted(port: &str) -> Self {
        let mut wire = Self::to(port).await;
        let greeting = wire.reply().await;
        assert!(greeting.starts_with("220 "), "{greeting}");
        wire
    }

    pub(crate) async fn write(&mut self, octets: &str) {
        self.0.write_all(octets.as_bytes()).await.unwrap();
    }

    /// A line, with its end; empty after the last.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        line
    }

    /// A reply, its lines joined by `|`.
    pub(crate) async fn reply(&mut self) -> String {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await;
            let is_last = line.as_bytes().get(3) != Some(&b'-');
            lines.push(line.trim_end().to_owned());
            if is_last {
                return lines.join("|");
            }
        }
    }

    pub(crate) async fn say(&mut self, line: &str) -> String {
        self.write(&format!("{line}\r\n")).await;
        self.reply().await
    }

    /// All that comes until it is closed, or until nothing comes any more for this long.
    pub(crate) async fn rest(&mut self, quiet: Duration) -> (String, bool) {
        let mut octets = Vec::new();
        let mut block = [0; 4096];
        loop {
            match tokio::time::timeout(quiet, self.0.read(&mut block)).await {
                Ok(Ok(0) | Err(_)) => return (String::from_utf8_lossy(&octets).into_owned(), true),
                Ok(Ok(count)) => octets.extend_from_slice(&block[..count]),
                Err(_) => return (String::from_utf8_lossy(&octets).into_owned(), false),
            }
        }
    }
}

const QUIET: Duration = Duration::from_secs(1);

/// `alice` and her password.
const AUTH_PLAIN: &str = "AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=";

/// RFC 4954 has it after EHLO alone; these take it.
const BEFORE_EHLO: [(&str, &str, &str); 3] = [
    ("Postfix", "POSTFIX_PORT", "235 2.7.0 Authentication successful"),
    ("Postfix+Dovecot", "POSTFIX_DOVECOT_PORT", "235 2.7.0 Authentication successful"),
    ("Dovecot", "DOVECOT_PORT", "235 2.7.0 Logged in."),
];

async fn auth_before_ehlo(port: &str, words: &str) {
    let mut wire = Wire::greeted(port).await;
    assert_eq!(wire.say(AUTH_PLAIN).await, words);
    // Not so here.
    let number = var(&format!("EHLO_{port}"));
    let stream = TcpStream::connect(format!("127.0.0.1:{number}")).await.unwrap();
    let mut smtp = Conversation::open(stream).await.unwrap();
    let error = smtp.say(&Command::raw(AUTH_PLAIN).unwrap()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Misuse(_)), "{error}");
    let lawful =
        "AUTH is lawful after EHLO and outside a transaction, and the session is before EHLO";
    assert_eq!(error.to_string(), lawful);
    smtp.quit().await.unwrap();
}

async fn auth_at_exim() {
    let mut wire = Wire::greeted("EXIM_PORT").await;
    assert_eq!(wire.say(AUTH_PLAIN).await, "503 AUTH command used when not advertised");
}

/// Said to DATA when the only recipient was refused.
const NOBODY: [(&str, &str, &str); 10] = [
    ("Postfix", "POSTFIX_PORT", "554 5.5.1 Error: no valid recipients"),
    ("smtp-sink", "SMTP_SINK_F_RCPT_PORT", "503 5.5.1 Error: need RCPT command"),
    (
        "Exim",
        "EXIM_PORT",
        "503-All RCPT commands were rejected with this error:|503-5.1.1 No such user|503 Valid \
         RCPT command must precede DATA",
    ),
    ("OpenSMTPD", "OPENSMTPD_PORT", "503 5.5.4 Invalid command arguments: No recipient specified"),
    ("Dovecot", "DOVECOT_LMTP_PORT", "503 5.5.0 No valid recipients"),
    ("Dovecot+Postfix", "DOVECOT_PORT", "554 5.5.0 No valid recipients"),
    ("aiosmtpd", "AIOSMTPD_PORT", "503 Error: need RCPT command"),
    ("aiosmtpd", "AIOSMTPD_LMTP_PORT", "503 Error: need RCPT command"),
    ("smtp-server", "SMTP_SERVER_PORT", "503 5.5.1 Error: need RCPT command"),
    ("smtp-server", "SMTP_SERVER_LMTP_PORT", "503 5.5.1 Error: need RCPT command"),
];

async fn nobody(port: &str, words: &str) {
    let mut wire = Wire::greeted(port).await;
    let hello = if port.contains("LMTP") { "LHLO" } else { "EHLO" };
    wire.say(&format!("{hello} client.example.test")).await;
    if port == "DOVECOT_PORT" {
        assert!(wire.say(AUTH_PLAIN).await.starts_with("235 "));
    }
    let mail = wire.say("MAIL FROM:<alice@example.test>").await;
    assert!(mail.starts_with("250 "), "{mail}");
    let refusal = wire.say("RCPT TO:<nobody-here@example.test>").await;
    assert!(refusal.starts_with("550 ") || refusal.starts_with("500 "), "{refusal}");
    assert_eq!(wire.say("DATA").await, words);
}

/// What a client would take for a greeting of many lines does not end.
async fn early_at_postscreen() {
    let mut wire = Wire::to("POSTFIX_SCREEN_PORT").await;
    wire.write("EHLO early.example.test\r\n").await;
    let (said, is_closed) = wire.rest(Duration::from_secs(3)).await;
    let mut lines = said.lines();
    assert_eq!(lines.next(), Some("220-mail.example.test ESMTP Postfix"), "{said}");
    assert_eq!(lines.next(), Some("250-mail.example.test"), "{said}");
    assert!(!is_closed && !said.contains("220 "), "{said}");
}

async fn bdat_of_no_number() {
    let mut wire = Wire::greeted("POSTFIX_PORT").await;
    wire.say("EHLO client.example.test").await;
    wire.say("MAIL FROM:<alice@example.test>").await;
    wire.say("RCPT TO:<bob@example.test>").await;
    wire.write("BDAT x LAST\r\n").await;
    let said = wire.rest(QUIET).await;
    assert_eq!(said, ("521 5.5.4 Syntax: BDAT count [LAST]\r\n".to_owned(), true));
}

/// Over the crate, which goes on until it is told that it is over.
async fn unknown_commands() {
    let mut smtp = clear("EHLO_POSTFIX", "PORT").connect().await.unwrap().into_conversation();
    for _ in 0..20 {
        let reply = smtp.say(&Command::raw("FROBNICATE").unwrap()).await.unwrap();
        assert_eq!(reply.to_string(), "500 5.5.2 Error: command not recognized");
    }
    // It is there before the next command is.
    let error = smtp.say(&Command::raw("FROBNICATE").unwrap()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "127.0.0.1 ended the session at query: 421 4.7.0 mail.example.test Error: too many errors"
    );
    assert!(smtp.say(&Command::noop()).await.is_err());
}

async fn unknown_mechanism() {
    let mut smtp = starttls("EHLO_POSTFIX", "PORT").connect().await.unwrap().into_conversation();
    let reply = smtp.say(&Command::auth("FOO", None).unwrap()).await.unwrap();
    let words = "535 5.7.8 Error: authentication failed: no mechanism available";
    assert_eq!(reply.to_string(), words);
    smtp.quit().await.unwrap();
}

async fn bdat_in_two_lines() {
    let mut smtp = clear("EHLO_EXIM", "PORT").connect().await.unwrap().into_conversation();
    let sender = "alice@example.test".parse().unwrap();
    let recipient = "bob@example.test".parse().unwrap();
    smtp.say_all([Command::mail(&sender), Command::rcpt(&recipient)]).await.unwrap();
    let content = mail("hello\r\n");
    let octets = content.len();
    let replies = smtp.chunk(content.as_bytes(), true).await.unwrap();
    let lines: Vec<&[u8]> = replies[0].lines().collect();
    assert_eq!(lines[0], format!(" {octets} byte chunk, total {octets}").as_bytes());
    assert!(lines[1].starts_with(b"OK id="), "{replies:?}");
    smtp.quit().await.unwrap();
}

/// Which this crate never asks for: it would take 353 for the reply to all.
async fn prdr() {
    let mut wire = Wire::greeted("EXIM_PORT").await;
    assert!(wire.say("EHLO client.example.test").await.contains("|250-PRDR|"));
    assert_eq!(wire.say("MAIL FROM:<alice@example.test> PRDR").await, "250 OK, PRDR Requested");
    assert_eq!(wire.say("RCPT TO:<bob@example.test>").await, "250 Accepted");
    assert_eq!(wire.say("RCPT TO:<not-this@example.test>").await, "250 Accepted");
    assert!(wire.say("DATA").await.starts_with("354 "));
    let first = wire.say(&format!("{}.", mail("hello\r\n"))).await;
    assert_eq!(first, "353 PRDR content analysis beginning");
    assert_eq!(wire.reply().await, "250 PRDR R=<bob@example.test> acceptance");
    assert_eq!(wire.reply().await, "550 5.7.1 Not this content");
    let last = wire.reply().await;
    assert!(
        last.starts_with("250 id=") && last.ends_with(" accepted for some recipients"),
        "{last}"
    );
}

/// What is left of a chunk that it has refused before its end is not skipped. Whether it runs it or finds that it
/// came too soon is chance.
async fn chunk_too_large() {
    let mut wire = Wire::greeted("EXIM_PORT").await;
    wire.say("EHLO client.example.test").await;
    wire.say("MAIL FROM:<alice@example.test>").await;
    wire.say("RCPT TO:<bob@example.test>").await;
    let line = "x".repeat(998) + "\r\n";
    // It counts an octet for the end of each.
    let lines = 10 * 1024 * 1024 / (line.len() - 1) + 8;
    wire.write(&format!("BDAT {} LAST\r\n", lines * line.len())).await;
    wire.write(&line.repeat(lines)).await;
    assert_eq!(wire.reply().await, "552 Message size exceeds maximum permitted");
    let next = wire.reply().await;
    let expected = ["500 unrecognized command", "554 SMTP synchronization error"];
    assert!(expected.contains(&&*next), "{next}");
}

async fn size_too_large() {
    let client = as_alice(implicit("EHLO_DOVECOT", "TLS_PORT")).connect().await.unwrap();
    let mut smtp = client.into_conversation();
    let raw = Command::raw("MAIL FROM:<alice@example.test> SIZE=20000000").unwrap();
    let reply = smtp.say(&raw).await.unwrap();
    assert_eq!(reply.to_string(), "552 5.2.3 Message size exceeds administrative limit");
    smtp.quit().await.unwrap();
}

async fn two_at_once() {
    let mut wire = Wire::greeted("OPENSMTPD_PORT").await;
    wire.say("EHLO client.example.test").await;
    wire.write("NOOP\r\nNOOP\r\n").await;
    let (said, is_closed) = wire.rest(QUIET).await;
    assert!(said.ends_with("500 5.5.1 Invalid command: Pipelining not supported\r\n"), "{said}");
    assert!(is_closed);
}

/// Longer than RFC 5321 §4.5.3.1.5 has it.
async fn long_line() {
    let mut smtp =
        clear("EHLO_DOVECOT", "LMTP_PORT").lmtp().connect().await.unwrap().into_conversation();
    let sender = "alice@example.test".parse().unwrap();
    smtp.say(&Command::mail(&sender)).await.unwrap();
    let local = "l".repeat(299);
    let rcpt = Command::raw(format!("RCPT TO:<{local}@example.test>")).unwrap();
    let reply = smtp.say(&rcpt).await.unwrap();
    assert_eq!(reply.octets().len(), 659, "{reply}");
    assert_eq!(
        reply.to_string(),
        format!("550 5.1.1 <{local}@example.test> User doesn't exist: {local}@example.test")
    );
    assert_eq!(smtp.say(&Command::noop()).await.unwrap().code().number(), 250);
    smtp.quit().await.unwrap();
}

async fn burl_after_auth() {
    let client = as_alice(implicit("EHLO_DOVECOT", "TLS_PORT")).connect().await.unwrap();
    let mut smtp = client.into_conversation();
    let reply = smtp.say(&Command::ehlo("client.example.test").unwrap()).await.unwrap();
    let burl = reply.lines().find(|line| line.starts_with(b"BURL ")).expect("offered");
    assert!(burl.starts_with(b"BURL imap imap://"), "{reply}");
    assert!(smtp.allows(Verb::Burl).is_err());
    smtp.quit().await.unwrap();
}

/// The crate says names as the server does.
async fn lower_case() {
    let mut smtp =
        implicit("EHLO_AIOSMTPD", "TLS_PORT").connect().await.unwrap().into_conversation();
    let lower = Command::raw(AUTH_PLAIN.replace("PLAIN", "plain")).unwrap();
    let reply = smtp.say(&lower).await.unwrap();
    assert_eq!(reply.to_string(), "504 5.5.4 Unrecognized authentication type");
    shows_no_secret(&smtp.transcript().unwrap().to_string());
    let upper = Command::raw(AUTH_PLAIN).unwrap();
    assert_eq!(smtp.say(&upper).await.unwrap().code().number(), 235);
    smtp.quit().await.unwrap();
}

async fn early_at_smtp_server() {
    too_soon("SMTP_SERVER_PORT", "EHLO").await;
}

async fn early_at_smtp_server_lmtp() {
    too_soon("SMTP_SERVER_LMTP_PORT", "LHLO").await;
}

async fn too_soon(port: &str, hello: &str) {
    let mut wire = Wire::to(port).await;
    wire.write(&format!("{hello} early.example.test\r\n")).await;
    let said = wire.rest(QUIET).await;
    assert_eq!(said, ("421 mail.example.test You talk too soon\r\n".to_owned(), true));
}
