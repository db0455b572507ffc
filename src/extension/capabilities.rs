//! The extensions of an EHLO reply: every line kept, known ones typed on demand.

use std::fmt;
use std::ops::Range;

use super::place::{Offered, Offers};
use super::{Auth, Extension, KNOWN, Place, Size, size};
use crate::wire::{Escaped, Quirk, Quirks, ReplyRef, Verb, WordLines, Words, rest_behind};

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
    /// What is offered where in it.
    offers: Offers,
    /// What SIZE says: it is asked for each mail.
    size: Option<Size>,
    quirks: Quirks,
    /// The keyword that offers AUTH beside its own.
    #[expect(clippy::box_collection, reason = "few servers have one, and many sessions are idle")]
    auth_keyword: Option<Box<String>>,
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
            Ok(text) => text.into(),
            Err(_) => String::from_utf8_lossy(reply.octets()).into_owned().into_boxed_str(),
        };
        let mut offered = Self { text, quirks: reply.quirks(), ..Self::default() };
        let octets = offered.text.as_bytes();
        for words in WordLines::behind_the_first(octets) {
            match Place::of_word(words.head, words.first) {
                Some(place) => {
                    offered.offers.note(place, words.at);
                    if place == Place::Size {
                        let params = offered.text.get(words.rest).unwrap_or_default();
                        offered.size = Size::parse(params);
                        if !size::is_well_formed(params.as_bytes()) {
                            offered.quirks.insert(Quirk::BadSize);
                        }
                    }
                }
                None if is_auth_equals(words.first) => offered.offers.note_somewhere(Place::Auth),
                None if words.first.is_empty() => offered.quirks.insert(Quirk::EmptyKeyword),
                None => {}
            }
        }
        offered
    }

    /// Reads another keyword as AUTH too.
    pub(crate) fn with_auth_keyword(mut self, keyword: Option<&str>) -> Self {
        self.auth_keyword = keyword.map(|keyword| Box::new(keyword.to_owned()));
        if keyword.is_some() {
            self.offers.note_somewhere(Place::Auth);
        }
        self
    }

    /// The reply to HELO: a name, and no extension however many lines it has.
    pub(crate) fn of_helo(reply: ReplyRef<'_>) -> Self {
        let Self { text, quirks, .. } = Self::parse(reply);
        let end = WordLines::of(text.as_bytes()).next().map_or(0, |greeting| greeting.rest.end);
        let text = text.get(..end).unwrap_or_default().into();
        Self { text, quirks, ..Self::default() }
    }

    /// The name that the server gives itself: the first word of its reply, unverified.
    #[must_use]
    pub fn server_name(&self) -> &str {
        self.greeting().split([' ', '\t']).next().unwrap_or_default()
    }

    /// The first line of the reply: the server's name and what it adds.
    #[must_use]
    pub fn greeting(&self) -> &str {
        let words = WordLines::of(self.text.as_bytes()).next();
        let whole = words.and_then(|words| self.text.get(words.at..words.rest.end));
        whole.unwrap_or_default()
    }

    /// A typed extension; `None` where it is not offered, or offered in an unusable way.
    #[must_use]
    pub fn get<E: Extension>(&self) -> Option<E> {
        match self.offered(const { Place::of(E::KEYWORD) }) {
            Offered::Nowhere => None,
            Offered::At(at) => {
                let params = rest_behind(self.text.as_bytes(), at + E::KEYWORD.len());
                E::parse(self.part(params))
            }
            Offered::Somewhere => self.joined(),
        }
    }

    /// What [`get`](Self::get) has of SIZE, read beforehand.
    pub(crate) const fn size(&self) -> Option<Size> {
        self.size
    }

    /// Whether a keyword is offered.
    #[must_use]
    pub fn has(&self, keyword: &str) -> bool {
        match self.offered(Place::of(keyword)) {
            Offered::Nowhere => false,
            Offered::At(_) => true,
            Offered::Somewhere => self.offers_by(keyword).next().is_some(),
        }
    }

    /// Whether commands may be sent in groups.
    pub(crate) fn is_pipelining(&self) -> bool {
        self.offers.of(Place::Pipelining) != Offered::Nowhere
    }

    /// Every keyword with its parameters, in the order of the reply.
    pub fn keywords(&self) -> impl Iterator<Item = Keyword<'_>> {
        self.lines().map(|words| Keyword {
            name: self.part(words.at..words.at + words.first.len()),
            params: self.part(words.rest),
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

    /// What the lines that offer an extension come to.
    #[cold]
    fn joined<E: Extension>(&self) -> Option<E> {
        let offers = self.offers_by(E::KEYWORD).filter_map(E::parse);
        offers.reduce(|earlier, later| later.join(earlier))
    }

    /// The lines that have a keyword.
    fn lines(&self) -> impl Iterator<Item = Words<'_>> {
        let lines = WordLines::behind_the_first(self.text.as_bytes());
        lines.filter(|words| !words.first.is_empty())
    }

    /// Where an extension is offered; one that the crate does not know has to be looked for.
    #[inline]
    fn offered(&self, place: Option<Place>) -> Offered {
        place.map_or(Offered::Somewhere, |place| self.offers.of(place))
    }

    /// What follows the keyword, of each line that has it.
    fn offers_by<'a>(&'a self, keyword: &'a str) -> impl Iterator<Item = &'a str> {
        let is_auth = keyword.eq_ignore_ascii_case(Auth::KEYWORD);
        self.lines().filter_map(move |line| {
            let name = self.part(line.at..line.at + line.first.len());
            match name.eq_ignore_ascii_case(keyword) {
                true => Some(self.part(line.rest)),
                false if is_auth => self.auth_by(name, line),
                false => None,
            }
        })
    }

    /// The mechanisms of a line that offers AUTH by another name: by that which was given, and by
    /// `AUTH=LOGIN PLAIN`, where the keyword ends at the first `=`.
    fn auth_by(&self, name: &str, line: Words<'_>) -> Option<&str> {
        let also = self.auth_keyword.as_deref().map(String::as_str);
        if also.is_some_and(|also| name.eq_ignore_ascii_case(also)) {
            return Some(self.part(line.rest));
        }
        let is_auth = |name: &str| {
            let mut names = [Some(Auth::KEYWORD), also].into_iter().flatten();
            names.any(|auth| name.eq_ignore_ascii_case(auth))
        };
        let (name, _) = name.split_once('=').filter(|(name, _)| is_auth(name))?;
        self.text.get(line.at + name.len() + 1..line.rest.end)
    }

    /// A keyword, or what follows one, by where it stands.
    #[inline]
    fn part(&self, at: Range<usize>) -> &str {
        self.text.get(at).unwrap_or_default()
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

/// Whether a word begins with the spelling of AUTH from before the standard.
fn is_auth_equals(word: &[u8]) -> bool {
    let name = word.split_at_checked(AUTH_EQUALS.len());
    name.is_some_and(|(name, _)| name.eq_ignore_ascii_case(AUTH_EQUALS))
}

const AUTH_EQUALS: &[u8] = b"AUTH=";

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

    /// Offers are found where they were noted, or looked for: both come to the same.
    #[test]
    fn offers_are_found_however_often_and_wherever_they_stand() {
        let long = format!("X-{}", "x".repeat(1000));
        for far in [0, 1, 64, 65, 66, 70] {
            let mut lines = vec![long.as_str(); far];
            lines.extend(["SIZE 1000", "dsn", "AUTH A", "PIPELINING", "chunking  x"]);
            let once = offered(&lines);
            assert_eq!(once.get::<Size>().unwrap().limit(), Some(1000), "{far}");
            assert_eq!((once.get::<Dsn>(), once.get::<Chunking>()), (Some(Dsn), Some(Chunking)));
            assert!(once.has("Dsn") && once.is_pipelining() && !once.has("ETRN"), "{far}");
            lines.extend(["SIZE 2000", "DSN", "AUTH=B C", "auth D", "PIPELINING"]);
            let often = offered(&lines);
            assert_eq!(often.get::<Size>().unwrap().limit(), Some(2000), "{far}");
            assert!(often.has("Dsn") && often.is_pipelining() && !often.has("ETRN"), "{far}");
            let auth = often.get::<Auth>().unwrap();
            assert_eq!(auth.mechanisms().collect::<Vec<_>>(), ["A", "B", "C", "D"], "{far}");
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
        assert!(!offered.quirks().contains(Quirk::EmptyKeyword));
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
        let rest = ["StartTLS", "PIPELINING x", "enhancedstatuscodes", "BinaryMIME"];
        let offered = offered(&[&["etrn", "ATRN x", "PRDR"], &rest[..]].concat());
        assert_eq!((offered.get::<Etrn>(), offered.get::<Atrn>()), (Some(Etrn), Some(Atrn)));
        assert_eq!(offered.get::<Prdr>(), Some(Prdr));
        assert_eq!(offered.get::<BinaryMime>(), Some(BinaryMime));
        assert_eq!(offered.get::<StartTls>(), Some(StartTls));
        assert_eq!(offered.get::<Pipelining>(), Some(Pipelining));
        assert_eq!(offered.get::<EnhancedStatusCodes>(), Some(EnhancedStatusCodes));
    }

    #[test]
    fn what_was_tolerated_in_the_reply_is_told() {
        let reply = b"250-mx\n250 DSN\n";
        let parsed = ReplyRef::parse(reply, ReplyKind::Hello, Strictness::Tolerant).unwrap();
        let (reply, _) = parsed.unwrap();
        for offered in [Capabilities::parse(reply), Capabilities::of_helo(reply)] {
            assert_eq!(offered.quirks().to_string(), "BareLf");
        }
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
