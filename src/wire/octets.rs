//! Octets looked for eight at a time, without a branch for each. What they mean is not known here.

/// How many octets stand before the first that is below `bound`, which is at most 128, or has a bit
/// of `forbidden`, which is 0 or 128.
///
/// In the few octets of a line this costs less than setting up a search that is made for many.
#[inline]
pub(crate) fn len_before(octets: &[u8], bound: u8, forbidden: u8) -> usize {
    let mut rest = octets;
    while let Some((word, behind)) = rest.split_first_chunk() {
        let word = u64::from_le_bytes(*word);
        // The top bit is set for each octet that is one. Only the lowest is sure: one borrows from
        // those after it.
        let below = word.wrapping_sub(ONES * u64::from(bound)) & !word & TOP_BITS;
        let found = below | (word & (ONES * u64::from(forbidden)));
        if found != 0 {
            return octets.len() - rest.len() + found.trailing_zeros() as usize / 8;
        }
        rest = behind;
    }
    let other = |octet: &&u8| **octet >= bound && **octet & forbidden == 0;
    octets.len() - rest.len() + rest.iter().take_while(other).count()
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
                for len in 0..20 {
                    for (octet, behind) in [(0, 0xff), (bound - 1, 0), (bound, 0), (0xff, 0)] {
                        for at in 0..len {
                            let mut octets = vec![b'a'; len];
                            octets[at] = octet;
                            octets[at + 1..].fill(behind);
                            let is_one = |octet: &u8| *octet < bound || octet & forbidden != 0;
                            let first = octets.iter().position(is_one).unwrap_or(len);
                            let found = len_before(&octets, bound, forbidden);
                            assert_eq!(found, first, "{octets:?} {bound} {forbidden}");
                        }
                    }
                }
            }
        }
    }
}
