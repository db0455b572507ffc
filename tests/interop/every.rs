//! What every server that keeps its mails is tried with. The rows stand with each server, which
//! says here where it is and in what words it refuses.

use ehlo::{Command, Envelope, ErrorKind, Stage};

use crate::support::{
    USER, as_alice, checked, clear, implicit, kept_as, mail, outcomes, plain, quit, starttls, var,
};

/// A server, and its words.
pub(crate) trait Server {
    /// What the names of its variables begin with.
    const PREFIX: &str;
    /// Of `nobody-here@example.test`, `refused@example.test` and `carol@elsewhere.test`, all
    /// behind one that exists.
    const REFUSED: [&str; 3];
    /// To a wrong password.
    const WRONG_PASSWORD: &str;
    /// To a MAIL that announces more octets than it takes; `None` where it does not look.
    const SIZE: Option<&str>;
    /// To a content of more octets than it takes, which was not announced.
    const TOO_LARGE: &str;
}

/// Where it keeps its mails.
pub(crate) fn folder<S: Server>() -> String {
    var(&format!("{}_MAIL", S::PREFIX))
}

pub(crate) async fn starttls_and_auth<S: Server>() {
    let mut client = as_alice(starttls(S::PREFIX, "PORT")).connect().await.expect("connected");
    assert!(client.conversation().tls().expect("TLS").is_verified());
    let transcript = client.conversation().transcript().unwrap().to_string();
    assert!(transcript.contains("C: AUTH PLAIN <secret>\nS: 235 "), "{transcript}");
    let content = mail("hello\r\n");
    // Only who is authenticated may write elsewhere.
    let recipients = ["bob@example.test", "carol@elsewhere.test"];
    let envelope = Envelope::new("alice@example.test", recipients).unwrap();
    let delivery = client.send(&envelope, &content).await.unwrap();
    assert_eq!(outcomes(&delivery), ["accepted: 250", "accepted: 250"]);
    kept_as(&folder::<S>(), &content, &content).await;
    quit(client).await;
}

pub(crate) async fn implicit_tls<S: Server>() {
    let mut client = as_alice(implicit(S::PREFIX, "TLS_PORT")).connect().await.expect("connected");
    assert!(client.conversation().tls().expect("TLS").is_verified());
    let content = mail("hello\r\n");
    let delivery = client.send(&to_bob(), &content).await.unwrap();
    assert_eq!(outcomes(&delivery), ["accepted: 250"]);
    kept_as(&folder::<S>(), &content, &content).await;
    quit(client).await;
}

pub(crate) async fn wrong_password<S: Server>() {
    let connector = starttls(S::PREFIX, "PORT").authenticate(plain(USER, "wrong"));
    let error = connector.connect().await.unwrap_err();
    assert_eq!(error.stage(), Stage::Auth);
    assert!(matches!(error.kind(), ErrorKind::Refused(_)));
    assert_eq!(
        checked(error).to_string(),
        format!("127.0.0.1 said: {} (in reply to AUTH PLAIN <secret>)", S::WRONG_PASSWORD)
    );
}

pub(crate) async fn refused_recipients<S: Server>() {
    let mut client = clear(S::PREFIX, "PORT").connect().await.expect("connected");
    let recipients = ["bob", "nobody-here", "refused"].map(|local| format!("{local}@example.test"));
    let recipients = recipients.iter().map(String::as_str).chain(["carol@elsewhere.test"]);
    let envelope = Envelope::new("alice@example.test", recipients).unwrap();
    let content = mail("hello\r\n");
    let delivery = client.send(&envelope, &content).await.unwrap();
    let expected = S::REFUSED.map(|words| format!("refused: {words} (in reply to RCPT TO)"));
    let shown = outcomes(&delivery);
    assert_eq!(shown[0], "accepted: 250");
    assert_eq!(shown[1..], expected);
    kept_as(&folder::<S>(), &content, &content).await;

    // With nobody left there is no mail, and the session goes on.
    let recipients = ["nobody-here@example.test", "refused@example.test"];
    let envelope = Envelope::new("alice@example.test", recipients).unwrap();
    let delivery = client.send(&envelope, mail("hello\r\n")).await.unwrap();
    assert_eq!(outcomes(&delivery), expected[..2]);
    assert_eq!(delivery.end(), None);
    let delivery = client.send(&to_bob(), mail("hello\r\n")).await.unwrap();
    assert_eq!(outcomes(&delivery), ["accepted: 250"]);
    quit(client).await;
}

pub(crate) async fn contents<S: Server>() {
    let mut client = clear(S::PREFIX, "PORT").connect().await.expect("connected");
    for (body, arrives) in bodies() {
        let content = mail(&body);
        let delivery = client.send(&to_bob(), &content).await.unwrap();
        assert_eq!(outcomes(&delivery), ["accepted: 250"], "{body:?}");
        let header = &content[..content.len() - body.len()];
        kept_as(&folder::<S>(), &content, &format!("{header}{arrives}")).await;
    }
    quit(client).await;
}

pub(crate) async fn too_large<S: Server>() {
    let mut client = clear(S::PREFIX, "PORT").connect().await.expect("connected");
    // Some count CRLF as one octet.
    let content = mail(&("x".repeat(998) + "\r\n").repeat(11 * 1024 * 1024 / 1000));
    let error = client.send(&to_bob(), &content).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::TooLarge { limit: 10_485_760, .. }), "{error}");

    // Stage by stage nothing is known of the size, and the server has to say it.
    let mut transaction = client.mail("alice@example.test").await.unwrap();
    transaction.rcpt("bob@example.test").await.unwrap();
    let mut data = transaction.data().await.unwrap();
    for block in content.as_bytes().chunks(1 << 16) {
        data.write(block).await.unwrap();
    }
    let delivery = data.finish().await.unwrap();
    let expected = format!("refused: {} (in reply to end of data)", S::TOO_LARGE);
    assert_eq!(outcomes(&delivery), [expected]);

    // Nor is it where MAIL is said by hand.
    let mut smtp = client.into_conversation();
    let raw = Command::raw("MAIL FROM:<alice@example.test> SIZE=10485761").unwrap();
    let reply = smtp.say(&raw).await.unwrap();
    assert_eq!(reply.to_string(), S::SIZE.unwrap_or("250 2.0.0 Ok"));
    smtp.quit().await.unwrap();
}

pub(crate) async fn many_recipients<S: Server>() {
    let mut client = clear(S::PREFIX, "PORT").connect().await.expect("connected");
    let recipients: Vec<String> = (0..100).map(|n| format!("r{n}@example.test")).collect();
    let envelope = Envelope::new("alice@example.test", recipients.iter().map(String::as_str));
    let content = mail("hello\r\n");
    let delivery = client.send(&envelope.unwrap(), &content).await.unwrap();
    assert!(delivery.is_complete() && delivery.recipients().count() == 100);
    kept_as(&folder::<S>(), &content, &content).await;
    quit(client).await;
}

/// Bodies, and the lines that arrive of them.
pub(crate) fn bodies() -> Vec<(String, String)> {
    let dots = ".\n".repeat(5_000);
    let bodies = [
        ("plain\r\n", "plain\n"),
        ("", ""),
        (".\r\n..\r\n.leading\r\nin .it\r\n.", ".\n..\n.leading\nin .it\n.\n"),
        ("\n.\nLF only\n.\n\nlast", "\n.\nLF only\n.\n\nlast\n"),
        ("one CR\rand another\r", "one CR\nand another\n"),
        ("\r\n\r\n.\r\n\r\n", "\n\n.\n\n"),
        ("Grüße\r\n", "Grüße\n"),
        (&dots, &dots),
    ];
    bodies.map(|(body, arrives)| (body.to_owned(), arrives.to_owned())).to_vec()
}

pub(crate) fn to_bob() -> Envelope {
    Envelope::new("alice@example.test", ["bob@example.test"]).expect("valid")
}
