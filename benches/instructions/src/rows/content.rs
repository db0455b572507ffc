//! Content: looked at, made right and stuffed, handed out as slices or copied.

use std::hint::black_box;

use bytes::BytesMut;
use ehlo::{LineEndings, Scan, Stuffer};

use super::{Row, Run};

const SIZE: usize = 64 * 1024;
const LINE: &str = "The quick brown fox jumps over the lazy dog, and then once more it does";

pub(super) fn rows() -> Vec<Row> {
    let row = |name, content: fn() -> Vec<u8>, work: fn(Vec<u8>) -> Run| {
        Row::new(name, ("octet", SIZE as u64), move || work(content())).most_allocations(0.0)
    };
    vec![
        row("few dots, as slices", few_dots, slices).most(1.6),
        row("few dots, copied", few_dots, copied).most(2.6),
        row("LF alone, as slices", lf_only, slices).most(2.6),
        row("LF alone, copied", lf_only, copied),
        row("lines of dots, as slices", all_dots, slices).most(13.0),
        row("lines of dots, copied", all_dots, copied).most(28.0),
        row("scanned", few_dots, scanned),
    ]
}

fn few_dots() -> Vec<u8> {
    cut(format!("{LINE}\r\n").repeat(99) + ".hidden\r\n")
}

fn lf_only() -> Vec<u8> {
    cut(format!("{LINE}\n"))
}

fn all_dots() -> Vec<u8> {
    cut(".\r\n".to_owned())
}

fn cut(pattern: String) -> Vec<u8> {
    pattern.bytes().cycle().take(SIZE).collect()
}

fn slices(content: Vec<u8>) -> Run {
    Box::new(move || {
        let mut stuffer = Stuffer::new(LineEndings::Normalize, true);
        let mut rest = &*content;
        while !rest.is_empty() {
            let piece = black_box(stuffer.next(rest).expect("content without a fault"));
            rest = &rest[piece.verbatim + piece.skip..];
        }
        black_box(stuffer.finish().expect("content without a fault"));
    })
}

fn copied(content: Vec<u8>) -> Run {
    let mut out = BytesMut::with_capacity(2 * SIZE);
    Box::new(move || {
        out.clear();
        let mut stuffer = Stuffer::new(LineEndings::Normalize, true);
        stuffer.stuff_into(&content, &mut out).expect("content without a fault");
        out.extend_from_slice(stuffer.finish().expect("content without a fault"));
    })
}

fn scanned(content: Vec<u8>) -> Run {
    Box::new(move || {
        black_box(Scan::of(&content));
    })
}
