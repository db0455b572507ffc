//! The steps of a conversation, one word for errors and deadlines. What is lawful when
//! stands in `rules`, not here.

use std::fmt;

use super::rules::{Act, rule};
use crate::wire::Verb;

/// A step of a conversation, from finding the server to QUIT.
///
/// Errors say at which stage they struck, and each stage has a deadline of its own.
///
/// ```
/// assert_eq!(ehlo::Stage::EndOfData.name(), "end_of_data");
/// assert_eq!(ehlo::Stage::Rcpt.to_string(), "RCPT TO");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Finding the addresses of the server's name.
    Resolve,
    /// Reaching one of its addresses.
    Connect,
    /// The TLS handshake, on connect or after STARTTLS.
    Handshake,
    /// Waiting for the 220 that opens the session.
    Greeting,
    /// EHLO, HELO or LHLO.
    Ehlo,
    /// STARTTLS, up to its reply.
    StartTls,
    /// AUTH and every step of its dialogue.
    Auth,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA, up to the go-ahead.
    Data,
    /// The octets of a mail, up to the end of the last one.
    Content,
    /// The reply to the end of the content.
    EndOfData,
    /// RSET.
    Rset,
    /// A command outside the way of a mail: VRFY, EXPN, HELP, NOOP, ETRN, ATRN, XCLIENT, XFORWARD
    /// and unknown verbs. ATRN may take ten minutes (RFC 2645).
    Query,
    /// QUIT.
    Quit,
}

impl Stage {
    /// Every stage, in the order of a conversation.
    pub const ALL: &[Self] = &[
        Self::Resolve,
        Self::Connect,
        Self::Handshake,
        Self::Greeting,
        Self::Ehlo,
        Self::StartTls,
        Self::Auth,
        Self::Mail,
        Self::Rcpt,
        Self::Data,
        Self::Content,
        Self::EndOfData,
        Self::Rset,
        Self::Query,
        Self::Quit,
    ];

    /// The stage of a command: until its reply, or until the content it announces.
    #[must_use]
    pub const fn of(verb: Verb) -> Self {
        rule(Act::Command(verb)).stage
    }

    /// The stage in `snake_case`, for machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Handshake => "handshake",
            Self::Greeting => "greeting",
            Self::Ehlo => "ehlo",
            Self::StartTls => "starttls",
            Self::Auth => "auth",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::Content => "content",
            Self::EndOfData => "end_of_data",
            Self::Rset => "rset",
            Self::Query => "query",
            Self::Quit => "quit",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "name resolution",
            Self::Connect => "connect",
            Self::Handshake => "TLS handshake",
            Self::Greeting => "greeting",
            Self::Ehlo => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Mail => "MAIL FROM",
            Self::Rcpt => "RCPT TO",
            Self::Data => "DATA",
            Self::Content => "content",
            Self::EndOfData => "end of data",
            Self::Rset => "RSET",
            Self::Query => "query",
            Self::Quit => "QUIT",
        })
    }
}
