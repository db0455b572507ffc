//! Whether a command may be sent now. The order stands in the table; here is the rest: what the
//! server offers, what protects the channel, what fits.

use bytes::BytesMut;

use super::Session;
use crate::extension::{self, BodyType, Capabilities, Extension, RequireTls, SmtpUtf8, Uncovered};
use crate::protocol::config::{Protection, Protocol};
use crate::protocol::fault::Misuse;
use crate::protocol::rules::{Act, Phase, rule};
use crate::protocol::{Envelope, Needs, Unmet};
use crate::wire::{Command, Param, Raw, Scan, Secret, Verb};

impl Session {
    /// Whether a verb may be sent now.
    ///
    /// # Errors
    /// Why it may not.
    pub fn allows(&self, verb: Verb) -> Result<(), Misuse> {
        self.is_in_order(verb)?;
        if self.output.is_content_open() {
            return Err(Misuse::ContentPending(self.output.promised()));
        }
        if !self.may_follow() {
            return Err(Misuse::NoRoom(verb, self.flight.len()));
        }
        self.is_open_to(verb)
    }

    /// Whether a verb is lawful where the session will be.
    #[inline(always)]
    pub(super) fn is_in_order(&self, verb: Verb) -> Result<(), Misuse> {
        let rule = rule(Act::Command(verb));
        let ahead = self.ahead();
        if self.here == Phase::Closed {
            return Err(Misuse::Closed);
        }
        // It may be another server than it seems.
        if self.is_welcome() && !self.is_authenticated() && verb != Verb::Quit {
            return Err(Misuse::Unproved(verb));
        }
        if self.here == Phase::Greeting {
            return Err(Misuse::OutOfOrder { verb, when: rule.when, phase: self.here });
        }
        if (verb == Verb::Lhlo) != (self.config.protocol == Protocol::Lmtp)
            && matches!(verb, Verb::Ehlo | Verb::Helo | Verb::Lhlo)
        {
            return Err(Misuse::WrongProtocol(verb));
        }
        if !rule.from.contains(ahead) {
            return Err(Misuse::OutOfOrder { verb, when: rule.when, phase: ahead });
        }
        Ok(())
    }

    /// Whether the server takes a verb, over this channel, beside its place in the order.
    #[inline(always)]
    pub(super) fn is_open_to(&self, verb: Verb) -> Result<(), Misuse> {
        self.quota.allows(verb)?;
        let rule = rule(Act::Command(verb));
        match verb {
            Verb::StartTls if self.protection != Protection::None => Err(Misuse::Again(verb)),
            Verb::Auth if self.authenticated => Err(Misuse::Again(verb)),
            Verb::Auth | Verb::Mail
                if self.config.require_tls && self.protection == Protection::None =>
            {
                Err(Misuse::TlsRequired(verb))
            }
            Verb::Data if self.declared.binary => Err(Misuse::BinaryOverData),
            Verb::Bdat | Verb::Burl if !self.may_send_chunk(verb) => {
                Err(Misuse::NoRoom(verb, self.flight.len()))
            }
            _ => match rule.keyword {
                Some(keyword) if !self.capabilities.has(keyword) => Err(Misuse::Unsupported {
                    keyword: keyword.to_owned(),
                    needs: verb.to_string(),
                }),
                _ if verb == Verb::Auth => self.may_expose_secret(),
                _ => Ok(()),
            },
        }
    }

    /// A refused chunk is run as commands by some servers: none goes out before a recipient is
    /// known to be accepted, unless that was asked for by name.
    fn may_send_chunk(&self, verb: Verb) -> bool {
        let rule = rule(Act::Command(verb));
        let awaits = |verb| self.flight.holds(Act::Command(verb));
        let has_recipient = rule.from.contains(self.here) && !awaits(Verb::Mail);
        match self.config.protocol {
            Protocol::Smtp => has_recipient || (self.config.run_ahead && verb == Verb::Bdat),
            // How many replies the last chunk draws has to be known when it is sent.
            Protocol::Lmtp => has_recipient && !awaits(Verb::Rcpt) && !awaits(Verb::Bdat),
        }
    }

    /// The parameters of MAIL for a mail whose content is in memory: those of the envelope, and
    /// what the content needs of this server under the session's own policy for line ends
    /// ([`Needs`] says more).
    ///
    /// ```
    /// use ehlo::{Envelope, Session, SessionConfig};
    ///
    /// let session = Session::new(SessionConfig::default()); // which nothing has been offered yet
    /// let envelope = Envelope::new("alice@example.org", ["bob@example.net"])?;
    /// assert_eq!(session.params_for(&envelope, b"Subject: hello\r\n\r\n")?, []);
    /// let unmet = session.params_for(&envelope, "Grüße".as_bytes()).unwrap_err();
    /// assert!(unmet.to_string().starts_with("the server does not offer 8BITMIME"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The server does not offer what is needed or takes less, or the content cannot be sent.
    pub fn params_for(&self, envelope: &Envelope, content: &[u8]) -> Result<Vec<Param>, Unmet> {
        let needs = Needs::of(envelope, content, &Scan::of(content), self.config.line_endings)?;
        needs.params(envelope, &self.capabilities)
    }

    fn may_expose_secret(&self) -> Result<(), Misuse> {
        match self.protection {
            Protection::Verified => Ok(()),
            _ if self.config.allow_cleartext => Ok(()),
            Protection::Unverified => Err(Misuse::SecretExposed("to an unverified server")),
            Protection::None => Err(Misuse::SecretExposed("in clear")),
        }
    }

    /// What is wrong with a command beside its place in the order.
    #[inline]
    pub(super) fn check(&self, command: &Command<'_>) -> Result<(), Misuse> {
        self.quota.check(command)?;
        self.check_params(command, command.params())?;
        self.check_line(command, || match command.verb() {
            Verb::Mail => declared(command).utf8,
            _ => self.declared.utf8,
        })
    }

    /// Whether every command of a mail can be sent, before the first of them is: with these
    /// parameters of MAIL, and those of each RCPT. Of its recipients the first has to be within
    /// what the server takes by its LIMITS.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn check_mail(&self, envelope: &Envelope, params: &[Param]) -> Result<(), Misuse> {
        self.check_commands(envelope, params, params, Declared::by(params))
    }

    /// The same, where the parameters of MAIL are those that [`Needs::params`] has put behind the
    /// envelope's own, and what they declare is known: the envelope's alone are asked for what
    /// covers them.
    #[cfg(feature = "net")]
    #[inline]
    pub(crate) fn check_prepared(
        &self,
        envelope: &Envelope,
        params: &[Param],
        declared: Declared,
    ) -> Result<(), Misuse> {
        self.check_commands(envelope, params, envelope.params(), declared)
    }

    /// A path is short: without parameters a line has nothing to be but ASCII, and what `Needs` puts
    /// behind is short and ASCII, too. So nothing can be wrong with most mails.
    #[inline]
    fn check_commands(
        &self,
        envelope: &Envelope,
        params: &[Param],
        given: &[Param],
        declared: Declared,
    ) -> Result<(), Misuse> {
        match given.is_empty() && envelope.has_plain_recipients() && self.quota.is_unlimited() {
            true => Ok(()),
            false => self.check_each_command(envelope, params, given, declared),
        }
    }

    fn check_each_command(
        &self,
        envelope: &Envelope,
        params: &[Param],
        given: &[Param],
        declared: Declared,
    ) -> Result<(), Misuse> {
        Command::refuse_repeated(given)?;
        let mail = Command::mail_lent(envelope.sender(), params);
        self.quota.allows(Verb::Mail)?;
        self.check_params(&mail, given)?;
        self.check_line(&mail, || declared.utf8)?;
        if let Some(first) = envelope.recipients().first() {
            self.quota.check(&Command::rcpt_lent(first, &[]))?;
        }
        if envelope.has_plain_recipients() {
            return Ok(());
        }
        for (n, recipient) in envelope.recipients().iter().enumerate() {
            let params = envelope.recipient_params(n);
            Command::refuse_repeated(params)?;
            let rcpt = Command::rcpt_lent(recipient, params);
            self.check_params(&rcpt, params)?;
            self.check_line(&rcpt, || declared.utf8)?;
        }
        Ok(())
    }

    /// Whether what the server offers covers these parameters of a command.
    fn check_params(&self, command: &Command<'_>, uncovered: &[Param]) -> Result<(), Misuse> {
        let verb = command.verb();
        for param in uncovered {
            let covered = extension::covers(&self.capabilities, verb, param, command.params());
            covered.map_err(|uncovered| match uncovered {
                Uncovered::NotOffered(keyword) => {
                    Misuse::Unsupported { keyword, needs: param.to_string() }
                }
                Uncovered::Refused(reason) => {
                    Misuse::NotCovered { param: param.to_string(), reason }
                }
            })?;
            self.check_channel(verb, param)?;
        }
        Ok(())
    }

    /// Whether a line can be sent, inside a transaction that has declared UTF-8 or has not.
    fn check_line(&self, command: &Command<'_>, is_utf8: impl Fn() -> bool) -> Result<(), Misuse> {
        let verb = command.verb();
        if let Command::Raw(_) = command {
            if verb == Verb::Bdat {
                return Err(self.not_awaited("a raw BDAT", "never: its octets are not counted"));
            }
            return Ok(());
        }
        let utf8 = || match verb {
            Verb::Mail | Verb::Rcpt => is_utf8(),
            _ => self.capabilities.has(SmtpUtf8::KEYWORD),
        };
        if !command.is_ascii() && !utf8() {
            return Err(Misuse::NeedsSmtpUtf8(command_argument(command)));
        }
        let length = command.encoded_len();
        // Extensions only add to the limit: most lines need no look at what they add.
        if length <= Capabilities::LINE {
            return Ok(());
        }
        match self.capabilities.line_limit(verb) {
            limit if length > limit => Err(Misuse::LineTooLong { verb, length, limit }),
            _ => Ok(()),
        }
    }

    /// Whether a parameter may be said over this channel.
    #[inline]
    fn check_channel(&self, verb: Verb, param: &Param) -> Result<(), Misuse> {
        // RFC 8689 §4.2.1; that the server offers it inside TLS was looked at before.
        if verb == Verb::Mail && param.is(RequireTls::KEYWORD) {
            return match self.protection {
                Protection::Verified => Ok(()),
                Protection::Unverified => Err(Misuse::RequireTls("the server is not verified")),
                Protection::None => Err(Misuse::RequireTls("the channel is in clear")),
            };
        }
        Ok(())
    }
}

/// What MAIL declares about what follows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(super) utf8: bool,
    pub(super) eight_bit: bool,
    pub(super) binary: bool,
}

impl Declared {
    /// What these parameters of MAIL do.
    pub(in crate::protocol) fn by(params: &[Param]) -> Self {
        let mut declared = Self::default();
        params.iter().for_each(|param| declared.add(param));
        declared
    }

    /// This parameter stands there, too.
    pub(crate) fn add(&mut self, param: &Param) {
        self.utf8 |= param.is(SmtpUtf8::KEYWORD);
        if let Some(body) = BodyType::of(param) {
            self.add_body(body);
        }
    }

    /// `BODY` with this value does.
    pub(crate) fn add_body(&mut self, body: BodyType) {
        self.binary |= body == BodyType::BinaryMime;
        self.eight_bit |= body != BodyType::SevenBit;
    }

    /// `SMTPUTF8` does.
    pub(crate) const fn add_utf8(&mut self) {
        self.utf8 = true;
    }

    /// Whether the content has to be text, and then, whether it may be 8-bit.
    pub(super) fn text(self) -> Option<bool> {
        (!self.binary).then_some(self.eight_bit)
    }
}

/// The row of the table that a command belongs to. A raw one belongs to that of what it says, where
/// that can be read.
///
/// Always inlined: of what is sent by a dispatch the verb is known there, and so is the row.
#[inline(always)]
pub(super) fn act_of(verb: Verb, command: &Command<'_>) -> Act {
    match command {
        Command::Raw(raw) => act_of_raw(verb, raw),
        Command::Burl { last: true, .. } => Act::LastUri,
        Command::Mail { params, .. } if params.iter().any(|param| param.is("TRANSID")) => {
            Act::Resumable
        }
        _ => Act::Command(verb),
    }
}

fn act_of_raw(verb: Verb, raw: &Raw<'_>) -> Act {
    match Command::parse(raw.as_octets()) {
        // Which is never raw again.
        Ok(read) => act_of(read.verb(), &read),
        Err(_) => Act::Command(verb),
    }
}

/// What MAIL declares about what follows it. A raw one that cannot be read declares nothing.
#[inline]
pub(super) fn declared(mail: &Command<'_>) -> Declared {
    match mail {
        Command::Raw(raw) => Command::parse(raw.as_octets())
            .map_or_else(|_| Declared::default(), |mail| declared(&mail)),
        mail => Declared::by(mail.params()),
    }
}

/// Whether a line is not to be shown as it is. A raw one is judged by its first letters: `AUTH=`
/// and the like may hold a secret too.
#[inline]
pub(super) fn is_secret(command: &Command<'_>) -> bool {
    match command {
        Command::Raw(raw) => {
            let line = raw.as_octets().trim_ascii_start();
            let word = line.get(..4).unwrap_or_default();
            word.eq_ignore_ascii_case(b"AUTH")
        }
        command => command.verb() == Verb::Auth,
    }
}

/// What an AUTH line has behind the name of the mechanism.
pub(super) fn carried(line: &[u8]) -> Option<Secret> {
    let carried = line.trim_ascii_end().splitn(3, |octet| *octet == b' ').nth(2);
    carried.map(Secret::from)
}

/// An AUTH line as it may be shown.
pub(super) fn masked(command: &Command<'_>) -> Vec<u8> {
    format!("{command}\r\n").into_bytes()
}

pub(super) fn command_argument(command: &Command<'_>) -> String {
    let mut line = BytesMut::new();
    command.encode(&mut line);
    let line = line.strip_suffix(b"\r\n").unwrap_or(&line);
    format!("\"{}\"", crate::wire::Escaped::new(line))
}
