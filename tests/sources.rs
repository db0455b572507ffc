//! Content from readers that fail, lie or never come, over DATA and BDAT: what each recipient has, that
//! the server never took half a mail, and whether the client goes on.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ehlo::testing::{Running, Server};
use ehlo::{
    Client, Connector, Delivery, Envelope, Error, LineEndings, Mail, MailParam, Outcome, Retry,
    Security, Source, Timeouts, Transfer,
};
use tokio::io::{AsyncRead, ReadBuf};

/// A reader that has so many octets, in lines, and ends so.
struct Reader {
    has: usize,
    ends: Ends,
}

#[derive(Clone, Copy)]
enum Ends {
    Well,
    Fails,
    Never,
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match (self.has, self.ends) {
            (0, Ends::Well) => Poll::Ready(Ok(())),
            (0, Ends::Fails) => Poll::Ready(Err(io::Error::other("the disk is gone"))),
            (0, Ends::Never) => Poll::Pending,
            _ => {
                // Whole lines of 16 octets as far as they go.
                let octets = self.has.min(buf.remaining()).min(1024);
                for n in (0..octets).rev() {
                    let at = (self.has - octets + n) % 16;
                    buf.put_slice(match at {
                        1 => b"\r",
                        0 => b"\n",
                        _ => b"x",
                    });
                }
                self.has -= octets;
                Poll::Ready(Ok(()))
            }
        }
    }
}

fn reader(has: usize, ends: Ends) -> Reader {
    Reader { has, ends }
}

const WAYS: [Transfer; 2] = [Transfer::Data, Transfer::Bdat];

async fn client(server: Server, connector: Connector) -> (Client, Running) {
    let (near, far) = tokio::io::duplex(4096);
    let running = server.serve(far).unwrap();
    (connector.security(Security::None).connect_over(near).await.unwrap(), running)
}

fn envelope(id: usize) -> Envelope {
    Envelope::new("a@example.test", [format!("bob-{id}@example.test")]).unwrap()
}

fn outcome(delivery: &Delivery) -> String {
    delivery.recipients().next().unwrap().outcome().to_string()
}

/// The mail fails in these words and is not sent; over BDAT the next goes out behind RSET, over DATA
/// the session is over. Nothing of it was taken.
async fn fails(connector: Connector, source: Source<'_>, envelope: &Envelope, words: &str) {
    let is_bdat = format!("{connector:?}").contains("Bdat");
    let (mut client, running) = client(Server::new(), connector).await;
    let error = client.send(envelope, source).await.unwrap_err();
    assert_eq!(error.to_string(), words);
    assert_ne!(error.retry(), Retry::Unknown);
    let delivery = client.take_delivery().await.unwrap();
    assert_eq!(outcome(&delivery), "not sent");
    assert_eq!(running.mails(), []);
    let next = client.send(&self::envelope(2), "next\r\n").await;
    if is_bdat {
        assert!(next.unwrap().is_complete());
        assert!(running.log()[0].contains("C: RSET\n"), "{}", running.log()[0]);
        assert_eq!(running.received(1).await.unwrap()[0].content(), b"next\r\n");
    } else {
        assert_eq!(next.unwrap_err().kind().name(), "closed");
    }
}

/// At once, in the first piece, at its end, in a later one.
const PLACES: [usize; 6] = [0, 5, 1000, 128 * 1024, 200_000, 300 * 1024];

#[tokio::test]
async fn t21_a_reader_that_fails_sends_nothing() {
    for transfer in WAYS {
        for has in PLACES {
            let source = Source::new(reader(has, Ends::Fails));
            let connector = Connector::new("").transfer(transfer);
            fails(
                connector,
                source,
                &envelope(1),
                "the content could not be read: the disk is gone",
            )
            .await;
        }
    }
}

#[tokio::test]
async fn a_reader_that_has_not_what_was_declared_sends_nothing() {
    type Declare = fn(Source<'static>, u64) -> Source<'static>;
    let declares: [Declare; 2] = [Source::size, Source::final_size];
    for transfer in WAYS {
        for declare in declares {
            let connector = || Connector::new("").transfer(transfer);
            for (has, declared, words) in [
                (300_000, 300_010, "it ends 10 octets before the size that was declared"),
                (0, 1, "it ends 1 octets before the size that was declared"),
                (300_000, 299_999, "it has more octets than were declared"),
                (5, 0, "it has more octets than were declared"),
            ] {
                let source = declare(Source::new(reader(has, Ends::Well)), declared);
                let words = format!("the content could not be read: {words}");
                fails(connector(), source, &envelope(1), &words).await;
            }
            for has in [0, 16, 4096, 300_000] {
                let source = declare(Source::new(reader(has, Ends::Well)), has as u64);
                let (mut client, running) = client(Server::new(), connector()).await;
                assert!(client.send(&envelope(1), source).await.unwrap().is_complete());
                let mails = running.received(1).await.unwrap();
                assert_eq!(mails[0].content().len(), has.next_multiple_of(16));
            }
        }
    }
}

#[tokio::test]
async fn c_074_an_octet_that_breaks_the_declaration_sends_nothing() {
    let seven_bit = envelope(1).param(MailParam::body(ehlo::BodyType::SevenBit));
    for transfer in WAYS {
        for before in [0, 1000, 130_000, 262_144] {
            let with = |octets: &[u8]| {
                let mut content = b"x\r\n".repeat(before / 3 + 1);
                content.extend_from_slice(octets);
                content
            };
            let at = with(b"").len();
            let connector = || Connector::new("").transfer(transfer);
            for (octets, policy, envelope, words) in [
                (&b"caf\xe9\r\n"[..], LineEndings::Normalize, &seven_bit, "an octet above 127"),
                (b"a\rb\r\n", LineEndings::Reject, &envelope(1), "a CR without an LF"),
                (b"a\nb\r\n", LineEndings::Reject, &envelope(1), "an LF without a CR"),
                (b"a\0b\r\n", LineEndings::Reject, &envelope(1), "a NUL"),
                (b"a\0b\r\n", LineEndings::Normalize, &envelope(1), "a NUL"),
            ] {
                let content = with(octets);
                let (mut client, running) =
                    client(Server::new(), connector().line_endings(policy)).await;
                let error = client.send(envelope, Source::new(&*content)).await.unwrap_err();
                assert_eq!(error.kind().name(), "content", "{error}");
                let offset = at + octets.iter().position(|o| !(b' '..0x7f).contains(o)).unwrap();
                let words = format!("{words} at offset {offset}");
                assert!(error.to_string().contains(&words), "{error}");
                assert_eq!(error.retry(), Retry::Never);
                assert_eq!(outcome(&client.take_delivery().await.unwrap()), "not sent");
                assert_eq!(running.mails(), []);
                let next = client.send(&self::envelope(2), "next\r\n").await;
                assert_eq!(next.is_ok(), transfer == Transfer::Bdat);
            }
        }
    }
}

/// The chunks of a mail never have more octets than the server takes: what it refuses, some servers
/// run as commands.
#[tokio::test]
async fn t21_c_111_chunks_never_exceed_the_size_that_is_offered() {
    for has in [1001, 150_000, 400_000] {
        let limit = if has == 400_000 { 200_000 } else { 1000 };
        let server = Server::new().max_size(limit).runs_refused_chunks();
        let (mut client, running) =
            client(server, Connector::new("").transfer(Transfer::Bdat)).await;
        let content = b"MAIL FROM:<mallory@example.test>\r\n".repeat(has / 34 + 1);
        let error = client.send(&envelope(1), Source::new(&*content)).await.unwrap_err();
        assert_eq!((error.kind().name(), error.retry()), ("too_large", Retry::Never), "{error}");
        assert_eq!(outcome(&client.take_delivery().await.unwrap()), "not sent");
        assert!(client.send(&envelope(2), "next\r\n").await.unwrap().is_complete());
        assert!(!running.log()[0].contains("mallory"), "{}", running.log()[0]);
        assert_eq!(running.mails().len(), 1);
    }
}

/// A reader that is never ready holds neither the server's last word back nor the end of the call.
#[tokio::test(start_paused = true)]
async fn c_103_a_server_is_heard_while_a_reader_is_waited_for() {
    for transfer in WAYS {
        for has in [0, 1000, 128 * 1024] {
            let (near, mut far) = tokio::io::duplex(1024);
            tokio::spawn(async move {
                let running = Server::new();
                let (inner, end) = tokio::io::duplex(1024);
                let _running = running.serve(end).unwrap();
                let mut inner = inner;
                // All goes through, until nothing more comes for a minute.
                let copied = tokio::io::copy_bidirectional(&mut far, &mut inner);
                let _ = tokio::time::timeout(Duration::from_secs(60), copied).await;
                use tokio::io::AsyncWriteExt as _;
                far.write_all(b"421 4.4.2 too slow\r\n").await.unwrap();
            });
            let connector = Connector::new("mx").security(Security::None).transfer(transfer);
            let mut client = connector.connect_over(near).await.unwrap();
            let source = Source::new(reader(has, Ends::Never));
            let error = client.send(&envelope(1), source).await.unwrap_err();
            assert_eq!(
                error.to_string(),
                "mx ended the session at content: 421 4.4.2 too slow",
                "{transfer:?} {has}"
            );
            assert_eq!(outcome(&client.take_delivery().await.unwrap()), "not sent");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_call_ends_though_a_reader_never_comes() {
    let timeouts = Timeouts::default().with_whole(Some(Duration::from_secs(3600)));
    for transfer in WAYS {
        for has in [0, 1000, 128 * 1024] {
            let connector = Connector::new("").timeouts(timeouts).transfer(transfer);
            let (mut client, running) = client(Server::new(), connector).await;
            let source = Source::new(reader(has, Ends::Never));
            let began = tokio::time::Instant::now();
            let error = client.send(&envelope(1), source).await.unwrap_err();
            assert_eq!((error.kind().name(), began.elapsed().as_secs()), ("timeout", 3600));
            assert_eq!(outcome(&client.take_delivery().await.unwrap()), "not sent");
            assert_eq!(running.mails(), []);
        }
    }
}

/// The time of a whole call is that of each mail: what they take together, and how long the next one
/// lets itself be waited for, is the caller's business.
#[tokio::test(start_paused = true)]
async fn mails_in_a_row_have_the_time_of_a_call_each() {
    let minute = Duration::from_secs(60);
    let timeouts = Timeouts::default().with_whole(Some(minute));
    for connector in [Connector::new(""), Connector::new("").run_ahead()] {
        let (mut client, _running) = client(Server::new(), connector.timeouts(timeouts)).await;
        let mut pause = Box::pin(tokio::time::sleep(minute * 2));
        let mut sent = 0;
        let mails = stream(move |cx| {
            if sent == 3 {
                return Poll::Ready(None);
            }
            std::task::ready!(pause.as_mut().poll(cx));
            pause.as_mut().reset(tokio::time::Instant::now() + minute * 2);
            sent += 1;
            Poll::Ready(Some(Mail::new(envelope(sent), "hello\r\n")))
        });
        let mut deliveries = client.send_each(mails);
        let mut complete = 0;
        while let Some(sent) = deliveries.next().await {
            assert!(sent.error.is_none(), "{:?}", sent.error);
            complete += usize::from(sent.delivery.is_complete());
        }
        assert_eq!(complete, 3);
    }
}

/// A mail whose reader fails takes no other with it where it can be left out.
#[tokio::test]
async fn mails_in_a_row_go_on_behind_a_reader_that_failed() {
    for (connector, goes_on) in [
        (Connector::new("").transfer(Transfer::Bdat), true),
        (Connector::new("").transfer(Transfer::Bdat).run_ahead(), true),
        (Connector::new("").transfer(Transfer::Data), false),
        (Connector::new("").transfer(Transfer::Data).run_ahead(), false),
    ] {
        let (mut client, running) = client(Server::new(), connector).await;
        let mails = vec![
            Mail::new(envelope(1), "first\r\n"),
            Mail::new(envelope(2), Source::new(reader(200_000, Ends::Fails))),
            Mail::new(envelope(3), Source::new(&b"third\r\n"[..])),
        ];
        let mut deliveries = client.send_all(mails);
        let mut came = Vec::new();
        while let Some(sent) = deliveries.next().await {
            let said = sent.error.as_ref().map_or("ok", |error: &Error| error.kind().name());
            let is_accepted = |outcome| matches!(outcome, Outcome::Accepted(_));
            let has = sent.delivery.recipients().all(|one| is_accepted(one.outcome()));
            came.push((has, said));
        }
        let third = if goes_on { (true, "ok") } else { (false, "closed") };
        // Over DATA the connection goes, and with it the answer to the first where it was not there.
        let first = if came[0].0 { (true, "ok") } else { (false, "closed") };
        assert_eq!(came, [first, (false, "source"), third]);
        assert!(first.0 || !goes_on);
        let contents: Vec<_> = running.mails().iter().map(|mail| mail.content().to_vec()).collect();
        assert!(contents.iter().all(|content| content == b"first\r\n" || content == b"third\r\n"));
    }
}

/// A stream made of a function.
fn stream<F>(next: F) -> impl futures_core::Stream<Item = Mail<'static>> + Send
where
    F: FnMut(&mut Context<'_>) -> Poll<Option<Mail<'static>>> + Send + Unpin,
{
    struct From<F>(F);
    impl<F: FnMut(&mut Context<'_>) -> Poll<Option<Mail<'static>>> + Unpin> futures_core::Stream
        for From<F>
    {
        type Item = Mail<'static>;

        fn poll_next(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Mail<'static>>> {
            (self.0)(cx)
        }
    }
    From(next)
}
