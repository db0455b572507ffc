//! The address list of a header field (RFC 5322 §3.4): its mailboxes alone. Names, comments and the
//! names of groups are passed over. Which fields are read, and what for, is not decided here.
//!
//! ```text
//! address-list = address *( "," address )
//! address      = mailbox / [ group ]
//! group        = phrase ":" [ address-list ] ";"
//! mailbox      = addr-spec / [ phrase ] "<" [ obs-route ] addr-spec ">"
//! addr-spec    = word *( "." word ) "@" ( atom *( "." atom ) / domain-literal )
//! word         = atom / quoted-string
//! ```
//!
//! White space and comments may stand between any two of them, and an address may be missing
//! between commas (§4.4). Octets above 127 count as letters, as RFC 6532 wants it: outside of a
//! mailbox they need not be UTF-8.

use crate::wire::{Host, InvalidValue, LocalPart, Mailbox};

/// Why a list cannot be read, and where: octets of the field's value before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// Something else had to stand there.
    Expected { at: usize, what: &'static str },
    /// The mailbox that begins there cannot be written in a command.
    Mailbox { at: usize, invalid: InvalidValue },
}

/// The mailboxes of a list, in order.
pub(super) fn mailboxes(value: &[u8]) -> Result<Vec<Mailbox>, Fault> {
    let mut tokens = Tokens { value, end: 0, at: 0, token: Token::End };
    tokens.advance()?;
    let (mut found, mut in_group) = (Vec::new(), false);
    loop {
        match tokens.token {
            Token::End if !in_group => return Ok(found),
            Token::End => return tokens.expected("`;` behind a group"),
            Token::Special(b',') => {
                tokens.advance()?;
                continue;
            }
            Token::Special(b';') if in_group => {
                in_group = false;
                tokens.advance()?;
            }
            _ => match address(&mut tokens, in_group)? {
                Some(mailbox) => found.push(mailbox),
                None => {
                    in_group = true;
                    continue;
                }
            },
        }
        match tokens.token {
            Token::Special(b',') => {}
            Token::Special(b';') | Token::End if in_group => {}
            Token::End => {}
            _ if in_group => return tokens.expected("`,` or `;`"),
            _ => return tokens.expected("`,`"),
        }
    }
}

/// A mailbox, or `None` where a group begins: groups do not hold groups.
fn address(tokens: &mut Tokens<'_>, in_group: bool) -> Result<Option<Mailbox>, Fault> {
    let at = tokens.at;
    let words = Words::read(tokens)?;
    match tokens.token {
        Token::Special(b'<') => {
            tokens.advance()?;
            angle(tokens).map(Some)
        }
        Token::Special(b':') if !in_group && !words.is_empty => {
            tokens.advance()?;
            Ok(None)
        }
        Token::Special(b'@') if !words.is_empty && !words.is_local_part() => {
            tokens.expected("`<` behind a name")
        }
        _ => addr_spec(tokens, at, &words).map(Some),
    }
}

/// What stands between `<` and `>`. A route is dropped (RFC 5322 §4.4).
fn angle(tokens: &mut Tokens<'_>) -> Result<Mailbox, Fault> {
    if matches!(tokens.token, Token::Special(b'@' | b',')) {
        loop {
            match tokens.token {
                Token::Special(b',') => tokens.advance()?,
                Token::Special(b'@') => {
                    tokens.advance()?;
                    domain(tokens)?;
                }
                _ => break,
            }
        }
        tokens.take(b':', "`:` behind a route")?;
    }
    let at = tokens.at;
    let words = Words::read(tokens)?;
    let mailbox = addr_spec(tokens, at, &words)?;
    tokens.take(b'>', "`>`")?;
    Ok(mailbox)
}

/// From its `@` on, after the words of its local part.
fn addr_spec(tokens: &mut Tokens<'_>, at: usize, words: &Words) -> Result<Mailbox, Fault> {
    if words.is_empty {
        return tokens.expected("an address");
    }
    if !words.is_local_part() {
        return Err(Fault::Expected { at, what: "an address" });
    }
    tokens.take(b'@', "`@` and a domain")?;
    let domain = domain(tokens)?;
    mailbox(&words.text, &domain).map_err(|invalid| Fault::Mailbox { at, invalid })
}

fn domain(tokens: &mut Tokens<'_>) -> Result<Vec<u8>, Fault> {
    let mut text = Vec::new();
    if let Token::Literal(literal) = tokens.token {
        text.extend(literal.iter().filter(|octet| !is_blank(**octet)));
        tokens.advance()?;
        return Ok(text);
    }
    loop {
        let Token::Atom(label) = tokens.token else {
            return tokens.expected("a domain");
        };
        text.extend_from_slice(label);
        tokens.advance()?;
        if !matches!(tokens.token, Token::Special(b'.')) {
            return Ok(text);
        }
        text.push(b'.');
        tokens.advance()?;
    }
}

fn mailbox(local_part: &[u8], domain: &[u8]) -> Result<Mailbox, InvalidValue> {
    let whole = [local_part, b"@", domain].concat();
    let refuse = |_| InvalidValue::new("mailbox", &whole, "it is not UTF-8");
    let local_part = std::str::from_utf8(local_part).map_err(refuse)?;
    let host = std::str::from_utf8(domain).map_err(refuse)?;
    let within = |invalid: InvalidValue| invalid.within("mailbox", &whole);
    let local_part = LocalPart::new(local_part).map_err(within)?;
    Mailbox::new(&local_part, host.parse::<Host>().map_err(within)?)
}

/// Words and dots: a name, or the local part of a mailbox. What follows tells which.
struct Words {
    /// Without quotes.
    text: Vec<u8>,
    is_empty: bool,
    /// One dot between any two words so far.
    is_dotted: bool,
    wants_word: bool,
}

impl Words {
    fn read(tokens: &mut Tokens<'_>) -> Result<Self, Fault> {
        let mut words =
            Self { text: Vec::new(), is_empty: true, is_dotted: true, wants_word: true };
        loop {
            let is_word = match tokens.token {
                Token::Atom(atom) => {
                    words.text.extend_from_slice(atom);
                    true
                }
                Token::Quoted(content) => {
                    unquote(content, &mut words.text);
                    true
                }
                Token::Special(b'.') => {
                    words.text.push(b'.');
                    false
                }
                _ => return Ok(words),
            };
            words.is_dotted &= is_word == words.wants_word;
            words.wants_word = !is_word;
            words.is_empty = false;
            tokens.advance()?;
        }
    }

    const fn is_local_part(&self) -> bool {
        self.is_dotted && !self.wants_word
    }
}

/// Without the backslashes of quoted pairs and the line ends of folds.
fn unquote(content: &[u8], text: &mut Vec<u8>) {
    let mut octets = content.iter().filter(|octet| !matches!(octet, b'\r' | b'\n'));
    while let Some(&octet) = octets.next() {
        let escaped = if octet == b'\\' { octets.next() } else { None };
        text.push(*escaped.unwrap_or(&octet));
    }
}

#[derive(Clone, Copy)]
enum Token<'a> {
    Atom(&'a [u8]),
    /// What stands between the quotes.
    Quoted(&'a [u8]),
    /// With its brackets.
    Literal(&'a [u8]),
    /// Any other octet.
    Special(u8),
    End,
}

/// The token that is next, and what lies after it. Each octet is looked at once.
struct Tokens<'a> {
    value: &'a [u8],
    /// Behind the token.
    end: usize,
    /// Where the token begins.
    at: usize,
    token: Token<'a>,
}

impl<'a> Tokens<'a> {
    fn advance(&mut self) -> Result<(), Fault> {
        self.skip_blanks_and_comments()?;
        self.at = self.end;
        let rest = self.rest();
        let (length, token) = match rest.first() {
            None => (0, Token::End),
            Some(b'"') => {
                let length = closed(rest, b'"').ok_or_else(|| self.lacks("`\"`"))?;
                (length, Token::Quoted(rest.get(1..length - 1).unwrap_or_default()))
            }
            Some(b'[') => {
                let length = closed(rest, b']').ok_or_else(|| self.lacks("`]`"))?;
                (length, Token::Literal(rest.get(..length).unwrap_or_default()))
            }
            Some(&octet) if !is_in_atom(octet) => (1, Token::Special(octet)),
            Some(_) => {
                let end = rest.iter().position(|octet| !is_in_atom(*octet));
                let (atom, _) = rest.split_at(end.unwrap_or(rest.len()));
                (atom.len(), Token::Atom(atom))
            }
        };
        self.end += length;
        self.token = token;
        Ok(())
    }

    /// Comments nest, as deep as whoever wrote the mail wants.
    fn skip_blanks_and_comments(&mut self) -> Result<(), Fault> {
        let mut depth = 0_usize;
        let mut octets = self.rest().iter().copied();
        while let Some(octet) = octets.next() {
            match octet {
                b'(' => depth += 1,
                b')' if depth > 0 => depth -= 1,
                b'\\' if depth > 0 => {
                    octets.next();
                }
                _ if depth > 0 || is_blank(octet) => {}
                _ => break,
            }
            self.end = self.value.len() - octets.len();
        }
        if depth > 0 { Err(self.lacks("`)`")) } else { Ok(()) }
    }

    fn take(&mut self, special: u8, what: &'static str) -> Result<(), Fault> {
        match self.token {
            Token::Special(octet) if octet == special => self.advance(),
            _ => self.expected(what),
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.value.get(self.end..).unwrap_or_default()
    }

    fn expected<T>(&self, what: &'static str) -> Result<T, Fault> {
        Err(Fault::Expected { at: self.at, what })
    }

    /// Something that was begun does not end.
    const fn lacks(&self, what: &'static str) -> Fault {
        Fault::Expected { at: self.value.len(), what }
    }
}

/// The length of what ends with an octet, both ends counted. A backslash takes the next one along.
fn closed(text: &[u8], end: u8) -> Option<usize> {
    let mut octets = text.iter();
    octets.next();
    while let Some(&octet) = octets.next() {
        if octet == end {
            return Some(text.len() - octets.len());
        }
        if octet == b'\\' {
            octets.next();
        }
    }
    None
}

const fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

/// `atext` (RFC 5322 §3.2.3): what is printable and no special, and what is not ASCII.
fn is_in_atom(octet: u8) -> bool {
    octet > b' ' && octet != 0x7f && !br#"()<>[]:;@\,.""#.contains(&octet)
}
