//! What may be asked beside mails, and on whose behalf one speaks: on the conversation and on the
//! client.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::time::Duration;

use ehlo::testing::{Running, Script, Server};
use ehlo::{
    Client, Connector, Conversation, Envelope, Expansion, Phase, QueueRun, Security, Stage,
    Verification, XclientAttribute, XclientName, XforwardAttribute, XforwardName,
};
use tokio::io::DuplexStream;

fn serve(script: &str) -> (DuplexStream, Running) {
    let script: Script = script.parse().unwrap();
    let (near, far) = tokio::io::duplex(64 * 1024);
    (near, Server::script(script).serve(far).unwrap())
}

fn connector() -> Connector {
    Connector::new("mx").security(Security::None)
}

const HELLO: &str = "S: 220 mx\nC: EHLO [127.0.0.1]\n";

/// A client of a server that offers these keywords and goes on by this script.
async fn client(offers: &[&str], script: &str) -> (Client, Running) {
    let offers: String = offers.iter().map(|offer| format!("S: 250-{offer}\n")).collect();
    let (stream, server) = serve(&format!("{HELLO}S: 250-mx\n{offers}S: 250 X-LAST\n{script}"));
    (connector().connect_over(stream).await.unwrap(), server)
}

/// The same, command by command.
async fn conversation(offers: &[&str], script: &str) -> (Conversation, Running) {
    let (client, server) = client(offers, script).await;
    (client.into_conversation(), server)
}

fn mail() -> Envelope {
    Envelope::new("a@example.org", ["b@example.org"]).unwrap()
}

const MAIL: &str = "C: MAIL FROM:<a@example.org>\nS: 250 ok\nC: RCPT TO:<b@example.org>\nS: 250 ok\n\
                    C: DATA\nS: 354 go\nC: <content 3>\nC: .\nS: 250 queued\n";

const QUERIES: &str = "C: VRFY joe\nS: 251 will forward to <joe@b>\nC: EXPN staff\nS: 250-Joe <joe@b>\n\
    S: 250 <ann@b>\nC: HELP\nS: 214-a\nS: 214 b\nC: HELP MAIL\nS: 504 no\nC: NOOP\nS: 250 ok\n\
    C: ETRN @example.org\nS: 253 OK, 7 pending\n";

/// Every query, and what each says; the same on both types.
macro_rules! ask_all {
    ($smtp:ident) => {{
        let answer = $smtp.vrfy("joe").await.unwrap();
        assert_eq!(answer.meaning(), &Verification::Forwarded(Some("joe@b".parse().unwrap())));
        assert_eq!(answer.to_string(), "251 will forward to <joe@b>");
        let answer = $smtp.expn("staff").await.unwrap();
        let Expansion::Members(members) = answer.meaning() else { panic!("{answer}") };
        assert_eq!(members.len(), 2);
        assert_eq!($smtp.help(None).await.unwrap().text(), "a\nb");
        assert_eq!($smtp.help(Some("MAIL")).await.unwrap().code().number(), 504);
        assert!($smtp.noop().await.unwrap().is_completed());
        let answer = $smtp.etrn("@example.org").await.unwrap();
        assert_eq!(answer.into_meaning(), QueueRun::Pending(Some(7)));
    }};
}

#[tokio::test]
async fn every_query_is_answered() {
    let (mut smtp, server) = conversation(&["ETRN"], QUERIES).await;
    ask_all!(smtp);
    drop(smtp);
    server.finish().await.unwrap();

    let (mut client, server) = client(&["ETRN"], &format!("{QUERIES}{MAIL}")).await;
    ask_all!(client);
    assert!(client.send(&mail(), "x\r\n").await.unwrap().is_complete());
    drop(client);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn c_031_what_is_not_ascii_asks_for_utf8_where_that_is_offered() {
    let script = "C: VRFY jürgen SMTPUTF8\nS: 250 Jürgen <jürgen@example.org>\n\
                  C: EXPN bücher SMTPUTF8\nS: 252 no\nC: VRFY jo\nS: 252 no\n";
    let (mut smtp, server) = conversation(&["SMTPUTF8"], script).await;
    let answer = smtp.vrfy("jürgen").await.unwrap();
    let Verification::Known(listed) = answer.meaning() else { panic!("{answer}") };
    assert_eq!(listed[0].mailbox().unwrap().as_str(), "jürgen@example.org");
    assert_eq!(smtp.expn("bücher").await.unwrap().into_meaning(), Expansion::Unsure);
    assert_eq!(smtp.vrfy("jo").await.unwrap().into_meaning(), Verification::Unsure);
    drop(smtp);
    server.finish().await.unwrap();

    let (mut smtp, _server) = conversation(&[], "").await;
    let error = smtp.vrfy("jürgen").await.unwrap_err();
    assert_eq!(error.to_string(), "\"VRFY jürgen\" is not ASCII, which needs SMTPUTF8");
}

#[tokio::test]
async fn t3_what_cannot_be_said_is_not() {
    let (mut client, _server) = client(&[], "").await;
    let words = r#"text "a\x0d\x0aQUIT": a control character cannot be sent"#;
    for error in [
        client.vrfy("a\r\nQUIT").await.unwrap_err(),
        client.expn("a\r\nQUIT").await.unwrap_err(),
        client.help(Some("a\r\nQUIT")).await.unwrap_err(),
    ] {
        assert_eq!((error.to_string().as_str(), error.stage()), (words, Stage::Query));
    }
    let error = client.etrn("example.org").await.unwrap_err();
    assert_eq!(error.to_string(), "mx does not offer ETRN, which ETRN needs");
    let error = client.xclient(&[]).await.unwrap_err();
    assert_eq!(error.kind().name(), "misuse", "{error}");
    assert_eq!(client.conversation().phase(), Phase::Ready);
}

#[tokio::test]
async fn the_testing_server_is_understood() {
    let server = Server::new()
        .known("joe", "Joe <joe@example.test>")
        .known("ann", "<ann.a@example.test>")
        .known("ann", "<ann.b@example.test>")
        .list("staff", ["Joe <joe@example.test>"]);
    let (near, far) = tokio::io::duplex(4096);
    let _server = server.serve(far).unwrap();
    let mut client = connector().connect_over(near).await.unwrap();
    let answer = client.vrfy("ann").await.unwrap();
    let Verification::Ambiguous(listed) = answer.meaning() else { panic!("{answer}") };
    assert_eq!(listed.len(), 2);
    assert_eq!(client.vrfy("bob").await.unwrap().into_meaning(), Verification::Refused);
    let Expansion::Members(listed) = client.expn("staff").await.unwrap().into_meaning() else {
        panic!()
    };
    assert_eq!(listed[0].name(), Some("Joe"));
}

/// A transaction that was given up is in the way of what must stand outside of one.
#[tokio::test]
async fn what_stands_outside_of_a_transaction_ends_one_first() {
    let open = "C: MAIL FROM:<a@example.org>\nS: 250 ok\nC: RSET\nS: 250 ok\n";
    let script = format!(
        "{open}C: ETRN x.example\nS: 459 not you\n{open}C: XFORWARD ADDR=192.0.2.1\nS: 250 ok\n{MAIL}"
    );
    let (mut client, server) = client(&["ETRN", "XFORWARD ADDR"], &script).await;
    drop(client.mail("a@example.org").await.unwrap());
    let answer = client.etrn("x.example").await.unwrap();
    assert_eq!((answer.meaning(), answer.reply().code().number()), (&QueueRun::Refused, 459));
    drop(client.mail("a@example.org").await.unwrap());
    let origin = XforwardAttribute::new(XforwardName::Addr, "192.0.2.1").unwrap();
    client.xforward(&[origin]).await.unwrap();
    assert!(client.send(&mail(), "x\r\n").await.unwrap().is_complete());
    drop(client);
    server.finish().await.unwrap();
}

fn addr() -> [XclientAttribute; 1] {
    [XclientAttribute::new(XclientName::Addr, "192.0.2.1").unwrap()]
}

const XCLIENT: &str = "C: XCLIENT ADDR=192.0.2.1\nS: 220 mx again\nC: EHLO [127.0.0.1]\n";

#[tokio::test]
async fn c_116_xclient_greets_anew() {
    let script = format!("{XCLIENT}S: 250-mx\nS: 250 ETRN\n{MAIL}");
    let (mut client, server) = client(&["XCLIENT ADDR", "PIPELINING"], &script).await;
    client.xclient(&addr()).await.unwrap();
    let conversation = client.conversation();
    assert_eq!(conversation.greeting().to_string(), "220 mx again");
    assert!(conversation.capabilities().has("ETRN"));
    assert!(!conversation.capabilities().has("PIPELINING"));
    assert!(client.send(&mail(), "x\r\n").await.unwrap().is_complete());
    drop(client);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn over_lmtp_it_greets_with_lhlo() {
    let (stream, server) = serve(
        "S: 220 mx\nC: LHLO me.example\nS: 250-mx\nS: 250 XCLIENT ADDR\n\
         C: XCLIENT ADDR=192.0.2.1\nS: 220 mx\nC: LHLO me.example\nS: 250 mx\n",
    );
    let connector = connector().lmtp().client_name("me.example");
    let smtp = connector.connect_over(stream).await.unwrap();
    let mut smtp = smtp.into_conversation();
    assert!(smtp.xclient(&addr()).await.unwrap().is_completed());
    assert_eq!(smtp.phase(), Phase::Ready);
    drop(smtp);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn a_refusal_is_an_answer_to_who_speaks_and_an_error_to_who_sends() {
    let refused = "C: XCLIENT ADDR=192.0.2.1\nS: 550 not you\n";
    let (mut smtp, _server) = conversation(&["XCLIENT ADDR"], refused).await;
    assert_eq!(smtp.xclient(&addr()).await.unwrap().to_string(), "550 not you");
    assert_eq!((smtp.phase(), smtp.greeting().to_string()), (Phase::Ready, "220 mx".to_owned()));

    let (mut client, _server) = client(&["XCLIENT ADDR"], refused).await;
    let error = client.xclient(&addr()).await.unwrap_err();
    assert_eq!(error.to_string(), "mx said: 550 not you (in reply to XCLIENT ADDR=192.0.2.1)");
}

#[tokio::test]
async fn a_refused_ehlo_behind_it_is_said_again_by_the_next_call() {
    let again = "C: EHLO [127.0.0.1]\nS: 250 mx\n";
    let script = format!("{XCLIENT}S: 451 busy\n{again}{MAIL}");
    let (mut client, server) = client(&["XCLIENT ADDR"], &script).await;
    let error = client.xclient(&addr()).await.unwrap_err();
    assert_eq!(error.to_string(), "mx said: 451 busy (in reply to EHLO [127.0.0.1])");
    assert_eq!((error.stage(), error.earlier()[0].code().number()), (Stage::Ehlo, 220));
    assert!(client.send(&mail(), "x\r\n").await.unwrap().is_complete());
    drop(client);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn a_call_that_was_dropped_within_is_taken_up() {
    for wait in [
        "C: XCLIENT ADDR=192.0.2.1\n-- wait 200\nS: 220 mx\nC: EHLO [127.0.0.1]\n",
        &format!("{XCLIENT}-- wait 200\n"),
    ] {
        let script = format!("{wait}S: 250 mx\n{MAIL}");
        let (mut client, server) = client(&["XCLIENT ADDR"], &script).await;
        let patience = Duration::from_millis(50);
        let dropped = tokio::time::timeout(patience, client.xclient(&addr())).await;
        assert!(dropped.is_err());
        assert!(client.send(&mail(), "x\r\n").await.unwrap().is_complete());
        drop(client);
        server.finish().await.unwrap();
    }
}
