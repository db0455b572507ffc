//! Replies read in the plainest way: with nothing of buffers, limits or quirks.

/// The replies in octets that keep to the grammar (RFC 5321 §4.2), each as its lines; `None` where
/// they do not, or where the last one is not whole. The text may be any UTF-8 here.
pub fn replies(octets: &[u8]) -> Option<Vec<Vec<String>>> {
    let (mut replies, mut lines) = (Vec::new(), Vec::<String>::new());
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        let line = line.strip_suffix(b"\r\n")?;
        let line = String::from_utf8(line.to_vec()).ok()?;
        let (code, text) = line.split_at_checked(3)?;
        let digits: Vec<u8> = code.bytes().collect();
        let is_code = matches!(digits[..], [b'2'..=b'5', b'0'..=b'5', b'0'..=b'9']);
        let is_same = lines.first().is_none_or(|first| first[..3] == *code);
        let is_last = match text.chars().next() {
            None | Some(' ') => true,
            Some('-') => false,
            Some(_) => return None,
        };
        if !is_code || !is_same {
            return None;
        }
        lines.push(line);
        if is_last {
            replies.push(std::mem::take(&mut lines));
        }
    }
    lines.is_empty().then_some(replies)
}
