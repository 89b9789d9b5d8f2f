//! The bell that rings when something worth showing changed.

use tokio::sync::watch;

/// Rings at every change of policy, listeners, credentials, attachment, interception or an
/// upstream's health. It carries no content: who hears it asks for the status. Rings that come
/// faster than somebody listens merge into one.
#[derive(Debug, Clone)]
pub struct Changes(watch::Sender<u64>);

impl Default for Changes {
    fn default() -> Self {
        Self(watch::channel(0).0)
    }
}

impl Changes {
    /// Rings.
    pub fn ring(&self) {
        self.0.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Hears every ring from now on.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}
