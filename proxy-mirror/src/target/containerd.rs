//! containerd, where something else than Docker pulls by it: Kubernetes' kubelet, or nerdctl. What Docker
//! pulls goes by dockerd's own proxy, also where containerd keeps the images.
//!
//! It reads its environment, as systemd gives it, when it starts. Its containers live through a restart:
//! each has a process of its own beside it.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use futures_util::future::BoxFuture;

use super::desired::World;
use super::overruled::overruled;
use super::{
    Asked, Context, Detected, Here, Overruled, Proxies, Target, TargetId, TargetState, Told,
    files_say, way,
};
use crate::bypass::Dialect;
use crate::change::dropin::assignments;
use crate::change::host::{Command, Host, Machine, Output};
use crate::change::plan::Effect;
use crate::change::{Change, FileId, UnitId};
use crate::control::{Problem, Said, WayKind};

/// Who pulls by it.
const USERS: [&str; 3] = ["kubelet", "nerdctl", "crictl"];
/// Where programs of a machine lie.
const FOLDERS: [&str; 4] = ["/usr/bin", "/usr/local/bin", "/usr/sbin", "/opt/bin"];

/// This machine's containerd.
pub struct Containerd {
    context: Arc<Context>,
    host: Arc<dyn Host>,
}

impl Containerd {
    /// This machine's.
    pub fn local(context: Arc<Context>) -> Self {
        Self {
            host: Arc::clone(&context.desks.local),
            context,
        }
    }
}

impl Target for Containerd {
    fn id(&self) -> TargetId {
        TargetId("containerd".into())
    }

    fn title(&self) -> String {
        "containerd (kubelet, nerdctl)".into()
    }

    fn detect(&self) -> BoxFuture<'_, Detected> {
        let host = Arc::clone(&self.host);
        let wanted = self.desired().map(|desired| desired.environment()).ok();
        Box::pin(super::off_thread(move || detect(&*host, wanted.as_deref())))
    }

    fn desired(&self) -> Result<Proxies, TargetState> {
        self.context.needs_service()?;
        self.context.proxies(World::Machine, self.dialect())
    }

    fn dialect(&self) -> Dialect {
        Dialect::Go
    }

    fn notes(&self, _: &Here) -> Vec<Problem> {
        self.context.notes(self.dialect(), &self.title())
    }

    fn told<'a>(&'a self, now: &'a Here) -> BoxFuture<'a, Told> {
        Box::pin(async { way::in_force(now) })
    }

    fn way<'a>(&'a self, now: &'a Here, to: &'a Asked) -> BoxFuture<'a, (WayKind, Said)> {
        Box::pin(way::of(self, &self.context, now, to))
    }

    fn plan(&self, now: &Here, desired: &Proxies) -> Vec<Change> {
        if now.overruled.is_some() {
            return Vec::new();
        }
        let mut changes = vec![Change::WriteEnvironmentDropIn {
            file: FileId::ContainerdDropIn,
            environment: desired.environment(),
        }];
        if now.in_force.as_ref() != Some(desired) {
            changes.push(Change::RestartUnit {
                unit: UnitId::Containerd,
            });
        }
        changes
    }

    fn effect(&self, _now: &Here) -> Option<Effect> {
        Some(Effect::Harmless)
    }

    fn verify<'a>(&'a self, now: &'a Here, desired: &'a Proxies) -> BoxFuture<'a, TargetState> {
        Box::pin(async move {
            let in_force = now.in_force.as_ref() == Some(desired);
            if let Some(Overruled { variable, by }) = &now.overruled {
                let by = by.display();
                let args: [(&str, &dyn Display); 2] = [("by", &by), ("variable", variable)];
                return TargetState::Blocked {
                    reason: Said::new("said_docker_overruled", &args),
                };
            }
            let plan = self.plan(now, desired);
            let written = files_say(&self.context.desks, Machine::Local, plan).await;
            let proxy = &desired.proxy;
            match (written, in_force) {
                (Err(error), _) => TargetState::Failed {
                    reason: error.problem().into(),
                },
                (Ok(true), true) => TargetState::InForce {
                    evidence: Said::new("said_containerd_in_force", &[("proxy", proxy)]),
                },
                (Ok(true), false) => TargetState::NotInForce {
                    reason: Said::new("said_containerd_not_restarted", &[("proxy", proxy)]),
                },
                (Ok(false), _) => TargetState::Differs {
                    reason: desired.differs_from(now.in_force.as_ref()),
                },
            }
        })
    }
}

fn detect(host: &dyn Host, wanted: Option<&[(String, String)]>) -> Detected {
    let none = Detected::Not(TargetState::NotInstalled);
    let is_used = || {
        let mut programs = FOLDERS
            .iter()
            .flat_map(|folder| USERS.map(|program| Path::new(folder).join(program)));
        programs.any(|program| program.is_file())
    };
    if !host.has_systemd() || !is_used() {
        return none;
    }
    let Ok(shown) = host.run(Command::Environment(UnitId::Containerd)) else {
        return none;
    };
    let property = |name: &str| {
        let mut lines = shown.stdout.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    };
    match (property("LoadState"), property("ActiveState")) {
        (Some("loaded"), Some("active")) => {}
        (Some("loaded"), _) => {
            return Detected::Not(TargetState::Failed {
                reason: Said::new("said_containerd_not_running", &[]),
            });
        }
        _ => return none,
    }
    let file = FileId::ContainerdDropIn.path();
    let cat = host.run(Command::Cat(UnitId::Containerd)).ok();
    let cat = cat.filter(Output::success);
    // systemd knows the files' text; the process has that of its start.
    let is_read = property("NeedDaemonReload") == Some("no")
        && property("ExecMainStartTimestamp").is_none_or(|at| started_after(file, at));
    Detected::Here(Here {
        files: vec![file.to_owned()],
        in_force: is_read
            .then(|| proxies(property("Environment").unwrap_or_default()))
            .flatten(),
        systemd: true,
        overruled: wanted.and_then(|wanted| overruled(&cat?.stdout, file, wanted)),
        ..Here::default()
    })
}

/// Whether a process that started `at` (`@SECONDS`) found the file as it is; a clock that cannot be
/// read says no.
fn started_after(file: &Path, at: &str) -> bool {
    let Ok(changed) = file.metadata().and_then(|metadata| metadata.modified()) else {
        // It was not there to be read.
        return true;
    };
    let started: Option<u64> = at.strip_prefix('@').and_then(|at| at.parse().ok());
    let changed = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
    // A unit's start is told in whole seconds.
    started.is_some_and(|started| started >= changed.as_secs())
}

/// The proxies of an environment as systemd shows it.
fn proxies(shown: &str) -> Option<Proxies> {
    let words = assignments(&format!("Environment={shown}"));
    let words: Vec<&String> = words.iter().flat_map(|line| &line.words).collect();
    let last = |name: &str| {
        let mut of_name = words.iter().rev().filter_map(|word| word.split_once('='));
        of_name.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then(|| value.to_owned()))
    };
    Some(Proxies {
        proxy: last("HTTPS_PROXY").or_else(|| last("HTTP_PROXY"))?,
        no_proxy: last("NO_PROXY").unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::{proxies, started_after};

    #[test]
    fn an_environment_is_read_as_systemd_shows_it() {
        for (shown, proxy) in [
            ("", None),
            ("A=b", None),
            (
                "HTTP_PROXY=http://a:1 HTTPS_PROXY=http://b:2 NO_PROXY=x,y",
                Some(("http://b:2", "x,y")),
            ),
            (
                "https_proxy=http://a:1 \"no_proxy=x y\" HTTPS_PROXY=http://b:2",
                Some(("http://b:2", "x y")),
            ),
            ("HTTP_PROXY=http://a:1", Some(("http://a:1", ""))),
        ] {
            let read = proxies(shown);
            let read = read.map(|read| (read.proxy, read.no_proxy));
            let wanted = proxy.map(|(proxy, no_proxy)| (proxy.to_owned(), no_proxy.to_owned()));
            assert_eq!(read, wanted, "{shown}");
        }
    }

    #[test]
    fn what_was_written_after_the_start_is_not_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gangway.conf");
        assert!(started_after(&file, "@1"), "it is not there");
        std::fs::write(&file, "").unwrap();
        assert!(!started_after(&file, "@1"));
        assert!(!started_after(&file, "Thu 2026-11-26 19:07:02 UTC"));
        assert!(started_after(&file, "@99999999999"));
    }
}
