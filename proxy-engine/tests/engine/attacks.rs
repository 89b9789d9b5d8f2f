//! Requests that two parsers could cut in two ways: refused, and nothing behind them is seen.

mod lists;

use std::sync::{Arc, Mutex};

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use self::lists::{BODIES, HEADS, LINES, UNKNOWN_CODINGS};
use crate::client::Client;
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

#[tokio::test]
async fn a_coding_that_is_not_known_here_is_said_to_be_and_opens_no_connection() {
    let (silent, url) = Silent::start().await;
    let (_engine, relay) = engine(through(&[url])).await;
    for codings in UNKNOWN_CODINGS {
        let head = format!("POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\n{codings}\r\n");
        let mut client = Client::connect(relay).await;
        client.send(format!("{head}0\r\n\r\n{SMUGGLED}")).await;
        let response = client.response().await;
        assert_eq!(response.status(), 501, "{codings:?}");
        assert!(
            response.head.contains("\r\nConnection: close\r\n"),
            "{}",
            response.head
        );
        assert!(client.rest().await.0.is_empty(), "{codings:?}");
    }
    assert_eq!(silent.heard().await, [""; 0]);
}

#[tokio::test]
async fn a_host_must_be_there_once_and_valid_whatever_is_asked_for() {
    let (silent, url) = Silent::start().await;
    let (_engine, relay) = engine(through(&[url])).await;
    for line in [
        "GET http://a.test/",
        "CONNECT a.test:443",
        "OPTIONS *",
        "OPTIONS http://a.test",
        "TRACE http://a.test/",
    ] {
        for (hosts, version) in [
            ("", "1.1"),
            ("Host: a.test\r\nHost: a.test\r\n", "1.1"),
            ("Host: a.test\r\nhost: b.test\r\n", "1.0"),
            ("Host: a.test, b.test\r\n", "1.1"),
            ("Host: user@a.test\r\n", "1.0"),
        ] {
            let attack = format!("{line} HTTP/{version}\r\n{hosts}\r\n");
            let mut client = Client::connect(relay).await;
            client.send(format!("{attack}{SMUGGLED}")).await;
            assert_eq!(client.response().await.status(), 400, "{attack:?}");
            assert!(client.rest().await.0.is_empty(), "{attack:?}");
        }
    }
    assert_eq!(silent.heard().await, [""; 0]);
}

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
