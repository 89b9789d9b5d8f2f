//! Beside Docker's rules and kube-proxy's, as they are on real machines: nothing that is theirs is
//! captured, and everything that leaves the machine is.

use std::net::{Ipv6Addr, SocketAddr};

use testbed::net::{ORIGIN, ORIGIN_V6};

use crate::road::{Road, block, greeting, pods, serve_origin};

/// The node's own address on the road to the internet.
const OUTSIDE: [u8; 4] = [198, 51, 100, 1];
/// A second pod on the bridge: by its private addresses, and by public ones, as many IPv6 networks
/// of containers have.
const NEIGHBOURS: [&str; 4] = ["10.244.0.3", "192.0.2.3", "fd00:244::3", "2001:db8:2::3"];
/// Addresses of a cluster service, outside every private range.
const SERVICE: [u8; 4] = [203, 0, 113, 77];
const SERVICE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x113, 0, 0, 0, 0, 0x77);

/// As Docker 26 writes them for a container that publishes 443 (`userland-proxy` off, so that its
/// own neighbours come back to it by the host's address), and kube-proxy for a service
/// (`masqueradeAll`, without which answers between pods of one bridge need `br_netfilter`).
const RULES: &str = "
    -t nat -N DOCKER
    -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
    -t nat -A OUTPUT -m addrtype --dst-type LOCAL -j DOCKER
    -t nat -A DOCKER -p tcp -m tcp --dport 443 -j DNAT --to-destination POD:443
    -t nat -A POSTROUTING -s NET ! -o br-pods -j MASQUERADE
    -t nat -A POSTROUTING -o br-pods -m addrtype --src-type LOCAL -j MASQUERADE
    -t nat -A POSTROUTING -s NET -d POD -p tcp -m tcp --dport 443 -j MASQUERADE
    -t nat -N KUBE-SERVICES
    -t nat -N KUBE-MARK-MASQ
    -t nat -N KUBE-SEP
    -t nat -A PREROUTING -m comment --comment service_portals -j KUBE-SERVICES
    -t nat -A OUTPUT -m comment --comment service_portals -j KUBE-SERVICES
    -t nat -A KUBE-SERVICES -d SERVICE -p tcp -m tcp --dport 443 -j KUBE-SEP
    -t nat -A KUBE-SEP -j KUBE-MARK-MASQ
    -t nat -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
    -t nat -A KUBE-SEP -p tcp -m tcp -j DNAT --to-destination POD:443
    -t nat -A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE
    -N DOCKER-USER
    -N DOCKER
    -P FORWARD DROP
    -A FORWARD -j DOCKER-USER
    -A FORWARD -o br-pods -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    -A FORWARD -o br-pods -j DOCKER
    -A FORWARD -i br-pods ! -o br-pods -j ACCEPT
    -A FORWARD -i br-pods -o br-pods -j ACCEPT
    -A DOCKER -d POD ! -i br-pods -o br-pods -p tcp -m tcp --dport 443 -j ACCEPT
    -A DOCKER-USER -j RETURN
";

/// A road with a second pod (in the proxy's namespace, which has nothing else to do here), with
/// Docker's and kube-proxy's rules, and bridges that hand frames to the firewall or not.
fn crowded(bridges_call_the_firewall: bool) -> Road {
    let road = Road::new();
    let (node, second) = (&road.corp.node, &road.corp.proxy);
    node.sh(&format!(
        "ip link add veth-two type veth peer name pods netns {}; \
         ip link set veth-two master br-pods up; ip link set veth-two type bridge_slave hairpin on; \
         ip link set veth-pod type bridge_slave hairpin on; \
         ip addr add 192.0.2.1/24 dev br-pods; ip addr add 2001:db8:2::1/64 dev br-pods nodad; \
         for f in ip ip6; do \
         echo {} > /proc/sys/net/bridge/bridge-nf-call-${{f}}tables; done",
        second.name(),
        u8::from(bridges_call_the_firewall),
    ))
    .expect("a second pod");
    for (pod, number) in [(second, 3), (&road.corp.pod, 2)] {
        let interface = if number == 3 { "pods" } else { "eth0" };
        pod.sh(&format!(
            "ip link set {interface} up; ip addr add 192.0.2.{number}/24 dev {interface}; \
             ip addr add 2001:db8:2::{number}/64 dev {interface} nodad"
        ))
        .expect("public addresses");
    }
    second
        .sh(
            "ip addr add 10.244.0.3/24 dev pods; ip addr add fd00:244::3/64 dev pods nodad; \
             ip route add 198.51.100.0/24 via 10.244.0.1",
        )
        .expect("private addresses");
    for neighbour in NEIGHBOURS {
        serve_origin(
            second,
            SocketAddr::new(neighbour.parse().expect("an address"), 443),
        );
    }
    for (command, pod, net, service) in [
        ("iptables", "10.244.0.3", "10.244.0.0/24", "203.0.113.77"),
        (
            "ip6tables",
            "fd00:244::3",
            "fd00:244::/64",
            "2001:db8:113::77",
        ),
    ] {
        let translated = match command {
            "iptables" => format!("{pod}:443"),
            _ => format!("[{pod}]:443"),
        };
        let rules = RULES
            .replace("POD:443", &translated)
            .replace("POD", pod)
            .replace("NET", net)
            .replace("SERVICE ", &format!("{service} "));
        let lines = rules.lines().map(str::trim).filter(|line| !line.is_empty());
        let script: Vec<String> = lines.map(|line| format!("{command} {line}")).collect();
        node.sh(&script.join("\n")).expect("rules of others");
    }
    road
}

fn nothing_of_others_is_captured(bridges_call_the_firewall: bool) {
    let road = crowded(bridges_call_the_firewall);
    let (node, pod, inet) = (&road.corp.node, &road.corp.pod, &road.corp.inet);
    serve_origin(node, SocketAddr::from((OUTSIDE, 80)));
    let interceptor = road.interceptor();
    block(interceptor.apply(&pods(), road.listen())).expect("rules");
    for destination in [
        SocketAddr::from((ORIGIN, 80)),
        SocketAddr::from((ORIGIN, 443)),
        SocketAddr::from((ORIGIN_V6, 443)),
    ] {
        let captured = format!("captured {destination}");
        assert_eq!(greeting(pod, destination), captured, "what leaves");
        assert_eq!(greeting(node, destination), "origin", "the node itself");
    }
    for neighbour in NEIGHBOURS {
        let to = SocketAddr::new(neighbour.parse().expect("an address"), 443);
        assert_eq!(greeting(pod, to), "origin", "the next pod, {to}");
    }
    let service = SocketAddr::from((SERVICE, 443));
    assert_eq!(greeting(pod, service), "origin", "a service");
    let service = SocketAddr::from((SERVICE_V6, 443));
    assert_eq!(greeting(pod, service), "origin", "a service");
    let published = SocketAddr::from((OUTSIDE, 443));
    assert_eq!(greeting(pod, published), "origin", "a published port");
    assert_eq!(
        greeting(&road.corp.proxy, published),
        "origin",
        "the publisher by its own published port"
    );
    assert_eq!(
        greeting(inet, published),
        "origin",
        "published, from outside"
    );
    let own = SocketAddr::from((OUTSIDE, 80));
    assert_eq!(greeting(inet, own), "origin", "the host's own port");
    assert_eq!(
        greeting(pod, own),
        "origin",
        "the host's own port, from a pod"
    );
}

#[test]
fn neighbours_services_and_published_ports_are_never_captured_where_bridges_call_the_firewall() {
    nothing_of_others_is_captured(true);
}

#[test]
fn neighbours_services_and_published_ports_are_never_captured_where_bridges_do_not() {
    nothing_of_others_is_captured(false);
}
