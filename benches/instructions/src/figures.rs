//! Figures of one compiler: read, written, and held against others in a table.

use std::fmt;
use std::io::{Error, Result};
use std::process::Command;

use crate::rows;

/// How far a row may be above what is kept.
const TOLERANCE: f64 = 1.03;

/// What a unit of a row costs.
#[derive(Clone, Copy)]
pub(crate) struct Figure {
    pub(crate) instructions: f64,
    pub(crate) allocations: f64,
}

/// As a file: the compiler, then a line for each row with its name, instructions and allocations.
#[derive(Default)]
pub(crate) struct Figures {
    compiler: String,
    rows: Vec<(String, Figure)>,
}

impl Figures {
    /// None yet. The compiler is that of the moment, which has just built what is measured.
    pub(crate) fn of_this_compiler() -> Result<Self> {
        let out = Command::new("rustc").arg("-V").output()?;
        let compiler = String::from_utf8(out.stdout).map_err(Error::other)?;
        Ok(Self { compiler: compiler.trim().to_owned(), rows: Vec::new() })
    }

    pub(crate) fn read(text: &str) -> Self {
        let mut lines = text.lines();
        let compiler = lines.next().unwrap_or_default().to_owned();
        let row = |line: &str| {
            let mut parts = line.split('\t');
            let name = parts.next()?.to_owned();
            let instructions = parts.next()?.parse().ok()?;
            Some((name, Figure { instructions, allocations: parts.next()?.parse().ok()? }))
        };
        Self { compiler, rows: lines.filter_map(row).collect() }
    }

    pub(crate) fn push(&mut self, name: &str, figure: Figure) {
        self.rows.push((name.to_owned(), figure));
    }

    fn of(&self, name: &str) -> Option<Figure> {
        self.rows.iter().find(|(row, _)| row == name).map(|(_, figure)| *figure)
    }

    /// The rows that cost more than they did; one that is new cannot.
    pub(crate) fn grown(&self, kept: &Self) -> Vec<&str> {
        let has_grown = |(name, now): &&(String, Figure)| {
            kept.of(name).is_some_and(|kept| {
                now.instructions > kept.instructions * TOLERANCE
                    || now.allocations > kept.allocations * TOLERANCE
            })
        };
        self.rows.iter().filter(has_grown).map(|(name, _)| &**name).collect()
    }

    /// Markdown: each row beside its target and what is kept.
    pub(crate) fn table(&self, kept: &Self) -> String {
        let mut table = format!("instructions and allocations, {}\n\n", self.compiler);
        table += "| what | per | instructions | target | kept | change | allocations | target |\n";
        table += "|---|---|---:|---:|---:|---:|---:|---:|\n";
        for row in rows::all() {
            let Some(now) = self.of(row.name) else { continue };
            let kept = kept.of(row.name).map(|kept| kept.instructions);
            let change = kept.map(|kept| (now.instructions / kept - 1.0) * 100.0);
            table += &format!(
                "| {} | {} | {} | {} | {} | {} | {} | {} |\n",
                row.name,
                row.unit,
                short(now.instructions),
                row.most.map_or_else(String::new, short),
                kept.map_or_else(String::new, short),
                change.map_or_else(String::new, |change| format!("{change:+.1} %")),
                short(now.allocations),
                row.most_allocations.map_or_else(String::new, short),
            );
        }
        table
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.compiler)?;
        for (name, figure) in &self.rows {
            writeln!(f, "{name}\t{:.3}\t{:.3}", figure.instructions, figure.allocations)?;
        }
        Ok(())
    }
}

/// Two places behind the point where there is little before it.
fn short(number: f64) -> String {
    if number < 100.0 && number.fract() != 0.0 {
        format!("{number:.2}")
    } else {
        format!("{number:.0}")
    }
}
