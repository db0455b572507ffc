//! Every script of `tests/scripts/`, played on `Conversation` over a stream in memory whose server
//! speaks whole, by line and by octet. A conversation shows less than a session does: what holds
//! only while a call is under way (`= ahead`, and whatever stands before the last line of the
//! server) is left to `tests/sans-io`.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

#[path = "support/script.rs"]
#[expect(dead_code, unreachable_pub, reason = "made for sans-io, and used in part")]
mod script;
#[path = "support/turns.rs"]
#[expect(unreachable_pub, reason = "as its neighbour")]
mod turns;

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ehlo::testing::{self, ScriptStep};
use ehlo::{
    Command, Connector, Conversation, Error, ErrorKind, Escaped, Misuse, Phase, Reply, Secret,
    Security, Severity, Stage, Verb,
};
use script::{Claim, Does, SECRET, Script, content_octets, says};
use tokio::io::{AsyncReadExt, duplex};
use turns::{Act, Pieces, Server, Turn, turns};

/// What no conversation can be made to say, and why.
const NOT_PLAYED: &[(&str, &str)] = &[
    ("bdat-pipelined", BEHIND_A_CHUNK),
    ("bdat-refused-then-accepted", BEHIND_A_CHUNK),
    ("bdat-refused", BEHIND_A_CHUNK),
    ("bdat-run-ahead-cut", BEHIND_A_CHUNK),
    ("bdat-run-ahead-last-refused", BEHIND_A_CHUNK),
    ("bdat-run-ahead-mail-refused", BEHIND_A_CHUNK),
    ("bdat-run-ahead-nobody-accepted", BEHIND_A_CHUNK),
    ("bdat-run-ahead-nobody", BEHIND_A_CHUNK),
    ("bdat-run-ahead", BEHIND_A_CHUNK),
    ("ehlo-lower-case", HANDSHAKE),
    ("end-refused-with-next-group", BEHIND_THE_END),
    ("end-with-next-group", BEHIND_THE_END),
    ("end-with-rset", BEHIND_THE_END),
    ("requiretls-unverified", HANDSHAKE),
    ("requiretls", HANDSHAKE),
    ("starttls-last", HANDSHAKE),
    ("starttls-unverified", HANDSHAKE),
    ("starttls", HANDSHAKE),
];

const HANDSHAKE: &str = "goes on behind a TLS handshake";
const BEHIND_A_CHUNK: &str = "sends more behind a chunk without its reply";
const BEHIND_THE_END: &str = "sends commands behind the end of the content without its reply";

#[test]
fn every_script_is_concluded_alike_in_pieces_of_any_size() {
    let (mut played, mut claims, mut failed) = (0, 0, Vec::new());
    for script in scripts() {
        if cannot_be_said(&script).is_some() {
            continue;
        }
        played += 1;
        match catch_unwind(|| is_concluded_alike(&script)) {
            Ok(looked_at) => claims += looked_at,
            Err(_) => failed.push(script.name),
        }
    }
    assert!(failed.is_empty(), "failed: {}", failed.join(" "));
    assert!(played >= 122, "only {played} scripts were played");
    assert!(claims >= 298, "only {claims} claims were looked at");
}

/// How many claims were looked at.
fn is_concluded_alike(script: &Script) -> usize {
    let whole = play(script, Pieces::Whole);
    for pieces in [Pieces::Lines, Pieces::Octets] {
        let heard = play(script, pieces);
        if !script.name.starts_with("starttls-inject") {
            assert_eq!(heard.events, whole.events, "{} {pieces:?}", script.name);
        }
    }
    whole.claims
}

#[test]
fn what_is_not_played_cannot_be() {
    let cannot: Vec<_> = scripts()
        .iter()
        .filter_map(|script| Some((script.name.clone(), cannot_be_said(script)?)))
        .collect();
    let named: Vec<_> = NOT_PLAYED.iter().map(|(name, why)| ((*name).to_owned(), *why)).collect();
    assert_eq!(cannot, named);
}

/// The server of feature `testing` has a grammar of its own: it has no claims, and can do more. It
/// reads the lines that both have alike. (Two parsers, because the tests that do without that
/// feature need one too, and because each is held against the other here.)
#[test]
fn without_its_claims_every_script_is_one_for_the_testing_server() {
    for script in scripts() {
        let text = std::fs::read_to_string(folder().join(format!("{}.smtp", script.name))).unwrap();
        // A claim leaves an empty line: lines keep their numbers.
        let lines = text.lines().map(|line| match line {
            // Whether a certificate is verified is the client's to say there.
            "-- TLS unverified" => "-- TLS",
            claim if claim.starts_with("= ") => "",
            line => line,
        });
        let played: testing::Script = lines.collect::<Vec<_>>().join("\n").parse().unwrap();
        let played = played.lines().iter();
        let expected = script.lines.iter().filter_map(|line| {
            let shown = match &line.does {
                Does::Server(octets) => ScriptStep::Say(octets.as_slice().into()).to_string(),
                Does::Client(said) => format!("C: {said}"),
                Does::Tls { .. } => "-- TLS".to_owned(),
                Does::Close => "-- close".to_owned(),
                Does::Claim(_) => return None,
            };
            Some((line.number, shown))
        });
        let played: Vec<_> = played.map(|line| (line.number(), line.to_string())).collect();
        assert_eq!(played, expected.collect::<Vec<_>>(), "{}", script.name);
    }
}

fn scripts() -> Vec<Script> {
    Script::all(&folder())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts")
}

fn cannot_be_said(script: &Script) -> Option<&'static str> {
    // TLS from the start is played in clear, with secrets allowed by name.
    let mut tls = script.lines.iter().filter(|line| matches!(line.does, Does::Tls { .. }));
    if tls.any(|line| line.number != script.lines[0].number) {
        return Some(HANDSHAKE);
    }
    let goes_on = |turn: &Turn<'_>| turn.says.iter().rev().skip(1).any(|line| *line == ".");
    if turns(script).iter().any(goes_on) {
        return Some(BEHIND_THE_END);
    }
    // A chunk is a call by itself.
    let runs_ahead = |turn: &Turn<'_>| {
        turn.says.iter().any(|line| line.starts_with("BDAT ")) && chunk(&turn.says).is_none()
    };
    turns(script).iter().any(runs_ahead).then_some(BEHIND_A_CHUNK)
}

/// The octets of a chunk, and whether it is the last, where these lines are one.
fn chunk(lines: &[&str]) -> Option<(usize, bool)> {
    let (line, content) = lines.split_first()?;
    let size = line.strip_prefix("BDAT ")?;
    let (size, last) = size.strip_suffix(" LAST").map_or((size, false), |size| (size, true));
    let is_whole = content.iter().all(|line| content_octets(line).is_some());
    is_whole.then_some((size.parse().ok()?, last))
}

/// What a conversation came to.
#[derive(Debug, Default)]
struct Heard {
    events: Vec<String>,
    claims: usize,
}

fn play(script: &Script, pieces: Pieces) -> Heard {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let playing = Player::play(script, pieces);
        // A clock that stands still moves on when nobody has anything to do.
        match tokio::time::timeout(Duration::from_secs(86_400), playing).await {
            Ok(heard) => heard,
            Err(_) => panic!("{}.smtp ({pieces:?}): both sides wait", script.name),
        }
    })
}

struct Player<'a> {
    script: &'a Script,
    pieces: Pieces,
    number: usize,
    /// None where none could be opened.
    smtp: Option<Conversation>,
    replies: Vec<Reply>,
    error: Option<Error>,
    claims: usize,
}

impl<'a> Player<'a> {
    async fn play(script: &'a Script, pieces: Pieces) -> Heard {
        // The end of a content that is to be cut must not be on its way before it is.
        let is_cut =
            |turn: &Turn<'_>| turn.says.last().is_some_and(|l| content_octets(l).is_some());
        let turns = turns(script);
        let room = match pieces {
            Pieces::Octets => 1,
            _ if turns.iter().any(is_cut) => 1,
            Pieces::Whole | Pieces::Lines => 64 * 1024,
        };
        let (client_says, server_hears) = duplex(room);
        let (server_says, client_hears) = duplex(64 * 1024);
        let stream = tokio::io::join(client_hears, client_says);
        let ends = Some((server_hears, server_says));
        let mut server = Server { pieces, ends };
        let mut player = Self {
            script,
            pieces,
            number: 0,
            smtp: None,
            replies: Vec::new(),
            error: None,
            claims: 0,
        };
        let mut turns = turns.into_iter();
        let mut turn = turns.next().expect("the greeting");
        if claims_phase(&turn, "Refused") {
            // QUIT is said by the call that opens.
            for quit in turns.by_ref() {
                turn.server.extend(quit.server);
                turn.claims.extend(quit.claims);
            }
            turn.server.push(Act::Close);
        }
        let connector = player.connector();
        let (opened, ()) = tokio::join!(connector.open_over(stream), server.act(&turn.server));
        match opened {
            Ok(smtp) => {
                player.replies.push(smtp.greeting().clone());
                player.smtp = Some(smtp);
            }
            Err(error) => player.note(Err(error)),
        }
        player.conclude(&turn).await;
        for turn in turns {
            if player.error.is_some() {
                player.fail("the script goes on");
            }
            tokio::join!(player.say(&turn.says), server.act(&turn.server));
            player.conclude(&turn).await;
        }
        player.end(server, room).await
    }

    fn connector(&self) -> Connector {
        let setup = self.script.setup;
        let mut connector = Connector::new("")
            .security(Security::None)
            .strictness(setup.strictness)
            .tls_name("mx.example.org")
            .transcript(1 << 20)
            .dangerous()
            .accept_any_certificate();
        if setup.lmtp {
            connector = connector.lmtp();
        }
        if setup.require_tls {
            connector = connector.security(Security::StartTls);
        }
        let first = self.script.lines.first().map(|line| &line.does);
        if setup.allow_cleartext || matches!(first, Some(Does::Tls { .. })) {
            connector = connector.allow_cleartext();
        }
        connector
    }

    fn fail(&self, what: impl std::fmt::Display) -> ! {
        let (name, number, pieces) = (&self.script.name, self.number, self.pieces);
        let heard = self.events().join("\n  ");
        panic!("{name}.smtp:{number} ({pieces:?}): {what}\nheard:\n  {heard}");
    }

    fn events(&self) -> Vec<String> {
        let replies = self.replies.iter().map(|reply| format!("{reply:#}"));
        let error = self.error.as_ref().map(|error| format!("error: {error}"));
        replies.chain(error).collect()
    }

    fn smtp(&mut self) -> &mut Conversation {
        match &mut self.smtp {
            Some(smtp) => smtp,
            None => panic!("{}: nothing was opened", self.script.name),
        }
    }

    fn phase(&self) -> Phase {
        match (&self.smtp, &self.error) {
            (Some(smtp), _) => smtp.phase(),
            (None, Some(error)) if is_greeting_refused(error) => Phase::Refused,
            (None, _) => Phase::Closed,
        }
    }

    fn note(&mut self, outcome: Result<Vec<Reply>, Error>) {
        match outcome {
            Ok(replies) => self.replies.extend(replies),
            Err(error) => {
                self.replies.extend(error.earlier().iter().cloned());
                if let ErrorKind::Refused(reply) = error.kind()
                    && error.stage() == Stage::Greeting
                {
                    self.replies.push(reply.clone());
                }
                self.error = Some(error);
            }
        }
    }

    /// One call: what the script has up to what the server answers.
    async fn say(&mut self, lines: &[&str]) {
        let parts: usize = lines.iter().copied().filter_map(content_octets).sum();
        let phase = self.phase();
        if let Some((octets, last)) = chunk(lines) {
            let outcome = self.smtp().chunk(&content(octets), last).await;
            return self.note(outcome);
        }
        let outcome = match lines {
            ["."] if phase != Phase::Content => return self.listen().await,
            [.., last] if *last == "." || parts > 0 => self.smtp().content(&content(parts)).await,
            [only] => self.say_one(only).await.map(|reply| vec![reply]),
            _ => {
                let group: Vec<_> = lines.iter().map(|line| command(line)).collect();
                self.smtp().say_all(group).await
            }
        };
        self.note(outcome);
    }

    async fn say_one(&mut self, line: &str) -> Result<Reply, Error> {
        let smtp = self.smtp();
        match line {
            SECRET => smtp.respond(b"hush").await,
            "*" => smtp.cancel_auth().await,
            _ => smtp.say(&command(line)).await,
        }
    }

    /// A conversation does not listen between calls: makes one that hears what was said, where the
    /// session is about to end, and in which nothing is sent.
    async fn listen(&mut self) {
        let outcome = match self.phase() {
            Phase::Content => self.smtp().content(b"x\r\n").await,
            Phase::Auth => self.smtp().respond(b"hush").await.map(|reply| vec![reply]),
            _ => self.say_one("NOOP").await.map(|reply| vec![reply]),
        };
        if !matches!(&outcome, Err(error) if matches!(error.kind(), ErrorKind::Misuse(_))) {
            self.note(outcome);
        }
    }

    async fn conclude(&mut self, turn: &Turn<'_>) {
        let ends = turn.claims.iter().any(|(_, claim)| match claim {
            Claim::Closed | Claim::Violation(_) => true,
            Claim::Event(name) => name == "closing" || name == "content-refused",
            _ => false,
        });
        if ends && self.error.is_none() && self.phase() != Phase::Closed {
            self.listen().await;
        }
        let is_refused = self.phase() == Phase::Refused && claims_phase(turn, "Refused");
        let claims_violation = |(_, claim): &(usize, &Claim)| matches!(claim, Claim::Violation(_));
        match &self.error {
            Some(_) if !ends && !is_refused => self.fail("an error that the script does not have"),
            Some(error)
                if matches!(error.kind(), ErrorKind::Violation(_))
                    && !turn.claims.iter().any(claims_violation) =>
            {
                self.fail("a violation that the script does not have")
            }
            _ => {}
        }
        for (number, claim) in &turn.claims {
            self.number = *number;
            self.check(claim).await;
        }
    }

    async fn check(&mut self, claim: &Claim) {
        let last = self.replies.last();
        let (says_so, is) = match claim {
            Claim::Event(name) => (self.is_event(name), String::new()),
            Claim::Reply(words) => {
                let said = self.error.as_ref().and_then(Error::reply).or(last);
                let said = said.map(Reply::to_string).unwrap_or_default();
                (says(words, &said), said)
            }
            // Where nothing is in flight they are one.
            Claim::Phase(name) | Claim::Ahead(name) => {
                let phase = format!("{:?}", self.phase());
                (*name == phase || self.was_refused(name), phase)
            }
            Claim::Offers(keyword) => (self.smtp().capabilities().has(keyword), String::new()),
            Claim::DoesNotOffer(keyword) => {
                (!self.smtp().capabilities().has(keyword), String::new())
            }
            Claim::Authenticated | Claim::NotAuthenticated => {
                let allowed = self.smtp().allows(Verb::Auth);
                let is_authenticated = allowed == Err(Misuse::Again(Verb::Auth));
                (is_authenticated == (*claim == Claim::Authenticated), format!("{allowed:?}"))
            }
            Claim::Violation(words) => match self.error.as_ref().map(Error::kind) {
                Some(ErrorKind::Violation(violation)) => {
                    let violation = violation.to_string();
                    (says(words, &violation), violation)
                }
                _ => (self.is_taken_for_a_handshake(), "none".to_owned()),
            },
            Claim::Unfinished(octets) => {
                let unfinished = self.error.as_ref().map(Error::unfinished);
                let unfinished = Escaped::new(unfinished.unwrap_or_default()).to_string();
                (*octets == unfinished, unfinished)
            }
            Claim::Closed => {
                let is_over = self.phase() == Phase::Closed || self.was_refused("Refused");
                (is_over, format!("{:?}", self.phase()))
            }
            Claim::Misuse { line, words } => return self.check_misuse(line, words).await,
        };
        self.claims += 1;
        if !says_so {
            self.fail(format!("{claim:?}, but: {is}"));
        }
    }

    /// Whether the greeting ended it: there is no conversation to look at.
    fn was_refused(&self, phase: &str) -> bool {
        phase == "Refused" && self.error.as_ref().is_some_and(is_greeting_refused)
    }

    /// Octets that come apart from the 220 to STARTTLS are the handshake's, which takes none.
    fn is_taken_for_a_handshake(&self) -> bool {
        let stage = self.error.as_ref().map(Error::stage);
        self.pieces != Pieces::Whole && stage == Some(Stage::Handshake)
    }

    /// Events show in what was said last.
    fn is_event(&self, name: &str) -> bool {
        let last = self.replies.last();
        let is_intermediate = last.is_some_and(|reply| reply.severity() == Severity::Intermediate);
        let is_challenge = last.is_some_and(|reply| reply.code().number() == 334);
        match name {
            "" => self.replies.is_empty(),
            "greeting" => self.replies.len() == 1,
            "reply" => self.replies.len() > 1,
            "challenge" => is_challenge,
            "go-ahead" => is_intermediate && !is_challenge,
            "content-refused" => {
                last.is_some_and(Reply::is_negative) && self.phase() == Phase::Closed
            }
            "closing" => {
                let kind = self.error.as_ref().map(Error::kind);
                matches!(kind, Some(ErrorKind::Closed(Some(_))))
            }
            _ => false,
        }
    }

    async fn check_misuse(&mut self, line: &str, words: &str) {
        if self.smtp.is_none() {
            return;
        }
        let before = self.phase();
        let outcome = match content_octets(line) {
            Some(octets) => self.smtp().content(&content(octets)).await,
            None if line == "." && before == Phase::Closed => self.smtp().content(b"").await,
            // The end of the content has no call of its own.
            None if line == "." => return,
            None => match chunk(&[line]) {
                Some((octets, last)) => self.smtp().chunk(&content(octets), last).await,
                None => self.say_one(line).await.map(|reply| vec![reply]),
            },
        };
        let said = match outcome.as_ref().map_err(Error::kind) {
            Err(ErrorKind::Misuse(misuse)) => misuse.to_string(),
            Err(ErrorKind::Unsupported { keyword, needs }) => {
                format!("the server does not offer {keyword}, which {needs} needs")
            }
            Err(ErrorKind::LimitReached { limit, most }) => {
                format!("the server takes no more: it offered {limit}={most}")
            }
            Err(ErrorKind::Closed(_)) => "the session is over".to_owned(),
            _ => format!("{outcome:?}"),
        };
        self.claims += 1;
        if said != words {
            self.fail(format!("{line}: {words}, but: {said}"));
        }
        if self.phase() != before {
            self.fail(format!("{line}: a misuse has led to {:?}", self.phase()));
        }
    }

    async fn end(mut self, mut server: Server, room: usize) -> Heard {
        if let Some(smtp) = self.smtp.take() {
            let is_clean = match self.error.as_ref().map(Error::kind) {
                None | Some(ErrorKind::Closed(_)) => true,
                Some(_) => false,
            };
            let expected = self.script.as_transcript();
            let expected = expected.strip_prefix("-- TLS\n").unwrap_or(&expected);
            let transcript = smtp.transcript().expect("it was asked for").to_string();
            if let Err(invalid) = transcript.parse::<testing::Script>() {
                self.fail(format!("the transcript is no script: {invalid}\n{transcript}"));
            }
            // How much of a chunk was written when it was refused is the stream's to say.
            let is_exact = !turns(self.script).iter().any(|turn| {
                let parts: usize = turn.says.iter().copied().filter_map(content_octets).sum();
                chunk(&turn.says).is_some_and(|(octets, _)| octets > parts)
            });
            if is_clean && is_exact && transcript != *expected {
                self.fail(format!("the transcript is not the script:\n{transcript}"));
            }
        }
        let mut rest = Vec::new();
        if let Some((hears, _)) = &mut server.ends {
            // What was written is all there; a client that is gone has ended it.
            hears.read_to_end(&mut rest).await.expect("a pipe in memory");
        }
        // Of a content that was cut, as much as fitted had been written behind its last octet.
        if !rest.is_empty() && room > 1 {
            self.fail(format!("it also says {:?}", Escaped::new(&rest)));
        }
        Heard { events: self.events(), claims: self.claims }
    }
}

fn claims_phase(turn: &Turn<'_>, name: &str) -> bool {
    turn.claims.iter().any(|(_, claim)| **claim == Claim::Phase(name.to_owned()))
}

fn is_greeting_refused(error: &Error) -> bool {
    error.stage() == Stage::Greeting && matches!(error.kind(), ErrorKind::Refused(_))
}

fn content(octets: usize) -> Vec<u8> {
    let mut content = vec![b'x'; octets];
    if let Some(end) = octets.checked_sub(2) {
        content[end..].copy_from_slice(b"\r\n");
    }
    content
}

fn command(line: &str) -> Command<'static> {
    let secret = line.strip_prefix("AUTH ").and_then(|rest| rest.strip_suffix(" <secret>"));
    if let Some(mechanism) = secret {
        return Command::auth(mechanism, Some(Secret::from("hush"))).unwrap();
    }
    let octets = ehlo::unescape(line).unwrap();
    Command::parse(&octets).unwrap_or_else(|_| Command::raw(octets).unwrap())
}
