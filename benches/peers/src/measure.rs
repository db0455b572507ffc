//! How a figure is found: processes of this program and of others, under callgrind, under strace,
//! or against one another by turns.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::micro::{ROWS, Row, TIMES};

/// Pairs of runs for a ratio: A B A B.
const PAIRS: usize = 31;

/// So many from either end of them: between these two lies, in 97 of 100 such measurements, the
/// median of all pairs that could be run (what is outside has less than 10 of 31 tosses of a coin).
const SURE: usize = 9;

/// The sink, while this lives.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) fn start(kind: &str) -> Self {
        let mut child =
            this().args(["sink", kind]).stdout(Stdio::piped()).spawn().expect("the sink");
        let mut line = String::new();
        let out = child.stdout.take().expect("a pipe");
        BufReader::new(out).read_line(&mut line).expect("a port");
        Self { child, port: line.trim().parse().expect("a port") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn this() -> Command {
    Command::new(std::env::current_exe().expect("this program"))
}

fn output(command: &mut Command) -> (String, String) {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{command:?}: {err}");
    (out.into_owned(), err.into_owned())
}

/// What a job has printed.
fn ran(verb: &str, arguments: [String; 5]) -> BTreeMap<String, f64> {
    let (out, _) = output(this().arg(verb).args(arguments));
    let pair = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    out.lines().filter_map(pair).collect()
}

fn arguments(who: &str, what: &str, times: usize, size: usize, port: u16) -> [String; 5] {
    [who.to_owned(), what.to_owned(), times.to_string(), size.to_string(), port.to_string()]
}

/// A run of which the allocations are counted.
pub(crate) fn send(
    who: &str,
    what: &str,
    times: usize,
    size: usize,
    port: u16,
) -> BTreeMap<String, f64> {
    ran("send-counted", arguments(who, what, times, size, port))
}

/// How many seconds a run takes of which they are not.
pub(crate) fn seconds(who: &str, what: &str, times: usize, size: usize, port: u16) -> f64 {
    ran("send", arguments(who, what, times, size, port))["nanoseconds"] / 1e9
}

/// Instructions of a whole process in user space.
fn instructions(program: &str, arguments: &[String], library_path: Option<&str>) -> f64 {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", program]).args(arguments);
    if let Some(path) = library_path {
        command.env("LD_LIBRARY_PATH", path);
    }
    let (_, said) = output(&mut command);
    let line = said.lines().find_map(|line| line.split_once("Collected :")).expect("a count");
    line.1.trim().parse().expect("a count")
}

fn own_instructions(arguments: [String; 5]) -> f64 {
    let program = std::env::current_exe().expect("this program");
    instructions(program.to_str().expect("a path"), &with_verb(arguments), None)
}

fn with_verb(arguments: [String; 5]) -> Vec<String> {
    ["send".to_owned()].into_iter().chain(arguments).collect()
}

/// System calls of a whole process.
fn calls(program: &str, arguments: &[String], library_path: Option<&str>) -> f64 {
    let report = std::env::temp_dir().join(format!("ehlo-peers-strace-{}", std::process::id()));
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-o"]).arg(&report).arg(program).args(arguments);
    if let Some(path) = library_path {
        command.env("LD_LIBRARY_PATH", path);
    }
    output(&mut command);
    let text = std::fs::read_to_string(&report).expect("a report");
    let _ = std::fs::remove_file(&report);
    let total = text.lines().find(|line| line.ends_with("total")).expect("a total");
    total.split_whitespace().nth(3).and_then(|calls| calls.parse().ok()).expect("a count")
}

/// What a unit of a row costs.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) instructions: f64,
    allocations: f64,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = grouped(self.instructions);
        match self.allocations {
            few if few < 0.005 => f.write_str(&shown),
            many => write!(f, "{shown} and {} allocations", grouped(many)),
        }
    }
}

/// The costs of all rows, in their order, and within a row in the order of `who`: one process under
/// callgrind, which writes a file behind each call of the function that is counted.
pub(crate) fn micro() -> Vec<Vec<Cost>> {
    let folder = std::env::temp_dir().join(format!("ehlo-peers-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let out = folder.join("counts");
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--zero-before=ehlo_peers_measured"])
        .arg("--dump-after=ehlo_peers_measured")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe().expect("this program"))
        .arg("micro");
    let (said, _) = output(&mut command);
    let mut number = 0;
    let mut calls = said.lines();
    let mut cost = |row: &Row| {
        number += 1;
        let text = std::fs::read_to_string(folder.join(format!("counts.{number}")));
        let text = text.expect("a file of counts");
        let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
        let total: f64 = total.and_then(|total| total.trim().parse().ok()).expect("a count");
        let calls: f64 = calls.next().and_then(|calls| calls.parse().ok()).expect("a count");
        // A stuffer works a content at a time: that it allocates is told for the whole.
        let per = if row.units > 1000 { 1 } else { row.units };
        Cost {
            instructions: total / (TIMES * row.units) as f64,
            allocations: calls / (TIMES * per) as f64,
        }
    };
    let costs = ROWS.iter().map(|row| row.who.iter().map(|_| cost(row)).collect()).collect();
    let _ = std::fs::remove_dir_all(&folder);
    costs
}

/// What a mail costs over a connection.
#[derive(Clone)]
pub(crate) struct MailCost {
    pub(crate) instructions: f64,
    pub(crate) calls: f64,
    pub(crate) allocations: f64,
}

impl fmt::Display for MailCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = [self.instructions, self.calls, self.allocations].map(grouped);
        f.write_str(&figures.join(", "))
    }
}

const FEW: usize = 100;
const MANY: usize = 400;

pub(crate) fn mail(who: &str, size: usize, port: u16) -> MailCost {
    let program = std::env::current_exe().expect("this program");
    let program = program.to_str().expect("a path");
    let each = (MANY - FEW) as f64;
    let run = |times| with_verb(arguments(who, "mails", times, size, port));
    let count = |times| instructions(program, &run(times), None);
    let called = |times| calls(program, &run(times), None);
    let allocated = |times| send(who, "mails", times, size, port)["allocations"];
    MailCost {
        instructions: (count(MANY) - count(FEW)) / each,
        calls: (called(MANY) - called(FEW)) / each,
        allocations: (allocated(MANY) - allocated(FEW)) / each,
    }
}

/// Instructions of a recipient, of a thousand in one mail; the envelope is there before.
pub(crate) fn recipient(who: &str, port: u16) -> f64 {
    let count = |times| own_instructions(arguments(who, "recipients", times, 1000, port));
    (count(3) - count(1)) / 2000.0
}

/// How much of one there is in another: the median of pairs, between what it surely lies, and the
/// best of the one beside the best of the other, which other work on the machine disturbs least.
pub(crate) struct Ratio {
    median: f64,
    low: f64,
    high: f64,
    best: f64,
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, low, high, best } = self;
        write!(f, "{median:.2} ({low:.2}–{high:.2}, best to best {best:.2})")
    }
}

impl Ratio {
    /// Whether it is so much at least; on a machine that is busy with other work, this run may not
    /// be able to tell.
    pub(crate) fn reaches(&self, target: f64) -> Verdict {
        if self.low >= target {
            Verdict::Met
        } else if self.high < target {
            Verdict::Missed
        } else {
            Verdict::Undecided
        }
    }
}

/// What a figure says of its target.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Met,
    Missed,
    /// The target is among what the median may be.
    Undecided,
    /// There is no target.
    None,
}

impl From<bool> for Verdict {
    fn from(is_met: bool) -> Self {
        if is_met { Self::Met } else { Self::Missed }
    }
}

/// Two by turns, each giving so many of something in a second.
pub(crate) fn ratio(one: &dyn Fn() -> f64, other: &dyn Fn() -> f64) -> Ratio {
    let pairs: Vec<(f64, f64)> = (0..PAIRS).map(|_| (one(), other())).collect();
    let mut ratios: Vec<f64> = pairs.iter().map(|(one, other)| one / other).collect();
    ratios.sort_by(f64::total_cmp);
    let (ones, others): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    let most = |rates: Vec<f64>| rates.into_iter().fold(0.0, f64::max);
    Ratio {
        median: ratios[PAIRS / 2],
        low: ratios[SURE],
        high: ratios[PAIRS - 1 - SURE],
        best: most(ones) / most(others),
    }
}

/// Postfix's own client for such measurements, in C.
pub(crate) struct SmtpSource {
    program: String,
    library_path: String,
    port: u16,
}

/// Where the script beside `Cargo.toml` has found it.
pub(crate) fn smtp_source(port: u16) -> Result<SmtpSource, String> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("smtp-source");
    let done = Command::new(&script).output();
    let done = done.map_err(|error| format!("{}: {error}", script.display()))?;
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let mut lines = text.lines();
    match (done.status.success(), lines.next(), lines.next()) {
        (true, Some(program), Some(library_path)) => Ok(SmtpSource {
            program: program.to_owned(),
            library_path: library_path.to_owned(),
            port,
        }),
        _ => Err("smtp-source is missing (root and Debian are needed)".to_owned()),
    }
}

impl SmtpSource {
    fn arguments(&self, mails: usize) -> Vec<String> {
        let to = format!("127.0.0.1:{}", self.port);
        let mails = mails.to_string();
        ["-d", "-s", "1", "-m", &mails, "-l", "2048", "-f", "a@b.example", "-t", "c@d.example", &to]
            .map(str::to_owned)
            .to_vec()
    }

    /// The whole process: its start is little beside thousands of mails.
    pub(crate) fn seconds(&self, mails: usize) -> f64 {
        let mut command = Command::new(&self.program);
        command.args(self.arguments(mails)).env("LD_LIBRARY_PATH", &self.library_path);
        let began = Instant::now();
        output(&mut command);
        began.elapsed().as_secs_f64()
    }

    pub(crate) fn mail(&self) -> MailCost {
        let path = Some(&self.library_path[..]);
        let count = |mails| instructions(&self.program, &self.arguments(mails), path);
        let called = |mails| calls(&self.program, &self.arguments(mails), path);
        let each = (MANY - FEW) as f64;
        MailCost {
            instructions: (count(MANY) - count(FEW)) / each,
            calls: (called(MANY) - called(FEW)) / each,
            allocations: f64::NAN,
        }
    }
}

/// A figure as it is read: thousands apart, and decimals where there are few before them.
pub(crate) fn grouped(figure: f64) -> String {
    if figure.is_nan() {
        return "?".to_owned();
    }
    if figure.abs() < 100.0 {
        let text = format!("{figure:.2}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// When, where and with what.
pub(crate) fn circumstances() -> String {
    let first = |program: &str, argument: &str| {
        let done = Command::new(program).arg(argument).output().ok();
        let text = done.map(|done| String::from_utf8_lossy(&done.stdout).into_owned());
        text.unwrap_or_default().lines().next().unwrap_or_default().to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{}, {}, {cores} cores, {}.",
        first("date", "+%Y-%m-%d"),
        first("rustc", "--version"),
        first("valgrind", "--version"),
    )
}

/// Instructions of a whole job.
pub(crate) fn instructions_of(who: &str, what: &str, times: usize, size: usize, port: u16) -> f64 {
    own_instructions(arguments(who, what, times, size, port))
}
