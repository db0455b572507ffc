//! What a mail asks of a server, decided once before MAIL (RFC 6152, 3030, 6531, 1870). How the
//! content gets there is not decided here, nor whether the server keeps to what it offers.

use thiserror::Error;

use super::{Declared, Envelope};
use crate::extension::{
    BodyType, Capabilities, EightBitMime, Extension, MailParam, Size, SmtpUtf8,
};
use crate::wire::{ContentFault, LineEndings, Param, Scan};

/// What a mail asks of a server, by its content and its addresses.
///
/// ```
/// use ehlo::{Capabilities, Envelope, LineEndings, Needs, ReplyKind, ReplyRef, Scan, Strictness};
///
/// let content = "Subject: hello\r\n\r\nGrüße\r\n".as_bytes();
/// let envelope = Envelope::new("alice@example.org", ["bob@example.net"])?;
/// let needs = Needs::of(&envelope, content, &Scan::of(content), LineEndings::Normalize)?;
///
/// let reply = b"250-mx.example.net\r\n250-SIZE\r\n250 8BITMIME\r\n";
/// let parsed = ReplyRef::parse(reply, ReplyKind::Hello, Strictness::Strict)?;
/// let offered = Capabilities::parse(parsed.expect("whole").0);
/// let params: Vec<_> = needs.params(&envelope, &offered)?.iter().map(ToString::to_string).collect();
/// assert_eq!(params, ["BODY=8BITMIME", "SIZE=27"]);
///
/// let nothing = needs.params(&envelope, &Capabilities::default());
/// assert_eq!(
///     nothing.unwrap_err().to_string(),
///     "the server does not offer 8BITMIME, which content with octets above 127 (the first at 20) needs",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    body: Body,
    /// What needs SMTPUTF8.
    smtp_utf8: Option<String>,
    size: Option<u64>,
    line_endings: LineEndings,
    long_lines: u64,
    long_line: Option<u64>,
}

/// What the octets of the content are, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    /// The envelope does; the session checks that the server offers it.
    Given(Option<BodyType>),
    /// The scan found nothing but 7BIT.
    SevenBit,
    /// The scan found an octet above 127, the first of them here.
    EightBit(u64),
    /// The scan found what is no text, and the policy is to send it as it is.
    Binary(ContentFault),
    /// Nobody: it is a stream.
    Unknown,
}

/// Why a mail cannot go to a server, before anything was sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Unmet {
    /// The server does not offer what is needed.
    #[error("the server does not offer {keyword}, which {needs} needs")]
    Unsupported {
        /// The EHLO keyword.
        keyword: &'static str,
        /// What needs it.
        needs: String,
    },
    /// The content is larger than the server takes.
    #[error("the content has {octets} octets, and the server takes {limit}")]
    TooLarge {
        /// Octets of the content.
        octets: u64,
        /// Octets that the server takes.
        limit: u64,
    },
    /// The content cannot be sent to any server.
    #[error("the content cannot be sent: {0}")]
    Content(#[from] ContentFault),
}

impl Needs {
    /// What a mail needs whose content is in memory, where `scan` is what was found in it and
    /// `line_endings` the policy for what is no line end.
    ///
    /// A `BODY` parameter of the envelope is what the content is, and is held against it. Without
    /// one the content tells: `8BITMIME` where an octet is above 127, and under
    /// [`LineEndings::Raw`] `BINARYMIME` where it is not text (a lone CR or LF, a NUL, a line of
    /// more than 998 octets). `SMTPUTF8` is needed by an address beyond ASCII and by a header
    /// section in UTF-8 (RFC 6532), not by other content.
    ///
    /// # Errors
    /// What stands first in the content and may not be sent: under this policy, or as this `BODY`.
    #[inline]
    pub fn of(
        envelope: &Envelope,
        content: &[u8],
        scan: &Scan,
        line_endings: LineEndings,
    ) -> Result<Self, ContentFault> {
        let binary = if line_endings == LineEndings::Raw { no_text(scan) } else { None };
        let body = match (given_body(envelope), binary, scan.eight_bit()) {
            (Some(body), _, _) => Body::Given(body),
            (None, Some(fault), _) => Body::Binary(fault),
            (None, None, Some(offset)) => Body::EightBit(offset),
            (None, None, None) => Body::SevenBit,
        };
        let line_endings = body.line_endings(line_endings);
        scan.check(line_endings, body.is_eight_bit())?;
        let is_binary = body.is_binary();
        let in_header =
            || has_utf8_header(content, scan).then(|| "a header field in UTF-8".to_owned());
        Ok(Self {
            body,
            smtp_utf8: utf8_address(envelope).or_else(in_header),
            size: Some(scan.normalized_len(line_endings)),
            line_endings,
            long_lines: if is_binary { 0 } else { scan.long_lines() },
            long_line: scan.long_line().filter(|_| !is_binary),
        })
    }

    /// What a mail needs whose content is a stream: nothing of it has been looked at.
    ///
    /// It is what the `BODY` parameter of the envelope says; without one, `8BITMIME` where the
    /// server offers that, and else `7BIT`. `size` is what the server gets to keep (lines that end
    /// in CRLF, nothing stuffed), in octets, where that is known; else what the envelope says in
    /// `SIZE`. That the header section is in UTF-8 has to be said with
    /// [`MailParam::smtputf8`](crate::MailParam::smtputf8).
    #[must_use]
    pub fn of_stream(envelope: &Envelope, size: Option<u64>, line_endings: LineEndings) -> Self {
        let body = given_body(envelope).map_or(Body::Unknown, Body::Given);
        Self {
            body,
            smtp_utf8: utf8_address(envelope),
            size: size.or_else(|| given(envelope, Size::KEYWORD)?.value()?.parse().ok()),
            line_endings: body.line_endings(line_endings),
            long_lines: 0,
            long_line: None,
        }
    }

    /// The parameters of MAIL for a server that offers this: those of the envelope, and after them
    /// `BODY`, `SMTPUTF8` and `SIZE` as far as they are needed, offered and not given.
    ///
    /// That a server offers what the envelope gives is the session's to check.
    ///
    /// # Errors
    /// The server does not offer what is needed, or takes less.
    pub fn params(&self, envelope: &Envelope, offered: &Capabilities) -> Result<Vec<Param>, Unmet> {
        let mut params = Vec::new();
        self.put_params(&mut params, envelope, offered)?;
        Ok(params)
    }

    /// The same, in place of what was there. Says what MAIL declares by them.
    #[inline]
    pub(crate) fn put_params(
        &self,
        params: &mut Vec<Param>,
        envelope: &Envelope,
        offered: &Capabilities,
    ) -> Result<Declared, Unmet> {
        params.clear();
        let mut declared = Declared::default();
        for param in envelope.params() {
            declared.add(param);
            params.push(param.clone());
        }
        if let Some(body) = self.unsaid_body(offered)? {
            declared.add_body(body);
            params.push(MailParam::body(body).into());
        }
        if let (Some(needs), None) = (&self.smtp_utf8, given(envelope, SmtpUtf8::KEYWORD)) {
            offers(offered, SmtpUtf8::KEYWORD, || needs.clone())?;
            declared.add_utf8();
            params.push(MailParam::smtputf8().into());
        }
        if let (Some(size), Some(octets)) = (offered.size(), self.size) {
            if let Some(limit) = size.limit().filter(|limit| octets > *limit) {
                return Err(Unmet::TooLarge { octets, limit });
            }
            if given(envelope, Size::KEYWORD).is_none() {
                params.push(MailParam::size(octets).into());
            }
        }
        Ok(declared)
    }

    /// What the octets of the content are; `None` for a stream of which nobody said so, and for a
    /// `BODY` that the crate does not know.
    #[must_use]
    pub const fn body(&self) -> Option<BodyType> {
        match self.body {
            Body::Given(body) => body,
            Body::SevenBit => Some(BodyType::SevenBit),
            Body::EightBit(_) => Some(BodyType::EightBitMime),
            Body::Binary(_) => Some(BodyType::BinaryMime),
            Body::Unknown => None,
        }
    }

    /// What needs SMTPUTF8, in words, where something does.
    #[must_use]
    pub fn smtp_utf8(&self) -> Option<&str> {
        self.smtp_utf8.as_deref()
    }

    /// The octets that the server gets to keep, where that is known before they are sent.
    #[must_use]
    pub const fn size(&self) -> Option<u64> {
        self.size
    }

    /// What is to be done about lone CRs and LFs. Content that is `BINARYMIME` is sent as it is,
    /// over BDAT, whatever the policy was; other content never is: there [`LineEndings::Reject`]
    /// takes the place of [`LineEndings::Raw`].
    #[must_use]
    pub const fn line_endings(&self) -> LineEndings {
        self.line_endings
    }

    /// How many lines have more than 998 octets, which a server need not take (RFC 5321
    /// §4.5.3.1.6). 0 for a stream, and for `BINARYMIME`, which has no lines.
    #[must_use]
    pub const fn long_lines(&self) -> u64 {
        self.long_lines
    }

    /// Refuses content with lines of more than 998 octets: many servers cut or refuse them, some
    /// take them.
    ///
    /// # Errors
    /// There is one; the fault says where the first begins.
    pub fn check_long_lines(&self) -> Result<(), ContentFault> {
        self.long_line.map_or(Ok(()), |offset| Err(ContentFault::LongLine { offset }))
    }

    /// What the content is, where MAIL has to say so and the envelope does not.
    #[inline]
    fn unsaid_body(&self, offered: &Capabilities) -> Result<Option<BodyType>, Unmet> {
        let body = match self.body {
            Body::Given(_) | Body::SevenBit => return Ok(None),
            Body::Unknown if !offered.has(EightBitMime::KEYWORD) => return Ok(None),
            Body::Unknown => BodyType::EightBitMime,
            Body::EightBit(offset) => {
                offers(offered, EightBitMime::KEYWORD, || {
                    format!("content with octets above 127 (the first at {offset})")
                })?;
                BodyType::EightBitMime
            }
            Body::Binary(fault) => {
                for keyword in ["BINARYMIME", "CHUNKING"] {
                    offers(offered, keyword, || format!("what is no text ({fault})"))?;
                }
                BodyType::BinaryMime
            }
        };
        Ok(Some(body))
    }
}

impl Body {
    const fn is_binary(self) -> bool {
        matches!(self, Self::Given(Some(BodyType::BinaryMime)) | Self::Binary(_))
    }

    const fn is_eight_bit(self) -> bool {
        let given = matches!(self, Self::Given(Some(BodyType::EightBitMime)));
        given || self.is_binary() || matches!(self, Self::EightBit(_))
    }

    const fn line_endings(self, policy: LineEndings) -> LineEndings {
        match policy {
            _ if self.is_binary() => LineEndings::Raw,
            LineEndings::Raw => LineEndings::Reject,
            text => text,
        }
    }
}

fn offers(
    offered: &Capabilities,
    keyword: &'static str,
    needs: impl FnOnce() -> String,
) -> Result<(), Unmet> {
    match offered.has(keyword) {
        true => Ok(()),
        false => Err(Unmet::Unsupported { keyword, needs: needs() }),
    }
}

fn given<'a>(envelope: &'a Envelope, keyword: &str) -> Option<&'a Param> {
    envelope.params().iter().find(|param| param.is(keyword))
}

/// What the envelope says of the content; `Some(None)` where it says what the crate does not know.
fn given_body(envelope: &Envelope) -> Option<Option<BodyType>> {
    given(envelope, "BODY").map(BodyType::of)
}

fn utf8_address(envelope: &Envelope) -> Option<String> {
    envelope.beyond_ascii().map(|address| format!("the address {address}"))
}

/// What stands first in content and in no text (RFC 5321 §2.3.8, §4.5.3.1.6).
fn no_text(scan: &Scan) -> Option<ContentFault> {
    let long_line = scan.long_line().map(|offset| ContentFault::LongLine { offset });
    let other = scan.check(LineEndings::Reject, true).err();
    long_line.into_iter().chain(other).min_by_key(ContentFault::offset)
}

/// Whether the header section is UTF-8 beyond ASCII (RFC 6532). Octets above 127 that are not
/// UTF-8 are broken mail from before it, which 8BITMIME carries.
fn has_utf8_header(content: &[u8], scan: &Scan) -> bool {
    let Some(first) = scan.eight_bit().and_then(|offset| usize::try_from(offset).ok()) else {
        return false;
    };
    if content.starts_with(b"\r\n") || content.starts_with(b"\n") {
        return false;
    }
    let end = [&b"\n\r\n"[..], b"\n\n"]
        .iter()
        .filter_map(|blank| memchr::memmem::find(content, blank))
        .min()
        .unwrap_or(content.len());
    first < end && content.get(..end).is_some_and(|header| std::str::from_utf8(header).is_ok())
}

#[cfg(test)]
mod tests;
