//! Mails in a row: each in gives one out, in order, whatever becomes of the others.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ehlo::testing::{Running, Server};
use ehlo::{
    BodyType, Client, Connector, Deliveries, Envelope, LineEndings, Mail, MailParam, Param,
    Security, Sent, Source, Transfer,
};
use futures_core::Stream;
use tokio::io::{AsyncWriteExt as _, duplex};
use tokio::sync::mpsc;

fn connector() -> Connector {
    Connector::new("mx").security(Security::None)
}

/// Each way in which mails in a row may go.
fn ways() -> [Connector; 4] {
    let bdat = connector().transfer(Transfer::Bdat);
    [connector(), connector().transfer(Transfer::Data).run_ahead(), bdat.clone(), bdat.run_ahead()]
}

async fn client(connector: &Connector, server: Server) -> (Client, Running) {
    let (near, far) = duplex(64 * 1024);
    let server = server.serve(far).unwrap();
    (connector.connect_over(near).await.unwrap(), server)
}

fn envelope(n: usize) -> Envelope {
    Envelope::new(format!("a{n}@example.org"), [format!("b{n}@example.net")]).unwrap()
}

fn mail(n: usize) -> Mail<'static> {
    Mail::new(envelope(n), format!("Subject: {n}\r\n\r\n"))
}

fn told(sent: &Sent) -> String {
    let recipient = sent.delivery.recipients().next().unwrap();
    let outcome = recipient.outcome().to_string();
    let why = sent.error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
    format!("{} {outcome}{why}", recipient.mailbox())
}

async fn all(mut deliveries: Deliveries<'_>) -> Vec<String> {
    let mut heard = Vec::new();
    while let Some(sent) = deliveries.next().await {
        heard.push(told(&sent));
    }
    heard
}

/// Sender, recipients and the number in the content of what the server has.
fn taken(server: &Running) -> Vec<String> {
    let mails = server.mails();
    let shown = mails.iter().map(|mail| {
        let to: Vec<_> = mail.recipients().iter().map(ToString::to_string).collect();
        let content = String::from_utf8_lossy(mail.content()).replace("\r\n", "");
        format!("{} {} {content}", mail.sender(), to.join(","))
    });
    shown.collect()
}

#[tokio::test]
async fn each_mail_has_its_own_outcome_in_order() {
    for connector in ways() {
        let server = Server::new()
            .refuse("b1@example.net", "550 5.1.1 who")
            .refuse("b4@example.net", "451 4.2.1 later");
        let (mut client, server) = client(&connector, server).await;
        let heard = all(client.send_all((0..6).map(mail))).await;
        let accepted = |n: usize| format!("<b{n}@example.net> accepted: 250 2.0.0 mail accepted");
        assert_eq!(
            heard,
            [
                accepted(0),
                "<b1@example.net> refused: 550 5.1.1 who (in reply to RCPT TO)".to_owned(),
                accepted(2),
                accepted(3),
                "<b4@example.net> refused: 451 4.2.1 later (in reply to RCPT TO)".to_owned(),
                accepted(5),
            ]
        );
        let expected =
            [0, 2, 3, 5].map(|n| format!("<a{n}@example.org> <b{n}@example.net> Subject: {n}"));
        assert_eq!(taken(&server), expected);
        // The client goes on.
        assert!(client.send(&envelope(9), "x").await.unwrap().is_complete());
    }
}

/// Who keeps the mails may lend them, and has them still when one is to be sent again.
#[tokio::test]
async fn mails_may_be_lent() {
    let kept: Vec<_> = (0..3).map(|n| (envelope(n), format!("Subject: {n}\r\n\r\n"))).collect();
    for connector in ways() {
        let (mut client, server) = client(&connector, Server::new()).await;
        for _ in 0..2 {
            let lent = kept.iter().map(|(envelope, content)| Mail::new(envelope, content));
            assert_eq!(all(client.send_all(lent)).await.len(), 3);
        }
        let expected = [0, 1, 2, 0, 1, 2];
        let expected =
            expected.map(|n| format!("<a{n}@example.org> <b{n}@example.net> Subject: {n}"));
        assert_eq!(taken(&server), expected);
    }
    let lent = Mail::new(&kept[0].0, "x");
    assert!(std::ptr::eq(lent.envelope(), &kept[0].0));
}

#[tokio::test]
async fn what_one_mail_fails_by_does_not_touch_the_next() {
    for connector in ways() {
        let connector = connector.line_endings(LineEndings::Reject);
        let (mut client, server) = client(&connector, Server::new()).await;
        let binary = envelope(2).param(MailParam::body(BodyType::BinaryMime));
        let mails = [
            mail(0),
            Mail::new(envelope(1), "bare\n"),
            Mail::new(binary, "x"),
            mail(3),
            Mail::new(envelope(4), Source::new(&b"from a source\r\n"[..])),
            Mail::new(envelope(5).param("TRANSID=<5@x>".parse::<Param>().unwrap()), "x"),
            Mail::new(envelope(6).param(MailParam::size(1)).param(MailParam::size(2)), "x"),
        ];
        let heard = all(client.send_all(mails)).await;
        assert_eq!(
            heard,
            [
                "<b0@example.net> accepted: 250 2.0.0 mail accepted",
                "<b1@example.net> not sent (the content cannot be sent: content has an LF without a CR at \
             offset 4)",
                "<b2@example.net> not sent (mx does not offer BINARYMIME, which BODY=BINARYMIME needs)",
                "<b3@example.net> accepted: 250 2.0.0 mail accepted",
                "<b4@example.net> accepted: 250 2.0.0 mail accepted",
                "<b5@example.net> not sent (parameter \"TRANSID=<5@x>\": a mail that may go on is sent command \
             by command)",
                "<b6@example.net> not sent (parameter \"SIZE=2\": its keyword is given twice in one command)",
            ]
        );
        assert_eq!(taken(&server).len(), 3);
    }
}

/// How long a source is shows on the way, and of a mail in chunks nobody has a part.
#[tokio::test]
async fn a_source_that_is_too_large_keeps_its_reason_and_the_next_goes_out() {
    for ahead in [false, true] {
        let connector = connector().transfer(Transfer::Bdat);
        let connector = if ahead { connector.run_ahead() } else { connector };
        let (mut client, server) = client(&connector, Server::new().max_size(50)).await;
        let large = "too much\r\n".repeat(6);
        let mails = [mail(0), Mail::new(envelope(1), Source::new(large.as_bytes())), mail(2)];
        let heard = all(client.send_all(mails)).await;
        assert_eq!(
            heard,
            [
                "<b0@example.net> accepted: 250 2.0.0 mail accepted",
                "<b1@example.net> not sent (the content has 60 octets, and mx takes 50)",
                "<b2@example.net> accepted: 250 2.0.0 mail accepted",
            ]
        );
        assert_eq!(taken(&server).len(), 2);
    }
}

/// RFC 3030 §2: the failed transaction is open still; without an RSET before it the next mail would go
/// out under the sender of the one before.
#[tokio::test]
async fn c_091_a_refused_last_chunk_misattributes_nothing() {
    let connector = connector().transfer(Transfer::Bdat).run_ahead();
    let server = Server::new().keeps_refused_mail().reply_at_chunk(1, "554 5.6.0 no");
    let (mut client, server) = client(&connector, server).await;
    let heard = all(client.send_all((0..3).map(mail))).await;
    for (n, heard) in heard.iter().enumerate() {
        assert_eq!(
            *heard,
            format!("<b{n}@example.net> refused: 554 5.6.0 no (in reply to end of data)")
        );
    }
    assert!(taken(&server).is_empty());
    let log = server.log().concat();
    assert_eq!(log.matches("S: 250 2.1.0 sender ok").count(), 3, "{log}");
}

#[tokio::test]
async fn t18_a_421_ends_it_and_what_is_left_comes_back() {
    for connector in ways() {
        let server = Server::new().refuse("b2@example.net", "421 4.3.2 shutting down");
        let (mut client, server) = client(&connector, server).await;
        let heard = all(client.send_all((0..5).map(mail))).await;
        let refused = "<b2@example.net> refused: 421 4.3.2 shutting down (in reply to RCPT TO)";
        assert_eq!(heard.len(), 5);
        assert!(heard[..2].iter().all(|told| told.contains(" accepted: ")), "{heard:?}");
        assert_eq!(heard[2], refused);
        // What ran ahead over BDAT was written whole: without an answer nobody knows.
        let debug = format!("{connector:?}");
        let is_written = debug.contains("run_ahead: true") && debug.contains("Bdat");
        let outcome = if is_written { " unknown: " } else { " not sent (" };
        for left in &heard[3..] {
            assert!(left.contains(outcome) && left.contains("(mx ended the session at "), "{left}");
            assert!(left.contains("421 4.3.2 shutting down"), "{left}");
        }
        assert_eq!(taken(&server).len(), 2);
    }
}

/// Dovecot 2.3's submission proxy: what had been written is in doubt, and what had not is not.
#[tokio::test]
async fn a_server_that_dies_on_running_ahead_leaves_exact_outcomes() {
    for connector in [&ways()[1], &ways()[3]] {
        let (mut client, _server) = client(connector, Server::new().closes_on_run_ahead()).await;
        let heard = all(client.send_all((0..5).map(mail))).await;
        let outcomes: Vec<_> = heard.iter().map(|told| told.split(' ').nth(1).unwrap()).collect();
        assert!(outcomes.iter().all(|word| ["unknown:", "not"].contains(word)), "{heard:#?}");
        assert_eq!(outcomes[0], "unknown:", "{heard:#?}");
        let first_left = outcomes.iter().position(|word| *word == "not").unwrap_or(5);
        assert!(outcomes[first_left..].iter().all(|word| *word == "not"), "{heard:#?}");

        // What was known of mails between them comes in its turn.
        let connector = connector.clone().line_endings(LineEndings::Reject);
        let (near, far) = duplex(64 * 1024);
        let _server = Server::new().closes_on_run_ahead().serve(far).unwrap();
        let mut client = connector.connect_over(near).await.unwrap();
        let bare = |n| Mail::new(envelope(n), "bare\n");
        let mails = [mail(0), bare(1), bare(2), mail(3), bare(4), mail(5)];
        let heard = all(client.send_all(mails)).await;
        let names: Vec<_> = heard.iter().map(|told| told.split('@').next().unwrap()).collect();
        assert_eq!(names, ["<b0", "<b1", "<b2", "<b3", "<b4", "<b5"]);
        assert!(heard[0].contains("unknown:"), "{heard:#?}");
        for told in &heard[1..3] {
            assert!(told.contains("not sent (the content cannot be sent"), "{heard:#?}");
        }
    }
    // As it is by default, it is sent to like any other.
    let (mut client, server) = client(&ways()[0], Server::new().closes_on_run_ahead()).await;
    assert_eq!(all(client.send_all((0..5).map(mail))).await.len(), 5);
    assert_eq!(taken(&server).len(), 5);
}

/// A stream of mails that says how many were taken of it.
struct Counted {
    mails: mpsc::Receiver<Mail<'static>>,
}

impl Stream for Counted {
    type Item = Mail<'static>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Mail<'static>>> {
        self.mails.poll_recv(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn mails_are_taken_one_by_one_and_waited_for() {
    for connector in ways() {
        let runs_ahead = format!("{connector:?}").contains("run_ahead: true");
        let (mut client, _server) = client(&connector, Server::new()).await;
        let (give, mails) = mpsc::channel(1000);
        for n in 0..1000 {
            give.send(mail(n)).await.unwrap();
        }
        let mut deliveries = client.send_each(Counted { mails });
        for n in 0..10 {
            let sent = deliveries.next().await.unwrap();
            assert!(told(&sent).starts_with(&format!("<b{n}@")));
            let left = give.max_capacity() - give.capacity();
            let most = if runs_ahead { n + 1 + 17 } else { n + 2 };
            assert!(1000 - left <= most, "{} are taken at {n}", 1000 - left);
        }
        for _ in 10..1000 {
            let _ = deliveries.next().await.unwrap();
        }
        // Nothing is there yet: it waits, may be dropped, and goes on.
        let waited = tokio::time::timeout(Duration::from_secs(60), deliveries.next()).await;
        assert!(waited.is_err());
        give.send(mail(1000)).await.unwrap();
        assert!(told(&deliveries.next().await.unwrap()).starts_with("<b1000@"));
        drop(give);
        assert!(deliveries.next().await.is_none());
        assert!(deliveries.next().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_it_while_nothing_is_there_is_heard() {
    let (near, mut far) = duplex(1024);
    let speaking = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        far.write_all(b"220 mx\r\n").await.unwrap();
        let mut heard = [0; 100];
        let _ = far.read(&mut heard).await.unwrap();
        far.write_all(b"250 mx\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_secs(300)).await;
        far.write_all(b"421 4.4.2 idle too long\r\n").await.unwrap();
        far
    });
    let mut client = connector().connect_over(near).await.unwrap();
    let (give, mails) = mpsc::channel(1);
    let mut deliveries = client.send_each(Counted { mails });
    let waited = tokio::time::timeout(Duration::from_secs(600), deliveries.next()).await;
    assert!(waited.is_err());
    give.send(mail(0)).await.unwrap();
    let words =
        "<b0@example.net> not sent (mx ended the session at MAIL FROM: 421 4.4.2 idle too long)";
    assert_eq!(told(&deliveries.next().await.unwrap()), words);
    drop(speaking);
}

#[tokio::test]
async fn quit_goes_behind_the_last() {
    for connector in ways() {
        let (mut client, server) = client(&connector, Server::new()).await;
        let heard = all(client.send_all((0..3).map(mail)).then_quit()).await;
        assert!(heard.iter().all(|told| told.contains(" accepted: ")), "{heard:?}");
        let log = server.log().concat();
        assert!(log.ends_with("C: QUIT\nS: 221 2.0.0 bye\n"), "{log}");
        let error = client.send(&envelope(9), "x").await.unwrap_err();
        assert_eq!(error.kind().name(), "closed");
    }
}

#[tokio::test]
async fn the_last_mail_may_take_quit_with_it() {
    for connector in ways() {
        for server in [Server::new(), Server::new().withhold("PIPELINING")] {
            let (mut client, server) = client(&connector, server).await;
            let delivery = client.send_last(&envelope(0), "Subject: 0\r\n").await.unwrap();
            assert!(delivery.is_complete());
            let log = server.log().concat();
            assert!(log.ends_with("C: QUIT\nS: 221 2.0.0 bye\n"), "{log}");
            assert_eq!(taken(&server).len(), 1);
        }
    }
}

/// Over DATA there is no way back; between chunks the next mail has one.
#[tokio::test(start_paused = true)]
async fn a_row_goes_on_behind_a_call_that_was_dropped_inside_a_content() {
    for connector in ways() {
        let (mut client, server) = client(&connector, Server::new()).await;
        let (mut writer, reader) = duplex(1024);
        writer.write_all(b"half a mail\r\n").await.unwrap();
        let mails = [mail(0), Mail::new(envelope(1), Source::new(reader)), mail(2)];
        let mut deliveries = client.send_all(mails);
        let mut heard = Vec::new();
        let patience = Duration::from_secs(5);
        while let Ok(sent) = tokio::time::timeout(patience, deliveries.next()).await {
            heard.push(told(&sent.unwrap()));
        }
        heard.extend(all(deliveries).await);
        assert_eq!(heard.len(), 3);
        let accepted = "accepted: 250 2.0.0 mail accepted";
        let closed =
            |stage| format!("not sent (the connection to mx was closed on this side at {stage})");
        let (half, last, count) = match format!("{connector:?}").contains("Bdat") {
            true => ("not sent".to_owned(), accepted.to_owned(), 2),
            false => (closed("content"), closed("MAIL FROM"), 1),
        };
        let expected = [
            format!("<b0@example.net> {accepted}"),
            format!("<b1@example.net> {half}"),
            format!("<b2@example.net> {last}"),
        ];
        assert_eq!(heard, expected, "{connector:?}");
        assert_eq!(taken(&server).len(), count);
    }
}
