//! The rows under valgrind: the counters are set to zero where a row begins and written out where
//! it ends, so that what prepares a row does not count, and one run measures all.

use std::collections::HashMap;
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

/// Prints where the instructions of some rows go: the functions that take most, without what they
/// call, and the lines of source.
pub(crate) fn profile(part: &str) -> Result<()> {
    let folder = folder()?;
    for (n, row) in run(&folder, part)?.lines().enumerate() {
        let (name, units, _) = split(row).ok_or_else(|| Error::other(row))?;
        let dump = std::fs::read_to_string(dump(&folder, n))?;
        let costs = Costs::of(&dump);
        println!("\n=== {name}, instructions a unit\n");
        for (what, cost) in most(costs.functions).into_iter().take(FUNCTIONS) {
            println!("{:9.2}  {what}", cost as f64 / units);
        }
        println!();
        for (what, cost) in most(costs.lines).into_iter().take(LINES) {
            println!("{:9.2}  {what}", cost as f64 / units);
        }
    }
    std::fs::remove_dir_all(folder)
}

/// Functions and lines of source that a profile shows.
const FUNCTIONS: usize = 25;
const LINES: usize = 40;

/// What was spent in each function and on each line, calls not counted.
#[derive(Default)]
struct Costs {
    functions: HashMap<String, u64>,
    lines: HashMap<String, u64>,
}

impl Costs {
    /// Of a dump in the format of callgrind, where a name is spelled once, `fn=(1) main`, and then
    /// stands for its number, and a line number may be relative to the one before.
    fn of(dump: &str) -> Self {
        let mut costs = Self::default();
        let mut names: HashMap<(bool, &str), &str> = HashMap::new();
        let (mut function, mut file) = ("?", "?");
        let mut at = 0_i64;
        let mut is_call = false;
        for line in dump.lines() {
            if let Some((key, value)) = line.split_once('=') {
                let is_function = key.ends_with("fn");
                let (number, name) = value.split_once(' ').unwrap_or((value, ""));
                if !name.is_empty() {
                    names.insert((is_function, number), name);
                }
                let name = names.get(&(is_function, number)).copied().unwrap_or(value);
                match key {
                    "fn" => function = name,
                    "fl" | "fi" | "fe" => file = name,
                    "calls" => is_call = true,
                    _ => {}
                }
                continue;
            }
            let mut parts = line.split(' ');
            let (Some(place), Some(cost), None) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            let Ok(cost) = cost.parse::<u64>() else { continue };
            match (place.as_bytes().first(), place.parse::<i64>()) {
                (Some(b'+' | b'-'), Ok(by)) => at += by,
                (_, Ok(line)) => at = line,
                _ if place == "*" => {}
                _ => continue,
            }
            // What a call cost is told behind it: it is the other function's.
            if !std::mem::take(&mut is_call) {
                *costs.functions.entry(function.to_owned()).or_default() += cost;
                *costs.lines.entry(format!("{file}:{at}")).or_default() += cost;
            }
        }
        costs
    }
}

fn most(costs: HashMap<String, u64>) -> Vec<(String, u64)> {
    let mut costs: Vec<_> = costs.into_iter().collect();
    costs.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
    costs
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
