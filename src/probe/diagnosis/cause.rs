//! Each cause in one plain sentence. What the evidence says in its own words is put after it.

use std::borrow::Cow;
use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use super::{DiagnosisKind as Kind, FilteredBy, Told};
use crate::protocol::Stage;

/// The sentence.
pub(super) fn sentence(kind: &Kind, told: &Told) -> String {
    match told {
        Told::Nothing => format!("{}.", clause(kind)),
        Told::Reply(reply) => format!("{} (reply: \"{reply}\").", clause(kind)),
        // There are errors without words, and others that put a colon before them.
        Told::Fault(words) => match words.trim_end_matches([':', ' ']) {
            "" => format!("{}.", clause(kind)),
            words if says_it_all(kind) => capitalised(words) + ".",
            words => format!("{}: {words}.", clause(kind)),
        },
    }
}

/// Whether the words of the fault leave nothing to add.
const fn says_it_all(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::TlsNotSpoken { .. }
            | Kind::CertificateExpired { .. }
            | Kind::CertificateNotYetValid { .. }
            | Kind::CertificateWrongName { .. }
            | Kind::CertificateUntrusted { .. }
            | Kind::CertificateSelfSigned
            | Kind::CertificateIsAuthority
            | Kind::CertificateRevoked
            | Kind::RevocationListStale { .. }
            | Kind::CertificateNotPinned
            | Kind::CertificateRefused
            | Kind::TlsVersionMismatch { .. }
            | Kind::TlsAlert { .. }
            | Kind::TlsClosed
            | Kind::TlsTimedOut { .. }
            | Kind::NoTrustedRoots
            | Kind::TlsFailed
            | Kind::ProxyFailed
            | Kind::MechanismMissing { .. }
    )
}

fn capitalised(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The sentence without its end.
fn clause(kind: &Kind) -> Cow<'static, str> {
    let fixed = match kind {
        Kind::HostUnknown { host } => return format!("The name {host} does not exist").into(),
        Kind::NoAddress { host, is_without_mx: true } => {
            return format!("The name {host} has neither an MX record nor an address").into();
        }
        Kind::NoAddress { host, is_without_mx: false } => {
            return format!("The name {host} has no address").into();
        }
        Kind::NullMx { domain } => {
            return format!("The domain {domain} says in DNS that it takes no mail (null MX)")
                .into();
        }
        Kind::LookupFailed { host } => {
            return format!("The resolver gives no answer for the name {host}").into();
        }
        Kind::HostsUnreachable { domain, hosts } => {
            let hosts = list(hosts);
            return format!("None of the MX hosts of {domain} can be reached: {hosts}").into();
        }
        Kind::ConnectionRefused { addresses } => {
            return format!("Nothing listens{}: the connection was refused", at(addresses)).into();
        }
        Kind::PortFiltered { addresses, by } => return filtered(addresses, *by).into(),
        Kind::NetworkUnreachable { .. } => "There is no way to the server from here",
        Kind::ConnectFailed => "The connection could not be made",
        Kind::SourceAddressUnusable => "The local address to connect from cannot be used",
        Kind::ProxyFailed => "The proxy stands in the way",
        Kind::ClosedBeforeGreeting => {
            "The server closed the connection before its greeting, as one does that has listed \
             this client's address, has too many connections, or speaks TLS from the start"
        }
        Kind::SilentPort { after } => {
            return format!(
                "The server took the connection and said nothing for {}: it holds clients back, it \
                 speaks TLS from the start, or it is no mail server",
                plain(*after)
            )
            .into();
        }
        Kind::ImplicitTlsExpected { port: Some(port) } => {
            return format!(
                "Port {port} speaks TLS from the first octet on, and was spoken to in clear"
            )
            .into();
        }
        Kind::ImplicitTlsExpected { port: None } => {
            "The port speaks TLS from the first octet on, and was spoken to in clear"
        }
        Kind::NotSmtp { protocol: Some(protocol) } => {
            return format!("The port speaks {protocol} and not SMTP").into();
        }
        Kind::NotSmtp { protocol: None } => "What answers on the port is no mail server",
        Kind::ServerBusy { .. } => "The server is busy or in maintenance",
        Kind::TooManyConnections { .. } => "The server has too many connections",
        Kind::ClientTooEarly => "The server says that this client spoke before it was its turn",
        Kind::ClientRefused { .. } => "The server does not let this client in",
        Kind::NoMailService => "This host takes no mail",
        Kind::ClientNameRefused { .. } => {
            "The server does not accept the name that this client gives in EHLO"
        }
        Kind::NoReverseDns { .. } => {
            "The server finds no fitting name in reverse DNS for this client's address"
        }
        Kind::EhloUnsupported => "The server does not know EHLO",
        Kind::StartTlsMissing => "The server does not offer STARTTLS, and TLS is required here",
        Kind::StartTlsRefused { .. } => "The server offers STARTTLS and refuses it",
        Kind::TlsRequired => "The server wants TLS first",
        Kind::StartTlsExpected => {
            "The port greets in clear, and TLS was spoken from the first octet on"
        }
        Kind::TlsNotSpoken { .. }
        | Kind::CertificateExpired { .. }
        | Kind::CertificateNotYetValid { .. }
        | Kind::CertificateWrongName { .. }
        | Kind::CertificateUntrusted { .. }
        | Kind::CertificateSelfSigned
        | Kind::CertificateIsAuthority
        | Kind::CertificateRevoked
        | Kind::RevocationListStale { .. }
        | Kind::CertificateNotPinned
        | Kind::CertificateRefused
        | Kind::TlsVersionMismatch { .. }
        | Kind::TlsAlert { .. }
        | Kind::TlsClosed
        | Kind::TlsTimedOut { .. }
        | Kind::NoTrustedRoots
        | Kind::TlsFailed => "TLS could not be set up",
        Kind::AuthNotOffered => "The server does not offer AUTH here",
        Kind::AuthNeedsTls => {
            "Logging in needs TLS, and the connection is in clear or not verified"
        }
        Kind::MechanismMissing { .. } => "The server offers no way to log in that can be used",
        Kind::MechanismRefused => "The server refuses this way to log in",
        Kind::WrongCredentials => "The server does not accept user and password",
        Kind::TokenRefused => "There is no token that the server accepts",
        Kind::AppPasswordRequired { .. } => "The account wants a password made for this program",
        Kind::AccountLocked => "The account is locked or disabled",
        Kind::AuthDisabled { .. } => "Logging in over SMTP is switched off for the account",
        Kind::AuthThrottled { .. } => "There were too many attempts to log in",
        Kind::PasswordExpired => "The password has expired or has to be set anew",
        Kind::AuthUnavailable => "The server cannot check user and password now",
        Kind::AuthFailed => "The dialogue of logging in went wrong",
        Kind::AuthenticationRequired => "The server takes mail from those alone who log in",
        Kind::SenderRefused { .. } => "The server refuses the sender",
        Kind::SenderDomainUnknown => "The server finds no mail server for the sender's domain",
        Kind::SenderNullMx => "The sender's domain says in DNS that it takes no mail (null MX)",
        Kind::SenderNotOwned => "Whoever is logged in may not send as this sender",
        Kind::SpfFailed { .. } => "SPF: the sender's domain does not let this client send for it",
        Kind::DkimFailed { .. } => "DKIM: the mail has no signature that the server accepts",
        Kind::DmarcFailed { .. } => {
            "DMARC: the author's domain has mails refused that fail its checks"
        }
        Kind::SenderUnauthenticated { .. } => {
            "Neither SPF nor DKIM vouches for the mail, and the server wants that"
        }
        Kind::RelayDenied => {
            "The server does not take mail for the recipient's domain from this client"
        }
        Kind::UnknownRecipient => "The recipient does not exist on this server",
        Kind::RecipientDomainUnknown => {
            "The server finds no mail server for the recipient's domain"
        }
        Kind::RecipientNullMx => {
            "The recipient's domain says in DNS that it takes no mail (null MX)"
        }
        Kind::MailboxDisabled => "The recipient's mailbox is disabled",
        Kind::MailboxFull => "The recipient's mailbox is full",
        Kind::RecipientRestricted => "The recipient does not take mail from this sender",
        Kind::TooManyRecipients => "The mail has more recipients than the server takes in one",
        Kind::AddressMalformed => "The server does not accept how an address is written",
        Kind::NotAscii => "The server does not accept an address or header that is not ASCII",
        Kind::Greylisted { .. } => {
            "The server puts off whom it does not know yet (greylisting), and takes a later attempt"
        }
        Kind::RateLimited { .. } => "This client or sender sends more than the server allows",
        Kind::Listed { list: Some(list), .. } => {
            return format!("This client or sender is on a block list, {list}").into();
        }
        Kind::Listed { list: None, .. } => {
            "This client or sender is on a block list or has a poor reputation"
        }
        Kind::PolicyRefusal { .. } => "The server refuses by a policy of its own",
        Kind::MessageTooLarge { limit: Some(limit) } => {
            return format!("The mail is larger than the {limit} octets that the server takes")
                .into();
        }
        Kind::MessageTooLarge { limit: None } => "The mail is larger than the server takes",
        Kind::SpamRefused { .. } => "The server takes the mail for spam",
        Kind::VirusFound => "The server has found a virus in the mail",
        Kind::AttachmentRefused { .. } => {
            "The mail has an attachment of a kind that the server refuses"
        }
        Kind::MessageMalformed => "The mail is not built as the server wants it",
        Kind::LineTooLong => "The mail has a line that is longer than the server takes",
        Kind::RoutingLoop => "The mail goes round in a loop",
        Kind::ContentRefused { .. } => "The server refuses the content of the mail",
        Kind::StorageFull => "The server has no room left",
        Kind::ServerTrouble { .. } => "Something behind the server has failed",
        Kind::CommandRefused { stage, .. } => {
            return format!("The server does not know the command at {stage}, or not there").into();
        }
        Kind::ParameterRefused { .. } => "The server refuses a parameter of the command",
        Kind::TooManyErrors => "The server has counted too many errors of this client",
        Kind::TemporaryRefusal { stage, .. } => {
            return format!("The server said not now at {stage}").into();
        }
        Kind::PermanentRefusal { stage, .. } => {
            return format!("The server said no at {stage}").into();
        }
        Kind::ClosedMidway { stage: Stage::EndOfData } => {
            "The server closed the connection without saying whether it has taken the mail"
        }
        Kind::ClosedMidway { stage } => {
            return format!("The server closed the connection at {stage}").into();
        }
        Kind::ConnectionBroken { stage } => {
            return format!("The connection broke at {stage}").into();
        }
        Kind::Silence { stage, after } => {
            return format!("The server has not answered at {stage} for {}", plain(*after)).into();
        }
        Kind::SessionEnded { stage } => {
            return format!("The server ended the session at {stage}").into();
        }
        Kind::ProtocolViolation { rule, line } => {
            return format!("The server broke the rule that {rule}: it sent \"{line}\"").into();
        }
        Kind::Unsupported { keyword } => {
            return format!("The server does not offer {keyword}").into();
        }
        Kind::LimitReached { limit, most } => {
            return format!("The server takes no more: it offered {limit}={most}").into();
        }
        Kind::ContentUnsendable => "The content cannot be sent",
        Kind::CallerMistake => "This client was asked for what cannot be done",
        Kind::NotARefusal { .. } => "The server has refused nothing",
    };
    fixed.into()
}

fn filtered(addresses: &[SocketAddr], by: FilteredBy) -> String {
    let at = at(addresses);
    match by {
        FilteredBy::ThisNetwork => format!(
            "Nothing answers{at}, and servers known to be up do not answer on that port either: \
             this network blocks it"
        ),
        FilteredBy::Server => format!(
            "Nothing answers{at}, and other servers do answer on that port: this one is down, or a \
             firewall before it drops what comes from here"
        ),
        FilteredBy::Unknown => format!(
            "Nothing answers{at}: whether this network blocks the port, or the server is down or \
             behind a firewall, cannot be told without a server that is known to be up"
        ),
    }
}

/// ` at A, B`, or nothing where no address is known.
fn at(addresses: &[SocketAddr]) -> String {
    if addresses.is_empty() { String::new() } else { format!(" at {}", list(addresses)) }
}

fn list(items: &[impl Display]) -> String {
    let mut text = String::new();
    for (index, item) in items.iter().take(SHOWN).enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        text.push_str(&format!("{comma}{item}"));
    }
    match items.len().saturating_sub(SHOWN) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

/// As one says it: `5 minutes`.
pub(super) fn plain(duration: Duration) -> String {
    let (number, unit) = match duration.as_secs() {
        0 => return format!("{duration:?}"),
        seconds if seconds % 3600 == 0 => (seconds / 3600, "hour"),
        seconds if seconds % 60 == 0 => (seconds / 60, "minute"),
        seconds => (seconds, "second"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

/// As many as fit in a sentence.
const SHOWN: usize = 4;
