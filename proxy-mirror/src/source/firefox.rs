//! The profile of Firefox that was used last, and the administrator's policies for it.
//!
//! | `network.proxy.type` | policy `Mode` | what it says |
//! |---|---|---|
//! | 0 | `none` | no proxy |
//! | 1 | `manual` | the host and port of `.ssl`, else of `.http` |
//! | 2 | `autoConfig` | a PAC file |
//! | 3 | | no proxy (Netscape 4's value; Firefox reads it as 0) |
//! | 4 | `autoDetect` | automatic detection |
//! | 5, or none | `system` | nothing: Firefox follows the system itself |
//!
//! A policy that is not `Locked` is a default: what the user set stands over it.

mod policies;
mod prefs;
mod profiles;

use std::path::{Path, PathBuf};

use proxy_engine::config::{Bypass, Scheme, Upstream};

use self::prefs::Prefs;
use super::windows::Registry;
use super::{Lost, Reading, Says, Source, SourceError, SourceId, without_userinfo};
use crate::bypass::Dialect;
use crate::control::Said;
use crate::places::Places;

/// Folders of profiles below the home directory: the normal one, the one of newer releases that
/// follow XDG, Snap's, Flatpak's, macOS's, Windows's.
const ROOTS: [&str; 6] = [
    ".mozilla/firefox",
    ".config/mozilla/firefox",
    "snap/firefox/common/.mozilla/firefox",
    ".var/app/org.mozilla.firefox/.mozilla/firefox",
    "Library/Application Support/Firefox",
    "AppData/Roaming/Mozilla/Firefox",
];

/// Where `policies.json` lies: for the machine, then beside installed programs.
const POLICIES: [&str; 2] = [
    "firefox/policies/policies.json",
    "firefox-esr/policies/policies.json",
];
const INSTALLED: [&str; 6] = [
    "/usr/lib/firefox",
    "/usr/lib64/firefox",
    "/usr/lib/firefox-esr",
    "/opt/firefox",
    "/Applications/Firefox.app/Contents/Resources",
    "C:/Program Files/Mozilla Firefox",
];

/// Firefox's settings of one user.
#[derive(Debug, Clone)]
pub struct Firefox {
    roots: Vec<PathBuf>,
    policies: Vec<PathBuf>,
}

impl Firefox {
    /// The usual folders.
    pub fn new(places: &Places) -> Self {
        let machine = POLICIES.iter().map(|file| places.etc.join(file));
        // What another system calls absolute would be looked for below the working directory here.
        let installed = INSTALLED
            .iter()
            .map(|folder| Path::new(folder).join("distribution/policies.json"))
            .filter(|file| file.is_absolute());
        Self {
            roots: ROOTS.iter().map(|root| places.home.join(root)).collect(),
            policies: machine.chain(installed).collect(),
        }
    }

    /// These folders of profiles and policy files, and no others.
    pub fn at(roots: Vec<PathBuf>, policies: Vec<PathBuf>) -> Self {
        Self { roots, policies }
    }

    /// What it says where this registry holds policies for it, too.
    ///
    /// # Errors
    /// As [`Source::read`].
    pub fn read_under(&self, registry: &Registry) -> Result<Reading, SourceError> {
        let policy = match policies::read_registry(registry)? {
            Some(policy) => Some(policy),
            None => policies::read(&self.policies)?,
        };
        let profile = profiles::last_used(&self.roots)?;
        if profile.is_none() && policy.is_none() {
            return Ok(Reading::nothing(
                SourceId::Firefox,
                Said::new("said_no_firefox", &[]),
            ));
        }
        let mut prefs = Prefs::default();
        if let Some(policy) = policy.iter().find(|policy| !policy.locked) {
            prefs.lay_over(policy.prefs.clone());
        }
        if let Some(profile) = &profile {
            for name in ["prefs.js", "user.js"] {
                prefs.lay_over(prefs::read(&profile.join(name))?);
            }
        }
        if let Some(policy) = policy.iter().find(|policy| policy.locked) {
            prefs.lay_over(policy.prefs.clone());
        }
        says(&prefs)
    }
}

impl Source for Firefox {
    fn id(&self) -> SourceId {
        SourceId::Firefox
    }

    fn read(&self) -> Result<Reading, SourceError> {
        // Elsewhere than on Windows there is none.
        self.read_under(&Registry::default())
    }

    fn watched(&self) -> Vec<PathBuf> {
        let indexes = self
            .roots
            .iter()
            .flat_map(|root| profiles::INDEXES.map(|index| root.join(index)));
        let profiles = self
            .roots
            .iter()
            .filter_map(|root| profiles::default_of(root).ok().flatten())
            .flat_map(|profile| ["prefs.js", "user.js"].map(|name| profile.join(name)));
        indexes
            .chain(profiles)
            .chain(self.policies.iter().cloned())
            .collect()
    }
}

fn failed(origin: impl Into<String>, message: impl Into<String>) -> SourceError {
    SourceError {
        source_id: SourceId::Firefox,
        origin: origin.into(),
        message: message.into(),
    }
}

/// What the preferences, laid over each other, say.
fn says(prefs: &Prefs) -> Result<Reading, SourceError> {
    let Some((kind, origin)) = prefs.integer("network.proxy.type")? else {
        return Ok(Reading::nothing(
            SourceId::Firefox,
            Said::new("said_firefox_system", &[]),
        ));
    };
    let says = match kind {
        0 | 3 => Says::Direct,
        1 => return manual(prefs, &origin),
        2 => match prefs.text("network.proxy.autoconfig_url")? {
            Some((url, _)) if !url.trim().is_empty() => Says::Pac {
                url: Some(without_userinfo(url.trim())),
            },
            _ => {
                return Err(failed(
                    origin,
                    "a PAC file is chosen and its address is empty",
                ));
            }
        },
        4 => Says::Pac { url: None },
        5 => Says::Nothing,
        other => {
            return Err(failed(
                origin,
                format!("network.proxy.type {other} is none that Firefox knows"),
            ));
        }
    };
    Ok(Reading {
        source: SourceId::Firefox,
        origin: Said::verbatim(origin),
        says,
        password: None,
        otherwise: None,
    })
}

fn manual(prefs: &Prefs, origin: &str) -> Result<Reading, SourceError> {
    let mut lost: Vec<Lost> = Vec::new();
    let http = endpoint(prefs, "http", Scheme::Http)?;
    let shared = prefs
        .flag("network.proxy.share_proxy_settings")?
        .unwrap_or(false);
    // With "also use this proxy for HTTPS" the other field keeps what was typed before.
    let https = if shared {
        http.clone()
    } else {
        endpoint(prefs, "ssl", Scheme::Http)?
    };
    let chosen = match (https, http) {
        (Some(https), http) => {
            if http.is_some_and(|http| http.0 != https.0) {
                lost.push(Lost::other_for_http());
            }
            https
        }
        (None, Some(http)) => {
            lost.push(Lost::none_for_https());
            http
        }
        (None, None) => match endpoint(prefs, "socks", socks(prefs)?)? {
            Some(socks) => socks,
            None => {
                return Ok(Reading {
                    source: SourceId::Firefox,
                    origin: Said::verbatim(origin),
                    says: Says::Direct,
                    password: None,
                    otherwise: None,
                });
            }
        },
    };
    let exceptions = prefs.text("network.proxy.no_proxies_on")?;
    let bypass = exceptions.map_or_else(Bypass::default, |(list, _)| {
        let read = Dialect::Firefox.read(&list);
        lost.extend(read.notes.into_iter().map(Lost::from));
        read.bypass
    });
    let (upstream, origin) = chosen;
    Ok(Reading {
        source: SourceId::Firefox,
        origin: Said::verbatim(origin),
        says: Says::Proxy {
            upstream,
            bypass,
            lost,
        },
        password: None,
        otherwise: None,
    })
}

/// How a SOCKS proxy is spoken to.
fn socks(prefs: &Prefs) -> Result<Scheme, SourceError> {
    let flag = |name: &str| prefs.flag(name);
    let version = prefs.integer("network.proxy.socks_version")?;
    Ok(match version {
        Some((4, _)) if flag("network.proxy.socks_remote_dns")? == Some(true) => Scheme::Socks4a,
        Some((4, _)) => Scheme::Socks4,
        // Since version 128 the proxy resolves names unless it is told not to.
        _ => match flag("network.proxy.socks5_remote_dns")? {
            Some(false) => Scheme::Socks5,
            Some(true) | None => Scheme::Socks5h,
        },
    })
}

/// The proxy of one protocol, and where it was said; `None` where the host is empty.
fn endpoint(
    prefs: &Prefs,
    protocol: &str,
    scheme: Scheme,
) -> Result<Option<(Upstream, String)>, SourceError> {
    let key = format!("network.proxy.{protocol}");
    let Some((host, origin)) = prefs.text(&key)? else {
        return Ok(None);
    };
    if host.is_empty() {
        return Ok(None);
    }
    let port = prefs
        .integer(&format!("{key}_port"))?
        .map_or(0, |(port, _)| port);
    let host = if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host
    };
    format!("{}://{host}:{port}", scheme.as_str())
        .parse()
        .map(|upstream| Some((upstream, origin.clone())))
        .map_err(|error: proxy_engine::config::UpstreamError| failed(origin, error.to_string()))
}

#[cfg(test)]
mod tests;
