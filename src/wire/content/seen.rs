//! One look at a block of content: whether there is anything to stop at, but not where. It is taken
//! in vectors, of AVX2 where the processor has that, which is found out once.

use std::sync::LazyLock;

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch, mask8x64, u8x64};

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

/// Octets that are looked at together.
const LANES: usize = 64;

/// These, and the ones before and after them.
const AROUND: usize = LANES + 2;

impl Seen {
    pub(super) fn of(block: &[u8]) -> Self {
        static LEVEL: LazyLock<Level> = LazyLock::new(Level::new);
        Self::at(*LEVEL, block)
    }

    pub(super) fn at(level: Level, block: &[u8]) -> Self {
        dispatch!(level, simd => Self::in_vectors(simd, block))
    }

    /// What whole vectors leave over is looked at with what stands before it.
    #[inline(always)]
    fn in_vectors<S: Simd>(simd: S, block: &[u8]) -> Self {
        let (&[first, ref octets @ ..], &[.., before, last]) = (block, block) else {
            return Self { stray: false, dot: false, nul: false, eight_bit: false };
        };
        let mut found = Found::nothing(simd);
        match block.last_chunk() {
            Some(end) => {
                let behind = |octets: usize| block.split_at(octets).1.as_chunks().0;
                let whole = behind(0).iter().zip(behind(1)).zip(behind(2));
                whole.for_each(|((before, octets), after)| found.look(before, octets, after));
                found.look_around(end);
            }
            None => found.look_around(&extended(block)),
        }
        let nul = found.most.simd_eq(NUL.wrapping_sub(1)).any_true() || last == NUL;
        Self {
            stray: found.stray.any_true() || (before == CR) != (last == LF),
            dot: found.dot.any_true() || (first == LF && octets.starts_with(b".")),
            nul,
            // Which a NUL outdoes.
            eight_bit: match nul {
                true => !octets.is_ascii(),
                false => found.most.simd_ge(EIGHTH_BIT - 1).any_true() || last >= EIGHTH_BIT,
            },
        }
    }

    /// Whether nothing stops the block from being sent as it is, where this bit is forbidden.
    pub(super) const fn is_quiet(self, forbidden: u8) -> bool {
        !(self.stray || self.dot || self.nul || (self.eight_bit && forbidden != 0))
    }
}

/// What is seen of octets that have one before and one after them, in each lane.
struct Found<S: Simd> {
    simd: S,
    stray: mask8x64<S>,
    dot: mask8x64<S>,
    /// The greatest octet less one: that of a NUL is above all others.
    most: u8x64<S>,
}

impl<S: Simd> Found<S> {
    #[inline(always)]
    fn nothing(simd: S) -> Self {
        Self {
            simd,
            stray: mask8x64::splat(simd, false),
            dot: mask8x64::splat(simd, false),
            most: u8x64::splat(simd, 0),
        }
    }

    #[inline(always)]
    fn look_around(&mut self, near: &[u8; AROUND]) {
        let ([before @ .., _, _], [_, octets @ .., _], [_, _, after @ ..]) = (near, near, near);
        self.look(before, octets, after);
    }

    /// Whether an octet is an LF is asked once for both its neighbours.
    #[inline(always)]
    fn look(&mut self, before: &[u8; LANES], octets: &[u8; LANES], after: &[u8; LANES]) {
        let [before, octets, after] =
            [before, octets, after].map(|lanes| u8x64::from_slice(self.simd, lanes));
        let less_one = octets - 1;
        let is_lf = less_one.simd_eq(LF - 1);
        self.stray |= before.simd_eq(CR) ^ is_lf;
        self.dot |= is_lf & after.simd_eq(b'.');
        self.most = self.most.max(less_one);
    }
}

/// A short block with octets behind it at which nothing stops.
#[inline(always)]
fn extended(block: &[u8]) -> [u8; AROUND] {
    let mut near = [b' '; AROUND];
    let (octets, behind) = near.split_at_mut(block.len());
    octets.copy_from_slice(block);
    if let ([.., CR], [next, ..]) = (block, behind) {
        *next = LF;
    }
    near
}
