//! Where encoders write: a buffer, or a counter, so that the length of a command comes from the same
//! code as its octets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;

/// Takes encoded octets. It is handed on from piece to piece, so that it stays in registers.
pub(crate) trait Sink: Sized {
    /// For the whole of a line that holds a secret, before its first octet: a buffer that grows
    /// leaves behind what it held. Other lines may do without, and are not counted then.
    fn with_room(self, octets: impl FnOnce() -> usize) -> Self;

    fn put(self, octets: &[u8]) -> Self;

    /// Padded base64 of RFC 4648 §4, without line breaks (RFC 4954 §8).
    fn put_base64(self, octets: &[u8]) -> Self;

    fn put_number(self, number: u64) -> Self;
}

impl Sink for &mut BytesMut {
    #[inline(always)]
    fn with_room(self, octets: impl FnOnce() -> usize) -> Self {
        self.reserve(octets());
        self
    }

    #[inline(always)]
    fn put(self, octets: &[u8]) -> Self {
        match octets.len() <= self.capacity() - self.len() {
            true => self.extend_from_slice(octets),
            false => put_growing(self, octets),
        }
        self
    }

    fn put_base64(self, octets: &[u8]) -> Self {
        append(self, base64_len(octets), |part| {
            // It has the length that it needs.
            let _ = STANDARD.encode_slice(octets, part);
        })
    }

    fn put_number(self, number: u64) -> Self {
        append(self, digits_of(number), |part| {
            let mut rest = number;
            for digit in part.iter_mut().rev() {
                // Always below 10, so the cast loses nothing.
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        })
    }
}

/// A buffer that has to grow gets room for most lines at once. It stands apart, since a copy of
/// `put` is in every line of an encoder.
#[cold]
#[inline(never)]
fn put_growing(out: &mut BytesMut, octets: &[u8]) {
    out.reserve(octets.len().max(MOST_LINES));
    out.extend_from_slice(octets);
}

/// So many octets more, to be written to.
fn append(out: &mut BytesMut, octets: usize, write: impl FnOnce(&mut [u8])) -> &mut BytesMut {
    let start = out.len();
    out.resize(start + octets, 0);
    write(out.get_mut(start..).unwrap_or_default());
    out
}

/// Counts what would be written.
pub(super) struct Counter(pub(super) usize);

impl Sink for Counter {
    #[inline(always)]
    fn with_room(self, _: impl FnOnce() -> usize) -> Self {
        self
    }

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

/// Octets of MAIL with the usual parameters, or without any, and of the RCPT and DATA behind it.
const MOST_LINES: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    /// What is put behind a beginning that stays; the counter comes to the same.
    #[track_caller]
    fn assert_writes(
        buffer: impl FnOnce(&mut BytesMut) -> &mut BytesMut,
        counter: impl FnOnce(Counter) -> Counter,
        expected: &str,
    ) {
        let mut out = BytesMut::from("> ");
        buffer(&mut out);
        assert_eq!(out, format!("> {expected}"));
        let Counter(octets) = counter(Counter(0));
        assert_eq!(octets, expected.len());
    }

    #[test]
    fn writes_piece_behind_piece() {
        fn pieces<S: Sink>(sink: S) -> S {
            sink.put(b"").put(b"a").put_number(10).put_base64(b"x").put(b"bc")
        }
        assert_writes(|buffer| pieces(buffer), pieces, "a10eA==bc");
    }

    /// Where it has no room, it grows for a line at once.
    #[test]
    fn a_buffer_grows_seldom() {
        let mut out = BytesMut::new();
        out.put(b"");
        assert_eq!(out.capacity(), 0);
        out.put(b"a").put(&[b'b'; MOST_LINES - 1]);
        assert_eq!(out.capacity(), MOST_LINES);
        out.put(&[b'c'; 1000]);
        assert_eq!(out.len(), MOST_LINES + 1000);
    }

    #[test]
    fn writes_numbers_in_decimal() {
        for number in [0, 1, 9, 10, 99, 100, 12345, u64::MAX - 1, u64::MAX] {
            assert_writes(
                |buffer| buffer.put_number(number),
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
                |buffer| buffer.put_base64(&octets),
                |counter| counter.put_base64(&octets),
                &STANDARD.encode(&octets),
            );
        }
    }
}
