//! What lives on when interception comes, changes and goes.

use proxy_engine::control::InterceptionState;
use proxy_engine::intercept::broker::OnLoss;
use testbed::net::ORIGIN;
use testbed::wait_for;

use crate::processes::{self, Role};
use crate::road::{Road, SOON, block, dial, echo, greeting, interception, pods};

#[test]
fn a_killed_holder_leaves_no_rule() {
    let road = Road::new();
    let holder = processes::start(&road, Role::Holder);
    let captured = format!("captured {ORIGIN}:80");
    assert_eq!(greeting(&road.corp.pod, (ORIGIN, 80)), captured);
    assert_eq!(road.holders(), 1);
    holder.kill();
    wait_for("the table to go", std::time::Duration::from_secs(1), || {
        road.tables().is_empty().then_some(())
    })
    .expect("no rule of ours");
    assert_eq!(greeting(&road.corp.pod, (ORIGIN, 80)), "origin");
    let interceptor = road.interceptor();
    block(interceptor.apply(&pods(), road.listen())).expect("a second start");
    assert_eq!(greeting(&road.corp.pod, (ORIGIN, 80)), captured);
}

#[test]
fn running_connections_survive_the_start_every_change_and_the_withdrawal() {
    let road = Road::new();
    let pod = &road.corp.pod;
    // The worst case: nothing else tracks or translates connections in this namespace.
    road.corp.node.sh("nft flush ruleset").expect("nft");
    let port = road.listen();
    let before: Vec<_> = [80, 443, 8080]
        .map(|port| dial(pod, (ORIGIN, port)).expect("direct").0)
        .into();
    let interceptor = road.interceptor();
    block(interceptor.apply(&pods(), port)).expect("rules");
    let (captured, hello) = dial(pod, (ORIGIN, 80)).expect("captured");
    assert_eq!(hello, format!("captured {ORIGIN}:80"));
    for turn in 0..50 {
        let ports = ["80", "all", "80,443", "8080"][turn % 4];
        block(interceptor.apply(&interception("br-pods,x*", ports), port)).expect("rules");
        echo(&captured, "a change").expect("the captured connection");
        for stream in &before {
            echo(stream, "a change").expect("a direct connection");
        }
    }
    block(interceptor.withdraw()).expect("withdrawn");
    assert_eq!(interceptor.state(), InterceptionState::Off);
    assert_eq!(
        greeting(pod, (ORIGIN, 80)),
        "origin",
        "new connections are direct"
    );
    echo(&captured, "withdrawn").expect("the captured connection lives on");
    for stream in &before {
        echo(stream, "withdrawn").expect("a direct connection");
    }
    assert_eq!(road.holders(), 1, "kept for the one that lives");
    drop(captured);
    wait_for("the table to go", 3 * SOON, || {
        road.tables().is_empty().then_some(())
    })
    .expect("nothing is left");
}

/// Counts the resets that pass this namespace, either way.
const COUNT_RESETS: &str = "nft 'table inet resets { counter seen { }; \
     chain out { type filter hook output priority 0; tcp flags rst counter name seen; }; \
     chain in { type filter hook input priority 0; tcp flags rst counter name seen; }; }'";

#[test]
fn a_thousand_running_connections_see_no_reset_at_start_withdrawal_or_the_engines_death() {
    let road = Road::new();
    let pod = &road.corp.pod;
    pod.sh(COUNT_RESETS).expect("a counter");
    let open = |count: usize| -> Vec<_> {
        let ports = [80, 443].into_iter().cycle().take(count);
        ports
            .map(|port| dial(pod, (ORIGIN, port)).expect("a connection").0)
            .collect()
    };
    let all_live = |streams: &[std::net::TcpStream], when: &str| {
        for stream in streams {
            echo(stream, "alive").unwrap_or_else(|error| panic!("{when}: {error}"));
        }
    };
    let direct = open(800);
    let interceptor = road.interceptor();
    block(interceptor.apply(&pods(), road.listen())).expect("rules");
    let captured = open(200);
    all_live(&direct, "after the start");
    block(interceptor.withdraw()).expect("withdrawn");
    all_live(&direct, "after the withdrawal");
    all_live(&captured, "after the withdrawal");
    drop(captured);
    drop(interceptor);

    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("broker.sock");
    let _broker = processes::start(&road, Role::Broker(&socket, 0, OnLoss::Release));
    let engine = processes::start(&road, Role::Engine(&socket));
    all_live(&direct, "after the start through the broker");
    engine.kill();
    wait_for("the release", SOON, || {
        road.tables().is_empty().then_some(())
    })
    .expect("released");
    all_live(&direct, "after the engine's death");
    let counted = pod.sh("nft list counter inet resets seen").expect("nft");
    assert!(counted.contains("packets 0 "), "{counted}");
}

#[test]
fn two_holders_do_not_get_into_each_others_way() {
    let road = Road::new();
    let (one, other) = (road.interceptor(), road.interceptor());
    let port = road.listen();
    block(one.apply(&pods(), port)).expect("rules");
    block(other.apply(&pods(), port)).expect("rules");
    assert_eq!(road.holders(), 2);
    drop(one);
    assert_eq!(road.holders(), 1);
    let captured = format!("captured {ORIGIN}:80");
    assert_eq!(greeting(&road.corp.pod, (ORIGIN, 80)), captured);
}

#[test]
fn a_machine_without_any_address_says_so_and_captures_once_it_has_one() {
    let road = Road::new();
    let node = &road.corp.node;
    node.sh("for i in eth0 road br-pods; do ip addr flush dev $i; done")
        .expect("no address");
    let interceptor = road.interceptor();
    let error = block(interceptor.apply(&pods(), road.listen())).expect_err("nowhere to send");
    assert_eq!(error.problem().code, "no_address");
    assert!(matches!(
        interceptor.state(),
        InterceptionState::Failed { .. }
    ));
    node.ip("addr add 10.244.0.1/24 dev br-pods")
        .expect("an address");
    node.ip("route add 203.0.113.0/24 via 198.51.100.2 dev road onlink")
        .expect("a way out");
    wait_for("capture to begin", SOON, || {
        matches!(interceptor.state(), InterceptionState::On { .. }).then_some(())
    })
    .expect("it begins");
    let captured = format!("captured {ORIGIN}:80");
    assert_eq!(greeting(&road.corp.pod, (ORIGIN, 80)), captured);
}
