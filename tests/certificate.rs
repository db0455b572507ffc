//! Certificates through a connector. The server's, which is checked on every path; the client's,
//! shown where a server asks: what AUTH EXTERNAL makes of it, and the words where one is missed or
//! not believed.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use ehlo::testing::{Running, Server};
use ehlo::{
    Client, ClientCertificate, Connector, Credentials, Error, ErrorKind, Retry, RootCertificates,
    Security, Stage, TlsVersion,
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

/// T9: a server whose certificate is no good is no server, however it is reached.
mod checked {
    use std::sync::Arc;
    use std::time::Duration;

    use ehlo::{RevocationLists, Timeouts, TlsReason};
    use rcgen::{
        CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SanType, SerialNumber,
        date_time_ymd,
    };
    use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::aws_lc_rs;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;

    use super::*;

    const NAME: &str = "mx.example";

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Path {
        Direct,
        #[cfg(feature = "proxy")]
        Proxy,
        Given,
    }

    const PATHS: &[Path] = &[
        Path::Direct,
        #[cfg(feature = "proxy")]
        Path::Proxy,
        Path::Given,
    ];

    /// Shows this certificate, signed by the authority or by itself.
    fn acceptor(of: Option<&Authority>, change: fn(&mut CertificateParams)) -> TlsAcceptor {
        let mut params = CertificateParams::new([NAME.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let made = match of {
            Some(authority) => params.signed_by(&key, &authority.issuer),
            None => params.self_signed(&key),
        };
        let chain = vec![made.unwrap().der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key);
        TlsAcceptor::from(Arc::new(config.unwrap()))
    }

    /// Up to the handshake, behind STARTTLS or at once. Gives what was said inside TLS; nothing
    /// where there was none.
    async fn serve<S>(mut stream: S, acceptor: TlsAcceptor, security: Security) -> Vec<u8>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if security == Security::StartTls {
            for (reply, until) in [
                ("220 mx\r\n", "]\r\n"),
                ("250-mx\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n", "STARTTLS\r\n"),
                ("220 go\r\n", ""),
            ] {
                stream.write_all(reply.as_bytes()).await.unwrap();
                let mut heard = Vec::new();
                while !heard.ends_with(until.as_bytes()) {
                    heard.push(stream.read_u8().await.unwrap());
                }
            }
        }
        let mut heard = Vec::new();
        // Over TLS 1.3 the server may be done before the client has looked.
        if let Ok(mut stream) = acceptor.accept(stream).await {
            let _ = stream.read_to_end(&mut heard).await;
        }
        heard
    }

    /// What a SOCKS5 proxy says that leads to itself.
    #[cfg(feature = "proxy")]
    async fn pass(stream: &mut tokio::net::TcpStream) {
        stream.read_exact(&mut [0; 3]).await.unwrap();
        stream.write_all(b"\x05\x00").await.unwrap();
        // CONNECT, to an address of IPv4.
        stream.read_exact(&mut [0; 10]).await.unwrap();
        stream.write_all(b"\x05\x00\x00\x01\0\0\0\0\0\0").await.unwrap();
    }

    /// The connector's error, and what the server heard inside TLS.
    async fn fails(
        connector: &Connector,
        path: Path,
        acceptor: TlsAcceptor,
        security: Security,
    ) -> (Error, Vec<u8>) {
        let connector = connector.clone().security(security);
        if path == Path::Given {
            let (near, far) = tokio::io::duplex(65_536);
            let served = serve(far, acceptor, security);
            let (connected, heard) = tokio::join!(connector.connect_over(near), served);
            return (connected.unwrap_err(), heard);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connector = match path {
            #[cfg(feature = "proxy")]
            Path::Proxy => connector.proxy(ehlo::Proxy::socks5(format!("127.0.0.1:{port}"))),
            _ => Connector::clone(&connector),
        };
        let served = async {
            #[cfg_attr(not(feature = "proxy"), expect(unused_mut, reason = "no proxy"))]
            let mut stream = listener.accept().await.unwrap().0;
            #[cfg(feature = "proxy")]
            if path == Path::Proxy {
                pass(&mut stream).await;
            }
            serve(stream, acceptor, security).await
        };
        let connecting = connector.port(port);
        let (connected, heard) = tokio::join!(connecting.connect(), served);
        (connected.unwrap_err(), heard)
    }

    #[tokio::test]
    async fn t9_c_129_a_bad_certificate_is_no_good_on_any_path() {
        let (ca, other) = (Authority::new("an authority"), Authority::new("another authority"));
        let roots = RootCertificates::from_pem(ca.pem.as_bytes()).unwrap();
        let expired: fn(&mut CertificateParams) = |params| {
            params.not_before = date_time_ymd(2024, 1, 1);
            params.not_after = date_time_ymd(2025, 3, 1);
        };
        let early: fn(&mut CertificateParams) =
            |params| params.not_before = date_time_ymd(2090, 2, 28);
        let elsewhere: fn(&mut CertificateParams) = |params| {
            params.subject_alt_names = vec![SanType::DnsName("www.example".try_into().unwrap())];
        };
        let as_it_is: fn(&mut CertificateParams) = |_| {};
        // To a server without a port, which a stream that is given has not, all is the same.
        let connector = Connector::new("127.0.0.1")
            .tls_name(NAME)
            .roots(roots)
            .credentials("alice", "wonderland")
            .timeouts(Timeouts::all(Duration::from_secs(10)));
        for (of, change, words) in [
            (
                Some(&ca),
                expired,
                "the server's certificate has expired: it was valid until 2025-03-01 00:00 UTC \
                 (the clock here says ",
            ),
            (
                Some(&ca),
                early,
                "the server's certificate is not valid yet: it will be from 2090-02-28 00:00 UTC \
                 (the clock here says ",
            ),
            (
                Some(&ca),
                elsewhere,
                "the server's certificate is not for mx.example but for www.example",
            ),
            (
                None,
                as_it_is,
                "the server's certificate is self-signed and is not among the trusted roots",
            ),
            (
                Some(&other),
                as_it_is,
                "the issuer of the server's certificate, \"CN=another authority\", is not trusted \
                 here: its root certificate is missing here, or the server does not send the \
                 intermediate ones",
            ),
        ] {
            for path in PATHS {
                for security in [Security::Implicit, Security::StartTls] {
                    let acceptor = acceptor(of, change);
                    let (error, heard) = fails(&connector, *path, acceptor, security).await;
                    let told = error.to_string();
                    let words = format!("the TLS handshake with 127.0.0.1 failed: {words}");
                    assert!(told.starts_with(&words), "{path:?}, {security}: {told}");
                    assert_eq!(error.stage(), Stage::Handshake);
                    let ErrorKind::Tls(fault) = error.kind() else { panic!("{error:?}") };
                    assert!(!matches!(fault.reason(), TlsReason::Other), "{error:?}");
                    assert_eq!(heard, b"", "{path:?}, {security}");
                }
            }
        }
    }

    /// The issuer has withdrawn it, and a list that the caller has says so.
    #[tokio::test]
    async fn t9_a_revoked_certificate_is_no_good_on_any_path() {
        let ca = Authority::new("an authority");
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(7_u64),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2099, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&ca.issuer).unwrap().pem().unwrap();
        let connector = Connector::new("127.0.0.1")
            .tls_name(NAME)
            .roots(RootCertificates::from_pem(ca.pem.as_bytes()).unwrap())
            .revocation_lists(RevocationLists::from_pem(list.as_bytes()).unwrap());
        for path in PATHS {
            let acceptor = acceptor(Some(&ca), |params| {
                params.serial_number = Some(SerialNumber::from(7_u64));
            });
            let (error, heard) = fails(&connector, *path, acceptor, Security::Implicit).await;
            assert_eq!(
                error.to_string(),
                "the TLS handshake with 127.0.0.1 failed: the server's certificate has been \
                 revoked by its issuer"
            );
            assert_eq!(heard, b"");
        }
    }
}
