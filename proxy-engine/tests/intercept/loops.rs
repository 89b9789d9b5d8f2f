//! An upstream that stands behind a captured bridge.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use testbed::Netns;
use testbed::net::{ORIGIN, POD};
use testbed::wait_for;

use crate::commands::{PROGRAM, spawn, speak_from, status};
use crate::road::{Road, SOON};

/// Without a guard there is no end to them.
const ENOUGH: usize = 20;

/// A company's proxy in `netns`; how many tunnels it was asked for.
fn serve_tunnels(netns: &Netns, at: SocketAddr) -> Arc<AtomicUsize> {
    let asked = Arc::new(AtomicUsize::new(0));
    let bound = netns.enter(|| TcpListener::bind(at));
    let listener = bound.expect("the namespace").expect("an address");
    let (dials, counted) = (netns.path(), Arc::clone(&asked));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            if counted.fetch_add(1, Ordering::SeqCst) >= ENOUGH {
                return;
            }
            let namespace = std::fs::File::open(&dials).expect("the namespace");
            thread::spawn(move || {
                let network = Some(rustix::thread::LinkNameSpaceType::Network);
                let fd = std::os::fd::AsFd::as_fd(&namespace);
                rustix::thread::move_into_link_name_space(fd, network).expect("root");
                // A client that is gone is none of the test's.
                let _ = tunnel(&stream);
            });
        }
    });
    asked
}

fn tunnel(client: &TcpStream) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(1, client);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let to = line.split(' ').nth(1).unwrap_or_default().to_owned();
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line)?;
    }
    let origin = TcpStream::connect(to)?;
    (&mut &*client).write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let (mut up, mut down) = (client.try_clone()?, origin.try_clone()?);
    thread::spawn(move || io::copy(&mut up, &mut down));
    io::copy(&mut &origin, &mut &*client).map(drop)
}

#[test]
fn an_upstream_behind_a_captured_bridge_is_not_sent_to_itself() {
    let road = Road::new();
    let (node, pod, client) = (&road.corp.node, &road.corp.pod, &road.corp.router);
    node.sh(&format!(
        "ip link add veth-two type veth peer name pods netns {0}; \
         ip link set veth-two master br-pods up; \
         ip -n {0} addr add 10.244.0.3/24 dev pods; ip -n {0} link set pods up; \
         ip -n {0} route add 203.0.113.0/24 via 10.244.0.1",
        client.name()
    ))
    .expect("a second pod");
    let asked = serve_tunnels(pod, SocketAddr::from((POD, 3128)));
    let folder = tempfile::tempdir().expect("a folder");
    let mut engine = node.command(PROGRAM);
    engine.args(["run", "--upstream", &format!("http://{POD}:3128")]);
    engine.args(["--transparent", "[::]:3183", "--intercept", "br-pods"]);
    engine
        .arg("--control")
        .arg(folder.path().join("engine.sock"));
    let _engine = spawn(engine);
    let on = || {
        status(folder.path())
            .contains(r#""interception":{"kind":"on""#)
            .then_some(())
    };
    wait_for("interception", 2 * SOON, on).expect("in force");
    for turn in 1..4 {
        let (_stream, answered) = speak_from(client, (ORIGIN, 443), b"\0\n");
        assert_eq!(answered, "origin");
        assert_eq!(asked.load(Ordering::SeqCst), turn, "one tunnel each");
    }
}
