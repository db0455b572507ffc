//! The rows under valgrind: the counters are set to zero where a row begins and written out where
//! it ends, so that what prepares a row does not count, and one run measures all.

use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::figures::{Figure, Figures};

/// The argument by which the program knows that it is the one that is measured.
pub(crate) const CHILD: &str = "--measured";

/// The function around what is measured, and the one that it calls at its end.
const MEASURED: &str = "instructions::rows::measured";
const OVER: &str = "instructions::rows::over";

/// Measures every row.
pub(crate) fn measure() -> Result<Figures> {
    let folder = folder()?;
    let rows = run(&folder, "")?;
    let mut figures = Figures::of_this_compiler()?;
    for (n, row) in rows.lines().enumerate() {
        let dump = std::fs::read_to_string(dump(&folder, n))?;
        let (name, units, allocations) = split(row).ok_or_else(|| Error::other(row))?;
        let total = dump.lines().find_map(|line| line.strip_prefix("totals: "));
        let total: f64 = total.and_then(|total| total.parse().ok()).unwrap_or_default();
        let instructions = total / units;
        figures.push(name, Figure { instructions, allocations: allocations / units });
    }
    std::fs::remove_dir_all(folder)?;
    Ok(figures)
}

/// Prints where the instructions of some rows go, function by function.
pub(crate) fn profile(part: &str) -> Result<()> {
    let folder = folder()?;
    for (n, row) in run(&folder, part)?.lines().enumerate() {
        println!("\n=== {row}");
        for inclusive in ["no", "yes"] {
            let inclusive = format!("--inclusive={inclusive}");
            Command::new("callgrind_annotate")
                .args([&inclusive, "--auto=no", "--threshold=98"])
                .arg(dump(&folder, n))
                .status()?;
        }
    }
    println!("\nkept in {}", folder.display());
    Ok(())
}

/// Runs the rows whose names contain `part`; gives the lines they print.
fn run(folder: &Path, part: &str) -> Result<String> {
    let out = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", folder.join("out").display()))
        .arg(format!("--zero-before={MEASURED}"))
        .arg(format!("--dump-before={OVER}"))
        .arg(std::env::current_exe()?)
        .args([CHILD, part])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Error::other(format!("valgrind cannot be run: {error}")))?;
    match out.status.success() {
        true => String::from_utf8(out.stdout).map_err(Error::other),
        false => Err(Error::other("the measured program failed")),
    }
}

/// What was counted in one row: dumps are numbered from 1.
fn dump(folder: &Path, row: usize) -> PathBuf {
    folder.join(format!("out.{}", row + 1))
}

/// Name, units and allocations.
fn split(row: &str) -> Option<(&str, f64, f64)> {
    let mut parts = row.split('\t');
    let name = parts.next()?;
    Some((name, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn folder() -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("ehlo-instructions-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
