//! BINARYMIME (RFC 3030): content of any octets. It is declared by the BODY of `eight_bit_mime`,
//! and goes over BDAT alone.

use super::Extension;

/// The server takes content of any octets, where it offers [`Chunking`](crate::Chunking) too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BinaryMime;

impl Extension for BinaryMime {
    const KEYWORD: &'static str = "BINARYMIME";
    const MAIL_OCTETS: usize = " BODY=BINARYMIME".len();

    fn parse(_params: &str) -> Option<Self> {
        Some(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_its_parameter_to_the_line() {
        assert_eq!(BinaryMime::MAIL_OCTETS, 16);
    }
}
