//! The octets of each command. That a command is valid is seen to where it is built.

use super::{Command, XclientAttribute, XforwardAttribute};
use crate::wire::{Domain, Param, Secret, Sink};

impl Command<'_> {
    #[inline]
    pub(super) fn write_to<S: Sink>(&self, sink: S) -> S {
        match self {
            Self::Ehlo(name) => write_line(sink, b"EHLO ", name.as_str()),
            Self::Helo(name) => write_line(sink, b"HELO ", name.as_str()),
            Self::Lhlo(name) => write_line(sink, b"LHLO ", name.as_str()),
            Self::Mail { sender, params } => {
                write_path(sink.put(b"MAIL FROM:"), sender.in_brackets(), params)
            }
            Self::Rcpt { recipient, params } => {
                write_path(sink.put(b"RCPT TO:"), recipient.in_brackets(), params)
            }
            Self::Data => sink.put(b"DATA\r\n"),
            Self::Bdat { size, last } => {
                sink.put(b"BDAT ").put_number(*size).put(if *last { b" LAST\r\n" } else { CRLF })
            }
            Self::Rset => sink.put(b"RSET\r\n"),
            Self::Vrfy(text) => write_line(sink, b"VRFY ", text.as_str()),
            Self::Expn(text) => write_line(sink, b"EXPN ", text.as_str()),
            Self::Help(None) => sink.put(b"HELP\r\n"),
            Self::Help(Some(text)) => write_line(sink, b"HELP ", text.as_str()),
            Self::Noop(None) => sink.put(b"NOOP\r\n"),
            Self::Noop(Some(text)) => write_line(sink, b"NOOP ", text.as_str()),
            Self::Quit => sink.put(b"QUIT\r\n"),
            Self::StartTls => sink.put(b"STARTTLS\r\n"),
            Self::Auth { mechanism, initial } => {
                let sink = sink.put(b"AUTH ").put(mechanism.as_str().as_bytes());
                let sink = match initial.as_ref().map(Secret::expose) {
                    None => sink,
                    Some([]) => sink.put(b" ="),
                    Some(octets) => sink.put(b" ").put_base64(octets),
                };
                sink.put(CRLF)
            }
            Self::Etrn(node) => node.write_to(sink.put(b"ETRN ")).put(CRLF),
            Self::Atrn(domains) => {
                let put = |sink: S, (n, domain): (usize, &Domain)| {
                    sink.put(if n == 0 { b" " } else { b"," }).put(domain.as_str().as_bytes())
                };
                domains.iter().enumerate().fold(sink.put(b"ATRN"), put).put(CRLF)
            }
            Self::Burl { uri, last } => {
                let sink = sink.put(b"BURL ").put(uri.as_str().as_bytes());
                sink.put(if *last { b" LAST\r\n" } else { CRLF })
            }
            Self::Xclient { attributes } => {
                let put = |sink, attribute: &XclientAttribute| attribute.write_to(sink);
                attributes.iter().fold(sink.put(b"XCLIENT"), put).put(CRLF)
            }
            Self::Xforward { attributes } => {
                let put = |sink, attribute: &XforwardAttribute| attribute.write_to(sink);
                attributes.iter().fold(sink.put(b"XFORWARD"), put).put(CRLF)
            }
            Self::Raw(raw) => sink.put(raw.as_octets()).put(CRLF),
        }
    }
}

#[inline]
fn write_line<S: Sink>(sink: S, word: &[u8], argument: &str) -> S {
    sink.put(word).put(argument.as_bytes()).put(CRLF)
}

/// No space stands around the colon (RFC 5321 §3.3).
///
/// Always inlined: a call would be a fifth of what MAIL costs.
#[inline(always)]
fn write_path<S: Sink>(sink: S, path: &str, params: &[Param]) -> S {
    let sink = sink.put(path.as_bytes());
    params.iter().fold(sink, |sink, param| sink.put(param.argument())).put(CRLF)
}

pub(super) const CRLF: &[u8] = b"\r\n";
