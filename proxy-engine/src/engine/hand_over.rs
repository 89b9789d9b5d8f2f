//! Taking another engine's place, and leaving one's own.

use std::io;
use std::time::Duration;

use super::{Engine, EngineError, Inherited};
use crate::config::EngineConfig;
use crate::control::LentCredentials;
use crate::control::hand_over::Estate;

/// How long credentials outlive the lease that they were lent under, on both sides of a hand-over:
/// the agent sees the end of its attachment at once, and lends them to the new engine.
const GRACE: Duration = Duration::from_secs(10);

impl Engine {
    /// Starts with what another engine leaves to it: both accept connections from now on.
    /// Interception is not touched before [`Engine::settle`]. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub async fn take_over(
        config: EngineConfig,
        credentials: &[LentCredentials],
        estate: Estate,
    ) -> Result<Self, EngineError> {
        let policy = config.policy.clone().unwrap_or(estate.policy);
        let engine = Self::new(config, &policy, credentials)?;
        let lent = &engine.0.core.dialer.credentials;
        let mut leases: Vec<String> = Vec::new();
        for handed in &estate.credentials {
            // Those that the other engine was started with are under none, and stay.
            if !handed.lease().is_empty() {
                leases.push(handed.lease().to_owned());
            }
        }
        lent.inherit(estate.credentials);
        engine.forget_later(leases);
        let sockets = estate.listeners.into_iter();
        let inherited: Inherited = sockets
            .map(|(address, via, socket)| ((address, via), socket))
            .collect();
        engine.listen(&policy, inherited).await;
        Ok(engine)
    }

    /// The other engine has left: what it intercepted is intercepted for this one.
    ///
    /// # Errors
    /// [`EngineError::Capabilities`].
    pub async fn settle(&self) -> Result<(), EngineError> {
        self.set_out().await
    }

    /// Whether another engine may take this one's place.
    ///
    /// # Errors
    /// [`EngineError::Ending`], [`EngineError::HoldsRules`].
    pub async fn may_hand_over(&self) -> Result<(), EngineError> {
        if self.0.stop.is_cancelled() {
            return Err(EngineError::Ending);
        }
        if self.0.intercepting.holds_rules().await {
            return Err(EngineError::HoldsRules);
        }
        Ok(())
    }

    /// Lets `give` pass on all that this engine has. When it returns well, another engine serves:
    /// this one takes no new connection, leaves the broker with the rules in force, says
    /// `farewell`, and lives on for the connections that it has. Else it goes on as before.
    ///
    /// # Errors
    /// Those of both; no descriptor is free; another hand-over came first.
    pub async fn hand_over<T>(
        &self,
        give: impl AsyncFnOnce(Estate) -> io::Result<T>,
        farewell: impl AsyncFnOnce(T) -> io::Result<()>,
    ) -> io::Result<()> {
        // What is handed over is what is in force.
        let _one = self.0.swapping.lock().await;
        self.may_hand_over().await.map_err(io::Error::other)?;
        let estate = Estate {
            policy: self.policy(),
            credentials: self.0.core.dialer.credentials.hand_over(),
            listeners: self.listeners().seconds()?,
        };
        let leases = estate.credentials.iter().map(|c| c.lease().to_owned());
        let leases: Vec<String> = leases.collect();
        let given = give(estate).await?;
        self.0.stop.cancel();
        self.0.core.draining.cancel();
        self.listeners().close();
        self.0.intercepting.leave().await;
        self.0.connections.close();
        let told = farewell(given).await;
        // Only now: whoever waits for it may end this process.
        self.0.handed_over.cancel();
        self.0.core.changes.ring();
        self.forget_later(leases);
        tracing::info!("handed over; live connections end here");
        told
    }

    /// Whether another engine has taken this one's place.
    pub fn has_handed_over(&self) -> bool {
        self.0.handed_over.is_cancelled()
    }

    /// Ends when another engine has taken this one's place.
    pub async fn handed_over(&self) {
        self.0.handed_over.cancelled().await;
    }

    /// What it gives; `None` when another engine takes this one's place before.
    pub(crate) async fn unless_handed_over<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        self.0.handed_over.run_until_cancelled(wait).await
    }

    /// After a hand-over, ends with the last connection that came in before it.
    pub async fn last_connection(&self) {
        self.0.connections.wait().await;
    }

    fn forget_later(&self, leases: Vec<String>) {
        if leases.is_empty() {
            return;
        }
        let core = self.0.core.clone();
        tokio::spawn(async move {
            tokio::time::sleep(GRACE).await;
            for lease in leases {
                core.dialer.credentials.forget(&lease);
            }
        });
    }
}
