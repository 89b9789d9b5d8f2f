//! What was done, and what went wrong.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Extent;

/// Counters of one soak.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Streams that arrived whole.
    pub(super) streams: AtomicU64,
    /// Their bytes, both directions together.
    pub(super) bytes: AtomicU64,
    /// Streams that the end of their upstream broke.
    pub(super) broken: AtomicU64,
    /// Silent clients: now, the most at once, all of them.
    pub(super) silent: AtomicU64,
    most_silent: AtomicU64,
    pub(super) all_silent: AtomicU64,
    /// Odd while the upstream is down; half of it are its restarts.
    upstream: AtomicU64,
    pub(super) swaps: AtomicU64,
    pub(super) take_overs: AtomicU64,
    pub(super) pauses: AtomicU64,
    pub(super) signals: AtomicU64,
    wrongs: Mutex<BTreeMap<String, u64>>,
}

impl Tally {
    /// Bytes that arrived in whole streams.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// The most silent clients that there were at once.
    pub(super) fn most_silent(&self) -> u64 {
        self.most_silent.load(Relaxed)
    }

    /// The upstream goes down or comes up.
    pub(super) fn upstream_changes(&self) {
        self.upstream.fetch_add(1, Relaxed);
    }

    /// Which upstream it is; `None` while there is none.
    pub(super) fn upstream(&self) -> Option<u64> {
        Some(self.upstream.load(Relaxed)).filter(|turn| turn % 2 == 0)
    }

    /// One more silent client.
    pub(super) fn falls_silent(&self) {
        self.all_silent.fetch_add(1, Relaxed);
        let now = self.silent.fetch_add(1, Relaxed) + 1;
        self.most_silent.fetch_max(now, Relaxed);
    }

    /// Something that must not happen.
    pub(super) fn wrong(&self, what: impl Into<String>) {
        *self.all_wrongs().entry(what.into()).or_insert(0) += 1;
    }

    /// All of it, a line each.
    pub(super) fn wrongs(&self) -> Vec<String> {
        let wrongs = self.all_wrongs();
        let lines = wrongs
            .iter()
            .map(|(what, times)| format!("{times} × {what}"));
        lines.collect()
    }

    /// What should have happened and did not.
    pub(super) fn missing(&self, extent: &Extent) -> Option<String> {
        let most = self.most_silent();
        // Those that the engine has just hung up on are on their way back.
        let wanted = extent.silent as u64 * 9 / 10;
        if most < wanted {
            return Some(format!("no more than {most} clients were silent at once"));
        }
        let troubles = [&self.swaps, &self.take_overs, &self.pauses, &self.signals];
        let all = troubles.iter().all(|count| count.load(Relaxed) > 0);
        (!all || self.upstream.load(Relaxed) == 0)
            .then(|| format!("there was not enough trouble: {self}"))
    }

    fn all_wrongs(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        // Whole between two statements.
        self.wrongs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |count: &AtomicU64| count.load(Relaxed);
        write!(
            f,
            "{} MiB in {} whole streams, {} cut by {} restarts of the upstream; {} silent clients \
             ({} at most, {} in all); {} policies, {} engines followed, {} pauses, {} signals",
            self.bytes() >> 20,
            of(&self.streams),
            of(&self.broken),
            self.upstream.load(Relaxed) / 2,
            of(&self.silent),
            of(&self.most_silent),
            of(&self.all_silent),
            of(&self.swaps),
            of(&self.take_overs),
            of(&self.pauses),
            of(&self.signals),
        )?;
        match self.wrongs().len() {
            0 => Ok(()),
            _ => write!(f, "; WRONG: {}", self.wrongs().join(", ")),
        }
    }
}
