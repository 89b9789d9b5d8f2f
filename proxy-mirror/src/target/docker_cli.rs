//! The docker CLI: what it gives to new containers and builds.
//!
//! `proxies.default` of its `config.json` becomes variables of `docker run` and arguments of
//! `docker build` (docs.docker.com/engine/cli/proxy). Entries for other daemons stay as they are.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::Value;

use super::desired::World;
use super::served::answers;
use super::{
    Asked, Context, Detected, Here, Proxies, Target, TargetId, TargetState, Told, files_say,
};
use crate::change::host::{Host, Machine, Place};
use crate::change::{Change, FileId};
use crate::control::{Problem, Said, WayKind};
use crate::regular_file;
use crate::settings::Style;

/// The docker CLI of one user.
pub struct DockerCli {
    context: Arc<Context>,
    id: TargetId,
    title: String,
    machine: Machine,
    file: PathBuf,
    world: Option<World>,
}

impl DockerCli {
    /// This user's.
    pub fn local(context: Arc<Context>) -> Self {
        Self {
            id: TargetId("docker-cli".into()),
            title: "Docker command line".into(),
            machine: Machine::Local,
            file: context.docker_cli.clone(),
            world: Some(World::Containers),
            context,
        }
    }

    /// A user's of a WSL distro; `world` is `None` where its containers cannot reach the engine.
    pub(super) fn of_distro(
        context: Arc<Context>,
        id: TargetId,
        title: String,
        host: &dyn Host,
        file: PathBuf,
        world: Option<World>,
    ) -> Self {
        Self {
            context,
            id,
            title,
            machine: host.machine().clone(),
            file,
            world,
        }
    }

    fn installed(&self) -> bool {
        let on_path = || {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).any(|folder| folder.join("docker").is_file())
        };
        // In a distro the daemon's target has found docker already.
        self.machine != Machine::Local || self.file.exists() || on_path()
    }
}

/// `config.json`, as far as it is asked here.
#[derive(Default, Deserialize)]
struct Config {
    #[serde(default)]
    proxies: HashMap<String, Given>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Given {
    #[serde(rename = "httpProxy")]
    http: String,
    #[serde(rename = "httpsProxy")]
    https: String,
    #[serde(rename = "noProxy")]
    exceptions: String,
}

impl DockerCli {
    /// What its file gives to new containers for such URLs, whoever wrote it.
    async fn in_file(&self, in_clear: bool) -> Told {
        let file = self.file.clone();
        let limit = Place::SETTINGS_LIMIT;
        let read = super::off_thread(move || match regular_file::read(&file, limit) {
            Ok(Some(text)) => serde_json::from_slice(&text).map_err(|error| error.to_string()),
            Ok(None) => Ok(Config::default()),
            Err(error) => Err(error.to_string()),
        });
        let given = match read.await {
            Ok(mut config) => config.proxies.remove("default").unwrap_or_default(),
            Err(error) => return Told::NotKnown(Said::verbatim(error)),
        };
        let proxy = if in_clear { given.http } else { given.https };
        if proxy.is_empty() {
            return Told::Nothing;
        }
        Told::Proxies(Proxies {
            proxy,
            no_proxy: given.exceptions,
        })
    }
}

impl Target for DockerCli {
    fn id(&self) -> TargetId {
        self.id.clone()
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn machine(&self) -> Machine {
        self.machine.clone()
    }

    fn detect(&self) -> BoxFuture<'_, Detected> {
        Box::pin(async {
            if self.installed() {
                Detected::Here(Here {
                    files: vec![self.file.clone()],
                    ..Here::default()
                })
            } else {
                Detected::Not(TargetState::NotInstalled)
            }
        })
    }

    fn desired(&self) -> Result<Proxies, TargetState> {
        let world = self.world.ok_or_else(|| TargetState::Blocked {
            reason: Said::new("said_mirrored_networking", &[]),
        })?;
        self.context.proxies(world, self.dialect())
    }

    fn notes(&self, _: &Here) -> Vec<Problem> {
        self.context.notes(self.dialect(), &self.title)
    }

    fn way<'a>(&'a self, now: &'a Here, to: &'a Asked) -> BoxFuture<'a, (WayKind, Said)> {
        Box::pin(async move {
            let told = match self.machine {
                Machine::Local => self.in_file(to.in_clear).await,
                Machine::Wsl(_) => super::way::told(self, now).await,
            };
            let ours = self.desired().ok();
            self.context
                .way(told, ours.as_ref(), self.dialect(), &to.to)
        })
    }

    fn plan(&self, _: &Here, desired: &Proxies) -> Vec<Change> {
        let key = |name: &str, value: &str| {
            let path = ["proxies", "default", name].map(str::to_owned).to_vec();
            (path, Value::from(value))
        };
        vec![Change::SetJsonKeys {
            file: FileId::DockerCliConfig {
                path: self.file.clone(),
            },
            keys: vec![
                key("httpProxy", &desired.proxy),
                key("httpsProxy", &desired.proxy),
                key("noProxy", &desired.no_proxy),
            ],
        }]
    }

    fn verify<'a>(&'a self, now: &'a Here, desired: &'a Proxies) -> BoxFuture<'a, TargetState> {
        Box::pin(async move {
            let file = self.file.display();
            match files_say(&self.context.desks, self.machine(), self.plan(now, desired)).await {
                Err(error) => {
                    return TargetState::Failed {
                        reason: error.problem().into(),
                    };
                }
                Ok(false) => {
                    return TargetState::Differs {
                        reason: Said::new(
                            "said_cli_differs",
                            &[("file", &file), ("proxy", &desired.proxy)],
                        ),
                    };
                }
                Ok(true) => {}
            }
            // The CLI reads its file at every call. What a container would meet there is asked.
            if self.machine == Machine::Local && self.context.settings.style == Style::Relay {
                if let Err(error) = answers(&desired.proxy).await {
                    return TargetState::NotInForce {
                        reason: Said::new(
                            "said_cli_unserved",
                            &[
                                ("file", &file),
                                ("proxy", &desired.proxy),
                                ("error", &error),
                            ],
                        ),
                    };
                }
                return TargetState::InForce {
                    evidence: Said::new(
                        "said_cli_answers",
                        &[("file", &file), ("proxy", &desired.proxy)],
                    ),
                };
            }
            TargetState::InForce {
                evidence: Said::new(
                    "said_cli_names",
                    &[("file", &file), ("proxy", &desired.proxy)],
                ),
            }
        })
    }
}
