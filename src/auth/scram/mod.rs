//! SCRAM (RFC 5802, RFC 7677): both sides prove that they know the password, and neither says it;
//! with `-PLUS` they prove that they speak over the same TLS channel, too.
//!
//! ```text
//! client-first = gs2-header client-first-bare
//! gs2-header   = ( "p=" binding-name / "n" / "y" ) "," [ "a=" saslname ] ","
//! client-first-bare = "n=" saslname ",r=" nonce
//! server-first = "r=" nonce ",s=" base64 ",i=" number [ "," extensions ]
//! client-final = "c=" base64 ",r=" nonce ",p=" base64
//! server-final = "v=" base64 / "e=" error
//! ```
//!
//! | file | what it holds |
//! |---|---|
//! | `hash` | the hashes, and what is made of a password with them |
//! | `prep` | SASLprep |

mod hash;
mod prep;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{AuthFault, Credentials, Mechanism, Offer, saslname};
use crate::wire::{Reply, Secret};

pub(crate) use hash::{Hash, hmac};

/// RFC 5802 §5.1 has 4096 for the least. 600000 is what OWASP asks of those who store passwords
/// (PBKDF2 with SHA-256), and some tenths of a second of work: a server that asks for more keeps
/// its clients busy.
pub(super) const ITERATIONS: RangeInclusive<u32> = 4096..=600_000;

/// Random octets in a nonce: 192 bits, of which RFC 5802 §5.1 wants no less than are safe.
const NONCE: usize = 24;

pub(super) struct Scram {
    name: &'static str,
    hash: Hash,
    /// What is said of channel binding, and as whom to act.
    header: String,
    /// What `c=` proves: the header, and the binding after it.
    bound: Vec<u8>,
    nonce: String,
    user: String,
    password: Zeroizing<String>,
    iterations: RangeInclusive<u32>,
    step: Step,
}

enum Step {
    First,
    /// The server is to prove itself by this signature.
    Final(Secret),
    Proved,
    /// The server has given up, and says why: its reply is next.
    Refused(Box<[u8]>),
    Over,
}

impl Scram {
    pub(super) fn new(
        name: &'static str,
        credentials: &Credentials,
        offer: &Offer,
    ) -> Result<Self, AuthFault> {
        let mut octets = [0; NONCE];
        #[cfg(test)]
        let is_dry = tests::IS_DRY.get();
        #[cfg(not(test))]
        let is_dry = false;
        if is_dry || getrandom::fill(&mut octets).is_err() {
            return Err(AuthFault::NoRandomness { mechanism: name });
        }
        Self::with_nonce(name, credentials, offer, STANDARD.encode(octets))
    }

    /// The nonce has visible characters alone, and no comma.
    fn with_nonce(
        name: &'static str,
        credentials: &Credentials,
        offer: &Offer,
        nonce: String,
    ) -> Result<Self, AuthFault> {
        let fault = |what| AuthFault::Credentials { mechanism: name, what };
        let bad_name = || fault("a name that SASLprep refuses");
        let user = prep::saslprep(&credentials.user).ok_or_else(bad_name)?;
        if user.is_empty() {
            return Err(fault("an empty user name"));
        }
        let identity = prep::saslprep(&credentials.authorize_as).ok_or_else(bad_name)?;
        let password = credentials.password();
        let password = str::from_utf8(password.expose()).ok().and_then(prep::saslprep);
        let password = password.ok_or_else(|| fault("a password that SASLprep refuses"))?;

        // RFC 5802 §6. A client that can bind and is not offered this mechanism's own -PLUS says
        // so: where somebody took it out of the offer, the server then finds out. Any other name
        // that ends so may have been put in its place.
        let binding = offer.bindings.first();
        let used = binding.filter(|_| name.ends_with("-PLUS"));
        let flag = match (used, binding) {
            (Some(used), _) => format!("p={}", used.name()),
            (None, Some(_)) if !offer.has(&format!("{name}-PLUS")) => "y".to_owned(),
            _ => "n".to_owned(),
        };
        let header = match identity.as_str() {
            "" => format!("{flag},,"),
            identity => format!("{flag},a={},", saslname(identity)),
        };
        let octets = used.map_or(&[][..], |binding| binding.octets());
        Ok(Self {
            name,
            hash: Hash::of(name).unwrap_or(Hash::Sha1),
            bound: [header.as_bytes(), octets].concat(),
            header,
            nonce,
            user: saslname(&user),
            password,
            iterations: credentials.iterations.clone(),
            step: Step::First,
        })
    }

    fn bare(&self) -> String {
        format!("n={},r={}", self.user, self.nonce)
    }

    /// What answers the server's first message, and the signature that has to come back.
    fn prove(&self, message: &[u8]) -> Result<(Secret, Secret), AuthFault> {
        let first = self.server_first(message)?;
        let bound = STANDARD.encode(&self.bound);
        let unproved = format!("c={bound},r={}", first.nonce);
        let dialogue = format!("{},{},{unproved}", self.bare(), first.text);
        let keys = self.hash.keys(self.password.as_bytes(), &first.salt, first.iterations);
        let proof = Zeroizing::new(STANDARD.encode(keys.proof(dialogue.as_bytes()).expose()));
        let message = [unproved.as_bytes(), b",p=", proof.as_bytes()].concat();
        Ok((Secret::from(message), keys.signature(dialogue.as_bytes())))
    }

    fn server_first<'a>(&self, message: &'a [u8]) -> Result<ServerFirst<'a>, AuthFault> {
        let text = str::from_utf8(message).map_err(|_| self.message("is not UTF-8"))?;
        let mut attributes = text.split(',');
        let mut next = |name: &str| attributes.next().and_then(|its| its.strip_prefix(name));
        // Who does not know an extension that has to be known gives up (RFC 5802 §5.1).
        if text.split(',').any(|attribute| attribute.starts_with("m=")) {
            return Err(self.message("wants an extension that is not known"));
        }
        let nonce = next("r=").ok_or_else(|| self.message("has no nonce in its first place"))?;
        // Without this, somebody could play an old dialogue again.
        let is_theirs = |own: &str| !own.is_empty() && own.bytes().all(|c| c.is_ascii_graphic());
        if !nonce.strip_prefix(&self.nonce).is_some_and(is_theirs) {
            return Err(self.message("has another nonce than the client's with more behind it"));
        }
        let salt = next("s=").and_then(|salt| STANDARD.decode(salt).ok());
        let salt = salt.filter(|salt| !salt.is_empty());
        let salt = salt.ok_or_else(|| self.message("has no salt behind the nonce"))?;
        let asked = next("i=").and_then(number);
        let asked = asked.ok_or_else(|| self.message("has no iterations behind the salt"))?;
        match u32::try_from(asked).ok().filter(|asked| self.iterations.contains(asked)) {
            Some(iterations) => Ok(ServerFirst { text, nonce, salt, iterations }),
            None => Err(AuthFault::Iterations {
                mechanism: self.name,
                asked,
                least: *self.iterations.start(),
                most: *self.iterations.end(),
            }),
        }
    }

    fn server_final(&self, message: &[u8], expected: &Secret) -> Result<(), AuthFault> {
        let signature = message.strip_prefix(b"v=").map(|rest| {
            let end = rest.iter().position(|octet| *octet == b',').unwrap_or(rest.len());
            STANDARD.decode(rest.get(..end).unwrap_or_default()).map(Secret::from)
        });
        match signature {
            Some(Ok(signature)) if signature == *expected => Ok(()),
            _ => Err(AuthFault::Unproved { mechanism: self.name }),
        }
    }

    const fn message(&self, what: &'static str) -> AuthFault {
        AuthFault::Message { mechanism: self.name, what }
    }
}

struct ServerFirst<'a> {
    text: &'a str,
    nonce: &'a str,
    salt: Vec<u8>,
    iterations: u32,
}

impl Mechanism for Scram {
    fn name(&self) -> &'static str {
        self.name
    }

    fn initial(&mut self) -> Option<Secret> {
        Some(Secret::from(format!("{}{}", self.header, self.bare())))
    }

    fn respond(&mut self, challenge: &[u8]) -> Result<Secret, AuthFault> {
        let step = std::mem::replace(&mut self.step, Step::Over);
        // RFC 5802 §7. What RFC 4954 §4 says of it all stands in the reply that ends the dialogue,
        // and that comes when the message has been answered.
        if let (Step::First | Step::Final(_), Some(error)) = (&step, challenge.strip_prefix(b"e="))
        {
            self.step = Step::Refused(error.into());
            return Ok(Secret::from(""));
        }
        match step {
            Step::First => {
                let (message, signature) = self.prove(challenge)?;
                self.step = Step::Final(signature);
                Ok(message)
            }
            // RFC 4954 §4 has no place for the server's last message but a challenge.
            Step::Final(expected) => {
                self.server_final(challenge, &expected)?;
                self.step = Step::Proved;
                Ok(Secret::from(""))
            }
            Step::Proved | Step::Refused(_) | Step::Over => Err(AuthFault::Unanswerable {
                mechanism: self.name.to_owned(),
                challenge: challenge.into(),
            }),
        }
    }

    /// Some servers say their last message as the text of their 235.
    fn succeeded(&mut self, text: &[u8]) -> Result<(), AuthFault> {
        match std::mem::replace(&mut self.step, Step::Over) {
            Step::Proved => Ok(()),
            Step::Final(expected) => {
                let words = text.split(u8::is_ascii_whitespace);
                let mut messages = words.filter_map(|word| STANDARD.decode(word).ok());
                let message = messages.find(|message| message.starts_with(b"v="));
                self.server_final(&message.unwrap_or_default(), &expected)
            }
            Step::First | Step::Refused(_) | Step::Over => {
                Err(AuthFault::Unproved { mechanism: self.name })
            }
        }
    }

    fn refused(&mut self, reply: &Reply) -> Option<AuthFault> {
        match std::mem::replace(&mut self.step, Step::Over) {
            Step::Refused(error) => {
                let reply = Box::new(reply.clone());
                Some(AuthFault::Server { mechanism: self.name, error, reply })
            }
            _ => None,
        }
    }
}

/// ```text
/// posit-number = %x31-39 *DIGIT
/// ```
fn number(text: &str) -> Option<u64> {
    let is_number = text.starts_with(|c: char| matches!(c, '1'..='9'))
        && text.bytes().all(|octet| octet.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}
