//! `policies.json`: what an administrator set for every profile.
//!
//! After mozilla/policy-templates, policy `Proxy`; other policies are not looked at.

use std::path::PathBuf;

use serde::Deserialize;

use super::failed;
use super::prefs::{Prefs, Value};
use crate::source::{SourceError, file};

/// The proxy policy as the preferences that Firefox makes of it.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) prefs: Prefs,
    /// Whether the user's preferences stand below it, not over it.
    pub(super) locked: bool,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    policies: Policies,
}

#[derive(Default, Deserialize)]
struct Policies {
    #[serde(rename = "Proxy")]
    proxy: Option<Proxy>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Proxy {
    mode: Option<Mode>,
    #[serde(default)]
    locked: bool,
    #[serde(rename = "HTTPProxy")]
    http: Option<String>,
    #[serde(rename = "UseHTTPProxyForAllProtocols")]
    shared: Option<bool>,
    #[serde(rename = "SSLProxy")]
    ssl: Option<String>,
    #[serde(rename = "SOCKSProxy")]
    socks: Option<String>,
    #[serde(rename = "SOCKSVersion")]
    socks_version: Option<i32>,
    #[serde(rename = "UseProxyForDNS")]
    remote_dns: Option<bool>,
    passthrough: Option<String>,
    #[serde(rename = "AutoConfigURL")]
    pac: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Mode {
    None,
    System,
    Manual,
    AutoDetect,
    AutoConfig,
}

/// The proxy policy of the first of `files` that exists: Firefox reads one, too.
///
/// # Errors
/// Names file, line and column.
pub(super) fn read(files: &[PathBuf]) -> Result<Option<Policy>, SourceError> {
    for path in files {
        let shown = path.display().to_string();
        let Some(text) = file::read(path).map_err(|error| failed(&shown, error))? else {
            continue;
        };
        let text = text.trim_start_matches('\u{feff}');
        let document: Document = serde_json::from_str(text).map_err(|error| {
            let place = format!("{shown}:{}:{}", error.line(), error.column());
            failed(place, without_place(&error))
        })?;
        return Ok(document.policies.proxy.map(|proxy| proxy.policy(&shown)));
    }
    Ok(None)
}

/// serde_json's sentence without its own " at line 1 column 2".
fn without_place(error: &serde_json::Error) -> String {
    let sentence = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    sentence
        .strip_suffix(&place)
        .unwrap_or(&sentence)
        .to_owned()
}

impl Proxy {
    fn policy(self, file: &str) -> Policy {
        let origin = format!("{file}: policies.Proxy");
        let mut prefs = Prefs::default();
        let mut set = |name: &str, value: Value| {
            prefs.set(format!("network.proxy.{name}"), value, origin.clone());
        };
        if let Some(mode) = self.mode {
            let kind = match mode {
                Mode::None => 0,
                Mode::Manual => 1,
                Mode::AutoConfig => 2,
                Mode::AutoDetect => 4,
                Mode::System => 5,
            };
            set("type", Value::Integer(kind));
        }
        for (name, address) in [
            ("http", self.http),
            ("ssl", self.ssl),
            ("socks", self.socks),
        ] {
            let Some(address) = address else { continue };
            let (host, port) = host_and_port(&address);
            set(name, Value::Text(host));
            set(&format!("{name}_port"), Value::Integer(port));
        }
        if let Some(shared) = self.shared {
            set("share_proxy_settings", Value::Flag(shared));
        }
        if let Some(version) = self.socks_version {
            set("socks_version", Value::Integer(version));
        }
        if let Some(remote) = self.remote_dns {
            for name in ["socks_remote_dns", "socks5_remote_dns"] {
                set(name, Value::Flag(remote));
            }
        }
        if let Some(passthrough) = self.passthrough {
            set("no_proxies_on", Value::Text(passthrough));
        }
        if let Some(pac) = self.pac {
            set("autoconfig_url", Value::Text(pac));
        }
        Policy {
            prefs,
            locked: self.locked,
        }
    }
}

/// `proxy.corp:3128`, also with a scheme in front; a missing or impossible port is 0, which the
/// reader of the preferences refuses.
fn host_and_port(address: &str) -> (String, i32) {
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    let address = address.trim_end_matches('/');
    match address.rsplit_once(':') {
        Some((host, port)) => (host.to_owned(), port.parse::<u16>().unwrap_or(0).into()),
        None => (address.to_owned(), 0),
    }
}
