//! The content of a mail: DATA, and what is said when the content has ended.

use std::io;

use super::peer::{Mail, Next, Peer, TOO_BIG, Words};
use super::received::Received;
use super::unstuff::Unstuffer;
use crate::{ForwardPath, Protocol, Reply};

impl Peer<'_> {
    pub(super) fn data(&self) -> Option<Words> {
        match &self.mail {
            None => Some((503, "5.5.1", "MAIL first")),
            Some(mail) if mail.recipients.is_empty() => Some((503, "5.5.1", "no valid recipients")),
            Some(_) => None,
        }
    }

    pub(super) async fn content(&mut self, reply: Option<&Reply>) -> io::Result<Next> {
        self.answer(reply, (354, "", "end the content with a dot on a line of its own"));
        let mut unstuffer = Unstuffer::new(self.server.max_size);
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
        Ok(self.end(mail, unstuffer))
    }

    /// The content has ended: one reply, or over LMTP one for each recipient.
    fn end(&mut self, mail: Mail, unstuffer: Unstuffer) -> Next {
        let server = self.server;
        let bare_line_ends = unstuffer.bare_line_ends();
        let content = unstuffer.into_content();
        let usual = match &server.reply_at_end {
            Some(reply) if content.is_some() || reply.is_negative() => Some(reply),
            _ => None,
        };
        let accepts = content.is_some() && usual.is_none_or(|reply| !reply.is_negative());
        let words = match accepts {
            true => (250, "2.0.0", "mail accepted"),
            false => TOO_BIG,
        };
        let refusal = |recipient: &ForwardPath| {
            let mut refused = server.refused_at_end.iter();
            let refused = refused.find(|(path, _)| path == recipient);
            refused.map(|(_, reply)| reply).filter(|_| server.protocol == Protocol::Lmtp)
        };
        let own: Vec<_> = mail.recipients.iter().map(refusal).collect();
        let recipients = mail.recipients.into_iter().zip(&own);
        let recipients = recipients.filter(|(_, refusal)| accepts && refusal.is_none());
        let recipients: Vec<_> = recipients.map(|(recipient, _)| recipient).collect();
        if let (Some(content), Some(hello), false) = (content, &self.hello, recipients.is_empty()) {
            self.connection.log().mail(Received {
                sender: mail.sender,
                params: mail.params,
                recipients,
                content: content.into(),
                bare_line_ends,
                client: hello.client.clone(),
                user: self.user.clone(),
                tls: self.connection.is_tls(),
                protocol: server.protocol,
            });
        }
        let replies = match server.protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => own.len(),
        };
        let mut next = Next::Command;
        for refusal in own.into_iter().take(replies) {
            next = self.answer(refusal.or(usual), words);
        }
        next
    }
}
