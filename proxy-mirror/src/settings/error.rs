//! Why settings were refused.

use std::io;
use std::path::{Path, PathBuf};

use crate::control::Problem;

/// Why settings could not be read, changed or written. Nothing was written then.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file is there and cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The file could not be written; the old one is as it was.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// It is not TOML, or a value is not one of its key.
    #[error("{}:{line}:{column}: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
        /// What is wrong and what may stand there; one line.
        what: String,
    },
    /// A key that there is none of.
    #[error("{}:{line}:{column}: unknown key `{key}`{}", path.display(), suggestion.as_ref().map_or_else(String::new, |known| format!(": did you mean `{known}`?")))]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
        /// The key with its table: `relay.prot`.
        key: String,
        /// The known key that is most like it.
        suggestion: Option<String>,
    },
    /// It is of a form that a later Gangway writes: nothing of it is read, and nothing changed.
    #[error("{}:{line}:{column}: {}", path.display(), newer(*version, *newest))]
    Newer {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
        /// The file's version.
        version: i64,
        /// The newest version that is known here.
        newest: usize,
    },
    /// A key that the administrator has fixed.
    #[error("`{key}` is fixed for this machine by {}{}", path.display(), if reason.is_empty() { String::new() } else { format!(": {reason}") })]
    Managed {
        /// The key.
        key: &'static str,
        /// The administrator's file.
        path: PathBuf,
        /// Why, in the administrator's words; may be empty.
        reason: String,
    },
    /// A change that was asked for is none.
    #[error("{what}")]
    Refused {
        /// The setting.
        field: &'static str,
        /// Why, and what to write; never the value.
        what: String,
    },
}

fn newer(version: i64, newest: usize) -> String {
    format!(
        "a newer Gangway wrote this, in version {version}, and this one knows version {newest}: update \
         it, or move the file away; nothing was changed"
    )
}

impl SettingsError {
    /// The same with its line in another text.
    pub(super) fn on_line(mut self, of: impl Fn(usize) -> usize) -> Self {
        match &mut self {
            Self::Malformed { line, .. }
            | Self::UnknownKey { line, .. }
            | Self::Newer { line, .. } => *line = of(*line),
            Self::Read { .. }
            | Self::Write { .. }
            | Self::Managed { .. }
            | Self::Refused { .. } => {}
        }
        self
    }

    /// Where it is: `file:line:column`, or the file.
    pub fn place(&self, file: &Path) -> String {
        match self {
            Self::Malformed {
                path, line, column, ..
            }
            | Self::UnknownKey {
                path, line, column, ..
            }
            | Self::Newer {
                path, line, column, ..
            } => format!("{}:{line}:{column}", path.display()),
            Self::Read { path, .. } | Self::Write { path, .. } => path.display().to_string(),
            Self::Refused { field, .. } => format!("{}: {field}", file.display()),
            Self::Managed { key, path, .. } => format!("{}: {key}", path.display()),
        }
    }

    /// What is wrong, without the place.
    pub fn what(&self) -> String {
        match self {
            Self::Malformed { what, .. } | Self::Refused { what, .. } => what.clone(),
            Self::UnknownKey {
                key, suggestion, ..
            } => match suggestion {
                Some(known) => format!("unknown key `{key}`: did you mean `{known}`?"),
                None => format!("unknown key `{key}`"),
            },
            Self::Newer {
                version, newest, ..
            } => newer(*version, *newest),
            Self::Managed { .. } => self.to_string(),
            Self::Read { source, .. } => format!("cannot be read: {source}"),
            Self::Write { source, .. } => format!("cannot be written: {source}"),
        }
    }

    /// For the API.
    pub fn problem(&self) -> Problem {
        let message = self.to_string();
        match self {
            Self::Read { path, source } => Problem::new("settings_unreadable", message)
                .with("file", path.display())
                .with("reason", source),
            Self::Write { path, source } => Problem::new("settings_unwritable", message)
                .with("file", path.display())
                .with("reason", source),
            Self::Malformed {
                path,
                line,
                column,
                what,
            } => Problem::new("settings_malformed", message)
                .with("file", path.display())
                .with("line", line)
                .with("column", column)
                .with("reason", what),
            Self::UnknownKey {
                path,
                line,
                column,
                key,
                suggestion,
            } => {
                let place = |code: &str| {
                    Problem::new(code, message.clone())
                        .with("file", path.display())
                        .with("line", line)
                        .with("column", column)
                        .with("key", key)
                };
                match suggestion {
                    Some(known) => place("settings_unknown_key_like").with("known", known),
                    None => place("settings_unknown_key"),
                }
            }
            Self::Newer {
                path,
                line,
                column,
                version,
                newest,
            } => Problem::new("settings_newer", message)
                .with("file", path.display())
                .with("line", line)
                .with("column", column)
                .with("version", version)
                .with("newest", newest),
            Self::Managed { key, path, reason } => {
                let code = if reason.is_empty() {
                    "setting_managed"
                } else {
                    "setting_managed_because"
                };
                Problem::new(code, message)
                    .with("field", key)
                    .with("file", path.display())
                    .with("reason", reason)
            }
            Self::Refused { field, what } => Problem::new("setting_refused", message)
                .with("field", field)
                .with("reason", what),
        }
    }
}
