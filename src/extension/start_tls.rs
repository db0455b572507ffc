//! STARTTLS (RFC 3207): TLS on a connection that began in clear.

use super::Extension;

/// The server can go over to TLS. Inside TLS the offer means nothing and is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StartTls;

impl Extension for StartTls {
    const KEYWORD: &'static str = "STARTTLS";

    fn parse(_params: &str) -> Option<Self> {
        Some(Self)
    }
}
