//! What replies say beside their codes: those to VRFY, EXPN and ETRN (RFC 5321 §3.5, RFC 1985), the
//! path in a 251 or 551, the offset in a 355. Nothing here is followed or kept: a person is to read
//! it (RFC 5321 §7.4).

use std::fmt;

use super::mailbox::{quoted_string, unquote};
use super::{Code, Escaped, ForwardPath, Mailbox, Reply, ReplyRef, path};

/// A reply, and what it says.
///
/// ```
/// use ehlo::{Answer, Reply, Verification};
///
/// let reply: Reply = "250 2.1.5 Joe Smith <joe@example.org>".parse()?;
/// let answer = Answer::<Verification>::from(reply);
/// let Verification::Known(listed) = answer.meaning() else { unreachable!() };
/// assert_eq!(listed[0].name(), Some("Joe Smith"));
/// assert_eq!(listed[0].mailbox().unwrap().as_str(), "joe@example.org");
/// assert_eq!(answer.reply().code().number(), 250);
/// # Ok::<(), ehlo::ReplyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    reply: Reply,
    meaning: T,
}

impl<T> Answer<T> {
    /// The reply itself.
    #[must_use]
    pub const fn reply(&self) -> &Reply {
        &self.reply
    }

    /// What it says.
    #[must_use]
    pub const fn meaning(&self) -> &T {
        &self.meaning
    }

    /// What it says, by value.
    #[must_use]
    pub fn into_meaning(self) -> T {
        self.meaning
    }
}

impl<T> From<Reply> for Answer<T>
where
    T: for<'r> From<ReplyRef<'r>>,
{
    fn from(reply: Reply) -> Self {
        Self { meaning: reply.as_ref().into(), reply }
    }
}

/// Shows the reply.
impl<T> fmt::Display for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reply.fmt(f)
    }
}

/// What a server says about a user: its answer to VRFY.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verification {
    /// 250, or another 2yz: it knows the user. One for each line.
    Known(Vec<Listed>),
    /// 251: not a user here, but mail is forwarded to this path.
    Forwarded(Option<ForwardPath>),
    /// 252: it cannot say, but would take mail and try.
    Unsure,
    /// 551: not a user here; this path is to be tried.
    Elsewhere(Option<ForwardPath>),
    /// 553 that names whom it may be. Without a name 553 is a refusal like others.
    Ambiguous(Vec<Listed>),
    /// Any other reply: there is no such user, or the server does not tell.
    Refused,
}

impl From<ReplyRef<'_>> for Verification {
    fn from(reply: ReplyRef<'_>) -> Self {
        match reply.code().number() {
            251 => Self::Forwarded(reply.forward_path()),
            252 => Self::Unsure,
            551 => Self::Elsewhere(reply.forward_path()),
            553 => {
                let mut candidates = listed(reply);
                candidates.retain(|candidate| candidate.mailbox.is_some());
                if candidates.is_empty() { Self::Refused } else { Self::Ambiguous(candidates) }
            }
            _ if reply.is_completed() => Self::Known(listed(reply)),
            _ => Self::Refused,
        }
    }
}

/// Who is on a list: a server's answer to EXPN.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expansion {
    /// 250, or another 2yz: one for each line.
    Members(Vec<Listed>),
    /// 252: it cannot say.
    Unsure,
    /// Any other reply: there is no such list, or the server does not tell.
    Refused,
}

impl From<ReplyRef<'_>> for Expansion {
    fn from(reply: ReplyRef<'_>) -> Self {
        match reply.code().number() {
            252 => Self::Unsure,
            _ if reply.is_completed() => Self::Members(listed(reply)),
            _ => Self::Refused,
        }
    }
}

/// What a server does with the mail it holds: its answer to ETRN. The mail comes over connections
/// of the server's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueueRun {
    /// 250, or another 2yz: it has started to send.
    Started,
    /// 251: it holds nothing.
    Empty,
    /// 252, or 253: it has started to send what it holds. How many mails, where the server says so
    /// with 253.
    Pending(Option<u64>),
    /// Any other reply: 458 where the server cannot now, 459 where it will not for this node.
    Refused,
}

impl From<ReplyRef<'_>> for QueueRun {
    fn from(reply: ReplyRef<'_>) -> Self {
        match reply.code().number() {
            251 => Self::Empty,
            252 => Self::Pending(None),
            253 => Self::Pending(first_number(reply)),
            _ if reply.is_completed() => Self::Started,
            _ => Self::Refused,
        }
    }
}

/// A line of a reply to VRFY or EXPN: whom it names.
///
/// ```text
/// line = [ User-Name SP ] "<" Mailbox ">" / Mailbox
/// ```
///
/// RFC 5321 §3.5.1. Text around the path is let be, as in Exim's `<joe@example.org> is
/// deliverable`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    name: Option<Box<str>>,
    mailbox: Option<Mailbox>,
    line: Box<[u8]>,
}

impl Listed {
    /// The full name, without quotes around it. The server's own words: what is not UTF-8 has
    /// become U+FFFD, and controls stay, so show it [escaped](Escaped).
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The mailbox, where the line has one.
    #[must_use]
    pub const fn mailbox(&self) -> Option<&Mailbox> {
        self.mailbox.as_ref()
    }

    /// The line as it came, without code and enhanced code.
    #[must_use]
    pub const fn line(&self) -> &[u8] {
        &self.line
    }

    fn read(line: &[u8]) -> Self {
        let text = String::from_utf8_lossy(line);
        let bare = text.trim_matches(BLANK).parse().ok().map(|mailbox| (None, mailbox));
        let in_path = || {
            let (before, path) = path::last_in(&text)?;
            Some((name(before), path.mailbox()?.clone()))
        };
        let found = bare.or_else(in_path).filter(|(_, mailbox)| is_whole(mailbox.as_str()));
        let (name, mailbox) = found.map_or((None, None), |(name, found)| (name, Some(found)));
        Self { name, mailbox, line: line.into() }
    }
}

/// Shows the line, escaped.
impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped::new(&self.line).fmt(f)
    }
}

impl ReplyRef<'_> {
    /// The path that a 251 or 551 names: where mail for the recipient is forwarded, or is to be
    /// sent instead (RFC 5321 §3.4). `None` for other replies and where it has none.
    ///
    /// It may be in UTF-8 (RFC 6531 §3.7.4.1), its domain with feature `idna`. Following it unasked
    /// would let a server send mail anywhere.
    #[must_use]
    pub fn forward_path(&self) -> Option<ForwardPath> {
        if !matches!(self.code().number(), 251 | 551) {
            return None;
        }
        // The last one: Sendmail names the recipient before it.
        let paths = self.texts().filter_map(|line| {
            let (_, path) = path::last_in(str::from_utf8(line).ok()?)?;
            Some(path)
        });
        paths.last()
    }

    /// How many octets of the content the server has, by a 355 (RFC 1845): the mail goes on after
    /// them. `None` for other replies.
    #[must_use]
    pub fn resume_at(&self) -> Option<u64> {
        (self.code() == Code::RESUME_AT).then(|| first_number(*self)).flatten()
    }
}

impl Reply {
    /// How many octets of the content the server has, by a 355; see [`ReplyRef::resume_at`].
    ///
    /// ```
    /// let reply: ehlo::Reply = "355 6135 is the transaction offset".parse()?;
    /// assert_eq!(reply.resume_at(), Some(6135));
    /// # Ok::<(), ehlo::ReplyError>(())
    /// ```
    #[must_use]
    pub fn resume_at(&self) -> Option<u64> {
        self.as_ref().resume_at()
    }

    /// The path that a 251 or 551 names; see [`ReplyRef::forward_path`].
    ///
    /// ```
    /// let reply: ehlo::Reply = "551 5.1.6 not here, try <joe@example.net>".parse()?;
    /// assert_eq!(reply.forward_path().unwrap().to_string(), "<joe@example.net>");
    /// # Ok::<(), ehlo::ReplyError>(())
    /// ```
    #[must_use]
    pub fn forward_path(&self) -> Option<ForwardPath> {
        self.as_ref().forward_path()
    }
}

fn listed(reply: ReplyRef<'_>) -> Vec<Listed> {
    reply.texts().map(Listed::read).collect()
}

fn name(before: &str) -> Option<Box<str>> {
    let before = before.trim_matches(BLANK);
    match quoted_string(before) {
        Ok(("", content)) => Some(unquote(content).into()),
        _ if before.is_empty() => None,
        _ => Some(before.into()),
    }
}

/// Whether all of it was UTF-8: what stands for other octets is nobody's address.
fn is_whole(text: &str) -> bool {
    !text.contains(char::REPLACEMENT_CHARACTER)
}

/// `253 OK, 14 pending messages for node mail.example.org started`
fn first_number(reply: ReplyRef<'_>) -> Option<u64> {
    let mut words = reply.texts().flat_map(|line| line.split(|octet| *octet == b' '));
    words.find_map(|word| str::from_utf8(word).ok()?.parse().ok())
}

/// What may stand around the parts of a line. Other white space is text.
const BLANK: [char; 2] = [' ', '\t'];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::arbitrary;
    use crate::wire::{Code, ReplyKind, Strictness};

    fn reply(text: &str) -> Reply {
        text.parse().unwrap()
    }

    fn read<T: for<'r> From<ReplyRef<'r>>>(text: &str) -> T {
        Answer::from(reply(text)).into_meaning()
    }

    /// A name and a mailbox, `-` where there is none.
    fn shown(listed: &[Listed]) -> Vec<(&str, &str)> {
        listed
            .iter()
            .map(|one| (one.name().unwrap_or("-"), one.mailbox().map_or("-", Mailbox::as_str)))
            .collect()
    }

    #[test]
    fn a_line_names_a_mailbox_and_maybe_a_person() {
        for (line, name, mailbox) in [
            ("Joe Smith <joe@example.org>", "Joe Smith", "joe@example.org"),
            ("<joe@example.org>", "-", "joe@example.org"),
            ("joe@example.org", "-", "joe@example.org"),
            ("  joe@example.org ", "-", "joe@example.org"),
            (r#""Joe \"X\" <a@b>" <joe@example.org>"#, r#"Joe "X" <a@b>"#, "joe@example.org"),
            (r#"Joe "X <joe@example.org>"#, r#"Joe "X"#, "joe@example.org"),
            (r#"<"a<b>@c>"@example.org>"#, "-", r#""a<b>@c>"@example.org"#),
            ("<joe@example.org> is deliverable", "-", "joe@example.org"),
            ("Jürgen <jürgen@example.org>", "Jürgen", "jürgen@example.org"),
            ("Joe <@a,@b:joe@example.org>", "Joe", "joe@example.org"),
            (r#""to <a@b> "@example.org"#, "-", r#""to <a@b> "@example.org"#),
            ("<joe@[192.0.2.1]>", "-", "joe@[192.0.2.1]"),
            ("\"|/usr/bin/vacation joe\"", "-", "-"),
            ("Joe <joe>", "-", "-"),
            ("Joe <joe@example.org", "-", "-"),
            ("<<joe@example.org>>", "<", "joe@example.org"),
            ("<Postmaster>", "-", "-"),
            ("", "-", "-"),
        ] {
            let listed = Listed::read(line.as_bytes());
            assert_eq!(shown(std::slice::from_ref(&listed)), [(name, mailbox)], "{line}");
            assert_eq!(listed.line(), line.as_bytes());
        }
    }

    #[test]
    fn octets_that_are_no_utf8_make_no_address() {
        let listed = Listed::read(b"J\xfcrgen <joe@example.org>");
        assert_eq!(shown(std::slice::from_ref(&listed)), [("J\u{fffd}rgen", "joe@example.org")]);
        assert_eq!(listed.to_string(), r"J\xfcrgen <joe@example.org>");
        for line in [&b"<j\xfcrgen@example.org>"[..], b"j\xfcrgen@example.org"] {
            assert_eq!(shown(&[Listed::read(line)]), [("-", "-")]);
        }
        let octets = b"551 try <j\xfcrgen@example.org>\r\n";
        let parsed = ReplyRef::parse(octets, ReplyKind::Other, Strictness::Tolerant);
        assert_eq!(parsed.unwrap().unwrap().0.forward_path(), None);
    }

    #[test]
    fn each_code_of_vrfy_has_its_meaning() {
        let path = |text: &str| Some(text.parse().unwrap());
        for (text, meaning) in [
            (
                "251 2.1.5 User not local; will forward to <joe@b>",
                Verification::Forwarded(path("joe@b")),
            ),
            ("251 will forward", Verification::Forwarded(None)),
            ("252 2.0.0 joe", Verification::Unsure),
            ("551 5.7.1 not local; please try <joe@b>", Verification::Elsewhere(path("joe@b"))),
            (
                "551 <old@a>... User has moved; please try <new@b>",
                Verification::Elsewhere(path("new@b")),
            ),
            ("551-not here\n551 <joe@b>", Verification::Elsewhere(path("joe@b"))),
            ("551 try joe@b", Verification::Elsewhere(None)),
            ("553 5.1.4 User ambiguous", Verification::Refused),
            ("550 5.1.1 nobody <joe@b>", Verification::Refused),
            ("502 5.5.1 no", Verification::Refused),
            ("421 bye", Verification::Refused),
        ] {
            assert_eq!(read::<Verification>(text), meaning, "{text}");
        }
        let known = read("250-2.1.5 Joe <joe@b>\n250 2.1.5 <ann@b>");
        let Verification::Known(listed) = known else { panic!("{known:?}") };
        assert_eq!(shown(&listed), [("Joe", "joe@b"), ("-", "ann@b")]);
        assert_eq!(listed[0].line(), b"Joe <joe@b>");

        let some = read("553-5.1.4 ambiguous; possibilities are\n553-Ann A <a@b>\n553 <c@b>");
        let Verification::Ambiguous(listed) = some else { panic!("{some:?}") };
        assert_eq!(shown(&listed), [("Ann A", "a@b"), ("-", "c@b")]);
    }

    #[test]
    fn each_code_of_expn_has_its_meaning() {
        let members = read("250-Joe <joe@b>\n250-<ann@b>\n250 \"|/bin/archive\"");
        let Expansion::Members(listed) = members else { panic!("{members:?}") };
        assert_eq!(shown(&listed), [("Joe", "joe@b"), ("-", "ann@b"), ("-", "-")]);
        assert_eq!(listed[2].to_string(), "\"|/bin/archive\"");
        assert_eq!(read::<Expansion>("252 who knows"), Expansion::Unsure);
        for text in ["550 no such list", "500 what?", "504 no", "551 <joe@b>"] {
            assert_eq!(read::<Expansion>(text), Expansion::Refused, "{text}");
        }
    }

    #[test]
    fn each_code_of_etrn_has_its_meaning() {
        for (text, meaning) in [
            ("250 OK, queuing for node x started", QueueRun::Started),
            ("251 OK, no messages waiting for node x", QueueRun::Empty),
            ("252 OK, 3 pending messages for node x started", QueueRun::Pending(None)),
            ("253 2.0.0 OK, 14 pending messages for node x4 started", QueueRun::Pending(Some(14))),
            ("253 OK, many", QueueRun::Pending(None)),
            ("253 99999999999999999999 pending", QueueRun::Pending(None)),
            ("254 new", QueueRun::Started),
            ("458 Unable to queue messages for node x", QueueRun::Refused),
            ("459 Node x not allowed", QueueRun::Refused),
            ("500 Syntax error", QueueRun::Refused),
        ] {
            assert_eq!(read::<QueueRun>(text), meaning, "{text}");
        }
    }

    #[test]
    fn a_355_says_how_much_of_the_content_is_there() {
        for (text, octets) in [
            ("355 6135 is the transaction offset", Some(6135)),
            ("355 0", Some(0)),
            ("355-go on\n355 behind 1 octet", Some(1)),
            ("355 go on", None),
            ("355 -1 6135.", None),
            ("354 6135", None),
            ("250 6135 octets", None),
        ] {
            let reply = reply(text);
            assert_eq!((reply.resume_at(), reply.as_ref().resume_at()), (octets, octets), "{text}");
        }
    }

    #[test]
    fn c_031_a_path_may_be_in_utf8() {
        for code in [251, 551] {
            let reply = reply(&format!("{code} 2.1.5 write to <jürgen@example.org>"));
            assert_eq!(reply.forward_path().unwrap().as_str(), "jürgen@example.org");
        }
        assert_eq!(reply("250 <joe@b>").forward_path(), None);
        assert_eq!(reply("550 <joe@b>").forward_path(), None);
    }

    #[test]
    fn an_answer_shows_its_reply() {
        let answer = Answer::<QueueRun>::from(reply("253-a\n253 7 b"));
        assert_eq!(answer.to_string(), "253-a 253 7 b");
        assert_eq!(format!("{answer:#}"), "253-a\n253 7 b");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_listed_is_read_back(mailbox in arbitrary::mailbox(), name in "[a-zA-Z0-9. ]{0,20}") {
            let name = name.trim();
            let lines = [format!("{name} <{mailbox}>"), mailbox.to_string()];
            let reply = Reply::from_lines(Code::OK, lines).unwrap();
            // A name may begin like an enhanced code.
            prop_assume!(reply.enhanced().is_none() && is_whole(mailbox.as_str()));
            let Verification::Known(listed) = Verification::from(reply.as_ref()) else {
                return Err(TestCaseError::fail("250 is known"));
            };
            prop_assert_eq!(listed[0].name().unwrap_or_default(), name);
            prop_assert!(listed.iter().all(|one| one.mailbox() == Some(&mailbox)));

            let moved = format!("551 try <{mailbox}>").parse::<Reply>().unwrap();
            prop_assert_eq!(moved.forward_path(), Some(ForwardPath::from(&mailbox)));
        }

        #[test]
        fn any_octets_can_be_read(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            let listed = Listed::read(&line);
            prop_assert_eq!(listed.line(), &line[..]);
        }
    }
}
