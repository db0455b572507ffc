//! How fast replies are read: whole, in a row, and in fragments.

#![allow(clippy::unwrap_used, reason = "what is read here is known to be right")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ehlo::{Limits, ReplyBuffer, ReplyKind, Strictness};

/// Each of these as Postfix, Exim and the large receivers word it.
const SINGLE: &[u8] = b"250 2.1.5 Ok\r\n";
const EHLO: &[u8] = b"250-mail.example.test\r\n250-PIPELINING\r\n250-SIZE 10485760\r\n\
    250-VRFY\r\n250-ETRN\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256\r\n\
    250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n";
const REFUSAL: &[u8] =
    b"550-5.7.26 Unauthenticated email from example.org is not accepted due to domain's\r\n\
    550-5.7.26 DMARC policy. Please contact the administrator of example.org domain if\r\n\
    550-5.7.26 this was a legitimate mail. To learn about the DMARC initiative, go to\r\n\
    550-5.7.26 https://support.example.com/mail/?p=DmarcRejection and read what it says\r\n\
    550 5.7.26 5b1f17b1804b1-431fb-example.14 - gsmtp\r\n";

fn replies(c: &mut Criterion) {
    let pipelined = SINGLE.repeat(100);
    for (name, octets, kind) in [
        ("single line", SINGLE, ReplyKind::Other),
        ("EHLO of 12 lines", EHLO, ReplyKind::Hello),
        ("refusal of 5 lines", REFUSAL, ReplyKind::Other),
        ("100 pipelined", &pipelined, ReplyKind::Other),
    ] {
        read_in_pieces(c, name, octets, octets.len(), kind);
    }
    for size in [64, 7, 1] {
        let name = format!("EHLO in fragments of {size}");
        read_in_pieces(c, &name, EHLO, size, ReplyKind::Hello);
    }
}

/// The buffer lives on, as it does in a session: only the first reply allocates.
fn read_in_pieces(c: &mut Criterion, name: &str, octets: &[u8], size: usize, kind: ReplyKind) {
    let mut group = c.benchmark_group("read");
    group.throughput(Throughput::Bytes(octets.len() as u64));
    let mut buffer = ReplyBuffer::new(Limits::default(), Strictness::Tolerant);
    group.bench_function(name, |b| {
        b.iter(|| {
            for piece in black_box(octets).chunks(size) {
                buffer.extend(piece);
                while buffer.next(kind).unwrap() {
                    black_box(buffer.reply().unwrap().code());
                    buffer.consume();
                }
            }
        });
    });
    group.finish();
}

/// What a caller asks of a reply once it is framed.
fn accessors(c: &mut Criterion) {
    let mut group = c.benchmark_group("ask");
    let mut buffer = ReplyBuffer::new(Limits::default(), Strictness::Tolerant);
    buffer.extend(REFUSAL);
    assert!(buffer.next(ReplyKind::Other).unwrap());
    let reply = buffer.reply().unwrap();
    group.throughput(Throughput::Bytes(REFUSAL.len() as u64));
    group.bench_function("enhanced", |b| b.iter(|| black_box(reply).enhanced()));
    group.bench_function("lines", |b| {
        b.iter(|| black_box(reply).lines().map(<[u8]>::len).sum::<usize>())
    });
    group.bench_function("to_reply", |b| {
        b.iter_batched(|| reply, |reply| reply.to_reply(), BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(benches, replies, accessors);
criterion_main!(benches);
