//! The Docker daemon: its pulls, pushes and builds.
//!
//! Engine 23.0 and later read `proxies` of `daemon.json`; older ones only their environment, as
//! systemd gives it (docs.docker.com/engine/daemon/proxy). Neither is read again without a restart.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::desired::World;
use super::overruled::overruled;
use super::{
    Asked, Context, Daemon, DaemonError, Detected, Here, Overruled, Proxies, Target, TargetId,
    TargetState, Told, files_say, way,
};
use crate::bypass::Dialect;
use crate::change::host::{Command, Host, Machine, Output};
use crate::change::plan::Effect;
use crate::change::{Change, FileId, UnitId};
use crate::control::{Problem, Said, WayKind};

/// The first version that reads `proxies`.
const READS_PROXIES: u32 = 23;

/// Whom a daemon belongs to.
#[derive(Debug, Clone)]
enum Runs {
    /// The machine: it runs as root.
    AsRoot,
    /// The user, without root: its files are below this folder, and it sits in a network of its own.
    AsUser {
        /// `$XDG_CONFIG_HOME`
        config: PathBuf,
    },
}

/// A Docker daemon of this machine, of its user or of a WSL distro.
pub struct DockerDaemon {
    context: Arc<Context>,
    id: TargetId,
    title: String,
    daemon: Daemon,
    host: Arc<dyn Host>,
    world: World,
    runs: Runs,
}

impl DockerDaemon {
    /// This machine's.
    pub fn local(context: Arc<Context>) -> Self {
        Self {
            id: TargetId("docker-daemon".into()),
            title: "Docker daemon".into(),
            daemon: context.docker.clone(),
            host: Arc::clone(&context.desks.local),
            world: World::Machine,
            runs: Runs::AsRoot,
            context,
        }
    }

    /// The one that the user runs without root.
    pub fn rootless(context: Arc<Context>) -> Self {
        let rootless = context.rootless.clone();
        Self {
            id: TargetId("docker-rootless".into()),
            title: "Docker daemon (rootless)".into(),
            daemon: Daemon::Socket(rootless.socket),
            host: Arc::clone(&context.desks.local),
            world: World::Machine,
            runs: Runs::AsUser {
                config: rootless.config,
            },
            context,
        }
    }

    /// A WSL distro's.
    pub(super) fn of_distro(
        context: Arc<Context>,
        name: &str,
        host: Arc<dyn Host>,
        world: World,
    ) -> Self {
        Self {
            id: TargetId(format!("wsl:{name}/docker-daemon")),
            title: format!("Docker daemon in {name}"),
            daemon: Daemon::CommandLine(Arc::clone(&host)),
            host,
            world,
            runs: Runs::AsRoot,
            context,
        }
    }

    fn unit(&self) -> UnitId {
        match self.runs {
            Runs::AsRoot => UnitId::Docker,
            Runs::AsUser { .. } => UnitId::RootlessDocker,
        }
    }

    /// Whether it is a unit of systemd's, which can be restarted.
    async fn is_unit(&self) -> bool {
        let (host, unit) = (Arc::clone(&self.host), self.unit());
        let runs_as_user = matches!(self.runs, Runs::AsUser { .. });
        super::off_thread(move || {
            let loaded = || {
                let said = host.run(Command::Condition(unit));
                said.is_ok_and(|said| said.stdout.lines().any(|line| line == "LoadState=loaded"))
            };
            host.has_systemd() && (!runs_as_user || loaded())
        })
        .await
    }

    /// Whether another drop-in makes ours void.
    async fn overruled(&self, ours: &FileId) -> Option<Overruled> {
        let wanted = self.desired().ok()?.environment();
        let (host, unit) = (Arc::clone(&self.host), self.unit());
        let cat = super::off_thread(move || host.run(Command::Cat(unit))).await;
        // A unit that cannot be shown is judged by what the daemon says alone.
        let cat = cat.ok().filter(Output::success)?.stdout;
        overruled(&cat, ours.path(), &wanted)
    }

    /// A restart moves a swarm's tasks to other nodes: only the user says so.
    fn waits_for_a_yes(&self, now: &Here, desired: &Proxies) -> bool {
        let restarts = now.in_force.as_ref() != Some(desired);
        now.work.swarm && restarts && !self.context.settings.docker.restart_swarm
    }

    /// Whether `live-restore` is set with the proxies: dockerd knows none in a swarm, and reads it
    /// anew from its file alone.
    fn keeps_containers(&self, now: &Here) -> bool {
        let asked = self.context.settings.docker.live_restore;
        asked && !now.work.swarm && now.systemd && self.file(now) == FileId::DockerDaemonJson
    }

    fn file(&self, here: &Here) -> FileId {
        let major = here
            .version
            .as_deref()
            .and_then(|v| v.split('.').next()?.parse::<u32>().ok());
        let by_environment = major.is_some_and(|major| major < READS_PROXIES);
        match (&self.runs, by_environment) {
            (Runs::AsRoot, true) => FileId::DockerDropIn,
            (Runs::AsRoot, false) => FileId::DockerDaemonJson,
            (Runs::AsUser { config }, true) => FileId::RootlessDropIn {
                path: config.join("systemd/user/docker.service.d/gangway.conf"),
            },
            (Runs::AsUser { config }, false) => FileId::RootlessDaemonJson {
                path: config.join("docker/daemon.json"),
            },
        }
    }
}

impl Target for DockerDaemon {
    fn id(&self) -> TargetId {
        self.id.clone()
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn machine(&self) -> Machine {
        self.host.machine().clone()
    }

    fn detect(&self) -> BoxFuture<'_, Detected> {
        Box::pin(async {
            let says = match self.daemon.ask().await {
                Ok(says) => says,
                Err(DaemonError::NotInstalled) => return Detected::Not(TargetState::NotInstalled),
                Err(DaemonError::NotRunning) if let Runs::AsUser { config } = &self.runs => {
                    // As Docker's own set-up tool leaves it.
                    let unit = config.join("systemd/user/docker.service");
                    return Detected::Not(if unit.exists() {
                        TargetState::Failed {
                            reason: Said::new("said_docker_rootless_not_running", &[]),
                        }
                    } else {
                        TargetState::NotInstalled
                    });
                }
                Err(error) => {
                    return Detected::Not(TargetState::Failed {
                        reason: error.said(),
                    });
                }
            };
            match (&self.runs, says.rootless) {
                (Runs::AsRoot, false) | (Runs::AsUser { .. }, true) => {}
                // `DOCKER_HOST` leads to the other one.
                (Runs::AsRoot, true) | (Runs::AsUser { .. }, false) => {
                    return Detected::Not(TargetState::NotInstalled);
                }
            }
            let mut here = Here {
                version: Some(says.version),
                in_force: says.proxies,
                work: says.work,
                systemd: self.is_unit().await,
                ..Here::default()
            };
            let file = self.file(&here);
            here.files.push(file.path().to_owned());
            if here.systemd && is_drop_in(&file) {
                here.overruled = self.overruled(&file).await;
            }
            Detected::Here(here)
        })
    }

    fn desired(&self) -> Result<Proxies, TargetState> {
        if matches!(self.runs, Runs::AsRoot) {
            self.context.needs_service()?;
        }
        self.context.proxies(self.world, self.dialect())
    }

    fn dialect(&self) -> Dialect {
        Dialect::Go
    }

    fn notes(&self, _: &Here) -> Vec<Problem> {
        self.context.notes(self.dialect(), &self.title)
    }

    fn told<'a>(&'a self, now: &'a Here) -> BoxFuture<'a, Told> {
        Box::pin(async { way::in_force(now) })
    }

    fn way<'a>(&'a self, now: &'a Here, to: &'a Asked) -> BoxFuture<'a, (WayKind, Said)> {
        Box::pin(way::of(self, &self.context, now, to))
    }

    fn plan(&self, now: &Here, desired: &Proxies) -> Vec<Change> {
        // No restart would bring ours in force: containers would stop for nothing.
        if now.overruled.is_some() || self.waits_for_a_yes(now, desired) {
            return Vec::new();
        }
        let file = self.file(now);
        let mut changes = vec![if is_drop_in(&file) {
            Change::WriteEnvironmentDropIn {
                file,
                environment: desired.environment(),
            }
        } else {
            let key = |name: &str, value: &str| {
                (
                    vec!["proxies".to_owned(), name.to_owned()],
                    Value::from(value),
                )
            };
            let mut keys = vec![
                key("http-proxy", &desired.proxy),
                key("https-proxy", &desired.proxy),
                key("no-proxy", &desired.no_proxy),
            ];
            if self.keeps_containers(now) {
                keys.push((vec!["live-restore".to_owned()], Value::Bool(true)));
            }
            Change::SetJsonKeys { file, keys }
        }];
        if now.systemd && now.in_force.as_ref() != Some(desired) {
            if self.keeps_containers(now) && !now.work.live_restore {
                changes.push(Change::KeepContainers { unit: self.unit() });
            }
            changes.push(Change::RestartUnit { unit: self.unit() });
        }
        changes
    }

    fn effect(&self, now: &Here) -> Option<Effect> {
        let containers = now.work.containers;
        Some(if containers == 0 {
            Effect::Nothing
        } else if now.work.live_restore || self.keeps_containers(now) {
            Effect::Keeps { containers }
        } else {
            Effect::Stops { containers }
        })
    }

    fn verify<'a>(&'a self, now: &'a Here, desired: &'a Proxies) -> BoxFuture<'a, TargetState> {
        Box::pin(async move {
            let in_force = now.in_force.as_ref() == Some(desired);
            if self.waits_for_a_yes(now, desired) {
                return TargetState::Blocked {
                    reason: Said::new("said_docker_swarm", &[]),
                };
            }
            if let Some(Overruled { variable, by }) = &now.overruled {
                let (by, proxy) = (by.display(), &desired.proxy);
                let args: [(&str, &dyn Display); 3] =
                    [("by", &by), ("variable", variable), ("proxy", proxy)];
                return if in_force {
                    TargetState::Differs {
                        reason: Said::new("said_docker_overruled_later", &args),
                    }
                } else {
                    TargetState::Blocked {
                        reason: Said::new("said_docker_overruled", &args),
                    }
                };
            }
            let written = files_say(&self.context.desks, self.machine(), self.plan(now, desired));
            let file = self.file(now);
            let file = file.path().display();
            let proxy = &desired.proxy;
            match (written.await, in_force) {
                (Err(error), _) => TargetState::Failed {
                    reason: error.problem().into(),
                },
                (Ok(true), true) => TargetState::InForce {
                    evidence: Said::new("said_docker_in_force", &[("proxy", proxy)]),
                },
                (Ok(true), false) => TargetState::NotInForce {
                    reason: Said::new(
                        if now.systemd {
                            "said_docker_not_restarted"
                        } else {
                            "said_docker_restart_by_hand"
                        },
                        &[("file", &file), ("proxy", proxy), ("used", &used(now))],
                    ),
                },
                (Ok(false), true) => TargetState::Differs {
                    reason: Said::new(
                        "said_docker_file_differs",
                        &[("file", &file), ("proxy", proxy)],
                    ),
                },
                (Ok(false), false) => TargetState::Differs {
                    reason: desired.differs_from(now.in_force.as_ref()),
                },
            }
        })
    }
}

fn is_drop_in(file: &FileId) -> bool {
    matches!(file, FileId::DockerDropIn | FileId::RootlessDropIn { .. })
}

/// What the daemon says it uses, in the words of `docker info`, which are no language's.
fn used(now: &Here) -> String {
    let (proxy, no_proxy) = match &now.in_force {
        None => ("", ""),
        Some(other) => (other.proxy.as_str(), other.no_proxy.as_str()),
    };
    format!("HttpProxy = {proxy}; NoProxy = {no_proxy}")
}
