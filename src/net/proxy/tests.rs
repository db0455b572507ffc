//! Dialogues with proxies that behave, and with those that do not, octet by octet.

use super::*;
use crate::net::SystemResolver;

use tokio::io::duplex;
use tokio::net::TcpListener;

/// What the server behind a proxy says first. It may come in one segment with the proxy's last
/// word.
const GREETING: &[u8] = b"220 mx\r\n";

fn target(host: &str) -> Target {
    Target::new(host, 25).unwrap()
}

fn socks5() -> Proxy {
    Proxy::socks5("p")
}

fn http() -> Proxy {
    Proxy::http("p:3128")
}

/// A dialogue with a proxy that says this at once and whatever it hears: what it heard, how far it
/// went, and what is left on the line.
async fn dialogue(
    proxy: &Proxy,
    host: &str,
    says: &[u8],
) -> (Result<(), ProxyReason>, ProxyStep, Vec<u8>, Vec<u8>) {
    let (mut near, mut far) = duplex(64 * 1024);
    far.write_all(says).await.unwrap();
    far.shutdown().await.unwrap();
    let mut step = ProxyStep::Request;
    let outcome = proxy.ask(&mut near, &mut step, &target(host)).await;
    let mut left = Vec::new();
    near.read_to_end(&mut left).await.unwrap();
    drop(near);
    let mut heard = Vec::new();
    far.read_to_end(&mut heard).await.unwrap();
    (outcome, step, heard, left)
}

/// It connects, said exactly this, and left the server's greeting alone.
#[track_caller]
fn connected(
    (outcome, step, heard, left): (Result<(), ProxyReason>, ProxyStep, Vec<u8>, Vec<u8>),
    expected: &[u8],
) {
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(step, ProxyStep::Request);
    assert_eq!(Escaped::new(&heard).to_string(), Escaped::new(expected).to_string());
    assert_eq!(left, GREETING);
}

async fn fails(proxy: &Proxy, says: &[u8]) -> (ProxyStep, String, Vec<u8>) {
    let (outcome, step, heard, _) = dialogue(proxy, "mx", says).await;
    (step, outcome.unwrap_err().to_string(), heard)
}

#[tokio::test]
async fn socks5_asks_by_name_and_by_address() {
    for (host, asked) in [
        ("mx.example", &b"\x03\x0amx.example\0\x19"[..]),
        ("192.0.2.1", b"\x01\xc0\0\x02\x01\0\x19"),
        ("[2001:db8::1]", b"\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\0\x19"),
    ] {
        for bound in [
            &b"\x01\x7f\0\0\x01\x04\x38"[..],
            b"\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x04\x38",
            b"\x03\x05proxy\x04\x38",
            b"\x03\0\x04\x38",
        ] {
            let says = [b"\x05\0\x05\0\0", bound, GREETING].concat();
            let said = [b"\x05\x01\0\x05\x01\0", asked].concat();
            connected(dialogue(&socks5(), host, &says).await, &said);
        }
    }
}

#[tokio::test]
async fn socks5_logs_in_where_it_is_to() {
    let proxy = socks5().credentials("alice", "wonderland");
    const CONNECTED: &[u8] = b"\x05\0\0\x01\0\0\0\0\0\0";
    const REQUEST: &[u8] = b"\x05\x01\0\x03\x02mx\0\x19";
    let login = b"\x01\x05alice\x0awonderland";
    for status in [b"\x01\0", b"\x05\0"] {
        let says = [b"\x05\x02", &status[..], CONNECTED, GREETING].concat();
        let said = [b"\x05\x02\0\x02", &login[..], REQUEST].concat();
        connected(dialogue(&proxy, "mx", &says).await, &said);
    }
    // A proxy that wants no password gets none.
    let says = [b"\x05\0", CONNECTED, GREETING].concat();
    connected(dialogue(&proxy, "mx", &says).await, &[b"\x05\x02\0\x02", REQUEST].concat());
}

#[tokio::test]
async fn socks5_says_why_not() {
    let plain = socks5();
    let with_login = socks5().credentials("alice", "wonderland");
    for (proxy, says, step, words) in [
        (&plain, &b"\x05\xff"[..], ProxyStep::Method, "it wants another login than it was offered"),
        (&with_login, b"\x05\x02\x01\x07", ProxyStep::Login, "it refused user and password (7)"),
        (&plain, b"\x05\0\x05\x02", ProxyStep::Request, "it closed the connection"),
        (
            &plain,
            b"\x05\0\x05\x02\0\x01",
            ProxyStep::Request,
            "it said 2, not allowed by its rules",
        ),
        (&plain, b"", ProxyStep::Method, "it closed the connection"),
    ] {
        let (at, said, _) = fails(proxy, says).await;
        assert_eq!((at, said.as_str()), (step, words));
    }
}

#[tokio::test]
async fn t19_a_hostile_socks5_proxy_gets_nothing_more() {
    let plain = socks5();
    let foreign = |said: &str| format!("it does not speak SOCKS5: it said \"{said}\"");
    for (says, step, words) in [
        // Another protocol, or another version.
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], ProxyStep::Method, foreign("HT")),
        (b"220 mx.example\r\n", ProxyStep::Method, foreign("22")),
        (b"\x04\0", ProxyStep::Method, foreign(r"\x04\x00")),
        // A login that was not offered: no password is made up for it.
        (b"\x05\x02", ProxyStep::Method, foreign(r"\x05\x02")),
        (b"\x05\x01", ProxyStep::Method, foreign(r"\x05\x01")),
        // A reply of another version, of no known type of address, and a success that is none.
        (b"\x05\0\x04\0\0\x01", ProxyStep::Request, foreign(r"\x04\x00\x00\x01")),
        (b"\x05\0\x05\0\0\x02", ProxyStep::Request, foreign(r"\x05\x00\x00\x02")),
        // Lengths beyond what comes.
        (b"\x05\0\x05\0\0\x03\xff220 mx\r\n", ProxyStep::Request, closed()),
        (b"\x05\0\x05\0\0\x03", ProxyStep::Request, closed()),
        (b"\x05\0\x05\0\0\x04\0\0\0\0\0\0", ProxyStep::Request, closed()),
        (b"\x05\0\x05\0\0\x01\0\0\0\0\0", ProxyStep::Request, closed()),
    ] {
        let (at, said, heard) = fails(&plain, says).await;
        assert_eq!((at, said), (step, words));
        let is_asked = step == ProxyStep::Request;
        assert_eq!(heard.len(), if is_asked { 3 + 9 } else { 3 }, "{heard:?}");
    }
    // Endless: no more is read than the dialogue can have.
    let endless = [&b"\x05\0\x05\0\0\x03\xff"[..], &[b'x'; 60_000]].concat();
    let (outcome, _, _, left) = dialogue(&plain, "mx", &endless).await;
    assert!(outcome.is_ok());
    assert_eq!(left.len(), 60_000 - 257);
    // What is no SOCKS5 gets no password, whatever method it names.
    let with_login = plain.credentials("a", "w0nder");
    let (at, words, heard) = fails(&with_login, b"\x04\x02\x01\0").await;
    assert_eq!((at, words), (ProxyStep::Method, foreign(r"\x04\x02")));
    assert_eq!(heard, b"\x05\x02\0\x02");
    // In the login too.
    let (at, words, heard) = fails(&with_login, b"\x05\x02HT").await;
    assert_eq!((at, words), (ProxyStep::Login, foreign("HT")));
    assert!(heard.ends_with(b"w0nder"), "nothing behind it");
}

fn closed() -> String {
    "it closed the connection".to_owned()
}

#[tokio::test]
async fn http_asks_by_name_and_by_address() {
    for (host, asked) in
        [("mx.example", "mx.example:25"), ("192.0.2.1", "192.0.2.1:25"), ("::1", "[::1]:25")]
    {
        for header in [
            "HTTP/1.1 200 Connection established\r\n\r\n",
            "HTTP/1.0 200\r\n\r\n",
            "HTTP/1.1 299 \r\nVia: p\r\nContent-Length: 8\r\n\r\n",
            "HTTP/1.1 200 ok\n\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ok\r\nX: y\r\n\r\n",
        ] {
            let says = [header.as_bytes(), GREETING].concat();
            let said = format!("CONNECT {asked} HTTP/1.1\r\nHost: {asked}\r\n\r\n");
            connected(dialogue(&http(), host, &says).await, said.as_bytes());
        }
    }
}

#[tokio::test]
async fn http_logs_in_with_the_request() {
    let proxy = http().credentials("Aladdin", "open sesame");
    let says = [b"HTTP/1.1 200 ok\r\n\r\n", GREETING].concat();
    // The example of RFC 7617 §2.
    let said = b"CONNECT mx:25 HTTP/1.1\r\nHost: mx:25\r\n\
                 Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n";
    connected(dialogue(&proxy, "mx", &says).await, said);
}

#[tokio::test]
async fn http_says_why_not() {
    for (says, step, words) in [
        (
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nsorr",
            ProxyStep::Request,
            "it said \"HTTP/1.1 403 Forbidden\"",
        ),
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n",
            ProxyStep::Login,
            "it said \"HTTP/1.1 407 Proxy Authentication Required\"",
        ),
        ("HTTP/1.1 302 \x1b[2J\r\n\r\n", ProxyStep::Request, r#"it said "HTTP/1.1 302 \x1b[2J""#),
        ("", ProxyStep::Request, "it closed the connection"),
        ("HTTP/1.1 200 ok\r\n", ProxyStep::Request, "it closed the connection"),
    ] {
        let (at, said, _) = fails(&http(), says.as_bytes()).await;
        assert_eq!((at, said.as_str()), (step, words));
    }
}

#[tokio::test]
async fn t19_a_hostile_http_proxy_meets_a_cap() {
    let endless_line = [b"HTTP/1.1 200 ", &[b'x'; 20_000][..]].concat();
    let endless_header = [&b"HTTP/1.1 200 ok\r\n"[..], &b"X: y\r\n".repeat(4000)].concat();
    let endless_field = [&b"HTTP/1.1 200 ok\r\nX: "[..], &[b'x'; 20_000]].concat();
    let endless_returns = [&b"HTTP/1.1 200 ok"[..], &[b'\r'; 20_000]].concat();
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1000);
    for says in [&endless_line, &endless_header, &endless_field, &endless_returns, &interim] {
        let (outcome, step, _, left) = dialogue(&http(), "mx", says).await;
        let words = outcome.unwrap_err().to_string();
        assert_eq!(words, "its reply has a header of more than 8192 octets");
        assert_eq!((step, left.len()), (ProxyStep::Request, says.len() - 8192));
    }
    // The last octet that is let through.
    let fits =
        |length: usize| [b"HTTP/1.1 200 ok\nX", &vec![b'x'; length - 19][..], b"\n\n"].concat();
    assert_eq!(fits(8192).len(), 8192);
    assert!(dialogue(&http(), "mx", &fits(8192)).await.0.is_ok());
    assert!(dialogue(&http(), "mx", &fits(8193)).await.0.is_err());
}

#[tokio::test]
async fn t19_t20_another_protocol_is_told_at_its_first_octets() {
    for (says, shown) in [
        ("220 mx.example ESMTP\r\n", "2"),
        ("\x05\x01", r"\x05"),
        ("HTTP/2 200\r\n\r\n", "HTTP/2"),
        ("HTTP/1.1 2OO ok\r\n\r\n", "HTTP/1.1 2OO ok"),
        ("HTTP/1.1 2000\r\n\r\n", "HTTP/1.1 2000"),
        ("HTTP/1.1 +20\r\n\r\n", "HTTP/1.1 +20"),
        ("HTTP/1.1 20\r\n\r\n", "HTTP/1.1 20"),
        ("HTTP/1.1 099 low\r\n\r\n", "HTTP/1.1 099 low"),
        ("HTTP/1.1\r\n\r\n", "HTTP/1.1"),
        ("HTTP/1.x 200\r\n\r\n", "HTTP/1.x 200"),
    ] {
        let (_, words, _) = fails(&http(), says.as_bytes()).await;
        assert_eq!(words, format!("it does not speak HTTP: it said \"{shown}\""));
    }
    let long = format!("HTTP/1.1 no{}\r\n", "x".repeat(4000));
    let (_, words, _) = fails(&http(), long.as_bytes()).await;
    assert_eq!(words.len(), "it does not speak HTTP: it said \"\"".len() + 200);
}

/// A proxy at a port of its own, which says this and goes on to say nothing.
async fn silent(says: &'static [u8]) -> (u16, tokio::task::JoinHandle<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(says).await.unwrap();
        stream
    };
    (port, tokio::spawn(served))
}

#[tokio::test]
async fn t19_the_deadline_for_connecting_covers_the_dialogue() {
    let timeouts = Timeouts::default().with_connect(Duration::from_millis(100));
    for (scheme, says, words) in [
        ("socks5", &b""[..], "did not let this client in"),
        ("socks5", b"\x05\0", "did not connect to mx.example:25"),
        ("socks5", b"\x05\0\x05\0\0\x03\xffx", "did not connect to mx.example:25"),
        ("http", b"HTTP/1.1 200 ok\r\nX: y\r\n", "did not connect to mx.example:25"),
    ] {
        let (port, served) = silent(says).await;
        let proxy: Proxy = format!("{scheme}://127.0.0.1:{port}").parse().unwrap();
        let fault = proxy
            .dial(port, &target("mx.example"), &SystemResolver, &[], &timeouts)
            .await
            .unwrap_err();
        assert_eq!(
            fault.to_string(),
            format!("the proxy {proxy} {words}: it was not done within 100ms")
        );
        assert_eq!(fault.proxy(), proxy.to_string());
        assert!(matches!(fault.reason(), ProxyReason::TimedOut(_)));
        drop(served.await);
    }
}

/// What connecting has taken is gone.
#[tokio::test(start_paused = true)]
async fn t19_a_dialogue_has_what_is_left_of_the_time() {
    for proxy in [socks5(), http()] {
        let (mut near, _far) = duplex(1024);
        let limit = Duration::from_secs(30);
        let began = Instant::now();
        tokio::time::advance(Duration::from_secs(12)).await;
        let fault = proxy.converse(&mut near, &target("mx"), began, limit).await.unwrap_err();
        assert_eq!(began.elapsed(), limit);
        assert!(fault.to_string().ends_with(": it was not done within 30s"), "{fault}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named() {
    let timeouts = Timeouts::default();
    let (port, served) = silent(b"").await;
    served.abort();
    let _ = served.await;
    let proxy = Proxy::socks5(format!("127.0.0.1:{port}"));
    let fault = proxy.dial(port, &target("mx"), &SystemResolver, &[], &timeouts).await.unwrap_err();
    assert_eq!(fault.step(), ProxyStep::Connect);
    let begin = format!("the proxy {proxy} cannot be reached: no connection: 127.0.0.1:{port}: ");
    assert!(fault.to_string().starts_with(&begin), "{fault}");
    assert!(std::error::Error::source(&fault).is_some());

    let proxy = Proxy::socks5("no proxy\0");
    assert!(proxy.check().is_err());
    let proxy = Proxy::http("no-such-host.invalid:3128");
    let fault = proxy.dial(3128, &target("mx"), &SystemResolver, &[], &timeouts).await.unwrap_err();
    assert_eq!(fault.step(), ProxyStep::Resolve);
}

#[test]
fn what_cannot_be_used_is_said_before_anything_is_looked_up() {
    let words = |proxy: Proxy| proxy.check().unwrap_err().to_string();
    assert_eq!(words(Proxy::http("p")), "an HTTP proxy has no port of its own: give one");
    assert_eq!(
        words(Proxy::socks5("a b")),
        "\"a b\" is not a server: host, host:port or [IPv6]:port"
    );
    let counted = "SOCKS5 takes 1 to 255 octets of a user name and of a password";
    let long = "x".repeat(256);
    for (user, password) in [("", "x"), ("x", ""), (&*long, "x"), ("x", &long)] {
        assert_eq!(words(socks5().credentials(user, password)), counted);
    }
    assert_eq!(words(http().credentials("a:b", "x")), "a user name for an HTTP proxy has no colon");
    let controls = "a user name and a password for an HTTP proxy have no control characters";
    assert_eq!(words(http().credentials("a\n", "x")), controls);
    assert_eq!(words(http().credentials("a", "x\r\nX: y")), controls);
    assert_eq!(http().credentials("", &*long).check(), Ok(3128));
    assert_eq!(socks5().credentials(&long[1..], &long[1..]).check(), Ok(1080));
}

#[test]
fn t11_a_proxy_never_shows_its_password() {
    for url in ["socks5://alice:w0nder@p", "http://alice:w0nder@p:1"] {
        let proxy: Proxy = url.parse().unwrap();
        let shown = format!("{proxy} {proxy:?}");
        assert!(!shown.contains("w0nder") && shown.contains("<secret>"), "{shown}");
    }
}

#[test]
fn a_proxy_from_a_url() {
    for (url, shown) in [
        ("socks5://p", "socks5://p:1080"),
        ("SOCKS5H://[2001:db8::1]:9", "socks5://[2001:db8::1]:9"),
        ("http://a:b@p.example:3128/", "http://p.example:3128"),
    ] {
        assert_eq!(Proxy::try_from(url).unwrap().to_string(), shown);
    }
    for (url, words) in [
        ("https://p:1", "the URL has the scheme \"https\", which is none of socks5, socks5h, http"),
        ("http://p:1/x", "the URL has a path, and there is nothing that it could mean"),
        ("socks5://a@p", "the URL has a user and no password: it is user:password@"),
    ] {
        assert_eq!(url.parse::<Proxy>().unwrap_err().to_string(), words);
    }
}
