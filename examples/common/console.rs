//! Where the console's lines come from: a terminal, with completion, hints and history, or a
//! script. And how replies are shown.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{BufRead, IsTerminal, StdinLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ehlo::{Code, Conversation, Escaped, Phase, Reply, Verb};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::{Context, Editor, Helper};

pub(crate) const HELP: &str = "\
Beside SMTP commands:
  ?              which verbs are lawful now, and why the others are not
  :capabilities  what the server offers
  :transcript    what was said so far
  :raw LINE      say a line as it is
  :help          this
  :quit          leave

After 334 type the answer in base64, or * to give up. After 354 type the content, and a dot on a
line of its own at its end; dots at the start of other lines are stuffed.

Exit status: 0 the session ended well, 3 it failed, 64 bad arguments.";

pub(crate) enum Input {
    Terminal(Box<Editor<Words, DefaultHistory>>),
    Script(StdinLock<'static>),
}

impl Input {
    pub(crate) fn new() -> Result<Self, String> {
        if !std::io::stdin().is_terminal() {
            return Ok(Self::Script(std::io::stdin().lock()));
        }
        let mut editor = Editor::new().map_err(|why| why.to_string())?;
        editor.set_helper(Some(Words::default()));
        Ok(Self::Terminal(Box::new(editor)))
    }

    /// The next line, without its end; `None` at the end of the input. Meanwhile nothing else runs:
    /// a server speaks when it is spoken to.
    pub(crate) fn line(
        &mut self,
        phase: Phase,
        lawful: impl IntoIterator<Item = Verb>,
    ) -> Result<Option<Vec<u8>>, String> {
        match self {
            Self::Terminal(editor) => {
                let lawful = lawful.into_iter().map(beginning);
                editor.set_helper(Some(Words(lawful.chain(LOCAL).collect())));
                match editor.readline(&format!("{phase}> ")) {
                    Ok(line) => {
                        let is_secret = phase == Phase::Auth
                            || line.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("AUTH"));
                        if !is_secret && phase != Phase::Content {
                            // Without it the line has to be typed again, and that is all.
                            let _ = editor.add_history_entry(&line);
                        }
                        Ok(Some(line.into_bytes()))
                    }
                    Err(ReadlineError::Eof | ReadlineError::Interrupted) => Ok(None),
                    Err(why) => Err(why.to_string()),
                }
            }
            Self::Script(stdin) => {
                let mut line = Vec::new();
                let octets = stdin.read_until(b'\n', &mut line).map_err(|why| why.to_string())?;
                for end in [b'\n', b'\r'] {
                    line.pop_if(|last| *last == end);
                }
                Ok((octets > 0).then_some(line))
            }
        }
    }

    /// Shows what is said, where nobody has typed it.
    pub(crate) fn echo(&self, line: impl Display) {
        if let Self::Script(_) = self {
            println!("> {line}");
        }
    }
}

/// Every line of a reply, and what its codes mean.
pub(crate) fn show(reply: &Reply) {
    for line in reply.wire_lines() {
        println!("S: {}", Escaped::new(line));
    }
    let code = reply.code();
    let mut meaning = format!("{code}: {}", code.meaning().unwrap_or("not registered"));
    if let Some(enhanced) = reply.enhanced() {
        meaning += &format!("; {enhanced}: {}", enhanced.meaning());
    }
    let asked = BASE64.decode(reply.text().as_bytes()).unwrap_or_default();
    if code == Code::CHALLENGE && !asked.is_empty() {
        meaning += &format!("; it asks \"{}\"", Escaped::new(&asked));
    }
    if !reply.quirks().is_empty() {
        meaning += &format!("; quirks: {}", reply.quirks());
    }
    println!("   {meaning}");
}

/// What may be said now.
pub(crate) fn lawful(smtp: &Conversation) -> impl Iterator<Item = Verb> {
    let verbs = Verb::ALL.iter().copied();
    verbs.filter(|verb| smtp.allows(*verb).is_ok())
}

pub(crate) fn words(verbs: impl Iterator<Item = Verb>) -> String {
    verbs.map(Verb::as_str).collect::<Vec<_>>().join(" ")
}

/// How a line may begin.
#[derive(Default)]
pub(crate) struct Words(Vec<&'static str>);

const LOCAL: [&str; 6] = ["?", ":capabilities", ":help", ":quit", ":raw ", ":transcript"];

const fn beginning(verb: Verb) -> &'static str {
    match verb {
        Verb::Mail => "MAIL FROM:<",
        Verb::Rcpt => "RCPT TO:<",
        verb => verb.as_str(),
    }
}

impl Words {
    fn that_begin_with(&self, typed: &str) -> impl Iterator<Item = &'static str> {
        let begins = |word: &&str| {
            let head = word.get(..typed.len()).filter(|head| head.len() < word.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(typed))
        };
        self.0.iter().copied().filter(begins)
    }
}

impl Completer for Words {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = line.get(..at).unwrap_or_default();
        Ok((0, self.that_begin_with(typed).map(str::to_owned).collect()))
    }
}

impl Hinter for Words {
    type Hint = String;

    fn hint(&self, line: &str, at: usize, _: &Context<'_>) -> Option<String> {
        if line.is_empty() || at < line.len() {
            return None;
        }
        let word = self.that_begin_with(line).next()?;
        word.get(line.len()..).map(str::to_owned)
    }
}

impl Highlighter for Words {
    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        format!("\x1b[2m{hint}\x1b[0m").into()
    }
}

impl rustyline::validate::Validator for Words {}
impl Helper for Words {}
