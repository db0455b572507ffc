//! What TLS it is to speak: the builder. And the server's certificate, made on the spot, with its
//! side of a handshake.

use std::io;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::server::Server;
use crate::TlsVersion;

impl Server {
    /// The highest version of TLS that it speaks; TLS 1.3 by default.
    ///
    /// ```
    /// use ehlo::TlsVersion;
    /// use ehlo::testing::Server;
    ///
    /// let old = Server::new().maximum_tls(TlsVersion::Tls12);
    /// ```
    pub const fn maximum_tls(mut self, version: TlsVersion) -> Self {
        self.tls.maximum = Some(version);
        self
    }

    /// Asks clients for a certificate that this authority (in PEM) has signed, and takes AUTH
    /// EXTERNAL from those alone who have shown one: from others it is refused with `535 5.7.8`. A
    /// certificate of another authority ends the handshake.
    ///
    /// ```
    /// use ehlo::testing::Server;
    /// use ehlo::{ClientCertificate, Connector, Credentials, RootCertificates};
    ///
    /// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
    /// let made = rcgen::generate_simple_self_signed(["client.example".to_owned()])?;
    /// let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    /// # // A self-signed one is its own authority to a server that has it among its roots.
    /// let server = Server::new().mechanisms(["EXTERNAL"]).client_authority(&chain).start().await?;
    ///
    /// let client = Connector::new("localhost")
    ///     .port(server.port())
    ///     .roots(RootCertificates::from_pem(server.ca_pem().as_bytes())?)
    ///     .client_certificate(ClientCertificate::from_pem(chain.as_bytes(), key.as_bytes())?)
    ///     .authenticate(Credentials::external())
    ///     .connect()
    ///     .await?;
    /// assert!(client.conversation().is_authenticated());
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn client_authority(mut self, pem: &str) -> Self {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        match read {
            Ok(certificates) if !certificates.is_empty() => self.tls.clients_of = certificates,
            _ => {
                let words = "client authority: no certificate in PEM";
                self.fault.get_or_insert_with(|| words.to_owned());
            }
        }
        self
    }

    /// Ends the handshake with who shows no certificate of the
    /// [`client_authority`](Self::client_authority), without which this means nothing.
    pub const fn require_client_certificate(mut self) -> Self {
        self.tls.requires_certificate = true;
        self
    }
}

/// What TLS a server speaks.
#[derive(Clone, Default)]
pub(super) struct Tls {
    maximum: Option<TlsVersion>,
    /// Whose clients' certificates it asks for; nobody's where empty.
    pub(super) clients_of: Vec<CertificateDer<'static>>,
    requires_certificate: bool,
}

impl Tls {
    fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        match self.maximum {
            Some(TlsVersion::Tls12) => vec![&TLS12],
            _ => vec![&TLS13, &TLS12],
        }
    }
}

/// What a server shows to its clients, and what they need to believe it.
pub(super) struct Identity {
    pub(super) acceptor: TlsAcceptor,
    /// The certificate of the authority, in PEM.
    pub(super) ca_pem: String,
    /// What the certificate binds a channel by (RFC 5929 §4): its hash by SHA-256, as the
    /// authority signs by that.
    pub(super) end_point: [u8; 32],
}

impl Identity {
    /// An authority of its own, and a certificate for this name and every name of the loopback.
    pub(super) fn new(name: &str, tls: &Tls) -> io::Result<Self> {
        let (issuer, ca_pem) = authority().map_err(io::Error::other)?;
        let names = [name, "localhost", "127.0.0.1", "::1"];
        let (chain, key) = certificate(&issuer, names).map_err(io::Error::other)?;
        let end_point = chain.first().map(Sha256::digest).unwrap_or_default().into();
        let config = config(tls, chain, key).map_err(io::Error::other)?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), ca_pem, end_point })
    }
}

fn config(
    tls: &Tls,
    chain: Chain,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, Box<dyn std::error::Error + Send + Sync>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&tls.versions())?;
    let builder = if tls.clients_of.is_empty() {
        builder.with_no_client_auth()
    } else {
        let mut roots = RootCertStore::empty();
        for certificate in &tls.clients_of {
            roots.add(certificate.clone())?;
        }
        let asked = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let asked = if tls.requires_certificate { asked } else { asked.allow_unauthenticated() };
        builder.with_client_cert_verifier(asked.build()?)
    };
    Ok(builder.with_single_cert(chain, key)?)
}

fn authority() -> Result<(Issuer<'static, KeyPair>, String), rcgen::Error> {
    let mut params = CertificateParams::new([])?;
    params.distinguished_name.push(DnType::CommonName, "ehlo testing authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate()?;
    let pem = params.self_signed(&key)?.pem();
    Ok((Issuer::new(params, key), pem))
}

type Chain = Vec<CertificateDer<'static>>;

fn certificate(
    issuer: &Issuer<'static, KeyPair>,
    names: [&str; 4],
) -> Result<(Chain, PrivateKeyDer<'static>), rcgen::Error> {
    let mut params = CertificateParams::new(names.map(str::to_owned))?;
    params.distinguished_name.push(DnType::CommonName, names[0]);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, issuer)?;
    Ok((vec![certificate.der().clone()], key.into()))
}
