//! Which profile Firefox uses: `profiles.ini` and `installs.ini`.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::failed;
use crate::source::{SourceError, file};

/// The two indexes of a folder of profiles.
pub(super) const INDEXES: [&str; 2] = ["profiles.ini", "installs.ini"];

/// Of all folders' default profiles the one whose preferences were written last.
///
/// # Errors
/// An index that cannot be read.
pub(super) fn last_used(roots: &[PathBuf]) -> Result<Option<PathBuf>, SourceError> {
    let mut found = Vec::new();
    for root in roots {
        found.extend(default_of(root)?);
    }
    Ok(found.into_iter().max_by_key(|profile| written(profile)))
}

/// The default profile of one folder: that of an installation (Firefox 67 and later), else the one
/// with `Default=1`, else the only one.
///
/// # Errors
/// An index that cannot be read.
pub(super) fn default_of(root: &Path) -> Result<Option<PathBuf>, SourceError> {
    let mut installed = Vec::new();
    let mut profiles = Vec::new();
    for index in INDEXES {
        let path = root.join(index);
        let text = file::read(&path).map_err(|error| failed(path.display().to_string(), error))?;
        for section in sections(text.as_deref().unwrap_or_default()) {
            // `installs.ini` names its sections by the hash alone, `profiles.ini` with `Install`.
            if index == "installs.ini" || section.name.starts_with("Install") {
                installed.extend(section.get("Default").map(|path| root.join(path)));
            } else if section.name.starts_with("Profile") {
                profiles.push(section);
            }
        }
    }
    installed.retain(|profile| profile.is_dir());
    if let Some(profile) = installed.into_iter().max_by_key(|profile| written(profile)) {
        return Ok(Some(profile));
    }
    let chosen = profiles
        .iter()
        .find(|profile| profile.get("Default") == Some("1"))
        .or(match profiles.as_slice() {
            [only] => Some(only),
            _ => None,
        });
    Ok(chosen
        .and_then(|profile| profile.get("Path"))
        // An absolute path (`IsRelative=0`) replaces the root.
        .map(|path| root.join(path))
        .filter(|profile| profile.is_dir()))
}

fn written(profile: &Path) -> SystemTime {
    std::fs::metadata(profile.join("prefs.js"))
        .and_then(|metadata| metadata.modified())
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

struct Section {
    name: String,
    keys: Vec<(String, String)>,
}

impl Section {
    fn get(&self, key: &str) -> Option<&str> {
        self.keys
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }
}

fn sections(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            sections.push(Section {
                name: name.to_owned(),
                keys: Vec::new(),
            });
        } else if let (Some(section), Some((key, value))) =
            (sections.last_mut(), line.split_once('='))
        {
            section
                .keys
                .push((key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    sections
}
