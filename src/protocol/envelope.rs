//! The envelope of a mail: who sends it, who is to have it, and what is asked of the server. What
//! the content needs is in `needs`.
//!
//! | file | what it holds |
//! |---|---|
//! | `message` | the envelope that a message's own header asks for |
//! | `addresses` | the address list of a header field |

mod addresses;
mod message;

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::extension::{MailParam, RcptParam};
use crate::wire::{ForwardPath, InvalidValue, Param, ReversePath, into_cow};

/// A sender and at least one recipient, with the parameters of MAIL and of each RCPT.
///
/// ```
/// use ehlo::{Envelope, MailParam, Notify, RcptParam, ReturnContent};
///
/// let envelope = Envelope::new("alice@example.org", ["bob@example.net", "postmaster"])?;
/// assert_eq!(envelope.sender().to_string(), "<alice@example.org>");
/// assert_eq!(envelope.recipients().len(), 2);
///
/// // the null path, for notifications
/// let bounce = Envelope::new("", ["alice@example.org"])?;
/// assert_eq!(bounce.sender().to_string(), "<>");
///
/// // reports: with the header alone, when the mail is late or lost, and none at all for Eve
/// let envelope = Envelope::new("alice@example.org", ["bob@example.net", "carol@example.net"])?
///     .param(MailParam::ret(ReturnContent::Headers))
///     .rcpt_param(RcptParam::notify(Notify::FAILURE | Notify::DELAY))
///     .recipient("eve@example.com", [RcptParam::notify(Notify::NEVER)])?;
/// assert_eq!(envelope.recipient_params(1)[0].to_string(), "NOTIFY=FAILURE,DELAY");
/// assert_eq!(envelope.recipient_params(2)[0].to_string(), "NOTIFY=NEVER");
///
/// // to a server that takes two recipients at a time
/// let sizes: Vec<_> = envelope.split(2).map(|part| part.recipients().len()).collect();
/// assert_eq!(sizes, [2, 1]);
/// # Ok::<(), ehlo::Error>(())
/// ```
///
/// A keyword given twice for one command is refused when the envelope is sent: by a `Client` before
/// anything goes out, by a [`Session`](crate::Session) with that command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    sender: ReversePath,
    params: Vec<Param>,
    /// Shared with what is told of them.
    recipients: Arc<Vec<ForwardPath>>,
    /// Of each recipient; those after the last have none.
    recipient_params: Vec<Vec<Param>>,
    /// No address needs SMTPUTF8: seen once, and asked for each time that it is sent.
    is_ascii: bool,
}

into_cow!(Envelope);

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
    /// Parameters were given for somebody else.
    #[error("{0} is no recipient of this envelope")]
    NotARecipient(ForwardPath),
    /// The header section of a message cannot be read.
    #[error("the header section has {found} at offset {offset}")]
    Header {
        /// What is wrong.
        found: &'static str,
        /// Octets of content before it.
        offset: usize,
    },
    /// A header field is no list of addresses.
    #[error("{field} cannot be read at offset {offset}: {expected} is missing {}", before(.found))]
    Field {
        /// The name of the field.
        field: &'static str,
        /// Octets of content before what is wrong.
        offset: usize,
        /// What had to stand there.
        expected: &'static str,
        /// What stands there instead, escaped, at most 40 octets; empty where the field ends.
        found: Box<str>,
    },
    /// An address of a header field cannot be written in a command.
    #[error("{field} cannot be read at offset {offset}: {invalid}")]
    FieldAddress {
        /// The name of the field.
        field: &'static str,
        /// Octets of content before the address.
        offset: usize,
        /// The address, and what is wrong with it.
        invalid: InvalidValue,
    },
    /// No header field tells who is to have the mail.
    #[error("the message has no address in {fields}")]
    NoAddressee {
        /// The names of the fields that could.
        fields: &'static str,
    },
    /// No header field tells who sends the mail.
    #[error("the message has no address in {field}: the sender must be given")]
    NoSender {
        /// The name of the field that was read.
        field: &'static str,
    },
    /// A header field names more than one who could have sent the mail.
    #[error("the message has {addresses} addresses in {field}: the sender must be given")]
    ManySenders {
        /// The name of the field that was read.
        field: &'static str,
        /// How many addresses it has.
        addresses: usize,
    },
    /// A message that is to go out as it is has a Bcc.
    #[error("everybody who gets the message would see its {field} (at offset {offset})")]
    Bcc {
        /// The name of the field.
        field: &'static str,
        /// Octets of content before its value.
        offset: usize,
    },
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
        Ok(Self::of(sender, Vec::new(), recipients, Vec::new()))
    }

    fn of(
        sender: ReversePath,
        params: Vec<Param>,
        recipients: Vec<ForwardPath>,
        recipient_params: Vec<Vec<Param>>,
    ) -> Self {
        let is_ascii = sender.is_ascii() && recipients.iter().all(ForwardPath::is_ascii);
        Self { sender, params, recipients: Arc::new(recipients), recipient_params, is_ascii }
    }

    /// Adds a parameter of MAIL. SIZE, BODY and SMTPUTF8 are chosen from the content where they
    /// are not given.
    #[must_use]
    pub fn param(mut self, param: impl Into<MailParam>) -> Self {
        self.params.push(param.into().into());
        self
    }

    /// Adds a parameter of RCPT for every recipient that is there so far.
    #[must_use]
    pub fn rcpt_param(mut self, param: impl Into<RcptParam>) -> Self {
        let param = Param::from(param.into());
        self.recipient_params.resize_with(self.recipients.len(), Vec::new);
        self.recipient_params.iter_mut().for_each(|own| own.push(param.clone()));
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
        self.recipient_params.push(written(params));
        self.is_ascii &= recipient.is_ascii();
        Arc::make_mut(&mut self.recipients).push(recipient);
        Ok(self)
    }

    /// Gives a recipient that is there these parameters, in place of those it has.
    ///
    /// # Errors
    /// The address cannot be read, or is no recipient's.
    pub fn replace_params<R>(
        mut self,
        recipient: R,
        params: impl IntoIterator<Item = RcptParam>,
    ) -> Result<Self, InvalidEnvelope>
    where
        R: TryInto<ForwardPath, Error: Into<InvalidValue>>,
    {
        let recipient = recipient.try_into().map_err(Into::into)?;
        let params = written(params);
        self.recipient_params.resize_with(self.recipients.len(), Vec::new);
        let mut is_there = false;
        for (own, other) in self.recipient_params.iter_mut().zip(self.recipients.iter()) {
            if *other == recipient {
                own.clone_from(&params);
                is_there = true;
            }
        }
        if is_there { Ok(self) } else { Err(InvalidEnvelope::NotARecipient(recipient)) }
    }

    /// The same mail to at most so many recipients at a time, in their order, each with its
    /// parameters; 0 counts as 1. For servers that take no more in one transaction, whether they
    /// said so before (`LIMITS RCPTMAX`) or with 452 to RCPT.
    ///
    /// Each part is a transaction of its own, and nothing says that all of them succeed.
    pub fn split(&self, most: usize) -> impl Iterator<Item = Self> {
        let most = most.max(1);
        self.recipients.chunks(most).enumerate().map(move |(n, recipients)| {
            let recipient_params = self.recipient_params.iter().skip(n * most).take(most);
            let recipient_params = recipient_params.cloned().collect();
            let (sender, params) = (self.sender.clone(), self.params.clone());
            Self::of(sender, params, recipients.to_vec(), recipient_params)
        })
    }

    /// The same mail to some of its recipients, with their parameters: those for whose place, from
    /// 0, this is true. `None` where nobody is left.
    ///
    /// ```
    /// use ehlo::{Delivery, Envelope, Retry};
    ///
    /// let envelope = Envelope::new("alice@example.org", ["bob@example.net", "eve@example.net"])?;
    /// let delivery = Delivery::not_sent(&envelope); // from a client: `Client::send` and its like
    /// let later: Vec<_> =
    ///     delivery.recipients().map(|one| one.outcome().retry() == Retry::Later).collect();
    /// let again = envelope.select(|n| later[n]).expect("nobody has it yet");
    /// assert_eq!(again.recipients().len(), 2);
    /// # Ok::<(), ehlo::InvalidEnvelope>(())
    /// ```
    #[must_use]
    pub fn select(&self, mut keep: impl FnMut(usize) -> bool) -> Option<Self> {
        let (mut recipients, mut recipient_params) = (Vec::new(), Vec::new());
        for (n, recipient) in self.recipients.iter().enumerate().filter(|(n, _)| keep(*n)) {
            recipients.push(recipient.clone());
            if !self.recipient_params.is_empty() {
                recipient_params.push(self.recipient_params(n).to_vec());
            }
        }
        let (sender, params) = (self.sender.clone(), self.params.clone());
        (!recipients.is_empty()).then(|| Self::of(sender, params, recipients, recipient_params))
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

    pub(super) fn shared_recipients(&self) -> Arc<Vec<ForwardPath>> {
        Arc::clone(&self.recipients)
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

    /// Whether there is nothing to RCPT but short lines of ASCII: no parameter was given to any, and
    /// no address needs SMTPUTF8.
    pub(super) const fn has_plain_recipients(&self) -> bool {
        self.is_ascii && self.recipient_params.is_empty()
    }

    /// The first address that is not ASCII, so that the mail needs SMTPUTF8.
    #[must_use]
    pub fn beyond_ascii(&self) -> Option<&dyn fmt::Display> {
        if self.is_ascii {
            return None;
        }
        if !self.sender.is_ascii() {
            return Some(&self.sender);
        }
        let recipient = self.recipients.iter().find(|recipient| !recipient.is_ascii());
        recipient.map(|recipient| recipient as &dyn fmt::Display)
    }
}

fn written(params: impl IntoIterator<Item = RcptParam>) -> Vec<Param> {
    params.into_iter().map(Into::into).collect()
}

/// What stands in the place of something that is missing.
fn before(found: &str) -> String {
    match found {
        "" => "at its end".to_owned(),
        found => format!("before \"{found}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Command;

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

    fn notify(value: &str) -> RcptParam {
        Param::with_value("NOTIFY", value).unwrap().into()
    }

    fn written_to(envelope: &Envelope) -> Vec<String> {
        let rcpt = |(n, recipient)| {
            let params = envelope.recipient_params(n).iter();
            params.fold(format!("{recipient}"), |line, param| format!("{line} {param}"))
        };
        envelope.recipients().iter().enumerate().map(rcpt).collect()
    }

    #[test]
    fn parameters_go_to_all_so_far_or_to_one() {
        let envelope = Envelope::new("a@x", ["b@x", "c@x", "B@x"])
            .unwrap()
            .rcpt_param(notify("FAILURE"))
            .rcpt_param(Param::new("XONE").unwrap())
            .recipient("d@x", [])
            .unwrap()
            .replace_params("c@X", [notify("NEVER")])
            .unwrap();
        let all = [
            "<b@x> NOTIFY=FAILURE XONE",
            "<c@x> NOTIFY=NEVER",
            "<B@x> NOTIFY=FAILURE XONE",
            "<d@x>",
        ];
        assert_eq!(written_to(&envelope), all);
        let error = envelope.replace_params("e@x", []).unwrap_err();
        assert_eq!(error.to_string(), "<e@x> is no recipient of this envelope");
    }

    /// One with parameters of its own, and a third recipient without any.
    fn to_three() -> Envelope {
        Envelope::new("a@x", ["b@x", "c@x"])
            .unwrap()
            .rcpt_param(notify("NEVER"))
            .recipient("d@x", [])
            .unwrap()
            .param(MailParam::size(7))
    }

    #[test]
    fn is_split_in_order_with_all_parameters() {
        let envelope = to_three();
        let parts = |most| envelope.split(most).map(|part| written_to(&part)).collect::<Vec<_>>();
        let [b, c, d] = ["<b@x> NOTIFY=NEVER", "<c@x> NOTIFY=NEVER", "<d@x>"];
        assert_eq!(parts(2), [vec![b, c], vec![d]]);
        assert_eq!(parts(1), [[b], [c], [d]]);
        assert_eq!(parts(0), parts(1));
        assert_eq!(parts(usize::MAX), [[b, c, d]]);
        for part in envelope.split(2) {
            assert_eq!((part.sender(), part.params()), (envelope.sender(), envelope.params()));
        }
        // where nobody has parameters
        let plain = Envelope::new("a@x", ["b@x", "c@x"]).unwrap();
        assert_eq!(plain.split(2).collect::<Vec<_>>(), [plain]);
    }

    #[test]
    fn those_who_are_left_keep_their_order_and_all_parameters() {
        let envelope = to_three();
        let some = envelope.select(|n| n > 0).unwrap();
        assert_eq!(written_to(&some), ["<c@x> NOTIFY=NEVER", "<d@x>"]);
        assert_eq!((some.sender(), some.params()), (envelope.sender(), envelope.params()));
        assert_eq!(envelope.select(|_| false), None);
    }

    #[test]
    fn c_050_a_keyword_given_twice_is_refused_where_it_is_sent() {
        let envelope = Envelope::new("a@x", ["b@x"])
            .unwrap()
            .rcpt_param(notify("NEVER"))
            .rcpt_param(notify("FAILURE"))
            .param(MailParam::size(7))
            .param(MailParam::size(8));
        let mail = Command::mail(envelope.sender()).with_params(envelope.params());
        let words = "its keyword is given twice in one command";
        assert_eq!(mail.unwrap_err().to_string(), format!("parameter \"SIZE=8\": {words}"));
        let rcpt =
            Command::rcpt(&envelope.recipients()[0]).with_params(envelope.recipient_params(0));
        assert_eq!(rcpt.unwrap_err().to_string(), format!("parameter \"NOTIFY=FAILURE\": {words}"));
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

        let beyond = |envelope: &Envelope| envelope.beyond_ascii().map(ToString::to_string);
        let envelope = Envelope::new("", ["e@x"]).unwrap().recipient("é@example.org", []).unwrap();
        assert_eq!(beyond(&envelope), shown);
        assert_eq!(envelope.split(1).map(|part| beyond(&part)).collect::<Vec<_>>(), [None, shown]);
        assert_eq!(beyond(&envelope.select(|n| n == 0).unwrap()), None);
    }
}
