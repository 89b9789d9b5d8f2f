//! What is known of the world, and what follows from it.

use std::fs;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use proxy_engine::config::{Certificates, Upstream};
use tokio::sync::Notify;

use super::heard::Heard;
use super::targets;
use crate::control::Problem;
use crate::network::{Place, Reach};
use crate::pac::Keeper;
use crate::places::Places;
use crate::policy::{self, Decision, Facts, PacFacts, SourceFacts};
use crate::settings::{self, Files, Settings, SettingsError};
use crate::source::{Reading, Says, Source};
use crate::target;
use crate::target::clusters::{self, Network};
use crate::world::Relay;

/// Between emptying a file and filling it, an editor takes no longer.
const BEING_WRITTEN: Duration = Duration::from_millis(100);

/// A look at everything waits no longer for Docker and WSL: a new route must be in force within a
/// second, whatever they do.
const PATIENCE: Duration = Duration::from_millis(400);
/// Before anything is known of them there is nothing else to go by.
const FIRST_PATIENCE: Duration = Duration::from_secs(3);

/// What Docker and WSL say of themselves, however long they take.
#[derive(Debug)]
pub(super) struct Surroundings {
    networks: Heard<Vec<Network>>,
    distros: Heard<Vec<IpAddr>>,
    reach: Reach,
    podman: target::podman::Memory,
    late: Arc<Notify>,
}

impl Surroundings {
    /// Nothing is heard yet.
    pub(super) fn new() -> Self {
        let late = Arc::new(Notify::new());
        Self {
            networks: Heard::new(Arc::clone(&late)),
            distros: Heard::new(Arc::clone(&late)),
            reach: Reach::default(),
            podman: target::podman::Memory::default(),
            late,
        }
    }

    /// This machine is in another network.
    pub(super) fn moved(&self) {
        self.reach.forget();
    }

    /// Returns when one of them has said something new that no look has seen.
    pub(super) async fn heard_late(&self) {
        self.late.notified().await;
    }
}

/// One look at everything.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// The user's choices, as they hold under the profile; where the file is malformed, those of
    /// before.
    pub(super) settings: Settings,
    /// The same as they are written.
    pub(super) written: Settings,
    /// Their keys that the administrator has fixed.
    fixed: Vec<&'static str>,
    /// The profile that holds, by its name, and whether the user chose it.
    pub(super) profile: Option<(String, bool)>,
    /// Why the settings file is not followed.
    pub(super) settings_problem: Option<Problem>,
    /// Whether the settings could be read, now or before. Where they never could, what the user wants
    /// is not known, and nobody is told anything.
    pub(super) was_read: bool,
    /// Every source.
    pub(super) sources: Vec<SourceFacts>,
    /// The machine's container networks, as last heard of.
    pub(super) networks: Vec<Network>,
    /// This machine's addresses by which WSL distros reach the relay, as last heard of.
    distros: Vec<IpAddr>,
    /// The relay's addresses.
    pub(super) relay: Relay,
    /// What Podman said when it was last asked, from one look to the next.
    pub(super) podman: target::podman::Memory,
    /// What follows.
    pub(super) decision: Decision,
}

/// Where PAC scripts come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scripts<'a> {
    pub(super) keeper: &'a Keeper,
    /// One that was never had is waited for so long.
    pub(super) patience: Duration,
}

impl Known {
    /// Looks at everything. What cannot be read is as it was `before`.
    pub(super) async fn look(
        places: &Places,
        sources: Arc<Vec<Box<dyn Source>>>,
        scripts: Scripts<'_>,
        around: &Surroundings,
        before: Option<Arc<Self>>,
    ) -> Self {
        // Docker restarts now and then, and its bridges and containers outlive that: what was heard
        // before holds where it takes long.
        let patience = match before {
            Some(_) => PATIENCE,
            None => FIRST_PATIENCE,
        };
        let rootless = places.rootless.clone();
        let (networks, distros) = tokio::join!(
            around
                .networks
                .ask(patience, move || targets::networks(rootless.clone())),
            around.distros.ask(patience, || async {
                Some(target::distro_addresses().await)
            }),
        );
        let (networks, distros) = (networks.unwrap_or_default(), distros.unwrap_or_default());
        let file = places.clone();
        let earlier = before.clone();
        let read = tokio::task::spawn_blocking(move || {
            let facts: Vec<SourceFacts> = sources
                .iter()
                .enumerate()
                .map(|(rank, source)| {
                    let before = earlier.as_ref().and_then(|known| known.sources.get(rank));
                    SourceFacts::read(&**source, before)
                })
                .collect();
            (settled(&file), facts, Place::here())
        });
        // A source that panics is a defect; the loop lives on with what was known.
        let (loaded, sources, place) = match read.await {
            Ok(read) => read,
            Err(error) => {
                tracing::error!(%error, "reading the sources failed");
                let before = before.as_ref().map(|before| before.sources.clone());
                (
                    load(places.settings_files()),
                    before.unwrap_or_default(),
                    Place::default(),
                )
            }
        };
        let (settings, fixed, settings_problem, was_read) = match loaded {
            Ok((settings, fixed)) => (settings, fixed, None, true),
            Err(error) => {
                let problem = Some(error.problem());
                match before {
                    Some(before) => {
                        let (written, fixed) = (before.written.clone(), before.fixed.clone());
                        (written, fixed, problem, before.was_read)
                    }
                    None => (Settings::default(), Vec::new(), problem, false),
                }
            }
        };
        let holds = around.reach.holds(&settings, &place).await;
        let profile = holds.map(|holds| (holds.profile.name.clone(), holds.by_hand));
        let under = match holds {
            Some(holds) => settings.clone().under(holds.profile, &fixed),
            None => settings.clone(),
        };
        let unread = settings_problem.clone().filter(|_| !was_read);
        let decided = Self::decide(under, unread, sources, networks, distros, scripts);
        Self {
            written: settings,
            fixed,
            profile,
            settings_problem,
            was_read,
            podman: around.podman.clone(),
            ..decided.await
        }
    }

    async fn decide(
        settings: Settings,
        unread: Option<Problem>,
        mut sources: Vec<SourceFacts>,
        networks: Vec<Network>,
        distros: Vec<IpAddr>,
        scripts: Scripts<'_>,
    ) -> Self {
        log_in(&mut sources, &settings);
        let relay = targets::relay(settings.relay.port, &networks);
        let certificates = certificates(&settings).await;
        let facts = Facts {
            settings: &settings,
            sources: &sources,
            networks: &clusters::container_networks(&networks),
            distros: &distros,
            relay,
            unread: unread.as_ref(),
            pac: &[],
            certificates: certificates.as_ref(),
        };
        let mut decision = policy::decide(&facts);
        // What is not had from one address may lead to another.
        let mut had: Vec<PacFacts> = Vec::new();
        while let Some(address) = decision.pac.get(had.len()).cloned() {
            let kept = scripts.keeper.get(&address, scripts.patience).await;
            had.push(PacFacts { address, kept });
            decision = policy::decide(&Facts { pac: &had, ..facts });
        }
        Self {
            written: settings.clone(),
            fixed: Vec::new(),
            profile: None,
            settings,
            settings_problem: None,
            was_read: true,
            sources,
            podman: target::podman::Memory::default(),
            networks,
            distros,
            relay,
            decision,
        }
    }

    /// Every proxy that a source names.
    pub(super) fn upstreams(&self) -> Vec<Upstream> {
        let readings = self.sources.iter();
        let readings = readings.filter_map(|facts| facts.reading.as_ref());
        readings
            .flat_map(Reading::in_turn)
            .filter_map(|reading| match &reading.says {
                Says::Proxy { upstream, .. } => Some(upstream.clone()),
                _ => None,
            })
            .collect()
    }

    /// What is new since `before`, for the log: no values, which may hold secrets.
    pub(super) fn news(&self, before: Option<&Self>) -> Vec<String> {
        let Some(before) = before else {
            return vec!["start".to_owned()];
        };
        let mut news = Vec::new();
        if self.settings != before.settings {
            news.push("settings.toml".to_owned());
        }
        let said = |facts: &SourceFacts| {
            let reading = facts.reading.as_ref();
            reading.map(|reading| {
                let says = reading.in_turn().map(|reading| reading.says.clone());
                (reading.origin.english.clone(), says.collect::<Vec<_>>())
            })
        };
        for (rank, facts) in self.sources.iter().enumerate() {
            let (now, before) = (said(facts), before.sources.get(rank).and_then(said));
            if now != before
                && let Some((origin, _)) = now.or(before)
            {
                news.push(origin);
            }
        }
        if self.networks != before.networks || self.distros != before.distros {
            news.push("networks of containers or distros".to_owned());
        }
        news
    }
}

/// The settings, but not those of a file that is just being written: editors empty it first, and
/// an empty one would mean "no proxy".
fn settled(places: &Places) -> Result<(Settings, Vec<&'static str>), SettingsError> {
    let is_empty = || fs::metadata(&places.settings).is_ok_and(|metadata| metadata.len() == 0);
    if is_empty() {
        std::thread::sleep(BEING_WRITTEN);
    }
    load(places.settings_files())
}

/// The settings, and which of them are fixed.
fn load(files: Files<'_>) -> Result<(Settings, Vec<&'static str>), SettingsError> {
    let settings = settings::load(files)?;
    Ok((settings, settings::Managed::read(files)?.keys))
}

/// A source names a proxy, rarely a user: the one who logged in to it is added.
fn log_in(sources: &mut [SourceFacts], settings: &Settings) {
    let mut readings: Vec<&mut Reading> = sources
        .iter_mut()
        .filter_map(|facts| facts.reading.as_mut())
        .collect();
    while let Some(reading) = readings.pop() {
        readings.extend(reading.otherwise.as_deref_mut());
        if let Says::Proxy { upstream, .. } = &mut reading.says
            && upstream.user().is_none()
            && let Some(login) = settings
                .logins
                .iter()
                .find(|login| login.is_login_at(upstream))
        {
            *upstream = upstream.clone().with_user(login.user().map(str::to_owned));
        }
    }
}

/// Those of the file that the settings name.
async fn certificates(settings: &Settings) -> Option<Result<Certificates, String>> {
    let file = settings.upstream_ca.clone()?;
    let read = move || settings::certificates(&file).map_err(|error| error.what());
    // A read that panics has read nothing.
    let read = tokio::task::spawn_blocking(read).await;
    Some(read.unwrap_or_else(|error| Err(error.to_string())))
}

#[cfg(test)]
mod tests;
