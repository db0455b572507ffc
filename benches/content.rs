//! Content on its way out: scanned, and stuffed as slices and by copy, beside what no such pass
//! can beat: copying the same octets (`memcpy`) and searching them for an octet (`memchr`).

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ehlo::{LineEndings, Scan, Stuffer};

const SIZES: [(&str, usize); 3] = [("1 KiB", 1 << 10), ("64 KiB", 64 << 10), ("10 MiB", 10 << 20)];
const TEXT: &str = "The quick brown fox jumps over the lazy dog, and then once more it does";

fn content(c: &mut Criterion) {
    let lines = format!("{TEXT}\r\n");
    let kinds = [
        ("few dots", lines.repeat(99) + ".hidden\r\n"),
        ("many dots", ".\r\n".to_owned()),
        ("LF only", format!("{TEXT}\n")),
    ];
    for (kind, pattern) in kinds {
        let mut group = c.benchmark_group(kind);
        for (name, size) in SIZES {
            let content: Vec<u8> = pattern.bytes().cycle().take(size).collect();
            let mut out = BytesMut::with_capacity(2 * size);
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_with_input(BenchmarkId::new("scan", name), &*content, |b, content| {
                b.iter(|| Scan::of(black_box(content)));
            });
            group.bench_with_input(BenchmarkId::new("slices", name), &*content, |b, content| {
                b.iter(|| slices(black_box(content)));
            });
            group.bench_with_input(BenchmarkId::new("copied", name), &*content, |b, content| {
                b.iter(|| copied(black_box(content), &mut out));
            });
            group.bench_with_input(BenchmarkId::new("memcpy", name), &*content, |b, content| {
                b.iter(|| {
                    out.clear();
                    out.extend_from_slice(black_box(content));
                });
            });
            group.bench_with_input(BenchmarkId::new("memchr", name), &*content, |b, content| {
                b.iter(|| memchr::memchr(0, black_box(content)));
            });
        }
        group.finish();
    }
}

fn slices(content: &[u8]) {
    let mut stuffer = Stuffer::new(LineEndings::Normalize, true);
    let mut rest = content;
    while !rest.is_empty() {
        let piece = black_box(stuffer.next(rest).expect("content without a fault"));
        rest = &rest[piece.verbatim + piece.skip..];
    }
    black_box(stuffer.finish().expect("content without a fault"));
}

fn copied(content: &[u8], out: &mut BytesMut) {
    out.clear();
    let mut stuffer = Stuffer::new(LineEndings::Normalize, true);
    stuffer.stuff_into(content, out).expect("content without a fault");
    out.extend_from_slice(stuffer.finish().expect("content without a fault"));
}

criterion_group!(benches, content);
criterion_main!(benches);
