//! Podman: what it pulls by, and what it gives to new containers and builds.
//!
//! `[engine] env` of its `containers.conf` becomes its own environment, at every call, but for what
//! is in the environment already. Containers and the steps of builds are given the same variables
//! (`[containers] http_proxy`, on by default), so that both must reach the one address: Podman from
//! this machine's network, rootless or not, and containers from theirs. The relay's address on
//! Docker's bridge serves both. Where there is none Podman is told loopback, and containers are told
//! nothing. A daemon there is not, and nothing to restart but its virtual machines.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use proxy_engine::config::Upstream;

use super::desired::World;
use super::served::answers;
use super::{
    Asked, Context, Detected, Here, Overruled, Proxies, Target, TargetId, TargetState, Told,
    files_say,
};
use crate::bypass::Dialect;
use crate::change::host::Machine as Host;
use crate::change::{Change, FileId};
use crate::control::{Problem, Said, WayKind};
use crate::settings::Style;

mod ask;
mod machines;
mod memory;
mod place;

pub use machines::Machine;
pub use memory::Memory;
pub use place::Place;

use memory::Says;

/// This user's Podman.
pub struct Podman {
    context: Arc<Context>,
}

impl Podman {
    /// This user's.
    pub fn local(context: Arc<Context>) -> Self {
        Self { context }
    }

    fn file(&self) -> &Path {
        self.context.podman.conf.path()
    }

    /// What it says itself; `None` where there is no such program.
    async fn says(&self) -> Option<Says> {
        let program = place::program()?;
        let place = &self.context.podman;
        // What asks it lies beside the journal, where nobody else may write.
        let folder = self.context.desks.user_journal.with_file_name("");
        Some(
            place
                .memory
                .ask(&program, &place.watched(&program), &folder)
                .await,
        )
    }

    /// What it and its containers would use for such URLs, whoever said so.
    async fn used(&self, in_clear: bool) -> Told {
        let has = match self.says().await.map(|says| says.variables) {
            None => return Told::Nothing,
            Some(Err(words)) => return Told::NotKnown(Said::verbatim(words)),
            Some(Ok(has)) => has,
        };
        // As Go reads them (golang.org/x/net/http/httpproxy).
        let of = |name: &str| {
            let names = [name.to_ascii_uppercase(), name.to_owned()];
            let mut values = names.iter().filter_map(|name| has.get(name));
            values.find(|value| !value.is_empty()).cloned()
        };
        match of(if in_clear {
            "http_proxy"
        } else {
            "https_proxy"
        }) {
            None => Told::Nothing,
            Some(proxy) => Told::Proxies(Proxies {
                proxy,
                no_proxy: of("no_proxy").unwrap_or_default(),
            }),
        }
    }

    /// What keeps Podman from what its file says, where something does.
    async fn hindrance(&self, desired: &Proxies) -> Option<TargetState> {
        let (file, proxy) = (self.file().display(), &desired.proxy);
        let Some(says) = self.says().await else {
            let args: [(&str, &dyn std::fmt::Display); 2] = [("file", &file), ("proxy", proxy)];
            let reason = Said::new("said_podman_absent", &args);
            return Some(TargetState::NotInForce { reason });
        };
        let has = match says.variables {
            Ok(has) => has,
            Err(words) => {
                let reason = Said::new("said_podman_unasked", &[("error", &words)]);
                return Some(TargetState::Failed { reason });
            }
        };
        let wanted = desired.environment_in_both_cases();
        let (name, _) = wanted
            .iter()
            .find(|(name, value)| has.get(name) != Some(value))?;
        let key = if std::env::var_os(name).is_some() {
            "said_podman_environment"
        } else {
            "said_podman_elsewhere"
        };
        let reason = Said::new(key, &[("file", &file), ("proxy", proxy), ("name", name)]);
        Some(TargetState::NotInForce { reason })
    }
}

impl Target for Podman {
    fn id(&self) -> TargetId {
        TargetId("podman".into())
    }

    fn title(&self) -> String {
        "Podman".into()
    }

    fn detect(&self) -> BoxFuture<'_, Detected> {
        Box::pin(async {
            let place = &self.context.podman;
            let program = place::program();
            if program.is_none() && !place.is_there() {
                return Detected::Not(TargetState::NotInstalled);
            }
            let machines = match &program {
                Some(program) => machines::list(program, &place.folder).await,
                None => Vec::new(),
            };
            Detected::Here(Here {
                version: self.says().await.and_then(|says| says.version),
                files: vec![self.file().to_owned()],
                overruled: place.would_replace(),
                machines,
                ..Here::default()
            })
        })
    }

    fn desired(&self) -> Result<Proxies, TargetState> {
        if self.context.podman.conf == FileId::PodmanSystemConf {
            self.context.needs_service()?;
        }
        // An upstream is another machine, or this one's loopback: Podman reaches either.
        let world = match (self.context.settings.style, self.context.relay.containers) {
            (Style::Relay, Some(_)) => World::Containers,
            (Style::Relay, None) | (Style::Mirror, _) => World::Machine,
        };
        self.context.proxies(world, self.dialect())
    }

    /// That of Podman itself (Go's); the list is also read by whatever runs in its containers.
    fn dialect(&self) -> Dialect {
        Dialect::Docker
    }

    fn notes(&self, now: &Here) -> Vec<Problem> {
        let mut notes = self.context.notes(self.dialect(), &self.title());
        if let Ok(desired) = self.desired()
            && !serves_containers(&desired)
        {
            let proxy = &desired.proxy;
            notes.push(note("podman_loopback", &[("proxy", proxy)]));
        }
        notes.extend(now.machines.iter().map(|machine| {
            let code = if machine.runs {
                "podman_machine_runs"
            } else {
                "podman_machine"
            };
            note(code, &[("name", &machine.name)])
        }));
        notes
    }

    fn told<'a>(&'a self, _: &'a Here) -> BoxFuture<'a, Told> {
        Box::pin(self.used(false))
    }

    fn way<'a>(&'a self, _: &'a Here, to: &'a Asked) -> BoxFuture<'a, (WayKind, Said)> {
        Box::pin(async move {
            let told = self.used(to.in_clear).await;
            let ours = self.desired().ok();
            self.context
                .way(told, ours.as_ref(), self.dialect(), &to.to)
        })
    }

    fn plan(&self, now: &Here, desired: &Proxies) -> Vec<Change> {
        if now.overruled.is_some() {
            return Vec::new();
        }
        vec![Change::SetEngineEnv {
            file: self.context.podman.conf.clone(),
            environment: desired.environment_in_both_cases(),
            for_containers: serves_containers(desired),
        }]
    }

    fn verify<'a>(&'a self, now: &'a Here, desired: &'a Proxies) -> BoxFuture<'a, TargetState> {
        Box::pin(async move {
            let (file, proxy) = (self.file().display(), &desired.proxy);
            if let Some(Overruled { variable, by }) = &now.overruled {
                let by = by.display();
                let args: [(&str, &dyn std::fmt::Display); 3] =
                    [("file", &file), ("by", &by), ("names", variable)];
                let reason = Said::new("said_podman_others", &args);
                return TargetState::Blocked { reason };
            }
            let plan = self.plan(now, desired);
            match files_say(&self.context.desks, Host::Local, plan).await {
                Err(error) => {
                    return TargetState::Failed {
                        reason: error.problem().into(),
                    };
                }
                Ok(false) => {
                    let args: [(&str, &dyn std::fmt::Display); 2] =
                        [("file", &file), ("proxy", proxy)];
                    let reason = Said::new("said_podman_differs", &args);
                    return TargetState::Differs { reason };
                }
                Ok(true) => {}
            }
            if let Some(state) = self.hindrance(desired).await {
                return state;
            }
            if self.context.settings.style == Style::Relay
                && let Err(error) = answers(proxy).await
            {
                let args: [(&str, &dyn std::fmt::Display); 3] =
                    [("file", &file), ("proxy", proxy), ("error", &error)];
                let reason = Said::new("said_cli_unserved", &args);
                return TargetState::NotInForce { reason };
            }
            let evidence = Said::new("said_podman_says", &[("proxy", proxy)]);
            TargetState::InForce { evidence }
        })
    }
}

/// Whether containers reach that address: each has a loopback of its own.
fn serves_containers(told: &Proxies) -> bool {
    told.proxy
        .parse::<Upstream>()
        .is_ok_and(|proxy| !super::desired::is_loopback(&proxy))
}

fn note(code: &str, args: &[(&str, &String)]) -> Problem {
    let shown: Vec<(&str, &dyn std::fmt::Display)> = args
        .iter()
        .map(|(name, value)| (*name, *value as &dyn std::fmt::Display))
        .collect();
    let said = Said::new(&format!("problem_{code}"), &shown);
    Problem {
        code: code.to_owned(),
        message: said.english,
        args: said.args,
    }
}
