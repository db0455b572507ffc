//! Watches many servers: when each is probed, what its reports make of it, and whom it tells.
//!
//! | file | what it holds |
//! |---|---|
//! | `settings` | how often, how many at once, what counts: the settings |
//! | `watch` | the loop: what is due is probed, what has ended is judged |
//! | `server` | one server: what its last reports say of it |
//! | `damping` | how often something must be said in a row before it is believed |
//! | `event` | what is told, and its words |
//! | `random` | the numbers that jitter is made of |
//! | `numbers` | the same for machines (feature `metrics`) |

mod damping;
mod event;
#[cfg(feature = "metrics")]
mod numbers;
mod random;
mod server;
mod settings;
mod watch;

pub use event::{Change, Degradation, Health, MonitorEvent};
pub use server::Watched;
pub use watch::Monitor;
