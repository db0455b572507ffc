//! The words that commands begin with. What may be said when is in the table of the protocol.

use std::fmt;

/// The first word of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// `EHLO`, RFC 5321 §4.1.1.1.
    Ehlo,
    /// `HELO`, RFC 5321 §4.1.1.1.
    Helo,
    /// `LHLO`, RFC 2033 §4.1.
    Lhlo,
    /// `MAIL`, RFC 5321 §4.1.1.2.
    Mail,
    /// `RCPT`, RFC 5321 §4.1.1.3.
    Rcpt,
    /// `DATA`, RFC 5321 §4.1.1.4.
    Data,
    /// `BDAT`, RFC 3030 §2.
    Bdat,
    /// `RSET`, RFC 5321 §4.1.1.5.
    Rset,
    /// `VRFY`, RFC 5321 §4.1.1.6.
    Vrfy,
    /// `EXPN`, RFC 5321 §4.1.1.7.
    Expn,
    /// `HELP`, RFC 5321 §4.1.1.8.
    Help,
    /// `NOOP`, RFC 5321 §4.1.1.9.
    Noop,
    /// `QUIT`, RFC 5321 §4.1.1.10.
    Quit,
    /// `STARTTLS`, RFC 3207 §4.
    StartTls,
    /// `AUTH`, RFC 4954 §4.
    Auth,
    /// `ETRN`, RFC 1985.
    Etrn,
    /// `ATRN`, RFC 2645.
    Atrn,
    /// `BURL`, RFC 4468.
    Burl,
    /// `XCLIENT`, of Postfix.
    Xclient,
    /// `XFORWARD`, of Postfix.
    Xforward,
    /// Any other word, which only a raw command can begin with.
    Other,
}

impl Verb {
    /// Every verb that has a word: all but [`Other`](Self::Other).
    pub const ALL: &[Self] = &[
        Self::Ehlo,
        Self::Helo,
        Self::Lhlo,
        Self::Mail,
        Self::Rcpt,
        Self::Data,
        Self::Bdat,
        Self::Rset,
        Self::Vrfy,
        Self::Expn,
        Self::Help,
        Self::Noop,
        Self::Quit,
        Self::StartTls,
        Self::Auth,
        Self::Etrn,
        Self::Atrn,
        Self::Burl,
        Self::Xclient,
        Self::Xforward,
    ];

    /// The word in upper case; `?` for another.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ehlo => "EHLO",
            Self::Helo => "HELO",
            Self::Lhlo => "LHLO",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Bdat => "BDAT",
            Self::Rset => "RSET",
            Self::Vrfy => "VRFY",
            Self::Expn => "EXPN",
            Self::Help => "HELP",
            Self::Noop => "NOOP",
            Self::Quit => "QUIT",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Etrn => "ETRN",
            Self::Atrn => "ATRN",
            Self::Burl => "BURL",
            Self::Xclient => "XCLIENT",
            Self::Xforward => "XFORWARD",
            Self::Other => "?",
        }
    }

    /// The verb of this word, in any case, if it is one of [`ALL`](Self::ALL).
    ///
    /// ```
    /// use ehlo::Verb;
    ///
    /// assert_eq!(Verb::from_word(b"rcpt"), Some(Verb::Rcpt));
    /// assert_eq!(Verb::from_word(b"TURN"), None);
    /// ```
    #[must_use]
    pub fn from_word(word: &[u8]) -> Option<Self> {
        let is_it = |verb: &Self| verb.as_str().as_bytes().eq_ignore_ascii_case(word);
        Self::ALL.iter().copied().find(is_it)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_is_known_by_its_word() {
        for &verb in Verb::ALL {
            assert_eq!(Verb::from_word(verb.as_str().as_bytes()), Some(verb));
            let lower = verb.to_string().to_lowercase();
            assert_eq!(Verb::from_word(lower.as_bytes()), Some(verb));
        }
        for word in ["", "?", "EHL", "EHLOO", "SEND", "SOML", "SAML", "TURN", "EHLO "] {
            assert_eq!(Verb::from_word(word.as_bytes()), None, "{word}");
        }
        assert_eq!(Verb::Other.to_string(), "?");
    }
}
