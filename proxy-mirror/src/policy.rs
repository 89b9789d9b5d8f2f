//! Sources and settings become the engine's policy.
//!
//! | mode | what holds |
//! |---|---|
//! | `off` | direct; listeners stay, so that switching on restarts nothing |
//! | `manual` | the user's upstream |
//! | `pac` | the script at the address of the settings decides |
//! | `system` | the first source that says something; where none does, direct |
//!
//! What cannot be followed is refused with the reason, never passed over and never dialled directly:
//! only the user chooses "direct".

mod decide;
mod notices;
mod pac;

use std::net::IpAddr;

use proxy_engine::config::{Certificates, Policy, Upstream};
use secrecy::SecretString;

use crate::control::{PolicyView, Problem, Said, SourceView};
use crate::settings::Settings;
use crate::source::{Reading, SourceError, SourceId};
use crate::world::{ContainerNetwork, Relay};

pub use decide::decide;
pub use pac::PacFacts;

/// What a policy follows from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The user's choices.
    pub settings: &'a Settings,
    /// Every source in rank order ([`crate::source::all`]).
    pub sources: &'a [SourceFacts],
    /// The machine's container networks.
    pub networks: &'a [ContainerNetwork],
    /// This machine's addresses by which WSL distros reach the relay
    /// ([`crate::target::distro_addresses`]).
    pub distros: &'a [IpAddr],
    /// The relay's addresses.
    pub relay: Relay,
    /// Why the user's choices are not known; `None` where they are.
    pub unread: Option<&'a Problem>,
    /// What was had from the addresses that [`Decision::pac`] named; of one that was not asked for
    /// yet, nothing.
    pub pac: &'a [PacFacts],
    /// The certificates of the file that the settings name, or why there are none; `None` where
    /// they name none.
    pub certificates: Option<&'a Result<Certificates, String>>,
}

/// What is known of one source.
#[derive(Debug, Clone)]
pub struct SourceFacts {
    /// Which.
    pub source: SourceId,
    /// Its last good reading; `None` where there was never one.
    pub reading: Option<Reading>,
    /// Why it could not be read just now.
    pub error: Option<SourceError>,
}

/// What follows from the facts.
#[derive(Debug, Clone)]
pub struct Decision {
    /// For the engine.
    pub policy: Policy,
    /// For people.
    pub view: PolicyView,
    /// Every source in rank order, for people.
    pub sources: Vec<SourceView>,
    /// The source that is followed; `None` where none says anything, or the mode asks none.
    pub chosen: Option<SourceId>,
    /// Where the default route was said: `prefs.js:12`, `settings.toml: mode`, `https_proxy`; `the
    /// default` where nobody said anything.
    pub origin: Said,
    /// Why the default route is as it is.
    pub cause: Said,
    /// The addresses of PAC scripts that were looked for, in turn: the last one decides, whether its
    /// script is had or not, unless nothing is had from any and what is set beside them holds.
    pub pac: Vec<String>,
    /// Number of bypass entries at the front of [`Policy::bypass`] that came from the source; the
    /// others came from the settings.
    pub bypass_of_source: usize,
    /// Where the others were said.
    pub bypass_origin: Said,
    /// Credentials that the upstreams ask for.
    pub wanted: Vec<WantedCredentials>,
    /// What could not be carried over, and sources that could not be read.
    pub notices: Vec<Problem>,
}

/// Credentials that an upstream of the policy asks for.
#[derive(Debug, Clone)]
pub struct WantedCredentials {
    /// The upstream, with its user.
    pub upstream: Upstream,
    /// The password that stood in the source; `None`: the keychain is asked.
    pub password: Option<SecretString>,
}

impl Decision {
    /// Where rules for single destinations are said.
    pub fn rules_origin(&self) -> Said {
        Said::verbatim("settings.toml: rules")
    }
}

impl WantedCredentials {
    /// Name of the credentials: `user@host:port`.
    pub fn account(&self) -> String {
        let user = self.upstream.user().unwrap_or_default();
        crate::secret::account(user, &self.upstream.authority())
    }
}

impl SourceFacts {
    /// What asking `source` gave; where that failed, its last good reading of `before` stands.
    pub fn read(source: &dyn crate::source::Source, before: Option<&Self>) -> Self {
        let (reading, error) = match source.read() {
            Ok(reading) => (Some(reading), None),
            Err(error) => (
                before.and_then(|before| before.reading.clone()),
                Some(error),
            ),
        };
        Self {
            source: source.id(),
            reading,
            error,
        }
    }
}

#[cfg(test)]
mod tests;
