//! Every live connection, and the ones that ended last.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::metrics::{Metrics, Now};
use crate::config::Upstream;
use crate::control::{ChainedFrom, Connection, ConnectionCounts, Problem, RouteTaken, Via};

/// How many ended connections are remembered.
const REMEMBERED: usize = 256;
/// Routes that nobody takes any more are forgotten when there are so many.
const ROUTES: usize = 64;

/// The table. Cheap to share; one lock at the start and one at the end of a connection.
#[derive(Debug, Default)]
pub struct ConnectionTable {
    next: AtomicU64,
    accepted: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    rows: Mutex<Rows>,
    /// What is counted for Prometheus.
    pub metrics: Metrics,
}

#[derive(Debug, Default)]
struct Rows {
    live: HashMap<u64, Arc<Row>>,
    ended: VecDeque<Arc<Row>>,
    /// Bytes of all that ended: from clients, to clients.
    ended_bytes: (u64, u64),
    /// Thousands of connections take a few different routes.
    routes: HashSet<Arc<RouteTaken>>,
}

#[derive(Debug)]
struct Row {
    id: u64,
    client: SocketAddr,
    via: Via,
    original_dst: Option<SocketAddr>,
    /// Few have it.
    chained: Option<Box<ChainedFrom>>,
    started_ms: u64,
    /// 0 while it lives.
    ended_ms: AtomicU64,
    bytes_up: AtomicU64,
    bytes_down: AtomicU64,
    story: Mutex<Story>,
}

#[derive(Debug, Default)]
struct Story {
    name: Option<Box<str>>,
    route: Option<Arc<RouteTaken>>,
    error: Option<Box<Problem>>,
}

/// One connection's place in the table; dropping it ends the connection's row.
#[derive(Debug)]
pub struct Record {
    table: Arc<ConnectionTable>,
    row: Arc<Row>,
}

impl ConnectionTable {
    /// Enters a connection.
    pub fn open(
        self: &Arc<Self>,
        client: SocketAddr,
        via: Via,
        original_dst: Option<SocketAddr>,
    ) -> Record {
        self.enter(client, via, original_dst, None)
    }

    /// Enters a connection that the engine at `peer` passes on.
    pub fn open_chained(
        self: &Arc<Self>,
        peer: SocketAddr,
        original_dst: Option<SocketAddr>,
        from: ChainedFrom,
    ) -> Record {
        self.enter(peer, Via::Chained, original_dst, Some(from.into()))
    }

    fn enter(
        self: &Arc<Self>,
        client: SocketAddr,
        via: Via,
        original_dst: Option<SocketAddr>,
        chained: Option<Box<ChainedFrom>>,
    ) -> Record {
        let row = Arc::new(Row {
            id: self.next.fetch_add(1, Relaxed) + 1,
            client,
            via,
            original_dst,
            chained,
            started_ms: now_ms(),
            ended_ms: AtomicU64::new(0),
            bytes_up: AtomicU64::new(0),
            bytes_down: AtomicU64::new(0),
            story: Mutex::default(),
        });
        self.accepted.fetch_add(1, Relaxed);
        self.metrics.connected(via);
        lock(&self.rows).live.insert(row.id, Arc::clone(&row));
        Record {
            table: Arc::clone(self),
            row,
        }
    }

    /// Counts a connection that was turned away before it got a row.
    pub fn turned_away(&self) {
        self.refused.fetch_add(1, Relaxed);
        self.metrics.turned_away();
    }

    /// Counters since the start.
    pub fn counts(&self) -> ConnectionCounts {
        ConnectionCounts {
            open: lock(&self.rows).live.len() as u64,
            accepted: self.accepted.load(Relaxed),
            failed: self.failed.load(Relaxed),
            refused: self.refused.load(Relaxed),
        }
    }

    /// Everything that is counted, in the text form of OpenMetrics 1.0.
    pub fn metrics_text(&self) -> String {
        let rows = lock(&self.rows);
        let bytes = rows.live.values().fold(rows.ended_bytes, |sum, row| {
            let (up, down) = row.bytes();
            (sum.0 + up, sum.1 + down)
        });
        let open = rows.live.len();
        self.metrics.text(Now { open, bytes })
    }

    /// Live connections by age, then the ones that ended last, newest first.
    pub fn list(&self) -> Vec<Connection> {
        let rows = lock(&self.rows);
        let mut live: Vec<_> = rows.live.values().map(|row| row.show()).collect();
        live.sort_unstable_by_key(|connection| connection.id);
        live.extend(rows.ended.iter().rev().map(|row| row.show()));
        live
    }
}

impl Record {
    /// What the client asked for, and the way it is to go.
    pub fn routed(&self, name: Option<String>, route: RouteTaken) {
        self.table.metrics.routed(&route);
        self.goes(name, route);
    }

    /// Which of the upstreams it goes through; for a tunnel, how long that took to open.
    pub fn through(&self, upstream: Upstream, reason: String, took: Option<Duration>) {
        if let Some(took) = took {
            let metrics = &self.table.metrics;
            metrics.tunnel_opened(&upstream.authority(), took);
        }
        self.goes(None, RouteTaken::Upstream { upstream, reason });
    }

    fn goes(&self, name: Option<String>, route: RouteTaken) {
        let route = lock(&self.table.rows).route(route);
        let mut story = lock(&self.row.story);
        story.name = name.map(Into::into).or(story.name.take());
        story.route = Some(route);
    }

    /// No route could be had.
    pub fn failed(&self, problem: Problem) {
        self.table.metrics.failed(&problem.code);
        let mut story = lock(&self.row.story);
        if story.error.is_none() {
            self.table.failed.fetch_add(1, Relaxed);
        }
        story.error = Some(problem.into());
    }

    /// Refused before a route was asked for.
    pub fn refused(&self, problem: Problem) {
        self.table.metrics.failed(&problem.code);
        let mut story = lock(&self.row.story);
        if story.error.is_none() {
            self.table.refused.fetch_add(1, Relaxed);
        }
        story.error = Some(problem.into());
    }

    /// Who connected.
    pub fn client(&self) -> SocketAddr {
        self.row.client
    }

    /// So many bytes more were read from the client.
    pub fn read_up(&self, bytes: usize) {
        self.row.bytes_up.fetch_add(bytes as u64, Relaxed);
    }

    /// So many bytes more were read for the client.
    pub fn read_down(&self, bytes: usize) {
        self.row.bytes_down.fetch_add(bytes as u64, Relaxed);
    }

    /// Bytes from the client so far.
    pub fn bytes_up(&self) -> &AtomicU64 {
        &self.row.bytes_up
    }

    /// Bytes to the client so far.
    pub fn bytes_down(&self) -> &AtomicU64 {
        &self.row.bytes_down
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        // A clock at 1970 must not make it live for ever.
        self.row.ended_ms.store(now_ms().max(1), Relaxed);
        let (up, down) = self.row.bytes();
        tracing::debug!(id = self.row.id, client = %self.row.client, up, down, "connection ended");
        let mut rows = lock(&self.table.rows);
        rows.live.remove(&self.row.id);
        rows.ended_bytes.0 += up;
        rows.ended_bytes.1 += down;
        if rows.ended.len() == REMEMBERED {
            rows.ended.pop_front();
        }
        rows.ended.push_back(Arc::clone(&self.row));
    }
}

impl Rows {
    /// The same route, shared with every connection that takes it.
    fn route(&mut self, route: RouteTaken) -> Arc<RouteTaken> {
        if let Some(known) = self.routes.get(&route) {
            return Arc::clone(known);
        }
        if self.routes.len() >= ROUTES {
            self.routes.retain(|known| Arc::strong_count(known) > 1);
        }
        let route = Arc::new(route);
        self.routes.insert(Arc::clone(&route));
        route
    }
}

impl Row {
    /// From the client, to the client.
    fn bytes(&self) -> (u64, u64) {
        (self.bytes_up.load(Relaxed), self.bytes_down.load(Relaxed))
    }

    fn show(&self) -> Connection {
        let story = lock(&self.story);
        let ended_ms = Some(self.ended_ms.load(Relaxed)).filter(|ended| *ended > 0);
        Connection {
            id: self.id,
            client: self.client,
            via: self.via,
            original_dst: self.original_dst,
            chained: self.chained.as_deref().cloned(),
            name: story.name.as_deref().map(str::to_owned),
            route: story.route.as_deref().cloned(),
            bytes_up: self.bytes_up.load(Relaxed),
            bytes_down: self.bytes_down.load(Relaxed),
            started_ms: self.started_ms,
            ended_ms,
            error: story.error.as_deref().cloned(),
        }
    }
}

/// The rows are whole between two statements, so a panic elsewhere leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now_ms() -> u64 {
    // A clock before 1970 shows as 1970.
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{ConnectionTable, REMEMBERED};
    use crate::control::Via;

    #[test]
    fn ended_connections_are_remembered_up_to_the_bound() {
        let table = Arc::new(ConnectionTable::default());
        let client = "127.0.0.1:1".parse().expect("address");
        let lives = table.open(client, Via::Explicit, None);
        for _ in 0..REMEMBERED + 10 {
            drop(table.open(client, Via::Explicit, None));
        }
        let list = table.list();
        assert_eq!(list.len(), REMEMBERED + 1);
        assert_eq!(list[0].ended_ms, None);
        assert_eq!(list[1].id, REMEMBERED as u64 + 11);
        assert_eq!(table.counts().open, 1);
        drop(lives);
        assert_eq!(table.counts().open, 0);
    }
}
