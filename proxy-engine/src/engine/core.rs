//! What every connection needs to know.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use super::EngineError;
use crate::chain::{EngineId, Kept, Keys};
use crate::config::{DefaultRoute, EngineConfig, Limits, Policy, Ports, Upstream};
use crate::dial::{Chain, Dialer};
use crate::http::LongSections;
use crate::observe::{Changes, ConnectionTable};
use crate::pac::worker::Program;
use crate::pac::{Pac, Script};
use crate::relay::IdleLimit;
use crate::route::Router;

/// The part of the engine that connections share.
#[derive(Debug)]
pub struct Core {
    router: ArcSwap<Router>,
    pac_program: Program,
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
        let pac = script_of(&policy).map(|script| {
            begin(Pac::new(
                script,
                config.pac_program.clone(),
                changes.clone(),
            ))
        });
        let keys = config.chain.keys.as_deref();
        let keys = keys.map(|path| Kept::read(path, Keys::read)).transpose()?;
        let dialer = Dialer::new(&changes, id.as_str().into(), config)?;
        dialer.credentials.use_tickets(&policy.tickets);
        dialer.trust(policy.certificates.clone());
        Ok(Self {
            chain,
            keys,
            router: ArcSwap::from_pointee(Router::with_pac(policy, pac)),
            pac_program: config.pac_program.clone(),
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
            upstreams.map(Upstream::authority).collect()
        };
        let mut authorities = authorities_of(&policy);
        self.dialer.credentials.use_tickets(&policy.tickets);
        self.dialer.trust(policy.certificates.clone());
        // The same script goes on in the same worker; what it answered may follow from something
        // that has changed with the policy.
        let former = self.router();
        let pac = script_of(&policy).map(|script| match former.pac() {
            Some(pac) if *pac.script() == script => {
                pac.forget();
                Arc::clone(pac)
            }
            _ => {
                let program = self.pac_program.clone();
                begin(Pac::new(script, program, self.changes.clone()))
            }
        });
        let named = pac.as_ref().map(|pac| pac.upstreams()).unwrap_or_default();
        authorities.extend(named.iter().map(Upstream::authority));
        let before = self.router.swap(Arc::new(Router::with_pac(policy, pac)));
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

fn script_of(policy: &Policy) -> Option<Script> {
    match &policy.default {
        DefaultRoute::Pac { script, .. } => Some(script.clone()),
        DefaultRoute::Direct | DefaultRoute::Upstreams { .. } | DefaultRoute::Refused { .. } => {
            None
        }
    }
}

/// The first connection does not wait for the worker.
fn begin(pac: Pac) -> Arc<Pac> {
    let pac = Arc::new(pac);
    let warmed = Arc::clone(&pac);
    tokio::spawn(async move { warmed.warm().await });
    pac
}
