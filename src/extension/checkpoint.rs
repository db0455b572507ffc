//! CHECKPOINT (RFC 1845): a mail whose sending broke off goes on where the server has it.
//!
//! ```abnf
//! param = "TRANSID=<" local-part "@" domain ">"   ; at most 80 characters with its brackets
//! ```

use super::{Extension, MailParam};
use crate::wire::{InvalidValue, Mailbox, Param};

/// The server keeps what it has of a mail that broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkpoint;

impl Extension for Checkpoint {
    const KEYWORD: &'static str = "CHECKPOINT";
    const MAIL_PARAMS: &'static [&'static str] = &["TRANSID"];
    const MAIL_OCTETS: usize = 88;

    fn parse(_params: &str) -> Option<Self> {
        Some(Self)
    }
}

impl MailParam {
    /// `TRANSID=`: the name of this transaction, which no other mail of this sender ever has.
    /// Servers compare it octet by octet.
    ///
    /// A server that has a part of the mail answers MAIL with `355` and how many octets of the
    /// content it has, counted before dot-stuffing ([`Reply::resume_at`](crate::Reply::resume_at)).
    /// Then it knows the recipients too: what is left of the content follows DATA. A mail with this
    /// parameter is sent command by command, over `Session` or `Conversation`: nothing else knows
    /// which octets are left.
    ///
    /// ```
    /// let param = ehlo::MailParam::transid(&"1047.a@client.example.org".parse()?)?;
    /// assert_eq!(param.to_string(), "TRANSID=<1047.a@client.example.org>");
    /// # Ok::<(), ehlo::InvalidValue>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where it is longer than 78 octets without brackets, is not ASCII, or holds a space or a `=`.
    pub fn transid(id: &Mailbox) -> Result<Self, InvalidValue> {
        let value = format!("<{id}>");
        let refuse = |reason| Err(InvalidValue::new("transaction id", id.as_str(), reason));
        if value.len() > MOST_OCTETS {
            return refuse("it takes more than 80 octets with its brackets");
        }
        if !id.is_ascii() {
            return refuse("it must be ASCII");
        }
        Param::with_value("TRANSID", &value).map(Self)
    }
}

/// RFC 1845.
const MOST_OCTETS: usize = 80;

#[cfg(test)]
mod tests {
    use super::super::capabilities::tests::offered;
    use super::*;
    use crate::wire::Verb;

    fn transid(id: &str) -> Result<String, String> {
        let param = MailParam::transid(&id.parse().unwrap());
        param.map(|param| param.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn keeps_to_its_length_and_its_octets() {
        let longest = format!("{}@sub12.example.org", "a".repeat(60));
        assert_eq!(longest.len(), 78);
        assert_eq!(transid(&longest), Ok(format!("TRANSID=<{longest}>")));
        let long = "it takes more than 80 octets with its brackets";
        let id = format!("a{longest}");
        assert_eq!(transid(&id), Err(format!("transaction id \"{id}\": {long}")));
        assert_eq!(
            transid("ü@example.org"),
            Err("transaction id \"ü@example.org\": it must be ASCII".to_owned())
        );
        assert!(transid("a=b@example.org").unwrap_err().contains("a value must not hold"));
        assert!(transid("\"a b\"@example.org").unwrap_err().contains("a value must not hold"));
        assert_eq!(transid("Aa@x.example").unwrap(), "TRANSID=<Aa@x.example>");
    }

    #[test]
    fn is_offered() {
        assert_eq!(offered(&["CHECKPOINT"]).get::<Checkpoint>(), Some(Checkpoint));
        assert_eq!(offered(&["CHECKPOINT"]).line_limit(Verb::Mail), 512 + 88);
    }
}
