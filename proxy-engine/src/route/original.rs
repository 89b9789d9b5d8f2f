//! Routes of intercepted connections: the original address decides, never a name alone.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::world::refused;
use super::{Destination, DirectRule, Host, Route, Router, World, is_inner};
use crate::config::Way;
use crate::dial::resolve;
use crate::pac::Purpose;

/// How long our own resolution of a name may take before it counts for nothing.
const RESOLVE: Duration = Duration::from_secs(2);

/// What our own resolution says about a name and an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belongs {
    /// The name resolves to the address, among others.
    Yes,
    /// The name resolves, but not to the address.
    No,
    /// The name does not resolve here, or not in time.
    Unknown,
}

/// Whether the address is one of the name's, as we resolve it.
pub async fn belongs(name: &str, ip: IpAddr) -> Belongs {
    let host = Host::Name(name.to_owned());
    match tokio::time::timeout(RESOLVE, resolve(&host, 0)).await {
        Ok(Ok(addrs)) if addrs.iter().any(|addr| addr.ip() == ip.to_canonical()) => Belongs::Yes,
        Ok(Ok(addrs)) if !addrs.is_empty() => Belongs::No,
        Ok(_) | Err(_) => Belongs::Unknown,
    }
}

/// The route of what was on its way to `original` and says that it wants `name`. The name may
/// make it direct only where our own resolution of the name contains the address: else a client
/// could name an internal host to be let through, or come in (CVE-2009-0801). The address is one
/// of `world`.
pub async fn route_original(
    router: &Router,
    original: SocketAddr,
    name: Option<&str>,
    purpose: Purpose<'_>,
    world: World,
) -> Route {
    let address = Destination::from(original);
    let by_address = match router.ruling(&address) {
        Some(ruling) if ruling.named => return ruling.into(),
        other => other,
    };
    // What the list leaves out by its name goes through the proxy, whatever it says of the address;
    // a client that only says that name gains nothing by it.
    let name_left_out =
        name.is_some_and(|name| router.bypass().excepts_name(name, original.port()));
    let direct = match world {
        World::Own => router.direct_address(original),
        World::Another => router.direct_from_another_world(original),
    };
    let direct = direct.filter(|rule| !(name_left_out && matches!(rule, DirectRule::Bypass(_))));
    let address_left_out = router
        .bypass()
        .excepts_address(original.ip(), original.port());
    let named = name.map(|name| Destination {
        host: Host::Name(name.to_owned()),
        port: original.port(),
    });
    if let (Some(name), Some(named)) = (name, &named)
        && let Some(ruling) = router.ruling(named).filter(|ruling| ruling.named)
    {
        // Which proxy it is may be chosen by a name; whether it is one may not.
        let through = direct.is_none() && !(world == World::Another && is_inner(original.ip()));
        let harmless = through && !ruling.may_be_direct();
        if harmless || belongs(name, original.ip()).await == Belongs::Yes {
            return ruling.into();
        }
        if through && let Some(ruling) = ruling.through_upstreams() {
            return ruling.into();
        }
    }
    if let Some(rule) = direct {
        return rule.into();
    }
    let by_name = named.as_ref().and_then(|named| match world {
        World::Own => router.direct(named),
        World::Another => router.named(named),
    });
    let by_name = by_name.filter(|_| !address_left_out);
    if let (Some(name), Some(rule)) = (name, by_name) {
        if belongs(name, original.ip()).await == Belongs::Yes {
            return rule.into();
        }
        tracing::info!(%original, name, "the name would go directly, but is not of this address");
    }
    match world {
        World::Another if is_inner(original.ip()) => refused(&address),
        World::Another | World::Own => match by_address {
            Some(ruling) => ruling.into(),
            None => by_default(router, original, named.as_ref(), purpose).await,
        },
    }
}

/// The default route. Which proxy a script answers may depend on a name; whether it answers one may
/// not: where a name that is not of the address would go directly, the address is shown alone.
async fn by_default(
    router: &Router,
    original: SocketAddr,
    named: Option<&Destination>,
    purpose: Purpose<'_>,
) -> Route {
    let address = Destination::from(original);
    let Some(named) = named else {
        return router.find_default(&address, purpose).await;
    };
    let route = router.find_default(named, purpose).await;
    let may_be_direct = router.pac().is_some()
        && match &route {
            Route::Direct { .. } => true,
            Route::Upstreams { ways, .. } => ways.contains(&Way::Direct),
            Route::Refused { .. } => false,
        };
    let is_its_own = async |name| belongs(name, original.ip()).await == Belongs::Yes;
    match named.name() {
        Some(name) if may_be_direct && !is_its_own(name).await => {
            tracing::info!(%original, name, "the name might go directly, but is not of this address");
            router.find_default(&address, purpose).await
        }
        _ => route,
    }
}

#[cfg(test)]
mod tests {
    use super::{Belongs, belongs, route_original};
    use crate::config::{DefaultRoute, Policy};
    use crate::pac::Purpose;
    use crate::route::{Route, Router, World};

    fn router(bypass: &str) -> Router {
        let mut policy = Policy::direct("test");
        policy.default = DefaultRoute::Upstreams {
            upstreams: vec!["http://proxy.test:3128".parse().expect("upstream")],
        };
        policy.bypass = bypass.parse().expect("bypass");
        Router::new(policy)
    }

    #[tokio::test]
    async fn a_bypassed_name_does_not_open_a_way_to_a_foreign_address() {
        // `localhost` resolves everywhere, and not to this address.
        let original = "203.0.113.9:443".parse().expect("address");
        let route = route_original(
            &router("localhost"),
            original,
            Some("localhost"),
            Purpose::Tunnel,
            World::Own,
        )
        .await;
        assert!(matches!(route, Route::Upstreams { .. }));
    }

    #[tokio::test]
    async fn a_bypassed_address_is_direct_whatever_the_name_says() {
        let original = "198.51.100.7:443".parse().expect("address");
        let router = router("198.51.100.0/24");
        let route = route_original(
            &router,
            original,
            Some("evil.test"),
            Purpose::Tunnel,
            World::Own,
        )
        .await;
        assert!(matches!(route, Route::Direct { .. }));
    }

    #[tokio::test]
    async fn what_the_list_leaves_out_goes_through_the_proxy_by_its_name_and_by_its_address() {
        for (bypass, original, name, direct) in [
            ("*,!corp.test", "203.0.113.9:443", "a.corp.test", false),
            ("*,!corp.test", "203.0.113.9:443", "other.test", true),
            ("203.0.113.0/24,!a.test", "203.0.113.9:443", "a.test", false),
            ("203.0.113.0/24,!a.test", "203.0.113.9:443", "b.test", true),
            // It resolves to this address, which is left out.
            ("localhost,!127.0.0.1", "127.0.0.1:443", "localhost", true),
            ("*,!203.0.113.0/24", "203.0.113.9:443", "localhost", false),
        ] {
            let original = original.parse().expect("address");
            let router = router(bypass);
            if bypass.contains("test") {
                // Before the name is known nothing is decided.
                assert_eq!(router.direct_by_address(original, World::Own), None);
            }
            let route =
                route_original(&router, original, Some(name), Purpose::Tunnel, World::Own).await;
            let is_direct = matches!(route, Route::Direct { .. });
            assert_eq!(is_direct, direct, "{bypass}, {name}: {route:?}");
        }
        let original = "203.0.113.9:443".parse().expect("address");
        for world in [World::Own, World::Another] {
            let router = router("*,!corp.test");
            let route =
                route_original(&router, original, Some("corp.test"), Purpose::Tunnel, world).await;
            assert!(matches!(route, Route::Upstreams { .. }), "{route:?}");
        }
    }

    #[tokio::test]
    async fn a_name_belongs_to_the_addresses_it_resolves_to() {
        let local = "127.0.0.1".parse().expect("address");
        assert_eq!(belongs("localhost", local).await, Belongs::Yes);
        let foreign = "203.0.113.9".parse().expect("address");
        assert_eq!(belongs("localhost", foreign).await, Belongs::No);
    }
}
