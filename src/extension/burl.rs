//! BURL (RFC 4468): content that the server fetches by itself. The command is in `wire`.
//!
//! ```abnf
//! offer = "BURL" *( SP ( scheme / absolute-URI ) )  ; so far "imap" and "imap://host"
//! ```

use super::Extension;
use crate::wire::AbsoluteUri;

/// The server fetches content, from where it says.
///
/// Dovecot and others name the servers only once the client has authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Burl {
    imap: bool,
    servers: Vec<AbsoluteUri>,
}

impl Burl {
    /// Whether it fetches from any IMAP server whose URL bears an authorisation of its own
    /// (URLAUTH, RFC 4467).
    #[must_use]
    pub const fn takes_imap(&self) -> bool {
        self.imap
    }

    /// The servers from which it fetches without such an authorisation: `imap://host`.
    pub fn servers(&self) -> impl Iterator<Item = &AbsoluteUri> {
        self.servers.iter()
    }
}

impl Extension for Burl {
    const KEYWORD: &'static str = "BURL";

    fn parse(params: &str) -> Option<Self> {
        let mut burl = Self { imap: false, servers: Vec::new() };
        for word in params.split([' ', '\t']).filter(|word| !word.is_empty()) {
            if word.contains(':') {
                burl.servers.push(word.parse().ok()?);
            } else if word.bytes().all(|octet| octet.is_ascii_alphanumeric()) {
                burl.imap |= word.eq_ignore_ascii_case("imap");
            } else {
                return None;
            }
        }
        Some(burl)
    }
}

#[cfg(test)]
mod tests {
    use super::super::capabilities::tests::offered;
    use super::*;

    #[test]
    fn says_from_where_it_fetches() {
        for (line, imap, servers) in [
            ("BURL", false, &[][..]),
            ("BURL imap", true, &[]),
            ("BURL IMAP imap://imap.example.org", true, &["imap://imap.example.org"]),
            ("BURL pop", false, &[]),
        ] {
            let burl = offered(&[line]).get::<Burl>().unwrap();
            assert_eq!(burl.takes_imap(), imap, "{line}");
            assert_eq!(burl.servers().map(AbsoluteUri::as_str).collect::<Vec<_>>(), servers);
        }
    }

    #[test]
    fn c_026_a_malformed_parameter_makes_this_offer_unusable_and_no_other() {
        for line in ["BURL imap,pop", "BURL imap ://x", "BURL imap imap://\u{7f}"] {
            let offered = offered(&[line, "SIZE 5"]);
            assert_eq!(offered.get::<Burl>(), None, "{line}");
            assert!(offered.has("BURL") && offered.get::<super::super::Size>().is_some());
        }
    }
}
