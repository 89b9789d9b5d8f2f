//! What this machine's network has to do with what the engine remembers.

use std::sync::Arc;

use super::Engine;
use crate::observe::Network;

impl Engine {
    /// What a script said in one network it may not say in the next.
    pub(super) fn follow_network(&self) {
        let weak = Arc::downgrade(&self.0);
        let stop = self.0.stop.clone();
        let mut network = Network::watch();
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            loop {
                network.changed().await;
                let Some(inner) = weak.upgrade() else { return };
                if let Some(pac) = inner.core.router().pac() {
                    tracing::info!("the network has changed: the PAC script is asked anew");
                    pac.forget();
                }
            }
        }));
    }
}
