//! From a driver in clear to one over TLS, and what came of it.

use std::sync::{Arc, OnceLock};

use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;

use super::driver::Driver;
use super::tls::{Check, InvalidTlsOptions, TlsFault, TlsInfo, TlsOptions, TlsSetup, server_name};
use crate::error::{Error, ErrorKind};
use crate::protocol::{Misuse, Protection, Stage};

/// TLS for all connections of a connector. It is made ready at the first handshake, not before:
/// reading the roots of the platform takes milliseconds and some hundred KiB, and a connection in
/// clear has no use for them.
#[derive(Debug)]
pub(crate) struct Prepared {
    options: TlsOptions,
    check: Check,
    name: ServerName<'static>,
    made: OnceLock<TlsSetup>,
}

impl Prepared {
    /// # Errors
    /// The options cannot be followed, or the name is none.
    pub(crate) fn new(
        options: &TlsOptions,
        check: Check,
        name: &str,
    ) -> Result<Self, InvalidTlsOptions> {
        TlsSetup::check(options)?;
        let (options, name) = (options.clone(), server_name(name)?);
        Ok(Self { options, check, name, made: OnceLock::new() })
    }

    fn setup(&self) -> Result<TlsSetup, InvalidTlsOptions> {
        if let Some(setup) = self.made.get() {
            return Ok(setup.clone());
        }
        let setup = TlsSetup::new(&self.options, self.check, &self.name)?;
        Ok(match setup.is_possible() {
            true => self.made.get_or_init(|| setup).clone(),
            false => setup,
        })
    }
}

/// How a connection is secured, and what the handshake has shown.
pub(crate) struct Secured {
    prepared: Arc<Prepared>,
    info: Option<Box<TlsInfo>>,
}

impl Secured {
    pub(crate) const fn new(prepared: Arc<Prepared>) -> Self {
        Self { prepared, info: None }
    }

    pub(crate) fn info(&self) -> Option<&TlsInfo> {
        self.info.as_deref()
    }

    /// For a handshake with no session above it.
    #[cfg(feature = "probe")]
    pub(super) fn setup(&self) -> Result<TlsSetup, InvalidTlsOptions> {
        self.prepared.setup()
    }
}

impl Driver {
    /// Runs the handshake, on connect or after STARTTLS. Dropped midway or failed, it leaves the
    /// session closed: nothing may be said in clear after it.
    pub(crate) async fn secure(&mut self) -> Result<(), Error> {
        self.observer.begins(Stage::Handshake);
        let limit = self.limit(Stage::Handshake);
        let Some(secured) = &mut self.tls else {
            let misuse = Misuse::Setting("TLS is not set up on this connection".to_owned());
            return Err(self.misuse(misuse));
        };
        let setup = match secured.prepared.setup() {
            Ok(setup) => setup,
            Err(invalid) => {
                self.session.close();
                return Err(self.misuse(Misuse::Setting(invalid.to_string())));
            }
        };
        let Secured { prepared, info } = secured;
        let handshake = self.stream.start_tls(&setup);
        let fault = match timeout(limit, handshake).await {
            Ok(Ok(done)) => {
                // What would have done without a good certificate is not trusted for one.
                self.observer.secured(&done);
                let verified = prepared.check == Check::Required && done.is_verified();
                *info = Some(Box::new(done));
                let protection =
                    if verified { Protection::Verified } else { Protection::Unverified };
                self.session.tls_started(protection);
                return Ok(());
            }
            Ok(Err(fault)) => ErrorKind::from(fault),
            Err(_) => ErrorKind::Timeout(limit),
        };
        self.session.close();
        Err(self.error(Stage::Handshake, fault))
    }
}

impl From<TlsFault> for ErrorKind {
    fn from(fault: TlsFault) -> Self {
        Self::Tls(fault)
    }
}
