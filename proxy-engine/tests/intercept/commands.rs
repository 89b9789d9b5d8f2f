//! The two commands as units start them: a broker with privilege, an engine without.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testbed::net::ORIGIN;
use testbed::{Child, Netns, wait_for};

use crate::road::{Road, SOON};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_proxy-engine");

/// `nobody` on every system there is.
pub(crate) const NOBODY: &str = "65534";

pub(crate) fn spawn(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    Child::spawn(command).expect("the program")
}

pub(crate) fn start_broker(road: &Road, socket: &Path) -> Child {
    let mut broker = road.corp.node.command(PROGRAM);
    broker.args(["broker", "--engine-uid", NOBODY, "--socket"]);
    let broker = spawn({
        broker.arg(socket);
        broker
    });
    wait_for("the broker's socket", SOON, || {
        socket.exists().then_some(())
    })
    .expect("a broker");
    broker
}

fn start_engine(road: &Road, folder: &Path) -> Child {
    start_engine_as(road, folder, "run")
}

/// With this command.
pub(crate) fn start_engine_as(road: &Road, folder: &Path, what: &str) -> Child {
    let mut engine = road.corp.node.command("setpriv");
    engine.args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}")]);
    engine.args(["--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]);
    engine.args([PROGRAM, what, "--transparent", "0.0.0.0:3183"]);
    engine.args(["--intercept", "br-pods", "--broker"]);
    engine.arg(folder.join("broker.sock"));
    engine.arg("--control").arg(folder.join("engine.sock"));
    spawn(engine)
}

/// What the engine says of itself over its control socket.
pub(crate) fn status(folder: &Path) -> String {
    let answer = Command::new("curl")
        .args(["-s", "--max-time", "3", "--unix-socket"])
        .arg(folder.join("engine.sock"))
        .arg("http://engine/v1/status")
        .output()
        .expect("curl");
    String::from_utf8_lossy(&answer.stdout).into_owned()
}

#[test]
fn an_engine_without_any_capability_serves_what_the_broker_brings_it() {
    let road = Road::new();
    let folder = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::chown(folder.path(), NOBODY.parse().ok(), NOBODY.parse().ok())
        .expect("a folder for the engine");
    let broker = start_broker(&road, &folder.path().join("broker.sock"));
    let engine = start_engine(&road, folder.path());
    let on = || {
        status(folder.path())
            .contains(r#""interception":{"kind":"on""#)
            .then_some(())
    };
    wait_for("interception", 2 * SOON, on).expect("in force");
    let own =
        std::fs::read_to_string(format!("/proc/{}/status", engine.pid())).expect("its status");
    assert!(own.contains("CapPrm:\t0000000000000000"), "{own}");
    assert!(own.contains("Uid:\t65534"), "{own}");
    assert_eq!(
        maker_of_listener(&road, 3183).as_deref(),
        Some("0"),
        "the broker made the listening socket, and passed it on"
    );
    // Not silent, so that the engine need not wait for a request line, and not HTTP either.
    let (_stream, answered) = speak(&road, b"\0\n");
    assert_eq!(answered, "origin");
    assert!(
        status(folder.path()).contains(r#""accepted":1"#),
        "through the engine"
    );

    // The broker restarts: its rules go, and the engine asks the new one for them.
    broker.kill();
    assert!(road.tables().is_empty());
    let _ = std::fs::remove_file(folder.path().join("broker.sock"));
    let _broker = start_broker(&road, &folder.path().join("broker.sock"));
    wait_for("interception by the new broker", 2 * SOON, || {
        (!road.tables().is_empty()).then_some(())
    })
    .expect("in force again");

    engine.kill();
    wait_for("the release", SOON, || {
        road.tables().is_empty().then_some(())
    })
    .expect("released");
    assert_eq!(speak(&road, b"hello").1, "origin", "as if not installed");
}

#[test]
fn an_engine_without_a_broker_sets_up_and_serves_without_any_capability() {
    let road = Road::new();
    let folder = tempfile::tempdir().expect("a folder");
    let mut engine = road.corp.node.command(PROGRAM);
    engine.args(["run", "--transparent", "0.0.0.0:3183"]);
    engine.args(["--intercept", "br-pods", "--control"]);
    engine.arg(folder.path().join("engine.sock"));
    let engine = spawn(engine);
    let on = || {
        status(folder.path())
            .contains(r#""interception":{"kind":"on""#)
            .then_some(())
    };
    wait_for("interception", 2 * SOON, on).expect("in force");
    // Asked over its socket, it serves: whatever it is sent now finds it without privilege.
    for thread in std::fs::read_dir(format!("/proc/{}/task", engine.pid())).expect("threads") {
        let status = thread.expect("a thread").path().join("status");
        let status = std::fs::read_to_string(status).expect("its status");
        for set in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
            assert!(
                status.contains(&format!("{set}:\t0000000000000000")),
                "{status}"
            );
        }
        assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    }
    assert_eq!(speak(&road, b"\0\n").1, "origin");
    assert!(
        status(folder.path()).contains(r#""accepted":1"#),
        "through the engine"
    );
}

/// The user who made the socket that listens on this port: proc(5), `/proc/net/tcp`.
fn maker_of_listener(road: &Road, port: u16) -> Option<String> {
    let table = road.corp.node.exec("cat", &["/proc/net/tcp"]).ok()?;
    let text = String::from_utf8_lossy(&table.stdout).into_owned();
    text.lines().find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let listens = columns.get(3) == Some(&"0A");
        let here = columns.get(1)?.ends_with(&format!(":{port:04X}"));
        (listens && here).then(|| columns.get(7).map(ToString::to_string))?
    })
}

/// A connection of the pod to the origin that says something first, and the answer's first line.
fn speak(road: &Road, first: &[u8]) -> (TcpStream, String) {
    speak_from(&road.corp.pod, (ORIGIN, 80), first)
}

/// The same from anywhere to anywhere.
pub(crate) fn speak_from(
    netns: &Netns,
    to: impl Into<SocketAddr>,
    first: &[u8],
) -> (TcpStream, String) {
    let to = to.into();
    let dialled = netns.enter(|| TcpStream::connect_timeout(&to, SOON));
    let mut stream = dialled.expect("the namespace").expect("a connection");
    stream.set_read_timeout(Some(2 * SOON)).expect("an option");
    stream.write_all(first).expect("sent");
    let mut line = String::new();
    BufReader::new(&stream)
        .read_line(&mut line)
        .expect("an answer");
    (stream, line.trim_end().to_owned())
}

/// Engine and broker, in the order in which they die or come back.
#[derive(Debug, Clone, Copy)]
enum First {
    Engine,
    Broker,
}

#[test]
fn engine_and_broker_die_and_come_back_in_any_order_without_a_leak_or_a_long_gap() {
    let road = Road::new();
    let folder = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::chown(folder.path(), NOBODY.parse().ok(), NOBODY.parse().ok())
        .expect("a folder for the engine");
    let socket = folder.path().join("broker.sock");
    let start = |first: First| {
        // Left behind by a broker that was killed: it would look as if the new one were there.
        let _ = std::fs::remove_file(&socket);
        match first {
            First::Broker => {
                let broker = start_broker(&road, &socket);
                (start_engine(&road, folder.path()), broker)
            }
            First::Engine => {
                let engine = start_engine(&road, folder.path());
                wait_for("an engine that found no broker", 2 * SOON, || {
                    status(folder.path())
                        .contains("broker_unreachable")
                        .then_some(())
                })
                .expect("it says so");
                (engine, start_broker(&road, &socket))
            }
        }
    };
    for dies in [First::Engine, First::Broker] {
        for back in [First::Engine, First::Broker] {
            let (engine, broker) = start(back);
            let both = Instant::now();
            wait_for("interception", 2 * SOON, || {
                status(folder.path())
                    .contains(r#""interception":{"kind":"on""#)
                    .then_some(())
            })
            .expect("in force");
            let gap = both.elapsed();
            assert!(gap < Duration::from_secs(2), "{gap:?} after {back:?} first");
            assert_eq!(speak(&road, b"\0\n").1, "origin");
            assert!(
                status(folder.path()).contains(r#""accepted":1"#),
                "through the engine, {back:?} first"
            );
            match dies {
                First::Engine => {
                    engine.kill();
                    broker.kill();
                }
                First::Broker => {
                    broker.kill();
                    engine.kill();
                }
            }
            assert!(road.tables().is_empty(), "a leak, {dies:?} first");
            assert_eq!(speak(&road, b"hello").1, "origin", "as if not installed");
        }
    }
}
