//! VRFY and EXPN: the builder of whom the server knows, and its answers (RFC 5321 §3.5).

use super::peer::{Next, Peer};
use super::server::Server;
use crate::{Mailbox, Reply};

/// Somebody who is known.
#[derive(Clone)]
pub(super) struct Known {
    name: Box<str>,
    mailbox: Mailbox,
    /// As replies have it: `Joe <joe@example.test>`.
    shown: Box<str>,
}

/// A list and its members, as replies have them.
#[derive(Clone)]
pub(super) struct List {
    name: Box<str>,
    members: Vec<String>,
}

impl Known {
    /// By the name or by the address, in any case.
    fn is(&self, asked: &str) -> bool {
        let asked =
            asked.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(asked);
        [&*self.name, self.mailbox.as_str()].iter().any(|name| name.eq_ignore_ascii_case(asked))
    }
}

/// Whom it knows. Nobody, by default: then VRFY is answered with 252 and EXPN with 502.
impl Server {
    /// VRFY finds this mailbox, written `Joe <joe@example.test>` or `<joe@example.test>`, by this
    /// name, or by its address. A name that more than one have is answered with 553 and all of
    /// them, one that nobody has with 550.
    ///
    /// ```
    /// use ehlo::testing::Server;
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    ///
    /// # async fn test() -> std::io::Result<()> {
    /// let (mut client, stream) = duplex(4096);
    /// let server = Server::new()
    ///     .withhold("ENHANCEDSTATUSCODES")
    ///     .known("joe", "Joe <joe@example.test>")
    ///     .known("ann", "<ann.a@example.test>")
    ///     .known("ann", "<ann.b@example.test>");
    /// let _server = server.serve(stream)?;
    /// let cases = [
    ///     ("joe", "250 Joe <joe@example.test>\r\n"),
    ///     ("bob", "550 nobody has that name\r\n"),
    ///     ("ann", "553-ambiguous; possibilities are\r\n553-<ann.a@example.test>\r\n553 <ann.b@example.test>\r\n"),
    /// ];
    /// # client.read_exact(&mut [0; 33]).await?;
    /// for (asked, answered) in cases {
    ///     client.write_all(format!("VRFY {asked}\r\n").as_bytes()).await?;
    ///     let mut reply = vec![0; answered.len()];
    ///     client.read_exact(&mut reply).await?;
    ///     assert_eq!(reply, answered.as_bytes());
    /// }
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn known(mut self, name: &str, mailbox: &str) -> Self {
        let address = mailbox.rsplit_once('<').and_then(|(_, rest)| rest.strip_suffix('>'));
        let address = address.unwrap_or(mailbox).parse::<Mailbox>();
        let shown = self.shown(mailbox);
        if let (Some(mailbox), Some(shown)) = (self.valid(address), shown) {
            self.known.push(Known { name: name.into(), mailbox, shown: shown.into() });
        }
        self
    }

    /// EXPN finds these members by this name, each a line of the reply; another name is answered
    /// with 550.
    ///
    /// ```
    /// use ehlo::testing::Server;
    ///
    /// let staff = ["Joe <joe@example.test>", "<ann@example.test>"];
    /// let server = Server::new().list("staff", staff);
    /// ```
    pub fn list<M>(mut self, name: &str, members: M) -> Self
    where
        M: IntoIterator<Item: AsRef<str>>,
    {
        let members = members.into_iter().map(|member| self.shown(member.as_ref()));
        if let Some(members) = members.collect() {
            self.lists.push(List { name: name.into(), members });
        }
        self
    }

    /// What can be a line of a reply.
    fn shown(&mut self, text: &str) -> Option<String> {
        let reply = Reply::from_lines(crate::Code::OK, [text]);
        self.valid(reply).map(|_| text.to_owned())
    }
}

impl Peer<'_> {
    pub(super) fn verify(&mut self, asked: &str) -> Next {
        let server = self.server;
        if server.known.is_empty() {
            return self.say((252, "2.1.5", "send some mail, and it will be seen"));
        }
        let (asked, utf8) = self.asked(asked);
        let found = server.known.iter().filter(|known| known.is(asked));
        let found: Vec<_> = found.map(|known| known.shown.to_string()).collect();
        match (found.len(), utf8 || found.iter().all(|shown| shown.is_ascii())) {
            (0, _) => self.say((550, "5.1.1", "nobody has that name")),
            (_, false) => self.say(NEEDS_UTF8),
            (1, true) => self.say_each(250, "2.1.5", found),
            (_, true) => {
                let first = "ambiguous; possibilities are".to_owned();
                self.say_each(553, "5.1.4", [first].into_iter().chain(found))
            }
        }
    }

    pub(super) fn expand(&mut self, asked: &str) -> Next {
        let server = self.server;
        if server.lists.is_empty() {
            return self.say((502, "5.5.1", "command not implemented"));
        }
        let (asked, utf8) = self.asked(asked);
        let list = server.lists.iter().find(|list| list.name.eq_ignore_ascii_case(asked));
        match list.map(|list| &list.members) {
            None => self.say((550, "5.1.1", "no list has that name")),
            Some(members) if !utf8 && !members.iter().all(|member| member.is_ascii()) => {
                self.say(NEEDS_UTF8)
            }
            Some(members) => self.say_each(250, "2.1.5", members.clone()),
        }
    }

    /// What is asked, and whether the reply may have UTF-8 in it (RFC 6531 §3.7.4.2).
    fn asked<'t>(&self, text: &'t str) -> (&'t str, bool) {
        match text.rsplit_once(' ') {
            Some((text, word))
                if self.offers("SMTPUTF8") && word.eq_ignore_ascii_case("SMTPUTF8") =>
            {
                (text, true)
            }
            _ => (text, false),
        }
    }
}

const NEEDS_UTF8: (u16, &str, &str) = (252, "2.6.8", "the address needs SMTPUTF8");
