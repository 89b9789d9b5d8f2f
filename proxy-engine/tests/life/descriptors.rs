//! Short of descriptors: connections wait, and none fails.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use proxy_engine::control::client::Client;

use crate::program::Program;
use crate::{DEADLINE, echoes, origin, tunnel, until};

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_of_open_files_wait_for_their_turn() {
    const CLIENTS: usize = 200;
    let engine = Program::start_under(&["prlimit", "--nofile=128:128"], &[]).await;
    let (relay, to) = (engine.relay, origin().await);
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        asking.spawn(tunnel(relay, to));
    }
    // The status is told although every connection that there is room for is there.
    let said = until("it says that it is full", async || {
        engine.status().await.listeners[0].error.clone()
    })
    .await;
    assert!(said.contains("may open 128 files"), "{said}");
    let mut served = 0;
    while let Some(answered) = tokio::time::timeout(DEADLINE, asking.join_next())
        .await
        .expect("every turn comes")
    {
        let mut stream = answered.expect("task").expect("a tunnel");
        echoes(&mut stream, "hello").await.expect("an echo");
        // It ends here, and makes room for the next one.
        served += 1;
    }
    assert_eq!(served, CLIENTS);
    until("it has room", async || {
        engine.status().await.listeners[0]
            .error
            .is_none()
            .then_some(())
    })
    .await;
    assert_eq!(engine.status().await.connections.failed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_without_any_descriptor_rest_and_recover() {
    let engine = Program::start(&[]).await;
    let (relay, to) = (engine.relay, origin().await);
    let pid = engine.child.pid();
    let limit = |most: usize| {
        let mut command = Command::new("prlimit");
        command.args(["--pid", &pid.to_string(), &format!("--nofile={most}:20000")]);
        assert!(command.status().expect("prlimit").success());
    };
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("its times");
        let after_name = stat.rsplit(')').next().expect("a process");
        // utime and stime, proc_pid_stat(5): hundredths of a second.
        let times = after_name.split_ascii_whitespace().skip(11).take(2);
        times
            .map(|time| time.parse::<u64>().expect("a time"))
            .sum::<u64>()
    };
    let open = |fd: &usize| Path::new(&format!("/proc/{pid}/fd/{fd}")).is_symlink();
    let control = engine.control();
    // A connection of before may end only now, and leave its descriptor to this one.
    let (asked, (since, before)) = loop {
        limit((0..1000).find(|fd| !open(fd)).expect("a free number"));
        let control = control.clone();
        let mut asked = tokio::spawn(async move { Client::new(control).status().await });
        let begun = (Instant::now(), ticks());
        let answer = tokio::time::timeout(Duration::from_millis(500), &mut asked).await;
        if answer.is_err() {
            break (asked, begun);
        }
    };
    let mut client = tokio::spawn(tunnel(relay, to));
    let early = tokio::time::timeout(Duration::from_millis(500), &mut client).await;
    assert!(early.is_err(), "served without a descriptor: {early:?}");
    let (took, spent) = (since.elapsed(), ticks() - before);
    assert!(
        spent < 20,
        "{spent} hundredths of a second of work in {took:?}"
    );
    limit(1024);
    let status = tokio::time::timeout(DEADLINE, asked).await.expect("told");
    assert_eq!(status.expect("task").expect("a status").pid, pid);
    let tunnel = tokio::time::timeout(DEADLINE, client)
        .await
        .expect("served");
    let mut tunnel = tunnel.expect("task").expect("a tunnel");
    echoes(&mut tunnel, "hello").await.expect("an echo");
    assert_eq!(engine.status().await.listeners[0].error, None);
}
