//! LIMITS obeyed (RFC 9422): how many mails, recipients and recipients' domains the server takes,
//! and how many it has had. What it says about them is read in `extension`.

use std::collections::HashSet;

use crate::extension::{Capabilities, ServerLimits};
use crate::protocol::fault::Misuse;
use crate::wire::{Command, Verb};

/// What the server takes, and has had.
#[derive(Debug, Default)]
pub(super) struct Quota {
    /// MAIL commands of this session, refused ones too.
    mails: u32,
    /// RCPT commands of the transaction that was opened last, refused ones too.
    rcpts: u32,
    /// In a box: few servers have limits, and many sessions are idle.
    limits: Option<Box<Limits>>,
}

/// The limits of the last EHLO, and what they alone make count.
#[derive(Debug, Default)]
struct Limits {
    mail_max: Option<u32>,
    rcpt_max: Option<u32>,
    rcpt_domain_max: Option<u32>,
    /// Domains of recipients of this session in lower case; kept where they are counted.
    domains: HashSet<Box<str>>,
}

impl Quota {
    /// An EHLO was accepted: its limits replace those before; what was used stays used.
    pub(super) fn offered(&mut self, capabilities: &Capabilities) {
        let offered = capabilities.get::<ServerLimits>();
        if offered.is_none() && self.limits.is_none() {
            return;
        }
        let limits = self.limits.get_or_insert_default();
        limits.mail_max = offered.as_ref().and_then(ServerLimits::mail_max);
        limits.rcpt_max = offered.as_ref().and_then(ServerLimits::rcpt_max);
        limits.rcpt_domain_max = offered.as_ref().and_then(ServerLimits::rcpt_domain_max);
    }

    /// Whether the server has named no limits.
    #[inline]
    pub(super) const fn is_unlimited(&self) -> bool {
        self.limits.is_none()
    }

    /// Whether one more command of this verb is within them.
    #[inline(always)]
    pub(super) fn allows(&self, verb: Verb) -> Result<(), Misuse> {
        match &self.limits {
            None => Ok(()),
            Some(limits) => match verb {
                Verb::Mail => reached("MAILMAX", limits.mail_max, self.mails),
                Verb::Rcpt => reached("RCPTMAX", limits.rcpt_max, self.rcpts),
                _ => Ok(()),
            },
        }
    }

    /// Whether this command's domain is.
    #[inline(always)]
    pub(super) fn check(&self, command: &Command<'_>) -> Result<(), Misuse> {
        self.limits.as_ref().map_or(Ok(()), |limits| limits.check(command))
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
                if let Some(limits) = &mut self.limits
                    && limits.rcpt_domain_max.is_some()
                {
                    limits.domains.extend(domain(command));
                }
            }
            _ => {}
        }
    }
}

impl Limits {
    fn check(&self, command: &Command<'_>) -> Result<(), Misuse> {
        let Some(most) = self.rcpt_domain_max else {
            return Ok(());
        };
        let Some(domain) = domain(command) else {
            return Ok(());
        };
        match (self.domains.len() as u64) < u64::from(most) || self.domains.contains(&*domain) {
            true => Ok(()),
            false => Err(Misuse::LimitReached { limit: "RCPTDOMAINMAX", most }),
        }
    }
}

/// Whether a limit leaves room for one more.
fn reached(limit: &'static str, most: Option<u32>, used: u32) -> Result<(), Misuse> {
    match most {
        Some(most) if used >= most => Err(Misuse::LimitReached { limit, most }),
        _ => Ok(()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{ReplyKind, ReplyRef, Strictness};

    /// An EHLO that was answered so.
    fn offered(quota: &mut Quota, offer: &str) {
        let reply = format!("250-mx\r\n250 {offer}\r\n");
        let parsed = ReplyRef::parse(reply.as_bytes(), ReplyKind::Hello, Strictness::Strict);
        quota.offered(&Capabilities::parse(parsed.unwrap().unwrap().0));
    }

    fn check(quota: &Quota, command: &str) -> Result<(), Misuse> {
        let command = Command::parse(command.as_bytes()).unwrap();
        quota.allows(command.verb()).and_then(|()| quota.check(&command))
    }

    fn sent(quota: &mut Quota, command: &str) {
        let command = Command::parse(command.as_bytes()).unwrap();
        quota.sent(command.verb(), &command);
    }

    const MAIL: &str = "MAIL FROM:<>";
    const AT_ONE: &str = "RCPT TO:<a@one.example>";
    const AT_TWO: &str = "RCPT TO:<a@two.example>";

    #[test]
    fn c_110_the_limits_of_the_last_ehlo_hold_for_what_was_used_before() {
        let mut quota = Quota::default();
        offered(&mut quota, "HELP");
        assert!(quota.limits.is_none(), "room is taken for limits alone");
        sent(&mut quota, MAIL);
        sent(&mut quota, AT_ONE);
        let reached = |limit| Err(Misuse::LimitReached { limit, most: 1 });
        offered(&mut quota, "LIMITS MAILMAX=1 RCPTMAX=1");
        assert_eq!(check(&quota, MAIL), reached("MAILMAX"));
        assert_eq!(check(&quota, AT_TWO), reached("RCPTMAX"));
        offered(&mut quota, "LIMITS RCPTDOMAINMAX=1");
        assert_eq!((check(&quota, MAIL), check(&quota, AT_TWO)), (Ok(()), Ok(())));
        sent(&mut quota, AT_ONE);
        assert_eq!(check(&quota, AT_TWO), reached("RCPTDOMAINMAX"));
        offered(&mut quota, "HELP");
        assert_eq!((check(&quota, MAIL), check(&quota, AT_TWO)), (Ok(()), Ok(())));
        offered(&mut quota, "LIMITS RCPTDOMAINMAX=1");
        assert_eq!(check(&quota, AT_TWO), reached("RCPTDOMAINMAX"));
        assert_eq!(check(&quota, AT_ONE), Ok(()));
    }
}
