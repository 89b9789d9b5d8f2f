//! Credentials that are lent: in memory, for one authority each, never tried twice after a refusal.

mod basic;
mod challenge;
mod digest;
#[cfg_attr(windows, path = "auth/sspi.rs")]
#[cfg_attr(not(any(target_os = "linux", windows)), path = "auth/no_gss.rs")]
mod gss;
mod handed;
#[cfg_attr(windows, path = "auth/sspi_user.rs")]
#[cfg_attr(not(windows), path = "auth/no_user.rs")]
mod logged_in;
mod login;
mod negotiate;
mod ntlm;
mod scheme;
mod spnego;
mod standing;
mod tickets;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;

use super::DialError;
use crate::accept::{Asker, User};
use crate::config::{Authority, CredentialUsers, Upstream};
use crate::control::LentCredentials;
use crate::observe::Changes;

use login::{Means, Who};
use negotiate::Kerberos;
use scheme::Memory;
use standing::Standing;
use tickets::Tickets;

pub use challenge::{Challenge, challenges};
pub use handed::Handed;
pub use login::{Bound, Heard, Login, Said};
pub use ntlm::Challenge as NtlmChallenge;
pub use standing::{Attempt, Permit};

/// Refusals that are remembered when their lease is over: more than a machine has upstreams.
const REFUSALS: usize = 64;

/// Everything that is lent at the moment, by [`Upstream::authority`].
#[derive(Debug)]
pub struct Credentials {
    held: Mutex<Held>,
    /// Keyed anew in each process: what it makes of a password tells nothing of it.
    prints: RandomState,
    /// Who may use them beside root and the one who lent them.
    users: CredentialUsers,
    /// The upstreams that this process's user logs in to with a ticket.
    tickets: ArcSwap<Vec<Authority>>,
    /// How each upstream wants them.
    memory: Arc<Memory>,
    /// What came of the tickets that it was shown.
    shown: Arc<Tickets>,
    changes: Changes,
}

/// Both by [`Upstream::authority`].
#[derive(Debug, Default)]
struct Held {
    lent: HashMap<String, Arc<Lent>>,
    taken_back: HashMap<String, TakenBack>,
}

/// What stays known of credentials that were taken back, while their lease lives or when they were
/// refused: whether they may be tried should they be lent again. The password itself is forgotten.
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
    password: SecretString,
    /// Shared with the same credentials lent again: whichever request is under way, its verdict
    /// holds for both.
    standing: Arc<watch::Sender<Standing>>,
    kerberos: Kerberos,
}

impl Credentials {
    /// Nothing is lent yet. `users` may use what will be, beside root and the one who lends it.
    pub fn new(users: CredentialUsers, changes: Changes) -> Self {
        Self {
            held: Mutex::default(),
            prints: RandomState::new(),
            users,
            tickets: ArcSwap::default(),
            memory: Arc::default(),
            shown: Arc::default(),
            changes,
        }
    }

    /// Takes credentials of the user `lender` into memory; whether they are tried as if they were
    /// new. The same ones again keep their standing, whoever lends them: a refused password is not
    /// tried again because somebody repeats it, but only where its user says so
    /// ([`LentCredentials::anew`]).
    pub fn lend(&self, credentials: &LentCredentials, lender: u32) -> bool {
        let print = self.print(&credentials.user, &credentials.password);
        let mut held = self.lock();
        let taken_back = held.taken_back.remove(&credentials.authority);
        let known = held
            .lent
            .get(&credentials.authority)
            .filter(|before| {
                before.user == credentials.user
                    && before.password.expose_secret() == credentials.password
            })
            .map(|before| Arc::clone(&before.standing))
            .or_else(|| Some(taken_back.filter(|before| before.print == print)?.standing))
            .filter(|known| !credentials.anew || *known.borrow() != Standing::Refused);
        let is_new = known.is_none();
        let standing = known.unwrap_or_else(standing::fresh);
        if is_new {
            // How it is wanted is asked again: an answer to what was said unasked is no verdict.
            self.memory.forget(&credentials.authority);
        }
        let entry = Lent {
            lease: credentials.lease.clone(),
            lender,
            user: credentials.user.clone(),
            password: SecretString::from(credentials.password.clone()),
            standing,
            kerberos: Kerberos::default(),
        };
        held.lent
            .insert(credentials.authority.clone(), Arc::new(entry));
        drop(held);
        self.changes.ring();
        is_new
    }

    /// Forgets every password that was lent under the lease, and not which were refused: lent
    /// again under it, they are not tried again.
    pub fn take_back(&self, lease: &str) {
        let mut held = self.lock();
        let Held { lent, taken_back } = &mut *held;
        let mut changed = false;
        for (authority, entry) in lent.extract_if(|_, entry| entry.lease == lease) {
            let print = self.print(&entry.user, entry.password.expose_secret());
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

    /// Forgets all that has to do with the lease, which is over, but for what was refused: whoever
    /// lends the same next does not know that.
    pub fn forget(&self, lease: &str) {
        self.take_back(lease);
        let mut held = self.lock();
        let refused = |known: &TakenBack| *known.standing.borrow() == Standing::Refused;
        held.taken_back
            .retain(|_, known| known.lease != lease || refused(known));
        while held.taken_back.len() > REFUSALS {
            let any = held.taken_back.keys().next().cloned();
            any.map(|any| held.taken_back.remove(&any));
        }
    }

    /// Whether there is anything to log in with at this upstream, for a request of `asker`. Nothing
    /// is waited for.
    ///
    /// # Errors
    /// [`DialError::CredentialsNotLent`], and [`DialError::CredentialsRefused`] where they are
    /// known to be.
    pub fn check(&self, upstream: &Upstream, asker: &Asker) -> Result<(), DialError> {
        if upstream.user().is_none() {
            return Ok(());
        }
        let lent = self.lent_for(upstream)?;
        if self.serve(asker, lent.lender) && *lent.standing.borrow() == Standing::Refused {
            return Err(DialError::CredentialsRefused {
                upstream: upstream.clone(),
            });
        }
        Ok(())
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
        let lent = self.lent_for(upstream)?;
        if !self.serve(asker, lent.lender) {
            return Ok(Permit::Withheld);
        }
        let attempt = lent.claim(upstream, &self.changes).await?;
        Ok(Permit::Attempt(attempt))
    }

    /// A conversation about who asks, for a request of `asker` to this upstream; waits while another
    /// request tries a fresh password.
    ///
    /// # Errors
    /// [`DialError::CredentialsNotLent`] and [`DialError::CredentialsRefused`].
    pub async fn login(&self, upstream: &Upstream, asker: &Asker) -> Result<Login, DialError> {
        let authority = upstream.authority();
        let ticket = self.shows_ticket(&authority);
        let lent = match upstream.user() {
            None => None,
            Some(_) if ticket => self.find(upstream),
            Some(_) => Some(self.lent_for(upstream)?),
        };
        let ours = lent.filter(|lent| self.serve(asker, lent.lender));
        let means = Means {
            ticket: ticket && self.serve(asker, own_uid()),
            lent: ours,
        };
        if let Some(lent) = &means.lent
            && lent.is_refused().await
        {
            return Err(DialError::CredentialsRefused {
                upstream: upstream.clone(),
            });
        }
        let who = if means.ticket || means.lent.is_some() {
            Who::Has(means)
        } else if ticket || upstream.user().is_some() {
            Who::Withheld
        } else {
            Who::Nobody
        };
        Ok(Login::new(
            upstream,
            who,
            &self.memory,
            &self.shown,
            &self.changes,
        ))
    }

    /// From now on, this process's user logs in to these upstreams with a ticket.
    pub fn use_tickets(&self, authorities: &[Authority]) {
        self.tickets.store(Arc::new(authorities.to_vec()));
    }

    fn shows_ticket(&self, authority: &str) -> bool {
        let named = self.tickets.load();
        named.iter().any(|named| named.as_str() == authority)
    }

    /// Forgets how every upstream wants them that `keep` does not name.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.memory.retain(&keep);
        self.shown.retain(keep);
    }

    /// Whether these credentials are for the one who asks. Who cannot be told is a stranger.
    fn serve(&self, asker: &Asker, owner: u32) -> bool {
        match asker.user() {
            User::Guest => true,
            User::Local(uid) => uid == 0 || uid == owner || self.users.contains(uid),
            User::Unknown => self.users == CredentialUsers::All,
        }
    }

    fn lent_for(&self, upstream: &Upstream) -> Result<Arc<Lent>, DialError> {
        self.find(upstream)
            .ok_or_else(|| DialError::CredentialsNotLent {
                upstream: upstream.clone(),
            })
    }

    fn print(&self, user: &str, password: &str) -> u64 {
        self.prints.hash_one((user, password))
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

/// The user that this process runs as.
fn own_uid() -> u32 {
    #[cfg(unix)]
    return rustix::process::geteuid().as_raw();
    // Where users have no number, no client is told by one either.
    #[cfg(not(unix))]
    0
}

#[cfg(test)]
mod tests;
