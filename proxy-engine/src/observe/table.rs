//! Every live connection, and the ones that ended last.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tracing::Level;

use super::guests::GuestTable;
use super::live::{Live, What};
use super::metrics::{Metrics, Now};
use super::row::{Row, now_ms};
use crate::accept::user_of;
use crate::config::Way;
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
    pub(super) seeking: Mutex<()>,
    /// Whose the addresses of containers are.
    pub guests: GuestTable,
    /// Who follows what happens to connections.
    pub live: Live,
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
        local: SocketAddr,
        original_dst: Option<SocketAddr>,
    ) -> Record {
        self.enter(client, via, local, original_dst, None)
    }

    /// Enters a connection that the engine at `peer` passes on.
    pub fn open_chained(
        self: &Arc<Self>,
        peer: SocketAddr,
        local: SocketAddr,
        original_dst: Option<SocketAddr>,
        from: ChainedFrom,
    ) -> Record {
        self.enter(peer, Via::Chained, local, original_dst, Some(from))
    }

    fn enter(
        self: &Arc<Self>,
        client: SocketAddr,
        via: Via,
        local: SocketAddr,
        original_dst: Option<SocketAddr>,
        chained: Option<ChainedFrom>,
    ) -> Record {
        let row = Row::new(self.next.fetch_add(1, Relaxed) + 1, via, client, local);
        let row = Arc::new(row.towards(original_dst).from(chained));
        if let Some(guest) = self.guests.at(client.ip()) {
            row.is(guest);
        } else if via == Via::Explicit
            && (self.live.is_followed() || tracing::enabled!(Level::DEBUG))
            // Later its client may be gone: who it was would never be known.
            && let Some(user) = user_of(client, local)
        {
            row.is(Arc::new(user));
        }
        self.accepted.fetch_add(1, Relaxed);
        self.metrics.connected(via);
        lock(&self.rows).live.insert(row.id, Arc::clone(&row));
        self.live.tell(What::Opened, &row);
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

    /// Live connections by age, then the ones that ended last, newest first. Looks for whose they
    /// are, and blocks meanwhile: up to a fifth of a second.
    pub fn list(&self) -> Vec<Connection> {
        let rows = self.rows_in_order();
        self.seek(&rows);
        rows.iter().map(|row| row.show()).collect()
    }

    fn rows_in_order(&self) -> Vec<Arc<Row>> {
        let rows = lock(&self.rows);
        let mut all: Vec<_> = rows.live.values().cloned().collect();
        all.sort_unstable_by_key(|row| row.id);
        all.extend(rows.ended.iter().rev().cloned());
        all
    }
}

impl Record {
    /// What the client asked for, and the way it is to go.
    pub fn routed(&self, name: Option<String>, route: RouteTaken) {
        self.table.metrics.routed(&route);
        self.goes(name, route);
    }

    /// Which of the ways it goes; for a tunnel, how long that took to open.
    pub fn through(&self, way: Way, reason: String, took: Option<Duration>) {
        let upstream = match way {
            Way::Direct => return self.goes(None, RouteTaken::Direct { reason }),
            Way::Upstream(upstream) => upstream,
        };
        if let Some(took) = took {
            let metrics = &self.table.metrics;
            metrics.tunnel_opened(&upstream.authority(), took);
        }
        self.goes(None, RouteTaken::Upstream { upstream, reason });
    }

    /// The connection that it goes on by.
    pub fn dialled(&self, stream: &TcpStream) {
        // Of a stream that is broken already, the error tells more.
        let Ok(address) = stream.peer_addr() else {
            return;
        };
        let address = Some(address.into());
        let before = std::mem::replace(&mut lock(&self.row.story).dialled, address);
        if before != address {
            self.table.live.tell(What::Routed, &self.row);
        }
    }

    fn goes(&self, name: Option<String>, route: RouteTaken) {
        let route = lock(&self.table.rows).route(route);
        let news = lock(&self.row.story).goes(name, route);
        if news {
            self.table.live.tell(What::Routed, &self.row);
        }
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
        self.row.client.into()
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
        self.row.log();
        let mut rows = lock(&self.table.rows);
        rows.live.remove(&self.row.id);
        rows.ended_bytes.0 += up;
        rows.ended_bytes.1 += down;
        if rows.ended.len() == REMEMBERED {
            rows.ended.pop_front();
        }
        rows.ended.push_back(Arc::clone(&self.row));
        drop(rows);
        self.table.live.tell(What::Ended, &self.row);
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

/// The rows are whole between two statements, so a panic elsewhere leaves nothing half done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{ConnectionTable, REMEMBERED};
    use crate::control::{Via, Who};

    #[test]
    fn ended_connections_are_remembered_up_to_the_bound() {
        let table = Arc::new(ConnectionTable::default());
        let client = "127.0.0.1:1".parse().expect("address");
        let lives = table.open(client, Via::Explicit, client, None);
        for _ in 0..REMEMBERED + 10 {
            drop(table.open(client, Via::Explicit, client, None));
        }
        let list = table.list();
        assert_eq!(list.len(), REMEMBERED + 1);
        assert_eq!(list[0].ended_ms, None);
        assert_eq!(list[1].id, REMEMBERED as u64 + 11);
        assert_eq!(table.counts().open, 1);
        drop(lives);
        assert_eq!(table.counts().open, 0);
    }

    #[test]
    fn a_guest_is_shown_by_its_name_until_that_is_forgotten() {
        let table = Arc::new(ConnectionTable::default());
        let told = r#"{"lease": "l", "names": {"172.17.0.2": "web", "127.0.0.1": "nobody"}}"#;
        table
            .guests
            .replace(&serde_json::from_str(told).expect("guests"));
        let open = |client: &str| {
            let client = client.parse().expect("address");
            table.open(client, Via::Transparent, client, None)
        };
        let _lives = [
            open("172.17.0.2:7"),
            open("172.17.0.3:7"),
            open("127.0.0.1:7"),
        ];
        let who = || table.list().into_iter().map(|shown| shown.who);
        let web = Who::Guest { name: "web".into() };
        assert_eq!(who().collect::<Vec<_>>(), [Some(web.clone()), None, None]);
        // A name that comes later is shown beside what lives already.
        let told = r#"{"lease": "m", "names": {"172.17.0.3": "db"}}"#;
        table
            .guests
            .replace(&serde_json::from_str(told).expect("guests"));
        let db = Who::Guest { name: "db".into() };
        let known = [Some(web.clone()), Some(db.clone()), None];
        assert_eq!(who().collect::<Vec<_>>(), known);
        table.guests.forget("l");
        drop(open("172.17.0.3:8"));
        assert_eq!(
            who().next_back(),
            Some(Some(db)),
            "another lease's are kept"
        );
        table.guests.forget("m");
        let _after = open("172.17.0.3:9");
        assert_eq!(table.list()[3].who, None);
    }

    #[test]
    fn what_nobody_follows_is_not_kept() {
        let table = Arc::new(ConnectionTable::default());
        let client = "127.0.0.1:1".parse().expect("address");
        let follower = table.follow().expect("room");
        drop(table.open(client, Via::Transparent, client, None));
        assert_eq!(table.live.kept(), 2);
        drop(follower);
        drop(table.open(client, Via::Transparent, client, None));
        assert_eq!(table.live.kept(), 0);
    }
}
