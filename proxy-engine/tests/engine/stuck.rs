//! Clients that take nothing any more, or give nothing: what they cost, and for how long.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use proxy_engine::config::{EngineConfig, Limits};
use proxy_engine::engine::Engine;
use proxy_engine::relay::IdleLimit;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::client::{Client, get};
use crate::peer::{Peer, scripted};
use crate::program::Program;
use crate::{engine, engine_with, through};

const CLIENTS: u64 = 100;
/// Nothing is moved for so long: everything that can be full is full.
const STILL: Duration = Duration::from_secs(1);

/// An origin that sends without end, after a head for those who ask for one by GET; and how many
/// bytes all of its connections took.
async fn flood() -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    let taken = Arc::<AtomicU64>::default();
    let all = Arc::clone(&taken);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let all = Arc::clone(&all);
            tokio::spawn(async move {
                let mut first = [0; 1024];
                let read = stream.read(&mut first).await.unwrap_or(0);
                if first[..read].starts_with(b"GET ") {
                    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999\r\n\r\n";
                    stream.write_all(head).await.expect("sent");
                }
                let block = vec![7; 64 * 1024];
                // It ends as the client does.
                while let Ok(sent) = stream.write(&block).await {
                    all.fetch_add(sent as u64, Relaxed);
                }
            });
        }
    });
    (address, taken)
}

/// A client with little room, so that the engine is what is full.
async fn narrow(relay: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("socket");
    socket.set_recv_buffer_size(4096).expect("an option");
    socket.connect(relay).await.expect("connected")
}

/// What each of so many clients costs the engine that say `first` and then take nothing, once
/// nothing moves any more.
async fn cost(first: impl Fn(SocketAddr) -> String) -> u64 {
    // Fewer pipes than clients: the rest is copied.
    let program = Program::start(512).await;
    let (to, taken) = flood().await;
    // What is taken once, by the first of them.
    let mut warm = narrow(program.relay).await;
    warm.write_all(first(to).as_bytes()).await.expect("sent");
    crate::until("it flows", || taken.load(Relaxed) > 0).await;
    let before = program.resident();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = narrow(program.relay).await;
        client.write_all(first(to).as_bytes()).await.expect("sent");
        clients.push(client);
    }
    let still = async {
        let mut last = (0, tokio::time::Instant::now());
        let mut looks = tokio::time::interval(Duration::from_millis(50));
        loop {
            looks.tick().await;
            let now = taken.load(Relaxed);
            if now != last.0 {
                last = (now, tokio::time::Instant::now());
            } else if last.1.elapsed() > STILL {
                return;
            }
        }
    };
    tokio::time::timeout(crate::DEADLINE, still)
        .await
        .expect("it stands still");
    (program.resident().saturating_sub(before)) / CLIENTS
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_whose_client_stops_reading_costs_a_buffer_and_no_more() {
    // CONNECT, and a byte for the origin.
    let each = cost(|to| format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\nx")).await;
    assert!(each <= 72 * 1024, "{each} bytes each");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_reading_a_huge_response_costs_a_buffer_and_no_more() {
    let each = cost(|to| format!("GET http://{to}/ HTTP/1.1\r\nHost: {to}\r\n\r\n")).await;
    assert!(each <= 40 * 1024, "{each} bytes each");
}

#[tokio::test]
async fn a_long_head_is_whole_wherever_its_end_is_cut() {
    let proxy = Peer::named("proxy").await;
    let (_engine, relay) = engine(through(&[proxy.url()])).await;
    let head = "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nX: ";
    for cuts in [
        vec!["\r\n\r\n"],
        vec!["\r", "\n\r\n"],
        vec!["\r", "\n", "\r", "\n"],
    ] {
        let mut client = Client::connect(relay).await;
        client.send(&format!("{head}{}", "y".repeat(30_000))).await;
        let (last, first) = cuts.split_last().expect("an end");
        for cut in first {
            client.send(cut).await;
            // Read by itself.
            tokio::task::yield_now().await;
        }
        assert_eq!(client.ask(last).await.body, "proxy", "{cuts:?}");
    }
}

const LIMIT: Duration = Duration::from_millis(400);

/// An engine in which nothing may stand still for longer than [`LIMIT`].
async fn impatient(upstream: String) -> (Engine, SocketAddr) {
    let config = EngineConfig {
        idle_limit: IdleLimit(LIMIT),
        limits: Limits {
            answer_time: LIMIT / 2,
            ..Limits::default()
        },
        ..EngineConfig::default()
    };
    engine_with(config, through(&[upstream])).await
}

async fn is_over(engine: &Engine) {
    crate::until("the connection ends", || {
        engine.status().connections.open == 0
    })
    .await;
}

#[tokio::test]
async fn a_response_that_nobody_reads_is_given_up_at_the_idle_limit() {
    let (to, _) = flood().await;
    let (engine, relay) = impatient(format!("http://{to}")).await;
    let mut client = narrow(relay).await;
    let get = b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n";
    client.write_all(get).await.expect("sent");
    client.read_u8().await.expect("it begins");
    is_over(&engine).await;
    let ended = client.read_to_end(&mut Vec::new()).await;
    assert!(ended.is_err(), "the client must not take it for the whole");
}

#[tokio::test]
async fn a_slow_response_lives_for_as_long_as_bytes_come() {
    const PIECES: usize = 30;
    let url = scripted(|mut upstream| async move {
        upstream.until(b"\r\n\r\n").await;
        upstream
            .send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {PIECES}\r\n\r\n"
            ))
            .await;
        let mut ticks = tokio::time::interval(LIMIT / 6);
        for _ in 0..PIECES {
            ticks.tick().await;
            upstream.send("x").await;
        }
    })
    .await;
    let (_engine, relay) = impatient(url).await;
    let response = Client::connect(relay)
        .await
        .ask(get("http://a.test/"))
        .await;
    assert_eq!(response.body, "x".repeat(PIECES));
}
