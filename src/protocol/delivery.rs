//! What became of a mail, for each recipient, and the replies that say so. How a mail is sent is
//! not here (`dispatch`).

use std::sync::Arc;
use std::{fmt, mem, ptr};

use super::one_or_many::OneOrMany;
use super::{Envelope, Stage, Ticket};
use crate::wire::{ForwardPath, Reply, ReplyRef, Retry, Severity};

/// What became of a mail.
///
/// A recipient's outcome stands on its own: one may be refused while others have the mail.
/// Nothing is ever sent again by the crate.
///
/// ```
/// use ehlo::{Delivery, Envelope, Outcome, Retry};
///
/// let envelope = Envelope::new("alice@example.org", ["bob@example.net"])?;
/// let delivery = Delivery::not_sent(&envelope); // from a client: `Client::send` and its like
/// for recipient in delivery.recipients() {
///     match recipient.outcome() {
///         Outcome::Accepted(_) => {}
///         outcome if outcome.retry() == Retry::Later => println!("again: {}", recipient.mailbox()),
///         outcome => println!("report to the sender: {outcome}"),
///     }
/// }
/// # assert!(delivery.recipients().all(|recipient| recipient.outcome() == Outcome::NotSent));
/// # Ok::<(), ehlo::InvalidEnvelope>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "recipients may have been refused, which is no error"]
pub struct Delivery {
    /// In a box: a delivery is handed on more than once until the caller has it.
    pub(super) replies: Box<Replies>,
    /// Who was to have it, as a rule those of the envelope itself.
    paths: Arc<Vec<ForwardPath>>,
    /// What is known of each, in the same order.
    pub(super) recipients: OneOrMany<Addressee>,
    /// The last octet of the terminator was handed to the stream.
    pub(super) written: bool,
    pub(super) long_lines: u64,
    /// What the reply to the end refuses is a part of the content, and not its end.
    pub(super) is_cut: bool,
}

/// What was said: the replies that nearly every mail has need no vector.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Replies {
    pub(super) mail: Option<Reply>,
    pub(super) data: Option<Reply>,
    pub(super) end: Option<Reply>,
    /// What was said last of a single recipient. Most are answered alike: what is said again at
    /// once is here once.
    last: Option<Reply>,
    /// What was said of them before.
    before: Vec<Reply>,
}

/// Which of the replies to single recipients it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Said(usize);

/// What is known of a recipient: the replies that are its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Addressee {
    pub(super) rcpt: Rcpt,
    /// LMTP answers the content for each recipient.
    pub(super) end: Option<Said>,
}

/// How far a recipient's RCPT has come.
#[derive(Debug, Clone, Copy, Eq)]
pub(super) enum Rcpt {
    NotSent,
    Sent(Ticket),
    Accepted(Said),
    Refused {
        said: Said,
        /// Recipients were accepted before this one.
        follows_accepted: bool,
    },
}

/// Which ticket was drawn for it says nothing of what became of the mail.
impl PartialEq for Rcpt {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::NotSent, Self::NotSent) | (Self::Sent(_), Self::Sent(_)) => true,
            (Self::Accepted(one), Self::Accepted(other)) => one == other,
            (
                Self::Refused { said: one, follows_accepted: one_follows },
                Self::Refused { said: other, follows_accepted: other_follows },
            ) => (one, one_follows) == (other, other_follows),
            _ => false,
        }
    }
}

impl Addressee {
    /// Nothing yet.
    const NEW: Self = Self { rcpt: Rcpt::NotSent, end: None };

    /// The reply to its RCPT.
    #[inline]
    pub(super) const fn answer(&self) -> Option<Said> {
        match self.rcpt {
            Rcpt::Accepted(said) | Rcpt::Refused { said, .. } => Some(said),
            Rcpt::NotSent | Rcpt::Sent(_) => None,
        }
    }
}

impl Delivery {
    /// The delivery of a mail of which nothing was sent, such as one whose server could not be
    /// reached: every recipient is *not sent*.
    pub fn not_sent(envelope: &Envelope) -> Self {
        Self::to(envelope.shared_recipients())
    }

    /// That of a mail to these of which nothing was sent yet.
    pub(super) fn to(paths: Arc<Vec<ForwardPath>>) -> Self {
        Self {
            replies: Box::default(),
            recipients: OneOrMany::of(Addressee::NEW, paths.len()),
            paths,
            written: false,
            long_lines: 0,
            is_cut: false,
        }
    }

    /// Whether this is who is expected in this place.
    #[inline]
    pub(super) fn is_next(&self, recipient: &ForwardPath, place: usize) -> bool {
        self.paths.get(place).is_some_and(|path| ptr::eq(path, recipient) || path == recipient)
    }

    /// A recipient takes this place, and those from there on one behind it: another of those that
    /// are expected there, or one besides.
    #[cold]
    pub(super) fn move_up(&mut self, recipient: &ForwardPath, place: usize) {
        let paths = Arc::make_mut(&mut self.paths);
        let ahead = paths.iter().skip(place).position(|path| path == recipient);
        let mut recipients = mem::take(&mut self.recipients).into_vec();
        let (path, known) = match ahead {
            Some(ahead) => (paths.remove(place + ahead), recipients.remove(place + ahead)),
            None => (recipient.clone(), Addressee::NEW),
        };
        paths.insert(place, path);
        recipients.insert(place, known);
        self.recipients = recipients.into();
    }

    /// Over LMTP: the accepted recipient whose reply to the content comes next, where the first so
    /// many need none.
    pub(super) fn next_accepted(&self, ended: usize) -> Option<usize> {
        let mut rest = self.recipients.iter().skip(ended);
        let is_accepted = |one: &Addressee| matches!(one.rcpt, Rcpt::Accepted(_));
        rest.position(is_accepted).map(|n| ended + n)
    }

    /// Every recipient with its outcome, in the order of the envelope.
    pub fn recipients(&self) -> impl ExactSizeIterator<Item = Recipient<'_>> {
        let of_all = self.of_all();
        let recipient =
            move |(path, addressee)| Recipient { delivery: self, path, addressee, of_all };
        self.paths.iter().zip(self.recipients.iter()).map(recipient)
    }

    /// The recipient at this place of the envelope.
    #[must_use]
    pub fn recipient(&self, n: usize) -> Option<Recipient<'_>> {
        let (path, addressee) = (self.paths.get(n)?, self.recipients.get(n)?);
        Some(Recipient { delivery: self, path, addressee, of_all: self.of_all() })
    }

    /// What became of it for whoever was asked for and has no reply of his own that says otherwise.
    fn of_all(&self) -> Outcome<'_> {
        if let Some(reply) = refusal(self.mail()) {
            return Outcome::refused(reply, Stage::Mail);
        }
        if let Some(reply) = refusal(self.data()) {
            return Outcome::refused(reply, Stage::Data);
        }
        self.at_end(self.end())
    }

    /// What a reply to the end of the content says; or that none came.
    fn at_end<'a>(&self, end: Option<&'a Reply>) -> Outcome<'a> {
        match end {
            Some(reply) if reply.is_negative() => {
                let is_whole = self.written && !self.is_cut;
                let stage = if is_whole { Stage::EndOfData } else { Stage::Content };
                Outcome::refused(reply, stage)
            }
            Some(reply) if reply.severity() == Severity::Completed => Outcome::Accepted(reply),
            _ if self.written => Outcome::Unknown,
            _ => Outcome::NotSent,
        }
    }

    /// How many recipients have the mail.
    #[must_use]
    pub fn accepted_count(&self) -> usize {
        self.recipients().filter(|recipient| recipient.outcome().is_accepted()).count()
    }

    /// Whether every recipient has the mail.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.recipients().all(|recipient| recipient.outcome().is_accepted())
    }

    /// Whether the server has decided for every recipient.
    pub(crate) fn is_decided(&self) -> bool {
        self.recipients().all(|recipient| recipient.outcome().is_decided())
    }

    /// The reply to MAIL, where one came.
    #[must_use]
    pub fn mail(&self) -> Option<&Reply> {
        self.replies.mail.as_ref()
    }

    /// The reply to DATA, where one came.
    #[must_use]
    pub fn data(&self) -> Option<&Reply> {
        self.replies.data.as_ref()
    }

    /// The reply to the end of the content. Over LMTP each recipient has one of its own.
    #[must_use]
    pub fn end(&self) -> Option<&Reply> {
        self.replies.end.as_ref()
    }

    /// How many lines of the content have more than 998 octets, which a server need not take and
    /// may have cut (RFC 5321 §4.5.3.1.6); 0 where the content was read from a source or written
    /// stage by stage.
    #[must_use]
    pub const fn long_lines(&self) -> u64 {
        self.long_lines
    }
}

impl Replies {
    /// Keeps what was said. All are replies to commands of a mail, so that the same octets mean the
    /// same.
    #[inline]
    pub(super) fn keep(&mut self, reply: ReplyRef<'_>) -> Said {
        match &self.last {
            Some(last) if last.octets() == reply.octets() => {}
            _ => self.keep_another(reply),
        }
        Said(self.before.len())
    }

    /// Apart: what is said again is nearly all that is said, and costs a comparison.
    #[inline(never)]
    fn keep_another(&mut self, reply: ReplyRef<'_>) {
        self.before.extend(self.last.replace(reply.to_reply()));
    }

    fn get(&self, said: Said) -> Option<&Reply> {
        self.before.get(said.0).or(self.last.as_ref())
    }
}

#[inline]
fn refusal(reply: Option<&Reply>) -> Option<&Reply> {
    reply.filter(|reply| reply.is_negative())
}

/// A recipient of a [`Delivery`].
#[derive(Debug, Clone, Copy)]
pub struct Recipient<'a> {
    delivery: &'a Delivery,
    path: &'a ForwardPath,
    addressee: &'a Addressee,
    /// What the replies that are for all have made of it: found once, however many they are.
    of_all: Outcome<'a>,
}

impl<'a> Recipient<'a> {
    /// Who was to have the mail.
    #[must_use]
    pub const fn mailbox(&self) -> &'a ForwardPath {
        self.path
    }

    /// The reply to this recipient's RCPT, where one came.
    #[must_use]
    pub fn rcpt(&self) -> Option<&'a Reply> {
        self.delivery.replies.get(self.addressee.answer()?)
    }

    /// What became of the mail for this recipient.
    #[must_use]
    #[inline]
    pub fn outcome(&self) -> Outcome<'a> {
        let Self { delivery, addressee, of_all, .. } = *self;
        if of_all.is_refused_at(Stage::Mail) {
            return of_all;
        }
        // The mail was sent to others; unless it went out before its recipients were answered. Of
        // whoever was never asked for, the server has refused no more than the sender.
        if addressee.rcpt == Rcpt::NotSent {
            return Outcome::NotSent;
        }
        if let Rcpt::Refused { said, follows_accepted } = addressee.rcpt
            && let Some(reply) = delivery.replies.get(said)
        {
            let later = follows_accepted && means_too_many_recipients(reply);
            return Outcome::Refused(Refusal { reply, stage: Stage::Rcpt, later });
        }
        match addressee.end {
            Some(said) if !of_all.is_refused_at(Stage::Data) => {
                delivery.at_end(delivery.replies.get(said))
            }
            _ => of_all,
        }
    }
}

/// RFC 5321 §4.5.3.1.10: old servers say 552 where 452 is meant. One that names another reason,
/// such as the size or a quota, means what it says.
fn means_too_many_recipients(reply: &Reply) -> bool {
    let named = reply.enhanced().map(|enhanced| (enhanced.subject(), enhanced.detail()));
    reply.code().number() == 552 && matches!(named, None | Some((5, 3)))
}

/// What became of a mail for one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome<'a> {
    /// The server has the mail and answers for it. The reply is the final one.
    Accepted(&'a Reply),
    /// The server refused.
    Refused(Refusal<'a>),
    /// The mail was not sent: the last octet was never handed to the stream. Safe to send again.
    NotSent,
    /// The mail was sent and no answer came. The server may have it: sending it again may
    /// deliver it twice (RFC 1047).
    Unknown,
}

/// A reply that refused a recipient, and what it answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal<'a> {
    reply: &'a Reply,
    stage: Stage,
    later: bool,
}

impl<'a> Refusal<'a> {
    /// The reply that refused.
    #[must_use]
    pub const fn reply(&self) -> &'a Reply {
        self.reply
    }

    /// What the reply answered.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.stage
    }
}

impl<'a> Outcome<'a> {
    const fn refused(reply: &'a Reply, stage: Stage) -> Self {
        Self::Refused(Refusal { reply, stage, later: false })
    }

    fn is_refused_at(&self, stage: Stage) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.stage == stage)
    }

    /// Whether the server has decided.
    pub(crate) const fn is_decided(&self) -> bool {
        matches!(self, Self::Accepted(_) | Self::Refused(_))
    }

    /// The reply that decided, where one did.
    #[must_use]
    pub const fn reply(&self) -> Option<&'a Reply> {
        match self {
            Self::Accepted(reply) => Some(reply),
            Self::Refused(refusal) => Some(refusal.reply),
            Self::NotSent | Self::Unknown => None,
        }
    }

    /// Whether the recipient has the mail.
    #[must_use]
    pub const fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted(_))
    }

    /// Whether, and when, sending again may help.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Accepted(_) => Retry::Never,
            Self::Refused(refusal) if refusal.later => Retry::Later,
            Self::Refused(refusal) => refusal.reply.retry(),
            Self::NotSent => Retry::Later,
            Self::Unknown => Retry::Unknown,
        }
    }
}

impl fmt::Display for Outcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(reply) => write!(f, "accepted: {reply}"),
            Self::Refused(Refusal { reply, stage, .. }) => {
                write!(f, "refused: {reply} (in reply to {stage})")
            }
            Self::NotSent => f.write_str("not sent"),
            Self::Unknown => f.write_str("unknown: no answer came after the mail was sent"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Delivery {
        fn say(&mut self, text: &str) -> Option<Said> {
            Some(self.replies.keep(text.parse::<Reply>().unwrap().as_ref()))
        }

        fn name(&mut self, rcpt: &str, follows_accepted: bool) {
            let said = self.say(rcpt).unwrap();
            let rcpt = match self.replies.get(said).unwrap().is_negative() {
                true => Rcpt::Refused { said, follows_accepted },
                false => Rcpt::Accepted(said),
            };
            self.paths = Arc::new(vec!["bob@example.org".parse().unwrap()]);
            self.recipients = OneOrMany::of(Addressee { rcpt, ..Addressee::NEW }, 1);
        }
    }

    fn said(text: &str) -> Option<Reply> {
        Some(text.parse().unwrap())
    }

    fn delivery() -> Delivery {
        let mut mail = Delivery::to(Arc::default());
        mail.replies.mail = said("250 ok");
        mail.name("250 ok", false);
        mail.replies.data = said("354 go");
        mail.replies.end = said("250 2.0.0 queued");
        mail.written = true;
        mail
    }

    #[track_caller]
    fn assert_outcome(delivery: &Delivery, shown: &str, retry: Retry) {
        let outcome = delivery.recipients().next().unwrap().outcome();
        assert_eq!(outcome.to_string(), shown);
        assert_eq!(outcome.retry(), retry);
        let said = outcome.reply().map(ToString::to_string);
        assert!(said.is_none_or(|said| shown.contains(&said)), "{shown}");
        let is_open = matches!(outcome, Outcome::NotSent | Outcome::Unknown);
        assert_eq!(outcome.reply().is_none(), is_open);
    }

    #[test]
    fn the_first_refusal_decides() {
        let mut mail = delivery();
        assert_outcome(&mail, "accepted: 250 2.0.0 queued", Retry::Never);
        assert!(mail.is_complete() && mail.recipient(0).unwrap().outcome().is_accepted());
        mail.replies.end = said("452 4.3.1 full");
        assert!(!mail.is_complete() && !mail.recipient(0).unwrap().outcome().is_accepted());
        assert_outcome(&mail, "refused: 452 4.3.1 full (in reply to end of data)", Retry::Later);
        mail.replies.data = said("554 no");
        assert_outcome(&mail, "refused: 554 no (in reply to DATA)", Retry::Never);
        mail.name("550 5.1.1 who?", false);
        assert_outcome(&mail, "refused: 550 5.1.1 who? (in reply to RCPT TO)", Retry::Never);
        mail.replies.mail = said("451 later");
        assert_outcome(&mail, "refused: 451 later (in reply to MAIL FROM)", Retry::Later);
        assert_eq!(mail.accepted_count(), 0);
        assert!(mail.recipient(1).is_none());
    }

    #[test]
    fn nothing_but_a_2yz_says_that_the_mail_is_taken() {
        let mut mail = delivery();
        mail.replies.end = said("354 go on");
        assert_outcome(&mail, "unknown: no answer came after the mail was sent", Retry::Unknown);
    }

    #[test]
    fn c_105_t18_without_an_answer_it_matters_whether_all_was_written() {
        let mut mail = delivery();
        mail.replies.end = None;
        assert_outcome(&mail, "unknown: no answer came after the mail was sent", Retry::Unknown);
        mail.written = false;
        assert_outcome(&mail, "not sent", Retry::Later);
    }

    #[test]
    fn t18_whoever_was_named_and_not_answered_may_have_the_mail() {
        let mut mail = delivery();
        mail.replies.end = None;
        mail.recipients.get_mut(0).unwrap().rcpt = Rcpt::Sent(Ticket::GREETING);
        assert_outcome(&mail, "unknown: no answer came after the mail was sent", Retry::Unknown);
        mail.recipients.get_mut(0).unwrap().rcpt = Rcpt::NotSent;
        assert_outcome(&mail, "not sent", Retry::Later);
    }

    #[test]
    fn a_refusal_before_the_end_is_one_of_the_content() {
        let mut mail = delivery();
        mail.written = false;
        mail.replies.end = said("552 5.3.4 too big");
        let words = "refused: 552 5.3.4 too big (in reply to content)";
        assert_outcome(&mail, words, Retry::Never);
        // The last chunk was on its way when one before it was refused.
        (mail.written, mail.is_cut) = (true, true);
        assert_outcome(&mail, words, Retry::Never);
    }

    #[test]
    fn c_099_dialect_62_552_behind_accepted_recipients_may_mean_452() {
        let later = |text: &str, follows_accepted| {
            let mut mail = delivery();
            mail.name(text, follows_accepted);
            mail.recipients().next().unwrap().outcome().retry()
        };
        assert_eq!(later("552 too many", true), Retry::Later);
        assert_eq!(later("552 5.5.3 too many", true), Retry::Later);
        assert_eq!(later("552 5.2.2 full", true), Retry::Never);
        assert_eq!(later("552 too many", false), Retry::Never);
        assert_eq!(later("550 5.5.3 too many", true), Retry::Never);
        assert_eq!(later("450 4.7.1 greylisted, try again in 300 seconds", false), Retry::Later);
        assert_eq!(later("452 4.5.3 too many recipients", true), Retry::Later);
    }

    #[test]
    fn c_118_over_lmtp_each_recipient_has_its_own_answer() {
        let mut mail = delivery();
        mail.replies.end = None;
        mail.recipients.get_mut(0).unwrap().end = mail.say("250 2.1.5 stored");
        assert_outcome(&mail, "accepted: 250 2.1.5 stored", Retry::Never);
    }

    #[test]
    fn who_is_named_out_of_turn_is_so_in_the_delivery_alone() {
        let envelope = Envelope::new("", ["b@x", "c@x", "d@x"]).unwrap();
        let mut mail = Delivery::not_sent(&envelope);
        let [b, c, d] = envelope.recipients() else { unreachable!() };
        mail.move_up(d, 0);
        mail.move_up(&"e@x".parse().unwrap(), 1);
        let named: Vec<_> = mail.recipients().map(|one| one.mailbox().to_string()).collect();
        assert_eq!(named, ["<d@x>", "<e@x>", "<b@x>", "<c@x>"]);
        assert_eq!([0, 2, 3].map(|n| mail.is_next([d, d, b, c][n], n)), [true; 3]);
        assert!(!mail.is_next(b, 0) && !mail.is_next(c, 4));
        assert_eq!(envelope.recipients().len(), 3);
    }

    #[test]
    fn one_besides_the_only_recipient_is_told_of_too() {
        let envelope = Envelope::new("", ["b@x"]).unwrap();
        let mut mail = Delivery::not_sent(&envelope);
        mail.replies.mail = said("250 ok");
        mail.recipients.get_mut(0).unwrap().rcpt = Rcpt::Accepted(mail.say("250 b").unwrap());
        mail.move_up(&"c@x".parse().unwrap(), 1);
        let refused = Rcpt::Refused { said: mail.say("550 c").unwrap(), follows_accepted: true };
        mail.recipients.get_mut(1).unwrap().rcpt = refused;
        let told =
            |one: Recipient<'_>| (one.mailbox().to_string(), one.rcpt().unwrap().to_string());
        let told: Vec<_> = mail.recipients().map(told).collect();
        assert_eq!(
            told,
            [("<b@x>", "250 b"), ("<c@x>", "550 c")].map(|(a, b)| (a.into(), b.into()))
        );
    }

    #[test]
    fn what_is_said_again_at_once_is_kept_once() {
        let mut replies = Replies::default();
        let mut keep = |text| replies.keep(said(text).unwrap().as_ref());
        let kept = ["250 Ok", "250 Ok", "550 5.1.1 who?", "250 Ok", "250 Ok"].map(&mut keep);
        assert_eq!(kept, [0, 0, 1, 2, 2].map(Said));
        assert_eq!(replies.before.len(), 2);
        let shown = kept.map(|said| replies.get(said).unwrap().to_string());
        assert_eq!(shown, ["250 Ok", "250 Ok", "550 5.1.1 who?", "250 Ok", "250 Ok"]);
        assert_eq!(Replies::default().get(Said(0)), None);
    }
}
