//! The scanner and the stuffer against a model that takes one octet at a time and knows nothing
//! of chunks, and against the end a lax server would see.

use bytes::BytesMut;
use fearless_simd::Level;
use proptest::prelude::*;

use super::model::{model_normalized, model_scan, model_wire, told};
use super::seen::Seen;
use super::*;

const POLICIES: [LineEndings; 3] =
    [LineEndings::Normalize, LineEndings::Reject, LineEndings::Replace];

/// The wire as the stuffer makes it of chunks; on a fault also what was handed out before.
fn stuff(
    chunks: &[&[u8]],
    policy: LineEndings,
    eight_bit: bool,
) -> (Vec<u8>, Result<(), ContentFault>) {
    let mut out = BytesMut::new();
    let mut stuffer = Stuffer::new(policy, eight_bit);
    for chunk in chunks {
        if let Err(fault) = stuffer.stuff_into(chunk, &mut out) {
            assert_eq!(stuffer.stuff_into(&[], &mut out), Ok(()), "nothing has no fault");
            return (out.to_vec(), Err(fault));
        }
    }
    let end = stuffer.finish();
    out.extend_from_slice(end.unwrap_or_default());
    (out.to_vec(), end.map(drop))
}

/// What a server that follows RFC 5321 §4.5.2 keeps.
fn unstuff(wire: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    for line in wire.split_inclusive(|&octet| octet == b'\n') {
        if line == b".\r\n" {
            return kept;
        }
        kept.extend(line.strip_prefix(b".").unwrap_or(line));
    }
    panic!("no end in {:?}", crate::Escaped::new(wire));
}

#[track_caller]
fn assert_cannot_be_misread(wire: &[u8]) {
    let shown = crate::Escaped::new(wire);
    let framed = [b"\r\n", wire].concat();
    let ends = framed.windows(5).filter(|five| five == b"\r\n.\r\n").count();
    assert_eq!(ends, 1, "ends in {shown}");
    assert!(framed.ends_with(b"\r\n.\r\n"), "{shown}");
    assert_no_stray(wire);
}

#[track_caller]
fn assert_no_stray(wire: &[u8]) {
    let shown = crate::Escaped::new(wire);
    assert!(!wire.contains(&0), "NUL in {shown}");
    for (at, &octet) in wire.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| wire[at]);
        assert!(octet != b'\r' || wire.get(at + 1) == Some(&b'\n'), "CR at {at} in {shown}");
        assert!(octet != b'\n' || before == Some(b'\r'), "LF at {at} in {shown}");
    }
}

#[test]
fn t1_c_072_no_sequence_is_taken_for_the_end() {
    let sequences: [&[u8]; 14] = [
        b"\n.\n",
        b"\n.\r",
        b"\r.\n",
        b"\r.\r",
        b"\n.\r\n",
        b"\r.\r\n",
        b"\r\n.\n",
        b"\r\n.\r",
        b"\r\n.\r\r\n",
        b"\r\r\n.\r\r\n",
        b"\r\n.\r\n",
        b"\r\n\0.\r\n",
        b"\r\n.\0\r\n",
        b"\r\0\n.\r\n",
    ];
    for sequence in sequences {
        let content = [b"AAA", sequence, b"BBB"].concat();
        for policy in POLICIES {
            let wanted = model_wire(&content, policy, false);
            for cut in 0..=content.len() {
                for next in cut..=content.len() {
                    let chunks = [&content[..cut], &content[cut..next], &content[next..]];
                    let (wire, result) = stuff(&chunks, policy, false);
                    assert_eq!(result, wanted.clone().map(drop));
                    match &wanted {
                        Ok(wanted) => {
                            assert_eq!(&wire, wanted);
                            assert_cannot_be_misread(&wire);
                        }
                        Err(_) => assert_no_stray(&wire),
                    }
                }
            }
        }
    }
}

#[test]
fn t2_c_068_no_dot_is_lost_or_doubled_at_a_border() {
    let content = b".a\r\n\r\n.\r\n..\r\n\r\n\r\n.b.\r\n.";
    let wanted = b"..a\r\n\r\n..\r\n...\r\n\r\n\r\n..b.\r\n..\r\n.\r\n";
    let each: Vec<&[u8]> = content.chunks(1).collect();
    assert_eq!(stuff(&each, LineEndings::Reject, false).0, wanted);
    for cut in 0..=content.len() {
        let (wire, _) = stuff(&[&content[..cut], &content[cut..]], LineEndings::Reject, false);
        assert_eq!(wire, wanted, "cut at {cut}");
    }
}

/// Long runs are looked at in blocks, the first of which ends with octet 512 or 604.
#[test]
fn t2_c_068_no_line_end_is_lost_at_the_border_of_two_blocks() {
    for first in [254, 300] {
        for second in 0..600 {
            for end in ["\r\n", "\r\n.z", "\r", "\n."] {
                let lines = ["x".repeat(first), "y".repeat(second)].join("\r\n");
                let content = (lines + end).into_bytes();
                let wanted = model_wire(&content, LineEndings::Normalize, false).unwrap();
                let (wire, result) = stuff(&[&content], LineEndings::Normalize, false);
                assert_eq!((wire, result), (wanted, Ok(())), "{first} {second} {end:?}");
            }
        }
    }
}

/// A look takes 64 octets together where there are so many, with what every processor has and with
/// what this one has.
#[test]
fn everything_in_a_block_is_seen_wherever_it_stands() {
    let parts: [&[u8]; 11] =
        [b"", b".", b"\r", b"\n", b"\r\n", b"\n.", b"\r\n.", b"\0", b"\x80", b"\xff", b"\0\x80"];
    for len in 0..200 {
        for at in 0..=len {
            for part in parts {
                let mut block = vec![b'a'; len];
                block.splice(at.., [part, &vec![b'a'; len - at]].concat());
                let pairs = || block.windows(2).map(|pair| (pair[0], pair[1]));
                let expected = Seen {
                    stray: pairs().any(|(a, b)| (a == b'\r') != (b == b'\n')),
                    dot: pairs().any(|pair| pair == (b'\n', b'.')),
                    nul: pairs().any(|(_, octet)| octet == 0),
                    eight_bit: pairs().any(|(_, octet)| octet > 127),
                };
                for level in [Level::baseline(), Level::new()] {
                    assert_eq!(
                        Seen::at(level, &block),
                        expected,
                        "{}",
                        crate::Escaped::new(&block)
                    );
                }
                assert_eq!(Seen::of(&block), expected);
            }
        }
    }
}

/// Else all of a mail would be looked at octet by octet.
#[test]
fn a_block_is_quiet_where_nothing_stands_to_stop_at() {
    for forbidden in [0, EIGHTH_BIT] {
        for block in ["", "a", "a.b", "a\r\nb\r\n", "\r\n\r\n", ".\r\n", "\na", "\0a", "a\r"] {
            assert!(Seen::of(block.as_bytes()).is_quiet(forbidden), "{block:?}");
        }
        for block in ["a\rb", "a\nb", "\rb", "a\n", "a\nb\nc", "\n.", "a\r\n.", "a\0b"] {
            assert!(!Seen::of(block.as_bytes()).is_quiet(forbidden), "{block:?}");
        }
    }
    let seen = Seen::of("grün".as_bytes());
    assert!(seen.is_quiet(0) && !seen.is_quiet(EIGHTH_BIT));
}

/// Lines of a lone dot are known as such, but only where lines begin and dots are doubled.
#[test]
fn t2_c_068_lone_dots_are_doubled_at_line_starts_alone() {
    for before in ["", "a", "a\r", "a\n", "a\r\n"] {
        for policy in [LineEndings::Normalize, LineEndings::Replace, LineEndings::Raw] {
            let content = format!("{before}.\r\n.\r\n.\r\nb");
            let wanted = model_wire(content.as_bytes(), policy, true).unwrap();
            let (before, dots) = content.as_bytes().split_at(before.len());
            assert_eq!(stuff(&[before, dots], policy, true), (wanted, Ok(())), "{content:?}");
        }
    }
    let mut bare = BytesMut::new();
    let mut stuffer = Stuffer::new(LineEndings::Normalize, true).without_dots();
    stuffer.stuff_into(b".\r\n.\r\n", &mut bare).unwrap();
    assert_eq!(bare, ".\r\n.\r\n");
}

#[test]
fn c_069_c_070_c_071_ends_content_once() {
    let cases: [(&[u8], LineEndings, &[u8]); 8] = [
        (b"", LineEndings::Normalize, b".\r\n"),
        (b"", LineEndings::Raw, b""),
        (b"a", LineEndings::Normalize, b"a\r\n.\r\n"),
        (b"a\r\n", LineEndings::Normalize, b"a\r\n.\r\n"),
        (b"a\n", LineEndings::Normalize, b"a\r\n.\r\n"),
        (b"a\r", LineEndings::Normalize, b"a\r\n.\r\n"),
        (b"a\r", LineEndings::Replace, b"a \r\n.\r\n"),
        (b"a\r\n\r\n", LineEndings::Reject, b"a\r\n\r\n.\r\n"),
    ];
    for (content, policy, wire) in cases {
        assert_eq!(stuff(&[content], policy, false), (wire.to_vec(), Ok(())));
    }
}

#[test]
fn c_072_c_073_treats_strays_as_the_policy_says() {
    let content = b"a\nb\rc\r\r\n.d";
    let wire = |policy| stuff(&[content], policy, true).0;
    assert_eq!(wire(LineEndings::Normalize), b"a\r\nb\r\nc\r\n\r\n..d\r\n.\r\n");
    assert_eq!(wire(LineEndings::Replace), b"a b c \r\n..d\r\n.\r\n");
    let rejected = (b"a".to_vec(), Err(ContentFault::BareLf { offset: 1 }));
    assert_eq!(stuff(&[content], LineEndings::Reject, true), rejected);
}

#[test]
fn a_dot_behind_a_replaced_line_end_is_not_at_a_line_start() {
    let (wire, _) = stuff(&[b"a\n.b\r.c\r\n.d"], LineEndings::Replace, true);
    assert_eq!(wire, b"a .b .c\r\n..d\r\n.\r\n");
}

#[test]
fn raw_content_is_untouched() {
    // C-076
    let content = b".\r\n.\n\0\r\xff";
    assert_eq!(stuff(&[content], LineEndings::Raw, true), (content.to_vec(), Ok(())));
    let (wire, result) = stuff(&[content], LineEndings::Raw, false);
    assert_eq!((&wire[..], result), (&content[..7], Err(ContentFault::EightBit { offset: 7 })));
}

#[test]
fn c_074_refuses_eight_bit_octets_where_they_were_not_announced() {
    let fault = Err(ContentFault::EightBit { offset: 2 });
    assert_eq!(stuff(&["grün".as_bytes()], LineEndings::Normalize, false).1, fault);
    assert_eq!(stuff(&["grün".as_bytes()], LineEndings::Normalize, true).1, Ok(()));
}

#[test]
fn hands_out_the_longest_runs() {
    let pieces = |content: &'static [u8], policy| {
        let (mut stuffer, mut rest, mut pieces) = (Stuffer::new(policy, true), content, Vec::new());
        while !rest.is_empty() {
            let piece = stuffer.next(rest).unwrap();
            pieces.push((piece.before, piece.verbatim, piece.skip));
            rest = &rest[piece.verbatim + piece.skip..];
        }
        pieces
    };
    let none: &[u8] = b"";
    let clean = b"From: a\r\n\r\ntext, with a dot.\r\n";
    assert_eq!(pieces(clean, LineEndings::Normalize), [(none, clean.len(), 0)]);
    let expected = [(none, 3, 0), (b".", 2, 1), (b"\r\n.", 1, 1), (b"\r\n", 1, 0)];
    assert_eq!(pieces(b"a\r\n.b\n.\nc", LineEndings::Normalize), expected);
    let expected = [(none, 1, 1), (b" ", 1, 1)];
    assert_eq!(pieces(b"a\nb\r", LineEndings::Replace), expected);
}

#[test]
fn a_fault_changes_nothing_and_comes_again() {
    let mut stuffer = Stuffer::new(LineEndings::Reject, true);
    assert_eq!(stuffer.next(b"ab\r").map(|piece| piece.verbatim), Ok(2));
    let fault = ContentFault::BareCr { offset: 2 };
    assert_eq!(stuffer.finish(), Err(fault));
    assert_eq!(stuffer.next(b"c"), Err(fault));
    assert_eq!(stuffer.next(b"c"), Err(fault));
    assert_eq!(stuffer.next(b"\n").map(|piece| piece.before), Ok(&b"\r\n"[..]));
    assert_eq!(stuffer.finish(), Ok(&b".\r\n"[..]));
    assert_eq!(stuffer.next(b"\0"), Err(ContentFault::Nul { offset: 0 }));
}

#[test]
fn faults_say_what_and_where() {
    let cases = [
        (ContentFault::BareCr { offset: 7 }, "content has a CR without an LF at offset 7"),
        (ContentFault::BareLf { offset: 0 }, "content has an LF without a CR at offset 0"),
        (
            ContentFault::Nul { offset: u64::MAX },
            "content has a NUL at offset 18446744073709551615",
        ),
        (
            ContentFault::EightBit { offset: 9 },
            "content has an octet above 127 at offset 9, and 8BITMIME is not in use",
        ),
    ];
    for (fault, words) in cases {
        assert_eq!(fault.to_string(), words);
        assert!(words.contains(&fault.offset().to_string()));
    }
}

#[test]
fn c_075_counts_lines_too_long() {
    // 998 octets and the CRLF, at every position towards the places where an LF is looked for
    for lead in (0..1100).step_by(7) {
        for (length, count) in [(998, 0), (999, 1), (2000, 1)] {
            for end in ["\r\n", "\n", "\r", ""] {
                let head = "x".repeat(lead % 499) + "\r\n" + &"y".repeat(lead % 401) + "\r\n";
                let content = format!("{head}{}{end}", ".".repeat(length));
                let scan = Scan::of(content.as_bytes());
                assert_eq!(scan.long_lines(), count, "{lead} {length} {end:?}");
                assert_eq!(scan.long_line(), (count > 0).then_some(head.len() as u64));
                assert!(scan.has_dots());
                let mut single = Scanner::new();
                content.as_bytes().chunks(1).for_each(|octet| single.update(octet));
                assert_eq!(single.finish(), scan, "{lead} {length} {end:?}");
            }
        }
    }
}

#[test]
fn scan_says_what_it_saw() {
    let scan = Scan::of(b"a\rb\nc\0\xff\r\n.");
    assert_eq!((scan.octets(), scan.bare_cr(), scan.bare_lf()), (10, Some(1), Some(3)));
    assert_eq!((scan.nul(), scan.eight_bit()), (Some(5), Some(6)));
    assert!(scan.has_dots() && !scan.ends_with_crlf() && !scan.is_verbatim());
    assert!(Scan::of(b"a\r\n").is_verbatim() && Scan::of(b"a\r\n").ends_with_crlf());
    assert!(Scan::of(b"").is_verbatim() && !Scan::of(b"\n").ends_with_crlf());
    assert!(!Scan::of(b".").is_verbatim() && !Scan::of(b"\0").is_verbatim());
    for octet in EIGHTH_BIT..=u8::MAX {
        assert_eq!(Scan::of(&[b'a', octet]).eight_bit(), Some(1), "{octet}");
    }
}

/// Short lines are passed over together, and the line behind them counts from where it begins,
/// wherever that is, also near the end of a block of 4,097 octets. After the first bare LF others are
/// no news.
#[test]
fn c_075_a_line_too_long_is_found_across_two_blocks() {
    for lead in (2050..4200).step_by(3) {
        let lines = "short lines\r\n".repeat(lead / 13) + &"z".repeat(lead % 13) + "\r\n";
        for length in [997, 998, 999, 1000] {
            for (first, end) in [("", "\r\n"), ("", "\r\nlast\r\n"), ("\n", "\n"), ("\n", "\nz\n")]
            {
                let content = format!("{first}{lines}{}{end}", "x".repeat(length));
                let scan = Scan::of(content.as_bytes());
                assert_eq!(told(&scan), model_scan(content.as_bytes()), "{lead} {length} {end:?}");
            }
        }
    }
}

/// Content full of what matters, from a few octets to several blocks.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let odd = prop_oneof![
        4 => Just(b"\r\n".to_vec()),
        3 => Just(b".".to_vec()),
        2 => Just(b"\r".to_vec()),
        2 => Just(b"\n".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..3),
    ];
    // Mostly without faults of their own, or nothing behind the first would be reached.
    let text = (0..4_usize, prop_oneof![4 => 1..600_usize, 1 => 600..3000_usize])
        .prop_map(|(kind, size)| vec![b"ab. "[kind]; if kind == 0 { size } else { size % 40 }]);
    let dense = prop::collection::vec(odd, 0..12).prop_map(|parts| parts.concat());
    let mixed = prop::collection::vec((dense.clone(), text), 0..12)
        .prop_map(|parts| parts.into_iter().flat_map(|(a, b)| [a, b].concat()).collect());
    prop_oneof![dense, mixed]
}

fn policy() -> impl Strategy<Value = LineEndings> {
    prop_oneof![
        3 => Just(LineEndings::Normalize),
        1 => Just(LineEndings::Reject),
        2 => Just(LineEndings::Replace),
        1 => Just(LineEndings::Raw),
    ]
}

/// Content cut at offsets taken modulo what is left.
fn cut<'a>(content: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let (mut rest, mut chunks) = (content, Vec::new());
    for size in sizes {
        let (chunk, behind) = rest.split_at(size % (rest.len() + 1));
        chunks.push(chunk);
        rest = behind;
    }
    chunks.push(rest);
    chunks
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn t2_c_068_any_content_in_any_chunks_is_as_the_model_says(
        content in content(),
        sizes in prop::collection::vec(prop_oneof![0..20_usize, 0..5000_usize], 0..8),
        policy in policy(),
        eight_bit: bool,
    ) {
        let (wire, result) = stuff(&cut(&content, &sizes), policy, eight_bit);
        let wanted = model_wire(&content, policy, eight_bit);
        prop_assert_eq!(result, wanted.clone().map(drop));
        let Ok(wanted) = wanted else { return Ok(()) };
        prop_assert_eq!(&wire, &wanted);
        if policy != LineEndings::Raw {
            assert_cannot_be_misread(&wire);
            prop_assert_eq!(unstuff(&wire), model_normalized(&content, policy, eight_bit).unwrap());
        }
    }

    #[test]
    fn scan_is_as_the_model_says(
        content in content(),
        sizes in prop::collection::vec(prop_oneof![0..20_usize, 0..5000_usize], 0..8),
        policy in policy(),
        eight_bit: bool,
    ) {
        let mut scanner = Scanner::new();
        cut(&content, &sizes).into_iter().for_each(|chunk| scanner.update(chunk));
        let scan = scanner.finish();
        prop_assert_eq!(told(&scan), model_scan(&content));
        let normalized = model_normalized(&content, policy, eight_bit);
        prop_assert_eq!(scan.check(policy, eight_bit), normalized.clone().map(drop));
        prop_assert_eq!(scan.ends_with_crlf(), content.ends_with(b"\r\n"));
        if let Ok(normalized) = normalized {
            prop_assert_eq!(scan.normalized_len(policy), normalized.len() as u64);
        }
        if scan.is_verbatim() {
            let end: &[u8] = if content.is_empty() || scan.ends_with_crlf() { b".\r\n" } else { b"\r\n.\r\n" };
            let (wire, result) = stuff(&[&content], LineEndings::Reject, true);
            prop_assert_eq!((wire, result), ([&content[..], end].concat(), Ok(())));
        }
    }
}
