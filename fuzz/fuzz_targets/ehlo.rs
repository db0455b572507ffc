#![no_main]
//! Octets as the reply to EHLO: each keyword is where a plain look finds it, and every extension
//! reads what is offered or refuses it.

use ehlo::{
    Atrn, Auth, BinaryMime, Burl, Capabilities, Checkpoint, Chunking, Conneg, Conperm, DeliverBy,
    Dsn, EightBitMime, EnhancedStatusCodes, Etrn, Extension, FutureRelease, MtPriority, Mtrk,
    NoSoliciting, Pipelining, Prdr, ReplyKind, ReplyRef, RequireTls, Rrvs, ServerLimits, Size,
    SmtpUtf8, StartTls, Strictness, Submitter, Xclient, Xforward, Xverp,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(Some((reply, _))) = ReplyRef::parse(data, ReplyKind::Hello, Strictness::Lenient) else {
        return;
    };
    let offered = Capabilities::parse(reply);
    assert!(!format!("{offered:?}").contains(|c: char| c.is_control() && c != '\n'));
    for keyword in offered.keywords() {
        assert!(!keyword.to_string().contains(char::is_control), "{keyword:?}");
    }
    let names: Vec<&str> = offered.keywords().map(|keyword| keyword.name()).collect();
    for name in &names {
        assert!(offered.has(name) && offered.has(&name.to_ascii_lowercase()), "{name}");
        assert!(!name.is_empty() && !name.contains([' ', '\n']), "{name:?}");
    }
    // The first line names the server; no keyword comes of it.
    let said: Vec<String> =
        reply.lines().skip(1).map(|line| String::from_utf8_lossy(line).to_uppercase()).collect();
    for name in &names {
        let name = name.to_uppercase();
        assert!(said.iter().any(|line| line.contains(&name)), "{name} in {said:?}");
    }
    extensions!(offered; Atrn, Auth, BinaryMime, Burl, Checkpoint, Chunking, Conneg, Conperm, DeliverBy,
        Dsn, EightBitMime, EnhancedStatusCodes, Etrn, FutureRelease, MtPriority, Mtrk, NoSoliciting,
        Pipelining, Prdr, RequireTls, Rrvs, ServerLimits, Size, SmtpUtf8, StartTls, Submitter,
        Xclient, Xforward, Xverp);
});

/// Each is there only where its keyword is, and asks for no memory that the offer has not.
#[macro_export]
macro_rules! extensions {
    ($offered:expr; $($extension:ty),*) => {$(
        let found = $offered.get::<$extension>();
        assert!(found.is_none() || $offered.has(<$extension>::KEYWORD));
        assert!(format!("{found:?}").len() < 64 * 1024);
    )*};
}
