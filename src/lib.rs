//! SMTP and LMTP conversations, for programs that send mail, relay it, test servers by hand, or
//! watch them.
//!
//! ```text
//!     probe     testing         tests a server; and servers for tests
//!          \     |
//!           net                 sockets, TLS, the clock: tokio and rustls
//!            |
//!         protocol              the order: a session over bytes, no socket, no clock
//!         /      \
//!   extension    auth           one file an extension, one a SASL mechanism
//!         \      /
//!           wire                bytes to values and back
//! ```
//!
//! # Send a mail
//!
//! TLS is required and verified unless something weaker is asked for by name.
//!
//! ```no_run
//! # async fn example(message: &[u8]) -> Result<(), ehlo::Error> {
//! use ehlo::{Connector, Envelope};
//!
//! let mut client = Connector::new("mail.example.org") // STARTTLS on port 587
//!     .credentials("alice", "wonderland")
//!     .connect()
//!     .await?;
//! let envelope = Envelope::new("alice@example.org", ["bob@example.net", "eve@example.net"])?;
//! let delivery = client.send(&envelope, message).await?;
//! for recipient in delivery.recipients() {
//!     println!("{}: {}", recipient.mailbox(), recipient.outcome());
//! }
//! client.quit().await?;
//! # Ok(())
//! # }
//! ```
//!
//! LMTP goes the same way, over TCP or a Unix socket (`Connector::unix`);
//! [`send_watched`](Client::send_watched) tells each recipient's outcome as it comes.
//!
//! # The same, stage by stage
//!
//! RCPT before MAIL, or anything after the end of the content, does not compile: see [`Client`].
//!
//! ```no_run
//! # async fn example(mut client: ehlo::Client) -> Result<(), ehlo::Error> {
//! let mut mail = client.mail("alice@example.org").await?;
//! for to in ["bob@example.net", "eve@example.net"] {
//!     let reply = mail.rcpt(to).await?; // a refusal is a reply, too
//!     println!("{to}: {reply}");
//! }
//! let mut body = mail.data().await?;
//! body.write(b"Subject: hello\r\n\r\n").await?;
//! let delivery = body.finish_with(b"Hello!\r\n").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Many mails
//!
//! [`Client::send_each`] takes a stream of mails and gives the delivery of each, over one connection;
//! a [`Source`] is content that is read while it is sent.
//!
//! ```no_run
//! # async fn example(
//! #     mut client: ehlo::Client,
//! #     mails: impl futures_core::Stream<Item = ehlo::Mail<'static>> + Send,
//! # ) {
//! let mut deliveries = client.send_each(mails).then_quit();
//! while let Some(sent) = deliveries.next().await {
//!     println!("{} have it; {:?}", sent.delivery.accepted_count(), sent.error);
//! }
//! # }
//! ```
//!
//! # Every reply in your hands
//!
//! What one would type into telnet: a [`Conversation`].
//!
//! ```no_run
//! # async fn example(stream: tokio::net::TcpStream) -> Result<(), ehlo::Error> {
//! use ehlo::{Command, Conversation};
//!
//! let mut smtp = Conversation::open(stream).await?; // reads the greeting
//! let reply = smtp.say(&Command::ehlo("client.example.org")?).await?;
//! println!("{reply:#}");
//! // out of order: an error, and nothing was sent
//! assert!(smtp.say(&Command::data()).await.is_err());
//! # Ok(())
//! # }
//! ```
//!
//! # What is wrong with this server?
//!
//! A `Probe` (feature `probe`) takes the steps one after the other, leaves no mail behind, and says
//! at which one the server fails, why, and what to do about it.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use ehlo::{Probe, Stage};
//!
//! let report = Probe::new("mx.example.org")
//!     .sender("alice@example.net")
//!     .recipient("bob@example.org")
//!     .stop_after(Stage::Rcpt)
//!     .run()
//!     .await;
//! println!("{report}");
//! std::fs::write("report.html", report.to_html())?; // a page, with the conversation as a diagram
//! # Ok(())
//! # }
//! ```
//!
//! A `RelayTest` asks whether a server relays for strangers, an `Audit` what it takes that it should
//! not.
//!
//! # No runtime at all
//!
//! A [`Session`] takes octets and gives octets. Whoever holds the socket polls it and does what the
//! [`Step`] says, over a stream of std with [`write_to`](Session::write_to) and
//! [`read_from`](Session::read_from); [`Dispatch`] sends a mail over it, [`Exchange`]
//! authenticates. Each has an example, and `examples/blocking.rs` is a whole program.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `net` | yes | the tokio driver: [`Client`], [`Conversation`], [`Connector`] |
//! | `tls` | yes | TLS by tokio-rustls |
//! | `aws-lc-rs` | yes | its crypto provider |
//! | `ring` | | another one; with both, aws-lc-rs is used unless [`Crypto::Ring`] is named |
//! | `scram` | | AUTH by SCRAM (SHA-1, -256, -512, each with -PLUS) and CRAM-MD5 |
//! | `proxy` | | reaches servers through SOCKS5 and HTTP proxies, and sends a PROXY header |
//! | `x509` | | what is written in a server's certificates, in `TlsInfo` and in errors |
//! | `idna` | | non-ASCII domains become A-labels; without it they are refused |
//! | `probe` | | tests a server stage by stage: `Probe`, `Report`, `Diagnosis`; `RelayTest`, `Audit` |
//! | `dns` | | `DnsResolver`, which asks DNS for MX, by hickory-resolver |
//! | `serde` | | reports of the probe serialize |
//! | `tracing` | | a span per session, an event per reply, no secret |
//! | `metrics` | | what [`Monitor`] sees as numbers, through the `metrics` facade; turns on `probe` |
//! | `testing` | | a mail server for the tests of those who use the crate: `ehlo::testing::Server`; turns on `tls`, `aws-lc-rs` and `scram` |

#![cfg_attr(not(feature = "net"), allow(dead_code, reason = "some helpers serve the driver alone"))]

mod auth;
mod error;
mod extension;
#[cfg(feature = "net")]
mod net;
#[cfg(feature = "probe")]
mod probe;
mod protocol;
#[cfg(feature = "testing")]
pub mod testing;
mod wire;

pub use auth::{
    AuthFault, Candidate, ChannelBinding, Credentials, Mechanism, Offer, TokenRefusal, Unused,
};
pub use error::{Error, ErrorKind};
pub use extension::{
    Atrn, Auth, BinaryMime, BodyType, Burl, ByTime, Capabilities, Checkpoint, Chunking, Conneg,
    Conperm, DeliverBy, Dsn, EightBitMime, EnhancedStatusCodes, EnvelopeId, Etrn, Extension,
    FutureRelease, Hold, Keyword, MailParam, MtPriority, Mtrk, NoSoliciting, Notify,
    OriginalRecipient, Pipelining, Prdr, Priority, RcptParam, RequireTls, ReturnContent, Rrvs,
    ServerLimits, Size, SmtpUtf8, StartTls, Submitter, ValidSince, Xclient, Xforward, Xverp,
};
#[cfg(feature = "x509")]
pub use net::CertificateDetails;
#[cfg(feature = "dns")]
pub use net::DnsResolver;
#[cfg(feature = "net")]
pub use net::{
    Body, Client, ConnectAttempt, ConnectFailure, ConnectFault, Connector, Content, Conversation,
    Deliveries, HeloPolicy, InClear, InvalidSecurity, InvalidUrl, Mail, MailHosts, MxHost,
    Progress, Resolve, ResolveFault, Resolving, Security, Sent, Source, SystemResolver, Timeouts,
    Transaction, Transfer,
};
#[cfg(feature = "tls")]
pub use net::{
    ClientCertificate, Crypto, DangerousConnector, InvalidClientCertificate, InvalidPin,
    InvalidRevocationLists, InvalidRoots, PeerCertificate, Pin, RevocationLists, RootCertificates,
    TlsFault, TlsInfo, TlsReason, TlsVersion, Trust, TrustedBy,
};
#[cfg(feature = "proxy")]
pub use net::{Proxy, ProxyFault, ProxyHeader, ProxyReason, ProxyStep};
#[cfg(feature = "probe")]
pub use probe::{
    Audit, AuditCheck, AuditFinding, AuditReport, AuditSeverity, Change, CheckOutcome, CheckReport,
    Confidence, Degradation, Diagnosis, DiagnosisKind, FilteredBy, Health, Monitor, MonitorEvent,
    Nagios, NagiosLimits, NagiosStatus, Probe, QuirkReport, RelayAttempt, RelayForm, RelayOutcome,
    RelayReport, RelayTest, RelayVerdict, Report, Skipped, StageOutcome, StageReport, Verdict,
    Watched,
};
pub use protocol::{
    Delivery, Dispatch, Due, Envelope, Event, Exchange, InvalidEnvelope, Misuse, Needs, Outcome,
    Phase, Protection, Protocol, Recipient, Refusal, Session, SessionConfig, Stage, Step, Ticket,
    Transcript, Unmet, Violation,
};
pub use wire::{
    AbsoluteUri, AddressLiteral, Answer, AttributeValue, ClientName, Code, Command, CommandError,
    ContentFault, Domain, EnhancedCode, Escaped, EtrnNode, Expansion, Foreign, ForwardPath,
    GeneralLiteral, Host, InvalidEnhancedCode, InvalidValue, Limits, LineBuffer, LineEndings,
    LineTooLong, Lines, Listed, LocalPart, Mailbox, MechanismName, Param, Piece, QueueName,
    QueueRun, Quirk, Quirks, Raw, Reply, ReplyBuffer, ReplyError, ReplyFault, ReplyKind, ReplyRef,
    Retry, ReversePath, Scan, Scanner, Secret, Severity, Status, Strictness, Stuffer, Text, Verb,
    Verification, WireLines, XclientAttribute, XclientName, XforwardAttribute, XforwardName,
    unescape,
};
