//! No way leads out of the machine, so that nothing is captured: it is said, as long as it is so.

use proxy_engine::control::InterceptionState;
use proxy_engine::intercept::Interceptor;
use testbed::net::{GATEWAY, GATEWAY_V6, REGISTRY};
use testbed::wait_for;

use crate::road::{Road, SOON, block, greeting, pods};

/// The problem's code; empty where there is none.
fn problem(interceptor: &Interceptor) -> String {
    match interceptor.state() {
        InterceptionState::Failed { problem, .. } => problem.code,
        InterceptionState::On { .. } => String::new(),
        InterceptionState::Off => "off".to_owned(),
    }
}

fn becomes(interceptor: &Interceptor, code: &str) {
    let same = || (problem(interceptor) == code).then_some(());
    wait_for(code, 2 * SOON, same)
        .unwrap_or_else(|late| panic!("{late}: {:?}", interceptor.state()));
}

#[test]
fn without_a_default_route_it_is_said_what_to_do_until_there_is_one() {
    let road = Road::new();
    let (node, pod) = (&road.corp.node, &road.corp.pod);
    let interceptor = road.interceptor();
    let port = road.listen();
    // The road of these tests goes around the proxy; without it, and without a default route, the
    // internet is nowhere.
    node.ip("route del 203.0.113.0/24").expect("no road");
    node.ip("route del default").expect("no way out");
    block(interceptor.apply(&pods(), port)).expect("rules");
    assert_eq!(problem(&interceptor), "no_default_route", "at once");
    assert_eq!(greeting(pod, (REGISTRY, 443)), "NetworkUnreachable");
    let InterceptionState::Failed { problem, .. } = interceptor.state() else {
        panic!("it just said so");
    };
    for word in ["IPv4", "ip route add default", "--ignore-forward"] {
        assert!(problem.message.contains(word), "{}", problem.message);
    }

    node.ip(&format!("route add default via {GATEWAY}"))
        .expect("a way out");
    becomes(&interceptor, "");
    assert_eq!(
        greeting(pod, (REGISTRY, 443)),
        format!("captured {REGISTRY}:443")
    );
    node.ip("route del default").expect("no way out");
    becomes(&interceptor, "no_default_route");

    // Whoever does not ask the FORWARD rules needs no way.
    let mut wanted = pods();
    wanted.ignore_forward = true;
    block(interceptor.apply(&wanted, port)).expect("rules");
    becomes(&interceptor, "");
    // A VPN's, which leaves the default route alone: what is asked for is a way, not its name.
    block(interceptor.apply(&pods(), port)).expect("rules");
    becomes(&interceptor, "no_default_route");
    node.ip(&format!("route add 0.0.0.0/1 via {GATEWAY}"))
        .expect("half a way");
    node.ip(&format!("route add 128.0.0.0/1 via {GATEWAY}"))
        .expect("a way out");
    becomes(&interceptor, "");
}

#[test]
fn ipv6_is_asked_for_a_way_where_it_is_all_that_is_captured() {
    let road = Road::new();
    let node = &road.corp.node;
    let interceptor = road.interceptor();
    let port = road.listen();
    node.ip("-6 route del default").expect("no way out");
    block(interceptor.apply(&pods(), port)).expect("rules");
    // Bridges get IPv6 on machines that have none, and clients go on with IPv4.
    assert_eq!(problem(&interceptor), "");
    node.ip("addr del 10.244.0.1/24 dev br-pods")
        .expect("IPv6 alone");
    becomes(&interceptor, "no_default_route");
    node.ip(&format!("-6 route add default via {GATEWAY_V6}"))
        .expect("a way out");
    becomes(&interceptor, "");
}
