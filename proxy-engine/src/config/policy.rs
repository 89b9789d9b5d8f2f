//! What decides where connections go. Made by the control plane, swapped whole, never edited.

use std::net::SocketAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Authority, Bypass, Certificates, EngineAddress, Ports, Rule, Upstream, Way};
use crate::intercept::InterfacePattern;
use crate::pac::Script;

/// Which destination goes where. It holds names of credentials, never their values, so that it may
/// lie on disk and be shown.
///
/// A connection sees one policy from start to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// What holds for every destination that [`Policy::rules`] and [`Policy::bypass`] do not name.
    pub default: DefaultRoute,
    /// Destinations that go a way of their own: the first rule that names one decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// Upstreams that are shown the Kerberos ticket of the user that the engine runs as, where they
    /// ask for one: those that the user named, whoever else names an upstream.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tickets: Vec<Authority>,
    /// Certificates that upstreams may prove themselves by, beside those that the system trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<Certificates>,
    /// Destinations that are dialled directly, beside the private ranges.
    #[serde(default)]
    pub bypass: Bypass,
    /// Explicit listeners beside those of the configuration (the containers' address).
    #[serde(default)]
    pub listen: Vec<SocketAddr>,
    /// Networks whose clients an explicit listener serves, beside loopback.
    #[serde(default)]
    pub clients: Vec<IpNet>,
    /// What is brought here although it knows no proxy.
    #[serde(default)]
    pub intercept: Interception,
    /// Why this policy came to be, for logs and people: `firefox: prefs.js`, `off`, …
    #[serde(default)]
    pub cause: String,
}

/// The route of a destination that no bypass entry names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum DefaultRoute {
    /// There is no proxy here (home, or switched off): everything is dialled directly.
    Direct,
    /// Upstreams, tried in order.
    Upstreams {
        /// At least one.
        upstreams: Vec<Upstream>,
    },
    /// A PAC script decides, for each URL.
    Pac {
        /// The script.
        script: Script,
        /// What holds where it gives no answer: it throws, it loops, it answers nonsense.
        #[serde(default)]
        unavailable: Unavailable,
        /// The user's name at proxies that the script may answer: what it names is a host and a
        /// port, and credentials go nowhere else.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        logins: Vec<Upstream>,
    },
    /// There should be a proxy, but none is known: refused, with the reason shown to the client.
    Refused {
        /// One sentence for people.
        reason: String,
    },
}

/// What holds where a PAC script gives no answer, or cannot be had.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Unavailable {
    /// Connections are refused.
    #[default]
    Block,
    /// They are dialled directly.
    Direct,
}

/// Which traffic is intercepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interception {
    /// Interfaces on which traffic arrives: bridges of containers and pods. Empty: nothing is
    /// intercepted.
    #[serde(default)]
    pub interfaces: Vec<InterfacePattern>,
    /// Interfaces that are left alone although [`Interception::interfaces`] names them: the bridges
    /// of Docker's internal networks, which a `br-*` would cover and which have no way out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<InterfacePattern>,
    /// TCP destination ports.
    #[serde(default)]
    pub ports: Ports,
    /// Capture traffic where it arrives, also what the machine's FORWARD rules (`DOCKER-USER`,
    /// network policies) would refuse, or what has no route. Otherwise they are asked first:
    /// what they refuse stays refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_forward: bool,
}

impl Policy {
    /// Everything direct, nothing intercepted: what an engine does that was never told anything.
    pub fn direct(cause: impl Into<String>) -> Self {
        Self {
            default: DefaultRoute::Direct,
            rules: Vec::new(),
            tickets: Vec::new(),
            certificates: None,
            bypass: Bypass::default(),
            listen: Vec::new(),
            clients: Vec::new(),
            intercept: Interception::default(),
            cause: cause.into(),
        }
    }

    /// Every decision is that of the engine at `engine`: should one be asked for here, it is
    /// refused.
    pub fn decided_by(engine: &EngineAddress) -> Self {
        let reason = format!("the engine at {engine} decides");
        Self {
            default: DefaultRoute::Refused { reason },
            ..Self::direct(format!("decided by the engine at {engine}"))
        }
    }

    /// The same, with a line in the place of a PAC script and without certificates: what is shown
    /// often should be short.
    #[must_use]
    pub fn without_texts(&self) -> Self {
        let mut policy = self.clone();
        if let DefaultRoute::Pac { script, .. } = &mut policy.default {
            *script = script.summary();
        }
        policy.certificates = None;
        policy
    }

    /// Every upstream that it names, once: those of the default route in their order, then those of
    /// the rules. A script's are known when it has named them.
    pub fn upstreams(&self) -> Vec<&Upstream> {
        let of_default = match &self.default {
            DefaultRoute::Upstreams { upstreams } => upstreams.as_slice(),
            DefaultRoute::Pac { logins, .. } => logins,
            DefaultRoute::Direct | DefaultRoute::Refused { .. } => &[],
        };
        let of_rules = self.rules.iter().flat_map(|rule| &rule.ways);
        let all = of_default.iter().chain(of_rules.filter_map(Way::upstream));
        let mut once = Vec::new();
        for upstream in all {
            if !once.contains(&upstream) {
                once.push(upstream);
            }
        }
        once
    }

    /// Whether this upstream may be told who asks: credentials stand behind it.
    pub fn logs_in_to(&self, upstream: &Upstream) -> bool {
        let authority = upstream.authority();
        upstream.user().is_some() || self.tickets.iter().any(|a| a.as_str() == authority)
    }
}
