//! Where encoders write: a slot of a buffer, or a counter, so that the length of a command comes
//! from the same code as its octets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;

/// Takes encoded octets. It is handed on from piece to piece, so that it stays in registers.
pub(crate) trait Sink: Sized {
    fn put(self, octets: &[u8]) -> Self;

    /// Padded base64 of RFC 4648 §4, without line breaks (RFC 4954 §8).
    fn put_base64(self, octets: &[u8]) -> Self;

    fn put_number(self, number: u64) -> Self;
}

/// As many octets at the end of a buffer as were counted, to be filled from the front: one look at
/// whether the buffer has room does for all.
pub(crate) struct Slot<'a>(&'a mut [u8]);

impl<'a> Slot<'a> {
    pub(crate) fn behind(out: &'a mut BytesMut, octets: usize) -> Self {
        let start = out.len();
        out.resize(start + octets, 0);
        Self(out.get_mut(start..).unwrap_or_default())
    }

    /// Whether as many octets were written as were counted.
    pub(crate) fn is_full(&self) -> bool {
        self.0.is_empty()
    }

    /// The next so many octets, to be written to. Those that were not counted are dropped.
    #[inline(always)]
    fn fill(self, octets: usize, write: impl FnOnce(&mut [u8])) -> Self {
        let Some((part, rest)) = self.0.split_at_mut_checked(octets) else {
            debug_assert!(false, "{octets} octets were not counted");
            return Self(&mut []);
        };
        write(part);
        Self(rest)
    }
}

impl Sink for Slot<'_> {
    #[inline(always)]
    fn put(self, octets: &[u8]) -> Self {
        self.fill(octets.len(), |part| part.copy_from_slice(octets))
    }

    fn put_base64(self, octets: &[u8]) -> Self {
        self.fill(base64_len(octets), |part| {
            // It has the length that it needs.
            let _ = STANDARD.encode_slice(octets, part);
        })
    }

    fn put_number(self, number: u64) -> Self {
        self.fill(digits_of(number), |part| {
            let mut rest = number;
            for digit in part.iter_mut().rev() {
                // Always below 10, so the cast loses nothing.
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        })
    }
}

/// Counts what would be written.
pub(super) struct Counter(pub(super) usize);

impl Sink for Counter {
    #[inline(always)]
    fn put(self, octets: &[u8]) -> Self {
        Self(self.0 + octets.len())
    }

    fn put_base64(self, octets: &[u8]) -> Self {
        Self(self.0 + base64_len(octets))
    }

    fn put_number(self, number: u64) -> Self {
        Self(self.0 + digits_of(number))
    }
}

/// Octets of so many octets in base64.
pub(crate) const fn base64_len(octets: &[u8]) -> usize {
    octets.len().div_ceil(3) * 4
}

fn digits_of(number: u64) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is put behind a beginning that stays; the counter comes to the same.
    #[track_caller]
    fn assert_writes(
        slot: impl FnOnce(Slot<'_>) -> Slot<'_>,
        counter: impl FnOnce(Counter) -> Counter,
        expected: &str,
    ) {
        let mut out = BytesMut::from("> ");
        let Counter(octets) = counter(Counter(0));
        assert_eq!(octets, expected.len());
        assert!(slot(Slot::behind(&mut out, octets)).is_full());
        assert_eq!(out, format!("> {expected}"));
    }

    #[test]
    fn writes_piece_behind_piece() {
        fn pieces<S: Sink>(sink: S) -> S {
            sink.put(b"").put(b"a").put_number(10).put_base64(b"x").put(b"bc")
        }
        assert_writes(|slot| pieces(slot), pieces, "a10eA==bc");
    }

    #[test]
    fn writes_numbers_in_decimal() {
        for number in [0, 1, 9, 10, 99, 100, 12345, u64::MAX - 1, u64::MAX] {
            assert_writes(
                |slot| slot.put_number(number),
                |counter| counter.put_number(number),
                &number.to_string(),
            );
        }
    }

    #[test]
    fn writes_padded_base64_in_one_line() {
        for len in [0, 1, 2, 3, 191, 192, 193, 383, 384, 1000] {
            let octets: Vec<u8> = (0..=250).cycle().take(len).collect();
            assert_writes(
                |slot| slot.put_base64(&octets),
                |counter| counter.put_base64(&octets),
                &STANDARD.encode(&octets),
            );
        }
    }
}
