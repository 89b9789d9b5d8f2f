//! The only room that touches the disk or restarts anything: typed changes, journaled before the
//! first byte, undone exactly.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One typed edit or restart. The side that carries it out renders the text and validates every
/// value again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change", deny_unknown_fields)]
pub enum Change {
    /// Set (or with `null` remove) members of a JSON file, keeping every other byte.
    SetJsonKeys {
        /// The file.
        file: FileId,
        /// Path of member names, value (`null` removes).
        keys: Vec<(Vec<String>, serde_json::Value)>,
    },
    /// The environment of a systemd unit, as a drop-in of our own.
    WriteEnvironmentDropIn {
        /// The file.
        file: FileId,
        /// Names and values; validated, `%` doubled as it is rendered.
        environment: Vec<(String, String)>,
    },
    /// `profile.d`: variables for log-in shells, as a file of our own.
    WriteProfile {
        /// The file.
        file: FileId,
        /// Names and values; validated and quoted as they are rendered.
        environment: Vec<(String, String)>,
    },
    /// Make systemd read changed units again, then restart one, once.
    RestartUnit {
        /// The unit.
        unit: UnitId,
    },
}

/// A file that Gangway may change. Nothing else can be named, by whoever.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "file", deny_unknown_fields)]
pub enum FileId {
    /// `/etc/docker/daemon.json`
    DockerDaemonJson,
    /// `/etc/systemd/system/docker.service.d/gangway.conf`
    DockerDropIn,
    /// `/etc/profile.d/gangway.sh`
    ProfileD,
    /// `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`: the user's.
    DockerCliConfig {
        /// Absolute path of the file.
        path: PathBuf,
    },
}

/// A unit that Gangway may restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitId {
    /// `docker.service`
    Docker,
}
