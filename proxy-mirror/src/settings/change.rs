//! A change of settings, asked for by the window or the command line.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use proxy_engine::config::{Bypass, Upstream};
use secrecy::SecretString;

use super::{Mode, Settings, SettingsError, checked_pac};
use crate::control::{SettingsChange, SettingsView};

/// What follows from a change.
#[derive(Debug, Clone)]
pub struct Changed {
    /// The settings to save.
    pub settings: Settings,
    /// The password that stood in the new upstream: it belongs into the keychain, under the user
    /// and authority of `settings.upstream`.
    pub password: Option<SecretString>,
}

/// The settings after `change`; `current` is left alone.
///
/// # Errors
/// [`SettingsError::Refused`] with the field and what to write instead. The message never holds
/// the value, which may be a URL with a password.
pub fn change(current: &Settings, change: &SettingsChange) -> Result<Changed, SettingsError> {
    let mut settings = current.clone();
    let mut password = None;
    if let Some(url) = &change.upstream {
        (settings.upstream, password) = upstream(url)?;
    }
    if let Some(urls) = &change.fallbacks {
        let urls = urls.iter().map(|url| url.trim_matches(' '));
        settings.fallbacks = urls
            .filter(|url| !url.is_empty())
            .map(super::upstream)
            .collect::<Result<_, _>>()?;
    }
    if let Some(file) = &change.upstream_ca {
        settings.upstream_ca = certificates(file.trim())?;
    }
    if let Some(authorities) = &change.tickets {
        settings.tickets = each(authorities, "tickets")?;
    }
    if let Some(lines) = &change.rules {
        settings.rules = each(lines, "rules")?;
    }
    if let Some(address) = &change.pac {
        settings.pac = match address.trim() {
            "" => None,
            address => Some(checked_pac(address).map_err(|what| refused("pac", what))?),
        };
    }
    if let Some(unavailable) = change.pac_unavailable {
        settings.pac_unavailable = unavailable;
    }
    if let Some(entries) = &change.bypass {
        settings.bypass = bypass(entries)?;
    }
    if let Some(style) = change.style {
        settings.style = style;
    }
    // The mode last: `on` without a mode means the one before.
    if let Some(mode) = change.mode {
        turn(&mut settings, mode);
    }
    match change.on {
        Some(false) => turn(&mut settings, Mode::Off),
        Some(true) if settings.mode == Mode::Off => {
            let mode = match settings.resume {
                Mode::Off => Mode::System,
                mode => mode,
            };
            turn(&mut settings, mode);
        }
        Some(true) | None => {}
    }
    match settings.mode {
        Mode::Manual if settings.upstream.is_none() => Err(refused(
            "upstream",
            "mode manual needs an upstream: write http://HOST:PORT",
        )),
        Mode::Pac if settings.pac.is_none() => Err(refused(
            "pac",
            "mode pac needs the address of a PAC file: write http://HOST/FILE",
        )),
        _ => Ok(Changed { settings, password }),
    }
}

/// The mode before is remembered as it is left, too: a file that was written by hand names no
/// `resume`.
fn turn(settings: &mut Settings, mode: Mode) {
    for mode in [settings.mode, mode] {
        if mode != Mode::Off {
            settings.resume = mode;
        }
    }
    settings.mode = mode;
}

fn upstream(url: &str) -> Result<(Option<Upstream>, Option<SecretString>), SettingsError> {
    // Only plain blanks around it: a newline is not a slip of the finger.
    let url = url.trim_matches(' ');
    if url.is_empty() {
        return Ok((None, None));
    }
    let (upstream, password) =
        Upstream::parse_with_credentials(url).map_err(super::upstream::refused)?;
    if password.is_some() && upstream.user().is_none() {
        return Err(refused(
            "upstream",
            "a password stands in the proxy URL without a user: write http://USER@HOST:PORT",
        ));
    }
    Ok((Some(upstream), password.map(Into::into)))
}

/// The file, which must be one: a slip is told now, not when a proxy is not trusted.
fn certificates(file: &str) -> Result<Option<PathBuf>, SettingsError> {
    if file.is_empty() {
        return Ok(None);
    }
    let file = PathBuf::from(file);
    if !file.is_absolute() {
        return Err(refused(
            "upstream_ca",
            "the certificates' file needs an absolute path: write /PATH/FILE.pem",
        ));
    }
    super::certificates(&file)?;
    Ok(Some(file))
}

/// Each of the entries that is not empty.
fn each<T: FromStr<Err: Display>>(
    entries: &[String],
    field: &'static str,
) -> Result<Vec<T>, SettingsError> {
    let entries = entries.iter().map(|entry| entry.trim());
    entries
        .filter(|entry| !entry.is_empty())
        .map(|entry| {
            let parsed = entry.parse();
            parsed.map_err(|error: T::Err| refused(field, error.to_string()))
        })
        .collect()
}

fn bypass(entries: &[String]) -> Result<Bypass, SettingsError> {
    let mut bypass = Bypass::default();
    for entry in entries.iter().flat_map(|entry| entry.split(',')) {
        if entry.trim().is_empty() {
            continue;
        }
        let rule = entry
            .parse()
            .map_err(|error: proxy_engine::config::BypassError| {
                refused("bypass", error.to_string())
            })?;
        bypass
            .add(rule)
            .map_err(|error| refused("bypass", error.to_string()))?;
    }
    Ok(bypass)
}

fn refused(field: &'static str, what: impl Into<String>) -> SettingsError {
    SettingsError::Refused {
        field,
        what: what.into(),
    }
}

/// The settings as a page shows them.
pub fn view(settings: &Settings, file: &Path, password_stored: bool) -> SettingsView {
    SettingsView {
        file: file.display().to_string(),
        mode: settings.mode,
        style: settings.style,
        upstream: settings
            .upstream
            .as_ref()
            .map_or_else(String::new, ToString::to_string),
        fallbacks: settings.fallbacks.iter().map(ToString::to_string).collect(),
        upstream_ca: settings
            .upstream_ca
            .as_ref()
            .map_or_else(String::new, |file| file.display().to_string()),
        tickets: settings
            .tickets
            .iter()
            .map(|authority| authority.as_str().to_owned())
            .collect(),
        rules: settings.rules.iter().map(ToString::to_string).collect(),
        pac: settings.pac.clone().unwrap_or_default(),
        pac_unavailable: settings.pac_unavailable,
        bypass: settings.bypass.0.iter().map(ToString::to_string).collect(),
        password_stored,
    }
}
