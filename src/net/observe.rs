//! Who is told of each step on the way to a server, and of each reply: the probe. What is made of it
//! is not here, and nothing here changes what is done.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;

use super::connect::ConnectFailure;
#[cfg(feature = "tls")]
use super::tls::TlsInfo;
use crate::error::Error;
use crate::protocol::{Session, Stage};

/// Someone who looks on. Nothing is waited for: what is told is to be noted and no more.
pub(crate) trait Observe: fmt::Debug + Send + Sync {
    /// A step begins. Of one that goes on it is said again.
    fn begins(&self, stage: Stage);

    /// The name has these addresses.
    fn resolved(&self, addresses: &[SocketAddr]);

    /// An attempt at an address, which began then, has made the connection or failed.
    fn tried(&self, address: SocketAddr, began: Instant, failure: Option<&ConnectFailure>);

    /// An attempt at an address, which began then, is given up: another was faster.
    fn outrun(&self, address: SocketAddr, began: Instant);

    /// The handshake is done.
    #[cfg(feature = "tls")]
    fn secured(&self, info: &TlsInfo);

    /// Something was said: the session lends it.
    fn heard(&self, session: &Session);

    /// A step could not be done.
    fn failed(&self, error: &Error);
}

/// Whoever looks on; mostly nobody.
#[derive(Debug, Clone, Default)]
pub(crate) struct Observer(Option<Arc<dyn Observe>>);

impl Observer {
    #[cfg(feature = "probe")]
    pub(crate) fn new(observer: Arc<dyn Observe>) -> Self {
        Self(Some(observer))
    }

    pub(crate) fn begins(&self, stage: Stage) {
        if let Some(observer) = &self.0 {
            observer.begins(stage);
        }
    }

    pub(crate) fn resolved(&self, addresses: &[SocketAddr]) {
        if let Some(observer) = &self.0 {
            observer.resolved(addresses);
        }
    }

    pub(super) fn tried(
        &self,
        address: SocketAddr,
        began: Instant,
        failure: Option<&ConnectFailure>,
    ) {
        if let Some(observer) = &self.0 {
            observer.tried(address, began, failure);
        }
    }

    pub(super) fn outrun(&self, address: SocketAddr, began: Instant) {
        if let Some(observer) = &self.0 {
            observer.outrun(address, began);
        }
    }

    #[cfg(feature = "tls")]
    pub(super) fn secured<'a>(&self, info: impl FnOnce() -> Option<&'a TlsInfo>) {
        if let Some(observer) = &self.0
            && let Some(info) = info()
        {
            observer.secured(info);
        }
    }

    pub(super) fn heard(&self, session: &Session) {
        if let Some(observer) = &self.0 {
            observer.heard(session);
        }
    }

    pub(super) fn failed(&self, error: &Error) {
        if let Some(observer) = &self.0 {
            observer.failed(error);
        }
    }
}
