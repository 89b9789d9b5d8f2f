//! The passwords that upstreams ask for: in memory as long as the agent, asked of the keychain once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use super::engine_link::Credentials;
use crate::control::Problem;
use crate::policy::WantedCredentials;
use crate::secret::Keychain;

/// A keychain that had no password, or did not open, is asked again after this: it may have been
/// unlocked, but must not ask its user for that every few seconds.
const ASK_AGAIN: Duration = Duration::from_mins(1);

/// By account, `user@host:port`.
#[derive(Default)]
pub(super) struct Passwords(Mutex<HashMap<String, Entry>>);

struct Entry {
    authority: String,
    asked: Instant,
    answer: Result<Option<Arc<SecretString>>, Problem>,
    /// The keychain may hold another one now.
    stale: bool,
}

impl Passwords {
    /// What there is of what is wanted.
    pub(super) async fn of(
        &self,
        wanted: &[WantedCredentials],
        keychain: Keychain,
    ) -> Vec<Credentials> {
        let mut kept = self.0.lock().await;
        kept.retain(|account, _| wanted.iter().any(|wanted| wanted.account() == *account));
        let mut found = Vec::new();
        for wanted in wanted {
            let account = wanted.account();
            let authority = wanted.upstream.authority();
            let user = wanted.upstream.user().unwrap_or_default().to_owned();
            let before = kept.get(&account);
            if !before.is_some_and(|entry| entry.stands(wanted)) {
                let same = before.and_then(Entry::password);
                let answer = match &wanted.password {
                    Some(password) => Ok(Some(Arc::new(password.clone()))),
                    None => keychain
                        .get(&user, &authority)
                        .await
                        .map(|password| password.map(|password| kept_or_new(same, password)))
                        .map_err(|error| error.problem()),
                };
                let entry = Entry {
                    authority: authority.clone(),
                    asked: Instant::now(),
                    answer,
                    stale: false,
                };
                kept.insert(account.clone(), entry);
            }
            if let Some(Ok(Some(password))) = kept.get(&account).map(|entry| &entry.answer) {
                found.push(Credentials {
                    authority,
                    user,
                    password: Arc::clone(password),
                });
            }
        }
        found
    }

    /// The keychain is asked again for that upstream.
    pub(super) async fn forget(&self, authority: &str) {
        let mut kept = self.0.lock().await;
        kept.retain(|_, entry| entry.authority != authority);
    }

    /// The keychain is asked again for every upstream; what it says as before is no news to the
    /// engine.
    pub(super) async fn look_again(&self) {
        let mut kept = self.0.lock().await;
        kept.values_mut().for_each(|entry| entry.stale = true);
    }

    /// Why a keychain gave no password.
    pub(super) async fn notices(&self) -> Vec<Problem> {
        let kept = self.0.lock().await;
        kept.values()
            .filter_map(|entry| entry.answer.clone().err())
            .collect()
    }
}

fn kept_or_new(kept: Option<Arc<SecretString>>, password: SecretString) -> Arc<SecretString> {
    match kept {
        Some(kept) if kept.expose_secret() == password.expose_secret() => kept,
        _ => Arc::new(password),
    }
}

impl Entry {
    fn password(&self) -> Option<Arc<SecretString>> {
        self.answer.as_ref().ok().cloned().flatten()
    }

    /// Whether the answer holds still. One allocation stands for one password: the engine tries the
    /// same one never twice, and is told of a new one only when it is new.
    fn stands(&self, wanted: &WantedCredentials) -> bool {
        match (&self.answer, &wanted.password) {
            (Ok(Some(kept)), Some(said)) => kept.expose_secret() == said.expose_secret(),
            (_, None) if self.stale => false,
            (Ok(Some(_)), None) => true,
            (Ok(None) | Err(_), Some(_)) => false,
            (Ok(None) | Err(_), None) => self.asked.elapsed() < ASK_AGAIN,
        }
    }
}
