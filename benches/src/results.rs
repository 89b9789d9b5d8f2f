//! Medians with their spread, on the screen and in `benches/results.md`.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

/// One line of the table.
pub(crate) struct Measure {
    /// What was measured, and in which unit.
    pub(crate) what: String,
    /// Which way.
    pub(crate) way: &'static str,
    /// One value a round.
    pub(crate) rounds: Vec<f64>,
}

/// All lines.
#[derive(Default)]
pub(crate) struct Table(Vec<Measure>);

impl Table {
    pub(crate) fn push(&mut self, measure: Measure) {
        self.0.push(measure);
    }

    pub(crate) fn extend(&mut self, measures: Vec<Measure>) {
        self.0.extend(measures);
    }

    /// Prints the table and writes it beside this program's sources.
    pub(crate) fn write(&self) -> Result<(), Box<dyn Error>> {
        let mut text = format!(
            "# Results of `make bench`\n\n{} cores, {}. Medians of {} interleaved rounds; the load \
             shares the cores with what is measured.\n\n\
             | measure | way | median | lowest | highest |\n|---|---|---:|---:|---:|\n",
            std::thread::available_parallelism()?,
            std::fs::read_to_string("/proc/sys/kernel/osrelease").map_or_else(
                |_| std::env::consts::OS.to_owned(),
                |release| format!("Linux {}", release.trim())
            ),
            crate::ROUNDS,
        );
        for measure in &self.0 {
            let mut rounds = measure.rounds.clone();
            rounds.sort_by(f64::total_cmp);
            let (Some(low), Some(high)) = (rounds.first(), rounds.last()) else {
                continue;
            };
            let median = rounds[rounds.len() / 2];
            let (what, way) = (&measure.what, measure.way);
            writeln!(
                text,
                "| {what} | {way} | {median:.2} | {low:.2} | {high:.2} |"
            )?;
        }
        print!("{text}");
        std::fs::write(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("results.md"),
            text,
        )?;
        Ok(())
    }
}
