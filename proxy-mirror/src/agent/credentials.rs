//! The passwords that upstreams ask for: in memory as long as the agent, asked of the keychain once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::engine_link::Credentials;
use crate::control::Problem;
use crate::policy::WantedCredentials;
use crate::secret::{Keychain, KeychainError};

/// A keychain that had no password, or did not open, is asked again after this: it may have been
/// unlocked, but must not ask its user for that every few seconds.
const ASK_AGAIN: Duration = Duration::from_mins(1);

/// A new route waits no longer for a keychain that may be showing its user a prompt: one with a
/// known password waits less, since it can do without the answer.
const PATIENCE: Duration = Duration::from_millis(400);
const FIRST_PATIENCE: Duration = Duration::from_secs(2);

/// By account, `user@host:port`.
#[derive(Default)]
pub(super) struct Passwords {
    kept: Arc<Mutex<HashMap<String, Entry>>>,
    /// How often the user gave one, by authority.
    given: Mutex<HashMap<String, u64>>,
    answered: Arc<Notify>,
}

struct Entry {
    authority: String,
    asked: Instant,
    /// The keychain has not answered yet; it is asked one question at a time.
    asking: bool,
    /// The last that there was: a keychain that does not open now takes none back.
    password: Option<Arc<SecretString>>,
    /// Why the keychain gave none, the last time.
    problem: Option<Problem>,
    /// The keychain may hold another one now.
    stale: bool,
}

type Answer = Result<Option<SecretString>, KeychainError>;

impl Passwords {
    /// What there is of what is wanted. The keychain's late answers are told by [`Self::answered`].
    pub(super) async fn of(
        &self,
        wanted: &[WantedCredentials],
        keychain: Keychain,
    ) -> Vec<Credentials> {
        let ask = move |user: String, authority: String| async move {
            keychain.get(&user, &authority).await
        };
        self.asked(wanted, ask).await
    }

    async fn asked<F>(
        &self,
        wanted: &[WantedCredentials],
        ask: impl Fn(String, String) -> F,
    ) -> Vec<Credentials>
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let (questions, patience) = self.questions(wanted, ask);
        // Late ones go on by themselves.
        let _ = tokio::time::timeout(patience, join_all(questions)).await;
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = self.lock();
        let known = |wanted: &WantedCredentials| {
            let entry = kept.get(&wanted.account())?;
            Some(Credentials {
                authority: entry.authority.clone(),
                user: wanted.upstream.user().unwrap_or_default().to_owned(),
                password: Arc::clone(entry.password.as_ref()?),
                given: given.get(&entry.authority).copied().unwrap_or_default(),
            })
        };
        wanted.iter().filter_map(known).collect()
    }

    /// Asks what is not known, and how long that is worth waiting for.
    fn questions<F>(
        &self,
        wanted: &[WantedCredentials],
        ask: impl Fn(String, String) -> F,
    ) -> (Vec<JoinHandle<()>>, Duration)
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let mut kept = self.lock();
        kept.retain(|account, _| wanted.iter().any(|wanted| wanted.account() == *account));
        let (mut questions, mut patience) = (Vec::new(), PATIENCE);
        for wanted in wanted {
            let account = wanted.account();
            let before = kept.get(&account);
            if before.is_some_and(|entry| entry.stands(wanted)) {
                continue;
            }
            let authority = wanted.upstream.authority();
            let user = wanted.upstream.user().unwrap_or_default().to_owned();
            let said = wanted.password.clone().map(Arc::new);
            let asked = Instant::now();
            let asking = said.is_none();
            if asking {
                if before.is_none_or(|entry| entry.password.is_none()) {
                    patience = FIRST_PATIENCE;
                }
                let answer = ask(user, authority.clone());
                questions.push(tokio::spawn(take_down(
                    Arc::clone(&self.kept),
                    Arc::clone(&self.answered),
                    account.clone(),
                    asked,
                    answer,
                )));
            }
            let entry = Entry {
                authority,
                asked,
                asking,
                password: said.or_else(|| before.and_then(|entry| entry.password.clone())),
                problem: before
                    .and_then(|entry| entry.problem.clone())
                    .filter(|_| asking),
                stale: false,
            };
            kept.insert(account, entry);
        }
        (questions, patience)
    }

    /// Returns when the keychain has said something new.
    pub(super) async fn answered(&self) {
        self.answered.notified().await;
    }

    /// The user has given a password for that upstream, perhaps the same: the keychain has it.
    pub(super) fn were_given(&self, authority: &str) {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        *given.entry(authority.to_owned()).or_default() += 1;
        drop(given);
        self.forget(authority);
    }

    /// The keychain is asked again for that upstream.
    pub(super) fn forget(&self, authority: &str) {
        self.lock().retain(|_, entry| entry.authority != authority);
    }

    /// The keychain is asked again for every upstream; what it says as before is no news to the
    /// engine.
    pub(super) fn look_again(&self) {
        self.lock()
            .values_mut()
            .for_each(|entry| entry.stale = true);
    }

    /// Why a keychain gave no password.
    pub(super) fn notices(&self) -> Vec<Problem> {
        let kept = self.lock();
        kept.values()
            .filter_map(|entry| entry.problem.clone())
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for the keychain as long as it takes: its user may be typing.
async fn take_down(
    kept: Arc<Mutex<HashMap<String, Entry>>>,
    answered: Arc<Notify>,
    account: String,
    asked: Instant,
    answer: impl Future<Output = Answer> + Send,
) {
    let answer = answer.await;
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    // Forgotten, or asked anew: then this answers nothing any more.
    let Some(entry) = kept.get_mut(&account).filter(|entry| entry.asked == asked) else {
        return;
    };
    entry.asking = false;
    let same = entry.password.clone();
    let (password, problem) = match answer {
        Ok(password) => {
            let password = password.map(|password| kept_or_new(same.clone(), password));
            (password, None)
        }
        // Locked, its prompt dismissed or its bus gone: what was good is good still.
        Err(error) => (same.clone(), Some(error.problem())),
    };
    let is_same = match (&same, &password) {
        (Some(before), Some(now)) => Arc::ptr_eq(before, now),
        (before, now) => before.is_none() && now.is_none(),
    };
    if !is_same || entry.problem != problem {
        answered.notify_one();
    }
    (entry.password, entry.problem) = (password, problem);
}

fn kept_or_new(kept: Option<Arc<SecretString>>, password: SecretString) -> Arc<SecretString> {
    match kept {
        Some(kept) if kept.expose_secret() == password.expose_secret() => kept,
        _ => Arc::new(password),
    }
}

impl Entry {
    /// Whether the answer holds still. One allocation stands for one password: the engine tries the
    /// same one never twice, and is told of a new one only when it is new.
    fn stands(&self, wanted: &WantedCredentials) -> bool {
        match (&self.password, &wanted.password) {
            (Some(kept), Some(said)) => kept.expose_secret() == said.expose_secret(),
            (None, Some(_)) => false,
            (_, None) if self.asking => true,
            (_, None) if self.stale => false,
            (Some(_), None) => true,
            (None, None) => self.asked.elapsed() < ASK_AGAIN,
        }
    }
}

#[cfg(test)]
mod tests;
