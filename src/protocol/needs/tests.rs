//! What mails need, rule by rule, and the words in which servers fall short.

use super::*;
use crate::wire::{ReplyKind, ReplyRef, Strictness};

const SEVEN: &[u8] = b"Subject: x\r\n\r\nhello\r\n";
const EIGHT: &[u8] = b"Subject: x\r\n\r\nhall\xf6\r\n";
const MODERN: &str = "SIZE 1000|8BITMIME|SMTPUTF8";
const BINARY: &str = "8BITMIME|CHUNKING|BINARYMIME";

fn offered(keywords: &str) -> Capabilities {
    let lines = keywords.split('|').map(|keyword| format!("250-{keyword}\r\n"));
    let reply = format!("250-mx\r\n{}250 X-LAST\r\n", lines.collect::<String>());
    let parsed = ReplyRef::parse(reply.as_bytes(), ReplyKind::Hello, Strictness::Tolerant);
    Capabilities::parse(parsed.unwrap().unwrap().0)
}

fn envelope() -> Envelope {
    Envelope::new("a@x", ["b@x"]).unwrap()
}

fn declares(body: BodyType) -> Envelope {
    envelope().param(MailParam::body(body))
}

#[track_caller]
fn needs(envelope: &Envelope, content: &[u8], policy: LineEndings) -> Needs {
    Needs::of(envelope, content, &Scan::of(content), policy).unwrap()
}

fn fault(envelope: &Envelope, content: &[u8], policy: LineEndings) -> ContentFault {
    Needs::of(envelope, content, &Scan::of(content), policy).unwrap_err()
}

fn params(needs: &Needs, envelope: &Envelope, keywords: &str) -> Result<String, String> {
    let params = needs.params(envelope, &offered(keywords)).map_err(|unmet| unmet.to_string())?;
    Ok(params.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
}

/// The parameters, or the words of what is wrong, under the default policy.
fn mail(envelope: &Envelope, content: &[u8], keywords: &str) -> Result<String, String> {
    params(&needs(envelope, content, LineEndings::Normalize), envelope, keywords)
}

fn said(words: &str) -> Result<String, String> {
    Err(words.to_owned())
}

#[test]
fn c_114_plain_mail_needs_nothing() {
    assert_eq!(mail(&envelope(), SEVEN, "8BITMIME|SMTPUTF8"), Ok(String::new()));
    assert_eq!(mail(&envelope(), SEVEN, MODERN), Ok("SIZE=21".to_owned()));
    let plain = needs(&envelope(), SEVEN, LineEndings::Normalize);
    assert_eq!((plain.body(), plain.smtp_utf8()), (Some(BodyType::SevenBit), None));
    assert_eq!((plain.size(), plain.long_lines()), (Some(21), 0));
}

#[test]
fn c_074_octets_above_127_need_8bitmime() {
    assert_eq!(mail(&envelope(), EIGHT, MODERN), Ok("BODY=8BITMIME SIZE=21".to_owned()));
    let words = "the server does not offer 8BITMIME, which content with octets above 127 (the first at 18) needs";
    assert_eq!(mail(&envelope(), EIGHT, "SMTPUTF8"), said(words));
    let fault = fault(&declares(BodyType::SevenBit), EIGHT, LineEndings::Normalize);
    assert_eq!(fault, ContentFault::EightBit { offset: 18 });
    let unknown = envelope().param(Param::with_value("BODY", "9BIT").unwrap());
    assert_eq!(mail(&unknown, SEVEN, MODERN), Ok("BODY=9BIT SIZE=21".to_owned()));
    assert!(Needs::of(&unknown, EIGHT, &Scan::of(EIGHT), LineEndings::Normalize).is_err());
}

/// What is given goes out as it was given; that it is offered is the session's to check.
#[test]
fn what_the_envelope_gives_is_not_given_again() {
    let all =
        declares(BodyType::EightBitMime).param(MailParam::smtputf8()).param(MailParam::size(9));
    let content = "Subject: ü\r\n\r\nü\r\n".as_bytes();
    let given = "BODY=8BITMIME SMTPUTF8 SIZE=9".to_owned();
    assert_eq!(mail(&all, content, MODERN), Ok(given.clone()));
    assert_eq!(mail(&all, content, "X"), Ok(given));
}

#[test]
fn c_113_c_114_smtputf8_goes_by_addresses_and_header() {
    let header = "Subject: ü\r\n\r\nhello\r\n".as_bytes();
    assert_eq!(
        mail(&envelope(), header, "8BITMIME|SMTPUTF8"),
        Ok("BODY=8BITMIME SMTPUTF8".to_owned())
    );
    let needed = needs(&envelope(), header, LineEndings::Normalize);
    assert_eq!(needed.smtp_utf8(), Some("a header field in UTF-8"));
    let words = "the server does not offer SMTPUTF8, which a header field in UTF-8 needs";
    assert_eq!(mail(&envelope(), header, "8BITMIME"), said(words));

    let beyond = Envelope::new("a@x", ["é@x"]).unwrap();
    assert_eq!(mail(&beyond, SEVEN, "SMTPUTF8"), Ok("SMTPUTF8".to_owned()));
    let words = "the server does not offer SMTPUTF8, which the address <é@x> needs";
    assert_eq!(mail(&beyond, SEVEN, "8BITMIME"), said(words));

    // UTF-8 in the body, and octets in the header that are none
    for content in [
        "Subject: x\r\n\r\nü\r\n".as_bytes(),
        "Subject: x\n\nü".as_bytes(),
        "\r\nü".as_bytes(),
        b"X: \xfc\r\n\r\nx",
    ] {
        assert_eq!(mail(&envelope(), content, "8BITMIME|SMTPUTF8"), Ok("BODY=8BITMIME".to_owned()));
    }
}

#[test]
fn c_057_c_111_the_size_is_what_the_server_keeps() {
    assert_eq!(mail(&envelope(), b".\nx", "SIZE 6"), Ok("SIZE=6".to_owned()));
    let words = "the content has 6 octets, and the server takes 5";
    assert_eq!(mail(&envelope(), b".\nx", "SIZE 5"), said(words));
    assert_eq!(mail(&envelope().param(MailParam::size(3)), b".\nx", "SIZE 5"), said(words));
    assert_eq!(mail(&envelope(), b".\nx", "SIZE"), Ok("SIZE=6".to_owned()));
}

#[test]
fn what_no_text_may_hold_is_refused_by_its_place() {
    let reject = |content| fault(&envelope(), content, LineEndings::Reject);
    assert_eq!(reject(b"a\nb\0"), ContentFault::BareLf { offset: 1 });
    assert_eq!(reject(b"a\rb"), ContentFault::BareCr { offset: 1 });
    let nul = ContentFault::Nul { offset: 1 };
    assert_eq!(fault(&envelope(), b"a\0", LineEndings::Normalize), nul);
    assert_eq!(
        Unmet::from(nul).to_string(),
        "the content cannot be sent: content has a NUL at offset 1"
    );
    // who says that it is text is taken at his word
    let text = declares(BodyType::EightBitMime);
    assert_eq!(fault(&text, b"a\nb", LineEndings::Raw), ContentFault::BareLf { offset: 1 });
}

#[test]
fn c_058_raw_content_that_is_no_text_needs_binarymime_and_chunking() {
    let long = [&[b'x'; 999][..], b"\r\n"].concat();
    for (content, fault) in [
        (&b"a\nb"[..], "content has an LF without a CR at offset 1"),
        (b"a\rb\n", "content has a CR without an LF at offset 1"),
        (b"\xff\0", "content has a NUL at offset 1"),
        (&long, "content has a line of more than 998 octets at offset 0"),
    ] {
        let raw = needs(&envelope(), content, LineEndings::Raw);
        assert_eq!(raw.body(), Some(BodyType::BinaryMime));
        assert_eq!(
            (raw.line_endings(), raw.size()),
            (LineEndings::Raw, Some(content.len() as u64))
        );
        assert_eq!((raw.long_lines(), raw.check_long_lines()), (0, Ok(())));
        assert_eq!(params(&raw, &envelope(), BINARY), Ok("BODY=BINARYMIME".to_owned()));
        for (keywords, lacks) in
            [("8BITMIME|CHUNKING", "BINARYMIME"), ("8BITMIME|BINARYMIME", "CHUNKING")]
        {
            let words =
                format!("the server does not offer {lacks}, which what is no text ({fault}) needs");
            assert_eq!(params(&raw, &envelope(), keywords), Err(words));
        }
    }
    // text stays text, and is sent as lines are
    let raw = needs(&envelope(), EIGHT, LineEndings::Raw);
    assert_eq!(
        (raw.body(), raw.line_endings()),
        (Some(BodyType::EightBitMime), LineEndings::Reject)
    );
    assert_eq!(params(&raw, &envelope(), BINARY), Ok("BODY=8BITMIME".to_owned()));
}

#[test]
fn binarymime_by_the_envelope_is_sent_as_it_is() {
    let given = declares(BodyType::BinaryMime);
    let binary = needs(&given, b"a\n\0\xff", LineEndings::Normalize);
    assert_eq!(
        (binary.body(), binary.line_endings()),
        (Some(BodyType::BinaryMime), LineEndings::Raw)
    );
    assert_eq!(params(&binary, &given, "SIZE"), Ok("BODY=BINARYMIME SIZE=4".to_owned()));
}

#[test]
fn c_075_long_lines_are_told_and_refused_on_request() {
    let lines =
        [b"x\r\n", &[b'x'; 998][..], b"\r\n", &[b'x'; 999][..], b"\n", &[b'x'; 2000][..]].concat();
    let told = needs(&envelope(), &lines, LineEndings::Normalize);
    assert_eq!(told.long_lines(), 2);
    let fault = told.check_long_lines().unwrap_err();
    assert_eq!(fault, ContentFault::LongLine { offset: 1003 });
    assert_eq!(fault.to_string(), "content has a line of more than 998 octets at offset 1003");
    assert_eq!(params(&told, &envelope(), "X"), Ok(String::new()));
    let short = lines.get(..1003).unwrap();
    assert_eq!(needs(&envelope(), short, LineEndings::Normalize).check_long_lines(), Ok(()));
}

#[test]
fn a_stream_is_what_it_is_said_to_be() {
    let stream = |envelope: &Envelope, size, keywords| {
        params(&Needs::of_stream(envelope, size, LineEndings::Normalize), envelope, keywords)
    };
    assert_eq!(stream(&envelope(), None, MODERN), Ok("BODY=8BITMIME".to_owned()));
    assert_eq!(stream(&envelope(), None, "SIZE"), Ok(String::new()));
    assert_eq!(stream(&envelope(), Some(7), "SIZE"), Ok("SIZE=7".to_owned()));
    assert_eq!(stream(&declares(BodyType::SevenBit), None, MODERN), Ok("BODY=7BIT".to_owned()));
    let words = "the content has 1001 octets, and the server takes 1000";
    assert_eq!(stream(&envelope(), Some(1001), MODERN), said(words));
    assert_eq!(stream(&envelope().param(MailParam::size(1001)), None, MODERN), said(words));
    let beyond = Envelope::new("é@x", ["b@x"]).unwrap();
    let words = "the server does not offer SMTPUTF8, which the address <é@x> needs";
    assert_eq!(stream(&beyond, None, "8BITMIME"), said(words));

    let unknown = Needs::of_stream(&envelope(), None, LineEndings::Raw);
    assert_eq!((unknown.body(), unknown.size()), (None, None));
    assert_eq!(unknown.line_endings(), LineEndings::Reject);
    let binary = Needs::of_stream(&declares(BodyType::BinaryMime), None, LineEndings::Normalize);
    assert_eq!(binary.line_endings(), LineEndings::Raw);
}

/// It is known where they are put, and not read from them again.
#[test]
fn what_mail_declares_is_what_its_parameters_say() {
    let given = ["", "BODY=7BIT", "body=8bitmime", "BODY=BINARYMIME", "BODY=9BIT", "SmtpUtf8"];
    let offers = offered("SIZE|8BITMIME|SMTPUTF8|CHUNKING|BINARYMIME");
    let policies = [LineEndings::Normalize, LineEndings::Reject, LineEndings::Raw];
    let mut seen = Vec::new();
    for (first, second) in given.iter().flat_map(|one| given.map(|other| (*one, other))) {
        for address in ["a@x", "\u{fc}@x"] {
            let params = [first, second].into_iter().filter(|param| !param.is_empty());
            let envelope = Envelope::new(address, ["b@x"]).unwrap();
            let envelope =
                params.fold(envelope, |to, param| to.param(param.parse::<Param>().unwrap()));
            let contents = [SEVEN, EIGHT, b"a\rb\0", "\u{fc}: x\r\n".as_bytes()];
            let scanned = contents.into_iter().flat_map(|content| {
                let scan = Scan::of(content);
                policies.map(|policy| Needs::of(&envelope, content, &scan, policy)).into_iter()
            });
            let streamed = Needs::of_stream(&envelope, None, LineEndings::Normalize);
            for needs in scanned.flatten().chain([streamed]) {
                let mut params = vec!["X".parse().unwrap()];
                let declared = needs.put_params(&mut params, &envelope, &offers).unwrap();
                assert_eq!(declared, Declared::by(&params), "{params:?}");
                seen.push(declared);
            }
        }
    }
    seen.dedup();
    assert!(seen.len() > 4, "{seen:?}");
}
