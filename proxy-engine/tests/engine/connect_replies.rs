//! What upstreams answer to CONNECT, however they say it.

use tokio::io::AsyncWriteExt;

use crate::client::Client;
use crate::peer::scripted;
use crate::{engine, through};

const CONNECT: &str = "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n";

/// An upstream that answers CONNECT with these pieces, one segment each, then echoes until the
/// client has ended, and ends too.
async fn answering(pieces: Vec<Vec<u8>>) -> String {
    scripted(move |mut upstream| {
        let pieces = pieces.clone();
        async move {
            upstream.stream.set_nodelay(true).expect("nodelay");
            upstream.until(b"\r\n\r\n").await;
            for piece in pieces {
                upstream.send(piece).await;
                // The engine, on the same thread, reads what there is.
                tokio::task::yield_now().await;
            }
            let (arrived, _) = upstream.rest().await;
            upstream.send(arrived).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_tunnel_begins_right_behind_the_head_whatever_the_head_says() {
    let early = "early\r\n\r\nHTTP/1.1 500 No\r\n\r\n";
    let long = format!(
        "HTTP/1.1 200 OK\r\nX: {}\r\n\r\n{early}",
        "y".repeat(8 * 1024)
    );
    for answer in [
        format!("HTTP/1.1 200 OK\r\n\r\n{early}"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{early}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{early}"),
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n{early}"
        ),
        format!("HTTP/1.0 200 Connection established\r\n\r\n{early}"),
        format!("HTTP/1.1 299\r\n\r\n{early}"),
        format!("HTTP/1.1 200 OK\r\nX : y\r\n\r\n{early}"),
        format!(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{early}"
        ),
        long,
    ] {
        let bytewise: Vec<Vec<u8>> = answer.bytes().map(|byte| vec![byte]).collect();
        for pieces in [vec![answer.clone().into_bytes()], bytewise] {
            let (_engine, relay) = engine(through(&[answering(pieces).await])).await;
            let mut client = Client::connect(relay).await;
            // The client's own early bytes, behind the head of its CONNECT.
            client.send(format!("{CONNECT}hello")).await;
            let head = client.until(b"\r\n\r\n").await;
            assert_eq!(head, "HTTP/1.1 200 Connection established\r\n\r\n");
            client.stream.shutdown().await.expect("shutdown");
            let (arrived, ended) = client.rest().await;
            let arrived = String::from_utf8(arrived).expect("text");
            assert_eq!(arrived, format!("{early}hello"), "{answer:?}");
            ended.expect("a clean end");
        }
    }
}

#[tokio::test]
async fn a_refusal_is_told_with_its_status_and_reason() {
    for (answer, status) in [
        ("HTTP/1.1 403 Blocked By Policy", 403),
        ("HTTP/1.1 405 Only 443", 405),
        ("HTTP/1.0 502 Bad Gateway", 502),
        ("HTTP/1.1 503 Overloaded", 503),
        ("HTTP/1.1 504 Too Late", 504),
        // Nothing that a client of CONNECT could follow.
        ("HTTP/1.1 302 Log In", 502),
        ("HTTP/1.1 600 Odd", 502),
    ] {
        let body = "<html>why</html>";
        let text = format!("{answer}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let (engine, relay) = engine(through(&[answering(vec![text.into_bytes()]).await])).await;
        let mut client = Client::connect(relay).await;
        let response = client.ask(CONNECT).await;
        assert_eq!(response.status(), status, "{answer}");
        let said = answer.split_once(' ').expect("status").1;
        for place in [&response.head, &response.body] {
            assert!(
                place.contains(said) && place.contains("a.test:443"),
                "{place}"
            );
        }
        assert!(!response.body.contains("<html>"), "{}", response.body);
        let error = engine.connections().remove(0).error.expect("error");
        assert_eq!(error.code, "connect_refused");
        assert!(error.message.contains(said), "{}", error.message);
    }
}

#[tokio::test]
async fn an_answer_that_is_none_is_a_bad_gateway() {
    for answer in [
        "SSH-2.0-OpenSSH_9\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 200 OK\nX: y\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: y\r\n\r\n",
        "HTTP/1.1 200",
        "",
    ] {
        let url = scripted(move |mut upstream| async move {
            upstream.until(b"\r\n\r\n").await;
            upstream.send(answer).await;
        })
        .await;
        let (_engine, relay) = engine(through(&[url])).await;
        let response = Client::connect(relay).await.ask(CONNECT).await;
        assert_eq!(response.status(), 502, "{answer:?}");
    }
    let endless = vec![[b"HTTP/1.1 200 OK\r\nX: ", &[b'y'; 70_000][..]].concat()];
    let (_engine, relay) = engine(through(&[answering(endless).await])).await;
    assert_eq!(
        Client::connect(relay).await.ask(CONNECT).await.status(),
        502
    );
}
