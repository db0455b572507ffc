//! Every script of `tests/scripts/`, played on `Session` whole, by line and by octet.

use std::panic::catch_unwind;
use std::path::Path;

use sans_io::player::{Pieces, play};
use sans_io::script::Script;

fn scripts() -> Vec<Script> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts");
    let scripts = Script::all(&folder);
    assert!(scripts.len() > 50, "only {} scripts", scripts.len());
    scripts
}

#[test]
fn every_script_is_concluded_alike_in_pieces_of_any_size() {
    let failed: Vec<_> = scripts()
        .into_iter()
        .filter(|script| catch_unwind(|| is_concluded_alike(script)).is_err())
        .map(|script| script.name)
        .collect();
    assert!(failed.is_empty(), "failed: {}", failed.join(" "));
}

fn is_concluded_alike(script: &Script) {
    let whole = play(script, Pieces::Whole);
    for pieces in [Pieces::Lines, Pieces::Octets] {
        assert_eq!(play(script, pieces), whole, "{} {pieces:?}", script.name);
    }
}

/// A transcript is a script: it plays again, and is heard alike.
#[test]
fn a_transcript_plays_again() {
    for script in scripts() {
        let heard = play(&script, Pieces::Whole);
        let transcript = script.as_transcript();
        // What a server has proved itself by is not in it, and is not heard again.
        let is_masked = transcript.contains("S: 334 <secret>");
        if is_masked || heard.iter().any(|line| line.starts_with("violation")) {
            continue;
        }
        let mut again = Script::parse(&script.name, &transcript);
        again.setup = script.setup;
        // Whether a server was verified is not in a transcript.
        if script.lines.iter().all(|line| !format!("{:?}", line.does).contains("verified: false")) {
            assert_eq!(play(&again, Pieces::Whole), heard, "{}", script.name);
        }
    }
}
