//! A stream that takes whatever a `Session` writes.

use ehlo::{Session, Step};

/// Writes all there is; says what it was.
pub fn written(session: &mut Session, mut content: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    while let Ok(Step::Write(_)) = session.poll() {
        session.write_to(&mut wire, &mut content).unwrap();
    }
    wire
}
