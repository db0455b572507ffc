//! Counts instructions: runs itself under valgrind, row by row, and holds the figures against
//! those that are kept. What is measured is in `rows`.

mod allocations;
mod figures;
mod rows;
mod valgrind;

use std::process::ExitCode;

use figures::Figures;

const USAGE: &str = "\
instructions [OPTION]…

    --against FILE   fails where a row is more than 3 % above its figure there
    --write FILE     keeps the figures there
    --profile ROW    prints where the instructions of the rows go whose names contain this
    --list           names the rows
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        [valgrind::CHILD, part] => {
            rows::run(part);
            Ok(true)
        }
        ["--list"] => {
            rows::all().iter().for_each(|row| println!("{}", row.name));
            Ok(true)
        }
        ["--profile", part] => valgrind::profile(part).map(|()| true),
        [] => measured(None),
        ["--write", file] => valgrind::measure()
            .and_then(|figures| std::fs::write(file, figures.to_string()))
            .map(|()| true),
        ["--against", file] => std::fs::read_to_string(file).and_then(|kept| measured(Some(&kept))),
        _ => {
            eprint!("{USAGE}");
            Ok(false)
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the table; whether nothing in it has grown.
fn measured(kept: Option<&str>) -> std::io::Result<bool> {
    let kept = kept.map(Figures::read).unwrap_or_default();
    let figures = valgrind::measure()?;
    print!("{}", figures.table(&kept));
    let grown = figures.grown(&kept);
    for row in &grown {
        println!("\n{row}: more than it was; a commit that means it says why and runs `--write`");
    }
    Ok(grown.is_empty())
}
