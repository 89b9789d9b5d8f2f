//! What the user chose: `settings.toml`.

mod certificates;
mod change;
mod error;
mod file;
mod keys;
mod lines;
mod managed;
mod profile;
mod rules;
mod upstream;
mod version;
mod word;

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use ipnet::IpNet;
use proxy_engine::config::{Authority, Bypass, Ports, Rule, Unavailable, Upstream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use certificates::certificates;
pub use change::{Changed, change, view};
pub use error::SettingsError;
pub use file::{KeptScript, load, save};
pub use managed::{Files, Managed};
pub use profile::Profile;
pub use upstream::upstream;

/// The user's choices. Raw and validated are one type: each field refuses what is wrong as it is
/// read. Defaults stand in the fields' `Default`s and nowhere else.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where the proxy comes from.
    #[serde(deserialize_with = "word::word")]
    pub mode: Mode,
    /// The mode that switching on returns to: the last one that was not `off`.
    #[serde(deserialize_with = "word::word")]
    pub resume: Mode,
    /// When mode `off` ends by itself, in seconds since 1970: then [`Settings::resume`] holds again.
    pub off_until: Option<u64>,
    /// The profile that holds whatever the network; `None`: the first whose network this is.
    pub profile: Option<String>,
    /// What targets are told: the engine's address, or the upstream itself.
    #[serde(deserialize_with = "word::word")]
    pub style: Style,
    /// The upstream of mode `manual`.
    #[serde(deserialize_with = "upstream::one")]
    pub upstream: Option<Upstream>,
    /// The upstreams after it, in order: each serves while those before it cannot be had.
    #[serde(deserialize_with = "upstream::many")]
    pub fallbacks: Vec<Upstream>,
    /// A file of certificates (PEM) that upstreams may prove themselves by, beside those that the
    /// system trusts.
    pub upstream_ca: Option<PathBuf>,
    /// Upstreams (`host:port`) that are shown the Kerberos ticket of the user that the engine runs
    /// as, where they ask for one.
    pub tickets: Vec<Authority>,
    /// The address of mode `pac`: http, https or file.
    #[serde(deserialize_with = "pac_address")]
    pub pac: Option<String>,
    /// What holds where no PAC script can be had, or it gives no answer.
    #[serde(deserialize_with = "word::word")]
    pub pac_unavailable: PacUnavailable,
    /// Destinations that are dialled directly, beside those of the source and the private ranges.
    pub bypass: Bypass,
    /// Destinations that go a way of their own, in every mode but `off`, as the engine's `--rule`
    /// has them: `registry.example.com=http://other:8080`, `.lab.example=direct`. The first that
    /// names a destination decides.
    #[serde(with = "rules")]
    pub rules: Vec<Rule>,
    /// Who the user is at upstreams that a source names without one: `http://ann@proxy.corp:3128`.
    #[serde(deserialize_with = "upstream::many")]
    pub logins: Vec<Upstream>,
    /// The relay.
    pub relay: RelaySettings,
    /// Interception.
    pub intercept: InterceptSettings,
    /// Targets that Gangway leaves alone, by [`crate::target::TargetId`].
    pub leave_alone: Vec<String>,
    /// Docker's daemon.
    pub docker: DockerSettings,
    /// What is another in each network.
    pub profiles: Vec<Profile>,
}

/// The word for no profile in particular: the network decides.
pub const BY_NETWORK: &str = "auto";

impl Settings {
    /// What holds at this time.
    #[must_use]
    pub fn at(mut self, now: SystemTime) -> Self {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.mode == Mode::Off && self.off_until.is_some_and(|until| until <= now.as_secs()) {
            self.mode = match self.resume {
                Mode::Off => Mode::System,
                mode => mode,
            };
        }
        if self.mode != Mode::Off {
            self.off_until = None;
        }
        self
    }
}

/// What of Docker's may be interrupted, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DockerSettings {
    /// Set `live-restore` first, so that containers keep running.
    pub live_restore: bool,
    /// Restart it although this machine is part of a swarm.
    pub restart_swarm: bool,
    /// Put new containers in the place of those of builders that have another proxy, or none.
    pub recreate_builders: bool,
}

/// Where the proxy comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// What the system, the environment or a browser says, in that order.
    #[default]
    System,
    /// What the user wrote.
    Manual,
    /// A PAC file's address that the user wrote.
    Pac,
    /// Everything direct; what the targets were told stays, so that switching on restarts nothing.
    Off,
}

/// What holds where no PAC script can be had, or it gives no answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PacUnavailable {
    /// What is not direct is refused.
    #[default]
    Block,
    /// Everything is dialled directly.
    Direct,
}

impl From<PacUnavailable> for Unavailable {
    fn from(chosen: PacUnavailable) -> Self {
        match chosen {
            PacUnavailable::Block => Self::Block,
            PacUnavailable::Direct => Self::Direct,
        }
    }
}

/// What targets are told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// The engine's address, once; what stands behind it changes live.
    #[default]
    Relay,
    /// The upstream itself; for machines on which no engine shall run.
    Mirror,
}

/// The relay's address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RelaySettings {
    /// Port of the explicit listeners, on loopback and on the containers' address.
    pub port: u16,
    /// Networks whose clients are served beside loopback and this machine's container networks.
    pub clients: Vec<IpNet>,
}

/// What is intercepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InterceptSettings {
    /// Whether anything is.
    pub enabled: bool,
    /// Bridges beside those that Docker names: `cni0`, `br-*`.
    pub interfaces: Vec<proxy_engine::intercept::InterfacePattern>,
    /// TCP destination ports: `80,443` or `all`.
    pub ports: Ports,
}

impl Default for RelaySettings {
    fn default() -> Self {
        // Beside 3128, which Squid, Px and cntlm use: one of them may well be the upstream here.
        Self {
            port: 3182,
            clients: Vec::new(),
        }
    }
}

impl Default for InterceptSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            interfaces: Vec::new(),
            ports: Ports::default(),
        }
    }
}

/// Checks the address of a PAC file: http, https or file, without control characters, spaces or
/// credentials.
///
/// # Errors
/// A sentence for people; it does not hold the address, which may carry a password.
pub fn checked_pac(address: &str) -> Result<String, &'static str> {
    let address = address.trim();
    if address.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("the PAC address holds a control character or a space");
    }
    let rest = ["http://", "https://", "file://"]
        .iter()
        .find_map(|scheme| {
            let start = address.get(..scheme.len())?;
            start
                .eq_ignore_ascii_case(scheme)
                .then(|| &address[scheme.len()..])
        })
        .filter(|rest| !rest.is_empty())
        .ok_or("the PAC address is not one: write http://HOST/FILE, https:// or file:///PATH")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("the PAC address holds a user or password: leave them out");
    }
    Ok(address.to_owned())
}

fn pac_address<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    let address = Option::<String>::deserialize(input)?;
    address
        .map(|address| checked_pac(&address).map_err(serde::de::Error::custom))
        .transpose()
}

#[cfg(test)]
mod tests;
