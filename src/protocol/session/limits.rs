//! LIMITS obeyed (RFC 9422): how many mails, recipients and recipients' domains the server takes,
//! and how many it has had. What it says about them is read in `extension`.

use std::collections::HashSet;

use crate::extension::{Capabilities, ServerLimits};
use crate::protocol::fault::Misuse;
use crate::wire::{Command, Verb};

/// What the server takes, and has had.
#[derive(Debug, Default)]
pub(super) struct Quota {
    mail_max: Option<u32>,
    rcpt_max: Option<u32>,
    rcpt_domain_max: Option<u32>,
    /// MAIL commands of this session, refused ones too.
    mails: u32,
    /// RCPT commands of the transaction that was opened last, refused ones too.
    rcpts: u32,
    /// Domains of recipients of this session in lower case; kept where they are counted.
    #[expect(clippy::box_collection, reason = "few sessions count them, and many are idle")]
    domains: Option<Box<HashSet<Box<str>>>>,
}

impl Quota {
    /// An EHLO was accepted: its limits replace those before; what was used stays used.
    pub(super) fn offered(&mut self, capabilities: &Capabilities) {
        let limits = capabilities.get::<ServerLimits>();
        self.mail_max = limits.as_ref().and_then(ServerLimits::mail_max);
        self.rcpt_max = limits.as_ref().and_then(ServerLimits::rcpt_max);
        self.rcpt_domain_max = limits.as_ref().and_then(ServerLimits::rcpt_domain_max);
    }

    /// Whether one more command of this verb is within them.
    #[inline]
    pub(super) const fn allows(&self, verb: Verb) -> Result<(), Misuse> {
        let (limit, most, used) = match verb {
            Verb::Mail => ("MAILMAX", self.mail_max, self.mails),
            Verb::Rcpt => ("RCPTMAX", self.rcpt_max, self.rcpts),
            _ => return Ok(()),
        };
        match most {
            Some(most) if used >= most => Err(Misuse::LimitReached { limit, most }),
            _ => Ok(()),
        }
    }

    /// Whether this command's domain is.
    #[inline]
    pub(super) fn check(&self, command: &Command<'_>) -> Result<(), Misuse> {
        let Some(most) = self.rcpt_domain_max else {
            return Ok(());
        };
        let Some(domain) = domain(command) else {
            return Ok(());
        };
        let used = self.domains.as_deref();
        let is_full = used.map_or(0, HashSet::len) as u64 >= u64::from(most);
        if is_full && !used.is_some_and(|used| used.contains(&*domain)) {
            return Err(Misuse::LimitReached { limit: "RCPTDOMAINMAX", most });
        }
        Ok(())
    }

    /// A command is sent.
    #[inline]
    pub(super) fn sent(&mut self, verb: Verb, command: &Command<'_>) {
        match verb {
            Verb::Mail => {
                self.mails = self.mails.saturating_add(1);
                self.rcpts = 0;
            }
            Verb::Rcpt => {
                self.rcpts = self.rcpts.saturating_add(1);
                if self.rcpt_domain_max.is_some() {
                    self.domains.get_or_insert_default().extend(domain(command));
                }
            }
            _ => {}
        }
    }
}

fn domain(command: &Command<'_>) -> Option<Box<str>> {
    match command {
        Command::Rcpt { recipient, .. } => {
            recipient.mailbox().map(|mailbox| mailbox.domain().to_ascii_lowercase().into())
        }
        _ => None,
    }
}
