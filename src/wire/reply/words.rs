//! The lines of a reply to EHLO: a keyword, blanks, and what follows them. What a keyword means is
//! not known here, and none is looked for an odd octet: controls are no blanks.

use std::ops::Range;

use super::frame::{split_first_line, text_of};
use crate::wire::octets::{first_octets, first_of, len_before, top_bits_below};

/// A line of a reply: its first word, and what follows that, without the blanks before, between and
/// behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words<'a> {
    pub(crate) first: &'a [u8],
    /// Where it stands.
    pub(crate) at: usize,
    /// Its first eight octets, NULs for those that it has not.
    pub(crate) head: u64,
    /// Where the rest stands.
    pub(crate) rest: Range<usize>,
}

/// The lines of octets that are a reply, as words. Blank lines are skipped; a code alone has a word
/// of no octets.
#[derive(Clone, Debug)]
pub(crate) struct WordLines<'a> {
    /// How many octets there are.
    octets: usize,
    /// From where the next line begins.
    lines: &'a [u8],
}

impl<'a> WordLines<'a> {
    pub(crate) const fn of(octets: &'a [u8]) -> Self {
        Self { octets: octets.len(), lines: octets }
    }

    /// Those behind the first.
    #[inline(never)]
    pub(crate) fn behind_the_first(octets: &'a [u8]) -> Self {
        let mut lines = Self::of(octets);
        lines.next();
        lines
    }
}

impl<'a> Iterator for WordLines<'a> {
    type Item = Words<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Words<'a>> {
        while !self.lines.is_empty() {
            let line = self.lines;
            // What most lines begin with is seen at once.
            let text = line.strip_prefix(b"250-").unwrap_or_else(|| text_of(line));
            let (head, length) = first_word(text);
            let (head, first, behind) = match text.split_at_checked(length) {
                Some((first @ [_, ..], behind @ [b'\r', b'\n', lines @ ..])) => {
                    self.lines = lines;
                    let end = self.octets - behind.len();
                    return Some(Words { first, at: end - first.len(), head, rest: end..end });
                }
                Some((first @ [_, ..], behind @ [b' ', ..])) => (head, first, behind),
                _ => odd_word(text),
            };
            let (rest, lines) = rest_and_lines(behind);
            self.lines = lines;
            // Before the end of a blank line there is nothing, not even a blank.
            if behind.len() < line.len() {
                let end = self.octets - behind.len();
                let (at, rest) = (end - first.len(), end + rest.start..end + rest.end);
                return Some(Words { first, at, head, rest });
            }
        }
        None
    }
}

/// What follows a word that ends there, in its line. Most words are alone.
#[inline]
pub(crate) fn rest_behind(octets: &[u8], end: usize) -> Range<usize> {
    match octets.get(end..) {
        None | Some([b'\r', b'\n', ..]) => end..end,
        Some(behind) => {
            let (rest, _) = rest_and_lines(behind);
            end + rest.start..end + rest.end
        }
    }
}

/// The first word of a text, up to the first blank or control: its first eight octets, and how many
/// it has.
#[inline(always)]
fn first_word(text: &[u8]) -> (u64, usize) {
    let (head, behind) = match text.split_first_chunk() {
        Some((head, behind)) => (u64::from_le_bytes(*head), behind),
        None => (first_octets(text), text),
    };
    match top_bits_below(head, b' ' + 1) {
        0 => (head, 8 + len_before(behind, b' ' + 1, 0)),
        // Of the octets before the lowest bit.
        found => (head & ((found & found.wrapping_neg()) >> 7).wrapping_sub(1), first_of(found)),
    }
}

/// The first word, and what follows it, where the text begins with a blank or a control, or a
/// control follows the word.
#[cold]
fn odd_word(text: &[u8]) -> (u64, &[u8], &[u8]) {
    let blanks = text.iter().take_while(|octet| is_blank(octet)).count();
    let text = text.get(blanks..).unwrap_or_default();
    let (line, _) = split_first_line(text).unwrap_or_default();
    let length = line.iter().position(is_blank).unwrap_or(line.len());
    let (first, behind) = text.split_at_checked(length).unwrap_or_default();
    (first_octets(first), first, behind)
}

/// Where behind a word the rest of its line stands, and the lines after it.
#[inline]
fn rest_and_lines(behind: &[u8]) -> (Range<usize>, &[u8]) {
    let (line, lines) = split_first_line(behind).unwrap_or_default();
    let (skipped, rest) = trimmed(line);
    (skipped..skipped + rest.len(), lines)
}

/// A text without the blanks at its ends, and how many there are before it: none where it is empty
/// without them.
fn trimmed(text: &[u8]) -> (usize, &[u8]) {
    let mut rest = text;
    while let [before @ .., b' ' | b'\t'] = rest {
        rest = before;
    }
    let length = rest.len();
    while let [b' ' | b'\t', behind @ ..] = rest {
        rest = behind;
    }
    (length - rest.len(), rest)
}

const fn is_blank(octet: &u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_words(octets: &str, words: &[(&str, &str)]) {
        let lines = WordLines::of(octets.as_bytes());
        let word = |line: &Words<'_>| &octets[line.at..line.at + line.first.len()];
        let found: Vec<_> = lines.map(|line| (word(&line), &octets[line.rest])).collect();
        assert_eq!(found, words, "{octets:?}");
    }

    #[test]
    fn a_line_is_a_word_and_what_follows_it() {
        assert_words("250-A\r\n250 B\r\n", &[("A", ""), ("B", "")]);
        assert_words("250-A b c\r\n250 D\te \r\n", &[("A", "b c"), ("D", "e")]);
        assert_words("250- \tA \t b \r\n250 \t\r\n", &[("A", "b"), ("", "")]);
        assert_words("250-\r\n250\r\n", &[("", ""), ("", "")]);
        assert_words("250 A", &[("A", "")]);
    }

    #[test]
    fn line_ends_may_be_odd_and_controls_are_no_blanks() {
        assert_words(
            "250-A\n250-B\r\r\n250\n250 C d\n",
            &[("A", ""), ("B", ""), ("", ""), ("C", "d")],
        );
        assert_words("250-A\rB\0 c\rd\r\n250 \x0be\r\n", &[("A\rB\0", "c\rd"), ("\x0be", "")]);
    }

    #[test]
    fn lines_without_a_code_count_unless_they_are_blank() {
        assert_words("\r\n250-A\r\n\n\r\r\nB c\r\n250 D\r\n", &[("A", ""), ("B", "c"), ("D", "")]);
        assert_words(
            "250-A\r\n \r\n250X y\r\n250 D\r\n",
            &[("A", ""), ("", ""), ("250X", "y"), ("D", "")],
        );
    }

    #[test]
    fn the_head_of_a_word_has_its_first_octets_alone() {
        for length in 0..20 {
            for end in ["\r\n", " x\r\n", "\t\r\n", "\n", "\rx\r\n", ""] {
                let word = &"abcdefghijklmnopqrst"[..length];
                let line = format!("250-{word}{end}");
                let words = WordLines::of(line.as_bytes()).next().unwrap();
                let mut head = [0; 8];
                let first = &words.first[..words.first.len().min(8)];
                head[..first.len()].copy_from_slice(first);
                assert_eq!(words.head, u64::from_le_bytes(head), "{line:?}");
                assert!(length == 0 || words.first.starts_with(word.as_bytes()), "{line:?}");
            }
        }
    }

    #[test]
    fn what_follows_a_word_is_found_again() {
        let octets = b"250-mx\r\n250-A  b\tc \r\n250 D\r\n";
        for words in WordLines::of(octets) {
            let end = words.at + words.first.len();
            assert_eq!(rest_behind(octets, end), words.rest);
        }
    }
}
