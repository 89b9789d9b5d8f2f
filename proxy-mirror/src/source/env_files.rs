//! Files that set the proxy variables of sessions: what a session that starts now would get.
//!
//! | file | who reads it |
//! |---|---|
//! | `~/.config/environment.d/*.conf`, `/etc/environment.d/*.conf` | systemd, for the user's services and most desktops |
//! | `/etc/environment` | PAM, at log-in |
//! | `/etc/sysconfig/proxy` | SUSE's shells and desktops, with `PROXY_ENABLED="yes"` |
//!
//! The first of these places whose variables name a proxy is followed; they are not blended. The
//! files of `environment.d` are one place: sorted by name, a later value replaces an earlier one,
//! and the user's file hides the machine's of the same name (environment.d(5)).

mod assignments;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::assignments::Dialect;
use super::variables::Variables;
use super::{Reading, Source, SourceError, SourceId, file};
use crate::control::Said;
use crate::places::Places;

/// A folder with more files than this is not one of variables.
const MOST: usize = 256;

/// More text than this in all values of one place is not configuration (1 MiB): references that
/// double themselves end here.
const LARGEST: usize = 1 << 20;

/// The files of one user and of the machine.
#[derive(Debug, Clone)]
pub struct EnvironmentFiles {
    home: PathBuf,
    etc: PathBuf,
}

/// A variable's value and the file that set it.
type Set = BTreeMap<String, (String, PathBuf)>;

impl EnvironmentFiles {
    /// The usual files.
    pub fn new(places: &Places) -> Self {
        Self {
            home: places.home.clone(),
            etc: places.etc.clone(),
        }
    }

    /// The folders of `environment.d`, the most important one first.
    fn folders(&self) -> [PathBuf; 2] {
        [
            self.home.join(".config/environment.d"),
            self.etc.join("environment.d"),
        ]
    }

    /// The single files, the most important one first.
    fn files(&self) -> [(PathBuf, Dialect); 2] {
        [
            (self.etc.join("environment"), Dialect::Pam),
            (self.etc.join("sysconfig/proxy"), Dialect::Shell),
        ]
    }

    /// What `environment.d` sets.
    fn folded(&self) -> Result<Set, SourceError> {
        let mut files: BTreeMap<std::ffi::OsString, PathBuf> = BTreeMap::new();
        // The more important folder comes last and replaces.
        for folder in self.folders().into_iter().rev() {
            for path in configurations(&folder)? {
                if let Some(name) = path.file_name() {
                    files.insert(name.to_owned(), path);
                }
            }
        }
        let mut set = Set::new();
        let home = self.home.display().to_string();
        set.insert("HOME".to_owned(), (home, PathBuf::new()));
        let mut room = LARGEST;
        for path in files.into_values() {
            take(&path, Dialect::Systemd, &mut set, &mut room)?;
        }
        Ok(set)
    }
}

/// Lays what the file sets over `set`, as long as there is room.
fn take(path: &Path, dialect: Dialect, set: &mut Set, room: &mut usize) -> Result<(), SourceError> {
    let failed = |message: String| failed(path, message);
    let Some(text) = file::read(path).map_err(failed)? else {
        return Ok(());
    };
    for line in dialect.assignments(&text) {
        let value = match dialect {
            Dialect::Systemd => assignments::expanded(&line.value, |name| {
                set.get(name).map(|(value, _)| value.clone())
            }),
            Dialect::Pam | Dialect::Shell => line.value,
        };
        *room = room
            .checked_sub(line.name.len() + value.len())
            .ok_or_else(|| failed("sets more than 1 MiB of variables: left alone".to_owned()))?;
        set.insert(line.name, (value, path.to_owned()));
    }
    Ok(())
}

fn configurations(folder: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let unreadable = |error: std::io::Error| failed(folder, format!("cannot be read: {error}"));
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|ending| ending == "conf") {
            files.push(path);
        }
        if files.len() > MOST {
            let what = format!("has more than {MOST} files: left alone");
            return Err(failed(folder, what));
        }
    }
    Ok(files)
}

fn failed(path: &Path, message: String) -> SourceError {
    SourceError {
        source_id: SourceId::EnvironmentFiles,
        origin: path.display().to_string(),
        message,
    }
}

impl Source for EnvironmentFiles {
    fn id(&self) -> SourceId {
        SourceId::EnvironmentFiles
    }

    fn read(&self) -> Result<Reading, SourceError> {
        let mut places = vec![self.folded()?];
        for (path, dialect) in self.files() {
            let mut set = Set::new();
            take(&path, dialect, &mut set, &mut { LARGEST })?;
            let disabled = dialect == Dialect::Shell
                && set
                    .get("PROXY_ENABLED")
                    .is_none_or(|(value, _)| !value.eq_ignore_ascii_case("yes"));
            if !disabled {
                places.push(set);
            }
        }
        for set in places {
            let variables = Variables::of(|name| set.get(name).map(|(value, _)| value.clone()));
            if let Some((_, path)) = variables.followed().and_then(|name| set.get(name)) {
                return variables.reading(self.id(), &path.display().to_string());
            }
        }
        Ok(Reading::nothing(
            self.id(),
            Said::new("said_no_variable_in_files", &[]),
        ))
    }

    fn watched(&self) -> Vec<PathBuf> {
        self.folders()
            .into_iter()
            .chain(self.files().map(|(path, _)| path))
            .collect()
    }
}

#[cfg(test)]
mod tests;
