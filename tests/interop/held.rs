//! Mails that Postfix holds: its queue files, which show octet by octet what it took, and what it
//! understood of the parameters.

use ehlo::Reply;

use crate::support::{queue_id, same, var};

/// The records of a held mail, each shown as its type and its octets. In the file that is a type, a
/// length of seven bits an octet, and so many octets (Postfix's `rec_type.h`).
pub(crate) fn records(reply: &Reply) -> Vec<String> {
    let path = format!("{}/{}", var("EHLO_POSTFIX_HOLD_DIR"), queue_id(reply));
    let file = std::fs::read(path).expect("held");
    let mut octets = file.iter().copied();
    let mut records = Vec::new();
    while let Some(kind) = octets.next() {
        let (mut len, mut shift) = (0, 0);
        for octet in octets.by_ref() {
            len |= usize::from(octet & 0x7f) << shift;
            shift += 7;
            if octet & 0x80 == 0 {
                break;
            }
        }
        let record: Vec<u8> = octets.by_ref().take(len).collect();
        records.push(format!("{} {}", char::from(kind), String::from_utf8_lossy(&record)));
    }
    records
}

/// That the mail of this reply is held as it was said, below what Postfix puts on top.
pub(crate) fn held_as(reply: &Reply, arrives: &str) {
    let mut content = String::new();
    // A line, or a part of one that is too long for a record.
    for record in records(reply) {
        match record.split_at(2) {
            ("N ", line) => content.extend([line, "\n"]),
            ("L ", part) => content.push_str(part),
            _ => {}
        }
    }
    let begin = content.find("From: alice@").expect("the first header field");
    same(&content[begin..], arrives);
}
