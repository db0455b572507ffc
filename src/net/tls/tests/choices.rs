//! What a caller may choose beside whom to trust: each choice is seen to hold.

use rcgen::{
    CertificateRevocationListParams, ExtendedKeyUsagePurpose, KeyIdMethod, RevokedCertParams,
    SerialNumber,
};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::server::WebPkiClientVerifier;

use super::*;

fn trusting(ca: &Authority) -> TlsOptions {
    options(Anchor::Roots(ca.roots()))
}

fn pins_of(identity: &Identity) -> [Pin; 2] {
    let certificate =
        PeerCertificate::new(&identity.0.cert[0], Sha256::of(&provider(None).unwrap()));
    [certificate.fingerprint().unwrap(), certificate.public_key().unwrap()]
}

#[tokio::test]
async fn all_that_was_agreed_on_is_told() {
    let ca = Authority::new();
    let identity = ca.issue(&params(&[NAME]));
    let config = server_config(&identity, &[&TLS13]);
    let (info, _) = session(&ready(&trusting(&ca)), config).await.unwrap();
    assert_eq!(info.key_exchange(), Some("X25519"));
    assert!(matches!(info.trust(), Trust::Verified(TrustedBy::Roots)));
    assert!(!info.is_resumed());
    assert_eq!(info.pin(), None);
    let [certificate] = info.chain() else {
        panic!("{info:?}");
    };
    assert_eq!(certificate.der(), identity.0.cert[0].as_ref());
    assert_eq!(
        format!("{certificate:?}"),
        format!("PeerCertificate(Some({:?}))", certificate.fingerprint().unwrap())
    );
    // Neither verified nor asked for, it is shown all the same.
    let config = server_config(&identity, &[&TLS13]);
    let (info, _) = session(&ready(&options(Anchor::Anything)), config).await.unwrap();
    assert_eq!(info.chain()[0].der(), identity.0.cert[0].as_ref());
}

/// The hashes are those that `openssl x509 -fingerprint -sha256` and `openssl pkey -pubin -outform
/// der | sha256sum` print for this certificate.
#[test]
fn fingerprints_are_those_of_other_tools() {
    let der = CertificateDer::from_pem_slice(KNOWN.as_bytes()).unwrap();
    let certificate = PeerCertificate::new(&der, Sha256::of(&provider(None).unwrap()));
    assert_eq!(certificate.fingerprint().unwrap().to_string(), KNOWN_FINGERPRINT);
    assert_eq!(certificate.public_key().unwrap().to_string(), KNOWN_KEY);
}

#[tokio::test]
async fn t9_a_pin_is_asked_beside_the_chain() {
    let ca = Authority::new();
    let identity = ca.issue(&params(&[NAME]));
    let other = ca.issue(&params(&[NAME]));
    let [fingerprint, public_key] = pins_of(&identity);
    let [other_fingerprint, other_key] = pins_of(&other);
    let pinned = |pins: &[Pin]| TlsOptions { pins: pins.to_vec(), ..trusting(&ca) };
    for (pins, matched) in [
        (&[fingerprint][..], fingerprint),
        (&[public_key], public_key),
        (&[other_key, fingerprint], fingerprint),
    ] {
        let config = server_config(&identity, &[&TLS13, &TLS12]);
        let (info, _) = session(&ready(&pinned(pins)), config).await.unwrap();
        assert!(matches!(info.trust(), Trust::Verified(TrustedBy::Roots)));
        assert_eq!(info.pin(), Some(&matched));
    }

    let words = format!(
        "the server's certificate is none of those that are pinned: its fingerprint is \
         {fingerprint}, its public key is {public_key}"
    );
    // The pin of the authority, which the server may send along, is not the server's.
    let sha256 = Sha256::of(&provider(None).unwrap());
    let authority = PeerCertificate::new(&ca.der, sha256).fingerprint().unwrap();
    for pins in [&[other_fingerprint, other_key][..], &[authority]] {
        let mut chain = (*identity.0).clone();
        chain.cert.push(ca.der.clone());
        let identity = Identity(Arc::new(chain));
        let config = || server_config(&identity, &[&TLS13, &TLS12]);
        let fault = session(&ready(&pinned(pins)), config()).await.unwrap_err();
        assert_eq!(fault.to_string(), words);
        // Recorded, it is not verified.
        let setup = TlsSetup::new(&pinned(pins), Check::Recorded, &named(NAME)).unwrap();
        let (info, _) = session(&setup, config()).await.unwrap();
        let Trust::Unverified(fault) = info.trust() else { panic!("{info}") };
        assert_eq!(fault.to_string(), words);
        assert_eq!(info.pin(), None);
    }

    // And a pin that is right is not enough beside a chain that is wrong.
    let stranger = Identity::self_signed(&params(&[NAME]));
    let config = server_config(&stranger, &[&TLS13]);
    let fault = session(&ready(&pinned(&pins_of(&stranger))), config).await.unwrap_err();
    assert_eq!(*fault.reason(), TlsReason::SelfSigned);
}

#[tokio::test]
async fn t9_pins_alone_take_what_is_pinned_and_nothing_else() {
    let mut params = params(&["elsewhere.example"]);
    params.not_after = date_time_ymd(2025, 3, 1);
    let identity = Identity::self_signed(&params);
    for pin in pins_of(&identity) {
        let options = TlsOptions { pins: vec![pin], ..options(Anchor::Pins) };
        for version in [&TLS13, &TLS12] {
            let config = server_config(&identity, &[version]);
            let (info, _) = session(&ready(&options), config).await.unwrap();
            assert!(info.is_verified());
            assert!(matches!(info.trust(), Trust::Verified(TrustedBy::Pin)));
            assert_eq!(info.pin(), Some(&pin));

            // Whoever has the certificate and not its key is not the server.
            let thief = KeyPair::generate().unwrap();
            let stolen = Identity::new(identity.0.cert[0].clone(), &thief);
            let config = server_config(&stolen, &[version]);
            assert!(session(&ready(&options), config).await.is_err());
        }
        let other = Identity::self_signed(&params);
        let fault = session(&ready(&options), server_config(&other, &[&TLS13])).await.unwrap_err();
        assert!(matches!(fault.reason(), TlsReason::NotPinned { .. }), "{fault}");
    }
}

#[tokio::test]
async fn sessions_are_resumed_and_stay_what_they_were() {
    let ca = Authority::new();
    let identity = ca.issue(&params(&[NAME]));
    let pins = pins_of(&identity);
    let options = TlsOptions { pins: vec![pins[1]], ..trusting(&ca) };
    for version in [&TLS13, &TLS12] {
        let setup = ready(&options);
        let config = server_config(&identity, &[version]);
        let (first, _) = session(&setup, config.clone()).await.unwrap();
        let (second, _) = session(&setup.clone(), config.clone()).await.unwrap();
        assert_eq!((first.is_resumed(), second.is_resumed()), (false, true));
        assert!(second.to_string().ends_with(", resumed, verified"), "{second}");
        assert_eq!(second.chain()[0].der(), first.chain()[0].der());
        assert_eq!(second.pin(), Some(&pins[1]));
        // Another setup knows nothing of it.
        let (other, _) = session(&ready(&options), config).await.unwrap();
        assert!(!other.is_resumed());
    }
}

#[tokio::test]
async fn c_131_the_name_that_is_sent_may_be_another() {
    let ca = Authority::new();
    let identity = ca.issue(&params(&[NAME]));
    for (sni, sent) in [
        (Sni::AsChecked, Some(NAME)),
        (Sni::Named("front.example".to_owned()), Some("front.example")),
        (Sni::Named("192.0.2.1".to_owned()), None),
        (Sni::Omitted, None),
    ] {
        let options = TlsOptions { sni, ..trusting(&ca) };
        let config = server_config(&identity, &[&TLS13]);
        let (info, asked) = session(&ready(&options), config).await.unwrap();
        assert!(info.is_verified());
        assert_eq!(asked.as_deref(), sent);
        // What is checked stays the name, recorded or required.
        let other = server_config(&ca.issue(&params(&["front.example"])), &[&TLS13]);
        let fault = session(&ready(&options), other.clone()).await.unwrap_err();
        assert_eq!(
            fault.to_string(),
            "the server's certificate is not for mx.example but for front.example"
        );
        let setup = TlsSetup::new(&options, Check::Recorded, &named(NAME)).unwrap();
        let (info, _) = session(&setup, other).await.unwrap();
        assert!(!info.is_verified());
    }
}

#[tokio::test]
async fn c_128_the_lowest_version_can_be_raised() {
    let ca = Authority::new();
    let identity = ca.issue(&params(&[NAME]));
    let options = TlsOptions { minimum: TlsVersion::Tls13, ..trusting(&ca) };
    let config = server_config(&identity, &[&TLS13, &TLS12]);
    let (info, _) = session(&ready(&options), config).await.unwrap();
    assert_eq!(info.version(), TlsVersion::Tls13);
    let fault = session(&ready(&options), server_config(&identity, &[&TLS12])).await.unwrap_err();
    let minimum = Some(TlsVersion::Tls13);
    assert_eq!(*fault.reason(), TlsReason::NoCommonVersion { chosen: None, minimum });
}

#[tokio::test]
async fn an_application_protocol_is_agreed_on() {
    let ca = Authority::new();
    let mut server = server_config(&ca.issue(&params(&[NAME])), &[&TLS13]);
    server.alpn_protocols = vec![b"smtp".to_vec()];
    let asking = |protocol: &[u8]| TlsOptions { alpn: vec![protocol.to_vec()], ..trusting(&ca) };
    let (info, _) = session(&ready(&asking(b"smtp")), server.clone()).await.unwrap();
    assert_eq!(info.alpn(), Some(&b"smtp"[..]));
    let fault = session(&ready(&asking(b"imap")), server).await.unwrap_err();
    assert_eq!(
        fault.to_string(),
        "the server ended TLS: no application protocol (it speaks none of the ALPN \
         protocols asked for)"
    );
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_it_is_asked_for() {
    let ca = Authority::new();
    let server = ca.issue(&params(&[NAME]));
    let key = KeyPair::generate().unwrap();
    let mut about = params(&["client.example"]);
    // The verifier of the server looks at the real clock.
    about.not_after = date_time_ymd(2099, 1, 1);
    about.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = about.signed_by(&key, &ca.issuer).unwrap();
    let (chain, key) = (certificate.pem(), key.serialize_pem());
    let identity = ClientCertificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
    let options = TlsOptions { identity: Some(identity), ..trusting(&ca) };

    let crypto = Arc::new(aws_lc_rs::default_provider());
    let roots = Arc::clone(&ca.roots().0);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&crypto));
    let verifier = verifier.build().unwrap();
    for version in [&TLS13, &TLS12] {
        let config = ServerConfig::builder_with_provider(Arc::clone(&crypto))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(verifier.clone())
            .with_cert_resolver(Arc::new(server.clone()));
        // The server ends it with an error unless it has seen the certificate.
        session(&ready(&options), config.clone()).await.unwrap();

        let (client, peer) = duplex(4096);
        let served = serve(peer, config);
        let mut stream = Stream::given(client);
        // Over TLS 1.3 this side is done before it can be told.
        let shaken = stream.start_tls(&ready(&trusting(&ca))).await;
        if version.version == TLS12.version {
            assert_eq!(
                shaken.unwrap_err().to_string(),
                "the server ended TLS: certificate required (it wants a client \
                 certificate)"
            );
        } else {
            shaken.unwrap();
            let error = stream.read(&mut [0; 8]).await.unwrap_err();
            assert_eq!(
                error.to_string(),
                "the server ended TLS: certificate required (it wants a client certificate)"
            );
        }
        assert!(served.await.unwrap().is_err());
    }
}

/// A revoked certificate, a list that is too old, and lists that say nothing of it.
#[tokio::test]
async fn t9_what_was_revoked_is_refused() {
    let (ca, other) = (Authority::new(), Authority::named("another authority"));
    let mut params = params(&[NAME]);
    params.serial_number = Some(SerialNumber::from(7_u64));
    let identity = ca.issue(&params);
    let list = |ca: &Authority, serial: u64, next: (i32, u8)| {
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(next.0, next.1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: SerialNumber::from(serial),
                revocation_time: date_time_ymd(2026, 1, 1),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&ca.issuer).unwrap().pem().unwrap()
    };
    for (list, words) in [
        (list(&ca, 7, (2027, 1)), Some("the server's certificate has been revoked by its issuer")),
        (
            list(&ca, 8, (2026, 3)),
            Some(
                "the revocation list for the server's certificate is out of date: another was due \
                 by 2026-03-01 00:00 UTC (the clock here says 2026-11-21 12:00 UTC)",
            ),
        ),
        (list(&ca, 8, (2027, 1)), None),
        (list(&other, 7, (2027, 1)), None),
    ] {
        let lists = RevocationLists::from_pem(list.as_bytes()).unwrap();
        let options = TlsOptions { revocation: Some(lists), ..trusting(&ca) };
        let config = server_config(&identity, &[&TLS13]);
        let outcome = session(&ready(&options), config).await;
        assert_eq!(outcome.err().map(|fault| fault.to_string()).as_deref(), words);
    }
}

#[test]
fn choices_that_contradict_each_other_are_told() {
    let ca = Authority::new();
    let config = || {
        let verifier = Base::new(&trusting(&ca)).unwrap().accepting(None).0;
        Anchor::Config(Arc::new(Base::new(&trusting(&ca)).unwrap().config(verifier).unwrap()))
    };
    let pin = Pin::public_key([0; 32]);
    let whole = options(config());
    for (options, words) in [
        (
            TlsOptions { pins: vec![pin], ..whole.clone() },
            "a whole ClientConfig is taken as it is: a pin has to be set in it",
        ),
        (
            TlsOptions { alpn: vec![b"smtp".to_vec()], ..whole.clone() },
            "a whole ClientConfig is taken as it is: ALPN has to be set in it",
        ),
        (
            TlsOptions { sni: Sni::Omitted, ..whole.clone() },
            "a whole ClientConfig is taken as it is: another SNI has to be set in it",
        ),
        (
            TlsOptions { minimum: TlsVersion::Tls13, ..whole.clone() },
            "a whole ClientConfig is taken as it is: a minimum version has to be set in it",
        ),
        (
            TlsOptions { crypto: Some(Crypto::Ring), ..whole },
            "a whole ClientConfig is taken as it is: a crypto provider has to be set in it",
        ),
        (options(Anchor::Pins), "pins_alone needs a pin"),
        (
            TlsOptions { pins: vec![pin], ..options(Anchor::Anything) },
            "a pin is in vain where any certificate is accepted: pins_alone is what does that",
        ),
        (
            TlsOptions { sni: Sni::Named("a b".to_owned()), ..trusting(&ca) },
            "a b is neither a host name nor an address",
        ),
    ] {
        let fault = TlsSetup::new(&options, Check::Required, &named(NAME)).unwrap_err();
        assert_eq!(fault.to_string(), words);
    }
}

const KNOWN: &str = "\
-----BEGIN CERTIFICATE-----
MIIBoDCCAUWgAwIBAgIUJuD5oCHkpXp0JbVVQReDxNxcGDowCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNa25vd24uZXhhbXBsZTAeFw0yNjExMjIwMjA4NDFaFw0zNjEx
MTkwMjA4NDFaMBgxFjAUBgNVBAMMDWtub3duLmV4YW1wbGUwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAASkQqh00GiiTu3x5WzyuI7Vmulh/ru9GDLY7sQd+cp4uKMl
VcUK9eMvPx1ir0fClw6P92QksHOfweKmkFyQ42nco20wazAdBgNVHQ4EFgQUl3tW
V7tNrCj9jzjoP6bHhwl7sJkwHwYDVR0jBBgwFoAUl3tWV7tNrCj9jzjoP6bHhwl7
sJkwDwYDVR0TAQH/BAUwAwEB/zAYBgNVHREEETAPgg1rbm93bi5leGFtcGxlMAoG
CCqGSM49BAMCA0kAMEYCIQDQee3Y2awpFC7ZAColRpjfHpIaHnLyOxDbLfkjPad/
/AIhAOAp4JcuvO/uG0WxGkaDrJuNjOUmblQZMjadfmRG4H5w
-----END CERTIFICATE-----
";

const KNOWN_FINGERPRINT: &str = "79:AC:25:42:65:90:51:D8:6C:56:59:20:7A:CA:9B:DD:CB:A2:CE:EF:94:67:C0:37:2E:DA:87:F2:2E:97:61:92";

const KNOWN_KEY: &str = "sha256//CgQYYH0RKCIpuGoOOHF6AQB8FrxfuUz5cH6rJX+iN2Q=";
