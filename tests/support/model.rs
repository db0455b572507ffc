//! A server inside a stream: what the client writes is run at once, what it answers is read in
//! pieces, and every poll may be pending. Strict, deterministic by its seed, and each reply names
//! what it answers, so that a shifted one shows.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A mail that the server has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) sender: String,
    pub(crate) recipients: Vec<String>,
    pub(crate) content: Vec<u8>,
}

#[derive(Debug, Default)]
struct Model {
    pipelining: bool,
    lmtp: bool,
    /// What is left of a chunk, and whether it is the last.
    chunk: Option<(usize, bool)>,
    /// A chunk was refused: RSET is due.
    spoiled: bool,
    input: Vec<u8>,
    output: VecDeque<u8>,
    sender: Option<String>,
    recipients: Vec<String>,
    in_data: bool,
    login: bool,
    content: Vec<u8>,
    taken: Vec<Taken>,
    /// Whose MAIL was accepted.
    begun: Vec<String>,
    closed: bool,
    /// Broken rules: the client said what it must not.
    faults: Vec<String>,
    seed: u64,
}

/// The client's end.
#[derive(Debug, Clone, Default)]
pub(crate) struct ModelStream(Arc<Mutex<Model>>);

impl ModelStream {
    pub(crate) fn new(seed: u64, pipelining: bool) -> Self {
        let mut model = Model { seed: seed | 1, pipelining, ..Model::default() };
        model.say("220 model ESMTP");
        Self(Arc::new(Mutex::new(model)))
    }

    /// It speaks LMTP.
    #[allow(dead_code, reason = "not every test does")]
    pub(crate) fn lmtp(self) -> Self {
        self.0.lock().unwrap().lmtp = true;
        self
    }

    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.0.lock().unwrap().taken.clone()
    }

    #[allow(dead_code, reason = "not every test asks")]
    pub(crate) fn begun(&self) -> Vec<String> {
        self.0.lock().unwrap().begun.clone()
    }

    pub(crate) fn faults(&self) -> Vec<String> {
        self.0.lock().unwrap().faults.clone()
    }
}

impl Model {
    /// A number below `bound`, by xorshift.
    fn below(&mut self, bound: usize) -> usize {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 16) as usize % bound
    }

    fn say(&mut self, line: &str) {
        self.output.extend(line.bytes());
        self.output.extend(b"\r\n");
    }

    fn run(&mut self) {
        loop {
            if let Some((octets, last)) = self.chunk {
                if self.input.len() < octets {
                    return;
                }
                self.chunk = None;
                let octets: Vec<u8> = self.input.drain(..octets).collect();
                self.chunk_came(&octets, last);
                continue;
            }
            let Some(end) = self.input.windows(2).position(|pair| pair == b"\r\n") else {
                return;
            };
            let line: Vec<u8> = self.input.drain(..end + 2).collect();
            if self.in_data { self.content_line(&line) } else { self.command(&line[..end]) }
        }
    }

    fn content_line(&mut self, line: &[u8]) {
        if line != b".\r\n" {
            self.content.extend(line.strip_prefix(b".").unwrap_or(line));
            return;
        }
        self.in_data = false;
        self.take();
    }

    fn chunk_came(&mut self, octets: &[u8], last: bool) {
        if self.recipients.is_empty() || self.spoiled {
            self.spoiled |= self.sender.is_some();
            return self.say("503 5.5.1 no recipients");
        }
        self.content.extend(octets);
        match last {
            true => self.take(),
            false => self.say("250 2.0.0 chunk"),
        }
    }

    fn take(&mut self) {
        let content = std::mem::take(&mut self.content);
        let id =
            String::from_utf8_lossy(content.split(|octet| *octet == b'\r').next().unwrap_or(b""))
                .into_owned();
        let recipients = std::mem::take(&mut self.recipients);
        let answers = if self.lmtp { recipients.len() } else { 1 };
        let sender = self.sender.take().unwrap_or_default();
        self.taken.push(Taken { sender, recipients, content });
        for _ in 0..answers {
            self.say(&format!("250 2.0.0 taken {id}"));
        }
    }

    fn command(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line).into_owned();
        if std::mem::take(&mut self.login) {
            return self.say(if line == "*" { "501 5.7.0 cancelled" } else { "235 2.7.0 in" });
        }
        let address = || {
            let path = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
            path.map_or_else(String::new, |(path, _)| path.to_owned())
        };
        match line.split(' ').next().unwrap_or_default() {
            "EHLO" | "LHLO" => {
                self.say("250-model");
                if self.pipelining {
                    self.say("250-PIPELINING");
                }
                for offer in ["AUTH LOGIN", "ETRN", "XCLIENT NAME", "XFORWARD NAME"] {
                    self.say(&format!("250-{offer}"));
                }
                self.say("250-CHUNKING");
                self.say("250 8BITMIME");
            }
            "MAIL" if self.sender.is_some() => {
                self.faults.push(format!("{line} inside a transaction"));
                self.say("503 5.5.1 nested MAIL");
            }
            "MAIL" if address().starts_with("refused") => self.say("550 5.7.1 mail refused"),
            "MAIL" => {
                self.sender = Some(address());
                self.begun.push(address());
                self.say(&format!("250 2.1.0 mail {}", address()));
            }
            "RCPT" if self.sender.is_none() => self.say("503 5.5.1 no MAIL"),
            "RCPT" if address().starts_with("refused") => {
                self.say(&format!("550 5.1.1 rcpt {}", address()));
            }
            "RCPT" => {
                self.recipients.push(address());
                self.say(&format!("250 2.1.5 rcpt {}", address()));
            }
            "BDAT" => {
                let mut words = line.split(' ').skip(1);
                let octets = words.next().and_then(|size| size.parse().ok()).unwrap_or_default();
                self.chunk = Some((octets, words.next() == Some("LAST")));
            }
            "DATA" if self.recipients.is_empty() => self.say("554 5.5.1 no recipients"),
            "DATA" => {
                self.in_data = true;
                self.say("354 go ahead");
            }
            "RSET" => {
                self.sender = None;
                self.recipients.clear();
                self.content.clear();
                self.spoiled = false;
                self.say("250 2.0.0 rset");
            }
            "NOOP" | "VRFY" | "EXPN" | "HELP" | "ETRN" | "XFORWARD" => {
                self.say(&format!("250 2.0.0 {line}"));
            }
            "XCLIENT" => self.say("220 model"),
            "AUTH" => {
                self.login = true;
                self.say("334 VXNlcm5hbWU6");
            }
            "QUIT" => {
                self.say("221 2.0.0 bye");
                self.closed = true;
            }
            _ => {
                self.faults.push(format!("unknown: {line}"));
                self.say("500 5.5.2 unknown");
            }
        }
    }
}

impl AsyncRead for ModelStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut model = self.0.lock().unwrap();
        if model.output.is_empty() && model.closed {
            return Poll::Ready(Ok(()));
        }
        if model.output.is_empty() || model.below(3) == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let octets = 1 + model.below(40);
        for _ in 0..octets.min(buf.remaining()).min(model.output.len()) {
            if let Some(octet) = model.output.pop_front() {
                buf.put_slice(&[octet]);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ModelStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut model = self.0.lock().unwrap();
        if model.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if model.below(3) == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let taken = (1 + model.below(120)).min(octets.len());
        model.input.extend(&octets[..taken]);
        model.run();
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
