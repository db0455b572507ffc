//! Whose mail ETRN asks for.

use std::fmt;
use std::str::FromStr;

use crate::wire::invalid::{EMPTY, into_cow, try_from_text};
use crate::wire::{Domain, InvalidValue, Sink};

/// Whose mail ETRN has a server send: that of a host, of a domain with all below it, or what a
/// queue holds.
///
/// ```
/// use ehlo::EtrnNode;
///
/// assert_eq!("mail.example.org".parse::<EtrnNode>()?.to_string(), "mail.example.org");
/// assert!(matches!("@example.org".parse()?, EtrnNode::Subdomains(_)));
/// assert!(matches!("#dialup".parse()?, EtrnNode::Queue(_)));
/// # Ok::<(), ehlo::InvalidValue>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EtrnNode {
    /// `mail.example.org`
    Host(Domain),
    /// `@example.org`
    Subdomains(Domain),
    /// `#dialup`
    Queue(QueueName),
}

/// The name of a queue: 1 to 255 printable ASCII characters without a space. What it means is for
/// the server to say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QueueName(Box<str>);

impl QueueName {
    /// The name, without the `#`.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for QueueName {
    type Err = InvalidValue;

    fn from_str(name: &str) -> Result<Self, InvalidValue> {
        let reason = if name.is_empty() {
            EMPTY
        } else if !name.bytes().all(|octet| octet.is_ascii_graphic()) {
            "a queue may hold printable ASCII without spaces only"
        } else if name.len() > LONGEST_QUEUE {
            "a queue is longer than 255 octets"
        } else {
            return Ok(Self(name.into()));
        };
        Err(InvalidValue::new("queue", name, reason))
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl EtrnNode {
    /// What stands before the name, and the name.
    const fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Host(domain) => ("", domain.as_str()),
            Self::Subdomains(domain) => ("@", domain.as_str()),
            Self::Queue(name) => ("#", name.as_str()),
        }
    }

    pub(super) fn write_to<S: Sink>(&self, sink: S) -> S {
        let (option, name) = self.parts();
        sink.put(option.as_bytes()).put(name.as_bytes())
    }
}

impl FromStr for EtrnNode {
    type Err = InvalidValue;

    /// ```text
    /// node = [ "@" / "#" ] name
    /// ```
    ///
    /// RFC 1985.
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let node = match text.split_at_checked(1) {
            Some(("@", domain)) => domain.parse().map(Self::Subdomains),
            Some(("#", name)) => name.parse().map(Self::Queue),
            _ => text.parse().map(Self::Host),
        };
        node.map_err(|error: InvalidValue| error.within("node", text))
    }
}

impl From<Domain> for EtrnNode {
    fn from(domain: Domain) -> Self {
        Self::Host(domain)
    }
}

impl fmt::Display for EtrnNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (option, name) = self.parts();
        write!(f, "{option}{name}")
    }
}

try_from_text!(EtrnNode, QueueName);
into_cow!(EtrnNode);

/// As long as a domain may be.
const LONGEST_QUEUE: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_it_was_read() {
        for text in ["Mail.example.org", "@example.org", "#q", "##@a=+", "#@x"] {
            let node = EtrnNode::try_from(text).unwrap();
            assert_eq!(node.to_string(), text);
        }
        let longest = format!("#{}", "q".repeat(255));
        assert_eq!(longest.parse::<EtrnNode>().unwrap().to_string(), longest);
        assert_eq!(QueueName::try_from("a#").unwrap().to_string(), "a#");
        let domain: Domain = "example.org".parse().unwrap();
        assert_eq!(EtrnNode::from(domain), "EXAMPLE.org".parse().unwrap());
    }

    #[test]
    fn refuses_with_these_words() {
        let queue = "a queue may hold printable ASCII without spaces only";
        let label = "a label of the domain may hold letters, digits and hyphens only";
        for (text, reason) in [
            ("@", "it is empty"),
            ("#", "it is empty"),
            ("", "it is empty"),
            ("#a b", queue),
            ("#a\r", queue),
            ("#ü", queue),
            ("a b", label),
            ("@@a", label),
        ] {
            let error = text.parse::<EtrnNode>().unwrap_err();
            assert_eq!((error.what(), error.reason()), ("node", reason), "{text:?}");
        }
        let long = format!("#{}", "q".repeat(256)).parse::<EtrnNode>().unwrap_err();
        assert_eq!(long.reason(), "a queue is longer than 255 octets");
        assert_eq!(
            "#a b".parse::<EtrnNode>().unwrap_err().to_string(),
            format!("node \"#a b\": {queue}")
        );
    }
}
