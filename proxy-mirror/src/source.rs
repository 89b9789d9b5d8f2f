//! Where proxy settings are read: kept apart, ranked, never blended.

mod chromium;
mod env;
mod env_files;
mod file;
mod firefox;
mod lost;
pub mod macos;
mod manual;
mod servers;
mod system;
mod variables;
mod watch;
pub mod windows;

use proxy_engine::config::{Bypass, Upstream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::control::Said;
use crate::places::Places;

pub use chromium::Chromium;
pub use env::Environment;
pub use env_files::EnvironmentFiles;
pub use firefox::Firefox;
pub use lost::Lost;
pub use manual::Manual;
pub(crate) use manual::reading as of_settings;
pub use system::System;
pub use watch::watch;

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
    /// Files that set the same variables for sessions: `environment.d`, `/etc/environment`,
    /// `/etc/sysconfig/proxy`.
    EnvironmentFiles,
    /// The default profile of Firefox and its policies.
    Firefox,
    /// Google Chrome's profile and its policies.
    Chrome,
    /// Microsoft Edge's profile and its policies.
    Edge,
    /// Brave's profile and its policies.
    Brave,
    /// Chromium's profile and its policies.
    Chromium,
    /// What the user wrote into the settings.
    Manual,
}

/// What one source says, and where it says so.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The source.
    pub source: SourceId,
    /// File and key, or variable, that the value came from.
    pub origin: Said,
    /// What it says.
    pub says: Says,
    /// A password that stood in the source beside the proxy (`http://user:password@…`): it goes to
    /// the engine's memory and nowhere else.
    pub password: Option<secrecy::SecretString>,
    /// What is said beside a script, and holds where none is had from there: Windows and macOS let
    /// "detect automatically", a script's address and a proxy be chosen together, and try them in
    /// this order.
    pub otherwise: Option<Box<Reading>>,
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
        /// What could not be carried over.
        lost: Vec<Lost>,
    },
    /// A PAC file decides.
    Pac {
        /// Its address; `None` for automatic detection.
        url: Option<String>,
    },
    /// A proxy that this version cannot speak to (of an unknown kind, a script without an
    /// address): no further source is asked, and nothing goes out beside it.
    Unusable {
        /// What it says, without secrets: `quic://proxy.corp:1080`.
        proxy: String,
        /// Why it cannot be followed, in one sentence.
        reason: String,
    },
}

impl Reading {
    /// A reading that says nothing, with the reason or place for people.
    pub fn nothing(source: SourceId, origin: Said) -> Self {
        Self {
            source,
            origin,
            says: Says::Nothing,
            password: None,
            otherwise: None,
        }
    }

    /// A script decides, or where none is had what was said beside it.
    fn script(
        source: SourceId,
        origin: String,
        url: Option<String>,
        otherwise: Option<Self>,
    ) -> Self {
        Self {
            source,
            origin: Said::verbatim(origin),
            says: Says::Pac { url },
            password: None,
            otherwise: otherwise.map(Box::new),
        }
    }

    /// This, and what holds in its stead, in turn.
    pub fn in_turn(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |reading| reading.otherwise.as_deref())
    }

    /// For people: what it says, and what holds in its stead.
    pub fn said(&self) -> Said {
        match &self.otherwise {
            None => self.says.said(),
            Some(otherwise) => Said::new(
                "said_otherwise",
                &[("says", &self.says), ("otherwise", &otherwise.said())],
            ),
        }
    }
}

impl Says {
    /// Whether this upstream is the proxy that it names.
    pub fn names(&self, upstream: &Upstream) -> bool {
        matches!(self, Self::Proxy { upstream: named, .. } if named == upstream)
    }

    /// For people, without secrets: `http://proxy.corp:3128`, `no proxy`, `nothing`.
    pub fn said(&self) -> Said {
        match self {
            Self::Nothing => Said::new("said_nothing", &[]),
            Self::Direct => Said::new("said_no_proxy", &[]),
            Self::Proxy { upstream, .. } => Said::verbatim(upstream.to_string()),
            Self::Pac { url: Some(url) } => {
                Said::new("said_pac", &[("url", &crate::pac::shown(url))])
            }
            Self::Pac { url: None } => Said::new("said_detection", &[]),
            Self::Unusable { proxy, .. } => Said::verbatim(proxy),
        }
    }
}

impl std::fmt::Display for Says {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.said().fmt(f)
    }
}

/// A source that could not be read. It is reported and passed over, and its last good reading stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {message}")]
pub struct SourceError {
    /// Which source.
    pub source_id: SourceId,
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

/// Every source of this machine, in rank order: in mode `system` the first one that says something
/// is followed. The user's own entry ([`Manual`]) stands last; it is followed in mode `manual` alone.
pub fn all(places: &Places) -> Vec<Box<dyn Source>> {
    let mut all: Vec<Box<dyn Source>> = vec![
        Box::new(System::default()),
        Box::new(Environment::of_this_process()),
        Box::new(EnvironmentFiles::new(places)),
        Box::new(Firefox::new(places)),
    ];
    all.extend(Chromium::family(places).map(|browser| Box::new(browser) as Box<dyn Source>));
    all.push(Box::new(Manual::new(places.settings_files())));
    all
}

/// An address without user and password, whether or not it is one.
fn without_userinfo(url: &str) -> String {
    // What looks like one in a script is none.
    let is_script = url
        .get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"));
    match url.split_once("://").filter(|_| !is_script) {
        Some((scheme, rest)) => {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            let host = authority
                .rsplit_once('@')
                .map_or(authority, |(_, host)| host);
            format!("{scheme}://{host}{path}")
        }
        None => url.to_owned(),
    }
}

impl SourceError {
    /// For the API: code `source_unreadable`.
    pub fn problem(&self) -> crate::control::Problem {
        crate::control::Problem::new("source_unreadable", self.to_string())
            .with("origin", &self.origin)
            .with("reason", &self.message)
    }
}
