//! What a session is told before it begins. What it makes of that is not here.

use crate::wire::{Limits, LineEndings, Strictness};

/// SMTP, or LMTP: the same conversation, with LHLO and one final reply per recipient (RFC 2033).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Protocol {
    /// SMTP (RFC 5321).
    #[default]
    Smtp,
    /// LMTP (RFC 2033).
    Lmtp,
}

/// How far the channel can be trusted with a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Protection {
    /// In clear.
    #[default]
    None,
    /// TLS to a server whose certificate was not verified, or did not have to be.
    Unverified,
    /// TLS to a server whose certificate was verified for its name.
    Verified,
}

/// What a session is told before it begins.
///
/// ```
/// use ehlo::{Protocol, Session, SessionConfig};
///
/// let session = Session::new(SessionConfig::default().protocol(Protocol::Lmtp).transcript(65_536));
/// ```
#[derive(Debug, Clone, Default)]
pub struct SessionConfig {
    pub(super) protocol: Protocol,
    pub(super) strictness: Strictness,
    pub(super) limits: Limits,
    pub(super) line_endings: LineEndings,
    pub(super) transcript: usize,
    pub(super) require_tls: bool,
    pub(super) allow_cleartext: bool,
    pub(super) run_ahead: bool,
    pub(super) auth_keyword: Option<Box<str>>,
}

impl SessionConfig {
    /// SMTP (default) or LMTP.
    #[must_use]
    pub const fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// How much of what real servers do wrong is accepted; [`Strictness::Tolerant`] by default.
    #[must_use]
    pub const fn strictness(mut self, strictness: Strictness) -> Self {
        self.strictness = strictness;
        self
    }

    /// Bounds for what a server may send.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What is done with line ends that are not CRLF; [`LineEndings::Normalize`] by default.
    /// [`LineEndings::Raw`] is for BDAT alone and is read as [`LineEndings::Reject`] over DATA.
    #[must_use]
    pub const fn line_endings(mut self, line_endings: LineEndings) -> Self {
        self.line_endings = line_endings;
        self
    }

    /// Keeps a transcript of at most so many octets; 0 (default) keeps none.
    #[must_use]
    pub const fn transcript(mut self, octets: usize) -> Self {
        self.transcript = octets;
        self
    }

    #[cfg(feature = "probe")]
    pub(crate) const fn keeps_transcript(&self) -> bool {
        self.transcript > 0
    }

    /// Lets BDAT go out before its recipients are answered (over SMTP, where the server offers
    /// PIPELINING): a mail then costs no round trip of its own.
    ///
    /// RFC 3030 §2 advises against it: a server that refuses every recipient still has to read the
    /// content, and one that gets this wrong runs the content as commands.
    #[must_use]
    pub const fn run_ahead(mut self) -> Self {
        self.run_ahead = true;
        self
    }

    /// Refuses MAIL and AUTH in clear.
    #[must_use]
    pub const fn require_tls(self) -> Self {
        self.tls_required(true)
    }

    pub(crate) const fn tls_required(mut self, is_required: bool) -> Self {
        self.require_tls = is_required;
        self
    }

    /// Reads another EHLO keyword as AUTH too, such as Exchange's `X-EXPS`.
    #[must_use]
    pub fn auth_keyword(mut self, keyword: impl Into<Box<str>>) -> Self {
        self.auth_keyword = Some(keyword.into());
        self
    }

    /// Lets AUTH send a secret in clear or to a server whose certificate was not verified.
    #[must_use]
    pub const fn allow_cleartext(mut self) -> Self {
        self.allow_cleartext = true;
        self
    }
}
