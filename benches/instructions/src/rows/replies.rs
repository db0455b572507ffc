//! Replies: framed in the buffer they came into, borrowed, owned, in fragments, and typed.

use std::hint::black_box;

use ehlo::{
    Auth, Capabilities, Chunking, Dsn, EightBitMime, Limits, Pipelining, ReplyBuffer, ReplyKind,
    ReplyRef, Size, SmtpUtf8, StartTls, Strictness,
};

use super::{Row, Run};

const SINGLE: &[u8] = b"250 2.1.5 Ok\r\n";

/// Twelve lines.
const EHLO: &[u8] = b"250-mail.example.test\r\n250-PIPELINING\r\n250-SIZE 10485760\r\n\
    250-VRFY\r\n250-ETRN\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n\
    250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n";

/// Of Postfix as it is installed.
const POSTFIX: &[u8] = b"250-mail.example.test\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n\
    250-VRFY\r\n250-ETRN\r\n250-STARTTLS\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n\
    250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n";

const REFUSAL: &[u8] =
    b"550-5.7.1 This message was refused because the sending host is on a list of hosts that are\r\n\
    550-5.7.1 known to send mail that nobody wants. See https://list.example.test/?q=192.0.2.1 for\r\n\
    550-5.7.1 more about it, or write to postmaster@example.test from another host if you think that\r\n\
    550-5.7.1 this is wrong. Please give the address of the host and the time of the refusal, which is\r\n\
    550 5.7.1 2026-11-22T01:02:03Z. Thank you.\r\n";

/// Replies in one burst: as many as one read of 4 KiB may bring.
const BURST: u64 = 64;

pub(super) fn rows() -> Vec<Row> {
    use ReplyKind::{Hello, Other};

    let reply = |name, octets, kind, ask: fn(ReplyRef<'_>)| {
        Row::new(name, ("reply", BURST), move || burst(octets, kind, ask))
    };
    let pieces = |name, size| Row::new(name, ("reply", 1), move || fragments(EHLO, size));
    vec![
        reply("reply of one line, borrowed", SINGLE, Other, code).most(300.0).most_allocations(0.0),
        reply("reply of one line, with its enhanced code", SINGLE, Other, enhanced)
            .most_allocations(0.0),
        reply("reply of one line, owned", SINGLE, Other, owned).most(480.0).most_allocations(1.0),
        reply("reply to EHLO of 12 lines", EHLO, Hello, code).most(2200.0).most_allocations(0.0),
        reply("reply to EHLO of Postfix, typed", POSTFIX, Hello, typed).most(3600.0),
        reply("refusal of 5 long lines", REFUSAL, Other, code).most(1900.0).most_allocations(0.0),
        pieces("reply to EHLO, whole", EHLO.len()).most_allocations(0.0),
        pieces("reply to EHLO, in 64 octets", 64).most_allocations(0.0),
        pieces("reply to EHLO, in 7 octets", 7).most_allocations(0.0),
        pieces("reply to EHLO, octet by octet", 1).most_allocations(0.0),
    ]
}

/// What a session asks of every reply.
fn code(reply: ReplyRef<'_>) {
    black_box(reply.code());
}

fn enhanced(reply: ReplyRef<'_>) {
    black_box((reply.code(), reply.enhanced()));
}

fn owned(reply: ReplyRef<'_>) {
    black_box(reply.to_reply());
}

/// Everything that is there is asked for by its type, and one thing that is not.
fn typed(reply: ReplyRef<'_>) {
    let offered = black_box(Capabilities::parse(reply));
    black_box((
        offered.get::<Pipelining>(),
        offered.get::<Size>(),
        offered.get::<StartTls>(),
        offered.get::<EightBitMime>(),
        offered.get::<Dsn>(),
        offered.get::<SmtpUtf8>(),
        offered.get::<Chunking>(),
        offered.get::<Auth>(),
    ));
}

fn burst(octets: &'static [u8], kind: ReplyKind, ask: fn(ReplyRef<'_>)) -> Run {
    let mut buffer = ReplyBuffer::new(Limits::default(), Strictness::Tolerant);
    Box::new(move || {
        for _ in 0..BURST {
            buffer.extend(octets);
        }
        for _ in 0..BURST {
            assert!(buffer.next(kind).expect("a reply"));
            ask(buffer.reply().expect("a reply"));
            buffer.consume();
        }
    })
}

fn fragments(octets: &'static [u8], size: usize) -> Run {
    let mut buffer = ReplyBuffer::new(Limits::default(), Strictness::Tolerant);
    Box::new(move || {
        let mut replies = 0;
        for piece in octets.chunks(size) {
            buffer.extend(piece);
            while buffer.next(ReplyKind::Hello).expect("a reply") {
                code(buffer.reply().expect("a reply"));
                buffer.consume();
                replies += 1;
            }
        }
        assert_eq!(replies, 1);
    })
}
