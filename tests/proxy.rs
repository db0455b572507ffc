//! Through proxies, and behind a balancer: TLS to the server, secrets, and the words of what fails.
#![cfg(all(feature = "proxy", feature = "testing"))]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ehlo::testing::{Running, Server};
use ehlo::{
    Connector, Envelope, ErrorKind, Proxy, ProxyHeader, ProxyStep, Retry, RootCertificates,
    Security, Stage, Timeouts, TlsInfo,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// What stands before a server: it hears one dialogue of its kind and leads to the server.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Socks5,
    Http,
    Balancer1,
    Balancer2,
}

struct Relay {
    port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Relay {
    async fn start(kind: Kind, server: &Running) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (log, server) = (heard.clone(), server.addr());
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let said = greet(kind, &mut client).await;
                log.lock().unwrap().extend(said);
                let mut server = TcpStream::connect(server).await.unwrap();
                // How they part is the tests' affair.
                tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
            }
        });
        Self { port, heard }
    }

    fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned()
    }

    fn proxy(&self, kind: Kind) -> Proxy {
        let at = format!("127.0.0.1:{}", self.port);
        let proxy = if kind == Kind::Http { Proxy::http(at) } else { Proxy::socks5(at) };
        proxy.credentials("alice", "w0nder-land")
    }
}

async fn greet(kind: Kind, client: &mut TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    match kind {
        Kind::Socks5 => {
            let length = client.read(&mut [0; 4]).await.unwrap();
            assert_eq!(length, 4);
            client.write_all(b"\x05\x02").await.unwrap();
            client.read_exact(&mut [0; b"\x01\x05alice\x0bw0nder-land".len()]).await.unwrap();
            client.write_all(b"\x01\0").await.unwrap();
            let mut head = [0; 5];
            client.read_exact(&mut head).await.unwrap();
            heard.resize(usize::from(head[4]), 0);
            client.read_exact(&mut heard).await.unwrap();
            heard.extend(format!(":{}", client.read_u16().await.unwrap()).bytes());
            client.write_all(b"\x05\0\0\x01\0\0\0\0\0\0").await.unwrap();
        }
        Kind::Http => {
            while !heard.ends_with(b"\r\n\r\n") {
                heard.push(client.read_u8().await.unwrap());
            }
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
        }
        Kind::Balancer1 => {
            while !heard.ends_with(b"\r\n") {
                heard.push(client.read_u8().await.unwrap());
            }
        }
        Kind::Balancer2 => {
            heard.resize(28, 0);
            client.read_exact(&mut heard).await.unwrap();
        }
    }
    heard
}

fn trusting(connector: Connector, server: &Running) -> Connector {
    connector.roots(RootCertificates::from_pem(server.ca_pem().as_bytes()).unwrap())
}

fn mail() -> Envelope {
    Envelope::new("alice@example.org", ["bob@example.net"]).unwrap()
}

/// The name is in the certificate and in no DNS: the proxy alone can know it.
#[tokio::test]
async fn tls_goes_through_and_the_proxy_knows_the_name() {
    for kind in [Kind::Socks5, Kind::Http] {
        for (security, server) in [
            (Security::StartTls, Server::new()),
            (Security::Implicit, Server::new().implicit_tls()),
        ] {
            let server = server.user("bob", "x").start().await.unwrap();
            let relay = Relay::start(kind, &server).await;
            let connector = Connector::new("mx.example.test").port(2525).security(security);
            let connector = trusting(connector, &server).proxy(relay.proxy(kind));
            let connector = match cfg!(target_os = "linux") {
                true => connector.source_address("127.0.0.2".parse().unwrap()),
                false => connector,
            };
            let mut client = connector.credentials("bob", "x").connect().await.unwrap();
            assert!(client.conversation().tls().is_some_and(TlsInfo::is_verified));
            assert!(client.send(&mail(), "x").await.unwrap().is_complete());
            client.quit().await.unwrap();
            assert!(relay.heard().contains("mx.example.test:2525"), "{}", relay.heard());
            assert_eq!(server.mails()[0].user(), Some("bob"));
            // Where the proxy was reached from is nothing for the server.
            assert_eq!(server.mails()[0].client().as_str(), "[127.0.0.1]");
        }
    }
}

#[tokio::test]
async fn t9_through_a_proxy_a_certificate_is_checked_as_anywhere() {
    for kind in [Kind::Socks5, Kind::Http] {
        let server = Server::new().start().await.unwrap();
        let relay = Relay::start(kind, &server).await;
        let wrong_name = trusting(Connector::new("other.example.test"), &server);
        let unknown_issuer =
            trusting(Connector::new("mx.example.test"), &{ Server::new().start().await.unwrap() });
        for connector in [wrong_name, unknown_issuer] {
            let error = connector.proxy(relay.proxy(kind)).connect().await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Tls(_)), "{error}");
        }
        assert!(server.mails().is_empty());
    }
}

#[tokio::test]
async fn a_server_behind_a_balancer_learns_who_is_calling() {
    for security in [Security::Implicit, Security::None] {
        let server = match security {
            Security::Implicit => Server::new().implicit_tls(),
            _ => Server::new(),
        };
        let server = server.start().await.unwrap();
        let relay = Relay::start(Kind::Balancer1, &server).await;
        let connector = trusting(Connector::new("127.0.0.1").port(relay.port), &server);
        let connector = connector.security(security).proxy_header(ProxyHeader::v1());
        connector.connect().await.unwrap().quit().await.unwrap();
        let heard = relay.heard();
        let [begin, end] = ["PROXY TCP4 127.0.0.1 127.0.0.1 ", &format!(" {}\r\n", relay.port)];
        assert!(heard.starts_with(begin) && heard.ends_with(end), "{heard}");

        let relay = Relay::start(Kind::Balancer2, &server).await;
        let [from, to] = ["192.0.2.7:4321", "198.51.100.1:25"].map(|end| end.parse().unwrap());
        let header = ProxyHeader::v2().between(from, to);
        connector.port(relay.port).proxy_header(header).connect().await.unwrap();
        assert!(relay.heard.lock().unwrap().ends_with(&[198, 51, 100, 1, 0x10, 0xe1, 0, 25]));
    }
}

#[tokio::test]
async fn a_header_goes_first_over_what_is_given_too() {
    let (near, mut far) = tokio::io::duplex(1024);
    let connector = Connector::new("mx").security(Security::None).proxy_header(ProxyHeader::v1());
    let served = async {
        let mut heard = [0; b"PROXY UNKNOWN\r\n".len()];
        far.read_exact(&mut heard).await.unwrap();
        far.write_all(b"220 mx\r\n").await.unwrap();
        heard
    };
    let (opened, heard) = tokio::join!(connector.open_over(near), served);
    assert_eq!(heard, *b"PROXY UNKNOWN\r\n");
    assert_eq!(opened.unwrap().greeting().code().number(), 220);

    // Nobody reads it.
    let (near, _far) = tokio::io::duplex(1);
    let timeouts = Timeouts::default().with_connect(Duration::from_millis(10));
    let error = connector.timeouts(timeouts).open_over(near).await.unwrap_err();
    assert_eq!(error.to_string(), "mx: the connect was not done within 10ms");
}

/// Listens once, reads what comes first, says this and closes.
async fn says(reply: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let _ = client.read(&mut [0; 1024]).await;
        client.write_all(reply).await.unwrap();
        // Whatever else it says is read, so that the end is no reset.
        client.shutdown().await.unwrap();
        let _ = client.read_to_end(&mut Vec::new()).await;
    });
    at
}

#[tokio::test]
async fn t11_t19_a_hostile_proxy_is_named_and_its_words_are_escaped() {
    for (scheme, reply, step, retry, words) in [
        (
            "socks5",
            &b"\x05\x02\x01\x01"[..],
            ProxyStep::Login,
            Retry::Later,
            "did not let this client in: it refused user and password (1)",
        ),
        (
            "socks5",
            b"\x05\0\x05\x05\0\x01\0\0\0\0\0\0",
            ProxyStep::Request,
            Retry::NextHost,
            "did not connect to mx.example:587: it said 5, connection refused",
        ),
        (
            "socks5",
            b"\x1b]",
            ProxyStep::Method,
            Retry::Later,
            r#"did not let this client in: it does not speak SOCKS5: it said "\x1b]""#,
        ),
        (
            "http",
            b"HTTP/1.1 407 \x1b[2J\r\n\r\n",
            ProxyStep::Login,
            Retry::Later,
            r#"did not let this client in: it said "HTTP/1.1 407 \x1b[2J""#,
        ),
        (
            "http",
            b"HTTP/1.1 503 no such host\r\n\r\n",
            ProxyStep::Request,
            Retry::NextHost,
            "did not connect to mx.example:587: it said \"HTTP/1.1 503 no such host\"",
        ),
    ] {
        let at = says(reply).await;
        let proxy: Proxy = format!("{scheme}://alice:w0nder@{at}").parse().unwrap();
        let error = Connector::new("mx.example").proxy(proxy).connect().await.unwrap_err();
        assert_eq!(error.to_string(), format!("the proxy {scheme}://{at} {words}"));
        assert_eq!((error.stage(), error.retry()), (Stage::Connect, retry));
        assert_eq!((error.kind().name(), error.peer()), ("proxy", "mx.example"));
        let ErrorKind::Proxy(fault) = error.kind() else { panic!("{error:?}") };
        assert_eq!(fault.step(), step);
        let shown = format!("{error:?}");
        // In base64 too, wherever it would begin.
        for secret in ["w0nder", "dzBuZGVy", "cwbmRlc", "MG5kZX"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[tokio::test]
async fn the_whole_call_is_bounded_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::socks5(listener.local_addr().unwrap().to_string());
    let timeouts = Timeouts::default().with_whole(Some(Duration::from_millis(50)));
    let error = Connector::new("mx").proxy(proxy).timeouts(timeouts).connect().await.unwrap_err();
    assert_eq!(error.to_string(), "mx: the connect was not done within 50ms");
}

#[tokio::test]
async fn t3_what_no_proxy_can_be_asked_for_is_misuse() {
    let proxy = || Proxy::http("127.0.0.1:1");
    let misuse = async |connector: Connector, words: &str| {
        let error = connector.connect().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Misuse(_)), "{error:?}");
        assert_eq!((error.to_string().as_str(), error.retry()), (words, Retry::Never));
    };
    #[cfg(unix)]
    {
        let words = "a Unix socket is not reached through a proxy";
        misuse(Connector::unix("/x").proxy(proxy()), words).await;
    }
    let words = "\"mx/?\" is no name to ask a proxy for: 1 to 255 letters, digits, -, . and _";
    misuse(Connector::new("mx/?").proxy(proxy()), words).await;
    let words = "an HTTP proxy has no port of its own: give one";
    misuse(Connector::new("mx").proxy(Proxy::http("p")), words).await;
    let words = "a user name for an HTTP proxy has no colon";
    misuse(Connector::new("mx").proxy(proxy().credentials("a:b", "c")), words).await;
}
