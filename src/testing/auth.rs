//! The server's side of AUTH: PLAIN and LOGIN (RFC 4954, RFC 4616).

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::connection::Heard;
use super::peer::{LONGEST_LINE, Next, Peer, Words};
use crate::{Reply, Secret};

/// A dialogue that came to nothing.
enum Failure {
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
            _ => self.login(initial).await?,
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
        let known = matches!(mechanism, "PLAIN" | "LOGIN");
        (!known).then_some((504, "5.5.4", "mechanism not known"))
    }

    /// ```text
    /// message = [authzid] UTF8NUL authcid UTF8NUL passwd
    /// ```
    ///
    /// RFC 4616 §2. Nobody may act for another here.
    async fn plain(&mut self, initial: Option<Secret>) -> io::Result<Result<String, Failure>> {
        let message = match initial {
            Some(message) => message,
            None => match self.challenge("").await? {
                Ok(message) => message,
                Err(failure) => return Ok(Err(failure)),
            },
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

    /// Says a challenge and waits for what answers it.
    async fn challenge(&mut self, text: &str) -> io::Result<Result<Secret, Failure>> {
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

const DENIED: Words = (535, "5.7.8", "credentials not accepted");
