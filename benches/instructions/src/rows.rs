//! What is measured: rows of the table, each prepared and run once before it counts.

mod commands;
mod content;
mod mails;
mod replies;

use crate::allocations;

/// One line of the table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// What the figures are divided by, in words.
    pub(crate) unit: &'static str,
    /// Instructions a unit is to take at most.
    pub(crate) most: Option<f64>,
    pub(crate) most_allocations: Option<f64>,
    /// How many units one run has.
    units: u64,
    /// Does what nobody counts, and gives what is counted.
    prepare: Box<dyn Fn() -> Run>,
}

/// Can be run again and again.
type Run = Box<dyn FnMut()>;

impl Row {
    fn new(
        name: &'static str,
        (unit, units): (&'static str, u64),
        prepare: impl Fn() -> Run + 'static,
    ) -> Self {
        let prepare = Box::new(prepare);
        Self { name, unit, units, most: None, most_allocations: None, prepare }
    }

    /// What it is to cost at most.
    fn most(mut self, instructions: f64) -> Self {
        self.most = Some(instructions);
        self
    }

    fn most_allocations(mut self, allocations: f64) -> Self {
        self.most_allocations = Some(allocations);
        self
    }
}

/// Every row, in the order of the table.
pub(crate) fn all() -> Vec<Row> {
    [replies::rows(), commands::rows(), content::rows(), mails::rows()]
        .into_iter()
        .flatten()
        .collect()
}

/// Runs the rows whose names contain `part`, and prints name, units and allocations of each.
pub(crate) fn run(part: &str) {
    for row in all().iter().filter(|row| row.name.contains(part)) {
        let mut run = (row.prepare)();
        run();
        let before = allocations::count();
        measured(&mut *run);
        let allocations = allocations::count() - before;
        println!("{}\t{}\t{allocations}", row.name, row.units);
    }
}

/// Known to valgrind by its name: what runs in here is counted, up to the call of [`over`].
#[inline(never)]
fn measured(run: &mut dyn FnMut()) {
    run();
    over();
}

/// Known to valgrind by its name: what was counted is written out.
#[inline(never)]
fn over() {
    std::hint::black_box(());
}
