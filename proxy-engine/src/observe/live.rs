//! What happens to connections, for whoever follows it: bounded on every side.
//!
//! All followers read from one ring of events. One that is slower than the ring is long is told how
//! many it lost, and goes on with those that are left: nobody waits for it, and it costs no memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::broadcast::{self, Receiver, Sender};
use tokio::time::{Instant, sleep_until, timeout};

use super::row::Row;
use super::table::ConnectionTable;
use crate::control::{ConnectionEvent, Lost};

/// Events that are kept for the slowest follower.
const RING: usize = 1024;
/// Followers at a time: some terminals and scripts.
const MOST_FOLLOWERS: usize = 16;
/// Events that are shown together at most.
const TOGETHER: usize = 256;
/// Whose connections are is looked for this often at most, for each follower.
const PACE: Duration = Duration::from_millis(50);

/// Everybody who follows.
#[derive(Debug)]
pub struct Live {
    followers: AtomicUsize,
    told: Sender<Told>,
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    Opened,
    Routed,
    Ended,
}

#[derive(Debug, Clone)]
struct Told {
    what: What,
    row: Arc<Row>,
}

/// One who follows what happens from now on.
#[derive(Debug)]
pub struct Follower {
    table: Arc<ConnectionTable>,
    told: Receiver<Told>,
    /// Not before this time is looked again.
    next_look: Instant,
}

/// So many follow already that no more can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{MOST_FOLLOWERS} programs follow the connections already: close one")]
pub struct TooManyFollowers;

impl Default for Live {
    fn default() -> Self {
        Self {
            followers: AtomicUsize::new(0),
            told: broadcast::channel(RING).0,
        }
    }
}

impl Live {
    /// Whether anybody follows. While nobody does, this is all that a connection pays.
    pub(super) fn is_followed(&self) -> bool {
        self.followers.load(Relaxed) > 0
    }

    /// Events that somebody has not read.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.told.len()
    }

    pub(super) fn tell(&self, what: What, row: &Arc<Row>) {
        if self.is_followed() {
            let row = Arc::clone(row);
            // The last one may just have gone.
            let _ = self.told.send(Told { what, row });
        }
    }
}

impl ConnectionTable {
    /// Follows what happens to connections from now on.
    ///
    /// # Errors
    /// [`TooManyFollowers`].
    pub fn follow(self: &Arc<Self>) -> Result<Follower, TooManyFollowers> {
        let one_more = |followers| (followers < MOST_FOLLOWERS).then_some(followers + 1);
        let followers = &self.live.followers;
        followers
            .fetch_update(Relaxed, Relaxed, one_more)
            .map_err(|_| TooManyFollowers)?;
        Ok(Follower {
            told: self.live.told.subscribe(),
            table: Arc::clone(self),
            next_look: Instant::now(),
        })
    }
}

impl Follower {
    /// The next events, in their order; `None` when nothing happens for as long as `patience`.
    pub async fn next(&mut self, patience: Duration) -> Option<Vec<ConnectionEvent>> {
        let mut lost = 0;
        let mut told = Vec::new();
        match timeout(patience, self.told.recv()).await.ok()? {
            Ok(first) => told.push(first),
            Err(RecvError::Lagged(events)) => lost = events,
            Err(RecvError::Closed) => unreachable!("the sender lives in the table that this holds"),
        }
        sleep_until(self.next_look).await;
        while told.len() < TOGETHER && lost == 0 {
            match self.told.try_recv() {
                Ok(next) => told.push(next),
                Err(TryRecvError::Lagged(events)) => lost = events,
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        let mut events = self.show(told).await;
        if lost > 0 {
            events.push(ConnectionEvent::Lost(Lost { events: lost }));
        }
        Some(events)
    }

    async fn show(&mut self, told: Vec<Told>) -> Vec<ConnectionEvent> {
        let table = Arc::clone(&self.table);
        let shown = tokio::task::spawn_blocking(move || {
            let rows: Vec<Arc<Row>> = told.iter().map(|told| Arc::clone(&told.row)).collect();
            table.seek(&rows);
            told.iter().map(Told::show).collect()
        });
        let shown = shown.await.unwrap_or_else(|error| {
            tracing::error!(%error, "connections could not be shown");
            Vec::new()
        });
        self.next_look = Instant::now() + PACE;
        shown
    }
}

impl Told {
    fn show(&self) -> ConnectionEvent {
        let connection = self.row.show();
        match self.what {
            What::Opened => ConnectionEvent::Opened(connection),
            What::Routed => ConnectionEvent::Routed(connection),
            What::Ended => ConnectionEvent::Ended(connection),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.table.live.followers.fetch_sub(1, Relaxed);
    }
}
