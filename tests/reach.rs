//! Servers from a URL, and every address of a name.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ehlo::testing::Server;
use ehlo::{
    Connector, Envelope, ErrorKind, HeloPolicy, RootCertificates, Security, Stage, Timeouts,
    TlsInfo,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

fn mail() -> Envelope {
    Envelope::new("alice@example.org", ["bob@example.net"]).unwrap()
}

#[tokio::test]
async fn a_url_is_all_it_takes() {
    for (scheme, server) in [("smtp", Server::new()), ("smtps", Server::new().implicit_tls())] {
        let server = server.user("al ice", "a/b@c").start().await.unwrap();
        let url = format!("{scheme}://al%20ice:a%2Fb%40c@localhost:{}", server.port());
        let roots = RootCertificates::from_pem(server.ca_pem().as_bytes()).unwrap();
        let connector: Connector = url.parse().unwrap();
        let mut client = connector.roots(roots).connect().await.unwrap();
        assert!(client.conversation().tls().is_some_and(TlsInfo::is_verified));
        assert!(client.send(&mail(), "x").await.unwrap().is_complete());
        assert_eq!(server.mails()[0].user(), Some("al ice"));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_url_names_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("ehlo reach {}", std::process::id()));
    let server = Server::new().lmtp().start_unix(&path).await.unwrap();
    let url = Connector::unix(&path).lmtp().to_string();
    assert!(url.starts_with("lmtp+unix:///") && url.contains("ehlo%20reach%20"), "{url}");
    let mut client = url.parse::<Connector>().unwrap().connect().await.unwrap();
    assert!(client.send(&mail(), "x").await.unwrap().is_complete());
    assert_eq!(server.mails().len(), 1);
}

/// Elsewhere `smtp://` goes on in clear where the server offers no STARTTLS.
#[tokio::test]
async fn t7_t10_a_url_leads_to_no_secret_in_clear() {
    let server = Server::new().user("alice", "w0nder").allow_cleartext().withhold("STARTTLS");
    let server = server.start().await.unwrap();
    for (scheme, stage, words) in [
        ("smtp", Stage::StartTls, "127.0.0.1 does not offer STARTTLS, which required TLS needs"),
        (
            "smtp+insecure",
            Stage::Auth,
            "AUTH would send a secret in clear: only allow_cleartext lets it",
        ),
        (
            "smtp+opportunistic",
            Stage::Auth,
            "AUTH would send a secret in clear: only allow_cleartext lets it",
        ),
    ] {
        let url = format!("{scheme}://alice:w0nder@127.0.0.1:{}", server.port());
        let connector: Connector = url.parse().unwrap();
        let error = connector.clone().connect().await.unwrap_err();
        assert_eq!((error.to_string().as_str(), error.stage()), (words, stage));
        if scheme == "smtp+insecure" {
            assert!(connector.allow_cleartext().connect().await.is_ok());
        }
    }
}

/// `localhost` has two families where the machine has, and the server listens on one of them.
#[tokio::test]
async fn c_161_every_address_of_a_name_is_tried_and_named() {
    let server = Server::new().start().await.unwrap();
    let url = format!("smtp+insecure://localhost:{}", server.port());
    assert!(url.parse::<Connector>().unwrap().connect().await.is_ok());

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = Connector::new("localhost").port(port).connect().await.unwrap_err();
    let ErrorKind::Connect(fault) = error.kind() else { panic!("{error:?}") };
    let tried: Vec<_> = fault.attempts().iter().map(|attempt| attempt.address().unwrap()).collect();
    assert!(tried.iter().any(|address| address.is_ipv4()), "{error}");
    // IPv6 first, if there is any.
    assert!(tried.is_sorted_by_key(|address| address.is_ipv4()), "{error}");
    for address in tried {
        assert!(error.to_string().contains(&format!("{address}: ")), "{error}");
    }
}

/// What becomes of the first connection, after this time; the next one is silent.
#[derive(Debug, Clone, Copy)]
enum First {
    /// STARTTLS is taken, and no TLS comes of it.
    BreaksTls(Duration),
    /// EHLO ends it.
    ClosesOnEhlo(Duration),
}

/// The server's end of the first connection.
async fn serve(mut stream: DuplexStream, first: First) {
    let mut heard = [0; 512];
    stream.write_all(b"220 mx\r\n").await.unwrap();
    let _ = stream.read(&mut heard).await;
    match first {
        First::BreaksTls(after) => {
            stream.write_all(b"250-mx\r\n250 STARTTLS\r\n").await.unwrap();
            let _ = stream.read(&mut heard).await;
            stream.write_all(b"220 go\r\n").await.unwrap();
            sleep(after).await;
            let _ = stream.write_all(b"\x15\x03\x03\x00\x02\x02\x28").await;
        }
        First::ClosesOnEhlo(after) => sleep(after).await,
    }
}

/// It is one call, whatever it takes. Time is not real.
#[tokio::test(start_paused = true)]
async fn t13_the_limit_for_the_whole_holds_over_all_connections_of_a_call() {
    let whole = Duration::from_secs(10);
    let (soon, late) = (Duration::from_secs(7), Duration::from_secs(70));
    for (first, connections, stage) in [
        (First::BreaksTls(soon), 2, Stage::Greeting),
        // Nothing is left of it: no other connection is begun.
        (First::BreaksTls(late), 1, Stage::Handshake),
        (First::ClosesOnEhlo(soon), 2, Stage::Greeting),
        (First::ClosesOnEhlo(late), 1, Stage::Ehlo),
    ] {
        let made = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&made);
        let dial = move || {
            let (near, far) = tokio::io::duplex(1024);
            match count.fetch_add(1, Ordering::Relaxed) {
                0 => drop(tokio::spawn(serve(far, first))),
                _ => drop(tokio::spawn(async move {
                    sleep(late).await;
                    drop(far);
                })),
            }
            async { Ok(near) }
        };
        let security = match first {
            First::BreaksTls(_) => Security::Opportunistic,
            First::ClosesOnEhlo(_) => Security::None,
        };
        let connector = Connector::new("mx").security(security).dialer(dial);
        let connector = connector.retry_in_clear().helo(HeloPolicy::WhereRefused);
        let timeouts = Timeouts::default().with_whole(Some(whole));
        let began = Instant::now();
        let error = connector.timeouts(timeouts).connect().await.unwrap_err();
        assert_eq!((began.elapsed().as_secs(), error.stage()), (10, stage), "{first:?}: {error}");
        assert!(matches!(error.kind(), ErrorKind::Timeout(_)), "{first:?}: {error}");
        assert_eq!(error.elapsed().as_secs(), 10, "{first:?}");
        assert_eq!(made.load(Ordering::Relaxed), connections, "{first:?}");
    }
}

/// Names are asked for as DNS has them.
#[cfg(feature = "idna")]
#[tokio::test]
async fn c_043_a_host_beyond_ascii_is_reached_over_tls() {
    use ehlo::{Resolve, ResolveFault, Resolving};

    #[derive(Debug)]
    struct Known(&'static str);

    impl Resolve for Known {
        fn addresses<'a>(&'a self, host: &'a str) -> Resolving<'a, Vec<std::net::IpAddr>> {
            Box::pin(async move {
                match host == self.0 {
                    true => Ok(vec![[127, 0, 0, 1].into()]),
                    false => Err(ResolveFault::no_such_name(host)),
                }
            })
        }
    }

    let server = Server::new().name("xn--bcher-kva.example").start().await.unwrap();
    let roots = RootCertificates::from_pem(server.ca_pem().as_bytes()).unwrap();
    let url = format!("smtp://bücher.example:{}", server.port());
    let connector = url.parse::<Connector>().unwrap().resolver(Known("xn--bcher-kva.example"));
    let client = connector.roots(roots).connect().await.unwrap();
    assert!(client.conversation().tls().is_some_and(TlsInfo::is_verified));
}
