//! What MAIL and RCPT carry between `<` and `>`: a mailbox, nobody (the null sender) or the
//! postmaster without a domain. Source routes are read and dropped, and cannot be written.

use std::fmt;
use std::str::FromStr;

use nom::branch::alt;
use nom::bytes::complete::take_while1;
use nom::character::complete::char;
use nom::combinator::recognize;
use nom::multi::many0_count;
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

use super::domain::is_ldh;
use super::invalid::{EMPTY, into_cow, try_from_text};
use super::mailbox::quoted_string;
use super::{InvalidValue, Mailbox};

/// The sender of a mail, as MAIL says it: where reports about it go.
///
/// ```
/// use ehlo::ReversePath;
///
/// assert_eq!("<>".parse::<ReversePath>()?, ReversePath::Null);
/// assert_eq!("joe@example.org".parse::<ReversePath>()?.to_string(), "<joe@example.org>");
/// # Ok::<(), ehlo::InvalidValue>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReversePath {
    /// `<>`: nobody, for reports that must not be answered by reports.
    Null,
    /// A mailbox.
    Mailbox(Mailbox),
}

impl ReversePath {
    /// The mailbox, unless it is the null sender.
    #[must_use]
    #[inline]
    pub const fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Null => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }

    /// Whether it can be sent to a server that does not offer SMTPUTF8.
    #[must_use]
    #[inline]
    pub fn is_ascii(&self) -> bool {
        self.mailbox().is_none_or(Mailbox::is_ascii)
    }

    /// What stands between the brackets.
    #[must_use]
    #[inline]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Null => "",
            Self::Mailbox(mailbox) => mailbox.as_str(),
        }
    }

    /// The same with the brackets.
    #[inline]
    pub(super) fn in_brackets(&self) -> &str {
        match self {
            Self::Null => "<>",
            Self::Mailbox(mailbox) => mailbox.in_brackets(),
        }
    }
}

impl FromStr for ReversePath {
    type Err = InvalidValue;

    /// With or without brackets; neither is the null sender.
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "" | "<>" => Ok(Self::Null),
            _ => mailbox_of(text).map(Self::Mailbox),
        }
    }
}

/// A recipient of a mail, as RCPT says it.
///
/// ```
/// use ehlo::ForwardPath;
///
/// assert_eq!("POSTMASTER".parse::<ForwardPath>()?, ForwardPath::Postmaster);
/// assert_eq!("<joe@example.org>".parse::<ForwardPath>()?.to_string(), "<joe@example.org>");
/// # Ok::<(), ehlo::InvalidValue>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ForwardPath {
    /// `<Postmaster>`, the one name that needs no domain (RFC 5321 §4.1.1.3).
    Postmaster,
    /// A mailbox.
    Mailbox(Mailbox),
}

impl ForwardPath {
    /// The mailbox, unless it is the postmaster without a domain.
    #[must_use]
    #[inline]
    pub const fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Postmaster => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }

    /// Whether it can be sent to a server that does not offer SMTPUTF8.
    #[must_use]
    #[inline]
    pub fn is_ascii(&self) -> bool {
        self.mailbox().is_none_or(Mailbox::is_ascii)
    }

    /// What stands between the brackets.
    #[must_use]
    #[inline]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Postmaster => POSTMASTER,
            Self::Mailbox(mailbox) => mailbox.as_str(),
        }
    }

    /// The same with the brackets.
    #[inline]
    pub(super) fn in_brackets(&self) -> &str {
        match self {
            Self::Postmaster => "<Postmaster>",
            Self::Mailbox(mailbox) => mailbox.in_brackets(),
        }
    }
}

impl FromStr for ForwardPath {
    type Err = InvalidValue;

    /// With or without brackets.
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match inside(text)?.eq_ignore_ascii_case(POSTMASTER) {
            true => Ok(Self::Postmaster),
            false => mailbox_of(text).map(Self::Mailbox),
        }
    }
}

macro_rules! from_mailbox {
    ($($name:ident),+) => {$(
        impl From<Mailbox> for $name {
            fn from(mailbox: Mailbox) -> Self {
                Self::Mailbox(mailbox)
            }
        }

        impl From<&Mailbox> for $name {
            fn from(mailbox: &Mailbox) -> Self {
                Self::Mailbox(mailbox.clone())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.in_brackets())
            }
        }
    )+};
}

from_mailbox!(ReversePath, ForwardPath);
try_from_text!(ReversePath, ForwardPath);
into_cow!(ReversePath, ForwardPath);

/// Parts the path that a text begins with, brackets included, from what follows it. A `>` in a
/// quoted string does not end it.
pub(super) fn split(text: &str) -> Option<(&str, &str)> {
    let (rest, path) = recognize(bracketed).parse(text).ok()?;
    Some((path, rest))
}

/// The last path in a text, and what stands before it.
///
/// A `<` outside of quotes begins another one, so that no text is read much more than once.
pub(super) fn last_in(text: &str) -> Option<(&str, ForwardPath)> {
    let plain = || take_while1(|c| !matches!(c, '"' | '<' | '>'));
    let inside = || many0_count(alt((quoted_string, plain())));
    let mut found = None;
    let mut at = 0;
    while let Some((before, rest)) =
        text.get(at..).and_then(|rest| rest.find('<')).and_then(|n| text.split_at_checked(at + n))
    {
        let path: IResult<&str, &str> = recognize((char('<'), inside(), char('>'))).parse(rest);
        at = before.len() + 1;
        if let Ok((behind, path)) = path
            && let Ok(path) = path.parse()
        {
            found = Some((before, path));
            at = text.len() - behind.len();
        }
    }
    found
}

/// ```text
/// Path = "<" [ A-d-l ":" ] Mailbox ">"
/// ```
///
/// RFC 5321 §4.1.2; the source route must be accepted, and is to be ignored (appendix C).
fn mailbox_of(text: &str) -> Result<Mailbox, InvalidValue> {
    let inside = inside(text)?;
    let mailbox = match source_route(inside) {
        Ok((mailbox, _)) => mailbox,
        Err(_) => inside,
    };
    mailbox.parse().map_err(|error: InvalidValue| match inside {
        "" => InvalidValue::new("path", text, EMPTY),
        _ => error,
    })
}

fn inside(text: &str) -> Result<&str, InvalidValue> {
    if !text.starts_with('<') {
        return Ok(text);
    }
    match bracketed(text) {
        Ok(("", inside)) => Ok(inside),
        Ok(_) => Err(InvalidValue::new("path", text, "text follows its `>`")),
        Err(_) => Err(InvalidValue::new("path", text, "its `<` has no `>`")),
    }
}

fn bracketed(input: &str) -> IResult<&str, &str> {
    let plain = take_while1(|c| c != '"' && c != '>');
    let inside = recognize(many0_count(alt((quoted_string, plain))));
    delimited(char('<'), inside, char('>')).parse(input)
}

/// ```text
/// A-d-l     = At-domain *( "," At-domain )
/// At-domain = "@" Domain
/// ```
///
/// With its colon. The domains are dropped, so their labels are not looked at closely.
fn source_route(input: &str) -> IResult<&str, ()> {
    let is_domain = |c: char| c == '.' || u8::try_from(c).is_ok_and(is_ldh);
    let at_domain = || (char('@'), take_while1(is_domain));
    let others = many0_count(preceded(char(','), at_domain()));
    (at_domain(), others, char(':')).map(|_| ()).parse(input)
}

const POSTMASTER: &str = "Postmaster";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_a_mailbox_or_nobody() {
        for text in ["", "<>"] {
            assert_eq!(ReversePath::try_from(text).unwrap().to_string(), "<>");
            assert_eq!(ReversePath::Null.mailbox(), None);
        }
        for text in ["joe@x", "<joe@x>", "<\"joe\"@x>"] {
            let sender = ReversePath::try_from(text).unwrap();
            assert_eq!(sender.to_string(), "<joe@x>");
            assert_eq!(sender.mailbox().unwrap().as_str(), "joe@x");
        }
    }

    /// The postmaster alone needs no domain.
    #[test]
    fn c_037_a_recipient_is_a_mailbox_or_the_postmaster() {
        for text in ["postmaster", "<POSTMASTER>", "Postmaster"] {
            let recipient = ForwardPath::try_from(text).unwrap();
            assert_eq!((recipient.mailbox(), &*recipient.to_string()), (None, "<Postmaster>"));
        }
        let recipient = ForwardPath::try_from("<postmaster@x>").unwrap();
        assert_eq!(recipient.to_string(), "<postmaster@x>");
        assert_eq!(
            "<joe>".parse::<ForwardPath>().unwrap_err().to_string(),
            r#"mailbox "joe": it has no `@` and no domain"#
        );
    }

    #[test]
    fn c_038_drops_a_source_route() {
        for text in ["<@a:joe@x>", "<@a,@b.c:joe@x>", "@a:joe@x"] {
            assert_eq!(ReversePath::try_from(text).unwrap().to_string(), "<joe@x>");
            assert_eq!(ForwardPath::try_from(text).unwrap().to_string(), "<joe@x>");
        }
        for text in ["<@a,:joe@x>", "<@:joe@x>", "<@a joe@x>", "<a:joe@x>", "<@a:>", "<@a\r:j@x>"] {
            assert!(ReversePath::try_from(text).is_err(), "{text}");
            assert!(ForwardPath::try_from(text).is_err(), "{text}");
        }
    }

    #[test]
    fn refuses_with_these_words() {
        let cases = [
            ("<>", r#"path "<>": it is empty"#),
            ("", r#"path "": it is empty"#),
            ("<joe@x", r#"path "<joe@x": its `<` has no `>`"#),
            ("<joe@x> ", r#"path "<joe@x> ": text follows its `>`"#),
            ("<joe@x>>", r#"path "<joe@x>>": text follows its `>`"#),
            (r#"<"joe@x>"#, r#"path "<"joe@x>": its `<` has no `>`"#),
            ("< joe@x>", r#"mailbox " joe@x": a space must be quoted in a local part"#),
        ];
        for (text, words) in cases {
            assert_eq!(text.parse::<ForwardPath>().unwrap_err().to_string(), words);
        }
        assert_eq!(
            "<a>@b>".parse::<ReversePath>().unwrap_err().to_string(),
            r#"path "<a>@b>": text follows its `>`"#
        );
    }

    #[test]
    fn is_parted_from_what_follows_it() {
        let cases = [
            ("<a@b> SIZE=1", Some(("<a@b>", " SIZE=1"))),
            ("<>", Some(("<>", ""))),
            (r#"<"a>b"@c>d"#, Some((r#"<"a>b"@c>"#, "d"))),
            (r#"<"a\">b"@c>d"#, Some((r#"<"a\">b"@c>"#, "d"))),
            ("<a", None),
            ("a>", None),
            ("", None),
        ];
        for (text, parts) in cases {
            assert_eq!(split(text), parts, "{text}");
        }
    }

    #[test]
    fn the_last_one_in_a_text_is_found() {
        for (text, found) in [
            ("", None),
            ("a@b", None),
            ("<a@b", None),
            ("x <a@b> y", Some(("x ", "<a@b>"))),
            ("<a@b><c@d>", Some(("<a@b>", "<c@d>"))),
            ("<a@b> <c> <d@>", Some(("", "<a@b>"))),
            (r#"<"<x@y>"@b>"#, Some(("", r#"<"<x@y>"@b>"#))),
            ("ü <<POSTMASTER>", Some(("ü <", "<Postmaster>"))),
        ] {
            let last = last_in(text).map(|(before, path)| (before, path.to_string()));
            assert_eq!(last.as_ref().map(|(before, path)| (*before, &**path)), found, "{text}");
        }
    }

    #[test]
    fn knows_whether_it_needs_smtputf8() {
        assert!(ReversePath::Null.is_ascii() && ForwardPath::Postmaster.is_ascii());
        assert!(!"ü@x".parse::<ReversePath>().unwrap().is_ascii());
        assert!(!"ü@x".parse::<ForwardPath>().unwrap().is_ascii());
        assert!("u@x".parse::<ForwardPath>().unwrap().is_ascii());
    }
}
