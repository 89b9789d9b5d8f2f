//! Stopped for a while, as with a laptop that is closed.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::program::Program;
use crate::{DEADLINE, echoes, head, origin, tunnel};

/// As long as people wait at most until things work again.
const RECOVERED: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_slept_while_its_upstream_changed_serves_old_and_new_at_once() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = upstream.local_addr().expect("address");
    let url = format!("http://{address}");
    let engine = Program::start(&["--upstream", &url, "--bypass", "127.0.0.1"]).await;
    let to = origin().await;
    let mut live = tunnel(engine.relay, to).await.expect("a tunnel");
    // A client that keeps its connection, and an upstream that does.
    let get = b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let mut kept = TcpStream::connect(engine.relay).await.expect("connected");
    kept.write_all(get).await.expect("sent");
    let (mut first, _) = upstream.accept().await.expect("asked");
    head(&mut first).await.expect("a request");
    first.write_all(ok).await.expect("answered");
    assert!(head(&mut kept).await.expect("an answer").contains(" 200 "));

    engine.child.signal(Signal::STOP);
    drop((first, upstream));
    let mut early = tokio::spawn(tunnel(engine.relay, to));
    let served = tokio::time::timeout(Duration::from_millis(300), &mut early).await;
    assert!(served.is_err(), "served by an engine that sleeps");
    let again = tokio::net::TcpSocket::new_v4().expect("socket");
    again.set_reuseaddr(true).expect("an option");
    again.bind(address).expect("the same port");
    let upstream = again.listen(16).expect("listens");
    let awake = Instant::now();
    engine.child.signal(Signal::CONT);

    echoes(&mut live, "still").await.expect("alive");
    let mut early = early.await.expect("task").expect("who waited is served");
    echoes(&mut early, "early").await.expect("alive");
    kept.write_all(get).await.expect("sent");
    let answers = async {
        let (mut second, _) = upstream.accept().await.expect("asked anew");
        head(&mut second).await.expect("a request");
        second.write_all(ok).await.expect("answered");
        head(&mut kept).await.expect("an answer")
    };
    let answer = tokio::time::timeout(DEADLINE, answers)
        .await
        .expect("in time");
    assert!(answer.contains(" 200 "), "{answer}");
    assert!(awake.elapsed() < RECOVERED, "{:?}", awake.elapsed());
}
