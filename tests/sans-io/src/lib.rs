//! What the tests of this package share. The files stand in `tests/support/`, where the tests of
//! the crate itself find them too.

#[path = "../../support/any_calls.rs"]
pub mod any_calls;
#[path = "../../support/player.rs"]
pub mod player;
#[path = "../../support/script.rs"]
pub mod script;
#[path = "../../support/stream.rs"]
pub mod stream;
