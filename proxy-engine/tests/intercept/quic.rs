//! UDP to 443: clients of QUIC are told at once to use TCP.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use testbed::Netns;
use testbed::net::{ORIGIN, ORIGIN_V6, PROXY};

use crate::road::{Road, SOON, block, interception, pods};

fn serve_echo(netns: &Netns, address: SocketAddr) {
    let socket = netns
        .enter(|| UdpSocket::bind(address))
        .expect("the namespace")
        .expect("an address");
    thread::spawn(move || {
        let mut datagram = [0; 64];
        while let Ok((read, from)) = socket.recv_from(&mut datagram) {
            // A client that gave up is none of the test's.
            let _ = socket.send_to(&datagram[..read], from);
        }
    });
}

/// Sends a datagram and waits for the answer; how long that took.
fn ask(netns: &Netns, address: SocketAddr) -> io::Result<Duration> {
    let any: IpAddr = if address.is_ipv4() {
        [0; 4].into()
    } else {
        [0_u8; 16].into()
    };
    let socket = netns
        .enter(|| UdpSocket::bind((any, 0)))
        .expect("the namespace")?;
    socket.set_read_timeout(Some(SOON))?;
    socket.connect(address)?;
    let start = Instant::now();
    socket.send(b"hello")?;
    socket.recv(&mut [0; 64])?;
    Ok(start.elapsed())
}

#[test]
fn quic_is_refused_at_once_and_other_udp_passes() {
    let road = Road::new();
    let (pod, inet) = (&road.corp.pod, &road.corp.inet);
    let targets = [IpAddr::V4(ORIGIN), IpAddr::V6(ORIGIN_V6)];
    for ip in targets {
        serve_echo(inet, SocketAddr::new(ip, 443));
        serve_echo(inet, SocketAddr::new(ip, 4433));
        ask(pod, SocketAddr::new(ip, 443)).expect("before");
    }
    let private = SocketAddr::from((PROXY, 443));
    serve_echo(&road.corp.proxy, private);
    let port = road.listen();
    let interceptor = road.interceptor();
    block(interceptor.apply(&pods(), port)).expect("rules");
    for ip in targets {
        let refused = || {
            let start = Instant::now();
            let refused = ask(pod, SocketAddr::new(ip, 443)).expect_err("QUIC");
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused, "{ip}");
            start.elapsed()
        };
        // The best of three (the kernel sends a host few refusals a second): a busy machine may take
        // the processor from one of them.
        let took = (0..3).map(|_| refused()).min().expect("three");
        assert!(took < Duration::from_millis(5), "at once, not {took:?}");
        ask(pod, SocketAddr::new(ip, 4433)).expect("other UDP");
    }
    let mut bypassed = interception("br-*", "80,443");
    bypassed.exclude = vec!["br-pods".parse().expect("a bridge")];
    block(interceptor.apply(&bypassed, port)).expect("rules");
    for ip in targets {
        ask(pod, SocketAddr::new(ip, 443)).expect("a source that is not captured");
    }
    block(interceptor.apply(&pods(), port)).expect("rules");
    ask(pod, private).expect("a private network");
    block(interceptor.apply(&interception("br-pods", "80"), port)).expect("rules");
    ask(pod, SocketAddr::from((ORIGIN, 443))).expect("TCP to 443 is not captured either");
    block(interceptor.apply(&pods(), port)).expect("rules");
    block(interceptor.withdraw()).expect("withdrawn");
    ask(pod, SocketAddr::from((ORIGIN, 443))).expect("after");
}
