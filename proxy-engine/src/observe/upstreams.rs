//! How the last connection through each upstream went.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::Changes;
use crate::control::Problem;

/// The last failure of each upstream, by its authority; none after a success.
#[derive(Debug, Default)]
pub struct UpstreamHealth {
    failures: Mutex<HashMap<String, Problem>>,
    changes: Changes,
}

impl UpstreamHealth {
    /// An empty record that rings `changes`.
    pub fn new(changes: Changes) -> Self {
        Self {
            failures: Mutex::default(),
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

    /// Why the last connection through it failed.
    pub fn last_error(&self, authority: &str) -> Option<Problem> {
        self.lock().get(authority).cloned()
    }

    /// Forgets every upstream that `keep` does not name.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.lock().retain(|authority, _| keep(authority));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Problem>> {
        // A map of finished values is whole even after a panic elsewhere.
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
