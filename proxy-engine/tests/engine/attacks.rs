//! Requests that two parsers could cut in two ways: refused, and nothing behind them is seen.

use std::sync::{Arc, Mutex};

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::client::{Client, get};
use crate::peer::Peer;
use crate::{engine, through, until};

/// Behind each attack stands a request that must never be seen.
const SMUGGLED: &str = "GET http://smuggled.test/ HTTP/1.1\r\nHost: smuggled.test\r\n\r\n";

/// An upstream that keeps every byte and says nothing.
#[derive(Clone, Default)]
struct Silent(Arc<Mutex<Vec<Vec<u8>>>>, Arc<Mutex<usize>>);

impl Silent {
    async fn start() -> (Self, String) {
        let silent = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let this = silent.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let this = this.clone();
                *this.1.lock().expect("count") += 1;
                tokio::spawn(async move {
                    let mut heard = Vec::new();
                    // However it ended: what counts is what came.
                    let _ = stream.read_to_end(&mut heard).await;
                    this.0.lock().expect("heard").push(heard);
                    *this.1.lock().expect("count") -= 1;
                });
            }
        });
        (silent, url)
    }

    /// All that came on connections that are over, once all are.
    async fn heard(&self) -> Vec<String> {
        until("every connection ends", || {
            *self.1.lock().expect("count") == 0
        })
        .await;
        let heard = std::mem::take(&mut *self.0.lock().expect("heard"));
        heard
            .iter()
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .collect()
    }
}

/// Heads, each with the version of its line; the target is `http://a.test/`.
const HEADS: [(&str, &str); 62] = [
    // Both lengths, in every order and spelling.
    (
        "1.1",
        "Host: a.test\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n",
    ),
    (
        "1.1",
        "Host: a.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ),
    (
        "1.1",
        "Host: a.test\r\ntransfer-encoding: CHUNKED\r\ncontent-length: 5\r\n",
    ),
    (
        "1.1",
        "Host: a.test\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n",
    ),
    // Content-Length that is not one number.
    (
        "1.1",
        "Host: a.test\r\nContent-Length: 5\r\nContent-Length: 0\r\n",
    ),
    (
        "1.1",
        "Host: a.test\r\nContent-Length: 0\r\nContent-Length: 0\r\n",
    ),
    ("1.1", "Host: a.test\r\nContent-Length: 0, 0\r\n"),
    ("1.1", "Host: a.test\r\nContent-Length: 0,5\r\n"),
    ("1.1", "Host: a.test\r\nContent-Length: +0\r\n"),
    ("1.1", "Host: a.test\r\nContent-Length: -0\r\n"),
    ("1.1", "Host: a.test\r\nContent-Length: 0x0\r\n"),
    ("1.1", "Host: a.test\r\nContent-Length: 0.0\r\n"),
    ("1.1", "Host: a.test\r\nContent-Length: 1e1\r\n"),
    ("1.1", "Host: a.test\r\nContent-Length: 1_0\r\n"),
    ("1.1", "Host: a.test\r\nContent-Length: 0 0\r\n"),
    ("1.1", "Host: a.test\r\nContent-Length: \"0\"\r\n"),
    ("1.1", "Host: a.test\r\nContent-Length:\r\n"),
    (
        "1.1",
        "Host: a.test\r\nContent-Length: 18446744073709551616\r\n",
    ),
    (
        "1.1",
        "Host: a.test\r\nContent-Length: 99999999999999999999999\r\n",
    ),
    // Transfer-Encoding that is not `chunked` alone.
    ("1.1", "Host: a.test\r\nTransfer-Encoding: xchunked\r\n"),
    ("1.1", "Host: a.test\r\nTransfer-Encoding: chunkedx\r\n"),
    (
        "1.1",
        "Host: a.test\r\nTransfer-Encoding: chunked, identity\r\n",
    ),
    (
        "1.1",
        "Host: a.test\r\nTransfer-Encoding: identity, chunked\r\n",
    ),
    (
        "1.1",
        "Host: a.test\r\nTransfer-Encoding: gzip, chunked\r\n",
    ),
    (
        "1.1",
        "Host: a.test\r\nTransfer-Encoding: chunked, chunked\r\n",
    ),
    ("1.1", "Host: a.test\r\nTransfer-Encoding: chunked,\r\n"),
    ("1.1", "Host: a.test\r\nTransfer-Encoding: ,chunked\r\n"),
    ("1.1", "Host: a.test\r\nTransfer-Encoding: \"chunked\"\r\n"),
    ("1.1", "Host: a.test\r\nTransfer-Encoding: chunked;q=1\r\n"),
    ("1.1", "Host: a.test\r\nTransfer-Encoding:\r\n"),
    ("1.1", "Host: a.test\r\nTransfer-Encoding: identity\r\n"),
    (
        "1.1",
        "Host: a.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ),
    (
        "1.1",
        "Host: a.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
    ),
    (
        "1.1",
        "Host: a.test\r\nTransfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n",
    ),
    ("1.1", "Host: a.test\r\nTransfer-Encoding: \x0bchunked\r\n"),
    ("1.1", "Host: a.test\r\nTransfer-Encoding: chunked\x0c\r\n"),
    ("1.1", "Host: a.test\r\nTransfer-Encoding\x0b: chunked\r\n"),
    ("1.1", "Host: a.test\r\nTransfer_Encoding : chunked\r\n"),
    ("1.0", "Host: a.test\r\nTransfer-Encoding: chunked\r\n"),
    // Lines that end or begin where they must not.
    ("1.1", "Host: a.test\r\nTransfer-Encoding : chunked\r\n"),
    ("1.1", "Host: a.test\r\nTransfer-Encoding\t: chunked\r\n"),
    ("1.1", "Host: a.test\r\n Transfer-Encoding: chunked\r\n"),
    (
        "1.1",
        "Host: a.test\r\nX: y\r\n\tTransfer-Encoding: chunked\r\n",
    ),
    ("1.1", " Host: a.test\r\n"),
    ("1.1", "Host: a.test\nTransfer-Encoding: chunked\r\n"),
    ("1.1", "Host: a.test\rTransfer-Encoding: chunked\r\n"),
    (
        "1.1",
        "Host: a.test\r\nX: y\r\rTransfer-Encoding: chunked\r\n",
    ),
    ("1.1", "Host: a.test\r\n\rX: y\r\n"),
    ("1.1", "Host: a.test\r\nTransfer-Encoding\r\n: chunked\r\n"),
    ("1.1", "Host: a.test\r\nno colon\r\n"),
    ("1.1", "Host: a.test\r\n: no name\r\n"),
    ("1.1", "Host: a.test\r\nX: a\0b\r\n"),
    ("1.1", "Host: a.test\r\nX\0: b\r\n"),
    ("1.1", "Host: a.test\r\nX: \x7f\r\n"),
    // Host.
    ("1.1", ""),
    ("1.1", "Host: a.test\r\nHost: a.test\r\n"),
    ("1.1", "Host: a.test\r\nhost: b.test\r\n"),
    ("1.1", "Host: a.test, b.test\r\n"),
    ("1.1", "Host: a.test b.test\r\n"),
    ("1.1", "Host: user@a.test\r\n"),
    ("1.1", "Host: a.test/x\r\n"),
    ("1.1", "Host: a.test:port\r\n"),
];

/// Request lines.
const LINES: [&str; 17] = [
    "GET  http://a.test/ HTTP/1.1",
    "GET http://a.test/  HTTP/1.1",
    "GET http://a.test/ HTTP/1.1 ",
    " GET http://a.test/ HTTP/1.1",
    "GET\thttp://a.test/\tHTTP/1.1",
    "GET http://a.test/ x HTTP/1.1",
    "GET http://a.test/\0 HTTP/1.1",
    "GET http://a.test/\x01 HTTP/1.1",
    "G\0ET http://a.test/ HTTP/1.1",
    "GET http://a.test/ HTTP/1.1\rX: y",
    "GET http://a.test/ http/1.1",
    "GET http://a.test/ HTTP/1",
    "GET http://a.test/ HTTP/1.11",
    "GET http://a.test/ HTTP/2.0",
    "GET http://a.test/",
    "GET http://a.test",
    "GET http://user@a.test/ HTTP/1.1",
];

#[tokio::test]
async fn a_request_that_could_be_cut_in_two_ways_opens_no_connection_at_all() {
    let (silent, url) = Silent::start().await;
    let (engine, relay) = engine(through(&[url])).await;
    let heads = HEADS.map(|(version, fields)| {
        format!("POST http://a.test/ HTTP/{version}\r\n{fields}\r\n0\r\n\r\n")
    });
    let lines = LINES.map(|line| format!("{line}\r\nHost: a.test\r\n\r\n"));
    for attack in heads.iter().chain(&lines) {
        let mut client = Client::connect(relay).await;
        client.send(format!("{attack}{SMUGGLED}")).await;
        let response = client.response().await;
        assert_eq!(response.status(), 400, "{attack:?}");
        assert!(
            response.head.contains("\r\nConnection: close\r\n"),
            "{}",
            response.head
        );
        let (rest, _) = client.rest().await;
        assert!(
            rest.is_empty(),
            "{attack:?} {}",
            String::from_utf8_lossy(&rest)
        );
    }
    assert_eq!(silent.heard().await, [""; 0]);
    assert_eq!(
        engine.status().connections.refused,
        (HEADS.len() + LINES.len()) as u64
    );
}

/// Bodies that are not chunked as they must be, each with a request in or behind it.
const BODIES: [&str; 28] = [
    "0x5\r\nhello\r\n0\r\n\r\n",
    "0X5\r\nhello\r\n0\r\n\r\n",
    "+5\r\nhello\r\n0\r\n\r\n",
    "-5\r\nhello\r\n0\r\n\r\n",
    " 5\r\nhello\r\n0\r\n\r\n",
    "5 5\r\nhello\r\n0\r\n\r\n",
    "0_5\r\nhello\r\n0\r\n\r\n",
    "5g\r\nhello\r\n0\r\n\r\n",
    "\r\nhello\r\n0\r\n\r\n",
    ";x\r\nhello\r\n0\r\n\r\n",
    "5\nhello\r\n0\r\n\r\n",
    "5\rhello\r\n0\r\n\r\n",
    "5\r\r\nhello\r\n0\r\n\r\n",
    "5;a\nb\r\nhello\r\n0\r\n\r\n",
    "5;a\rb\r\nhello\r\n0\r\n\r\n",
    "5;\0\r\nhello\r\n0\r\n\r\n",
    "4\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello0\r\n\r\n",
    "5\r\nhelloXX0\r\n\r\n",
    "5\r\nhello\n0\r\n\r\n",
    "5\r\nhello\r0\r\n\r\n",
    "10000000000000005\r\nhello\r\n0\r\n\r\n",
    "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "0\n\n",
    "0\r\n\n",
    "0\r\nX : y\r\n\r\n",
    "0\r\nX: y\n\r\n",
    "0\r\nX: y\r\n folded\r\n\r\n",
];

#[tokio::test]
async fn a_body_that_could_be_cut_in_two_ways_is_answered_and_ends_the_connection() {
    let (silent, url) = Silent::start().await;
    let (_engine, relay) = engine(through(&[url])).await;
    for body in BODIES {
        let mut client = Client::connect(relay).await;
        let head =
            "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
        client.send(format!("{head}{body}{SMUGGLED}")).await;
        let response = client.response().await;
        assert_eq!(response.status(), 400, "{body:?}");
        let (rest, _) = client.rest().await;
        assert!(
            rest.is_empty(),
            "{body:?} {}",
            String::from_utf8_lossy(&rest)
        );
        let arrived = silent.heard().await.concat();
        assert!(!arrived.contains("smuggled"), "{body:?} {arrived}");
        // No end that the client did not send: the next hop knows that it is cut.
        let passed = arrived.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        assert!(!passed.contains("0\r\n\r\n"), "{body:?} {arrived}");
    }
}

#[tokio::test]
async fn a_response_that_could_be_cut_in_two_ways_is_a_bad_gateway_and_the_last_on_its_connection()
{
    let planted = String::from_utf8(crate::peer::ok("planted")).expect("text");
    for fields in [
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 2\r\nContent-Length: 2\r\n",
        "Content-Length: 2, 2\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "X: y\r\n Content-Length: 2\r\n",
        "X: y\nContent-Length: 2\r\n",
        "X: y\rContent-Length: 2\r\n",
        "X: a\0b\r\n",
        "X\0: y\r\n",
        ": y\r\n",
        "no colon\r\n",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\n0\r\n\r\n{planted}");
        let proxy = Peer::start(move |_| answer.clone().into_bytes()).await;
        let (_engine, relay) = engine(through(&[proxy.url()])).await;
        let mut client = Client::connect(relay).await;
        for _ in 0..2 {
            let response = client.ask(get("http://a.test/")).await;
            assert_eq!(response.status(), 502, "{fields:?}");
            assert!(!response.body.contains("planted"), "{fields:?}");
        }
        assert_eq!(proxy.connections(), 2, "{fields:?}");
    }
}
