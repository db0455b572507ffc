//! Who is asked whether a certificate is good, and what follows from the answer. The answer's
//! words stand in `reason`.

use std::sync::{Arc, OnceLock};

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

#[cfg(feature = "x509")]
use super::details;
use super::pin::Sha256;
use super::{Pin, TlsFault, TlsReason};

/// Asks a verifier, and then the pins. Says of an unknown issuer whether it is the certificate
/// itself, which is another mistake and has another remedy, and what else the certificates tell.
#[derive(Debug)]
pub(super) struct Explaining {
    pub(super) verifier: Arc<dyn ServerCertVerifier>,
    pub(super) provider: Arc<CryptoProvider>,
    /// The name to check, where another was sent.
    pub(super) name: Option<ServerName<'static>>,
    pub(super) pins: Pins,
}

impl Explaining {
    /// Whether the certificate would be believed if it were its own and only authority. Equal
    /// names of issuer and subject would not say as much.
    fn vouches_for_itself(
        &self,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> bool {
        let mut alone = RootCertStore::empty();
        if alone.add(certificate.clone().into_owned()).is_err() {
            return false;
        }
        let provider = Arc::clone(&self.provider);
        WebPkiServerVerifier::builder_with_provider(Arc::new(alone), provider).build().is_ok_and(
            |verifier| {
                // The name is looked at last, so a wrong one comes after a chain that holds.
                matches!(
                    verifier.verify_server_cert(certificate, &[], name, &[], now),
                    Ok(_)
                        | Err(Error::InvalidCertificate(
                            CertificateError::NotValidForName
                                | CertificateError::NotValidForNameContext { .. }
                        ))
                )
            },
        )
    }
}

impl ServerCertVerifier for Explaining {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let server_name = self.name.as_ref().unwrap_or(server_name);
        let verdict = self.verifier.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verdict {
            Ok(good) if self.pins.pins.is_empty() => Ok(good),
            Ok(_) => self.pins.check(end_entity),
            // A bad signature where one of the roots happens to have the same name.
            Err(Error::InvalidCertificate(
                error @ (CertificateError::UnknownIssuer | CertificateError::BadSignature),
            )) if self.vouches_for_itself(end_entity, server_name, now) => {
                Err(Told::error(TlsReason::SelfSigned, error))
            }
            Err(error) => Err(explained(error, end_entity, intermediates)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// Adds what the certificates say and the verifier did not, where something is.
#[cfg(feature = "x509")]
fn explained(
    error: Error,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Error {
    let Error::InvalidCertificate(error) = error else {
        return error;
    };
    match details::explain(&TlsReason::of_certificate(&error), end_entity, intermediates) {
        Some(reason) => Told::error(reason, error),
        None => Error::InvalidCertificate(error),
    }
}

#[cfg(not(feature = "x509"))]
const fn explained(error: Error, _: &CertificateDer<'_>, _: &[CertificateDer<'_>]) -> Error {
    error
}

/// A fault of a certificate that is known better than rustls can say. The server is told of it with
/// the alert `certificate_unknown`, since rustls knows no other for it.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub(super) struct Told {
    pub(super) reason: TlsReason,
    error: CertificateError,
}

impl Told {
    fn error(reason: TlsReason, error: CertificateError) -> Error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Self {
            reason,
            error,
        }))))
    }
}

/// Which certificates a server may have. Its own is looked at alone: others that it sends with it
/// need not belong to the chain that was found good.
#[derive(Clone, Debug)]
pub(super) struct Pins {
    pub(super) pins: Arc<[Pin]>,
    pub(super) sha256: Option<Sha256>,
}

impl Pins {
    /// One of the pins has to be the certificate's. Where nobody can hash, none is.
    fn check(&self, certificate: &CertificateDer<'_>) -> Result<ServerCertVerified, Error> {
        let fingerprint = self.sha256.and_then(|sha256| sha256.certificate(certificate));
        let public_key = self.sha256.and_then(|sha256| sha256.public_key(certificate));
        let own = [fingerprint, public_key];
        if own.iter().flatten().any(|own| self.pins.contains(own)) {
            return Ok(ServerCertVerified::assertion());
        }
        let reason = TlsReason::NotPinned { fingerprint, public_key };
        Err(Told::error(reason, CertificateError::ApplicationVerificationFailure))
    }
}

/// Believes whoever has the key of a certificate that is pinned, as with a DANE-EE record (RFC
/// 7671 §5.1): names, dates and issuers say nothing that the pin does not say better.
#[derive(Debug)]
pub(super) struct PinsAlone {
    pub(super) pins: Pins,
    pub(super) provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinsAlone {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.pins.check(end_entity)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Accepts every certificate. With a judge, its verdict is recorded.
///
/// One verifier serves one handshake, because rustls does not say which connection it asks for.
#[derive(Debug)]
pub(super) struct Accepting {
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) judge: Option<Judge>,
    pub(super) verdict: Arc<OnceLock<Verdict>>,
}

/// Who would decide; the fault when this system has nobody who could.
pub(super) type Judge = Result<Arc<dyn ServerCertVerifier>, TlsFault>;

pub(super) type Verdict = Result<(), TlsFault>;

impl Accepting {
    /// A signature that does not match is fatal where the certificate was believed: it may be a
    /// good one in the hands of somebody without its key. Where it was not, a certificate that
    /// cannot even be read (X.509 version 1 lives on in printers) proves no less than any other.
    fn tolerate(
        &self,
        outcome: Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        let believed = matches!(self.verdict.get(), Some(Ok(())));
        match outcome {
            Err(Error::InvalidCertificate(error))
                if !believed && error != CertificateError::BadSignature =>
            {
                Ok(HandshakeSignatureValid::assertion())
            }
            outcome => outcome,
        }
    }
}

impl ServerCertVerifier for Accepting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(judge) = &self.judge {
            let verdict = judge.clone().and_then(|judge| {
                judge
                    .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                    .map(|_| ())
                    .map_err(TlsFault::from)
            });
            // A second certificate in one handshake does not happen, and the first verdict would
            // stand.
            let _ = self.verdict.set(verdict);
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        self.tolerate(verify_tls12_signature(message, cert, dss, algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        self.tolerate(verify_tls13_signature(message, cert, dss, algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(all(test, any(feature = "aws-lc-rs", feature = "ring")))]
mod tests {
    use super::*;

    /// What cannot be read is no worse than what is not believed, but never a proof.
    #[test]
    fn unreadable_certificates_pass_only_unbelieved() {
        let tolerates = |verdict: Option<Verdict>, error| {
            let accepting = Accepting {
                provider: super::super::provider(None).unwrap(),
                judge: None,
                verdict: Arc::new(verdict.map_or_else(OnceLock::new, OnceLock::from)),
            };
            accepting.tolerate(Err(Error::InvalidCertificate(error))).is_ok()
        };
        let bad = || Some(Err(TlsFault::closed()));
        assert!(tolerates(bad(), CertificateError::BadEncoding));
        assert!(tolerates(None, CertificateError::BadEncoding));
        assert!(!tolerates(Some(Ok(())), CertificateError::BadEncoding));
        assert!(!tolerates(bad(), CertificateError::BadSignature));
        assert!(!tolerates(None, CertificateError::BadSignature));
    }
}
