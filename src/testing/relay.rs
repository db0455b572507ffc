//! What relays and gateways say to each other, where it is offered: ETRN (RFC 1985), and Postfix's
//! XCLIENT and XFORWARD. They are read here and not as commands, so that each fault has its words.

use super::peer::{HELLO_FIRST, Next, Peer, Words};
use super::server::keyword;
use crate::Reply;

impl Peer<'_> {
    /// The answer to such a command; `None` for all others, and where it is not offered.
    pub(super) fn relayed(&mut self, line: &[u8], reply: Option<&Reply>) -> Option<Next> {
        let line = str::from_utf8(line).ok()?.trim_end_matches([' ', '\t']);
        let (word, argument) = line.split_once(' ').unwrap_or((line, ""));
        let word = word.to_ascii_uppercase();
        if !matches!(&*word, "ETRN" | "XCLIENT" | "XFORWARD") || !self.offers(&word) {
            return None;
        }
        let fault = match () {
            () if !self.has_hello() => Some(HELLO_FIRST),
            () if self.is_in_mail() => Some((503, "5.5.1", "not inside a transaction")),
            () if argument.is_empty() => Some((501, "5.5.4", "its argument is missing")),
            () if word != "ETRN" => self.attributes(&word, argument),
            () => None,
        };
        Some(match (fault, &*word) {
            (Some(fault), _) => self.say(fault),
            // The session is where it was before the first greeting, and says so.
            (None, "XCLIENT") => {
                self.forget();
                match reply {
                    Some(reply) => self.give(reply),
                    None => self.greet(),
                }
            }
            (None, "XFORWARD") => self.answer(reply, (250, "2.0.0", "ok")),
            (None, _) => self.answer(reply, (250, "2.0.0", "the queue is run")),
        })
    }

    /// What is wrong with these attributes.
    ///
    /// ```text
    /// command   = word 1*( SP attribute )
    /// attribute = name "=" xtext
    /// ```
    fn attributes(&self, word: &str, text: &str) -> Option<Words> {
        let lines = self.server.extensions(self.connection.is_tls());
        let offer = lines.iter().find(|line| keyword(line).eq_ignore_ascii_case(word))?;
        let is_offered = |name: &str| {
            let mut offered = offer.split(' ').skip(1);
            offered.any(|offered| offered.eq_ignore_ascii_case(name))
        };
        text.split(' ').find_map(|attribute| match attribute.split_once('=') {
            None => Some((501, "5.5.4", "an attribute needs a value")),
            Some((name, _)) if !is_offered(name) => {
                Some((501, "5.5.4", "an attribute is not known here"))
            }
            Some((_, value)) if !is_xtext(value) => Some((501, "5.5.4", "a value is not xtext")),
            Some(_) => None,
        })
    }
}

/// RFC 3461 §4, with the brackets and colons of Postfix's special values; `=` stands in no value.
fn is_xtext(value: &str) -> bool {
    let mut parts = value.split('+');
    let plain = |part: &str| part.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'=');
    let hex = |octet: &u8| matches!(octet, b'0'..=b'9' | b'A'..=b'F');
    let first = parts.next().is_some_and(plain) && !value.is_empty();
    first
        && parts.all(|part| {
            part.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(hex)) && plain(part)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xtext_is_what_it_is() {
        for value in ["a", "[UNAVAILABLE]", "IPV6:::1", "a+20b", "+2B"] {
            assert!(is_xtext(value), "{value}");
        }
        for value in ["", "a=b", "a+2", "+", "a+2b", "a+GGb", "ü", "a\tb"] {
            assert!(!is_xtext(value), "{value}");
        }
    }
}
