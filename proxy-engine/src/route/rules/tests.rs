use crate::config::{DefaultRoute, Policy};
use crate::pac::Purpose;
use crate::route::{Destination, Route, Router, World, route_original};

fn router(rules: &[&str], bypass: &str) -> Router {
    Router::new(Policy {
        default: DefaultRoute::Upstreams {
            upstreams: vec!["http://usual.test:3128".parse().expect("upstream")],
        },
        rules: { rules.iter() }
            .map(|rule| rule.parse().expect("rule"))
            .collect(),
        bypass: bypass.parse().expect("bypass"),
        ..Policy::direct("test")
    })
}

/// `direct`, `refused`, or the ways with commas.
fn shown(route: Route) -> String {
    match route {
        Route::Direct { .. } => "direct".into(),
        Route::Refused { .. } => "refused".into(),
        Route::Upstreams { ways, .. } => {
            let ways: Vec<String> = ways.iter().map(ToString::to_string).collect();
            ways.join(",")
        }
    }
}

fn route(router: &Router, to: &str, world: World) -> String {
    let to = Destination::parse(to, None).expect("destination");
    shown(router.route(&to, world))
}

const USUAL: &str = "http://usual.test:3128";

#[test]
fn the_first_rule_that_names_a_destination_decides() {
    let rules = [
        "registry.example.com=http://other.test:8080",
        "example.com:8443,203.0.113.0/24=socks5h://socks.test:1080,direct",
        "=b.example.com,*d.example.com=http://alone.test:1",
        ".example.com,!left.example.com=direct",
        "example.com=http://never.test:1",
    ];
    let router = router(&rules, "");
    for (to, way) in [
        ("registry.example.com:443", "http://other.test:8080"),
        ("a.registry.example.com:443", "http://other.test:8080"),
        ("example.com:8443", "socks5h://socks.test:1080,direct"),
        ("203.0.113.9:443", "socks5h://socks.test:1080,direct"),
        ("b.example.com:443", "http://alone.test:1"),
        ("a.b.example.com:443", "direct"),
        ("cd.example.com:443", "http://alone.test:1"),
        ("left.example.com:443", "http://never.test:1"),
        ("www.example.com:443", "direct"),
        ("example.com:443", "http://never.test:1"),
        ("example.org:443", USUAL),
    ] {
        for world in [World::Own, World::Another] {
            assert_eq!(route(&router, to, world), way, "{to}");
        }
    }
}

#[test]
fn a_rule_that_names_a_destination_holds_before_the_bypass_list_and_a_star_behind_it() {
    let rules = [
        "10.1.2.3,printer,a.corp.test=http://other.test:8080",
        "*=http://rest.test:1",
    ];
    let router = router(&rules, ".corp.test");
    for (to, own, another) in [
        (
            "10.1.2.3:443",
            "http://other.test:8080",
            "http://other.test:8080",
        ),
        (
            "printer:80",
            "http://other.test:8080",
            "http://other.test:8080",
        ),
        (
            "a.corp.test:443",
            "http://other.test:8080",
            "http://other.test:8080",
        ),
        ("b.corp.test:443", "direct", "direct"),
        ("10.1.2.4:443", "direct", "refused"),
        ("localhost:80", "direct", "refused"),
        (
            "example.org:443",
            "http://rest.test:1",
            "http://rest.test:1",
        ),
    ] {
        assert_eq!(route(&router, to, World::Own), own, "{to}");
        assert_eq!(route(&router, to, World::Another), another, "{to}");
    }
}

#[tokio::test]
async fn a_name_that_is_not_of_the_original_address_makes_nothing_direct() {
    let rules = [
        "a.test=direct",
        "b.test=http://other.test:8080,direct",
        "localhost=http://local.test:1",
        "198.51.100.7=direct",
    ];
    let router = router(&rules, "192.0.2.0/24");
    for (original, name, way) in [
        // Nobody says that these names are of this address.
        ("203.0.113.9:443", Some("a.test"), USUAL),
        ("203.0.113.9:443", Some("b.test"), "http://other.test:8080"),
        ("192.0.2.9:443", Some("b.test"), "direct"),
        ("127.0.0.1:443", Some("b.test"), "direct"),
        // This one is, by our own resolution.
        ("127.0.0.1:443", Some("localhost"), "http://local.test:1"),
        ("198.51.100.7:443", Some("b.test"), "direct"),
        ("198.51.100.7:443", None, "direct"),
    ] {
        let original = original.parse().expect("address");
        let route = route_original(&router, original, name, Purpose::Tunnel, World::Own).await;
        assert_eq!(shown(route), way, "{original} {name:?}");
    }
}

#[test]
fn a_direct_address_waits_for_a_name_only_where_a_rule_could_name_it() {
    let private = "10.1.2.3:443".parse().expect("address");
    for (rules, decides) in [
        (&[][..], true),
        (&["203.0.113.0/24=http://other.test:1", "*=direct"], true),
        (&["10.1.2.3=direct", "a.test=http://other.test:1"], true),
        (&["a.test=http://other.test:1"], false),
        (&["10.1.2.3=http://other.test:1"], false),
    ] {
        let router = router(rules, "");
        let direct = router.direct_by_address(private, World::Own);
        assert_eq!(direct.is_some(), decides, "{rules:?}");
    }
}
