//! The ways to log in, and which of them worked with each upstream.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Challenge;
use super::digest::Session;

/// A way to log in, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// A Kerberos token, of a ticket or a password.
    Negotiate,
    /// NTLM version 2, under this name; proxies that offer Negotiate alone take it there.
    Ntlm(Wrapped),
    Digest,
    Basic,
}

/// The scheme that NTLM's messages are sent under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrapped {
    Ntlm,
    Negotiate,
}

impl Wrapped {
    /// As it is written in a field.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ntlm => "NTLM",
            Self::Negotiate => "Negotiate",
        }
    }
}

impl Scheme {
    pub(super) const BY_STRENGTH: [Self; 5] = [
        Self::Negotiate,
        Self::Ntlm(Wrapped::Ntlm),
        Self::Ntlm(Wrapped::Negotiate),
        Self::Digest,
        Self::Basic,
    ];

    /// Whether it is among these.
    pub(super) fn is_offered(self, challenges: &[Challenge]) -> bool {
        let word = match self {
            Self::Negotiate | Self::Ntlm(Wrapped::Negotiate) => "negotiate",
            Self::Ntlm(Wrapped::Ntlm) => "ntlm",
            Self::Digest => "digest",
            Self::Basic => "basic",
        };
        challenges.iter().any(|c| c.scheme == word)
    }
}

/// A way that worked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    Negotiate,
    Ntlm(Wrapped),
    Digest(Session),
    Basic,
}

/// What worked last, by [`crate::config::Upstream::authority`]: it is said at once the next time.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<HashMap<String, Known>>);

impl Memory {
    /// What worked last. A nonce's next count is taken by whoever asks.
    pub(super) fn of(&self, authority: &str) -> Option<Known> {
        let mut known = self.lock();
        let known = known.get_mut(authority)?;
        let taken = known.clone();
        if let Known::Digest(session) = known {
            session.count_on();
        }
        Some(taken)
    }

    pub(super) fn learn(&self, authority: &str, known: Known) {
        self.lock().insert(authority.to_owned(), known);
    }

    pub(super) fn forget(&self, authority: &str) {
        self.lock().remove(authority);
    }

    /// Forgets every upstream that `keep` does not name.
    pub(super) fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.lock().retain(|authority, _| keep(authority));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        // A map of finished values is whole even after a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
