//! What a handshake agreed on. Nothing here decides whether that is enough.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls::{ClientConnection, HandshakeKind, ProtocolVersion};

use super::pin::Sha256;
use super::{PeerCertificate, Pin, TlsFault};
use crate::Escaped;
use crate::auth::ChannelBinding;

/// What a completed TLS handshake agreed on, and how far the server's certificate is to be
/// believed.
///
/// `Display` reads `TLS 1.3, TLS_AES_256_GCM_SHA384, verified`.
#[derive(Clone, Debug)]
pub struct TlsInfo {
    version: TlsVersion,
    cipher_suite: String,
    key_exchange: Option<String>,
    alpn: Option<Vec<u8>>,
    is_resumed: bool,
    chain: Arc<[PeerCertificate]>,
    trust: Trust,
    binding: Option<ChannelBinding>,
    pin: Option<Pin>,
}

impl TlsInfo {
    pub(super) fn new(
        connection: &ClientConnection,
        trust: Trust,
        pins: &[Pin],
        sha256: Option<Sha256>,
    ) -> Self {
        let chain = connection.peer_certificates().unwrap_or_default().iter();
        let chain: Arc<[_]> = chain.map(|der| PeerCertificate::new(der, sha256)).collect();
        let pinned = |own: &PeerCertificate| pins.iter().copied().find(|pin| own.has(pin));
        Self {
            version: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => TlsVersion::Tls13,
                _ => TlsVersion::Tls12,
            },
            cipher_suite: connection
                .negotiated_cipher_suite()
                .and_then(|suite| suite.suite().as_str())
                .map(|name| name.replacen("TLS13_", "TLS_", 1))
                .unwrap_or_default(),
            key_exchange: connection
                .negotiated_key_exchange_group()
                .map(|group| format!("{:?}", group.name())),
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
            is_resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
            pin: chain.first().and_then(pinned),
            chain,
            trust,
            binding: channel_binding(connection),
        }
    }

    /// The version of TLS.
    #[must_use]
    pub const fn version(&self) -> TlsVersion {
        self.version
    }

    /// The cipher suite by its registered name, such as `TLS_AES_256_GCM_SHA384`.
    #[must_use]
    pub fn cipher_suite(&self) -> &str {
        &self.cipher_suite
    }

    /// The application protocol agreed on, where one was asked for (RFC 7301).
    #[must_use]
    pub fn alpn(&self) -> Option<&[u8]> {
        self.alpn.as_deref()
    }

    /// What AUTH can be bound to this channel by: `tls-exporter` (RFC 9266) over TLS 1.3; over TLS
    /// 1.2 `tls-server-end-point` (RFC 5929), with feature `scram`. None, too, where TLS had failed
    /// by the time it was first asked for: there is no channel any more.
    #[must_use]
    pub const fn channel_binding(&self) -> Option<&ChannelBinding> {
        self.binding.as_ref()
    }

    /// The group of the key exchange by its registered name, such as `X25519`; none where
    /// there was no exchange by groups, as where TLS 1.2 resumed a session.
    #[must_use]
    pub fn key_exchange(&self) -> Option<&str> {
        self.key_exchange.as_deref()
    }

    /// Whether a session of an earlier connection was taken up again, which saves the server's
    /// certificate and its check: it was verified then, and that is what is told here.
    #[must_use]
    pub const fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// The certificates that the server sent, its own first; of a session that was resumed, those
    /// from when it began.
    #[must_use]
    pub fn chain(&self) -> &[PeerCertificate] {
        &self.chain
    }

    /// The one of the given pins that the server's certificate has.
    #[must_use]
    pub const fn pin(&self) -> Option<&Pin> {
        self.pin.as_ref()
    }

    /// How far the certificate is to be believed.
    #[must_use]
    pub const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Whether the certificate was checked and found good.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        matches!(self.trust, Trust::Verified(_))
    }
}

/// What AUTH can be bound to a channel by: RFC 9266 §4.2. Over TLS 1.2 the exporter would take the extended master secret, of which rustls
/// does not tell whether the server agreed to it.
pub(crate) fn channel_binding(connection: &ClientConnection) -> Option<ChannelBinding> {
    if connection.protocol_version() == Some(ProtocolVersion::TLSv1_3) {
        let label = b"EXPORTER-Channel-Binding";
        let exported = connection.export_keying_material([0; 32], label, None);
        return exported.ok().map(ChannelBinding::tls_exporter);
    }
    #[cfg(feature = "scram")]
    return super::end_point::end_point(connection.peer_certificates()?.first()?);
    #[cfg(not(feature = "scram"))]
    None
}

impl fmt::Display for TlsInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.version, self.cipher_suite)?;
        if let Some(alpn) = &self.alpn {
            write!(f, ", ALPN {}", Escaped::new(alpn))?;
        }
        if self.is_resumed {
            f.write_str(", resumed")?;
        }
        write!(f, ", {}", self.trust)
    }
}

/// A version of TLS. Older ones are not spoken (RFC 8996).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        })
    }
}

/// How far a server's certificate is to be believed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Trust {
    /// It was checked and found good, by this.
    Verified(TrustedBy),
    /// It was checked, found bad for this reason, and taken all the same, because the policy was
    /// opportunistic.
    Unverified(TlsFault),
    /// It was not checked, because that was asked for.
    Unchecked,
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verified(_) => f.write_str("verified"),
            Self::Unverified(why) => write!(f, "not verified: {why}"),
            Self::Unchecked => f.write_str("not checked"),
        }
    }
}

/// By what a server's certificate was found good. Pins that were given beside it were kept, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrustedBy {
    /// What the platform trusts.
    Platform,
    /// The roots that were given.
    Roots,
    /// A pin alone.
    Pin,
    /// The verifier of the `ClientConfig` that was given, whatever it looks at.
    Config,
}

impl fmt::Display for TrustedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Platform => "the platform's roots",
            Self::Roots => "the given roots",
            Self::Pin => "a pin alone",
            Self::Config => "the given ClientConfig",
        })
    }
}
