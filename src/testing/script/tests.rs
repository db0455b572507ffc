//! The grammar of scripts: what is read, what is refused, and in which words.

use proptest::prelude::*;

use super::*;

fn steps(text: &str) -> Vec<ScriptStep> {
    let script: Script = text.parse().unwrap();
    script.lines().iter().map(|line| line.step.clone()).collect()
}

fn say(octets: &[u8]) -> ScriptStep {
    ScriptStep::Say(octets.into())
}

#[track_caller]
fn pattern(text: &str) -> LinePattern {
    match steps(&format!("C: {text}")).pop() {
        Some(ScriptStep::Hear(pattern)) => pattern,
        other => panic!("{other:?}"),
    }
}

#[test]
fn reads_every_step() {
    let text = "# a comment\n\n  S: 220 mx \nS!\nS! 2\\x0a\nS:\nC: a  b \nC:\nC: <content 7>\n\
                -- tls\n-- WAIT 60000\n-- split 3\n-- flood 12\nS: x\n-- reset";
    let expected = [
        say(b"220 mx \r\n"),
        say(b""),
        say(b"2\n"),
        say(b"\r\n"),
        ScriptStep::Hear(pattern("a  b ")),
        ScriptStep::Hear(pattern("")),
        ScriptStep::HearContent(7),
        ScriptStep::Tls,
        ScriptStep::Wait(Duration::from_secs(60)),
        ScriptStep::Split(NonZeroUsize::new(3).unwrap()),
        ScriptStep::Flood(12),
        say(b"x\r\n"),
        ScriptStep::Reset,
    ];
    assert_eq!(steps(text), expected);
    let numbers: Vec<_> =
        text.parse::<Script>().unwrap().lines().iter().map(ScriptLine::number).collect();
    assert_eq!(numbers, [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
}

#[test]
fn refuses_with_these_words() {
    let cases = [
        ("S: a\nX: b", "line 2: `S:`, `S!`, `C:`, `--` or `#` must stand at its start, not \"X:\""),
        ("\n\ns", "line 3: `S:`, `S!`, `C:`, `--` or `#` must stand at its start, not \"s\""),
        ("ü", "line 1: `S:`, `S!`, `C:`, `--` or `#` must stand at its start, not \"ü\""),
        ("aü: x", "line 1: `S:`, `S!`, `C:`, `--` or `#` must stand at its start, not \"aü:\""),
        ("S:220", "line 1: a space must follow the mark"),
        ("C: a\\q", r"line 1: an escape is none of `\xNN`, `\u{NNNN}` and `\\`"),
        ("S! \\x0", r"line 1: an escape is none of `\xNN`, `\u{NNNN}` and `\\`"),
        ("C: <content x>", "line 1: `<content N>` needs a number of octets"),
        ("-- ", "line 1: `--` knows no \"\""),
        ("-- sleep 4", "line 1: `--` knows no \"sleep\""),
        ("-- wait", "line 1: `-- wait` needs a number of milliseconds, at least 1"),
        ("-- wait -1", "line 1: `-- wait` needs a number of milliseconds, at least 1"),
        ("-- wait 60001", "line 1: `-- wait` takes at most 60000 milliseconds"),
        ("-- split 0", "line 1: `-- split` needs a number of octets, at least 1"),
        ("-- flood many", "line 1: `-- flood` needs a number of octets, at least 1"),
        ("-- TLS now", "line 1: `-- TLS` stands alone"),
        ("-- flood 5\nC: x", "line 2: an `S` line must follow `-- flood`"),
        ("S: x\n-- flood 5\n# end", "line 2: an `S` line must follow `-- flood`"),
        ("-- stall\n# still\nS: x", "line 3: nothing can follow a stall, a close or a reset"),
    ];
    for (text, words) in cases {
        let error = text.parse::<Script>().unwrap_err();
        assert_eq!(error.to_string(), words);
        assert!(words.starts_with(&format!("line {}: ", error.line())));
    }
}

#[test]
fn a_secret_matches_any_octets() {
    let cases: [(&str, &[&str], &[&str]); 4] = [
        ("NOOP", &["NOOP"], &["NOOP ", "noop", "NOO", ""]),
        ("AUTH PLAIN <secret>", &["AUTH PLAIN x", "AUTH PLAIN "], &["AUTH PLAIN", "AUTH LOGIN x"]),
        ("<secret>", &["", "anything"], &[]),
        ("a<secret>b<secret>b", &["abb", "axbyb", "abbb"], &["ab", "abc", "xabb"]),
    ];
    for (text, matching, others) in cases {
        let pattern = pattern(text);
        assert_eq!(pattern.has_secret(), text.contains(SECRET));
        assert_eq!(pattern.to_string(), text);
        for line in matching {
            assert!(pattern.matches(line.as_bytes()), "{text}: {line}");
        }
        for line in others {
            assert!(!pattern.matches(line.as_bytes()), "{text}: {line}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_printed_can_be_read_back(octets: Vec<u8>, ends: bool, time in 1u64..=60_000, n in 1u64..) {
        let line = [&octets[..], if ends { b"\r\n" } else { b"" }].concat();
        let written = [
            say(&line),
            ScriptStep::Wait(Duration::from_millis(time)),
            ScriptStep::HearContent(n),
            ScriptStep::Flood(n),
            say(&line),
            ScriptStep::Stall,
        ];
        let text: Vec<_> = written.iter().map(ToString::to_string).collect();
        prop_assert_eq!(steps(&text.join("\n")), written);
        let shown = match Escaped::new(&octets).to_string() {
            shown if shown.is_empty() => "C:".to_owned(),
            shown => format!("C: {shown}"),
        };
        prop_assert_eq!(steps(&shown)[0].to_string(), shown);
    }

    #[test]
    fn no_text_is_too_much(text in "([SC-][:!-] ?)?[ -~\\n<>\\\\ü]{0,60}") {
        let _ = text.parse::<Script>();
    }
}
