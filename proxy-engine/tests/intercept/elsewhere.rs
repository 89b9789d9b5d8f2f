//! Rules and listeners in another network namespace than the engine's: that of a cluster's node.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;

use proxy_engine::config::Netns;
use proxy_engine::control::InterceptionState;
use proxy_engine::intercept::broker::OnLoss;
use proxy_engine::intercept::{Families, Interceptor};
use testbed::net::{ORIGIN, ORIGIN_V6};
use testbed::{Recorder, wait_for};

use crate::commands::{spawn, status};
use crate::processes::{self, Role};
use crate::road::{Road, SOON, block, greeting, pods, serve_captured};

const PROGRAM: &str = env!("CARGO_BIN_EXE_proxy-engine");

fn of(netns: &testbed::Netns) -> Netns {
    let path = netns.path().display().to_string();
    path.parse().expect("a network namespace")
}

/// The tables of ours in this namespace that are for both families: one a holder.
fn tables(netns: &testbed::Netns) -> usize {
    let tables = netns.sh("nft list tables").expect("nft");
    tables.matches("table inet gangway-").count()
}

/// Captures in the namespace that the interceptor was told of, for listeners there.
async fn capture(interceptor: &Interceptor) {
    let mut port = 0;
    for any in ["0.0.0.0", "[::]"] {
        let address = format!("{any}:{port}").parse().expect("an address");
        let listener = interceptor
            .open_listener(address, Families::Own)
            .await
            .expect("a listener");
        port = listener.local_addr().expect("bound").port();
        serve_captured(listener);
    }
    interceptor.apply(&pods(), port).await.expect("rules");
}

fn both_captured(road: &Road) {
    let pod = &road.corp.pod;
    let captured = format!("captured {ORIGIN}:443");
    assert_eq!(greeting(pod, (ORIGIN, 443)), captured);
    let captured = format!("captured [{ORIGIN_V6}]:443");
    assert_eq!(greeting(pod, (ORIGIN_V6, 443)), captured);
}

#[test]
fn an_engine_captures_in_the_namespace_that_it_names_and_nowhere_else() {
    let road = Road::new();
    let node = &road.corp.node;
    // A firewall in the node needs no opening either.
    node.sh(
        "iptables -P INPUT DROP; iptables -A INPUT -i lo -j ACCEPT; \
             iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    )
    .expect("a firewall");
    let process = node
        .spawn("sleep", &["1000"])
        .expect("a process in the node");
    for name in [of(node), Netns::Process(process.pid())] {
        wait_for("the process to be in the node", SOON, || {
            let path = format!("/proc/{}/ns/net", process.pid());
            let there = std::fs::metadata(path).ok()?;
            let node = std::fs::metadata(node.path()).ok()?;
            (there.ino() == node.ino()).then_some(())
        })
        .expect("there");
        let interceptor = Interceptor::in_process_in(Some(&name)).expect("a holder");
        block(capture(&interceptor));
        assert_eq!(tables(node), 1);
        both_captured(&road);
        drop(interceptor);
        assert_eq!(tables(node), 0, "gone with the holder");
    }
}

#[test]
fn a_broker_moves_to_the_namespace_that_the_engine_names_and_back() {
    let road = Road::new();
    let (node, pod) = (&road.corp.node, &road.corp.pod);
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("broker.sock");
    let _broker = processes::start(&road, Role::Broker(&socket, 0, OnLoss::Hold));
    let connect = |netns: Option<Netns>| {
        let socket = socket.clone();
        async move { Interceptor::through_broker_in(&socket, netns.as_ref()).await }
    };
    block(async {
        let away = connect(Some(of(pod))).await.expect("a broker");
        capture(&away).await;
        assert_eq!((tables(pod), tables(node)), (1, 0));
        drop(away);
        // The same engine again finds everything as it left it; another one is elsewhere.
        let again = wait_for_broker(|| connect(Some(of(pod)))).await;
        assert!(matches!(again.state(), InterceptionState::On { .. }));
        drop(again);
        let home = wait_for_broker(|| connect(None)).await;
        assert_eq!(home.state(), InterceptionState::Off);
        assert_eq!((tables(pod), tables(node)), (0, 0));
        capture(&home).await;
        assert_eq!((tables(pod), tables(node)), (0, 1));
        both_captured(&road);
        drop(home);
        let absent: Netns = "/run/netns/no-such-namespace".parse().expect("a name");
        let refused = loop {
            match connect(Some(Netns::clone(&absent))).await {
                Err(error) if error.problem().code == "engine_running" => {}
                Err(error) => break error,
                Ok(_) => panic!("it does not exist"),
            }
        };
        assert_eq!(refused.problem().code, "netns_unreachable", "{refused}");
        both_captured(&road);
    });
}

/// Connects once the broker knows that the engine before is gone.
async fn wait_for_broker<F>(connect: impl Fn() -> F) -> Interceptor
where
    F: Future<Output = Result<Interceptor, proxy_engine::intercept::InterceptError>>,
{
    let connected = async {
        loop {
            if let Ok(interceptor) = connect().await {
                return interceptor;
            }
        }
    };
    tokio::time::timeout(SOON, connected).await.expect("free")
}

#[test]
fn a_node_is_served_by_an_engine_and_a_broker_outside_of_it() {
    let road = Road::new();
    let (router, node) = (&road.corp.router, &road.corp.node);
    let upstream = Recorder::start(
        &road.corp.proxy,
        "10.66.0.2:3128".parse().expect("an address"),
    )
    .expect("an upstream");
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("broker.sock");
    let mut broker = router.command(PROGRAM);
    broker
        .args(["broker", "--engine-uid", "0", "--socket"])
        .arg(&socket);
    let _broker = spawn(broker);
    let mut engine = router.command(PROGRAM);
    engine.args([
        "run",
        "--upstream",
        "http://10.66.0.2:3128",
        "--intercept",
        "br-pods",
    ]);
    engine
        .args(["--transparent", "[::]:3183", "--netns"])
        .arg(node.path());
    engine.arg("--broker").arg(&socket);
    engine
        .arg("--control")
        .arg(folder.path().join("engine.sock"));
    let engine = spawn(engine);
    wait_for("interception", 2 * SOON, || {
        status(folder.path())
            .contains(r#""interception":{"kind":"on""#)
            .then_some(())
    })
    .expect("in force");
    assert_eq!((tables(node), tables(router)), (1, 0));
    let dialled = road.corp.pod.enter(|| TcpStream::connect((ORIGIN, 80)));
    let mut stream = dialled.expect("the pod").expect("a connection");
    stream.set_read_timeout(Some(2 * SOON)).expect("an option");
    stream
        .write_all(b"GET /hello HTTP/1.1\r\nHost: web.example.test\r\n\r\n")
        .expect("sent");
    stream.read_exact(&mut [0; 12]).expect("an answer");
    assert_eq!(upstream.lines(), ["GET http://web.example.test/hello"]);
    engine.kill();
    wait_for("the release", SOON, || (tables(node) == 0).then_some(())).expect("released");
    assert_eq!(greeting(&road.corp.pod, (ORIGIN, 80)), "origin");
}
