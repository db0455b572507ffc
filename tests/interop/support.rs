//! What the tests share: how to reach the servers, mails, and what shows that they arrived.

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ehlo::{
    Client, Connector, Credentials, Delivery, Error, Outcome, Reply, RootCertificates, Security,
};

/// One of the variables that the scripts of the servers set.
pub(crate) fn var(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: see tests/interop/README.md"))
}

/// A connector to the port of a server that this variable names, in clear.
pub(crate) fn clear(server: &str, port: &str) -> Connector {
    let host = var(&format!("{server}_HOST"));
    let port = var(&format!("{server}_{port}"));
    Connector::new(format!("{host}:{port}"))
        .security(Security::None)
        .client_name("client.example.test")
        .transcript(1 << 20)
}

/// The same over STARTTLS, the certificate verified.
pub(crate) fn starttls(server: &str, port: &str) -> Connector {
    clear(server, port).security(Security::StartTls).roots(roots(server))
}

/// The same with TLS from the start.
pub(crate) fn implicit(server: &str, port: &str) -> Connector {
    clear(server, port).security(Security::Implicit).roots(roots(server))
}

/// Postfix over STARTTLS.
pub(crate) fn postfix() -> Connector {
    starttls("EHLO_POSTFIX", "PORT")
}

/// Authenticated as the user that each server knows.
pub(crate) fn as_alice(connector: Connector) -> Connector {
    connector.authenticate(plain(USER, PASSWORD))
}

/// For PLAIN alone: some servers offer stronger ones, and the rows show what is said.
pub(crate) fn plain(user: &str, password: &str) -> Credentials {
    Credentials::new(user, password).mechanisms(["PLAIN"])
}

pub(crate) fn ca() -> RootCertificates {
    roots("EHLO_POSTFIX")
}

fn roots(server: &str) -> RootCertificates {
    let pem = std::fs::read(var(&format!("{server}_CA"))).expect("the CA's file");
    RootCertificates::from_pem(&pem).expect("the CA")
}

/// A mail whose header section is whole, so that no server adds to it, and whose subject is its
/// own.
pub(crate) fn mail(body: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let id = format!("{count}.{}", std::process::id());
    format!(
        "From: alice@example.test\r\nTo: bob@example.test\r\nSubject: interop {id}\r\n\
         Date: Sat, 1 Aug 2026 12:00:00 +0000\r\nMessage-ID: <{id}@client.example.test>\r\n\
         \r\n{body}"
    )
}

/// The outcomes, shown, in the order of the recipients.
pub(crate) fn outcomes(delivery: &Delivery) -> Vec<String> {
    let recipients = delivery.recipients();
    recipients
        .map(|recipient| match recipient.outcome() {
            Outcome::Accepted(reply) => format!("accepted: {}", reply.code()),
            outcome => outcome.to_string(),
        })
        .collect()
}

/// The queue id by which Postfix answers for a mail.
pub(crate) fn queue_id(reply: &Reply) -> String {
    let text = reply.text();
    let (_, id) = text.split_once("queued as ").expect("a queue id");
    id.trim().to_owned()
}

/// Waits until Postfix's log shows the mail of this reply delivered to each of these and nobody
/// else; gives its size there.
pub(crate) async fn arrived(reply: &Reply, recipients: &[&str]) -> usize {
    let id = format!(" {}: ", queue_id(reply));
    for _ in 0..200 {
        let log =
            String::from_utf8_lossy(&std::fs::read(var("EHLO_POSTFIX_LOG")).expect("the log"))
                .into_owned();
        let about: Vec<&str> = log.lines().filter(|line| line.contains(&id)).collect();
        let sent = about.iter().filter(|line| line.contains("status=sent"));
        let mut to: Vec<&str> = sent.filter_map(|line| between(line, "to=<", ">")).collect();
        if to.len() >= recipients.len() && about.iter().any(|line| line.ends_with(" removed")) {
            let mut wanted = recipients.to_vec();
            wanted.sort_unstable();
            to.sort_unstable();
            assert_eq!(to, wanted, "{about:#?}");
            let size = about.iter().find_map(|line| between(line, "size=", ","));
            return size.and_then(|size| size.parse().ok()).expect("a size");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("Postfix's log does not show{id}as delivered to {recipients:?}");
}

fn between<'a>(line: &'a str, before: &str, behind: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(before)?;
    rest.split_once(behind).map(|(found, _)| found)
}

/// Waits until the log of a server has each of these in some line, and gives the log.
pub(crate) async fn logged(server: &str, words: &[&str]) -> String {
    let path = var(&format!("{server}_LOG"));
    for _ in 0..200 {
        let log = std::fs::read(&path).expect("the log");
        let log = String::from_utf8_lossy(&log).into_owned();
        if words.iter().all(|words| log.contains(words)) {
            return log;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{path} does not show each of {words:?}");
}

/// The file, in a folder where a server keeps its mails, of the mail with the subject of this one.
pub(crate) async fn kept(folder: &str, content: &str) -> Vec<u8> {
    let subject = content.lines().find(|line| line.starts_with("Subject: ")).expect("a subject");
    for _ in 0..200 {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let entry = entry.expect("a file");
            // With a dot in front it is being written.
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let mut file = std::fs::File::open(entry.path()).expect("a mail");
            let mut top = Vec::new();
            (&mut file).take(8192).read_to_end(&mut top).expect("its header");
            let mut lines = top.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii_end);
            if lines.any(|line| line == subject.as_bytes()) {
                file.read_to_end(&mut top).expect("the rest");
                return top;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nothing in {folder} has {subject}");
}

/// That a server keeps this content as it was said: below what it puts on top, and but for line
/// ends, which are a file's own.
pub(crate) async fn kept_as(folder: &str, content: &str, arrives: &str) {
    let file = kept(folder, content).await;
    let begin = memchr::memmem::find(&file, b"From: alice@").expect("the first header field");
    same(&String::from_utf8_lossy(&file[begin..]), arrives);
}

/// That two texts are the same but for line ends; else the place where they part.
#[track_caller]
pub(crate) fn same(file: &str, arrives: &str) {
    // Most of the mails that are large are kept as they came.
    if file == arrives {
        return;
    }
    let file = file.replace("\r\n", "\n");
    let arrives = arrives.replace("\r\n", "\n");
    if file != arrives {
        let at = file.bytes().zip(arrives.bytes()).take_while(|(one, other)| one == other).count();
        let show = |text: &str| {
            text.as_bytes()[at.min(text.len())..]
                .iter()
                .take(80)
                .copied()
                .collect::<Vec<u8>>()
                .escape_ascii()
                .to_string()
        };
        panic!("octet {at}: {:?} instead of {:?}", show(&file), show(&arrives));
    }
}

/// Sends one mail from alice to bob, and gives the reply that answers for it.
pub(crate) async fn send_one(client: &mut Client, content: &[u8]) -> Reply {
    let envelope = ehlo::Envelope::new("alice@example.test", ["bob@example.test"]).expect("valid");
    let delivery = client.send(&envelope, content).await.expect("a delivery");
    assert_eq!(outcomes(&delivery), ["accepted: 250"]);
    delivery.end().expect("a final reply").clone()
}

/// Ends a session in good order, once it is seen that it shows no secret.
pub(crate) async fn quit(mut client: Client) {
    let transcript = client.conversation().transcript().expect("asked for");
    shows_no_secret(&transcript.to_string());
    shows_no_secret(&format!("{client:?} {transcript:?}"));
    client.quit().await.expect("a reply to QUIT");
}

/// An error that shows no secret either.
pub(crate) fn checked(error: Error) -> Error {
    shows_no_secret(&format!("{error} {error:?} {error:#?}"));
    error
}

/// T11.
#[track_caller]
pub(crate) fn shows_no_secret(text: &str) {
    if let Some(trace) = trace_of_secret(text) {
        panic!("{trace} stands in {text}");
    }
}

pub(crate) const USER: &str = "alice";
pub(crate) const PASSWORD: &str = "wonderland";
/// As a password, and as a token.
pub(crate) const WRONG: &str = "looking-glass";

/// What nobody but the server may see.
fn secrets() -> impl Iterator<Item = String> {
    let tokens = ["EHLO_DOVECOT_TOKEN", "EHLO_SMTP_SERVER_TOKEN"];
    let tokens = tokens.into_iter().filter_map(|name| std::env::var(name).ok());
    [PASSWORD, WRONG].map(str::to_owned).into_iter().chain(tokens)
}

/// A secret, or its base64 wherever it may begin in a group of three octets.
pub(crate) fn trace_of_secret(text: &str) -> Option<String> {
    secrets().find_map(|secret| trace_of(&secret, text))
}

fn trace_of(secret: &str, text: &str) -> Option<String> {
    let aligned = (0..3).map(|before| {
        let octets = [&[0; 2][..before], secret.as_bytes()].concat();
        let base64 = STANDARD.encode(&octets);
        // The first and the last character may hold bits of a neighbour.
        let own = (before * 8).div_ceil(6)..octets.len() * 8 / 6;
        base64[own].to_owned()
    });
    std::iter::once(secret.to_owned()).chain(aligned).find(|trace| text.contains(trace))
}

/// Where smtp-sink keeps what it gets.
pub(crate) fn dump_folder() -> PathBuf {
    PathBuf::from(var("EHLO_SMTP_SINK_DUMP_DIR"))
}
