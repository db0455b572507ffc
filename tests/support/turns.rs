//! A script as one who makes calls meets it: turn by turn, and the server's side of a turn over a
//! stream in memory. Nothing here knows the protocol.

use ehlo::Escaped;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::script::{Claim, Does, Script, content_octets, taken_by};

/// In what pieces the server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pieces {
    Whole,
    Lines,
    /// The client's octets are taken one by one too.
    Octets,
}

/// What the client says in one call, what the server does until the next, and what the client
/// must have concluded then.
#[derive(Debug, Default)]
pub struct Turn<'a> {
    pub says: Vec<&'a str>,
    pub server: Vec<Act<'a>>,
    pub claims: Vec<(usize, &'a Claim)>,
}

#[derive(Debug, Clone, Copy)]
pub enum Act<'a> {
    Hear(&'a str),
    Say(&'a [u8]),
    Close,
}

pub fn turns(script: &Script) -> Vec<Turn<'_>> {
    let mut turns = vec![Turn::default()];
    let mut is_answered = true;
    for line in &script.lines {
        if is_answered && matches!(line.does, Does::Client(_)) {
            turns.push(Turn::default());
            is_answered = false;
        }
        let turn = turns.last_mut().unwrap();
        let act = match &line.does {
            Does::Client(said) => {
                turn.says.push(said);
                Act::Hear(said)
            }
            Does::Server(octets) => Act::Say(octets),
            Does::Close => Act::Close,
            Does::Tls { .. } => continue,
            Does::Claim(claim) => {
                turn.claims.push((line.number, claim));
                continue;
            }
        };
        is_answered |= !matches!(act, Act::Hear(_));
        turn.server.push(act);
        turn.claims.clear();
    }
    turns
}

/// The far end. It knows nothing of the protocol.
pub struct Server {
    pub pieces: Pieces,
    pub ends: Option<(DuplexStream, DuplexStream)>,
}

impl Server {
    pub async fn act(&mut self, acts: &[Act<'_>]) {
        let mut waiting = Vec::new();
        for act in acts {
            match act {
                Act::Say(octets) if self.pieces == Pieces::Whole => waiting.extend(*octets),
                Act::Say(octets) => self.say(octets).await,
                Act::Hear(line) => {
                    self.say(&std::mem::take(&mut waiting)).await;
                    self.hear(line).await;
                }
                Act::Close => {
                    self.say(&std::mem::take(&mut waiting)).await;
                    self.ends = None;
                }
            }
        }
        self.say(&waiting).await;
    }

    async fn say(&mut self, octets: &[u8]) {
        let size = match self.pieces {
            Pieces::Octets => 1,
            Pieces::Whole | Pieces::Lines => octets.len().max(1),
        };
        for piece in octets.chunks(size) {
            let (_, says) = self.ends.as_mut().expect("the server has closed");
            // A client that has gone is not told more.
            let _ = says.write_all(piece).await;
            // So that what was said is read before more is.
            tokio::task::yield_now().await;
        }
    }

    async fn hear(&mut self, line: &str) {
        let (hears, _) = self.ends.as_mut().expect("the server has closed");
        let mut octets = Vec::new();
        loop {
            let enough = match content_octets(line) {
                Some(length) => octets.len() == length,
                None => octets.ends_with(b"\r\n"),
            };
            if enough {
                break;
            }
            match hears.read_u8().await {
                Ok(octet) => octets.push(octet),
                Err(_) => panic!("{line} did not come, but {:?}", Escaped::new(&octets)),
            }
        }
        assert_eq!(
            taken_by(line, &octets),
            Some(octets.len()),
            "{line} was awaited, and {:?} came",
            Escaped::new(&octets)
        );
    }
}
