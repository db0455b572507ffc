//! Service extensions: what a server offers, and what that lets a client say. One file an
//! extension, with its grammar, its type, its parameters and its tests; nothing here knows when
//! a command is sent.
//!
//! | file | what it holds |
//! |---|---|
//! | `capabilities` | the extensions of an EHLO reply |
//! | `place` | which extension a keyword names, and where each is offered |
//! | `param` | parameters of MAIL and RCPT, and what each needs |
//! | the others | an extension each |
//!
//! Some keywords are known by name and have no file: they are never used, and stay visible in
//! `Capabilities::keywords` like those that nobody knows. They are Exchange's `X-EXPS`, `XEXCH50`
//! and `X-LINK2STATE`, Exim's `PIPECONNECT`, sendmail's `VERB` and `ONEX`, `UTF8SMTP`, which
//! SMTPUTF8 has replaced, and `SEND`, `SOML`, `SAML` and `TURN`.

/// Declares the file of each extension, the list in which parameters and line lengths are looked
/// up, and each one's place in it.
macro_rules! extensions {
    ($($file:ident :: $name:ident),+ $(,)?) => {
        $(mod $file;)+
        $(pub use $file::$name;)+

        const KNOWN: &[Known] = &[$(Known::of::<$name>()),+];
        const COUNT: usize = KNOWN.len();

        /// An extension that the crate knows, by its place in the list.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Place {
            $($name,)+
        }

        impl Place {
            const fn keyword(self) -> &'static str {
                match self {
                    $(Self::$name => $name::KEYWORD,)+
                }
            }

            /// That of the keyword with this head in upper case: no two extensions have the same.
            #[inline]
            const fn of_head(head: u64) -> Option<Self> {
                $(if head == const { place::head($name::KEYWORD) } {
                    return Some(Self::$name);
                })+
                None
            }
        }
    };
}

extensions! {
    size::Size,
    eight_bit_mime::EightBitMime,
    pipelining::Pipelining,
    start_tls::StartTls,
    auth::Auth,
    enhanced_status_codes::EnhancedStatusCodes,
    smtp_utf8::SmtpUtf8,
    chunking::Chunking,
    binary_mime::BinaryMime,
    dsn::Dsn,
    deliver_by::DeliverBy,
    mt_priority::MtPriority,
    future_release::FutureRelease,
    require_tls::RequireTls,
    rrvs::Rrvs,
    server_limits::ServerLimits,
    no_soliciting::NoSoliciting,
    mtrk::Mtrk,
    submitter::Submitter,
    burl::Burl,
    checkpoint::Checkpoint,
    conperm::Conperm,
    conneg::Conneg,
    etrn::Etrn,
    atrn::Atrn,
    xclient::Xclient,
    xforward::Xforward,
    xverp::Xverp,
    prdr::Prdr,
}

mod capabilities;
mod param;
mod place;

pub use capabilities::{Capabilities, Keyword};
pub use deliver_by::ByTime;
pub use dsn::{EnvelopeId, Notify, OriginalRecipient, ReturnContent};
pub use eight_bit_mime::BodyType;
pub use future_release::Hold;
pub use mt_priority::Priority;
#[cfg(feature = "testing")]
pub(crate) use param::needed_by;
use param::read;
pub use param::{MailParam, RcptParam};
pub(crate) use param::{Uncovered, covers};
pub use rrvs::ValidSince;

use crate::wire::Param;

/// A service extension, as a line of an EHLO reply offers it.
///
/// Extensions outside this crate implement it too, to be read with [`Capabilities::get`]. A session
/// knows nothing of them: a parameter that the crate does not know needs the EHLO keyword of its
/// own name, and adds nothing to the longest line.
///
/// ```
/// use ehlo::{Capabilities, Extension, ReplyKind, ReplyRef, Strictness};
///
/// /// PIPECONNECT, for clients of Exim that know the offer from before.
/// struct PipeConnect;
///
/// impl Extension for PipeConnect {
///     const KEYWORD: &'static str = "PIPECONNECT";
///
///     fn parse(_params: &str) -> Option<Self> {
///         Some(Self)
///     }
/// }
///
/// let reply = b"250-mx.example.org\r\n250 PIPECONNECT\r\n";
/// let parsed = ReplyRef::parse(reply, ReplyKind::Hello, Strictness::Strict)?;
/// let (reply, _) = parsed.expect("whole");
/// assert!(Capabilities::parse(reply).get::<PipeConnect>().is_some());
/// # Ok::<(), ehlo::ReplyError>(())
/// ```
pub trait Extension: Sized {
    /// The EHLO keyword that offers it, compared without case.
    const KEYWORD: &'static str;
    /// Keywords of the MAIL parameters that need it.
    const MAIL_PARAMS: &'static [&'static str] = &[];
    /// Keywords of the RCPT parameters that need it.
    const RCPT_PARAMS: &'static [&'static str] = &[];
    /// Octets that it adds to the longest MAIL line.
    const MAIL_OCTETS: usize = 0;
    /// Octets that it adds to the longest RCPT line.
    const RCPT_OCTETS: usize = 0;

    /// Reads what follows the keyword; `None` where that makes the offer unusable.
    fn parse(params: &str) -> Option<Self>;

    /// Why this offer does not cover a parameter that needs it; `None` where it does. `all` are the
    /// parameters of the same command.
    ///
    /// A session asks the extensions of this crate, before anything is sent.
    #[must_use]
    fn refuses(&self, _param: &Param, _all: &[Param]) -> Option<String> {
        None
    }

    /// Joins the offers of two lines. The last one counts, unless an extension says otherwise.
    #[must_use]
    fn join(self, _earlier: Self) -> Self {
        self
    }
}

/// What is known of an extension without its type.
struct Known {
    keyword: &'static str,
    mail_params: &'static [&'static str],
    rcpt_params: &'static [&'static str],
    mail_octets: usize,
    rcpt_octets: usize,
    covers: fn(&Capabilities, &Param, &[Param]) -> Result<(), Uncovered>,
}

impl Known {
    const fn of<E: Extension>() -> Self {
        Self {
            keyword: E::KEYWORD,
            mail_params: E::MAIL_PARAMS,
            rcpt_params: E::RCPT_PARAMS,
            mail_octets: E::MAIL_OCTETS,
            rcpt_octets: E::RCPT_OCTETS,
            covers: |offered, param, all| match offered.get::<E>() {
                Some(offer) => offer.refuses(param, all).map_or(Ok(()), uncovered),
                None if offered.has(E::KEYWORD) => {
                    uncovered(format!("its offer of {} cannot be read", E::KEYWORD))
                }
                None => Err(Uncovered::NotOffered(E::KEYWORD.to_owned())),
            },
        }
    }
}

const fn uncovered(reason: String) -> Result<(), Uncovered> {
    Err(Uncovered::Refused(reason))
}
