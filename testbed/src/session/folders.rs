//! The user's folders.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, TestbedError, scratch};

/// A home and the XDG folders beneath one temporary folder.
#[derive(Debug)]
pub(super) struct Folders {
    root: tempfile::TempDir,
    home: PathBuf,
    config: PathBuf,
    state: PathBuf,
    runtime: PathBuf,
}

impl Folders {
    pub(super) fn make() -> Result<Self> {
        let root = scratch::folder("user")?;
        let home = root.path().join("home");
        let this = Self {
            config: home.join(".config"),
            state: home.join(".local/state"),
            runtime: root.path().join("run"),
            home,
            root,
        };
        for folder in [&this.config, &this.state, &this.runtime] {
            let what = || format!("make {}", folder.display());
            fs::create_dir_all(folder).map_err(TestbedError::io(what()))?;
            // As pam_systemd makes it: programs refuse a runtime folder that others can enter.
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
                .map_err(TestbedError::io(what()))?;
        }
        Ok(this)
    }

    pub(super) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    pub(super) fn config(&self) -> &Path {
        &self.config
    }

    pub(super) fn state(&self) -> &Path {
        &self.state
    }

    pub(super) fn runtime(&self) -> &Path {
        &self.runtime
    }

    pub(super) fn enter(&self, command: &mut Command) {
        command
            .env("HOME", &self.home)
            .env("XDG_CONFIG_HOME", &self.config)
            .env("XDG_STATE_HOME", &self.state)
            .env("XDG_DATA_HOME", self.home.join(".local/share"))
            .env("XDG_CACHE_HOME", self.home.join(".cache"))
            .env("XDG_RUNTIME_DIR", &self.runtime);
    }
}
