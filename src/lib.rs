//! SMTP and LMTP conversations: typed, bounded, sans-IO below and tokio on top.

#[cfg(feature = "net")]
mod net;
mod wire;

#[cfg(feature = "net")]
pub use net::*;
pub use wire::*;
