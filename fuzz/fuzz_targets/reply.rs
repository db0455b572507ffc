#![no_main]
//! Octets as replies: wherever they are cut they say the same, what keeps to the grammar is read as
//! it stands there, and nothing unprintable is shown.

use ehlo::{Limits, Reply, ReplyBuffer, ReplyError, ReplyKind, ReplyRef, Strictness};
use ehlo_fuzz::{Choices, plainly};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let kind =
        choices.of(&[ReplyKind::Other, ReplyKind::Greeting, ReplyKind::Hello, ReplyKind::Auth]);
    let strictness = choices.of(&[Strictness::Tolerant, Strictness::Strict, Strictness::Lenient]);
    let cut = 1 + choices.below(64);
    let limits = match choices.flip() {
        true => Limits::default().with_line(512).with_lines(3).with_reply(700),
        false => Limits::default(),
    };
    let octets = choices.0;

    let whole = read([octets], kind, strictness, limits);
    assert_eq!(read(octets.chunks(1), kind, strictness, limits), whole);
    assert_eq!(read(octets.chunks(cut), kind, strictness, limits), whole);

    let (replies, end) = &whole;
    replies.iter().for_each(|reply| check(reply, kind, strictness));
    let said: usize = replies.iter().map(|reply| reply.octets().len()).sum();
    assert!(said <= octets.len());
    match end {
        Ok(left) => {
            assert_eq!(&octets[said..], left);
            assert!(left.len() <= limits.reply());
        }
        Err(error) => assert_is_printable(&error.to_string()),
    }

    let is_text = |octet: &u8| matches!(octet, b'\t' | b'\r' | b'\n' | b' '..=b'~');
    if let Some(plain) = plainly::replies(octets)
        && octets.iter().all(is_text)
        && !plain.iter().flatten().any(|line| line.contains('\r'))
        && octets.len() <= 512
        && limits == Limits::default()
        && strictness != Strictness::Strict
    {
        assert!(end.is_ok(), "{end:?}");
        let lines: Vec<Vec<String>> = replies.iter().map(lines).collect();
        assert_eq!(lines, plain);
    }
});

type Read = (Vec<Reply>, Result<Vec<u8>, ReplyError>);

fn read<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    kind: ReplyKind,
    strictness: Strictness,
    limits: Limits,
) -> Read {
    let mut buffer = ReplyBuffer::new(limits, strictness);
    let mut replies = Vec::new();
    for piece in pieces {
        buffer.extend(piece);
        loop {
            match buffer.next(kind) {
                Ok(false) => break,
                Ok(true) => {
                    replies.push(buffer.reply().unwrap().to_reply());
                    buffer.consume();
                }
                Err(error) => return (replies, Err(error)),
            }
        }
    }
    (replies, Ok(buffer.pending().to_vec()))
}

fn check(reply: &Reply, kind: ReplyKind, strictness: Strictness) {
    let (one_line, rows) = (reply.to_string(), format!("{reply:#}"));
    assert_is_printable(&one_line);
    assert_is_printable(&rows.replace('\n', ""));
    assert_is_printable(&format!("{reply:?}"));
    assert_eq!(reply.lines().count(), reply.line_count());
    assert_eq!(rows.lines().count(), reply.line_count());
    assert!((200..600).contains(&reply.code().number()));
    assert_eq!(
        reply.is_completed() as u8 + reply.is_intermediate() as u8 + reply.is_negative() as u8,
        1
    );
    if let Some(status) = reply.enhanced() {
        assert!(["2", "4", "5"].contains(&&status.to_string()[..1]));
    }
    let _ = (reply.text(), reply.quirks(), reply.retry());

    let (again, rest) = ReplyRef::parse(reply.octets(), kind, strictness).unwrap().unwrap();
    assert_eq!(rest, reply.octets().len());
    assert_eq!(again.to_reply(), *reply);
}

fn lines(reply: &Reply) -> Vec<String> {
    let octets = std::str::from_utf8(reply.octets()).unwrap();
    octets.split_terminator("\r\n").map(str::to_owned).collect()
}

#[track_caller]
fn assert_is_printable(text: &str) {
    assert!(!text.contains(char::is_control), "{text:?}");
}
