//! The grammar of `tests/scripts/*.smtp` (its README says what the lines mean): reading one, and
//! comparing what a client wrote with what it should have written. How a script is played is not
//! here, and nothing here knows of a runtime.

use std::fmt;
use std::path::Path;

use ehlo::{Strictness, unescape};

/// A conversation, line by line.
#[derive(Debug, Clone)]
pub struct Script {
    pub name: String,
    pub setup: Setup,
    pub lines: Vec<Line>,
}

/// What the client is told before it begins.
#[derive(Debug, Clone, Copy, Default)]
pub struct Setup {
    pub lmtp: bool,
    pub require_tls: bool,
    pub allow_cleartext: bool,
    pub run_ahead: bool,
    pub strictness: Strictness,
}

/// A line of a script that means something, and where it stands.
#[derive(Debug, Clone)]
pub struct Line {
    pub number: usize,
    pub does: Does,
}

#[derive(Debug, Clone)]
pub enum Does {
    /// Octets of the server.
    Server(Vec<u8>),
    /// What the client says, without its line end.
    Client(String),
    /// TLS starts here; whether the server is verified.
    Tls { verified: bool },
    /// The server closes.
    Close,
    /// What the client must have concluded by now.
    Claim(Claim),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    Event(String),
    Reply(String),
    Phase(String),
    Ahead(String),
    Offers(String),
    DoesNotOffer(String),
    Authenticated,
    NotAuthenticated,
    Violation(String),
    Misuse { line: String, words: String },
    Unfinished(String),
    Closed,
}

impl Script {
    /// Every script of a folder, by name.
    pub fn all(folder: &Path) -> Vec<Self> {
        let mut paths: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "smtp"))
            .collect();
        paths.sort();
        paths
            .iter()
            .map(|path| {
                let name = path.file_stem().unwrap().to_string_lossy();
                Self::parse(&name, &std::fs::read_to_string(path).unwrap())
            })
            .collect()
    }

    /// Reads a script; one that is malformed panics with its line.
    pub fn parse(name: &str, text: &str) -> Self {
        let mut script = Self { name: name.to_owned(), setup: Setup::default(), lines: Vec::new() };
        for (n, line) in text.lines().enumerate() {
            let number = n + 1;
            let wrong = || -> ! { panic!("{name}.smtp:{number}: not a script line: {line}") };
            let (mark, rest) = line.split_at(line.len().min(2));
            let rest = rest.strip_prefix(' ').unwrap_or(rest);
            let octets = || unescape(rest).unwrap_or_else(|| wrong());
            let does = match mark {
                "S:" => Does::Server([octets(), b"\r\n".to_vec()].concat()),
                "S!" => Does::Server(octets()),
                "C:" => Does::Client(rest.to_owned()),
                "--" => match rest {
                    "TLS" => Does::Tls { verified: true },
                    "TLS unverified" => Does::Tls { verified: false },
                    "close" => Does::Close,
                    _ => wrong(),
                },
                "= " => match rest.strip_prefix("session ") {
                    Some(words) => {
                        script.setup = Setup::parse(words).unwrap_or_else(|| wrong());
                        continue;
                    }
                    None => Does::Claim(Claim::parse(rest).unwrap_or_else(|| wrong())),
                },
                _ if line.is_empty() || line.starts_with('#') => continue,
                _ => wrong(),
            };
            script.lines.push(Line { number, does });
        }
        script
    }

    /// What went over the wire, as a transcript shows it.
    pub fn as_transcript(&self) -> String {
        let mut text = String::new();
        let mut content = 0;
        for line in &self.lines {
            if let Does::Client(line) = &line.does
                && let Some(octets) = content_octets(line)
            {
                content += octets;
                continue;
            }
            // Content is one line, however many parts it was handed over in.
            if content > 0 && !matches!(line.does, Does::Claim(_)) {
                text += &entry("C:", &format!("<content {content}>"));
                content = 0;
            }
            text += &match &line.does {
                // The server's signature of SCRAM: `v=`.
                Does::Server(octets) if octets.starts_with(b"334 dj0") => {
                    entry("S:", &"334 <secret>")
                }
                Does::Server(octets) => match octets.strip_suffix(b"\r\n") {
                    Some(whole) => entry("S:", &ehlo::Escaped::new(whole)),
                    None => entry("S!", &ehlo::Escaped::new(octets)),
                },
                Does::Client(line) => entry("C:", line),
                Does::Tls { .. } => entry("--", &"TLS"),
                Does::Close => entry("--", &"close"),
                Does::Claim(_) => continue,
            };
        }
        text
    }
}

fn entry(mark: &str, what: &impl fmt::Display) -> String {
    format!("{mark} {what}").trim_end().to_owned() + "\n"
}

impl Setup {
    fn parse(words: &str) -> Option<Self> {
        let mut setup = Self::default();
        for word in words.split(' ') {
            match word {
                "lmtp" => setup.lmtp = true,
                "require-tls" => setup.require_tls = true,
                "allow-cleartext" => setup.allow_cleartext = true,
                "run-ahead" => setup.run_ahead = true,
                "strict" => setup.strictness = Strictness::Strict,
                "lenient" => setup.strictness = Strictness::Lenient,
                _ => return None,
            }
        }
        Some(setup)
    }
}

impl Claim {
    fn parse(line: &str) -> Option<Self> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.to_owned();
        Some(match word {
            "event" => Self::Event(rest),
            "reply" => Self::Reply(rest),
            "phase" => Self::Phase(rest),
            "ahead" => Self::Ahead(rest),
            "offers" => Self::Offers(rest),
            "does-not-offer" => Self::DoesNotOffer(rest),
            "authenticated" => Self::Authenticated,
            "not-authenticated" => Self::NotAuthenticated,
            "violation" => Self::Violation(rest),
            "unfinished" => Self::Unfinished(rest),
            "closed" => Self::Closed,
            "misuse" => {
                let (line, words) = rest.split_once(" => ")?;
                let (line, words) = (line.to_owned(), words.to_owned());
                Self::Misuse { line, words }
            }
            _ => return None,
        })
    }
}

/// How many octets of `wire` this line of a client takes, if it begins with them.
pub fn taken_by(line: &str, wire: &[u8]) -> Option<usize> {
    if let Some(octets) = content_octets(line) {
        return (wire.len() >= octets).then_some(octets);
    }
    let end = wire.windows(2).position(|pair| pair == b"\r\n")?;
    let said = wire.get(..end)?;
    let fits = match line.split_once(SECRET) {
        Some((before, "")) => said.starts_with(before.as_bytes()),
        Some(_) => false,
        None => said == unescape(line)?,
    };
    fits.then_some(end + 2)
}

/// N of `<content N>`.
pub fn content_octets(line: &str) -> Option<usize> {
    let number = line.strip_prefix("<content ")?.strip_suffix('>')?;
    number.parse().ok()
}

/// What a `…` at the end of the words leaves open.
pub fn says(words: &str, said: &str) -> bool {
    match words.strip_suffix('…') {
        Some(beginning) => said.starts_with(beginning),
        None => said == words,
    }
}

/// Stands for octets that are not shown.
pub const SECRET: &str = "<secret>";
