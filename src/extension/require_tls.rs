//! REQUIRETLS (RFC 8689): every hop of a mail has to go over verified TLS. That this one does is
//! checked by the session.

use super::{Extension, MailParam};
use crate::wire::Param;

/// The server passes a mail on over verified TLS alone, where it is asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequireTls;

impl Extension for RequireTls {
    const KEYWORD: &'static str = "REQUIRETLS";
    const MAIL_PARAMS: &'static [&'static str] = &["REQUIRETLS"];
    const MAIL_OCTETS: usize = " REQUIRETLS".len();

    fn parse(_params: &str) -> Option<Self> {
        Some(Self)
    }
}

impl MailParam {
    /// `REQUIRETLS`: rather bounce this mail than pass it on without verified TLS.
    ///
    /// A session refuses it over a channel that is not itself verified TLS (RFC 8689 §4.2.1).
    #[must_use]
    pub const fn require_tls() -> Self {
        Self(Param::flag("REQUIRETLS"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::capabilities::tests::offered;
    use super::*;

    #[test]
    fn is_a_flag() {
        assert_eq!(MailParam::require_tls().to_string(), "REQUIRETLS");
        assert_eq!(RequireTls::MAIL_OCTETS, 11);
        assert_eq!(offered(&["requiretls"]).get::<RequireTls>(), Some(RequireTls));
    }
}
