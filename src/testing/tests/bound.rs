//! A relay that ends TLS in the middle, with a certificate that the client trusts: what is bound to
//! the channel goes no further, and what is not is overheard.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex, split};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::super::tls::Identity;
use super::*;
use crate::{Client, Connector, Credentials, Error, RootCertificates, Security, TlsVersion};

const NAME: &str = "mx.example.test";
const DENIED: &str = "535 5.7.8 credentials not accepted";

/// What the relay changes of what it passes on.
#[derive(Clone, Copy)]
struct Tampering {
    /// What stands in the offer of AUTH, and what takes its place.
    offer: (&'static str, &'static str),
    /// The lines that begin so go no further: the relay answers them with 504.
    not_known: Option<&'static str>,
}

const NONE: Tampering = Tampering { offer: ("AUTH", "AUTH"), not_known: None };

/// Speaks TLS with both, and passes on what they say, line by line.
async fn relay(
    client: DuplexStream,
    server: DuplexStream,
    identity: Identity,
    ca: String,
    tampering: Tampering,
) {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(NAME).unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let (from_server, mut to_server) = split(connector.connect(name, server).await.unwrap());
    let (from_client, mut to_client) = split(identity.acceptor.accept(client).await.unwrap());
    let mut replies = BufReader::new(from_server).lines();
    let mut commands = BufReader::new(from_client).lines();
    loop {
        tokio::select! {
            reply = replies.next_line() => {
                let Ok(Some(mut reply)) = reply else { break };
                if reply.get(4..).is_some_and(|text| text.starts_with("AUTH")) {
                    reply = reply.replace(tampering.offer.0, tampering.offer.1);
                }
                to_client.write_all(format!("{reply}\r\n").as_bytes()).await.unwrap();
                to_client.flush().await.unwrap();
            }
            command = commands.next_line() => {
                let Ok(Some(command)) = command else { break };
                if tampering.not_known.is_some_and(|line| command.starts_with(line)) {
                    to_client.write_all(b"504 5.5.4 not known\r\n").await.unwrap();
                    to_client.flush().await.unwrap();
                } else {
                    to_server.write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
                    to_server.flush().await.unwrap();
                }
            }
        }
    }
}

async fn through_the_relay(mechanism: &str, version: TlsVersion) -> Result<Client, Error> {
    let credentials = Credentials::new("alice", "wonderland");
    tampered_with(&[mechanism], version, NONE, credentials).await
}

async fn tampered_with(
    offered: &[&str],
    version: TlsVersion,
    tampering: Tampering,
    credentials: Credentials,
) -> Result<Client, Error> {
    let ((near, middle), (behind, far)) = (duplex(65_536), duplex(65_536));
    let server = Server::new().implicit_tls().user("alice", "wonderland");
    let server = server.mechanisms(offered.iter().copied());
    let server = server.maximum_tls(version).serve(far).unwrap();
    let of_the_relay = Server::new().maximum_tls(version);
    let identity = Identity::new(NAME, &of_the_relay.tls).unwrap();
    let roots = RootCertificates::from_pem(identity.ca_pem.as_bytes()).unwrap();
    tokio::spawn(relay(middle, behind, identity, server.ca_pem().to_owned(), tampering));
    let connector = Connector::new(NAME).security(Security::Implicit).roots(roots);
    connector.authenticate(credentials).connect_over(near).await
}

/// Over TLS 1.2 it is the certificate that is bound, and the relay has another one.
#[tokio::test]
async fn c_148_c_149_a_relay_that_ends_tls_is_found_out() {
    for version in [TlsVersion::Tls13, TlsVersion::Tls12] {
        for mechanism in ["PLAIN", "SCRAM-SHA-256"] {
            let client = through_the_relay(mechanism, version).await.unwrap();
            assert_eq!(client.conversation().tls().unwrap().version(), version);
        }
        for mechanism in ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS"] {
            let error = through_the_relay(mechanism, version).await.unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "authentication with {NAME} failed: {mechanism}: the server gave up: \
                     \"channel-bindings-dont-match\", and said: {DENIED}"
                )
            );
        }
    }
}

const BOTH: [&str; 2] = ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"];

/// What a client says where it finds no -PLUS that it could use is enough for the server to find
/// the relay out, whatever stands in its place.
#[tokio::test]
async fn c_148_a_relay_that_hides_the_plus_is_found_out() {
    for version in [TlsVersion::Tls13, TlsVersion::Tls12] {
        for (hidden, instead) in [
            (" SCRAM-SHA-256-PLUS", ""),
            ("SCRAM-SHA-256-PLUS", "X-PLUS"),
            ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"),
        ] {
            let tampering = Tampering { offer: (hidden, instead), ..NONE };
            let alice = Credentials::new("alice", "wonderland").mechanisms(BOTH);
            let error = tampered_with(&BOTH, version, tampering, alice).await.unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "authentication with {NAME} failed: SCRAM-SHA-256: the server gave up: \
                     \"server-does-support-channel-binding\", and said: {DENIED}"
                ),
                "{instead}"
            );
        }
    }
}

/// A 504 to the -PLUS may be the relay's own.
#[tokio::test]
async fn c_148_t10_nothing_is_tried_behind_a_plus_that_is_not_known() {
    let tampering = Tampering { not_known: Some("AUTH SCRAM-SHA-256-PLUS"), ..NONE };
    let offered = ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"];
    let alice = || Credentials::new("alice", "wonderland");
    let error = tampered_with(&offered, TlsVersion::Tls13, tampering, alice()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{NAME} said: 504 5.5.4 not known (in reply to AUTH SCRAM-SHA-256-PLUS <secret>)")
    );
    // Whoever allows it takes the risk.
    let stubborn = alice().try_others();
    tampered_with(&offered, TlsVersion::Tls13, tampering, stubborn).await.unwrap();
}
