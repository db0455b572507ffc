//! What of TLS is set: whom to trust, what to show, how to name the server. What is made of it is in
//! `tls`.

use std::sync::Arc;

use tokio_rustls::rustls::ClientConfig;

use super::super::tls::{
    Anchor, ClientCertificate, Crypto, Pin, RevocationLists, RootCertificates, Sni, TlsOptions,
    TlsVersion,
};
use super::Connector;

/// TLS. Connections of a connector and its clones share sessions to resume, as long as no setting
/// here is changed. With [`Security::Opportunistic`](crate::Security::Opportunistic) none is resumed,
/// since a certificate is looked at in a whole handshake alone.
///
/// Whom to trust is said by one of [`roots`](Self::roots), [`pins_alone`](Self::pins_alone),
/// [`client_config`](Self::client_config) and
/// [`accept_any_certificate`](DangerousConnector::accept_any_certificate). Of two that are set neither
/// is dropped in silence: [`connect`](Self::connect) tells.
impl Connector {
    /// Trusts these certificate authorities, and not the platform's.
    #[must_use]
    pub fn roots(self, roots: RootCertificates) -> Self {
        self.with_tls(|tls| tls.trust(Anchor::Roots(roots)))
    }

    /// Refuses certificates that these lists name; they go with [`roots`](Self::roots). None is
    /// fetched: without this, revocation is looked at where the platform does so by itself, which
    /// Linux does not.
    #[must_use]
    pub fn revocation_lists(self, lists: RevocationLists) -> Self {
        self.with_tls(|tls| tls.revocation = Some(lists))
    }

    /// Takes the server's certificate only if it has this pin, beside all else that is checked; of
    /// several, one.
    ///
    /// The server's own certificate is looked at, never one of its authority.
    #[must_use]
    pub fn pin(self, pin: Pin) -> Self {
        self.with_tls(|tls| tls.pins.push(pin))
    }

    /// Trusts whoever has a certificate with one of the [`pin`](Self::pin)s, and nobody else: its
    /// issuer, names and dates are not looked at. For self-signed certificates that are known. It
    /// counts as verified: the key proves more than an authority would say.
    ///
    /// ```
    /// let pin: ehlo::Pin = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".parse()?;
    /// let connector = ehlo::Connector::new("mx.example").pin(pin).pins_alone();
    /// # Ok::<(), ehlo::InvalidPin>(())
    /// ```
    #[must_use]
    pub fn pins_alone(self) -> Self {
        self.with_tls(|tls| tls.trust(Anchor::Pins))
    }

    /// Shows this certificate where the server asks for one. By default none is shown.
    #[must_use]
    pub fn client_certificate(self, certificate: ClientCertificate) -> Self {
        self.with_tls(|tls| tls.identity = Some(certificate))
    }

    /// Offers these application protocols, the best first (RFC 7301); none by default, as SMTP has
    /// none that is registered. [`TlsInfo::alpn`](crate::TlsInfo::alpn) tells which was chosen.
    #[must_use]
    pub fn alpn<P: Into<Vec<u8>>>(self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.with_tls(|tls| tls.alpn = protocols.into_iter().map(Into::into).collect())
    }

    /// The lowest version of TLS to speak; [`TlsVersion::Tls12`] by default (RFC 8996).
    #[must_use]
    pub fn minimum_tls(self, version: TlsVersion) -> Self {
        self.with_tls(|tls| tls.minimum = version)
    }

    /// Takes a whole rustls configuration: its roots, verifier, provider and versions count. What
    /// can be set in it cannot be set here beside it: [`connect`](Self::connect) tells.
    #[must_use]
    pub fn client_config(self, config: Arc<ClientConfig>) -> Self {
        self.with_tls(|tls| tls.trust(Anchor::Config(config)))
    }

    /// The crypto provider; by default aws-lc-rs where it is compiled in, else ring.
    #[must_use]
    pub fn crypto(self, crypto: Crypto) -> Self {
        self.with_tls(|tls| tls.crypto = Some(crypto))
    }

    /// The name to send in the handshake and to check the certificate for, where it is another than
    /// the host's. A stream that is given needs it unless the connector has a host, and so does a
    /// Unix socket.
    #[must_use]
    pub fn tls_name(mut self, name: impl Into<String>) -> Self {
        self.tls_name = Some(name.into());
        self.with_tls(|_| {})
    }

    /// Another name to send in the handshake (SNI, RFC 6066 §3) than the one that the certificate
    /// is checked for. It travels in clear, and an address is not sent.
    #[must_use]
    pub fn sni(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.with_tls(|tls| tls.sni = Sni::Named(name))
    }

    /// Sends no name in the handshake. Servers with several names may show the wrong certificate
    /// then.
    #[must_use]
    pub fn without_sni(self) -> Self {
        self.with_tls(|tls| tls.sni = Sni::Omitted)
    }

    /// With [`Security::Opportunistic`], connects once more and stays in clear where the TLS
    /// handshake fails, as relays do for servers whose TLS is broken; [`InClear::HandshakeFailed`]
    /// tells why. By default the failure is an error. It needs a server to connect to, and so plays
    /// no part over a stream that is given.
    ///
    /// [`Security::Opportunistic`]: crate::Security::Opportunistic
    /// [`InClear::HandshakeFailed`]: crate::InClear::HandshakeFailed
    ///
    /// Anybody on the way can make a handshake fail.
    #[must_use]
    pub const fn retry_in_clear(mut self) -> Self {
        self.retry_in_clear = true;
        self
    }

    /// Settings that give up what TLS is for.
    #[must_use]
    pub const fn dangerous(self) -> DangerousConnector {
        DangerousConnector { connector: self }
    }

    /// Changes what TLS is made of. Clones that were made before keep theirs.
    pub(super) fn with_tls(mut self, change: impl FnOnce(&mut TlsOptions)) -> Self {
        change(&mut self.tls);
        self.with_common(|common| common.tls = Arc::default())
    }
}

/// A [`Connector`] about to be told to trust what it should not.
#[derive(Debug)]
pub struct DangerousConnector {
    connector: Connector,
}

impl DangerousConnector {
    /// Takes any certificate: anybody on the way can pose as the server. A secret is sent over
    /// such a connection only with [`Connector::allow_cleartext`].
    #[must_use]
    pub fn accept_any_certificate(self) -> Connector {
        self.connector.with_tls(|tls| tls.trust(Anchor::Anything))
    }
}
