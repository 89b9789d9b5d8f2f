//! Streams whose bytes are summed at both ends, half of them intercepted.

use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

use super::office::RELAY;
use super::{Extent, Tally};
use crate::error::{BenchError, Result};
use crate::hello::Command;
use crate::load::Client;
use crate::origin::BY_CONNECT;
use crate::sums;

/// An opening connection has this long: the engine is stopped for seconds at times.
const OPENS: Duration = Duration::from_secs(20);
/// A stream that takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(3);
/// After a failure, before the next try.
const PAUSE: Duration = Duration::from_millis(200);
/// Far from each other in the pattern: a stream with another's bytes is noticed.
const APART: u64 = 40_503;

/// One stream after the other on each of the places, in turn by the relay and intercepted, until
/// the end; those under way then are finished.
pub(super) fn run(extent: &Extent, tally: &Tally, ended: &watch::Receiver<bool>) -> Result<()> {
    let way = |proxy| Client::new(proxy, |_| BY_CONNECT).patient(OPENS);
    let ways = Rc::new([Some(RELAY), None].map(way));
    let runtime = super::runtime()?;
    let local = LocalSet::new();
    let each = extent.each;
    runtime.block_on(local.run_until(async {
        let mut free: Vec<u64> = (0..extent.streams as u64).collect();
        let mut running = JoinSet::new();
        loop {
            while !*ended.borrow()
                && let Some(number) = free.pop()
            {
                let (ways, before) = (Rc::clone(&ways), tally.upstream());
                running.spawn_local(async move {
                    let way = &ways[usize::from(number % 2 == 0)];
                    (number, before, one(way, each, number * APART).await)
                });
            }
            let Some(joined) = running.join_next().await else {
                return Ok(());
            };
            let (number, before, outcome) =
                joined.map_err(|panic| BenchError::Unexpected(panic.to_string()))?;
            judge(tally, each, before, &outcome);
            if outcome.is_err() {
                tokio::time::sleep(PAUSE).await;
            }
            // The next one there goes the other way.
            free.push(number + extent.streams as u64 + 1);
        }
    }))
}

async fn one(way: &Client, length: u64, seed: u64) -> io::Result<()> {
    let stream = way.open(Command::Sums).await?;
    let whole = sums::exchange(stream, length, seed);
    let hangs = |_| io::Error::new(io::ErrorKind::InvalidData, "a stream hangs");
    tokio::time::timeout(PATIENCE, whole).await.map_err(hangs)?
}

/// A stream may break where its upstream did, and then only; no byte of it may be wrong.
fn judge(tally: &Tally, each: u64, before: Option<u64>, outcome: &io::Result<()>) {
    match outcome {
        Ok(()) => {
            tally.streams.fetch_add(1, Relaxed);
            tally.bytes.fetch_add(2 * each, Relaxed);
        }
        Err(error) => {
            let has_cause = before.is_none() || tally.upstream() != before;
            if has_cause && error.kind() != io::ErrorKind::InvalidData {
                tally.broken.fetch_add(1, Relaxed);
            } else {
                tally.wrong(format!("a stream: {error}"));
            }
        }
    }
}
