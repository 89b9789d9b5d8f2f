//! Credentials, in the operating system's keychain.
//!
//! Secret Service on Linux, Credential Manager on Windows, Keychain on macOS. An entry has the
//! service `gangway` and the account `user@host:port`. Passwords are never logged: no type here
//! shows one, and the store's own messages hold attributes alone.

#[cfg(target_os = "linux")]
mod watch;

use proxy_engine::config::Upstream;
use secrecy::{ExposeSecret, SecretString};

use crate::control::Problem;

#[cfg(target_os = "linux")]
pub(crate) use watch::changes;

/// Where the store tells nothing, a password that is missing is looked for again now and then, and
/// one that was stored by Gangway itself is known at once.
#[cfg(not(target_os = "linux"))]
pub(crate) fn changes() -> impl futures_util::Stream<Item = ()> + Send {
    futures_util::stream::pending()
}

const SERVICE: &str = "gangway";

/// The keychain of this user. It is opened for each question, since a store that starts later, or
/// again, must be found.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Keychain;

/// Why the keychain did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum KeychainError {
    /// There is no keychain in this session.
    #[error(
        "no keychain in this session ({reason}): start one (GNOME Keyring, KWallet or KeePassXC with Secret Service), or run Gangway inside the desktop session"
    )]
    Absent {
        /// What the session said.
        reason: String,
    },
    /// It is there and refused: locked, or the prompt was dismissed.
    #[error("the keychain did not open `{account}`: {reason}: unlock it and try again")]
    Refused {
        /// `user@host:port`.
        account: String,
        /// What it said.
        reason: String,
    },
    /// A user or an upstream that cannot be an account.
    #[error(
        "`{account}` cannot be a keychain account: user and host must not be empty or hold control characters"
    )]
    Account {
        /// The account, escaped.
        account: String,
    },
}

/// Name of the credentials of `user` for `authority` (`host:port`): `user@host:port`.
pub fn account(user: &str, authority: &str) -> String {
    format!("{user}@{authority}")
}

impl Keychain {
    /// Opens nothing yet.
    pub fn new() -> Self {
        Self
    }

    /// Whether there is a keychain.
    ///
    /// # Errors
    /// [`KeychainError::Absent`] with the reason.
    pub async fn available(self) -> Result<(), KeychainError> {
        blocking(move || open("probe").map(|_| ())).await
    }

    /// Keeps the password of `user` for `authority`; an older one is replaced.
    ///
    /// # Errors
    /// [`KeychainError`].
    pub async fn store(
        self,
        user: &str,
        authority: &str,
        password: SecretString,
    ) -> Result<(), KeychainError> {
        let account = checked(user, authority)?;
        blocking(move || {
            open(&account)?
                .set_password(password.expose_secret())
                .map_err(|error| refused(&account, &error))
        })
        .await
    }

    /// The password of `user` for `authority`; `None` where none is kept.
    ///
    /// # Errors
    /// [`KeychainError`].
    pub async fn get(
        self,
        user: &str,
        authority: &str,
    ) -> Result<Option<SecretString>, KeychainError> {
        let account = checked(user, authority)?;
        blocking(move || match open(&account)?.get_password() {
            Ok(password) => Ok(Some(password.into())),
            Err(keyring::Error::NoEntry) => Ok(None),
            Err(error) => Err(refused(&account, &error)),
        })
        .await
    }

    /// The password that `upstream` asks for; `None` where it asks for none or none is kept.
    ///
    /// # Errors
    /// [`KeychainError`].
    pub async fn get_for(self, upstream: &Upstream) -> Result<Option<SecretString>, KeychainError> {
        match upstream.user() {
            Some(user) => self.get(user, &upstream.authority()).await,
            None => Ok(None),
        }
    }

    /// Forgets the password of `user` for `authority`; whether there was one.
    ///
    /// # Errors
    /// [`KeychainError`].
    pub async fn remove(self, user: &str, authority: &str) -> Result<bool, KeychainError> {
        let account = checked(user, authority)?;
        blocking(move || match open(&account)?.delete_credential() {
            Ok(()) => Ok(true),
            Err(keyring::Error::NoEntry) => Ok(false),
            Err(error) => Err(refused(&account, &error)),
        })
        .await
    }
}

impl KeychainError {
    /// For the API.
    pub fn problem(&self) -> Problem {
        let message = self.to_string();
        match self {
            Self::Absent { reason } => {
                Problem::new("keychain_absent", message).with("reason", reason)
            }
            Self::Refused { account, reason } => Problem::new("keychain_refused", message)
                .with("account", account)
                .with("reason", reason),
            Self::Account { account } => {
                Problem::new("keychain_account", message).with("account", account)
            }
        }
    }
}

fn checked(user: &str, authority: &str) -> Result<String, KeychainError> {
    let account = account(user, authority);
    let plain = !user.is_empty() && !authority.is_empty() && !account.chars().any(char::is_control);
    if plain {
        Ok(account)
    } else {
        Err(KeychainError::Account {
            account: account.escape_debug().to_string(),
        })
    }
}

/// The store may ask the user to unlock it, which takes as long as it takes: never on the
/// runtime's own threads.
async fn blocking<T: Send + 'static>(
    question: impl FnOnce() -> Result<T, KeychainError> + Send + 'static,
) -> Result<T, KeychainError> {
    tokio::task::spawn_blocking(question)
        .await
        .unwrap_or_else(|error| {
            Err(KeychainError::Absent {
                reason: error.to_string(),
            })
        })
}

#[cfg(target_os = "linux")]
fn open(account: &str) -> Result<keyring_core::Entry, KeychainError> {
    use keyring_core::api::CredentialStoreApi;
    // `keyring::Entry` opens the store once for the life of the process: an agent that starts
    // before the session's keychain, or outlives it, would never find it again.
    let store = zbus_secret_service_keyring_store::Store::new().map_err(|error| absent(&error))?;
    store
        .build(SERVICE, account, None)
        .map_err(|error| refused(account, &error))
}

#[cfg(not(target_os = "linux"))]
fn open(account: &str) -> Result<keyring::Entry, KeychainError> {
    keyring::Entry::new(SERVICE, account).map_err(|error| absent(&error))
}

fn absent(error: &keyring::Error) -> KeychainError {
    KeychainError::Absent {
        reason: one_line(error),
    }
}

fn refused(account: &str, error: &keyring::Error) -> KeychainError {
    KeychainError::Refused {
        account: account.to_owned(),
        reason: one_line(error),
    }
}

fn one_line(error: &keyring::Error) -> String {
    let reason = match error {
        // Their `Debug` would print the secret's bytes.
        keyring::Error::BadEncoding(_) | keyring::Error::BadDataFormat(..) => {
            return "what is kept there is not a password".to_owned();
        }
        error => error.to_string(),
    };
    reason.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
