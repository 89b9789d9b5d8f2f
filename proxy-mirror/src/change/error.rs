//! Why a change was refused or could not be carried out.

use std::path::{Path, PathBuf};

use crate::control::Problem;

/// Why a change was refused or could not be carried out. Whatever it is, the journal holds what was
/// there before, and `gangway undo` gives it back.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// A JSON or TOML file that cannot be read as what it should be. Nothing was written.
    #[error("{path}:{line}:{column}: {message}; nothing was written", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A file of a size or an encoding that no such file has.
    #[error("{path}: {message}; nothing was written", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A link, a folder or a file that somebody else could exchange, or somebody else's file.
    #[error("{path} is not safe to write: {reason}", path = path.display())]
    Unsafe {
        /// Where.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A value that must not come into a file, whoever asks for it.
    #[error("refused to write {what}: {reason}")]
    Value {
        /// Which value; never its text, which may hold a secret.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The operating system refused.
    #[error("cannot {doing} {path}: {source}", path = path.display())]
    Io {
        /// `read`, `replace`, …
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file or folder of the machine's that this user may not read.
    #[error("{path} cannot be read by this user: run gangway as root for it", path = path.display())]
    Forbidden {
        /// The file or folder.
        path: PathBuf,
    },
    /// A record of the journal cannot be read.
    #[error("the journal's record {path} cannot be read: {message}", path = path.display())]
    Journal {
        /// The record.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// A command failed.
    #[error("`{command}` failed: {message}")]
    Command {
        /// As it would be typed.
        command: String,
        /// What it said.
        message: String,
    },
    /// A builder is at work.
    #[error(
        "the builder {builder} is in use (a build runs, or somebody is in its container): try again once it has ended"
    )]
    InUse {
        /// Its name.
        builder: String,
    },
    /// The machine is no longer what the plan was made for.
    #[error("{path} was changed by somebody else meanwhile: look at a new plan, then try again", path = path.display())]
    Stale {
        /// The file that differs.
        path: PathBuf,
    },
    /// Somebody else changes the same machine, and does not come to an end.
    #[error("another `gangway` is changing this machine (it holds {path}), or waits for somebody to give it root: let it end, then try again", path = path.display())]
    Busy {
        /// What it holds.
        path: PathBuf,
    },
    /// A distro that `wsl.exe` does not know, or whose name could not be one.
    #[error("WSL distro `{name}`: {message}")]
    Distro {
        /// Its name.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// Root is needed and could not be had.
    #[error("this needs root, and nobody gave it ({reason}): run `{command}`")]
    Elevation {
        /// What those said that were asked for it.
        reason: String,
        /// What to type instead.
        command: String,
        /// What was to be done, for [`super::elevation::finish`].
        file: PathBuf,
    },
    /// The privileged side refused or failed.
    #[error("{message}")]
    Helper {
        /// The code of its error.
        code: String,
        /// What it said.
        message: String,
    },
    /// The engine service cannot be installed here.
    #[error("the engine service cannot be installed: {reason}")]
    Service {
        /// What is missing, and what to do.
        reason: String,
    },
}

impl ChangeError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }

    /// The stable code of this kind of error.
    pub fn code(&self) -> &str {
        match self {
            Self::Malformed { .. } => "file_malformed",
            Self::Content { .. } => "file_unreadable",
            Self::Unsafe { .. } => "file_unsafe",
            Self::Value { .. } => "value_refused",
            Self::Io { .. } => "file_io",
            Self::Forbidden { .. } => "file_forbidden",
            Self::Journal { .. } => "journal_unreadable",
            Self::Command { .. } => "command_failed",
            Self::InUse { .. } => "builder_in_use",
            Self::Stale { .. } => "plan_stale",
            Self::Busy { .. } => "change_busy",
            Self::Distro { .. } => "wsl_distro",
            Self::Elevation { .. } => "needs_root",
            Self::Helper { code, .. } => code,
            Self::Service { .. } => "service_impossible",
        }
    }

    /// The same error, of a command that failed with what came of it.
    pub(crate) fn and_then(self, outcome: &str) -> Self {
        match self {
            Self::Command { command, message } => Self::Command {
                command,
                message: format!("{message}; {outcome}"),
            },
            other => other,
        }
    }

    /// The error for people and for programs.
    pub fn problem(&self) -> Problem {
        let problem = Problem::new(self.code(), self.to_string());
        match self {
            Self::Elevation {
                reason,
                command,
                file,
            } => problem
                .with("reason", reason)
                .with("command", command)
                .with("file", file.display()),
            Self::Busy { path } => problem.with("path", path.display()),
            Self::InUse { builder } => problem.with("builder", builder),
            _ => problem,
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        error.problem()
    }
}
