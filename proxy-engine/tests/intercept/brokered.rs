//! The broker, and an engine without privilege.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use proxy_engine::control::InterceptionState;
use proxy_engine::intercept::broker::OnLoss;
use proxy_engine::intercept::{Families, InterceptError, Interceptor};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketType, bind, connect, listen, recv,
    send, socket,
};
use tempfile::TempDir;
use testbed::net::{ORIGIN, ORIGIN_V6};
use testbed::{Child, wait_for};

use crate::processes::{self, Role};
use crate::road::{Road, SOON, block, dial, echo, greeting, interception, pods, serve_captured};

/// `nobody` on every system there is.
const NOBODY: u32 = 65534;

struct Brokered {
    road: Road,
    broker: Child,
    socket: PathBuf,
    _dir: TempDir,
}

impl Brokered {
    fn new(uid: u32, on_loss: OnLoss) -> Self {
        let road = Road::new();
        let dir = tempfile::tempdir().expect("a folder");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open).expect("a folder for everybody");
        let socket = dir.path().join("broker.sock");
        let broker = processes::start(&road, Role::Broker(&socket, uid, on_loss));
        Self {
            road,
            broker,
            socket,
            _dir: dir,
        }
    }

    fn captured(&self) -> bool {
        greeting(&self.road.corp.pod, (ORIGIN, 80)) == format!("captured {ORIGIN}:80")
    }
}

/// A bare connection to the broker, to say what no engine says.
fn bare(path: &Path) -> OwnedFd {
    let fd = socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).expect("a socket");
    connect(&fd, &SocketAddrUnix::new(path).expect("a path")).expect("the broker");
    fd
}

fn answer(fd: &OwnedFd) -> String {
    let mut bytes = vec![0; 64 * 1024];
    let (read, _) = recv(fd, &mut bytes[..], RecvFlags::empty()).expect("an answer");
    String::from_utf8(bytes[..read].to_vec()).expect("JSON")
}

#[test]
fn an_engine_without_privilege_captures_through_the_broker() {
    let brokered = Brokered::new(0, OnLoss::Release);
    let pod = &brokered.road.corp.pod;
    // Nothing else keeps the kernel translating what was captured.
    let node = &brokered.road.corp.node;
    node.sh("nft flush ruleset").expect("nft");
    block(async {
        let interceptor = Interceptor::through_broker(&brokered.socket)
            .await
            .expect("a broker");
        let mut port = 0;
        for any in ["0.0.0.0", "[::]"] {
            let address = format!("{any}:{port}").parse().expect("an address");
            // Opened in the node by the broker: this process stands in another namespace.
            let listener = interceptor
                .open_listener(address, Families::Own)
                .await
                .expect("a descriptor");
            port = listener.local_addr().expect("bound").port();
            serve_captured(listener);
        }
        interceptor.apply(&pods(), port).await.expect("rules");
        let on = InterceptionState::On {
            interception: pods(),
        };
        assert_eq!(interceptor.state(), on);
        assert!(brokered.captured());
        let v6 = format!("captured [{ORIGIN_V6}]:443");
        assert_eq!(greeting(pod, (ORIGIN_V6, 443)), v6);
        let privileged = "0.0.0.0:80".parse().expect("an address");
        let refused = interceptor
            .open_listener(privileged, Families::Own)
            .await
            .expect_err("port 80");
        assert_eq!(refused.problem().code, "invalid_request");
        let taken = format!("0.0.0.0:{port}").parse().expect("an address");
        let refused = interceptor
            .open_listener(taken, Families::Own)
            .await
            .expect_err("in use");
        assert_eq!(refused.problem().code, "port_in_use");
        let freebind = "10.99.0.1:3182".parse().expect("an address");
        interceptor
            .open_listener(freebind, Families::Own)
            .await
            .expect("an address to come");

        let (stream, _) = dial(pod, (ORIGIN, 80)).expect("captured");
        interceptor.withdraw().await.expect("withdrawn");
        assert_eq!(interceptor.state(), InterceptionState::Off);
        assert_eq!(greeting(pod, (ORIGIN, 80)), "origin");
        echo(&stream, "withdrawn").expect("a captured connection lives on");
    });
}

#[test]
fn a_killed_engine_is_withdrawn_within_the_grace_and_one_that_is_back_finds_no_gap() {
    let brokered = Brokered::new(0, OnLoss::Release);
    let table = || brokered.road.tables();
    let engine = processes::start(&brokered.road, Role::Engine(&brokered.socket));
    assert!(brokered.captured());
    let first = table();

    engine.kill();
    let engine = processes::start(&brokered.road, Role::Engine(&brokered.socket));
    assert!(brokered.captured());
    assert_eq!(table(), first, "the same table all along");
    // Longer than the grace of the first engine: it must have been forgotten.
    let since = Instant::now();
    wait_for("the grace to pass", 2 * SOON, || {
        assert!(!table().is_empty(), "withdrawn although the engine is back");
        (since.elapsed() > Duration::from_millis(2500)).then_some(())
    })
    .expect("time passes");
    assert!(brokered.captured());

    let lost = Instant::now();
    engine.kill();
    assert!(!table().is_empty(), "a moment for the engine to come back");
    wait_for("the release", SOON, || table().is_empty().then_some(())).expect("released");
    let took = lost.elapsed();
    assert!(
        took < Duration::from_millis(2500),
        "released after {took:?}"
    );
    assert_eq!(greeting(&brokered.road.corp.pod, (ORIGIN, 80)), "origin");
}

#[test]
fn with_hold_what_was_captured_is_refused_until_the_engine_is_back() {
    let brokered = Brokered::new(0, OnLoss::Hold);
    let engine = processes::start(&brokered.road, Role::Engine(&brokered.socket));
    engine.kill();
    let since = Instant::now();
    wait_for("the grace to pass", 2 * SOON, || {
        (since.elapsed() > Duration::from_millis(2500)).then_some(())
    })
    .expect("time passes");
    assert_eq!(
        greeting(&brokered.road.corp.pod, (ORIGIN, 80)),
        "ConnectionRefused"
    );
    let _engine = processes::start(&brokered.road, Role::Engine(&brokered.socket));
    assert!(brokered.captured());
}

#[test]
fn a_killed_broker_leaves_no_rule_and_the_engine_learns_of_it() {
    let brokered = Brokered::new(0, OnLoss::Hold);
    block(async {
        let interceptor = Interceptor::through_broker(&brokered.socket)
            .await
            .expect("a broker");
        let any = "0.0.0.0:0".parse().expect("an address");
        let listener = interceptor
            .open_listener(any, Families::Own)
            .await
            .expect("a descriptor");
        let port = listener.local_addr().expect("bound").port();
        interceptor.apply(&pods(), port).await.expect("rules");
        brokered.broker.kill();
        tokio::time::timeout(SOON, interceptor.closed())
            .await
            .expect("told");
        assert!(brokered.road.tables().is_empty());
        assert!(matches!(
            interceptor.state(),
            InterceptionState::Failed { .. }
        ));
        let refused = interceptor
            .apply(&pods(), port)
            .await
            .expect_err("no broker");
        assert!(matches!(refused, InterceptError::BrokerGone), "{refused}");
        let absent = Interceptor::through_broker(&brokered.socket)
            .await
            .expect_err("dead");
        assert_eq!(absent.problem().code, "broker_unreachable");
        // Its socket still lies there; the next broker takes the place.
        let again = Role::Broker(&brokered.socket, 0, OnLoss::Release);
        let _broker = processes::start(&brokered.road, again);
        let interceptor = Interceptor::through_broker(&brokered.socket)
            .await
            .expect("a broker");
        interceptor.apply(&pods(), port).await.expect("rules");
    });
}

#[test]
fn a_broker_that_is_told_to_end_withdraws_and_leaves_nothing() {
    let brokered = Brokered::new(0, OnLoss::Hold);
    let _engine = processes::start(&brokered.road, Role::Engine(&brokered.socket));
    assert_eq!(brokered.road.tables().len(), 1);
    let status = brokered.broker.terminate(SOON).expect("its end");
    assert!(status.success(), "{status}");
    assert!(brokered.road.tables().is_empty());
    assert!(!brokered.socket.exists(), "its socket is gone");
}

#[test]
fn a_socket_that_systemd_passes_is_served() {
    let road = Road::new();
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("passed.sock");
    let passed = socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).expect("a socket");
    bind(&passed, &SocketAddrUnix::new(&path).expect("a path")).expect("a name");
    listen(&passed, 4).expect("listening");
    let unused = dir.path().join("unused.sock");
    let _broker = processes::start_broker(&road, &unused, 0, OnLoss::Release, Some(passed));
    assert!(!unused.exists());
    block(Interceptor::through_broker(&path)).expect("a broker");
}

#[test]
fn a_second_broker_does_not_take_the_socket_of_the_first() {
    let brokered = Brokered::new(0, OnLoss::Release);
    let program = env!("CARGO_BIN_EXE_proxy-engine");
    let mut second = brokered.road.corp.node.command(program);
    second.args(["broker", "--engine-uid", "0", "--socket"]);
    second.arg(&brokered.socket);
    second.stdout(Stdio::null()).stderr(Stdio::piped());
    let second = Child::spawn(second).expect("a second broker");
    let ended = second.output(SOON).expect("its end");
    let said = String::from_utf8_lossy(&ended.stderr);
    let first = format!("another broker serves {}", brokered.socket.display());
    assert!(!ended.status.success() && said.contains(&first), "{said}");
    block(Interceptor::through_broker(&brokered.socket)).expect("the first one");
}

#[test]
fn a_second_engine_is_told_that_there_is_one() {
    let brokered = Brokered::new(0, OnLoss::Release);
    let _engine = processes::start(&brokered.road, Role::Engine(&brokered.socket));
    let second = block(Interceptor::through_broker(&brokered.socket)).expect_err("one too many");
    assert_eq!(second.problem().code, "engine_running");
    assert!(brokered.captured(), "the first one works on");
}

#[test]
fn another_user_is_hung_up_on() {
    let brokered = Brokered::new(NOBODY, OnLoss::Release);
    let mode = std::fs::metadata(&brokered.socket).expect("the socket");
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&mode) & 0o777, 0o660);
    assert_eq!(std::os::unix::fs::MetadataExt::gid(&mode), NOBODY);
    let as_user = |uid: u32| {
        // In the socket's group, so that only the check of the peer can refuse.
        std::process::Command::new("setpriv")
            .args([
                &format!("--reuid={uid}"),
                &format!("--regid={NOBODY}"),
                "--clear-groups",
                "perl",
                "-MSocket",
                "-e",
                "socket(S, AF_UNIX, SOCK_SEQPACKET, 0); \
                 connect(S, pack_sockaddr_un($ARGV[0])) or die qq(connect: $!); \
                 send(S, '{\"id\":1,\"wish\":{\"kind\":\"state\"}}', 0); \
                 recv(S, $a, 65536, 0); print $a",
            ])
            .arg(&brokered.socket)
            .output()
            .expect("setpriv and perl")
    };
    let engine = String::from_utf8(as_user(NOBODY).stdout).expect("JSON");
    assert!(
        engine.contains(r#""id":1"#),
        "the engine's user is answered: {engine}"
    );
    let other = String::from_utf8(as_user(NOBODY - 1).stdout).expect("JSON");
    assert!(other.contains("not_the_engine"), "another is not: {other}");
}

#[test]
fn bad_messages_are_refused_and_change_nothing() {
    let brokered = Brokered::new(0, OnLoss::Release);
    let intercept = |name: &str| {
        format!(
            r#"{{"id":1,"wish":{{"kind":"intercept","listener":3183,"interception":{{"interfaces":["{name}"]}}}}}}"#
        )
    };
    for bad in [
        "not JSON".to_owned(),
        r#"{"id":1,"wish":{"kind":"run","command":"sh"}}"#.to_owned(),
        r#"{"id":1,"wish":{"kind":"probe","more":1}}"#.to_owned(),
        intercept("br-\\n0"),
        intercept("br-\\u0000"),
        intercept("a/b"),
        intercept(""),
        "[".repeat(10_000),
        " ".repeat(70_000),
        // What would be left of it, cut to what one message may have, is a good one.
        intercept("br-pods") + &" ".repeat(70_000),
    ] {
        let fd = bare(&brokered.socket);
        send(&fd, bad.as_bytes(), SendFlags::empty()).expect("sent");
        let shown: String = bad.chars().take(90).collect();
        assert!(answer(&fd).contains("invalid_request"), "{shown}");
        assert!(brokered.road.tables().is_empty(), "{shown}");
    }
    let fd = bare(&brokered.socket);
    send(&fd, intercept("br-pods").as_bytes(), SendFlags::empty()).expect("sent");
    assert!(
        answer(&fd).contains(r#""refused":null"#),
        "a good one is granted"
    );
    assert_eq!(brokered.road.tables().len(), 1);
}

#[test]
fn a_broker_without_a_free_descriptor_rests_and_recovers() {
    let brokered = Brokered::new(0, OnLoss::Release);
    let pid = brokered.broker.pid();
    let limit = |most: usize| {
        let limit = format!("--nofile={most}:20000");
        let pid = pid.to_string();
        let set = std::process::Command::new("prlimit")
            .args(["--pid", &pid, &limit])
            .status()
            .expect("prlimit");
        assert!(set.success());
    };
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("its times");
        let after_name = stat.rsplit(')').next().expect("a process");
        // utime and stime, proc_pid_stat(5): hundredths of a second.
        let times = after_name.split_ascii_whitespace().skip(11).take(2);
        times
            .map(|t| t.parse::<u64>().expect("a time"))
            .sum::<u64>()
    };
    let open = |fd: &usize| Path::new(&format!("/proc/{pid}/fd/{fd}")).is_symlink();
    limit((0..1000).find(|fd| !open(fd)).expect("a free number"));
    let fd = bare(&brokered.socket);
    send(
        &fd,
        br#"{"id":1,"wish":{"kind":"state"}}"#,
        SendFlags::empty(),
    )
    .expect("sent");
    let (since, before) = (Instant::now(), ticks());
    wait_for("a while without a descriptor", 2 * SOON, || {
        (since.elapsed() > Duration::from_secs(1)).then_some(())
    })
    .expect("time passes");
    let early = recv(&fd, &mut [0_u8; 64][..], RecvFlags::DONTWAIT);
    assert_eq!(early.expect_err("not let in"), rustix::io::Errno::AGAIN);
    let spent = ticks() - before;
    assert!(spent < 20, "{spent} hundredths of a second of work");
    limit(1024);
    assert!(
        answer(&fd).contains(r#""id":1"#),
        "served once there is one"
    );
}

#[test]
fn the_engine_hears_of_what_changes_by_itself() {
    let brokered = Brokered::new(0, OnLoss::Release);
    let node = &brokered.road.corp.node;
    block(async {
        let interceptor = Interceptor::through_broker(&brokered.socket)
            .await
            .expect("a broker");
        let wanted = interception("br-pods", "all");
        interceptor.apply(&wanted, 3183).await.expect("rules");
        node.sh("for i in eth0 road br-pods; do ip addr flush dev $i; done")
            .expect("no address");
        wait_for("word of it", SOON, || {
            matches!(interceptor.state(), InterceptionState::Failed { .. }).then_some(())
        })
        .expect("told that nothing is captured");
    });
}
