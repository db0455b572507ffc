//! The parser's part of the checklist, and the helpers that all tests of replies share.

use proptest::prelude::*;

use super::*;
use crate::wire::{Code, Limits, Quirk, Quirks, Retry, Severity, Strictness};
use ReplyKind::{Greeting, Hello, Other};
use Strictness::{Lenient, Strict, Tolerant};

/// All that a reader makes of a stream.
#[derive(Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) replies: Vec<Reply>,
    pub(super) error: Option<ReplyError>,
    /// What stays behind where there was no error: the lines of an unfinished reply, a fragment.
    pub(super) partial: Vec<Vec<u8>>,
    pub(super) fragment: Vec<u8>,
}

/// Reads octets that come in these pieces.
pub(super) fn read_pieces<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    kind: ReplyKind,
    strictness: Strictness,
    limits: Limits,
) -> Outcome {
    let mut buffer = ReplyBuffer::new(limits, strictness);
    let mut replies = Vec::new();
    for piece in pieces {
        buffer.extend(piece);
        loop {
            match buffer.next(kind) {
                Ok(true) => replies.push(buffer.reply().unwrap().to_reply()),
                Ok(false) => break,
                Err(error) => {
                    assert_eq!(buffer.next(kind).as_ref(), Err(&error), "the error stays");
                    assert_eq!(buffer.reply(), None);
                    return Outcome {
                        replies,
                        error: Some(error),
                        partial: Vec::new(),
                        fragment: Vec::new(),
                    };
                }
            }
            let before = buffer.pending().len();
            buffer.consume();
            let used = before - buffer.pending().len();
            assert_eq!(used, replies.last().unwrap().octets().len());
        }
    }
    Outcome {
        replies,
        error: None,
        partial: buffer.partial_lines().map(Into::into).collect(),
        fragment: buffer.fragment().into(),
    }
}

/// Reads octets whole, one by one, and cut in two at every place: the result has to be the same.
#[track_caller]
pub(super) fn read(octets: &[u8], kind: ReplyKind, strictness: Strictness) -> Outcome {
    let limits = Limits::default();
    let whole = read_pieces([octets], kind, strictness, limits);
    let single = read_pieces(octets.chunks(1), kind, strictness, limits);
    assert_eq!(single, whole, "octet by octet");
    for at in 0..octets.len().min(200) {
        let (head, tail) = octets.split_at(at);
        let cut = read_pieces([head, tail], kind, strictness, limits);
        assert_eq!(cut, whole, "cut at {at}");
    }
    whole
}

/// Exactly one reply and nothing else.
#[track_caller]
pub(super) fn one(octets: &[u8], kind: ReplyKind, strictness: Strictness) -> Reply {
    let mut outcome = read(octets, kind, strictness);
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.replies.len(), 1);
    assert!(outcome.partial.is_empty() && outcome.fragment.is_empty());
    let reply = outcome.replies.remove(0);
    let parsed = ReplyRef::parse(octets, kind, strictness).unwrap().unwrap();
    assert_eq!(parsed, (reply.as_ref(), octets.len()));
    reply
}

/// An error, after no reply at all; its words.
#[track_caller]
pub(super) fn refused(octets: &[u8], kind: ReplyKind, strictness: Strictness) -> ReplyError {
    let outcome = read(octets, kind, strictness);
    assert_eq!(outcome.replies, []);
    let error = outcome.error.expect("an error");
    let parsed = ReplyRef::parse(octets, kind, strictness);
    assert_eq!(parsed.unwrap_err(), error);
    error
}

/// Accepted with this quirk when tolerant, refused for it when strict.
#[track_caller]
pub(super) fn flagged(octets: &[u8], kind: ReplyKind, quirk: Quirk) -> Reply {
    assert!(!quirk.is_note());
    let error = refused(octets, kind, Strict);
    assert_eq!(error.fault(), ReplyFault::Quirk(quirk));
    let reply = one(octets, kind, Tolerant);
    assert_eq!(reply.quirks(), Quirks::from(quirk));
    reply
}

/// Accepted with this note, whatever the strictness.
#[track_caller]
pub(super) fn noted(octets: &[u8], kind: ReplyKind, note: Quirk) -> Reply {
    assert!(note.is_note());
    for strictness in [Strict, Lenient] {
        let reply = one(octets, kind, strictness);
        assert_eq!(reply.quirks(), Quirks::from(note));
    }
    one(octets, kind, Tolerant)
}

/// Accepted without any remark, under strict parsing.
#[track_caller]
pub(super) fn plain(octets: &[u8], kind: ReplyKind) -> Reply {
    let reply = one(octets, kind, Strict);
    assert_eq!(reply.quirks(), Quirks::NONE);
    reply
}

pub(super) fn lines(reply: &Reply) -> Vec<&[u8]> {
    reply.lines().collect()
}

#[test]
fn c_001_code_and_text_without_the_separator() {
    let reply = plain(b"250 all is  well\r\n", Other);
    assert_eq!(reply.code(), Code::OK);
    assert_eq!(reply.text(), "all is  well");
    assert_eq!(reply.octets(), b"250 all is  well\r\n");
}

#[test]
fn c_002_a_code_alone_is_a_reply() {
    let reply = plain(b"250\r\n", Other);
    assert_eq!((reply.text().as_ref(), reply.line_count()), ("", 1));
    assert_eq!(lines(&reply), [b""]);
}

#[test]
fn c_003_a_code_and_a_space_are_a_reply() {
    assert_eq!(plain(b"250 \r\n", Other).text(), "");
}

#[test]
fn c_004_a_hyphen_continues_and_anything_else_ends() {
    let reply = plain(b"250-a\r\n250-b\r\n250 c\r\n", Other);
    assert_eq!(reply.line_count(), 3);
    let ends = [&b"250-a\r\n250 b\r\n"[..], b"250-a\r\n250\r\n"];
    for octets in ends {
        assert_eq!(plain(octets, Other).line_count(), 2);
    }
    let unfinished = read(b"250-a\r\n250-b\r\n250", Other, Strict);
    assert_eq!(unfinished.replies, []);
    assert_eq!(unfinished.partial, [b"250-a", b"250-b"]);
    assert_eq!(unfinished.fragment, b"250");
    let parsed = ReplyRef::parse(b"250-a\r\n250 b", Other, Strict);
    assert_eq!(parsed, Ok(None));
}

#[test]
fn c_005_every_line_is_kept_in_order_the_empty_ones_too() {
    let reply = plain(b"250-a\r\n250-\r\n250-b\r\n250\r\n", Other);
    assert_eq!(lines(&reply), [&b"a"[..], b"", b"b", b""]);
    assert_eq!(reply.text(), "a\n\nb\n");
}

#[test]
fn c_006_digits_that_begin_the_text_are_text() {
    let reply = plain(b"250-234 Text NUMBERS\r\n250 250-x\r\n", Other);
    assert_eq!(lines(&reply), [&b"234 Text NUMBERS"[..], b"250-x"]);
    assert_eq!(reply.code(), Code::OK);
}

#[test]
fn c_007_different_codes_in_one_reply() {
    let same_class = b"250-a\r\n251 b\r\n";
    let reply = flagged(same_class, Other, Quirk::MixedCodes);
    assert_eq!(reply.code(), Code::WILL_FORWARD);
    for kind in [Other, Hello] {
        for strictness in [Strict, Tolerant, Lenient] {
            let error = refused(b"250-a\r\n550 b\r\n", kind, strictness);
            let first = Code::OK;
            assert_eq!(error.fault(), ReplyFault::CodesDisagree { first });
        }
    }
    // As soon as it is seen: no last line is awaited.
    let error = refused(b"250-a\r\n550-b\r\n", Other, Tolerant);
    assert_eq!(
        error.to_string(),
        r#"reply begins with 250 and goes on with another class: "550-b""#
    );
    let reply = flagged(b"220-wait\r\n521 no\r\n", Greeting, Quirk::MixedCodes);
    assert_eq!(reply.code(), Code::NO_MAIL_SERVICE);
}

#[test]
fn c_008_a_lone_cr_completes_nothing_and_a_lone_lf_is_flagged() {
    let waiting = read(b"250 a\r", Other, Tolerant);
    assert_eq!(waiting.replies, []);
    assert_eq!(waiting.fragment, b"250 a\r");
    let reply = flagged(b"250 a\r250 b\r\n", Other, Quirk::BareCr);
    assert_eq!(lines(&reply), [b"a\r250 b"]);
    assert_eq!(flagged(b"250 a\n", Other, Quirk::BareLf).text(), "a");
}

#[test]
fn c_009_a_lone_lf_is_a_strict_error_at_once() {
    let error = refused(b"250-a\n", Other, Strict);
    assert_eq!(
        error.to_string(),
        r#"a bare LF as line end, which strict parsing refuses: "250-a""#
    );
}

#[test]
fn c_011_coalesced_replies_come_one_by_one() {
    // What each consumed is held against its octets in `read`.
    let octets = b"250 a\r\n250-b\r\n250 c\r\n354 d\r\n221 par";
    let outcome = read(octets, Other, Strict);
    let shown: Vec<_> = outcome.replies.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["250 a", "250-b 250 c", "354 d"]);
    assert_eq!(outcome.fragment, b"221 par");
    let (first, used) = ReplyRef::parse(octets, Other, Strict).unwrap().unwrap();
    assert_eq!((first.octets(), used), (&octets[..7], 7));
}

#[test]
fn c_012_an_unknown_code_is_taken_by_its_first_digit() {
    for (octets, severity, retry) in [
        (&b"259 x\r\n"[..], Severity::Completed, Retry::Never),
        (b"399 x\r\n", Severity::Intermediate, Retry::Never),
        (b"449 x\r\n", Severity::Transient, Retry::Later),
        (b"559 x\r\n", Severity::Permanent, Retry::Never),
    ] {
        let reply = one(octets, Other, Tolerant);
        assert_eq!((reply.severity(), reply.retry()), (severity, retry));
        assert!(reply.quirks().contains(Quirk::UnknownCode));
        assert_eq!(reply.is_completed(), severity == Severity::Completed);
        assert_eq!(reply.is_intermediate(), severity == Severity::Intermediate);
        assert_eq!(reply.is_negative(), severity.is_negative());
    }
}

#[test]
fn c_013_no_class_but_four_and_no_code_but_three_digits() {
    for first in [b'0', b'1', b'6', b'7', b'8', b'9'] {
        let error = refused(&[first, b'5', b'0', b' ', b'x', b'\r', b'\n'], Other, Lenient);
        assert_eq!(error.fault(), ReplyFault::BadCode);
    }
    for octets in [&b"25\r\n"[..], b"25 ok\r\n", b"2500 ok\r\n", b"ok\r\n", b"2a0 x\r\n"] {
        let error = refused(octets, Other, Lenient);
        assert_eq!(error.fault(), ReplyFault::NotACode);
    }
}

#[test]
fn c_014_digits_that_the_grammar_lacks_are_accepted() {
    let reply = one(b"590 x\r\n", Other, Tolerant);
    assert_eq!(reply.severity(), Severity::Permanent);
    assert_eq!(reply.quirks(), Quirks::from(Quirk::OddCode) | Quirk::UnknownCode);
    assert_eq!(plain(b"459 x\r\n", Other).code(), Code::NODE_NOT_ALLOWED);
}

/// Of each line, whichever is the reply's.
#[test]
fn c_014_unknown_codes_are_noted_wherever_they_stand() {
    let both = Quirks::from(Quirk::MixedCodes) | Quirk::UnknownCode;
    assert_eq!(one(b"259-a\r\n250 b\r\n", Other, Tolerant).quirks(), both);
    assert_eq!(one(b"250-a\r\n259 b\r\n", Other, Tolerant).quirks(), both);
    assert_eq!(one(b"250-a\r\n259-b\r\n250 c\r\n", Other, Tolerant).quirks(), both);
    noted(b"259-a\r\n259 b\r\n", Other, Quirk::UnknownCode);
    let known = one(b"250-a\r\n251 b\r\n", Other, Tolerant).quirks();
    assert_eq!(known, Quirks::from(Quirk::MixedCodes));
}

#[test]
fn c_015_lines_of_512_octets_are_plain_and_longer_ones_noted() {
    let line = |len: usize| format!("250 {}\r\n", "x".repeat(len - 6));
    plain(line(512).as_bytes(), Other);
    noted(line(513).as_bytes(), Other, Quirk::LongLine);
    noted(line(8192).as_bytes(), Other, Quirk::LongLine);
    flagged(line(512).replace(' ', "\t").as_bytes(), Other, Quirk::TabSeparator);
    let error = refused(line(8193).as_bytes(), Other, Tolerant);
    assert_eq!(error.fault(), ReplyFault::LineTooLong { limit: 8192 });
    let behind = format!("250-a\r\n{}", line(8193));
    assert_eq!(refused(behind.as_bytes(), Other, Tolerant), error);
    assert_eq!(
        error.to_string(),
        format!("reply line of more than 8192 octets: \"250 {}\"…", "x".repeat(196))
    );
}

#[test]
fn an_error_shows_the_first_200_octets_of_a_line() {
    for (len, cut) in [(199, ""), (200, ""), (201, "…"), (300, "…")] {
        let error = refused(format!("{}\r\n", "x".repeat(len)).as_bytes(), Other, Tolerant);
        assert_eq!(error.line(), "x".repeat(len.min(200)).as_bytes());
        let shown = "x".repeat(len.min(200));
        assert_eq!(error.to_string(), format!("not a reply line: \"{shown}\"{cut}"));
    }
}

#[test]
fn c_016_text_decides_nothing() {
    let reply = plain(b"250-550 denied\r\n250 error: 421 closing\r\n", Other);
    assert!(reply.is_completed());
    assert_eq!(reply.retry(), Retry::Never);
}

#[test]
fn c_017_octets_above_127_and_tabs_in_text_are_no_fault() {
    assert_eq!(plain(b"250 a\tb\r\n", Other).text(), "a\tb");
    let latin = noted(b"550 gr\xfcn\r\n", Other, Quirk::NonAscii);
    assert_eq!(lines(&latin), [b"gr\xfcn"]);
    assert_eq!(latin.text(), "gr\u{fffd}n");
}

#[test]
fn c_027_the_enhanced_code_is_split_off_the_text() {
    let reply = plain(b"550-5.1.1 none\r\n550 5.1.1 here\r\n", Other);
    assert_eq!(reply.enhanced(), "5.1.1".parse().ok());
    assert_eq!(reply.text(), "none\nhere");
    assert_eq!(lines(&reply), [&b"5.1.1 none"[..], b"5.1.1 here"]);
    assert_eq!(plain(b"550 5.1.1\r\n", Other).text(), "");
    assert_eq!(plain(b"550 5.1 none\r\n", Other).enhanced(), None);
}

#[test]
fn c_028_no_enhanced_code_in_greetings_hellos_and_3yz() {
    for (octets, kind) in [
        (&b"220 2.0.0 x\r\n"[..], Greeting),
        (b"554 5.7.1 x\r\n", Greeting),
        (b"250 2.0.0 x\r\n", Hello),
        (b"354 2.0.0 x\r\n", Other),
    ] {
        let reply = plain(octets, kind);
        assert_eq!(reply.enhanced(), None);
        assert_eq!(reply.text().as_bytes(), &octets[4..11]);
    }
}

#[test]
fn c_029_where_the_classes_clash_the_code_is_trusted() {
    let reply = noted(b"250 5.0.0 hm\r\n", Other, Quirk::EnhancedClash);
    assert!(reply.is_completed());
    assert_eq!(reply.enhanced(), "5.0.0".parse().ok());
    let reply = noted(b"450 5.1.1 hm\r\n", Other, Quirk::EnhancedClash);
    assert_eq!(reply.retry(), Retry::Later);
}

#[test]
fn c_031_utf_8_in_a_forwarding_path_is_kept() {
    let octets = "551 try <j\u{fc}rgen@example.org>\r\n".as_bytes();
    let reply = noted(octets, Other, Quirk::NonAscii);
    assert_eq!(reply.text(), "try <j\u{fc}rgen@example.org>");
    assert_eq!(reply.to_string(), "551 try <j\u{fc}rgen@example.org>");
}

#[test]
fn c_032_an_empty_challenge_with_and_without_space() {
    for octets in [&b"334\r\n"[..], b"334 \r\n"] {
        let reply = plain(octets, Other);
        assert_eq!(reply.code(), Code::CHALLENGE);
        assert_eq!(lines(&reply), [b""]);
    }
}

#[test]
fn c_033_challenges_of_12288_octets_and_more() {
    for len in [12_288, 65_536 - 6] {
        let challenge = "A".repeat(len);
        let octets = format!("334 {challenge}\r\n");
        let reply = noted(octets.as_bytes(), Other, Quirk::LongLine);
        assert_eq!(lines(&reply), [challenge.as_bytes()]);
    }
    let octets = format!("334 {}\r\n", "A".repeat(65_536 - 5));
    let error = refused(octets.as_bytes(), Other, Tolerant);
    assert_eq!(error.fault(), ReplyFault::LineTooLong { limit: 65_536 });
}

#[test]
fn clearing_forgets_octets_and_errors() {
    let mut buffer = ReplyBuffer::new(Limits::default(), Strict);
    buffer.extend(b"250-half\r\nrubbish\r\n250 x");
    assert!(buffer.next(Other).is_err());
    buffer.clear();
    assert_eq!((buffer.pending(), buffer.strictness()), (&b""[..], Strict));
    buffer.extend(b"220 ready\n");
    let fault = buffer.next(Other).unwrap_err().fault();
    assert_eq!(fault, ReplyFault::Quirk(Quirk::BareLf));
    buffer.clear();
    buffer.space().extend_from_slice(b"220 ready\r\n");
    assert_eq!(buffer.next(Other), Ok(true));
    assert_eq!(buffer.next(Other), Ok(true), "until it is consumed");
    assert_eq!(buffer.partial_lines().count(), 0);
    buffer.consume();
    buffer.consume();
    assert_eq!((buffer.next(Other), buffer.reply()), (Ok(false), None));
}

/// Pieces that replies and rubbish are made of, so that most inputs come close to a rule.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let pieces: &[&'static [u8]] = &[
        b"250",
        b"220",
        b"354",
        b"334 ",
        b"421",
        b"550",
        b"251",
        b"280",
        b"850",
        b"-",
        b"-",
        b" ",
        b" ",
        b"\t",
        b"\r\n",
        b"\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\r\n",
        b"5.1.1 ",
        b"ok",
        b"\0",
        b"\xfc",
        b"***",
        b"HTTP/",
        b"\x16\x03",
        b"250-a\r\n",
        b"250 b\r\n",
        &[b'x'; 300],
    ];
    let pieces = prop::collection::vec(prop::sample::select(pieces), 0..24);
    pieces.prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn c_010_any_split_gives_the_same(
        octets in stream(),
        cuts in prop::collection::vec(1usize..40, 1..40),
        kind in prop::sample::select(vec![Greeting, Hello, Other]),
        strictness in prop::sample::select(vec![Strict, Tolerant, Lenient]),
        tight: bool,
    ) {
        let limits = match tight {
            true => Limits::default().with_line(512).with_lines(3).with_reply(700),
            false => Limits::default(),
        };
        let whole = read_pieces([&octets[..]], kind, strictness, limits);
        let single = read_pieces(octets.chunks(1), kind, strictness, limits);
        prop_assert_eq!(&single, &whole);

        let mut rest = &octets[..];
        let pieces = cuts.iter().cycle().map_while(|cut| {
            let (piece, behind) = rest.split_at((*cut).min(rest.len()));
            rest = behind;
            (!piece.is_empty()).then_some(piece)
        });
        let pieces = read_pieces(pieces, kind, strictness, limits);
        prop_assert_eq!(&pieces, &whole);
    }

    #[test]
    fn what_a_server_writes_is_read_back(number in 200u16..600, texts in prop::collection::vec("[ -~\t\u{a1}-\u{ff}]{0,40}", 0..5)) {
        let reply = Reply::from_lines(Code::new(number).unwrap(), &texts).unwrap();
        let read = one(reply.octets(), Other, Tolerant);
        prop_assert_eq!(&read, &reply);
        prop_assert_eq!(read.code().number(), number);
        let lines: Vec<_> = read.lines().map(<[u8]>::to_vec).collect();
        let expected: Vec<_> = texts.iter().map(|text| text.clone().into_bytes()).collect();
        match texts.is_empty() {
            true => prop_assert_eq!(lines, vec![Vec::<u8>::new()]),
            false => prop_assert_eq!(lines, expected),
        }
    }
}
