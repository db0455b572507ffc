//! The examples, run as a user runs them.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

/// A run that has ended.
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
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
    Ran {
        status: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
