//! A policy is swapped whole: live connections keep theirs, new ones see it at once.

use std::time::{Duration, Instant};

use proxy_engine::config::{EngineConfig, Policy};
use proxy_engine::engine::Engine;
use tokio::io::AsyncWriteExt;

use crate::client::{Client, get};
use crate::peer::Peer;
use crate::{engine, through};

#[tokio::test]
async fn a_hundred_policies_pass_while_a_download_runs() {
    const LENGTH: usize = 16 * 1024 * 1024;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("bind");
    let source = format!("http://{}", listener.local_addr().expect("address"));
    let (done, mut swapped) = tokio::sync::watch::channel(0_usize);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accept");
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("head");
        // A hundredth of it behind each policy, so that the download lasts as long as they do.
        for turn in 0..100 {
            swapped
                .wait_for(|count| *count >= turn)
                .await
                .expect("turn");
            let part = vec![7; LENGTH / 100 + usize::from(turn == 99) * (LENGTH % 100)];
            stream.write_all(&part).await.expect("part");
        }
    });
    let (one, two) = (Peer::named("one").await, Peer::named("two").await);
    let (engine, relay) = engine(through(&[source])).await;
    let mut download = Client::connect(relay).await;
    download.send(get("http://download.test/")).await;
    download.until(b"\r\n\r\n").await;
    let reading = tokio::spawn(async move { download.exactly(LENGTH).await });
    let mut worst = Duration::ZERO;
    for turn in 0..100 {
        let (peer, name) = [(&one, "one"), (&two, "two")][turn % 2];
        let begun = Instant::now();
        engine
            .swap_policy(through(&[peer.url()]))
            .await
            .expect("swap");
        let response = Client::connect(relay)
            .await
            .ask(get("http://a.test/"))
            .await;
        worst = worst.max(begun.elapsed());
        assert_eq!(response.body, name, "turn {turn}");
        done.send_replace(turn + 1);
    }
    let read = tokio::time::timeout(crate::DEADLINE, reading)
        .await
        .expect("in time");
    assert_eq!(read.expect("whole").len(), LENGTH);
    println!("worst change of 100: {worst:?}");
    assert!(worst < Duration::from_secs(1), "{worst:?}");
}

#[tokio::test]
async fn a_kept_connection_is_closed_after_the_response_under_an_old_policy() {
    let (one, two) = (Peer::named("one").await, Peer::named("two").await);
    let (engine, relay) = engine(through(&[one.url()])).await;
    let mut client = Client::connect(relay).await;
    assert_eq!(client.ask(get("http://a.test/")).await.body, "one");
    engine
        .swap_policy(through(&[two.url()]))
        .await
        .expect("swap");
    let response = client.ask(get("http://a.test/")).await;
    assert_eq!(response.body, "one");
    assert!(
        response.head.contains("Connection: close"),
        "{}",
        response.head
    );
}

#[tokio::test]
async fn the_last_policy_holds_after_a_restart() {
    let folder = tempfile::tempdir().expect("folder");
    let config = EngineConfig {
        state: Some(folder.path().into()),
        ..EngineConfig::default()
    };
    let first = Engine::start(config.clone()).await.expect("engine");
    let policy = through(&["http://alice@proxy.test:3128".into()]);
    first.swap_policy(policy.clone()).await.expect("swap");
    first.drain(Duration::ZERO).await;
    let second = Engine::start(config).await.expect("engine");
    assert_eq!(second.policy(), policy);
}

#[tokio::test]
async fn a_policy_without_an_upstream_changes_nothing() {
    let (engine, _) = engine(Policy::direct("before")).await;
    assert!(engine.swap_policy(through(&[])).await.is_err());
    assert_eq!(engine.policy().cause, "before");
}
