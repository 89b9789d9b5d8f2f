//! Told to end: nobody is cut before the deadline, and nobody is waited for beyond it.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::program::Program;
use crate::{DEADLINE, echoes, head, origin, tunnel, until};

/// Waits for the program's end; how it ended.
async fn ends(engine: &mut Program) -> std::process::ExitStatus {
    until("it ends", async || engine.child.ended()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_end_it_says_so_and_lets_a_tunnel_live_until_the_deadline() {
    let mut engine = Program::start(&["--drain", "2"]).await;
    let mut live = tunnel(engine.relay, origin().await)
        .await
        .expect("a tunnel");
    let told = Instant::now();
    engine.child.signal(Signal::TERM);
    until("it says that it is ending", async || {
        engine.status().await.draining.then_some(())
    })
    .await;
    // It says so a moment before its listeners are gone.
    until("a new connection is refused", async || {
        TcpStream::connect(engine.relay).await.err()
    })
    .await;
    echoes(&mut live, "still").await.expect("alive");
    let ended = tokio::time::timeout(DEADLINE, live.read_u8()).await;
    assert!(ended.expect("the deadline cuts it").is_err());
    let took = told.elapsed();
    assert!(took >= Duration::from_millis(1900), "cut after {took:?}");
    assert!(ends(&mut engine).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let mut engine = Program::start(&["--drain", "3600"]).await;
    let mut live = tunnel(engine.relay, origin().await)
        .await
        .expect("a tunnel");
    engine.child.signal(Signal::TERM);
    until("it says that it is ending", async || {
        engine.status().await.draining.then_some(())
    })
    .await;
    echoes(&mut live, "still").await.expect("alive");
    engine.child.signal(Signal::TERM);
    assert!(ends(&mut engine).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_ends_after_its_response_and_an_idle_one_at_once() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("bind");
    let to = listener.local_addr().expect("address");
    let mut engine = Program::start(&["--drain", "3600"]).await;
    let get = format!("GET http://{to}/ HTTP/1.1\r\nHost: {to}\r\n\r\n");
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let mut asked = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = TcpStream::connect(engine.relay).await.expect("connected");
        client.write_all(get.as_bytes()).await.expect("sent");
        let (mut origin, _) = listener.accept().await.expect("accept");
        head(&mut origin).await.expect("a request");
        asked.push(origin);
        clients.push(client);
    }
    let [mut busy, mut idle] = <[TcpStream; 2]>::try_from(clients).expect("two");
    asked[1].write_all(ok).await.expect("sent");
    let first = head(&mut idle).await.expect("a response");
    assert!(
        !first.to_lowercase().contains("connection: close"),
        "{first}"
    );
    idle.read_u16().await.expect("its body");
    engine.child.signal(Signal::TERM);
    let closed = tokio::time::timeout(DEADLINE, idle.read_u8()).await;
    assert!(closed.expect("the idle one is closed").is_err());
    asked[0].write_all(ok).await.expect("sent");
    let mut rest = String::new();
    let closed = tokio::time::timeout(DEADLINE, busy.read_to_string(&mut rest)).await;
    closed.expect("closed").expect("a clean end");
    assert!(
        rest.starts_with("HTTP/1.1 200 ") && rest.ends_with("\r\n\r\nok"),
        "{rest}"
    );
    assert!(ends(&mut engine).await.success());
}
