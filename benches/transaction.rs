//! A whole mail over the session, without a socket: from the greeting to the reply to the end of
//! the content, all commands in one group, what the server says prepared.

#![allow(clippy::unwrap_used, reason = "the server says what it should")]

use std::hint::black_box;
use std::io::IoSlice;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ehlo::{Command, Dispatch, Due, Envelope, Session, SessionConfig, Step};

const GREETING: &[u8] = b"220 mx.example.org ESMTP\r\n";
const HELLO: &[u8] = b"250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 10485760\r\n\
    250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SMTPUTF8\r\n";
const MAIL: &[u8] = b"250 2.1.0 Ok\r\n";
const RCPT: &[u8] = b"250 2.1.5 Ok\r\n";
const DATA: &[u8] = b"354 End data with <CR><LF>.<CR><LF>\r\n";
const END: &[u8] = b"250 2.0.0 Ok: queued as 4dDq8C2Rz1z4V\r\n";

fn transactions(c: &mut Criterion) {
    let content = "The quick brown fox jumps over the lazy dog, once more\r\n".repeat(37);
    let mut group = c.benchmark_group("transaction");
    for recipients in [1, 10, 1000] {
        let paths: Vec<String> = (0..recipients).map(|n| format!("r{n}@example.org")).collect();
        let paths = paths.iter().map(String::as_str);
        let envelope = Envelope::new("alice@example.net", paths).unwrap();
        group.throughput(Throughput::Elements(recipients));
        group.bench_with_input(
            BenchmarkId::new("recipients", recipients),
            &envelope,
            |b, envelope| b.iter(|| transact(black_box(envelope), content.as_bytes())),
        );
    }
    group.finish();
}

fn transact(envelope: &Envelope, content: &[u8]) {
    let mut session = Session::new(SessionConfig::default());
    session.receive(GREETING);
    assert!(matches!(session.poll(), Ok(Step::Event(_))));
    session.send(&Command::ehlo("client.example.net").unwrap()).unwrap();
    write(&mut session, b"");
    session.receive(HELLO);
    assert!(matches!(session.poll(), Ok(Step::Event(_))));

    let mut dispatch = Dispatch::of(envelope);
    let mut answered = 0;
    loop {
        match dispatch.advance(&mut session, envelope, &[]).unwrap() {
            Due::Nothing => break,
            Due::Content => {
                session.content(content.len()).unwrap();
                dispatch.finish(&mut session).unwrap();
            }
            Due::Reply => {}
        }
        match session.poll().unwrap() {
            Step::Event(event) => dispatch.note(&session, event),
            Step::Write(_) => write(&mut session, content),
            Step::Read(_) => {
                let awaited = session.in_flight();
                for _ in 0..awaited {
                    session.receive(reply(answered, envelope.recipients().len()));
                    answered += 1;
                }
            }
            step => unreachable!("{step:?}"),
        }
    }
    let delivery = dispatch.into_delivery(&session);
    assert!(delivery.is_complete());
}

/// The replies in their order: MAIL, each RCPT, DATA, the end of the content.
fn reply(number: usize, recipients: usize) -> &'static [u8] {
    match number.checked_sub(recipients) {
        None if number == 0 => MAIL,
        None | Some(0) => RCPT,
        Some(1) => DATA,
        Some(_) => END,
    }
}

/// Writes all there is, as a socket does that takes everything.
fn write(session: &mut Session, content: &[u8]) {
    let mut rest = content;
    while let Ok(Step::Write(_)) = session.poll() {
        let mut slices = [IoSlice::new(b""); 64];
        let used = session.gather(rest, &mut slices).unwrap();
        let octets = slices[..used].iter().map(|slice| black_box(slice).len()).sum();
        let consumed = session.wrote(octets);
        rest = &rest[consumed..];
    }
}

criterion_group!(benches, transactions);
criterion_main!(benches);
