//! What all connections of a connector have in common. Most connections are idle most of the time:
//! what they share each of them holds as one pointer.

use std::sync::Arc;
#[cfg(feature = "tls")]
use std::sync::OnceLock;

use super::Timeouts;
use super::observe::Observer;
use super::policy::Policy;
#[cfg(feature = "tls")]
use super::secure::Prepared;
use crate::protocol::SessionConfig;

/// The settings of a [`Connector`](super::Connector) that its connections need after they are made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Common {
    /// The server's name or address; of a Unix socket, its path to be shown.
    pub(super) host: String,
    pub(super) timeouts: Timeouts,
    pub(super) session: Arc<SessionConfig>,
    pub(super) policy: Policy,
    /// Prepared at the first connection, and shared by all that follow.
    #[cfg(feature = "tls")]
    pub(super) tls: Arc<OnceLock<Prepared>>,
    pub(super) observer: Observer,
}

impl Common {
    /// Changes what sessions are told.
    pub(super) fn change_session(&mut self, change: impl FnOnce(SessionConfig) -> SessionConfig) {
        let session = Arc::make_mut(&mut self.session);
        *session = change(std::mem::take(session));
    }
}
