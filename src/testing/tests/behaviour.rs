//! The server that behaves: what it answers.

use super::*;
use crate::{Protocol, Verb};

/// Says the script to this server after its hello.
async fn after_hello(server: Server, script: &str) -> Running {
    converse(server, &format!("{HELLO}{script}")).await
}

#[tokio::test]
async fn takes_a_mail_through_tls_and_auth() {
    let server = Server::new()
        .user("alice", "wonderland")
        .refuse("Nobody@EXAMPLE.test", "550 5.1.1 no such user");
    let script = "
        C: MAIL FROM:<a@c.example>
        S: 530 5.7.0 authentication required
        C: AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=
        S: 235 2.7.0 welcome
        C: MAIL FROM:<a@c.example> SIZE=40 BODY=8BITMIME
        C: RCPT TO:<b@example.test>
        C: RCPT TO:<Nobody@example.test>
        C: RCPT TO:<postmaster>
        C: DATA
        S: 250 2.1.0 sender ok
        S: 250 2.1.5 recipient ok
        S: 550 5.1.1 no such user
        S: 250 2.1.5 recipient ok
        S: 354 end the content with a dot on a line of its own
        C: Subject: dots
        C:
        C: ..
        C: gr\\xfcn\\x0a.\\x0a
        C: .
        S: 250 2.0.0 mail accepted
        C: QUIT
        S: 221 2.0.0 bye
        -- close
    ";
    let running = after_hello(server, &format!("{SECURE}{script}")).await;
    let mails = running.received(1).await.unwrap();
    let mail = &mails[0];
    assert_eq!(mail.sender().to_string(), "<a@c.example>");
    let recipients: Vec<_> = mail.recipients().iter().map(ToString::to_string).collect();
    assert_eq!(recipients, ["<b@example.test>", "<Postmaster>"]);
    let params: Vec<_> = mail.params().iter().map(ToString::to_string).collect();
    assert_eq!(params, ["SIZE=40", "BODY=8BITMIME"]);
    let content = b"Subject: dots\r\n\r\n.\r\ngr\xfcn\n.\n\r\n";
    assert_eq!(Escaped::new(mail.content()), Escaped::new(content));
    assert_eq!(mail.bare_line_ends(), 2);
    assert_eq!((mail.user(), mail.is_tls()), (Some("alice"), true));
    assert_eq!(mail.protocol(), Protocol::Smtp);
    assert_eq!(mail.client().as_str(), "c.example");
    assert!(format!("{mail:?}").contains(r"gr\xfcn\x0a"));
    assert_eq!(running.mails(), mails);
    let log = &running.log()[0];
    assert!(log.contains("-- TLS\nC: EHLO c.example\n"), "{log}");
    assert!(log.contains("C: AUTH PLAIN <secret>\n"), "{log}");
    assert!(log.contains("C: <content 30>\nC: .\nS: 250 2.0.0 mail accepted\n"), "{log}");
}

#[tokio::test]
async fn holds_to_the_order_of_commands() {
    let script = "
        S: 220 mx.example.test ESMTP ready
        C: MAIL FROM:<>
        S: 503 5.5.1 say hello first
        C: STARTTLS
        S: 503 5.5.1 say hello first
        C: LHLO c.example
        S: 500 5.5.1 command unknown
        C: HELO c.example
        S: 250 mx.example.test
        C: MAIL FROM:<> SIZE=1
        S: 555 5.5.4 a parameter is not known here
        C: RCPT TO:<a@b>
        S: 503 5.5.1 MAIL first
        C: DATA
        S: 503 5.5.1 MAIL first
        C: MAIL FROM:<>
        S: 250 2.1.0 sender ok
        C: MAIL FROM:<>
        S: 503 5.5.1 a transaction has begun
        C: DATA
        S: 503 5.5.1 no valid recipients
        C: RSET
        S: 250 2.0.0 ok
        C: RCPT TO:<a@b>
        S: 503 5.5.1 MAIL first
        C: EXPN all
        S: 502 5.5.1 command not implemented
        C: VRFY joe
        S: 252 2.1.5 send some mail, and it will be seen
        C: NOOP
        S: 250 2.0.0 ok
        C: HELP
        S: 214 2.0.0 this is a server for tests
        C: TURN
        S: 500 5.5.1 command unknown
        C:
        S: 500 5.5.1 command unknown
        C: DATA now
        S: 501 5.5.4 DATA: it takes no argument
        C: MAIL FROM: <a@b>
        S: 501 5.5.4 MAIL: no space may stand around the colon
        C: VRFY \\xff
        S: 501 5.5.4 VRFY: the argument is not UTF-8
        C: MAIL FROM:<ü @b>
        S: 501 5.5.4 MAIL: mailbox \"? @b\": a space must be quoted in a local part
        C: AUTH PLAIN
        S: 538 5.7.11 encryption required
        C: QUIT
        S: 221 2.0.0 bye
        -- close
    ";
    let running = converse(Server::new(), script).await;
    assert_eq!(running.mails(), []);
}

#[tokio::test]
async fn reads_parameters() {
    let script = "
        C: MAIL FROM:<> SIZE=10485761
        S: 552 5.3.4 the mail is too big
        C: MAIL FROM:<> SIZE=much
        S: 501 5.5.4 SIZE needs a number
        C: MAIL FROM:<> SMTPUTF8=yes
        S: 501 5.5.4 SMTPUTF8 takes no value
        C: MAIL FROM:<> BODY=9BIT
        S: 501 5.5.4 BODY knows no such value
        C: MAIL FROM:<> BODY=BINARYMIME
        S: 555 5.5.4 a parameter is not known here
        C: MAIL FROM:<> RET=HDRS
        S: 555 5.5.4 a parameter is not known here
        C: MAIL FROM:<ü@c.example>
        S: 550 5.6.7 SMTPUTF8 needed
        C: MAIL FROM:<>
        S: 250 2.1.0 sender ok
        C: RCPT TO:<ü@c.example>
        S: 553 5.6.7 SMTPUTF8 needed
        C: RCPT TO:<u@c.example> SIZE=1
        S: 555 5.5.4 a parameter is not known here
        C: RSET
        S: 250 2.0.0 ok
        C: MAIL FROM:<ü@c.example> SMTPUTF8 SIZE=10485760
        S: 250 2.1.0 sender ok
        C: RCPT TO:<ü@c.example>
        S: 250 2.1.5 recipient ok
    ";
    after_hello(Server::new(), script).await;
}

#[tokio::test]
async fn keeps_the_parameters_of_those_who_have_the_mail() {
    let script = "
        C: MAIL FROM:<> RET=HDRS
        S: 250 2.1.0 sender ok
        C: RCPT TO:<bob@c.example> NOTIFY=NEVER
        S: 250 2.1.5 recipient ok
        C: RCPT TO:<eve@c.example> NOTIFY=DELAY
        S: 550 5.1.1 nobody
        C: RCPT TO:<joe@c.example>
        S: 250 2.1.5 recipient ok
        C: DATA
        S: 354 end the content with a dot on a line of its own
        C: .
        S: 250 2.0.0 mail accepted
    ";
    let server = Server::new().offer("DSN").refuse("eve@c.example", "550 5.1.1 nobody");
    let hello = HELLO.replace("250 STARTTLS", "250-STARTTLS\n        S: 250 DSN");
    let mails = converse(server, &format!("{hello}{script}")).await.mails();
    let [mail] = &mails[..] else { panic!("{mails:?}") };
    assert_eq!(mail.recipients().len(), 2);
    assert_eq!(mail.recipient_params(), [vec!["NOTIFY=NEVER".parse().unwrap()], vec![]]);
}

#[tokio::test]
async fn offers_what_it_is_told_to() {
    let server = Server::new()
        .offer("SIZE 20")
        .offer("DSN")
        .offer("XVERP")
        .allow_cleartext()
        .withhold("XVerp")
        .withhold("starttls")
        .withhold("smtputf8")
        .withhold("chunking")
        .withhold("ENHANCEDSTATUSCODES");
    let script = "
        S: 220 mx.example.test ESMTP ready
        C: EHLO c.example
        S: 250-mx.example.test
        S: 250-PIPELINING
        S: 250-8BITMIME
        S: 250-AUTH PLAIN LOGIN
        S: 250-SIZE 20
        S: 250 DSN
        C: STARTTLS
        S: 502 command not implemented
        C: MAIL FROM:<> SMTPUTF8
        S: 555 a parameter is not known here
        C: MAIL FROM:<> XVERP
        S: 555 a parameter is not known here
        C: MAIL FROM:<> DSN
        S: 250 sender ok
    ";
    converse(server, script).await;
}

#[tokio::test]
async fn takes_pipelining_at_its_word() {
    let script = "
        C: MAIL FROM:<>
        C: NOOP
        C: RSET
        S: 250 2.1.0 sender ok
        S: 503 5.5.0 nothing may follow before the reply
        S: 250 2.0.0 ok
        C: STARTTLS
        C: EHLO evil.example
        S: 503 5.5.0 nothing may follow before the reply
        S: 250-mx.example.test
    ";
    after_hello(Server::new(), script).await;
    let hello = HELLO.replace("    S: 250-PIPELINING\n", "");
    let script = "
        C: MAIL FROM:<>
        C: RCPT TO:<a@b>
        S: 503 5.5.0 commands must wait for replies here
        S: 503 5.5.1 MAIL first
    ";
    converse(Server::new().withhold("PIPELINING"), &format!("{hello}{script}")).await;
}

#[tokio::test]
async fn authenticates_in_every_way() {
    let server = || Server::new().user("alice", "wonderland").user("bob", "builder");
    let script = "
        C: AUTH SCRAM-SHA-256
        S: 504 5.5.4 mechanism not known
        C: AUTH PLAIN AGFsaWNlAHdyb25n
        S: 535 5.7.8 credentials not accepted
        C: AUTH PLAIN Ym9iAGFsaWNlAHdvbmRlcmxhbmQ=
        S: 535 5.7.8 credentials not accepted
        C: AUTH PLAIN AAA=
        S: 535 5.7.8 credentials not accepted
        C: AUTH PLAIN AA==
        S: 501 5.5.2 not a PLAIN message
        C: AUTH PLAIN %
        S: 501 5.5.4 AUTH: the initial response is neither `=` nor base64
        C: AUTH PLAIN
        S: 334\x20
        C: *
        S: 501 5.7.0 authentication cancelled
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: !
        S: 501 5.5.2 not base64
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: Ym9i
        S: 334 UGFzc3dvcmQ6
        C: d29uZGVybGFuZA==
        S: 535 5.7.8 credentials not accepted
        C: AUTH LOGIN Ym9i
        S: 334 UGFzc3dvcmQ6
        C: YnVpbGRlcg==
        S: 235 2.7.0 welcome
        C: AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=
        S: 503 5.5.1 authenticated already
    ";
    let running = after_hello(server(), &format!("{SECURE}{script}")).await;
    let log = running.log().concat();
    for secret in ["AGFsaWNl", "YnVpbGRlcg", "Ym9i", "d29uZGVybGFuZA", "AUTH PLAIN %"] {
        assert!(!log.contains(secret), "{log}");
    }
    assert!(log.contains("C: *\n") && log.contains("C: AUTH LOGIN <secret>\n"), "{log}");

    let script = "
        C: AUTH PLAIN
        S: 334\x20
        C: AGV2ZQB4
        S: 235 2.7.0 welcome
        C: MAIL FROM:<>
        S: 250 2.1.0 sender ok
    ";
    after_hello(Server::new(), &format!("{SECURE}{script}")).await;
    let script = "
        S: 220 mx.example.test ESMTP ready
        C: AUTH PLAIN AGV2ZQB4
        S: 503 5.5.1 AUTH is not offered here
    ";
    converse(Server::new().allow_cleartext(), script).await;
}

#[tokio::test]
async fn replies_as_it_is_told_to() {
    let server = Server::new()
        .reply_to(Verb::Mail, "250 2.1.0 whoever you are")
        .reply_to(Verb::Rcpt, "251 2.1.5 forwarded")
        .reply_to(Verb::Vrfy, "252 old")
        .reply_to(Verb::Vrfy, "550-first\n550 second")
        .reply_to(Verb::Noop, "421 4.3.2 enough")
        .reply_to(Verb::Quit, "221 2.0.0 farewell")
        .reply_at_end("451 4.3.0 later");
    let script = "
        C: RCPT TO:<a@b>
        S: 503 5.5.1 MAIL first
        C: MAIL FROM:<>
        C: RCPT TO:<a@b>
        S: 250 2.1.0 whoever you are
        S: 251 2.1.5 forwarded
        C: VRFY \\xff
        S: 550-first
        S: 550 second
        C: DATA
        S: 354 end the content with a dot on a line of its own
        C: .
        S: 451 4.3.0 later
    ";
    let quits = "
        C: QUIT
        S: 221 2.0.0 farewell
        -- close
    ";
    let closes = "
        C: NOOP
        S: 421 4.3.2 enough
        -- close
    ";
    let running = after_hello(server.clone(), &format!("{script}{quits}")).await;
    assert_eq!(running.mails(), []);
    assert!(running.log()[0].contains("C: DATA\nS: 354 "), "{:?}", running.log());
    after_hello(server, closes).await;
}

#[tokio::test]
async fn greets_as_it_is_told_to() {
    let script = "
        S: 554 no
        C: EHLO c.example
        S: 503 5.5.1 no service here
        C: QUIT
        S: 221 2.0.0 bye
        -- close
    ";
    converse(Server::new().greeting("554 no"), script).await;
    converse(Server::new().greeting("421 later"), "S: 421 later\n-- close").await;
    converse(Server::new().name("a.example"), "S: 220 a.example ESMTP ready").await;
    let implicit = "-- TLS\nS: 220 mx.example.test ESMTP ready\nC: EHLO c\nS: 250-mx.example.test\n\
                    S: 250-PIPELINING\nS: 250-8BITMIME\nS: 250-SIZE 10485760\nS: 250-SMTPUTF8\n\
                    S: 250-ENHANCEDSTATUSCODES\nS: 250-CHUNKING\nS: 250 AUTH PLAIN LOGIN\nC: STARTTLS\n\
                    S: 503 5.5.1 TLS is spoken already\nC: QUIT\nS: 221 2.0.0 bye\n-- close";
    converse(Server::new().implicit_tls(), implicit).await;
}

#[tokio::test]
async fn lmtp_answers_for_each_recipient() {
    let server = Server::new().lmtp().refuse_at_end("full@example.test", "452 4.2.2 mailbox full");
    let script = "
        S: 220 mx.example.test LMTP ready
        C: EHLO c.example
        S: 500 5.5.1 command unknown
        C: HELO c.example
        S: 500 5.5.1 command unknown
        C: LHLO c.example
        S: 250-mx.example.test
        S: 250-PIPELINING
        S: 250-8BITMIME
        S: 250-SIZE 10485760
        S: 250-SMTPUTF8
        S: 250-ENHANCEDSTATUSCODES
        S: 250-CHUNKING
        S: 250 STARTTLS
        C: MAIL FROM:<>
        C: RCPT TO:<a@example.test>
        C: RCPT TO:<full@example.test>
        C: RCPT TO:<b@example.test>
        C: DATA
        S: 250 2.1.0 sender ok
        S: 250 2.1.5 recipient ok
        S: 250 2.1.5 recipient ok
        S: 250 2.1.5 recipient ok
        S: 354 end the content with a dot on a line of its own
        C: x
        C: .
        S: 250 2.0.0 mail accepted
        S: 452 4.2.2 mailbox full
        S: 250 2.0.0 mail accepted
        C: NOOP
        S: 250 2.0.0 ok
    ";
    let running = converse(server, script).await;
    let mails = running.mails();
    let recipients: Vec<_> = mails[0].recipients().iter().map(|path| path.as_str()).collect();
    assert_eq!(recipients, ["a@example.test", "b@example.test"]);
    assert_eq!(mails[0].protocol(), Protocol::Lmtp);
}

#[tokio::test]
async fn a_mail_may_be_only_so_big() {
    let hello = HELLO.replace("10485760", "4");
    let transaction = |content: &str, reply: &str| {
        format!(
            "C: MAIL FROM:<>\nC: RCPT TO:<a@b>\nC: DATA\nS: 250 2.1.0 sender ok\n\
             S: 250 2.1.5 recipient ok\nS: 354 end the content with a dot on a line of its own\n\
             C: {content}\nC: .\nS: {reply}\n"
        )
    };
    let big = transaction("..bc", "552 5.3.4 the mail is too big");
    let fits = transaction("..b", "250 2.0.0 mail accepted");
    let server = Server::new().max_size(4);
    let running = converse(server.clone(), &format!("{hello}{big}{fits}")).await;
    assert_eq!(running.mails().len(), 1);
    assert_eq!(running.mails()[0].content(), b".b\r\n");
    let told = server.reply_at_end("250 2.6.0 whatever");
    let fits = fits.replace("2.0.0 mail accepted", "2.6.0 whatever");
    let running = converse(told, &format!("{hello}{big}{fits}")).await;
    assert_eq!(running.mails().len(), 1);
}

#[tokio::test]
async fn lines_have_their_lengths_and_ends() {
    let (running, client) = in_memory(Server::new());
    let mut client = talk(client, "", HELLO).await;
    client.write_all(b"NOOP\n").await.unwrap();
    let client = talk(client, "", "S: 500 5.5.2 a line must end with CRLF").await;
    let longest = "x".repeat(2048 - "NOOP \r\n".len());
    let script = format!(
        "C: NOOP {longest}\nS: 250 2.0.0 ok\nC: NOOP {longest}x\nS: 500 5.5.2 line too long\n\
         C: {}\nS: 500 5.5.2 line too long\n-- close",
        "x".repeat(12_289)
    );
    talk(client, "", &script).await;
    let log = running.log().concat();
    assert!(log.contains("C: NOOP\\x0a\n"), "{log}");
}
