//! `make bench`: the engine beside no engine, on one path and in one run, into `results.md`.
//!
//! Each measure is taken in five rounds, the ways interleaved, so that what else the machine does
//! touches all of them. The medians are meant as ratios: the load shares the machine's cores.

mod load;
mod results;
mod routing;

use std::error::Error;

/// Rounds of each measure; an odd number, so that the median is one of them.
pub(crate) const ROUNDS: usize = 5;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut table = results::Table::default();
    for rules in [10, 1_000, 10_000] {
        eprintln!("one routing decision, {rules} bypass rules …");
        table.push(routing::measure(rules)?);
    }
    eprintln!("new tunnels and bulk, direct and through the relay …");
    table.extend(load::measure().await?);
    table.write()?;
    Ok(())
}
