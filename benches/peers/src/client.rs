//! Each client as its own documentation has it used, behind one trait: a connection, and a mail
//! over it. Everything that can be made once is made before: envelopes, addresses, parameters.

use std::future::{Future, poll_fn};
use std::io::Write as _;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader, ReadBuf};
use tokio::net::TcpStream;

/// What is to be sent.
pub(crate) struct Plain {
    pub(crate) recipients: usize,
    pub(crate) content: Vec<u8>,
}

impl Plain {
    pub(crate) const SENDER: &str = "alice@example.org";

    pub(crate) fn new(recipients: usize, octets: usize) -> Self {
        let line = b"The quick brown fox jumps over the lazy dog, and then once more it does\r\n";
        let mut content = b"Subject: a mail among many\r\n\r\n".to_vec();
        content.extend(line.iter().cycle().take(octets.saturating_sub(content.len() + 2)));
        content.extend_from_slice(b"\r\n");
        Self { recipients, content }
    }

    pub(crate) fn to(&self) -> impl Iterator<Item = String> {
        (0..self.recipients).map(|n| format!("recipient{n}@example.net"))
    }
}

pub(crate) trait Client: Sized + Send + 'static {
    /// The mail as this client wants it.
    type Mail: Send + Sync + 'static;
    /// Whether it holds its thread while it waits.
    const BLOCKS: bool = false;

    fn prepare(mail: &Plain) -> Self::Mail;

    /// `nodelay` where the caller can say so.
    fn connect(port: u16, nodelay: bool) -> impl Future<Output = Self> + Send;

    fn send(&mut self, mail: &Self::Mail) -> impl Future<Output = ()> + Send;

    fn send_many(&mut self, mail: &Self::Mail, mails: usize) -> impl Future<Output = ()> + Send {
        async move {
            for _ in 0..mails {
                self.send(mail).await;
            }
        }
    }
}

async fn stream(port: u16, nodelay: bool) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(nodelay).unwrap();
    stream
}

// This crate.

/// As it comes: DATA, and two round trips for each mail.
pub(crate) struct Ehlo(ehlo::Client);

/// Running ahead over DATA.
pub(crate) struct EhloData(ehlo::Client);

/// Running ahead over BDAT.
pub(crate) struct EhloBdat(ehlo::Client);

/// Over TLS, as it comes.
pub(crate) struct EhloTls(ehlo::Client);

pub(crate) struct EhloMail {
    envelope: ehlo::Envelope,
    content: Bytes,
}

impl EhloMail {
    fn new(mail: &Plain) -> Self {
        let envelope = ehlo::Envelope::new(Plain::SENDER, mail.to()).unwrap();
        Self { envelope, content: mail.content.clone().into() }
    }
}

/// Over the one connector that a program has for a server.
async fn connected(
    port: u16,
    shared: &OnceLock<ehlo::Connector>,
    with: fn(ehlo::Connector) -> ehlo::Connector,
) -> ehlo::Client {
    let make = || {
        let connector = ehlo::Connector::new("127.0.0.1").port(port);
        with(connector.security(ehlo::Security::None))
    };
    shared.get_or_init(make).connect().await.unwrap()
}

async fn deliver(client: &mut ehlo::Client, mail: &EhloMail) {
    let delivery = client.send(&mail.envelope, &mail.content).await.unwrap();
    assert!(delivery.is_complete());
}

async fn deliver_many(client: &mut ehlo::Client, mail: &EhloMail, mails: usize) {
    let row = (0..mails).map(|_| ehlo::Mail::new(&mail.envelope, &mail.content));
    let mut deliveries = client.send_all(row);
    while let Some(sent) = deliveries.next().await {
        assert!(sent.delivery.is_complete(), "{:?}", sent.error);
    }
}

impl Client for Ehlo {
    type Mail = EhloMail;

    fn prepare(mail: &Plain) -> EhloMail {
        EhloMail::new(mail)
    }

    async fn connect(port: u16, _: bool) -> Self {
        static CONNECTOR: OnceLock<ehlo::Connector> = OnceLock::new();
        Self(connected(port, &CONNECTOR, |connector| connector).await)
    }

    async fn send(&mut self, mail: &EhloMail) {
        deliver(&mut self.0, mail).await;
    }
}

impl Client for EhloData {
    type Mail = EhloMail;

    fn prepare(mail: &Plain) -> EhloMail {
        EhloMail::new(mail)
    }

    async fn connect(port: u16, _: bool) -> Self {
        let ahead =
            |connector: ehlo::Connector| connector.transfer(ehlo::Transfer::Data).run_ahead();
        static CONNECTOR: OnceLock<ehlo::Connector> = OnceLock::new();
        Self(connected(port, &CONNECTOR, ahead).await)
    }

    async fn send(&mut self, mail: &EhloMail) {
        deliver(&mut self.0, mail).await;
    }

    async fn send_many(&mut self, mail: &EhloMail, mails: usize) {
        deliver_many(&mut self.0, mail, mails).await;
    }
}

impl Client for EhloBdat {
    type Mail = EhloMail;

    fn prepare(mail: &Plain) -> EhloMail {
        EhloMail::new(mail)
    }

    async fn connect(port: u16, _: bool) -> Self {
        let ahead =
            |connector: ehlo::Connector| connector.transfer(ehlo::Transfer::Bdat).run_ahead();
        static CONNECTOR: OnceLock<ehlo::Connector> = OnceLock::new();
        Self(connected(port, &CONNECTOR, ahead).await)
    }

    async fn send(&mut self, mail: &EhloMail) {
        deliver(&mut self.0, mail).await;
    }

    async fn send_many(&mut self, mail: &EhloMail, mails: usize) {
        deliver_many(&mut self.0, mail, mails).await;
    }
}

impl Ehlo {
    /// A mail whose content is read from a file while it is sent.
    pub(crate) async fn send_file(&mut self, mail: &EhloMail, file: tokio::fs::File, octets: u64) {
        let source = ehlo::Source::new(file).size(octets);
        let delivery = self.0.send(&mail.envelope, source).await.unwrap();
        assert!(delivery.is_complete());
    }
}

impl Client for EhloTls {
    type Mail = EhloMail;

    fn prepare(mail: &Plain) -> EhloMail {
        EhloMail::new(mail)
    }

    async fn connect(port: u16, _: bool) -> Self {
        static CONNECTOR: OnceLock<ehlo::Connector> = OnceLock::new();
        let make = || {
            let connector = ehlo::Connector::new("localhost").port(port);
            connector.security(ehlo::Security::Implicit).client_config(tls_config())
        };
        Self(CONNECTOR.get_or_init(make).connect().await.unwrap())
    }

    async fn send(&mut self, mail: &EhloMail) {
        deliver(&mut self.0, mail).await;
    }
}

// What only does what cannot be avoided, with the octets of each mail prepared.

/// The next envelope goes out behind the content: a round trip for each mail.
pub(crate) struct Bare(TcpStream);

/// The flights of the pipelining that every client may do: two round trips for each mail.
pub(crate) struct BarePipelined(Bare);

/// A command, and its reply.
pub(crate) struct BareLockStep(Bare);

/// Chunks in a row, so many mails in a write; replies are counted as they come.
pub(crate) struct BareBdat<const AT_ONCE: usize>(Bare);

/// Nothing but the stream of rustls.
pub(crate) struct BareTls(tokio_rustls::client::TlsStream<TcpStream>);

const BUFFER: usize = 4 * 1024;

pub(crate) struct Octets {
    mail: Vec<u8>,
    recipients: Vec<Vec<u8>>,
    data: &'static [u8],
    content: Vec<u8>,
    /// The first mail of many: up to the reply to DATA.
    first: Vec<u8>,
    /// The content, and the envelope of the next.
    step: Vec<u8>,
    /// A mail over BDAT.
    chunk: Vec<u8>,
}

impl Octets {
    fn new(mail: &Plain) -> Self {
        let command = format!("MAIL FROM:<{}> BODY=8BITMIME\r\n", Plain::SENDER).into_bytes();
        let recipients: Vec<_> =
            mail.to().map(|to| format!("RCPT TO:<{to}>\r\n").into_bytes()).collect();
        let data = &b"DATA\r\n"[..];
        let envelope = [&command[..], &recipients.concat()].concat();
        let first = [&envelope[..], data].concat();
        let content = [&mail.content[..], b".\r\n"].concat();
        let mut chunk = envelope;
        write!(chunk, "BDAT {} LAST\r\n", mail.content.len()).unwrap();
        chunk.extend_from_slice(&mail.content);
        let step = [&content[..], &first].concat();
        Self { mail: command, recipients, data, content, first, step, chunk }
    }
}

/// How many lines end in what is read next. What it is read into is not cleared before.
async fn lines(stream: &mut (impl AsyncRead + Unpin)) -> usize {
    let mut octets = [const { MaybeUninit::uninit() }; BUFFER];
    let mut octets = ReadBuf::uninit(&mut octets);
    poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut octets)).await.unwrap();
    assert!(!octets.filled().is_empty(), "it closed");
    memchr::memchr_iter(b'\n', octets.filled()).count()
}

impl Bare {
    async fn open(port: u16, nodelay: bool) -> Self {
        let mut bare = Self(stream(port, nodelay).await);
        bare.hear(1).await;
        bare.say(
            b"EHLO localhost\r\n",
            crate::sink::EHLO.split(|octet| *octet == b'\n').count() - 1,
        )
        .await;
        bare
    }

    async fn say(&mut self, octets: &[u8], replies: usize) {
        self.0.write_all(octets).await.unwrap();
        self.hear(replies).await;
    }

    async fn hear(&mut self, mut replies: usize) {
        while replies > 0 {
            replies -= lines(&mut self.0).await;
        }
    }
}

impl Client for Bare {
    type Mail = Octets;

    fn prepare(mail: &Plain) -> Octets {
        Octets::new(mail)
    }

    async fn connect(port: u16, nodelay: bool) -> Self {
        Self::open(port, nodelay).await
    }

    async fn send(&mut self, mail: &Octets) {
        self.send_many(mail, 1).await;
    }

    async fn send_many(&mut self, mail: &Octets, mails: usize) {
        let envelope = mail.recipients.len() + 2;
        self.say(&mail.first, envelope).await;
        for _ in 1..mails {
            self.say(&mail.step, 1 + envelope).await;
        }
        self.say(&mail.content, 1).await;
    }
}

impl Client for BarePipelined {
    type Mail = Octets;

    fn prepare(mail: &Plain) -> Octets {
        Octets::new(mail)
    }

    async fn connect(port: u16, nodelay: bool) -> Self {
        Self(Bare::open(port, nodelay).await)
    }

    async fn send(&mut self, mail: &Octets) {
        self.0.say(&mail.first, mail.recipients.len() + 2).await;
        self.0.say(&mail.content, 1).await;
    }
}

impl Client for BareLockStep {
    type Mail = Octets;

    fn prepare(mail: &Plain) -> Octets {
        Octets::new(mail)
    }

    async fn connect(port: u16, nodelay: bool) -> Self {
        Self(Bare::open(port, nodelay).await)
    }

    async fn send(&mut self, mail: &Octets) {
        self.0.say(&mail.mail, 1).await;
        for recipient in &mail.recipients {
            self.0.say(recipient, 1).await;
        }
        self.0.say(mail.data, 1).await;
        self.0.say(&mail.content, 1).await;
    }
}

impl<const AT_ONCE: usize> Client for BareBdat<AT_ONCE> {
    type Mail = Octets;

    fn prepare(mail: &Plain) -> Octets {
        Octets::new(mail)
    }

    async fn connect(port: u16, nodelay: bool) -> Self {
        Self(Bare::open(port, nodelay).await)
    }

    async fn send(&mut self, mail: &Octets) {
        self.0.say(&mail.chunk, mail.recipients.len() + 2).await;
    }

    async fn send_many(&mut self, mail: &Octets, mails: usize) {
        let (mut reader, mut writer) = self.0.0.split();
        let block = mail.chunk.repeat(AT_ONCE.min(mails));
        let write = async {
            let mut left = mails * mail.chunk.len();
            while left > 0 {
                let piece = left.min(block.len());
                writer.write_all(&block[..piece]).await.unwrap();
                left -= piece;
            }
        };
        let read = async {
            let mut replies = mails * (mail.recipients.len() + 2);
            while replies > 0 {
                replies -= lines(&mut reader).await;
            }
        };
        tokio::join!(write, read);
    }
}

impl Client for BareTls {
    type Mail = ();

    fn prepare(_: &Plain) {}

    async fn connect(port: u16, nodelay: bool) -> Self {
        let connector = tokio_rustls::TlsConnector::from(tls_config());
        let name = "localhost".try_into().unwrap();
        let mut stream = connector.connect(name, stream(port, nodelay).await).await.unwrap();
        let mut buffer = [0; BUFFER];
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
        stream.write_all(b"EHLO localhost\r\n").await.unwrap();
        stream.flush().await.unwrap();
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
        Self(stream)
    }

    async fn send(&mut self, (): &()) {
        unreachable!("{:?} sends nothing", self.0);
    }
}

/// One for all connections, as a program has it; any certificate will do.
pub(crate) fn tls_config() -> Arc<tokio_rustls::rustls::ClientConfig> {
    use tokio_rustls::rustls::{ClientConfig, crypto::ring::default_provider};

    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let make = || {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_no_client_auth();
        Arc::new(config)
    };
    CONFIG.get_or_init(make).clone()
}

#[derive(Debug)]
struct Anybody;

mod anybody {
    use tokio_rustls::rustls::client::danger::{
        HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
    };
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use tokio_rustls::rustls::{DigitallySignedStruct, Error, SignatureScheme, crypto};

    impl ServerCertVerifier for super::Anybody {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
        }
    }
}

// The peers.

pub(crate) struct Lettre(lettre::transport::smtp::client::AsyncSmtpConnection);

impl Client for Lettre {
    type Mail = (lettre::address::Envelope, Vec<u8>);

    fn prepare(mail: &Plain) -> Self::Mail {
        let to = mail.to().map(|to| to.parse().unwrap()).collect();
        let from = Some(Plain::SENDER.parse().unwrap());
        (lettre::address::Envelope::new(from, to).unwrap(), mail.content.clone())
    }

    async fn connect(port: u16, nodelay: bool) -> Self {
        use lettre::transport::smtp::client::AsyncSmtpConnection;

        let name = lettre::transport::smtp::extension::ClientId::Domain("localhost".to_owned());
        Self(if nodelay {
            let stream = Box::new(stream(port, nodelay).await);
            AsyncSmtpConnection::connect_with_transport(stream, &name).await.unwrap()
        } else {
            let server = ("127.0.0.1", port);
            AsyncSmtpConnection::connect_tokio1(server, None, &name, None, None).await.unwrap()
        })
    }

    async fn send(&mut self, (envelope, content): &Self::Mail) {
        assert!(self.0.send(envelope, content).await.unwrap().is_positive());
    }
}

pub(crate) struct AsyncSmtp(async_smtp::SmtpTransport<BufReader<TcpStream>>);

impl Client for AsyncSmtp {
    type Mail = (async_smtp::Envelope, Vec<u8>);

    fn prepare(mail: &Plain) -> Self::Mail {
        let address = |text: String| async_smtp::EmailAddress::new(text).unwrap();
        let to = mail.to().map(address).collect();
        let from = Some(address(Plain::SENDER.to_owned()));
        (async_smtp::Envelope::new(from, to).unwrap(), mail.content.clone())
    }

    async fn connect(port: u16, nodelay: bool) -> Self {
        let stream = BufReader::new(stream(port, nodelay).await);
        let client = async_smtp::SmtpClient::new();
        Self(async_smtp::SmtpTransport::new(client, stream).await.unwrap())
    }

    async fn send(&mut self, (envelope, content): &Self::Mail) {
        // It wants both for itself.
        let mail = async_smtp::SendableEmail::new(envelope.clone(), content.clone());
        assert!(self.0.send(mail).await.unwrap().is_positive());
    }
}

pub(crate) struct MailSend(mail_send::SmtpClient<TcpStream>);

impl Client for MailSend {
    type Mail = (Vec<String>, Vec<u8>);

    fn prepare(mail: &Plain) -> Self::Mail {
        (mail.to().collect(), mail.content.clone())
    }

    async fn connect(port: u16, nodelay: bool) -> Self {
        let stream = stream(port, nodelay).await;
        let timeout = Duration::from_secs(300);
        let mut client = mail_send::SmtpClient { stream, timeout };
        assert_eq!(client.read().await.unwrap().code, 220);
        client.ehlo("localhost").await.unwrap();
        Self(client)
    }

    async fn send(&mut self, (recipients, content): &Self::Mail) {
        use mail_send::smtp::message::Message;

        let to = recipients.iter().map(|to| &to[..]);
        let message = Message::new(Plain::SENDER, to, &content[..]);
        assert_eq!(self.0.send(message).await.unwrap().code, 250);
    }
}

pub(crate) struct IoSmtp(io_smtp::client::SmtpClientStd);

type Paths =
    (io_smtp::rfc5321::SmtpReversePath<'static>, Vec<io_smtp::rfc5321::SmtpForwardPath<'static>>);

impl Client for IoSmtp {
    type Mail = (Paths, Vec<u8>);

    const BLOCKS: bool = true;

    fn prepare(mail: &Plain) -> Self::Mail {
        let to = mail.to().map(|to| io_mailbox(&to).into()).collect();
        ((io_mailbox(Plain::SENDER).into(), to), mail.content.clone())
    }

    async fn connect(port: u16, nodelay: bool) -> Self {
        use io_smtp::client::{SmtpClient as _, SmtpClientStd};
        use io_smtp::rfc5321::SmtpDomain;

        let stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(nodelay).unwrap();
        let mut client = SmtpClientStd::new(stream);
        client.greeting().unwrap();
        client.ehlo(SmtpDomain("localhost".into()).into()).unwrap();
        Self(client)
    }

    async fn send(&mut self, ((from, to), content): &Self::Mail) {
        use io_smtp::client::SmtpClient as _;

        let sent = self.0.send(from.clone(), to.clone(), content.clone(), Default::default());
        sent.unwrap();
    }
}

pub(crate) fn io_mailbox(address: &str) -> io_smtp::rfc5321::SmtpMailbox<'static> {
    use io_smtp::rfc5321::{SmtpDomain, SmtpLocalPart, SmtpMailbox};

    let (local, domain) = address.split_once('@').unwrap();
    SmtpMailbox {
        local_part: SmtpLocalPart(local.to_owned().into()),
        domain: SmtpDomain(domain.to_owned().into()).into(),
    }
}
