//! The scripts that were had, kept fresh.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use proxy_engine::pac::Script;
use tokio::sync::{Notify, watch};

use super::fetch::{Found, Validators, fetch};
use super::{Address, shown};

/// A server is asked this often whether its script has changed,
const RELOAD: Duration = Duration::from_mins(1);
/// and one that gave none a little sooner.
const AGAIN: Duration = Duration::from_secs(15);
/// Scripts of so many addresses are kept: profiles of an office and a home.
const MOST: usize = 4;

/// What is had from one address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// The last good script.
    pub script: Option<Script>,
    /// When it was last seen to be what the address gives.
    pub good_at: Option<SystemTime>,
    /// Why the last look gave none.
    pub error: Option<String>,
}

/// Fetches scripts and keeps them. Inside a tokio runtime.
#[derive(Debug, Clone, Default)]
pub struct Keeper(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    entries: Mutex<HashMap<String, Entry>>,
    changed: Notify,
}

#[derive(Debug)]
struct Entry {
    kept: watch::Sender<Kept>,
    validators: Option<Validators>,
    /// When it is looked at again; `None` while it is.
    due: Option<Instant>,
    used: Instant,
}

impl Keeper {
    /// What is had from this address. It is looked at again when it is due, beside whoever asks;
    /// where nothing was ever had from there, that is waited for, so long.
    pub async fn get(&self, address: &str, patience: Duration) -> Kept {
        let mut kept = self.entry(address);
        let is_known = |kept: &Kept| kept.script.is_some() || kept.error.is_some();
        // Late: what it gives then is told by `changed`.
        let _ = tokio::time::timeout(patience, kept.wait_for(is_known)).await;
        kept.borrow().clone()
    }

    /// Every address is due: the network is another.
    pub fn renew(&self) {
        for entry in self.entries().values_mut() {
            if let Some(due) = &mut entry.due {
                *due = Instant::now();
            }
        }
        self.0.changed.notify_one();
    }

    /// Returns when an address gives something else than before, or should be looked at again.
    pub async fn changed(&self) {
        let next = {
            let entries = self.entries();
            entries.values().filter_map(|entry| entry.due).min()
        };
        let due = async {
            match next {
                // Nobody may follow an address any more: it is looked at when somebody asks.
                Some(at) if at > Instant::now() => tokio::time::sleep_until(at.into()).await,
                Some(_) | None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.0.changed.notified() => {}
            () = due => {}
        }
    }

    fn entry(&self, address: &str) -> watch::Receiver<Kept> {
        let mut entries = self.entries();
        if !entries.contains_key(address) && entries.len() >= MOST {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.used);
            if let Some(oldest) = oldest.map(|(address, _)| address.clone()) {
                entries.remove(&oldest);
            }
        }
        let now = Instant::now();
        let entry = entries.entry(address.to_owned()).or_insert_with(|| Entry {
            kept: watch::Sender::default(),
            validators: None,
            due: Some(now),
            used: now,
        });
        entry.used = now;
        if entry.due.is_some_and(|due| due <= now) {
            entry.due = None;
            let (keeper, address) = (self.clone(), address.to_owned());
            let validators = entry.validators.clone();
            tokio::spawn(async move { keeper.look(&address, validators).await });
        }
        entry.kept.subscribe()
    }

    async fn look(&self, address: &str, validators: Option<Validators>) {
        let found = fetch(address, validators.as_ref()).await;
        let mut entries = self.entries();
        // Nobody has asked for it for long.
        let Some(entry) = entries.get_mut(address) else {
            return;
        };
        let before = entry.kept.borrow().clone();
        let mut kept = before.clone();
        match found {
            Ok(found) => {
                kept.good_at = Some(SystemTime::now());
                kept.error = None;
                if let Found::Script(script, validators) = found {
                    kept.script = Some(script);
                    entry.validators = Some(validators);
                }
                // A file costs nothing, and is looked at whenever somebody looks.
                let is_file = matches!(Address::parse(address), Ok(Address::File(_)));
                let rest = if is_file { Duration::ZERO } else { RELOAD };
                entry.due = Some(Instant::now() + rest);
            }
            Err(error) => {
                tracing::warn!(address = %shown(address), %error, "no PAC script");
                kept.error = Some(error.to_string());
                entry.due = Some(Instant::now() + AGAIN);
            }
        }
        let is_new = kept.script != before.script || kept.error != before.error;
        entry.kept.send_replace(kept);
        drop(entries);
        if is_new {
            self.0.changed.notify_one();
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        // Finished values only.
        let entries = self.0.entries.lock();
        entries.unwrap_or_else(PoisonError::into_inner)
    }
}
