//! How a connection is to be protected: the choice alone. Acting on it belongs to the connector,
//! and what follows from it for commands to the session.

use std::fmt;
use std::str::FromStr;

/// How a connection to a server is protected.
///
/// ```
/// use ehlo::Security;
///
/// assert_eq!(Security::default(), Security::StartTls);
/// assert_eq!(Security::Implicit.default_port(), 465);
/// assert_eq!("opportunistic".parse(), Ok(Security::Opportunistic));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Security {
    /// TLS from the first octet, with a verified certificate (RFC 8314 §3.3).
    Implicit,
    /// STARTTLS (RFC 3207), required: without it, and without a verified certificate, there is
    /// no session. The default.
    #[default]
    StartTls,
    /// STARTTLS where the server offers it, whatever its certificate; else in clear. What a relay
    /// does between strangers. No secret is sent, even where the certificate is good, unless
    /// [`Connector::allow_cleartext`](super::Connector::allow_cleartext) says so. A handshake that
    /// fails is an error, unless there is
    /// [`Connector::retry_in_clear`](super::Connector::retry_in_clear).
    Opportunistic,
    /// In clear.
    None,
}

impl Security {
    /// The port where servers are found that speak this way: 465 for `Implicit`, 587 for
    /// `StartTls`, 25 for the others.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Implicit => 465,
            Self::StartTls => 587,
            Self::Opportunistic | Self::None => 25,
        }
    }

    /// Whether a session without verified TLS is a failure.
    #[must_use]
    pub const fn requires_tls(self) -> bool {
        matches!(self, Self::Implicit | Self::StartTls)
    }

    const ALL: [Self; 4] = [Self::Implicit, Self::StartTls, Self::Opportunistic, Self::None];

    const fn name(self) -> &'static str {
        match self {
            Self::Implicit => "implicit",
            Self::StartTls => "starttls",
            Self::Opportunistic => "opportunistic",
            Self::None => "none",
        }
    }
}

impl fmt::Display for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Reads the four names that `Display` writes, in any case.
impl FromStr for Security {
    type Err = InvalidSecurity;

    fn from_str(text: &str) -> Result<Self, InvalidSecurity> {
        Self::ALL
            .into_iter()
            .find(|security| security.name().eq_ignore_ascii_case(text))
            .ok_or(InvalidSecurity(()))
    }
}

/// The text names no [`Security`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("security is one of implicit, starttls, opportunistic and none")]
pub struct InvalidSecurity(());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ports() {
        let rows = [
            (Security::Implicit, "implicit", 465, true),
            (Security::StartTls, "starttls", 587, true),
            (Security::Opportunistic, "opportunistic", 25, false),
            (Security::None, "none", 25, false),
        ];
        for (security, name, port, required) in rows {
            assert_eq!(security.to_string(), name);
            assert_eq!(name.parse(), Ok(security));
            assert_eq!(name.to_uppercase().parse(), Ok(security));
            assert_eq!(security.default_port(), port);
            assert_eq!(security.requires_tls(), required);
        }
    }

    #[test]
    fn refuses_other_names() {
        for text in ["", "tls", "ssl", "start_tls", " none"] {
            let fault = text.parse::<Security>().unwrap_err();
            assert_eq!(
                fault.to_string(),
                "security is one of implicit, starttls, opportunistic and none"
            );
        }
    }
}
