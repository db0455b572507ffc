//! All that is known when something went wrong. What follows from it is decided in the other files.

use crate::error::Error;
use crate::extension::Capabilities;
use crate::net::Security;
use crate::protocol::Stage;
use crate::wire::Reply;

/// What went wrong, and what else is known.
#[derive(Clone, Copy, Debug)]
pub(in crate::probe) struct Evidence<'a> {
    pub(in crate::probe) finding: Finding<'a>,
    /// The domain or host that was asked for; empty where only an error is known.
    pub(in crate::probe) host: &'a str,
    pub(in crate::probe) port: Option<u16>,
    pub(in crate::probe) security: Option<Security>,
    pub(in crate::probe) mx: MxLookup<'a>,
    /// What came of connecting to the hosts that the caller knows to be up, on the same port.
    pub(in crate::probe) references: Option<ReferencesOutcome>,
    /// What EHLO had offered before TLS.
    pub(in crate::probe) offered_in_clear: Option<&'a Capabilities>,
    /// Whether TLS was on when it happened; none where it is not known.
    pub(in crate::probe) in_tls: Option<bool>,
}

/// What went wrong.
#[derive(Clone, Copy, Debug)]
pub(in crate::probe) enum Finding<'a> {
    Error(&'a Error),
    Refusal(Stage, &'a Reply),
    /// Nothing was dialled: what was looked up says why.
    Lookup,
}

/// What asking for the domain's MX records has given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::probe) enum MxLookup<'a> {
    /// It was not asked for them: the host was given, or the resolver knows none.
    NotAsked,
    /// The domain does not exist.
    NoSuchDomain,
    /// There are none: the domain's own address counts (RFC 5321 §5.1).
    None,
    /// One that says that there is no mail here (RFC 7505).
    Null,
    /// These, all of which were tried.
    Hosts(&'a [String]),
    /// The lookup failed.
    Failed,
}

/// What came of connecting to reference hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::probe) enum ReferencesOutcome {
    /// None of them answered.
    AllTimedOut,
    /// One of them did, be it by refusing.
    SomeAnswered,
}

impl<'a> Evidence<'a> {
    /// An error, and nothing else.
    pub(in crate::probe) fn of_error(error: &'a Error) -> Self {
        Self { host: error.peer(), ..Self::of(Finding::Error(error)) }
    }

    /// A refusal, and nothing else.
    pub(in crate::probe) const fn of_refusal(stage: Stage, reply: &'a Reply) -> Self {
        Self::of(Finding::Refusal(stage, reply))
    }

    /// A finding, and nothing else.
    pub(in crate::probe) const fn of(finding: Finding<'a>) -> Self {
        Self {
            finding,
            host: "",
            port: None,
            security: None,
            mx: MxLookup::NotAsked,
            references: None,
            offered_in_clear: None,
            in_tls: None,
        }
    }
}
