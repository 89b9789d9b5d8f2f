//! The decision, pure.

use std::net::SocketAddr;

use proxy_engine::config::{Bypass, DefaultRoute, Interception, Policy};
use proxy_engine::intercept::InterfacePattern;

use super::pac::{self, ByScript};
use super::{Decision, Facts, SourceFacts, WantedCredentials, notices};
use crate::control::{PolicyKind, PolicyView, Problem, Said, SourceView};
use crate::settings::{Mode, Style};
use crate::source::{self, Reading, Says, SourceId};

/// The policy that follows from these facts. Pure: the same facts give the same policy.
pub fn decide(facts: &Facts<'_>) -> Decision {
    let sources: Vec<SourceFacts> = facts
        .sources
        .iter()
        .map(|source| without_loop(of_settings(source, facts), facts))
        .collect();
    let follows = follow(facts, &sources);
    let chosen = follows.reading.map(|reading| reading.source);
    let mut notices = notices::of_sources(&sources, follows.reading, facts.settings.mode);
    if let Some(refused) = &follows.refused {
        notices.insert(0, refused.clone());
    }
    notices.extend(notices::of_settings(facts, &follows.default));
    let source_bypass = match follows.reading.map(|reading| &reading.says) {
        Some(Says::Proxy { bypass, .. }) => bypass.0.as_slice(),
        _ => &[],
    };
    let mut bypass = Bypass(source_bypass.to_vec());
    let mut bypass_of_source = source_bypass.len();
    for rule in &facts.settings.bypass.0 {
        if let Err(error) = bypass.add(rule.clone()) {
            let what = format!("`{rule}` is not followed: {error}");
            let lost = source::Lost::Other(what);
            notices.push(lost.problem(&"settings.toml: bypass"));
            if rule.is_except() {
                // What it leaves out must not go directly because there is no room to say so.
                (bypass, bypass_of_source) = (Bypass::default(), 0);
                break;
            }
        }
    }
    let policy = policy(facts, &follows, bypass);
    Decision {
        view: view(&policy, &follows),
        wanted: wanted(&policy, follows.reading),
        sources: sources.iter().map(|source| shown(source, chosen)).collect(),
        chosen,
        origin: follows.origin,
        cause: follows.cause,
        pac: follows.pac,
        bypass_of_source,
        bypass_origin: Said::verbatim("settings.toml: bypass"),
        notices,
        policy,
    }
}

struct Follows<'a> {
    default: DefaultRoute,
    reading: Option<&'a Reading>,
    origin: Said,
    cause: Said,
    /// Why the default route is refused, where it is, or not what it should be.
    refused: Option<Problem>,
    /// Where scripts were looked for, in turn.
    pac: Vec<String>,
}

impl<'a> Follows<'a> {
    fn direct(cause: &str, origin: Said) -> Self {
        Self {
            default: DefaultRoute::Direct,
            reading: None,
            origin,
            cause: Said::new(cause, &[]),
            refused: None,
            pac: Vec::new(),
        }
    }

    /// The engine tells its clients the reason.
    fn refused(why: Problem, origin: Said) -> Self {
        Self {
            default: DefaultRoute::Refused {
                reason: why.message.clone(),
            },
            reading: None,
            origin,
            cause: why.clone().into(),
            refused: Some(why),
            pac: Vec::new(),
        }
    }

    fn script(by: ByScript, origin: Said) -> Self {
        Self {
            default: by.default,
            reading: None,
            origin,
            cause: by.cause,
            refused: by.problem,
            pac: vec![by.address],
        }
    }

    /// What is set beside a script that is not there. That nothing is detected is no fault: whoever
    /// chooses it beside a proxy is in networks with and without.
    fn beside(by: ByScript, then: Self, otherwise: &Reading) -> Self {
        let problem = match then.refused {
            None if !by.detected => by.problem.map(|why| pac::beside(&why, otherwise)),
            refused => refused,
        };
        let mut pac = vec![by.address];
        pac.extend(then.pac);
        Self {
            refused: problem,
            pac,
            ..then
        }
    }

    fn because_of(self, reading: &'a Reading) -> Self {
        Self {
            reading: Some(reading),
            ..self
        }
    }
}

/// The user's entry is read from the settings at hand, which may be newer than the file's reading.
fn of_settings(source: &SourceFacts, facts: &Facts<'_>) -> SourceFacts {
    let mut source = source.clone();
    if source.source == SourceId::Manual {
        source.reading = Some(source::of_settings(facts.settings));
    }
    source
}

/// A source that names our own relay says nothing: following it would be a loop. The desktop was
/// told to go through Gangway, and so says what Gangway told it.
fn without_loop(mut source: SourceFacts, facts: &Facts<'_>) -> SourceFacts {
    let mut reading = source.reading.as_mut();
    while let Some(next) = reading {
        if let Says::Proxy { upstream, .. } = &next.says
            && facts.relay.is_itself(upstream)
        {
            let origin = Said::new(
                "said_names_gangway",
                &[
                    ("origin", &next.origin),
                    ("authority", &upstream.authority()),
                ],
            );
            *next = Reading::nothing(next.source, origin);
        }
        reading = next.otherwise.as_deref_mut();
    }
    source
}

fn follow<'a>(facts: &Facts<'_>, sources: &'a [SourceFacts]) -> Follows<'a> {
    let of_mode = || Said::verbatim("settings.toml: mode");
    if let Some(problem) = facts.unread {
        // Not even whether there shall be a proxy at all.
        return Follows::refused(problem.clone(), Said::verbatim("settings.toml"));
    }
    match facts.settings.mode {
        Mode::Off if facts.settings.off_until.is_some() => {
            Follows::direct("said_paused", of_mode())
        }
        Mode::Off => Follows::direct("said_switched_off", of_mode()),
        Mode::Pac => match facts.settings.pac.as_deref() {
            Some(url) => Follows::script(pac::by_script(facts, Some(url)), of_mode()),
            None => Follows::refused(
                Problem::new(
                    "refused_no_pac",
                    "mode pac is chosen and the settings name no PAC file: set its address, or choose another mode",
                ),
                of_mode(),
            ),
        },
        Mode::Manual => match speaking(sources, |source| source == SourceId::Manual) {
            Some(reading) => of_reading(facts, reading),
            None => Follows::refused(
                Problem::new(
                    "refused_no_upstream",
                    "mode manual is chosen and the settings name no usable upstream: set one, or choose another mode",
                ),
                of_mode(),
            ),
        },
        Mode::System => match speaking(sources, |source| source != SourceId::Manual) {
            Some(reading) => of_reading(facts, reading),
            None => unknown_or_nothing(sources),
        },
    }
}

/// The first of these sources that says something. One that cannot be read is passed over, and its
/// last good reading stands.
fn speaking(sources: &[SourceFacts], which: impl Fn(SourceId) -> bool) -> Option<&Reading> {
    sources
        .iter()
        .filter(|source| which(source.source))
        .filter_map(|source| source.reading.as_ref())
        .find(|reading| reading.says != Says::Nothing)
}

/// No source says anything: there is no proxy, unless one could not be read.
fn unknown_or_nothing<'a>(sources: &[SourceFacts]) -> Follows<'a> {
    let unread = sources
        .iter()
        .filter(|source| source.source != SourceId::Manual && source.reading.is_none())
        .find_map(|source| source.error.as_ref());
    match unread {
        Some(error) => Follows::refused(
            Problem::new(
                "refused_unknown",
                format!(
                    "whether there is a proxy is not known: {error}; mend it, or choose mode manual or off"
                ),
            )
            .with("reason", error),
            Said::verbatim(&error.origin),
        ),
        // Nobody said it, the settings' file neither: there may be none.
        None => Follows::direct("said_no_proxy_anywhere", Said::new("said_default", &[])),
    }
}

fn of_reading<'a>(facts: &Facts<'_>, reading: &'a Reading) -> Follows<'a> {
    let origin = reading.origin.clone();
    let followed = |default| Follows {
        default,
        reading: Some(reading),
        cause: origin.clone(),
        origin: origin.clone(),
        refused: None,
        pac: Vec::new(),
    };
    match &reading.says {
        Says::Nothing | Says::Direct => followed(DefaultRoute::Direct),
        Says::Proxy { upstream, .. } => {
            let mut upstreams = vec![upstream.clone()];
            if reading.source == SourceId::Manual {
                upstreams.extend(facts.settings.fallbacks.iter().cloned());
            }
            followed(DefaultRoute::Upstreams { upstreams })
        }
        Says::Pac { url } => {
            let by = pac::by_script(facts, url.as_deref());
            let otherwise = reading.otherwise.as_deref();
            match otherwise.filter(|otherwise| otherwise.says != Says::Nothing) {
                Some(otherwise) if by.is_not_there => {
                    Follows::beside(by, of_reading(facts, otherwise), otherwise)
                }
                Some(_) | None => Follows::script(by, origin).because_of(reading),
            }
        }
        Says::Unusable { proxy, reason } => Follows::refused(
            Problem::new(
                "refused_unusable",
                format!(
                    "{}: {proxy}: {reason}; choose mode manual or off",
                    reading.origin
                ),
            )
            .with("origin", &reading.origin)
            .with("proxy", proxy)
            .with("reason", reason),
            origin,
        )
        .because_of(reading),
    }
}

fn policy(facts: &Facts<'_>, follows: &Follows<'_>, bypass: Bypass) -> Policy {
    let settings = facts.settings;
    let relay = settings.style == Style::Relay;
    let served = facts.networks.iter().filter(|network| !network.internal);
    let mut clients = settings.relay.clients.clone();
    for subnet in served.clone().flat_map(|network| &network.subnets) {
        if relay && !clients.contains(subnet) {
            clients.push(*subnet);
        }
    }
    let rules = match settings.mode {
        Mode::Off => Vec::new(),
        Mode::System | Mode::Manual | Mode::Pac => settings.rules.clone(),
    };
    let (mut interfaces, mut exclude) = (Vec::new(), Vec::new());
    // Where everything is direct there is nothing to bring here: traffic flows as if not installed.
    let needed = follows.default != DefaultRoute::Direct || !rules.is_empty();
    if relay && needed && settings.intercept.enabled {
        interfaces.clone_from(&settings.intercept.interfaces);
        let bridges = served.filter_map(|network| network.interface.parse().ok());
        for bridge in bridges.filter(|bridge| matches!(bridge, InterfacePattern::Exact(_))) {
            if !interfaces.contains(&bridge) {
                interfaces.push(bridge);
            }
        }
        // An internal network shall have no way out, whatever pattern its bridge happens to match.
        let internal = facts.networks.iter().filter(|network| network.internal);
        exclude.extend(internal.filter_map(|network| network.interface.parse().ok()));
        exclude.retain(|bridge| matches!(bridge, InterfacePattern::Exact(_)));
    }
    Policy {
        default: follows.default.clone(),
        rules,
        tickets: settings.tickets.clone(),
        certificates: match facts.certificates {
            Some(Ok(certificates)) => Some(certificates.clone()),
            Some(Err(_)) | None => None,
        },
        bypass,
        listen: if relay {
            let containers = facts.relay.containers.into_iter();
            let addresses = containers.chain(facts.distros.iter().copied());
            addresses
                .map(|ip| SocketAddr::new(ip, facts.relay.port))
                .collect()
        } else {
            Vec::new()
        },
        clients,
        intercept: Interception {
            interfaces,
            exclude,
            ports: settings.intercept.ports.clone(),
            ignore_forward: false,
        },
        cause: follows.cause.english.clone(),
    }
}

fn view(policy: &Policy, follows: &Follows<'_>) -> PolicyView {
    PolicyView {
        kind: match &policy.default {
            DefaultRoute::Direct => PolicyKind::Direct,
            DefaultRoute::Upstreams { .. } => PolicyKind::Upstreams,
            DefaultRoute::Pac { .. } => PolicyKind::Pac,
            DefaultRoute::Refused { .. } => PolicyKind::Refused,
        },
        upstreams: policy.upstreams().iter().map(ToString::to_string).collect(),
        bypass: policy.bypass.0.iter().map(ToString::to_string).collect(),
        cause: follows.cause.clone(),
    }
}

fn wanted(policy: &Policy, reading: Option<&Reading>) -> Vec<WantedCredentials> {
    policy
        .upstreams()
        .into_iter()
        .filter(|upstream| upstream.user().is_some())
        .map(|upstream| WantedCredentials {
            upstream: upstream.clone(),
            // The source's password is for the source's proxy, and for none that a rule names.
            password: reading
                .filter(|reading| reading.says.names(upstream))
                .and_then(|reading| reading.password.clone()),
        })
        .collect()
}

fn shown(source: &SourceFacts, chosen: Option<SourceId>) -> SourceView {
    let (origin, says) = match &source.reading {
        Some(reading) => (reading.origin.clone(), reading.said()),
        None => (
            source
                .error
                .as_ref()
                .map_or_else(Said::default, |error| Said::verbatim(&error.origin)),
            Said::new("said_not_known", &[]),
        ),
    };
    SourceView {
        source: source.source,
        chosen: chosen == Some(source.source),
        origin,
        says,
        error: source.error.as_ref().map(ToString::to_string),
    }
}
