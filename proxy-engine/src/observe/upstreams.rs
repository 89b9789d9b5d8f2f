//! How the last connection through each upstream went, and from where it would call.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Changes;
use crate::control::Problem;

/// The last failure of each upstream, by its authority; none after a success.
#[derive(Debug, Default)]
pub struct UpstreamHealth {
    failures: Mutex<HashMap<String, Problem>>,
    /// Where each upstream was reached last, by its authority.
    addresses: Mutex<HashMap<String, IpAddr>>,
    changes: Changes,
}

impl UpstreamHealth {
    /// An empty record that rings `changes`.
    pub fn new(changes: Changes) -> Self {
        Self {
            failures: Mutex::default(),
            addresses: Mutex::default(),
            changes,
        }
    }

    /// A connection through this upstream succeeded.
    pub fn succeeded(&self, authority: &str) {
        let before = self.lock().remove(authority);
        if before.is_some() {
            self.changes.ring();
        }
    }

    /// A connection through this upstream failed.
    pub fn failed(&self, authority: &str, problem: Problem) {
        let mut failures = self.lock();
        let changed = failures.get(authority) != Some(&problem);
        failures.insert(authority.to_owned(), problem);
        drop(failures);
        if changed {
            self.changes.ring();
        }
    }

    /// Somebody has acted on what this upstream asked for: what it said of credentials before is
    /// answered.
    pub fn credentials_anew(&self, authority: &str) {
        let mut failures = self.lock();
        let answered = failures
            .get(authority)
            .is_some_and(|problem| problem.code.starts_with("credentials_"));
        if answered {
            failures.remove(authority);
        }
        drop(failures);
        if answered {
            self.changes.ring();
        }
    }

    /// Why the last connection through it failed.
    pub fn last_error(&self, authority: &str) -> Option<Problem> {
        self.lock().get(authority).cloned()
    }

    /// Forgets every upstream that `keep` does not name.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.lock().retain(|authority, _| keep(authority));
        self.addresses().retain(|authority, _| keep(authority));
    }

    /// This upstream was reached at this address.
    pub fn reached(&self, authority: &str, at: IpAddr) {
        let mut addresses = self.addresses();
        if addresses.get(authority) != Some(&at) {
            addresses.insert(authority.to_owned(), at);
        }
    }

    /// It is not known any more where this upstream is reached.
    pub fn forget(&self, authority: &str) {
        self.addresses().remove(authority);
    }

    /// Whether it is an upstream that calls from this address. Loopback is everybody's.
    pub fn is_one(&self, client: IpAddr) -> bool {
        !client.is_loopback() && self.addresses().values().any(|ip| *ip == client)
    }

    fn addresses(&self) -> MutexGuard<'_, HashMap<String, IpAddr>> {
        // As below.
        self.addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Problem>> {
        // A map of finished values is whole even after a panic elsewhere.
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
