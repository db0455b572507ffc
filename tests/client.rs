//! The client against scripted servers: what it says, what it concludes, and the exact words in
//! which it fails.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::time::Duration;

use ehlo::testing::{Running, Script, Server};
use ehlo::{
    Client, Connector, Delivery, Envelope, Error, ErrorKind, HeloPolicy, LineEndings, Outcome,
    Retry, Security, Stage, Timeouts,
};
use tokio::io::DuplexStream;

const HELLO: &str = "S: 220 mx ESMTP\nC: EHLO [127.0.0.1]\nS: 250-mx\n";

fn serve(script: &str) -> (DuplexStream, Running) {
    let script: Script = script.parse().unwrap();
    let (near, far) = tokio::io::duplex(64 * 1024);
    (near, Server::script(script).serve(far).unwrap())
}

fn in_clear() -> Connector {
    Connector::new("mx.example.org").security(Security::None)
}

/// A client over a server that greets, offers these keywords, and goes on by this script.
async fn introduced(offers: &[&str], script: &str) -> (Client, Running) {
    let offers: String = offers.iter().map(|offer| format!("S: 250-{offer}\n")).collect();
    let (stream, server) = serve(&format!("{HELLO}{offers}S: 250 X-LAST\n{script}"));
    (in_clear().connect_over(stream).await.unwrap(), server)
}

fn to(recipients: &[&str]) -> Envelope {
    Envelope::new("a@example.org", recipients.iter().copied()).unwrap()
}

fn outcomes(delivery: &Delivery) -> Vec<String> {
    delivery.recipients().map(|recipient| recipient.outcome().to_string()).collect()
}

/// A connection by this script fails in these words, and the script is played to its end.
#[track_caller]
fn fails(
    connector: Connector,
    script: &str,
    stage: Stage,
    kind: &str,
    words: &str,
) -> impl Future<Output = Error> {
    let (stream, server) = serve(script);
    let (words, kind) = (words.to_owned(), kind.to_owned());
    async move {
        let error = connector.connect_over(stream).await.unwrap_err();
        assert_eq!(error.to_string(), words);
        assert_eq!((error.stage(), error.kind().name()), (stage, &*kind));
        server.finish().await.unwrap();
        error
    }
}

mod greeting {
    use super::*;

    #[tokio::test]
    async fn dialect_33_c_078_c_079_a_refusal_keeps_all_its_lines_and_is_answered_with_quit() {
        let error = fails(
            in_clear(),
            "S: 554-mx your address is listed\nS: 554 see https://example.org/why\nC: QUIT\nS: 221 bye\n",
            Stage::Greeting,
            "refused",
            "mx.example.org said: 554-mx your address is listed 554 see https://example.org/why \
             (as its greeting)",
        )
        .await;
        assert_eq!(error.retry(), Retry::NextHost);
    }

    #[tokio::test]
    async fn dialect_34_421_keeps_its_text_though_the_end_follows() {
        fails(
            in_clear(),
            "S: 421 4.3.2 too busy\n-- close\n",
            Stage::Greeting,
            "refused",
            "mx.example.org said: 421 4.3.2 too busy (as its greeting)",
        )
        .await;
    }

    #[tokio::test]
    async fn dialect_35_dialect_36_only_220_opens_a_session() {
        for greeting in ["521 5.3.2 no mail here", "250 hello", "221 bye", "354 go", "450 later"] {
            fails(
                in_clear(),
                &format!("S: {greeting}\nC: QUIT\nS: 221 bye\n"),
                Stage::Greeting,
                "refused",
                &format!("mx.example.org said: {greeting} (as its greeting)"),
            )
            .await;
        }
    }

    #[tokio::test]
    async fn t20_dialect_28_another_protocol_is_named() {
        for (banner, words) in [
            ("S: HTTP/1.1 400 Bad Request\n", "HTTP"),
            ("S: SSH-2.0-OpenSSH_9.2\n", "SSH"),
            ("S! \\x15\\x03\\x01\\x00\\x02\\x02\\x46\n", "TLS"),
        ] {
            let (stream, _server) = serve(banner);
            let error = in_clear().connect_over(stream).await.unwrap_err();
            let text = error.to_string();
            assert!(text.starts_with("mx.example.org broke the protocol at greeting: "), "{text}");
            assert!(text.contains(words), "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn dialect_37_dialect_38_silence_names_the_deadline_and_what_it_may_mean() {
        let error = fails(
            in_clear(),
            "-- stall\n",
            Stage::Greeting,
            "timeout",
            "no greeting from mx.example.org within 300s (the port may speak TLS from the start, \
             it may not be an SMTP port, or the server delays its greeting)",
        )
        .await;
        assert_eq!(error.retry(), Retry::NextHost);
    }

    #[tokio::test]
    async fn dialect_37_a_close_before_the_banner_is_another_thing_than_silence() {
        fails(
            in_clear(),
            "-- close\n",
            Stage::Greeting,
            "closed",
            "mx.example.org closed the connection at greeting (it closed before a greeting: the \
             port may speak TLS from the start, or the server turns this client away)",
        )
        .await;
    }

    #[tokio::test]
    async fn dialect_29_the_end_inside_a_line_shows_the_fragment() {
        let error = fails(
            in_clear(),
            "S! 220-mx\\x0d\\x0a220 hel\n-- close\n",
            Stage::Greeting,
            "closed",
            "mx.example.org closed the connection at greeting; reply not finished, 1 lines so \
             far: \"220-mx\\x0d\\x0a220 hel\"",
        )
        .await;
        assert_eq!(error.unfinished(), b"220-mx\r\n220 hel");
    }

    #[tokio::test(start_paused = true)]
    async fn dialect_16_a_reply_that_never_ends_shows_its_lines() {
        fails(
            in_clear(),
            "S: 220-one\nS: 220-two\n-- stall\n",
            Stage::Greeting,
            "timeout",
            "no greeting from mx.example.org within 300s; reply not finished, 2 lines so far: \
             \"220-one\\x0d\\x0a220-two\\x0d\\x0a\"",
        )
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn t13_a_long_unfinished_reply_is_shown_in_part_and_kept_whole() {
        let (stream, _server) = serve(&format!("S! 220-{}\n-- stall\n", "x".repeat(1000)));
        let error = in_clear().connect_over(stream).await.unwrap_err();
        let words = error.to_string();
        assert!(
            words.ends_with(&format!("0 lines so far: \"220-{}\"…", "x".repeat(196))),
            "{words}"
        );
        assert_eq!(error.unfinished().len(), 1004);
    }

    #[tokio::test(start_paused = true)]
    async fn t13_dialect_23_drops_of_octets_do_not_move_the_deadline() {
        let (near, far) = tokio::io::duplex(64);
        tokio::spawn(async move {
            let mut far = far;
            loop {
                use tokio::io::AsyncWriteExt as _;
                if far.write_all(b"2").await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        });
        let began = tokio::time::Instant::now();
        let error = in_clear().connect_over(near).await.unwrap_err();
        assert_eq!(began.elapsed().as_secs(), 300);
        assert!(matches!(error.kind(), ErrorKind::Timeout(after) if after.as_secs() == 300));
    }
}

mod hello {
    use super::*;

    #[tokio::test]
    async fn dialect_52_a_refused_name_says_which() {
        fails(
            in_clear(),
            "S: 220 mx\nC: EHLO [127.0.0.1]\nS: 550 5.7.25 no PTR\nC: QUIT\nS: 221 bye\n",
            Stage::Ehlo,
            "refused",
            "mx.example.org said: 550 5.7.25 no PTR (in reply to EHLO [127.0.0.1])",
        )
        .await;
    }

    #[tokio::test]
    async fn c_081_dialect_53_helo_is_tried_where_ehlo_is_unknown() {
        let (stream, server) = serve(
            "S: 220 mx\nC: EHLO [127.0.0.1]\nS: 502 what?\nC: HELO [127.0.0.1]\nS: 250 mx\nC: QUIT\nS: 221 bye\n",
        );
        let mut client = in_clear().connect_over(stream).await.unwrap();
        assert_eq!(client.conversation().capabilities().keywords().count(), 0);
        client.quit().await.unwrap();
        server.finish().await.unwrap();
    }

    #[tokio::test]
    async fn c_081_dialect_53_any_refusal_of_ehlo_leads_to_helo_on_request() {
        for refusal in ["501 no", "503 no", "504 no", "550 no"] {
            let (stream, server) = serve(&format!(
                "S: 220 mx\nC: EHLO [127.0.0.1]\nS: {refusal}\nC: HELO [127.0.0.1]\nS: 250 mx\n"
            ));
            let connector = in_clear().helo(HeloPolicy::WhereRefused);
            drop(connector.connect_over(stream).await.unwrap());
            server.finish().await.unwrap();
        }
        let (stream, server) = serve("S: 220 mx\nC: HELO [127.0.0.1]\nS: 250 mx\n");
        let connector = in_clear().helo(HeloPolicy::Always);
        drop(connector.connect_over(stream).await.unwrap());
        server.finish().await.unwrap();
    }

    #[tokio::test]
    async fn dialect_54_a_close_on_ehlo_leads_to_helo_on_a_new_connection_on_request() {
        use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let mut heard = Vec::new();
            for reply in [None, Some("250 mx\r\n")] {
                let (stream, _) = listener.accept().await.unwrap();
                let mut stream = BufReader::new(stream);
                stream.write_all(b"220 mx\r\n").await.unwrap();
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                heard.push(line);
                if let Some(reply) = reply {
                    stream.write_all(reply.as_bytes()).await.unwrap();
                }
            }
            heard
        });
        let connector = Connector::new(address.to_string()).security(Security::None);
        drop(connector.helo(HeloPolicy::WhereRefused).connect().await.unwrap());
        let heard = server.await.unwrap();
        assert_eq!(heard, ["EHLO [127.0.0.1]\r\n", "HELO [127.0.0.1]\r\n"]);
    }

    #[tokio::test]
    async fn dialect_52_where_both_are_refused_both_replies_are_kept() {
        let error = fails(
            in_clear(),
            "S: 220 mx\nC: EHLO [127.0.0.1]\nS: 500 what?\nC: HELO [127.0.0.1]\nS: 550 no\nC: QUIT\nS: 221 bye\n",
            Stage::Ehlo,
            "refused",
            "mx.example.org said: 550 no (in reply to HELO [127.0.0.1]); before that: 500 what?",
        )
        .await;
        assert_eq!(error.earlier().len(), 1);
    }

    #[tokio::test]
    async fn t7_c_081_helo_is_never_tried_where_tls_or_auth_is_needed() {
        let script = "S: 220 mx\nC: EHLO [127.0.0.1]\nS: 502 what?\nC: QUIT\nS: 221 bye\n";
        let words = "mx.example.org said: 502 what? (in reply to EHLO [127.0.0.1])";
        let tls = in_clear().security(Security::StartTls);
        fails(tls, script, Stage::Ehlo, "refused", words).await;
        let auth = in_clear().credentials("alice", "wonderland");
        fails(auth, script, Stage::Ehlo, "refused", words).await;
    }

    #[tokio::test]
    async fn dialect_54_a_close_names_the_stage() {
        fails(
            in_clear(),
            "S: 220 mx\nC: EHLO [127.0.0.1]\n-- close\n",
            Stage::Ehlo,
            "closed",
            "mx.example.org closed the connection at EHLO",
        )
        .await;
    }

    #[tokio::test]
    async fn t17_dialect_17_dialect_18_two_replies_to_one_command_end_the_session() {
        let (stream, _server) = serve(
            "S: 220 mx\nC: EHLO [127.0.0.1]\nS! 250 mx\\x0d\\x0a250-X\\x0d\\x0a250 Y\\x0d\\x0a\n-- stall\n",
        );
        let mut client = in_clear().connect_over(stream).await.unwrap();
        let error = client.send(&to(&["b@example.org"]), "x").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "mx.example.org broke the protocol at EHLO: a reply came that answers no command: \
             250-X 250 Y"
        );
    }
}

mod tls {
    use super::*;
    use ehlo::{InClear, RootCertificates};

    fn secure() -> Connector {
        in_clear().security(Security::StartTls)
    }

    #[tokio::test]
    async fn t7_c_126_without_the_offer_nothing_but_quit_is_said() {
        fails(
            secure(),
            &format!("{HELLO}S: 250 AUTH PLAIN\nC: QUIT\nS: 221 bye\n"),
            Stage::StartTls,
            "unsupported",
            "mx.example.org does not offer STARTTLS, which required TLS needs",
        )
        .await;
    }

    #[tokio::test]
    async fn t7_c_126_dialect_48_a_refused_starttls_ends_the_session() {
        fails(
            secure(),
            &format!(
                "{HELLO}S: 250 starttls\nC: STARTTLS\nS: 454 4.7.0 not now\nC: QUIT\nS: 221 bye\n"
            ),
            Stage::StartTls,
            "refused",
            "mx.example.org said: 454 4.7.0 not now (in reply to STARTTLS)",
        )
        .await;
        fails(
            secure(),
            &format!("{HELLO}S: 250 STARTTLS\nC: STARTTLS\nS: 250 sure\n-- close\n"),
            Stage::StartTls,
            "violation",
            "mx.example.org broke the protocol at STARTTLS: STARTTLS cannot be answered with 250 sure",
        )
        .await;
    }

    #[tokio::test]
    async fn t5_c_122_octets_behind_the_go_ahead_end_the_connection() {
        for (octets, shown) in
            [("250-AUTH PLAIN\\x0d\\x0a", "250-AUTH PLAIN\\x0d\\x0a"), ("2", "2")]
        {
            fails(
                secure(),
                &format!(
                    "{HELLO}S: 250 STARTTLS\nC: STARTTLS\nS! 220 go\\x0d\\x0a{octets}\n-- close\n"
                ),
                Stage::StartTls,
                "violation",
                &format!(
                    "mx.example.org broke the protocol at STARTTLS: octets in clear behind the \
                     reply to STARTTLS: \"{shown}\""
                ),
            )
            .await;
        }
    }

    #[tokio::test]
    async fn t7_opportunistic_records_why_it_stayed_in_clear() {
        let connector = in_clear().security(Security::Opportunistic);
        let (stream, _server) = serve(&format!("{HELLO}S: 250 SIZE\n"));
        let client = connector.connect_over(stream).await.unwrap();
        assert_eq!(client.conversation().in_clear(), Some(&InClear::NotOffered));

        let script = format!("{HELLO}S: 250 STARTTLS\nC: STARTTLS\nS: 454 4.7.0 not now\n");
        let (stream, _server) = serve(&script);
        let client = connector.connect_over(stream).await.unwrap();
        let refused = InClear::Refused("454 4.7.0 not now".parse().unwrap());
        assert_eq!(client.conversation().in_clear(), Some(&refused));
    }

    #[tokio::test]
    async fn c_123_c_124_c_143_what_was_said_in_clear_is_forgotten() {
        let server = Server::new().user("alice", "wonderland").start().await.unwrap();
        let roots = RootCertificates::from_pem(server.ca_pem().as_bytes()).unwrap();
        let mut client = Connector::new("127.0.0.1")
            .port(server.port())
            .roots(roots)
            .transcript(65_536)
            .credentials("alice", "wonderland")
            .connect()
            .await
            .unwrap();
        assert!(!client.conversation().capabilities().has("STARTTLS"));
        assert!(client.conversation().tls().unwrap().is_verified());
        let transcript = client.conversation().transcript().unwrap().to_string();
        let (clear, secure) = transcript.split_once("-- TLS\n").unwrap();
        assert!(
            clear.ends_with("C: STARTTLS\nS: 220 2.0.0 ready to start TLS\n")
                || clear.contains("C: STARTTLS\n")
        );
        assert!(secure.starts_with("C: EHLO "), "{secure}");
        client.quit().await.unwrap();
    }

    /// RFC 8314 §3.3: a server in clear would hear EHLO, or be heard to greet.
    #[tokio::test]
    async fn c_127_implicit_tls_comes_before_the_greeting() {
        let server = Server::new().implicit_tls().start().await.unwrap();
        let roots = RootCertificates::from_pem(server.ca_pem().as_bytes()).unwrap();
        let connector = Connector::new("127.0.0.1")
            .port(server.port())
            .security(Security::Implicit)
            .roots(roots.clone())
            .timeouts(Timeouts::all(Duration::from_secs(10)))
            .transcript(65_536);
        let mut client = connector.connect().await.unwrap();
        assert!(client.conversation().tls().unwrap().is_verified());
        let transcript = client.conversation().transcript().unwrap().to_string();
        assert!(transcript.starts_with("-- TLS\nS: 220 "), "{transcript}");
        client.quit().await.unwrap();

        let (stream, server) = serve("S: 220 mx ESMTP\n-- close\n");
        let connector = Connector::new("mx.example.org").security(Security::Implicit).roots(roots);
        let error = connector.connect_over(stream).await.unwrap_err();
        assert_eq!((error.stage(), error.kind().name()), (Stage::Handshake, "tls"));
        drop(server);
    }

    #[tokio::test]
    async fn t9_c_129_an_unknown_issuer_is_an_error_and_nothing_is_said_after_it() {
        let server = Server::new().start().await.unwrap();
        let other = Server::new().start().await.unwrap();
        let roots = RootCertificates::from_pem(other.ca_pem().as_bytes()).unwrap();
        let error = Connector::new("127.0.0.1")
            .port(server.port())
            .roots(roots)
            .connect()
            .await
            .unwrap_err();
        assert_eq!((error.stage(), error.kind().name()), (Stage::Handshake, "tls"));
        let words = error.to_string();
        assert!(words.starts_with("the TLS handshake with 127.0.0.1 failed: "), "{words}");
    }

    #[tokio::test]
    async fn t10_c_129_an_unverified_server_never_gets_a_secret() {
        let server = Server::new().user("alice", "wonderland").start().await.unwrap();
        let connector = Connector::new("127.0.0.1")
            .port(server.port())
            .security(Security::Opportunistic)
            .credentials("alice", "wonderland");
        let error = connector.connect().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "AUTH would send a secret to an unverified server: only allow_cleartext lets it"
        );
        let client = connector.allow_cleartext().connect().await.unwrap();
        assert!(!client.conversation().tls().unwrap().is_verified());
    }
}

mod auth {
    use super::*;

    fn alice() -> Connector {
        in_clear().credentials("alice", "wonderland")
    }

    #[tokio::test]
    async fn t10_c_146_a_secret_is_not_sent_in_clear() {
        fails(
            alice(),
            &format!("{HELLO}S: 250 AUTH PLAIN LOGIN\nC: QUIT\nS: 221 bye\n"),
            Stage::Auth,
            "misuse",
            "AUTH would send a secret in clear: only allow_cleartext lets it",
        )
        .await;
    }

    #[tokio::test]
    async fn a_refusal_shows_neither_secret_nor_its_length() {
        let error = fails(
            alice().allow_cleartext(),
            &format!("{HELLO}S: 250 AUTH PLAIN\nC: AUTH PLAIN <secret>\nS: 535 5.7.8 wrong\nC: QUIT\nS: 221 bye\n"),
            Stage::Auth,
            "refused",
            "mx.example.org said: 535 5.7.8 wrong (in reply to AUTH PLAIN <secret>)",
        )
        .await;
        assert_eq!(error.retry(), Retry::Never);
    }

    /// RFC 4954 §6: another try may do, or another password is wanted.
    #[tokio::test]
    async fn c_152_454_is_temporary_and_535_is_not() {
        for (reply, retry) in
            [("454 4.7.0 not now", Retry::Later), ("535 5.7.8 wrong", Retry::Never)]
        {
            let error = fails(
                alice().allow_cleartext(),
                &format!("{HELLO}S: 250 AUTH PLAIN\nC: AUTH PLAIN <secret>\nS: {reply}\nC: QUIT\nS: 221 bye\n"),
                Stage::Auth,
                "refused",
                &format!("mx.example.org said: {reply} (in reply to AUTH PLAIN <secret>)"),
            )
            .await;
            assert_eq!(error.retry(), retry);
        }
    }

    #[tokio::test]
    async fn dialect_41_a_private_keyword_is_read_as_auth_on_request() {
        let script = format!("{HELLO}S: 250 X-EXPS PLAIN\nC: AUTH PLAIN <secret>\nS: 235 in\n");
        let (stream, server) = serve(&script);
        let connector = alice().allow_cleartext().auth_keyword("X-EXPS");
        drop(connector.connect_over(stream).await.unwrap());
        server.finish().await.unwrap();
    }

    #[tokio::test]
    async fn dialect_43_nothing_usable_says_what_is_offered() {
        fails(
            alice().allow_cleartext(),
            &format!("{HELLO}S: 250 AUTH NTLM GSSAPI\nC: QUIT\nS: 221 bye\n"),
            Stage::Auth,
            "auth",
            "authentication with mx.example.org failed: the server offers no mechanism that can \
             be used (it offers NTLM, GSSAPI); NTLM, GSSAPI: never used",
        )
        .await;
        fails(
            alice().allow_cleartext(),
            &format!("{HELLO}S: 250 SIZE\nC: QUIT\nS: 221 bye\n"),
            Stage::Auth,
            "unsupported",
            "mx.example.org does not offer AUTH, which authentication needs (in clear; \
             it may offer it inside TLS)",
        )
        .await;
    }

    #[tokio::test]
    async fn dialect_56_t12_login_answers_by_position_and_cancels_a_repeated_prompt() {
        let login = |first: &str, second: &str, end: &str| {
            format!(
                "{HELLO}S: 250 AUTH LOGIN\nC: AUTH LOGIN\nS: 334 {first}\nC: <secret>\nS: 334 {second}\n{end}"
            )
        };
        for (first, second) in
            [("VXNlcm5hbWU6", "UGFzc3dvcmQ6"), ("Username:", "Password:"), ("", "")]
        {
            let script = login(first, second, "C: <secret>\nS: 235 in\nC: QUIT\nS: 221 bye\n");
            let (stream, server) = serve(&script);
            let mut client = alice().allow_cleartext().connect_over(stream).await.unwrap();
            client.quit().await.unwrap();
            server.finish().await.unwrap();
        }
        fails(
            alice().allow_cleartext(),
            &login(
                "VXNlcm5hbWU6",
                "VXNlcm5hbWU6",
                "C: *\nS: 501 5.7.0 cancelled\nC: QUIT\nS: 221 bye\n",
            ),
            Stage::Auth,
            "auth",
            "authentication with mx.example.org failed: LOGIN has no answer to the challenge \
             \"Username:\"",
        )
        .await;
    }

    #[tokio::test]
    async fn c_145_t12_a_challenge_to_plain_is_cancelled() {
        for (challenge, words) in [
            ("bW9yZT8=", "PLAIN has no answer to the challenge \"more?\""),
            ("more?", "the challenge is not base64: \"more?\""),
        ] {
            fails(
                alice().allow_cleartext(),
                &format!("{HELLO}S: 250 AUTH PLAIN\nC: AUTH PLAIN <secret>\nS: 334 {challenge}\nC: *\nS: 501 cancelled\nC: QUIT\nS: 221 bye\n"),
                Stage::Auth,
                "auth",
                &format!("authentication with mx.example.org failed: {words}"),
            )
            .await;
        }
    }

    #[tokio::test]
    async fn c_144_a_long_initial_response_waits_for_an_empty_challenge() {
        let (stream, server) = serve(&format!(
            "{HELLO}S: 250 AUTH PLAIN\nC: AUTH PLAIN\nS: 334 \nC: <secret>\nS: 235 in\nC: QUIT\nS: 221 bye\n"
        ));
        let long = "x".repeat(600);
        let connector = in_clear().credentials("alice", long.as_str()).allow_cleartext();
        let mut client = connector.connect_over(stream).await.unwrap();
        client.quit().await.unwrap();
        server.finish().await.unwrap();
    }
}

mod mail {
    use super::*;

    const MAIL: &str = "C: MAIL FROM:<a@example.org>\nS: 250 ok\n";

    #[tokio::test]
    async fn c_098_each_recipient_has_its_own_outcome() {
        let (mut client, server) = introduced(
            &["PIPELINING", "ENHANCEDSTATUSCODES"],
            "C: MAIL FROM:<a@example.org>\nC: RCPT TO:<b@example.org>\nC: RCPT TO:<c@example.org>\nC: DATA\n\
             S: 250 2.1.0 ok\nS: 250 2.1.5 ok\nS: 550 5.1.1 who?\nS: 354 go\n\
             C: <content 7>\nC: .\nS: 250 2.0.0 queued as 1\nC: QUIT\nS: 221 bye\n",
        )
        .await;
        let delivery =
            client.send(&to(&["b@example.org", "c@example.org"]), "hello\r\n").await.unwrap();
        assert_eq!(
            outcomes(&delivery),
            ["accepted: 250 2.0.0 queued as 1", "refused: 550 5.1.1 who? (in reply to RCPT TO)"]
        );
        assert_eq!((delivery.accepted_count(), delivery.is_complete()), (1, false));
        client.quit().await.unwrap();
        server.finish().await.unwrap();
    }

    #[tokio::test]
    async fn c_093_without_pipelining_each_command_waits() {
        let (mut client, server) = introduced(
            &[],
            &format!("{MAIL}C: RCPT TO:<b@example.org>\nS: 550 no\nC: RCPT TO:<c@example.org>\nS: 251 forwarded\nC: DATA\nS: 354 go\nC: .\nS: 250 ok\n"),
        )
        .await;
        let delivery = client.send(&to(&["b@example.org", "c@example.org"]), "").await.unwrap();
        assert_eq!(
            outcomes(&delivery),
            ["refused: 550 no (in reply to RCPT TO)", "accepted: 250 ok"]
        );
        assert_eq!(delivery.recipients().nth(1).unwrap().rcpt().unwrap().code().number(), 251);
        drop(client);
        server.finish().await.unwrap();
    }

    #[tokio::test]
    async fn c_091_where_all_are_refused_the_next_mail_says_rset() {
        let (mut client, server) = introduced(
            &[],
            &format!("{MAIL}C: RCPT TO:<b@example.org>\nS: 550 no\nC: RSET\nS: 250 ok\n{MAIL}C: RCPT TO:<c@example.org>\nS: 250 ok\nC: DATA\nS: 354 go\nC: .\nS: 250 ok\n"),
        )
        .await;
        let none = client.send(&to(&["b@example.org"]), "").await.unwrap();
        assert_eq!(none.accepted_count(), 0);
        let one = client.send(&to(&["c@example.org"]), "").await.unwrap();
        assert!(one.is_complete());
        drop(client);
        server.finish().await.unwrap();
    }

    /// RFC 1870 §6.2.
    #[tokio::test]
    async fn c_112_a_full_server_is_tried_again_and_a_mail_too_large_is_not() {
        for (reply, retry) in
            [("452 4.3.1 no room", Retry::Later), ("552 5.3.4 too large", Retry::Never)]
        {
            let script = format!("C: MAIL FROM:<a@example.org> SIZE=3\nS: {reply}\n");
            let (mut client, server) = introduced(&["SIZE"], &script).await;
            let delivery = client.send(&to(&["b@example.org"]), "x").await.unwrap();
            let recipient = delivery.recipients().next().unwrap();
            assert_eq!(recipient.outcome().retry(), retry, "{reply}");
            drop(client);
            server.finish().await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_refused_sender_refuses_every_recipient() {
        let (mut client, _server) = introduced(
            &["PIPELINING"],
            "C: MAIL FROM:<a@example.org>\nC: RCPT TO:<b@example.org>\nC: DATA\nS: 550 5.7.1 not you\nS: 503 no\nS: 503 no\n",
        )
        .await;
        let delivery = client.send(&to(&["b@example.org"]), "x").await.unwrap();
        assert_eq!(outcomes(&delivery), ["refused: 550 5.7.1 not you (in reply to MAIL FROM)"]);
    }

    #[tokio::test]
    async fn c_097_a_go_ahead_for_nobody_gets_a_lone_dot() {
        let (mut client, server) = introduced(
            &["PIPELINING"],
            "C: MAIL FROM:<a@example.org>\nC: RCPT TO:<b@example.org>\nC: DATA\nS: 250 ok\nS: 550 no\nS: 354 go\nC: .\nS: 250 queued\n",
        )
        .await;
        let delivery = client.send(&to(&["b@example.org"]), "x").await.unwrap();
        assert_eq!(outcomes(&delivery), ["refused: 550 no (in reply to RCPT TO)"]);
        drop(client);
        server.finish().await.unwrap();
    }

    #[tokio::test]
    async fn t18_c_105_a_close_behind_the_dot_is_unknown() {
        let (mut client, server) = introduced(
            &["PIPELINING"],
            "C: MAIL FROM:<a@example.org>\nC: RCPT TO:<b@example.org>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: <content 3>\nC: .\n-- close\n",
        )
        .await;
        let error = client.send(&to(&["b@example.org"]), "x").await.unwrap_err();
        assert_eq!(error.to_string(), "mx.example.org closed the connection at end of data");
        assert_eq!(error.retry(), Retry::Unknown);
        let delivery = client.take_delivery().await.unwrap();
        assert_eq!(delivery.recipients().next().unwrap().outcome(), Outcome::Unknown);
        assert!(client.take_delivery().await.is_none());
        server.finish().await.unwrap();
    }

    #[tokio::test]
    async fn c_104_a_close_before_the_content_is_not_sent() {
        let (mut client, _server) =
            introduced(&[], &format!("{MAIL}C: RCPT TO:<b@example.org>\n-- close\n")).await;
        let error = client.send(&to(&["b@example.org"]), "x").await.unwrap_err();
        assert_eq!(error.to_string(), "mx.example.org closed the connection at RCPT TO");
        let delivery = client.take_delivery().await.unwrap();
        assert_eq!(delivery.recipients().next().unwrap().outcome(), Outcome::NotSent);
    }

    #[tokio::test]
    async fn c_103_421_ends_the_session_and_keeps_what_was_said() {
        let (mut client, _server) = introduced(
            &["PIPELINING"],
            "C: MAIL FROM:<a@example.org>\nC: RCPT TO:<b@example.org>\nC: RCPT TO:<c@example.org>\nC: RCPT TO:<d@example.org>\nC: DATA\nS: 250 ok\nS: 550 no\nS: 421 4.3.2 going\n-- close\n",
        )
        .await;
        let all = to(&["b@example.org", "c@example.org", "d@example.org"]);
        let error = client.send(&all, "x").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "mx.example.org ended the session at RCPT TO: 421 4.3.2 going"
        );
        let delivery = client.take_delivery().await.unwrap();
        assert_eq!(
            outcomes(&delivery),
            [
                "refused: 550 no (in reply to RCPT TO)",
                "refused: 421 4.3.2 going (in reply to RCPT TO)",
                "not sent",
            ]
        );
    }

    #[tokio::test]
    async fn t17_dialect_20_a_reply_before_the_dot_is_no_delivery() {
        let (mut client, _server) = introduced(
            &[],
            &format!("{MAIL}C: RCPT TO:<b@example.org>\nS: 250 ok\nC: DATA\nS! 354 go\\x0d\\x0a250 queued\\x0d\\x0a\n-- stall\n"),
        )
        .await;
        let error = client.send(&to(&["b@example.org"]), "x").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "mx.example.org broke the protocol at content: a positive reply came before the \
             content had ended: 250 queued"
        );
        let delivery = client.take_delivery().await.unwrap();
        assert_eq!(delivery.recipients().next().unwrap().outcome(), Outcome::NotSent);
    }

    #[tokio::test]
    async fn t17_c_089_a_positive_reply_to_data_sends_nothing_more() {
        let (mut client, server) = introduced(
            &[],
            &format!("{MAIL}C: RCPT TO:<b@example.org>\nS: 250 ok\nC: DATA\nS: 250 ok\n-- close\n"),
        )
        .await;
        let error = client.send(&to(&["b@example.org"]), "x").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "mx.example.org broke the protocol at DATA: DATA cannot be answered with 250 ok"
        );
        server.finish().await.unwrap();
    }

    #[tokio::test]
    async fn c_118_over_lmtp_each_recipient_is_answered_for_itself() {
        let (stream, server) = serve(
            "S: 220 mx LMTP\nC: LHLO [127.0.0.1]\nS: 250-mx\nS: 250 PIPELINING\n\
             C: MAIL FROM:<a@example.org>\nC: RCPT TO:<b@example.org>\nC: RCPT TO:<c@example.org>\nC: RCPT TO:<d@example.org>\nC: DATA\n\
             S: 250 ok\nS: 250 ok\nS: 550 no\nS: 250 ok\nS: 354 go\nC: .\nS: 250 stored\nS: 452 full\n",
        );
        let mut client = in_clear().lmtp().connect_over(stream).await.unwrap();
        let delivery = client
            .send(&to(&["b@example.org", "c@example.org", "d@example.org"]), "")
            .await
            .unwrap();
        assert_eq!(
            outcomes(&delivery),
            [
                "accepted: 250 stored",
                "refused: 550 no (in reply to RCPT TO)",
                "refused: 452 full (in reply to end of data)",
            ]
        );
        drop(client);
        server.finish().await.unwrap();
    }

    #[tokio::test]
    async fn over_lmtp_a_go_ahead_for_nobody_ends_the_session_and_decides_all() {
        let (stream, _server) = serve(
            "S: 220 mx LMTP\nC: LHLO [127.0.0.1]\nS: 250-mx\nS: 250 PIPELINING\n\
             C: MAIL FROM:<a@example.org>\nC: RCPT TO:<b@example.org>\nC: DATA\n\
             S: 250 ok\nS: 550 no\nS: 354 go\nC: .\nS: 250 what?\n",
        );
        let mut client = in_clear().lmtp().connect_over(stream).await.unwrap();
        let delivery = client.send(&to(&["b@example.org"]), "x").await.unwrap();
        assert_eq!(outcomes(&delivery), ["refused: 550 no (in reply to RCPT TO)"]);
        let error = client.send(&to(&["b@example.org"]), "x").await.unwrap_err();
        assert_eq!(error.kind().name(), "closed");
    }

    #[tokio::test]
    async fn stage_by_stage_a_refusal_ends_the_stage_and_the_client_goes_on() {
        let (mut client, server) = introduced(
            &[],
            &format!(
                "C: MAIL FROM:<a@example.org>\nS: 550 5.7.1 not you\n{MAIL}C: RCPT TO:<b@example.org>\nS: 550 no\n\
                 C: RCPT TO:<c@example.org>\nS: 250 ok\nC: DATA\nS: 451 later\nC: RSET\nS: 250 ok\n{MAIL}C: RSET\nS: 250 ok\nC: QUIT\nS: 221 bye\n"
            ),
        )
        .await;
        let error = client.mail("a@example.org").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "mx.example.org said: 550 5.7.1 not you (in reply to MAIL FROM:<a@example.org>)"
        );
        let mut mail = client.mail("a@example.org").await.unwrap();
        assert_eq!(mail.rcpt("b@example.org").await.unwrap().to_string(), "550 no");
        mail.rcpt("c@example.org").await.unwrap();
        let error = mail.data().await.unwrap_err();
        assert_eq!(error.to_string(), "mx.example.org said: 451 later (in reply to DATA)");
        assert_eq!(error.retry(), Retry::Later);
        client.mail("a@example.org").await.unwrap().reset().await.unwrap();
        client.quit().await.unwrap();
        server.finish().await.unwrap();
    }

    #[tokio::test]
    async fn data_without_a_recipient_says_why_it_cannot() {
        let (mut client, _server) = introduced(&[], &format!("{MAIL}C: RSET\n")).await;
        let mail = client.mail("a@example.org").await.unwrap();
        let error = mail.data().await.unwrap_err();
        assert_eq!(error.to_string(), "DATA is lawful after RCPT, and the session is after MAIL");
    }
}

mod content {
    use super::*;

    /// A mail that cannot be sent fails in these words before anything is written.
    async fn cannot_send(
        offers: &[&str],
        envelope: Envelope,
        content: &[u8],
        kind: &str,
        words: &str,
    ) {
        let (mut client, server) = introduced(offers, "C: QUIT\nS: 221 bye\n").await;
        let error = client.send(&envelope, content).await.unwrap_err();
        assert_eq!(error.to_string(), words);
        assert_eq!(error.kind().name(), kind);
        assert_eq!(error.retry(), Retry::Never);
        client.quit().await.unwrap();
        server.finish().await.unwrap();
    }

    #[tokio::test]
    async fn c_111_what_the_server_does_not_take_is_refused_before_anything_is_sent() {
        let b = || to(&["b@example.org"]);
        cannot_send(
            &[],
            b(),
            b"caf\xe9",
            "unsupported",
            "mx.example.org does not offer 8BITMIME, which content with octets above 127 (the \
             first at 3) needs",
        )
        .await;
        cannot_send(
            &["SIZE 10"],
            b(),
            b"1234567890",
            "too_large",
            "the content has 12 octets, and mx.example.org takes 10",
        )
        .await;
        cannot_send(
            &[],
            Envelope::new("\u{e9}@example.org", ["b@example.org"]).unwrap(),
            b"x",
            "unsupported",
            "mx.example.org does not offer SMTPUTF8, which the address <\u{e9}@example.org> needs",
        )
        .await;
        cannot_send(
            &[],
            b().param(ehlo::MailParam::size(3)),
            b"x",
            "unsupported",
            "mx.example.org does not offer SIZE, which SIZE=3 needs",
        )
        .await;
    }

    #[tokio::test]
    async fn t1_a_nul_is_refused_with_its_place() {
        let (mut client, _server) = introduced(&[], "C: QUIT\n").await;
        let error = client.send(&to(&["b@example.org"]), b"ab\0").await.unwrap_err();
        assert_eq!((error.stage(), error.kind().name()), (Stage::Mail, "content"));
        let words = error.to_string();
        assert!(
            words.starts_with("the content cannot be sent: ") && words.contains('2'),
            "{words}"
        );
    }

    #[tokio::test]
    async fn c_057_size_and_body_are_chosen_from_the_content() {
        let (mut client, server) = introduced(
            &["SIZE 1000", "8BITMIME"],
            "C: MAIL FROM:<a@example.org> BODY=8BITMIME SIZE=10\nS: 250 ok\nC: RCPT TO:<b@example.org>\nS: 250 ok\nC: DATA\nS: 354 go\nC: <content 10>\nC: .\nS: 250 ok\n",
        )
        .await;
        let sent = client.send(&to(&["b@example.org"]), b"\nh\xc3\xa9\nx").await;
        assert!(sent.unwrap().is_complete());
        drop(client);
        server.finish().await.unwrap();
    }

    #[tokio::test]
    async fn c_113_utf8_in_the_header_needs_smtputf8() {
        let (mut client, server) = introduced(
            &["SMTPUTF8", "8BITMIME"],
            "C: MAIL FROM:<a@example.org> BODY=8BITMIME SMTPUTF8\nS: 250 ok\nC: RCPT TO:<b@example.org>\nS: 250 ok\nC: DATA\nS: 354 go\nC: <content 16>\nC: .\nS: 250 ok\n",
        )
        .await;
        let sent = client.send(&to(&["b@example.org"]), "Subject: h\u{e9}\n\n").await;
        assert!(sent.unwrap().is_complete());
        drop(client);
        server.finish().await.unwrap();
    }

    /// RFC 6531 §3.4: the parameter is for addresses and header fields alone.
    #[tokio::test]
    async fn c_114_smtputf8_is_not_asked_for_without_need() {
        for content in [
            "Subject: hello\n\nh\u{e9}\n".as_bytes(),
            b"Subject: h\xe9llo\n\nhello\n",
            "\nSubject: h\u{e9}\n".as_bytes(),
        ] {
            let (mut client, server) = introduced(
                &["SMTPUTF8", "8BITMIME"],
                "C: MAIL FROM:<a@example.org> BODY=8BITMIME\nS: 550 seen\n\
                 C: MAIL FROM:<a@example.org> BODY=8BITMIME\nS: 250 ok\n",
            )
            .await;
            let delivery = client.send(&to(&["b@example.org"]), content).await;
            let delivery = delivery.unwrap_or_else(|error| panic!("{content:?}: {error}"));
            assert!(!delivery.is_complete());
            let _given_up = client.mail("a@example.org").await.unwrap();
            drop(client);
            server.finish().await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_refused_octet_in_a_stream_ends_the_connection_before_the_dot() {
        let (stream, server) = serve(&format!(
            "{HELLO}S: 250 X-LAST\nC: MAIL FROM:<a@example.org>\nS: 250 ok\nC: RCPT TO:<b@example.org>\nS: 250 ok\nC: DATA\nS: 354 go\n-- stall\n"
        ));
        let connector = in_clear().line_endings(LineEndings::Reject);
        let mut client = connector.connect_over(stream).await.unwrap();
        let mut mail = client.mail("a@example.org").await.unwrap();
        mail.rcpt("b@example.org").await.unwrap();
        let mut body = mail.data().await.unwrap();
        body.write(b"fine\r\n").await.unwrap();
        let error = body.finish_with(b"not\nfine").await.unwrap_err();
        assert_eq!((error.stage(), error.kind().name()), (Stage::Content, "content"));
        let delivery = client.take_delivery().await.unwrap();
        assert_eq!(delivery.recipients().next().unwrap().outcome(), Outcome::NotSent);
        drop(server);
    }

    #[tokio::test]
    async fn dialect_19_an_early_refusal_stops_the_content() {
        use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
        let (near, far) = tokio::io::duplex(1024);
        tokio::spawn(async move {
            let mut far = BufReader::new(far);
            far.write_all(b"220 mx\r\n").await.unwrap();
            let mut line = String::new();
            while far.read_line(&mut line).await.unwrap() > 0 {
                let reply = match &line[..4] {
                    "DATA" => break,
                    _ => "250 ok\r\n",
                };
                far.write_all(reply.as_bytes()).await.unwrap();
                line.clear();
            }
            far.write_all(b"354 go\r\n").await.unwrap();
            far.read_line(&mut line).await.unwrap();
            far.write_all(b"552 5.3.4 too big\r\n").await.unwrap();
            // It reads nothing more: a client that only writes would hang.
            std::future::pending::<()>().await;
        });
        let mut client = in_clear().connect_over(near).await.unwrap();
        let content = "a line\r\n".repeat(10_000);
        let delivery = client.send(&to(&["b@example.org"]), content).await.unwrap();
        assert_eq!(outcomes(&delivery), ["refused: 552 5.3.4 too big (in reply to content)"]);
    }
}

mod deadlines {
    use super::*;
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

    /// The words of a send that runs into silence behind this script.
    async fn silence(script: &str, timeouts: Timeouts) -> (String, String) {
        let (stream, _server) = serve(&format!("{HELLO}S: 250 X-LAST\n{script}-- stall\n"));
        let mut client = in_clear().timeouts(timeouts).connect_over(stream).await.unwrap();
        let error = client.send(&to(&["b@example.org"]), "x").await.unwrap_err();
        let delivery = client.take_delivery().await.unwrap();
        let outcome = delivery.recipients().next().unwrap().outcome().to_string();
        (error.to_string(), outcome)
    }

    #[tokio::test(start_paused = true)]
    async fn c_109_each_stage_has_its_own() {
        let mail = "C: MAIL FROM:<a@example.org>\n";
        let rcpt = format!("{mail}S: 250 ok\nC: RCPT TO:<b@example.org>\n");
        let data = format!("{rcpt}S: 250 ok\nC: DATA\n");
        let end = format!("{data}S: 354 go\nC: <content 3>\nC: .\n");
        let not_sent = "not sent";
        let unknown = "unknown: no answer came after the mail was sent";
        for (script, words, outcome) in [
            (mail, "no reply from mx.example.org to MAIL FROM within 300s", not_sent),
            (&*rcpt, "no reply from mx.example.org to RCPT TO within 300s", not_sent),
            (&*data, "no reply from mx.example.org to DATA within 120s", not_sent),
            (&*end, "no reply from mx.example.org to end of data within 600s", unknown),
        ] {
            let silence = silence(script, Timeouts::default()).await;
            assert_eq!((&*silence.0, &*silence.1), (words, outcome));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_whole_call_can_have_one_too() {
        let timeouts = Timeouts::default().with_whole(Some(Duration::from_secs(7)));
        let (words, _) = silence("C: MAIL FROM:<a@example.org>\n", timeouts).await;
        assert_eq!(words, "no reply from mx.example.org to MAIL FROM within 7s");
    }

    #[tokio::test(start_paused = true)]
    async fn connecting_is_one_call_however_many_steps_it_has() {
        let (near, far) = tokio::io::duplex(256);
        tokio::spawn(async move {
            let (reader, mut writer) = tokio::io::split(far);
            let mut lines = BufReader::new(reader).lines();
            tokio::time::sleep(Duration::from_secs(4)).await;
            writer.write_all(b"220 mx\r\n").await.unwrap();
            while lines.next_line().await.unwrap().is_some() {
                tokio::time::sleep(Duration::from_secs(4)).await;
                let reply = b"250-mx\r\n250 AUTH LOGIN\r\n";
                writer.write_all(reply).await.unwrap();
            }
        });
        let timeouts = Timeouts::default().with_whole(Some(Duration::from_secs(7)));
        let began = tokio::time::Instant::now();
        let error = in_clear().timeouts(timeouts).connect_over(near).await.unwrap_err();
        assert_eq!(error.to_string(), "no reply from mx.example.org to EHLO within 7s");
        assert_eq!((began.elapsed().as_secs(), error.elapsed().as_secs()), (7, 7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_stops_reading_ends_at_the_deadline_of_a_block() {
        let (near, far) = tokio::io::duplex(256);
        tokio::spawn(async move {
            let (reader, mut writer) = tokio::io::split(far);
            let mut lines = BufReader::new(reader).lines();
            writer.write_all(b"220 mx\r\n").await.unwrap();
            while let Some(line) = lines.next_line().await.unwrap() {
                if line == "DATA" {
                    writer.write_all(b"354 go\r\n").await.unwrap();
                    std::future::pending::<()>().await;
                }
                writer.write_all(b"250 ok\r\n").await.unwrap();
            }
        });
        let mut client = in_clear().connect_over(near).await.unwrap();
        let error = client.send(&to(&["b@example.org"]), vec![b'x'; 100_000]).await.unwrap_err();
        assert_eq!(error.to_string(), "mx.example.org took no content for 180s");
        let delivery = client.take_delivery().await.unwrap();
        assert_eq!(outcomes(&delivery), ["not sent"]);
    }
}
