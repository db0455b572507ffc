//! Every cause that a diagnosis can name, with what is known of it. The sentences stand in `cause`
//! and `advice`, what leads to a kind in the files beside.

use std::net::SocketAddr;
use std::time::Duration;

use crate::protocol::Stage;
use crate::wire::Code;

/// What is the likely cause, for programs.
///
/// Texts in it that came from a server, and names that a caller gave, are escaped as
/// [`Escaped`](crate::Escaped) does: they can be shown as they are. Times are seconds since
/// 1970-01-01 00:00 UTC.
///
/// ```
/// use ehlo::{Diagnosis, DiagnosisKind, Stage};
///
/// let reply = "451 4.7.1 Greylisted, please try again in 300 seconds".parse()?;
/// let diagnosis = Diagnosis::of_refusal(Stage::Rcpt, &reply);
/// match diagnosis.kind() {
///     DiagnosisKind::Greylisted { retry_after, .. } => {
///         assert_eq!(retry_after.map(|after| after.as_secs()), Some(300));
///     }
///     other => panic!("{other:?}"),
/// }
/// assert_eq!(diagnosis.kind().name(), "greylisted");
/// # Ok::<(), ehlo::ReplyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiagnosisKind {
    // Finding the server.
    /// The name does not exist.
    #[non_exhaustive]
    HostUnknown {
        /// The name.
        host: String,
    },
    /// The name exists, and has no address.
    #[non_exhaustive]
    NoAddress {
        /// The name.
        host: String,
        /// Whether it was asked for MX records, and has none either.
        is_without_mx: bool,
    },
    /// The domain says in DNS that it takes no mail (RFC 7505).
    #[non_exhaustive]
    NullMx {
        /// The domain.
        domain: String,
    },
    /// The resolver failed or was silent: nothing is known of the name.
    #[non_exhaustive]
    LookupFailed {
        /// The name.
        host: String,
    },

    // Reaching it.
    /// None of the domain's MX hosts can be reached.
    #[non_exhaustive]
    HostsUnreachable {
        /// The domain.
        domain: String,
        /// Its MX hosts, in the order tried.
        hosts: Vec<String>,
    },
    /// The host is there, and nothing listens on the port.
    #[non_exhaustive]
    ConnectionRefused {
        /// Those that refused; empty for a Unix socket.
        addresses: Vec<SocketAddr>,
    },
    /// Nothing answers: the octets are dropped on their way.
    #[non_exhaustive]
    PortFiltered {
        /// Those that were silent.
        addresses: Vec<SocketAddr>,
        /// Who drops them.
        by: FilteredBy,
    },
    /// There is no route to the host.
    #[non_exhaustive]
    NetworkUnreachable {
        /// The addresses that cannot be reached.
        addresses: Vec<SocketAddr>,
    },
    /// The connection could not be made for a reason that the system tells.
    ConnectFailed,
    /// The local address to connect from cannot be used.
    SourceAddressUnusable,
    /// The proxy did not connect to the server.
    ProxyFailed,

    // Greeting.
    /// The server closed the connection before its greeting.
    ClosedBeforeGreeting,
    /// The server took the connection and says nothing.
    #[non_exhaustive]
    SilentPort {
        /// How long its greeting was waited for.
        after: Duration,
    },
    /// The port speaks TLS from the first octet on, and was spoken to in clear.
    #[non_exhaustive]
    ImplicitTlsExpected {
        /// The port, where it is known.
        port: Option<u16>,
    },
    /// The port speaks another protocol.
    #[non_exhaustive]
    NotSmtp {
        /// `HTTP`, `SSH`, `IMAP`, `POP3`, `FTP`; none where it is none of those.
        protocol: Option<&'static str>,
    },
    /// The server is busy or in maintenance.
    #[non_exhaustive]
    ServerBusy {
        /// What it said.
        code: Code,
    },
    /// There are too many connections, from this client or at all.
    #[non_exhaustive]
    TooManyConnections {
        /// When to come back, where the server says so.
        retry_after: Option<Duration>,
    },
    /// The client spoke before it was its turn, or the server believes so.
    ClientTooEarly,
    /// The server does not let this client in, and does not say why in words that are known.
    #[non_exhaustive]
    ClientRefused {
        /// What it said.
        code: Code,
        /// Where it explains itself.
        link: Option<String>,
    },
    /// The host takes no mail at all (RFC 7504).
    NoMailService,

    // EHLO.
    /// The name that the client calls itself is not accepted.
    #[non_exhaustive]
    ClientNameRefused {
        /// What it was refused with.
        code: Code,
    },
    /// The client's address has no name in reverse DNS, or one that does not fit.
    #[non_exhaustive]
    NoReverseDns {
        /// Where the server explains itself.
        link: Option<String>,
    },
    /// The server knows HELO at most.
    EhloUnsupported,

    // TLS.
    /// The server does not offer STARTTLS.
    StartTlsMissing,
    /// The server offers STARTTLS and refuses it.
    #[non_exhaustive]
    StartTlsRefused {
        /// What it was refused with.
        code: Code,
    },
    /// The server wants TLS before the command.
    TlsRequired,
    /// TLS was spoken from the first octet on, to a port that greets in clear.
    StartTlsExpected,
    /// The server answered TLS with something else.
    #[non_exhaustive]
    TlsNotSpoken {
        /// The start of what it sent.
        heard: String,
    },
    /// The certificate has expired.
    #[non_exhaustive]
    CertificateExpired {
        /// Whose it is, where it is not the server's own but one in between.
        subject: Option<String>,
        /// The end of its validity.
        not_after: Option<u64>,
    },
    /// The certificate is not valid yet.
    #[non_exhaustive]
    CertificateNotYetValid {
        /// Whose it is, where it is not the server's own but one in between.
        subject: Option<String>,
        /// The start of its validity.
        not_before: Option<u64>,
    },
    /// The certificate is for another name.
    #[non_exhaustive]
    CertificateWrongName {
        /// The name that was asked for.
        expected: Option<String>,
        /// Names and addresses that the certificate has.
        presented: Vec<String>,
    },
    /// The issuer of the certificate is not trusted, or the chain is not whole.
    #[non_exhaustive]
    CertificateUntrusted {
        /// Who signed the last certificate that was sent; with the feature `x509`.
        issuer: Option<String>,
    },
    /// The certificate is self-signed.
    CertificateSelfSigned,
    /// The certificate is one of an authority.
    CertificateIsAuthority,
    /// The certificate was withdrawn.
    CertificateRevoked,
    /// A revocation list that was given is out of date.
    #[non_exhaustive]
    RevocationListStale {
        /// By when its issuer promised another.
        next_update: Option<u64>,
    },
    /// The certificate is none of those that are pinned.
    CertificateNotPinned,
    /// The certificate was not accepted for another reason.
    CertificateRefused,
    /// Both sides have no version of TLS in common.
    #[non_exhaustive]
    TlsVersionMismatch {
        /// The one that the server chose, such as `TLS 1.0`.
        chosen: Option<&'static str>,
        /// The oldest that is allowed here, such as `TLS 1.2`; none where it is not known.
        minimum: Option<&'static str>,
    },
    /// The server ended TLS with an alert.
    #[non_exhaustive]
    TlsAlert {
        /// Such as `handshake failure`.
        alert: String,
    },
    /// The server closed the connection during the handshake.
    TlsClosed,
    /// The handshake was not done in time.
    #[non_exhaustive]
    TlsTimedOut {
        /// How long it was waited for.
        after: Duration,
    },
    /// This system has no trusted root certificates.
    NoTrustedRoots,
    /// The handshake failed for another reason.
    TlsFailed,

    // AUTH.
    /// The server does not offer AUTH.
    AuthNotOffered,
    /// The server offers AUTH over TLS alone, or the client sends its secret over TLS alone.
    AuthNeedsTls,
    /// The server offers no mechanism that can be used.
    #[non_exhaustive]
    MechanismMissing {
        /// What it offers.
        offered: Vec<String>,
    },
    /// The server refuses the mechanism.
    MechanismRefused,
    /// User or password are wrong.
    WrongCredentials,
    /// The token was refused.
    TokenRefused,
    /// The account wants a password of its own for programs.
    #[non_exhaustive]
    AppPasswordRequired {
        /// Where the server explains how to get one.
        link: Option<String>,
    },
    /// The account is locked or disabled.
    AccountLocked,
    /// Logging in over SMTP is switched off for the account.
    #[non_exhaustive]
    AuthDisabled {
        /// Where the server explains how to switch it on.
        link: Option<String>,
    },
    /// There were too many attempts to log in.
    #[non_exhaustive]
    AuthThrottled {
        /// When to come back, where the server says so.
        retry_after: Option<Duration>,
    },
    /// The password has to be changed or stored anew.
    PasswordExpired,
    /// The server cannot check credentials now.
    AuthUnavailable,
    /// The dialogue of AUTH went wrong.
    AuthFailed,
    /// The server wants a login before it takes mail.
    AuthenticationRequired,

    // Sender.
    /// The sender is refused.
    #[non_exhaustive]
    SenderRefused {
        /// What it was refused with.
        code: Code,
    },
    /// The sender's domain does not exist, or has neither MX nor address.
    SenderDomainUnknown,
    /// The sender's domain says in DNS that it takes no mail (RFC 7505).
    SenderNullMx,
    /// Whoever is logged in may not send as this sender.
    SenderNotOwned,
    /// SPF: the sender's domain does not let this client send for it.
    #[non_exhaustive]
    SpfFailed {
        /// Where the server explains itself.
        link: Option<String>,
    },
    /// DKIM: there is no signature that will do.
    #[non_exhaustive]
    DkimFailed {
        /// Where the server explains itself.
        link: Option<String>,
    },
    /// DMARC: the author's domain has such mails refused.
    #[non_exhaustive]
    DmarcFailed {
        /// Where the server explains itself.
        link: Option<String>,
    },
    /// Neither SPF nor DKIM vouches for the mail, and the server wants one of them.
    #[non_exhaustive]
    SenderUnauthenticated {
        /// Where the server explains itself.
        link: Option<String>,
    },

    // Recipient.
    /// The server does not take mail for this recipient's domain from this client.
    RelayDenied,
    /// The recipient does not exist.
    UnknownRecipient,
    /// The recipient's domain does not exist or has no mail server.
    RecipientDomainUnknown,
    /// The recipient's domain says in DNS that it takes no mail (RFC 7505).
    RecipientNullMx,
    /// The recipient's mailbox is disabled.
    MailboxDisabled,
    /// The recipient's mailbox is full.
    MailboxFull,
    /// The recipient does not take mail from this sender.
    RecipientRestricted,
    /// The mail has more recipients than the server takes in one.
    TooManyRecipients,
    /// The address is not written as the server wants it.
    AddressMalformed,
    /// The server cannot take the address or header since it is not ASCII.
    NotAscii,

    // Policy.
    /// A first attempt is put off on purpose; a later one will be taken.
    #[non_exhaustive]
    Greylisted {
        /// When to try again, where the server says so.
        retry_after: Option<Duration>,
    },
    /// The client or sender sends too much, or too fast.
    #[non_exhaustive]
    RateLimited {
        /// When to come back, where the server says so.
        retry_after: Option<Duration>,
        /// Where the server explains itself.
        link: Option<String>,
    },
    /// The client's address or the sender's domain is on a block list, or has a poor reputation.
    #[non_exhaustive]
    Listed {
        /// The list: its usual name, or its zone; none where the server does not say.
        list: Option<String>,
        /// Where to ask or to be taken off.
        link: Option<String>,
    },
    /// The server refuses by a policy that it does not name in words that are known.
    #[non_exhaustive]
    PolicyRefusal {
        /// What it was refused with.
        code: Code,
        /// Where the server explains itself.
        link: Option<String>,
    },

    // Content.
    /// The mail is larger than the server takes.
    #[non_exhaustive]
    MessageTooLarge {
        /// Octets that it takes, where it says so.
        limit: Option<u64>,
    },
    /// The content is taken for spam.
    #[non_exhaustive]
    SpamRefused {
        /// Where the server explains itself.
        link: Option<String>,
    },
    /// A virus was found.
    VirusFound,
    /// An attachment is of a kind that the server does not take.
    #[non_exhaustive]
    AttachmentRefused {
        /// Where the server explains itself.
        link: Option<String>,
    },
    /// The mail is not built as the server wants it: a header field is missing or malformed.
    MessageMalformed,
    /// A line of the content is longer than the server takes.
    LineTooLong,
    /// The mail has been through too many servers.
    RoutingLoop,
    /// The content is refused for another reason.
    #[non_exhaustive]
    ContentRefused {
        /// What it was refused with.
        code: Code,
        /// Where the server explains itself.
        link: Option<String>,
    },

    // The server's own trouble, and what it does not understand.
    /// The server has no room left.
    StorageFull,
    /// Something behind the server failed.
    #[non_exhaustive]
    ServerTrouble {
        /// What it said.
        code: Code,
    },
    /// The server does not know the command, or not here.
    #[non_exhaustive]
    CommandRefused {
        /// The stage of the command.
        stage: Stage,
        /// What it was refused with.
        code: Code,
    },
    /// The server does not know a parameter, though it may have offered it.
    #[non_exhaustive]
    ParameterRefused {
        /// What it was refused with.
        code: Code,
    },
    /// The server has had enough of this client's mistakes.
    TooManyErrors,
    /// Not now, without a reason that is known.
    #[non_exhaustive]
    TemporaryRefusal {
        /// What was refused.
        stage: Stage,
        /// What it was refused with.
        code: Code,
        /// When to try again, where the server says so.
        retry_after: Option<Duration>,
    },
    /// No, without a reason that is known.
    #[non_exhaustive]
    PermanentRefusal {
        /// What was refused.
        stage: Stage,
        /// What it was refused with.
        code: Code,
    },

    // What happens at any stage.
    /// The server closed the connection in the middle.
    #[non_exhaustive]
    ClosedMidway {
        /// What was waited for.
        stage: Stage,
    },
    /// The connection broke.
    #[non_exhaustive]
    ConnectionBroken {
        /// What was waited for.
        stage: Stage,
    },
    /// The server has stopped answering.
    #[non_exhaustive]
    Silence {
        /// What was waited for.
        stage: Stage,
        /// How long.
        after: Duration,
    },
    /// The server ended the session with 421, without a reason that is known.
    #[non_exhaustive]
    SessionEnded {
        /// When.
        stage: Stage,
    },
    /// The server broke the protocol.
    #[non_exhaustive]
    ProtocolViolation {
        /// The rule, in words, with its section.
        rule: &'static str,
        /// The line, or the start of what broke it.
        line: String,
    },

    // This side.
    /// The server does not offer what is asked of it.
    #[non_exhaustive]
    Unsupported {
        /// The EHLO keyword.
        keyword: String,
    },
    /// The server takes no more over this connection, or in one mail (RFC 9422).
    #[non_exhaustive]
    LimitReached {
        /// `MAILMAX`, `RCPTMAX` or `RCPTDOMAINMAX`.
        limit: &'static str,
        /// What it offered.
        most: u32,
    },
    /// The content cannot be sent as it is, or could not be read.
    ContentUnsendable,
    /// The call itself cannot be made: a setting or an order of steps that will not do.
    CallerMistake,
    /// The reply is no refusal: there is nothing to explain.
    #[non_exhaustive]
    NotARefusal {
        /// What the server said.
        code: Code,
    },
}

/// Who drops the octets on the way to a port that does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FilteredBy {
    /// This network: other servers, which are known to be up, do not answer on it either.
    ThisNetwork,
    /// The server, or the network before it: others do answer.
    Server,
    /// It cannot be told: no other server was tried.
    Unknown,
}
