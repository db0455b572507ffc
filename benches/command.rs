//! Commands: written into a buffer that lives on, as a session's does, and read back as a server
//! reads them.

#![allow(clippy::unwrap_used, reason = "what is written here is known to be right")]

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ehlo::{BodyType, Command, ForwardPath, MailParam, Param, ReversePath};

fn commands(c: &mut Criterion) {
    let sender: ReversePath = "joe.bloggs@example.org".parse().unwrap();
    let recipient: ForwardPath = "bob@mail.example.net".parse().unwrap();
    let params: [Param; 2] =
        [MailParam::size(123_456).into(), MailParam::body(BodyType::EightBitMime).into()];
    let mail = Command::mail(&sender);
    for (name, command) in [
        ("MAIL", mail.clone()),
        ("MAIL SIZE BODY", mail.with_params(&params[..]).expect("two keywords")),
        ("RCPT", Command::rcpt(&recipient)),
        ("DATA", Command::data()),
    ] {
        let mut line = BytesMut::with_capacity(1024);
        command.encode(&mut line);
        let length = line.len() as u64;
        let bare = line.strip_suffix(b"\r\n").unwrap();

        let mut group = c.benchmark_group("encode");
        group.throughput(Throughput::Bytes(length));
        let mut out = BytesMut::with_capacity(1024);
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                black_box(&command).encode(&mut out);
                black_box(out.len())
            });
        });
        group.finish();

        let mut group = c.benchmark_group("parse");
        group.throughput(Throughput::Bytes(length));
        group.bench_function(name, |b| {
            b.iter(|| Command::parse(black_box(bare)).unwrap());
        });
        group.finish();
    }
}

criterion_group!(benches, commands);
criterion_main!(benches);
