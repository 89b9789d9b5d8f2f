//! Something settings are pushed into: one file a target.
//!
//! ```text
//! detect   is it here, which version, what is in force now?
//! desired  what should it be told, for this policy and world?
//! plan     the changes from now to desired
//! verify   ask the thing itself, not the file
//! ```

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::{BoxFuture, join_all};
use proxy_engine::config::Policy;
use proxy_engine::control::InterceptionState;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bypass::Dialect;
use crate::change::host::Machine;
use crate::change::plan::{Effect, Proposal};
use crate::change::{Change, ChangeError, Desks, PlannedChanges};
use crate::control::{EngineRuns, Problem, Said, TargetView, WayKind};
use crate::settings::Settings;
use crate::world::Relay;

pub mod buildx;
pub mod clusters;
mod containerd;
mod daemon;
mod desired;
mod docker_cli;
mod docker_daemon;
mod docker_events;
pub mod drift;
pub mod guests;
mod overruled;
pub mod podman;
mod profile;
mod served;
mod way;
mod wsl;

pub use containerd::Containerd;
pub use daemon::{Daemon, DaemonError, DaemonSays, Work};
pub use desired::Proxies;
pub use docker_cli::DockerCli;
pub use docker_daemon::DockerDaemon;
pub use overruled::Overruled;
pub use podman::Podman;
pub use way::{Asked, Told, ways};

/// Stable name of a target: `docker-daemon`, `docker-rootless`, `docker-cli`, `podman`, `clusters`,
/// `buildx:NAME`, `wsl:Ubuntu/docker-daemon`.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct TargetId(pub String);

/// Whether what should be in force is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum TargetState {
    /// It is not on this machine.
    NotInstalled,
    /// It is here; nothing of ours is asked of it (left alone, or switched off before it was ever set).
    Untouched,
    /// The thing itself was asked, and says what it should.
    InForce {
        /// What it said: `HttpProxy = http://127.0.0.1:3182`.
        evidence: Said,
    },
    /// Files or settings differ from what they should be; `plan` says how.
    Differs {
        /// In one sentence.
        reason: Said,
    },
    /// The file says so, the running thing does not: it was not restarted since.
    NotInForce {
        /// What it says, what it should say.
        reason: Said,
    },
    /// It could not be asked, or its settings cannot be read.
    Failed {
        /// Why, and what to do.
        reason: Said,
    },
    /// It would be set, but something is missing first (the engine service, root).
    Blocked {
        /// What is missing, and the command that gets it.
        reason: Said,
    },
}

/// What every target is asked under: one picture of the machine.
#[derive(Clone)]
pub struct Context {
    /// The user's choices.
    pub settings: Settings,
    /// What follows from sources and settings.
    pub policy: Policy,
    /// Why its default route is as it is.
    pub cause: Said,
    /// The relay's addresses.
    pub relay: Relay,
    /// Where the engine runs.
    pub engine: EngineRuns,
    /// What the engine intercepts, as it says.
    pub interception: InterceptionState,
    /// Where the daemon is that the user runs without root.
    pub rootless: crate::places::Rootless,
    /// The machine's Docker daemon ([`Daemon::local`]).
    pub docker: Daemon,
    /// Its networks ([`clusters::networks`]); empty where there is no daemon.
    pub networks: Vec<clusters::Network>,
    /// Where changes are carried out.
    pub desks: Desks,
    /// The docker CLI's file ([`docker_cli_config`]).
    pub docker_cli: PathBuf,
    /// Where Podman is set, and what it said.
    pub podman: podman::Place,
    /// The folder of its plugin that builds ([`buildx::folder`]).
    pub buildx: PathBuf,
}

/// What was found of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detected {
    /// It is here.
    Here(Here),
    /// It is not, or cannot be asked.
    Not(TargetState),
}

/// A target that is here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Here {
    /// Its version, where there is one.
    pub version: Option<String>,
    /// The files it reads its settings from.
    pub files: Vec<PathBuf>,
    /// What it says is in force; `None` where it has no say of its own.
    pub in_force: Option<Proxies>,
    /// Whether systemd runs it, so that it can be restarted.
    pub systemd: bool,
    /// What makes our file void, where something does.
    pub overruled: Option<Overruled>,
    /// What a restart of it would meet.
    pub work: Work,
    /// Virtual machines of its own (`podman machine`), which take over what it is told.
    pub machines: Vec<podman::Machine>,
    /// A builder's container, where there is one.
    pub container: Option<buildx::BuilderContainer>,
}

/// Something settings are pushed into.
pub trait Target: Send + Sync {
    /// Its stable name.
    fn id(&self) -> TargetId;

    /// For people.
    fn title(&self) -> String;

    /// Where its files are.
    fn machine(&self) -> Machine {
        Machine::Local
    }

    /// Whether it is here, and what is in force there.
    fn detect(&self) -> BoxFuture<'_, Detected>;

    /// What it should be told; or why nothing can be asked of it.
    ///
    /// # Errors
    /// The state that it is in without: untouched, or blocked by what is missing.
    fn desired(&self) -> Result<Proxies, TargetState>;

    /// The dialect that its exceptions are read in.
    fn dialect(&self) -> Dialect {
        Dialect::Docker
    }

    /// What its exceptions would mean that they do not mean here, and what else it takes.
    fn notes(&self, now: &Here) -> Vec<Problem>;

    /// What it is told now.
    fn told<'a>(&'a self, now: &'a Here) -> BoxFuture<'a, Told> {
        Box::pin(way::told(self, now))
    }

    /// What its programs would do with a destination.
    fn way<'a>(&'a self, now: &'a Here, to: &'a Asked) -> BoxFuture<'a, (WayKind, Said)>;

    /// The changes from now to desired. Those that are in the files already fall out later.
    fn plan(&self, now: &Here, desired: &Proxies) -> Vec<Change>;

    /// What a restart of its unit does to what runs.
    fn effect(&self, _now: &Here) -> Option<Effect> {
        None
    }

    /// Asks the thing itself.
    fn verify<'a>(&'a self, now: &'a Here, desired: &'a Proxies) -> BoxFuture<'a, TargetState>;
}

/// This machine's addresses by which the running WSL distros reach the relay; none for those that
/// share this machine's loopback.
pub async fn distro_addresses() -> Vec<std::net::IpAddr> {
    wsl::addresses().await
}

/// Every target of this machine and of the WSL distros that run on it.
pub async fn all(context: &Arc<Context>) -> Vec<Box<dyn Target>> {
    let mut targets: Vec<Box<dyn Target>> = vec![
        Box::new(DockerDaemon::local(Arc::clone(context))),
        Box::new(DockerDaemon::rootless(Arc::clone(context))),
        Box::new(DockerCli::local(Arc::clone(context))),
        Box::new(Containerd::local(Arc::clone(context))),
        Box::new(Podman::local(Arc::clone(context))),
        Box::new(clusters::Clusters::new(Arc::clone(context))),
    ];
    targets.extend(buildx::builders(context).await);
    targets.extend(wsl::targets(context).await);
    targets
}

/// Every target as people see it, each asked.
pub async fn views(context: &Context, targets: &[Box<dyn Target>]) -> Vec<TargetView> {
    join_all(targets.iter().map(|target| view(context, target.as_ref()))).await
}

async fn view(context: &Context, target: &dyn Target) -> TargetView {
    let detected = target.detect().await;
    let mut view = TargetView {
        id: target.id(),
        title: target.title(),
        version: None,
        files: Vec::new(),
        desired: None,
        notes: Vec::new(),
        state: TargetState::Untouched,
    };
    let here = match detected {
        Detected::Here(here) => here,
        Detected::Not(state) => {
            // Nothing is asked of one that is left alone, not even that it runs.
            if state == TargetState::NotInstalled || !context.leaves_alone(&view.id) {
                view.state = state;
            }
            return view;
        }
    };
    view.version.clone_from(&here.version);
    view.files = here
        .files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    if context.leaves_alone(&view.id) {
        return view;
    }
    view.state = match target.desired() {
        Ok(desired) => {
            view.desired = Some(desired.proxy.clone());
            view.notes = target.notes(&here);
            target.verify(&here, &desired).await
        }
        Err(state) => state,
    };
    view
}

/// The plan of every target that is here and wants something; one with a file that cannot be
/// understood is refused, and the others are planned. Reads, and writes nothing.
pub async fn plan(context: &Context, targets: &[Box<dyn Target>]) -> PlannedChanges {
    let mut proposals = Vec::new();
    let mut notes = Vec::new();
    for target in targets
        .iter()
        .filter(|target| !context.leaves_alone(&target.id()))
    {
        if let (Ok(desired), Detected::Here(here)) = (target.desired(), target.detect().await) {
            notes.extend(target.notes(&here));
            proposals.push(Proposal {
                target: target.id(),
                machine: target.machine(),
                changes: target.plan(&here, &desired),
                effect: target.effect(&here),
            });
        }
    }
    let desks = context.desks.clone();
    let mut planned = off_thread(move || crate::change::plan::build(&desks, proposals)).await;
    planned.view.notes = notes;
    planned
}

/// The docker CLI's file: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`.
pub fn docker_cli_config(home: &std::path::Path) -> PathBuf {
    std::env::var_os("DOCKER_CONFIG")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
        .unwrap_or_else(|| home.join(".docker"))
        .join("config.json")
}

impl Context {
    fn leaves_alone(&self, id: &TargetId) -> bool {
        self.settings.leave_alone.contains(&id.0)
    }
}

/// Runs what blocks off the runtime's threads.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // The runtime cancels blocking work only before it begins, when it shuts down itself.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Whether the files already say what `changes` would write.
async fn files_say(
    desks: &Desks,
    machine: Machine,
    changes: Vec<Change>,
) -> Result<bool, ChangeError> {
    let desks = desks.clone();
    let changes = changes
        .into_iter()
        .filter(|change| change.file().is_some())
        .collect();
    let proposal = Proposal {
        target: TargetId(String::new()),
        machine,
        changes,
        effect: None,
    };
    let planned = off_thread(move || crate::change::plan::build(&desks, vec![proposal])).await;
    match planned.refused.into_iter().next() {
        Some((_, error)) => Err(error),
        None => Ok(planned.view.steps.is_empty()),
    }
}
