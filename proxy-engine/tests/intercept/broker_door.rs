//! Who comes to the broker, with what, and whether it has room for them.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use proxy_engine::intercept::Interceptor;
use proxy_engine::intercept::broker::OnLoss;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketType, bind, connect, listen, recv,
    send, socket,
};
use testbed::{Child, wait_for};

use crate::brokered::{Brokered, NOBODY};
use crate::processes::{self, Role};
use crate::road::{Road, SOON, block};

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
    assert_eq!(brokered.road.holders(), 1);
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
