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
    /// The PAC file's address; empty when none was written.
    pub pac: String,
    /// What holds where no PAC script can be had, or it gives no answer.
    pub pac_unavailable: PacUnavailable,
    /// The user's bypass entries.
    pub bypass: Vec<String>,
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
    /// The PAC file's address. Empty: as it was.
    pub pac: String,
    /// What holds where no PAC script can be had, or it gives no answer.
    pub pac_unavailable: PacUnavailable,
    /// The user's bypass entries, all of them.
    pub bypass: Vec<String>,
}

impl From<control::SettingsView> for SettingsPage {
    fn from(view: control::SettingsView) -> Self {
        Self {
            file: view.file,
            mode: view.mode.into(),
            style: view.style.into(),
            upstream: view.upstream,
            pac: view.pac,
            pac_unavailable: view.pac_unavailable.into(),
            bypass: view.bypass,
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
            pac: written(edit.pac),
            pac_unavailable: Some(edit.pac_unavailable.into()),
            bypass: Some(edit.bypass),
            ..Self::default()
        }
    }
}
