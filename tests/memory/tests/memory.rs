//! However long a mail is and however many there are, the client takes the same memory. What is
//! allocated is counted; the server throws away what it reads.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use ehlo::{Client, Connector, Envelope, Mail, Monitor, Probe, Security, Source, Transfer};
use memory::{now, peak, restart, rise};
use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadBuf,
};

/// Answers everything with what is wanted, and keeps the count of octets of content alone.
async fn serve(far: DuplexStream) -> u64 {
    let mut far = BufReader::new(far);
    let mut octets = 0;
    let mut line = String::new();
    far.write_all(b"220 mx\r\n").await.unwrap();
    loop {
        line.clear();
        if far.read_line(&mut line).await.unwrap_or(0) == 0 {
            return octets;
        }
        let reply = match line.get(..4).unwrap_or_default() {
            "EHLO" => "250-mx\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 CHUNKING\r\n",
            "DATA" => {
                far.write_all(b"354 go\r\n").await.unwrap();
                octets += discard_data(&mut far).await;
                "250 taken\r\n"
            }
            "BDAT" => {
                let size = line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap();
                let mut chunk = (&mut far).take(size);
                octets += tokio::io::copy(&mut chunk, &mut tokio::io::sink()).await.unwrap();
                "250 taken\r\n"
            }
            "QUIT" => "221 bye\r\n",
            _ => "250 ok\r\n",
        };
        far.write_all(reply.as_bytes()).await.unwrap();
    }
}

async fn discard_data(far: &mut BufReader<DuplexStream>) -> u64 {
    let mut line = Vec::with_capacity(128);
    let mut octets = 0;
    loop {
        line.clear();
        far.read_until(b'\n', &mut line).await.unwrap();
        assert!(!line.is_empty(), "it closed");
        if line == b".\r\n" {
            return octets;
        }
        octets += line.len() as u64;
    }
}

/// Lines of content, so many octets.
struct Lines(u64);

const LINE: &[u8; 64] = b"a line of a mail that is long and has many lines of this kind.\r\n";

impl AsyncRead for Lines {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        while self.0 > 0 && buf.remaining() >= LINE.len() {
            buf.put_slice(LINE);
            self.0 -= LINE.len() as u64;
        }
        assert!(self.0 == 0 || !buf.filled().is_empty(), "a piece that holds no line");
        Poll::Ready(Ok(()))
    }
}

fn envelope() -> Envelope {
    Envelope::new("alice@example.org", ["bob@example.net"]).unwrap()
}

/// Runs what is to be done with a client, and says how many octets of content came.
fn with_client(connector: Connector, run: impl AsyncFnOnce(&mut Client)) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let (near, far) = tokio::io::duplex(256 * 1024);
        let server = tokio::spawn(serve(far));
        let connector = connector.security(Security::None);
        let mut client = connector.connect_over(near).await.unwrap();
        run(&mut client).await;
        client.quit().await.unwrap();
        drop(client);
        server.await.unwrap()
    })
}

/// 64 MiB; 1 GiB where there is time.
fn large() -> u64 {
    if std::env::var_os("EHLO_LARGE").is_some() { 1 << 30 } else { 64 << 20 }
}

/// One test: what others allocate would be counted too.
#[test]
fn memory_is_flat() {
    for transfer in [Transfer::Data, Transfer::Bdat] {
        for ahead in [false, true] {
            let mut connector = Connector::new("").transfer(transfer);
            if ahead {
                connector = connector.run_ahead();
            }
            let way = format!("{transfer:?}, ahead: {ahead}");
            let (rise, octets) = rise(|| one_large_mail(connector.clone()));
            assert_eq!(octets, large(), "{way}");
            println!("{way}: {rise} octets for one mail of {octets}");
            assert!(rise < 8 << 20, "{way}: {rise} octets");
            many_mails(&way, connector);
        }
    }
    many_probes();
    an_idle_client();
}

/// What it holds once it has sent a mail, the half of a pipe with it that it was given.
fn an_idle_client() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let held = runtime.block_on(async {
        let (near, far) = tokio::io::duplex(4096);
        tokio::spawn(serve(far));
        let connector = Connector::new("mx").security(Security::None);
        let mut client = Box::new(connector.connect_over(near).await.unwrap());
        let delivery = client.send(&envelope(), "Subject: hello\r\n\r\n").await.unwrap();
        assert!(delivery.is_complete());
        drop(delivery);
        let before = now();
        drop(client);
        before - now()
    });
    println!("{held} octets for an idle client");
    assert!(held <= 960, "{held} octets");
}

/// A hundred servers in memory, watched for ten thousand probes.
fn many_probes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let probes = Arc::new(AtomicUsize::new(0));
        let mut monitor = Monitor::new().interval(Duration::from_millis(1)).at_once(10);
        for server in 0..100 {
            let probes = Arc::clone(&probes);
            let connector = Connector::new("mx").security(Security::None).dialer(move || {
                probes.fetch_add(1, Ordering::Relaxed);
                let (near, far) = tokio::io::duplex(4096);
                tokio::spawn(serve(far));
                async { Ok(near) }
            });
            let probe = Probe::with(connector).recipient("bob@example.net");
            monitor.watch(format!("mx{server}"), probe);
        }
        // Each has its place for a report by then.
        listen(&mut monitor, &probes, 2000).await;
        let flat = now();
        restart();
        listen(&mut monitor, &probes, 12_000).await;
        let rise = peak() - flat;
        println!("{rise} octets for ten thousand probes, beside {flat}");
        assert!(rise < 256 * 1024, "{rise} octets");
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        assert!(tasks <= 2 * 10, "{tasks} tasks");
    });
}

/// Until so many probes have begun.
async fn listen(monitor: &mut Monitor, probes: &AtomicUsize, until: usize) {
    while probes.load(Ordering::Relaxed) < until {
        let _ = tokio::time::timeout(Duration::from_millis(1), monitor.next()).await;
    }
    assert!(monitor.servers().all(|mx| mx.report().is_some_and(ehlo::Report::is_ok)));
}

fn one_large_mail(connector: Connector) -> u64 {
    with_client(connector, async |client| {
        let source = Source::new(Lines(large())).final_size(large());
        assert!(client.send(&envelope(), source).await.unwrap().is_complete());
    })
}

fn many_mails(way: &str, connector: Connector) {
    with_client(connector, async |client| {
        let mails =
            (0..10_000).map(|_| Mail::new(envelope(), &b"Subject: hello\r\n\r\nhello\r\n"[..]));
        let mut deliveries = client.send_all(mails);
        let mut count = 0;
        // Buffers have grown to what they need behind the first thousand.
        let mut flat = 0;
        while let Some(sent) = deliveries.next().await {
            assert!(sent.delivery.is_complete(), "{:?}", sent.error);
            count += 1;
            if count == 1000 {
                flat = now();
                restart();
            }
        }
        assert_eq!(count, 10_000);
        let rise = peak() - flat;
        println!("{way}: {rise} octets for nine thousand mails");
        assert!(rise < 64 * 1024, "{way}: {rise} octets");
    });
}
