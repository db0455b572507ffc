//! The threats that aim at the reader of replies.

use proptest::prelude::*;

use super::tests::{lines, one, plain, read, read_pieces, refused};
use super::*;
use crate::wire::{Code, Limits, Strictness};
use ReplyKind::{Greeting, Hello, Other};
use Strictness::{Lenient, Strict, Tolerant};

/// Feeds the same octets until there is an error; how many it took.
fn drown(octets: &[u8], limits: Limits) -> (ReplyError, usize) {
    let mut buffer = ReplyBuffer::new(limits, Tolerant);
    for fed in 1.. {
        buffer.extend(octets);
        if let Err(error) = buffer.next(Other) {
            return (error, fed * octets.len());
        }
    }
    unreachable!()
}

/// In lines that have come whole, or are all that comes. Challenges have to stay.
#[test]
fn t11_what_lines_quote_of_a_secret_is_overwritten_before_they_are_read() {
    let said = "AGFsaWNlAHdvbmRlcmxhbmQ=";
    for (octets, is_ended, is_masked) in [
        ("500 \"AUTH PLAIN {}\"\r\n", false, true),
        ("500 \"AUTH PLAIN {}\"\r\n", true, true),
        ("500 \"AUTH PLAIN {}\"", false, false),
        ("500 \"AUTH PLAIN {}\"", true, true),
        ("334 {}\r\n", false, false),
        ("334 {}\r\n", true, false),
        ("334 {}", true, false),
    ] {
        let mut buffer = ReplyBuffer::new(Limits::default(), Strict);
        buffer.extend(format!("500-you said {said}\r\n").as_bytes());
        assert_eq!(buffer.next(Other), Ok(false), "looked at before");
        buffer.extend(octets.replace("{}", said).as_bytes());
        buffer.mask_quoted(said.as_bytes(), is_ended);
        let stars = "*".repeat(said.len());
        let left = octets.replace("{}", if is_masked { &stars } else { said });
        let pending = format!("500-you said {said}\r\n{left}");
        assert_eq!(buffer.pending(), pending.as_bytes(), "{octets:?} {is_ended}");
    }
}

#[test]
fn t13_endless_lines_and_replies_end_at_their_limit() {
    let limits = Limits::default();
    let (error, fed) = drown(b"2", limits);
    assert_eq!(error.fault(), ReplyFault::LineTooLong { limit: 8192 });
    assert_eq!(fed, 8192);

    let (error, fed) = drown(b"250-x\r\n", limits);
    assert_eq!(error.fault(), ReplyFault::TooManyLines { limit: 256 });
    assert_eq!(error.to_string(), r#"reply of more than 256 lines: "250-x""#);
    assert_eq!(fed, 256 * 7);

    let line = format!("250-{}\r\n", "x".repeat(4089));
    let (error, fed) = drown(line.as_bytes(), limits);
    assert_eq!(error.fault(), ReplyFault::ReplyTooLong { limit: 262_144 });
    assert!(error.to_string().starts_with("reply of more than 262144 octets: \"250-xxx"));
    assert_eq!(fed, 4095 * 65);

    let mut blank = ReplyBuffer::new(limits, Tolerant);
    blank.extend(b"250-x\r\n");
    blank.extend(&b"\r\n".repeat(131_068));
    assert_eq!(blank.next(Other), Ok(false));
    blank.extend(b"\r\n");
    let fault = blank.next(Other).unwrap_err().fault();
    assert_eq!(fault, ReplyFault::ReplyTooLong { limit: 262_144 });
}

#[test]
fn t13_the_last_line_allowed_is_allowed() {
    let limits = Limits::default().with_lines(2);
    let octets = b"250-a\r\n250 b\r\n";
    let outcome = read_pieces([&octets[..]], Other, Strict, limits);
    assert_eq!(outcome.replies.len(), 1);

    let limits = Limits::default().with_reply(512);
    let fits = format!("250-a\r\n250 {}\r\n", "x".repeat(512 - 7 - 6));
    let outcome = read_pieces([fits.as_bytes()], Other, Strict, limits);
    assert_eq!(outcome.replies.len(), 1);
    let over = format!("250-a\r\n250 {}\r\n", "x".repeat(512 - 7 - 5));
    let outcome = read_pieces([over.as_bytes()], Other, Strict, limits);
    let fault = outcome.error.unwrap().fault();
    assert_eq!(fault, ReplyFault::ReplyTooLong { limit: 512 });
}

#[test]
fn t14_a_megabyte_in_single_octets() {
    // Quadratic work would not come to its end here; the search itself is counted in `line`.
    let limits = Limits::default();
    let limits = limits.with_line(1 << 22).with_lines(1 << 20).with_reply(1 << 22);
    let octets = b"250-0123456789\r\n".repeat(1 << 15);
    let octets = [&octets[..], b"250 ", &b"x".repeat(1 << 19), b"\r\n"].concat();
    let outcome = read_pieces(octets.chunks(1), Other, Tolerant, limits);
    assert_eq!(outcome.replies.len(), 1);
    assert_eq!(outcome.replies[0].octets(), octets);
    assert_eq!(outcome.replies[0].line_count(), (1 << 15) + 1);
}

#[test]
fn t15_short_lines_are_read_within_their_bounds() {
    assert_eq!(lines(&plain(b"250-\r\n250\r\n", Other)), [b"", b""]);
    assert_eq!(plain(b"550\r\n", Other).code(), Code::MAILBOX_UNAVAILABLE);
    for (octets, line) in [(&b"5\r\n"[..], &b"5"[..]), (b"55\n", b"55"), (b"-\r\n", b"-")] {
        let error = refused(octets, Other, Tolerant);
        assert_eq!((error.fault(), error.line()), (ReplyFault::NotACode, line));
    }
    let waiting = read(b"\r\n", Other, Tolerant);
    assert_eq!((waiting.replies, waiting.error), (Vec::new(), None));
    assert_eq!(one(b"\r\n550\r\n", Other, Tolerant).line_count(), 1);
}

#[test]
fn t16_nothing_reaches_a_terminal_unescaped() {
    let octets = b"220-\x1b[2J\r\n220 a\x00b gr\xfcn \xe2\x80\xae \xc3\r\n";
    let reply = one(octets, Greeting, Tolerant);
    assert_eq!(reply.octets(), octets);
    let shown = r"220-\x1b[2J 220 a\x00b gr\xfcn \u{202e} \xc3";
    assert_eq!(reply.to_string(), shown);
    let rows = r"220-\x1b[2J".to_owned() + "\n" + r"220 a\x00b gr\xfcn \u{202e} \xc3";
    assert_eq!(format!("{reply:#}"), rows);
    assert!(!format!("{reply:?}").contains(|c: char| c.is_control() || c == '\u{202e}'));
    let error = refused(b"\x1b[2J\r\n", Greeting, Tolerant);
    assert_eq!(error.to_string(), r#"not a reply line: "\x1b[2J""#);
    assert!(!format!("{error:?}").contains('\x1b'));
}

#[test]
fn t20_another_protocol_is_named() {
    for (octets, words) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            r#"not SMTP but HTTP (the right port?): "HTTP/1.1 400 Bad Request""#,
        ),
        (b"SSH-2.0-x\r\n", r#"not SMTP but SSH (the right port?): "SSH-2.0-x""#),
        (b"* OK IMAP4\r\n", r#"not SMTP but IMAP (the right port?): "* OK IMAP4""#),
        (b"+OK pop\r\n", r#"not SMTP but POP3 (the right port?): "+OK pop""#),
        // No line end at all.
        (
            b"\x15\x03\x01\x00\x02\x02\x28",
            r#"not SMTP but TLS (a port for implicit TLS?): "\x15\x03"…"#,
        ),
        (b"\x16\x03\x03", r#"not SMTP but TLS (a port for implicit TLS?): "\x16\x03"…"#),
    ] {
        assert_eq!(refused(octets, Greeting, Tolerant).to_string(), words);
    }
    // Behind the greeting, or its first line, it is merely not a reply.
    for (octets, kind) in
        [(&b"HTTP/1.1 400\r\n"[..], Other), (b"220-mx\r\nHTTP/1.1 400\r\n", Greeting)]
    {
        assert_eq!(refused(octets, kind, Tolerant).fault(), ReplyFault::NotACode);
    }
    let waiting = read(b"\x16\x03", Other, Tolerant);
    assert_eq!(waiting.fragment, b"\x16\x03");
}

proptest! {
    #[test]
    fn t15_no_octets_make_it_panic(octets: Vec<u8>, strictness in prop::sample::select(vec![Strict, Tolerant, Lenient])) {
        for kind in [Greeting, Hello, Other] {
            let outcome = read_pieces([&octets[..]], kind, strictness, Limits::default());
            for reply in &outcome.replies {
                prop_assert_eq!(reply.lines().count(), reply.line_count());
                prop_assert!(!reply.to_string().contains(char::is_control));
                let _ = (reply.text(), reply.enhanced(), reply.quirks());
            }
        }
    }
}
