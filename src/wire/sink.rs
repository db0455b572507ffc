//! Where encoders write: a buffer, or a counter, so that the length of a command comes from the
//! same code as its octets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;

/// Takes encoded octets.
pub(crate) trait Sink {
    fn put(&mut self, octets: &[u8]);

    /// Padded base64 of RFC 4648 §4, without line breaks (RFC 4954 §8).
    fn put_base64(&mut self, octets: &[u8]);

    fn put_number(&mut self, number: u64) {
        let mut digits = [b'0'; MAX_DIGITS];
        let mut rest = number;
        let mut count = 0;
        for digit in digits.iter_mut().rev() {
            // Always below 10, so the cast loses nothing.
            *digit += (rest % 10) as u8;
            rest /= 10;
            count += 1;
            if rest == 0 {
                break;
            }
        }
        self.put(digits.get(MAX_DIGITS - count..).unwrap_or_default());
    }
}

impl Sink for BytesMut {
    #[inline]
    fn put(&mut self, octets: &[u8]) {
        self.extend_from_slice(octets);
    }

    fn put_base64(&mut self, octets: &[u8]) {
        // Blocks of whole groups need padding at the end only, and no second buffer on the heap.
        let mut text = zeroize::Zeroizing::new([0; BASE64_BLOCK / 3 * 4]);
        for block in octets.chunks(BASE64_BLOCK) {
            let written = STANDARD.encode_slice(block, text.as_mut_slice());
            let written = written.unwrap_or_default();
            self.extend_from_slice(text.get(..written).unwrap_or_default());
        }
    }
}

/// Counts what would be written.
pub(super) struct Counter(pub(super) usize);

impl Sink for Counter {
    #[inline]
    fn put(&mut self, octets: &[u8]) {
        self.0 += octets.len();
    }

    fn put_base64(&mut self, octets: &[u8]) {
        self.0 += octets.len().div_ceil(3) * 4;
    }

    fn put_number(&mut self, number: u64) {
        self.0 += number.checked_ilog10().unwrap_or(0) as usize + 1;
    }
}

/// Digits of the greatest `u64`.
const MAX_DIGITS: usize = 20;
/// Octets per block of base64: a multiple of 3.
const BASE64_BLOCK: usize = 192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_numbers_in_decimal() {
        for number in [0, 1, 9, 10, 99, 100, 12345, u64::MAX - 1, u64::MAX] {
            let (mut out, mut counter) = (BytesMut::new(), Counter(0));
            out.put_number(number);
            counter.put_number(number);
            assert_eq!(out, number.to_string());
            assert_eq!(counter.0, out.len());
        }
    }

    #[test]
    fn writes_padded_base64_in_one_line() {
        for len in [0, 1, 2, 3, 191, 192, 193, 383, 384, 1000] {
            let octets: Vec<u8> = (0..=250).cycle().take(len).collect();
            let (mut out, mut counter) = (BytesMut::new(), Counter(0));
            out.put_base64(&octets);
            counter.put_base64(&octets);
            assert_eq!(out, STANDARD.encode(&octets));
            assert_eq!(counter.0, out.len());
        }
    }
}
