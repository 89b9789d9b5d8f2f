//! Counters for Prometheus. No label comes from a client: their number is bounded by the policy and
//! by the errors that this program knows.

use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::control::{RouteTaken, Via};

/// Tunnels are opened in less than a millisecond next door, and given up after 30 s.
const SECONDS: [f64; 10] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

type Label<T> = [(&'static str, T); 1];
type Seconds = Family<Label<String>, Histogram, fn() -> Histogram>;

/// What is counted, from the start of the engine on.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    connections: Family<Label<&'static str>, Counter>,
    open: Gauge,
    turned_away: Counter,
    requests: Family<Label<&'static str>, Counter>,
    failures: Family<Label<String>, Counter>,
    bytes: Family<Label<&'static str>, Counter>,
    tunnel_seconds: Seconds,
    policies: Counter,
    descriptors: Gauge,
}

/// What is known only when somebody asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// Connections that are open.
    pub(super) open: usize,
    /// Bytes from clients, and to clients, since the start.
    pub(super) bytes: (u64, u64),
}

impl Default for Metrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let mut all = Self {
            registry: Registry::with_prefix("gangway"),
            connections: Family::default(),
            open: Gauge::default(),
            turned_away: Counter::default(),
            requests: Family::default(),
            failures: Family::default(),
            bytes: Family::default(),
            tunnel_seconds: Seconds::new_with_constructor(histogram),
            policies: Counter::default(),
            descriptors: Gauge::default(),
        };
        all.register();
        all
    }
}

impl Metrics {
    fn register(&mut self) {
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        let to = &mut self.registry;
        to.register("build", "The engine's version", version);
        to.register(
            "connections",
            "Connections taken, by how they came in",
            self.connections.clone(),
        );
        to.register("connections_open", "Connections now", self.open.clone());
        to.register(
            "connections_turned_away",
            "Connections from elsewhere, of engines that prove nothing, and direct hits on the transparent listener",
            self.turned_away.clone(),
        );
        to.register(
            "requests",
            "Requests and tunnels, by the route they were given",
            self.requests.clone(),
        );
        to.register(
            "failures",
            "Requests and tunnels that came to nothing, by reason",
            self.failures.clone(),
        );
        to.register_with_unit(
            "client",
            "Bytes from clients (up) and to clients (down)",
            Unit::Bytes,
            self.bytes.clone(),
        );
        to.register_with_unit(
            "upstream_tunnel",
            "Time from the dial to the upstream's yes",
            Unit::Seconds,
            self.tunnel_seconds.clone(),
        );
        to.register("policies", "Policies put in force", self.policies.clone());
        to.register(
            "descriptors_open",
            "Open file descriptors",
            self.descriptors.clone(),
        );
    }

    pub(super) fn connected(&self, via: Via) {
        let label = [("via", via.word())];
        self.connections.get_or_create(&label).inc();
    }

    pub(super) fn turned_away(&self) {
        self.turned_away.inc();
    }

    pub(super) fn routed(&self, route: &RouteTaken) {
        let route = match route {
            RouteTaken::Direct { .. } => "direct",
            RouteTaken::Upstream { .. } => "upstream",
            RouteTaken::Refused { .. } => "refused",
            RouteTaken::Chained { .. } => "chained",
        };
        self.requests.get_or_create(&[("route", route)]).inc();
    }

    pub(super) fn failed(&self, code: &str) {
        let label = [("code", code.to_owned())];
        self.failures.get_or_create(&label).inc();
    }

    /// A tunnel through the upstream took this long to open.
    pub fn tunnel_opened(&self, authority: &str, took: Duration) {
        let label = [("upstream", authority.to_owned())];
        let seconds = self.tunnel_seconds.get_or_create(&label);
        seconds.observe(took.as_secs_f64());
    }

    /// Another policy is in force; upstreams that it does not name are forgotten by `forget`.
    pub fn policy_swapped<'a>(&self, gone: impl Iterator<Item = &'a String>) {
        self.policies.inc();
        for authority in gone {
            let label = [("upstream", authority.to_owned())];
            self.tunnel_seconds.remove(&label);
        }
    }

    /// All of it in the text form of OpenMetrics 1.0. Not to be called twice at once.
    pub(super) fn text(&self, now: Now) -> String {
        self.open.set(i64::try_from(now.open).unwrap_or(i64::MAX));
        self.descriptors.set(open_descriptors());
        for (direction, total) in [("up", now.bytes.0), ("down", now.bytes.1)] {
            let counter = self.bytes.get_or_create(&[("direction", direction)]);
            counter.inc_by(total.saturating_sub(counter.get()));
        }
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes everything");
        text
    }
}

/// Zero where the system does not tell.
fn open_descriptors() -> i64 {
    // The listing itself is one of them.
    let listed = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    i64::try_from(listed)
        .unwrap_or(i64::MAX)
        .saturating_sub(1)
        .max(0)
}
