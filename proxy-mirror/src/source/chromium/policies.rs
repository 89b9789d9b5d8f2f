//! Policies: every `*.json` in `managed` or `recommended`, laid over each other by name; on Windows
//! the values of a key, the machine's over the user's.
//!
//! In the registry `ProxySettings` is the text of a JSON object or a key of its own, and numbers may
//! be texts: `components/policy/core/common/registry_dict.cc`.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::setting::{Setting, json, object};
use crate::source::windows::{Registry, Value as InRegistry};

/// A folder of policies with more files than this is not one.
const MOST: usize = 256;

/// The single policies, and what each is called in the dictionary `ProxySettings`: the same.
const SINGLE: [&str; 5] = [
    "ProxyMode",
    "ProxyServerMode",
    "ProxyServer",
    "ProxyPacUrl",
    "ProxyBypassList",
];

/// The proxy policy of one level in the first folder that has one; `None` where no file speaks of
/// proxies. Of several files the last by name wins, policy by policy.
///
/// # Errors
/// Place and sentence: a file that cannot be read, or is not JSON.
pub(super) fn read(folders: &[PathBuf], level: &str) -> Result<Option<Setting>, (String, String)> {
    for folder in folders {
        let mut policies: Map<String, Value> = Map::new();
        let mut origin = String::new();
        for path in files(&folder.join(level))? {
            let Some(document) = json(&path)? else {
                continue;
            };
            for (name, value) in document {
                let proxy = name == "ProxySettings" || SINGLE.contains(&name.as_str());
                if proxy && !value.is_null() {
                    origin = format!("{}: {name}", path.display());
                    policies.insert(name, value);
                }
            }
        }
        if let Some(setting) = setting(policies, &origin)? {
            return Ok(Some(setting));
        }
    }
    Ok(None)
}

/// The same of one level below `HKLM` and `HKCU`: `key` is the browser's.
///
/// # Errors
/// Place and sentence: `ProxySettings` is no JSON, or a value is refused by the browser, too.
pub(super) fn read_registry(
    registry: &Registry,
    key: &str,
    level: &str,
) -> Result<Option<Setting>, (String, String)> {
    let mut policies = Map::new();
    let mut origin = String::new();
    // What the machine says comes last and stands.
    for hive in ["HKCU", "HKLM"] {
        let key = match level {
            "managed" => format!(r"{hive}\{key}"),
            _ => format!(r"{hive}\{key}\Recommended"),
        };
        let mut dictionary = in_registry(registry, &format!(r"{key}\ProxySettings"));
        if let Some(text) = registry.text(&key, "ProxySettings")? {
            let place = format!("{key}: ProxySettings");
            dictionary = object(text, &place)?;
        }
        let mut own = in_registry(registry, &key);
        if !dictionary.is_empty() {
            own.insert("ProxySettings".to_owned(), dictionary.into());
        }
        if let Some(name) = own.keys().next_back() {
            origin = format!("{key}: {name}");
        }
        policies.extend(own);
    }
    setting(policies, &origin)
}

/// The single policies of a key, by their own names.
fn in_registry(registry: &Registry, key: &str) -> Map<String, Value> {
    let named = |name: &str| {
        SINGLE
            .into_iter()
            .find(|single| single.eq_ignore_ascii_case(name))
    };
    let values = registry.values(key).filter_map(|(name, value)| {
        let name = named(name)?;
        let value = match value {
            InRegistry::Text(text) if name == "ProxyServerMode" => text.parse::<i64>().ok()?.into(),
            InRegistry::Text(text) => text.as_str().into(),
            InRegistry::Number(number) => (*number).into(),
            // Of no type that a policy has.
            InRegistry::Binary(_) | InRegistry::Other(_) => return None,
        };
        Some((name.to_owned(), value))
    });
    values.collect()
}

/// What they come to: `ProxySettings` as a whole, else the single ones.
fn setting(
    mut policies: Map<String, Value>,
    origin: &str,
) -> Result<Option<Setting>, (String, String)> {
    let settings = match policies.remove("ProxySettings") {
        Some(Value::Object(settings)) => settings,
        Some(_) => {
            return Err((
                origin.to_owned(),
                "`ProxySettings` is not an object".to_owned(),
            ));
        }
        None => policies,
    };
    if settings.is_empty() {
        return Ok(None);
    }
    Setting::of_policy(&settings, origin).map(Some)
}

/// The policy files, sorted by name: the browser lets the last one win.
fn files(folder: &std::path::Path) -> Result<Vec<PathBuf>, (String, String)> {
    let failed = |message: String| (folder.display().to_string(), message);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(format!("cannot be read: {error}"))),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry
            .map_err(|error| failed(format!("cannot be read: {error}")))?
            .path();
        if path.extension().is_some_and(|ending| ending == "json") {
            files.push(path);
        }
        if files.len() > MOST {
            return Err(failed(format!("has more than {MOST} files: left alone")));
        }
    }
    files.sort();
    Ok(files)
}
