//! Mails that Postfix holds: its queue files, which show octet by octet what it took, for whom, and
//! what it understood of the parameters.

use ehlo::Reply;

use crate::support::{queue_id, same, var};

/// The records of a held mail, each shown as its type and its octets.
pub(crate) fn records(reply: &Reply) -> Vec<String> {
    let file = read(reply);
    parse(&file)
        .map(|(kind, record)| format!("{} {}", char::from(kind), String::from_utf8_lossy(record)))
        .collect()
}

/// That the mail of this reply is held as it was said, below what Postfix puts on top.
pub(crate) fn held_as(reply: &Reply, arrives: &str) {
    let content = content(&read(reply));
    let begin = content.find("From: alice@").expect("the first header field");
    same(&content[begin..], arrives);
}

/// The same, and for these in order and nobody else.
pub(crate) fn held_for(reply: &Reply, recipients: &[&str], arrives: &str) {
    let file = read(reply);
    let held = parse(&file).filter(|(kind, _)| *kind == b'R');
    let held: Vec<_> = held.map(|(_, record)| String::from_utf8_lossy(record)).collect();
    assert_eq!(held, recipients);
    held_as(reply, arrives);
}

/// What a queue file has of a mail's content, with LF line ends.
pub(crate) fn content(file: &[u8]) -> String {
    let mut content = Vec::with_capacity(file.len());
    for (kind, record) in parse(file) {
        // A line, or a part of one that is too long for a record.
        if matches!(kind, b'N' | b'L') {
            content.extend_from_slice(record);
        }
        if kind == b'N' {
            content.push(b'\n');
        }
    }
    String::from_utf8(content).expect("what was sent is UTF-8")
}

fn read(reply: &Reply) -> Vec<u8> {
    let path = format!("{}/{}", var("EHLO_POSTFIX_HOLD_DIR"), queue_id(reply));
    std::fs::read(path).expect("held")
}

/// Each record: a type, a length of seven bits an octet, and so many octets (Postfix's
/// `rec_type.h`).
fn parse(mut file: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (kind, mut rest) = file.split_first()?;
        let (mut len, mut shift) = (0, 0);
        loop {
            let (octet, behind) = rest.split_first()?;
            rest = behind;
            len |= usize::from(octet & 0x7f) << shift;
            shift += 7;
            if octet & 0x80 == 0 {
                break;
            }
        }
        let (record, behind) = rest.split_at_checked(len)?;
        file = behind;
        Some((*kind, record))
    })
}
