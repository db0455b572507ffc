//! The envelope that a message's own header asks for (RFC 5321 appendix B). Where there is an
//! envelope already, nothing is derived from the header; and nothing is ever changed in it.

use std::collections::HashSet;

use super::addresses::{self, Fault};
use super::{Envelope, InvalidEnvelope};
use crate::wire::{Escaped, ForwardPath, InvalidValue, Mailbox, ReversePath};

impl Envelope {
    /// The envelope of a message, by its header: from the address of Sender, or else of From, to
    /// every address of To, Cc and Bcc, each once.
    ///
    /// Only the header section is read. Where the message was sent again, the Resent fields on top
    /// count instead: the first group of them, which is of the last time (RFC 5322 §3.6.6). A
    /// `Bcc` with an address is refused, since the content goes out as it is: take it out, or see
    /// [`from_draft`](Self::from_draft).
    ///
    /// ```
    /// use ehlo::Envelope;
    ///
    /// let message = b"From: Alice <alice@example.org>\r\n\
    ///     To: friends: bob@example.net, \"Eve, too\" <eve@example.net>;\r\n\
    ///     Cc: Bob (again) <bob@example.net>\r\n\
    ///     \r\n\
    ///     Hello!\r\n";
    /// let envelope = Envelope::from_message(message)?;
    /// assert_eq!(envelope.sender().to_string(), "<alice@example.org>");
    /// assert_eq!(envelope.recipients().len(), 2);
    /// # Ok::<(), ehlo::InvalidEnvelope>(())
    /// ```
    ///
    /// # Errors
    /// A field or an address cannot be read, there is no recipient, not exactly one sender, or a
    /// `Bcc` with an address.
    pub fn from_message(content: &[u8]) -> Result<Self, InvalidEnvelope> {
        let header = Header::read(content)?;
        header.refuse_bcc()?;
        header.envelope(header.sender()?)
    }

    /// The envelope of a message by its header, from a sender that is known, such as the account's:
    /// Sender and From are not read.
    ///
    /// ```
    /// use ehlo::Envelope;
    ///
    /// let message = b"From: alice@example.org, carol@example.org\nTo: bob@example.net\n\nHello!\n";
    /// assert!(Envelope::from_message(message).is_err(), "there are two");
    /// let envelope = Envelope::from_message_as("bounces@example.org", message)?;
    /// assert_eq!(envelope.sender().to_string(), "<bounces@example.org>");
    /// # Ok::<(), ehlo::InvalidEnvelope>(())
    /// ```
    ///
    /// # Errors
    /// As for [`from_message`](Self::from_message), or the sender cannot be read.
    pub fn from_message_as<S>(sender: S, content: &[u8]) -> Result<Self, InvalidEnvelope>
    where
        S: TryInto<ReversePath, Error: Into<InvalidValue>>,
    {
        let header = Header::read(content)?;
        header.refuse_bcc()?;
        header.envelope(sender.try_into().map_err(Into::into)?)
    }

    /// The envelope of a draft, which is not what will be sent: its `Bcc` fields count, and **the
    /// caller takes them out** before anybody sees them.
    ///
    /// ```
    /// use ehlo::Envelope;
    ///
    /// let draft = b"To: bob@example.net\r\nBcc: eve@example.net\r\n\r\nHello!\r\n";
    /// let envelope = Envelope::from_draft("alice@example.org", draft)?;
    /// assert_eq!(envelope.recipients().len(), 2);
    /// # Ok::<(), ehlo::InvalidEnvelope>(())
    /// ```
    ///
    /// # Errors
    /// As for [`from_message_as`](Self::from_message_as), but for the `Bcc`.
    pub fn from_draft<S>(sender: S, content: &[u8]) -> Result<Self, InvalidEnvelope>
    where
        S: TryInto<ReversePath, Error: Into<InvalidValue>>,
    {
        Header::read(content)?.envelope(sender.try_into().map_err(Into::into)?)
    }
}

/// The fields of a header section that name addresses.
#[derive(Default)]
struct Header<'a> {
    /// Without Resent fields.
    original: Vec<Field<'a>>,
    /// The first group of Resent fields.
    resent: Vec<Field<'a>>,
    /// Of groups below it, which count no more: kept for their Bcc.
    older: Vec<Field<'a>>,
}

struct Field<'a> {
    name: &'static str,
    value: &'a [u8],
    /// Octets of content before the value.
    offset: usize,
}

impl<'a> Header<'a> {
    fn read(content: &'a [u8]) -> Result<Self, InvalidEnvelope> {
        let mut header = Self::default();
        let mut is_over = false;
        let mut rest = Lines { content, offset: 0 };
        while let Some((offset, text)) = rest.field()? {
            let fault = InvalidEnvelope::Header { found: "a line that is no field", offset };
            let (name, value) = split(text).ok_or(fault)?;
            let mut known = ORIGINAL.into_iter().chain(RESENT).chain(GROUPED);
            let name = known.find(|known| known.as_bytes().eq_ignore_ascii_case(name));
            let is_resent = begins_with_resent(text);
            let offset = offset + text.len() - value.len();
            let field = name.map(|name| Field { name, value: value.trim_ascii_end(), offset });
            // A group ends at another field, or where the next one begins without any between.
            let is_again = header.resent.iter().any(|seen| Some(seen.name) == name);
            is_over |= !header.resent.is_empty() && (!is_resent || is_again);
            match (is_resent, is_over) {
                (false, _) => header.original.extend(field),
                (true, false) => header.resent.extend(field),
                (true, true) => header.older.extend(field),
            }
        }
        Ok(header)
    }

    /// The mailbox that sends.
    fn sender(&self) -> Result<ReversePath, InvalidEnvelope> {
        let [from, sender, ..] = if self.is_resent() { RESENT } else { ORIGINAL };
        let has_sender = self.fields().iter().any(|field| field.name == sender);
        let field = if has_sender { sender } else { from };
        let mut mailboxes = self.mailboxes(&[field])?;
        match (mailboxes.len(), mailboxes.pop()) {
            (1, Some(mailbox)) => Ok(mailbox.into()),
            (0, _) => Err(InvalidEnvelope::NoSender { field }),
            (addresses, _) => Err(InvalidEnvelope::ManySenders { field, addresses }),
        }
    }

    fn envelope(&self, sender: ReversePath) -> Result<Envelope, InvalidEnvelope> {
        let [_, _, names @ ..] = if self.is_resent() { RESENT } else { ORIGINAL };
        let mut seen = HashSet::new();
        let mut recipients = self.mailboxes(&names)?;
        recipients.retain(|recipient| seen.insert(recipient.clone()));
        if recipients.is_empty() {
            let fields = if self.is_resent() {
                "Resent-To, Resent-Cc or Resent-Bcc"
            } else {
                "To, Cc or Bcc"
            };
            return Err(InvalidEnvelope::NoAddressee { fields });
        }
        Envelope::new(sender, recipients.into_iter().map(ForwardPath::from))
    }

    /// Every Bcc is seen by everybody, those of earlier times as well.
    fn refuse_bcc(&self) -> Result<(), InvalidEnvelope> {
        for field in self.original.iter().chain(&self.resent).chain(&self.older) {
            if field.name.ends_with("Bcc") && !field.mailboxes()?.is_empty() {
                return Err(InvalidEnvelope::Bcc { field: field.name, offset: field.offset });
            }
        }
        Ok(())
    }

    /// The mailboxes of all fields of these names, in their order.
    fn mailboxes(&self, names: &[&str]) -> Result<Vec<Mailbox>, InvalidEnvelope> {
        let mut found = Vec::new();
        for field in self.fields().iter().filter(|field| names.contains(&field.name)) {
            found.extend(field.mailboxes()?);
        }
        Ok(found)
    }

    fn fields(&self) -> &[Field<'a>] {
        if self.is_resent() { &self.resent } else { &self.original }
    }

    const fn is_resent(&self) -> bool {
        !self.resent.is_empty()
    }
}

impl Field<'_> {
    fn mailboxes(&self) -> Result<Vec<Mailbox>, InvalidEnvelope> {
        let Self { name: field, value, offset } = *self;
        addresses::mailboxes(value).map_err(|fault| match fault {
            Fault::Expected { at, what: expected } => {
                let rest = value.get(at..).unwrap_or_default();
                let found = Escaped::new(rest.get(..SHOWN).unwrap_or(rest)).to_string().into();
                InvalidEnvelope::Field { field, expected, found, offset: offset + at }
            }
            Fault::Mailbox { at, invalid } => {
                InvalidEnvelope::FieldAddress { field, offset: offset + at, invalid }
            }
        })
    }
}

/// The lines of content, up to the first that is empty.
struct Lines<'a> {
    content: &'a [u8],
    offset: usize,
}

impl<'a> Lines<'a> {
    /// The next field with the lines that continue it, and where it begins.
    fn field(&mut self) -> Result<Option<(usize, &'a [u8])>, InvalidEnvelope> {
        let offset = self.offset;
        let rest = self.content.get(offset..).unwrap_or_default();
        let mut end = 0;
        loop {
            let line = rest.get(end..).unwrap_or_default();
            let is_more = line.starts_with(b" ") || line.starts_with(b"\t");
            if end > 0 && !is_more {
                break;
            }
            let length = memchr::memchr(b'\n', line).map_or(line.len(), |lf| lf + 1);
            let (line, _) = line.split_at(length);
            let ended = line.strip_suffix(b"\r\n").or_else(|| line.strip_suffix(b"\n"));
            let text = ended.unwrap_or(line);
            // Where it is sent it may become a line end, and what follows it another field.
            if let Some(cr) = memchr::memchr(b'\r', text) {
                let offset = offset + end + cr;
                return Err(InvalidEnvelope::Header { found: "a CR without an LF", offset });
            }
            if text.is_empty() {
                return Ok(None);
            }
            end += length;
        }
        self.offset += end;
        Ok(rest.get(..end).map(|field| (offset, field)))
    }
}

/// ```text
/// field-name = 1*( %d33-57 / %d59-126 )
/// ```
///
/// With what follows the colon. Blanks before it are obsolete (RFC 5322 §4.5).
fn split(field: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', field)?;
    let (name, value) = field.split_at(colon);
    let name = name.trim_ascii_end();
    let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    is_name.then(|| (name, value.get(1..).unwrap_or_default()))
}

fn begins_with_resent(field: &[u8]) -> bool {
    let prefix = b"Resent-";
    field.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

const ORIGINAL: [&str; 5] = ["From", "Sender", "To", "Cc", "Bcc"];
const RESENT: [&str; 5] = ["Resent-From", "Resent-Sender", "Resent-To", "Resent-Cc", "Resent-Bcc"];
/// The other fields of a group: they tell where it begins and ends.
const GROUPED: [&str; 2] = ["Resent-Date", "Resent-Message-ID"];

/// Octets of an address list that are shown: what is wrong stands at their start.
const SHOWN: usize = 40;

#[cfg(test)]
mod tests;
