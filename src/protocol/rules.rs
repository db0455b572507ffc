//! The order of the protocol: THE TABLE. From which phases a verb is lawful, where its reply
//! leads, what it waits for. Nothing about order is written anywhere else; facts that are not
//! order (what the server offers, whether TLS is on) are the session's.

use std::fmt;

use self::Goto::{Clear, Stay, To};
use self::Phase::{
    Auth, Chunks, Closed, Content, EndOfData, Envelope, Handshake, Hello, Ready, Recipients,
    Refused, Spoiled,
};
use super::Stage;
use crate::wire::{ReplyKind, Verb};

/// Where a session stands, as its replies have shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Connected; the server has not greeted yet.
    Greeting,
    /// Greeted with 220; no EHLO has been accepted.
    Hello,
    /// Greeted with anything but 220: only QUIT is left.
    Refused,
    /// Introduced; no transaction is open.
    Ready,
    /// MAIL was accepted, no recipient yet.
    Envelope,
    /// At least one recipient was accepted.
    Recipients,
    /// The server said go ahead: the content is being sent.
    Content,
    /// The end of the content has been sent; its reply is awaited.
    EndOfData,
    /// Some of the content has been accepted over BDAT.
    Chunks,
    /// The transaction failed in a way that leaves the server's state in doubt: RSET is due.
    Spoiled,
    /// Inside an AUTH dialogue: the server waits for a response.
    Auth,
    /// The server said go ahead to STARTTLS: the handshake is next.
    Handshake,
    /// Over: QUIT was answered, 421 came, a side broke the protocol, or the link closed.
    Closed,
}

impl Phase {
    const ALL: [Self; 13] = [
        Self::Greeting,
        Self::Hello,
        Self::Refused,
        Self::Ready,
        Self::Envelope,
        Self::Recipients,
        Self::Content,
        Self::EndOfData,
        Self::Chunks,
        Self::Spoiled,
        Self::Auth,
        Self::Handshake,
        Self::Closed,
    ];

    /// The order of the protocol as a Mermaid state diagram, printed from the table that the
    /// session obeys. `2yz` and `3yz` stand for a positive reply, `4yz/5yz` for a refusal; what
    /// leaves the phase as it is is not drawn.
    #[must_use]
    pub fn diagram() -> String {
        let mut lines = vec!["stateDiagram-v2".to_owned(), "    [*] --> Greeting".to_owned()];
        for from in Self::ALL {
            // Acts that lead from one phase to another by the same reply share an arrow.
            let mut arrows: Vec<(Self, &str, Vec<String>)> = Vec::new();
            for act in Act::ALL {
                let rule = rule(act);
                if !rule.from.contains(from) {
                    continue;
                }
                let (yes, no) = rule.expects.words();
                for (reply, goto) in [(yes, rule.success), (no, rule.refusal)] {
                    let to = goto.from(from);
                    if to == from || reply.is_empty() {
                        continue;
                    }
                    match arrows.iter_mut().find(|arrow| (arrow.0, arrow.1) == (to, reply)) {
                        Some(arrow) => arrow.2.push(act.to_string()),
                        None => arrows.push((to, reply, vec![act.to_string()])),
                    }
                }
            }
            for (to, reply, acts) in arrows {
                lines.push(format!("    {from:?} --> {to:?}: {} {reply}", acts.join(", ")));
            }
        }
        lines.push("    Ready --> Auth: AUTH 334".to_owned());
        lines.push("    Ready --> Recipients: MAIL TRANSID 355".to_owned());
        lines.push("    Handshake --> Hello: TLS".to_owned());
        lines.push("    Auth --> Hello: a security layer".to_owned());
        lines.push("    Content --> EndOfData: last octet written".to_owned());
        lines.push("    Closed --> [*]".to_owned());
        lines.join("\n") + "\n"
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "before the greeting",
            Self::Hello => "before EHLO",
            Self::Refused => "after a greeting that refused the session",
            Self::Ready => "outside a transaction",
            Self::Envelope => "after MAIL",
            Self::Recipients => "after RCPT",
            Self::Content => "inside the content",
            Self::EndOfData => "behind the end of the content",
            Self::Chunks => "between chunks",
            Self::Spoiled => "after a failed transaction that RSET has not ended",
            Self::Auth => "inside an AUTH dialogue",
            Self::Handshake => "before the TLS handshake",
            Self::Closed => "after the end of the session",
        })
    }
}

/// What a reply answers: a row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Connecting: the greeting answers it.
    Connect,
    Command(Verb),
    /// A response in an AUTH dialogue.
    Response,
    /// `*` in an AUTH dialogue.
    Cancel,
    /// The end of content sent with DATA.
    EndOfData,
    /// `BDAT n LAST`.
    LastChunk,
    /// `BURL uri LAST`.
    LastUri,
    /// MAIL with TRANSID: what the server has of the mail may go on (RFC 1845).
    Resumable,
}

impl Act {
    const ALL: [Self; 28] = [
        Self::Connect,
        Self::Command(Verb::Ehlo),
        Self::Command(Verb::Helo),
        Self::Command(Verb::Lhlo),
        Self::Command(Verb::StartTls),
        Self::Command(Verb::Auth),
        Self::Response,
        Self::Cancel,
        Self::Command(Verb::Mail),
        Self::Resumable,
        Self::Command(Verb::Rcpt),
        Self::Command(Verb::Data),
        Self::EndOfData,
        Self::Command(Verb::Bdat),
        Self::LastChunk,
        Self::Command(Verb::Burl),
        Self::LastUri,
        Self::Command(Verb::Rset),
        Self::Command(Verb::Vrfy),
        Self::Command(Verb::Expn),
        Self::Command(Verb::Help),
        Self::Command(Verb::Noop),
        Self::Command(Verb::Etrn),
        Self::Command(Verb::Atrn),
        Self::Command(Verb::Xclient),
        Self::Command(Verb::Xforward),
        Self::Command(Verb::Quit),
        Self::Command(Verb::Other),
    ];
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => f.write_str("greeting"),
            Self::Command(verb) => verb.fmt(f),
            Self::Response => f.write_str("response"),
            Self::Cancel => f.write_str("*"),
            Self::EndOfData => f.write_str("end of data"),
            Self::LastChunk => f.write_str("BDAT LAST"),
            Self::LastUri => f.write_str("BURL LAST"),
            Self::Resumable => f.write_str("MAIL TRANSID"),
        }
    }
}

/// A set of phases.
#[derive(Debug, Clone, Copy)]
pub(super) struct Phases(u16);

impl Phases {
    const fn of(phases: &[Phase]) -> Self {
        let mut set = 0;
        let mut i = 0;
        while i < phases.len() {
            set |= 1 << phases[i] as u16;
            i += 1;
        }
        Self(set)
    }

    pub(super) const fn contains(self, phase: Phase) -> bool {
        self.0 & (1 << phase as u16) != 0
    }
}

/// Which replies carry an act forward. A 4yz or 5yz refuses it; what is neither breaks the
/// protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expects {
    /// 220 alone opens a session; any other reply refuses it (RFC 7504).
    Greeting,
    /// 220 alone: what follows is another protocol (RFC 3207 §4).
    Tls,
    /// Any 2yz.
    Completed,
    /// Any 2yz; 355 goes on with a mail that broke off (RFC 1845).
    Resumable,
    /// Any 3yz. A 2yz would mean that the content is run as commands.
    GoAhead,
    /// 334 asks for a response, any 2yz ends the dialogue.
    Challenge,
    /// No reply: what is given up can only be refused.
    Refusal,
    /// Whatever it says, the session is over.
    Anything,
}

impl Expects {
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Greeting => ("220", "other"),
            Self::Tls => ("220", "4yz/5yz"),
            Self::GoAhead => ("3yz", "4yz/5yz"),
            Self::Completed | Self::Challenge | Self::Resumable => ("2yz", "4yz/5yz"),
            Self::Refusal => ("", "4yz/5yz"),
            Self::Anything => ("any", ""),
        }
    }
}

/// Where a reply leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goto {
    Stay,
    To(Phase),
    /// Out of any transaction: `Hello` where no EHLO was accepted, else `Ready`.
    Clear,
}

impl Goto {
    pub(super) const fn from(self, phase: Phase) -> Phase {
        match self {
            Self::To(phase) => phase,
            Self::Stay => phase,
            Self::Clear if matches!(phase, Hello) => Hello,
            Self::Clear => Ready,
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// The phases in which the act is lawful.
    pub(super) from: Phases,
    /// The replies that carry it forward.
    pub(super) expects: Expects,
    /// Where such a reply leads.
    pub(super) success: Goto,
    /// Where a refusal leads.
    pub(super) refusal: Goto,
    /// Where it is taken to lead while it is not answered.
    pub(super) foreseen: Goto,
    /// Whether it ends a pipelined group: nothing may follow before its reply (RFC 2920 §3.1).
    pub(super) last: bool,
    /// Whose deadline runs, and what errors name.
    pub(super) stage: Stage,
    /// How the reply is read.
    pub(super) kind: ReplyKind,
    /// The EHLO keyword that must be offered.
    pub(super) keyword: Option<&'static str>,
    /// When it is lawful, in words.
    pub(super) when: &'static str,
}

/// Where what is not answered is taken to lead: where success leads, unless a refusal would leave a
/// transaction open in which what is sent next goes wrong. Behind the last chunk a server may refuse
/// the next MAIL and take its recipients into the failed transaction, so that RSET goes first
/// (RFC 3030 §2).
const fn foreseen(success: Goto, refusal: Goto) -> Goto {
    match (success, refusal) {
        (To(Ready), To(Spoiled)) => refusal,
        (success, _) => success,
    }
}

/// What kind of reply is due at a stage: it decides how the reply is read, never what it means.
const fn kind_of(stage: Stage) -> ReplyKind {
    match stage {
        Stage::Greeting => ReplyKind::Greeting,
        Stage::Ehlo => ReplyKind::Hello,
        Stage::Auth => ReplyKind::Auth,
        _ => ReplyKind::Other,
    }
}

const GREETED: Phases = Phases::of(&[Hello, Ready, Envelope, Recipients, Chunks, Spoiled]);
const CALM: Phases = Phases::of(&[Hello, Ready, Envelope, Recipients]);
const LEAVABLE: Phases =
    Phases::of(&[Hello, Refused, Ready, Envelope, Recipients, Chunks, Spoiled]);

const LAST: bool = true;
const MORE: bool = false;

/// A row, laid out in this order.
macro_rules! row {
    ($from:expr, $expects:expr, $success:expr, $refusal:expr, $last:expr, $stage:expr,
     $keyword:expr, $when:expr) => {
        const {
            &Rule {
                from: $from,
                expects: $expects,
                success: $success,
                refusal: $refusal,
                foreseen: foreseen($success, $refusal),
                last: $last,
                stage: $stage,
                kind: kind_of($stage),
                keyword: $keyword,
                when: $when,
            }
        }
    };
}

/// THE TABLE (RFC 5321 §4.1.4, RFC 2920 §3.1, RFC 2033 §4, RFC 3030 §2, RFC 3207 §4, RFC 4954 §4,
/// RFC 4468, RFC 1845, RFC 1985, RFC 2645; XCLIENT and XFORWARD as Postfix has them).
#[rustfmt::skip]
#[inline]
pub(super) const fn rule(act: Act) -> &'static Rule {
    use Stage as S;
    use Verb as V;
    match act {
        Act::Connect              => row!(Phases::of(&[Phase::Greeting]),    Expects::Greeting,  To(Hello),     To(Refused), LAST, S::Greeting,  None,             "first"),
        Act::Command(V::Ehlo | V::Helo | V::Lhlo)
                                  => row!(GREETED,                           Expects::Completed, To(Ready),     Stay,        LAST, S::Ehlo,      None,             "after the greeting"),
        Act::Command(V::StartTls) => row!(Phases::of(&[Ready]),              Expects::Tls,       To(Handshake), Stay,        LAST, S::StartTls,  Some("STARTTLS"), "after EHLO and outside a transaction"),
        Act::Command(V::Auth)     => row!(Phases::of(&[Ready]),              Expects::Challenge, Stay,          Stay,        LAST, S::Auth,      Some("AUTH"),     "after EHLO and outside a transaction"),
        Act::Response             => row!(Phases::of(&[Auth]),               Expects::Challenge, To(Ready),     To(Ready),   LAST, S::Auth,      None,             "after a 334"),
        Act::Cancel               => row!(Phases::of(&[Auth]),               Expects::Refusal,   To(Ready),     To(Ready),   LAST, S::Auth,      None,             "after a 334"),
        Act::Command(V::Mail)     => row!(Phases::of(&[Ready]),              Expects::Completed, To(Envelope),  Stay,        MORE, S::Mail,      None,             "after EHLO and outside a transaction"),
        Act::Resumable            => row!(Phases::of(&[Ready]),              Expects::Resumable, To(Envelope),  Stay,        LAST, S::Mail,      None,             "after EHLO and outside a transaction"),
        Act::Command(V::Rcpt)     => row!(Phases::of(&[Envelope, Recipients]), Expects::Completed, To(Recipients), Stay,     MORE, S::Rcpt,      None,             "after MAIL and before the content"),
        Act::Command(V::Data)     => row!(Phases::of(&[Recipients]),         Expects::GoAhead,   To(Content),   To(Spoiled), LAST, S::Data,      None,             "after RCPT"),
        Act::EndOfData            => row!(Phases::of(&[EndOfData]),          Expects::Completed, To(Ready),     To(Ready),   MORE, S::EndOfData, None,             "after the content"),
        Act::Command(V::Bdat)     => row!(Phases::of(&[Recipients, Chunks]), Expects::Completed, To(Chunks),    To(Spoiled), MORE, S::Content,   Some("CHUNKING"), "after RCPT"),
        Act::LastChunk            => row!(Phases::of(&[Recipients, Chunks]), Expects::Completed, To(Ready),     To(Spoiled), MORE, S::EndOfData, Some("CHUNKING"), "after RCPT"),
        Act::Command(V::Burl)     => row!(Phases::of(&[Recipients, Chunks]), Expects::Completed, To(Chunks),    To(Spoiled), LAST, S::Content,   Some("BURL"),     "after RCPT"),
        Act::LastUri              => row!(Phases::of(&[Recipients, Chunks]), Expects::Completed, To(Ready),     To(Spoiled), LAST, S::EndOfData, Some("BURL"),     "after RCPT"),
        Act::Command(V::Rset)     => row!(GREETED,                           Expects::Completed, Clear,         To(Closed),  MORE, S::Rset,      None,             "after the greeting and outside the content"),
        Act::Command(V::Vrfy | V::Expn | V::Help | V::Noop | V::Other)
                                  => row!(CALM,                              Expects::Completed, Stay,          Stay,        LAST, S::Query,     None,             "after the greeting and outside the content"),
        Act::Command(V::Etrn)     => row!(Phases::of(&[Ready]),              Expects::Completed, Stay,          Stay,        LAST, S::Query,     Some("ETRN"),     "after EHLO and outside a transaction"),
        Act::Command(V::Atrn)     => row!(Phases::of(&[Ready]),              Expects::Completed, To(Closed),    Stay,        LAST, S::Query,     Some("ATRN"),     "after EHLO and outside a transaction"),
        Act::Command(V::Xclient)  => row!(Phases::of(&[Ready]),              Expects::Completed, To(Hello),     Stay,        LAST, S::Query,     Some("XCLIENT"),  "after EHLO and outside a transaction"),
        Act::Command(V::Xforward) => row!(Phases::of(&[Ready]),              Expects::Completed, Stay,          Stay,        LAST, S::Query,     Some("XFORWARD"), "after EHLO and outside a transaction"),
        Act::Command(V::Quit)     => row!(LEAVABLE,                          Expects::Anything,  To(Closed),    To(Closed),  LAST, S::Quit,      None,             "after the greeting and outside the content"),
    }
}
