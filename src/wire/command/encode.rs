//! The octets of each command. That a command is valid is seen to where it is built.

use super::{Command, XclientAttribute, XforwardAttribute};
use crate::wire::{Domain, Param, Secret, Sink};

impl Command<'_> {
    #[inline]
    pub(super) fn write_to<S: Sink>(&self, sink: S) -> S {
        let sink = match self {
            Self::Mail { sender, params } => {
                write_path(sink.put(b"MAIL FROM:"), sender.in_brackets(), params)
            }
            Self::Rcpt { recipient, params } => {
                write_path(sink.put(b"RCPT TO:"), recipient.in_brackets(), params)
            }
            Self::Data => sink.put(b"DATA"),
            other => other.write_other(sink),
        };
        sink.put(CRLF)
    }

    /// A line of any other command. It stands apart: what its loops keep at hand would be saved and
    /// fetched back for MAIL and RCPT as well, a tenth of what they cost.
    #[inline(never)]
    fn write_other<S: Sink>(&self, sink: S) -> S {
        match self {
            Self::Mail { .. } | Self::Rcpt { .. } | Self::Data => sink, // is written above
            Self::Ehlo(name) => sink.put(b"EHLO ").put(name.as_str().as_bytes()),
            Self::Helo(name) => sink.put(b"HELO ").put(name.as_str().as_bytes()),
            Self::Lhlo(name) => sink.put(b"LHLO ").put(name.as_str().as_bytes()),
            Self::Bdat { size, last } => write_last(sink.put(b"BDAT ").put_number(*size), *last),
            Self::Rset => sink.put(b"RSET"),
            Self::Vrfy(text) => sink.put(b"VRFY ").put(text.as_str().as_bytes()),
            Self::Expn(text) => sink.put(b"EXPN ").put(text.as_str().as_bytes()),
            Self::Help(None) => sink.put(b"HELP"),
            Self::Help(Some(text)) => sink.put(b"HELP ").put(text.as_str().as_bytes()),
            Self::Noop(None) => sink.put(b"NOOP"),
            Self::Noop(Some(text)) => sink.put(b"NOOP ").put(text.as_str().as_bytes()),
            Self::Quit => sink.put(b"QUIT"),
            Self::StartTls => sink.put(b"STARTTLS"),
            Self::Auth { mechanism, initial } => {
                let sink = sink.with_room(|| self.encoded_len());
                let sink = sink.put(b"AUTH ").put(mechanism.as_str().as_bytes());
                match initial.as_ref().map(Secret::expose) {
                    None => sink,
                    Some([]) => sink.put(b" ="),
                    Some(octets) => sink.put(b" ").put_base64(octets),
                }
            }
            Self::Etrn(node) => node.write_to(sink.put(b"ETRN ")),
            Self::Atrn(domains) => {
                let put = |sink: S, (n, domain): (usize, &Domain)| {
                    sink.put(if n == 0 { b" " } else { b"," }).put(domain.as_str().as_bytes())
                };
                domains.iter().enumerate().fold(sink.put(b"ATRN"), put)
            }
            Self::Burl { uri, last } => {
                write_last(sink.put(b"BURL ").put(uri.as_str().as_bytes()), *last)
            }
            Self::Xclient { attributes } => {
                let put = |sink, attribute: &XclientAttribute| attribute.write_to(sink);
                attributes.iter().fold(sink.put(b"XCLIENT"), put)
            }
            Self::Xforward { attributes } => {
                let put = |sink, attribute: &XforwardAttribute| attribute.write_to(sink);
                attributes.iter().fold(sink.put(b"XFORWARD"), put)
            }
            Self::Raw(raw) => sink.with_room(|| self.encoded_len()).put(raw.as_octets()),
        }
    }
}

/// No space stands around the colon (RFC 5321 §3.3).
///
/// Always inlined: a call would be a fifth of what MAIL costs.
#[inline(always)]
fn write_path<S: Sink>(sink: S, path: &str, params: &[Param]) -> S {
    let sink = sink.put(path.as_bytes());
    if params.is_empty() { sink } else { write_params(sink, params) }
}

#[inline(never)]
fn write_params<S: Sink>(sink: S, params: &[Param]) -> S {
    params.iter().fold(sink, |sink, param| sink.put(param.argument()))
}

fn write_last<S: Sink>(sink: S, last: bool) -> S {
    if last { sink.put(b" LAST") } else { sink }
}

pub(super) const CRLF: &[u8] = b"\r\n";
