//! The extensions of an EHLO reply: every line kept, known ones typed on demand.

use std::fmt;
use std::ops::Range;

use super::{Auth, Extension, KNOWN, Pipelining, Size};
use crate::wire::{Escaped, Lines, Quirk, Quirks, ReplyRef, Verb, len_before};

/// What a server offers, by its reply to EHLO or LHLO.
///
/// Keywords are compared without case and kept as they were spelled; those that the crate does not
/// know stay visible. `AUTH=LOGIN`, the spelling from before the standard, counts as `AUTH LOGIN`.
///
/// ```
/// use ehlo::{Auth, Capabilities, ReplyKind, ReplyRef, Size, Strictness};
///
/// let reply = b"250-mx.example.org at your service\r\n250-SIZE 1000\r\n250 AUTH PLAIN\r\n";
/// let parsed = ReplyRef::parse(reply, ReplyKind::Hello, Strictness::Strict)?;
/// let (reply, _) = parsed.expect("whole");
/// let offered = Capabilities::parse(reply);
///
/// assert_eq!(offered.server_name(), "mx.example.org");
/// assert_eq!(offered.get::<Size>().and_then(|size| size.limit()), Some(1000));
/// assert!(offered.get::<Auth>().is_some_and(|auth| auth.has("PLAIN")));
/// assert!(!offered.has("CHUNKING"));
/// # Ok::<(), ehlo::ReplyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// The reply as it came, in UTF-8.
    text: Box<str>,
    greeting: Range<usize>,
    lines: Vec<Line>,
    quirks: Quirks,
    /// Looked up for every command.
    pipelining: bool,
    /// The keyword that offers AUTH beside its own.
    auth_keyword: Option<Box<str>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    keyword: Range<usize>,
    /// The keyword as it is compared.
    name: Name,
    params: Range<usize>,
}

/// A keyword that a server offers, with its parameters as they were spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keyword<'a> {
    name: &'a str,
    params: &'a str,
}

impl<'a> Keyword<'a> {
    /// The keyword.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// What follows it, without the blank between.
    #[must_use]
    pub const fn params(&self) -> &'a str {
        self.params
    }
}

impl fmt::Display for Keyword<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped::new(self.name.as_bytes()).fmt(f)?;
        if !self.params.is_empty() {
            write!(f, " {}", Escaped::new(self.params.as_bytes()))?;
        }
        Ok(())
    }
}

impl Capabilities {
    /// The longest command line of a server without extensions, in octets with CRLF (RFC 5321
    /// §4.5.3.1.4).
    pub(crate) const LINE: usize = 512;

    /// Reads the reply to EHLO or LHLO. The first line is the server's name and greeting, never a
    /// keyword (RFC 5321 §4.1.1.1). Nothing makes it fail: what is not a keyword stays visible.
    #[must_use]
    pub fn parse(reply: ReplyRef<'_>) -> Self {
        // Nearly every reply is UTF-8, which is seen much faster than repaired.
        let text = match str::from_utf8(reply.octets()) {
            Ok(text) => text.to_owned(),
            Err(_) => String::from_utf8_lossy(reply.octets()).into_owned(),
        };
        let mut offered = Self { quirks: reply.quirks(), ..Self::default() };
        offered.lines.reserve_exact(reply.line_count().saturating_sub(1));
        // Where a line stands is the same in octets that are not UTF-8 and in what becomes of them.
        let mut lines = Lines::of(text.as_bytes());
        if let Some((at, line)) = lines.next_at() {
            let (skipped, line) = trimmed(line);
            offered.greeting = at + skipped..at + skipped + line.len();
        }
        while let Some((at, line)) = lines.next_at() {
            let (skipped, line) = trimmed(line);
            if line.is_empty() {
                offered.quirks.insert(Quirk::EmptyKeyword);
                continue;
            }
            let line = Line::new(text.as_bytes(), at + skipped, line);
            if line.name == PIPELINING.name {
                offered.pipelining |= line.spells(&text, PIPELINING);
            }
            if line.name == SIZE.name && !super::size::is_well_formed(line.params(&text)) {
                offered.quirks.insert(Quirk::BadSize);
            }
            offered.lines.push(line);
        }
        offered.text = text.into_boxed_str();
        offered
    }

    /// Reads another keyword as AUTH too.
    pub(crate) fn with_auth_keyword(mut self, keyword: Option<&str>) -> Self {
        self.auth_keyword = keyword.map(Into::into);
        self
    }

    /// The reply to HELO: a name, and no extension however many lines it has.
    pub(crate) fn of_helo(reply: ReplyRef<'_>) -> Self {
        let mut named = Self::parse(reply);
        named.lines.clear();
        named.pipelining = false;
        named
    }

    /// The name that the server gives itself: the first word of its reply, unverified.
    #[must_use]
    pub fn server_name(&self) -> &str {
        self.greeting().split([' ', '\t']).next().unwrap_or_default()
    }

    /// The first line of the reply: the server's name and what it adds.
    #[must_use]
    pub fn greeting(&self) -> &str {
        self.text.get(self.greeting.clone()).unwrap_or_default()
    }

    /// A typed extension; `None` where it is not offered, or offered in an unusable way.
    #[must_use]
    pub fn get<E: Extension>(&self) -> Option<E> {
        let offers = self.lines_of(const { Word::of(E::KEYWORD) });
        offers.filter_map(E::parse).reduce(|earlier, later| later.join(earlier))
    }

    /// Whether a keyword is offered.
    #[must_use]
    pub fn has(&self, keyword: &str) -> bool {
        self.lines_of(Word::of(keyword)).next().is_some()
    }

    /// Whether commands may be sent in groups.
    pub(crate) const fn is_pipelining(&self) -> bool {
        self.pipelining
    }

    /// Every keyword with its parameters, in the order of the reply.
    pub fn keywords(&self) -> impl Iterator<Item = Keyword<'_>> {
        self.lines.iter().map(|line| Keyword {
            name: self.text.get(line.keyword.clone()).unwrap_or_default(),
            params: self.text.get(line.params.clone()).unwrap_or_default(),
        })
    }

    /// What was tolerated in the reply.
    #[must_use]
    pub const fn quirks(&self) -> Quirks {
        self.quirks
    }

    /// The longest line that the server is bound to take, in octets with CRLF: each extension that
    /// it offers may add to it.
    pub(crate) fn line_limit(&self, verb: Verb) -> usize {
        let added = |octets: fn(&super::Known) -> usize| -> usize {
            KNOWN.iter().filter(|known| self.has(known.keyword)).map(octets).sum()
        };
        Self::LINE
            + match verb {
                Verb::Mail => added(|known| known.mail_octets),
                Verb::Rcpt => added(|known| known.rcpt_octets),
                _ => 0,
            }
    }

    /// What follows the keyword, of each line that has it.
    #[inline]
    fn lines_of<'a>(&'a self, word: Word<'a>) -> impl Iterator<Item = &'a str> {
        let is_auth = word.name == AUTH.name;
        let is_renamed = is_auth && self.auth_keyword.is_some();
        let may_be = move |line: &&Line| {
            line.name == word.name || is_renamed || (is_auth && line.name.begins(AUTH_EQUALS.name))
        };
        self.lines.iter().filter(may_be).filter_map(move |line| self.params_of(line, word))
    }

    /// What follows the keyword on this line, if it has it.
    fn params_of(&self, line: &Line, word: Word<'_>) -> Option<&str> {
        if line.name == word.name && line.spells(&self.text, word) {
            return Some(line.params(&self.text));
        }
        if word.name == AUTH.name { self.auth_of(line) } else { None }
    }

    /// The mechanisms of a line that offers AUTH by another name: by that which was given, and by
    /// `AUTH=LOGIN PLAIN`, where the keyword ends at the first `=`.
    fn auth_of(&self, line: &Line) -> Option<&str> {
        let also = self.auth_keyword.as_deref();
        let name = self.text.get(line.keyword.clone())?;
        if also.is_some_and(|also| name.eq_ignore_ascii_case(also)) {
            return Some(line.params(&self.text));
        }
        let is_auth = |name: &str| {
            let mut names = [Some(AUTH.text), also].into_iter().flatten();
            names.any(|auth| name.eq_ignore_ascii_case(auth))
        };
        let (name, _) = name.split_once('=').filter(|(name, _)| is_auth(name))?;
        let mechanisms = line.keyword.start + name.len() + 1;
        self.text.get(mechanisms..line.params.end.max(line.keyword.end))
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, keyword) in self.keywords().enumerate() {
            if n > 0 {
                f.write_str(", ")?;
            }
            keyword.fmt(f)?;
        }
        Ok(())
    }
}

impl Line {
    /// The line that stands there in a text, which is not empty and has no blank at an end.
    #[inline]
    fn new(text: &[u8], at: usize, line: &[u8]) -> Self {
        // What follows the line is no part of it, and lets whole words of eight octets be looked at.
        let rest = text.get(at..).unwrap_or(line);
        let mut length = len_before(rest, b' ' + 1, 0).min(line.len());
        // Controls are no blanks.
        while line.get(length).is_some_and(|octet| !is_blank(octet)) {
            length += 1;
        }
        let (skipped, params) = trimmed(line.get(length..).unwrap_or_default());
        let end = at + length;
        let params = end + skipped..end + skipped + params.len();
        Self { keyword: at..end, name: Name::of(rest, length), params }
    }

    /// Whether the keyword is this one, which has the same name.
    fn spells(&self, text: &str, word: Word<'_>) -> bool {
        let keyword = || text.get(self.keyword.clone()).unwrap_or_default();
        word.name.is_whole() || keyword().eq_ignore_ascii_case(word.text)
    }

    fn params<'a>(&self, text: &'a str) -> &'a str {
        text.get(self.params.clone()).unwrap_or_default()
    }
}

/// A keyword as it is compared: its length, and its first eight octets in upper case. Most are no
/// longer than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Name {
    head: u64,
    length: usize,
}

impl Name {
    /// That of the keyword with which a text begins, and which has so many octets.
    #[inline]
    const fn of(text: &[u8], length: usize) -> Self {
        let head = match text.first_chunk() {
            Some(head) => u64::from_le_bytes(*head),
            None => {
                let (mut head, mut rest) = (0, text);
                while let [before @ .., octet] = rest {
                    head = (head << 8) | *octet as u64;
                    rest = before;
                }
                head
            }
        };
        Self { head: upper_case(head & first_octets(length)), length }
    }

    /// Whether nothing of the keyword is left out.
    const fn is_whole(self) -> bool {
        self.length <= 8
    }

    const fn begins(self, with: Self) -> bool {
        self.head & first_octets(with.length) == with.head
    }
}

/// A keyword that is looked for.
#[derive(Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    name: Name,
}

impl<'a> Word<'a> {
    #[inline]
    const fn of(text: &'a str) -> Self {
        Self { text, name: Name::of(text.as_bytes(), text.len()) }
    }
}

/// So many of eight octets, or all of them.
const fn first_octets(count: usize) -> u64 {
    match count {
        0..8 => (1 << (8 * count)) - 1,
        _ => u64::MAX,
    }
}

/// Eight octets in upper case, all at once. Each is looked at without its eighth bit, so that no sum
/// carries into the next; that bit then says which are letters in lower case.
const fn upper_case(octets: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let low = octets & (ONES * 0x7f);
    let from_a = low + ONES * (0x80 - b'a' as u64);
    let behind_z = low + ONES * (0x7f - b'z' as u64);
    let lower = (from_a ^ behind_z) & !octets & (ONES * 0x80);
    octets ^ (lower >> 2)
}

/// A text without the blanks at its ends, and how many there are before it.
#[inline]
fn trimmed(text: &[u8]) -> (usize, &[u8]) {
    let mut rest = text;
    while let [b' ' | b'\t', behind @ ..] = rest {
        rest = behind;
    }
    let skipped = text.len() - rest.len();
    while let [before @ .., b' ' | b'\t'] = rest {
        rest = before;
    }
    (skipped, rest)
}

const fn is_blank(octet: &u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

const AUTH: Word<'_> = Word::of(Auth::KEYWORD);
const PIPELINING: Word<'_> = Word::of(Pipelining::KEYWORD);
const SIZE: Word<'_> = Word::of(Size::KEYWORD);
const AUTH_EQUALS: Word<'_> = Word::of("AUTH=");

#[cfg(test)]
pub(super) mod tests {
    use super::super::*;
    use super::*;
    use crate::wire::{ReplyKind, Strictness};

    /// The capabilities of an EHLO reply with these lines after its first.
    pub(in crate::extension) fn offered(lines: &[&str]) -> Capabilities {
        let mut reply = String::from("250-mx.example.org greets you\r\n");
        for line in lines {
            reply += &format!("250-{line}\r\n");
        }
        reply += "250 X-LAST\r\n";
        let parsed = ReplyRef::parse(reply.as_bytes(), ReplyKind::Hello, Strictness::Tolerant);
        Capabilities::parse(parsed.unwrap().unwrap().0)
    }

    /// Names are compared eight octets at once: wherever one differs, in its letters, its length or
    /// behind the eighth octet, it is another.
    #[test]
    fn names_are_those_that_are_equal_without_case() {
        let words = [
            "SIZE",
            "size",
            "SIZF",
            "SIZ",
            "SIZED",
            "8BITMIME",
            "8bitMIME",
            "8BITMIMEX",
            "PIPELINING",
            "pipelininG",
            "PIPELININF",
            "PIPELINI",
            "X@YZ",
            "X`YZ",
            "X[YZ",
            "X{YZ",
            "AUTH=",
            "auth",
            "gr\u{fc}n",
            "GR\u{dc}N",
        ];
        for offer in words {
            let offered = offered(&[offer]);
            for word in words {
                let is_auth = word.eq_ignore_ascii_case("AUTH") && offer == "AUTH=";
                let is = offer.eq_ignore_ascii_case(word) || is_auth;
                assert_eq!(offered.has(word), is, "{offer} {word}");
            }
        }
    }

    #[test]
    fn dialect_39_c_019_keywords_are_compared_without_case_and_kept_as_spelled() {
        let offered = offered(&["pipelining", "Size 10"]);
        assert!(offered.has("PIPELINING") && offered.is_pipelining());
        assert_eq!(offered.get::<Size>().unwrap().limit(), Some(10));
        let names: Vec<_> = offered.keywords().map(|keyword| keyword.name()).collect();
        assert_eq!(names, ["pipelining", "Size", "X-LAST"]);
    }

    #[test]
    fn c_020_unknown_keywords_stay_with_their_parameters() {
        let offered = offered(&["XFOO  one\ttwo ", "X_Y:Z=1"]);
        let all: Vec<_> = offered.keywords().map(|keyword| keyword.to_string()).collect();
        assert_eq!(all, ["XFOO one\\x09two", "X_Y:Z=1", "X-LAST"]);
        assert_eq!(offered.to_string(), "XFOO one\\x09two, X_Y:Z=1, X-LAST");
    }

    /// Private to Exchange, Exim and sendmail, or given up: known by name, and never used.
    #[test]
    fn c_020_what_is_never_used_stays_visible() {
        let lines = [
            "X-EXPS GSSAPI NTLM LOGIN",
            "XEXCH50 2",
            "X-LINK2STATE",
            "PIPECONNECT",
            "X_PIPE_CONNECT",
            "VERB",
            "ONEX",
            "UTF8SMTP 1",
            "SEND",
            "TURN",
        ];
        let offered = offered(&lines);
        let all: Vec<_> = offered.keywords().map(|keyword| keyword.to_string()).collect();
        assert_eq!(all[..lines.len()], lines);
        let params = |name| offered.keywords().find(|it| it.name() == name).unwrap().params();
        assert_eq!(params("X-EXPS"), "GSSAPI NTLM LOGIN");
        assert_eq!(params("UTF8SMTP"), "1");
        assert!(lines.iter().all(|line| offered.has(line.split(' ').next().unwrap())));
        assert_eq!((offered.get::<Auth>(), offered.get::<SmtpUtf8>()), (None, None));
    }

    #[test]
    fn flags_are_offered_by_their_keywords_alone() {
        let others = offered(&["XETRN", "ETRN=1"]);
        assert_eq!((others.get::<Etrn>(), others.get::<Prdr>()), (None, None));
        let offered = offered(&["etrn", "ATRN x", "PRDR"]);
        assert_eq!((offered.get::<Etrn>(), offered.get::<Atrn>()), (Some(Etrn), Some(Atrn)));
        assert_eq!(offered.get::<Prdr>(), Some(Prdr));
    }

    #[test]
    fn dialect_50_c_018_the_first_line_is_never_a_keyword() {
        let reply = b"250-PIPELINING\r\n250 SIZE\r\n";
        let parsed = ReplyRef::parse(reply, ReplyKind::Hello, Strictness::Strict).unwrap();
        let offered = Capabilities::parse(parsed.unwrap().0);
        assert_eq!(offered.server_name(), "PIPELINING");
        assert!(!offered.has("PIPELINING") && !offered.is_pipelining());
        assert!(offered.has("SIZE"));
    }

    #[test]
    fn dialect_51_a_single_line_offers_nothing() {
        let parsed = ReplyRef::parse(b"250 mx\r\n", ReplyKind::Hello, Strictness::Strict).unwrap();
        let offered = Capabilities::parse(parsed.unwrap().0);
        assert_eq!(offered.server_name(), "mx");
        assert_eq!(offered.keywords().count(), 0);
    }

    #[test]
    fn dialect_46_an_empty_extension_line_is_skipped_and_flagged() {
        let offered = offered(&["", "PIPELINING"]);
        assert!(offered.is_pipelining());
        assert!(offered.quirks().contains(Quirk::EmptyKeyword));
        assert_eq!(offered.keywords().count(), 2);
    }

    #[test]
    fn dialect_47_odd_keyword_lines_never_fail_the_reply() {
        let offered = offered(&["SIZE\t1000 ", "X:Y", "a_b=c d", "8BITMIME "]);
        assert_eq!(offered.get::<Size>().unwrap().limit(), Some(1000));
        assert!(offered.has("X:Y") && offered.has("a_b=c") && offered.has("8bitmime"));
    }

    #[test]
    fn dialect_55_nothing_is_stripped_from_extension_lines() {
        let offered = offered(&["2.0.0 PIPELINING"]);
        assert!(!offered.is_pipelining());
        assert!(offered.has("2.0.0"));
    }

    #[test]
    fn c_021_helo_offers_nothing() {
        let reply = b"250-mx\r\n250 PIPELINING\r\n";
        let parsed = ReplyRef::parse(reply, ReplyKind::Hello, Strictness::Strict).unwrap();
        let named = Capabilities::of_helo(parsed.unwrap().0);
        assert_eq!(named.server_name(), "mx");
        assert!(!named.has("PIPELINING") && !named.is_pipelining());
    }

    #[test]
    fn c_048_each_extension_adds_to_the_longest_line() {
        let offered = offered(&["SIZE", "8BITMIME", "AUTH PLAIN", "SMTPUTF8"]);
        assert_eq!(offered.line_limit(Verb::Mail), 512 + 26 + 14 + 500 + 10);
        assert_eq!(offered.line_limit(Verb::Rcpt), 512);
        assert_eq!(offered.line_limit(Verb::Auth), 512);
        assert_eq!(Capabilities::default().line_limit(Verb::Mail), 512);
    }
}
