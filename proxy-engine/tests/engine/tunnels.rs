//! Tunnels: ends and resets are passed on as they are.

use std::time::Duration;

use proxy_engine::config::EngineConfig;
use proxy_engine::engine::Engine;
use proxy_engine::relay::IdleLimit;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::client::Client;
use crate::{engine, engine_with, through};

/// Makes the coming close a reset.
pub(crate) fn reset(stream: &TcpStream) {
    socket2::SockRef::from(stream)
        .set_linger(Some(Duration::ZERO))
        .expect("linger");
}

/// A tunnel through the engine to a listener of the test, and the listener's side of it.
pub(crate) async fn tunnel() -> (Engine, Client, Client) {
    tunnel_within(IdleLimit::default().0).await
}

/// The same, and it may be silent for this long.
async fn tunnel_within(limit: Duration) -> (Engine, Client, Client) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let to = listener.local_addr().expect("address");
    let config = EngineConfig {
        idle_limit: IdleLimit(limit),
        ..EngineConfig::default()
    };
    let (engine, relay) = engine_with(config, through(&["http://127.0.0.1:9".into()])).await;
    let mut client = Client::connect(relay).await;
    let connect = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n");
    assert_eq!(client.ask(connect).await.status(), 200);
    let (origin, _) = listener.accept().await.expect("accept");
    (engine, client, Client::accepted(origin))
}

#[tokio::test]
async fn the_end_of_one_direction_leaves_the_other_flowing() {
    let (engine, mut client, mut origin) = tunnel().await;
    client.send("question").await;
    client.stream.shutdown().await.expect("shutdown");
    let (heard, ended) = origin.rest().await;
    assert_eq!((heard.as_slice(), ended.is_ok()), (&b"question"[..], true));
    origin.send("a long answer").await;
    drop(origin);
    let (heard, ended) = client.rest().await;
    assert_eq!(
        (heard.as_slice(), ended.is_ok()),
        (&b"a long answer"[..], true)
    );
    crate::until("the connection ends", || {
        engine.status().connections.open == 0
    })
    .await;
    let shown = engine.connections().remove(0);
    assert_eq!(shown.bytes_down, 13, "{shown:?}");
}

#[tokio::test]
async fn a_reset_of_one_side_resets_the_other() {
    let (_engine, mut client, origin) = tunnel().await;
    reset(&origin.stream);
    drop(origin);
    assert!(client.rest().await.1.is_err(), "the client saw a clean end");
    let (_engine, client, mut origin) = tunnel().await;
    reset(&client.stream);
    drop(client);
    assert!(origin.rest().await.1.is_err(), "the origin saw a clean end");
}

#[tokio::test]
async fn bulk_arrives_whole_in_both_directions_at_once() {
    const LENGTH: usize = 8 * 1024 * 1024;
    let (_engine, client, origin) = tunnel().await;
    let bytes: Vec<u8> = (0..=250).cycle().take(LENGTH).collect();
    let both = [client, origin].map(|mut side| {
        let bytes = bytes.clone();
        tokio::spawn(async move {
            let (read, mut write) = side.stream.split();
            let sent = async {
                write.write_all(&bytes).await.expect("sent");
                write.shutdown().await.expect("shutdown");
            };
            let mut heard = Vec::with_capacity(LENGTH);
            let mut read = read;
            let ((), all) = tokio::join!(
                sent,
                tokio::io::AsyncReadExt::read_to_end(&mut read, &mut heard)
            );
            all.expect("read");
            assert!(heard == bytes, "the bytes differ");
        })
    });
    for side in both {
        side.await.expect("side");
    }
}

#[tokio::test]
async fn a_drain_lets_live_connections_end_and_cuts_them_at_its_deadline() {
    let (engine, mut client, mut origin) = tunnel().await;
    let relay = client.stream.peer_addr().expect("address");
    let drained = tokio::spawn({
        let engine = engine.clone();
        async move { engine.drain(crate::DEADLINE).await }
    });
    let closed = async { while TcpStream::connect(relay).await.is_ok() {} };
    tokio::time::timeout(crate::DEADLINE, closed)
        .await
        .expect("no new connections");
    client.send("still").await;
    assert_eq!(origin.exactly(5).await, b"still");
    drop((client, origin));
    drained.await.expect("drained");
    let (engine, mut client, _origin) = tunnel().await;
    engine.drain(Duration::from_millis(10)).await;
    assert!(client.rest().await.0.is_empty());
    assert_eq!(engine.status().connections.open, 0);
}

#[tokio::test]
async fn every_byte_is_counted_once_also_those_that_came_early() {
    let origin = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let upstream = format!("http://{}", origin.local_addr().expect("address"));
    let (engine, relay) = engine(through(&[upstream])).await;
    let mut client = Client::connect(relay).await;
    let head = "CONNECT origin.test:443 HTTP/1.1\r\nHost: origin.test:443\r\n\r\n";
    client.send(format!("{head}early")).await;
    let (stream, _) = origin.accept().await.expect("accept");
    let mut origin = Client::accepted(stream);
    origin.until(b"\r\n\r\n").await;
    origin.send("HTTP/1.1 200 OK\r\n\r\nbanner").await;
    assert_eq!(origin.exactly(5).await, b"early");
    client.until(b"\r\n\r\n").await;
    client.send("later").await;
    client.stream.shutdown().await.expect("shutdown");
    assert_eq!(origin.rest().await.0, b"later");
    drop(origin);
    assert_eq!(client.rest().await.0, b"banner");
    crate::until("the connection ends", || {
        engine.status().connections.open == 0
    })
    .await;
    let shown = engine.connections().remove(0);
    let up = head.len() + "earlylater".len();
    assert_eq!(
        (shown.bytes_up, shown.bytes_down),
        (up as u64, 6),
        "{shown:?}"
    );
}

#[tokio::test]
async fn a_reset_after_the_end_of_its_own_direction_is_passed_on() {
    let (_engine, mut client, mut origin) = tunnel().await;
    client.stream.shutdown().await.expect("shutdown");
    assert!(origin.rest().await.1.is_ok());
    reset(&client.stream);
    drop(client);
    // The origin says nothing meanwhile, and hears of it all the same.
    let heard = origin.stream.ready(tokio::io::Interest::ERROR);
    let heard = tokio::time::timeout(crate::DEADLINE, heard).await;
    heard.expect("in time").expect("an error");
}

#[tokio::test]
async fn a_silent_tunnel_is_ended_at_its_limit_and_a_busy_one_is_not() {
    let limit = Duration::from_millis(400);
    let (_engine, mut client, mut origin) = tunnel_within(limit).await;
    let began = std::time::Instant::now();
    while began.elapsed() < 3 * limit {
        client.send("x").await;
        origin.exactly(1).await;
    }
    let last = std::time::Instant::now();
    let (heard, ended) = client.rest().await;
    assert!(heard.is_empty() && ended.is_err(), "{ended:?}");
    assert!(last.elapsed() >= limit, "{:?}", last.elapsed());
    assert!(origin.rest().await.1.is_err(), "the origin saw a clean end");
}

/// Bytes that the kernel counted on the connection from this port: sent, received (ss(8)).
fn counted(port: u16) -> (u64, u64) {
    let shown = std::process::Command::new("ss")
        .args(["-tniH", &format!("sport = :{port}")])
        .output()
        .expect("ss");
    let shown = String::from_utf8(shown.stdout).expect("text");
    let value = |name: &str| {
        let mut words = shown.split_ascii_whitespace();
        let word = words.find_map(|word| word.strip_prefix(name)?.strip_prefix(':'));
        word.map_or(0, |number| number.parse::<u64>().expect("a number"))
    };
    let sent = value("bytes_sent") - value("bytes_retrans");
    (sent, value("bytes_received"))
}

#[tokio::test(flavor = "multi_thread")]
async fn both_counters_are_those_of_the_kernel_to_the_byte() {
    const UP: usize = 3 * 1024 * 1024 + 17;
    const DOWN: usize = 5 * 1024 * 1024 + 1;
    let (engine, mut client, mut origin) = tunnel().await;
    let port = client.stream.local_addr().expect("address").port();
    let up = vec![1; UP];
    let down = vec![2; DOWN];
    // Both in bulk, one after the other and in pieces.
    for piece in up.chunks(70_001) {
        client.send(piece).await;
        origin.exactly(piece.len()).await;
    }
    let sent = async { origin.send(&down).await };
    tokio::join!(sent, client.exactly(DOWN));
    let (sent, received) = counted(port);
    let ended = engine.connections().remove(0);
    assert_eq!(ended.bytes_up, sent, "{ended:?}");
    // The answer to CONNECT is the engine's own.
    let answer = "HTTP/1.1 200 Connection established\r\n\r\n".len() as u64;
    assert_eq!(ended.bytes_down + answer, received, "{ended:?}");
    assert_eq!(ended.bytes_down, DOWN as u64);
}

#[tokio::test]
async fn the_open_direction_flows_on_long_after_the_end_of_the_other() {
    let limit = Duration::from_millis(400);
    let (_engine, mut client, mut origin) = tunnel_within(limit).await;
    client.stream.shutdown().await.expect("shutdown");
    assert!(origin.rest().await.1.is_ok());
    let began = std::time::Instant::now();
    let mut ticks = tokio::time::interval(limit / 8);
    while began.elapsed() < 6 * limit {
        ticks.tick().await;
        origin.send("x").await;
        assert_eq!(client.exactly(1).await, b"x");
    }
    drop(origin);
    let (rest, ended) = client.rest().await;
    assert!(rest.is_empty() && ended.is_ok(), "{ended:?}");
}

#[tokio::test]
async fn what_is_quiet_for_less_than_the_limit_is_not_cut() {
    let limit = Duration::from_secs(2);
    let (_engine, mut client, mut origin) = tunnel_within(limit).await;
    for _ in 0..3 {
        let quiet = client.stream.readable();
        let quiet = tokio::time::timeout(limit * 3 / 4, quiet).await;
        assert!(quiet.is_err(), "it was cut");
        origin.send("a line of a log").await;
        assert_eq!(client.exactly(15).await, b"a line of a log");
    }
    // As it is unless somebody says otherwise: a log may be quiet for two hours.
    let default = IdleLimit::default();
    assert!(default.0 > Duration::from_hours(2));
}
