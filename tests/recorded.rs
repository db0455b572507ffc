//! What real servers said, as it was recorded: read whole, by line and by octet, and held against a plain reading that
//! knows nothing of buffers.

#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

#[path = "support/plainly.rs"]
#[expect(unreachable_pub, reason = "made for the fuzzer too")]
mod plainly;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ehlo::{
    Auth, Capabilities, EightBitMime, EnhancedStatusCodes, Limits, Pipelining, Reply, ReplyBuffer,
    ReplyKind, ReplyRef, Size, SmtpUtf8, StartTls, Strictness,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Record {
    server: String,
    stage: String,
    sent: String,
    reply_base64: String,
}

impl Record {
    fn octets(&self) -> Vec<u8> {
        BASE64_STANDARD.decode(&self.reply_base64).unwrap()
    }

    fn name(&self) -> String {
        format!("{} {}", self.server, self.stage)
    }

    /// What the replies answer: a greeting where nothing had been said or the client did not wait for it, and then the
    /// lines that were sent.
    fn kind(&self, reply: usize) -> ReplyKind {
        let is_greeted = self.stage == "open.greeting" || self.stage.starts_with("misc.early");
        match reply.checked_sub(usize::from(is_greeted)) {
            None => ReplyKind::Greeting,
            Some(line) => match self.sent.lines().nth(line).unwrap_or_default().get(..4) {
                Some("EHLO" | "LHLO" | "HELO") => ReplyKind::Hello,
                _ => ReplyKind::Other,
            },
        }
    }
}

fn records() -> Vec<Record> {
    let records: Vec<Record> = include_str!("data/replies.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(records.len(), 229);
    records
}

/// All replies that come of these pieces, and what is left.
fn read<'a>(
    record: &Record,
    strictness: Strictness,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Reply>, Vec<u8>) {
    let mut buffer = ReplyBuffer::new(Limits::default(), strictness);
    let mut replies = Vec::new();
    for piece in pieces {
        buffer.extend(piece);
        while buffer
            .next(record.kind(replies.len()))
            .unwrap_or_else(|error| panic!("{}: {error}", record.name()))
        {
            replies.push(buffer.reply().unwrap().to_reply());
            buffer.consume();
        }
    }
    (replies, buffer.pending().to_vec())
}

/// Three numbers with dots between them, the first a class.
fn status_at(text: &str) -> Option<&str> {
    let word = text.split(' ').next()?;
    let parts: Vec<&str> = word.split('.').collect();
    let numbers = parts.iter().all(|part| part.parse::<u16>().is_ok());
    (numbers && parts.len() == 3 && ["2", "4", "5"].contains(&parts[0])).then_some(word)
}

#[test]
fn c_010_c_011_every_cut_gives_the_replies_that_are_there() {
    let mut count = 0;
    for record in records() {
        let octets = record.octets();
        let expected = plainly::replies(&octets).unwrap();
        count += expected.len();
        // None of these servers does anything that strict reading refuses.
        for strictness in [Strictness::Strict, Strictness::Tolerant, Strictness::Lenient] {
            let whole = read(&record, strictness, [&octets[..]]);
            assert_eq!(whole.0.len(), expected.len(), "{}", record.name());
            assert!(whole.1.is_empty());
            let by_line = octets.split_inclusive(|octet| *octet == b'\n');
            assert_eq!(read(&record, strictness, by_line), whole);
            assert_eq!(read(&record, strictness, octets.chunks(1)), whole);
            let sent: Vec<u8> = whole.0.iter().flat_map(|reply| reply.octets().to_vec()).collect();
            assert_eq!(sent, octets);
            for (reply, lines) in whole.0.iter().zip(&expected) {
                assert_eq!(reply.code().to_string(), lines[0][..3]);
                assert_eq!(reply.line_count(), lines.len());
                let texts: Vec<&[u8]> = lines.iter().map(|line| &line.as_bytes()[4..]).collect();
                assert_eq!(reply.lines().collect::<Vec<_>>(), texts);
            }
        }
    }
    assert_eq!(count, 349);
}

#[test]
fn dialect_16_dialect_29_what_is_cut_off_stays_unfinished() {
    for record in records() {
        let octets = record.octets();
        let (whole, _) = read(&record, Strictness::Tolerant, [&octets[..]]);
        let last = whole.last().unwrap().octets();
        for end in octets.len() - last.len()..octets.len() {
            let (replies, left) = read(&record, Strictness::Tolerant, [&octets[..end]]);
            assert_eq!(replies, whole[..whole.len() - 1], "{}", record.name());
            assert_eq!(left, octets[octets.len() - last.len()..end]);
        }
    }
}

#[test]
fn t16_no_control_is_ever_shown() {
    let mut escaped = 0;
    for record in records() {
        let (replies, _) = read(&record, Strictness::Tolerant, [&record.octets()[..]]);
        for reply in replies {
            let (one_line, rows) = (reply.to_string(), format!("{reply:#}"));
            assert!(!one_line.contains(char::is_control), "{one_line:?}");
            assert_eq!(rows.lines().count(), reply.line_count());
            assert!(!rows.replace('\n', "").contains(char::is_control), "{rows:?}");
            assert!(!format!("{reply:?}").contains(char::is_control));
            escaped += usize::from(one_line.contains(r"\x00"));
        }
    }
    assert_eq!(escaped, 2, "aiosmtpd gives back the NUL of a command");
}

#[test]
fn c_027_c_028_status_codes_are_found_where_the_text_has_them() {
    let mut found = 0;
    for record in records() {
        let octets = record.octets();
        let (replies, _) = read(&record, Strictness::Tolerant, [&octets[..]]);
        for (n, (reply, lines)) in
            replies.iter().zip(plainly::replies(&octets).unwrap()).enumerate()
        {
            let expected = match (record.kind(n), &lines[0][..1]) {
                (ReplyKind::Other, "2" | "4" | "5") => {
                    lines.iter().find_map(|line| status_at(&line[4..]))
                }
                _ => None,
            };
            let status = reply.enhanced().map(|status| status.to_string());
            assert_eq!(status.as_deref(), expected, "{}: {reply}", record.name());
            found += usize::from(status.is_some());
        }
    }
    assert_eq!(found, 153);
}

/// The capabilities of the EHLO reply in one record.
fn offered(server: &str, stage: &str) -> Capabilities {
    let records = records();
    let record =
        records.iter().find(|record| (&*record.server, &*record.stage) == (server, stage)).unwrap();
    let (replies, _) = read(record, Strictness::Strict, [&record.octets()[..]]);
    let hello = replies.iter().enumerate().find(|(n, _)| record.kind(*n) == ReplyKind::Hello);
    let (reply, _) =
        ReplyRef::parse(hello.unwrap().1.octets(), ReplyKind::Hello, Strictness::Strict)
            .unwrap()
            .unwrap();
    Capabilities::parse(reply)
}

/// What a server offers: its limit, its mechanisms, and which of PIPELINING, STARTTLS, 8BITMIME, SMTPUTF8 and
/// ENHANCEDSTATUSCODES, by their initials.
type Offer = (Option<u64>, Option<&'static str>, &'static str);

/// Nine of the ten: of Postfix with Dovecot's SASL no EHLO is among the records.
#[test]
fn c_018_c_019_c_023_each_server_offers_what_it_says() {
    let ten_mib = Some(10_485_760);
    let offers: [(&str, &str, Offer); 10] = [
        (
            "postfix",
            "misc.early-hello",
            (
                ten_mib,
                Some(
                    "PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-224 SCRAM-SHA-256 \
                     SCRAM-SHA-384 SCRAM-SHA-512",
                ),
                "PT8UE",
            ),
        ),
        (
            "exim",
            "misc.early-all",
            (
                ten_mib,
                Some("PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256 NTLM"),
                "PT8U",
            ),
        ),
        ("opensmtpd7", "misc.early-hello", (ten_mib, None, "T8E")),
        (
            "dovecot",
            "misc.early-hello",
            (
                ten_mib,
                Some(
                    "PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256 XOAUTH2 OAUTHBEARER",
                ),
                "PT8E",
            ),
        ),
        // Behind the authentication: the keyword stays, without a mechanism.
        ("dovecot", "pipeline.hello-mail", (Some(10_484_736), Some(""), "P8E")),
        ("dovecot-lmtp", "misc.early-hello", (None, None, "PT8E")),
        ("aiosmtpd", "misc.early-hello", (ten_mib, Some("LOGIN PLAIN"), "T8U")),
        ("aiosmtpd-lmtp", "misc.early-all", (ten_mib, None, "8U")),
        (
            "smtpserver",
            "pipeline.hello-mail",
            (ten_mib, Some("PLAIN LOGIN CRAM-MD5 XOAUTH2"), "PT8UE"),
        ),
        ("smtpserver-lmtp", "pipeline.hello-mail", (ten_mib, None, "P8UE")),
    ];
    for (server, stage, (limit, mechanisms, initials)) in offers {
        let offered = offered(server, stage);
        assert_eq!(offered.server_name(), "mail.example.test");
        assert!(offered.quirks().is_empty());
        let size = offered.get::<Size>().and_then(|size| size.limit());
        assert_eq!(size, limit, "{server}");
        let auth = offered.get::<Auth>();
        let auth = auth.map(|auth| auth.mechanisms().collect::<Vec<_>>().join(" "));
        assert_eq!(auth.as_deref(), mechanisms, "{server}");
        let flags = [
            ("P", offered.get::<Pipelining>().is_some()),
            ("T", offered.get::<StartTls>().is_some()),
            ("8", offered.get::<EightBitMime>().is_some()),
            ("U", offered.get::<SmtpUtf8>().is_some()),
            ("E", offered.get::<EnhancedStatusCodes>().is_some()),
        ];
        let flags = flags.iter().filter(|(_, is_offered)| *is_offered);
        assert_eq!(flags.map(|(initial, _)| *initial).collect::<String>(), initials, "{server}");
    }
}
