//! The server's side of AUTH (RFC 4954), but for SCRAM: PLAIN, LOGIN, CRAM-MD5, XOAUTH2,
//! OAUTHBEARER, EXTERNAL and ANONYMOUS.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::connection::Heard;
use super::peer::{LONGEST_LINE, Next, Peer, Words};
use crate::auth::cram_md5;
use crate::{Reply, Secret};

/// A dialogue that came to nothing.
pub(super) enum Failure {
    Said(Words),
    /// The client is gone.
    Gone,
}

impl Peer<'_> {
    /// `reply` stands in the place of the usual one, where the client has authenticated.
    pub(super) async fn auth(
        &mut self,
        mechanism: &str,
        initial: Option<Secret>,
        reply: Option<&Reply>,
    ) -> io::Result<Next> {
        if let Some(words) = self.forbids(mechanism) {
            return Ok(self.say(words));
        }
        let user = match mechanism {
            "PLAIN" => self.plain(initial).await?,
            "LOGIN" => self.login(initial).await?,
            "CRAM-MD5" => self.cram_md5(initial).await?,
            "XOAUTH2" | "OAUTHBEARER" => self.bearer(mechanism, initial).await?,
            "EXTERNAL" | "ANONYMOUS" => self.as_told(mechanism, initial).await?,
            _ => self.scram(mechanism, initial).await?,
        };
        Ok(match user {
            Ok(user) => {
                self.user = Some(user);
                self.answer(reply, (235, "2.7.0", "welcome"))
            }
            Err(Failure::Said(words)) => self.say(words),
            Err(Failure::Gone) => Next::Close,
        })
    }

    fn forbids(&self, mechanism: &str) -> Option<Words> {
        if !self.may_authenticate() {
            return Some(match self.connection.is_tls() || self.server.allow_cleartext {
                true => (503, "5.5.1", "AUTH is not offered here"),
                false => (538, "5.7.11", "encryption required"),
            });
        }
        if self.user.is_some() {
            return Some((503, "5.5.1", "authenticated already"));
        }
        if self.is_in_mail() {
            return Some((503, "5.5.1", "not inside a transaction"));
        }
        let known = SPOKEN.contains(&mechanism)
            && self.offers_mechanism(|offered| offered.eq_ignore_ascii_case(mechanism));
        (!known).then_some((504, "5.5.4", "mechanism not known"))
    }

    /// ```text
    /// message = [authzid] UTF8NUL authcid UTF8NUL passwd
    /// ```
    ///
    /// RFC 4616 §2. Nobody may act for another here.
    async fn plain(&mut self, initial: Option<Secret>) -> io::Result<Result<String, Failure>> {
        let message = match self.first(initial).await? {
            Ok(message) => message,
            Err(failure) => return Ok(Err(failure)),
        };
        let mut parts = message.expose().split(|octet| *octet == 0);
        let parts = (parts.next(), parts.next(), parts.next(), parts.next());
        let (Some(acting), Some(name), Some(password), None) = parts else {
            return Ok(Err(Failure::Said((501, "5.5.2", "not a PLAIN message"))));
        };
        if !acting.is_empty() && acting != name {
            return Ok(Err(Failure::Said(DENIED)));
        }
        Ok(self.check(name, password))
    }

    async fn login(&mut self, initial: Option<Secret>) -> io::Result<Result<String, Failure>> {
        let name = match initial {
            Some(name) => name,
            None => match self.challenge("Username:").await? {
                Ok(name) => name,
                Err(failure) => return Ok(Err(failure)),
            },
        };
        let password = match self.challenge("Password:").await? {
            Ok(password) => password,
            Err(failure) => return Ok(Err(failure)),
        };
        Ok(self.check(name.expose(), password.expose()))
    }

    async fn cram_md5(&mut self, initial: Option<Secret>) -> io::Result<Result<String, Failure>> {
        if initial.is_some() {
            return Ok(Err(Failure::Said((501, "5.5.4", "the server speaks first"))));
        }
        let challenge = format!("<{}@{}>", nonce()?, self.server.name);
        let response = match self.challenge(&challenge).await? {
            Ok(response) => response,
            Err(failure) => return Ok(Err(failure)),
        };
        let name = response.expose().rsplitn(2, |octet| *octet == b' ').nth(1);
        let name = name.and_then(|name| str::from_utf8(name).ok()).unwrap_or_default();
        let is_right = |password: &Secret| {
            let expected = cram_md5::response(name, password, challenge.as_bytes());
            response == Secret::from(expected.as_str())
        };
        Ok(match self.password(name) {
            Some(password) if is_right(password) => Ok(name.to_owned()),
            _ => Err(Failure::Said(DENIED)),
        })
    }

    /// The password of a user is the token. Who refuses one says so first in JSON, and waits for an
    /// answer to that (RFC 7628 §3.2.2).
    async fn bearer(
        &mut self,
        mechanism: &str,
        initial: Option<Secret>,
    ) -> io::Result<Result<String, Failure>> {
        let message = match self.first(initial).await? {
            Ok(message) => message,
            Err(failure) => return Ok(Err(failure)),
        };
        let mut name: &[u8] = b"";
        let mut token: &[u8] = b"";
        for part in message.expose().split(|octet| *octet == 1) {
            if let Some(user) = part.strip_prefix(b"user=") {
                name = user;
            } else if let Some(user) = part.strip_prefix(b"n,a=") {
                name = user.strip_suffix(b",").unwrap_or(user);
            } else if let Some(bearer) = part.strip_prefix(b"auth=Bearer ") {
                token = bearer;
            }
        }
        let name = String::from_utf8_lossy(name).replace("=2C", ",").replace("=3D", "=");
        let checked = self.check(name.as_bytes(), token);
        if checked.is_ok() {
            return Ok(checked);
        }
        let acknowledged: &[u8] = if mechanism == "XOAUTH2" { b"" } else { b"\x01" };
        Ok(Err(match self.challenge(TOKEN_REFUSED).await? {
            Ok(answer) if answer.expose() == acknowledged => Failure::Said(DENIED),
            Ok(_) => Failure::Said((501, "5.5.2", "not what answers a refused token")),
            Err(failure) => failure,
        }))
    }

    /// EXTERNAL and ANONYMOUS: whoever comes is believed, but for EXTERNAL where certificates are
    /// asked for.
    async fn as_told(
        &mut self,
        mechanism: &str,
        initial: Option<Secret>,
    ) -> io::Result<Result<String, Failure>> {
        let first = self.first(initial).await?;
        let asks = mechanism == "EXTERNAL" && !self.server.tls.clients_of.is_empty();
        if asks && !self.connection.has_certificate() && first.is_ok() {
            return Ok(Err(Failure::Said(DENIED)));
        }
        Ok(first.map(|name| match name.expose() {
            b"" => mechanism.to_lowercase(),
            name => String::from_utf8_lossy(name).into_owned(),
        }))
    }

    /// What the client says first, with AUTH or asked for it.
    pub(super) async fn first(
        &mut self,
        initial: Option<Secret>,
    ) -> io::Result<Result<Secret, Failure>> {
        match initial {
            Some(message) => Ok(Ok(message)),
            None => self.challenge("").await,
        }
    }

    /// Whether the AUTH line of the offer has such a mechanism now.
    pub(super) fn offers_mechanism(&self, is_such: impl Fn(&str) -> bool) -> bool {
        let lines = self.server.extensions(self.connection.is_tls());
        let offered = lines.iter().filter_map(|line| line.strip_prefix("AUTH"));
        offered.flat_map(|names| names.split([' ', '='])).any(is_such)
    }

    /// A user's password, where there is such a user.
    pub(super) fn password(&self, name: &str) -> Option<&Secret> {
        let mut users = self.server.users.iter();
        users.find(|(user, _)| user == name).map(|(_, password)| password)
    }

    /// Says a challenge and waits for what answers it.
    pub(super) async fn challenge(&mut self, text: &str) -> io::Result<Result<Secret, Failure>> {
        let challenge = format!("334 {}\r\n", STANDARD.encode(text));
        self.connection.log().server(challenge.as_bytes());
        self.connection.put(challenge.as_bytes());
        let line = match self.connection.line(LONGEST_LINE).await? {
            Heard::Line(line) => line,
            Heard::TooLong => return Ok(Err(Failure::Gone)),
            Heard::End => return Ok(Err(Failure::Gone)),
        };
        let response = line.strip_suffix(b"\r\n");
        let shown: &[u8] = if response == Some(b"*") { b"*" } else { b"<secret>" };
        self.connection.log().client(shown);
        Ok(match response {
            Some(b"*") => Err(Failure::Said((501, "5.7.0", "authentication cancelled"))),
            Some(response) => match STANDARD.decode(response) {
                Ok(message) => Ok(message.into()),
                Err(_) => Err(Failure::Said((501, "5.5.2", "not base64"))),
            },
            None => Err(Failure::Said((500, "5.5.2", "a line must end with CRLF"))),
        })
    }

    /// Without users, anybody is somebody.
    fn check(&self, name: &[u8], password: &[u8]) -> Result<String, Failure> {
        let Ok(name) = str::from_utf8(name) else {
            return Err(Failure::Said(DENIED));
        };
        let mut users = self.server.users.iter();
        let password = Secret::from(password);
        match self.server.users.is_empty()
            || users.any(|(user, its)| user == name && *its == password)
        {
            true => Ok(name.to_owned()),
            false => Err(Failure::Said(DENIED)),
        }
    }
}

/// Visible characters that were never said before.
pub(super) fn nonce() -> io::Result<String> {
    let mut octets = [0; 18];
    getrandom::fill(&mut octets).map_err(io::Error::other)?;
    Ok(STANDARD.encode(octets))
}

/// Mechanisms that are spoken where they are offered.
const SPOKEN: [&str; 13] = [
    "PLAIN",
    "LOGIN",
    "CRAM-MD5",
    "XOAUTH2",
    "OAUTHBEARER",
    "EXTERNAL",
    "ANONYMOUS",
    "SCRAM-SHA-1",
    "SCRAM-SHA-256",
    "SCRAM-SHA-512",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-512-PLUS",
];

const TOKEN_REFUSED: &str = r#"{"status":"401","schemes":"bearer","scope":"mail"}"#;

pub(super) const DENIED: Words = (535, "5.7.8", "credentials not accepted");
