//! AUTH by each mechanism that a server offers, over STARTTLS and with TLS from the start: which it
//! was, as the transcript says and the server's own log; and a mail after it, which only who is
//! authenticated may send.

use std::path::Path;

use ehlo::{Auth, AuthFault, ClientCertificate, Connector, Credentials, Delivery, Envelope};
use ehlo::{ErrorKind, Stage};

use crate::Row;
use crate::held::held_for;
use crate::support::{
    PASSWORD, USER, arrived, checked, implicit, kept_as, mail, outcomes, quit, starttls, var,
};

/// A server to which one authenticates.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// As in the table.
    pub(crate) server: &'static str,
    /// What the names of its variables begin with.
    pub(crate) prefix: &'static str,
    /// The ports of STARTTLS and of TLS from the start.
    pub(crate) ports: [&'static str; 2],
    /// What it offers.
    pub(crate) mechanisms: &'static [&'static str],
    /// The variable of a token that it takes.
    pub(crate) token: &'static str,
    /// What its log says of a success of a mechanism, for a user.
    pub(crate) log: fn(mechanism: &str, user: &str) -> String,
    /// Where what it took is found.
    pub(crate) kept: Kept,
}

/// Where what a server took is found.
#[derive(Clone, Copy)]
pub(crate) enum Kept {
    /// In the queue of Postfix.
    Held,
    /// In a folder of its own.
    Folder,
    /// Nowhere: Postfix's log has it.
    Logged,
}

/// Postfix offers EXTERNAL by neither, and has no way to it.
pub(crate) const POSTFIX: Place = Place {
    server: "Postfix",
    prefix: "EHLO_POSTFIX",
    ports: ["PORT", "TLS_PORT"],
    mechanisms: &[
        "PLAIN",
        "LOGIN",
        "CRAM-MD5",
        "SCRAM-SHA-1",
        "SCRAM-SHA-256",
        "SCRAM-SHA-512",
        "ANONYMOUS",
    ],
    token: "",
    log: |mechanism, user| format!("sasl_method={mechanism}, sasl_username={user}"),
    kept: Kept::Logged,
};

pub(crate) const POSTFIX_DOVECOT: Place = Place {
    server: "Postfix+Dovecot",
    ports: ["DOVECOT_PORT", "DOVECOT_TLS_PORT"],
    mechanisms: &[
        "PLAIN",
        "LOGIN",
        "CRAM-MD5",
        "SCRAM-SHA-1",
        "SCRAM-SHA-256",
        "XOAUTH2",
        "OAUTHBEARER",
        "ANONYMOUS",
    ],
    token: "EHLO_DOVECOT_TOKEN",
    ..POSTFIX
};

/// ANONYMOUS it has for others only, and does not offer it itself.
pub(crate) const DOVECOT: Place = Place {
    server: "Dovecot+Postfix",
    prefix: "EHLO_DOVECOT",
    ports: ["PORT", "TLS_PORT"],
    mechanisms: &[
        "PLAIN",
        "LOGIN",
        "CRAM-MD5",
        "SCRAM-SHA-1",
        "SCRAM-SHA-256",
        "XOAUTH2",
        "OAUTHBEARER",
        "EXTERNAL",
    ],
    token: "EHLO_DOVECOT_TOKEN",
    log: |mechanism, user| {
        format!("submission-login: Info: Login: user=<{user}>, method={mechanism},")
    },
    kept: Kept::Held,
};

pub(crate) const EXIM: Place = Place {
    server: "Exim",
    prefix: "EHLO_EXIM",
    ports: ["PORT", "TLS_PORT"],
    mechanisms: &[
        "PLAIN",
        "LOGIN",
        "CRAM-MD5",
        "SCRAM-SHA-1",
        "SCRAM-SHA-256",
        "SCRAM-SHA-512",
        "EXTERNAL",
        "ANONYMOUS",
    ],
    token: "",
    log: |mechanism, user| format!(" A={}:{user}", mechanism.replace('-', "_")),
    kept: Kept::Folder,
};

pub(crate) const EXIM_DOVECOT: Place = Place {
    server: "Exim+Dovecot",
    mechanisms: &["XOAUTH2", "OAUTHBEARER"],
    token: "EHLO_DOVECOT_TOKEN",
    ..EXIM
};

pub(crate) const OPENSMTPD: Place = Place {
    server: "OpenSMTPD",
    prefix: "EHLO_OPENSMTPD",
    mechanisms: &["PLAIN", "LOGIN"],
    // It does not say by which.
    log: |_, user| format!("smtp authentication user={user} result=ok"),
    ..EXIM
};

pub(crate) const AIOSMTPD: Place = Place {
    server: "aiosmtpd",
    prefix: "EHLO_AIOSMTPD",
    mechanisms: &["PLAIN", "LOGIN"],
    log: |mechanism, user| format!("auth {mechanism} {user}"),
    ..EXIM
};

pub(crate) const SMTP_SERVER: Place = Place {
    server: "smtp-server",
    prefix: "EHLO_SMTP_SERVER",
    mechanisms: &["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2"],
    token: "EHLO_SMTP_SERVER_TOKEN",
    ..AIOSMTPD
};

pub(crate) const PLACES: [Place; 8] =
    [POSTFIX, POSTFIX_DOVECOT, DOVECOT, EXIM, EXIM_DOVECOT, OPENSMTPD, AIOSMTPD, SMTP_SERVER];

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for place in PLACES {
        for mechanism in place.mechanisms {
            for implicit in [false, true] {
                let how = if implicit { "TLS from the start" } else { "STARTTLS" };
                let name = format!("AUTH {mechanism}, {how}");
                rows.push(Row::new(place.server, name, move || {
                    logs_in(place, mechanism, implicit)
                }));
            }
        }
        rows.push(Row::new(place.server, "AUTH: the strongest that it offers", move || {
            strongest(place)
        }));
        rows.push(Row::new(
            place.server,
            "AUTH by a mechanism that it does not offer",
            move || not_offered(place),
        ));
    }
    rows
}

impl Place {
    pub(crate) fn connector(&self, is_implicit: bool) -> Connector {
        let [starttls_port, tls_port] = self.ports;
        if is_implicit {
            implicit(self.prefix, tls_port)
        } else {
            starttls(self.prefix, starttls_port)
        }
    }

    /// What alice has for this mechanism.
    pub(crate) fn credentials(&self, mechanism: &str) -> Credentials {
        let credentials = match mechanism {
            "XOAUTH2" | "OAUTHBEARER" => Credentials::token(USER, var(self.token)),
            "EXTERNAL" => Credentials::external(),
            "ANONYMOUS" => Credentials::anonymous("trace@client.example.test"),
            _ => Credentials::new(USER, PASSWORD),
        };
        credentials.mechanisms([mechanism])
    }

    /// With these, and with alice's certificate where that is what counts.
    pub(crate) fn authenticated(&self, connector: Connector, mechanism: &str) -> Connector {
        let connector = connector.authenticate(self.credentials(mechanism));
        if mechanism == "EXTERNAL" {
            connector.client_certificate(self.certificate())
        } else {
            connector
        }
    }

    fn certificate(&self) -> ClientCertificate {
        let ca = var(&format!("{}_CA", self.prefix));
        let [chain, key] = ["client.pem", "client-key.pem"]
            .map(|name| std::fs::read(Path::new(&ca).with_file_name(name)).expect(name));
        ClientCertificate::from_pem(&chain, &key).expect("alice's certificate")
    }

    /// How often its log says so of this mechanism.
    fn logins(&self, mechanism: &str) -> usize {
        let user = if mechanism == "ANONYMOUS" { "anonymous" } else { USER };
        let words = (self.log)(mechanism, user);
        let log = std::fs::read(var(&format!("{}_LOG", self.prefix))).expect("the log");
        memchr::memmem::find_iter(&log, &words).count()
    }

    /// Waits until its log says so once more than before.
    async fn logged_once_more(&self, mechanism: &str, before: usize) {
        for _ in 0..200 {
            let now = self.logins(mechanism);
            if now > before {
                assert_eq!(now, before + 1, "somebody else is there, too");
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("{} has not logged {mechanism}", self.server);
    }

    /// That what went to these arrived.
    pub(crate) async fn took(&self, delivery: &Delivery, content: &str, recipients: &[&str]) {
        let end = || delivery.end().expect("a final reply");
        match self.kept {
            Kept::Held => held_for(end(), recipients, content),
            Kept::Folder => {
                kept_as(&var(&format!("{}_MAIL", self.prefix)), content, content).await;
            }
            Kept::Logged => {
                arrived(end(), recipients).await;
            }
        }
    }
}

async fn logs_in(place: Place, mechanism: &str, is_implicit: bool) {
    let before = place.logins(mechanism);
    let connector = place.authenticated(place.connector(is_implicit), mechanism);
    let mut client = connector.connect().await.expect("authenticated");
    assert!(client.conversation().is_authenticated());
    assert!(client.conversation().tls().expect("TLS").is_verified());
    let transcript = client.conversation().transcript().unwrap().to_string();
    let said: Vec<&str> = transcript.lines().filter(|line| line.starts_with("C: AUTH")).collect();
    let [said] = *said else { panic!("{transcript}") };
    assert_eq!(said.split(' ').nth(2), Some(mechanism));
    let (_, dialogue) = transcript.split_once("C: AUTH").unwrap();
    assert_eq!(dialogue.matches("\nS: 235 ").count(), 1, "{transcript}");
    // SCRAM's last message comes in a challenge, which wants an empty response.
    let challenges = match mechanism {
        "LOGIN" => 2,
        "CRAM-MD5" => 1,
        _ if mechanism.starts_with("SCRAM") => 2,
        _ => 0,
    };
    assert_eq!(dialogue.matches("\nS: 334 ").count(), challenges, "{transcript}");

    let recipients = ["bob@example.test", "carol@elsewhere.test"];
    let envelope = Envelope::new("alice@example.test", recipients).unwrap();
    let content = mail("hello\r\n");
    let delivery = client.send(&envelope, &content).await.unwrap();
    if mechanism == "ANONYMOUS" && matches!(place.kept, Kept::Logged) {
        // To Postfix, somebody of whom nothing is known is still a stranger.
        let refused = "refused: 554 5.7.1 <carol@elsewhere.test>: Relay access denied (in reply to \
                       RCPT TO)";
        assert_eq!(outcomes(&delivery), ["accepted: 250", refused]);
        place.took(&delivery, &content, &recipients[..1]).await;
    } else {
        assert_eq!(outcomes(&delivery), ["accepted: 250", "accepted: 250"]);
        place.took(&delivery, &content, &recipients).await;
    }
    quit(client).await;
    place.logged_once_more(mechanism, before).await;
}

/// By what alice has, a password or a token, and named by nobody. CRAM-MD5 is not among them.
async fn strongest(place: Place) {
    let order = ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"];
    let offers = |name: &&str| place.mechanisms.contains(name);
    let (wanted, credentials) = match order.into_iter().find(offers) {
        Some(password) => (password, Credentials::new(USER, PASSWORD)),
        None => ("OAUTHBEARER", Credentials::token(USER, var(place.token))),
    };
    let connector = place.connector(false).authenticate(credentials);
    let client = connector.connect().await.expect("authenticated");
    let transcript = client.conversation().transcript().unwrap().to_string();
    assert!(transcript.contains(&format!("\nC: AUTH {wanted} ")), "{transcript}");
    let offered = client.conversation().capabilities().get::<Auth>();
    let offered: Vec<String> = offered
        .map(|auth| auth.mechanisms().map(ToString::to_string).collect())
        .unwrap_or_default();
    // EXTERNAL Exim offers to those alone who have shown a certificate.
    let expected = place.mechanisms.iter().filter(|name| **name != "EXTERNAL");
    let missing: Vec<_> = expected.filter(|name| !offered.iter().any(|one| one == *name)).collect();
    assert!(missing.is_empty(), "{missing:?} of {offered:?}");
    quit(client).await;
}

async fn not_offered(place: Place) {
    let bound = Credentials::new(USER, PASSWORD).mechanisms(["SCRAM-SHA-512-PLUS"]);
    let error = place.connector(false).authenticate(bound).connect().await.unwrap_err();
    assert_eq!(error.stage(), Stage::Auth);
    let ErrorKind::Auth(AuthFault::NoMechanism { offered, .. }) = error.kind() else {
        panic!("{error:?}");
    };
    // None of them can bind a channel over SMTP.
    assert!(!offered.is_empty() && !offered.iter().any(|name| name.ends_with("-PLUS")));
    let transcript = error.transcript().expect("asked for").to_string();
    assert!(!transcript.contains("C: AUTH"), "{transcript}");
    checked(error);
}
