//! How the engine starts, swaps its policy and ends.
//!
//! [`Engine`] is the whole data plane behind one handle: the binary serves it over the control
//! API, and the agent embeds it where no service is installed.

mod core;
mod error;
#[cfg(unix)]
mod hand_over;
mod interception;
mod leases;
mod listeners;
mod network;
mod seeing;
mod state;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::core::Core;
pub use error::EngineError;
pub use leases::Attached;

use crate::config::{DefaultRoute, EngineConfig, InterceptBy, Policy, Rule};
use crate::control::{LentCredentials, Via};
use interception::Intercepting;
use leases::Leases;
use listeners::{Inherited, Listeners, Passed, Wanted};

/// The relay: where a world's own clients find the engine.
pub const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 3182);
/// The usual port of the transparent listener.
pub const TRANSPARENT_PORT: u16 = 3183;

/// A listener that could not be opened is tried again this often: the address may appear, the
/// holder of the port may end.
const RETRY: Duration = Duration::from_secs(1);

/// A running engine. Clones are handles of the same one; it runs until [`Engine::drain`].
#[derive(Debug, Clone)]
pub struct Engine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: EngineConfig,
    core: Arc<Core>,
    listeners: Mutex<Listeners>,
    intercepting: Intercepting,
    leases: Leases,
    /// One policy swap at a time, so that what is kept is what is in force.
    swapping: tokio::sync::Mutex<()>,
    /// Connections; they end by themselves or at the deadline of a drain.
    connections: TaskTracker,
    /// Ends the engine's own tasks.
    stop: CancellationToken,
    /// Ends connections that outlive the deadline of a drain.
    cut: CancellationToken,
    /// Another engine has taken this one's place.
    handed_over: CancellationToken,
}

impl Engine {
    /// Starts with the configured policy, else the last one, else everything direct. A listener
    /// that cannot be opened does not keep it from starting: the status names it, and it is tried
    /// again every second. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`EngineError::State`], [`EngineError::NoUpstream`], [`EngineError::Capabilities`],
    /// [`EngineError::Key`], [`EngineError::DecidesNothing`].
    pub async fn start(config: EngineConfig) -> Result<Self, EngineError> {
        Self::start_with(config, &[]).await
    }

    /// The same, with credentials that are lent for as long as the engine runs, before it serves
    /// anybody: what came in over a descriptor, where there is no agent.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub async fn start_with(
        config: EngineConfig,
        credentials: &[LentCredentials],
    ) -> Result<Self, EngineError> {
        let policy = match (&config.policy, &config.chain.to, &config.state) {
            (Some(policy), _, _) => policy.clone(),
            (None, Some(to), _) => Policy::decided_by(&to.engine),
            (None, None, Some(folder)) => state::load(folder)?,
            (None, None, None) => Policy::direct("nothing was set yet"),
        };
        let engine = Self::new(config, &policy, credentials)?;
        engine.listen(&policy, Inherited::new()).await;
        engine.set_out().await?;
        Ok(engine)
    }

    /// An engine that does nothing yet.
    fn new(
        config: EngineConfig,
        policy: &Policy,
        credentials: &[LentCredentials],
    ) -> Result<Self, EngineError> {
        check(&config, policy)?;
        if let Some(folder) = &config.state
            && let Err(source) = state::try_out(folder)
        {
            // It serves all the same; what it will not do is said before somebody relies on it.
            let path = folder.clone();
            tracing::warn!("{}", EngineError::State { path, source });
        }
        let core = Arc::new(Core::new(policy.clone(), &config)?);
        for lent in credentials {
            core.dialer.credentials.lend(lent, own_uid());
        }
        Ok(Self(Arc::new(Inner {
            listeners: Mutex::default(),
            intercepting: Intercepting::new(
                config.intercept_by.clone(),
                config.netns.clone(),
                core.changes.clone(),
            ),
            leases: Leases::default(),
            swapping: tokio::sync::Mutex::default(),
            connections: TaskTracker::new(),
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
            handed_over: CancellationToken::new(),
            core,
            config,
        })))
    }

    /// Once it listens: interception, and what goes on beside the connections.
    async fn set_out(&self) -> Result<(), EngineError> {
        self.intercept(&self.policy()).await;
        if let InterceptBy::ThisProcess {
            drop_capabilities: true,
        } = self.0.config.intercept_by
        {
            crate::intercept::drop_capabilities().map_err(EngineError::Capabilities)?;
        }
        self.keep_trying();
        self.follow_network();
        Ok(())
    }

    /// The policy in force.
    pub fn policy(&self) -> Policy {
        self.0.core.router().policy().clone()
    }

    /// Puts a policy in force for new connections; live ones keep theirs. When it returns, it is:
    /// listeners are open or their error is in the status, rules are set or their error is, and
    /// the policy is kept for the next start.
    ///
    /// # Errors
    /// [`EngineError::NoUpstream`], [`EngineError::DecidesNothing`], [`EngineError::Ending`]:
    /// nothing changed.
    /// [`EngineError::State`]: it is in force, but will not be after a restart.
    pub async fn swap_policy(&self, policy: Policy) -> Result<(), EngineError> {
        check(&self.0.config, &policy)?;
        let _one = self.0.swapping.lock().await;
        if self.0.handed_over.is_cancelled() {
            return Err(EngineError::Ending);
        }
        self.0.core.swap(policy.clone());
        self.listen(&policy, Inherited::new()).await;
        self.intercept(&policy).await;
        tracing::info!(cause = %policy.cause, "policy in force");
        self.0.core.changes.ring();
        match &self.0.config.state {
            None => Ok(()),
            Some(folder) => state::save(folder, &policy),
        }
    }

    /// Attaches the agent of `user`, whose number is `uid`: what it lends serves connections of
    /// that user and of root. When what it returns is dropped, everything lent under its
    /// lease is taken back. The same user may attach again before the former attachment is gone.
    ///
    /// # Errors
    /// [`EngineError::AttachedToOther`], [`EngineError::Ending`].
    pub fn attach(&self, user: &str, uid: u32) -> Result<Attached, EngineError> {
        if self.0.handed_over.is_cancelled() {
            return Err(EngineError::Ending);
        }
        let lease = self.0.leases.open(user, uid)?;
        self.0.core.changes.ring();
        Ok(Attached::new(self.clone(), lease))
    }

    /// Lends credentials under a live lease.
    ///
    /// # Errors
    /// [`EngineError::NoLease`].
    pub fn lend(&self, credentials: &LentCredentials) -> Result<(), EngineError> {
        self.0
            .leases
            .while_alive(&credentials.lease, |uid| {
                let dialer = &self.0.core.dialer;
                if dialer.credentials.lend(credentials, uid) {
                    dialer.health.credentials_anew(&credentials.authority);
                }
            })
            .ok_or(EngineError::NoLease)
    }

    /// Takes back everything lent under the lease, which stays alive.
    pub fn take_back(&self, lease: &str) {
        self.0.core.dialer.credentials.take_back(lease);
    }

    /// Ends: no new connections, no interception, kept connections close after the response under
    /// way, then the live ones get until `deadline`, and what is left is cut.
    pub async fn drain(&self, deadline: Duration) {
        self.0.stop.cancel();
        self.0.core.draining.cancel();
        self.0.core.changes.ring();
        self.listeners().close();
        self.0.intercepting.end().await;
        self.0.connections.close();
        let ended = tokio::time::timeout(deadline, self.0.connections.wait()).await;
        if ended.is_err() {
            self.0.cut.cancel();
            self.0.connections.wait().await;
        }
    }

    fn end_lease(&self, lease: &str) {
        self.0.leases.close(lease);
        self.0.core.table.guests.forget(lease);
        // After a hand-over, connections that came in before still get what they came for: it is
        // taken back a little later.
        if !self.0.handed_over.is_cancelled() {
            self.0.core.dialer.credentials.forget(lease);
        }
        self.0.core.changes.ring();
    }

    /// Opens what is wanted and not open yet; what is `inherited` is open already.
    async fn listen(&self, policy: &Policy, mut inherited: Inherited) {
        let config = &self.0.config;
        let explicit = config.listen.iter().chain(&policy.listen);
        let wanted: Vec<_> = explicit
            .map(|address| (*address, Via::Explicit))
            .chain(
                config
                    .transparent
                    .iter()
                    .map(|address| (*address, Via::Transparent)),
            )
            .chain(
                config
                    .chain
                    .listen
                    .iter()
                    .map(|address| (*address, Via::Chained)),
            )
            .collect();
        let with_credentials = policy.upstreams().iter().any(|u| policy.logs_in_to(u));
        let wanted = Wanted::all(&wanted, with_credentials && !config.access.wildcard);
        let mut passed = Passed::new();
        for wanted in &wanted {
            let key = (wanted.address, wanted.via);
            if let Some(socket) = inherited.remove(&key) {
                passed.insert(key, Ok(socket));
            } else if wanted.via == Via::Transparent && !self.listeners().is_open(wanted) {
                let from_broker = self
                    .0
                    .intercepting
                    .listener(wanted.address, wanted.families);
                passed.extend(from_broker.await.map(|socket| (key, socket)));
            }
        }
        let changed = self.listeners().want(&wanted, passed, |listener, via| {
            let inner = &self.0;
            listeners::serve(
                listener,
                via,
                Arc::clone(&inner.core),
                inner.connections.clone(),
                inner.cut.clone(),
            )
        });
        if changed {
            self.0.core.changes.ring();
        }
    }

    async fn intercept(&self, policy: &Policy) {
        let port = self.listeners().transparent_port();
        self.0.intercepting.want(&policy.intercept, port).await;
    }

    /// Opens what could not be opened yet, and finds the broker again.
    fn keep_trying(&self) {
        let weak = Arc::downgrade(&self.0);
        let stop = self.0.stop.clone();
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            loop {
                tokio::time::sleep(RETRY).await;
                let Some(inner) = weak.upgrade() else { return };
                let engine = Self(inner);
                // Not beside a swap, whose policy must be the last that is brought into force.
                let _one = engine.0.swapping.lock().await;
                if engine.listeners().some_failed() {
                    let policy = engine.policy();
                    engine.listen(&policy, Inherited::new()).await;
                    engine.intercept(&policy).await;
                }
                engine.0.intercepting.mend().await;
            }
        }));
    }

    fn listeners(&self) -> MutexGuard<'_, Listeners> {
        // The set is whole between two statements.
        self.0
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The user that this process runs as: whose credentials those are that it was started with.
fn own_uid() -> u32 {
    #[cfg(unix)]
    return rustix::process::geteuid().as_raw();
    // Where users have no number, no client is told by one either.
    #[cfg(not(unix))]
    0
}

fn check(config: &EngineConfig, policy: &Policy) -> Result<(), EngineError> {
    if let Some(to) = &config.chain.to
        && !(policy.bypass.0.is_empty()
            && policy.rules.is_empty()
            && matches!(policy.default, DefaultRoute::Refused { .. }))
    {
        return Err(EngineError::DecidesNothing(to.engine.clone()));
    }
    let without_way = |rule: &Rule| rule.ways.is_empty();
    match &policy.default {
        DefaultRoute::Upstreams { upstreams } if upstreams.is_empty() => {
            Err(EngineError::NoUpstream)
        }
        _ if policy.rules.iter().any(without_way) => Err(EngineError::NoUpstream),
        _ => Ok(()),
    }
}
