//! A server that does everything right but one thing, at one point of one mail. It names in each
//! reply what it answers, and keeps what it took. It shares nothing with the crate.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
    DuplexStream, ReadBuf,
};

/// Where a server goes wrong: in place of which reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    Greeting,
    Ehlo,
    Mail,
    /// Of the recipient of this number, from 0.
    Rcpt(usize),
    /// DATA, or the first chunk that is not the last.
    Go,
    /// Amid the content, or a later chunk that is not the last.
    Middle,
    /// The end of the data, or the last chunk; over LMTP, of the recipient of this number.
    End(usize),
    Rset,
    Quit,
}

/// What it does there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 421, and closes.
    GoesDown,
    Closes,
    Resets,
    /// Says nothing any more; amid the content it does not read either.
    Silent,
    Garbage,
    Refuses,
    /// The right reply, and another.
    OneTooMany,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Faulty {
    pub(crate) at: Option<(Point, Fault)>,
    /// Of which mail, counted by its MAIL, from 0.
    pub(crate) mail: usize,
    pub(crate) pipelining: bool,
    pub(crate) lmtp: bool,
}

/// A mail that it has answered for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) sender: String,
    pub(crate) recipients: Vec<String>,
    pub(crate) content: Vec<u8>,
}

/// What it saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) taken: Vec<Taken>,
    /// What no client may say.
    pub(crate) complaints: Vec<String>,
}

/// The client's end.
pub(crate) struct Link {
    inner: DuplexStream,
    is_reset: Arc<AtomicBool>,
}

impl Faulty {
    /// Serves one connection over a stream that holds so many octets each way.
    pub(crate) fn serve(self, holds: usize) -> (Link, Arc<Mutex<Seen>>) {
        let (inner, far) = tokio::io::duplex(holds);
        let is_reset = Arc::new(AtomicBool::new(false));
        let seen = Arc::default();
        let session = Session {
            server: self,
            stream: BufReader::new(far),
            is_reset: Arc::clone(&is_reset),
            seen: Arc::clone(&seen),
            mails: 0,
            sender: None,
            recipients: Vec::new(),
            content: Vec::new(),
            chunks: 0,
            is_spoiled: false,
            is_lost: false,
        };
        tokio::spawn(session.run());
        (Link { inner, is_reset }, seen)
    }
}

struct Session {
    server: Faulty,
    stream: BufReader<DuplexStream>,
    is_reset: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    mails: usize,
    sender: Option<String>,
    recipients: Vec<String>,
    content: Vec<u8>,
    chunks: usize,
    is_spoiled: bool,
    /// It has refused RSET, and refuses all that follows.
    is_lost: bool,
}

/// The session is over.
struct Over;

type Said = Result<bool, Over>;

impl From<io::Error> for Over {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl Session {
    async fn run(mut self) {
        let _ = self.serve().await;
    }

    async fn serve(&mut self) -> Result<(), Over> {
        self.answer(Point::Greeting, "220 greeting").await?;
        loop {
            let line = self.line().await?;
            let verb = line.split(' ').next().unwrap_or_default();
            match verb {
                "EHLO" | "LHLO" => {
                    let pipelining = if self.server.pipelining { "250-PIPELINING\r\n" } else { "" };
                    let hello = format!("250-hello\r\n{pipelining}250-8BITMIME\r\n250 CHUNKING");
                    self.answer(Point::Ehlo, &hello).await?;
                }
                "MAIL" => self.mail(&line).await?,
                "RCPT" => self.rcpt(&line).await?,
                "DATA" => self.data().await?,
                "BDAT" => self.bdat(&line).await?,
                "RSET" => {
                    let is_right = self.answer(Point::Rset, "250 2.0.0 rset").await?;
                    self.forget();
                    self.is_lost = !is_right;
                }
                "QUIT" => {
                    self.answer(Point::Quit, "221 2.0.0 quit").await?;
                    return Ok(());
                }
                _ => self.complain(&line).await?,
            }
        }
    }

    async fn line(&mut self) -> Result<String, Over> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).await?;
        let line = line.strip_suffix(b"\r\n").ok_or(Over)?;
        Ok(String::from_utf8_lossy(line).into_owned())
    }

    async fn mail(&mut self, line: &str) -> Result<(), Over> {
        if self.is_lost {
            return self.say("503 5.5.1 no more").await;
        }
        if self.sender.is_some() || self.is_spoiled {
            return self.complain(line).await;
        }
        self.mails += 1;
        if self.answer(Point::Mail, &format!("250 2.1.0 {}", path(line))).await? {
            self.sender = Some(path(line));
        }
        Ok(())
    }

    async fn rcpt(&mut self, line: &str) -> Result<(), Over> {
        if self.sender.is_none() {
            return self.say("503 5.5.1 MAIL first").await;
        }
        let number = usize::from(line.contains("eve"));
        if self.answer(Point::Rcpt(number), &format!("250 2.1.5 {}", path(line))).await? {
            self.recipients.push(path(line));
        }
        Ok(())
    }

    async fn data(&mut self) -> Result<(), Over> {
        if self.recipients.is_empty() {
            return self.say("503 5.5.1 RCPT first").await;
        }
        if !self.answer(Point::Go, "354 go ahead").await? {
            self.is_spoiled = true;
            return Ok(());
        }
        loop {
            let mut line = Vec::new();
            self.stream.read_until(b'\n', &mut line).await?;
            if !line.ends_with(b"\r\n") {
                return Err(Over);
            }
            if line == b".\r\n" {
                break;
            }
            self.content.extend(line.strip_prefix(b".").unwrap_or(&line));
            if self.content.len() > 1000 && self.is_due(Point::Middle) {
                self.amid().await?;
            }
        }
        self.end().await
    }

    /// What goes wrong amid the content is said once, and nothing else.
    async fn amid(&mut self) -> Result<(), Over> {
        match self.server.at {
            Some((_, Fault::Silent)) => std::future::pending().await,
            Some((_, Fault::OneTooMany)) => {
                self.say("250 one too many").await?;
                self.drain().await
            }
            _ => {
                self.answer(Point::Middle, "").await?;
                self.drain().await
            }
        }
    }

    async fn bdat(&mut self, line: &str) -> Result<(), Over> {
        let mut words = line.split(' ').skip(1);
        let octets: u64 = words.next().and_then(|size| size.parse().ok()).ok_or(Over)?;
        let is_last = words.next() == Some("LAST");
        let mut chunk = Vec::new();
        (&mut self.stream).take(octets).read_to_end(&mut chunk).await?;
        if chunk.len() as u64 != octets {
            return Err(Over);
        }
        self.chunks += 1;
        if self.sender.is_none() || self.recipients.is_empty() || self.is_spoiled {
            // Where no transaction is open there is nothing to reset.
            self.is_spoiled = self.sender.is_some();
            return self.say("503 5.5.1 no chunk is wanted").await;
        }
        self.content.extend(chunk);
        if is_last {
            return self.end().await;
        }
        let at = if self.chunks == 1 { Point::Go } else { Point::Middle };
        let words = format!("250 2.0.0 chunk {}", self.chunks);
        self.is_spoiled = !self.answer(at, &words).await?;
        Ok(())
    }

    async fn end(&mut self) -> Result<(), Over> {
        let is_bdat = self.chunks > 0;
        let content = std::mem::take(&mut self.content);
        let first = content.split(|octet| *octet == b'\r').next().unwrap_or_default();
        let name = String::from_utf8_lossy(first).into_owned();
        let all = std::mem::take(&mut self.recipients);
        let sender = self.sender.take().unwrap_or_default();
        self.chunks = 0;
        let answers = if self.server.lmtp { all.len() } else { 1 };
        let mut taken = all.clone();
        for (n, recipient) in all.iter().take(answers).enumerate() {
            let number = usize::from(recipient.starts_with("eve"));
            let at = Point::End(if self.server.lmtp { number } else { n });
            // Whoever answers for a mail has it.
            if self.is_due(at) && self.server.at.is_some_and(|(_, fault)| fault.is_refusal()) {
                match self.server.lmtp {
                    true => taken.retain(|other| other != recipient),
                    false => taken.clear(),
                }
                self.is_spoiled = is_bdat;
            }
            if n + 1 == answers && !taken.is_empty() {
                let (sender, content) = (sender.clone(), content.clone());
                let taken = Taken { sender, recipients: taken.clone(), content };
                self.seen.lock().unwrap().taken.push(taken);
            }
            self.answer(at, &format!("250 2.0.0 {name}")).await?;
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.sender = None;
        self.recipients.clear();
        self.content.clear();
        self.chunks = 0;
        self.is_spoiled = false;
    }

    fn is_due(&self, point: Point) -> bool {
        let of_mail = !matches!(point, Point::Greeting | Point::Ehlo | Point::Rset | Point::Quit);
        let is_it = self.server.at.is_some_and(|(at, _)| at == point);
        is_it && (!of_mail || self.mails == self.server.mail + 1)
    }

    /// Says the reply, or what goes wrong in its place; whether it was positive.
    async fn answer(&mut self, point: Point, right: &str) -> Said {
        let Some((_, fault)) = self.server.at.filter(|_| self.is_due(point)) else {
            self.say(right).await?;
            return Ok(true);
        };
        match fault {
            Fault::GoesDown => {
                self.say("421 4.3.2 going down").await?;
                Err(Over)
            }
            Fault::Closes => Err(Over),
            Fault::Resets => {
                self.is_reset.store(true, Ordering::Relaxed);
                Err(Over)
            }
            Fault::Silent => self.drain().await.map(|()| false),
            Fault::Garbage => {
                self.say("garbage").await?;
                self.drain().await.map(|()| false)
            }
            Fault::Refuses => {
                self.say("550 5.5.0 refused").await?;
                Ok(false)
            }
            Fault::OneTooMany => {
                self.say(&format!("{right}\r\n250 one too many")).await?;
                Ok(true)
            }
        }
    }

    async fn say(&mut self, words: &str) -> Result<(), Over> {
        self.stream.write_all(format!("{words}\r\n").as_bytes()).await?;
        Ok(())
    }

    async fn complain(&mut self, line: &str) -> Result<(), Over> {
        self.seen.lock().unwrap().complaints.push(line.to_owned());
        self.say("503 5.5.1 not here").await
    }

    /// Reads, and says nothing any more.
    async fn drain(&mut self) -> Result<(), Over> {
        let mut octets = [0; 1024];
        while self.stream.read(&mut octets).await? > 0 {}
        Err(Over)
    }
}

impl Fault {
    const fn is_refusal(self) -> bool {
        matches!(self, Self::Refuses | Self::GoesDown | Self::Garbage)
    }
}

/// What stands between the angle brackets, up to the domain.
fn path(line: &str) -> String {
    let path = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    path.map_or_else(String::new, |(path, _)| path.to_owned())
}

impl Link {
    fn broken<T>(&self) -> Poll<io::Result<T>> {
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }

    fn is_reset(&self) -> bool {
        self.is_reset.load(Ordering::Relaxed)
    }
}

impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.inner).poll_read(cx, buf) {
            Poll::Ready(Ok(())) if buf.filled().len() == before && self.is_reset() => self.broken(),
            other => other,
        }
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.inner).poll_write(cx, octets) {
            Poll::Ready(Err(_)) if self.is_reset() => self.broken(),
            other => other,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
