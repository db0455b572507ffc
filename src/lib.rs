//! SMTP and LMTP conversations: typed, bounded, sans-IO below and tokio on top.

mod wire;

pub use wire::*;
