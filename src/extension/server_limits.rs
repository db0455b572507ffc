//! LIMITS (RFC 9422): how much a server takes in one session and in one transaction. What is made
//! of it is the affair of those who send mails.
//!
//! ```abnf
//! limits-offer = "LIMITS" *( SP limit )
//! limit        = name [ "=" value ]
//! name         = 1*( ALPHA / DIGIT / "-" / "_" )
//! value        = 1*( %x21-3A / %x3C-7E )        ; printable, no ";"
//! count        = %x31-39 *5DIGIT                ; the value of the three that are known
//! ```

use super::Extension;

/// What the server limits, and to what.
///
/// Limits hold for the session in which they were offered, and are trusted as little as its
/// channel is.
///
/// ```
/// use ehlo::{Capabilities, ReplyKind, ReplyRef, ServerLimits, Strictness};
///
/// let reply = b"250-mx.example.org\r\n250 LIMITS RCPTMAX=100 MAILMAX=20 X=1\r\n";
/// let parsed = ReplyRef::parse(reply, ReplyKind::Hello, Strictness::Strict)?;
/// let (reply, _) = parsed.expect("whole");
/// let limits = Capabilities::parse(reply).get::<ServerLimits>().expect("offered");
/// assert_eq!((limits.mail_max(), limits.rcpt_max()), (Some(20), Some(100)));
/// assert_eq!(limits.rcpt_domain_max(), None);
/// assert_eq!(limits.iter().last(), Some(("X", Some("1"))));
/// # Ok::<(), ehlo::ReplyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerLimits {
    /// Each `name` or `name=value`, well-formed.
    limits: Vec<Box<str>>,
}

impl ServerLimits {
    /// MAILMAX: the MAIL commands of one session, refused ones too; 1 to 999,999.
    #[must_use]
    pub fn mail_max(&self) -> Option<u32> {
        self.count("MAILMAX")
    }

    /// RCPTMAX: the RCPT commands of one transaction, refused ones too; 1 to 999,999.
    #[must_use]
    pub fn rcpt_max(&self) -> Option<u32> {
        self.count("RCPTMAX")
    }

    /// RCPTDOMAINMAX: the domains of the recipients of one session; 1 to 999,999.
    #[must_use]
    pub fn rcpt_domain_max(&self) -> Option<u32> {
        self.count("RCPTDOMAINMAX")
    }

    /// Every well-formed limit as it was spelled, known or not, in the order of the offer. What is
    /// not well-formed is left out.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.limits.iter().map(|limit| split(limit))
    }

    /// The first usable value counts; one that is not a number in bounds limits nothing.
    fn count(&self, name: &str) -> Option<u32> {
        self.iter().filter(|limit| limit.0.eq_ignore_ascii_case(name)).find_map(|limit| {
            let value = limit.1?;
            let is_count = value.bytes().all(|octet| octet.is_ascii_digit())
                && !value.starts_with('0')
                && value.len() <= MAX_DIGITS;
            value.parse().ok().filter(|_| is_count)
        })
    }
}

impl Extension for ServerLimits {
    const KEYWORD: &'static str = "LIMITS";

    /// Malformed limits are skipped, one by one (RFC 9422 §3).
    fn parse(params: &str) -> Option<Self> {
        let limits = params.split([' ', '\t']).filter(|limit| is_well_formed(limit));
        Some(Self { limits: limits.map(Into::into).collect() })
    }
}

fn is_well_formed(limit: &str) -> bool {
    let (name, value) = split(limit);
    let in_name = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    let in_value = |octet: u8| octet.is_ascii_graphic() && octet != b';';
    !name.is_empty()
        && name.bytes().all(in_name)
        && value.is_none_or(|value| !value.is_empty() && value.bytes().all(in_value))
}

fn split(limit: &str) -> (&str, Option<&str>) {
    match limit.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (limit, None),
    }
}

/// Of 999,999, the highest count (RFC 9422 §4).
const MAX_DIGITS: usize = 6;

#[cfg(test)]
mod tests {
    use super::super::capabilities::tests::offered;
    use super::*;

    fn limits(line: &str) -> ServerLimits {
        offered(&[line]).get().unwrap()
    }

    #[test]
    fn c_025_names_and_values_are_read() {
        let limits = limits("LIMITS mailmax=1 RCPTMAX=999999  RCPTDOMAINMAX=50\tX-Y_1 Z=a=b");
        assert_eq!(limits.mail_max(), Some(1));
        assert_eq!(limits.rcpt_max(), Some(999_999));
        assert_eq!(limits.rcpt_domain_max(), Some(50));
        let all: Vec<_> = limits.iter().collect();
        assert_eq!(all[0], ("mailmax", Some("1")));
        assert_eq!(all[3..], [("X-Y_1", None), ("Z", Some("a=b"))]);
    }

    #[test]
    fn c_025_the_malformed_are_skipped() {
        let skipped = limits("LIMITS =1 MAILMAX= a;b=1 A=1;2 MAIL.MAX=1 ü=1 A=ü RCPTMAX=7");
        assert_eq!(skipped.iter().collect::<Vec<_>>(), [("RCPTMAX", Some("7"))]);
        for value in ["", "=0", "=007", "=-1", "=+1", "=1000000", "=1x", "=99999999999999999999"] {
            assert_eq!(limits(&format!("LIMITS MAILMAX{value}")).mail_max(), None, "{value}");
        }
        assert_eq!(limits("LIMITS MAILMAX=x MAILMAX=3 MAILMAX=4").mail_max(), Some(3));
        assert_eq!(limits("LIMITS").iter().count(), 0);
    }
}
