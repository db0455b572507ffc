//! The conversation against scripted servers, where it does more than say one command: groups, and
//! the replies that came before a call failed.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use ehlo::testing::{Running, Script, Server};
use ehlo::{
    Command, Connector, Conversation, Error, ErrorKind, ForwardPath, Phase, Reply, Security, Stage,
    Verb,
};

/// A conversation with a server that greets, is asked for what it offers, and goes on by this
/// script.
async fn introduced(connector: Connector, offers: &str, script: &str) -> (Conversation, Running) {
    let hello = match offers {
        "" => "S: 250 mx\n".to_owned(),
        offer => format!("S: 250-mx\nS: 250 {offer}\n"),
    };
    let script: Script = format!("S: 220 mx\nC: EHLO c.example\n{hello}{script}")
        .replace("EHLO", if offers == LMTP { "LHLO" } else { "EHLO" })
        .parse()
        .unwrap();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let server = Server::script(script).serve(far).unwrap();
    let mut smtp = connector.open_over(near).await.unwrap();
    let hello = match offers {
        LMTP => Command::lhlo("c.example"),
        _ => Command::ehlo("c.example"),
    };
    smtp.say(&hello.unwrap()).await.unwrap();
    (smtp, server)
}

async fn pipelined(script: &str) -> (Conversation, Running) {
    introduced(in_clear(), "PIPELINING", script).await
}

fn in_clear() -> Connector {
    Connector::new("mx.example.org").security(Security::None)
}

fn commands(lines: &[&str]) -> Vec<Command<'static>> {
    let parse = |line: &&str| Command::parse(line.as_bytes()).unwrap();
    lines.iter().map(parse).collect()
}

fn words(replies: &[Reply]) -> Vec<String> {
    replies.iter().map(Reply::to_string).collect()
}

#[track_caller]
fn failed(error: &Error, stage: Stage, earlier: &[&str], said: &str) {
    assert_eq!(error.to_string(), said);
    assert_eq!(words(error.earlier()), earlier);
    assert_eq!(error.stage(), stage);
}

const MAIL: &str = "MAIL FROM:<a@example.org>";
const RCPT: &str = "RCPT TO:<b@example.org>";
/// An LMTP server names it first of all here.
const LMTP: &str = "ENHANCEDSTATUSCODES";

#[tokio::test]
async fn a_group_goes_out_before_its_first_reply() {
    let script = format!(
        "C: {MAIL}\nC: {RCPT}\nC: {RCPT}\nC: RSET\nS: 250 a\nS: 550 b\nS: 250 c\nS: 250 d\n"
    );
    let (mut smtp, server) = pipelined(&script).await;
    let replies = smtp.say_all(commands(&[MAIL, RCPT, RCPT, "RSET"])).await;
    assert_eq!(words(&replies.unwrap()), ["250 a", "550 b", "250 c", "250 d"]);
    assert_eq!(smtp.phase(), Phase::Ready);
    drop(smtp);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn one_at_a_time_without_pipelining() {
    let script = format!("C: {MAIL}\nS: 250 a\nC: {RCPT}\nS: 250 b\nC: RSET\nS: 250 c\n");
    let (mut smtp, server) = introduced(in_clear(), "", &script).await;
    let replies = smtp.say_all(commands(&[MAIL, RCPT, "RSET"])).await;
    assert_eq!(words(&replies.unwrap()), ["250 a", "250 b", "250 c"]);
    drop(smtp);
    server.finish().await.unwrap();
}

/// NOOP ends a group, so that what follows it waits for its reply.
#[tokio::test]
async fn what_has_to_be_last_ends_a_flight_and_not_the_group() {
    let script = format!(
        "C: NOOP\nS: 250 a\nC: {MAIL}\nC: RSET\nC: NOOP\nS: 250 b\nS: 250 c\nS: 250 d\nC: QUIT\nS: 221 e\n"
    );
    let (mut smtp, server) = pipelined(&script).await;
    let replies = smtp.say_all(commands(&["NOOP", MAIL, "RSET", "NOOP", "QUIT"])).await;
    assert_eq!(words(&replies.unwrap()), ["250 a", "250 b", "250 c", "250 d", "221 e"]);
    assert_eq!(smtp.phase(), Phase::Closed);
    server.finish().await.unwrap();
}

/// Its length is bounded by nothing, what is on its way is.
#[tokio::test]
async fn a_group_may_be_larger_than_the_window() {
    const COUNT: usize = 2000;
    let (near, far) = tokio::io::duplex(512);
    let (mut smtp, ()) = tokio::join!(Conversation::open(near), async {
        let mut far = tokio::io::BufStream::new(far);
        use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
        far.write_all(b"220 mx\r\n").await.unwrap();
        far.flush().await.unwrap();
        tokio::spawn(async move {
            let mut line = Vec::new();
            while far.read_until(b'\n', &mut line).await.unwrap() > 0 {
                let reply = match line.get(..4) {
                    Some(b"EHLO") => "250-mx\r\n250 PIPELINING\r\n",
                    Some(b"RCPT") => "550 5.1.1 no\r\n",
                    _ => "250 ok\r\n",
                };
                far.write_all(reply.as_bytes()).await.unwrap();
                far.flush().await.unwrap();
                line.clear();
            }
        });
    });
    let smtp = smtp.as_mut().unwrap();
    smtp.say(&Command::ehlo("c.example").unwrap()).await.unwrap();
    let bob: ForwardPath = "b@example.org".parse().unwrap();
    let mail = commands(&[MAIL]).into_iter();
    let group = mail.chain(std::iter::repeat_n(Command::rcpt(&bob), COUNT));
    let replies = smtp.say_all(group).await.unwrap();
    assert_eq!(replies.len(), COUNT + 1);
    assert!(replies[1..].iter().all(Reply::is_negative));
    assert!(smtp.say_all([]).await.unwrap().is_empty());
}

/// As if it had been said by itself: nothing of it is sent, nor of what is behind it.
#[tokio::test]
async fn what_may_not_be_said_is_an_error_behind_the_replies_before_it() {
    let script = format!("C: {MAIL}\nS: 250 a\nC: RSET\nS: 250 b\n");
    let (mut smtp, server) = pipelined(&script).await;
    let error = smtp.say_all(commands(&[MAIL, "DATA", "NOOP"])).await.unwrap_err();
    failed(
        &error,
        Stage::Data,
        &["250 a"],
        "DATA is lawful after RCPT, and the session is after MAIL",
    );
    assert_eq!(smtp.phase(), Phase::Envelope);
    let replies = smtp.say_all(commands(&["RSET"])).await.unwrap();
    assert_eq!(words(&replies), ["250 b"]);
    let error = smtp.say_all([Command::start_tls()]).await.unwrap_err();
    assert_eq!(error.to_string(), "mx.example.org does not offer STARTTLS, which STARTTLS needs");
    drop(smtp);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn behind_a_refused_mail_nothing_is_sent_that_was_not_before() {
    let (mut smtp, _server) = introduced(in_clear(), "", &format!("C: {MAIL}\nS: 550 no\n")).await;
    let error = smtp.say_all(commands(&[MAIL, RCPT])).await.unwrap_err();
    failed(
        &error,
        Stage::Rcpt,
        &["550 no"],
        "RCPT is lawful after MAIL and before the content, and the session is outside a \
         transaction; before that: 550 no",
    );

    let (mut smtp, _server) =
        pipelined(&format!("C: {MAIL}\nC: {RCPT}\nS: 550 no\nS: 503 neither\n")).await;
    let replies = smtp.say_all(commands(&[MAIL, RCPT])).await.unwrap();
    assert_eq!(words(&replies), ["550 no", "503 neither"]);
}

/// What DATA refused lets be said is said, as it would be one by one.
#[tokio::test]
async fn a_command_is_judged_by_the_replies_before_it() {
    let data = format!("C: {MAIL}\nC: {RCPT}\nC: DATA\nS: 250 a\nS: 250 b\n");
    let (mut smtp, server) = pipelined(&format!("{data}S: 451 c\nC: RSET\nS: 250 d\n")).await;
    let group = [MAIL, RCPT, "DATA", "RSET"];
    let replies = smtp.say_all(commands(&group)).await.unwrap();
    assert_eq!(words(&replies), ["250 a", "250 b", "451 c", "250 d"]);
    drop(smtp);
    server.finish().await.unwrap();

    let (mut smtp, _server) = pipelined(&format!("{data}S: 354 c\n")).await;
    let error = smtp.say_all(commands(&group)).await.unwrap_err();
    failed(
        &error,
        Stage::Rset,
        &["250 a", "250 b", "354 c"],
        "RSET is lawful after the greeting and outside the content, and the session is inside the \
         content",
    );
    assert_eq!(smtp.phase(), Phase::Content);
}

/// The 421 is both a reply to RCPT and the reason why DATA has none; it is shown once.
#[tokio::test]
async fn c_103_a_group_that_421_cuts_keeps_its_replies() {
    let script = format!("C: {MAIL}\nC: {RCPT}\nC: {RCPT}\nS: 250 a\nS: 421 4.3.2 bye\n-- close\n");
    let (mut smtp, _server) = pipelined(&script).await;
    let error = smtp.say_all(commands(&[MAIL, RCPT, RCPT])).await.unwrap_err();
    failed(
        &error,
        Stage::Rcpt,
        &["250 a", "421 4.3.2 bye"],
        "mx.example.org ended the session at RCPT TO: 421 4.3.2 bye",
    );
    assert!(matches!(error.kind(), ErrorKind::Closed(Some(_))));

    let script = format!("C: {MAIL}\nC: {RCPT}\nS: 250 a\nS: 421 4.3.2 bye\n-- close\n");
    let (mut smtp, _server) = pipelined(&script).await;
    let replies = smtp.say_all(commands(&[MAIL, RCPT])).await.unwrap();
    assert_eq!(words(&replies), ["250 a", "421 4.3.2 bye"]);
}

#[tokio::test]
async fn a_violation_inside_a_group_keeps_its_replies() {
    let script = format!("C: {MAIL}\nC: {RCPT}\nS: 550 no\nS: 250 yes\n");
    let (mut smtp, _server) = pipelined(&script).await;
    let error = smtp.say_all(commands(&[MAIL, RCPT])).await.unwrap_err();
    failed(
        &error,
        Stage::Rcpt,
        &["550 no"],
        "mx.example.org broke the protocol at RCPT TO: RCPT TO was accepted behind a refused \
         MAIL: 250 yes; before that: 550 no",
    );
}

/// The transaction that it was to end is open still: the session is over, and that is why.
#[tokio::test]
async fn dialect_69_behind_a_refused_rset_nothing_is_answered() {
    let said = "mx.example.org said: 500 what (in reply to RSET)";
    let script = format!("C: RSET\nC: {MAIL}\nS: 500 what\n");
    let (mut smtp, _server) = pipelined(&script).await;
    let error = smtp.say_all(commands(&["RSET", MAIL])).await.unwrap_err();
    failed(&error, Stage::Rset, &["500 what"], said);

    let (mut smtp, _server) = introduced(in_clear(), "", "C: RSET\nS: 500 what\n").await;
    let error = smtp.say_all(commands(&["RSET", MAIL])).await.unwrap_err();
    failed(&error, Stage::Rset, &["500 what"], said);

    let (mut smtp, _server) = pipelined("C: RSET\nS: 500 what\n").await;
    let replies = smtp.say_all(commands(&["RSET"])).await.unwrap();
    assert_eq!(words(&replies), ["500 what"]);
}

#[tokio::test]
async fn the_replies_to_a_dropped_group_are_read_off() {
    let script = format!(
        "C: {MAIL}\nC: {RCPT}\n-- wait 20\nS: 250 a\nS: 250 b\nC: RSET\nC: NOOP\nS: 250 c\nS: 250 d\n"
    );
    let (mut smtp, server) = pipelined(&script).await;
    tokio::select! {
        biased;
        _ = smtp.say_all(commands(&[MAIL, RCPT])) => panic!("nothing was said yet"),
        () = tokio::task::yield_now() => {}
    }
    let replies = smtp.say_all(commands(&["RSET", "NOOP"])).await.unwrap();
    assert_eq!(words(&replies), ["250 c", "250 d"]);
    drop(smtp);
    server.finish().await.unwrap();
}

/// The mail was delivered: what comes behind its reply is the next call's to find.
#[tokio::test]
async fn t17_the_reply_to_a_content_outlasts_what_follows_it() {
    let script = format!(
        "C: {MAIL}\nC: {RCPT}\nC: DATA\nS: 250 a\nS: 250 b\nS: 354 c\nC: <content 3>\nC: .\n\
         S! 250 d\\x0d\\x0a250 e\\x0d\\x0a\n"
    );
    let (mut smtp, _server) = pipelined(&script).await;
    smtp.say_all(commands(&[MAIL, RCPT, "DATA"])).await.unwrap();
    assert_eq!(words(&smtp.content(b"x\r\n").await.unwrap()), ["250 d"]);
    let error = smtp.say(&Command::quit()).await.unwrap_err();
    failed(
        &error,
        Stage::EndOfData,
        &[],
        "mx.example.org broke the protocol at end of data: a reply came that answers no command: \
         250 e",
    );
}

#[tokio::test]
async fn c_120_over_lmtp_the_replies_that_came_are_kept() {
    let script = format!(
        "C: {MAIL}\nS: 250 a\nC: {RCPT}\nS: 250 b\nC: {RCPT}\nS: 250 c\nC: DATA\nS: 354 d\n\
         C: <content 3>\nC: .\nS: 452 4.2.2 full\n-- close\n"
    );
    let (mut smtp, _server) = introduced(in_clear().lmtp(), LMTP, &script).await;
    smtp.say_all(commands(&[MAIL, RCPT, RCPT, "DATA"])).await.unwrap();
    let error = smtp.content(b"x\r\n").await.unwrap_err();
    failed(
        &error,
        Stage::EndOfData,
        &["452 4.2.2 full"],
        "mx.example.org closed the connection at end of data; before that: 452 4.2.2 full",
    );
}

/// The dot is the session's own, and cuts no mail.
#[tokio::test]
async fn c_097_the_conversation_goes_on_behind_a_lone_dot() {
    let nobody = format!(
        "C: {MAIL}\nC: {RCPT}\nC: DATA\nS: 250 a\nS: 550 b\nS: 354 c\nC: .\nS: 250 d\nC: RSET\nS: 250 e\n"
    );
    for in_one_group in [true, false] {
        let (mut smtp, server) = pipelined(&nobody).await;
        let mut group = commands(&[MAIL, RCPT, "DATA", "RSET"]);
        let rest = group.split_off(if in_one_group { 4 } else { 3 });
        let mut replies = smtp.say_all(group).await.unwrap();
        for command in &rest {
            replies.push(smtp.say(command).await.unwrap());
        }
        assert_eq!(words(&replies), ["250 a", "550 b", "354 c", "250 e"]);
        assert_eq!(smtp.allows(Verb::Mail), Ok(()));
        drop(smtp);
        server.finish().await.unwrap();
    }
}
