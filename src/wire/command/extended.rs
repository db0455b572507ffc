//! Constructors of the commands that extensions bring, named as the commands are. Those of every
//! server are in `command`.

use std::borrow::Cow;

use super::{AbsoluteUri, Command, EtrnNode, XclientAttribute, XforwardAttribute};
use crate::wire::{Domain, InvalidValue};

impl<'a> Command<'a> {
    /// `ETRN`: the server is to start sending what it holds (RFC 1985), over connections of its
    /// own.
    ///
    /// 250, 252 and 253 say that it has started, 251 that it holds nothing; 458 and 459 that it
    /// will not.
    ///
    /// ```
    /// use ehlo::Command;
    ///
    /// assert_eq!(Command::etrn("@example.org")?.to_string(), "ETRN @example.org");
    /// # Ok::<(), ehlo::InvalidValue>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where it is neither a domain, `@` and a domain, nor `#` and the name of a queue.
    pub fn etrn<N>(node: N) -> Result<Self, InvalidValue>
    where
        N: TryInto<EtrnNode, Error: Into<InvalidValue>>,
    {
        node.try_into().map(|node| Self::Etrn(Cow::Owned(node))).map_err(Into::into)
    }

    /// `ATRN`: the server is to send what it holds for these domains, or for all of the client's,
    /// over this connection (RFC 2645).
    ///
    /// Where it is accepted, the client is the server from then on: the session is over, and what
    /// follows is for another to say.
    #[must_use]
    pub fn atrn(domains: impl Into<Cow<'a, [Domain]>>) -> Self {
        Self::Atrn(domains.into())
    }

    /// `BURL`: the server is to fetch a part of the content, or all of it (RFC 4468); whether the
    /// content ends with it.
    ///
    /// ```
    /// use ehlo::Command;
    ///
    /// let command = Command::burl("imap://joe@imap.example.org/drafts/;uid=20", true)?;
    /// assert_eq!(command.to_string(), "BURL imap://joe@imap.example.org/drafts/;uid=20 LAST");
    /// # Ok::<(), ehlo::InvalidValue>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where it is not an absolute URI.
    pub fn burl<U>(uri: U, last: bool) -> Result<Self, InvalidValue>
    where
        U: TryInto<AbsoluteUri, Error: Into<InvalidValue>>,
    {
        uri.try_into().map(|uri| Self::Burl { uri: Cow::Owned(uri), last }).map_err(Into::into)
    }

    /// `XCLIENT`: on whose behalf the client speaks (Postfix). Accepted with 220, it makes the
    /// server forget all: EHLO is due again.
    ///
    /// A line has 512 octets at most, and nothing is split here: say several commands where the
    /// attributes do not fit. Each begins a new conversation, and Postfix wants the name and the
    /// address in the last.
    ///
    /// # Errors
    ///
    /// Where there is no attribute, or a name stands twice.
    pub fn xclient(
        attributes: impl Into<Cow<'a, [XclientAttribute]>>,
    ) -> Result<Self, InvalidValue> {
        let attributes = attributes.into();
        match XclientAttribute::fault(&attributes) {
            None => Ok(Self::Xclient { attributes }),
            Some(fault) => Err(fault),
        }
    }

    /// `XFORWARD`: where the next mail came from (Postfix), for the server's log. It holds until
    /// that mail's transaction has ended.
    ///
    /// A line has 512 octets at most, and nothing is split here: say several commands where the
    /// attributes do not fit.
    ///
    /// # Errors
    ///
    /// Where there is no attribute, or a name stands twice.
    pub fn xforward(
        attributes: impl Into<Cow<'a, [XforwardAttribute]>>,
    ) -> Result<Self, InvalidValue> {
        let attributes = attributes.into();
        match XforwardAttribute::fault(&attributes) {
            None => Ok(Self::Xforward { attributes }),
            Some(fault) => Err(fault),
        }
    }
}
