//! Which profile was used last (`Local State`), and what its `Preferences` say.

use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use super::setting::{Setting, json};

/// What the profile used last says; of several folders, the one whose preferences were written
/// last. `None` where there is none, or where it leaves the proxy alone.
///
/// # Errors
/// Place and sentence: a file that cannot be read, or is not JSON.
pub(super) fn read(roots: &[PathBuf]) -> Result<Option<Setting>, (String, String)> {
    let written = |path: &PathBuf| {
        std::fs::metadata(path)
            .and_then(|metadata| metadata.modified())
            .unwrap_or(SystemTime::UNIX_EPOCH)
    };
    let mut found = Vec::new();
    for root in roots {
        let preferences = root.join(last_used(root)?).join("Preferences");
        if preferences.is_file() {
            found.push(preferences);
        }
    }
    let Some(preferences) = found.into_iter().max_by_key(written) else {
        return Ok(None);
    };
    let Some(document) = json(&preferences)? else {
        return Ok(None);
    };
    match document.get("proxy") {
        Some(Value::Object(proxy)) if !proxy.is_empty() => {
            let origin = format!("{}: proxy", preferences.display());
            Setting::of_preferences(proxy, &origin).map(Some)
        }
        _ => Ok(None),
    }
}

/// The files whose change may change the answer.
pub(super) fn files(root: &Path) -> [PathBuf; 2] {
    let profile = last_used(root).unwrap_or_else(|_| PathBuf::from(DEFAULT));
    [
        root.join("Local State"),
        root.join(profile).join("Preferences"),
    ]
}

const DEFAULT: &str = "Default";

/// The folder's name of the profile used last.
fn last_used(root: &Path) -> Result<PathBuf, (String, String)> {
    let state = json(&root.join("Local State"))?;
    let named = state
        .as_ref()
        .and_then(|state| state.get("profile")?.get("last_used")?.as_str())
        .filter(|name| !name.is_empty())
        .unwrap_or(DEFAULT);
    let path = PathBuf::from(named);
    // A name, not a way out of the browser's folder.
    let mut parts = path.components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(_)), None) => Ok(path),
        _ => Ok(PathBuf::from(DEFAULT)),
    }
}
