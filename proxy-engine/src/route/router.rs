//! One policy, ready to answer.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::rules::{Rules, Ruling};
use super::{BypassIndex, Destination, Host, World, is_private};
use crate::config::{DefaultRoute, Policy, Way};
use crate::observe::Changes;
use crate::pac::Pac;
use crate::pac::worker::Program;

/// The answer for one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Dial it ourselves.
    Direct {
        /// The rule that decided.
        reason: String,
    },
    /// The first of these ways that can be had.
    Upstreams {
        /// In order, at least one; [`Way::Direct`] only where the user, or a script that he chose,
        /// says so.
        ways: Arc<[Way]>,
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
    /// This entry of one of the policy's rules.
    Rule(String),
}

impl fmt::Display for DirectRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ThisMachine => f.write_str("this machine"),
            Self::PlainName => f.write_str("a name without a dot"),
            Self::PrivateNetwork => f.write_str("private network"),
            Self::Bypass(entry) => write!(f, "bypass {entry}"),
            Self::Rule(entry) => write!(f, "rule {entry}"),
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
    rules: Rules,
    bypass: BypassIndex,
    /// Of the default route.
    ways: Arc<[Way]>,
    /// Decides where the default route is a script.
    pac: Option<Arc<Pac>>,
}

impl Router {
    /// Compiles the policy. Its script, where it has one, is run by this program.
    pub fn new(policy: Policy) -> Self {
        let pac = match &policy.default {
            DefaultRoute::Pac { script, .. } => {
                let pac = Pac::new(script.clone(), Program::This, Changes::default());
                Some(Arc::new(pac))
            }
            DefaultRoute::Direct
            | DefaultRoute::Upstreams { .. }
            | DefaultRoute::Refused { .. } => None,
        };
        Self::with_pac(policy, pac)
    }

    /// The same, with what runs its script.
    pub(crate) fn with_pac(policy: Policy, pac: Option<Arc<Pac>>) -> Self {
        Self {
            pac,
            rules: Rules::new(&policy.rules),
            bypass: BypassIndex::new(&policy.bypass),
            ways: match &policy.default {
                DefaultRoute::Upstreams { upstreams } => {
                    upstreams.iter().cloned().map(Way::from).collect()
                }
                DefaultRoute::Direct | DefaultRoute::Pac { .. } | DefaultRoute::Refused { .. } => {
                    Arc::default()
                }
            },
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

    /// What runs the policy's script, where it has one.
    pub fn pac(&self) -> Option<&Arc<Pac>> {
        self.pac.as_ref()
    }

    /// The route of what a client of an explicit listener, in this world, named, without asking a
    /// script ([`Router::find`] does).
    pub fn route(&self, to: &Destination, world: World) -> Route {
        self.decided(to, world)
            .unwrap_or_else(|| self.default_route())
    }

    /// The same; `None` where the default route holds.
    pub(super) fn decided(&self, to: &Destination, world: World) -> Option<Route> {
        let ruling = match self.ruling(to) {
            Some(ruling) if ruling.named => return Some(ruling.into()),
            ruling => ruling,
        };
        let decided = match world {
            World::Own => self.direct(to).map(Route::from),
            World::Another => self.decided_for_another_world(to),
        };
        decided.or_else(|| ruling.map(Route::from))
    }

    /// What the rules say about the destination; one that does not name it (`*`) holds only where
    /// nothing else makes it direct.
    pub fn ruling(&self, to: &Destination) -> Option<Ruling> {
        self.rules.about(to)
    }

    /// Why the destination is direct where no rule names it; `None` when it is not.
    pub fn direct(&self, to: &Destination) -> Option<DirectRule> {
        match &to.host {
            Host::Ip(ip) => self.direct_address(SocketAddr::new(*ip, to.port)),
            Host::Name(name) => self.direct_name(name, to.port),
        }
    }

    /// The route of what was on its way to this address, where the address alone makes it direct,
    /// whatever name it turns out to have: not by the bypass list where that leaves names out.
    pub fn direct_by_address(&self, original: SocketAddr, world: World) -> Option<Route> {
        match self.ruling(&original.into()) {
            Some(ruling) if ruling.named => {
                let route = ruling.into();
                return matches!(route, Route::Direct { .. }).then_some(route);
            }
            _ if self.rules.ask_names() => return None,
            _ => {}
        }
        let rule = match world {
            World::Own => self.direct_address(original),
            World::Another => self.direct_from_another_world(original),
        };
        let by_list = matches!(rule, Some(DirectRule::Bypass(_)));
        if by_list && self.bypass.excepts_names() {
            return None;
        }
        rule.map(Route::from)
    }

    /// Why this address is dialled directly; `None` when it is not. A private network that the
    /// bypass list leaves out (`!10.20.0.0/16`) is no other than any: its proxy is said to lead
    /// there. This machine itself always is.
    pub fn direct_address(&self, to: SocketAddr) -> Option<DirectRule> {
        let ip = to.ip().to_canonical();
        let left_out = || !ip.is_loopback() && self.bypass.excepts_address(ip, to.port());
        if is_private(ip) && !left_out() {
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
        let plain = !name.contains('.') && !self.bypass.excepts_name(name, port);
        plain.then_some(DirectRule::PlainName)
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
                ways: Arc::clone(&self.ways),
                reason: if self.policy.cause.is_empty() {
                    "default".into()
                } else {
                    self.policy.cause.clone()
                },
            },
            DefaultRoute::Pac { .. } => Route::Refused {
                reason: "a PAC script decides, and was not asked".into(),
            },
            DefaultRoute::Refused { reason } => Route::Refused {
                reason: reason.clone(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BypassIndex, Route, Router};
    use crate::config::{DefaultRoute, Policy};
    use crate::route::{Destination, World};

    fn route(default: DefaultRoute, to: &str) -> Route {
        let mut policy = Policy::direct("test");
        policy.default = default;
        policy.bypass = "intranet.test,198.51.100.0/24,=only.test"
            .parse()
            .expect("bypass");
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
                ("only.test:443", "bypass =only.test"),
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
    fn private_networks_and_plain_names_that_the_list_leaves_out_go_as_everything_does() {
        let policy = Policy {
            default: upstreams(),
            bypass: "!10.20.0.0/16,!printer,!127.0.0.1,!localhost"
                .parse()
                .expect("bypass"),
            ..Policy::direct("test")
        };
        let router = Router::new(policy);
        for (to, direct) in [
            ("10.20.1.1:443", false),
            ("10.21.1.1:443", true),
            ("printer:80", false),
            ("scanner:80", true),
            // This machine is nobody else's.
            ("127.0.0.1:80", true),
            ("localhost:80", true),
        ] {
            let to = Destination::parse(to, None).expect("destination");
            let route = router.route(&to, World::Own);
            let is_direct = matches!(route, Route::Direct { .. });
            assert_eq!(is_direct, direct, "{to}: {route:?}");
        }
        let none = BypassIndex::new(&"example.org,!*".parse().expect("bypass"));
        assert!(!none.excepts_address("10.0.0.1".parse().expect("address"), 80));
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
        let Route::Upstreams { ways, reason } = route(upstreams(), "example.com:443") else {
            panic!("not an upstream");
        };
        let ways: Vec<_> = ways.iter().map(ToString::to_string).collect();
        assert_eq!(ways, ["http://proxy.test:3128", "http://another.test:8080"]);
        assert_eq!(reason, "test");
    }
}
