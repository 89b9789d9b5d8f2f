//! Tunnels: ends and resets are passed on as they are.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::client::Client;
use crate::{engine, through};

/// A tunnel through the engine to a listener of the test, and the listener's side of it.
async fn tunnel() -> (proxy_engine::engine::Engine, Client, Client) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let to = listener.local_addr().expect("address");
    let (engine, relay) = engine(through(&["http://127.0.0.1:9".into()])).await;
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
    // The counters hold the CONNECT head too.
    assert!(shown.bytes_up >= 8 && shown.bytes_down == 13, "{shown:?}");
}

#[tokio::test]
async fn a_reset_of_one_side_resets_the_other() {
    fn reset(stream: &TcpStream) {
        socket2::SockRef::from(stream)
            .set_linger(Some(Duration::ZERO))
            .expect("linger");
    }
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
