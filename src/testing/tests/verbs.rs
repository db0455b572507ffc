//! Verbs beside the mail, and limits: what the server answers when it is told to know them.

use super::*;
use crate::Verb;

/// Says the script to a server with such offers after its hello.
async fn offering(server: Server, offers: &[&str], script: &str) -> Running {
    let lines: String = offers.iter().map(|offer| format!("S: 250-{offer}\n")).collect();
    let hello = HELLO.replace("250 STARTTLS", "250-STARTTLS");
    let hello = format!("{hello}{lines}").trim_end().to_owned();
    let (hello, last) = hello.rsplit_once("250-").unwrap();
    let server = offers.iter().fold(server, |server, offer| server.offer(offer));
    converse(server, &format!("{hello}250 {last}\n{script}")).await
}

async fn after_hello(server: Server, script: &str) -> Running {
    converse(server, &format!("{HELLO}{script}")).await
}

#[tokio::test]
async fn verifies_those_it_knows() {
    let server = Server::new()
        .known("joe", "Joe Smith <joe@example.test>")
        .known("ann", "<ann.a@example.test>")
        .known("Ann", "ann.b@example.test")
        .known("ü", "<ü@example.test>");
    let script = "
        C: VRFY JOE
        S: 250 2.1.5 Joe Smith <joe@example.test>
        C: VRFY joe@EXAMPLE.test
        S: 250 2.1.5 Joe Smith <joe@example.test>
        C: VRFY <joe@example.test> SMTPUTF8
        S: 250 2.1.5 Joe Smith <joe@example.test>
        C: VRFY ann
        S: 553-5.1.4 ambiguous; possibilities are
        S: 553-5.1.4 <ann.a@example.test>
        S: 553 5.1.4 ann.b@example.test
        C: VRFY jo
        S: 550 5.1.1 nobody has that name
        C: VRFY ü
        S: 252 2.6.8 the address needs SMTPUTF8
        C: VRFY ü smtputf8
        S: 250 2.1.5 <ü@example.test>
        C: VRFY
        S: 501 5.5.4 VRFY: its argument is missing
        C: EXPN joe
        S: 502 5.5.1 command not implemented
    ";
    after_hello(server.clone(), script).await;
    let script = "C: VRFY joe\nS: 252 2.0.0 who knows";
    after_hello(server.reply_to(Verb::Vrfy, "252 2.0.0 who knows"), script).await;
    let invalid = [
        (Server::new().known("x", "Joe"), "mailbox \"Joe\":"),
        (
            Server::new().known("x", "J\r\n <j@e>"),
            r#"control character in the text of a reply: "J\x0d\x0a <j@e>""#,
        ),
        (Server::new().list("x", ["a\n"]), r#"control character in the text of a reply: "a\x0a""#),
    ];
    for (server, words) in invalid {
        let error = server.start().await.unwrap_err();
        assert!(error.to_string().starts_with(words), "{error}");
    }
}

#[tokio::test]
async fn expands_the_lists_it_has() {
    let server = Server::new()
        .list("staff", ["Joe <joe@example.test>", "<ann@example.test>"])
        .list("welt", ["<ü@example.test>"]);
    let script = "
        C: EXPN Staff
        S: 250-2.1.5 Joe <joe@example.test>
        S: 250 2.1.5 <ann@example.test>
        C: EXPN welt
        S: 252 2.6.8 the address needs SMTPUTF8
        C: EXPN welt SMTPUTF8
        S: 250 2.1.5 <ü@example.test>
        C: EXPN joe
        S: 550 5.1.1 no list has that name
    ";
    after_hello(server, script).await;
}

#[tokio::test]
async fn runs_its_queue_where_etrn_is_offered() {
    let script = "
        C: etrn example.test
        S: 250 2.0.0 the queue is run
        C: ETRN
        S: 501 5.5.4 its argument is missing
        C: XCLIENT NAME=x
        S: 502 5.5.1 command not implemented
        C: MAIL FROM:<>
        S: 250 2.1.0 sender ok
        C: ETRN example.test
        S: 503 5.5.1 not inside a transaction
    ";
    offering(Server::new(), &["ETRN"], script).await;
    after_hello(Server::new(), "C: ETRN example.test\nS: 502 5.5.1 command not implemented").await;
    let script = "S: 220 mx.example.test ESMTP ready\nC: ETRN x\nS: 503 5.5.1 say hello first";
    converse(Server::new().offer("ETRN"), script).await;
}

#[tokio::test]
async fn a_new_session_begins_with_xclient() {
    let offers = ["XCLIENT NAME ADDR LOGIN", "XFORWARD NAME"];
    let script = "
        C: XFORWARD NAME=a+20b
        S: 250 2.0.0 ok
        C: XFORWARD ADDR=127.0.0.1
        S: 501 5.5.4 an attribute is not known here
        C: XCLIENT NAME
        S: 501 5.5.4 an attribute needs a value
        C: XCLIENT NAME=a+2
        S: 501 5.5.4 a value is not xtext
        C: XCLIENT name=[UNAVAILABLE] ADDR=IPV6:::1
        S: 220 mx.example.test ESMTP ready
        C: MAIL FROM:<>
        S: 503 5.5.1 say hello first
    ";
    offering(Server::new(), &offers, script).await;
    let script = "C: XCLIENT NAME=x\nS: 550 5.7.1 not you";
    offering(Server::new().reply_to(Verb::Xclient, "550 5.7.1 not you"), &offers, script).await;
}

#[tokio::test]
async fn keeps_to_the_limits_it_offers() {
    let limits = ["LIMITS RCPTMAX=2 MAILMAX=4 RCPTDOMAINMAX=2 XMAX"];
    let server = Server::new().refuse("no@b", "550 5.1.1 no such user");
    let script = "
        C: MAIL FROM:<> SIZE=x
        C: MAIL FROM:<>
        C: RCPT TO:<no@b>
        C: RCPT TO:<a@b>
        C: MAIL FROM:<>
        C: RCPT TO:<c@b>
        C: RSET
        C: MAIL FROM:<>
        C: RCPT TO:<a@D>
        C: RCPT TO:<a@e>
        C: RSET
        C: MAIL FROM:<>
        S: 501 5.5.4 SIZE needs a number
        S: 250 2.1.0 sender ok
        S: 550 5.1.1 no such user
        S: 250 2.1.5 recipient ok
        S: 503 5.5.1 a transaction has begun
        S: 452 4.5.3 too many recipients
        S: 250 2.0.0 ok
        S: 250 2.1.0 sender ok
        S: 250 2.1.5 recipient ok
        S: 452 4.5.3 too many domains
        S: 250 2.0.0 ok
        S: 421 4.5.3 too many mails in a session
        -- close
    ";
    offering(server, &limits, script).await;
}

#[tokio::test]
async fn a_mail_may_have_only_so_many_recipients() {
    for (server, most) in [(Server::new(), 1000), (Server::new().max_recipients(2), 2)] {
        let rcpt = "C: RCPT TO:<a@b>\nS: 250 2.1.5 recipient ok\n".repeat(most);
        let script = format!(
            "C: MAIL FROM:<>\nS: 250 2.1.0 sender ok\n{rcpt}C: RCPT TO:<a@b>\n\
             S: 452 4.5.3 too many recipients"
        );
        after_hello(server, &script).await;
    }
}
