//! The only room that touches the disk or restarts anything: typed changes, journaled before the
//! first byte, undone exactly.
//!
//! A [`Change`] says what should be; [`render`] makes bytes of it and says how to take them out
//! again; a [`Desk`] (one machine, one journal) writes the before-image and then the file; a
//! [`plan`] shows all of it as a diff first. What needs root goes through [`elevation`] to [`helper`].

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub mod builder;
mod desk;
mod diff;
pub(crate) mod dropin;
pub mod elevation;
pub(crate) mod engine_conf;
mod error;
pub mod helper;
pub mod host;
mod journal;
pub mod json;
pub mod plan;
mod profile;
pub mod render;
mod turn;
mod undo;
mod validate;

pub use crate::fingerprint::Fingerprint;
pub use desk::Desk;
pub use elevation::Asking;
pub use error::ChangeError;
pub use journal::{Journal, Record};
pub use plan::{PlannedChanges, Step, execute};
pub use undo::{Desks, undo};
pub(crate) use validate::user_name;

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
    /// Variables of Podman's own in `containers.conf` (`[engine] env`), keeping every other byte.
    SetEngineEnv {
        /// The file.
        file: FileId,
        /// Names and values.
        environment: Vec<(String, String)>,
        /// Whether containers may have them too, which is Podman's own default. Where they may not,
        /// `[containers] http_proxy` says so, unless the user says something else there.
        for_containers: bool,
    },
    /// `profile.d`: variables for log-in shells, as a file of our own.
    WriteProfile {
        /// The file.
        file: FileId,
        /// Names and values; validated and quoted as they are rendered.
        environment: Vec<(String, String)>,
    },
    /// A file whose whole text this program carries in itself: a unit of the engine's.
    InstallFile {
        /// The file.
        file: FileId,
    },
    /// The users who were put into the engine's group, as a file of our own: who is in it is taken
    /// out again with the service.
    NoteLenders {
        /// The file.
        file: FileId,
        /// Their names.
        users: Vec<String>,
    },
    /// Make dockerd read its file again, and see that containers outlive it from now on
    /// (`live-restore`): before it is restarted.
    KeepContainers {
        /// The unit.
        unit: UnitId,
    },
    /// Make systemd read changed units again, then restart one, once.
    RestartUnit {
        /// The unit.
        unit: UnitId,
    },
    /// Put a new container in the place of a builder's, by what its file says now. Its cache stays.
    RecreateBuilder {
        /// The builder's file.
        instance: FileId,
    },
}

impl Change {
    /// The file that it edits; `None` for a restart.
    pub fn file(&self) -> Option<&FileId> {
        match self {
            Self::SetJsonKeys { file, .. }
            | Self::WriteEnvironmentDropIn { file, .. }
            | Self::SetEngineEnv { file, .. }
            | Self::WriteProfile { file, .. }
            | Self::InstallFile { file }
            | Self::NoteLenders { file, .. } => Some(file),
            Self::KeepContainers { .. }
            | Self::RestartUnit { .. }
            | Self::RecreateBuilder { .. } => None,
        }
    }

    /// Whose it is to carry out.
    pub fn owner(&self) -> Owner {
        match self {
            Self::SetJsonKeys { file, .. }
            | Self::WriteEnvironmentDropIn { file, .. }
            | Self::SetEngineEnv { file, .. }
            | Self::WriteProfile { file, .. }
            | Self::InstallFile { file }
            | Self::NoteLenders { file, .. }
            | Self::RecreateBuilder { instance: file } => file.owner(),
            Self::KeepContainers { unit } | Self::RestartUnit { unit } => unit.owner(),
        }
    }
}

/// A file that Gangway may change. Nothing else can be named, by whoever.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "file", deny_unknown_fields)]
pub enum FileId {
    /// `/etc/docker/daemon.json`
    DockerDaemonJson,
    /// `/etc/systemd/system/docker.service.d/gangway.conf`
    DockerDropIn,
    /// `$XDG_CONFIG_HOME/docker/daemon.json`, of the daemon that the user runs without root.
    RootlessDaemonJson {
        /// Absolute path of the file.
        path: PathBuf,
    },
    /// `$XDG_CONFIG_HOME/systemd/user/docker.service.d/gangway.conf`, of the same.
    RootlessDropIn {
        /// Absolute path of the file.
        path: PathBuf,
    },
    /// `/etc/systemd/system/containerd.service.d/gangway.conf`
    ContainerdDropIn,
    /// `/etc/profile.d/gangway.sh`
    ProfileD,
    /// `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`: the user's.
    DockerCliConfig {
        /// Absolute path of the file.
        path: PathBuf,
    },
    /// `$CONTAINERS_CONF`, else the user's own `containers/containers.conf`.
    PodmanConf {
        /// Absolute path of the file.
        path: PathBuf,
    },
    /// `/etc/containers/containers.conf`: the one that root's Podman reads in every version.
    PodmanSystemConf,
    /// `$BUILDX_CONFIG/instances/NAME`, else in `$DOCKER_CONFIG/buildx` or `~/.docker/buildx`: the user's.
    BuildxInstance {
        /// Absolute path of the file; its name is the builder's.
        path: PathBuf,
    },
    /// `/usr/local/lib/gangway/proxy-engine`
    EngineBinary,
    /// `/etc/systemd/system/gangway-engine.service`
    EngineUnit,
    /// `/etc/systemd/system/gangway-broker.service`
    BrokerUnit,
    /// `/etc/sysusers.d/gangway.conf`
    EngineUser,
    /// `/var/lib/gangway/lenders`
    EngineLenders,
}

/// Whose a file is: that decides who may write it, and what is checked on the way to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// The machine's: written by root, no symbolic link on the way, every folder root's alone.
    System,
    /// The user's: links of dotfile managers are followed, somebody else's file is refused.
    User,
}

impl FileId {
    /// Where it lies.
    pub fn path(&self) -> &Path {
        Path::new(match self {
            Self::DockerDaemonJson => "/etc/docker/daemon.json",
            Self::DockerDropIn => "/etc/systemd/system/docker.service.d/gangway.conf",
            Self::ContainerdDropIn => "/etc/systemd/system/containerd.service.d/gangway.conf",
            Self::ProfileD => "/etc/profile.d/gangway.sh",
            Self::DockerCliConfig { path }
            | Self::BuildxInstance { path }
            | Self::RootlessDaemonJson { path }
            | Self::RootlessDropIn { path }
            | Self::PodmanConf { path } => return path,
            Self::PodmanSystemConf => "/etc/containers/containers.conf",
            Self::EngineBinary => "/usr/local/lib/gangway/proxy-engine",
            Self::EngineUnit => "/etc/systemd/system/gangway-engine.service",
            Self::BrokerUnit => "/etc/systemd/system/gangway-broker.service",
            Self::EngineUser => "/etc/sysusers.d/gangway.conf",
            Self::EngineLenders => "/var/lib/gangway/lenders",
        })
    }

    /// Whose it is.
    pub fn owner(&self) -> Owner {
        match self {
            Self::DockerCliConfig { .. }
            | Self::BuildxInstance { .. }
            | Self::PodmanConf { .. }
            | Self::RootlessDaemonJson { .. }
            | Self::RootlessDropIn { .. } => Owner::User,
            Self::DockerDaemonJson
            | Self::DockerDropIn
            | Self::ContainerdDropIn
            | Self::ProfileD
            | Self::PodmanSystemConf
            | Self::EngineBinary
            | Self::EngineUnit
            | Self::BrokerUnit
            | Self::EngineUser
            | Self::EngineLenders => Owner::System,
        }
    }

    /// Whether it belongs to the engine service, which `engine remove` takes away, not `undo`.
    pub fn is_engine_service(&self) -> bool {
        match self {
            Self::EngineBinary
            | Self::EngineUnit
            | Self::BrokerUnit
            | Self::EngineUser
            | Self::EngineLenders => true,
            Self::DockerDaemonJson
            | Self::DockerDropIn
            | Self::ContainerdDropIn
            | Self::ProfileD
            | Self::RootlessDaemonJson { .. }
            | Self::RootlessDropIn { .. }
            | Self::PodmanConf { .. }
            | Self::PodmanSystemConf
            | Self::DockerCliConfig { .. }
            | Self::BuildxInstance { .. } => false,
        }
    }

    /// The name, on its machine, of the target that it is changed for; `None` for the engine's service.
    pub fn target(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self {
            Self::DockerDaemonJson | Self::DockerDropIn => "docker-daemon",
            Self::ContainerdDropIn => "containerd",
            Self::RootlessDaemonJson { .. } | Self::RootlessDropIn { .. } => "docker-rootless",
            Self::DockerCliConfig { .. } => "docker-cli",
            Self::PodmanConf { .. } | Self::PodmanSystemConf => "podman",
            Self::ProfileD => "profile",
            Self::BuildxInstance { path } => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                return Some(builder::target(&name).into());
            }
            Self::EngineBinary
            | Self::EngineUnit
            | Self::BrokerUnit
            | Self::EngineUser
            | Self::EngineLenders => return None,
        }))
    }

    /// The unit that reads it only when it starts.
    pub fn unit(&self) -> Option<UnitId> {
        match self {
            Self::DockerDaemonJson | Self::DockerDropIn => Some(UnitId::Docker),
            Self::RootlessDaemonJson { .. } | Self::RootlessDropIn { .. } => {
                Some(UnitId::RootlessDocker)
            }
            Self::ContainerdDropIn => Some(UnitId::Containerd),
            Self::ProfileD
            | Self::DockerCliConfig { .. }
            | Self::PodmanConf { .. }
            | Self::PodmanSystemConf
            | Self::BuildxInstance { .. }
            | Self::EngineBinary
            | Self::EngineUnit
            | Self::BrokerUnit
            | Self::EngineUser
            | Self::EngineLenders => None,
        }
    }

    /// Permission bits that the file gets where it was not there before.
    pub fn mode(&self) -> u32 {
        match self {
            // Docker's own: they may hold passwords.
            Self::DockerCliConfig { .. } | Self::BuildxInstance { .. } => 0o600,
            Self::EngineBinary => 0o755,
            _ => 0o644,
        }
    }
}

/// A unit that Gangway may start, stop or restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitId {
    /// `docker.service`
    Docker,
    /// `docker.service` of the user's own manager: the daemon that runs without root.
    RootlessDocker,
    /// `containerd.service`
    Containerd,
    /// `gangway-engine.service`
    Engine,
    /// `gangway-broker.service`
    Broker,
}

impl UnitId {
    /// Whose manager has it.
    pub fn owner(self) -> Owner {
        match self {
            Self::RootlessDocker => Owner::User,
            Self::Docker | Self::Containerd | Self::Engine | Self::Broker => Owner::System,
        }
    }

    /// The unit's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker | Self::RootlessDocker => "docker.service",
            Self::Containerd => "containerd.service",
            Self::Engine => "gangway-engine.service",
            Self::Broker => "gangway-broker.service",
        }
    }
}
