//! Servers from a URL, and every address of a name.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use ehlo::testing::Server;
use ehlo::{Connector, Envelope, ErrorKind, RootCertificates, Stage, TlsInfo};
use tokio::net::TcpListener;

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
