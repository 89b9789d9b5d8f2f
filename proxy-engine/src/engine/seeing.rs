//! What an engine shows of itself.

use tokio::sync::watch;

use super::{Engine, EngineError};
use crate::config::Upstream;
use crate::control::{ChainState, Connection, Guests, PacState, Problem, Status, UpstreamState};
use crate::observe::{Follower, TooManyFollowers};

impl Engine {
    /// What the engine is doing.
    pub fn status(&self) -> Status {
        let core = &self.0.core;
        let router = core.router();
        let policy = router.policy();
        let mut upstreams: Vec<Upstream> = policy.upstreams().into_iter().cloned().collect();
        for named in router.pac().map(|pac| pac.upstreams()).unwrap_or_default() {
            if upstreams.iter().all(|u| u.clone().with_user(None) != named) {
                upstreams.push(named);
            }
        }
        let upstreams = upstreams.into_iter().map(|upstream| UpstreamState {
            credentials_lent: core.dialer.credentials.are_lent(&upstream),
            last_error: core.dialer.health.last_error(&upstream.authority()),
            down: core.dialer.health.is_down(&upstream.authority()),
            upstream,
        });
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            listeners: self.listeners().states(),
            upstreams: upstreams.collect(),
            interception: self.0.intercepting.state(),
            attached: self.0.leases.attached(),
            connections: core.table.counts(),
            draining: core.draining.is_cancelled(),
            chain: core.chain.as_ref().map(|chain| ChainState {
                engine: chain.authority(),
                name: chain.key.last().name.to_string(),
                last_error: core.dialer.health.last_error(&chain.authority()),
            }),
            pac: router.pac().map(|pac| PacState {
                bytes: pac.script().text().len(),
                last_error: pac.problem().map(|error| Problem {
                    code: error.code().into(),
                    message: error.to_string(),
                }),
            }),
            policy: policy.without_texts(),
        }
    }

    /// Says whose the addresses of containers are, in place of what was told before; forgotten with
    /// the lease. The names are shown beside connections, and nowhere else.
    ///
    /// # Errors
    /// [`EngineError::NoLease`].
    pub fn name_guests(&self, guests: &Guests) -> Result<(), EngineError> {
        let named = || self.0.core.table.guests.replace(guests);
        self.0
            .leases
            .while_alive(&guests.lease, |_| named())
            .ok_or(EngineError::NoLease)
    }

    /// Live connections by age, then the ones that ended last, newest first. Looks for whose they
    /// are, and blocks meanwhile: up to a fifth of a second.
    pub fn connections(&self) -> Vec<Connection> {
        self.0.core.table.list()
    }

    /// Follows what happens to connections from now on.
    ///
    /// # Errors
    /// [`TooManyFollowers`].
    pub fn follow(&self) -> Result<Follower, TooManyFollowers> {
        self.0.core.table.follow()
    }

    /// Everything that is counted since the start, in the text form of OpenMetrics 1.0. No label
    /// comes from a client, and no secret is among them.
    pub fn metrics(&self) -> String {
        self.0.core.table.metrics_text()
    }

    /// Hears of every change of the status but that of its counters.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.core.changes.subscribe()
    }
}
