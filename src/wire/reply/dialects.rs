//! What real servers say, row by row, as far as a reply alone can show it.

use super::tests::{flagged, lines, noted, one, plain, read, refused};
use super::*;
use crate::wire::{Code, Quirk, Quirks, Severity, Strictness};
use ReplyKind::{Auth, Greeting, Hello, Other};
use Strictness::{Lenient, Strict, Tolerant};

/// An error when strict, tolerant and lenient alike; its words.
#[track_caller]
fn always_refused(octets: &[u8], kind: ReplyKind) -> String {
    let error = refused(octets, kind, Tolerant);
    assert_eq!(refused(octets, kind, Strict), error);
    assert_eq!(refused(octets, kind, Lenient), error);
    error.to_string()
}

#[test]
fn dialect_1_dialect_2_dialect_3_codes_without_text() {
    assert_eq!(plain(b"220\r\n", Greeting).text(), "");
    assert_eq!(plain(b"220 \r\n", Greeting).text(), "");
    let reply = plain(b"250-mx\r\n250-SIZE\r\n250\r\n", Hello);
    assert_eq!(lines(&reply), [&b"mx"[..], b"SIZE", b""]);
}

#[test]
fn dialect_4_bare_lf() {
    let reply = flagged(b"250-a\n250 b\n", Other, Quirk::BareLf);
    assert_eq!(lines(&reply), [b"a", b"b"]);
}

#[test]
fn dialect_5_cr_cr_lf() {
    let reply = flagged(b"250 a\r\r\n", Other, Quirk::CrCrLf);
    assert_eq!(lines(&reply), [b"a"]);
    assert_eq!(flagged(b"250-a\r\r\r\n250\r\r\n", Other, Quirk::CrCrLf).text(), "a\n");
}

#[test]
fn dialect_6_tab_behind_the_code() {
    let reply = flagged(b"220\tmx ready\r\n", Greeting, Quirk::TabSeparator);
    assert_eq!(reply.text(), "mx ready");
}

#[test]
fn dialect_7_another_octet_behind_the_code() {
    assert_eq!(
        always_refused(b"220xmx\r\n", Greeting),
        r#"neither space nor hyphen behind the code: "220xmx""#
    );
}

#[test]
fn dialect_8_four_digits() {
    assert_eq!(always_refused(b"2200 mx\r\n", Greeting), r#"not a reply line: "2200 mx""#);
}

#[test]
fn dialect_9_dialect_10_exactly_three_digits_at_the_very_beginning() {
    for line in ["+22 x", " 22 x", "2_2", "22 x", "-220 x", "0x2 y", " 220 mx", "\t220 mx"] {
        let words = always_refused(format!("{line}\r\n").as_bytes(), Greeting);
        let shown = line.replace('\t', r"\x09");
        assert_eq!(words, format!("not a reply line: \"{shown}\""));
    }
}

#[test]
fn dialect_11_one_blank_line_before_a_reply() {
    for kind in [Greeting, Hello, Other] {
        let reply = flagged(b"\r\n250 mx\r\n", kind, Quirk::BlankLine);
        assert_eq!((reply.line_count(), reply.to_string().as_str()), (1, "250 mx"));
        assert_eq!(reply.octets(), b"\r\n250 mx\r\n");
    }
    assert_eq!(refused(b"\r\n\r\n", Greeting, Tolerant).to_string(), r#"not a reply line: """#);
    let each = read(b"\r\n250 a\r\n\r\n250 b\r\n", Other, Tolerant);
    assert_eq!((each.replies.len(), each.error), (2, None));
}

#[test]
fn dialect_12_blank_lines_inside_a_reply() {
    let reply = flagged(b"250-a\r\n\r\n\r\n250 b\r\n", Hello, Quirk::BlankLine);
    assert_eq!(lines(&reply), [b"a", b"b"]);
    assert_eq!(reply.line_count(), 2);
}

#[test]
fn dialect_13_garbage_before_a_reply() {
    assert_eq!(
        always_refused(b"ld.so: warning\r\n220 mx\r\n", Greeting),
        r#"not a reply line: "ld.so: warning""#
    );
}

#[test]
fn dialect_14_lines_without_code() {
    let octets = b"250-mx\r\n8BITMIME\r\nSIZE 1000\r\n250 HELP\r\n";
    for strictness in [Strict, Tolerant] {
        let error = refused(octets, Hello, strictness);
        assert_eq!(error.to_string(), r#"not a reply line: "8BITMIME""#);
    }
    let reply = one(octets, Hello, Lenient);
    assert_eq!(reply.quirks(), Quirks::from(Quirk::MissingCode));
    assert_eq!(lines(&reply), [&b"mx"[..], b"8BITMIME", b"SIZE 1000", b"HELP"]);
    assert_eq!(reply.line_count(), 4);
    let missing = Quirks::from(Quirk::MissingCode);
    for (len, quirks) in [(512, missing), (513, missing | Quirk::LongLine)] {
        let line = "X".repeat(len - 2);
        let octets = format!("250-mx\r\n{line}\r\n250 HELP\r\n");
        assert_eq!(one(octets.as_bytes(), Hello, Lenient).quirks(), quirks, "{len}");
    }
    // Inside a reply to EHLO, and nowhere else.
    refused(octets, Other, Lenient);
    refused(octets, Greeting, Lenient);
    refused(b"8BITMIME\r\n250 mx\r\n", Hello, Lenient);
}

#[test]
fn dialect_15_different_codes() {
    let greeting = flagged(b"220-mx\r\n554 go away\r\n", Greeting, Quirk::MixedCodes);
    assert_eq!(greeting.code(), Code::FAILED);
    let greeting = flagged(b"554-hm\r\n220 well\r\n", Greeting, Quirk::MixedCodes);
    assert_eq!(greeting.code(), Code::READY);
    let same_class = flagged(b"250-mx\r\n220 x\r\n", Hello, Quirk::MixedCodes);
    assert_eq!(same_class.code(), Code::READY);
    assert_eq!(
        always_refused(b"250-mx\r\n421 x\r\n", Hello),
        r#"reply begins with 250 and goes on with another class: "421 x""#
    );
}

#[test]
fn dialect_16_dialect_29_what_came_of_a_reply_can_be_shown() {
    let outcome = read(b"250-mx\r\n250-SIZE\r\n250-STARTT", Hello, Strict);
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.partial, [&b"250-mx"[..], b"250-SIZE"]);
    assert_eq!(outcome.fragment, b"250-STARTT");
    let between = read(b"220 a\r\n22", Greeting, Strict);
    assert_eq!((between.replies.len(), between.fragment), (1, b"22".to_vec()));
}

#[test]
fn dialect_17_dialect_18_dialect_19_dialect_20_what_is_too_much_stays_behind_as_replies_of_its_own()
{
    let hello = read(b"250 mx\r\n250-SIZE\r\n250 HELP\r\n", Hello, Strict);
    assert_eq!(hello.replies.len(), 2);
    let greetings = read(b"220 a\r\n220 b\r\n", Greeting, Strict);
    assert_eq!(greetings.replies.len(), 2);
    let data = read(b"354 go\r\n250 queued\r\n", Other, Strict);
    let codes: Vec<_> = data.replies.iter().map(|reply| reply.code().number()).collect();
    assert_eq!(codes, [354, 250]);
}

#[test]
fn dialect_21_lines_over_512() {
    let octets = format!("250-mx\r\n250 {}\r\n", "x".repeat(1000));
    assert_eq!(noted(octets.as_bytes(), Other, Quirk::LongLine).line_count(), 2);
}

#[test]
fn dialect_22_dialect_23_no_reply_without_end() {
    let ehlo = b"250-X-KEYWORD\r\n".repeat(3000);
    assert_eq!(always_refused(&ehlo, Hello), r#"reply of more than 256 lines: "250-X-KEYWORD""#);
}

#[test]
fn dialect_24_nul() {
    let reply = noted(b"500 \"NO\0OP\"\r\n", Other, Quirk::Nul);
    assert_eq!(lines(&reply), [b"\"NO\0OP\""]);
    assert_eq!(reply.to_string(), r#"500 "NO\x00OP""#);
}

#[test]
fn dialect_25_octets_outside_ascii() {
    let utf8 = noted("252 2.0.0 j\u{fc}rgen\r\n".as_bytes(), Other, Quirk::NonAscii);
    assert_eq!(utf8.text(), "j\u{fc}rgen");
    // A character that the server broke over two lines.
    let broken = noted(b"550-gr\xc3\r\n550 \xbcn\r\n", Other, Quirk::NonAscii);
    assert_eq!(lines(&broken), [&b"gr\xc3"[..], b"\xbcn"]);
    assert_eq!(broken.text(), "gr\u{fffd}\n\u{fffd}n");
}

#[test]
fn dialect_26_codes_without_meaning() {
    for octets in [&b"259 x\r\n"[..], b"200 x\r\n", b"299-x\r\n299 y\r\n"] {
        let reply = one(octets, Other, Tolerant);
        assert_eq!(reply.severity(), Severity::Completed);
        assert!(reply.quirks().contains(Quirk::UnknownCode));
    }
    noted(b"259 x\r\n", Other, Quirk::UnknownCode);
    noted(b"200 x\r\n", Other, Quirk::UnknownCode);
    assert_eq!(one(b"599 x\r\n", Other, Tolerant).severity(), Severity::Permanent);
    assert_eq!(
        always_refused(b"850 NONSENSE\r\n", Other),
        r#"reply code outside 200 to 599: "850 NONSENSE""#
    );
    assert_eq!(always_refused(b"611 x\r\n", Other), r#"reply code outside 200 to 599: "611 x""#);
}

#[test]
fn dialect_27_second_digit_out_of_range() {
    let octets = b"280 x\r\n";
    let reply = one(octets, Other, Tolerant);
    assert_eq!(reply.quirks(), Quirks::from(Quirk::OddCode) | Quirk::UnknownCode);
    let fault = refused(octets, Other, Strict).fault();
    assert_eq!(fault, ReplyFault::Quirk(Quirk::OddCode));
}

#[test]
fn dialect_28_another_protocol_answers() {
    for (octets, foreign) in [
        (&b"HTTP/1.1 400 Bad Request\r\n"[..], Foreign::Http),
        (b"\x15\x03\x03\x00\x02\x02\x0a", Foreign::Tls),
    ] {
        for strictness in [Strict, Tolerant, Lenient] {
            let fault = refused(octets, Greeting, strictness).fault();
            assert_eq!(fault, ReplyFault::NotSmtp(foreign));
        }
    }
}

#[test]
fn dialect_30_long_banners_are_awaited_to_their_end() {
    let banner = b"220-This system is for authorised use only.\r\n".repeat(15);
    assert_eq!(read(&banner, Greeting, Strict).partial.len(), 15);
    let whole = [&banner[..], b"220 mx ESMTP\r\n"].concat();
    assert_eq!(plain(&whole, Greeting).line_count(), 16);
}

#[test]
fn dialect_31_the_word_esmtp_makes_no_difference() {
    for octets in [&b"220 mx Esmtp\r\n"[..], b"220 mx\r\n", b"220 mx SMTP\r\n"] {
        assert_eq!(plain(octets, Greeting).code(), Code::READY);
    }
}

#[test]
fn dialect_32_a_greeting_of_asterisks() {
    for octets in [
        &b"220 ********\r\n"[..],
        b"220 ****************************0****0***2*****2**0*00\r\n",
        b"220 **** ***\r\n",
    ] {
        let reply = flagged(octets, Greeting, Quirk::PixFixup);
        assert_eq!(reply.code(), Code::READY);
    }
    for octets in [&b"220 mx *** hello ***\r\n"[..], b"220 *\r\n", b"220 2020\r\n"] {
        plain(octets, Greeting);
    }
    plain(b"250 ********\r\n", Other);
}

#[test]
fn dialect_33_dialect_34_dialect_35_dialect_36_refusing_greetings_are_replies() {
    let refusal = b"554-mx Transaction failed\r\n554-Reject due to policy\r\n554 https://example.org/?c=bl\r\n";
    let reply = plain(refusal, Greeting);
    assert_eq!((reply.code(), reply.line_count()), (Code::FAILED, 3));
    assert_eq!(
        reply.text(),
        "mx Transaction failed\nReject due to policy\nhttps://example.org/?c=bl"
    );
    let busy = plain(b"421 mx busy\r\n", Greeting);
    assert_eq!((busy.severity(), busy.text().as_ref()), (Severity::Transient, "mx busy"));
    let no_mail = plain(b"521 mx\r\n", Greeting);
    assert_eq!(no_mail.code(), Code::NO_MAIL_SERVICE);
    for octets in [&b"221 x\r\n"[..], b"250 x\r\n", b"354 x\r\n", b"550 x\r\n"] {
        assert_ne!(plain(octets, Greeting).code(), Code::READY);
    }
}

#[test]
fn dialect_55_no_enhanced_code_on_ehlo_lines() {
    let reply = plain(b"250-2.1.0 mx\r\n250 5.1.1 X\r\n", Hello);
    assert_eq!(reply.enhanced(), None);
    assert_eq!(reply.text(), "2.1.0 mx\n5.1.1 X");
}

#[test]
fn dialect_58_another_success_of_auth_is_noted() {
    let reply = one(b"254 Authentication OK\r\n", Auth, Strict);
    assert_eq!(reply.quirks(), Quirks::from(Quirk::OddAuthSuccess) | Quirk::UnknownCode);
    noted(b"250 ok\r\n", Auth, Quirk::OddAuthSuccess);
    for usual in [&b"235 2.7.0 ok\r\n"[..], b"334 \r\n", b"535 5.7.8 no\r\n"] {
        assert!(!one(usual, Auth, Strict).quirks().contains(Quirk::OddAuthSuccess));
    }
    let code = one(b"535 5.7.8 no\r\n", Auth, Strict).enhanced();
    assert_eq!(code.map(|code| code.to_string()).as_deref(), Some("5.7.8"));
    assert!(!one(b"254 ok\r\n", Other, Strict).quirks().contains(Quirk::OddAuthSuccess));
}

#[test]
fn dialect_63_enhanced_codes_that_are_missing_or_odd() {
    let enhanced = |octets: &[u8]| {
        let code = one(octets, Other, Strict).enhanced();
        code.map_or_else(|| "-".to_owned(), |code| code.to_string())
    };
    assert_eq!(enhanced(b"250 ok\r\n"), "-");
    assert_eq!(enhanced(b"250 2.1000.0 ok\r\n"), "-");
    assert_eq!(enhanced(b"550 #5.1.1 none\r\n"), "5.1.1");
    assert_eq!(enhanced(b"550 (#5.7.1) none\r\n"), "5.7.1");
    assert_eq!(enhanced(b"550 5.7.1: none\r\n"), "5.7.1");
    assert_eq!(enhanced(b"550-5.1.64 only\r\n550 first\r\n"), "5.1.64");
    assert_eq!(enhanced(b"550-only\r\n550 5.1.10 last\r\n"), "5.1.10");
    let last = plain(b"550-only\r\n550 5.1.10 last\r\n", Other);
    assert_eq!(last.text(), "only\nlast");
    noted(b"250 5.0.0 queued\r\n", Other, Quirk::EnhancedClash);
}

#[test]
fn recorded_replies_are_read_without_a_remark() {
    // Postfix, Exim, OpenSMTPD, Dovecot.
    for (octets, kind, count) in [
        (&b"220 mail.example.test ESMTP Postfix\r\n"[..], Greeting, 1),
        (b"250-mail.example.test\r\n250-PIPELINING\r\n250-SIZE 10485760\r\n250-VRFY\r\n250-ETRN\r\n250-STARTTLS\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n", Hello, 11),
        (b"250-mail.example.test Hello client.example.test [127.0.0.1]\r\n250-SIZE 10485760\r\n250-8BITMIME\r\n250-PIPELINING\r\n250-PIPECONNECT\r\n250-PRDR\r\n250 HELP\r\n", Hello, 7),
        (b"250-mail.example.test Hello client.example.test [127.0.0.1], pleased to meet you\r\n250-8BITMIME\r\n250 HELP\r\n", Hello, 3),
        (b"500 5.5.2 Error: command not recognized\r\n", Other, 1),
        (b"221 2.0.0 Bye\r\n", Other, 1),
    ] {
        assert_eq!(plain(octets, kind).line_count(), count);
    }
}
