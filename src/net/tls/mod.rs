//! TLS for any stream: whom to trust, with which cryptography, and the handshake. When TLS is
//! begun, and what is lawful over it, is decided by the session.
//!
//! Nothing is installed into the process or taken from it: the crypto provider is always named.
//!
//! | file | what it holds |
//! |---|---|
//! | `options` | what may be chosen, and with which cryptography |
//! | `roots` | certificates to trust in place of the platform's |
//! | `verify` | who is asked whether a certificate is good |
//! | `info` | what a handshake agreed on |
//! | `fault` | why there is no TLS, in words |
//! | `overheard` | a stream that remembers the first octets read |

mod fault;
mod info;
mod options;
mod overheard;
mod roots;
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
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::time_provider::TimeProvider;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, Error};

use super::stream::Plain;
use options::provider;
use overheard::Overheard;
use verify::{Accepting, Explaining, Judge};

pub use fault::{TlsFault, TlsReason};
pub use info::{TlsInfo, TlsVersion, Trust};
pub use options::Crypto;
pub(crate) use options::{Anchor, InvalidTlsOptions, TlsOptions, server_name};
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
