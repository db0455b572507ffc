//! A server that misbehaves wherever its choices say so: octets in, octets out, no socket and no
//! clock. It keeps what it took, and so knows whether what a client believes is so.

use std::fmt::Write as _;

use ehlo::Outcome;

/// A server. `choose(n)` gives a number below `n`; with 0 it does what is right.
pub struct Wayward<C> {
    choose: C,
    offer: Offer,
    mode: Mode,
    link: Link,
    input: Vec<u8>,
    output: Vec<u8>,
    sender: Option<String>,
    recipients: Vec<String>,
    content: Vec<u8>,
    chunks: usize,
    /// A transaction failed and stays open: RSET is due.
    is_spoiled: bool,
    /// RSET was refused: nothing is taken any more.
    is_lost: bool,
    /// It has refused the content that is still coming.
    gave_up: bool,
    pub seen: Seen,
}

#[derive(Debug, Clone, Copy)]
pub struct Offer {
    pub lmtp: bool,
    pub pipelining: bool,
    pub chunking: bool,
}

/// What it saw.
#[derive(Debug, Default)]
pub struct Seen {
    pub taken: Vec<Taken>,
    /// What no client may say, as long as the replies were one for each command.
    pub complaints: Vec<String>,
    /// Replies that answered nothing: behind which others.
    pub strays: Vec<Point>,
}

/// A mail that it has; whether it said so is another matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub sender: String,
    pub recipients: Vec<String>,
    pub content: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    Open,
    /// Nothing more is said or heard.
    Silent,
    /// Nothing more is said, and octets are still taken.
    HalfClosed,
    Closed,
    Reset,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Before the content.
    Before,
    /// The go-ahead, or a chunk that is not the last.
    Go,
    End,
    /// RSET, QUIT and what asks.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Commands,
    Data,
    Chunk { left: usize, last: bool },
}

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Right,
    /// Right, in more lines than need be.
    Long,
    /// Right, with a lone LF.
    BareLf,
    /// Right, by another code of the class.
    OddCode,
    /// Right, and a reply more.
    Stray,
    Refusal,
    Later,
    /// 421, and closes.
    GoesDown,
    Closes,
    HalfCloses,
    Resets,
    Silent,
    Garbage,
    WrongClass,
    EndlessLine,
    EndlessReply,
}

const MANNERS: [Manner; 16] = [
    Manner::Right,
    Manner::Refusal,
    Manner::Later,
    Manner::GoesDown,
    Manner::Closes,
    Manner::Resets,
    Manner::Silent,
    Manner::Garbage,
    Manner::Stray,
    Manner::WrongClass,
    Manner::Long,
    Manner::BareLf,
    Manner::EndlessLine,
    Manner::EndlessReply,
    Manner::HalfCloses,
    Manner::OddCode,
];

impl Manner {
    const fn is_right(self) -> bool {
        matches!(self, Self::Right | Self::Long | Self::BareLf | Self::OddCode | Self::Stray)
    }

    const fn is_refusal(self) -> bool {
        matches!(self, Self::Refusal | Self::Later | Self::GoesDown)
    }
}

impl<C: FnMut(usize) -> usize> Wayward<C> {
    /// A server that has greeted, in whatever manner.
    pub fn new(offer: Offer, choose: C) -> Self {
        let mut server = Self {
            choose,
            offer,
            mode: Mode::Commands,
            link: Link::Open,
            input: Vec::new(),
            output: Vec::new(),
            sender: None,
            recipients: Vec::new(),
            content: Vec::new(),
            chunks: 0,
            is_spoiled: false,
            is_lost: false,
            gave_up: false,
            seen: Seen::default(),
        };
        server.answer(Point::Before, "220 wayward ESMTP");
        server
    }

    pub const fn link(&self) -> Link {
        self.link
    }

    /// A number below `bound`.
    pub fn choose(&mut self, bound: usize) -> usize {
        (self.choose)(bound)
    }

    /// What it has to say that has not been taken yet.
    pub fn said(&self) -> &[u8] {
        // What was under way is lost.
        if self.link == Link::Reset { &[] } else { &self.output }
    }

    /// So much of it has been taken.
    pub fn told(&mut self, octets: usize) {
        self.output.drain(..octets);
    }

    pub fn hear(&mut self, octets: &[u8]) {
        self.input.extend_from_slice(octets);
        while self.link == Link::Open && self.step() {}
        if self.link != Link::Open {
            self.input.clear();
        }
    }

    /// Whether there may be more to do.
    fn step(&mut self) -> bool {
        if let Mode::Chunk { left, last } = self.mode {
            if self.input.len() < left {
                return false;
            }
            self.mode = Mode::Commands;
            let octets: Vec<u8> = self.input.drain(..left).collect();
            self.chunk(&octets, last);
            return true;
        }
        let Some(end) = self.input.windows(2).position(|pair| pair == b"\r\n") else {
            return false;
        };
        let line: Vec<u8> = self.input.drain(..end + 2).collect();
        match self.mode {
            Mode::Data => self.line(&line),
            _ => self.command(&String::from_utf8_lossy(&line[..end])),
        }
        true
    }

    fn command(&mut self, line: &str) {
        let mut words = line.split(' ');
        match words.next().unwrap_or_default() {
            "EHLO" | "LHLO" => self.hello(),
            "HELO" => {
                self.forget();
                self.answer(Point::Before, "250 wayward");
            }
            "MAIL" if self.is_lost => self.say("503 5.5.1 no more"),
            "MAIL" if self.sender.is_some() || self.is_spoiled => {
                self.seen.complaints.push(format!("{line} inside a transaction"));
                self.say("503 5.5.1 nested");
            }
            "MAIL" => {
                if self.answer(Point::Before, &format!("250 2.1.0 {}", path(line))) {
                    self.sender = Some(path(line));
                }
            }
            "RCPT" if self.sender.is_none() || self.is_spoiled => self.say("503 5.5.1 MAIL first"),
            "RCPT" => {
                if self.answer(Point::Before, &format!("250 2.1.5 {}", path(line))) {
                    self.recipients.push(path(line));
                }
            }
            "DATA" => self.data(),
            "BDAT" => {
                let left = words.next().and_then(|size| size.parse().ok()).unwrap_or_default();
                self.mode = Mode::Chunk { left, last: words.next() == Some("LAST") };
            }
            "RSET" => {
                let is_right = self.answer(Point::Other, "250 2.0.0 rset");
                if is_right || self.choose(2) == 0 {
                    self.forget();
                }
                self.is_lost = !is_right;
            }
            "NOOP" => drop(self.answer(Point::Other, "250 2.0.0 noop")),
            "QUIT" => {
                self.answer(Point::Other, "221 2.0.0 bye");
                if self.link == Link::Open {
                    self.link = Link::Closed;
                }
            }
            _ => {
                self.seen.complaints.push(line.to_owned());
                self.say("500 5.5.2 unknown");
            }
        }
    }

    fn hello(&mut self) {
        self.forget();
        let mut reply = "250-wayward\r\n250-8BITMIME\r\n".to_owned();
        for (offer, is_there) in
            [("PIPELINING", self.offer.pipelining), ("CHUNKING", self.offer.chunking)]
        {
            if is_there {
                let _ = write!(reply, "250-{offer}\r\n");
            }
        }
        self.answer(Point::Before, &(reply + "250 ENHANCEDSTATUSCODES"));
    }

    fn data(&mut self) {
        if self.sender.is_none() || self.is_spoiled {
            return self.say("503 5.5.1 MAIL first");
        }
        if self.recipients.is_empty() {
            // RFC 2920 §3.1: some say go ahead all the same.
            if self.choose(3) == 0 {
                return self.say("554 5.5.1 no valid recipients");
            }
            self.say("354 go ahead");
            self.mode = Mode::Data;
            return;
        }
        if self.answer(Point::Go, "354 go ahead") {
            self.mode = Mode::Data;
        } else if self.choose(2) == 0 {
            self.is_spoiled = true;
        } else {
            self.forget();
        }
    }

    fn line(&mut self, line: &[u8]) {
        if line == b".\r\n" {
            self.mode = Mode::Commands;
            return self.end();
        }
        let before = self.content.len() / 1000;
        self.content.extend(line.strip_prefix(b".").unwrap_or(line));
        if self.recipients.is_empty() {
            self.seen.complaints.push("content for nobody".to_owned());
        }
        if !self.gave_up && self.content.len() / 1000 > before {
            match self.choose(16) {
                1 => self.give_up("552 5.3.4 too big"),
                2 => self.give_up("451 4.3.0 enough"),
                3 => {
                    self.give_up("421 4.3.2 going down");
                    self.link = Link::Closed;
                }
                4 => self.link = Link::Closed,
                5 => self.link = Link::Silent,
                6 => self.link = Link::Reset,
                _ => {}
            }
        }
    }

    /// Refuses before the end, and takes nothing.
    fn give_up(&mut self, reply: &str) {
        self.gave_up = true;
        self.say(reply);
    }

    fn chunk(&mut self, octets: &[u8], last: bool) {
        self.chunks += 1;
        if self.sender.is_none() || self.recipients.is_empty() || self.is_spoiled {
            self.is_spoiled = self.sender.is_some();
            return self.say("503 5.5.1 no chunk is wanted");
        }
        self.content.extend_from_slice(octets);
        if last {
            self.end();
        } else if !self.answer(Point::Go, "250 2.0.0 chunk") {
            self.is_spoiled = true;
        }
    }

    /// The end of a mail: whom it takes it for, and what it says to that.
    fn end(&mut self) {
        let is_bdat = std::mem::take(&mut self.chunks) > 0;
        let content = std::mem::take(&mut self.content);
        let all = std::mem::take(&mut self.recipients);
        let sender = self.sender.take().unwrap_or_default();
        if std::mem::take(&mut self.gave_up) {
            return;
        }
        let first = content.split(|octet| *octet == b'\r').next().unwrap_or_default();
        let name = String::from_utf8_lossy(first).into_owned();
        let answers = if self.offer.lmtp { all.len() } else { 1 };
        let manners: Vec<Manner> = (0..answers).map(|_| self.manner()).collect();
        let mut takes = Vec::new();
        for (n, recipient) in all.iter().enumerate() {
            let manner =
                manners.get(n).or_else(|| manners.first()).copied().unwrap_or(Manner::Right);
            if manner.is_right() || (!manner.is_refusal() && n == 0 && self.choose(2) == 0) {
                takes.push(recipient.clone());
            }
        }
        // Not right, and yet it has it: for all or for none.
        if !self.offer.lmtp && takes.len() == 1 {
            takes.clone_from(&all);
        }
        if !takes.is_empty() {
            self.seen.taken.push(Taken { sender, recipients: takes, content });
        }
        for manner in manners {
            if self.link == Link::Open {
                let is_right = self.perform(manner, Point::End, &format!("250 2.0.0 taken {name}"));
                self.is_spoiled |= is_bdat && !is_right;
            }
        }
    }

    fn forget(&mut self) {
        self.sender = None;
        self.recipients.clear();
        self.content.clear();
        self.chunks = 0;
        self.is_spoiled = false;
    }

    fn manner(&mut self) -> Manner {
        MANNERS[self.choose(MANNERS.len()) % MANNERS.len()]
    }

    /// Says the reply, or something else; whether it was the reply.
    fn answer(&mut self, at: Point, right: &str) -> bool {
        let manner = self.manner();
        self.perform(manner, at, right)
    }

    fn perform(&mut self, manner: Manner, at: Point, right: &str) -> bool {
        let (code, text) = right.split_at(3);
        match manner {
            Manner::Right => self.say(right),
            Manner::Long => self.say(&format!("{code}-more\r\n{right}")),
            Manner::BareLf => self.output.extend(format!("{right}\n").bytes()),
            // A greeting has one code alone, and lines of different codes are another matter.
            Manner::OddCode if code == "220" || right.contains('\n') => self.say(right),
            Manner::OddCode => self.say(&format!("{}9{text}", &code[..2])),
            Manner::Stray => {
                self.say(right);
                let strays = ["250 2.0.0 stray", "550 5.0.0 stray", "354 stray", "421 4.0.0 stray"];
                let stray = strays[self.choose(strays.len()) % strays.len()];
                self.say(stray);
                self.seen.strays.push(at);
            }
            Manner::Refusal => self.say("550 5.5.0 refused"),
            Manner::Later => self.say("451 4.3.0 later"),
            Manner::GoesDown => {
                self.say("421 4.3.2 going down");
                self.link = Link::Closed;
            }
            Manner::Closes => self.link = Link::Closed,
            Manner::HalfCloses => self.link = Link::HalfClosed,
            Manner::Resets => self.link = Link::Reset,
            Manner::Silent => self.link = Link::Silent,
            Manner::Garbage => {
                self.say("HTTP/1.1 400 Bad Request");
                self.link = Link::Silent;
            }
            Manner::WrongClass if code.starts_with('2') => self.say("354 what?"),
            Manner::WrongClass => self.say("250 what?"),
            Manner::EndlessLine => {
                self.output.extend(b"250 ");
                // More than the limits allow (`Limits`), and no more: many of them are played.
                self.output.extend([b'x'; 9 * 1024]);
                self.link = Link::Silent;
            }
            Manner::EndlessReply => {
                self.output.extend(b"250-x\r\n".repeat(300));
                self.link = Link::Silent;
            }
        }
        manner.is_right()
    }

    fn say(&mut self, words: &str) {
        self.output.extend(words.bytes());
        self.output.extend(b"\r\n");
    }
}

/// A mail as it was handed over: its content has lines that end in CRLF, the first one its own.
pub struct Handed<'a> {
    pub sender: &'a str,
    pub content: &'a [u8],
    /// Each recipient, and what the client says became of it.
    pub outcomes: Vec<(&'a str, &'a Outcome<'a>)>,
}

impl Seen {
    /// What a client believes of a mail, against what is so.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self, offer: Offer, is_data: bool, mail: &Handed<'_>) -> Result<(), String> {
        let id = mail.content.split(|octet| *octet == b'\r').next().unwrap_or_default();
        let id = String::from_utf8_lossy(id);
        let is_it = |taken: &&Taken| taken.content.starts_with(format!("{id}\r\n").as_bytes());
        let taken: Vec<&Taken> = self.taken.iter().filter(is_it).collect();
        if taken.len() > 1 {
            return Err(format!("{id} was taken {} times", taken.len()));
        }
        // Behind a reply too many each may answer the next command: only over DATA, and before its
        // go-ahead, does the class always tell.
        let before = |at: &Point| matches!(at, Point::Before | Point::Other);
        let is_told = self.strays.is_empty()
            || (is_data && !offer.lmtp && self.strays.len() == 1 && self.strays.iter().all(before));
        if is_told && !self.complaints.is_empty() && self.strays.is_empty() {
            return Err(format!("complaints: {:?}", self.complaints));
        }
        if let Some(taken) = taken.first() {
            if taken.content != mail.content {
                return Err(format!("{id} is not what was handed over"));
            }
            if is_told && taken.sender != mail.sender {
                return Err(format!("{id} is of {}", taken.sender));
            }
        }
        for (recipient, outcome) in &mail.outcomes {
            let has = taken.iter().any(|taken| taken.recipients.iter().any(|one| one == recipient));
            let is_wrong = match outcome {
                Outcome::Accepted(reply) if is_told => {
                    !has || !reply.text().contains(&format!("taken {id}"))
                }
                Outcome::Refused(_) => has && is_told,
                Outcome::NotSent => has,
                _ => false,
            };
            if is_wrong {
                return Err(format!("{id}, {recipient}: {outcome}; it has it: {has}"));
            }
        }
        Ok(())
    }
}

/// What stands between the angle brackets.
fn path(line: &str) -> String {
    let path = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    path.map_or_else(String::new, |(path, _)| path.to_owned())
}
