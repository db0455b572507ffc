//! Which extension a keyword names, and where in a reply each is offered. Keywords are compared
//! without case. What an offer says is not looked at here.

use super::{COUNT, Place};
use crate::wire::first_octets;

impl Place {
    /// That of a keyword; `None` where the crate does not know it.
    pub(super) const fn of(keyword: &str) -> Option<Self> {
        Self::of_word(first_octets(keyword.as_bytes()), keyword.as_bytes())
    }

    /// The same of a word whose first eight octets are at hand.
    #[inline]
    pub(super) const fn of_word(head: u64, word: &[u8]) -> Option<Self> {
        let Some(place) = Self::of_head(upper_case(head)) else { return None };
        let keyword = place.keyword().as_bytes();
        if keyword.len() == word.len() && tails_agree(word, keyword) { Some(place) } else { None }
    }
}

/// The first eight octets of a keyword, in upper case. Most keywords are no longer.
pub(super) const fn head(keyword: &str) -> u64 {
    upper_case(first_octets(keyword.as_bytes()))
}

/// Eight octets in upper case, all at once: the top bit of a sum says which are letters in lower
/// case. One above 127 makes nonsense of those after it, but stays above 127: no keyword has it.
const fn upper_case(octets: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let from_a = octets.wrapping_add(ONES * (0x80 - b'a' as u64));
    let behind_z = octets.wrapping_add(ONES * (0x7f - b'z' as u64));
    octets ^ (((from_a ^ behind_z) & (ONES * 0x80)) >> 2)
}

/// Whether a word of as many octets has what a keyword, in upper case, has behind its head.
const fn tails_agree(mut word: &[u8], mut keyword: &[u8]) -> bool {
    // From the end, so that the last look reaches into the head.
    while word.len() > HEAD
        && let (Some((before, tail)), Some((before_that, expected))) =
            (word.split_last_chunk(), keyword.split_last_chunk())
    {
        if upper_case(u64::from_le_bytes(*tail)) != u64::from_le_bytes(*expected) {
            return false;
        }
        (word, keyword) = (before, before_that);
    }
    true
}

/// Octets that are compared at once.
const HEAD: usize = 8;

/// Where in a text each extension is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offers([u16; COUNT]);

/// Where one extension is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    Nowhere,
    /// Once, by a keyword that begins there.
    At(usize),
    /// More than once, by another name, or too far from the start to be noted.
    Somewhere,
}

impl Default for Offers {
    fn default() -> Self {
        Self([NOWHERE; COUNT])
    }
}

impl Offers {
    /// Notes an offer by a keyword that begins there. Nothing is offered where a text begins.
    pub(super) fn note(&mut self, place: Place, at: usize) {
        if let Some(offer) = self.0.get_mut(place as usize) {
            let at = u16::try_from(at).unwrap_or(SOMEWHERE);
            *offer = if *offer == NOWHERE { at } else { SOMEWHERE };
        }
    }

    /// Notes an offer that has to be looked for.
    pub(super) fn note_somewhere(&mut self, place: Place) {
        if let Some(offer) = self.0.get_mut(place as usize) {
            *offer = SOMEWHERE;
        }
    }

    #[inline]
    pub(super) fn of(&self, place: Place) -> Offered {
        match self.0.get(place as usize) {
            None | Some(&NOWHERE) => Offered::Nowhere,
            Some(&SOMEWHERE) => Offered::Somewhere,
            Some(&at) => Offered::At(at.into()),
        }
    }
}

const NOWHERE: u16 = 0;
const SOMEWHERE: u16 = u16::MAX;

#[cfg(test)]
mod tests {
    use super::super::KNOWN;
    use super::*;

    #[test]
    fn each_keyword_has_the_place_of_its_extension_in_any_case() {
        for (n, known) in KNOWN.iter().enumerate() {
            for keyword in [known.keyword.to_owned(), known.keyword.to_lowercase()] {
                let place = Place::of(&keyword).unwrap();
                assert_eq!((place as usize, place.keyword()), (n, known.keyword));
                assert_eq!(known.keyword, known.keyword.to_uppercase());
            }
        }
    }

    #[test]
    fn a_keyword_that_differs_anywhere_is_another() {
        let of = |word: &[u8]| Place::of_word(first_octets(word), word);
        for known in KNOWN {
            for at in 0..known.keyword.len() {
                for octet in [b'_', 0, b'[', b'{', known.keyword.as_bytes()[at] ^ 0x60] {
                    let mut other = known.keyword.as_bytes().to_vec();
                    other[at] = octet;
                    assert_eq!(of(&other), None, "{other:?}");
                }
                assert_eq!(Place::of(&known.keyword[..at]), None);
            }
            for more in ["X", "\0", "XXXXXXXX"] {
                let longer = format!("{}{more}", known.keyword);
                assert_eq!(Place::of(&longer), None, "{longer:?}");
            }
        }
    }

    #[test]
    fn letters_alone_have_an_upper_case_wherever_they_stand() {
        for octet in 0..0x80_u8 {
            for at in 0..HEAD {
                let mut octets = *b"zZ@[`{a~";
                octets[at] = octet;
                let upper = octets.map(|octet| octet.to_ascii_uppercase());
                let found = upper_case(u64::from_le_bytes(octets)).to_le_bytes();
                assert_eq!(found, upper, "{octets:?}");
            }
        }
    }

    #[test]
    fn offers_are_noted_once_or_have_to_be_looked_for() {
        let mut offers = Offers::default();
        assert_eq!(offers.of(Place::Size), Offered::Nowhere);
        offers.note(Place::Size, 7);
        offers.note(Place::Dsn, 65_534);
        offers.note(Place::Etrn, 65_535);
        offers.note(Place::Atrn, 65_536);
        offers.note_somewhere(Place::Auth);
        let of = |places: [Place; 5]| places.map(|place| offers.of(place));
        assert_eq!(
            of([Place::Size, Place::Dsn, Place::Etrn, Place::Atrn, Place::Auth]),
            [
                Offered::At(7),
                Offered::At(65_534),
                Offered::Somewhere,
                Offered::Somewhere,
                Offered::Somewhere
            ]
        );
        assert_eq!(offers.of(Place::Prdr), Offered::Nowhere);
        offers.note(Place::Size, 9);
        assert_eq!(offers.of(Place::Size), Offered::Somewhere);
    }
}
