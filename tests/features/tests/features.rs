//! The words in which a feature is missed, and what there is without the others.

use ehlo::Domain;

/// Without the feature no octet beyond ASCII reaches a domain; with it none leaves.
#[test]
fn c_043_a_domain_beyond_ascii_needs_idna() {
    let domain = "bücher.example".parse::<Domain>();
    if cfg!(feature = "idna") {
        assert_eq!(domain.unwrap().as_str(), "xn--bcher-kva.example");
    } else {
        assert_eq!(
            domain.unwrap_err().to_string(),
            "domain \"bücher.example\": a domain that is not ASCII needs the feature `idna`"
        );
    }
}

/// Without the feature SCRAM is passed over for PLAIN, and missed where there is nothing else.
#[test]
fn t10_scram_is_there_with_its_feature() {
    let password = ehlo::Credentials::new("alice", "wonderland");
    let chosen = |offered: [&str; 2]| {
        let chosen = password.choose(&ehlo::Offer::new(offered));
        chosen.map(|mechanism| mechanism.name().to_owned()).map_err(|fault| fault.to_string())
    };
    if cfg!(feature = "scram") {
        assert_eq!(chosen(["PLAIN", "SCRAM-SHA-256"]), Ok("SCRAM-SHA-256".to_owned()));
    } else {
        assert_eq!(chosen(["PLAIN", "SCRAM-SHA-256"]), Ok("PLAIN".to_owned()));
        let words = "the server offers no mechanism that can be used (it offers CRAM-MD5, \
                     SCRAM-SHA-256); CRAM-MD5, SCRAM-SHA-256: only with the feature `scram`";
        assert_eq!(chosen(["CRAM-MD5", "SCRAM-SHA-256"]), Err(words.to_owned()));
    }
}

#[cfg(all(any(feature = "net", feature = "tls"), not(feature = "ring")))]
mod without_cryptography {
    use ehlo::{Connector, ErrorKind, Security, Stage};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[cfg(not(feature = "tls"))]
    const WORDS: &str = "TLS is not compiled in: enable feature tls";
    #[cfg(feature = "tls")]
    const WORDS: &str = "no crypto provider is compiled in: enable feature aws-lc-rs or ring, or give a whole ClientConfig";

    /// And nothing is said in clear.
    #[tokio::test]
    async fn t7_whoever_asks_for_tls_is_told() {
        for security in [Security::StartTls, Security::Implicit, Security::Opportunistic] {
            let (near, mut far) = tokio::io::duplex(1024);
            let connector = Connector::new("mx.example").security(security);
            let error = connector.connect_over(near).await.unwrap_err();
            assert_eq!(error.to_string(), WORDS);
            assert!(matches!(error.kind(), ErrorKind::Misuse(_)), "{error:?}");
            assert_eq!(error.stage(), Stage::Handshake);
            let mut heard = Vec::new();
            far.read_to_end(&mut heard).await.unwrap();
            assert_eq!(heard, b"", "{security}");
        }
    }

    #[tokio::test]
    async fn in_clear_a_session_is_all_there() {
        let (near, mut far) = tokio::io::duplex(1024);
        let server = tokio::spawn(async move {
            far.write_all(b"220 mx\r\n").await.unwrap();
            let mut heard = vec![0; b"EHLO [127.0.0.1]\r\n".len()];
            far.read_exact(&mut heard).await.unwrap();
            far.write_all(b"250-mx\r\n250 STARTTLS\r\n").await.unwrap();
            far.read_exact(&mut [0; b"QUIT\r\n".len()]).await.unwrap();
            far.write_all(b"221 bye\r\n").await.unwrap();
            heard
        });
        let connector = Connector::new("mx.example").security(Security::None);
        let mut client = connector.connect_over(near).await.unwrap();
        client.quit().await.unwrap();
        assert_eq!(server.await.unwrap(), b"EHLO [127.0.0.1]\r\n");
    }
}

/// Without TLS there is a probe in clear; what has none says so in its report.
#[cfg(all(feature = "probe", not(feature = "tls")))]
#[tokio::test]
async fn t7_a_probe_is_in_clear_or_told() {
    use ehlo::{Connector, Probe, Stage, Verdict};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            for reply in ["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "221 bye\r\n"] {
                let _ = stream.write_all(reply.as_bytes()).await;
                while stream.read_u8().await.unwrap_or(b'\n') != b'\n' {}
            }
        }
    });
    let report = Probe::new(address.clone()).run().await;
    assert_eq!(report.verdict(), Verdict::Ok, "{report}");
    let report = Probe::with(Connector::new(address)).run().await;
    assert_eq!(report.verdict(), Verdict::Failed(Stage::Handshake), "{report}");
    let words = report.error().unwrap().to_string();
    assert_eq!(words, "TLS is not compiled in: enable feature tls");
}

#[cfg(feature = "ring")]
mod with_cryptography {
    use std::sync::Arc;

    use ehlo::{Connector, Crypto, Error, RootCertificates, Security, TlsInfo};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::CryptoProvider;
    use tokio_rustls::rustls::crypto::ring::default_provider;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;

    /// Greets over TLS, and answers EHLO and QUIT.
    async fn serve(far: DuplexStream, acceptor: TlsAcceptor) -> std::io::Result<()> {
        let mut tls = acceptor.accept(far).await?;
        tls.write_all(b"220 mx\r\n").await?;
        for reply in [&b"250 mx\r\n"[..], b"221 bye\r\n"] {
            while tls.read_u8().await? != b'\n' {}
            tls.write_all(reply).await?;
        }
        Ok(())
    }

    fn server() -> (TlsAcceptor, String) {
        let made = rcgen::generate_simple_self_signed(["mx.example".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        (TlsAcceptor::from(Arc::new(config)), made.cert.pem())
    }

    fn implicit(pem: &str) -> Connector {
        let roots = RootCertificates::from_pem(pem.as_bytes()).unwrap();
        Connector::new("mx.example").security(Security::Implicit).roots(roots)
    }

    /// What a connection to it agreed on.
    async fn agreed(connector: &Connector, acceptor: &TlsAcceptor) -> Result<TlsInfo, Error> {
        let (near, far) = tokio::io::duplex(65_536);
        let server = tokio::spawn(serve(far, acceptor.clone()));
        let mut client = connector.connect_over(near).await?;
        let info = client.conversation().tls().unwrap().clone();
        client.quit().await?;
        server.await.unwrap().unwrap();
        Ok(info)
    }

    /// T9: where both are compiled in, rustls alone would panic for lack of a choice.
    #[tokio::test]
    async fn t9_a_handshake_by_default_and_by_name_leaves_nothing_in_the_process() {
        let (acceptor, pem) = server();
        let connector = implicit(&pem);
        let mut connectors = vec![connector.clone(), connector.clone().crypto(Crypto::Ring)];
        if cfg!(feature = "both") {
            connectors.push(connector.crypto(Crypto::AwsLcRs));
        }
        for connector in connectors {
            assert!(agreed(&connector, &acceptor).await.unwrap().is_verified());
        }
        assert!(CryptoProvider::get_default().is_none());
    }

    /// What a program has installed for itself is not taken: this one could do nothing.
    #[cfg(feature = "both")]
    #[test]
    fn t9_nothing_is_taken_from_the_process() {
        let name = "with_cryptography::t9_child_with_a_provider_that_can_do_nothing";
        let test = std::env::current_exe().unwrap();
        let child =
            std::process::Command::new(test).args(["--exact", name, "--ignored"]).output().unwrap();
        let out = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && out.contains("1 passed"), "{out}");
    }

    #[cfg(feature = "both")]
    #[tokio::test]
    #[ignore = "it needs a process of its own: t9_nothing_is_taken_from_the_process runs it"]
    async fn t9_child_with_a_provider_that_can_do_nothing() {
        let (acceptor, pem) = server();
        let mut useless = default_provider();
        useless.cipher_suites.clear();
        useless.kx_groups.clear();
        useless.install_default().unwrap();
        assert!(agreed(&implicit(&pem), &acceptor).await.unwrap().is_verified());
    }

    #[cfg(not(feature = "both"))]
    #[tokio::test]
    async fn the_other_provider_is_missed_by_name() {
        let (near, _far) = tokio::io::duplex(1024);
        let connector = Connector::new("mx.example").crypto(Crypto::AwsLcRs);
        let error = connector.connect_over(near).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the crypto provider aws-lc-rs is not compiled in: enable feature aws-lc-rs"
        );
        assert!(matches!(error.kind(), ehlo::ErrorKind::Misuse(_)), "{error:?}");
    }

    /// Without the feature a fault says what rustls does; and pins need nothing else.
    #[tokio::test]
    async fn t9_who_has_issued_a_certificate_needs_x509() {
        let (acceptor, pem) = server();
        let ca = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new([]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "somebody");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let issuer = rcgen::Issuer::new(params, ca);
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(["mx.example".to_owned()]).unwrap();
        let issued = params.signed_by(&key, &issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![issued.der().clone()], key)
            .unwrap();
        let stranger = TlsAcceptor::from(Arc::new(config));
        let words = agreed(&implicit(&pem), &stranger).await.unwrap_err().to_string();
        let who = if cfg!(feature = "x509") { ", \"CN=somebody\"," } else { "" };
        assert_eq!(
            words,
            format!(
                "the TLS handshake with mx.example failed: the issuer of the server's \
                 certificate{who} is not trusted here: its root certificate is missing here, or \
                 the server does not send the intermediate ones"
            )
        );
        let info = agreed(&implicit(&pem), &acceptor).await.unwrap();
        let key = info.chain()[0].public_key().unwrap();
        let pinned = Connector::new("mx.example").security(Security::Implicit).pin(key);
        let info = agreed(&pinned.pins_alone(), &acceptor).await.unwrap();
        assert_eq!(info.pin(), Some(&key));
    }
}
