//! What was said, line by line, bounded and masked by position. It prints as a script that a
//! scripted server can play again.

use std::collections::VecDeque;
use std::fmt;

use crate::wire::{Escaped, leak};

/// The lines of a conversation as they went over the wire.
///
/// `C:` is the client, `S:` the server, `--` what happened between lines. Secrets stand as
/// `<secret>`, and so does a server's signature of SCRAM; content as `<content N>` with the octets it took on the wire; both match any octets
/// when the transcript is played as a script. Bounded: when it is full, lines in the middle are
/// left out, so that the beginning and the end of a long conversation stay.
///
/// ```
/// # let mut session = ehlo::Session::new(ehlo::SessionConfig::default().transcript(4096));
/// session.receive(b"220 mx.example.org ESMTP\r\n");
/// session.poll()?;
/// let transcript = session.transcript().expect("asked for");
/// assert_eq!(transcript.to_string(), "S: 220 mx.example.org ESMTP\n");
/// # Ok::<(), ehlo::Violation>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcript {
    /// Octets to keep, in each half.
    half: usize,
    head: Vec<Entry>,
    head_octets: usize,
    tail: VecDeque<Entry>,
    tail_octets: usize,
    left_out: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    mark: Mark,
    octets: Box<[u8]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Client,
    Server,
    /// The server's octets, where they are not whole lines that end in CRLF.
    ServerOctets,
    Between,
}

impl Transcript {
    pub(super) const fn new(octets: usize) -> Self {
        Self {
            half: octets / 2,
            head: Vec::new(),
            head_octets: 0,
            tail: VecDeque::new(),
            tail_octets: 0,
            left_out: 0,
        }
    }

    /// How many lines were left out to stay within the bound.
    #[must_use]
    pub const fn left_out(&self) -> usize {
        self.left_out
    }

    /// A line of the client, secrets masked.
    pub(super) fn client(&mut self, line: &[u8]) {
        self.push(Mark::Client, line.strip_suffix(b"\r\n").unwrap_or(line));
    }

    /// A whole reply as it came.
    pub(super) fn server(&mut self, octets: &[u8]) {
        for line in octets.split_inclusive(|octet| *octet == b'\n') {
            match line.strip_suffix(b"\r\n") {
                Some(line) => self.push(Mark::Server, line),
                None => self.push(Mark::ServerOctets, line),
            }
        }
    }

    /// Content that took so many octets of the wire, without its terminator.
    pub(super) fn content(&mut self, octets: u64) {
        if octets > 0 {
            self.push(Mark::Client, format!("<content {octets}>").as_bytes());
        }
    }

    /// What happened between two lines.
    pub(super) fn between(&mut self, what: &str) {
        self.push(Mark::Between, what.as_bytes());
    }

    fn push(&mut self, mark: Mark, octets: &[u8]) {
        leak::search(octets);
        let entry = Entry { mark, octets: octets.into() };
        let size = entry.size();
        if self.left_out == 0 && self.tail.is_empty() && self.head_octets + size <= self.half {
            self.head_octets += size;
            self.head.push(entry);
            return;
        }
        self.tail_octets += size;
        self.tail.push_back(entry);
        while self.tail_octets > self.half {
            let Some(oldest) = self.tail.pop_front() else {
                break;
            };
            self.tail_octets -= oldest.size();
            self.left_out += 1;
        }
    }
}

impl Entry {
    /// A line end counts: empty lines would have no bound.
    const fn size(&self) -> usize {
        self.octets.len() + 2
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head.iter().try_for_each(|entry| entry.fmt(f))?;
        if self.left_out > 0 {
            writeln!(f, "# {} lines left out", self.left_out)?;
        }
        self.tail.iter().try_for_each(|entry| entry.fmt(f))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.mark {
            Mark::Client => "C:",
            Mark::Server => "S:",
            Mark::ServerOctets => "S!",
            Mark::Between => "--",
        };
        if self.octets.is_empty() {
            return writeln!(f, "{mark}");
        }
        writeln!(f, "{mark} {}", Escaped::new(&self.octets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_a_script() {
        let mut transcript = Transcript::new(4096);
        transcript.server(b"220-mx\r\n220 \xffready\x1b\r\n");
        transcript.client(b"EHLO c\r\n");
        transcript.server(b"250 mx\n");
        transcript.between("TLS");
        transcript.content(12);
        transcript.client(b".");
        transcript.client(b"\r\n");
        assert_eq!(
            transcript.to_string(),
            "S: 220-mx\nS: 220 \\xffready\\x1b\nC: EHLO c\nS! 250 mx\\x0a\n-- TLS\n\
             C: <content 12>\nC: .\nC:\n"
        );
    }

    #[test]
    fn t13_empty_lines_are_bounded_too() {
        let mut transcript = Transcript::new(20);
        transcript.server(&b"\r\n".repeat(1000));
        assert_eq!(transcript.left_out(), 990);
    }

    #[test]
    fn keeps_the_beginning_and_the_end() {
        let mut transcript = Transcript::new(20);
        for n in 0..100 {
            transcript.client(format!("NOOP {n:03}\r\n").as_bytes());
        }
        assert_eq!(transcript.left_out(), 98);
        assert_eq!(transcript.to_string(), "C: NOOP 000\n# 98 lines left out\nC: NOOP 099\n");
    }
}
