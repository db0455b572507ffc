//! A script played on a connection, from the server's side.

use std::borrow::Cow;
use std::future::poll_fn;
use std::io;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::connection::{Connection, Heard};
use super::script::{Script, ScriptLine, ScriptStep};
use super::tls::Identity;
use crate::Escaped;
use crate::wire::MASK;

/// A client did not keep to the script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("script line {line}: expected {expected}, came {came}")]
pub struct ScriptError {
    line: usize,
    expected: String,
    came: String,
}

impl ScriptError {
    /// The line of the script's text, counted from 1; its last where the script had ended.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    /// What the script has there.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// What the client said or did, escaped.
    #[must_use]
    pub fn came(&self) -> &str {
        &self.came
    }

    /// At this step of the script, counted from 0.
    pub(super) fn at(script: &Script, step: usize, came: String) -> Self {
        match script.lines().get(step) {
            Some(line) => Self::on(line, came),
            None => Self {
                line: script.lines().last().map_or(0, ScriptLine::number),
                expected: "the end".to_owned(),
                came,
            },
        }
    }

    fn on(line: &ScriptLine, came: String) -> Self {
        Self { line: line.number(), expected: format!("`{line}`"), came }
    }
}

/// Plays the script and leaves word of how it went.
pub(super) async fn play(connection: &mut Connection, script: &Script, identity: &Identity) {
    let mut player = Player { connection, identity, split: None, flood: None, challenged: false };
    let log = player.connection.log().clone();
    match player.lines(script).await {
        Ok(Ended::Gone) => {}
        Ok(Ended::Stalled) => {
            log.played();
            player.listen().await;
        }
        Ok(Ended::Played) => {
            // A client that has gone need not hear the farewell.
            let _ = player.connection.shutdown().await;
            log.played();
            if let Some(came) = player.listen().await {
                log.fault(ScriptError::at(script, script.lines().len(), came));
            }
        }
        Err(fault) => log.fault(fault),
    }
    log.played();
}

/// How a script came to its end.
enum Ended {
    /// All was said and heard.
    Played,
    /// The rest is silence.
    Stalled,
    /// The connection is to be dropped as it is.
    Gone,
}

struct Player<'a> {
    connection: &'a mut Connection,
    identity: &'a Identity,
    split: Option<NonZeroUsize>,
    flood: Option<u64>,
    /// The last that was said is a 334: what answers it is a secret.
    challenged: bool,
}

impl Player<'_> {
    async fn lines(&mut self, script: &Script) -> Result<Ended, ScriptError> {
        for (at, line) in script.lines().iter().enumerate() {
            self.connection.log().step(at);
            let failed = |error: io::Error| ScriptError::on(line, shown(&error));
            match line.step() {
                ScriptStep::Say(octets) => {
                    let Some(most) = self.flood.take() else {
                        self.say(octets).await.map_err(failed)?;
                        continue;
                    };
                    // That a client flees from a flood is what it is made for.
                    if self.pour(octets, most).await.is_err() {
                        return Ok(Ended::Gone);
                    }
                }
                ScriptStep::Hear(_) => self.hear(line).await?,
                ScriptStep::HearContent(octets) => self.hear_content(line, *octets).await?,
                ScriptStep::Tls => {
                    let early = self.connection.pending();
                    if !early.is_empty() {
                        let came = format!("{:?} in clear", Escaped::new(early));
                        return Err(ScriptError::on(line, came));
                    }
                    let handshake = self.connection.start_tls(self.identity);
                    handshake.await.map_err(failed)?;
                }
                ScriptStep::Wait(time) => {
                    self.connection.log().script(line);
                    tokio::time::sleep(*time).await;
                }
                ScriptStep::Split(octets) => self.split = Some(*octets),
                ScriptStep::Flood(octets) => self.flood = Some(*octets),
                ScriptStep::Stall => return Ok(Ended::Stalled),
                ScriptStep::Close | ScriptStep::Reset => return Ok(Ended::Gone),
            }
        }
        Ok(Ended::Played)
    }

    async fn say(&mut self, octets: &[u8]) -> io::Result<()> {
        self.connection.log().server(octets);
        let mut lines = octets.split_inclusive(|octet| *octet == b'\n');
        self.challenged = lines.any(|line| line.starts_with(b"334"));
        self.write(octets).await
    }

    async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        let most = self.split.map_or(usize::MAX, NonZeroUsize::get);
        for piece in octets.chunks(most) {
            self.connection.put(piece);
            self.connection.flush().await?;
            if self.split.is_some() {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Writes the octets again and again; the last time perhaps not all of them.
    async fn pour(&mut self, octets: &[u8], most: u64) -> io::Result<()> {
        self.connection.log().between(format_args!("flood {most}"));
        self.connection.log().server(octets);
        // Many short lines go out in one write.
        let block = octets.repeat(FLOOD_BLOCK.div_ceil(octets.len().max(1)));
        let mut left = usize::try_from(most).unwrap_or(usize::MAX);
        while left > 0 && !block.is_empty() {
            let piece = block.get(..left).unwrap_or(&block);
            self.write(piece).await?;
            left -= piece.len();
        }
        Ok(())
    }

    async fn hear(&mut self, line: &ScriptLine) -> Result<(), ScriptError> {
        let ScriptStep::Hear(pattern) = line.step() else {
            return Ok(());
        };
        let heard = self.connection.line(LONGEST_LINE).await;
        let came = match heard {
            Ok(Heard::Line(came)) => match came.strip_suffix(b"\r\n") {
                Some(came) if pattern.matches(came) => {
                    match pattern.has_secret() {
                        true => self.connection.log().script(line),
                        false => self.connection.log().client(&self.masked(came)),
                    }
                    self.challenged = false;
                    return Ok(());
                }
                Some(came) => format!("`C: {}`", Escaped::new(&self.masked(came))),
                None => format!(
                    "`C: {}`, without a CR before its end",
                    Escaped::new(&self.masked(came.trim_ascii_end()))
                ),
            },
            Ok(Heard::TooLong) => format!("a line of more than {LONGEST_LINE} octets"),
            Ok(Heard::End) => self.the_end(),
            Err(error) => shown(&error),
        };
        Err(ScriptError::on(line, came))
    }

    async fn hear_content(&mut self, line: &ScriptLine, octets: u64) -> Result<(), ScriptError> {
        let mut left = octets;
        loop {
            let there = self.connection.pending().len() as u64;
            let taken = there.min(left);
            self.connection.consume(usize::try_from(taken).unwrap_or(usize::MAX));
            left -= taken;
            if left == 0 {
                self.connection.log().client(format!("<content {octets}>").as_bytes());
                return Ok(());
            }
            let came = match self.connection.fill().await {
                Ok(true) => continue,
                Ok(false) => format!("the end of the connection, {left} octets early"),
                Err(error) => shown(&error),
            };
            return Err(ScriptError::on(line, came));
        }
    }

    fn the_end(&self) -> String {
        match self.connection.pending() {
            b"" => "the end of the connection".to_owned(),
            rest => {
                let rest = self.masked(rest);
                format!("the end of the connection after {:?}", Escaped::new(&rest))
            }
        }
    }

    /// What a client has said as it may be shown: what AUTH carries is masked by its place, also
    /// where the script has it word by word.
    fn masked<'a>(&self, said: &'a [u8]) -> Cow<'a, [u8]> {
        let mut words = said.splitn(3, |octet| *octet == b' ');
        match (words.next(), words.next(), words.next()) {
            _ if self.challenged && said != b"*" => MASK.as_bytes().into(),
            (Some(word), Some(mechanism), Some(_)) if word.eq_ignore_ascii_case(b"AUTH") => {
                [word, b" ", mechanism, b" ", MASK.as_bytes()].concat().into()
            }
            _ => said.into(),
        }
    }

    /// Says nothing and listens until the client goes or the server is to stop. What came is
    /// shown by its first line.
    async fn listen(&mut self) -> Option<String> {
        let log = self.connection.log().clone();
        let mut said = self.first_line();
        loop {
            let more = match unless(log.stopped(), self.connection.fill()).await {
                Some(more) => more,
                // What was said before the stop may still be on its way up.
                None => match tokio::time::timeout(GRACE, self.connection.fill()).await {
                    Ok(more) => more,
                    Err(_) => return said,
                },
            };
            // A client may break the connection off once all is said.
            if !more.unwrap_or_default() {
                return said;
            }
            said = said.or_else(|| self.first_line());
            self.connection.consume(usize::MAX);
        }
    }

    fn first_line(&self) -> Option<String> {
        let pending = self.connection.pending();
        let line = pending.split(|octet| *octet == b'\n').next()?;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        (!pending.is_empty()).then(|| format!("`C: {}`", Escaped::new(&self.masked(line))))
    }
}

fn shown(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the end of the connection".to_owned(),
        _ => format!("\"{error}\""),
    }
}

/// What the work gives, unless the other future is done before it.
async fn unless<T>(stop: impl Future<Output = ()>, work: impl Future<Output = T>) -> Option<T> {
    let (mut stop, mut work) = (pin!(stop), pin!(work));
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => stop.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// Longer than any line that a client may send: an AUTH response of a large token.
const LONGEST_LINE: usize = 128 * 1024;
/// Octets of a flood that are written at a time.
const FLOOD_BLOCK: usize = 16 * 1024;
/// How long a session that is to stop still listens.
const GRACE: Duration = Duration::from_millis(20);
