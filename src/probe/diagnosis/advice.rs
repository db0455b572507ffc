//! What to do about each cause, in one plain sentence for whoever runs the server or the client.

use std::time::Duration;

use super::cause::plain;
use super::{DiagnosisKind as Kind, FilteredBy};
use crate::protocol::Stage;

/// The sentence; where the server says where it explains itself, or when to come back, that is in
/// it.
pub(super) fn sentence(kind: &Kind) -> String {
    let mut advice = fixed(kind).to_owned();
    if let Some(after) = retry_after(kind) {
        advice = format!("{advice}, after {}", plain(after));
    }
    match link(kind) {
        // No stop: it would be taken for a part of the link.
        Some(link) => format!("{advice}; the server explains at {link}"),
        None => format!("{advice}."),
    }
}

/// Where the server explains itself.
pub(super) const fn link(kind: &Kind) -> Option<&String> {
    match kind {
        Kind::ClientRefused { link, .. }
        | Kind::NoReverseDns { link }
        | Kind::AppPasswordRequired { link }
        | Kind::AuthDisabled { link }
        | Kind::SpfFailed { link }
        | Kind::DkimFailed { link }
        | Kind::DmarcFailed { link }
        | Kind::SenderUnauthenticated { link }
        | Kind::RateLimited { link, .. }
        | Kind::Listed { link, .. }
        | Kind::PolicyRefusal { link, .. }
        | Kind::SpamRefused { link }
        | Kind::AttachmentRefused { link }
        | Kind::ContentRefused { link, .. } => link.as_ref(),
        _ => None,
    }
}

/// When the server says to come back.
pub(super) const fn retry_after(kind: &Kind) -> Option<Duration> {
    match kind {
        Kind::TooManyConnections { retry_after }
        | Kind::AuthThrottled { retry_after }
        | Kind::Greylisted { retry_after }
        | Kind::RateLimited { retry_after, .. }
        | Kind::TemporaryRefusal { retry_after, .. } => *retry_after,
        _ => None,
    }
}

/// The sentence without its end.
fn fixed(kind: &Kind) -> &'static str {
    match kind {
        Kind::HostUnknown { .. } => "Check how the name is written and that its DNS zone is served",
        Kind::NoAddress { is_without_mx: false, .. } => {
            "Check how the name is written, or give it an address (an A or AAAA record)"
        }
        Kind::NoAddress { is_without_mx: true, .. } => {
            "Add an MX record to the domain, or an address to the name"
        }
        Kind::NullMx { .. } => {
            "Use another address of the recipient: no server takes mail for this domain"
        }
        Kind::LookupFailed { .. } => {
            "Check this machine's resolver and the name servers of the domain, then try again"
        }
        Kind::HostsUnreachable { .. } => {
            "Check that the hosts are up and that port 25 is open both there and out of this \
             network"
        }
        Kind::ConnectionRefused { .. } => {
            "Start the mail server, or check the port and that it listens on this address"
        }
        Kind::PortFiltered { by: FilteredBy::ThisNetwork, .. } => {
            "Ask this network's provider to open the port, or send through a relay on port 587 or \
             465"
        }
        Kind::PortFiltered { by: FilteredBy::Server, .. } => {
            "Check that the server is up and that its firewall lets this client's address in"
        }
        Kind::PortFiltered { by: FilteredBy::Unknown, .. } => {
            "Try a server that is known to be up on the same port, from the same machine"
        }
        Kind::NetworkUnreachable { .. } => {
            "Check this machine's routes and firewall, and whether it has IPv6 where the address \
             is of that kind"
        }
        Kind::ConnectFailed => {
            "Check the address, the port or the path of the socket, and who may use it"
        }
        Kind::SourceAddressUnusable => {
            "Give an address that this machine has, of the same family as the server's"
        }
        Kind::ProxyFailed => {
            "Check the proxy's address, its login, and that it allows the server's port"
        }
        Kind::ClosedBeforeGreeting => {
            "Check the server's log and block lists for this client's address, and try TLS from \
             the start if the port is 465"
        }
        Kind::SilentPort { .. } => {
            "Wait up to five minutes for the greeting, try TLS from the start, and check the port"
        }
        Kind::ImplicitTlsExpected { .. } => {
            "Use TLS from the start (implicit TLS) on this port, or STARTTLS on port 587 or 25"
        }
        Kind::NotSmtp { .. } => {
            "Check host and port: mail servers listen on port 25, 587 for STARTTLS and 465 for TLS"
        }
        Kind::ServerBusy { .. } => {
            "Try again in some minutes; if it stays so, check the server's load and log"
        }
        Kind::TooManyConnections { .. } => "Open fewer connections at a time and try again later",
        Kind::ClientTooEarly => {
            "Wait for the whole greeting and for each reply, and send commands ahead only where \
             PIPELINING is offered"
        }
        Kind::ClientRefused { .. } => {
            "Ask whoever runs the server why, with this client's address and the words of the reply"
        }
        Kind::NoMailService => {
            "Send to the domain's MX hosts instead, and check that this host is the one meant"
        }
        Kind::ClientNameRefused { .. } => {
            "Set this client's name to a full domain name that has an address, and not to an IP \
             address"
        }
        Kind::NoReverseDns { .. } => {
            "Have a PTR record set for this client's address, whose name leads back to the address"
        }
        Kind::EhloUnsupported => "Greet with HELO, which leaves out TLS, AUTH and all extensions",
        Kind::StartTlsMissing => {
            "Switch STARTTLS on at the server, or use port 465 with TLS from the start; if others \
             see it offered, something in between takes it out"
        }
        Kind::StartTlsRefused { .. } => {
            "Check the server's certificate and key in its TLS settings, then its log"
        }
        Kind::TlsRequired => "Use STARTTLS, or TLS from the start, before the command",
        Kind::StartTlsExpected => "Use STARTTLS on this port, or TLS from the start on port 465",
        Kind::TlsNotSpoken { .. } => "Check host and port, and whether the port wants STARTTLS",
        Kind::CertificateExpired { .. } => {
            "Renew the certificate and have the server load it, and check the clock of this machine"
        }
        Kind::CertificateNotYetValid { .. } => {
            "Check the clock of this machine, then the date from which the certificate is valid"
        }
        Kind::CertificateWrongName { .. } => {
            "Connect by a name that is in the certificate, or get one that has this name"
        }
        Kind::CertificateUntrusted { .. } => {
            "Have the server send its intermediate certificates too, or trust its root here"
        }
        Kind::CertificateSelfSigned => {
            "Get a certificate from a known authority, or trust or pin this one here"
        }
        Kind::CertificateIsAuthority => {
            "Make a certificate for the server that is signed by the authority"
        }
        Kind::CertificateRevoked => {
            "Get a new certificate with a new key, and find out why it was revoked"
        }
        Kind::RevocationListStale { .. } => "Fetch the revocation list anew from its issuer",
        Kind::CertificateNotPinned => {
            "If the certificate was changed on purpose, pin the new one; if not, somebody may be \
             in between"
        }
        Kind::CertificateRefused => {
            "Check the certificate with another tool, such as openssl s_client"
        }
        Kind::TlsVersionMismatch { chosen: Some("TLS 1.2"), .. } => {
            "Allow TLS 1.2 here, or switch TLS 1.3 on at the server"
        }
        Kind::TlsVersionMismatch { minimum: Some("TLS 1.3"), .. } => {
            "Switch TLS 1.3 on at the server, or allow TLS 1.2 here if that is what it has"
        }
        Kind::TlsVersionMismatch { chosen: Some(_), .. }
        | Kind::TlsVersionMismatch { minimum: Some(_), .. } => {
            "Switch TLS 1.2 or 1.3 on at the server: what is older is not safe, and never allowed \
             here"
        }
        Kind::TlsVersionMismatch { .. } => {
            "Switch TLS 1.2 or 1.3 on at the server, and check which of them are allowed here"
        }
        Kind::TlsAlert { .. } => {
            "Look in the server's log for what it missed, such as a cipher suite, a name or a \
             client certificate"
        }
        Kind::TlsClosed => {
            "Check the server's certificate and key in its TLS settings, then its log"
        }
        Kind::TlsTimedOut { .. } => {
            "Check that the port speaks TLS and that large packets come through (the path's MTU)"
        }
        Kind::NoTrustedRoots => {
            "Install the system's root certificates, often a package called ca-certificates"
        }
        Kind::TlsFailed => "Try again, and check the server's TLS settings and log",
        Kind::AuthNotOffered => {
            "Use the port for submission (587 or 465), or switch AUTH on at the server; port 25 \
             often has none"
        }
        Kind::AuthNeedsTls => {
            "Use STARTTLS, or TLS from the start, with a certificate that can be verified"
        }
        Kind::MechanismMissing { .. } => {
            "Allow one of the mechanisms that it offers, or switch PLAIN or SCRAM on at the server"
        }
        Kind::MechanismRefused => {
            "Choose another mechanism, and check the server's settings of SASL"
        }
        Kind::WrongCredentials => "Check user (often the whole mail address) and password",
        Kind::TokenRefused => "Get a new token, with the scope for SMTP, for this very user",
        Kind::AppPasswordRequired { .. } => {
            "Create an app password in the account's settings and use it here"
        }
        Kind::AccountLocked => "Have the account unlocked by whoever runs the server",
        Kind::AuthDisabled { .. } => {
            "Have SMTP AUTH switched on for the account, or log in with a token (OAuth)"
        }
        Kind::AuthThrottled { .. } => "Stop trying, make sure of the password, and try again later",
        Kind::PasswordExpired => {
            "Change the password, or log in once with PLAIN over TLS, then try again"
        }
        Kind::AuthUnavailable => {
            "Try again later with the same password, and check the server's user database"
        }
        Kind::AuthFailed => {
            "Try another mechanism, and check that the server is the one it claims to be"
        }
        Kind::AuthenticationRequired => {
            "Log in, or use port 25 of the recipient's own server where mail comes in without a \
             login"
        }
        Kind::SenderRefused { .. } => {
            "Check the sender's address, and the server's rules for senders"
        }
        Kind::SenderDomainUnknown => {
            "Check how the sender's domain is written and that it has an MX record or address"
        }
        Kind::SenderNullMx => "Send with a sender of a domain that takes mail",
        Kind::SenderNotOwned => {
            "Send as the account that is logged in, or have it allowed to send as this sender"
        }
        Kind::SpfFailed { .. } => {
            "Add this client's address to the SPF record of the sender's domain"
        }
        Kind::DkimFailed { .. } => {
            "Sign the mail with a DKIM key that the author's domain publishes, and do not change \
             it after"
        }
        Kind::DmarcFailed { .. } => {
            "Have SPF or DKIM pass for the very domain in the From field, or change its DMARC \
             record"
        }
        Kind::SenderUnauthenticated { .. } => {
            "Publish an SPF record for the sender's domain and sign its mails with DKIM"
        }
        Kind::RelayDenied => {
            "Log in first, send to the MX host of the recipient's domain, or add the domain or \
             this client to those that the server relays for"
        }
        Kind::UnknownRecipient => {
            "Check how the address is written, and that the mailbox or alias exists"
        }
        Kind::RecipientDomainUnknown => {
            "Check how the recipient's domain is written and that it has an MX record"
        }
        Kind::RecipientNullMx => {
            "Use another address of the recipient: no server takes mail for this domain"
        }
        Kind::MailboxDisabled => {
            "Have the mailbox enabled, or use another address of the recipient"
        }
        Kind::MailboxFull => "Have the recipient make room or the quota raised, then send again",
        Kind::RecipientRestricted => {
            "Have the sender allowed to write to this address or list, or write from another"
        }
        Kind::TooManyRecipients => "Send to fewer recipients at a time",
        Kind::AddressMalformed => {
            "Check the address for blanks, a missing domain, and characters that need quotes"
        }
        Kind::NotAscii => "Use an ASCII address, or a server that offers SMTPUTF8",
        Kind::Greylisted { .. } => {
            "Try again with the same address, sender and recipient, as any queue does by itself"
        }
        Kind::RateLimited { .. } => "Send more slowly, and try again later",
        Kind::Listed { .. } => {
            "Find out why it was listed, put an end to that, and ask the list to take it off"
        }
        Kind::PolicyRefusal { .. } => {
            "Ask whoever runs the server which rule it is, with the words of the reply"
        }
        Kind::MessageTooLarge { .. } => {
            "Make the mail smaller, or have the limit raised at the server"
        }
        Kind::SpamRefused { .. } => {
            "Change the content, in particular its links, and check SPF, DKIM, DMARC and the \
             reputation of this client's address"
        }
        Kind::VirusFound => "Check the attachments, and the machine that they come from",
        Kind::AttachmentRefused { .. } => "Leave the attachment out, or send a link to it",
        Kind::MessageMalformed => {
            "Give the mail the fields Date, From and Message-ID, each once and well-formed"
        }
        Kind::LineTooLong => {
            "Encode the content (quoted-printable or base64) so that no line has over 998 octets"
        }
        Kind::RoutingLoop => {
            "Check forwardings and MX records for a way that leads back to the same server"
        }
        Kind::ContentRefused { .. } => {
            "Ask whoever runs the server what is wrong with the content, or look in its log"
        }
        Kind::StorageFull => "Make room on the server's disk, or try again later",
        Kind::ServerTrouble { .. } => "Look in the server's log, and try again later",
        Kind::CommandRefused { .. } => {
            "Check that the port is the right one and that nothing in between changes commands"
        }
        Kind::ParameterRefused { .. } => {
            "Leave the parameter out, or check that the server offers what it needs"
        }
        Kind::TooManyErrors => "Mend what was refused before, and connect anew",
        Kind::TemporaryRefusal { .. } => {
            "Try again later; if it stays so, look in the server's log"
        }
        Kind::PermanentRefusal { .. } => "Look in the server's log, or ask whoever runs it",
        Kind::ClosedMidway { stage: Stage::EndOfData }
        | Kind::ConnectionBroken { stage: Stage::EndOfData }
        | Kind::Silence { stage: Stage::EndOfData, .. } => {
            "Look in the server's log whether it has the mail before sending it again, or it may \
             come twice"
        }
        Kind::ClosedMidway { .. } | Kind::ConnectionBroken { .. } => {
            "Try again, and look in the server's log for why it ended the connection"
        }
        Kind::Silence { .. } => {
            "Try again, and look in the server's log for what it was waiting for"
        }
        Kind::SessionEnded { .. } => {
            "Connect anew later, and look in the server's log if it happens again"
        }
        Kind::ProtocolViolation { .. } => {
            "Report it to whoever makes the server, and check for a firewall that changes SMTP"
        }
        Kind::Unsupported { .. } => "Do without it, or use a server that offers it",
        Kind::LimitReached { .. } => {
            "Go on over another connection, or with fewer recipients in a mail"
        }
        Kind::ContentUnsendable => "Mend the content, or choose another policy for its line ends",
        Kind::CallerMistake => "Change the settings or the order of the calls",
        Kind::NotARefusal { .. } => "Go on",
    }
}
