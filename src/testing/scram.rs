//! The server's side of SCRAM (RFC 5802), each mechanism with and without -PLUS. It knows its
//! users' passwords themselves, and salts them on the spot.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::auth::{DENIED, Failure, nonce};
use super::peer::{Peer, Words};
use crate::Secret;
use crate::auth::scram::Hash;

impl Peer<'_> {
    pub(super) async fn scram(
        &mut self,
        mechanism: &str,
        initial: Option<Secret>,
    ) -> io::Result<Result<String, Failure>> {
        let message = match self.first(initial).await? {
            Ok(message) => message,
            Err(failure) => return Ok(Err(failure)),
        };
        let first = str::from_utf8(message.expose()).ok().and_then(First::read);
        let (Some(first), Some(hash)) = (first, Hash::of(mechanism)) else {
            return Ok(Err(Failure::Said(MALFORMED)));
        };
        let bound = match self.bound(mechanism, &first) {
            Ok(bound) => bound,
            Err(error) => return self.give_up(error).await,
        };
        // Without users there is no password to prove.
        let Some(password) = self.password(&first.name).cloned() else {
            return Ok(Err(Failure::Said(DENIED)));
        };
        let salt = nonce()?;
        let nonce = format!("{}{}", first.nonce, nonce()?);
        let server_first = format!("r={nonce},s={},i={ITERATIONS}", STANDARD.encode(&salt));
        let response = match self.challenge(&server_first).await? {
            Ok(response) => response,
            Err(failure) => return Ok(Err(failure)),
        };
        let keys = hash.keys(password.expose(), salt.as_bytes(), ITERATIONS);
        let unproved = format!("c={},r={nonce}", STANDARD.encode(bound));
        let dialogue = format!("{},{server_first},{unproved}", first.bare);
        let proof = STANDARD.encode(keys.proof(dialogue.as_bytes()).expose());
        if response != Secret::from(format!("{unproved},p={proof}")) {
            let is_bound = response.expose().starts_with(unproved.as_bytes());
            return match is_bound {
                true => Ok(Err(Failure::Said(DENIED))),
                false => self.give_up("channel-bindings-dont-match").await,
            };
        }
        let signature = STANDARD.encode(keys.signature(dialogue.as_bytes()).expose());
        Ok(match self.challenge(&format!("v={signature}")).await? {
            Ok(nothing) if nothing.expose().is_empty() => Ok(first.name),
            Ok(_) => Err(Failure::Said(MALFORMED)),
            Err(failure) => Err(failure),
        })
    }

    /// What `c=` has to be: the header, and what is known of the channel.
    fn bound(&self, mechanism: &str, first: &First<'_>) -> Result<Vec<u8>, &'static str> {
        let is_its_plus = |name: &str| name.strip_suffix("-PLUS") == Some(mechanism);
        let binding = match (first.flag.strip_prefix("p="), mechanism.ends_with("-PLUS")) {
            (Some(name), true) if BINDINGS.contains(&name) => self.connection.binding(name),
            (Some(_), true) => return Err("unsupported-channel-binding-type"),
            (None, false) if first.flag == "y" && self.offers_mechanism(is_its_plus) => {
                return Err("server-does-support-channel-binding");
            }
            (None, false) if matches!(first.flag, "n" | "y") => Some(&[][..]),
            _ => None,
        };
        let binding = binding.ok_or("channel-binding-not-supported")?;
        Ok([first.header.as_bytes(), binding].concat())
    }

    /// Says why, and ends the dialogue whatever the client says to that.
    async fn give_up(&mut self, error: &str) -> io::Result<Result<String, Failure>> {
        Ok(match self.challenge(&format!("e={error}")).await? {
            Ok(_) => Err(Failure::Said(DENIED)),
            Err(failure) => Err(failure),
        })
    }
}

/// The client's first message.
struct First<'a> {
    header: &'a str,
    flag: &'a str,
    bare: &'a str,
    name: String,
    nonce: &'a str,
}

impl<'a> First<'a> {
    /// Nobody may act for another here.
    fn read(text: &'a str) -> Option<Self> {
        let (flag, rest) = text.split_once(',')?;
        let bare = rest.strip_prefix(',')?;
        let header = text.strip_suffix(bare)?;
        let (name, nonce) = bare.strip_prefix("n=")?.split_once(",r=")?;
        let name = name.replace("=2C", ",").replace("=3D", "=");
        Some(Self { header, flag, bare, name, nonce })
    }
}

/// What a channel can be bound by here.
const BINDINGS: [&str; 2] = ["tls-exporter", "tls-server-end-point"];

const MALFORMED: Words = (501, "5.5.2", "not a SCRAM message");

/// As few as are lawful (RFC 5802 §5.1): tests are not to wait for it.
const ITERATIONS: u32 = 4096;
