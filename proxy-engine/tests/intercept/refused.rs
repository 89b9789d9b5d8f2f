//! What the machine's own firewall refuses, and what it has nothing to say about.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use proxy_engine::control::InterceptionState;
use testbed::net::{ORIGIN, ORIGIN_V6, POD, REGISTRY};
use testbed::wait_for;

use crate::road::{Road, SOON, block, greeting, pods};

/// Drops what comes in, as ufw and firewalld do, but for loopback, known connections, and the
/// neighbour discovery that IPv6 cannot do without.
const DROP_INPUT: &str = "
    iptables -P INPUT DROP
    iptables -A INPUT -i lo -j ACCEPT
    iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    iptables -A INPUT -m conntrack --ctstate INVALID -j DROP
    ip6tables -P INPUT DROP
    ip6tables -A INPUT -i lo -j ACCEPT
    ip6tables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    ip6tables -A INPUT -p ipv6-icmp -j ACCEPT
";

/// Docker's own way out for a bridge.
const MASQUERADE: &str = "
    iptables -t nat -A POSTROUTING -s 10.244.0.0/24 ! -o br-pods -j MASQUERADE
    ip6tables -t nat -A POSTROUTING -s fd00:244::/64 ! -o br-pods -j MASQUERADE
";

/// A client that had to send its opening segment twice would take a second.
const AT_ONCE: Duration = Duration::from_millis(900);

fn both() -> [SocketAddr; 2] {
    [(IpAddr::V4(ORIGIN), 443), (IpAddr::V6(ORIGIN_V6), 443)].map(SocketAddr::from)
}

#[test]
fn what_a_forward_rule_refuses_stays_refused_and_the_rest_is_captured_at_once() {
    let road = Road::new();
    let (node, pod) = (&road.corp.node, &road.corp.pod);
    let interceptor = road.interceptor();
    let port = road.listen();
    block(interceptor.apply(&pods(), port)).expect("rules");
    let captured = |destination: SocketAddr| {
        let start = Instant::now();
        let captured = format!("captured {destination}");
        assert_eq!(greeting(pod, destination), captured);
        assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    };
    both().into_iter().for_each(captured);
    for rules in [
        // By a user, in the chain that Docker keeps for it.
        "$T -N DOCKER-USER; $T -I FORWARD -j DOCKER-USER; \
         $T -A DOCKER-USER -i br-pods -p tcp --dport 443 -j REJECT --reject-with tcp-reset",
        // A pod's policy, as kube-router writes it: what no rule marks is refused.
        "$T -N POD-FW; $T -I FORWARD -i br-pods -j POD-FW; \
         $T -A POD-FW -p tcp --dport 80 -j MARK --set-xmark 0x20000/0x20000; \
         $T -A POD-FW -m mark ! --mark 0x20000/0x20000 -p tcp -j REJECT --reject-with tcp-reset",
    ] {
        let add = format!("for T in iptables ip6tables; do {rules}; done");
        node.sh(&add).expect("rules of the machine");
        for destination in both() {
            assert_eq!(greeting(pod, destination), "ConnectionRefused", "{rules}");
            captured(SocketAddr::new(destination.ip(), 80));
        }
        node.sh("for T in iptables ip6tables; do $T -F; $T -X; done")
            .expect("no rules");
        both().into_iter().for_each(captured);
    }
    // As kindnet enforces policies: on the way out.
    node.sh(
        "nft 'table inet policies { chain p { type filter hook postrouting priority srcnat - 5; \
         iifname br-pods tcp dport 443 drop; }; }'",
    )
    .expect("rules of the machine");
    for destination in both() {
        assert_eq!(greeting(pod, destination), "TimedOut");
    }
    let mut wanted = pods();
    wanted.ignore_forward = true;
    block(interceptor.apply(&wanted, port)).expect("rules");
    both().into_iter().for_each(captured);
    block(interceptor.apply(&pods(), port)).expect("rules");
    node.sh("nft delete table inet policies").expect("no rules");
    both().into_iter().for_each(captured);
}

#[test]
fn what_has_no_route_is_not_captured() {
    let road = Road::new();
    let (node, pod) = (&road.corp.node, &road.corp.pod);
    let interceptor = road.interceptor();
    block(interceptor.apply(&pods(), road.listen())).expect("rules");
    node.ip("route add unreachable 203.0.113.20/32")
        .expect("no way");
    assert_eq!(greeting(pod, (REGISTRY, 443)), "HostUnreachable");
    let captured = format!("captured {ORIGIN}:443");
    assert_eq!(greeting(pod, (ORIGIN, 443)), captured);
}

#[test]
fn a_host_firewall_that_drops_what_comes_in_needs_no_opening_and_is_not_touched() {
    let road = Road::new();
    let (node, pod) = (&road.corp.node, &road.corp.pod);
    node.sh(DROP_INPUT).expect("a firewall");
    node.sh(MASQUERADE).expect("a way out");
    node.sh("echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter")
        .expect("a strict kernel");
    let firewall = || {
        node.sh("iptables-save; ip6tables-save; nft list table inet pods")
            .expect("the firewall")
            .lines()
            // The time of day, and packets seen.
            .filter(|line| !line.starts_with(['#', ':']))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let before = firewall();
    let interceptor = road.interceptor();
    block(interceptor.apply(&pods(), road.listen())).expect("rules");
    for destination in both() {
        let captured = format!("captured {destination}");
        assert_eq!(greeting(pod, destination), captured);
    }
    block(interceptor.withdraw()).expect("withdrawn");
    assert_eq!(firewall(), before);
}

#[test]
fn a_firewall_that_drops_captured_connections_is_reported_until_it_lets_them_in() {
    let road = Road::new();
    let node = &road.corp.node;
    let interceptor = road.interceptor();
    let mut wanted = pods();
    wanted.ignore_forward = true;
    block(interceptor.apply(&wanted, road.listen())).expect("rules");
    let captured = format!("captured {ORIGIN}:443");
    assert_eq!(greeting(&road.corp.pod, (ORIGIN, 443)), captured);
    node.sh("iptables -A INPUT -i br-pods -p tcp -j DROP")
        .expect("a firewall");
    for _ in 0..3 {
        assert_eq!(greeting(&road.corp.pod, (ORIGIN, 443)), "TimedOut");
    }
    let problem = wait_for("word of it", 2 * SOON, || match interceptor.state() {
        InterceptionState::Failed { problem, .. } => Some(problem),
        _ => None,
    })
    .expect("told");
    assert_eq!(problem.code, "handshakes_dropped");
    assert!(problem.message.contains("ct status dnat"), "{problem:?}");
    node.sh("iptables -I INPUT -i br-pods -p tcp -m conntrack --ctstate DNAT -j ACCEPT")
        .expect("an opening, as it is said");
    assert_eq!(greeting(&road.corp.pod, (ORIGIN, 443)), captured);
    wait_for("the good news", 2 * SOON, || {
        matches!(interceptor.state(), InterceptionState::On { .. }).then_some(())
    })
    .expect("told");
}

#[test]
fn a_captured_client_keeps_its_address_whatever_others_would_make_of_it() {
    let road = Road::new();
    road.corp.node.sh(MASQUERADE).expect("a way out");
    let bound = road.corp.node.enter(|| TcpListener::bind("[::]:3183"));
    let listener = bound.expect("the node").expect("a port");
    thread::spawn(move || {
        use std::io::Write as _;
        for mut stream in listener.incoming().map_while(Result::ok) {
            let peer = stream.peer_addr().expect("a client").ip().to_canonical();
            // A client that is gone was told enough.
            let _ = writeln!(stream, "{peer}");
        }
    });
    let interceptor = road.interceptor();
    block(interceptor.apply(&pods(), 3183)).expect("rules");
    for (destination, client) in both()
        .into_iter()
        .zip([POD.to_string(), "fd00:244::2".into()])
    {
        assert_eq!(greeting(&road.corp.pod, destination), client);
    }
}
