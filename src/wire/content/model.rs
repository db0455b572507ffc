//! What scanner and stuffer must come to, told in the plainest way: one octet at a time, nothing of
//! chunks or blocks. The unit tests hold both against it, and so does `fuzz/`, which includes this
//! file: it names nothing but what its parent names.

use super::{ContentFault, LineEndings, Scan};

/// What the policy makes of content, before dots: the plain reading of the rules.
pub(super) fn model_normalized(
    content: &[u8],
    policy: LineEndings,
    eight_bit: bool,
) -> Result<Vec<u8>, ContentFault> {
    let mut out = Vec::new();
    for (at, &octet) in content.iter().enumerate() {
        let offset = at as u64;
        let before = at.checked_sub(1).map(|at| content[at]);
        let bare_cr = octet == b'\r' && content.get(at + 1) != Some(&b'\n');
        let bare_lf = octet == b'\n' && before != Some(b'\r');
        match policy {
            _ if octet > 127 && !eight_bit => return Err(ContentFault::EightBit { offset }),
            LineEndings::Raw => out.push(octet),
            _ if octet == 0 => return Err(ContentFault::Nul { offset }),
            LineEndings::Reject if bare_cr => return Err(ContentFault::BareCr { offset }),
            LineEndings::Reject if bare_lf => return Err(ContentFault::BareLf { offset }),
            LineEndings::Normalize if bare_cr || bare_lf => out.extend(b"\r\n"),
            LineEndings::Replace if bare_cr || bare_lf => out.push(b' '),
            _ => out.push(octet),
        }
    }
    if policy != LineEndings::Raw && !out.is_empty() && !out.ends_with(b"\r\n") {
        out.extend(b"\r\n");
    }
    Ok(out)
}

pub(super) fn model_wire(
    content: &[u8],
    policy: LineEndings,
    eight_bit: bool,
) -> Result<Vec<u8>, ContentFault> {
    let normalized = model_normalized(content, policy, eight_bit)?;
    if policy == LineEndings::Raw {
        return Ok(normalized);
    }
    let mut out = Vec::new();
    for (at, &octet) in normalized.iter().enumerate() {
        if octet == b'.' && (at == 0 || normalized[..at].ends_with(b"\r\n")) {
            out.push(b'.');
        }
        out.push(octet);
    }
    out.extend(b".\r\n");
    Ok(out)
}

/// All that a scan tells apart from what `normalized_len` and `ends_with_crlf` do.
pub(super) type Told = (u64, [Option<u64>; 5], u64, bool, bool);

pub(super) fn told(scan: &Scan) -> Told {
    let firsts = [scan.bare_cr(), scan.bare_lf(), scan.nul(), scan.eight_bit(), scan.long_line()];
    (scan.octets(), firsts, scan.long_lines(), scan.has_dots(), scan.is_verbatim())
}

pub(super) fn model_scan(content: &[u8]) -> Told {
    let first = |wanted: &dyn Fn(usize, u8) -> bool| {
        let mut octets = content.iter().enumerate();
        octets.find(|&(at, &octet)| wanted(at, octet)).map(|(at, _)| at as u64)
    };
    let is_cr = |at: usize, octet| octet == b'\r' && content.get(at + 1) != Some(&b'\n');
    let is_lf = |at: usize, octet| octet == b'\n' && (at == 0 || content[at - 1] != b'\r');
    let (mut line, mut long, mut dots) = (0, Vec::new(), false);
    for at in 0..=content.len() {
        let ends = match content.get(at) {
            None | Some(b'\r') => true,
            Some(&octet) => is_lf(at, octet),
        };
        if !ends {
            continue;
        }
        if at.saturating_sub(line) > 998 {
            long.push(line as u64);
        }
        dots |= content.get(line) == Some(&b'.');
        line = at + 1 + usize::from(content[at.min(content.len())..].starts_with(b"\r\n"));
    }
    let firsts = [
        first(&is_cr),
        first(&is_lf),
        first(&|_, octet| octet == 0),
        first(&|_, octet| octet > 127),
        long.first().copied(),
    ];
    let verbatim = firsts[..3] == [None; 3] && !dots;
    (content.len() as u64, firsts, long.len() as u64, dots, verbatim)
}
