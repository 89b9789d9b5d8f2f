//! Heads and trailer sections that are longer than usual: bounded together, and shared out among
//! the clients.

use std::net::SocketAddr;

use proxy_engine::engine::Engine;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpSocket;

use crate::client::{Client, get};
use crate::peer::{Peer, ok, scripted};
use crate::program::raise_descriptor_limit;
use crate::tunnels::reset;
use crate::{engine, through};

/// What one client may have: half of all that there is.
const HALF: usize = 512;
/// Some more: a probe may be read before one of those that came first.
const ALL: usize = HALF + 8;

/// The begin of a line that is longer than usual.
fn long() -> String {
    format!("X: {}", "y".repeat(17_000))
}

/// So many clients of one address that say this and wait.
async fn waiting(relay: SocketAddr, said: &str) -> Vec<Client> {
    raise_descriptor_limit();
    let mut all = Vec::with_capacity(ALL);
    for _ in 0..ALL {
        let mut client = Client::connect(relay).await;
        client.send(said).await;
        all.push(client);
    }
    all
}

/// A client with another address.
async fn another(relay: SocketAddr) -> Client {
    let socket = TcpSocket::new_v4().expect("socket");
    let own = "127.0.0.2:0".parse().expect("an address");
    socket.bind(own).expect("loopback is all of 127");
    Client::accepted(socket.connect(relay).await.expect("connected"))
}

/// The first answer to `probe` that is not 200.
async fn refusal(relay: SocketAddr, probe: &str) -> u16 {
    let refused = async {
        loop {
            let response = Client::connect(relay).await.ask(probe).await;
            if response.status() != 200 {
                return response.status();
            }
        }
    };
    let refused = tokio::time::timeout(crate::DEADLINE, refused).await;
    refused.expect("bounded")
}

/// Waits until `probe` is answered with 200.
async fn served(relay: SocketAddr, probe: &str) {
    let served = async { while Client::connect(relay).await.ask(probe).await.status() != 200 {} };
    let served = tokio::time::timeout(crate::DEADLINE, served).await;
    served.expect("there is room again");
}

fn assert_says_why(engine: &Engine) {
    let metrics = engine.metrics();
    assert!(
        metrics.contains("code=\"too_many_long_heads\""),
        "{metrics}"
    );
    assert!(!metrics.contains("code=\"bad_request\""), "{metrics}");
}

#[tokio::test]
async fn long_heads_that_do_not_end_are_bounded_and_others_are_served_beside_them() {
    let proxy = Peer::named("proxy").await;
    let (engine, relay) = engine(through(&[proxy.url()])).await;
    let begun = format!("GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n{}", long());
    let whole = format!("{begun}\r\n\r\n");
    let mut waiting = waiting(relay, &begun).await;
    assert_eq!(refusal(relay, &whole).await, 503);
    assert_says_why(&engine);
    let short = get("http://a.test/");
    assert_eq!(Client::connect(relay).await.ask(&short).await.body, "proxy");
    let other = another(relay).await.ask(&whole).await;
    assert_eq!(other.body, "proxy", "another client has a share of its own");
    // Those that were let in are served when they come to an end.
    let mut first = waiting.swap_remove(0);
    assert_eq!(first.ask("\r\n\r\n").await.body, "proxy");
    drop(waiting);
    served(relay, &whole).await;
}

#[tokio::test]
async fn long_heads_of_responses_are_bounded_and_short_ones_come_through_beside_them() {
    let url = scripted(|mut upstream| async move {
        let head = upstream.until(b"\r\n\r\n").await;
        if head.contains("/short") {
            return upstream.send(ok("short")).await;
        }
        let length = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n";
        upstream.send(format!("{length}{}", long())).await;
        if head.contains("/whole") {
            return upstream.send("\r\n\r\n").await;
        }
        // Until nobody waits for it any more; how that ends is all the same.
        let _ = upstream.stream.read_u8().await;
    })
    .await;
    let (engine, relay) = engine(through(&[url])).await;
    let whole = get("http://a.test/whole");
    let waiting = waiting(relay, &get("http://a.test/begun")).await;
    assert_eq!(refusal(relay, &whole).await, 503);
    assert_says_why(&engine);
    let error = engine.status().upstreams.remove(0).last_error;
    assert_eq!(error, None, "the upstream has nothing to do with it");
    let short = get("http://a.test/short");
    assert_eq!(Client::connect(relay).await.ask(&short).await.body, "short");
    assert_eq!(another(relay).await.ask(&whole).await.status(), 200);
    // Whoever only says no more may still listen.
    for client in &waiting {
        reset(&client.stream);
    }
    drop(waiting);
    served(relay, &whole).await;
}

#[tokio::test]
async fn long_trailers_are_bounded_in_requests_and_in_responses() {
    let begun = format!("0\r\n{}", long());
    let (trailers, whole) = (begun.clone(), format!("{begun}\r\n\r\n"));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let url = scripted(move |mut upstream| {
        let trailers = trailers.clone();
        async move {
            let head = upstream.until(b"\r\n\r\n").await;
            if head.starts_with("POST") {
                // Its trailers.
                upstream.until(b"\r\n\r\n").await;
                return upstream.send(ok("")).await;
            }
            upstream.send(format!("{chunked}{trailers}")).await;
            if head.contains("/whole") {
                return upstream.send("\r\n\r\n").await;
            }
            // As above.
            let _ = upstream.stream.read_u8().await;
        }
    })
    .await;
    let (engine, relay) = engine(through(&[url])).await;
    let post = "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    let requests = waiting(relay, &format!("{post}{begun}")).await;
    assert_eq!(refusal(relay, &format!("{post}{whole}")).await, 503);
    assert_says_why(&engine);
    drop(requests);
    served(relay, &format!("{post}{whole}")).await;

    let responses = waiting(relay, &get("http://a.test/begun")).await;
    let once = "GET http://a.test/whole HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    let cut = async {
        loop {
            let mut client = Client::connect(relay).await;
            client.send(once).await;
            // Its trailers come, or nobody takes it for the whole.
            if client.rest().await.1.is_err() {
                return;
            }
        }
    };
    let cut = tokio::time::timeout(crate::DEADLINE, cut).await;
    cut.expect("bounded");
    drop(responses);
}

/// A CONNECT to this host.
fn connect(host: &str) -> String {
    format!("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n")
}

/// The answer to a CONNECT, up to the end of its head.
async fn connected(relay: SocketAddr, host: &str) -> String {
    let mut client = Client::connect(relay).await;
    client.send(&connect(host)).await;
    client.until(b"\r\n\r\n").await
}

#[tokio::test]
async fn long_answers_to_connect_are_bounded_and_short_ones_come_through_beside_them() {
    let url = scripted(|mut upstream| async move {
        let head = upstream.until(b"\r\n\r\n").await;
        if !head.contains("short.test") {
            upstream
                .send(format!("HTTP/1.1 200 OK\r\n{}", long()))
                .await;
        }
        if !head.contains("begun.test") {
            let answer = if head.contains("short.test") {
                "HTTP/1.1 200 OK"
            } else {
                ""
            };
            upstream.send(format!("{answer}\r\n\r\n")).await;
        }
        // As above.
        let _ = upstream.stream.read_u8().await;
    })
    .await;
    let (_engine, relay) = engine(through(&[url])).await;
    assert!(connected(relay, "whole.test").await.contains(" 200 "));
    let waiting = waiting(relay, &connect("begun.test")).await;
    // One more than there is room for.
    let refused = tokio::time::timeout(crate::DEADLINE, connected(relay, "begun.test")).await;
    let refused = refused.expect("bounded");
    assert!(
        refused.contains(" 502 ") && refused.contains("too many"),
        "{refused}"
    );
    for host in ["short.test", "whole.test"] {
        assert!(connected(relay, host).await.contains(" 200 "), "{host}");
    }
    drop(waiting);
}

#[tokio::test]
async fn a_long_answer_is_whole_wherever_its_end_is_cut() {
    for cuts in [
        &["\r\n\r\n"][..],
        &["\r", "\n\r\n"],
        &["\r", "\n", "\r", "\n"],
    ] {
        let url = scripted(move |mut upstream| async move {
            let head = upstream.until(b"\r\n\r\n").await;
            upstream.stream.set_nodelay(true).expect("nodelay");
            let length = if head.starts_with("GET") {
                "Content-Length: 3\r\n"
            } else {
                ""
            };
            upstream
                .send(format!("HTTP/1.1 200 OK\r\n{length}{}", long()))
                .await;
            for cut in cuts {
                // Read by itself: the engine is on the same thread.
                tokio::task::yield_now().await;
                upstream.send(*cut).await;
            }
            upstream.send("abc").await;
            let _ = upstream.stream.read_u8().await;
        })
        .await;
        let (_engine, relay) = engine(through(&[url])).await;
        let answer = Client::connect(relay)
            .await
            .ask(&get("http://a.test/"))
            .await;
        assert_eq!(answer.body, "abc", "{cuts:?}");
        let mut client = Client::connect(relay).await;
        client.send(&connect("a.test")).await;
        assert!(
            client.until(b"\r\n\r\n").await.contains(" 200 "),
            "{cuts:?}"
        );
        assert_eq!(client.until(b"abc").await, "abc");
    }
}
