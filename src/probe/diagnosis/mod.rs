//! From an error or a refusal to its likely cause, and to what an administrator can do about it.
//! What went wrong is known when this begins; nothing is asked of a server or of the network here.
//!
//! | file | what it holds |
//! |---|---|
//! | `kind` | every cause, as data |
//! | `name` | each one's name for machines |
//! | `cause` | each one in a sentence |
//! | `advice` | what to do about each |
//! | `evidence` | all that may be known |
//! | `fault` | from an error |
//! | `reach` | from names and addresses that lead to no server |
//! | `handshake` | from a failed TLS handshake (feature `tls`) |
//! | `violation` | from a broken rule of the protocol |
//! | `refusal` | from a reply: its status, its code and its words, and which of them decides |
//! | `status` | what enhanced codes say |
//! | `code` | what the three digits say at a stage |
//! | `phrases` | what servers write: the table |
//! | `wording` | how the table is held against a text |
//! | `facts` | links, lists, delays and limits out of a text |

mod advice;
mod cause;
mod code;
mod evidence;
mod facts;
mod fault;
#[cfg(feature = "tls")]
mod handshake;
mod kind;
mod name;
mod phrases;
mod reach;
mod refusal;
mod status;
#[cfg(test)]
#[cfg(feature = "tls")]
mod tests;
mod violation;
mod wording;

use std::fmt;

use crate::error::Error;
use crate::protocol::Stage;
use crate::wire::{Escaped, Reply};

pub(in crate::probe) use evidence::{Evidence, Finding, MxLookup, ReferencesOutcome};
pub use kind::{DiagnosisKind, FilteredBy};

/// The likely cause of a failure, and what to do about it, for whoever runs the server or the
/// client.
///
/// ```
/// use ehlo::{Confidence, Diagnosis, Stage};
///
/// let reply = "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using \
///              zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.1"
///     .parse()?;
/// let diagnosis = Diagnosis::of_refusal(Stage::Rcpt, &reply);
/// assert_eq!(diagnosis.kind().name(), "listed");
/// assert_eq!(diagnosis.confidence(), Confidence::Likely);
/// println!("{diagnosis}"); // two plain sentences
/// # Ok::<(), ehlo::ReplyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    kind: DiagnosisKind,
    confidence: Confidence,
    told: Told,
}

/// How sure a diagnosis is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Confidence {
    /// Seen by the client itself, or said by a code that means nothing else.
    Certain,
    /// The server's words say so, or a code that mostly means it.
    Likely,
    /// A code says no more than its class, or codes and words say different things.
    Guess,
}

/// What the evidence says in its own words: escaped, and cut where it is long.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    /// The server's reply.
    Reply(String),
    /// The words of a fault: a clause without a capital at its start or a stop at its end.
    Fault(String),
}

impl Diagnosis {
    /// What an error says.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        Self::of_evidence(&Evidence::of_error(error))
    }

    /// What a refusal says, received at this stage: in reply to the stage's command, as the
    /// greeting, or to the end of the content.
    #[must_use]
    pub fn of_refusal(stage: Stage, reply: &Reply) -> Self {
        Self::of_evidence(&Evidence::of_refusal(stage, reply))
    }

    /// What all that is known says.
    pub(in crate::probe) fn of_evidence(evidence: &Evidence<'_>) -> Self {
        match evidence.finding {
            Finding::Error(error) => fault::of(error, evidence),
            Finding::Refusal(stage, reply) => Self::of_reply(stage, reply),
            Finding::Lookup => {
                let kind = reach::of_lookup(evidence);
                Self { kind, confidence: Confidence::Certain, told: Told::Nothing }
            }
        }
    }

    fn of_reply(stage: Stage, reply: &Reply) -> Self {
        let (kind, confidence) = refusal::of(stage, reply);
        let told = match kind {
            // It quotes the line itself.
            DiagnosisKind::ProtocolViolation { .. } => Told::Nothing,
            _ => Told::Reply(shown(reply.octets())),
        };
        Self { kind, confidence, told }
    }

    fn at_most(self, confidence: Confidence) -> Self {
        Self { confidence: self.confidence.max(confidence), ..self }
    }

    /// The cause, for programs.
    #[must_use]
    pub const fn kind(&self) -> &DiagnosisKind {
        &self.kind
    }

    /// How sure it is.
    #[must_use]
    pub const fn confidence(&self) -> Confidence {
        self.confidence
    }

    /// What is likely wrong: one sentence.
    #[must_use]
    pub fn cause(&self) -> String {
        cause::sentence(&self.kind, &self.told)
    }

    /// What to do about it: one sentence.
    #[must_use]
    pub fn advice(&self) -> String {
        advice::sentence(&self.kind)
    }
}

/// Both sentences.
impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.cause(), self.advice())
    }
}

impl Confidence {
    /// The confidence in `snake_case`, for machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Guess => "guess",
        }
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Octets of a stranger in one line, lines joined by a space, and no more of them than a sentence
/// can bear.
fn shown(octets: &[u8]) -> String {
    let octets = octets.trim_ascii();
    let cut = octets.get(..SHOWN).unwrap_or(octets);
    // Not in the middle of a character.
    let whole = match std::str::from_utf8(cut) {
        Err(error) if error.error_len().is_none() => cut.get(..error.valid_up_to()),
        _ => None,
    };
    let lines = whole.unwrap_or(cut).split(|octet| *octet == b'\n');
    let mut text = String::new();
    for line in lines.map(<[u8]>::trim_ascii_end).filter(|line| !line.is_empty()) {
        let space = if text.is_empty() { "" } else { " " };
        text.push_str(&format!("{space}{}", Escaped::new(line)));
    }
    if cut.len() < octets.len() {
        text.push('…');
    }
    text
}

/// A text of a stranger's or the caller's, whole.
fn escaped(text: &str) -> String {
    Escaped::new(text.as_bytes()).to_string()
}

/// Octets of a reply that a sentence quotes.
const SHOWN: usize = 300;
