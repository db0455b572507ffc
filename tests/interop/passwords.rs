//! AUTH with what is wrong, by each mechanism of each server: in which words it is refused, of what
//! kind the error is, and that it shows no secret. And tokens, with what is said of them.

use std::sync::{Arc, Mutex};

use ehlo::{AuthFault, Credentials, ErrorKind, Retry, Secret, Stage};

use crate::Row;
use crate::mechanisms::{DOVECOT, EXIM, PLACES, Place};
use crate::support::{USER, WRONG, checked, quit, shows_no_secret, var};

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for place in PLACES {
        let known =
            |name: &&&str| !matches!(**name, "XOAUTH2" | "OAUTHBEARER" | "EXTERNAL" | "ANONYMOUS");
        for mechanism in place.mechanisms.iter().filter(known) {
            let name = format!("a wrong password by {mechanism}");
            rows.push(Row::new(place.server, name, move || password(place, mechanism)));
        }
        for mechanism in
            place.mechanisms.iter().filter(|name| **name == "XOAUTH2" || **name == "OAUTHBEARER")
        {
            let name = format!("a wrong token by {mechanism}");
            rows.push(Row::new(place.server, name, move || token(place, mechanism)));
            let name = format!("another token by {mechanism}, once the first is refused");
            rows.push(Row::new(place.server, name, move || another_token(place, mechanism)));
        }
    }
    for place in [DOVECOT, EXIM] {
        rows.push(Row::new(place.server, "EXTERNAL without a certificate", move || {
            no_certificate(place)
        }));
        rows.push(Row::new(place.server, "EXTERNAL for somebody else", move || {
            somebody_else(place)
        }));
    }
    rows
}

/// What each says, by whichever mechanism.
fn words(place: Place) -> &'static str {
    match place.server {
        "Postfix" => "535 5.7.8 Error: authentication failed: authentication failure",
        "Postfix+Dovecot" => "535 5.7.8 Error: authentication failed: (reason unavailable)",
        "Dovecot+Postfix" => "535 5.7.8 Authentication failed.",
        "Exim" | "Exim+Dovecot" => "535 Incorrect authentication data",
        "OpenSMTPD" => "535 Authentication failed",
        "aiosmtpd" => "535 5.7.8 Authentication credentials invalid",
        "smtp-server" => "535 5.7.8 Authentication failed",
        other => panic!("{other}"),
    }
}

async fn password(place: Place, mechanism: &str) {
    let credentials = Credentials::new(USER, WRONG).mechanisms([mechanism]);
    let error = place.connector(false).authenticate(credentials).connect().await.unwrap_err();
    assert_eq!((error.stage(), error.retry()), (Stage::Auth, Retry::Never));
    assert!(matches!(error.kind(), ErrorKind::Refused(_)), "{error:?}");
    assert_eq!(error.reply().expect("its words").code().number(), 535);
    let transcript = error.transcript().expect("asked for").to_string();
    assert_eq!(transcript.matches("\nC: AUTH ").count(), 1, "{transcript}");
    shows_no_secret(&transcript);
    let secret = if mechanism == "PLAIN" { " <secret>" } else { "" };
    assert_eq!(
        checked(error).to_string(),
        format!("127.0.0.1 said: {} (in reply to AUTH {mechanism}{secret})", words(place))
    );
}

/// Of a token: what it is told in JSON, and in which words it is refused then.
fn token_words(place: Place, mechanism: &str) -> (&'static str, &'static str) {
    let json = match (place.server, mechanism) {
        ("smtp-server", _) => r#"{"status":"401","schemes":"bearer mac","scope":"mail"}"#,
        (_, "XOAUTH2") => r#"{"status":"401","schemes":"bearer","scope":"mail"}"#,
        _ => r#"{"status":"invalid_token"}"#,
    };
    let reply = match place.server {
        "smtp-server" => "535 5.7.8 Error: Username and Password not accepted",
        _ => words(place),
    };
    (json, reply)
}

async fn token(place: Place, mechanism: &'static str) {
    let credentials = Credentials::token(USER, WRONG).mechanisms([mechanism]);
    let error = place.connector(true).authenticate(credentials).connect().await.unwrap_err();
    assert_eq!((error.stage(), error.retry()), (Stage::Auth, Retry::Never));
    let ErrorKind::Auth(AuthFault::Token { refusal, reply, .. }) = error.kind() else {
        panic!("{error:?}");
    };
    let (json, words) = token_words(place, mechanism);
    assert_eq!(String::from_utf8_lossy(refusal.octets()), json);
    assert_eq!(reply.to_string(), words);
    assert!(refusal.is_of_the_token());
    let (status, scope) = match (place.server, mechanism) {
        ("smtp-server", _) | (_, "XOAUTH2") => ("401", Some("mail")),
        _ => ("invalid_token", None),
    };
    assert_eq!((refusal.status(), refusal.scope()), (Some(status), scope));
    let shown = refusal.to_string();
    shows_no_secret(&error.transcript().expect("asked for").to_string());
    assert_eq!(
        checked(error).to_string(),
        format!(
            "authentication with 127.0.0.1 failed: {mechanism}: the token was refused{shown}; the \
             server said: {words}"
        )
    );
}

/// Whoever gives tokens is asked once more, and is told why.
async fn another_token(place: Place, mechanism: &'static str) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let right = var(place.token);
    let credentials = Credentials::token_from(USER, move |refused| {
        let token = if refused.is_none() { WRONG.to_owned() } else { right.clone() };
        let status = refused.map(|refused| refused.status().map(str::to_owned));
        log.lock().unwrap().push(status);
        async { Ok::<_, std::io::Error>(Secret::from(token)) }
    });
    let connector = place.connector(false).authenticate(credentials.mechanisms([mechanism]));
    let client = connector.connect().await.expect("authenticated");
    assert!(client.conversation().is_authenticated());
    let transcript = client.conversation().transcript().unwrap().to_string();
    let said = format!("\nC: AUTH {mechanism} ");
    assert_eq!(transcript.matches(&said).count(), 2, "{transcript}");
    let status = match (place.server, mechanism) {
        ("smtp-server", _) | (_, "XOAUTH2") => "401",
        _ => "invalid_token",
    };
    assert_eq!(*asked.lock().unwrap(), [None, Some(Some(status.to_owned()))]);
    quit(client).await;
}

async fn no_certificate(place: Place) {
    let connector = place.connector(true).authenticate(place.credentials("EXTERNAL"));
    let error = connector.connect().await.unwrap_err();
    // What one host does not offer another may.
    let is_offered = place.server != EXIM.server;
    let retry = if is_offered { Retry::Never } else { Retry::NextHost };
    assert_eq!((error.stage(), error.retry()), (Stage::Auth, retry));
    let words = checked(error).to_string();
    if !is_offered {
        // It offers it to those alone who have shown one.
        let offered = "authentication with 127.0.0.1 failed: the server offers no mechanism that \
                       can be used (it offers PLAIN, LOGIN, CRAM-MD5, ";
        assert!(words.starts_with(offered) && !words.contains("EXTERNAL"), "{words}");
    } else {
        assert_eq!(words, external_refused(place));
    }
}

fn external_refused(place: Place) -> String {
    format!("127.0.0.1 said: {} (in reply to AUTH EXTERNAL <secret>)", words(place))
}

async fn somebody_else(place: Place) {
    let credentials = place.credentials("EXTERNAL").authorize_as("bob");
    let connector =
        place.authenticated(place.connector(true), "EXTERNAL").authenticate(credentials);
    let error = connector.connect().await.unwrap_err();
    assert_eq!(error.stage(), Stage::Auth);
    assert_eq!(checked(error).to_string(), external_refused(place));
}
