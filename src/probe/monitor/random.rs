//! Numbers that nobody has to guess wrong: for spreading probes in time, and for nothing that is to be
//! kept from anybody.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Marsaglia's xorshift with a factor ("An experimental exploration of Marsaglia's xorshift
/// generators, scrambled", Vigna 2016): xorshift64*.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    /// The same numbers each time.
    pub(super) const fn seeded(seed: u64) -> Self {
        // Zero would stay zero, and small seeds would begin alike.
        let seed = (seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        Self(if seed == 0 { 1 } else { seed })
    }

    /// Other numbers each time. What `std` seeds its maps with will do.
    pub(super) fn new() -> Self {
        Self::seeded(RandomState::new().hash_one(0))
    }

    const fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Between nothing and this, both included, in whole milliseconds: timers have no finer ones.
    pub(super) fn up_to(&mut self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        match most.checked_add(1) {
            // The low bits are the weaker ones.
            Some(count) => Duration::from_millis((self.next() >> 11) % count),
            None => Duration::from_millis(self.next()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_millis(9);

    #[test]
    fn a_seed_gives_the_same_numbers_and_another_seed_others() {
        let of = |seed| {
            let mut random = Random::seeded(seed);
            [(); 8].map(|()| random.up_to(Duration::from_secs(1000)))
        };
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        assert_ne!(of(0), [Duration::ZERO; 8]);
        // The seed that is scrambled to zero.
        assert_ne!(of(0x9e37_79b9_7f4a_7c15), [Duration::ZERO; 8]);
    }

    #[test]
    fn every_number_comes_up_and_none_beyond() {
        let mut random = Random::seeded(1);
        let mut seen = [0; 10];
        for _ in 0..10_000 {
            let at = usize::try_from(random.up_to(MOST).as_millis()).unwrap();
            seen[at] += 1;
        }
        assert!(seen.iter().all(|count| (800..1200).contains(count)), "{seen:?}");
    }

    #[test]
    fn nothing_is_nothing_and_forever_does_not_overflow() {
        let mut random = Random::new();
        assert_eq!(random.up_to(Duration::ZERO), Duration::ZERO);
        assert_eq!(random.up_to(Duration::from_micros(999)), Duration::ZERO);
        random.up_to(Duration::MAX);
    }
}
