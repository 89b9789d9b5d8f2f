//! Credentials that are lent: in memory, for one authority each, never tried twice after a refusal.

mod basic;
mod handed;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::DialError;
use crate::accept::{Asker, User};
use crate::config::{CredentialUsers, Upstream};
use crate::control::LentCredentials;
use crate::observe::Changes;

pub use handed::Handed;

/// Everything that is lent at the moment, by [`Upstream::authority`].
#[derive(Debug)]
pub struct Credentials {
    held: Mutex<Held>,
    /// Keyed anew in each process: what it makes of a password tells nothing of it.
    prints: RandomState,
    /// Who may use them beside root and the one who lent them.
    users: CredentialUsers,
    changes: Changes,
}

/// Both by [`Upstream::authority`].
#[derive(Debug, Default)]
struct Held {
    lent: HashMap<String, Arc<Lent>>,
    taken_back: HashMap<String, TakenBack>,
}

/// What stays known of credentials that were taken back, while their lease lives: whether they
/// may be tried should they be lent again. The password itself is forgotten.
#[derive(Debug)]
struct TakenBack {
    lease: String,
    print: u64,
    standing: Arc<watch::Sender<Standing>>,
}

#[derive(Debug)]
struct Lent {
    lease: String,
    /// The number of the user who lent them.
    lender: u32,
    user: String,
    /// The value of `Proxy-Authorization`.
    header: SecretString,
    /// Shared with the same credentials lent again: whichever request is under way, its verdict
    /// holds for both.
    standing: Arc<watch::Sender<Standing>>,
}

/// What is known of a password. While it was never accepted, one request at a time tries it: a
/// wrong one that fifty requests tried at once would lock the user's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// Credentials are lent, but not for the user who asks: the upstream is asked without them.
    Withheld,
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
    /// Nothing is lent yet. `users` may use what will be, beside root and the one who lends it.
    pub fn new(users: CredentialUsers, changes: Changes) -> Self {
        Self {
            held: Mutex::default(),
            prints: RandomState::new(),
            users,
            changes,
        }
    }

    /// Takes credentials of the user `lender` into memory. The same ones again keep their standing: a refused password
    /// is not tried again because somebody repeats it.
    pub fn lend(&self, credentials: &LentCredentials, lender: u32) {
        let header = basic::header(&credentials.user, &credentials.password);
        let print = self.prints.hash_one(header.expose_secret());
        let mut held = self.lock();
        let taken_back = held.taken_back.remove(&credentials.authority);
        let standing = held
            .lent
            .get(&credentials.authority)
            .filter(|before| before.header.expose_secret() == header.expose_secret())
            .map(|before| Arc::clone(&before.standing))
            .or_else(|| Some(taken_back.filter(|before| before.print == print)?.standing))
            .unwrap_or_else(|| Arc::new(watch::Sender::new(Standing::Untried)));
        let entry = Lent {
            lease: credentials.lease.clone(),
            lender,
            user: credentials.user.clone(),
            header,
            standing,
        };
        held.lent
            .insert(credentials.authority.clone(), Arc::new(entry));
        drop(held);
        self.changes.ring();
    }

    /// Forgets every password that was lent under the lease, and not which were refused: lent
    /// again under it, they are not tried again.
    pub fn take_back(&self, lease: &str) {
        let mut held = self.lock();
        let Held { lent, taken_back } = &mut *held;
        let mut changed = false;
        for (authority, entry) in lent.extract_if(|_, entry| entry.lease == lease) {
            let print = self.prints.hash_one(entry.header.expose_secret());
            let known = TakenBack {
                lease: entry.lease.clone(),
                print,
                standing: Arc::clone(&entry.standing),
            };
            taken_back.insert(authority, known);
            changed = true;
        }
        drop(held);
        if changed {
            self.changes.ring();
        }
    }

    /// Forgets all that has to do with the lease, which is over.
    pub fn forget(&self, lease: &str) {
        self.take_back(lease);
        self.lock()
            .taken_back
            .retain(|_, known| known.lease != lease);
    }

    /// Whether credentials of the upstream's user are lent.
    pub fn are_lent(&self, upstream: &Upstream) -> bool {
        self.find(upstream).is_some()
    }

    /// What a request of `asker` may say to this upstream; waits while another one tries a fresh password.
    ///
    /// # Errors
    /// [`DialError::CredentialsNotLent`] and [`DialError::CredentialsRefused`].
    pub async fn permit(&self, upstream: &Upstream, asker: &Asker) -> Result<Permit, DialError> {
        if upstream.user().is_none() {
            return Ok(Permit::NoneNeeded);
        }
        loop {
            let lent = self
                .find(upstream)
                .ok_or_else(|| DialError::CredentialsNotLent {
                    upstream: upstream.clone(),
                })?;
            if !self.serve(asker, &lent) {
                return Ok(Permit::Withheld);
            }
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

    /// Whether these credentials are for the one who asks. Who cannot be told is a stranger.
    fn serve(&self, asker: &Asker, lent: &Lent) -> bool {
        match asker.user() {
            User::Guest => true,
            User::Local(uid) => uid == 0 || uid == lent.lender || self.users.contains(uid),
            User::Unknown => self.users == CredentialUsers::All,
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
        let held = self.lock();
        let entry = held.lent.get(&upstream.authority())?;
        (entry.user == user).then(|| Arc::clone(entry))
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Each change is one insertion or removal: the maps are whole even after a panic elsewhere.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt {
    /// The value of `Proxy-Authorization`. A secret: it goes to the upstream and nowhere else.
    pub fn header(&self) -> &str {
        self.lent.header.expose_secret()
    }

    /// Gives user and password, as they were lent, to `then`.
    pub fn with_user_and_password<T>(&self, then: impl FnOnce(&str, &str) -> T) -> T {
        let pair = basic::pair(&self.lent.header);
        let user = &self.lent.user;
        let password = pair.expose_secret().strip_prefix(user.as_str());
        let password = password.and_then(|rest| rest.strip_prefix(':'));
        then(user, password.unwrap_or_default())
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
