//! Strangers cannot fill a disk with log lines.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::program::Program;
use crate::until;

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_refused_clients_is_a_few_lines_of_log_that_say_how_many_it_was() {
    const FLOOD: u64 = 2000;
    let folder = tempfile::tempdir().expect("folder");
    let log = folder.path().join("log");
    let under = format!("exec \"$0\" \"$@\" 2>{}", log.display());
    let arguments = ["--transparent", "127.0.0.1:0"];
    let engine = Program::start_under(&["sh", "-c", &under], &arguments).await;
    let transparent = engine.status().await.listeners[1].address;
    let hit = async || {
        let mut stream = TcpStream::connect(transparent).await.expect("connected");
        // Whichever end it is.
        let _ = stream.read(&mut [0]).await;
    };
    for _ in 0..FLOOD {
        hit().await;
    }
    let refused = engine.status().await.connections.refused;
    assert_eq!(refused, FLOOD);
    let lines = || {
        let text = std::fs::read_to_string(&log).expect("a log");
        let hits = text
            .lines()
            .filter(|line| line.contains("direct hit"))
            .count();
        (hits, text.contains("left out"))
    };
    let (hits, _) = lines();
    assert!((1..200).contains(&hits), "{hits} lines");
    // The next one that is written says it.
    let mut again = tokio::time::interval(Duration::from_millis(200));
    until("it says how many", async || {
        again.tick().await;
        hit().await;
        lines().1.then_some(())
    })
    .await;
    // What other clients cause is still told.
    TcpStream::connect(engine.relay).await.expect("served");
}
