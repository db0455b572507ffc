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

#[cfg(all(test, feature = "testing"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::aws_lc_rs;

    use super::*;
    use crate::net::{Client, Connector, RootCertificates, Security};

    /// Says so much, and waits for a line behind each reply.
    async fn serve(far: DuplexStream, config: Arc<ServerConfig>) {
        let mut stream = TlsAcceptor::from(config).accept(far).await.unwrap();
        for reply in ["220 mx\r\n", "250-mx\r\n250 AUTH PLAIN\r\n", "235 ok\r\n"] {
            stream.write_all(reply.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            while stream.read_u8().await.unwrap_or(b'\n') != b'\n' {}
        }
    }

    #[tokio::test]
    async fn what_nobody_asks_for_is_not_made_unless_it_would_be_lost() {
        let made = rcgen::generate_simple_self_signed(["mx.example".to_owned()]).unwrap();
        let key = made.signing_key.serialize_der().try_into().unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key);
        let config = Arc::new(config.unwrap());
        let connect = async |connector: Connector| -> Client {
            let (near, far) = tokio::io::duplex(65_536);
            tokio::spawn(serve(far, Arc::clone(&config)));
            connector.connect_over(near).await.unwrap()
        };
        let is_noted = |client: &Client| client.conversation.driver.tls_info.get().is_some();

        let connector = Connector::new("mx.example").security(Security::Implicit);
        let roots = RootCertificates::from_der([made.cert.der().as_ref()]).unwrap();
        let good = connector.clone().roots(roots).credentials("alice", "wonderland");
        let client = connect(good).await;
        assert!(client.conversation().is_authenticated());
        assert!(!is_noted(&client), "for AUTH the binding alone is made");
        assert!(client.conversation().tls().unwrap().is_verified());
        assert!(is_noted(&client));

        let client = connect(connector.dangerous().accept_any_certificate()).await;
        assert!(is_noted(&client), "rustls does not know what was not looked at");
        let trust = client.conversation().tls().unwrap().trust();
        assert!(matches!(trust, Trust::Unchecked), "{trust}");
    }
}
