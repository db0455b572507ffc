//! A relay that ends TLS in the middle, with a certificate that the client trusts: what is bound to
//! the channel goes no further, and what is not is overheard.

use std::sync::Arc;

use tokio::io::{DuplexStream, copy_bidirectional, duplex};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::super::tls::Identity;
use super::*;
use crate::{Client, Connector, Credentials, Error, RootCertificates, Security, TlsVersion};

const NAME: &str = "mx.example.test";

/// Speaks TLS with both, and passes on what they say.
async fn relay(client: DuplexStream, server: DuplexStream, identity: Identity, ca: String) {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(NAME).unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut far = connector.connect(name, server).await.unwrap();
    let mut near = identity.acceptor.accept(client).await.unwrap();
    let _ = copy_bidirectional(&mut near, &mut far).await;
}

async fn through_the_relay(mechanism: &str, version: TlsVersion) -> Result<Client, Error> {
    let ((near, middle), (behind, far)) = (duplex(65_536), duplex(65_536));
    let server = Server::new().implicit_tls().user("alice", "wonderland").mechanisms([mechanism]);
    let server = server.maximum_tls(version).serve(far).unwrap();
    let of_the_relay = Server::new().maximum_tls(version);
    let identity = Identity::new(NAME, &of_the_relay.tls).unwrap();
    let roots = RootCertificates::from_pem(identity.ca_pem.as_bytes()).unwrap();
    tokio::spawn(relay(middle, behind, identity, server.ca_pem().to_owned()));
    let connector = Connector::new(NAME).security(Security::Implicit).roots(roots);
    connector.authenticate(Credentials::new("alice", "wonderland")).connect_over(near).await
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
                     \"channel-bindings-dont-match\""
                )
            );
        }
    }
}
