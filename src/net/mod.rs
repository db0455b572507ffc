//! Sockets, TLS and the clock: the only place that names tokio or rustls. Order and octets are
//! decided below, in the session; here they are carried.
//!
//! | file | what it holds |
//! |---|---|
//! | `security` | how a connection is to be protected: the choice |
//! | `connect` | from a host's name to a TCP connection |
//! | `stream` | what carries the octets: TCP, Unix, given, TLS over each |
//! | `tls/` | trust, crypto provider, handshake, and why one failed |
//! | `timeouts` | how long each stage may take |

// Until the driver stands on it.
#![allow(dead_code)]

mod connect;
mod security;
mod stream;
mod timeouts;
#[cfg(feature = "tls")]
mod tls;

pub use connect::{ConnectAttempt, ConnectFailure, ConnectFault, ResolveFault};
pub use security::{InvalidSecurity, Security};
pub use timeouts::Timeouts;
#[cfg(feature = "tls")]
pub use tls::{
    Crypto, InvalidRoots, InvalidTlsOptions, RootCertificates, TlsFault, TlsInfo, TlsReason,
    TlsVersion, Trust,
};
