//! What is asked of a server beside mails: VRFY, EXPN, HELP, ETRN. Each has its own words, or does
//! not know the verb; the session goes on.

use ehlo::{Command, Connector, Conversation, ErrorKind, Expansion, QueueRun, Verification};

use crate::support::clear;
use crate::{Test, tests};

pub(crate) const TESTS: &[Test] = &tests!["Postfix":
    "VRFY, EXPN, HELP" => postfix,
    "VRFY and EXPN: what is meant" => postfix_means,
    "ETRN: begun, and no service" => etrn,
    ; "smtp-sink":
    "VRFY, EXPN, HELP" => sink,
    ; "Exim":
    "VRFY, EXPN, HELP" => exim,
    "VRFY and EXPN: what is meant" => exim_means,
    ; "OpenSMTPD":
    "VRFY, EXPN, HELP" => opensmtpd,
    ; "Dovecot":
    "LMTP: VRFY, EXPN, HELP" => lmtp,
    ; "aiosmtpd":
    "VRFY, EXPN, HELP" => aiosmtpd,
    ; "smtp-server":
    "VRFY, EXPN, HELP" => smtp_server,
];

/// Asks, and compares the answers.
async fn answers(connector: Connector, expected: &[(&str, &str)]) {
    let mut smtp = connector.connect().await.unwrap().into_conversation();
    for (question, answer) in expected {
        let reply = smtp.say(&Command::raw(question).unwrap()).await.unwrap();
        assert_eq!(reply.to_string(), *answer, "{question}");
    }
    if !smtp.capabilities().has("ETRN") {
        not_offered(&mut smtp).await;
    }
    assert_eq!(smtp.say(&Command::noop()).await.unwrap().code().number(), 250);
    smtp.quit().await.unwrap();
}

/// What is not offered is not said.
async fn not_offered(smtp: &mut Conversation) {
    let error = smtp.say(&Command::etrn("example.test").unwrap()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unsupported { .. }), "{error:?}");
}

async fn postfix() {
    let unknown = "500 5.5.2 Error: command not recognized";
    let questions = [
        ("VRFY bob@example.test", "252 2.0.0 bob@example.test"),
        (
            "VRFY nobody-here@example.test",
            "550 5.1.1 <nobody-here@example.test>: Recipient address rejected: User unknown in \
             local recipient table",
        ),
        ("EXPN staff", unknown),
        ("HELP", unknown),
    ];
    answers(clear("EHLO_POSTFIX", "PORT"), &questions).await;
}

async fn postfix_means() {
    let mut client = clear("EHLO_POSTFIX", "PORT").connect().await.unwrap();
    for user in ["bob@example.test", "jürgen@example.test"] {
        assert_eq!(*client.vrfy(user).await.unwrap().meaning(), Verification::Unsure);
    }
    let nobody = client.vrfy("nobody-here@example.test").await.unwrap();
    assert_eq!(*nobody.meaning(), Verification::Refused);
    assert_eq!(*client.expn("staff").await.unwrap().meaning(), Expansion::Refused);
    client.quit().await.unwrap();
}

async fn exim_means() {
    let mut client = clear("EHLO_EXIM", "PORT").connect().await.unwrap();
    let bob = client.vrfy("bob@example.test").await.unwrap();
    let Verification::Known(listed) = bob.meaning() else { panic!("{bob}") };
    let mailboxes = listed.iter().map(|one| one.mailbox().unwrap().to_string());
    assert_eq!(mailboxes.collect::<Vec<_>>(), ["bob@example.test"]);
    let nobody = client.vrfy("nobody-here@example.test").await.unwrap();
    assert_eq!(*nobody.meaning(), Verification::Refused);
    assert_eq!(*client.expn("staff").await.unwrap().meaning(), Expansion::Refused);
    client.quit().await.unwrap();
}

async fn etrn() {
    let mut smtp = clear("EHLO_POSTFIX", "PORT").connect().await.unwrap().into_conversation();
    for (node, meaning, answer) in [
        ("queued.test", QueueRun::Started, "250 Queuing started"),
        ("elsewhere.test", QueueRun::Refused, "459 <elsewhere.test>: service unavailable"),
        ("@elsewhere.test", QueueRun::Refused, "459 <elsewhere.test>: service unavailable"),
        ("#elsewhere", QueueRun::Refused, "459 <elsewhere>: service unavailable"),
    ] {
        let reply = smtp.etrn(node).await.unwrap();
        assert_eq!((*reply.meaning(), &*reply.to_string()), (meaning, answer), "{node}");
    }
    // Within a mail it is out of order, and nothing goes out.
    let sender = "alice@example.test".parse().unwrap();
    smtp.say(&Command::mail(&sender)).await.unwrap();
    let error = smtp.etrn("queued.test").await.unwrap_err();
    let words =
        "ETRN is lawful after EHLO and outside a transaction, and the session is after MAIL";
    assert_eq!(error.to_string(), words);
    smtp.quit().await.unwrap();
}

async fn sink() {
    let unknown = "500 5.5.1 Error: unknown command";
    let questions =
        [("VRFY nobody@example.test", "250 2.0.0 Ok"), ("EXPN staff", unknown), ("HELP", unknown)];
    answers(clear("EHLO_SMTP_SINK", "PORT"), &questions).await;
}

async fn exim() {
    let questions = [
        ("VRFY bob@example.test", "250 <bob@example.test> is deliverable"),
        ("VRFY nobody-here@example.test", "550 <nobody-here@example.test> 5.1.1 No such user"),
        ("EXPN staff", "550 Administrative prohibition"),
        (
            "HELP",
            "214-Commands supported: 214 AUTH STARTTLS HELO EHLO MAIL RCPT DATA BDAT NOOP QUIT \
             RSET HELP VRFY",
        ),
    ];
    answers(clear("EHLO_EXIM", "PORT"), &questions).await;
}

async fn opensmtpd() {
    let unknown = "500 5.5.1 Invalid command: Command unrecognized";
    let questions = [
        ("VRFY bob@example.test", unknown),
        ("EXPN staff", unknown),
        (
            "HELP",
            "214-2.0.0 This is OpenSMTPD 214-2.0.0 To report bugs in the implementation, please \
             contact bugs@openbsd.org 214-2.0.0 with full details 214 2.0.0 End of HELP info",
        ),
        ("HELP MAIL", "500 5.5.4 Invalid command arguments: command does not accept arguments."),
    ];
    answers(clear("EHLO_OPENSMTPD", "PORT"), &questions).await;
}

async fn lmtp() {
    let unknown = "500 5.5.1 Unknown command";
    let questions = [
        (
            "VRFY bob@example.test",
            "501 5.5.4 Invalid string parameter: Invalid character in string",
        ),
        ("EXPN staff", unknown),
        ("HELP", unknown),
    ];
    answers(clear("EHLO_DOVECOT", "LMTP_PORT").lmtp(), &questions).await;
}

/// HELP has 250 here.
async fn aiosmtpd() {
    let questions = [
        (
            "VRFY bob@example.test",
            "252 Cannot VRFY user, but will accept message and attempt delivery",
        ),
        ("EXPN staff", "502 EXPN not implemented"),
        (
            "HELP",
            "250 Supported commands: AUTH DATA EHLO HELO HELP MAIL NOOP QUIT RCPT RSET STARTTLS \
             VRFY",
        ),
        ("HELP MAIL", "250 Syntax: MAIL FROM: <address> [SP <mail-parameters>]"),
    ];
    answers(clear("EHLO_AIOSMTPD", "PORT"), &questions).await;
}

async fn smtp_server() {
    let questions = [
        ("VRFY bob@example.test", "252 2.1.5 Try to send something. No promises though"),
        ("EXPN staff", "500 5.5.2 Error: command not recognized"),
        ("HELP", "214 2.0.0 See https://tools.ietf.org/html/rfc5321 for details"),
    ];
    answers(clear("EHLO_SMTP_SERVER", "PORT"), &questions).await;
}
