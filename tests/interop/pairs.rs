//! Mails in many ways at once: every two values of TLS, AUTH, pipelining, transfer, recipients and
//! content meet in some row, with each server; and every combination of all but the content with
//! Postfix. What arrives is compared octet by octet wherever it is kept.

use ehlo::{Client, Connector, Delivery, Envelope, Transfer};

use crate::Row;
use crate::mechanisms::{AIOSMTPD, DOVECOT, EXIM, Kept, OPENSMTPD, POSTFIX, Place, SMTP_SERVER};
use crate::support::{clear, mail, outcomes, quit};

/// How one mail goes: for each dimension, which of its values.
type Way = [usize; DIMENSIONS.len()];

const DIMENSIONS: [&str; 6] = ["TLS", "AUTH", "pipelining", "transfer", "recipients", "content"];
const TLS: [&str; 3] = ["clear", "STARTTLS", "TLS"];
const PIPELINING: [&str; 3] = ["one by one", "pipelined", "ahead"];
const TRANSFER: [&str; 2] = ["DATA", "BDAT"];
const RECIPIENTS: [&str; 3] = ["one", "many", "some refused"];
const CONTENT: [&str; 4] = ["tiny", "8-bit", "dotted", "long lines"];

/// A server, and what of all that it bears.
#[derive(Clone, Copy)]
struct Bearer {
    place: Place,
    /// Whether AUTH is offered in clear, too.
    auth_in_clear: bool,
    /// Whether MAIL is taken from strangers.
    strangers: bool,
    has_bdat: bool,
}

const HOLDING: Place = Place { ports: ["HOLD_PORT", "HOLD_TLS_PORT"], kept: Kept::Held, ..POSTFIX };

const BEARERS: [Bearer; 6] = [
    Bearer { place: HOLDING, auth_in_clear: true, strangers: true, has_bdat: true },
    Bearer { place: DOVECOT, auth_in_clear: true, strangers: false, has_bdat: true },
    Bearer { place: EXIM, auth_in_clear: true, strangers: true, has_bdat: true },
    Bearer { place: OPENSMTPD, auth_in_clear: false, strangers: true, has_bdat: false },
    Bearer { place: AIOSMTPD, auth_in_clear: false, strangers: true, has_bdat: false },
    Bearer { place: SMTP_SERVER, auth_in_clear: false, strangers: true, has_bdat: false },
];

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for bearer in BEARERS {
        for way in pairwise(&bearer.ways()) {
            rows.push(Row::new(bearer.place.server, bearer.name(way), move || {
                goes(bearer, vec![way])
            }));
        }
    }
    let [postfix, ..] = BEARERS;
    // What is tiny alone, in a row for each of TLS and AUTH.
    let tiny: Vec<Way> = postfix.ways().into_iter().filter(|way| way[5] == 0).collect();
    for part in tiny.chunk_by(|one, other| one[..2] == other[..2]) {
        let name = format!("all ways: {}, {}", TLS[part[0][0]], postfix.auth(part[0]));
        let part = part.to_vec();
        rows.push(Row::new(postfix.place.server, name, move || goes(postfix, part.clone())));
    }
    rows
}

impl Bearer {
    /// All ways that it bears, in order.
    fn ways(&self) -> Vec<Way> {
        let sizes = [
            TLS.len(),
            1 + self.place.mechanisms.len(),
            PIPELINING.len(),
            if self.has_bdat { TRANSFER.len() } else { 1 },
            RECIPIENTS.len(),
            CONTENT.len(),
        ];
        let mut ways = vec![[0; DIMENSIONS.len()]];
        for (dimension, size) in sizes.into_iter().enumerate() {
            let longer = ways.iter().flat_map(|way| {
                (0..size).map(move |value| {
                    let mut way = *way;
                    way[dimension] = value;
                    way
                })
            });
            ways = longer.collect();
        }
        ways.retain(|way| self.bears(*way));
        ways
    }

    fn bears(&self, way: Way) -> bool {
        let (is_clear, auth) = (way[0] == 0, self.auth(way));
        match auth {
            "no AUTH" => self.strangers,
            // It is by a certificate.
            "EXTERNAL" => !is_clear,
            _ => !is_clear || self.auth_in_clear,
        }
    }

    fn auth(&self, way: Way) -> &'static str {
        match way[1].checked_sub(1) {
            Some(mechanism) => self.place.mechanisms[mechanism],
            None => "no AUTH",
        }
    }

    fn name(&self, way: Way) -> String {
        let [tls, _, pipelining, transfer, recipients, content] = way;
        let (tls, pipelining, transfer) = (TLS[tls], PIPELINING[pipelining], TRANSFER[transfer]);
        let (recipients, content) = (RECIPIENTS[recipients], CONTENT[content]);
        let auth = self.auth(way);
        format!("pair: {tls}, {auth}, {pipelining}, {transfer}, {recipients}, {content}")
    }

    fn connector(&self, way: Way) -> Connector {
        let connector = match TLS[way[0]] {
            "clear" => clear(self.place.prefix, self.place.ports[0]).allow_cleartext(),
            "STARTTLS" => self.place.connector(false),
            _ => self.place.connector(true),
        };
        let connector = match self.auth(way) {
            "no AUTH" => connector,
            mechanism => self.place.authenticated(connector, mechanism),
        };
        let connector = match TRANSFER[way[3]] {
            "BDAT" => connector.transfer(Transfer::Bdat),
            _ => connector.transfer(Transfer::Data),
        };
        if PIPELINING[way[2]] == "ahead" { connector.run_ahead() } else { connector }
    }
}

/// Few ways in which every two values are together that are together in any way of all: again and
/// again the first with most pairs that have not been met.
fn pairwise(all: &[Way]) -> Vec<Way> {
    let mut missing: std::collections::BTreeSet<_> = all.iter().flat_map(pairs).collect();
    let mut chosen = Vec::new();
    while !missing.is_empty() {
        let new = |way: &&Way| pairs(way).filter(|pair| missing.contains(pair)).count();
        // Of equals `max_by_key` has the last.
        let best = all.iter().rev().max_by_key(new).expect("what is missing is in one of them");
        for pair in pairs(best) {
            missing.remove(&pair);
        }
        chosen.push(*best);
    }
    chosen
}

/// Every two dimensions, each with its value.
fn pairs(way: &Way) -> impl Iterator<Item = [(usize, usize); 2]> + use<> {
    let way = *way;
    (0..way.len()).flat_map(move |one| {
        (one + 1..way.len()).map(move |other| [(one, way[one]), (other, way[other])])
    })
}

/// Sends a mail in each of these ways, over a connection of its own.
async fn goes(bearer: Bearer, ways: Vec<Way>) {
    for way in ways {
        let name = bearer.name(way);
        let mut client = bearer.connector(way).connect().await.expect(&name);
        assert_eq!(client.conversation().tls().is_some(), way[0] > 0, "{name}");
        assert_eq!(client.conversation().is_authenticated(), way[1] > 0, "{name}");
        let content = mail(&body(CONTENT[way[5]]));
        let recipients = recipients(RECIPIENTS[way[4]]);
        let is_known = |recipient: &&String| {
            !["nobody-here@", "refused@"].iter().any(|name| recipient.starts_with(name))
        };
        let taken: Vec<&str> = recipients.iter().filter(is_known).map(String::as_str).collect();
        let delivery = match PIPELINING[way[2]] {
            "one by one" => one_by_one(&mut client, TRANSFER[way[3]], &recipients, &content).await,
            _ => {
                let envelope =
                    Envelope::new("alice@example.test", recipients.iter().map(String::as_str))
                        .unwrap();
                client.send(&envelope, &content).await.expect(&name)
            }
        };
        for (recipient, outcome) in recipients.iter().zip(outcomes(&delivery)) {
            let wanted = if is_known(&recipient) { "accepted: 250" } else { "refused: 550" };
            assert!(outcome.starts_with(wanted), "{name}: {recipient}: {outcome}");
        }
        bearer.place.took(&delivery, &content, &taken).await;
        quit(client).await;
    }
}

/// Nothing is said before the reply to what came before it.
async fn one_by_one(
    client: &mut Client,
    transfer: &str,
    recipients: &[String],
    content: &str,
) -> Delivery {
    let mut transaction = client.mail("alice@example.test").await.unwrap();
    for recipient in recipients {
        transaction.rcpt(recipient.as_str()).await.unwrap();
    }
    let (half, rest) = content.as_bytes().split_at(content.len() / 2);
    if transfer == "BDAT" {
        let mut chunks = transaction.bdat().unwrap();
        chunks.write(half).await.unwrap();
        return chunks.finish_with(rest).await.unwrap();
    }
    let mut body = transaction.data().await.unwrap();
    body.write(half).await.unwrap();
    body.finish_with(rest).await.unwrap()
}

fn recipients(how_many: &str) -> Vec<String> {
    let locals: Vec<String> = match how_many {
        "one" => vec!["bob".to_owned()],
        "many" => (0..20).map(|n| format!("r{n}")).collect(),
        _ => ["nobody-here", "bob", "refused", "eve"].map(str::to_owned).into(),
    };
    locals.into_iter().map(|local| format!("{local}@example.test")).collect()
}

fn body(kind: &str) -> String {
    match kind {
        "tiny" => "x\r\n".to_owned(),
        "8-bit" => "Grüße aus Köln\r\n".repeat(20),
        "dotted" => ".\r\n..\r\n...\r\n.x\r\nx.\r\n".repeat(20),
        // As long as lines may be (RFC 5321 §4.5.3.1.6).
        _ => ("y".repeat(998) + "\r\n").repeat(20),
    }
}
