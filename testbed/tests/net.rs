//! The corporate network keeps its promises.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use testbed::{Ca, CorpNet, Origin, wait_for};

#[test]
fn names_resolve_from_the_pod_but_nothing_gets_out() {
    let corp = CorpNet::new().unwrap();
    let _origin = Origin::start(&corp, &Ca::new().unwrap()).unwrap();
    for url in [
        "http://web.example.test/hello",
        "http://web6.example.test/hello",
    ] {
        let reached = corp.proxy.exec("curl", &["-sSf", "-m", "5", url]).unwrap();
        assert!(reached.status.success(), "the proxy's host: {reached:?}");
    }
    for host in [&corp.node, &corp.pod] {
        let found = host.sh("getent ahosts web.example.test").unwrap();
        assert!(found.contains("203.0.113.10"), "{found}");
        let direct = host
            .exec("curl", &["-sS", "-m", "5", "http://web.example.test/"])
            .unwrap();
        assert!(!direct.status.success());
        let direct = host
            .exec("curl", &["-sS", "-m", "5", "http://web6.example.test/"])
            .unwrap();
        assert!(!direct.status.success());
    }
}

#[test]
fn the_proxy_reaches_both_sides() {
    let corp = CorpNet::new().unwrap();
    let both = [
        (&corp.node, "10.66.0.10:80"),
        (&corp.node, "[fd66::10]:80"),
        (&corp.inet, "203.0.113.10:80"),
        (&corp.inet, "[2001:db8:113::10]:80"),
    ];
    for (host, address) in both {
        let address: SocketAddr = address.parse().unwrap();
        let listener = host.enter(|| TcpListener::bind(address)).unwrap().unwrap();
        let dialled = || TcpStream::connect_timeout(&address, Duration::from_secs(2));
        corp.proxy.enter(dialled).unwrap().unwrap();
        drop(listener);
    }
}

#[test]
fn a_dropped_network_leaves_no_namespace_and_no_process() {
    let corp = CorpNet::new().unwrap();
    let prefix = corp.inet.name().rsplit_once('-').unwrap().0.to_owned();
    let mut child = corp.pod.spawn("sleep", &["60"]).unwrap();
    drop(corp);
    let left = std::fs::read_dir("/run/netns").unwrap().flatten();
    assert_eq!(
        left.filter(|e| e.file_name().to_string_lossy().starts_with(&prefix))
            .count(),
        0
    );
    wait_for("the pod's process ends", Duration::from_secs(2), || {
        child.ended()
    })
    .unwrap();
}

#[test]
fn a_thread_inside_has_the_addresses_of_the_namespace() {
    let corp = CorpNet::new().unwrap();
    let bound = corp
        .pod
        .enter(|| TcpListener::bind("10.244.0.2:0").map(drop))
        .unwrap();
    assert!(bound.is_ok());
    assert!(TcpListener::bind("10.244.0.2:0").is_err());
}

#[test]
fn what_a_killed_test_left_goes_with_the_next_one() {
    let mut short = std::process::Command::new("true").spawn().unwrap();
    let dead = short.id();
    short.wait().unwrap();
    let name = format!("gw{dead}-0-inet");
    let made = std::process::Command::new("ip")
        .args(["netns", "add", &name])
        .status()
        .unwrap();
    assert!(made.success());
    let _corp = CorpNet::new().unwrap();
    assert!(!std::path::Path::new("/run/netns").join(name).exists());
}
