//! What a client says: every command as a value that is valid once it exists. When one may be said
//! is in the table of the protocol; its octets are in `command/encode`, reading one is in
//! `command/parse`.

mod attribute;
mod encode;
mod etrn;
mod extended;
mod mechanism;
mod parse;
mod raw;
mod uri;

use std::borrow::Cow;
use std::fmt;
use std::mem::ManuallyDrop;

use bytes::BytesMut;

use self::encode::CRLF;
use super::secret::MASK;
use super::sink::Counter;
use super::{
    ClientName, Domain, Escaped, ForwardPath, InvalidValue, Param, ReversePath, Secret, Text, Verb,
};

pub use self::attribute::{
    AttributeValue, XclientAttribute, XclientName, XforwardAttribute, XforwardName,
};
pub use self::etrn::{EtrnNode, QueueName};
pub use self::mechanism::MechanismName;
pub use self::parse::CommandError;
pub use self::raw::Raw;
pub use self::uri::AbsoluteUri;

/// A command, without its line end.
///
/// Its parts are valid by construction: no control octet can be built into one, so an encoded
/// command holds exactly one CRLF, which is its end. MAIL and RCPT are built by their constructors
/// alone, so no keyword stands twice in one. The obsolete SEND, SOML, SAML and TURN can only be
/// said raw.
///
/// ```
/// use ehlo::{Command, ForwardPath};
///
/// let recipient: ForwardPath = "bob@example.org".parse()?;
/// let mut out = bytes::BytesMut::new();
/// Command::rcpt(&recipient).encode(&mut out);
/// assert_eq!(&out[..], b"RCPT TO:<bob@example.org>\r\n");
/// # Ok::<(), ehlo::InvalidValue>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command<'a> {
    /// `EHLO client.example.org`
    Ehlo(Cow<'a, ClientName>),
    /// `HELO client.example.org`. An address literal is outside the grammar, but is understood.
    Helo(Cow<'a, ClientName>),
    /// `LHLO client.example.org`, the EHLO of LMTP.
    Lhlo(Cow<'a, ClientName>),
    /// `MAIL FROM:<joe@example.org> SIZE=1000`
    #[non_exhaustive]
    Mail {
        /// Who sends.
        sender: Cow<'a, ReversePath>,
        /// Parameters of extensions, each keyword once.
        params: Cow<'a, [Param]>,
    },
    /// `RCPT TO:<bob@example.org> NOTIFY=NEVER`
    #[non_exhaustive]
    Rcpt {
        /// Who receives.
        recipient: Cow<'a, ForwardPath>,
        /// Parameters of extensions, each keyword once.
        params: Cow<'a, [Param]>,
    },
    /// `DATA`
    Data,
    /// `BDAT 1000 LAST`
    Bdat {
        /// Octets of the chunk, which follow the line at once.
        size: u64,
        /// Whether the content ends with this chunk.
        last: bool,
    },
    /// `RSET`
    Rset,
    /// `VRFY bob`
    Vrfy(Cow<'a, Text>),
    /// `EXPN staff`
    Expn(Cow<'a, Text>),
    /// `HELP` or `HELP MAIL`
    Help(Option<Cow<'a, Text>>),
    /// `NOOP`
    Noop(Option<Cow<'a, Text>>),
    /// `QUIT`
    Quit,
    /// `STARTTLS`
    StartTls,
    /// `AUTH PLAIN AGpvZQBzZWNyZXQ=`
    Auth {
        /// Which mechanism.
        mechanism: MechanismName,
        /// The initial response before base64; an empty one is sent as `=`.
        initial: Option<Secret>,
    },
    /// `ETRN mail.example.org`
    Etrn(Cow<'a, EtrnNode>),
    /// `ATRN example.org,example.net`, or without domains.
    Atrn(Cow<'a, [Domain]>),
    /// `BURL imap://joe@imap.example.org/drafts/;uid=20 LAST`
    Burl {
        /// Where the content is.
        uri: Cow<'a, AbsoluteUri>,
        /// Whether the content ends with it.
        last: bool,
    },
    /// `XCLIENT ADDR=192.0.2.1 NAME=[UNAVAILABLE]`
    #[non_exhaustive]
    Xclient {
        /// One or more, each name once.
        attributes: Cow<'a, [XclientAttribute]>,
    },
    /// `XFORWARD ADDR=192.0.2.1 IDENT=3F4A1`
    #[non_exhaustive]
    Xforward {
        /// One or more, each name once.
        attributes: Cow<'a, [XforwardAttribute]>,
    },
    /// Any line, for testers.
    Raw(Raw<'a>),
}

/// Constructors, named as the commands are.
impl<'a> Command<'a> {
    /// `EHLO`.
    ///
    /// # Errors
    ///
    /// Where the name is not a client name.
    pub fn ehlo<N>(name: N) -> Result<Self, InvalidValue>
    where
        N: TryInto<ClientName, Error: Into<InvalidValue>>,
    {
        client_name(name).map(Self::Ehlo)
    }

    /// `HELO`.
    ///
    /// # Errors
    ///
    /// Where the name is not a client name.
    pub fn helo<N>(name: N) -> Result<Self, InvalidValue>
    where
        N: TryInto<ClientName, Error: Into<InvalidValue>>,
    {
        client_name(name).map(Self::Helo)
    }

    /// `LHLO`.
    ///
    /// # Errors
    ///
    /// Where the name is not a client name.
    pub fn lhlo<N>(name: N) -> Result<Self, InvalidValue>
    where
        N: TryInto<ClientName, Error: Into<InvalidValue>>,
    {
        client_name(name).map(Self::Lhlo)
    }

    /// `MAIL FROM`, without parameters; nothing is copied where the sender is lent.
    #[inline]
    pub fn mail(sender: impl Into<Cow<'a, ReversePath>>) -> Self {
        Self::Mail { sender: sender.into(), params: Cow::Borrowed(&[]) }
    }

    /// `RCPT TO`, without parameters; nothing is copied where the recipient is lent.
    #[inline]
    pub fn rcpt(recipient: impl Into<Cow<'a, ForwardPath>>) -> Self {
        Self::Rcpt { recipient: recipient.into(), params: Cow::Borrowed(&[]) }
    }

    /// The same MAIL or RCPT, with these parameters in place of those it had.
    ///
    /// ```
    /// use ehlo::{Command, Param, ReversePath};
    ///
    /// let params = [Param::with_value("SIZE", "1000")?];
    /// let command = Command::mail(&ReversePath::Null).with_params(&params)?.into_owned();
    /// assert_eq!(command.to_string(), "MAIL FROM:<> SIZE=1000");
    /// # Ok::<(), ehlo::InvalidValue>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where a keyword is given twice (RFC 1870, 3461 and others each forbid it for their own), and
    /// on other commands, which have no parameters.
    #[inline]
    pub fn with_params(mut self, given: impl Into<Cow<'a, [Param]>>) -> Result<Self, InvalidValue> {
        let given = given.into();
        Self::refuse_repeated(&given)?;
        match &mut self {
            Self::Mail { params, .. } | Self::Rcpt { params, .. } => *params = given,
            other => return Err(other.has_no_params()),
        }
        Ok(self)
    }

    /// `MAIL FROM` with parameters of which [none is repeated](Self::refuse_repeated), all of it
    /// lent: there is nothing to drop.
    #[inline]
    pub(crate) const fn mail_lent(
        sender: &'a ReversePath,
        params: &'a [Param],
    ) -> ManuallyDrop<Self> {
        let (sender, params) = (Cow::Borrowed(sender), Cow::Borrowed(params));
        ManuallyDrop::new(Self::Mail { sender, params })
    }

    /// `RCPT TO` with parameters of which none is repeated, all of it lent.
    #[inline]
    pub(crate) const fn rcpt_lent(
        recipient: &'a ForwardPath,
        params: &'a [Param],
    ) -> ManuallyDrop<Self> {
        let (recipient, params) = (Cow::Borrowed(recipient), Cow::Borrowed(params));
        ManuallyDrop::new(Self::Rcpt { recipient, params })
    }

    /// Refuses a parameter whose keyword stands before it already.
    #[inline]
    pub(crate) fn refuse_repeated(params: &[Param]) -> Result<(), InvalidValue> {
        match params {
            [] | [_] => Ok(()),
            _ => repeated(params).map_or(Ok(()), |param| Err(given_twice(param))),
        }
    }

    /// `DATA`.
    #[must_use]
    pub const fn data() -> Self {
        Self::Data
    }

    /// `BDAT`, of so many octets; whether they are the last of the content.
    #[must_use]
    pub const fn bdat(size: u64, last: bool) -> Self {
        Self::Bdat { size, last }
    }

    /// `RSET`.
    #[must_use]
    pub const fn rset() -> Self {
        Self::Rset
    }

    /// `VRFY`.
    ///
    /// # Errors
    ///
    /// Where the text is not one line of text.
    pub fn vrfy<T>(text: T) -> Result<Self, InvalidValue>
    where
        T: TryInto<Text, Error: Into<InvalidValue>>,
    {
        text.try_into().map(|text| Self::Vrfy(text.into())).map_err(Into::into)
    }

    /// `EXPN`.
    ///
    /// # Errors
    ///
    /// Where the text is not one line of text.
    pub fn expn<T>(text: T) -> Result<Self, InvalidValue>
    where
        T: TryInto<Text, Error: Into<InvalidValue>>,
    {
        text.try_into().map(|text| Self::Expn(text.into())).map_err(Into::into)
    }

    /// `HELP`, without a subject.
    #[must_use]
    pub const fn help() -> Self {
        Self::Help(None)
    }

    /// `NOOP`, without text.
    #[must_use]
    pub const fn noop() -> Self {
        Self::Noop(None)
    }

    /// `QUIT`.
    #[must_use]
    pub const fn quit() -> Self {
        Self::Quit
    }

    /// `STARTTLS`.
    #[must_use]
    pub const fn start_tls() -> Self {
        Self::StartTls
    }

    /// `AUTH`, with an initial response before base64, which may be empty.
    ///
    /// # Errors
    ///
    /// Where the name cannot be that of a mechanism.
    pub fn auth<M>(mechanism: M, initial: Option<Secret>) -> Result<Self, InvalidValue>
    where
        M: TryInto<MechanismName, Error: Into<InvalidValue>>,
    {
        let mechanism = mechanism.try_into().map_err(Into::into)?;
        Ok(Self::Auth { mechanism, initial })
    }

    /// Any line without its end, for testers.
    ///
    /// # Errors
    ///
    /// Where it is empty or holds a control octet: a line end would make it two commands.
    pub fn raw(line: impl AsRef<[u8]>) -> Result<Self, InvalidValue> {
        Raw::new(line.as_ref().to_vec()).map(Self::Raw)
    }
}

impl Command<'_> {
    #[cold]
    fn has_no_params(&self) -> InvalidValue {
        InvalidValue::new("command", self.to_string(), "only MAIL and RCPT have parameters")
    }

    /// What it begins with; of a raw command, its first word.
    #[must_use]
    #[inline]
    pub fn verb(&self) -> Verb {
        match self {
            Self::Ehlo(_) => Verb::Ehlo,
            Self::Helo(_) => Verb::Helo,
            Self::Lhlo(_) => Verb::Lhlo,
            Self::Mail { .. } => Verb::Mail,
            Self::Rcpt { .. } => Verb::Rcpt,
            Self::Data => Verb::Data,
            Self::Bdat { .. } => Verb::Bdat,
            Self::Rset => Verb::Rset,
            Self::Vrfy(_) => Verb::Vrfy,
            Self::Expn(_) => Verb::Expn,
            Self::Help(_) => Verb::Help,
            Self::Noop(_) => Verb::Noop,
            Self::Quit => Verb::Quit,
            Self::StartTls => Verb::StartTls,
            Self::Auth { .. } => Verb::Auth,
            Self::Etrn(_) => Verb::Etrn,
            Self::Atrn(_) => Verb::Atrn,
            Self::Burl { .. } => Verb::Burl,
            Self::Xclient { .. } => Verb::Xclient,
            Self::Xforward { .. } => Verb::Xforward,
            Self::Raw(raw) => raw.verb(),
        }
    }

    /// The parameters of MAIL or RCPT; none for other commands.
    #[must_use]
    #[inline]
    pub fn params(&self) -> &[Param] {
        match self {
            Self::Mail { params, .. } | Self::Rcpt { params, .. } => params,
            _ => &[],
        }
    }

    /// Whether it can be sent to a server that does not offer SMTPUTF8.
    #[must_use]
    #[inline]
    pub fn is_ascii(&self) -> bool {
        let path_is_ascii = match self {
            Self::Mail { sender, .. } => sender.is_ascii(),
            Self::Rcpt { recipient, .. } => recipient.is_ascii(),
            Self::Vrfy(text)
            | Self::Expn(text)
            | Self::Help(Some(text))
            | Self::Noop(Some(text)) => text.is_ascii(),
            Self::Raw(raw) => raw.as_octets().is_ascii(),
            _ => true,
        };
        path_is_ascii && self.params().iter().all(Param::is_ascii)
    }

    /// Appends the line, ending with the one CRLF that it holds.
    ///
    /// Nothing is allocated but what `out` grows by. For AUTH and a raw line it grows at most once,
    /// before the first octet: no part of a secret stays behind in a buffer that was too small.
    pub fn encode(&self, out: &mut BytesMut) {
        self.write_to(out);
    }

    /// Octets that [`encode`](Self::encode) appends, the CRLF counted.
    #[must_use]
    #[inline]
    pub fn encoded_len(&self) -> usize {
        let Counter(octets) = self.write_to(Counter(0));
        octets
    }

    /// The same command, borrowing nothing.
    #[must_use]
    pub fn into_owned(self) -> Command<'static> {
        fn owned<T: ToOwned + ?Sized>(value: Cow<'_, T>) -> Cow<'static, T> {
            Cow::Owned(value.into_owned())
        }

        match self {
            Self::Ehlo(name) => Command::Ehlo(owned(name)),
            Self::Helo(name) => Command::Helo(owned(name)),
            Self::Lhlo(name) => Command::Lhlo(owned(name)),
            Self::Mail { sender, params } => {
                Command::Mail { sender: owned(sender), params: owned(params) }
            }
            Self::Rcpt { recipient, params } => {
                Command::Rcpt { recipient: owned(recipient), params: owned(params) }
            }
            Self::Data => Command::Data,
            Self::Bdat { size, last } => Command::Bdat { size, last },
            Self::Rset => Command::Rset,
            Self::Vrfy(text) => Command::Vrfy(owned(text)),
            Self::Expn(text) => Command::Expn(owned(text)),
            Self::Help(text) => Command::Help(text.map(owned)),
            Self::Noop(text) => Command::Noop(text.map(owned)),
            Self::Quit => Command::Quit,
            Self::StartTls => Command::StartTls,
            Self::Auth { mechanism, initial } => Command::Auth { mechanism, initial },
            Self::Etrn(node) => Command::Etrn(owned(node)),
            Self::Atrn(domains) => Command::Atrn(owned(domains)),
            Self::Burl { uri, last } => Command::Burl { uri: owned(uri), last },
            Self::Xclient { attributes } => Command::Xclient { attributes: owned(attributes) },
            Self::Xforward { attributes } => Command::Xforward { attributes: owned(attributes) },
            Self::Raw(raw) => Command::Raw(raw.into_owned()),
        }
    }
}

/// The line without its end, escaped, with `<secret>` for what follows an AUTH's mechanism, or
/// for all that follows a raw AUTH.
impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auth { mechanism, initial } => {
                write!(f, "AUTH {mechanism}")?;
                initial.iter().try_for_each(|_| write!(f, " {MASK}"))
            }
            Self::Raw(raw) => raw.fmt(f),
            _ => {
                let mut line = BytesMut::new();
                self.encode(&mut line);
                let line = line.strip_suffix(CRLF).unwrap_or(&line);
                Escaped::new(line).fmt(f)
            }
        }
    }
}

fn repeated(params: &[Param]) -> Option<&Param> {
    let stands_before =
        |n: usize, param: &Param| params.iter().take(n).any(|other| other.is(param.keyword()));
    let mut counted = params.iter().enumerate();
    counted.find(|(n, param)| stands_before(*n, param)).map(|(_, param)| param)
}

#[cold]
fn given_twice(param: &Param) -> InvalidValue {
    let reason = "its keyword is given twice in one command";
    InvalidValue::new("parameter", param.to_string(), reason)
}

fn client_name<'a, N>(name: N) -> Result<Cow<'a, ClientName>, InvalidValue>
where
    N: TryInto<ClientName, Error: Into<InvalidValue>>,
{
    name.try_into().map(Cow::Owned).map_err(Into::into)
}

#[cfg(test)]
mod tests;
