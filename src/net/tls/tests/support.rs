//! What the handshakes of the tests are made of: authorities, servers' identities, a server and a
//! clock that stands. Assertions about words stand in the tests.

use std::io;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{ServerConfig, SupportedProtocolVersion};

use super::super::*;
use crate::net::stream::Stream;

pub(super) const NAME: &str = "mx.example";

/// 2026-11-21 12:00 UTC.
pub(super) const NOW: u64 = 1_795_262_400;

#[derive(Debug)]
pub(super) struct Stopped;

impl TimeProvider for Stopped {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(NOW)))
    }
}

/// A certificate authority.
pub(super) struct Authority {
    pub(super) issuer: Issuer<'static, KeyPair>,
    pub(super) der: CertificateDer<'static>,
}

impl Authority {
    pub(super) fn new() -> Self {
        Self::named("an authority")
    }

    pub(super) fn named(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().clone();
        let issuer = Issuer::new(params, key);
        Self { issuer, der }
    }

    pub(super) fn roots(&self) -> RootCertificates {
        RootCertificates::from_der([self.der.as_ref()]).unwrap()
    }

    pub(super) fn issue(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity::new(certificate.der().clone(), &key)
    }
}

/// What a server shows: a certificate and its key.
#[derive(Debug, Clone)]
pub(super) struct Identity(pub(super) Arc<CertifiedKey>);

impl Identity {
    pub(super) fn new(certificate: CertificateDer<'static>, key: &KeyPair) -> Self {
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let key = aws_lc_rs::sign::any_supported_type(&key).unwrap();
        Self(Arc::new(CertifiedKey::new(vec![certificate], key)))
    }

    pub(super) fn self_signed(params: &CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        Self::new(params.self_signed(&key).unwrap().der().clone(), &key)
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

pub(super) fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2030, 1, 1);
    params
}

pub(super) fn named(name: &str) -> ServerName<'static> {
    server_name(name).unwrap()
}

pub(super) fn options(anchor: Anchor) -> TlsOptions {
    TlsOptions { anchor, clock: Arc::new(Stopped), ..TlsOptions::default() }
}

/// For the name that all have, with a good certificate required.
pub(super) fn ready(options: &TlsOptions) -> TlsSetup {
    TlsSetup::new(options, Check::Required, &named(NAME)).unwrap()
}

pub(super) fn server_config(
    identity: &Identity,
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(identity.clone()))
}

/// A TLS server that says back one line, and afterwards the name it was asked for.
pub(super) fn serve(
    peer: DuplexStream,
    config: ServerConfig,
) -> JoinHandle<io::Result<Option<String>>> {
    let accept = TlsAcceptor::from(Arc::new(config)).accept(peer);
    tokio::spawn(async move {
        let mut stream = accept.await?;
        let mut line = [0; 6];
        stream.read_exact(&mut line).await?;
        stream.write_all(&line).await?;
        stream.flush().await?;
        Ok(stream.get_ref().1.server_name().map(str::to_owned))
    })
}

/// A whole session: handshake, a line there and back, and the end.
pub(super) async fn session(
    setup: &TlsSetup,
    config: ServerConfig,
) -> Result<(TlsInfo, Option<String>), TlsFault> {
    let (client, peer) = duplex(4096);
    let server = serve(peer, config);
    let mut stream = Stream::given(client);
    let trust = match stream.start_tls(setup).await {
        Ok(trust) => trust,
        Err(fault) => {
            assert!(!matches!(stream, Stream::Tls(_)));
            assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0, "{fault}");
            return Err(fault);
        }
    };
    assert!(stream.is_write_vectored());
    let Stream::Tls(secured) = &stream else { panic!("it is secured") };
    let info = setup.info(secured, trust);
    stream.write_all(b"NOOP\r\n").await.unwrap();
    stream.flush().await.unwrap();
    let mut heard = Vec::new();
    // The server is dropped without close_notify: that is an end like any other.
    stream.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"NOOP\r\n");
    Ok((info, server.await.unwrap().unwrap()))
}

pub(super) async fn verify(
    anchor: Anchor,
    check: Check,
    name: &str,
    identity: &Identity,
) -> Result<TlsInfo, TlsFault> {
    let setup = TlsSetup::new(&options(anchor), check, &named(name)).unwrap();
    let config = server_config(identity, &[&TLS13, &TLS12]);
    session(&setup, config).await.map(|(info, _)| info)
}
