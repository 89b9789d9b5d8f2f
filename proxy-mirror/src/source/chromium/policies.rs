//! Policies: every `*.json` in `managed` or `recommended`, laid over each other by name.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::setting::{Setting, json};

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
        let settings = match policies.remove("ProxySettings") {
            Some(Value::Object(settings)) => settings,
            Some(_) => return Err((origin, "`ProxySettings` is not an object".to_owned())),
            None => policies,
        };
        if !settings.is_empty() {
            return Setting::of_policy(&settings, &origin).map(Some);
        }
    }
    Ok(None)
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
