//! The envelope of a mail: who sends it, who is to have it, and what is asked of the server. The
//! content, and what it needs, are not here.

use std::fmt;

use thiserror::Error;

use crate::extension::{MailParam, RcptParam};
use crate::wire::{ForwardPath, InvalidValue, Param, ReversePath};

/// A sender and at least one recipient.
///
/// ```
/// use ehlo::Envelope;
///
/// let envelope = Envelope::new("alice@example.org", ["bob@example.net", "postmaster"])?;
/// assert_eq!(envelope.sender().to_string(), "<alice@example.org>");
/// assert_eq!(envelope.recipients().len(), 2);
///
/// // the null path, for notifications
/// let bounce = Envelope::new("", ["alice@example.org"])?;
/// assert_eq!(bounce.sender().to_string(), "<>");
/// # Ok::<(), ehlo::InvalidEnvelope>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    sender: ReversePath,
    params: Vec<Param>,
    recipients: Vec<ForwardPath>,
    /// For each recipient, where any has parameters.
    recipient_params: Vec<Vec<Param>>,
}

/// Why an envelope cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidEnvelope {
    /// An address cannot be written in a command.
    #[error(transparent)]
    Address(#[from] InvalidValue),
    /// There is nobody to have the mail.
    #[error("an envelope needs a recipient")]
    NoRecipient,
}

impl Envelope {
    /// An envelope from a sender (`""` is the null path) to its recipients.
    ///
    /// # Errors
    /// An address cannot be read, or there is no recipient.
    pub fn new<S, R>(
        sender: S,
        recipients: impl IntoIterator<Item = R>,
    ) -> Result<Self, InvalidEnvelope>
    where
        S: TryInto<ReversePath, Error: Into<InvalidValue>>,
        R: TryInto<ForwardPath, Error: Into<InvalidValue>>,
    {
        let sender = sender.try_into().map_err(Into::into)?;
        let recipients = recipients
            .into_iter()
            .map(|recipient| recipient.try_into().map_err(Into::into))
            .collect::<Result<Vec<_>, _>>()?;
        if recipients.is_empty() {
            return Err(InvalidEnvelope::NoRecipient);
        }
        Ok(Self { sender, params: Vec::new(), recipients, recipient_params: Vec::new() })
    }

    /// Adds a parameter of MAIL. SIZE, BODY and SMTPUTF8 are chosen from the content where they
    /// are not given.
    #[must_use]
    pub fn param(mut self, param: impl Into<MailParam>) -> Self {
        self.params.push(param.into().into());
        self
    }

    /// Adds a recipient with parameters of its own.
    ///
    /// # Errors
    /// The address cannot be read.
    pub fn recipient<R>(
        mut self,
        recipient: R,
        params: impl IntoIterator<Item = RcptParam>,
    ) -> Result<Self, InvalidEnvelope>
    where
        R: TryInto<ForwardPath, Error: Into<InvalidValue>>,
    {
        let recipient = recipient.try_into().map_err(Into::into)?;
        self.recipient_params.resize_with(self.recipients.len(), Vec::new);
        self.recipient_params.push(params.into_iter().map(Into::into).collect());
        self.recipients.push(recipient);
        Ok(self)
    }

    /// Who sends the mail, and hears when it cannot be delivered.
    #[must_use]
    pub const fn sender(&self) -> &ReversePath {
        &self.sender
    }

    /// Who is to have the mail, in the order of the RCPT commands.
    #[must_use]
    pub fn recipients(&self) -> &[ForwardPath] {
        &self.recipients
    }

    /// The parameters of MAIL that were given.
    #[must_use]
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// The parameters of a recipient's RCPT.
    #[must_use]
    pub fn recipient_params(&self, recipient: usize) -> &[Param] {
        self.recipient_params.get(recipient).map_or(&[], Vec::as_slice)
    }

    /// The first address that is not ASCII, so that the mail needs SMTPUTF8.
    #[must_use]
    pub fn beyond_ascii(&self) -> Option<&dyn fmt::Display> {
        if !self.sender.is_ascii() {
            return Some(&self.sender);
        }
        let recipient = self.recipients.iter().find(|recipient| !recipient.is_ascii());
        recipient.map(|recipient| recipient as &dyn fmt::Display)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_a_recipient() {
        let none: [&str; 0] = [];
        let error = Envelope::new("a@example.org", none).unwrap_err();
        assert_eq!(error.to_string(), "an envelope needs a recipient");
    }

    #[test]
    fn takes_addresses_that_were_read_before() {
        let sender: ReversePath = "a@example.org".parse().unwrap();
        let recipient: ForwardPath = "b@example.org".parse().unwrap();
        let envelope = Envelope::new(sender, [recipient]).unwrap();
        assert!(envelope.beyond_ascii().is_none());
    }

    #[test]
    fn recipients_have_parameters_of_their_own() {
        let notify = Param::with_value("NOTIFY", "NEVER").unwrap();
        let envelope = Envelope::new("a@example.org", ["b@example.org"])
            .unwrap()
            .recipient("c@example.org", [RcptParam::from(notify.clone())])
            .unwrap()
            .param(MailParam::size(7));
        assert_eq!(envelope.recipient_params(0), []);
        assert_eq!(envelope.recipient_params(1), [notify]);
        assert_eq!(envelope.params()[0].to_string(), "SIZE=7");
    }

    #[test]
    fn c_113_an_address_beyond_ascii_needs_smtputf8() {
        let needs = |sender, recipient| {
            let envelope = Envelope::new(sender, [recipient]).unwrap();
            envelope.beyond_ascii().map(ToString::to_string)
        };
        let shown = Some("<é@example.org>".to_owned());
        assert_eq!(needs("é@example.org", "b@example.org"), shown);
        assert_eq!(needs("", "é@example.org"), shown);
        assert_eq!(needs("", "e@example.org"), None);
    }
}
