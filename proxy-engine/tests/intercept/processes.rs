//! This test program started again as something that can be killed.

use std::env;
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use proxy_engine::intercept::broker::{self, BrokerOptions, EngineUser, OnLoss};
use proxy_engine::intercept::{Families, Interceptor, drop_capabilities};
use testbed::Child;

use crate::road::{Road, SOON, block, pods, serve_captured};

const ROLE: &str = "GANGWAY_TEST_ROLE";

/// What the other process says when its rules are in force.
const READY: &str = "ready";
/// And when it has found that it has no capability left.
const GIVEN_UP: &str = "given up";

/// What the other process is.
#[derive(Clone, Copy)]
pub(crate) enum Role<'a> {
    /// Holds the rules for `br-pods` and serves what it captures.
    Holder,
    /// The same through the broker at this socket.
    Engine(&'a Path),
    /// A broker for the user with this number.
    Broker(&'a Path, u32, OnLoss),
    /// A holder that gives its capabilities up.
    Alone,
}

/// Starts it in the node, and returns once it says that it is ready.
pub(crate) fn start(road: &Road, role: Role<'_>) -> Child {
    let order = match role {
        Role::Holder => "holder".to_owned(),
        Role::Alone => "alone".to_owned(),
        Role::Engine(path) => format!("engine {}", path.display()),
        Role::Broker(path, uid, loss) => return start_broker(road, path, uid, loss, None),
    };
    let mut command = road.corp.node.command(this_program());
    command
        .args(ARGUMENTS)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .env(ROLE, order);
    // Its last word: what it said later would find nobody who listens, and end it.
    let word = match role {
        Role::Alone => GIVEN_UP,
        Role::Holder | Role::Engine(_) | Role::Broker(..) => READY,
    };
    let mut child = Child::spawn(command).expect("another process");
    let output = BufReader::new(child.stdout().expect("piped"));
    let ready = output
        .lines()
        .map_while(Result::ok)
        .any(|line| line.ends_with(word));
    assert!(ready, "the other process ended before it was ready");
    child
}

/// Starts a broker, which tells `$NOTIFY_SOCKET` when it is ready. With `passed`, that socket is
/// handed over as systemd does it.
pub(crate) fn start_broker(
    road: &Road,
    path: &Path,
    uid: u32,
    on_loss: OnLoss,
    passed: Option<OwnedFd>,
) -> Child {
    // `serve` wants SIGTERM blocked in every thread; those of the test harness come before it.
    let mut command = road.corp.node.command("env");
    command.args(["--block-signal=TERM", "sh", "-c"]);
    command.arg(match passed {
        None => "exec \"$0\" \"$@\"",
        Some(_) => "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"",
    });
    let folder = tempfile::tempdir().expect("a folder");
    let notify = UnixDatagram::bind(folder.path().join("notify")).expect("a socket");
    notify.set_read_timeout(Some(SOON)).expect("an option");
    command
        .arg(this_program())
        .args(ARGUMENTS)
        .stdin(passed.map_or_else(Stdio::null, Stdio::from))
        .stdout(Stdio::null())
        .env("NOTIFY_SOCKET", folder.path().join("notify"))
        .env(ROLE, format!("broker {} {uid} {on_loss:?}", path.display()));
    let child = Child::spawn(command).expect("a broker");
    let mut word = [0; 64];
    let length = notify.recv(&mut word).expect("a broker that is ready");
    assert_eq!(&word[..length], b"READY=1");
    child
}

const ARGUMENTS: [&str; 3] = ["processes::another_process", "--exact", "--nocapture"];

fn this_program() -> PathBuf {
    env::current_exe().expect("this program")
}

/// Not a promise: what [`start`] starts. Without its order it has nothing to do.
#[test]
fn another_process() {
    let Ok(order) = env::var(ROLE) else { return };
    let mut words = order.split(' ');
    let role = words.next().expect("a role");
    let path = words.next().map(PathBuf::from);
    match role {
        "holder" => hold(&Interceptor::in_process().expect("a holder")),
        "alone" => give_up(&Interceptor::in_process().expect("a holder")),
        "engine" => block(async {
            let path = path.expect("a socket");
            let interceptor = Interceptor::through_broker(&path).await.expect("a broker");
            announce(&interceptor).await;
            std::future::pending::<()>().await;
        }),
        "broker" => {
            let uid = words
                .next()
                .and_then(|uid| uid.parse().ok())
                .expect("a number");
            let on_loss = match words.next() {
                Some("Hold") => OnLoss::Hold,
                _ => OnLoss::Release,
            };
            broker::serve(&BrokerOptions {
                socket: path.expect("a socket"),
                engine: EngineUser::Uid(uid),
                on_loss,
            })
            .expect("a broker");
        }
        other => panic!("no such role: {other}"),
    }
}

fn hold(interceptor: &Interceptor) {
    block(announce(interceptor));
    loop {
        std::thread::park();
    }
}

async fn announce(interceptor: &Interceptor) {
    let any = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
    let listener = interceptor
        .open_listener(any, Families::Own)
        .await
        .expect("a listener");
    let port = listener.local_addr().expect("bound").port();
    serve_captured(listener);
    interceptor.apply(&pods(), port).await.expect("rules");
    println!("{READY}");
}

/// What the child of `alone` does: threads before and after, and a look at what is left.
fn give_up(interceptor: &Interceptor) {
    for _ in 0..8 {
        std::thread::spawn(std::thread::park);
    }
    block(announce(interceptor));
    drop_capabilities().expect("given up");
    let late = std::thread::spawn(|| std::fs::read_to_string("/proc/thread-self/status"));
    let late = late.join().expect("a thread").expect("its status");
    let mut threads = 0;
    for task in std::fs::read_dir("/proc/self/task").expect("threads") {
        let status = std::fs::read_to_string(task.expect("a thread").path().join("status"));
        check(&status.expect("its status"));
        threads += 1;
    }
    check(&late);
    assert!(threads > 9, "{threads} threads looked at");
    block(async {
        let other = crate::road::interception("docker0", "80");
        let port = 3183;
        let refused = interceptor.apply(&other, port).await.expect_err("a change");
        assert_eq!(refused.problem().code, "capabilities_dropped");
    });
    println!("{GIVEN_UP}");
    loop {
        std::thread::park();
    }
}

fn check(status: &str) {
    for line in status.lines().filter(|line| line.starts_with("Cap")) {
        let (name, value) = line.split_once(':').expect("a field");
        assert!(value.trim().bytes().all(|b| b == b'0'), "{name} is {value}");
    }
}
