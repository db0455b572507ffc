//! From a driver in clear to one over TLS, and what came of it.

use tokio::time::timeout;

use super::driver::Driver;
use super::tls::{Check, TlsFault, TlsInfo, TlsSetup};
use crate::error::{Error, ErrorKind};
use crate::protocol::{Misuse, Protection, Stage};

/// How a connection is secured, and what the handshake has shown.
pub(crate) struct Secured {
    setup: TlsSetup,
    check: Check,
    info: Option<TlsInfo>,
}

impl Secured {
    pub(crate) const fn new(setup: TlsSetup, check: Check) -> Self {
        Self { setup, check, info: None }
    }

    pub(crate) const fn info(&self) -> Option<&TlsInfo> {
        self.info.as_ref()
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
        let Secured { setup, check, info } = secured;
        let handshake = self.stream.start_tls(setup);
        let fault = match timeout(limit, handshake).await {
            Ok(Ok(done)) => {
                // What would have done without a good certificate is not trusted for one.
                self.observer.secured(&done);
                let verified = *check == Check::Required && done.is_verified();
                *info = Some(done);
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
