//! TLS for any stream: whom to trust, with which cryptography, and the handshake. When TLS is
//! begun, and what is lawful over it, is decided by the session.
//!
//! Nothing is installed into the process or taken from it: the crypto provider is always named.
//!
//! | file | what it holds |
//! |---|---|
//! | `verify` | who is asked whether a certificate is good |
//! | `info` | what a handshake agreed on |
//! | `end_point` | what AUTH is bound by over TLS 1.2: feature `scram` |
//! | `fault` | why there is no TLS, in words |
//! | `overheard` | a stream that remembers the first octets read |

#[cfg(feature = "scram")]
mod end_point;
mod fault;
mod info;
mod overheard;
mod verify;

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests;

use std::sync::{Arc, OnceLock};

use rustls_platform_verifier::Verifier as PlatformVerifier;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, Error, RootCertStore};

use super::stream::Plain;
use overheard::Overheard;
use verify::{Accepting, Explaining, Judge};

pub use fault::{TlsFault, TlsReason};
pub use info::{TlsInfo, TlsVersion, Trust};

/// TLS over a plain stream.
pub(crate) type TlsStream = tokio_rustls::client::TlsStream<Overheard>;

/// What a caller may choose about TLS.
#[derive(Clone, Debug)]
pub(crate) struct TlsOptions {
    pub(crate) anchor: Anchor,
    /// The named provider; otherwise aws-lc-rs where it is compiled in, else ring.
    pub(crate) crypto: Option<Crypto>,
    /// Where the time comes from; tests stop it.
    pub(crate) clock: Arc<dyn TimeProvider>,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self { anchor: Anchor::default(), crypto: None, clock: Arc::new(DefaultTimeProvider) }
    }
}

/// Where trust comes from.
#[derive(Clone, Debug, Default)]
pub(crate) enum Anchor {
    /// What the operating system trusts.
    #[default]
    Platform,
    /// These and no others.
    Roots(RootCertificates),
    /// A configuration of rustls, taken as it is.
    Config(Arc<ClientConfig>),
    /// Every certificate is taken. Only behind a door with an ugly name.
    Anything,
}

/// Whether a bad certificate ends the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// It does: Implicit and StartTls.
    Required,
    /// It is noted in `TlsInfo`: Opportunistic. A given `ClientConfig` decides for itself even so.
    Recorded,
}

/// TLS made ready for any number of handshakes. Reading the platform's roots takes some
/// milliseconds of file work, so a connector keeps this.
#[derive(Clone, Debug)]
pub(crate) struct TlsSetup(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// One configuration for all handshakes, whose sessions rustls may resume.
    Shared(Arc<ClientConfig>, Trust),
    /// Every certificate is taken, and the judge's verdict is noted for each handshake.
    Recorded(Base, Judge),
    /// Nobody could check a certificate, so there is no handshake either.
    Impossible(TlsFault),
}

impl TlsSetup {
    /// # Errors
    ///
    /// When no crypto provider is compiled in, or not the one that was named.
    pub(crate) fn new(options: &TlsOptions, check: Check) -> Result<Self, InvalidTlsOptions> {
        let judge = match &options.anchor {
            Anchor::Config(config) => {
                return Ok(Self(Kind::Shared(Arc::clone(config), Trust::Verified)));
            }
            Anchor::Anything => None,
            Anchor::Platform | Anchor::Roots(_) => Some(judge(options)?),
        };
        let base = Base { provider: provider(options.crypto)?, clock: Arc::clone(&options.clock) };
        Ok(Self(match (judge, check) {
            (None, _) => {
                let config = base.config(base.accepting(None).0);
                shared(config, Trust::Unchecked)
            }
            (Some(judge), Check::Recorded) => Kind::Recorded(base, judge),
            (Some(Ok(judge)), Check::Required) => shared(base.config(judge), Trust::Verified),
            (Some(Err(fault)), Check::Required) => Kind::Impossible(fault),
        }))
    }

    /// Whether there can be a handshake. What hinders it may be mended, such as a missing file of
    /// roots: this is not to be kept then.
    pub(crate) const fn is_possible(&self) -> bool {
        !matches!(self.0, Kind::Impossible(_))
    }

    /// Speaks TLS over `plain`. The name is what the certificate has to be for, and is sent as SNI
    /// unless it is an address. Dropping the future drops the stream.
    pub(crate) async fn handshake(
        &self,
        plain: Plain,
        name: &ServerName<'static>,
    ) -> Result<(TlsStream, TlsInfo), TlsFault> {
        let (config, trust, verdict) = match &self.0 {
            Kind::Shared(config, trust) => (Arc::clone(config), Some(trust.clone()), None),
            Kind::Recorded(base, judge) => {
                let (verifier, verdict) = base.accepting(Some(judge.clone()));
                let mut config = base.config(verifier)?;
                // A resumed session shows no certificate, so there would be no verdict; and this
                // configuration has no second handshake.
                config.resumption = Resumption::disabled();
                (Arc::new(config), None, Some(verdict))
            }
            Kind::Impossible(fault) => return Err(fault.clone()),
        };
        let stream = TlsConnector::from(config)
            .connect(name.clone(), Overheard::new(plain))
            .into_fallible()
            .await
            .map_err(|(error, plain)| TlsFault::of_handshake(error, plain.heard()))?;
        let trust = trust.unwrap_or_else(|| match verdict.as_deref().and_then(OnceLock::get) {
            Some(Ok(())) => Trust::Verified,
            Some(Err(fault)) => Trust::Unverified(fault.clone()),
            None => Trust::Unchecked,
        });
        let info = TlsInfo::new(stream.get_ref().1, trust);
        Ok((stream, info))
    }
}

fn shared(config: Result<ClientConfig, Error>, trust: Trust) -> Kind {
    match config {
        Ok(config) => Kind::Shared(Arc::new(config), trust),
        Err(error) => Kind::Impossible(error.into()),
    }
}

/// What every configuration made here has in common.
#[derive(Clone, Debug)]
struct Base {
    provider: Arc<CryptoProvider>,
    clock: Arc<dyn TimeProvider>,
}

impl Base {
    /// TLS 1.2 and 1.3 (RFC 8996 forbids what is older). A provider given by name can do both, so
    /// this fails for none of ours.
    fn config(&self, verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig, Error> {
        let (provider, clock) = (Arc::clone(&self.provider), Arc::clone(&self.clock));
        Ok(ClientConfig::builder_with_details(provider, clock)
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth())
    }

    fn accepting(
        &self,
        judge: Option<Judge>,
    ) -> (Arc<dyn ServerCertVerifier>, Arc<OnceLock<verify::Verdict>>) {
        let verdict = Arc::new(OnceLock::new());
        let verifier = Accepting {
            provider: Arc::clone(&self.provider),
            judge,
            verdict: Arc::clone(&verdict),
        };
        (Arc::new(verifier), verdict)
    }
}

/// Who decides over certificates under these options.
fn judge(options: &TlsOptions) -> Result<Judge, InvalidTlsOptions> {
    let provider = provider(options.crypto)?;
    let verifier: Result<Arc<dyn ServerCertVerifier>, TlsFault> = match &options.anchor {
        Anchor::Roots(roots) => {
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots.0), Arc::clone(&provider))
                .build()
                .map(|verifier| verifier as _)
                .map_err(|error| TlsFault::no_roots(Error::General(error.to_string())))
        }
        _ => PlatformVerifier::new(Arc::clone(&provider))
            .map(|verifier| Arc::new(verifier) as _)
            .map_err(TlsFault::no_roots),
    };
    Ok(verifier.map(|verifier| Arc::new(Explaining { verifier, provider }) as _))
}

/// The cryptography under TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Crypto {
    /// aws-lc-rs, feature `aws-lc-rs`: the default where it is compiled in.
    AwsLcRs,
    /// ring, feature `ring`: the default where it alone is compiled in.
    Ring,
}

fn provider(named: Option<Crypto>) -> Result<Arc<CryptoProvider>, InvalidTlsOptions> {
    #[cfg(feature = "aws-lc-rs")]
    if matches!(named, None | Some(Crypto::AwsLcRs)) {
        use tokio_rustls::rustls::crypto::aws_lc_rs;
        return Ok(Arc::new(aws_lc_rs::default_provider()));
    }
    #[cfg(feature = "ring")]
    if matches!(named, None | Some(Crypto::Ring)) {
        use tokio_rustls::rustls::crypto::ring;
        return Ok(Arc::new(ring::default_provider()));
    }
    Err(match named {
        None => InvalidTlsOptions::NoProvider,
        Some(Crypto::AwsLcRs) => InvalidTlsOptions::ProviderMissing("aws-lc-rs"),
        Some(Crypto::Ring) => InvalidTlsOptions::ProviderMissing("ring"),
    })
}

/// The name that a certificate has to be for: a DNS name, or an address (with or without
/// brackets), which is compared with the certificate's addresses alone (RFC 9525 §6.5).
///
/// # Errors
///
/// When the text is neither.
pub(crate) fn server_name(host: &str) -> Result<ServerName<'static>, InvalidTlsOptions> {
    if let Some(ip) = super::connect::ip_literal(host) {
        return Ok(ServerName::from(ip));
    }
    // A final dot says that the name is whole; certificates and SNI never have it.
    let name = host.strip_suffix('.').unwrap_or(host);
    ServerName::try_from(name.to_owned())
        .map_err(|_| InvalidTlsOptions::ServerName(host.to_owned()))
}

/// Options for TLS that cannot be followed: a mistake of the program, not of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTlsOptions {
    /// The crate was built without cryptography for TLS.
    #[error(
        "no crypto provider is compiled in: enable feature aws-lc-rs or ring, or give a whole ClientConfig"
    )]
    NoProvider,
    /// The provider that was named is not compiled in; its feature has the same name.
    #[error("the crypto provider {0} is not compiled in: enable feature {0}")]
    ProviderMissing(&'static str),
    /// No certificate can be for this name.
    #[error("{} is neither a host name nor an address", crate::Escaped::new(.0.as_bytes()))]
    ServerName(String),
}

/// Root certificates to trust in place of the platform's. Never empty.
///
/// ```
/// # #[cfg(feature = "testing")] {
/// let ca = rcgen::generate_simple_self_signed(["mx.example".to_owned()]).unwrap();
/// let roots = ehlo::RootCertificates::from_pem(ca.cert.pem().as_bytes())?;
/// # }
/// assert!(ehlo::RootCertificates::from_pem(b"no certificate").is_err());
/// # Ok::<(), ehlo::InvalidRoots>(())
/// ```
#[derive(Clone, Debug)]
pub struct RootCertificates(Arc<RootCertStore>);

impl RootCertificates {
    /// From the text of a PEM file with one or more certificates; whatever else stands in it is
    /// passed over.
    ///
    /// # Errors
    ///
    /// When there is no certificate in it, or one that cannot be read.
    pub fn from_pem(pem: &[u8]) -> Result<Self, InvalidRoots> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let certificates = certificates.map_err(|_| InvalidRoots::Pem)?;
        Self::from_certificates(certificates)
    }

    /// From one or more certificates in DER.
    ///
    /// # Errors
    ///
    /// When there is none, or one that cannot be read.
    pub fn from_der<'a>(
        certificates: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, InvalidRoots> {
        let owned = |der: &[u8]| CertificateDer::from(der.to_vec());
        Self::from_certificates(certificates.into_iter().map(owned))
    }

    fn from_certificates(
        certificates: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Result<Self, InvalidRoots> {
        let mut store = RootCertStore::empty();
        for (at, certificate) in certificates.into_iter().enumerate() {
            store.add(certificate).map_err(|_| InvalidRoots::Certificate { number: at + 1 })?;
        }
        Self::try_from(store)
    }
}

impl TryFrom<RootCertStore> for RootCertificates {
    type Error = InvalidRoots;

    fn try_from(store: RootCertStore) -> Result<Self, InvalidRoots> {
        if store.is_empty() {
            return Err(InvalidRoots::Empty);
        }
        Ok(Self(Arc::new(store)))
    }
}

/// Root certificates that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRoots {
    /// There is no certificate.
    #[error("no certificate found")]
    Empty,
    /// The text is not PEM.
    #[error("not a PEM file, or cut off")]
    Pem,
    /// A certificate cannot be read.
    #[error("certificate {number} cannot be read")]
    #[non_exhaustive]
    Certificate {
        /// Which one, counted from 1.
        number: usize,
    },
}

#[cfg(test)]
mod option_tests {
    use super::*;

    #[test]
    fn a_provider_is_named_or_missed() {
        for (crypto, compiled, name) in [
            (Crypto::AwsLcRs, cfg!(feature = "aws-lc-rs"), "aws-lc-rs"),
            (Crypto::Ring, cfg!(feature = "ring"), "ring"),
        ] {
            match provider(Some(crypto)) {
                Ok(_) => assert!(compiled),
                Err(fault) => {
                    assert!(!compiled);
                    assert_eq!(
                        fault.to_string(),
                        format!(
                            "the crypto provider {name} is not compiled in: enable feature {name}"
                        )
                    );
                }
            }
        }
        let any = cfg!(any(feature = "aws-lc-rs", feature = "ring"));
        assert_eq!(provider(None).is_ok(), any);
        assert_eq!(
            InvalidTlsOptions::NoProvider.to_string(),
            "no crypto provider is compiled in: enable feature aws-lc-rs or ring, or give a whole \
             ClientConfig"
        );
    }

    #[test]
    fn what_no_certificate_can_be_for() {
        for host in ["", ".", "a b", "a\u{1b}"] {
            assert!(server_name(host).is_err(), "{host}");
        }
        assert_eq!(
            server_name("a\u{1b}").unwrap_err().to_string(),
            r"a\x1b is neither a host name nor an address"
        );
    }
}
