//! What goes wrong inside a conversation, by whose fault: [`Violation`] is the server's, [`Misuse`]
//! the caller's. Faults of the network are the driver's and stand in `error`.

use thiserror::Error;

use super::{InvalidEnvelope, Phase, Stage};
use crate::wire::{Escaped, InvalidValue, Reply, ReplyError, Verb};

/// The server broke the protocol. The session is over: nothing that follows could be trusted to
/// answer what it seems to answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Violation {
    /// The octets are not a reply.
    #[error(transparent)]
    Reply(#[from] ReplyError),
    /// A reply came that answers nothing: it began before its command was sent, or there was none.
    #[error("a reply came that answers no command: {0}")]
    Unexpected(Reply),
    /// A reply of a class that the command cannot get.
    #[error("{stage} cannot be answered with {reply}")]
    WrongClass {
        /// What was answered.
        stage: Stage,
        /// The answer.
        reply: Reply,
    },
    /// A recipient or content was accepted although what it builds on was refused. The server may
    /// hold an older transaction open, and the mail would go out under its sender; or the content
    /// has a hole; or nobody can say who is to have it.
    #[error("{stage} was accepted behind {refused}: {reply}")]
    NoTransaction {
        /// What was accepted.
        stage: Stage,
        /// What was refused, in words.
        refused: &'static str,
        /// The reply that accepted it.
        reply: Reply,
    },
    /// A positive reply came before the content had ended (it would be taken for a delivery).
    #[error("a positive reply came before the content had ended: {0}")]
    BeforeEnd(Reply),
    /// Octets in clear followed the 220 to STARTTLS: someone put them there to be read as if
    /// they had come through TLS (RFC 3207 §4).
    #[error("octets in clear behind the reply to STARTTLS: \"{}\"", Escaped::new(.0))]
    BehindStartTls(Box<[u8]>),
}

impl Violation {
    /// The reply that broke the protocol, where it was one.
    #[must_use]
    pub const fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Unexpected(reply) | Self::BeforeEnd(reply) => Some(reply),
            Self::WrongClass { reply, .. } | Self::NoTransaction { reply, .. } => Some(reply),
            Self::Reply(_) | Self::BehindStartTls(_) => None,
        }
    }

    /// Where it struck, where the violation itself says so.
    pub(crate) const fn stage(&self) -> Option<Stage> {
        match self {
            Self::Reply(_) | Self::Unexpected(_) => None,
            Self::WrongClass { stage, .. } | Self::NoTransaction { stage, .. } => Some(*stage),
            Self::BeforeEnd(_) => Some(Stage::Content),
            Self::BehindStartTls(_) => Some(Stage::StartTls),
        }
    }
}

/// The caller asked for something that cannot be sent. Nothing was sent, nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Misuse {
    /// The command is not lawful here.
    #[error("{verb} is lawful {when}, and the session is {phase}")]
    OutOfOrder {
        /// The command.
        verb: Verb,
        /// When it is lawful.
        when: &'static str,
        /// Where the session will be when all that was sent has succeeded.
        phase: Phase,
    },
    /// A response, content or its end was given where the server does not wait for it.
    #[error("{what} is lawful {when}, and the session is {phase}")]
    NotAwaited {
        /// What was given.
        what: &'static str,
        /// When it is lawful.
        when: &'static str,
        /// Where the session is.
        phase: Phase,
    },
    /// Too much is in flight: wait for a reply first.
    #[error("{0} has to wait for a reply ({1} in flight)")]
    NoRoom(Verb, usize),
    /// The server does not offer what the command or parameter needs.
    #[error("the server does not offer {keyword}, which {needs} needs")]
    Unsupported {
        /// The EHLO keyword.
        keyword: String,
        /// What needs it.
        needs: String,
    },
    /// The server offers what a parameter needs, but not so much, or in a way that cannot be read.
    #[error("{param} cannot be asked of this server: {reason}")]
    NotCovered {
        /// The parameter.
        param: String,
        /// What the offer is instead, or what is wrong with the value.
        reason: String,
    },
    /// REQUIRETLS over anything but TLS to a verified server.
    #[error("REQUIRETLS needs verified TLS, and {0}")]
    RequireTls(&'static str),
    /// An address or argument that is not ASCII, without SMTPUTF8 in the transaction.
    #[error("{0} is not ASCII, which needs SMTPUTF8")]
    NeedsSmtpUtf8(String),
    /// The command line is longer than the server is bound to take.
    #[error("a {verb} line of {length} octets: the server takes {limit}")]
    LineTooLong {
        /// The command.
        verb: Verb,
        /// Its length with CRLF, in octets.
        length: usize,
        /// The limit of RFC 5321 §4.5.3.1.4 with the increments of what is offered, in octets.
        limit: usize,
    },
    /// A verb of the other protocol: EHLO and HELO are SMTP, LHLO is LMTP.
    #[error("{0} does not belong to this protocol: SMTP greets with EHLO, LMTP with LHLO")]
    WrongProtocol(Verb),
    /// MAIL or AUTH in clear where TLS is required.
    #[error("{0} in clear, where TLS is required")]
    TlsRequired(Verb),
    /// Credentials over a channel whose other end is not verified.
    #[error("AUTH would send a secret {0}: only allow_cleartext lets it")]
    SecretExposed(&'static str),
    /// AUTH after AUTH, or STARTTLS inside TLS.
    #[error("{0} once more: it succeeded before")]
    Again(Verb),
    /// Anything but QUIT behind a success of AUTH that was not proved, or that nobody has looked at:
    /// the call that waited for it was dropped.
    #[error("{0} to a server that has not proved itself in AUTH: only QUIT is left")]
    Unproved(Verb),
    /// BODY=BINARYMIME content can only be sent with BDAT (RFC 3030 §3).
    #[error("DATA cannot carry BODY=BINARYMIME content: BDAT can")]
    BinaryOverData,
    /// The server takes no more over this connection, or in this transaction (RFC 9422).
    #[error("the server takes no more: it offered {limit}={most}")]
    LimitReached {
        /// The limit: MAILMAX, RCPTMAX or RCPTDOMAINMAX.
        limit: &'static str,
        /// What it offered.
        most: u32,
    },
    /// Octets that were promised have not been handed over yet.
    #[error("{0} octets of content are promised and have not been handed over")]
    ContentPending(usize),
    /// The session is over.
    #[error("the session is over")]
    Closed,
    /// A value cannot be written in a command.
    #[error(transparent)]
    Value(#[from] InvalidValue),
    /// An envelope cannot be made.
    #[error(transparent)]
    Envelope(InvalidEnvelope),
    /// A setting cannot be used.
    #[error("{0}")]
    Setting(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error names the stage of the violation, else that of the reply before it.
    #[test]
    fn a_violation_knows_its_stage_and_its_reply_where_it_has_them() {
        let reply = || "250 ok".parse::<Reply>().unwrap();
        let wrong = Violation::WrongClass { stage: Stage::Data, reply: reply() };
        let refused = "a refused MAIL";
        let nobodys = Violation::NoTransaction { stage: Stage::Rcpt, refused, reply: reply() };
        for (violation, stage) in [
            (wrong, Some(Stage::Data)),
            (nobodys, Some(Stage::Rcpt)),
            (Violation::BeforeEnd(reply()), Some(Stage::Content)),
            (Violation::BehindStartTls(b"2"[..].into()), Some(Stage::StartTls)),
            (Violation::Unexpected(reply()), None),
        ] {
            assert_eq!(violation.stage(), stage, "{violation}");
            let is_reply = !matches!(violation, Violation::BehindStartTls(_));
            assert_eq!(violation.reply(), is_reply.then(reply).as_ref(), "{violation}");
        }
    }
}
