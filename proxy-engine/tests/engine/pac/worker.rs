//! The process that runs the script.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use proxy_engine::config::Unavailable;
use proxy_engine::observe::Changes;
use proxy_engine::pac::worker::Program;
use proxy_engine::pac::{Pac, Purpose, Shown};
use proxy_engine::route::{Destination, Host};
use rustix::process::{Pid, Signal, kill_process};

use super::{PROGRAM, engine, policy, route, script};
use crate::until;

/// The workers of this test's process.
fn workers() -> Vec<u32> {
    let own = std::process::id().to_string();
    let all = fs::read_dir("/proc").expect("processes");
    all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let behind = stat.rsplit(')').next().unwrap_or_default();
            let mut fields = behind.split_ascii_whitespace();
            let lives = fields.next().is_some_and(|state| state != "Z");
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            lives && fields.next() == Some(&own) && line.ends_with(b"\0pac-worker\0")
        })
        .collect()
}

async fn worker() -> u32 {
    until("one worker", || workers().len() == 1).await;
    workers()[0]
}

#[tokio::test]
async fn a_worker_is_started_though_whoever_asked_first_has_left() {
    let script = script("return 'PROXY 127.0.0.1:9';");
    let pac = Pac::new(script, Program::At(PROGRAM.into()), Changes::default());
    let to = Destination {
        host: Host::Name("a.test".into()),
        port: 443,
    };
    let shown = Shown::new(&to, Purpose::Tunnel);
    let impatient = tokio::time::timeout(Duration::from_millis(1), pac.find(&shown)).await;
    impatient.expect_err("no process starts in a millisecond");
    until("its worker", || workers().len() == 1).await;
    let first = workers()[0];
    pac.find(&shown).await.expect("an answer");
    assert_eq!(pac.process().await, Some(first));
}

#[tokio::test]
async fn the_worker_holds_no_privilege_no_file_and_no_secret() {
    let (engine, relay) = engine(policy(
        script("return 'PROXY 127.0.0.1:9';"),
        Unavailable::Block,
    ))
    .await;
    route(&engine, relay, "a.test").await;
    let pid = worker().await;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_ascii_whitespace().nth(1))
            .expect(name)
    };
    for (name, value) in [
        ("NoNewPrivs:", "1"),
        ("Seccomp:", "2"),
        ("Threads:", "1"),
        ("CapEff:", "0000000000000000"),
        ("CapPrm:", "0000000000000000"),
        ("CapInh:", "0000000000000000"),
        ("CapAmb:", "0000000000000000"),
        ("CapBnd:", "0000000000000000"),
    ] {
        assert_eq!(field(name), value, "{name}");
    }
    let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("descriptors");
    let mut open: Vec<_> = open
        .map(|entry| fs::read_link(entry.expect("entry").path()).expect("link"))
        .collect();
    open.retain(|path| path != std::path::Path::new("/dev/null"));
    assert_eq!(open.len(), 1, "{open:?}");
    assert!(open[0].to_string_lossy().starts_with("socket:"), "{open:?}");
    let environment = fs::read(format!("/proc/{pid}/environ")).expect("environment");
    assert!(environment.is_empty() || environment.starts_with(b"TZ="));
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("limits");
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    assert_eq!(
        files.and_then(|line| line.split_ascii_whitespace().nth(3)),
        Some("0")
    );
}

#[tokio::test]
async fn a_worker_that_is_killed_is_replaced_and_no_connection_sees_it() {
    let proxied = script("return 'PROXY 127.0.0.1:9';");
    let (engine, relay) = engine(policy(proxied, Unavailable::Block)).await;
    for host in ["a.test", "b.test", "c.test", "d.test", "e.test"] {
        route(&engine, relay, host).await;
        assert!(engine.status().pac.expect("a script").last_error.is_none());
        let pid = worker().await;
        let raw = Pid::from_raw(pid.try_into().expect("number")).expect("process");
        kill_process(raw, Signal::KILL).expect("killed");
        until("it is gone", || !workers().contains(&pid)).await;
    }
}

#[tokio::test]
async fn a_worker_lives_as_long_as_its_script_and_its_engine() {
    let first = script("return 'PROXY 127.0.0.1:9';");
    let (engine, relay) = engine(policy(first.clone(), Unavailable::Block)).await;
    route(&engine, relay, "a.test").await;
    let pid = worker().await;
    let mut again = policy(first, Unavailable::Direct);
    again.bypass = "b.test".parse().expect("bypass");
    engine.swap_policy(again).await.expect("swapped");
    assert_eq!(worker().await, pid);
    let other = policy(script("return 'PROXY 127.0.0.1:19';"), Unavailable::Block);
    engine.swap_policy(other).await.expect("swapped");
    until("another worker", || workers().iter().all(|now| *now != pid)).await;
    assert_ne!(worker().await, pid);
    engine
        .swap_policy(proxy_engine::config::Policy::direct("none"))
        .await
        .expect("swapped");
    until("no worker", || workers().is_empty()).await;
}

#[test]
fn whoever_types_the_workers_word_gets_nothing() {
    let ended = Command::new(PROGRAM)
        .arg("pac-worker")
        .stdin(Stdio::null())
        .output()
        .expect("run");
    assert!(!ended.status.success());
    assert!(ended.stdout.is_empty());
}
