//! `policies.json`, and on Windows the registry: what an administrator set for every profile.
//!
//! After mozilla/policy-templates, policy `Proxy`; other policies are not looked at.

use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::failed;
use super::prefs::{Prefs, Value};
use crate::source::windows::{Registry, Value as InRegistry};
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
    #[serde(default, deserialize_with = "flag")]
    locked: Option<bool>,
    #[serde(rename = "HTTPProxy")]
    http: Option<String>,
    #[serde(
        default,
        rename = "UseHTTPProxyForAllProtocols",
        deserialize_with = "flag"
    )]
    shared: Option<bool>,
    #[serde(rename = "SSLProxy")]
    ssl: Option<String>,
    #[serde(rename = "SOCKSProxy")]
    socks: Option<String>,
    #[serde(rename = "SOCKSVersion")]
    socks_version: Option<i32>,
    #[serde(default, rename = "UseProxyForDNS", deserialize_with = "flag")]
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

/// `true` or `false`, or 1 or 0, as the registry has it: Firefox takes both in both places.
fn flag<'de, D: Deserializer<'de>>(value: D) -> Result<Option<bool>, D::Error> {
    match serde_json::Value::deserialize(value)? {
        serde_json::Value::Null => Ok(None),
        serde_json::Value::Bool(flag) => Ok(Some(flag)),
        number if number == 0 => Ok(Some(false)),
        number if number == 1 => Ok(Some(true)),
        _ => Err(D::Error::custom("neither true nor false")),
    }
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
        let origin = format!("{shown}: policies.Proxy");
        let proxy = document.policies.proxy;
        return Ok(proxy.map(|proxy| proxy.policy(|_| origin.clone())));
    }
    Ok(None)
}

/// The key of the proxy policy in Windows's registry.
const KEY: &str = r"Software\Policies\Mozilla\Firefox\Proxy";

/// The same of the registry: the machine's key as a whole, else the user's. It stands over
/// `policies.json` (`WindowsGPOParser`, `EnterprisePoliciesParent`).
///
/// # Errors
/// Names the key: a value is none that Firefox takes.
pub(super) fn read_registry(registry: &Registry) -> Result<Option<Policy>, SourceError> {
    for hive in ["HKLM", "HKCU"] {
        let key = format!(r"{hive}\{KEY}");
        let values = registry.values(&key).filter_map(|(name, value)| {
            let value: serde_json::Value = match value {
                InRegistry::Text(text) => text.as_str().into(),
                InRegistry::Number(number) => (*number).into(),
                // Of no type that this policy has.
                InRegistry::Binary(_) | InRegistry::Other(_) => return None,
            };
            Some((name.to_owned(), value))
        });
        let values: serde_json::Map<String, serde_json::Value> = values.collect();
        if values.is_empty() {
            continue;
        }
        let proxy = Proxy::deserialize(serde_json::Value::Object(values))
            .map_err(|error| failed(&key, error.to_string()))?;
        return Ok(Some(proxy.policy(|value| format!("{key}: {value}"))));
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
    /// `origin` says where a value of the policy stands.
    fn policy(self, origin: impl Fn(&str) -> String) -> Policy {
        let mut prefs = Prefs::default();
        let mut set = |name: &str, value: Value, said: &str| {
            prefs.set(format!("network.proxy.{name}"), value, origin(said));
        };
        if let Some(mode) = self.mode {
            let kind = match mode {
                Mode::None => 0,
                Mode::Manual => 1,
                Mode::AutoConfig => 2,
                Mode::AutoDetect => 4,
                Mode::System => 5,
            };
            set("type", Value::Integer(kind), "Mode");
        }
        for (name, address, said) in [
            ("http", self.http, "HTTPProxy"),
            ("ssl", self.ssl, "SSLProxy"),
            ("socks", self.socks, "SOCKSProxy"),
        ] {
            let Some(address) = address else { continue };
            let (host, port) = host_and_port(&address);
            set(name, Value::Text(host), said);
            set(&format!("{name}_port"), Value::Integer(port), said);
        }
        if let Some(shared) = self.shared {
            let said = "UseHTTPProxyForAllProtocols";
            set("share_proxy_settings", Value::Flag(shared), said);
        }
        if let Some(version) = self.socks_version {
            set("socks_version", Value::Integer(version), "SOCKSVersion");
        }
        if let Some(remote) = self.remote_dns {
            for name in ["socks_remote_dns", "socks5_remote_dns"] {
                set(name, Value::Flag(remote), "UseProxyForDNS");
            }
        }
        if let Some(passthrough) = self.passthrough {
            set("no_proxies_on", Value::Text(passthrough), "Passthrough");
        }
        if let Some(pac) = self.pac {
            set("autoconfig_url", Value::Text(pac), "AutoConfigURL");
        }
        Policy {
            prefs,
            locked: self.locked.unwrap_or(false),
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
