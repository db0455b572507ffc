//! Octets looked for eight at a time, without a branch for each. What they mean is not known here.

/// How many octets stand before the first that is below `bound`, which is at most 128, or has a bit
/// of `forbidden`, which is 0 or 128.
///
/// In the few octets of a line this costs less than setting up a search that is made for many.
#[inline]
pub(crate) fn len_before(octets: &[u8], bound: u8, forbidden: u8) -> usize {
    let mut rest = octets;
    while let Some((word, behind)) = rest.split_first_chunk() {
        let found = found_in(*word, bound, forbidden);
        if found != 0 {
            return octets.len() - rest.len() + first_of(found);
        }
        rest = behind;
    }
    let other = |octet: &&u8| **octet >= bound && **octet & forbidden == 0;
    octets.len() - rest.len() + rest.iter().take_while(other).count()
}

/// The same for texts of which most have more than a few octets: behind the first eight they are
/// looked for sixteen at a time.
#[inline]
pub(crate) fn long_len_before(octets: &[u8], bound: u8, forbidden: u8) -> usize {
    let Some((word, behind)) = octets.split_first_chunk() else {
        return len_before(octets, bound, forbidden);
    };
    let found = found_in(*word, bound, forbidden);
    if found != 0 {
        return first_of(found);
    }
    let most = (u8::MAX ^ forbidden) - bound;
    let (blocks, rest) = behind.as_chunks::<16>();
    for (n, block) in blocks.iter().enumerate() {
        // One comparison for both kinds, which becomes vector instructions.
        let is_one = |octet: &u8| octet.wrapping_sub(bound) > most;
        if block.iter().fold(false, |any, octet| any | is_one(octet)) {
            return 8 + n * 16 + len_before(block, bound, forbidden);
        }
    }
    8 + blocks.len() * 16 + len_before(rest, bound, forbidden)
}

/// The top bit of each of eight octets that is one: only the lowest is sure.
#[inline(always)]
const fn found_in(word: [u8; 8], bound: u8, forbidden: u8) -> u64 {
    let word = u64::from_le_bytes(word);
    top_bits_below(word, bound) | (word & (ONES * forbidden as u64))
}

/// The first eight octets of a text, the first one lowest, and NULs for those that it has not.
#[inline]
pub(crate) const fn first_octets(text: &[u8]) -> u64 {
    match text.first_chunk() {
        Some(octets) => u64::from_le_bytes(*octets),
        None => few_octets(text),
    }
}

#[inline(never)]
const fn few_octets(text: &[u8]) -> u64 {
    let (mut octets, mut rest) = (0, text);
    while let [before @ .., octet] = rest {
        octets = (octets << 8) | *octet as u64;
        rest = before;
    }
    octets
}

/// The top bit of each of eight octets that is below `bound`, which is at most 128. Only the lowest
/// bit is sure: one octet borrows from those after it.
#[inline(always)]
pub(crate) const fn top_bits_below(octets: u64, bound: u8) -> u64 {
    octets.wrapping_sub(ONES * bound as u64) & !octets & TOP_BITS
}

/// Which of eight octets has the lowest of these top bits.
#[inline(always)]
pub(crate) const fn first_of(top_bits: u64) -> usize {
    top_bits.trailing_zeros() as usize / 8
}

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const TOP_BITS: u64 = ONES << 7;

#[cfg(test)]
mod tests {
    use super::*;

    /// Wherever it stands, and whatever stands behind it.
    #[test]
    fn the_first_is_found_in_every_place() {
        for bound in [14, 16, 33] {
            for forbidden in [0, 0x80] {
                for len in 0..60 {
                    for (octet, behind) in [
                        (0, 0xff),
                        (bound - 1, 0),
                        (bound, 0),
                        (0xff, 0),
                        (0xff, b'a'),
                        (0x7f, b'a'),
                    ] {
                        for at in 0..len {
                            let mut octets = vec![b'a'; len];
                            octets[at] = octet;
                            octets[at + 1..].fill(behind);
                            let is_one = |octet: &u8| *octet < bound || octet & forbidden != 0;
                            let first = octets.iter().position(is_one).unwrap_or(len);
                            for search in [len_before, long_len_before] {
                                let found = search(&octets, bound, forbidden);
                                assert_eq!(found, first, "{octets:?} {bound} {forbidden}");
                            }
                        }
                    }
                }
            }
        }
    }
}
