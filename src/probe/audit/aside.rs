//! The checks that no session has a door for: they write octets, on a connection of their own that is
//! closed after, whatever came. What they say is as good as nothing: RSET, NOOP, QUIT.
//!
//! None of them waits for a silence where a reply can tell the same: the QUIT at the end is answered
//! by every server, and what was answered before it is counted.

use std::io;
use std::time::Duration;

use super::report::{AuditCheck, AuditFinding, AuditSeverity, CheckReport};
use super::run::first_line;
use crate::error::Error;
#[cfg(feature = "tls")]
use crate::extension::StartTls;
use crate::extension::{Capabilities, Extension as _, Pipelining};
#[cfg(feature = "tls")]
use crate::net::Security;
use crate::net::{Aside, Connector};
use crate::protocol::Stage;
use crate::wire::{Reply, ReplyKind};

/// A server that takes a lone LF for a line end answers RSET twice.
pub(super) async fn bare_lf(connector: &Connector) -> CheckReport {
    let check = AuditCheck::BareLf;
    match replies_to_bare_lf(connector).await {
        Ok(replies) => match replies.as_slice() {
            [first, _, ..] if is_taken(first) => CheckReport::found(AuditFinding {
                check,
                severity: AuditSeverity::Violation,
                words: "RSET with a lone LF behind it was taken for a command".to_owned(),
                section: check.section(),
                line: first_line(first),
            }),
            _ => CheckReport::passed(check),
        },
        Err(unmade) => CheckReport::failed(check, unmade),
    }
}

/// What RSET with a lone LF, and one behind it, are answered with.
async fn replies_to_bare_lf(connector: &Connector) -> Result<Vec<Reply>, Unmade> {
    let (mut aside, offered) = introduced(connector).await?;
    let limit = connector.patience(Stage::Query);
    if offered.has(Pipelining::KEYWORD) {
        aside.write(b"RSET\nRSET\r\n", limit).await?;
        return Ok(farewell(&mut aside, limit, Vec::new()).await);
    }
    // One thing at a time: what is not taken for a command is not answered at all.
    aside.write(b"RSET\n", limit).await?;
    match aside.reply(ReplyKind::Other, limit.min(SILENCE)).await {
        // As if it had been answered twice.
        Ok(reply) => Ok(vec![reply.clone(), reply]),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Ok(Vec::new()),
        Err(error) => Err(Unmade::Io(error)),
    }
}

/// Every RSET of a group has a reply.
pub(super) async fn pipelining(connector: &Connector) -> CheckReport {
    let check = AuditCheck::Pipelining;
    let replies = match replies_to_group(connector).await {
        Ok(Some(replies)) => replies,
        Ok(None) => return CheckReport::skipped(check, "PIPELINING is not offered"),
        Err(unmade) => return CheckReport::failed(check, unmade),
    };
    if replies.iter().any(|reply| reply.code().number() == 421) {
        return CheckReport::failed(check, "the server ended the session");
    }
    match replies.len() {
        GROUP => CheckReport::passed(check),
        count => CheckReport::found(AuditFinding {
            check,
            severity: AuditSeverity::Violation,
            words: format!("{GROUP} commands in one write had {count} replies"),
            section: check.section(),
            line: replies.last().map(first_line).unwrap_or_default(),
        }),
    }
}

/// None where PIPELINING is not offered.
async fn replies_to_group(connector: &Connector) -> Result<Option<Vec<Reply>>, Unmade> {
    let (mut aside, offered) = introduced(connector).await?;
    if !offered.has(Pipelining::KEYWORD) {
        return Ok(None);
    }
    let limit = connector.patience(Stage::Query);
    aside.write(&b"RSET\r\n".repeat(GROUP), limit).await?;
    // The first reply shows that the group has come, before QUIT goes the same way.
    let first = aside.reply(ReplyKind::Other, limit).await?;
    Ok(Some(farewell(&mut aside, limit, vec![first]).await))
}

/// T6: a NOOP behind STARTTLS, in clear and in the same write. A server that runs it over TLS
/// answers it and QUIT, where it was told QUIT alone. That the handshake fails tells something only
/// of a server that was seen to do one.
#[cfg(feature = "tls")]
pub(super) async fn injection(connector: &Connector, speaks_tls: bool) -> CheckReport {
    let check = AuditCheck::StartTlsInjection;
    if connector.chosen_security() == Security::Implicit {
        return CheckReport::skipped(check, "TLS is there from the start");
    }
    // Any certificate will do: it is not the server's name that is checked.
    let connector = connector.clone().security(Security::Opportunistic);
    let checked = inject(check, &connector, speaks_tls).await;
    checked.unwrap_or_else(|unmade| CheckReport::failed(check, unmade))
}

#[cfg(feature = "tls")]
async fn inject(
    check: AuditCheck,
    connector: &Connector,
    speaks_tls: bool,
) -> Result<CheckReport, Unmade> {
    let (mut aside, offered) = introduced(connector).await?;
    if !offered.has(StartTls::KEYWORD) {
        return Ok(CheckReport::skipped(check, "STARTTLS is not offered"));
    }
    let limit = connector.patience(Stage::StartTls);
    aside.write(b"STARTTLS\r\nNOOP\r\n", limit).await?;
    let reply = aside.reply(ReplyKind::Other, limit).await?;
    let finding = |words: &str, line: &[u8]| {
        CheckReport::found(AuditFinding {
            check,
            severity: AuditSeverity::Vulnerability,
            words: words.to_owned(),
            section: check.section(),
            line: line.into(),
        })
    };
    if reply.code().number() != 220 {
        return Ok(CheckReport::passed(check));
    }
    if aside.pending().first().is_some_and(u8::is_ascii_digit) {
        let words = "a command behind STARTTLS was answered in clear, in front of the handshake";
        return Ok(finding(words, aside.pending()));
    }
    match aside.start_tls(connector.patience(Stage::Handshake)).await {
        Ok(Ok(())) => {}
        // The command was taken for the beginning of TLS: it was not run.
        Ok(Err(_)) if speaks_tls => return Ok(CheckReport::passed(check)),
        Ok(Err(fault)) => return Ok(CheckReport::failed(check, fault)),
        Err(why) => return Ok(CheckReport::failed(check, why)),
    }
    let replies = farewell(&mut aside, connector.patience(Stage::Quit), Vec::new()).await;
    Ok(match replies.first() {
        Some(first) => {
            let words = "a command in clear behind STARTTLS was run when TLS was on";
            finding(words, &first_line(first))
        }
        None => CheckReport::passed(check),
    })
}

/// Without TLS there is nothing to get into.
#[cfg(not(feature = "tls"))]
pub(super) async fn injection(_: &Connector, _: bool) -> CheckReport {
    CheckReport::skipped(AuditCheck::StartTlsInjection, "TLS is not compiled in")
}

/// Why a check could not be made.
pub(super) enum Unmade {
    Error(Error),
    Io(io::Error),
    Refused(Reply),
    #[cfg(feature = "tls")]
    Words(String),
}

impl std::fmt::Display for Unmade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
                f.write_str("no reply came in time")
            }
            Self::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                f.write_str("the server closed the connection")
            }
            Self::Io(error) => error.fmt(f),
            Self::Refused(reply) => write!(f, "the server said {reply}"),
            #[cfg(feature = "tls")]
            Self::Words(words) => f.write_str(words),
        }
    }
}

impl From<Error> for Unmade {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<io::Error> for Unmade {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A connection on which EHLO was said, and what was offered.
pub(super) async fn introduced(connector: &Connector) -> Result<(Aside, Capabilities), Unmade> {
    let mut aside = connector.aside().await?;
    let greeting = aside.reply(ReplyKind::Greeting, connector.patience(Stage::Greeting)).await?;
    if greeting.code().number() != 220 {
        return Err(Unmade::Refused(greeting));
    }
    let offered = hello(connector, &mut aside).await?;
    Ok((aside, offered))
}

/// Says EHLO, and gives what is offered.
pub(super) async fn hello(
    connector: &Connector,
    aside: &mut Aside,
) -> Result<Capabilities, Unmade> {
    let limit = connector.patience(Stage::Ehlo);
    let hello = format!("{} {}\r\n", connector.hello_word(), aside.client_name());
    aside.write(hello.as_bytes(), limit).await?;
    let reply = aside.reply(ReplyKind::Hello, limit).await?;
    match reply.is_completed() {
        true => Ok(Capabilities::parse(reply.as_ref())),
        false => Err(Unmade::Refused(reply)),
    }
}

/// Says QUIT, and gives the replies, those that were heard before it too, up to the one to it, which
/// is left out: by its code, or as the last one before the server closes.
async fn farewell(aside: &mut Aside, limit: Duration, heard: Vec<Reply>) -> Vec<Reply> {
    let mut replies = heard;
    if aside.write(b"QUIT\r\n", limit).await.is_err() {
        return replies;
    }
    while replies.len() < MOST {
        match aside.reply(ReplyKind::Other, limit).await {
            Ok(reply) if reply.code().number() == 221 => return replies,
            Ok(reply) => replies.push(reply),
            Err(error) => {
                if error.kind() != io::ErrorKind::TimedOut {
                    replies.pop();
                }
                return replies;
            }
        }
    }
    replies
}

/// Whether a reply shows that a command was understood, be it refused.
fn is_taken(reply: &Reply) -> bool {
    reply.is_completed() || reply.code().number() == 530
}

/// Commands in one write: they fit into the smallest of segments.
const GROUP: usize = 8;
/// Replies that are read at most: more than any check can ask for.
const MOST: usize = 4 * GROUP;
/// How long a server may take to answer a command that it need not take for one. A slow one that
/// takes it is not found out.
const SILENCE: Duration = Duration::from_secs(2);
