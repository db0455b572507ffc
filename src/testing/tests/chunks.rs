//! BDAT: what the server answers to chunks, what it keeps of them, and how it fails. A chunk that
//! does not end with CRLF has the next command on its own line here.

use std::time::Duration;

use super::*;
use crate::Verb;

async fn after_hello(server: Server, script: &str) -> Running {
    converse(server, &format!("{HELLO}{script}")).await
}

/// A transaction with an accepted recipient, in a group with what follows.
const BEGUN: &str = "
        C: MAIL FROM:<>
        C: RCPT TO:<a@b>
        S: 250 2.1.0 sender ok
        S: 250 2.1.5 recipient ok
";

#[track_caller]
fn only_mail(running: &Running) -> Received {
    let mails = running.mails();
    assert_eq!(mails.len(), 1, "{mails:?}");
    mails[0].clone()
}

#[tokio::test]
async fn c_063_takes_exactly_the_octets_of_each_chunk() {
    let script = "
        C: MAIL FROM:<>
        C: RCPT TO:<a@b>
        C: bdat 5
        C: ..\\x0a
        C: BDAT 0
        C: BDAT 3
        C: \\x00\\xffxBDAT 3 last
        C: .
        C: QUIT
        S: 250 2.1.0 sender ok
        S: 250 2.1.5 recipient ok
        S: 250 2.0.0 chunk taken
        S: 250 2.0.0 chunk taken
        S: 250 2.0.0 chunk taken
        S: 250 2.0.0 mail accepted
        S: 221 2.0.0 bye
        -- close
    ";
    let running = after_hello(Server::new(), script).await;
    let mail = only_mail(&running);
    assert_eq!(Escaped::new(mail.content()), Escaped::new(b"..\n\r\n\0\xffx.\r\n"));
    assert_eq!(mail.chunks(), Some(&[5, 0, 3, 3][..]));
    assert_eq!(mail.bare_line_ends(), 1);
    assert!(format!("{mail:?}").contains("chunks: Some([5, 0, 3, 3])"));
    let log = running.log().concat();
    let chunks = "C: bdat 5\nC: <content 5>\nS: 250 2.0.0 chunk taken\nC: BDAT 0\nS: 250 2.0.0 chunk taken\n";
    assert!(log.contains(chunks), "{log}");
    // The log is a script, by which the same client can be played with.
    let replay = converse(Server::script(log.parse().unwrap()), &format!("{HELLO}{script}")).await;
    assert_eq!(replay.finish().await, Ok(()));
}

#[tokio::test]
async fn data_has_no_chunks() {
    let script = "
        C: DATA
        S: 354 end the content with a dot on a line of its own
        C: .
        S: 250 2.0.0 mail accepted
    ";
    let running = after_hello(Server::new(), &format!("{BEGUN}{script}")).await;
    assert_eq!(only_mail(&running).chunks(), None);
}

/// The octets of a chunk are no commands, whatever the chunk is answered.
#[tokio::test]
async fn a_refused_chunk_is_read_and_thrown_away() {
    let script = "
        C: BDAT 6
        C: NOOP
        S: 503 5.5.1 MAIL first
        C: BDAT
        S: 501 5.5.4 BDAT: its argument is missing
        C: BDAT 5 FIRST
        S: 501 5.5.4 BDAT: a size in octets must follow, and then nothing or `LAST`
        C: MAIL FROM:<>
        S: 250 2.1.0 sender ok
        C: BDAT 6 LAST
        C: NOOP
        S: 503 5.5.1 no valid recipients
        C: RCPT TO:<a@b>
        C: MAIL FROM:<>
        C: BDAT 0
        S: 503 5.5.1 RSET first
        S: 503 5.5.1 RSET first
        S: 503 5.5.1 RSET first
        C: DATA
        S: 503 5.5.1 RSET first
        C: RSET
        C: MAIL FROM:<>
        C: RCPT TO:<a@b>
        C: BDAT 0 LAST
        S: 250 2.0.0 ok
        S: 250 2.1.0 sender ok
        S: 250 2.1.5 recipient ok
        S: 250 2.0.0 mail accepted
    ";
    let running = after_hello(Server::new(), script).await;
    assert_eq!(only_mail(&running).content(), b"");
    let script = "
        S: 220 mx.example.test ESMTP ready
        C: BDAT 6
        C: NOOP
        S: 503 5.5.1 say hello first
        C: HELO c.example
        S: 250 mx.example.test
        C: BDAT 6
        C: NOOP
        S: 503 5.5.1 BDAT is not offered here
    ";
    converse(Server::new(), script).await;
    let script = "
        S: 554 no
        C: BDAT 6
        C: NOOP
        S: 503 5.5.1 no service here
    ";
    converse(Server::new().greeting("554 no"), script).await;
}

/// Without the offer the server does not know that octets follow.
#[tokio::test]
async fn withheld_chunks_are_commands() {
    let hello = HELLO.replace("    S: 250-CHUNKING\n", "");
    let script = "
        C: BDAT 6
        C: RSET
        S: 502 5.5.1 command not implemented
        S: 250 2.0.0 ok
        C: MAIL FROM:<> BODY=BINARYMIME
        S: 555 5.5.4 a parameter is not known here
    ";
    let server = Server::new().withhold("CHUNKING");
    converse(server, &format!("{hello}{script}")).await;
}

#[tokio::test]
async fn c_101_data_and_chunks_do_not_mix() {
    let script = "
        C: BDAT 1
        C: xRCPT TO:<b@b>
        C: DATA
        S: 250 2.0.0 chunk taken
        S: 503 5.5.1 the content has begun
        S: 503 5.5.1 BDAT has begun
        C: BDAT 1 LAST
        C: xRSET
        S: 503 5.5.1 RSET first
        S: 250 2.0.0 ok
    ";
    let running = after_hello(Server::new(), &format!("{BEGUN}{script}")).await;
    assert_eq!(running.mails(), []);
    let hello = HELLO.replace("250 STARTTLS", "250-STARTTLS\nS: 250 BINARYMIME");
    let script = "
        C: MAIL FROM:<> BODY=BinaryMime
        C: RCPT TO:<a@b>
        C: DATA
        S: 250 2.1.0 sender ok
        S: 250 2.1.5 recipient ok
        S: 503 5.5.1 binary content needs BDAT
        C: BDAT 1 LAST
        C: xRSET
        C: MAIL FROM:<> BODY=BINARYMIME
        C: RCPT TO:<a@b>
        C: BDAT 1 LAST
        C: \\x0dQUIT
        S: 503 5.5.1 RSET first
        S: 250 2.0.0 ok
        S: 250 2.1.0 sender ok
        S: 250 2.1.5 recipient ok
        S: 250 2.0.0 mail accepted
        S: 221 2.0.0 bye
    ";
    let server = Server::new().offer("BINARYMIME");
    let running = converse(server, &format!("{hello}{script}")).await;
    assert_eq!(only_mail(&running).content(), b"\r");
}

#[tokio::test]
async fn chunks_may_be_only_so_big_together() {
    let hello = HELLO.replace("10485760", "4");
    let script = "
        C: BDAT 3
        C: a
        C: BDAT 2
        C: BDAT 18446744073709551615
        S: 250 2.0.0 chunk taken
        S: 552 5.3.4 the mail is too big
    ";
    let server = Server::new().max_size(4).reply_at_end("250 2.6.0 whatever");
    let running = converse(server.clone(), &format!("{hello}{BEGUN}{script}")).await;
    assert_eq!(running.mails(), []);
    let script = "
        C: BDAT 3
        C: a
        C: BDAT 1 LAST
        C: bNOOP
        S: 250 2.0.0 chunk taken
        S: 250 2.6.0 whatever
        S: 250 2.0.0 ok
        C: MAIL FROM:<>
        C: RCPT TO:<a@b>
        C: BDAT 5 LAST
        C: abc
        S: 250 2.1.0 sender ok
        S: 250 2.1.5 recipient ok
        S: 552 5.3.4 the mail is too big
    ";
    let running = converse(server, &format!("{hello}{BEGUN}{script}")).await;
    assert_eq!(only_mail(&running).content(), b"a\r\nb");
}

#[tokio::test]
async fn c_118_c_119_lmtp_answers_the_last_chunk_for_each_recipient() {
    let hello = HELLO.replace("EHLO", "LHLO").replace("ESMTP", "LMTP");
    let server = Server::new()
        .lmtp()
        .refuse("nobody@b", "550 5.1.1 no such user")
        .refuse_at_end("full@b", "452 4.2.2 mailbox full");
    let script = "
        C: MAIL FROM:<>
        C: RCPT TO:<nobody@b>
        C: BDAT 1
        C: xBDAT 0 LAST
        C: BDAT 3 LAST
        C: x
        C: RSET
        S: 250 2.1.0 sender ok
        S: 550 5.1.1 no such user
        S: 503 5.5.1 no valid recipients
        S: 250 2.0.0 ok
        C: BDAT 0 LAST
        C: MAIL FROM:<>
        C: RCPT TO:<a@b>
        C: RCPT TO:<full@b>
        C: BDAT 1
        C: xBDAT 3 LAST
        C: y
        C: NOOP
        S: 250 2.1.0 sender ok
        S: 250 2.1.5 recipient ok
        S: 250 2.1.5 recipient ok
        S: 250 2.0.0 chunk taken
        S: 250 2.0.0 mail accepted
        S: 452 4.2.2 mailbox full
        S: 250 2.0.0 ok
        C: MAIL FROM:<>
        C: RCPT TO:<full@b>
        C: BDAT 0 LAST
        C: MAIL FROM:<>
        S: 250 2.1.0 sender ok
        S: 250 2.1.5 recipient ok
        S: 452 4.2.2 mailbox full
        S: 503 5.5.1 RSET first
    ";
    let running = converse(server, &format!("{hello}{script}")).await;
    let mail = only_mail(&running);
    assert_eq!((mail.recipients().len(), mail.content()), (1, &b"xy\r\n"[..]));
}

#[tokio::test]
async fn c_100_a_chunk_is_refused_as_it_is_told_to() {
    let server = Server::new()
        .reply_at_chunk(1, "250 2.0.0 one")
        .reply_at_chunk(2, "250 overwritten")
        .reply_at_chunk(2, "452 4.3.1 disk full");
    let script = "
        C: BDAT 1
        C: xBDAT 1
        C: yBDAT 1
        C: zBDAT 1 LAST
        C: zRSET
        C: MAIL FROM:<>
        C: RCPT TO:<a@b>
        C: BDAT 1 LAST
        C: wQUIT
        S: 250 2.0.0 one
        S: 452 4.3.1 disk full
        S: 503 5.5.1 RSET first
        S: 503 5.5.1 RSET first
        S: 250 2.0.0 ok
        S: 250 2.1.0 sender ok
        S: 250 2.1.5 recipient ok
        S: 250 2.0.0 one
        S: 221 2.0.0 bye
    ";
    let running = after_hello(server, &format!("{BEGUN}{script}")).await;
    assert_eq!(only_mail(&running).content(), b"w");
    let script = "
        C: BDAT 1
        C: xBDAT 0
        S: 421 4.3.2 enough
        -- close
    ";
    let server = Server::new().reply_to(Verb::Bdat, "421 4.3.2 enough");
    after_hello(server, &format!("{BEGUN}{script}")).await;
    let script = "
        C: BDAT 0
        C: BDAT 0 LAST
        S: 250 2.0.0 as you say
        S: 550 5.7.1 spam
    ";
    let server =
        Server::new().reply_to(Verb::Bdat, "250 2.0.0 as you say").reply_at_end("550 5.7.1 spam");
    let running = after_hello(server, &format!("{BEGUN}{script}")).await;
    assert_eq!(running.mails(), []);
}

#[tokio::test]
async fn a_chunk_is_answered_before_its_octets() {
    let script = "
        C: BDAT 6
        S: 552 5.3.4 too big
        C: NOOP
        C: BDAT 0 LAST
        S: 503 5.5.1 RSET first
    ";
    let server = Server::new().reply_before_chunk(1, "552 5.3.4 too big");
    let running = after_hello(server, &format!("{BEGUN}{script}")).await;
    assert!(running.log().concat().contains("S: 552 5.3.4 too big\nC: <content 6>\n"));
    let script = "
        C: BDAT 3 LAST
        S: 250 2.0.0 whatever it is
        C: x
        C: NOOP
        S: 250 2.0.0 ok
    ";
    let server = Server::new().reply_before_chunk(1, "250 2.0.0 whatever it is");
    let running = after_hello(server, &format!("{BEGUN}{script}")).await;
    assert_eq!(only_mail(&running).content(), b"x\r\n");
    let server = Server::new().reply_before_chunk(1, "421 4.3.2 enough");
    let script = "C: BDAT 100\nS: 421 4.3.2 enough\n-- close";
    after_hello(server, &format!("{BEGUN}{script}")).await;
}

#[tokio::test(start_paused = true)]
async fn a_chunk_is_not_answered() {
    let script = "C: BDAT 1\nC: xBDAT 1\nC: yNOOP\nS: 250 2.0.0 chunk taken\n-- close";
    let server = Server::new().close_at_chunk(2);
    let running = after_hello(server, &format!("{BEGUN}{script}")).await;
    assert_eq!(running.mails(), []);
    let (running, client) = in_memory(Server::new().stall_at_chunk(1));
    let script = format!("{HELLO}{BEGUN}C: BDAT 3 LAST\nC: x\nC: NOOP");
    let mut client = talk(client, "", &script).await;
    let mut said = [0];
    let silence = tokio::time::timeout(Duration::from_secs(3600), client.read(&mut said));
    assert!(silence.await.is_err());
    assert_eq!(running.mails(), []);
    let error = Server::new().stall_at_chunk(0).start().await.unwrap_err();
    assert_eq!(error.to_string(), "chunk 0: they are counted from 1");
}

#[tokio::test]
async fn the_last_chunk_is_taken_and_not_answered() {
    let script = "C: BDAT 1\nC: xBDAT 1 LAST\nC: yNOOP\nS: 250 2.0.0 chunk taken\n-- close";
    let running = after_hello(Server::new().close_at_end(), &format!("{BEGUN}{script}")).await;
    assert_eq!(only_mail(&running).content(), b"xy");
}

#[tokio::test]
async fn t21_a_refused_chunk_is_run_as_commands() {
    let script = "
        C: BDAT 14
        C: MAIL FROM:<>
        C: NOOP
        S: 552 5.3.4 too big
        S: 503 5.5.1 RSET first
        S: 250 2.0.0 ok
    ";
    let server = Server::new().runs_refused_chunks().reply_at_chunk(1, "552 5.3.4 too big");
    after_hello(server, &format!("{BEGUN}{script}")).await;
}

#[tokio::test]
async fn c_091_a_refused_mail_is_kept_for_those_who_say_no_rset() {
    let server = Server::new().keeps_refused_mail().reply_at_chunk(2, "451 4.3.0 later");
    let script = "
        C: BDAT 1
        C: xBDAT 1 LAST
        C: yMAIL FROM:<other@b>
        C: RCPT TO:<c@d>
        C: BDAT 1 LAST
        C: zNOOP
        S: 250 2.0.0 chunk taken
        S: 451 4.3.0 later
        S: 503 5.5.1 a transaction has begun
        S: 250 2.1.5 recipient ok
        S: 250 2.0.0 mail accepted
        S: 250 2.0.0 ok
    ";
    let running = after_hello(server.clone(), &format!("{BEGUN}{script}")).await;
    let mail = only_mail(&running);
    let recipients: Vec<_> = mail.recipients().iter().map(|path| path.as_str()).collect();
    assert_eq!((mail.sender().as_str(), &recipients[..]), ("", &["a@b", "c@d"][..]));
    assert_eq!((mail.content(), mail.chunks()), (&b"xz"[..], Some(&[1, 1][..])));
    // Against the client that says RSET it can do nothing.
    let script = "
        C: BDAT 1
        C: xBDAT 1 LAST
        C: yRSET
        C: MAIL FROM:<other@b>
        S: 250 2.0.0 chunk taken
        S: 451 4.3.0 later
        S: 250 2.0.0 ok
        S: 250 2.1.0 sender ok
    ";
    after_hello(server, &format!("{BEGUN}{script}")).await;
}
