//! What every connection needs to know.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use super::EngineError;
use crate::chain::{EngineId, Kept, Keys};
use crate::config::{EngineConfig, Limits, Policy, Ports};
use crate::dial::{Chain, Dialer};
use crate::http::LongSections;
use crate::observe::{Changes, ConnectionTable};
use crate::relay::IdleLimit;
use crate::route::Router;

/// The part of the engine that connections share.
#[derive(Debug)]
pub struct Core {
    router: ArcSwap<Router>,
    /// What it calls itself to other engines.
    pub id: EngineId,
    /// The engine that decides; `None`: this one does.
    pub chain: Option<Chain>,
    /// The keys of engines that pass connections on to this one; `None`: none may.
    pub keys: Option<Kept<Keys>>,
    /// How much one HTTP message may cost.
    pub limits: Limits,
    /// The ports that CONNECT is for.
    pub connect_ports: Ports,
    /// Dials upstreams.
    pub dialer: Dialer,
    /// Who is connected.
    pub table: Arc<ConnectionTable>,
    /// How long a tunnel or an exchange may be silent.
    pub idle: IdleLimit,
    /// Rings when the status changes.
    pub changes: Changes,
    /// The rights to heads and trailer sections that are longer than usual.
    pub long_sections: LongSections,
    /// Cancelled once the engine is ending: a kept connection closes after its response.
    pub draining: CancellationToken,
}

impl Core {
    /// A core under this policy; nothing is lent.
    ///
    /// # Errors
    /// [`EngineError::Random`], [`EngineError::Key`], [`EngineError::Ca`].
    pub fn new(policy: Policy, config: &EngineConfig) -> Result<Self, EngineError> {
        let changes = Changes::default();
        let id = EngineId::new(super::leases::random()?);
        let chain = config.chain.to.as_ref().map(Chain::new).transpose()?;
        let keys = config.chain.keys.as_deref();
        let keys = keys.map(|path| Kept::read(path, Keys::read)).transpose()?;
        let dialer = Dialer::new(&changes, id.as_str().into(), config)?;
        dialer.credentials.use_tickets(&policy.tickets);
        Ok(Self {
            chain,
            keys,
            router: ArcSwap::from_pointee(Router::new(policy)),
            dialer,
            id,
            limits: config.limits,
            connect_ports: config.access.connect_ports.clone(),
            table: Arc::default(),
            idle: config.idle_limit,
            changes,
            long_sections: LongSections::default(),
            draining: CancellationToken::new(),
        })
    }

    /// The policy in force, for a new connection to hold.
    pub fn router(&self) -> Arc<Router> {
        self.router.load_full()
    }

    /// Puts another policy in force for new connections.
    pub(super) fn swap(&self, policy: Policy) {
        let authorities_of = |policy: &Policy| -> Vec<String> {
            let upstreams = policy.upstreams().into_iter();
            upstreams.map(crate::config::Upstream::authority).collect()
        };
        let mut authorities = authorities_of(&policy);
        self.dialer.credentials.use_tickets(&policy.tickets);
        let before = self.router.swap(Arc::new(Router::new(policy)));
        let mut gone = authorities_of(before.policy());
        gone.retain(|authority| !authorities.contains(authority));
        self.table.metrics.policy_swapped(gone.iter());
        authorities.extend(self.chain.as_ref().map(Chain::authority));
        self.dialer
            .credentials
            .retain(|authority| authorities.iter().any(|kept| kept == authority));
        self.dialer
            .health
            .retain(|authority| authorities.iter().any(|kept| kept == authority));
    }
}
