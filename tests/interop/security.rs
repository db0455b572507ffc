//! TLS, AUTH, and what is said where they are not as they should be. All with Postfix.

use std::time::{Duration, Instant};

use ehlo::{
    Auth, Command, Conversation, Credentials, Envelope, ErrorKind, InClear, Phase,
    RootCertificates, Security, Stage, Timeouts, TlsReason, Trust, Verb,
};

use crate::support::{
    arrived, as_alice, checked, clear, mail, outcomes, postfix, quit, send_one, shows_no_secret,
    trace_of_secret, var,
};
use crate::{Test, tests};

pub(crate) const TESTS: &[Test] = &tests!["Postfix":
    "STARTTLS, verified; AUTH PLAIN; relaying" => starttls_and_plain,
    "TLS from the start; AUTH" => implicit_tls,
    "AUTH LOGIN by hand" => login_by_hand,
    "AUTH given up with *" => auth_given_up,
    "EHLO again after AUTH" => ehlo_after_auth,
    "AUTH with a wrong password" => wrong_password,
    "another CA is trusted" => wrong_ca,
    "a certificate for another name" => wrong_name,
    "opportunistic TLS, not verified" => opportunistic,
    "opportunistic TLS sends no secret" => opportunistic_secret,
    "no secret in clear, unless allowed" => cleartext,
    "no MAIL in clear where TLS is required" => tls_required,
    "a TLS port is spoken to in clear" => tls_port_in_clear,
    "a clear port is spoken to in TLS" => clear_port_in_tls,
    "STARTTLS inside TLS" => starttls_twice,
    "postscreen: 220- two seconds before 220" => postscreen,
    "a planted leak is found" => planted_leak,
];

async fn starttls_and_plain() {
    let mut client = as_alice(postfix()).connect().await.expect("connected");
    let tls = client.conversation().tls().expect("TLS").clone();
    assert!(tls.is_verified(), "{tls}");
    assert!(tls.to_string().starts_with("TLS 1.3, TLS_"), "{tls}");
    let transcript = client.conversation().transcript().unwrap().to_string();
    assert!(transcript.contains("\n-- TLS\n"), "{transcript}");
    assert!(transcript.contains("\nC: AUTH PLAIN <secret>\nS: 235 2.7.0 "), "{transcript}");

    // Only who is authenticated may write elsewhere.
    let envelope = Envelope::new("alice@example.test", ["carol@elsewhere.test"]).unwrap();
    let delivery = client.send(&envelope, mail("hello\r\n")).await.unwrap();
    assert_eq!(outcomes(&delivery), ["accepted: 250"]);
    arrived(delivery.end().unwrap(), &["carol@elsewhere.test"]).await;
    quit(client).await;
}

async fn implicit_tls() {
    let connector = as_alice(
        clear("EHLO_POSTFIX", "TLS_PORT").security(Security::Implicit).roots(crate::support::ca()),
    );
    let mut client = connector.connect().await.expect("connected");
    assert!(client.conversation().tls().expect("TLS").is_verified());
    assert!(!client.conversation().capabilities().has("STARTTLS"));
    let reply = send_one(&mut client, mail("hello\r\n").as_bytes()).await;
    arrived(&reply, &["bob@example.test"]).await;
    quit(client).await;
}

/// Up to an EHLO inside TLS.
async fn secured() -> Conversation {
    let mut smtp = postfix().open().await.expect("a greeting");
    assert_eq!(smtp.greeting().code().number(), 220);
    let ehlo = Command::ehlo("client.example.test").unwrap();
    assert_eq!(smtp.say(&ehlo).await.unwrap().code().number(), 250);
    assert!(smtp.capabilities().has("STARTTLS"));
    let reply = smtp.say(&Command::start_tls()).await.unwrap();
    assert_eq!(reply.to_string(), "220 2.0.0 Ready to start TLS");
    assert!(smtp.tls().expect("TLS").is_verified());
    // What was offered in clear is forgotten.
    assert!(!smtp.capabilities().has("AUTH"));
    assert_eq!(smtp.phase(), Phase::Hello);
    assert_eq!(smtp.say(&ehlo).await.unwrap().code().number(), 250);
    smtp
}

async fn login_by_hand() {
    let mut smtp = secured().await;
    let offered = smtp.capabilities().get::<Auth>().expect("AUTH");
    assert!(offered.has("PLAIN") && offered.has("SCRAM-SHA-256"));
    let auth = Command::auth("LOGIN", None).unwrap();
    assert_eq!(smtp.say(&auth).await.unwrap().text(), "VXNlcm5hbWU6");
    let user = var("EHLO_POSTFIX_USER");
    let reply = smtp.respond(user.as_bytes()).await.unwrap();
    assert_eq!(reply.text(), "UGFzc3dvcmQ6");
    let password = var("EHLO_POSTFIX_PASSWORD");
    let reply = smtp.respond(password.as_bytes()).await.unwrap();
    assert_eq!(reply.to_string(), "235 2.7.0 Authentication successful");
    let error = smtp.allows(Verb::Auth).unwrap_err();
    assert_eq!(error.to_string(), "AUTH once more: it succeeded before");
    let transcript = smtp.transcript().unwrap().to_string();
    shows_no_secret(&transcript);
    assert!(
        transcript.contains(
            "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: <secret>\nS: 334 UGFzc3dvcmQ6\nC: <secret>\n"
        ),
        "{transcript}"
    );
    smtp.quit().await.unwrap();
}

async fn auth_given_up() {
    let mut smtp = secured().await;
    let auth = Command::auth("LOGIN", None).unwrap();
    assert_eq!(smtp.say(&auth).await.unwrap().code().number(), 334);
    assert_eq!(smtp.phase(), Phase::Auth);
    // Nothing else may be said in between.
    let error = smtp.say(&Command::noop()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Misuse(_)), "{error}");
    let reply = smtp.cancel_auth().await.unwrap();
    assert_eq!(reply.code().number(), 501, "{reply}");
    // And once more, to the end.
    let (user, password) = (var("EHLO_POSTFIX_USER"), var("EHLO_POSTFIX_PASSWORD"));
    let credentials = Credentials::new(user, password);
    let reply = smtp.authenticate(&credentials).await.unwrap();
    assert_eq!(reply.code().number(), 235);
    smtp.quit().await.unwrap();
}

async fn ehlo_after_auth() {
    let client = as_alice(postfix()).connect().await.expect("connected");
    let mut smtp = client.into_conversation();
    let ehlo = Command::ehlo("client.example.test").unwrap();
    assert_eq!(smtp.say(&ehlo).await.unwrap().code().number(), 250);
    // Postfix still knows who speaks.
    let sender = "alice@example.test".parse().unwrap();
    let recipient = "carol@elsewhere.test".parse().unwrap();
    assert_eq!(smtp.say(&Command::mail(&sender)).await.unwrap().code().number(), 250);
    let reply = smtp.say(&Command::rcpt(&recipient)).await.unwrap();
    assert_eq!(reply.to_string(), "250 2.1.5 Ok");
    smtp.quit().await.unwrap();
}

async fn wrong_password() {
    let error = postfix()
        .authenticate(crate::support::plain(&var("EHLO_POSTFIX_USER"), "wrong"))
        .connect()
        .await
        .unwrap_err();
    assert_eq!(error.stage(), Stage::Auth);
    assert!(matches!(error.kind(), ErrorKind::Refused(_)));
    assert_eq!(error.reply().unwrap().code().number(), 535);
    let words = checked(error).to_string();
    assert!(
        words.starts_with("127.0.0.1 said: 535 5.7.8 Error: authentication failed: ")
            && words.ends_with(" (in reply to AUTH PLAIN <secret>)"),
        "{words}"
    );
}

async fn wrong_ca() {
    let another = RootCertificates::from_pem(include_bytes!("another-ca.pem")).unwrap();
    let error = as_alice(postfix()).roots(another).connect().await.unwrap_err();
    assert_eq!(error.stage(), Stage::Handshake);
    let ErrorKind::Tls(fault) = error.kind() else { panic!("{error}") };
    assert!(matches!(fault.reason(), TlsReason::UnknownIssuer { .. }), "{fault}");
    assert_eq!(
        checked(error).to_string(),
        "the TLS handshake with 127.0.0.1 failed: the issuer of the server's certificate, \
         \"CN=ehlo interop CA\", is not trusted here: its root certificate is missing here, or the server does not send the \
         intermediate ones"
    );
}

async fn wrong_name() {
    let error = postfix().tls_name("mx.other.test").connect().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Tls(_)));
    assert_eq!(
        checked(error).to_string(),
        "the TLS handshake with 127.0.0.1 failed: the server's certificate is not for \
         mx.other.test but for mail.example.test, localhost, 127.0.0.1"
    );
}

async fn opportunistic() {
    let connector = clear("EHLO_POSTFIX", "PORT").security(Security::Opportunistic);
    let another = RootCertificates::from_pem(include_bytes!("another-ca.pem")).unwrap();
    let mut client = connector.roots(another).connect().await.expect("connected");
    assert_eq!(client.conversation().in_clear(), None::<&InClear>);
    let tls = client.conversation().tls().expect("TLS").clone();
    let Trust::Unverified(why) = tls.trust() else { panic!("{tls}") };
    assert!(matches!(why.reason(), TlsReason::UnknownIssuer { .. }), "{why}");
    let reply = send_one(&mut client, mail("hello\r\n").as_bytes()).await;
    arrived(&reply, &["bob@example.test"]).await;
    quit(client).await;
}

async fn opportunistic_secret() {
    let connector = clear("EHLO_POSTFIX", "PORT").security(Security::Opportunistic);
    let another = RootCertificates::from_pem(include_bytes!("another-ca.pem")).unwrap();
    let error = as_alice(connector.roots(another)).connect().await.unwrap_err();
    assert_eq!(error.stage(), Stage::Auth);
    assert_eq!(
        checked(error).to_string(),
        "AUTH would send a secret to an unverified server: only allow_cleartext lets it"
    );
}

async fn cleartext() {
    let connector = as_alice(clear("EHLO_POSTFIX", "PORT"));
    let error = connector.connect().await.unwrap_err();
    assert_eq!(error.stage(), Stage::Auth);
    assert_eq!(
        checked(error).to_string(),
        "AUTH would send a secret in clear: only allow_cleartext lets it"
    );
    let mut client = connector.allow_cleartext().connect().await.expect("allowed");
    assert!(client.conversation().tls().is_none());
    let reply = send_one(&mut client, mail("hello\r\n").as_bytes()).await;
    arrived(&reply, &["bob@example.test"]).await;
    quit(client).await;
}

async fn tls_required() {
    let mut smtp = postfix().open().await.unwrap();
    let ehlo = Command::ehlo("client.example.test").unwrap();
    smtp.say(&ehlo).await.unwrap();
    let sender = "alice@example.test".parse().unwrap();
    let error = smtp.say(&Command::mail(&sender)).await.unwrap_err();
    assert_eq!(error.to_string(), "MAIL in clear, where TLS is required");
    let transcript = smtp.transcript().unwrap().to_string();
    assert!(!transcript.contains("MAIL"), "{transcript}");
    smtp.quit().await.unwrap();
}

async fn tls_port_in_clear() {
    let wait = Duration::from_millis(500);
    for security in [Security::None, Security::StartTls] {
        let error = clear("EHLO_POSTFIX", "TLS_PORT")
            .security(security)
            .timeouts(Timeouts::default().with_greeting(wait))
            .connect()
            .await
            .unwrap_err();
        assert_eq!(error.stage(), Stage::Greeting);
        assert_eq!(
            checked(error).to_string(),
            "no greeting from 127.0.0.1 within 500ms (the port may speak TLS from the start, it \
             may not be an SMTP port, or the server delays its greeting)"
        );
    }
}

async fn clear_port_in_tls() {
    let connector = postfix().security(Security::Implicit);
    let error = connector.connect().await.unwrap_err();
    assert_eq!(error.stage(), Stage::Handshake);
    assert_eq!(
        checked(error).to_string(),
        "the TLS handshake with 127.0.0.1 failed: the server did not answer with TLS: it sent \
         \"220 mail.example.test ESMTP Postfix\", a greeting of SMTP in clear; TLS may be had \
         there by STARTTLS"
    );
}

async fn starttls_twice() {
    let mut smtp = secured().await;
    let error = smtp.say(&Command::start_tls()).await.unwrap_err();
    assert_eq!(error.to_string(), "STARTTLS once more: it succeeded before");
    smtp.quit().await.unwrap();
}

async fn postscreen() {
    let began = Instant::now();
    let mut client = clear("EHLO_POSTFIX", "SCREEN_PORT").connect().await.unwrap();
    // Who speaks before the last line is shown out: nothing was said till then.
    assert!(began.elapsed() > Duration::from_millis(1900), "{:?}", began.elapsed());
    let greeting = client.conversation().greeting().octets().to_vec();
    let line = "mail.example.test ESMTP Postfix\r\n";
    assert_eq!(String::from_utf8_lossy(&greeting), format!("220-{line}220 {line}"));
    let reply = send_one(&mut client, mail("hello\r\n").as_bytes()).await;
    arrived(&reply, &["bob@example.test"]).await;
    quit(client).await;
}

/// The search itself: what it is to find, it finds.
async fn planted_leak() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    let password = var("EHLO_POSTFIX_PASSWORD");
    for before in ["", "a", "ab", "abc", "\0alice\0"] {
        let leak = STANDARD.encode(format!("{before}{password}"));
        assert!(trace_of_secret(&format!("C: {leak}\n")).is_some(), "{leak}");
    }
    assert!(trace_of_secret(&format!("[{password}]")).is_some());
    assert_eq!(trace_of_secret("C: AUTH PLAIN <secret>"), None);
}
