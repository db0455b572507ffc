//! AUTH over the network: every mechanism with the crate's own server, the choice among them, and
//! the channel that SCRAM is bound to.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ehlo::testing::{Running, Server};
use ehlo::{
    AuthFault, ChannelBinding, Client, Connector, Conversation, Credentials, Error, ErrorKind,
    Offer, Retry, RootCertificates, Secret, Security, Timeouts, TlsVersion,
};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

const HOST: &str = "mx.example.test";
const PASSWORD: &str = "wonder,l=nd";
const SCRAM: [&str; 6] = [
    "SCRAM-SHA-512-PLUS",
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-512",
    "SCRAM-SHA-256",
    "SCRAM-SHA-1",
];

fn server<'a>(mechanisms: impl IntoIterator<Item = &'a str>) -> Server {
    Server::new().user("al=ice,", PASSWORD).mechanisms(mechanisms)
}

/// Over TLS, to a server in memory.
async fn login(server: Server, credentials: Credentials) -> (Result<Client, Error>, Running) {
    let (near, far) = tokio::io::duplex(65_536);
    let server = server.serve(far).unwrap();
    let connector = Connector::new(HOST)
        .roots(RootCertificates::from_pem(server.ca_pem().as_bytes()).unwrap())
        .transcript(65_536)
        .authenticate(credentials);
    (connector.connect_over(near).await, server)
}

fn alice(password: &str) -> Credentials {
    Credentials::new("al=ice,", password)
}

fn token(token: &str) -> Credentials {
    Credentials::token("al=ice,", token)
}

/// The lines of AUTH that the server has heard, without what they carry.
fn tried(server: &Running) -> Vec<String> {
    let log = server.log().concat();
    let lines = log.lines().filter_map(|line| line.strip_prefix("C: AUTH "));
    lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn c_147_c_148_c_149_every_mechanism_logs_in() {
    for mechanism in SCRAM.into_iter().chain(["PLAIN", "LOGIN"]) {
        let (client, server) = login(server([mechanism]), alice(PASSWORD)).await;
        assert!(client.unwrap().conversation().is_authenticated(), "{mechanism}");
        assert_eq!(tried(&server), [mechanism]);
    }
    let by_name = alice(PASSWORD).mechanisms(["CRAM-MD5"]);
    login(server(["CRAM-MD5", "PLAIN"]), by_name).await.0.unwrap();
    for mechanism in ["XOAUTH2", "OAUTHBEARER"] {
        let long = "t".repeat(600);
        let server = || server([mechanism]).user("al=ice,", &*long);
        login(server(), token(PASSWORD)).await.0.unwrap();
    }
    login(server(["EXTERNAL"]), Credentials::external()).await.0.unwrap();
    login(server(["ANONYMOUS"]), Credentials::anonymous("x")).await.0.unwrap();
}

/// Each version of TLS has its own binding, which the server works out from its own side.
#[tokio::test]
async fn c_148_c_149_each_version_of_tls_is_bound_its_own_way() {
    for (version, name) in
        [(TlsVersion::Tls13, "tls-exporter"), (TlsVersion::Tls12, "tls-server-end-point")]
    {
        for mechanism in SCRAM.into_iter().filter(|name| name.ends_with("-PLUS")) {
            let server = server(SCRAM).maximum_tls(version);
            let only = alice(PASSWORD).mechanisms([mechanism]);
            let (client, server) = login(server, only).await;
            let client = client.unwrap();
            let tls = client.conversation().tls().unwrap();
            assert_eq!(tls.version(), version);
            assert_eq!(tls.channel_binding().unwrap().name(), name);
            assert_eq!(tried(&server), [mechanism]);
        }
        // Nobody needs to ask for it.
        let (client, server) = login(server(SCRAM).maximum_tls(version), alice(PASSWORD)).await;
        client.unwrap();
        assert_eq!(tried(&server), ["SCRAM-SHA-512-PLUS"]);
    }
}

/// The certificate of another server is another binding; so is another name of it.
#[tokio::test]
async fn c_148_another_certificate_is_no_binding() {
    let (near, far) = tokio::io::duplex(65_536);
    let server = server(SCRAM).maximum_tls(TlsVersion::Tls12).implicit_tls().serve(far).unwrap();
    let connector = Connector::new(HOST)
        .security(Security::Implicit)
        .roots(RootCertificates::from_pem(server.ca_pem().as_bytes()).unwrap());
    let mut smtp = connector.open_over(near).await.unwrap();
    let hello = ehlo::Command::ehlo("client.example.org").unwrap();
    smtp.say(&hello).await.unwrap();
    let own = smtp.tls().unwrap().channel_binding().unwrap().clone();
    for (binding, words) in [
        (ChannelBinding::tls_server_end_point([7; 32]), "channel-bindings-dont-match"),
        // Which TLS 1.2 has not on this server.
        (ChannelBinding::tls_exporter([7; 32]), "channel-binding-not-supported"),
    ] {
        let offer = Offer::new(["SCRAM-SHA-1-PLUS"]).channel_binding(binding);
        let mechanism = alice(PASSWORD).choose(&offer).unwrap();
        let error = smtp.authenticate_with(mechanism).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "authentication with {HOST} failed: SCRAM-SHA-1-PLUS: the server gave up: \
                 \"{words}\", and said: 535 5.7.8 credentials not accepted"
            )
        );
    }
    let offer = Offer::new(["SCRAM-SHA-1-PLUS"]).channel_binding(own);
    smtp.authenticate_with(alice(PASSWORD).choose(&offer).unwrap()).await.unwrap();
}

#[tokio::test]
async fn c_152_a_wrong_password_is_refused_by_every_mechanism() {
    for mechanism in SCRAM.into_iter().chain(["PLAIN", "LOGIN", "CRAM-MD5"]) {
        let wrong = alice("wrong").mechanisms([mechanism]);
        let error = login(server([mechanism]), wrong).await.0.unwrap_err();
        assert_eq!(error.reply().unwrap().code().number(), 535, "{mechanism}");
        assert_eq!(error.retry(), Retry::Never);
    }
}

#[tokio::test]
async fn dialect_59_c_151_c_152_a_refused_token_is_explained() {
    for mechanism in ["XOAUTH2", "OAUTHBEARER"] {
        let (client, server) = login(server([mechanism]), token("stale")).await;
        let error = client.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "authentication with {HOST} failed: {mechanism}: the token was refused (status 401, \
                 schemes bearer, scope mail); the server said: 535 5.7.8 credentials not accepted"
            )
        );
        assert_eq!(error.retry(), Retry::Never);
        assert_eq!(error.reply().unwrap().code().number(), 535);
        let ErrorKind::Auth(AuthFault::Token { refusal, .. }) = error.kind() else {
            panic!("{error:?}");
        };
        assert!(refusal.is_of_the_token());
        drop(server);
    }
}

#[tokio::test]
async fn t10_the_strongest_is_tried_and_no_other_after_a_refusal() {
    let offered = ["PLAIN", "SCRAM-SHA-1", "CRAM-MD5", "SCRAM-SHA-256"];
    let (client, server) = login(server(offered), alice("wrong")).await;
    assert_eq!(
        client.unwrap_err().to_string(),
        format!("{HOST} said: 535 5.7.8 credentials not accepted (in reply to AUTH SCRAM-SHA-256)")
    );
    assert_eq!(tried(&server), ["SCRAM-SHA-256"]);
}

#[tokio::test]
async fn others_are_tried_when_that_is_allowed() {
    let offered = ["PLAIN", "SCRAM-SHA-1", "CRAM-MD5", "SCRAM-SHA-256"];
    let stubborn = || alice("wrong").try_others();
    let (client, running) = login(server(offered), stubborn()).await;
    let words = format!(
        "{HOST} said: 535 5.7.8 credentials not accepted (in reply to AUTH PLAIN <secret>)"
    );
    assert_eq!(client.unwrap_err().to_string(), words);
    assert_eq!(tried(&running), ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]);

    let (client, running) = login(server(offered), stubborn().at_least("SCRAM-SHA-1")).await;
    assert!(client.is_err());
    assert_eq!(tried(&running), ["SCRAM-SHA-256", "SCRAM-SHA-1"]);
}

/// With the server's signature passwords could be tried on a transcript. It may stand in the last
/// challenge, or in the 235.
#[tokio::test]
async fn t11_what_a_server_proves_itself_by_is_not_shown() {
    let (client, server) = login(server(["SCRAM-SHA-256"]), alice(PASSWORD)).await;
    let transcript = client.unwrap().conversation().transcript().unwrap().to_string();
    let said = transcript.lines().skip_while(|line| !line.starts_with("C: AUTH"));
    let said: Vec<_> = said.collect();
    assert_eq!(said[0], "C: AUTH SCRAM-SHA-256 <secret>");
    assert!(said[1].starts_with("S: 334 cj"), "r= is no secret: {transcript}");
    let rest = ["C: <secret>", "S: 334 <secret>", "C: <secret>", "S: 235 2.7.0 welcome"];
    assert_eq!(said[2..], rest);
    drop(server);

    for last in ["235 2.7.0 dj02cnJpVFJCaQ==", "235-2.7.0 hello\nS: 235 dj1ycmlUUkJpMjM="] {
        let script = format!(
            "S: 220 mx\nC: EHLO [127.0.0.1]\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n-- TLS\n\
             C: EHLO [127.0.0.1]\nS: 250-mx\nS: 250 AUTH SCRAM-SHA-256\n\
             C: AUTH SCRAM-SHA-256 <secret>\nS: {last}\nC: QUIT\nS: 221 bye\n"
        );
        let server = Server::script(script.parse().unwrap());
        let (client, _server) = login(server, alice(PASSWORD)).await;
        let error = client.unwrap_err();
        let transcript = error.transcript().unwrap().to_string();
        assert!(transcript.contains("\nS: 235 <secret>\nC: QUIT\n"), "{transcript}");
    }
}

/// Sendmail and others quote the line that they do not know. In one write, octet by octet, and where
/// the connection ends in the midst of it.
#[tokio::test]
async fn t11_what_a_server_quotes_of_a_secret_is_not_shown() {
    let said = STANDARD.encode(format!("\0al=ice,\0{PASSWORD}"));
    let stars = "*".repeat(said.len());
    let quoted =
        |said: &str| format!("500-5.5.1 Command unrecognized:\r\n500 \"AUTH PLAIN {said}\"\r\n");
    for (step, ends) in [(usize::MAX, false), (1, false), (7, false), (usize::MAX, true)] {
        let (near, mut far) = tokio::io::duplex(4096);
        let mut octets = quoted(&said);
        octets.truncate(octets.len() - if ends { 3 } else { 0 });
        tokio::spawn(async move {
            for reply in ["220 mx\r\n", "250-mx\r\n250 AUTH PLAIN\r\n"] {
                far.write_all(reply.as_bytes()).await.unwrap();
                while far.read_u8().await.unwrap() != b'\n' {}
            }
            for piece in octets.as_bytes().chunks(step) {
                far.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let connector = Connector::new(HOST).security(Security::None).allow_cleartext();
        let connector = connector.transcript(4096).authenticate(alice(PASSWORD));
        let error = connector.connect_over(near).await.unwrap_err();
        let words = error.to_string();
        assert!(words.contains(&format!("AUTH PLAIN {stars}")), "{words}");
        let transcript = error.transcript().unwrap().to_string();
        assert!(transcript.contains(&format!("500 \"AUTH PLAIN {stars}")), "{transcript}");
        assert_eq!(error.reply().is_none(), ends);
    }
}

/// What the server says in the dialogue is no reply: the one that ends it is.
#[tokio::test]
async fn c_147_others_are_tried_behind_what_scram_says_of_a_refusal() {
    let script = |rest: &str| {
        format!(
            "S: 220 mx\nC: EHLO [127.0.0.1]\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n-- TLS\n\
             C: EHLO [127.0.0.1]\nS: 250-mx\nS: 250 AUTH SCRAM-SHA-256 PLAIN\n\
             C: AUTH SCRAM-SHA-256 <secret>\nS: 334 ZT1pbnZhbGlkLXByb29m\nC:\n\
             S: 535 5.7.8 no\n{rest}"
        )
    };
    let after = script("C: AUTH PLAIN <secret>\nS: 235 2.7.0 welcome\n");
    let server = Server::script(after.parse().unwrap());
    let (client, _server) = login(server, alice(PASSWORD).try_others()).await;
    assert!(client.unwrap().conversation().is_authenticated());

    let server = Server::script(script("C: QUIT\nS: 221 bye\n").parse().unwrap());
    let (client, server) = login(server, alice(PASSWORD)).await;
    let error = client.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "authentication with {HOST} failed: SCRAM-SHA-256: the server gave up: \
             \"invalid-proof\", and said: 535 5.7.8 no"
        )
    );
    assert_eq!(error.reply().unwrap().code().number(), 535);
    drop(server);
}

/// Whoever stands between is to have nothing more, least of all a password.
#[tokio::test]
async fn t10_nothing_is_tried_where_the_server_sees_another_channel() {
    for said in [
        "ZT1jaGFubmVsLWJpbmRpbmdzLWRvbnQtbWF0Y2g=",
        "ZT1zZXJ2ZXItZG9lcy1zdXBwb3J0LWNoYW5uZWwtYmluZGluZw==",
    ] {
        let script = format!(
            "S: 220 mx\nC: EHLO [127.0.0.1]\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n-- TLS\n\
             C: EHLO [127.0.0.1]\nS: 250-mx\nS: 250 AUTH SCRAM-SHA-256 PLAIN\n\
             C: AUTH SCRAM-SHA-256 <secret>\nS: 334 {said}\nC:\nS: 535 5.7.8 no\nC: QUIT\nS: 221 bye\n"
        );
        let server = Server::script(script.parse().unwrap());
        let (client, server) = login(server, alice(PASSWORD).try_others()).await;
        assert_eq!(client.unwrap_err().reply().unwrap().code().number(), 535);
        drop(server);
    }
}

/// 504 says that the offer was wrong, and nothing of the password.
#[tokio::test]
async fn a_mechanism_that_is_not_there_after_all_is_passed_over() {
    let offered = "S: 220 mx\nC: EHLO [127.0.0.1]\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n-- TLS\n\
                   C: EHLO [127.0.0.1]\nS: 250-mx\nS: 250 AUTH SCRAM-SHA-256 PLAIN\n\
                   C: AUTH SCRAM-SHA-256 <secret>\nS: 504 5.5.4 not that one\n\
                   C: AUTH PLAIN <secret>\nS: 235 2.7.0 welcome\n";
    let (client, server) = login(Server::script(offered.parse().unwrap()), alice(PASSWORD)).await;
    assert!(client.unwrap().conversation().is_authenticated());
    drop(server);
}

#[tokio::test]
async fn c_147_a_server_that_proves_nothing_is_left() {
    let script = "S: 220 mx\nC: EHLO [127.0.0.1]\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n-- TLS\n\
                  C: EHLO [127.0.0.1]\nS: 250-mx\nS: 250 AUTH SCRAM-SHA-256 PLAIN\n\
                  C: AUTH SCRAM-SHA-256 <secret>\nS: 235 2.7.0 welcome\nC: QUIT\nS: 221 bye\n";
    let (client, server) = login(Server::script(script.parse().unwrap()), alice(PASSWORD)).await;
    let error = client.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "authentication with {HOST} failed: SCRAM-SHA-256: the server has not proved that it knows \
             the password"
        )
    );
    assert!(error.transcript().unwrap().to_string().contains("C: QUIT"));
    drop(server);
}

/// The -PLUS was taken out of the offer on its way: the client says that it could have, and the
/// server knows better.
#[tokio::test]
async fn c_148_an_offer_without_its_plus_is_found_out() {
    let (near, far) = tokio::io::duplex(65_536);
    let server = server(["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"]).implicit_tls();
    let server = server.serve(far).unwrap();
    let connector = Connector::new(HOST)
        .security(Security::Implicit)
        .roots(RootCertificates::from_pem(server.ca_pem().as_bytes()).unwrap());
    let mut smtp = connector.open_over(near).await.unwrap();
    let hello = ehlo::Command::ehlo("client.example.org").unwrap();
    smtp.say(&hello).await.unwrap();
    let binding = smtp.tls().unwrap().channel_binding().unwrap().clone();
    let stripped = Offer::new(["SCRAM-SHA-256"]).channel_binding(binding);
    let mechanism = alice(PASSWORD).choose(&stripped).unwrap();
    let error = smtp.authenticate_with(mechanism).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "authentication with {HOST} failed: SCRAM-SHA-256: the server gave up: \
             \"server-does-support-channel-binding\", and said: 535 5.7.8 credentials not accepted"
        )
    );
    let elsewhere = ChannelBinding::tls_exporter([0; 32]);
    let offer = Offer::new(["SCRAM-SHA-256-PLUS"]).channel_binding(elsewhere);
    let mechanism = alice(PASSWORD).choose(&offer).unwrap();
    let error = smtp.authenticate_with(mechanism).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "authentication with {HOST} failed: SCRAM-SHA-256-PLUS: the server gave up: \
             \"channel-bindings-dont-match\", and said: 535 5.7.8 credentials not accepted"
        )
    );
    assert!(!smtp.is_authenticated());
}

#[tokio::test]
async fn t10_in_clear_nothing_is_bound_and_nothing_is_said() {
    let (near, far) = tokio::io::duplex(65_536);
    let running = server(["SCRAM-SHA-256"]).allow_cleartext().serve(far).unwrap();
    let connector = Connector::new(HOST).security(Security::None).authenticate(alice(PASSWORD));
    let error = connector.connect_over(near).await.unwrap_err();
    let words = "AUTH would send a secret in clear: only allow_cleartext lets it";
    assert_eq!(error.to_string(), words);
    assert_eq!(tried(&running), [""; 0]);
}

/// Credentials that give these tokens one by one, and what was asked.
fn provided(tokens: &'static [&'static str]) -> (Credentials, Arc<Mutex<Vec<Option<String>>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&asked);
    let credentials = Credentials::token_from("al=ice,", move |refused| {
        let mut asked = note.lock().unwrap();
        asked.push(refused.map(|refused| refused.status().unwrap_or_default().to_owned()));
        let token = tokens.get(asked.len() - 1).copied();
        async move {
            tokio::task::yield_now().await;
            token.map(Secret::from).ok_or("the issuer is away")
        }
    });
    (credentials, asked)
}

#[tokio::test]
async fn a_refused_token_is_asked_for_once_more() {
    for mechanism in ["XOAUTH2", "OAUTHBEARER"] {
        let (credentials, asked) = provided(&["stale", PASSWORD]);
        let (client, server) = login(server([mechanism]), credentials).await;
        assert!(client.unwrap().conversation().is_authenticated());
        assert_eq!(*asked.lock().unwrap(), [None, Some("401".to_owned())]);
        assert_eq!(tried(&server), [mechanism, mechanism]);
    }
    let (credentials, asked) = provided(&["stale", "staler", PASSWORD]);
    let error = login(server(["XOAUTH2"]), credentials).await.0.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Auth(AuthFault::Token { .. })), "{error:?}");
    assert_eq!(asked.lock().unwrap().len(), 2);

    let (credentials, asked) = provided(&[PASSWORD]);
    login(server(["XOAUTH2"]), credentials).await.0.unwrap();
    assert_eq!(*asked.lock().unwrap(), [None]);
}

#[tokio::test]
async fn who_gives_no_token_is_quoted() {
    let words =
        format!("authentication with {HOST} failed: no token was to be had: the issuer is away");
    // The first refusal is why another was wanted.
    let refused = "; before that: 535 5.7.8 credentials not accepted";
    for (tokens, before) in [(&[][..], ""), (&["stale"], refused)] {
        let error = login(server(["XOAUTH2"]), provided(tokens).0).await.0.unwrap_err();
        assert_eq!(error.to_string(), format!("{words}{before}"));
        assert_eq!(error.retry(), Retry::Later);
    }
}

/// A conversation in clear up to AUTH, for a whole second a call, with a server that says these
/// replies behind its EHLO one by one, each after so long.
async fn slowly(replies: &'static [&'static str], pause: Duration) -> Conversation {
    let (near, far) = tokio::io::duplex(4096);
    tokio::spawn(async move {
        let mut far = BufReader::new(far);
        for reply in ["220 mx", "250-mx\r\n250 AUTH SCRAM-SHA-256 PLAIN LOGIN XOAUTH2"] {
            far.write_all(format!("{reply}\r\n").as_bytes()).await.unwrap();
            far.read_line(&mut String::new()).await.unwrap();
        }
        for reply in replies {
            tokio::time::sleep(pause).await;
            far.write_all(format!("{reply}\r\n").as_bytes()).await.unwrap();
            far.read_line(&mut String::new()).await.unwrap();
        }
    });
    let timeouts = Timeouts::default().with_whole(Some(Duration::from_secs(1)));
    let connector = Connector::new(HOST).security(Security::None).allow_cleartext();
    let mut smtp = connector.timeouts(timeouts).open_over(near).await.unwrap();
    smtp.say(&ehlo::Command::ehlo("client.example.org").unwrap()).await.unwrap();
    smtp
}

/// Where the server has nothing to prove its word counts, whoever was there to hear it; otherwise
/// nobody has looked at its proof, and nothing more is said.
#[tokio::test(start_paused = true)]
async fn who_drops_authenticate_learns_what_he_is() {
    for (mechanism, words) in [
        ("PLAIN", None),
        (
            "SCRAM-SHA-256",
            Some("NOOP to a server that has not proved itself in AUTH: only QUIT is left"),
        ),
    ] {
        let mut smtp = slowly(&["235 2.7.0 welcome", "250 ok"], Duration::from_millis(10)).await;
        let credentials = alice(PASSWORD).mechanisms([mechanism]);
        let soon = Duration::from_millis(1);
        tokio::time::timeout(soon, smtp.authenticate(&credentials)).await.unwrap_err();
        let next = smtp.say(&ehlo::Command::noop()).await;
        assert_eq!(next.as_ref().err().map(ToString::to_string).as_deref(), words);
        assert_eq!(smtp.is_authenticated(), words.is_none(), "{mechanism}");
    }
}

#[tokio::test(start_paused = true)]
async fn mechanisms_that_are_tried_in_turn_have_the_time_of_one_call() {
    let refused = &["504 5.5.4 no", "504 5.5.4 no", "504 5.5.4 no"];
    let mut smtp = slowly(refused, Duration::from_millis(600)).await;
    let error = smtp.authenticate(&alice(PASSWORD)).await.unwrap_err();
    assert_eq!(error.to_string(), format!("no reply from {HOST} to AUTH within 1s"));
    assert_eq!(error.elapsed(), Duration::from_secs(1));
    let mut smtp = slowly(refused, Duration::from_millis(300)).await;
    let error = smtp.authenticate(&alice(PASSWORD)).await.unwrap_err();
    assert_eq!(error.reply().unwrap().code().number(), 504);
    assert_eq!(error.elapsed(), Duration::from_millis(900));
}

/// The session is none the worse for it.
#[tokio::test(start_paused = true)]
async fn a_token_that_never_comes_has_the_time_of_the_call() {
    let never = || std::future::pending::<Result<Secret, std::io::Error>>();
    let mut smtp = slowly(&["221 2.0.0 bye"], Duration::ZERO).await;
    let credentials = Credentials::token_from("alice", move |_| never());
    let error = smtp.authenticate(&credentials).await.unwrap_err();
    let why = "no token was to be had: none came within the 1s for the whole call";
    assert_eq!(error.to_string(), format!("authentication with {HOST} failed: {why}"));
    assert_eq!((error.elapsed(), error.retry()), (Duration::from_secs(1), Retry::Later));
    smtp.quit().await.unwrap();

    // Of a second one the time before counts, too.
    let refused = &["334 eyJzdGF0dXMiOiI0MDEifQ==", "535 5.7.8 no"];
    let mut smtp = slowly(refused, Duration::from_millis(400)).await;
    let credentials = Credentials::token_from("alice", move |refused| async move {
        if refused.is_some() { never().await } else { Ok(Secret::from("stale-token")) }
    });
    let error = smtp.authenticate(&credentials).await.unwrap_err();
    let words = format!("authentication with {HOST} failed: {why}; before that: 535 5.7.8 no");
    assert_eq!(error.to_string(), words);
    assert_eq!(error.elapsed(), Duration::from_secs(1));
}

/// The words in the dialogue count, not the code that it ends with.
#[tokio::test]
async fn c_151_a_token_that_is_expired_is_asked_for_again_whatever_ends_the_dialogue() {
    for code in ["501 5.5.2", "535 5.7.8", "554 5.7.0"] {
        let script = format!(
            "S: 220 mx\nC: EHLO [127.0.0.1]\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n-- TLS\n\
             C: EHLO [127.0.0.1]\nS: 250-mx\nS: 250 AUTH XOAUTH2\n\
             C: AUTH XOAUTH2 <secret>\nS: 334 eyJzdGF0dXMiOiI0MDEifQ==\nC: <secret>\nS: {code} no\n\
             C: AUTH XOAUTH2 <secret>\nS: 235 2.7.0 welcome\n"
        );
        let (credentials, asked) = provided(&["stale", PASSWORD]);
        let (client, _server) = login(Server::script(script.parse().unwrap()), credentials).await;
        assert!(client.unwrap().conversation().is_authenticated(), "{code}");
        assert_eq!(*asked.lock().unwrap(), [None, Some("401".to_owned())]);
    }
}

/// What a token is good for does not change with another one.
#[tokio::test]
async fn a_scope_that_lacks_is_not_asked_for_again() {
    let script = "S: 220 mx\nC: EHLO [127.0.0.1]\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n-- TLS\n\
                  C: EHLO [127.0.0.1]\nS: 250-mx\nS: 250 AUTH XOAUTH2\n\
                  C: AUTH XOAUTH2 <secret>\nS: 334 eyJzdGF0dXMiOiJpbnN1ZmZpY2llbnRfc2NvcGUifQ==\nC: <secret>\n\
                  S: 535 5.7.8 no\nC: QUIT\nS: 221 bye\n";
    let (credentials, asked) = provided(&["narrow", "wide"]);
    let (client, _server) = login(Server::script(script.parse().unwrap()), credentials).await;
    assert_eq!(
        client.unwrap_err().to_string(),
        format!(
            "authentication with {HOST} failed: XOAUTH2: the token was refused (status \
             insufficient_scope); the server said: 535 5.7.8 no"
        )
    );
    assert_eq!(*asked.lock().unwrap(), [None]);
}

#[tokio::test]
async fn c_152_a_temporary_refusal_of_a_token_stays_temporary() {
    let script = "S: 220 mx\nC: EHLO [127.0.0.1]\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n-- TLS\n\
                  C: EHLO [127.0.0.1]\nS: 250-mx\nS: 250 AUTH XOAUTH2\n\
                  C: AUTH XOAUTH2 <secret>\nS: 334 eyJzdGF0dXMiOiI0MDEifQ==\nC: <secret>\n\
                  S: 454 4.7.0 later\nC: QUIT\nS: 221 bye\n";
    let (credentials, asked) = provided(&["good", "better"]);
    let (client, _server) = login(Server::script(script.parse().unwrap()), credentials).await;
    let error = client.unwrap_err();
    assert_eq!(error.retry(), Retry::Later);
    assert_eq!(error.reply().unwrap().to_string(), "454 4.7.0 later");
    assert_eq!(*asked.lock().unwrap(), [None], "a new token would not help");
}

/// What the client says first, before it is base64.
fn bearer(server: &str, token: &str) -> String {
    STANDARD.encode(format!("n,a=user@example.com,\x01{server}auth=Bearer {token}\x01\x01"))
}

/// A script of a server that takes this line of AUTH alone.
fn takes(line: &str) -> Server {
    let script = format!(
        "S: 220 mx\nC: EHLO [127.0.0.1]\nS: 250-mx\nS: 250 AUTH OAUTHBEARER\nC: {line}\n\
         S: 235 2.7.0 welcome\nC: QUIT\nS: 221 bye\n"
    );
    Server::script(script.parse().unwrap())
}

/// RFC 7628 §3.1: `host` and `port` are whom the client has asked for, however it came there.
#[tokio::test]
async fn oauthbearer_says_the_name_and_the_port_that_are_dialled() {
    let user = || Credentials::token("user@example.com", TOKEN);
    let in_clear = |connector: Connector| {
        connector.security(Security::None).allow_cleartext().authenticate(user())
    };
    // The example of the RFC, with its port.
    let line = "AUTH OAUTHBEARER bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcn\
                Q9NTg3AWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB";
    let example = "host=server.example.com\x01port=587\x01";
    assert_eq!(line, format!("AUTH OAUTHBEARER {}", bearer(example, TOKEN)));
    for (connector, server) in [
        (Connector::new("server.example.com:587"), example),
        (Connector::new("server.example.com").port(587), example),
        // Whom the certificate is for is another question.
        (Connector::new("server.example.com:587").tls_name("other.example"), example),
        (Connector::new("server.example.com"), "host=server.example.com\x01port=25\x01"),
        (Connector::new("[2001:db8::1]:26"), "host=[2001:db8::1]\x01port=26\x01"),
        (Connector::new(""), ""),
    ] {
        let (near, far) = tokio::io::duplex(4096);
        let line = format!("AUTH OAUTHBEARER {}", bearer(server, TOKEN));
        let server = takes(&line).serve(far).unwrap();
        in_clear(connector).connect_over(near).await.unwrap().quit().await.unwrap();
        server.finish().await.unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connector = in_clear(Connector::new("localhost").port(port));
    let served = async {
        let line = bearer(&format!("host=localhost\x01port={port}\x01"), TOKEN);
        let stream = listener.accept().await.unwrap().0;
        takes(&format!("AUTH OAUTHBEARER {line}")).serve(stream).unwrap()
    };
    let (client, server) = tokio::join!(connector.connect(), served);
    client.unwrap().quit().await.unwrap();
    server.finish().await.unwrap();
}

/// Before TLS and inside it; and what is told is what is then done.
#[tokio::test]
async fn t10_c_143_a_choice_is_explained_before_it_is_made() {
    let (near, far) = tokio::io::duplex(65_536);
    let offered = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "CRAM-MD5", "NTLM", "XOAUTH2"];
    let server = server(offered).allow_cleartext().serve(far).unwrap();
    let connector =
        Connector::new(HOST).roots(RootCertificates::from_pem(server.ca_pem().as_bytes()).unwrap());
    let mut smtp = connector.open_over(near).await.unwrap();
    assert!(smtp.auth_offer().is_none());
    let hello = ehlo::Command::ehlo("client.example.org").unwrap();
    let told = |smtp: &Conversation| {
        let told = alice(PASSWORD).explain(&smtp.auth_offer().unwrap());
        told.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    smtp.say(&hello).await.unwrap();
    assert_eq!(
        told(&smtp),
        [
            "XOAUTH2: only with a token",
            "SCRAM-SHA-256-PLUS: only over verified TLS",
            "SCRAM-SHA-256: only over verified TLS",
            "PLAIN: only over verified TLS",
            "CRAM-MD5: only by name",
            "NTLM: never used",
        ]
    );
    let error = smtp.authenticate(&alice(PASSWORD)).await.unwrap_err();
    assert_eq!(error.to_string(), "AUTH in clear, where TLS is required");
    smtp.say(&ehlo::Command::start_tls()).await.unwrap();
    assert!(smtp.auth_offer().is_none(), "what was offered in clear is forgotten");
    smtp.say(&hello).await.unwrap();
    assert_eq!(
        told(&smtp),
        [
            "SCRAM-SHA-256-PLUS: chosen",
            "SCRAM-SHA-256: comes after SCRAM-SHA-256-PLUS",
            "PLAIN: comes after SCRAM-SHA-256-PLUS",
            "XOAUTH2: only with a token",
            "CRAM-MD5: only by name",
            "NTLM: never used",
        ]
    );
    smtp.authenticate(&alice(PASSWORD)).await.unwrap();
    assert_eq!(tried(&server), ["SCRAM-SHA-256-PLUS"]);
    // Nothing asks for it, and it may be said: some servers offer more to those they know.
    smtp.say(&hello).await.unwrap();
    assert!(smtp.is_authenticated());
}

/// Nobody is asked for a token that could not be said.
#[tokio::test]
async fn t10_no_token_is_asked_for_in_clear() {
    let (near, far) = tokio::io::duplex(65_536);
    let _running = server(["XOAUTH2"]).allow_cleartext().serve(far).unwrap();
    let (credentials, asked) = provided(&[PASSWORD]);
    let connector = Connector::new(HOST).security(Security::None).authenticate(credentials);
    let error = connector.connect_over(near).await.unwrap_err();
    let words = "AUTH would send a secret in clear: only allow_cleartext lets it";
    assert_eq!(error.to_string(), words);
    assert_eq!(*asked.lock().unwrap(), []);
}

#[tokio::test]
async fn no_token_is_asked_for_that_no_mechanism_could_say() {
    let (credentials, asked) = provided(&[PASSWORD]);
    let error = login(server(["PLAIN"]), credentials).await.0.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "authentication with {HOST} failed: the server offers no mechanism that can be used (it \
             offers PLAIN); PLAIN: only with a password"
        )
    );
    assert_eq!(*asked.lock().unwrap(), []);

    let mut smtp = slowly(&["235 2.7.0 welcome"], Duration::ZERO).await;
    smtp.authenticate(&token(PASSWORD)).await.unwrap();
    let (credentials, asked) = provided(&[PASSWORD]);
    let error = smtp.authenticate(&credentials).await.unwrap_err();
    assert_eq!(error.to_string(), "AUTH once more: it succeeded before");
    assert_eq!(*asked.lock().unwrap(), []);
}

const TOKEN: &str = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";
