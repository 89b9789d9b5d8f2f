//! Who is attached, and for how long.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Engine, EngineError};

/// The leases that are alive, oldest first; all of one user.
#[derive(Debug, Default)]
pub(super) struct Leases(Mutex<Vec<Alive>>);

#[derive(Debug)]
struct Alive {
    lease: String,
    user: String,
    /// The number of the user.
    uid: u32,
}

/// The time that an agent is attached. Dropping it takes back everything lent under its lease.
#[derive(Debug)]
pub struct Attached {
    engine: Engine,
    lease: String,
}

impl Attached {
    pub(super) fn new(engine: Engine, lease: String) -> Self {
        Self { engine, lease }
    }

    /// Names this attachment when credentials are lent.
    pub fn lease(&self) -> &str {
        &self.lease
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.engine.end_lease(&self.lease);
    }
}

impl Leases {
    pub(super) fn open(&self, user: &str, uid: u32) -> Result<String, EngineError> {
        let lease = format!("{:032x}", random()?);
        let mut alive = self.lock();
        // The name is what an agent says of itself; the number is the kernel's.
        let is_other = |alive: &&Alive| alive.uid != uid || alive.user != user;
        if let Some(other) = alive.iter().find(is_other) {
            return Err(EngineError::AttachedToOther(other.user.clone()));
        }
        alive.push(Alive {
            lease: lease.clone(),
            user: user.to_owned(),
            uid,
        });
        Ok(lease)
    }

    pub(super) fn close(&self, lease: &str) {
        self.lock().retain(|alive| alive.lease != lease);
    }

    /// Does it for the number of the lease's user, while the lease is held alive; `None` when it
    /// is not alive.
    pub(super) fn while_alive<T>(&self, lease: &str, act: impl FnOnce(u32) -> T) -> Option<T> {
        let alive = self.lock();
        let found = alive.iter().find(|alive| alive.lease == lease)?;
        Some(act(found.uid))
    }

    pub(super) fn attached(&self) -> Option<String> {
        self.lock().last().map(|alive| alive.user.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Alive>> {
        // The list is whole between two statements.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Unguessable.
pub(super) fn random() -> Result<u128, EngineError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| EngineError::Random(error.to_string()))?;
    Ok(u128::from_ne_bytes(bytes))
}
