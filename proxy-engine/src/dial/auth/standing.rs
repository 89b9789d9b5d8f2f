//! What is known of a password, and the right to try it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::negotiate::Kerberos;
use super::{Lent, basic};
use crate::config::Upstream;
use crate::dial::DialError;
use crate::observe::Changes;

/// What is known of a password. While it was never accepted, one request at a time tries it: a
/// wrong one that fifty requests tried at once would lock the user's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Standing {
    Untried,
    Trying,
    /// It was said once, and nobody heard what came of it.
    Doubtful,
    /// The same, and it is being said once more.
    TryingAgain,
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
/// request tries. Where the password was said, that is done once: a proxy that closes instead of
/// saying no would else lock the user's account. After the second time they count as refused.
#[derive(Debug)]
pub struct Attempt {
    lent: Arc<Lent>,
    trial: Trial,
}

/// The right to try something that is never tried again once it was refused.
#[derive(Debug)]
pub(super) struct Trial {
    standing: Arc<watch::Sender<Standing>>,
    /// Whether the password left this process, as it is or as a proof.
    said: AtomicBool,
    changes: Changes,
}

impl Trial {
    /// The right to try; waits while another request tries for the first time. `None` where it was
    /// refused.
    pub(super) async fn claim(
        shared: &Arc<watch::Sender<Standing>>,
        changes: &Changes,
    ) -> Option<Self> {
        let trial = || Self {
            standing: Arc::clone(shared),
            said: AtomicBool::new(false),
            changes: changes.clone(),
        };
        let mut standing = shared.subscribe();
        loop {
            let claimed = shared.send_if_modified(|standing| {
                let trying = match *standing {
                    Standing::Untried => Standing::Trying,
                    Standing::Doubtful => Standing::TryingAgain,
                    _ => return false,
                };
                *standing = trying;
                true
            });
            let now = *standing.borrow_and_update();
            match now {
                _ if claimed => return Some(trial()),
                Standing::Accepted => return Some(trial()),
                Standing::Refused => return None,
                // A trial always ends in a change: a verdict, or its drop.
                Standing::Untried
                | Standing::Trying
                | Standing::Doubtful
                | Standing::TryingAgain => {
                    let _ = standing.changed().await;
                }
            }
        }
    }

    /// Nobody was there to judge it.
    pub(super) fn unsaid(&self) {
        self.said.store(false, Relaxed);
    }

    /// Whether it is known to be taken.
    pub(super) fn is_proven(&self) -> bool {
        *self.standing.borrow() == Standing::Accepted
    }

    /// Whether it was said, and was never taken before.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.said.load(Relaxed) && !self.is_proven()
    }

    /// It was taken.
    pub(super) fn accepted(self) {
        self.settle(Standing::Accepted);
    }

    /// The answer was no.
    pub(super) fn refused(self) {
        self.settle(Standing::Refused);
        self.changes.ring();
    }

    fn settle(&self, verdict: Standing) {
        self.standing.send_if_modified(|standing| {
            // A refusal stands until there is something else to try.
            let changed = *standing != verdict && *standing != Standing::Refused;
            if changed {
                *standing = verdict;
            }
            changed
        });
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let said = self.said.load(Relaxed);
        let mut given_up = false;
        // Only the one trial that set `Trying` or `TryingAgain` can find it here.
        self.standing.send_if_modified(|standing| {
            *standing = match (*standing, said) {
                (Standing::Trying, false) => Standing::Untried,
                (Standing::Trying, true) | (Standing::TryingAgain, false) => Standing::Doubtful,
                (Standing::TryingAgain, true) => Standing::Refused,
                _ => return false,
            };
            given_up = *standing == Standing::Refused;
            true
        });
        if given_up {
            self.changes.ring();
        }
    }
}

impl Lent {
    /// The right to try these credentials; waits while another request tries them for the first
    /// time.
    ///
    /// # Errors
    /// [`DialError::CredentialsRefused`].
    pub(super) async fn claim(
        self: &Arc<Self>,
        upstream: &Upstream,
        changes: &Changes,
    ) -> Result<Attempt, DialError> {
        let trial = Trial::claim(&self.standing, changes).await;
        let trial = trial.ok_or_else(|| DialError::CredentialsRefused {
            upstream: upstream.clone(),
        })?;
        Ok(Attempt {
            lent: Arc::clone(self),
            trial,
        })
    }

    /// Waits while another request tries these credentials for the first time; then whether they
    /// were refused.
    pub(super) async fn is_refused(&self) -> bool {
        let mut standing = self.standing.subscribe();
        // The sender lives as long as `self`.
        let settled = standing
            .wait_for(|standing| !matches!(standing, Standing::Trying | Standing::TryingAgain));
        settled.await.is_ok_and(|now| *now == Standing::Refused)
    }
}

impl Attempt {
    /// The name of the user.
    pub(super) fn user(&self) -> &str {
        &self.lent.user
    }

    /// The password. It goes to the upstream and nowhere else.
    pub(super) fn password(&self) -> &SecretString {
        self.trial.said.store(true, Relaxed);
        &self.lent.password
    }

    /// Gives user and password, as they were lent, to `then`.
    pub fn with_user_and_password<T>(&self, then: impl FnOnce(&str, &str) -> T) -> T {
        then(&self.lent.user, self.password().expose_secret())
    }

    /// What the KDC gave for the password.
    pub(super) fn kerberos(&self) -> &Kerberos {
        &self.lent.kerberos
    }

    /// The value of `Proxy-Authorization` for Basic. A secret: it goes to the upstream and nowhere
    /// else.
    pub(super) fn basic(&self) -> SecretString {
        basic::header(&self.lent.user, self.password())
    }

    /// Nobody was there to judge the password.
    pub(super) fn unsaid(&self) {
        self.trial.unsaid();
    }

    /// Whether it is known to be taken.
    pub(super) fn is_proven(&self) -> bool {
        self.trial.is_proven()
    }

    /// As [`Trial::is_in_doubt`].
    pub(super) fn is_in_doubt(&self) -> bool {
        self.trial.is_in_doubt()
    }

    /// The upstream took them.
    pub fn accepted(self) {
        self.trial.accepted();
    }

    /// The upstream said no although they were sent.
    pub fn refused(self) {
        self.trial.refused();
    }
}

pub(super) fn fresh() -> Arc<watch::Sender<Standing>> {
    Arc::new(watch::Sender::new(Standing::Untried))
}
