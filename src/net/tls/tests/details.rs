//! What is written in certificates, and what faults say of it (feature `x509`).

use tokio_rustls::rustls::pki_types::CertificateDer;

use super::*;
use crate::net::tls::details::explain;

/// An authority whose certificate another has issued, for so long.
fn intermediate(root: &Authority, from: i32, until: i32) -> Authority {
    let mut params = params(&[]);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "an intermediate");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    let key = KeyPair::generate().unwrap();
    let der = params.signed_by(&key, &root.issuer).unwrap().der().clone();
    Authority { issuer: rcgen::Issuer::new(params, key), der }
}

/// What a server shows that has this intermediate certificate beside its own.
fn chained(identity: &Identity, intermediate: &Authority) -> Identity {
    let mut chain = (*identity.0).clone();
    chain.cert.push(intermediate.der.clone());
    Identity(Arc::new(chain))
}

#[tokio::test]
async fn the_chain_is_told_with_names_and_dates() {
    let root = Authority::new();
    let between = intermediate(&root, 2020, 2030);
    let mut params = params(&[NAME, "192.0.2.1", "2001:db8::1"]);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "A, B \u{1b}& Co");
    params.distinguished_name.push(DnType::CommonName, "mx");
    let identity = chained(&between.issue(&params), &between);
    let anchor = Anchor::Roots(root.roots());
    let info = verify(anchor, Check::Required, NAME, &identity).await.unwrap();
    let details: Vec<_> = info.chain().iter().map(|one| one.details().unwrap()).collect();
    let [own, above] = details.as_slice() else {
        panic!("{details:?}");
    };
    assert_eq!(own.issuer(), "CN=an intermediate");
    assert_eq!(own.names(), [NAME, "192.0.2.1", "2001:db8::1"]);
    assert_eq!((own.not_before(), own.not_after()), (1_577_836_800, 1_893_456_000));
    assert!(!own.serial().is_empty());
    assert!(own.subject().starts_with("CN=mx,O=A"), "{}", own.subject());
    let shown = own.to_string();
    assert!(!shown.contains('\u{1b}'), "{shown}");
    assert!(
        shown.ends_with(
            ", issued by CN=an intermediate, valid from 2020-01-01 00:00 UTC to 2030-01-01 00:00 \
             UTC, for mx.example, 192.0.2.1, 2001:db8::1"
        ),
        "{shown}"
    );
    assert_eq!(
        above.to_string(),
        "CN=an intermediate, issued by CN=an authority, valid from 2020-01-01 00:00 UTC to \
         2030-01-01 00:00 UTC"
    );
}

#[tokio::test]
async fn t9_a_fault_between_the_server_and_the_root_is_told_as_such() {
    let (root, stranger) = (Authority::new(), Authority::named("another authority"));
    for (between, words) in [
        (
            intermediate(&root, 2020, 2025),
            "a certificate between the server's and its root, \"CN=an intermediate\", has expired: \
             it was valid until 2025-01-01 00:00 UTC (the clock here says 2026-11-21 12:00 UTC)",
        ),
        (
            intermediate(&root, 2028, 2030),
            "a certificate between the server's and its root, \"CN=an intermediate\", is not valid \
             yet: it will be from 2028-01-01 00:00 UTC (the clock here says 2026-11-21 12:00 UTC)",
        ),
        // Who is missed is the issuer at the end, not the one that was sent.
        (
            intermediate(&stranger, 2020, 2030),
            "the issuer of the server's certificate, \"CN=another authority\", is not trusted \
             here: its root certificate is missing here, or the server does not send the \
             intermediate ones",
        ),
    ] {
        let identity = chained(&between.issue(&params(&[NAME])), &between);
        let anchor = Anchor::Roots(root.roots());
        let fault = verify(anchor, Check::Required, NAME, &identity).await.unwrap_err();
        assert_eq!(fault.to_string(), words);
        assert!(fault.source().unwrap().is::<Error>());
    }
}

#[tokio::test]
async fn t9_who_sends_no_intermediate_certificate_is_told_which_is_missed() {
    let root = Authority::new();
    let identity = intermediate(&root, 2020, 2030).issue(&params(&[NAME]));
    let anchor = Anchor::Roots(root.roots());
    let fault = verify(anchor, Check::Required, NAME, &identity).await.unwrap_err();
    let issuer = Some("CN=an intermediate".to_owned());
    assert_eq!(*fault.reason(), TlsReason::UnknownIssuer { issuer });
}

/// Verifiers of some platforms tell no details, and the certificate does.
#[test]
fn t9_what_a_verifier_keeps_to_itself_is_read() {
    let identity = Authority::new().issue(&params(&["mail.example"]));
    let own = &identity.0.cert[0];
    let explained = |reason: &TlsReason| explain(reason, own, &[]);
    assert_eq!(
        explained(&TlsReason::Expired { subject: None, not_after: None, now: None }),
        Some(TlsReason::Expired { subject: None, not_after: Some(1_893_456_000), now: None })
    );
    assert_eq!(
        explained(&TlsReason::NotYetValid { subject: None, not_before: None, now: None }),
        Some(TlsReason::NotYetValid { subject: None, not_before: Some(1_577_836_800), now: None })
    );
    let wrong = |presented: &[&str]| TlsReason::WrongName {
        expected: None,
        presented: presented.iter().map(|&name| name.to_owned()).collect(),
    };
    assert_eq!(explained(&wrong(&[])), Some(wrong(&["mail.example"])));
    assert_eq!(explained(&wrong(&["x"])), None);
    assert_eq!(explained(&TlsReason::Revoked), None);
    let unreadable = CertificateDer::from(vec![0x30, 0]);
    let expired = TlsReason::Expired { subject: None, not_after: None, now: None };
    assert_eq!(explain(&expired, &unreadable, &[]), None);
}
