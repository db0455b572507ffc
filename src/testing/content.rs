//! The content of a mail: DATA, and what is said and kept when the content has ended. Content that
//! comes in chunks is in `chunks`.

use std::io;

use super::peer::{Mail, Next, Peer, TOO_BIG, Words};
use super::received::Received;
use super::unstuff::Unstuffer;
use crate::{ForwardPath, Param, Protocol, Reply};

/// A reply in the place of the usual one, if there is any, and the usual one.
pub(super) type Answer<'a> = (Option<&'a Reply>, Words);

/// What came as a mail's content.
pub(super) struct Content {
    pub(super) octets: Vec<u8>,
    pub(super) bare_line_ends: usize,
    /// The sizes of its chunks, if it came in chunks.
    pub(super) chunks: Option<Vec<u64>>,
}

impl<'a> Peer<'a> {
    /// Why DATA cannot be said here. That it follows chunks, or belongs to content that only chunks
    /// can carry, spoils the transaction (RFC 3030 §2, §3).
    pub(super) fn data(&mut self) -> Option<Words> {
        let Some(mail) = &mut self.mail else {
            return Some((503, "5.5.1", "MAIL first"));
        };
        if mail.failed {
            return Some(RSET_FIRST);
        }
        if mail.recipients.is_empty() {
            return Some((503, "5.5.1", "no valid recipients"));
        }
        let is_binary = mail.params.iter().any(is_binary);
        mail.failed = is_binary || mail.chunks.begun;
        match () {
            () if is_binary => Some((503, "5.5.1", "binary content needs BDAT")),
            () if mail.failed => Some((503, "5.5.1", "BDAT has begun")),
            () => None,
        }
    }

    pub(super) async fn content(&mut self, reply: Option<&Reply>) -> io::Result<Next> {
        self.answer(reply, (354, "", "end the content with a dot on a line of its own"));
        let mut unstuffer = Unstuffer::new(self.server.max_size).or_at(&self.server.other_ends);
        loop {
            let (taken, ended) = unstuffer.take(self.connection.pending());
            self.connection.consume(taken);
            if ended {
                break;
            }
            if !self.connection.fill().await? {
                return Ok(Next::Close);
            }
        }
        let wire = unstuffer.wire_octets();
        if wire > 0 {
            self.connection.log().client(format!("<content {wire}>").as_bytes());
        }
        self.connection.log().client(b".");
        let Some(mail) = self.mail.take() else {
            return Ok(Next::Close);
        };
        let bare_line_ends = unstuffer.bare_line_ends();
        let content = unstuffer.into_content();
        let answers = self.answers(&mail, self.at_end(content.is_some(), None));
        if let Some(octets) = content {
            self.keep(&mail, &answers, Content { octets, bare_line_ends, chunks: None });
        }
        if self.ends_ahead().await? {
            return Ok(Next::Close);
        }
        Ok(self.say_all(&answers))
    }

    /// What becomes of content of this size, whoever is to receive it.
    pub(super) fn at_end(&self, fits: bool, reply: Option<&'a Reply>) -> Answer<'a> {
        let reply = self.server.reply_at_end.as_ref().or(reply);
        match fits {
            true => (reply, (250, "2.0.0", "mail accepted")),
            false => (reply.filter(|reply| reply.is_negative()), TOO_BIG),
        }
    }

    /// What is said at the end of the content: one answer, or over LMTP one for each recipient
    /// (RFC 2033 §4.2).
    pub(super) fn answers(&self, mail: &Mail, whole: Answer<'a>) -> Vec<Answer<'a>> {
        let server = self.server;
        if server.protocol == Protocol::Smtp {
            return vec![whole];
        }
        let own = |recipient: &ForwardPath| {
            let mut refused = server.refused_at_end.iter();
            refused.find(|(path, _)| path == recipient).map(|(_, reply)| reply)
        };
        let (reply, words) = whole;
        let own = mail.recipients.iter().map(own);
        own.map(|own| (own.or(reply), words)).collect()
    }

    /// Keeps the mail for those for whom it was accepted; whether there are any.
    pub(super) fn keep(&self, mail: &Mail, answers: &[Answer<'_>], content: Content) -> bool {
        // Over SMTP the one answer is everybody's.
        let answers = answers.iter().cycle().take(mail.recipients.len());
        let recipients = mail.recipients.iter().zip(&mail.recipient_params).zip(answers);
        let recipients = recipients.filter(|(_, answer)| !is_refusal(answer));
        let (recipients, recipient_params): (Vec<_>, _) =
            recipients.map(|((path, params), _)| (path.clone(), params.clone())).unzip();
        let (Some(hello), false) = (&self.hello, recipients.is_empty()) else {
            return false;
        };
        self.connection.log().mail(Received {
            sender: mail.sender.clone(),
            params: mail.params.clone(),
            recipients,
            recipient_params,
            content: content.octets.into(),
            bare_line_ends: content.bare_line_ends,
            chunks: content.chunks,
            client: hello.client.clone(),
            user: self.user.clone(),
            tls: self.connection.is_tls(),
            protocol: self.server.protocol,
        });
        true
    }

    /// The content has ended. Whether the server closes instead of answering: it always does, or
    /// what stands after the content is too much for it.
    pub(super) async fn ends_ahead(&mut self) -> io::Result<bool> {
        let closes = self.server.closes_at_end
            || self.server.closes_on_run_ahead && self.connection.is_ahead().await?;
        self.ran_ahead = !self.connection.pending().is_empty();
        Ok(closes)
    }

    pub(super) fn say_all(&mut self, answers: &[Answer<'_>]) -> Next {
        let mut next = Next::Command;
        for (reply, words) in answers {
            next = self.answer(*reply, *words);
        }
        next
    }
}

pub(super) fn is_refusal((reply, (code, ..)): &Answer<'_>) -> bool {
    reply.map_or(*code >= 400, Reply::is_negative)
}

fn is_binary(param: &Param) -> bool {
    let value = param.value().unwrap_or_default();
    param.is("BODY") && value.eq_ignore_ascii_case("BINARYMIME")
}

pub(super) const RSET_FIRST: Words = (503, "5.5.1", "RSET first");
