//! What two parsers could read in two ways goes no further.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::client::{Client, get};
use crate::peer::{Peer, ok};
use crate::{engine, through};

/// Behind each attack stands a request that must never be seen.
const SMUGGLED: &str = "GET http://smuggled.test/ HTTP/1.1\r\nHost: smuggled.test\r\n\r\n";

#[tokio::test]
async fn an_ambiguous_request_is_refused_and_nothing_behind_it_is_seen() {
    let proxy = Peer::named("proxy").await;
    let (engine, relay) = engine(through(&[proxy.url()])).await;
    let attacks = [
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n",
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: +4\r\n\r\n",
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: xchunked\r\n\r\n",
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding : chunked\r\n\r\n",
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n",
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\nTransfer-Encoding: chunked\r\n\r\n",
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nX: a\rb\r\n\r\n",
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nX: a\0b\r\n\r\n",
        "POST http://a.test/ HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET http://a.test/ HTTP/1.1\r\n\r\n",
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n",
        "GET http://a.test/ HTTP/1.1\r\nHost: a test\r\n\r\n",
        "GET http://a.test@b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "CONNECT a.test HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\n",
    ];
    for attack in attacks {
        let mut client = Client::connect(relay).await;
        client.send(format!("{attack}{SMUGGLED}")).await;
        let response = client.response().await;
        assert_eq!(response.status(), 400, "{attack:?}");
        let (rest, _) = client.rest().await;
        assert!(
            rest.is_empty(),
            "{attack:?} {}",
            String::from_utf8_lossy(&rest)
        );
    }
    assert_eq!(proxy.lines(), [""; 0]);
    assert_eq!(engine.status().connections.refused, attacks.len() as u64);
}

#[tokio::test]
async fn a_chunked_body_that_is_malformed_is_refused_and_nothing_behind_it_is_seen() {
    let proxy = Peer::named("proxy").await;
    for chunks in [
        "0x5\r\nhello\r\n",
        "+5\r\nhello\r\n",
        "5\nhello\r\n",
        "4\r\nhello\r\n",
        "5\r\nhelloXX",
        "10000000000000000\r\n",
    ] {
        for end in ["0\r\n\r\n", ""] {
            // An upstream that waits for the body; it must not get a second request.
            let (_engine, relay) = engine(through(&[proxy.url()])).await;
            let mut client = Client::connect(relay).await;
            let head = "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
            client.send(format!("{head}{chunks}{end}{SMUGGLED}")).await;
            client.stream.shutdown().await.expect("shutdown");
            let _ = client.rest().await;
            assert!(
                proxy.lines().iter().all(|line| !line.contains("smuggled")),
                "{chunks:?} {end:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_ambiguous_response_becomes_a_502() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
        "HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nX: y\r\n folded\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 101 Unasked\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
    ] {
        let proxy = Peer::start(move |_| answer.as_bytes().to_vec()).await;
        let (_engine, relay) = engine(through(&[proxy.url()])).await;
        let response = Client::connect(relay)
            .await
            .ask(get("http://a.test/"))
            .await;
        assert_eq!(response.status(), 502, "{answer:?}");
        assert!(
            response.body.contains(&proxy.address.to_string()),
            "{}",
            response.body
        );
    }
}

#[tokio::test]
async fn bytes_behind_a_response_are_no_response() {
    let proxy = Peer::start(|_| [ok("one"), ok("planted")].concat()).await;
    let (_engine, relay) = engine(through(&[proxy.url()])).await;
    let mut client = Client::connect(relay).await;
    for _ in 0..2 {
        assert_eq!(client.ask(get("http://a.test/")).await.body, "one");
    }
}

#[tokio::test]
async fn what_an_upstream_says_on_an_idle_connection_answers_no_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    let (idle, answered) = tokio::sync::oneshot::channel::<()>();
    let (told, heard) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        let mut first = Client::accepted(listener.accept().await.expect("accept").0);
        first.until(b"\r\n\r\n").await;
        first.send(ok("one")).await;
        answered.await.expect("signal");
        // As many servers take their leave.
        first
            .send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 3\r\n\r\nbye")
            .await;
        told.send(()).expect("signal");
        let mut second = Client::accepted(listener.accept().await.expect("accept").0);
        second.until(b"\r\n\r\n").await;
        second.send(ok("two")).await;
    });
    let (_engine, relay) = engine(through(&[url])).await;
    let mut client = Client::connect(relay).await;
    assert_eq!(client.ask(get("http://a.test/")).await.body, "one");
    idle.send(()).expect("signal");
    heard.await.expect("signal");
    assert_eq!(client.ask(get("http://a.test/")).await.body, "two");
}
