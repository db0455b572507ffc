//! What a hostile reader found in mails that are on their way: windows that are full, streams that
//! never end, recipients that were never asked for, calls after a mail that failed.
#![cfg(feature = "net")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use ehlo::{Client, Connector, Envelope, Mail, Security, Source, Timeouts};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

fn in_clear() -> Connector {
    Connector::new("mx").security(Security::None)
}

/// A well-behaved pipelining server; `answer` may replace a reply (None: silence; "" = default).
async fn peer(
    stream: tokio::io::DuplexStream,
    offers: &'static str,
    mut answer: impl FnMut(&str) -> Option<String> + Send + 'static,
) -> String {
    let (read, mut write) = tokio::io::split(stream);
    let mut read = BufReader::new(read);
    let mut heard = String::new();
    write.write_all(b"220 mx\r\n").await.unwrap();
    let mut in_data = false;
    loop {
        let mut line = String::new();
        if read.read_line(&mut line).await.unwrap_or(0) == 0 {
            return heard;
        }
        if in_data {
            if line != ".\r\n" {
                continue;
            }
            in_data = false;
        } else {
            heard += &line;
        }
        let mut default = match line.get(..4).unwrap_or(".") {
            "EHLO" | "LHLO" => offers.to_owned(),
            "DATA" => "354 go\r\n".to_owned(),
            "QUIT" => "221 bye\r\n".to_owned(),
            "BDAT" => {
                let n: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
                let mut octets = vec![0; n];
                if read.read_exact(&mut octets).await.is_err() {
                    return heard;
                }
                "250 chunk\r\n".to_owned()
            }
            _ => "250 ok\r\n".to_owned(),
        };
        match answer(&line) {
            None => continue,
            Some(text) if text.is_empty() => {}
            Some(text) => default = text,
        }
        in_data = line.starts_with("DATA") && default.starts_with("354");
        if write.write_all(default.as_bytes()).await.is_err() {
            return heard;
        }
    }
}

const ALL: &str = "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n";

async fn client(
    connector: Connector,
    offers: &'static str,
    answer: impl FnMut(&str) -> Option<String> + Send + 'static,
) -> (Client, tokio::task::JoinHandle<String>) {
    let (near, far) = tokio::io::duplex(256 * 1024);
    let heard = tokio::spawn(peer(far, offers, answer));
    (connector.connect_over(near).await.unwrap(), heard)
}

fn default(_: &str) -> Option<String> {
    Some(String::new())
}

fn envelope(recipients: usize) -> Envelope {
    Envelope::new("alice@example.org", (0..recipients).map(|n| format!("b{n}@x.y"))).unwrap()
}

fn told(sent: &ehlo::Sent) -> String {
    let first = sent.delivery.recipient(0).unwrap().outcome().to_string();
    let why = sent.error.as_ref().map(|error| format!(" ({error}; {:?})", error.retry()));
    format!("{first}{}", why.unwrap_or_default())
}

#[tokio::test]
async fn a_mail_waits_where_the_flight_is_full() {
    for recipients in [510, 600, 2000] {
        let (mut client, _heard) = client(in_clear().run_ahead(), ALL, default).await;
        let mails = [recipients, 1, 1].map(|n| Mail::new(envelope(n), "Subject: x\r\n\r\n"));
        let mut deliveries = client.send_all(mails);
        let mut heard = Vec::new();
        while let Some(sent) = deliveries.next().await {
            heard.push(told(&sent));
        }
        assert!(heard.iter().all(|one| one == "accepted: 250 chunk"), "{heard:#?}");
    }
}

struct Broken;
impl tokio::io::AsyncRead for Broken {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Poll::Ready(Err(std::io::Error::other("gone")))
    }
}

#[tokio::test]
async fn sources_that_fail_leave_the_next_mail_alone() {
    let (mut client, _heard) = client(in_clear().run_ahead(), ALL, default).await;
    let mails = (0..300).map(|n| match n {
        299 => Mail::new(envelope(1), "Subject: good\r\n\r\n"),
        _ => Mail::new(envelope(1), Source::new(Broken).final_size(10)),
    });
    let mut deliveries = client.send_all(mails.collect::<Vec<_>>());
    let mut last = String::new();
    while let Some(sent) = deliveries.next().await {
        last = told(&sent);
    }
    assert_eq!(last, "accepted: 250 chunk");
}

struct Counted(Arc<AtomicUsize>, usize);
impl futures_core::Stream for Counted {
    type Item = Mail<'static>;
    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Mail<'static>>> {
        let n = self.0.fetch_add(1, Ordering::Relaxed);
        Poll::Ready((n < self.1).then(|| match n {
            0 => Mail::new(envelope(1), "Subject: good\r\n\r\n"),
            _ => Mail::new(envelope(1), &b"Subject: x\r\n\r\n\0"[..]),
        }))
    }
}

async fn poll_once<F: Future>(call: F) {
    let mut call = pin!(call);
    std::future::poll_fn(|cx| {
        let _ = call.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn mails_that_fail_at_once_are_not_fetched_without_bound() {
    for connector in [in_clear(), in_clear().run_ahead()] {
        let silent = |line: &str| (!line.starts_with("BDAT") && line != ".\r\n").then(String::new);
        let (mut client, _heard) = client(connector, ALL, silent).await;
        let count = Arc::new(AtomicUsize::new(0));
        let mut deliveries = client.send_each(Counted(count.clone(), 20_000));
        for _ in 0..10 {
            poll_once(deliveries.next()).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(count.load(Ordering::Relaxed) < 40);
    }
}

#[tokio::test]
async fn nor_are_those_beyond_mailmax() {
    let (mut client, _heard) = client(
        in_clear().run_ahead(),
        "250-mx\r\n250-PIPELINING\r\n250-LIMITS MAILMAX=1\r\n250 CHUNKING\r\n",
        default,
    )
    .await;
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let mails = (0..20_000).map(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        Mail::new(envelope(1), "Subject: x\r\n\r\n")
    });
    let mut deliveries = client.send_all(mails);
    let first = told(&deliveries.next().await.unwrap());
    println!("{first}; taken from the stream: {}", count.load(Ordering::Relaxed));
    assert!(count.load(Ordering::Relaxed) < 40);
}

#[tokio::test]
async fn who_was_never_asked_for_was_not_refused() {
    let answer = |line: &str| {
        Some(if line == ".\r\n" {
            "550 5.7.1 policy of the first\r\n".into()
        } else {
            String::new()
        })
    };
    for offers in [
        "250-mx\r\n250-PIPELINING\r\n250 LIMITS RCPTMAX=1\r\n",
        "250-mx\r\n250-PIPELINING\r\n250 LIMITS RCPTDOMAINMAX=1\r\n",
    ] {
        let (mut client, heard) = client(in_clear(), offers, answer).await;
        let envelope =
            Envelope::new("alice@example.org", ["a@one.example", "b@two.example"]).unwrap();
        let delivery = client.send(&envelope, "hello").await.unwrap();
        let second = delivery.recipient(1).unwrap().outcome().to_string();
        drop(client);
        assert!(!heard.await.unwrap().contains("two.example"));
        assert_eq!(second, "not sent");
    }
}

#[tokio::test]
async fn what_failed_is_ended_before_noop_and_help() {
    let answer = |line: &str| {
        Some(if line.starts_with("DATA") { "451 later\r\n".into() } else { String::new() })
    };
    let (mut client, _heard) = client(in_clear(), ALL, answer).await;
    let _ = client.send(&envelope(1), "hello").await.unwrap();
    let noop = client.noop().await;
    let _ = client.send(&envelope(1), "hello").await.unwrap();
    let help = client.help(None).await;
    assert!(noop.is_ok() && help.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_the_caller_is_no_silence_of_the_server() {
    let timeouts = Timeouts::default().with_whole(Some(Duration::from_secs(60)));
    let (mut client, heard) = client(in_clear().timeouts(timeouts).run_ahead(), ALL, default).await;
    let mails = (0..16).map(|n| Mail::new(envelope(1), format!("Subject: {n}\r\n\r\n")));
    let mut told_all = Vec::new();
    let mut deliveries = client.send_all(mails);
    while let Some(sent) = deliveries.next().await {
        told_all.push(told(&sent));
        tokio::time::sleep(Duration::from_secs(61)).await;
    }
    drop(deliveries);
    drop(client);
    let _ = heard.await;
    assert!(told_all.iter().all(|one| one == "accepted: 250 chunk"), "{told_all:#?}");
}

/// A mail each nine minutes to a server that never answers the first.
#[tokio::test(start_paused = true)]
async fn t13_mails_that_come_do_not_put_off_a_deadline() {
    struct Slow(usize, Pin<Box<tokio::time::Sleep>>);
    impl futures_core::Stream for Slow {
        type Item = Mail<'static>;
        fn poll_next(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Mail<'static>>> {
            if self.1.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.1 = Box::pin(tokio::time::sleep(Duration::from_secs(540)));
            self.0 += 1;
            Poll::Ready(Some(Mail::new(envelope(1), "Subject: x\r\n\r\n")))
        }
    }
    let mut ended = false;
    let silent = move |line: &str| {
        ended |= line.starts_with("BDAT");
        (!ended).then(String::new)
    };
    let (mut client, _heard) = client(in_clear().run_ahead(), ALL, silent).await;
    let mut deliveries = client.send_each(Slow(0, Box::pin(tokio::time::sleep(Duration::ZERO))));
    let began = tokio::time::Instant::now();
    let sent = deliveries.next().await.unwrap();
    assert!(
        told(&sent)
            .starts_with("unknown: no answer came after the mail was sent (no reply from mx"),
        "{}",
        told(&sent)
    );
    assert!(began.elapsed() < Duration::from_secs(11 * 60));
    // The second mail went out after nine minutes, when the first was waited for already.
    assert_eq!(sent.error.unwrap().elapsed(), Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn over_lmtp_nothing_is_waited_for_where_nobody_was_accepted() {
    let answer = |line: &str| match line.get(..4).unwrap_or(".") {
        "RCPT" => Some("550 who\r\n".to_owned()),
        "." => None,
        _ => Some(if line.starts_with('.') { return None } else { String::new() }),
    };
    let (mut client, _heard) = client(in_clear().lmtp(), ALL, answer).await;
    let began = tokio::time::Instant::now();
    let sent = client.send(&envelope(1), "hello").await;
    drop(client);
    let delivery = sent.unwrap();
    assert_eq!(
        delivery.recipient(0).unwrap().outcome().to_string(),
        "refused: 550 who (in reply to RCPT TO)"
    );
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn mails_in_a_row_say_why_the_client_could_not_greet_again() {
    let mut ehlos = 0;
    let answer = move |line: &str| {
        ehlos += usize::from(line.starts_with("EHLO"));
        Some(match line.get(..4) {
            Some("XCLI") => "220 mx\r\n".into(),
            Some("EHLO") if ehlos > 1 => "451 4.3.0 not now\r\n".into(),
            _ => String::new(),
        })
    };
    let (mut client, _heard) =
        client(in_clear(), "250-mx\r\n250-PIPELINING\r\n250 XCLIENT ADDR\r\n", answer).await;
    let attribute = ehlo::XclientAttribute::new(ehlo::XclientName::Addr, "192.0.2.1").unwrap();
    client.xclient(&[attribute]).await.unwrap_err();
    let mut deliveries = client.send_all([Mail::new(envelope(1), "hello")]);
    let sent = deliveries.next().await.unwrap();
    assert!(told(&sent).contains("451"));
}

/// The window is full at steady state: every mail may be hit.
#[tokio::test(start_paused = true)]
async fn no_mail_fails_where_the_window_is_always_full() {
    for recipients in [10, 40, 100, 200] {
        let (near, far) = tokio::io::duplex(1024 * 1024);
        let (mut a, b) = tokio::io::duplex(1024 * 1024);
        tokio::spawn(peer(b, ALL, default));
        // 100 ms each way
        tokio::spawn(async move {
            let mut far = far;
            let mut queue =
                std::collections::VecDeque::<(tokio::time::Instant, bool, Vec<u8>)>::new();
            let (mut one, mut two) = (vec![0; 65536], vec![0; 65536]);
            let lag = Duration::from_millis(100);
            loop {
                let due = queue.front().map(|front| front.0);
                tokio::select! {
                    () = async { match due { Some(due) => tokio::time::sleep_until(due).await, None => std::future::pending().await } } => {
                        let (_, up, octets) = queue.pop_front().unwrap();
                        if up { a.write_all(&octets).await.unwrap() } else { let _ = far.write_all(&octets).await; }
                    }
                    n = far.read(&mut one) => match n { Ok(n) if n > 0 => queue.push_back((tokio::time::Instant::now() + lag, true, one[..n].to_vec())), _ => return },
                    n = a.read(&mut two) => match n { Ok(n) if n > 0 => queue.push_back((tokio::time::Instant::now() + lag, false, two[..n].to_vec())), _ => return },
                }
            }
        });
        let mut client = in_clear().run_ahead().connect_over(near).await.unwrap();
        let mails = (0..60).map(|_| Mail::new(envelope(recipients), "Subject: x\r\n\r\n"));
        let mut all = std::collections::BTreeMap::<String, usize>::new();
        let mut deliveries = client.send_all(mails);
        while let Some(sent) = deliveries.next().await {
            *all.entry(told(&sent)).or_default() += 1;
        }
        assert_eq!(all.get("accepted: 250 chunk"), Some(&60));
    }
}

#[tokio::test]
async fn t18_half_a_mail_over_bdat_is_not_ended_by_hand() {
    let (mut client, _heard) = client(in_clear(), ALL, default).await;
    let mut mail = client.mail("alice@example.org").await.unwrap();
    mail.rcpt("bob@example.net").await.unwrap();
    let mut body = mail.bdat().unwrap();
    body.write(b"half of ").await.unwrap();
    drop(body);
    let mut smtp = client.into_conversation();
    let ended = smtp.chunk(b"another\r\n", true).await;
    drop(smtp);
    assert!(ended.is_err());
}

struct Holds(Vec<u8>, bool);
impl std::io::Write for Holds {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(octets);
        Ok(octets.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        match std::mem::replace(&mut self.1, true) {
            true => Ok(()),
            false => Err(std::io::ErrorKind::WouldBlock.into()),
        }
    }
}

#[test]
fn a_flush_that_would_block_is_asked_for_again() {
    use ehlo::{Command, Session, SessionConfig, Step};
    let mut session = Session::new(SessionConfig::default());
    session.receive(b"220 mx\r\n");
    session.poll().unwrap();
    session.send(&Command::ehlo("c.example").unwrap()).unwrap();
    session.poll().unwrap();
    let mut stream = Holds(Vec::new(), false);
    assert!(session.write_to(&mut stream, &mut &b""[..]).is_err());
    assert!(matches!(session.poll().unwrap(), Step::Write(_)), "nobody flushes any more");
}

#[tokio::test]
async fn who_was_never_asked_for_was_not_refused_by_data() {
    let answer = |line: &str| {
        Some(if line.starts_with("DATA") {
            "554 5.7.1 policy of the first\r\n".into()
        } else {
            String::new()
        })
    };
    let offers = "250-mx\r\n250-PIPELINING\r\n250 LIMITS RCPTDOMAINMAX=1\r\n";
    let (mut client, _heard) = client(in_clear(), offers, answer).await;
    let envelope = Envelope::new("alice@example.org", ["a@one.example", "b@two.example"]).unwrap();
    let delivery = client.send(&envelope, "hello").await.unwrap();
    let second = delivery.recipient(1).unwrap().outcome().to_string();
    assert_eq!(second, "not sent");
}
