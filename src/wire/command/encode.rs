//! The octets of each command. That a command is valid is seen to where it is built.

use super::Command;
use crate::wire::{Param, Secret, Sink};

impl Command<'_> {
    #[inline]
    pub(super) fn write_to(&self, sink: &mut impl Sink) {
        match self {
            Self::Ehlo(name) => write_line(sink, b"EHLO ", name.as_str()),
            Self::Helo(name) => write_line(sink, b"HELO ", name.as_str()),
            Self::Lhlo(name) => write_line(sink, b"LHLO ", name.as_str()),
            Self::Mail { sender, params } => {
                write_path(sink, b"MAIL FROM:<", sender.as_str(), params);
            }
            Self::Rcpt { recipient, params } => {
                write_path(sink, b"RCPT TO:<", recipient.as_str(), params);
            }
            Self::Data => sink.put(b"DATA\r\n"),
            Self::Bdat { size, last } => {
                sink.put(b"BDAT ");
                sink.put_number(*size);
                sink.put(if *last { b" LAST\r\n" } else { CRLF });
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
                sink.put(b"AUTH ");
                sink.put(mechanism.as_str().as_bytes());
                match initial.as_ref().map(Secret::expose) {
                    None => {}
                    Some([]) => sink.put(b" ="),
                    Some(octets) => {
                        sink.put(b" ");
                        sink.put_base64(octets);
                    }
                }
                sink.put(CRLF);
            }
            Self::Etrn(node) => {
                sink.put(b"ETRN ");
                node.write_to(sink);
                sink.put(CRLF);
            }
            Self::Atrn(domains) => {
                sink.put(b"ATRN");
                for (n, domain) in domains.iter().enumerate() {
                    sink.put(if n == 0 { b" " } else { b"," });
                    sink.put(domain.as_str().as_bytes());
                }
                sink.put(CRLF);
            }
            Self::Burl { uri, last } => {
                sink.put(b"BURL ");
                sink.put(uri.as_str().as_bytes());
                sink.put(if *last { b" LAST\r\n" } else { CRLF });
            }
            Self::Xclient { attributes } => {
                sink.put(b"XCLIENT");
                attributes.iter().for_each(|attribute| attribute.write_to(sink));
                sink.put(CRLF);
            }
            Self::Xforward { attributes } => {
                sink.put(b"XFORWARD");
                attributes.iter().for_each(|attribute| attribute.write_to(sink));
                sink.put(CRLF);
            }
            Self::Raw(raw) => {
                sink.put(raw.as_octets());
                sink.put(CRLF);
            }
        }
    }
}

#[inline]
fn write_line(sink: &mut impl Sink, word: &[u8], argument: &str) {
    sink.put(word);
    sink.put(argument.as_bytes());
    sink.put(CRLF);
}

/// No space stands around the colon (RFC 5321 §3.3).
#[inline]
fn write_path(sink: &mut impl Sink, words: &[u8], path: &str, params: &[Param]) {
    sink.put(words);
    sink.put(path.as_bytes());
    if params.is_empty() {
        return sink.put(b">\r\n");
    }
    sink.put(b">");
    for param in params {
        sink.put(b" ");
        param.write_to(sink);
    }
    sink.put(CRLF);
}

pub(super) const CRLF: &[u8] = b"\r\n";
