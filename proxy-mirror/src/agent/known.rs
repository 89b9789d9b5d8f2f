//! What is known of the world, and what follows from it.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::targets;
use crate::control::Problem;
use crate::places::Places;
use crate::policy::{self, Decision, Facts, SourceFacts};
use crate::settings::{self, Settings, SettingsError};
use crate::source::{Says, Source};
use crate::target;
use crate::target::clusters::{self, Network};
use crate::world::Relay;

/// Between emptying a file and filling it, an editor takes no longer.
const BEING_WRITTEN: Duration = Duration::from_millis(100);

/// One look at everything.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// The user's choices; where the file is malformed, those of before.
    pub(super) settings: Settings,
    /// Why the settings file is not followed.
    pub(super) settings_problem: Option<Problem>,
    /// Every source.
    pub(super) sources: Vec<SourceFacts>,
    /// The machine's container networks, as last heard of.
    pub(super) networks: Vec<Network>,
    /// The relay's addresses.
    pub(super) relay: Relay,
    /// What follows.
    pub(super) decision: Decision,
}

impl Known {
    /// Looks at everything. What cannot be read is as it was `before`.
    pub(super) async fn look(
        places: &Places,
        sources: Arc<Vec<Box<dyn Source>>>,
        before: Option<Arc<Self>>,
    ) -> Self {
        let networks = match targets::networks().await {
            Some(networks) => networks,
            // Docker restarts now and then; its bridges and containers outlive that.
            None => before
                .as_ref()
                .map_or_else(Vec::new, |before| before.networks.clone()),
        };
        let distros = target::distro_addresses().await;
        let file = places.settings.clone();
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
            (settled(&file), facts)
        });
        // A source that panics is a defect; the loop lives on with what was known.
        let (loaded, sources) = match read.await {
            Ok(read) => read,
            Err(error) => {
                tracing::error!(%error, "reading the sources failed");
                let before = before.as_ref().map(|before| before.sources.clone());
                (settings::load(&places.settings), before.unwrap_or_default())
            }
        };
        let (settings, settings_problem) = match loaded {
            Ok(settings) => (settings, None),
            Err(error) => {
                let before = before.map_or_else(Settings::default, |known| known.settings.clone());
                (before, Some(error.problem()))
            }
        };
        Self::decide(settings, settings_problem, sources, networks, &distros)
    }

    fn decide(
        settings: Settings,
        settings_problem: Option<Problem>,
        mut sources: Vec<SourceFacts>,
        networks: Vec<Network>,
        distros: &[IpAddr],
    ) -> Self {
        log_in(&mut sources, &settings);
        let relay = targets::relay(settings.relay.port, &networks);
        let decision = policy::decide(&Facts {
            settings: &settings,
            sources: &sources,
            networks: &clusters::container_networks(&networks),
            distros,
            relay,
        });
        Self {
            settings,
            settings_problem,
            sources,
            networks,
            relay,
            decision,
        }
    }
}

/// The settings, but not those of a file that is just being written: editors empty it first, and
/// an empty one would mean "no proxy".
fn settled(file: &Path) -> Result<Settings, SettingsError> {
    let is_empty = || fs::metadata(file).is_ok_and(|metadata| metadata.len() == 0);
    if is_empty() {
        std::thread::sleep(BEING_WRITTEN);
    }
    settings::load(file)
}

/// A source names a proxy, rarely a user: the one who logged in to it is added.
fn log_in(sources: &mut [SourceFacts], settings: &Settings) {
    for reading in sources
        .iter_mut()
        .filter_map(|facts| facts.reading.as_mut())
    {
        if let Says::Proxy { upstream, .. } = &mut reading.says
            && upstream.user().is_none()
            && let Some(login) = settings
                .logins
                .iter()
                .find(|login| login.authority() == upstream.authority())
        {
            *upstream = login.clone();
        }
    }
}
