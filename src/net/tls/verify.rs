//! Who is asked whether a certificate is good, and what follows from the answer. The answer's
//! words stand in `fault`.

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

use super::TlsFault;

/// Says of an unknown issuer whether it is the certificate itself, which is another mistake and
/// has another remedy. Decides nothing.
#[derive(Debug)]
pub(super) struct Explaining {
    pub(super) verifier: Arc<dyn ServerCertVerifier>,
    pub(super) provider: Arc<CryptoProvider>,
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
        let verdict = self.verifier.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        verdict.map_err(|error| match error {
            // A bad signature where one of the roots happens to have the same name.
            Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            ) if self.vouches_for_itself(end_entity, server_name, now) => {
                Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(SelfSigned))))
            }
            error => error,
        })
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

/// The certificate's issuer is the certificate itself.
#[derive(Debug, thiserror::Error)]
#[error("self-signed certificate")]
pub(super) struct SelfSigned;

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
