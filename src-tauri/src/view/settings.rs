//! The settings page, and what it sends back.

use proxy_mirror::control;
use serde::{Deserialize, Serialize};
use specta::Type;

use super::{Mode, PacUnavailable, Style};

/// The settings as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct SettingsPage {
    /// The file they are kept in.
    pub file: String,
    /// Where the proxy comes from.
    pub mode: Mode,
    /// What targets are told.
    pub style: Style,
    /// The manual upstream, without password; empty when none was written.
    pub upstream: String,
    /// The upstreams after it, in order.
    pub fallbacks: Vec<String>,
    /// The file of certificates for proxies over TLS; empty when none was written.
    pub upstream_ca: String,
    /// Proxies that are shown the user's Kerberos ticket.
    pub tickets: Vec<String>,
    /// Destinations that go a way of their own.
    pub rules: Vec<String>,
    /// The PAC file's address; empty when none was written.
    pub pac: String,
    /// What holds where no PAC script can be had, or it gives no answer.
    pub pac_unavailable: PacUnavailable,
    /// The user's bypass entries.
    pub bypass: Vec<String>,
    /// Targets that are left alone.
    pub leave_alone: Vec<String>,
    /// Whether containers shall keep running while Docker restarts.
    pub live_restore: bool,
    /// Whether Docker may be restarted where it is part of a swarm.
    pub restart_swarm: bool,
    /// Whether builders may be made anew with the proxy.
    pub recreate_builders: bool,
    /// The file in which the administrator has fixed some of this; empty where nothing is.
    pub managed_file: String,
    /// The keys that are fixed: `mode`, `relay.port`.
    pub managed_keys: Vec<String>,
    /// Why, in the administrator's words; empty where none are given.
    pub managed_reason: String,
    /// Whether a password is kept in the keychain for the manual upstream.
    pub password_stored: bool,
}

/// All of the settings page, as the user left it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(deny_unknown_fields)]
pub struct SettingsEdit {
    /// Where the proxy comes from.
    pub mode: Mode,
    /// What targets are told.
    pub style: Style,
    /// The manual upstream; a password in it goes to the keychain. Empty: as it was.
    pub upstream: String,
    /// The upstreams after it, all of them, in order.
    pub fallbacks: Vec<String>,
    /// The file of certificates for proxies over TLS; empty: none.
    pub upstream_ca: String,
    /// Proxies that are shown the user's Kerberos ticket, all of them.
    pub tickets: Vec<String>,
    /// Destinations that go a way of their own, all of them, in order.
    pub rules: Vec<String>,
    /// The PAC file's address. Empty: as it was.
    pub pac: String,
    /// A PAC script itself, which is kept beside the settings. Empty: none was pasted.
    pub pac_text: String,
    /// What holds where no PAC script can be had, or it gives no answer.
    pub pac_unavailable: PacUnavailable,
    /// The user's bypass entries, all of them.
    pub bypass: Vec<String>,
    /// Targets that are left alone, all of them.
    pub leave_alone: Vec<String>,
    /// Whether containers shall keep running while Docker restarts.
    pub live_restore: bool,
    /// Whether Docker may be restarted where it is part of a swarm.
    pub restart_swarm: bool,
    /// Whether builders may be made anew with the proxy.
    pub recreate_builders: bool,
}

impl From<control::SettingsView> for SettingsPage {
    fn from(view: control::SettingsView) -> Self {
        Self {
            file: view.file,
            mode: view.mode.into(),
            style: view.style.into(),
            upstream: view.upstream,
            fallbacks: view.fallbacks,
            upstream_ca: view.upstream_ca,
            tickets: view.tickets,
            rules: view.rules,
            pac: view.pac,
            pac_unavailable: view.pac_unavailable.into(),
            bypass: view.bypass,
            leave_alone: view.leave_alone,
            live_restore: view.live_restore,
            restart_swarm: view.restart_swarm,
            recreate_builders: view.recreate_builders,
            managed_file: view.managed.file,
            managed_keys: view.managed.keys,
            managed_reason: view.managed.reason,
            password_stored: view.password_stored,
        }
    }
}

impl From<SettingsEdit> for control::SettingsChange {
    fn from(edit: SettingsEdit) -> Self {
        let written = |text: String| Some(text.trim().to_owned()).filter(|t| !t.is_empty());
        Self {
            mode: Some(edit.mode.into()),
            style: Some(edit.style.into()),
            upstream: written(edit.upstream),
            fallbacks: Some(edit.fallbacks),
            upstream_ca: Some(edit.upstream_ca),
            tickets: Some(edit.tickets),
            rules: Some(edit.rules),
            pac: written(edit.pac),
            pac_text: Some(edit.pac_text).filter(|text| !text.trim().is_empty()),
            pac_unavailable: Some(edit.pac_unavailable.into()),
            bypass: Some(edit.bypass),
            leave_alone: Some(edit.leave_alone),
            live_restore: Some(edit.live_restore),
            restart_swarm: Some(edit.restart_swarm),
            recreate_builders: Some(edit.recreate_builders),
            ..Self::default()
        }
    }
}
