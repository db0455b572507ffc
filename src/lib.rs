//! SMTP and LMTP conversations: typed, bounded, sans-IO below and tokio on top.
#![cfg_attr(
    not(feature = "net"),
    allow(dead_code, reason = "some helpers serve the driver alone")
)]

mod auth;
mod error;
mod extension;
#[cfg(feature = "net")]
mod net;
mod protocol;
#[cfg(feature = "testing")]
pub mod testing;
mod wire;

pub use auth::*;
pub use error::{Error, ErrorKind};
pub use extension::*;
#[cfg(feature = "net")]
pub use net::*;
pub use protocol::*;
pub use wire::*;
