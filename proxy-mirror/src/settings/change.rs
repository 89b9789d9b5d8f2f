//! A change of settings, asked for by the window or the command line.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use proxy_engine::config::{Bypass, Upstream};
use secrecy::SecretString;

use super::{Files, Managed, Mode, Settings, SettingsError, checked_pac};
use crate::control::{ManagedView, SettingsChange, SettingsView};

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
        settings.upstream_ca = certificates(file.trim(), current.upstream_ca.as_deref())?;
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
    if let Some(targets) = &change.leave_alone {
        let targets = targets.iter().map(|target| target.trim().to_owned());
        settings.leave_alone = targets.filter(|target| !target.is_empty()).collect();
    }
    if let Some(live_restore) = change.live_restore {
        settings.docker.live_restore = live_restore;
    }
    if let Some(restart_swarm) = change.restart_swarm {
        settings.docker.restart_swarm = restart_swarm;
    }
    if let Some(recreate_builders) = change.recreate_builders {
        settings.docker.recreate_builders = recreate_builders;
    }
    if let Some(name) = &change.profile {
        settings.profile = profile(&settings, name.trim())?;
    }
    if let Some(style) = change.style {
        settings.style = style;
    }
    // The mode last: `on` without a mode means the one before.
    // A page says the mode that it found: a pause goes on.
    if let Some(mode) = change.mode.filter(|mode| *mode != settings.mode) {
        turn(&mut settings, mode);
    }
    match change.on {
        Some(false) => {
            turn(&mut settings, Mode::Off);
            settings.off_until = change.off_for.map(until).transpose()?;
        }
        None if change.off_for.is_some() => {
            return Err(refused(
                "off_for",
                "a pause switches off: say `on: false`, too",
            ));
        }
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
    settings.off_until = None;
    for mode in [settings.mode, mode] {
        if mode != Mode::Off {
            settings.resume = mode;
        }
    }
    settings.mode = mode;
}

/// The profile of this name, or none where the network decides.
fn profile(settings: &Settings, name: &str) -> Result<Option<String>, SettingsError> {
    if name == super::BY_NETWORK {
        return Ok(None);
    }
    if settings.profile_named(name).is_none() {
        let known: Vec<&str> = { settings.profiles.iter() }
            .map(|profile| profile.name.as_str())
            .chain([super::BY_NETWORK])
            .collect();
        let known = known.join(", ");
        let what = format!("there is no profile of that name: write one of {known}");
        return Err(refused("profile", what));
    }
    Ok(Some(name.to_owned()))
}

/// So many seconds from now: a minute to a week.
fn until(seconds: u32) -> Result<u64, SettingsError> {
    if !(60..=7 * 86_400).contains(&seconds) {
        return Err(refused(
            "off_for",
            "a pause lasts a minute at least and a week at most: write 30m, 2h or 1d",
        ));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(now.unwrap_or_default().as_secs() + u64::from(seconds))
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

/// The file, which must be one: a slip is told now, not when a proxy is not trusted. One that stands
/// there already may be gone by now, which the status says: whatever else was changed counts.
fn certificates(file: &str, before: Option<&Path>) -> Result<Option<PathBuf>, SettingsError> {
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
    if before != Some(file.as_path()) {
        super::certificates(&file)?;
    }
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
pub fn view(
    settings: &Settings,
    files: Files<'_>,
    managed: &Managed,
    password_stored: bool,
) -> SettingsView {
    let fixed = files.managed.filter(|_| !managed.keys.is_empty());
    SettingsView {
        file: files.user.display().to_string(),
        managed: ManagedView {
            file: fixed.map_or_else(String::new, |file| file.display().to_string()),
            keys: { managed.keys.iter() }.map(ToString::to_string).collect(),
            reason: managed.reason.clone(),
        },
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
        leave_alone: settings.leave_alone.clone(),
        live_restore: settings.docker.live_restore,
        restart_swarm: settings.docker.restart_swarm,
        recreate_builders: settings.docker.recreate_builders,
        password_stored,
    }
}
