//! The examples, run as a user runs them.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::Value;

/// A run that has ended.
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    #[allow(dead_code, reason = "not every test asks for it")]
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|why| panic!("{why}: {}", self.out))
    }
}

/// Beside this test: cargo builds examples before it runs tests, but not for `--test examples`.
fn binary(example: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let binary = profile.join("examples").join(example);
    if !binary.exists() {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo.args(["build", "--examples", "--target-dir"]);
        let built = cargo.arg(profile.parent().unwrap()).status().unwrap();
        assert!(built.success());
    }
    binary
}

/// Runs an example with these arguments, words parted by spaces (`''` is empty), while the servers
/// of the test go on.
pub(crate) async fn run(example: &str, arguments: &str, stdin: impl Into<Vec<u8>>) -> Ran {
    run_as("wonderland", example, arguments, stdin).await
}

pub(crate) async fn run_as(
    password: &str,
    example: &str,
    arguments: &str,
    stdin: impl Into<Vec<u8>>,
) -> Ran {
    let mut command = Command::new(binary(example));
    let words = arguments.split_whitespace();
    command
        .args(words.map(|word| if word == "''" { "" } else { word }))
        .env("EHLO_PASSWORD", password)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let stdin = stdin.into();
    let run = move || {
        let mut child = command.spawn().unwrap();
        // A program that refuses its arguments does not read.
        let _ = child.stdin.take().unwrap().write_all(&stdin);
        child.wait_with_output().unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let ran = Ran {
        status: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    };
    assert_eq!(shown(password, &ran), None, "{example} {arguments} shows the password");
    ran
}

/// T11: the password, or its base64 in any line, where it stands in what was printed.
fn shown(password: &str, ran: &Ran) -> Option<String> {
    // What is shorter stands there by chance.
    let needles = (0..3).filter(|_| password.len() >= 8).map(|before| {
        let padded = [&"xxx"[..before], password].concat();
        let own = (before * 8).div_ceil(6)..padded.len() * 8 / 6;
        STANDARD_NO_PAD.encode(padded)[own].to_owned()
    });
    let mut needles = needles.chain((password.len() >= 8).then(|| password.to_owned()));
    needles.find(|needle| ran.out.contains(needle) || ran.err.contains(needle))
}

#[test]
fn t11_a_password_that_is_printed_is_found() {
    let printed = |out: &str, err: &str| {
        let ran = Ran { status: 0, out: out.to_owned(), err: err.to_owned() };
        shown("wonderland", &ran).is_some()
    };
    assert!(!printed("wonder", "land"));
    assert!(printed("a wonderland", "") && printed("", "error: wonderland"));
    for before in ["", "a", "\0tim\0"] {
        assert!(printed(&STANDARD_NO_PAD.encode(format!("{before}wonderland")), ""), "{before}");
    }
}
