//! The server that a proxy is asked for: a value that exists can be written to any proxy.

use std::fmt;
use std::net::IpAddr;

use crate::net::resolve::ip_literal;
use crate::protocol::Misuse;
use crate::wire::Escaped;

/// A host's name or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::net) struct Target {
    host: TargetHost,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TargetHost {
    Address(IpAddr),
    /// 1 to 255 letters, digits, hyphens, dots and underscores.
    Name(Box<str>),
}

impl Target {
    /// Whatever is no address has to be a name in ASCII. Of what a name cannot have a proxy could
    /// make another request.
    pub(in crate::net) fn new(host: &str, port: u16) -> Result<Self, Misuse> {
        // A zone is one of this machine's, and means nothing to a proxy.
        if let Some(address) = ip_literal(host).filter(|_| !host.contains('%')) {
            return Ok(Self { host: TargetHost::Address(address), port });
        }
        let is_lawful = |octet: u8| octet.is_ascii_alphanumeric() || b"-._".contains(&octet);
        if host.is_empty() || host.len() > LONGEST || !host.bytes().all(is_lawful) {
            let shown = Escaped::new(host.as_bytes());
            return Err(Misuse::Setting(format!(
                "\"{shown}\" is no name to ask a proxy for: 1 to 255 letters, digits, -, . and _"
            )));
        }
        Ok(Self { host: TargetHost::Name(host.into()), port })
    }

    pub(super) const fn host(&self) -> &TargetHost {
        &self.host
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }
}

/// `host:port`, an IPv6 address in brackets: the form that CONNECT takes (RFC 9112 §3.2.3).
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            TargetHost::Address(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            TargetHost::Address(IpAddr::V4(address)) => write!(f, "{address}:{}", self.port),
            TargetHost::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// What the one octet for the length of a name in SOCKS5 can say (RFC 1928 §5).
const LONGEST: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_written_as_http_wants_them() {
        for (host, shown) in [
            ("mx.example.org", "mx.example.org:25"),
            ("a_b-c", "a_b-c:25"),
            ("192.0.2.1", "192.0.2.1:25"),
            ("2001:db8::1", "[2001:db8::1]:25"),
            ("[2001:db8::1]", "[2001:db8::1]:25"),
        ] {
            assert_eq!(Target::new(host, 25).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn t3_t19_no_octet_that_a_name_cannot_have_is_written_to_a_proxy() {
        for octet in 0..=255_u8 {
            let host = format!("mx{}example", char::from(octet));
            let is_lawful = octet.is_ascii_alphanumeric() || b"-._".contains(&octet);
            assert_eq!(Target::new(&host, 25).is_ok(), is_lawful, "{octet}");
        }
        assert_eq!(
            Target::new("mx\r\nX: y", 25).unwrap_err().to_string(),
            r#""mx\x0d\x0aX: y" is no name to ask a proxy for: 1 to 255 letters, digits, -, . and _"#
        );
        assert!(Target::new("fe80::1%eth0", 25).is_err());
        // Narrowed to octets these would be CR and LF (T4).
        assert!(Target::new("mx\u{760d}\u{010a}", 25).is_err());
    }

    #[test]
    fn the_length_fits_into_an_octet() {
        assert!(Target::new("", 25).is_err());
        assert!(Target::new(&"x".repeat(255), 25).is_ok());
        assert!(Target::new(&"x".repeat(256), 25).is_err());
    }
}
