//! What XOAUTH2 and OAUTHBEARER have in common: a token in the one message, and a dialogue about
//! it where it is refused (RFC 7628 §3.2.2). What they say is in their own files.

use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

use super::{AuthFault, Credentials, Mechanism};
use crate::wire::{Escaped, Reply, Secret};

pub(super) struct Bearer {
    name: &'static str,
    message: Option<Secret>,
    /// What the server waits for before it says its refusal in SMTP's own words.
    to_refusal: &'static [u8],
    refusal: Option<TokenRefusal>,
}

impl Bearer {
    /// `head` comes before the token, which is taken from the credentials; two `^A` after it.
    pub(super) fn new(
        name: &'static str,
        head: &str,
        credentials: &Credentials,
        to_refusal: &'static [u8],
    ) -> Result<Self, AuthFault> {
        let token = credentials.bearer();
        // RFC 6750 §2.1 has fewer in a token; what tokens are made of is their issuer's business.
        if token.expose().is_empty() || !token.expose().iter().all(u8::is_ascii_graphic) {
            let what = "a token that is empty or not of visible ASCII characters";
            return Err(AuthFault::Credentials { mechanism: name, what });
        }
        let message = [head.as_bytes(), b"auth=Bearer ", token.expose(), b"\x01\x01"].concat();
        Ok(Self { name, message: Some(message.into()), to_refusal, refusal: None })
    }
}

impl Mechanism for Bearer {
    fn name(&self) -> &'static str {
        self.name
    }

    fn initial(&mut self) -> Option<Secret> {
        self.message.take()
    }

    fn respond(&mut self, challenge: &[u8]) -> Result<Secret, AuthFault> {
        if self.refusal.is_some() {
            let mechanism = self.name.to_owned();
            return Err(AuthFault::Unanswerable { mechanism, challenge: challenge.into() });
        }
        self.refusal = Some(TokenRefusal::new(challenge));
        Ok(Secret::from(self.to_refusal))
    }

    fn refused(&mut self, reply: &Reply) -> Option<AuthFault> {
        let refusal = self.refusal.take()?;
        Some(AuthFault::Token { mechanism: self.name, refusal, reply: Box::new(reply.clone()) })
    }

    fn wants_proof(&self) -> bool {
        false
    }
}

/// What a server said of a token that it refused: a JSON object (RFC 7628 §3.2.2), mostly.
///
/// Texts are a stranger's: they are to be shown [`Escaped`], as `Display` does.
///
/// ```
/// # fn explain(fault: &ehlo::AuthFault) {
/// if let ehlo::AuthFault::Token { refusal, .. } = fault {
///     let renew = refusal.status() == Some("401");
///     println!("renew it: {renew}, for the scope {:?}", refusal.scope());
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRefusal {
    octets: Box<[u8]>,
    members: Vec<(String, String)>,
}

impl TokenRefusal {
    pub(crate) fn new(octets: &[u8]) -> Self {
        let members = str::from_utf8(octets).ok().and_then(members).unwrap_or_default();
        Self { octets: octets.into(), members }
    }

    /// All that was said, raw.
    #[must_use]
    pub const fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Such as `401`, of HTTP, or `invalid_token`: then another token may do.
    #[must_use]
    pub fn status(&self) -> Option<&str> {
        self.member("status")
    }

    /// What the token has to be good for.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.member("scope")
    }

    /// Where a token is to be had: the address of a document (OpenID Connect Discovery).
    #[must_use]
    pub fn openid_configuration(&self) -> Option<&str> {
        self.member("openid-configuration")
    }

    /// Any member of the object by its name; of one that is no text, its JSON.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&str> {
        let mut members = self.members.iter();
        members.find(|(its, _)| its == name).map(|(_, value)| value.as_str())
    }

    /// Whether it says that the token is no good, which another one may be; that it has not the
    /// scope, or that the request is wrong, is something else.
    #[must_use]
    pub fn is_of_the_token(&self) -> bool {
        matches!(self.status(), Some("400" | "401" | "invalid_token"))
    }
}

impl fmt::Display for TokenRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.members.is_empty(), self.octets.is_empty()) {
            (true, true) => Ok(()),
            (true, false) => write!(f, " (\"{}\")", Escaped::new(&self.octets)),
            (false, _) => {
                let said = self.members.iter().map(|(name, value)| format!("{name} {value}"));
                let said = said.collect::<Vec<_>>().join(", ");
                write!(f, " ({})", Escaped::new(said.as_bytes()))
            }
        }
    }
}

/// The members of a JSON object, strings as what they mean and all else as it is written. Enough
/// for the flat objects that there are, without a library for it.
fn members(text: &str) -> Option<Vec<(String, String)>> {
    let mut chars = text.trim().strip_prefix('{')?.strip_suffix('}')?.chars().peekable();
    let mut members = Vec::new();
    loop {
        skip_blanks(&mut chars);
        if chars.peek().is_none() {
            return Some(members);
        }
        if !members.is_empty() {
            chars.next_if_eq(&',')?;
            skip_blanks(&mut chars);
        }
        let name = string(&mut chars)?;
        skip_blanks(&mut chars);
        chars.next_if_eq(&':')?;
        skip_blanks(&mut chars);
        let value = match chars.peek()? {
            '"' => string(&mut chars)?,
            _ => other(&mut chars)?,
        };
        members.push((name, value));
    }
}

fn skip_blanks(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|c| matches!(c, ' ' | '\t' | '\r' | '\n')).is_some() {}
}

fn string(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    chars.next_if_eq(&'"')?;
    let mut text = String::new();
    loop {
        text.push(match chars.next()? {
            '"' => return Some(text),
            '\\' => match chars.next()? {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let code = u32::from_str_radix(&digits, 16).ok()?;
                    // Halves of what is beyond the basic plane are of no use here.
                    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
                }
                other => other,
            },
            plain => plain,
        });
    }
}

/// A number, a word, an array or an object, up to the comma after it.
fn other(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    let (mut text, mut depth) = (String::new(), 0_u32);
    while let Some(c) = chars.peek().copied() {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.checked_sub(1)?,
            ',' if depth == 0 => break,
            '"' if depth == 0 => return None,
            '"' => {
                let inner = string(chars)?;
                text.extend(['"'].into_iter().chain(inner.chars()).chain(['"']));
                continue;
            }
            _ => {}
        }
        text.push(c);
        chars.next();
    }
    (depth == 0).then(|| text.trim_end().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOGLE: &str =
        r#"{"status":"401","schemes":"bearer mac","scope":"https://mail.google.com/"}"#;

    fn bearer() -> Bearer {
        Bearer::new("XOAUTH2", "", &Credentials::token("tim", "ya29"), b"").unwrap()
    }

    #[test]
    fn dialect_59_c_151_a_refusal_is_kept_as_data() {
        let mut bearer = bearer();
        bearer.initial();
        assert_eq!(bearer.respond(format!("{GOOGLE}\n").as_bytes()).unwrap().expose(), b"");
        let reply = "535 5.7.8 no".parse::<Reply>().unwrap();
        let fault = bearer.refused(&reply).unwrap();
        assert_eq!(
            fault.to_string(),
            "XOAUTH2: the token was refused (status 401, schemes bearer mac, scope \
             https://mail.google.com/); the server said: 535 5.7.8 no"
        );
        assert_eq!(fault.reply(), Some(&reply));
        let AuthFault::Token { refusal, .. } = fault else { panic!("{fault}") };
        assert_eq!(refusal.octets(), format!("{GOOGLE}\n").as_bytes());
        assert_eq!(refusal.status(), Some("401"));
        assert_eq!(refusal.scope(), Some("https://mail.google.com/"));
        assert_eq!((refusal.member("schemes"), refusal.member("x")), (Some("bearer mac"), None));
        assert_eq!(refusal.openid_configuration(), None);
        assert!(refusal.is_of_the_token());
    }

    #[test]
    fn c_151_another_token_may_do_where_this_one_is_no_good() {
        let refusal = |text: &str| TokenRefusal::new(text.as_bytes());
        for status in ["400", "401", "invalid_token"] {
            assert!(refusal(&format!(r#"{{"status":"{status}"}}"#)).is_of_the_token(), "{status}");
        }
        let scope =
            r#"{"status":"insufficient_scope","openid-configuration":"https://id.example"}"#;
        for other in ["", "{}", r#"{"status":"403"}"#, scope] {
            assert!(!refusal(other).is_of_the_token(), "{other}");
        }
        assert_eq!(refusal(scope).openid_configuration(), Some("https://id.example"));
    }

    #[test]
    fn a_refusal_without_words_is_the_servers_reply_alone() {
        assert_eq!(bearer().refused(&"535 no".parse().unwrap()), None);
    }

    #[test]
    fn t12_a_second_challenge_is_not_answered() {
        let mut bearer = bearer();
        bearer.respond(b"{}").unwrap();
        let fault = bearer.respond(b"{}").unwrap_err();
        assert_eq!(fault.to_string(), "XOAUTH2 has no answer to the challenge \"{}\"");
    }

    #[test]
    fn what_is_no_object_is_shown_as_it_is() {
        let shown = |text: &str| TokenRefusal::new(text.as_bytes()).to_string();
        assert_eq!(shown(""), "");
        assert_eq!(shown("no\u{1b}[2J"), r#" ("no\x1b[2J")"#);
        for broken in ["{", "{\"a\"}", "{\"a\":}", "{\"a\":1 \"b\":2}", "{\"a\":\"b}", "{\"a\":]}"]
        {
            let refusal = TokenRefusal::new(broken.as_bytes());
            assert_eq!(refusal.members, [], "{broken}");
            assert!(refusal.to_string().starts_with(" (\""), "{broken}");
        }
        assert_eq!(TokenRefusal::new(b"\xff").to_string(), r#" ("\xff")"#);
        assert_eq!(shown("{\"status\":\"4\\n01\"}"), r" (status 4\x0a01)");
    }

    #[test]
    fn reads_what_json_can_have() {
        let text =
            r#" { "a" : "\"\\\/\u0041\t" , "b":[1, "x]", {"c":2}],"d":null, "status": 400 } "#;
        let refusal = TokenRefusal::new(text.as_bytes());
        assert_eq!(refusal.member("a"), Some("\"\\/A\t"));
        assert_eq!(refusal.member("b"), Some(r#"[1, "x]", {"c":2}]"#));
        assert_eq!(refusal.member("d"), Some("null"));
        assert_eq!(refusal.status(), Some("400"));
        assert_eq!(TokenRefusal::new(b"{}").members, []);
    }

    #[test]
    fn t3_a_token_has_visible_characters_alone() {
        for token in ["", "a b", "a\x01b", "a\r\nb", "é"] {
            let made = Bearer::new("XOAUTH2", "", &Credentials::token("tim", token), b"");
            let what = "a token that is empty or not of visible ASCII characters";
            let words = made.err().map(|fault| fault.to_string());
            assert_eq!(words, Some(format!("XOAUTH2 cannot carry {what}")), "{token:?}");
        }
    }
}
