//! Destinations of clients of another world, where other addresses are private.

use std::net::SocketAddr;

use super::router::DirectRule;
use super::{Destination, Host, Route, Router, Ruling, is_inner};

/// Whose `localhost`, short names and private networks a client means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// Those of this engine.
    Own,
    /// Those of a chained engine: the same words mean other machines there. Nothing private is
    /// dialled from here but what the bypass list names.
    Another,
}

impl Router {
    /// The entry of the bypass list that names the destination; `*` and `<local>` name nobody. A
    /// rule that dials it directly names it as well.
    pub fn named(&self, to: &Destination) -> Option<DirectRule> {
        let ruling = self.ruling(to).filter(|ruling| ruling.named);
        if let Some(ruling) = ruling.filter(Ruling::may_be_direct) {
            return Some(DirectRule::Rule(ruling.entry));
        }
        let rule = match &to.host {
            Host::Ip(ip) => self.bypass().named_address(*ip, to.port),
            Host::Name(name) => self.bypass().named_name(name, to.port),
        };
        rule.map(DirectRule::Bypass)
    }

    /// The route of what a client of another world named, where no rule of the policy names it and
    /// it is not its default route.
    pub(super) fn decided_for_another_world(&self, to: &Destination) -> Option<Route> {
        if let Some(rule) = self.named(to) {
            return Some(rule.into());
        }
        let is_of_that_world = match &to.host {
            Host::Ip(ip) => is_inner(*ip),
            Host::Name(name) => is_short(name),
        };
        if is_of_that_world {
            return Some(refused(to));
        }
        self.by_any(to).map(Route::from)
    }

    /// Where the address alone makes a connection from another world direct: why.
    pub fn direct_from_another_world(&self, original: SocketAddr) -> Option<DirectRule> {
        let rule = self.named(&original.into());
        let any = || self.by_any(&original.into());
        rule.or_else(|| (!is_inner(original.ip())).then(any)?)
    }

    /// Any entry, `*` among them.
    fn by_any(&self, to: &Destination) -> Option<DirectRule> {
        let rule = match &to.host {
            Host::Ip(ip) => self.bypass().address(*ip, to.port),
            Host::Name(name) => self.bypass().name(name, to.port),
        };
        rule.map(DirectRule::Bypass)
    }
}

/// `localhost`, and names of one label.
fn is_short(name: &str) -> bool {
    !name.contains('.') || name.ends_with(".localhost")
}

/// It is private to the world of the client.
pub(super) fn refused(to: &Destination) -> Route {
    Route::Refused {
        reason: format!(
            "{to} is private to the world of the client, and means something else here; where it \
             means the same, name it in the bypass list of this engine"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::World;
    use crate::config::{DefaultRoute, Policy};
    use crate::pac::Purpose;
    use crate::route::{Destination, Route, Router, route_original};

    fn router(default: DefaultRoute, bypass: &str) -> Router {
        Router::new(Policy {
            default,
            bypass: bypass.parse().expect("bypass"),
            ..Policy::direct("test")
        })
    }

    fn upstream() -> DefaultRoute {
        DefaultRoute::Upstreams {
            upstreams: vec!["http://proxy.test:3128".parse().expect("upstream")],
        }
    }

    fn route(router: &Router, to: &str) -> Route {
        let to = Destination::parse(to, None).expect("destination");
        router.route(&to, World::Another)
    }

    const PRIVATE: [&str; 8] = [
        "10.244.0.9:443",
        "127.0.0.1:80",
        "169.254.169.254:80",
        "[fd00::1]:443",
        "[64:ff9b::10.0.0.1]:443",
        "localhost:80",
        "x.localhost:80",
        "printer:80",
    ];

    #[test]
    fn what_is_private_to_another_world_is_refused_under_every_policy() {
        for default in [upstream(), DefaultRoute::Direct] {
            for bypass in ["", "*", "<local>", "other.test,192.0.2.0/24"] {
                for to in PRIVATE {
                    let route = route(&router(default.clone(), bypass), to);
                    assert!(matches!(route, Route::Refused { .. }), "{bypass:?}, {to}");
                }
            }
        }
    }

    #[test]
    fn what_the_bypass_list_names_is_direct() {
        let router = router(upstream(), "*,10.244.0.0/16,printer,.corp.test");
        for to in ["10.244.0.9:443", "printer:80", "a.corp.test:443"] {
            assert!(matches!(route(&router, to), Route::Direct { .. }), "{to}");
        }
    }

    #[test]
    fn everything_else_goes_as_it_does_for_this_world() {
        for to in ["203.0.113.9:443", "web.test:443"] {
            let through = route(&router(upstream(), ""), to);
            assert!(matches!(through, Route::Upstreams { .. }), "{to}");
            let all = route(&router(upstream(), "*"), to);
            assert!(matches!(all, Route::Direct { .. }), "{to}");
            let left_out = route(&router(upstream(), "*,!web.test,!203.0.113.9"), to);
            assert!(matches!(left_out, Route::Upstreams { .. }), "{to}");
        }
    }

    #[tokio::test]
    async fn a_name_opens_no_way_to_an_original_address_of_another_world() {
        // `localhost` is this machine's, by our own resolution too; its own address is not.
        let router = router(upstream(), "localhost");
        for (original, refused) in [("10.244.0.9:443", true), ("203.0.113.9:443", false)] {
            let original = original.parse().expect("address");
            let name = Some("localhost");
            let route =
                route_original(&router, original, name, Purpose::Tunnel, World::Another).await;
            assert_eq!(matches!(route, Route::Refused { .. }), refused, "{route:?}");
            assert!(!matches!(route, Route::Direct { .. }), "{route:?}");
        }
    }

    #[tokio::test]
    async fn an_original_address_is_direct_where_the_bypass_list_names_it_or_its_own_name() {
        for (bypass, name) in [("127.0.0.0/8", None), ("localhost", Some("localhost"))] {
            let original = "127.0.0.1:443".parse().expect("address");
            let router = router(upstream(), bypass);
            let route =
                route_original(&router, original, name, Purpose::Tunnel, World::Another).await;
            assert!(matches!(route, Route::Direct { .. }), "{bypass}: {route:?}");
        }
    }
}
