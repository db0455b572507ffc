//! TLS for any stream: whom to trust, with which cryptography, and the handshake. When TLS is
//! begun, and what is lawful over it, is decided by the session.
//!
//! Nothing is installed into the process or taken from it: the crypto provider is always named.
//!
//! | file | what it holds |
//! |---|---|
//! | `options` | what may be chosen, and with which cryptography |
//! | `roots` | certificates to trust in place of the platform's |
//! | `revocation` | lists of certificates that were withdrawn |
//! | `client_certificate` | what the client shows of itself |
//! | `pin` | certificates and keys by their hash |
//! | `verify` | who is asked whether a certificate is good |
//! | `info` | what a handshake agreed on |
//! | `end_point` | what AUTH is bound by over TLS 1.2: feature `scram` |
//! | `peer` | a certificate that the server has shown |
//! | `details` | what is written in one (feature `x509`) |
//! | `fault` | why there is no TLS |
//! | `reason` | the same in words |
//! | `utc` | times as people read them |
//! | `overheard` | a stream that remembers the first octets read |

mod client_certificate;
#[cfg(feature = "x509")]
mod details;
#[cfg(feature = "scram")]
mod end_point;
mod fault;
mod info;
mod options;
mod overheard;
mod peer;
mod pin;
mod reason;
mod revocation;
mod roots;
mod utc;
mod verify;

#[cfg(test)]
#[cfg(all(feature = "testing", feature = "x509"))]
mod tests;

use std::sync::{Arc, OnceLock};

use rustls_platform_verifier::Verifier as PlatformVerifier;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::time_provider::TimeProvider;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, Error};

use super::stream::Plain;
use options::provider;
use overheard::Overheard;
use pin::Sha256;
use verify::{Accepting, Explaining, Judge, Pins, PinsAlone};

pub use client_certificate::{ClientCertificate, InvalidClientCertificate};
#[cfg(feature = "x509")]
pub use details::CertificateDetails;
pub use fault::TlsFault;
pub(crate) use info::channel_binding;
pub use info::{TlsInfo, TlsVersion, Trust, TrustedBy};
pub use options::Crypto;
pub(crate) use options::{Anchor, InvalidTlsOptions, Sni, TlsOptions, server_name};
pub use peer::PeerCertificate;
pub use pin::{InvalidPin, Pin};
pub use reason::TlsReason;
pub use revocation::{InvalidRevocationLists, RevocationLists};
pub use roots::{InvalidRoots, RootCertificates};

/// TLS over a plain stream.
pub(crate) type TlsStream = tokio_rustls::client::TlsStream<Overheard>;

/// Whether a bad certificate ends the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// It does: Implicit and StartTls.
    Required,
    /// It is noted in `TlsInfo`: Opportunistic. A given `ClientConfig` decides for itself even so.
    Recorded,
}

/// TLS made ready for any number of handshakes with a server. Reading the platform's roots takes
/// some milliseconds of file work, and sessions are resumed from here, so a connector keeps this.
#[derive(Clone, Debug)]
pub(crate) struct TlsSetup {
    kind: Kind,
    /// The name that is sent; the one that the certificate has to be for is the verifier's, where
    /// it is another.
    asked: ServerName<'static>,
    pins: Arc<[Pin]>,
    sha256: Option<Sha256>,
    /// The oldest version that is allowed; not known of a configuration that was given.
    minimum: Option<TlsVersion>,
}

#[derive(Clone, Debug)]
enum Kind {
    /// One configuration for all handshakes, whose sessions rustls may resume.
    Shared(Arc<ClientConfig>, Trust),
    /// Every certificate is taken, and the judge's verdict is noted for each handshake.
    Recorded(Base, Judge, TrustedBy),
    /// Nobody could check a certificate, so there is no handshake either.
    Impossible(TlsFault),
}

impl TlsSetup {
    /// For a server whose certificate has to be for this name, which is sent as SNI unless it is an
    /// address, or another was chosen.
    ///
    /// # Errors
    ///
    /// When the options contradict each other or cannot be followed, or no crypto provider is
    /// compiled in, or not the one that was named.
    pub(crate) fn new(
        options: &TlsOptions,
        check: Check,
        name: &ServerName<'static>,
    ) -> Result<Self, InvalidTlsOptions> {
        options.agree()?;
        if let Anchor::Config(config) = &options.anchor {
            let sha256 = Sha256::of(config.crypto_provider());
            let kind = Kind::Shared(Arc::clone(config), Trust::Verified(TrustedBy::Config));
            let (asked, pins) = (name.clone(), Arc::default());
            return Ok(Self { kind, asked, pins, sha256, minimum: None });
        }
        let base = Base::new(options)?;
        let sha256 = Sha256::of(&base.provider);
        let pins = Pins { pins: options.pins.as_slice().into(), sha256 };
        let asked = match &options.sni {
            Sni::Named(sni) => server_name(sni)?,
            Sni::AsChecked | Sni::Omitted => name.clone(),
        };
        let shown_pins = Arc::clone(&pins.pins);
        let kind = match (judge(options, &base.provider, pins, name), check) {
            (None, _) => shared(base.config(base.accepting(None).0), Trust::Unchecked),
            (Some((judge, by)), Check::Recorded) => Kind::Recorded(base, judge, by),
            (Some((Ok(judge), by)), Check::Required) => {
                shared(base.config(judge), Trust::Verified(by))
            }
            (Some((Err(fault), _)), Check::Required) => Kind::Impossible(fault),
        };
        Ok(Self { kind, asked, pins: shown_pins, sha256, minimum: Some(options.minimum) })
    }

    /// Whether options can be followed, as [`new`](Self::new) would say; no root is read for it.
    pub(crate) fn check(options: &TlsOptions) -> Result<(), InvalidTlsOptions> {
        options.agree()?;
        if let Sni::Named(sni) = &options.sni {
            server_name(sni)?;
        }
        match options.anchor {
            Anchor::Config(_) => Ok(()),
            _ => Base::new(options).map(|_| ()),
        }
    }

    /// Whether there can be a handshake. What hinders it may be mended, such as a missing file of
    /// roots: this is not to be kept then.
    pub(crate) const fn is_possible(&self) -> bool {
        !matches!(self.kind, Kind::Impossible(_))
    }

    /// Speaks TLS over `plain`, and says how far the certificate is to be believed. Dropping the
    /// future drops the stream.
    pub(crate) async fn handshake(&self, plain: Plain) -> Result<(TlsStream, Trust), TlsFault> {
        let (config, trust, verdict) = match &self.kind {
            Kind::Shared(config, trust) => (Arc::clone(config), trust.clone(), None),
            Kind::Recorded(base, judge, by) => {
                let (verifier, verdict) = base.accepting(Some(judge.clone()));
                let mut config = base.config(verifier)?;
                // A resumed session shows no certificate, so there would be no verdict; and this
                // configuration has no second handshake.
                config.resumption = Resumption::disabled();
                (Arc::new(config), Trust::Verified(*by), Some(verdict))
            }
            Kind::Impossible(fault) => return Err(fault.clone()),
        };
        let mut stream = TlsConnector::from(config)
            .connect(self.asked.clone(), Overheard::new(plain))
            .into_fallible()
            .await
            .map_err(|(error, plain)| TlsFault::of_handshake(error, plain.heard(), self.minimum))?;
        stream.get_mut().0.understood();
        let trust = match verdict.as_deref().map(OnceLock::get) {
            None | Some(Some(Ok(()))) => trust,
            Some(Some(Err(fault))) => Trust::Unverified(fault.clone()),
            Some(None) => Trust::Unchecked,
        };
        Ok((stream, trust))
    }

    /// By what a certificate was found good that is; none where none is looked at.
    pub(crate) const fn trusted_by(&self) -> Option<TrustedBy> {
        match &self.kind {
            Kind::Shared(_, Trust::Verified(by)) | Kind::Recorded(_, _, by) => Some(*by),
            _ => None,
        }
    }

    /// What a handshake of this setup agreed on.
    pub(crate) fn info(&self, stream: &TlsStream, trust: Trust) -> TlsInfo {
        TlsInfo::new(stream.get_ref().1, trust, &self.pins, self.sha256)
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
    minimum: TlsVersion,
    identity: Option<Arc<dyn ResolvesClientCert>>,
    alpn: Vec<Vec<u8>>,
    sends_sni: bool,
}

impl Base {
    fn new(options: &TlsOptions) -> Result<Self, InvalidTlsOptions> {
        let provider = provider(options.crypto)?;
        let identity = match &options.identity {
            Some(identity) => Some(identity.resolver(&provider)? as _),
            None => None,
        };
        Ok(Self {
            provider,
            clock: Arc::clone(&options.clock),
            minimum: options.minimum,
            identity,
            alpn: options.alpn.clone(),
            sends_sni: !matches!(options.sni, Sni::Omitted),
        })
    }

    /// TLS 1.2 and 1.3 (RFC 8996 forbids what is older). A provider given by name can do both, so
    /// this fails for none of ours.
    fn config(&self, verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig, Error> {
        let (provider, clock) = (Arc::clone(&self.provider), Arc::clone(&self.clock));
        let versions: &[_] = match self.minimum {
            TlsVersion::Tls12 => &[&TLS13, &TLS12],
            TlsVersion::Tls13 => &[&TLS13],
        };
        let builder = ClientConfig::builder_with_details(provider, clock)
            .with_protocol_versions(versions)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.identity {
            Some(identity) => builder.with_client_cert_resolver(Arc::clone(identity)),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols.clone_from(&self.alpn);
        config.enable_sni = self.sends_sni;
        Ok(config)
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

/// Who decides over certificates under these options; none where nobody is to.
fn judge(
    options: &TlsOptions,
    provider: &Arc<CryptoProvider>,
    pins: Pins,
    name: &ServerName<'static>,
) -> Option<(Judge, TrustedBy)> {
    let provider = Arc::clone(provider);
    let (verifier, by) = match &options.anchor {
        // A whole configuration has a verifier of its own.
        Anchor::Anything | Anchor::Config(_) => return None,
        Anchor::Pins => return Some((Ok(Arc::new(PinsAlone { pins, provider })), TrustedBy::Pin)),
        Anchor::Roots(roots) => (by_roots(roots, options, &provider), TrustedBy::Roots),
        Anchor::Platform => {
            let verifier = PlatformVerifier::new(Arc::clone(&provider));
            let verifier = verifier.map(|verifier| Arc::new(verifier) as _);
            (verifier.map_err(TlsFault::no_roots), TrustedBy::Platform)
        }
    };
    let name = matches!(options.sni, Sni::Named(_)).then(|| name.clone());
    let judge =
        verifier.map(|verifier| Arc::new(Explaining { verifier, provider, name, pins }) as _);
    Some((judge, by))
}

fn by_roots(
    roots: &RootCertificates,
    options: &TlsOptions,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsFault> {
    let (roots, provider) = (Arc::clone(&roots.0), Arc::clone(provider));
    let mut builder = WebPkiServerVerifier::builder_with_provider(roots, provider);
    if let Some(lists) = &options.revocation {
        builder = builder
            .with_crls(lists.0.iter().cloned())
            .allow_unknown_revocation_status()
            .enforce_revocation_expiration();
    }
    match builder.build() {
        Ok(verifier) => Ok(verifier),
        Err(error) => Err(TlsFault::no_roots(Error::General(error.to_string()))),
    }
}
