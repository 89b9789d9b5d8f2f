//! Credentials on their way to the engine that takes this one's place: in memory all along.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::negotiate::Kerberos;
use super::standing::Standing;
use super::{Credentials, Lent};

/// Credentials for one authority, with what is known of them.
#[derive(Clone, Serialize, Deserialize)]
pub struct Handed {
    authority: String,
    lease: String,
    lender: u32,
    user: String,
    password: String,
    standing: Standing,
}

impl std::fmt::Debug for Handed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handed")
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

impl Handed {
    /// The lease that they are lent under; empty for those that the engine was started with.
    pub fn lease(&self) -> &str {
        &self.lease
    }
}

impl Credentials {
    /// All that is lent, for another engine.
    pub fn hand_over(&self) -> Vec<Handed> {
        let held = self.lock();
        let handed = held.lent.iter().map(|(authority, lent)| Handed {
            authority: authority.clone(),
            lease: lent.lease.clone(),
            lender: lent.lender,
            user: lent.user.clone(),
            password: lent.password.expose_secret().to_owned(),
            standing: match *lent.standing.borrow() {
                Standing::Untried => Standing::Untried,
                // The verdict of a try that is under way stays here.
                Standing::Trying | Standing::Doubtful | Standing::TryingAgain => Standing::Doubtful,
                known @ (Standing::Accepted | Standing::Refused) => known,
            },
        });
        handed.collect()
    }

    /// Takes what another engine had lent, but for authorities that have credentials already.
    /// What was refused there is not tried again here.
    pub fn inherit(&self, handed: Vec<Handed>) {
        let mut held = self.lock();
        for handed in handed {
            held.lent.entry(handed.authority).or_insert_with(|| {
                Arc::new(Lent {
                    lease: handed.lease,
                    lender: handed.lender,
                    user: handed.user,
                    password: SecretString::from(handed.password),
                    standing: Arc::new(watch::Sender::new(handed.standing)),
                    kerberos: Kerberos::default(),
                })
            });
        }
        drop(held);
        self.changes.ring();
    }
}
