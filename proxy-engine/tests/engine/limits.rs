//! How much a message may cost, and that bodies may be as long as they like.

use std::time::Duration;

use proxy_engine::config::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{Client, get};
use crate::peer::{Peer, ok, scripted};
use crate::{engine, engine_within, through};

#[tokio::test]
async fn what_is_too_long_is_answered_with_what_is_too_long() {
    let proxy = Peer::named("proxy").await;
    let limits = Limits {
        request_line: 8000,
        head: 20_000,
        fields: 100,
        chunk_line: 64,
        trailers: 200,
        ..Limits::default()
    };
    let (_engine, relay) = engine_within(limits, through(&[proxy.url()])).await;
    let long = "x".repeat(8000);
    let head = "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (request, status) in [
        (
            format!("GET http://a.test/{long} HTTP/1.1\r\nHost: a.test\r\n\r\n"),
            414,
        ),
        (format!("GET http://a.test/{long}"), 414),
        (
            format!("GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nX: {long}{long}{long}"),
            431,
        ),
        (
            format!(
                "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n{}\r\n",
                "X: y\r\n".repeat(100)
            ),
            431,
        ),
        (format!("{head}1;{}\r\na\r\n0\r\n\r\n", "x".repeat(64)), 413),
        (
            format!("{head}1\r\na\r\n0\r\nX: {}\r\n\r\n", "y".repeat(200)),
            431,
        ),
    ] {
        let mut client = Client::connect(relay).await;
        let response = client.ask(&request).await;
        assert_eq!(response.status(), status, "{}", &request[..60]);
        assert!(client.rest().await.0.is_empty());
    }
    // The same, within the limits.
    for request in [
        format!(
            "GET http://a.test/{} HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "x".repeat(7900)
        ),
        format!(
            "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n{}\r\n",
            "X: y\r\n".repeat(99)
        ),
    ] {
        let response = Client::connect(relay).await.ask(&request).await;
        assert_eq!(response.status(), 200, "{}", &request[..60]);
    }
}

#[tokio::test]
async fn a_head_over_64_kib_is_too_long_unless_it_is_told_otherwise() {
    let proxy = Peer::named("proxy").await;
    let (_engine, relay) = engine(through(&[proxy.url()])).await;
    let request = |length: usize| {
        let head = "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nX: ";
        format!("{head}{}\r\n\r\n", "y".repeat(length - head.len() - 4))
    };
    for (length, status) in [(64 * 1024, 200), (64 * 1024 + 1, 431)] {
        let response = Client::connect(relay).await.ask(request(length)).await;
        assert_eq!(response.status(), status, "{length}");
    }
}

#[tokio::test]
async fn an_answer_with_too_long_a_head_is_a_bad_gateway() {
    let proxy = Peer::start(|_| {
        format!(
            "HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n",
            "y".repeat(64 * 1024)
        )
        .into_bytes()
    })
    .await;
    let (_engine, relay) = engine(through(&[proxy.url()])).await;
    let response = Client::connect(relay)
        .await
        .ask(get("http://a.test/"))
        .await;
    assert_eq!(response.status(), 502);
    assert!(response.body.contains("65536 bytes"), "{}", response.body);
}

#[tokio::test]
async fn ten_thousand_fields_are_too_many_or_pass_in_their_order_where_they_may() {
    let names: Vec<String> = (0..10_000).map(|n| format!("A{n}:")).collect();
    let fields = names.join("\r\n") + "\r\n";
    let request = format!("GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n");
    let proxy = Peer::named("proxy").await;
    let (_engine, relay) = engine(through(&[proxy.url()])).await;
    assert_eq!(
        Client::connect(relay).await.ask(&request).await.status(),
        431
    );
    let limits = Limits {
        head: 1024 * 1024,
        fields: 10_001,
        ..Limits::default()
    };
    let (_engine, relay) = engine_within(limits, through(&[proxy.url()])).await;
    assert_eq!(
        Client::connect(relay).await.ask(&request).await.status(),
        200
    );
    let head = proxy.heads().remove(0);
    let passed: Vec<&str> = head.lines().filter(|line| line.starts_with('A')).collect();
    let expected: Vec<String> = (0..10_000).map(|n| format!("A{n}: ")).collect();
    assert!(passed == expected, "{} of them", passed.len());
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_not_waited_for_longer_than_a_head() {
    let limits = Limits {
        head_time: Duration::from_millis(300),
        ..Limits::default()
    };
    let (_engine, relay) = engine_within(limits, through(&["http://127.0.0.1:9".into()])).await;
    let client = Client::connect(relay).await;
    let (read, mut write) = client.stream.into_split();
    let drip = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        while write.write_all(b"G").await.is_ok() {
            ticks.tick().await;
        }
    });
    let mut answer = Vec::new();
    // A reset may follow: the drip goes on.
    let _ = tokio::time::timeout(crate::DEADLINE, { read }.read_to_end(&mut answer))
        .await
        .expect("answered in time");
    assert!(
        answer.starts_with(b"HTTP/1.1 408 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    drip.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_more_than_four_gibibytes_arrives_to_its_last_byte_and_the_next_request_behind_it()
 {
    const LENGTH: u64 = (1 << 32) + 5;
    let url = scripted(|mut upstream| async move {
        for _ in 0..2 {
            let head = upstream.until(b"\r\n\r\n").await;
            let expected: u64 = if head.starts_with("POST") { LENGTH } else { 0 };
            upstream.discard(expected).await;
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: {expected}\r\n\r\nok");
            upstream.send(answer).await;
        }
    })
    .await;
    let (_engine, relay) = engine(through(&[url])).await;
    let mut client = Client::connect(relay).await;
    client
        .send(format!(
            "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: {LENGTH}\r\n\r\n"
        ))
        .await;
    send_all(&mut client, LENGTH).await;
    let response = client.response().await;
    assert!(
        response.head.contains("X: 4294967301\r\n"),
        "{}",
        response.head
    );
    let response = client.ask(get("http://a.test/")).await;
    assert!(response.head.contains("X: 0\r\n"), "{}", response.head);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_of_more_than_four_gibibytes_arrives_to_its_last_byte_and_the_next_one_behind_it()
 {
    const LENGTH: u64 = (1 << 32) + 7;
    let url = scripted(|mut upstream| async move {
        upstream.until(b"\r\n\r\n").await;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
        upstream.send(head).await;
        send_all(&mut upstream, LENGTH).await;
        upstream.until(b"\r\n\r\n").await;
        upstream.send(ok("behind it")).await;
    })
    .await;
    let (engine, relay) = engine(through(&[url])).await;
    let mut client = Client::connect(relay).await;
    client.send(get("http://a.test/")).await;
    let head = client.until(b"\r\n\r\n").await;
    let length = format!("Content-Length: {LENGTH}\r\n");
    assert!(head.contains(&length), "{head}");
    client.discard(LENGTH).await;
    let response = client.ask(get("http://a.test/")).await;
    assert_eq!(response.body, "behind it");
    let down = engine.connections().remove(0).bytes_down;
    assert!(down > LENGTH, "{down} bytes");
}

/// Sends so many bytes.
async fn send_all(to: &mut Client, length: u64) {
    let block = vec![0; 1 << 20];
    let mut left = length;
    while left > 0 {
        let part = block.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        to.send(&block[..part]).await;
        left -= part as u64;
    }
}
