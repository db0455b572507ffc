//! From names and addresses that lead to no server to what stands in the way.

use std::io;
use std::net::SocketAddr;

use super::evidence::{MxLookup, ReferencesOutcome};
use super::{Confidence, DiagnosisKind as Kind, Evidence, FilteredBy, Told, escaped};
use crate::net::{ConnectFailure, ConnectFault, ResolveFault};

/// What was looked up says, where nothing could be dialled after it.
pub(super) fn of_lookup(evidence: &Evidence<'_>) -> Kind {
    let name = escaped(evidence.host);
    match evidence.mx {
        MxLookup::NoSuchDomain => Kind::HostUnknown { host: name },
        MxLookup::Null => Kind::NullMx { domain: name },
        MxLookup::Failed => Kind::LookupFailed { host: name },
        MxLookup::Hosts(_) => hosts_unreachable(evidence).0,
        MxLookup::NotAsked => Kind::NoAddress { host: name, is_without_mx: false },
        MxLookup::None => Kind::NoAddress { host: name, is_without_mx: true },
    }
}

/// What a name without an address says.
pub(super) fn of_name(fault: &ResolveFault, evidence: &Evidence<'_>) -> (Kind, Confidence) {
    // Whoever asks DNS himself knows, and need not be read.
    if fault.is_no_such_name() && !matches!(evidence.mx, MxLookup::Hosts([_, _, ..])) {
        return (Kind::HostUnknown { host: escaped(fault.host()) }, Confidence::Certain);
    }
    let words = fault.to_string();
    of_name_in_words(fault.host(), &words, fault.timed_out(), evidence)
}

/// Systems tell a name that does not exist from one that could not be looked up in words alone.
pub(super) fn of_name_in_words(
    host: &str,
    words: &str,
    timed_out: bool,
    evidence: &Evidence<'_>,
) -> (Kind, Confidence) {
    if let MxLookup::Hosts([_, _, ..]) = evidence.mx {
        return hosts_unreachable(evidence);
    }
    if evidence.mx == MxLookup::NoSuchDomain {
        return (of_lookup(evidence), Confidence::Certain);
    }
    let host = escaped(host);
    let words = words.strip_prefix(&host).unwrap_or(words);
    let says = |table: &[&str]| table.iter().any(|phrase| words.contains(phrase));
    // Where there was an answer about MX records the domain exists.
    let exists = evidence.mx == MxLookup::None;
    if timed_out {
        (Kind::LookupFailed { host }, Confidence::Certain)
    } else if words == " has no address" || says(&NO_ADDRESS) || (exists && says(&NO_NAME)) {
        (Kind::NoAddress { host, is_without_mx: exists }, Confidence::Certain)
    } else if words == " does not exist" {
        (Kind::HostUnknown { host }, Confidence::Certain)
    } else if says(&NO_NAME) {
        (Kind::HostUnknown { host }, Confidence::Likely)
    } else {
        (Kind::LookupFailed { host }, Confidence::Likely)
    }
}

/// What attempts at every address say.
pub(super) fn of_attempts(fault: &ConnectFault, evidence: &Evidence<'_>) -> (Kind, Confidence) {
    let attempts = fault.attempts().iter();
    of_failures(attempts.map(|attempt| (attempt.address(), attempt.failure())), evidence)
}

/// What silence of the whole way says.
pub(super) fn of_silence(evidence: &Evidence<'_>) -> (Kind, Confidence) {
    filtered(Vec::new(), evidence)
}

pub(super) fn of_failures<'f>(
    failures: impl Iterator<Item = (Option<SocketAddr>, &'f ConnectFailure)>,
    evidence: &Evidence<'_>,
) -> (Kind, Confidence) {
    let seen: Vec<_> = failures.map(|(address, failure)| (address, Seen::of(failure))).collect();
    let of = |wanted: Seen| -> Option<Vec<SocketAddr>> {
        let mut found = seen.iter().filter(|(_, seen)| *seen == wanted).peekable();
        found.peek()?;
        Some(found.filter_map(|(address, _)| *address).collect())
    };
    let blocked_here = evidence.references == Some(ReferencesOutcome::AllTimedOut);
    if let (MxLookup::Hosts([_, _, ..]), false) = (evidence.mx, blocked_here) {
        return hosts_unreachable(evidence);
    }
    // A machine without IPv6 has no way to half of the addresses: what the others said is told. One
    // that refuses shows that there is a host.
    if let Some(addresses) = of(Seen::Refused) {
        let all = seen.iter().all(|(_, seen)| matches!(seen, Seen::Refused | Seen::Unreachable));
        let confidence = if all { Confidence::Certain } else { Confidence::Likely };
        (Kind::ConnectionRefused { addresses }, confidence)
    } else if let Some(addresses) = of(Seen::Silent) {
        filtered(addresses, evidence)
    } else if let Some(addresses) = of(Seen::Forbidden) {
        (Kind::PortFiltered { addresses, by: FilteredBy::ThisNetwork }, Confidence::Likely)
    } else if let Some(addresses) = of(Seen::Unreachable) {
        (Kind::NetworkUnreachable { addresses }, Confidence::Certain)
    } else if of(Seen::NoSource).is_some() {
        (Kind::SourceAddressUnusable, Confidence::Certain)
    } else {
        (Kind::ConnectFailed, Confidence::Certain)
    }
}

fn filtered(addresses: Vec<SocketAddr>, evidence: &Evidence<'_>) -> (Kind, Confidence) {
    let (by, confidence) = match evidence.references {
        Some(ReferencesOutcome::AllTimedOut) => (FilteredBy::ThisNetwork, Confidence::Likely),
        Some(ReferencesOutcome::SomeAnswered) => (FilteredBy::Server, Confidence::Likely),
        None => (FilteredBy::Unknown, Confidence::Certain),
    };
    (Kind::PortFiltered { addresses, by }, confidence)
}

fn hosts_unreachable(evidence: &Evidence<'_>) -> (Kind, Confidence) {
    let hosts = match evidence.mx {
        MxLookup::Hosts(hosts) => hosts.iter().map(|host| escaped(host)).collect(),
        _ => Vec::new(),
    };
    (Kind::HostsUnreachable { domain: escaped(evidence.host), hosts }, Confidence::Certain)
}

/// What the words of a fault add to a kind. Some say it all already.
pub(super) fn told(kind: &Kind, fault: &str) -> Told {
    match kind {
        Kind::HostUnknown { .. }
        | Kind::NoAddress { .. }
        | Kind::HostsUnreachable { .. }
        | Kind::ConnectionRefused { .. }
        | Kind::PortFiltered { .. } => Told::Nothing,
        _ => Told::Fault(fault.strip_prefix("no connection: ").unwrap_or(fault).to_owned()),
    }
}

/// How an attempt went, as far as it matters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Refused,
    Silent,
    Unreachable,
    /// The system does not let this program out.
    Forbidden,
    NoSource,
    Other,
}

impl Seen {
    fn of(failure: &ConnectFailure) -> Self {
        match failure {
            ConnectFailure::TimedOut(_) => Self::Silent,
            ConnectFailure::NoSource | ConnectFailure::Source(..) => Self::NoSource,
            ConnectFailure::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => Self::Refused,
                io::ErrorKind::TimedOut => Self::Silent,
                io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::NetworkDown
                | io::ErrorKind::AddrNotAvailable => Self::Unreachable,
                io::ErrorKind::PermissionDenied => Self::Forbidden,
                _ => Self::Other,
            },
        }
    }
}

/// What resolvers say of a name that does not exist: glibc, musl, macOS and the BSDs, Windows.
const NO_NAME: [&str; 5] = [
    " does not exist",
    "Name or service not known",
    "Name does not resolve",
    "nodename nor servname provided",
    "No such host is known",
];

/// And of one that exists without an address.
const NO_ADDRESS: [&str; 3] = [
    "No address associated with",
    "Name has no usable address",
    "no data of the requested type was found",
];
