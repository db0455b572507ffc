//! Client certificates through a connector: shown where a server asks, what AUTH EXTERNAL makes of
//! them, and the words where one is missed or not believed.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use ehlo::testing::{Running, Server};
use ehlo::{
    Client, ClientCertificate, Connector, Credentials, Error, Retry, RootCertificates, Security,
    Stage, TlsVersion,
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

const BOTH: [TlsVersion; 2] = [TlsVersion::Tls12, TlsVersion::Tls13];

/// Who signs the certificates of clients.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> ClientCertificate {
        let mut params = CertificateParams::new(["client.example".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        ClientCertificate::from_pem(chain.as_bytes(), key.serialize_pem().as_bytes()).unwrap()
    }
}

/// A server that asks for what this authority has signed, over at most this version of TLS.
fn asking(of: &Authority, version: TlsVersion) -> Server {
    Server::new().mechanisms(["EXTERNAL", "PLAIN"]).client_authority(&of.pem).maximum_tls(version)
}

async fn connect(
    server: &Running,
    certificate: Option<ClientCertificate>,
) -> Result<Client, Error> {
    external(server, certificate, Security::StartTls).connect().await
}

fn external(
    server: &Running,
    certificate: Option<ClientCertificate>,
    security: Security,
) -> Connector {
    let roots = RootCertificates::from_pem(server.ca_pem().as_bytes()).unwrap();
    let mut connector = Connector::new("127.0.0.1").port(server.port()).roots(roots);
    if let Some(certificate) = certificate {
        connector = connector.client_certificate(certificate);
    }
    connector.security(security).authenticate(Credentials::external())
}

/// `AUTH EXTERNAL =`: who acts, the certificate has told.
#[tokio::test]
async fn external_logs_in_who_shows_a_certificate() {
    let ca = Authority::new("an authority");
    for version in BOTH {
        for security in [Security::StartTls, Security::Implicit] {
            let server = asking(&ca, version).require_client_certificate();
            let server = match security {
                Security::Implicit => server.implicit_tls(),
                _ => server,
            };
            let server = server.start().await.unwrap();
            let connector = external(&server, Some(ca.issue(|_| {})), security);
            // A session that is resumed is still with whom the certificate was shown by.
            for is_resumed in [false, true] {
                let mut client = connector.connect().await.unwrap();
                assert!(client.conversation().is_authenticated());
                let tls = client.conversation().tls().unwrap();
                assert_eq!((tls.version(), tls.is_resumed()), (version, is_resumed));
                client.quit().await.unwrap();
            }
            assert!(server.log().iter().all(|log| log.contains("C: AUTH EXTERNAL <secret>\n")));
        }
    }
}

/// The server may ask, and go on without: then EXTERNAL has nothing to stand on.
#[tokio::test]
async fn external_without_a_certificate_is_refused() {
    let ca = Authority::new("an authority");
    for version in BOTH {
        let server = asking(&ca, version).start().await.unwrap();
        let error = connect(&server, None).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "127.0.0.1 said: 535 5.7.8 credentials not accepted (in reply to AUTH EXTERNAL \
             <secret>)"
        );
    }
}

/// Over TLS 1.2 the handshake itself fails; over TLS 1.3 this side is done with it before the
/// server has looked, and hears of it in the place of the next reply.
#[tokio::test]
async fn t9_a_server_that_does_not_believe_the_client_is_quoted() {
    let (ca, other) = (Authority::new("an authority"), Authority::new("another authority"));
    let late = || ca.issue(|params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let for_servers = || {
        ca.issue(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth])
    };
    for version in BOTH {
        let server = asking(&ca, version).require_client_certificate().start().await.unwrap();
        for (certificate, alert) in [
            (None, "certificate required (it wants a client certificate)"),
            (
                Some(other.issue(|_| {})),
                "unknown ca (it does not trust the issuer of this client's certificate)",
            ),
            (Some(late()), "certificate expired (of this client)"),
            (Some(for_servers()), "unsupported certificate (of this client)"),
        ] {
            let error = connect(&server, certificate).await.unwrap_err();
            let (failed, stage) = match version {
                TlsVersion::Tls12 => ("the TLS handshake with 127.0.0.1 failed", Stage::Handshake),
                _ => ("the connection to 127.0.0.1 failed at EHLO", Stage::Ehlo),
            };
            assert_eq!(error.to_string(), format!("{failed}: the server ended TLS: {alert}"));
            assert_eq!(error.stage(), stage);
            assert_eq!(error.retry(), Retry::NextHost);
        }
        assert!(server.log().iter().all(|log| !log.contains("AUTH EXTERNAL <")));
    }
}

#[tokio::test]
async fn what_is_no_authority_is_told_when_the_server_starts() {
    for pem in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n"] {
        let error = Server::new().client_authority(pem).start().await.unwrap_err();
        assert_eq!(error.to_string(), "client authority: no certificate in PEM");
    }
}
