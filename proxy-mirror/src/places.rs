//! Where things live on this operating system.
//!
//! | what | Linux | Windows |
//! |---|---|---|
//! | settings | `$XDG_CONFIG_HOME/gangway/settings.toml` | `%APPDATA%\gangway\settings.toml` |
//! | those that are fixed for everybody | `/etc/gangway/managed.toml` | `%PROGRAMDATA%\gangway\managed.toml` |
//! | the user's state | `$XDG_STATE_HOME/gangway/` | `%LOCALAPPDATA%\gangway\` |
//! | the machine's state | `/var/lib/gangway/` | `%PROGRAMDATA%\gangway\` |
//! | sockets | `$XDG_RUNTIME_DIR/gangway/agent.sock`, `/run/gangway/engine.sock` | named pipes |
//!
//! An engine that was started by hand with `--control PATH` is found with
//! `GANGWAY_ENGINE_SOCKET=PATH`.
//!
//! A relative path in an XDG variable counts as unset (XDG Base Directory Specification 0.8).

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Every path that this room hands out. Made once, at the start; tests make their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The user's home.
    pub home: PathBuf,
    /// `settings.toml`.
    pub settings: PathBuf,
    /// What the administrator has fixed: `/etc/gangway/managed.toml`.
    pub managed: PathBuf,
    /// The user's state: the journal lies below it.
    pub state: PathBuf,
    /// The machine's state: `/var/lib/gangway`.
    pub machine_state: PathBuf,
    /// The agent's socket.
    pub agent_socket: PathBuf,
    /// The engine service's socket.
    pub engine_socket: PathBuf,
    /// The socket of the engine inside the user's agent.
    pub own_engine_socket: PathBuf,
    /// The broker's socket.
    pub broker_socket: PathBuf,
    /// Where Podman and its kin are configured: `$XDG_CONFIG_HOME/containers`.
    pub containers: PathBuf,
    /// Where administrators configure programs: `/etc`.
    pub etc: PathBuf,
    /// The Docker daemon that the user runs without root.
    pub rootless: Rootless,
}

/// Where a Docker daemon without root has its things (docs.docker.com/engine/security/rootless).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rootless {
    /// Its API's socket: `$XDG_RUNTIME_DIR/docker.sock`, without a session
    /// `~/.docker/run/docker.sock`.
    pub socket: PathBuf,
    /// The folder above those of its settings: `$XDG_CONFIG_HOME`.
    pub config: PathBuf,
}

/// Why there are no places.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlacesError {
    /// `HOME` (on Windows `USERPROFILE`) is not set, so nothing of the user's can be found.
    #[error("{0} is not set to an absolute path: set it, then start Gangway again")]
    NoHome(&'static str),
}

impl Places {
    /// The places of this process's user.
    ///
    /// # Errors
    /// [`PlacesError`] where the home directory is not known.
    pub fn from_env() -> Result<Self, PlacesError> {
        Self::from_vars(|name| std::env::var_os(name))
    }

    /// The places that these environment variables lead to.
    ///
    /// # Errors
    /// [`PlacesError`] where the home directory is not known.
    pub fn from_vars(var: impl Fn(&str) -> Option<OsString>) -> Result<Self, PlacesError> {
        let path = |name: &str| {
            var(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        if cfg!(windows) {
            Self::windows(path)
        } else {
            Self::unix(path)
        }
    }

    fn unix(path: impl Fn(&str) -> Option<PathBuf>) -> Result<Self, PlacesError> {
        let home = path("HOME").ok_or(PlacesError::NoHome("HOME"))?;
        let config = path("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
        let state = path("XDG_STATE_HOME").unwrap_or_else(|| home.join(".local/state"));
        // Without a session (root on a server) the machine's own runtime folder serves.
        let runtime = path("XDG_RUNTIME_DIR").unwrap_or_else(|| PathBuf::from("/run"));
        Ok(Self {
            rootless: Rootless {
                // Never the machine's own, where there is no session.
                socket: path("XDG_RUNTIME_DIR").map_or_else(
                    || home.join(".docker/run/docker.sock"),
                    |runtime| runtime.join("docker.sock"),
                ),
                config: config.clone(),
            },
            settings: config.join("gangway/settings.toml"),
            managed: PathBuf::from("/etc/gangway/managed.toml"),
            state: state.join("gangway"),
            machine_state: PathBuf::from("/var/lib/gangway"),
            agent_socket: runtime.join("gangway/agent.sock"),
            own_engine_socket: runtime.join("gangway/agent-engine.sock"),
            engine_socket: path("GANGWAY_ENGINE_SOCKET")
                .unwrap_or_else(|| PathBuf::from("/run/gangway/engine.sock")),
            broker_socket: PathBuf::from("/run/gangway/broker.sock"),
            containers: config.join("containers"),
            etc: PathBuf::from("/etc"),
            home,
        })
    }

    fn windows(path: impl Fn(&str) -> Option<PathBuf>) -> Result<Self, PlacesError> {
        let home = path("USERPROFILE").ok_or(PlacesError::NoHome("USERPROFILE"))?;
        let roaming = path("APPDATA").unwrap_or_else(|| home.join("AppData/Roaming"));
        let local = path("LOCALAPPDATA").unwrap_or_else(|| home.join("AppData/Local"));
        let machine = path("PROGRAMDATA").unwrap_or_else(|| PathBuf::from("C:/ProgramData"));
        Ok(Self {
            // Docker has none on Windows.
            rootless: Rootless {
                socket: local.join("docker.sock"),
                config: roaming.clone(),
            },
            settings: roaming.join("gangway/settings.toml"),
            managed: machine.join("gangway/managed.toml"),
            state: local.join("gangway"),
            machine_state: machine.join("gangway"),
            agent_socket: PathBuf::from(r"\\.\pipe\gangway-agent"),
            own_engine_socket: PathBuf::from(r"\\.\pipe\gangway-agent-engine"),
            engine_socket: PathBuf::from(r"\\.\pipe\gangway-engine"),
            broker_socket: PathBuf::from(r"\\.\pipe\gangway-broker"),
            containers: roaming.join("containers"),
            etc: machine,
            home,
        })
    }

    /// Where the before-images of the user's files lie.
    pub fn journal(&self) -> PathBuf {
        self.state.join("journal")
    }

    /// What the files of targets were when they were as they should be.
    pub fn seen(&self) -> PathBuf {
        self.state.join("seen.json")
    }

    /// Where the before-images of the machine's files lie.
    pub fn machine_journal(&self) -> PathBuf {
        self.machine_state.join("journal")
    }

    /// Where settings stand.
    pub fn settings_files(&self) -> crate::settings::Files<'_> {
        crate::settings::Files {
            user: &self.settings,
            managed: Some(&self.managed),
        }
    }

    /// The folder of the settings.
    pub fn settings_folder(&self) -> &Path {
        self.settings.parent().unwrap_or(&self.home)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(vars: &[(&str, &str)]) -> Result<Places, PlacesError> {
        Places::from_vars(|name| {
            vars.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| OsString::from(value))
        })
    }

    #[cfg(unix)]
    #[test]
    fn xdg_variables_move_everything_that_is_the_users() {
        let places = places(&[
            ("HOME", "/home/ann"),
            ("XDG_CONFIG_HOME", "/x/config"),
            ("XDG_STATE_HOME", "/x/state"),
            ("XDG_RUNTIME_DIR", "/run/user/7"),
        ])
        .unwrap();
        assert_eq!(
            places.settings,
            Path::new("/x/config/gangway/settings.toml")
        );
        assert_eq!(places.journal(), Path::new("/x/state/gangway/journal"));
        assert_eq!(
            places.agent_socket,
            Path::new("/run/user/7/gangway/agent.sock")
        );
        assert_eq!(
            places.machine_journal(),
            Path::new("/var/lib/gangway/journal")
        );
        assert_eq!(places.rootless.socket, Path::new("/run/user/7/docker.sock"));
    }

    #[cfg(unix)]
    #[test]
    fn a_relative_xdg_path_counts_as_unset() {
        let places = places(&[("HOME", "/home/ann"), ("XDG_CONFIG_HOME", "config")]).unwrap();
        assert_eq!(
            places.settings,
            Path::new("/home/ann/.config/gangway/settings.toml")
        );
        assert_eq!(places.agent_socket, Path::new("/run/gangway/agent.sock"));
        // `/run/docker.sock` is the machine's own.
        assert_eq!(
            places.rootless.socket,
            Path::new("/home/ann/.docker/run/docker.sock")
        );
    }

    #[cfg(unix)]
    #[test]
    fn without_a_home_it_says_what_to_set() {
        let error = places(&[]).unwrap_err();
        assert!(error.to_string().starts_with("HOME is not set"), "{error}");
    }
}
