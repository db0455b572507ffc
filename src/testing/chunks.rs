//! Content in chunks: BDAT (RFC 3030). What a chunk is answered is known from its command; its
//! octets are read all the same, since the next command stands after them.

use std::io;

use super::content::{Answer, Content, RSET_FIRST, is_refusal};
use super::faults::ChunkFault;
use super::peer::{HELLO_FIRST, Next, Peer, TOO_BIG, Words};
use crate::{Protocol, Reply, Verb};

/// What came in chunks so far.
#[derive(Default)]
pub(super) struct Chunks {
    /// No recipient is taken any more.
    pub(super) begun: bool,
    /// How many came, refused or not.
    count: u32,
    /// Of those that were accepted.
    sizes: Vec<u64>,
    octets: Vec<u8>,
}

impl Chunks {
    fn len(&self) -> u64 {
        self.octets.len() as u64
    }
}

impl<'a> Peer<'a> {
    /// A BDAT command, its octets and what they are answered.
    pub(super) async fn chunk(&mut self, size: u64, last: bool) -> io::Result<Next> {
        let fault = self.chunk_fault();
        let answer = self.chunk_answer(size, last, fault);
        let refused = is_refusal(&answer);
        if refused && self.server.runs_refused_chunks {
            let answers = self.settle(answer, last);
            return Ok(self.say_all(&answers));
        }
        let is_early = matches!(fault, Some(ChunkFault::ReplyBefore(_)));
        if is_early {
            let answers = self.chunk_answers(answer, last);
            if self.say_all(&answers) == Next::Close {
                return Ok(Next::Close);
            }
        }
        if !self.take_chunk(size, !refused).await? {
            return Ok(Next::Close);
        }
        match fault {
            Some(ChunkFault::Close) => return Ok(Next::Close),
            Some(ChunkFault::Stall) => {
                self.connection.listen().await?;
                return Ok(Next::Close);
            }
            _ => {}
        }
        let answers = self.settle(answer, last);
        if last && self.ends_ahead().await? {
            return Ok(Next::Close);
        }
        self.ran_ahead = !self.connection.pending().is_empty();
        match is_early {
            true => Ok(Next::Command),
            false => Ok(self.say_all(&answers)),
        }
    }

    /// What was to happen at this chunk, which is counted.
    fn chunk_fault(&mut self) -> Option<&'a ChunkFault> {
        let server = self.server;
        let chunks = &mut self.mail.as_mut()?.chunks;
        chunks.count = chunks.count.saturating_add(1);
        let mut faults = server.chunk_faults.iter();
        faults.find(|(number, _)| *number == chunks.count).map(|(_, fault)| fault)
    }

    fn chunk_answer(&mut self, size: u64, last: bool, fault: Option<&'a ChunkFault>) -> Answer<'a> {
        let server = self.server;
        if let Some(words) = self.chunk_forbidden() {
            return (None, words);
        }
        let reply = server.replies.iter().find(|(of, _)| *of == Verb::Bdat);
        let reply = reply.map(|(_, reply)| reply);
        let own = match fault {
            Some(ChunkFault::Reply(reply) | ChunkFault::ReplyBefore(reply)) => Some(reply),
            _ => reply.filter(|reply| reply.is_negative()),
        };
        let before = self.mail.as_ref().map_or(0, |mail| mail.chunks.len());
        let fits = before.checked_add(size).is_some_and(|sum| sum <= server.max_size);
        match own {
            Some(own) if fits || own.is_negative() => (Some(own), CHUNK_TAKEN),
            _ if last => self.at_end(fits, reply),
            _ if fits => (reply, CHUNK_TAKEN),
            _ => (None, TOO_BIG),
        }
    }

    fn chunk_forbidden(&mut self) -> Option<Words> {
        if let Some(words) = self.misplaced(Verb::Bdat) {
            return Some(words);
        }
        match (&self.hello, &self.mail) {
            (None, _) => Some(HELLO_FIRST),
            (Some(hello), _) if !hello.extended => Some((503, "5.5.1", "BDAT is not offered here")),
            (_, None) => Some((503, "5.5.1", "MAIL first")),
            (_, Some(mail)) if mail.failed => Some(RSET_FIRST),
            (_, Some(mail)) if mail.recipients.is_empty() => {
                Some((503, "5.5.1", "no valid recipients"))
            }
            _ => None,
        }
    }

    /// Takes the octets of a chunk, and keeps them if they are wanted; whether they all came.
    async fn take_chunk(&mut self, size: u64, wanted: bool) -> io::Result<bool> {
        let mut left = size;
        loop {
            let pending = self.connection.pending();
            let there = usize::try_from(left).map_or(pending.len(), |left| left.min(pending.len()));
            let octets = pending.get(..there).unwrap_or_default();
            if let (Some(mail), true) = (&mut self.mail, wanted) {
                mail.chunks.octets.extend_from_slice(octets);
            }
            self.connection.consume(there);
            left -= there as u64;
            if left == 0 {
                break;
            }
            if !self.connection.fill().await? {
                return Ok(false);
            }
        }
        if size > 0 {
            self.connection.log().client(format!("<content {size}>").as_bytes());
        }
        if let (Some(mail), true) = (&mut self.mail, wanted) {
            mail.chunks.sizes.push(size);
        }
        Ok(true)
    }

    /// What follows from the answer, and what is to be said.
    fn settle(&mut self, answer: Answer<'a>, last: bool) -> Vec<Answer<'a>> {
        let answers = self.chunk_answers(answer, last);
        if let Some(mut mail) = self.mail.take() {
            mail.chunks.begun = true;
            let is_over = match last && !is_refusal(&answer) {
                true => {
                    let octets = mail.chunks.octets.clone();
                    let bare_line_ends = bare_line_ends(&octets);
                    let chunks = Some(mail.chunks.sizes.clone());
                    self.keep(&mail, &answers, Content { octets, bare_line_ends, chunks })
                }
                false => false,
            };
            if last && !is_over && self.server.keeps_refused_mail {
                mail.chunks.begun = false;
            } else if last || is_refusal(&answer) {
                mail.failed = true;
            }
            self.mail = Some(mail).filter(|_| !is_over);
        }
        answers
    }

    /// The last chunk has an answer for each recipient over LMTP, and none where there is no
    /// recipient (RFC 2033 §4.3).
    fn chunk_answers(&self, answer: Answer<'a>, last: bool) -> Vec<Answer<'a>> {
        let closes = |reply: &Reply| reply.code() == crate::Code::SHUTTING_DOWN;
        match &self.mail {
            _ if !last || answer.0.is_some_and(closes) => vec![answer],
            Some(mail) => self.answers(mail, answer),
            None if self.server.protocol == Protocol::Lmtp => Vec::new(),
            None => vec![answer],
        }
    }
}

/// How many CR and LF are no part of a CRLF.
fn bare_line_ends(octets: &[u8]) -> usize {
    let ends = memchr::memchr2_iter(b'\r', b'\n', octets).count();
    ends - 2 * memchr::memmem::find_iter(octets, b"\r\n").count()
}

const CHUNK_TAKEN: Words = (250, "2.0.0", "chunk taken");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_bare_line_ends() {
        let cases: [(&[u8], usize); 6] =
            [(b"", 0), (b"a\r\n\r\n", 0), (b"\n", 1), (b"\r\r\n\n", 2), (b"\n\r", 2), (b"\r", 1)];
        for (octets, count) in cases {
            assert_eq!(bare_line_ends(octets), count, "{}", crate::Escaped::new(octets));
        }
    }
}
