//! One connection's row. Thousands of silent tunnels have one each: every word counts.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::table::lock;
use crate::control::{ChainedFrom, Connection, Problem, RouteTaken, Via, Who};

#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: u64,
    pub(super) via: Via,
    pub(super) client: Address,
    pub(super) local: Address,
    original_dst: Option<Address>,
    /// Few have it.
    chained: Option<Box<ChainedFrom>>,
    started_ms: u64,
    /// 0 while it lives.
    pub(super) ended_ms: AtomicU64,
    pub(super) bytes_up: AtomicU64,
    pub(super) bytes_down: AtomicU64,
    pub(super) story: Mutex<Story>,
}

#[derive(Debug, Default)]
pub(super) struct Story {
    pub(super) name: Option<Box<str>>,
    pub(super) route: Option<Arc<RouteTaken>>,
    pub(super) dialled: Option<Address>,
    pub(super) error: Option<Box<Problem>>,
    pub(super) who: Option<Arc<Who>>,
    /// Whether its process was looked for as well as can be.
    pub(super) sought: bool,
}

/// An address without what IPv6 has beside address and port: in 20 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address(IpAddr, u16);

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self(address.ip(), address.port())
    }
}

impl From<Address> for SocketAddr {
    fn from(Address(ip, port): Address) -> Self {
        Self::new(ip, port)
    }
}

impl Story {
    /// The way it goes now; whether that is new. Another way leads to another address.
    pub(super) fn goes(&mut self, name: Option<String>, route: Arc<RouteTaken>) -> bool {
        let same_route = self.route.as_ref().is_some_and(|r| Arc::ptr_eq(r, &route));
        let same_name = name.is_none() || name.as_deref() == self.name.as_deref();
        if !same_name {
            self.name = name.map(Into::into);
            self.dialled = None;
        }
        self.route = Some(route);
        !(same_route && same_name)
    }
}

impl Row {
    /// A connection that came in now.
    pub(super) fn new(id: u64, via: Via, client: SocketAddr, local: SocketAddr) -> Self {
        Self {
            id,
            via,
            client: client.into(),
            local: local.into(),
            original_dst: None,
            chained: None,
            started_ms: now_ms(),
            ended_ms: AtomicU64::new(0),
            bytes_up: AtomicU64::new(0),
            bytes_down: AtomicU64::new(0),
            story: Mutex::default(),
        }
    }

    /// The same, where it was going as the firewall remembers it.
    pub(super) fn towards(self, original_dst: Option<SocketAddr>) -> Self {
        Self {
            original_dst: original_dst.map(Into::into),
            ..self
        }
    }

    /// The same, where another engine passed it on.
    pub(super) fn from(self, chained: Option<ChainedFrom>) -> Self {
        Self {
            chained: chained.map(Box::new),
            ..self
        }
    }

    /// Whose it is.
    pub(super) fn is(&self, who: Arc<Who>) {
        lock(&self.story).who = Some(who);
    }

    pub(super) fn is_live(&self) -> bool {
        self.ended_ms.load(Relaxed) == 0
    }

    /// From the client, to the client.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.bytes_up.load(Relaxed), self.bytes_down.load(Relaxed))
    }

    pub(super) fn show(&self) -> Connection {
        let story = lock(&self.story);
        let ended_ms = Some(self.ended_ms.load(Relaxed)).filter(|ended| *ended > 0);
        Connection {
            id: self.id,
            client: self.client.into(),
            who: story.who.as_deref().cloned(),
            via: self.via,
            local: Some(self.local.into()),
            original_dst: self.original_dst.map(Into::into),
            chained: self.chained.as_deref().cloned(),
            name: story.name.as_deref().map(str::to_owned),
            route: story.route.as_deref().cloned(),
            dialled: story.dialled.map(Into::into),
            bytes_up: self.bytes_up.load(Relaxed),
            bytes_down: self.bytes_down.load(Relaxed),
            started_ms: self.started_ms,
            ended_ms,
            error: story.error.as_deref().cloned(),
        }
    }

    /// The line of a connection that has ended. It names hosts: only where somebody wants to know so
    /// much.
    pub(super) fn log(&self) {
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return;
        }
        let story = lock(&self.story);
        let chained = self.chained.as_deref();
        let (up, down) = self.bytes();
        let ended_ms = self.ended_ms.load(Relaxed);
        let lasted = Duration::from_millis(ended_ms.saturating_sub(self.started_ms));
        tracing::debug!(
            id = self.id,
            client = %SocketAddr::from(self.client),
            who = story.who.as_ref().map(display),
            via = self.via.word(),
            engine = chained.map(|from| from.engine.as_str()),
            client_there = chained.map(|from| display(from.client)),
            original_dst = self.original_dst.map(|a| display(SocketAddr::from(a))),
            name = story.name.as_deref(),
            route = story.route.as_ref().map(display),
            dialled = story.dialled.map(|a| display(SocketAddr::from(a))),
            up,
            down,
            started_ms = self.started_ms,
            seconds = lasted.as_secs_f64(),
            code = story.error.as_ref().map(|error| error.code.as_str()),
            error = story.error.as_ref().map(|error| error.message.as_str()),
            "connection ended"
        );
    }
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    // A clock before 1970 shows as 1970.
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::Row;

    #[test]
    fn a_row_is_a_few_words() {
        // What a million idle tunnels would cost besides everything else, in megabytes.
        assert!(size_of::<Row>() <= 240, "{} bytes", size_of::<Row>());
    }
}
