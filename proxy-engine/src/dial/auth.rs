//! Credentials that are lent: in memory, for one authority each, never tried twice after a refusal.

mod basic;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;

use super::DialError;
use crate::config::Upstream;
use crate::control::LentCredentials;
use crate::observe::Changes;

/// Everything that is lent at the moment, by [`Upstream::authority`].
#[derive(Debug)]
pub struct Credentials {
    lent: Mutex<HashMap<String, Arc<Lent>>>,
    changes: Changes,
}

#[derive(Debug)]
struct Lent {
    lease: String,
    user: String,
    /// The value of `Proxy-Authorization`.
    header: SecretString,
    /// Shared with the same credentials lent again: whichever request is under way, its verdict
    /// holds for both.
    standing: Arc<watch::Sender<Standing>>,
}

/// What is known of a password. While it was never accepted, one request at a time tries it: a
/// wrong one that fifty requests tried at once would lock the user's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Untried,
    Trying,
    Accepted,
    Refused,
}

/// What one request may say to an upstream.
#[derive(Debug)]
pub enum Permit {
    /// The policy names no user for it.
    NoneNeeded,
    /// These credentials.
    Attempt(Attempt),
}

/// One request's use of credentials. Dropped without a verdict (the connection broke), the next
/// request tries.
#[derive(Debug)]
pub struct Attempt {
    lent: Arc<Lent>,
    changes: Changes,
}

impl Credentials {
    /// Nothing is lent yet.
    pub fn new(changes: Changes) -> Self {
        Self {
            lent: Mutex::default(),
            changes,
        }
    }

    /// Takes credentials into memory. The same ones again keep their standing: a refused password
    /// is not tried again because somebody repeats it.
    pub fn lend(&self, credentials: &LentCredentials) {
        let header = basic::header(&credentials.user, &credentials.password);
        let mut lent = self.lock();
        let standing = lent
            .get(&credentials.authority)
            .filter(|before| before.header.expose_secret() == header.expose_secret())
            .map_or_else(
                || Arc::new(watch::Sender::new(Standing::Untried)),
                |before| Arc::clone(&before.standing),
            );
        let entry = Lent {
            lease: credentials.lease.clone(),
            user: credentials.user.clone(),
            header,
            standing,
        };
        lent.insert(credentials.authority.clone(), Arc::new(entry));
        drop(lent);
        self.changes.ring();
    }

    /// Forgets everything that was lent under the lease.
    pub fn take_back(&self, lease: &str) {
        let mut lent = self.lock();
        let before = lent.len();
        lent.retain(|_, entry| entry.lease != lease);
        let changed = lent.len() != before;
        drop(lent);
        if changed {
            self.changes.ring();
        }
    }

    /// Whether credentials of the upstream's user are lent.
    pub fn are_lent(&self, upstream: &Upstream) -> bool {
        self.find(upstream).is_some()
    }

    /// What a request may say to this upstream; waits while another one tries a fresh password.
    ///
    /// # Errors
    /// [`DialError::CredentialsNotLent`] and [`DialError::CredentialsRefused`].
    pub async fn permit(&self, upstream: &Upstream) -> Result<Permit, DialError> {
        if upstream.user().is_none() {
            return Ok(Permit::NoneNeeded);
        }
        loop {
            let lent = self
                .find(upstream)
                .ok_or_else(|| DialError::CredentialsNotLent {
                    upstream: upstream.clone(),
                })?;
            let mut standing = lent.standing.subscribe();
            let claimed = lent.standing.send_if_modified(|standing| {
                let free = *standing == Standing::Untried;
                if free {
                    *standing = Standing::Trying;
                }
                free
            });
            let now = *standing.borrow_and_update();
            match now {
                _ if claimed => return Ok(Permit::Attempt(self.attempt(lent))),
                Standing::Accepted => return Ok(Permit::Attempt(self.attempt(lent))),
                Standing::Refused => {
                    return Err(DialError::CredentialsRefused {
                        upstream: upstream.clone(),
                    });
                }
                // An attempt always ends in a change: a verdict, or its drop.
                Standing::Untried | Standing::Trying => {
                    let _ = standing.changed().await;
                }
            }
        }
    }

    fn attempt(&self, lent: Arc<Lent>) -> Attempt {
        Attempt {
            lent,
            changes: self.changes.clone(),
        }
    }

    fn find(&self, upstream: &Upstream) -> Option<Arc<Lent>> {
        let user = upstream.user()?;
        let lent = self.lock();
        let entry = lent.get(&upstream.authority())?;
        (entry.user == user).then(|| Arc::clone(entry))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Lent>>> {
        // Each change is one insertion or removal: the map is whole even after a panic elsewhere.
        self.lent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt {
    /// The value of `Proxy-Authorization`. A secret: it goes to the upstream and nowhere else.
    pub fn header(&self) -> &str {
        self.lent.header.expose_secret()
    }

    /// The upstream took them.
    pub fn accepted(self) {
        self.settle(Standing::Accepted);
    }

    /// The upstream answered 407 although they were sent.
    pub fn refused(self) {
        self.settle(Standing::Refused);
        self.changes.ring();
    }

    fn settle(&self, verdict: Standing) {
        self.lent.standing.send_if_modified(|standing| {
            // A refusal stands until other credentials are lent.
            let changed = *standing != verdict && *standing != Standing::Refused;
            if changed {
                *standing = verdict;
            }
            changed
        });
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        // Only the one attempt that set `Trying` can find it here.
        self.lent.standing.send_if_modified(|standing| {
            let unjudged = *standing == Standing::Trying;
            if unjudged {
                *standing = Standing::Untried;
            }
            unjudged
        });
    }
}

#[cfg(test)]
mod tests;
