//! SIZE (RFC 1870): the largest message that a server takes, and the size of the one to come.
//!
//! ```abnf
//! size-offer = "SIZE" [ SP 1*20DIGIT ]
//! size-param = "SIZE=" 1*20DIGIT
//! ```

use super::{Extension, MailParam};
use crate::wire::Param;

/// The server takes a declared size, and may say how large a message it takes at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    limit: Option<u64>,
}

impl Size {
    /// The largest message in octets; `None` where no fixed limit is known (`SIZE`, `SIZE 0`, or a
    /// number that cannot be read). A number too large for 64 bits is the largest that fits.
    #[must_use]
    pub const fn limit(&self) -> Option<u64> {
        self.limit
    }
}

impl Extension for Size {
    const KEYWORD: &'static str = "SIZE";
    const MAIL_PARAMS: &'static [&'static str] = &["SIZE"];
    const MAIL_OCTETS: usize = 26;

    fn parse(params: &str) -> Option<Self> {
        let limit = match params.parse() {
            // A sign is none of the grammar.
            Ok(limit) => Some(limit).filter(|limit| *limit > 0 && !params.starts_with('+')),
            Err(_) if params.is_empty() || !is_well_formed(params.as_bytes()) => None,
            Err(_) => Some(u64::MAX),
        };
        Some(Self { limit })
    }
}

/// Whether the offer is a number or nothing.
pub(super) fn is_well_formed(params: &[u8]) -> bool {
    params.iter().all(u8::is_ascii_digit)
}

impl MailParam {
    /// `SIZE=`: the octets of the content with CRLF line ends, before dot-stuffing and without
    /// the final dot (RFC 1870 §5).
    #[must_use]
    #[inline]
    pub const fn size(octets: u64) -> Self {
        Self(Param::number("SIZE", octets))
    }
}

#[cfg(test)]
mod tests {
    use super::super::capabilities::tests::offered;
    use super::*;
    use crate::wire::Quirk;

    #[test]
    fn c_023_dialect_45_the_limit_is_an_optional_number() {
        let limit = |line: &str| offered(&[line]).get::<Size>().map(|size| size.limit());
        assert_eq!(limit("SIZE 1000"), Some(Some(1000)));
        assert_eq!(limit("SIZE"), Some(None));
        assert_eq!(limit("SIZE 0"), Some(None));
        assert_eq!(limit("SIZE abc"), Some(None));
        assert_eq!(limit("SIZE +1"), Some(None));
        assert_eq!(limit("SIZE 100000000000000000000000"), Some(Some(u64::MAX)));
        assert_eq!(limit("SIZE=1000"), None);
        assert_eq!(limit("8BITMIME"), None);
    }

    #[test]
    fn dialect_45_a_bad_number_is_flagged() {
        assert!(offered(&["SIZE abc"]).quirks().contains(Quirk::BadSize));
        assert!(!offered(&["SIZE 12"]).quirks().contains(Quirk::BadSize));
        assert!(!offered(&["SIZE"]).quirks().contains(Quirk::BadSize));
    }

    #[test]
    fn c_057_the_size_is_a_decimal_number() {
        assert_eq!(MailParam::size(u64::MAX).to_string(), "SIZE=18446744073709551615");
        assert_eq!(MailParam::size(0).to_string(), "SIZE=0");
    }

    #[test]
    fn the_last_of_two_offers_counts() {
        let size = offered(&["SIZE 1", "SIZE 2"]).get::<Size>();
        assert_eq!(size.unwrap().limit(), Some(2));
    }

    #[test]
    fn what_was_read_beforehand_is_what_is_read_when_asked() {
        for lines in [&["SIZE 1"][..], &["size"], &["SIZE 1 2"], &["SIZE 1", "SIZE x"], &["DSN"]] {
            let offered = offered(lines);
            assert_eq!(offered.size(), offered.get::<Size>(), "{lines:?}");
        }
    }
}
