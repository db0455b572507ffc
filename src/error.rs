//! What went wrong, at which stage, by whose fault, and whether trying again may help. Every
//! layer above the session reports with it; what went wrong stands in the layers themselves.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::auth::AuthFault;
#[cfg(feature = "tls")]
use crate::net::TlsFault;
#[cfg(feature = "net")]
use crate::net::{ConnectFault, ResolveFault};
#[cfg(feature = "proxy")]
use crate::net::{ProxyFault, ProxyStep};
use crate::protocol::{
    Delivery, InvalidEnvelope, Misuse, Outcome, Stage, Transcript, Unmet, Violation,
};
#[cfg(feature = "_leaks")]
use crate::wire::leak;
use crate::wire::{ContentFault, Escaped, InvalidValue, Reply, Retry};

/// A call that could not do what it promised.
///
/// It names the stage, the server, what was said, and who is at fault ([`kind`](Self::kind)).
///
/// ```
/// # fn explain(error: ehlo::Error) {
/// match error.kind() {
///     ehlo::ErrorKind::Refused(reply) => println!("the server said {}", reply.code()),
///     ehlo::ErrorKind::Timeout(after) => println!("silence at {} for {after:?}", error.stage()),
///     _ => println!("{error}"),
/// }
/// # }
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    stage: Stage,
    kind: ErrorKind,
    peer: String,
    command: Box<[u8]>,
    earlier: Vec<Reply>,
    unfinished: Box<[u8]>,
    elapsed: Duration,
    transcript: Option<Transcript>,
    /// The connection was closed on this side.
    is_ours: bool,
    /// What the circumstances suggest beside what went wrong.
    hint: Option<&'static str>,
    /// The stage whose reply was waited for, where that is another than the one it struck.
    awaited: Option<Stage>,
}

/// What went wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The server refused what the call had promised. Its reply says why.
    Refused(Reply),
    /// The server broke the protocol.
    Violation(Violation),
    /// The call cannot be made here. Nothing was sent.
    Misuse(Misuse),
    /// The server does not offer what is needed. Nothing was sent.
    Unsupported {
        /// The EHLO keyword.
        keyword: String,
        /// What needs it.
        needs: String,
    },
    /// The content cannot be sent. The mail was not delivered.
    Content(ContentFault),
    /// The content is larger than the server takes. Nothing was sent; or of content from a reader,
    /// whose size shows on the way, not all, and the mail was not delivered.
    TooLarge {
        /// Octets of the content.
        octets: u64,
        /// Octets that the server takes.
        limit: u64,
    },
    /// The server takes no more over this connection, or in one mail, as it said in EHLO (RFC
    /// 9422). Nothing was sent; another connection may do.
    LimitReached {
        /// The limit: MAILMAX, RCPTMAX or RCPTDOMAINMAX.
        limit: &'static str,
        /// What it offered.
        most: u32,
    },
    /// The reader that the content comes from failed. The mail was not delivered.
    Source(io::Error),
    /// The server's name has no address.
    #[cfg(feature = "net")]
    Resolve(ResolveFault),
    /// None of the server's addresses can be reached.
    #[cfg(feature = "net")]
    Connect(ConnectFault),
    /// The proxy has not connected to the server.
    #[cfg(feature = "proxy")]
    Proxy(ProxyFault),
    /// The TLS handshake failed.
    #[cfg(feature = "tls")]
    Tls(TlsFault),
    /// Authentication failed on this side.
    Auth(AuthFault),
    /// Nothing came, or nothing was taken, for so long.
    Timeout(Duration),
    /// The connection failed.
    Io(io::Error),
    /// The session is over: the server ended it, with 421 where it said so, or it was ended on
    /// this side because nothing more could be said safely. The words tell which.
    Closed(Option<Reply>),
}

impl ErrorKind {
    /// The kind in `snake_case`, for machines.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Violation(_) => "violation",
            Self::Misuse(_) => "misuse",
            Self::Unsupported { .. } => "unsupported",
            Self::Content(_) => "content",
            Self::TooLarge { .. } => "too_large",
            #[cfg(feature = "net")]
            Self::Resolve(_) => "resolve",
            #[cfg(feature = "net")]
            Self::Connect(_) => "connect",
            #[cfg(feature = "proxy")]
            Self::Proxy(_) => "proxy",
            #[cfg(feature = "tls")]
            Self::Tls(_) => "tls",
            Self::Auth(_) => "auth",
            Self::Timeout(_) => "timeout",
            Self::Io(_) => "io",
            Self::LimitReached { .. } => "limit_reached",
            Self::Source(_) => "source",
            Self::Closed(_) => "closed",
        }
    }
}

impl Error {
    /// An error at this stage, for those who drive a [`Session`](crate::Session) themselves: it
    /// says what the crate's own say, and knows whether trying again may help.
    ///
    /// ```
    /// use ehlo::{Error, ErrorKind, Retry, Stage};
    ///
    /// let error = Error::new(Stage::EndOfData, ErrorKind::Closed(None));
    /// assert_eq!(error.to_string(), "the server closed the connection at end of data");
    /// assert_eq!(error.retry(), Retry::Unknown); // the server may have the mail
    /// ```
    #[must_use]
    pub fn new(stage: Stage, kind: impl Into<ErrorKind>) -> Self {
        Self(Box::new(Inner {
            stage,
            kind: kind.into(),
            peer: String::new(),
            command: Box::default(),
            earlier: Vec::new(),
            unfinished: Box::default(),
            elapsed: Duration::ZERO,
            transcript: None,
            is_ours: false,
            hint: None,
            awaited: None,
        }))
    }

    pub(crate) fn with_peer(mut self, peer: &str, elapsed: Duration) -> Self {
        peer.clone_into(&mut self.0.peer);
        self.0.elapsed = elapsed;
        self
    }

    pub(crate) fn answering(mut self, command: &[u8]) -> Self {
        self.0.command = command.into();
        self
    }

    pub(crate) fn after(mut self, earlier: impl IntoIterator<Item = Reply>) -> Self {
        self.0.earlier.extend(earlier);
        self
    }

    pub(crate) fn with_unfinished(mut self, octets: &[u8]) -> Self {
        self.0.unfinished = octets.into();
        self
    }

    pub(crate) const fn suggesting(mut self, hint: &'static str) -> Self {
        self.0.hint = Some(hint);
        self
    }

    pub(crate) const fn closed_by_us(mut self) -> Self {
        self.0.is_ours = true;
        self
    }

    #[cfg(feature = "probe")]
    pub(crate) const fn is_ours(&self) -> bool {
        self.0.is_ours
    }

    pub(crate) const fn awaiting(mut self, stage: Option<Stage>) -> Self {
        self.0.awaited = stage;
        self
    }

    /// The call was about this mail: whether sending it again is safe depends on what became of it,
    /// and not on where the error struck. Content may go out before what it waits for.
    pub(crate) fn about(self, delivery: &Delivery) -> Self {
        let in_doubt = delivery.recipients().any(|one| one.outcome() == Outcome::Unknown);
        match (in_doubt, self.retry() == Retry::Unknown) {
            (true, false) => self.awaiting(Some(Stage::EndOfData)),
            (false, true) => self.awaiting(Some(Stage::Mail)),
            _ => self,
        }
    }

    pub(crate) fn with_transcript(mut self, transcript: Option<Transcript>) -> Self {
        self.0.transcript = transcript;
        self
    }

    /// Where it struck.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.0.stage
    }

    /// What went wrong.
    #[must_use]
    pub const fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The server, by the name or address it was reached by; empty where there was none yet.
    #[must_use]
    pub fn peer(&self) -> &str {
        &self.0.peer
    }

    /// The reply that made the call fail, where a reply did.
    #[must_use]
    pub fn reply(&self) -> Option<&Reply> {
        match &self.0.kind {
            ErrorKind::Refused(reply) | ErrorKind::Closed(Some(reply)) => Some(reply),
            ErrorKind::Auth(fault) => fault.reply(),
            ErrorKind::Violation(fault) => fault.reply(),
            _ => None,
        }
    }

    /// Replies that came before in the same call, such as the refusal of EHLO where HELO failed
    /// too, or those to the first commands of a group.
    #[must_use]
    pub fn earlier(&self) -> &[Reply] {
        &self.0.earlier
    }

    /// What had come of a reply that was never finished.
    #[must_use]
    pub const fn unfinished(&self) -> &[u8] {
        &self.0.unfinished
    }

    /// How long the call had been going on.
    #[must_use]
    pub const fn elapsed(&self) -> Duration {
        self.0.elapsed
    }

    /// What was said before connecting failed, where a transcript was asked for. Once connected,
    /// the conversation has it.
    #[must_use]
    pub const fn transcript(&self) -> Option<&Transcript> {
        self.0.transcript.as_ref()
    }

    /// Whether, and where, trying again may help.
    #[must_use]
    pub fn retry(&self) -> Retry {
        let stage = self.0.awaited.unwrap_or(self.0.stage);
        match &self.0.kind {
            _ if self.0.awaited == Some(Stage::EndOfData) => Retry::Unknown,
            ErrorKind::Refused(_) if stage <= Stage::Ehlo => Retry::NextHost,
            // What was refused is to forget an older mail: nothing is said of this one.
            ErrorKind::Refused(_) if stage == Stage::Rset => Retry::Later,
            ErrorKind::Refused(reply) => reply.retry(),
            // Another host may offer it.
            ErrorKind::Unsupported { .. } if stage < Stage::Mail => Retry::NextHost,
            ErrorKind::Misuse(_)
            | ErrorKind::Unsupported { .. }
            | ErrorKind::Content(_)
            | ErrorKind::TooLarge { .. } => Retry::Never,
            ErrorKind::Auth(fault) => fault.retry(),
            ErrorKind::LimitReached { .. } => Retry::Later,
            #[cfg(feature = "net")]
            ErrorKind::Resolve(fault) if fault.is_no_such_domain() => Retry::Never,
            #[cfg(feature = "net")]
            ErrorKind::Resolve(_) => Retry::Later,
            // Without the proxy no host can be reached.
            #[cfg(feature = "proxy")]
            ErrorKind::Proxy(fault) if fault.step() != ProxyStep::Request => Retry::Later,
            _ if stage == Stage::EndOfData => Retry::Unknown,
            _ if stage < Stage::Mail => Retry::NextHost,
            _ => Retry::Later,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            stage,
            kind,
            peer,
            command,
            earlier,
            unfinished,
            elapsed: _,
            transcript: _,
            is_ours,
            hint: _,
            awaited: _,
        } = &*self.0;
        let peer = Escaped::new(if peer.is_empty() { b"the server" } else { peer.as_bytes() });
        match kind {
            ErrorKind::Refused(reply) => {
                write!(f, "{peer} said: {reply} ")?;
                match (stage, command.is_empty()) {
                    (Stage::Greeting, _) => f.write_str("(as its greeting)")?,
                    (stage, true) => write!(f, "(in reply to {stage})")?,
                    (_, false) => write!(f, "(in reply to {})", Escaped::new(command))?,
                }
            }
            ErrorKind::Closed(Some(reply)) => {
                write!(f, "{peer} ended the session at {stage}: {reply}")?;
            }
            ErrorKind::Closed(None) if *is_ours => {
                write!(f, "the connection to {peer} was closed on this side at {stage}")?;
            }
            ErrorKind::Closed(None) => write!(f, "{peer} closed the connection at {stage}")?,
            ErrorKind::Timeout(after) => match stage {
                Stage::Greeting => write!(f, "no greeting from {peer} within {after:?}")?,
                Stage::Content => write!(f, "{peer} took no content for {after:?}")?,
                Stage::Connect | Stage::Resolve | Stage::Handshake => {
                    write!(f, "{peer}: the {stage} was not done within {after:?}")?;
                }
                stage => write!(f, "no reply from {peer} to {stage} within {after:?}")?,
            },
            ErrorKind::Violation(fault) => {
                write!(f, "{peer} broke the protocol at {stage}: {fault}")?;
            }
            ErrorKind::Io(fault) => {
                write!(f, "the connection to {peer} failed at {stage}: {fault}")?
            }
            ErrorKind::LimitReached { limit, most } => {
                write!(f, "{peer} takes no more: it offered {limit}={most}")?;
            }
            ErrorKind::Source(fault) => write!(f, "the content could not be read: {fault}")?,
            ErrorKind::Misuse(fault) => fault.fmt(f)?,
            ErrorKind::Unsupported { keyword, needs } => {
                write!(f, "{peer} does not offer {keyword}, which {needs} needs")?;
            }
            ErrorKind::Content(fault) => write!(f, "the content cannot be sent: {fault}")?,
            ErrorKind::TooLarge { octets, limit } => {
                write!(f, "the content has {octets} octets, and {peer} takes {limit}")?;
            }
            #[cfg(feature = "net")]
            ErrorKind::Resolve(fault) => fault.fmt(f)?,
            #[cfg(feature = "net")]
            ErrorKind::Connect(fault) => fault.fmt(f)?,
            #[cfg(feature = "proxy")]
            ErrorKind::Proxy(fault) => fault.fmt(f)?,
            #[cfg(feature = "tls")]
            ErrorKind::Tls(fault) => write!(f, "the TLS handshake with {peer} failed: {fault}")?,
            ErrorKind::Auth(fault) => write!(f, "authentication with {peer} failed: {fault}")?,
        }
        if let Some(hint) = self.hint() {
            write!(f, " ({hint})")?;
        }
        if !unfinished.is_empty() {
            let lines = memchr::memchr_iter(b'\n', unfinished).count();
            let shown = unfinished.get(..SHOWN).unwrap_or(unfinished);
            let more = if shown.len() < unfinished.len() { "…" } else { "" };
            write!(f, "; reply not finished, {lines} lines so far: ")?;
            write!(f, "\"{}\"{more}", Escaped::new(shown))?;
        }
        // Those that were positive do not explain anything.
        let refusals = earlier.iter().filter(|reply| reply.is_negative());
        for reply in refusals.filter(|reply| self.reply() != Some(reply)) {
            write!(f, "; before that: {reply}")?;
        }
        Ok(())
    }
}

/// Octets of an unfinished reply that are shown; [`Error::unfinished`] has them all.
const SHOWN: usize = 200;

impl Error {
    /// What the evidence suggests beside what it says.
    fn hint(&self) -> Option<&'static str> {
        match (&self.0.kind, self.0.stage) {
            _ if self.0.hint.is_some() => self.0.hint,
            (ErrorKind::Timeout(_), Stage::Greeting) if self.0.unfinished.is_empty() => Some(
                "the port may speak TLS from the start, it may not be an SMTP port, or the \
                     server delays its greeting",
            ),
            (ErrorKind::Closed(None), Stage::Greeting) if self.0.unfinished.is_empty() => Some(
                "it closed before a greeting: the port may speak TLS from the start, or the \
                 server turns this client away",
            ),
            _ => None,
        }
    }
}

/// Whatever has been added to it until now is searched.
#[cfg(feature = "_leaks")]
impl Drop for Error {
    fn drop(&mut self) {
        leak::search_shown(self);
        if let Some(transcript) = &self.0.transcript {
            leak::search_shown(transcript);
        }
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            leak::search(error.to_string());
            source = error.source();
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("stage", &self.0.stage)
            .field("kind", &self.0.kind)
            .field("peer", &self.0.peer)
            .field("command", &Escaped::new(&self.0.command))
            .field("earlier", &self.0.earlier)
            .field("unfinished", &Escaped::new(&self.0.unfinished))
            .field("elapsed", &self.0.elapsed)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.kind {
            ErrorKind::Violation(fault) => Some(fault),
            ErrorKind::Misuse(fault) => Some(fault),
            ErrorKind::Content(fault) => Some(fault),
            ErrorKind::Io(fault) | ErrorKind::Source(fault) => Some(fault),
            #[cfg(feature = "net")]
            ErrorKind::Resolve(fault) => Some(fault),
            #[cfg(feature = "net")]
            ErrorKind::Connect(fault) => Some(fault),
            #[cfg(feature = "proxy")]
            ErrorKind::Proxy(fault) => Some(fault),
            #[cfg(feature = "tls")]
            ErrorKind::Tls(fault) => Some(fault),
            ErrorKind::Auth(fault) => Some(fault),
            ErrorKind::Refused(_)
            | ErrorKind::Unsupported { .. }
            | ErrorKind::TooLarge { .. }
            | ErrorKind::LimitReached { .. }
            | ErrorKind::Timeout(_)
            | ErrorKind::Closed(_) => None,
        }
    }
}

impl From<Misuse> for ErrorKind {
    fn from(fault: Misuse) -> Self {
        match fault {
            Misuse::Unsupported { keyword, needs } => Self::Unsupported { keyword, needs },
            Misuse::LimitReached { limit, most } => Self::LimitReached { limit, most },
            Misuse::Closed => Self::Closed(None),
            fault => Self::Misuse(fault),
        }
    }
}

impl From<Violation> for ErrorKind {
    fn from(fault: Violation) -> Self {
        Self::Violation(fault)
    }
}

impl From<ContentFault> for ErrorKind {
    fn from(fault: ContentFault) -> Self {
        Self::Content(fault)
    }
}

impl From<Unmet> for ErrorKind {
    fn from(unmet: Unmet) -> Self {
        match unmet {
            Unmet::Unsupported { keyword, needs } => {
                Self::Unsupported { keyword: keyword.to_owned(), needs }
            }
            Unmet::TooLarge { octets, limit } => Self::TooLarge { octets, limit },
            Unmet::Content(fault) => Self::Content(fault),
        }
    }
}

impl From<io::Error> for ErrorKind {
    /// The stream's fault; or the content's, where that is what it holds
    /// ([`Session::write_to`](crate::Session::write_to)).
    fn from(error: io::Error) -> Self {
        match error.downcast::<ContentFault>() {
            Ok(fault) => Self::Content(fault),
            Err(error) => Self::Io(error),
        }
    }
}

impl From<AuthFault> for ErrorKind {
    fn from(fault: AuthFault) -> Self {
        Self::Auth(fault)
    }
}

/// So that `?` reaches an [`Error`] from what is built before a call.
impl From<InvalidValue> for Error {
    fn from(invalid: InvalidValue) -> Self {
        Self::new(Stage::Query, Misuse::Value(invalid))
    }
}

impl From<InvalidEnvelope> for Error {
    fn from(invalid: InvalidEnvelope) -> Self {
        match invalid {
            InvalidEnvelope::Address(invalid) => invalid.into(),
            invalid => Self::new(Stage::Mail, Misuse::Envelope(invalid)),
        }
    }
}

const _: () = {
    const fn assert<T: Send + Sync + 'static>() {}
    assert::<Error>();
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_that_cannot_be_made_stays_what_it_is() {
        let error = Error::from(InvalidEnvelope::NoRecipient);
        assert_eq!(error.stage(), Stage::Mail);
        assert_eq!(error.to_string(), "an envelope needs a recipient");
        let kept = Misuse::Envelope(InvalidEnvelope::NoRecipient);
        assert!(matches!(error.kind(), ErrorKind::Misuse(misuse) if *misuse == kept));
    }

    #[test]
    fn c_152_what_kept_auth_from_succeeding_says_whether_to_try_again() {
        let mechanism = "SCRAM-SHA-256";
        let gave_up = |error: &[u8], reply: &str| {
            let reply = Box::new(reply.parse().unwrap());
            AuthFault::Server { mechanism, error: error.into(), reply }
        };
        for (fault, retry) in [
            (AuthFault::NoToken("down".to_owned()), Retry::Later),
            (AuthFault::NoRandomness { mechanism }, Retry::Later),
            (gave_up(b"no-resources", "535 5.7.8 no"), Retry::Later),
            (gave_up(b"other-error", "535 5.7.8 no"), Retry::Later),
            (gave_up(b"invalid-proof", "535 5.7.8 no"), Retry::Never),
            (gave_up(b"invalid-proof", "454 4.7.0 later"), Retry::Later),
            (AuthFault::NoMechanism { offered: vec![], why: String::new() }, Retry::NextHost),
            (AuthFault::Unproved { mechanism }, Retry::NextHost),
            (AuthFault::NotBase64((*b"?").into()), Retry::NextHost),
            (AuthFault::Endless(8), Retry::NextHost),
            (AuthFault::Message { mechanism, what: "is odd" }, Retry::NextHost),
            (AuthFault::Floor("X".to_owned()), Retry::Never),
            (AuthFault::Credentials { mechanism, what: "a NUL" }, Retry::Never),
        ] {
            let words = fault.to_string();
            assert_eq!(Error::new(Stage::Auth, fault).retry(), retry, "{words}");
        }
    }

    #[test]
    fn what_a_server_falls_short_of_is_told_with_its_name() {
        let told = |unmet: Unmet| {
            let error = Error::new(Stage::Mail, unmet).with_peer("mx", Duration::ZERO);
            error.to_string()
        };
        let needs = "the address <é@x>".to_owned();
        let unmet = Unmet::Unsupported { keyword: "SMTPUTF8", needs };
        assert_eq!(told(unmet), "mx does not offer SMTPUTF8, which the address <é@x> needs");
        let unmet = Unmet::TooLarge { octets: 2, limit: 1 };
        assert_eq!(told(unmet), "the content has 2 octets, and mx takes 1");
        let unmet = Unmet::Content(ContentFault::LongLine { offset: 3 });
        let words = "content has a line of more than 998 octets at offset 3";
        assert_eq!(told(unmet), format!("the content cannot be sent: {words}"));
    }
}
