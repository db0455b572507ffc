//! What a server offers at a given point, and which parameters follow from it.

use super::server::{Server, keyword};
use crate::extension::needed_by;
use crate::{Command, Param, Protocol, Verb};

impl Server {
    /// The lines of its EHLO reply after the first.
    pub(super) fn extensions(&self, tls: bool) -> Vec<String> {
        let mut lines = vec![
            "PIPELINING".to_owned(),
            "8BITMIME".to_owned(),
            format!("SIZE {}", self.max_size),
            "SMTPUTF8".to_owned(),
            "ENHANCEDSTATUSCODES".to_owned(),
            "CHUNKING".to_owned(),
        ];
        if !tls {
            lines.push("STARTTLS".to_owned());
        }
        if tls || self.allow_cleartext {
            lines.push(format!("AUTH {}", self.mechanisms));
        }
        let among = |words: &[Box<str>], line: &str| {
            let mut words = words.iter();
            words.any(|word| keyword(word).eq_ignore_ascii_case(keyword(line)))
        };
        lines.retain(|line| !among(&self.withheld, line) && !among(&self.offered, line));
        lines.extend(self.offered.iter().map(ToString::to_string));
        lines
    }

    pub(super) fn offers(&self, word: &str, tls: bool) -> bool {
        let lines = self.extensions(tls);
        lines.iter().any(|line| keyword(line).eq_ignore_ascii_case(word))
    }

    /// The first parameter of a command that needs what is not offered. Who said HELO was offered
    /// nothing.
    pub(super) fn unknown_param<'a>(
        &self,
        command: &'a Command<'_>,
        extended: bool,
        tls: bool,
    ) -> Option<&'a Param> {
        let verb = command.verb();
        let known = |param: &&Param| {
            let needed = needed_by(verb, param);
            let mut needed = needed.iter();
            // One that the crate does not know may belong to any of the extensions that were
            // given, whose parameters have names of their own.
            let is_of_given = !self.offered.is_empty()
                && !self.withheld.iter().any(|word| param.is(word))
                && needed.clone().any(|word| param.is(word));
            let is_offered = needed.all(|word| self.offers(word, tls));
            extended && (is_offered || is_of_given) && (verb == Verb::Mail || !is_of_mail(param))
        };
        command.params().iter().find(|param| !known(param))
    }

    /// The word that begins a session with extensions.
    pub(super) const fn hello(&self) -> Verb {
        match self.protocol {
            Protocol::Lmtp => Verb::Lhlo,
            Protocol::Smtp => Verb::Ehlo,
        }
    }
}

fn is_of_mail(param: &Param) -> bool {
    ["SIZE", "BODY", "SMTPUTF8", "AUTH"].iter().any(|keyword| param.is(keyword))
}
