//! Handshakes in memory against a rustls server, with certificates made for each mistake. The
//! clock stands still, so that every word can be pinned.

mod choices;
mod details;
mod support;

use std::error::Error as _;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, SanType,
    date_time_ymd,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::*;
use crate::net::stream::Stream;
use support::*;

#[tokio::test]
async fn a_good_certificate_is_verified() {
    let ca = Authority::new();
    let identity = ca.issue(&params(&[NAME]));
    let anchor = || Anchor::Roots(ca.roots());
    for check in [Check::Required, Check::Recorded] {
        let info = verify(anchor(), check, NAME, &identity).await.unwrap();
        assert!(info.is_verified());
        assert_eq!(info.version(), TlsVersion::Tls13);
        assert_eq!(info.cipher_suite(), "TLS_AES_256_GCM_SHA384");
        assert_eq!(info.alpn(), None);
        assert_eq!(info.to_string(), "TLS 1.3, TLS_AES_256_GCM_SHA384, verified");
    }
    let setup = ready(&options(anchor()));
    let config = server_config(&identity, &[&TLS12]);
    let (info, _) = session(&setup, config).await.unwrap();
    assert_eq!(info.to_string(), "TLS 1.2, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, verified");
    // T9: nothing was left in the process for others to find, or for us to have found.
    assert!(CryptoProvider::get_default().is_none());
}

/// Each mistake ends a required handshake with these words, is recorded by an
/// opportunistic one, and goes unseen where nobody looks.
#[tokio::test]
async fn t9_c_129_c_130_a_bad_certificate_is_explained() {
    let ca = Authority::new();
    let stranger = Authority::named("another authority");
    let changed = |change: fn(&mut CertificateParams)| {
        let mut params = params(&[NAME]);
        change(&mut params);
        params
    };
    let expired = changed(|params| params.not_after = date_time_ymd(2025, 3, 1));
    let early = changed(|params| params.not_before = date_time_ymd(2028, 2, 29));
    let authority = changed(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let namesake = changed(|params| {
        params.distinguished_name = DistinguishedName::new();
        let name = "an authority";
        params.distinguished_name.push(DnType::CommonName, name);
    });
    let ip_as_dns = changed(|params| {
        params.subject_alt_names = vec![SanType::DnsName("127.0.0.1".try_into().unwrap())];
    });
    let many: Vec<String> = (0..11).map(|n| format!("m{n}.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();

    let wildcard = ca.issue(&params(&["*.mx.example", "192.0.2.1"]));
    let cases = [
        (
            NAME,
            ca.issue(&expired),
            "the server's certificate has expired: it was valid until 2025-03-01 00:00 UTC \
             (the clock here says 2026-11-21 12:00 UTC)",
        ),
        (
            NAME,
            ca.issue(&early),
            "the server's certificate is not valid yet: it will be from 2028-02-29 00:00 UTC \
             (the clock here says 2026-11-21 12:00 UTC)",
        ),
        (
            NAME,
            ca.issue(&params(&["mail.example"])),
            "the server's certificate is not for mx.example but for mail.example",
        ),
        (
            "b.a.mx.example",
            wildcard.clone(),
            "the server's certificate is not for b.a.mx.example but for *.mx.example, 192.0.2.1",
        ),
        (
            "192.0.2.2",
            wildcard,
            "the server's certificate is not for 192.0.2.2 but for *.mx.example, 192.0.2.1",
        ),
        (
            "127.0.0.1",
            ca.issue(&ip_as_dns),
            "the server's certificate is not for 127.0.0.1 but for 127.0.0.1",
        ),
        (
            NAME,
            ca.issue(&params(&many)),
            "the server's certificate is not for mx.example but for m0.example, m1.example, \
             m2.example, m3.example, m4.example, m5.example, m6.example, m7.example and 3 more",
        ),
        (
            NAME,
            ca.issue(&params(&[])),
            "the server's certificate is not for mx.example: it has no name at all (a common \
             name does not count)",
        ),
        (
            NAME,
            stranger.issue(&params(&[NAME])),
            "the issuer of the server's certificate, \"CN=another authority\", is not trusted here: \
             its root certificate is missing here, or the server does not send the intermediate \
             ones",
        ),
        (
            NAME,
            Identity::self_signed(&params(&[NAME])),
            "the server's certificate is self-signed and is not among the trusted roots",
        ),
        (
            NAME,
            Identity::self_signed(&namesake),
            "the server's certificate is self-signed and is not among the trusted roots",
        ),
        (
            NAME,
            Identity::self_signed(&authority),
            "the server's certificate is one of a certificate authority (CA:TRUE), as \
             self-signed ones often are: it cannot stand for a server, even when trusted",
        ),
    ];
    for (name, identity, words) in cases {
        let roots = || Anchor::Roots(ca.roots());
        let fault = verify(roots(), Check::Required, name, &identity).await.expect_err(words);
        assert_eq!(fault.to_string(), words);
        assert!(fault.source().unwrap().is::<Error>());

        let info = verify(roots(), Check::Recorded, name, &identity).await.expect(words);
        assert!(!info.is_verified());
        assert_eq!(
            info.to_string(),
            format!("TLS 1.3, TLS_AES_256_GCM_SHA384, not verified: {words}")
        );

        for check in [Check::Required, Check::Recorded] {
            let info = verify(Anchor::Anything, check, name, &identity).await.expect(words);
            assert!(!info.is_verified());
            assert_eq!(info.to_string(), "TLS 1.3, TLS_AES_256_GCM_SHA384, not checked");
        }
    }
}

#[tokio::test]
async fn c_130_c_131_names_match_as_rfc_9525_says() {
    let ca = Authority::new();
    let identity = ca.issue(&params(&["*.mx.example", "192.0.2.1", "2001:db8::1"]));
    let options = options(Anchor::Roots(ca.roots()));
    for (name, sni) in [
        ("a.mx.example", Some("a.mx.example")),
        ("A.MX.Example.", Some("a.mx.example")),
        ("192.0.2.1", None),
        ("[2001:db8::1]", None),
    ] {
        let setup = TlsSetup::new(&options, Check::Required, &named(name)).unwrap();
        let config = server_config(&identity, &[&TLS13]);
        let (info, asked) = session(&setup, config).await.unwrap();
        assert!(info.is_verified(), "{name}");
        assert_eq!(asked.as_deref().map(str::to_lowercase).as_deref(), sni);
    }
}

/// A good certificate may be shown by who has not its key: opportunistic or not, it must not be
/// called verified.
#[tokio::test]
async fn a_certificate_without_its_key_is_fatal() {
    let ca = Authority::new();
    let good = ca.issue(&params(&[NAME]));
    let thief = KeyPair::generate().unwrap();
    for certificate in
        [good.0.cert[0].clone(), Identity::self_signed(&params(&[NAME])).0.cert[0].clone()]
    {
        let stolen = Identity::new(certificate, &thief);
        for version in [&TLS13, &TLS12] {
            let anchor = Anchor::Roots(ca.roots());
            let setup = TlsSetup::new(&options(anchor), Check::Recorded, &named(NAME)).unwrap();
            let config = server_config(&stolen, &[version]);
            let fault = session(&setup, config).await.unwrap_err();
            assert_eq!(
                fault.to_string(),
                "the server's certificate was not accepted: invalid peer certificate: BadSignature"
            );
        }
    }
}

/// The platform's roots, or their absence, do not know an authority made a moment ago.
#[tokio::test]
async fn the_platform_does_not_vouch_for_us() {
    let identity = Authority::new().issue(&params(&[NAME]));
    let expected = |fault: &TlsFault| {
        let reason = fault.reason();
        assert!(
            matches!(reason, TlsReason::UnknownIssuer { .. } | TlsReason::NoRoots),
            "{reason:?}"
        );
    };
    let outcome = verify(Anchor::Platform, Check::Required, NAME, &identity).await;
    expected(&outcome.unwrap_err());
    let outcome = verify(Anchor::Platform, Check::Recorded, NAME, &identity).await;
    match outcome.unwrap().trust() {
        Trust::Unverified(fault) => expected(fault),
        trust => panic!("{trust}"),
    }
}

/// A handshake that resumed a session would see no certificate and could record nothing.
#[tokio::test]
async fn every_opportunistic_handshake_has_its_verdict() {
    let ca = Authority::new();
    let identity = Identity::self_signed(&params(&[NAME]));
    let anchor = Anchor::Roots(ca.roots());
    let setup = TlsSetup::new(&options(anchor), Check::Recorded, &named(NAME)).unwrap();
    let config = server_config(&identity, &[&TLS13, &TLS12]);
    for _ in 0..3 {
        let (info, _) = session(&setup, config.clone()).await.unwrap();
        assert!(matches!(info.trust(), Trust::Unverified(_)));
    }
}

#[tokio::test]
async fn a_whole_configuration_is_taken_as_it_is() {
    let ca = Authority::new();
    let trusting = options(Anchor::Roots(ca.roots()));
    let base = Base::new(&trusting).unwrap();
    let none = Pins { pins: Arc::default(), sha256: None };
    let verifier = judge(&trusting, &base.provider, none, &named(NAME)).unwrap().0.unwrap();
    let mut config = base.config(verifier).unwrap();
    config.alpn_protocols = vec![b"smtp".to_vec()];
    let anchor = || Anchor::Config(Arc::new(config.clone()));

    let mut server = server_config(&ca.issue(&params(&[NAME])), &[&TLS13]);
    server.alpn_protocols = vec![b"smtp".to_vec()];
    let setup = ready(&options(anchor()));
    let (info, _) = session(&setup, server).await.unwrap();
    assert_eq!(info.alpn(), Some(&b"smtp"[..]));
    assert_eq!(info.to_string(), "TLS 1.3, TLS_AES_256_GCM_SHA384, ALPN smtp, verified");

    let identity = Identity::self_signed(&params(&[NAME]));
    for check in [Check::Required, Check::Recorded] {
        let fault = verify(anchor(), check, NAME, &identity).await.unwrap_err();
        assert_eq!(*fault.reason(), TlsReason::SelfSigned);
    }
}

#[tokio::test]
async fn c_128_no_version_in_common() {
    let ca = Authority::new();
    let modern = TlsOptions { minimum: TlsVersion::Tls13, ..options(Anchor::Roots(ca.roots())) };
    let config = server_config(&Identity::self_signed(&params(&[NAME])), &[&TLS12]);
    let fault = session(&ready(&modern), config).await.unwrap_err();
    assert_eq!(
        fault.to_string(),
        "the server speaks no version of TLS that is allowed here (1.3 alone is)"
    );
    // As a server of TLS 1.0 or 1.1 says it that looks at what is offered.
    let fault = answered(b"\x15\x03\x01\x00\x02\x02\x46").await;
    let minimum = Some(TlsVersion::Tls12);
    assert_eq!(*fault.reason(), TlsReason::NoCommonVersion { chosen: None, minimum });

    // Servers that choose an older one without asking, which rustls cannot be made to be.
    for (minor, chosen) in [(0, "SSL 3.0"), (1, "TLS 1.0"), (2, "TLS 1.1")] {
        let mut hello = b"\x16\x03\x01\x00\x2a\x02\x00\x00\x26\x03".to_vec();
        hello.push(minor);
        hello.extend([7; 32]);
        hello.extend(b"\x00\x00\x2f\x00");
        let words =
            format!("the server chose {chosen}, which is not allowed here (1.2 and 1.3 are)");
        assert_eq!(answered(&hello).await.to_string(), words);
    }
}

/// The fault of a handshake that is answered with these octets and the end.
async fn answered(octets: &[u8]) -> TlsFault {
    let (client, mut peer) = duplex(4096);
    let mut stream = Stream::given(client);
    peer.write_all(octets).await.unwrap();
    peer.shutdown().await.unwrap();
    let setup = ready(&options(Anchor::Anything));
    let fault = stream.start_tls(&setup).await.unwrap_err();
    // After a failure nothing is said in clear (RFC 3207 §4), and a second try finds it closed.
    assert!(stream.write_all(b"QUIT\r\n").await.is_err());
    let again = stream.start_tls(&setup).await.unwrap_err();
    assert_eq!(*again.reason(), TlsReason::Closed);
    fault
}

#[tokio::test]
async fn what_is_not_tls_is_shown() {
    for (octets, words) in [
        (
            &b"220 mx.example ESMTP ready\r\nmore"[..],
            r#"the server did not answer with TLS: it sent "220 mx.example ESMTP ready", a greeting of SMTP in clear; TLS may be had there by STARTTLS"#,
        ),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            r#"the server did not answer with TLS: it sent "HTTP/1.1 400 Bad Request", as an HTTP server does"#,
        ),
        (
            b"SSH-2.0-OpenSSH_9.9\r\n",
            r#"the server did not answer with TLS: it sent "SSH-2.0-OpenSSH_9.9", as an SSH server does"#,
        ),
        (
            b"* OK IMAP4rev1\r\n",
            r#"the server did not answer with TLS: it sent "* OK IMAP4rev1", as an IMAP server does"#,
        ),
        (
            b"+OK POP3\r\n",
            r#"the server did not answer with TLS: it sent "+OK POP3", as a POP3 server does"#,
        ),
        (b"\x1b[2J", r#"the server did not answer with TLS: it sent "\x1b[2J""#),
        (b"5", r#"the server did not answer with TLS: it sent "5""#),
    ] {
        assert_eq!(answered(octets).await.to_string(), words);
    }
    let long = [b'x'; 4000];
    let fault = answered(&long).await;
    let TlsReason::NotTls { heard } = fault.reason() else {
        panic!("{fault}");
    };
    assert_eq!(heard, &long[..80]);
}

#[tokio::test]
async fn alerts_and_ends_are_told() {
    for (octets, words) in [
        (
            &b"\x15\x03\x03\x00\x02\x02\x28"[..],
            "the server ended TLS: handshake failure (often: no cipher suite in \
             common)",
        ),
        (
            b"\x15\x03\x03\x00\x02\x02\x74",
            "the server ended TLS: certificate required (it wants a client \
             certificate)",
        ),
        (
            b"\x15\x03\x03\x00\x02\x02\x70",
            "the server ended TLS: unrecognised name (it does not go by the name \
             it was asked for)",
        ),
        (
            b"\x15\x03\x03\x00\x02\x02\x30",
            "the server ended TLS: unknown ca (it does not trust the issuer of this client's \
             certificate)",
        ),
        (
            b"\x15\x03\x03\x00\x02\x02\x2c",
            "the server ended TLS: certificate revoked (of this client)",
        ),
        (b"\x15\x03\x03\x00\x02\x02\x50", "the server ended TLS: internal error"),
        (b"\x15\x03\x03\x00\x02\x02\x73", "the server ended TLS: unknown psk identity"),
        (b"", "the server closed the connection during the TLS handshake"),
        (b"\x16\x03\x03", "the server closed the connection during the TLS handshake"),
    ] {
        assert_eq!(answered(octets).await.to_string(), words);
    }
}

#[tokio::test]
async fn a_dropped_handshake_leaves_a_closed_stream() {
    let (client, mut peer) = duplex(4096);
    let mut stream = Stream::given(client);
    let setup = ready(&options(Anchor::Anything));
    let limit = Duration::from_millis(1);
    let dropped = tokio::time::timeout(limit, stream.start_tls(&setup)).await;
    assert!(dropped.is_err());
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
    assert!(stream.write_all(b"MAIL").await.is_err());
    let mut said = Vec::new();
    peer.read_to_end(&mut said).await.unwrap();
    assert_eq!(said[0], 0x16, "a ClientHello and the end");
    assert!(!said.ends_with(b"MAIL"));
}

#[tokio::test]
async fn c_125_tls_is_not_begun_inside_tls() {
    let identity = Identity::self_signed(&params(&[NAME]));
    let (client, peer) = duplex(4096);
    let _server = serve(peer, server_config(&identity, &[&TLS13]));
    let mut stream = Stream::given(client);
    let setup = ready(&options(Anchor::Anything));
    stream.start_tls(&setup).await.unwrap();
    let fault = stream.start_tls(&setup).await.unwrap_err();
    assert_eq!(
        fault.to_string(),
        "the TLS handshake failed: unexpected error: TLS is spoken already"
    );
    assert!(matches!(stream, Stream::Tls(_)));
}

/// Both providers at once, each by its name.
#[cfg(feature = "ring")]
#[tokio::test]
async fn providers_by_name() {
    let ca = Authority::new();
    let identity = ca.issue(&params(&[NAME]));
    for crypto in [Crypto::AwsLcRs, Crypto::Ring] {
        let options = TlsOptions { crypto: Some(crypto), ..options(Anchor::Roots(ca.roots())) };
        let setup = ready(&options);
        let config = server_config(&identity, &[&TLS13]);
        let (info, _) = session(&setup, config).await.unwrap();
        assert!(info.is_verified(), "{crypto:?}");
    }
}

#[test]
fn roots_are_read_or_refused() {
    let pem = |der: &[u8]| {
        use base64::Engine as _;
        let body = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    };
    let (one, two) = (Authority::new(), Authority::new());
    let both = format!("a comment\n{}{}", pem(&one.der), pem(&two.der));
    let roots = RootCertificates::from_pem(both.as_bytes()).unwrap();
    assert_eq!(roots.0.len(), 2);

    let broken = format!("{}{}", pem(&one.der), pem(b"not DER"));
    for (pem, words) in [
        ("", "no certificate found"),
        ("plain text", "no certificate found"),
        (broken.as_str(), "certificate 2 cannot be read"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n", "not a PEM file, or cut off"),
    ] {
        let fault = RootCertificates::from_pem(pem.as_bytes()).unwrap_err();
        assert_eq!(fault.to_string(), words);
    }
    let none = RootCertificates::from_der([]).unwrap_err();
    assert_eq!(none, InvalidRoots::Empty);
}

#[test]
fn futures_are_send() {
    fn assert_send(_: &impl Send) {}
    let setup = ready(&options(Anchor::Anything));
    let mut stream = Stream::given(duplex(1).0);
    assert_send(&stream.start_tls(&setup));
    let limit = Duration::from_secs(1);
    assert_send(&crate::net::resolve::resolve(&crate::net::SystemResolver, NAME, 25, limit));
    let observer = crate::net::observe::Observer::default();
    assert_send(&crate::net::connect::connect(&[], &[], limit, &observer));
}
