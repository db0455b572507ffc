//! The limits that a server offers with LIMITS (RFC 9422), and that it keeps to then.

use super::peer::{Peer, Words};
use super::server::{Server, keyword};
use crate::{ForwardPath, Verb};

/// What of the limits is used up.
#[derive(Default)]
pub(super) struct Used {
    /// MAIL commands of this session, refused ones too.
    mails: u64,
    /// RCPT commands of this transaction, refused ones too.
    recipients: u64,
    /// Domains of recipients of this session, in lower case.
    domains: Vec<String>,
}

impl Server {
    /// ```text
    /// LIMITS [ SP name "=" value ... ]
    /// ```
    fn limit(&self, name: &str) -> Option<u64> {
        let mut offered = self.offered.iter();
        let line = offered.find(|line| keyword(line).eq_ignore_ascii_case("LIMITS"))?;
        line.split(' ').skip(1).find_map(|limit| {
            let (other, value) = limit.split_once('=')?;
            other.eq_ignore_ascii_case(name).then(|| value.parse().ok())?
        })
    }
}

impl Peer<'_> {
    /// Counts the command; what it is answered where it is one too many.
    pub(super) fn beyond_limits(&mut self, verb: Verb) -> Option<Words> {
        let (used, name) = match verb {
            Verb::Mail => {
                if !self.is_in_mail() {
                    self.used.recipients = 0;
                }
                (&mut self.used.mails, "MAILMAX")
            }
            Verb::Rcpt => (&mut self.used.recipients, "RCPTMAX"),
            _ => return None,
        };
        *used += 1;
        let most = self.server.limit(name)?;
        (*used > most).then_some(match verb {
            Verb::Mail => (421, "4.5.3", "too many mails in a session"),
            _ => (452, "4.5.3", "too many recipients"),
        })
    }

    /// Whether this recipient's domain is one too many.
    pub(super) fn beyond_domains(&mut self, recipient: &ForwardPath) -> bool {
        let Some(mailbox) = recipient.mailbox() else {
            return false;
        };
        let domain = mailbox.domain().to_ascii_lowercase();
        if self.used.domains.contains(&domain) {
            return false;
        }
        let there = self.used.domains.len() as u64;
        let is_beyond = self.server.limit("RCPTDOMAINMAX").is_some_and(|most| there >= most);
        if !is_beyond {
            self.used.domains.push(domain);
        }
        is_beyond
    }
}
