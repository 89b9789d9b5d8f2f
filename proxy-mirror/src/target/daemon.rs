//! A Docker daemon, asked over its API; one in a WSL distro through its own `docker info`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bollard::Docker;
use serde::Deserialize;

use super::Proxies;
use crate::change::host::{Command, Host};
use crate::control::Said;
use crate::places::Rootless;

/// The API's socket where `DOCKER_HOST` names none.
const SOCKET: &str = "/var/run/docker.sock";
/// Seconds after which a daemon that does not answer is given up.
const TIMEOUT: u64 = 10;

/// How a daemon is asked.
#[derive(Clone)]
pub enum Daemon {
    /// Over its Unix socket.
    Socket(PathBuf),
    /// Over the machine's socket, else over that of the daemon which the user runs without root:
    /// whichever is there when it is asked.
    Either {
        /// `/var/run/docker.sock`
        machines: PathBuf,
        /// [`Rootless::socket`]
        users: PathBuf,
    },
    /// `DOCKER_HOST` names another machine's.
    Remote(String),
    /// Through the command line of the machine that it runs on.
    CommandLine(Arc<dyn Host>),
}

/// What a daemon says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonSays {
    /// `26.1.5`
    pub version: String,
    /// What is in force; `None` where it uses no proxy.
    pub proxies: Option<Proxies>,
    /// Whether it runs as a user.
    pub rootless: bool,
    /// What a restart would meet.
    pub work: Work,
}

/// What a daemon has to do with at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Containers that run.
    pub containers: u64,
    /// Whether they keep running without it.
    pub live_restore: bool,
    /// Whether it is part of a swarm.
    pub swarm: bool,
}

impl DaemonSays {
    /// The version's first number.
    pub fn major(&self) -> Option<u32> {
        self.version.split('.').next()?.parse().ok()
    }
}

/// Why a daemon said nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DaemonError {
    /// There is none.
    #[error("Docker is not installed")]
    NotInstalled,
    /// It is there and does not run.
    #[error("Docker is installed and does not run: start it (`systemctl start docker`)")]
    NotRunning,
    /// The socket is not for this user.
    #[error("{0} may not be opened: join the group `docker`, or run gangway as root")]
    Forbidden(String),
    /// `DOCKER_HOST` leads elsewhere.
    #[error("DOCKER_HOST is {0}, which is not this machine's daemon: unset it for gangway")]
    Remote(String),
    /// It answered something else.
    #[error("the Docker daemon did not answer: {0}")]
    Answer(String),
}

impl DaemonError {
    /// For people.
    pub(super) fn said(&self) -> Said {
        match self {
            Self::NotInstalled => Said::new("said_docker_not_installed", &[]),
            Self::NotRunning => Said::new("said_docker_not_running", &[]),
            Self::Forbidden(socket) => Said::new("said_docker_forbidden", &[("socket", socket)]),
            Self::Remote(host) => Said::new("said_docker_remote", &[("host", host)]),
            Self::Answer(error) => Said::new("said_docker_answer", &[("error", error)]),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    #[serde(default)]
    server_version: String,
    #[serde(default)]
    http_proxy: String,
    #[serde(default)]
    https_proxy: String,
    #[serde(default)]
    no_proxy: String,
    #[serde(default)]
    security_options: Option<Vec<String>>,
    #[serde(default)]
    server_errors: Option<Vec<String>>,
    #[serde(default)]
    containers_running: u64,
    #[serde(default)]
    live_restore_enabled: bool,
    #[serde(default)]
    swarm: Swarm,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Swarm {
    local_node_state: String,
}

impl Daemon {
    /// This machine's: the socket of `DOCKER_HOST`, else `/var/run/docker.sock`, else that of the
    /// daemon which the user runs without root.
    pub fn local(rootless: &Rootless) -> Self {
        match std::env::var("DOCKER_HOST") {
            Ok(host) if !host.is_empty() => match host.strip_prefix("unix://") {
                Some(path) => Self::Socket(path.into()),
                None => Self::Remote(host),
            },
            _ => Self::Either {
                machines: SOCKET.into(),
                users: rootless.socket.clone(),
            },
        }
    }

    /// The socket that it is asked over now; `None` where it is none of this machine's.
    pub(super) fn socket(&self) -> Option<&Path> {
        match self {
            Self::Socket(socket) => Some(socket),
            Self::Either { machines, users } if !machines.exists() && users.exists() => Some(users),
            Self::Either { machines, .. } => Some(machines),
            Self::Remote(_) | Self::CommandLine(_) => None,
        }
    }

    /// The API, its version agreed on.
    ///
    /// # Errors
    /// [`DaemonError`].
    pub async fn api(&self) -> Result<Docker, DaemonError> {
        let socket = match (self, self.socket()) {
            (_, Some(socket)) => socket,
            (Self::Remote(host), None) => return Err(DaemonError::Remote(host.clone())),
            (_, None) => {
                return Err(DaemonError::Answer(
                    "it is reached by its command line only".into(),
                ));
            }
        };
        // The socket itself tells best why nobody answers.
        match tokio::net::UnixStream::connect(socket).await {
            Ok(_) => {}
            Err(error) => {
                return Err(match error.kind() {
                    std::io::ErrorKind::NotFound if installed() => DaemonError::NotRunning,
                    std::io::ErrorKind::NotFound => DaemonError::NotInstalled,
                    std::io::ErrorKind::ConnectionRefused => DaemonError::NotRunning,
                    std::io::ErrorKind::PermissionDenied => {
                        DaemonError::Forbidden(socket.display().to_string())
                    }
                    _ => DaemonError::Answer(error.to_string()),
                });
            }
        }
        let address = format!("unix://{}", socket.display());
        let answer = |error: bollard::errors::Error| DaemonError::Answer(error.to_string());
        Docker::connect_with_unix(&address, TIMEOUT, bollard::API_DEFAULT_VERSION)
            .map_err(answer)?
            .negotiate_version()
            .await
            .map_err(answer)
    }

    /// Version, and the proxies that are in force.
    ///
    /// # Errors
    /// [`DaemonError`].
    pub async fn ask(&self) -> Result<DaemonSays, DaemonError> {
        if let Self::CommandLine(host) = self {
            let host = Arc::clone(host);
            return super::off_thread(move || by_command_line(host.as_ref())).await;
        }
        let info = self.api().await?.info().await;
        let info = info.map_err(|error| DaemonError::Answer(error.to_string()))?;
        Ok(says(Info {
            server_version: info.server_version.unwrap_or_default(),
            http_proxy: info.http_proxy.unwrap_or_default(),
            https_proxy: info.https_proxy.unwrap_or_default(),
            no_proxy: info.no_proxy.unwrap_or_default(),
            security_options: info.security_options,
            server_errors: None,
            containers_running: info
                .containers_running
                .and_then(|running| u64::try_from(running).ok())
                .unwrap_or_default(),
            live_restore_enabled: info.live_restore_enabled.unwrap_or_default(),
            swarm: Swarm {
                local_node_state: info
                    .swarm
                    .and_then(|swarm| swarm.local_node_state)
                    .map(|state| state.to_string())
                    .unwrap_or_default(),
            },
        }))
    }
}

fn by_command_line(host: &dyn Host) -> Result<DaemonSays, DaemonError> {
    let answer = |error: &dyn std::fmt::Display| DaemonError::Answer(error.to_string());
    let output = host
        .run(Command::DockerInfo)
        .map_err(|error| answer(&error))?;
    if output.not_found() {
        return Err(DaemonError::NotInstalled);
    }
    let info: Info =
        serde_json::from_str(output.stdout.trim()).map_err(|_| answer(&output.stderr.trim()))?;
    if info.server_version.is_empty() {
        // The command line is there; its daemon is not.
        let errors = info.server_errors.unwrap_or_default().join("; ");
        return Err(if errors.contains("Cannot connect") {
            DaemonError::NotRunning
        } else {
            answer(&errors)
        });
    }
    Ok(says(info))
}

fn says(info: Info) -> DaemonSays {
    DaemonSays {
        version: info.server_version,
        proxies: Proxies::of(&info.http_proxy, &info.https_proxy, &info.no_proxy),
        work: Work {
            containers: info.containers_running,
            live_restore: info.live_restore_enabled,
            swarm: !matches!(info.swarm.local_node_state.as_str(), "" | "inactive"),
        },
        rootless: info
            .security_options
            .is_some_and(|options| options.iter().any(|option| option.contains("rootless"))),
    }
}

fn installed() -> bool {
    [
        "/usr/bin/dockerd",
        "/usr/sbin/dockerd",
        "/usr/local/bin/dockerd",
    ]
    .iter()
    .any(|path| Path::new(path).exists())
}

#[cfg(test)]
mod tests {
    use super::Daemon;

    #[test]
    fn the_daemon_that_is_there_is_asked_whichever_came_first() {
        let folder = tempfile::tempdir().unwrap();
        let (machines, users) = (folder.path().join("machines"), folder.path().join("users"));
        let docker = Daemon::Either {
            machines: machines.clone(),
            users: users.clone(),
        };
        assert_eq!(docker.socket(), Some(machines.as_path()));
        std::fs::write(&users, "").unwrap();
        assert_eq!(docker.socket(), Some(users.as_path()));
        std::fs::write(&machines, "").unwrap();
        assert_eq!(docker.socket(), Some(machines.as_path()));
    }
}
