//! `profile.d`: variables for the log-in shells of a WSL distro.

use std::fmt::Display;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::desired::World;
use super::{
    Asked, Context, Detected, Here, Proxies, Target, TargetId, TargetState, files_say, way,
};
use crate::change::host::{Host, Machine};
use crate::change::{Change, FileId};
use crate::control::{Problem, Said, WayKind};

/// The log-in shells of one distro.
pub(super) struct Profile {
    context: Arc<Context>,
    name: String,
    machine: Machine,
    world: World,
}

impl Profile {
    pub(super) fn of_distro(
        context: Arc<Context>,
        name: &str,
        host: &dyn Host,
        world: World,
    ) -> Self {
        Self {
            context,
            name: name.to_owned(),
            machine: host.machine().clone(),
            world,
        }
    }
}

impl Target for Profile {
    fn id(&self) -> TargetId {
        TargetId(format!("wsl:{}/profile", self.name))
    }

    fn title(&self) -> String {
        format!("Log-in shells in {}", self.name)
    }

    fn machine(&self) -> Machine {
        self.machine.clone()
    }

    fn detect(&self) -> BoxFuture<'_, Detected> {
        let files = vec![FileId::ProfileD.path().to_owned()];
        Box::pin(async {
            Detected::Here(Here {
                files,
                ..Here::default()
            })
        })
    }

    fn desired(&self) -> Result<Proxies, TargetState> {
        self.context.proxies(self.world, self.dialect())
    }

    fn notes(&self, _: &Here) -> Vec<Problem> {
        self.context.notes(self.dialect(), &self.title())
    }

    fn way<'a>(&'a self, now: &'a Here, to: &'a Asked) -> BoxFuture<'a, (WayKind, Said)> {
        Box::pin(way::of(self, &self.context, now, to))
    }

    fn plan(&self, _: &Here, desired: &Proxies) -> Vec<Change> {
        vec![Change::WriteProfile {
            file: FileId::ProfileD,
            environment: desired.environment_in_both_cases(),
        }]
    }

    fn verify<'a>(&'a self, now: &'a Here, desired: &'a Proxies) -> BoxFuture<'a, TargetState> {
        Box::pin(async move {
            let file = FileId::ProfileD.path().display();
            let say = files_say(&self.context.desks, self.machine(), self.plan(now, desired)).await;
            let args: [(&str, &dyn Display); 2] = [("file", &file), ("proxy", &desired.proxy)];
            match say {
                Err(error) => TargetState::Failed {
                    reason: error.problem().into(),
                },
                Ok(true) => TargetState::InForce {
                    evidence: Said::new("said_profile_names", &args),
                },
                Ok(false) => TargetState::Differs {
                    reason: Said::new("said_profile_differs", &args),
                },
            }
        })
    }
}
