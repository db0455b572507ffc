//! Content out of the wire: where it ends, and what it was before it was dot-stuffed. A line ends
//! with CRLF here and with nothing else, so no lone CR or LF can hide the end of a mail or fake
//! one (RFC 5321 §2.3.8, §4.5.2).

/// Takes content off the wire, in pieces cut anywhere.
#[derive(Debug, Default)]
pub(super) struct Unstuffer<'a> {
    state: State,
    content: Vec<u8>,
    /// Octets that the content has, kept or not.
    octets: u64,
    most: u64,
    /// Octets taken off the wire.
    wire: u64,
    bare_line_ends: usize,
    /// What ends content by mistake, and the last octets that may be the beginning of it.
    other_ends: &'a [Box<[u8]>],
    tail: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    LineStart,
    InLine,
    /// A CR, whatever stood before it.
    Cr,
    /// A dot at the start of a line, which is no content.
    Dot,
    /// The same and a CR, which is content unless an LF follows.
    DotCr,
}

impl<'a> Unstuffer<'a> {
    /// Keeps at most so many octets.
    pub(super) fn new(most: u64) -> Self {
        Self { most, ..Self::default() }
    }

    /// Content ends there, too, where a server is to be wrong.
    pub(super) fn or_at(self, other_ends: &'a [Box<[u8]>]) -> Self {
        Self { other_ends, ..self }
    }

    /// Takes octets up to the end of the content; says how many, and whether the end was there.
    pub(super) fn take(&mut self, wire: &[u8]) -> (usize, bool) {
        let (taken, ended) = match self.other_ends.is_empty() {
            true => self.run(wire),
            false => self.run_to_any_end(wire),
        };
        self.wire += taken as u64;
        (taken, ended)
    }

    fn run_to_any_end(&mut self, wire: &[u8]) -> (usize, bool) {
        let longest = self.other_ends.iter().map(|end| end.len()).max().unwrap_or_default();
        for (at, octet) in wire.iter().enumerate() {
            if self.tail.len() >= longest {
                self.tail.remove(0);
            }
            self.tail.push(*octet);
            let (_, ended) = self.run(&[*octet]);
            if ended || self.other_ends.iter().any(|end| self.tail.ends_with(end)) {
                return (at + 1, true);
            }
        }
        (wire.len(), false)
    }

    fn run(&mut self, wire: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while let Some(rest) = wire.get(at..).filter(|rest| !rest.is_empty()) {
            let plain = match self.state {
                State::InLine => memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len()),
                _ => 0,
            };
            if plain > 0 {
                self.keep(rest.get(..plain).unwrap_or_default());
                at += plain;
                continue;
            }
            at += 1;
            if rest.first().is_some_and(|octet| self.step(*octet)) {
                return (at, true);
            }
        }
        (at, false)
    }

    /// The content; `None` if it is more than was to be kept.
    pub(super) fn into_content(self) -> Option<Vec<u8>> {
        (self.octets <= self.most).then_some(self.content)
    }

    /// Octets that the content took on the wire, once its end was there: without its last line.
    pub(super) const fn wire_octets(&self) -> u64 {
        self.wire.saturating_sub(END)
    }

    /// How many CR and LF of the content are no part of a CRLF.
    pub(super) const fn bare_line_ends(&self) -> usize {
        self.bare_line_ends
    }

    /// Whether this octet is the last of all.
    fn step(&mut self, octet: u8) -> bool {
        let before = self.state;
        self.state = match (before, octet) {
            (State::LineStart, b'.') => State::Dot,
            (State::Dot, b'\r') => State::DotCr,
            (State::DotCr, b'\n') => return true,
            (State::Cr, b'\n') => State::LineStart,
            (_, b'\r') => State::Cr,
            _ => State::InLine,
        };
        match (before, octet) {
            // Held until it is known what they are.
            (State::LineStart, b'.') | (State::Dot, b'\r') => return false,
            (State::DotCr, _) => {
                self.bare_line_ends += 1;
                self.keep(b"\r");
            }
            (State::Cr, b'\n') => {}
            (State::Cr, _) => self.bare_line_ends += 1,
            _ => {}
        }
        if octet == b'\n' && before != State::Cr {
            self.bare_line_ends += 1;
        }
        self.keep(&[octet]);
        false
    }

    fn keep(&mut self, octets: &[u8]) {
        self.octets += octets.len() as u64;
        if self.octets <= self.most {
            self.content.extend_from_slice(octets);
        }
    }
}

/// Octets of the line that ends the content.
const END: u64 = 3;

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;
    use crate::{LineEndings, Stuffer};

    /// Content, bare line ends, and what is left of the wire after the end.
    fn unstuffed(wire: &[u8], cut: usize) -> Option<(Vec<u8>, usize, usize)> {
        let mut unstuffer = Unstuffer::new(u64::MAX);
        let mut taken = 0;
        for piece in wire.chunks(cut) {
            let (used, ended) = unstuffer.take(piece);
            taken += used;
            if ended {
                let bare = unstuffer.bare_line_ends();
                return Some((unstuffer.into_content()?, bare, wire.len() - taken));
            }
            assert_eq!(used, piece.len());
        }
        None
    }

    #[test]
    fn ends_where_it_should_not_if_told_so() {
        let ends = [b"\n.\n"[..].into(), b"\r.\r"[..].into()];
        for (wire, taken, ended) in [
            (&b"a\n.\nNOOP"[..], 4, true),
            (b"a\r.\r\n", 4, true),
            (b"a\r\n.\r\nQUIT", 6, true),
            (b"a\n.a\n", 5, false),
        ] {
            for cut in 1..=wire.len() {
                let mut unstuffer = Unstuffer::new(u64::MAX).or_at(&ends);
                let (mut used, mut has_ended) = (0, false);
                for piece in wire.chunks(cut) {
                    let (more, end) = unstuffer.take(piece);
                    (used, has_ended) = (used + more, end);
                    if end {
                        break;
                    }
                }
                assert_eq!((used, has_ended), (taken, ended), "{wire:?} by {cut}");
            }
        }
    }

    #[test]
    fn takes_dots_and_line_ends_as_they_are_meant() {
        let cases: [(&[u8], &[u8], usize, usize); 13] = [
            (b".\r\n", b"", 0, 0),
            (b"a\r\n.\r\nQUIT", b"a\r\n", 0, 4),
            (b"..\r\n.\r\n", b".\r\n", 0, 0),
            (b".a\r\n.\r\n", b"a\r\n", 0, 0),
            (b"a.b\r\n.\r\n", b"a.b\r\n", 0, 0),
            // Smuggling: none of these is the end.
            (b"a\n.\n.\r\n\r\n.\r\n", b"a\n.\n.\r\n\r\n", 2, 0),
            (b"a\n.\r\nb\r\n.\r\n", b"a\n.\r\nb\r\n", 1, 0),
            (b"a\r.\r\nb\r\n.\r\n", b"a\r.\r\nb\r\n", 1, 0),
            (b"a\r\n.\nb\r\n.\r\n", b"a\r\n\nb\r\n", 1, 0),
            (b"a\r\n.\rb\r\n.\r\n", b"a\r\n\rb\r\n", 1, 0),
            (b"a\r\n.\r\r\n\r\n.\r\n", b"a\r\n\r\r\n\r\n", 1, 0),
            (b"a\r\r\n.\r\n", b"a\r\r\n", 1, 0),
            (b"\0\xff\r\n.\r\n", b"\0\xff\r\n", 0, 0),
        ];
        for (wire, content, bare, left) in cases {
            for cut in [1, 2, 3, 100] {
                let shown = crate::Escaped::new(wire);
                let (got, got_bare, _) = unstuffed(wire, cut).unwrap();
                assert_eq!(
                    (crate::Escaped::new(&got), got_bare),
                    (crate::Escaped::new(content), bare),
                    "{shown} by {cut}"
                );
            }
            assert_eq!(unstuffed(wire, 100).map(|(_, _, left)| left), Some(left));
        }
        assert_eq!(unstuffed(b"a\r\n.\r", 1), None);
    }

    #[test]
    fn keeps_no_more_than_it_may() {
        for (octets, kept) in [(5, true), (6, false)] {
            let mut unstuffer = Unstuffer::new(7);
            let wire = [&vec![b'x'; octets][..], b"\r\n.\r\n"].concat();
            assert_eq!(unstuffer.take(&wire), (wire.len(), true));
            assert_eq!(unstuffer.wire_octets(), octets as u64 + 2);
            assert_eq!(unstuffer.into_content().is_some(), kept);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn gives_back_what_was_stuffed(lines in prop::collection::vec("[.a\u{fc}]{0,4}", 0..8), cut in 1usize..9) {
            let content: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let mut wire = BytesMut::new();
            let mut stuffer = Stuffer::new(LineEndings::Reject, true);
            stuffer.stuff_into(content.as_bytes(), &mut wire).unwrap();
            wire.extend_from_slice(stuffer.finish().unwrap());
            prop_assert_eq!(unstuffed(&wire, cut), Some((content.into_bytes(), 0, 0)));
        }
    }
}
