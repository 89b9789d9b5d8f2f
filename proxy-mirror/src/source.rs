//! Where proxy settings are read: kept apart, ranked, never blended.

use proxy_engine::config::{Bypass, Upstream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which source.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SourceId {
    /// The desktop's own settings (GNOME, KDE, Windows, macOS).
    System,
    /// `https_proxy` and friends of the agent's own environment.
    Environment,
    /// The default profile of Firefox and its policies.
    Firefox,
    /// What the user wrote into the settings.
    Manual,
}

/// What one source says, and where it says so.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The source.
    pub source: SourceId,
    /// File and key, or variable, that the value came from.
    pub origin: String,
    /// What it says.
    pub says: Says,
    /// A password that stood in the source beside the proxy (`http://user:password@…`): it goes to
    /// the engine's memory and nowhere else.
    pub password: Option<secrecy::SecretString>,
}

/// The statement of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// Nothing: the next source is asked.
    Nothing,
    /// There is no proxy, explicitly: no further source is asked.
    Direct,
    /// A proxy, the same for every destination that `bypass` does not name.
    Proxy {
        /// Where to.
        upstream: Upstream,
        /// Directly dialled.
        bypass: Bypass,
        /// Bypass entries, or second proxies, that could not be carried over; each one sentence.
        lost: Vec<String>,
    },
    /// A PAC file decides.
    Pac {
        /// Its address; `None` for automatic detection.
        url: Option<String>,
    },
}

/// A source that could not be read. It is reported and passed over, and its last good reading stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {message}")]
pub struct SourceError {
    /// File (with line and column where there are any) or interface.
    pub origin: String,
    /// What is wrong, and what to do.
    pub message: String,
}

/// One place where proxy settings are read.
pub trait Source: Send + Sync {
    /// Which one it is.
    fn id(&self) -> SourceId;

    /// What it says now. May block on files; called off the runtime's threads.
    ///
    /// # Errors
    /// [`SourceError`] where it exists and cannot be understood.
    fn read(&self) -> Result<Reading, SourceError>;

    /// Files and folders whose change may change the reading; watched by the agent.
    fn watched(&self) -> Vec<std::path::PathBuf>;
}
