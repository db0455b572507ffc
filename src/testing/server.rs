//! What kind of server it is to be: the builder. How it behaves is in `peer`.

use std::fmt;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use super::faults::ChunkFault;
use super::lookup::{Known, List};
use super::pace::Pace;
use super::running::Running;
use super::script::Script;
use super::tls::Tls;
use crate::wire::leak;
use crate::{Domain, ForwardPath, MechanismName, Protocol, Reply, Secret, Verb};

/// A mail server for tests: it does what it is told, and remembers what was said to it.
///
/// A new one is a well-behaved submission server, `mx.example.test`: it offers STARTTLS with a
/// certificate of its own, AUTH PLAIN and LOGIN inside TLS, PIPELINING, 8BITMIME, SIZE 10485760,
/// SMTPUTF8, ENHANCEDSTATUSCODES and CHUNKING, and accepts any mail. It is as strict as RFC 5321
/// lets a server be: it holds clients to the order of commands, to CRLF and to the rules of
/// pipelining. Every method makes it another server; what [`Script`] has is beyond all rules.
///
/// ```
/// use ehlo::Verb;
/// use ehlo::testing::Server;
///
/// # async fn test() -> std::io::Result<()> {
/// let server = Server::new()
///     .user("alice", "wonderland")
///     .refuse("nobody@example.test", "550 5.1.1 no such user")
///     .reply_to(Verb::Vrfy, "502 5.5.1 not here")
///     .start()
///     .await?;
/// println!("listening on {}", server.addr());
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// What cannot be read as an address, a reply or a name is told by [`start`](Self::start).
#[derive(Clone)]
#[must_use]
pub struct Server {
    pub(super) name: Box<str>,
    pub(super) protocol: Protocol,
    pub(super) implicit_tls: bool,
    pub(super) tls: Tls,
    pub(super) allow_cleartext: bool,
    pub(super) users: Vec<(String, Secret)>,
    pub(super) mechanisms: String,
    pub(super) refused: Vec<(ForwardPath, Reply)>,
    pub(super) refused_at_end: Vec<(ForwardPath, Reply)>,
    pub(super) replies: Vec<(Verb, Reply)>,
    pub(super) reply_at_end: Option<Reply>,
    pub(super) greeting: Option<Reply>,
    pub(super) offered: Vec<Box<str>>,
    pub(super) withheld: Vec<Box<str>>,
    pub(super) max_size: u64,
    pub(super) max_recipients: usize,
    pub(super) chunk_faults: Vec<(u32, ChunkFault)>,
    pub(super) runs_refused_chunks: bool,
    pub(super) keeps_refused_mail: bool,
    pub(super) closes_on_run_ahead: bool,
    pub(super) closes_at_end: bool,
    pub(super) takes_bare_lf: bool,
    pub(super) other_ends: Vec<Box<[u8]>>,
    pub(super) loses_pipelined: bool,
    pub(super) runs_injected: bool,
    pub(super) pace: Pace,
    pub(super) known: Vec<Known>,
    pub(super) lists: Vec<List>,
    pub(super) script: Option<Script>,
    /// The first of the values given that was not valid.
    pub(super) fault: Option<String>,
}

impl Server {
    /// A well-behaved server.
    pub fn new() -> Self {
        Self {
            name: DEFAULT_NAME.into(),
            protocol: Protocol::Smtp,
            implicit_tls: false,
            tls: Tls::default(),
            allow_cleartext: false,
            users: Vec::new(),
            mechanisms: DEFAULT_MECHANISMS.to_owned(),
            refused: Vec::new(),
            refused_at_end: Vec::new(),
            replies: Vec::new(),
            reply_at_end: None,
            greeting: None,
            offered: Vec::new(),
            withheld: Vec::new(),
            max_size: DEFAULT_MAX_SIZE,
            max_recipients: DEFAULT_MAX_RECIPIENTS,
            chunk_faults: Vec::new(),
            runs_refused_chunks: false,
            keeps_refused_mail: false,
            closes_on_run_ahead: false,
            closes_at_end: false,
            takes_bare_lf: false,
            other_ends: Vec::new(),
            loses_pipelined: false,
            runs_injected: false,
            pace: Pace::Prompt,
            known: Vec::new(),
            lists: Vec::new(),
            script: None,
            fault: None,
        }
    }

    /// A server that plays this script on every connection, and does nothing else. Of the other
    /// methods only [`name`](Self::name) means anything to it, for its certificate, and
    /// [`maximum_tls`](Self::maximum_tls) and the like.
    pub fn script(script: Script) -> Self {
        Self { script: Some(script), ..Self::new() }
    }

    /// Its name in replies and in its certificate, which always names `localhost`, `127.0.0.1`
    /// and `::1` too. Default: `mx.example.test`.
    pub fn name(mut self, name: &str) -> Self {
        if let Some(name) = self.valid(name.parse::<Domain>()) {
            self.name = name.as_str().into();
        }
        self
    }

    /// Somebody who may send; and then nobody else may: MAIL without AUTH is answered with
    /// `530 5.7.0`. Without users, AUTH takes any name and password, and MAIL needs none.
    pub fn user(mut self, name: impl Into<String>, password: impl Into<Secret>) -> Self {
        let password = password.into();
        leak::keep(password.expose());
        self.users.push((name.into(), password));
        self
    }

    /// The mechanisms of AUTH that it offers, and speaks. Default: PLAIN and LOGIN.
    ///
    /// It knows CRAM-MD5, XOAUTH2 and OAUTHBEARER (for which a user's password is the token),
    /// EXTERNAL and ANONYMOUS (where it believes whoever comes, but for
    /// [`client_authority`](Self::client_authority)), and SCRAM-SHA-1, -256 and -512, each with and
    /// without -PLUS, for users that were named; -PLUS is bound by `tls-exporter` over TLS 1.3, and
    /// by `tls-server-end-point` over any. Others may be offered, and are answered with 504.
    pub fn mechanisms<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<_> = names.into_iter().map(str::parse::<MechanismName>).collect();
        let names: Vec<_> = names.into_iter().filter_map(|name| self.valid(name)).collect();
        let names: Vec<_> = names.iter().map(MechanismName::as_str).collect();
        self.mechanisms = names.join(" ");
        self
    }

    /// Offers AUTH without TLS too.
    pub fn allow_cleartext(mut self) -> Self {
        self.allow_cleartext = true;
        self
    }

    /// Speaks TLS from the start, and does not offer STARTTLS.
    pub fn implicit_tls(mut self) -> Self {
        self.implicit_tls = true;
        self
    }

    /// Speaks LMTP (RFC 2033): LHLO in the place of EHLO, and after the content a reply for each
    /// recipient.
    pub fn lmtp(mut self) -> Self {
        self.protocol = Protocol::Lmtp;
        self
    }

    /// Answers RCPT for this recipient with this reply, a refusal.
    pub fn refuse(mut self, recipient: &str, reply: &str) -> Self {
        if let Some(refused) = self.refusal(recipient, reply) {
            self.refused.push(refused);
        }
        self
    }

    /// Over LMTP: accepts the recipient, and refuses the content for it.
    pub fn refuse_at_end(mut self, recipient: &str, reply: &str) -> Self {
        if let Some(refused) = self.refusal(recipient, reply) {
            self.refused_at_end.push(refused);
        }
        self
    }

    /// Answers this verb with this reply: a refusal in any case, and the command has no effect;
    /// another reply where the command is lawful, in the place of the usual one. `421` is said and
    /// the connection closed.
    pub fn reply_to(mut self, verb: Verb, reply: &str) -> Self {
        if let Some(reply) = self.reply(reply) {
            self.replies.retain(|(other, _)| *other != verb);
            self.replies.push((verb, reply));
        }
        self
    }

    /// Answers the end of the content of every mail, by DATA or by BDAT, with this reply, over LMTP
    /// for each recipient.
    pub fn reply_at_end(mut self, reply: &str) -> Self {
        self.reply_at_end = self.reply(reply);
        self
    }

    /// Greets with this reply. After a refusal it answers every command but QUIT with `503`
    /// (RFC 5321 §3.1), after `421` it closes.
    pub fn greeting(mut self, reply: &str) -> Self {
        self.greeting = self.reply(reply);
        self
    }

    /// Offers an extension: a line of the EHLO reply, as `DSN` or `SIZE 1000`, in the place of one
    /// with the same keyword. Its parameters are taken, as are all that the crate does not know.
    ///
    /// | offer | what else is done |
    /// |---|---|
    /// | `BINARYMIME` | with CHUNKING; DATA is refused for content that is declared so (RFC 3030 §3) |
    /// | `LIMITS MAILMAX=10 RCPTMAX=100` | both are kept to, and `RCPTDOMAINMAX`: MAIL is answered with 421, RCPT with 452 (RFC 9422) |
    /// | `ETRN` | the command is answered with 250 |
    /// | `XCLIENT NAME ADDR` | the command is answered with the greeting, and a new session begins; with 501 where an attribute was not offered |
    /// | `XFORWARD NAME ADDR` | the command is answered with 250 or 501 |
    ///
    /// For others nothing is done.
    ///
    /// ```
    /// use ehlo::testing::Server;
    ///
    /// let server = Server::new().offer("DSN").offer("LIMITS MAILMAX=10 RCPTMAX=100");
    /// ```
    pub fn offer(mut self, line: &str) -> Self {
        let keyword = keyword(line);
        if keyword.is_empty() || line.contains(char::is_control) {
            let words = format!("extension {line:?}: not a line of an EHLO reply");
            self.fault.get_or_insert(words);
            return self;
        }
        let same = |other: &str| other.eq_ignore_ascii_case(keyword);
        self.withheld.retain(|withheld| !same(withheld));
        self.offered.retain(|offered| !same(self::keyword(offered)));
        self.offered.push(line.into());
        self
    }

    /// Does not offer this extension, and does not know what belongs to it.
    pub fn withhold(mut self, keyword: &str) -> Self {
        let same = |other: &str| other.eq_ignore_ascii_case(keyword);
        self.offered.retain(|offered| !same(self::keyword(offered)));
        self.withheld.push(keyword.into());
        self
    }

    /// The size in octets that a mail may have. Default: 10485760.
    pub fn max_size(mut self, octets: u64) -> Self {
        self.max_size = octets;
        self
    }

    /// How many recipients a mail may have; more are refused with 452. Default: 1000.
    ///
    /// ```
    /// use ehlo::testing::Server;
    ///
    /// let server = Server::new().max_recipients(100); // the least that RFC 5321 §4.5.3.1.8 allows
    /// ```
    pub fn max_recipients(mut self, recipients: usize) -> Self {
        self.max_recipients = recipients;
        self
    }

    /// Listens on a free port of 127.0.0.1 and serves until the [`Running`] is dropped, up to 64
    /// connections at a time. Needs a runtime of tokio with I/O and time.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) where a value given to the server was not
    /// valid; else what the socket or the making of the certificate said.
    pub async fn start(self) -> io::Result<Running> {
        Running::start(self).await
    }

    /// Listens on a Unix socket at this path, as servers of LMTP do, and serves as
    /// [`start`](Self::start) does. The file is removed when the [`Running`] is dropped. There,
    /// `-- reset` is a close.
    ///
    /// ```
    /// use ehlo::testing::Server;
    /// use tokio::io::AsyncReadExt;
    /// use tokio::net::UnixStream;
    ///
    /// # async fn test() -> std::io::Result<()> {
    /// # let folder = std::env::temp_dir();
    /// let path = folder.join(format!("lmtp-{}", std::process::id()));
    /// let server = Server::new().lmtp().start_unix(&path).await?;
    /// let mut client = UnixStream::connect(&path).await?;
    /// let mut greeting = [0; 32];
    /// client.read_exact(&mut greeting).await?;
    /// assert_eq!(&greeting, b"220 mx.example.test LMTP ready\r\n");
    /// drop(server);
    /// assert!(!path.exists());
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start); [`AddrInUse`](io::ErrorKind::AddrInUse) where there is anything
    /// at the path, which is left as it is.
    #[cfg(unix)]
    pub async fn start_unix(self, path: impl AsRef<std::path::Path>) -> io::Result<Running> {
        Running::start_unix(self, path.as_ref())
    }

    /// Serves one stream, say an end of [`tokio::io::duplex`]. There, `-- reset` is a close.
    ///
    /// ```
    /// use tokio::io::{AsyncReadExt, duplex};
    ///
    /// # async fn test() -> std::io::Result<()> {
    /// let (mut client, server) = duplex(4096);
    /// let _server = ehlo::testing::Server::new().greeting("554 not today").serve(server)?;
    /// let mut greeting = [0; 15];
    /// client.read_exact(&mut greeting).await?;
    /// assert_eq!(&greeting, b"554 not today\r\n");
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    ///
    /// # Panics
    ///
    /// Outside of a runtime of tokio.
    pub fn serve<S>(self, stream: S) -> io::Result<Running>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Running::serve(self, stream)
    }

    fn refusal(&mut self, recipient: &str, reply: &str) -> Option<(ForwardPath, Reply)> {
        let recipient = self.valid(recipient.parse())?;
        let reply = self.reply(reply)?;
        if reply.is_negative() {
            return Some((recipient, reply));
        }
        let words = format!("reply \"{reply}\": not a refusal");
        self.fault.get_or_insert(words);
        None
    }

    pub(super) fn reply(&mut self, reply: &str) -> Option<Reply> {
        self.valid(reply.parse())
    }

    pub(super) fn valid<T>(&mut self, value: Result<T, impl fmt::Display>) -> Option<T> {
        match value {
            Ok(value) => Some(value),
            Err(error) => {
                self.fault.get_or_insert_with(|| error.to_string());
                None
            }
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("name", &self.name)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

/// The first word of a line of an EHLO reply.
pub(super) fn keyword(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

const DEFAULT_NAME: &str = "mx.example.test";
const DEFAULT_MECHANISMS: &str = "PLAIN LOGIN";
const DEFAULT_MAX_SIZE: u64 = 10_485_760;
/// As Postfix has it.
const DEFAULT_MAX_RECIPIENTS: usize = 1000;
