//! What is captured, and what is left alone.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use proxy_engine::config::Interception;
use socket2::{Domain, Socket, Type};
use testbed::net::{NODE, ORIGIN, ORIGIN_V6, PROXY, REGISTRY};
use testbed::{Netns, wait_for};

use crate::road::{Road, SOON, block, dial, echo, greeting, interception, pods, serve_origin};

#[test]
fn a_pod_is_captured_and_its_destination_remembered_over_both_families() {
    let road = Road::new();
    let pod = &road.corp.pod;
    assert_eq!(greeting(pod, (ORIGIN, 80)), "origin", "before");
    let port = road.listen();
    let interceptor = road.interceptor();
    block(interceptor.apply(&pods(), port)).expect("rules");
    for destination in [
        SocketAddr::from((ORIGIN, 80)),
        SocketAddr::from((ORIGIN, 443)),
        SocketAddr::from((ORIGIN_V6, 80)),
        SocketAddr::from((ORIGIN_V6, 443)),
    ] {
        let captured = format!("captured {destination}");
        assert_eq!(greeting(pod, destination), captured);
        assert_eq!(
            greeting(&road.corp.node, destination),
            "origin",
            "the node itself"
        );
    }
    assert_eq!(greeting(pod, (ORIGIN, 8080)), "origin", "another port");
    block(interceptor.apply(&interception("br-pods", "all"), port)).expect("rules");
    assert_eq!(greeting(pod, (ORIGIN, 8080)), "captured 203.0.113.10:8080");
    block(interceptor.apply(&interception("docker0", "all"), port)).expect("rules");
    assert_eq!(greeting(pod, (ORIGIN, 80)), "origin", "another interface");
    drop(interceptor);
    assert!(road.tables().is_empty());
}

#[test]
fn an_interface_that_appears_later_is_covered() {
    let road = Road::new();
    let port = road.listen();
    let interceptor = road.interceptor();
    block(interceptor.apply(&interception("late-*", "80"), port)).expect("rules");
    assert_eq!(greeting(&road.corp.pod, (ORIGIN, 80)), "origin", "before");
    let node = &road.corp.node;
    node.sh("ip link del br-pods; ip link add late-1 type bridge; \
         ip addr add 10.244.0.1/24 dev late-1; ip addr add fd00:244::1/64 dev late-1 nodad; \
         ip link set late-1 up; ip link set veth-pod master late-1")
        .expect("another bridge");
    for destination in [
        SocketAddr::from((ORIGIN, 80)),
        SocketAddr::from((ORIGIN_V6, 80)),
    ] {
        let captured = format!("captured {destination}");
        wait_for("the new bridge", Duration::from_secs(2), || {
            (greeting(&road.corp.pod, destination) == captured).then_some(())
        })
        .expect("captured");
    }
}

#[test]
fn bridges_whose_networks_adjoin_are_captured_as_others_are() {
    let road = Road::new();
    let port = road.listen();
    let node = &road.corp.node;
    // As Docker numbers its networks; the first and the third make no larger network.
    node.sh("for n in 17 18 19; do ip link add br-$n type bridge; \
         ip addr add 172.$n.0.1/16 dev br-$n; ip link set br-$n up; done")
        .expect("bridges");
    let interceptor = road.interceptor();
    block(interceptor.apply(&interception("br-*", "443"), port)).expect("rules");
    let destination = SocketAddr::from((ORIGIN, 443));
    let captured = format!("captured {destination}");
    assert_eq!(greeting(&road.corp.pod, destination), captured);
}

#[test]
fn an_excepted_bridge_is_not_captured_although_a_pattern_covers_it() {
    let road = Road::new();
    let port = road.listen();
    let interceptor = road.interceptor();
    let mut wanted = interception("br-*", "all");
    block(interceptor.apply(&wanted, port)).expect("rules");
    for destination in [
        SocketAddr::from((ORIGIN, 443)),
        SocketAddr::from((ORIGIN_V6, 443)),
    ] {
        let captured = format!("captured {destination}");
        wanted.exclude = vec!["br-internal".parse().expect("a bridge")];
        block(interceptor.apply(&wanted, port)).expect("rules");
        assert_eq!(greeting(&road.corp.pod, destination), captured);
        for exclude in ["br-pods", "br-p*"] {
            wanted.exclude.push(exclude.parse().expect("a bridge"));
            block(interceptor.apply(&wanted, port)).expect("rules");
            assert_eq!(greeting(&road.corp.pod, destination), "origin", "{exclude}");
            wanted.exclude.pop();
        }
    }
}

#[test]
fn an_interface_that_goes_leaves_nothing_of_it_in_the_rules() {
    let road = Road::new();
    let node = &road.corp.node;
    let interceptor = road.interceptor();
    block(interceptor.apply(&interception("br-*", "80"), road.listen())).expect("rules");
    let rules = || node.sh("nft list ruleset").expect("nft");
    let before = rules();
    node.sh(
        "ip link add br-late type bridge; ip addr add 192.0.2.1/24 dev br-late; \
         ip addr add 2001:db8:2::1/64 dev br-late nodad; ip link set br-late up",
    )
    .expect("a bridge");
    let mentions = |text: &str| text.contains("192.0.2.1") && text.contains("2001:db8:2::/64");
    wait_for("the new bridge", Duration::from_secs(2), || {
        mentions(&rules()).then_some(())
    })
    .expect("its addresses");
    node.sh("ip link del br-late").expect("gone");
    wait_for("its end", Duration::from_secs(2), || {
        (rules() == before).then_some(())
    })
    .expect("as before it");
}

#[test]
fn a_client_of_multipath_tcp_is_captured_and_falls_back_to_one_path() {
    let road = Road::new();
    let interceptor = road.interceptor();
    block(interceptor.apply(&pods(), road.listen())).expect("rules");
    for destination in [
        SocketAddr::from((ORIGIN, 443)),
        SocketAddr::from((ORIGIN_V6, 443)),
    ] {
        let pod = &road.corp.pod;
        let socket = pod.enter(|| {
            let domain = Domain::for_address(destination);
            let mptcp = Some(socket2::Protocol::MPTCP);
            let socket = Socket::new(domain, Type::STREAM, mptcp).expect("a kernel with MPTCP");
            socket.connect_timeout(&destination.into(), SOON)?;
            std::io::Result::Ok(socket)
        });
        let stream = TcpStream::from(socket.expect("the pod").expect("a connection"));
        stream.set_read_timeout(Some(SOON)).expect("an option");
        let mut line = String::new();
        BufReader::with_capacity(1, &stream)
            .read_line(&mut line)
            .expect("a greeting");
        assert_eq!(line.trim_end(), format!("captured {destination}"));
        echo(&stream, "both ways").expect("an echo");
    }
}

#[test]
fn the_machines_own_addresses_and_private_networks_are_left_alone() {
    let road = Road::new();
    let (pod, node) = (&road.corp.pod, &road.corp.node);
    let own = SocketAddr::from(([198, 51, 100, 1], 80));
    serve_origin(node, own);
    serve_origin(node, SocketAddr::from((NODE, 80)));
    serve_origin(&road.corp.proxy, SocketAddr::from((PROXY, 80)));
    let interceptor = road.interceptor();
    block(interceptor.apply(&pods(), road.listen())).expect("rules");
    assert_eq!(greeting(pod, own), "origin", "a public address of the node");
    assert_eq!(
        greeting(pod, (NODE, 80)),
        "origin",
        "a private address of the node"
    );
    assert_eq!(greeting(pod, (PROXY, 80)), "origin", "a private network");

    let late = SocketAddr::from(([203, 0, 113, 99], 80));
    assert_eq!(
        greeting(pod, late),
        format!("captured {late}"),
        "not yet ours"
    );
    node.ip("addr add 203.0.113.99/32 dev lo")
        .expect("an address");
    serve_origin(node, late);
    wait_for("the new address", SOON, || {
        (greeting(pod, late) == "origin").then_some(())
    })
    .expect("left alone");
}

#[test]
fn a_published_port_that_is_translated_first_stays_so() {
    let road = Road::new();
    let interceptor = road.interceptor();
    serve_origin(&road.corp.proxy, SocketAddr::from((PROXY, 443)));
    // As Docker publishes a port and kube-proxy a service: in the hook's usual place.
    let publish = "nft 'table ip services { chain prerouting { type nat hook prerouting priority \
                   dstnat; ip daddr 203.0.113.20 tcp dport 443 dnat to 10.66.0.2; }; }'";
    block(interceptor.apply(&pods(), road.listen())).expect("rules");
    let pod = &road.corp.pod;
    assert_eq!(
        greeting(pod, (REGISTRY, 443)),
        format!("captured {REGISTRY}:443")
    );
    road.corp.node.sh(publish).expect("a service");
    assert_eq!(greeting(pod, (REGISTRY, 443)), "origin");
    assert_eq!(
        greeting(pod, (ORIGIN, 443)),
        format!("captured {ORIGIN}:443")
    );
}

#[test]
fn a_bridge_without_an_address_is_captured_too() {
    let road = Road::new();
    // As Calico does it: no address on the interface, its neighbour answered by proxy ARP.
    road.corp
        .node
        .sh(
            "ip addr flush dev br-pods; echo 1 > /proc/sys/net/ipv4/conf/br-pods/proxy_arp; \
             ip route add 10.244.0.2/32 dev br-pods",
        )
        .expect("a bare bridge");
    road.corp
        .pod
        .sh("ip neigh flush all")
        .expect("a fresh start");
    let interceptor = road.interceptor();
    block(interceptor.apply(&pods(), road.listen())).expect("rules");
    let captured = format!("captured {ORIGIN}:80");
    assert_eq!(greeting(&road.corp.pod, (ORIGIN, 80)), captured);
}

#[test]
fn a_captured_connection_that_ended_does_not_keep_its_port_from_the_next_for_minutes() {
    let road = Road::new();
    let interceptor = road.interceptor();
    block(interceptor.apply(&pods(), road.listen())).expect("rules");
    for (destination, protocol) in [
        (SocketAddr::from((ORIGIN, 443)), "ipv4"),
        (SocketAddr::from((ORIGIN_V6, 443)), "ipv6"),
    ] {
        drop(dial(&road.corp.pod, destination).expect("captured"));
        let list = format!("conntrack -L -f {protocol} -p tcp --dport 443 --state TIME_WAIT");
        let seconds = wait_for("the end of the connection", SOON, || {
            let known = road.corp.node.sh(&list).ok()?;
            let mut columns = known.lines().next()?.split_ascii_whitespace();
            columns.nth(2)?.parse::<u32>().ok()
        });
        // By default it is remembered for 120 s.
        assert!(seconds.expect("remembered") <= 5, "{destination}");
    }
}

/// Says one line and closes: the listener's end is the first to close.
fn close_first(listener: TcpListener) {
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.write_all(b"bye\n");
        }
    });
}

/// Opens a connection from this port of the pod, and waits for its end.
fn to_the_end(pod: &Netns, from: u16, to: SocketAddr) -> std::io::Result<String> {
    let asked = pod.enter(|| {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
        let any = match to {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, from)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, from)),
        };
        socket.bind(&any.into())?;
        socket.connect_timeout(&to.into(), SOON)?;
        let mut said = String::new();
        TcpStream::from(socket).read_to_string(&mut said)?;
        Ok(said)
    });
    asked.expect("the pod")
}

#[test]
fn a_port_that_a_client_uses_again_for_another_destination_is_taken_at_once() {
    let road = Road::new();
    let (pod, node) = (&road.corp.pod, &road.corp.node);
    let retried = || {
        let line = "nstat -asz TcpExtTCPSynRetrans | tail -n 1";
        let counted = pod.sh(line).expect("counters");
        let times = { counted.split_whitespace().nth(1) }.and_then(|times| times.parse().ok());
        times.unwrap_or_else(|| -> u32 { panic!("no counter in {counted}") })
    };
    let interceptor = road.interceptor();
    for ignore_forward in [false, true] {
        let wanted = Interception {
            ignore_forward,
            ..pods()
        };
        block(interceptor.apply(&wanted, road.listen_and(close_first))).expect("rules");
        for origins in [
            ["203.0.113.50:443", "203.0.113.51:443"],
            ["[2001:db8:113::50]:443", "[2001:db8:113::51]:443"],
        ] {
            let [first, second] = origins.map(|origin| origin.parse().expect("an address"));
            // Of a client's clocks, one for each destination, every other one is behind.
            let ports = if ignore_forward { 40_100 } else { 40_000 };
            for port in ports..ports + 12 {
                assert_eq!(to_the_end(pod, port, first).expect("captured"), "bye\n");
                // As if the time for which the kernel remembers it were over.
                let forgotten = node.sh(&format!("conntrack -D -p tcp --orig-port-src {port}"));
                forgotten.expect("remembered until now");
                assert_eq!(to_the_end(pod, port, second).expect("captured"), "bye\n");
            }
            assert_eq!(retried(), 0, "{first}, without FORWARD: {ignore_forward}");
        }
    }
}

#[test]
fn captured_traffic_moves_when_the_address_it_went_to_goes() {
    let road = Road::new();
    let (pod, node) = (&road.corp.pod, &road.corp.node);
    let interceptor = road.interceptor();
    block(interceptor.apply(&pods(), road.listen())).expect("rules");
    let (stream, _) = dial(pod, (ORIGIN, 80)).expect("captured");
    drop(stream);
    node.sh(
        "ip addr add 10.244.0.7/24 dev br-pods; ip addr del 10.244.0.1/24 dev br-pods; \
             ip addr add 10.244.0.7/24 dev br-pods || true",
    )
    .expect("another address");
    pod.ip("route replace default via 10.244.0.7")
        .expect("a route");
    let captured = format!("captured {ORIGIN}:80");
    wait_for("the other address", SOON, || {
        (greeting(pod, (ORIGIN, 80)) == captured).then_some(())
    })
    .expect("captured again");
}

#[test]
fn nobody_reaches_the_transparent_listener_but_by_capture() {
    let road = Road::new();
    let interceptor = road.interceptor();
    let port = road.listen();
    block(interceptor.apply(&pods(), port)).expect("rules");
    let corp = &road.corp;
    for (who, to) in [
        (&corp.pod, IpAddr::from([10, 244, 0, 1])),
        (&corp.pod, "fd00:244::1".parse().expect("an address")),
        (&corp.router, IpAddr::V4(NODE)),
        (&corp.node, IpAddr::from([127, 0, 0, 1])),
    ] {
        assert_eq!(greeting(who, (to, port)), "ConnectionRefused", "{to}");
    }
}

#[test]
fn a_direct_hit_has_no_original_destination_though_the_kernel_tracks_it() {
    // The pods' own NAT makes the kernel track what arrives; no rule of ours sends it anywhere.
    let road = Road::new();
    let port = road.listen();
    for to in [
        IpAddr::from([10, 244, 0, 1]),
        "fd00:244::1".parse().expect("an address"),
    ] {
        assert_eq!(greeting(&road.corp.pod, (to, port)), "direct hit", "{to}");
    }
}
