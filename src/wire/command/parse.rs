//! Reading a command, for a scripted server and for a console. What answer an error gets is for
//! them to say.

use std::borrow::Cow;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nom::bytes::complete::tag_no_case;
use nom::character::complete::{char, u64};
use nom::combinator::{all_consuming, opt};
use nom::sequence::preceded;
use nom::{IResult, Parser};

use super::Command;
use crate::wire::{
    Escaped, ForwardPath, InvalidValue, Param, ReversePath, Secret, Text, Verb, path,
};

/// Why a line is not a command. None of the messages shows what follows AUTH.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The first word is not a verb: what servers answer with 500.
    #[error("command \"{}\": not a verb", Escaped::new(word))]
    UnknownVerb {
        /// The word, at most its first 20 octets: it may as well be a line of anything else.
        word: Box<[u8]>,
    },
    /// What follows the verb is not what the grammar has there: what servers answer with 501.
    #[error("{verb}: {reason}")]
    Syntax {
        /// The verb.
        verb: Verb,
        /// What is wrong.
        reason: &'static str,
    },
    /// A part of the argument is not valid: what servers answer with 501.
    #[error("{verb}: {source}")]
    Argument {
        /// The verb.
        verb: Verb,
        /// Which part, and what is wrong with it.
        source: InvalidValue,
    },
}

impl Command<'_> {
    /// Reads one line, without its line end.
    ///
    /// Verbs are read in any case, white space at the end is passed over (RFC 5321 §4.1.1), source
    /// routes are dropped. Never gives a raw command.
    ///
    /// ```
    /// use ehlo::Command;
    ///
    /// let command = Command::parse(b"mail from:<joe@example.org> size=1000 ")?;
    /// assert_eq!(command.to_string(), "MAIL FROM:<joe@example.org> size=1000");
    /// let error = Command::parse(b"RCPT TO: <joe@example.org>").unwrap_err();
    /// assert_eq!(error.to_string(), "RCPT: no space may stand around the colon");
    /// # Ok::<(), ehlo::CommandError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where the first word is no verb, or what follows is not what the grammar has there.
    pub fn parse(line: &[u8]) -> Result<Command<'static>, CommandError> {
        let line = trim_end(line);
        let (word, argument) =
            match memchr::memchr(b' ', line).and_then(|at| line.split_at_checked(at)) {
                Some((word, rest)) => (word, rest.get(1..)),
                None => (line, None),
            };
        let Some(verb) = Verb::from_word(word) else {
            let word = word.iter().take(SHOWN_WORD).copied().collect();
            return Err(CommandError::UnknownVerb { word });
        };
        let syntax = |reason| CommandError::Syntax { verb, reason };
        let Ok(argument) = argument.map(str::from_utf8).transpose() else {
            return Err(syntax("the argument is not UTF-8"));
        };
        of(verb, argument).map_err(|fault| match fault {
            Fault::Syntax(reason) => syntax(reason),
            Fault::Argument(source) => CommandError::Argument { verb, source },
        })
    }
}

/// What is wrong with an argument; the verb is added to it.
enum Fault {
    Syntax(&'static str),
    Argument(InvalidValue),
}

impl From<InvalidValue> for Fault {
    fn from(error: InvalidValue) -> Self {
        Self::Argument(error)
    }
}

type Parsed = Result<Command<'static>, Fault>;

fn of(verb: Verb, argument: Option<&str>) -> Parsed {
    let needed = || argument.ok_or(Fault::Syntax("its argument is missing"));
    let text = || needed().and_then(|text| Ok(Cow::Owned(text.parse::<Text>()?)));
    let none = |command| match argument {
        None => Ok(command),
        Some(_) => Err(Fault::Syntax("it takes no argument")),
    };
    match verb {
        Verb::Ehlo => Ok(Command::ehlo(needed()?)?),
        Verb::Helo => Ok(Command::helo(needed()?)?),
        Verb::Lhlo => Ok(Command::lhlo(needed()?)?),
        Verb::Mail => mail(needed()?),
        Verb::Rcpt => rcpt(needed()?),
        Verb::Data => none(Command::Data),
        Verb::Bdat => bdat(needed()?),
        Verb::Rset => none(Command::Rset),
        Verb::Vrfy => text().map(Command::Vrfy),
        Verb::Expn => text().map(Command::Expn),
        Verb::Help if argument.is_none() => Ok(Command::Help(None)),
        Verb::Help => text().map(Some).map(Command::Help),
        Verb::Noop if argument.is_none() => Ok(Command::Noop(None)),
        Verb::Noop => text().map(Some).map(Command::Noop),
        Verb::Quit => none(Command::Quit),
        Verb::StartTls => none(Command::StartTls),
        Verb::Auth => auth(needed()?),
        Verb::Etrn => Ok(Command::etrn(needed()?)?),
        Verb::Atrn => atrn(argument),
        Verb::Burl => burl(needed()?),
        Verb::Xclient => Ok(Command::xclient(attributes(needed()?)?)?),
        Verb::Xforward => Ok(Command::xforward(attributes(needed()?)?)?),
        // No word gives it.
        Verb::Other => Err(Fault::Syntax("not a verb")),
    }
}

/// ```text
/// mail = "MAIL FROM:" Reverse-path [ SP Mail-parameters ] CRLF
/// ```
fn mail(argument: &str) -> Parsed {
    let (path, params) =
        path_and_params(argument, "FROM", "`FROM:` and a path in brackets must follow")?;
    Ok(Command::mail(path.parse::<ReversePath>()?).with_params(params)?)
}

/// ```text
/// rcpt = "RCPT TO:" ( "<Postmaster@" Domain ">" / "<Postmaster>" / Forward-path )
///        [ SP Rcpt-parameters ] CRLF
/// ```
fn rcpt(argument: &str) -> Parsed {
    let (path, params) =
        path_and_params(argument, "TO", "`TO:` and a path in brackets must follow")?;
    Ok(Command::rcpt(path.parse::<ForwardPath>()?).with_params(params)?)
}

/// ```text
/// Mail-parameters = esmtp-param *( SP esmtp-param )
/// Rcpt-parameters = esmtp-param *( SP esmtp-param )
/// ```
fn path_and_params<'a>(
    argument: &'a str,
    word: &str,
    missing: &'static str,
) -> Result<(&'a str, Vec<Param>), Fault> {
    let missing = || Fault::Syntax(missing);
    let rest = match prefixed(word, argument).map_err(|_| missing())? {
        (rest, true) if !rest.starts_with(' ') => rest,
        (rest, false) if !rest.trim_start_matches(' ').starts_with(':') => return Err(missing()),
        _ => return Err(Fault::Syntax("no space may stand around the colon")),
    };
    let (path, rest) = match path::split(rest) {
        Some(parts) => parts,
        None if rest.starts_with('<') => return Err(Fault::Syntax("the path has no `>`")),
        None => return Err(missing()),
    };
    let params = match rest.strip_prefix(' ') {
        Some(params) => params.split(' ').map(str::parse).collect::<Result<_, _>>()?,
        None if rest.is_empty() => Vec::new(),
        None => return Err(Fault::Syntax("a space must follow the path")),
    };
    Ok((path, params))
}

/// The word, and whether a colon follows it at once.
fn prefixed<'a>(word: &str, input: &'a str) -> IResult<&'a str, bool> {
    preceded(tag_no_case(word), opt(char(':')).map(|colon| colon.is_some())).parse(input)
}

/// ```text
/// bdat-cmd   = "BDAT" SP chunk-size [ SP "LAST" ] CRLF
/// chunk-size = 1*DIGIT
/// ```
///
/// RFC 3030 §2.
fn bdat(argument: &str) -> Parsed {
    let last = opt(preceded(char(' '), tag_no_case("LAST")));
    let command = (u64::<&str, nom::error::Error<&str>>, last);
    match all_consuming(command).parse(argument) {
        Ok((_, (size, last))) => Ok(Command::bdat(size, last.is_some())),
        Err(_) => Err(Fault::Syntax("a size in octets must follow, and then nothing or `LAST`")),
    }
}

/// ```text
/// auth-command     = "AUTH" SP sasl-mech [ SP initial-response ] CRLF
/// initial-response = base64 / "="
/// ```
///
/// RFC 4954 §8. No message shows the argument: a client that errs may say a secret anywhere.
fn auth(argument: &str) -> Parsed {
    let (mechanism, initial) = match argument.split_once(' ') {
        Some((mechanism, initial)) => (mechanism, Some(initial)),
        None => (argument, None),
    };
    let initial = match initial {
        None => None,
        Some("=") => Some(Secret::from("")),
        // Empty base64 would be a second spelling of `=`.
        Some("") => return Err(Fault::Syntax(BAD_BASE64)),
        Some(base64) => match STANDARD.decode(base64) {
            Ok(octets) => Some(Secret::from(octets)),
            Err(_) => return Err(Fault::Syntax(BAD_BASE64)),
        },
    };
    Command::auth(mechanism, initial).map_err(|error| Fault::Syntax(error.reason()))
}

/// ```text
/// atrn = "ATRN" [ SP domain *( "," domain ) ] CRLF
/// ```
///
/// RFC 2645.
fn atrn(argument: Option<&str>) -> Parsed {
    let domains = argument.into_iter().flat_map(|domains| domains.split(','));
    let domains = domains.map(str::parse).collect::<Result<Vec<_>, _>>()?;
    Ok(Command::atrn(domains))
}

/// ```text
/// burl-cmd = "BURL" SP absolute-URI [ SP "LAST" ] CRLF
/// ```
///
/// RFC 4468.
fn burl(argument: &str) -> Parsed {
    match argument.split_once(' ') {
        None => Ok(Command::burl(argument, false)?),
        Some((uri, last)) if last.eq_ignore_ascii_case("LAST") => Ok(Command::burl(uri, true)?),
        Some(_) => Err(Fault::Syntax("a URI must follow, and then nothing or `LAST`")),
    }
}

/// ```text
/// xclient = "XCLIENT" 1*( SP attribute ) CRLF
/// xforward = "XFORWARD" 1*( SP attribute ) CRLF
/// ```
fn attributes<A>(argument: &str) -> Result<Vec<A>, Fault>
where
    A: FromStr<Err = InvalidValue>,
{
    Ok(argument.split(' ').map(str::parse).collect::<Result<_, _>>()?)
}

fn trim_end(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|octet| !matches!(octet, b' ' | b'\t'));
    end.and_then(|end| line.get(..=end)).unwrap_or_default()
}

const BAD_BASE64: &str = "the initial response is neither `=` nor base64";
/// Longer than any verb.
const SHOWN_WORD: usize = 20;
