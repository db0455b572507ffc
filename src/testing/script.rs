//! The grammar of scripts, and nothing of how one is played: the server here plays its own side,
//! tests without a runtime play the other. So this file knows no runtime, and of the crate only
//! how octets are escaped.

use std::error::Error;
use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use crate::{Escaped, unescape};

/// A conversation written down: what the server says, what the client has to say, and what
/// happens in between.
///
/// One line a step; blank lines, lines that begin with `#` and indentation are passed over.
///
/// | line | the server |
/// |---|---|
/// | `S: 250 ok` | says the line, with CRLF at its end |
/// | `S! 250 o\x0a` | says these octets, with nothing added |
/// | `C: EHLO c.example` | waits for exactly this line, with CRLF at its end |
/// | `C: AUTH PLAIN <secret>` | the same, with any octets in the place of `<secret>` |
/// | `C: <content 120>` | takes 120 octets, whatever they are |
/// | `-- TLS` | takes its side of a TLS handshake |
/// | `-- wait 250` | says nothing for 250 milliseconds, at most 60,000 |
/// | `-- split 1` | from here on writes in pieces of one octet, each on its own |
/// | `-- flood 1000000` | says the next `S` line again until so many octets are written |
/// | `-- stall` | says nothing more and stays connected until the client goes; the last step |
/// | `-- close` | goes without a farewell, TLS's neither; the last step |
/// | `-- reset` | breaks the TCP connection with RST; the last step |
///
/// In `S` and `C` lines `\xNN` is an octet, `\u{NNNN}` a character and `\\` a backslash. Words
/// after `--` are read in any case. A [`Transcript`](crate::Transcript) prints in this grammar,
/// so what was recorded can be played again.
///
/// ```
/// use ehlo::testing::Script;
///
/// let script: Script = "
///     S: 220 mx.example.test
///     C: EHLO c.example
///     -- close
/// "
/// .parse()?;
/// assert_eq!(script.lines().len(), 3);
/// assert_eq!(script.lines()[1].to_string(), "C: EHLO c.example");
///
/// let error = "S: 220 hi\n-- clsoe".parse::<Script>().unwrap_err();
/// assert_eq!(error.to_string(), "line 2: `--` knows no \"clsoe\"");
/// # Ok::<(), ehlo::testing::InvalidScript>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    lines: Box<[ScriptLine]>,
}

impl Script {
    /// The steps, in order.
    #[must_use]
    pub const fn lines(&self) -> &[ScriptLine] {
        &self.lines
    }
}

impl FromStr for Script {
    type Err = InvalidScript;

    fn from_str(text: &str) -> Result<Self, InvalidScript> {
        let mut lines: Vec<ScriptLine> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let number = at + 1;
            let line = line.trim_start();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let invalid = |fault| InvalidScript { number, fault };
            let step: ScriptStep = step(line).map_err(invalid)?;
            match lines.last().map(ScriptLine::step) {
                Some(last) if last.ends() => return Err(invalid(Fault::AfterTheEnd)),
                Some(ScriptStep::Flood(_)) if !matches!(step, ScriptStep::Say(_)) => {
                    return Err(invalid(Fault::FloodOfWhat));
                }
                _ => lines.push(ScriptLine { number, step }),
            }
        }
        match lines.last() {
            Some(last) if matches!(last.step, ScriptStep::Flood(_)) => {
                Err(InvalidScript { number: last.number, fault: Fault::FloodOfWhat })
            }
            _ => Ok(Self { lines: lines.into() }),
        }
    }
}

/// One step of a [`Script`], and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptLine {
    number: usize,
    step: ScriptStep,
}

impl ScriptLine {
    /// The line of the script's text, counted from 1.
    #[must_use]
    pub const fn number(&self) -> usize {
        self.number
    }

    /// What it says.
    #[must_use]
    pub const fn step(&self) -> &ScriptStep {
        &self.step
    }
}

/// As it could be written in a script.
impl fmt::Display for ScriptLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.step.fmt(f)
    }
}

/// What a line of a [`Script`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScriptStep {
    /// `S:` and `S!`: the server says these octets, a line end included if there is one.
    Say(Box<[u8]>),
    /// `C:`: the client has to say a line that matches.
    Hear(LinePattern),
    /// `C: <content N>`: the client has to send so many octets.
    HearContent(u64),
    /// `-- TLS`
    Tls,
    /// `-- wait MILLISECONDS`
    Wait(Duration),
    /// `-- split N`
    Split(NonZeroUsize),
    /// `-- flood OCTETS`: of the `Say` that follows.
    Flood(u64),
    /// `-- stall`
    Stall,
    /// `-- close`
    Close,
    /// `-- reset`
    Reset,
}

impl ScriptStep {
    /// Whether nothing can come after it.
    #[must_use]
    pub const fn ends(&self) -> bool {
        matches!(self, Self::Stall | Self::Close | Self::Reset)
    }
}

impl fmt::Display for ScriptStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let marked = |f: &mut fmt::Formatter<'_>, mark: &str, octets: &[u8]| {
            if octets.is_empty() {
                return f.write_str(mark);
            }
            write!(f, "{mark} {}", Escaped::new(octets))
        };
        match self {
            Self::Say(octets) => match octets.strip_suffix(b"\r\n") {
                Some(line) => marked(f, "S:", line),
                None => marked(f, "S!", octets),
            },
            Self::Hear(pattern) if pattern.is_empty() => f.write_str("C:"),
            Self::Hear(pattern) => write!(f, "C: {pattern}"),
            Self::HearContent(octets) => write!(f, "C: {CONTENT}{octets}>"),
            Self::Tls => f.write_str("-- TLS"),
            Self::Wait(time) => write!(f, "-- wait {}", time.as_millis()),
            Self::Split(octets) => write!(f, "-- split {octets}"),
            Self::Flood(octets) => write!(f, "-- flood {octets}"),
            Self::Stall => f.write_str("-- stall"),
            Self::Close => f.write_str("-- close"),
            Self::Reset => f.write_str("-- reset"),
        }
    }
}

/// A line of the client as a script has it: octets, with any octets in the place of `<secret>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinePattern {
    /// At least one; between them stand secrets.
    parts: Box<[Box<[u8]>]>,
}

impl LinePattern {
    /// Whether this line, without its CRLF, is what the script has.
    ///
    /// ```
    /// # use ehlo::testing::{Script, ScriptStep};
    /// let script: Script = "C: AUTH PLAIN <secret>".parse()?;
    /// let ScriptStep::Hear(pattern) = script.lines()[0].step() else { unreachable!() };
    /// assert!(pattern.matches(b"AUTH PLAIN AGEAYg=="));
    /// assert!(!pattern.matches(b"AUTH LOGIN AGEAYg=="));
    /// # Ok::<(), ehlo::testing::InvalidScript>(())
    /// ```
    #[must_use]
    pub fn matches(&self, line: &[u8]) -> bool {
        let Some((first, rest)) = self.parts.split_first() else {
            return line.is_empty();
        };
        let Some(mut line) = line.strip_prefix(&**first) else {
            return false;
        };
        let Some((last, middle)) = rest.split_last() else {
            return line.is_empty();
        };
        // The leftmost place of each part leaves the most to those after it.
        for part in middle {
            let mut places = (0..=line.len()).filter_map(|at| line.get(at..));
            let found = places.find_map(|rest| rest.strip_prefix(&**part));
            let Some(rest) = found else { return false };
            line = rest;
        }
        line.ends_with(last)
    }

    /// Whether it hides a secret.
    #[must_use]
    pub const fn has_secret(&self) -> bool {
        self.parts.len() > 1
    }

    fn is_empty(&self) -> bool {
        self.parts.iter().all(|part| part.is_empty()) && !self.has_secret()
    }
}

impl fmt::Display for LinePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.parts.iter().enumerate() {
            if at > 0 {
                f.write_str(SECRET)?;
            }
            Escaped::new(part).fmt(f)?;
        }
        Ok(())
    }
}

/// A text that is not a [`Script`]: which line, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidScript {
    number: usize,
    fault: Fault,
}

impl InvalidScript {
    /// The line, counted from 1.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.number
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    Mark(Box<str>),
    Space,
    Escape,
    Content,
    Word(Box<str>),
    Number { word: &'static str, unit: &'static str },
    NoArgument(&'static str),
    LongWait,
    FloodOfWhat,
    AfterTheEnd,
}

impl fmt::Display for InvalidScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.number)?;
        match &self.fault {
            Fault::Mark(mark) => {
                let mark = Escaped::new(mark.as_bytes());
                write!(f, "`S:`, `S!`, `C:`, `--` or `#` must stand at its start, not {mark:?}")
            }
            Fault::Space => f.write_str("a space must follow the mark"),
            Fault::Escape => f.write_str(r"an escape is none of `\xNN`, `\u{NNNN}` and `\\`"),
            Fault::Content => f.write_str("`<content N>` needs a number of octets"),
            Fault::Word(word) => {
                write!(f, "`--` knows no {:?}", Escaped::new(word.as_bytes()))
            }
            Fault::Number { word, unit } => {
                write!(f, "`-- {word}` needs a number of {unit}, at least 1")
            }
            Fault::NoArgument(word) => write!(f, "`-- {word}` stands alone"),
            Fault::LongWait => write!(f, "`-- wait` takes at most {MAX_WAIT} milliseconds"),
            Fault::FloodOfWhat => f.write_str("an `S` line must follow `-- flood`"),
            Fault::AfterTheEnd => f.write_str("nothing can follow a stall, a close or a reset"),
        }
    }
}

impl Error for InvalidScript {}

fn step(line: &str) -> Result<ScriptStep, Fault> {
    let (mark, rest) = line.split_at_checked(2).unwrap_or_default();
    let octets = |rest: &str| unescape(rest).ok_or(Fault::Escape);
    match mark {
        "S:" => {
            let mut line = octets(spaced(rest)?)?;
            line.extend_from_slice(b"\r\n");
            Ok(ScriptStep::Say(line.into()))
        }
        "S!" => Ok(ScriptStep::Say(octets(spaced(rest)?)?.into())),
        "C:" => heard(spaced(rest)?),
        "--" => between(spaced(rest)?.trim()),
        _ => {
            let word = line.split(' ').next().unwrap_or_default();
            Err(Fault::Mark(word.into()))
        }
    }
}

fn spaced(rest: &str) -> Result<&str, Fault> {
    match rest.strip_prefix(' ') {
        Some(rest) => Ok(rest),
        None if rest.is_empty() => Ok(rest),
        None => Err(Fault::Space),
    }
}

fn heard(text: &str) -> Result<ScriptStep, Fault> {
    let content = text.strip_prefix(CONTENT);
    if let Some(octets) = content.and_then(|rest| rest.strip_suffix('>')) {
        let octets = octets.parse().map_err(|_| Fault::Content)?;
        return Ok(ScriptStep::HearContent(octets));
    }
    let parts = text.split(SECRET);
    let parts = parts.map(|part| unescape(part).map(Vec::into_boxed_slice));
    let parts = parts.collect::<Option<_>>().ok_or(Fault::Escape)?;
    Ok(ScriptStep::Hear(LinePattern { parts }))
}

fn between(text: &str) -> Result<ScriptStep, Fault> {
    let (word, argument) = match text.split_once(' ') {
        Some((word, argument)) => (word, argument.trim_start()),
        None => (text, ""),
    };
    let number = |word, unit| match argument.parse::<u64>() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(Fault::Number { word, unit }),
    };
    let alone = |word, step| match argument {
        "" => Ok(step),
        _ => Err(Fault::NoArgument(word)),
    };
    match word.to_ascii_lowercase().as_str() {
        "tls" => alone("TLS", ScriptStep::Tls),
        "stall" => alone("stall", ScriptStep::Stall),
        "close" => alone("close", ScriptStep::Close),
        "reset" => alone("reset", ScriptStep::Reset),
        "wait" => match number("wait", "milliseconds")? {
            time @ ..=MAX_WAIT => Ok(ScriptStep::Wait(Duration::from_millis(time))),
            _ => Err(Fault::LongWait),
        },
        "split" => {
            let octets = number("split", "octets")?;
            let octets = usize::try_from(octets).ok().and_then(NonZeroUsize::new);
            Ok(ScriptStep::Split(octets.unwrap_or(NonZeroUsize::MAX)))
        }
        "flood" => number("flood", "octets").map(ScriptStep::Flood),
        _ => Err(Fault::Word(word.into())),
    }
}

const SECRET: &str = "<secret>";
const CONTENT: &str = "<content ";
/// A test that waits longer is taken for one that hangs.
const MAX_WAIT: u64 = 60_000;

#[cfg(test)]
mod tests;
