//! The settings as pages show and change them, and credentials on their way in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::settings::{Mode, PacUnavailable, Style};

/// The settings, as a page shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettingsView {
    /// The file they are kept in.
    pub file: String,
    /// Where the proxy comes from.
    pub mode: Mode,
    /// What targets are told.
    pub style: Style,
    /// The manual upstream as a URL without password; empty when none was written.
    pub upstream: String,
    /// The upstreams after it, in order.
    pub fallbacks: Vec<String>,
    /// The file of certificates that upstreams may prove themselves by; empty when none was written.
    pub upstream_ca: String,
    /// Upstreams (`host:port`) that are shown the user's Kerberos ticket.
    pub tickets: Vec<String>,
    /// Destinations that go a way of their own, the first that names one decides.
    pub rules: Vec<String>,
    /// The PAC file's address; empty when none was written.
    pub pac: String,
    /// What holds where no PAC script can be had, or it gives no answer.
    pub pac_unavailable: PacUnavailable,
    /// The user's bypass entries.
    pub bypass: Vec<String>,
    /// Targets that are left alone.
    #[serde(default)]
    pub leave_alone: Vec<String>,
    /// Whether containers shall keep running while dockerd restarts (`live-restore`).
    #[serde(default)]
    pub live_restore: bool,
    /// Whether dockerd may be restarted where it is part of a swarm.
    #[serde(default)]
    pub restart_swarm: bool,
    /// Whether builders of buildx may be made anew, with the same options and cache.
    #[serde(default)]
    pub recreate_builders: bool,
    /// What the administrator has fixed.
    #[serde(default)]
    pub managed: ManagedView,
    /// Whether a password is kept in the keychain for the manual upstream.
    pub password_stored: bool,
}

/// What the administrator has fixed for everybody on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManagedView {
    /// The file that says so; empty where nothing is fixed.
    pub file: String,
    /// The keys of settings.toml: `mode`, `relay.port`.
    pub keys: Vec<String>,
    /// Why, in the administrator's words; empty where none are given.
    pub reason: String,
}

/// A change of settings: what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SettingsChange {
    /// Where the proxy comes from.
    pub mode: Option<Mode>,
    /// Shorthand for the toggle: `false` is mode `off`, `true` the last mode that was not.
    pub on: Option<bool>,
    /// With `on: false`: so many seconds alone, 60 to 604,800; then it switches itself on again.
    pub off_for: Option<u32>,
    /// What targets are told.
    pub style: Option<Style>,
    /// The manual upstream; a password in it goes to the keychain.
    pub upstream: Option<String>,
    /// The upstreams after it, all of them; none may hold a password.
    pub fallbacks: Option<Vec<String>>,
    /// The file of certificates (PEM) that upstreams may prove themselves by; empty: none.
    pub upstream_ca: Option<String>,
    /// Upstreams (`host:port`) that are shown the user's Kerberos ticket, all of them.
    pub tickets: Option<Vec<String>>,
    /// Destinations that go a way of their own, all of them, in order.
    pub rules: Option<Vec<String>>,
    /// The PAC file's address.
    pub pac: Option<String>,
    /// A PAC script itself: it is kept beside the settings, and its address is that of mode `pac`.
    pub pac_text: Option<String>,
    /// What holds where no PAC script can be had, or it gives no answer.
    pub pac_unavailable: Option<PacUnavailable>,
    /// The profile that holds whatever the network, by name; `auto`: the network decides.
    pub profile: Option<String>,
    /// The user's bypass entries, all of them.
    pub bypass: Option<Vec<String>>,
    /// Targets that are left alone, all of them.
    pub leave_alone: Option<Vec<String>>,
    /// Whether containers shall keep running while dockerd restarts (`live-restore`).
    pub live_restore: Option<bool>,
    /// Whether dockerd may be restarted where it is part of a swarm.
    pub restart_swarm: Option<bool>,
    /// Whether builders of buildx may be made anew, with the same options and cache.
    pub recreate_builders: Option<bool>,
}

/// Credentials for the keychain.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoreCredentials {
    /// `host:port` of the upstream.
    pub authority: String,
    /// How it is spoken to (`http`, `https`, `socks4`, `socks4a`, `socks5`, `socks5h`), where the user
    /// said so: the password goes to it in no other way. Without: as the source that names it says.
    #[serde(default)]
    pub scheme: Option<String>,
    /// User name.
    pub user: String,
    /// Password: any characters.
    pub password: String,
}

impl std::fmt::Debug for StoreCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreCredentials")
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}
