//! What a server said that it should not have said, by name, and how much of it is put up with.
//! Where a quirk is met and flagged is not decided here.

use std::{fmt, ops};

/// How far replies may depart from the grammar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strictness {
    /// Every [`Quirk`] is an error, those excepted that are mere [notes](Quirk::is_note).
    Strict,
    /// What real servers say is accepted, and flagged. The default.
    #[default]
    Tolerant,
    /// As `Tolerant`; lines without a code are accepted too, inside a reply to EHLO.
    Lenient,
}

/// The set of all quirks that a reply showed.
///
/// ```
/// use ehlo::{Quirk, Quirks};
///
/// let quirks = Quirks::from(Quirk::BareLf) | Quirk::TabSeparator;
/// assert!(quirks.contains(Quirk::BareLf));
/// assert_eq!(quirks.to_string(), "BareLf, TabSeparator");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Quirks(u32);

impl Quirks {
    /// No quirk.
    pub const NONE: Self = Self(0);

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this one is among them.
    #[must_use]
    pub const fn contains(self, quirk: Quirk) -> bool {
        self.0 & quirk.bit() != 0
    }

    /// Adds one.
    pub const fn insert(&mut self, quirk: Quirk) {
        self.0 |= quirk.bit();
    }

    /// Each of them, in the order of [`Quirk::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Quirk> {
        let all = Quirk::ALL.iter().copied();
        all.filter(move |quirk| self.contains(*quirk))
    }

    /// The first that strict parsing refuses.
    pub(crate) fn refused(self) -> Option<Quirk> {
        self.iter().find(|quirk| !quirk.is_note())
    }
}

impl From<Quirk> for Quirks {
    fn from(quirk: Quirk) -> Self {
        Self(quirk.bit())
    }
}

impl<T: Into<Self>> ops::BitOr<T> for Quirks {
    type Output = Self;

    fn bitor(self, other: T) -> Self {
        Self(self.0 | other.into().0)
    }
}

impl<T: Into<Self>> ops::BitOrAssign<T> for Quirks {
    fn bitor_assign(&mut self, other: T) {
        self.0 |= other.into().0;
    }
}

impl fmt::Display for Quirks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, quirk) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            f.write_str(quirk.name())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Quirks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quirks({self})")
    }
}

/// Names, words and bits from one list, so that none can be forgotten.
macro_rules! quirks {
    ($($(#[doc = $doc:literal])+ $name:ident: $words:literal,)*) => {
        /// A departure from the grammar, or from what is usual, that a reply was accepted with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Quirk {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Quirk {
            /// Every quirk there is.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name, as in the source: `BareLf`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            const fn words(self) -> &'static str {
                match self {
                    $(Self::$name => $words,)*
                }
            }
        }
    };
}

quirks! {
    /// A line that ends with LF alone.
    BareLf: "a bare LF as line end",
    /// A CR inside a line; it is kept as part of the text.
    BareCr: "a bare CR inside a line",
    /// A line that ends with more than one CR and an LF.
    CrCrLf: "CR CR LF as line end",
    /// A tab where the space after the code belongs.
    TabSeparator: "a tab behind the code",
    /// An empty line before a reply or inside one; it is skipped.
    BlankLine: "a blank line",
    /// Lines of one reply with different codes; the last one's is the reply's.
    MixedCodes: "different codes in one reply",
    /// A line without a code inside a reply to EHLO.
    MissingCode: "a line without a code",
    /// A code whose second digit is above 5.
    OddCode: "a code with a second digit above 5",
    /// A greeting overwritten with asterisks, the work of a firewall that meddles with ESMTP.
    PixFixup: "a greeting overwritten with asterisks",
    /// An EHLO line with nothing on it; it is skipped.
    EmptyKeyword: "an EHLO line without a keyword",
    /// A 3yz reply to DATA other than 354.
    OddGoAhead: "a go-ahead other than 354",
    /// Note: a line of more than 512 octets, its end included.
    LongLine: "a line of more than 512 octets",
    /// Note: a NUL in a line.
    Nul: "a NUL",
    /// Note: an octet above 127 in a line.
    NonAscii: "an octet outside ASCII",
    /// Note: a code from 200 to 599 without a registered meaning.
    UnknownCode: "a code without a registered meaning",
    /// Note: an enhanced status code whose class is not that of the code.
    EnhancedClash: "an enhanced code of another class than the code",
    /// Note: a SIZE keyword whose value is no number.
    BadSize: "a SIZE that is no number",
    /// Note: an authentication that ended with a 2yz other than 235.
    OddAuthSuccess: "a success of AUTH other than 235",
}

impl Quirk {
    /// Whether it is a mere note: remembered, but no error in strict parsing either, since the
    /// grammar permits it or the client can do nothing wrong with it.
    #[must_use]
    pub const fn is_note(self) -> bool {
        matches!(
            self,
            Self::LongLine
                | Self::Nul
                | Self::NonAscii
                | Self::UnknownCode
                | Self::EnhancedClash
                | Self::BadSize
                | Self::OddAuthSuccess
        )
    }

    /// The rule that it breaks, or of a note that which it comes near.
    ///
    /// ```
    /// assert_eq!(ehlo::Quirk::BareLf.rule(), "RFC 5321 §2.3.8");
    /// ```
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::BareLf | Self::BareCr | Self::CrCrLf => "RFC 5321 §2.3.8",
            Self::MixedCodes => "RFC 5321 §4.2.1",
            Self::EmptyKeyword => "RFC 5321 §4.1.1.1",
            Self::OddGoAhead => "RFC 5321 §4.3.2",
            Self::LongLine => "RFC 5321 §4.5.3.1.5",
            Self::UnknownCode => "RFC 5321 §4.2.3",
            Self::EnhancedClash => "RFC 2034 §4",
            Self::BadSize => "RFC 1870 §3",
            Self::OddAuthSuccess => "RFC 4954 §4",
            Self::TabSeparator
            | Self::BlankLine
            | Self::MissingCode
            | Self::OddCode
            | Self::PixFixup
            | Self::Nul
            | Self::NonAscii => "RFC 5321 §4.2",
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl fmt::Display for Quirk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_quirk_has_a_bit_a_name_and_words_of_its_own() {
        let mut all = Quirks::NONE;
        for quirk in Quirk::ALL.iter().copied() {
            assert!(!all.contains(quirk), "{quirk}");
            all.insert(quirk);
            assert!(all.contains(quirk), "{quirk}");
            assert_eq!(format!("{quirk:?}"), quirk.name());
            assert!(quirk.rule().starts_with("RFC "), "{quirk}");
        }
        assert!(all.iter().eq(Quirk::ALL.iter().copied()));
        assert_eq!(all.0.count_ones() as usize, Quirk::ALL.len());
        assert_eq!(Quirk::MixedCodes.to_string(), "different codes in one reply");
        assert_eq!(Quirk::MixedCodes.rule(), "RFC 5321 §4.2.1");
    }

    #[test]
    fn notes_are_those_of_rows_21_24_25_26_45_58_and_63() {
        let notes = Quirk::ALL.iter().filter(|quirk| quirk.is_note());
        let names: Vec<_> = notes.map(|quirk| quirk.name()).collect();
        assert_eq!(
            names.join(" "),
            "LongLine Nul NonAscii UnknownCode EnhancedClash BadSize OddAuthSuccess"
        );
    }

    #[test]
    fn a_set_shows_its_names_and_finds_what_strict_parsing_refuses() {
        assert_eq!(Quirks::NONE.to_string(), "");
        let mut set = Quirks::from(Quirk::Nul) | Quirk::NonAscii;
        assert_eq!(set.refused(), None);
        assert_eq!(set | Quirk::Nul, set);
        set |= Quirks::from(Quirk::MixedCodes) | Quirk::BareLf;
        assert_eq!(set.refused(), Some(Quirk::BareLf));
        assert_eq!(format!("{set:?}"), "Quirks(BareLf, MixedCodes, Nul, NonAscii)");
        assert!(!set.is_empty() && Quirks::default().is_empty());
    }
}
