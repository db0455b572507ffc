//! What the targets share: choices read from the octets of the fuzzer, and, by their paths, the
//! models that the crate's own tests have.

#[path = "../../tests/support/any_calls.rs"]
pub mod any_calls;
#[path = "../../tests/support/plainly.rs"]
pub mod plainly;
#[path = "../../tests/support/wayward.rs"]
pub mod wayward;

#[path = "../../src/wire/content/model.rs"]
mod model;

use ehlo::{ContentFault, LineEndings, Scan};

/// What scanner and stuffer must come to.
pub mod content {
    use super::{ContentFault, LineEndings, Scan, model};

    pub fn wire(
        content: &[u8],
        policy: LineEndings,
        eight_bit: bool,
    ) -> Result<Vec<u8>, ContentFault> {
        model::model_wire(content, policy, eight_bit)
    }

    pub fn normalized(content: &[u8], policy: LineEndings) -> Result<Vec<u8>, ContentFault> {
        model::model_normalized(content, policy, true)
    }

    /// Checks what a scan tells.
    ///
    /// # Panics
    /// It tells something else than the model.
    pub fn check(scan: &Scan, content: &[u8]) {
        assert_eq!(model::told(scan), model::model_scan(content));
    }
}

/// Choices, read off octets from the front. Behind the last octet each choice is the first.
#[derive(Debug, Clone)]
pub struct Choices<'a>(pub &'a [u8]);

impl<'a> Choices<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        let mut number = 0;
        for _ in 0..if bound > 256 { 2 } else { 1 } {
            number = number << 8 | usize::from(self.octet());
        }
        number % bound.max(1)
    }

    pub fn flip(&mut self) -> bool {
        self.octet() & 1 == 1
    }

    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// At most so many octets, as they are.
    pub fn octets(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn octet(&mut self) -> u8 {
        self.octets(1).first().copied().unwrap_or_default()
    }
}
