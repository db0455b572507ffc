//! A server that runs: its connections, what they left behind, and its end.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
#[cfg(unix)]
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::connection::{Connection, Io};
use super::listener::Listener;
#[cfg(unix)]
use super::listener::SocketFile;
use super::peer::Peer;
use super::play::{self, ScriptError};
use super::received::Received;
use super::script::{Script, ScriptLine, ScriptStep};
use super::server::Server;
use super::tls::Identity;
use crate::Escaped;
use crate::wire::leak;

/// A [`Server`] at work. It stops when this is dropped.
pub struct Running {
    addr: SocketAddr,
    #[cfg(unix)]
    socket: Option<SocketFile>,
    service: Arc<Service>,
    task: JoinHandle<()>,
}

/// What every connection needs.
struct Service {
    server: Server,
    identity: Identity,
    state: watch::Sender<State>,
}

/// What the connections have left behind.
#[derive(Default)]
struct State {
    mails: Vec<Received>,
    sessions: Vec<Session>,
    faults: Vec<ScriptError>,
    stop: bool,
}

#[derive(Default)]
struct Session {
    log: String,
    /// The step of the script that is being played.
    step: usize,
    /// The script has been played, or has failed.
    played: bool,
    ended: bool,
}

impl Running {
    pub(super) async fn start(server: Server) -> io::Result<Self> {
        let service = Service::new(server)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let listener = Listener::Tcp(listener);
        let task = tokio::spawn(accept(listener, Arc::clone(&service)));
        Ok(Self {
            addr,
            #[cfg(unix)]
            socket: None,
            service,
            task,
        })
    }

    #[cfg(unix)]
    pub(super) fn start_unix(server: Server, path: &Path) -> io::Result<Self> {
        let service = Service::new(server)?;
        let (listener, socket) = SocketFile::bind(path)?;
        let task = tokio::spawn(accept(listener, Arc::clone(&service)));
        Ok(Self { addr: NOWHERE, socket: Some(socket), service, task })
    }

    pub(super) fn serve(server: Server, stream: impl Io + 'static) -> io::Result<Self> {
        let service = Service::new(server)?;
        let session = Arc::clone(&service).session(Box::new(stream));
        Ok(Self {
            addr: NOWHERE,
            #[cfg(unix)]
            socket: None,
            service,
            task: tokio::spawn(session),
        })
    }

    /// Where it listens: a port of 127.0.0.1. The port is 0 for a server that listens at none: at a
    /// path, or nowhere, serving one given stream.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The port of [`addr`](Self::addr).
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.addr.port()
    }

    /// The path of its Unix socket, made absolute, if it [listens at one](Server::start_unix).
    #[cfg(unix)]
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.socket.as_ref().map(|socket| &*socket.path)
    }

    /// The certificate of the authority that has signed the server's own, in PEM: what a client has
    /// to trust. Both were made when the server started, and are gone with it.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.service.identity.ca_pem
    }

    /// The mails that were accepted so far, in order.
    #[must_use]
    pub fn mails(&self) -> Vec<Received> {
        self.service.state.borrow().mails.clone()
    }

    /// Waits until at least `count` mails have been accepted, and gives all.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](io::ErrorKind::TimedOut) where they have not come within 5 seconds.
    pub async fn received(&self, count: usize) -> io::Result<Vec<Received>> {
        let mut state = self.service.state.subscribe();
        let all = state.wait_for(|state| state.mails.len() >= count);
        if let Ok(Ok(state)) = tokio::time::timeout(PATIENCE, all).await {
            return Ok(state.mails.clone());
        }
        let came = self.service.state.borrow().mails.len();
        let patience = PATIENCE.as_secs();
        let words = format!("{came} of {count} mails came within {patience} s");
        Err(io::Error::new(io::ErrorKind::TimedOut, words))
    }

    /// What was said, a text for each connection in the order in which they came.
    ///
    /// Each is itself a [`Script`], with `<secret>` in the place of what AUTH carries and
    /// `<content N>` in that of content. Of a long session only the first 256 KiB are kept.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        let state = self.service.state.borrow();
        let log = |session: &Session| session.log.clone();
        state.sessions.iter().map(log).collect()
    }

    /// Waits until the script has been played on every connection, stops the server, and says
    /// whether all clients kept to the script. A server without a script stops at once.
    ///
    /// # Errors
    ///
    /// The first departure from the script: another line than the script has, octets after its
    /// end, a client that went early; one that said nothing for 5 seconds beyond what the script
    /// itself waits; or no client at all.
    pub async fn finish(self) -> Result<(), ScriptError> {
        let Some(script) = &self.service.server.script else {
            return Ok(());
        };
        let mut state = self.service.state.subscribe();
        let played = |state: &State| {
            !state.sessions.is_empty() && state.sessions.iter().all(|session| session.played)
        };
        let patience = PATIENCE + waits(script);
        let in_time = tokio::time::timeout(patience, state.wait_for(played));
        if in_time.await.is_err() {
            return Err(self.unplayed(script));
        }
        self.service.state.send_modify(|state| state.stop = true);
        let ended = |state: &State| state.sessions.iter().all(|session| session.ended);
        // A session that hangs in a write is ended by the drop.
        let _ = tokio::time::timeout(PATIENCE, state.wait_for(ended)).await;
        let state = self.service.state.borrow();
        state.faults.first().cloned().map_or(Ok(()), Err)
    }

    fn unplayed(&self, script: &Script) -> ScriptError {
        let state = self.service.state.borrow();
        if let Some(fault) = state.faults.first() {
            return fault.clone();
        }
        let waiting = state.sessions.iter().find(|session| !session.played);
        let step = waiting.map_or(0, |session| session.step);
        let came = match waiting {
            Some(_) => format!("nothing within {} s", PATIENCE.as_secs()),
            None => "no client".to_owned(),
        };
        ScriptError::at(script, step, came)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
        leak::again();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("addr", &self.addr)
            .field("server", &self.service.server)
            .finish_non_exhaustive()
    }
}

impl Service {
    fn new(server: Server) -> io::Result<Arc<Self>> {
        if let Some(fault) = &server.fault {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, fault.clone()));
        }
        let identity = Identity::new(&server.name, &server.tls)?;
        let (state, _) = watch::channel(State::default());
        Ok(Arc::new(Self { server, identity, state }))
    }

    /// The session is known as soon as this is called, before it is polled.
    fn session(self: Arc<Self>, stream: Box<dyn Io>) -> impl Future<Output = ()> + Send + 'static {
        let mut index = 0;
        self.state.send_modify(|state| {
            index = state.sessions.len();
            state.sessions.push(Session::default());
        });
        let log = Log { service: Arc::clone(&self), index };
        async move {
            let mut connection = Connection::new(stream, self.server.pace, log.clone());
            let identity = &self.identity;
            match &self.server.script {
                Some(script) => play::play(&mut connection, script, identity).await,
                // That the client went is for the client's test to see.
                None => drop(Peer::new(&mut connection, &self.server, identity).run().await),
            }
            drop(connection);
            log.with(|session| session.ended = true);
        }
    }
}

/// Serves each connection as it comes.
async fn accept(listener: Listener, service: Arc<Service>) {
    let mut open = JoinSet::new();
    loop {
        while open.try_join_next().is_some() {}
        if open.len() >= MOST_OPEN {
            open.join_next().await;
        }
        match listener.accept(service.server.script.as_ref()).await {
            Ok(stream) => {
                open.spawn(Arc::clone(&service).session(stream));
            }
            // The client is gone already, or there are no file descriptors left.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Where a connection leaves behind what is asked for later.
#[derive(Clone)]
pub(super) struct Log {
    service: Arc<Service>,
    index: usize,
}

impl Log {
    pub(super) fn client(&self, line: &[u8]) {
        let line = line.strip_suffix(b"\r\n").unwrap_or(line);
        self.line("C:", &Escaped::new(line));
    }

    pub(super) fn server(&self, octets: &[u8]) {
        for line in octets.split_inclusive(|octet| *octet == b'\n') {
            match line.strip_suffix(b"\r\n") {
                Some(line) => self.line("S:", &Escaped::new(line)),
                None => self.line("S!", &Escaped::new(line)),
            }
        }
    }

    pub(super) fn between(&self, what: impl fmt::Display) {
        self.line("--", &what);
    }

    /// Why a handshake came to nothing: a comment, since no script can play it.
    pub(super) fn note(&self, error: &io::Error) {
        let error = error.to_string();
        self.line("#", &format_args!("TLS: {}", Escaped::new(error.as_bytes())));
    }

    /// A line of the script, as it stands there.
    pub(super) fn script(&self, line: &ScriptLine) {
        let line = line.to_string();
        self.line(line.get(..2).unwrap_or_default(), &line.get(3..).unwrap_or_default());
    }

    pub(super) fn mail(&self, mail: Received) {
        self.service.state.send_modify(|state| state.mails.push(mail));
    }

    pub(super) fn step(&self, step: usize) {
        self.with(|session| session.step = step);
    }

    /// The script has been played, or has failed.
    pub(super) fn played(&self) {
        self.with(|session| session.played = true);
    }

    pub(super) fn fault(&self, fault: ScriptError) {
        let faults = |state: &mut State| state.faults.push(fault);
        self.service.state.send_modify(faults);
    }

    /// Waits until the server is to stop.
    pub(super) async fn stopped(&self) {
        let mut state = self.service.state.subscribe();
        let _ = state.wait_for(|state| state.stop).await;
    }

    fn line(&self, mark: &str, text: &dyn fmt::Display) {
        let text = text.to_string();
        leak::search(&text);
        self.with(|session| {
            let log = &mut session.log;
            if log.len() > MOST_LOG {
                return;
            }
            log.push_str(mark);
            if !text.is_empty() {
                log.push(' ');
                log.push_str(&text);
            }
            log.push('\n');
            if log.len() > MOST_LOG {
                log.push_str("# the rest is left out\n");
            }
        });
    }

    fn with(&self, change: impl FnOnce(&mut Session)) {
        self.service.state.send_modify(|state| {
            state.sessions.get_mut(self.index).map(change);
        });
    }
}

fn waits(script: &Script) -> Duration {
    let wait = |step: &ScriptStep| match step {
        ScriptStep::Wait(time) => *time,
        _ => Duration::ZERO,
    };
    script.lines().iter().map(|line| wait(line.step())).sum()
}

/// The address of what listens at no port.
const NOWHERE: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));
/// Far more than anything on loopback takes, and short enough for a test that fails.
const PATIENCE: Duration = Duration::from_secs(5);
/// Connections served at a time; more wait to be accepted.
const MOST_OPEN: usize = 64;
/// Octets of log kept for a session.
const MOST_LOG: usize = 256 * 1024;
