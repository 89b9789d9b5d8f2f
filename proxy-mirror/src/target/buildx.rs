//! The builders of buildx that have a container of their own.
//!
//! Such a container gets a proxy from `--driver-opt env.https_proxy=…` alone, when it is made: it
//! takes none of dockerd's, nor of the docker CLI's file. Builds in it are the user's, so it is made
//! anew only where they said so (`recreate_builders`), and never while somebody is in it.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bollard::query_parameters::InspectContainerOptions;
use futures_util::future::BoxFuture;

use super::desired::World;
use super::way::without_password;
use super::{
    Asked, Context, Daemon, DaemonError, Detected, Here, Proxies, Target, TargetId, TargetState,
    Told, way,
};
use crate::bypass::Dialect;
use crate::change::builder::{self, Hindrance, Instance, VARIABLES, variable};
use crate::change::{Change, FileId};
use crate::control::{Problem, Said, WayKind};

mod found;

use found::{File, files};
pub use found::{containers, folder};

/// A builder's container, as Docker shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuilderContainer {
    /// Whether it runs.
    pub runs: bool,
    /// Whether somebody is in it: a build.
    pub in_use: bool,
    /// Its environment: `NAME=VALUE`.
    pub environment: Vec<String>,
}

/// One builder of the user's.
pub struct Builder {
    context: Arc<Context>,
    name: String,
    path: PathBuf,
    says: Result<builder::Read, Problem>,
}

/// Every builder that has a file.
pub(super) async fn builders(context: &Arc<Context>) -> Vec<Box<dyn Target>> {
    let (host, folder) = (Arc::clone(&context.desks.local), context.buildx.clone());
    let found = super::off_thread(move || files(&host, &folder)).await;
    let target = |(name, path, says): File| -> Box<dyn Target> {
        Box::new(Builder {
            context: Arc::clone(context),
            name,
            path,
            says: says.map_err(|error| error.problem()),
        })
    };
    found.into_iter().map(target).collect()
}

impl Builder {
    fn file(&self) -> FileId {
        FileId::BuildxInstance {
            path: self.path.clone(),
        }
    }

    /// What its file says; or why nothing is asked of it.
    fn instance(&self) -> Result<&Instance, TargetState> {
        let hindrance = match &self.says {
            Err(problem) => {
                return Err(TargetState::Failed {
                    reason: problem.clone().into(),
                });
            }
            Ok(Err(hindrance)) => hindrance.clone(),
            Ok(Ok(instance)) if is_of(&self.context.docker, instance.endpoint()) => {
                return Ok(instance);
            }
            Ok(Ok(instance)) => Hindrance::Endpoint(instance.endpoint().to_owned()),
        };
        let reason = match &hindrance {
            Hindrance::Driver(driver) => Said::new("said_builder_driver", &[("driver", driver)]),
            Hindrance::Nodes(nodes) => Said::new("said_builder_nodes", &[("count", nodes)]),
            Hindrance::Endpoint(docker) => Said::new("said_builder_docker", &[("docker", docker)]),
        };
        Err(TargetState::Blocked { reason })
    }

    async fn container(&self, name: &str) -> Result<Option<BuilderContainer>, DaemonError> {
        let api = self.context.docker.api().await?;
        let asked = api.inspect_container(name, None::<InspectContainerOptions>);
        match asked.await {
            Ok(found) => Ok(Some(BuilderContainer {
                runs: found.state.and_then(|state| state.running) == Some(true),
                in_use: found.exec_ids.is_some_and(|execs| !execs.is_empty()),
                environment: found.config.and_then(|it| it.env).unwrap_or_default(),
            })),
            Err(bollard::errors::Error::DockerResponseServerError {
                status_code: 404, ..
            }) => Ok(None),
            Err(error) => Err(DaemonError::Answer(error.to_string())),
        }
    }

    /// What it is told; where another spelling of a variable would be read first, that one, too.
    fn wanted(&self, now: &Here, desired: &Proxies) -> Vec<(&'static str, String)> {
        let set = |name: &str| {
            let in_file = self.environment().is_some_and(|it| it.contains_key(name));
            let container = now.container.as_ref();
            in_file || container.is_some_and(|it| variable(&it.environment, name).is_some())
        };
        let value = |name: &str| match name {
            "no_proxy" | "NO_PROXY" => desired.no_proxy.clone(),
            _ => desired.proxy.clone(),
        };
        let lower = |name: &str| name.bytes().all(|byte| !byte.is_ascii_uppercase());
        let names = VARIABLES.into_iter();
        names
            .filter(|name| lower(name) || set(name))
            .map(|name| (name, value(name)))
            .collect()
    }

    fn environment(&self) -> Option<&std::collections::BTreeMap<String, String>> {
        Some(self.instance().ok()?.environment())
    }

    /// Whether its file says so, and whether its container, where there is one.
    fn says(&self, now: &Here, desired: &Proxies) -> (bool, Option<bool>) {
        let wanted = self.wanted(now, desired);
        let in_file = |(name, value): &(&str, String)| {
            let says = self.environment().and_then(|says| says.get(*name));
            says == Some(value)
        };
        let file = wanted.iter().all(in_file);
        let container = now.container.as_ref().map(|container| {
            let told = |name| variable(&container.environment, name);
            wanted.iter().all(|(name, value)| told(name) == Some(value))
        });
        (file, container)
    }

    /// Why it is not made anew now; `None` where it may be, or need not.
    fn held_back(&self, now: &Here, desired: &Proxies) -> Option<Said> {
        let (file, container) = self.says(now, desired);
        if file && container != Some(false) {
            return None;
        }
        if !self.context.settings.docker.recreate_builders {
            return Some(self.uses(now, "said_builder_offer", "said_builder_offer_other"));
        }
        let in_use = now.container.as_ref().is_some_and(|it| it.in_use);
        (in_use && container == Some(false)).then(|| Said::new("said_builder_in_use", &[]))
    }

    /// What it uses instead: in one of two sentences, without one and with another.
    fn uses(&self, now: &Here, none: &str, other: &str) -> Said {
        let mut args: Vec<(&str, &dyn Display)> = vec![("name", &self.name)];
        match &now.in_force {
            None => Said::new(none, &args),
            Some(used) => {
                args.push(("proxy", &used.proxy));
                Said::new(other, &args)
            }
        }
    }
}

impl Target for Builder {
    fn id(&self) -> TargetId {
        TargetId(builder::target(&self.name))
    }

    fn title(&self) -> String {
        format!("Builder {}", self.name)
    }

    fn detect(&self) -> BoxFuture<'_, Detected> {
        Box::pin(async {
            let instance = match self.instance() {
                Ok(instance) => instance,
                Err(state) => return Detected::Not(state),
            };
            let container = match self.container(&instance.container()).await {
                Ok(container) => container,
                Err(DaemonError::NotInstalled) => return Detected::Not(TargetState::NotInstalled),
                Err(error) => {
                    return Detected::Not(TargetState::Failed {
                        reason: error.said(),
                    });
                }
            };
            let in_force = match &container {
                Some(container) => read_by_go(|name| variable(&container.environment, name)),
                None => read_by_go(|name| instance.environment().get(name).map(String::as_str)),
            };
            Detected::Here(Here {
                files: vec![self.path.clone()],
                in_force,
                container,
                ..Here::default()
            })
        })
    }

    fn desired(&self) -> Result<Proxies, TargetState> {
        self.context.needs_service()?;
        self.context.proxies(World::Builders, self.dialect())
    }

    fn dialect(&self) -> Dialect {
        Dialect::Go
    }

    fn notes(&self, _now: &Here) -> Vec<Problem> {
        self.context.notes(self.dialect(), &self.title())
    }

    fn told<'a>(&'a self, now: &'a Here) -> BoxFuture<'a, Told> {
        Box::pin(async { way::in_force(now) })
    }

    fn way<'a>(&'a self, now: &'a Here, to: &'a Asked) -> BoxFuture<'a, (WayKind, Said)> {
        Box::pin(way::of(self, &self.context, now, to))
    }

    fn plan(&self, now: &Here, desired: &Proxies) -> Vec<Change> {
        if self.held_back(now, desired).is_some() {
            return Vec::new();
        }
        let keys = self.wanted(now, desired).into_iter();
        let mut changes = vec![Change::SetJsonKeys {
            file: self.file(),
            keys: keys
                .map(|(name, value)| (builder::option(name), value.into()))
                .collect(),
        }];
        if self.says(now, desired).1 == Some(false) {
            changes.push(Change::RecreateBuilder {
                instance: self.file(),
            });
        }
        changes
    }

    fn verify<'a>(&'a self, now: &'a Here, desired: &'a Proxies) -> BoxFuture<'a, TargetState> {
        let differs = || self.uses(now, "said_builder_none", "said_builder_other");
        let state = match (self.held_back(now, desired), self.says(now, desired)) {
            (Some(reason), _) => TargetState::Blocked { reason },
            (None, (true, Some(false))) => TargetState::NotInForce { reason: differs() },
            (None, (false, _)) => TargetState::Differs { reason: differs() },
            (None, (true, _)) => {
                let runs = now.container.as_ref().is_some_and(|it| it.runs);
                let key = if runs {
                    "said_builder_in_force"
                } else {
                    "said_builder_next"
                };
                TargetState::InForce {
                    evidence: Said::new(key, &[("proxy", &desired.proxy)]),
                }
            }
        };
        Box::pin(async { state })
    }
}

/// The proxies that a Go program with these variables uses: it looks for the names in upper case
/// first, and passes over an empty one (golang.org/x/net/http/httpproxy). Without passwords: it is for
/// people to read.
fn read_by_go<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Option<Proxies> {
    let read = |upper: &str| {
        let lower = upper.to_ascii_lowercase();
        let set = [upper, &lower].into_iter().filter_map(&get);
        set.filter(|value| !value.is_empty())
            .map(str::to_owned)
            .next()
            .unwrap_or_default()
    };
    let proxy = |upper| without_password(&read(upper));
    Proxies::of(
        &proxy("HTTP_PROXY"),
        &proxy("HTTPS_PROXY"),
        &read("NO_PROXY"),
    )
}

/// Whether that is the Docker which is asked here.
fn is_of(docker: &Daemon, endpoint: &str) -> bool {
    let Some(socket) = docker.socket() else {
        return false;
    };
    let Some(path) = endpoint.strip_prefix("unix://").map(Path::new) else {
        return endpoint == "default";
    };
    // `/var/run` is a link to `/run`.
    path == socket
        || matches!((path.canonicalize(), socket.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
