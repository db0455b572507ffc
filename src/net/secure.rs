//! From a driver in clear to one over TLS, and what came of it.

use std::sync::{Arc, OnceLock};

use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;

use super::driver::Driver;
use super::stream::Stream;
use super::tls::{
    Check, InvalidTlsOptions, TlsFault, TlsInfo, TlsOptions, TlsSetup, Trust, channel_binding,
    server_name,
};
use crate::auth::ChannelBinding;
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

    pub(super) fn setup(&self) -> Result<TlsSetup, InvalidTlsOptions> {
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

impl Driver {
    /// Runs the handshake, on connect or after STARTTLS. Dropped midway or failed, it leaves the
    /// session closed: nothing may be said in clear after it.
    pub(crate) async fn secure(&mut self) -> Result<(), Error> {
        let common = Arc::clone(&self.common);
        common.observer.begins(Stage::Handshake);
        let limit = self.limit(Stage::Handshake);
        let Some(prepared) = common.tls.get() else {
            let misuse = Misuse::Setting("TLS is not set up on this connection".to_owned());
            return Err(self.misuse(misuse));
        };
        let setup = match prepared.setup() {
            Ok(setup) => setup,
            Err(invalid) => {
                self.session.close();
                return Err(self.misuse(Misuse::Setting(invalid.to_string())));
            }
        };
        let handshake = self.stream.start_tls(&setup);
        let fault = match timeout(limit, handshake).await {
            Ok(Ok(trust)) => {
                // What would have done without a good certificate is not trusted for one.
                let is_good = matches!(trust, Trust::Verified(_));
                let verified = prepared.check == Check::Required && is_good;
                if !is_good {
                    self.note_handshake(&setup, trust);
                }
                common.observer.secured(|| self.tls_info());
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

    /// What the handshake has shown; `None` in clear.
    ///
    /// It is made when it is first asked for, and kept from then on: rustls has all of it as long
    /// as the stream is there, and most connections are never asked. That a certificate is not good
    /// rustls does not know: this is noted at once.
    pub(super) fn tls_info(&self) -> Option<&TlsInfo> {
        if self.tls_info.get().is_none()
            && let Stream::Tls(stream) = &self.stream
        {
            let setup = self.common.tls.get()?.made.get()?;
            let info = setup.info(stream, Trust::Verified(setup.trusted_by()?));
            // It was empty.
            let _ = self.tls_info.set(Box::new(info));
        }
        self.tls_info.get().map(Box::as_ref)
    }

    fn note_handshake(&mut self, setup: &TlsSetup, trust: Trust) {
        if let Stream::Tls(stream) = &self.stream {
            self.tls_info = Box::new(setup.info(stream, trust)).into();
        }
    }

    /// What AUTH can be bound to this channel by.
    pub(super) fn channel_binding(&self) -> Option<ChannelBinding> {
        match (self.tls_info.get(), &self.stream) {
            (Some(info), _) => info.channel_binding().cloned(),
            (None, Stream::Tls(stream)) => channel_binding(stream.get_ref().1),
            _ => None,
        }
    }
}

impl From<TlsFault> for ErrorKind {
    fn from(fault: TlsFault) -> Self {
        Self::Tls(fault)
    }
}
