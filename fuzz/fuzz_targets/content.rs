#![no_main]
//! Any content in any chunks: scanner and stuffer against the model that takes one octet at a time.

use bytes::BytesMut;
use ehlo::{ContentFault, LineEndings, Scan, Scanner, Stuffer};
use ehlo_fuzz::{Choices, content};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let policy = choices.of(&[
        LineEndings::Normalize,
        LineEndings::Reject,
        LineEndings::Replace,
        LineEndings::Raw,
    ]);
    let eight_bit = choices.flip();
    let cuts: Vec<usize> = (0..choices.below(6)).map(|_| 1 + choices.below(3000)).collect();
    // A run in the middle, so that few octets of input reach the blocks of the scanner.
    let run = choices.below(10_000);
    let lead = choices.below(64);
    let (head, tail) = choices.0.split_at(lead.min(choices.0.len()));
    let octets = [head, &vec![b'x'; run], tail].concat();
    let chunks = cut(&octets, &cuts);

    let scan = Scan::of(&octets);
    content::check(&scan, &octets);
    let mut scanner = Scanner::new();
    chunks.iter().for_each(|chunk| scanner.update(chunk));
    content::check(&scanner.finish(), &octets);

    let wanted = content::wire(&octets, policy, eight_bit);
    let (wire, result) = stuff(&chunks, policy, eight_bit);
    assert_eq!(result, wanted.clone().map(drop));
    if let Ok(wanted) = wanted {
        assert_eq!(wire, wanted);
        assert_eq!(scan.check(policy, eight_bit), Ok(()));
        if let Ok(normalized) = content::normalized(&octets, policy) {
            assert_eq!(scan.normalized_len(policy), normalized.len() as u64);
        }
        if policy != LineEndings::Raw {
            // RFC 5321 §4.5.2, and no octet that a lax server would take for a line end.
            let framed = [b"\r\n", &wire[..]].concat();
            let ends = framed.windows(5).filter(|five| five == b"\r\n.\r\n").count();
            assert!(ends == 1 && framed.ends_with(b"\r\n.\r\n") && !wire.contains(&0));
        }
    } else {
        assert!(scan.check(policy, eight_bit).is_err());
    }
});

fn stuff(
    chunks: &[&[u8]],
    policy: LineEndings,
    eight_bit: bool,
) -> (Vec<u8>, Result<(), ContentFault>) {
    let mut out = BytesMut::new();
    let mut stuffer = Stuffer::new(policy, eight_bit);
    for chunk in chunks {
        if let Err(fault) = stuffer.stuff_into(chunk, &mut out) {
            return (out.to_vec(), Err(fault));
        }
    }
    let end = stuffer.finish();
    out.extend_from_slice(end.unwrap_or_default());
    (out.to_vec(), end.map(drop))
}

fn cut<'a>(mut octets: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    for size in sizes {
        let (chunk, rest) = octets.split_at((*size).min(octets.len()));
        chunks.push(chunk);
        octets = rest;
    }
    chunks.push(octets);
    chunks
}
