//! What a server takes for the end of a mail. Where that is more than a dot on a line between two
//! CRLF, whoever may write the content of a mail can write another mail behind it, in the name of
//! the server that passes it on: SMTP smuggling.
//!
//! It cannot be seen without a mail, so that one is sent only to a mailbox that the caller has
//! named. Nothing waits for a silence here: behind each sequence stand RSETs, which are content
//! to a server that goes by the rules, and are answered by one that does not.

use std::fmt::Write as _;

#[cfg(feature = "tls")]
use super::aside::hello;
use super::aside::{Unmade, introduced};
use super::report::{AuditCheck, AuditFinding, AuditSeverity, CheckOutcome, CheckReport};
use super::run::first_line;
#[cfg(feature = "tls")]
use crate::extension::{Extension as _, StartTls};
#[cfg(feature = "tls")]
use crate::net::Security;
use crate::net::{Aside, Connector};
use crate::protocol::Stage;
use crate::wire::{Code, Mailbox, Reply, ReplyKind};

/// All sequences in one mail; and where something is answered that should be content, each in a
/// mail of its own, to find out which it was.
pub(super) async fn of_data(connector: &Connector, to: &Mailbox) -> CheckReport {
    let check = AuditCheck::EndOfData;
    match smuggle(connector, to, SEQUENCES).await {
        Ok(None) => return CheckReport::passed(check),
        Ok(Some(_)) => {}
        Err(unmade) => return CheckReport::failed(check, unmade),
    }
    let mut findings = Vec::new();
    for sequence in SEQUENCES {
        match smuggle(connector, to, &[sequence]).await {
            Ok(None) => {}
            Ok(Some(line)) => findings.push(AuditFinding {
                check,
                severity: AuditSeverity::Vulnerability,
                words: format!("a mail was taken to end at {}", named(sequence)),
                section: check.section(),
                line,
            }),
            // What was found is told all the same.
            Err(_) if !findings.is_empty() => break,
            Err(unmade) => return CheckReport::failed(check, unmade),
        }
    }
    match findings.is_empty() {
        true => CheckReport::failed(check, "a mail ended too early once, and not again"),
        false => {
            CheckReport { outcome: CheckOutcome::Found, findings, ..CheckReport::passed(check) }
        }
    }
}

/// Sends a mail with these in it, on a connection of its own. Gives the first line that was said to
/// what stands behind one of them.
async fn smuggle(
    connector: &Connector,
    to: &Mailbox,
    sequences: &[&[u8]],
) -> Result<Option<Box<[u8]>>, Unmade> {
    let mut aside = ready(connector).await?;
    for (stage, line) in [
        (Stage::Mail, "MAIL FROM:<>\r\n".to_owned()),
        (Stage::Rcpt, format!("RCPT TO:<{to}>\r\n")),
        (Stage::Data, "DATA\r\n".to_owned()),
    ] {
        let limit = connector.patience(stage);
        aside.write(line.as_bytes(), limit).await?;
        let reply = aside.reply(ReplyKind::Other, limit).await?;
        if reply.is_negative() {
            return Err(Unmade::Refused(reply));
        }
    }
    let limit = connector.patience(Stage::EndOfData);
    aside.write(&mail(to, sequences), limit).await?;
    // That it is refused says nothing of where it ended.
    aside.reply(ReplyKind::Other, limit).await?;
    surplus(&mut aside, connector).await
}

/// The first line of what is said that answers no command.
async fn surplus(aside: &mut Aside, connector: &Connector) -> Result<Option<Box<[u8]>>, Unmade> {
    let limit = connector.patience(Stage::Rset);
    let mut replies: Vec<Reply> = Vec::new();
    for command in [&b"RSET\r\n"[..], b"QUIT\r\n"] {
        // Who refuses a mail may close; who has answered more than was asked, too.
        if aside.write(command, limit).await.is_err() {
            break;
        }
        match aside.reply(ReplyKind::Other, limit).await {
            Ok(reply) => replies.push(reply),
            Err(_) => break,
        }
    }
    // The one to QUIT is a 221, or the last there is.
    while replies.len() < MOST && replies.last().is_some_and(|reply| !is_farewell(reply)) {
        match aside.reply(ReplyKind::Other, limit).await {
            Ok(reply) => replies.push(reply),
            Err(_) => break,
        }
    }
    let Some(first) = replies.first() else { return Ok(None) };
    if first.code() == Code::SHUTTING_DOWN {
        return Err(Unmade::Refused(first.clone()));
    }
    let said = replies.iter().filter(|reply| !is_farewell(reply)).count();
    // RSET is refused by none but those who find that it came too early. A reply to QUIT may be any.
    let is_early = said >= HIDDEN || first.is_negative();
    Ok(is_early.then(|| first_line(first)))
}

fn is_farewell(reply: &Reply) -> bool {
    matches!(reply.code().number(), 221 | 421)
}

/// A connection on which a mail can begin: with TLS, where that was asked for.
async fn ready(connector: &Connector) -> Result<Aside, Unmade> {
    let (aside, offered) = introduced(connector).await?;
    #[cfg(feature = "tls")]
    if connector.chosen_security() != Security::Implicit && offered.has(StartTls::KEYWORD) {
        return secured(connector, aside).await;
    }
    #[cfg(not(feature = "tls"))]
    let _ = offered;
    Ok(aside)
}

#[cfg(feature = "tls")]
async fn secured(connector: &Connector, mut aside: Aside) -> Result<Aside, Unmade> {
    if connector.chosen_security() == Security::None {
        return Ok(aside);
    }
    let limit = connector.patience(Stage::StartTls);
    aside.write(b"STARTTLS\r\n", limit).await?;
    let reply = aside.reply(ReplyKind::Other, limit).await?;
    if reply.code().number() != 220 {
        return Err(Unmade::Refused(reply));
    }
    let made = aside.start_tls(connector.patience(Stage::Handshake)).await;
    made.map_err(Unmade::Words)?.map_err(|fault| Unmade::Words(fault.to_string()))?;
    hello(connector, &mut aside).await?;
    Ok(aside)
}

/// Content with these in it, stuffed where a dot is meant to be one, and its end.
fn mail(to: &Mailbox, sequences: &[&[u8]]) -> Vec<u8> {
    let mut mail = format!(
        "From: <{to}>\r\nTo: <{to}>\r\nSubject: where this mail ends\r\n\r\n\
         An audit of this server has sent this mail, to see what ends one.\r\n"
    )
    .into_bytes();
    for sequence in sequences {
        mail.extend(b"It goes on.");
        mail.extend(*sequence);
        // More than one: Postfix ends the session at the next line that is no command.
        mail.extend(b"RSET\r\n".repeat(HIDDEN));
    }
    mail.extend(b".\r\n");
    mail
}

/// `<LF>.<CR><LF>`.
fn named(sequence: &[u8]) -> String {
    let mut words = String::new();
    for octet in sequence {
        // Writing to a string does not fail.
        let _ = match octet {
            b'\r' => words.write_str("<CR>"),
            b'\n' => words.write_str("<LF>"),
            0 => words.write_str("<NUL>"),
            octet => words.write_char((*octet).into()),
        };
    }
    words
}

/// All that servers have been seen to take for `<CR><LF>.<CR><LF>` (T1).
const SEQUENCES: &[&[u8]] = &[
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\n.\r",
    b"\r.\n",
    b"\r.\r",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\r\n.\r\r\n",
    b"\r\r\n.\r\r\n",
    b"\r\n\0.\r\n",
];

/// How many commands stand behind each sequence: more than the two that are said when all is well.
const HIDDEN: usize = 3;

/// Replies that are read at most: more than a mail with every sequence can have.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// By the rules all of it is one mail.
    #[test]
    fn t1_the_mail_has_one_end() {
        let mail = mail(&"bob@example.org".parse().unwrap(), SEQUENCES);
        let end = b"\r\n.\r\n";
        let ends: Vec<_> = memchr::memmem::find_iter(&mail, end).collect();
        assert_eq!(ends, [mail.len() - end.len()]);
        for sequence in SEQUENCES {
            assert!(memchr::memmem::find(&mail, sequence).is_some(), "{}", named(sequence));
            assert_ne!(sequence, end);
        }
    }

    #[test]
    fn sequences_have_names() {
        assert_eq!(named(b"\r\n\0.\n"), "<CR><LF><NUL>.<LF>");
    }
}
