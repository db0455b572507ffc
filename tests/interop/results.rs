//! What the rows came to, as a table: a line for each area of capabilities, a column for each
//! server, and what failed once more by its name.

use std::fmt;

use crate::Row;

/// What a row came to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Result {
    Ok,
    Failed,
    /// The server, or another one that it needs, is not there.
    Missing,
}

impl fmt::Display for Result {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Failed => "FAILED",
            Self::Missing => "missing",
        })
    }
}

/// All of them, in the order in which they came.
#[derive(Default)]
pub(crate) struct Results(Vec<(&'static str, Row, Result)>);

impl Results {
    pub(crate) fn add(&mut self, area: &'static str, row: Row, result: Result) {
        self.0.push((area, row, result));
    }

    /// How many came to this.
    pub(crate) fn count(&self, wanted: Result) -> usize {
        self.0.iter().filter(|(.., result)| *result == wanted).count()
    }

    /// Each of these once, in order.
    fn distinct(&self, of: fn(&(&'static str, Row, Result)) -> &'static str) -> Vec<&'static str> {
        let mut found = Vec::new();
        for name in self.0.iter().map(of) {
            if !found.contains(&name) {
                found.push(name);
            }
        }
        found
    }

    /// What a server came to in an area.
    fn cell(&self, area: &str, server: &str) -> String {
        let of = |wanted| {
            let rows = self.0.iter().filter(|(its, row, result)| {
                *its == area && row.owner() == server && *result == wanted
            });
            rows.count()
        };
        let counts = [Result::Ok, Result::Failed, Result::Missing];
        let counts = counts.map(|result| (of(result), result));
        let shown = counts.iter().filter(|(count, _)| *count > 0);
        let shown: Vec<String> = shown.map(|(count, result)| format!("{count} {result}")).collect();
        if shown.is_empty() { "-".to_owned() } else { shown.join(", ") }
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.distinct(|(_, row, _)| row.owner());
        let columns: Vec<Vec<String>> = std::iter::once(self.distinct(|(area, ..)| area))
            .map(|areas| {
                let areas = areas.iter().map(|area| (*area).to_owned());
                std::iter::once(String::new()).chain(areas).collect()
            })
            .chain(servers.iter().map(|server| {
                let areas = self.distinct(|(area, ..)| area);
                let cells = areas.iter().map(|area| self.cell(area, server));
                std::iter::once((*server).to_owned()).chain(cells).collect()
            }))
            .collect();
        writeln!(f)?;
        for line in 0..columns[0].len() {
            let cells = columns.iter().map(|column| {
                let width = column.iter().map(String::len).max().unwrap_or_default();
                format!("{:<width$}", column[line])
            });
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        writeln!(f)?;
        for (_, row, result) in &self.0 {
            if *result == Result::Failed {
                writeln!(f, "interop: FAILED: {}: {}", row.server, row.capability)?;
            }
        }
        let [passed, failed, missing] =
            [Result::Ok, Result::Failed, Result::Missing].map(|result| self.count(result));
        write!(f, "interop: {passed} passed, {failed} failed, {missing} missing")
    }
}
