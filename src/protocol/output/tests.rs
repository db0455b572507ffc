//! What is laid out and what is written of it: runs, their limits, and what is left of a secret.

use super::*;
use crate::wire::Scan;

/// An output with content that may have any line ends, all of it promised.
fn begun(content: &[u8]) -> Output {
    let mut output = Output::default();
    output.begin_stuffed(LineEndings::Normalize, false);
    output.promise(content.len());
    output
}

fn runs(output: &Output) -> Vec<Run> {
    output.runs.iter().copied().collect()
}

#[test]
fn content_is_lent_in_long_pieces_and_copied_in_short_ones() {
    let content = [b'x'; SMALL];
    let mut output = begun(&content);
    output.plan(&content, 8).unwrap();
    assert_eq!(runs(&output), [Run::Caller(SMALL)]);
    let mut slices = [IoSlice::new(b""); 8];
    assert_eq!(output.slices(&content, &mut slices), 1);
    assert_eq!(slices[0].as_ptr(), content.as_ptr());

    let short = &content[1..];
    let mut output = begun(short);
    output.plan(short, 8).unwrap();
    assert_eq!(runs(&output), [Run::Own(short.len()), Run::Skip(short.len())]);
}

#[test]
fn what_is_behind_all_runs_is_lent_and_dropped_with_them() {
    let content = [b'x'; SMALL];
    let mut output = begun(&content);
    output.plan(&content, 8).unwrap();
    output.own(|own| own.extend_from_slice(b"RSET\r\n"));
    let mut slices = [IoSlice::new(b""); 8];
    assert_eq!(output.slices(&content, &mut slices[..1]), 1);
    assert_eq!(output.slices(&content, &mut slices), 2);
    assert_eq!(&*slices[1], b"RSET\r\n");

    // Half a write, and then the rest of it.
    assert_eq!(output.wrote(SMALL + 2), SMALL);
    let mut slices = [IoSlice::new(b""); 8];
    assert_eq!(output.slices(b"", &mut slices), 1);
    assert_eq!(&*slices[0], b"ET\r\n");
    assert_eq!(output.wrote(4), 0);
    assert!(!output.is_pending());
    assert_eq!(output.slices(b"", &mut [IoSlice::new(b"")]), 0);
}

/// A part of a write may leave the end of a content alone: the commands behind it need no write of
/// their own.
#[test]
fn what_is_behind_goes_out_with_the_last_octets_of_the_session() {
    let content = [b'x'; SMALL];
    let mut output = begun(&content);
    output.end();
    output.plan(&content, 8).unwrap();
    assert_eq!(output.wrote(SMALL + 2), SMALL);
    output.own(|own| own.extend_from_slice(b"RSET\r\n"));
    let mut slices = [IoSlice::new(b"")];
    assert_eq!(output.slices(b"", &mut slices), 1);
    assert_eq!(&*slices[0], b".\r\nRSET\r\n");
    assert_eq!(output.wrote(5), 0);
    let mut slices = [IoSlice::new(b"")];
    assert_eq!(output.slices(b"", &mut slices), 1);
    assert_eq!(&*slices[0], b"ET\r\n");
}

#[test]
fn short_lines_are_copied_into_one_slice() {
    let content = b"one\n.two\nthree\n";
    let mut output = begun(content);
    output.plan(content, 8).unwrap();
    let wire = b"one\r\n..two\r\nthree";
    assert_eq!(runs(&output), [Run::Own(wire.len()), Run::Skip(content.len())]);
    let mut slices = [IoSlice::new(b""); 8];
    assert_eq!(output.slices(content, &mut slices), 1);
    assert_eq!(&*slices[0], wire);
}

#[test]
fn t2_the_terminator_waits_for_all_that_was_promised() {
    let mut output = begun(b"a\r\nb");
    output.end();
    assert_eq!(output.plan(b"a\r", 8), Ok(None));
    assert_eq!(output.plan(b"a\r\nb", 8), Ok(Some(9)));
    let mut slices = [IoSlice::new(b""); 8];
    assert_eq!(output.slices(b"a\r\nb", &mut slices), 1);
    assert_eq!(&*slices[0], b"a\r\nb\r\n.\r\n");
}

#[test]
fn t2_c_069_content_that_goes_as_it_is_gets_the_line_end_that_it_lacks() {
    for (content, terminator) in
        [(&b""[..], &b".\r\n"[..]), (b"a\r\n", b".\r\n"), (b"a", b"\r\n.\r\n")]
    {
        let mut output = begun(content);
        output.begin_verbatim(Scan::of(content).verbatim().unwrap().is_whole);
        output.end();
        output.plan(content, 8).unwrap();
        assert_eq!(output.own, [content, terminator].concat());
    }

    assert!(Scan::of(b"a\n.b").verbatim().is_none());
}

#[test]
fn t13_no_more_is_laid_out_than_one_write_takes() {
    // Slices: each line is one piece, the dot before it another.
    let content = [b".", &[b'x'; SMALL][..], b"\r\n"].concat().repeat(9);
    for (slices, laid_out) in [(0, 0), (1, 2), (2, 2), (3, 4), (17, 18), (18, 18), (19, 18)] {
        let mut output = begun(&content);
        output.plan(&content, slices).unwrap();
        assert_eq!(output.runs.len(), laid_out, "{slices} slices");
    }

    // Octets that are copied, up to the end of a line.
    let most = 32 * 1024;
    let content = b"abc\n".repeat(most);
    let mut output = begun(&content);
    output.plan(&content, 64).unwrap();
    assert_eq!(output.own.len(), most);
    output.plan(&content, 64).unwrap();
    assert_eq!(output.own.len(), most);
}

/// A socket may take a part of what holds a secret: the rest still does.
#[test]
fn t11_a_secret_is_wiped_as_it_is_written() {
    let mut output = Output::default();
    output.own(|own| own.extend_from_slice(b"NOOP\r\n"));
    assert!(!output.secret);
    output.secret(|own| own.extend_from_slice(b"wonderland\r\n"));
    output.wrote(8);
    assert!(output.secret);
    assert_eq!(&output.own[..], b"nderland\r\n");
    output.wipe(6);
    assert_eq!(&output.own[..], b"\0\0\0\0\0\0nd\r\n");
    output.wrote(10);
    assert!(!output.secret);

    // What is none is left to its buffer.
    output.own(|own| own.extend_from_slice(b"NOOP\r\n"));
    output.wrote(2);
    assert!(!output.secret);
    output.wipe(4);
    assert_eq!(&output.own[..], b"OP\r\n");
}

#[test]
fn what_was_not_laid_out_was_not_written() {
    let mut output = Output::default();
    output.own(|own| own.extend_from_slice(b"NOOP\r\n"));
    output.promise(100);
    assert_eq!(output.wrote(1000), 0);
    assert_eq!((output.written(), output.promised()), (6, 100));
}
