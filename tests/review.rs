//! What a hostile reading of the client found: outcomes that were wrong, deadlines that did not
//! hold, words that blamed the wrong side.

#![cfg(feature = "net")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use ehlo::{
    Client, Command, Connector, Conversation, Dispatch, Envelope, Event, LineEndings, Outcome,
    Param, RcptParam, Retry, Security, Session, SessionConfig, Stage, Step, Timeouts,
};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};

const EHLO: (&str, &str) = ("EHLO", "250 mx\r\n");
const MAIL: (&str, &str) = ("MAIL", "250 sender\r\n");
const RCPT: (&str, &str) = ("RCPT", "250 recipient\r\n");
const DATA: (&str, &str) = ("DATA", "354 go\r\n");
const END: (&str, &str) = (".", "250 taken\r\n");
const BOB: &str = "bob@example.org";
const EVE: &str = "eve@example.org";

/// Greets, waits for a line that begins so and answers it; at the end it listens on.
async fn serve<S>(stream: S, script: Vec<(&'static str, &'static str)>, pause: Duration) -> String
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut stream = BufReader::new(stream);
    let mut heard = String::new();
    for (expected, reply) in std::iter::once(("", "220 mx\r\n")).chain(script) {
        while !expected.is_empty() {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return heard;
            }
            heard += &line;
            if line.starts_with(expected) {
                break;
            }
        }
        tokio::time::sleep(pause).await;
        let _ = stream.write_all(reply.as_bytes()).await;
    }
    while stream.read_line(&mut heard).await.unwrap_or(0) > 0 {}
    heard
}

type Heard = tokio::task::JoinHandle<String>;

fn in_clear() -> Connector {
    Connector::new("mx").security(Security::None)
}

fn server(script: &[(&'static str, &'static str)]) -> (tokio::io::DuplexStream, Heard) {
    let (near, far) = tokio::io::duplex(4096);
    let served = tokio::spawn(serve(far, script.to_vec(), Duration::ZERO));
    (near, served)
}

async fn client(script: &[(&'static str, &'static str)]) -> (Client, Heard) {
    let (near, heard) = server(script);
    (in_clear().connect_over(near).await.unwrap(), heard)
}

fn envelope(recipients: &[&str]) -> Envelope {
    Envelope::new("alice@example.org", recipients.iter().copied()).unwrap()
}

fn outcomes(delivery: &ehlo::Delivery) -> Vec<String> {
    let recipients = delivery.recipients();
    recipients.map(|one| one.outcome().to_string()).collect()
}

/// Drops a call when its commands have been written and nothing has come.
async fn dropped_at_once<F: Future>(call: F) {
    let mut call = pin!(call);
    std::future::poll_fn(|cx| {
        assert!(call.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

mod deadlines {
    use super::*;

    #[tokio::test]
    async fn a_limit_without_end_is_one() {
        let (near, _heard) = server(&[EHLO, MAIL, RCPT, DATA, END]);
        let endless = Timeouts::all(Duration::MAX).with_whole(Some(Duration::MAX));
        let connector = in_clear().timeouts(endless);
        let mut client = connector.connect_over(near).await.unwrap();
        let delivery = client.send(&envelope(&[BOB]), "hello").await.unwrap();
        assert!(delivery.is_complete());
    }

    #[tokio::test(start_paused = true)]
    async fn a_whole_call_includes_every_step_of_connecting() {
        let (near, far) = tokio::io::duplex(4096);
        let step = Duration::from_secs(8);
        tokio::spawn(serve(far, vec![EHLO], step));
        let limit = Duration::from_secs(10);
        let timeouts = Timeouts::default().with_whole(Some(limit));
        let began = tokio::time::Instant::now();
        let connected = in_clear().timeouts(timeouts).connect_over(near).await;
        let error = connected.unwrap_err();
        assert_eq!(error.to_string(), "no reply from mx to EHLO within 10s");
        assert_eq!((error.elapsed(), began.elapsed()), (limit, limit));
    }

    #[tokio::test(start_paused = true)]
    async fn a_whole_call_behind_connecting_has_its_own_time() {
        let (near, far) = tokio::io::duplex(4096);
        let step = Duration::from_secs(4);
        tokio::spawn(serve(far, vec![EHLO, MAIL], step));
        let limit = Duration::from_secs(10);
        let connector = in_clear().timeouts(Timeouts::default().with_whole(Some(limit)));
        let mut client = connector.connect_over(near).await.unwrap();
        let began = tokio::time::Instant::now();
        let error = client.send(&envelope(&[BOB]), "hello").await.unwrap_err();
        assert_eq!((error.elapsed(), began.elapsed()), (limit, limit));
    }

    #[cfg(feature = "tls")]
    #[tokio::test(start_paused = true)]
    async fn a_whole_call_includes_the_handshake() {
        let (near, _far) = tokio::io::duplex(4096);
        let limit = Duration::from_secs(10);
        let connected = Connector::new("mx")
            .security(Security::Implicit)
            .timeouts(Timeouts::default().with_whole(Some(limit)))
            .connect_over(near)
            .await;
        let error = connected.unwrap_err();
        assert_eq!((error.stage(), error.elapsed()), (Stage::Handshake, limit));
    }
}

mod outcomes {
    use super::*;

    /// The server has refused to forget an older mail; this one may go another way.
    #[tokio::test]
    async fn a_mail_behind_a_refused_rset_may_be_sent_later() {
        let (mut client, _heard) = client(&[EHLO, MAIL, ("RSET", "500 what?\r\n")]).await;
        let _given_up = client.mail("alice@example.org").await.unwrap();
        let error = client.send(&envelope(&[BOB]), "hello").await.unwrap_err();
        assert_eq!((error.stage(), error.retry()), (Stage::Rset, Retry::Later));
    }

    /// The reply that nobody asked for came behind the mail before.
    #[tokio::test]
    async fn a_mail_that_was_not_sent_is_not_in_doubt() {
        let twice = (".", "250 taken\r\n250 taken again\r\n");
        let (mut client, _heard) = client(&[EHLO, MAIL, RCPT, DATA, twice]).await;
        let sent = client.send(&envelope(&[BOB]), "hello").await;
        assert!(sent.unwrap().is_complete());
        let error = client.send(&envelope(&[BOB]), "again").await.unwrap_err();
        assert_eq!(error.kind().name(), "violation");
        assert_eq!(error.retry(), Retry::Later);
    }

    #[tokio::test]
    async fn the_outcome_of_a_dropped_mail_waits_behind_the_next_ones() {
        let reset = ("RSET", "250 reset\r\n");
        let script = [EHLO, MAIL, reset, MAIL, RCPT, DATA, END];
        let (mut client, _heard) = client(&script).await;
        dropped_at_once(client.send(&envelope(&[EVE]), "dropped")).await;
        let delivery = client.send(&envelope(&[BOB]), "hello").await.unwrap();
        assert_eq!(outcomes(&delivery), ["accepted: 250 taken"]);
        let delivery = client.take_delivery().await.unwrap();
        assert_eq!(outcomes(&delivery), ["not sent"]);
        assert_eq!(delivery.recipients().next().unwrap().mailbox().to_string(), format!("<{EVE}>"));
        assert!(client.take_delivery().await.is_none());
    }

    /// Whoever never takes them does not lose memory to them.
    #[tokio::test]
    async fn outcomes_that_nobody_takes_are_bounded() {
        let reset = ("RSET", "250 reset\r\n");
        let mail = [MAIL, RCPT, ("DATA", "451 not now\r\n"), reset];
        let (mut client, _heard) = client(&[&[EHLO][..], &mail.repeat(300)].concat()).await;
        for n in 0..300 {
            let mut mail = client.mail("alice@example.org").await.unwrap();
            mail.rcpt(format!("bob{n}@example.org").as_str()).await.unwrap();
            mail.data().await.unwrap_err();
        }
        let mut kept = Vec::new();
        while let Some(delivery) = client.take_delivery().await {
            kept.push(delivery.recipients().next().unwrap().mailbox().to_string());
        }
        assert_eq!((kept.len(), kept[0].as_str()), (256, "<bob44@example.org>"));
    }

    /// A session to which the server says this much, one reply for each event.
    fn replied(session: &mut Session, dispatch: &mut Dispatch, reply: &str) {
        while matches!(session.poll(), Ok(Step::Write(_))) {
            let mut slices = [std::io::IoSlice::new(b"")];
            session.gather(b"", &mut slices).unwrap();
            let octets = slices[0].len();
            session.wrote(octets);
        }
        session.receive(reply.as_bytes());
        let Ok(Step::Event(event)) = session.poll() else {
            panic!("no event for {reply}");
        };
        if event != Event::Greeting {
            dispatch.note(session, event);
        }
    }

    /// Sends a mail to this recipient alone, and says what became of it.
    fn sent_to_one(mut dispatch: Dispatch, recipient: &str) -> ehlo::Delivery {
        let mut session = Session::new(SessionConfig::default());
        let (session, dispatch) = (&mut session, &mut dispatch);
        replied(session, dispatch, "220 mx\r\n");
        session.send(&Command::ehlo("c.example").unwrap()).unwrap();
        replied(session, dispatch, "250 mx\r\n");
        let sender = "alice@example.org".parse().unwrap();
        dispatch.mail(session, &sender, &[]).unwrap();
        replied(session, dispatch, "250 ok\r\n");
        dispatch.rcpt(session, &recipient.parse().unwrap(), &[]).unwrap();
        replied(session, dispatch, "250 ok\r\n");
        dispatch.data(session).unwrap();
        replied(session, dispatch, "354 go\r\n");
        dispatch.finish(session).unwrap();
        replied(session, dispatch, "250 taken\r\n");
        std::mem::replace(dispatch, Dispatch::new(&[])).into_delivery(session)
    }

    #[test]
    fn a_recipient_that_was_never_named_does_not_have_the_mail() {
        let recipients = [BOB, EVE].map(|one| one.parse().unwrap());
        let delivery = sent_to_one(Dispatch::new(&recipients), BOB);
        assert_eq!(outcomes(&delivery), ["accepted: 250 taken", "not sent"]);
    }

    #[test]
    fn a_recipient_is_known_by_its_name_and_not_by_its_place() {
        let recipients = [BOB, EVE].map(|one| one.parse().unwrap());
        let delivery = sent_to_one(Dispatch::new(&recipients), EVE);
        for recipient in delivery.recipients() {
            let accepted = matches!(recipient.outcome(), Outcome::Accepted(_));
            assert_eq!(accepted, recipient.mailbox().to_string().contains(EVE));
        }
        assert_eq!(delivery.accepted_count(), 1);
    }
}

mod half_a_mail {
    use super::*;

    /// What was begun as a mail of the client cannot be ended as one of the conversation.
    #[tokio::test]
    async fn is_not_ended_by_hand() {
        let (mut client, heard) = client(&[EHLO, MAIL, RCPT, DATA, END]).await;
        let mut mail = client.mail("alice@example.org").await.unwrap();
        mail.rcpt(BOB).await.unwrap();
        let mut body = mail.data().await.unwrap();
        body.write(b"half of ").await.unwrap();
        let mut smtp = client.into_conversation();
        assert!(smtp.content(b"another").await.is_err());
        drop(smtp);
        let heard = tokio::time::timeout(Duration::from_secs(5), heard).await.unwrap().unwrap();
        assert!(!heard.contains("\r\n.\r\n"), "{heard}");
    }
}

mod before_mail {
    use super::*;

    /// Nothing was said, and the client goes on.
    async fn assert_unsaid(
        mut client: Client,
        heard: Heard,
        words: &str,
        envelope: Envelope,
        content: &str,
    ) {
        let error = client.send(&envelope, content).await.unwrap_err();
        assert_eq!(error.to_string(), words);
        assert!(client.send(&self::envelope(&[BOB]), "hello").await.unwrap().is_complete());
        assert!(client.take_delivery().await.is_none());
        drop(client);
        let heard = tokio::time::timeout(Duration::from_secs(5), heard).await.unwrap().unwrap();
        assert_eq!(heard.matches("MAIL FROM").count(), 1, "{heard}");
    }

    #[tokio::test]
    async fn a_parameter_of_a_recipient_is_checked() {
        let (client, heard) = client(&[EHLO, MAIL, RCPT, DATA, END]).await;
        let notify = Param::with_value("NOTIFY", "NEVER").unwrap();
        let envelope = envelope(&[BOB]).recipient(EVE, [RcptParam::from(notify)]).unwrap();
        let words = "mx does not offer DSN, which NOTIFY=NEVER needs";
        assert_unsaid(client, heard, words, envelope, "hello").await;
    }

    #[tokio::test]
    async fn content_that_only_bdat_can_carry_is_refused() {
        let (near, heard) = server(&[EHLO, MAIL, RCPT, DATA, END]);
        let connector = in_clear().line_endings(LineEndings::Raw);
        let client = connector.connect_over(near).await.unwrap();
        let words = "mx does not offer BINARYMIME, which what is no text (content has an LF without a CR at \
                     offset 3) needs";
        assert_unsaid(client, heard, words, envelope(&[BOB]), "one\ntwo").await;
    }

    /// A header section ends at the first empty line, whatever its line ends are.
    #[tokio::test]
    async fn a_body_in_utf8_is_no_header() {
        let hello = ("EHLO", "250-mx\r\n250 8BITMIME\r\n");
        for blank in ["\r\n\r\n", "\n\n", "\n\r\n", "\r\n\n"] {
            let (mut client, _heard) = client(&[hello, MAIL, RCPT, DATA, END]).await;
            let content = format!("Subject: hello{blank}é\r\n");
            let delivery = client.send(&envelope(&[BOB]), content).await.unwrap();
            assert!(delivery.is_complete(), "{blank:?}");
        }
    }
}

mod words {
    use super::*;

    #[tokio::test]
    async fn who_has_ended_the_session() {
        let (mut client, _heard) = client(&[EHLO, MAIL, RCPT, DATA]).await;
        let mut mail = client.mail("alice@example.org").await.unwrap();
        mail.rcpt(BOB).await.unwrap();
        drop(mail.data().await.unwrap());
        for words in [
            "the connection to mx was closed on this side at content",
            "the connection to mx was closed on this side at MAIL FROM",
        ] {
            let error = client.send(&envelope(&[BOB]), "hello").await.unwrap_err();
            assert_eq!(error.to_string(), words);
            assert_eq!((error.kind().name(), error.retry()), ("closed", Retry::Later));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_of_the_content_is_no_answer_to_data() {
        let script = [EHLO, MAIL, RCPT, ("DATA", "354 go\r\n")];
        let (near, mut far) = tokio::io::duplex(4096);
        let served = tokio::spawn(async move {
            let refused = async {
                tokio::time::sleep(Duration::from_millis(10)).await;
            };
            tokio::select! {
                _ = serve(&mut far, script.to_vec(), Duration::ZERO) => {}
                () = refused => {}
            }
            far
        });
        let mut client = in_clear().connect_over(near).await.unwrap();
        let mut mail = client.mail("alice@example.org").await.unwrap();
        mail.rcpt(BOB).await.unwrap();
        let mut body = mail.data().await.unwrap();
        let mut far = served.await.unwrap();
        far.write_all(b"552 5.3.4 too much\r\n").await.unwrap();
        let error = body.write(b"hello").await.unwrap_err();
        assert_eq!(error.to_string(), "mx said: 552 5.3.4 too much (in reply to content)");
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_read_names_its_command() {
        let (mut client, _heard) = client(&[EHLO, MAIL]).await;
        let error = client.mail("alice@").await.unwrap_err();
        assert_eq!((error.stage(), error.peer()), (Stage::Mail, "mx"));
        let mut mail = client.mail("alice@example.org").await.unwrap();
        let error = mail.rcpt("bob@").await.unwrap_err();
        assert_eq!((error.stage(), error.peer()), (Stage::Rcpt, "mx"));
        assert!(matches!(error.kind(), ehlo::ErrorKind::Misuse(ehlo::Misuse::Value(_))));
    }
}

#[cfg(feature = "tls")]
mod tls {
    use super::*;

    #[tokio::test]
    async fn t7_a_session_that_ended_at_starttls_is_no_client() {
        let script =
            [("EHLO", "250-mx\r\n250 STARTTLS\r\n"), ("STARTTLS", "421 4.3.2 going down\r\n")];
        let (near, _heard) = server(&script);
        let connector = Connector::new("mx").security(Security::Opportunistic);
        let error = connector.connect_over(near).await.unwrap_err();
        assert_eq!(error.to_string(), "mx said: 421 4.3.2 going down (in reply to STARTTLS)");
    }

    #[cfg(feature = "testing")]
    #[tokio::test]
    async fn t9_opportunistic_tls_carries_no_secret_even_where_it_is_verified() {
        let server =
            ehlo::testing::Server::new().user("alice", "wonderland").start().await.unwrap();
        let roots = ehlo::RootCertificates::from_pem(server.ca_pem().as_bytes()).unwrap();
        let connector = Connector::new("127.0.0.1")
            .port(server.port())
            .roots(roots)
            .security(Security::Opportunistic);
        let client = connector.connect().await.unwrap();
        assert!(client.conversation().tls().unwrap().is_verified());
        let connected = connector.credentials("alice", "wonderland").connect().await;
        assert_eq!(
            connected.unwrap_err().to_string(),
            "AUTH would send a secret to an unverified server: only allow_cleartext lets it"
        );
    }
}

/// Nothing is run: that it compiles is the test.
#[allow(dead_code, reason = "it is compiled")]
fn every_future_can_be_sent(client: &'static mut Client, smtp: &'static mut Conversation) {
    fn is_send<T: Send>(_: T) {}
    let connector = in_clear();
    is_send(connector.connect());
    is_send(connector.open());
    is_send(connector.connect_over(tokio::io::empty()));
    is_send(connector.open_over(tokio::io::empty()));
    is_send(Conversation::open(tokio::io::empty()));
    is_send(smtp.say(&Command::quit()));
    is_send(smtp.respond(b""));
    is_send(smtp.cancel_auth());
    is_send(smtp.content(b""));
    is_send(smtp.authenticate(&ehlo::Credentials::new("", "")));
    let mail = envelope(&[BOB]);
    is_send(client.send(&mail, ""));
    is_send(client.send_watched(&mail, "", |_| ()));
    is_send(client.take_delivery());
    is_send(async {
        let mut mail = client.mail(BOB).await?;
        mail.rcpt(BOB).await?;
        let mut body = mail.data().await?;
        body.write(b"").await?;
        drop(body.finish_with(b"").await?);
        client.mail(BOB).await?.reset().await
    });
}
