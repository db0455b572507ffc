//! What may be chosen about TLS, and with which cryptography. What is made of it stands in `mod`.

use std::sync::Arc;

use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::time_provider::{DefaultTimeProvider, TimeProvider};

use super::{ClientCertificate, Pin, RevocationLists, RootCertificates, TlsVersion};
use crate::net::connector::in_ascii;
use crate::wire::InvalidValue;

/// What a caller may choose about TLS.
#[derive(Clone, Debug)]
pub(crate) struct TlsOptions {
    /// Set by [`trust`](Self::trust).
    pub(crate) anchor: Anchor,
    /// Two settings that both said where trust comes from: only the second is in `anchor`.
    pub(crate) rivals: Option<(&'static str, &'static str)>,
    /// The server's certificate has to have one of them, where there is one.
    pub(crate) pins: Vec<Pin>,
    /// What the given roots have withdrawn.
    pub(crate) revocation: Option<RevocationLists>,
    pub(crate) identity: Option<ClientCertificate>,
    pub(crate) alpn: Vec<Vec<u8>>,
    pub(crate) sni: Sni,
    pub(crate) minimum: TlsVersion,
    /// The named provider; otherwise aws-lc-rs where it is compiled in, else ring.
    pub(crate) crypto: Option<Crypto>,
    /// Where the time comes from; tests stop it.
    pub(crate) clock: Arc<dyn TimeProvider>,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self {
            anchor: Anchor::default(),
            rivals: None,
            pins: Vec::new(),
            revocation: None,
            identity: None,
            alpn: Vec::new(),
            sni: Sni::default(),
            minimum: TlsVersion::Tls12,
            crypto: None,
            clock: Arc::new(DefaultTimeProvider),
        }
    }
}

/// Where trust comes from.
#[derive(Clone, Debug, Default)]
pub(crate) enum Anchor {
    /// What the operating system trusts.
    #[default]
    Platform,
    /// These and no others.
    Roots(RootCertificates),
    /// The pins, with no regard to issuer, name and dates.
    Pins,
    /// A configuration of rustls, taken as it is.
    Config(Arc<ClientConfig>),
    /// Every certificate is taken. Only behind a door with an ugly name.
    Anything,
}

impl Anchor {
    /// The setting that chose it.
    const fn setting(&self) -> Option<&'static str> {
        match self {
            Self::Platform => None,
            Self::Roots(_) => Some("roots"),
            Self::Pins => Some("pins_alone"),
            Self::Config(_) => Some("client_config"),
            Self::Anything => Some("accept_any_certificate"),
        }
    }
}

/// The name that is sent in the handshake, in clear.
#[derive(Clone, Debug, Default)]
pub(crate) enum Sni {
    /// The one that the certificate is checked for.
    #[default]
    AsChecked,
    Named(String),
    Omitted,
}

impl TlsOptions {
    /// Takes trust from here. The same setting once more replaces what it set; what another one has
    /// set is not dropped in silence: [`agree`](Self::agree) tells.
    pub(crate) fn trust(&mut self, anchor: Anchor) {
        if let (Some(former), Some(latter)) = (self.anchor.setting(), anchor.setting())
            && former != latter
        {
            self.rivals = Some((former, latter));
        }
        self.anchor = anchor;
    }

    /// # Errors
    ///
    /// When they contradict each other. None is passed over in silence: what was asked for would
    /// seem to hold.
    pub(super) fn agree(&self) -> Result<(), InvalidTlsOptions> {
        if let Some((former, latter)) = self.rivals {
            return Err(InvalidTlsOptions::Rivals(former, latter));
        }
        if matches!(self.anchor, Anchor::Config(_)) {
            let beside = [
                (!self.pins.is_empty(), "a pin"),
                (self.revocation.is_some(), "a revocation list"),
                (self.identity.is_some(), "a client certificate"),
                (!self.alpn.is_empty(), "ALPN"),
                (!matches!(self.sni, Sni::AsChecked), "another SNI"),
                (self.minimum != TlsVersion::Tls12, "a minimum version"),
                (self.crypto.is_some(), "a crypto provider"),
            ];
            if let Some((_, what)) = beside.into_iter().find(|(is_given, _)| *is_given) {
                return Err(InvalidTlsOptions::BesideConfig(what));
            }
        }
        match (&self.anchor, self.pins.is_empty()) {
            (Anchor::Pins, true) => return Err(InvalidTlsOptions::NoPin),
            (Anchor::Anything, false) => return Err(InvalidTlsOptions::PinIgnored),
            _ => {}
        }
        if self.revocation.is_some() && !matches!(self.anchor, Anchor::Roots(_)) {
            return Err(InvalidTlsOptions::RevocationWithoutRoots);
        }
        Ok(())
    }
}

/// The cryptography under TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Crypto {
    /// aws-lc-rs, feature `aws-lc-rs`: the default where it is compiled in.
    AwsLcRs,
    /// ring, feature `ring`: the default where it alone is compiled in.
    Ring,
}

pub(super) fn provider(named: Option<Crypto>) -> Result<Arc<CryptoProvider>, InvalidTlsOptions> {
    #[cfg(feature = "aws-lc-rs")]
    if matches!(named, None | Some(Crypto::AwsLcRs)) {
        use tokio_rustls::rustls::crypto::aws_lc_rs;
        return Ok(Arc::new(aws_lc_rs::default_provider()));
    }
    #[cfg(feature = "ring")]
    if matches!(named, None | Some(Crypto::Ring)) {
        use tokio_rustls::rustls::crypto::ring;
        return Ok(Arc::new(ring::default_provider()));
    }
    Err(match named {
        None => InvalidTlsOptions::NoProvider,
        Some(Crypto::AwsLcRs) => InvalidTlsOptions::ProviderMissing("aws-lc-rs"),
        Some(Crypto::Ring) => InvalidTlsOptions::ProviderMissing("ring"),
    })
}

/// The name that a certificate has to be for: a DNS name, in A-labels where it is not ASCII (RFC 9525
/// §6.3), or an address (with or without brackets), which is compared with the certificate's
/// addresses alone (§6.5).
///
/// # Errors
///
/// When the text is neither.
pub(crate) fn server_name(host: &str) -> Result<ServerName<'static>, InvalidTlsOptions> {
    if let Some(ip) = crate::net::resolve::ip_literal(host) {
        return Ok(ServerName::from(ip));
    }
    // A final dot says that the name is whole; certificates and SNI never have it.
    let name = in_ascii(host.strip_suffix('.').unwrap_or(host))?;
    ServerName::try_from(name.into_owned())
        .map_err(|_| InvalidTlsOptions::ServerName(host.to_owned()))
}

/// Options for TLS that cannot be followed: a mistake of the program, not of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidTlsOptions {
    /// The crate was built without cryptography for TLS.
    #[error(
        "no crypto provider is compiled in: enable feature aws-lc-rs or ring, or give a whole ClientConfig"
    )]
    NoProvider,
    /// The provider that was named is not compiled in; its feature has the same name.
    #[error("the crypto provider {0} is not compiled in: enable feature {0}")]
    ProviderMissing(&'static str),
    /// A whole configuration leaves no place for this.
    #[error("a whole ClientConfig is taken as it is: {0} has to be set in it")]
    BesideConfig(&'static str),
    /// Each of these settings would undo the other.
    #[error("{0} and {1} both say whom to trust: only one of them can")]
    Rivals(&'static str, &'static str),
    #[error("pins_alone needs a pin")]
    NoPin,
    #[error("a pin is in vain where any certificate is accepted: pins_alone is what does that")]
    PinIgnored,
    #[error(
        "revocation lists go with roots that are given: what the platform trusts, it checks itself"
    )]
    RevocationWithoutRoots,
    #[error("the client certificate cannot be used: {0}")]
    ClientCertificate(&'static str),
    /// No certificate can be for this name.
    #[error("{} is neither a host name nor an address", crate::Escaped::new(.0.as_bytes()))]
    ServerName(String),
    /// A name that is not ASCII has no A-labels, or none without feature `idna`.
    #[error(transparent)]
    Domain(#[from] InvalidValue),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_named_or_missed() {
        for (crypto, compiled, name) in [
            (Crypto::AwsLcRs, cfg!(feature = "aws-lc-rs"), "aws-lc-rs"),
            (Crypto::Ring, cfg!(feature = "ring"), "ring"),
        ] {
            match provider(Some(crypto)) {
                Ok(_) => assert!(compiled),
                Err(fault) => {
                    assert!(!compiled);
                    assert_eq!(
                        fault.to_string(),
                        format!(
                            "the crypto provider {name} is not compiled in: enable feature {name}"
                        )
                    );
                }
            }
        }
        let any = cfg!(any(feature = "aws-lc-rs", feature = "ring"));
        assert_eq!(provider(None).is_ok(), any);
        assert_eq!(
            InvalidTlsOptions::NoProvider.to_string(),
            "no crypto provider is compiled in: enable feature aws-lc-rs or ring, or give a whole \
             ClientConfig"
        );
    }

    /// Whichever comes last would undo the other without a word.
    #[test]
    fn settings_that_undo_each_other_are_told() {
        let Ok(provider) = provider(None) else { return };
        let config = || {
            let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
            let builder = builder.with_safe_default_protocol_versions().unwrap();
            let roots = tokio_rustls::rustls::RootCertStore::empty();
            Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
        };
        let roots = || RootCertificates(Arc::new(tokio_rustls::rustls::RootCertStore::empty()));
        let anchors =
            || [Anchor::Roots(roots()), Anchor::Pins, Anchor::Config(config()), Anchor::Anything];
        let names = ["roots", "pins_alone", "client_config", "accept_any_certificate"];
        for (former, one) in names.into_iter().zip(anchors()) {
            for (latter, other) in names.into_iter().zip(anchors()) {
                let mut options = TlsOptions::default();
                options.trust(one.clone());
                options.trust(other);
                let told = options.agree().err().map(|fault| fault.to_string());
                let words =
                    format!("{former} and {latter} both say whom to trust: only one of them can");
                let undone = told.is_some_and(|told| told == words);
                assert_eq!(undone, former != latter, "{former} {latter}");
            }
        }
        // The latest counts of one setting alone.
        let mut options = TlsOptions::default();
        options.trust(Anchor::Roots(roots()));
        options.trust(Anchor::Roots(roots()));
        assert_eq!(options.agree(), Ok(()));
    }

    #[test]
    fn names_are_converted_for_certificates() {
        for (host, name) in [
            ("mx.example.", "mx.example"),
            ("192.0.2.1", "192.0.2.1"),
            // A zone is no part of what a certificate is for.
            ("[fe80::1%eth0]", "fe80::1"),
        ] {
            assert_eq!(server_name(host).unwrap().to_str(), name);
        }
        let converted = server_name("bücher.example.").map(|name| name.to_str().into_owned());
        match cfg!(feature = "idna") {
            true => assert_eq!(converted.unwrap(), "xn--bcher-kva.example"),
            false => assert_eq!(
                converted.unwrap_err().to_string(),
                r#"domain "bücher.example": a domain that is not ASCII needs the feature `idna`"#
            ),
        }
    }

    #[test]
    fn what_no_certificate_can_be_for() {
        for host in ["", ".", "a b", "a\u{1b}"] {
            assert!(server_name(host).is_err(), "{host}");
        }
        assert_eq!(
            server_name("a\u{1b}").unwrap_err().to_string(),
            r"a\x1b is neither a host name nor an address"
        );
    }
}
