//! Which line of a reply a quirk is on, and which rule a violation breaks: what a report says of
//! each. That there is a quirk was found by the parser; nothing is judged anew.

use super::report::QuirkReport;
use crate::error::{Error, ErrorKind};
use crate::protocol::{Stage, Violation};
use crate::wire::{Quirk, Quirks, Reply};

/// Each quirk of a reply, with its line.
pub(super) fn quirks_of(stage: Stage, quirks: Quirks, reply: &Reply) -> Vec<QuirkReport> {
    let report = |quirk: Quirk| QuirkReport {
        stage,
        quirk: Some(quirk),
        words: quirk.to_string(),
        rule: quirk.rule(),
        line: line_of(quirk, reply).into(),
    };
    quirks.iter().map(report).collect()
}

/// What an error says of a server that broke the protocol.
pub(super) fn violation_of(error: &Error) -> Option<QuirkReport> {
    let ErrorKind::Violation(violation) = error.kind() else { return None };
    let line = match (violation, violation.reply()) {
        (_, Some(reply)) => reply.octets(),
        (Violation::Reply(fault), _) => fault.line(),
        (Violation::BehindStartTls(octets), _) => octets,
        _ => b"",
    };
    Some(QuirkReport {
        stage: error.stage(),
        quirk: None,
        words: violation.to_string(),
        rule: rule_of(violation),
        line: line.into(),
    })
}

const fn rule_of(violation: &Violation) -> &'static str {
    match violation {
        Violation::Reply(_) => "RFC 5321 §4.2",
        Violation::Unexpected(_) => "RFC 5321 §4.2",
        Violation::WrongClass { .. } => "RFC 5321 §4.3.2",
        Violation::NoTransaction { .. } => "RFC 5321 §4.1.4",
        Violation::BeforeEnd(_) => "RFC 5321 §4.1.1.4",
        Violation::BehindStartTls(_) => "RFC 3207 §4",
    }
}

/// The first line that has it; the last where it is on none alone.
fn line_of(quirk: Quirk, reply: &Reply) -> &[u8] {
    let mut lines = reply.octets().split_inclusive(|octet| *octet == b'\n');
    let last = lines.clone().next_back().unwrap_or_default();
    let first_code = reply.wire_lines().next().and_then(|line| line.get(..3));
    lines.find(|line| has(quirk, line, first_code)).unwrap_or(last)
}

/// Whether a line, with its end, shows this quirk.
fn has(quirk: Quirk, raw: &[u8], first_code: Option<&[u8]>) -> bool {
    let line = raw.strip_suffix(b"\n").unwrap_or(raw);
    let ends_in_cr = line.ends_with(b"\r");
    let text = line.trim_ascii_end();
    match quirk {
        Quirk::BareLf => !ends_in_cr,
        Quirk::CrCrLf => line.ends_with(b"\r\r"),
        Quirk::BareCr => text.contains(&b'\r'),
        Quirk::TabSeparator => line.get(3) == Some(&b'\t'),
        Quirk::BlankLine => text.is_empty(),
        Quirk::MixedCodes => line.get(..3) != first_code,
        Quirk::MissingCode => !is_code(line),
        Quirk::OddCode => is_code(line) && line.get(1).is_some_and(|digit| *digit > b'5'),
        Quirk::PixFixup => text.contains(&b'*'),
        Quirk::EmptyKeyword => text.len() <= 4,
        Quirk::LongLine => raw.len() > 512,
        Quirk::Nul => line.contains(&0),
        Quirk::NonAscii => !line.is_ascii(),
        Quirk::BadSize => line.get(4..8).is_some_and(|word| word.eq_ignore_ascii_case(b"SIZE")),
        _ => false,
    }
}

fn is_code(line: &[u8]) -> bool {
    line.get(..3).is_some_and(|code| code.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{ReplyKind, ReplyRef, Strictness};

    fn found(octets: &[u8], kind: ReplyKind) -> Vec<(Quirk, String)> {
        let parsed = ReplyRef::parse(octets, kind, Strictness::Lenient).unwrap().unwrap();
        let reply = parsed.0.to_reply();
        let reports = quirks_of(Stage::Ehlo, reply.quirks(), &reply);
        let told = |one: QuirkReport| {
            (one.quirk.unwrap(), String::from_utf8_lossy(&one.line).into_owned())
        };
        reports.into_iter().map(told).collect()
    }

    #[test]
    fn each_quirk_is_told_with_its_line() {
        let long = format!("250-{}\r\n", "x".repeat(600));
        for (octets, kind, quirk, line) in [
            ("250-a\r\n250-b\n250 c\r\n", ReplyKind::Other, Quirk::BareLf, "250-b\n"),
            ("250-a\r\r\n250 c\r\n", ReplyKind::Other, Quirk::CrCrLf, "250-a\r\r\n"),
            ("250-a\r\n250 b\rc\r\n", ReplyKind::Other, Quirk::BareCr, "250 b\rc\r\n"),
            ("250\ta\r\n", ReplyKind::Other, Quirk::TabSeparator, "250\ta\r\n"),
            ("\r\n250 a\r\n", ReplyKind::Other, Quirk::BlankLine, "\r\n"),
            ("250-a\r\n251 b\r\n", ReplyKind::Other, Quirk::MixedCodes, "251 b\r\n"),
            (
                "250-a\r\nPIPELINING\r\n250 b\r\n",
                ReplyKind::Hello,
                Quirk::MissingCode,
                "PIPELINING\r\n",
            ),
            ("260 a\r\n", ReplyKind::Other, Quirk::OddCode, "260 a\r\n"),
            ("220-a\r\n220 *****\r\n", ReplyKind::Greeting, Quirk::PixFixup, "220 *****\r\n"),
            (&format!("{long}250 a\r\n"), ReplyKind::Other, Quirk::LongLine, &long),
            ("250-a\0\r\n250 a\r\n", ReplyKind::Other, Quirk::Nul, "250-a\0\r\n"),
            ("250-ä\r\n250 a\r\n", ReplyKind::Other, Quirk::NonAscii, "250-ä\r\n"),
            ("250-2.0.0 a\r\n250 5.0.0 b\r\n", ReplyKind::Other, Quirk::EnhancedClash, ""),
        ] {
            let told = found(octets.as_bytes(), kind);
            let line_told = told.iter().find(|(one, _)| *one == quirk).map(|(_, line)| &**line);
            if quirk == Quirk::EnhancedClash {
                assert_eq!(line_told, None, "the first enhanced code counts");
            } else {
                assert_eq!(line_told, Some(line), "{quirk:?}");
            }
        }
        let clash = found(b"250 5.0.0 b\r\n", ReplyKind::Other);
        assert_eq!(clash, [(Quirk::EnhancedClash, "250 5.0.0 b\r\n".to_owned())]);
    }

    #[test]
    fn a_violation_is_told_with_its_rule_and_line() {
        let told = |violation: Violation| {
            let told = violation_of(&Error::new(Stage::StartTls, violation)).unwrap();
            (told.rule, String::from_utf8(told.line.to_vec()).unwrap())
        };
        let octets: Box<[u8]> = b"250 injected\r\n"[..].into();
        let told_of = told(Violation::BehindStartTls(octets));
        assert_eq!(told_of, ("RFC 3207 §4", "250 injected\r\n".to_owned()));
        let told_of = told(Violation::Unexpected("250 what".parse().unwrap()));
        assert_eq!(told_of, ("RFC 5321 §4.2", "250 what\r\n".to_owned()));
        assert_eq!(violation_of(&Error::new(Stage::Ehlo, ErrorKind::Closed(None))), None);
    }
}
