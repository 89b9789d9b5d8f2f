//! What an engine holds while it has nothing to do.

use std::fmt;

use crate::error::Result;
use crate::process::Process;

/// More resident memory than at the start, after the load. What an engine without a leak keeps: a
/// buffer of 64 KiB a thread, stacks that were used to their depth, the connections that ended last,
/// the allocator's free blocks between all of these.
const KEPT: f64 = 16.0 * 1024.0 * 1024.0;
/// And of each of the clients that were there at once: the allocator gives few of its blocks back to
/// the kernel. That many clients came and went several times over, so that a leak is beyond it.
const KEPT_OF_EACH: f64 = 6.0 * 1024.0;

/// One look.
#[derive(Debug, Clone)]
pub(super) struct Residue {
    /// Bytes.
    pub(super) resident: f64,
    pub(super) descriptors: usize,
    pub(super) pipes: usize,
    /// Live rows of the connection table.
    pub(super) rows: u64,
    /// Processes of the engine.
    pub(super) engines: usize,
}

impl Residue {
    pub(super) fn of(process: Process, rows: u64, engines: usize) -> Result<Self> {
        let descriptors = process.descriptors()?;
        Ok(Self {
            resident: process.resident()?,
            pipes: crate::process::pipes(&descriptors),
            descriptors: descriptors.len(),
            rows,
            engines,
        })
    }

    /// What is left over of the load of so many clients at once, beside what was there `before` it.
    pub(super) fn left_over(&self, before: &Self, clients: u64) -> Vec<String> {
        let mut left = Vec::new();
        let mut more = |what: &str, now: u64, was: u64| {
            if now > was {
                left.push(format!("{now} {what} instead of {was}"));
            }
        };
        more(
            "descriptors",
            self.descriptors as u64,
            before.descriptors as u64,
        );
        more("pipes", self.pipes as u64, 0);
        more("connections", self.rows, 0);
        more("engines", self.engines as u64, 1);
        #[expect(clippy::cast_precision_loss, reason = "some thousand")]
        let kept = KEPT + KEPT_OF_EACH * clients as f64;
        if self.resident > before.resident + kept {
            left.push(format!("memory: {self} instead of {before}"));
        }
        left
    }
}

impl fmt::Display for Residue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} MiB resident, {} descriptors, {} pipes, {} connections, {} engines",
            self.resident / f64::from(1 << 20),
            self.descriptors,
            self.pipes,
            self.rows,
            self.engines,
        )
    }
}
