//! One policy, ready to answer.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::{BypassIndex, Destination, Host, World, is_private};
use crate::config::{DefaultRoute, Policy, Upstream};

/// The answer for one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Dial it ourselves.
    Direct {
        /// The rule that decided.
        reason: String,
    },
    /// Through the first of these that can be reached.
    Upstreams {
        /// In order, at least one.
        upstreams: Arc<[Upstream]>,
        /// The rule that decided.
        reason: String,
    },
    /// Not at all.
    Refused {
        /// One sentence for people.
        reason: String,
    },
}

/// Why a destination is dialled directly whatever the default route is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectRule {
    /// `localhost` and what is below it (RFC 6761, section 6.3).
    ThisMachine,
    /// A name of one label: nobody's outside.
    PlainName,
    /// See [`is_private`].
    PrivateNetwork,
    /// This entry of the policy's bypass list.
    Bypass(String),
}

impl fmt::Display for DirectRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ThisMachine => f.write_str("this machine"),
            Self::PlainName => f.write_str("a name without a dot"),
            Self::PrivateNetwork => f.write_str("private network"),
            Self::Bypass(rule) => write!(f, "bypass {rule}"),
        }
    }
}

impl From<DirectRule> for Route {
    fn from(rule: DirectRule) -> Self {
        Self::Direct {
            reason: rule.to_string(),
        }
    }
}

/// A compiled policy. Connections hold it from start to end, so that each sees one policy.
#[derive(Debug)]
pub struct Router {
    policy: Policy,
    bypass: BypassIndex,
    upstreams: Arc<[Upstream]>,
}

impl Router {
    /// Compiles the policy.
    pub fn new(policy: Policy) -> Self {
        Self {
            bypass: BypassIndex::new(&policy.bypass),
            upstreams: policy.upstreams().into(),
            policy,
        }
    }

    /// What was compiled.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Networks whose clients the explicit listeners serve.
    pub fn clients(&self) -> &[IpNet] {
        &self.policy.clients
    }

    pub(super) fn bypass(&self) -> &BypassIndex {
        &self.bypass
    }

    /// The route of what a client of an explicit listener, in this world, named.
    pub fn route(&self, to: &Destination, world: World) -> Route {
        if world == World::Another {
            return self.route_from_another_world(to);
        }
        let direct = match &to.host {
            Host::Ip(ip) => self.direct_address(SocketAddr::new(*ip, to.port)),
            Host::Name(name) => self.direct_name(name, to.port),
        };
        direct.map_or_else(|| self.default_route(), Route::from)
    }

    /// Why this address is dialled directly whatever its name is; `None` when it is not.
    pub fn direct_address(&self, to: SocketAddr) -> Option<DirectRule> {
        if is_private(to.ip()) {
            return Some(DirectRule::PrivateNetwork);
        }
        let rule = self.bypass.address(to.ip(), to.port());
        rule.map(DirectRule::Bypass)
    }

    /// Why this name is dialled directly; `None` when it is not. On intercepted connections it
    /// counts only once our own resolution of the name contains the original address.
    pub fn direct_name(&self, name: &str, port: u16) -> Option<DirectRule> {
        if name == "localhost" || name.ends_with(".localhost") {
            return Some(DirectRule::ThisMachine);
        }
        if let Some(rule) = self.bypass.name(name, port) {
            return Some(DirectRule::Bypass(rule));
        }
        (!name.contains('.')).then_some(DirectRule::PlainName)
    }

    /// The route of what no rule names.
    pub fn default_route(&self) -> Route {
        match &self.policy.default {
            DefaultRoute::Direct => Route::Direct {
                reason: "no proxy is set".into(),
            },
            DefaultRoute::Upstreams { upstreams } if upstreams.is_empty() => Route::Refused {
                reason: "the policy names no upstream".into(),
            },
            DefaultRoute::Upstreams { .. } => Route::Upstreams {
                upstreams: Arc::clone(&self.upstreams),
                reason: if self.policy.cause.is_empty() {
                    "default".into()
                } else {
                    self.policy.cause.clone()
                },
            },
            DefaultRoute::Refused { reason } => Route::Refused {
                reason: reason.clone(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Route, Router};
    use crate::config::{DefaultRoute, Policy, Upstream};
    use crate::route::{Destination, World};

    fn route(default: DefaultRoute, to: &str) -> Route {
        let mut policy = Policy::direct("test");
        policy.default = default;
        policy.bypass = "intranet.test,198.51.100.0/24".parse().expect("bypass");
        let to = Destination::parse(to, None).expect("destination");
        Router::new(policy).route(&to, World::Own)
    }

    fn upstreams() -> DefaultRoute {
        DefaultRoute::Upstreams {
            upstreams: ["http://proxy.test:3128", "http://another.test:8080"]
                .map(|url| url.parse().expect("upstream"))
                .into(),
        }
    }

    #[test]
    fn private_and_bypassed_destinations_are_direct_under_every_policy() {
        let refused = DefaultRoute::Refused {
            reason: "none known".into(),
        };
        for default in [upstreams(), DefaultRoute::Direct, refused] {
            for (to, why) in [
                ("10.0.0.1:443", "private network"),
                ("198.51.100.9:443", "bypass 198.51.100.0/24"),
                ("a.intranet.test:443", "bypass intranet.test"),
                ("localhost:80", "this machine"),
                ("x.localhost:80", "this machine"),
                ("printer:80", "a name without a dot"),
            ] {
                let reason = why.to_owned();
                assert_eq!(route(default.clone(), to), Route::Direct { reason }, "{to}");
            }
        }
    }

    #[test]
    fn a_refused_default_never_turns_into_direct() {
        let refused = || DefaultRoute::Refused {
            reason: "none known".into(),
        };
        for to in ["example.com:443", "203.0.113.1:80"] {
            assert!(
                matches!(route(refused(), to), Route::Refused { .. }),
                "{to}"
            );
        }
        let none = DefaultRoute::Upstreams {
            upstreams: Vec::new(),
        };
        assert!(matches!(
            route(none, "example.com:443"),
            Route::Refused { .. }
        ));
    }

    #[test]
    fn everything_else_goes_to_the_upstreams_in_order() {
        let Route::Upstreams { upstreams, reason } = route(upstreams(), "example.com:443") else {
            panic!("not an upstream");
        };
        let hosts: Vec<_> = upstreams.iter().map(Upstream::host).collect();
        assert_eq!(hosts, ["proxy.test", "another.test"]);
        assert_eq!(reason, "test");
    }
}
