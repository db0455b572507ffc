//! TLS through the connector: what was chosen holds from the first connection to the last, and what
//! needs verified TLS gets nothing less.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::sync::Arc;
use std::time::Duration;

use ehlo::testing::{Running, Server};
use ehlo::{
    Client, Command, Connector, Envelope, Error, ErrorKind, InClear, MailParam, Outcome, Pin,
    RootCertificates, Security, Stage, Timeouts, TlsReason, TlsVersion, Trust, TrustedBy,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::version::TLS12;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Long enough for what was said on this machine to be there.
const AWHILE: Duration = Duration::from_millis(100);

fn to(server: &Running) -> Connector {
    let roots = RootCertificates::from_pem(server.ca_pem().as_bytes()).unwrap();
    Connector::new("127.0.0.1").port(server.port()).roots(roots)
}

/// A configuration of rustls that trusts this authority.
fn config(ca: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS12]).unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

fn is_resumed(client: &Client) -> bool {
    client.conversation().tls().unwrap().is_resumed()
}

/// Whether it was asked for before or not.
#[tokio::test]
async fn what_the_handshake_has_shown_is_there_when_the_stream_is_gone() {
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let server = Server::new().maximum_tls(version).start().await.unwrap();
        let mut told = Vec::new();
        for is_asked_before in [true, false] {
            let mut client = to(&server).connect().await.unwrap();
            if is_asked_before {
                assert!(client.conversation().tls().unwrap().is_verified());
            }
            client.quit().await.unwrap();
            let tls = client.conversation().tls().unwrap();
            assert!(tls.is_verified());
            assert_eq!((tls.version(), tls.chain().len()), (version, 1));
            assert!(tls.channel_binding().is_some());
            told.push(format!("{tls} {:?} {:?}", tls.key_exchange(), tls.chain()));
        }
        assert_eq!(told[0], told[1]);
    }
}

#[tokio::test]
async fn a_connector_and_its_clones_share_sessions() {
    for security in [Security::StartTls, Security::Implicit] {
        let server = match security {
            Security::Implicit => Server::new().implicit_tls(),
            _ => Server::new(),
        };
        let server = server.start().await.unwrap();
        let connector = to(&server).security(security);
        let clone = connector.clone();
        for (connector, expected) in [(&connector, false), (&connector, true), (&clone, true)] {
            let mut client = connector.connect().await.unwrap();
            assert_eq!(is_resumed(&client), expected, "{security}");
            let tls = client.conversation().tls().unwrap();
            assert!(matches!(tls.trust(), Trust::Verified(TrustedBy::Roots)));
            assert_eq!(tls.chain().len(), 1);
            client.quit().await.unwrap();
        }
        // What is verified in another way is verified anew.
        let pin = connector.connect().await.unwrap();
        let pin = pin.conversation().tls().unwrap().chain()[0].public_key().unwrap();
        let changed = clone.pin(pin);
        assert!(!is_resumed(&changed.connect().await.unwrap()));
        assert!(is_resumed(&changed.connect().await.unwrap()));
        // A resumed session shows no certificate, and here each is to be looked at.
        if security == Security::StartTls {
            let looking = connector.clone().security(Security::Opportunistic);
            assert!(!is_resumed(&looking.connect().await.unwrap()));
            assert!(!is_resumed(&looking.connect().await.unwrap()));
        }
    }
}

#[tokio::test]
async fn t9_c_129_pins_hold_through_the_connector() {
    let server = Server::new().user("alice", "wonderland").start().await.unwrap();
    let client = to(&server).connect().await.unwrap();
    let seen = client.conversation().tls().unwrap().chain()[0].clone();
    // Trusted by its pin alone, it is verified enough for a secret.
    let connector = Connector::new("127.0.0.1").port(server.port());
    for pin in [seen.fingerprint().unwrap(), seen.public_key().unwrap()] {
        let pinned = connector.clone().tls_name("whatever.example").pin(pin).pins_alone();
        let client = pinned.credentials("alice", "wonderland").connect().await.unwrap();
        let tls = client.conversation().tls().unwrap();
        assert!(matches!(tls.trust(), Trust::Verified(TrustedBy::Pin)));
        assert_eq!(tls.pin(), Some(&pin));
    }
    let other = Pin::public_key([7; 32]);
    for connector in [to(&server).pin(other), connector.pin(other).pins_alone()] {
        let error = connector.credentials("alice", "wonderland").connect().await.unwrap_err();
        assert_eq!(error.stage(), Stage::Handshake);
        let words = "the TLS handshake with 127.0.0.1 failed: the server's certificate is none of \
                     those that are pinned: its fingerprint is ";
        assert!(error.to_string().starts_with(words), "{error}");
    }
}

/// Whoever has narrowed trust is not left with all of it.
#[tokio::test]
async fn t9_no_choice_of_whom_to_trust_is_dropped_in_silence() {
    let server = Server::new().start().await.unwrap();
    let pin = Pin::public_key([7; 32]);
    let own = |connector: Connector| connector.client_config(config(server.ca_pem()));
    for (connector, one, other) in [
        (own(to(&server)), "roots", "client_config"),
        (to(&server).pin(pin).pins_alone(), "roots", "pins_alone"),
        (own(Connector::new("mx").pins_alone()), "pins_alone", "client_config"),
        (to(&server).dangerous().accept_any_certificate(), "roots", "accept_any_certificate"),
    ] {
        let (near, _) = tokio::io::duplex(1024);
        let error = connector.connect_over(near).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Misuse(_)), "{error:?}");
        let words = format!("{one} and {other} both say whom to trust: only one of them can");
        assert_eq!(error.to_string(), words);
    }
}

/// And nothing is said in clear.
#[tokio::test]
async fn t7_choices_that_cannot_be_followed_are_told_before_anything_is_said() {
    let pin = Pin::public_key([7; 32]);
    for (connector, words) in [
        (Connector::new("mx").pins_alone(), "pins_alone needs a pin"),
        (
            Connector::new("mx").pin(pin).dangerous().accept_any_certificate(),
            "a pin is in vain where any certificate is accepted: pins_alone is what does that",
        ),
        (Connector::new("mx").sni("a b"), "a b is neither a host name nor an address"),
    ] {
        for security in [Security::StartTls, Security::Implicit, Security::Opportunistic] {
            let (near, mut far) = tokio::io::duplex(1024);
            let error = connector.clone().security(security).connect_over(near).await.unwrap_err();
            assert_eq!(error.to_string(), words);
            assert!(matches!(error.kind(), ErrorKind::Misuse(_)), "{error:?}");
            let mut heard = Vec::new();
            far.read_to_end(&mut heard).await.unwrap();
            assert_eq!(heard, b"");
        }
    }
}

#[tokio::test]
async fn c_128_the_lowest_version_and_the_name_sent_can_be_chosen() {
    let server = Server::new().start().await.unwrap();
    let connector = to(&server).minimum_tls(TlsVersion::Tls13).alpn(["smtp"]).sni("front.example");
    for connector in [connector.clone(), connector.without_sni()] {
        let client = connector.connect().await.unwrap();
        let tls = client.conversation().tls().unwrap();
        assert!(tls.is_verified());
        assert_eq!(tls.version(), TlsVersion::Tls13);
        assert_eq!(tls.alpn(), None, "the server has none");
        assert!(tls.key_exchange().is_some());
    }
}

/// Whatever its verifier looks at, it is that which vouches for the server: enough for a secret.
#[tokio::test]
async fn a_whole_configuration_is_taken_as_it_is() {
    let server = Server::new().user("alice", "wonderland").start().await.unwrap();
    let connector = Connector::new("127.0.0.1").port(server.port());
    let own = connector.clone().client_config(config(server.ca_pem()));
    for expected in [false, true] {
        let mut client = own.clone().credentials("alice", "wonderland").connect().await.unwrap();
        let tls = client.conversation().tls().unwrap();
        assert!(matches!(tls.trust(), Trust::Verified(TrustedBy::Config)));
        assert_eq!((tls.version(), tls.is_resumed()), (TlsVersion::Tls12, expected));
        client.quit().await.unwrap();
    }
    let stranger = Server::new().start().await.unwrap();
    let other = connector.client_config(config(stranger.ca_pem()));
    let error = other.connect().await.unwrap_err();
    assert_eq!(error.stage(), Stage::Handshake);
    let error = own.minimum_tls(TlsVersion::Tls13).connect().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Misuse(_)), "{error}");
}

/// TLS where clear text was expected, the other way round, and no version in common.
#[tokio::test]
async fn c_127_c_128_whoever_speaks_otherwise_is_explained() {
    let implicit = Server::new().implicit_tls().start().await.unwrap();
    let clear = Server::new().start().await.unwrap();
    let old = Server::new().maximum_tls(TlsVersion::Tls12).start().await.unwrap();
    let short = Timeouts::all(Duration::from_millis(300));
    for (connector, words) in [
        (
            to(&implicit).security(Security::StartTls).timeouts(short),
            "no greeting from 127.0.0.1 within 300ms (the port may speak TLS from the start, it \
             may not be an SMTP port, or the server delays its greeting)",
        ),
        (
            to(&clear).security(Security::Implicit),
            "the TLS handshake with 127.0.0.1 failed: the server did not answer with TLS: it sent \
             \"220 mx.example.test ESMTP ready\", a greeting of SMTP in clear; TLS may be had \
             there by STARTTLS",
        ),
        (
            to(&old).minimum_tls(TlsVersion::Tls13),
            "the TLS handshake with 127.0.0.1 failed: the server speaks no version of TLS that is \
             allowed here (1.3 alone is)",
        ),
    ] {
        assert_eq!(connector.connect().await.unwrap_err().to_string(), words);
    }
    let client = to(&old).connect().await.unwrap();
    assert_eq!(client.conversation().tls().unwrap().version(), TlsVersion::Tls12);
}

/// RFC 8689 §4.2.1: a mail that asks for TLS on all its way is not given to a server over less.
#[tokio::test]
async fn c_141_requiretls_needs_verified_tls_and_the_offer() {
    let envelope = Envelope::new("alice@example.org", ["bob@example.net"]).unwrap();
    let envelope = envelope.param(MailParam::require_tls());
    let send = async |server: &Running, connector: Connector| -> Result<bool, Error> {
        let mut client = connector.connect().await?;
        let delivery = client.send(&envelope, "Subject: x\r\n\r\n").await?;
        let accepted =
            delivery.recipients().all(|one| matches!(one.outcome(), Outcome::Accepted(_)));
        assert_eq!(server.mails().len(), 1);
        Ok(accepted)
    };
    let offering = Server::new().offer("REQUIRETLS").start().await.unwrap();
    assert!(send(&offering, to(&offering)).await.unwrap());

    let refused = "REQUIRETLS needs verified TLS, and the server is not verified";
    let in_clear = "REQUIRETLS needs verified TLS, and the channel is in clear";
    let server = Server::new().offer("REQUIRETLS").start().await.unwrap();
    let unchecked = Connector::new("127.0.0.1").port(server.port());
    for (connector, words) in [
        // Even where the certificate is good: whoever takes any has shown nothing by it.
        (to(&server).security(Security::Opportunistic), refused),
        (unchecked.dangerous().accept_any_certificate(), refused),
        (to(&server).security(Security::None), in_clear),
    ] {
        let error = send(&server, connector).await.unwrap_err();
        assert_eq!((error.stage(), error.to_string().as_str()), (Stage::Mail, words));
    }
    let silent = Server::new().start().await.unwrap();
    let error = send(&silent, to(&silent)).await.unwrap_err();
    assert_eq!(error.to_string(), "127.0.0.1 does not offer REQUIRETLS, which REQUIRETLS needs");
    assert!(server.mails().is_empty() && silent.mails().is_empty());
}

/// What is there before EHLO goes out answers nothing. What comes while it goes out cannot be told
/// from the reply to it, until there is one reply too many.
#[tokio::test]
async fn t8_a_reply_right_after_the_handshake_leads_to_no_mail() {
    let begin = "S: 220 mx\nC: EHLO [127.0.0.1]\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\n\
                 S: 220 go\n-- TLS\nS: 250 ok\nC: EHLO [127.0.0.1]\n";
    let mail = "C: MAIL FROM:<alice@example.org>\n";
    for (rest, is_early) in [
        // The reply to EHLO is there before MAIL is to go out, or comes behind it.
        (format!("S: 250 mx\n{mail}S: 250 sender ok\n-- stall"), true),
        (format!("{mail}S: 250 mx\nS: 250 sender ok\n-- stall"), false),
    ] {
        let server = Server::script(format!("{begin}{rest}").parse().unwrap());
        let server = server.start().await.unwrap();
        let mut smtp = to(&server).open().await.unwrap();
        let hello = Command::ehlo(smtp.client_name().clone()).unwrap();
        smtp.say(&hello).await.unwrap();
        smtp.say(&Command::start_tls()).await.unwrap();
        tokio::time::sleep(AWHILE).await;
        let error = smtp.say(&hello).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "127.0.0.1 broke the protocol at STARTTLS: a reply came that answers no command: 250 ok"
        );

        let connected = to(&server).connect().await;
        tokio::time::sleep(AWHILE).await;
        let error = match connected {
            Ok(mut client) => {
                let envelope = Envelope::new("alice@example.org", ["bob@example.net"]).unwrap();
                client.send(&envelope, "x").await.unwrap_err()
            }
            Err(error) => error,
        };
        assert!(matches!(error.kind(), ErrorKind::Violation(_)), "{error}");
        let log = server.log().concat();
        assert!(!log.contains("C: RCPT"), "{log}");
        assert!(!is_early || !log.contains("C: MAIL"), "{log}");
    }
}

mod in_clear {
    use super::*;

    /// A server whose TLS is broken: behind STARTTLS it says this, or nothing at all. It tells what
    /// it heard on each connection.
    async fn broken(says: Option<&'static [u8]>) -> (u16, tokio::task::JoinHandle<[Vec<u8>; 2]>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = tokio::spawn(async move {
            let (mut first, _) = listener.accept().await.unwrap();
            let mut heard = greet(&mut first, b"STARTTLS\r\n").await;
            first.write_all(b"220 go\r\n").await.unwrap();
            let hello = first.read_u8().await.unwrap();
            heard.push(hello);
            if let Some(says) = says {
                first.write_all(says).await.unwrap();
            }
            let (mut second, _) = listener.accept().await.unwrap();
            let again = greet(&mut second, b"QUIT\r\n").await;
            second.write_all(b"221 bye\r\n").await.unwrap();
            [heard, again]
        });
        (port, served)
    }

    /// Greets, offers STARTTLS, and listens up to this command.
    async fn greet(stream: &mut TcpStream, until: &[u8]) -> Vec<u8> {
        stream.write_all(b"220 mx\r\n").await.unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(until) {
            heard.push(stream.read_u8().await.unwrap());
            if heard.ends_with(b"]\r\n") {
                stream.write_all(b"250-mx\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n").await.unwrap();
            }
        }
        heard
    }

    fn relay(port: u16) -> Connector {
        let timeouts = Timeouts::all(Duration::from_secs(1));
        Connector::new("127.0.0.1").port(port).security(Security::Opportunistic).timeouts(timeouts)
    }

    #[tokio::test]
    async fn t7_a_failed_handshake_leads_to_clear_only_by_name() {
        for (says, reason) in [
            (
                Some(&b"\x15\x03\x03\x00\x02\x02\x28"[..]),
                "the server ended TLS: handshake failure (often: no cipher suite in \
                 common)",
            ),
            (None, "the TLS handshake was not done within 1s"),
        ] {
            let (port, served) = broken(says).await;
            let mut client = relay(port).retry_in_clear().connect().await.unwrap();
            assert!(client.conversation().tls().is_none());
            let Some(InClear::HandshakeFailed(fault)) = client.conversation().in_clear() else {
                panic!("{:?}", client.conversation().in_clear());
            };
            assert_eq!(fault.to_string(), reason);
            client.quit().await.unwrap();
            let [first, second] = served.await.unwrap();
            // RFC 3207 §4: behind the failure nothing more is said there.
            assert_eq!(first, b"EHLO [127.0.0.1]\r\nSTARTTLS\r\n\x16");
            assert_eq!(second, b"EHLO [127.0.0.1]\r\nQUIT\r\n");
        }
    }

    #[tokio::test]
    async fn t7_c_126_otherwise_it_is_a_failure() {
        let alert = Some(&b"\x15\x03\x03\x00\x02\x02\x28"[..]);
        let (port, served) = broken(alert).await;
        let error = relay(port).connect().await.unwrap_err();
        let ErrorKind::Tls(fault) = error.kind() else { panic!("{error}") };
        assert!(matches!(fault.reason(), TlsReason::Alert { .. }));
        served.abort();
        // Where TLS is required, nothing leads into clear.
        let (port, served) = broken(alert).await;
        let required = relay(port).retry_in_clear().security(Security::StartTls);
        assert_eq!(required.connect().await.unwrap_err().stage(), Stage::Handshake);
        assert!(!served.is_finished(), "there was no second connection");
        served.abort();
    }

    #[tokio::test]
    async fn t10_a_secret_does_not_follow_into_clear() {
        let (port, _served) = broken(Some(b"\x15\x03\x03\x00\x02\x02\x28")).await;
        let connector = relay(port).retry_in_clear().credentials("alice", "wonderland");
        assert_eq!(
            connector.connect().await.unwrap_err().to_string(),
            "AUTH would send a secret in clear: only allow_cleartext lets it"
        );
    }
}
