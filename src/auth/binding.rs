//! What ties an authentication to the TLS channel that it goes over (RFC 5056). Where the octets
//! come from is the business of whoever speaks TLS.

use std::fmt;

/// What both ends of a TLS channel know of it, and nobody between them can make alike.
///
/// A mechanism of the `-PLUS` kind proves it along with the password, so that a relay which ends
/// TLS in the middle is found out, whatever certificate it has.
///
/// ```
/// let binding = ehlo::ChannelBinding::tls_exporter([7; 32]);
/// assert_eq!(binding.name(), "tls-exporter");
/// assert_eq!(format!("{binding:?}"), "ChannelBinding(tls-exporter)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ChannelBinding {
    name: &'static str,
    octets: Box<[u8]>,
}

impl ChannelBinding {
    /// `tls-exporter` (RFC 9266), for TLS 1.3: 32 octets exported with the label
    /// `EXPORTER-Channel-Binding` and an empty context. Over TLS 1.2 it is good only with the
    /// extended master secret (RFC 7627).
    #[must_use]
    pub fn tls_exporter(octets: [u8; 32]) -> Self {
        Self { name: "tls-exporter", octets: octets.into() }
    }

    /// `tls-server-end-point` (RFC 5929 §4): the hash of the server's certificate (DER) by the
    /// hash of its own signature, SHA-256 in the place of MD5 and SHA-1.
    pub fn tls_server_end_point(hash: impl Into<Box<[u8]>>) -> Self {
        Self { name: "tls-server-end-point", octets: hash.into() }
    }

    /// The registered name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What is proved.
    #[must_use]
    pub const fn octets(&self) -> &[u8] {
        &self.octets
    }
}

impl fmt::Debug for ChannelBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChannelBinding({})", self.name)
    }
}
