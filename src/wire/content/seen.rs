//! One look at a block of content: whether there is anything to stop at, but not where. The compiler
//! makes vector instructions of it, of AVX2 where the processor has that, which is found out once.

use std::sync::LazyLock;

use fearless_simd::{Level, dispatch};

use super::{CR, EIGHTH_BIT, LF, NUL};

/// What is seen in one look at a block of content, apart from where. The first octet is only looked
/// at as the one before the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Half a CRLF.
    pub(super) stray: bool,
    /// A dot after an LF.
    pub(super) dot: bool,
    pub(super) nul: bool,
    pub(super) eight_bit: bool,
}

/// Octets that are looked at together, at most.
const LANES: usize = 64;

/// The first and the last octet of a block, which are looked at apart.
const EDGES: usize = 2;

impl Seen {
    pub(super) fn of(block: &[u8]) -> Self {
        static LEVEL: LazyLock<Level> = LazyLock::new(Level::new);
        Self::at(*LEVEL, block)
    }

    pub(super) fn at(level: Level, block: &[u8]) -> Self {
        dispatch!(level, _simd => Self::in_whole_vectors(block))
    }

    /// What whole vectors leave over is looked at with what stands before it. Both looks are compiled
    /// once for every kind of vector.
    #[inline(always)]
    fn in_whole_vectors(block: &[u8]) -> Self {
        let over = block.len().saturating_sub(EDGES) % LANES;
        let (whole, last) = match block.last_chunk::<{ LANES + EDGES }>() {
            Some(last) if over > 0 => (block.split_at(block.len() - over).0, Some(last)),
            _ => (block, None),
        };
        let seen = Self::look(whole);
        last.map_or(seen, |last| seen.or(Self::look(last)))
    }

    #[inline(always)]
    fn look(block: &[u8]) -> Self {
        let (&[first, second, ref after @ ..], &[.., before, last]) = (block, block) else {
            return Self { stray: false, dot: false, nul: false, eight_bit: false };
        };
        let (mut stray, mut dot, mut least, mut bits) = (false, false, u8::MAX, 0);
        let (_, octets) = block.split_at(1);
        // It has no branch, so that it becomes vector instructions. Whether an octet is an LF is
        // asked once for both its neighbours.
        for ((&before, &octet), &after) in block.iter().zip(octets).zip(after) {
            let is_lf = octet == LF;
            stray |= (before == CR) ^ is_lf;
            dot |= is_lf & (after == b'.');
            least = least.min(octet);
            bits |= octet;
        }
        Self {
            stray: stray || (before == CR) != (last == LF),
            dot: dot || (first == LF && second == b'.'),
            nul: least == NUL || last == NUL,
            eight_bit: (bits | last) & EIGHTH_BIT != 0,
        }
    }

    #[inline(always)]
    const fn or(self, other: Self) -> Self {
        Self {
            stray: self.stray | other.stray,
            dot: self.dot | other.dot,
            nul: self.nul | other.nul,
            eight_bit: self.eight_bit | other.eight_bit,
        }
    }

    /// Whether nothing stops the block from being sent as it is, where this bit is forbidden.
    pub(super) const fn is_quiet(self, forbidden: u8) -> bool {
        !(self.stray || self.dot || self.nul || (self.eight_bit && forbidden != 0))
    }
}
